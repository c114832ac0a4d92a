"""Reversals are transfers of their own: at their own time, from the payee of the original back to its payer.

Whether a reversal is accepted depends on rows up to its own time alone, so that no later row changes what was known.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import numba
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from muledetect.arrays import BoolArray, Int64Array
from muledetect.records import reasons

#: Columns about the two ends of a transfer, which change places together.
ENDS: Final = (
    ("source", "target"),
    ("source_bank", "target_bank"),
    ("source_balance_after", "target_balance_after"),
)


@dataclass(frozen=True)
class Reversals:
    """Positions of rows, ascending: those to reject and those to warn about, each by reason.

    `accepted` are all reversals that stay; of `swapped` among them the ends are those of the original. `void` are
    reversals of transfers that moved no money.
    """

    rejected: Mapping[str, Int64Array]
    warned: Mapping[str, Int64Array]
    accepted: Int64Array
    swapped: Int64Array
    void: Int64Array


def find_reversals(rows: pa.Table, is_void: BoolArray) -> Reversals:
    """Match each row that has `reversal_of` with the transfer of that id; rows that are void moved no money.

    A reversal moves money between the accounts of its original, and reverses no reversal; together the reversals of a
    transfer, up to each moment, are at most its amount. One whose original is not there, or happens later, has nothing
    to be compared with: it counts as it stands. O(n), and O(m log m) in the reversals.
    """
    children = np.flatnonzero(rows.column("reversal_of").is_valid().to_numpy() & ~is_void)
    parents = _parents(rows, children)
    is_known = parents >= 0
    is_early = is_known & (_taken(rows, "time", children) < _taken(rows, "time", np.maximum(parents, 0)))
    warned = {reasons.LONE_REVERSAL: children[~is_known], reasons.REVERSAL_EARLY: children[is_early]}
    child, parent = children[is_known & ~is_early], parents[is_known & ~is_early]
    void, child, parent = child[is_void[parent]], child[~is_void[parent]], parent[~is_void[parent]]
    is_chain = np.isin(parent, children)
    is_alike, is_other = _compare_ends(rows, child, parent)
    is_other &= ~is_chain
    is_good = ~(is_chain | is_other)
    is_excess = np.zeros(len(child), np.bool_)
    is_excess[is_good] = _exceed(rows, child[is_good], parent[is_good])
    is_good &= ~is_excess
    rejected = {
        reasons.REVERSAL_CHAIN: child[is_chain],
        reasons.REVERSAL_MISMATCH: child[is_other],
        reasons.REVERSAL_EXCESS: child[is_excess],
    }
    swapped = child[is_good & is_alike]
    warned[reasons.REVERSAL_SWAPPED] = swapped
    accepted = np.setdiff1d(children, np.concatenate([void, *rejected.values()]))
    return Reversals(rejected, warned, accepted, swapped, void)


def _parents(rows: pa.Table, children: Int64Array) -> Int64Array:
    """Return the position of the transfer that each child names, -1 where there is none."""
    wanted = rows.column("reversal_of").take(pa.array(children)).combine_chunks()
    kinds = wanted.unique()
    place_of = np.full(len(kinds), -1, np.int64)
    start = 0
    for chunk in rows.column("transfer_id").chunks:
        index = pc.index_in(chunk, kinds).fill_null(-1).to_numpy()
        hits = np.flatnonzero(index >= 0)
        place_of[index[hits]] = start + hits
        start += len(chunk)
    parents: Int64Array = place_of[pc.index_in(wanted, kinds).to_numpy()]
    return parents


def _taken(rows: pa.Table, name: str, positions: Int64Array) -> Int64Array:
    column = rows.column(name).take(pa.array(positions)).combine_chunks()
    values: Int64Array = (
        (column.view(pa.int64()) if column.type.bit_width == 64 else column).to_numpy().astype(np.int64)
    )
    return values


def _compare_ends(rows: pa.Table, child: Int64Array, parent: Int64Array) -> tuple[BoolArray, BoolArray]:
    """Return which reversals are booked with the ends of their originals, and which are between other accounts."""
    source, target = (_taken(rows, name, child) for name in ("source", "target"))
    old_source, old_target = (_taken(rows, name, parent) for name in ("source", "target"))
    is_back = (source == old_target) & (target == old_source)
    is_alike = (source == old_source) & (target == old_target) & ~is_back
    return is_alike, ~(is_back | is_alike)


def _exceed(rows: pa.Table, child: Int64Array, parent: Int64Array) -> BoolArray:
    """Return which reversals bring what went back by then above the amount of the original."""
    time = _taken(rows, "time", child)
    order = np.lexsort((time, parent))
    amount, whole = _taken(rows, "amount", child), _taken(rows, "amount", parent)
    is_excess = np.zeros(len(child), np.bool_)
    is_excess[order] = _mark_excess(parent[order], time[order], amount[order], whole[order])
    return is_excess


@numba.njit(cache=True, nogil=True)
def _mark_excess(parent: Any, time: Any, amount: Any, whole: Any) -> Any:
    # `back` is what had gone back of an original before row `first`; rows of one moment stand or fall together. Above
    # the amount it stays there, so that it never overflows.
    marked = np.zeros(parent.size, np.bool_)
    back = np.int64(0)
    first = 0
    while first < parent.size:
        if first == 0 or parent[first] != parent[first - 1]:
            back = np.int64(0)
        end = first
        while end < parent.size and parent[end] == parent[first] and time[end] == time[first]:
            back = min(back + amount[end], whole[first] + 1)
            end += 1
        if back > whole[first]:
            marked[first:end] = True
        first = end
    return marked
