"""Shopping, cash machines, deposits; and how money that came goes on: in parts, after a while, to whom."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, NamedTuple

import numpy as np

from muledetect.arrays import Float64Array, Int64Array
from muledetect.simulation.days import OFFICE, SHOPPING
from muledetect.simulation.economy import Economy, every_week
from muledetect.simulation.people import cash_machines
from muledetect.simulation.plan import OF_BALANCE, UP_TO
from muledetect.simulation.streams import pick, ragged

#: What a machine gives at most, in satang (choice).
_MOST: Final = 3_000_000


@every_week
def shopping(week: Economy) -> None:
    """Our people's trips to shops and stalls: mostly favourites, one or several payments a trip, now and then large.

    Amounts are log-normal. The mean of PromptPay transfers under 5,000 baht was 510 baht in December 2023 [1]_, with
    people's transfers in it; a purchase by QR is smaller: median 85 baht, one in 25 large (choice).

    References
    ----------
    .. [1] Bank of Thailand, Payment Insight, in: Bangkok Post, "PromptPay usage hits record high in 2023",
       bangkokpost.com/business/general/2775166
    """
    trips, day = week.our_people().bursty_acts(week, 0.16, week.calendar.shopping)
    moment = week.moments(day, SHOPPING)
    # A trip has 1.4 payments, some minutes apart: what makes people's payments come in bursts.
    count = np.minimum(week.rng.geometric(0.7, len(trips)), 6)
    row, number = ragged(count)
    gap = (number * week.rng.uniform(60, 1_800, len(row)) * 1e6).astype(np.int64)
    who = trips[row]
    shop = week.favourites.draw(week.rng, who)
    other = np.flatnonzero(week.rng.random(len(who)) < 0.25)
    shop[other] = week.business(len(other), "shop", "stall", "goods")
    _buy(week, who, shop, moment[row] + gap, week.spending_level(who))


@every_week
def outside_customers(week: Economy) -> None:
    """People of other banks in our shops and at our stalls; there is more of them than the world holds (choice)."""
    who, day = week.other_people().acts(week, 0.5, week.calendar.shopping)
    shop = week.favourites.draw(week.rng, who)
    ours = np.flatnonzero(week.people.is_own[shop])
    _buy(week, who[ours], shop[ours], week.moments(day[ours], SHOPPING), np.ones(len(ours)))


def _buy(economy: Economy, who: Int64Array, shop: Int64Array, moment: Int64Array, levels: Float64Array) -> None:
    amount = economy.amounts(len(who), 85 * levels, 0.95)
    large = np.flatnonzero(economy.rng.random(len(who)) < 0.04)
    amount[large] = economy.amounts(len(large), 1_800, 1.1)
    by_card = economy.rng.random(len(who)) < 0.13
    for channel, part in (("card", np.flatnonzero(by_card)), ("qr_merchant", np.flatnonzero(~by_card))):
        economy.pay(channel, moment[part], who[part], shop[part], amount=amount[part])


def near(economy: Economy, who: Int64Array) -> Int64Array:
    """Return the machine or counter that each one uses now: mostly at home."""
    home = economy.people.area[who]
    place = np.where(
        economy.rng.random(len(who)) < 0.85, home, economy.rng.integers(0, economy.people.n_areas, len(who))
    )
    return cash_machines(economy.rng, place)


@every_week
def withdrawals(week: Economy) -> None:
    """Cash machines, about twice a month and account; one time in three for a good part of all there is (choice)."""
    who, day = week.our_people().bursty_acts(week, 0.06, week.calendar.shopping)
    drains = week.rng.random(len(who)) < 0.3
    amount = week.amounts(len(who), 1_200 * week.spending_level(who), 0.9)
    week.pay(
        "cash_atm",
        week.moments(day, SHOPPING),
        who,
        week.people.cash_of(who),
        mode=np.where(drains, OF_BALANCE, UP_TO),
        share=week.rng.uniform(0.1, 0.9, len(who)),
        amount=np.where(drains, _MOST, np.clip(amount, 10_000, _MOST)),
        terminal=near(week, who),
    )


@every_week
def deposits(week: Economy) -> None:
    """Cash paid in, sometimes a large sum; one in five goes to the counter again within some days."""
    who, day = week.our_people().acts(week, 0.018, week.calendar.working + 0.4)
    n = len(who)
    moment, terminal, till = week.moments(day, OFFICE), near(week, who), week.people.cash_of(who)
    big = week.rng.random(n) < 0.05
    amount = np.where(big, week.amounts(n, 30_000, 1.0), week.amounts(n, 1_800, 1.0))
    week.pay("cash_deposit", moment, till, who, amount=amount, rounding=10_000, terminal=terminal)
    out = np.flatnonzero(week.rng.random(n) < 0.2)
    week.pay(
        "cash_counter",
        week.delayed(moment[out], 40 * 3600, 1.5),
        who[out],
        till[out],
        mode=OF_BALANCE,
        share=week.rng.uniform(0.05, 0.9, len(out)),
        rounding=10_000,
        terminal=terminal[out],
    )


#: Channel by way; people are paid by proxy or account number.
_CHANNEL: Final = {
    "biller": "bill", "vasp": "vasp", "wallet": "wallet", "shop": "qr_merchant", "goods": "p2p_account",
    "company": "p2p_account", "cash": "cash_counter",
}  # fmt: skip
#: Odds of one to four parts (choice).
_PARTS: Final = np.array([0.55, 0.25, 0.13, 0.07])


def in_parts(rng: np.random.Generator, n: int) -> tuple[Int64Array, Int64Array, Int64Array]:
    """Return (row, number of the part, parts of the row) for `n` sums that leave in one to four parts."""
    parts = 1 + pick(rng, _PARTS, n)
    row, number = ragged(parts)
    return row, number, parts[row]


class Habit(NamedTuple):
    """How money that came goes on: log-normal delays, and the weight of each way.

    The ways are `known` people, a `stranger`, an account `elsewhere`, or one of those that have a channel of their own.
    """

    median_s: float
    spread: float
    ways: Mapping[str, float]


def send_onward(
    economy: Economy, habit: Habit, pots: Int64Array, source: Int64Array, moment: Int64Array, keep: float | Float64Array
) -> None:
    """Plan how the money of each pot leaves `source` after `moment`, in parts; the share `keep` stays."""
    row, number, parts = in_parts(economy.rng, len(pots))
    leaves = economy.delayed(moment[row], habit.median_s, habit.spread)
    names = list(habit.ways)
    way = pick(economy.rng, np.array(list(habit.ways.values())), len(row))
    for code, name in enumerate(names):
        chosen = np.flatnonzero(way == code)
        payer = source[row[chosen]]
        columns: dict[str, Any] = {
            "time": leaves[chosen],
            "source": payer,
            "target": _payee(economy, name, payer),
            "pot_out": pots[row[chosen]],
            "share": (1 / parts[chosen])
            * np.where(number[chosen] == 0, 1.0, economy.rng.uniform(0.8, 1.0, len(chosen))),
            "keep": keep[row[chosen]] if isinstance(keep, np.ndarray) else keep,
        }
        if name == "cash":
            columns |= {"terminal": near(economy, payer), "rounding": 10_000}
        if name in _CHANNEL:
            economy.pay(_CHANNEL[name], **columns)
        else:
            economy.pay_person(**columns)


def _payee(economy: Economy, way: str, payer: Int64Array) -> Int64Array:
    if way == "known":
        return economy.contacts.draw(economy.rng, payer)
    if way == "stranger":
        return economy.strangers(len(payer))
    if way == "elsewhere":
        return economy.elsewhere(len(payer))
    if way == "cash":
        return economy.people.cash_of(payer)
    return economy.business(len(payer), way)
