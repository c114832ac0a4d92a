"""Moments and durations."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta, timezone

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from muledetect.clock import ALL, DAY, format_duration, format_time, parse_duration, parse_time
from muledetect.errors import OptionError


@given(st.datetimes(timezones=st.just(UTC)))
def test_a_moment_is_exact_to_the_microsecond(moment: datetime) -> None:
    parsed = parse_time(moment)
    assert datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=parsed) == moment
    assert parse_time(moment.isoformat()) == parsed


@given(st.integers(1, ALL))
def test_a_duration_reads_back(length: int) -> None:
    assert parse_duration(format_duration(length)) == length


def test_zones_dates_and_numpy_moments_are_understood() -> None:
    noon = parse_time("2025-03-01T12:00:00Z")
    bangkok = timezone(timedelta(hours=7))
    assert parse_time(datetime(2025, 3, 1, 19, tzinfo=bangkok)) == noon
    assert parse_time("2025-03-01T19:00:00+07:00") == noon
    assert parse_time(np.datetime64("2025-03-01T12:00:00")) == noon
    assert parse_time(date(2025, 3, 1)) == noon - DAY // 2
    assert format_time(noon) == "2025-03-01T12:00:00Z"


@pytest.mark.parametrize("text", ["yesterday", "", "2025-13-01", "01/03/2025", True, None, 10**18])
def test_what_is_no_time_is_an_error(text: object) -> None:
    with pytest.raises(OptionError, match="time"):
        parse_time(text)  # type: ignore[arg-type]


@pytest.mark.parametrize("text", ["", "7", "7 days", "-1d", "0s", "1.5h", "999999999999d", True])
def test_what_is_no_duration_is_an_error(text: object) -> None:
    with pytest.raises(OptionError, match="duration"):
        parse_duration(text)  # type: ignore[arg-type]
