"""Scatter-gather against sets of all earlier transfers, and drawn by hand."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pyarrow as pa
import pytest

from muledetect.clock import HOUR
from muledetect.features.signals import Past, build_past
from muledetect.features.signals.scatter import count_scatter_gather, scatter_gather
from muledetect.graph import TransferGraph, graph_from_arrays, graph_from_records


def oracle(past: Past) -> list[list[float]]:
    """Each transfer against all others; a busy payer hides its transfer, the one in question too."""
    graph = past.graph
    rows = list(zip(graph.time.tolist(), graph.source.tolist(), graph.target.tolist(), strict=True))

    def is_before(time: int, other: int) -> bool:
        return time < other or (past.is_simultaneous and time == other)

    def seen_by(i: int) -> list[int]:
        now = rows[i][0]
        return [
            j
            for j, (time, source, target) in enumerate(rows)
            if j != i and source != target and now - past.lookback <= time and is_before(time, now)
        ]

    def is_busy(j: int) -> bool:
        return 0 < past.max_degree < sum(rows[k][2] == rows[j][1] for k in seen_by(j))

    told = []
    for i, (_, s, t) in enumerate(rows):
        if s == t:
            told.append([0.0, 0.0, 0.0])
            continue
        seen = seen_by(i)
        gathered = [j for j in seen if rows[j][2] == t]
        left_out = sum(is_busy(j) for j in [*gathered, i])
        if is_busy(i):
            told.append([math.nan, math.nan, left_out])
            continue
        middles = {rows[j][1]: {s} for j in seen if rows[j][2] == s and rows[j][1] != t}
        for j, k in itertools.product(gathered, seen):
            payer, middle = rows[k][1:]
            if middle == rows[j][1] and payer in middles and is_before(rows[k][0], rows[j][0]) and not is_busy(j):
                middles[payer].add(middle)
        sizes = [len(found) for found in middles.values()]
        told.append([max(sizes, default=0), sum(size > 1 for size in sizes), left_out])
    return told


def multigraph(seed: int) -> TransferGraph:
    """A small temporal multigraph: ties, parallel transfers, self-loops and hubs."""
    random = np.random.default_rng(seed)
    n_accounts, n = int(random.integers(3, 9)), int(random.integers(5, 41))
    weight = random.dirichlet(np.full(n_accounts, random.choice([0.5, 5.0])))
    return graph_from_arrays(
        time=random.integers(0, random.choice([6, 40, 400]), n) * HOUR,
        source=random.choice(n_accounts, n, p=weight).astype(np.int32),
        target=random.choice(n_accounts, n, p=weight[::-1]).astype(np.int32),
        amount=random.choice([100, 90, 1_000], n),
        account_ids=pa.array([f"a{code}" for code in range(n_accounts)]),
    )


@pytest.mark.parametrize("part", range(4))
def test_scatter_gather_equals_its_oracle(part: int) -> None:
    for seed in range(part * 40, part * 40 + 40):
        graph = multigraph(seed)
        for ties, cap, lookback in itertools.product(("strict", "simultaneous"), (None, 2), (3 * HOUR, 30 * HOUR)):
            past = build_past(graph, ties=ties, max_degree=cap, lookback=lookback, threads=1 + seed % 2)
            np.testing.assert_array_equal(
                scatter_gather.compute(past),
                np.array(oracle(past), np.float32),
                err_msg=f"seed {seed} {ties} {cap} {lookback}",
            )


def test_money_of_one_account_gathers_over_three_ways() -> None:
    # a pays m1, m2, m3; they pay b. The third to pay completes a shape of three middles; so did the second, of two
    scattered = [("a", f"m{n}", n, 9) for n in (1, 2, 3)]
    gathered = [(f"m{n}", "b", 3 + n, 9) for n in (1, 2, 3)]
    past = build_past(graph_from_records(scattered + gathered))
    assert count_scatter_gather(past).tolist() == [0, 0, 0, 1, 2, 3]
    assert scatter_gather.compute(past)[:, 1].tolist() == [0, 0, 0, 0, 1, 1]


def test_a_middle_that_paid_before_it_was_paid_is_none() -> None:
    rows = [("a", "m1", 0, 9), ("m2", "b", 1, 9), ("a", "m2", 2, 9), ("m1", "b", 3, 9)]
    assert count_scatter_gather(build_past(graph_from_records(rows)))[3] == 1


def test_a_middle_that_was_paid_before_the_look_back_is_forgotten() -> None:
    rows = [("a", "m1", 0, 9), ("a", "m2", HOUR, 9), ("m1", "b", 2 * HOUR, 9), ("m2", "b", 3 * HOUR, 9)]
    graph = graph_from_records(rows)
    assert count_scatter_gather(build_past(graph, lookback=3 * HOUR))[3] == 2
    assert count_scatter_gather(build_past(graph, lookback=3 * HOUR - 1))[3] == 1
