"""The transfer graph: one array for every row order, its past without copies, and the way to networkx and back."""

from __future__ import annotations

import dataclasses
import itertools
from datetime import UTC, datetime
from random import Random

import networkx as nx
import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from strategies import Row, rows_of_transfers

from muledetect.errors import DataError
from muledetect.features import extract
from muledetect.graph import (
    Points,
    TransferGraph,
    build_graph,
    from_networkx,
    graph_from_arrays,
    graph_from_records,
)
from muledetect.labels import every_account
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


@given(rows=rows_of_transfers(), shuffle=st.randoms(use_true_random=False), data=st.data())
def test_any_graph_is_the_same_in_any_order_and_at_any_moment_of_its_past(
    rows: list[Row], shuffle: Random, data: st.DataObject
) -> None:
    graph = graph_from_rows(rows)
    mixed = list(rows)
    shuffle.shuffle(mixed)
    assert_same(graph_from_rows(mixed), graph)
    as_of = data.draw(st.sampled_from([time for _, _, time, _ in rows])) + data.draw(st.sampled_from([0, 1]))
    past = graph.until(as_of)
    ids = graph.account_ids.to_pylist()
    seen = [(ids[s], ids[t], time, a) for s, t, time, a in transfers_of(past)]
    assert sorted(seen) == sorted(row for row in rows if row[2] < as_of)
    assert_same_past(past, graph_from_rows([row for row in rows if row[2] < as_of]))


@given(rows=rows_of_transfers())
def test_any_graph_comes_back_from_networkx(rows: list[Row]) -> None:
    """Parallel and equal transfers and those to oneself are kept, each with its own time and amount."""
    graph = graph_from_rows(rows)
    drawn = graph.to_networkx()
    assert drawn.number_of_edges() == len(rows)
    assert dict(drawn.out_degree()) == {
        account: int(stop - start)
        for account, start, stop in zip(drawn.nodes, graph.outgoing.start, graph.outgoing.stop, strict=True)
    }
    assert_same(from_networkx(drawn), graph)


def test_a_past_of_a_past_is_the_earlier_one() -> None:
    graph = build_graph(read_dataset(random_world(1)))
    early, late = int(graph.time[10]), int(graph.time[50])
    assert_same_past(graph.until(late).until(early), graph.until(early))
    assert_same_past(graph.until(early).until(late), graph.until(early))


def test_the_past_shares_all_but_the_ends_of_the_index() -> None:
    graph = build_graph(read_dataset(random_world(1)))
    past = graph.until(int(graph.time[30]))
    for name in ("time", "source", "target", "amount"):
        assert np.shares_memory(getattr(past, name), getattr(graph, name))
    for side in ("incoming", "outgoing"):
        assert getattr(past, side).transfer is getattr(graph, side).transfer
        assert getattr(past, side).start is getattr(graph, side).start


@pytest.mark.slow
def test_features_of_the_graph_of_the_past_are_those_of_the_whole() -> None:
    dataset = read_dataset(random_world(2))
    graph = build_graph(dataset)
    points = every_account(dataset, int(graph.time[30]))
    whole = extract(dataset, points, graph=graph)
    past = extract(dataset, points, graph=graph.until(int(graph.time[30])))
    for name in whole.column_names[2:]:
        np.testing.assert_array_equal(past[name].to_numpy(), whole[name].to_numpy(), err_msg=name)


def test_codes_of_few_ids_are_those_of_many() -> None:
    names = [f"{letter}{k}" for letter in ("a", "\u0e01", "\uffee", "\U0001f600", "Z") for k in range(300)]
    graph = graph_from_records([(one, other, "2025-01-01", 1) for one, other in itertools.pairwise(names)])
    asked = ["", "a", *names[::7], "a00", "\U0001f600999", "zz", None]
    many = graph.codes(pa.array(asked, pa.string())).tolist()
    assert [graph.codes(pa.array([one], pa.string())).tolist() for one in asked] == [[code] for code in many]
    assert sorted(many)[:6] == [-1] * 6
    assert sum(code >= 0 for code in many) == len(names[::7])
    assert graph.codes(pa.array([], pa.string())).dtype == np.int32
    backwards = dataclasses.replace(graph, account_ids=graph.account_ids[::-1])  # as of a live state: in any order
    assert [len(names) - 1 - int(backwards.codes([one])[0]) for one in names[::7]] == graph.codes(names[::7]).tolist()
    nameless = dataclasses.replace(graph, account_ids=pa.nulls(len(names), pa.string()))
    assert nameless.codes(["a0"]).tolist() == [-1]


def test_an_account_without_transfers_has_a_code_and_an_empty_range() -> None:
    accounts = pa.table({"account_id": ["000", "zzz"]})
    transfers = random_world(0)["transfers"]
    graph = build_graph(read_dataset({"transfers": transfers, "accounts": accounts}))
    code = int(graph.codes(["000"])[0])
    assert code == 0
    assert graph.outgoing.start[code] == graph.outgoing.stop[code]
    assert "zzz" in graph.to_networkx().nodes


def test_a_graph_without_transfers_works() -> None:
    graph = graph_from_records([])
    assert (graph.n_accounts, graph.n_transfers) == (0, 0)
    assert repr(graph) == "TransferGraph(0 accounts, 0 transfers)"
    assert graph.until("2025-01-01").n_transfers == 0
    assert graph.to_networkx().number_of_nodes() == 0


def test_leading_zeros_and_other_scripts_keep_their_ids_in_order_of_bytes() -> None:
    graph = graph_from_records([("ก", "01", "2025-01-01", 5), ("1", "é", "2025-01-01", 5)])
    assert graph.account_ids.to_pylist() == ["01", "1", "é", "ก"]


def test_codes_outside_the_table_of_accounts_are_an_error() -> None:
    one = {"time": np.zeros(1, np.int64), "amount": np.ones(1, np.int64), "account_ids": pa.array(["a"])}
    for source, target, name in ((1, 0, "source"), (0, -1, "target")):
        with pytest.raises(DataError, match=f"{name} holds account codes outside 0 to 0"):
            graph_from_arrays(source=np.array([source], np.int32), target=np.array([target], np.int32), **one)


def test_points_must_have_a_moment_each() -> None:
    with pytest.raises(DataError, match="must be equally long"):
        Points(np.zeros(2, np.int32), np.zeros(1, np.int64))


def test_networkx_nodes_of_any_kind_become_text() -> None:
    drawn = nx.MultiDiGraph()
    drawn.add_edge(7, 8, time="2025-01-01T00:00:01", amount=5)
    drawn.add_edge(7, 8, time=datetime(2025, 1, 1, tzinfo=UTC), amount=6)
    graph = from_networkx(drawn)
    assert graph.account_ids.to_pylist() == ["7", "8"]
    assert graph.amount.tolist() == [6, 5]


def graph_from_rows(rows: list[Row]) -> TransferGraph:
    return graph_from_records([(source, target, time, amount) for source, target, time, amount in rows])


def transfers_of(graph: TransferGraph) -> list[tuple[int, int, int, int]]:
    arrays = (graph.source, graph.target, graph.time, graph.amount)
    return list(zip(*(array.tolist() for array in arrays), strict=True))


def assert_same(one: TransferGraph, other: TransferGraph) -> None:
    assert one.account_ids.equals(other.account_ids)
    assert transfers_of(one) == transfers_of(other)
    for side in ("incoming", "outgoing"):
        for mine, theirs in zip(getattr(one, side), getattr(other, side), strict=True):
            np.testing.assert_array_equal(mine, theirs)


def assert_same_past(one: TransferGraph, other: TransferGraph) -> None:
    """Same transfers of every account, whatever accounts each graph has besides."""
    assert histories(one) == histories(other)


def histories(graph: TransferGraph) -> dict[tuple[str, str], list[tuple[int, int]]]:
    found = {}
    for side in ("incoming", "outgoing"):
        index = getattr(graph, side)
        for account, start, stop in zip(graph.account_ids.to_pylist(), index.start, index.stop, strict=True):
            own = index.transfer[start:stop]
            if len(own):
                found[account, side] = sorted(zip(graph.time[own].tolist(), graph.amount[own].tolist(), strict=True))
    return found
