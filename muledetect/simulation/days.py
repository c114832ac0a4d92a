"""Local days, weeks, months, holidays and hours: when things happen."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np

from muledetect.arrays import BoolArray, Float64Array, Int64Array
from muledetect.clock import DAY, HOUR, parse_time
from muledetect.simulation.config import WorldConfig
from muledetect.simulation.streams import pick

#: Relative activity by local hour 0 to 23.
SHOPPING: Final = np.array([2, 1, 0.5, 0.4, 0.6, 1.5, 5, 9, 8, 7, 8, 12, 15, 10, 8, 8, 9, 12, 15, 14, 11, 8, 5, 3])
TALKING: Final = np.array([3, 1.5, 0.8, 0.5, 0.5, 1, 3, 5, 8, 10, 10, 10, 11, 10, 9, 9, 9, 10, 11, 12, 12, 11, 8, 5])
OFFICE: Final = np.array(
    [0.2, 0.1, 0.1, 0.1, 0.2, 0.4, 1, 3, 8, 14, 15, 12, 8, 12, 14, 14, 11, 6, 3, 2, 1.5, 1, 1, 0.4]
)
BATCH: Final = np.array([6, 10, 14, 12, 10, 8, 5, 3, 2, 2, 2, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 2.0])
EVENING: Final = np.array([4, 2, 1, 0.5, 0.5, 0.5, 1, 2, 3, 4, 5, 6, 6, 6, 7, 8, 10, 13, 15, 16, 15, 13, 10, 7])

#: Days that are planned and executed together. A constant of the simulator: another length gives another world.
SPAN_DAYS: Final = 7


@dataclass(frozen=True, slots=True)
class Calendar:
    """The calendar of a world: days are counted from its first local midnight (`start`, us, UTC).

    `shopping`, `working`, `even` and `festive` weigh each day (float64[n_days]): shops are busier at week-ends and
    after pay day, offices rest on Sundays and holidays, gifts are given on holidays only.
    """

    start: int
    n_days: int
    day_of_week: Int64Array
    day_of_month: Int64Array
    month_first: Int64Array
    month_length: Int64Array
    is_holiday: BoolArray

    @property
    def end(self) -> int:
        """First microsecond after the world."""
        return self.start + self.n_days * DAY

    def moments(self, rng: np.random.Generator, days: Int64Array, hours: Float64Array) -> Int64Array:
        """Return one moment (us, UTC) in each of `days`, by the hourly profile, uniform within the hour."""
        return self.start + days * DAY + pick(rng, hours, len(days)) * HOUR + rng.integers(0, HOUR, len(days))

    @property
    def shopping(self) -> Float64Array:
        """More at week-ends, on holidays and in the week after pay day."""
        free = np.where((self.day_of_week >= 5) | self.is_holiday, 1.25, 1.0)
        flush = np.where((self.day_of_month >= 26) | (self.day_of_month <= 5), 1.3, 0.92)
        return np.asarray(free * flush, np.float64)

    @property
    def working(self) -> Float64Array:
        """Little at week-ends and on holidays."""
        return np.where((self.day_of_week >= 5) | self.is_holiday, 0.15, 1.0)

    @property
    def even(self) -> Float64Array:
        """Every day alike."""
        return np.ones(self.n_days)

    @property
    def festive(self) -> Float64Array:
        """Holidays only."""
        return self.is_holiday.astype(np.float64)

    def spans(self) -> Iterator[Span]:
        """Yield the world's days in pieces of `SPAN_DAYS`; the last may be shorter."""
        for number, first in enumerate(range(0, self.n_days, SPAN_DAYS)):
            yield Span(self, number, first, min(first + SPAN_DAYS, self.n_days))


@dataclass(frozen=True, slots=True)
class Span:
    """Days `first` .. `last` (exclusive) of a world, planned together."""

    calendar: Calendar
    number: int
    first: int
    last: int

    @property
    def start(self) -> int:
        """First microsecond of the span."""
        return self.calendar.start + self.first * DAY

    @property
    def end(self) -> int:
        """First microsecond after the span."""
        return self.calendar.start + self.last * DAY

    def draw_events(
        self, rng: np.random.Generator, rate: Float64Array, weights: Float64Array
    ) -> tuple[Int64Array, Int64Array]:
        """Return (who, day): position i acts `rate[i]` times on a day of weight 1, Poisson; sorted by who.

        `weights` is one of the rhythm's daily weights, float64[n_days of the world].
        """
        mine = weights[self.first : self.last]
        total = float(mine.sum())
        if total == 0:
            return np.zeros(0, np.int64), np.zeros(0, np.int64)
        who = np.repeat(np.arange(len(rate), dtype=np.int64), rng.poisson(rate * total))
        return who, self.first + pick(rng, mine, len(who))

    def rows_within(self, moments: Int64Array) -> slice:
        """Return the rows whose moments, sorted, lie in the span."""
        return slice(*np.searchsorted(moments, [self.start, self.end]))

    def some_days(self, rng: np.random.Generator, n: int, weights: Float64Array) -> Int64Array:
        """Return `n` days of the span drawn by daily weights; uniform where all of them weigh nothing."""
        mine = weights[self.first : self.last]
        return self.first + pick(rng, mine if mine.any() else np.ones(len(mine)), n)


def build_calendar(config: WorldConfig) -> Calendar:
    """Return the calendar of a config; the start is local midnight expressed in UTC."""
    first = np.datetime64(config.start, "D")
    days = first + np.arange(config.n_days)
    months = np.unique(days.astype("datetime64[M]"))
    firsts = months.astype("datetime64[D]")
    years = np.unique(days.astype("datetime64[Y]")).astype(str)
    holidays = [f"{year}-{day}" for year in years for day in config.holidays]
    return Calendar(
        start=parse_time(config.start) - config.utc_offset_hours * HOUR,
        n_days=config.n_days,
        day_of_week=(days.astype(np.int64) + 3) % 7,
        day_of_month=(days - days.astype("datetime64[M]").astype("datetime64[D]")).astype(np.int64) + 1,
        month_first=(firsts - first).astype(np.int64),
        month_length=((months + 1).astype("datetime64[D]") - firsts).astype(np.int64),
        is_holiday=np.isin(days.astype(str).astype("U10"), holidays),
    )
