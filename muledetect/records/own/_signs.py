"""Signs that people and programs write for ASCII ones: digits of other scripts, full-width signs, blanks, minus signs.

>>> plain_signs(pa.array(["１２３．４５", "๑๒๓", "٣٫٥", "\u2212 5\u202f000", None])).to_pylist()
['123.45', '123', '3٫5', '- 5 000', None]
"""

from __future__ import annotations

from unicodedata import category, decimal

import pyarrow as pa
import pyarrow.compute as pc

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
