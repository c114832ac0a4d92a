"""Money over the border: migrants' pay sent home, the agents who carry it, trade."""

from __future__ import annotations

import numpy as np

from muledetect.clock import DAY
from muledetect.simulation.days import EVENING, OFFICE
from muledetect.simulation.economy import Act, Actors, Economy, monthly
from muledetect.simulation.plan import OF_BALANCE, UP_TO


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
