"""One digest of what was accepted, the same for any order of rows and any split into files.

A row's hash is the sum of its cells' hashes, each salted with its column's name; a null adds nothing, so an absent
column equals an empty one. Rows are added up too, in two lanes of 64 bits, and the sums are hashed with SHA-256.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any, Final

import numpy as np
import pyarrow as pa
from numba import njit

from muledetect.arrays import UInt64Array
from muledetect.records.encode import hash_strings, mix
from muledetect.schema import INPUTS

_CHUNK: Final = 1 << 20
_LANE: Final = np.uint64(0xA5A3_B1C7_9E37_79B9)


@njit(cache=True, nogil=True)
def _add_cells(cells: Any, salt: Any, valid: Any, rows: Any) -> None:
    for i in range(rows.size):
        if valid.size == 0 or valid[i]:
            rows[i] += mix(mix(cells[i]) ^ salt)


@njit(cache=True, nogil=True)
def _add_coded(codes: Any, hashes: Any, salt: Any, rows: Any) -> None:
    for i in range(rows.size):
        if codes[i] >= 0:
            rows[i] += mix(mix(hashes[codes[i]]) ^ salt)


@njit(cache=True, nogil=True)
def _add_up(rows: Any, lane: Any) -> Any:
    first = np.uint64(0)
    second = np.uint64(0)
    for row in rows:
        first += mix(row)
        second += mix(row ^ lane)
    return first, second


def hash_rows(table: pa.Table) -> UInt64Array:
    """Return a 64-bit hash of every row over the columns that have a contract type, uint64."""
    rows = np.zeros(table.num_rows, np.uint64)
    for name in table.column_names:
        column = table.column(name)
        salt = np.uint64(int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], "little"))
        dictionary_hashes: dict[int, UInt64Array] = {}
        start = 0
        for chunk in column.chunks:
            _add_column(chunk, salt, rows[start : start + len(chunk)], dictionary_hashes)
            start += len(chunk)
    return rows


def _add_column(chunk: pa.Array, salt: np.uint64, rows: UInt64Array, known: dict[int, UInt64Array]) -> None:
    kind = chunk.type
    if pa.types.is_dictionary(kind):
        words = chunk.dictionary.buffers()[1]
        place = words.address if words is not None else 0
        if place not in known:
            known[place] = hash_strings(chunk.dictionary.cast(pa.string()))
        codes = chunk.indices.fill_null(-1).cast(pa.int32()).to_numpy()
        _add_coded(codes, known[place], salt, rows)
        return
    valid = np.empty(0, np.bool_) if chunk.null_count == 0 else chunk.is_valid().to_numpy(zero_copy_only=False)
    _add_cells(_words(chunk), salt, valid, rows)


def _words(chunk: pa.Array) -> Any:
    kind = chunk.type
    if pa.types.is_string(kind) or pa.types.is_large_string(kind):
        return hash_strings(chunk.cast(pa.string()))
    if pa.types.is_timestamp(kind) or pa.types.is_int64(kind):
        numbers = chunk.view(pa.int64())
        filled = numbers if numbers.null_count == 0 else numbers.fill_null(0)
        return filled.to_numpy().view(np.uint64)
    if pa.types.is_boolean(kind):
        return chunk.fill_null(False).to_numpy(zero_copy_only=False).astype(np.uint64)
    # Adding 0.0 turns -0.0 into 0.0, which compares equal to it.
    return (chunk.cast(pa.float64()).fill_null(0.0).to_numpy(zero_copy_only=False) + 0.0).view(np.uint64)


class RowSum:
    """A sum of rows by their hashes, the same in any order: how many they are, and two lanes of 64 bits."""

    def __init__(self, n_rows: int = 0, lanes: tuple[int, int] = (0, 0)) -> None:
        self.n_rows = n_rows
        self.lanes = lanes

    def add(self, hashes: UInt64Array) -> None:
        """Add rows, given by what `hash_rows` says of them."""
        first, second = _add_up(hashes, _LANE)
        self.lanes = (self.lanes[0] + int(first)) % 2**64, (self.lanes[1] + int(second)) % 2**64
        self.n_rows += len(hashes)

    def __add__(self, other: RowSum) -> RowSum:
        """Return the sum of the rows of both."""
        first, second = (one + more for one, more in zip(self.lanes, other.lanes, strict=True))
        return RowSum(self.n_rows + other.n_rows, (first % 2**64, second % 2**64))

    def __sub__(self, other: RowSum) -> RowSum:
        """Return the sum of the rows without those of the other, which are among them."""
        first, second = (one - less for one, less in zip(self.lanes, other.lanes, strict=True))
        return RowSum(self.n_rows - other.n_rows, (first % 2**64, second % 2**64))

    @property
    def text(self) -> str:
        """Both lanes, 32 hexadecimal digits."""
        return f"{self.lanes[0]:016x}{self.lanes[1]:016x}"

    def __str__(self) -> str:
        return f"{self.n_rows} {self.lanes[0]} {self.lanes[1]}"


def hash_any(table: pa.Table) -> UInt64Array:
    """Return a 64-bit hash of every row as `hash_rows`, uint64; cells of other types count by how Python shows them."""
    for place, field in enumerate(table.schema):
        if not _is_plain(field.type):
            shown = [None if cell is None else repr(cell) for cell in table.column(place).to_pylist()]
            table = table.set_column(place, field.name, pa.array(shown, pa.string()))
    return hash_rows(table)


def _is_plain(kind: pa.DataType) -> bool:
    if pa.types.is_dictionary(kind):
        return bool(pa.types.is_string(kind.value_type) or pa.types.is_large_string(kind.value_type))
    is_text = pa.types.is_string(kind) or pa.types.is_large_string(kind)
    is_number = pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_boolean(kind)
    return bool(is_text or is_number or (pa.types.is_timestamp(kind) and kind.unit == "us"))


def sum_rows(name: str, table: pa.Table) -> RowSum:
    """Return the sum of the rows of a table over its contract columns. O(rows)."""
    asked, total = table.select([column for column in table.column_names if column in INPUTS[name].names]), RowSum()
    for start in range(0, asked.num_rows, _CHUNK):
        total.add(hash_rows(asked.slice(start, _CHUNK)))
    return total


def digest_of_sums(sums: Mapping[str, RowSum], currency: str) -> str:
    """Return the SHA-256 digest of the sums of all accepted tables, 64 hexadecimal digits."""
    digest = hashlib.sha256(currency.encode())
    for name in sorted(sums):
        digest.update(f"\n{name} {sums[name]}".encode())
    return digest.hexdigest()


def fingerprint(tables: Mapping[str, pa.Table], currency: str) -> str:
    """Return the digest of all contract columns of accepted tables. O(rows)."""
    return digest_of_sums({name: sum_rows(name, table) for name, table in tables.items()}, currency)
