"""People who sell: online sellers, live shows, resellers who hold no stock, market stalls.

An online seller looks like a collector of a ring: many strangers pay in, and soon most of it goes on at once.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from muledetect.clock import DAY, HOUR
from muledetect.simulation.life.crowd import elsewhere
from muledetect.simulation.people import CODE
from muledetect.simulation.plan import OF_BALANCE, OF_POT
from muledetect.simulation.rhythm import EVENING, TALKING, Span
from muledetect.simulation.streams import Bool, Float64, Int64, chance
from muledetect.simulation.town import Act, Town, baht, later

#: Shares of sellers (choice).
_RESELLER: Final = 0.2
_SHOWING: Final = 0.12


def _price(town: Town, seller: Int64) -> Float64:
    """Return each seller's usual price in baht: always the same, log-normal around 300."""
    first, second = (np.maximum(chance(seller, salt, town.config.seed), 1e-12) for salt in (71, 72))
    normal = np.sqrt(-2 * np.log(first)) * np.cos(2 * np.pi * second)
    return np.asarray(300 * np.exp(0.9 * normal))


def _resells(town: Town, seller: Int64) -> Bool:
    return np.asarray(chance(seller, 73, town.config.seed) < _RESELLER)


def _buyers(town: Town, rng: np.random.Generator, seller: Int64) -> tuple[Int64, Int64]:
    """Return (order, buyer) of the orders in which the buyer or the seller is ours."""
    buyer = town.strangers(rng, len(seller))
    seen = np.flatnonzero(town.people.is_own[seller] | town.people.is_own[buyer])
    return seen, buyer[seen]


def _grown(town: Town, span: Span, who: Int64, trend: Float64) -> Float64:
    """Return the size of each business now: new ones grow quickly, old ones drift."""
    months = (span.start - town.rhythm.start) / DAY / 30 - town.rhythm.n_days / 60
    age = np.maximum(span.end - town.people.opened_at[who], 0) / DAY
    young = np.where(age < 120, 0.15 + 0.85 * np.minimum(age / 30, 1.0) * (1 + chance(who, 74)), 1.0)
    return np.asarray(young * np.clip(np.exp(trend * months), 0.1, 8))


def orders(town: Town, rng: np.random.Generator) -> Act:
    """Strangers pay online sellers all day; of resellers' orders most goes on to the supplier, less their margin."""
    people = town.people
    who = people.of("seller")
    rate = np.minimum(0.85 * people.liveliness[who] * people.popularity[who] ** 0.6, 25)
    trend = 0.35 * rng.standard_normal(len(who))
    supplier = np.where(rng.random(len(who)) < 0.5, town.partner(rng, len(who), "company", "goods"),
                        town.strangers(rng, len(who)))  # fmt: skip
    margin = rng.uniform(0.05, 0.3, len(who))

    def plan(span: Span, rng: np.random.Generator) -> None:
        row, day = span.happen(rng, rate * _grown(town, span, who, trend), span.rhythm.even)
        order, buyer = _buyers(town, rng, who[row])
        row, moment = row[order], span.moments(rng, day[order], TALKING)
        passes = np.flatnonzero(_resells(town, who[row]) & people.is_own[who[row]])
        pots = np.full(len(row), -1, np.int64)
        pots[passes] = town.plan.new_pots(len(passes))
        amount = baht(rng, len(row), _price(town, who[row]), 0.6)
        town.hand_over(rng, time=moment, source=buyer, target=who[row], amount=amount, pot_in=pots)
        town.hand_over(
            rng,
            time=later(rng, moment[passes], 3_000, 1.6),
            source=who[row[passes]],
            target=supplier[row[passes]],
            mode=OF_POT,
            pot_out=pots[passes],
            keep=margin[row[passes]],
        )

    return plan


def suppliers(town: Town, rng: np.random.Generator) -> Act:
    """Sellers pay their supplier out of the balance: every evening, twice a week, or weekly."""
    who = town.people.of("seller", own=True)
    supplier = np.where(rng.random(len(who)) < 0.5, town.partner(rng, len(who), "company", "goods"),
                        town.strangers(rng, len(who)))  # fmt: skip
    rate = rng.choice([0.12, 0.3, 0.8], len(who))

    def plan(span: Span, rng: np.random.Generator) -> None:
        row, day = span.happen(rng, rate, span.rhythm.even)
        town.hand_over(
            rng,
            time=span.moments(rng, day, EVENING),
            source=who[row],
            target=supplier[row],
            mode=OF_BALANCE,
            share=rng.uniform(0.4, 0.98, len(row)),
        )

    return plan


def live_shows(town: Town, rng: np.random.Generator) -> Act:
    """Sellers who sell live in the evening: dozens of strangers pay alike sums in two hours, paid out that night."""
    people = town.people
    who = people.of("seller", own=True)
    who = who[rng.random(len(who)) < _SHOWING]
    rate = rng.gamma(2.0, 0.1, len(who))
    most = max(8, len(people.persona) // 50)

    def plan(span: Span, rng: np.random.Generator) -> None:
        show, day = span.happen(rng, rate, span.rhythm.even)
        n = len(show)
        begins = span.rhythm.start + day * DAY + (18 * HOUR + 3 * HOUR * rng.random(n)).astype(np.int64)
        row = np.repeat(np.arange(n), np.clip(rng.lognormal(2.7, 0.7, n), 4, min(most, 150)).astype(np.int64))
        pots = town.plan.new_pots(n)
        price = _price(town, who[show]) * np.exp(0.3 * rng.standard_normal(n))
        town.hand_over(
            rng,
            time=begins[row] + (2 * HOUR * rng.random(len(row))).astype(np.int64),
            source=town.strangers(rng, len(row)),
            target=who[show[row]],
            amount=baht(rng, len(row), price[row], 0.2),
            pot_in=pots[row],
        )
        town.hand_over(
            rng,
            time=later(rng, begins + 2 * HOUR, 2_400, 1.4),
            source=who[show],
            target=town.partner(rng, n, "company", "goods"),
            mode=OF_POT,
            pot_out=pots,
            share=rng.uniform(0.6, 1.0, n),
        )

    return plan


def takings(town: Town, rng: np.random.Generator) -> Act:
    """Stalls and shops pay wholesalers from their takings and move the rest to their owner."""
    people = town.people
    who = people.of("stall", "shop", "goods", own=True)
    is_stall = people.persona[who] == CODE["stall"]
    wholesaler = town.partner(rng, len(who), "company", "goods")
    owner = np.where(rng.random(len(who)) < 0.5, town.strangers(rng, len(who)), elsewhere(town, rng, len(who)))

    def plan(span: Span, rng: np.random.Generator) -> None:
        for target, rate in ((wholesaler, np.where(is_stall, 0.3, 0.12)), (owner, np.where(is_stall, 0.04, 0.06))):
            row, day = span.happen(rng, rate, span.rhythm.shopping)
            town.hand_over(
                rng,
                time=span.moments(rng, day, EVENING),
                source=who[row],
                target=target[row],
                mode=OF_BALANCE,
                share=rng.uniform(0.1, np.where(is_stall[row], 0.97, 0.7)),
            )

    return plan
