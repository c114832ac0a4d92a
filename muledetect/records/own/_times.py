"""Times as banks write them: formats in the letters of `strftime`, or counts since a day, read without guessing.

>>> texts = pa.array(["31.01.2025 14:22:07", "1.2.2025 0:00:00", "31.02.2025 1:00:00", None])
>>> found = read_times(texts, "%d.%m.%Y %H:%M:%S", "gregorian")
>>> [None if time is None else str(time) for time in found.to_pylist()]
['2025-01-31 14:22:07', '2025-02-01 00:00:00', None, None]
>>> str(read_times(pa.array(["令和7年3月1日 午後1時05分"]), "%EY年%m月%d日 %p%I時%M分", "gregorian")[0])
'2025-03-01 13:05:00'
>>> str(read_times(pa.array(["45717.5"]), "excel", "gregorian")[0])
'2025-03-01 12:00:00'
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from decimal import Decimal
from functools import cache
from types import MappingProxyType
from typing import Any, Final, Literal, TypeAlias

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from muledetect.clock import DAY, HOUR, MINUTE, SECOND
from muledetect.errors import OptionError
from muledetect.records.own._signs import plain_signs, plain_text
from muledetect.records.own._words import MONTHS

Era: TypeAlias = Literal["gregorian", "buddhist"]
Int64Array: TypeAlias = npt.NDArray[np.int64]

#: Formats with a name instead of letters: ISO 8601 text, and numbers that count from a day on.
ISO: Final = "iso"
#: Counts since 1970 in UTC: how many of them make a second.
UNIX: Final[Mapping[str, int]] = MappingProxyType({"unix_s": 1, "unix_ms": 10**3, "unix_us": 10**6, "unix_ns": 10**9})
#: Days that spreadsheets count, on the local clock: day 0 in days since 1970. The first calendar of Excel takes 1900
#: for a leap year, so that its day 0 is 1899-12-30 for all days from March 1900 on; the other begins in 1904.
SHEET_DAYS: Final[Mapping[str, int]] = MappingProxyType({"excel": -25_569, "excel_1904": -24_107})
COUNTED: Final = (*UNIX, *SHEET_DAYS)
#: Thai years run 543 ahead of the Gregorian ones.
BUDDHIST: Final = 543

#: Year 0 of named eras; their first year may be written as a word.
_ERAS: Final = MappingProxyType(
    {"令和": 2018, "平成": 1988, "昭和": 1925, "大正": 1911, "明治": 1867, "民國": 1911, "民国": 1911,
     "R": 2018, "H": 1988, "S": 1925, "T": 1911, "M": 1867}
)  # fmt: skip
_PM: Final = "^[Pp]|^오후$|^午後$|^下午$|^หลังเที่ยง$|^CH$"
_TOKENS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "Y": r"(?P<Y>[0-9]{4})", "y": r"(?P<y>[0-9]{2})", "m": r"(?P<m>[0-9]{1,2})", "d": r"(?P<d>[0-9]{1,2})",
        "b": r"(?P<b>[\pL\pM][\pL\pM.]{2,}?)", "H": r"(?P<H>[0-9]{1,2})", "I": r"(?P<I>[0-9]{1,2})",
        "M": r"(?P<M>[0-9]{2})", "S": r"(?P<S>[0-9]{2})",
        "p": r"(?P<p>[AaPp]\.? ?[Mm]\.?|오전|오후|午前|午後|上午|下午|ก่อนเที่ยง|หลังเที่ยง|SA|CH)",
        "z": r"(?P<z>Z|UTC|GMT|[+-][0-9]{2}:?(?:[0-9]{2})?)",
        "EY": rf"(?P<E>{'|'.join(_ERAS)})\.? ?(?P<Ey>[0-9]{{1,3}}|元)",
        "a": r"(?:[\pL\pM]+\.?,?)",
    }
)  # fmt: skip
#: Runs of digits from which programs that hold numbers drop the first zeros, with their full length.
_PACKED: Final = MappingProxyType({"%H%M%S": 6, "%H%M": 4, "%d%m%Y": 8, "%m%d%Y": 8, "%d%m%y": 6, "%m%d%y": 6})


@cache
def _month_names() -> tuple[pa.Array, pa.Array]:
    pairs = [(name, month) for month, names in enumerate(MONTHS, 1) for name in names.split()]
    return pa.array([name for name, _ in pairs]), pa.array([month for _, month in pairs], pa.int64())


@cache
def pattern_of(form: str) -> str:
    """Return the regular expression of a format.

    A letter that is not known, a part of the date that is not there or there twice is an OptionError.
    """
    found, letters = piece_of(form)
    _check_letters(form, letters)
    return f"^{found}$"


@cache
def piece_of(form: str) -> tuple[str, tuple[str, ...]]:
    """Return the regular expression of a part of a format, without anchors, and its letters."""
    parts = re.findall(r"[.,]%f|%E.?|%.?|\s+|.", plain_text(form))
    found, letters = "", []
    for place, part in enumerate(parts):
        if part[1:] == "%f":  # programs leave the fraction out where it is zero
            found += r"(?:[.,](?P<f>[0-9]{1,9}))?"
        elif part[0] == "%":
            if part[1:] not in _TOKENS:
                known = " ".join(f"%{letter}" for letter in _TOKENS)
                raise OptionError(f"times: {form!r} has {part!r}; known are {known} .%f.")
            found += _token(part[1:], parts[place - 1 : place], parts[place + 1 : place + 2])
            letters.append(part[1:])
        else:
            found += " +" if part.isspace() else re.escape(part)
    return found, tuple(letters)


def _token(letter: str, before: list[str], behind: list[str]) -> str:
    """Return the expression of one letter between its neighbours."""
    token = _TOKENS[letter]
    # Where two numbers touch, both are written with all digits.
    if any(near.startswith("%") and near not in ("%p", "%b", "%a") for near in (*before, *behind)):
        return token.replace("{1,2}", "{2}")
    # Clocks of units, as in 8時5分, are written as they are spoken.
    return token.replace("{2}", "{1,2}") if letter in "MS" and behind and behind[0] in "分秒분초" else token


def _check_letters(form: str, letters: Sequence[str]) -> None:
    def has(choices: str) -> int:
        return sum(letters.count(choice) for choice in choices)

    if has("Yy") + letters.count("EY") != 1 or has("mb") != 1 or has("d") != 1 or max(map(letters.count, letters)) > 1:
        raise OptionError(
            f"times: {form!r} must name year (%Y, %y, %EY), month (%m, %b) and day (%d) once each, as "
            "%d.%m.%Y %H:%M:%S does; a date and a time of day in two columns are joined by a space."
        )
    if (has("I") and not has("p")) or (has("p") and not has("HI")) or has("HI") > 1:
        raise OptionError(f"times: {form!r} must have %H, or %I with %p.")


def read_times(texts: pa.StringArray, form: str, era: Era) -> pa.TimestampArray:
    """Return moments, timestamp[us], null where a text is no time of that form; in UTC if the form has a zone.

    A two-digit year is taken to be in the century from 1970 to 2069, in the Buddhist era from 2513 to 2612.
    """
    texts = plain_signs(texts)
    if form in COUNTED:
        return _read_counts(texts, form)
    texts = _with_zeros(texts, form)
    parts = pc.extract_regex(texts, pattern_of(form))
    fields = dict(zip([field.name for field in parts.type], parts.flatten(), strict=True))
    is_valid = pc.is_valid(parts)

    def number(name: str, missing: int = 0) -> Int64Array:
        if name not in fields:
            return np.full(len(texts), missing)
        held = pc.if_else(pc.equal(fields[name], ""), None, fields[name])
        numbers: Int64Array = held.cast(pa.int64()).fill_null(missing).to_numpy()
        return numbers

    year, month = _years(fields, number, era), _months(fields, number)
    day, hour = number("d", 1), _hours(fields, number)
    minute, second, fraction = number("M"), number("S"), _fractions(fields, len(texts))
    days, good = _days(year, month, day)
    good &= is_valid.to_numpy(zero_copy_only=False)
    ends_day = (hour == 24) & (minute == 0) & (second == 0)
    good &= ((hour >= 0) & (hour < 24) | ends_day) & (minute < 60) & (second < 60)
    moment = days * DAY + hour * HOUR + minute * MINUTE + second * SECOND + fraction
    if "z" in fields:
        moment = moment - _offsets(fields["z"])
    kind = pa.timestamp("us", tz="UTC") if "z" in fields else pa.timestamp("us")
    return pa.array(np.where(good, moment, 0), pa.int64(), mask=~good).view(kind)


def number_texts(cells: pa.Array) -> pa.StringArray:
    """Return numbers of any type as plain digits."""
    if pa.types.is_floating(cells.type):
        numbers = pc.if_else(pc.is_finite(cells), cells, pa.scalar(None, cells.type)).cast(pa.float64())
        written = [None if value is None else format(Decimal(repr(value)), "f") for value in numbers.to_pylist()]
        return pc.replace_substring_regex(pa.array(written, pa.string()), r"\.0+$", "")
    return cells.cast(pa.string())


def _read_counts(texts: pa.StringArray, form: str) -> pa.TimestampArray:
    """Return counts since a day as moments; days of a spreadsheet are rounded to the second, which it cannot hold."""
    parts = pc.extract_regex(texts, r"^(?P<whole>[0-9]{1,18}|[1-8][0-9]{18})(?:\.(?P<part>[0-9]{1,15}))?$")
    whole, part = parts.flatten()
    counts = whole.cast(pa.int64()).fill_null(0).to_numpy()
    digits = pc.utf8_slice_codeunits(pc.utf8_rpad(part.fill_null(""), 9, "0"), 0, 9)
    billionths = digits.cast(pa.int64()).to_numpy()
    good = parts.is_valid().to_numpy(zero_copy_only=False)
    if form in SHEET_DAYS:
        good &= (counts > 60) & (counts < 10**6)
        seconds = np.rint(billionths * (86_400 / 10**9)).astype(np.int64)
        moment = (np.where(good, counts, 0) + SHEET_DAYS[form]) * DAY + seconds * SECOND
        return pa.array(moment, pa.int64(), mask=~good).view(pa.timestamp("us"))
    per_second = UNIX[form]
    seconds, rest = np.divmod(counts, per_second)
    good &= seconds < 10**11
    nanoseconds = rest * (10**9 // per_second) + billionths // per_second
    moment = np.where(good, seconds, 0) * SECOND + nanoseconds // 1000
    return pa.array(moment, pa.int64(), mask=~good).view(pa.timestamp("us", tz="UTC"))


def _with_zeros(texts: pa.StringArray, form: str) -> pa.StringArray:
    """Put back the zeros that numbers have lost before a clock at the end or a date at the beginning."""
    head, _, tail = form.rpartition(" ")
    if tail in _PACKED:
        texts = _padded(texts, _PACKED[tail], rf"^(?P<head>{'.* ' if head else ''})(?P<run>[0-9]+)(?P<tail>)$")
    first, _, rest = form.partition(" ")
    if rest and first in _PACKED:
        texts = _padded(texts, _PACKED[first], "^(?P<head>)(?P<run>[0-9]+)(?P<tail> .*)$")
    return texts


def _padded(texts: pa.StringArray, width: int, pattern: str) -> pa.StringArray:
    head, run, tail = pc.extract_regex(texts, pattern).flatten()
    is_short = pc.fill_null(pc.less(pc.utf8_length(run), width), False)
    if not pc.any(is_short).as_py():
        return texts
    padded = pc.binary_join_element_wise(head, pc.utf8_lpad(run, width, "0"), tail, "")
    return pc.if_else(is_short, padded, texts)


def _years(fields: Mapping[str, Any], number: Any, era: Era) -> Int64Array:
    if "E" in fields:  # the cell names its era itself
        names, firsts = pa.array(list(_ERAS)), pa.array(list(_ERAS.values()), pa.int64())
        first = firsts.take(pc.index_in(fields["E"], value_set=names)).fill_null(0).to_numpy()
        of_era = pc.if_else(pc.equal(fields["Ey"], "元"), "1", fields["Ey"])
        named: Int64Array = (
            first + pc.if_else(pc.equal(of_era, ""), "0", of_era).fill_null("0").cast(pa.int64()).to_numpy()
        )
        return named
    if "y" in fields:
        short = number("y")
        year: Int64Array = np.where(short < 13, 2600, 2500) + short if era == "buddhist" else (
            np.where(short < 70, 2000, 1900) + short
        )  # fmt: skip
    else:
        year = number("Y")
    return year - BUDDHIST if era == "buddhist" else year


def _months(fields: Mapping[str, Any], number: Any) -> Int64Array:
    if "b" not in fields:
        month: Int64Array = number("m", 1)
        return month
    names, months = _month_names()
    plain = pc.utf8_lower(pc.replace_substring(fields["b"], ".", ""))
    named: Int64Array = months.take(pc.index_in(plain, value_set=names)).fill_null(0).to_numpy()
    return named


def _hours(fields: Mapping[str, Any], number: Any) -> Int64Array:
    hour: Int64Array = number("I" if "I" in fields else "H")
    if "p" not in fields:
        return hour
    is_pm = pc.match_substring_regex(fields["p"], _PM).fill_null(False).to_numpy(zero_copy_only=False)
    if "I" not in fields:  # 13:05 PM says the same twice; 01:05 PM and 13:05 AM do not
        return np.where((hour >= 12) == is_pm, hour, -1)
    # Japanese has a noon of the hour 0 as well.
    return np.where((hour < 0) | (hour > 12), -1, hour % 12 + np.where(is_pm, 12, 0))


def _fractions(fields: Mapping[str, Any], n: int) -> Int64Array:
    if "f" not in fields:
        return np.zeros(n, np.int64)
    digits = pc.utf8_slice_codeunits(pc.utf8_rpad(fields["f"].fill_null(""), 6, "0"), 0, 6)
    fractions: Int64Array = digits.cast(pa.int64()).to_numpy()
    return fractions


def _offsets(zones: pa.StringArray) -> Int64Array:
    parts = pc.extract_regex(zones, r"^(?P<sign>[+-])(?P<h>[0-9]{2}):?(?P<m>[0-9]{2})?$")
    sign, hours, minutes = (part.fill_null("0") for part in parts.flatten())
    minutes = pc.if_else(pc.equal(minutes, ""), "0", minutes)
    length = hours.cast(pa.int64()).to_numpy() * HOUR + minutes.cast(pa.int64()).to_numpy() * MINUTE
    offsets: Int64Array = np.where(pc.equal(sign, "-").to_numpy(zero_copy_only=False), -length, length)
    return offsets


def _days(year: Int64Array, month: Int64Array, day: Int64Array) -> tuple[Int64Array, npt.NDArray[np.bool_]]:
    """Return days since 1970-01-01, and which are dates of the calendar."""
    months = (np.clip(year, 1, 9999) - 1970) * 12 + np.clip(month, 1, 12) - 1
    dates = months.view("M8[M]").astype("M8[D]") + (day - 1)
    good = (year >= 1) & (month >= 1) & (month <= 12) & (day >= 1) & (dates.astype("M8[M]").view(np.int64) == months)
    return dates.view(np.int64), good
