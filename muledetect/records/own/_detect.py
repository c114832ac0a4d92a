"""How a text file seems to be written: its encoding, its delimiter and the line of its headings."""

from __future__ import annotations

import codecs
import re
from collections import Counter
from pathlib import Path
from typing import Final

import numpy as np

from muledetect.errors import DataError
from muledetect.records.files import FileForm, Lines, decoded, start_of, top_rows, width_of
from muledetect.records.lines import is_utf16
from muledetect.records.own._words import foreign_words

_DELIMITERS: Final = ";,\t|"
#: A cell that only data has: a number or a date, whatever its marks.
_DATA: Final = re.compile(
    r"[-+(]?\s*[฿€$£]?\s*\d[\d.,'\u2019\s]*\)?\s*[-%]?|\d{1,4}[-./]\d{1,2}[-./]\d{2,4}.*|[0-9a-f]{12,}"
)
_LEGACY: Final = ("cp1252", "cp874", "cp932", "cp949", "gb18030", "big5", "cp1250", "cp1251")


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
