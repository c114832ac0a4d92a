"""Times and amounts of banks, read against Python's own calendar and decimals; sides matched against networkx."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal

import networkx as nx
import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from muledetect.records.own._formats import find_clock, find_formats
from muledetect.records.own._money import UNSURE, find_marks, read_amounts
from muledetect.records.own._profile import shape_of
from muledetect.records.own._sides import match_sides
from muledetect.records.own._times import read_times

FORMATS = (
    "%d.%m.%Y %H:%M:%S", "%m/%d/%Y %I:%M:%S %p", "%Y-%m-%dT%H:%M:%S.%f", "%Y%m%d%H%M%S", "%d-%b-%Y %H:%M:%S",
    "%d/%m/%y %H:%M:%S", "%Y年%m月%d日 %H:%M:%S",
)  # fmt: skip
MOMENTS = st.datetimes(datetime(1970, 1, 1), datetime(2069, 12, 31))


@given(st.lists(MOMENTS, min_size=1, max_size=20), st.sampled_from(FORMATS))
def test_times_are_read_as_pythons_calendar_reads_them(moments: list[datetime], form: str) -> None:
    texts = [moment.strftime(form) for moment in moments]
    read = read_times(pa.array(texts), form, "gregorian").to_pylist()
    assert read == [datetime.strptime(text, form) for text in texts]


@given(st.lists(MOMENTS, min_size=1, max_size=20))
def test_buddhist_years_are_543_less(moments: list[datetime]) -> None:
    texts = [f"{moment:%d/%m}/{moment.year + 543} {moment:%H:%M:%S}" for moment in moments]
    read = read_times(pa.array(texts), "%d/%m/%Y %H:%M:%S", "buddhist").to_pylist()
    assert read == [moment.replace(microsecond=0) for moment in moments]


@pytest.mark.parametrize(
    "text", ["31.04.2025 10:00:00", "29.02.2025 10:00:00", "00.01.2025 10:00:00", "01.13.2025 10:00:00",
             "01.01.2025 24:00:01", "01.01.2025 10:60:00", "01.01.2025 10:00:60", "01.01.2025", "x 01.01.2025 10:00:00",
             "01.01.2025 10:00:00 x", "01.01.25 10:00:00"],
)  # fmt: skip
def test_what_is_no_time_is_null(text: str) -> None:
    assert read_times(pa.array([text]), "%d.%m.%Y %H:%M:%S", "gregorian").null_count == 1


def test_the_end_of_a_day_is_the_beginning_of_the_next() -> None:
    read = read_times(pa.array(["31.12.2024 24:00:00"]), "%d.%m.%Y %H:%M:%S", "gregorian")
    assert read.to_pylist() == [datetime(2025, 1, 1)]


@pytest.mark.parametrize(("text", "hour"), [("12:05:00 AM", 0), ("12:05:00 PM", 12), ("1:05:00 pm", 13)])
def test_midnight_and_noon_of_the_twelve_hour_clock(text: str, hour: int) -> None:
    read = read_times(pa.array([f"01.02.2025 {text}"]), "%d.%m.%Y %I:%M:%S %p", "gregorian").to_pylist()
    assert read[0].hour == hour


def test_zones_in_cells_are_applied() -> None:
    texts = pa.array(["2025-03-01 07:00:00+07:00", "2025-03-01 00:00:00Z", "2025-02-28 18:30:00-0530"])
    read = read_times(texts, "%Y-%m-%d %H:%M:%S%z", "gregorian").to_pylist()
    assert read == [datetime(2025, 3, 1, tzinfo=UTC)] * 3


def test_thai_months_and_digits_are_read() -> None:
    read = read_times(pa.array(["๑๓ ม.ค. ๒๕๖๘", "1 กันยายน 2568"]), "%d %b %Y", "buddhist").to_pylist()
    assert read == [datetime(2025, 1, 13), datetime(2025, 9, 1)]


def test_seconds_since_1970_are_read() -> None:
    assert read_times(pa.array(["1740787200", "x"]), "unix_s", "gregorian").to_pylist() == [
        datetime(2025, 3, 1, tzinfo=UTC),
        None,
    ]


@settings(max_examples=30)
@given(st.lists(MOMENTS.filter(lambda moment: moment.day > 12), min_size=1, max_size=20), st.sampled_from(FORMATS))
def test_the_format_of_times_is_found_once_a_day_is_above_12(moments: list[datetime], form: str) -> None:
    texts = [moment.strftime(form) for moment in moments]
    found = [name for name, n_read in find_formats(pa.array(texts)) if n_read == len(texts)]
    assert form in found
    reads = [read_times(pa.array(texts), name, "gregorian").to_pylist() for name in found]
    if "%y" not in form:  # 13/01/70 may begin with the day or, with Python's century, be no other thing
        assert all(read == reads[0] for read in reads)


def test_day_and_month_that_nothing_tells_apart_are_both_named() -> None:
    found = find_formats(pa.array(["03/04/2025", "05/06/2025"]))
    assert [form for form, _ in found] == ["%d/%m/%Y", "%m/%d/%Y"]


@pytest.mark.parametrize(
    ("text", "clock"), [("09:30:00", "%H:%M:%S"), ("9:30", "%H:%M"), ("09.30", "%H.%M"), ("9,30", None)]
)
def test_times_of_day_are_told_from_amounts(text: str, clock: str | None) -> None:
    assert find_clock(pa.array([text])) == clock


def written(amount: int, decimal: str, thousands: str, style: str) -> str:
    """An amount of satang as a bank may write it."""
    plain = f"{abs(amount) / 100:,.2f}".replace(",", "#").replace(".", decimal).replace("#", thousands)
    signs = {"before": f"-{plain}", "behind": f"{plain}-", "brackets": f"({plain})", "minus": f"\u2212{plain}"}
    return signs[style] if amount < 0 else f"฿{plain}" if style == "minus" else plain


AMOUNTS = st.lists(st.integers(-(10**11), 10**11).filter(bool), min_size=1, max_size=20)
MARKS = st.sampled_from([(".", ","), (",", "."), (".", ""), (",", ""), (".", "'"), (",", " "), (",", "\u00a0")])
STYLES = st.sampled_from(["before", "behind", "brackets", "minus"])


@given(AMOUNTS, MARKS, STYLES)
def test_amounts_are_read_as_they_were_written(amounts: list[int], marks: tuple[str, str], style: str) -> None:
    decimal, thousands = marks
    texts = pa.array([written(amount, decimal, thousands, style) for amount in amounts])
    found = find_marks(texts)
    assert found.decimal == decimal
    assert found.n_numbers == len(amounts)
    assert found.n_negative == sum(amount < 0 for amount in amounts)
    read = read_amounts(texts, found.decimal, found.thousands).texts.to_pylist()
    assert [Decimal(text) * 100 for text in read] == amounts


@pytest.mark.parametrize("texts", [["1.234"], ["1,234", "12,345"], ["1.5", "1,5"]])
def test_a_mark_that_nothing_tells_is_not_guessed(texts: list[str]) -> None:
    assert find_marks(pa.array(texts)).decimal == UNSURE


@pytest.mark.parametrize(
    "text", ["1.23.4,5", "12.34", "1,2,3", "abc", "1 234", "--5", "5-5", "1.2345,0", "Ref12", "1.23457e11"]
)
def test_what_is_no_amount_of_these_marks_is_told(text: str) -> None:
    assert read_amounts(pa.array([text]), ",", ".").texts.to_pylist() == ["?"]


def test_indian_groups_of_two_are_read() -> None:
    assert read_amounts(pa.array(["12,34,567.80"]), ".", ",").texts.to_pylist() == ["1234567.80"]


SIDES = st.lists(st.tuples(st.integers(0, 2), st.integers(0, 12), st.booleans()), max_size=14)


@given(SIDES, st.integers(0, 4))
def test_no_other_choice_of_sides_makes_more_pairs(rows: list[tuple[int, int, bool]], within: int) -> None:
    key, time = (np.array([row[place] for row in rows], np.int64) for place in (0, 1))
    is_out = np.array([row[2] for row in rows], np.bool_)
    partner = match_sides((key,), time, is_out, within)
    graph = nx.Graph()
    for out in np.flatnonzero(is_out):
        for came in np.flatnonzero(~is_out):
            if key[out] == key[came] and abs(time[out] - time[came]) <= within:
                graph.add_edge(int(out), int(came))
    pairs = {(row, int(other)) for row, other in enumerate(partner) if other >= 0 and is_out[row]}
    assert all(graph.has_edge(*pair) for pair in pairs)
    assert all(partner[other] == row for row, other in pairs)
    assert len(pairs) == len(nx.max_weight_matching(graph, maxcardinality=True))


@given(st.text(max_size=60))
def test_the_shape_of_a_text_holds_no_digit_and_no_letter_of_it(text: str) -> None:
    assert not set(shape_of(text)) & {sign for sign in text if sign.isalnum() and sign not in "Aa9."}
