"""Who lives in the world: accounts, holders, households, lifetimes, incomes.

Figures without a source are choices of this project.

References
----------
.. [1] NESDC, average wage a month in the first quarter of 2024, in: The Nation, nationthailand.com/news/policy/40038538
.. [2] Bank of Thailand, 89% of accounts held less than 50,000 baht at the end of 2022, in: The Thaiger,
   thethaiger.com/hot-news/economy/89-of-bank-accounts-in-thailand-hold-less-than-50000-baht
.. [3] Puey Ungphakorn Institute, half of all depositors held less than 3,124 baht, the largest tenth 93% of all money
   (June 2017), in: thailand-business-news.com/video/77384-33-of-thais-have-less-than-500-baht-on-their-bank-account
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from muledetect.arrays import NEVER, BoolArray, Float64Array, Int8Array, Int64Array
from muledetect.clock import DAY, HOUR
from muledetect.simulation.config import WorldConfig
from muledetect.simulation.days import Calendar
from muledetect.simulation.streams import pick, stream

PERSONAS: Final = (
    "salaried student pensioner gig seller stall irregular host landlord trader migrant agent second dormant "
    "shop goods company biller wallet vasp government cash platform escrow xborder temple"
).split()
CODE: Final = {name: code for code, name in enumerate(PERSONAS)}
#: Personas from `shop` on are no private persons.
FIRST_BUSINESS: Final = CODE["shop"]

#: Share of private accounts by persona.
_PRIVATE: Final = {
    "salaried": 0.36, "student": 0.10, "pensioner": 0.07, "gig": 0.06, "seller": 0.045, "stall": 0.04,
    "irregular": 0.125, "host": 0.008, "landlord": 0.007, "trader": 0.006, "migrant": 0.03, "agent": 0.003,
    "second": 0.066, "dormant": 0.08,
}  # fmt: skip
#: Businesses: (least number, share of all accounts) at our bank and at the others.
_OURS: Final = {
    "shop": (8, 0.06), "goods": (3, 0.002), "company": (4, 0.012), "biller": (3, 0.001), "wallet": (1, 0.0),
    "vasp": (1, 0.0), "government": (1, 0.0), "cash": (1, 0.0), "platform": (1, 0.0002), "escrow": (1, 0.0002),
    "temple": (2, 0.0015),
}  # fmt: skip
_OTHERS: Final = {
    "shop": (8, 0.12), "goods": (3, 0.004), "company": (6, 0.03), "biller": (4, 0.001), "wallet": (2, 0.0),
    "vasp": (3, 0.0), "government": (1, 0.0), "cash": (1, 0.0), "platform": (1, 0.0002), "escrow": (1, 0.0002),
    "temple": (1, 0.001), "xborder": (2, 0.0),
}  # fmt: skip
#: Monthly income: (median baht, spread of the logarithm). Wages average 15,052 baht [1]; the rest is a choice.
_INCOME: Final = {
    "salaried": (14_000, 0.55), "student": (4_500, 0.4), "pensioner": (4_000, 0.9), "gig": (13_000, 0.4),
    "seller": (14_000, 0.8), "stall": (12_000, 0.5), "irregular": (8_000, 0.7), "host": (14_000, 0.6),
    "landlord": (30_000, 0.8), "trader": (25_000, 0.8), "migrant": (11_000, 0.25), "agent": (28_000, 0.6),
    "second": (16_000, 0.8), "dormant": (8_000, 0.8), "shop": (60_000, 1.1), "goods": (900_000, 0.8),
    "company": (900_000, 1.3), "platform": (9_000_000, 0.3), "escrow": (5_000_000, 0.3), "temple": (80_000, 0.8),
}  # fmt: skip
_UNLIMITED: Final = tuple(CODE[name] for name in ("biller", "wallet", "vasp", "government", "cash", "xborder"))
#: Businesses that open and close during a world; the others are there all along.
_OPEN_AND_CLOSE: Final = tuple(CODE[name] for name in ("shop", "goods", "company", "temple"))
KIND_OF: Final = {
    "shop": "merchant", "goods": "merchant", "company": "company", "biller": "biller", "wallet": "wallet",
    "vasp": "vasp", "government": "government", "cash": "internal", "platform": "company", "escrow": "company",
    "xborder": "internal", "temple": "company",
}  # fmt: skip


@dataclass(slots=True)
class People:
    """Arrays over all accounts, ours and other banks', in random order.

    `active_from` .. `closed_at` is when normal life touches an account (us, UTC); money in satang; `mule_kind` is
    0 for none, else 1 new, 2 dormant, 3 real old account.
    """

    persona: Int8Array
    is_own: BoolArray
    bank: Int64Array
    holder: Int64Array
    household: Int64Array
    is_dormitory: BoolArray
    area: Int64Array
    n_areas: int
    opened_at: Int64Array
    closed_at: Int64Array
    active_from: Int64Array
    income: Float64Array
    opening: Int64Array
    daily_limit: Int64Array
    activity_level: Float64Array
    popularity: Float64Array
    mule_kind: Int8Array

    @property
    def is_private(self) -> BoolArray:
        """Accounts of people, not of businesses."""
        return self.persona < FIRST_BUSINESS

    def of(self, *personas: str, own: bool | None = None) -> Int64Array:
        """Return the positions of all accounts of some personas."""
        chosen = np.isin(self.persona, [CODE[name] for name in personas])
        if own is not None:
            chosen &= self.is_own == own
        return np.flatnonzero(chosen)

    def cash_of(self, accounts: Int64Array) -> Int64Array:
        """Return the cash account of the bank side of each account."""
        tills = np.flatnonzero(self.persona == CODE["cash"])
        ours, others = tills[self.is_own[tills]][0], tills[~self.is_own[tills]][0]
        return np.asarray(np.where(self.is_own[accounts], ours, others), np.int64)


def build_people(config: WorldConfig, calendar: Calendar) -> People:
    """Populate a world. O(accounts)."""
    rng = stream(config.seed, "people")
    n_others = max(60, round(config.n_accounts * config.outside_share))
    persona = np.concatenate([_composition(rng, config.n_accounts, _OURS), _composition(rng, n_others, _OTHERS)])
    is_own = np.arange(len(persona)) < config.n_accounts
    order = rng.permutation(len(persona))
    persona, is_own = persona[order], is_own[order]
    n = len(persona)
    n_areas = max(6, config.n_accounts // 300)
    area = rng.integers(0, n_areas, n)
    household, is_dormitory = _households(rng, persona, area, n_areas)
    opened_at, active_from, closed_at = _lifetimes(rng, persona, calendar)
    income = _incomes(rng, persona)
    return People(
        persona=persona,
        is_own=is_own,
        bank=np.where(is_own, 0, 1 + pick(rng, np.array([5, 4, 3, 2, 1.0]), n)),
        holder=_holders(rng, persona, is_own, household),
        household=household,
        is_dormitory=is_dormitory,
        area=area,
        n_areas=n_areas,
        opened_at=opened_at,
        closed_at=closed_at,
        active_from=active_from,
        income=income,
        opening=_openings(rng, persona, is_own, income, opened_at >= calendar.start),
        daily_limit=_limits(rng, persona, income),
        # 1 on average: many hardly ever act, a few several times a day
        activity_level=rng.gamma(1.3, 1 / 1.3, n) * np.exp(0.5 * rng.standard_normal(n) - 0.125) * config.activity,
        popularity=rng.pareto(1.3, n) + 0.05,
        mule_kind=np.zeros(n, np.int8),
    )


def _composition(rng: np.random.Generator, n: int, businesses: dict[str, tuple[int, float]]) -> Int8Array:
    codes = [np.full(max(least, round(share * n)), CODE[name]) for name, (least, share) in businesses.items()]
    special = np.concatenate(codes)
    n_private = n - len(special)
    # Rare personas exist even in the smallest world: they are the false positives that a model must learn.
    least = np.array([CODE[name] for name in ("host", "landlord", "trader", "agent")])
    drawn = pick(rng, np.array(list(_PRIVATE.values())), n_private - len(least))
    return np.concatenate([special, least, np.array([CODE[name] for name in _PRIVATE])[drawn]]).astype(np.int8)


def _households(
    rng: np.random.Generator, persona: Int8Array, area: Int64Array, n_areas: int
) -> tuple[Int64Array, BoolArray]:
    """Give everybody a household of one to five in one area; many students and migrants live in dormitories."""
    n = len(persona)
    in_dormitory = np.isin(persona, [CODE["student"], CODE["migrant"], CODE["gig"]]) & (rng.random(n) < 0.5)
    shuffled = rng.permutation(n)
    order = shuffled[np.argsort(area[shuffled], kind="stable")]
    # A household ends with odds of 0.45 after each member, or where the area ends.
    ends = (rng.random(n) < 0.45) | (np.diff(area[order], append=-1) != 0)
    household = np.empty(n, np.int64)
    household[order] = np.concatenate([[0], np.cumsum(ends)[:-1]])
    per_area = 1 + int(in_dormitory.sum()) // (n_areas * 40)
    room = n + area * per_area + rng.integers(0, per_area, n)
    return np.where(in_dormitory, room, household), in_dormitory


def _lifetimes(
    rng: np.random.Generator, persona: Int8Array, calendar: Calendar
) -> tuple[Int64Array, Int64Array, Int64Array]:
    """Some 20% of all accounts are opened in a year, 4% closed; a quarter of the dormant ones wake in a world."""
    n = len(persona)
    private, may_close = persona < FIRST_BUSINESS, np.isin(persona, _OPEN_AND_CLOSE)
    opened_at = calendar.start - (np.minimum(rng.gamma(1.3, 1500, n) + 1, 12_000) * DAY).astype(np.int64)
    newly = rng.random(n) < np.where(private, 0.6, 0.25 * may_close) * min(0.001 * calendar.n_days, 1.0)
    length = calendar.end - calendar.start
    opened_at[newly] = calendar.start + (rng.random(int(newly.sum())) * length).astype(np.int64)
    # Branches and onboarding apps work by day.
    opened_at = opened_at // DAY * DAY + (rng.random(n) * 10 * HOUR).astype(np.int64) + HOUR
    active_from = np.where(opened_at >= calendar.start, opened_at, np.int64(0))
    asleep = persona == CODE["dormant"]
    wakes = asleep & (rng.random(n) < 0.25)
    wake_at = calendar.start + (rng.random(n) * length).astype(np.int64)
    active_from[asleep] = NEVER
    active_from[wakes] = np.maximum(wake_at, opened_at)[wakes]
    closes = (private | may_close) & (rng.random(n) < min(0.0001 * calendar.n_days, 0.5))
    closed_at = np.full(n, NEVER)
    life = np.maximum(opened_at, calendar.start)
    left = np.maximum(calendar.end - life, 1)
    closed_at[closes] = (life + (rng.random(n) * left).astype(np.int64))[closes]
    return opened_at, active_from, closed_at


def _incomes(rng: np.random.Generator, persona: Int8Array) -> Float64Array:
    """Log-normal within a persona, with a Pareto tail for one in thirty."""
    n = len(persona)
    median, spread = np.array([_INCOME.get(name, (1_000_000, 0.5)) for name in PERSONAS]).T
    rich = np.where(rng.random(n) < 1 / 30, np.minimum(1 + rng.pareto(1.8, n), 100), 1.0)
    return np.asarray(100 * median[persona] * rich * np.exp(spread[persona] * rng.standard_normal(n)))


def _openings(
    rng: np.random.Generator, persona: Int8Array, is_own: BoolArray, income: Float64Array, is_new: BoolArray
) -> Int64Array:
    """Opening balances: most people have next to nothing, a tenth have nearly all of it [2]_ [3]_.

    Other banks' people start richer and their firms do not run dry, since we do not simulate how they are paid.
    """
    n = len(persona)
    saved = 0.22 * income * np.exp(1.9 * rng.standard_normal(n))
    saved = np.where(persona == CODE["pensioner"], saved * 6, saved)
    saved = np.where(persona >= FIRST_BUSINESS, income * 2, saved)
    saved = np.where(is_own, saved, np.where(persona >= FIRST_BUSINESS, 1e12, saved * 3 + income * 12))
    saved = np.where(np.isin(persona, _UNLIMITED), 5e12, saved)
    return np.where(is_new & is_own, 0, np.maximum(saved, 0)).astype(np.int64)


def _limits(rng: np.random.Generator, persona: Int8Array, income: Float64Array) -> Int64Array:
    """Daily limits in satang, the three Thai tiers and above."""
    tiers = np.array([5_000_000, 20_000_000, 50_000_000, 200_000_000], np.int64)
    rich = np.searchsorted([1_500_000, 5_000_000], income)
    tier = np.clip(rich + (rng.random(len(persona)) < 0.5) + (rng.random(len(persona)) < 0.25), 0, 3)
    return np.where(persona >= FIRST_BUSINESS, np.int64(10) ** 14, tiers[tier])


def _holders(rng: np.random.Generator, persona: Int8Array, is_own: BoolArray, household: Int64Array) -> Int64Array:
    """One holder an account, but second accounts often belong to somebody of the same household and bank side."""
    n = len(persona)
    holder = np.arange(n, dtype=np.int64)
    private = persona < FIRST_BUSINESS
    order = np.lexsort((rng.random(n), is_own, household))
    before, after = order[:-1], order[1:]
    same = (household[before] == household[after]) & (is_own[before] == is_own[after])
    same &= private[before] & private[after]
    wants = np.isin(persona[after], [CODE["second"], CODE["dormant"], CODE["seller"]])
    joined = same & wants & (rng.random(n - 1) < 0.5)
    holder[after[joined]] = before[joined]
    # A chain of joins is one person: follow it to its first account.
    for _ in range(8):
        holder = holder[holder]
    return holder


def cash_machines(rng: np.random.Generator, areas: Int64Array) -> Int64Array:
    """Return a cash machine (number) in each area; an area has four, the first the busiest."""
    return areas * 4 + (4 * rng.random(len(areas)) ** 1.5).astype(np.int64)
