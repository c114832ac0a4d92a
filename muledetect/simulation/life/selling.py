"""People who sell: online sellers, live shows, resellers who hold no stock, market stalls.

An online seller looks like a collector of a ring: many strangers pay in, and soon most of it goes on at once.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from muledetect.arrays import Float64Array, Int64Array
from muledetect.clock import DAY, HOUR
from muledetect.simulation.days import EVENING, TALKING
from muledetect.simulation.economy import Act, Economy
from muledetect.simulation.people import CODE
from muledetect.simulation.plan import OF_BALANCE
from muledetect.simulation.streams import hash_uniform

#: Shares of sellers (choice).
_RESELLER: Final = 0.2
_SHOWING: Final = 0.12


def _price(economy: Economy, seller: Int64Array) -> Float64Array:
    """Return each seller's usual price in baht: always the same, log-normal around 300."""
    first, second = (np.maximum(hash_uniform(seller, salt, economy.config.seed), 1e-12) for salt in (71, 72))
    normal = np.sqrt(-2 * np.log(first)) * np.cos(2 * np.pi * second)
    return np.asarray(300 * np.exp(0.9 * normal))


def _grown(week: Economy, who: Int64Array, trend: Float64Array) -> Float64Array:
    """Return the size of each business now: new ones grow quickly, old ones drift."""
    months = (week.span.start - week.calendar.start) / DAY / 30 - week.calendar.n_days / 60
    age = np.maximum(week.span.end - week.people.opened_at[who], 0) / DAY
    young = np.where(age < 120, 0.15 + 0.85 * np.minimum(age / 30, 1.0) * (1 + hash_uniform(who, 74)), 1.0)
    return np.asarray(young * np.clip(np.exp(trend * months), 0.1, 8))


def orders(economy: Economy) -> Act:
    """Strangers pay online sellers all day; of resellers' orders most goes on to the supplier, less their margin."""
    people = economy.people
    who = people.of("seller")
    rate = np.minimum(0.85 * people.activity_level[who] * people.popularity[who] ** 0.6, 25)
    resells = hash_uniform(who, 73, economy.config.seed) < _RESELLER
    trend = 0.35 * economy.rng.standard_normal(len(who))
    supplier = np.where(economy.rng.random(len(who)) < 0.5, economy.business(len(who), "company", "goods"),
                        economy.strangers(len(who)))  # fmt: skip
    margin = economy.rng.uniform(0.05, 0.3, len(who))

    def plan(week: Economy) -> None:
        row, day = week.span.draw_events(week.rng, rate * _grown(week, who, trend), week.calendar.even)
        buyer = week.strangers(len(row))
        order = np.flatnonzero(week.is_visible(who[row], buyer))
        row, buyer, moment = row[order], buyer[order], week.moments(day[order], TALKING)
        passes = np.flatnonzero(resells[row] & people.is_own[who[row]])
        pots = week.plan.pots_for(passes, len(row))
        amount = week.amounts(len(row), _price(week, who[row]), 0.6)
        week.pay_person(moment, buyer, who[row], amount=amount, pot_in=pots)
        when = week.delayed(moment[passes], 3_000, 1.6)
        week.pay_person(when, who[row[passes]], supplier[row[passes]], pot_out=pots[passes], keep=margin[row[passes]])

    return plan


def suppliers(economy: Economy) -> Act:
    """Sellers pay their supplier out of the balance: every evening, twice a week, or weekly."""
    who = economy.people.of("seller", own=True)
    supplier = np.where(economy.rng.random(len(who)) < 0.5, economy.business(len(who), "company", "goods"),
                        economy.strangers(len(who)))  # fmt: skip
    rate = economy.rng.choice([0.12, 0.3, 0.8], len(who))

    def plan(week: Economy) -> None:
        row, day = week.span.draw_events(week.rng, rate, week.calendar.even)
        when = week.moments(day, EVENING)
        week.pay_person(when, who[row], supplier[row], mode=OF_BALANCE, share=week.rng.uniform(0.4, 0.98, len(row)))

    return plan


def live_shows(economy: Economy) -> Act:
    """Sellers who sell live in the evening: dozens of strangers pay alike sums in two hours, paid out that night."""
    people = economy.people
    who = people.of("seller", own=True)
    who = who[economy.rng.random(len(who)) < _SHOWING]
    rate = economy.rng.gamma(2.0, 0.1, len(who))
    most = max(8, len(people.persona) // 50)

    def plan(week: Economy) -> None:
        show, day = week.span.draw_events(week.rng, rate, week.calendar.even)
        n = len(show)
        begins = week.calendar.start + day * DAY + (18 * HOUR + 3 * HOUR * week.rng.random(n)).astype(np.int64)
        row = np.repeat(np.arange(n), np.clip(week.rng.lognormal(2.7, 0.7, n), 4, min(most, 150)).astype(np.int64))
        pots = week.plan.new_pots(n)
        price = _price(week, who[show]) * np.exp(0.3 * week.rng.standard_normal(n))
        when = begins[row] + (2 * HOUR * week.rng.random(len(row))).astype(np.int64)
        payer = week.strangers(len(row))
        week.pay_person(when, payer, who[show[row]], amount=week.amounts(len(row), price[row], 0.2), pot_in=pots[row])
        week.pay_person(
            week.delayed(begins + 2 * HOUR, 2_400, 1.4),
            who[show],
            week.business(n, "company", "goods"),
            pot_out=pots,
            share=week.rng.uniform(0.6, 1.0, n),
        )

    return plan


def takings(economy: Economy) -> Act:
    """Stalls and shops pay wholesalers from their takings and move the rest to their owner."""
    people = economy.people
    who = people.of("stall", "shop", "goods", own=True)
    is_stall = people.persona[who] == CODE["stall"]
    wholesaler = economy.business(len(who), "company", "goods")
    owner = np.where(economy.rng.random(len(who)) < 0.5, economy.strangers(len(who)), economy.elsewhere(len(who)))

    def plan(week: Economy) -> None:
        for target, rate in ((wholesaler, np.where(is_stall, 0.3, 0.12)), (owner, np.where(is_stall, 0.04, 0.06))):
            row, day = week.span.draw_events(week.rng, rate, week.calendar.shopping)
            when = week.moments(day, EVENING)
            share = week.rng.uniform(0.1, np.where(is_stall[row], 0.97, 0.7))
            week.pay_person(when, who[row], target[row], mode=OF_BALANCE, share=share)

    return plan
