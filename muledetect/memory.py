"""Room for what has a row a transfer: on the heap, or, with a limit of memory, in scratch files that are mapped.

The pages of a mapped file are no memory of the process: the operating system writes them out and takes them back when
it needs them. What stays on the heap is then bounded by the accounts and the work in hand, not by the transfers. The
files have no name: they are gone when nobody uses them, also after an error or a kill.

>>> room = open_room("4GB")
>>> room.full((3, 2), 7, "int32").tolist()
[[7, 7], [7, 7], [7, 7]]
"""

from __future__ import annotations

import ctypes
import dataclasses
import errno
import os
import re
import shutil
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from math import prod
from types import MappingProxyType
from typing import Any, BinaryIO, Final, TypeVar, cast

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from muledetect.errors import OptionError
from muledetect.mapped import PAGES, is_mapped, map_file

T = TypeVar("T")

#: Says the limit where no argument or option does.
VARIABLE: Final = "MULEDETECT_MEMORY"

# Rows of a table that are filtered at once.
_PIECE: Final = 2**18

#: Smaller arrays stay on the heap: each mapped one takes a file of the process.
LEAST: Final = 2**20

# What is on the heap in any case, in bytes; and times the size of Parquet files while they are read.
_PROGRAM: Final = 600_000_000
_AN_ACCOUNT: Final = 300
_A_TRANSFER: Final = 10
_A_SESSION: Final = 15
_OF_ONE_ACCOUNT: Final = 200
_READING: Final = 6
# Of a live state and that of the next day beside it.
_A_LIVE_ACCOUNT: Final = 300
_A_LIVE_TRANSFER: Final = 1_000

_UNITS: Final[Mapping[str, int]] = MappingProxyType({"": 1, "k": 10**3, "m": 10**6, "g": 10**9, "t": 10**12})
_SIZE: Final = re.compile(r"(\d+(?:\.\d+)?)\s*([kmgt]?)(i?)b?", re.IGNORECASE)


def parse_memory(memory: str | int | None) -> int | None:
    """Return a size such as "4GB", "500 MB" or "4GiB" in bytes; a whole number is bytes, None is no limit.

    Without an argument the environment variable `MULEDETECT_MEMORY` counts.

    Parameters
    ----------
    memory : str or int, optional

    Raises
    ------
    OptionError
        If it is not a positive size.
    """
    stated = os.environ.get(VARIABLE) or None if memory is None else memory
    if stated is None:
        return None
    match = _SIZE.fullmatch(str(stated).strip())
    unit = _UNITS[match[2].lower()] if match else 0
    if match and match[3] and unit > 1:
        unit = 2 ** (10 * "kmgt".index(match[2].lower()) + 10)
    size = int(float(match[1]) * unit) if match else 0
    if size <= 0 or isinstance(stated, bool):
        where = f"{VARIABLE} (environment)" if memory is None else "memory"
        raise OptionError(f"{where}: {stated!r} is no size. Write a number and a unit, such as 4GB or 800MB.")
    return size


@dataclasses.dataclass(frozen=True, eq=False)
class Room:
    """Where arrays with a row a transfer are kept.

    Parameters
    ----------
    limit : int, optional
        Bytes that the process may hold. None: arrays stay on the heap.
    folder : str, optional
        Of the scratch files; default: that of the environment (TMPDIR).
    least : int
        Arrays of fewer bytes stay on the heap.
    """

    limit: int | None = None
    folder: str | None = None
    least: int = LEAST

    def empty(self, shape: int | tuple[int, ...], dtype: npt.DTypeLike) -> npt.NDArray[Any]:
        """Return an array whose values are not set yet.

        Raises
        ------
        OSError
            If the disk of the scratch files is full; the message says how much is needed.
        """
        if self.limit is None:
            return np.empty(shape, dtype)
        shape, kind = (shape,) if isinstance(shape, int) else shape, np.dtype(dtype)
        size = prod(shape) * kind.itemsize
        if size < max(self.least, 1):
            return np.empty(shape, kind)
        with tempfile.TemporaryFile(dir=self.folder, prefix="muledetect-") as file:
            _reserve(cast(BinaryIO, file), size)
            mapped = map_file(cast(BinaryIO, file), is_written=True, limit=self.limit)
            return np.frombuffer(mapped, kind).reshape(shape)

    def full(self, shape: int | tuple[int, ...], value: Any, dtype: npt.DTypeLike) -> npt.NDArray[Any]:
        """Return an array that holds `value` everywhere."""
        made = self.empty(shape, dtype)
        made.fill(value)
        return made

    def longer(self, array: npt.NDArray[Any], n: int) -> npt.NDArray[Any]:
        """Return `n` values that begin with those of a flat array; the others are 0."""
        made = self.empty(n, array.dtype)
        made[: len(array)], made[len(array) :] = array, 0
        return made

    def join(self, parts: Sequence[npt.NDArray[Any]], dtype: npt.DTypeLike) -> npt.NDArray[Any]:
        """Return flat arrays one after the other."""
        made, at = self.empty(sum(map(len, parts)), dtype), 0
        for part in parts:
            made[at : at + len(part)] = part
            at += len(part)
        return made

    def keep(self, value: T) -> T:
        """Return the same value with its large arrays moved into scratch files, for long use.

        Parameters
        ----------
        value : any
            Arrays, of Arrow too, and tuples, mappings and dataclasses of these; all else is returned as it is. What
            lies in a mapped file is not copied.
        """
        if self.limit is None:
            return value
        moved = cast(T, self._moved(value))
        give_back()
        return moved

    def _moved(self, value: Any) -> Any:
        if isinstance(value, np.ndarray):
            return self._move_array(value)
        if isinstance(value, pa.Array) and len(value):
            buffers = [buffer for buffer in value.buffers() if buffer is not None and buffer.size >= self.least]
            is_here = buffers and not all(is_mapped(buffer.address) for buffer in buffers)
            return self.keep_table(pa.table({"": value}))[""].chunk(0) if is_here else value
        if isinstance(value, tuple):
            parts = [self._moved(part) for part in value]
            return type(value)(*parts) if hasattr(value, "_fields") else tuple(parts)
        if type(value) in (dict, MappingProxyType):
            return type(value)({key: self._moved(part) for key, part in value.items()})
        if dataclasses.is_dataclass(value) and not isinstance(value, type):
            fields = [field.name for field in dataclasses.fields(value) if field.init]
            old = {name: getattr(value, name) for name in fields}
            new = {name: self._moved(part) for name, part in old.items()}
            return dataclasses.replace(value, **new) if any(new[name] is not old[name] for name in fields) else value
        return value

    def _move_array(self, array: npt.NDArray[Any]) -> npt.NDArray[Any]:
        if array is PAGES or array.nbytes < self.least or array.dtype.hasobject or is_mapped(array.ctypes.data):
            return array  # whoever had a copy of PAGES would never be told that it need not wait any more
        made = self.empty(array.shape, array.dtype)
        made[...] = array
        made.flags.writeable = array.flags.writeable
        return made

    def take(self, array: npt.NDArray[Any], places: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """Return the values at some places of a flat array, as `array[places]`; places count from the begin only."""
        made = self.empty(len(places), array.dtype)
        np.take(array, places, out=made, mode="clip")  # what may raise would be gathered on the heap first
        return made

    def keep_table(self, table: pa.Table) -> pa.Table:
        """Return a table that reads its columns from a scratch file; it must not be a view of one already.

        Parameters
        ----------
        table : pyarrow.Table
        """
        if self.limit is None or table.nbytes < self.least:
            return table
        return self._write(table.schema, [table.combine_chunks().unify_dictionaries()], table.nbytes)

    def combine(self, table: pa.Table) -> pa.Table:
        """Return a table with one chunk a column; with a limit, one column after the other moves to a scratch file.

        Parameters
        ----------
        table : pyarrow.Table
        """
        if self.limit is None or table.nbytes < self.least:
            return table.combine_chunks()
        made = []
        for column in table.unify_dictionaries().columns:
            whole = column if column.num_chunks == 1 else column.combine_chunks()
            chunks = whole.chunks if isinstance(whole, pa.ChunkedArray) else [whole]  # several beyond 2 GiB of text
            made.append(pa.chunked_array([self.keep(chunk) for chunk in chunks], column.type))
        return pa.table(made, schema=table.schema)

    def filter(self, table: pa.Table, is_kept: pa.ChunkedArray) -> pa.Table:
        """Return some rows of a table, as `table.filter`, in a scratch file where they are many.

        Parameters
        ----------
        table : pyarrow.Table
        is_kept : pyarrow.ChunkedArray of bool
        """
        if self.limit is None or table.nbytes < self.least:
            return table.filter(is_kept)
        whole, starts = table.unify_dictionaries(), range(0, len(table), _PIECE)
        pieces = (whole.slice(at, _PIECE).filter(is_kept.slice(at, _PIECE)) for at in starts)
        return self._write(table.schema, pieces, table.nbytes)

    def _write(self, schema: pa.Schema, pieces: Iterable[pa.Table], size: int) -> pa.Table:
        with tempfile.TemporaryFile(dir=self.folder, prefix="muledetect-") as file:
            _need(cast(BinaryIO, file), size)
            with pa.ipc.new_file(pa.PythonFile(file, mode="w"), schema) as writer:
                for piece in pieces:
                    writer.write_table(piece)
            file.flush()
            mapped = map_file(cast(BinaryIO, file), limit=self.limit)
        return pa.ipc.open_file(pa.py_buffer(mapped)).read_all()


def need_of_work(n_transfers: int, n_accounts: int, n_sessions: int, n_of_one: int = 0) -> int:
    """Return about how many bytes scoring takes of its own, besides what is in files.

    Fitted to `benchmarks/scale.py`, with some margin: the program with its model and two shards in work; what is on the
    heap by account, in the shards, for peers and in the table of scores; and what is there for a moment while
    transfers or sessions are indexed, or the features of the largest account are computed: one of them at a time.

    Parameters
    ----------
    n_transfers, n_accounts, n_sessions : int
        Rows of the data set; accounts with those of other banks.
    n_of_one : int
        Transfers of the account that has most, both sides.
    """
    for_a_moment = max(_A_TRANSFER * n_transfers, _A_SESSION * n_sessions, _OF_ONE_ACCOUNT * n_of_one)
    return _PROGRAM + _AN_ACCOUNT * n_accounts + for_a_moment


def need_of_state(n_transfers: int, n_accounts: int) -> int:
    """Return about how many bytes a live state takes while that of the next day is made beside it.

    Parameters
    ----------
    n_transfers, n_accounts : int
        Transfers within the look-back; accounts with those of other banks.
    """
    return _PROGRAM + _A_LIVE_ACCOUNT * n_accounts + _A_LIVE_TRANSFER * n_transfers


def need_of_reading(n_bytes: int) -> int:
    """Return about how many bytes reading Parquet files of `n_bytes` takes."""
    return _PROGRAM + _READING * n_bytes


def give_back() -> None:
    """Return to the system what was freed; allocators keep it for later otherwise."""
    pa.default_memory_pool().release_unused()
    trim = getattr(ctypes.CDLL(None) if os.name == "posix" else None, "malloc_trim", None)  # of glibc
    if trim is not None:
        trim(0)


#: Everything on the heap, as without a limit.
HEAP: Final = Room()


def open_room(memory: str | int | None = None, folder: str | None = None) -> Room:
    """Return the room for a limit of memory, `HEAP` without one.

    Parameters
    ----------
    memory : str or int, optional
        As `parse_memory`.
    folder : str, optional
        Of the scratch files; default: that of the environment (TMPDIR).
    """
    limit = parse_memory(memory)
    return HEAP if limit is None else Room(limit, folder)


def _reserve(file: BinaryIO, size: int) -> None:
    """Take the disk's blocks now: on a full disk a mapped file would end the process when it is written."""
    _need(file, size)
    if hasattr(os, "posix_fallocate"):
        try:
            os.posix_fallocate(file.fileno(), 0, size)
        except OSError as error:
            raise (_full(size) if error.errno in (errno.ENOSPC, errno.EDQUOT) else error) from error
    else:
        file.truncate(size)


def _need(file: BinaryIO, size: int) -> None:
    folder = os.path.dirname(file.name) if isinstance(file.name, str) else tempfile.gettempdir()
    if shutil.disk_usage(folder).free < size:
        raise _full(size)


def _full(size: int) -> OSError:
    said = f"scratch files need {size / 1e9:.1f} GB more; set TMPDIR to a disk that has them"
    return OSError(errno.ENOSPC, said)
