"""`Snapshot`: what the bank knew just before one moment. The only place where a data set is cut in time.

>>> import muledetect as md
>>> dataset = md.simulate(n_accounts=400, n_days=60, seed=1)
>>> snapshot = Snapshot(dataset, "2025-02-15")
>>> snapshot.graph.n_transfers < dataset.transfers.num_rows
True
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from functools import cached_property
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from muledetect.arrays import BoolArray, Float64Array, Int8Array, Int32Array, Int64Array, pieces
from muledetect.clock import Moment, format_time, parse_time
from muledetect.facts.accounts import PLACES, PUBLIC_KINDS, Accounts, find_hubs
from muledetect.facts.balances import balances_before
from muledetect.facts.columns import by_piece, numbers
from muledetect.facts.complaints import NOT_KNOWN, UNMATCHED
from muledetect.facts.known import Facts, facts_of
from muledetect.facts.matching import transfers_of
from muledetect.facts.registry import nothing_said, reliability_at, standing
from muledetect.memory import HEAP, Room
from muledetect.records import Dataset
from muledetect.schema import ACCOUNT_KINDS

#: Columns whose value is unknown before their own moment: (column, the moment it became known).
_DATED: Final = {
    "accounts": (("opened_at", "opened_at"), ("closed_at", "closed_at"), ("balance", "balance_at"),
                 ("balance_at", "balance_at")),
    "holders": (("capital", "registered_at"), ("registered_at", "registered_at")),
    "complaints": (("status", "status_ts"), ("status_ts", "status_ts")),
    "identifiers": (("valid_to", "valid_to"),),
    "watchlists": (("valid_to", "valid_to"),),
    "registry": (("valid_to", "valid_to"),),
    "labels": (("activity_end", "activity_end"),),
}  # fmt: skip

#: Columns that date a whole row.
_ROW_CLOCKS: Final = ("time", "known_ts", "valid_from")


class StandingComplaints:
    """Complaints that count at a snapshot, in order of their ids.

    Parameters
    ----------
    facts : Facts
    as_of : int
        Exclusive, microseconds.
    n_transfers : int
        Transfers before `as_of`.

    Attributes
    ----------
    complaint_id : pyarrow.StringArray[n]
    known : int64[n]
        When the bank knew of it, microseconds.
    payer, payee : int32[n]
        Account codes; -1 where unknown.
    transfer : int64[n]
        Position in the snapshot's graph; -1 if it means no transfer.
    table : pyarrow.Table
        Their rows.
    excluded : pyarrow.Table
        `complaint_id`, `reason`: complaints that cannot be traced and why, in order of their ids. Those that count, but
        mean no transfer, are here too.
    """

    def __init__(self, facts: Facts, as_of: int, n_transfers: int) -> None:
        found = facts.complaints
        table = facts.tables.get("complaints")
        if table is None:
            table = pa.table({"complaint_id": pa.array([], pa.string())})
        ids = table["complaint_id"].combine_chunks().cast(pa.string())
        order = pc.sort_indices(ids).to_numpy()
        transfer = np.where(found.transfer < n_transfers, found.transfer, -1)[order]
        known_from, known_until = found.known_from[order], found.known_until[order]
        stands = (known_from < as_of) & (as_of <= known_until)
        why = np.select(
            [known_from >= as_of, ~stands, transfer < 0],
            [NOT_KNOWN, "withdrawn", np.array(UNMATCHED)[found.unmatched[order]]],
            "",
        )
        ids, rows = ids.take(pa.array(order)), np.flatnonzero(stands)
        out = np.flatnonzero(why != "")
        self.excluded = pa.table({"complaint_id": ids.take(pa.array(out)), "reason": pa.array(why[out], pa.string())})
        self.complaint_id: pa.StringArray = ids.take(pa.array(rows))
        self.known: Int64Array = known_from[rows]
        self.payer: Int32Array = found.payer[order][rows]
        self.payee: Int32Array = found.payee[order][rows]
        self.transfer: Int64Array = transfer[rows]
        self.table = table.take(pa.array(order[rows]))

    def __len__(self) -> int:
        return len(self.transfer)

    @cached_property
    def disputed(self) -> Int64Array:
        """Return the distinct disputed transfers, positions in the snapshot's graph, ascending."""
        return np.unique(self.transfer[self.transfer >= 0])


class _CutTables(Mapping[str, pa.Table]):
    """Tables as they stood at a moment, each cut when it is first asked for."""

    def __init__(self, tables: Mapping[str, pa.Table], as_of: int, n_transfers: int, room: Room) -> None:
        self._tables, self._as_of, self._n_transfers, self._room = tables, as_of, n_transfers, room
        self._cut: dict[str, pa.Table] = {}

    def __getitem__(self, name: str) -> pa.Table:
        if name not in self._cut:
            whole = self._tables[name]
            self._cut[name] = whole.slice(0, self._n_transfers) if name == "transfers" else cut_table(
                name, whole, self._as_of, self._room
            )  # fmt: skip
        return self._cut[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._tables)

    def __len__(self) -> int:
        return len(self._tables)


class Snapshot:
    """What the bank knew just before a moment: rings, ties, traces and pages look at nothing else.

    Parameters
    ----------
    dataset : Dataset or Facts
        `Facts` of a data set save deriving them again for each of several moments.
    as_of : Moment
        Exclusive: what happened, became known or ended at this moment or later is not seen.

    Attributes
    ----------
    as_of : int
        Microseconds since 1970, UTC.
    graph : TransferGraph
        Transfers before `as_of`; all accounts of the data set have their code.
    tables : mapping of str to pyarrow.Table
        Rows that had happened and were known, see `cut_table`; no table that holds the truth.
    currency : str
    tick : int
    fingerprint : str
        As in the data set.
    """

    def __init__(self, dataset: Dataset | Facts, as_of: Moment) -> None:
        self._facts = dataset if isinstance(dataset, Facts) else facts_of(dataset)
        self.as_of = parse_time(as_of)
        self.graph = self._facts.graph.until(self.as_of)
        self.tables: Mapping[str, pa.Table] = _CutTables(
            self._facts.tables, self.as_of, self.graph.n_transfers, self._facts.room
        )
        whole = self._facts.dataset
        self.currency, self.tick, self.fingerprint = whole.currency, whole.tick, whole.fingerprint

    def __repr__(self) -> str:
        counts = f"{self.graph.n_accounts:,} accounts, {self.graph.n_transfers:,} transfers"
        return f"Snapshot(before {format_time(self.as_of)}: {counts})"

    @property
    def facts(self) -> Facts:
        """The facts of the whole data set, for what compares spans with moments itself, as features do."""
        return self._facts

    def at(self, as_of: Moment) -> Snapshot:
        """Return what the bank knew at another moment."""
        return Snapshot(self._facts, as_of)

    @cached_property
    def complaints(self) -> StandingComplaints:
        """Complaints that count at this moment, with their transfers."""
        return StandingComplaints(self._facts, self.as_of, self.graph.n_transfers)

    @cached_property
    def is_disputed(self) -> BoolArray:
        """Which transfers a complaint disputes, bool[n_transfers]."""
        found = np.zeros(self.graph.n_transfers, np.bool_)
        found[self.complaints.disputed] = True
        return found

    @cached_property
    def lists(self) -> pa.Table:
        """Entries of watch lists that count at this moment.

        The columns of the table, and `account` (code, -1 for none), `since` (from when it counts, microseconds) and
        `trust` (reliability, 0.5 where none is stated); no rows without the table.
        """
        lists = self._facts.lists
        if lists is None:
            columns = {"list_id": pa.string(), "kind": pa.string(), "value_hash": pa.string(), "account": pa.int32(),
                       "since": pa.int64(), "trust": pa.float64()}  # fmt: skip
            return pa.table({name: pa.array([], of) for name, of in columns.items()})
        rows = np.flatnonzero((lists.known_from < self.as_of) & (self.as_of <= lists.known_until))
        table = lists.table.take(pa.array(rows))
        for name, values in (
            ("account", lists.account), ("since", lists.known_from), ("trust", lists.reliability)
        ):  # fmt: skip
            table = table.append_column(name, pa.array(values[rows]))
        return table

    @cached_property
    def is_listed(self) -> BoolArray:
        """Which accounts a list names by their id, bool[n_accounts]."""
        found = np.zeros(self.graph.n_accounts, np.bool_)
        codes = self.lists["account"].to_numpy()
        found[codes[codes >= 0]] = True
        return found

    @cached_property
    def registry(self) -> pa.Table:
        """Entries of registries that stand at this moment: one row an entry, its latest statement that counts.

        The columns of the table, and `account` (code, -1 for people, companies and unknown accounts), `since` (from
        when it counts, microseconds) and `trust` (reliability, see `muledetect.facts.registry`); no rows without it.
        """
        found = self._facts.registry
        return standing(nothing_said(self.graph) if found is None else found, self.as_of)

    @cached_property
    def registered(self) -> Float64Array:
        """Highest reliability of the entries of registries about each account or its holder, float64[n_accounts]; 0
        where none stands."""
        entries = self._facts.registered_accounts
        if entries is None:
            return np.zeros(self.graph.n_accounts)
        return np.asarray(reliability_at(entries, self.as_of))

    @property
    def accounts(self) -> Accounts:
        """What the accounts table says; moments at or after `as_of` are not cut here, see `tables`."""
        return self._facts.accounts

    @cached_property
    def session_account(self) -> Int32Array:
        """Account code of each row of table sessions, int32; -1 for null or an account that the graph does not know."""
        room, table = self._facts.room, self.tables.get("sessions")
        column = pa.chunked_array([], pa.string()) if table is None else table["account_id"]
        return room.keep(by_piece(column, self.graph.codes, np.int32, room))

    @cached_property
    def is_hub(self) -> BoolArray:
        """Which accounts so many others paid that they serve the public, bool[n_accounts]; see `HUB_PAYERS`."""
        return find_hubs(self.graph)

    @cached_property
    def serves_public(self) -> BoolArray:
        """Which accounts serve the public, by their kind or because so many others paid them, bool[n_accounts]."""
        return self.accounts.is_public | self.is_hub

    @cached_property
    def stop_place(self) -> Int8Array:
        """Code of `PLACES` at which money in an account is no longer followed, int8[n_accounts]; 0 = follow it.

        The kind of an account that serves the public, then another bank, then a hub.
        """
        accounts = self.accounts
        of_kind = np.array([*(PLACES.index(kind) if kind in PUBLIC_KINDS else 0 for kind in ACCOUNT_KINDS), 0], np.int8)
        found = of_kind[accounts.kind]
        found[(found == 0) & ~accounts.is_own] = PLACES.index("other_bank")
        found[(found == 0) & self.is_hub] = PLACES.index("hub")
        return np.asarray(found)

    @cached_property
    def exit_place(self) -> Int8Array:
        """Code of `PLACES` that each transfer's channel leads to, int8[n_transfers]; 0 = an account."""
        found = self._facts.exit_place
        n = self.graph.n_transfers
        return np.zeros(n, np.int8) if found is None else found[:n]

    @cached_property
    def is_between_accounts(self) -> BoolArray:
        """Which transfers go from one account to another that can be followed, bool[n_transfers].

        None of an account to itself, to or from one that serves the public, through an exit, from a cash machine, that
        is a reversal, or that was reversed.
        """
        graph, public, reversals = self.graph, self.serves_public, self._facts.reversals
        n = graph.n_transfers
        found: BoolArray = self._facts.room.empty(n, np.bool_)
        is_cash_in, exit_place = self._facts.is_cash_in, self.exit_place
        for rows in pieces(n):
            source, target = graph.source[rows], graph.target[rows]
            of_rows = (source != target) & ~public[source] & ~public[target] & (exit_place[rows] == 0)
            of_rows &= ~reversals.is_reversal[rows] & (reversals.reversed_at[rows] >= self.as_of)
            found[rows] = of_rows if is_cash_in is None else of_rows & ~is_cash_in[rows]
        return found

    def transfers_of(self, accounts: Int32Array, since: int | None = None) -> tuple[Int64Array, Int64Array]:
        """Return the transfers that accounts paid or received, both sides one after the other.

        Parameters
        ----------
        accounts : int32[n]
            Codes.
        since : int, optional
            Only transfers at or after this moment, microseconds.

        Returns
        -------
        of, transfer : int64[m]
            Position in `accounts`, and position in the graph; a transfer between two of them stands there twice.
            O(their transfers).
        """
        return transfers_of(self.graph, accounts, since)

    def balances(self, accounts: Int32Array) -> tuple[Int64Array, BoolArray]:
        """Return what was in accounts just before `as_of` (int64, minor units), and whether the records state it.

        See `balances.balance_before` for the rule. O(transfers of the accounts since the last statement).
        """
        return balances_before(accounts, np.full(len(accounts), self.as_of), self._facts.ledger(self.graph))

    def identifiers(self, kind: str) -> pa.Table:
        """Return what accounts are known to have used of one kind, from table identifiers.

        Returns
        -------
        pyarrow.Table
            account (code), value, since (microseconds), is_current (not ended before `as_of`); one row an account of
            the entity, which is an account or a holder. What was once used stays known.
        """
        types = {"account": pa.int32(), "value": pa.string(), "since": pa.int64(), "is_current": pa.bool_()}
        table = self.tables.get("identifiers")
        if table is None:
            return pa.table({name: pa.array([], of) for name, of in types.items()})
        table = table.filter(pc.equal(table["kind"].cast(pa.string()), kind))
        known = pa.chunked_array([np.maximum(numbers(table, "valid_from"), numbers(table, "known_ts"))])
        ended = table["valid_to"] if "valid_to" in table.column_names else pa.nulls(len(table))
        rows, code = _accounts_of(self, table["entity_id"].cast(pa.string()))
        take = pa.array(rows)
        columns = [code.astype(np.int32), table["value_hash"].cast(pa.string()).take(take), known.take(take),
                   pc.is_null(ended).take(take)]  # fmt: skip
        return pa.table([pa.array(columns[0]), *columns[1:]], names=list(types))


def known_before(dataset: Dataset, as_of: int) -> Dataset:
    """Return the data set with the rows of each table that had happened and were known before a moment."""
    return replace(
        dataset, tables={name: cut_table(name, table, as_of, dataset.room) for name, table in dataset.tables.items()}
    )


def cut_table(name: str, table: pa.Table, as_of: int, room: Room = HEAP) -> pa.Table:
    """Return the rows of a table that had happened and were known before a moment, kept in a room.

    Rows whose `time`, `known_ts` or `valid_from` is at or after `as_of` are left out. Values that became true at or
    after it (a status, an end of validity, a balance) are null; the status of a complaint is then "open".
    """
    moment = pa.scalar(as_of, pa.timestamp("us", tz="UTC"))
    keep: Any = None
    for clock in _ROW_CLOCKS:
        # a complaint's `time` is a statement about its transfer, not the moment of the row
        if clock in table.column_names and not (name == "complaints" and clock == "time"):
            before = pc.fill_null(pc.less(table[clock], moment), True)
            keep = before if keep is None else pc.and_(keep, before)
    cut = table if keep is None or pc.all(keep).as_py() else room.filter(table, keep)
    for column, clock in _DATED.get(name, ()):
        if column in cut.column_names and clock in cut.column_names:
            cut = _mask(cut, column, pc.fill_null(pc.greater_equal(cut[clock], moment), False), room)
    return cut


def _mask(table: pa.Table, column: str, is_later: pa.ChunkedArray, room: Room) -> pa.Table:
    old = table[column]
    other = pa.scalar("open" if column == "status" else None, pa.string() if column == "status" else old.type)
    plain = old.cast(pa.string()) if column == "status" else old
    masked = pa.chunked_array([room.keep(chunk) for chunk in pc.if_else(is_later, other, plain).chunks], plain.type)
    return table.set_column(table.schema.get_field_index(column), column, masked)


def _accounts_of(snapshot: Snapshot, entity: pa.ChunkedArray) -> tuple[Int64Array, Int64Array]:
    """Return rows of entities and an account of each: an account itself, or those of a holder."""
    code = snapshot.graph.codes(entity).astype(np.int64)
    own = np.flatnonzero(code >= 0)
    accounts = snapshot.tables.get("accounts")
    if accounts is None or "holder_id" not in accounts.column_names:
        return own, code[own]
    held = accounts.select(["account_id", "holder_id"]).filter(pc.is_valid(accounts["holder_id"]))
    holders = pa.table(
        {"holder": held["holder_id"].cast(pa.string()), "code": snapshot.graph.codes(held["account_id"])}
    )
    joined = pa.table({"holder": entity, "row": np.arange(len(entity))}).join(holders, "holder", join_type="inner")
    joined = joined.filter(pc.greater_equal(joined["code"], 0)).sort_by([("row", "ascending"), ("code", "ascending")])
    rows = np.concatenate([own, joined["row"].to_numpy()])
    return rows, np.concatenate([code[own], joined["code"].to_numpy().astype(np.int64)])
