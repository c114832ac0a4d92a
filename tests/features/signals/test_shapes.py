"""Shapes against plain loops over all transfers, and drawn by hand."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pyarrow as pa
import pytest

from muledetect.clock import DAY, HOUR
from muledetect.features.signals import build_past, shapes
from muledetect.graph import TransferGraph, build_graph, graph_from_arrays, graph_from_records
from muledetect.records import read_dataset
from muledetect.testing import random_world

COLUMNS = list(shapes.shapes.columns)


def oracle(  # noqa: PLR0912 (one definition after the other)
    graph: TransferGraph, lookback: int, *, is_simultaneous: bool, max_degree: int = 0
) -> list[list[float]]:
    """Each transfer against sets of all earlier ones; the order of questions is that of the definition."""
    columns = (graph.time, graph.source, graph.target, graph.amount)
    rows = list(zip(*(column.tolist() for column in columns), strict=True))
    most_allowed = max_degree or len(rows) + 1

    def is_before(time: int, other: int) -> bool:
        return time < other or (is_simultaneous and time == other)

    told: list[list[float]] = []
    for i, (now, s, t, amount) in enumerate(rows):
        if s == t:
            told.append([0, 0, 0, 0, 0, 0, math.nan, 0])
            continue
        seen = [
            row
            for j, row in enumerate(rows)
            if j != i and row[1] != row[2] and now - lookback <= row[0] and is_before(row[0], now)
        ]
        payers_of_s = {row[1] for row in seen if row[2] == s}
        payees_of_s = {row[2] for row in seen if row[1] == s}
        credits_of_t = [row for row in seen if row[2] == t]
        debits_of_t = [row for row in seen if row[1] == t]
        is_cut = False
        common_payees: set[int] = set()
        if payees_of_s - {t}:
            if len(debits_of_t) > most_allowed:
                is_cut = True
            else:
                common_payees = {row[2] for row in debits_of_t} & payees_of_s - {s, t}
        if len(credits_of_t) > most_allowed:
            is_cut, credits_of_t = True, []
        others = {row[1] for row in credits_of_t} - {s}
        middles: dict[int, set[int]] = {}
        n_butterflies = 0
        for other in others:
            latest = max(row[0] for row in credits_of_t if row[1] == other)
            if payers_of_s:
                fed = [row for row in seen if row[2] == other and is_before(row[0], latest)]
                if len(fed) > most_allowed:
                    is_cut = True
                else:
                    for origin in ({row[1] for row in fed} & payers_of_s) - {s, t}:
                        middles.setdefault(origin, {s}).add(other)
            if payees_of_s - {t}:
                spent = [row for row in seen if row[1] == other]
                if len(spent) > most_allowed:
                    is_cut = True
                else:
                    n_butterflies += len(({row[2] for row in spent} & payees_of_s) - {t})
        most = max((len(found) for found in middles.values()), default=1 if payers_of_s - {t} else 0)
        received = sum(row[3] for row in seen if row[2] == s)
        paid = sum(row[3] for row in seen if row[1] == s) + amount
        credits_of_s = [
            j
            for j, row in enumerate(rows)
            if row[2] == s and row[1] != s and now - lookback <= row[0] and is_before(row[0], now)
        ]
        told.append(
            [
                len(payers_of_s & others), len(common_payees), most, n_butterflies, credits_of_s,  # type: ignore[list-item]
                min(len(payers_of_s), len(payees_of_s | {t})), paid / received if received else math.nan, is_cut,
            ]
        )  # fmt: skip
    for row in told:
        if isinstance(row[4], list):
            row[4] = row[3] > 0 and any(told[j][3] > 0 for j in row[4])
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


def compare(graph: TransferGraph, **options) -> None:
    past = build_past(graph, **options)
    values = shapes.shapes.compute(past)
    expected = oracle(graph, past.lookback, is_simultaneous=past.is_simultaneous, max_degree=past.max_degree)
    np.testing.assert_array_equal(values, np.array(expected, np.float32), err_msg=f"{options} {COLUMNS}")


@pytest.mark.parametrize("part", range(8))
def test_shapes_equal_their_oracle_in_random_multigraphs(part: int) -> None:
    for seed in range(part * 60, part * 60 + 60):
        for ties, cap in itertools.product(("strict", "simultaneous"), (None, 2)):
            compare(multigraph(seed), ties=ties, max_degree=cap, lookback=[3 * HOUR, 30 * HOUR, 30 * DAY][seed % 3])


@pytest.mark.parametrize("seed", range(8))
def test_shapes_equal_their_oracle_in_random_worlds(seed: int) -> None:
    compare(build_graph(read_dataset(random_world(seed))), threads=1 + seed % 2)


def test_a_scatter_gather_in_order_of_time() -> None:
    # a pays m1, m2, m3; they pay b. The third to pay completes a shape of three middles
    rows = [
        ("a", "m1", 0, 9),
        ("a", "m2", 1, 9),
        ("a", "m3", 2, 9),
        ("m1", "b", 3, 9),
        ("m2", "b", 4, 9),
        ("m3", "b", 5, 9),
    ]
    assert shapes.shapes.compute(build_past(graph_from_records(rows)))[:, 2].tolist() == [0, 0, 0, 1, 2, 3]


def test_a_middle_that_paid_on_before_it_was_paid_is_none() -> None:
    # m2 pays b before a pays m2
    rows = [("a", "m1", 0, 9), ("m2", "b", 1, 9), ("a", "m2", 2, 9), ("m1", "b", 3, 9)]
    assert shapes.shapes.compute(build_past(graph_from_records(rows)))[3, 2] == 1


def test_a_stack_is_two_layers_of_two_by_two() -> None:
    # a1, a2 pay m1, m2 both; these pay b1, b2 both: the last transfer of each layer closes a two by two shape
    rows = [
        ("a1", "m1", 0, 9), ("a1", "m2", 1, 9), ("a2", "m1", 2, 9), ("a2", "m2", 3, 9),
        ("m1", "b1", 4, 9), ("m1", "b2", 5, 9), ("m2", "b1", 6, 9), ("m2", "b2", 7, 9),
    ]  # fmt: skip
    values = shapes.shapes.compute(build_past(graph_from_records(rows)))
    assert values[:, 3].tolist() == [0, 0, 0, 1, 0, 0, 0, 1]
    assert values[:, 4].tolist() == [0, 0, 0, 0, 0, 0, 0, 1]
