"""Mapped files of the process, and letting go of their pages while it holds too many.

What is mapped counts as memory that the process holds, though the system could take it back. With a limit, a thread
lets go of some of these pages whenever the process holds more than a part of the limit: piece after piece of one file
after the other, until it holds less. Nothing is lost: pages that were written stay with their file, and whoever needs
one gets it again, from the system's cache where it still is there.

Kernels that read at random places bring gigabytes a second. So the thread must be quick: while it looks and lets go, it
keeps the interpreter to itself, for a thread that lets go of it gets it back only after each busy thread had its turn.
"""

from __future__ import annotations

import ctypes
import mmap
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Lock, Thread
from typing import Any, BinaryIO, Final
from weakref import WeakKeyDictionary

import numpy as np
import numpy.typing as npt

#: How often it is looked, in seconds.
EVERY: Final = 0.005

# Pages are let go from the limit less a margin on: what a burst brings before it is seen, as a part of the limit, at
# least so many bytes, but no more than so large a part.
_MARGIN: Final = 0.2
_LEAST_MARGIN: Final = 350_000_000
_MOST_MARGIN: Final = 0.3
# Part of the limit that is let go at once, and that is left to files where all else takes nearly the whole limit; bytes
# of a piece of a file.
_AT_ONCE: Final = 0.08
_PIECE: Final = 1 << 25

_PAGE: Final = mmap.PAGESIZE
_STATM: Final = "/proc/self/statm"
_STATM_BYTES: Final = 256
#: Only Linux says what a process holds, and keeps what was written to pages that are let go.
_CAN: Final = os.path.exists(_STATM) and hasattr(mmap, "MADV_DONTNEED")
# The functions of the system, called without letting go of the interpreter.
_SYSTEM: Final = ctypes.PyDLL(None) if _CAN else None


class _Files:
    """The mapped files that are in use, and the thread that lets go of their pages while there are any."""

    def __init__(self) -> None:
        self._files: WeakKeyDictionary[mmap.mmap, int] = WeakKeyDictionary()  # with the address of its first byte
        self._lock = Lock()
        self._limit: int | None = None
        self._thread: Thread | None = None
        self._n_let_go = 0
        #: Of the work in hand, whichever files are there; else the limit of the file that was mapped last counts.
        self.of_work: int | None = None

    def add(self, mapped: mmap.mmap, limit: int | None) -> None:
        with self._lock:
            self._files[mapped] = np.frombuffer(mapped, np.uint8).ctypes.data
            self._limit = self._limit if limit is None else limit
            if _CAN and self._most() is not None and self._thread is None:
                self._thread = Thread(target=self._watch, name="muledetect-pages", daemon=True)
                self._thread.start()

    def file_of(self, address: int) -> tuple[mmap.mmap, int] | None:
        """Return the file that an address lies in, and where in it."""
        with self._lock:
            for mapped, begin in self._files.items():
                if begin <= address < begin + len(mapped):
                    return mapped, address - begin
        return None

    def _most(self) -> int | None:
        return self._limit if self.of_work is None else self.of_work

    def _watch(self) -> None:
        while True:
            with self._lock:
                files, limit = list(self._files), self._most()
                if not files or limit is None:
                    self._thread, self._limit = None, None
                    return
            held, of_files = _resident()
            margin = min(max(limit * _MARGIN, _LEAST_MARGIN), limit * _MOST_MARGIN)
            most = max(limit - margin, held - of_files + limit * _AT_ONCE)
            if held > most:
                # near the limit there is no time to choose: all pages go
                is_near = held > limit - margin / 2
                self._let_go(files, 0 if is_near else most - limit * _AT_ONCE)
            files.clear()  # a file whose last user is gone goes at once
            time.sleep(EVERY)

    def _let_go(self, files: list[mmap.mmap], most: float) -> None:
        """Go on behind the last piece that was let go, at most once around, until the process holds less."""
        pieces = [(file, at) for file in files for at in range(0, len(file), _PIECE)]
        for nth in range(len(pieces)):
            file, at = pieces[(self._n_let_go + nth) % len(pieces)]
            file.madvise(mmap.MADV_DONTNEED, at, min(_PIECE, len(file) - at))
            if resident() <= most:
                break
        self._n_let_go += nth + 1


_FILES: Final = _Files()


def resident(*, with_files: bool = True) -> int:
    """Return the bytes that the process holds, with pages of files or without; 0 where nobody tells.

    Parameters
    ----------
    with_files : bool
    """
    held, of_files = _resident()
    return held if with_files else held - of_files


def _resident() -> tuple[int, int]:
    """Return the bytes that the process holds, and how many of them are pages of files."""
    if _SYSTEM is None:
        return 0, 0
    said = ctypes.create_string_buffer(_STATM_BYTES)
    file = _SYSTEM.open(_STATM.encode(), os.O_RDONLY | os.O_CLOEXEC)
    _SYSTEM.read(file, said, _STATM_BYTES)
    _SYSTEM.close(file)
    held, of_files = map(int, said.value.split()[1:3])
    return held * _PAGE, of_files * _PAGE


@contextmanager
def holding_at_most(limit: int) -> Iterator[None]:
    """Let the process hold at most so many bytes while the block runs, as far as pages of mapped files fill them.

    Parameters
    ----------
    limit : int
    """
    before, _FILES.of_work = _FILES.of_work, limit
    try:
        yield
    finally:
        _FILES.of_work = before


def map_file(file: BinaryIO, *, is_written: bool = False, limit: int | None = None) -> mmap.mmap:
    """Return a whole file that is not empty, mapped.

    Parameters
    ----------
    file : binary file
        Opened for reading, and for writing if it is to be written.
    is_written : bool
        What is written to the mapped bytes goes to the file.
    limit : int, optional
        Bytes that the process may hold from now on, as long as a file is mapped.
    """
    mapped = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_WRITE if is_written else mmap.ACCESS_READ)
    _FILES.add(mapped, limit)
    return mapped


def is_mapped(address: int) -> bool:
    """Return whether what begins at an address lies in a file that `map_file` mapped."""
    return _FILES.file_of(address) is not None


def let_go(array: npt.NDArray[Any]) -> None:
    """Let go of the pages of an array that is read from its begin to its end, once; if it lies in no file, do nothing.

    So they do not have to be let go in haste later, when pages that are still needed go with them.

    Parameters
    ----------
    array : array
        In one piece.
    """
    found = _FILES.file_of(array.ctypes.data) if _CAN and array.nbytes else None
    if found is not None:
        mapped, at = found
        low, high = -(-at // _PAGE) * _PAGE, (at + array.nbytes) // _PAGE * _PAGE
        if low < high:
            mapped.madvise(mmap.MADV_DONTNEED, low, high - low)
