"""A table beside the transfers on disk while a store is made: rows come batch by batch and are mapped afterwards.

When the table is finished, its rows are packed: they are kept for `update` only, which reads them batch by batch.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa

from muledetect.arrays import Int64Array
from muledetect.engine.columns import put_arrow
from muledetect.records.stored import map_table


class TableSpill:
    """Takes the accepted rows of a table and writes them to an Arrow file; `old` has rows that come before them."""

    def __init__(self, path: Path, old: pa.RecordBatchFileReader | None) -> None:
        self._path = path
        self._file: Any = None
        self._names: list[str] = []
        self._held: list[pa.Table] = []
        if old is not None:
            for place in range(old.num_record_batches):
                self._write(old.get_batch(place))

    def keep(self, columns: Mapping[str, pa.Array], _numbers: Int64Array) -> None:
        """Take the accepted rows of a batch."""
        self._write(pa.RecordBatch.from_pydict(dict(columns)))

    def _write(self, batch: pa.RecordBatch) -> None:
        if any(pa.types.is_dictionary(field.type) for field in batch.schema):
            # such a file has one dictionary a column, which is known at the end
            self._held.append(pa.Table.from_batches([batch]))
            return
        if self._file is None:
            self._file, self._names = pa.ipc.new_file(str(self._path), batch.schema), batch.schema.names
        self._file.write_batch(batch.select(self._names))

    def close(self, kinds: Mapping[str, pa.DataType]) -> pa.Table:
        """Return all rows, mapped; `kinds` are the types of the columns, for a table of which nothing was read."""
        if self._file is not None:
            self._file.close()
        elif self._held:
            put_arrow(pa.concat_tables(self._held).unify_dictionaries(), self._path)
        else:
            put_arrow(pa.schema(list(kinds.items())).empty_table(), self._path)
        return map_table(self._path)


def pack_rows(path: Path) -> None:
    """Write an Arrow file again with smaller batches of the same rows; who has mapped the old one keeps it."""
    packed, zstd = path.with_suffix(".packed"), pa.ipc.IpcWriteOptions(compression="zstd")
    with (
        pa.OSFile(str(path)) as file,
        pa.ipc.open_file(file) as old,
        pa.ipc.new_file(str(packed), old.schema, options=zstd) as new,
    ):
        for place in range(old.num_record_batches):
            new.write_batch(old.get_batch(place))
    packed.replace(path)
