"""Amounts as banks write them: marks of decimals and thousands, signs before, behind or as brackets, symbols.

>>> texts = pa.array(["1.234,50", "-12,00 €", "(3,5)", "1.234.567", "12.34,5"])
>>> plain_amounts(texts, ",", ".").to_pylist()
['1234.50', '-12.00', '-3.5', '1234567', '?']
>>> find_marks(texts)
Marks(decimal=',', thousands='.', n_numbers=5, n_negative=2, has_decimals=True, votes=4)
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass
from typing import Final

import pyarrow as pa
import pyarrow.compute as pc

from muledetect.records.currency import EXPONENTS
from muledetect.records.own._times import western_digits
from muledetect.records.own._words import MONEY_SIGNS

#: Written where something cannot be told and a person must say it.
UNSURE: Final = "?"

_PLAIN: Final = r"^[+-]?[0-9]+(\.[0-9]+)?$"
_SIGNS: Final = "(?i:" + "|".join([*EXPONENTS, r"\$", *map(re.escape, MONEY_SIGNS)]) + ")"
_MARKED: Final = "[0-9.,'\u2019]"
#: Blanks that stand between thousands, as many countries write them.
_BLANKS: Final = "[\u00a0\u202f\u2009 ]"


def plain_amounts(texts: pa.StringArray, decimal: str, thousands: str) -> pa.StringArray:
    """Return amounts as plain digits with a point, a minus before them; "?" for what is no amount."""
    if decimal == "." and pc.all(pc.match_substring_regex(texts, _PLAIN)).as_py():
        return texts
    marked = rf"^-?[0-9{re.escape(decimal + thousands)}]+$"
    bare = texts if pc.all(pc.match_substring_regex(texts, marked)).as_py() else _bare(texts)
    if thousands == " ":
        bare = pc.replace_substring_regex(bare, _BLANKS, " ")
    mark, group = re.escape(decimal), re.escape(thousands) if thousands else "[^0-9]"
    # Groups of two stand before the last one of three in India.
    whole = rf"([0-9]+|[0-9]{{1,3}}({group}[0-9]{{2,3}})*{group}[0-9]{{3}})"
    is_amount = pc.match_substring_regex(bare, rf"^[+-]?({whole}({mark}[0-9]+)?|{mark}[0-9]+)$")
    joined = pc.replace_substring(bare, thousands, "") if thousands else bare
    pointed = pc.replace_substring(joined, decimal, ".")
    pointed = pc.replace_substring_regex(pointed, r"^([+-]?)\.", r"\10.")  # group 1, then a zero
    return pc.if_else(pc.fill_null(is_amount, True), pointed, "?")


def _bare(texts: pa.StringArray) -> pa.StringArray:
    """Return texts without symbols of money, with the sign in front."""
    bare = pc.utf8_trim_whitespace(western_digits(texts))
    bare = pc.replace_substring_regex(bare, "[\u2212\u2013]", "-")
    bare = pc.replace_substring_regex(bare, rf"^([+(-]?){_BLANKS}*{_SIGNS}\.?{_BLANKS}*([+-]?)([0-9])", r"\1\2\3")
    bare = pc.replace_substring_regex(bare, rf"([0-9)-]){_BLANKS}*{_SIGNS}\.?$", r"\1")
    bare = pc.replace_substring_regex(bare, r"^\((.*)\)$", r"-\1")
    return pc.replace_substring_regex(bare, rf"^([0-9].*[0-9]){_BLANKS}*([+-])$", r"\2\1")


@dataclass(frozen=True, slots=True)
class Marks:
    """What amounts in cells look like; `decimal` is "?" where the cells do not tell it.

    `n_numbers` cells are amounts, whatever their marks; `votes` of them say which mark the decimals have.
    """

    decimal: str
    thousands: str
    n_numbers: int
    n_negative: int
    has_decimals: bool
    votes: int


def find_marks(texts: pa.StringArray) -> Marks:
    """Return what the cells tell about marks: 1.234,50 tells both, 12,5 the decimals, 1.234 nothing."""
    bare = _bare(pc.drop_null(texts))
    numbers = bare.filter(pc.match_substring_regex(bare, rf"^[+-]?{_MARKED}*[0-9]({_BLANKS}?{_MARKED}+)*$"))
    decimals: Counter[str] = Counter()
    groups: Counter[str] = Counter()
    n_open = 0
    for text in numbers.to_pylist():
        decimal, thousands, is_open = _marks_of(text.lstrip("+-"))
        decimals.update(decimal)
        groups.update(thousands)
        n_open += is_open
    n_negative = int(pc.sum(pc.match_substring(numbers, "-")).as_py() or 0)
    decimal, thousands = _decide(decimals, groups, n_open)
    return Marks(decimal, thousands, len(numbers), n_negative, bool(decimals), decimals[decimal])


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
    text = re.sub(_BLANKS, " ", text)
    marks = re.sub("[0-9]", "", text)
    kinds = sorted(set(marks), key=text.rindex)
    if not kinds:
        return "", "", False
    last = kinds[-1]
    if len(kinds) > 1:
        return (last, kinds[0], False) if marks.count(last) == 1 and last in ".," else ("", "", False)
    if last not in ".," or marks.count(last) > 1:
        return "", last, False
    before, after = text.split(last)
    if len(after) == 3 and 1 <= len(before) <= 3 and before != "0":
        return "", "", True
    return last, "", False
