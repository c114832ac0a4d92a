"""Scatter-gather: the money of one account comes together again, over how many ways."""

from __future__ import annotations

import numba
import numpy as np
import numpy.typing as npt

from muledetect.arrays import Float32Array, first_at_least
from muledetect.features._columns import Column
from muledetect.features.signals._opening import is_over
from muledetect.features.signals._past import Past, has_unknown
from muledetect.features.signals._spec import signal
from muledetect.letting_go import give_way


@signal(
    reads_known=True,
    family="shapes",
    reach=2,
    columns={
        "scatter_gather": Column("count", "middles, the payer included, between one account and the payee"),
        "scatter_origins": Column(
            "count", "accounts whose money reached the payee over the payer and over another middle"
        ),
        "scatter_left_out": Column("count", "transfers to the payee whose payer was too busy to look through"),
    },
)
def scatter_gather(past: Past) -> Float32Array:
    """Scatter-gather shapes a -> m -> t that each transfer s -> t completes, with s as one of the middles m.

    A middle counts for an origin a other than t if a paid it before it paid t, both within the look-back of the
    transfer. `scatter_gather` is the largest number of different middles of one origin: 0 if nobody but t paid s, 1 if
    s is the only middle; `scatter_origins` the number of origins with two middles or more.

    A transfer m -> t is not looked through if m got more than `max_degree` transfers in the look-back before it:
    `scatter_left_out` counts such transfers within the look-back, this one included; if it is this one, the other two
    columns are NaN. They are also NaN if t got more than 4,096 earlier transfers within the look-back, and
    `scatter_left_out` then tells of this transfer alone, 0 or 1; unless `max_degree` is None. O(credits of the payer
    since it last paid t) a transfer, amortised.
    """
    found = past.unknown(3)
    known = past.known.get("scatter_gather", found[:0])
    found[: len(known)] = known
    before, after = (
        past.room.full(len(past.received.time), -1, np.int32),
        past.room.full(len(past.received.time), 2**31 - 1, np.int32),
    )
    past.by_account(_link, past.received, past.graph.n_accounts, before, after, every=True)
    is_busy = past.room.full(len(past.received.time), False, np.bool_)
    past.by_account(
        _gather, past.received, past.before.credits, before, after, past.lookback, past.is_simultaneous,
        past.max_degree, past.most, past.graph.n_accounts, len(known), past.opening.is_received_over, is_busy, found,
    )  # fmt: skip
    if "target_middles" in past.at_hand:
        counted = past.at_hand["target_middles"]
        rows = np.flatnonzero(~np.isnan(counted[:, 2]))
        found[len(known) + rows] = counted[rows]
    return found


def count_scatter_gather(past: Past) -> npt.NDArray[np.float32]:
    """Return float32[n_transfers], the column `scatter_gather` of the signal of that name."""
    return scatter_gather.compute(past)[:, 0]


@numba.njit(cache=True, nogil=True)
def _link(low, high, received, n_accounts, before, after) -> None:  # type: ignore[no-untyped-def]
    """Link each credit to the one before and the one after from the same payer to the same account.

    Invariant: `last[a]` is a's last credit to this account if it lies in the account's book.
    """
    last = np.full(n_accounts, -1, np.int32)
    for a in range(low, high):
        give_way(received.pages)
        for r in range(received.start[a], received.stop[a]):
            payer = received.other[r]
            if last[payer] >= received.start[a]:
                before[r], after[last[payer]] = last[payer], r
            last[payer] = r


@numba.njit(cache=True, nogil=True)
def _gather(  # type: ignore[no-untyped-def]
    low,
    high,
    received,
    credits_before,
    before,
    after,
    lookback,
    is_simultaneous,
    max_degree,
    most_credits,
    n_accounts,
    n_known,
    is_received_over,
    is_busy,
    found,
) -> None:
    """Walk each payee's credits in time, tick by tick.

    Each payer m of the payee holds a slot: its own credits `begin[slot]:end[slot]`, which lie within the look-back and
    came before m's last transfer to the payee. Invariant: `n_middles[a]` is the number of slots that hold a credit from
    a. The heap holds every slot that is not empty, by the time of its first credit, which is the next to leave the
    look-back.
    """
    n_middles, slot_of = np.zeros(n_accounts, np.int32), np.zeros(n_accounts, np.int32)
    size = 1
    for t in range(low, high):
        size = max(size, received.stop[t] - received.start[t])
    owner, begin, end = np.empty(size, np.int32), np.empty(size, np.int64), np.empty(size, np.int64)
    heap = np.empty(size, np.int32)
    for t in range(low, high):
        give_way(received.pages)
        if not has_unknown(received, t, n_known):
            continue
        n_slots, n_heap, n_busy = 0, 0, 0
        oldest, g, stop = received.start[t], received.start[t], received.stop[t]
        while g < stop:
            now, g_stop = received.time[g], g + 1
            while g_stop < stop and received.time[g_stop] == now:
                g_stop += 1
            while oldest < g and received.time[oldest] < now - lookback:
                n_busy -= is_busy[oldest]
                oldest += 1
            while n_heap > 0 and received.time[begin[heap[0]]] < now - lookback:
                slot = heap[0]
                while begin[slot] < end[slot] and received.time[begin[slot]] < now - lookback:
                    n_middles[received.other[begin[slot]]] -= after[begin[slot]] >= end[slot]
                    begin[slot] += 1
                if begin[slot] == end[slot]:
                    n_heap -= 1
                    heap[0] = heap[n_heap]
                _sink(heap, n_heap, begin, received.time)
            is_seen = g_stop < stop and received.time[g_stop] - lookback <= now  # by a later transfer
            is_alone = g_stop == g + 1
            is_first = is_simultaneous and not is_alone  # the transfers of the tick see each other
            n_credits = (g_stop if is_simultaneous else g) - oldest
            is_unknown = n_credits > most_credits or is_over(is_received_over, t)
            for turn in range(1 if is_alone else 2):
                is_asked = (turn == 0) != is_first
                is_added = (is_seen or is_first) and (is_alone or not is_asked)
                if not (is_asked or is_added):
                    continue
                for r in range(g, g_stop):
                    s, i = received.other[r], received.transfer[r]
                    is_known = i < n_known  # what it says stands in `found`; it only counts for others
                    if is_known and not is_added:
                        continue
                    slot = slot_of[s]
                    if slot >= n_slots or owner[slot] != s:
                        slot = -1
                    last = credits_before[i]
                    is_held = slot >= 0 and begin[slot] < end[slot]
                    if is_held:
                        first, held = begin[slot], end[slot]
                    else:
                        first = first_at_least(received.time, received.start[s], last, now - lookback)
                        held = first
                    if is_known:
                        is_left_out = np.isnan(found[i, 0]) and found[i, 2] > 0
                    else:
                        is_left_out = max_degree > 0 and last - first > max_degree
                    is_written = is_asked and not is_known and not is_unknown
                    if is_written:
                        found[i, 2] = n_busy + (is_left_out and not is_first)
                    elif is_asked and not is_known:
                        found[i, 2] = is_left_out
                    if is_added and is_left_out:
                        is_busy[r] = True
                        n_busy += 1
                    if is_left_out:
                        continue
                    most, n_origins = 0, 0
                    if n_heap == is_held and not is_added:  # no other middle: any origin will do
                        p = first
                        while p < last and received.other[p] == t:
                            p += 1
                        if is_written:
                            found[i, 0], found[i, 1] = p < last, 0
                        continue
                    if is_written:
                        for p in range(first, held):
                            origin = received.other[p]
                            if origin != t:
                                most = max(most, n_middles[origin])
                                n_origins += n_middles[origin] > 1 and before[p] < first
                    for p in range(held, last):
                        origin = received.other[p]
                        if before[p] < first:
                            n = n_middles[origin] + 1
                            if is_added:
                                n_middles[origin] = n
                            if origin != t:
                                most = max(most, n)
                                n_origins += n > 1
                    if is_written:
                        found[i, 0], found[i, 1] = most, n_origins
                    if not is_added or first == last:
                        continue
                    if slot < 0:
                        slot, n_slots = n_slots, n_slots + 1
                        slot_of[s], owner[slot] = slot, s
                    begin[slot], end[slot] = first, last
                    if not is_held:
                        _rise(heap, n_heap, slot, begin, received.time)
                        n_heap += 1
            g = g_stop
        for slot in range(n_slots):
            for p in range(begin[slot], end[slot]):
                n_middles[received.other[p]] = 0


@numba.njit(cache=True, nogil=True)
def _rise(heap, n, slot, begin, time) -> None:  # type: ignore[no-untyped-def]
    """Add a slot to a heap of n."""
    while n > 0 and time[begin[heap[(n - 1) // 2]]] > time[begin[slot]]:
        heap[n] = heap[(n - 1) // 2]
        n = (n - 1) // 2
    heap[n] = slot


@numba.njit(cache=True, nogil=True)
def _sink(heap, n, begin, time) -> None:  # type: ignore[no-untyped-def]
    """Let the top of a heap of n find its place."""
    at = 0
    while 2 * at + 1 < n:
        child = 2 * at + 1
        if child + 1 < n and time[begin[heap[child + 1]]] < time[begin[heap[child]]]:
            child += 1
        if time[begin[heap[at]]] <= time[begin[heap[child]]]:
            break
        heap[at], heap[child] = heap[child], heap[at]
        at = child
