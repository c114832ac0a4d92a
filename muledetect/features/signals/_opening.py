"""What accounts had done before a moment, where the transfers before it are not at hand.

Few numbers say all that signals need of them. They are those that the kernels would have reached by then.
"""

from __future__ import annotations

from typing import Final, NamedTuple

import numba
import numpy as np

from muledetect.arrays import BoolArray, Int64Array, first_at_least


class Opening(NamedTuple):
    """What accounts had done before a moment; kernels begin with it, and pass over their transfers before the moment.

    Attributes
    ----------
    since : int
        The moment, microseconds.
    n_debits : int64[n_accounts]
        Number of debits.
    paid, largest : int64[n_accounts]
        Total and largest of them, minor units.
    unspent : int64[n_accounts]
        What is left of all credits, first in, first out.
    is_paid_over, is_received_over : bool[n_accounts]
        The account has more than `Past.most` debits, or credits, within the look-back of every transfer whose values
        are not known. What rests on them is NaN, and only the last `max_degree` + 1 before these need be at hand.
    """

    since: int
    n_debits: Int64Array
    paid: Int64Array
    largest: Int64Array
    unspent: Int64Array
    is_paid_over: BoolArray
    is_received_over: BoolArray


_NONE: Final = np.empty(0, np.int64)
_NOWHERE: Final = np.empty(0, np.bool_)

#: All transfers are at hand.
ALL_AT_HAND: Final = Opening(int(np.iinfo(np.int64).min), _NONE, _NONE, _NONE, _NONE, _NOWHERE, _NOWHERE)


@numba.njit(cache=True, nogil=True, inline="always")
def opened(values, account):  # type: ignore[no-untyped-def]
    """Return what an account had in a column of an `Opening`; 0 where all transfers are at hand."""
    return values[account] if len(values) else 0


@numba.njit(cache=True, nogil=True, inline="always")
def is_over(flags, account):  # type: ignore[no-untyped-def]
    """Return `flags[account]`, `is_paid_over` or `is_received_over`; False where all transfers are at hand."""
    return len(flags) > 0 and flags[account]


@numba.njit(cache=True, nogil=True, inline="always")
def _left(rest, into, out, is_simultaneous):  # type: ignore[no-untyped-def]
    """Return what is left of all credits after a tick; its own credits serve its debits where ties are simultaneous."""
    return max(0, rest + into - out) if is_simultaneous else max(0, rest - out) + into


@numba.njit(cache=True, nogil=True)
def fill_unspent(low, high, paid, received, since, is_simultaneous, unspent) -> None:  # type: ignore[no-untyped-def]
    """Write what accounts `low:high` had left of their credits just before a moment, see `Opening`. O(entries)."""
    for a in range(low, high):
        e, f, rest = paid.start[a], received.start[a], 0
        e_stop = first_at_least(paid.time, e, paid.stop[a], since)
        f_stop = first_at_least(received.time, f, received.stop[a], since)
        while e < e_stop or f < f_stop:
            now = received.time[f] if e == e_stop or (f < f_stop and received.time[f] < paid.time[e]) else paid.time[e]
            into, out = 0, 0
            while f < f_stop and received.time[f] == now:
                into += received.amount[f]
                f += 1
            while e < e_stop and paid.time[e] == now:
                out += paid.amount[e]
                e += 1
            rest = _left(rest, into, out, is_simultaneous)
        unspent[a] = rest


@numba.njit(cache=True, nogil=True)
def count_on(paid, e, e_stop, got, f, f_stop, time, source, target, amount, is_simultaneous, held) -> None:  # type: ignore[no-untyped-def]
    """Advance what an account had done by some transfers more; those from an account to itself count nowhere.

    Parameters
    ----------
    paid, e, e_stop : int array and its bounds
        Positions of its debits, `paid[e:e_stop]`, in order of time.
    got, f, f_stop : int array and its bounds
        Of its credits.
    time, source, target, amount : arrays [n_transfers]
    is_simultaneous : bool
        A credit is available to the debits of its own tick, too.
    held : int64[4]
        n_debits, paid, largest and unspent, see `Opening`; changed in place.

    Notes
    -----
    O(transfers).
    """
    while e < e_stop or f < f_stop:
        now = time[paid[e]] if f >= f_stop or (e < e_stop and time[paid[e]] <= time[got[f]]) else time[got[f]]
        out, into = 0, 0
        while e < e_stop and time[paid[e]] == now:
            i = paid[e]
            if source[i] != target[i]:
                held[0] += 1
                held[1] += amount[i]
                held[2] = max(held[2], amount[i])
                out += amount[i]
            e += 1
        while f < f_stop and time[got[f]] == now:
            i = got[f]
            if source[i] != target[i]:
                into += amount[i]
            f += 1
        held[3] = _left(held[3], into, out, is_simultaneous)
