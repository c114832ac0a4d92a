"""Read a foreign file as a stream of text columns under our names, row numbers kept.

Everything is text on this side, whatever the file held: one way to parse a value, and nothing is guessed by a reader.
"""

from __future__ import annotations

import csv
import io
from array import array
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, TypeAlias

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.csv as pacsv
import pyarrow.parquet as pq

from muledetect.errors import DataError, MuleDetectError
from muledetect.records.intake import Intake
from muledetect.records.lines import BROKEN, TextStream, refuse_other_kinds

_BLOCK_BYTES: Final = 1 << 24
_BATCH_ROWS: Final = 1 << 17
_HEADER_BYTES: Final = 1 << 20

#: What a file of tables may be called; `.txt` is for layouts that read plain text themselves.
SUFFIXES: Final = (".csv", ".csv.gz", ".csv.zst", ".parquet", ".txt")

#: A file of the user, or a table in memory: pyarrow, pandas, or anything with an Arrow C stream.
Source: TypeAlias = Path | pa.Table


@dataclass(frozen=True, slots=True)
class Rows:
    """Part of a file: text columns, and the number of each row in its file, int64, from 0."""

    columns: Mapping[str, pa.StringArray]
    numbers: npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Ragged:
    """Numbers of the rows, int64, whose fields do not match the header; they have no values."""

    numbers: npt.NDArray[np.int64]


def name_of(source: Source) -> str:
    """Return what an error message calls the source."""
    return source.name if isinstance(source, Path) else "the table given"


def as_source(given: Any) -> Source:
    """Return a path or a table for whatever the caller gave.

    Raises
    ------
    DataError
        If it is neither.
    """
    if isinstance(given, str | Path):
        return Path(given)
    if isinstance(given, pd.DataFrame):
        return pa.Table.from_pandas(given, preserve_index=False)
    if hasattr(given, "__arrow_c_stream__"):
        return pa.table(given)
    raise DataError(
        f"import: expected a path or a table; got {type(given).__name__}. Give the file's path, or a pandas, polars or "
        "pyarrow table."
    )


def columns_of(source: Source) -> tuple[str, ...]:
    """Return the column names; a repeated name gets `.1`, `.2` ... as pandas does. Empty for plain text.

    Raises
    ------
    DataError
        If the file is empty, damaged, no UTF-8, or of no known kind.
    """
    if isinstance(source, pa.Table):
        return _distinct(source.column_names)
    if not source.name.lower().endswith(SUFFIXES):
        raise DataError(f"{source.name}: unknown kind of file. Give one of {', '.join(SUFFIXES)}.")
    if source.suffix.lower() == ".txt":
        return ()
    try:
        if source.suffix.lower() == ".parquet":
            return _distinct(pq.read_schema(source).names)
        with pa.input_stream(str(source), compression="detect") as stream:
            start = stream.read(_HEADER_BYTES)
    except BROKEN as error:
        raise _damaged(source) from error
    refuse_other_kinds(source.name, start)
    try:
        line = start.split(b"\n", 1)[0].decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise DataError(f"{source.name}: the header is not UTF-8. Save the file as UTF-8 CSV.") from error
    if not line.strip():
        raise DataError(f"{source.name}: the file has no header row. Export it again with column names.")
    return _distinct(next(csv.reader(io.StringIO(line.rstrip("\r")))))


def read_lines(path: Path) -> Iterator[str]:
    """Yield the lines of a plain text file without their ends.

    Raises
    ------
    DataError
        If the file is damaged or no UTF-8.
    """
    try:
        with path.open(encoding="utf-8-sig") as stream:
            for line in stream:
                yield line.rstrip("\r\n")
    except BROKEN as error:
        raise _damaged(path) from error


def read_rows(source: Source, wanted: Mapping[str, str]) -> Iterator[Rows | Ragged]:
    """Yield the rows of a source in bounded parts; `wanted` maps our column names to the names in the file.

    Raises
    ------
    DataError
        If the file is damaged, no UTF-8, or broken off.
    """
    if isinstance(source, Path) and source.suffix.lower() != ".parquet":
        yield from _read_csv(source, wanted)
        return
    n_before = 0
    for batch in _batches(source):
        named = dict(zip(_distinct(batch.schema.names), batch.columns, strict=True))
        columns = {ours: _text(named[theirs], name_of(source), theirs) for ours, theirs in wanted.items()}
        yield Rows(columns, np.arange(n_before, n_before + batch.num_rows))
        n_before += batch.num_rows


def _batches(source: Source) -> Iterator[pa.RecordBatch]:
    if isinstance(source, pa.Table):
        yield from source.to_batches(_BATCH_ROWS)
        return
    try:
        intake = Intake(source.name, [source])
        yield from intake.batches(source, intake.open_parquet(source), _BATCH_ROWS)
    except MuleDetectError:
        raise
    except BROKEN as error:
        raise _damaged(source) from error


def _text(values: pa.Array, where: str, column: str) -> pa.StringArray:
    try:
        return values.cast(pa.string())
    except BROKEN as error:
        raise DataError(f"{where}: column {column!r} has type {values.type}, which has no text. Export CSV.") from error


def _read_csv(path: Path, wanted: Mapping[str, str]) -> Iterator[Rows | Ragged]:
    names = columns_of(path)
    refused = array("q")

    def refuse(row: pacsv.InvalidRow) -> str:
        refused.append(row.number - 1)  # rows count from 1
        return "skip"

    try:
        with TextStream(path, delimiter=",", width=len(names), skip=1) as stream:
            reader = pacsv.open_csv(
                stream,
                # in one thread, or Arrow cannot tell the number of a ragged row
                read_options=pacsv.ReadOptions(use_threads=False, block_size=_BLOCK_BYTES, column_names=list(names)),
                parse_options=pacsv.ParseOptions(invalid_row_handler=refuse, ignore_empty_lines=False),
                convert_options=pacsv.ConvertOptions(
                    include_columns=list(wanted.values()),
                    column_types=dict.fromkeys(names, pa.string()),
                    strings_can_be_null=True,
                    quoted_strings_can_be_null=True,
                    null_values=[""],
                ),
            )
            n_before = 0
            for batch in reader:
                numbers = _numbers(n_before, batch.num_rows, refused)
                yield Rows(dict(zip(wanted, batch.columns, strict=True)), numbers)
                n_before += batch.num_rows
    except MuleDetectError:
        raise
    except BROKEN as error:
        if "Empty CSV file" not in str(error):
            raise _damaged(path) from error
    if refused:
        yield Ragged(np.array(refused, dtype=np.int64))


def _numbers(n_before: int, n_rows: int, refused: array[int]) -> npt.NDArray[np.int64]:
    """Place accepted rows in the file: the k-th of them comes after every refused row that stands before it."""
    places = np.arange(n_before, n_before + n_rows, dtype=np.int64)
    # the i-th refused row (from 0) has refused[i] - i accepted rows before it
    return places + np.searchsorted(np.array(refused, np.int64) - np.arange(len(refused)), places, side="right")


def _distinct(names: Sequence[str]) -> tuple[str, ...]:
    seen: dict[str, int] = {}
    distinct = []
    for name in (name.strip() for name in names):
        distinct.append(f"{name}.{seen[name]}" if name in seen else name)
        seen[name] = seen.get(name, 0) + 1
    return tuple(distinct)


def _damaged(path: Path) -> DataError:
    return DataError(
        f"{path.name}: the file cannot be read; it is missing, damaged, broken off, or not UTF-8. Export it again."
    )
