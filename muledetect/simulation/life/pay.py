"""Who works for whom, and what firms pay: payrolls, pensions, day labour, riders, invoices, treasuries of groups."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from muledetect.arrays import BoolArray, Int32Array, Int64Array
from muledetect.clock import DAY, HOUR, SECOND
from muledetect.simulation.days import BATCH, OFFICE, SHOPPING, TALKING, Calendar
from muledetect.simulation.economy import Act, Actors, Economy, monthly
from muledetect.simulation.life.spending import near
from muledetect.simulation.people import CODE
from muledetect.simulation.plan import OF_BALANCE, UP_TO
from muledetect.simulation.streams import hash_uniform, pick, stream

_PAY_DAYS: Final = np.array([25, 27, 28, 30, 31, 31])


@dataclass(frozen=True, slots=True)
class Jobs:
    """Jobs in which the worker or the employer is ours: int32[jobs] each; `wage` a month in satang, int64."""

    worker: Int32Array
    boss: Int32Array
    wage: Int64Array


def is_subsidiary(economy: Economy, firms: Int64Array) -> BoolArray:
    """Return which companies belong to a group with one treasury: a quarter (choice), always the same."""
    is_company = economy.people.persona[firms] == CODE["company"]
    return np.asarray(is_company & (hash_uniform(firms, 95, economy.config.seed) < 0.25))


def find_jobs(economy: Economy) -> Jobs:
    """Give every salaried person an employer; the same at every call. O(accounts)."""
    people = economy.people
    rng = stream(economy.config.seed, "jobs")
    workers = people.of("salaried")
    employers = people.of("company", "platform", "government")
    # What a subsidiary holds is swept away at night: its parent pays the wages.
    employers = employers[~is_subsidiary(economy, employers)]
    weight = people.income[employers] ** 0.8
    # A tenth of all jobs are the state's (choice).
    state = people.persona[employers] == CODE["government"]
    weight[state] = 0.11 * weight[~state].sum() / state.sum()
    boss = employers[pick(rng, weight, len(workers))]
    seen = economy.is_visible(workers, boss)
    wage = np.maximum(people.income[workers], 100_000).astype(np.int64)
    return Jobs(workers[seen].astype(np.int32), boss[seen].astype(np.int32), wage[seen])


def salaries(economy: Economy) -> Act:
    """Payroll fan-out near the month's end, from our companies to workers elsewhere too.

    One employer in seven pays twice a month. A pay day at a week-end or holiday moves to the working day before. One
    worker in seven forwards the pay to an account elsewhere within hours (choice), which is pass-through.
    """
    jobs, seed = find_jobs(economy), economy.config.seed
    twice = np.flatnonzero(hash_uniform(jobs.boss.astype(np.int64), 1, seed) < 0.14)
    job = np.concatenate([np.arange(len(jobs.boss)), twice]).astype(np.int32)
    day_of_month = _PAY_DAYS[(hash_uniform(jobs.boss.astype(np.int64), 2, seed) * len(_PAY_DAYS)).astype(np.int64)]
    schedule = monthly(np.concatenate([day_of_month, np.full(len(twice), 15)]))
    part = np.ones(len(jobs.boss), np.float32)
    part[twice] = 0.5
    forwards = (economy.rng.random(len(jobs.boss)) < 0.14) & economy.people.is_own[jobs.worker]
    away = economy.elsewhere(len(jobs.boss)).astype(np.int32)
    opens = last_working_days(economy.calendar)

    def plan(week: Economy) -> None:
        row, day = schedule.due(week.span)
        row, day = job[row].astype(np.int64), opens[day]
        boss, who = jobs.boss[row].astype(np.int64), jobs.worker[row].astype(np.int64)
        moment = _batch(week, boss, day)
        # Two thirds earn the same every month, the others by the hour.
        by_hour = np.where(hash_uniform(who, 3, seed) < 0.33, 0.12, 0.0) * week.rng.standard_normal(len(row))
        amount = np.maximum(jobs.wage[row] * part[row] * (1 + by_hour), 50_000).astype(np.int64)
        sent = np.flatnonzero(forwards[row])
        pots = week.plan.pots_for(sent, len(row))
        rounding = np.where(hash_uniform(who, 4, seed) < 0.6, 10_000, 1)
        week.pay("payroll", moment, boss, who, amount=amount, rounding=rounding, pot_in=pots)
        when = week.delayed(moment[sent] + 5 * HOUR, 5400, 1.6)
        share = week.rng.uniform(0.5, 1.0, len(sent))
        week.pay_person(when, who[sent], away[row[sent]], pot_out=pots[sent], share=share)

    return plan


def last_working_days(calendar: Calendar) -> Int64Array:
    """Return for each day the last working day up to it, at most five days back and never before the world."""
    day = np.arange(calendar.n_days)
    works = (calendar.day_of_week < 5) & ~calendar.is_holiday
    last = np.maximum.accumulate(np.where(works, day, -1))
    return np.where((last < 0) | (day - last > 5), day, last)


def _batch(economy: Economy, boss: Int64Array, day: Int64Array) -> Int64Array:
    """An employer's file is executed in one go: one start a day, and all payments within a minute and a half."""
    start = (HOUR + hash_uniform(boss * 100_003 + day, 5, economy.config.seed) * 5 * HOUR).astype(np.int64)
    return economy.calendar.start + day * DAY + start + economy.rng.integers(0, 90 * SECOND, len(boss))


def pensions(economy: Economy) -> Act:
    """Pensions and allowances of the state on the 10th, the same sum every month."""
    people = economy.people
    who = people.of("pensioner", own=True)
    state = people.of("government")[economy.rng.integers(0, len(people.of("government")), len(who))]
    schedule = monthly(np.full(len(who), 10))
    opens = last_working_days(economy.calendar)

    def plan(week: Economy) -> None:
        row, day = schedule.due(week.span)
        when = week.moments(opens[day], BATCH)
        amount = np.maximum(people.income[who[row]], 60_000).astype(np.int64)
        week.pay("payroll", when, state[row], who[row], amount=amount, rounding=10_000)

    return plan


def day_labour(economy: Economy) -> Act:
    """Irregular pay from private clients and small firms: many payers, uneven sums."""
    people = economy.people
    who = people.of("irregular", "gig", "host", "dormant", "student", own=True)
    usual = np.where(people.persona[who] == CODE["student"], 0.2, 1.0)
    actors = Actors.of(who, usual * people.activity_level[who])

    def plan(week: Economy) -> None:
        who, day = actors.acts(week, 0.13, week.calendar.shopping)
        client = week.strangers(len(who))
        firm = np.flatnonzero(week.rng.random(len(who)) < 0.3)
        client[firm] = week.business(len(firm), "company", "shop")
        size = week.people.income[who] / 6 * np.exp(0.9 * week.rng.standard_normal(len(who)))
        when = week.moments(day, TALKING)
        week.pay_person(when, client, who, amount=np.maximum(size, 2_000).astype(np.int64), mode=UP_TO)

    return plan


def riders(economy: Economy) -> Act:
    """The platform pays each working day; cash collected from customers is paid in and remitted within minutes."""
    people = economy.people
    who = people.of("gig", own=True)
    platform = np.full(len(people.persona), -1, np.int32)
    platform[who] = economy.business(len(who), "platform")
    actors = Actors.of(who, np.minimum(0.55 * people.activity_level[who], 1.2))

    def plan(week: Economy) -> None:
        rider, day = actors.acts(week, 1.0, week.calendar.even)
        moment = week.moments(day, BATCH)
        paid = week.amounts(len(rider), 480, 0.5)
        week.pay("payroll", moment, platform[rider], rider, amount=paid)
        some = np.flatnonzero(week.rng.random(len(rider)) < 0.25)
        rider, pots = rider[some], week.plan.new_pots(len(some))
        carried = week.delayed(moment[some] + 8 * HOUR, 3_600, 1.0)
        payer = people.cash_of(rider)
        amount = week.amounts(len(some), 700, 0.5)
        terminal = near(week, rider)
        week.pay("cash_deposit", carried, payer, rider, amount=amount, rounding=10_000, pot_in=pots, terminal=terminal)
        when = week.delayed(carried, 240, 1.2)
        week.pay_person(when, rider, platform[rider], pot_out=pots, share=week.rng.uniform(0.7, 1.0, len(some)))

    return plan


def tips(economy: Economy) -> Act:
    """Customers, all of them strangers, pay riders small sums by phone number."""
    people = economy.people
    who = people.of("gig", own=True)
    actors = Actors.of(who, people.activity_level[who])

    def plan(week: Economy) -> None:
        rider, day = actors.acts(week, 0.35, week.calendar.shopping)
        n = len(rider)
        week.pay_person(week.moments(day, SHOPPING), week.strangers(n), rider, amount=week.amounts(n, 55, 0.7))

    return plan


def invoices(economy: Economy) -> Act:
    """What keeps our employers solvent: other firms pay them, in all about twice their payroll, log-normally."""
    people = economy.people
    jobs = find_jobs(economy)
    firms = people.of("company", "platform", own=True)
    payroll = np.bincount(jobs.boss, jobs.wage, minlength=len(people.persona))
    rate = np.clip(0.15 + 0.05 * np.sqrt(payroll[firms] / 2_000_000), 0.15, 8.0)
    # A log-normal of spread 0.8 has a mean of 1.38 times its median; a month has some 22 working days.
    usual = (60_000 + 2.2 * payroll / 100) / 22 / 1.38
    median = np.zeros(len(payroll))
    median[firms] = usual[firms] / rate
    actors = Actors.of(firms, rate)

    def plan(week: Economy) -> None:
        firm, day = actors.acts(week, 1.0, week.calendar.working)
        when = week.moments(day, OFFICE)
        payer = week.business(len(firm), "company")
        week.pay("p2p_account", when, payer, firm, amount=week.amounts(len(firm), median[firm], 0.8))

    return plan


def purchasing(economy: Economy) -> Act:
    """Our companies pay suppliers and service firms some percent of what they hold; shops elsewhere pay ours."""
    people = economy.people
    firms = people.of("company", "platform", "temple", own=True)
    actors = Actors.of(firms, np.full(len(firms), 0.3 * economy.config.activity))

    def plan(week: Economy) -> None:
        firm, day = actors.acts(week, 1.0, week.calendar.working)
        when = week.moments(day, OFFICE)
        payee = week.business(len(firm), "company", "goods", "shop")
        week.pay("p2p_account", when, firm, payee, mode=OF_BALANCE, share=week.rng.beta(1.0, 15.0, len(firm)))

    return plan


def treasuries(economy: Economy) -> Act:
    """Subsidiaries are swept to zero every night by their parent, which gives back in the morning what they need."""
    people = economy.people
    firms = people.of("company")
    is_child = is_subsidiary(economy, firms)
    child, parents = firms[is_child], firms[~is_child]
    parent = parents[economy.rng.integers(0, len(parents), len(child))]
    seen = economy.is_visible(child, parent)
    # A sweep of a firm elsewhere would take its whole unseen wealth.
    seen &= people.is_own[child]
    child, parent = child[seen], parent[seen]

    def plan(week: Economy) -> None:
        length = week.span.last - week.span.first
        row = np.repeat(np.arange(len(child)), length)
        day = np.tile(np.arange(week.span.first, week.span.last), len(child))
        night = week.calendar.start + day * DAY + 22 * HOUR + week.rng.integers(0, HOUR, len(row))
        pots = week.plan.new_pots(len(row))
        week.pay("p2p_account", night, child[row], parent[row], mode=OF_BALANCE, rounding=1, pot_in=pots)
        share = week.rng.uniform(0.5, 1.0, len(row))
        week.pay("p2p_account", night + 9 * HOUR, parent[row], child[row], pot_out=pots, share=share)

    return plan
