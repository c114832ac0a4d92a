"""The canonical order of transfers, whatever order they arrived in: time, source, target, amount, transfer_id."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
from numba import njit

from muledetect import clock
from muledetect.arrays import Int32Array, Int64Array

Order = npt.NDArray[np.uint32]

_DIGIT: Final = 11
_LONGEST_RUN: Final = 48


@njit(cache=True, nogil=True)
def _before(a: Any, b: Any, source: Any, target: Any, amount: Any) -> Any:
    if source[a] != source[b]:
        return source[a] < source[b]
    if target[a] != target[b]:
        return target[a] < target[b]
    return amount[a] < amount[b]


@njit(cache=True, nogil=True)
def _is_ordered(time: Any, source: Any, target: Any, amount: Any) -> Any:
    for i in range(1, time.size):
        if time[i] < time[i - 1] or (time[i] == time[i - 1] and _before(i, i - 1, source, target, amount)):
            return False
    return True


@njit(cache=True, nogil=True)
def _radix_pass(keys: Any, least: Any, shift: Any, order: Any, scratch: Any) -> None:
    # Stable counting sort of `order` by one digit of keys - least: least significant digits come first, so equal
    # digits keep the order of the passes before.
    starts = np.zeros((1 << 11) + 1, np.int64)
    for i in range(keys.size):
        starts[(((keys[i] - least) >> shift) & 2047) + 1] += 1
    for digit in range(1 << 11):
        starts[digit + 1] += starts[digit]
    for i in range(order.size):
        digit = ((keys[order[i]] - least) >> shift) & 2047
        scratch[starts[digit]] = order[i]
        starts[digit] += 1


@njit(cache=True, nogil=True)
def _sort_short_runs(order: Any, time: Any, source: Any, target: Any, amount: Any, longest: Any) -> Any:
    # `order` is sorted by time. Insertion sort inside each run of one time; gives up at a run longer than `longest`.
    start = 0
    for i in range(1, order.size):
        moved = order[i]
        if time[moved] != time[order[start]]:
            start = i
            continue
        if i - start >= longest:
            return False
        at = i
        while at > start and _before(moved, order[at - 1], source, target, amount):
            order[at] = order[at - 1]
            at -= 1
        order[at] = moved
    return True


@njit(cache=True, nogil=True)
def _ties(order: Any, time: Any, source: Any, target: Any, amount: Any, group: Any) -> Any:
    # group[i] = number of the run of equal keys that place i belongs to, 0 where it is alone.
    n_groups = 0
    for i in range(1, order.size):
        a = order[i - 1]
        b = order[i]
        if time[a] == time[b] and source[a] == source[b] and target[a] == target[b] and amount[a] == amount[b]:
            if group[i - 1] == 0:
                n_groups += 1
                group[i - 1] = n_groups
            group[i] = group[i - 1]
    return n_groups


def canonical_order(
    time: Int64Array, source: Int32Array, target: Int32Array, amount: Int64Array, ids: pa.ChunkedArray
) -> Order | None:
    """Return the positions that sort transfers canonically, uint32; None if they are in order already.

    Radix sort, O(n) passes over the digits that vary, 8 bytes a transfer of scratch.
    """
    order: Order = np.arange(len(time), dtype=np.uint32)
    sorted_already = bool(_is_ordered(time, source, target, amount))
    if not sorted_already:
        order = _sort_by_time_first(time, source, target, amount, order)
    moved = _order_ties(order, time, source, target, amount, ids)
    return order if moved or not sorted_already else None


def _sort_by_time_first(
    time: Int64Array, source: Int32Array, target: Int32Array, amount: Int64Array, order: Order
) -> Order:
    """Sort by time; runs of one time are short on a fine clock, and on a coarse one the other keys go first."""
    unit = common_unit(time)
    order = _sort_by(((time, unit),), order)
    if _sort_short_runs(order, time, source, target, amount, _LONGEST_RUN):
        return order
    return _sort_by(((amount, 1), (target, 1), (source, 1), (time, unit)), order)


def _sort_by(keys_and_units: tuple[tuple[npt.NDArray[Any], int], ...], order: Order) -> Order:
    """Sort stably by the last key, then the one before it, and so on."""
    scratch = np.empty_like(order)
    for keys, unit in keys_and_units:
        least = int(keys.min())
        wide = (keys - least) // unit if unit > 1 else keys
        least = 0 if unit > 1 else least
        span = int(wide.max()) - least
        for shift in range(0, span.bit_length(), _DIGIT):
            _radix_pass(wide, least, shift, order, scratch)
            order, scratch = scratch, order
    return order


def _order_ties(
    order: Order, time: Int64Array, source: Int32Array, target: Int32Array, amount: Int64Array, ids: pa.ChunkedArray
) -> bool:
    """Sort the places that are equal up to the id by id, in place; return whether there were any out of order."""
    group: Int32Array = np.zeros(len(order), np.int32)
    if _ties(order, time, source, target, amount, group) == 0:
        return False
    places = np.flatnonzero(group)
    positions = order[places]
    tied = pa.table({"group": group[places], "id": ids.take(pa.array(positions))})

    inner = pc.sort_indices(tied, sort_keys=[("group", "ascending"), ("id", "ascending")]).to_numpy()
    if np.array_equal(inner, np.arange(len(inner))):
        return False
    order[places] = positions[inner]
    return True


def common_unit(time: Int64Array) -> int:
    """Return the largest of 1 d, 1 h, 1 min, 1 s, 1 ms, 1 us that divides every distance between the times."""
    for unit in (clock.DAY, clock.HOUR, clock.MINUTE, clock.SECOND, 1000):
        if _all_apart_by(time, unit):
            return unit
    return 1


def _all_apart_by(time: Int64Array, unit: int) -> bool:
    first = time[:1]
    return not any(np.any((time[i : i + 65536] - first) % unit) for i in range(0, len(time), 65536))


def clock_tick(time: Int64Array) -> int:
    """Return the resolution of a clock, microseconds: the largest unit that divides all times.

    Days may begin at any whole quarter of an hour of UTC, because midnight is local. No times: 1 second.
    """
    if len(time) == 0:
        return clock.SECOND
    unit = common_unit(time)
    offset = int(time[0])
    # Times that are all one moment do not tell where midnight is.
    if unit == clock.DAY and offset % (15 * clock.MINUTE) == 0 and bool(np.any(time != offset)):
        return unit
    for smaller in (clock.DAY, clock.HOUR, clock.MINUTE, clock.SECOND, 1000):
        if unit % smaller == 0 and offset % smaller == 0:
            return smaller
    return 1
