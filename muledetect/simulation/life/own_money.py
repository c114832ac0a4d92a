"""People's other accounts: second accounts, new ones that are tried out and filled, savings, closing."""

from __future__ import annotations

from typing import Final

import numpy as np

from muledetect.arrays import NEVER
from muledetect.clock import DAY, HOUR
from muledetect.simulation.days import EVENING, TALKING
from muledetect.simulation.economy import Act, Actors, Economy, every_week, monthly
from muledetect.simulation.life.spending import Habit, send_onward
from muledetect.simulation.people import CODE
from muledetect.simulation.plan import FIXED, OF_BALANCE, UP_TO
from muledetect.simulation.streams import hash_uniform

_WAYS: Final = {"known": 0.36, "stranger": 0.2, "elsewhere": 0.1, "biller": 0.12, "vasp": 0.08, "wallet": 0.09,
                "cash": 0.05}  # fmt: skip
_SECOND: Final = Habit(3_000, 2.3, _WAYS)
_NEW: Final = Habit(4 * 3600, 2.0, _WAYS)


def second_accounts(economy: Economy) -> Act:
    """Quiet accounts: now and then a large sum comes from the holder's other bank and soon leaves again."""
    people = economy.people
    who = people.of("second", "salaried", "seller", "dormant", own=True)
    usual = np.where(people.persona[who] == CODE["second"], 0.07, 0.006)
    actors = Actors.of(who, usual * np.minimum(people.activity_level[who], 3))
    away = np.full(len(people.persona), -1, np.int32)
    away[who] = economy.elsewhere(len(who))

    def plan(week: Economy) -> None:
        account, day = actors.acts(week, 1.0, week.calendar.even)
        n = len(account)
        moment, pots = week.moments(day, TALKING), week.plan.new_pots(n)
        week.pay_person(moment, away[account], account, amount=week.amounts(n, 9_000, 1.5), mode=UP_TO, pot_in=pots)
        send_onward(week, _SECOND, pots, account, moment, 0.03)

    return plan


def new_accounts(economy: Economy) -> Act:
    """A new account is tried with a few baht, filled with a large sum from the old one, and used for what it is for.

    Two in three do so within ten days of opening (choice): a honest account that is young, tested, filled and
    emptied.
    """
    people = economy.people
    young = np.flatnonzero(people.is_private & people.is_own & (people.active_from >= economy.calendar.start))
    young = young[(people.active_from[young] < NEVER) & (economy.rng.random(len(young)) < 0.65)]
    young = young[np.argsort(people.active_from[young], kind="stable")]
    opens = people.active_from[young]

    def plan(week: Economy) -> None:
        now = week.span.rows_within(opens)
        who, since = young[now], opens[now]
        n = len(who)
        old = week.elsewhere(n)
        tried = week.delayed(since, 12 * 3600, 1.3)
        # A few baht come; one time in three they go back.
        there = np.flatnonzero(week.rng.random(n) < 0.6)
        amount = week.amounts(len(there), 6, 1.0) + 100
        week.pay_person(tried[there], old[there], who[there], amount=amount, mode=FIXED)
        back = there[week.rng.random(len(there)) < 0.33]
        when, amount = week.delayed(tried[back], 400, 1.0), week.amounts(len(back), 2, 0.5) + 100
        week.pay_person(when, who[back], old[back], amount=amount, mode=UP_TO)
        filled = week.delayed(tried, 20 * 3600, 1.4)
        times = 1 + (week.rng.random(n) < 0.3)
        row = np.repeat(np.arange(n), times)
        pots = week.plan.new_pots(n)
        when = filled[row] + (week.rng.random(len(row)) * HOUR).astype(np.int64)
        amount = week.amounts(len(row), 14_000, 1.4)
        week.pay_person(when, old[row], who[row], amount=amount, mode=UP_TO, pot_in=pots[row])
        again = np.flatnonzero(week.rng.random(n) < 0.7)
        send_onward(week, _NEW, pots[again], who[again], filled[again] + HOUR, week.rng.uniform(0.0, 0.3, len(again)))

    return plan


@every_week
def trials(week: Economy) -> None:
    """Tiny payments to a payee who is new, to see whether the number is right."""
    who, day = week.our_people().acts(week, 0.004, week.calendar.even)
    n = len(who)
    payee, moment = week.strangers(n), week.moments(day, TALKING)
    tiny = week.amounts(n, 6, 1.0) + 100
    week.pay_person(moment, who, payee, amount=tiny)
    follows = np.flatnonzero(week.rng.random(n) < 0.7)
    when = week.delayed(moment[follows], 1_800, 2.0)
    week.pay_person(when, who[follows], payee[follows], amount=week.amounts(len(follows), 2_500, 1.4), mode=UP_TO)


def savings(economy: Economy) -> Act:
    """Every month most people move a part of what they have to an account elsewhere, and take some back when short.

    So most balances are low at the month's end.
    """
    people, seed = economy.people, economy.config.seed
    who = np.flatnonzero(people.is_private & people.is_own & (people.persona != CODE["dormant"]))
    who = who[economy.rng.random(len(who)) < 0.6].astype(np.int32)
    away = economy.elsewhere(len(who)).astype(np.int32)
    early = economy.rng.random(len(who)) < 0.4
    schedule = monthly(np.where(early, economy.rng.integers(26, 32, len(who)), economy.rng.integers(1, 13, len(who))))

    def plan(week: Economy) -> None:
        row, day = schedule.due(week.span)
        n = len(row)
        when = week.moments(day, EVENING) + week.rng.integers(0, DAY, n)
        share = np.clip(hash_uniform(who[row].astype(np.int64), 81, seed) * week.rng.uniform(0.7, 1.2, n), 0.05, 0.95)
        week.pay_person(when, who[row], away[row], mode=OF_BALANCE, share=share)
        short = row[week.rng.random(n) < 0.4]
        later_on = week.moments(week.span.some_days(week.rng, len(short), week.calendar.even), EVENING)
        week.pay_person(
            later_on + (week.rng.integers(8, 22, len(short)) * DAY),
            away[short],
            who[short],
            amount=(people.income[who[short]] * week.rng.uniform(0.03, 0.25, len(short))).astype(np.int64),
            mode=UP_TO,
        )

    return plan


def closings(economy: Economy) -> Act:
    """Before an account is closed its holder takes everything out: to another bank or in cash."""
    people = economy.people
    leaving = np.flatnonzero(people.is_own & people.is_private & (people.closed_at < economy.calendar.end))
    leaving = leaving[np.argsort(people.closed_at[leaving], kind="stable")]
    ends = people.closed_at[leaving]

    def plan(week: Economy) -> None:
        now = week.span.rows_within(ends)
        who, end = leaving[now], ends[now]
        when = end - week.rng.integers(HOUR // 6, 30 * HOUR, len(who))
        week.pay_person(when, who, week.elsewhere(len(who)), mode=OF_BALANCE, share=1.0, rounding=1)

    return plan
