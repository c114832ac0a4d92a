"""Neighbours against plain loops over all transfers, few points at a moment and many."""

from __future__ import annotations

import math

import numpy as np
import pytest

from muledetect.clock import DAY, HOUR
from muledetect.features import extract, neighbours
from muledetect.labels import every_account
from muledetect.records import Dataset, read_dataset
from muledetect.testing import check_feature, random_world

NAMES = [f"{column}__window_30d" for column in neighbours.neighbours.columns]
STATE = ("pass", "quick", "payers", "payees", "burst", "age")
Move = tuple[int, str, str, int]  # time, source, target, amount


class World:
    """All transfers before a moment, and what each account does in the window."""

    def __init__(self, dataset: Dataset, as_of: int, window: int) -> None:
        rows = dataset.transfers.to_pylist()
        times = dataset.transfers["time"].cast("int64").to_pylist()
        self.as_of = as_of
        self.ever: list[Move] = [
            (time, row["source"], row["target"], row["amount"])
            for row, time in zip(rows, times, strict=True)
            if time < as_of and row["source"] != row["target"]
        ]
        self.seen = [move for move in self.ever if move[0] >= as_of - window]
        self.n_blocks = -(-window // DAY)

    def side(self, account: str, side: str) -> list[tuple[str, int]]:
        """Counterparty and amount of each transfer of a side."""
        if side == "in":
            return [(source, amount) for _, source, target, amount in self.seen if target == account]
        return [(target, amount) for _, source, target, amount in self.seen if source == account]

    def block(self, account: str) -> int:
        turnover = [0] * self.n_blocks
        for time, source, target, amount in self.seen:
            if account in (source, target):
                turnover[min(self.n_blocks - 1, (self.as_of - time - 1) // DAY)] += amount
        return turnover.index(max(turnover))

    def state(self, account: str) -> dict[str, float]:
        received, paid = self.side(account, "in"), self.side(account, "out")
        if not received and not paid:
            return dict.fromkeys(STATE, math.nan)
        into, out = (sum(amount for _, amount in moves) for moves in (received, paid))
        credited = [time for time, _, target, _ in self.seen if target == account]
        quick = sum(
            amount
            for time, source, _, amount in self.seen
            if source == account and any(time - HOUR <= credit <= time for credit in credited)
        )
        turnover = [0] * self.n_blocks
        for time, source, target, amount in self.seen:
            if account in (source, target):
                turnover[min(self.n_blocks - 1, (self.as_of - time - 1) // DAY)] += amount
        return {
            "pass": min(into, out) / max(into, out),
            "quick": quick / out if out else math.nan,
            "payers": len({other for other, _ in received}),
            "payees": len({other for other, _ in paid}),
            "burst": max(turnover) / sum(turnover),
            "age": (self.as_of - min(move[0] for move in self.ever if account in move[1:3])) / 1e6,
        }


def mean(pairs: list[tuple[float, int]]) -> float:
    known = [(value, amount) for value, amount in pairs if not math.isnan(value)]
    return sum(value * amount for value, amount in known) / sum(amount for _, amount in known) if known else math.nan


def oracle(world: World, account: str) -> list[float]:
    told: list[float] = []
    own, own_block = world.state(account), world.block(account)
    for side, most in (("in", "payees"), ("out", "payers")):
        moves = world.side(account, side)
        states = [(world.state(other), amount) for other, amount in moves]
        told += [mean([(state[name], amount) for state, amount in states]) for name in STATE]
        told.append(max((state[most] for state, _ in states), default=0))
        alike = sum(
            amount
            for other, amount in moves
            if abs(world.state(other)["pass"] - own["pass"]) <= 0.1 and abs(world.block(other) - own_block) <= 1
        )
        told.append(alike / sum(amount for _, amount in moves) if moves else math.nan)
        for name in ("pass", "quick"):
            beyond = [
                (mean([(world.state(third)[name], paid) for third, paid in world.side(other, side)]), amount)
                for other, amount in moves
            ]
            told.append(mean(beyond))
    return told


@pytest.mark.parametrize("many", [1, 10**9], ids=["many points", "few points"])
@pytest.mark.parametrize("seed", range(8))
def test_neighbours_equal_their_oracle(seed: int, many: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(neighbours, "_MANY", many)
    dataset = read_dataset(random_world(seed))
    times = dataset.transfers["time"].cast("int64").to_numpy()
    as_of = int(np.random.default_rng(seed).choice(times)) + [0, dataset.tick, HOUR][seed % 3]
    table = extract(dataset, every_account(dataset, as_of), NAMES)
    world = World(dataset, as_of, 30 * DAY)
    expected = np.array([oracle(world, account) for account in dataset.account_ids.to_pylist()])
    for column, name in enumerate(NAMES):
        np.testing.assert_allclose(
            table[name].to_numpy(), expected[:, column], rtol=1e-6, atol=1e-6, err_msg=f"{name}, {seed}"
        )


@pytest.mark.parametrize("many", [1, 10**9], ids=["many points", "few points"])
def test_neighbours_obey_the_laws_however_many_points_ask(many: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(neighbours, "_MANY", many)
    check_feature(neighbours.neighbours, n_worlds=4)
