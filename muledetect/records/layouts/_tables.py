"""What the layouts share: gather accepted rows and rejects in bounded parts, and truth from illicit transfers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from muledetect.records import reasons
from muledetect.records.layouts._sources import Ragged, Rows, Source, columns_of, read_rows
from muledetect.records.layouts._spec import FileKind
from muledetect.schema import INPUTS, REJECTS, Table

Mapped = Mapping[str, pa.Array]
Int64Array = npt.NDArray[np.int64]


class Gathering:
    """Accepted rows of one table, batch by batch, and the rows that were left out."""

    def __init__(self, table: Table, extra: tuple[str, ...] = ()) -> None:
        self.table = table
        self._extra = extra
        self._batches: list[pa.RecordBatch] = []
        self._rejects: list[pa.RecordBatch] = []

    def add(
        self, columns: Mapped, numbers: Int64Array, faults: list[tuple[str, pa.Array, str]] | None = None
    ) -> Mapped:
        """Take rows in; return the accepted part of every column given, also those that are no part of the table.

        A row is rejected for the first of `faults` (column, mask, reason) that it shows, then for a required column
        that is null.
        """
        required = [
            (name, pc.is_null(columns[name]), self._why_null(name)) for name in self.table.required if name in columns
        ]
        taken = np.ones(len(numbers), np.bool_)
        for column, mask, reason in [*(faults or []), *required]:
            bad = taken & np.asarray(pc.fill_null(mask, False).to_numpy(zero_copy_only=False))
            if bad.any():
                self._reject(numbers[bad], column, reason)
                taken &= ~bad
        if not taken.all():
            columns = {name: values.filter(pa.array(taken)) for name, values in columns.items()}
        inside = [name for name in (*self.table.names, *self._extra) if name in columns]
        self._batches.append(pa.RecordBatch.from_arrays([columns[name] for name in inside], names=inside))
        return columns

    def refuse(self, ragged: Ragged, n_before: int) -> None:
        """Reject rows whose fields do not match the header."""
        self._reject(ragged.numbers + n_before, self.table.required[0], reasons.UNREADABLE)

    def take_out(self, numbers: Int64Array, column: str, reason: str) -> None:
        """Reject rows that were taken in before, by their numbers; the caller leaves them out of what it returns."""
        if len(numbers):
            self._reject(numbers, column, reason)

    def _why_null(self, column: str) -> str:
        is_text = self.table.column(column).type in ("id", "hash", "category")
        return reasons.MISSING if is_text else reasons.UNREADABLE

    def _reject(self, numbers: Int64Array, column: str, reason: str) -> None:
        constants = {"table": self.table.name, "column": column, "reason": reason, "severity": "reject"}
        columns: dict[str, Any] = {
            name: pa.repeat(pa.scalar(value), len(numbers)) for name, value in constants.items()
        } | {"row": pa.array(numbers)}
        self._rejects.append(pa.RecordBatch.from_pydict(columns, schema=REJECTS.arrow_schema))

    def finish(self) -> pa.Table:
        """Return the accepted rows; a file without rows gives the table with its required columns."""
        if self._batches:
            return pa.Table.from_batches(self._batches)
        return self.table.empty().select(list(self.table.required))

    def rejects(self) -> pa.Table:
        """Return the rejects by row number."""
        return pa.Table.from_batches(self._rejects, REJECTS.arrow_schema).sort_by("row")


def read_kind(
    kind: FileKind, sources: tuple[Source, ...], gathering: Gathering
) -> Iterator[tuple[Mapping[str, pa.StringArray], Int64Array]]:
    """Yield the rows of all files of a kind, numbered on from file to file; ragged ones go to the rejects.

    Columns that a file lacks are absent from what it yields.
    """
    n_before = 0
    for source in sources:
        n_rows = 0
        for part in read_rows(source, kind.match(columns_of(source))):
            n_rows += len(part.numbers)
            if isinstance(part, Ragged):
                gathering.refuse(part, n_before)
            elif isinstance(part, Rows) and len(part.numbers):
                yield part.columns, part.numbers + n_before
        n_before += n_rows


class IllicitSpans:
    """First and last illicit transfer of every account that took part in one."""

    def __init__(self) -> None:
        self._parts: list[pa.Table] = []

    def add(self, transfers: Mapped, is_illicit: pa.BooleanArray) -> None:
        """Look at a batch of accepted transfers (`time`, `source`, `target`)."""
        if not pc.any(is_illicit).as_py():
            return
        time = transfers["time"].filter(is_illicit)
        ends = [transfers[end].filter(is_illicit) for end in ("source", "target")]
        self._parts.append(pa.table({"account_id": pa.concat_arrays(ends), "time": pa.concat_arrays([time, time])}))

    def finish(self) -> pa.Table:
        """Return account_id, activity_start, activity_end; one row an account."""
        none = pa.schema([("account_id", pa.string()), ("time", pa.timestamp("us", tz="UTC"))]).empty_table()
        spans = (
            pa.concat_tables([none, *self._parts]).group_by("account_id").aggregate([("time", "min"), ("time", "max")])
        )
        return spans.rename_columns({"time_min": "activity_start", "time_max": "activity_end"})


def build_labels(every: pa.Array, mules: pa.Array, spans: pa.Table, unknown: pa.Array | None = None) -> pa.Table:
    """Return `labels`: mule, unknown or not_mule for every account, with the span of its illicit transfers.

    A simulator knows the truth; `known_ts` is the account's last illicit transfer, the first moment at which all of
    it can be known. Accounts in byte order.
    """
    unknown = pa.array([], pa.string()) if unknown is None else unknown
    accounts = accounts_of(every, mules, unknown)
    accounts = accounts.take(pc.array_sort_indices(accounts))
    is_mule = pc.is_in(accounts, mules)
    spans = spans.filter(pc.is_in(spans["account_id"], mules))
    at = pc.index_in(accounts, _only(spans["account_id"]))
    start, end = (_only(spans[name].take(at)) for name in ("activity_start", "activity_end"))
    return pa.table(
        {
            "account_id": accounts,
            "label": pc.if_else(is_mule, "mule", pc.if_else(pc.is_in(accounts, unknown), "unknown", "not_mule")),
            "known_ts": end,
            "activity_start": start,
            "activity_end": end,
            "source": pa.repeat("simulator", len(accounts)),
        }
    ).cast(pa.schema([INPUTS["labels"].arrow_schema.field(name) for name in LABEL_COLUMNS]))


LABEL_COLUMNS = ("account_id", "label", "known_ts", "activity_start", "activity_end", "source")


def accounts_of(*columns: pa.Array | pa.ChunkedArray) -> pa.StringArray:
    """Return every distinct id of the columns, in no order."""
    found = [_only(pc.unique(column)) for column in columns]
    return pc.drop_null(pc.unique(pa.concat_arrays([pa.array([], pa.string()), *found])))


def distinct_rows(table: pa.Table, by: tuple[str, ...]) -> pa.Table:
    """Return the first row of every combination of `by`, in order of `by`."""
    table = table.append_column("_at", pa.array(range(table.num_rows), pa.int64()))
    first = table.group_by(list(by)).aggregate([("_at", "min")])["_at_min"]
    return table.take(first).drop_columns("_at").sort_by([(name, "ascending") for name in by])


def join_rejects(*gatherings: Gathering) -> pa.Table:
    """Return the rejects of several tables."""
    return pa.concat_tables([REJECTS.empty(), *(gathering.rejects() for gathering in gatherings)])


def lookup(ids: pa.Array, keys: pa.ChunkedArray, values: pa.ChunkedArray) -> pa.Array:
    """Return the value of each id, null where `keys` lacks it."""
    return _only(values.take(pc.index_in(ids, value_set=_only(keys))))


def _only(values: pa.Array | pa.ChunkedArray) -> pa.Array:
    return values.combine_chunks() if isinstance(values, pa.ChunkedArray) else values
