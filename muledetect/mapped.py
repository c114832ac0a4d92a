"""Mapped files of the process, and letting go of their pages while it holds too many.

What is mapped counts as memory that the process holds, though the system could take it back. With a limit, a thread
lets go of some of these pages whenever the process holds more than a part of the limit: piece after piece of one file
after the other, until it holds less. Nothing is lost: pages that were written stay with their file, and whoever needs
one gets it again, from the system's cache where it still is there. See `letting_go` for the loop of the thread.
"""

from __future__ import annotations

import mmap
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import Lock, Thread
from typing import Any, BinaryIO, Final
from weakref import WeakKeyDictionary

import numpy as np
import numpy.typing as npt

# Pages are let go from the limit less a margin on, a part of the limit: what a burst brings before it is seen.
_MARGIN: Final = 0.3
# Part of the limit that is let go at once, and that is left to files where all else takes nearly the whole limit.
_AT_ONCE: Final = 0.08
# After so many looks a file whose last user is gone goes, at the latest.
_LOOKS: Final = 25

_PAGE: Final = mmap.PAGESIZE
_STATM: Final = Path("/proc/self/statm")
#: Only Linux says what a process holds, and keeps what was written to pages that are let go.
_CAN: Final = _STATM.exists() and hasattr(mmap, "MADV_DONTNEED")

#: `letting_go.look`
Look = Callable[..., None]

#: What the thread that lets go of pages and compiled kernels tell each other; its places are those of `letting_go`.
PAGES: Final = np.zeros(3, np.int64)
_IS_CHANGED: Final = 1
if hasattr(os, "register_at_fork"):  # the thread is not there in a copy of the process
    os.register_at_fork(after_in_child=lambda: PAGES.fill(0))


class _Files:
    """The mapped files that are in use, and the thread that lets go of their pages while there are any."""

    def __init__(self) -> None:
        self._files: WeakKeyDictionary[mmap.mmap, int] = WeakKeyDictionary()  # with the address of its first byte
        self._lock = Lock()
        self._limit: int | None = None
        self._of_work: int | None = None
        self._thread: Thread | None = None

    def add(self, mapped: mmap.mmap, limit: int | None) -> None:
        with self._lock:
            self._files[mapped] = np.frombuffer(mapped, np.uint8).ctypes.data
            self._limit = self._limit if limit is None else limit
            self._change()

    def file_of(self, address: int) -> tuple[mmap.mmap, int] | None:
        """Return the file that an address lies in, and where in it."""
        with self._lock:
            for mapped, begin in self._files.items():
                if begin <= address < begin + len(mapped):
                    return mapped, address - begin
        return None

    def swap_limit(self, limit: int | None) -> int | None:
        """Set the limit of the work in hand, whichever files are there, and return that of before.

        Without one the limit of the file that was mapped last counts.
        """
        with self._lock:
            before, self._of_work = self._of_work, limit
            self._change()
        return before

    def _change(self) -> None:
        """Have files and limit looked at anew; the loop is loaded, or compiled, before anything is read."""
        PAGES[_IS_CHANGED] = 1
        if not _CAN or self._most() is None or not self._files:
            return
        for mapped in self._files:
            _in_small_pages(mapped)
        if self._thread is None:
            from muledetect.letting_go import SAID, load

            said = np.zeros(SAID, np.uint8)
            self._thread = Thread(target=self._watch, args=(load(), said), name="muledetect-pages", daemon=True)
            self._thread.start()

    def _most(self) -> int | None:
        return self._limit if self._of_work is None else self._of_work

    def _watch(self, look: Look, said: npt.NDArray[np.uint8]) -> None:
        with _STATM.open("rb", buffering=0) as statm:
            while True:
                with self._lock:
                    files, limit = list(self._files.items()), self._most()
                    PAGES[_IS_CHANGED] = 0
                    if not files or limit is None:
                        self._thread, self._limit = None, None
                        return
                begins = np.array([begin for _, begin in files], np.int64)
                sizes = np.array([len(file) for file, _ in files], np.int64)
                margin, at_once = limit * _MARGIN, limit * _AT_ONCE
                look(statm.fileno(), said, begins, sizes, float(limit), margin, at_once, PAGES, _LOOKS)
                files.clear()  # a file whose last user is gone goes at once


_FILES: Final = _Files()


def _in_small_pages(mapped: mmap.mmap) -> None:
    """Let a page fault bring 64 KiB of a file, not 2 MiB.

    Where the system's cache holds a file in large pages, a thousand random reads bring 2 GB within some milliseconds:
    nobody lets go of them that fast.
    """
    with suppress(OSError):  # a system without large pages does not know the word
        mapped.madvise(mmap.MADV_NOHUGEPAGE)


def resident(*, with_files: bool = True) -> int:
    """Return the bytes that the process holds, with pages of files or without; 0 where nobody tells.

    Parameters
    ----------
    with_files : bool
    """
    if not _CAN:
        return 0
    held, of_files = map(int, _STATM.read_text().split()[1:3])
    return (held if with_files else held - of_files) * _PAGE


@contextmanager
def holding_at_most(limit: int) -> Iterator[None]:
    """Let the process hold at most so many bytes while the block runs, as far as pages of mapped files fill them.

    Parameters
    ----------
    limit : int
    """
    before = _FILES.swap_limit(limit)
    try:
        yield
    finally:
        _FILES.swap_limit(before)


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
