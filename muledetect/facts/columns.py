"""Columns of tables as arrays for kernels."""

from __future__ import annotations

from typing import Any

import numba
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from muledetect.arrays import MISSING, BoolArray, Float64Array, Int32Array, Int64Array


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


@numba.njit(cache=True, nogil=True)
def group(key: Int32Array, n_keys: int) -> tuple[Int64Array, Int64Array]:
    """Return (start, place): rows of key k are `place[start[k]:start[k + 1]]`, in order; negative keys are out."""
    start = np.zeros(n_keys + 1, np.int64)
    for i in range(len(key)):
        if key[i] >= 0:
            start[key[i] + 1] += 1
    for k in range(n_keys):
        start[k + 1] += start[k]
    place, end = np.empty(start[n_keys], np.int64), start[:-1].copy()
    for i in range(len(key)):
        if key[i] >= 0:
            place[end[key[i]]] = i
            end[key[i]] += 1
    return start, place
