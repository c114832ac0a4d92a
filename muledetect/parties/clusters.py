"""From pairs to parties: each member matches the core, so that no chain of half likenesses makes one person of many."""

from __future__ import annotations

from typing import Final

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from muledetect.arrays import BoolArray, Float64Array, Int64Array
from muledetect.parties.pairs import Comparer

#: A group with more records than this is not compared all with all: its weaker bonds are cut first.
MOST_COMPARED: Final = 60
#: Log-odds by which the bonds of a group that is no party must be stronger the next time.
STEP: Final = 1.0


def find_clusters(comparer: Comparer, a: Int64Array, b: Int64Array, log_odds: Float64Array, least: float,
                  n: int) -> Int64Array:  # fmt: skip
    """Return the number of the party of each of `n` records; the numbers carry no meaning.

    Parameters
    ----------
    comparer : Comparer
        Compares pairs inside a group that were no candidates.
    a, b, log_odds : arrays
        Pairs, and how likely each is one person.
    least : float
        Log-odds from which a pair binds.

    Notes
    -----
    A group of bound records is a party if each member is more likely than not one person with at least half of the
    others. Else all bonds of the group up to a limit, which rises by `STEP`, are cut, and the pieces are looked at
    again: bonds of one strength fall together, and no order of records shows. O(pairs * steps).
    """
    party, n_named = np.arange(n), n
    keep = np.flatnonzero(log_odds >= least)
    a, b, log_odds, limit = a[keep], b[keep], log_odds[keep], least
    while len(a):
        group = _components(a, b, n)
        holds = _holding(comparer, group)
        members = np.flatnonzero(holds[group])
        party[members] = n_named + group[members]
        n_named, limit = n_named + n, limit + STEP
        rest = ~holds[group[a]] & (log_odds >= limit)
        a, b, log_odds = a[rest], b[rest], log_odds[rest]
    return np.unique(party, return_inverse=True)[1].astype(np.int64)


def _components(a: Int64Array, b: Int64Array, n: int) -> Int64Array:
    graph = coo_array((np.ones(len(a), np.int8), (a, b)), shape=(n, n))
    return np.asarray(connected_components(graph, directed=False)[1], np.int64)


def _holding(comparer: Comparer, group: Int64Array) -> BoolArray:
    """Return of each group whether it is a party: all alone are none, two that are bound are one."""
    size = np.bincount(group)
    order = np.argsort(group, kind="stable")
    start = np.concatenate([[0], np.cumsum(size)])
    looked_at = np.flatnonzero((size > 2) & (size <= MOST_COMPARED))
    members = [order[start[number] : start[number + 1]] for number in looked_at.tolist()]
    pairs = [np.array(np.triu_indices(len(one), 1)) for one in members]
    first = np.concatenate([np.zeros(0, np.int64), *(one[pair[0]] for one, pair in zip(members, pairs, strict=True))])
    second = np.concatenate([np.zeros(0, np.int64), *(one[pair[1]] for one, pair in zip(members, pairs, strict=True))])
    fits = comparer.compare(first, second).log_odds > 0
    degree = np.bincount(first[fits], minlength=len(group)) + np.bincount(second[fits], minlength=len(group))
    holds = size == 2
    holds[looked_at] = [bool((2 * degree[one] >= len(one) - 1).all()) for one in members]
    return np.asarray(holds)
