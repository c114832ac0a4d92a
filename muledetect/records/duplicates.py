"""Rows that say the same twice, that contradict each other, or that are the two sides of one transfer."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from muledetect.arrays import BoolArray, Int64Array, UInt64Array
from muledetect.records import reasons
from muledetect.records.encode import hash_strings
from muledetect.records.fingerprint import hash_rows

#: By column: positions of rows, ascending, and the values to put there.
Filled: TypeAlias = Mapping[str, tuple[Int64Array, pa.Array]]


@dataclass(frozen=True)
class Duplicates:
    """Int64Array of rows to leave out by cause, and values to fill into the kept row of each pair by column."""

    different: Int64Array
    exact: Int64Array
    paired: Int64Array
    filled: Filled

    def causes(self, column: str) -> list[tuple[str, str, reasons.Severity, Int64Array]]:
        """Return why rows go, `column` what shows it, and their positions, ascending."""
        return [
            (column, reasons.DIFFERENT_CONTENT, "reject", self.different),
            (column, reasons.DUPLICATE, "repair", self.exact),
            (column, reasons.PAIRED, "repair", self.paired),
        ]


NONE = Duplicates(np.empty(0, np.int64), np.empty(0, np.int64), np.empty(0, np.int64), {})


def find_duplicates(rows: pa.Table, key: tuple[str, ...], *, pairs: bool, hashes: list[UInt64Array]) -> Duplicates:
    """Return what to do with rows of one key (no key: rows that are equal altogether).

    With `pairs`, rows that differ only where one is null become one. `hashes` are those of the key in row order, or
    none; they are emptied, so that they do not cost memory twice. Sorts hashes of 64 bits, then compares the rows of
    equal hash exactly: O(n log n) with 8 bytes a row.
    """
    if not hashes:
        hashes = [hash_strings(chunk.cast(pa.string())) for chunk in rows.column(key[0]).chunks] if key else (
            [hash_rows(rows)]
        )  # fmt: skip
    ordered = np.concatenate([np.empty(0, np.uint64), *hashes])
    hashes.clear()
    ordered.sort()
    again = ordered[1:][ordered[1:] == ordered[:-1]]
    del ordered
    if len(again) == 0:
        return NONE
    positions = _positions_of(rows, key, again)
    return judge(rows.take(pa.array(positions)), positions, key, pairs)


def _positions_of(rows: pa.Table, key: tuple[str, ...], again: UInt64Array) -> Int64Array:
    found = []
    start = 0
    for batch in rows.select(key[:1] or rows.column_names).to_batches():
        part = hash_strings(batch.column(0).cast(pa.string())) if key else hash_rows(pa.Table.from_batches([batch]))
        place = np.minimum(np.searchsorted(again, part), len(again) - 1)
        found.append(start + np.flatnonzero(again[place] == part))
        start += batch.num_rows
    return np.concatenate(found)


def _codes(column: pa.ChunkedArray) -> Int64Array:
    """Return one number a distinct value, -1 for null; NaN does not occur in accepted columns."""
    try:
        coded = pc.dictionary_encode(column.combine_chunks() if column.num_chunks != 1 else column.chunk(0))
    except pa.ArrowNotImplementedError:
        coded = pa.array(
            [repr(value) if value is not None else None for value in column.to_pylist()]
        ).dictionary_encode()
    codes: Int64Array = coded.indices.fill_null(-1).cast(pa.int64()).to_numpy()
    return codes


def _groups(suspects: pa.Table, key: tuple[str, ...]) -> Int64Array:
    """Return one number for each combination of values. O(n) a column."""
    group = np.zeros(suspects.num_rows, np.int64)
    for name in key or suspects.column_names:
        codes = _codes(suspects.column(name))
        # Both factors are below the number of rows, so their product fits 64 bits.
        group, _ = pd.factorize(group * (int(codes.max(initial=0)) + 2) + codes + 1)
    return np.asarray(group, np.int64)


def judge(suspects: pa.Table, positions: Int64Array, key: tuple[str, ...], pairs: bool) -> Duplicates:
    """Return what to do with the rows at some positions whose keys may come again, see `find_duplicates`."""
    group = _groups(suspects, key)
    order = np.argsort(group, kind="stable")
    starts = np.flatnonzero(np.r_[True, np.diff(group[order]) != 0])
    sizes = np.diff(np.r_[starts, len(order)])
    differ = np.zeros(len(starts), np.bool_)
    partial: dict[str, Any] = {}
    for name in suspects.column_names:
        codes = _codes(suspects.column(name))[order]
        most = np.maximum.reduceat(codes, starts)
        least = np.minimum.reduceat(np.where(codes < 0, np.iinfo(np.int64).max, codes), starts)
        has_null = np.minimum.reduceat(codes, starts) < 0
        differ |= (most != least) & (most >= 0)
        halved = has_null & (most >= 0)
        if halved.any():
            partial[name] = (halved, codes)
    halves = np.logical_or.reduce([halved for halved, _ in partial.values()]) if partial else np.zeros_like(differ)
    if not pairs:
        differ |= halves
    first = np.zeros(len(order), np.bool_)
    first[starts] = True
    many, differ_row, half_row = (np.repeat(mask, sizes) for mask in (sizes > 1, differ, halves & ~differ))
    filled = {
        name: _fill(suspects.column(name), order, positions, starts, halved & ~differ, codes)
        for name, (halved, codes) in partial.items()
        if pairs and np.any(halved & ~differ)
    }
    return Duplicates(
        np.sort(positions[order[many & differ_row]]),
        np.sort(positions[order[many & ~differ_row & ~half_row & ~first]]),
        np.sort(positions[order[many & half_row & ~first]]),
        filled,
    )


def _fill(
    column: pa.ChunkedArray,
    order: Int64Array,
    positions: Int64Array,
    starts: Int64Array,
    wanted: BoolArray,
    codes: Int64Array,
) -> tuple[Int64Array, pa.Array]:
    """Return the kept rows of halved groups, ascending, and the value that some row of the group has."""
    group_of = np.cumsum(np.isin(np.arange(len(order)), starts)) - 1
    known = np.flatnonzero(codes >= 0)
    _, at = np.unique(group_of[known], return_index=True)
    donor_of = np.full(len(starts), -1, np.int64)
    donor_of[group_of[known[at]]] = known[at]
    kept = positions[order[starts[wanted]]]
    values = column.take(pa.array(order[donor_of[wanted]]))
    ascending = np.argsort(kept)
    return kept[ascending], values.take(pa.array(ascending)).combine_chunks()


def fill(column: pa.ChunkedArray, positions: Int64Array, values: pa.Array) -> pa.ChunkedArray:
    """Return the column with values put at ascending positions."""
    mask = np.zeros(len(column), np.bool_)
    mask[positions] = True
    return pa.chunked_array([pc.replace_with_mask(column.combine_chunks(), pa.array(mask), values)])


def with_values(rows: pa.Table, filled: Filled, start: int = 0) -> pa.Table:
    """Return rows, the first of them at position `start`, with the values that belong there."""
    for name, (positions, values) in filled.items():
        first, last = np.searchsorted(positions, (start, start + rows.num_rows))
        if first < last:
            cells = fill(rows[name], positions[first:last] - start, values.slice(first, last - first))
            rows = rows.set_column(rows.column_names.index(name), name, cells)
    return rows


def edited(parts: Iterator[pa.Table], gone: Int64Array, filled: Filled) -> Iterator[pa.Table]:
    """Yield parts of a table with values put in and without the rows at ascending positions."""
    start = 0
    for part in parts:
        end = start + part.num_rows
        keep = np.ones(part.num_rows, np.bool_)
        keep[gone[slice(*np.searchsorted(gone, (start, end)))] - start] = False
        made = with_values(part, filled, start)
        yield made if keep.all() else made.filter(pa.array(keep))
        start = end
