"""An opened store: `open_store` gives it, and every step takes it as its data set."""

from __future__ import annotations

import os
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from muledetect.errors import DataError
from muledetect.progress import Progress
from muledetect.records import Dataset
from muledetect.records.stored import Header, check_files, is_store, read_header, read_store


@dataclass(frozen=True, repr=False)
class Store:
    """A data set on disk that is opened and not read: its columns are mapped from files.

    Attributes
    ----------
    path : Path
        Folder of the store; every command takes it as its data set.
    header : Header
        What it says of itself: rows, columns, findings, the sums of its files.
    """

    path: Path
    header: Header

    @cached_property
    def dataset(self) -> Dataset:
        """The data set, equal to what `read_dataset` gives of the source; its columns are mapped."""
        return read_store(self.path, verify=False)

    def verify(self, progress: Progress | None = None) -> None:
        """Read every file and compare its sum; one that is missing or damaged is a DataError.

        `progress` is called with the stage in words and the fraction done.
        """
        check_files(self.path, self.header, below=[""], progress=progress)

    def __fspath__(self) -> str:
        return os.fspath(self.path)

    def __repr__(self) -> str:
        header = self.header
        size = sum(n_bytes for n_bytes, _ in header.files.values())
        tables = "".join(f", {name}={n:,}" for name, n in header.tables.items())
        return f"Store(transfers={header.n_transfers:,}{tables}; by {header.parted_by}, {size / 1e6:,.1f} MB)"


def open_store(path: str | os.PathLike[str], *, verify: bool = True, progress: Progress | None = None) -> Store:
    """Open a store that `prepare` made.

    Parameters
    ----------
    path : path
        Folder of the store.
    verify : bool
        Read the files that will be mapped and compare their sums; without it, sizes only.
    progress : callable, optional
        Called with the stage in words and the fraction done.

    Raises
    ------
    DataError
        If there is no store, it is of another version, or a file is missing or damaged.
    """
    place = Path(path)
    if not is_store(place):
        raise DataError(f"{place.name}: is no store. Make one: `muledetect prepare DATASET --output STORE`.")
    header = read_header(place)
    if verify:
        check_files(place, header, progress=progress)
    return Store(place, header)
