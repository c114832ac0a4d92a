"""Open tables wherever they are, as streams of Arrow record batches of bounded size.

A source is a folder (Parquet files, partitioned Parquet folders, CSV plain or compressed), one file, or any object
that speaks the Arrow C stream interface: pyarrow, polars, DuckDB; pandas is converted.
"""

from __future__ import annotations

import csv
import difflib
import io
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, Final
from urllib.parse import unquote

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pacsv
import pyarrow.parquet as pq

from muledetect.errors import DataError
from muledetect.frames import arrow_of_pandas
from muledetect.records.files import csv_batches, damaged, start_of
from muledetect.records.intake import Intake
from muledetect.records.lines import TextStream, is_utf16
from muledetect.schema import INPUTS, OUTPUTS, did_you_mean
from muledetect.visible import has_half

BATCH_ROWS: Final = 1 << 18
SUFFIXES: Final = (".parquet", ".csv", ".csv.gz", ".csv.zst")
_DELIMITERS: Final = ",;\t|"
#: Likeness from which a name counts as a misspelt table (transfers_2 is one of 'transfers', labels_old of none).
_MISSPELT: Final = 0.8


@dataclass(frozen=True)
class TableSource:
    """One table, not read yet. `batches()` may be called once; `n_rows` is None where it is not known before.

    `intake` counts how much of its files has been read and which rows are ragged, where it has files. `former` are the
    former names of columns that it has; its batches have the names of today.
    """

    where: str
    schema: pa.Schema
    n_rows: int | None
    batches: Callable[[], Iterator[pa.RecordBatch]]
    intake: Intake | None = None
    former: tuple[str, ...] = ()

    def share(self, n_read: int) -> float | None:
        """Return how much has been read after so many rows, 0 to 1; None where nobody knows how much there is."""
        if self.intake is not None:
            return self.intake.share
        return None if self.n_rows is None else n_read / max(self.n_rows, 1)


def open_tables(source: Any, *, delimiter: str | None = None) -> dict[str, TableSource | DataError]:
    """Return every table of a source by name; one that cannot be opened is its error, to be raised with others."""
    if isinstance(source, Mapping):
        for name in source:
            if name not in INPUTS:
                raise DataError(f"source: there is no table {name!r}.{did_you_mean(str(name), list(INPUTS))}")
        opened: dict[str, Any] = dict(source)
    elif isinstance(source, str | Path):
        opened = _find_tables(Path(source))
    else:
        opened = {"transfers": source}
    found: dict[str, TableSource | DataError] = {}
    for name, table in opened.items():
        try:
            is_path = isinstance(table, str | Path)
            found[name] = _open_path(name, Path(table), delimiter) if is_path else _open_object(name, table)
        except DataError as error:
            found[name] = error
    return found


def _find_tables(folder: Path) -> dict[str, Path]:
    if folder.is_file():
        return {"transfers": folder}
    if not folder.is_dir():
        raise DataError(f"{folder}: there is no such folder. Give a folder with transfers.parquet or transfers.csv.")
    found: dict[str, Path] = {}
    for name in INPUTS:
        places = [folder / name] if (folder / name).is_dir() else []
        places += [folder / f"{name}{suffix}" for suffix in SUFFIXES if (folder / f"{name}{suffix}").is_file()]
        if len(places) > 1:
            listed = ", ".join(place.name for place in places)
            raise DataError(f"{folder}: table {name!r} is there {len(places)} times ({listed}). Keep one of them.")
        if places:
            found[name] = places[0]
    if not found:
        names = sorted(entry.name for entry in folder.iterdir())
        hints = [did_you_mean(name.split(".")[0], list(INPUTS)) for name in names]
        hint = next((hint for hint in hints if hint), "")
        got = f"it has {len(names)} other entries" if names else "it is empty"
        raise DataError(f"{folder}: no table found; {got}. Put transfers.parquet or transfers.csv there.{hint}")
    _refuse_misspelt(folder)
    return found


def _refuse_misspelt(folder: Path) -> None:
    """Stop for a file that is almost named as a table: passing over it in silence would lose all of its rows."""
    for entry in sorted(folder.iterdir()):
        stem = entry.name.split(".")[0]
        is_table = entry.is_dir() or entry.name.endswith(SUFFIXES)
        if is_table and stem and stem not in INPUTS and stem not in OUTPUTS:
            close = difflib.get_close_matches(stem, list(INPUTS), n=1, cutoff=_MISSPELT)
            if close:
                raise DataError(
                    f"{folder}: {entry.name} is no table; did you mean {close[0]!r}? Rename it, or move it elsewhere."
                )


def _open_path(name: str, path: Path, delimiter: str | None) -> TableSource:
    _refuse_undecoded(name, path)
    if path.is_file():
        return _open_file(name, path, {}, delimiter, Intake(str(path), [path]))
    if not path.is_dir():
        raise DataError(f"{name}: there is no file or folder {path}. Check the path.")
    files = sorted(
        file
        for file in path.rglob("*")
        if file.is_file()
        and file.name.endswith(SUFFIXES)
        and not any(part.startswith((".", "_")) for part in file.relative_to(path).parts)
    )
    if not files:
        raise DataError(f"{name}: folder {path} has no Parquet or CSV file. Check the export.")
    intake = Intake(str(path), files)
    parts = [_open_file(name, file, _partition_of(name, file, path), delimiter, intake) for file in files]
    return _join(name, str(path), parts, intake)


def _partition_of(name: str, file: Path, folder: Path) -> dict[str, str | None]:
    _refuse_undecoded(name, file)
    values: dict[str, str | None] = {}
    for part in file.relative_to(folder).parts[:-1]:
        key, separator, value = part.partition("=")
        if separator:
            key, value = (unquote(text, errors="surrogateescape") for text in (key, value))
            _refuse_undecoded(name, file, key + value)
            values[key] = None if value == "__HIVE_DEFAULT_PARTITION__" else value
    return values


def _refuse_undecoded(name: str, path: Path, text: str = "") -> None:
    if has_half(f"{path}{text}"):
        raise DataError(f"{name}: the name of {path} holds bytes that are not UTF-8. Rename the file or folder.")


def _join(name: str, where: str, parts: list[TableSource], intake: Intake) -> TableSource:
    """Chain parts; the first that has a column gives its place and type in the schema."""
    fields: dict[str, pa.Field] = {}
    for part in parts:
        for field in part.schema:
            fields.setdefault(field.name, field)
    for part in parts:
        for column in INPUTS[name].required:
            if column in fields and column not in part.schema.names:
                raise DataError(f"{part.where}: column {column!r} is missing, but other files of {name!r} have it.")
    counts = [part.n_rows for part in parts]
    total = sum(count for count in counts if count is not None) if None not in counts else None
    former = tuple(dict.fromkeys(old for part in parts for old in part.former))
    schema = pa.schema(list(fields.values()))
    return TableSource(
        where, schema, total, lambda: (batch for part in parts for batch in part.batches()), intake, former
    )


def _open_file(
    name: str, path: Path, partition: Mapping[str, str | None], delimiter: str | None, intake: Intake
) -> TableSource:
    if path.stat().st_size == 0:
        raise DataError(f"{name}: file {path} is empty (0 bytes). Export it again.")
    if not path.name.endswith(SUFFIXES):
        raise DataError(f"{name}: file {path} is none of {', '.join(SUFFIXES)}. Convert it to Parquet or CSV.")
    is_parquet = path.suffix == ".parquet"
    opened = _open_parquet(name, path, intake) if is_parquet else _open_csv(name, path, delimiter, intake)
    opened = _with_present_names(name, opened)
    twice = {key: value for key, value in partition.items() if key in opened.schema.names}
    if twice:
        opened = replace(opened, batches=partial(_agreeing, name, path, opened.batches, twice))
    extra = {key: value for key, value in partition.items() if key not in twice}
    if not extra:
        return opened
    schema = pa.schema([*opened.schema, *(pa.field(key, pa.string()) for key in extra)])

    def batches() -> Iterator[pa.RecordBatch]:
        for batch in opened.batches():
            constants = [pa.repeat(pa.scalar(value, pa.string()), batch.num_rows) for value in extra.values()]
            yield pa.RecordBatch.from_arrays([*batch.columns, *constants], names=[*batch.schema.names, *extra])

    return replace(opened, schema=schema, batches=batches)


def _agreeing(
    name: str, path: Path, read: Callable[[], Iterator[pa.RecordBatch]], folder_values: Mapping[str, str | None]
) -> Iterator[pa.RecordBatch]:
    """Yield batches; raise where a column and the folder that the file lies in say different things."""
    for batch in read():
        for key, value in folder_values.items():
            held = pc.drop_null(pc.unique(batch.column(key)).cast(pa.string()))
            if pc.any(pc.not_equal(held, "" if value is None else value)).as_py():
                raise DataError(
                    f"{name}: file {path} has other values of {key!r} than its folder {key}={value}. "
                    "Leave the column or the folder out."
                )
        yield batch


def _with_present_names(name: str, opened: TableSource) -> TableSource:
    """Return the table with the column names of today in place of those of an earlier version; refuse repeated ones."""
    present = opened.schema.names
    repeated = sorted({column for column in present if present.count(column) > 1})
    if repeated:
        raise DataError(f"{name}: {opened.where} has column {repeated[0]!r} twice. Rename one of them.")
    former = INPUTS[name].former_names(present)
    if not former:
        return opened
    names = [former.get(column, column) for column in present]
    schema = pa.schema([field.with_name(column) for field, column in zip(opened.schema, names, strict=True)])
    renamed = partial(map, lambda batch: batch.rename_columns(names))
    return replace(opened, schema=schema, batches=lambda: renamed(opened.batches()), former=tuple(former))


@contextmanager
def _reading(name: str, path: Path) -> Iterator[None]:
    """Let errors name the table, and those of a damaged Parquet file say so."""
    try:
        yield
    except DataError as error:
        raise DataError(f"{name}: {error}") from error
    except (pa.ArrowException, OSError, ValueError) as error:
        raise damaged(f"{name}: file {path}", "Parquet") from error


def _open_parquet(name: str, path: Path, intake: Intake) -> TableSource:
    # Columns of repeated text had best come as dictionaries.
    repeated = [
        c.name for c in INPUTS[name].columns if c.type == "category" or c.name in ("source_bank", "target_bank")
    ]
    with _reading(name, path):
        schema = pq.read_schema(path)
        coded = [column for column in repeated if column in schema.names and schema.field(column).type == pa.string()]
        # Buffering ahead would keep every compressed byte of the file until its reader goes.
        file = intake.open_parquet(path, read_dictionary=coded, pre_buffer=False)

    def batches() -> Iterator[pa.RecordBatch]:
        with _reading(name, path):
            yield from intake.batches(path, file, BATCH_ROWS)

    return TableSource(str(path), file.schema_arrow, file.metadata.num_rows, batches, intake=intake)


def _open_csv(name: str, path: Path, delimiter: str | None, intake: Intake) -> TableSource:
    columns, found = _read_header(name, path, delimiter)

    def batches() -> Iterator[pa.RecordBatch]:
        first, n_ragged = intake.n_rows, len(intake.ragged)

        def refuse(row: pacsv.InvalidRow) -> str:
            intake.ragged.append(first + row.number - 1)
            return "skip"

        try:
            text = TextStream(path, delimiter=found, width=len(columns), skip=1, intake=intake)
            with text as stream:
                for batch in csv_batches(stream, columns, found, refuse):
                    intake.n_rows += batch.num_rows
                    yield from _slices(batch)
            intake.n_rows += len(intake.ragged) - n_ragged
        except DataError as error:
            raise DataError(f"{name}: {error}") from error
        except (pa.ArrowException, OSError, ValueError) as error:
            said = str(error)
            detail = " (it is not UTF-8)" if "UTF8" in said or "utf-8" in said.lower() else ""
            raise DataError(
                f"{name}: file {path} cannot be read as CSV{detail}. Save it as UTF-8 CSV with one header row, "
                "or import it as it is: `muledetect columns`."
            ) from error

    schema = pa.schema([pa.field(column, pa.string()) for column in columns])
    return TableSource(str(path), schema, None, batches, intake)


def _read_header(name: str, path: Path, delimiter: str | None) -> tuple[list[str], str]:
    try:
        start = start_of(path)
    except DataError as error:
        raise DataError(f"{name}: {error}") from error
    if start[:2] in (b"\xff\xfe", b"\xfe\xff") or is_utf16(start):
        raise DataError(f"{name}: file {path} is UTF-16. Save it as UTF-8 CSV, or import it: `muledetect columns`.")
    first_line = start.split(b"\n", 1)[0]
    try:
        line = first_line.decode("utf-8-sig").rstrip("\r")
    except UnicodeDecodeError as error:
        raise DataError(
            f"{name}: file {path} is not UTF-8. Save it as UTF-8 CSV, or import it as it is: `muledetect columns`."
        ) from error
    if not line.strip():
        raise DataError(f"{name}: file {path} has no header row. Put the column names in its first line.")
    found = delimiter or max(_DELIMITERS, key=line.count)
    return next(csv.reader(io.StringIO(line), delimiter=found)), found


def _slices(batch: pa.RecordBatch) -> Iterator[pa.RecordBatch]:
    for start in range(0, batch.num_rows, BATCH_ROWS):
        yield batch.slice(start, BATCH_ROWS)


def _open_object(name: str, table: Any) -> TableSource:
    where = f"the {type(table).__name__} given as {name!r}"
    if isinstance(table, pd.DataFrame):
        table = arrow_of_pandas(table, f"{name}: {where}")
    if isinstance(table, pa.RecordBatch):
        table = pa.Table.from_batches([table])
    if isinstance(table, pa.Table):
        opened = TableSource(where, table.schema, table.num_rows, lambda: iter(table.to_batches(BATCH_ROWS)))
    elif hasattr(table, "__arrow_c_stream__"):
        opened = _open_stream(name, where, table)
    else:
        raise DataError(
            f"{name}: {where} is no table. Give a path, or a pyarrow, pandas, polars (collected) or DuckDB table."
        )
    return _with_present_names(name, opened)


def _open_stream(name: str, where: str, table: Any) -> TableSource:
    try:
        reader = pa.RecordBatchReader.from_stream(table)
    except (pa.ArrowException, TypeError, ValueError) as error:
        raise DataError(f"{name}: {where} gives no Arrow stream. Convert it with pyarrow.table(...).") from error

    def batches() -> Iterator[pa.RecordBatch]:
        try:
            for batch in reader:
                yield from _slices(batch)
        except (pa.ArrowException, OSError, ValueError) as error:
            raise DataError(f"{name}: {where} broke off while it was read.") from error

    return TableSource(where, reader.schema, None, batches)
