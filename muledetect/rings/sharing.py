"""Devices, networks, terminals and other things that several accounts used at about the same time."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from muledetect.arrays import Int32Array, Int64Array
from muledetect.clock import DAY, HOUR, MINUTE
from muledetect.graph import TransferGraph
from muledetect.rings.money import Float64Array

if TYPE_CHECKING:
    from muledetect.records import Dataset

#: What more accounts than this use at about the same time binds nobody: a shop's Wi-Fi, a mobile network's gateway.
MOST_HOLDERS: Final = 20

#: Column of table sessions, and how long a use of it lasts. Networks change hands faster than phones do.
IN_SESSIONS: Final = {"device": ("device_hash", 30 * DAY), "ip": ("ip_hash", 3 * DAY), "wifi": ("wifi_hash", 3 * DAY)}

#: Visits to one terminal within this are one occasion; openings within this are one batch.
VISIT: Final = 30 * MINUTE
BATCH: Final = HOUR


@dataclass(frozen=True, eq=False)
class Uses:
    """Uses of one kind of thing by the asked accounts; only things that 2 to 20 accounts of the bank used then.

    Attributes
    ----------
    account : int64[n]
        Position in the asked accounts; each once a group.
    group : int64[n]
        The thing and the span of time; the numbers carry no meaning.
    rarity : float64[n]
        `1 / sqrt(holders - 1)`, holders being all accounts of the bank with it in that span.
    first_time, last_time : int64[n]
        First and last use of the account within the group, microseconds.
    value : pyarrow.StringArray[n]
        The hash.
    """

    account: Int64Array
    group: Int64Array
    rarity: Float64Array
    first_time: Int64Array
    last_time: Int64Array
    value: pa.StringArray

    def __len__(self) -> int:
        return len(self.account)


def uses_in_sessions(dataset: Dataset, graph: TransferGraph, accounts: Int32Array, kind: str, as_of: int) -> Uses:
    """Find what `accounts` (ascending codes) share in table sessions before `as_of`.

    Time is cut into spans counted back from `as_of`. O(sessions + uses log uses).
    """
    table = dataset.tables.get("sessions")
    column, span = IN_SESSIONS[kind]
    if table is None or column not in table.column_names:
        return _none()
    moment = pa.scalar(as_of, pa.timestamp("us", tz="UTC"))
    table = table.select(["account_id", "time", column]).filter(
        pc.and_(pc.less(table["time"], moment), pc.is_valid(table[column]))
    )
    holder = graph.codes(table["account_id"]).astype(np.int64)
    time = table["time"].cast(pa.int64()).to_numpy()
    return _group(holder, time, (as_of - 1 - time) // span, table[column], accounts)


def uses_of_identifiers(dataset: Dataset, graph: TransferGraph, accounts: Int32Array, kind: str, as_of: int) -> Uses:
    """Find what `accounts` share in table identifiers, of their own or of their holders, known before `as_of`.

    Without spans of time: an address is shared whenever both had it. O(identifiers + accounts of holders).
    """
    table = dataset.tables.get("identifiers")
    if table is None:
        return _none()
    moment = pa.scalar(as_of, pa.timestamp("us", tz="UTC"))
    known = pc.and_(pc.less(table["known_ts"], moment), pc.less(table["valid_from"], moment))
    table = table.filter(pc.and_(known, pc.equal(table["kind"].cast(pa.string()), kind)))
    entity = table["entity_id"].cast(pa.string())
    time = table["valid_from"].cast(pa.int64()).to_numpy()
    row, holder = _accounts_of(dataset, graph, entity)
    value = table["value_hash"].take(pa.array(row))
    return _group(holder, time[row], np.zeros(len(row), np.int64), value, accounts)


def uses_of_terminals(dataset: Dataset, graph: TransferGraph, accounts: Int32Array, as_of: int) -> Uses:
    """Find which terminals `accounts` paid at within the same half hour, counted back from `as_of`. O(transfers)."""
    table = dataset.tables["transfers"]
    if "terminal_id" not in table.column_names or graph.tick > VISIT:
        return _none()
    column = table["terminal_id"].slice(0, graph.n_transfers)
    rows = np.flatnonzero(pc.is_valid(column).to_numpy())
    time = graph.time[rows]
    holder = graph.source[rows].astype(np.int64)
    return _group(holder, time, (as_of - 1 - time) // VISIT, column.take(pa.array(rows)), accounts)


def uses_of_openings(dataset: Dataset, graph: TransferGraph, accounts: Int32Array, as_of: int) -> Uses:
    """Find which of `accounts` were opened at one branch within the same hour, counted back from `as_of`. O(n)."""
    table = dataset.tables.get("accounts")
    if table is None or not {"opened_at", "branch_id"} <= set(table.column_names):
        return _none()
    moment = pa.scalar(as_of, pa.timestamp("us", tz="UTC"))
    opened = table.filter(pc.and_(pc.less(table["opened_at"], moment), pc.is_valid(table["branch_id"])))
    time = opened["opened_at"].cast(pa.int64()).to_numpy()
    holder = graph.codes(opened["account_id"]).astype(np.int64)
    return _group(holder, time, (as_of - 1 - time) // BATCH, opened["branch_id"], accounts)


def _accounts_of(dataset: Dataset, graph: TransferGraph, entity: pa.ChunkedArray) -> tuple[Int64Array, Int64Array]:
    """Return rows of entities and an account of each, an account itself or those of a holder."""
    code = graph.codes(entity).astype(np.int64)
    own = np.flatnonzero(code >= 0)
    accounts = dataset.tables.get("accounts")
    if accounts is None or "holder_id" not in accounts.column_names:
        return own, code[own]
    held = accounts.select(["account_id", "holder_id"]).filter(pc.is_valid(accounts["holder_id"]))
    joined = (
        pa.table({"holder_id": entity, "row": np.arange(len(entity))})
        .join(
            pa.table({"holder_id": held["holder_id"].cast(pa.string()), "code": graph.codes(held["account_id"])}),
            "holder_id",
            join_type="inner",
        )
        .filter(pc.greater_equal(pc.field("code"), 0))
    )
    rows = np.concatenate([own, joined["row"].to_numpy()])
    return rows, np.concatenate([code[own], joined["code"].to_numpy().astype(np.int64)])


def _group(
    holder: Int64Array, time: Int64Array, span: Int64Array, value: pa.ChunkedArray, accounts: Int32Array
) -> Uses:
    whole = value.combine_chunks() if isinstance(value, pa.ChunkedArray) else value
    coded = whole if pa.types.is_dictionary(whole.type) else whole.dictionary_encode()
    code = coded.indices.to_numpy(zero_copy_only=False).astype(np.int64)
    at = np.minimum(np.searchsorted(accounts, holder), max(len(accounts) - 1, 0))
    is_asked = accounts[at] == holder if len(accounts) else np.zeros(len(holder), np.bool_)
    key = code * (int(span.max(initial=0)) + 1) + span
    # only what an asked account used can bind it
    rows = np.flatnonzero((holder >= 0) & np.isin(key, np.unique(key[is_asked])))
    if not len(rows):
        return _none()
    rows = rows[np.lexsort((time[rows], holder[rows], key[rows]))]
    key, holder, time = key[rows], holder[rows], time[rows]
    begins = np.append(True, (key[1:] != key[:-1]) | (holder[1:] != holder[:-1]))
    first = np.flatnonzero(begins)
    last = np.append(first[1:], len(rows)) - 1
    _, group, n_holders = np.unique(key[first], return_inverse=True, return_counts=True)
    keep = np.flatnonzero(is_asked[rows[first]] & (n_holders[group] >= 2) & (n_holders[group] <= MOST_HOLDERS))
    picked = coded.take(pa.array(rows[first[keep]]))
    return Uses(
        at[rows[first[keep]]].astype(np.int64),
        group[keep].astype(np.int64),
        1.0 / np.sqrt(n_holders[group[keep]] - 1.0),
        time[first[keep]],
        time[last[keep]],
        picked.cast(pa.string()),
    )


def _none() -> Uses:
    empty = np.zeros(0, np.int64)
    return Uses(empty, empty, np.zeros(0), empty, empty, pa.array([], pa.string()))
