"""What a home costs: bills, subscriptions, rent."""

from __future__ import annotations

from typing import Final

import numpy as np

from muledetect.arrays import Int64Array
from muledetect.simulation.days import BATCH, EVENING, TALKING
from muledetect.simulation.economy import Act, Economy, monthly
from muledetect.simulation.people import CODE
from muledetect.simulation.plan import OF_BALANCE
from muledetect.simulation.streams import pick

#: Prices of subscriptions in satang (choice: usual price points).
_PRICES: Final = np.array([3_500, 5_900, 9_900, 12_900, 16_900, 24_900, 29_900, 41_900, 59_900, 89_900])


def _payers(economy: Economy, mean: float) -> Int64Array:
    """Return our people, each as often as they have contracts."""
    people = economy.people
    who = np.flatnonzero(people.is_private & people.is_own & (people.persona != CODE["dormant"]))
    return np.repeat(who, economy.rng.poisson(mean, len(who))).astype(np.int32)


def bills(economy: Economy) -> Act:
    """One or two bills a month to the same billers, on about the same day, of about the same size."""
    payer = _payers(economy, 1.6)
    biller = economy.business(len(payer), "biller").astype(np.int32)
    schedule = monthly(economy.rng.integers(1, 29, len(payer)))
    size = economy.amounts(len(payer), 520, 0.8)

    def plan(week: Economy) -> None:
        row, day = schedule.due(week.span)
        day = np.clip(day + week.rng.integers(-2, 3, len(day)), 0, week.calendar.n_days - 1)
        amount = np.maximum(size[row] * (1 + 0.15 * week.rng.standard_normal(len(row))), 2_000).astype(np.int64)
        week.pay("bill", week.moments(day, EVENING), payer[row], biller[row], amount=amount)

    return plan


def subscriptions(economy: Economy) -> Act:
    """Fixed sums by card on the same day of every month, booked at night."""
    payer = _payers(economy, 0.6)
    firm = economy.business(len(payer), "platform", "biller").astype(np.int32)
    schedule = monthly(economy.rng.integers(1, 32, len(payer)))
    price = _PRICES[economy.rng.integers(0, len(_PRICES), len(payer))].astype(np.int32)

    def plan(week: Economy) -> None:
        row, day = schedule.due(week.span)
        moment = week.moments(day, BATCH)
        week.pay("card", moment, payer[row], firm[row], amount=price[row], rounding=1)

    return plan


def rents(economy: Economy) -> Act:
    """Rent in the first days of the month: landlords and estate firms fan in honestly."""
    people = economy.people
    tenants = people.of("salaried", "student", "gig", "seller", "stall", "irregular", "migrant", "trader")
    tenants = tenants[economy.rng.random(len(tenants)) < 0.25]
    landlords = people.of("landlord", "company")
    home = landlords[pick(economy.rng, np.where(people.persona[landlords] == CODE["landlord"], 5, 0.5), len(tenants))]
    seen = economy.is_visible(tenants, home)
    tenants, home = tenants[seen], home[seen]
    rent = np.maximum(
        people.income[tenants] * np.exp(economy.rng.normal(-1.4, 0.3, len(tenants))) // 10_000 * 10_000, 50_000
    )
    rent = rent.astype(np.int64)
    schedule = monthly(economy.rng.integers(1, 7, len(tenants)))

    def plan(week: Economy) -> None:
        row, day = schedule.due(week.span)
        # Water and power come on top in two homes out of five.
        extra = np.where(home[row] % 5 < 2, week.amounts(len(row), 420, 0.4), 0)
        week.pay_person(week.moments(day, EVENING), tenants[row], home[row], amount=rent[row] + extra, rounding=100)

    return plan


def rents_go_on(economy: Economy) -> Act:
    """Landlords move the rents on once they are in: to the mortgage, to an account elsewhere."""
    owners = economy.people.of("landlord", own=True)
    away = economy.elsewhere(len(owners))
    schedule = monthly(economy.rng.integers(6, 12, len(owners)))

    def plan(week: Economy) -> None:
        row, day = schedule.due(week.span)
        when = week.moments(day, TALKING)
        week.pay_person(when, owners[row], away[row], mode=OF_BALANCE, share=week.rng.uniform(0.3, 0.95, len(row)))

    return plan
