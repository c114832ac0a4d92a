"""Graphs to measure signals on, and the vertex statistics that the peer computes and the library has no need of."""

from __future__ import annotations

from typing import Any

import numba
import numpy as np
import pyarrow as pa

from muledetect.features.signals import Past
from muledetect.graph import TransferGraph, graph_from_arrays

DAY = 86_400_000_000
_PER_DAY = 300_000
_HUB = 100_000


def arrays(shape: str, n: int, seed: int = 0) -> dict[str, Any]:
    """Return time (us), source, target, amount, sorted by these.

    `sparse`: 20 transfers an account within a year, both ends drawn with weights of a Pareto tail of exponent 1.5.
    `dense`: 300,000 transfers a day between 500,000 accounts, a tenth of them to or from hubs of 100,000 each.
    """
    random = np.random.default_rng(seed)
    if shape == "sparse":
        n_accounts, span = max(n // 20, 2), 365 * DAY
        weight = np.cumsum(random.pareto(1.5, n_accounts) + 0.1)
        ends = [np.searchsorted(weight, random.random(n) * weight[-1]).clip(0, n_accounts - 1) for _ in range(2)]
    else:
        n_accounts, span = 500_000, max(1, round(n / _PER_DAY)) * DAY
        ends = [random.integers(0, n_accounts, n) for _ in range(2)]
        at_hub = np.flatnonzero(random.random(n) < 0.1)
        n_hubs = max(1, len(at_hub) // _HUB)
        for side, rows in enumerate((at_hub[::2], at_hub[1::2])):
            ends[side][rows] = random.integers(0, n_hubs, len(rows))
    columns = {
        "time": random.integers(0, span // 1_000_000, n) * 1_000_000,
        "source": ends[0].astype(np.int32),
        "target": ends[1].astype(np.int32),
        "amount": np.maximum(1, random.lognormal(8, 1.5, n)).astype(np.int64),
    }
    order = np.lexsort([columns[name] for name in ("amount", "target", "source", "time")])
    return {name: column[order] for name, column in columns.items()} | {"n_accounts": n_accounts}


def graph_of(given: dict[str, Any]) -> TransferGraph:
    """Return the graph of such arrays; ids are numbers as text."""
    ids = pa.array(np.char.zfill(np.arange(given["n_accounts"]).astype("U8"), 8))
    columns = {name: given[name] for name in ("time", "source", "target", "amount")}
    return graph_from_arrays(**columns, account_ids=ids, tick=1_000_000)


def vertex_statistics(past: Past) -> np.ndarray:
    """Sum, mean, least and largest amount in the window of both sides of both ends, float32[n_transfers, 16]."""
    found = np.full((len(past), 16), np.nan, np.float32)
    for side, (own, facing) in enumerate(((past.paid, past.received), (past.received, past.paid))):
        past.by_account(_statistics, own, facing, past.lookback, 4 * side, 12 - 4 * side, found)
    return found


@numba.njit(cache=True, nogil=True)
def _statistics(low, high, own, facing, lookback, own_column, facing_column, found):  # type: ignore[no-untyped-def]
    """Slide over one side; two queues of positions keep the least and the largest amount at their heads."""
    for a in range(low, high):
        start, stop, f, f_stop = own.start[a], own.stop[a], facing.start[a], facing.stop[a]
        least, largest = np.empty(stop - start, np.int64), np.empty(stop - start, np.int64)
        l_head, l_tail, m_head, m_tail, total, first, e = 0, 0, 0, 0, 0, start, start
        while e < stop or f < f_stop:
            is_own = e < stop and (f >= f_stop or own.time[e] <= facing.time[f])
            now = own.time[e] if is_own else facing.time[f]
            if is_own:
                total += own.amount[e]
                while l_tail > l_head and own.amount[least[l_tail - 1]] >= own.amount[e]:
                    l_tail -= 1
                while m_tail > m_head and own.amount[largest[m_tail - 1]] <= own.amount[e]:
                    m_tail -= 1
                least[l_tail], largest[m_tail] = e, e
                l_tail += 1
                m_tail += 1
            stop_of_window = e + is_own
            while first < stop_of_window and own.time[first] < now - lookback:
                total -= own.amount[first]
                first += 1
            while l_head < l_tail and least[l_head] < first:
                l_head += 1
            while m_head < m_tail and largest[m_head] < first:
                m_head += 1
            i = own.transfer[e] if is_own else facing.transfer[f]
            column = own_column if is_own else facing_column
            if first < stop_of_window:
                found[i, column], found[i, column + 1] = total, total / (stop_of_window - first)
                found[i, column + 2] = own.amount[least[l_head]]
                found[i, column + 3] = own.amount[largest[m_head]]
            if is_own:
                e += 1
            else:
                f += 1
