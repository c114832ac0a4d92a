"""Taint two hops away: money that complaints name, passed on twice, and accounts that deal with listed ones.

What is hidden from a point is as in `muledetect.features.taint`.
"""

from __future__ import annotations

from typing import Final, NamedTuple

import numba
import numpy as np

from muledetect.arrays import Float64Array, Int32Array, Int64Array, first_at_least
from muledetect.facts.columns import group
from muledetect.facts.complaints import is_disputed
from muledetect.features._columns import Column
from muledetect.features._extraction import Extraction
from muledetect.features._history import History
from muledetect.features._spec import feature
from muledetect.features.taint import groups_of, is_listed, moved_before, received_before, relayed_share

# Taint is not followed through an account with more transfers in the window: a shop or a wallet mixes it away.
_BUSIEST: Final = 1_000

# Shares are added as integers of this many to a whole, so that their order cannot change the sum.
_UNIT: Final = 2.0**30


@feature(
    family="taint",
    columns={
        "relayed_twice_share": Column(
            "ratio", "share of the money received {window} that came in two hops from transfers that complaints name"
        ),
    },
    tables=("complaints",),
    not_live="it reads the credits of the payers of the account's payers",
    window=("30d",),
)
def relayed_twice(history: History, *, window: int) -> Float64Array:
    """Credits paid out of money that was itself paid out of money that complaints name, pro rata.

    A credit of amount x from a payer that in [time - window, time] had got r, of which f by relays, carries x f / r.
    The relays are the payer's own credits as `relayed_complained_share` counts them: x' c / r' of each that no
    complaint names. Payers with more than 1,000 credits in their window are not followed. NaN if nothing was received
    or without complaints. O(1,000) a credit at worst, O(log n) where nothing is tainted.
    """
    disputes, extraction = history.facts.disputes, history.extraction
    if "complaints" not in history.tables:
        return np.full(len(history), np.nan)
    found = np.full(len(history), np.nan)
    into, graph = history.incoming, history.graph
    _relayed_twice(
        into.begin(window), into.end, into.time, into.amount, into.account, history.as_of, *groups_of(history),
        graph.time, graph.amount, disputes, extraction.get(_fed_by_complained), extraction.past.received,
        extraction.get(received_before), max(window, graph.tick), found,
    )  # fmt: skip
    return found


@feature(
    family="taint",
    unit="flag",
    text="an account that it dealt with {window} also dealt with one on a watch list",
    tables=("watchlists",),
    not_live="it reads who else was seen on what accounts two steps away used",
    window=("30d",),
)
def is_near_listed(history: History, *, window: int) -> Float64Array:
    """Watch lists at two hops: some counterparty of the window dealt in the window with another listed account.

    Which accounts are listed is as in `watch_lists`. Counterparties with more than 1,000 transfers in the window are
    not followed. NaN without watch lists. O(log n) a transfer in the window, O(1,000) at worst.
    """
    entries, extraction = history.facts.listed_accounts, history.extraction
    if entries is None:
        return np.full(len(history), np.nan)
    found = np.zeros(len(history))
    into, out, graph, past = history.incoming, history.outgoing, history.graph, history.extraction.past
    _near_listed(
        history.points.account, history.as_of, max(window, graph.tick), *groups_of(history), entries,
        extraction.facts.seen.sightings, extraction.get(_dealt_with_listed), past.paid, past.received,
        into.begin(window), into.end, into.account, into.other,
        out.begin(window), out.end, out.account, out.other,
        int(history.n_others.max(initial=0)), found,
    )  # fmt: skip
    return found


class Dealings(NamedTuple):
    """Some transfers of each account: entries `start[a]:start[a + 1]`, in order of time."""

    start: Int64Array
    time: Int64Array
    other: Int32Array
    transfer: Int64Array


def _fed_by_complained(extraction: Extraction) -> Dealings:
    """Return the credits whose payer complaints ever named."""
    graph = extraction.graph
    is_named = np.diff(extraction.facts.disputes.start) > 0
    rows = np.flatnonzero(is_named[graph.source] & (graph.source != graph.target))
    start, place = group(graph.target[rows], graph.n_accounts)
    rows = rows[place]
    return Dealings(start, graph.time[rows], graph.source[rows], rows)


def _dealt_with_listed(extraction: Extraction) -> Dealings:
    """Return the transfers from and to accounts that were ever listed, by the account at the other end."""
    graph, entries = extraction.graph, extraction.facts.listed_accounts
    is_listed = np.zeros(graph.n_accounts, np.bool_)
    if entries is not None:
        is_listed = np.diff(entries.start) > 0
    is_move = graph.source != graph.target
    paid, got = np.flatnonzero(is_listed[graph.target] & is_move), np.flatnonzero(is_listed[graph.source] & is_move)
    rows = np.concatenate([paid, got])
    account = np.concatenate([graph.source[paid], graph.target[got]])
    other = np.concatenate([graph.target[paid], graph.source[got]])
    by_time = np.argsort(graph.time[rows], kind="stable")
    start, place = group(account[by_time], graph.n_accounts)
    place = by_time[place]
    return Dealings(start, graph.time[rows[place]], other[place], rows[place])


@numba.njit(cache=True, nogil=True)
def _relayed_twice(  # type: ignore[no-untyped-def]
    begin, end, entry_time, entry_amount, entry_account, as_of, own, groups, time, amount, disputes, fed,
    received, before, width, found,
) -> None:  # fmt: skip
    for p in range(len(begin)):
        total, relayed = 0, np.int64(0)
        for j in range(begin[p], end[p]):
            total += entry_amount[j]
        for j in range(begin[p], end[p]):
            payer, moment = entry_account[j], entry_time[j]
            low, high = fed.start[payer], fed.start[payer + 1]
            first = first_at_least(fed.time, low, high, moment - width)
            if first == high or fed.time[first] > moment:
                continue
            n_got, got = moved_before(received, before, payer, moment, width)
            if n_got > _BUSIEST:
                continue
            part = np.int64(0)
            for f in range(first, high):
                if fed.time[f] > moment:
                    break
                i = fed.transfer[f]
                if groups[payer] != own[p] and is_disputed(disputes, i, as_of[p]):
                    continue  # it is named itself
                share = relayed_share(
                    fed.other[f], fed.time[f], as_of[p], own[p], groups, time, amount, disputes, received, before,
                    width, _BUSIEST,
                )  # fmt: skip
                part += np.int64(np.round(amount[i] / got * _UNIT)) * np.int64(np.round(share * _UNIT))
            # of integers of 60 bits the upper 30 remain, for the weight by amount
            relayed += np.int64(np.round(entry_amount[j] / total * _UNIT)) * np.int64(np.round(part / _UNIT))
        if total > 0:
            found[p] = relayed / _UNIT / _UNIT


@numba.njit(cache=True, nogil=True)
def _near_listed(  # type: ignore[no-untyped-def]
    account, as_of, width, own, groups, entries, sightings, near, paid, received, in_begin, in_end, in_account,
    in_other, out_begin, out_end, out_account, out_other, n_others, found,
) -> None:  # fmt: skip
    """Invariant: `met[r] == p` for the counterparties of rank r that were looked at for point p."""
    met = np.full(n_others, -1, np.int64)
    for p in range(len(account)):
        n_in = in_end[p] - in_begin[p]
        for j in range(n_in + out_end[p] - out_begin[p]):
            if j < n_in:
                rank, other = in_other[in_begin[p] + j], in_account[in_begin[p] + j]
            else:
                rank, other = out_other[out_begin[p] + j - n_in], out_account[out_begin[p] + j - n_in]
            if met[rank] == p:
                continue
            met[rank] = p
            if _is_near(other, account[p], as_of[p], width, own[p], groups, entries, sightings, near, paid, received):
                found[p] = 1
                break


@numba.njit(cache=True, nogil=True)
def _is_near(other, account, as_of, width, own, groups, entries, sightings, near, paid, received):  # type: ignore[no-untyped-def]
    low, high = near.start[other], near.start[other + 1]
    first = first_at_least(near.time, low, high, as_of - width)
    if first == high or near.time[first] >= as_of:
        return False
    n_ever = paid.stop[other] - paid.start[other] + received.stop[other] - received.start[other]
    if n_ever > _BUSIEST and _count_moved(other, as_of - width, as_of, paid, received) > _BUSIEST:
        return False
    for f in range(first, high):
        if near.time[f] >= as_of:
            break
        if near.other[f] != account and is_listed(near.other[f], as_of, width, own, groups, entries, sightings):
            return True
    return False


@numba.njit(cache=True, nogil=True)
def _count_moved(account, begin, as_of, paid, received):  # type: ignore[no-untyped-def]
    """Return how many transfers an account has in [begin, as_of), on both sides."""
    n_moved = 0
    for book in (paid, received):
        start, stop = book.start[account], book.stop[account]
        n_moved += first_at_least(book.time, start, stop, as_of) - first_at_least(book.time, start, stop, begin)
    return n_moved
