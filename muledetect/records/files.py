"""Open any file of rows, CSV or Parquet, or a table in memory: its headings, and its rows as batches of columns.

A file is never taken for more than it is: cells are text as they stand, and a row whose number of fields does not fit
the headings is numbered and told, not dropped.
"""

from __future__ import annotations

import codecs
import csv
import io
import itertools
from array import array
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, TypeAlias

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.csv as pacsv
import pyarrow.parquet as pq

from muledetect.errors import DataError, MuleDetectError, OptionError
from muledetect.frames import as_arrow
from muledetect.records.intake import Intake
from muledetect.records.lines import BROKEN, TextStream, refuse_other_kinds
from muledetect.records.rejects import input_rows

#: A file of the user, or a table in memory.
Source: TypeAlias = Path | pa.Table

SUFFIXES: Final = (".csv", ".csv.gz", ".csv.zst", ".txt", ".tsv", ".parquet")
_BLOCK_BYTES: Final = 1 << 24
_BATCH_ROWS: Final = 1 << 17
_START_BYTES: Final = 1 << 20
_LINES: Final = 1000


@dataclass(frozen=True, slots=True)
class FileForm:
    """How a text file is written.

    `header` is the line of the headings, counted from 1 (0: there are none, and columns are called "column 1", ...);
    cells that read as one of `nothing` are empty.
    """

    encoding: str = "utf-8"
    delimiter: str = ","
    header: int = 1
    nothing: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Batch:
    """Part of a file: columns by heading, the number of each row in the file from 0, and the ragged rows before.

    `n_quotes` quotes that nothing closes were read as plain signs, here or just below; `share` of the file has been
    read, 0 to 1.
    """

    columns: Mapping[str, pa.Array]
    numbers: npt.NDArray[np.int64]
    ragged: npt.NDArray[np.int64] = field(default_factory=lambda: np.empty(0, np.int64))
    n_quotes: int = 0
    share: float = 1.0


def as_sources(given: Any) -> list[Source]:
    """Return paths and tables for what the caller gave: one or several paths, or one table."""
    if isinstance(given, str | Path):
        return [_checked(Path(given))]
    if isinstance(given, pd.DataFrame) or hasattr(given, "__arrow_c_stream__"):
        return [as_arrow(given, "files")]
    if isinstance(given, Sequence) and given and all(isinstance(path, str | Path) for path in given):
        return [_checked(Path(path)) for path in given]
    raise DataError(f"files: expected a path or a table; got {type(given).__name__}. Give the path of a CSV file.")


def _checked(path: Path) -> Path:
    if not path.is_file():
        raise DataError(f"{path}: there is no such file. Check the path.")
    if not path.name.lower().endswith(SUFFIXES):
        also = " In a spreadsheet: Save as, CSV." if path.suffix.lower() in (".xlsx", ".xls", ".ods") else ""
        raise DataError(f"{path.name}: is none of {', '.join(SUFFIXES)}. Save it as CSV or Parquet.{also}")
    if path.stat().st_size == 0:
        raise DataError(f"{path.name}: the file is empty (0 bytes). Export it again.")
    return path


def name_of(source: Source) -> str:
    """Return what messages call the source."""
    return source.name if isinstance(source, Path) else "the table given"


def is_text(source: Source) -> bool:
    """Whether a source is plain text, so that encoding, delimiter and headings must be known."""
    return isinstance(source, Path) and source.suffix.lower() != ".parquet"


def start_of(path: Path) -> bytes:
    """Return the first bytes of a text file up to the end of a line; raise if it is damaged or of another kind."""
    try:
        with pa.input_stream(str(path), compression="detect") as stream:
            start: bytes = stream.read(_START_BYTES)
            is_all = not stream.read(1)
    except BROKEN as error:
        raise damaged(f"{path.name}: the file", "CSV") from error
    refuse_other_kinds(path.name, start)
    if is_all or b"\n" not in start:
        return start
    return start[: start.rindex(b"\n") + 1]


def decoded(name: str, start: bytes, encoding: str) -> list[str]:
    """Return the first lines of some bytes."""
    try:
        codecs.lookup(encoding)
    except LookupError as error:
        raise OptionError(
            f"encoding: {encoding!r} is none that is known. Write utf-8, cp1252 (western), cp874 (Thai) or another."
        ) from error
    try:
        text = codecs.getincrementaldecoder(encoding)().decode(start)
    except UnicodeDecodeError as error:
        raise not_in(name, encoding) from error
    return list(itertools.islice(io.StringIO(text, newline=None), _LINES))


def not_in(name: str, encoding: str) -> DataError:
    """Return the error for a file that is not in the encoding that it was said to be in."""
    return DataError(
        f"{name}: holds bytes that are not {encoding}. Save it as UTF-8, or correct 'encoding' under [file]: utf-8, "
        "cp1252 (western), cp874 (Thai), utf-16."
    )


def damaged(where: str, kind: str) -> DataError:
    """Return the error for a file that breaks while it is read."""
    return DataError(f"{where} cannot be read as {kind}; it is broken off, truncated or damaged. Export it again.")


#: Lines by number, with their cells.
Lines: TypeAlias = list[tuple[int, list[str]]]


def width_of(line: str, delimiter: str) -> int:
    """Return the number of fields of a line."""
    try:
        return len(next(csv.reader([line], delimiter=delimiter), ()))
    except csv.Error:  # a field longer than csv takes: whatever it is, it is no delimiter of ours
        return 1


def top_rows(path: Path, form: FileForm, width: int | None = None) -> Lines:
    """Return the first rows as (line, fields); blank ones are left out."""
    reader = csv.reader(_top_lines(path, form, width), delimiter=form.delimiter)
    records: Lines = []
    before = 0
    with suppress(csv.Error):  # a field longer than csv takes
        for fields in reader:
            if any(cell.strip() for cell in fields):
                records.append((before + 1, [cell.strip() for cell in fields]))
            before = reader.line_num
    return records


def _top_lines(path: Path, form: FileForm, width: int | None = None) -> list[str]:
    """Return the first lines, quotes mended as all readers mend them."""
    if width is None:
        lines = decoded(path.name, start_of(path), form.encoding)
        width = Counter(width_of(line, form.delimiter) for line in lines if line.strip()).most_common(1)[0][0]
    with TextStream(path, delimiter=form.delimiter, width=width, encoding=form.encoding) as stream:
        start = stream.read(_START_BYTES)
    cut = start if len(start) < _START_BYTES else start[: start.rfind(b"\n") + 1]
    return decoded(path.name, cut, "utf-8")


def headings_of(source: Source, form: FileForm) -> tuple[str, ...]:
    """Return the headings; an empty one is called "column 7", a repeated one gets .1, .2 as pandas does."""
    if isinstance(source, pa.Table):
        return _distinct(source.column_names)
    if not is_text(source):
        try:
            return _distinct(pq.read_schema(source).names)
        except BROKEN as error:
            raise damaged(f"{source.name}: the file", "Parquet") from error
    records = top_rows(source, form)
    width = Counter(len(fields) for _, fields in records).most_common(1)[0][0] if records else 0
    if form.header == 0:
        return _distinct([""] * width)
    heading = next((fields for line, fields in records if line == form.header), None)
    if heading is None:
        raise DataError(f"{source.name}: line {form.header} has no headings. Correct 'header' under [file].")
    # Some exports end every row, but not the headings, with a delimiter.
    return _distinct([*heading, *[""] * (width - len(heading) if width - len(heading) == 1 else 0)])


def lines_above(source: Source, form: FileForm) -> Lines:
    """Return the lines above the headings that hold something, each with its number and its cells."""
    if not isinstance(source, Path) or not is_text(source):
        return []
    return [(line, fields) for line, fields in top_rows(source, form) if line < form.header]


def _distinct(names: Sequence[str]) -> tuple[str, ...]:
    seen: Counter[str] = Counter()
    distinct = []
    for place, given in enumerate(names):
        name = " ".join(given.replace("\ufeff", "").split()) or f"column {place + 1}"
        distinct.append(f"{name}.{seen[name]}" if seen[name] else name)
        seen[name] += 1
    return tuple(distinct)


def read_batches(source: Source, form: FileForm, wanted: Sequence[str]) -> Iterator[Batch]:
    """Yield the rows of a source in bounded parts, only the columns `wanted`; text is trimmed, empty cells are null.

    A file that is damaged, broken off, or not in its encoding is a DataError.
    """
    if isinstance(source, Path) and is_text(source):
        yield from _read_text(source, form, wanted)
        return
    n_before = 0
    for batch, share in _arrow_batches(source):
        named = dict(zip(_distinct(batch.schema.names), batch.columns, strict=True))
        numbers = np.arange(n_before, n_before + batch.num_rows)
        yield Batch({name: _plain(named[name]) for name in wanted}, numbers, share=share)
        n_before += batch.num_rows


def _arrow_batches(source: Source) -> Iterator[tuple[pa.RecordBatch, float]]:
    """Yield batches, and how much has been read with each."""
    if isinstance(source, pa.Table):
        batches = source.to_batches(_BATCH_ROWS)
        yield from ((batch, place / len(batches)) for place, batch in enumerate(batches, start=1))
        return
    try:
        intake = Intake(source.name, [source])
        for batch in intake.batches(source, intake.open_parquet(source), _BATCH_ROWS):
            yield batch, intake.share
    except MuleDetectError:
        raise
    except BROKEN as error:
        raise damaged(f"{source.name}: the file", "Parquet") from error


def _plain(values: pa.Array) -> pa.Array:
    if pa.types.is_dictionary(values.type):
        values = values.dictionary_decode()
    is_other_text = pa.types.is_large_string(values.type) or pa.types.is_string_view(values.type)
    return values.cast(pa.string()) if is_other_text else values


def _read_text(path: Path, form: FileForm, wanted: Sequence[str]) -> Iterator[Batch]:
    names = headings_of(path, form)
    refused = array("q")
    n_told = n_before = n_quotes = 0

    def refuse(row: pacsv.InvalidRow) -> str:
        refused.append(row.number - 1)  # rows count from 1
        return "skip"

    stream = TextStream(
        path, delimiter=form.delimiter, width=len(names), encoding=form.encoding, skip=_lines_above(path, form)
    )
    try:
        with stream:
            found = csv_batches(
                stream, names, form.delimiter, refuse, wanted=wanted, nothing=form.nothing, skip_blank=False
            )
            for batch in found:
                left, mended = np.array(refused, np.int64), stream.intake.n_mended
                numbers = input_rows(left, np.arange(n_before, n_before + batch.num_rows))
                columns = dict(zip(wanted, batch.columns, strict=True))
                yield Batch(columns, numbers, left[n_told:], mended - n_quotes, stream.intake.share)
                n_told, n_before, n_quotes = len(left), n_before + batch.num_rows, mended
    except MuleDetectError:
        raise
    except BROKEN as error:
        is_other = isinstance(error, UnicodeDecodeError) or "utf" in str(error).lower()
        raise (not_in(path.name, form.encoding) if is_other else damaged(f"{path.name}: the file", "CSV")) from error
    if len(refused) > n_told:
        none = {name: pa.array([], pa.string()) for name in wanted}
        yield Batch(
            none, np.empty(0, np.int64), np.array(refused[n_told:], np.int64), stream.intake.n_mended - n_quotes
        )


def csv_batches(
    stream: TextStream,
    names: Sequence[str],
    delimiter: str,
    refuse: Callable[[pacsv.InvalidRow], str],
    *,
    wanted: Sequence[str] | None = None,
    nothing: Sequence[str] = (),
    skip_blank: bool = True,
) -> Iterator[pa.RecordBatch]:
    """Yield the rows of a text below its headings as columns of text; the one place where CSV is parsed.

    `refuse` is called with each ragged row, whose number counts from 1. Blank lines are no rows, with `skip_blank`.
    """
    try:
        yield from pacsv.open_csv(
            stream,
            # in one thread, or Arrow cannot tell the number of a ragged row
            read_options=pacsv.ReadOptions(
                use_threads=False, block_size=_BLOCK_BYTES, column_names=list(names)
            ),
            parse_options=pacsv.ParseOptions(
                delimiter=delimiter, newlines_in_values=True, ignore_empty_lines=skip_blank,
                invalid_row_handler=refuse,
            ),
            convert_options=pacsv.ConvertOptions(
                include_columns=list(names if wanted is None else wanted),
                column_types=dict.fromkeys(names, pa.string()),
                strings_can_be_null=True, quoted_strings_can_be_null=True, null_values=["", *nothing],
            ),
        )  # fmt: skip
    except pa.ArrowInvalid as error:
        if "Empty CSV file" not in str(error):
            raise


def _lines_above(path: Path, form: FileForm) -> int:
    """Return the lines up to and with the headings, which may be broken over several."""
    if form.header == 0:
        return 0
    reader = csv.reader(_top_lines(path, form)[form.header - 1 :], delimiter=form.delimiter)
    next(reader)
    return form.header - 1 + reader.line_num
