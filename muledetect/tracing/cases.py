"""The transfers that complaints dispute, as far as the bank knew."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from muledetect.errors import DataError, OptionError
from muledetect.graph import Int64Array, TransferGraph

if TYPE_CHECKING:
    from collections.abc import Iterable

    from muledetect.records import Dataset

UNTRACED: Final = pa.schema([pa.field("complaint_id", pa.string()), pa.field("reason", pa.string())])


@dataclass(frozen=True, eq=False)
class Cases:
    """Complaints with their disputed transfer, in order of their ids.

    Attributes
    ----------
    complaint_id : pyarrow.StringArray[n]
    known : int64[n]
        When the bank heard of it, microseconds.
    transfer : int64[n]
        Position of the disputed transfer in the graph.
    untraced : pyarrow.Table
        Complaints that cannot be traced and why: every asked complaint is here or above.
    """

    complaint_id: pa.Array
    known: Int64Array
    transfer: Int64Array
    untraced: pa.Table

    def __len__(self) -> int:
        return len(self.transfer)


def find_cases(dataset: Dataset, graph: TransferGraph, as_of: int, complaint_ids: Iterable[str] | None = None) -> Cases:
    """Match complaints known before `as_of` with their transfers.

    A complaint names its transfer by `transfer_id`, or by `target`, `amount` and `time` and, if given,
    `victim_account`; of several equal transfers the match is not made. O(transfers + complaints log complaints).

    Raises
    ------
    DataError
        If the data set has no complaints.
    OptionError
        If a complaint that is asked for does not exist.
    """
    table = dataset.tables.get("complaints")
    if table is None:
        raise DataError("trace: the data set has no table complaints; a trace begins with a disputed transfer.")
    if complaint_ids is not None:
        asked = pa.array(sorted(set(complaint_ids)), pa.string())
        missing = pc.sum(pc.invert(pc.is_in(asked, value_set=table["complaint_id"].cast(pa.string())))).as_py() or 0
        if missing:
            raise OptionError(f"trace: {missing} of {len(asked)} complaints that were asked for are not in complaints.")
        table = table.filter(pc.is_in(table["complaint_id"].cast(pa.string()), value_set=asked))
    table = table.sort_by("complaint_id")
    known = table["known_ts"].cast(pa.int64()).to_numpy()
    transfer = _by_id(dataset, graph, table)
    has_id = _has(table, "transfer_id")
    transfer = np.where(has_id, transfer, _by_content(graph, table))
    withdrawn = pc.fill_null(pc.equal(_text(table, "status"), "withdrawn"), False).to_numpy(zero_copy_only=False)
    reasons = [
        (known >= as_of, "not known at this moment"),
        (withdrawn, "withdrawn"),
        (has_id & (transfer < 0), "its transfer is not among the transfers before this moment"),
        (transfer == -2, "several transfers fit what it says"),
        (transfer < 0, "no transfer before this moment fits what it says"),
    ]
    why = np.select([fits for fits, _ in reasons], [reason for _, reason in reasons], default="")
    kept = np.flatnonzero(why == "")
    lost = np.flatnonzero(why != "")
    ids = table["complaint_id"].cast(pa.string()).combine_chunks()
    untraced = pa.Table.from_arrays(
        [ids.take(pa.array(lost)), pa.array(why[lost].tolist(), pa.string())], UNTRACED.names
    )
    return Cases(ids.take(pa.array(kept)), known[kept], transfer[kept].astype(np.int64), untraced.cast(UNTRACED))


def _text(table: pa.Table, name: str) -> pa.Array:
    if name not in table.column_names:
        return pa.nulls(len(table), pa.string())
    column = table[name].combine_chunks()
    return column.cast(pa.string())


def _has(table: pa.Table, name: str) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
    return np.asarray(pc.is_valid(_text(table, name)).to_numpy(zero_copy_only=False), np.bool_)


def _by_id(dataset: Dataset, graph: TransferGraph, table: pa.Table) -> Int64Array:
    wanted = _text(table, "transfer_id")
    ids = dataset.tables["transfers"]["transfer_id"].slice(0, graph.n_transfers).cast(pa.string())
    rows = np.flatnonzero(pc.is_in(ids, value_set=wanted.drop_null()).to_numpy())
    place = pc.fill_null(pc.index_in(wanted, value_set=ids.take(pa.array(rows)).combine_chunks()), -1)
    place = place.to_numpy(zero_copy_only=False)
    return np.where(place >= 0, rows[np.maximum(place, 0)] if len(rows) else -1, -1)


def _by_content(graph: TransferGraph, table: pa.Table) -> Int64Array:
    """Return the one transfer that fits each complaint; -1 = none, -2 = several."""
    found = np.full(len(table), -1, np.int64)
    if not {"target", "amount", "time"} <= set(table.column_names):
        return found
    target = graph.codes(table["target"])
    victim = graph.codes(table["victim_account"]) if "victim_account" in table.column_names else np.full(len(table), -1)
    names_victim = _has(table, "victim_account")
    amount = pc.fill_null(table["amount"].cast(pa.int64()), -1).to_numpy()
    time = pc.fill_null(table["time"].cast(pa.int64()), -1).to_numpy()
    for row in np.flatnonzero((target >= 0) & (amount >= 0) & _has(table, "time")):
        if names_victim[row] and victim[row] < 0:
            continue
        low, high = np.searchsorted(graph.time, time[row], side="left"), np.searchsorted(graph.time, time[row], "right")
        fits = (graph.target[low:high] == target[row]) & (graph.amount[low:high] == amount[row])
        if names_victim[row]:
            fits &= graph.source[low:high] == victim[row]
        rows = np.flatnonzero(fits)
        if len(rows):
            found[row] = low + rows[0] if len(rows) == 1 else -2
    return found
