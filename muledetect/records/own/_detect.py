"""How a text file seems to be written, and the account of a statement that stands only above its table.

>>> above = [(1, ["Girokonto", "DE40100500000000778"]), (3, ["Kontostand vom 31.03.2025:", "1.234,00 €"])]
>>> offers_above(above)
['"line 1 cell 2" (AA99999999999999999)']
"""

from __future__ import annotations

import codecs
import re
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Final

import numpy as np

from muledetect.errors import DataError
from muledetect.records.files import (
    FileForm,
    Lines,
    Source,
    decoded,
    lines_above,
    name_of,
    start_of,
    top_rows,
    width_of,
)
from muledetect.records.lines import is_utf16
from muledetect.records.own._columns import Columns
from muledetect.records.own._profile import shape_of
from muledetect.records.own._words import foreign_words

_DELIMITERS: Final = ";,\t|"
#: A cell that only data has: a number or a date, whatever its marks.
_DATA: Final = re.compile(
    r"[-+(]?\s*[฿€$£]?\s*\d[\d.,'\u2019\s]*\)?\s*[-%]?|\d{1,4}[-./]\d{1,2}[-./]\d{2,4}.*|[0-9a-f]{12,}"
)
_LEGACY: Final = ("cp1252", "cp874", "cp932", "cp949", "gb18030", "big5", "cp1250", "cp1251")
#: Where an account stands above a table.
PLACE: Final = re.compile(r"line ([0-9]{1,6}) cell ([0-9]{1,4})")
_ACCOUNT: Final = re.compile(r"[A-Za-z]{0,4}[0-9][0-9A-Za-z .\-/]*")
_DATE: Final = re.compile(r"[0-9]{1,4}[./-][0-9]{1,2}[./-][0-9]{2,4}")
_DECIMALS: Final = re.compile(r"[.,][0-9]{2}$")
_FEWEST_DIGITS: Final = 6
_MOST_SIGNS: Final = 42
_MOST_OFFERS: Final = 4


def detect_form(path: Path, encoding: str | None, delimiter: str | None) -> tuple[FileForm, dict[str, str]]:
    """Return how a text file seems to be written, and why, by field.

    Bytes that fit no encoding that we know, or no columns, are a DataError.
    """
    start = start_of(path)
    encoding, why = (encoding, "as stated") if encoding else _detect_encoding(path.name, start)
    found, width = _detect_delimiter(path.name, decoded(path.name, start, encoding), delimiter)
    header = _detect_header(top_rows(path, FileForm(encoding, found), width))
    notes = {"encoding": why}
    if header == 0:
        notes["header"] = 'no line of headings was found; columns are called "column 1", "column 2" ...'
    elif header > 1:
        notes["header"] = f"lines above the headings, which are passed over: {header - 1}"
    return FileForm(encoding, found, header), notes


def _detect_encoding(name: str, start: bytes) -> tuple[str, str]:
    for mark, encoding in ((codecs.BOM_UTF8, "utf-8-sig"), (b"\xff\xfe", "utf-16"), (b"\xfe\xff", "utf-16")):
        if start.startswith(mark):
            return encoding, "by its byte-order mark"
    wide = is_utf16(start)
    if wide:
        return wide, "every other byte is zero"
    try:
        start.decode("utf-8")
    except UnicodeDecodeError:
        return _detect_legacy(name, start)
    return "utf-8", "every byte fits"


def _detect_legacy(name: str, start: bytes) -> tuple[str, str]:
    """Choose among old encodings: the one in which the headings are known words, else by how high bytes lie."""
    fitting: dict[str, int] = {}
    for encoding in _LEGACY:
        try:
            text = start.decode(encoding).casefold()
        except UnicodeDecodeError:
            continue
        fitting[encoding] = sum(word in text for word in foreign_words())
    best = max(fitting, key=lambda encoding: fitting[encoding], default=None)
    if best is not None and fitting[best] > 0:
        return best, "not UTF-8; its headings are words in this encoding"
    runs = [len(run) for run in re.findall(rb"[\x80-\xff]+", start)]
    if "cp1252" in fitting and np.mean(runs) < 1.5:
        return "cp1252", "not UTF-8; single accented letters, as Windows writes them in western Europe"
    if "cp874" in fitting and np.mean(runs) >= 2:
        return "cp874", "not UTF-8; long runs of letters, as Windows writes Thai"
    fits = ", ".join(fitting) or "none that we know"
    raise DataError(
        f"{name}: the encoding cannot be told; it is not UTF-8 and its bytes would fit {fits}. State it with encoding= "
        "(--encoding), or save the file as UTF-8."
    )


def _detect_delimiter(name: str, lines: list[str], delimiter: str | None) -> tuple[str, int]:
    """Return the delimiter under which most lines have the same, largest number of fields, and that number."""
    best: tuple[float, str, int] = (0.0, "", 0)
    for sign in delimiter or _DELIMITERS:
        # Line by line: a quote that nothing closes would swallow the others.
        widths = Counter(width_of(line, sign) for line in lines if line.strip())
        width, n_lines = max(widths.items(), key=lambda item: (item[1], item[0]), default=(1, 0))
        # Some lines in ten may be remarks above and below the table.
        score = min(width, 50) * (n_lines / widths.total()) ** 4 if width > 1 else 0.0
        best = max(best, (score, sign, width), key=lambda item: item[0])
    if best[0] <= 0:
        tried = delimiter or "; , tab |"
        raise DataError(f"{name}: no columns were found; tried {tried}. State the delimiter= (--delimiter).")
    return best[1], best[2]


def _detect_header(records: Lines) -> int:
    """Return the line of the headings, 0 if there are none: the last one before the first line that holds data."""
    if not records:
        return 1
    width = Counter(len(fields) for _, fields in records).most_common(1)[0][0]
    for place, (_, fields) in enumerate(records):
        is_data = len(fields) == width and any(_DATA.fullmatch(cell) for cell in fields)
        if is_data:
            above = records[place - 1] if place else (0, [])
            fits = width - 1 <= len(above[1]) <= width and sum(map(bool, above[1])) * 2 >= width
            return above[0] if fits else 0
    return next((line for line, fields in records if len(fields) == width), 1)


def offers_above(above: Lines) -> list[str]:
    """Return the places of lines above a table that may hold an account, with its shape and not itself."""
    offers = []
    for line, cells in above:
        for place, cell in enumerate(cells, 1):
            account = _account_in(cell)
            if _may_be_account(account):
                offers.append(f'"line {line} cell {place}" ({shape_of(account)})')
    return offers[:_MOST_OFFERS]


def _account_in(cell: str) -> str:
    """Return what stands behind the last colon of a cell: its label goes."""
    return cell.rpartition(":")[2].strip()


def _may_be_account(text: str) -> bool:
    is_long = sum(sign.isdigit() for sign in text) >= _FEWEST_DIGITS and len(text) <= _MOST_SIGNS
    return bool(is_long and _ACCOUNT.fullmatch(text) and not _DATE.search(text) and not _DECIMALS.search(text))


def with_own_account(mapping: Columns, source: Source) -> Columns:
    """Return the mapping with the account of a file's rows as a constant, where the mapping names one.

    A cell above the table that the file does not have, or that holds no account, is a DataError.
    """
    given = mapping.accounts.own_account
    if not given:
        return mapping
    place = PLACE.fullmatch(given)
    account = _from_line(mapping, source, int(place[1]), int(place[2])) if place else given
    return replace(
        mapping,
        constants={**mapping.constants, "account": account},
        accounts=replace(mapping.accounts, own_account=""),
    )


def _from_line(mapping: Columns, source: Source, line: int, cell: int) -> str:
    cells = next((found for number, found in lines_above(source, mapping.file) if number == line), [])
    account = _account_in(cells[cell - 1]) if 1 <= cell <= len(cells) else ""
    if not any(sign.isdigit() for sign in account):
        what = f"has the shape {shape_of(account)!r}" if account else "is not there, or empty"
        raise DataError(
            f"{name_of(source)}: line {line} cell {cell} above the headings should hold the account of the statement "
            f"and {what}. Correct 'own_account' under [accounts]: the account, or its line and cell."
        )
    return account
