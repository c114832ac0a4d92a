"""The log of what was booked: records with checksums, at the end of one file.

A record is its length, a checksum of the length, a checksum of the content, and the content. A process that is killed
while it writes leaves at most one record that is not whole, the last: it was never acknowledged, is cut off and told.
Damage before the end is an error: acknowledged events would be lost.

When a record is on the disk, by `sync`:

- "always": before `append` returns. A power cut loses nothing that was acknowledged.
- "interval": another thread begins with it at most `INTERVAL` seconds later, if events keep coming and the disk is done
  with those before; `append` does not wait for the disk. A killed process loses nothing, for the records are with the
  operating system; a power cut loses what came since then.
- "never": when the operating system likes. A killed process loses nothing.
"""

from __future__ import annotations

import os
import struct
import time
import zlib
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from pathlib import Path
from typing import BinaryIO, Final, Literal, Self, get_args

from muledetect.errors import DataError, OptionError

Sync = Literal["always", "interval", "never"]

#: Seconds between two writes to the disk under "interval".
INTERVAL: Final = 0.1

#: A longer record is a mistake.
LONGEST: Final = 1 << 28

_MAGIC: Final = b"muledetect log 1\n"
_HEAD: Final = struct.Struct("<III")


class Log:
    """A log that is open for writing; `read` its records once before the first `append`.

    Parameters
    ----------
    path : Path
        Made if it is not there.
    sync : "always", "interval" or "never"
        When records are on the disk.

    Attributes
    ----------
    n_cut : int
        Bytes of a last record that was not whole and was cut off by `read`.

    Raises
    ------
    DataError
        If the file is no log.
    OptionError
        If `sync` is unknown.
    """

    def __init__(self, path: Path, *, sync: Sync = "always") -> None:
        if sync not in get_args(Sync):
            raise OptionError(f"log: sync must be one of {get_args(Sync)}; got {sync!r}.")
        self._path, self._sync, self._synced_at, self.n_cut = path, sync, 0.0, 0
        self._pool: ThreadPoolExecutor | None = None
        self._syncing: Future[None] | None = None
        is_new = not path.exists() or path.stat().st_size < len(_MAGIC)
        if is_new and path.exists() and not _MAGIC.startswith(path.read_bytes()):
            raise _no_log(path)
        self._file: BinaryIO = path.open("wb" if is_new else "r+b", buffering=0)
        if is_new:
            _write(self._file, _MAGIC)
            os.fsync(self._file.fileno())
            sync_folder(path.parent)
        elif self._file.read(len(_MAGIC)) != _MAGIC:
            self._file.close()
            raise _no_log(path)
        self._end = len(_MAGIC) if is_new else os.fstat(self._file.fileno()).st_size

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def end(self) -> int:
        """Position behind the last record."""
        return self._end

    def append(self, content: bytes, *, waits: bool = True) -> None:
        """Write a record behind the others; when this returns it is where `sync` says, unless told not to wait for it.

        Raises
        ------
        OSError
            If it cannot be written, as where the disk is full, or what came before did not get onto the disk under
            "interval"; the log ends where it did before.
        """
        head = struct.pack("<I", len(content))
        record = _HEAD.pack(len(content), zlib.crc32(head), zlib.crc32(content)) + content
        try:
            self._file.seek(self._end)
            _write(self._file, record)
            if waits:
                self._to_disk()
        except OSError:
            self._file.truncate(self._end)
            raise
        self._end += len(record)

    def take_back(self, end: int) -> None:
        """Cut off the records behind a position: they were not acknowledged."""
        self._file.truncate(end)
        self._end = end

    def read(self, begin: int = 0, end: int | None = None) -> Iterator[bytes]:
        """Yield the content of every record from a position on, then cut off what is no whole record at the end.

        With an `end`, of a record, nothing behind it is read: so another thread may read while this one writes.

        Raises
        ------
        DataError
            If a record before the end is damaged; the file stays as it is.
        """
        begin = max(begin, len(_MAGIC))
        with self._path.open("rb") as file:
            file.seek(begin)
            content = file.read() if end is None else file.read(max(0, end - begin))
        place = 0
        while place < len(content):
            found = _record_at(content, place)
            if found is None:
                self._cut(content, place, begin)
                return
            yield found
            place += _HEAD.size + len(found)

    def flush(self) -> None:
        """Have all records on the disk."""
        if self._syncing is not None:
            wait([self._syncing])
        os.fsync(self._file.fileno())

    def close(self) -> None:
        """Have all records on the disk, and end."""
        if not self._file.closed:
            self.flush()
            self._file.close()
        if self._pool is not None:
            self._pool.shutdown()

    def _to_disk(self) -> None:
        if self._sync == "always":
            os.fsync(self._file.fileno())
        elif self._sync == "interval" and (now := time.monotonic()) - self._synced_at >= INTERVAL:
            if self._syncing is not None and not self._syncing.done():
                return
            former, self._syncing = self._syncing, None
            if former is not None:
                former.result()
            if self._pool is None:
                self._pool = ThreadPoolExecutor(1, "muledetect-log")
            self._syncing, self._synced_at = self._pool.submit(os.fsync, self._file.fileno()), now

    def _cut(self, content: bytes, place: int, begin: int) -> None:
        """Cut off what stands behind a place of `content`, which begins at byte `begin` of the file."""
        if any(_record_at(content, later) is not None for later in range(place + 1, len(content) - _HEAD.size)):
            raise DataError(
                f"log: {self._path.name} is damaged at byte {begin + place:,}, and whole records follow. Events that "
                "were acknowledged would be lost: restore the file from its copy, or start from a later snapshot."
            )
        self.n_cut = len(content) - place
        self._end = begin + place
        self._file.truncate(self._end)
        os.fsync(self._file.fileno())


def sync_folder(folder: Path) -> None:
    """Have the names in a folder on the disk."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _record_at(content: bytes, place: int) -> bytes | None:
    """Return the content of the record at a place; None if there is no whole one."""
    if len(content) - place < _HEAD.size:
        return None
    length, of_length, of_content = _HEAD.unpack_from(content, place)
    if length > LONGEST or zlib.crc32(content[place : place + 4]) != of_length:
        return None
    found = content[place + _HEAD.size : place + _HEAD.size + length]
    return found if len(found) == length and zlib.crc32(found) == of_content else None


def _write(file: BinaryIO, record: bytes) -> None:
    """Write all of it: a raw file may take only a part at a time."""
    left = memoryview(record)
    while left:
        left = left[file.write(left) :]


def _no_log(path: Path) -> DataError:
    return DataError(f"log: {path.name} is no log of muledetect. Give another path.")
