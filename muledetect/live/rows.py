"""Tables that grow by rows: one array a column, text as codes; what is asked for comes out as Arrow.

>>> rows = Rows(pa.table({"account_id": ["a", "b"], "amount": pa.array([1, None], pa.int64())}))
>>> rows.append(pa.table({"account_id": ["c"]}))
>>> rows.take(np.array([2, 0]))["account_id"].to_pylist(), rows.take(np.array([1]))["amount"].to_pylist()
(['c', 'a'], [None])
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterable, Mapping
from copy import copy
from dataclasses import dataclass
from typing import Any, Final

import numba
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from muledetect.arrays import MISSING, AnyArray, Int32Array, Int64Array
from muledetect.records.encode import IdEncoder, encode_columns
from muledetect.schema import INPUTS

#: Room that a new array has beyond what it holds, as a share of it, and at least so many cells. Memory that was never
#: written takes no room: the operating system gives pages when they are first used.
_AHEAD: Final = 0.5
_LEAST: Final = 4_096

#: So many of the last cells are copied when an array is lent: rows that come late are put among them.
_RECENT: Final = 16_384

#: Bytes of a line of the processor's cache.
_LINE: Final = 64

_NUMBERS: Final = itertools.count()


class Growing:
    """An array whose first axis grows; `values` is what it holds. To change cells that it holds, take `own`."""

    def __init__(self, values: AnyArray) -> None:
        self.n = 0
        self._lent: dict[int, int] = {}
        self._array = np.empty((0, *values.shape[1:]), values.dtype)
        self.append(values)

    @property
    def values(self) -> AnyArray:
        """What it holds; a view, so take a copy of what must stay."""
        return self._array[: self.n]

    @property
    def nbytes(self) -> int:
        """Bytes that are in use; room ahead is not counted, for it was never written."""
        return self.n * (self._array.nbytes // max(1, len(self._array)))

    def reserve(self, n: int) -> None:
        """Make room for `n` values."""
        if n > len(self._array):
            bigger = _aligned(n + max(_LEAST, int(n * _AHEAD)), self._array)
            bigger[: self.n] = self.values
            self._array, self._lent = bigger, {}

    def append(self, values: AnyArray) -> None:
        """Add values behind the others."""
        self.extend(len(values))[...] = values

    def extend(self, n: int) -> AnyArray:
        """Add `n` cells, and return them for writing: what they hold is not set yet."""
        low = self.n
        self.reserve(low + n)
        if self._lent:
            self.own(low)
        self.n += n
        return self._array[low : self.n]

    def cut(self, n: int) -> None:
        """Forget what lies behind the first `n`."""
        self.n = n

    def own(self, low: int) -> AnyArray:
        """Return the values for writing from cell `low` on; another array takes over where some of them are lent."""
        if self._lent and low < max(list(self._lent.values()), default=0):
            self._array, self._lent = self._array.copy(), {}
        return self.values

    def lend(self) -> Callable[[], Growing]:
        """Return what makes another array of the values of now, and may be called in another thread.

        Nothing is copied before that call but the last cells, which late rows change.
        """
        first, lent = max(0, self.n - _RECENT), self._lent
        before, recent, number = self._array[:first], self._array[first : self.n].copy(), next(_NUMBERS)
        lent[number] = first

        def copied() -> Growing:
            made = Growing(before)
            made.append(recent)
            lent.pop(number, None)
            return made

        return copied


def _aligned(n: int, like: AnyArray) -> AnyArray:
    """Return an array of `n` cells like those of another, at the begin of a line of the cache: few cells cross one."""
    shape = (n, *like.shape[1:])
    size = math.prod(shape) * like.dtype.itemsize
    raw = np.empty(size + _LINE, np.uint8)
    begin = -raw.ctypes.data % _LINE
    return raw[begin : begin + size].view(like.dtype).reshape(shape)


@dataclass(frozen=True)
class Cells:
    """A few rows in the form of the contract, without Arrow, which takes longer to make than to use.

    Attributes
    ----------
    columns : mapping of column name -> list
        Text, whole numbers (times in microseconds), numbers, flags, or None; a list has a cell a row.
    n : int
        Number of rows.
    """

    columns: Mapping[str, list[Any]]
    n: int

    def __len__(self) -> int:
        return self.n

    def to_arrow(self, name: str) -> pa.Table:
        """Return them as a table of the contract, `name`."""
        kinds = {column: INPUTS[name].column(column).arrow_type for column in self.columns}
        return pa.table({column: pa.array(cells, kinds[column]) for column, cells in self.columns.items()})


class Rows:
    """The rows of one table. Columns are those of the table that it starts with; one that new rows lack is null there.

    Parameters
    ----------
    table : pyarrow.Table or dict of column name -> pyarrow.ChunkedArray
        The first rows, maybe none. Columns are taken out of a dictionary one by one, so that each may be freed.
    shared : mapping of column name -> IdEncoder
        Encoders that other tables use too.
    """

    def __init__(
        self, table: pa.Table | dict[str, pa.ChunkedArray], shared: Mapping[str, IdEncoder] | None = None
    ) -> None:
        columns = table if isinstance(table, dict) else dict(zip(table.column_names, table.columns, strict=True))
        self.schema: pa.Schema = pa.schema([(name, column.type) for name, column in columns.items()])
        self._shared = dict(shared or {})
        self.encoders: dict[str, IdEncoder] = {
            field.name: self._shared[field.name] if field.name in self._shared else IdEncoder()
            for field in self.schema
            if _is_text(field.type)
        }
        self._number_of: dict[str, Int32Array] = {}
        self._missing = {field.name: _missing_of(field.type) for field in self.schema}
        self._columns = {name: Growing(self._coded(name, columns.pop(name))) for name in self.schema.names}

    def __len__(self) -> int:
        return next(iter(self._columns.values())).n

    def __getitem__(self, name: str) -> AnyArray:
        """Return the cells of a column: int64 with `MISSING`, float64 with NaN, int8 with -1, or codes with -1."""
        return self._columns[name].values

    def __contains__(self, name: object) -> bool:
        return name in self._columns

    @property
    def nbytes(self) -> int:
        """Bytes of the columns, and of the dictionaries of their texts that no other table uses."""
        own = [encoder for name, encoder in self.encoders.items() if name not in self._shared]
        return sum(column.nbytes for column in self._columns.values()) + sum(encoder.nbytes for encoder in own)

    def append(self, table: pa.Table | Cells) -> None:
        """Add rows; columns that the rows here do not have are passed over."""
        if isinstance(table, Cells):
            texts = {name: table.columns[name] for name in self.encoders if name in table.columns}
            coded = encode_columns(self.encoders, texts)
            for name, column in self._columns.items():
                missing = self._missing[name]
                cells = coded[name] if name in coded else table.columns.get(name, missing)
                if isinstance(cells, list) and None in cells:
                    cells = [missing if one is None else one for one in cells]
                column.extend(len(table))[...] = cells
            return
        for field in self.schema:
            given = table[field.name] if field.name in table.column_names else pa.nulls(len(table), field.type)
            self._columns[field.name].append(self._coded(field.name, given))

    def lend(self) -> Callable[[], Rows]:
        """Return what makes rows as they are now, and may be called in another thread; see `Growing.lend`.

        Text stays in the dictionaries of these rows, which may learn on.
        """
        columns = {name: one.lend() for name, one in self._columns.items()}

        def copied() -> Rows:
            made = copy(self)
            made._columns, made._number_of = {name: column() for name, column in columns.items()}, {}
            return made

        return copied

    def cut(self, n: int) -> None:
        """Forget the rows behind the first `n`."""
        for column in self._columns.values():
            column.cut(n)

    def copy_row(self, row: int, onto: int) -> None:
        """Put a row over another."""
        for column in self._columns.values():
            column.own(onto)[onto] = column.values[row]

    def differing(self, row: int, other: int) -> list[str]:
        """Return the columns in which two rows differ; null equals null."""
        return [
            name
            for name, column in self._columns.items()
            if column.values[row : row + 1].tobytes() != column.values[other : other + 1].tobytes()
        ]

    def reorder(self, low: int, order: AnyArray) -> None:
        """Put the rows from `low` on into an order."""
        for column in self._columns.values():
            column.own(low)[low:] = column.values[low:][order]

    def take(self, rows: Int64Array | slice, names: Iterable[str] | None = None) -> pa.Table:
        """Return some rows, of all columns or of some, in the types that they came in."""
        wanted = self.schema.names if names is None else [name for name in self.schema.names if name in set(names)]
        cells = {name: self._columns[name].values[rows] for name in wanted}
        # Arrow would take over the cells of a slice, and these may change
        return pa.table(
            {name: self._arrow(name, one.copy() if isinstance(rows, slice) else one) for name, one in cells.items()}
        )

    def numbered(self, name: str, rows: Int64Array) -> Int32Array:
        """Return codes of some cells of a column of text that leave out none, in order of appearance; -1 for null."""
        return self._distinct(name, self._columns[name].values[rows])[1]

    def _distinct(self, name: str, cells: AnyArray) -> tuple[Int32Array, Int32Array]:
        n_codes = len(self.encoders[name])
        if len(self._number_of.get(name, ())) < n_codes:
            self._number_of[name] = np.full(2 * n_codes, -1, np.int32)
        found: tuple[Int32Array, Int32Array] = _number(cells, self._number_of.get(name, np.empty(0, np.int32)))
        return found

    def _coded(self, name: str, column: Any) -> AnyArray:
        kind = self.schema.field(name).type
        whole = column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
        if name in self.encoders:
            return self.encoders[name].encode(whole)
        missing = self._missing[name]
        plain = whole if pa.types.is_floating(kind) else whole.cast(pa.from_numpy_dtype(missing.dtype))
        return _filled(plain, missing)

    def _arrow(self, name: str, cells: AnyArray) -> pa.Array:
        kind = self.schema.field(name).type
        if name in self.encoders:
            if not pa.types.is_dictionary(kind):
                return self.encoders[name].take(cells)
            codes, place = self._distinct(name, cells)
            indices = pa.array(place, mask=place < 0)
            return pa.DictionaryArray.from_arrays(indices, self.encoders[name].take(codes))
        if pa.types.is_boolean(kind):
            return pa.array(cells > 0, mask=cells < 0)
        if pa.types.is_floating(kind):
            return pa.array(cells, kind, mask=np.isnan(cells))
        return pa.array(cells, mask=cells == MISSING).cast(kind)


@numba.njit(cache=True, nogil=True)
def _number(cells, number) -> tuple[Int32Array, Int32Array]:  # type: ignore[no-untyped-def]
    """Return the distinct codes in order of appearance, and each cell's place among them; `number` is -1 throughout."""
    codes, place, n = np.empty(len(cells), np.int32), np.empty(len(cells), np.int32), 0
    for i in range(len(cells)):
        code = cells[i]
        if code >= 0 and number[code] < 0:
            number[code], codes[n] = n, code
            n += 1
        place[i] = number[code] if code >= 0 else -1
    for k in range(n):
        number[codes[k]] = -1
    return codes[:n], place


def _is_text(kind: pa.DataType) -> bool:
    is_text = (pa.types.is_string, pa.types.is_large_string, pa.types.is_dictionary)
    return any(one(kind) for one in is_text)


def _missing_of(kind: pa.DataType) -> np.generic[Any]:
    """Return what stands for null in a column, in the type of its cells."""
    if _is_text(kind):
        return np.int32(-1)
    if pa.types.is_boolean(kind):
        return np.int8(-1)
    return np.float64(np.nan) if pa.types.is_floating(kind) else np.int64(MISSING)


def _filled(column: Any, missing: np.generic[Any]) -> AnyArray:
    if column.null_count:
        column = pc.fill_null(column, pa.scalar(missing.item(), column.type))
    return np.asarray(column.to_numpy(zero_copy_only=False), missing.dtype)
