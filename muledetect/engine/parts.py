"""Transfers as Parquet, a folder for each day or month (UTC), for DuckDB, Spark and people.

Files hold at most 2^19 rows that follow each other in time, ordered by payer inside, in groups of 2^16 rows: whoever
looks for the payments of one account reads one group of each file, as the statistics of Parquet say which.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from muledetect import clock
from muledetect.arrays import Int32Array, Int64Array, UInt64Array
from muledetect.records.fingerprint import RowSum, hash_any

FILE_ROWS: Final = 1 << 19
GROUP_ROWS: Final = 1 << 16
#: From so many transfers a day on, each day has a folder of its own.
BUSY_DAY: Final = 50_000
#: Column of the number of a row in the input.
INPUT_ROW: Final = "input_row"


def part_of(n_rows: int, first: int, last: int) -> str:
    """Return what the folders of so many rows between two times are: "day" or "month"."""
    return "day" if n_rows >= BUSY_DAY * (last // clock.DAY - first // clock.DAY + 1) else "month"


def part_names(times: Int64Array, parted_by: str) -> npt.NDArray[np.datetime64]:
    """Return the day or month of each time, microseconds."""
    return times.astype("datetime64[us]").astype("datetime64[D]" if parted_by == "day" else "datetime64[M]")


def free_name(name: str, taken: Iterable[str]) -> str:
    """Return a name for a column of ours that a table has not yet, in capitals or not."""
    known = {other.lower() for other in taken}
    while name in known:
        name += "_"
    return name


@dataclass
class Old:
    """Parquet files of the store that a new one takes the place of, by name, and the sums of the rows of each.

    `days` are the number and the sum of the rows of each day.
    """

    folder: Path
    sums: Mapping[str, str]
    days: Mapping[str, tuple[int, str]] = field(default_factory=dict)


class Parts:
    """Writes rows in canonical order into the folders of their days or months.

    A file whose rows are those of the `old` file of its name is not written: the old file is linked. `sums` are those
    of the rows of each file, by name; `days` those of the rows of each day, with their number.
    """

    def __init__(self, folder: Path, parted_by: str, old: Old | None = None) -> None:
        self.sums: dict[str, str] = {}
        self.days: dict[str, tuple[int, str]] = {}
        self._folder = folder
        self._parted_by = parted_by
        self._old = old or Old(folder, {})
        self._part = ""
        self._n_files = 0
        self._waiting: list[tuple[pa.Table, Int32Array, UInt64Array]] = []
        self._n_waiting = 0
        self._day: tuple[np.datetime64, RowSum] = (np.datetime64(0, "D"), RowSum())
        #: Days or months that may have other rows than in the old store; None: all of them.
        self.touched: set[str] | None = None

    def changed(self, times: Int64Array) -> Iterator[tuple[int, int]]:
        """Yield the runs of rows to `append`, by their times; old files stay that hold rows which are not touched."""
        if self.touched is None:
            yield 0, len(times)
            return
        names = part_names(times, self._parted_by)
        for start, end in _runs(names):
            if str(names[start]) in self.touched:
                yield start, end
            else:
                self._keep(str(names[start]))

    def _keep(self, name: str) -> None:
        """Let the old files of a day or month stand."""
        if self._part != name:
            self._end_file()
            self._end_day()
            self._part, self._day = name, (np.datetime64(0, "D"), RowSum())
            for file, total in self._old.sums.items():
                if file.partition("/")[0].endswith(f"={name}"):
                    (self._folder / file).parent.mkdir(parents=True, exist_ok=True)
                    os.link(self._old.folder / file, self._folder / file)
                    self.sums[file] = total
            self.days.update((day, found) for day, found in self._old.days.items() if day.startswith(name))

    def append(self, rows: pa.Table, numbers: Int64Array, payers: Int32Array) -> None:
        """Take rows that follow those before; `numbers` are those in the input, `payers` codes in the order of ids."""
        taken = [*rows.column_names, self._parted_by]
        rows = rows.append_column(free_name(INPUT_ROW, taken), pa.array(numbers))
        folder, hashes = free_name(self._parted_by, rows.column_names), hash_any(rows)
        times = rows["time"].combine_chunks().view(pa.int64()).to_numpy()
        names = part_names(times, "day")
        for start, end in _runs(names):
            self._add_day(names[start], hashes[start:end])
        names = part_names(times, self._parted_by)
        for start, end in _runs(names):
            here = slice(start, end)
            self._append(f"{folder}={names[start]}", rows.slice(start, end - start), payers[here], hashes[here])

    def _add_day(self, day: np.datetime64, hashes: UInt64Array) -> None:
        if day != self._day[0]:
            self._end_day()
            self._day = (day, RowSum())
        self._day[1].add(hashes)

    def _end_day(self) -> None:
        day, found = self._day
        if found.n_rows:
            self.days[str(day)] = (found.n_rows, found.text)

    def _append(self, part: str, rows: pa.Table, payers: Int32Array, hashes: UInt64Array) -> None:
        if part != self._part:
            self._end_file()
            self._part, self._n_files = part, 0
        start = 0
        while start < len(rows):
            # files are cut by rows, not by batches, so that equal rows give equal files
            end = min(start + FILE_ROWS - self._n_waiting, len(rows))
            self._waiting.append((rows.slice(start, end - start), payers[start:end], hashes[start:end]))
            self._n_waiting += end - start
            start = end
            if self._n_waiting == FILE_ROWS:
                self._end_file()

    def _end_file(self) -> None:
        """Write what is waiting, or let the old file stand that holds the same."""
        if not self._n_waiting:
            return
        found = RowSum()
        for _, _, hashes in self._waiting:
            found.add(hashes)
        name = f"{self._part}/part-{self._n_files:04d}.parquet"
        place = self._folder / name
        place.parent.mkdir(parents=True, exist_ok=True)
        if self._old.sums.get(name) == found.text:
            os.link(self._old.folder / name, place)
        else:
            rows = pa.concat_tables([part for part, _, _ in self._waiting])
            order = np.argsort(np.concatenate([payers for _, payers, _ in self._waiting]), kind="stable")
            put_rows(rows.take(pa.array(order)), place)
        self.sums[name] = found.text
        self._waiting, self._n_waiting, self._n_files = [], 0, self._n_files + 1

    def close(self) -> None:
        """Write what is waiting."""
        self._end_file()
        self._end_day()


def _runs(names: npt.NDArray[np.datetime64]) -> Iterator[tuple[int, int]]:
    """Yield where each run of equal names starts and ends."""
    edges = (np.flatnonzero(names[1:] != names[:-1]) + 1).tolist()
    for start, end in zip([0, *edges], [*edges, len(names)], strict=True):
        if start < end:
            yield start, end


def put_rows(rows: pa.Table, place: Path) -> None:
    """Write one file, with statistics by group and by page."""
    coded = [f.name for f in rows.schema if f.type == pa.string() and f.name not in ("transfer_id", "reversal_of")]
    pq.write_table(
        rows, place, compression="zstd", row_group_size=GROUP_ROWS, use_dictionary=coded, write_page_index=True
    )
