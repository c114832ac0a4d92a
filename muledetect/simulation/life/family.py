"""Support between generations: children keep parents, parents keep students."""

from __future__ import annotations

from typing import Final

import numpy as np

from muledetect.simulation.days import EVENING
from muledetect.simulation.economy import Act, Economy, monthly
from muledetect.simulation.life.onward import Habit, send_onward
from muledetect.simulation.plan import UP_TO
from muledetect.simulation.streams import pick

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
