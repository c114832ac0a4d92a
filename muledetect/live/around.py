"""Which transfers the live columns read: the small part of the bank around new transfers, and around points.

A part holds every transfer that a live signal of the new ones, or a live column of the points, rests on; what lies
outside changes none of their values. Values of other transfers and accounts of the part are of no meaning.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, NamedTuple

import numba
import numpy as np

from muledetect.arrays import (
    AnyArray,
    BoolArray,
    Float32Array,
    Int32Array,
    Int64Array,
    distinct,
    distinct_of,
    first_at_least,
    place_between,
)
from muledetect.clock import SECOND
from muledetect.features.signals import MAX_DEGREE, MOST_CREDITS, MOST_TRANSFERS
from muledetect.features.signals.access import AT_TERMINAL
from muledetect.features.signals.pairs import count_fan
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
from muledetect.live.middles import FEW, count_middles

#: Columns of transfers by which different accounts meet.
MEETING: Final = ("device_hash", "terminal_id")

#: More than the rows of any list.
_ALL: Final = 2**31 - 1

#: What is used for transfers, where a state does not know it: code of each transfer, and lists by code.
_NOTHING: Final = np.empty(0, np.int32), NO_LISTS


class Indexes(NamedTuple):
    """The transfers of a state, in order of time, and the lists of who paid, who got, and what was used for it."""

    time: Int64Array
    source: AnyArray
    target: AnyArray
    is_left_out: BoolArray  # of scatter-gather shapes
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
    fans : float32[n_new, 2]
        Of new transfers: different accounts that paid the payee and that it paid, as signal `fan` counts them, where
        `rows` do not hold all of them; else NaN.
    middles : float32[n_new, 3]
        Of new transfers: what signal `scatter_gather` says of them, where `rows` do not hold all credits of the payee;
        else NaN throughout.
    """

    rows: Int64Array
    payers: AnyArray
    paid_over: AnyArray
    got_over: AnyArray
    fans: Float32Array
    middles: Float32Array


def count_both(known: Indexes, low: int, lookback: int, n_known: int, *, is_simultaneous: bool) -> Int64Array:
    """Return how many transfers the payers of those from row `low` on made within the look-back, and the payees got.

    As signal `fan` counts them, int64[2, n_known + n_new]; 0 of the known ones. O(log) a transfer.
    """
    found: Int64Array = _count_both(
        known.paid.listed, known.got.listed, known.to_self.listed, known.time, known.source, known.target, low,
        lookback, n_known, is_simultaneous,
    )  # fmt: skip
    return found


def of_points(paid: Lists, got: Lists, accounts: AnyArray) -> Int64Array:
    """Return the transfers that live columns at points of some accounts read, ascending: all of their own."""
    return distinct(np.concatenate([paid.of(accounts), got.of(accounts)]))


def of_transfers(
    known: Indexes, low: int, lookback: int, tick: int, met: Int32Array, *, most: int = MAX_DEGREE
) -> Around:
    """Return the transfers that live signals of the transfers from `low` on read, these included.

    What payers had done before T - look-back, with T the time of the first, few numbers tell: see
    `features.signals.Opening`. Searches do not pass through an account with more than `most` transfers in the
    look-back. So of an account that is only looked through, the last `most` + 1 transfers before a moment are enough:
    they tell that there are too many, or they are all. So it is on a side of s or t that has more transfers than
    signals read, in the look-back of the last of the new ones. Of a payer s and a payee t:

    - all of s from T - look-back on; at any time the first and the last transfer to t and from t, and the first use of
      the device: which credits a debit spends, what s usually pays and to whom;
    - of t from T - look-back on: who paid it lately, and whom it paid. Where these are more than `most` + 1 on a side
      and t is no payer, they are only counted (`fans`, `middles`), and their last ones are read;
    - of both the last one before T;
    - of each credit of s from T - look-back on, what its payer got just before it: origins;
    - of each credit of t from T - look-back on, what its payer got since then from those who paid s, too: middles;
    - of the payers of t what they paid to payees of s, and of the payees of s what they got from payers of t: shapes of
      two by two;
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
    met : int32[n_accounts]
        0 everywhere, and again afterwards.
    most : int
        The signals' `max_degree`.
    """
    used = [(known.used[name][0], known.used[name][1].listed) if name in known.used else _NOTHING for name in MEETING]
    late, early, *rest = _read(  # type: ignore[call-arg]
        known.paid.listed, known.got.listed, known.to_self.listed, *used, known.time, known.source, known.target,
        known.is_left_out, low, lookback, max(AT_TERMINAL, tick), most, MOST_TRANSFERS, MOST_CREDITS, tick >= SECOND,
        met,
    )  # fmt: skip
    late.sort()  # not in a kernel: NumPy sorts several times as fast
    return Around(_joined(early, late), *rest)


@numba.njit(cache=True, nogil=True)
def _read(  # type: ignore[no-untyped-def]
    paid, got, to_self, device, terminal, time, source, target, is_left_out, low, lookback, at_terminal, most,
    most_transfers, most_credits, is_simultaneous, met,
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
    # payees whose transfers are counted
    others = payees[~_stand_in(payees, payers)]
    paid_many = others[_have_between(paid, others, near, most + 1, most_transfers)]
    got_many = others[_have_between(got, others, near, most + 1, most_transfers)]
    fans = np.full((len(time) - low, 2), np.nan, np.float32)
    _count_fans(got, got_many, near, low, time, source, target, True, lookback, is_simultaneous, met, fans[:, 0])
    _count_fans(paid, paid_many, near, low, time, target, target, False, lookback, is_simultaneous, met, fans[:, 1])
    middles = np.full((len(time) - low, 3), np.nan, np.float32)
    for payee in got_many:
        count_middles(
            paid, got, payee, near, low, time, source, target, is_left_out, lookback, is_simultaneous, most, met,
            middles,
        )  # fmt: skip
    around = _around(
        paid, got, time, source, target, moves, low, near, far, last_near, payers, payees, ends, paid_over, got_over,
        paid_many, got_many, most, most_credits,
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
    payers = payers[~_stand_in(payers, paid_over)]
    return rows[is_late], distinct_of(rows[~is_late]), payers, paid_over, got_over, fans, middles


@numba.njit(cache=True, nogil=True)
def _joined(early, late):  # type: ignore[no-untyped-def]
    """Return the early rows and behind them the late ones, which ascend, each once."""
    rows, n = np.empty(len(early) + len(late), np.int64), len(early)
    rows[:n] = early
    for i in range(len(late)):
        if i == 0 or late[i] != late[i - 1]:
            rows[n] = late[i]
            n += 1
    return rows[:n]


@numba.njit(cache=True, nogil=True)
def _count_both(paid, got, to_self, time, source, target, low, lookback, n_known, is_simultaneous):  # type: ignore[no-untyped-def]
    found = np.zeros((2, n_known + len(time) - low), np.int64)
    for i in range(low, len(time)):
        first = first_at_least(time, 0, i, time[i] - lookback)
        behind = i
        if is_simultaneous:
            while behind < len(time) and time[behind] == time[i]:
                behind += 1
        else:
            while behind > 0 and time[behind - 1] == time[i]:
                behind -= 1
        for k, lists, account in ((0, paid, source[i]), (1, got, target[i])):
            n = count_between(lists, account, first, behind) - count_between(to_self, account, first, behind)
            found[k, n_known + i - low] = n + (not is_simultaneous)
    return found


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
def _have_between(lists, accounts, since, least, most):  # type: ignore[no-untyped-def]
    """Return which accounts have more than `least` and at most `most` rows from row `since` on."""
    start, stop, entry = lists
    found = np.zeros(len(accounts), np.bool_)
    for i in range(len(accounts)):
        a = accounts[i]
        if a < len(start) and stop[a] - start[a] > least:
            found[i] = least < stop[a] - first_at_least(entry, start[a], stop[a], since) <= most
    return found


@numba.njit(cache=True, nogil=True)
def _count_fans(lists, accounts, near, low, time, other, target, is_got, lookback, is_simultaneous, met, found) -> None:  # type: ignore[no-untyped-def]
    """Count the counterparties of accounts on a side, for new transfers to them; `other` is the end that counts."""
    for t in accounts:
        rows, new = gather(lists, np.array([t]), near, _ALL), low + np.flatnonzero(target[low:] == t)
        partner = other[new] if is_got else np.full(len(new), -1, np.int32)
        # reads at random places by themselves: the processor waits for many of them at once
        when, who = time[rows], other[rows]
        found[new - low] = count_fan(when, who, t, time[new], partner, lookback, is_simultaneous, met)


@numba.njit(cache=True, nogil=True)
def _around(  # type: ignore[no-untyped-def]
    paid, got, time, source, target, moves, low, near, far, last_near, payers, payees, ends, paid_over, got_over,
    paid_many, got_many, most, most_credits,
):  # fmt: skip
    """Return the transfers of the two ends, and of those that dealt with them; rows may come twice."""
    paid_last, got_last = np.concatenate((paid_over, paid_many)), np.concatenate((got_over, got_many))
    own = (
        gather(paid, ends[~_stand_in(ends, np.sort(paid_last))], near, _ALL),
        gather(got, ends[~_stand_in(ends, np.sort(got_last))], near, _ALL),
        latest(paid, paid_last, near, low, most + 1, moves),
        latest(got, got_last, near, low, most + 1, moves),
        latest(paid, ends, 0, low, 1, moves),
        latest(got, ends, 0, low, 1, moves),
    )
    # shapes of two by two: from the side that has few transfers in every look-back of the new ones
    is_open = ~exceed(got, payees, last_near, low, most + 1, moves)
    is_narrow = ~exceed(paid, payers, last_near, low, most + 1, moves)
    came = gather(got, payees[is_open], near, _ALL)
    before = distinct_of(source[came])
    beside = distinct_of(target[gather(paid, payers[is_narrow], near, _ALL)])
    payees_of = target[gather(paid, payers[~_stand_in(payers, paid_over)], near, _ALL)]
    # origins: what those who paid a payer had got just before
    is_followed = ~exceed(got, payers, last_near, low, most_credits, moves) & ~_stand_in(payers, got_over)
    step = gather(got, payers[is_followed], near, _ALL)
    # middles: what those who paid a payee had got from those who paid one of its new payers, too
    is_seen = ~exceed(got, payers, last_near, low, most, moves)
    middles = _middles(paid, got, came, payers[is_seen], near, most, time, source, target, moves)
    for payee in payees[~is_open & ~_stand_in(payees, got_many) & ~_stand_in(payees, got_over)]:
        to_payee = gather(got, np.array([payee]), near, _ALL)
        seen = distinct_of(source[to_payee[to_payee >= low]])
        seen = seen[~exceed(got, seen, last_near, low, most, moves)]
        more = _middles(paid, got, to_payee, seen, near, most, time, source, target, moves)
        middles = np.concatenate((middles, more))
    return np.concatenate((
        *own,
        _ways(paid, before, target, payees_of, near, low, most, moves),
        _ways(got, beside, source, before, near, low, most, moves),
        before_each(got, source[step], step, far, most + 1, time, moves),
        middles,
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
def _ways(lists, keys, other, partners, near, low, most, moves):  # type: ignore[no-untyped-def]
    """Return the rows of keys from row `near` on that lead to partners; a few more do no harm.

    Of a key with more than `most`, the last before row `low` that tell that there are too many.
    """
    start, stop, entry = lists
    are_many = np.zeros(len(keys), np.bool_)
    for i in range(len(keys)):
        k = keys[i]
        if k < len(start) and stop[k] - start[k] > most:
            are_many[i] = entry[stop[k] - most - 1] >= near
    rows = gather(lists, keys[~are_many], near, most)
    leads = _may_stand_in(other[rows], partners)
    return np.concatenate((rows[leads], latest(lists, keys[are_many], near, low, most + 1, moves)))


@numba.njit(cache=True, nogil=True)
def _middles(paid, got, came, seen, near, most, time, source, target, moves):  # type: ignore[no-untyped-def]
    """Return how the payers of some credits were paid by accounts that also paid one of `seen`; rows may come twice.

    Whether a payer had got too much to be looked through stands in the values of its credit. A few rows more do no
    harm.
    """
    origins, payers = distinct_of(source[gather(got, seen, near, _ALL)]), source[came]
    if not len(origins):
        return np.empty(0, np.int64)
    if count_since(paid, origins, near) < FEW * len(came):
        rows = gather(paid, origins, near, _ALL)
        return rows[_may_stand_in(target[rows], payers)]
    rows = before_each(got, payers, came, near, most + 1, time, moves)
    return rows[_may_stand_in(source[rows], origins)]


@numba.njit(cache=True, nogil=True)
def _may_stand_in(values, others):  # type: ignore[no-untyped-def]
    """Return which values stand among others; of those that do not, one in sixteen may count, too."""
    size = 16
    while size < 16 * len(others):
        size *= 2
    flags, found = np.zeros(size, np.bool_), np.empty(len(values), np.bool_)
    for other in others:
        flags[other & (size - 1)] = True
    for i in range(len(values)):
        found[i] = flags[values[i] & (size - 1)]
    return found


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
