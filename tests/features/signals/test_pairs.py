"""Fans and pairs against plain loops over all transfers."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest

from muledetect.clock import DAY, HOUR
from muledetect.features.signals import build_past, pairs
from muledetect.graph import TransferGraph, build_graph, graph_from_records
from muledetect.records import read_dataset
from muledetect.testing import random_world

LOOKBACKS = (HOUR, 72 * HOUR, 30 * DAY)


def oracle(graph: TransferGraph, lookback: int, *, is_simultaneous: bool) -> list[dict[str, float]]:
    """Each transfer against every other one."""
    rows = list(
        zip(graph.time.tolist(), graph.source.tolist(), graph.target.tolist(), graph.amount.tolist(), strict=True)
    )
    told = []
    for i, (now, source, target, amount) in enumerate(rows):
        ever = [
            row
            for j, row in enumerate(rows)
            if j != i and row[1] != row[2] and (row[0] < now or (is_simultaneous and row[0] == now))
        ]
        seen = [row for row in ever if row[0] >= now - lookback]
        mine = (now, source, target, amount)
        first = min((row[0] for row in ever if row[1:3] == (source, target)), default=now)
        back = [row for row in ever if row[1:3] == (target, source)]
        got = sum(row[3] for row in seen if row[2] == source)
        spent = sum(row[3] for row in [*seen, mine] if row[1] == source)
        payers = len({row[1] for row in seen if row[2] == source})
        returned = sum(row[3] for row in seen if row[1:3] == (target, source))
        told.append(
            {
                "source_fan_out": len({row[2] for row in [*seen, mine] if row[1] == source}),
                "source_paid": sum(row[1] == source for row in [*seen, mine]),
                "target_fan_in": len({row[1] for row in [*seen, mine] if row[2] == target}),
                "target_received": sum(row[2] == target for row in [*seen, mine]),
                "source_fan_in": len({row[1] for row in seen if row[2] == source}),
                "target_fan_out": len({row[2] for row in seen if row[1] == target}),
                "gather_scatter": min(payers, len({row[2] for row in [*seen, mine] if row[1] == source})),
                "gather_ratio": spent / got if got else math.nan,
                "is_new_payee": float(first == now),
                "pair_age": (now - first) / 1e6,
                "since_reverse": (now - max(row[0] for row in back)) / 1e6 if back else math.nan,
                "returned_ratio": amount / returned if returned else math.nan,
            }
        )
    return told


@pytest.mark.parametrize("seed", range(24))
def test_fans_and_pairs_equal_their_oracle(seed: int) -> None:
    graph = build_graph(read_dataset(random_world(seed)))
    for lookback, ties in itertools.product(LOOKBACKS, ("strict", "simultaneous")):
        past = build_past(graph, lookback=lookback, ties=ties, threads=1 + seed % 2)
        expected = oracle(graph, past.lookback, is_simultaneous=past.is_simultaneous)
        for made in (pairs.fan, pairs.pairs):
            values = made.compute(past)
            for place, column in enumerate(made.columns):
                is_proper = graph.source != graph.target
                wanted = np.array([row[column] for row in expected], np.float32)[is_proper]
                np.testing.assert_array_equal(values[is_proper, place], wanted, err_msg=f"{column} {lookback} {ties}")


def test_a_returned_loan() -> None:
    # b lends 300 and 200 to a; a pays 250 back: half of what it got; the pair is new in this direction
    graph = graph_from_records([("b", "a", 0, 300), ("b", "a", HOUR, 200), ("a", "b", 2 * HOUR, 250)])
    values = pairs.pairs.compute(build_past(graph))[2]
    np.testing.assert_array_equal(values, np.array([1, 0, 3600, 0.5], np.float32))


def test_a_fan_forgets_what_lies_before_the_look_back() -> None:
    graph = graph_from_records([("a", "b", 0, 1), ("a", "c", HOUR, 1), ("a", "d", DAY, 1)])
    assert pairs.fan.compute(build_past(graph, lookback=DAY))[:, 0].tolist() == [1, 2, 3]
    assert pairs.fan.compute(build_past(graph, lookback=DAY - 1))[:, 0].tolist() == [1, 2, 2]
