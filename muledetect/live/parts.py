"""Questions to a state, answered by the batch code over the small part of the bank that they read; see `around`."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from functools import cached_property
from typing import Final

import numpy as np
import pyarrow as pa

from muledetect.arrays import AnyArray, Float32Array, Int32Array, Int64Array, distinct
from muledetect.facts import Facts
from muledetect.features import Extraction
from muledetect.features.signals import LOOKBACK, Signal, build_past
from muledetect.graph import TransferGraph, graph_from_arrays
from muledetect.live.around import Indexes, of_points, of_transfers
from muledetect.live.lists import Lists
from muledetect.live.rows import Growing, Rows
from muledetect.records import Dataset
from muledetect.records.encode import IdEncoder

#: What live columns read of transfers besides who, when and how much, and besides their signals.
_READ: Final = ("channel", "source_balance_after", "target_balance_after")

#: What they read of the tables with rows of single accounts, where it is not all.
_READ_OF: Final[Mapping[str, tuple[str, ...]]] = {
    "accounts": ("account_id", "opened_at", "balance", "balance_at", "daily_limit")
}


class LiveExtraction(Extraction):
    """An extraction over a part of the bank; signals of its transfers are those that the state holds."""

    def __init__(self, facts: Facts, values: Mapping[str, Float32Array]) -> None:
        super().__init__(facts, threads=1)
        self._values = values

    def signal(self, column: str) -> Float32Array:
        """Return a signal of the transfers of the part; NaN if it is not live, which no live column reads."""
        found = self._values.get(column)
        return np.full(self.graph.n_transfers, np.nan, np.float32) if found is None else found


class Parts:
    """Takes parts of a state; it shares the state's tables, lists and signals.

    Parameters
    ----------
    tables : mapping of table name -> Rows
    accounts : IdEncoder
    paid, got : Lists
        Transfers by payer and by payee.
    used : mapping of column name -> Lists
        Transfers by each column by which accounts meet.
    owned : mapping of table name -> Lists
        Rows by account.
    signals : sequence of Signal
    values : Growing
        The signals of all transfers.
    currency : str
    tick : int
    """

    def __init__(
        self,
        tables: Mapping[str, Rows],
        accounts: IdEncoder,
        *,
        paid: Lists,
        got: Lists,
        used: Mapping[str, Lists],
        owned: Mapping[str, Lists],
        signals: Sequence[Signal],
        values: Growing,
        currency: str,
        tick: int,
    ) -> None:
        self._tables, self._accounts = tables, accounts
        self._paid, self._got, self._used, self._owned = paid, got, used, owned
        self._signals, self._values = signals, values
        self._currency, self._tick = currency, tick
        self._place = np.empty(0, np.int32)

    def signals_from(self, low: int) -> Float32Array:
        """Return the signals of the transfers from `low` on, which is the first of its tick.

        Parameters
        ----------
        low : int
            Row; the values of those before it are known.
        """
        rows = of_transfers(self._indexes, low, max(LOOKBACK, self._tick))
        n_known = int(np.searchsorted(rows, low))
        graph, _ = self._graph(rows, np.empty(0, np.int32), has_ids=False)
        before, known, place = self._values.values[rows[:n_known]], {}, 0
        for made in self._signals:
            known[made.name] = before[:, place : place + len(made.columns)]
            place += len(made.columns)
        past = build_past(graph, threads=1, known=known, at_hand=self._at_hand(rows, graph))
        values = [made.compute(past)[n_known:] for made in self._signals]
        return np.column_stack([np.empty((len(rows) - n_known, 0), np.float32), *values])

    def around(self, accounts: Int32Array, tables: Collection[str] | None = None) -> tuple[LiveExtraction, Int32Array]:
        """Return the part of the bank that live columns at points of these accounts read, and their codes in it.

        Parameters
        ----------
        accounts : int32[n]
            Codes; -1 for unknown ones.
        tables : collection of str, optional
            Of those with rows of single accounts, the ones that the columns read; default: all.
        """
        asked = distinct(accounts[accounts >= 0])
        rows = of_points(self._indexes, asked)
        graph, codes = self._graph(rows, asked)
        taken = {**self._empty, "transfers": self._tables["transfers"].take(rows, _READ)}
        for name, lists in self._owned.items():
            if tables is None or name in tables:
                taken[name] = self._tables[name].take(lists.of(asked), _READ_OF.get(name))
        records = Dataset(
            taken, graph.account_ids, pa.table({}), (), {}, currency=self._currency, tick=self._tick
        )  # fmt: skip
        facts = Facts(records, graph)
        names = [column for made in self._signals for column in made.columns]
        values = np.ascontiguousarray(self._values.values[rows].T)  # each column is read by itself
        extraction = LiveExtraction(facts, dict(zip(names, values, strict=True)))
        return extraction, np.where(accounts >= 0, np.searchsorted(codes, accounts), -1).astype(np.int32)

    @property
    def _indexes(self) -> Indexes:
        rows = self._tables["transfers"]
        used = tuple((rows[name], lists) for name, lists in self._used.items())
        return Indexes(rows["time"], rows["source"], rows["target"], self._paid, self._got, used)

    def _graph(self, rows: Int64Array, accounts: Int32Array, *, has_ids: bool = True) -> tuple[TransferGraph, AnyArray]:
        """Return the graph of some transfers, with some accounts, and the state's codes of its accounts.

        Signals know accounts by their codes only, so ids may be left out.
        """
        transfers = self._tables["transfers"]
        source, target = transfers["source"][rows], transfers["target"][rows]
        codes = distinct(np.concatenate([source, target, accounts]))
        place = self._places(codes)
        graph = graph_from_arrays(
            time=transfers["time"][rows],
            source=place[source],
            target=place[target],
            amount=transfers["amount"][rows],
            account_ids=self._accounts.take(codes) if has_ids else pa.nulls(len(codes), pa.string()),
            tick=self._tick,
        )
        return graph, codes

    def _at_hand(self, rows: Int64Array, graph: TransferGraph) -> dict[str, AnyArray]:
        """Return what live signals read of the table of some transfers, see `Past.at_hand`."""
        transfers, user = self._tables["transfers"], graph.source
        found = {name: transfers.numbered(name, rows) for name in self._used}
        if "source_balance_after" in transfers:
            found["source_balance_after"] = transfers["source_balance_after"][rows]
        if "channel" in transfers:
            deposit = transfers.encoders["channel"].find_texts(["cash_deposit"])
            user = np.where((transfers["channel"][rows] == deposit) & (deposit >= 0), graph.target, graph.source)
        return found | {"terminal_user": user}

    def _places(self, codes: AnyArray) -> Int32Array:
        """Return an array that holds the place of each of some codes at that code; elsewhere it has no meaning."""
        if len(self._place) < len(self._accounts):
            self._place = np.empty(2 * len(self._accounts), np.int32)
        self._place[codes] = np.arange(len(codes), dtype=np.int32)
        return self._place

    @cached_property
    def _empty(self) -> Mapping[str, pa.Table]:
        return {name: rows.take(np.empty(0, np.int64)) for name, rows in self._tables.items()}
