"""Moments and durations: every time is an integer of microseconds since 1970 in UTC.

>>> parse_time("2025-03-01")
1740787200000000
>>> parse_duration("15min") == 15 * MINUTE
True
>>> format_duration(90 * DAY)
'90d'
"""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, timedelta
from typing import Final

import numpy as np

from muledetect.errors import OptionError

SECOND: Final = 1_000_000
MINUTE: Final = 60 * SECOND
HOUR: Final = 60 * MINUTE
DAY: Final = 24 * HOUR

#: Length of the window "all": longer than any history, short enough that `as_of - ALL` cannot overflow.
ALL: Final = 200 * 365 * DAY

_UNITS: Final = {"us": 1, "ms": 1000, "s": SECOND, "min": MINUTE, "h": HOUR, "d": DAY, "w": 7 * DAY}
_DURATION: Final = re.compile(r"(\d{1,18})(us|ms|s|min|h|d|w)")
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_EARLIEST: Final = -62_135_596_800 * SECOND  # year 1
_LATEST: Final = 253_402_300_800 * SECOND  # year 10000

Moment = str | int | date | datetime | np.datetime64
Duration = str | int


def parse_time(moment: Moment) -> int:
    """Return a moment as microseconds since 1970, UTC.

    Parameters
    ----------
    moment : str, int, date, datetime or numpy.datetime64
        ISO 8601 text ("2025-03-01", "2025-03-01T09:30:00+07:00"), microseconds, or an object of time. Without a
        zone, UTC is meant.

    Raises
    ------
    OptionError
        If the text is no ISO time or the moment is outside the years 1 to 9999.
    """
    if isinstance(moment, np.datetime64):
        moment = int(moment.astype("datetime64[us]").astype(np.int64))
    if isinstance(moment, int | np.integer) and not isinstance(moment, bool):
        microseconds = int(moment)
    else:
        microseconds = _from_calendar(moment)
    if not _EARLIEST <= microseconds < _LATEST:
        raise OptionError(
            f"time: must lie in the years 1 to 9999; got {moment!r}. Give an ISO date such as 2025-03-01."
        )
    return microseconds


def _from_calendar(moment: object) -> int:
    if isinstance(moment, str):
        try:
            moment = datetime.fromisoformat(moment.strip())
        except ValueError as error:
            raise OptionError(f"time: {moment!r} is no ISO time. Write 2025-03-01 or 2025-03-01T09:30:00Z.") from error
    if isinstance(moment, date) and not isinstance(moment, datetime):
        moment = datetime(moment.year, moment.month, moment.day, tzinfo=UTC)
    if not isinstance(moment, datetime):
        raise OptionError(
            f"time: expected ISO text, an int of microseconds or a datetime; got {type(moment).__name__}."
        )
    zoned = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    since = zoned - _EPOCH
    return (since.days * 86_400 + since.seconds) * SECOND + since.microseconds


def format_time(microseconds: int) -> str:
    """Return a moment as ISO text to the second, with `Z`."""
    return f"{np.datetime64(int(microseconds), 'us').astype('datetime64[s]')}Z"


def to_datetime(microseconds: int) -> datetime:
    """Return a moment as a datetime of UTC."""
    return _EPOCH + timedelta(microseconds=int(microseconds))


def parse_duration(duration: Duration) -> int:
    """Return a duration as microseconds; the text "all" gives `ALL`.

    Raises
    ------
    OptionError
        If it is not a positive whole number of us, ms, s, min, h, d or w.
    """
    if duration == "all":
        return ALL
    if isinstance(duration, int | np.integer) and not isinstance(duration, bool):
        length = int(duration)
    else:
        match = _DURATION.fullmatch(str(duration).strip())
        length = int(match[1]) * _UNITS[match[2]] if match else 0
    if not 0 < length <= ALL:
        raise OptionError(f"duration: {duration!r} is none. Write a number and a unit such as 15min, 6h, 30d, or all.")
    return length


def format_duration(length: int) -> str:
    """Return the shortest exact text of a duration in d, h, min, s, ms or us; the inverse of `parse_duration`."""
    if length >= ALL:
        return "all"
    if length == DAY:
        return "24h"
    for unit in ("d", "h", "min", "s", "ms"):
        if length % _UNITS[unit] == 0:
            return f"{length // _UNITS[unit]}{unit}"
    return f"{length}us"
