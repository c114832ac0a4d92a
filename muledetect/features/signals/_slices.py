"""Signals by slices of time: the same kernels over a part of the transfers, equal to one pass over all of them.

A signal whose values rest on so many look-backs before a transfer is exact in a slice that begins so much earlier; what
the slice before found for these earlier transfers is taken from there. Slices end between two ticks, never inside one.
A signal that remembers more, such as who paid whom at any time or money that waits, has no such bound: it walks the
whole books, account by account, in one slice.
"""

from __future__ import annotations

import itertools
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
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

# Slices take at most so much of the limit; and a slice is at least so many times as long as what it rests on.
_SHARE: Final = 2
_LONGER: Final = 1


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
    return _filled(signal, past, range(len(signal.columns)), most, progress).T


def compute_columns(
    signal: Signal, past: Past, columns: Collection[str] | None = None, *, progress: Progress | None = None
) -> dict[str, Float32Array]:
    """Return columns of a signal, each float32[n_transfers] in one piece, so that each is read by itself.

    Parameters
    ----------
    signal : Signal
    past : Past
    columns : collection of str, optional
        Which to keep; others of other signals may be among them. Default: all.
    progress
        As for `compute_signal`.
    """
    places = {name: place for place, name in enumerate(signal.columns) if columns is None or name in columns}
    return dict(zip(places, _filled(signal, past, places.values(), None, progress), strict=True))


def _filled(
    signal: Signal, past: Past, places: Collection[int], most: int | None, progress: Progress | None
) -> Float32Array:
    """Return columns at some places, float32[n_places, n_transfers]; a column lies in one piece: each is read alone."""
    values: Float32Array = past.room.empty((len(places), len(past)), np.float32)
    for _, low, high, found in _by_slice([signal], past, most, progress or silent):
        for row, place in zip(values, places, strict=True):
            row[low:high] = found[:, place]
        del found  # before the next is made
    return values


def compute_rows(
    signals: Iterable[Signal],
    past: Past,
    columns: Collection[str],
    *,
    most: int | None = None,
    progress: Progress | None = None,
) -> Iterator[tuple[tuple[str, ...], Float32Array]]:
    """Yield names and values of columns of signals, float32[n_transfers, n_names]; a row lies in one piece.

    With a limit of memory signals with a bound are computed together, over the same books of each slice. A signal
    without a bound gives all of its columns.

    Parameters
    ----------
    signals : iterable of Signal
    past : Past
    columns : collection of str
        Which to keep; others of other signals may be among them.
    most, progress
        As for `compute_signal`.
    """
    for group in _together(signals, past.room):
        if group[0].reach is None:
            ((only, _, _, found),) = _by_slice(group, past, None, progress or silent)
            yield tuple(only.columns), found
            continue
        places = [(one, place) for one in group for place, name in enumerate(one.columns) if name in columns]
        rows = past.room.empty((len(past), len(places)), np.float32)
        for signal, low, high, found in _by_slice(group, past, most, progress or silent):
            for at, (one, place) in enumerate(places):
                if one is signal:
                    rows[low:high, at] = found[:, place]
            del found  # before the next is made
        yield tuple([*one.columns][place] for one, place in places), rows


def fill_signals(signals: Sequence[Signal], past: Past, values: Float32Array) -> None:
    """Write the columns of signals, side by side in their order, to float32[n_transfers, n_columns].

    What is computed is written at once, so that nothing else with a row a transfer is kept.

    Parameters
    ----------
    signals : sequence of Signal
    past : Past
    values : float32[n_transfers, n_columns]
    """
    ends = np.cumsum([len(signal.columns) for signal in signals]).tolist()
    place = {signal.name: slice(end - len(signal.columns), end) for signal, end in zip(signals, ends, strict=True)}
    for group in _together(signals, past.room):
        for signal, low, high, found in _by_slice(group, past, None, silent):
            values[low:high, place[signal.name]] = found
            del found  # before the next is made


def _together(signals: Iterable[Signal], room: Room) -> Iterator[list[Signal]]:
    """Yield signals in groups: with a limit of memory, those with a bound share the books of each slice of time."""
    alone, bounded = list[Signal](), list[Signal]()
    for one in signals:
        (alone if one.reach is None or room.limit is None else bounded).append(one)
    if bounded:
        yield bounded
    yield from ([one] for one in alone)


def _by_slice(
    signals: Sequence[Signal], past: Past, most: int | None, told: Progress
) -> Iterator[tuple[Signal, int, int, Float32Array]]:
    """Yield signals with the values of the transfers `low:high`, slice by slice.

    What the slice before found for the transfers that this one rests on is known and not computed again.
    """
    reach = None if any(signal.reach is None for signal in signals) else max(signal.reach or 0 for signal in signals)
    slices, known = _slices(past, reach, most), dict[str, Float32Array]()
    # the first transfer of what each slice rests on, and behind the last slice
    firsts = [_first_of(past, low, reach) for low, _ in slices] + [len(past)]
    for (low, high), first, next_first in zip(slices, firsts[:-1], firsts[1:], strict=True):
        part = _between(past, first, high)
        part, known = replace(part, known=known) if known else part, {}
        for signal in signals:
            told(f"signals: {signal.name}", low / max(len(past), 1))
            found = signal.compute(part)
            yield signal, low, high, found[low - first :]
            if next_first < high:
                known[signal.name] = past.room.keep(found[next_first - first :])
            del found
            told(f"signals: {signal.name}", high / max(len(past), 1))


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
    if past.room.limit is None and most is None:
        return [(0, len(past))]
    fit = (past.room.limit or 0) // (_SHARE * BYTES)
    return _ranges(past.graph.time, reach, past.lookback, most, fit)


def _ranges(time: Int64Array, reach: int | None, lookback: int, most: int | None, fit: int) -> list[tuple[int, int]]:
    n = len(time)
    if reach is None or n <= (most or fit):
        return [(0, n)]
    bounds, low = [0], 0
    while low < n:
        n_again = low - int(np.searchsorted(time, time[low] - reach * lookback))
        # a slice shorter than what it rests on would pack everything many times over
        high = min(n, low + (most or max(fit - n_again, _LONGER * n_again, 1)))
        low = int(np.searchsorted(time, time[high - 1], side="right"))  # the whole last tick
        bounds.append(low)
    return list(itertools.pairwise(bounds))


def _first_of(past: Past, low: int, reach: int | None) -> int:
    """Return the first transfer that those from `low` on rest on."""
    if reach is None or low == 0:
        return 0
    return int(np.searchsorted(past.graph.time, past.graph.time[low] - reach * past.lookback))


def _between(past: Past, first: int, high: int) -> Past:
    """Return the past of the transfers `first:high` alone; the same object if these are all."""
    return past if (first, high) == (0, len(past)) else part_of_past(past, first, high)


def part_of_past(past: Past, first: int, high: int) -> Past:
    """Return the past of the transfers `first:high` alone, with the same rules. O(these transfers)."""
    made = _part(past.graph, first, high, past.lookback, past.tables, past.threads, past.room)
    return replace(made, is_simultaneous=past.is_simultaneous, max_degree=past.max_degree)


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
