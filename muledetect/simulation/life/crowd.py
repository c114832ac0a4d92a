"""Who acts, and when: everyday acts drawn without a pass over all accounts, and what falls due once a month."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from muledetect.simulation.people import CODE
from muledetect.simulation.rhythm import Span
from muledetect.simulation.streams import Bool, Float64, Int32, Int64, chance, pick
from muledetect.simulation.town import Pool, Town

#: How often private accounts act, relative to a salaried person (choice).
_ACTS_AS: Final = {"second": 0.08, "dormant": 0.6, "pensioner": 0.6, "trader": 0.7, "irregular": 0.8, "migrant": 0.7}
#: Acts in quiet spells and on average, relative to busy ones.
_QUIET: Final = 0.1
_BUSY_SHARE: Final = 0.4
_MEAN_MOOD: Final = _BUSY_SHARE + (1 - _BUSY_SHARE) * _QUIET
#: Income in satang at which amounts are what their behaviour says.
_USUAL_INCOME: Final = 1_400_000


@dataclass(frozen=True, slots=True)
class Crowd:
    """Accounts with cumulative weights (acts a day, relative)."""

    who: Int32
    edges: Float64

    def acts(self, span: Span, rng: np.random.Generator, per_day: float, weights: Float64) -> tuple[Int64, Int64]:
        """Return (account, day) of acts that each account does `per_day` times its weight on a day of weight 1.

        The counts are Poisson and independent; sorted by account. O(acts), whatever the number of accounts.
        """
        mine = weights[span.first : span.last]
        n = int(rng.poisson(per_day * float(mine.sum()) * float(self.edges[-1]))) if len(self.edges) else 0
        if n == 0:
            return np.zeros(0, np.int64), np.zeros(0, np.int64)
        # Sums of exponential gaps are sorted uniform numbers: neighbours in the search stay in the cache.
        gaps = np.cumsum(rng.standard_exponential(n + 1))
        place = np.searchsorted(self.edges, gaps[:-1] * (self.edges[-1] / gaps[-1]), side="right")
        who = self.who[np.minimum(place, len(self.who) - 1)].astype(np.int64)
        return who, span.first + pick(rng, mine, n)

    def moody_acts(self, span: Span, rng: np.random.Generator, per_day: float, weights: Float64) -> tuple[Int64, Int64]:
        """Return acts as `acts` does, but in bursts: everybody has busy and quiet half-weeks, in all things alike.

        People's acts come in bursts [1]_; three in five spells of three days have a tenth of the others' acts (choice).

        References
        ----------
        .. [1] K.-I. Goh and A.-L. Barabasi, "Burstiness and memory in complex systems", EPL 81, 48002 (2008).
        """
        who, day = self.acts(span, rng, per_day / _MEAN_MOOD, weights)
        is_busy = chance(who * 10_007 + day // 3, 31) < _BUSY_SHARE
        chosen = np.flatnonzero(is_busy | (rng.random(len(who)) < _QUIET))
        return who[chosen], day[chosen]


def everybody(town: Town) -> Crowd:
    """Return our private accounts, by liveliness and way of life."""
    return Crowd(*town.pool("our everyday", lambda: _acting(town, town.people.is_own)))


def outsiders(town: Town) -> Crowd:
    """Return private accounts of other banks, by liveliness and way of life."""
    return Crowd(*town.pool("their everyday", lambda: _acting(town, ~town.people.is_own)))


def _acting(town: Town, side: Bool) -> Pool:
    people = town.people
    who = np.flatnonzero(people.is_private & side)
    factor = np.ones(len(CODE))
    for name, value in _ACTS_AS.items():
        factor[CODE[name]] = value
    return who.astype(np.int32), np.cumsum(factor[people.persona[who]] * people.liveliness[who])


def crowd_of(who: Int64, rate: Float64) -> Crowd:
    """Return a crowd of some accounts with their own rates a day."""
    return Crowd(who.astype(np.int32), np.cumsum(rate))


def purse(town: Town, who: Int64) -> Float64:
    """Return by how much more or less than usual each one spends: the root of the income."""
    return np.asarray(np.sqrt(town.people.income[who] / _USUAL_INCOME))


def is_seen(town: Town, source: Int64, target: Int64) -> Bool:
    """Return where an end is at our bank; other transfers need no planning, nobody sees them."""
    return np.asarray(town.people.is_own[source] | town.people.is_own[target])


def elsewhere(town: Town, rng: np.random.Generator, n: int, ours: bool = False) -> Int64:
    """Return private accounts of other banks (or of ours), such as somebody's own second account."""
    pool, _ = town.pool("our everyday" if ours else "their everyday", lambda: _acting(town, town.people.is_own == ours))
    return pool[rng.integers(0, len(pool), n)].astype(np.int64)


@dataclass(frozen=True, slots=True)
class Monthly:
    """Rows that fall due on one day of every month: `order[edges[d] : edges[d + 1]]` on day d."""

    order: Int32
    edges: Int64

    def due(self, span: Span) -> tuple[Int64, Int64]:
        """Return (row, day) of the rows due in the span; the month's last day where the month is too short."""
        rhythm = span.rhythm
        rows, days = [np.zeros(0, np.int64)], [np.zeros(0, np.int64)]
        for day in range(span.first, span.last):
            date = int(rhythm.day_of_month[day])
            month = np.searchsorted(rhythm.month_first, day, side="right") - 1
            until = 32 if date == rhythm.month_length[month] else date + 1
            due = self.order[self.edges[date] : self.edges[until]].astype(np.int64)
            rows.append(due)
            days.append(np.full(len(due), day))
        return np.concatenate(rows), np.concatenate(days)


def monthly(day_of_month: Int64) -> Monthly:
    """Return rows by their day of the month, 1 to 31."""
    order = np.argsort(day_of_month, kind="stable")
    return Monthly(order.astype(np.int32), np.searchsorted(day_of_month[order], np.arange(33)))
