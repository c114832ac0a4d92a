# ruff: noqa: RUF001 (words of many scripts)
"""Text that hides nothing: over all code points, in words of many scripts, and back again."""

from __future__ import annotations

import copy
import pickle
import re
import sys
from unicodedata import category

import pytest
from hypothesis import given
from hypothesis import strategies as st

from muledetect.errors import DataError, MuleDetectError
from muledetect.reports.words import NOT_MEMBERS, REASONS, WORDS
from muledetect.visible import LOOKS_EMPTY, Visible, cut, has_half, make_visible, read_visible, visible_message
from tests.strategies import any_text

ALL = [chr(code) for code in range(sys.maxunicode + 1)]
#: Letters, marks and symbols that look like nothing, one by one, as `LOOKS_EMPTY` has them in ranges.
EMPTY = {
    *"\u034f\u115f\u1160\u17b4\u17b5\u180b\u180c\u180d\u180f\u2800\u3164\uffa0\ufffc\U00013441\U00013442\U00016fe4",
    *"\U0001d159", *map(chr, range(0xFE00, 0xFE10)), *map(chr, range(0xE0100, 0xE01F0)),
}  # fmt: skip

#: Words that must stay as they are, and be read as they are.
READABLE = (
    "บัญชีที่ ๑ ชื่อ ผู้ให้กู้ น้ำ", "กำ กํา", "ປະເທດລາວ", "ភាសាខ្មែរ", "မြန်မာ", "हिन्दी क्षत्रिय", "বাংলা র‍্যাব", "தமிழ்",
    "ශ්‍රී ලංකා", "क्‌ष क्‍ष", "العربية", "می‌خواهم", "کتاب‌ها", "مُحَمَّد", "עברית בְּרֵאשִׁית", "山田　太郎", "한국어", "汉字 漢字",
    "Việt Nam", "Vie\u0302\u0323t", "Ελληνικά", "Ру\u0301сский", "😀👍🏽🇹🇭", "1\u20e3", "naïve café",
    "a=b; c<d>e", "<U+>", "<U+XY>", "བོད་ཡིག རྒྱལ", "＝１", "a\u0338", "\N{REPLACEMENT CHARACTER}",
)  # fmt: skip


def is_deceiving(sign: str) -> bool:
    return (category(sign)[0] in "CZ" and sign not in " \u3000") or sign in EMPTY


@pytest.mark.slow
def test_no_code_point_that_hides_comes_through() -> None:
    hidden = [sign for sign in ALL if is_deceiving(sign)]
    assert len(hidden) > 950_000
    assert [sign for sign in hidden if make_visible(f"a{sign}b") != f"a<U+{ord(sign):04X}>b"] == []
    assert [sign for sign in hidden if not visible_message(sign).isascii() and sign not in "\n\t"] == []


def test_every_other_code_point_stays() -> None:
    kept = [sign for sign in ALL if not is_deceiving(sign)]
    assert [sign for sign in kept if make_visible(f"a{sign}b") != f"a{sign}b"] == []


def test_marks_with_no_letter_before_them_are_escaped() -> None:
    marks = [sign for sign in ALL if category(sign)[0] == "M"]
    assert [sign for sign in marks if not make_visible(sign).isascii()] == []
    assert [sign for sign in marks if not make_visible(f"\u202e{sign}").isascii()] == []
    assert [sign for sign in marks if make_visible(f"a {sign}") != f"a <U+{ord(sign):04X}>"] == []
    assert [sign for sign in marks if not make_visible(f"\n{sign}", lines=True).isascii()] == []


def test_all_that_unicode_lets_programs_leave_undrawn_is_escaped() -> None:
    # Default_Ignorable_Code_Point of DerivedCoreProperties.txt, Unicode 16
    ignorable = (
        (0xAD, 0xAD), (0x34F, 0x34F), (0x61C, 0x61C), (0x115F, 0x1160), (0x17B4, 0x17B5), (0x180B, 0x180F),
        (0x200B, 0x200F), (0x202A, 0x202E), (0x2060, 0x206F), (0x3164, 0x3164), (0xFE00, 0xFE0F), (0xFEFF, 0xFEFF),
        (0xFFA0, 0xFFA0), (0xFFF0, 0xFFF8), (0x1BCA0, 0x1BCA3), (0x1D173, 0x1D17A), (0xE0000, 0xE0FFF),
    )  # fmt: skip
    for first, last in ignorable:
        assert make_visible(f"x{chr(first)}") == f"x<U+{first:04X}>"
        assert make_visible(f"x{chr(last)}") == f"x<U+{last:04X}>"


@pytest.mark.parametrize("text", READABLE)
def test_words_of_all_scripts_stay_as_they_are(text: str) -> None:
    assert make_visible(text) == text
    assert make_visible(f"({text})") == f"({text})"
    assert type(make_visible(text)) is str


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("a\u200cb", "a<U+200C>b"),
        ("ก\u200dก", "ก<U+200D>ก"),
        ("د\u200cب", "د<U+200C>ب"),  # dal joins no letter after it: nothing would be seen
        ("ب\u200c\u200cب", "ب<U+200C><U+200C>ب"),
        ("ب\u200c", "ب<U+200C>"),
        ("क्\u200c", "क्<U+200C>"),
        ("क्\u200c1", "क्<U+200C>1"),
        ("क्\u200d\u200d", "क्\u200d<U+200D>"),
        ("\u0e3a\u200cก", "<U+0E3A><U+200C>ก"),
        ("กฺ\u200cก", "กฺ<U+200C>ก"),  # a virama in name only: Thai joins nothing
        ("👨\u200d👩", "👨<U+200D>👩"),
        ("❤\ufe0f", "❤<U+FE0F>"),
        ("🏴\U000e0067\U000e007f", "🏴<U+E0067><U+E007F>"),
        ("a\u00a0b\u2009c", "a<U+00A0>b<U+2009>c"),
        ("\ud83d\ude00", "<U+D83D><U+DE00>"),
        ("a" + "\u0301" * 9, "a" + "\u0301" * 8 + "<U+0301>"),
        ("<U+202E>", "<U+003C>U+202E>"),
        ("<U+003C>", "<U+003C>U+003C>"),
        ("<U+12345678>", "<U+12345678>"),
        ("<u+202e>", "<u+202e>"),
    ],
)  # fmt: skip
def test_what_cannot_be_seen_where_it_stands_is_escaped(text: str, shown: str) -> None:
    assert make_visible(text) == shown
    assert read_visible(shown) == text


def test_marks_cannot_pile_up_through_joiners() -> None:
    assert make_visible("क" + "्\u200d" * 50).count("<U+") > 40


def test_line_breaks_stay_where_a_text_has_lines() -> None:
    assert make_visible("a\nb\r\nc\td\r", lines=True) == "a\nb\r\nc\td<U+000D>"
    assert make_visible("a\n\u2028\x0b\x85", lines=True) == "a\n<U+2028><U+000B><U+0085>"
    assert make_visible("a\nb\tc") == "a<U+000A>b<U+0009>c"


@given(any_text(), any_text())
def test_two_texts_never_look_the_same_and_each_can_be_had_back(first: str, second: str) -> None:
    for lines in (False, True):
        shown = make_visible(first, lines=lines)
        assert read_visible(shown) == first
        assert not any(is_deceiving(sign) for sign in shown if sign not in "\u200c\u200d" + "\r\n\t" * lines)
        assert (shown == make_visible(second, lines=lines)) == (first == second)
        assert make_visible(shown, lines=lines) == shown


@given(any_text())
def test_text_made_from_visible_text_is_looked_at_again(text: str) -> None:
    shown = make_visible(text)
    if shown != text:
        assert make_visible(f"x{shown}") == "x" + re.sub(r"<(?=U\+[0-9A-F]{4,6}>)", "<U+003C>", shown)
    assert make_visible(str(shown)) == visible_message(shown) == shown
    assert visible_message(f"x{shown}") == f"x{shown}"


@given(any_text(max_size=60), st.integers(1, 20), st.integers(0, 8))
def test_a_cut_text_is_short_whole_and_visible(text: str, most: int, tail: int) -> None:
    shown = cut(text, most, tail=tail)
    whole = make_visible(text)
    assert len(shown) <= most
    assert make_visible(shown) == shown
    if len(whole) <= most:
        assert shown == whole
        return
    head, _, end = shown.rpartition("…") if tail else (shown[:-1], "", "")
    assert whole.startswith(head)
    assert whole.endswith(end)
    for part in (head, end):
        assert make_visible(read_visible(part)) == part or part[:1] in "\u200c\u200d"  # no escape is cut through
    assert not end or category(end[0])[0] != "M"


def test_no_letter_loses_its_marks_in_a_cut() -> None:
    assert cut("ผู้ให้กู้ยืม", 4) == "ผู้…"
    assert cut("ผู้ให้กู้", 6, tail=3) == "…กู้"
    assert cut("กำกำกำ", 4) == "กำ…"
    assert cut("👍🏽👍🏽", 3) == "👍🏽…"
    assert cut("a\u202eb", 8) == "a…"
    assert cut("abc", 1) == "…"


def test_our_own_words_hide_nothing() -> None:
    for words in (WORDS, REASONS):
        assert all(type(make_visible(text)) is str for word in words.values() for text in word.values())
    assert all(type(make_visible(text)) is str for text in NOT_MEMBERS.values())


def test_values_that_are_no_text_are_shown_as_text() -> None:
    assert [make_visible(value) for value in (1.5, None, b"\x00")] == ["1.5", "None", "b'\\x00'"]
    assert isinstance(make_visible("\x00"), Visible)


def test_halves_of_characters_are_found() -> None:
    assert [has_half(value) for value in ("\udfff", "\ud83d\ude00", "😀", 5, None)] == [True, True, False, False, False]


@pytest.mark.parametrize("error", MuleDetectError.__subclasses__())
def test_errors_show_what_they_quote(error: type[MuleDetectError]) -> None:
    raised = error("column 'a\u202e\u3164\ud800' is missing\nadd it")
    shown = "column 'a<U+202E><U+3164><U+D800>' is missing\nadd it"
    assert str(raised) == shown
    assert str(DataError(f"model: {raised}")) == f"model: {shown}"
    assert str(copy.copy(raised)) == str(pickle.loads(pickle.dumps(raised))) == shown  # noqa: S301 (our own)


@pytest.mark.slow
def test_the_list_of_empty_signs_is_the_one_of_these_tests() -> None:
    assert all(make_visible(f"a{sign}") != f"a{sign}" for sign in EMPTY)
    assert {sign for sign in ALL if re.fullmatch(f"[{LOOKS_EMPTY}]", sign)} == EMPTY
