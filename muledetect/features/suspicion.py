"""Suspicion: how suspicious the accounts are that an account deals with, by the scores of a first model.

A model gives these columns to its second stage. Without its scores they are not defined.
"""

from __future__ import annotations

from typing import Final

import numba
import numpy as np

from muledetect.arrays import Float64Array
from muledetect.features._columns import ON_REQUEST, Column
from muledetect.features._history import History
from muledetect.features._spec import feature

#: Bits from which an account is among the highest 1%.
TOP: Final = float(np.log2(100))

# Sums are of integers, so that the order of transfers and the names of accounts cannot change a bit.
_BITS: Final = 2.0**16
_WEIGHT: Final = 2.0**20


def bits_of(score: Float64Array) -> Float64Array:
    """Return `-log2(share of scores at least as high)` of each score, float64[n]; equal scores get equal bits."""
    ascending = np.sort(score)
    n_at_least = len(score) - np.searchsorted(ascending, score, side="left")
    return np.asarray(np.log2(max(len(score), 1)) - np.log2(n_at_least))


def _said(side: str, others: str) -> dict[str, Column]:
    texts = {
        "mean": ("ratio", f"suspicion of its {others}, mean (bits)"),
        "by_amount": ("ratio", f"suspicion of its {others}, mean by amount (bits)"),
        "of_rare": ("ratio", f"suspicion of its {others}, mean in which seldom ones count more (bits)"),
        "max": ("ratio", f"suspicion of the most suspicious of its {others} (bits)"),
        "second": ("ratio", f"suspicion of the second most suspicious of its {others} (bits)"),
    }
    said = {f"{side}_suspicion_{name}": Column(unit, text, only=ON_REQUEST) for name, (unit, text) in texts.items()}  # type: ignore[arg-type]
    count = Column("count", f"{others} that score among the highest 1%", only=ON_REQUEST)
    return {**said, f"{side}_suspicious": count}


COLUMNS: Final = {**_said("in", "payers"), **_said("out", "payees")}


@feature(family="suspicion", columns=COLUMNS)
def neighbour_suspicion(history: History) -> Float64Array:
    """Suspicion of the accounts that paid the account, and of those that it paid, in all of its past that is seen.

    Over the different counterparties b of a side, with n(b) transfers and the amount a(b): the mean of the bits of b;
    the same weighted by a(b), and by 1 / n(b), for mules deal with each other seldom and customers often; the highest
    and the second highest; and how many are among the highest 1%. An account that was not scored, such as one of
    another bank, counts with 0 bits. NaN (and 0 for the counts) without transfers on a side, and all NaN without
    scores. O(transfers of the account).
    """
    suspicion = history.extraction.suspicion
    if suspicion is None:
        return np.full((len(history), len(COLUMNS)), np.nan)
    bits = np.rint(suspicion.bits * _BITS).astype(np.int64)
    account = history.points.account
    view = np.where(account >= 0, suspicion.view[account], 0)
    into, out, graph = history.incoming, history.outgoing, history.graph
    sides = [
        _neighbours(side.start, side.end, side.transfer, other, side.amount, view, bits)
        for side, other in ((into, graph.source), (out, graph.target))
    ]
    return np.column_stack(sides)


@numba.njit(cache=True, nogil=True)
def _neighbours(start, end, transfer, other, amount, view, bits) -> Float64Array:  # type: ignore[no-untyped-def]
    """Invariant: `n_of` and `moved` are 0 for all accounts between two points."""
    found = np.full((len(start), 6), np.nan)
    n_of, moved = np.zeros(bits.shape[1], np.int64), np.zeros(bits.shape[1], np.int64)
    met = np.empty(bits.shape[1], np.int64)
    top = np.int64(np.rint(TOP * _BITS))
    for p in range(len(start)):
        n, total, n_top = 0, 0, 0
        for j in range(start[p], end[p]):
            b = other[transfer[j]]
            if n_of[b] == 0:
                met[n] = b
                n += 1
            n_of[b] += 1
            moved[b] += amount[j]
            total += amount[j]
        plain, by_amount, rare, weights = np.int64(0), np.int64(0), np.int64(0), np.int64(0)
        largest, second = np.int64(0), np.int64(0)
        for k in range(n):
            b = met[k]
            here = bits[view[p], b]
            weight = np.int64(np.rint(_WEIGHT / n_of[b]))
            plain += here
            by_amount += here * np.int64(np.rint(moved[b] / total * _WEIGHT))
            rare += here * weight
            weights += weight
            n_top += here >= top
            if here > largest:
                largest, second = here, largest
            elif here > second:
                second = here
            n_of[b], moved[b] = 0, 0
        found[p, 5] = n_top
        if n > 0:
            found[p, 0] = plain / n / _BITS
            found[p, 1] = by_amount / _WEIGHT / _BITS
            found[p, 2] = rare / weights / _BITS if weights > 0 else 0.0
            found[p, 3], found[p, 4] = largest / _BITS, second / _BITS
    return found
