"""Amounts as banks write them: marks of decimals and thousands, signs, brackets, Cr and Dr, currencies beside them.

>>> texts = pa.array(["1.234,50", "-12,00 €", "(3,5)", "1.234.567", "12.34,5", "5,00 Dr"])
>>> cells = read_amounts(texts, ",", ".")
>>> cells.texts.to_pylist()
['1234.50', '-12.00', '-3.5', '1234567', '?', '5.00']
>>> cells.sides.to_pylist()[-1], cells.currencies.to_pylist()[1]
('out', 'EUR')
>>> find_marks(texts).decimal, find_marks(texts).thousands
(',', '.')
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from muledetect.records.own._signs import UNREAD, Affixes, plain_signs, read_affixes

#: Written where something cannot be told and a person must say it.
UNSURE: Final = "?"
#: Digits behind the decimal mark that need no statement; three may be a group of thousands.
SAFE_PLACES: Final = 2

#: Plain digits whose point can be no mark of thousands.
_PLAIN: Final = r"^[+-]?[0-9]+(\.([0-9]{1,2}|[0-9]{2}[1-9]|[0-9]{4,}))?$"
_NUMBER: Final = r"[0-9](?:[0-9.,' \x{66b}\x{66c}]*[0-9])?(?:[eE][+-]?[0-9]{1,3})?"
_PARTS: Final = rf"^(?P<before>[^0-9]*)(?P<number>{_NUMBER})(?P<behind>[^0-9]*)$"
_POWER: Final = "[eE]"
#: Largest power of ten that an amount may have; the amounts that we believe have sixteen digits.
_LARGEST_POWER: Final = 18
#: Decimal and thousands mark of Arabic, which can be nothing else.
_ARABIC: Final = ("\u066b", "\u066c")


@dataclass(frozen=True, slots=True)
class AmountCells:
    """Amounts, and what their cells say beside them.

    `texts` are plain digits with a point, "?" for what is no amount of the marks. `sides` are "out" or "in" where Dr or
    Cr stands, `currencies` ISO 4217 codes, or a sign as it stands where several have it ("$"); null for other cells,
    None if no cell has one.
    """

    texts: pa.StringArray
    sides: pa.StringArray | None = None
    currencies: pa.StringArray | None = None


def read_amounts(texts: pa.StringArray, decimal: str, thousands: str, places: int = SAFE_PLACES) -> AmountCells:
    """Return amounts in plain digits, with the side and the currency that stand beside them.

    `decimal` and `thousands` are marks ("" for none). Groups of thousands have three digits, or in India two before the
    last one; a group of another length makes the cell "?". A blank is any blank, an apostrophe any apostrophe. `places`
    digits may stand behind the decimal mark where they could as well be a group: with fewer than three, 13.880 is "?"
    and neither 13.88 nor 13880.
    """
    if decimal == "." and pc.all(pc.match_substring_regex(texts, _PLAIN)).as_py():
        return AmountCells(texts)
    thousands = "'" if thousands == "\u2019" else thousands
    if pc.all(pc.match_substring_regex(texts, rf"^[+-]?[0-9][0-9{re.escape(decimal + thousands)}]*$")).as_py():
        return AmountCells(_plain_numbers(texts, decimal, thousands, places))
    parts = pc.extract_regex(plain_signs(texts), _PARTS)
    before, number, behind = parts.flatten()
    number = _without_arabic(number, decimal, thousands)
    number = _plain_numbers(number, decimal, thousands, places)
    found, place = _affixes(before, behind)

    def picked(told: Callable[[Affixes], str | None]) -> pa.StringArray:
        return pa.array([told(affixes) for affixes in found], pa.string()).take(place)

    is_good = pc.and_(pc.not_equal(number, UNSURE), picked(lambda one: None if one is UNREAD else "").is_valid())
    led = pc.not_equal(picked(lambda one: one.lead or ""), "")  # ".50" has its mark before the first digit
    is_whole = pc.match_substring_regex(number, "^[0-9]+$")
    fits = pc.or_(pc.invert(led), pc.and_(pc.equal(picked(lambda one: one.lead), decimal), is_whole))
    lead = pc.if_else(led, "0.", "")
    whole = pc.binary_join_element_wise(picked(lambda one: one.sign), lead, number, "")
    read = pc.if_else(pc.fill_null(pc.and_(is_good, fits), False), whole, UNSURE)
    read = pc.if_else(texts.is_null(), pa.scalar(None, pa.string()), read)
    sides, currencies = picked(lambda one: one.side), picked(lambda one: one.currency)
    return AmountCells(read, _or_none(sides), _or_none(currencies))


def _or_none(texts: pa.StringArray) -> pa.StringArray | None:
    return None if texts.null_count == len(texts) else texts


def _affixes(before: pa.StringArray, behind: pa.StringArray) -> tuple[list[Affixes], pa.Int64Array]:
    """Return what stands around amounts, each once, and which of them each cell has; cells without a number null."""
    joined = pc.binary_join_element_wise(before, behind, "0").dictionary_encode()  # neither has a digit
    return [read_affixes(*text.split("0")) for text in joined.dictionary.to_pylist()], joined.indices


def _without_arabic(number: pa.StringArray, decimal: str, thousands: str) -> pa.StringArray:
    if not pc.any(pc.match_substring_regex(number, "[\\x{66b}\\x{66c}]")).as_py():
        return number
    # Two marks that are no others say themselves what they are, whatever the marks of the other cells.
    number = pc.replace_substring(number, _ARABIC[1], thousands or "?")
    return pc.replace_substring(number, _ARABIC[0], decimal)


def _plain_numbers(number: pa.StringArray, decimal: str, thousands: str, places: int) -> pa.StringArray:
    """Return numbers with a point and without groups, "?" for those that do not have these marks."""
    mark = re.escape(decimal)
    whole = "[0-9]+"
    if thousands:
        group = re.escape(thousands)
        whole += rf"|[1-9][0-9]{{0,2}}(?:{group}[0-9]{{3}})+|[1-9][0-9]?(?:{group}[0-9]{{2}})+{group}[0-9]{{3}}"
    is_number = pc.match_substring_regex(number, rf"^[+-]?(?:{whole})(?:{mark}[0-9]+)?$")
    if places <= SAFE_PLACES:
        may_be_group = pc.match_substring_regex(number, rf"^[+-]?[1-9][0-9]{{0,2}}{mark}[0-9]{{2}}0$")
        is_number = pc.and_not(is_number, may_be_group)
    joined = pc.replace_substring(number, thousands, "") if thousands else number
    pointed = pc.replace_substring(joined, decimal, ".") if decimal != "." else joined
    plain = pc.if_else(is_number, pointed, UNSURE)
    has_power = pc.match_substring_regex(number, _POWER)
    if not pc.any(has_power).as_py():
        return plain
    powers = pc.filter(number, has_power.fill_null(False)).to_pylist()
    written = pa.array([_without_power(text, decimal) for text in powers], pa.string())
    return pc.replace_with_mask(plain, has_power.fill_null(False), written)


def _without_power(text: str, decimal: str) -> str:
    """Return 1.5E+05 as 150000, "?" where rounding may have taken digits, or there are too many.

    All digits are there if the mantissa has as many behind its point as the power takes, or no power sign stands before
    a power from 7 on (Java writes the shortest number that is the same). Nobody rounds to two digits.
    """
    found = re.fullmatch(rf"([0-9]+)(?:{re.escape(decimal)}([0-9]+))?([eE][+-]?)([0-9]{{1,3}})", text)
    if found is None or int(found[4]) > _LARGEST_POWER:
        return UNSURE
    n_behind, power = len(found[2] or ""), int(found[4]) * (-1 if found[3][1:] == "-" else 1)
    is_whole = n_behind >= power
    is_shortest = found[3] == "E" and power >= 7
    is_short = len(found[1]) == 1 and n_behind <= 1
    return format(Decimal(text.replace(decimal, ".")), "f") if is_whole or is_shortest or is_short else UNSURE


@dataclass(frozen=True, slots=True)
class Marks:
    """What amounts in cells look like; `decimal` is "?" where the cells do not tell it.

    All counts are rows. `n_numbers` cells are amounts, whatever their marks; `votes` of them say which mark the
    decimals have; `n_out` and `n_in` have Dr or Cr beside them; `currencies` are the codes and signs beside them, the
    commonest first; `places` is 3 where the digits behind the mark are three and more.
    """

    decimal: str
    thousands: str
    n_numbers: int
    n_negative: int
    has_decimals: bool
    votes: int
    n_out: int = 0
    n_in: int = 0
    currencies: tuple[str, ...] = ()
    places: int = 0


def find_marks(texts: pa.StringArray, n_rows: Sequence[int] | None = None) -> Marks:
    """Return what the cells tell about marks: 1.234,50 tells both, 12,5 the decimals, 1.234 nothing.

    `n_rows` says how many rows each text stands for; one if it is not given.
    """
    weights = np.ones(len(texts), np.int64) if n_rows is None else np.asarray(n_rows, np.int64)
    before, number, behind = pc.extract_regex(plain_signs(texts), _PARTS).flatten()
    seen = _Seen()
    for one_before, text, one_behind, weight in zip(
        before.to_pylist(), number.to_pylist(), behind.to_pylist(), weights.tolist(), strict=True
    ):
        if text is not None:
            seen.add(text, read_affixes(one_before, one_behind), weight)
    return seen.marks()


class _Seen:
    """Counts of what amounts show, in rows."""

    def __init__(self) -> None:
        self._decimals: Counter[str] = Counter()
        self._groups: Counter[str] = Counter()
        self._currencies: Counter[str] = Counter()
        self._sides: Counter[str] = Counter()
        self._n_open = self._n_numbers = self._n_negative = self._n_long = 0

    def add(self, text: str, affixes: Affixes, weight: int) -> None:
        if affixes is UNREAD:
            return
        decimal, thousands, is_open = _marks_of(affixes.lead + text)
        self._decimals[decimal] += weight * bool(decimal)
        self._groups[thousands] += weight * bool(thousands)
        self._n_long += weight * bool(decimal and len(text.rpartition(decimal)[2]) >= 3)
        self._n_open += weight * is_open
        self._n_numbers += weight
        self._n_negative += weight * (affixes.sign == "-")
        self._sides[affixes.side or ""] += weight
        self._currencies[affixes.currency or ""] += weight

    def marks(self) -> Marks:
        decimals, groups = +self._decimals, +self._groups
        decimal, thousands = _decide(decimals, groups, self._n_open)
        named = [code for code, _ in self._currencies.most_common() if code]
        votes = decimals[decimal]
        return Marks(
            decimal, thousands, self._n_numbers, self._n_negative, bool(decimals), votes,
            self._sides["out"], self._sides["in"], tuple(named), 3 if votes and self._n_long == votes else 0,
        )  # fmt: skip


def _decide(decimals: Counter[str], groups: Counter[str], n_open: int) -> tuple[str, str]:
    decimal = max(decimals, key=lambda mark: decimals[mark], default="")
    others = sum(decimals.values()) - decimals[decimal]
    if others * 100 > decimals[decimal]:  # a stray cell is none, one in a hundred is
        return UNSURE, ""
    thousands = max((mark for mark in groups if mark != decimal), key=lambda mark: groups[mark], default="")
    if decimal:
        return decimal, thousands or ({",": ".", ".": ","}[decimal] if n_open else "")
    if thousands in (".", ","):
        return {",": ".", ".": ","}[thousands], thousands
    return (UNSURE, "") if n_open else (".", thousands)


def _marks_of(text: str) -> tuple[str, str, bool]:
    """Return the decimal mark, the mark of thousands ("" unknown), and whether one mark could be either."""
    text = text.replace(_ARABIC[0], ".").replace(_ARABIC[1], ",")
    number, _, power = text.lower().partition("e")
    marks = re.sub("[0-9]", "", number)
    kinds = sorted(set(marks), key=number.rindex)
    if not kinds:
        return "", "", False
    last = kinds[-1]
    if len(kinds) > 1:
        return (last, kinds[0], False) if marks.count(last) == 1 and last in ".," else ("", "", False)
    if last not in ".," or marks.count(last) > 1:
        return "", last, False
    head, tail = number.split(last)
    if len(tail) == 3 and 1 <= len(head) <= 3 and head[0] != "0" and not power:
        return "", "", True
    return last, "", False
