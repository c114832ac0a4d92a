"""Look-back: a data set without what lies before a moment, so that a record that grows changes no meaning.

Events fall out: transfers, sessions, calls, complaints and labels, and entries that had ended. What says how things are
stays, however old: accounts, holders, identifiers and entries of lists that still count. An identifier that was known
before counts as known from just before the moment: a device's age would else grow with the record.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from muledetect.facts.columns import numbers
from muledetect.graph import TransferGraph
from muledetect.memory import HEAP, Room
from muledetect.records import Dataset

#: Clock by which the rows of a table grow old; a row without the time stays.
_AGED_BY: Final[Mapping[str, str]] = MappingProxyType(
    {
        "transfers": "time",
        "sessions": "time",
        "calls": "time",
        "complaints": "known_ts",
        "labels": "known_ts",
        "identifiers": "valid_to",
        "watchlists": "valid_to",
    }
)

#: Since when the bank has an identifier.
_STARTS: Final = ("valid_from", "known_ts")


def drop_before(dataset: Dataset, graph: TransferGraph, moment: int) -> tuple[Dataset, TransferGraph]:
    """Return a data set and its graph without events before a moment (microseconds); account codes stay. O(rows)."""
    return dataset_since(dataset, moment), graph.since(moment, dataset.room)


def dataset_since(dataset: Dataset, moment: int) -> Dataset:
    """Return a data set without events before a moment (microseconds). O(rows)."""
    tables = {name: rows_since(name, table, moment, dataset.room) for name, table in dataset.tables.items()}
    return replace(dataset, tables=tables)


def rows_since(name: str, table: pa.Table, moment: int, room: Room = HEAP) -> pa.Table:
    """Return the rows of a table that a look-back to a moment (microseconds) leaves."""
    if name not in _AGED_BY:
        return table
    kept = _since(table, _AGED_BY[name], moment, room)
    return _known_from(kept, moment - 1, room) if name == "identifiers" else kept


def first_event(dataset: Dataset, graph: TransferGraph) -> int | None:
    """Return the moment of the earliest event (microseconds), which `drop_before` needs to be later than to matter."""
    times = [int(graph.time[0])] if graph.n_transfers else []
    for name, clock in (*_AGED_BY.items(), *(("identifiers", start) for start in _STARTS)):
        table = dataset.tables.get(name)
        if name != "transfers" and table is not None and clock in table.column_names:
            earliest = pc.min(table[clock].cast(pa.int64())).as_py()
            times += [] if earliest is None else [earliest]
    return min(times, default=None)


def _since(table: pa.Table, clock: str, moment: int, room: Room) -> pa.Table:
    if clock not in table.column_names:
        return table
    times = numbers(table, clock, room)
    if not table[clock].null_count and bool((times[1:] >= times[:-1]).all()):
        return table.slice(int(np.searchsorted(times, moment)))  # shares the rows instead of copying them
    keep: Any = pc.greater_equal(table[clock], pa.scalar(int(moment), pa.timestamp("us", tz="UTC")))
    return room.filter(table, pc.fill_null(keep, True))


def _known_from(table: pa.Table, earliest: int, room: Room) -> pa.Table:
    bound = pa.scalar(int(earliest), pa.timestamp("us", tz="UTC"))
    for name in _STARTS:
        if name in table.column_names:
            at, known = table.schema.get_field_index(name), table[name]
            # a time that is not known stays unknown
            later = room.keep(pc.if_else(pc.less(known, bound), bound, known).combine_chunks())
            table = table.set_column(at, table.schema.field(at), later)
    return table
