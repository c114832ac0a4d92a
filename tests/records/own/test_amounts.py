"""Amounts as banks write them are read as `Decimal` reads them plainly, or are "?", never as another number."""

from __future__ import annotations

from decimal import Decimal

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from muledetect.records.own._money import UNSURE, find_marks, read_amounts
from muledetect.records.own._signs import UNREAD, read_affixes

AMOUNTS = st.integers(1, 10**13)
SIGNS = st.sampled_from(["{}", "-{}", "- {}", "{}-", "\u2212{}", "({})", "$({})", "($ {})", "-${}", "$-{}", "+ {}"])
WORDS = st.sampled_from(["", " Cr", " DR", "CR ", "Dr. ", " THB", "THB ", "\u00a0\u0e3f"])
#: Digits of other scripts, by what turns ASCII ones into them.
SCRIPTS = st.sampled_from(["", *("".join(map(chr, range(zero, zero + 10))) for zero in (0xE50, 0x660, 0xFF10, 0x966))])


def grouped(amount: int, groups: str, mark: str, decimal: str) -> str:
    """Write cents in groups of three, in Indian ones, or in none."""
    whole, cents = divmod(amount, 100)
    text = f"{whole:,}"
    if groups == "lakh" and whole > 999:
        head, tail = str(whole)[:-3], str(whole)[-3:]
        pairs = [head[max(0, end - 2) : end] for end in range(len(head), 0, -2)][::-1]
        text = ",".join([*pairs, tail])
    return text.replace(",", mark if groups != "none" else "") + f"{decimal}{cents:02}"


@given(
    AMOUNTS, SIGNS, WORDS, SCRIPTS, st.sampled_from(["three", "lakh", "none"]),
    st.sampled_from([(".", ","), (",", "."), (".", "'"), (".", " "), (",", "\u202f")]),
)  # fmt: skip
def test_amounts_are_the_number_that_was_written(
    amount: int, sign: str, word: str, script: str, groups: str, marks: tuple[str, str]
) -> None:
    decimal, mark = marks
    text = sign.format(grouped(amount, groups, mark, decimal))
    text = word + text if word.endswith(" ") else text + word
    text = text.translate(str.maketrans("0123456789", script)) if script else text
    read = read_amounts(pa.array([text]), decimal, " " if mark == "\u202f" else mark)
    below = any(minus in sign for minus in "-\u2212(")
    side = {"cr": "in", "dr": "out"}.get(word.strip(" .").lower())
    money = "THB" if "\u0e3f" in word or "THB" in word else None
    if (below and side == "in") or ("$" in sign and money):  # what contradicts itself is no amount
        assert read.texts.to_pylist() == [UNSURE]
        return
    assert Decimal(read.texts[0].as_py()) * 100 == (-amount if below and side is None else amount)
    assert (read.sides[0].as_py() if read.sides else None) == side
    assert (read.currencies[0].as_py() if read.currencies else None) == ("$" if "$" in sign else money)


@pytest.mark.parametrize(
    "text",
    ["1,23", "12,34.50", "1,2345.00", "1,234,56.78", "1234,567.00", "0,123", "1,23,45.00", "1,,234", ",123.00",
     "1 234.50", "1'234.50", "1.234.567", "13.880", "100.000", "5%", "--5", "-5-", "(-5)", "((5))", "(5", "5)",
     "5 Cr Dr", "-5 Cr", "5 USD EUR", "$5 EUR", "Room 5", "5/6", "1.5E", "E5", "5.-"],
)  # fmt: skip
def test_a_wrong_group_or_a_stray_sign_is_never_another_number(text: str) -> None:
    assert read_amounts(pa.array([text]), ".", ",").texts.to_pylist() == [UNSURE]


def test_three_digits_behind_the_mark_are_read_where_that_is_said() -> None:
    assert read_amounts(pa.array(["13.880"]), ".", ",", places=3).texts.to_pylist() == ["13.880"]
    assert find_marks(pa.array(["1234.500", "1,234.500", "2.250"])).places == 3


@pytest.mark.parametrize(
    ("text", "number"),
    [("1.5E+05", "150000"), ("2e6", "2000000"), ("1.23456789E7", "12345678.9"), ("1.2345678E+04", "12345.678"),
     ("1.5E-01", "0.15"), ("1.23457E+11", UNSURE), ("1.23E+05", UNSURE), ("1.2345E+06", UNSURE), ("1E+99", UNSURE)],
)  # fmt: skip
def test_powers_of_ten_are_read_only_where_no_digit_is_lost(text: str, number: str) -> None:
    read = read_amounts(pa.array([text]), ".", ",").texts[0].as_py()
    assert read == number if number == UNSURE else Decimal(read) == Decimal(number)


@pytest.mark.parametrize(
    ("before", "behind", "currency"),
    [("Rs. ", "", "rs"), ("US$", "", "USD"), ("$", " USD", "USD"), ("", " บาท", "THB"), ("", "kr.", "kr"),
     ("S$", "", "SGD"), ("¥", "", "¥"), ("", " eur", "EUR"), ("R$ ", "", "BRL")],
)  # fmt: skip
def test_a_currency_beside_an_amount_is_told(before: str, behind: str, currency: str) -> None:
    assert read_affixes(before, behind).currency == currency


def test_a_point_behind_a_word_is_no_decimal_mark() -> None:
    assert read_amounts(pa.array(["Rs.50", "$.50", "-.5"]), ".", ",").texts.to_pylist() == ["50", "0.50", "-0.5"]
    assert read_affixes("Ref.", "") is UNREAD


def test_marks_are_judged_by_rows() -> None:
    texts = pa.array(["1,5", "1.5"])
    assert find_marks(texts).decimal == UNSURE
    assert find_marks(texts, [1000, 1]).decimal == ","
