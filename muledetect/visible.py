r"""Text that hides nothing: what cannot be seen, or changes how the text around it is seen, stands as its code point.

Ids, names and memos come from strangers. Everything that is shown or written for people goes through this file: the
terminal, pages, exports, XML, pictures, notebooks and error messages. Parquet and JSON files keep the text as it is.

An escape is ``<U+202E>``: plain ASCII, of a length that its end shows, and never in a text by itself, for the first
sign of what only looks like one is escaped too. So two different texts never look the same because of what is hidden,
and `read_visible` gives back the text that was shown. Nothing else is changed: no normal form (NFC), no letter
that looks like another, no case.

Escaped:

- controls, format signs, surrogates, private use, unassigned code points (all of category C);
- separators (category Z), but for the space and the wide space of Chinese and Japanese, U+3000;
- letters, marks and symbols that fonts draw as nothing or as a blank: `LOOKS_EMPTY`;
- a mark (category M) at the beginning or after a space, with nothing to stand on, and each beyond the eighth in a row:
  it would be drawn over what stands around.

Kept, where a reader of the script sees the difference: U+200C and U+200D between letters that it joins or parts
(Arabic, Persian, Urdu; after the virama of Indian scripts; Bengali ra), as RFC 5892 allows. Between pictures (emoji)
they are escaped, and so are variation selectors: what a font shows of them, nobody knows.

>>> make_visible("pay\u202e10"), make_visible("<U+202E>"), make_visible("บัญชีที่ 1")
('pay<U+202E>10', '<U+003C>U+202E>', 'บัญชีที่ 1')
>>> read_visible("pay<U+202E>10") == "pay\u202e10"
True
"""

from __future__ import annotations

import re
from functools import cache
from typing import Final
from unicodedata import category, combining, decomposition

#: Signs of other categories that fonts draw as nothing or as a blank. Those of Unicode's Default_Ignorable_Code_Point
#: that are not of category C, and the blanks of Braille, music, Khitan and Egyptian; U+FFFC stands for a picture that
#: is not there.
LOOKS_EMPTY: Final = (
    "\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180d\u180f\u2800\u3164\ufe00-\ufe0f\uffa0\ufffc"
    "\U00013441\U00013442\U00016fe4\U0001d159\U000e0100-\U000e01ef"
)

#: An escape in visible text; its code point in hexadecimal.
ESCAPE: Final = re.compile(r"<U\+([0-9A-F]{4,6})>")
#: What only looks like an escape.
_LIKE_ESCAPE: Final = r"<(?=U\+[0-9A-F]{4,6}>)"
_EMPTY: Final = re.compile(f"[{LOOKS_EMPTY}]")
_GUARDED: Final = re.compile(_LIKE_ESCAPE)
#: Whether a printable text needs a closer look. Marks are no letters to `re`: they are found among what else is none.
_DOUBTFUL: Final = re.compile(f"[{LOOKS_EMPTY}]|{_LIKE_ESCAPE}|[^\\w\\x00-\\x7f]{{9}}| [^\\w\\x00-\\x7f]")

_HALF: Final = re.compile("[\ud800-\udfff]")
_MOST_MARKS: Final = 8
_NON_JOINER: Final = "\u200c"
_JOINER: Final = "\u200d"
_WIDE_SPACE: Final = "\u3000"
_CARRY_NOTHING: Final = frozenset(" \u3000\t\n")
#: Letters that stand on the letter before them though they are no marks: Thai and Lao am.
_AM: Final = "\u0e33\u0eb3"
_SKIN_TONES: Final = "\U0001f3fb\U0001f3fc\U0001f3fd\U0001f3fe\U0001f3ff"
_VIRAMA: Final = 9
_INDIC: Final = ("\u0900", "\u0dff")
_BENGALI_RA_YA: Final = ("\u09b0", "\u09cd")


class Visible(str):
    """Text that `make_visible` returned, which it does not change again. Text made from it is plain text."""

    __slots__ = ()

    def __str__(self) -> str:
        return self  # `str` of another type would be plain text again


def make_visible(value: object, *, lines: bool = False) -> str:
    r"""Return the `str` of a value as text in which every sign can be seen.

    With `lines`, for texts of several lines, line feeds (with or without a carriage return before them) and tabs stay.
    The text itself comes back where nothing hides in it, else a `Visible`, which is not changed a second time. O(n); a
    text without a hidden sign costs about a microsecond.

    >>> make_visible("a\u200bb\n"), make_visible("two\nlines\r\n", lines=True)
    ('a<U+200B>b<U+000A>', 'two\nlines\r\n')
    """
    text = value if isinstance(value, str) else str(value)
    return text if isinstance(text, Visible) or _is_clear(text) else _escaped(text, lines=lines, guard=True)


def visible_message(text: str) -> str:
    r"""Return a message as `make_visible` does, with its lines; escapes in it stay, for messages quote each other.

    >>> visible_message("column 'a\u200b<U+202E>' is missing\nadd it")
    "column 'a<U+200B><U+202E>' is missing\nadd it"
    """
    return text if isinstance(text, Visible) or _is_clear(text) else _escaped(text, lines=True, guard=False)


def read_visible(text: str) -> str:
    """Return the text that `make_visible` showed as this one."""
    return ESCAPE.sub(lambda found: found[0] if int(found[1], 16) > 0x10FFFF else chr(int(found[1], 16)), text)


def has_half(value: object) -> bool:
    r"""Return whether a value is a text with half of a character, a lone surrogate, which no file can hold.

    >>> has_half("a\ud800"), has_half("\U0001f600"), has_half(None)
    (True, False, False)
    """
    return isinstance(value, str) and _HALF.search(value) is not None


def cut(value: object, most: int, *, tail: int = 0, lines: bool = False) -> str:
    r"""Return a value as visible text of at most `most` signs; of a longer one, `tail` of them are its end.

    An ellipsis stands for what is left out. No escape is cut through, and no letter loses its marks.

    >>> cut("0123456789", 6), cut("0123456789", 6, tail=2), cut("ab\u202ecd", 6), cut("ที่ที่ที่", 5)
    ('01234…', '012…89', 'ab…', 'ที่…')
    """
    text = make_visible(value, lines=lines)
    if len(text) <= most:
        return text
    starts = _starts(text, 0, min(len(text), most + _MOST_MARKS))
    tail = max(min(tail, most - 1), 0)
    head = max(at for at in starts if at <= max(most - 1 - tail, 0))
    begin = max(len(text) - tail, head)
    end = min((at for at in _starts(text, head, len(text)) if at >= begin), default=len(text)) if tail else len(text)
    return Visible(f"{text[:head]}\N{HORIZONTAL ELLIPSIS}{text[end:]}")


def _is_clear(text: str) -> bool:
    """Whether there is nothing to escape for sure. Printable is what is of no category C or Z, and the space."""
    if not text.isprintable():
        return False
    if text.isascii():
        return "<U+" not in text
    return _DOUBTFUL.search(text) is None and category(text[0])[0] != "M"


def _escaped(text: str, *, lines: bool, guard: bool) -> str:
    shown: list[str] = []
    n_marks = _MOST_MARKS  # where a text begins, and after an escape or a blank, nothing carries a mark
    for at, sign in enumerate(text):
        if not sign.isascii() and category(sign)[0] == "M":
            n_marks += 1
        elif sign not in (_NON_JOINER, _JOINER):
            n_marks = 0
        if n_marks > _MOST_MARKS or _is_hidden(text, at, lines=lines) or (guard and _GUARDED.match(text, at)):
            shown.append(f"<U+{ord(sign):04X}>")
            n_marks = _MOST_MARKS
        else:
            shown.append(sign)
            n_marks = _MOST_MARKS if sign in _CARRY_NOTHING else n_marks
    joined = "".join(shown)
    return text if joined == text else Visible(joined)


def _is_hidden(text: str, at: int, *, lines: bool) -> bool:
    sign = text[at]
    if sign.isprintable():
        return _EMPTY.match(sign) is not None
    if sign in (_NON_JOINER, _JOINER):
        return not _joins(text, at)
    is_line = sign in "\t\n" or (sign == "\r" and text[at + 1 : at + 2] == "\n")
    return sign != _WIDE_SPACE and not (lines and is_line)


def _joins(text: str, at: int) -> bool:
    """Whether a joiner or non-joiner changes the letters beside it, so that it is seen."""
    sign, before, after = text[at], text[at - 1 : at], text[at + 1 : at + 2]
    if not before:
        return False
    if combining(before) == _VIRAMA and _INDIC[0] <= before <= _INDIC[1]:
        return sign == _JOINER or (_INDIC[0] <= after <= _INDIC[1] and category(after) == "Lo")
    if sign == _JOINER:
        return (before, after) == _BENGALI_RA_YA
    onward, back = _joining_letters()
    earlier, later = text[max(at - _MOST_MARKS - 1, 0) : at], text[at + 1 : at + _MOST_MARKS + 2]
    return earlier.rstrip(_vowel_signs())[-1:] in onward and later.lstrip(_vowel_signs())[:1] in back


@cache
def _joining_letters() -> tuple[frozenset[str], frozenset[str]]:
    """Return the Arabic letters that join the next letter, and those that join the one before.

    Unicode has forms of presentation of them, first and last of a word, each with the letter that it is a form of.
    """
    forms = [decomposition(chr(code)).split() for code in [*range(0xFB50, 0xFE00), *range(0xFE70, 0xFEFD)]]
    onward, back = (
        frozenset(chr(int(form[1], 16)) for form in forms if form[:1] == [place] and len(form) == 2)
        for place in ("<initial>", "<final>")
    )
    return onward, back


@cache
def _vowel_signs() -> str:
    """Return the marks of Arabic, which do not part letters."""
    return "".join(chr(code) for code in range(0x0610, 0x06EE) if category(chr(code)) == "Mn")


def _starts(text: str, low: int, high: int) -> list[int]:
    """Return where a visible text may be cut, from `low`, which is such a place, to `high`, in order."""
    starts, at = [], low
    while at < high:
        starts.append(at)
        found = ESCAPE.match(text, at)
        at = found.end() if found else at + 1
        while at < len(text) and (_continues(text[at]) or text[at - 1] == _JOINER):
            at += 1
    return [*starts, at]


def _continues(sign: str) -> bool:
    return not sign.isascii() and (category(sign)[0] == "M" or sign in (_NON_JOINER, _JOINER, *_AM, *_SKIN_TONES))


__all__ = ["ESCAPE", "LOOKS_EMPTY", "Visible", "cut", "has_half", "make_visible", "read_visible", "visible_message"]
