"""Support between generations: children keep parents, parents keep students."""

from __future__ import annotations

from typing import Final

import numpy as np

from muledetect.simulation.life.crowd import is_seen, monthly
from muledetect.simulation.life.passing import goes_on
from muledetect.simulation.plan import UP_TO
from muledetect.simulation.rhythm import EVENING, Span
from muledetect.simulation.streams import pick
from muledetect.simulation.town import Act, Town, baht

#: What students do with an allowance at once.
_STUDENT_WAYS: Final = {"shop": 0.35, "known": 0.25, "wallet": 0.15, "goods": 0.08, "elsewhere": 0.12, "stranger": 0.05}


def support(town: Town, rng: np.random.Generator) -> Act:
    """A third of those who earn send a parent a part of their pay every month, soon after it came."""
    people = town.people
    givers = people.of("salaried", "gig", "seller", "migrant")
    givers = givers[rng.random(len(givers)) < 0.35]
    elders = people.of("pensioner", "irregular")
    parent = elders[rng.integers(0, len(elders), len(givers))]
    seen = is_seen(town, givers, parent)
    givers, parent = givers[seen], parent[seen]
    amount = np.maximum(people.income[givers] * rng.uniform(0.05, 0.3, len(givers)), 30_000).astype(np.int64)
    calendar = monthly(np.minimum(rng.integers(25, 36, len(givers)), 31))

    def plan(span: Span, rng: np.random.Generator) -> None:
        row, day = calendar.due(span)
        town.hand_over(
            rng,
            time=span.moments(rng, day, EVENING),
            source=givers[row],
            target=parent[row],
            amount=amount[row],
            grain=10_000,
            mode=UP_TO,
        )

    return plan


def allowances(town: Town, rng: np.random.Generator) -> Act:
    """Students receive every week, or once a month for all of it; many spend it within a day."""
    people = town.people
    students = people.of("student")
    earners = people.of("salaried", "landlord", "seller", "pensioner")
    keeper = earners[pick(rng, people.income[earners], len(students))]
    seen = is_seen(town, students, keeper)
    students, keeper = students[seen], keeper[seen]
    is_monthly = rng.random(len(students)) < 0.4
    weekly = np.flatnonzero(~is_monthly)
    once = np.flatnonzero(is_monthly)
    calendar = monthly(rng.integers(1, 6, len(once)))
    each = baht(rng, len(students), np.where(is_monthly, 4_000, 950), 0.5)

    def plan(span: Span, rng: np.random.Generator) -> None:
        due, due_day = calendar.due(span)
        some = weekly[rng.random(len(weekly)) < 0.9]
        row = np.concatenate([once[due], some])
        day = np.concatenate([due_day, span.some_days(rng, len(some), span.rhythm.even)])
        moment = span.moments(rng, day, EVENING)
        at_once = np.flatnonzero((rng.random(len(row)) < 0.5) & people.is_own[students[row]])
        pots = np.full(len(row), -1, np.int64)
        pots[at_once] = town.plan.new_pots(len(at_once))
        town.hand_over(
            rng, time=moment, source=keeper[row], target=students[row], amount=each[row], mode=UP_TO, pot_in=pots
        )
        goes_on(
            town,
            rng,
            pots=pots[at_once],
            source=students[row[at_once]],
            moment=moment[at_once],
            median_s=5 * 3600,
            spread=1.7,
            ways=_STUDENT_WAYS,
            keep=0.05,
        )

    return plan
