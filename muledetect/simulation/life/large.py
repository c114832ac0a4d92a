"""Once in a while: cars, land, gold, and sums that come out of the blue."""

from __future__ import annotations

from typing import Final

import numpy as np

from muledetect.clock import DAY, HOUR
from muledetect.simulation.life.crowd import elsewhere, everybody, outsiders
from muledetect.simulation.life.passing import goes_on, in_parts
from muledetect.simulation.people import CODE
from muledetect.simulation.plan import OF_BALANCE, OF_POT, UP_TO
from muledetect.simulation.rhythm import OFFICE, TALKING, Span
from muledetect.simulation.streams import Int64
from muledetect.simulation.town import Act, Town, baht, later

_WINDFALL_WAYS: Final = {"known": 0.35, "elsewhere": 0.25, "goods": 0.12, "company": 0.1, "stranger": 0.08,
                         "cash": 0.06, "vasp": 0.04}  # fmt: skip


def purchases(town: Town, _rng: np.random.Generator) -> Act:
    """Cars, land, gold, second-hand goods: a first-ever payee, a test payment, rising parts that drain the payer.

    Private receivers often pass the money on to buy their next thing.
    """
    crowd = everybody(town)

    def plan(span: Span, rng: np.random.Generator) -> None:
        who, day = crowd.acts(span, rng, 0.0017, span.rhythm.shopping)
        n = len(who)
        moment, pots = span.moments(rng, day, TALKING), town.plan.new_pots(n)
        private = rng.random(n) < 0.65
        payee = np.where(private, town.strangers(rng, n), town.partner(rng, n, "goods", "company"))
        tested = np.flatnonzero(rng.random(n) < 0.25)
        first = baht(rng, len(tested), 10, 1.2) + 100
        town.hand_over(rng, time=moment[tested], source=who[tested], target=payee[tested], amount=first)
        moment[tested] += (rng.random(len(tested)) ** 2 * DAY).astype(np.int64) + 60_000_000
        row, number, parts = in_parts(rng, n)
        is_last = number == parts - 1
        share = np.where(is_last, rng.uniform(0.3, 1.0, len(row)), rng.uniform(0.02, 0.3, len(row)))
        town.hand_over(
            rng,
            time=moment[row] + (number * rng.exponential(2 * 3600, len(row)) * 1e6).astype(np.int64),
            source=who[row],
            target=payee[row],
            mode=OF_BALANCE,
            share=share,
            pot_in=pots[row],
        )
        again = np.flatnonzero(private & (rng.random(n) < 0.7))
        _buys_next(town, rng, payee[again], moment[again] + 3 * HOUR, pots[again])

    return plan


def _buys_next(town: Town, rng: np.random.Generator, who: Int64, moment: Int64, pots: Int64) -> None:
    town.hand_over(
        rng,
        time=later(rng, moment, 4 * 3600, 2.2),
        source=who,
        target=town.strangers(rng, len(who)),
        mode=OF_POT,
        pot_out=pots,
        share=rng.uniform(0.5, 1.0, len(who)),
        keep=0.03,
    )


def outside_buyers(town: Town, _rng: np.random.Generator) -> Act:
    """People of other banks buy a car or a telephone from ours, who soon spend the money."""
    crowd = outsiders(town)

    def plan(span: Span, rng: np.random.Generator) -> None:
        buyer, day = crowd.acts(span, rng, 0.003, span.rhythm.shopping)
        seller = town.strangers(rng, len(buyer))
        ours = np.flatnonzero(town.people.is_own[seller])
        buyer, seller, n = buyer[ours], seller[ours], len(ours)
        moment, pots = span.moments(rng, day[ours], TALKING), town.plan.new_pots(n)
        town.hand_over(
            rng, time=moment, source=buyer, target=seller, amount=baht(rng, n, 9_000, 1.5), mode=UP_TO, pot_in=pots
        )
        goes_on(
            town, rng, pots=pots, source=seller, moment=moment, median_s=5 * 3600, spread=2.3, ways=_WINDFALL_WAYS,
            keep=rng.uniform(0, 0.5, n),
        )  # fmt: skip

    return plan


def windfalls(town: Town, rng: np.random.Generator) -> Act:
    """Inheritance, land sold, insurance, a lottery: a sum beyond anything before, soon shared, invested or spent.

    It comes to people at random, and to most dormant accounts that wake: that is why they wake.
    """
    people = town.people
    crowd = everybody(town)
    wakers = people.of("dormant", own=True)
    wakers = wakers[(people.active_from[wakers] >= town.rhythm.start) & (people.active_from[wakers] < town.rhythm.end)]
    wakers = wakers[rng.random(len(wakers)) < 0.6]
    wakers = wakers[np.argsort(people.active_from[wakers], kind="stable")]
    wakes = people.active_from[wakers]

    def plan(span: Span, rng: np.random.Generator) -> None:
        first, last = np.searchsorted(wakes, [span.start, span.end])
        some, day = crowd.acts(span, rng, 0.00015, span.rhythm.working)
        who = np.concatenate([some, wakers[first:last]])
        soon = later(rng, wakes[first:last], 2 * 3600, 1.3)
        moment = np.concatenate([span.moments(rng, day, OFFICE), soon])
        n = len(who)
        payer = np.where(rng.random(n) < 0.5, town.partner(rng, n, "company"), elsewhere(town, rng, n))
        slept = people.persona[who] == CODE["dormant"]
        pots = town.plan.new_pots(n)
        town.hand_over(
            rng,
            time=moment,
            source=payer,
            target=who,
            amount=baht(rng, n, np.where(slept, 30_000, 120_000), 1.5),
            mode=UP_TO,
            pot_in=pots,
        )
        goes_on(
            town, rng, pots=pots, source=who, moment=moment, median_s=7 * 3600, spread=2.2, ways=_WINDFALL_WAYS,
            keep=np.where(rng.random(n) < 0.6, 0.05, 0.6),
        )  # fmt: skip

    return plan
