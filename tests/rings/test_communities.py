from __future__ import annotations

import networkx as nx
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from muledetect.rings.communities import Communities, find_communities


def search(drawn: nx.Graph, traits: np.ndarray | None = None, resolution: float = 0.02) -> Communities:
    edges = sorted((min(a, b), max(a, b), w) for a, b, w in drawn.edges(data="weight", default=1.0))
    columns = np.array(edges, dtype=np.float64).reshape(-1, 3)
    traits = np.zeros(len(drawn)) if traits is None else traits
    left, right = columns[:, 0].astype(np.int64), columns[:, 1].astype(np.int64)
    return find_communities(left, right, np.ascontiguousarray(columns[:, 2]), (traits,), resolution=resolution)


def groups(communities: Communities) -> set[frozenset[int]]:
    return {frozenset(np.flatnonzero(communities.label == k).tolist()) for k in set(communities.label.tolist())}


@pytest.mark.parametrize("drawn", [nx.star_graph(12), nx.path_graph(8), nx.cycle_graph(12), nx.complete_graph(9)])
def test_a_ring_of_any_shape_stays_whole(drawn: nx.Graph) -> None:
    assert groups(search(drawn)) == {frozenset(range(len(drawn)))}


def test_two_dense_groups_with_a_weak_bridge_are_two_and_firm() -> None:
    drawn = nx.disjoint_union(nx.complete_graph(6), nx.complete_graph(6))
    drawn.add_edge(0, 6, weight=0.1)
    found = search(drawn)
    assert groups(found) == {frozenset(range(6)), frozenset(range(6, 12))}
    assert found.membership.tolist() == [1.0] * 12


def test_no_edges_leave_everyone_alone() -> None:
    found = search(nx.empty_graph(3))
    assert len(groups(found)) == 3
    assert found.membership.tolist() == [1.0] * 3


@given(st.integers(0, 2**16), st.integers(3, 25), st.integers(0, 40))
@settings(deadline=None, max_examples=30)
def test_renumbering_accounts_and_adding_others_changes_nothing(seed: int, n: int, n_edges: int) -> None:
    random = np.random.default_rng(seed)
    drawn = nx.gnm_random_graph(n, n_edges, seed=seed)
    for a, b in drawn.edges:
        drawn[a][b]["weight"] = float(random.random() + 0.01)
    traits = random.random(n)
    before = search(drawn, traits, resolution=0.2)
    to = random.permutation(n)
    renamed = nx.relabel_nodes(drawn, dict(enumerate(to.tolist())))
    # a path of three accounts elsewhere
    renamed.add_weighted_edges_from([(n, n + 1, 0.5), (n + 1, n + 2, 0.5)])
    renamed_traits = np.append(np.empty(n), [0.5, 0.5, 0.5])
    renamed_traits[to] = traits
    after = search(renamed, renamed_traits, resolution=0.2)
    moved = {frozenset(int(to[k]) for k in group) for group in groups(before)}
    assert moved == {group for group in groups(after) if min(group) < n}
    assert np.array_equal(before.membership, after.membership[to])
