"""When transfers were reversed: a reversal is a transfer of its own, back to the payer, at its own time."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pyarrow as pa

from muledetect.arrays import NEVER, BoolArray, Int64Array
from muledetect.facts.columns import positions, texts
from muledetect.graph import TransferGraph


class Reversals(NamedTuple):
    """Which transfers are reversals, and when the others had been reversed."""

    is_reversal: BoolArray
    reversed_at: Int64Array  # time of the reversal with which the whole amount had gone back; NEVER without one


def find_reversals(transfers: pa.Table, graph: TransferGraph) -> Reversals:
    """Match reversals with their originals by `reversal_of`. O(transfers + reversals log reversals)."""
    n = graph.n_transfers
    is_reversal, reversed_at = np.zeros(n, np.bool_), np.full(n, NEVER)
    if "reversal_of" in transfers.column_names:
        given = texts(transfers.slice(0, n), "reversal_of")
        child = np.flatnonzero(given.is_valid().to_numpy(zero_copy_only=False))
        is_reversal[child] = True
        parent = positions(given.take(pa.array(child)), transfers["transfer_id"].slice(0, n))
        child, parent = child[parent >= 0], parent[parent >= 0]
        # reading keeps, with a warning, a row that names a later transfer; it has reversed nothing
        is_back = graph.time[child] >= graph.time[parent]
        child, parent = child[is_back], parent[is_back]
        order = np.lexsort((graph.time[child], parent))
        back = dict.fromkeys(parent.tolist(), 0)
        for one, original in zip(child[order].tolist(), parent[order].tolist(), strict=True):
            back[original] += int(graph.amount[one])
            if back[original] >= graph.amount[original]:
                reversed_at[original] = min(reversed_at[original], graph.time[one])
    return Reversals(is_reversal, reversed_at)
