"""A bank with many small rings that overlap, days for a clock and transfers only, as another maker would make it.

Honest accounts pay shops and employers that many pay, a few partners again and again, and now and then a stranger.
Clubs of savers pay a host by turns. A ring has one of the shapes of `muledetect.testing.shapes`, 3 to 12 accounts that
live on as before, and moves its money one to three times, at amounts that the honest pay, too.
"""

from __future__ import annotations

from typing import Final

import numpy as np
import pandas as pd

from muledetect.testing.shapes import SHAPES, draw_shape

N_ACCOUNTS: Final = 30_000
N_RINGS: Final = 360
N_DAYS: Final = 120
N_HUBS: Final = 200
N_CLUBS: Final = 120

#: Share of the places in a ring that go to an account of a ring before it, within threes: if any ring could share with
#: any other, most would hang together, and no score could be out of fold by ring.
SHARED, TOGETHER = 0.2, 3
#: Of the payments of the honest: to shops, and to partners; the rest goes to strangers.
TO_SHOPS, TO_PARTNERS = 0.35, 0.5
#: Minor units: the median of what the honest pay, and of what a ring moves at a time.
USUAL, RING_MONEY = 120_000, 300_000

Rows = list[tuple[int, int, int, float]]


def small_ring_world(seed: int) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return transfers (the five columns) and members of rings (ring_id, account_id, shape, value)."""
    random = np.random.default_rng(seed)
    honest = pd.concat([_payments(random), _salaries(random), _clubs(random)])
    planted, members = _rings(random)
    moved = pd.DataFrame(planted, columns=["day", "source", "target", "amount", "ring_id"])
    rows = pd.concat([honest, moved]).reset_index(drop=True)
    rows = rows[(rows["source"] != rows["target"]) & (rows["day"] < N_DAYS)]
    rows = rows.sort_values(["day", "source", "target", "amount"]).reset_index(drop=True)
    number = random.permutation(N_ACCOUNTS)
    name = np.array([f"A{k:06d}" for k in number], dtype=object)
    transfers = pd.DataFrame({
        "transfer_id": [f"T{k:07d}" for k in range(len(rows))],
        "time": pd.Timestamp("2025-01-01", tz="UTC") + pd.to_timedelta(rows["day"], unit="D"),
        "source": name[rows["source"].astype(int)], "target": name[rows["target"].astype(int)],
        "amount": np.maximum(rows["amount"].round(), 1).astype("int64"),
    })  # fmt: skip
    return transfers, _valued(members, moved, name)


def _valued(members: pd.DataFrame, moved: pd.DataFrame, name: np.ndarray) -> pd.DataFrame:
    """Return members with the money of the ring that they received or paid, the larger of both."""
    keys = pd.MultiIndex.from_frame(members[["ring_id", "account"]])
    sums = [moved.groupby(["ring_id", side])["amount"].sum().reindex(keys).fillna(0) for side in ("source", "target")]
    value = np.maximum(*(total.to_numpy(float) for total in sums)).round().astype("int64")
    return pd.DataFrame({
        "ring_id": members["ring_id"].to_numpy(object), "account_id": name[members["account"]],
        "shape": members["shape"].to_numpy(object), "value": value,
    })  # fmt: skip


def _popular(random: np.random.Generator, size: int) -> np.ndarray:
    """Return hubs, the first of them most often; hubs are the accounts 0 to N_HUBS."""
    chance = 1 / np.arange(1, N_HUBS + 1) ** 0.9
    return random.choice(N_HUBS, size, p=chance / chance.sum())


def _payments(random: np.random.Generator) -> pd.DataFrame:
    rate = random.lognormal(2.4, 1.0, N_ACCOUNTS)
    rate[:N_HUBS] *= 5
    source = np.repeat(np.arange(N_ACCOUNTS), random.poisson(rate))
    n = len(source)
    partners = random.integers(0, N_ACCOUNTS, (N_ACCOUNTS, 6))
    # friends pay each other: half of the partners have the account for a partner as well
    partners[partners[:, 0], 1] = np.arange(N_ACCOUNTS)
    usual = random.lognormal(0, 0.8, (N_ACCOUNTS, 6))
    place = np.minimum(random.geometric(0.35, n) - 1, 5)
    draw = random.random(n)
    target = np.where(draw < TO_SHOPS, _popular(random, n), partners[source, place])
    target = np.where(draw >= TO_SHOPS + TO_PARTNERS, random.integers(0, N_ACCOUNTS, n), target)
    size = np.where(target == partners[source, place], usual[source, place], 1.0)
    amount = USUAL * size * random.lognormal(0, 0.9, n)
    return pd.DataFrame(
        {"day": random.integers(0, N_DAYS, n), "source": source, "target": target, "amount": amount, "ring_id": ""}
    )


def _salaries(random: np.random.Generator) -> pd.DataFrame:
    staff = np.flatnonzero(random.random(N_ACCOUNTS) < 0.6)
    employer, pay = _popular(random, len(staff)), 10 * USUAL * random.lognormal(0, 0.5, len(staff))
    months = [
        pd.DataFrame({"day": day, "source": employer, "target": staff, "amount": pay, "ring_id": ""})
        for day in range(27, N_DAYS, 30)
    ]
    return pd.concat(months)


def _clubs(random: np.random.Generator) -> pd.DataFrame:
    rows: Rows = []
    for _ in range(N_CLUBS):
        club = random.choice(np.arange(N_HUBS, N_ACCOUNTS), int(random.integers(5, 11)), replace=False)
        amount, first, every = USUAL * random.lognormal(0.5, 0.5), int(random.integers(0, 20)), random.choice([7, 14])
        for turn, day in enumerate(range(first, N_DAYS, int(every))):
            host = club[turn % len(club)]
            rows += [(day + int(random.integers(0, 2)), one, host, amount) for one in club if one != host]
    return pd.DataFrame(rows, columns=["day", "source", "target", "amount"]).assign(ring_id="")


def _rings(random: np.random.Generator) -> tuple[list[tuple[int, int, int, float, str]], pd.DataFrame]:
    fresh = iter(random.permutation(np.arange(N_HUBS, N_ACCOUNTS)).tolist())
    once: list[int] = []
    rows, members = [], []
    shapes = list(SHAPES)
    for k in range(N_RINGS):
        ring, shape = f"g{k:03d}", shapes[k % len(shapes)]
        size = min(12, SHAPES[shape][0] + int(random.geometric(0.3)) - 1)
        own: list[int] = []
        once = once if k % TOGETHER else []
        shared = [bool(once) and random.random() < SHARED for _ in range(size)]
        for is_shared in shared:
            own.append(once.pop(int(random.integers(len(once)))) if is_shared and once else next(fresh))
        once += [one for one, is_shared in zip(own, shared, strict=True) if not is_shared]
        members += [(ring, one, shape) for one in own]
        rows += _moved(ring, shape, own, random)
    return rows, pd.DataFrame(members, columns=["ring_id", "account", "shape"])


def _moved(
    ring: str, shape: str, own: list[int], random: np.random.Generator
) -> list[tuple[int, int, int, float, str]]:
    rows = []
    steps = draw_shape(shape, len(own), random)
    last_hop = max(step.hop for step in steps)
    for _ in range(int(random.integers(1, 4))):
        money, fee = RING_MONEY * random.lognormal(0, 0.8), random.uniform(0, 0.06)
        gaps = np.minimum(random.geometric(0.35, last_hop + 1) - 1, 7)
        day = int(random.integers(0, max(1, N_DAYS - 2 - int(gaps.sum())))) + np.cumsum(gaps)
        for step in steps:
            amount = money * step.share * (1 - fee) ** step.hop * random.normal(1, 0.05)
            # of payments without an order, some come a day later, but none after the next hop
            late = int(random.integers(0, 2)) if step.hop == last_hop or gaps[step.hop + 1] else 0
            rows.append((int(day[step.hop]) + late, own[step.payer], own[step.payee], max(amount, 1.0), ring))
    return rows
