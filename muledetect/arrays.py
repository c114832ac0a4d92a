"""Types of arrays, and searches in sorted ones that kernels share."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

import numba
import numpy as np
import numpy.typing as npt

AnyArray = npt.NDArray[Any]
BoolArray = npt.NDArray[np.bool_]
Int8Array = npt.NDArray[np.int8]
UInt8Array = npt.NDArray[np.uint8]
Int32Array = npt.NDArray[np.int32]
Int64Array = npt.NDArray[np.int64]
UInt64Array = npt.NDArray[np.uint64]
#: Places in an array, as NumPy's own searches and sorts give them.
IndexArray = npt.NDArray[np.intp]
Float32Array = npt.NDArray[np.float32]
Float64Array = npt.NDArray[np.float64]

#: A moment or an amount of money that is not stated, in an array of int64.
MISSING = np.iinfo(np.int64).min

#: Later than every moment.
NEVER = np.iinfo(np.int64).max

#: Rows of a long array that are worked on at once, where what is made of them would take memory.
PIECE: Final = 2**20

#: A table of flags finds distinct numbers faster than a sort where it has up to so many places a number.
_DENSE = 16


@numba.njit(cache=True, nogil=True)
def first_at_least(values, low, high, bound):  # type: ignore[no-untyped-def]
    """Return the first place in the ascending `values[low:high]` that holds at least `bound`; `high` if none. O(log n).

    For times, this is the first place at or after a moment; `low` and `high` bound one account's range.
    """
    while low < high:
        middle = (low + high) // 2
        if values[middle] < bound:
            low = middle + 1
        else:
            high = middle
    return low


@numba.njit(cache=True, nogil=True)
def place_between(values, low, high, wanted):  # type: ignore[no-untyped-def]
    """Return the first place of a value in ascending `values[low:high]`, -1 if it is not there. O(log(high - low))."""
    place = first_at_least(values, low, high, wanted)
    return place if place < high and values[place] == wanted else -1


@numba.njit(cache=True, nogil=True)
def first_transfer_at(transfer, low, high, time, moment):  # type: ignore[no-untyped-def]
    """Return the first place in `transfer[low:high]` (positions of transfers) whose time is at or after a moment."""
    while low < high:
        middle = (low + high) // 2
        if time[transfer[middle]] < moment:
            low = middle + 1
        else:
            high = middle
    return low


@numba.njit(cache=True, nogil=True)
def each_first_at_least(values: Int64Array, low: Int64Array, high: Int64Array, bound: Int64Array) -> Int64Array:
    """Return `first_at_least(values, low[i], high[i], bound[i])` for each row i. O(log n) a row."""
    found = np.empty(len(low), np.int64)
    for i in range(len(low)):
        found[i] = first_at_least(values, low[i], high[i], bound[i])
    return found


def pieces(n: int) -> Iterator[slice]:
    """Yield slices of `PIECE` rows that cover `n` rows."""
    return (slice(at, min(at + PIECE, n)) for at in range(0, n, PIECE))


def run_starts(*keys: AnyArray) -> BoolArray:
    """Return where a run of rows with equal keys begins."""
    found = np.ones(len(keys[0]), np.bool_)
    found[1:] = np.any([key[1:] != key[:-1] for key in keys], axis=0)
    return found


def distinct(values: AnyArray) -> AnyArray:
    """Return the distinct whole numbers, ascending, as `numpy.unique`, which takes several times as long."""
    found: AnyArray = _flagged(values, _DENSE)
    if len(found) or not len(values):
        return found
    ascending, is_first = np.sort(values), np.ones(len(values), np.bool_)
    np.not_equal(ascending[1:], ascending[:-1], out=is_first[1:])
    return ascending[is_first]


@numba.njit(cache=True, nogil=True)
def _flagged(values, dense):  # type: ignore[no-untyped-def]
    """Return the distinct values by a table of flags; none where that is longer than `dense` times their number."""
    if not len(values):
        return values[:0].copy()
    least, most = values[0], values[0]
    for value in values:
        least, most = min(least, value), max(most, value)
    if most - least >= dense * len(values):
        return values[:0].copy()
    occurs, n = np.zeros(most - least + 1, np.bool_), 0
    for value in values:
        n += not occurs[value - least]
        occurs[value - least] = True
    found = np.empty(n, values.dtype)
    n = 0
    for k in range(len(occurs)):
        if occurs[k]:
            found[n] = least + k
            n += 1
    return found


@numba.njit(cache=True, nogil=True)
def distinct_of(values):  # type: ignore[no-untyped-def]
    """Return what `distinct` returns, for kernels."""
    found = _flagged(values, _DENSE)
    if len(found) or not len(values):
        return found
    ascending = np.sort(values)
    n = 1
    for i in range(1, len(ascending)):
        if ascending[i] != ascending[n - 1]:
            ascending[n] = ascending[i]
            n += 1
    return ascending[:n]


def sum_at(values: Int64Array, place: AnyArray, n: int) -> Int64Array:
    """Return the sums of int64 values by place, 0 to n - 1; exact, so no order shows."""
    total = np.zeros(n, np.int64)
    np.add.at(total, place, values)
    return total


def places_in(values: AnyArray, wanted: AnyArray) -> Int64Array:
    """Return the place of each wanted value among ascending distinct `values`, int64; -1 = not there."""
    if not len(values):
        return np.full(len(wanted), -1, np.int64)
    found = np.minimum(np.searchsorted(values, wanted), len(values) - 1)
    return np.where(values[found] == wanted, found, -1).astype(np.int64)
