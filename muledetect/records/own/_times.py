"""Times as banks write them: formats in the letters of `strftime`, found in cells or given, read without guessing.

>>> texts = pa.array(["31.01.2025 14:22:07", "1.2.2025 0:00:00", "31.02.2025 1:00:00", None])
>>> found = read_times(texts, "%d.%m.%Y %H:%M:%S", "gregorian")
>>> [None if time is None else str(time) for time in found.to_pylist()]
['2025-01-31 14:22:07', '2025-02-01 00:00:00', None, None]
>>> find_formats(texts)[0]
('%d.%m.%Y %H:%M:%S', 2)
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache
from types import MappingProxyType
from typing import Any, Final, Literal, TypeAlias

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from muledetect.clock import DAY, HOUR, MINUTE, SECOND
from muledetect.errors import OptionError

Era: TypeAlias = Literal["gregorian", "buddhist"]
Int64Array: TypeAlias = npt.NDArray[np.int64]

#: Formats with a name instead of letters: ISO 8601 text, and seconds or thousandths since 1970.
ISO: Final = "iso"
UNIX: Final[Mapping[str, int]] = MappingProxyType({"unix_s": SECOND, "unix_ms": 1000})
#: Thai years run 543 ahead of the Gregorian ones.
BUDDHIST: Final = 543

_TOKENS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "Y": r"(?P<Y>[0-9]{4})", "y": r"(?P<y>[0-9]{2})", "m": r"(?P<m>[0-9]{1,2})", "d": r"(?P<d>[0-9]{1,2})",
        "b": r"(?P<b>[\pL\pM][\pL\pM.]{2,}?)", "H": r"(?P<H>[0-9]{1,2})", "I": r"(?P<I>[0-9]{1,2})",
        "M": r"(?P<M>[0-9]{2})", "S": r"(?P<S>[0-9]{2})", "p": r"(?P<p>[AaPp]\.?[Mm]\.?)",
        "z": r"(?P<z>Z|[+-][0-9]{2}:?(?:[0-9]{2})?)",
    }
)  # fmt: skip

_MONTHS: Final = (
    "jan january januar janvier enero ene gennaio gen januari janeiro มค มกราคม",
    "feb february februar fev fevrier febrero febbraio februari fevereiro กพ กุมภาพันธ์",
    "mar march mrz maerz märz mars marzo maart maret março มีค มีนาคม",
    "apr april avr avril abril abr aprile เมย เมษายน",
    "may mai mayo maggio mag mei maio พค พฤษภาคม",
    "jun june juni juin junio giugno giu junho มิย มิถุนายน",
    "jul july juli juil juillet julio luglio lug julho กค กรกฎาคม",
    "aug august aout août agosto ago augustus agustus agt สค สิงหาคม",
    "sep sept september septembre septiembre settembre set setembro กย กันยายน",
    "oct october okt oktober octobre octubre ottobre ott outubro out ตค ตุลาคม",
    "nov november novembre noviembre novembro พย พฤศจิกายน",
    "dec december dez dezember decembre décembre diciembre dic dicembre desember des dezembro ธค ธันวาคม",
)


@cache
def _month_names() -> tuple[pa.Array, pa.Array]:
    pairs = [(name, month) for month, names in enumerate(_MONTHS, 1) for name in names.split()]
    return pa.array([name for name, _ in pairs]), pa.array([month for _, month in pairs], pa.int64())


@cache
def pattern_of(form: str) -> str:
    """Return the regular expression of a format.

    Raises
    ------
    OptionError
        If it has a letter that is not known, lacks a part of the date, or names one twice.
    """
    parts = re.findall(r"[.,]%f|%.?|\s+|.", form)
    found, letters = "", []
    for place, part in enumerate(parts):
        if part[1:] == "%f":  # programs leave the fraction out where it is zero
            found += r"(?:[.,](?P<f>[0-9]{1,9}))?"
        elif part[0] == "%":
            if part[1:] not in _TOKENS:
                known = " ".join(f"%{letter}" for letter in _TOKENS)
                raise OptionError(f"times: {form!r} has {part!r}; known are {known} .%f.")
            # Where two numbers touch, both are written with all digits.
            is_packed = any(near.startswith("%") for near in (*parts[place - 1 : place], *parts[place + 1 : place + 2]))
            found += _TOKENS[part[1:]].replace("{1,2}", "{2}") if is_packed else _TOKENS[part[1:]]
            letters.append(part[1:])
        else:
            found += " +" if part.isspace() else re.escape(part)
    _check_letters(form, letters)
    return f"^{found}$"


def _check_letters(form: str, letters: list[str]) -> None:
    def has(choices: str) -> int:
        return sum(letters.count(choice) for choice in choices)

    if has("Yy") != 1 or has("mb") != 1 or has("d") != 1 or max(map(letters.count, letters)) > 1:
        raise OptionError(
            f"times: {form!r} must name year (%Y, %y), month (%m, %b) and day (%d) once each, as %d.%m.%Y %H:%M:%S "
            "does; a date and a time of day in two columns are joined by a space."
        )
    if bool(has("I")) != bool(has("p")) or has("HI") > 1:
        raise OptionError(f"times: {form!r} must have %H, or %I with %p.")


def read_times(texts: pa.StringArray, form: str, era: Era) -> pa.TimestampArray:
    """Return moments, timestamp[us], null where a text is no time of that form; in UTC if the form has a zone.

    A two-digit year is taken to be in the century from 1970 to 2069, in the Buddhist era from 2513 to 2612.
    """
    texts = western_digits(texts)
    if form in UNIX:
        whole = pc.if_else(pc.match_substring_regex(texts, "^[0-9]{1,13}$"), texts, pa.scalar(None, pa.string()))
        return pc.multiply(whole.cast(pa.int64()), UNIX[form]).view(pa.timestamp("us", tz="UTC"))
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
    good = is_valid.to_numpy(zero_copy_only=False) & _is_date(year, month, day)
    ends_day = (hour == 24) & (minute == 0) & (second == 0)
    good &= ((hour >= 0) & (hour < 24) | ends_day) & (minute < 60) & (second < 60)
    moment = _day_number(year, month, day) * DAY + hour * HOUR + minute * MINUTE + second * SECOND + fraction
    if "z" in fields:
        moment = moment - _offsets(fields["z"])
    kind = pa.timestamp("us", tz="UTC") if "z" in fields else pa.timestamp("us")
    return pa.array(np.where(good, moment, 0), pa.int64(), mask=~good).view(kind)


def western_digits(texts: pa.StringArray) -> pa.StringArray:
    """Return texts with Thai digits as 0 to 9."""
    if not pc.any(pc.match_substring_regex(texts, "[\u0e50-\u0e59]")).as_py():
        return texts
    for digit, thai in enumerate(map(chr, range(0x0E50, 0x0E5A))):
        texts = pc.replace_substring(texts, thai, str(digit))
    return texts


def _years(fields: Mapping[str, Any], number: Any, era: Era) -> Int64Array:
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
    if "I" not in fields:
        hours: Int64Array = number("H")
        return hours
    hour = number("I")
    is_pm = pc.match_substring_regex(fields["p"], "^[Pp]").fill_null(False).to_numpy(zero_copy_only=False)
    return np.where((hour < 1) | (hour > 12), -1, hour % 12 + np.where(is_pm, 12, 0))


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


def _is_date(year: Int64Array, month: Int64Array, day: Int64Array) -> npt.NDArray[np.bool_]:
    leap = (year % 4 == 0) & ((year % 100 != 0) | (year % 400 == 0))
    lengths = np.array([0, 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31])
    month_length = lengths[np.clip(month, 0, 12)] + ((month == 2) & leap)
    good: npt.NDArray[np.bool_] = (month >= 1) & (month <= 12) & (day >= 1) & (day <= month_length) & (year > 0)
    return good


def _day_number(year: Int64Array, month: Int64Array, day: Int64Array) -> Int64Array:
    """Return days since 1970-01-01, by the civil calendar whose years begin in March."""
    shifted = np.where(month <= 2, year - 1, year)
    century = shifted // 400
    of_century = shifted - century * 400
    of_year = (153 * (month + np.where(month > 2, -3, 9)) + 2) // 5 + day - 1
    days: Int64Array = century * 146097 + of_century * 365 + of_century // 4 - of_century // 100 + of_year - 719468
    return days


_SEPARATORS: Final = ("-", "/", ".", " ")
_DATES: Final = (
    *(f"%Y{s}%m{s}%d" for s in _SEPARATORS),
    *(f"%d{s}%m{s}%{y}" for y in "Yy" for s in _SEPARATORS),
    *(f"%m{s}%d{s}%{y}" for y in "Yy" for s in _SEPARATORS),
    *(f"%d{s}%b{s}%{y}" for y in "Yy" for s in ("-", " ", "/", ".")),
    "%d. %b %Y", "%b %d, %Y", "%b %d %Y", "%Y-%b-%d", "%Y年%m月%d日", "%Y%m%d", "%d%m%Y",
)  # fmt: skip
#: Times of day by their regular expression; `%f` is optional wherever it stands.
CLOCKS: Final = (
    "%H:%M:%S.%f", "%H:%M:%S", "%H:%M", "%H.%M.%S", "%H.%M", "%I:%M:%S %p", "%I:%M %p", "%I:%M:%S%p", "%I:%M%p",
    "%H%M%S", "%H%M", "%H時%M分%S秒", "%H:%M น.",
)  # fmt: skip
_ZONES: Final = ("", "%z", " %z")
_JOINS: Final = (" ", "T", ", ", " - ", "")


def find_formats(texts: pa.StringArray) -> list[tuple[str, int]]:
    """Return the formats that read the most of the texts, with how many; [] if none reads half of them.

    Several stand in the list only where they read equally many, as day and month may be told apart by nothing.
    """
    texts = western_digits(pc.drop_null(texts))
    if not len(texts):
        return []
    n_least = (len(texts) + 1) // 2
    counts: dict[str, int] = {}
    for date in _DATES:
        if _count(texts.slice(0, 200), f"^{pattern_of(date)[1:-1]}") * 2 < min(len(texts), 200):
            continue
        for tail in _tails():
            if _count(texts.slice(0, 200), pattern_of(date + tail)) * 2 >= min(len(texts), 200):
                counts[date + tail] = _n_read(texts, date + tail)
    best = max(counts.values(), default=0)
    if best < n_least:
        return []
    # "%f" reads all that is read without it, and a longer form is named only where it is needed.
    found = [(form, n) for form, n in counts.items() if n == best]
    plain = [(form, n) for form, n in found if ".%f" not in form]
    return sorted(plain or found, key=lambda item: (_DATES.index(_date_of(item[0])), len(item[0])))


def _tails() -> tuple[str, ...]:
    clocks = [join + clock for join in _JOINS for clock in CLOCKS if join or clock in ("%H%M%S", "%H%M")]
    return ("", *(clock + zone for clock in clocks for zone in _ZONES))


def _date_of(form: str) -> str:
    return max((date for date in _DATES if form.startswith(date)), key=len)


def _count(texts: pa.StringArray, pattern: str) -> int:
    return int(pc.sum(pc.match_substring_regex(texts, pattern)).as_py() or 0)


def _n_read(texts: pa.StringArray, form: str) -> int:
    n_unread: int = read_times(texts, form, "gregorian").null_count
    return len(texts) - n_unread


def find_clock(texts: pa.StringArray) -> str | None:
    """Return the format of texts that are times of day only, or None."""
    texts = western_digits(pc.drop_null(texts))
    for clock in ("%H:%M:%S", *CLOCKS):
        # Six bare digits are as well an amount; times of day have few minutes above 59 only by chance.
        dated = pc.binary_join_element_wise("2000-01-01", texts, " ")
        if len(texts) and _n_read(dated, f"%Y-%m-%d {clock}") * 10 >= 9 * len(texts):
            return clock
    return None


def clash(first: str, second: str) -> bool:
    """Whether two formats differ in whether the day or the month comes first."""
    return first != second and first.replace("%m", "%#").replace("%d", "%m").replace("%#", "%d") == second
