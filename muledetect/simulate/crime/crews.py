"""Call centres, laundering offices and their rings: who is recruited, in which shape, and when the ring works."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import pairwise
from typing import Final

import numpy as np

from muledetect.clock import DAY, HOUR
from muledetect.simulate.config import WorldConfig
from muledetect.simulate.people import CODE, NEVER, People
from muledetect.simulate.rhythm import Rhythm
from muledetect.simulate.streams import Int64, pick, stream

#: Shape: (least, most members).
SHAPES: Final = {
    "fan_in": (3, 9),
    "chain": (2, 10),
    "gather_scatter": (4, 14),
    "scatter_gather": (4, 10),
    "fan_out": (3, 10),
    "bipartite": (4, 10),
    "cycle": (3, 6),
    "stack": (6, 14),
}
NEW, DORMANT, OLD = 1, 2, 3


@dataclass(slots=True)
class Ring:
    """One ring. `tiers` holds accounts by hop from the victims; `lanes` wires tiers one to one, else all to all."""

    number: int
    shape: str
    tiers: list[list[int]]
    lanes: bool
    centre: int
    second_centre: int
    office: int
    start: int
    end: int
    skim: float
    skims_at: int
    splits_under: dict[int, int] = field(default_factory=dict)

    @property
    def members(self) -> list[int]:
        """Members in order of their first tier."""
        return list(dict.fromkeys(account for tier in self.tiers for account in tier))


@dataclass(frozen=True, slots=True)
class Crime:
    """All rings, and how many centres and offices there are."""

    rings: tuple[Ring, ...]
    n_centres: int
    n_offices: int


def recruit(config: WorldConfig, people: People, rhythm: Rhythm) -> Crime:
    """Form rings until the config's `n_mules` of our accounts are mules; changes the recruits' life in `people`.

    New mules are opened days before their ring starts, dormant ones have no life but their ring, old ones go on
    living. An account may serve two rings.
    """
    wanted = config.n_mules
    if wanted == 0:
        return Crime((), 0, 0)
    rng = stream(config.seed, "crews")
    ours, others = (_recruits(rng, people, own) for own in (True, False))
    # A little more often ours than chance: offices buy where their other accounts are, and hops stay in one bank.
    own_odds = 1 - 0.6 * len(others) / (len(ours) + len(others))
    n_centres = max(2, round(wanted / 30))
    n_offices = max(1, round(n_centres / 1.6))
    rings: list[Ring] = []
    hired: list[int] = []
    order: list[str] = []
    while sum(bool(people.is_own[account]) for account in hired) < wanted:
        order = order or list(rng.permutation(list(SHAPES)))
        shape = str(order.pop())
        least, most = SHAPES[shape]
        size = int(np.clip(least + rng.geometric(0.28) - 1, least, most))
        crew = []
        for _ in range(size):
            again = len(hired) > 20 and rng.random() < 0.04
            pool = ours if rng.random() < own_odds else others
            crew.append(int(rng.choice(hired)) if again or not pool else pool.pop())
        crew = list(dict.fromkeys(crew))
        if len(crew) < 2:
            continue
        hired += [account for account in crew if account not in hired]
        rings.append(_ring(rng, config, rhythm, len(rings), shape, crew, n_centres, n_offices))
    for ring in rings:
        _prepare(rng, config, people, rhythm, ring)
    return Crime(tuple(rings), n_centres, n_offices)


def _recruits(rng: np.random.Generator, people: People, own: bool) -> list[int]:
    """Private accounts in random order, poorer personas first more often than others."""
    eager = {"student": 1.5, "irregular": 1.6, "gig": 1.4, "dormant": 0.2, "salaried": 0.8, "seller": 0.8}
    weight = np.array([eager.get(name, 0.7) for name in CODE])
    who = np.flatnonzero(people.is_private & (people.is_own == own) & (people.closed_at == NEVER))
    odds = weight[people.persona[who]]
    key = rng.exponential(1.0, len(who)) / odds
    return [int(account) for account in who[np.argsort(-key, kind="stable")]]


def _ring(
    rng: np.random.Generator, config: WorldConfig, rhythm: Rhythm, number: int, shape: str, crew: list[int],
    n_centres: int, n_offices: int,
) -> Ring:  # fmt: skip
    tiers = _tiers(rng, shape, crew)
    # Most accounts are used for one to seven days; some rings go on for weeks.
    length = min(float(np.exp(rng.normal(1.3, 0.8))), config.n_days * 0.4)
    first_day = rng.uniform(3, max(3.1, config.n_days - length - 1))
    start = rhythm.start + int(first_day * DAY)
    office = int(rng.integers(0, n_offices))
    return Ring(
        number=number,
        shape=shape,
        tiers=tiers,
        lanes=shape in ("chain", "cycle"),
        centre=int((office * 2 + rng.integers(0, 2)) % n_centres),
        second_centre=int(rng.integers(0, n_centres)),
        office=office,
        start=start,
        end=min(start + int(length * DAY), rhythm.end - HOUR),
        skim=float(rng.uniform(config.skim_low, config.skim_high)),
        skims_at=int(rng.integers(0, len(tiers))),
        splits_under={
            account: int(rng.choice([2_000_000, 3_000_000, 4_900_000])) for account in crew if rng.random() < 0.3
        },
    )


def _tiers(rng: np.random.Generator, shape: str, crew: list[int]) -> list[list[int]]:
    """Cut a crew into tiers that give the shape."""
    n = len(crew)
    if shape == "cycle":
        return [[account] for account in crew] + [[crew[0]]]
    if shape == "chain":
        depth = min(n, int(rng.integers(2, 6)))
        return [crew[place::depth] for place in range(depth)]
    some = int(rng.integers(1, max(2, n - 2))) if n > 3 else 1
    cuts = {
        "fan_in": [n - 1],
        "fan_out": [1],
        "gather_scatter": [some, some + 1],
        "scatter_gather": [1, n - 1],
        "bipartite": [max(1, n // 2)],
        "stack": [max(1, n // 3), max(2, 2 * n // 3)],
    }[shape]
    edges = [0, *cuts, n]
    return [crew[low:high] for low, high in pairwise(edges) if low < high]


def _prepare(rng: np.random.Generator, config: WorldConfig, people: People, rhythm: Rhythm, ring: Ring) -> None:
    first_new = -1
    for account in ring.members:
        if people.mule_kind[account]:
            continue
        kinds = [config.new_mule_share, config.dormant_mule_share]
        kind = int(pick(rng, np.array([*kinds, max(0.0, 1 - sum(kinds))]), 1)[0]) + 1
        people.mule_kind[account] = kind
        if kind == OLD:
            if people.persona[account] == CODE["dormant"]:
                people.persona[account] = CODE["irregular"]
            people.active_from[account] = 0
            people.opened_at[account] = min(int(people.opened_at[account]), ring.start - 60 * DAY)
            continue
        camouflaged = rng.random() < 0.6
        people.liveliness[account] *= rng.uniform(0.2, 0.9)
        people.persona[account] = CODE[str(rng.choice(["irregular", "gig", "student", "second"]))]
        if kind == NEW:
            opened = ring.start - int(rng.exponential(12) * DAY + 1.5 * DAY)
            people.opened_at[account] = opened // DAY * DAY + int(rng.integers(HOUR, 11 * HOUR))
            people.active_from[account] = people.opened_at[account] if camouflaged else NEVER
            if people.opened_at[account] >= rhythm.start and people.is_own[account]:
                people.opening[account] = 0
            # Sellers of accounts sell several at once.
            if first_new >= 0 and rng.random() < 0.35 and people.is_own[account] == people.is_own[first_new]:
                people.holder[account] = people.holder[first_new]
            first_new = account
        else:
            people.opened_at[account] = min(int(people.opened_at[account]), rhythm.start - 200 * DAY)
            people.active_from[account] = ring.start - int(rng.exponential(4) * DAY) if camouflaged else NEVER
            people.opening[account] = int(min(people.opening[account], rng.exponential(60_000)))


def members(crime: Crime) -> Int64:
    """Return all accounts that some ring recruited, sorted, each once."""
    return np.unique(np.array([account for ring in crime.rings for account in ring.members], np.int64))
