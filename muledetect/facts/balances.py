"""What was in an account just before a moment: stated where the records say so, else rebuilt from its transfers."""

from __future__ import annotations

from typing import NamedTuple

import numba
import numpy as np
import pyarrow as pa

from muledetect.arrays import MISSING, BoolArray, Int64Array, first_transfer_at
from muledetect.facts.columns import numbers


class Balances(NamedTuple):
    """Balances that transfers state, int64[n_transfers], MISSING where they state none; length 0 without the column."""

    of_source: Int64Array
    of_target: Int64Array


def read_balances(transfers: pa.Table, n_transfers: int) -> Balances:
    """Return the balances that transfers state just after them."""
    table = transfers.slice(0, n_transfers)
    names = ("source_balance_after", "target_balance_after")
    return Balances(*(numbers(table, name) if name in table.column_names else np.zeros(0, np.int64) for name in names))


@numba.njit(cache=True, nogil=True)
def balance_before(  # type: ignore[no-untyped-def]
    a, moment, known_until, time, amount, source, target, source_after, target_after, balance, balance_at,
    in_start, in_stop, in_transfer, out_start, out_stop, out_transfer,
):  # fmt: skip
    """Return the balance of account `a` just before a moment (minor units, >= 0), and whether it was stated.

    The latest statement before the moment counts, moved by the transfers since: `source_balance_after` or
    `target_balance_after` of a tick in which the account had one transfer only (of several simultaneous ones nobody
    knows which was last), or `balance` at `balance_at`. Without any, the opening balance is the smallest that keeps
    the account from ever falling below 0 before `known_until`, which may be later than the moment: what it paid later
    shows what it had. A lower bound. O(transfers of the account since the statement, or before `known_until`).
    """
    i = first_transfer_at(in_transfer, in_start[a], in_stop[a], time, moment) - 1
    j = first_transfer_at(out_transfer, out_start[a], out_stop[a], time, moment) - 1
    net = np.int64(0)
    while i >= in_start[a] or j >= out_start[a]:
        tick = MISSING
        if i >= in_start[a]:
            tick = time[in_transfer[i]]
        if j >= out_start[a]:
            tick = max(tick, time[out_transfer[j]])
        if balance_at[a] >= tick and balance_at[a] < moment:
            return max(np.int64(0), balance[a] + net), True
        n, stated, moved = 0, MISSING, np.int64(0)
        while i >= in_start[a] and time[in_transfer[i]] == tick:
            k = in_transfer[i]
            if source[k] != target[k]:
                moved += amount[k]
                stated = target_after[k] if len(target_after) else MISSING
            n += 1
            i -= 1
        while j >= out_start[a] and time[out_transfer[j]] == tick:
            k = out_transfer[j]
            if source[k] != target[k]:
                moved -= amount[k]
                stated = source_after[k] if len(source_after) else MISSING
            n += 1
            j -= 1
        if n == 1 and stated != MISSING:
            return max(np.int64(0), stated + net), True
        net += moved
    if balance_at[a] != MISSING and balance_at[a] < moment:
        return max(np.int64(0), balance[a] + net), True
    return net + _opening(a, known_until, time, amount, source, target, in_start, in_stop, in_transfer,
                          out_start, out_stop, out_transfer), False  # fmt: skip


@numba.njit(cache=True, nogil=True)
def _opening(  # type: ignore[no-untyped-def]
    a, known_until, time, amount, source, target, in_start, in_stop, in_transfer, out_start, out_stop, out_transfer
):
    """Return the smallest opening balance that keeps an account at or above 0; credits of a tick come first."""
    i, j = in_start[a], out_start[a]
    running, lowest = np.int64(0), np.int64(0)
    while j < out_stop[a] and time[out_transfer[j]] < known_until:
        tick = time[out_transfer[j]]
        while i < in_stop[a] and time[in_transfer[i]] <= tick:
            if source[in_transfer[i]] != target[in_transfer[i]]:
                running += amount[in_transfer[i]]
            i += 1
        while j < out_stop[a] and time[out_transfer[j]] == tick:
            if source[out_transfer[j]] != target[out_transfer[j]]:
                running -= amount[out_transfer[j]]
            j += 1
        lowest = min(lowest, running)
    return -lowest


@numba.njit(cache=True, nogil=True)
def balances_before(  # type: ignore[no-untyped-def]
    accounts, moments, time, amount, source, target, source_after, target_after, balance, balance_at,
    in_start, in_stop, in_transfer, out_start, out_stop, out_transfer,
) -> tuple[Int64Array, BoolArray]:  # fmt: skip
    """Return `balance_before` of each account at its own moment: int64[n] and bool[n]."""
    found = np.empty(len(accounts), np.int64)
    stated = np.empty(len(accounts), np.bool_)
    for k in range(len(accounts)):
        found[k], stated[k] = balance_before(
            accounts[k], moments[k], moments[k], time, amount, source, target, source_after, target_after, balance,
            balance_at, in_start, in_stop, in_transfer, out_start, out_stop, out_transfer,
        )  # fmt: skip
    return found, stated
