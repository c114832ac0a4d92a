"""Taint: money that complaints name, and dealings with accounts on watch lists, as known by the point.

With `Extraction.hide_groups`, complaints about accounts of the point's own group, and list entries that name such
accounts, are hidden from the point: in training they would tell its target. Its own account is of its group.
"""

from __future__ import annotations

from typing import Final

import numba
import numpy as np

from muledetect.arrays import Float64Array, Int64Array, first_at_least
from muledetect.facts.complaints import is_disputed, is_named
from muledetect.facts.sightings import CROWD, n_holders
from muledetect.features._columns import ON_REQUEST, Column
from muledetect.features._extraction import Extraction
from muledetect.features._history import History
from muledetect.features._spec import feature

# Shares are added as integers of this many to a whole, so that their order cannot change the sum.
_UNIT: Final = 2.0**30


@feature(
    family="taint",
    columns={
        "complained_credits": Column("count", "transfers received {window} that complaints name", only=ON_REQUEST),
        "complained_share": Column(
            "ratio", "share of the money received {window} that complaints name", only=ON_REQUEST
        ),
        "relayed_complained_share": Column(
            "ratio", "share of the money received {window} that its payers had from transfers that complaints name"
        ),
        "complained_payees": Column(
            "count", "different accounts that it paid {window} and complaints name", only=ON_REQUEST
        ),
    },
    tables=("complaints",),
    not_live="it reads the credits of the account's payers",
    window=("30d",),
)
def complaint_taint(history: History, *, window: int) -> Float64Array:
    """Credits that complaints known by the point name, and credits paid out of such money, one hop up.

    Which transfer a complaint names, and when it counts, is the rule of `muledetect.facts.complaints`. A credit of
    amount x from a payer that in [time - window, time] had got r, of which c named, carries x c / r (pro rata); one
    that is named itself is not counted again. Shares are NaN if nothing was received; all NaN without complaints.
    O(transfers in the window + named credits of their payers).
    """
    disputes, extraction = history.facts.disputes, history.extraction
    if "complaints" not in history.tables:
        return np.full((len(history), 4), np.nan)
    found = np.zeros((len(history), 4))
    into, out, graph = history.incoming, history.outgoing, history.graph
    own, groups = groups_of(history)
    _complained_credits(
        history.points.account, into.begin(window), into.end, into.time, into.amount, into.transfer, into.account,
        history.as_of, own, groups, graph.time, graph.amount, disputes, extraction.past.received,
        extraction.get(received_before), max(window, graph.tick), found,
    )  # fmt: skip
    _complained_payees(
        out.begin(window), out.end, out.other, out.account, history.as_of, own, groups, disputes,
         int(history.n_others.max(initial=0)), found,
    )  # fmt: skip
    return found


@feature(
    family="taint",
    columns={
        "is_listed": Column("flag", "the account, or an identifier of its holder, was on a watch list {window}"),
        "listed_share": Column("ratio", "share of the money exchanged {window} with accounts on a watch list"),
    },
    tables=("watchlists",),
    not_live="it reads who else was seen on what its holder and its counterparties used",
    window=("30d",),
)
def watch_lists(history: History, *, window: int) -> Float64Array:
    """Is the account on a list, and how much of its money came from or went to accounts that are.

    An account is on a list if an entry names it, or a device, network or contact that its holder was known to have
    used, of at most 20 holders; an entry counts if it was known by the point and valid inside the window.
    `listed_share` is NaN if nothing was exchanged; all NaN without watch lists. O(transfers in the window).
    """
    entries = history.facts.listed_accounts
    if entries is None:
        return np.full((len(history), 2), np.nan)
    found = np.zeros((len(history), 2))
    into, out, graph = history.incoming, history.outgoing, history.graph
    _watch_lists(
        history.points.account, history.as_of, max(window, graph.tick), *groups_of(history), entries,
        history.facts.seen.sightings, into.begin(window), into.end, into.amount, into.account,
        out.begin(window), out.end, out.amount, out.account, found,
    )  # fmt: skip
    return found


def groups_of(history: History) -> tuple[Int64Array, Int64Array]:
    """Return the group of each point, and of each account; without `hide_groups` no point is in an account's group."""
    account, hide_groups = history.points.account, history.extraction.hide_groups
    if hide_groups is None or not len(hide_groups):
        return np.full(len(account), -1), np.full(history.graph.n_accounts, -2)
    groups = np.unique(hide_groups, return_inverse=True)[1].astype(np.int64)
    return np.where(account >= 0, groups[np.maximum(account, 0)], -1), groups


def received_before(extraction: Extraction) -> Int64Array:
    """Return the running total of amounts in `past.received`, int64[n_entries + 1]."""
    amount = extraction.past.received.amount
    before = extraction.facts.room.full(len(amount) + 1, 0, np.int64)
    np.cumsum(amount, out=before[1:])
    return before


@numba.njit(cache=True, nogil=True)
def moved_before(book, before, account, moment, width):  # type: ignore[no-untyped-def]
    """Return number and amount of the entries of an account in [moment - width, moment]."""
    low = book.start[account]
    first = first_at_least(book.time, low, book.stop[account], moment - width)
    last = first_at_least(book.time, low, book.stop[account], moment + 1)
    return last - first, before[last] - before[first]


@numba.njit(cache=True, nogil=True)
def relayed_share(  # type: ignore[no-untyped-def]
    payer, moment, as_of, own, groups, time, amount, disputes, received, before, width, busiest
):
    """Return the share of what the payer had got by a moment that complaints known before `as_of` name.

    0 if it had got more than `busiest` transfers.
    """
    if disputes.start[payer] == disputes.start[payer + 1] or groups[payer] == own:
        return 0.0
    part = 0
    for k in disputes.received[disputes.start[payer] : disputes.start[payer + 1]]:
        if moment - width <= time[k] <= moment and is_disputed(disputes, k, as_of):
            part += amount[k]
    if part == 0:
        return 0.0
    n_got, got = moved_before(received, before, payer, moment, width)
    return part / got if n_got <= busiest else 0.0


@numba.njit(cache=True, nogil=True)
def _complained_credits(  # type: ignore[no-untyped-def]
    account, begin, end, time, amount, transfer, other, as_of, own, groups, all_time, all_amount, disputes, received,
    before, width, found,
) -> None:  # fmt: skip
    for p in range(len(begin)):
        n_named, total, named, relayed = 0, 0, 0, np.int64(0)
        for j in range(begin[p], end[p]):
            total += amount[j]
        # own[p] is the group of the credit's target: with `hide_groups` no complaint about it is seen
        a, is_any = account[p], False
        if a >= 0 and own[p] < 0:
            is_any = disputes.start[a] < disputes.start[a + 1]
        for j in range(begin[p], end[p]):
            payer, t = other[j], time[j]
            if is_any and is_disputed(disputes, transfer[j], as_of[p]):
                n_named += 1
                named += amount[j]
                continue
            share = relayed_share(
                payer, t, as_of[p], own[p], groups, all_time, all_amount, disputes, received, before, width,
                len(all_time),
            )  # fmt: skip
            if share > 0:
                relayed += np.int64(np.round(amount[j] / total * _UNIT)) * np.int64(np.round(share * _UNIT))
        found[p, 0] = n_named
        found[p, 1] = named / total if total > 0 else np.nan
        found[p, 2] = relayed / _UNIT / _UNIT if total > 0 else np.nan


@numba.njit(cache=True, nogil=True)
def _complained_payees(  # type: ignore[no-untyped-def]
    begin, end, other, account, as_of, own, groups, disputes, most_others, found
) -> None:
    """Invariant: `met[r] == p` for the counterparties of rank r that are counted at point p."""
    met = np.full(most_others, -1, np.int64)
    for p in range(len(begin)):
        for j in range(begin[p], end[p]):
            payee = account[j]
            if disputes.account_start[payee] == disputes.account_start[payee + 1]:
                continue
            if groups[payee] != own[p] and met[other[j]] != p and is_named(disputes, payee, as_of[p]):
                met[other[j]] = p
                found[p, 3] += 1


@numba.njit(cache=True, nogil=True)
def is_listed(account, as_of, width, own, groups, entries, sightings):  # type: ignore[no-untyped-def]
    for e in range(entries.start[account], entries.start[account + 1]):
        if entries.since[e] >= as_of or entries.until[e] <= as_of - width:
            continue
        v = entries.value[e]
        if v < 0:
            if groups[account] != own:
                return True
        elif n_holders(sightings, v, as_of) <= CROWD:
            return True
    return False


@numba.njit(cache=True, nogil=True)
def _watch_lists(  # type: ignore[no-untyped-def]
    account, as_of, width, own, groups, entries, sightings, in_begin, in_end, in_amount, in_account,
    out_begin, out_end, out_amount, out_account, found,
) -> None:  # fmt: skip
    for p in range(len(account)):
        if account[p] >= 0:
            found[p, 0] = is_listed(account[p], as_of[p], width, own[p], groups, entries, sightings)
        total, exchanged = 0, 0
        for j in range(in_begin[p], in_end[p]):
            total += in_amount[j]
            if is_listed(in_account[j], as_of[p], width, own[p], groups, entries, sightings):
                exchanged += in_amount[j]
        for j in range(out_begin[p], out_end[p]):
            total += out_amount[j]
            if is_listed(out_account[j], as_of[p], width, own[p], groups, entries, sightings):
                exchanged += out_amount[j]
        found[p, 1] = exchanged / total if total > 0 else np.nan
