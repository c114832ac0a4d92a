"""Files of standard messages into a data set: streamed, every row accepted or left out with its reason."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pyarrow as pa

from muledetect.errors import DataError, OptionError
from muledetect.messages import iso20022, mt940
from muledetect.messages._rows import SCHEMA, Reading, Sink
from muledetect.outputs import check_output, kinds, new_folder
from muledetect.progress import Progress, silent
from muledetect.records.currency import exponent_of
from muledetect.records.dataset import Finding
from muledetect.records.intake import Intake
from muledetect.records.lines import BROKEN
from muledetect.records.parse import check_zone
from muledetect.records.write import put_table, tables_in, write_table
from muledetect.schema import did_you_mean

#: Layout -> how its files are named in a folder; files that are given by name may have any.
LAYOUTS: Final = {"iso20022": (".xml",), "mt940": (".sta", ".mt940", ".940", ".swi", ".txt")}
_PACKED: Final = ("", ".gz", ".zst")
_BLOCK: Final = 1 << 16
_LONGEST_LINE: Final = 1 << 13


@dataclass(frozen=True, eq=False)
class ImportedMessages:
    """What an import of messages did: every row read is accepted, or in `rejects` with its reason.

    Attributes
    ----------
    rows_read, rows_accepted : int
        Transfers.
    n_accounts : int
        Accounts whose statements were read: table `accounts`.
    rejects : pyarrow.Table
        schema.REJECTS; rows are numbered from 0 over the files in the order of their names.
    findings : tuple of Finding
        One a column and reason.
    dropped : dict of str to int
        How often each element was there that is not read, by its path; of the first 500 different paths.
    """

    rows_read: int
    rows_accepted: int
    n_accounts: int
    rejects: pa.Table
    findings: tuple[Finding, ...]
    dropped: dict[str, int]

    def __repr__(self) -> str:
        return f"ImportedMessages({self.rows_read:,} rows read, {self.rows_accepted:,} accepted)"


def import_messages(
    layout: str,
    files: str | Path | Iterable[str | Path],
    output: str | Path,
    *,
    source_tz: str | None = None,
    currency: str | None = None,
    missing: str = "",
    overwrite: bool = False,
    progress: Progress | None = None,
) -> ImportedMessages:
    """Turn files of standard messages into a data set in a folder.

    Parameters
    ----------
    layout : str
        "iso20022" (pacs.008, pacs.004, camt.053, camt.054; a file may be of any) or "mt940".
    files : path or paths
        Files, plain or compressed (.gz, .zst), or folders, whose files of fitting names are taken.
    output : path
        Folder of the data set: `transfers`, and `accounts` if there are statements. Rows that were left out are written
        beside it.
    source_tz : str, optional
        Zone of times that carry none, and of dates, such as "Asia/Bangkok"; without it such rows are left out.
    currency : str, optional
        ISO 4217 code. Keep only transfers of it; by default each keeps its own.
    missing : str
        Id of the other account where an entry of a statement names none (cash, fees), such as "cash"; "" leaves such
        entries out.
    overwrite : bool
        Also replace what is not ours, or was changed.
    progress : callable, optional
        Called with the stage in words and the fraction done.

    Returns
    -------
    ImportedMessages

    Raises
    ------
    DataError
        If a file is broken, hostile or no such message, or no transfer is left; nothing is written then.
    OptionError
        If the layout, zone or currency is unknown; as OutputError if `output` is no place to write to.

    Notes
    -----
    Memory holds some ten thousand rows, the numbers of rows left out, and the accounts whose statements are read.
    """
    if layout not in LAYOUTS:
        hint = did_you_mean(layout, list(LAYOUTS))
        raise OptionError(f"import: there is no layout of messages {layout!r}; known: {', '.join(LAYOUTS)}.{hint}")
    if source_tz is not None:
        check_zone(source_tz, "source_tz")
    if currency is not None:
        exponent_of(currency)
    given = [Path(files)] if isinstance(files, str | Path) else [Path(file) for file in files]
    beside = kinds.rejects_beside(output)
    check_output(output, kinds.DATASET, inputs=given, overwrite=overwrite)
    check_output(beside, kinds.REJECTS, inputs=given, overwrite=overwrite)
    paths = _paths(layout, given)
    with new_folder(output, kinds.DATASET, overwrite=overwrite) as unfinished:
        with tables_in(unfinished) as put:
            put("transfers", SCHEMA.empty_table())
            sink = Sink(Reading(source_tz, currency, missing), lambda rows: put("transfers", rows))
            _read(layout, paths, sink, progress or silent)
        done = _result(sink)
        if not done.rows_accepted:
            raise DataError(_nothing_left(layout, done))
        if sink.accounts:
            put_table(sink.own_accounts(), unfinished / "accounts.parquet")
    write_table(done.rejects, beside, output=kinds.REJECTS, overwrite=overwrite)
    return done


def _paths(layout: str, given: Iterable[Path]) -> list[Path]:
    """Return the files, each once, by name."""
    suffixes = tuple(end + packed for end in LAYOUTS[layout] for packed in _PACKED)
    found: set[Path] = set()
    for path in given:
        if path.is_dir():
            inside = [entry for entry in path.iterdir() if entry.is_file() and entry.name.lower().endswith(suffixes)]
            if not inside:
                raise DataError(f"{path.name}: the folder has no file that ends in {' or '.join(LAYOUTS[layout])}.")
            found.update(inside)
        elif path.is_file():
            found.add(path)
        else:
            raise DataError(f"{path.name}: there is no such file or folder. Check the path.")
    return sorted(found, key=lambda path: (path.name, str(path)))


def _read(layout: str, paths: list[Path], sink: Sink, progress: Progress) -> None:
    intake = Intake("messages", paths)
    for path in paths:
        blocks = _told(intake.blocks(path, _BLOCK), lambda: progress("reading messages", intake.share))
        try:
            if layout == "mt940":
                mt940.read_statements(_lines(blocks, path.name), path.name, sink)
            else:
                iso20022.read_transfers(blocks, path.name, sink)
        except BROKEN as error:
            if isinstance(error, DataError):
                raise
            raise DataError(f"{path.name}: the file is damaged or cut. Export it again.") from error
    sink.flush()


def _told(blocks: Iterator[bytes], tell: Callable[[], None]) -> Iterator[bytes]:
    for block in blocks:
        tell()
        yield block


def _lines(blocks: Iterable[bytes], where: str) -> Iterator[bytes]:
    """Yield lines; one that does not end within some thousand bytes is a DataError."""
    rest = b""
    for block in blocks:
        *whole, rest = (rest + block).replace(b"\r\n", b"\n").split(b"\n")
        yield from whole
        if len(rest) > _LONGEST_LINE:
            raise DataError(f"{where}: a line is longer than {_LONGEST_LINE:,} bytes, so it is no MT940.")
    if rest:
        yield rest


def _result(sink: Sink) -> ImportedMessages:
    n_bad = sink.log.count("transfers")
    findings = tuple(sink.log.findings({"transfers": sink.n_read}))
    dropped = dict(sorted(Counter(sink.dropped).items()))
    return ImportedMessages(
        sink.n_read, sink.n_read - n_bad, len(sink.accounts), sink.log.to_table(), findings, dropped
    )


def _nothing_left(layout: str, done: ImportedMessages) -> str:
    counts = [f"{found.n_rows:,} {found.column}: {found.reason}" for found in done.findings]
    return (
        f"import {layout}: no transfer is left of these files, so nothing was written; rows left out: "
        f"{'; '.join(counts) or 'none'}. Check that they are the right files, whole."
    )
