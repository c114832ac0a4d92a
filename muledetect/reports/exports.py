r"""Tables for Excel and other programs: CSV and XLSX in which no text can run as a formula.

Spreadsheets take a text that begins with =, +, - or @ for a formula, and account ids, names and memos come from
strangers. Such texts, and headings, get an apostrophe in front. What hides in a text stands as an escape such as
``<U+200B>`` (see `muledetect.visible`); lines and tabs stay. Nothing else is changed, so no two different texts come
out alike. Numbers stay numbers, negative ones too.

- *Money* of the contract's columns is written in whole units with all decimals ("amount (THB)": 1234.50) where the
  currency is given, as people read it; else as it is, with "(minor units)" in the heading. A sum is never off by a
  hundred in silence.
- *Times* are ISO 8601 with Z in CSV; in XLSX real dates under "(UTC)", which sort and filter, or text where a date of
  Excel could not hold them: finer than a millisecond, or before March 1900.
- *Ids* are text in both; but Excel, when it opens a CSV, takes digits for a number and drops leading zeros. XLSX keeps
  them: it is for people, CSV for programs.
- *Lists* (evidence, reasons) become readable text.
- Excel shows 15 digits of a number. Columns of whole numbers or money with longer ones are text in XLSX.

>>> neutralise("=HYPERLINK(A1)"), neutralise(" +66 2 123"), neutralise("a-b")
("'=HYPERLINK(A1)", "' +66 2 123", 'a-b')
"""

from __future__ import annotations

import csv
import io
import re
import tempfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, cast

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pacsv

from muledetect.clock import parse_time
from muledetect.errors import DataError, OptionError
from muledetect.frames import as_arrow
from muledetect.outputs import new_file
from muledetect.outputs.kinds import EXPORT
from muledetect.records.currency import exponent_of
from muledetect.schema import INPUTS, OUTPUTS
from muledetect.visible import make_visible

if TYPE_CHECKING:
    from xlsxwriter import Workbook
    from xlsxwriter.worksheet import Worksheet

#: Columns of the contract that hold money, in minor units.
MONEY: Final = frozenset(
    column.name for table in (*INPUTS.values(), *OUTPUTS.values()) for column in table.columns if column.type == "money"
)

#: What a spreadsheet passes over before it looks whether a cell begins a formula: blanks, controls, invisible signs.
_BLANK: Final = (
    r"\x00-\x20\x7f-\xa0\xad" + "\u061c\u1680\u180e\u2000-\u200f\u2028-\u202f\u205f-\u206f\u3000\ufe00-\ufe0f\ufeff"
)
#: The four signs, in full width and in small form.
_SIGNS: Final = "=+@\uff1d\uff0b\uff0d\uff20\ufe66\ufe62\ufe63\ufe6b" + r"\-"
#: Apostrophes in front are counted in, so that a neutral text and a text that looked like it stay two.
_FORMULA: Final = rf"^'*[{_BLANK}]*[{_SIGNS}\t\r\n]"
#: XlsxWriter writes a text from <r> to </r> as it is, as XML.
_RAW: Final = r"^'*<r>"
#: Where lists are separated by semicolons Excel splits CSV there, and at what it takes for the end of a row or cell.
_SPLIT: Final = rf"([;\t\r\n])(?=['\"{_BLANK}]*[{_SIGNS}])"
_SPLIT_SEEN: Final = rf"[;\t\r\n]['\"{_BLANK}]*[{_SIGNS}]"
#: Texts that may hold something hidden, or what looks like an escape.
_NOT_PLAIN: Final = r"[^ -~]|<U\+"

_BATCH: Final = 1 << 16
_SHEET_ROWS: Final = 1_048_575
_SHEET_COLUMNS: Final = 16_384
_SHEET_NAME: Final = 31
_CELL: Final = 32_767
#: From here on a number has more than the 15 digits that Excel shows.
_DIGITS: Final = 10**15
_EPOCH_DAY: Final = 25_569  # 1 January 1970 in days of Excel
_DATES: Final = (parse_time("1900-03-01"), parse_time("9999-12-31"))
_UNITS: Final = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}

Cell = str | bool | int | float | None
Render = Callable[[pa.ChunkedArray], pa.ChunkedArray]


def write_csv(table: Any, path: str | Path, *, currency: str | None = None, overwrite: bool = False) -> None:
    """Write a table as CSV: UTF-8 with a byte order mark, commas, texts in quotes; a null is an empty cell.

    Parameters
    ----------
    table : pyarrow.Table, pandas.DataFrame or anything with `__arrow_c_stream__`
    path : path
        Holds the old or the new file at any moment.
    currency : str, optional
        ISO 4217 code of the money columns; they are then written in whole units.
    overwrite : bool
        Replace a file also if it is not ours, or was changed.

    Raises
    ------
    DataError
        If the table has no column, or columns of mixed types.
    OptionError
        If there is no such currency; as OutputError if the file may not be replaced, see `muledetect.outputs`.
    """
    with new_file(path, EXPORT, overwrite=overwrite) as unfinished:
        put_csv(table, unfinished, currency=currency)


def put_csv(table: Any, path: Path, *, currency: str | None = None) -> None:
    """Write a table as `write_csv` does, plainly: to a place that nobody reads yet."""
    rows = _as_table(table)
    columns = _columns(rows, currency, _csv_column)
    heading = io.StringIO()
    shown = _csv_text(pa.chunked_array([[column.heading for column in columns]])).to_pylist()
    csv.writer(heading, quoting=csv.QUOTE_ALL, lineterminator="\n").writerow(shown)
    options = pacsv.WriteOptions(include_header=False)
    with path.open("wb") as file:
        file.write(heading.getvalue().encode("utf-8-sig"))
        for _, cells in _batches(rows, columns):
            pacsv.write_csv(pa.Table.from_arrays(cells, names=[str(n) for n in range(len(cells))]), file, options)


def write_xlsx(
    tables: Mapping[str, Any], path: str | Path, *, currency: str | None = None, overwrite: bool = False
) -> None:
    """Write tables as the sheets of one XLSX file; their names are made legal, and long tables go on in further sheets.

    Parameters
    ----------
    tables : mapping of str to table
        As `write_csv` takes them.
    path : path
        Holds the old or the new file at any moment. Equal tables give equal bytes.
    currency, overwrite
        As in `write_csv`.

    Raises
    ------
    DataError
        As `write_csv`; if a text is longer than the 32,767 signs of a cell, or a table has over 16,384 columns.
    OptionError
        If there is no such currency, or XlsxWriter is not installed (extra `report`).

    Notes
    -----
    A line ends with a line feed, as XML has it. O(cells), some microseconds each; memory stays at one batch of rows.
    """
    _decimals(currency)  # an unknown currency is refused before any work
    sheets = list(_sheets({name: _as_table(table) for name, table in tables.items()}))
    if not sheets:
        raise DataError("export: there is no table to write. Give at least one.")
    with new_file(path, EXPORT, overwrite=overwrite) as unfinished:
        _write_book(sheets, currency, unfinished)


def neutralise(text: str) -> str:
    """Return a text with an apostrophe in front if a spreadsheet could take it for a formula."""
    return f"'{text}" if re.match(_FORMULA, text) else text


def _as_table(table: Any) -> pa.Table:
    if isinstance(table, pd.DataFrame) and any(name is not None for name in table.index.names):
        table = table.reset_index()
    rows = as_arrow(table, "export")
    if not rows.num_columns:
        raise DataError("export: the table has no column. Give one with columns.")
    decoded = [
        column.cast(column.type.value_type) if pa.types.is_dictionary(column.type) else column
        for column in rows.columns
    ]
    return pa.Table.from_arrays(decoded, names=rows.column_names)


@dataclass(frozen=True)
class _Column:
    """A column of an export; `render` gives its cells, an Arrow column for CSV and a list for a sheet."""

    heading: str
    render: Callable[[pa.ChunkedArray], Any]
    number_format: str = ""


def _columns(
    rows: pa.Table, currency: str | None, build: Callable[[str, pa.ChunkedArray, int | None], _Column]
) -> list[_Column]:
    """Return the columns; those of money, where the currency is given, are built with its decimals."""
    decimals, found = _decimals(currency), []
    for name, column in zip(rows.column_names, rows.columns, strict=True):
        is_money = name in MONEY and pa.types.is_integer(column.type)
        heading = f"{name} ({currency or 'minor units'})" if is_money else name
        found.append(build(heading, column, decimals if is_money else None))
    return found


def _decimals(currency: str | None) -> int | None:
    return None if currency is None else exponent_of(currency)


def _batches(rows: pa.Table, columns: list[_Column]) -> Iterator[tuple[int, list[Any]]]:
    """Yield the cells of so many rows at a time, with the number of the first."""
    for start in range(0, rows.num_rows, _BATCH):
        part = rows.slice(start, _BATCH)
        yield start, [column.render(values) for column, values in zip(columns, part.columns, strict=True)]


def _in_major(cells: pa.ChunkedArray, decimals: int) -> pa.ChunkedArray:
    """Return minor units as decimals of whole units: the same digits, with another place of the point."""
    kind = pa.decimal128(38, decimals)
    whole = [chunk.cast(pa.int64()).cast(pa.decimal128(38, 0)) for chunk in cells.chunks]
    moved = [pa.Array.from_buffers(kind, len(part), part.buffers(), offset=part.offset) for part in whole]
    return pa.chunked_array(moved, kind)


# Texts


def _as_texts(cells: pa.ChunkedArray) -> pa.ChunkedArray:
    """Return any cells as readable text, visible."""
    if not (pa.types.is_string(cells.type) or pa.types.is_large_string(cells.type)):
        texts = [None if value is None else _as_text(value) for value in cells.to_pylist()]
        cells = pa.chunked_array([pa.array(texts, pa.large_string())])
    return _changed(cells, _NOT_PLAIN, partial(make_visible, lines=True))


def _as_text(value: Any) -> str:
    if isinstance(value, list):
        is_nested = any(isinstance(entry, list | dict) for entry in value)
        return (" | " if is_nested else ", ").join(_as_text(entry) for entry in value)
    if isinstance(value, dict):
        return "; ".join(f"{name}: {_as_text(entry)}" for name, entry in value.items())
    if isinstance(value, datetime) and value.tzinfo is not None:
        value = value.astimezone(UTC)
    if isinstance(value, date):
        return value.isoformat().replace("+00:00", "Z")
    if isinstance(value, bool):
        return str(value).lower()
    text = value.hex() if isinstance(value, bytes) else str(value)
    return "" if value is None else text


def _changed(cells: pa.ChunkedArray, pattern: str, change: Callable[[str], str]) -> pa.ChunkedArray:
    """Return texts with those that match changed."""
    seen = pc.match_substring_regex(cells, pattern)
    if not pc.any(seen).as_py():
        return cells
    texts = [
        change(text) if is_seen else text for text, is_seen in zip(cells.to_pylist(), seen.to_pylist(), strict=True)
    ]
    return pa.chunked_array([pa.array(texts, cells.type)])


def _csv_text(cells: pa.ChunkedArray) -> pa.ChunkedArray:
    split = _changed(_as_texts(cells), _SPLIT_SEEN, lambda text: re.sub(_SPLIT, r"\1'", text))
    return _changed(split, _FORMULA, lambda text: f"'{text}")


def _sheet_text(cells: pa.ChunkedArray) -> pa.ChunkedArray:
    lines = pc.replace_substring(_as_texts(cells), "\r\n", "\n")
    return _changed(lines, f"{_FORMULA}|{_RAW}", lambda text: f"'{text}")


# Times


def _precision(cells: pa.ChunkedArray) -> str:
    """Return the coarsest unit of time that loses nothing: s, ms, us or ns."""
    unit: str = cells.type.unit
    counts = pc.drop_null(cells.cast(pa.int64())).to_numpy()
    for coarser, per_second in _UNITS.items():
        if coarser == unit or not np.any(counts % (_UNITS[unit] // per_second)):
            return coarser
    return unit


def _iso(cells: pa.ChunkedArray, unit: str) -> pa.ChunkedArray:
    zoned = cells.type.tz is not None
    texts = cells.cast(pa.timestamp(cells.type.unit)).cast(pa.timestamp(unit)).cast(pa.string())
    joined = pc.replace_substring(texts, " ", "T")
    return pc.binary_join_element_wise(joined, "Z" if zoned else "", "")


def _are_excel_dates(cells: pa.ChunkedArray, unit: str) -> bool:
    if unit not in ("s", "ms"):
        return False
    bounds = pc.min_max(cells.cast(pa.timestamp(unit, cells.type.tz)).cast(pa.int64())).as_py()
    low, high = ((bounds[end] or 0) * 10**6 // _UNITS[unit] for end in ("min", "max"))
    return bounds["min"] is None or (_DATES[0] <= low and high < _DATES[1])


def _as_times(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Return dates as times of midnight, and times as they are."""
    return column.cast(pa.timestamp("s")) if pa.types.is_date32(column.type) else column


# CSV


def _csv_column(heading: str, column: pa.ChunkedArray, decimals: int | None) -> _Column:
    kind, render = column.type, cast("Render", _csv_text)
    if decimals is not None:
        render = partial(_in_major, decimals=decimals)
    elif pa.types.is_boolean(kind) or pa.types.is_integer(kind) or pa.types.is_decimal128(kind):
        render = _as_it_is
    elif pa.types.is_floating(kind):
        render = _floats if pc.any(pc.is_inf(column)).as_py() is not True else _endless_floats
    elif pa.types.is_timestamp(kind):
        render = partial(_iso, unit=_precision(column))
    return _Column(heading, render)


def _as_it_is(cells: pa.ChunkedArray) -> pa.ChunkedArray:
    return cells


def _floats(cells: pa.ChunkedArray) -> pa.ChunkedArray:
    wide = pc.add(cells.cast(pa.float64()), 0.0)  # -0.0 becomes 0.0
    return pc.if_else(pc.is_nan(wide), pa.scalar(None, pa.float64()), wide)


def _endless_floats(cells: pa.ChunkedArray) -> pa.ChunkedArray:
    # "-inf" is no number to a spreadsheet, and would begin a formula.
    return pc.replace_substring_regex(_floats(cells).cast(pa.string()), "^-inf$", "'-inf")


# XLSX


def _sheet_column(heading: str, column: pa.ChunkedArray, decimals: int | None) -> _Column:
    kind = column.type
    if decimals is not None:
        point = f".{'0' * decimals}" if decimals else ""
        return _Column(heading, _exact(column, partial(_in_major, decimals=decimals)), f"#,##0{point}")
    if pa.types.is_boolean(kind):
        return _Column(heading, pa.ChunkedArray.to_pylist)
    if pa.types.is_integer(kind):
        return _Column(heading, _exact(column, _as_it_is))
    if pa.types.is_floating(kind):
        return _Column(heading, _sheet_floats)
    if pa.types.is_timestamp(kind) or pa.types.is_date32(kind):
        return _sheet_times(heading, column)
    return _Column(heading, lambda cells: _sheet_text(cells).to_pylist())


def _exact(column: pa.ChunkedArray, convert: Render) -> Callable[[pa.ChunkedArray], list[Cell]]:
    bounds = pc.min_max(column).as_py()
    is_long = bounds["min"] is not None and max(-bounds["min"], bounds["max"]) >= _DIGITS
    return lambda cells: [
        None if value is None else str(value) if is_long else float(value) for value in convert(cells).to_pylist()
    ]


def _sheet_floats(cells: pa.ChunkedArray) -> list[Cell]:
    return [
        value if value is None or np.isfinite(value) else neutralise(str(value)) for value in _floats(cells).to_pylist()
    ]


def _sheet_times(heading: str, column: pa.ChunkedArray) -> _Column:
    times = _as_times(column)
    unit = _precision(times)
    if not _are_excel_dates(times, unit):
        return _Column(heading, lambda cells: _iso(_as_times(cells), unit).to_pylist())
    if pa.types.is_date32(column.type):
        form = "yyyy-mm-dd"
    else:
        form = "yyyy-mm-dd hh:mm:ss" + (".000" if unit == "ms" else "")
        heading = f"{heading} (UTC)" if column.type.tz else heading
    # The zone mark keeps the Gregorian calendar where Excel is Thai.
    return _Column(heading, partial(_serial_days, unit=unit), f"[$-409]{form}")


def _serial_days(cells: pa.ChunkedArray, unit: str) -> list[Cell]:
    times = _as_times(cells)
    counts = times.cast(pa.timestamp(unit, times.type.tz)).cast(pa.int64()).to_pylist()
    return [None if count is None else count / (86_400 * _UNITS[unit]) + _EPOCH_DAY for count in counts]


def _sheets(tables: Mapping[str, pa.Table]) -> Iterator[tuple[str, pa.Table]]:
    """Yield legal and different names of sheets with at most so many rows as a sheet holds."""
    taken: set[str] = set()
    for name, rows in tables.items():
        if rows.num_columns > _SHEET_COLUMNS:
            raise DataError(
                f"export: a table has {rows.num_columns:,} columns, and a sheet holds {_SHEET_COLUMNS:,}. Write CSV."
            )
        for start in range(0, max(rows.num_rows, 1), _SHEET_ROWS):
            title = _legal(name, taken)
            taken.add(title.casefold())
            yield title, rows.slice(start, _SHEET_ROWS)


def _legal(name: str, taken: set[str]) -> str:
    bare = make_visible(re.sub(r"[\[\]:*?/\\\t\r\n]", "_", str(name))).strip("'") or "table"
    if bare.casefold() == "history":  # Excel keeps this name for itself
        bare += "_"
    title, number = bare[:_SHEET_NAME].rstrip("'"), 1
    while title.casefold() in taken or not title:
        number += 1
        ending = f" ({number})"
        title = bare[: _SHEET_NAME - len(ending)] + ending
    return title


def _write_book(sheets: list[tuple[str, pa.Table]], currency: str | None, path: Path) -> None:
    try:
        import xlsxwriter  # noqa: PLC0415 (an extra)
    except ImportError as error:
        raise OptionError("export: XlsxWriter is not installed. Run `pip install 'muledetect[report]'`.") from error
    with tempfile.TemporaryDirectory() as scratch:
        # Rows wait in files of their own until the book is put together.
        book = xlsxwriter.Workbook(str(path), {"constant_memory": True, "tmpdir": scratch})
        book.use_zip64()
        book.set_properties({"created": datetime(2000, 1, 1, tzinfo=UTC)})  # equal tables, equal bytes
        try:
            for title, rows in sheets:
                _write_sheet(book, title, rows, currency)
        finally:
            _close(book)


def _close(book: Workbook) -> None:
    from xlsxwriter.exceptions import FileCreateError  # noqa: PLC0415 (an extra)

    try:
        book.close()
    except FileCreateError as error:
        raise OSError(*error.args[0].args) from error
    finally:
        for sheet in book.worksheets():  # a book that could not be written leaves the files of its rows open
            sheet.row_data_fh.close()


def _write_sheet(book: Workbook, title: str, rows: pa.Table, currency: str | None) -> None:
    sheet = book.add_worksheet(title)
    columns = _columns(rows, currency, _sheet_column)
    headings = _sheet_text(pa.chunked_array([[column.heading for column in columns]])).to_pylist()
    bold = book.add_format({"bold": True, "text_wrap": True, "valign": "top"})
    for place, heading in enumerate(headings):
        _write_text(sheet, 0, place, heading, bold)
        sheet.set_column(place, place, min(max(len(heading) + 2, 12), 40))
    formats = [
        book.add_format({"num_format": column.number_format}) if column.number_format else None for column in columns
    ]
    for start, cells in _batches(rows, columns):
        for number, row in enumerate(zip(*cells, strict=True), start + 1):
            for place, value in enumerate(row):
                _write_cell(sheet, number, place, value, formats[place])
    sheet.freeze_panes(1, 0)
    sheet.autofilter(0, 0, rows.num_rows, len(columns) - 1)


def _write_cell(sheet: Worksheet, row: int, place: int, value: Cell, form: Any) -> None:
    if isinstance(value, str):
        _write_text(sheet, row, place, value)
    elif isinstance(value, bool):
        sheet.write_boolean(row, place, value)
    elif value is not None:
        sheet.write_number(row, place, value, form)


def _write_text(sheet: Worksheet, row: int, place: int, text: str, form: Any = None) -> None:
    if len(text.encode("utf-16-le")) > 2 * _CELL:
        raise DataError(
            f"export: sheet {sheet.name!r}, column {place + 1}, row {row + 1}: a text of {len(text):,} signs is longer "
            f"than the {_CELL:,} that a cell of XLSX holds. Write CSV, which has no such limit."
        )
    sheet.write_string(row, place, text, form)
