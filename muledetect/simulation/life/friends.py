"""Money between friends: small change, shared dinners, gifts on holidays."""

from __future__ import annotations

from typing import Final

import numpy as np

from muledetect.simulation.life.crowd import everybody, outsiders, purse
from muledetect.simulation.plan import OF_POT, UP_TO
from muledetect.simulation.rhythm import EVENING, SHOPPING, TALKING, Span
from muledetect.simulation.streams import Int64, pick
from muledetect.simulation.town import Act, Town, baht, later

#: Gifts in baht: round numbers, also those with a nine for luck.
_GIFTS: Final = np.array([100, 200, 300, 500, 999, 1_000, 1_999, 2_000, 5_000, 10_000])
_GIFT_ODDS: Final = np.array([0.12, 0.16, 0.1, 0.24, 0.04, 0.2, 0.02, 0.07, 0.04, 0.01])


def friends(town: Town, _rng: np.random.Generator) -> Act:
    """Small change with a heavy tail, one time in seven to a stranger; one time in eight some of it comes back."""
    crowd = everybody(town)

    def plan(span: Span, rng: np.random.Generator) -> None:
        who, day = crowd.moody_acts(span, rng, 0.1, span.rhythm.shopping)
        n = len(who)
        other = town.contacts.draw(rng, who)
        strange = np.flatnonzero(rng.random(n) < 0.14)
        other[strange] = town.strangers(rng, len(strange))
        moment = span.moments(rng, day, TALKING)
        back = np.flatnonzero(rng.random(n) < 0.12)
        pots = np.full(n, -1, np.int64)
        pots[back] = town.plan.new_pots(len(back))
        amount = baht(rng, n, 300 * purse(town, who), 1.45)
        town.hand_over(rng, time=moment, source=who, target=other, amount=amount, pot_in=pots)
        town.hand_over(
            rng,
            time=later(rng, moment[back], 4 * 3600, 2.4),
            source=other[back],
            target=who[back],
            mode=OF_POT,
            pot_out=pots[back],
            share=rng.uniform(0.3, 1.0, len(back)),
        )

    return plan


def outside_friends(town: Town, _rng: np.random.Generator) -> Act:
    """Friends at other banks send our people money."""
    crowd = outsiders(town)

    def plan(span: Span, rng: np.random.Generator) -> None:
        who, day = crowd.acts(span, rng, 0.2, span.rhythm.shopping)
        other = town.contacts.draw(rng, who)
        ours = np.flatnonzero(town.people.is_own[other])
        town.hand_over(
            rng,
            time=span.moments(rng, day[ours], TALKING),
            source=who[ours],
            target=other[ours],
            amount=baht(rng, len(ours), 340, 1.5),
        )

    return plan


def dinners(town: Town, _rng: np.random.Generator) -> Act:
    """One pays the restaurant, the others pay their equal share within hours: a small fan-in of equal sums."""
    crowd = everybody(town)

    def plan(span: Span, rng: np.random.Generator) -> None:
        host, day = crowd.acts(span, rng, 0.004, span.rhythm.shopping)
        n = len(host)
        moment = span.moments(rng, day, EVENING)
        guests = np.minimum(1 + rng.geometric(0.35, n), 12)
        each = baht(rng, n, 190 * purse(town, host), 0.6)
        town.pay(
            rng,
            "qr_merchant",
            time=moment,
            source=host,
            target=town.favourites.draw(rng, host),
            amount=each * (guests + 1),
            mode=UP_TO,
        )
        row = np.repeat(np.arange(n), guests)
        _repay(town, rng, host[row], moment[row], each[row])

    return plan


def _repay(town: Town, rng: np.random.Generator, host: Int64, moment: Int64, each: Int64) -> None:
    town.hand_over(
        rng,
        time=later(rng, moment, 1_500, 1.6),
        source=town.contacts.draw(rng, host, skew=1.3),
        target=host,
        amount=each,
        grain=100,
    )


def gifts(town: Town, _rng: np.random.Generator) -> Act:
    """Holidays: round sums to relatives and friends, some of whom receive from many within hours."""
    ours, theirs = everybody(town), outsiders(town)

    def plan(span: Span, rng: np.random.Generator) -> None:
        for crowd in (ours, theirs):
            who, day = crowd.acts(span, rng, 0.35, span.rhythm.festive)
            other = town.contacts.draw(rng, who, skew=1.2)
            seen = np.flatnonzero(town.people.is_own[who] | town.people.is_own[other])
            town.hand_over(
                rng,
                time=span.moments(rng, day[seen], SHOPPING),
                source=who[seen],
                target=other[seen],
                amount=100 * _GIFTS[pick(rng, _GIFT_ODDS, len(seen))],
                grain=100,
            )

    return plan
