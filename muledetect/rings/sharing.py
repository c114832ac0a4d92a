"""Devices, networks, terminals and other things that several accounts used at about the same time."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from muledetect.arrays import MISSING, Float64Array, Int32Array, Int64Array, pieces, places_in, run_starts
from muledetect.clock import DAY, HOUR, MINUTE
from muledetect.facts import Snapshot
from muledetect.facts.columns import bools, by_piece, numbers

#: What more accounts than this use at about the same time binds nobody: a shop's Wi-Fi, a mobile network's gateway.
MOST_HOLDERS: Final = 20

#: Column of table sessions, and how long a use of it lasts. Networks change hands faster than phones do.
IN_SESSIONS: Final = {"device": ("device_hash", 30 * DAY), "ip": ("ip_hash", 3 * DAY), "wifi": ("wifi_hash", 3 * DAY)}

#: Visits to one terminal within this are one occasion; openings within this are one batch.
VISIT: Final = 30 * MINUTE
BATCH: Final = HOUR


@dataclass(frozen=True, eq=False)
class Uses:
    """Uses of one kind of thing by the asked accounts; only things that 2 to 20 accounts of the bank used then."""

    account: Int64Array  # position in the asked accounts; each once a group
    group: Int64Array  # the thing and the span of time; the numbers carry no meaning
    rarity: Float64Array  # `1 / sqrt(holders - 1)`, holders being all accounts of the bank with it in that span
    first_time: Int64Array  # first and last use of the account within the group, microseconds
    last_time: Int64Array
    value: pa.StringArray  # the hash

    def __len__(self) -> int:
        return len(self.account)


def find_uses(snapshot: Snapshot, accounts: Int32Array, kind: str, *, by: Int32Array | None = None) -> Uses:
    """Find what `accounts` (ascending codes) share: of `IN_SESSIONS` in sessions, a terminal, an opening at a branch.

    What is in no session is looked for in table identifiers, of the accounts' own or of their holders, without spans of
    time: an address is shared whenever both had it. Other times are cut into spans counted back from the moment. With
    `by` (ascending codes, of `accounts`) only what one of these used counts. O(sessions, identifiers or transfers +
    uses log uses); memory goes to the rows of what was used by those.
    """
    graph, tables = snapshot.graph, snapshot.tables
    by = accounts if by is None else by
    if kind == "terminal":
        table = tables["transfers"]
        if "terminal_id" not in table.column_names or graph.tick > VISIT:
            return _none()
        return _group(snapshot, graph.source, graph.time, VISIT, table["terminal_id"], accounts, by)
    if kind in IN_SESSIONS and "sessions" in tables:
        name, clock, (column, span) = "sessions", "time", IN_SESSIONS[kind]
    elif kind == "opening":
        name, clock, column, span = "accounts", "opened_at", "branch_id", BATCH
    else:
        table = snapshot.identifiers(kind)
        account, since = table["account"].to_numpy(), numbers(table, "since")
        return _group(snapshot, account, since, None, table["value"], accounts, by)
    if name not in tables or not {clock, column} <= set(tables[name].column_names):
        return _none()
    holder = snapshot.session_account if name == "sessions" else graph.codes(tables[name]["account_id"])
    time = numbers(tables[name], clock, snapshot.facts.room)
    return _group(snapshot, holder, time, span, tables[name][column], accounts, by)


def _group(
    snapshot: Snapshot, holder: Int32Array, time: Int64Array, length: int | None, value: pa.ChunkedArray,
    accounts: Int32Array, by: Int32Array,
) -> Uses:  # fmt: skip
    """Put uses of one thing within one span of time together; without a length all time is one span.

    Only what one of `by` used then can bind it. Rows without a holder, value or (where it counts) time are left out.
    """
    rows, key = _used_with(snapshot, holder, time, length, value, by)
    if not len(rows):
        return _none()
    order = np.lexsort((time[rows], holder[rows], key))
    rows, key = rows[order], key[order]
    first = np.flatnonzero(run_starts(key, holder[rows]))
    last = np.append(first[1:], len(rows)) - 1
    _, group, n_holders = np.unique(key[first], return_inverse=True, return_counts=True)
    n_holders, asked = n_holders[group], places_in(accounts, holder[rows[first]])
    keep = np.flatnonzero((asked >= 0) & (n_holders >= 2) & (n_holders <= MOST_HOLDERS))
    return Uses(
        asked[keep],
        group[keep].astype(np.int64),
        1.0 / np.sqrt(n_holders[keep] - 1.0),
        time[rows[first[keep]]],
        time[rows[last[keep]]],
        _taken(value, rows[first[keep]]),
    )


def _used_with(
    snapshot: Snapshot, holder: Int32Array, time: Int64Array, length: int | None, value: pa.ChunkedArray, by: Int32Array
) -> tuple[Int64Array, Int64Array]:
    """Return the rows of what one of `by` used in the same span of time, and the number of thing and span of each.

    Rows are looked at in pieces. What more than `MOST_HOLDERS` used within one piece is left out at once: most rows are
    of networks that everybody uses.
    """
    n = snapshot.graph.n_accounts
    is_by = np.zeros(n + 1, np.bool_)
    is_by[by] = True
    # the last place is that of an account that the graph does not know, -1
    used = pc.unique(value.filter(pa.array(is_by[holder])).cast(pa.string())).drop_null()
    rows = np.flatnonzero(by_piece(value, lambda piece: bools(pc.is_in(piece.cast(pa.string()), used)), np.bool_))
    rows = rows[(holder[rows] >= 0) & ((length is None) | (time[rows] != MISSING))]
    n_spans = 1 if length is None or not len(rows) else (snapshot.as_of - 1 - int(time[rows].min())) // length + 1
    key = snapshot.facts.room.empty(len(rows), np.int64)
    for piece in pieces(len(rows)):
        code = pc.index_in(_taken(value, rows[piece]), used).to_numpy(zero_copy_only=False).astype(np.int64)
        key[piece] = code * n_spans + (0 if length is None else (snapshot.as_of - 1 - time[rows[piece]]) // length)
    wanted = np.unique(key[is_by[holder[rows]]])
    is_crowded = np.zeros(len(wanted) + 1, np.bool_)
    for piece in pieces(len(rows)):
        pairs = np.unique((places_in(wanted, key[piece]) + 1) * n + holder[rows[piece]])
        is_crowded |= np.bincount(pairs // n, minlength=len(wanted) + 1) > MOST_HOLDERS
    is_crowded[0] = True  # what none of `by` used
    parts = [
        np.flatnonzero(~is_crowded[places_in(wanted, key[piece]) + 1]) + piece.start for piece in pieces(len(rows))
    ]
    kept = np.concatenate([np.zeros(0, np.int64), *parts])
    return rows[kept], key[kept]


def _taken(value: pa.ChunkedArray, rows: Int64Array) -> pa.StringArray:
    return value.take(pa.array(rows)).combine_chunks().cast(pa.string())


def _none() -> Uses:
    empty = np.zeros(0, np.int64)
    return Uses(empty, empty, np.zeros(0), empty, empty, pa.array([], pa.string()))
