"""Write columns to files that can be mapped: numbers as .npy, text as offsets and bytes, nulls as packed bits.

Columns grow batch by batch; what is held in memory is one batch.
"""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO, Final, Protocol, Self

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from muledetect.arrays import BoolArray
from muledetect.records.stored import BYTES, NUMBERS, OFFSETS, VALID, VALUES, map_table

_INT32_MAX: Final = 2**31 - 1


class Numbers:
    """A one-dimensional .npy file that grows; `close` writes its length."""

    def __init__(self, path: Path, kind: npt.DTypeLike) -> None:
        self._kind = np.dtype(kind)
        self._n = 0
        self._file: BinaryIO = path.open("wb")
        self._write_header()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, _: BaseException | None, __: TracebackType | None) -> None:
        with self._file:
            if kind is None:
                self._file.seek(0)
                self._write_header()

    def append(self, cells: npt.NDArray[Any]) -> None:
        """Write cells behind the others."""
        self._file.write(np.ascontiguousarray(cells, self._kind).data)
        self._n += len(cells)

    def _write_header(self) -> None:
        # numpy leaves room in the header for a length that grows
        header = {"descr": self._kind.str, "fortran_order": False, "shape": (self._n,)}
        np.lib.format.write_array_header_1_0(self._file, header)


class Bits:
    """Which cells are valid, as bits from the lowest on; the file is there only if a cell is not."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._numbers = Numbers(path, np.uint8)
        self._rest: BoolArray = np.empty(0, np.bool_)
        self._has_null = False

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        with self._numbers:
            self._numbers.append(np.packbits(self._rest, bitorder="little"))
        if not self._has_null:
            self._path.unlink()

    def append(self, valid: BoolArray) -> None:
        """Write flags behind the others."""
        self._has_null |= not valid.all()
        flags = np.concatenate([self._rest, valid])
        whole = len(flags) // 8 * 8
        self._numbers.append(np.packbits(flags[:whole], bitorder="little"))
        self._rest = flags[whole:]


class Column(Protocol):
    """A column that grows; it is whole when the stack that it was opened in ends."""

    def append(self, cells: pa.Array) -> None:
        """Write cells behind the others."""


class PlainColumn:
    """Numbers, times or codes, maybe with nulls."""

    def __init__(self, stem: Path, kind: npt.DTypeLike, opened: ExitStack) -> None:
        self._numbers = opened.enter_context(Numbers(_beside(stem, NUMBERS), kind))
        self._valid = opened.enter_context(Bits(_beside(stem, VALID)))

    def append(self, cells: pa.Array) -> None:
        """Write cells behind the others, 0 where there is none."""
        valid = cells.is_valid().to_numpy(zero_copy_only=False)
        numbers = cells.view(pa.int64()) if pa.types.is_timestamp(cells.type) else cells
        self._valid.append(valid)
        self._numbers.append((numbers if valid.all() else numbers.fill_null(0)).to_numpy())


class TextColumn:
    """Text of which each row has its own; `n_bytes` in all decide how wide its offsets are."""

    def __init__(self, stem: Path, n_rows: int, n_bytes: int, opened: ExitStack) -> None:
        wide = n_bytes + 4 * (n_rows + 1) > _INT32_MAX
        self._end = 0
        self._offsets = opened.enter_context(Numbers(_beside(stem, OFFSETS), np.int64 if wide else np.int32))
        self._bytes = opened.enter_context(Numbers(_beside(stem, BYTES), np.uint8))
        self._valid = opened.enter_context(Bits(_beside(stem, VALID)))
        self._offsets.append(np.zeros(1, np.int64))

    def append(self, cells: pa.Array) -> None:
        """Write texts behind the others."""
        texts = cells.cast(pa.string())
        self._valid.append(texts.is_valid().to_numpy(zero_copy_only=False))
        filled = texts.fill_null("")
        _, offsets, data = filled.buffers()
        ends = (
            np.frombuffer(offsets, np.int32, len(filled) + 1, filled.offset * 4)
            if len(filled)
            else np.zeros(1, np.int32)
        )
        if data is not None:
            self._bytes.append(np.frombuffer(data, np.uint8)[ends[0] : ends[-1]])
        self._offsets.append(ends[1:].astype(np.int64) - int(ends[0]) + self._end)
        self._end += int(ends[-1] - ends[0])


class BatchColumns:
    """Columns of any Arrow types, as batches of one Arrow file."""

    def __init__(self, path: Path, schema: pa.Schema, opened: ExitStack) -> None:
        self._file = opened.enter_context(pa.ipc.new_file(str(path), schema))

    def append(self, batch: pa.Table) -> None:
        """Write rows behind the others."""
        self._file.write_table(batch.combine_chunks())


def put_values(stem: Path, values: pa.Array) -> pa.Array:
    """Write the values of a coded column, by code; return them mapped."""
    place = _beside(stem, VALUES)
    put_arrow(pa.table({"value": values}), place)
    return map_table(place)["value"].chunk(0)


def put_arrow(table: pa.Table, path: Path) -> None:
    """Write a table as one batch of an uncompressed Arrow file, which can be mapped."""
    # combining would copy a single chunk, too
    whole = table if all(column.num_chunks == 1 for column in table.columns) else table.combine_chunks()
    batches = whole.to_batches() or [pa.RecordBatch.from_pylist([], schema=whole.schema)]
    with pa.ipc.new_file(str(path), whole.schema) as file:
        for batch in batches:
            file.write_batch(batch)


def _beside(stem: Path, ending: str) -> Path:
    return stem.with_name(f"{stem.name}{ending}")
