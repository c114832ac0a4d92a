"""Transfers of accounts, which credit a debit spent (first in, first out), and which transfers were reversed.

A reversal is a transfer of its own, back to the payer, at its own time.
"""

from __future__ import annotations

from typing import NamedTuple

import numba
import numpy as np
import pyarrow as pa

from muledetect.arrays import NEVER, BoolArray, Int32Array, Int64Array, first_at_least
from muledetect.facts.columns import positions, texts
from muledetect.graph import TransferGraph


def transfers_of(graph: TransferGraph, accounts: Int32Array, since: int | None = None) -> tuple[Int64Array, Int64Array]:
    """Return what `Snapshot.transfers_of` returns: positions in `accounts`, and in the graph."""
    first = 0 if since is None else int(np.searchsorted(graph.time, since, side="left"))
    return _transfers_of(accounts, *graph.incoming, *graph.outgoing, first)


@numba.njit(cache=True, nogil=True)
def _transfers_of(  # type: ignore[no-untyped-def]
    accounts, in_start, in_stop, in_transfer, out_start, out_stop, out_transfer, first
) -> tuple[Int64Array, Int64Array]:
    n = 0
    for a in accounts:
        n += in_stop[a] - first_at_least(in_transfer, in_start[a], in_stop[a], first)
        n += out_stop[a] - first_at_least(out_transfer, out_start[a], out_stop[a], first)
    of, found = np.empty(n, np.int64), np.empty(n, np.int64)
    n = 0
    for k in range(len(accounts)):
        a = accounts[k]
        for start, stop, transfer in (
            (in_start[a], in_stop[a], in_transfer), (out_start[a], out_stop[a], out_transfer)
        ):  # fmt: skip
            for j in range(first_at_least(transfer, start, stop, first), stop):
                of[n], found[n] = k, transfer[j]
                n += 1
    return of, found


@numba.njit(cache=True, nogil=True)
def match_first_in_first_out(  # type: ignore[no-untyped-def]
    in_start, in_stop, in_time, in_amount, out_start, out_stop, out_time, out_amount
) -> tuple[Int64Array, Int64Array, Int64Array, Int64Array, Int64Array]:
    """Spend the oldest unspent credit first; a credit is available to a debit of the same tick.

    Each step exhausts a credit or a debit, so an account has at most n_in + n_out pairs; they come in the order of
    the debits, so cutting the debits at a moment cuts a prefix of the pairs. O(entries).
    """
    n_accounts = len(in_start)
    most = len(in_time) + len(out_time)
    start = np.zeros(n_accounts, np.int64)
    stop = np.zeros(n_accounts, np.int64)
    credit = np.empty(most, np.int64)
    debit = np.empty(most, np.int64)
    amount = np.empty(most, np.int64)
    n = 0
    for a in range(n_accounts):
        start[a] = n
        oldest = in_start[a]
        spent = 0  # of the oldest unspent credit
        for d in range(out_start[a], out_stop[a]):
            left = out_amount[d]
            while left > 0 and oldest < in_stop[a] and in_time[oldest] <= out_time[d]:
                moved = min(left, in_amount[oldest] - spent)
                credit[n] = oldest
                debit[n] = d
                amount[n] = moved
                n += 1
                left -= moved
                spent += moved
                if spent == in_amount[oldest]:
                    oldest += 1
                    spent = 0
        stop[a] = n
    return start, stop, credit[:n].copy(), debit[:n].copy(), amount[:n].copy()


class Reversals(NamedTuple):
    """Which transfers are reversals, and when the others had been reversed."""

    is_reversal: BoolArray
    reversed_at: Int64Array  # time of the reversal with which the whole amount had gone back; NEVER without one


def find_reversals(transfers: pa.Table, graph: TransferGraph) -> Reversals:
    """Match reversals with their originals by `reversal_of`. O(transfers + reversals log reversals)."""
    n = graph.n_transfers
    is_reversal, reversed_at = np.zeros(n, np.bool_), np.full(n, NEVER)
    if "reversal_of" in transfers.column_names:
        given = texts(transfers.slice(0, n), "reversal_of")
        child = np.flatnonzero(given.is_valid().to_numpy(zero_copy_only=False))
        is_reversal[child] = True
        parent = positions(given.take(pa.array(child)), transfers["transfer_id"].slice(0, n))
        child, parent = child[parent >= 0], parent[parent >= 0]
        # reading keeps, with a warning, a row that names a later transfer; it has reversed nothing
        is_back = graph.time[child] >= graph.time[parent]
        child, parent = child[is_back], parent[is_back]
        order = np.lexsort((graph.time[child], parent))
        back = dict.fromkeys(parent.tolist(), 0)
        for one, original in zip(child[order].tolist(), parent[order].tolist(), strict=True):
            back[original] += int(graph.amount[one])
            if back[original] >= graph.amount[original]:
                reversed_at[original] = min(reversed_at[original], graph.time[one])
    return Reversals(is_reversal, reversed_at)
