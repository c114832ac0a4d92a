"""Signals by slices of time: the same kernels over a part of the transfers, equal to one pass over all of them.

A signal whose values rest on so many look-backs before a transfer is exact in a slice that begins so much earlier: what
the slice computes for the transfers before its own is thrown away. Slices end between two ticks, never inside one. A
signal that remembers more, such as who paid whom at any time or money that waits, has no such bound: it walks the whole
books, account by account, in one slice.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from dataclasses import replace
from typing import Final

import numpy as np
import pyarrow as pa

from muledetect.arrays import Float32Array, Int64Array
from muledetect.features.signals._past import LOOKBACK, Past, build_past
from muledetect.features.signals._spec import Signal
from muledetect.graph import TransferGraph, part_of
from muledetect.memory import HEAP, Room
from muledetect.progress import Progress, silent

#: What a transfer of a slice takes while a signal is computed: its books, its index, and values of eight columns.
BYTES: Final = 120

# Slices take at most so much of the limit; and a slice is at least so many times as long as what it repeats.
_SHARE: Final = 2
_LONGER: Final = 2


def compute_signal(
    signal: Signal, past: Past, *, most: int | None = None, progress: Progress | None = None
) -> Float32Array:
    """Return the columns of a signal, float32[n_transfers, n_columns].

    Parameters
    ----------
    signal : Signal
    past : Past
    most : int, optional
        Transfers of a slice. Default: as many as the past's room has memory for, all of them where it has no limit.
    progress : callable, optional
        Called with "signals", the name of the signal in it, and the fraction of its slices that are done.
    """
    told = progress or silent
    told(f"signals: {signal.name}", 0.0)
    if past.room.limit is None and most is None:
        return np.ascontiguousarray(signal.compute(past).T).T  # a column lies in one piece: each is read by itself
    values: Float32Array = past.room.empty((len(signal.columns), len(past)), np.float32)
    for low, high in _slices(past, signal.reach, most):
        first, part = _slice_of(past, low, high, signal.reach)
        values[:, low:high] = signal.compute(part)[low - first :].T
        told(f"signals: {signal.name}", high / len(past) if len(past) else 1.0)
    return values.T


def slices_of(signal: Signal, graph: TransferGraph, fit: int) -> list[tuple[int, int]]:
    """Return ranges of transfers that `compute_slice` can compute apart from each other, all of them in order.

    Parameters
    ----------
    signal : Signal
        One without a bound has one range.
    graph : TransferGraph
    fit : int
        Transfers of a range, with those that it rests on; a range is longer where these are many.
    """
    return _ranges(graph.time, signal.reach, max(LOOKBACK, graph.tick), None, fit)


def compute_slice(
    signal: Signal,
    low: int,
    high: int,
    *,
    graph: TransferGraph,
    tables: Mapping[str, pa.Table],
    threads: int = 1,
    room: Room = HEAP,
) -> Float32Array:
    """Return the columns of a signal for the transfers `low:high`, as `slices_of` gives them, float32[n, n_columns].

    What lies further back than the signal reaches is not read. The rules of time are the default ones.

    Parameters
    ----------
    signal : Signal
        One that has a bound.
    low, high : int
    graph : TransferGraph
    tables : mapping of str to pyarrow.Table
        The bank's tables, whole.
    threads : int
    room : Room
    """
    reach, lookback = signal.reach or 0, max(LOOKBACK, graph.tick)
    first = int(np.searchsorted(graph.time, graph.time[low] - reach * lookback))
    return signal.compute(_part(graph, first, high, LOOKBACK, tables, threads, room))[low - first :]


def _slices(past: Past, reach: int | None, most: int | None) -> list[tuple[int, int]]:
    """Return the ranges of transfers that are computed together."""
    fit = (past.room.limit or 0) // (_SHARE * BYTES)
    return _ranges(past.graph.time, reach, past.lookback, most, fit)


def _ranges(time: Int64Array, reach: int | None, lookback: int, most: int | None, fit: int) -> list[tuple[int, int]]:
    n = len(time)
    if reach is None or n <= (most or fit):
        return [(0, n)]
    bounds, low = [0], 0
    while low < n:
        n_again = low - int(np.searchsorted(time, time[low] - reach * lookback))
        # a slice shorter than what it computes again would do everything many times over
        high = min(n, low + (most or max(fit - n_again, _LONGER * n_again, 1)))
        low = int(np.searchsorted(time, time[high - 1], side="right"))  # the whole last tick
        bounds.append(low)
    return list(itertools.pairwise(bounds))


def _slice_of(past: Past, low: int, high: int, reach: int | None) -> tuple[int, Past]:
    """Return the first transfer of what the transfers `low:high` rest on, and the past from there on to `high`."""
    graph = past.graph
    if reach is None or (low, high) == (0, len(past)):
        return 0, past
    first = int(np.searchsorted(graph.time, graph.time[low] - reach * past.lookback))
    made = _part(graph, first, high, past.lookback, past.tables, past.threads, past.room)
    return first, replace(made, is_simultaneous=past.is_simultaneous, max_degree=past.max_degree)


def _part(
    graph: TransferGraph,
    first: int,
    high: int,
    lookback: int,
    tables: Mapping[str, pa.Table],
    threads: int,
    room: Room,
) -> Past:
    """Return the past of the transfers `first:high` alone."""
    tables = dict(tables)
    if "transfers" in tables:
        tables["transfers"] = tables["transfers"].slice(first, high - first)
    part = part_of(graph, first, high, room)
    return build_past(part, lookback=lookback, tables=tables, threads=threads, room=room)
