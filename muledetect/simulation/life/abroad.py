"""Money over the border: migrants' pay sent home, the agents who carry it, trade."""

from __future__ import annotations

import numpy as np

from muledetect.clock import DAY
from muledetect.simulation.life.crowd import crowd_of, is_seen, monthly
from muledetect.simulation.plan import OF_BALANCE, OF_POT, UP_TO
from muledetect.simulation.rhythm import EVENING, OFFICE, Span
from muledetect.simulation.town import Act, Town, baht, later


def migrants(town: Town, rng: np.random.Generator) -> Act:
    """Migrants are paid, and send a third to two thirds home soon after: through an agent, or directly."""
    people = town.people
    worker = people.of("migrant")
    boss = town.partner(rng, len(worker), "company", "shop")
    agents, abroad = people.of("agent"), people.of("xborder")
    agent = agents[rng.integers(0, len(agents), len(worker))]
    direct = rng.random(len(worker)) < 0.25
    home = np.where(direct, abroad[rng.integers(0, len(abroad), len(worker))], agent)
    seen = is_seen(town, worker, boss) | is_seen(town, worker, home)
    worker, boss, home, direct = worker[seen], boss[seen], home[seen], direct[seen]
    calendar = monthly(rng.integers(1, 32, len(worker)))

    def plan(span: Span, rng: np.random.Generator) -> None:
        row, day = calendar.due(span)
        moment, pots = span.moments(rng, day, OFFICE), town.plan.new_pots(len(row))
        wage = people.income[worker[row]].astype(np.int64)
        town.pay(
            rng, "payroll", time=moment, source=boss[row], target=worker[row], amount=wage, grain=10_000, pot_in=pots
        )
        sends = later(rng, moment, 86_400, 0.8)
        share = rng.uniform(0.25, 0.7, len(row))
        for channel, part in (("xborder", direct[row]), ("", ~direct[row])):
            i = np.flatnonzero(part)
            columns = {
                "time": sends[i],
                "source": worker[row[i]],
                "target": home[row[i]],
                "mode": OF_POT,
                "pot_out": pots[i],
                "share": share[i],
            }
            if channel:
                town.pay(rng, channel, **columns)
            else:
                town.hand_over(rng, **columns)

    return plan


def remittance_agents(town: Town, _rng: np.random.Generator) -> Act:
    """Agents also take from other people, and batch all of the day over the border the same evening."""
    people = town.people
    agents, abroad = people.of("agent", own=True), people.of("xborder")
    crowd = crowd_of(agents, 2.0 * people.liveliness[agents])

    def plan(span: Span, rng: np.random.Generator) -> None:
        agent, day = crowd.acts(span, rng, 1.0, span.rhythm.working + 0.5)
        n = len(agent)
        town.hand_over(
            rng,
            time=span.moments(rng, day, OFFICE),
            source=town.strangers(rng, n),
            target=agent,
            amount=baht(rng, n, 2_600, 0.8),
            mode=UP_TO,
        )
        length = span.last - span.first
        sender = np.repeat(agents, length)
        evening = np.tile(np.arange(span.first, span.last), len(agents))
        town.pay(
            rng,
            "xborder",
            time=span.moments(rng, evening, EVENING),
            source=sender,
            target=abroad[rng.integers(0, len(abroad), len(sender))],
            mode=OF_BALANCE,
            share=rng.uniform(0.85, 0.99, len(sender)),
        )

    return plan


def border_trade(town: Town, rng: np.random.Generator) -> Act:
    """Traders and some families pay abroad and are paid from there; goods sold for it follow within days."""
    people = town.people
    trade = people.of("company", "shop", "goods", "stall", "seller", own=True)
    single = np.flatnonzero(people.is_private & people.is_own)
    single = single[rng.random(len(single)) < 0.06]
    crowd = crowd_of(np.concatenate([trade, single]), np.repeat([0.03, 0.025], [len(trade), len(single)]))
    abroad = people.of("xborder")

    def plan(span: Span, rng: np.random.Generator) -> None:
        who, day = crowd.acts(span, rng, 1.0, span.rhythm.working)
        n = len(who)
        moment, other = span.moments(rng, day, OFFICE), abroad[rng.integers(0, len(abroad), n)]
        amount = baht(rng, n, 26_000, 1.3)
        sells = rng.random(n) < 0.4
        pays, sold = np.flatnonzero(~sells), np.flatnonzero(sells)
        town.pay(
            rng, "xborder", time=moment[pays], source=who[pays], target=other[pays], amount=amount[pays], mode=UP_TO
        )
        pots = town.plan.new_pots(len(sold))
        town.pay(
            rng, "xborder", time=moment[sold], source=other[sold], target=who[sold], amount=amount[sold], pot_in=pots
        )
        town.hand_over(
            rng,
            time=later(rng, moment[sold], DAY / 3e6, 1.6),
            source=who[sold],
            target=town.partner(rng, len(sold), "company", "goods"),
            mode=OF_POT,
            pot_out=pots,
            share=rng.uniform(0.6, 1.0, len(sold)),
        )

    return plan
