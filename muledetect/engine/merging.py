"""Merge new rows into the sorted columns of an old store, in one pass, instead of sorting all rows again.

What is decided of all rows, such as repeats and reversals, is decided before, and as always. A row that is judged
together with others, before or now, is taken out of the old columns and put in again as it is now; every other old row
stays as it was. So the rows that are sorted are the new ones and those that were judged.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from numba import njit

from muledetect.arrays import BoolArray, Int32Array, Int64Array
from muledetect.engine.parts import part_names
from muledetect.records.stored import Header, map_numbers, read_store

#: Numbers in the input of the rows in canonical order, and of those that were judged together with others.
ORDER: Final = "order.npy"
JUDGED: Final = "judged.npy"
#: Bytes of memory that a row takes which is put in; where that is too much, all rows are sorted on disk.
A_ROW: Final = 1_000

_CHUNK: Final = 1 << 18


@dataclass(frozen=True)
class OldRows:
    """The sorted rows of an old store.

    Attributes
    ----------
    transfers : pyarrow.Table
    account_ids : pyarrow.StringArray
    numbers : array of int, [n_transfers]
        Numbers of the rows in the input.
    judged : int64[n]
        Numbers of the rows that were judged together with others, whether they are there or not.
    """

    transfers: pa.Table
    account_ids: pa.StringArray
    numbers: npt.NDArray[Any]
    judged: Int64Array


def open_old(place: Path, header: Header, rows: str) -> OldRows | None:
    """Return the sorted rows of a store; None where it does not say the order, or has columns that are not merged."""
    files = (f"{rows}/{ORDER}", f"{rows}/{JUDGED}")
    if not header.n_transfers or any(name not in header.files for name in files):
        return None
    if any(column["kind"] == "other" for column in header.columns):
        return None
    dataset = read_store(place, verify=False)
    numbers, judged = (_mapped(place / name) for name in files)
    return OldRows(dataset.transfers, dataset.account_ids, numbers, judged.astype(np.int64))


def _mapped(path: Path) -> npt.NDArray[Any]:
    buffer, kind, n = map_numbers(path)
    return np.frombuffer(buffer, kind, n)


class Merge:
    """The old rows but those that are `gone`, and the new ones, in canonical order.

    Parameters
    ----------
    old : OldRows
    gone : int64[n]
        Numbers of old rows that are taken out.
    new, numbers
        Rows that are put in, as the data set has them and in canonical order; and their numbers in the input.
    """

    def __init__(self, old: OldRows, gone: Int64Array, new: pa.Table, numbers: Int64Array) -> None:
        self._old, self._new, self._numbers = old, new, numbers
        is_gone = np.zeros(int(old.numbers.max()) + 1, np.bool_)
        is_gone[gone[gone < len(is_gone)]] = True
        self._gone = np.flatnonzero(is_gone[old.numbers])
        accounts = _places(*_text(old.account_ids), *_text(new["source"].chunk(0).dictionary))
        self._maps: dict[str, Int32Array] = {"source": accounts, "target": accounts}
        for name in new.column_names:
            if name not in self._maps and pa.types.is_dictionary(new.schema.field(name).type):
                before, after = old.transfers[name].chunk(0).dictionary, new[name].chunk(0).dictionary
                # cells of a column without any value are null, and read the place of 0
                self._maps[name] = _places(*_text(before), *_text(after)) if len(before) else np.zeros(1, np.int32)
        self._at = self._places_of_new()

    @property
    def rows_gone(self) -> pa.Table:
        """The old rows that are taken out."""
        return self._old.transfers.take(pa.array(self._gone))

    def touched(self, parted_by: str) -> set[str]:
        """Return the days or months of which a row goes or comes."""
        times = [_integers(self._old.transfers["time"])[self._gone], _integers(self._new["time"])]
        return {str(name) for name in np.unique(part_names(np.concatenate(times), parted_by))}

    def _places_of_new(self) -> Int64Array:
        """Return how many old rows, gone ones too, lie before each new one."""
        old, new = self._old.transfers, self._new
        keys = [_integers(old["time"]), *(_codes(old[name]) for name in ("source", "target")), _integers(old["amount"])]
        wanted = [_integers(new["time"]), *(_codes(new[name]) for name in ("source", "target")),
                  _integers(new["amount"])]  # fmt: skip
        ids = _text(old["transfer_id"].chunk(0)), _text(new["transfer_id"].combine_chunks())
        return _before(*keys, *ids[0], self._maps["source"], *wanted, *ids[1])  # type: ignore[call-arg]

    def __iter__(self) -> Iterator[tuple[pa.Table, Int64Array]]:
        """Yield rows as the data set has them, in canonical order, and their numbers in the input."""
        n_old, done = len(self._old.numbers), 0
        for low in range(0, n_old, _CHUNK):
            high = min(low + _CHUNK, n_old)
            end = len(self._at) if high == n_old else int(np.searchsorted(self._at, high))
            yield self._merged(low, high, done, end)
            done = end

    def _merged(self, low: int, high: int, first: int, end: int) -> tuple[pa.Table, Int64Array]:
        """Return the old rows `low:high` that stay, with the new ones `first:end`."""
        gone = self._gone[slice(*np.searchsorted(self._gone, [low, high]))]
        numbers = self._old.numbers[low:high].astype(np.int64)
        made = {name: self._old_cells(name, low, high) for name in self._new.column_names}
        if first == end and not len(gone):
            return pa.table(made), numbers
        stays: BoolArray = np.ones(high - low, np.bool_)
        stays[gone - low] = False
        before = np.concatenate([[0], np.cumsum(stays)])[self._at[first:end] - low]
        order = np.insert(np.flatnonzero(stays), before, high - low + np.arange(end - first))
        for name, cells in made.items():
            came = self._new[name].slice(first, end - first).combine_chunks()
            if pa.types.is_dictionary(came.type):
                both = pa.concat_arrays([cells.indices, came.indices]).take(pa.array(order))
                made[name] = pa.DictionaryArray.from_arrays(both, came.dictionary, safe=False)
            else:
                made[name] = pa.concat_arrays([cells, came.cast(cells.type)]).take(pa.array(order))
        return pa.table(made), np.concatenate([numbers, self._numbers[first:end]])[order]

    def _old_cells(self, name: str, low: int, high: int) -> pa.Array:
        """Return cells of an old column, with the codes that values have now."""
        cells = self._old.transfers[name].chunk(0).slice(low, high - low)
        if name not in self._maps:
            return cells
        kind = self._new.schema.field(name).type
        codes = self._maps[name][cells.indices.fill_null(0).to_numpy()] >> 1
        is_null = cells.indices.is_null().to_numpy(zero_copy_only=False) if cells.null_count else None
        indices = pa.array(codes.astype(kind.index_type.to_pandas_dtype()), mask=is_null)
        return pa.DictionaryArray.from_arrays(indices, self._new[name].chunk(0).dictionary, safe=False)


def _integers(column: pa.ChunkedArray) -> Int64Array:
    found: Int64Array = _whole(column).view(pa.int64()).to_numpy()
    return found


def _codes(column: pa.ChunkedArray) -> Int32Array:
    found: Int32Array = _whole(column).indices.to_numpy()
    return found


def _whole(column: pa.ChunkedArray) -> pa.Array:
    # combine_chunks would copy a single chunk, too, and old columns are mapped
    return column.chunk(0) if column.num_chunks == 1 else column.combine_chunks()


def _text(texts: pa.Array) -> tuple[npt.NDArray[Any], npt.NDArray[np.uint8]]:
    """Return offsets and bytes of an array of text."""
    _, offsets, data = texts.buffers()
    kind = np.int64 if pa.types.is_large_string(texts.type) else np.int32
    if not len(texts):
        return np.zeros(1, kind), np.zeros(0, np.uint8)
    ends = np.frombuffer(offsets, kind)[texts.offset : texts.offset + len(texts) + 1]
    return ends, np.zeros(0, np.uint8) if data is None else np.frombuffer(data, np.uint8)


@njit(cache=True, nogil=True)
def _compare(one, i, one_bytes, other, j, other_bytes) -> int:  # type: ignore[no-untyped-def]
    """Return -1, 0 or 1 as a text is less than, equal to or greater than another, by bytes."""
    n, m = one[i + 1] - one[i], other[j + 1] - other[j]
    for k in range(min(n, m)):
        a, b = one_bytes[one[i] + k], other_bytes[other[j] + k]
        if a != b:
            return -1 if a < b else 1
    return 0 if n == m else -1 if n < m else 1


@njit(cache=True, nogil=True)
def _places(old, old_bytes, new, new_bytes) -> Int32Array:  # type: ignore[no-untyped-def]
    """Return twice the place of each old text among the new ones, both ascending; one less than the next if not there.

    So places stand in the order of the texts, and half of one is the code of a text that is there.
    """
    found, j = np.empty(len(old) - 1, np.int32), 0
    for i in range(len(old) - 1):
        is_less = -1
        while j < len(new) - 1:
            is_less = _compare(new, j, new_bytes, old, i, old_bytes)
            if is_less >= 0:
                break
            j += 1
        found[i] = 2 * j if is_less == 0 else 2 * j - 1
    return found


@njit(cache=True, nogil=True)
def _before(  # type: ignore[no-untyped-def]
    time, source, target, amount, ids, id_bytes, place, times, sources, targets, amounts, new_ids, new_bytes
) -> Int64Array:
    """Return the number of old rows before each new one; both are in canonical order. O(new log old)."""
    found, low = np.empty(len(times), np.int64), 0
    for j in range(len(times)):
        first, last = low, len(time)
        key = (times[j], 2 * sources[j], 2 * targets[j], amounts[j])
        while first < last:
            i = (first + last) // 2
            here = (time[i], place[source[i]], place[target[i]], amount[i])
            if here < key or (here == key and _compare(ids, i, id_bytes, new_ids, j, new_bytes) < 0):
                first = i + 1
            else:
                last = i
        found[j] = low = first
    return found
