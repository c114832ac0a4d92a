"""What complaints dispute: one rule for which transfer a complaint means, and for when it counts.

A complaint counts from the moment when the bank knew of it (`known_ts`) until the bank knew that it was withdrawn
(`status_ts`). One that is withdrawn without `status_ts` counts at no moment: nobody can say from when on it did not.

A complaint means the transfer of its `transfer_id`. Without one, it means the one transfer to its `target` up to
`known_ts` that agrees with all that it states of `victim_account`, `amount` and `time`. If several agree, it means
none of them: the accounts that it names are still named. A transfer after `known_ts` is never meant.
"""

from __future__ import annotations

from typing import Final, NamedTuple

import numba
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from muledetect.arrays import MISSING, NEVER, BoolArray, Int8Array, Int32Array, Int64Array, first_transfer_at
from muledetect.facts.columns import equals, group, numbers, positions, texts
from muledetect.graph import TransferGraph

#: Why a complaint is not traced whose `known_ts` is still to come.
NOT_KNOWN: Final = "not known at this moment"

#: Why a complaint means no transfer, by code; 0 = it means one.
UNMATCHED: Final = (
    "",
    "its transfer is not among the transfers before this moment",
    "several transfers fit what it says",
    "no transfer before this moment fits what it says",
    "it says neither a transfer nor an account that was paid",
)
MATCHED, NO_SUCH_TRANSFER, SEVERAL_FIT, NONE_FITS, SAYS_TOO_LITTLE = range(5)


class Complaints(NamedTuple):
    """One row a complaint, in the order of the table."""

    known_from: Int64Array  # it counts at a moment with `known_from < as_of <= known_until`; NEVER withdrawn = `NEVER`
    known_until: Int64Array
    is_withdrawn: BoolArray  # its status is "withdrawn", at whatever moment
    payer: Int32Array  # account codes, of the transfer if there is one, else as stated; -1 where unknown
    payee: Int32Array
    transfer: Int64Array  # position in the graph; -1 without one
    unmatched: Int8Array  # code of `UNMATCHED`


class Disputes(NamedTuple):
    """Who and what complaints dispute, with the spans in which each counts: for kernels that look at many moments."""

    first: Int32Array  # [n_transfers] first place of a transfer in `transfer`; -1 if nobody disputes it
    # [n] disputed transfers, ascending; one that several complaints dispute stands there several times
    transfer: Int64Array
    known_from: Int64Array  # [n] as `Complaints`
    known_until: Int64Array
    account_start: Int64Array  # [n_accounts + 1] places of each payee in the two below
    account_from: Int64Array  # [n] spans of the complaints that name the account as payee, or a transfer to it
    account_until: Int64Array
    start: Int64Array  # [n_accounts + 1] places of each payee in `received`
    received: Int64Array  # [n] distinct disputed transfers by payee, in order of time; none from an account to itself


def match_complaints(table: pa.Table | None, transfers: pa.Table, graph: TransferGraph) -> Complaints:
    """Match every complaint with its transfer. O(transfers + transfers to the accounts that complaints name)."""
    if table is None:
        none, codes = np.zeros(0, np.int64), np.zeros(0, np.int32)
        return Complaints(none, none, np.zeros(0, np.bool_), codes, codes, none, np.zeros(0, np.int8))
    known = numbers(table, "known_ts")
    is_withdrawn = equals(table["status"], "withdrawn") if "status" in table.column_names else known < MISSING
    status = numbers(table, "status_ts")
    until = np.where(is_withdrawn, np.where(status == MISSING, known, np.maximum(status, known)), NEVER)
    payer, payee = (graph.codes(texts(table, name)).copy() for name in ("victim_account", "target"))
    given = texts(table, "transfer_id")
    has_id = np.asarray(given.is_valid().to_numpy(zero_copy_only=False))
    transfer = positions(given, transfers["transfer_id"].slice(0, graph.n_transfers))
    later = np.flatnonzero(transfer >= 0)
    later = later[graph.time[transfer[later]] > known[later]]
    transfer[later] = -1
    found, n_fit = _fit(
        np.flatnonzero(~has_id & (payee >= 0)), known, payee, payer, _is_given(table, "victim_account"),
        numbers(table, "amount"), numbers(table, "time"), graph.time, graph.source, graph.amount,
        *graph.incoming,
    )  # fmt: skip
    transfer = np.where(has_id, transfer, found)
    why = np.select(
        [transfer >= 0, has_id, n_fit > 1, _is_given(table, "target")],
        [MATCHED, NO_SUCH_TRANSFER, SEVERAL_FIT, NONE_FITS],
        SAYS_TOO_LITTLE,
    ).astype(np.int8)
    at = np.flatnonzero(transfer >= 0)
    payer[at], payee[at] = graph.source[transfer[at]], graph.target[transfer[at]]
    return Complaints(known, until, is_withdrawn, payer, payee, transfer, why)


def index_disputes(complaints: Complaints, graph: TransferGraph) -> Disputes:
    """Index complaints by transfer and by payee. O(transfers + complaints log complaints)."""
    counts = complaints.known_until > complaints.known_from
    rows = np.flatnonzero(counts & (complaints.transfer >= 0))
    rows = rows[np.lexsort((complaints.known_from[rows], complaints.transfer[rows]))]
    transfer = complaints.transfer[rows]
    first = np.full(graph.n_transfers, -1, np.int32)
    first[transfer[::-1]] = np.arange(len(rows), dtype=np.int32)[::-1]  # the first of equals is written last
    named = np.flatnonzero(counts & (complaints.payee >= 0))
    account_start, place = group(complaints.payee[named], graph.n_accounts)
    named = named[place]
    distinct = np.unique(transfer)
    distinct = distinct[graph.source[distinct] != graph.target[distinct]]
    start, place = group(graph.target[distinct], graph.n_accounts)
    return Disputes(
        first, transfer, complaints.known_from[rows], complaints.known_until[rows], account_start,
        complaints.known_from[named], complaints.known_until[named], start, distinct[place],
    )  # fmt: skip


@numba.njit(cache=True, nogil=True)
def is_disputed(disputes, transfer, as_of):  # type: ignore[no-untyped-def]
    """Return whether a complaint about a transfer counts at a moment. O(complaints about it)."""
    k = disputes.first[transfer]
    while 0 <= k < len(disputes.transfer) and disputes.transfer[k] == transfer:
        if disputes.known_from[k] < as_of <= disputes.known_until[k]:
            return True
        k += 1
    return False


@numba.njit(cache=True, nogil=True)
def is_named(disputes, account, as_of):  # type: ignore[no-untyped-def]
    """Return whether a complaint that counts at a moment names an account as payee. O(complaints about it)."""
    for k in range(disputes.account_start[account], disputes.account_start[account + 1]):
        if disputes.account_from[k] < as_of <= disputes.account_until[k]:
            return True
    return False


def _is_given(table: pa.Table, name: str) -> BoolArray:
    if name not in table.column_names:
        return np.zeros(len(table), np.bool_)
    return np.asarray(pc.is_valid(table[name]).to_numpy(), np.bool_)


@numba.njit(cache=True, nogil=True)
def _fit(  # type: ignore[no-untyped-def]
    rows, known, payee, payer, names_payer, amount, at, time, source, all_amount, start, stop, transfer
) -> tuple[Int64Array, Int64Array]:
    """Return the one transfer that fits each complaint (-1 if not one), and how many fit, counted up to 2."""
    found, n_fit = np.full(len(known), -1, np.int64), np.zeros(len(known), np.int64)
    for c in rows:
        if names_payer[c] and payer[c] < 0:
            continue
        low, high = start[payee[c]], stop[payee[c]]
        end = first_transfer_at(transfer, low, high, time, known[c] + 1)
        if at[c] != MISSING:
            low = first_transfer_at(transfer, low, end, time, at[c])
            end = first_transfer_at(transfer, low, end, time, at[c] + 1)
        for j in range(low, end):
            i = transfer[j]
            fits = (amount[c] == MISSING or all_amount[i] == amount[c]) and (
                not names_payer[c] or source[i] == payer[c]
            )
            if fits:
                n_fit[c] += 1
                found[c] = i
                if n_fit[c] > 1:
                    found[c] = -1
                    break
    return found, n_fit
