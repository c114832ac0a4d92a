"""The same ring on the next day: its id stays while accounts are burnt and replaced."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import replace
from typing import Final

import numpy as np
import pyarrow as pa
from scipy.optimize import linear_sum_assignment

from muledetect import schema
from muledetect.arrays import Float64Array
from muledetect.rings.ring import RingTables

#: Two rings are one if they share at least this much of the smaller one's members and links.
SAME: Final = 0.3
#: A ring went into another, or came out of it, if at least this much of it is there.
PART: Final = 0.5


def name_members(prefix: str, ids: Iterable[str]) -> str:
    """Return a name that is a hash of the members' ids: equal members, equal name, whatever else was found."""
    content = hashlib.sha256()
    for one in sorted(name.encode() for name in ids):
        content.update(len(one).to_bytes(8, "big") + one)
    return f"{prefix}{content.hexdigest()[:12]}"


def keep_ids(found: RingTables, before: RingTables) -> tuple[RingTables, pa.Table]:
    """Give rings the ids that they had at an earlier moment, and say what became of each.

    Parameters
    ----------
    found, before : RingTables
        Of two moments of one data set, `before` the earlier.

    Returns
    -------
    RingTables
        `found`, with the ids of `before` where a ring is the same; all others keep their own.
    pyarrow.Table
        schema.RING_EVENTS: what happened to each ring of either moment.

    Notes
    -----
    Likeness is (shared members + shared links) / (members + links of the smaller ring), members counted by account and
    links by pair and kind. Rings are matched one to one so that the likeness of all pairs is largest (Kuhn 1955), and a
    pair below 0.3 is no match. A ring has merged into another, or split off it, if half of it or more is there.
    O(old rings * new rings).
    """
    old_ids, new_ids = (tables.rings["ring_id"].to_pylist() for tables in (before, found))
    old, new = _content(before, old_ids), _content(found, new_ids)
    shared = np.array([[len(a & b) for b in new] for a in old], np.float64).reshape(len(old), len(new))
    sizes_old, sizes_new = (np.array([len(content) for content in contents], np.float64) for contents in (old, new))
    likeness = shared / np.maximum(np.minimum(sizes_old[:, None], sizes_new[None, :]), 1.0)
    rows, columns = linear_sum_assignment(-likeness)
    same = {int(b): int(a) for a, b in zip(rows, columns, strict=True) if likeness[a, b] >= SAME}
    taken = {old_ids[a] for a in same.values()}
    # an own id could by chance be one that another ring keeps: it is then marked
    renamed = [
        old_ids[same[b]] if b in same else (f"{name}-2" if name in taken else name) for b, name in enumerate(new_ids)
    ]
    events = _events(old_ids, renamed, same, shared, sizes_old, sizes_new)
    return _rename(found, dict(zip(new_ids, renamed, strict=True))), events


def _content(tables: RingTables, ids: list[str]) -> list[set[object]]:
    content: dict[str, set[object]] = {ring_id: set() for ring_id in ids}
    for member in tables.ring_members.select(["ring_id", "account_id"]).to_pylist():
        content[member["ring_id"]].add(member["account_id"])
    for bond in tables.ring_links.select(["ring_id", "source", "target", "kind"]).to_pylist():
        content[bond["ring_id"]].add((bond["source"], bond["target"], bond["kind"]))
    return [content[ring_id] for ring_id in ids]


def _events(
    old_ids: list[str], new_ids: list[str], same: dict[int, int], shared: Float64Array, sizes_old: Float64Array,
    sizes_new: Float64Array,
) -> pa.Table:  # fmt: skip
    rows: list[tuple[str, str | None, str]] = []
    for b, name in enumerate(new_ids):
        if b in same:
            change = sizes_new[b] - sizes_old[same[b]]
            rows.append((name, old_ids[same[b]], "grown" if change > 0 else "shrunk" if change < 0 else "unchanged"))
            continue
        came_from = [a for a in range(len(old_ids)) if shared[a, b] >= PART * max(sizes_new[b], 1.0)]
        rows += [(name, old_ids[a], "split") for a in came_from] or [(name, None, "born")]
    for a in sorted(set(range(len(old_ids))) - set(same.values())):
        went_to = [b for b in range(len(new_ids)) if shared[a, b] >= PART * max(sizes_old[a], 1.0)]
        rows += [(new_ids[b], old_ids[a], "merged") for b in went_to] or [(old_ids[a], old_ids[a], "gone")]
    columns = zip(*rows, strict=True) if rows else ([], [], [])
    return schema.RING_EVENTS.filled(**dict(zip(schema.RING_EVENTS.names, map(list, columns), strict=True)))


def _rename(found: RingTables, names: dict[str, str]) -> RingTables:
    changed = {}
    for name in ("rings", "ring_members", "ring_links", "ring_ties", "tie_evidence", "ring_others", "ring_transfers"):
        table = getattr(found, name)
        ids = pa.array([names[ring_id] for ring_id in table["ring_id"].to_pylist()], pa.string())
        at = table.schema.get_field_index("ring_id")
        changed[name] = table.set_column(at, table.schema.field(at), ids)
    return replace(found, **changed)
