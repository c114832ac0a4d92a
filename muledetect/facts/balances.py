"""What was in an account just before a moment: stated where the records say so, else rebuilt from its transfers."""

from __future__ import annotations

from typing import NamedTuple

import numba
import numpy as np
import pyarrow as pa

from muledetect.arrays import MISSING, BoolArray, Int32Array, Int64Array, first_transfer_at
from muledetect.facts.columns import numbers
from muledetect.graph import TransferIndex
from muledetect.memory import HEAP, Room


class Balances(NamedTuple):
    """Balances that transfers state, int64[n_transfers], MISSING where they state none; length 0 without the column."""

    of_source: Int64Array
    of_target: Int64Array


def read_balances(transfers: pa.Table, n_transfers: int, room: Room = HEAP) -> Balances:
    """Return the balances that transfers state just after them."""
    table = transfers.slice(0, n_transfers)
    names, none = ("source_balance_after", "target_balance_after"), np.zeros(0, np.int64)
    return Balances(*(numbers(table, name, room) if name in table.column_names else none for name in names))


class Ledger(NamedTuple):
    """What tells balances: transfers as in `TransferGraph`, and balances that records state, MISSING without one."""

    time: Int64Array
    amount: Int64Array
    source: Int32Array
    target: Int32Array
    incoming: TransferIndex
    outgoing: TransferIndex
    source_after: Int64Array
    target_after: Int64Array
    balance: Int64Array
    balance_at: Int64Array


@numba.njit(cache=True, nogil=True)
def balance_before(a, moment, known_until, ledger):  # type: ignore[no-untyped-def]
    """Return the balance of account `a` just before a moment (minor units, >= 0), and whether it was stated.

    The latest statement before the moment counts, moved by the transfers since: `source_balance_after` or
    `target_balance_after` of a tick in which the account had one transfer only (of several simultaneous ones nobody
    knows which was last), or `balance` at `balance_at`. Without any, the opening balance is the smallest that keeps
    the account from ever falling below 0 before `known_until`, which may be later than the moment: what it paid later
    shows what it had. A lower bound. O(transfers of the account since the statement, or before `known_until`).
    """
    time, amount, source, target = ledger.time, ledger.amount, ledger.source, ledger.target
    in_start, in_transfer = ledger.incoming.start[a], ledger.incoming.transfer
    out_start, out_transfer = ledger.outgoing.start[a], ledger.outgoing.transfer
    i = first_transfer_at(in_transfer, in_start, ledger.incoming.stop[a], time, moment) - 1
    j = first_transfer_at(out_transfer, out_start, ledger.outgoing.stop[a], time, moment) - 1
    balance, balance_at = ledger.balance[a], ledger.balance_at[a]
    net = np.int64(0)
    while i >= in_start or j >= out_start:
        tick = MISSING
        if i >= in_start:
            tick = time[in_transfer[i]]
        if j >= out_start:
            tick = max(tick, time[out_transfer[j]])
        if tick <= balance_at < moment:
            return max(np.int64(0), balance + net), True
        n, stated, moved = 0, MISSING, np.int64(0)
        while i >= in_start and time[in_transfer[i]] == tick:
            k = in_transfer[i]
            if source[k] != target[k]:
                moved += amount[k]
                stated = ledger.target_after[k] if len(ledger.target_after) else MISSING
            n += 1
            i -= 1
        while j >= out_start and time[out_transfer[j]] == tick:
            k = out_transfer[j]
            if source[k] != target[k]:
                moved -= amount[k]
                stated = ledger.source_after[k] if len(ledger.source_after) else MISSING
            n += 1
            j -= 1
        if n == 1 and stated != MISSING:
            return max(np.int64(0), stated + net), True
        net += moved
    if MISSING < balance_at < moment:
        return max(np.int64(0), balance + net), True
    return net + _opening(a, known_until, ledger), False


@numba.njit(cache=True, nogil=True)
def _opening(a, known_until, ledger):  # type: ignore[no-untyped-def]
    """Return the smallest opening balance that keeps an account at or above 0; credits of a tick come first."""
    time, amount, source, target = ledger.time, ledger.amount, ledger.source, ledger.target
    in_stop, in_transfer = ledger.incoming.stop[a], ledger.incoming.transfer
    out_stop, out_transfer = ledger.outgoing.stop[a], ledger.outgoing.transfer
    i, j = ledger.incoming.start[a], ledger.outgoing.start[a]
    running, lowest = np.int64(0), np.int64(0)
    while j < out_stop and time[out_transfer[j]] < known_until:
        tick = time[out_transfer[j]]
        while i < in_stop and time[in_transfer[i]] <= tick:
            if source[in_transfer[i]] != target[in_transfer[i]]:
                running += amount[in_transfer[i]]
            i += 1
        while j < out_stop and time[out_transfer[j]] == tick:
            if source[out_transfer[j]] != target[out_transfer[j]]:
                running -= amount[out_transfer[j]]
            j += 1
        lowest = min(lowest, running)
    return -lowest


@numba.njit(cache=True, nogil=True)
def balances_before(accounts, moments, ledger) -> tuple[Int64Array, BoolArray]:  # type: ignore[no-untyped-def]
    """Return `balance_before` of each account at its own moment: int64[n] and bool[n]."""
    found = np.empty(len(accounts), np.int64)
    stated = np.empty(len(accounts), np.bool_)
    for k in range(len(accounts)):
        found[k], stated[k] = balance_before(accounts[k], moments[k], moments[k], ledger)
    return found, stated
