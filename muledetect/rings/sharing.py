"""Devices, networks, terminals and other things that several accounts used at about the same time."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from muledetect.arrays import Float64Array, Int32Array, Int64Array, places_in, run_starts
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
        rows = _rows_used(table["terminal_id"], graph.source, by, graph.n_accounts)
        terminal = table["terminal_id"].take(pa.array(rows))
        return _group(snapshot, graph.source[rows], graph.time[rows], VISIT, terminal, accounts, by)
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
    rows = _rows_used(tables[name][column], holder, by, graph.n_accounts)
    table = tables[name].select([clock, column]).take(pa.array(rows))
    is_dated = bools(pc.is_valid(table[clock]))
    table, holder = table.filter(pa.array(is_dated)), holder[rows[is_dated]]
    return _group(snapshot, holder, numbers(table, clock), span, table[column], accounts, by)


def _rows_used(value: pa.ChunkedArray, holder: Int32Array, by: Int32Array, n_accounts: int) -> Int64Array:
    """Return the rows of a column whose value a row of one of `by` has, too: the others bind nobody, and are many."""
    is_asked = np.zeros(n_accounts + 1, np.bool_)
    is_asked[by] = True
    # the last place is that of an account that the graph does not know, -1
    used = pc.unique(value.filter(pa.array(is_asked[holder])).cast(pa.string())).drop_null()
    return np.flatnonzero(by_piece(value, lambda piece: bools(pc.is_in(piece.cast(pa.string()), used)), np.bool_))


def _group(
    snapshot: Snapshot, holder: Int32Array, time: Int64Array, length: int | None, value: pa.ChunkedArray,
    accounts: Int32Array, by: Int32Array,
) -> Uses:  # fmt: skip
    """Put uses of one thing within one span of time together; without a length all time is one span."""
    whole = value.combine_chunks() if isinstance(value, pa.ChunkedArray) else value
    coded = whole if pa.types.is_dictionary(whole.type) else whole.dictionary_encode()
    code = coded.indices.to_numpy(zero_copy_only=False).astype(np.int64)
    span = np.zeros(len(time), np.int64) if length is None else (snapshot.as_of - 1 - time) // length
    asked = places_in(accounts, holder)
    key = code * (int(span.max(initial=0)) + 1) + span
    # only what an asked account used can bind it
    rows = np.flatnonzero((holder >= 0) & np.isin(key, np.unique(key[places_in(by, holder) >= 0])))
    if not len(rows):
        return _none()
    rows = rows[np.lexsort((time[rows], holder[rows], key[rows]))]
    key, holder, time = key[rows], holder[rows], time[rows]
    first = np.flatnonzero(run_starts(key, holder))
    last = np.append(first[1:], len(rows)) - 1
    _, group, n_holders = np.unique(key[first], return_inverse=True, return_counts=True)
    n_holders, asked = n_holders[group], asked[rows[first]]
    keep = np.flatnonzero((asked >= 0) & (n_holders >= 2) & (n_holders <= MOST_HOLDERS))
    return Uses(
        asked[keep],
        group[keep].astype(np.int64),
        1.0 / np.sqrt(n_holders[keep] - 1.0),
        time[first[keep]],
        time[last[keep]],
        coded.take(pa.array(rows[first[keep]])).cast(pa.string()),
    )


def _none() -> Uses:
    empty = np.zeros(0, np.int64)
    return Uses(empty, empty, np.zeros(0), empty, empty, pa.array([], pa.string()))
