"""What behaviours work with: config, calendar, people, whom they know, and the plan of transfers that they add to."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import wraps
from typing import Any, Final

import numpy as np

from muledetect.arrays import AnyArray, BoolArray, Float64Array, Int32Array, Int64Array
from muledetect.simulation.config import WorldConfig
from muledetect.simulation.contacts import Contacts, build_contacts, build_favourites
from muledetect.simulation.days import Calendar, Span
from muledetect.simulation.people import CODE, People
from muledetect.simulation.plan import CHANNEL, Plan, rounding_steps
from muledetect.simulation.streams import hash_uniform, pick, pick_from, stream

#: How often private accounts act, relative to a salaried person (choice).
_ACTS_AS: Final = {"second": 0.08, "dormant": 0.6, "pensioner": 0.6, "trader": 0.7, "irregular": 0.8, "migrant": 0.7}
#: Acts in quiet periods relative to busy ones, the share of busy periods, and the mean of both.
_QUIET: Final = 0.1
_BUSY_SHARE: Final = 0.4
_MEAN_ACTIVITY: Final = _BUSY_SHARE + (1 - _BUSY_SHARE) * _QUIET
#: Income in satang at which amounts are what their behaviour says.
_USUAL_INCOME: Final = 1_400_000


@dataclass(frozen=True, slots=True)
class Actors:
    """Accounts and their cumulative weights: how often each one acts or is chosen, relative to the others."""

    who: Int32Array
    edges: Float64Array

    @staticmethod
    def of(who: Int64Array | Int32Array, weight: Float64Array) -> Actors:
        """Return accounts with their weights."""
        return Actors(who.astype(np.int32), np.cumsum(weight))

    def draw(self, rng: np.random.Generator, n: int) -> Int64Array:
        """Return `n` of the accounts, drawn by weight."""
        return self.who[pick_from(rng, self.edges, n)].astype(np.int64)

    def acts(self, week: Economy, per_day: float, weights: Float64Array) -> tuple[Int64Array, Int64Array]:
        """Return (account, day) of acts that each account does `per_day` times its weight on a day of weight 1.

        The counts are Poisson and independent; sorted by account. O(acts), whatever the number of accounts.
        """
        rng, first = week.rng, week.span.first
        mine = weights[first : week.span.last]
        n = int(rng.poisson(per_day * float(mine.sum()) * float(self.edges[-1]))) if len(self.edges) else 0
        if n == 0:
            return np.zeros(0, np.int64), np.zeros(0, np.int64)
        # Sums of exponential gaps are sorted uniform numbers: neighbours in the search stay in the cache.
        gaps = np.cumsum(rng.standard_exponential(n + 1))
        place = np.searchsorted(self.edges, gaps[:-1] * (self.edges[-1] / gaps[-1]), side="right")
        who = self.who[np.minimum(place, len(self.who) - 1)].astype(np.int64)
        return who, first + pick(rng, mine, n)

    def bursty_acts(self, week: Economy, per_day: float, weights: Float64Array) -> tuple[Int64Array, Int64Array]:
        """Return acts as `acts` does, but in bursts: everybody has busy and quiet half-weeks, in all things alike.

        People's acts come in bursts [1]_; three in five periods of three days have a tenth of the others' acts
        (choice).

        References
        ----------
        .. [1] K.-I. Goh and A.-L. Barabasi, "Burstiness and memory in complex systems", EPL 81, 48002 (2008).
        """
        who, day = self.acts(week, per_day / _MEAN_ACTIVITY, weights)
        is_busy = hash_uniform(who * 10_007 + day // 3, 31) < _BUSY_SHARE
        chosen = np.flatnonzero(is_busy | (week.rng.random(len(who)) < _QUIET))
        return who[chosen], day[chosen]


@dataclass(frozen=True, slots=True)
class Economy:
    """Everything that a behaviour may read, and the plan to which it adds transfers.

    `rng` and `span` are those of one behaviour in one week, see `turn`. While a behaviour draws what lasts, the span is
    the whole world.
    """

    config: WorldConfig
    calendar: Calendar
    people: People
    contacts: Contacts
    favourites: Contacts
    plan: Plan
    rng: np.random.Generator
    span: Span
    _pools: dict[str, Actors] = field(default_factory=dict)

    def turn(self, rng: np.random.Generator, span: Span | None = None) -> Economy:
        """Return the same economy with the random stream and the days of one behaviour."""
        return replace(self, rng=rng, span=span or self.span)

    def pool(self, name: str, build: Callable[[], Actors]) -> Actors:
        """Return the accounts of a named pool; `build` is called once."""
        if name not in self._pools:
            self._pools[name] = build()
        return self._pools[name]

    def _active_people(self, own: bool) -> Actors:
        people = self.people
        who = np.flatnonzero(people.is_private & (people.is_own == own))
        factor = np.array([_ACTS_AS.get(name, 1.0) for name in CODE])
        return Actors.of(who, factor[people.persona[who]] * people.activity_level[who])

    def our_people(self) -> Actors:
        """Return our private accounts, by activity and way of life."""
        return self.pool("ours", lambda: self._active_people(True))

    def other_people(self) -> Actors:
        """Return private accounts of other banks, by activity and way of life."""
        return self.pool("others", lambda: self._active_people(False))

    def elsewhere(self, n: int) -> Int64Array:
        """Return private accounts of other banks, such as somebody's own second account."""
        pool = self.other_people().who
        return pool[self.rng.integers(0, len(pool), n)].astype(np.int64)

    def strangers(self, n: int) -> Int64Array:
        """Return private accounts drawn by how often people use their account."""
        level, is_private = self.people.activity_level, self.people.is_private
        everybody = self.pool("private", lambda: Actors.of(np.flatnonzero(is_private), level[is_private]))
        return everybody.draw(self.rng, n)

    def business(self, n: int, *personas: str) -> Int64Array:
        """Return businesses of some personas, drawn by popularity."""
        popularity, of = self.people.popularity, self.people.of
        pool = self.pool(" ".join(personas), lambda: Actors.of(of(*personas), popularity[of(*personas)]))
        return pool.draw(self.rng, n)

    def is_visible(self, source: Int64Array, target: Int64Array) -> BoolArray:
        """Return where one end is at our bank; our bank does not see other transfers, so they are not planned."""
        return np.asarray(self.people.is_own[source] | self.people.is_own[target])

    def spending_level(self, who: Int64Array) -> Float64Array:
        """Return by how much more or less than usual each one spends: the root of the income."""
        return np.asarray(np.sqrt(self.people.income[who] / _USUAL_INCOME))

    def moments(self, days: Int64Array, hours: Float64Array) -> Int64Array:
        """Return one moment (us, UTC) in each of `days`, by the hourly profile."""
        return self.calendar.moments(self.rng, days, hours)

    def delayed(self, moments: Int64Array, median_s: float, spread: float) -> Int64Array:
        """Return moments plus a log-normal delay of 4 s to 40 d."""
        delay = np.minimum(median_s * np.exp(spread * self.rng.standard_normal(len(moments))), 40 * 86_400)
        return moments + (np.maximum(delay, 4) * 1e6).astype(np.int64)

    def amounts(self, n: int, median: float | Float64Array | Int64Array, spread: float) -> Int64Array:
        """Return log-normal amounts in satang around a median in baht."""
        return np.asarray(100 * median * np.exp(spread * self.rng.standard_normal(n))).astype(np.int64)

    def pay(self, channel: str, time: AnyArray, source: AnyArray, target: AnyArray, **more: Any) -> None:
        """Plan transfers on one channel, rounded as that channel's users round; `more` are columns of the plan."""
        more.setdefault("rounding", rounding_steps(self.rng, channel, len(time)))
        self.plan.add(time=time, source=source, target=target, channel=CHANNEL[channel], **more)

    def pay_person(self, time: AnyArray, source: AnyArray, target: AnyArray, **more: Any) -> None:
        """Plan transfers between people: by phone number (proxy) or by account number."""
        by_proxy = self.rng.random(len(time)) < 0.65
        more.setdefault("rounding", rounding_steps(self.rng, "p2p_proxy", len(time)))
        channel = np.where(by_proxy, CHANNEL["p2p_proxy"], CHANNEL["p2p_account"])
        self.plan.add(time=time, source=source, target=target, channel=channel, **more)


def build_economy(config: WorldConfig, calendar: Calendar, people: People) -> Economy:
    """Return an economy without any plan yet; draws who knows whom. O(accounts)."""
    contacts, favourites = build_contacts(config, people), build_favourites(config, people)
    rng, whole = stream(config.seed, "economy"), Span(calendar, 0, 0, config.n_days)
    return Economy(config, calendar, people, contacts, favourites, Plan(), rng, whole)


#: Plans the transfers of one span; may reach up to a week back from the span's start and any time ahead.
Act = Callable[[Economy], None]
#: Draws once what lasts (who works where, who rents from whom) and returns how each span is planned.
Behaviour = Callable[[Economy], Act]


def every_week(act: Act) -> Behaviour:
    """Make a behaviour of an act for which nothing is drawn once and for all."""
    return wraps(act)(lambda _: act)


@dataclass(frozen=True, slots=True)
class Monthly:
    """Rows that fall due on one day of every month: `order[edges[d] : edges[d + 1]]` on day d."""

    order: Int32Array
    edges: Int64Array

    def due(self, span: Span) -> tuple[Int64Array, Int64Array]:
        """Return (row, day) of the rows due in the span; the month's last day where the month is too short."""
        calendar = span.calendar
        rows, days = [np.zeros(0, np.int64)], [np.zeros(0, np.int64)]
        for day in range(span.first, span.last):
            date = int(calendar.day_of_month[day])
            month = np.searchsorted(calendar.month_first, day, side="right") - 1
            until = 32 if date == calendar.month_length[month] else date + 1
            due = self.order[self.edges[date] : self.edges[until]].astype(np.int64)
            rows.append(due)
            days.append(np.full(len(due), day))
        return np.concatenate(rows), np.concatenate(days)


def monthly(day_of_month: Int64Array) -> Monthly:
    """Return rows by their day of the month, 1 to 31."""
    order = np.argsort(day_of_month, kind="stable")
    return Monthly(order.astype(np.int32), np.searchsorted(day_of_month[order], np.arange(33)))
