"""What stands before and behind the digits of an amount: signs, brackets, Cr and Dr, names of currencies.

>>> read_affixes("$(", ")")
Affixes(sign='-', side=None, currency='$', lead='')
>>> read_affixes("", " Cr"), read_affixes("Rs.", "")
(Affixes(sign='', side='in', currency=None, lead=''), Affixes(sign='', side=None, currency='rs', lead=''))
>>> read_affixes("Room ", "") is UNREAD
True
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from muledetect.records.currency import EXPONENTS
from muledetect.records.own._words import MONEY_SIGNS, SHARED_SIGNS, VALUES


@dataclass(frozen=True, slots=True)
class Affixes:
    """`sign` is "-" or ""; `side` "out", "in" or None; `currency` a code or a shared sign; `lead` a mark as in .50."""

    sign: str = ""
    side: str | None = None
    currency: str | None = None
    lead: str = ""


#: What stands around the digits makes no amount.
UNREAD: Final = Affixes("?")

#: Thai writes vowels and tones as marks, which are no letters by themselves.
_LETTER: Final = r"(?:[^\W\d_]|[\u0e31-\u0e4e\u0300-\u036f])"
_TOKEN: Final = re.compile(rf"{_LETTER}*\$|{_LETTER}+(?: {_LETTER}{{3,}})*\.?|\S")
_SIDES: Final = {
    word: side for side, words in VALUES["direction"].items() for word in words if word not in ("+", "-")
}  # fmt: skip


@lru_cache(1 << 14)
def read_affixes(before: str, behind: str) -> Affixes:
    """Return what stands around the digits of an amount, `UNREAD` if some of it is no part of an amount.

    At most one sign may stand there, and brackets around all are a minus. Cr says "in", Dr "out"; a minus beside Dr
    says the same once more, beside Cr the opposite, which is unread.
    """
    bare = before.rstrip()
    lead = bare[-1:] if bare == before and bare[-1:] in (".", ",") and not bare[-2:-1].isalpha() else ""
    first, last = _tokens(before[: len(before) - len(lead)]), _tokens(behind)
    has_brackets = first.count("(") == 1 == last.count(")")
    tokens = [*first, *last]
    if has_brackets:
        tokens = [token for token in tokens if token not in ("(", ")")]
    signs = [token for token in tokens if token in ("+", "-")]
    words = [token.rstrip(".").casefold() for token in tokens if token not in ("+", "-")]
    sides = [_SIDES[word] for word in words if word in _SIDES]
    money = [_currency_of(word) for word in words if word not in _SIDES]
    currency = _agreed(money)
    if len(signs) + has_brackets > 1 or len(sides) > 1 or currency is None:
        return UNREAD
    is_below = has_brackets or signs == ["-"]
    if sides and is_below and sides != ["out"]:
        return UNREAD
    return Affixes("-" if is_below and not sides else "", sides[0] if sides else None, currency or None, lead)


def _tokens(text: str) -> list[str]:
    return _TOKEN.findall(text)


def _currency_of(word: str) -> str | None:
    """Return the code or the shared sign of a word, None if it is no currency."""
    code = word.upper()
    return code if code in EXPONENTS else MONEY_SIGNS.get(word) or (word if word in SHARED_SIGNS else None)


def _agreed(money: list[str | None]) -> str | None:
    """Return the one currency that all words say, "" if there are none, None if they differ or one is no currency."""
    codes = {found for found in money if found is not None and found not in SHARED_SIGNS}
    signs = {found for found in money if found in SHARED_SIGNS}
    if None in money or len(codes) > 1 or len(signs) > 1:
        return None
    code, sign = next(iter(codes), ""), next(iter(signs), "")
    return code or sign if not (code and sign) or code in SHARED_SIGNS[sign] else None


def may_be(named: str, code: str) -> bool:
    """Whether what a cell names, a code or a shared sign, can be the currency of a code.

    >>> may_be("$", "SGD"), may_be("$", "THB"), may_be("THB", "THB")
    (True, False, True)
    """
    return named == code or code in SHARED_SIGNS.get(named, ())
