"""People's other accounts: second accounts, new ones that are tried out and filled, savings, closing."""

from __future__ import annotations

from typing import Final

import numpy as np

from muledetect.clock import DAY, HOUR
from muledetect.simulation.life.crowd import crowd_of, elsewhere, everybody, monthly
from muledetect.simulation.life.passing import goes_on
from muledetect.simulation.people import CODE, NEVER
from muledetect.simulation.plan import FIXED, OF_BALANCE, UP_TO
from muledetect.simulation.rhythm import EVENING, TALKING, Span
from muledetect.simulation.streams import Int64, chance
from muledetect.simulation.town import Act, Town, baht, later

_WAYS: Final = {"known": 0.36, "stranger": 0.2, "elsewhere": 0.1, "biller": 0.12, "vasp": 0.08, "wallet": 0.09,
                "cash": 0.05}  # fmt: skip


def second_accounts(town: Town, rng: np.random.Generator) -> Act:
    """Quiet accounts: now and then a large sum comes from the holder's other bank and soon leaves again."""
    people = town.people
    who = people.of("second", "salaried", "seller", "dormant", own=True)
    usual = np.where(people.persona[who] == CODE["second"], 0.07, 0.006)
    crowd = crowd_of(who, usual * np.minimum(people.liveliness[who], 3))
    away = np.full(len(people.persona), -1, np.int32)
    away[who] = elsewhere(town, rng, len(who))

    def plan(span: Span, rng: np.random.Generator) -> None:
        account, day = crowd.acts(span, rng, 1.0, span.rhythm.even)
        n = len(account)
        moment, pots = span.moments(rng, day, TALKING), town.plan.new_pots(n)
        town.hand_over(
            rng,
            time=moment,
            source=away[account],
            target=account,
            amount=baht(rng, n, 9_000, 1.5),
            mode=UP_TO,
            pot_in=pots,
        )
        goes_on(town, rng, pots=pots, source=account, moment=moment, median_s=3_000, spread=2.3, ways=_WAYS, keep=0.03)

    return plan


def new_accounts(town: Town, rng: np.random.Generator) -> Act:
    """A new account is tried with a few baht, filled with a large sum from the old one, and used for what it is for.

    Two in three do so within ten days of opening (choice): a honest account that is young, tested, filled and
    emptied.
    """
    people = town.people
    young = np.flatnonzero(people.is_private & people.is_own & (people.active_from >= town.rhythm.start))
    young = young[(people.active_from[young] < NEVER) & (rng.random(len(young)) < 0.65)]
    young = young[np.argsort(people.active_from[young], kind="stable")]
    opens = people.active_from[young]

    def plan(span: Span, rng: np.random.Generator) -> None:
        first, last = np.searchsorted(opens, [span.start, span.end])
        who, since = young[first:last], opens[first:last]
        n = len(who)
        old = elsewhere(town, rng, n)
        tried = later(rng, since, 12 * 3600, 1.3)
        _try_out(town, rng, old, who, tried)
        filled = later(rng, tried, 20 * 3600, 1.4)
        times = 1 + (rng.random(n) < 0.3)
        row = np.repeat(np.arange(n), times)
        pots = town.plan.new_pots(n)
        town.hand_over(
            rng,
            time=filled[row] + (rng.random(len(row)) * HOUR).astype(np.int64),
            source=old[row],
            target=who[row],
            amount=baht(rng, len(row), 14_000, 1.4),
            mode=UP_TO,
            pot_in=pots[row],
        )
        again = np.flatnonzero(rng.random(n) < 0.7)
        goes_on(
            town, rng, pots=pots[again], source=who[again], moment=filled[again] + HOUR, median_s=4 * 3600,
            spread=2.0, ways=_WAYS, keep=rng.uniform(0.0, 0.3, len(again)),
        )  # fmt: skip

    return plan


def _try_out(town: Town, rng: np.random.Generator, old: Int64, new: Int64, moment: Int64) -> None:
    """A few baht come; one time in three they go back."""
    there = np.flatnonzero(rng.random(len(new)) < 0.6)
    amount = baht(rng, len(there), 6, 1.0) + 100
    town.hand_over(rng, time=moment[there], source=old[there], target=new[there], amount=amount, mode=FIXED)
    back = there[rng.random(len(there)) < 0.33]
    town.hand_over(
        rng,
        time=later(rng, moment[back], 400, 1.0),
        source=new[back],
        target=old[back],
        amount=baht(rng, len(back), 2, 0.5) + 100,
        mode=UP_TO,
    )


def trials(town: Town, _rng: np.random.Generator) -> Act:
    """Tiny payments to a payee who is new, to see whether the number is right."""
    crowd = everybody(town)

    def plan(span: Span, rng: np.random.Generator) -> None:
        who, day = crowd.acts(span, rng, 0.004, span.rhythm.even)
        n = len(who)
        payee, moment = town.strangers(rng, n), span.moments(rng, day, TALKING)
        tiny = baht(rng, n, 6, 1.0) + 100
        town.hand_over(rng, time=moment, source=who, target=payee, amount=tiny)
        follows = np.flatnonzero(rng.random(n) < 0.7)
        town.hand_over(
            rng,
            time=later(rng, moment[follows], 1_800, 2.0),
            source=who[follows],
            target=payee[follows],
            amount=baht(rng, len(follows), 2_500, 1.4),
            mode=UP_TO,
        )

    return plan


def savings(town: Town, rng: np.random.Generator) -> Act:
    """Every month most people move a part of what they have to an account elsewhere, and take some back when short.

    So most balances are low at the month's end.
    """
    people, seed = town.people, town.config.seed
    who = np.flatnonzero(people.is_private & people.is_own & (people.persona != CODE["dormant"]))
    who = who[rng.random(len(who)) < 0.6].astype(np.int32)
    away = elsewhere(town, rng, len(who)).astype(np.int32)
    early = rng.random(len(who)) < 0.4
    calendar = monthly(np.where(early, rng.integers(26, 32, len(who)), rng.integers(1, 13, len(who))))

    def plan(span: Span, rng: np.random.Generator) -> None:
        row, day = calendar.due(span)
        n = len(row)
        town.hand_over(
            rng,
            time=span.moments(rng, day, EVENING) + rng.integers(0, DAY, n),
            source=who[row],
            target=away[row],
            mode=OF_BALANCE,
            share=np.clip(chance(who[row].astype(np.int64), 81, seed) * rng.uniform(0.7, 1.2, n), 0.05, 0.95),
        )
        short = row[rng.random(n) < 0.4]
        later_on = span.moments(rng, span.some_days(rng, len(short), span.rhythm.even), EVENING)
        town.hand_over(
            rng,
            time=later_on + (rng.integers(8, 22, len(short)) * DAY),
            source=away[short],
            target=who[short],
            amount=(people.income[who[short]] * rng.uniform(0.03, 0.25, len(short))).astype(np.int64),
            mode=UP_TO,
        )

    return plan


def closings(town: Town, _rng: np.random.Generator) -> Act:
    """Before an account is closed its holder takes everything out: to another bank or in cash."""
    people = town.people
    leaving = np.flatnonzero(people.is_own & people.is_private & (people.closed_at < town.rhythm.end))
    leaving = leaving[np.argsort(people.closed_at[leaving], kind="stable")]
    ends = people.closed_at[leaving]

    def plan(span: Span, rng: np.random.Generator) -> None:
        first, last = np.searchsorted(ends, [span.start, span.end])
        who, end = leaving[first:last], ends[first:last]
        town.hand_over(
            rng,
            time=end - rng.integers(HOUR // 6, 30 * HOUR, len(who)),
            source=who,
            target=elsewhere(town, rng, len(who)),
            mode=OF_BALANCE,
            share=1.0,
            grain=1,
        )

    return plan
