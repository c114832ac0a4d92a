"""Which transfers the live columns read: the small part of the bank around new transfers, and around points.

A part holds every transfer that a live signal of the new ones, or a live column of the points, rests on; what lies
outside changes none of their values. Values of other transfers and accounts of the part are of no meaning.
"""

from __future__ import annotations

from typing import NamedTuple

import numba
import numpy as np

from muledetect.arrays import AnyArray, BoolArray, Int64Array, distinct, first_at_least
from muledetect.features.signals import MAX_DEGREE, MOST_CREDITS, MOST_TRANSFERS
from muledetect.features.signals.access import AT_TERMINAL
from muledetect.live.lists import Lists


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
    time, source, target, paid, got, _, used = known
    moved = (source, target)
    near, far, last_near = np.searchsorted(
        time, [time[low] - lookback, time[low] - 2 * lookback, time[-1] - lookback]
    ).tolist()  # fmt: skip
    payers, payees = distinct(source[low:]), distinct(target[low:])
    ends = distinct(np.concatenate([payers, payees]))
    parts = [_met(known, low)]
    for lists, many in ((paid, over.paid), (got, over.got)):
        parts += [lists.of(ends[~_stand_in(ends, many)], near), lists.latest(many, near, low, most + 1, *moved)]
        parts.append(lists.latest(ends, 0, low, 1, *moved))
    # shapes of two by two: from the side that has few transfers in every look-back of the new ones
    is_open = ~got.exceed(payees, last_near, low, most + 1, *moved)
    is_crowded = ~is_open & ~_stand_in(payees, over.got)
    before = distinct(source[got.of(payees[is_open], near)])
    is_narrow = ~paid.exceed(payers, last_near, low, most + 1, *moved)
    beside = distinct(target[paid.of(payers[is_narrow], near)])
    parts += [paid.latest(before, near, low, most + 1, *moved), got.latest(beside, near, low, most + 1, *moved)]
    # origins and middles
    is_followed = ~got.exceed(payers, last_near, low, MOST_CREDITS, *moved) & ~_stand_in(payers, over.got)
    steps = [got.of(payers[is_followed], near), got.of(payees[is_open], near)]
    steps += [_middles(known, payee, (near, last_near, low), most) for payee in payees[is_crowded]]
    step = np.concatenate(steps)
    parts.append(got.before_each(source[step], step, far, most + 1, time, *moved))
    for name, code, lists in used:
        first = near
        if name == "terminal_id":
            first = int(np.searchsorted(time, time[low] - max(AT_TERMINAL, tick)))
        parts.append(lists.latest(distinct(code[low:]), first, low, MOST_TRANSFERS + 1, *moved))
        if name == "device_hash":
            payer, device = _pairs_of(source[low:], code[low:])
            parts.append(_ends_of(known, (paid, payer, code), (lists, device, source), low))
    return distinct(np.concatenate(parts))


def _met(known: Indexes, low: int) -> Int64Array:
    """Return the first and the last transfer before row `low`, either way, between the ends of those from it on."""
    source, target, paid, got = known.source, known.target, known.paid, known.got
    payer, payee = _pairs_of(source[low:], target[low:])
    there = _ends_of(known, (paid, payer, target), (got, payee, source), low)
    back = _ends_of(known, (paid, payee, target), (got, payer, source), low)
    return np.concatenate([there, back])


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
    lists = ((half.start, half.stop, half.entry, keys, key_of) for half, keys, key_of in (one, other))
    found: Int64Array = _shared(*next(lists), *next(lists), known.source, known.target, before)
    return found


def _middles(known: Indexes, payee: int, bounds: tuple[int, int, int], most: int) -> Int64Array:
    """Return the credits of a payee in the look-back whose payers may be middles of scatter-gather shapes.

    A middle was paid by an account that also paid one of the new payers. To find out who was is worth it where the
    payee has more credits than those accounts have debits. Payers that got more than `most` are not looked through.
    """
    source, target, paid, got = known.source, known.target, known.paid, known.got
    near, last_near, low = bounds
    came = got.of(np.array([payee]), near)
    payers = distinct(source[came[came >= low]])
    seen = payers[~got.exceed(payers, last_near, low, most, source, target)]
    origins = distinct(source[got.of(seen, near)])
    origins = origins[origins != payee]
    if paid.count_since(origins, near) >= len(came):
        return came
    middles = distinct(np.concatenate([payers, target[paid.of(origins, near)]]))
    return came[_stand_in(source[came], middles)]


def _stand_in(values: AnyArray, ascending: AnyArray) -> BoolArray:
    if not len(ascending):
        return np.zeros(len(values), np.bool_)
    place = np.minimum(np.searchsorted(ascending, values), len(ascending) - 1)
    return np.asarray(ascending[place] == values)


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
