"""Money between friends and relatives: small change, shared dinners, gifts on holidays, support, allowances."""

from __future__ import annotations

from typing import Final

import numpy as np

from muledetect.simulation.days import EVENING, SHOPPING, TALKING
from muledetect.simulation.economy import Act, Economy, every_week, monthly
from muledetect.simulation.life.spending import Habit, send_onward
from muledetect.simulation.plan import UP_TO
from muledetect.simulation.streams import pick

#: Gifts in baht: round numbers, also those with a nine for luck.
_GIFTS: Final = np.array([100, 200, 300, 500, 999, 1_000, 1_999, 2_000, 5_000, 10_000])
_GIFT_ODDS: Final = np.array([0.12, 0.16, 0.1, 0.24, 0.04, 0.2, 0.02, 0.07, 0.04, 0.01])


@every_week
def friends(week: Economy) -> None:
    """Small change with a heavy tail, one time in seven to a stranger; one time in eight some of it comes back."""
    who, day = week.our_people().bursty_acts(week, 0.1, week.calendar.shopping)
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


@every_week
def outside_friends(week: Economy) -> None:
    """Friends at other banks send our people money."""
    who, day = week.other_people().acts(week, 0.2, week.calendar.shopping)
    other = week.contacts.draw(week.rng, who)
    ours = np.flatnonzero(week.people.is_own[other])
    when = week.moments(day[ours], TALKING)
    week.pay_person(when, who[ours], other[ours], amount=week.amounts(len(ours), 340, 1.5))


@every_week
def dinners(week: Economy) -> None:
    """One pays the restaurant, the others pay their equal share within hours: a small fan-in of equal sums."""
    host, day = week.our_people().acts(week, 0.004, week.calendar.shopping)
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


@every_week
def gifts(week: Economy) -> None:
    """Holidays: round sums to relatives and friends, some of whom receive from many within hours."""
    for actors in (week.our_people(), week.other_people()):
        who, day = actors.acts(week, 0.35, week.calendar.festive)
        other = week.contacts.draw(week.rng, who, skew=1.2)
        seen = np.flatnonzero(week.people.is_own[who] | week.people.is_own[other])
        when = week.moments(day[seen], SHOPPING)
        amount = 100 * _GIFTS[pick(week.rng, _GIFT_ODDS, len(seen))]
        week.pay_person(when, who[seen], other[seen], amount=amount, rounding=100)


#: What students do with an allowance at once.
_STUDENT_WAYS: Final = {"shop": 0.35, "known": 0.25, "wallet": 0.15, "goods": 0.08, "elsewhere": 0.12, "stranger": 0.05}
_ALLOWANCE: Final = Habit(5 * 3600, 1.7, _STUDENT_WAYS)


def support(economy: Economy) -> Act:
    """A third of those who earn send a parent a part of their pay every month, soon after it came."""
    people = economy.people
    givers = people.of("salaried", "gig", "seller", "migrant")
    givers = givers[economy.rng.random(len(givers)) < 0.35]
    elders = people.of("pensioner", "irregular")
    parent = elders[economy.rng.integers(0, len(elders), len(givers))]
    seen = economy.is_visible(givers, parent)
    givers, parent = givers[seen], parent[seen]
    amount = np.maximum(people.income[givers] * economy.rng.uniform(0.05, 0.3, len(givers)), 30_000).astype(np.int64)
    schedule = monthly(np.minimum(economy.rng.integers(25, 36, len(givers)), 31))

    def plan(week: Economy) -> None:
        row, day = schedule.due(week.span)
        when = week.moments(day, EVENING)
        week.pay_person(when, givers[row], parent[row], amount=amount[row], rounding=10_000, mode=UP_TO)

    return plan


def allowances(economy: Economy) -> Act:
    """Students receive every week, or once a month for all of it; many spend it within a day."""
    people = economy.people
    students = people.of("student")
    earners = people.of("salaried", "landlord", "seller", "pensioner")
    keeper = earners[pick(economy.rng, people.income[earners], len(students))]
    seen = economy.is_visible(students, keeper)
    students, keeper = students[seen], keeper[seen]
    is_monthly = economy.rng.random(len(students)) < 0.4
    weekly = np.flatnonzero(~is_monthly)
    once = np.flatnonzero(is_monthly)
    schedule = monthly(economy.rng.integers(1, 6, len(once)))
    each = economy.amounts(len(students), np.where(is_monthly, 4_000, 950), 0.5)

    def plan(week: Economy) -> None:
        due, due_day = schedule.due(week.span)
        some = weekly[week.rng.random(len(weekly)) < 0.9]
        row = np.concatenate([once[due], some])
        day = np.concatenate([due_day, week.span.some_days(week.rng, len(some), week.calendar.even)])
        moment = week.moments(day, EVENING)
        at_once = np.flatnonzero((week.rng.random(len(row)) < 0.5) & people.is_own[students[row]])
        pots = week.plan.pots_for(at_once, len(row))
        week.pay_person(moment, keeper[row], students[row], amount=each[row], mode=UP_TO, pot_in=pots)
        send_onward(week, _ALLOWANCE, pots[at_once], students[row[at_once]], moment[at_once], 0.05)

    return plan
