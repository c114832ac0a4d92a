"""What a live scorer knows: the rows of the bank in tables that grow, and the live signals of every transfer.

Nothing here has a formula of its own. A question is answered by the registered signals and features, over a part of
the bank that holds all that they read: see `parts`. What was computed for a transfer stays, for signals never look
ahead; a transfer that comes late is put in its place, and what came after it is computed again.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, Literal

import numba
import numpy as np
import pyarrow as pa

from muledetect.arrays import AnyArray, BoolArray, Float32Array, Int32Array, Int64Array, first_at_least
from muledetect.facts import Facts
from muledetect.facts.known import visible_tables
from muledetect.facts.lookback import dataset_since, rows_since
from muledetect.features.signals import Signal, build_past, fill_signals, signal_registry
from muledetect.graph import Points, build_graph
from muledetect.live.around import MEETING
from muledetect.live.lists import Listed, Lists, last
from muledetect.live.parts import RECORD, Parts, add_records
from muledetect.live.plain import plain_cells
from muledetect.live.rows import Cells, Growing, Rows
from muledetect.memory import give_back
from muledetect.records import Dataset
from muledetect.records.encode import IdEncoder
from muledetect.schema import INPUTS

#: Column by which a row of each table is found again: a repeat of it, or the row that it says something new about.
_FOUND_BY: Final[Mapping[str, str]] = {
    "transfers": "transfer_id", "accounts": "account_id", "holders": "holder_id", "identifiers": "entity_id",
    "sessions": "session_id", "complaints": "complaint_id", "calls": "call_id", "watchlists": "value_hash",
    "registry": "entry_id",
    "labels": "account_id",
}  # fmt: skip

#: Column that says whose a row is, of the tables of which live columns read the rows of one account.
_OWNER: Final[Mapping[str, str]] = {"accounts": "account_id", "sessions": "account_id"}


#: Room that dictionaries have for the ids of a day, as a part of those that they hold, and at least for so many.
_DAYS_ROOM: Final = 16
_LEAST_ROOM: Final = 1_000

#: Told of accounts whose columns change at all points after some moments, int32[n] and int64[n] microseconds.
OnChange = Callable[[AnyArray, AnyArray], None]

#: A method that changed the rows, and what it was given.
Told = tuple[str, tuple[Any, ...]]

#: How a row stands to those of its id: there is none, one is equal, one differs only in what may change, or neither.
Likeness = Literal["new", "equal", "turned", "other"]


def live_signals() -> list[Signal]:
    """Return the signals that can be computed as each transfer arrives."""
    return [made for made in signal_registry().signals.values() if not made.not_live]


class LiveState:
    """The rows of a data set and those that came since.

    Parameters
    ----------
    records : Facts or callable
        A function returns the data set. Where nobody else holds it, each column is freed when it is in the state.
    signals : sequence of Signal, optional
        Those to compute; default: all live ones.
    since : int, optional
        Begin of the look-back, see `Facts.since`; default: none.
    values : float32[n_transfers, n_columns], optional
        The signals of the transfers, where they are at hand; the data set then has nothing before `since`.
    threads : int, optional
        To compute signals with; default: all cores.

    Attributes
    ----------
    tables : mapping of table name -> Rows
    accounts : IdEncoder
        Code of each account id.
    since : int or None
        Begin of the look-back, microseconds: events before it are not kept.
    on_change : callable or None
        Told what each change of the rows changes of live columns. These read the transfers, the sessions and the row of
        their account, so what lies after a late transfer changes only for accounts with a new transfer or signal.
    parts : Parts
        What the state is asked through.
    """

    def __init__(
        self,
        records: Facts | Callable[[], Dataset],
        signals: Sequence[Signal] | None = None,
        *,
        since: int | None = None,
        values: Float32Array | None = None,
        threads: int | None = None,
    ) -> None:
        dataset = records() if callable(records) else records.dataset
        if since is not None and values is None:
            dataset = dataset_since(dataset, since)
        self.since, self.currency, self.tick = since, dataset.currency, dataset.tick
        self._told: deque[Told] | None = None
        self.on_change: OnChange | None = None
        self.signals = live_signals() if signals is None else list(signals)
        names = [name for made in self.signals for name in made.columns]
        of_shapes = ("scatter_gather", "scatter_left_out")
        self._of_shapes = [names.index(name) for name in of_shapes if name in names]
        # before all else: what signals are made of takes less room than what is not there yet
        self._values = self._signals_of(dataset, threads) if values is None else Growing(values)
        self.accounts = IdEncoder()
        self.accounts.encode(dataset.account_ids)
        owners = {name: {column: self.accounts} for name, column in _OWNER.items()}
        shared = {**owners, "transfers": dict.fromkeys(("source", "target"), self.accounts)}
        columns = {name: _of_contract(name, table) for name, table in visible_tables(dataset).items()}
        del dataset
        give_back()
        self.tables = {name: Rows(one, shared.get(name)) for name, one in columns.items()}
        give_back()
        rows = self.tables["transfers"]
        self._paid, self._got = (Lists(rows[name], len(self.accounts)) for name in ("source", "target"))
        self._to_self = Lists(_to_self(rows["source"], rows["target"]), len(self.accounts))
        self._used = {name: Lists(*_keys_of(rows, name)) for name in MEETING if name in rows}
        self._owned = {
            name: Lists(self.tables[name][column], len(self.accounts))
            for name, column in _OWNER.items()
            if name in self.tables
        }
        self._found = {
            name: Lists(*_keys_of(table, column))
            for name, column in _FOUND_BY.items()
            if (table := self.tables.get(name)) is not None and column in table
        }
        self._reversals = Lists(*_keys_of(rows, "reversal_of")) if "reversal_of" in rows else None
        for encoder in {self.accounts, *(one for table in self.tables.values() for one in table.encoders.values())}:
            encoder.reserve(len(encoder) // _DAYS_ROOM + _LEAST_ROOM)
        self._left_out, self._records = Growing(self._are_left_out(self._values.values)), Growing(np.empty(0, RECORD))
        add_records(self._records, rows, 0)
        self.parts = Parts(
            self.tables, self.accounts, paid=self._paid, got=self._got, to_self=self._to_self, used=self._used,
            owned=self._owned, signals=self.signals, values=self._values, records=self._records,
            left_out=self._left_out, currency=self.currency, tick=self.tick,
        )  # fmt: skip
        self.parts.fill_openings(threads or os.cpu_count() or 1)
        give_back()

    def __repr__(self) -> str:
        counts = ", ".join(f"{name}={len(rows):,}" for name, rows in self.tables.items())
        return f"LiveState({counts}; accounts={len(self.accounts):,}, {self.nbytes / 1e6:,.1f} MB)"

    @property
    def n_transfers(self) -> int:
        """Number of transfers."""
        return len(self.tables["transfers"])

    @property
    def nbytes(self) -> int:
        """Bytes in use, without what one question takes."""
        return sum(self.sizes().values())

    def sizes(self) -> dict[str, int]:
        """Return the bytes that grow with transfers, with accounts, and with the rows of other tables."""
        by_account, rows = (self._paid, self._got, self._to_self), self.tables["transfers"]
        keys = sum(one.nbytes - one.nbytes_of_rows for one in by_account)
        by_other = [*self._used.values(), *(one for one in (self._found["transfers"], self._reversals) if one)]
        others = [*self._owned.values(), *(one for name, one in self._found.items() if name != "transfers")]
        return {
            "transfers": rows.nbytes + self._values.nbytes + self._records.nbytes + self._left_out.nbytes
            + sum(one.nbytes_of_rows for one in by_account) + sum(one.nbytes for one in by_other),
            "accounts": self.accounts.nbytes + keys + self.parts.openings.nbytes,
            "other": sum(table.nbytes for name, table in self.tables.items() if name != "transfers")
            + sum(one.nbytes for one in others),
        }  # fmt: skip

    def rows_of(self, name: str, key: str) -> Int64Array:
        """Return the rows of a table that an id finds: its own, or, of lists and identifiers, those of a value."""
        lists = self._found.get(name)
        if lists is None:
            return np.empty(0, np.int64)
        return lists.of(self.tables[name].encoders[_FOUND_BY[name]].find(pa.array([key], pa.string())))

    def is_known(self, name: str, keys: pa.ChunkedArray | list[str]) -> BoolArray:
        """Return which ids rows of a table have."""
        encoder = self.tables[name].encoders[_FOUND_BY[name]]
        codes = encoder.find_texts(keys) if isinstance(keys, list) else encoder.find(keys.combine_chunks())
        return np.asarray(self._found[name].counts(codes) > 0)

    def plain(self, name: str, rows: Sequence[Mapping[str, Any]]) -> Cells | None:
        """Return rows as cells, if they need no reading and their ids are new; see `muledetect.live.plain`.

        Parameters
        ----------
        name : str
            Table.
        rows : sequence of mappings
        """
        if name not in self.tables:
            return None
        cells = plain_cells(name, rows, self.tables[name], currency=self.currency, since=self.since)
        return None if cells is None or self.is_known(name, cells.columns[_FOUND_BY[name]]).any() else cells

    def reversals_of(self, transfer_id: str) -> Int64Array:
        """Return the reversals of a transfer that are booked."""
        if self._reversals is None:
            return np.empty(0, np.int64)
        encoder = self.tables["transfers"].encoders["reversal_of"]
        return self._reversals.of(encoder.find(pa.array([transfer_id], pa.string())))

    @property
    def signal_values(self) -> Float32Array:
        """The live signals of all transfers, float32[n_transfers, n_columns]; a view, for reading."""
        return self._values.values

    def codes(self, account_ids: Sequence[str]) -> Int32Array:
        """Return the codes of account ids, -1 for an id that no row of transfers, accounts or sessions has."""
        return self.accounts.find_texts(account_ids)

    def add_transfers(self, table: pa.Table | Cells) -> None:
        """Book transfers. O(transfers since the earliest of them).

        Parameters
        ----------
        table : pyarrow.Table or Cells
            Columns and types of the contract, ids new. `Cells` must not lie before the look-back.
        """
        table = self._kept("transfers", table)
        if not len(table):
            return
        self._tell("add_transfers", table)
        rows, n_before = self.tables["transfers"], self.n_transfers
        rows.append(table)
        low, is_in_order = _first_changed(rows["time"], n_before)
        if low < n_before:
            for key, lists in self._listed(low, n_before):
                lists.remove_last(key)
        order = np.arange(self.n_transfers - low)
        if not is_in_order:
            order = np.lexsort([rows[name][low:] for name in ("amount", "target", "source", "time")])
            rows.reorder(low, order)
        new = np.arange(low, self.n_transfers)
        for key, lists in self._listed(low, self.n_transfers):
            lists.add(key, new)
        self.parts.openings.forget(low)
        former = self._values.values[low:].copy()
        self._records.cut(low)
        add_records(self._records, rows, low)
        self._values.cut(low)
        self._left_out.cut(low)
        found = self.parts.signals_from(low)
        self._values.append(found)
        self._left_out.append(self._are_left_out(found))
        if self.on_change is not None:
            changed = low + np.flatnonzero(_differ(former, found, order))
            source, target, time = (rows[name][changed] for name in ("source", "target", "time"))
            self.on_change(np.concatenate([source, target]), np.concatenate([time, time]))

    def add_rows(self, name: str, table: pa.Table | Cells) -> None:
        """Add rows of another table.

        Parameters
        ----------
        name : str
            Table.
        table : pyarrow.Table or Cells
            Columns and types of the contract. `Cells` must not lie before the look-back.
        """
        rows, table = self.tables[name], self._kept(name, table)
        self._tell("add_rows", name, table)
        n_before = len(rows)
        rows.append(table)
        if self.on_change is not None and name in _OWNER:
            owners = rows[_OWNER[name]][n_before:]
            self.on_change(owners, rows["time"][n_before:] if "time" in rows else np.zeros(len(owners), np.int64))
        new = np.arange(n_before, len(rows))
        for lists, column in ((self._owned.get(name), _OWNER.get(name)), (self._found.get(name), _FOUND_BY.get(name))):
            if lists is not None and column is not None:
                lists.add(rows[column][n_before:], new)

    def compare(self, name: str, table: pa.Table, turns: Sequence[str]) -> tuple[Likeness, int]:
        """Compare a row with those that its id finds; return how it stands to them, and the row that it turns, or -1.

        Parameters
        ----------
        name : str
            Another table than transfers.
        table : pyarrow.Table
            One row.
        turns : sequence of str
            Columns in which a row may differ that is told anew.
        """
        rows = self.tables[name]
        known, new = self.rows_of(name, table[_FOUND_BY[name]].cast(pa.string())[0].as_py()).tolist(), len(rows)
        if not known:
            return "new", -1
        rows.append(table)
        found = {row: set(rows.differing(new, row)) for row in known}
        rows.cut(new)
        if not all(found.values()):
            return "equal", -1
        turned = [row for row, differing in found.items() if differing <= set(turns)]
        return ("turned", turned[0]) if turned else ("other", -1)

    def turn_row(self, name: str, table: pa.Table, turns: Sequence[str]) -> None:
        """Put a row in the place of the one that it turns, see `compare`; add it where there is none any more."""
        likeness, row = self.compare(name, table, turns)
        if likeness != "turned":
            self.add_rows(name, table)
            return
        self._tell("turn_row", name, table, turns)
        rows = self.tables[name]
        n = len(rows)
        rows.append(table)
        rows.copy_row(n, row)
        rows.cut(n)
        if self.on_change is not None and name in _OWNER:
            self.on_change(rows[_OWNER[name]][[row]], np.zeros(1, np.int64))

    def is_own(self, accounts: Int32Array) -> BoolArray:
        """Return which accounts are held at this bank: those of which nothing else is said."""
        table = self.tables.get("accounts")
        if table is None or "is_own" not in table:
            return np.asarray(accounts >= 0)
        found: BoolArray = _is_own(self._owned["accounts"].listed, table["is_own"], accounts)
        return found

    def busy_accounts(self, most: int) -> Int32Array:
        """Return the accounts of this bank with more transfers in the look-back, ascending. O(accounts)."""
        accounts = np.arange(len(self.accounts), dtype=np.int32)
        accounts = accounts[self._paid.counts(accounts) + self._got.counts(accounts) > most]
        return accounts[self.is_own(accounts)]

    @property
    def by_account(self) -> tuple[Listed, Listed, Int64Array]:
        """The transfers that each account paid, those that it got, and the time of each transfer, for kernels."""
        return self._paid.listed, self._got.listed, self.tables["transfers"]["time"]

    @property
    def latest(self) -> int:
        """Time of the latest transfer; 0 without transfers."""
        return int(self.tables["transfers"]["time"][-1]) if self.n_transfers else 0

    def last_points(self) -> Points:
        """Return the two ends of the latest transfer, just after it; none without transfers."""
        rows = self.tables["transfers"]
        ends = np.concatenate([rows["source"][-1:], rows["target"][-1:]])
        return Points(ends, np.full(len(ends), self.latest + 1))

    def later(self, since: int) -> LiveState:
        """Return the state without the events before a moment; codes of accounts stay. O(transfers)."""
        return LiveState(self.to_dataset, self.signals, since=since)

    def prepare_later(self, since: int) -> tuple[Callable[[], LiveState], deque[Told]]:
        """Return what makes `later` of now in another thread, and where is told what is booked from now on.

        The other thread does all of it; only the last rows are copied at once.

        Parameters
        ----------
        since : int
            Begin of its look-back, microseconds.
        """
        records, self._told = self.lend(), deque()
        # one thread, for the others have payments to score
        return lambda: LiveState(records, self.signals, since=since, threads=1), self._told

    def to_dataset(self) -> Dataset:
        """Return all rows as a data set; account codes are those of the state, so ids are in no order."""
        return self._to_dataset(self.tables, len(self.accounts))

    def lend(self) -> Callable[[], Dataset]:
        """Return what makes `to_dataset` of now, and may be called in another thread while this one goes on.

        What it costs this thread does not depend on the number of rows. A row that is changed before the other thread
        has copied the rows makes this one copy its table; late transfers do so if thousands came since.
        """
        lent, n_accounts = {name: one.lend() for name, one in self.tables.items()}, len(self.accounts)
        return lambda: self._to_dataset({name: copied() for name, copied in lent.items()}, n_accounts)

    def lend_signals(self) -> Callable[[], Float32Array]:
        """Return what makes `signal_values` of now, as `lend`."""
        values = self._values.lend()
        return lambda: values().values

    def _to_dataset(self, held: Mapping[str, Rows], n_accounts: int) -> Dataset:
        ids = self.accounts.take(np.arange(n_accounts, dtype=np.int32))  # not `ids`: others may be learning ids
        tables = {name: rows.take(slice(None)) for name, rows in held.items()}
        transfers = tables["transfers"]
        for name in ("source", "target"):
            coded = pa.DictionaryArray.from_arrays(pa.array(held["transfers"][name].copy()), ids)
            transfers = transfers.set_column(transfers.schema.get_field_index(name), name, coded)
        return self._dataset({**tables, "transfers": transfers}, ids)

    def _signals_of(self, dataset: Dataset, threads: int | None) -> Growing:
        """Return the signals of all transfers."""
        made = Growing(np.empty((0, sum(len(one.columns) for one in self.signals)), np.float32))
        # no `Facts`: they refer to themselves, and would stay until Python looks for dead objects
        graph, tables = build_graph(dataset), visible_tables(dataset)
        past = build_past(graph, tables=tables, threads=threads, room=dataset.room)
        fill_signals(self.signals, past, made.extend(len(dataset.transfers)))
        return made

    def _are_left_out(self, values: Float32Array) -> BoolArray:
        """Return which transfers scatter-gather shapes leave out, by the values of signals."""
        if not self._of_shapes:
            return np.zeros(len(values), np.bool_)
        middles, left_out = self._of_shapes
        return np.asarray(np.isnan(values[:, middles]) & (values[:, left_out] > 0))

    def _tell(self, what: str, *given: Any) -> None:
        if self._told is not None:
            self._told.append((what, given))

    def _kept(self, name: str, table: pa.Table | Cells) -> pa.Table | Cells:
        if self.since is None or isinstance(table, Cells):
            return table
        return rows_since(name, table, self.since)

    def _dataset(self, tables: Mapping[str, pa.Table], ids: pa.StringArray) -> Dataset:
        return Dataset(tables, ids, pa.table({}), (), {}, currency=self.currency, tick=self.tick)

    def _listed(self, low: int, high: int) -> list[tuple[AnyArray, Lists]]:
        """Return the lists of transfers, each with the keys of some rows."""
        rows = self.tables["transfers"]
        source, target = rows["source"][low:high], rows["target"][low:high]
        listed = [(source, self._paid), (target, self._got), (_to_self(source, target), self._to_self)]
        listed += [(rows[name][low:high], lists) for name, lists in self._used.items()]
        listed.append((rows["transfer_id"][low:high], self._found["transfers"]))
        return listed if self._reversals is None else [*listed, (rows["reversal_of"][low:high], self._reversals)]


@numba.njit(cache=True, nogil=True)
def _first_changed(time, n_before):  # type: ignore[no-untyped-def]
    """Return the first row that is not before the new ones, and if times grow from it on: no two are the same."""
    low = first_at_least(time, 0, n_before, time[n_before:].min())
    for i in range(low + 1, len(time)):
        if time[i] <= time[i - 1]:
            return low, False
    return low, True


@numba.njit(cache=True, nogil=True)
def _is_own(lists, is_own, accounts):  # type: ignore[no-untyped-def]
    """Return which accounts are known, and the last row of each, where it has one, does not say that it is none."""
    found = accounts >= 0
    for i in range(len(accounts)):
        row = last(lists, accounts[i])
        if row >= 0:
            found[i] = is_own[row] != 0
    return found


def _differ(former: Float32Array, found: Float32Array, order: AnyArray) -> BoolArray:
    """Return which rows of signals are new or others than before; row i was row `order[i]`, new rows were behind."""
    is_new = order >= len(former)
    if not len(former):
        return is_new
    one, other = (np.ascontiguousarray(values).view(np.uint32) for values in (found, former))  # NaN is as NaN
    is_new[~is_new] = (one[~is_new] != other[order[~is_new]]).any(axis=1)
    return is_new


def _to_self(source: AnyArray, target: AnyArray) -> AnyArray:
    """Return the account of each transfer from an account to itself, -1 for others."""
    return np.where(source == target, source, -1)


def _keys_of(rows: Rows, column: str) -> tuple[AnyArray, int]:
    return rows[column], len(rows.encoders[column])


def _of_contract(name: str, table: pa.Table) -> dict[str, pa.ChunkedArray]:
    return {column: table[column] for column in table.column_names if column in INPUTS[name].names}
