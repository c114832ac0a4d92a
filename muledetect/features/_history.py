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
    first_at_least,
)
from muledetect.facts import Facts
from muledetect.facts.balances import balances_before
from muledetect.facts.matching import match_first_in_first_out
from muledetect.facts.sessions import Sessions
from muledetect.features._extraction import Extraction
from muledetect.graph import Points, TransferGraph
from muledetect.mapped import let_go

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

    def signal(self, side: Literal["in", "out"], column: str) -> Float32Array:
        """Return a built-in signal of the entries of `incoming` or `outgoing`, as `side` says, float32[n_entries]."""
        if (side, column) not in self._signals:
            self._signals[side, column] = self.signals(side, (column,))[0]
        return self._signals[side, column]

    def signals(
        self,
        side: Literal["in", "out"],
        columns: Sequence[str],
        beside: Mapping[Literal["in", "out"], Collection[str]] | None = None,
    ) -> Float32Array:
        """Return built-in signals of the entries of a side, as `signal`, float32[n_columns, n_entries]; not kept.

        `beside` are the columns of both sides ("in", "out") that will be asked for. With a limit of memory they are
        put in the order of the books, once: see `Extraction.signals_by_book`.
        """
        entries = self.incoming if side == "in" else self.outgoing
        found = np.empty((len(columns), len(entries.time)), np.float32)
        if beside is None or self.facts.room.limit is None:
            every = None if beside is None else {*beside["in"], *beside["out"]}
            for row, column in zip(found, columns, strict=True):
                np.take(self.extraction.signal(column, every), entries.transfer, out=row)
            return found
        past, accounts = self.extraction.past, np.unique(self.points.account)
        first = (past.received if side == "in" else past.paid).start
        start, stop = self.bounds[0 if side == "in" else 1]
        for names, values in self.extraction.signals_by_book(beside)[side]:
            places = [(names.index(column), row) for row, column in enumerate(columns) if column in names]
            if places:
                _copy(accounts, first, start, stop, values, np.array(places), found)
                _read_once(accounts, first, start, stop, values)
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
    accounts : int32[n_accounts]
        Those of the points, ascending.
    local : int64[n_points]
        Position of the point's account among those laid out.
    incoming, outgoing : Entries
    n_others : int64[n_accounts]
        Counterparties of each account on both sides.
    """

    accounts: Int32Array
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


def _read_once(accounts: Int32Array, first: Int64Array, start: Int64Array, stop: Int64Array, values: AnyArray) -> None:
    """Let go of the pages of values in the order of a book where accounts lie side by side, as those of a shard do."""
    rows = np.flatnonzero(stop > start)
    if len(rows):
        low, high = (int(first[accounts[row]]) for row in rows[[0, -1]])
        high += int(stop[rows[-1]] - start[rows[-1]])
        if high - low <= 2 * int((stop - start).sum()):
            let_go(values[low:high])


def build_history(
    extraction: Extraction,
    points: Points,
) -> History:
    """Lay out the past of `points`. O(transfers of their accounts + accounts of the graph); 58 bytes an entry."""
    graph, past = extraction.graph, extraction.past
    rank_of = np.full(graph.n_accounts, -1, np.int32)
    accounts, local, latest = _asked(points.account, points.as_of)
    received, paid = (_of_book(accounts, latest, book) for book in (past.received, past.paid))
    laid = _laid(accounts, local, received, paid, _rank(received, paid, rank_of))
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
    return _laid(*_lay_out(points.account, points.as_of, incoming, outgoing, *transfers, rank_of))


@numba.njit(cache=True, nogil=True)
def _lay_out(account, as_of, incoming, outgoing, time, source, target, amount, rank_of):  # type: ignore[no-untyped-def]
    """Return what `_laid` takes."""
    accounts, local, latest = _asked(account, as_of)
    into = _of_lists(accounts, latest, incoming, time, amount, source, target)
    out = _of_lists(accounts, latest, outgoing, time, amount, target, source)
    return accounts, local, into, out, _rank(into, out, rank_of)


@numba.njit(cache=True, nogil=True)
def _asked(account, as_of):  # type: ignore[no-untyped-def]
    """Return the accounts of points, sorted, the place of each point among them, and the latest point of each."""
    order = np.argsort(account)
    accounts, local, latest = np.empty(len(order), account.dtype), np.empty(len(order), np.int64), as_of.copy()
    n = 0
    for i in order:
        if n == 0 or accounts[n - 1] != account[i]:
            accounts[n], latest[n] = account[i], as_of[i]
            n += 1
        local[i], latest[n - 1] = n - 1, max(latest[n - 1], as_of[i])
    return accounts[:n], local, latest[:n]


def _laid(
    accounts: Int32Array, local: Int64Array, into: tuple[AnyArray, ...], out: tuple[AnyArray, ...],
    ranked: tuple[Int64Array, tuple[AnyArray, ...], tuple[AnyArray, ...]],
) -> LaidOut:  # fmt: skip
    n_others, of_into, of_out = ranked
    return LaidOut(accounts, local, Entries(*into, *of_into), Entries(*out, *of_out), n_others)


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
def _of_book(accounts, latest, book):  # type: ignore[no-untyped-def]
    """Copy what the accounts have in a book before `latest`; return bounds, transfer, time, amount, counterparty."""
    start, stop = np.zeros(len(accounts), np.int64), np.zeros(len(accounts), np.int64)
    n = 0
    for k in range(len(accounts)):
        a, start[k] = accounts[k], n
        if 0 <= a < len(book.start):
            n += first_at_least(book.time, book.start[a], book.stop[a], latest[k]) - book.start[a]
        stop[k] = n
    transfer, time, amount, account = _room(n)
    for k in range(len(accounts)):
        low, high = start[k], stop[k]
        if low < high:
            first = book.start[accounts[k]]
            last = first + high - low
            transfer[low:high], time[low:high] = book.transfer[first:last], book.time[first:last]
            amount[low:high], account[low:high] = book.amount[first:last], book.other[first:last]
    return start, stop, transfer, time, amount, account


@numba.njit(cache=True, nogil=True)
def _copy(accounts, first, start, stop, values, places, found) -> None:  # type: ignore[no-untyped-def]
    """Write columns of values in the order of a book into rows: those of the entries `start:stop` of accounts."""
    for k in range(len(accounts)):
        for e in range(start[k], stop[k]):
            at = first[accounts[k]] + e - start[k]
            for column, row in places:
                found[row, e] = values[at, column]


@numba.njit(cache=True, nogil=True)
def _of_lists(accounts, latest, listed, all_time, all_amount, all_other, all_own):  # type: ignore[no-untyped-def]
    """Gather what lists of transfers say of the accounts, as `_of_book`; without transfers to themselves.

    Reads at random places stand in loops by themselves: the processor waits for many of them at once.
    """
    first, last, listed_transfer = listed
    start, stop = np.zeros(len(accounts), np.int64), np.zeros(len(accounts), np.int64)
    n = 0
    for a in accounts:
        n += last[a] - first[a] if 0 <= a < len(first) else 0
    transfer, time, amount, account = _room(n)
    is_own = np.empty(n, np.bool_)
    n = 0
    for k in range(len(accounts)):
        a, start[k] = accounts[k], n
        if 0 <= a < len(first):
            at = listed_transfer[first[a] : last[a]]
            for j in range(len(at)):
                time[n + j] = all_time[at[j]]
            for j in range(len(at)):
                amount[n + j] = all_amount[at[j]]
            for j in range(len(at)):
                account[n + j] = all_other[at[j]]
            for j in range(len(at)):
                is_own[j] = account[n + j] == all_own[at[j]]
            for j in range(len(at)):
                now = time[start[k] + j]
                if now >= latest[k]:
                    break
                if not is_own[j]:
                    transfer[n], time[n], amount[n], account[n] = (
                        at[j],
                        now,
                        amount[start[k] + j],
                        account[start[k] + j],
                    )
                    n += 1
        stop[k] = n
    return start, stop, transfer[:n], time[:n], amount[:n], account[:n]


@numba.njit(cache=True, nogil=True)
def _room(n):  # type: ignore[no-untyped-def]
    return np.empty(n, np.int32), np.empty(n, np.int64), np.empty(n, np.int64), np.empty(n, np.int32)


@numba.njit(cache=True, nogil=True)
def _rank(into, out, rank_of):  # type: ignore[no-untyped-def]
    """Return the number of counterparties of each account, and for each side `other`, `is_new` and `before`.

    The ranks' order carries no meaning and no kernel may use it. Invariant: `met[s, r]` is the moment when rank r of
    the account was first met on side s. All transfers of that moment are new, whichever of them stands first.
    """
    most = 0
    for k in range(len(into[0])):
        most = max(most, into[1][k] - into[0][k] + out[1][k] - out[0][k])
    met, n_others = np.empty((2, most), np.int64), np.zeros(len(into[0]), np.int64)
    i_found, o_found = _ranks(len(into[2])), _ranks(len(out[2]))
    for k in range(len(into[0])):
        n = _meet(into, k, 0, 0, met, rank_of, i_found)
        n_others[k] = _meet(out, k, n, 1, met, rank_of, o_found)
        for side in (into, out):
            for code in side[5][side[0][k] : side[1][k]]:
                rank_of[code] = -1
    return n_others, i_found, o_found


@numba.njit(cache=True, nogil=True)
def _ranks(n):  # type: ignore[no-untyped-def]
    before = np.empty(n + 1, np.int64)
    before[0] = 0
    return np.empty(n, np.int32), np.empty(n, np.bool_), before


@numba.njit(cache=True, nogil=True)
def _meet(entries, k, n_others, side, met, rank_of, found):  # type: ignore[no-untyped-def]
    """Rank the counterparties of one side of account `k`; return the number of ranks."""
    start, stop, _, time, amount, account = entries
    other, is_new, before = found
    for j in range(start[k], stop[k]):
        rank = rank_of[account[j]]
        if rank < 0:
            rank, n_others = n_others, n_others + 1
            rank_of[account[j]] = rank
            met[side, rank], met[1 - side, rank] = time[j], _NOT_MET
        elif met[side, rank] == _NOT_MET:
            met[side, rank] = time[j]
        other[j], is_new[j], before[j + 1] = rank, met[side, rank] == time[j], before[j] + amount[j]
    return n_others


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
    """Return part / whole as float64[n]; NaN where the whole is 0 or either is NaN."""
    found: Float64Array = _share(np.ascontiguousarray(part, np.float64), np.ascontiguousarray(whole, np.float64))
    return found


@numba.njit(cache=True, nogil=True)
def _share(part, whole):  # type: ignore[no-untyped-def]
    """Return what `share` returns."""
    found = np.full(len(whole), np.nan)
    for p in range(len(whole)):
        if whole[p] != 0:
            found[p] = part[p] / whole[p]
    return found
