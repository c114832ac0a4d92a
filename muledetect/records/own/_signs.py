"""Signs that people and programs write for ASCII ones, and what stands around the digits of an amount.

>>> plain_signs(pa.array(["１２３．４５", "๑๒๓", "٣٫٥", "\u2212 5\u202f000", None])).to_pylist()
['123.45', '123', '3٫5', '- 5 000', None]
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
from unicodedata import category, decimal

import pyarrow as pa
import pyarrow.compute as pc

from muledetect.records.currency import EXPONENTS
from muledetect.records.own._words import MONEY_SIGNS, SHARED_SIGNS, VALUES

_MINUS = frozenset("\u2010\u2011\u2012\u2013\u2014\u2212\ufe58\ufe63")
#: ASCII signs that stand for another one.
_OTHER_ASCII = "`\t"
_APOSTROPHES = frozenset("\u2018\u2019\u02bc\u02b9\u2032\u00b4`")


class _Plain(dict[int, str]):
    """What stands for each sign; looked up once a sign, as there are more than a million."""

    def __missing__(self, code: int) -> str:
        self[code] = found = _plain_sign(chr(code))
        return found


def _plain_sign(sign: str) -> str:
    if sign.isascii() and sign not in _OTHER_ASCII:
        return sign
    kind = category(sign)
    if kind == "Nd":
        return str(decimal(sign))
    if kind == "Cf":  # marks of direction, joiners and the byte-order mark, none of which shows
        return ""
    if "\uff01" <= sign <= "\uff5e":  # full width
        return chr(ord(sign) - 0xFEE0)
    is_blank = kind == "Zs" or sign == "\t"
    return " " if is_blank else "-" if sign in _MINUS else "'" if sign in _APOSTROPHES else sign


_SIGNS = _Plain()


def plain_text(text: str) -> str:
    """Return one text in plain signs."""
    return text.translate(_SIGNS)


def plain_signs(texts: pa.StringArray) -> pa.StringArray:
    """Return texts with digits, blanks, minus signs, apostrophes and full-width signs as ASCII has them.

    Signs that do not show are left out; all others stay.
    """
    is_plain = pc.all(pc.string_is_ascii(texts)).as_py() is not False
    if is_plain and not any(pc.any(pc.match_substring(texts, sign)).as_py() for sign in _OTHER_ASCII):
        return texts
    coded = texts.dictionary_encode()
    plain = pa.array([plain_text(text) for text in coded.dictionary.to_pylist()], pa.string())
    return plain.take(coded.indices)


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
