"""Loans: the sum comes at once and is often gone within the day; instalments follow every month."""

from __future__ import annotations

from typing import Final

import numpy as np

from muledetect.simulation.days import EVENING, OFFICE
from muledetect.simulation.economy import Act, Economy, monthly
from muledetect.simulation.life.onward import Habit, send_onward
from muledetect.simulation.people import CODE
from muledetect.simulation.streams import hash_uniform, pick_from

_LOAN_WAYS: Final = {"known": 0.2, "goods": 0.25, "biller": 0.15, "elsewhere": 0.15, "company": 0.12, "stranger": 0.08,
                     "cash": 0.05}  # fmt: skip
#: Instalments of a tenth of the sum (choice).
_MONTHS: Final = 11
_LOAN: Final = Habit(6 * 3600, 2.0, _LOAN_WAYS)


def loans(economy: Economy) -> Act:
    """One account in ten repays an old loan; new ones come to one in fifty a month, and half are drained in a day."""
    people = economy.people
    who = np.flatnonzero(people.is_private & people.is_own & (people.persona != CODE["dormant"]))
    start = np.where(
        economy.rng.random(len(who)) < 0.1, -1, (economy.rng.random(len(who)) / 0.02 * 30).astype(np.int64)
    )
    borrows = start < economy.calendar.n_days
    who, start = who[borrows], start[borrows]
    n = len(who)
    firms = people.of("company")
    lenders = firms[hash_uniform(firms, 91, economy.config.seed) < 0.05]
    lenders = lenders if len(lenders) else firms[:1]
    lender = lenders[pick_from(economy.rng, np.cumsum(people.popularity[lenders]), n)]
    amount = np.minimum(economy.amounts(n, 12_000, 0.9), (5 * people.income[who]).astype(np.int64)) // 100_000 * 100_000
    amount = np.maximum(amount, 200_000)
    schedule = monthly(economy.rng.integers(1, 29, n))
    order = np.argsort(start, kind="stable")
    by_start = start[order]

    def plan(week: Economy) -> None:
        first, last = np.searchsorted(by_start, [week.span.first, week.span.last])
        new = order[first:last]
        moment = week.moments(start[new], OFFICE)
        spends = np.flatnonzero(week.rng.random(len(new)) < 0.75)
        pots = week.plan.pots_for(spends, len(new))
        week.pay("p2p_account", moment, lender[new], who[new], amount=amount[new], rounding=1, pot_in=pots)
        send_onward(week, _LOAN, pots[spends], who[new[spends]], moment[spends], week.rng.uniform(0, 0.3, len(spends)))
        row, day = schedule.due(week.span)
        owes = (start[row] < day - 15) & (day < start[row] + _MONTHS * 31)
        row, day = row[owes], day[owes]
        when = week.moments(day, EVENING)
        week.pay("bill", when, who[row], lender[row], amount=amount[row] // 10 + 100 * (row % 90), rounding=1)

    return plan
