"""Net transfers against their reversals, so that money which went straight back counts nowhere.

Netting looks at the whole data set: a transfer that was reversed a week later is gone from the start.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from muledetect.records import reasons

Positions = npt.NDArray[np.int64]
BoolArray = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Netted:
    """Positions by reason: rows to reject, rows to leave out as repairs, and rows kept with a warning."""

    rejected: dict[str, Positions]
    repaired: dict[str, Positions]
    warned: dict[str, Positions]


def net_reversals(rows: pa.Table) -> Netted:
    """Match each row that has `reversal_of` with the transfer of that id.

    A reversal must move money between the accounts of its original, not before it, and is no original of another
    reversal. Reversals that add up to their original leave together with it; less is a partial reversal and stays.
    Takes O(n) plus the sort of the reversals; chains and cycles need no walk, since no reversal may have a child.
    """
    children = _where(rows.column("reversal_of"))
    if len(children) == 0:
        return Netted({}, {}, {})
    parents = _parents(rows, children)
    known = parents >= 0
    is_child = np.zeros(rows.num_rows, np.bool_)
    is_child[children] = True
    chained = known & is_child[parents]
    part_of_chain = np.isin(children, parents[chained])
    rejected = {reasons.REVERSAL_CHAIN: children[chained | part_of_chain]}
    usable = known & ~chained & ~part_of_chain
    child, parent = children[usable], parents[usable]
    for reason, wrong in _mismatches(rows, child, parent):
        rejected[reason] = child[wrong]
        child, parent = child[~wrong], parent[~wrong]
    excess, full = _add_up(rows, child, parent)
    rejected[reasons.REVERSAL_EXCESS] = child[excess]
    repaired = {reasons.REVERSAL: child[full], reasons.REVERSED: np.unique(parent[full])}
    warned = {reasons.PARTIAL_REVERSAL: child[~excess & ~full], reasons.LONE_REVERSAL: children[~known]}
    return Netted(rejected, repaired, warned)


def _where(column: pa.ChunkedArray) -> Positions:
    found: Positions = np.flatnonzero(column.is_valid().to_numpy())
    return found


def _parents(rows: pa.Table, children: Positions) -> Positions:
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
    parents: Positions = place_of[pc.index_in(wanted, kinds).to_numpy()]
    return parents


def _taken(rows: pa.Table, name: str, positions: Positions) -> Positions:
    column = rows.column(name).take(pa.array(positions)).combine_chunks()
    values: Positions = (column.view(pa.int64()) if column.type.bit_width == 64 else column).to_numpy().astype(np.int64)
    return values


def _mismatches(rows: pa.Table, child: Positions, parent: Positions) -> list[tuple[str, BoolArray]]:
    source, target = (_taken(rows, name, child) for name in ("source", "target"))
    old_source, old_target = (_taken(rows, name, parent) for name in ("source", "target"))
    swapped = (source == old_target) & (target == old_source)
    alike = (source == old_source) & (target == old_target)
    other = ~(swapped | alike)
    early = (_taken(rows, "time", child) < _taken(rows, "time", parent))[~other]
    return [(reasons.REVERSAL_MISMATCH, other), (reasons.REVERSAL_EARLY, early)]


def _add_up(rows: pa.Table, child: Positions, parent: Positions) -> tuple[BoolArray, BoolArray]:
    """Return which reversals belong to an original that is reversed by more than its amount, and by just its amount."""
    originals, of = np.unique(parent, return_inverse=True)
    # Amounts are at most 10^15, so thousands of reversals of one original still fit 64 bits; more are excess anyway.
    share = _taken(rows, "amount", child)
    total = np.bincount(of, share.astype(np.float64), len(originals))
    exact = np.zeros(len(originals), np.int64)
    np.add.at(exact, of, np.where(total[of] < 2.0**62, share, 0))
    whole = _taken(rows, "amount", originals)
    excess = (total >= 2.0**62) | (exact > whole)
    full = ~excess & (exact == whole)
    return excess[of], full[of]
