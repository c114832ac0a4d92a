"""Groups of accounts that links hold together: Leiden, repeated, in an order that no name can change."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import graspologic_native
import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from muledetect.arrays import AnyArray, Float64Array, Int64Array, UInt64Array

#: The search is repeated at these multiples of the resolution, with these seeds; the first of each gives the result.
MULTIPLES: Final = (1.0, 0.5, 2.0)
SEEDS: Final = (1, 2, 3)
ITERATIONS: Final = 10

_MOST_ROUNDS: Final = 16


@dataclass(frozen=True, eq=False)
class Communities:
    """Partition of some accounts, and how firmly each holds."""

    label: Int64Array  # community of each account; the numbers carry no meaning
    # mean share of the other members of its community with which the account stays together when the search is
    # repeated; 1 for an account alone
    membership: Float64Array


def find_communities(
    left: Int64Array, right: Int64Array, weight: Float64Array, traits: Sequence[AnyArray], *, resolution: float
) -> Communities:
    """Cluster accounts by the Leiden algorithm with the constant Potts model.

    Edges join positions `left < right`, each pair once, with a weight > 0. `traits` are what tells accounts apart
    besides their edges (64-bit values, one an account), and must not depend on names. `resolution` is the link weight
    that an average pair of members must have: a community of n members loses k of them when their links into it weigh
    less than `resolution * k * (n - k)`. Unlike modularity, a community does not depend on what else there is in the
    graph, and small ones are not merged in large graphs.

    Leiden visits accounts in an order that starts from their numbers, so accounts are first numbered by what they are
    (`structural_order`), and each connected component is clustered by itself: neither names, nor the order of rows,
    nor accounts elsewhere change a community. 9 runs of Leiden, about O(edges) each.
    """
    n = len(traits[0])
    rank = np.empty(n, np.int64)
    rank[structural_order(left, right, weight, traits)] = np.arange(n)
    ends = np.sort(np.stack([rank[left], rank[right]]), axis=0)
    order = np.lexsort((ends[1], ends[0]))
    ends, weight = ends[:, order], weight[order]
    runs = np.tile(np.arange(n), (len(MULTIPLES) * len(SEEDS), 1))
    _, component = connected_components(coo_array((weight, (ends[0], ends[1])), shape=(n, n)), directed=False)
    of_edge = component[ends[0]]
    by_component = np.argsort(of_edge, kind="stable")
    bounds = np.flatnonzero(np.diff(of_edge[by_component])) + 1
    for edges in np.split(by_component, bounds) if len(weight) else []:
        members, local = np.unique(ends[:, edges], return_inverse=True)
        for run, found in enumerate(_runs(local.reshape(2, -1), weight[edges], len(members), resolution)):
            # a community is named by its first member, so that components cannot share a label
            _, first = np.unique(found, return_index=True)
            runs[run, members] = members[first[np.unique(found, return_inverse=True)[1]]]
    return Communities(runs[0][rank], _membership(runs)[rank])


def structural_order(
    left: Int64Array, right: Int64Array, weight: Float64Array, traits: Sequence[AnyArray]
) -> Int64Array:
    """Return positions of accounts sorted by a hash of their traits and, round by round, of their neighbours' hashes.

    Colour refinement (Weisfeiler and Leman, 1968): equal hashes remain only between accounts that traits and weighted
    neighbourhoods do not tell apart, and among those any order gives a partition of the same shape. At most 16
    rounds of O(edges).
    """
    colour = np.zeros(len(traits[0]), np.uint64)
    for trait in traits:
        colour = _mix(colour + _mix(np.ascontiguousarray(trait).view(np.uint64) + np.uint64(1)))
    tie = _mix(np.ascontiguousarray(weight).view(np.uint64))
    n_colours = 0
    rounds = [colour]
    for _ in range(_MOST_ROUNDS):
        n_before, n_colours = n_colours, len(np.unique(colour))
        if n_colours in (n_before, len(colour)):
            break
        around = np.zeros_like(colour)
        # sums of integers modulo 2^64 do not depend on the order of the edges
        np.add.at(around, left, _mix(colour[right] ^ tie))
        np.add.at(around, right, _mix(colour[left] ^ tie))
        colour = _mix(colour + _mix(around))
        rounds.append(colour)
    # the first round that tells two accounts apart orders them, however many more rounds accounts elsewhere need
    return np.lexsort(rounds[::-1]).astype(np.int64)


def _mix(value: UInt64Array) -> UInt64Array:
    """Finaliser of SplitMix64 (Steele, Lea and Flood, 2014): every input bit changes half of the output bits."""
    value = (value ^ (value >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    value = (value ^ (value >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return value ^ (value >> np.uint64(31))


def _runs(ends: Int64Array, weight: Float64Array, n: int, resolution: float) -> list[Int64Array]:
    # text of equal length, so that an implementation that sorts its nodes by name keeps our order
    names = [f"{position:08d}" for position in range(n)]
    edges = [(names[a], names[b], w) for a, b, w in zip(*ends.tolist(), weight.tolist(), strict=True)]
    found = []
    for multiple in MULTIPLES:
        for seed in SEEDS:
            _, label_of = graspologic_native.leiden(
                edges, resolution=resolution * multiple, use_modularity=False, iterations=ITERATIONS, seed=seed
            )
            found.append(np.array([label_of[name] for name in names], np.int64))
    return found


def _membership(runs: Int64Array) -> Float64Array:
    """Share of the fellow members of the first run with whom each account is together, mean over all runs."""
    n = runs.shape[1]
    fellows = np.bincount(runs[0], minlength=n)[runs[0]] - 1
    together = np.zeros(n, np.int64)
    for run in runs:
        _, both, n_both = np.unique(runs[0] * n + run, return_inverse=True, return_counts=True)
        together += n_both[both] - 1
    return np.where(fellows > 0, together / (np.maximum(fellows, 1) * len(runs)), 1.0)
