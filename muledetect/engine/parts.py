"""Transfers as Parquet, a folder for each day or month (UTC), for DuckDB, Spark and people.

Files hold at most 2^19 rows that follow each other in time, ordered by payer inside, in groups of 2^16 rows: whoever
looks for the payments of one account reads one group of each file, as the statistics of Parquet say which.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from muledetect import clock
from muledetect.arrays import Int32Array, Int64Array

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


class Parts:
    """Writes rows in canonical order into the folders of their days or months. `rows_of` counts them by folder."""

    def __init__(self, folder: Path, parted_by: str) -> None:
        self.rows_of: dict[str, int] = {}
        self._folder = folder
        self._parted_by = parted_by
        self._part = ""
        self._n_files = 0
        self._waiting: list[tuple[pa.Table, Int32Array]] = []
        self._n_waiting = 0

    def append(self, rows: pa.Table, numbers: Int64Array, payers: Int32Array) -> None:
        """Take rows that follow those before; `numbers` are those in the input, `payers` codes in the order of ids."""
        taken = [*rows.column_names, self._parted_by]
        rows = rows.append_column(free_name(INPUT_ROW, taken), pa.array(numbers))
        folder = free_name(self._parted_by, rows.column_names)
        names = part_names(rows["time"].combine_chunks().view(pa.int64()).to_numpy(), self._parted_by)
        edges = np.flatnonzero(names[1:] != names[:-1]) + 1
        for start, end in zip([0, *edges.tolist()], [*edges.tolist(), len(names)], strict=True):
            if start < end:
                self._append(f"{folder}={names[start]}", rows.slice(start, end - start), payers[start:end])

    def _append(self, part: str, rows: pa.Table, payers: Int32Array) -> None:
        if part != self._part:
            self.close()
            self._part, self._n_files = part, 0
        start = 0
        while start < len(rows):
            # files are cut by rows, not by batches, so that equal rows give equal files
            taken = min(FILE_ROWS - self._n_waiting, len(rows) - start)
            self._waiting.append((rows.slice(start, taken), payers[start : start + taken]))
            self._n_waiting += taken
            start += taken
            if self._n_waiting == FILE_ROWS:
                self.close()

    def close(self) -> None:
        """Write what is waiting."""
        if not self._n_waiting:
            return
        rows = pa.concat_tables([part for part, _ in self._waiting])
        order = np.argsort(np.concatenate([payers for _, payers in self._waiting]), kind="stable")
        place = self._folder / self._part / f"part-{self._n_files:04d}.parquet"
        place.parent.mkdir(parents=True, exist_ok=True)
        put_rows(rows.take(pa.array(order)), place)
        self.rows_of[self._part] = self.rows_of.get(self._part, 0) + len(rows)
        self._waiting, self._n_waiting, self._n_files = [], 0, self._n_files + 1


def put_rows(rows: pa.Table, place: Path) -> None:
    """Write one file, with statistics by group and by page."""
    alone = {"transfer_id", "reversal_of", "amount", INPUT_ROW}
    coded = [name for name in rows.column_names if name not in alone]
    pq.write_table(
        rows, place, compression="zstd", row_group_size=GROUP_ROWS, use_dictionary=coded, write_page_index=True
    )
