"""Import a bank's own files by a mapping: batch by batch into one table of a data set, no row lost on the way."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from time import time_ns
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from muledetect.arrays import BoolArray, Int64Array
from muledetect.errors import DataError, OptionError
from muledetect.outputs import check_output, is_ours, new_folder
from muledetect.outputs.kinds import imported_table
from muledetect.progress import Progress, silent
from muledetect.records import reasons
from muledetect.records.currency import decimals_of
from muledetect.records.dataset import Finding
from muledetect.records.encode import hash_strings
from muledetect.records.files import Batch, Source, as_sources, headings_of, name_of, read_batches
from muledetect.records.fingerprint import hash_rows
from muledetect.records.ids import without_forms
from muledetect.records.own._columns import Columns, check_complete, read_columns, several
from muledetect.records.own._convert import Converted, convert, trimmed
from muledetect.records.own._detect import with_own_account
from muledetect.records.own._profile import shape_of
from muledetect.records.own._rows import find_headings, find_totals
from muledetect.records.own._settle import Parts, Settling
from muledetect.records.own._sides import Sides
from muledetect.records.parse import Options
from muledetect.records.rejects import RejectLog
from muledetect.records.sources import SUFFIXES
from muledetect.records.write import parquet_at, put_table
from muledetect.schema import did_you_mean

_N_SHAPES: Final = 3


@dataclass(frozen=True, eq=False)
class Imported:
    """What an import did: every row read is accepted, or in `rejects` with its reason.

    `rows_read` is `rows_accepted` and the rejects together; `rows` holds the table where no folder was given; `notes`
    say what a person should know beside the findings.
    """

    table: str
    rows_read: int
    rows_accepted: int
    rejects: pa.Table
    findings: tuple[Finding, ...]
    notes: tuple[str, ...]
    rows: pa.Table | None = None

    def __repr__(self) -> str:
        return (
            f"Imported({self.table}: {self.rows_read:,} rows read, {self.rows_accepted:,} accepted, "
            f"{self.rejects.num_rows:,} left out)"
        )


def import_own(
    files: Any,
    columns: Columns | str | Path,
    output: str | Path | None = None,
    *,
    progress: Progress | None = None,
    overwrite: bool = False,
) -> Imported:
    """Turn a bank's own files into one table of a data set, as a mapping says.

    Parameters
    ----------
    files : path, sequence of paths, or table
        CSV (also .gz, .zst) or Parquet files with the same headings, or a pandas, polars or pyarrow table.
    columns : Columns or path
        The mapping, from `suggest_columns` or a TOML file; nothing in it may be "?".
    output : path, optional
        Folder of the data set; its table is replaced, other tables stay. Without it the rows are returned.
    progress : callable, optional
        Called with the stage in words and the fraction done.
    overwrite : bool
        Replace the table in `output` also if it is not ours, or was changed.

    Returns
    -------
    Imported

    Raises
    ------
    DataError
        If a file cannot be read, lacks a heading, or more than half of its rows cannot; nothing is written then.
    OptionError
        If the mapping is not complete or not possible; as OutputError if `output` is no place to write to.

    Notes
    -----
    Files are streamed. Memory holds 8 bytes a row, for statements of accounts, whose two rows a transfer are looked
    for, some 130; without `output` the table as well.
    """
    where = "columns" if isinstance(columns, Columns) else Path(columns).name
    mapping = columns if isinstance(columns, Columns) else read_columns(columns)
    check_complete(mapping, where)
    sources = as_sources(files)
    for source in sources:
        _check_headings(mapping, source, where)
    if output is not None:
        check_output(output, imported_table(mapping.table), inputs=(files, columns), overwrite=overwrite)
        for other in _elsewhere(Path(output), mapping.table):
            raise OptionError(
                f"output: {output} has {other.name} already, and a data set has one table {mapping.table!r}. Choose "
                "another folder."
            )
    job = _Job(mapping, progress or silent)
    rows = job.gather(sources) if output is None else None
    notes: list[str] = []
    if output is not None:
        notes += _write(job, sources, Path(output), overwrite)
        notes += _strangers(mapping, Path(output))
    return Imported(
        mapping.table,
        job.n_read,
        job.n_read - job.log.count(mapping.table),
        job.log.to_table(),
        job.findings(),
        (*job.notes(), *notes),
        rows,
    )


def _write(job: _Job, sources: list[Source], folder: Path, overwrite: bool) -> list[str]:
    """Write the table, and the accounts whose statements were read unless the data set has accounts from elsewhere."""
    output, lists_own = imported_table(job.mapping.table), _lists_own(folder, job.mapping)
    if lists_own:
        output = replace(output, files=(*output.files, "accounts.parquet"))
    with new_folder(folder, output, overwrite=overwrite) as unfinished:
        job.write(sources, unfinished / f"{job.mapping.table}.parquet")
        accounts = job.own_accounts()
        if not lists_own or not len(accounts):
            return []
        put_table(pa.table({"account_id": accounts}), unfinished / "accounts.parquet")
    return [f"{len(accounts):,} accounts whose statements these are stand in accounts.parquet; only they are scored."]


def _lists_own(folder: Path, mapping: Columns) -> bool:
    """Whether the accounts of statements become the table of accounts: there is none, or it was made so."""
    if not mapping.accounts.list_own:
        return False
    place = folder / "accounts.parquet"
    made_here = is_ours(folder, place.name) and pq.read_schema(place).names == ["account_id"]
    return made_here or not (place.exists() or _elsewhere(folder, "accounts"))


def _elsewhere(folder: Path, table: str) -> list[Path]:
    """Return the places of a table in a folder beside `<table>.parquet` that hold one."""
    names = [table, *(f"{table}{suffix}" for suffix in SUFFIXES if suffix != ".parquet")]
    return [folder / name for name in names if (folder / name).exists()]


def _check_headings(mapping: Columns, source: Source, where: str) -> None:
    found = headings_of(source, mapping.file)
    for heading in mapping.headings():
        if heading not in found:
            hint = did_you_mean(heading, list(found))
            raise DataError(
                f"{name_of(source)}: has no column {heading!r}, which {where} names; it has {', '.join(found)}.{hint}"
            )


class _Job:
    """State of one import: what was left out, and the few numbers a row that pairs and repeats need."""

    def __init__(self, mapping: Columns, progress: Progress) -> None:
        self.mapping = mapping
        self.log = RejectLog()
        self.n_read = 0
        self.sides = Sides(mapping.rows)
        self._settling = Settling(mapping.contract)
        self._progress = progress
        self._shapes: dict[str, dict[str, None]] = {}
        self._hashes: list[npt.NDArray[np.uint64]] = []
        self._n_future = self._n_times = 0
        amounts, zone = mapping.amounts, mapping.times.zone or None
        self._options = Options(
            amounts.currency, decimals_of(amounts.currency), amounts.unit, ".", zone, time_ns() // 1000
        )

    def gather(self, sources: list[Source]) -> pa.Table:
        """Return all accepted rows."""
        parts = list(self._parts(sources))
        self._settle(lambda: iter(parts))
        return pa.concat_tables(self._settled(lambda: iter(parts))).combine_chunks()

    def write(self, sources: list[Source], path: Path) -> None:
        """Write all accepted rows, by way of a file beside: what belongs together is known at the end only."""
        with tempfile.TemporaryDirectory(dir=path.parent, prefix=".import-") as beside:
            rows = Path(beside) / "rows.parquet"
            with parquet_at(rows) as keep:
                for part in self._parts(sources):
                    keep(part)
            if not self._settle(partial(_read_parts, rows)):
                rows.replace(path)
                return
            with parquet_at(path) as append:
                n_parts = pq.read_metadata(rows).num_row_groups
                for place, part in enumerate(self._settled(partial(_read_parts, rows))):
                    self._progress("joining what belongs together", place / n_parts)
                    append(part)

    def _settle(self, parts: Parts) -> bool:
        """Judge all rows together and return whether any of them changes."""
        self._check_read()
        if self.mapping.is_statement:
            self.log.add("transfers", "transfer_id", reasons.PAIRED, "repair", self.sides.pair())
        is_changed = self._settling.settle(lambda: self.sides.merge(parts()), self.log)
        self._check_read()
        return is_changed or self.mapping.is_statement

    def own_accounts(self) -> pa.StringArray:
        """Return the accounts whose statements were read, spelt as in the rows."""
        return pc.unique(without_forms(self.sides.own_accounts(), self._settling.forms))

    def _settled(self, parts: Parts) -> Iterator[pa.Table]:
        return self._settling.apply(self.sides.merge(parts()))

    def _parts(self, sources: list[Source]) -> Iterator[pa.Table]:
        """Yield accepted rows batch by batch; at least one table, which may be empty."""
        stems = _stems(sources)
        has_any = False
        for stem, source in zip(stems, sources, strict=True):
            n_before, n_bad = self.n_read, self._n_bad()
            mapping = with_own_account(self.mapping, source)
            for batch in read_batches(source, self.mapping.file, self.mapping.headings()):
                self._progress(f"reading {name_of(source)}", batch.share)
                yield self._accept(batch, n_before, stem, mapping)
                has_any = True
            if len(sources) > 1:
                self._check_file(name_of(source), self.n_read - n_before, self._n_bad() - n_bad)
        if not has_any:
            raise DataError(f"{name_of(sources[0])}: has no rows under its headings. Export it again.")

    def _accept(self, batch: Batch, n_before: int, stem: str, mapping: Columns) -> pa.Table:
        table = self.mapping.table
        self.log.add(table, self._first, reasons.RAGGED, "reject", batch.ragged + n_before)
        rows = batch.numbers + n_before
        self.n_read += len(rows) + len(batch.ragged)
        done = convert(batch, mapping, self._options)
        self._n_times += done.n_times
        self._n_future += done.n_buddhist
        if batch.n_quotes:
            self.log.doubt(table, self._first, reasons.QUOTE, batch.n_quotes)
        good = self._reject(done, self._no_record(batch, rows), rows, batch)
        for column, mask, reason in done.doubts:  # cells that had to be read by a rule, as a local time that came twice
            self.log.doubt(table, column, reason, rows[mask & good])
        kept = {name: values.filter(pa.array(good)) for name, values in done.columns.items()}
        made = pa.table(kept)
        if table == "transfers":
            # Rows of other currencies than was stated have gone to the rejects.
            made = _with(made, "currency", pa.repeat(pa.scalar(self._options.currency), made.num_rows))
            made = self._with_ids(made, rows[good] - n_before, stem, None if done.is_out is None else done.is_out[good])
        if done.is_out is not None:
            self.sides.add(made, done.is_out[good], rows[good])
        self._settling.add(made)
        order = [name for name in self.mapping.contract.names if name in made.column_names]
        return made.select([*order, *(name for name in made.column_names if name not in order)])

    @property
    def _first(self) -> str:
        return self.mapping.contract.required[0]

    def _no_record(self, batch: Batch, rows: Int64Array) -> BoolArray:
        """Log rows without any value and those that say the headings again, and return which they are."""
        blank = np.ones(len(rows), np.bool_)
        for cells in batch.columns.values():
            blank &= trimmed(cells, self.mapping).is_null().to_numpy(zero_copy_only=False)
        self.log.add(self.mapping.table, self._first, reasons.BLANK, "repair", rows[blank])
        headings = find_headings(batch.columns)
        if headings is None:
            return blank
        self.log.add(self.mapping.table, self._first, reasons.HEADING, "reject", rows[headings & ~blank])
        return blank | headings

    def _reject(self, done: Converted, out: BoolArray, rows: Int64Array, batch: Batch) -> BoolArray:
        """Log each bad row, of those that are not `out` already, with the first of its faults; return the good ones."""
        required = [name for name in self.mapping.contract.required if name in done.columns]
        missing = [
            (name, done.columns[name].is_null().to_numpy(zero_copy_only=False), reasons.MISSING) for name in required
        ]
        faults = [*done.faults, *missing]
        any_fault = np.logical_or.reduce([np.zeros(len(rows), np.bool_), *(mask for _, mask, _ in faults)])
        totals = find_totals(batch.columns, any_fault & ~out)
        good = ~out
        for column, mask, reason in [(self._first, totals, reasons.TOTAL), *faults]:
            self._note_shapes(column, batch, mask & good)
            good[good] = self.log.reject(self.mapping.table, [(column, mask[good], reason)], rows[good])
        return good

    def _note_shapes(self, column: str, batch: Batch, mask: BoolArray) -> None:
        given = self.mapping.columns.get(column)
        shapes = self._shapes.setdefault(column, {})
        if given is None or len(shapes) >= _N_SHAPES:
            return
        for row in np.flatnonzero(mask)[:20].tolist():
            cells = [batch.columns[heading][row].as_py() for heading in several(given)]
            if len(shapes) < _N_SHAPES:
                shapes[" ".join(shape_of(str(cell)) if cell is not None else "(empty)" for cell in cells)] = None

    def _check_read(self) -> None:
        """Stop where most rows could not be read: then the mapping is wrong, not the rows."""
        table = self.mapping.table
        if self._n_future * 2 > self._n_times:
            raise DataError(
                f"{table}: years look Buddhist (such as 2568): {self._n_future:,} of {self._n_times:,} times lie over "
                '400 years ahead. Write era = "buddhist" under [times], which takes 543 off.'
            )
        bad = [found for found in self.findings() if _is_bad(found)]
        n_bad = sum(found.n_rows for found in bad)
        n_blank = sum(found.n_rows for found in self.findings() if found.reason == reasons.BLANK)
        if n_bad * 2 > self.n_read - n_blank or n_bad + n_blank == self.n_read:
            told = "\n".join(found.text for found in sorted(bad, key=lambda found: -found.n_rows)[:4])
            raise DataError(
                f"{table}: {n_bad:,} of {self.n_read:,} rows cannot be taken, so the mapping does not fit the file. "
                f"Nothing was written.\n{told}"
            )
        if self.n_read == self.log.count(table):
            told = "\n".join(found.text for found in self.findings() if found.severity == "reject")
            raise DataError(f"{table}: no row of {self.n_read:,} is left, so nothing was written.\n{told}")

    def _n_bad(self) -> int:
        return sum(found.n_rows for found in self.log.findings({self.mapping.table: self.n_read}) if _is_bad(found))

    def _check_file(self, name: str, n_read: int, n_bad: int) -> None:
        """Stop where most rows of one of several files could not be read: it is written in another way."""
        if n_bad * 2 > n_read:
            told = "\n".join(found.text for found in self.findings() if _is_bad(found))
            raise DataError(
                f"{name}: {n_bad:,} of its {n_read:,} rows cannot be taken, so it is not written as the mapping says, "
                "and perhaps not as the other files are (marks of decimals and thousands, dates). Nothing was "
                f"written. Make a mapping for it alone: `muledetect columns {name}`.\n{told}"
            )

    def findings(self) -> tuple[Finding, ...]:
        """Return the rejects by reason, with the shapes of cells that could not be read; then the warnings."""
        read = {self.mapping.table: self.n_read}
        found = (*self.log.findings(read), *self.log.warnings(read))
        return tuple(self._with_shapes(finding) for finding in found)

    def _with_shapes(self, finding: Finding) -> Finding:
        shapes = self._shapes.get(finding.column)
        if finding.reason != reasons.UNREADABLE or not shapes:
            return finding
        heading = " and ".join(several(self.mapping.columns.get(finding.column, ())))
        what = finding.text.partition(". ")[0]
        listed = ", ".join(f'"{shape}"' for shape in shapes)
        return replace(finding, text=f"{what}. From {heading!r}; cells of the shape {listed}. See the mapping.")

    def _with_ids(self, made: pa.Table, places: Int64Array, stem: str, is_out: BoolArray | None) -> pa.Table:
        if self.mapping.rows.ids == "column":
            return made
        hashes = hash_rows(made)
        if self.mapping.rows.ids == "rows":
            # Both sides of a transfer say the same, but from two statements.
            self._hashes.append(hashes if is_out is None else hashes ^ is_out.astype(np.uint64))
            ids = pc.binary_join_element_wise(stem, pa.array(places + 1).cast(pa.string()), "-")
        else:
            ids = pa.array(hashes).cast(pa.string())
        return _with(made, "transfer_id", ids)

    def notes(self) -> list[str]:
        """Return what a person should know beside the findings."""
        notes = list(self.sides.notes)
        if self._hashes:
            hashes = np.sort(np.concatenate(self._hashes))
            n_again = int(np.count_nonzero(hashes[1:] == hashes[:-1]))
            if n_again:
                notes.append(
                    f"{n_again:,} rows say the same as another in every column that is used. They count as transfers "
                    'of their own; if they are repeats of the export, write ids = "content" under [rows].'
                )
        return notes


#: Reasons that say nothing about whether the mapping fits.
_FITTING: Final = (reasons.OTHER_CURRENCY, reasons.HEADING, reasons.TOTAL)


def _with(rows: pa.Table, name: str, values: pa.Array) -> pa.Table:
    held = rows.drop_columns(name) if name in rows.column_names else rows
    return held.append_column(name, values)


def _is_bad(found: Finding) -> bool:
    return found.severity == "reject" and found.reason not in _FITTING


def _read_parts(path: Path) -> Iterator[pa.Table]:
    with pq.ParquetFile(path) as file:
        for place in range(file.num_row_groups):
            yield file.read_row_group(place)


def _stems(sources: list[Source]) -> list[str]:
    """Return a name for the rows of each source, different for each."""
    stems = [source.name.split(".")[0] if isinstance(source, Path) else "row" for source in sources]
    return [f"{stem}.{place + 1}" if stems.count(stem) > 1 else stem for place, stem in enumerate(stems)]


def _strangers(mapping: Columns, folder: Path) -> list[str]:
    """Tell where accounts of a further table are none of the transfers: they are written in another way."""
    column = next((name for name in ("account_id", "victim_account") if name in mapping.contract.names), None)
    if column is None or column not in mapping.columns:
        return []
    transfers = folder / "transfers.parquet"
    if not transfers.is_file():
        return []
    known: set[int] = set()
    with pq.ParquetFile(transfers) as file:
        for batch in file.iter_batches(columns=["source", "target"]):
            for values in batch.columns:
                known.update(hash_strings(pc.unique(values.cast(pa.string()))).tolist())
    written = pq.read_table(folder / f"{mapping.table}.parquet", columns=[column])[column]
    own = hash_strings(pc.drop_null(pc.unique(written)).cast(pa.string())).tolist()
    n_strange = sum(account not in known for account in own)
    if n_strange * 2 <= len(own):
        return []
    return [
        f"{n_strange:,} of {len(own):,} accounts have no transfer in {transfers.name}. If their numbers are written "
        "in another way there, 'remove' under [accounts] takes blanks and dashes out."
    ]
