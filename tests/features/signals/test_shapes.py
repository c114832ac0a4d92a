"""Shapes against plain loops over all transfers, and drawn by hand."""

from __future__ import annotations

import itertools

import numpy as np
import pyarrow as pa
import pytest

from muledetect.clock import DAY, HOUR
from muledetect.features.signals import build_past, shapes
from muledetect.graph import TransferGraph, build_graph, graph_from_arrays, graph_from_records
from muledetect.records import read_dataset
from muledetect.testing import random_world

Row = tuple[int, int, int, int]  # time, source, target, amount


class Around:
    """What was earlier than one transfer, and what its ends did; degrees above the cap hide an account."""

    def __init__(self, rows: list[Row], i: int, lookback: int, cap: int, *, is_simultaneous: bool) -> None:
        self.now, self.s, self.t, _ = rows[i]
        self.is_simultaneous, self.cap = is_simultaneous, cap or len(rows) + 1
        self.places = [
            j
            for j, row in enumerate(rows)
            if j != i and row[1] != row[2] and self.now - lookback <= row[0] and self.is_before(row[0], self.now)
        ]
        self.seen = [rows[j] for j in self.places]
        self.is_cut = False

    def is_before(self, time: int, other: int) -> bool:
        return time < other or (self.is_simultaneous and time == other)

    def debits(self, account: int) -> list[Row]:
        return [row for row in self.seen if row[1] == account]

    def credits(self, account: int) -> list[Row]:
        return [row for row in self.seen if row[2] == account]

    def allowed(self, found: list[Row]) -> list[Row]:
        """Nothing of what is too much."""
        if len(found) > self.cap:
            self.is_cut = True
            return []
        return found


def oracle_bipartite(around: Around) -> list[float]:
    s, t = around.s, around.t
    payees = {row[2] for row in around.debits(s)} - {t}
    payers = {row[1] for row in around.credits(s)}
    if not payees and not payers:
        return [0, 0, 0, 0]
    common = len({row[2] for row in around.allowed(around.debits(t))} & payees - {s}) if payees else 0
    n_own = int(around.is_simultaneous)  # this transfer is in the payer's and in the payee's window
    credits_of_t = around.credits(t)
    if len(credits_of_t) > around.cap:
        return [0, common, 0, 1]
    others = {row[1] for row in credits_of_t} - {s}
    shared = len(payers & others)
    pairs: set[tuple[int, int]] = set()
    if not payees:
        return [shared, common, 0, around.is_cut]
    if len(credits_of_t) + n_own <= len(around.debits(s)) + n_own:
        for other in others:
            pairs |= {(other, row[2]) for row in around.allowed(around.debits(other)) if row[2] in payees}
    else:
        for payee in payees:
            pairs |= {(row[1], payee) for row in around.allowed(around.credits(payee)) if row[1] in others}
    return [shared, common, len(pairs), around.is_cut]


def oracle(graph: TransferGraph, lookback: int, cap: int, *, is_simultaneous: bool) -> list[list[float]]:
    """Each transfer against all others."""
    columns = (graph.time, graph.source, graph.target, graph.amount)
    rows: list[Row] = list(zip(*(column.tolist() for column in columns), strict=True))
    told: list[list[float]] = []
    seen: list[list[int]] = []
    for i, (_, s, t, _) in enumerate(rows):
        around = Around(rows, i, lookback, cap, is_simultaneous=is_simultaneous)
        n_payers, n_payees, n_pairs, is_cut = oracle_bipartite(around)
        told.append([0.0] * 5 if s == t else [n_payers, n_payees, n_pairs, 0, is_cut])
        seen.append([j for j in around.places if rows[j][2] == s])
    for row, places in zip(told, seen, strict=True):
        row[3] = float(row[2] > 0 and any(told[j][2] > 0 for j in places))
    return told


def multigraph(seed: int) -> TransferGraph:
    """A small temporal multigraph: ties, parallel transfers, self-loops and a hub."""
    random = np.random.default_rng(seed)
    n_accounts, n = int(random.integers(3, 9)), int(random.integers(5, 41))
    weight = random.dirichlet(np.full(n_accounts, random.choice([0.5, 5.0])))
    return graph_from_arrays(
        time=random.integers(0, random.choice([6, 40, 400]), n) * HOUR,
        source=random.choice(n_accounts, n, p=weight).astype(np.int32),
        target=random.choice(n_accounts, n, p=weight[::-1]).astype(np.int32),
        amount=random.choice([100, 90, 1_000, 950, 37], n),
        account_ids=pa.array([f"a{code}" for code in range(n_accounts)]),
    )


def values_of(graph: TransferGraph, **options) -> np.ndarray:
    return shapes.bipartite.compute(build_past(graph, **options))


def compare(graph: TransferGraph, **options) -> None:
    past = build_past(graph, **options)
    expected = oracle(graph, past.lookback, past.max_degree, is_simultaneous=past.is_simultaneous)
    np.testing.assert_array_equal(values_of(graph, **options), np.array(expected, np.float32), err_msg=f"{options}")


@pytest.mark.parametrize("part", range(8))
def test_shapes_equal_their_oracle_in_random_multigraphs(part: int) -> None:
    for seed in range(part * 60, part * 60 + 60):
        for ties, cap in itertools.product(("strict", "simultaneous"), (None, 2)):
            compare(multigraph(seed), ties=ties, max_degree=cap, lookback=[3 * HOUR, 30 * HOUR, 30 * DAY][seed % 3])


@pytest.mark.parametrize("seed", range(8))
def test_shapes_equal_their_oracle_in_random_worlds(seed: int) -> None:
    compare(build_graph(read_dataset(random_world(seed))), threads=1 + seed % 2)


def test_a_stack_is_two_layers_of_two_by_two() -> None:
    # a1, a2 pay m1, m2 both; these pay b1, b2 both: the last transfer of each layer closes a two by two shape
    rows = [
        ("a1", "m1", 0, 9), ("a1", "m2", 1, 9), ("a2", "m1", 2, 9), ("a2", "m2", 3, 9),
        ("m1", "b1", 4, 9), ("m1", "b2", 5, 9), ("m2", "b1", 6, 9), ("m2", "b2", 7, 9),
    ]  # fmt: skip
    values = values_of(graph_from_records(rows))
    assert values[:, 2].tolist() == [0, 0, 0, 1, 0, 0, 0, 1]
    assert values[:, 3].tolist() == [0, 0, 0, 0, 0, 0, 0, 1]
