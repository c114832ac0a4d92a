"""Which transfers the live columns read: the small part of the bank around new transfers, and around points.

A part holds every transfer that a live signal of the new ones, or a live column of the points, rests on; what lies
outside changes none of their values. Values of other transfers and accounts of the part are of no meaning.
"""

from __future__ import annotations

from typing import Final, NamedTuple

import numba
import numpy as np

from muledetect.arrays import AnyArray, Int64Array, distinct, first_at_least, place_between
from muledetect.features.signals import MAX_DEGREE, MOST_CREDITS, MOST_TRANSFERS
from muledetect.features.signals.access import AT_TERMINAL
from muledetect.live.lists import Lists, before_each, count_since, exceed, gather, latest

#: More than the rows of any list.
_ALL: Final = 2**31 - 1


class Indexes(NamedTuple):
    """The transfers of a state, in order of time, and the lists of who paid, who got, and what was used for it."""

    time: Int64Array
    source: AnyArray
    target: AnyArray
    paid: Lists
    got: Lists
    to_self: Lists
    used: tuple[tuple[str, AnyArray, Lists], ...]  # of devices and terminals: column, code of each transfer, lists


class Over(NamedTuple):
    """Accounts, ascending, with more transfers on a side than signals read; see `features.signals.Opening`."""

    paid: AnyArray
    got: AnyArray


def over(known: Indexes, low: int, lookback: int) -> Over:
    """Return the ends of the transfers from row `low` on that have too many before it, in the look-back of the last.

    O(log) an account.
    """
    accounts = distinct(np.concatenate([known.source[low:], known.target[low:]]))
    first = np.full(len(accounts), np.searchsorted(known.time, known.time[-1] - lookback))
    behind = np.full(len(accounts), low)
    counts = (n_between(known, lists, accounts, first, behind) for lists in (known.paid, known.got))
    return Over(*(accounts[n > MOST_TRANSFERS] for n in counts))


def n_between(known: Indexes, lists: Lists, accounts: AnyArray, low: AnyArray, high: AnyArray) -> Int64Array:
    """Return how many transfers of `known.paid` or `known.got` to or from another lie in rows `low[i]` to `high[i]`."""
    return lists.counts_between(accounts, low, high) - known.to_self.counts_between(accounts, low, high)


def of_points(known: Indexes, accounts: AnyArray) -> Int64Array:
    """Return the transfers that live columns at points of some accounts read, ascending: all of their own."""
    return distinct(np.concatenate([known.paid.of(accounts), known.got.of(accounts)]))


def of_transfers(
    known: Indexes, low: int, lookback: int, tick: int, over: Over, *, most: int = MAX_DEGREE
) -> Int64Array:
    """Return the transfers that live signals of the transfers from `low` on read, ascending, these included.

    What payers had done before T - look-back, with T the time of the first, few numbers tell: see
    `features.signals.Opening`. Searches do not pass through an account with more than `most` transfers in the
    look-back. So of an account that is only looked through, the last `most` + 1 transfers before a moment are enough:
    they tell that there are too many, or they are all. So it is on a side of s or t that has more transfers than
    signals read, see `over`. Of a payer s and a payee t:

    - all of s from T - look-back on; at any time the first and the last transfer to t and from t, and the first use of
      the device: which credits a debit spends, what s usually pays and to whom;
    - of t from T - look-back on: who paid it lately; of both the last one before T;
    - of each credit of s and of t from T - look-back on, what its payer got just before it: origins, middles;
    - of the payers of t and the payees of s, what they paid and got just before T: shapes of two by two;
    - what used the same device from T - look-back on, or the same terminal in the half hour before T; of that, too,
      only as many as signals read.

    Parameters
    ----------
    known : Indexes
    low : int
        Row, the first of its tick.
    lookback : int
        Microseconds.
    tick : int
        Of the clock, microseconds.
    over : Over
        For this row.
    most : int
        The signals' `max_degree`.
    """
    time, source, target = known.time, known.source, known.target
    rows = _around(
        known.paid.listed,
        known.got.listed,
        time,
        source,
        target,
        low,
        lookback,
        over.paid,
        over.got,
        most,
        MOST_CREDITS,
    )
    parts = [*rows, *_met(known, low)]
    for name, code, lists in known.used:
        window = lookback if name == "device_hash" else max(AT_TERMINAL, tick)
        first = int(np.searchsorted(time, time[low] - window))
        parts.append(lists.latest(distinct(code[low:]), first, low, MOST_TRANSFERS + 1, source, target))
        if name == "device_hash":
            payer, device = _pairs_of(source[low:], code[low:])
            parts.append(_ends_of(known, (known.paid, payer, code), (lists, device, source), low))
    return distinct(np.concatenate(parts))


@numba.njit(cache=True, nogil=True)
def _around(paid, got, time, source, target, low, lookback, over_paid, over_got, most, most_credits):  # type: ignore[no-untyped-def]
    """Return the transfers of the two ends, and of those that dealt with them, in parts; rows may come twice."""
    near = first_at_least(time, 0, len(time), time[low] - lookback)
    far = first_at_least(time, 0, len(time), time[low] - 2 * lookback)
    last_near = first_at_least(time, 0, len(time), time[-1] - lookback)
    payers, payees = np.unique(source[low:]), np.unique(target[low:])
    ends = np.unique(np.concatenate((payers, payees)))
    own = (
        gather(paid, ends[~_stand_in(ends, over_paid)], near, _ALL),
        gather(got, ends[~_stand_in(ends, over_got)], near, _ALL),
        latest(paid, over_paid, near, low, most + 1, source, target),
        latest(got, over_got, near, low, most + 1, source, target),
        latest(paid, ends, 0, low, 1, source, target),
        latest(got, ends, 0, low, 1, source, target),
    )
    # shapes of two by two: from the side that has few transfers in every look-back of the new ones
    is_open = ~exceed(got, payees, last_near, low, most + 1, source, target)
    is_narrow = ~exceed(paid, payers, last_near, low, most + 1, source, target)
    came = gather(got, payees[is_open], near, _ALL)
    before, beside = np.unique(source[came]), np.unique(target[gather(paid, payers[is_narrow], near, _ALL)])
    # origins and middles
    is_followed = ~exceed(got, payers, last_near, low, most_credits, source, target) & ~_stand_in(payers, over_got)
    step = np.concatenate((gather(got, payers[is_followed], near, _ALL), came))
    for payee in payees[~is_open & ~_stand_in(payees, over_got)]:
        step = np.concatenate((step, _middles(paid, got, payee, near, last_near, low, most, source, target)))
    return (
        *own,
        latest(paid, before, near, low, most + 1, source, target),
        latest(got, beside, near, low, most + 1, source, target),
        before_each(got, source[step], step, far, most + 1, time, source, target),
    )


def _met(known: Indexes, low: int) -> tuple[Int64Array, Int64Array]:
    """Return the first and the last transfer before row `low`, either way, between the ends of those from it on."""
    source, target, paid, got = known.source, known.target, known.paid, known.got
    payer, payee = _pairs_of(source[low:], target[low:])
    there = _ends_of(known, (paid, payer, target), (got, payee, source), low)
    back = _ends_of(known, (paid, payee, target), (got, payer, source), low)
    return there, back


def _pairs_of(one: AnyArray, other: AnyArray) -> tuple[Int64Array, Int64Array]:
    """Return the distinct pairs of codes; none with -1."""
    is_known = (one >= 0) & (other >= 0)
    pairs = distinct(one[is_known].astype(np.int64) << 32 | other[is_known])
    return pairs >> 32, pairs & (2**32 - 1)


#: Lists, a key for each pair, and the key of each row in the lists of the other half of the pairs.
_Half = tuple[Lists, Int64Array, AnyArray]


def _ends_of(known: Indexes, one: _Half, other: _Half, before: int) -> Int64Array:
    """Return for each pair of keys the first and the last transfer before a row that both lists hold, if there is one.

    O(rows of the list that has fewer) for a pair that has none.
    """
    found: Int64Array = _shared(
        *one[0].listed, *one[1:], *other[0].listed, *other[1:], known.source, known.target, before
    )
    return found


@numba.njit(cache=True, nogil=True)
def _middles(paid, got, payee, near, last_near, low, most, source, target):  # type: ignore[no-untyped-def]
    """Return the credits of a payee in the look-back whose payers may be middles of scatter-gather shapes.

    A middle was paid by an account that also paid one of the new payers. To find out who was is worth it where the
    payee has more credits than those accounts have debits. Payers that got more than `most` are not looked through.
    """
    came = gather(got, np.array([payee]), near, _ALL)
    payers = np.unique(source[came[came >= low]])
    seen = payers[~exceed(got, payers, last_near, low, most, source, target)]
    origins = np.unique(source[gather(got, seen, near, _ALL)])
    origins = origins[origins != payee]
    if count_since(paid, origins, near) >= len(came):
        return came
    middles = np.unique(np.concatenate((payers, target[gather(paid, origins, near, _ALL)])))
    return came[_stand_in(source[came], middles)]


@numba.njit(cache=True, nogil=True)
def _stand_in(values, ascending):  # type: ignore[no-untyped-def]
    """Return which values stand in an ascending array."""
    found = np.zeros(len(values), np.bool_)
    for i in range(len(values)):
        found[i] = place_between(ascending, 0, len(ascending), values[i]) >= 0
    return found


@numba.njit(cache=True, nogil=True)
def _shared(  # type: ignore[no-untyped-def]
    start, stop, entry, keys, key_of, other_start, other_stop, other_entry, other_keys, other_key_of, source, target,
    before,
):  # fmt: skip
    found, n = np.empty(2 * len(keys), np.int64), 0
    for i in range(len(keys)):
        one, other = keys[i], other_keys[i]
        if one >= len(start) or other >= len(other_start):
            continue
        low, high = start[one], first_at_least(entry, start[one], stop[one], before)
        other_low = other_start[other]
        other_high = first_at_least(other_entry, other_low, other_stop[other], before)
        for is_first in (True, False):
            if high - low <= other_high - other_low:
                row = _find(entry, low, high, key_of, other, source, target, is_first)
            else:
                row = _find(other_entry, other_low, other_high, other_key_of, one, source, target, is_first)
            if row < 0:
                break
            found[n] = row
            n += 1
    return found[:n]


@numba.njit(cache=True, nogil=True)
def _find(entry, low, high, key_of, wanted, source, target, is_first):  # type: ignore[no-untyped-def]
    """Return the first or the last row of `entry[low:high]` that has a key and moves money; -1: none."""
    for k in range(high - low):
        row = entry[low + k if is_first else high - 1 - k]
        if key_of[row] == wanted and source[row] != target[row]:
            return row
    return -1
