"""Follow one disputed transfer through the accounts, exactly and in order of time.

Only accounts that hold its money are visited. Per account there is a balance, and how much of it is traced money; a
method says how much of the traced money a debit takes along. All transfers of one tick of the clock are simultaneous:
credits come before debits, several debits of an account share what leaves in proportion to their amounts, and money
goes on in waves, so that no result depends on an order within the tick. An account passes on once a tick; what reaches
it later in the same tick stays until the next.
"""

from __future__ import annotations

from typing import Final

import numba
import numpy as np

from muledetect.arrays import Int64Array, first_transfer_at
from muledetect.facts.balances import balance_before
from muledetect.tracing.exact import share_of

#: Ways to say which money left first; holds are the smaller of pro rata and LIBR.
METHODS: Final = ("fifo", "lifo", "pro_rata", "libr")
FIFO, LIFO, PRO_RATA, LIBR = range(4)

#: Codes of where money went that is no longer followed; 0 = it is still in the account.
PLACES: Final = (
    "account", "merchant", "biller", "government", "vasp", "wallet", "internal", "payroll", "cash", "card", "xborder",
    "fee", "other_bank", "hub", "beyond_hops", "dust", "undivided",
)  # fmt: skip
BEYOND_HOPS, DUST, UNDIVIDED = (PLACES.index(name) for name in ("beyond_hops", "dust", "undivided"))

#: A part smaller than this share of the loss is not followed any more.
DUST_SHARE: Final = 10_000

# columns of the state of a visited account
_BALANCE, _TRACED, _HOP, _IN, _OUT, _TICK, _PASSED, _ARRIVED, _HEAD, _TAIL, _ACCOUNT = range(11)
_N_COLUMNS: Final = 11
# columns of a lot: money of one tick in an account, oldest first
_LEFT, _DIRTY, _NEXT, _BEFORE = range(4)
_NEVER: Final = np.iinfo(np.int64).max


@numba.njit(cache=True, nogil=True)
def _grow(rows):  # type: ignore[no-untyped-def]
    wider = np.empty((2 * rows.shape[0], rows.shape[1]), np.int64)
    wider[: rows.shape[0]] = rows
    return wider


@numba.njit(cache=True, nogil=True)
def _push(heap, n, moment, slot):  # type: ignore[no-untyped-def]
    """Add (moment, slot) to a binary heap with the earliest moment on top; return the heap and its size."""
    if n == heap.shape[0]:
        heap = _grow(heap)
    at = n
    while at > 0 and heap[(at - 1) // 2, 0] > moment:
        heap[at] = heap[(at - 1) // 2]
        at = (at - 1) // 2
    heap[at, 0], heap[at, 1] = moment, slot
    return heap, n + 1


@numba.njit(cache=True, nogil=True)
def _pop(heap, n):  # type: ignore[no-untyped-def]
    """Take the top off a heap of n; return its new size. The caller has read the top."""
    n -= 1
    moment, slot = heap[n, 0], heap[n, 1]
    at = 0
    while 2 * at + 1 < n:
        child = 2 * at + 1
        if child + 1 < n and heap[child + 1, 0] < heap[child, 0]:
            child += 1
        if heap[child, 0] >= moment:
            break
        heap[at] = heap[child]
        at = child
    heap[at, 0], heap[at, 1] = moment, slot
    return n


@numba.njit(cache=True, nogil=True)
def _add_lot(lots, n_lots, held, slot, amount):  # type: ignore[no-untyped-def]
    if n_lots == lots.shape[0]:
        lots = _grow(lots)
    lots[n_lots, _LEFT], lots[n_lots, _DIRTY] = amount, 0
    lots[n_lots, _NEXT], lots[n_lots, _BEFORE] = -1, held[slot, _TAIL]
    if held[slot, _TAIL] >= 0:
        lots[held[slot, _TAIL], _NEXT] = n_lots
    else:
        held[slot, _HEAD] = n_lots
    held[slot, _TAIL] = n_lots
    return lots, n_lots + 1


@numba.njit(cache=True, nogil=True)
def _take_lots(lots, held, slot, amount, newest_first):  # type: ignore[no-untyped-def]
    """Spend `amount` of an account's lots from one end; return the traced money among it."""
    moved = np.int64(0)
    while amount > 0:
        lot = held[slot, _TAIL] if newest_first else held[slot, _HEAD]
        if lot < 0:
            break
        take = min(amount, lots[lot, _LEFT])
        dirty = share_of(lots[lot, _DIRTY], take, lots[lot, _LEFT]) if lots[lot, _LEFT] > 0 else lots[lot, _DIRTY]
        moved += dirty
        lots[lot, _DIRTY] -= dirty
        lots[lot, _LEFT] -= take
        amount -= take
        if lots[lot, _LEFT] > 0:
            break
        if newest_first:
            held[slot, _TAIL] = lots[lot, _BEFORE]
            if lots[lot, _BEFORE] >= 0:
                lots[lots[lot, _BEFORE], _NEXT] = -1
            else:
                held[slot, _HEAD] = -1
        else:
            held[slot, _HEAD] = lots[lot, _NEXT]
            if lots[lot, _NEXT] >= 0:
                lots[lots[lot, _NEXT], _BEFORE] = -1
            else:
                held[slot, _TAIL] = -1
    return moved


@numba.njit(cache=True, nogil=True)
def _leaving(method, lots, held, slot, paid):  # type: ignore[no-untyped-def]
    """Return how much traced money leaves with debits of `paid` in all."""
    balance, traced = held[slot, _BALANCE], held[slot, _TRACED]
    if method == PRO_RATA:
        return traced if paid >= balance else share_of(traced, paid, balance)
    if method == LIBR:
        return max(np.int64(0), traced - max(balance - paid, np.int64(0)))
    return _take_lots(lots, held, slot, paid, method == LIFO)


@numba.njit(cache=True, nogil=True)
def _log_step(steps, n_steps, number, transfer, amount):  # type: ignore[no-untyped-def]
    if n_steps == steps.shape[0]:
        steps = _grow(steps)
    steps[n_steps, 0], steps[n_steps, 1], steps[n_steps, 2] = number, transfer, amount
    return steps, n_steps + 1


@numba.njit(cache=True, nogil=True)
def _next_event(held, slot, time, in_stop, in_transfer, out_stop, out_transfer):  # type: ignore[no-untyped-def]
    a = held[slot, _ACCOUNT]
    moment = _NEVER
    if held[slot, _IN] < in_stop[a]:
        moment = time[in_transfer[held[slot, _IN]]]
    if held[slot, _OUT] < out_stop[a]:
        moment = min(moment, time[out_transfer[held[slot, _OUT]]])
    return moment


@numba.njit(cache=True, nogil=True)
def trace_transfers(  # type: ignore[no-untyped-def]
    disputed, method, max_hops, time, amount, source, target, exit_code, stop_code, source_after, target_after,
    balance, balance_at, in_start, in_stop, in_transfer, out_start, out_stop, out_transfer,
) -> tuple[Int64Array, Int64Array]:  # fmt: skip
    """Trace each disputed transfer (position) by one method.

    Returns
    -------
    int64[n_rows, 5]
        Which disputed transfer, account, hop (1 = paid by the victim), place (code of `PLACES`), amount > 0. The
        amounts of a disputed transfer sum to its own.
    int64[n_steps, 3]
        The way there: which disputed transfer, transfer that carried its money (itself first), how much of it > 0.
        For each account, what steps bring = what steps take away + what the rows say is there.
    """
    slot_of = np.full(len(in_start), -1, np.int64)
    held = np.empty((64, _N_COLUMNS), np.int64)
    lots = np.empty((256, 4), np.int64)
    heap = np.empty((64, 2), np.int64)
    wave = np.empty((64, 1), np.int64)
    arrivals = np.empty((64, 4), np.int64)
    rows = np.empty((1024, 5), np.int64)
    n_rows = 0
    steps = np.empty((1024, 3), np.int64)
    n_steps = 0
    by_lots = method in (FIFO, LIFO)
    for number in range(len(disputed)):
        first = disputed[number]
        loss = amount[first]
        n_held, n_lots, n_heap = 0, 0, 0
        moment = time[first]
        # arrivals: account, amount, hop, place
        arrivals[0, 0], arrivals[0, 1], arrivals[0, 2] = target[first], loss, 1
        arrivals[0, 3] = exit_code[first] if exit_code[first] else stop_code[target[first]]
        n_arrivals = 1
        steps, n_steps = _log_step(steps, n_steps, number, first, loss)
        n_wave = 0
        while True:
            # invariant: all money of the case is in `held`, in `arrivals` or in `rows`
            for k in range(n_arrivals):
                a, part, hop, place = arrivals[k, 0], arrivals[k, 1], arrivals[k, 2], arrivals[k, 3]
                if slot_of[a] >= 0:
                    hop = min(hop, held[slot_of[a], _HOP])
                if place == 0 and hop > max_hops:
                    place = BEYOND_HOPS
                if place == 0 and part < loss // DUST_SHARE:
                    place = DUST
                if place:
                    if n_rows == rows.shape[0]:
                        rows = _grow(rows)
                    rows[n_rows, 0], rows[n_rows, 1], rows[n_rows, 2] = number, a, hop
                    rows[n_rows, 3], rows[n_rows, 4] = place, part
                    n_rows += 1
                    continue
                slot = slot_of[a]
                if slot < 0:
                    if n_held == held.shape[0]:
                        held = _grow(held)
                    slot = n_held
                    slot_of[a] = slot
                    n_held += 1
                    held[slot, :] = 0
                    held[slot, _HOP], held[slot, _ACCOUNT] = hop, a
                    held[slot, _TICK], held[slot, _PASSED] = _NEVER, _NEVER
                if held[slot, _TRACED] == 0 and held[slot, _ARRIVED] == 0 and held[slot, _TICK] != moment:
                    # it holds nothing of the case since long or never did: what it did meanwhile was not followed
                    opening, _ = balance_before(
                        a, moment, time, amount, source, target, source_after, target_after, balance, balance_at,
                        in_start, in_stop, in_transfer, out_start, out_stop, out_transfer,
                    )  # fmt: skip
                    if moment == time[first] and a == source[first]:
                        # the victim got money back within the tick: the disputed payment itself is over
                        opening = max(np.int64(0), opening - loss)
                    held[slot, _BALANCE] = opening
                    held[slot, _IN] = first_transfer_at(in_transfer, in_start[a], in_stop[a], time, moment)
                    held[slot, _OUT] = first_transfer_at(out_transfer, out_start[a], out_stop[a], time, moment)
                    held[slot, _HEAD], held[slot, _TAIL] = -1, -1
                    if by_lots and opening > 0:
                        lots, n_lots = _add_lot(lots, n_lots, held, slot, opening)
                held[slot, _HOP] = hop
                if held[slot, _ARRIVED] == 0:
                    if n_wave == wave.shape[0]:
                        wave = _grow(wave)
                    wave[n_wave, 0] = slot
                    n_wave += 1
                held[slot, _ARRIVED] += part
            n_arrivals = 0
            if n_wave == 0:
                # the tick is over: go on to the next one in which an account that holds money pays or is paid
                while n_heap and held[heap[0, 1], _TRACED] == 0:
                    n_heap = _pop(heap, n_heap)
                if n_heap == 0:
                    break
                moment = heap[0, 0]
                while n_heap and heap[0, 0] == moment:
                    slot = heap[0, 1]
                    n_heap = _pop(heap, n_heap)
                    due = _next_event(held, slot, time, in_stop, in_transfer, out_stop, out_transfer)
                    if held[slot, _TRACED] > 0 and due == moment and held[slot, _TICK] != moment:
                        held[slot, _TICK] = moment
                        if n_wave == wave.shape[0]:
                            wave = _grow(wave)
                        wave[n_wave, 0] = slot
                        n_wave += 1
                for k in range(n_wave):
                    held[wave[k, 0], _TICK] = _NEVER
                if n_wave == 0:
                    continue
            # first all credits of the tick, for every account of the wave, then what arrived, then the debits
            for k in range(n_wave):
                slot = wave[k, 0]
                a = held[slot, _ACCOUNT]
                if held[slot, _TICK] != moment:
                    held[slot, _TICK] = moment
                    credit = np.int64(0)
                    while held[slot, _IN] < in_stop[a] and time[in_transfer[held[slot, _IN]]] == moment:
                        i = in_transfer[held[slot, _IN]]
                        if source[i] != target[i]:
                            credit += amount[i]
                        held[slot, _IN] += 1
                    held[slot, _BALANCE] += credit
                    if by_lots and credit > 0:
                        lots, n_lots = _add_lot(lots, n_lots, held, slot, credit)
                part = held[slot, _ARRIVED]
                held[slot, _ARRIVED] = 0
                held[slot, _TRACED] += part
                if by_lots and part > 0:
                    if held[slot, _TAIL] < 0:
                        lots, n_lots = _add_lot(lots, n_lots, held, slot, np.int64(0))
                    lot = held[slot, _TAIL]
                    lots[lot, _DIRTY] += part
                    lots[lot, _LEFT] = max(lots[lot, _LEFT], lots[lot, _DIRTY])
            for k in range(n_wave):
                slot = wave[k, 0]
                if held[slot, _PASSED] == moment:
                    continue
                held[slot, _PASSED] = moment
                a = held[slot, _ACCOUNT]
                begin = held[slot, _OUT]
                paid = np.int64(0)
                while held[slot, _OUT] < out_stop[a] and time[out_transfer[held[slot, _OUT]]] == moment:
                    i = out_transfer[held[slot, _OUT]]
                    if source[i] != target[i] and i != first:
                        paid += amount[i]
                    held[slot, _OUT] += 1
                if paid > 0:
                    moved = _leaving(method, lots, held, slot, paid)
                    held[slot, _BALANCE] = max(np.int64(0), held[slot, _BALANCE] - paid)
                    held[slot, _TRACED] -= moved
                    rest = moved
                    for j in range(begin, held[slot, _OUT]):
                        i = out_transfer[j]
                        if source[i] == target[i] or i == first:
                            continue
                        part = share_of(moved, amount[i], paid)
                        if part == 0:
                            continue
                        rest -= part
                        if n_arrivals == arrivals.shape[0]:
                            arrivals = _grow(arrivals)
                        arrivals[n_arrivals, 0], arrivals[n_arrivals, 1] = target[i], part
                        arrivals[n_arrivals, 2] = held[slot, _HOP] + 1
                        arrivals[n_arrivals, 3] = exit_code[i] if exit_code[i] else stop_code[target[i]]
                        n_arrivals += 1
                        steps, n_steps = _log_step(steps, n_steps, number, i, part)
                    if rest > 0:
                        if n_rows == rows.shape[0]:
                            rows = _grow(rows)
                        rows[n_rows, 0], rows[n_rows, 1], rows[n_rows, 2] = number, a, held[slot, _HOP]
                        rows[n_rows, 3], rows[n_rows, 4] = UNDIVIDED, rest
                        n_rows += 1
            for k in range(n_wave):
                slot = wave[k, 0]
                due = _next_event(held, slot, time, in_stop, in_transfer, out_stop, out_transfer)
                if due != _NEVER:
                    heap, n_heap = _push(heap, n_heap, due, slot)
            n_wave = 0
        for slot in range(n_held):
            slot_of[held[slot, _ACCOUNT]] = -1
            if held[slot, _TRACED] > 0:
                if n_rows == rows.shape[0]:
                    rows = _grow(rows)
                rows[n_rows, 0], rows[n_rows, 1], rows[n_rows, 2] = number, held[slot, _ACCOUNT], held[slot, _HOP]
                rows[n_rows, 3], rows[n_rows, 4] = 0, held[slot, _TRACED]
                n_rows += 1
    return rows[:n_rows].copy(), steps[:n_steps].copy()
