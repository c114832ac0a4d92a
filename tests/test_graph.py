"""The transfer graph: one array for every row order, its past without copies, and the way to networkx and back."""

from __future__ import annotations

import networkx as nx
import numpy as np
import pytest

from muledetect.errors import DataError
from muledetect.graph import build_graph, from_networkx, graph_from_records
from muledetect.records import read_dataset
from muledetect.testing import random_world


@pytest.mark.parametrize("seed", range(6))
def test_any_row_order_gives_identical_arrays(seed: int) -> None:
    world = random_world(seed)
    order = np.random.default_rng(seed).permutation(len(world["transfers"]))
    one = build_graph(read_dataset(world))
    other = build_graph(read_dataset({**world, "transfers": world["transfers"].take(order)}))
    for name in ("time", "source", "target", "amount"):
        np.testing.assert_array_equal(getattr(one, name), getattr(other, name))
    for side in ("incoming", "outgoing"):
        for mine, theirs in zip(getattr(one, side), getattr(other, side), strict=True):
            np.testing.assert_array_equal(mine, theirs)


@pytest.mark.parametrize("seed", range(6))
def test_the_indexes_agree_with_networkx(seed: int) -> None:
    graph = build_graph(read_dataset(random_world(seed)))
    drawn = graph.to_networkx()
    for code, account in enumerate(graph.account_ids.to_pylist()):
        for index, edges in (
            (graph.outgoing, drawn.out_edges(account, data=True)),
            (graph.incoming, drawn.in_edges(account, data=True)),
        ):
            own = index.transfer[index.start[code] : index.stop[code]]
            assert np.all(np.diff(own) > 0)
            found = sorted(zip(graph.time[own].tolist(), graph.amount[own].tolist(), strict=True))
            assert found == sorted((edge["time"], edge["amount"]) for _, _, edge in edges)


@pytest.mark.parametrize("seed", range(6))
def test_the_past_shares_its_transfers_and_equals_a_graph_of_the_past(seed: int) -> None:
    world = random_world(seed)
    graph = build_graph(read_dataset(world))
    as_of = int(graph.time[len(graph.time) // 2])
    past = graph.until(as_of)
    assert past.n_transfers == int((graph.time < as_of).sum())
    assert past.n_transfers == 0 or np.shares_memory(past.time, graph.time)
    for index, ends in ((past.outgoing, past.source), (past.incoming, past.target)):
        for code in range(past.n_accounts):
            own = index.transfer[index.start[code] : index.stop[code]]
            np.testing.assert_array_equal(own, np.flatnonzero(ends == code))


def test_networkx_and_back_is_the_same_graph() -> None:
    graph = build_graph(read_dataset(random_world(3)))
    again = from_networkx(graph.to_networkx(), tick=graph.tick)
    for name in ("time", "source", "target", "amount"):
        np.testing.assert_array_equal(getattr(graph, name), getattr(again, name))


def test_arrays_cannot_be_written_to() -> None:
    graph = graph_from_records([("a", "b", "2025-01-01", 5)])
    with pytest.raises(ValueError, match="read-only"):
        graph.amount[0] = 6


def test_codes_of_unknown_accounts_are_minus_one() -> None:
    graph = graph_from_records([("a", "b", "2025-01-01", 5)])
    assert graph.codes(["b", "nobody", "a"]).tolist() == [1, -1, 0]


def test_amounts_must_be_positive_and_edges_complete() -> None:
    with pytest.raises(DataError, match="amounts must be > 0"):
        graph_from_records([("a", "b", "2025-01-01", 0)])
    with pytest.raises(DataError, match="have a direction"):
        from_networkx(nx.Graph())
    drawn = nx.DiGraph()
    drawn.add_edge("a", "b", amount=5)
    with pytest.raises(DataError, match="1 of 1 edges lack"):
        from_networkx(drawn)
