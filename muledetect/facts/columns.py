"""Columns of tables as arrays for kernels."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import numba
import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from muledetect.arrays import MISSING, BoolArray, Float64Array, Int32Array, Int64Array
from muledetect.memory import HEAP, Room
from muledetect.records.encode import IdEncoder

_PIECE: Final = 2**20


def numbers(table: pa.Table, name: str, room: Room = HEAP) -> Int64Array:
    """Return a column of times or integers as int64; MISSING where it is null or absent."""
    found: Int64Array = _filled(table, name, pa.int64(), MISSING, room)
    return found


def floats(table: pa.Table, name: str, room: Room = HEAP) -> Float64Array:
    """Return a column as float64; NaN where it is null or absent."""
    found: Float64Array = _filled(table, name, pa.float64(), np.nan, room)
    return found


def _filled(table: pa.Table, name: str, kind: pa.DataType, missing: float, room: Room) -> Any:
    if name not in table.column_names:
        return room.full(len(table), missing, kind.to_pandas_dtype())
    column = table[name]
    if column.num_chunks == 1 and not column.null_count:
        return column.chunk(0).cast(kind).to_numpy()  # mostly a view
    return by_piece(column, lambda piece: pc.fill_null(piece.cast(kind), missing), kind.to_pandas_dtype(), room)


def encoded(encoder: IdEncoder, column: pa.ChunkedArray, room: Room = HEAP) -> Int32Array:
    """Return the code of each text, int32; -1 for null."""
    return by_piece(column, encoder.encode, np.int32, room)


def numbered(column: pa.ChunkedArray, room: Room = HEAP) -> Int32Array:
    """Return a number for each text, equal for equal ones, int32; -1 for null. Numbers carry no meaning."""
    if not pa.types.is_dictionary(column.type):
        return encoded(IdEncoder(room), column, room)
    one = column.unify_dictionaries()
    return by_piece(one, lambda piece: pc.fill_null(piece.indices.cast(pa.int32()), -1), np.int32, room)


def bools(column: Any) -> BoolArray:
    """Return a column of booleans; null is False."""
    filled = pc.fill_null(column, False)
    return np.asarray(filled.to_numpy(zero_copy_only=False) if isinstance(filled, pa.Array) else filled.to_numpy())


def texts(table: pa.Table, name: str) -> pa.StringArray:
    """Return a column as plain strings in one piece; all null if it is absent."""
    if name not in table.column_names:
        return pa.nulls(len(table), pa.string())
    return table[name].combine_chunks().cast(pa.string())


def by_piece(
    column: pa.ChunkedArray, make: Callable[[pa.Array], Any], kind: npt.DTypeLike, room: Room = HEAP
) -> npt.NDArray[Any]:
    """Return an array with what `make` returns for pieces of a column, of bounded length: so it takes little memory."""
    made, at = room.empty(len(column), kind), 0
    for chunk in column.chunks:
        # what is made of a piece of a coded column begins with its values
        length = max(_PIECE, len(chunk.dictionary) if pa.types.is_dictionary(chunk.type) else 0)
        for low in range(0, len(chunk), length):
            piece = chunk.slice(low, length)
            made[at : at + len(piece)] = make(piece)
            at += len(piece)
    return made


def equals(column: Any, text: str) -> BoolArray:
    """Return where a column of text, plain or coded, holds `text`; null does not."""
    return is_among(column, (text,))


def is_among(column: Any, wanted: tuple[str, ...]) -> BoolArray:
    """Return where a column of text, plain or coded, holds one of the texts `wanted`; null does not."""
    whole = column if isinstance(column, pa.ChunkedArray) else pa.chunked_array([column])
    return by_piece(whole, lambda piece: _is_among(piece, wanted), np.bool_)


def _is_among(column: pa.Array, wanted: tuple[str, ...]) -> BoolArray:
    if not pa.types.is_dictionary(column.type):
        return bools(pc.is_in(column, value_set=pa.array(wanted, column.type)))
    is_it = np.append(_is_among(column.dictionary, wanted), False)
    found: BoolArray = is_it[column.indices.fill_null(-1).to_numpy(zero_copy_only=False)]
    return found


def positions(wanted: pa.StringArray, column: pa.ChunkedArray) -> Int64Array:
    """Return the place of each wanted text in a column of distinct texts; -1 where it is null or not there.

    Reads the long column once and hashes only what is wanted. O(rows of both).
    """
    names = wanted.drop_null().unique()
    place = np.full(len(names) + 1, -1, np.int64)  # the last is that of null
    found = by_piece(column, lambda piece: pc.fill_null(pc.index_in(piece.cast(pa.string()), names), -1), np.int32)
    rows = np.flatnonzero(found >= 0)
    place[found[rows]] = rows
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
    place_keys(key, start, place)
    if time is not None:
        _order(start, place, time)
    return start, place


def starts_of(key: Int32Array, n_keys: int, room: Room = HEAP) -> Int64Array:
    """Return how many rows have a key below k, int64[n_keys + 1] for k from 0 on; negative keys are out."""
    start = room.full(n_keys + 1, 0, np.int64)
    count_keys(key, start)
    return start


@numba.njit(cache=True, nogil=True)
def count_keys(key, start) -> None:  # type: ignore[no-untyped-def]
    """Write how many rows have a key below k to `start[k]`, which is 0 everywhere; negative keys are out."""
    for i in range(len(key)):
        if key[i] >= 0:
            start[key[i] + 1] += 1
    for k in range(len(start) - 1):
        start[k + 1] += start[k]


@numba.njit(cache=True, nogil=True)
def place_keys(key, start, place) -> None:  # type: ignore[no-untyped-def]
    """Write the rows of key k to `place[start[k]:start[k + 1]]`, in their order.

    Invariant: `start[k]` is the next free place of key k; when all are filled it is where key k + 1 began.
    """
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
