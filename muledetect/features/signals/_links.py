"""Links: which credits the money of each debit came from, by first in, first out.

The credits of one account and tick are one group, and so are its debits: nothing depends on an order that the clock
hides. A debit group spends the oldest credit groups that are left; what is matched between two groups is shared pro
rata over their transfers. Money that leaves beyond all credits so far came from before the records and has no link.
"""

from __future__ import annotations

from typing import NamedTuple

import numba
import numpy as np
import numpy.typing as npt

from muledetect.arrays import Int32Array, Int64Array, first_at_least
from muledetect.features.signals._opening import opened
from muledetect.features.signals._past import Past, fill_in_time, has_unknown, is_earlier
from muledetect.letting_go import give_way


class Links(NamedTuple):
    """Matched pairs of a credit and a debit group; pairs `start[d]:start[d + 1]` of debit group `d`, oldest first.

    Groups are named by the first of their entries, debit groups in `Past.paid` and credit groups in `Past.received`.
    All arrays are in the order of the books, so that what is written of an account lies side by side. The amounts of
    the pairs of a group never exceed the group's total.

    Attributes
    ----------
    start : int64[n_paid + 1]
        By entry of `paid`; all but the first entries of debit groups have no pairs.
    credit : int32[n_pairs]
        Credit group.
    amount : int64[n_pairs]
        Matched amount, > 0.
    is_firm : bool[n_pairs]
        The matched amount is at least half of the smaller group's total.
    debit_of : int32[n_paid], credit_of : int32[n_received]
        The group of each entry.
    debit_total : int64[n_paid], credit_total : int64[n_received]
        Amount of each debit group, and of each credit group that has pairs, at its name; 0 elsewhere.
    """

    start: Int64Array
    credit: Int32Array
    amount: Int64Array
    is_firm: npt.NDArray[np.bool_]
    debit_of: Int32Array
    credit_of: Int32Array
    debit_total: Int64Array
    credit_total: Int64Array


def build_links(past: Past) -> Links:
    """Match all accounts, in threads. O(n); 32 bytes a transfer and 13 a pair, of which a transfer has at most two.

    A credit is available to later debits, and to those of its own tick where ties are simultaneous. Money that stayed
    longer than the look-back is spent in its turn but is in no pair.
    """
    n_paid, n_received, room = len(past.paid.time), len(past.received.time), past.room
    links = Links(
        start=room.full(n_paid + 1, 0, np.int64),
        credit=np.empty(0, np.int32),
        amount=np.empty(0, np.int64),
        is_firm=np.empty(0, np.bool_),
        debit_of=room.empty(n_paid, np.int32),
        credit_of=room.empty(n_received, np.int32),
        debit_total=room.full(n_paid, 0, np.int64),
        credit_total=room.full(n_received, 0, np.int64),
    )
    past.by_account(_group, past.paid, past.received, links, every=True)
    rules = (past.paid, past.received, past.lookback, past.is_simultaneous, past.opening, past.n_known("relay"))
    past.by_account(_match, *rules, True, links)
    np.cumsum(links.start, out=links.start)
    n_pairs = int(links.start[-1])
    links = links._replace(
        credit=room.empty(n_pairs, np.int32),
        amount=room.empty(n_pairs, np.int64),
        is_firm=room.empty(n_pairs, np.bool_),
    )
    past.by_account(_match, *rules, False, links)
    return links


def build_links_in_time(past: Past) -> Links:
    """Return the same links with all arrays in the order of time, groups named by the first of their transfers.

    Who follows the money in time reads them from the begin to the end, instead of at random. An array after the other
    is put in order, by one pass over it. A transfer from an account to itself is in the groups -1.
    """
    if past.threads == 1 and past.room.limit is None:  # in one call: around one payment there are few transfers
        rules = (past.lookback, past.is_simultaneous, past.opening, past.n_known("relay"), past.n_asked)
        return Links(*_at_once(past.paid, past.received, past.paid_at, past.received_at, *rules))
    links, n, room = build_links(past), len(past), past.room
    sides = (
        ("debit_of", "debit_total", past.paid_at, past.paid.transfer),
        ("credit_of", "credit_total", past.received_at, past.received.transfer),
    )
    for name, total_name, place, transfer in sides:
        group, total = room.full(n, -1, np.int32), room.full(n, 0, np.int64)
        past.by_transfer(_name_in_time, place, getattr(links, name), transfer, group)
        past.by_transfer(fill_in_time, place, getattr(links, total_name), total)
        links = links._replace(**{name: group, total_name: total})
    start, n_pairs = room.full(n + 1, 0, np.int64), len(links.credit)
    past.by_transfer(_count_in_time, past.paid_at, links.start, start)
    np.cumsum(start, out=start)
    pairs = room.empty(n_pairs, np.int32), room.empty(n_pairs, np.int64), room.empty(n_pairs, np.bool_)
    past.by_transfer(_pairs_in_time, past.paid_at, past.received.transfer, links, start, *pairs)
    return links._replace(start=start, credit=pairs[0], amount=pairs[1], is_firm=pairs[2])


@numba.njit(cache=True, nogil=True)
def _name_in_time(low, high, place, group, transfer, found) -> None:  # type: ignore[no-untyped-def]
    for i in range(low, high):
        if place[i] >= 0:
            found[i] = transfer[group[place[i]]]


@numba.njit(cache=True, nogil=True)
def _count_in_time(low, high, place, by_book, start) -> None:  # type: ignore[no-untyped-def]
    for i in range(low, high):
        if place[i] >= 0:
            start[i + 1] = by_book[place[i] + 1] - by_book[place[i]]


@numba.njit(cache=True, nogil=True)
def _pairs_in_time(low, high, place, transfer, links, start, credit, amount, is_firm) -> None:  # type: ignore[no-untyped-def]
    for i in range(low, high):
        if start[i + 1] > start[i]:
            k = links.start[place[i]]
            for at in range(start[i], start[i + 1]):
                credit[at], amount[at] = transfer[links.credit[k]], links.amount[k]
                is_firm[at] = links.is_firm[k]
                k += 1


@numba.njit(cache=True, nogil=True)
def _group(low, high, paid, received, links) -> None:  # type: ignore[no-untyped-def]
    """Name the groups: entries of one account and tick."""
    for a in range(low, high):
        give_way(paid.pages)
        d = paid.start[a]
        for e in range(paid.start[a], paid.stop[a]):
            d = e if paid.time[e] != paid.time[d] else d
            links.debit_of[e] = d
            links.debit_total[d] += paid.amount[e]
        c = received.start[a]
        for f in range(received.start[a], received.stop[a]):
            c = f if received.time[f] != received.time[c] else c
            links.credit_of[f] = c


@numba.njit(cache=True, nogil=True)
def _match(low, high, paid, received, lookback, is_simultaneous, opening, n_known, is_counting, links) -> None:  # type: ignore[no-untyped-def]
    """Count the pairs of debit group d at `start[d + 1]`, or, when `start` is their running total, write them.

    Invariant: credits `oldest:newer` are the oldest group with something left, `rest` what is left of its `whole`. Each
    step exhausts a group, so that an account has no more pairs than groups. `oldest` is -1 for what was left at the
    opening, which is in no pair.
    """
    for a in range(low, high):
        give_way(paid.pages)
        if not has_unknown(paid, a, n_known):
            continue
        newer, stop = (
            first_at_least(received.time, received.start[a], received.stop[a], opening.since),
            received.stop[a],
        )
        oldest, rest, whole = np.int64(-1), opened(opening.unspent, a), 0
        e = first_at_least(paid.time, paid.start[a], paid.stop[a], opening.since)
        while e < paid.stop[a]:
            d, now, total, k = e, paid.time[e], 0, -1
            while e < paid.stop[a] and paid.time[e] == now:
                total += paid.amount[e]
                e += 1
            left = total
            while left > 0 and newer <= stop:
                if rest == 0:
                    oldest, whole = newer, 0
                    while newer < stop and received.time[newer] == received.time[oldest]:
                        whole += received.amount[newer]
                        newer += 1
                    rest = whole
                if rest == 0 or (oldest >= 0 and not is_earlier(received.time[oldest], now, is_simultaneous)):
                    break
                moved = min(left, rest)
                left -= moved
                rest -= moved
                if oldest >= 0 and now - received.time[oldest] <= lookback:
                    if is_counting:
                        links.start[d + 1] += 1
                        links.credit_total[oldest] = whole
                    else:
                        k = links.start[d] if k < 0 else k + 1
                        links.credit[k], links.amount[k] = oldest, moved
                        links.is_firm[k] = 2 * moved >= min(total, whole)


@numba.njit(cache=True, nogil=True)
def _at_once(paid, received, paid_at, received_at, lookback, is_simultaneous, opening, n_known, n_asked):  # type: ignore[no-untyped-def]
    """Return the links in the order of time, by the same kernels; for one thread, without a limit of memory."""
    n_accounts, n, n_paid, n_received = len(paid.start), len(paid_at), len(paid.time), len(received.time)
    start, pairs = np.zeros(n_paid + 1, np.int64), _pairs(0)
    debit_of, debit_total = np.empty(n_paid, np.int32), np.zeros(n_paid, np.int64)
    credit_of, credit_total = np.empty(n_received, np.int32), np.zeros(n_received, np.int64)
    links = Links(start, pairs[0], pairs[1], pairs[2], debit_of, credit_of, debit_total, credit_total)
    _group(0, n_accounts, paid, received, links)
    _match(0, n_asked, paid, received, lookback, is_simultaneous, opening, n_known, True, links)
    _add_up(start)
    pairs = _pairs(start[n_paid])
    links = Links(start, pairs[0], pairs[1], pairs[2], debit_of, credit_of, debit_total, credit_total)
    _match(0, n_asked, paid, received, lookback, is_simultaneous, opening, n_known, False, links)
    in_time, pairs = np.zeros(n + 1, np.int64), _pairs(start[n_paid])
    _count_in_time(0, n, paid_at, start, in_time)
    _add_up(in_time)
    _pairs_in_time(0, n, paid_at, received.transfer, links, in_time, *pairs)
    debit, debit_whole = np.full(n, np.int32(-1), np.int32), np.zeros(n, np.int64)
    credit, credit_whole = np.full(n, np.int32(-1), np.int32), np.zeros(n, np.int64)
    _name_in_time(0, n, paid_at, debit_of, paid.transfer, debit)
    _name_in_time(0, n, received_at, credit_of, received.transfer, credit)
    fill_in_time(0, n, paid_at, debit_total, debit_whole)
    fill_in_time(0, n, received_at, credit_total, credit_whole)
    return in_time, pairs[0], pairs[1], pairs[2], debit, credit, debit_whole, credit_whole


@numba.njit(cache=True, nogil=True)
def _pairs(n):  # type: ignore[no-untyped-def]
    return np.empty(n, np.int32), np.empty(n, np.int64), np.empty(n, np.bool_)


@numba.njit(cache=True, nogil=True)
def _add_up(start) -> None:  # type: ignore[no-untyped-def]
    for k in range(len(start) - 1):
        start[k + 1] += start[k]
