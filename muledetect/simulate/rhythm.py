"""Local days, weeks, months and hours: when things happen."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from muledetect.clock import DAY, HOUR, parse_time
from muledetect.simulate.config import WorldConfig
from muledetect.simulate.streams import Bool, Float64, Int64, pick

#: Relative activity by local hour 0 to 23.
SHOPPING: Final = np.array([2, 1, 0.5, 0.4, 0.6, 1.5, 5, 9, 8, 7, 8, 12, 15, 10, 8, 8, 9, 12, 15, 14, 11, 8, 5, 3])
TALKING: Final = np.array([3, 1.5, 0.8, 0.5, 0.5, 1, 3, 5, 8, 10, 10, 10, 11, 10, 9, 9, 9, 10, 11, 12, 12, 11, 8, 5])
OFFICE: Final = np.array(
    [0.2, 0.1, 0.1, 0.1, 0.2, 0.4, 1, 3, 8, 14, 15, 12, 8, 12, 14, 14, 11, 6, 3, 2, 1.5, 1, 1, 0.4]
)
BATCH: Final = np.array([6, 10, 14, 12, 10, 8, 5, 3, 2, 2, 2, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 2.0])
EVENING: Final = np.array([4, 2, 1, 0.5, 0.5, 0.5, 1, 2, 3, 4, 5, 6, 6, 6, 7, 8, 10, 13, 15, 16, 15, 13, 10, 7])


@dataclass(frozen=True, slots=True)
class Rhythm:
    """The calendar of a world: days are counted from its first local midnight."""

    start: int
    n_days: int
    day_of_week: Int64
    day_of_month: Int64
    month_first: Int64
    month_length: Int64

    @property
    def end(self) -> int:
        """First microsecond after the world."""
        return self.start + self.n_days * DAY

    def moments(self, rng: np.random.Generator, days: Int64, hours: Float64) -> Int64:
        """Return one moment (us, UTC) in each of `days`, by the hourly profile, uniform within the hour."""
        return self.start + days * DAY + pick(rng, hours, len(days)) * HOUR + rng.integers(0, HOUR, len(days))

    def some_days(self, rng: np.random.Generator, n: int, weights: Float64) -> Int64:
        """Return `n` days drawn by daily weights."""
        return pick(rng, weights, n)

    def monthly(self, who: Int64, day_of_month: Int64) -> tuple[Int64, Int64]:
        """Return (who, day) of one event a month on a day of the month, the last day where it is too short."""
        days = self.month_first[None, :] + np.minimum(day_of_month[:, None], self.month_length[None, :]) - 1
        inside: Bool = (days >= 0) & (days < self.n_days)
        rows, months = np.nonzero(inside)
        return who[rows], days[rows, months]

    def shopping_days(self) -> Float64:
        """Return daily weights: more at week-ends and in the week after pay day."""
        weekend = np.where(self.day_of_week >= 5, 1.25, 1.0)
        flush = np.where((self.day_of_month >= 26) | (self.day_of_month <= 5), 1.3, 0.92)
        return np.asarray(weekend * flush, np.float64)

    def working_days(self) -> Float64:
        """Return daily weights: little at week-ends."""
        return np.where(self.day_of_week >= 5, 0.15, 1.0)


def build_rhythm(config: WorldConfig) -> Rhythm:
    """Return the calendar of a config; the start is local midnight expressed in UTC."""
    first = np.datetime64(config.start, "D")
    days = first + np.arange(config.n_days)
    months = np.unique(days.astype("datetime64[M]"))
    firsts = months.astype("datetime64[D]")
    return Rhythm(
        start=parse_time(config.start) - config.utc_offset_hours * HOUR,
        n_days=config.n_days,
        day_of_week=(days.astype(np.int64) + 3) % 7,
        day_of_month=(days - days.astype("datetime64[M]").astype("datetime64[D]")).astype(np.int64) + 1,
        month_first=(firsts - first).astype(np.int64),
        month_length=((months + 1).astype("datetime64[D]") - firsts).astype(np.int64),
    )
