"""Parse text columns of foreign files; what cannot be read becomes null, and the layout says why the row is left out.

>>> parse_money(pa.array(["12.345", "1e3", "baht"]), 2).to_pylist()
[1234, 100000, None]
>>> parse_flag(pa.array(["True", "0", "maybe"])).to_pylist()
[True, False, None]
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import ROUND_HALF_EVEN, Decimal
from typing import Final

import pyarrow as pa
import pyarrow.compute as pc

from muledetect.clock import DAY, parse_time
from muledetect.errors import OptionError

TIME: Final = pa.timestamp("us", tz="UTC")

#: Up to 15 digits before the point (the reader believes 10^15 minor units at most) and any number after it.
_NUMBER: Final = r"^[+-]?[0-9]{1,15}(\.[0-9]+)?([eE][+-]?[0-9]{1,2})?$"
_DECIMALS: Final = 18
_LARGEST: Final = 10**18
_TRUE: Final = pa.array(["true", "1", "yes", "y", "t"])
_FALSE: Final = pa.array(["false", "0", "no", "n", "f"])


def parse_money(text: pa.StringArray, decimals: int) -> pa.Int64Array:
    """Return amounts as minor units, int64, through exact decimals; digits beyond the minor unit round half to even.

    Simulators write floating point with noise digits, so rounding is meant here (the reader of a bank's own data
    refuses such amounts instead). Null where the text is no number or larger than 10^18 minor units.
    """
    trimmed = pc.utf8_trim_whitespace(text)
    trimmed = pc.if_else(pc.match_substring_regex(trimmed, _NUMBER), trimmed, pa.scalar(None, pa.string()))
    # beyond 18 decimals no digit can change a minor unit unless the text is a tie, which noise digits never are
    trimmed = pc.replace_substring_regex(trimmed, r"^([+-]?[0-9]+\.[0-9]{17})[0-9]+", r"\1")
    trimmed = pc.replace_substring_regex(trimmed, r"^\+", "")
    simple = pc.invert(pc.match_substring_regex(trimmed, "[eE]"))
    plain = pc.if_else(simple, trimmed, pa.scalar(None, pa.string())).cast(pa.decimal128(38, _DECIMALS))
    rounded = pc.round(plain, decimals, round_mode="half_to_even").cast(pa.decimal128(26, decimals))
    scaled = pc.multiply(rounded, pa.scalar(Decimal(10**decimals), pa.decimal128(9, 0)))
    fits = pc.less(pc.abs(scaled), pa.scalar(Decimal(_LARGEST), pa.decimal128(19, 0)))
    minor = pc.if_else(fits, scaled, pa.scalar(None, scaled.type)).cast(pa.int64())
    if pc.all(simple).as_py() in (True, None):
        return minor
    return pc.coalesce(minor, _parse_exponents(trimmed, decimals))


def _parse_exponents(text: pa.StringArray, decimals: int) -> pa.Int64Array:
    def minor(number: str | None) -> int | None:
        if number is None or "e" not in number.lower():
            return None
        scaled = Decimal(number).scaleb(decimals)
        return int(scaled.to_integral_value(ROUND_HALF_EVEN)) if abs(scaled) < _LARGEST else None

    return pa.array([minor(number) for number in text.to_pylist()], pa.int64())


def parse_times(text: pa.StringArray) -> pa.TimestampArray:
    """Return ISO 8601 moments (a slash may stand for the dash; without a zone UTC is meant), null where unreadable.

    Digits finer than the microsecond are cut off.
    """
    iso = pc.replace_substring(pc.utf8_trim_whitespace(text), "/", "-")
    iso = pc.replace_substring_regex(iso, r"(\.[0-9]{6})[0-9]+", r"\1")
    iso = pc.replace_substring_regex(iso, r"(Z|[+]00:?00)$", "")
    try:
        naive = iso.cast(pa.timestamp("us"))
    except pa.ArrowInvalid:  # one bad cell fails the whole column; look at each
        naive = pa.array([_one_time(cell) for cell in iso.to_pylist()], pa.timestamp("us"))
    return naive.view(pa.int64()).view(TIME)


def _one_time(text: str | None) -> datetime | None:
    if text is None:
        return None
    try:
        moment = datetime.fromisoformat(text)
        return moment.astimezone(UTC).replace(tzinfo=None) if moment.tzinfo else moment
    except (ValueError, OverflowError):
        return None


def parse_days(text: pa.StringArray, first_day: int) -> pa.TimestampArray:
    """Return whole days counted from `first_day` (microseconds since 1970) as moments; null where no whole number."""
    whole = pc.match_substring_regex(text, r"^-?[0-9]{1,6}$")
    days = pc.if_else(whole, text, pa.scalar(None, pa.string())).cast(pa.int64())
    return pc.add(pc.multiply(days, DAY), first_day).view(TIME)


def parse_flag(text: pa.StringArray) -> pa.BooleanArray:
    """Return true and false however they are written; null where they are neither."""
    lower = pc.utf8_lower(pc.utf8_trim_whitespace(text))
    flag = pc.if_else(pc.is_in(lower, _FALSE), False, pa.scalar(None, pa.bool_()))
    return pc.if_else(pc.is_in(lower, _TRUE), True, flag)


def translate(text: pa.StringArray, words: Mapping[str, str], other: str | None) -> pa.StringArray:
    """Return each value's translation, compared in lower case; `other` for the rest, null for null."""
    at = pc.index_in(pc.utf8_lower(pc.utf8_trim_whitespace(text)), pa.array(list(words), pa.string()))
    found = pa.array(list(words.values()), pa.string()).take(at)
    return pc.if_else(pc.is_null(text), found, pc.coalesce(found, pa.scalar(other, pa.string())))


def parse_first_day(moment: str) -> int:
    """Return the first day of a simulation as microseconds; an OptionError tells what is wrong with it."""
    start = parse_time(moment)
    if start % DAY:
        raise OptionError(f"first_day: must be a date; got {moment!r}. Write 2017-01-01.")
    return start
