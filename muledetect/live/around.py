"""Which transfers the live columns read: the small part of the bank around new transfers, and around points.

A part holds every transfer that a live signal of the new ones, or a live column of the points, rests on; what lies
outside changes none of their values. Values of other transfers and accounts of the part are of no meaning.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from muledetect.arrays import AnyArray, Int64Array, distinct
from muledetect.live.lists import Lists


class Indexes(NamedTuple):
    """The transfers of a state, in order of time, and the lists of who paid, who got, and what was used for it."""

    time: Int64Array
    source: AnyArray
    target: AnyArray
    paid: Lists
    got: Lists
    used: tuple[tuple[AnyArray, Lists], ...]  # of devices and terminals: the code of each transfer, and its lists


def of_points(known: Indexes, accounts: AnyArray) -> Int64Array:
    """Return the transfers that live columns at points of some accounts read, ascending: all of their own."""
    return distinct(np.concatenate([known.paid.of(accounts), known.got.of(accounts)]))


def of_transfers(known: Indexes, low: int, lookback: int) -> Int64Array:
    """Return the transfers that live signals of the transfers from `low` on read, ascending, these included.

    Of a payer s and a payee t, with T the time of the first:

    - all of s at any time: who it dealt with before, what it usually pays, which credits a debit spends;
    - of t from T - 2 look-backs on, and the last one before T that counts: who paid it lately, since when it was idle;
    - of the payers of t, of the payers of s and of the payees of s, what they got from T - 2 look-backs on: shapes,
      middles, origins; and what the payers of t paid from T - look-back on;
    - what used the same device or terminal from T - look-back on.
    """
    time, source, target, paid, got, used = known
    n_new = len(time) - low
    near, far = np.searchsorted(time, [time[low] - lookback, time[low] - 2 * lookback]).tolist()
    payers, payees = distinct(source[low:]), distinct(target[low:])
    out, into = paid.of(payers), got.of(payers)
    to_payees = got.of(payees, far)
    before = distinct(source[to_payees[to_payees >= near]])
    others = distinct(np.concatenate([before, source[into[into >= near]], target[out[out >= near]]]))
    parts = [out, into, to_payees, paid.of(payees, far), got.of(others, far), paid.of(before, near)]
    last = np.concatenate([lists.of(payees, most=n_new + 1) for lists in (paid, got)])
    # transfers from an account to itself count nowhere: of an account with such ones, the last that counts is any
    alone = distinct(source[last[source[last] == target[last]]])
    parts += [last, paid.of(alone), got.of(alone)]
    parts += [lists.of(distinct(code[low:]), near) for code, lists in used]
    return distinct(np.concatenate(parts))
