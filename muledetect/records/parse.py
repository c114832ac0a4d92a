"""Turn a column as it comes into its contract type, cell by cell, without ever guessing.

Each parser returns the values and the faults: masks of the cells that cannot be accepted, with the reason. What makes
a whole column meaningless (account numbers as numbers, times without a zone) raises `ColumnError` instead.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from types import MappingProxyType
from typing import Any, Final, TypeAlias
from zoneinfo import ZoneInfo

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from muledetect import clock
from muledetect.errors import OptionError
from muledetect.records import reasons
from muledetect.records.currency import EXPONENTS
from muledetect.records.ids import plain_ids
from muledetect.schema import Column

BoolArray: TypeAlias = npt.NDArray[np.bool_]
Int64Array: TypeAlias = npt.NDArray[np.int64]
_Check: TypeAlias = "Callable[[pa.DataType, Options], str | None]"

UTC_TIME: Final = pa.timestamp("us", tz="UTC")
LARGEST: Final = 10**15
EARLIEST: Final = clock.parse_time("1900-01-01")
LATEST: Final = clock.parse_time("2300-01-01")
#: Thai years run 543 ahead of the Gregorian ones; no other calendar in use is more than 400 years ahead.
BUDDHIST_LEAD: Final = 400 * 365 * clock.DAY
#: What tools write where an id is missing.
NO_ID: Final = ("", "nan", "NaN", "NAN", "None", "null", "NULL", "<NA>", "NaT")
_NO_ID: Final = pa.array(NO_ID)
_TEN: Final = 10


class ColumnError(Exception):
    """A column that cannot be read as a whole; the text says what was got and how to mend it."""


@dataclass(frozen=True)
class Options:
    """How cells are to be understood.

    With `rounds`, digits of money beyond the minor unit are rounded half to even, as the floating point of simulators
    needs it; without, they are a fault.
    """

    currency: str
    exponent: int
    money: str
    decimal: str
    source_tz: str | None
    now: int
    rounds: bool = False


@dataclass
class Cells:
    """A parsed column: contract values, faulty cells by reason, and cells worth a warning.

    `written` holds ids as they were written, where that is not how they are spelt in `values`.
    """

    values: pa.Array
    faults: list[tuple[BoolArray, str]] = field(default_factory=list)
    doubts: list[tuple[BoolArray, str]] = field(default_factory=list)
    n_buddhist: int = 0
    written: pa.Array | None = None


def check_zone(name: str, where: str) -> None:
    """Raise an OptionError if there is no time zone of a name."""
    try:
        ZoneInfo(name)
    except (KeyError, ValueError, OSError, TypeError) as error:
        raise OptionError(f"{where}: {name!r} is no time zone such as 'Asia/Bangkok' or 'UTC'.") from error


def mask_of(condition: Any) -> BoolArray:
    """Return a boolean Arrow array as numpy, null as False."""
    mask: BoolArray = condition.fill_null(False).to_numpy(zero_copy_only=False)
    return mask


def _is_text(type_: pa.DataType) -> bool:
    if pa.types.is_dictionary(type_):
        return _is_text(type_.value_type)
    return bool(pa.types.is_string(type_) or pa.types.is_large_string(type_) or pa.types.is_string_view(type_))


def _is_number(type_: pa.DataType) -> bool:
    if pa.types.is_dictionary(type_):
        return _is_number(type_.value_type)
    return bool(pa.types.is_integer(type_) or pa.types.is_floating(type_) or pa.types.is_decimal(type_))


def _or_null(keep: Any, values: pa.Array) -> pa.Array:
    """Return values, null where they are not to be kept."""
    return pc.if_else(keep, values, pa.scalar(None, values.type))


def _as_text(values: pa.Array) -> pa.StringArray:
    return values if values.type == pa.string() else values.cast(pa.string())


def check_type(column: Column, type_: pa.DataType, options: Options) -> str | None:
    """Return why a column of this Arrow type can never be read as the contract's, or None."""
    if pa.types.is_null(type_) or _is_text(type_):
        return None
    return _KINDS[column.type][0](type_, options) if column.type in _KINDS else None


def _check_id(type_: pa.DataType, _: Options) -> str | None:
    if _is_number(type_):
        return (
            f"ids were read as numbers ({type_}), which loses leading zeros. Read the column as text: "
            "dtype=str in pandas, VARCHAR in SQL, or give the CSV itself"
        )
    return f"ids must be text; got {type_}. Export the column as text"


def _check_time(type_: pa.DataType, options: Options) -> str | None:
    if not (pa.types.is_timestamp(type_) or pa.types.is_date(type_)):
        return f"times must be timestamps or ISO 8601 text; got {type_}. Convert the column to timestamps"
    naive = pa.types.is_date(type_) or type_.tz is None
    return _NAIVE if naive and options.source_tz is None else None


_NAIVE: Final = "times have no zone. Say which clock wrote them: source_tz='Asia/Bangkok', or 'UTC'"


def _check_money(type_: pa.DataType, options: Options) -> str | None:
    if not _is_number(type_) or pa.types.is_dictionary(type_):
        return f"money must be numbers or text; got {type_}. Convert the column"
    if pa.types.is_decimal(type_) and type_.scale > 0 and options.money == "minor":
        return f"money has decimals ({type_}). Pass money='major' if it is in whole units such as baht"
    return None


def _check_other(told: str, *kinds: Callable[[pa.DataType], bool]) -> _Check:
    """Return the check that a column is of one of some kinds; `told` says which."""
    return lambda type_, _: None if any(kind(type_) for kind in kinds) else told.format(type_)


def parse(column: Column, values: pa.Array, options: Options) -> Cells:
    """Return one column of one batch in contract values, with its faults, or ColumnError."""
    if pa.types.is_null(values.type):
        return Cells(pa.nulls(len(values), column.arrow_type))
    problem = check_type(column, values.type, options)
    if problem:
        raise ColumnError(problem)
    if pa.types.is_dictionary(values.type) and column.type not in ("id", "hash", "category", "text"):
        values = values.dictionary_decode()
    cells = _KINDS[column.type][1](column, values, options)
    if column.minimum is not None:
        reason = reasons.NOT_POSITIVE if column.minimum == 1 else reasons.TOO_SMALL
        cells.faults.append((mask_of(pc.less(cells.values, column.minimum)), reason))
    return cells


def _parse_id(column: Column, values: pa.Array, _: Options) -> Cells:
    is_coded = pa.types.is_dictionary(values.type)
    texts = _as_text(values.dictionary if is_coded else values)
    try:
        plain = plain_ids(texts)
    except pa.ArrowInvalid as error:
        raise ColumnError("some ids are not UTF-8 text. Export them as UTF-8") from error
    made = _blank_to_null(plain, is_coded or column.required)
    if plain is texts:
        return Cells(_recoded(values, made) if is_coded else made)
    written = _or_null(made.is_valid(), texts)
    if is_coded:
        made, written = _recoded(values, made).cast(pa.string()), _recoded(values, written).cast(pa.string())
    changed = mask_of(pc.not_equal(made, written))
    return Cells(made, doubts=[(changed, reasons.RESPELT)], written=written)


def _recoded(coded: pa.DictionaryArray, kinds: pa.StringArray) -> pa.DictionaryArray:
    """Return the array over other values; a null among them becomes a null of the array, where Arrow counts it."""
    again = pa.DictionaryArray.from_arrays(coded.indices, kinds)
    return again if kinds.null_count == 0 else again.cast(pa.string()).dictionary_encode()


def _blank_to_null(texts: pa.StringArray, and_words: bool) -> pa.StringArray:
    if len(texts) == 0 or not pc.any(pc.less_equal(pc.binary_length(texts), 4)).as_py():
        return texts
    blank = pc.is_in(texts, _NO_ID) if and_words else pc.equal(texts, "")
    return pc.if_else(blank, pa.scalar(None, pa.string()), texts)


def _parse_category(column: Column, values: pa.Array, _: Options) -> Cells:
    coded = values if pa.types.is_dictionary(values.type) else _as_text(values).dictionary_encode()
    kinds = _blank_to_null(_as_text(coded.dictionary), False)
    coded = _recoded(coded, kinds)
    kinds = coded.dictionary
    if not column.values:
        return Cells(coded)
    strange = mask_of(pc.invert(pc.is_in(kinds, pa.array(column.values))))
    if not strange.any():
        return Cells(coded)
    picked = np.append(strange, False)[coded.indices.fill_null(len(kinds)).cast(pa.int64()).to_numpy()]
    return Cells(coded, [(picked, reasons.NOT_DECLARED)])


def _parse_time(_column: Column, values: pa.Array, options: Options) -> Cells:
    if _is_text(values.type):
        return _parse_time_text(_as_text(values), options)
    if pa.types.is_date(values.type):
        values = values.cast(pa.timestamp("ms")) if pa.types.is_date64(values.type) else values.cast(pa.timestamp("s"))
    raw, valid, out = _to_microseconds(values)
    if values.type.tz is None:
        return _time_cells(*_shift_zone(raw, options.source_tz), valid, out, options)
    return _time_cells(raw, None, valid, out, options)


def _to_microseconds(values: pa.Array) -> tuple[Int64Array, BoolArray | None, BoolArray | None]:
    """Return microseconds, the valid cells (None: all) and the cells too far away to hold (None: none)."""
    valid = None if values.null_count == 0 else mask_of(values.is_valid())
    counts = values.view(pa.int64()) if values.null_count == 0 else values.view(pa.int64()).fill_null(0)
    raw: Int64Array = counts.to_numpy()
    unit = values.type.unit
    if unit == "us":
        return raw, valid, None
    if unit == "ns":
        return raw // 1000, valid, None
    factor = 1000 if unit == "ms" else clock.SECOND
    far = (raw > LATEST * 4 // factor) | (raw < -LATEST * 4 // factor)
    return np.where(far, 0, raw) * factor, valid, far


def _time_cells(
    raw: Int64Array, doubt: BoolArray | None, valid: BoolArray | None, far: BoolArray | None, options: Options
) -> Cells:
    outside = far if far is not None else np.zeros(len(raw), np.bool_)
    least, most = (raw.min(), raw.max()) if len(raw) else (EARLIEST, EARLIEST)
    if least < EARLIEST or most >= LATEST:
        outside = outside | (raw < EARLIEST) | (raw >= LATEST)
    ahead = options.now + BUDDHIST_LEAD
    n_buddhist = int(np.count_nonzero(raw > ahead)) if most > ahead else 0
    nulls = None if valid is None else ~valid
    outside = outside if valid is None else outside & valid
    values = pa.array(raw, pa.int64(), mask=nulls).view(UTC_TIME)
    doubts = [(doubt, reasons.FOLD)] if doubt is not None and doubt.any() else []
    return Cells(values, [(outside, reasons.OUT_OF_RANGE)], doubts, n_buddhist)


def _shift_zone(local: Int64Array, source_tz: str | None) -> tuple[Int64Array, BoolArray | None]:
    """Return local microseconds as UTC, and which were repeated or skipped by the clock (None: none)."""
    assert source_tz is not None  # noqa: S101 - check_type has refused naive times without a zone
    inside = local[(local >= EARLIEST) & (local < LATEST)]
    if len(inside) == 0:
        return local, None
    offsets = _daily_offsets(ZoneInfo(source_tz), int(inside.min()), int(inside.max()))
    if len(offsets) == 1:
        return local - offsets.pop(), None
    naive = pa.array(np.clip(local, EARLIEST, LATEST)).view(pa.timestamp("us"))
    early, late = (
        pc.assume_timezone(naive, source_tz, ambiguous=side, nonexistent=side).view(pa.int64()).to_numpy()
        for side in ("earliest", "latest")
    )
    skipped = late - early == 1
    shifted = np.where(skipped, late, early)
    return np.where((local < EARLIEST) | (local >= LATEST), local, shifted), early != late


def _daily_offsets(zone: ZoneInfo, first: int, last: int) -> set[int]:
    """Return the different distances from UTC, microseconds, on the days from a day before first to one after last."""
    offsets = set()
    for day in range(first // clock.DAY - 2, last // clock.DAY + 3):
        offset = (datetime(1970, 1, 1, tzinfo=UTC) + timedelta(days=day)).astimezone(zone).utcoffset()
        offsets.add(round((offset or timedelta()).total_seconds()) * clock.SECOND)
    return offsets


_ISO: Final = (
    r"^[0-9]{4}-[0-9]{2}-[0-9]{2}"
    r"([T ][0-9]{2}:[0-9]{2}(:[0-9]{2}(\.[0-9]{1,9})?)?)?( ?(Z|[+-][0-9]{2}(:?[0-9]{2})?))?$"
)
#: A date that begins with its year is read with slashes, too: nothing else can be meant.
_SLASHED: Final = "^([0-9]{4})/([0-9]{2})/([0-9]{2})"
_ZONED: Final = r"[T ].*(Z|[+-][0-9]{2}(:?[0-9]{2})?)$"


def _parse_time_text(texts: pa.StringArray, options: Options) -> Cells:
    texts = _blank_to_null(texts, True)
    if pc.any(pc.match_substring(texts, "/")).as_py():
        texts = pc.replace_substring_regex(texts, _SLASHED, r"\1-\2-\3")
    formed = mask_of(pc.match_substring_regex(texts, _ISO))
    unreadable = mask_of(texts.is_valid()) & ~formed
    zoned = formed & mask_of(pc.match_substring_regex(texts, _ZONED))
    naive = formed & ~zoned
    if naive.any() and options.source_tz is None:
        raise ColumnError(_NAIVE)
    raw = np.zeros(len(texts), np.int64)
    doubt: BoolArray | None = None
    for group, is_naive in ((zoned, False), (naive, True)):
        if not group.any():
            continue
        moments, bad = _moments(texts.filter(pa.array(group)))
        if is_naive:
            moments, folds = _shift_zone(moments, options.source_tz)
            if folds is not None:
                doubt = np.zeros(len(texts), np.bool_)
                doubt[group] = folds & ~bad
        raw[group] = moments
        unreadable[group] |= bad
    cells = _time_cells(raw, doubt, mask_of(texts.is_valid()) & ~unreadable, None, options)
    cells.faults.insert(0, (unreadable, reasons.UNREADABLE))
    return cells


def _moments(texts: pa.StringArray) -> tuple[Int64Array, BoolArray]:
    """Return ISO texts, all with or all without a zone, as microseconds (zone applied), and which are no real date."""
    try:
        times = pd.to_datetime(texts.to_pandas(), format="ISO8601", errors="coerce", utc=True)
    except (ValueError, OverflowError):
        times = pd.to_datetime(pd.Series([None] * len(texts)), utc=True)
    bad: BoolArray = times.isna().to_numpy()
    moments = times.dt.as_unit("us").astype("int64").to_numpy()
    return np.where(bad, 0, moments), bad


def _parse_money(_column: Column, values: pa.Array, options: Options) -> Cells:
    if _is_text(values.type):
        cells = _money_from_text(_as_text(values), options)
    elif pa.types.is_floating(values.type):
        cells = _money_from_floats(values.cast(pa.float64()), options)
    elif values.type == pa.int64() and options.money == "minor":
        cells = Cells(values)
    else:
        exact = values if pa.types.is_decimal(values.type) else values.cast(pa.decimal128(20, 0))
        cells = _money_from_decimals(exact, options)
    amounts = cells.values
    bounds = pc.min_max(amounts).as_py()
    if bounds["min"] is not None and (bounds["max"] > LARGEST or bounds["min"] < -LARGEST):
        cells.faults.append((mask_of(pc.greater(amounts, LARGEST)), reasons.TOO_LARGE))
        cells.faults.append((mask_of(pc.less(amounts, -LARGEST)), reasons.TOO_LARGE))
    return cells


def _money_from_floats(values: pa.Array, options: Options) -> Cells:
    # NaN is how tools without nulls write "nothing", so it is a missing cell and not a number.
    values = pc.if_else(pc.is_nan(values), pa.scalar(None, pa.float64()), values)
    factor = float(_TEN**options.exponent) if options.money == "major" else 1.0
    numbers = values.fill_null(0.0).to_numpy(zero_copy_only=False)
    infinite = np.isinf(numbers)
    numbers = np.where(infinite, 0.0, numbers)
    far = np.abs(numbers) > LARGEST / factor
    numbers = np.where(far, 0.0, numbers)
    whole = np.rint(numbers * factor)
    # Division is rounded correctly: it gives the number back only if that is the float nearest to the decimal.
    unequal = whole / factor != numbers
    amounts = pa.array(whole.astype(np.int64), mask=mask_of(values.is_null()))
    return Cells(amounts, [(infinite, reasons.NOT_FINITE), (far, reasons.TOO_LARGE), (unequal, reasons.NOT_WHOLE)])


def _money_from_decimals(values: pa.Array, options: Options) -> Cells:
    scale = values.type.scale
    exponent = options.exponent if options.money == "major" else 0
    try:
        wide = values.cast(pa.decimal128(38, max(scale, 0)))
    except pa.ArrowInvalid as error:
        raise ColumnError(f"money does not fit into 38 digits ({values.type}). Check the column") from error
    scale, finer = max(scale, 0), np.zeros(len(wide), np.bool_)
    if scale > exponent and options.rounds:
        wide, scale = pc.round(wide, exponent, "half_to_even").cast(pa.decimal128(38, exponent)), exponent
    elif scale > exponent:
        cut = wide.cast(options=pc.CastOptions(pa.decimal128(38, exponent), allow_decimal_truncate=True))
        finer = mask_of(pc.not_equal(cut.cast(wide.type), wide).fill_null(False))
        wide, scale = cut, exponent
    # A decimal128 is a little-endian pair of 64-bit words; it fits one if the high word only repeats the sign.
    words = np.frombuffer(wide.buffers()[1], np.int64, 2 * len(wide), wide.offset * 16).reshape(-1, 2)
    valid = mask_of(wide.is_valid())
    low = np.where(valid, words[:, 0], 0)
    far = valid & (words[:, 1] != (low >> 63))
    factor = _TEN ** (exponent - scale)
    far = far | (np.abs(low) > LARGEST // factor + 1)
    amounts = np.where(far, 0, low) * factor
    return Cells(pa.array(amounts, mask=~valid), [(far, reasons.TOO_LARGE), (finer & ~far, reasons.NOT_WHOLE)])


def _money_from_text(texts: pa.StringArray, options: Options) -> Cells:
    texts = _blank_to_null(texts, True)
    if options.decimal == ",":
        texts = pc.if_else(pc.match_substring(texts, "."), "?", pc.replace_substring(texts, ",", "."))
    valid = mask_of(texts.is_valid())
    if options.rounds:  # digits further on change nothing: they are noise of a floating-point number
        texts = pc.replace_substring_regex(texts, r"^([+-]?[0-9]+\.[0-9]{17})[0-9]+$", r"\1")
    places = 17 if options.rounds else 12
    form = rf"^[+-]?[0-9]{{1,{36 - places}}}(\.[0-9]{{1,{places}}})?$"
    numeric = mask_of(pc.match_substring_regex(texts, form))
    if options.money == "minor" and mask_of(pc.match_substring(texts.filter(pa.array(numeric)), ".")).any():
        raise ColumnError("money has a decimal point. Pass money='major' if it is in whole units such as baht")
    kept = _or_null(pa.array(numeric), texts)
    cells = _money_from_decimals(kept.cast(pa.decimal128(38, places)), options)
    cells.faults.insert(0, (valid & ~numeric, reasons.UNREADABLE))
    return cells


def check_currency(cells: Cells, currency: str) -> Cells:
    """Return a parsed column of currency codes with rows of other and of unknown currencies as faults."""
    other = mask_of(pc.not_equal(cells.values.cast(pa.string()), currency))
    if not other.any():
        return cells
    unknown = other & ~mask_of(pc.is_in(cells.values.cast(pa.string()), pa.array(list(EXPONENTS))))
    return Cells(cells.values, [(unknown, reasons.UNKNOWN_CURRENCY), (other & ~unknown, reasons.OTHER_CURRENCY)])


_TRUE: Final = pa.array(["true", "t", "yes", "y", "1"])
_FALSE: Final = pa.array(["false", "f", "no", "n", "0"])


def _parse_bool(_column: Column, values: pa.Array, _: Options) -> Cells:
    if pa.types.is_boolean(values.type):
        return Cells(values)
    texts = pc.utf8_lower(_blank_to_null(_as_text(values), True))
    true, false = pc.is_in(texts, _TRUE), pc.is_in(texts, _FALSE)
    known = pc.or_(true, false)
    flags = _or_null(known, true)
    return Cells(flags, [(mask_of(texts.is_valid()) & ~mask_of(known), reasons.UNREADABLE)])


def _parse_number(column: Column, values: pa.Array, options: Options) -> Cells:
    faults: list[tuple[BoolArray, str]] = []
    if _is_text(values.type):
        texts = _blank_to_null(_as_text(values), True)
        if options.decimal == ",":
            texts = pc.replace_substring(texts, ",", ".")
        good = mask_of(pc.match_substring_regex(texts, r"^[+-]?[0-9]{1,30}(\.[0-9]{0,30})?([eE][+-]?[0-9]{1,3})?$"))
        faults.append((mask_of(texts.is_valid()) & ~good, reasons.UNREADABLE))
        values = _or_null(pa.array(good), pc.replace_substring_regex(texts, r"^\+", ""))
    numbers = values.cast(pa.float64(), safe=False)
    numbers = pc.if_else(pc.is_nan(numbers), pa.scalar(None, pa.float64()), numbers)
    faults.append((mask_of(pc.is_inf(numbers)), reasons.NOT_FINITE))
    if column.type == "share":
        faults.append((mask_of(pc.or_(pc.less(numbers, 0.0), pc.greater(numbers, 1.0))), reasons.NOT_A_SHARE))
    return Cells(numbers, faults)


def _parse_int(column: Column, values: pa.Array, options: Options) -> Cells:
    if pa.types.is_integer(values.type) and values.type != pa.uint64():
        return Cells(values.cast(pa.int64()))
    cells = _parse_number(column, values, options)
    numbers = cells.values.fill_null(0.0).to_numpy(zero_copy_only=False)
    bad = ~(np.abs(numbers) < 2.0**53) | (numbers != np.rint(np.nan_to_num(numbers)))
    whole = np.where(bad, 0.0, numbers).astype(np.int64)
    cells.faults.append((bad & np.isfinite(numbers), reasons.UNREADABLE))
    cells.values = pa.array(whole, mask=mask_of(cells.values.is_null()))
    return cells


_category: Final = (_check_other("must be text; got {}", pa.types.is_integer, pa.types.is_boolean), _parse_category)
_numbers: Final = _check_other("must be numbers; got {}. Convert the column", _is_number)

#: How the Arrow type of a column is checked, and how its cells are parsed, by contract type.
_KINDS: Final[Mapping[str, tuple[_Check, Callable[[Column, pa.Array, Options], Cells]]]] = MappingProxyType(
    {
        "id": (_check_id, _parse_id),
        "hash": (_check_id, _parse_id),
        "text": _category,
        "category": _category,
        "time": (_check_time, _parse_time),
        "money": (_check_money, _parse_money),
        "bool": (_check_other("must be true or false; got {}", pa.types.is_boolean, pa.types.is_integer), _parse_bool),
        "int": (_numbers, _parse_int),
        "number": (_numbers, _parse_number),
        "share": (_numbers, _parse_number),
    }
)
