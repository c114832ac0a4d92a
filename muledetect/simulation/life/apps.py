"""Money that goes through others: wallets, exchanges, coin traders, marketplaces, and agents over the border."""

from __future__ import annotations

import numpy as np

from muledetect.clock import DAY
from muledetect.simulation.days import EVENING, OFFICE
from muledetect.simulation.economy import Act, Actors, Economy, every_week, monthly
from muledetect.simulation.people import CODE
from muledetect.simulation.plan import OF_BALANCE, UP_TO
from muledetect.simulation.streams import hash_uniform


def _users(economy: Economy, name: str, share: float, salt: int) -> Actors:
    """Return the share of our people who use an app at all; always the same ones."""

    def build() -> Actors:
        everybody = economy.our_people()
        uses = hash_uniform(everybody.who.astype(np.int64), salt, economy.config.seed) < share
        return Actors.of(everybody.who[uses], np.diff(everybody.edges, prepend=0.0)[uses])

    return economy.pool(name, build)


@every_week
def wallets(week: Economy) -> None:
    """Top-ups of e-money wallets by a third of all people; one in ten moves money back (choice)."""
    who, day = _users(week, "wallet users", 0.35, 61).bursty_acts(week, 0.07, week.calendar.shopping)
    moment, n = week.moments(day, EVENING), len(who)
    wallet = week.business(n, "wallet")
    amount = week.amounts(n, 350, 1.2)
    out = week.rng.random(n) < 0.1
    week.pay("wallet", moment, np.where(out, wallet, who), np.where(out, who, wallet), amount=amount)


@every_week
def exchanges(week: Economy) -> None:
    """Coins bought and sold by one in fifteen; some sell all at once and get a large pay-out."""
    who, day = _users(week, "exchange users", 0.065, 62).acts(week, 0.11, week.calendar.even)
    n = len(who)
    exchange = week.business(n, "vasp")
    sells = week.rng.random(n) < 0.4
    most = week.people.income[who] * np.where(week.rng.random(n) < 0.05, 20, 2)
    amount = np.minimum(most, week.amounts(n, 3_500, 1.6)).astype(np.int64)
    when = week.moments(day, EVENING)
    payer = np.where(sells, exchange, who)
    week.pay("vasp", when, payer, np.where(sells, who, exchange), amount=amount, mode=UP_TO)


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


def migrants(economy: Economy) -> Act:
    """Migrants are paid, and send a third to two thirds home soon after: through an agent, or directly."""
    people = economy.people
    worker = people.of("migrant")
    boss = economy.business(len(worker), "company", "shop")
    agents, abroad = people.of("agent"), people.of("xborder")
    agent = agents[economy.rng.integers(0, len(agents), len(worker))]
    direct = economy.rng.random(len(worker)) < 0.25
    home = np.where(direct, abroad[economy.rng.integers(0, len(abroad), len(worker))], agent)
    seen = economy.is_visible(worker, boss) | economy.is_visible(worker, home)
    worker, boss, home, direct = worker[seen], boss[seen], home[seen], direct[seen]
    schedule = monthly(economy.rng.integers(1, 32, len(worker)))

    def plan(week: Economy) -> None:
        row, day = schedule.due(week.span)
        moment, pots = week.moments(day, OFFICE), week.plan.new_pots(len(row))
        wage = people.income[worker[row]].astype(np.int64)
        week.pay("payroll", moment, boss[row], worker[row], amount=wage, rounding=10_000, pot_in=pots)
        sends = week.delayed(moment, 86_400, 0.8)
        share = week.rng.uniform(0.25, 0.7, len(row))
        i, j = np.flatnonzero(direct[row]), np.flatnonzero(~direct[row])
        week.pay("xborder", sends[i], worker[row[i]], home[row[i]], pot_out=pots[i], share=share[i])
        week.pay_person(sends[j], worker[row[j]], home[row[j]], pot_out=pots[j], share=share[j])

    return plan


def remittance_agents(economy: Economy) -> Act:
    """Agents also take from other people, and batch all of the day over the border the same evening."""
    people = economy.people
    agents, abroad = people.of("agent", own=True), people.of("xborder")
    actors = Actors.of(agents, 2.0 * people.activity_level[agents])

    def plan(week: Economy) -> None:
        agent, day = actors.acts(week, 1.0, week.calendar.working + 0.5)
        n = len(agent)
        when = week.moments(day, OFFICE)
        week.pay_person(when, week.strangers(n), agent, amount=week.amounts(n, 2_600, 0.8), mode=UP_TO)
        length = week.span.last - week.span.first
        sender = np.repeat(agents, length)
        evening = np.tile(np.arange(week.span.first, week.span.last), len(agents))
        week.pay(
            "xborder",
            week.moments(evening, EVENING),
            sender,
            abroad[week.rng.integers(0, len(abroad), len(sender))],
            mode=OF_BALANCE,
            share=week.rng.uniform(0.85, 0.99, len(sender)),
        )

    return plan


def border_trade(economy: Economy) -> Act:
    """Traders and some families pay abroad and are paid from there; goods sold for it follow within days."""
    people = economy.people
    trade = people.of("company", "shop", "goods", "stall", "seller", own=True)
    single = np.flatnonzero(people.is_private & people.is_own)
    single = single[economy.rng.random(len(single)) < 0.06]
    actors = Actors.of(np.concatenate([trade, single]), np.repeat([0.03, 0.025], [len(trade), len(single)]))
    abroad = people.of("xborder")

    def plan(week: Economy) -> None:
        who, day = actors.acts(week, 1.0, week.calendar.working)
        n = len(who)
        moment, other = week.moments(day, OFFICE), abroad[week.rng.integers(0, len(abroad), n)]
        amount = week.amounts(n, 26_000, 1.3)
        sells = week.rng.random(n) < 0.4
        pays, sold = np.flatnonzero(~sells), np.flatnonzero(sells)
        week.pay("xborder", moment[pays], who[pays], other[pays], amount=amount[pays], mode=UP_TO)
        pots = week.plan.new_pots(len(sold))
        week.pay("xborder", moment[sold], other[sold], who[sold], amount=amount[sold], pot_in=pots)
        when = week.delayed(moment[sold], DAY / 3e6, 1.6)
        payee = week.business(len(sold), "company", "goods")
        week.pay_person(when, who[sold], payee, pot_out=pots, share=week.rng.uniform(0.6, 1.0, len(sold)))

    return plan
