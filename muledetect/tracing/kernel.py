"""Follow one disputed transfer through the accounts, exactly and in order of time.

Only accounts that hold its money are visited. Per account there is a balance, and how much of it is traced money; a
method says how much of the traced money a debit takes along. All transfers of one tick of the clock are simultaneous:
credits come before debits, several debits of an account share what leaves in proportion to their amounts, and money
goes on in waves, so that no result depends on an order within the tick. An account passes on once a tick; what reaches
it later in the same tick stays until the next.
"""

from __future__ import annotations

from heapq import heappop, heappush
from typing import Final, NamedTuple

import numba
import numpy as np

from muledetect.arrays import NEVER, Int8Array, Int64Array, first_transfer_at
from muledetect.facts.accounts import PLACES
from muledetect.facts.balances import balance_before

#: Ways to say which money left first; holds are the smaller of pro rata and LIBR.
METHODS: Final = ("fifo", "lifo", "pro_rata", "libr")
FIFO, LIFO, PRO_RATA, LIBR = range(4)

BEYOND_HOPS, DUST, UNDIVIDED = (PLACES.index(name) for name in ("beyond_hops", "dust", "undivided"))

_MOST: Final = np.int64(2**63 - 1)

#: A part smaller than this share of the loss is not followed any more.
DUST_SHARE: Final = 10_000


class _Case(NamedTuple):
    """One disputed transfer and how it is followed: no further than where channels and accounts say, see `PLACES`."""

    number: int
    first: int
    loss: int
    method: int
    max_hops: int
    exit_place: Int8Array  # [n_transfers] code of `PLACES` that a transfer's channel leads to; 0 = follow
    stop_place: Int8Array  # [n_accounts] code of `PLACES` at which money is not followed; 0 = follow


# The state is a list of tables of int64 that grow, and the number of rows of each. Those of one case: accounts that
# held its money, their money by the tick of its arrival (oldest first), the accounts that the tick has reached, and
# money on its way to an account. Those of all cases: the two results.
# Numbers of numpy: numba compiles a function anew for each plain number that it is called with.
_HELD, _LOTS, _WAVE, _ARRIVALS, _ROWS, _STEPS = np.arange(6)
# columns of held accounts
_BALANCE, _TRACED, _HOP, _IN, _OUT, _DUE, _TICK, _PASSED, _ARRIVED, _HEAD, _TAIL, _ACCOUNT = range(12)
# columns of lots
_LEFT, _DIRTY, _NEXT, _BEFORE = range(4)

# Steps that every event takes are inlined: a call would copy the ledger's description, 16 arrays, each time.


@numba.njit(cache=True, nogil=True)
def trace_transfers(  # type: ignore[no-untyped-def]
    disputed, method, max_hops, ledger, exit_place, stop_place
) -> tuple[Int64Array, Int64Array]:
    """Trace each disputed transfer (position) by one method.

    Returns where the money is, a row each: which disputed transfer, account, hop (1 = paid by the victim), place (code
    of `PLACES`), amount > 0; the amounts of a disputed transfer sum to its own. And the way there: which disputed
    transfer, transfer that carried its money (itself first), how much of it > 0. For each account, what steps bring =
    what steps take away + what the rows say is there.
    """
    slot_of = np.full(len(stop_place), -1, np.int64)
    tables = [np.empty((64, width), np.int64) for width in (12, 4, 1, 4, 5, 3)]
    n = np.zeros(len(tables), np.int64)
    heap = [(np.int64(NEVER), np.int64(0)) for _ in range(0)]  # when which held account is due, the earliest first
    for number in range(len(disputed)):
        first = disputed[number]
        case = _Case(number, first, ledger.amount[first], method, max_hops, exit_place, stop_place)
        n[:_ROWS] = 0
        heap.clear()
        moment = ledger.time[first]
        _send(tables, n, ledger, case, first, case.loss, 1)
        while moment != NEVER:
            # invariant: all money of the case is in held accounts, in arrivals or in rows
            if n[_ARRIVALS]:
                _take_in(tables, n, ledger, case, slot_of, moment)
            if n[_WAVE] == 0:
                moment = _next_tick(tables, n, heap)
            _credit(tables, n, ledger, case, moment)
            _pay_on(tables, n, heap, ledger, case, moment)
        held = tables[_HELD]
        for slot in range(n[_HELD]):
            slot_of[held[slot, _ACCOUNT]] = -1
            if held[slot, _TRACED] > 0:
                at = _append(tables, n, _ROWS)
                row = tables[_ROWS][at]
                row[0], row[1], row[2] = number, held[slot, _ACCOUNT], held[slot, _HOP]
                row[3], row[4] = 0, held[slot, _TRACED]
    return tables[_ROWS][: n[_ROWS]].copy(), tables[_STEPS][: n[_STEPS]].copy()


@numba.njit(cache=True, nogil=True)
def _append(tables, n, which):  # type: ignore[no-untyped-def]
    """Add a row to a table of the state, which grows as needed; return its place, to be filled."""
    place = n[which]
    if place == tables[which].shape[0]:
        wider = np.empty((2 * place, tables[which].shape[1]), np.int64)
        wider[:place] = tables[which]
        tables[which] = wider
    n[which] += 1
    return place


@numba.njit(cache=True, nogil=True)
def _send(tables, n, ledger, case, transfer, part, hop):  # type: ignore[no-untyped-def]
    """Put money of the case on its way along a transfer."""
    target = ledger.target[transfer]
    place = case.exit_place[transfer] if case.exit_place[transfer] else case.stop_place[target]
    at, nth = _append(tables, n, _ARRIVALS), _append(tables, n, _STEPS)
    arrival, step = tables[_ARRIVALS][at], tables[_STEPS][nth]
    arrival[0], arrival[1], arrival[2], arrival[3] = target, part, hop, place
    step[0], step[1], step[2] = case.number, transfer, part


@numba.njit(cache=True, nogil=True)
def _take_in(tables, n, ledger, case, slot_of, moment):  # type: ignore[no-untyped-def]
    """Bring what is on its way to its account, which joins the wave, or to the place where it is no longer followed."""
    arrivals = tables[_ARRIVALS]
    for k in range(n[_ARRIVALS]):
        a, part, hop, place = arrivals[k, 0], arrivals[k, 1], arrivals[k, 2], arrivals[k, 3]
        slot = slot_of[a]
        if slot >= 0:
            hop = min(hop, tables[_HELD][slot, _HOP])
        if place == 0 and hop > case.max_hops:
            place = BEYOND_HOPS
        if place == 0 and part < case.loss // DUST_SHARE:
            place = DUST
        if place:
            at = _append(tables, n, _ROWS)
            row = tables[_ROWS][at]
            row[0], row[1], row[2], row[3], row[4] = case.number, a, hop, place, part
            continue
        if slot < 0:
            slot = _append(tables, n, _HELD)
            slot_of[a] = slot
            account = tables[_HELD][slot]
            account[:] = 0
            account[_DUE], account[_TICK], account[_PASSED] = NEVER, NEVER, NEVER
            account[_HEAD], account[_TAIL], account[_ACCOUNT] = -1, -1, a
        held = tables[_HELD]
        if held[slot, _TRACED] == 0 and held[slot, _ARRIVED] == 0 and held[slot, _TICK] != moment:
            # it holds nothing of the case since long or never did: what it did meanwhile was not followed
            _open(tables, n, ledger, case, slot, moment)
        held[slot, _HOP] = hop
        if held[slot, _ARRIVED] == 0:
            at = _append(tables, n, _WAVE)
            tables[_WAVE][at, 0] = slot
        held[slot, _ARRIVED] += part
    n[_ARRIVALS] = 0


@numba.njit(cache=True, nogil=True)
def _open(tables, n, ledger, case, slot, moment):  # type: ignore[no-untyped-def]
    """Begin to follow an account at a moment, with the money that it had just before."""
    held = tables[_HELD]
    a = held[slot, _ACCOUNT]
    opening, _ = balance_before(a, moment, NEVER, ledger)
    if moment == ledger.time[case.first] and a == ledger.source[case.first]:
        # the victim got money back within the tick: the disputed payment itself is over
        opening = max(np.int64(0), opening - case.loss)
    held[slot, _BALANCE] = opening
    for column, index in ((_IN, ledger.incoming), (_OUT, ledger.outgoing)):
        held[slot, column] = first_transfer_at(index.transfer, index.start[a], index.stop[a], ledger.time, moment)
    held[slot, _HEAD], held[slot, _TAIL] = -1, -1
    if opening > 0:
        _add_lot(tables, n, case, slot, opening)


@numba.njit(cache=True, nogil=True, inline="always")
def _next_tick(tables, n, heap):  # type: ignore[no-untyped-def]
    """Fill the wave with the accounts that hold money and pay or are paid next; return when, NEVER = none does."""
    held = tables[_HELD]
    moment = NEVER
    while n[_WAVE] == 0:
        while len(heap) and held[heap[0][1], _TRACED] == 0:
            heappop(heap)
        if len(heap) == 0:
            return NEVER
        moment = heap[0][0]
        while len(heap) and heap[0][0] == moment:
            slot = heappop(heap)[1]
            if held[slot, _TRACED] > 0 and held[slot, _DUE] == moment and held[slot, _TICK] != moment:
                held[slot, _TICK] = moment  # it may be in the heap twice
                at = _append(tables, n, _WAVE)
                tables[_WAVE][at, 0] = slot
    wave = tables[_WAVE]
    for k in range(n[_WAVE]):
        held[wave[k, 0], _TICK] = NEVER
    return moment


@numba.njit(cache=True, nogil=True, inline="always")
def _credit(tables, n, ledger, case, moment):  # type: ignore[no-untyped-def]
    """Add to the accounts of the wave all credits of the tick, then the money of the case that arrived."""
    held, wave = tables[_HELD], tables[_WAVE]
    time, in_stop, in_transfer = ledger.time, ledger.incoming.stop, ledger.incoming.transfer
    for k in range(n[_WAVE]):
        slot = wave[k, 0]
        if held[slot, _TICK] != moment:
            held[slot, _TICK] = moment
            credit = np.int64(0)
            while held[slot, _IN] < in_stop[held[slot, _ACCOUNT]]:
                i = in_transfer[held[slot, _IN]]
                if time[i] != moment:
                    break
                if ledger.source[i] != ledger.target[i]:
                    credit += ledger.amount[i]
                held[slot, _IN] += 1
            held[slot, _BALANCE] += credit
            if credit > 0:
                _add_lot(tables, n, case, slot, credit)
        part = held[slot, _ARRIVED]
        held[slot, _ARRIVED] = 0
        held[slot, _TRACED] += part
        if part > 0 and case.method in (FIFO, LIFO):
            if held[slot, _TAIL] < 0:
                _add_lot(tables, n, case, slot, np.int64(0))
            lots, lot = tables[_LOTS], held[slot, _TAIL]
            lots[lot, _DIRTY] += part
            lots[lot, _LEFT] = max(lots[lot, _LEFT], lots[lot, _DIRTY])


@numba.njit(cache=True, nogil=True, inline="always")
def _pay_on(tables, n, heap, ledger, case, moment):  # type: ignore[no-untyped-def]
    """Let the accounts of the wave pay their debits of the tick, once; note when each is next due, and end the wave."""
    held, wave, time = tables[_HELD], tables[_WAVE], ledger.time
    in_stop, in_transfer = ledger.incoming.stop, ledger.incoming.transfer
    out_stop, out_transfer = ledger.outgoing.stop, ledger.outgoing.transfer
    for k in range(n[_WAVE]):
        slot = wave[k, 0]
        if held[slot, _PASSED] != moment:
            held[slot, _PASSED] = moment
            if held[slot, _OUT] < out_stop[held[slot, _ACCOUNT]] and time[out_transfer[held[slot, _OUT]]] == moment:
                _pay(tables, n, ledger, case, slot, moment)
    for k in range(n[_WAVE]):
        slot = wave[k, 0]
        a, due = held[slot, _ACCOUNT], NEVER
        if held[slot, _IN] < in_stop[a]:
            due = time[in_transfer[held[slot, _IN]]]
        if held[slot, _OUT] < out_stop[a]:
            due = min(due, time[out_transfer[held[slot, _OUT]]])
        held[slot, _DUE] = due
        if due != NEVER:
            heappush(heap, (due, slot))
    n[_WAVE] = 0


@numba.njit(cache=True, nogil=True)
def _pay(tables, n, ledger, case, slot, moment):  # type: ignore[no-untyped-def]
    """Share the traced money that leaves an account among its debits of the tick, rounded down."""
    held = tables[_HELD]
    a, begin = held[slot, _ACCOUNT], held[slot, _OUT]
    paid = np.int64(0)
    while held[slot, _OUT] < ledger.outgoing.stop[a]:
        i = ledger.outgoing.transfer[held[slot, _OUT]]
        if ledger.time[i] != moment:
            break
        if ledger.source[i] != ledger.target[i] and i != case.first:
            paid += ledger.amount[i]
        held[slot, _OUT] += 1
    if paid == 0:
        return
    moved = _leaving(tables, case, slot, paid)
    held[slot, _BALANCE] = max(np.int64(0), held[slot, _BALANCE] - paid)
    held[slot, _TRACED] -= moved
    rest = moved
    for j in range(begin, held[slot, _OUT]):
        i = ledger.outgoing.transfer[j]
        if ledger.source[i] == ledger.target[i] or i == case.first:
            continue
        part = share_of(moved, ledger.amount[i], paid)
        if part > 0:
            rest -= part
            _send(tables, n, ledger, case, i, part, held[slot, _HOP] + 1)
    if rest > 0:
        at = _append(tables, n, _ROWS)
        row = tables[_ROWS][at]
        row[0], row[1], row[2], row[3], row[4] = case.number, a, held[slot, _HOP], UNDIVIDED, rest


@numba.njit(cache=True, nogil=True)
def _leaving(tables, case, slot, paid):  # type: ignore[no-untyped-def]
    """Return how much traced money leaves with debits of `paid` in all."""
    balance, traced = tables[_HELD][slot, _BALANCE], tables[_HELD][slot, _TRACED]
    if case.method == PRO_RATA:
        return traced if paid >= balance else share_of(traced, paid, balance)
    if case.method == LIBR:
        return max(np.int64(0), traced - max(balance - paid, np.int64(0)))
    return _take_lots(tables[_LOTS], tables[_HELD], slot, paid, case.method == LIFO)


@numba.njit(cache=True, nogil=True)
def _add_lot(tables, n, case, slot, amount):  # type: ignore[no-untyped-def]
    """Put money behind the other lots of an account; only two methods need to know the lots."""
    if case.method not in (FIFO, LIFO):
        return
    held = tables[_HELD]
    lot = _append(tables, n, _LOTS)
    row = tables[_LOTS][lot]
    row[_LEFT], row[_DIRTY], row[_NEXT], row[_BEFORE] = amount, 0, -1, held[slot, _TAIL]
    if held[slot, _TAIL] >= 0:
        tables[_LOTS][held[slot, _TAIL], _NEXT] = lot
    else:
        held[slot, _HEAD] = lot
    held[slot, _TAIL] = lot


@numba.njit(cache=True, nogil=True)
def _take_lots(lots, held, slot, amount, newest_first):  # type: ignore[no-untyped-def]
    """Spend `amount` of an account's lots from one end; return the traced money among it."""
    near, far, onward, back = (_TAIL, _HEAD, _BEFORE, _NEXT) if newest_first else (_HEAD, _TAIL, _NEXT, _BEFORE)
    moved = np.int64(0)
    while amount > 0:
        lot = held[slot, near]
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
        following = lots[lot, onward]
        held[slot, near] = following
        if following >= 0:
            lots[following, back] = -1
        else:
            held[slot, far] = -1
    return moved


@numba.njit(cache=True, nogil=True)
def share_of(whole, part, total):  # type: ignore[no-untyped-def]
    """Return `whole * part // total` without overflow, int64, for 0 <= part <= total, 0 < total and 0 <= whole.

    Where the product does not fit, `whole` is taken bit by bit: 63 steps, each keeping quotient and remainder exact.
    """
    if whole == 0 or part == 0:
        return np.int64(0)
    if part == total:
        return whole
    if part <= _MOST // whole:
        return whole * part // total
    quotient, remainder = np.int64(0), np.int64(0)
    for bit in range(62, -1, -1):
        # (quotient, remainder) of part * (the bits of whole so far) by total; remainder < total, so 2 r may pass 2^63
        quotient = quotient * 2
        if remainder >= total - remainder:
            quotient += 1
            remainder = remainder - (total - remainder)
        else:
            remainder = remainder + remainder
        if whole >> np.int64(bit) & 1:
            if remainder >= total - part:
                quotient += 1
                remainder = remainder - (total - part)
            else:
                remainder = remainder + part
    return quotient
