"""Accounts that belong together, so that a split keeps rings, people and devices on one side."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pyarrow.compute as pc
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from muledetect.graph import Int64Array, Points
from muledetect.labels._columns import codes_of

if TYPE_CHECKING:
    from muledetect.records import Dataset


def ring_groups(dataset: Dataset, points: Points) -> Int64Array:
    """Return a group for each point, int64[n_points]; see `account_groups`; -1 for an unknown account."""
    groups = np.full(len(points), -1, np.int64)
    is_known = points.account >= 0
    groups[is_known] = account_groups(dataset)[points.account[is_known]]
    return groups


def account_groups(dataset: Dataset) -> Int64Array:
    """Return a group for each account code, int64[n_accounts], such that a ring and a person are never split.

    Accounts of one ring of `truth_rings`, and accounts of one holder, are joined, and so is what they join in turn;
    every other account is a group of its own. O(accounts + members).
    """
    n_accounts = len(dataset.account_ids)
    rows, columns, n_nodes = [], [], n_accounts
    for name, key in (("truth_rings", "ring_id"), ("accounts", "holder_id")):
        table = dataset.tables.get(name)
        if table is None or key not in table.column_names:
            continue
        codes = codes_of(table["account_id"], dataset.account_ids)
        shared = table[key].combine_chunks().dictionary_encode()
        members = pc.fill_null(shared.indices, -1).to_numpy(zero_copy_only=False).astype(np.int64)
        is_member = (codes >= 0) & (members >= 0)
        rows.append(codes[is_member].astype(np.int64))
        columns.append(members[is_member] + n_nodes)
        n_nodes += len(shared.dictionary)
    if not rows:
        return np.arange(n_accounts, dtype=np.int64)
    row, column = np.concatenate(rows), np.concatenate(columns)
    joined = coo_array((np.ones(len(row), dtype=np.int8), (row, column)), shape=(n_nodes, n_nodes))
    group: Int64Array = connected_components(joined, directed=False)[1].astype(np.int64)
    return group[:n_accounts]
