"""Which transfers the live columns read: the small part of the bank around new transfers, and around points.

A part holds every transfer that a live signal of the new ones, or a live column of the points, rests on; what lies
outside changes none of their values. Values of other transfers and accounts of the part are of no meaning.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, NamedTuple

import numba
import numpy as np

from muledetect.arrays import AnyArray, Int64Array, distinct, distinct_of, first_at_least, place_between
from muledetect.features.signals import MAX_DEGREE, MOST_CREDITS, MOST_TRANSFERS
from muledetect.features.signals.access import AT_TERMINAL
from muledetect.live.lists import (
    NO_LISTS,
    Lists,
    Moves,
    before_each,
    count_between,
    count_since,
    exceed,
    gather,
    latest,
)

#: More than the rows of any list.
_ALL: Final = 2**31 - 1

#: What is used for transfers, where a state does not know it: code of each transfer, and lists by code.
_NOTHING: Final = np.empty(0, np.int32), NO_LISTS


class Indexes(NamedTuple):
    """The transfers of a state, in order of time, and the lists of who paid, who got, and what was used for it."""

    time: Int64Array
    source: AnyArray
    target: AnyArray
    paid: Lists
    got: Lists
    to_self: Lists
    used: Mapping[str, tuple[AnyArray, Lists]]  # by device_hash, terminal_id: code of each transfer, lists by code


class Around(NamedTuple):
    """What signals of new transfers read.

    Attributes
    ----------
    rows : int64
        Transfers, ascending; the new ones are the last.
    payers : int array
        Of the new transfers, but those of `paid_over`, ascending.
    paid_over, got_over : int array
        Accounts with more transfers on a side than signals read, ascending; see `features.signals.Opening`.
    """

    rows: Int64Array
    payers: AnyArray
    paid_over: AnyArray
    got_over: AnyArray


def n_between(known: Indexes, lists: Lists, accounts: AnyArray, low: AnyArray, high: AnyArray) -> Int64Array:
    """Return how many transfers of `known.paid` or `known.got` to or from another lie in rows `low[i]` to `high[i]`."""
    return lists.counts_between(accounts, low, high) - known.to_self.counts_between(accounts, low, high)


def of_points(known: Indexes, accounts: AnyArray) -> Int64Array:
    """Return the transfers that live columns at points of some accounts read, ascending: all of their own."""
    return distinct(np.concatenate([known.paid.of(accounts), known.got.of(accounts)]))


def of_transfers(known: Indexes, low: int, lookback: int, tick: int, *, most: int = MAX_DEGREE) -> Around:
    """Return the transfers that live signals of the transfers from `low` on read, these included.

    What payers had done before T - look-back, with T the time of the first, few numbers tell: see
    `features.signals.Opening`. Searches do not pass through an account with more than `most` transfers in the
    look-back. So of an account that is only looked through, the last `most` + 1 transfers before a moment are enough:
    they tell that there are too many, or they are all. So it is on a side of s or t that has more transfers than
    signals read, in the look-back of the last of the new ones. Of a payer s and a payee t:

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
    most : int
        The signals' `max_degree`.
    """
    used = [
        (known.used[name][0], known.used[name][1].listed) if name in known.used else _NOTHING
        for name in ("device_hash", "terminal_id")
    ]
    late, early, *rest = _read(  # type: ignore[call-arg]
        known.paid.listed, known.got.listed, known.to_self.listed, *used, known.time, known.source, known.target,
        low, lookback, max(AT_TERMINAL, tick), most, MOST_TRANSFERS, MOST_CREDITS,
    )  # fmt: skip
    return Around(np.concatenate([early, distinct(late)]), *rest)


@numba.njit(cache=True, nogil=True)
def _read(  # type: ignore[no-untyped-def]
    paid, got, to_self, device, terminal, time, source, target, low, lookback, at_terminal, most, most_transfers,
    most_credits,
):  # fmt: skip
    """Return the transfers from twice the look-back on, maybe twice, those before, and the rest of `Around`."""
    moves, of_other = Moves(source, target, to_self, True), Moves(source, target, to_self, False)
    near = first_at_least(time, 0, len(time), time[low] - lookback)
    far = first_at_least(time, 0, len(time), time[low] - 2 * lookback)
    last_near = first_at_least(time, 0, len(time), time[-1] - lookback)
    payers, payees = distinct_of(source[low:]), distinct_of(target[low:])
    ends = distinct_of(np.concatenate((payers, payees)))
    paid_over = ends[_have_many(paid, to_self, ends, last_near, low, most_transfers)]
    got_over = ends[_have_many(got, to_self, ends, last_near, low, most_transfers)]
    around = _around(
        paid, got, time, source, target, moves, low, near, far, last_near, payers, payees, ends, paid_over, got_over,
        most, most_credits,
    )  # fmt: skip
    payer, payee = _pairs_of(source[low:], target[low:])
    there = _shared(paid, payer, target, got, payee, source, source, target, low)
    back = _shared(paid, payee, target, got, payer, source, source, target, low)
    at_device = latest(device[1], distinct_of(device[0][low:]), near, low, most_transfers + 1, of_other)
    payer, used = _pairs_of(source[low:], device[0][low:])
    first_use = _shared(paid, payer, device[0], device[1], used, source, source, target, low)
    since = first_at_least(time, 0, len(time), time[low] - at_terminal)
    beside = latest(terminal[1], distinct_of(terminal[0][low:]), since, low, most_transfers + 1, of_other)
    rows = np.concatenate((around, there, back, at_device, first_use, beside))
    is_late = rows >= far
    return rows[is_late], distinct_of(rows[~is_late]), payers[~_stand_in(payers, paid_over)], paid_over, got_over


@numba.njit(cache=True, nogil=True)
def _have_many(lists, to_self, accounts, low, high, most):  # type: ignore[no-untyped-def]
    """Return which accounts have more than `most` transfers to or from another in rows `low` to `high`."""
    found = np.zeros(len(accounts), np.bool_)
    for i in range(len(accounts)):
        n = count_between(lists, accounts[i], low, high)
        if n > most:
            found[i] = n - count_between(to_self, accounts[i], low, high) > most
    return found


@numba.njit(cache=True, nogil=True)
def _around(  # type: ignore[no-untyped-def]
    paid, got, time, source, target, moves, low, near, far, last_near, payers, payees, ends, paid_over, got_over, most,
    most_credits,
):  # fmt: skip
    """Return the transfers of the two ends, and of those that dealt with them; rows may come twice."""
    own = (
        gather(paid, ends[~_stand_in(ends, paid_over)], near, _ALL),
        gather(got, ends[~_stand_in(ends, got_over)], near, _ALL),
        latest(paid, paid_over, near, low, most + 1, moves),
        latest(got, got_over, near, low, most + 1, moves),
        latest(paid, ends, 0, low, 1, moves),
        latest(got, ends, 0, low, 1, moves),
    )
    # shapes of two by two: from the side that has few transfers in every look-back of the new ones
    is_open = ~exceed(got, payees, last_near, low, most + 1, moves)
    is_narrow = ~exceed(paid, payers, last_near, low, most + 1, moves)
    came = gather(got, payees[is_open], near, _ALL)
    before = distinct_of(source[came])
    beside = distinct_of(target[gather(paid, payers[is_narrow], near, _ALL)])
    # origins and middles
    is_followed = ~exceed(got, payers, last_near, low, most_credits, moves) & ~_stand_in(payers, got_over)
    step = np.concatenate((gather(got, payers[is_followed], near, _ALL), came))
    for payee in payees[~is_open & ~_stand_in(payees, got_over)]:
        step = np.concatenate((step, _middles(paid, got, payee, near, last_near, low, most, source, target, moves)))
    step = distinct_of(step)
    return np.concatenate((
        *own,
        latest(paid, before, near, low, most + 1, moves),
        latest(got, beside, near, low, most + 1, moves),
        before_each(got, source[step], step, far, most + 1, time, moves),
    ))  # fmt: skip


@numba.njit(cache=True, nogil=True)
def _pairs_of(one, other):  # type: ignore[no-untyped-def]
    """Return the distinct pairs of codes; none with -1."""
    pairs, n = np.empty(min(len(one), len(other)), np.int64), 0
    for i in range(len(pairs)):
        if one[i] >= 0 and other[i] >= 0:
            pairs[n] = np.int64(one[i]) << 32 | np.int64(other[i])
            n += 1
    pairs = distinct_of(pairs[:n])
    return pairs >> 32, pairs & (2**32 - 1)


@numba.njit(cache=True, nogil=True)
def _middles(paid, got, payee, near, last_near, low, most, source, target, moves):  # type: ignore[no-untyped-def]
    """Return the credits of a payee in the look-back whose payers may be middles of scatter-gather shapes.

    A middle was paid by an account that also paid one of the new payers. To find out who was is worth it where the
    payee has more credits than those accounts have debits. Payers that got more than `most` are not looked through.
    """
    came = gather(got, np.array([payee]), near, _ALL)
    payers = distinct_of(source[came[came >= low]])
    seen = payers[~exceed(got, payers, last_near, low, most, moves)]
    origins = distinct_of(source[gather(got, seen, near, _ALL)])
    origins = origins[origins != payee]
    if count_since(paid, origins, near) >= len(came):
        return came
    middles = distinct_of(np.concatenate((payers, target[gather(paid, origins, near, _ALL)])))
    return came[_stand_in(source[came], middles)]


@numba.njit(cache=True, nogil=True)
def _stand_in(values, ascending):  # type: ignore[no-untyped-def]
    """Return which values stand in an ascending array."""
    found = np.zeros(len(values), np.bool_)
    for i in range(len(values)):
        found[i] = place_between(ascending, 0, len(ascending), values[i]) >= 0
    return found


@numba.njit(cache=True, nogil=True)
def _shared(one_list, keys, key_of, other_list, other_keys, other_key_of, source, target, before):  # type: ignore[no-untyped-def]
    """Return for each pair of keys the first and the last transfer before a row that both lists hold, if there is one.

    `key_of` is the key of each row in the other list, `other_key_of` that in the first. O(rows of the list that has
    fewer) for a pair that has none.
    """
    start, stop, entry = one_list
    other_start, other_stop, other_entry = other_list
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
