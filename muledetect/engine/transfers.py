"""Write transfers that come in canonical order: as columns that are mapped, and as Parquet."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Final, Self

import numpy as np
import pyarrow as pa

from muledetect.arrays import Int32Array, Int64Array
from muledetect.engine.columns import BatchColumns, Numbers, PlainColumn, TextColumn, put_values
from muledetect.engine.parts import Parts
from muledetect.engine.spill import ROW, Spill, restored
from muledetect.records.reading import in_order
from muledetect.records.stored import OTHERS, TRANSFERS

_SMALL_CODES: Final = 127


class TransfersWriter:
    """Turns rows of a spill, in order, into columns of the contract and writes them; use it in a `with` block.

    `values` are the values of each coded column, sorted, and their place by code; `currency` that of all rows, "" for
    none; `found` is what `Rows.describe` says; `order` is the file that gets the number of each row in the input.
    `columns` are then those of the header of a store.
    """

    def __init__(
        self,
        folder: Path,
        spill: Spill,
        parts: Parts,
        account_ids: pa.StringArray,
        values: Mapping[str, tuple[pa.StringArray, Int32Array]],
        currency: str,
        found: Mapping[str, int],
        order: Path | None = None,
    ) -> None:
        self._order = order
        self._numbers: Numbers | None = None
        self._spill, self._parts, self._account_ids, self._currency = spill, parts, account_ids, currency
        self._values = {name: (texts, np.append(rank, np.int32(-1))) for name, (texts, rank) in values.items()}
        empty = self.finished(
            pa.table({ROW: pa.array([], pa.int64()), **{f.key: pa.array([], f.stored) for f in spill.fields}})
        )
        kinds = {field.name: field.kind for field in spill.fields} | {"currency": "coded"}
        kinds = {name: "other" if kind == "held" else kind for name, kind in kinds.items()}
        #: Name and kind of each column, in the order of the data set.
        self.columns = tuple({"name": name, "kind": kinds[name]} for name in empty.column_names)
        self._others = [column["name"] for column in self.columns if column["kind"] == "other"]
        self._folder, self.empty, self._found = folder, empty, found

    def __enter__(self) -> Self:
        with ExitStack() as opened:
            self._open(opened)
            self._opened = opened.pop_all()
        return self

    def _open(self, opened: ExitStack) -> None:
        folder, empty, found = self._folder, self.empty, self._found
        self._writers: dict[str, PlainColumn | TextColumn] = {}
        for column in self.columns:
            name, stem = column["name"], folder / TRANSFERS / column["name"]
            kind = empty.schema.field(name).type
            if column["kind"] == "text":
                self._writers[name] = TextColumn(stem, found["n"], found[name], opened)
            elif column["kind"] != "other":
                numbers = kind.index_type if pa.types.is_dictionary(kind) else pa.int64()
                self._writers[name] = PlainColumn(stem, numbers.to_pandas_dtype(), opened)
            if column["kind"] == "coded" and name not in self._values:
                put_values(stem, empty[name].chunk(0).dictionary)
        if self._order is not None:
            self._numbers = opened.enter_context(Numbers(self._order, np.int64))
        if self._others:
            self._batches = BatchColumns(folder / OTHERS, empty.select(self._others).schema, opened)

    def __exit__(self, *told: Any) -> None:
        with self._opened:
            if told[0] is None:
                self._parts.close()

    def append(self, batch: pa.Table) -> None:
        """Write rows of the spill that follow those before."""
        self.put(self.finished(batch), batch[ROW].to_numpy())

    def put(self, rows: pa.Table, numbers: Int64Array) -> None:
        """Write rows as they are in a data set, one chunk a column, and their numbers in the input."""
        for name, writer in self._writers.items():
            cells = rows[name].chunk(0)
            writer.append(cells.indices if pa.types.is_dictionary(cells.type) else cells)
        if self._others:
            self._batches.append(rows.select(self._others))
        if self._numbers is not None:
            self._numbers.append(numbers)
        payers = rows["source"].chunk(0).indices.to_numpy()
        for start, end in self._parts.changed(rows["time"].chunk(0).view(pa.int64()).to_numpy()):
            self._parts.append(_as_text(rows.slice(start, end - start)), numbers[start:end], payers[start:end])

    def finished(self, batch: pa.Table) -> pa.Table:
        """Return rows of the spill as they are in a data set, one chunk a column."""
        made: dict[str, pa.Array] = {}
        for field in self._spill.fields:
            if field.kind == "held":
                made[field.name] = self._spill.held_rows(field.name, batch[ROW].to_numpy())
            elif field.kind == "account":
                codes = _whole(batch[field.key])
                made[field.name] = pa.DictionaryArray.from_arrays(codes, self._account_ids, safe=False)
            elif field.name in self._values:
                made[field.name] = self._coded(field.name, _whole(batch[field.key]))
            elif field.name != "currency":
                made[field.name] = _whole(restored(batch[field.key], field))
        if self._currency:
            zeros = pa.array(np.zeros(len(batch), np.int8))
            made["currency"] = pa.DictionaryArray.from_arrays(zeros, pa.array([self._currency]))
        rows = pa.table(made)
        return rows.select(in_order("transfers", rows))

    def _coded(self, name: str, codes: pa.Array) -> pa.DictionaryArray:
        values, wide = self._values[name]
        numbers = wide[codes.to_numpy()].astype(np.int8 if len(values) < _SMALL_CODES else np.int32)
        missing = numbers < 0
        indices = pa.array(numbers, mask=missing) if missing.any() else pa.array(numbers)
        return pa.DictionaryArray.from_arrays(indices, values, safe=False)


def write_in_order(writer: TransfersWriter, batches: Iterable[pa.Table]) -> int:
    """Write all batches; return the number of rows."""
    n_rows = 0
    with writer:
        for batch in batches:
            writer.append(batch)
            n_rows += len(batch)
    return n_rows


def _as_text(rows: pa.Table) -> pa.Table:
    """Return rows with text instead of codes: a Parquet file depends on its own rows only, not on values elsewhere."""
    for place, column in enumerate(rows.columns):
        if pa.types.is_dictionary(column.type):
            rows = rows.set_column(place, rows.column_names[place], column.cast(column.type.value_type))
    return rows


def _whole(column: pa.ChunkedArray) -> pa.Array:
    return column.chunk(0) if column.num_chunks == 1 else column.combine_chunks()
