"""What watch lists say, and from when to when each entry counts."""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np
import pyarrow as pa

from muledetect.arrays import MISSING, NEVER, Float64Array, Int32Array, Int64Array
from muledetect.facts.columns import equals, floats, numbers, texts
from muledetect.graph import TransferGraph

#: Reliability of an entry that states none.
UNSTATED: Final = 0.5


class Lists(NamedTuple):
    """One row an entry, in the order of the table.

    Attributes
    ----------
    known_from, known_until : int64[n]
        Valid and known: it counts at a moment with `known_from < as_of <= known_until`.
    account : int32[n]
        Code of the account that it names; -1 for other kinds and unknown accounts.
    reliability : float64[n]
        0 to 1; `UNSTATED` where the entry states none.
    table : pyarrow.Table
        The entries as read.
    """

    known_from: Int64Array
    known_until: Int64Array
    account: Int32Array
    reliability: Float64Array
    table: pa.Table


def read_lists(table: pa.Table | None, graph: TransferGraph) -> Lists | None:
    """Return the entries with the spans in which they count; None without the table. O(entries)."""
    if table is None:
        return None
    end = numbers(table, "valid_to")
    stated = floats(table, "reliability")
    return Lists(
        np.maximum(numbers(table, "valid_from"), numbers(table, "known_ts")),
        np.where(end == MISSING, NEVER, end),
        np.where(equals(table["kind"], "account"), graph.codes(texts(table, "value_hash")), -1).astype(np.int32),
        np.clip(np.where(np.isnan(stated), UNSTATED, stated), 0.0, 1.0),
        table,
    )
