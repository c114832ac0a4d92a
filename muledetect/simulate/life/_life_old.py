"""Everyday life: pay, shops, bills, rent, friends, families, cash."""

from __future__ import annotations

from typing import Final

import numpy as np

from muledetect.clock import DAY, HOUR, SECOND
from muledetect.simulate.people import CODE
from muledetect.simulate.plan import FIXED, OF_BALANCE, OF_POT, UP_TO
from muledetect.simulate.rhythm import BATCH, EVENING, OFFICE, SHOPPING, TALKING
from muledetect.simulate.streams import Float64, Int64, events, pick
from muledetect.simulate.town import Behaviour, Town, baht, later

#: How often private accounts shop, relative to a salaried person.
_SHOPS_AS: Final = {"second": 0.08, "dormant": 0.6, "pensioner": 0.6, "trader": 0.7, "irregular": 0.8, "migrant": 0.7}


def _rate(town: Town, per_day: float) -> tuple[Int64, Float64]:
    """Return private accounts of our bank and their daily rate of an everyday act."""
    people = town.people
    who = np.flatnonzero(people.is_private & people.is_own)
    factor = np.ones(len(CODE))
    for name, value in _SHOPS_AS.items():
        factor[CODE[name]] = value
    return who, per_day * factor[people.persona[who]] * people.liveliness[who]


def salaries(town: Town, rng: np.random.Generator) -> None:
    """Payroll fan-out near the month's end; some forward their pay to an account elsewhere within the hour."""
    people = town.people
    workers = people.of("salaried", own=True)
    employers = people.of("company", "government", "platform")
    weight = people.income[employers] ** 0.5
    boss = employers[pick(rng, weight, len(workers))]
    pay_day = np.array([25, 27, 28, 30, 31, 31])[people.holder[boss] % 6]
    row, day = town.rhythm.monthly(np.arange(len(workers)), pay_day)
    who = workers[row]
    # An employer's file is executed in one go: one start, then some milliseconds a payment.
    batch_start = (people.holder[boss[row]] * 7919 + day * 104_729) % (5 * HOUR) + HOUR
    moment = town.rhythm.start + day * DAY + batch_start + rng.integers(0, 90 * SECOND, len(row))
    pots = town.plan.new_pots(len(who))
    amount = (people.income[who] * (1 + 0.03 * rng.standard_normal(len(who)))).astype(np.int64)
    town.pay(rng, "payroll", time=moment, source=boss[row], target=who, amount=np.maximum(amount, 100), pot_in=pots)
    forwards = rng.random(len(workers)) < 0.14
    elsewhere = _own_elsewhere(town, rng, len(workers))
    sent = forwards[row]
    town.hand_over(
        rng,
        time=later(rng, moment[sent] + 5 * HOUR, 5400, 1.6),
        source=who[sent],
        target=elsewhere[row][sent],
        mode=OF_POT,
        pot_out=pots[sent],
        share=rng.uniform(0.5, 1.0, int(sent.sum())),
    )
    income_of_companies(town, rng, employers, boss)


def _own_elsewhere(town: Town, rng: np.random.Generator, n: int) -> Int64:
    others = np.flatnonzero(town.people.is_private & ~town.people.is_own)
    return others[rng.integers(0, len(others), n)]


def income_of_companies(town: Town, rng: np.random.Generator, employers: Int64, boss: Int64) -> None:
    """What keeps employers solvent: weekly invoices paid by companies elsewhere, in all a little over their payroll."""
    people = town.people
    workers = np.bincount(boss, minlength=len(people.persona))[employers]
    people.opening[employers] += (workers * 3_500_000).astype(np.int64)
    payers = people.of("company", own=False)
    who = employers[events(rng, np.full(len(employers), 0.5), town.rhythm.n_days)]
    days = town.rhythm.some_days(rng, len(who), town.rhythm.working_days())
    size = np.bincount(employers, workers, minlength=len(people.persona))[who]
    town.pay(
        rng,
        "p2p_account",
        time=town.rhythm.moments(rng, days, OFFICE),
        source=payers[rng.integers(0, len(payers), len(who))],
        target=who,
        amount=baht(rng, len(who), 3_000 + 1_900.0 * size, 1.1),
    )


def pensions(town: Town, rng: np.random.Generator) -> None:
    """Pensions and benefits on the 10th, and irregular pay from private clients."""
    people = town.people
    row, day = town.rhythm.monthly(people.of("pensioner", own=True), np.full(len(people.of("pensioner", own=True)), 10))
    state = people.of("government")
    moment = town.rhythm.moments(rng, day, BATCH)
    amount = np.maximum(people.income[row], 60_000).astype(np.int64)
    town.pay(rng, "payroll", time=moment, source=state[row % len(state)], target=row, amount=amount)
    who = people.of("irregular", "gig", "host", "dormant", own=True)
    chosen = who[events(rng, 0.16 * people.liveliness[who], town.rhythm.n_days)]
    days = town.rhythm.some_days(rng, len(chosen), town.rhythm.shopping_days())
    town.hand_over(
        rng,
        time=town.rhythm.moments(rng, days, TALKING),
        source=town.strangers(rng, len(chosen)),
        target=chosen,
        amount=np.maximum(people.income[chosen] / 5 * np.exp(0.9 * rng.standard_normal(len(chosen))), 2_000),
        mode=UP_TO,
    )


def shops(town: Town, rng: np.random.Generator) -> None:
    """QR and card payments, mostly at favourite shops, now and then large."""
    who, rate = _rate(town, 0.26)
    chosen = who[events(rng, rate, town.rhythm.n_days)]
    n = len(chosen)
    shop = np.where(
        rng.random(n) < 0.75,
        town.favourites.draw(rng, chosen),
        town.partner(rng, n, "shop", "stall", "goods"),
    )
    days = town.rhythm.some_days(rng, n, town.rhythm.shopping_days())
    amount = baht(rng, n, 85, 0.95)
    large = rng.random(n) < 0.04
    amount[large] = baht(rng, int(large.sum()), 1800, 1.1)
    moment = town.rhythm.moments(rng, days, SHOPPING)
    by_card = rng.random(n) < 0.13
    for channel, part in (("card", by_card), ("qr_merchant", ~by_card)):
        town.pay(rng, channel, time=moment[part], source=chosen[part], target=shop[part], amount=amount[part])


def outside_customers(town: Town, rng: np.random.Generator) -> None:
    """People of other banks in our shops, and paying our people."""
    people = town.people
    n = rng.poisson(0.10 * town.config.activity * len(people.of("salaried")) * town.rhythm.n_days)
    who = np.flatnonzero(people.is_private & ~people.is_own)
    payer = who[pick(rng, people.liveliness[who], n)]
    days = town.rhythm.some_days(rng, n, town.rhythm.shopping_days())
    moment = town.rhythm.moments(rng, days, SHOPPING)
    at_shop = rng.random(n) < 0.5
    shop = town.favourites.draw(rng, payer)
    town.pay(rng, "qr_merchant", time=moment[at_shop], source=payer[at_shop], target=shop[at_shop],
             amount=baht(rng, int(at_shop.sum()), 95, 1.0))  # fmt: skip
    friend = town.contacts.draw(rng, payer)
    town.hand_over(rng, time=moment[~at_shop], source=payer[~at_shop], target=friend[~at_shop],
                   amount=baht(rng, int((~at_shop).sum()), 380, 1.5))  # fmt: skip


def friends(town: Town, rng: np.random.Generator) -> None:
    """Small change between friends with a heavy tail, sometimes to a stranger, half the time answered later."""
    who, rate = _rate(town, 0.12)
    chosen = who[events(rng, rate, town.rhythm.n_days)]
    n = len(chosen)
    known = town.contacts.draw(rng, chosen)
    other = np.where(rng.random(n) < 0.85, known, town.strangers(rng, n))
    days = town.rhythm.some_days(rng, n, town.rhythm.shopping_days())
    moment = town.rhythm.moments(rng, days, TALKING)
    pots = town.plan.new_pots(n)
    town.hand_over(rng, time=moment, source=chosen, target=other, amount=baht(rng, n, 320, 1.5), pot_in=pots)
    back = rng.random(n) < 0.12
    town.hand_over(rng, time=later(rng, moment[back], 4 * 3600, 2.4), source=other[back], target=chosen[back],
                   mode=OF_POT, pot_out=pots[back], share=rng.uniform(0.3, 1.0, int(back.sum())))  # fmt: skip


def bills(town: Town, rng: np.random.Generator) -> None:
    """Two or three bills a month to the same billers."""
    people = town.people
    payers = np.flatnonzero(people.is_private & people.is_own & (people.persona != CODE["dormant"]))
    payers = np.repeat(payers, rng.poisson(1.6, len(payers)))
    biller = town.partner(rng, len(payers), "biller")
    row, day = town.rhythm.monthly(np.arange(len(payers)), rng.integers(1, 29, len(payers)))
    size = baht(rng, len(payers), 520, 0.8)[row]
    amount = (size * (1 + 0.15 * rng.standard_normal(len(row)))).astype(np.int64)
    day = np.clip(day + rng.integers(-2, 3, len(day)), 0, town.rhythm.n_days - 1)
    town.pay(rng, "bill", time=town.rhythm.moments(rng, day, EVENING), source=payers[row], target=biller[row],
             amount=np.maximum(amount, 2_000))  # fmt: skip


def rents(town: Town, rng: np.random.Generator) -> None:
    """Rent in the first days of the month: landlords fan in honestly."""
    people = town.people
    tenants = np.flatnonzero(people.is_private & (rng.random(len(people.persona)) < 0.2))
    landlords = people.of("landlord", "company")
    home = landlords[pick(rng, np.where(people.persona[landlords] == CODE["landlord"], 5, 0.5), len(tenants))]
    row, day = town.rhythm.monthly(np.arange(len(tenants)), rng.integers(1, 7, len(tenants)))
    rent = baht(rng, len(tenants), 3_200, 0.5) // 10_000 * 10_000
    town.hand_over(rng, time=town.rhythm.moments(rng, day, EVENING), source=tenants[row], target=home[row],
                   amount=np.maximum(rent[row], 50_000))  # fmt: skip
    owners = people.of("landlord")
    row, day = town.rhythm.monthly(owners, rng.integers(6, 12, len(owners)))
    town.hand_over(rng, time=town.rhythm.moments(rng, day, TALKING), source=row, mode=OF_BALANCE,
                   target=_own_elsewhere(town, rng, len(row)), share=rng.uniform(0.3, 0.95, len(row)))  # fmt: skip


def families(town: Town, rng: np.random.Generator) -> None:
    """Children support parents after pay day; parents keep students; couples share."""
    people = town.people
    givers = people.of("salaried", "gig", "seller", "migrant")
    givers = givers[rng.random(len(givers)) < 0.35]
    elders = people.of("pensioner", "irregular")
    parent = elders[rng.integers(0, len(elders), len(givers))]
    row, day = town.rhythm.monthly(np.arange(len(givers)), rng.integers(25, 33, len(givers)))
    amount = (people.income[givers] * rng.uniform(0.05, 0.35, len(givers)))[row].astype(np.int64)
    town.hand_over(rng, time=town.rhythm.moments(rng, day, EVENING), source=givers[row], target=parent[row],
                   amount=np.maximum(amount, 30_000), mode=UP_TO)  # fmt: skip
    students = people.of("student")
    earners = people.of("salaried", "landlord", "seller", "pensioner")
    keeper = earners[pick(rng, people.income[earners], len(students))]
    chosen = events(rng, np.full(len(students), 0.14) * town.config.activity, town.rhythm.n_days)
    days = town.rhythm.some_days(rng, len(chosen), np.ones(town.rhythm.n_days))
    town.hand_over(rng, time=town.rhythm.moments(rng, days, EVENING), source=keeper[chosen], target=students[chosen],
                   amount=baht(rng, len(chosen), 900, 0.8))  # fmt: skip


def cash(town: Town, rng: np.random.Generator) -> None:
    """Cash machines near home, cash deposits and counters."""
    people = town.people
    who, rate = _rate(town, 0.075)
    chosen = who[events(rng, rate, town.rhythm.n_days)]
    n = len(chosen)
    days = town.rhythm.some_days(rng, n, town.rhythm.shopping_days())
    large = rng.random(n) < 0.12
    amount = np.where(large, baht(rng, n, 9_000, 0.6), baht(rng, n, 1_100, 0.8))
    town.pay(rng, "cash_atm", time=town.rhythm.moments(rng, days, SHOPPING), source=chosen, mode=UP_TO,
             target=people.cash_of(chosen), amount=np.clip(amount, 10_000, 3_000_000),
             terminal=machines(rng, people.n_areas, _places(town, rng, chosen)))  # fmt: skip
    who = np.flatnonzero(people.is_own & people.is_private)
    chosen = who[events(rng, 0.03 * people.liveliness[who], town.rhythm.n_days)]
    n = len(chosen)
    moment = town.rhythm.moments(rng, town.rhythm.some_days(rng, n, town.rhythm.working_days() + 0.4), OFFICE)
    big = rng.random(n) < 0.08
    amount = np.where(big, baht(rng, n, 40_000, 1.0), baht(rng, n, 2_000, 1.0))
    terminal = machines(rng, people.n_areas, _places(town, rng, chosen))
    town.pay(rng, "cash_deposit", time=moment, source=people.cash_of(chosen), target=chosen, amount=amount,
             grain=10_000, terminal=terminal)  # fmt: skip
    out = rng.random(n) < 0.2
    town.pay(rng, "cash_counter", time=later(rng, moment[out], 40 * 3600, 1.5), source=chosen[out],
             target=people.cash_of(chosen[out]), mode=OF_BALANCE, share=rng.uniform(0.05, 0.9, int(out.sum())),
             grain=10_000, terminal=terminal[out])  # fmt: skip


def _places(town: Town, rng: np.random.Generator, who: Int64) -> Int64:
    """Return the area in which each one acts: mostly home."""
    home = town.people.area[who]
    return np.where(rng.random(len(who)) < 0.85, home, rng.integers(0, town.people.n_areas, len(who)))


def machines(rng: np.random.Generator, n_areas: int, areas: Int64) -> Int64:
    """Return a cash machine (number) in each area; an area has four, the first the busiest."""
    return areas % n_areas * 4 + (4 * rng.random(len(areas)) ** 1.5).astype(np.int64)


def apps(town: Town, rng: np.random.Generator) -> None:
    """Wallet top-ups, exchange purchases and pay-outs."""
    people = town.people
    who, rate = _rate(town, 0.035)
    uses = rng.random(len(who)) < 0.35
    chosen = who[uses][events(rng, rate[uses] * 2.2, town.rhythm.n_days)]
    days = town.rhythm.some_days(rng, len(chosen), np.ones(town.rhythm.n_days))
    town.pay(rng, "wallet", time=town.rhythm.moments(rng, days, EVENING), source=chosen,
             target=town.partner(rng, len(chosen), "wallet"), amount=baht(rng, len(chosen), 400, 1.3))  # fmt: skip
    invests = rng.random(len(who)) < 0.06
    chosen = who[invests][events(rng, rate[invests] * 3, town.rhythm.n_days)]
    days = town.rhythm.some_days(rng, len(chosen), np.ones(town.rhythm.n_days))
    moment = town.rhythm.moments(rng, days, EVENING)
    exchange = town.partner(rng, len(chosen), "vasp")
    sells = rng.random(len(chosen)) < 0.4
    amount = np.minimum(people.income[chosen] * 2, baht(rng, len(chosen), 3_500, 1.5)).astype(np.int64)
    town.pay(rng, "vasp", time=moment[~sells], source=chosen[~sells], target=exchange[~sells], amount=amount[~sells],
             mode=UP_TO)  # fmt: skip
    town.pay(rng, "vasp", time=moment[sells], source=exchange[sells], target=chosen[sells], amount=amount[sells],
             mode=FIXED)  # fmt: skip


EVERYDAY: Final[tuple[Behaviour, ...]] = (
    salaries, pensions, shops, outside_customers, friends, bills, rents, families, cash, apps,
)  # fmt: skip
