"""First payments against plain loops over all transfers, and by hand."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest

from muledetect.clock import DAY, HOUR
from muledetect.features.signals import MOST_TRANSFERS, build_past, firsts
from muledetect.graph import TransferGraph, build_graph, graph_from_arrays, graph_from_records
from muledetect.records import read_dataset
from muledetect.testing import check_signal, random_world

LOOKBACKS = (HOUR, 72 * HOUR, 30 * DAY)
COLUMNS = list(firsts.first_payments.columns)


def oracle(graph: TransferGraph, lookback: int, *, is_simultaneous: bool) -> list[list[float]]:
    """Each transfer against every other one."""
    rows = list(
        zip(graph.time.tolist(), graph.source.tolist(), graph.target.tolist(), graph.amount.tolist(), strict=True)
    )
    proper = [row for row in rows if row[1] != row[2]]

    def is_first(row: tuple[int, ...]) -> bool:
        return not any(other[0] < row[0] and other[1:3] == row[1:3] for other in proper)

    told = []
    for row in proper:
        now, source, target, amount = row
        if not is_first(row):
            told.append([math.nan] * len(COLUMNS))
            continue
        seen = [
            other
            for other in proper
            if is_first(other)
            and now - lookback <= other[0]
            and (other[0] < now or (is_simultaneous and other[0] == now))
        ]
        made = [other[3] for other in seen if other[1] == source and other[2] != target]
        got = [other[3] for other in seen if other[2] == source and other[1] != target]
        gathered = [other[3] for other in seen if other[2] == target and other[1] != source]
        found: list[float] = []
        for amounts in (made, got, gathered):
            ratios = [min(other, amount) / max(other, amount) for other in amounts]
            found += [len(ratios), sum(ratio >= firsts.ALIKE for ratio in ratios), max(ratios, default=0.0)]
        told.append([found[place] for place in (1, 2, 4, 5, 6, 7, 8)])
    return told


@pytest.mark.parametrize("seed", range(40))
def test_first_payments_equal_their_oracle(seed: int) -> None:
    sizes = {"n_accounts": 3 + seed % 6, "n_transfers": 15 + seed % 30}
    graph = build_graph(read_dataset(random_world(seed, **sizes)))
    is_proper = graph.source != graph.target
    for lookback, ties in itertools.product(LOOKBACKS, ("strict", "simultaneous")):
        past = build_past(graph, lookback=lookback, ties=ties, threads=1 + seed % 2)
        wanted = oracle(graph, past.lookback, is_simultaneous=past.is_simultaneous)
        values = firsts.first_payments.compute(past)[is_proper]
        np.testing.assert_array_equal(values, np.array(wanted, np.float32).reshape(values.shape), f"{seed} {lookback}")


def test_first_payments_obey_every_law() -> None:
    check_signal(firsts.first_payments, n_worlds=6)


def test_a_mule_receives_passes_on_and_leaves() -> None:
    # two payers that are new to the mule, then 98 of 100 onwards, and later a second time to the same payee
    rows = [("v", "m", 0, 100), ("w", "m", HOUR, 90), ("m", "x", 2 * HOUR, 98), ("m", "x", 3 * HOUR, 98)]
    values = firsts.first_payments.compute(build_past(graph_from_records(rows)))
    np.testing.assert_array_equal(values[0], [0, 0, 0, 0, 0, 0, 0])
    np.testing.assert_array_equal(values[1], np.array([0, 0, 0, 0, 1, 1, 0.9], np.float32))
    np.testing.assert_array_equal(values[2], np.array([0, 0, 2, 0.98, 0, 0, 0], np.float32))
    assert np.isnan(values[3]).all()


def test_a_payer_of_long_ago_is_not_new() -> None:
    rows = [("v", "m", 0, 100), ("v", "m", 100 * DAY, 100), ("m", "x", 100 * DAY + HOUR, 100)]
    values = firsts.first_payments.compute(build_past(graph_from_records(rows)))
    assert values[2, COLUMNS.index("new_got_alike")] == 0


@pytest.mark.parametrize(("max_degree", "wanted"), [(64, math.nan), (None, MOST_TRANSFERS + 1)])
def test_of_a_busy_payee_nothing_is_known_unless_all_is_asked_for(max_degree: int | None, wanted: float) -> None:
    n = MOST_TRANSFERS + 2
    graph = graph_from_arrays(
        time=np.arange(n, dtype=np.int64) * 1_000_000, source=np.arange(1, n + 1, dtype=np.int32),
        target=np.zeros(n, np.int32), amount=np.full(n, 5), account_ids=[f"a{k}" for k in range(n + 1)],
    )  # fmt: skip
    values = firsts.first_payments.compute(build_past(graph, max_degree=max_degree))
    assert values[-2, COLUMNS.index("new_payers")] == MOST_TRANSFERS
    np.testing.assert_array_equal(values[-1, COLUMNS.index("new_payers")], wanted)
    assert values[-1, COLUMNS.index("new_got_alike")] == 0
