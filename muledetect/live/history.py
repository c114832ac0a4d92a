"""The past as it came: the rows of a data set, each when the bank could know it, in order of time.

A row comes whole when it is first known. What it says of later moments, such as the end of a case, is not seen before
them: that is law 1 of every column.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import replace
from typing import Any, Final, NamedTuple

import numpy as np
import pyarrow as pa

from muledetect.arrays import Int64Array
from muledetect.clock import DAY
from muledetect.facts.columns import numbers
from muledetect.records import Dataset
from muledetect.schema import INPUTS

#: Clocks of a row: it is known once all of them are past. Accounts and holders are there from the beginning.
_CLOCKS: Final = {
    "transfers": ("time",), "sessions": ("time",), "calls": ("time", "known_ts"), "complaints": ("known_ts",),
    "identifiers": ("valid_from", "known_ts"), "watchlists": ("valid_from", "known_ts"),
    "registry": ("valid_from", "known_ts"), "labels": ("known_ts",),
}  # fmt: skip
#: At one moment transfers come last, so that what belongs to them is there.
_TABLES: Final = tuple(sorted(_CLOCKS, key=lambda name: name == "transfers"))

#: Rows of one part, at most.
_MOST: Final = 2_000

Row = dict[str, Any]


class Part(NamedTuple):
    """Rows that came one after the other, on one day (UTC).

    Attributes
    ----------
    times : int64[n]
    tables : list of str
    rows : list of dict
        Columns of the contract that are not null.
    """

    times: Int64Array
    tables: list[str]
    rows: list[Row]

    def of(self, *, transfers: bool) -> list[tuple[int, Row]]:
        """Return transfers with their times, or the rows of other tables, each with the name of its table."""
        both = zip(self.times.tolist(), self.tables, self.rows, strict=True)
        if transfers:
            return [(time, row) for time, table, row in both if table == "transfers"]
        return [(time, {"table": table} | row) for time, table, row in both if table != "transfers"]

    def ticks(self) -> Iterator[Part]:
        """Yield the rows of each moment."""
        ends = [*(np.flatnonzero(np.diff(self.times)) + 1).tolist(), len(self.times)]
        for begin, end in zip([0, *ends[:-1]], ends, strict=True):
            yield Part(self.times[begin:end], self.tables[begin:end], self.rows[begin:end])


def known_at(dataset: Dataset, moment: int) -> Dataset:
    """Return the data set with the rows that were known before a moment; tables stay, if without rows."""
    tables = dict(dataset.tables)
    for name in _TABLES:
        if name in tables:
            tables[name] = tables[name].filter(pa.array(_known_from(name, tables[name]) < moment))
    # another data set: a log that was begun with one must not go on with the other
    fingerprint = hashlib.sha256(f"{dataset.fingerprint} before {moment}".encode()).hexdigest()
    return replace(dataset, tables=tables, fingerprint=fingerprint)


def history(dataset: Dataset, begin: int, end: int) -> Iterator[Part]:
    """Yield what became known from `begin` on and before `end`, in order of time, in parts that no day divides.

    Rows of one moment stay together, however many. O(n log n).
    """
    times, table, row = [], [], []
    names = [name for name in _TABLES if name in dataset.tables]
    for number, name in enumerate(names):
        known = _known_from(name, dataset.tables[name])
        at = np.flatnonzero((known >= begin) & (known < end))
        times.append(known[at])
        table.append(np.full(len(at), number))
        row.append(at)
    if not names:
        return
    time, of, at = (np.concatenate(parts) for parts in (times, table, row))
    order = np.lexsort((at, of, time))
    time, of, at = time[order], of[order], at[order]
    for first, last in _cuts(time):
        rows: list[Row] = [{}] * (last - first)
        for number, name in enumerate(names):
            here = np.flatnonzero(of[first:last] == number)
            taken = _rows(name, dataset.tables[name], at[first:last][here])
            for place, one in zip(here.tolist(), taken, strict=True):
                rows[place] = one
        yield Part(time[first:last], [names[number] for number in of[first:last]], rows)


def _known_from(name: str, table: pa.Table) -> Int64Array:
    clocks = [numbers(table, clock) for clock in _CLOCKS[name] if clock in table.column_names]
    none = np.iinfo(np.int64).min
    latest: Int64Array = np.maximum.reduce([np.full(len(table), none), *clocks])
    return latest


def _cuts(time: Int64Array) -> Iterator[tuple[int, int]]:
    """Yield the bounds of parts: at most `_MOST` rows if moments are smaller, never over midnight."""
    first = 0
    while first < len(time):
        midnight = int(np.searchsorted(time, (time[first] // DAY + 1) * DAY))
        last = min(midnight, first + _MOST)
        if last < midnight:
            whole = int(np.searchsorted(time, time[last]))  # where the moment of the next row begins
            last = whole if whole > first else int(np.searchsorted(time, time[first], side="right"))
        yield first, last
        first = last


def _rows(name: str, table: pa.Table, at: Int64Array) -> list[Row]:
    known = [column for column in INPUTS[name].names if column in table.column_names]
    taken = table.select(known).take(pa.array(at))
    return [{key: value for key, value in row.items() if value is not None} for row in taken.to_pylist()]
