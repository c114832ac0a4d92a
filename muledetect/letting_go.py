"""Letting go of pages of mapped files in compiled code, which waits for no other thread of the interpreter.

A thread of Python that sleeps gets the interpreter back only after each busy thread had its turn: a tenth of a second
and more on a busy machine, in which kernels bring gigabytes. Meanwhile kernels wait, see `give_way`: two threads
bring pages that the system has in its cache as fast as a third one lets go of others.
"""

from __future__ import annotations

import mmap
from typing import Any, Final

import numba
from numba import types

#: How often it is looked, and how often a kernel that waits looks whether it may go on, in microseconds.
EVERY: Final = 2_000
_WAIT: Final = 100

#: Bytes of a piece of a file, which is let go at once.
PIECE: Final = 1 << 25

#: Places of `mapped.PAGES`: the piece that comes next, whether files or limit are others by now, and whether kernels
#: wait, see `give_way`.
NEXT, IS_CHANGED, MUST_WAIT = range(3)

_PAGE: Final = mmap.PAGESIZE
_LET_GO: Final = getattr(mmap, "MADV_DONTNEED", 0)
_CAN: Final = hasattr(mmap, "MADV_DONTNEED")

_OF_LOOK: Final = "void(int64, uint8[::1], int64[::1], int64[::1], float64, float64, float64, int64[::1], int64)"

# functions of the system
_pread: Any = types.ExternalFunction("pread", types.int64(types.int32, types.voidptr, types.uint64, types.int64))
_madvise: Any = types.ExternalFunction("madvise", types.int32(types.voidptr, types.uint64, types.int32))
_usleep: Any = types.ExternalFunction("usleep", types.int32(types.uint32))

#: Bytes that are read of `statm`; places of its numbers, and some of ASCII.
SAID: Final = 256
_HELD, _OF_FILES = 1, 2
_BLANK, _ZERO, _NINE = 32, 48, 57


@numba.njit(cache=True, nogil=True)
def _held(statm, said):  # type: ignore[no-untyped-def]
    """Return the bytes that the process holds, and how many of them are pages of files."""
    n, place, held, of_files = _pread(statm, said.ctypes.data, len(said), 0), 0, 0, 0
    for at in range(n):
        digit = said[at] - _ZERO
        if said[at] == _BLANK:
            place += 1
        elif 0 <= digit <= _NINE - _ZERO and place == _HELD:
            held = 10 * held + digit
        elif 0 <= digit <= _NINE - _ZERO and place == _OF_FILES:
            of_files = 10 * of_files + digit
    return held * _PAGE, of_files * _PAGE


@numba.njit(cache=True, nogil=True)
def _let_go(statm, said, begins, sizes, most, pages) -> None:  # type: ignore[no-untyped-def]
    """Go on behind the last piece that was let go, at most once around, until the process holds less."""
    n_pieces = 0
    for size in sizes:
        n_pieces += -(-size // PIECE)
    n_passed, first = 0, pages[NEXT] % max(n_pieces, 1)
    for around in range(2):
        at = 0
        for file in range(len(sizes)):
            for begin in range(0, sizes[file], PIECE):
                if (at >= first) if around == 0 else (at < first):
                    _madvise(begins[file] + begin, min(PIECE, sizes[file] - begin), _LET_GO)
                    n_passed += 1
                    if _held(statm, said)[0] <= most:
                        pages[NEXT] = first + n_passed
                        return
                at += 1
    pages[NEXT] = first


@numba.njit(cache=True, nogil=True)
def look(statm, said, begins, sizes, limit, margin, at_once, pages, n_looks) -> None:  # type: ignore[no-untyped-def]
    """Look `n_looks` times what the process holds, and let go of pages when it comes near the limit.

    The files must stay mapped until it returns, which it does soon after `pages[IS_CHANGED]` is set. It allocates
    nothing: `tracemalloc.stop` of some versions of Python crashes threads that allocate without the interpreter.

    Parameters
    ----------
    statm : int
        Number of the open file `/proc/self/statm`.
    said : uint8[SAID]
        Room for what it says.
    begins, sizes : int64[n_files]
        Address and bytes of each mapped file.
    limit, margin, at_once : float
        Bytes. Pages are let go from `limit - margin` on, `at_once` or more of them; if all else takes nearly the whole
        limit, `at_once` is left to files. From half of the margin on all pages go. Kernels wait meanwhile.
    pages : int64[3]
        `mapped.PAGES`; changed in place.
    n_looks : int
    """
    for _ in range(n_looks):
        if pages[IS_CHANGED]:
            break
        held, of_files = _held(statm, said)
        most = max(limit - margin, held - of_files + at_once)
        if held > most:
            # near the limit there is no time to choose: all pages go
            pages[MUST_WAIT] = True
            _let_go(statm, said, begins, sizes, 0.0 if held > limit - margin / 2 else most - at_once, pages)
            pages[MUST_WAIT] = False
        _usleep(EVERY)


def load() -> Any:
    """Return `look`, compiled or loaded from the disk now, not when it is first called."""
    look.compile(_OF_LOOK)
    return look


@numba.njit(cache=True, nogil=True)
def give_way(pages) -> None:  # type: ignore[no-untyped-def]
    """Wait while pages are let go because the process comes near its limit; else do nothing.

    Kernels that read books at random call it between accounts. They never wait for long: a pass takes some hundredths
    of a second, and ends whatever the process holds afterwards.

    Parameters
    ----------
    pages : int64[3]
        `mapped.PAGES`.
    """
    if _CAN:  # elsewhere nothing is let go, and the system may not have the function
        while pages[MUST_WAIT]:
            _usleep(_WAIT)
