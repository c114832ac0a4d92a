"""Scatter-gather shapes of payments to a busy payee, counted from lists: most of its credits are in none of them.

`features.signals.scatter_gather` says what is counted: a middle m counts for an origin a of the payer s if a paid m
before m last paid the payee t, both within the look-back. Here each m is met once, by its last transfer to t.
"""

from __future__ import annotations

from typing import Final

import numba
import numpy as np

from muledetect.arrays import first_at_least
from muledetect.features.signals import is_earlier
from muledetect.live.lists import count_since

#: Debits of origins are read where they are fewer than so many times the credits of the payee, else credits of middles.
FEW: Final = 8

#: Places of a table that tells most accounts that are no origins.
_PLACES: Final = 1_024


@numba.njit(cache=True, nogil=True)
def count_middles(  # type: ignore[no-untyped-def]
    paid, got, payee, near, low, time, source, target, is_left_out, lookback, is_simultaneous, most, met, found
) -> None:
    """Write what `scatter_gather` says of the new transfers to a payee that has not too many credits for it.

    Parameters
    ----------
    paid, got : Listed
        Transfers by payer and by payee.
    payee : int
        Account; it got at most as many transfers since row `near` as signals read.
    near : int
        Row; those before it are out of the look-back of all new transfers.
    low : int
        First of the new transfers.
    time, source, target : arrays [n_transfers]
    is_left_out : bool [low]
        Whether the payer of a transfer was too busy to be looked through.
    lookback : int
        Microseconds.
    is_simultaneous : bool
        Transfers of one tick may follow each other.
    most : int
        The signals' `max_degree`.
    met : int32[n_accounts]
        0 everywhere, and again afterwards.
    found : float32[n_new, 3]
        Values of each new transfer.

    Notes
    -----
    O(credits of the payee + min(debits of the payer's origins, credits of its middles)) a new transfer.
    """
    start, stop, entry = got
    rows = entry[first_at_least(entry, start[payee], stop[payee], near) : stop[payee]]
    # reads at random places by themselves: the processor waits for many of them at once
    payer, when = source[rows], time[rows]
    is_left = _are_left(
        got, rows, payer, payee, low, most, time, source, target, is_left_out, lookback, is_simultaneous
    )
    for j in range(len(rows)):
        i, now = rows[j], when[j]
        if i < low or payer[j] == payee:
            continue
        first = first_at_least(when, 0, len(when), now - lookback)
        behind = first_at_least(when, 0, len(when), now + 1 if is_simultaneous else now)
        n_left = np.int64(is_left[j])
        for k in range(first, behind):
            n_left += is_left[k] and k != j
        found[i - low, 2] = n_left
        if is_left[j]:
            continue
        origins = np.unique(source[_credits_before(got, i, most, time, source, target, lookback, is_simultaneous)])
        origins = origins[origins != payee]
        found[i - low, 0], found[i - low, 1] = min(len(origins), 1), 0
        for k in range(first, behind):
            if not is_left[k] and payer[k] != payer[j] and payer[k] != payee:
                met[payer[k]] = k + 1  # the last one stays
        if len(origins):
            since, n_middles = now - lookback, np.zeros(len(origins), np.int64)
            if count_since(paid, origins, near) < FEW * (behind - first):
                _by_debits(paid, origins, near, since, when, time, target, is_simultaneous, met, n_middles)
            else:
                _by_credits(
                    got, origins, since, rows, payer, when, first, behind, time, source, is_simultaneous, met, n_middles
                )
            found[i - low, 0], found[i - low, 1] = 1 + n_middles.max(), (n_middles > 0).sum()
        for k in range(first, behind):
            met[payer[k]] = 0


@numba.njit(cache=True, nogil=True)
def _are_left(got, rows, payer, payee, low, most, time, source, target, is_left_out, lookback, is_simultaneous):  # type: ignore[no-untyped-def]
    """Return of which credits the payer is too busy to be looked through."""
    found = np.zeros(len(rows), np.bool_)
    for k in range(len(rows)):
        if rows[k] < low:
            found[k] = is_left_out[rows[k]]
        elif payer[k] != payee:
            n = len(_credits_before(got, rows[k], most, time, source, target, lookback, is_simultaneous))
            found[k] = n > most
    return found


@numba.njit(cache=True, nogil=True)
def _credits_before(got, row, most, time, source, target, lookback, is_simultaneous):  # type: ignore[no-untyped-def]
    """Return the transfers that the payer of one got within the look-back before it, at most `most` + 1 of them."""
    start, stop, entry = got
    s, now, n = source[row], time[row], 0
    found = np.empty(most + 1, np.int64)
    if s >= len(start):
        return found[:0]
    place = first_at_least(entry, start[s], stop[s], row)
    place = _behind_earlier(entry, place, start[s], stop[s], time, now, is_simultaneous)
    while place > start[s] and n <= most and time[entry[place - 1]] >= now - lookback:
        place -= 1
        if source[entry[place]] != target[entry[place]]:
            found[n] = entry[place]
            n += 1
    return found[:n]


@numba.njit(cache=True, nogil=True)
def _behind_earlier(entry, place, start, stop, time, now, is_simultaneous):  # type: ignore[no-untyped-def]
    """Return the place behind the last entry that is earlier than a moment, from a place among those of the moment."""
    if is_simultaneous:
        while place < stop and time[entry[place]] == now:
            place += 1
    else:
        while place > start and time[entry[place - 1]] == now:
            place -= 1
    return place


@numba.njit(cache=True, nogil=True)
def _by_debits(paid, origins, near, since, when, time, target, is_simultaneous, met, n_middles) -> None:  # type: ignore[no-untyped-def]
    """Count the middles that each origin paid before they last paid the payee, by the debits of the origins.

    `met[m] - 1` is the last credit of the payee from m that counts; 0 for other accounts.
    """
    start, stop, entry = paid
    counted_for = np.full(len(when), -1, np.int64)
    for o in range(len(origins)):
        a = origins[o]
        if a >= len(start):
            continue
        for place in range(first_at_least(entry, start[a], stop[a], near), stop[a]):
            row = entry[place]
            k = met[target[row]] - 1
            if k < 0 or counted_for[k] == o or time[row] < since or target[row] == a:
                continue
            if is_earlier(time[row], when[k], is_simultaneous):
                counted_for[k] = o
                n_middles[o] += 1


@numba.njit(cache=True, nogil=True)
def _by_credits(  # type: ignore[no-untyped-def]
    got, origins, since, rows, payer, when, first, behind, time, source, is_simultaneous, met, n_middles
) -> None:
    """Count the same by the credits of the middles, the payers of `rows[first:behind]`."""
    start, stop, entry = got
    may_be, counted_by = np.zeros(_PLACES, np.bool_), np.full(len(origins), -1, np.int64)
    for a in origins:
        may_be[a & (_PLACES - 1)] = True
    for k in range(first, behind):
        m = payer[k]
        if met[m] != k + 1 or m >= len(start):
            continue
        place = first_at_least(entry, start[m], stop[m], rows[k])
        place = _behind_earlier(entry, place, start[m], stop[m], time, when[k], is_simultaneous)
        while place > start[m] and time[entry[place - 1]] >= since:
            place -= 1
            a = source[entry[place]]
            if a == m or not may_be[a & (_PLACES - 1)]:
                continue
            o = np.searchsorted(origins, a)
            if o < len(origins) and origins[o] == a and counted_by[o] != k:
                counted_by[o] = k
                n_middles[o] += 1
