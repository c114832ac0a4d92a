"""Once in a while: cars, land, gold, loans, and sums that come out of the blue."""

from __future__ import annotations

from typing import Final

import numpy as np

from muledetect.clock import DAY, HOUR
from muledetect.simulation.days import EVENING, OFFICE, TALKING
from muledetect.simulation.economy import Act, Economy, every_week, monthly
from muledetect.simulation.life.spending import Habit, in_parts, send_onward
from muledetect.simulation.people import CODE
from muledetect.simulation.plan import OF_BALANCE, UP_TO
from muledetect.simulation.streams import hash_uniform, pick_from

_WINDFALL_WAYS: Final = {"known": 0.35, "elsewhere": 0.25, "goods": 0.12, "company": 0.1, "stranger": 0.08,
                         "cash": 0.06, "vasp": 0.04}  # fmt: skip
_CAR_MONEY: Final = Habit(5 * 3600, 2.3, _WINDFALL_WAYS)
_WINDFALL: Final = Habit(7 * 3600, 2.2, _WINDFALL_WAYS)


@every_week
def purchases(week: Economy) -> None:
    """Cars, land, gold, second-hand goods: a first-ever payee, a test payment, rising parts that drain the payer.

    Private receivers often pass the money on to buy their next thing.
    """
    who, day = week.our_people().acts(week, 0.0017, week.calendar.shopping)
    n = len(who)
    moment, pots = week.moments(day, TALKING), week.plan.new_pots(n)
    private = week.rng.random(n) < 0.65
    payee = np.where(private, week.strangers(n), week.business(n, "goods", "company"))
    tested = np.flatnonzero(week.rng.random(n) < 0.25)
    first = week.amounts(len(tested), 10, 1.2) + 100
    week.pay_person(moment[tested], who[tested], payee[tested], amount=first)
    moment[tested] += (week.rng.random(len(tested)) ** 2 * DAY).astype(np.int64) + 60_000_000
    row, number, parts = in_parts(week.rng, n)
    is_last = number == parts - 1
    share = np.where(is_last, week.rng.uniform(0.3, 1.0, len(row)), week.rng.uniform(0.02, 0.3, len(row)))
    when = moment[row] + (number * week.rng.exponential(2 * 3600, len(row)) * 1e6).astype(np.int64)
    week.pay_person(when, who[row], payee[row], mode=OF_BALANCE, share=share, pot_in=pots[row])
    again = np.flatnonzero(private & (week.rng.random(n) < 0.7))
    when, seller = week.delayed(moment[again] + 3 * HOUR, 4 * 3600, 2.2), week.strangers(len(again))
    more = week.rng.uniform(0.5, 1.0, len(again))
    week.pay_person(when, payee[again], seller, pot_out=pots[again], share=more, keep=0.03)


@every_week
def outside_buyers(week: Economy) -> None:
    """People of other banks buy a car or a telephone from ours, who soon spend the money."""
    buyer, day = week.other_people().acts(week, 0.003, week.calendar.shopping)
    seller = week.strangers(len(buyer))
    ours = np.flatnonzero(week.people.is_own[seller])
    buyer, seller, n = buyer[ours], seller[ours], len(ours)
    moment, pots = week.moments(day[ours], TALKING), week.plan.new_pots(n)
    week.pay_person(moment, buyer, seller, amount=week.amounts(n, 9_000, 1.5), mode=UP_TO, pot_in=pots)
    send_onward(week, _CAR_MONEY, pots, seller, moment, week.rng.uniform(0, 0.5, n))


def windfalls(economy: Economy) -> Act:
    """Inheritance, land sold, insurance, a lottery: a sum beyond anything before, soon shared, invested or spent.

    It comes to people at random, and to most dormant accounts that wake: that is why they wake.
    """
    people = economy.people
    actors = economy.our_people()
    wakers = people.of("dormant", own=True)
    wakers = wakers[
        (people.active_from[wakers] >= economy.calendar.start) & (people.active_from[wakers] < economy.calendar.end)
    ]
    wakers = wakers[economy.rng.random(len(wakers)) < 0.6]
    wakers = wakers[np.argsort(people.active_from[wakers], kind="stable")]
    wakes = people.active_from[wakers]

    def plan(week: Economy) -> None:
        now = week.span.rows_within(wakes)
        some, day = actors.acts(week, 0.00015, week.calendar.working)
        who = np.concatenate([some, wakers[now]])
        soon = week.delayed(wakes[now], 2 * 3600, 1.3)
        moment = np.concatenate([week.moments(day, OFFICE), soon])
        n = len(who)
        payer = np.where(week.rng.random(n) < 0.5, week.business(n, "company"), week.elsewhere(n))
        slept = people.persona[who] == CODE["dormant"]
        pots = week.plan.new_pots(n)
        amount = week.amounts(n, np.where(slept, 30_000, 120_000), 1.5)
        week.pay_person(moment, payer, who, amount=amount, mode=UP_TO, pot_in=pots)
        send_onward(week, _WINDFALL, pots, who, moment, np.where(week.rng.random(n) < 0.6, 0.05, 0.6))

    return plan


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
