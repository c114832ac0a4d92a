"""Columns of tables as arrays for kernels."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

import numba
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from muledetect.arrays import MISSING, BoolArray, Float64Array, Int32Array, Int64Array
from muledetect.memory import HEAP, Room

_PIECE: Final = 2**20


def numbers(table: pa.Table, name: str) -> Int64Array:
    """Return a column of times or integers as int64; MISSING where it is null or absent."""
    if name not in table.column_names:
        return np.full(len(table), MISSING)
    return np.asarray(pc.fill_null(table[name].cast(pa.int64()), MISSING).to_numpy(), dtype=np.int64)


def floats(table: pa.Table, name: str) -> Float64Array:
    """Return a column as float64; NaN where it is null or absent."""
    if name not in table.column_names:
        return np.full(len(table), np.nan)
    return np.asarray(pc.fill_null(table[name].cast(pa.float64()), np.nan).to_numpy(), dtype=np.float64)


def bools(column: Any) -> BoolArray:
    """Return a column of booleans; null is False."""
    filled = pc.fill_null(column, False)
    return np.asarray(filled.to_numpy(zero_copy_only=False) if isinstance(filled, pa.Array) else filled.to_numpy())


def texts(table: pa.Table, name: str) -> pa.StringArray:
    """Return a column as plain strings in one piece; all null if it is absent."""
    if name not in table.column_names:
        return pa.nulls(len(table), pa.string())
    return table[name].combine_chunks().cast(pa.string())


def pieces_of(column: pa.ChunkedArray) -> Iterator[pa.Array]:
    """Yield a column in pieces of bounded length, so that what is made of each takes little memory."""
    for chunk in column.chunks:
        # what is made of a piece of a coded column begins with its values
        length = max(_PIECE, len(chunk.dictionary) if pa.types.is_dictionary(chunk.type) else 0)
        for at in range(0, len(chunk), length):
            yield chunk.slice(at, length)


def equals(column: Any, text: str) -> BoolArray:
    """Return where a column of text, plain or coded, holds `text`; null does not."""
    whole = column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
    if not pa.types.is_dictionary(whole.type):
        return bools(pc.equal(whole, text))
    is_it = np.append(bools(pc.equal(whole.dictionary.cast(pa.string()), text)), False)
    found: BoolArray = is_it[whole.indices.fill_null(-1).cast(pa.int64()).to_numpy(zero_copy_only=False)]
    return found


def positions(wanted: pa.StringArray, column: pa.ChunkedArray) -> Int64Array:
    """Return the place of each wanted text in a column of distinct texts; -1 where it is null or not there.

    Reads the long column once and hashes only what is wanted. O(rows of both).
    """
    names = wanted.drop_null().unique()
    place = np.full(len(names) + 1, -1, np.int64)  # the last is that of null
    begin = 0
    for chunk in column.chunks:
        found = pc.fill_null(pc.index_in(chunk.cast(pa.string()), value_set=names), -1).to_numpy(zero_copy_only=False)
        rows = np.flatnonzero(found >= 0)
        place[found[rows]] = begin + rows
        begin += len(chunk)
    of_row = pc.fill_null(pc.index_in(wanted, value_set=names), len(names)).to_numpy(zero_copy_only=False)
    return place[np.where(np.asarray(wanted.is_valid().to_numpy(zero_copy_only=False)), of_row, len(names))]


def group(
    key: Int32Array, n_keys: int, room: Room = HEAP, *, time: Int64Array | None = None
) -> tuple[Int64Array, Int64Array]:
    """Return (start, place): rows of key k are `place[start[k]:start[k + 1]]`; negative keys are out.

    Rows of a key stand in their order or, with `time`, in order of time, those of equal time in their order.
    O(rows), and O(rows of a key x their logarithm) where these are not in time order.
    """
    start = starts_of(key, n_keys, room)
    place = room.empty(int(start[n_keys]), np.int64)
    _place(key, start, place)
    if time is not None:
        _order(start, place, time)
    return start, place


def starts_of(key: Int32Array, n_keys: int, room: Room = HEAP) -> Int64Array:
    """Return how many rows have a key below k, int64[n_keys + 1] for k from 0 on; negative keys are out."""
    start = room.full(n_keys + 1, 0, np.int64)
    _count(key, start)
    return start


@numba.njit(cache=True, nogil=True)
def _count(key, start) -> None:  # type: ignore[no-untyped-def]
    for i in range(len(key)):
        if key[i] >= 0:
            start[key[i] + 1] += 1
    for k in range(len(start) - 1):
        start[k + 1] += start[k]


@numba.njit(cache=True, nogil=True)
def _place(key, start, place) -> None:  # type: ignore[no-untyped-def]
    """Invariant: `start[k]` is the next free place of key k; when all are filled it is where key k + 1 began."""
    for i in range(len(key)):
        if key[i] >= 0:
            place[start[key[i]]] = i
            start[key[i]] += 1
    for k in range(len(start) - 1, 0, -1):
        start[k] = start[k - 1]
    start[0] = 0


@numba.njit(cache=True, nogil=True)
def _order(start, place, time) -> None:  # type: ignore[no-untyped-def]
    for k in range(len(start) - 1):
        low, high = start[k], start[k + 1]
        for e in range(low + 1, high):
            if time[place[e]] < time[place[e - 1]]:
                rows = place[low:high].copy()
                place[low:high] = rows[np.argsort(time[rows], kind="mergesort")]
                break
