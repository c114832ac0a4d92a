"""Times as programs and offices of many countries write them, against Python's own calendar."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from muledetect.records.own._formats import find_clock, find_counts, find_formats
from muledetect.records.own._times import Era, number_texts, read_times

NOON = datetime(2025, 3, 1, 13, 5, 9)


def read(text: str, form: str, era: Era = "gregorian") -> datetime | None:
    time: datetime | None = read_times(pa.array([text]), form, era).to_pylist()[0]
    return time


@pytest.mark.parametrize(
    ("text", "form"),
    [
        ("2025-03-01 오후 1:05:09", "%Y-%m-%d %p %I:%M:%S"),
        ("2025. 3. 1. 오후 1:05:09", "%Y. %m. %d. %p %I:%M:%S"),
        ("2025년 3월 1일 13시 5분 9초", "%Y년 %m월 %d일 %H시 %M분 %S초"),
        ("2025年3月1日 13時5分9秒", "%Y年%m月%d日 %H時%M分%S秒"),
        ("2025年03月01日 下午1:05:09", "%Y年%m月%d日 %p%I:%M:%S"),
        ("令和7年3月1日 午後1時05分09秒", "%EY年%m月%d日 %p%I時%M分%S秒"),
        ("R7.3.1 13:05:09", "%EY.%m.%d %H:%M:%S"),
        ("民國114年3月1日 13:05:09", "%EY年%m月%d日 %H:%M:%S"),
        ("1 มีนาคม ค.ศ. 2025 เวลา 13.05.09 น.", "%d %b ค.ศ. %Y เวลา %H.%M.%S น."),
        ("2025年\uff13月\uff11日 13:05:09", "%Y年%m月%d日 %H:%M:%S"),
        ("Sat, 01 Mar 2025 13:05:09 GMT", "%a %d %b %Y %H:%M:%S %z"),
        ("20250301130509", "%Y%m%d%H%M%S"),
        ("2025-03-01T13:05:09.000Z", "%Y-%m-%dT%H:%M:%S.%f%z"),
    ],
)
def test_dates_and_clocks_of_many_countries_are_found_and_read(text: str, form: str) -> None:
    assert form in [found for found, _ in find_formats(pa.array([text]))]
    time = read(text, form)
    assert time is not None
    assert time.replace(tzinfo=None) == NOON


@pytest.mark.parametrize("text", ["1:05:09 p.m.", "1:05:09\u202fPM", "1:05:09 p.\u00a0m.", "1:05:09 pm"])
def test_afternoons_are_written_in_many_ways(text: str) -> None:
    assert read(f"03/01/2025 {text}", "%m/%d/%Y %I:%M:%S %p") == NOON


def test_noon_and_midnight_of_asian_clocks() -> None:
    hours = [read(f"2025-03-01 {text}:30", "%Y-%m-%d %p %I:%M") for text in ("오전 12", "오후 12", "午後 0", "오후 13")]
    assert [None if hour is None else hour.hour for hour in hours] == [0, 12, 12, None]


def test_a_thai_date_that_names_its_era() -> None:
    assert [form for form, _ in find_formats(pa.array(["วันเสาร์ที่ 1 มีนาคม พ.ศ. 2568"]))] == ["%aที่ %d %b พ.ศ. %Y"]
    assert read("วันเสาร์ที่ 1 มีนาคม พ.ศ. 2568", "%aที่ %d %b พ.ศ. %Y", "buddhist") == datetime(2025, 3, 1)


@pytest.mark.parametrize(
    ("unit", "factor"), [("unix_s", 1), ("unix_ms", 10**3), ("unix_us", 10**6), ("unix_ns", 10**9)]
)
@given(moment=st.datetimes(datetime(1990, 1, 2), datetime(2027, 12, 30)))
def test_counts_since_1970_are_found_and_read(unit: str, factor: int, moment: datetime) -> None:
    whole = moment.replace(microsecond=0, tzinfo=UTC)
    texts = pa.array([str(int(whole.timestamp()) * factor)])
    assert find_counts(texts, pa.array([1])) == (unit,)
    assert read(texts[0].as_py(), unit) == whole


def test_a_fraction_of_a_second_is_kept() -> None:
    assert read("1740834309.25", "unix_s") == NOON.replace(microsecond=250_000, tzinfo=UTC)
    assert read("1740834309250", "unix_ms") == NOON.replace(microsecond=250_000, tzinfo=UTC)


@given(st.datetimes(datetime(1905, 1, 1), datetime(2099, 12, 31)).map(lambda time: time.replace(microsecond=0)))
def test_days_of_spreadsheets_are_read_to_the_second(moment: datetime) -> None:
    for form, first in (("excel", datetime(1899, 12, 30)), ("excel_1904", datetime(1904, 1, 1))):
        assert read(f"{(moment - first) / timedelta(days=1):.9f}", form) == moment


def test_days_of_spreadsheets_are_asked_about_where_both_calendars_fit() -> None:
    assert find_counts(pa.array(["45717.5", "45718"]), pa.array([1, 1])) == ("excel",)
    assert find_counts(pa.array(["40000"]), pa.array([1])) == ("excel", "excel_1904")


def test_numbers_are_counted_by_rows_and_others_are_no_times() -> None:
    assert find_counts(pa.array(["1740787200", "total"]), pa.array([20, 1])) == ("unix_s",)
    assert find_counts(pa.array(["1740787200", "17"]), pa.array([1, 1])) == ()


def test_numbers_of_any_type_are_plain_digits() -> None:
    floats = pa.array([1740787200000.0, 45717.5, float("nan"), float("inf"), None])
    assert number_texts(floats).to_pylist() == ["1740787200000", "45717.5", None, None, None]


def test_zeros_that_numbers_lost_are_put_back() -> None:
    assert find_clock(pa.array(["83748", "102937", "5"]), is_named=True) == "%H%M%S"
    assert find_clock(pa.array(["83748", "102937", "5"])) is None
    assert find_clock(pa.array(["1", "2", "3"]), is_named=True) is None
    read_all = read_times(pa.array(["20250301 5", "20250301 83748", "20250301 102937"]), "%Y%m%d %H%M%S", "gregorian")
    assert [f"{time:%H:%M:%S}" for time in read_all.to_pylist()] == ["00:00:05", "08:37:48", "10:29:37"]
    assert read("1032025", "%d%m%Y") == datetime(2025, 3, 1)


def test_formats_are_judged_by_rows() -> None:
    texts = pa.array(["31/03/2025", "Total", "Carried over"])
    assert find_formats(texts) == []
    assert find_formats(texts, pa.array([400, 1, 1])) == [("%d/%m/%Y", 400)]


def test_a_year_of_two_digits_in_front_is_not_taken_for_a_day_in_silence() -> None:
    found = [form for form, _ in find_formats(pa.array([f"{datetime.now(UTC).year % 100:02}.03.01"]))]
    assert "%y.%m.%d" in found
    assert len(found) > 1
    assert "%y.%m.%d" not in [form for form, _ in find_formats(pa.array(["01.03.25"]))]


def test_a_clock_of_24_hours_with_am_and_pm_must_say_the_same_twice() -> None:
    texts = ["01/03/2025 13:05 PM", "01/03/2025 08:05 AM", "01/03/2025 01:05 PM", "01/03/2025 13:05 AM"]
    found = read_times(pa.array(texts), "%d/%m/%Y %H:%M %p", "gregorian").to_pylist()
    assert [time and time.hour for time in found] == [13, 8, None, None]
    assert [form[-8:] for form, _ in find_formats(pa.array(["13/03/2025 13:05 PM"]))] == ["%H:%M %p"]
    assert [form[-8:] for form, _ in find_formats(pa.array(["13/03/2025 08:05 AM"]))] == ["%I:%M %p"]
