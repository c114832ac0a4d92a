"""Episodes: the times at which an account dealt with other suspects, apart from each other by days of rest.

An account that two rings use one after the other belongs to each in its time. So communities are sought among episodes
of accounts, not among accounts, and money is counted for the ring whose episode it fell in.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from muledetect.arrays import BoolArray, Float64Array, Int64Array


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


def find_episodes(suspect: Int64Array, first_time: Int64Array, last_time: Int64Array, *, rest: int) -> Episodes:
    """Join spans of time of each suspect that less than `rest` microseconds part. O(n log n)."""
    order = np.lexsort((last_time, first_time, suspect))
    suspect, first_time, last_time = suspect[order], first_time[order], last_time[order]
    if not len(order):
        return Episodes(suspect, first_time, last_time)
    # the latest end so far, within one suspect: ends are lifted above those of all suspects before
    base = int(first_time.min())
    width = int(last_time.max()) - base + 1
    number = np.cumsum(np.append(False, suspect[1:] != suspect[:-1]))
    reached = np.maximum.accumulate(last_time - base + number * width) - number * width + base
    begins = np.append(True, (suspect[1:] != suspect[:-1]) | (first_time[1:] - reached[:-1] > rest))
    ends = np.append(np.flatnonzero(begins)[1:], len(suspect)) - 1
    return Episodes(suspect[begins], first_time[begins], reached[ends])


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
    begins = np.append(True, (left[1:] != left[:-1]) | (right[1:] != right[:-1]))[: len(left)]
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
