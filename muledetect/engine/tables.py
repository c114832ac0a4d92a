"""Tables beside the transfers while a store is made: rows as they were read, and finished tables as files.

Rows come batch by batch and are mapped afterwards. When the table is finished, they are packed: they are kept for
`update` only. An update writes the new rows to a file of their own and lets those before stand, and so it does with the
Parquet files of a finished table whose rows are the same.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import pyarrow as pa

from muledetect.arrays import Int64Array
from muledetect.engine.columns import put_arrow
from muledetect.records.stored import MAPPED, map_table
from muledetect.records.write import put_table

#: Folder of the Parquet files.
TABLES: Final = "tables"
#: Rows of a Parquet file of a table beside the transfers.
PART_ROWS: Final = 1 << 18


class TableSpill:
    """Takes the accepted rows of a table and writes them to an Arrow file.

    `before` are files of rows that come before them, which are linked beside; `rows` are those rows where they can be
    had without reading these files.
    """

    def __init__(self, folder: Path, name: str, before: Sequence[Path] = (), rows: pa.Table | None = None) -> None:
        self._folder, self._name, self._rows = folder, name, rows
        self._before = list(before)
        self._place = folder / rows_file(name, len(self._before))
        self._file: Any = None
        self._names: list[str] = []
        self._held: list[pa.Table] = []
        if self._before and _has_dictionary(schema_of(self._before[0])):
            # such a file has one dictionary a column, which is known at the end: all rows go to one file again
            self._held = [pa.Table.from_batches([*_batches(path)], schema_of(path)) for path in self._before]
            self._before, self._rows, self._place = [], None, folder / rows_file(name, 0)

    def keep(self, columns: Mapping[str, pa.Array], _numbers: Int64Array) -> None:
        """Take the accepted rows of a batch."""
        batch = pa.RecordBatch.from_pydict(dict(columns))
        if _has_dictionary(batch.schema):
            self._held.append(pa.Table.from_batches([batch]))
            return
        if self._file is None:
            self._file, self._names = pa.ipc.new_file(str(self._place), batch.schema), batch.schema.names
        self._file.write_batch(batch.select(self._names))

    def close(self, kinds: Mapping[str, pa.DataType]) -> pa.Table:
        """Return all rows, mapped; `kinds` are the types of the columns, for a table of which nothing was read."""
        if self._file is not None:
            self._file.close()
        elif self._held:
            put_arrow(pa.concat_tables(self._held).unify_dictionaries(), self._place)
        elif not self._before:
            put_arrow(pa.schema(list(kinds.items())).empty_table(), self._place)
        parts = []
        if self._before:
            parts = [self._unpacked() if self._rows is None else self._rows]
            for nth, path in enumerate(self._before):
                os.link(path, self._folder / rows_file(self._name, nth))
        if self._place.is_file():
            new = map_table(self._place)
            parts.append(new.select(parts[0].column_names) if parts else new)
        return pa.concat_tables(parts)

    def _unpacked(self) -> pa.Table:
        """Return the rows before, mapped from a file that is gone by then."""
        scratch = self._place.with_suffix(".unpacked")
        try:
            schema = schema_of(self._before[0])
            with pa.ipc.new_file(str(scratch), schema) as file:
                for path in self._before:
                    for batch in _batches(path):
                        file.write_batch(batch.select(schema.names))
            return map_table(scratch)
        finally:
            scratch.unlink(missing_ok=True)

    def pack(self) -> None:
        """Write the new rows again with smaller batches; who has mapped the old file keeps it."""
        if not self._place.is_file():
            return
        packed, zstd = self._place.with_suffix(".packed"), pa.ipc.IpcWriteOptions(compression="zstd")
        with pa.ipc.new_file(str(packed), schema_of(self._place), options=zstd) as new:
            for batch in _batches(self._place):
                new.write_batch(batch)
        packed.replace(self._place)


def rows_file(name: str, nth: int) -> str:
    """Return the name of a file of rows as they were read, in `rows/`."""
    return f"table.{name}.{nth:06d}.arrow"


def rows_files(folder: Path, name: str) -> list[Path]:
    """Return the files of rows of a table as they were read, in order."""
    return sorted(folder.glob(f"table.{name}.*"))


def schema_of(path: Path) -> pa.Schema:
    """Return the columns of an Arrow file."""
    with pa.OSFile(str(path)) as file, pa.ipc.open_file(file) as rows:
        return rows.schema


def _batches(path: Path) -> Iterator[pa.RecordBatch]:
    with pa.OSFile(str(path)) as file, pa.ipc.open_file(file) as rows:
        for place in range(rows.num_record_batches):
            yield rows.get_batch(place)


def _has_dictionary(schema: pa.Schema) -> bool:
    return any(pa.types.is_dictionary(field.type) for field in schema)


@dataclass(frozen=True)
class Finished:
    """A table of the store that a new one takes the place of: folder of the store, name, and rows, mapped."""

    folder: Path
    name: str
    rows: pa.Table

    def n_same(self, table: pa.Table) -> int:
        """Return how many rows these are, if a table begins with them; else -1."""
        is_same = table.schema.equals(self.rows.schema) and table.slice(0, len(self.rows)).equals(self.rows)
        return len(self.rows) if is_same else -1


def put_finished(table: pa.Table, folder: Path, name: str, old: Finished | None, n_same: int) -> None:
    """Write a finished table to be mapped, and as Parquet; files of its first `n_same` rows, which are old, stay."""
    (folder / TABLES / name).mkdir(parents=True)
    for nth, start in enumerate(range(0, max(len(table), 1), PART_ROWS)):
        part, rows = f"{TABLES}/{name}/part-{nth:04d}.parquet", table.slice(start, PART_ROWS)
        end = start + len(rows)
        is_same = old is not None and end <= n_same and (end - start == PART_ROWS or end == len(old.rows))
        if old is not None and is_same and (old.folder / part).is_file():
            os.link(old.folder / part, folder / part)
        else:
            put_table(rows, folder / part)
    mapped = f"{MAPPED}/{name}.arrow"
    if old is not None and len(table) == n_same:
        os.link(old.folder / mapped, folder / mapped)
    else:
        put_arrow(table, folder / mapped)
