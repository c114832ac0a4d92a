"""Rows of transfers on disk while a store is made: what one batch gave, in files that DuckDB can read.

Columns have names of their own there (`c0`, `c1`, ...), because a data set may call its own columns anything.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from muledetect.arrays import Int64Array
from muledetect.records.encode import hash_strings
from muledetect.schema import TRANSFERS

FILE_ROWS: Final = 1 << 20
ROW, HASH = "n", "h"
_ACCOUNTS: Final = ("source", "target")
_KINDS: Final = {pa.string(): "text", pa.int64(): "number", pa.timestamp("us", tz="UTC"): "time"}
_TEXTS: Final = ("transfer_id", "reversal_of")
#: Types of columns outside the contract that come back from DuckDB as they went in.
_SAFE: Final = (
    pa.string(), pa.bool_(), pa.int8(), pa.int16(), pa.int32(), pa.int64(), pa.uint8(), pa.uint16(), pa.uint32(),
    pa.uint64(), pa.float32(), pa.float64(),
)  # fmt: skip


@dataclass(frozen=True)
class Field:
    """A column of the transfers: its name, what it is called on disk, its type here and there, and its kind.

    `kind` is that of `records.stored`; a column of kind "held" is not on disk but in memory.
    """

    name: str
    key: str
    kind: str
    type: pa.DataType
    stored: pa.DataType


def field_of(name: str, place: int, found: pa.DataType) -> Field:
    """Return the field of a column by the type that its first batch has."""
    kind, type_, stored = "other", found, found
    if name in _ACCOUNTS:
        kind, type_, stored = "account", pa.int32(), pa.int32()
    elif name in _TEXTS:
        kind, type_, stored = "text", pa.string(), pa.string()
    elif name in TRANSFERS.names:
        declared = TRANSFERS.column(name).arrow_type
        is_text = declared == pa.string() and found != declared  # without any row, nothing was coded
        type_ = stored = pa.int32() if is_text else declared
        kind = "coded" if is_text else _KINDS[declared]
    if pa.types.is_timestamp(type_) and type_.unit == "us":
        stored = pa.int64()
    elif stored not in _SAFE:
        kind = "held"
    return Field(name, f"c{place}", kind, type_, stored)


class Spill:
    """Takes accepted rows batch by batch and writes them to files of 2^20 rows, in the folder `rows`.

    Groups of rows that are put in their place go to `scratch`.
    """

    def __init__(self, rows: Path, scratch: Path) -> None:
        self.fields: list[Field] = []
        self.schema = pa.schema([])
        #: Columns that DuckDB would change: in memory, beside the numbers of all rows.
        self.held: dict[str, list[pa.Array]] = {}
        self.numbers: list[Int64Array] = []
        self._folders = {"read": rows}
        self._scratch = scratch
        self._files: dict[str, list[Path]] = {}
        self._waiting: list[pa.Table] = []

    def begin(self, schema: pa.Schema) -> None:
        """Say which columns the rows have, and their types in the first batch."""
        self.schema = schema
        self.fields = [field_of(field.name, place, field.type) for place, field in enumerate(schema)]

    def keep(self, columns: Mapping[str, pa.Array], numbers: Int64Array) -> None:
        """Take the accepted rows of a batch, and their numbers in the input."""
        if not self.fields:
            self.begin(pa.schema([(name, cells.type) for name, cells in columns.items()]))
        for field in self.fields:
            if field.kind == "held":
                self.held.setdefault(field.name, []).append(columns[field.name])
        if self.held:
            self.numbers.append(numbers)
        self._waiting.append(self.on_disk(pa.table(dict(columns)), numbers))
        if sum(map(len, self._waiting)) >= FILE_ROWS:
            self.flush()

    def flush(self) -> None:
        """Write what is waiting."""
        if self._waiting:
            self.put("read", pa.concat_tables(self._waiting))
            self._waiting = []

    def put(self, group: str, rows: pa.Table) -> None:
        """Write a file of a group, as `on_disk` gave its rows."""
        pq.write_table(rows, self.next_file(group), compression="zstd", use_dictionary=False)

    def next_file(self, group: str) -> Path:
        """Return the place of one more file of a group."""
        files = self._files.setdefault(group, [])
        files.append(self._folders.get(group, self._scratch) / f"{group}-{len(files):06d}.parquet")
        return files[-1]

    def source(self, group: str) -> str:
        """Return the files of a group, as SQL."""
        listed = ", ".join("'" + str(path).replace("'", "''") + "'" for path in self._files[group])
        return f"read_parquet([{listed}])"

    def on_disk(self, rows: pa.Table, numbers: Int64Array) -> pa.Table:
        """Return rows as they are on disk, with their numbers and the hashes of their ids."""
        made = {field.key: _stored(rows[field.name], field) for field in self.fields if field.kind != "held"}
        ids = rows["transfer_id"].combine_chunks().cast(pa.string())
        return pa.table({ROW: pa.array(numbers), HASH: pa.array(hash_strings(ids)), **made})

    def in_memory(self, stored: pa.Table) -> pa.Table:
        """Return rows from disk as `TableReader` had them, those of the contract coded."""
        numbers = stored[ROW].to_numpy()
        return pa.table(
            {
                field.name: self.held_rows(field.name, numbers)
                if field.kind == "held"
                else restored(stored[field.key], field)
                for field in self.fields
            }
        )

    def held_rows(self, name: str, numbers: Int64Array) -> pa.Array:
        """Return the cells of a column in memory, of rows by number."""
        if len(self.held[name]) > 1:
            self.held[name] = [pa.chunked_array(self.held[name]).combine_chunks()]
        if len(self.numbers) > 1:
            self.numbers = [np.concatenate(self.numbers)]
        return self.held[name][0].take(pa.array(np.searchsorted(self.numbers[0], numbers)))


def _stored(cells: pa.ChunkedArray, field: Field) -> pa.ChunkedArray:
    if pa.types.is_timestamp(cells.type):
        return pa.chunked_array([c.view(pa.int64()) for c in cells.chunks], pa.int64())
    return cells if cells.type == field.stored else cells.cast(field.stored)


def restored(cells: pa.ChunkedArray, field: Field) -> pa.ChunkedArray:
    """Return cells from disk in the type that they had."""
    if cells.type != field.stored:
        cells = cells.cast(field.stored)
    if field.type == field.stored:
        return cells
    return pa.chunked_array([c.view(field.type) for c in cells.chunks], field.type)
