"""People to whom many pay and who then pay one: rotating savings, group buys, funerals, appeals.

They are the standard false positives of a search for collectors: fan-in from strangers, equal sums, all of it gone
within the hour.
"""

from __future__ import annotations

import numpy as np

from muledetect.clock import DAY
from muledetect.simulation.life.crowd import crowd_of, everybody
from muledetect.simulation.life.passing import in_parts
from muledetect.simulation.plan import OF_POT
from muledetect.simulation.rhythm import EVENING, SHOPPING, TALKING, Span
from muledetect.simulation.streams import Float64, Int64
from muledetect.simulation.town import Act, Town, baht, later


def _collect(
    town: Town, rng: np.random.Generator, *, host: Int64, row: Int64, payer: Int64, moment: Int64, amount: Int64,
    closes: Int64, target: Int64, keep: float | Float64,
) -> None:  # fmt: skip
    """Payers pay `host[row]`; once a collection closes, the host pays all of it on in one to four parts."""
    pots = town.plan.new_pots(len(host))
    in_world = moment >= town.rhythm.start
    row = row[in_world]
    town.hand_over(
        rng,
        time=moment[in_world],
        source=payer[in_world],
        target=host[row],
        amount=np.maximum(amount[in_world], 2_000),
        pot_in=pots[row],
    )
    again, _, parts = in_parts(rng, len(host))
    town.hand_over(
        rng,
        time=later(rng, closes[again], 1500, 1.9),
        source=host[again],
        target=target[again],
        mode=OF_POT,
        pot_out=pots[again],
        share=1.0 / parts,
        keep=keep[again] if isinstance(keep, np.ndarray) else keep,
    )


def savings_circles(town: Town, rng: np.random.Generator) -> Act:
    """Rotating-savings hosts: equal payments from a fixed circle, then one big payment to this round's member.

    Circles of 7 to 20 meet every week, half month or month (choice); a host keeps up to 5%.
    """
    hosts = town.people.of("host")
    host = np.repeat(hosts, rng.integers(1, 4, len(hosts)))
    n = len(host)
    size = rng.integers(7, 21, n)
    first = np.cumsum(size) - size
    members = town.strangers(rng, int(size.sum())).astype(np.int32)
    each = baht(rng, n, 1_500, 0.8) // 50_000 * 50_000 + 50_000
    every = rng.choice([7, 15, 30], n)
    start = 1 + (rng.random(n) * every).astype(np.int64)
    keep = rng.choice([0.0, 0.03, 0.05], n)

    def plan(span: Span, rng: np.random.Generator) -> None:
        # Rounds are a week apart at least: a circle meets once a span at most.
        turn = np.maximum(-((start - span.first) // every), 0)
        day = start + turn * every
        meets = np.flatnonzero((day >= span.first) & (day < span.last))
        closes = span.moments(rng, day[meets], EVENING)
        row = np.repeat(np.arange(len(meets)), size[meets])
        place = np.arange(len(row)) - np.repeat(np.cumsum(size[meets]) - size[meets], size[meets])
        circle = meets[row]
        _collect(
            town, rng, host=host[meets], row=row, payer=members[first[circle] + place].astype(np.int64),
            moment=closes[row] - (20 * 3600e6 * rng.random(len(row)) ** 0.6).astype(np.int64),
            amount=each[circle], closes=closes, target=members[first[meets] + turn[meets] % size[meets]],
            keep=keep[meets],
        )  # fmt: skip

    return plan


def organisers(town: Town, _rng: np.random.Generator) -> Act:
    """Group buys, trips, ticket queues, funerals: any account, also a new one, collects for a day and pays at once."""
    crowd = everybody(town)

    def plan(span: Span, rng: np.random.Generator) -> None:
        host, day = crowd.acts(span, rng, 0.0011, span.rhythm.even)
        n = len(host)
        opens = span.moments(rng, day, TALKING)
        # A few of them, weddings and funerals, have a hundred guests.
        size = np.clip(rng.lognormal(1.6, 0.85, n), 2, 120).astype(np.int64)
        row = np.repeat(np.arange(n), size)
        takes = (rng.uniform(0.2, 2.0, n) * DAY).astype(np.int64)
        payer = town.strangers(rng, len(row))
        known = np.flatnonzero(rng.random(len(row)) < 0.5)
        payer[known] = town.contacts.draw(rng, host[row[known]], skew=1.0)
        each = baht(rng, n, 700, 1.2)
        target = town.strangers(rng, n)
        firm = np.flatnonzero(rng.random(n) < 0.5)
        target[firm] = town.partner(rng, len(firm), "shop", "goods", "company", "temple")
        _collect(
            town, rng, host=host, row=row, payer=payer, moment=opens[row] + _sooner(rng, takes[row]),
            amount=(each[row] * np.exp(0.35 * rng.standard_normal(len(row)))).astype(np.int64),
            closes=opens + takes, target=target, keep=rng.uniform(0, 0.05, n),
        )  # fmt: skip

    return plan


def _sooner(rng: np.random.Generator, takes: Int64) -> Int64:
    return np.asarray((takes * rng.random(len(takes)) ** 1.8).astype(np.int64))


def appeals(town: Town, _rng: np.random.Generator) -> Act:
    """Somebody ill, a flood, a temple fair: hundreds of strangers give within days, mostly small, a few much.

    The size has a Pareto tail, at most 4% of all accounts; the sum goes to a hospital, a temple or a family.
    """
    people = town.people
    private = people.of("salaried", "student", "irregular", "seller", "second", own=True)
    who = np.concatenate([private, np.repeat(people.of("temple", own=True), 40)])
    crowd = crowd_of(who, np.full(len(who), 2.5e-5 * town.config.activity))
    most = max(15, len(people.persona) // 25)

    def plan(span: Span, rng: np.random.Generator) -> None:
        host, day = crowd.acts(span, rng, 1.0, span.rhythm.even)
        n = len(host)
        opens = span.moments(rng, day, TALKING)
        size = np.minimum(15 * (1 + rng.pareto(1.1, n)), min(most, 3_000)).astype(np.int64)
        row = np.repeat(np.arange(n), size)
        takes = (rng.uniform(1.0, 5.0, n) * DAY).astype(np.int64)
        target = np.where(rng.random(n) < 0.5, town.partner(rng, n, "temple", "company"), town.strangers(rng, n))
        _collect(
            town, rng, host=host, row=row, payer=town.strangers(rng, len(row)),
            moment=opens[row] + _sooner(rng, takes[row]), amount=baht(rng, len(row), 130, 1.1),
            closes=opens + takes, target=target, keep=0.0,
        )  # fmt: skip

    return plan


def donations(town: Town, _rng: np.random.Generator) -> Act:
    """Merit at temples, more on holidays and at week-ends."""
    crowd = everybody(town)

    def plan(span: Span, rng: np.random.Generator) -> None:
        who, day = crowd.acts(span, rng, 0.007, span.rhythm.shopping + 3 * span.rhythm.festive)
        n = len(who)
        town.hand_over(
            rng,
            time=span.moments(rng, day, SHOPPING),
            source=who,
            target=town.partner(rng, n, "temple"),
            amount=baht(rng, n, 120, 1.0),
        )

    return plan
