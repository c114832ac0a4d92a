"""What a home costs: bills, subscriptions, rent."""

from __future__ import annotations

from typing import Final

import numpy as np

from muledetect.simulation.life.crowd import elsewhere, is_seen, monthly
from muledetect.simulation.people import CODE
from muledetect.simulation.plan import OF_BALANCE
from muledetect.simulation.rhythm import BATCH, EVENING, TALKING, Span
from muledetect.simulation.streams import Int64, pick
from muledetect.simulation.town import Act, Town, baht

#: Prices of subscriptions in satang (choice: usual price points).
_PRICES: Final = np.array([3_500, 5_900, 9_900, 12_900, 16_900, 24_900, 29_900, 41_900, 59_900, 89_900])


def _payers(town: Town, rng: np.random.Generator, mean: float) -> Int64:
    """Return our people, each as often as they have contracts."""
    people = town.people
    who = np.flatnonzero(people.is_private & people.is_own & (people.persona != CODE["dormant"]))
    return np.repeat(who, rng.poisson(mean, len(who))).astype(np.int32)


def bills(town: Town, rng: np.random.Generator) -> Act:
    """One or two bills a month to the same billers, on about the same day, of about the same size."""
    payer = _payers(town, rng, 1.6)
    biller = town.partner(rng, len(payer), "biller").astype(np.int32)
    calendar = monthly(rng.integers(1, 29, len(payer)))
    size = baht(rng, len(payer), 520, 0.8)

    def plan(span: Span, rng: np.random.Generator) -> None:
        row, day = calendar.due(span)
        day = np.clip(day + rng.integers(-2, 3, len(day)), 0, span.rhythm.n_days - 1)
        amount = np.maximum(size[row] * (1 + 0.15 * rng.standard_normal(len(row))), 2_000).astype(np.int64)
        town.pay(
            rng,
            "bill",
            time=span.moments(rng, day, EVENING),
            source=payer[row],
            target=biller[row],
            amount=amount,
        )

    return plan


def subscriptions(town: Town, rng: np.random.Generator) -> Act:
    """Fixed sums by card on the same day of every month, booked at night."""
    payer = _payers(town, rng, 0.6)
    firm = town.partner(rng, len(payer), "platform", "biller").astype(np.int32)
    calendar = monthly(rng.integers(1, 32, len(payer)))
    price = _PRICES[rng.integers(0, len(_PRICES), len(payer))].astype(np.int32)

    def plan(span: Span, rng: np.random.Generator) -> None:
        row, day = calendar.due(span)
        moment = span.moments(rng, day, BATCH)
        town.pay(rng, "card", time=moment, source=payer[row], target=firm[row], amount=price[row], grain=1)

    return plan


def rents(town: Town, rng: np.random.Generator) -> Act:
    """Rent in the first days of the month: landlords and estate firms fan in honestly."""
    people = town.people
    tenants = people.of("salaried", "student", "gig", "seller", "stall", "irregular", "migrant", "trader")
    tenants = tenants[rng.random(len(tenants)) < 0.25]
    landlords = people.of("landlord", "company")
    home = landlords[pick(rng, np.where(people.persona[landlords] == CODE["landlord"], 5, 0.5), len(tenants))]
    seen = is_seen(town, tenants, home)
    tenants, home = tenants[seen], home[seen]
    rent = np.maximum(people.income[tenants] * np.exp(rng.normal(-1.4, 0.3, len(tenants))) // 10_000 * 10_000, 50_000)
    rent = rent.astype(np.int64)
    calendar = monthly(rng.integers(1, 7, len(tenants)))

    def plan(span: Span, rng: np.random.Generator) -> None:
        row, day = calendar.due(span)
        # Water and power come on top in two homes out of five.
        extra = np.where(home[row] % 5 < 2, baht(rng, len(row), 420, 0.4), 0)
        town.hand_over(
            rng,
            time=span.moments(rng, day, EVENING),
            source=tenants[row],
            target=home[row],
            amount=rent[row] + extra,
            grain=100,
        )

    return plan


def rents_go_on(town: Town, rng: np.random.Generator) -> Act:
    """Landlords move the rents on once they are in: to the mortgage, to an account elsewhere."""
    owners = town.people.of("landlord", own=True)
    away = elsewhere(town, rng, len(owners))
    calendar = monthly(rng.integers(6, 12, len(owners)))

    def plan(span: Span, rng: np.random.Generator) -> None:
        row, day = calendar.due(span)
        town.hand_over(
            rng,
            time=span.moments(rng, day, TALKING),
            source=owners[row],
            target=away[row],
            mode=OF_BALANCE,
            share=rng.uniform(0.3, 0.95, len(row)),
        )

    return plan
