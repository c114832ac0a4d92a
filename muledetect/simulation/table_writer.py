"""Writes a world down week by week, and remembers the little that later tables need of past weeks."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

import numpy as np
import pyarrow as pa

from muledetect.arrays import BoolArray, Int64Array, UInt64Array
from muledetect.simulation.bank.calls import CallMaker
from muledetect.simulation.bank.sessions import SessionMaker
from muledetect.simulation.days import Span
from muledetect.simulation.economy import Economy
from muledetect.simulation.plan import CHANNEL, NORMAL, VICTIM, Columns, rows_at
from muledetect.simulation.streams import hash_bits
from muledetect.simulation.tables.ids import Ids
from muledetect.simulation.tables.records import calls_table, devices_table, sessions_table, slices, transfers_table

#: Receives rows of a table; those of one table may come in many pieces.
Put = Callable[[str, pa.Table], None]

_BY_HAND: Final = (CHANNEL["p2p_proxy"], CHANNEL["p2p_account"])


@dataclass(slots=True)
class TableWriter:
    """Turns each week into tables.

    `is_ring_account` marks accounts that some ring uses, `is_visible` those that our bank has seen. `ring_transfers`
    holds every transfer of an account that some ring uses (also those that our bank did not see); `honest` and
    `sessions` are uniform samples.
    """

    economy: Economy
    ids: Ids
    session_maker: SessionMaker
    call_maker: CallMaker
    put: Put
    is_ring_account: BoolArray
    is_visible: BoolArray
    honest: Sample
    sessions: Sample
    ring_transfers: list[Columns] = field(default_factory=list)
    n_transfers: int = 0
    n_sessions: int = 0
    n_calls: int = 0

    def write_week(self, span: Span, executed: Columns) -> None:
        """Write down one week, given the transfers that were executed in it."""
        economy, ids = self.economy, self.ids
        rows = self._visible_transfers(executed)
        sessions, session_of = self.session_maker.sessions_of(span, rows)
        calls = self.call_maker.calls_of(span)
        sessions["number"] = self.n_sessions + np.arange(len(sessions["time"]))
        calls["number"] = self.n_calls + np.arange(len(calls["time"]))
        self.sessions.offer({name: sessions[name] for name in ("account", "device", "ip", "time", "number")})
        for part in slices(len(session_of)):
            some = rows_at(rows, part)
            table = transfers_table(economy, ids, some, sessions, session_of[part], self.n_sessions)
            self.put("transfers", table)
        for part in slices(len(sessions["time"])):
            self.put("sessions", sessions_table(economy, ids, rows_at(sessions, part)))
        self.put("identifiers", devices_table(ids, self.session_maker.new_devices(sessions)))
        for part in slices(len(calls["time"])):
            self.put("calls", calls_table(economy, ids, rows_at(calls, part)))
        self.n_sessions += len(sessions["time"])
        self.n_calls += len(calls["time"])

    def _visible_transfers(self, executed: Columns) -> Columns:
        """Number the transfers that our bank sees, remember what matters later, and return them."""
        people = self.economy.people
        seen = self.economy.is_visible(executed["source"], executed["target"])
        number = np.full(len(seen), np.int64(-1))
        number[seen] = self.n_transfers + np.arange(int(seen.sum()))
        self.n_transfers += int(seen.sum())
        executed = {**executed, "number": number}
        of_ring = self.is_ring_account[executed["source"]] | self.is_ring_account[executed["target"]]
        self.ring_transfers.append(rows_at(executed, of_ring | (executed["kind"] == VICTIM)))
        rows = rows_at(executed, seen)
        self.is_visible[rows["source"]] = True
        self.is_visible[rows["target"]] = True
        private = people.is_private[rows["target"]] & people.is_own[rows["source"]]
        self.honest.offer(rows_at(rows, (rows["kind"] == NORMAL) & private & np.isin(rows["channel"], _BY_HAND)))
        return rows


@dataclass(slots=True)
class Sample:
    """At most `size` rows of all that were offered: those whose numbers hash lowest.

    >>> from numpy import arange
    >>> some = Sample(size=3, seed=1)
    >>> some.offer({"number": arange(100)})
    >>> len(some.rows["number"])
    3
    """

    size: int
    seed: int
    rows: Columns = field(default_factory=dict)

    def offer(self, rows: Columns) -> None:
        """Let rows with distinct `number` (int64) compete with those kept so far. O(n)."""
        if self.rows:
            ceiling = self._keys(self.rows["number"]).max() if len(self.rows["number"]) == self.size else None
            if ceiling is not None:
                low = np.flatnonzero(self._keys(rows["number"]) < ceiling)
                rows = {name: values[low] for name, values in rows.items()}
            rows = {name: np.concatenate([self.rows[name], values]) for name, values in rows.items()}
        kept = np.sort(np.argsort(self._keys(rows["number"]), kind="stable")[: self.size])
        self.rows = {name: values[kept] for name, values in rows.items()}

    def _keys(self, number: Int64Array) -> UInt64Array:
        return hash_bits(number, self.seed, 0x5A)
