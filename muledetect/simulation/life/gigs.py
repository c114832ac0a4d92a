"""Riders: paid daily by a platform, tipped by customers, and carrying cash that is not theirs."""

from __future__ import annotations

import numpy as np

from muledetect.clock import HOUR
from muledetect.simulation.life.cash import near
from muledetect.simulation.life.crowd import crowd_of
from muledetect.simulation.plan import OF_POT
from muledetect.simulation.rhythm import BATCH, SHOPPING, Span
from muledetect.simulation.town import Act, Town, baht, later


def riders(town: Town, rng: np.random.Generator) -> Act:
    """The platform pays each working day; cash collected from customers is paid in and remitted within minutes."""
    people = town.people
    who = people.of("gig", own=True)
    platform = np.full(len(people.persona), -1, np.int32)
    platform[who] = town.partner(rng, len(who), "platform")
    crowd = crowd_of(who, np.minimum(0.55 * people.liveliness[who], 1.2))

    def plan(span: Span, rng: np.random.Generator) -> None:
        rider, day = crowd.acts(span, rng, 1.0, span.rhythm.even)
        moment = span.moments(rng, day, BATCH)
        paid = baht(rng, len(rider), 480, 0.5)
        town.pay(rng, "payroll", time=moment, source=platform[rider], target=rider, amount=paid)
        some = np.flatnonzero(rng.random(len(rider)) < 0.25)
        rider, pots = rider[some], town.plan.new_pots(len(some))
        carried = later(rng, moment[some] + 8 * HOUR, 3_600, 1.0)
        town.pay(
            rng,
            "cash_deposit",
            time=carried,
            source=people.cash_of(rider),
            target=rider,
            amount=baht(rng, len(some), 700, 0.5),
            grain=10_000,
            pot_in=pots,
            terminal=near(town, rng, rider),
        )
        town.hand_over(
            rng,
            time=later(rng, carried, 240, 1.2),
            source=rider,
            target=platform[rider],
            mode=OF_POT,
            pot_out=pots,
            share=rng.uniform(0.7, 1.0, len(some)),
        )

    return plan


def tips(town: Town, _rng: np.random.Generator) -> Act:
    """Customers, all of them strangers, pay riders small sums by phone number."""
    people = town.people
    who = people.of("gig", own=True)
    crowd = crowd_of(who, people.liveliness[who])

    def plan(span: Span, rng: np.random.Generator) -> None:
        rider, day = crowd.acts(span, rng, 0.35, span.rhythm.shopping)
        n = len(rider)
        town.hand_over(
            rng,
            time=span.moments(rng, day, SHOPPING),
            source=town.strangers(rng, n),
            target=rider,
            amount=baht(rng, n, 55, 0.7),
        )

    return plan
