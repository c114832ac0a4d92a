"""Rows that are left out, kept as row numbers by cause, so that a million of them cost eight megabytes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import cache

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from muledetect.records.dataset import Finding, describe
from muledetect.records.reasons import Severity
from muledetect.schema import REJECTS

Cause = tuple[str, str, str, Severity]
_TEXTS = ("table", "column", "reason", "severity")
Rows = npt.NDArray[np.int64]
BoolArray = npt.NDArray[np.bool_]
#: Column, which rows have the fault, and why it is one.
Fault = tuple[str, BoolArray, str]


class RejectLog:
    """Collects rejected rows of all tables by (table, column, reason, severity)."""

    def __init__(self) -> None:
        self._rows: dict[Cause, list[Rows]] = {}
        self._doubts: dict[tuple[str, str, str], tuple[int, int | None]] = {}

    def add(self, table: str, column: str, reason: str, severity: Severity, rows: Rows) -> None:
        """Record input row numbers, int64, that are left out for one cause."""
        if len(rows):
            self._rows.setdefault((table, column, reason, severity), []).append(rows)

    def reject(self, table: str, faults: Iterable[Fault], numbers: Rows) -> BoolArray:
        """Record each row with the first of its faults, and return which rows have none."""
        good = np.ones(len(numbers), np.bool_)
        for column, mask, reason in faults:
            self.add(table, column, reason, "reject", numbers[mask & good])
            good &= ~mask
        return good

    def doubt(self, table: str, column: str, reason: str, rows: Rows | int) -> None:
        """Record rows, or their number, that are accepted and worth a warning."""
        n_rows, first = (rows, None) if isinstance(rows, int) else (len(rows), int(rows[0]) if len(rows) else None)
        if n_rows or isinstance(rows, int):
            n_before, first = self._doubts.get((table, column, reason), (0, first))
            self._doubts[table, column, reason] = (n_before + n_rows, first)

    @property
    def doubts(self) -> Mapping[tuple[str, str, str], tuple[int, int | None]]:
        """Rows worth a warning by table, column and reason: how many, and the first."""
        return self._doubts

    def restore(self, rejects: pa.Table, doubts: Mapping[tuple[str, str, str], tuple[int, int | None]]) -> None:
        """Take what an earlier log held: its `to_table` and its `doubts`."""
        texts = zip(*(rejects[name].cast(pa.string()).to_pylist() for name in _TEXTS), strict=True)
        causes: dict[Cause, list[int]] = {}
        for cause, row in zip(texts, rejects["row"].to_pylist(), strict=True):
            causes.setdefault(cause, []).append(row)
        for (table, column, reason, severity), rows in causes.items():
            self.add(table, column, reason, severity, np.array(rows, np.int64))
        self._doubts.update(doubts)

    def warnings(self, rows_read: Mapping[str, int]) -> list[Finding]:
        """Return one warning a doubt, by table in the order of `rows_read`, then by column and reason."""
        return [
            describe("warn", table, column, reason, n_rows, first, rows_read[table])
            for name in rows_read
            for (table, column, reason), (n_rows, first) in sorted(self._doubts.items())
            if table == name
        ]

    def count(self, table: str) -> int:
        """Return how many rows of a table were left out."""
        return sum(len(part) for cause, parts in self._rows.items() if cause[0] == table for part in parts)

    def rows(self, table: str) -> Rows:
        """Return the row numbers of a table that were left out, ascending."""
        parts = [part for cause, found in self._rows.items() if cause[0] == table for part in found]
        return np.sort(np.concatenate(parts)) if parts else np.empty(0, np.int64)

    def to_table(self) -> pa.Table:
        """Return all as a table `schema.REJECTS`, texts as dictionaries, ordered by table and row."""
        causes = sorted(self._rows)
        if not causes:
            return _none()
        rows = [np.concatenate(self._rows[cause]) for cause in causes]
        row = np.concatenate([np.empty(0, np.int64), *rows])
        cause_of = np.repeat(np.arange(len(causes)), [len(part) for part in rows])
        _, table_of = np.unique(np.array([cause[0] for cause in causes], np.str_), return_inverse=True)
        order = np.lexsort((row, table_of[cause_of]))
        columns = {"row": pa.array(row[order])}
        for place, name in enumerate(_TEXTS):
            values = pa.array([cause[place] for cause in causes], pa.string())
            columns[name] = values.dictionary_encode().take(pa.array(cause_of[order]))
        return pa.table({name: columns[name] for name in REJECTS.names})

    def findings(self, rows_read: Mapping[str, int]) -> list[Finding]:
        """Return one finding a cause: rejects first, then repairs, each by table, column and reason."""
        found = [
            describe(severity, table, column, reason, sum(map(len, parts)), int(min(p.min() for p in parts)),
                     rows_read[table])
            for (table, column, reason, severity), parts in self._rows.items()
        ]  # fmt: skip
        return sorted(found, key=lambda f: (f.severity != "reject", f.table, f.column, f.reason))


@cache
def _none() -> pa.Table:
    texts = pa.array([], pa.string()).dictionary_encode()
    return pa.table({name: texts if name in _TEXTS else pa.array([], pa.int64()) for name in REJECTS.names})


def input_rows(rejected: Rows, positions: Rows) -> Rows:
    """Return the input row numbers of rows given by their position among the rows that were not rejected.

    `rejected` is ascending. The k-th rejected row has rejected[k] - k accepted rows before it.
    """
    before = rejected - np.arange(len(rejected))
    return positions + np.searchsorted(before, positions, side="right")
