"""The past of each point, laid out for kernels: contiguous, time-sorted, counterparties ranked per account.

A `History` holds the transfers of the accounts of some points, up to the latest point of each. Everything a
feature reads of it stops strictly before the point: `ends` of a side are the cut. Transfers from an account to
itself move nothing and are left out.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Literal, NamedTuple

import numba
import numpy as np
import numpy.typing as npt
import pyarrow as pa

from muledetect.arrays import (
    MISSING,
    BoolArray,
    Float32Array,
    Float64Array,
    Int32Array,
    Int64Array,
    each_first_at_least,
)
from muledetect.facts import Facts
from muledetect.facts.balances import balances_before
from muledetect.facts.matching import match_first_in_first_out
from muledetect.facts.sessions import Sessions
from muledetect.features._extraction import Extraction
from muledetect.graph import Points, TransferGraph, TransferIndex


class Matches(NamedTuple):
    """FIFO pairs of a debit and the credit that it spent, by debit time: `start[a]:stop[a]` for local account `a`.

    Money that left beyond all credits seen so far came from before the records and is in no pair.
    """

    start: Int64Array
    stop: Int64Array
    credit: Int64Array  # position in `incoming`
    debit: Int64Array  # position in `outgoing`
    amount: Int64Array


@dataclass(frozen=True, eq=False)
class Side:
    """Incoming or outgoing transfers of the accounts of some points.

    Attributes
    ----------
    start : int64[n_points]
        First position of the point's account in the entry arrays.
    end : int64[n_points]
        Position behind the last entry before the point.
    time, amount : int64[n_entries]
    other : int32[n_entries]
        Counterparty, ranked from 0 within the account; the rank is the same on both sides.
    is_new : bool[n_entries]
        The counterparty had not been met on this side at an earlier moment.
    account : int32[n_entries]
        Code of the counterparty.
    transfer : int32[n_entries]
        Position in the graph.
    before : int64[n_entries + 1]
        Running total of `amount`, so that `before[end] - before[start]` is exact.
    """

    start: Int64Array
    end: Int64Array
    as_of: Int64Array
    tick: int
    time: Int64Array
    amount: Int64Array
    other: Int32Array
    is_new: BoolArray
    account: Int32Array
    transfer: Int32Array
    before: Int64Array
    _begins: dict[int, Int64Array] = field(default_factory=dict, repr=False)

    def begin(self, window: int) -> Int64Array:
        """Return the first position inside `[as_of - window, as_of)` for each point, int64[n_points].

        A window shorter than the clock's tick is widened to the tick, or it could never hold anything.
        """
        if window not in self._begins:
            width = max(window, self.tick)
            self._begins[window] = each_first_at_least(self.time, self.start, self.end, self.as_of - width)
        return self._begins[window]

    def count(self, window: int) -> Float64Array:
        """Return the number of transfers inside the window, float64[n_points]."""
        return (self.end - self.begin(window)).astype(np.float64)

    def total(self, window: int) -> Float64Array:
        """Return the amount moved inside the window, float64[n_points], minor units."""
        return (self.before[self.end] - self.before[self.begin(window)]).astype(np.float64)


@dataclass(frozen=True, eq=False)
class History:
    """What had happened to each point's account before the point.

    Attributes
    ----------
    points : Points
    extraction : Extraction
        What all shards use: the graph, the tables, signals.
    local : int64[n_points]
        Position of the point's account among the accounts of the history.
    incoming, outgoing : Side
    n_others : int64[n_points]
        Number of counterparties of the account on both sides, at any time (bounds `Side.other`).
    opened_at, balance, daily_limit : float64[n_points]
        From the accounts table as known at the point (microseconds, minor units); NaN where unknown.
    """

    points: Points
    extraction: Extraction
    local: Int64Array
    incoming: Side
    outgoing: Side
    n_others: Int64Array
    _bounds: tuple[TransferIndex, TransferIndex]
    _signals: dict[tuple[str, str], Float32Array] = field(default_factory=dict, repr=False)

    def __len__(self) -> int:
        return len(self.points)

    @property
    def graph(self) -> TransferGraph:
        """The whole graph, also what comes after the points."""
        return self.extraction.graph

    @property
    def facts(self) -> Facts:
        """What the records say, with the spans in which it was known."""
        return self.extraction.facts

    @property
    def tables(self) -> Mapping[str, pa.Table]:
        """The data set's tables, whole, without those that hold the truth."""
        return self.extraction.tables

    @property
    def as_of(self) -> Int64Array:
        """Exclusive moment of each point, int64[n_points]."""
        return self.points.as_of

    @cached_property
    def matches(self) -> Matches:
        """FIFO pairs of debits and credits, computed once. O(entries)."""
        into, out = self._bounds
        return Matches(
            *match_first_in_first_out(
                into.start,
                into.stop,
                self.incoming.time,
                self.incoming.amount,
                out.start,
                out.stop,
                self.outgoing.time,
                self.outgoing.amount,
            )
        )

    def signal(self, side: Literal["in", "out"], column: str, beside: Collection[str] | None = None) -> Float32Array:
        """Return a built-in signal of the entries of `incoming` or `outgoing`, as `side` says, float32[n_entries].

        `column` is its name. `beside` are columns that will be asked for, too, see `Extraction.signal`.
        """
        if (side, column) not in self._signals:
            entries = self.incoming if side == "in" else self.outgoing
            self._signals[side, column] = self.extraction.signal(column, beside)[entries.transfer]
        return self._signals[side, column]

    @cached_property
    def opened_at(self) -> Float64Array:
        """Opening moment of the account in microseconds; NaN if unknown or not before the point."""
        return self._known(self.facts.accounts.opened_at, self.facts.accounts.opened_at)

    @cached_property
    def balance(self) -> Float64Array:
        """Balance just before the point, minor units; NaN where no record states one, see `facts.balances`."""
        found, rows = np.full(len(self), np.nan), np.flatnonzero(self.points.account >= 0)
        stated, known = self.facts.balances, self.facts.accounts
        if len(stated.of_source) or len(stated.of_target) or (known.balance_at != MISSING).any():
            ledger = self.facts.ledger(self.graph)
            balance, is_stated = balances_before(self.points.account[rows], self.as_of[rows], ledger)
            found[rows] = np.where(is_stated, balance, np.nan)
        return found

    @cached_property
    def daily_limit(self) -> Float64Array:
        """Daily limit of the account, minor units; NaN if unknown."""
        return self._known(self.facts.accounts.daily_limit, None)

    def _known(self, values: Int64Array, dated: Int64Array | None) -> Float64Array:
        """Return an attribute of each point's account; NaN where it is missing, or dated at or after the point."""
        found, rows = np.full(len(self), np.nan), np.flatnonzero(self.points.account >= 0)
        codes = self.points.account[rows]
        is_seen = values[codes] != MISSING
        if dated is not None:
            is_seen &= dated[codes] < self.as_of[rows]
        found[rows] = np.where(is_seen, values[codes].astype(np.float64), np.nan)
        return found

    def sessions_in(self, sessions: Sessions, window: int) -> tuple[Int64Array, Int64Array]:
        """Return the first session in the window and the place behind the last one before each point, int64[n]."""
        account = self.points.account
        low = sessions.start[np.maximum(account, 0)]
        high = np.where(account >= 0, sessions.start[account + 1], low)
        begin = self.as_of - max(window, self.graph.tick)
        return (
            each_first_at_least(sessions.time, low, high, begin),
            each_first_at_least(sessions.time, low, high, self.as_of),
        )


def build_history(
    extraction: Extraction,
    points: Points,
) -> History:
    """Lay out the past of `points`. O(transfers of their accounts + accounts of the graph); 58 bytes an entry."""
    graph = extraction.graph
    accounts, local = np.unique(points.account, return_inverse=True)
    latest = np.full(len(accounts), np.iinfo(np.int64).min)
    np.maximum.at(latest, local, points.as_of)
    into = _gather(graph.incoming, graph, accounts, latest, paid_by=True)
    out = _gather(graph.outgoing, graph, accounts, latest, paid_by=False)
    ranks = _rank_counterparties(
        into[0].start, into[0].stop, into[3], out[0].start, out[0].stop, out[3], graph.n_accounts
    )
    in_other, out_other, in_new, out_new, n_others = ranks
    _mark_first_meetings(into[0].start, into[0].stop, into[1], in_other, in_new, int(n_others.max(initial=0)))
    _mark_first_meetings(out[0].start, out[0].stop, out[1], out_other, out_new, int(n_others.max(initial=0)))
    return History(
        points=points,
        extraction=extraction,
        local=local.astype(np.int64),
        incoming=_side(into, points, local, in_other, in_new, graph.tick),
        outgoing=_side(out, points, local, out_other, out_new, graph.tick),
        n_others=n_others[local],
        _bounds=(into[0], out[0]),
    )


_Gathered = tuple[TransferIndex, Int64Array, Int64Array, Int32Array]


def _gather(
    index: TransferIndex, graph: TransferGraph, accounts: Int32Array, latest: Int64Array, *, paid_by: bool
) -> _Gathered:
    other = graph.source if paid_by else graph.target
    own = graph.target if paid_by else graph.source
    start, stop, transfer, time, amount, code = _copy_entries(
        index.start, index.stop, index.transfer, graph.time, graph.amount, other, own, accounts, latest
    )
    return TransferIndex(start, stop, transfer), time, amount, code


def _side(
    gathered: _Gathered, points: Points, local: npt.NDArray[np.intp], other: Int32Array, is_new: BoolArray, tick: int
) -> Side:
    bounds, time, amount, code = gathered
    start, stop = bounds.start[local], bounds.stop[local]
    before = np.zeros(len(amount) + 1, np.int64)
    np.cumsum(amount, out=before[1:])
    return Side(
        start=start,
        end=each_first_at_least(time, start, stop, points.as_of),
        as_of=points.as_of,
        tick=tick,
        time=time,
        amount=amount,
        other=other,
        is_new=is_new,
        account=code,
        transfer=bounds.transfer,
        before=before,
    )


@numba.njit(cache=True, nogil=True)
def _copy_entries(  # type: ignore[no-untyped-def]
    start, stop, transfer, time, amount, other, own, accounts, latest
) -> tuple[Int64Array, Int64Array, Int32Array, Int64Array, Int64Array, Int32Array]:
    """Copy each account's transfers before its latest point, all columns in one pass: every read is a cache miss."""
    n_entries = 0
    for a in range(len(accounts)):
        if accounts[a] >= 0:
            n_entries += stop[accounts[a]] - start[accounts[a]]
    copied = np.empty(n_entries, np.int32)
    times, amounts, others = np.empty(n_entries, np.int64), np.empty(n_entries, np.int64), np.empty(n_entries, np.int32)
    local_start = np.zeros(len(accounts), np.int64)
    local_stop = np.zeros(len(accounts), np.int64)
    n_entries = 0
    for a in range(len(accounts)):
        local_start[a] = n_entries
        if accounts[a] >= 0:
            for j in range(start[accounts[a]], stop[accounts[a]]):
                i = transfer[j]
                if time[i] >= latest[a]:
                    break
                if other[i] != own[i]:
                    copied[n_entries] = i
                    times[n_entries], amounts[n_entries], others[n_entries] = time[i], amount[i], other[i]
                    n_entries += 1
        local_stop[a] = n_entries
    n = n_entries
    return local_start, local_stop, copied[:n], times[:n], amounts[:n], others[:n]


@numba.njit(cache=True, nogil=True)
def _rank_counterparties(  # type: ignore[no-untyped-def]
    in_start, in_stop, in_code, out_start, out_stop, out_code, n_accounts
) -> tuple[Int32Array, Int32Array, BoolArray, BoolArray, Int64Array]:
    """Replace codes by ranks within each account; the ranks' order carries no meaning and no kernel may use it."""
    in_rank = np.empty(len(in_code), np.int32)
    out_rank = np.empty(len(out_code), np.int32)
    n_others = np.zeros(len(in_start), np.int64)
    rank_of = np.full(n_accounts, -1, np.int32)  # -1 everywhere between two accounts
    for a in range(len(in_start)):
        n = 0
        for j in range(in_start[a], in_stop[a]):
            if rank_of[in_code[j]] < 0:
                rank_of[in_code[j]] = n
                n += 1
            in_rank[j] = rank_of[in_code[j]]
        for j in range(out_start[a], out_stop[a]):
            if rank_of[out_code[j]] < 0:
                rank_of[out_code[j]] = n
                n += 1
            out_rank[j] = rank_of[out_code[j]]
        for j in range(in_start[a], in_stop[a]):
            rank_of[in_code[j]] = -1
        for j in range(out_start[a], out_stop[a]):
            rank_of[out_code[j]] = -1
        n_others[a] = n
    return in_rank, out_rank, np.zeros(len(in_code), np.bool_), np.zeros(len(out_code), np.bool_), n_others


@numba.njit(cache=True, nogil=True)
def _mark_first_meetings(start, stop, time, other, is_new, most_others) -> None:  # type: ignore[no-untyped-def]
    """All transfers of the moment of first meeting are new, whichever of them stands first."""
    met_by = np.full(most_others, -1, np.int64)  # account that last met this rank
    met_at = np.zeros(most_others, np.int64)
    for a in range(len(start)):
        for j in range(start[a], stop[a]):
            if met_by[other[j]] != a:
                met_by[other[j]] = a
                met_at[other[j]] = time[j]
            is_new[j] = met_at[other[j]] == time[j]


def share(part: npt.ArrayLike, whole: npt.ArrayLike) -> Float64Array:
    """Return part / whole as float64; NaN where the whole is 0 or either is NaN."""
    whole = np.asarray(whole, dtype=np.float64)
    result = np.full(whole.shape, np.nan)
    np.divide(part, whole, out=result, where=whole != 0)
    return result
