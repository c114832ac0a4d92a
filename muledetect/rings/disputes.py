"""Disputed transfers, as far as the bank knew by the moment of the search."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from muledetect.arrays import Int64Array
from muledetect.graph import TransferGraph

if TYPE_CHECKING:
    from muledetect.records import Dataset


@dataclass(frozen=True, eq=False)
class Disputes:
    """One row a disputed transfer and complaint, in no meaningful order.

    Attributes
    ----------
    payer, payee : int64[n]
        Account codes; -1 where the complaint does not say and no transfer was found.
    transfer : int64[n]
        Position in the graph.
    time : int64[n]
        Microseconds.
    """

    payer: Int64Array
    payee: Int64Array
    transfer: Int64Array
    time: Int64Array

    def __len__(self) -> int:
        return len(self.payer)


def find_disputes(dataset: Dataset, graph: TransferGraph, as_of: int) -> Disputes:
    """Find the transfers that complaints name.

    Complaints with `known_ts` before `as_of` that were not withdrawn count. The disputed transfer is found by
    `transfer_id`; without one, every payment of `victim_account` to `target` stands in. O(transfers + complaints).
    """
    none = np.zeros(0, np.int64)
    table = dataset.tables.get("complaints")
    if table is None or not graph.n_transfers:
        return Disputes(none, none, none, none)
    known = standing_complaints(table, as_of)
    position = np.concatenate([_by_transfer(dataset, graph, known), _by_accounts(graph, known)])
    return Disputes(
        graph.source[position].astype(np.int64), graph.target[position].astype(np.int64), position, graph.time[position]
    )


def standing_complaints(table: pa.Table, as_of: int) -> pa.Table:
    """Return the complaints that were known before `as_of` and not withdrawn."""
    moment = pa.scalar(as_of, pa.timestamp("us", tz="UTC"))
    keep = pc.less(table["known_ts"], moment)
    if "status" in table.column_names:
        keep = pc.and_(keep, pc.fill_null(pc.not_equal(table["status"].cast(pa.string()), "withdrawn"), True))
    return table.filter(keep)


def _by_transfer(dataset: Dataset, graph: TransferGraph, known: pa.Table) -> Int64Array:
    if "transfer_id" not in known.column_names:
        return np.zeros(0, np.int64)
    ids = dataset.tables["transfers"]["transfer_id"].slice(0, graph.n_transfers)
    disputed = known["transfer_id"].cast(pa.string()).combine_chunks().drop_null()
    found = pc.is_in(ids.cast(pa.string()), value_set=disputed)
    return np.flatnonzero(found.to_numpy()).astype(np.int64)


def _by_accounts(graph: TransferGraph, known: pa.Table) -> Int64Array:
    if not {"victim_account", "target"} <= set(known.column_names):
        return np.zeros(0, np.int64)
    if "transfer_id" in known.column_names:
        known = known.filter(pc.is_null(known["transfer_id"]))
    named = known.filter(pc.and_(pc.is_valid(known["victim_account"]), pc.is_valid(known["target"])))
    if not named.num_rows:
        return np.zeros(0, np.int64)
    payer, payee = (graph.codes(named[end]).astype(np.int64) for end in ("victim_account", "target"))
    n = graph.n_accounts
    disputed = (payer * n + payee)[(payer >= 0) & (payee >= 0)]
    is_payer = np.zeros(n, np.bool_)
    is_payer[payer[payer >= 0]] = True
    rows = np.flatnonzero(is_payer[graph.source])
    paid = graph.source[rows].astype(np.int64) * n + graph.target[rows]
    return rows[np.isin(paid, disputed)].astype(np.int64)
