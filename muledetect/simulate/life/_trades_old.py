"""Honest lives that look like a mule's: collectors, pass-through, bursts, sweeps and sudden large payments."""

from __future__ import annotations

from typing import Final

import numpy as np

from muledetect.clock import DAY, HOUR
from muledetect.simulate.people import CODE
from muledetect.simulate.plan import OF_BALANCE, OF_POT, UP_TO
from muledetect.simulate.rhythm import BATCH, EVENING, OFFICE, SHOPPING, TALKING
from muledetect.simulate.streams import Int64, events, pick
from muledetect.simulate.town import Behaviour, Town, baht, later


def sellers(town: Town, rng: np.random.Generator) -> None:
    """Online sellers: strangers pay in all day; suppliers are paid out of the balance the same evening."""
    people = town.people
    who = people.of("seller")
    chosen = who[events(rng, np.minimum(0.9 * people.liveliness[who] * people.popularity[who] ** 0.6, 25),
                        town.rhythm.n_days)]  # fmt: skip
    days = town.rhythm.some_days(rng, len(chosen), np.ones(town.rhythm.n_days))
    price = np.exp(rng.normal(5.7, 0.9, len(people.persona)))
    town.hand_over(rng, time=town.rhythm.moments(rng, days, TALKING), source=town.strangers(rng, len(chosen)),
                   target=chosen, amount=baht(rng, len(chosen), price[chosen], 0.6))  # fmt: skip
    supplier = np.where(rng.random(len(who)) < 0.5, town.partner(rng, len(who), "company", "goods"),
                        town.strangers(rng, len(who)))  # fmt: skip
    row = events(rng, rng.choice([0.12, 0.3, 0.8], len(who)), town.rhythm.n_days)
    days = town.rhythm.some_days(rng, len(row), np.ones(town.rhythm.n_days))
    town.hand_over(rng, time=town.rhythm.moments(rng, days, EVENING), source=who[row], target=supplier[row],
                   mode=OF_BALANCE, share=rng.uniform(0.4, 0.98, len(row)))  # fmt: skip


def stalls(town: Town, rng: np.random.Generator) -> None:
    """Stalls and shops pay wholesalers from their takings and move the rest to their owner."""
    people = town.people
    who = people.of("stall", "shop", "goods")
    row = events(rng, np.where(people.persona[who] == CODE["stall"], 0.35, 0.12), town.rhythm.n_days)
    wholesaler = town.partner(rng, len(who), "company", "goods")
    days = town.rhythm.some_days(rng, len(row), town.rhythm.shopping_days())
    town.hand_over(rng, time=town.rhythm.moments(rng, days, EVENING), source=who[row], target=wholesaler[row],
                   mode=OF_BALANCE, share=rng.uniform(0.3, 0.97, len(row)))  # fmt: skip
    owner = town.strangers(rng, len(who))
    row = events(rng, np.full(len(who), 0.05), town.rhythm.n_days)
    days = town.rhythm.some_days(rng, len(row), town.rhythm.shopping_days())
    town.hand_over(rng, time=town.rhythm.moments(rng, days, EVENING), source=who[row], target=owner[row],
                   mode=OF_BALANCE, share=rng.uniform(0.2, 0.9, len(row)))  # fmt: skip


def riders(town: Town, rng: np.random.Generator) -> None:
    """Riders: a platform pays daily, customers tip, collected cash is deposited and remitted at once."""
    people = town.people
    who = people.of("gig", own=True)
    platform = town.partner(rng, len(who), "platform")
    row = events(rng, np.minimum(0.6 * people.liveliness[who], 1.5), town.rhythm.n_days)
    days = town.rhythm.some_days(rng, len(row), np.ones(town.rhythm.n_days))
    moment = town.rhythm.moments(rng, days, BATCH)
    town.pay(rng, "payroll", time=moment, source=platform[row], target=who[row],
             amount=baht(rng, len(row), 480, 0.5))  # fmt: skip
    remits = rng.random(len(row)) < 0.25
    some, pots = row[remits], town.plan.new_pots(int(remits.sum()))
    paid = later(rng, moment[remits] + 8 * HOUR, 3600, 1.0)
    town.pay(rng, "cash_deposit", time=paid, source=people.cash_of(who[some]), target=who[some],
             amount=baht(rng, len(some), 700, 0.5), grain=10_000, pot_in=pots,
             terminal=people.area[who[some]] * 4)  # fmt: skip
    town.hand_over(rng, time=later(rng, paid, 240, 1.2), source=who[some], target=platform[some], mode=OF_POT,
                   pot_out=pots, share=rng.uniform(0.7, 1.0, len(some)))  # fmt: skip


def _collections(
    town: Town, rng: np.random.Generator, host: Int64, closes: Int64, size: Int64, each: Int64,
    spread_s: float, target: Int64, keep: float, same: float, payers: Int64 | None = None,
) -> None:  # fmt: skip
    """Many pay one within a while; soon after, the one pays all of it on."""
    pots = town.plan.new_pots(len(host))
    row = np.repeat(np.arange(len(host)), size)
    known = town.contacts.draw(rng, host[row], skew=1.0)
    if payers is None:
        payers = np.where(rng.random(len(row)) < 0.5, known, town.strangers(rng, len(row)))
    delay = (spread_s * 1e6 * rng.random(len(row)) ** 0.6).astype(np.int64)
    amount = (each[row] * np.exp(same * rng.standard_normal(len(row)))).astype(np.int64)
    moment = np.maximum(closes[row] - delay, town.rhythm.start + 1)
    town.hand_over(rng, time=moment, source=payers, target=host[row], amount=np.maximum(amount, 2_000),
                   pot_in=pots[row])  # fmt: skip
    parts = rng.choice([1, 1, 1, 2, 3], len(host))
    again = np.repeat(np.arange(len(host)), parts)
    town.hand_over(rng, time=later(rng, closes[again], 1500, 1.9), source=host[again], target=target[again],
                   mode=OF_POT, pot_out=pots[again], share=1.0 / parts[again], keep=keep)  # fmt: skip


def hosts(town: Town, rng: np.random.Generator) -> None:
    """Rotating-savings hosts: equal payments from a fixed circle, then one big payment to this round's member."""
    people = town.people
    who = people.of("host")
    if not len(who):
        return
    circle = np.repeat(np.arange(len(who)), rng.integers(1, 4, len(who)))
    members = rng.integers(7, 21, len(circle))
    each = baht(rng, len(circle), 1_500, 0.8) // 50_000 * 50_000 + 50_000
    first = np.concatenate([[0], np.cumsum(members)])
    belongs = town.strangers(rng, int(first[-1]))
    every = rng.choice([7, 15, 30], len(circle))
    for number in range(len(circle)):
        days = np.arange(int(rng.integers(1, every[number] + 1)), town.rhythm.n_days, int(every[number]))
        group = belongs[first[number] : first[number + 1]]
        host = np.full(len(days), who[circle[number]])
        _collections(
            town, rng, host, town.rhythm.moments(rng, days, EVENING), np.full(len(days), len(group)),
            np.full(len(days), each[number]), 20 * 3600.0, group[np.arange(len(days)) % len(group)],
            float(rng.choice([0.0, 0.03, 0.05])), 0.0, np.tile(group, len(days)),
        )  # fmt: skip


def organisers(town: Town, rng: np.random.Generator) -> None:
    """Group buys, trips, funerals, ticket queues: any account, also a new one, collects for a day and pays at once."""
    people = town.people
    who = np.flatnonzero(people.is_private)
    chosen = who[events(rng, 0.0009 * np.minimum(people.liveliness[who], 3), town.rhythm.n_days)]
    days = town.rhythm.some_days(rng, len(chosen), np.ones(town.rhythm.n_days))
    n = len(chosen)
    payee = np.where(rng.random(n) < 0.5, town.partner(rng, n, "shop", "goods", "company", "temple"),
                     town.strangers(rng, n))  # fmt: skip
    _collections(
        town, rng, chosen, town.rhythm.moments(rng, days, TALKING), np.clip(rng.lognormal(1.6, 0.8, n), 2, 60).astype(
            np.int64), baht(rng, n, 700, 1.2), 30 * 3600.0, payee, 0.02, 0.35,
    )  # fmt: skip


def traders(town: Town, rng: np.random.Generator) -> None:
    """Peer-to-peer coin traders: strangers pay, and minutes later an exchange is paid with it, or the reverse."""
    people = town.people
    who = people.of("trader")
    chosen = who[events(rng, np.minimum(1.1 * people.liveliness[who], 8), town.rhythm.n_days)]
    n = len(chosen)
    days = town.rhythm.some_days(rng, n, np.ones(town.rhythm.n_days))
    moment, pots = town.rhythm.moments(rng, days, EVENING), town.plan.new_pots(n)
    amount = baht(rng, n, 5_500, 1.2)
    buys = rng.random(n) < 0.7
    exchange = town.partner(rng, n, "vasp")
    town.hand_over(rng, time=moment[buys], source=town.strangers(rng, int(buys.sum())), target=chosen[buys],
                   amount=amount[buys], mode=UP_TO, pot_in=pots[buys])  # fmt: skip
    town.pay(rng, "vasp", time=later(rng, moment[buys], 2400, 1.9), source=chosen[buys], target=exchange[buys],
             mode=OF_POT, pot_out=pots[buys], share=rng.uniform(0.8, 1.0, int(buys.sum())), keep=0.02)  # fmt: skip
    town.pay(rng, "vasp", time=moment[~buys], source=exchange[~buys], target=chosen[~buys], amount=amount[~buys],
             pot_in=pots[~buys])  # fmt: skip
    town.hand_over(rng, time=later(rng, moment[~buys], 2400, 1.9), source=chosen[~buys], mode=OF_POT,
                   target=town.strangers(rng, int((~buys).sum())), pot_out=pots[~buys], keep=0.02)  # fmt: skip


def remitters(town: Town, rng: np.random.Generator) -> None:
    """Migrants send pay home through an agent, who batches it over the border the same day."""
    people = town.people
    agents, abroad = people.of("agent"), people.of("xborder")
    workers = people.of("migrant")
    boss = town.partner(rng, len(workers), "company")
    row, day = town.rhythm.monthly(np.arange(len(workers)), rng.integers(1, 32, len(workers)))
    moment = town.rhythm.moments(rng, day, OFFICE)
    town.pay(rng, "payroll", time=moment, source=boss[row], target=workers[row],
             amount=people.income[workers[row]].astype(np.int64))  # fmt: skip
    sends = later(rng, moment, 86_400, 0.8)
    agent = agents[workers[row] % len(agents)]
    direct = rng.random(len(row)) < 0.25
    amount = (people.income[workers[row]] * rng.uniform(0.2, 0.6, len(row))).astype(np.int64)
    town.hand_over(rng, time=sends[~direct], source=workers[row][~direct], target=agent[~direct],
                   amount=amount[~direct], mode=UP_TO)  # fmt: skip
    town.pay(rng, "xborder", time=sends[direct], source=workers[row][direct], mode=UP_TO, amount=amount[direct],
             target=abroad[rng.integers(0, len(abroad), int(direct.sum()))])  # fmt: skip
    batch = np.repeat(agents, town.rhythm.n_days)
    days = np.tile(np.arange(town.rhythm.n_days), len(agents))
    town.pay(rng, "xborder", time=town.rhythm.moments(rng, days, EVENING), source=batch, mode=OF_BALANCE,
             target=abroad[rng.integers(0, len(abroad), len(batch))],
             share=rng.uniform(0.85, 0.99, len(batch)))  # fmt: skip
    trade = town.people.of("company", "shop", "goods", "stall", "seller")
    single = np.flatnonzero(people.is_private & (rng.random(len(people.persona)) < 0.06))
    who, rate = np.concatenate([trade, single]), np.repeat([0.03, 0.025], [len(trade), len(single)])
    chosen = who[events(rng, rate, town.rhythm.n_days)]
    days = town.rhythm.some_days(rng, len(chosen), town.rhythm.working_days())
    town.pay(rng, "xborder", time=town.rhythm.moments(rng, days, OFFICE), source=chosen, mode=UP_TO,
             target=abroad[rng.integers(0, len(abroad), len(chosen))],
             amount=baht(rng, len(chosen), 30_000, 1.3))  # fmt: skip


def own_accounts(town: Town, rng: np.random.Generator) -> None:
    """Quiet second accounts: now and then a large sum comes from the holder's other bank and soon leaves again."""
    people = town.people
    who = np.concatenate([people.of("second"), people.of("salaried")])
    rate = np.where(people.persona[who] == CODE["second"], 0.07, 0.006)
    elsewhere = np.flatnonzero(people.is_private & ~people.is_own)
    pair = elsewhere[rng.integers(0, len(elsewhere), len(who))]
    row = events(rng, rate * np.minimum(people.liveliness[who], 3), town.rhythm.n_days)
    n = len(row)
    days = town.rhythm.some_days(rng, n, np.ones(town.rhythm.n_days))
    moment, pots = town.rhythm.moments(rng, days, TALKING), town.plan.new_pots(n)
    town.hand_over(rng, time=moment, source=pair[row], target=who[row], amount=baht(rng, n, 9_000, 1.5), mode=UP_TO,
                   pot_in=pots)  # fmt: skip
    parts = rng.choice([1, 1, 2, 3], n)
    again = np.repeat(np.arange(n), parts)
    leaves = later(rng, moment[again], 3000, 2.3)
    payee = np.where(rng.random(len(again)) < 0.6, town.contacts.draw(rng, who[row][again]),
                     town.strangers(rng, len(again)))  # fmt: skip
    share, source, pot = 1.0 / parts[again], who[row][again], pots[again]
    where = pick(rng, np.array([0.6, 0.15, 0.1, 0.15]), len(again))
    person = where == 0
    town.hand_over(rng, time=leaves[person], source=source[person], target=payee[person], mode=OF_POT,
                   pot_out=pot[person], share=share[person], keep=0.03)  # fmt: skip
    for code, channel, persona in ((1, "bill", "biller"), (2, "vasp", "vasp"), (3, "wallet", "wallet")):
        chosen = where == code
        town.pay(rng, channel, time=leaves[chosen], source=source[chosen], mode=OF_POT, pot_out=pot[chosen],
                 target=town.partner(rng, int(chosen.sum()), persona), share=share[chosen], keep=0.03)  # fmt: skip


def purchases(town: Town, rng: np.random.Generator) -> None:
    """Cars, land, gold, second-hand goods: a first-ever payee, a test payment, then rising parts that drain the payer;
    private receivers often pass the money on to buy their next thing."""
    people = town.people
    who = np.flatnonzero(people.is_private)
    chosen = who[events(rng, 0.0016 * np.minimum(people.liveliness[who], 3), town.rhythm.n_days)]
    n = len(chosen)
    days = town.rhythm.some_days(rng, n, town.rhythm.shopping_days())
    moment, pots = town.rhythm.moments(rng, days, TALKING), town.plan.new_pots(n)
    private = rng.random(n) < 0.65
    payee = np.where(private, town.strangers(rng, n), town.partner(rng, n, "goods", "company"))
    parts = rng.choice([1, 1, 1, 2, 3, 4], n)
    row = np.repeat(np.arange(n), parts)
    number = np.arange(len(row)) - np.repeat(np.cumsum(parts) - parts, parts)
    share = np.where(number == parts[row] - 1, rng.uniform(0.3, 1.0, len(row)), rng.uniform(0.02, 0.3, len(row)))
    gap = (number * rng.exponential(2 * 3600, len(row)) * 1e6).astype(np.int64)
    town.hand_over(rng, time=moment[row] + gap, source=chosen[row], target=payee[row], mode=OF_BALANCE, share=share,
                   pot_in=pots[row])  # fmt: skip
    tested = rng.random(n) < 0.2
    town.hand_over(rng, time=moment[tested] - rng.integers(60, 86_400, int(tested.sum())) * 1_000_000,
                   source=chosen[tested], target=payee[tested],
                   amount=baht(rng, int(tested.sum()), 10, 1.2))  # fmt: skip
    again = np.flatnonzero(private & (rng.random(n) < 0.7))
    moved = later(rng, moment[again] + 3 * HOUR, 4 * 3600, 2.2)
    town.hand_over(rng, time=moved, source=payee[again], target=town.strangers(rng, len(again)), mode=OF_POT,
                   pot_out=pots[again], share=rng.uniform(0.5, 1.0, len(again)), keep=0.03)  # fmt: skip


def treasuries(town: Town, rng: np.random.Generator) -> None:
    """Subsidiaries are swept to zero every night by their parent, which funds them in the morning."""
    people = town.people
    firms = people.of("company")
    children = firms[rng.random(len(firms)) < 0.25]
    parents = np.setdiff1d(firms, children)
    parent = parents[rng.integers(0, len(parents), len(children))]
    row = np.repeat(np.arange(len(children)), town.rhythm.n_days)
    days = np.tile(np.arange(town.rhythm.n_days), len(children))
    night = town.rhythm.start + days * DAY + 22 * HOUR + rng.integers(0, HOUR, len(row))
    town.pay(rng, "p2p_account", time=night, source=children[row], target=parent[row], mode=OF_BALANCE, grain=1)
    town.pay(rng, "p2p_account", time=night + 9 * HOUR, source=parent[row], target=children[row], mode=OF_BALANCE,
             share=rng.uniform(0.02, 0.4, len(row)))  # fmt: skip


def escrows(town: Town, rng: np.random.Generator) -> None:
    """Marketplaces hold a buyer's money for days and then pay the seller; temples receive merit."""
    people = town.people
    buyers = np.flatnonzero(people.is_private & people.is_own)
    sellers_ = people.of("seller", "stall", "irregular")
    chosen = buyers[events(rng, 0.012 * people.liveliness[buyers], town.rhythm.n_days)]
    n = len(chosen)
    days = town.rhythm.some_days(rng, n, np.ones(town.rhythm.n_days))
    moment, pots = town.rhythm.moments(rng, days, EVENING), town.plan.new_pots(n)
    house = town.partner(rng, n, "escrow")
    town.pay(rng, "bill", time=moment, source=chosen, target=house, amount=baht(rng, n, 450, 1.0), pot_in=pots)
    town.hand_over(rng, time=later(rng, moment, 3 * 86_400, 0.5), source=house, mode=OF_POT, pot_out=pots, keep=0.06,
                   target=sellers_[pick(rng, people.popularity[sellers_], n)])  # fmt: skip
    chosen = buyers[events(rng, 0.006 * people.liveliness[buyers], town.rhythm.n_days)]
    days = town.rhythm.some_days(rng, len(chosen), town.rhythm.shopping_days())
    town.hand_over(rng, time=town.rhythm.moments(rng, days, SHOPPING), source=chosen,
                   target=town.partner(rng, len(chosen), "temple"),
                   amount=baht(rng, len(chosen), 150, 1.0))  # fmt: skip


TRADES: Final[tuple[Behaviour, ...]] = (
    sellers, stalls, riders, hosts, organisers, traders, remitters, own_accounts, purchases, treasuries, escrows,
)  # fmt: skip
