"""Wallets, exchanges, coin traders, and marketplaces that hold the buyer's money."""

from __future__ import annotations

import numpy as np

from muledetect.simulation.days import EVENING
from muledetect.simulation.economy import Act, Actors, Economy
from muledetect.simulation.people import CODE
from muledetect.simulation.plan import UP_TO
from muledetect.simulation.streams import hash_uniform


def _users(economy: Economy, name: str, share: float, salt: int) -> Actors:
    """Return the share of our people who use an app at all; always the same ones."""

    def build() -> Actors:
        everybody = economy.our_people()
        uses = hash_uniform(everybody.who.astype(np.int64), salt, economy.config.seed) < share
        return Actors.of(everybody.who[uses], np.diff(everybody.edges, prepend=0.0)[uses])

    return economy.pool(name, build)


def wallets(economy: Economy) -> Act:
    """Top-ups of e-money wallets by a third of all people; one in ten moves money back (choice)."""
    actors = _users(economy, "wallet users", 0.35, 61)

    def plan(week: Economy) -> None:
        who, day = actors.bursty_acts(week, 0.07, week.calendar.shopping)
        moment, n = week.moments(day, EVENING), len(who)
        wallet = week.business(n, "wallet")
        amount = week.amounts(n, 350, 1.2)
        out = week.rng.random(n) < 0.1
        week.pay("wallet", moment, np.where(out, wallet, who), np.where(out, who, wallet), amount=amount)

    return plan


def exchanges(economy: Economy) -> Act:
    """Coins bought and sold by one in fifteen; some sell all at once and get a large pay-out."""
    actors = _users(economy, "exchange users", 0.065, 62)

    def plan(week: Economy) -> None:
        who, day = actors.acts(week, 0.11, week.calendar.even)
        n = len(who)
        exchange = week.business(n, "vasp")
        sells = week.rng.random(n) < 0.4
        most = week.people.income[who] * np.where(week.rng.random(n) < 0.05, 20, 2)
        amount = np.minimum(most, week.amounts(n, 3_500, 1.6)).astype(np.int64)
        when = week.moments(day, EVENING)
        payer = np.where(sells, exchange, who)
        week.pay("vasp", when, payer, np.where(sells, who, exchange), amount=amount, mode=UP_TO)

    return plan


def marketplaces(economy: Economy) -> Act:
    """Marketplaces hold a buyer's money for days and then pay the seller, less their fee; one in thirty is refunded."""
    actors = economy.our_people()
    people = economy.people
    who = people.of("seller", "stall", "irregular")
    usual = np.where(people.persona[who] == CODE["irregular"], 0.15, 1.0)
    sellers = Actors.of(who, usual * np.minimum(people.popularity[who], 50))

    def plan(week: Economy) -> None:
        who, day = actors.acts(week, 0.014, week.calendar.even)
        n = len(who)
        moment, pots = week.moments(day, EVENING), week.plan.new_pots(n)
        house = week.business(n, "escrow")
        week.pay("bill", moment, who, house, amount=week.amounts(n, 420, 1.0), pot_in=pots)
        seller = sellers.draw(week.rng, n)
        refunded = week.rng.random(n) < 0.03
        when = week.delayed(moment, 3 * 86_400, 0.5)
        week.pay_person(when, house, np.where(refunded, who, seller), pot_out=pots, keep=np.where(refunded, 0.0, 0.06))

    return plan


def coin_traders(economy: Economy) -> Act:
    """A handful of trades a day, each passed on within the hour with a margin of two percent."""
    people = economy.people
    who = people.of("trader", own=True)
    actors = Actors.of(who, np.minimum(1.1 * people.activity_level[who], 8))

    def plan(week: Economy) -> None:
        trader, day = actors.acts(week, 1.0, week.calendar.even)
        n = len(trader)
        moment, pots = week.moments(day, EVENING), week.plan.new_pots(n)
        amount, exchange = week.amounts(n, 5_500, 1.2), week.business(n, "vasp")
        buys = week.rng.random(n) < 0.7
        b, s = np.flatnonzero(buys), np.flatnonzero(~buys)
        week.pay_person(moment[b], week.strangers(len(b)), trader[b], amount=amount[b], mode=UP_TO, pot_in=pots[b])
        when = week.delayed(moment[b], 2400, 1.9)
        share = week.rng.uniform(0.8, 1.0, len(b))
        week.pay("vasp", when, trader[b], exchange[b], pot_out=pots[b], share=share, keep=0.02)
        week.pay("vasp", moment[s], exchange[s], trader[s], amount=amount[s], pot_in=pots[s])
        week.pay_person(
            week.delayed(moment[s], 2400, 1.9), trader[s], week.strangers(len(s)), pot_out=pots[s], keep=0.02
        )

    return plan
