"""Cash: machines near home, deposits, counters."""

from __future__ import annotations

from typing import Final

import numpy as np

from muledetect.simulation.life.crowd import everybody, purse
from muledetect.simulation.plan import OF_BALANCE, UP_TO
from muledetect.simulation.rhythm import OFFICE, SHOPPING, Span
from muledetect.simulation.streams import Int64
from muledetect.simulation.town import Act, Town, baht, later

#: What a machine gives at most, in satang (choice).
_MOST: Final = 3_000_000


def machines(rng: np.random.Generator, n_areas: int, areas: Int64) -> Int64:
    """Return a cash machine (number) in each area; an area has four, the first the busiest."""
    return areas % n_areas * 4 + (4 * rng.random(len(areas)) ** 1.5).astype(np.int64)


def near(town: Town, rng: np.random.Generator, who: Int64) -> Int64:
    """Return the machine or counter that each one uses now: mostly at home."""
    home = town.people.area[who]
    place = np.where(rng.random(len(who)) < 0.85, home, rng.integers(0, town.people.n_areas, len(who)))
    return machines(rng, town.people.n_areas, place)


def withdrawals(town: Town, _rng: np.random.Generator) -> Act:
    """Cash machines, about twice a month and account; one time in three for a good part of all there is (choice)."""
    crowd = everybody(town)

    def plan(span: Span, rng: np.random.Generator) -> None:
        who, day = crowd.moody_acts(span, rng, 0.06, span.rhythm.shopping)
        drains = rng.random(len(who)) < 0.3
        amount = baht(rng, len(who), 1_200 * purse(town, who), 0.9)
        town.pay(
            rng,
            "cash_atm",
            time=span.moments(rng, day, SHOPPING),
            source=who,
            target=town.people.cash_of(who),
            mode=np.where(drains, OF_BALANCE, UP_TO),
            share=rng.uniform(0.1, 0.9, len(who)),
            amount=np.where(drains, _MOST, np.clip(amount, 10_000, _MOST)),
            terminal=near(town, rng, who),
        )

    return plan


def deposits(town: Town, _rng: np.random.Generator) -> Act:
    """Cash paid in, sometimes a large sum; one in five goes to the counter again within some days."""
    crowd = everybody(town)

    def plan(span: Span, rng: np.random.Generator) -> None:
        who, day = crowd.acts(span, rng, 0.018, span.rhythm.working + 0.4)
        n = len(who)
        moment, terminal, till = span.moments(rng, day, OFFICE), near(town, rng, who), town.people.cash_of(who)
        big = rng.random(n) < 0.05
        amount = np.where(big, baht(rng, n, 30_000, 1.0), baht(rng, n, 1_800, 1.0))
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
