"""One spelling of an id, so that one account is not two: the only place where an id is changed.

Always, by the id alone (`plain_ids`):

- signs without width and control signs (Unicode Cf and Cc) are left out,
- full-width letters, digits and signs (U+FF01 to U+FF5E) and the decimal digits of every script become ASCII, and
  letters with accents are composed (NFC; no NFKC, which would make 122 of 12² and so join two ids),
- blanks of every kind at both ends are left out, and those inside become one ordinary blank.

By what the data set shows (`loose_forms`), because these may be part of an id:

- blanks inside an id of ASCII letters and digits are left out of all such ids, if that makes two of the ids one,
- ".0" behind an id of digits is left out of all such ids, if that makes two of the ids one, and no id has other digits
  behind a point.

Nothing else is changed: leading zeros, case, dashes and slashes stay.

>>> plain_ids(pa.array([" 0071\\u3000", "DE44  1002", "１２３", "0071", None])).to_pylist()
['0071', 'DE44 1002', '123', '0071', None]
>>> ids = pa.array(["DE44 1002", "DE441002", "12.0"])
>>> loose_forms(ids), without_forms(ids, loose_forms(ids)).to_pylist()
(('blanks',), ['DE441002', 'DE441002', '12.0'])
"""

from __future__ import annotations

import unicodedata
from typing import Final, Literal, TypeAlias, get_args

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

Form: TypeAlias = Literal["blanks", "point zero"]

_BLANKS: Final = r"[\s\x0b\x{85}\p{Z}]+"
_NO_SIGNS: Final = r"[\p{Cf}\p{Cc}]+"
_WIDE: Final = {sign: sign - 0xFEE0 for sign in range(0xFF01, 0xFF5F)}
_GROUPED: Final = r"^[0-9A-Za-z]+( [0-9A-Za-z]+)+$"
_POINT_ZERO: Final = r"^[0-9]+\.0$"
_POINT: Final = r"^[0-9]+\.[0-9]+$"


def plain_ids(ids: pa.StringArray) -> pa.StringArray:
    """Return every id in its one spelling; the same array if all are so already.

    Raises ArrowInvalid if one is not UTF-8. Looks at the bytes of all ids once; only where one is no visible ASCII sign
    are the different ids gone through.
    """
    if _is_plain(ids):
        return ids
    coded = ids.dictionary_encode()
    coded.dictionary.validate(full=True)  # any bytes may come under the name of text
    plain = _plain(coded.dictionary)
    return ids if plain.equals(coded.dictionary) else plain.take(coded.indices)


def _is_plain(ids: pa.StringArray) -> bool:
    """Whether every byte is a visible ASCII sign; what lies under a null does not count as such, nor does it matter."""
    _, offsets, text = ids.buffers()
    if len(ids) == 0 or offsets is None or text is None:
        return True
    ends = np.frombuffer(offsets, np.int32, len(ids) + 1, ids.offset * 4)
    held = np.frombuffer(text, np.uint8)[ends[0] : ends[-1]]
    # One comparison: below "!" the difference wraps around to a large number.
    return not bool((held - np.uint8(0x21) > 0x7E - 0x21).any())


def _plain(texts: pa.StringArray) -> pa.StringArray:
    spaced = pc.replace_substring_regex(texts, _BLANKS, " ")
    bare = pc.replace_substring_regex(spaced, _NO_SIGNS, "")
    if not pc.all(pc.string_is_ascii(bare)).as_py():
        bare = pa.array([_western(text) for text in bare.to_pylist()], pa.string())
    # what was left out may have parted two blanks
    return pc.utf8_trim_whitespace(pc.replace_substring_regex(bare, " +", " "))


def _western(text: str) -> str:
    if text.isascii():
        return text
    composed = unicodedata.normalize("NFC", text.translate(_WIDE))
    return "".join(str(unicodedata.decimal(sign)) if sign.isdecimal() else sign for sign in composed)


def has_loose_form(ids: pa.StringArray) -> bool:
    """Whether some id has blanks inside or ".0" behind it, so that `loose_forms` must look at all ids."""
    may = pc.or_(pc.match_substring(ids, " "), pc.ends_with(ids, ".0"))
    return bool(pc.any(may).as_py())


def loose_forms(ids: pa.StringArray) -> tuple[Form, ...]:
    """Return which parts of ids are only a way of writing: leaving them out makes two of these different ids one."""
    known = pc.drop_null(pc.unique(ids))
    found: list[Form] = []
    for form in get_args(Form):
        loose = _strip(known, form)
        if loose is not known and pc.count_distinct(loose).as_py() < len(known):
            known = pc.unique(loose)
            found.append(form)
    return tuple(found)


def without_forms(ids: pa.StringArray, forms: tuple[Form, ...]) -> pa.StringArray:
    """Return ids without the parts that `loose_forms` found; of all ids of a data set, together or in parts."""
    for form in forms:
        ids = _strip(ids, form, False)
    return ids


def _strip(ids: pa.StringArray, form: Form, may_refuse: bool = True) -> pa.StringArray:
    if form == "blanks":
        here = pc.and_(pc.match_substring_regex(ids, _GROUPED), pc.match_substring_regex(ids, "[0-9]"))
        bare = pc.replace_substring(ids, " ", "")
    else:
        here = pc.match_substring_regex(ids, _POINT_ZERO)
        others = pc.and_not(pc.match_substring_regex(ids, _POINT), here)
        if may_refuse and pc.any(others).as_py():
            return ids
        bare = pc.replace_substring_regex(ids, r"\.0$", "")
    return pc.if_else(here, bare, ids) if pc.any(here).as_py() else ids
