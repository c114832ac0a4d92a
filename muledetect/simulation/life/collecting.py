"""People to whom many pay and who then pay one: rotating savings, group buys, funerals, appeals.

They are the standard false positives of a search for collectors: fan-in from strangers, equal sums, all of it gone
within the hour.
"""

from __future__ import annotations

import numpy as np

from muledetect.arrays import Float64Array, Int64Array
from muledetect.clock import DAY
from muledetect.simulation.days import EVENING, SHOPPING, TALKING
from muledetect.simulation.economy import Act, Actors, Economy, every_week
from muledetect.simulation.life.spending import in_parts
from muledetect.simulation.streams import ragged


def _collect(
    economy: Economy, host: Int64Array, row: Int64Array, payer: Int64Array, moment: Int64Array, amount: Int64Array,
    closes: Int64Array, target: Int64Array, keep: Float64Array,
) -> None:  # fmt: skip
    """Payers pay `host[row]`; once a collection closes, the host pays all of it on in one to four parts."""
    pots = economy.plan.new_pots(len(host))
    in_world = moment >= economy.calendar.start
    row = row[in_world]
    economy.pay_person(
        moment[in_world], payer[in_world], host[row], amount=np.maximum(amount[in_world], 2_000), pot_in=pots[row]
    )
    again, _, parts = in_parts(economy.rng, len(host))
    economy.pay_person(
        economy.delayed(closes[again], 1500, 1.9),
        host[again],
        target[again],
        pot_out=pots[again],
        share=1.0 / parts,
        keep=keep[again],
    )


def savings_circles(economy: Economy) -> Act:
    """Rotating-savings hosts: equal payments from a fixed circle, then one big payment to this round's member.

    Circles of 7 to 20 meet every week, half month or month (choice); a host keeps up to 5%.
    """
    hosts = economy.people.of("host")
    host = np.repeat(hosts, economy.rng.integers(1, 4, len(hosts)))
    n = len(host)
    size = economy.rng.integers(7, 21, n)
    first = np.cumsum(size) - size
    members = economy.strangers(int(size.sum())).astype(np.int32)
    each = economy.amounts(n, 1_500, 0.8) // 50_000 * 50_000 + 50_000
    every = economy.rng.choice([7, 15, 30], n)
    start = 1 + (economy.rng.random(n) * every).astype(np.int64)
    keep = economy.rng.choice([0.0, 0.03, 0.05], n)

    def plan(week: Economy) -> None:
        # Rounds are a week apart at least: a circle meets once a span at most.
        turn = np.maximum(-((start - week.span.first) // every), 0)
        day = start + turn * every
        meets = np.flatnonzero((day >= week.span.first) & (day < week.span.last))
        closes = week.moments(day[meets], EVENING)
        row, place = ragged(size[meets])
        circle = meets[row]
        moment = closes[row] - (20 * 3600e6 * week.rng.random(len(row)) ** 0.6).astype(np.int64)
        payer, receiver = members[first[circle] + place].astype(np.int64), first[meets] + turn[meets] % size[meets]
        _collect(week, host[meets], row, payer, moment, each[circle], closes, members[receiver], keep[meets])

    return plan


@every_week
def organisers(week: Economy) -> None:
    """Group buys, trips, ticket queues, funerals: any account, also a new one, collects for a day and pays at once."""
    host, day = week.our_people().acts(week, 0.0011, week.calendar.even)
    n = len(host)
    opens = week.moments(day, TALKING)
    # A few of them, weddings and funerals, have a hundred guests.
    size = np.clip(week.rng.lognormal(1.6, 0.85, n), 2, 120).astype(np.int64)
    row = np.repeat(np.arange(n), size)
    takes = (week.rng.uniform(0.2, 2.0, n) * DAY).astype(np.int64)
    payer = week.strangers(len(row))
    known = np.flatnonzero(week.rng.random(len(row)) < 0.5)
    payer[known] = week.contacts.draw(week.rng, host[row[known]], skew=1.0)
    each = week.amounts(n, 700, 1.2)
    target = week.strangers(n)
    firm = np.flatnonzero(week.rng.random(n) < 0.5)
    target[firm] = week.business(len(firm), "shop", "goods", "company", "temple")
    moment = opens[row] + _sooner(week.rng, takes[row])
    amount = (each[row] * np.exp(0.35 * week.rng.standard_normal(len(row)))).astype(np.int64)
    _collect(week, host, row, payer, moment, amount, opens + takes, target, week.rng.uniform(0, 0.05, n))


def _sooner(rng: np.random.Generator, takes: Int64Array) -> Int64Array:
    return np.asarray((takes * rng.random(len(takes)) ** 1.8).astype(np.int64))


def appeals(economy: Economy) -> Act:
    """Somebody ill, a flood, a temple fair: hundreds of strangers give within days, mostly small, a few much.

    The size has a Pareto tail, at most 4% of all accounts; the sum goes to a hospital, a temple or a family.
    """
    people = economy.people
    private = people.of("salaried", "student", "irregular", "seller", "second", own=True)
    who = np.concatenate([private, np.repeat(people.of("temple", own=True), 40)])
    actors = Actors.of(who, np.full(len(who), 2.5e-5 * economy.config.activity))
    most = max(15, len(people.persona) // 25)

    def plan(week: Economy) -> None:
        host, day = actors.acts(week, 1.0, week.calendar.even)
        n = len(host)
        opens = week.moments(day, TALKING)
        size = np.minimum(15 * (1 + week.rng.pareto(1.1, n)), min(most, 3_000)).astype(np.int64)
        row = np.repeat(np.arange(n), size)
        takes = (week.rng.uniform(1.0, 5.0, n) * DAY).astype(np.int64)
        target = np.where(week.rng.random(n) < 0.5, week.business(n, "temple", "company"), week.strangers(n))
        payer = week.strangers(len(row))
        moment = opens[row] + _sooner(week.rng, takes[row])
        amount = week.amounts(len(row), 130, 1.1)
        _collect(week, host, row, payer, moment, amount, opens + takes, target, np.zeros(n))

    return plan


@every_week
def donations(week: Economy) -> None:
    """Merit at temples, more on holidays and at week-ends."""
    who, day = week.our_people().acts(week, 0.007, week.calendar.shopping + 3 * week.calendar.festive)
    n = len(who)
    week.pay_person(week.moments(day, SHOPPING), who, week.business(n, "temple"), amount=week.amounts(n, 120, 1.0))
