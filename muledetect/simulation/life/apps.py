"""Wallets, exchanges and marketplaces that hold the buyer's money."""

from __future__ import annotations

import numpy as np

from muledetect.simulation.life.crowd import Crowd, crowd_of, everybody
from muledetect.simulation.people import CODE
from muledetect.simulation.plan import OF_POT, UP_TO
from muledetect.simulation.rhythm import EVENING, Span
from muledetect.simulation.streams import chance, pick_from
from muledetect.simulation.town import Act, Pool, Town, baht, later


def _users(town: Town, name: str, share: float, salt: int) -> Crowd:
    """Return the share of our people who use an app at all; always the same ones."""

    def build() -> Pool:
        who, edges = town.pool("our everyday", lambda: _everybody(town))
        uses = chance(who.astype(np.int64), salt, town.config.seed) < share
        return who[uses], np.cumsum(np.diff(edges, prepend=0.0)[uses])

    return Crowd(*town.pool(name, build))


def _everybody(town: Town) -> Pool:
    crowd = everybody(town)
    return crowd.who, crowd.edges


def wallets(town: Town, _rng: np.random.Generator) -> Act:
    """Top-ups of e-money wallets by a third of all people; one in ten moves money back (choice)."""
    crowd = _users(town, "wallet users", 0.35, 61)

    def plan(span: Span, rng: np.random.Generator) -> None:
        who, day = crowd.moody_acts(span, rng, 0.07, span.rhythm.shopping)
        moment, n = span.moments(rng, day, EVENING), len(who)
        wallet = town.partner(rng, n, "wallet")
        amount = baht(rng, n, 350, 1.2)
        out = rng.random(n) < 0.1
        town.pay(
            rng,
            "wallet",
            time=moment,
            source=np.where(out, wallet, who),
            target=np.where(out, who, wallet),
            amount=amount,
        )

    return plan


def exchanges(town: Town, _rng: np.random.Generator) -> Act:
    """Coins bought and sold by one in fifteen; some sell all at once and get a large pay-out."""
    crowd = _users(town, "exchange users", 0.065, 62)

    def plan(span: Span, rng: np.random.Generator) -> None:
        who, day = crowd.acts(span, rng, 0.11, span.rhythm.even)
        n = len(who)
        exchange = town.partner(rng, n, "vasp")
        sells = rng.random(n) < 0.4
        most = town.people.income[who] * np.where(rng.random(n) < 0.05, 20, 2)
        amount = np.minimum(most, baht(rng, n, 3_500, 1.6)).astype(np.int64)
        town.pay(
            rng,
            "vasp",
            time=span.moments(rng, day, EVENING),
            source=np.where(sells, exchange, who),
            target=np.where(sells, who, exchange),
            amount=amount,
            mode=UP_TO,
        )

    return plan


def marketplaces(town: Town, _rng: np.random.Generator) -> Act:
    """Marketplaces hold a buyer's money for days and then pay the seller, less their fee; one in thirty is refunded."""
    crowd = everybody(town)
    sellers = _market_sellers(town)

    def plan(span: Span, rng: np.random.Generator) -> None:
        who, day = crowd.acts(span, rng, 0.014, span.rhythm.even)
        n = len(who)
        moment, pots = span.moments(rng, day, EVENING), town.plan.new_pots(n)
        house = town.partner(rng, n, "escrow")
        town.pay(rng, "bill", time=moment, source=who, target=house, amount=baht(rng, n, 420, 1.0), pot_in=pots)
        seller = sellers.who[pick_from(rng, sellers.edges, n)].astype(np.int64)
        refunded = rng.random(n) < 0.03
        town.hand_over(
            rng,
            time=later(rng, moment, 3 * 86_400, 0.5),
            source=house,
            target=np.where(refunded, who, seller),
            mode=OF_POT,
            pot_out=pots,
            keep=np.where(refunded, 0.0, 0.06),
        )

    return plan


def _market_sellers(town: Town) -> Crowd:
    people = town.people
    who = people.of("seller", "stall", "irregular")
    usual = np.where(people.persona[who] == CODE["irregular"], 0.15, 1.0)
    return crowd_of(who, usual * np.minimum(people.popularity[who], 50))
