"""Finished pieces of long work, kept beside its output: the same command continues with them after an interrupt.

Beside an output `NAME` stands then the folder `.NAME.muledetect.parts`. Its file `inputs.txt` says what the work was
given; pieces of other work are removed, never used. Each piece is written beside its place and renamed, and has the sum
of its content in its name, so that one of which half was written is not taken for whole. The folder goes when the work
is done.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import re
import secrets
import stat
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any, BinaryIO, Final

import numpy as np

from muledetect.arrays import Float64Array

_INPUTS: Final = "inputs.txt"
_HEAD: Final = b"muledetect keeps finished pieces of work here, of the inputs:\n"
_PIECE: Final = re.compile(r"(?P<nth>[0-9]{8})-(?P<sum>[0-9a-f]{64})\.float64")


class Kept:
    """The pieces of one work, float64, in their order.

    Parameters
    ----------
    folder : Path
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.pieces: list[Float64Array] = []
        for nth, path in enumerate(_pieces(folder)):
            match, content = _PIECE.fullmatch(path.name), path.read_bytes()
            if match is None or int(match["nth"]) != nth or hashlib.sha256(content).hexdigest() != match["sum"]:
                break
            self.pieces.append(np.frombuffer(content, "<f8"))
        for path in _pieces(folder)[len(self.pieces) :]:
            path.unlink()

    def add(self, piece: Float64Array) -> None:
        """Write the next piece."""
        content = np.ascontiguousarray(piece, "<f8").tobytes()
        unfinished = self._folder / f".{secrets.token_hex(4)}.tmp"
        unfinished.write_bytes(content)
        unfinished.rename(self._folder / f"{len(self.pieces):08d}-{hashlib.sha256(content).hexdigest()}.float64")
        self.pieces.append(piece)


@contextmanager
def kept_work(output: str | os.PathLike[str] | None, inputs: Mapping[str, Any]) -> Iterator[Kept | None]:
    """Yield the pieces that an interrupted work of the same inputs left beside an output; None without one.

    They stay if the process is interrupted or killed, and go if the block ends, also with an error. Where
    a living process does the same work, or something that is not ours has the name, nothing is kept.

    Parameters
    ----------
    output : path or None
    inputs : mapping
        All that the pieces depend on, as JSON.
    """
    held = None if output is None else _take(Path(os.path.abspath(output)), inputs)
    if held is None:
        yield None
        return
    folder, lock = held
    with lock:
        try:
            yield Kept(folder)
        except Exception:
            _clear(folder)
            raise
        _clear(folder)


def _take(place: Path, inputs: Mapping[str, Any]) -> tuple[Path, BinaryIO] | None:
    """Return the folder of the pieces and its lock, without pieces of other work; None where it cannot be had."""
    folder = place.with_name(f".{place.name}.muledetect.parts")
    if not place.parent.is_dir() or (os.path.lexists(folder) and not stat.S_ISDIR(folder.lstat().st_mode)):
        return None
    folder.mkdir(exist_ok=True)
    with ExitStack() as opened:
        lock = opened.enter_context((folder / _INPUTS).open("a+b", buffering=0))
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            is_there = os.path.samestat(os.fstat(lock.fileno()), (folder / _INPUTS).stat())
        except OSError:  # a living process has it, or had it until now, or the file system has no locks
            return None
        lock.seek(0)
        found = lock.read()
        if not is_there or (found and not found.startswith(_HEAD)):
            return None
        said = _HEAD + json.dumps(inputs, sort_keys=True, indent=1).encode()
        if found != said:
            for path in _pieces(folder):
                path.unlink()
            lock.truncate(0)
            try:
                is_there = lock.write(said) == len(said)
            except OSError:  # a full disk: the work itself will say so
                is_there = False
            if not is_there:
                _clear(folder)
                return None
        for path in folder.glob(".????????.tmp"):
            path.unlink()
        opened.pop_all()
    return folder, lock


def _pieces(folder: Path) -> list[Path]:
    return sorted(path for path in folder.iterdir() if _PIECE.fullmatch(path.name))


def _clear(folder: Path) -> None:
    for path in _pieces(folder):
        path.unlink()
    (folder / _INPUTS).unlink()
    with suppress(OSError):  # somebody else put a file there
        folder.rmdir()
