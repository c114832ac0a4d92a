"""Cash: machines near home, deposits, counters."""

from __future__ import annotations

import numpy as np

from muledetect.simulate.life.crowd import everybody, purse
from muledetect.simulate.plan import OF_BALANCE, UP_TO
from muledetect.simulate.rhythm import OFFICE, SHOPPING, Span
from muledetect.simulate.streams import Int64
from muledetect.simulate.town import Act, Town, baht, later


def machines(rng: np.random.Generator, n_areas: int, areas: Int64) -> Int64:
    """Return a cash machine (number) in each area; an area has four, the first the busiest."""
    return areas % n_areas * 4 + (4 * rng.random(len(areas)) ** 1.5).astype(np.int64)


def near(town: Town, rng: np.random.Generator, who: Int64) -> Int64:
    """Return the machine or counter that each one uses now: mostly at home."""
    home = town.people.area[who]
    place = np.where(rng.random(len(who)) < 0.85, home, rng.integers(0, town.people.n_areas, len(who)))
    return machines(rng, town.people.n_areas, place)


def withdrawals(town: Town, _rng: np.random.Generator) -> Act:
    """Cash machines, about twice a month and account; one in eight takes a sum of some days' pay (choice)."""
    crowd = everybody(town)

    def plan(span: Span, rng: np.random.Generator) -> None:
        who, day = crowd.acts(span, rng, 0.065, span.rhythm.shopping)
        large = rng.random(len(who)) < 0.12
        amount = np.where(large, 9_000, 1_100) * np.exp(0.7 * rng.standard_normal(len(who))) * purse(town, who) * 100
        town.pay(
            rng,
            "cash_atm",
            time=span.moments(rng, day, SHOPPING),
            source=who,
            target=town.people.cash_of(who),
            mode=UP_TO,
            amount=np.clip(amount, 10_000, 3_000_000).astype(np.int64),
            terminal=near(town, rng, who),
        )

    return plan


def deposits(town: Town, _rng: np.random.Generator) -> Act:
    """Cash paid in, sometimes a large sum; one in five goes to the counter again within some days."""
    crowd = everybody(town)

    def plan(span: Span, rng: np.random.Generator) -> None:
        who, day = crowd.acts(span, rng, 0.028, span.rhythm.working + 0.4)
        n = len(who)
        moment, terminal, till = span.moments(rng, day, OFFICE), near(town, rng, who), town.people.cash_of(who)
        big = rng.random(n) < 0.08
        amount = np.where(big, baht(rng, n, 40_000, 1.0), baht(rng, n, 2_000, 1.0))
        town.pay(
            rng, "cash_deposit", time=moment, source=till, target=who, amount=amount, grain=10_000, terminal=terminal
        )
        out = np.flatnonzero(rng.random(n) < 0.2)
        town.pay(
            rng,
            "cash_counter",
            time=later(rng, moment[out], 40 * 3600, 1.5),
            source=who[out],
            target=till[out],
            mode=OF_BALANCE,
            share=rng.uniform(0.05, 0.9, len(out)),
            grain=10_000,
            terminal=terminal[out],
        )

    return plan
