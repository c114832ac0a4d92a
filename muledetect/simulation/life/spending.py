"""Shopping by QR code and card, cash machines, deposits and counters."""

from __future__ import annotations

from typing import Final

import numpy as np

from muledetect.arrays import Float64Array, Int64Array
from muledetect.simulation.days import OFFICE, SHOPPING
from muledetect.simulation.economy import Economy, every_week
from muledetect.simulation.people import cash_machines
from muledetect.simulation.plan import OF_BALANCE, UP_TO

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
    row = np.repeat(np.arange(len(trips)), count)
    number = np.arange(len(row)) - np.repeat(np.cumsum(count) - count, count)
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
