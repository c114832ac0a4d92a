"""Whom the bank knows: one record a holder, or an account without one, with all that was seen of it by the moment."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from muledetect.arrays import MISSING, NEVER, BoolArray, Float64Array, Int8Array, Int32Array, Int64Array
from muledetect.clock import DAY
from muledetect.facts import Snapshot
from muledetect.facts.columns import numbers, texts
from muledetect.facts.sessions import IN_SESSION
from muledetect.schema import IDENTIFIER_KINDS

#: Columns of table sessions that tell a thing of a kind; a cell of the phone network is everybody's.
_IN_SESSIONS: Final = {kind: column for kind, column in IN_SESSION.items() if kind != "cell"}

PERSON, COMPANY, UNKNOWN = 0, 1, -1


@dataclass(frozen=True, eq=False)
class People:
    """Records of holders, and of own accounts without a holder, that were known before the moment.

    Attributes
    ----------
    id : pyarrow.StringArray[n]
        Of the holder, or of the account that has none.
    is_holder : bool[n]
    sort : int8[n]
        PERSON, COMPANY or UNKNOWN.
    birth : float64[n]
        Year of birth; of a company the day of its registration, since 1970; NaN where unknown.
    since : int64[n]
        Opening of the first account or its first transfer, microseconds; `NEVER` if neither is known.
    of_account : int32[n_accounts]
        The record of each account; -1 for none.
    seen : DataFrame
        person, kind, value (code), each once: what is in identifiers and sessions.
    hashes : list of str
        The values by their code.
    """

    id: pa.StringArray
    is_holder: np.ndarray[tuple[int], np.dtype[np.bool_]]
    sort: Int8Array
    birth: Float64Array
    since: Int64Array
    of_account: Int32Array
    seen: pd.DataFrame
    hashes: pa.StringArray

    def __len__(self) -> int:
        return len(self.id)


def read_people(snapshot: Snapshot) -> People:
    """Return the records that were known before the moment. O(accounts + identifiers + sessions).

    An account is known from its opening, its first transfer, or the first thing that was seen of it, and without a date
    of opening with its holder; a holder is known with its first account.
    """
    graph, tables = snapshot.graph, snapshot.tables
    accounts = tables.get("accounts", pa.table({"account_id": pa.array([], pa.string())}))
    holders = tables.get("holders", pa.table({"holder_id": pa.array([], pa.string())}))
    own = pc.fill_null(accounts["is_own"], True) if "is_own" in accounts.column_names else None
    accounts = accounts if own is None else accounts.filter(own)
    accounts = accounts.filter(pa.array(~_opens_later(snapshot, texts(accounts, "account_id"))))
    code = graph.codes(texts(accounts, "account_id"))
    holder = texts(accounts, "holder_id")
    names = pc.coalesce(holder, texts(accounts, "account_id"))
    # a holder and an account may have one id
    key = pc.binary_join_element_wise(pc.if_else(pc.is_valid(holder), "h", "a"), names, "")
    coded = key.dictionary_encode()
    person = coded.indices.to_numpy().astype(np.int32)
    of_account = np.full(graph.n_accounts, -1, np.int32)
    of_account[code] = person
    seen, hashes = _seen(snapshot, coded.dictionary, of_account)
    since = _since(snapshot, accounts, code, person, len(coded.dictionary))
    is_known = since < NEVER
    is_known[seen["person"].to_numpy()] = True
    place = np.where(is_known, np.cumsum(is_known) - 1, -1).astype(np.int32)
    keep = np.flatnonzero(is_known)
    ids = pc.utf8_slice_codeunits(coded.dictionary, 1)
    is_holder = np.asarray(pc.starts_with(coded.dictionary, "h"))
    row = pc.fill_null(pc.index_in(pc.if_else(pa.array(is_holder), ids, None), texts(holders, "holder_id"),
                                   skip_nulls=True), -1).to_numpy(zero_copy_only=False)  # fmt: skip
    sort, birth = _traits(holders, row)
    seen = seen.assign(person=place[seen["person"].to_numpy()])
    return People(
        ids.take(pa.array(keep)), is_holder[keep], sort[keep], birth[keep], since[keep],
        np.append(place, np.int32(-1))[of_account], seen, hashes,
    )  # fmt: skip


def _opens_later(snapshot: Snapshot, ids: pa.StringArray) -> BoolArray:
    """Return which accounts open at or after the moment, and had no transfer and nothing seen of them before."""
    graph = snapshot.graph
    code = graph.codes(ids)
    later = snapshot.accounts.opened_at[code] >= snapshot.as_of
    for index in (graph.incoming, graph.outgoing):
        later &= index.stop[code] == index.start[code]
    rows = np.flatnonzero(later)
    for name, column in (("identifiers", "entity_id"), ("sessions", "account_id")):
        if len(rows) and name in snapshot.tables:
            is_seen = pc.is_in(ids.take(pa.array(rows)), value_set=texts(snapshot.tables[name], column))
            later[rows] &= ~np.asarray(is_seen.to_numpy(zero_copy_only=False))
    return np.asarray(later)


def _traits(holders: pa.Table, row: Int64Array) -> tuple[Int8Array, Float64Array]:
    sort = pc.fill_null(pc.index_in(texts(holders, "kind"), value_set=pa.array(["person", "company"])), UNKNOWN)
    sort = np.append(sort.to_numpy(zero_copy_only=False).astype(np.int8), np.int8(UNKNOWN))[row]
    year = np.append(numbers(holders, "birth_year"), MISSING)[row]
    registered = np.append(numbers(holders, "registered_at"), MISSING)[row]
    value = np.where(sort == COMPANY, registered // DAY, year)
    is_missing = np.where(sort == COMPANY, registered == MISSING, year == MISSING)
    return sort, np.where(is_missing, np.nan, value.astype(np.float64))


def _since(snapshot: Snapshot, accounts: pa.Table, code: Int32Array, person: Int32Array, n: int) -> Int64Array:
    graph = snapshot.graph
    opened = numbers(accounts, "opened_at")
    opened = np.where(opened == MISSING, NEVER, opened)
    for index in (graph.incoming, graph.outgoing):
        used = np.flatnonzero(index.stop[code] > index.start[code])
        first = graph.time[index.transfer[index.start[code[used]]]]
        opened[used] = np.minimum(opened[used], first)
    since = np.full(n, NEVER)
    np.minimum.at(since, person, opened)
    return since


def _seen(snapshot: Snapshot, keys: pa.StringArray, of_account: Int32Array) -> tuple[pd.DataFrame, pa.StringArray]:
    """Return distinct person (place in `keys`), kind and value; and the values."""
    graph, tables = snapshot.graph, snapshot.tables
    parts: list[tuple[Int64Array, Int64Array, pa.StringArray]] = []
    table = tables.get("identifiers")
    if table is not None:
        entity = texts(table, "entity_id")
        holder = pc.fill_null(pc.index_in(pc.binary_join_element_wise("h", entity, ""), keys), -1)
        account = graph.codes(entity)
        person = np.where(account >= 0, of_account[account] if len(of_account) else -1, -1)
        person = np.where(holder.to_numpy(zero_copy_only=False) >= 0, holder.to_numpy(zero_copy_only=False), person)
        kind = pc.index_in(texts(table, "kind"), value_set=pa.array(IDENTIFIER_KINDS)).to_numpy(zero_copy_only=False)
        parts.append((person.astype(np.int64), kind.astype(np.int64), texts(table, "value_hash")))
    sessions = tables.get("sessions")
    for kind_name, column in _IN_SESSIONS.items():
        if sessions is not None and column in sessions.column_names:
            pairs = pa.table({"account": sessions["account_id"], "value": sessions[column]}).drop_null()
            pairs = pairs.group_by(["account", "value"], use_threads=False).aggregate([])
            account = graph.codes(pairs["account"])
            person = np.where(account >= 0, of_account[account], -1) if len(of_account) else account
            kind = np.full(len(pairs), IDENTIFIER_KINDS.index(kind_name))
            parts.append((person.astype(np.int64), kind.astype(np.int64), texts(pairs, "value")))
    if not parts:
        return pd.DataFrame({"person": [], "kind": [], "value": []}, dtype=np.int64), pa.array([], pa.string())
    coded = pa.chunked_array([value for _, _, value in parts]).combine_chunks().dictionary_encode()
    value = pc.fill_null(coded.indices, -1).to_numpy(zero_copy_only=False).astype(np.int64)
    columns = {"person": np.concatenate([part[0] for part in parts]), "kind": np.concatenate([p[1] for p in parts])}
    seen = pd.DataFrame({**columns, "value": value})
    seen = seen[(seen["person"] >= 0) & (seen["value"] >= 0)].drop_duplicates()
    # codes by the hash: no order of rows or names of accounts shows
    order = pc.sort_indices(coded.dictionary).to_numpy()
    rank = np.empty(len(order), np.int64)
    rank[order] = np.arange(len(order))
    seen["value"] = rank[seen["value"].to_numpy()]
    return seen.reset_index(drop=True), coded.dictionary.take(pa.array(order))
