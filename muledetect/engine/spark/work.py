"""The folder of a run, which the driver and all workers see: arrays that workers are given, parts that they finished.

A part is a file that is written beside its place and takes its name when it is complete, so a run that was interrupted
goes on from the parts that are there. What a part holds follows from the name of its folder, a sum over all that it was
made of: records, columns, model, and the version of the program.
"""

from __future__ import annotations

import hashlib
import shutil
import uuid
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from muledetect.engine.columns import Numbers
from muledetect.records.stored import map_numbers
from muledetect.versions import code_digest

#: Folder of what this library keeps in a work folder; nothing else there is touched.
OURS: Final = "muledetect-work"
_RESTS_ON: Final = ("numpy", "numba", "lightgbm", "pyarrow")


@dataclass(frozen=True)
class Work:
    """The folder of a run.

    Parameters
    ----------
    folder : Path
        Absolute; at the same place on all machines.
    """

    folder: Path

    def give(self, array: npt.NDArray[Any]) -> str:
        """Write an array for the workers, and return its name, which is a sum over its content."""
        name = f"given/{digest(array.dtype.str, array.shape, np.ascontiguousarray(array).tobytes())}.npy"
        if not (self.folder / name).is_file():
            self._write(name, array)
        return name

    def given(self, name: str) -> npt.NDArray[Any]:
        """Return an array that the driver wrote."""
        array: npt.NDArray[Any] = np.load(self.folder / name, allow_pickle=False)
        return array

    def save(self, key: str, part: int, array: npt.NDArray[Any]) -> None:
        """Keep the result of a part."""
        self._write(f"{key}/{part}.npy", array)

    def save_columns(self, key: str, part: int, columns: Iterable[npt.NDArray[Any]], kind: npt.DTypeLike) -> None:
        """Keep columns as the result of a part, one after the other in one array; one at a time is held."""
        with self._new(f"{key}/{part}.npy") as place, Numbers(place, kind) as file:
            for column in columns:
                file.append(column)

    def load(self, key: str, part: int) -> npt.NDArray[Any]:
        """Return the result of a part."""
        array: npt.NDArray[Any] = np.load(self.folder / f"{key}/{part}.npy", allow_pickle=False)
        return array

    def mapped(self, key: str, part: int, kind: npt.DTypeLike) -> npt.NDArray[Any]:
        """Return the result of a part that is one-dimensional, over the pages of its file."""
        return np.frombuffer(map_numbers(self.folder / f"{key}/{part}.npy")[0], kind)

    def done(self, key: str) -> set[int]:
        """Return the parts that are finished."""
        return {int(path.stem) for path in (self.folder / key).glob("*.npy") if path.stem.isdigit()}

    def forget(self, key: str) -> None:
        """Remove the parts of a key."""
        shutil.rmtree(self.folder / key, ignore_errors=True)

    def _write(self, name: str, array: npt.NDArray[Any]) -> None:
        with self._new(name) as place, place.open("wb") as file:
            np.save(file, array, allow_pickle=False)

    @contextmanager
    def _new(self, name: str) -> Iterator[Path]:
        """Yield a place beside a file, which takes its name when the block ends well."""
        place = self.folder / name
        place.parent.mkdir(parents=True, exist_ok=True)
        beside = place.with_name(f".{uuid.uuid4().hex}")
        try:
            yield beside
            beside.replace(place)
        finally:
            beside.unlink(missing_ok=True)


def digest(*of: Any) -> str:
    """Return a sum over bytes, and over all else as it is written."""
    total = hashlib.sha256()
    for one in of:
        told = one if isinstance(one, bytes) else repr(one).encode()
        total.update(len(told).to_bytes(8, "little") + told)
    return total.hexdigest()[:32]


@cache
def program() -> str:
    """Return a sum over the program and what its figures rest on: workers must have the same, and so must parts."""
    return digest(code_digest(), [version(name) for name in _RESTS_ON])


__all__ = ["OURS", "Work", "digest", "program"]
