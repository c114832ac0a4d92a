"""Pay: payrolls, pensions, day labour."""

from __future__ import annotations

from typing import Final

import numpy as np

from muledetect.clock import DAY, HOUR, SECOND
from muledetect.simulation.life.crowd import Crowd, crowd_of, elsewhere, monthly
from muledetect.simulation.life.jobs import find_jobs
from muledetect.simulation.people import CODE
from muledetect.simulation.plan import OF_POT, UP_TO
from muledetect.simulation.rhythm import BATCH, TALKING, Rhythm, Span
from muledetect.simulation.streams import Int64, chance
from muledetect.simulation.town import Act, Town, later

_PAY_DAYS: Final = np.array([25, 27, 28, 30, 31, 31])


def salaries(town: Town, rng: np.random.Generator) -> Act:
    """Payroll fan-out near the month's end, from our companies to workers elsewhere too.

    One employer in seven pays twice a month. A pay day at a week-end or holiday moves to the working day before. One
    worker in seven forwards the pay to an account elsewhere within hours (choice), which is pass-through.
    """
    jobs, seed = find_jobs(town), town.config.seed
    twice = np.flatnonzero(chance(jobs.boss.astype(np.int64), 1, seed) < 0.14)
    job = np.concatenate([np.arange(len(jobs.boss)), twice]).astype(np.int32)
    day_of_month = _PAY_DAYS[(chance(jobs.boss.astype(np.int64), 2, seed) * len(_PAY_DAYS)).astype(np.int64)]
    calendar = monthly(np.concatenate([day_of_month, np.full(len(twice), 15)]))
    part = np.ones(len(jobs.boss), np.float32)
    part[twice] = 0.5
    forwards = (rng.random(len(jobs.boss)) < 0.14) & town.people.is_own[jobs.worker]
    away = elsewhere(town, rng, len(jobs.boss)).astype(np.int32)
    opens = last_working_days(town.rhythm)

    def plan(span: Span, rng: np.random.Generator) -> None:
        row, day = calendar.due(span)
        row, day = job[row].astype(np.int64), opens[day]
        boss, who = jobs.boss[row].astype(np.int64), jobs.worker[row].astype(np.int64)
        moment = _batch(town, rng, boss, day)
        # Two thirds earn the same every month, the others by the hour.
        by_hour = np.where(chance(who, 3, seed) < 0.33, 0.12, 0.0) * rng.standard_normal(len(row))
        amount = np.maximum(jobs.wage[row] * part[row] * (1 + by_hour), 50_000).astype(np.int64)
        sent = np.flatnonzero(forwards[row])
        pots = np.full(len(row), -1, np.int64)
        pots[sent] = town.plan.new_pots(len(sent))
        grain = np.where(chance(who, 4, seed) < 0.6, 10_000, 1)
        town.pay(rng, "payroll", time=moment, source=boss, target=who, amount=amount, grain=grain, pot_in=pots)
        town.hand_over(
            rng,
            time=later(rng, moment[sent] + 5 * HOUR, 5400, 1.6),
            source=who[sent],
            target=away[row[sent]],
            mode=OF_POT,
            pot_out=pots[sent],
            share=rng.uniform(0.5, 1.0, len(sent)),
        )

    return plan


def last_working_days(rhythm: Rhythm) -> Int64:
    """Return for each day the last working day up to it, at most five days back and never before the world."""
    day = np.arange(rhythm.n_days)
    works = (rhythm.day_of_week < 5) & ~rhythm.is_holiday
    last = np.maximum.accumulate(np.where(works, day, -1))
    return np.where((last < 0) | (day - last > 5), day, last)


def _batch(town: Town, rng: np.random.Generator, boss: Int64, day: Int64) -> Int64:
    """An employer's file is executed in one go: one start a day, and all payments within a minute and a half."""
    start = (HOUR + chance(boss * 100_003 + day, 5, town.config.seed) * 5 * HOUR).astype(np.int64)
    return town.rhythm.start + day * DAY + start + rng.integers(0, 90 * SECOND, len(boss))


def pensions(town: Town, rng: np.random.Generator) -> Act:
    """Pensions and allowances of the state on the 10th, the same sum every month."""
    people = town.people
    who = people.of("pensioner", own=True)
    state = people.of("government")[rng.integers(0, len(people.of("government")), len(who))]
    calendar = monthly(np.full(len(who), 10))
    opens = last_working_days(town.rhythm)

    def plan(span: Span, rng: np.random.Generator) -> None:
        row, day = calendar.due(span)
        town.pay(
            rng,
            "payroll",
            time=span.moments(rng, opens[day], BATCH),
            source=state[row],
            target=who[row],
            amount=np.maximum(people.income[who[row]], 60_000).astype(np.int64),
            grain=10_000,
        )

    return plan


def day_labour(town: Town, _rng: np.random.Generator) -> Act:
    """Irregular pay from private clients and small firms: many payers, uneven sums."""
    crowd = _labourers(town)

    def plan(span: Span, rng: np.random.Generator) -> None:
        who, day = crowd.acts(span, rng, 0.13, span.rhythm.shopping)
        client = town.strangers(rng, len(who))
        firm = np.flatnonzero(rng.random(len(who)) < 0.3)
        client[firm] = town.partner(rng, len(firm), "company", "shop")
        size = town.people.income[who] / 6 * np.exp(0.9 * rng.standard_normal(len(who)))
        town.hand_over(
            rng,
            time=span.moments(rng, day, TALKING),
            source=client,
            target=who,
            amount=np.maximum(size, 2_000).astype(np.int64),
            mode=UP_TO,
        )

    return plan


def _labourers(town: Town) -> Crowd:
    people = town.people
    who = people.of("irregular", "gig", "host", "dormant", "student", own=True)
    usual = np.where(people.persona[who] == CODE["student"], 0.2, 1.0)
    return crowd_of(who, usual * people.liveliness[who])
