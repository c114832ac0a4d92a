"""Suspicion: how suspicious the accounts are that an account deals with or shares an identifier with.

It is measured by the scores of a first model.

A model gives these columns to its second stage. Without its scores they are not defined.
"""

from __future__ import annotations

from typing import Final

import numba
import numpy as np

from muledetect.arrays import Float64Array, Int64Array
from muledetect.facts.sightings import CROWD, ROLE, n_holders, person_of
from muledetect.features._columns import ON_REQUEST, Column
from muledetect.features._extraction import Suspicion
from muledetect.features._history import History
from muledetect.features._spec import feature

#: Bits from which an account is among the highest 1%.
TOP: Final = float(np.log2(100))

# Sums are of integers, so that the order of transfers and the names of accounts cannot change a bit.
_BITS: Final = 2.0**16
_WEIGHT: Final = 2.0**20


def bits_of(score: Float64Array, among: Float64Array | None = None) -> Float64Array:
    """Return `-log2(share of scores at least as high)` of each score, float64[n]; equal scores get equal bits.

    The share is that of the scores themselves or of those of others, `among`. What is higher than all of those gets the
    bits of their highest.
    """
    others = score if among is None else among
    n_at_least = len(others) - np.searchsorted(np.sort(others), score, side="left")
    return np.asarray(np.log2(max(len(others), 1)) - np.log2(np.maximum(n_at_least, 1)))


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


_DEALT_WITH: Final = {**_said("in", "payers"), **_said("out", "payees")}

_NOT_LIVE: Final = "it needs the scores of all accounts at the moment"

_SHARERS: Final = "accounts that share a holder, device, contact or network with it"

_SHARING: Final = {
    "shared_suspicion_mean": Column("ratio", f"suspicion of the {_SHARERS}, mean (bits)", only=ON_REQUEST),
    "shared_suspicion_max": Column(
        "ratio", f"suspicion of the most suspicious of the {_SHARERS} (bits)", only=ON_REQUEST
    ),
    "shared_suspicious": Column("count", f"{_SHARERS} and score among the highest 1%", only=ON_REQUEST),
}

#: All columns of the family, the only ones that a second stage reads.
COLUMNS: Final = {**_DEALT_WITH, **_SHARING}


@feature(family="suspicion", columns=_DEALT_WITH, not_live=_NOT_LIVE)
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
        return np.full((len(history), len(_DEALT_WITH)), np.nan)
    bits, view = suspicion.bits, _views(suspicion, history)
    into, out, graph = history.incoming, history.outgoing, history.graph
    sides = [
        _neighbours(side.start, side.end, side.transfer, other, side.amount, view, bits)
        for side, other in ((into, graph.source), (out, graph.target))
    ]
    return np.column_stack(sides)


@feature(family="suspicion", columns=_SHARING, tables=("accounts", "identifiers", "sessions"), not_live=_NOT_LIVE)
def sharer_suspicion(history: History) -> Float64Array:
    """Suspicion of the accounts that share a holder, a device, a way to reach the holder or a network with the account.

    They are the other accounts of its holder, and those of holders that were known before the point to have used what
    its holder had used, where at most 20 holders did; each counts once. Their bits: mean, highest, and how many are
    among the highest 1%. NaN (and 0 for the count) where nothing is shared; all NaN without scores, and without the
    tables `accounts`, `identifiers` and `sessions`. O(accounts of at most 20 holders an identifier).
    """
    suspicion = history.extraction.suspicion
    if suspicion is None or not {"accounts", "identifiers", "sessions"} & history.tables.keys():
        return np.full((len(history), len(_SHARING)), np.nan)
    bits, view = suspicion.bits, _views(suspicion, history)
    seen, account = history.facts.seen, history.points.account
    found: Float64Array = _sharers(
        person_of(seen.people, account), account, history.as_of, view, seen.people, seen.sightings, ROLE, bits
    )
    return found


def _views(suspicion: Suspicion, history: History) -> Int64Array:
    """Return the view of each point."""
    account = history.points.account
    return np.where(account >= 0, suspicion.view[account], 0)


@numba.njit(cache=True, nogil=True)
def _whole(bits):  # type: ignore[no-untyped-def]
    return np.int64(np.rint(bits * _BITS))


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
            here = _whole(bits[view[p], b])
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


@numba.njit(cache=True, nogil=True)
def _sharers(person, account, as_of, view, people, sightings, role, bits) -> Float64Array:  # type: ignore[no-untyped-def]
    """Invariant: `met[q] == p` for the holders whose accounts are listed at point p."""
    found = np.full((len(person), 3), np.nan)
    n_people = len(people.start) - 1
    met = np.full(n_people, -1, np.int64)
    others = np.empty(n_people, np.int64)
    top = np.int64(np.rint(TOP * _BITS))
    for p in range(len(person)):
        found[p, 2] = 0
        if person[p] < 0:
            continue
        met[person[p]], others[0], n_others = p, person[p], 1
        for e in range(sightings.own_start[person[p]], sightings.own_start[person[p] + 1]):
            value = sightings.own_value[e]
            if sightings.own_since[e] >= as_of[p] or role[sightings.kind[value]] > 2:
                continue
            n_here = n_holders(sightings, value, as_of[p])
            if n_here > CROWD:
                continue
            for f in range(sightings.start[value], sightings.start[value] + n_here):
                other = sightings.person[f]
                if other < n_people and met[other] != p:
                    met[other], others[n_others] = p, other
                    n_others += 1
        n, total, n_top, largest = 0, np.int64(0), 0, np.int64(0)
        for k in range(n_others):
            for j in range(people.start[others[k]], people.start[others[k] + 1]):
                if people.account[j] == account[p] or people.since[j] >= as_of[p]:
                    continue
                here = _whole(bits[view[p], people.account[j]])
                n, total, n_top, largest = n + 1, total + here, n_top + (here >= top), max(largest, here)
        found[p, 2] = n_top
        if n > 0:
            found[p, 0], found[p, 1] = total / n / _BITS, largest / _BITS
    return found
