"""Which transfers the live columns read: the small part of the bank around new transfers, and around points.

A part holds every transfer that a live signal of the new ones, or a live column of the points, rests on; what lies
outside changes none of their values. Values of other transfers and accounts of the part are of no meaning.
"""

from __future__ import annotations

from typing import NamedTuple

import numba
import numpy as np

from muledetect.arrays import AnyArray, BoolArray, Int64Array, distinct, first_at_least
from muledetect.features.signals import MAX_DEGREE, MOST_CREDITS
from muledetect.live.lists import Lists


class Indexes(NamedTuple):
    """The transfers of a state, in order of time, and the lists of who paid, who got, and what was used for it."""

    time: Int64Array
    source: AnyArray
    target: AnyArray
    paid: Lists
    got: Lists
    used: tuple[tuple[str, AnyArray, Lists], ...]  # of devices and terminals: column, code of each transfer, lists


def of_points(known: Indexes, accounts: AnyArray) -> Int64Array:
    """Return the transfers that live columns at points of some accounts read, ascending: all of their own."""
    return distinct(np.concatenate([known.paid.of(accounts), known.got.of(accounts)]))


def of_transfers(known: Indexes, low: int, lookback: int, *, most: int = MAX_DEGREE) -> Int64Array:
    """Return the transfers that live signals of the transfers from `low` on read, ascending, these included.

    What payers had done before T - look-back, with T the time of the first, few numbers tell: see
    `features.signals.Opening`. Searches do not pass through an account with more than `most` transfers in the
    look-back. So of an account that is only looked through, the last `most` + 1 transfers before a moment are enough:
    they tell that there are too many, or they are all. Of a payer s and a payee t:

    - all of s from T - look-back on; before, the first payment to t, the last receipt from t, and first uses of the
      device: which credits a debit spends, what s usually pays and to whom;
    - of t from T - look-back on: who paid it lately; of both the last one before T;
    - of each credit of s and of t from T - look-back on, what its payer got just before it: origins, middles;
    - of the payers of t and the payees of s, what they paid and got just before T: shapes of two by two;
    - what used the same device or terminal from T - look-back on.

    Parameters
    ----------
    known : Indexes
    low : int
        Row, the first of its tick.
    lookback : int
        Microseconds.
    most : int
        The signals' `max_degree`.
    """
    time, source, target, paid, got, used = known
    moved = (source, target)
    near, far, last_near = np.searchsorted(
        time, [time[low] - lookback, time[low] - 2 * lookback, time[-1] - lookback]
    ).tolist()  # fmt: skip
    payers, payees = distinct(source[low:]), distinct(target[low:])
    ends = np.concatenate([payers, payees])
    parts = [paid.of(ends, near), got.of(ends, near), _met(known, low, near)]
    parts += [lists.latest(ends, 0, low, 1, *moved) for lists in (paid, got)]
    # shapes of two by two: from the side that has few transfers in every look-back of the new ones
    is_open = ~got.exceed(payees, last_near, low, most + 1, *moved)
    before = distinct(source[got.of(payees[is_open], near)])
    is_narrow = ~paid.exceed(payers, last_near, low, most + 1, *moved)
    beside = distinct(target[paid.of(payers[is_narrow], near)])
    parts += [paid.latest(before, near, low, most + 1, *moved), got.latest(beside, near, low, most + 1, *moved)]
    # origins and middles
    is_followed = ~got.exceed(payers, last_near, low, MOST_CREDITS, *moved)
    steps = [got.of(payers[is_followed], near), got.of(payees[is_open], near)]
    steps += [_middles(known, payee, (near, last_near, low), most) for payee in payees[~is_open]]
    step = np.concatenate(steps)
    parts.append(got.before_each(source[step], step, far, most + 1, time, *moved))
    for name, code, lists in used:
        uses = lists.of(distinct(code[low:]), 0 if name == "device_hash" else near)
        parts.append(uses[(uses >= near) | _stand_in(source[uses], payers)])
    return distinct(np.concatenate(parts))


def _met(known: Indexes, low: int, before: int) -> Int64Array:
    """Return the first payment and the last receipt between the ends of the transfers from `low` on, if before a row.

    O(transfers of the end that has fewer) for each pair of ends that never met.
    """
    _, source, target, paid, got, _ = known
    pairs = distinct(source[low:].astype(np.int64) << 32 | target[low:])
    found: Int64Array = _first_and_last(
        pairs >> 32, pairs & (2**32 - 1), paid.start, paid.stop, paid.entry, got.start, got.stop, got.entry,
        source, target, before,
    )  # fmt: skip
    return found


def _middles(known: Indexes, payee: int, bounds: tuple[int, int, int], most: int) -> Int64Array:
    """Return the credits of a payee in the look-back whose payers may be middles of scatter-gather shapes.

    A middle was paid by an account that also paid one of the new payers. To find out who was is worth it where the
    payee has more credits than those accounts have debits. Payers that got more than `most` are not looked through.
    """
    _, source, target, paid, got, _ = known
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
    place = np.minimum(np.searchsorted(ascending, values), len(ascending) - 1)
    return np.asarray(ascending[place] == values)


@numba.njit(cache=True, nogil=True)
def _first_and_last(  # type: ignore[no-untyped-def]
    payers, payees, paid_start, paid_stop, paid, got_start, got_stop, got, source, target, before
):
    found, n = np.empty(2 * len(payers), np.int64), 0
    for i in range(len(payers)):
        s, t = payers[i], payees[i]
        for payer, payee, is_first in ((s, t, True), (t, s, False)):
            if payer >= len(paid_start) or payee >= len(got_start):
                continue
            e, e_stop = paid_start[payer], first_at_least(paid, paid_start[payer], paid_stop[payer], before)
            f, f_stop = got_start[payee], first_at_least(got, got_start[payee], got_stop[payee], before)
            if e_stop - e <= f_stop - f:
                place = _find(paid, e, e_stop, target, payee, is_first)
                row = paid[place] if place >= 0 else -1
            else:
                place = _find(got, f, f_stop, source, payer, is_first)
                row = got[place] if place >= 0 else -1
            if row >= 0:
                found[n] = row
                n += 1
    return found[:n]


@numba.njit(cache=True, nogil=True)
def _find(entry, low, high, other, wanted, is_first):  # type: ignore[no-untyped-def]
    """Return the first or the last place of `entry[low:high]` whose row has an account at the other end; -1: none."""
    for k in range(high - low):
        place = low + k if is_first else high - 1 - k
        if other[entry[place]] == wanted:
            return place
    return -1
