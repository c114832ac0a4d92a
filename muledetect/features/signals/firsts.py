"""First payments: who deals with others that are new to it, at like amounts, while one end pays the other at first."""

from __future__ import annotations

from typing import Final

import numba
import numpy as np

from muledetect.arrays import Float32Array
from muledetect.features._columns import Column
from muledetect.features.signals._past import Past, has_unknown, is_earlier
from muledetect.features.signals._spec import signal
from muledetect.letting_go import give_way

#: Amounts are alike if the smaller is at least so much of the larger.
ALIKE: Final = 0.7


@signal(
    family="firsts",
    columns={
        "new_paid_alike": Column("count", "first payments of about its amount that the payer made to others"),
        "new_paid_closest": Column("ratio", "its amount against the closest of the payer's first payments to others"),
        "new_got_alike": Column("count", "first payments of about its amount that the payer got from others"),
        "new_got_closest": Column("ratio", "its amount against the closest first payment that the payer got"),
        "new_payers": Column("count", "first payments that the payee got from others"),
        "new_payers_alike": Column("count", "first payments of about its amount that the payee got from others"),
        "new_payers_closest": Column("ratio", "its amount against the closest first payment that the payee got"),
    },
    not_live="it rests on whom all accounts around the two ends ever paid",
)
def first_payments(past: Past) -> Float32Array:
    """Of a payer's first payment to a payee: earlier first payments of both ends within the look-back.

    A transfer is a first payment if its payer never paid its payee in an earlier tick, at any time. All columns are NaN
    for other transfers. Payments between the same two ends do not count.

    Amounts are about the same if the smaller is at least 0.7 of the larger. The closest has the largest ratio of the
    smaller amount to the larger: 1 is the same amount, 0 means that there is no such payment.

    Columns of a side are NaN where the account has more than 4,096 first payments on it within the look-back, unless
    `max_degree` is None. O(first payments of the account within the look-back) a first payment.
    """
    found, by_credit = past.unknown(7), past.room.full((len(past.received.time), 3), np.nan, np.float32)
    is_first = past.at_random((len(past),), 0, np.bool_)
    paid, received = past.by_debit()
    past.by_account(_mark_first, paid, past.graph.n_accounts, is_first)
    past.by_account(
        _look_back, paid, received, is_first, past.lookback, past.is_simultaneous, past.most,
        past.n_known("first_payments"), found, by_credit,
    )  # fmt: skip
    found = past.in_time(found)
    past.put_credits(by_credit, 4, found)
    return found


@numba.njit(cache=True, nogil=True)
def _mark_first(low, high, paid, n_accounts, is_first) -> None:  # type: ignore[no-untyped-def]
    """Invariant: entries of `since` with `paid_by` of another account are void."""
    paid_by, since = np.full(n_accounts, -1, np.int32), np.empty(n_accounts, np.int64)
    for a in range(low, high):
        give_way(paid.pages)
        for e in range(paid.start[a], paid.stop[a]):
            other = paid.other[e]
            if paid_by[other] != a:
                paid_by[other], since[other] = a, paid.time[e]
            # all transfers of the tick of the first payment are first, whichever stands first
            is_first[paid.transfer[e]] = since[other] == paid.time[e]


@numba.njit(cache=True, nogil=True)
def _look_back(  # type: ignore[no-untyped-def]
    low, high, paid, received, is_first, lookback, is_simultaneous, most, n_known, found, by_credit
) -> None:
    """Slide a window over the first payments that each account made, and over those that it got."""
    for a in range(low, high):
        give_way(paid.pages)
        if not (has_unknown(paid, a, n_known) or has_unknown(received, a, n_known)):
            continue
        made, got = _first_entries(paid, a, is_first), _first_entries(received, a, is_first)
        first, last, f_first, f_last = 0, 0, 0, 0
        for e in made:
            now, i = paid.time[e], paid.transfer[e]
            first, last = _slide(paid, made, first, last, now, lookback, is_simultaneous)
            f_first, f_last = _slide(received, got, f_first, f_last, now, lookback, is_simultaneous)
            if last - first <= most:
                _, found[i, 0], found[i, 1] = _compare(paid, made[first:last], paid.other[e], paid.amount[e])
            if f_last - f_first <= most:
                _, found[i, 2], found[i, 3] = _compare(received, got[f_first:f_last], paid.other[e], paid.amount[e])
        first, last = 0, 0
        for f in got:
            first, last = _slide(received, got, first, last, received.time[f], lookback, is_simultaneous)
            if last - first <= most:
                by_credit[f, 0], by_credit[f, 1], by_credit[f, 2] = _compare(
                    received, got[first:last], received.other[f], received.amount[f]
                )


@numba.njit(cache=True, nogil=True)
def _first_entries(book, account, is_first):  # type: ignore[no-untyped-def]
    """Return the entries of an account that are first payments, in order of time."""
    entries, n = np.empty(book.stop[account] - book.start[account], np.int64), 0
    for e in range(book.start[account], book.stop[account]):
        if is_first[book.transfer[e]]:
            entries[n] = e
            n += 1
    return entries[:n]


@numba.njit(cache=True, nogil=True)
def _slide(book, entries, first, last, now, lookback, is_simultaneous):  # type: ignore[no-untyped-def]
    """Return the bounds of the entries within the look-back before `now`."""
    while last < len(entries) and is_earlier(book.time[entries[last]], now, is_simultaneous):
        last += 1
    while first < last and book.time[entries[first]] < now - lookback:
        first += 1
    return first, last


@numba.njit(cache=True, nogil=True)
def _compare(book, entries, partner, amount):  # type: ignore[no-untyped-def]
    """Return how many of the entries are with others than the partner, how many are alike, and the closest ratio."""
    n, n_alike, closest = 0, 0, 0.0
    for e in entries:
        if book.other[e] == partner:
            continue
        ratio = min(book.amount[e], amount) / max(book.amount[e], amount)
        n += 1
        n_alike += ratio >= ALIKE
        closest = max(closest, ratio)
    return n, n_alike, closest
