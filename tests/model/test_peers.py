"""Peers: who is compared with whom, and where a value stands."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
import small_world as worlds

from muledetect.graph import build_graph
from muledetect.labels import every_account
from muledetect.model import peers
from muledetect.model.peers import PeerGroups, Peers, choose_peers
from muledetect.records import read_dataset

TRAINING = Peers(np.array([1.0, 2.0]), np.array([10.0, 20.0]))


def test_a_value_is_ranked_among_the_peers_of_its_row_of_whom_the_column_is_known() -> None:
    values = np.full((300, 2), np.nan, dtype=np.float32)
    values[:200, 0] = np.arange(200)
    near = PeerGroups(np.array([0, -1]), [values], TRAINING)
    standing = near.standing(0, 0, 150.0)
    # 150 of 0..199 lie below 150, 49 above; positions 99 and 197 of 199 are the lower quantiles
    assert standing == (99.0, 197.0, 0.75, 0.245)


def test_where_there_are_no_peers_or_too_few_know_the_column_the_training_stands_in() -> None:
    values = np.full((300, 2), np.nan, dtype=np.float32)
    values[:199, 0] = 0.0
    near = PeerGroups(np.array([0, -1]), [values], TRAINING)
    for row, column in ((0, 0), (0, 1), (1, 0)):
        assert near.standing(row, column, 5.0)[:2] == (TRAINING.median[column], TRAINING.p99[column])
        assert np.isnan(near.standing(row, column, 5.0).below)


def circles_of(world: worlds.World, as_of: str) -> dict[str, frozenset[str]]:
    """Return the peers of every account that has some."""
    dataset = read_dataset(world)
    graph, points = build_graph(dataset), every_account(dataset, as_of)
    circle, chosen = choose_peers(dataset, graph, points, np.arange(len(points)))
    ids = dataset.account_ids.to_pylist()
    names = [frozenset(ids[account] for account in points.account[rows]) for rows in chosen]
    return {ids[account]: names[at] for account, at in zip(points.account, circle, strict=True) if at >= 0}


@pytest.fixture
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(peers, "FEWEST", 20)
    monkeypatch.setattr(peers, "MOST", 60)


@pytest.mark.usefixtures("few")
def test_peers_are_of_one_kind_and_of_those_that_are_scored() -> None:
    world = worlds.small_world()
    kinds = dict(zip(*(world["accounts"][name].to_pylist() for name in ("account_id", "kind")), strict=True))
    found = circles_of(world, worlds.SCORED_AT)
    assert found
    for account, others in found.items():
        assert 20 <= len(others) <= 60
        if sum(kind == kinds[account] for kind in kinds.values()) > 400:  # enough of them, however narrow
            assert {kinds[other] for other in others} == {kinds[account]}


@pytest.mark.usefixtures("few")
def test_neither_the_future_nor_names_nor_order_change_who_the_peers_are() -> None:
    world = worlds.small_world()
    found = circles_of(world, worlds.SCORED_AT)
    assert circles_of(worlds.with_another_future(world, worlds.SCORED_AT), worlds.SCORED_AT) == found
    turned = {name: table.take(pa.array(np.arange(len(table))[::-1])) for name, table in world.items()}
    assert circles_of(turned, worlds.SCORED_AT) == found
    renamed, new_of = worlds.renamed(world)
    expected = {new_of[account]: frozenset(new_of[other] for other in others) for account, others in found.items()}
    assert circles_of(renamed, worlds.SCORED_AT) == expected


def test_narrow_circles_come_before_wide_ones() -> None:
    found = circles_of(worlds.small_world(), worlds.SCORED_AT)
    assert min(map(len, found.values())) >= peers.FEWEST
    assert max(map(len, found.values())) <= peers.MOST
