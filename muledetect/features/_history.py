"""The past of each point, laid out for kernels: contiguous, time-sorted, counterparties ranked per account.

A `History` holds the transfers of the accounts of some points, up to the latest point of each. Everything a
feature reads of it stops strictly before the point: `ends` of a side are the cut. Transfers from an account to
itself move nothing and are left out.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Final, Literal, NamedTuple

import numba
import numpy as np
import numpy.typing as npt
import pyarrow as pa

from muledetect.arrays import (
    MISSING,
    AnyArray,
    BoolArray,
    Float32Array,
    Float64Array,
    IndexArray,
    Int8Array,
    Int32Array,
    Int64Array,
    each_first_at_least,
)
from muledetect.facts import Facts
from muledetect.facts.balances import balances_before
from muledetect.facts.matching import match_first_in_first_out
from muledetect.facts.sessions import Sessions
from muledetect.features._extraction import Extraction
from muledetect.graph import Points, TransferGraph

#: A moment before all others.
_NOT_MET: Final = int(np.iinfo(np.int64).min)


class Matches(NamedTuple):
    """FIFO pairs of a debit and the credit that it spent, by debit time: `start[a]:stop[a]` for local account `a`.

    Money that left beyond all credits seen so far came from before the records and is in no pair.
    """

    start: Int64Array
    stop: Int64Array
    credit: Int64Array  # position in `incoming`
    debit: Int64Array  # position in `outgoing`
    amount: Int64Array


class Both(NamedTuple):
    """The transfers of both sides of the accounts of some points, in order of time.

    Attributes
    ----------
    start, end : int64[n_points]
        First position of the point's account, and behind the last before the point.
    time, amount : int64[n_entries]
    is_in : int8[n_entries]
        1 for a credit, 0 for a debit.
    other : int32[n_entries]
        As in `Side`.
    """

    start: Int64Array
    end: Int64Array
    time: Int64Array
    amount: Int64Array
    is_in: Int8Array
    other: Int32Array


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
    before : int64[n_entries + 1]
        Running total of `amount`, so that `before[end] - before[start]` is exact.
    in_graph : callable
        Returns `account` and `transfer`; called when one of them is first asked for.
    """

    start: Int64Array
    end: Int64Array
    as_of: Int64Array
    tick: int
    time: Int64Array
    amount: Int64Array
    other: Int32Array
    is_new: BoolArray
    before: Int64Array
    in_graph: Callable[[], tuple[Int32Array, Int32Array]] = field(repr=False)
    _begins: dict[int, Int64Array] = field(default_factory=dict, repr=False)

    @property
    def account(self) -> Int32Array:
        """Code of the counterparty of each entry in the graph, int32[n_entries]."""
        return self._in_graph[0]

    @property
    def transfer(self) -> Int32Array:
        """Position of each entry in the graph, int32[n_entries]."""
        return self._in_graph[1]

    @cached_property
    def _in_graph(self) -> tuple[Int32Array, Int32Array]:
        return self.in_graph()

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
    bounds : tuple of Bounds
        First and last entries of each account, in `incoming` and in `outgoing`.
    opened_at, balance, daily_limit : float64[n_points]
        From the accounts table as known at the point (microseconds, minor units); NaN where unknown.
    """

    points: Points
    extraction: Extraction
    local: Int64Array
    incoming: Side
    outgoing: Side
    n_others: Int64Array
    bounds: tuple[Bounds, Bounds]
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
        into, out = self.bounds
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
            self._signals[side, column] = self.signals(side, (column,), beside)[0]
        return self._signals[side, column]

    def signals(
        self, side: Literal["in", "out"], columns: Sequence[str], beside: Collection[str] | None = None
    ) -> Float32Array:
        """Return built-in signals of the entries of a side, as `signal`, float32[n_columns, n_entries]; not kept."""
        entries = self.incoming if side == "in" else self.outgoing
        found = np.empty((len(columns), len(entries.time)), np.float32)
        for row, column in zip(found, columns, strict=True):
            np.take(self.extraction.signal(column, beside), entries.transfer, out=row)
        return found

    @cached_property
    def both(self) -> Both:
        """The transfers of both sides in one order, laid out once. O(entries)."""
        into, out = self.incoming, self.outgoing
        (i_start, i_stop), (o_start, o_stop) = self.bounds
        start, *columns = _merge(
            i_start, i_stop, into.time, into.amount, into.other, o_start, o_stop, out.time, out.amount, out.other
        )
        first: Int64Array = start[self.local]
        return Both(first, first + (into.end - into.start) + (out.end - out.start), *columns)

    @cached_property
    def by_account(self) -> IndexArray:
        """The points of each account side by side, in order of their times, int64[n_points]."""
        return np.lexsort((self.as_of, self.local))

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
        begin = self.as_of - max(window, self.incoming.tick)
        return (
            each_first_at_least(sessions.time, low, high, begin),
            each_first_at_least(sessions.time, low, high, self.as_of),
        )


class Bounds(NamedTuple):
    """First entry of each account of a history on one side, and the place behind the last, int64[n_accounts]."""

    start: Int64Array
    stop: Int64Array


class LaidOut(NamedTuple):
    """The transfers of the accounts of some points, in one piece for each account, side by side.

    Attributes
    ----------
    local : int64[n_points]
        Position of the point's account among those laid out.
    incoming, outgoing : Entries
    n_others : int64[n_accounts]
        Counterparties of each account on both sides.
    """

    local: Int64Array
    incoming: Entries
    outgoing: Entries
    n_others: Int64Array


class Entries(NamedTuple):
    """One side of `LaidOut`: bounds by account, and the columns of `Side`; `account` and `transfer` as given."""

    start: Int64Array
    stop: Int64Array
    transfer: Int32Array
    time: Int64Array
    amount: Int64Array
    account: Int32Array
    other: Int32Array
    is_new: BoolArray
    before: Int64Array


def build_history(
    extraction: Extraction,
    points: Points,
) -> History:
    """Lay out the past of `points`. O(transfers of their accounts + accounts of the graph); 58 bytes an entry."""
    graph = extraction.graph
    laid = lay_out(
        points, graph.incoming, graph.outgoing, (graph.time, graph.source, graph.target, graph.amount),
        np.full(graph.n_accounts, -1, np.int32),
    )  # fmt: skip
    into, out = laid.incoming, laid.outgoing
    return History(
        points=points,
        extraction=extraction,
        local=laid.local,
        incoming=side_of(into, points, laid.local, graph.tick, lambda: (into.account, into.transfer)),
        outgoing=side_of(out, points, laid.local, graph.tick, lambda: (out.account, out.transfer)),
        n_others=laid.n_others[laid.local],
        bounds=(Bounds(into.start, into.stop), Bounds(out.start, out.stop)),
    )


def lay_out(
    points: Points,
    incoming: tuple[AnyArray, ...],
    outgoing: tuple[AnyArray, ...],
    transfers: tuple[Int64Array, Int32Array, Int32Array, Int64Array],
    rank_of: Int32Array,
) -> LaidOut:
    """Return the transfers of the accounts of `points` up to the latest point of each. O(these transfers).

    Parameters
    ----------
    points : Points
    incoming, outgoing : tuple of three arrays
        As `TransferIndex`: which transfers each account got and paid, in order of time; one behind them has none.
    transfers : tuple of arrays [n_transfers]
        Time, source, target and amount.
    rank_of : int32[n_accounts]
        -1 everywhere, and again afterwards.
    """
    accounts, local = np.unique(points.account, return_inverse=True)
    latest = np.full(len(accounts), np.iinfo(np.int64).min)
    np.maximum.at(latest, local, points.as_of)
    into, out, n_others = _lay_out(accounts, latest, tuple(incoming), tuple(outgoing), transfers, rank_of)
    return LaidOut(local.astype(np.int64), Entries(*into), Entries(*out), n_others)


def side_of(
    entries: Entries, points: Points, local: Int64Array, tick: int,
    in_graph: Callable[[], tuple[Int32Array, Int32Array]],
) -> Side:  # fmt: skip
    """Return one side of what was laid out, as some points see it; `in_graph` as in `Side`."""
    start = entries.start[local]
    return Side(
        start=start,
        end=each_first_at_least(entries.time, start, entries.stop[local], points.as_of),
        as_of=points.as_of,
        tick=tick,
        time=entries.time,
        amount=entries.amount,
        other=entries.other,
        is_new=entries.is_new,
        before=entries.before,
        in_graph=in_graph,
    )


@numba.njit(cache=True, nogil=True)
def _lay_out(accounts, latest, incoming, outgoing, transfers, rank_of):  # type: ignore[no-untyped-def]
    """Copy all columns in one pass, for every read is a cache miss, and rank counterparties within each account.

    The ranks' order carries no meaning and no kernel may use it. Invariant: `met[s, r]` is the moment when rank r of
    the account was first met on side s.
    """
    time, source, target, amount = transfers
    most, n_in, n_out = 0, 0, 0
    for a in accounts:
        into = incoming[1][a] - incoming[0][a] if 0 <= a < len(incoming[0]) else 0
        out = outgoing[1][a] - outgoing[0][a] if 0 <= a < len(outgoing[0]) else 0
        most, n_in, n_out = max(most, into + out), n_in + into, n_out + out
    met, n_others = np.empty((2, most), np.int64), np.zeros(len(accounts), np.int64)
    i_start, i_stop = np.zeros(len(accounts), np.int64), np.zeros(len(accounts), np.int64)
    o_start, o_stop = np.zeros(len(accounts), np.int64), np.zeros(len(accounts), np.int64)
    i_room, o_room = _room(n_in), _room(n_out)
    n_in, n_out = 0, 0
    for k in range(len(accounts)):
        a, n = accounts[k], 0
        i_start[k], o_start[k] = n_in, n_out
        if 0 <= a < len(incoming[0]):
            transfer = incoming[2][incoming[0][a] : incoming[1][a]]
            n_in, n = _enter(transfer, latest[k], time, amount, source, target, n_in, n, met, 0, rank_of, i_room)
        if 0 <= a < len(outgoing[0]):
            transfer = outgoing[2][outgoing[0][a] : outgoing[1][a]]
            n_out, n = _enter(transfer, latest[k], time, amount, target, source, n_out, n, met, 1, rank_of, o_room)
        i_stop[k], o_stop[k], n_others[k] = n_in, n_out, n
        for code in i_room[3][i_start[k] : n_in]:
            rank_of[code] = -1
        for code in o_room[3][o_start[k] : n_out]:
            rank_of[code] = -1
    return (i_start, i_stop, *_used(i_room, n_in)), (o_start, o_stop, *_used(o_room, n_out)), n_others


@numba.njit(cache=True, nogil=True)
def _room(n):  # type: ignore[no-untyped-def]
    before = np.empty(n + 1, np.int64)
    before[0] = 0
    return (
        np.empty(n, np.int32), np.empty(n, np.int64), np.empty(n, np.int64), np.empty(n, np.int32),
        np.empty(n, np.int32), np.empty(n, np.bool_), before,
    )  # fmt: skip


@numba.njit(cache=True, nogil=True)
def _used(room, n):  # type: ignore[no-untyped-def]
    transfer, time, amount, account, other, is_new, before = room
    return transfer[:n], time[:n], amount[:n], account[:n], other[:n], is_new[:n], before[: n + 1]


@numba.njit(cache=True, nogil=True)
def _enter(transfer, latest, time, amount, counterparty, own, n, n_others, met, side, rank_of, room):  # type: ignore[no-untyped-def]
    """Write the transfers of one side of an account; return the places behind the last and behind the last rank.

    All transfers of the moment of first meeting are new, whichever of them stands first.
    """
    transfers, times, amounts, accounts, others, is_new, before = room
    first, n_listed = n, len(transfer)
    # reads at random places by themselves: the processor waits for many of them at once
    for j in range(n_listed):
        times[first + j] = time[transfer[j]]
    for j in range(n_listed):
        amounts[first + j] = amount[transfer[j]]
    for j in range(n_listed):
        accounts[first + j] = counterparty[transfer[j]]
    for j in range(n_listed):
        is_new[first + j] = accounts[first + j] != own[transfer[j]]
    for j in range(n_listed):
        now, account = times[first + j], accounts[first + j]
        if now >= latest:
            break
        if not is_new[first + j]:  # from an account to itself
            continue
        rank = rank_of[account]
        if rank < 0:
            rank, n_others = n_others, n_others + 1
            rank_of[account] = rank
            met[side, rank], met[1 - side, rank] = now, _NOT_MET
        elif met[side, rank] == _NOT_MET:
            met[side, rank] = now
        transfers[n], times[n], amounts[n], accounts[n] = transfer[j], now, amounts[first + j], account
        others[n], is_new[n], before[n + 1] = rank, met[side, rank] == now, before[n] + amounts[first + j]
        n += 1
    return n, n_others


@numba.njit(cache=True, nogil=True)
def _merge(i_start, i_stop, i_time, i_amount, i_other, o_start, o_stop, o_time, o_amount, o_other):  # type: ignore[no-untyped-def]
    n = len(i_time) + len(o_time)
    start, is_in = np.zeros(len(i_start), np.int64), np.empty(n, np.int8)
    time, amount, other = np.empty(n, np.int64), np.empty(n, np.int64), np.empty(n, np.int32)
    n = 0
    for a in range(len(i_start)):
        start[a], i, o = n, i_start[a], o_start[a]
        while i < i_stop[a] or o < o_stop[a]:
            into = o >= o_stop[a] or (i < i_stop[a] and i_time[i] <= o_time[o])
            if into:
                time[n], amount[n], other[n] = i_time[i], i_amount[i], i_other[i]
                i += 1
            else:
                time[n], amount[n], other[n] = o_time[o], o_amount[o], o_other[o]
                o += 1
            is_in[n] = into
            n += 1
    return start, time, amount, is_in, other


def share(part: npt.ArrayLike, whole: npt.ArrayLike) -> Float64Array:
    """Return part / whole as float64; NaN where the whole is 0 or either is NaN."""
    whole = np.asarray(whole, dtype=np.float64)
    result = np.full(whole.shape, np.nan)
    np.divide(part, whole, out=result, where=whole != 0)
    return result
