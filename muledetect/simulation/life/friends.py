"""Money between friends: small change, shared dinners, gifts on holidays."""

from __future__ import annotations

from typing import Final

import numpy as np

from muledetect.simulation.days import EVENING, SHOPPING, TALKING
from muledetect.simulation.economy import Act, Economy
from muledetect.simulation.plan import UP_TO
from muledetect.simulation.streams import pick

#: Gifts in baht: round numbers, also those with a nine for luck.
_GIFTS: Final = np.array([100, 200, 300, 500, 999, 1_000, 1_999, 2_000, 5_000, 10_000])
_GIFT_ODDS: Final = np.array([0.12, 0.16, 0.1, 0.24, 0.04, 0.2, 0.02, 0.07, 0.04, 0.01])


def friends(economy: Economy) -> Act:
    """Small change with a heavy tail, one time in seven to a stranger; one time in eight some of it comes back."""
    actors = economy.our_people()

    def plan(week: Economy) -> None:
        who, day = actors.bursty_acts(week, 0.1, week.calendar.shopping)
        n = len(who)
        other = week.contacts.draw(week.rng, who)
        strange = np.flatnonzero(week.rng.random(n) < 0.14)
        other[strange] = week.strangers(len(strange))
        moment = week.moments(day, TALKING)
        back = np.flatnonzero(week.rng.random(n) < 0.12)
        pots = week.plan.pots_for(back, n)
        amount = week.amounts(n, 300 * week.spending_level(who), 1.45)
        week.pay_person(moment, who, other, amount=amount, pot_in=pots)
        when = week.delayed(moment[back], 4 * 3600, 2.4)
        week.pay_person(when, other[back], who[back], pot_out=pots[back], share=week.rng.uniform(0.3, 1.0, len(back)))

    return plan


def outside_friends(economy: Economy) -> Act:
    """Friends at other banks send our people money."""
    actors = economy.other_people()

    def plan(week: Economy) -> None:
        who, day = actors.acts(week, 0.2, week.calendar.shopping)
        other = week.contacts.draw(week.rng, who)
        ours = np.flatnonzero(week.people.is_own[other])
        when = week.moments(day[ours], TALKING)
        week.pay_person(when, who[ours], other[ours], amount=week.amounts(len(ours), 340, 1.5))

    return plan


def dinners(economy: Economy) -> Act:
    """One pays the restaurant, the others pay their equal share within hours: a small fan-in of equal sums."""
    actors = economy.our_people()

    def plan(week: Economy) -> None:
        host, day = actors.acts(week, 0.004, week.calendar.shopping)
        n = len(host)
        moment = week.moments(day, EVENING)
        guests = np.minimum(1 + week.rng.geometric(0.35, n), 12)
        each = week.amounts(n, 190 * week.spending_level(host), 0.6)
        payee = week.favourites.draw(week.rng, host)
        week.pay("qr_merchant", moment, host, payee, amount=each * (guests + 1), mode=UP_TO)
        row = np.repeat(np.arange(n), guests)
        when = week.delayed(moment[row], 1_500, 1.6)
        guest = week.contacts.draw(week.rng, host[row], skew=1.3)
        week.pay_person(when, guest, host[row], amount=each[row], rounding=100)

    return plan


def gifts(economy: Economy) -> Act:
    """Holidays: round sums to relatives and friends, some of whom receive from many within hours."""
    ours, theirs = economy.our_people(), economy.other_people()

    def plan(week: Economy) -> None:
        for actors in (ours, theirs):
            who, day = actors.acts(week, 0.35, week.calendar.festive)
            other = week.contacts.draw(week.rng, who, skew=1.2)
            seen = np.flatnonzero(week.people.is_own[who] | week.people.is_own[other])
            when = week.moments(day[seen], SHOPPING)
            amount = 100 * _GIFTS[pick(week.rng, _GIFT_ODDS, len(seen))]
            week.pay_person(when, who[seen], other[seen], amount=amount, rounding=100)

    return plan
