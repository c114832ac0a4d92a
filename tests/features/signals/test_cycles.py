"""Cycles against every path of a plain search, and against networkx where order does not matter."""

from __future__ import annotations

import itertools
import math
from collections import Counter

import networkx as nx
import numpy as np
import pytest

from muledetect.clock import DAY, HOUR
from muledetect.errors import OptionError
from muledetect.features.signals import Past, build_past
from muledetect.features.signals.cycles import count_simple_cycles, count_temporal_cycles, cycles
from muledetect.graph import TransferGraph, build_graph, graph_from_records
from muledetect.records import read_dataset
from muledetect.testing import random_world

Row = tuple[int, int, int, int]  # time, source, target, amount


def rows_of(graph: TransferGraph) -> list[Row]:
    return list(
        zip(graph.time.tolist(), graph.source.tolist(), graph.target.tolist(), graph.amount.tolist(), strict=True)
    )


def closed_by(past: Past, i: int, longest: int, low: float, high: float) -> list[list[Row]]:
    """Return every temporal cycle that transfer i closes, by walking every path from its target."""
    rows = rows_of(past.graph)
    now, source, target, amount = rows[i]
    if source == target:
        return []
    earlier = [
        row
        for j, row in enumerate(rows)
        if j != i
        and row[1] != row[2]
        and now - past.lookback <= row[0] <= now
        and (past.is_simultaneous or row[0] < now)
    ]
    found, paths = [], [[row] for row in earlier if row[1] == target]
    while paths:
        path = paths.pop()
        last = path[-1]
        if last[2] == source:
            if low * last[3] <= amount <= high * last[3]:
                found.append([*path, rows[i]])
            continue
        if len(path) == longest - 1:
            continue
        seen = {target, *(row[2] for row in path)}
        for row in earlier:
            is_later = row[0] >= last[0] if past.is_simultaneous else row[0] > last[0]
            is_even = low * last[3] <= row[3] <= high * last[3]
            if row[1] == last[2] and row[2] not in seen and is_later and is_even:
                paths.append([*path, row])
    return found


def pasts_of(seed: int, max_degree: int | None = None) -> list[Past]:
    n_accounts = 3 + seed % 6
    graph = build_graph(read_dataset(random_world(seed, n_accounts=n_accounts, n_transfers=10 + seed % 31)))
    return [
        build_past(graph, lookback=lookback, ties=ties, max_degree=max_degree, threads=1 + seed % 2)
        for lookback, ties in itertools.product((HOUR, 72 * HOUR, 30 * DAY), ("strict", "simultaneous"))
    ]


@pytest.mark.parametrize("seed", range(28))
def test_temporal_cycles_equal_every_path(seed: int) -> None:
    for past in pasts_of(seed):
        for low, high in ((None, None), (0.7, 1.1)):
            lowest, highest = 0.0 if low is None else low, math.inf if high is None else high
            found = [closed_by(past, i, 6, lowest, highest) for i in range(len(past))]
            expected = [[sum(len(cycle) == n for cycle in one) for n in range(2, 7)] for one in found]
            got = count_temporal_cycles(past, 6, low, high)
            np.testing.assert_array_equal(got, np.array(expected), err_msg=f"seed {seed} {past.lookback}")


@pytest.mark.parametrize("seed", range(60, 76))
def test_columns_summarise_the_cycles(seed: int) -> None:
    for past in pasts_of(seed):
        values = cycles.compute(past)
        for i in np.flatnonzero(past.paid_at >= 0):
            found = closed_by(past, int(i), 6, 0.7, 1.1)
            n = Counter(len(cycle) for cycle in found)
            even = [min(row[3] for row in cycle) / max(row[3] for row in cycle) for cycle in found]
            expected = [n[2], n[3], n[4], n[5] + n[6], min(n, default=0), max(even, default=math.nan), 0]
            np.testing.assert_array_equal(values[i], np.array(expected, np.float32), err_msg=f"seed {seed} row {i}")


@pytest.mark.parametrize("seed", range(16))
def test_a_limit_of_work_leaves_out_whole_lengths_and_says_how_many(seed: int) -> None:
    for max_degree in (1, 3):
        for exact, capped in zip(pasts_of(seed), pasts_of(seed, max_degree), strict=True):
            wanted, got = count_temporal_cycles(exact), count_temporal_cycles(capped)
            is_known = ~np.isnan(got)
            np.testing.assert_array_equal(got[is_known], wanted[is_known], err_msg=f"seed {seed}")
            assert (np.diff(is_known.astype(int), axis=1) <= 0).all()  # the lengths left out are the longest
            even = count_temporal_cycles(capped, 6, 0.7, 1.1)
            np.testing.assert_array_equal(cycles.compute(capped)[:, -1], np.isnan(even).sum(axis=1))


@pytest.mark.parametrize("seed", range(12))
def test_simple_cycles_equal_networkx(seed: int) -> None:
    """Every simple cycle of the window's graph with the transfer, times its parallel transfers."""
    for past in pasts_of(seed)[:4]:
        rows, got = rows_of(past.graph), count_simple_cycles(past, 5)
        for i in np.flatnonzero(past.paid_at >= 0):
            now, source, target, _ = rows[i]
            earlier = Counter(
                row[1:3]
                for j, row in enumerate(rows)
                if j != i and row[1] != row[2] and now - past.lookback <= row[0] <= now
                if past.is_simultaneous or row[0] < now
            )
            drawn = nx.DiGraph(list(earlier))
            drawn.add_edge(source, target)
            expected = [0] * 4
            for cycle in nx.simple_cycles(drawn, length_bound=5):
                hops = list(zip(cycle, [*cycle[1:], cycle[0]], strict=True))
                if (source, target) in hops:
                    expected[len(cycle) - 2] += math.prod(earlier[hop] for hop in hops if hop != (source, target))
            assert got[i].tolist() == expected, f"seed {seed} row {i}"


def test_money_that_comes_back_in_three_hops_less_a_commission() -> None:
    # 1000 -> 900 -> 850: the third transfer closes a cycle of 3; smallest by largest is 850 / 1000
    graph = graph_from_records([("a", "b", 0, 1000), ("b", "c", HOUR, 900), ("c", "a", 2 * HOUR, 850)])
    values = cycles.compute(build_past(graph))
    np.testing.assert_array_equal(values[2], np.array([0, 1, 0, 0, 3, 0.85, 0], np.float32))
    assert not values[:2, :5].any()


def test_a_hop_that_keeps_more_than_it_may_closes_nothing() -> None:
    graph = graph_from_records([("a", "b", 0, 1000), ("b", "c", HOUR, 600), ("c", "a", 2 * HOUR, 590)])
    assert not cycles.compute(build_past(graph))[:, :5].any()
    assert count_temporal_cycles(build_past(graph), 3)[2].tolist() == [0, 1]


def test_out_of_order_only_simple_cycles_close() -> None:
    graph = graph_from_records([("b", "c", 0, 5), ("a", "b", HOUR, 5), ("c", "a", 2 * HOUR, 5)])
    past = build_past(graph)
    assert count_temporal_cycles(past, 3)[2].tolist() == [0, 0]
    assert count_simple_cycles(past, 3)[2].tolist() == [0, 1]


def test_parallel_transfers_make_different_cycles() -> None:
    graph = graph_from_records([("a", "b", 0, 5), ("a", "b", 1, 5), ("b", "a", HOUR, 5)])
    assert count_temporal_cycles(build_past(graph), 2)[2].tolist() == [2]


def test_a_length_out_of_range_says_what_is_allowed() -> None:
    past = build_past(graph_from_records([("a", "b", 0, 5)]))
    with pytest.raises(OptionError, match="must be 2 to 6; got 7"):
        count_temporal_cycles(past, 7)
    with pytest.raises(OptionError, match="must be 2 to 5; got 1"):
        count_simple_cycles(past, 1)
