"""Groups of accounts that links hold together, in their time.

Episodes are the times at which an account dealt with other suspects, apart from each other by days of rest. An account
that two rings use one after the other belongs to each in its time. So communities are sought among episodes of
accounts, not among accounts, and money is counted for the ring whose episode it fell in. A link joins the episodes of
the account one after the other: a ring that returns with its members is one ring. The search is Leiden, repeated, in an
order that no name can change.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import graspologic_native
import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from muledetect.arrays import AnyArray, BoolArray, Float64Array, Int64Array, UInt64Array, run_starts


@dataclass(frozen=True, eq=False)
class Episodes:
    """Episodes by account (position in the suspects) and time."""

    suspect: Int64Array
    first_time: Int64Array  # first and last transfer that binds the account to another suspect, microseconds
    last_time: Int64Array

    def __len__(self) -> int:
        return len(self.suspect)

    def of(self, suspect: Int64Array, moment: Int64Array) -> Int64Array:
        """Return the latest episode of each suspect that began by a moment, else its first; -1 = it has none."""
        if not len(self):
            return np.full(len(suspect), -1, np.int64)
        # one sorted key: suspects first, times within them
        order = np.argsort(np.concatenate([self.first_time, moment]), kind="stable")
        rank = np.empty(len(order), np.int64)
        rank[order] = np.arange(len(order))
        n = len(order)
        key = self.suspect * n + rank[: len(self)]
        found = np.searchsorted(key, suspect * n + rank[len(self) :], side="right") - 1
        found = np.where((found >= 0) & (self.suspect[found] == suspect), found, found + 1)
        safe = np.minimum(found, len(self) - 1)
        return np.where((found < len(self)) & (self.suspect[safe] == suspect), safe, -1).astype(np.int64)


#: A rest ends an episode only if it is so many times as long as the account's usual one: slow rings rest for weeks.
RHYTHM: Final = 3

#: Two episodes of one account, one after the other, are joined with this weight, in proportion to its suspicion: enough
#: for a ring that comes back with all of its members, too little for two rings that share one.
SAME_ACCOUNT: Final = 0.3


def usual_rests(suspect: Int64Array, moment: Int64Array, n: int) -> Int64Array:
    """Return the median time between two moments of each of `n` suspects (of an even number the lower of the two).

    0 for those with fewer than two different moments. O(n log n).
    """
    order = np.lexsort((moment, suspect))
    suspect, moment = suspect[order], moment[order]
    pause = np.append(0, np.diff(moment))[: len(moment)]
    rows = np.flatnonzero(~run_starts(suspect) & (pause > 0))
    rows = rows[np.lexsort((pause[rows], suspect[rows]))]
    first = np.flatnonzero(run_starts(suspect[rows]))
    length = np.diff(np.append(first, len(rows)))
    usual = np.zeros(n, np.int64)
    usual[suspect[rows[first]]] = pause[rows[first + (length - 1) // 2]]
    return usual


def find_episodes(
    suspect: Int64Array, first_time: Int64Array, last_time: Int64Array, *, rest: int | Int64Array
) -> Episodes:
    """Join spans of time of each suspect that less than its `rest` microseconds part. O(n log n)."""
    order = np.lexsort((last_time, first_time, suspect))
    suspect, first_time, last_time = suspect[order], first_time[order], last_time[order]
    if not len(order):
        return Episodes(suspect, first_time, last_time)
    is_other = run_starts(suspect)
    # the latest end so far, within one suspect: ends are lifted above those of all suspects before
    base = int(first_time.min())
    width = int(last_time.max()) - base + 1
    number = np.cumsum(is_other)
    reached = np.maximum.accumulate(last_time - base + number * width) - number * width + base
    longest = rest if isinstance(rest, int) else rest[suspect[1:]]
    begins = is_other | np.append(True, first_time[1:] - reached[:-1] > longest)
    ends = np.append(np.flatnonzero(begins)[1:], len(suspect)) - 1
    return Episodes(suspect[begins], first_time[begins], reached[ends])


def follow(episodes: Episodes) -> tuple[Int64Array, Int64Array]:
    """Return the episodes that have another of the same account after them, and these."""
    first = np.flatnonzero(episodes.suspect[1:] == episodes.suspect[:-1])
    return first, first + 1


@dataclass(frozen=True, eq=False)
class Edges:
    """Undirected edges between episodes, each pair once, `left < right`."""

    left: Int64Array
    right: Int64Array
    weight: Float64Array


def join_links(left: Int64Array, right: Int64Array, weight: Float64Array) -> Edges:
    """Add up weights by pair, in the order of their size, so that no name decides the last bit."""
    keep = (left >= 0) & (right >= 0) & (left != right) & (weight > 0)
    left, right, weight = left[keep], right[keep], weight[keep]
    left, right = np.minimum(left, right), np.maximum(left, right)
    order = np.lexsort((weight, right, left))
    left, right, weight = left[order], right[order], weight[order]
    begins = run_starts(left, right)
    total = np.bincount(np.cumsum(begins) - 1, weights=weight).astype(np.float64) if len(left) else np.zeros(0)
    return Edges(left[begins], right[begins], total)


def is_close_in_time(
    episodes: Episodes, episode: Int64Array, first_time: Int64Array, last_time: Int64Array, *, rest: int
) -> BoolArray:
    """Return whether spans of time lie within `rest` of an episode; False where there is none."""
    safe = np.maximum(episode, 0)
    if not len(episodes):
        return np.zeros(len(episode), np.bool_)
    begun = first_time - rest <= episodes.last_time[safe]
    return np.asarray((episode >= 0) & begun & (last_time + rest >= episodes.first_time[safe]))


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
    nor accounts elsewhere change a community. 9 runs of Leiden, about O(edges) each: some 5 s for 300,000
    edges. Memory goes to the largest component, some 900 bytes an edge: the library takes edges as Python objects.
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
        colour = mix_bits(colour + mix_bits(np.ascontiguousarray(trait).view(np.uint64) + np.uint64(1)))
    tie = mix_bits(np.ascontiguousarray(weight).view(np.uint64))
    n_colours = 0
    rounds = [colour]
    for _ in range(_MOST_ROUNDS):
        n_before, n_colours = n_colours, len(np.unique(colour))
        if n_colours in (n_before, len(colour)):
            break
        around = np.zeros_like(colour)
        # sums of integers modulo 2^64 do not depend on the order of the edges
        np.add.at(around, left, mix_bits(colour[right] ^ tie))
        np.add.at(around, right, mix_bits(colour[left] ^ tie))
        colour = mix_bits(colour + mix_bits(around))
        rounds.append(colour)
    # the first round that tells two accounts apart orders them, however many more rounds accounts elsewhere need
    return np.lexsort(rounds[::-1]).astype(np.int64)


def mix_bits(value: UInt64Array) -> UInt64Array:
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
