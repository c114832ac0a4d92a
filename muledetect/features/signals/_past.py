"""The transfers as signals see them: each account's two books in time order, packed, and the rules of time.

Everything a signal says of a transfer comes from that transfer and from earlier ones. Which transfers are earlier is
one rule for all signals, `is_earlier`: strictly before in time, or, where one tick of the clock hides the order, also
in the same tick. Transfers from an account to itself move nothing and stand in no book.
"""

from __future__ import annotations

import itertools
import os
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import cached_property
from math import prod
from typing import Any, Final, Literal, NamedTuple

import numba
import numpy as np
import numpy.typing as npt
import pyarrow as pa

from muledetect.arrays import AnyArray, Float32Array, Int32Array, Int64Array, first_at_least, pieces
from muledetect.clock import DAY, HOUR, SECOND
from muledetect.errors import OptionError
from muledetect.features.signals._opening import ALL_AT_HAND, Opening
from muledetect.graph import TransferGraph
from muledetect.letting_go import give_way
from muledetect.mapped import PAGES, is_mapped, let_go
from muledetect.memory import HEAP, Room

#: May transfers of one tick follow each other, or not?
Ties = Literal["strict", "simultaneous"]

#: Look-back of signals unless another is given, and the longest allowed, microseconds.
LOOKBACK: Final = 72 * HOUR
LONGEST: Final = 30 * DAY

#: A search does not pass through an account with more transfers than this on the side that it would follow.
MAX_DEGREE: Final = 64

#: What rests on the transfers of one side of an account within the look-back is NaN if there are more than this.
MOST_TRANSFERS: Final = MAX_DEGREE**2

#: Two steps up are not searched from an account that got more transfers than this within the look-back.
MOST_CREDITS: Final = 8 * MAX_DEGREE

# Part of the limit of memory that an array takes on the heap at most; a slice of eight columns takes less.
_PART_AT_RANDOM: Final = 7

# Parts of work a thread: enough that a part with a busy account does not keep the other threads waiting.
_PARTS: Final = 4


class Book(NamedTuple):
    """One side of every account, packed: entries `start[a]:stop[a]` of account code `a`, in time order.

    Attributes
    ----------
    start, stop : int64[n_accounts]
    time, amount : int64[n_entries]
    other : int32[n_entries]
        Account at the other end.
    transfer : int32[n_entries]
        Position in the graph.
    pages : int64[3]
        What kernels ask between accounts, see `letting_go.give_way`.
    """

    start: Int64Array
    stop: Int64Array
    time: Int64Array
    amount: Int64Array
    other: Int32Array
    transfer: Int32Array
    pages: Int64Array = PAGES


class Before(NamedTuple):
    """Positions at the time of each transfer; -1 for one from an account to itself.

    Attributes
    ----------
    credits : int32[n_transfers]
        In `received`, behind the last earlier credit of the transfer's source.
    debits : int32[n_transfers]
        In `paid`, behind the last earlier debit of the transfer's target.
    """

    credits: Int32Array
    debits: Int32Array


@dataclass(frozen=True, eq=False)
class Past:
    """What signal functions get.

    Attributes
    ----------
    graph : TransferGraph
    paid, received : Book
        Outgoing and incoming transfers by account, without those from an account to itself.
    paid_at, received_at : int32[n_transfers]
        Position of each transfer in `paid` and in `received`; -1 for a transfer from an account to itself.
    lookback : int
        Microseconds. A transfer at time t sees [t - lookback, t), its own tick as `is_simultaneous` says.
    is_simultaneous : bool
        Transfers of one tick may follow each other, in any order.
    max_degree : int
        Searches do not pass through busier accounts; 0 = no limit (exact).
    tables : mapping of str to pyarrow.Table
        The data set's tables without those that hold the truth.
    threads : int
    room : Room
        Where arrays with a row a transfer are made.
    known : mapping of signal name -> float32[n_known, n_columns]
        Values of the first transfers, up to the end of a tick, that were computed before, when more of the accounts
        around them was at hand. They are not computed again; a signal that `reads_known` takes its own earlier values
        from here.
    n_done : int
        Nobody asks for the values of the first so many transfers, up to the end of a tick; those of signals that do not
        read them need not be in `known`.
    at_hand : mapping of str -> array [n_transfers]
        What a caller has of the table `transfers` already, so that it need not be read there: codes of `device_hash`
        and `terminal_id` (int32, -1 where null), `source_balance_after` (int64 with `MISSING`), and `terminal_user`,
        the account that stood at the terminal (int32). A column that the table lacks is not among them. Also
        `source_paid` and `target_received`, where the transfers that `fan` counts are not at hand; `target_fans`,
        float32[n_unknown, 2]: its `target_fan_in` and `target_fan_out`, NaN where they are; and `target_middles`,
        float32[n_unknown, 3]: the values of `scatter_gather`, its last column NaN where the credits of the payee are.
    n_asked : int
        Accounts with this code or a higher one are not the ends of a transfer whose values are not known.
    opening : Opening
        What payers of transfers whose values are not known had done before a moment, where what they did before it is
        not at hand. Of two accounts that deal with each other then, the first and the last transfer either way must be
        at hand, and the last transfer of each account.
    """

    graph: TransferGraph
    paid: Book
    received: Book
    paid_at: Int32Array
    received_at: Int32Array
    n_asked: int
    lookback: int = LOOKBACK
    is_simultaneous: bool = False
    max_degree: int = MAX_DEGREE
    tables: Mapping[str, pa.Table] = field(default_factory=dict, repr=False)
    threads: int = 1
    room: Room = field(default=HEAP, repr=False)
    known: Mapping[str, Float32Array] = field(default_factory=dict, repr=False)
    n_done: int = 0
    at_hand: Mapping[str, AnyArray] = field(default_factory=dict, repr=False)
    opening: Opening = field(default=ALL_AT_HAND, repr=False)

    def __len__(self) -> int:
        return self.graph.n_transfers

    @property
    def most(self) -> int:
        """Most transfers that one side of an account may have within the look-back; see `MOST_TRANSFERS`."""
        return MOST_TRANSFERS if self.max_degree else len(self) + 1

    @property
    def most_credits(self) -> int:
        """Most credits of an account within the look-back behind which two steps up are searched."""
        return min(MOST_CREDITS, self.most) if self.max_degree else len(self) + 1

    @cached_property
    def before(self) -> Before:
        """Where each transfer's ends stood in their other books at its time. O(n); 8 bytes a transfer, once."""
        found = Before(self.room.full(len(self), -1, np.int32), self.room.full(len(self), -1, np.int32))
        if self.room.limit is None:
            self.by_account(_before, self.paid, self.received, self.is_simultaneous, *found, every=True)
            return found
        # written in the order of the books, for the same reason as in `by_debit`
        paid, received = self._placed(self.paid, self.paid_at), self._placed(self.received, self.received_at)
        ends = [self.room.empty(len(book.transfer), np.int32) for book in (paid, received)]
        self.by_account(_before, paid, received, self.is_simultaneous, *ends, every=True)
        for place, end, made in zip((self.paid_at, self.received_at), ends, found, strict=True):
            self.by_transfer(fill_in_time, place, end, made)
        return found

    @property
    def _is_by_debit(self) -> bool:
        return self.room.limit is not None and not self.known and not self.n_done

    def by_debit(self) -> tuple[Book, Book]:
        """Return `paid` and `received`, for kernels that use `transfer` as a place to write at, by account.

        With a limit of memory it is the place in `paid`, so that what a kernel writes of an account lies side by side:
        a page of a file that is written at random goes to the disk again and again. `in_time` turns what was written.
        """
        if not self._is_by_debit:
            return self.paid, self.received
        return self._placed(self.paid, self.paid_at), self._placed(self.received, self.paid_at)

    def _placed(self, book: Book, place: Int32Array) -> Book:
        """Return a book with `place` of each of its transfers instead of their positions."""
        placed = self.room.empty(len(book.transfer), np.int32)
        self._run(_take, _even(len(placed), self.threads), (place, book.transfer, placed))
        return book._replace(transfer=placed)

    def in_time(self, rows: Float32Array) -> Float32Array:
        """Return rows that were written with the books of `by_debit` in the order of time; NaN where none was."""
        if not self._is_by_debit:
            return rows
        found = self.room.empty(rows.shape[::-1], np.float32).T  # a column in one piece
        self._put(self.paid_at, rows, 0, found)
        return found

    def put_credits(self, rows: Float32Array, first: int, found: Float32Array) -> None:
        """Write what a kernel found of each entry of `received` to its transfer, in columns from `first` on.

        A kernel that goes through the accounts writes such rows side by side; the transfers of credits lie anywhere.
        """
        self._put(self.received_at, rows, first, found)

    def _put(self, place: Int32Array, rows: Float32Array, first: int, found: Float32Array) -> None:
        """Write row `place[i]` to `found[i]`, in columns from `first` on; rows of a file one column after the other.

        Whoever reads all of a file at random has it in memory within hundredths of a second, before anybody lets go.
        """
        if self.room.limit is None or not is_mapped(rows.ctypes.data):
            self.by_transfer(_put_rows, place, rows, first, found)
            return
        columns = self.room.empty(rows.shape[::-1], np.float32)
        self._run(_turn, _even(len(rows), self.threads), (rows, columns))
        for k, column in enumerate(columns, first):
            self.by_transfer(_put_values, place, column, found[:, k])
            let_go(column)

    def n_known(self, name: str) -> int:
        """Return of how many of the first transfers a kernel need not fill the values of a signal."""
        return max(self.n_done, len(self.known.get(name, ())))

    def unknown(self, n_columns: int) -> Float32Array:
        """Return float32[n_transfers, n_columns] full of NaN; a kernel fills rows, which lie in one piece."""
        return self.at_random((len(self), n_columns), np.nan, np.float32)

    def at_random(self, shape: tuple[int, ...], value: float, dtype: npt.DTypeLike) -> npt.NDArray[Any]:
        """Return an array that holds `value` everywhere, for kernels that write it at random.

        With a limit of memory it is on the heap where it takes a seventh of the limit at most. A page of a file, of up
        to 2 MiB, goes to the disk each time that some of it was written.

        Parameters
        ----------
        shape : tuple of int
        value : float
        dtype : data type
        """
        limit = self.room.limit
        if limit is None or prod(shape) * np.dtype(dtype).itemsize > limit // _PART_AT_RANDOM:
            return self.room.full(shape, value, dtype)
        return HEAP.full(shape, value, dtype)

    def by_account(self, kernel: Callable[..., None], *arguments: Any, every: bool = False) -> None:
        """Run `kernel(low, high, *arguments)` over ranges of account codes of equal work, in threads.

        The kernel must write only what belongs to accounts of its range, so that the cut changes nothing. It gets
        accounts from `n_asked` on only with `every`.
        """
        n_accounts = self.graph.n_accounts if every else self.n_asked
        if self.threads == 1:  # without sums and cuts: the accounts around one payment are few, and asked for often
            self._run(kernel, _whole(n_accounts), arguments)
            return
        work = np.cumsum((self.paid.stop - self.paid.start) + (self.received.stop - self.received.start))
        self._run(kernel, _cut(work[:n_accounts], self.threads), arguments)

    def by_transfer(self, kernel: Callable[..., None], *arguments: Any) -> None:
        """Run `kernel(low, high, *arguments)` over ranges of transfers, in threads."""
        self._run(kernel, _even(len(self), self.threads), arguments)

    def by_entry(self, kernel: Callable[..., None], book: Book, *arguments: Any) -> None:
        """Run `kernel(low, high, book, *arguments)` over ranges of entries of a book, in threads."""
        self._run(kernel, _even(len(book.transfer), self.threads), (book, *arguments))

    def _run(self, kernel: Callable[..., None], parts: list[tuple[int, int]], arguments: tuple[Any, ...]) -> None:
        if self.threads == 1:
            for low, high in parts:
                kernel(low, high, *arguments)
            return
        with ThreadPoolExecutor(self.threads) as pool:
            for done in [pool.submit(kernel, low, high, *arguments) for low, high in parts]:
                done.result()


def build_past(
    graph: TransferGraph,
    *,
    lookback: int = LOOKBACK,
    ties: Ties | None = None,
    max_degree: int | None = MAX_DEGREE,
    tables: Mapping[str, pa.Table] | None = None,
    threads: int | None = None,
    room: Room = HEAP,
    known: Mapping[str, Float32Array] | None = None,
    n_done: int = 0,
    at_hand: Mapping[str, AnyArray] | None = None,
    n_asked: int | None = None,
    opening: Opening = ALL_AT_HAND,
) -> Past:
    """Pack the books of a graph. O(n); 56 bytes a transfer.

    Parameters
    ----------
    graph : TransferGraph
    lookback : int
        Microseconds, at most 30 days.
    ties : {"strict", "simultaneous"}, optional
        May transfers of one tick follow each other? Default: "simultaneous" if the clock's tick is a second or
        longer, for then it hides the order.
    max_degree : int, optional
        None = exact: searches pass through every account.
    tables : mapping of str to pyarrow.Table, optional
        The bank's other tables, for signals that read them.
    threads : int, optional
        Default: all cores.
    room : Room
        Where the books are kept.
    known, n_done, at_hand : optional
        See `Past`.
    n_asked : int, optional
        See `Past`; default: every account may be such an end.
    opening : Opening
        See `Past`; default: all transfers are at hand.

    Raises
    ------
    OptionError
        If an option is out of range.
    """
    if not 0 < lookback <= LONGEST:
        raise OptionError(f"signals: lookback must be above 0 and at most 30 d; got {lookback:,} microseconds.")
    if ties not in (None, "strict", "simultaneous"):
        raise OptionError(f"signals: ties must be 'strict' or 'simultaneous'; got {ties!r}.")
    if max_degree is not None and max_degree < 1:
        raise OptionError(f"signals: max_degree must be at least 1, or None for no limit; got {max_degree}.")
    threads = threads or os.cpu_count() or 1
    sides = (
        (*graph.outgoing, graph.time, graph.amount, graph.target, graph.source),
        (*graph.incoming, graph.time, graph.amount, graph.source, graph.target),
    )
    if threads == 1:
        books = [_book(side, room) for side in sides]
    else:
        with ThreadPoolExecutor(2) as pool:
            books = list(pool.map(lambda side: _book(side, room), sides))
    (paid, paid_at), (received, received_at) = books
    return Past(
        graph=graph,
        paid=paid,
        received=received,
        paid_at=paid_at,
        received_at=received_at,
        lookback=max(lookback, graph.tick),
        is_simultaneous=graph.tick >= SECOND if ties is None else ties == "simultaneous",
        max_degree=max_degree or 0,
        tables=tables or {},
        threads=threads,
        room=room,
        known=known or {},
        n_done=n_done,
        at_hand=at_hand or {},
        n_asked=graph.n_accounts if n_asked is None else n_asked,
        opening=opening,
    )


def _book(side: tuple[npt.NDArray[Any], ...], room: Room) -> tuple[Book, Int32Array]:
    """Return a packed book, and the place of each transfer in it."""
    if room.limit is not None:
        return _book_by_columns(side, room)
    n = len(side[3])
    time, amount, other, transfer = (room.empty(n, kind) for kind in (np.int64, np.int64, np.int32, np.int32))
    place = room.full(n, -1, np.int32)
    start, stop, n = _pack(*side, time, amount, other, transfer, place)  # type: ignore[call-arg]
    return Book(start, stop, time[:n], amount[:n], other[:n], transfer[:n]), place


def _book_by_columns(side: tuple[npt.NDArray[Any], ...], room: Room) -> tuple[Book, Int32Array]:
    """Do the same one column after the other: the transfers of a book lie anywhere in a column.

    Where all of them are read at once and are larger than the limit of memory, each page goes to the disk and comes
    back again and again.
    """
    start, stop, transfer, time, amount, other, own = side
    moves = room.empty(len(own), np.bool_)
    for rows in pieces(len(own)):
        np.not_equal(other[rows], own[rows], out=moves[rows])
    kept, place = room.empty(len(transfer), np.int32), room.full(len(own), -1, np.int32)
    start, stop, n = _keep(start, stop, transfer, moves, kept)
    kept = kept[:n]
    columns = [room.empty(n, column.dtype) for column in (time, amount, other)]
    for values, found in zip((time, amount, other), columns, strict=True):
        _take(0, n, values, kept, found)
        let_go(found)
    _number(kept, place)
    return Book(start, stop, columns[0], columns[1], columns[2], kept), place


def _whole(n: int) -> list[tuple[int, int]]:
    return [(0, n)] if n else []


def _even(n: int, threads: int) -> list[tuple[int, int]]:
    """Cut n rows into ranges of equal length, some for each thread."""
    if threads == 1:
        return _whole(n)
    n_parts = threads * _PARTS
    bounds = [n * part // n_parts for part in range(n_parts + 1)]
    return [(low, high) for low, high in itertools.pairwise(bounds) if high > low]


def _cut(work: npt.NDArray[np.int64], threads: int) -> list[tuple[int, int]]:
    """Cut rows with running total `work` into ranges of about equal work, some for each thread."""
    n_parts = threads * _PARTS
    total = int(work[-1]) if len(work) else 0
    bounds = np.searchsorted(work, total * np.arange(1, n_parts) // n_parts, side="left")
    ends = [0, *bounds.tolist(), len(work)]
    return [(low, high) for low, high in itertools.pairwise(ends) if high > low]


@numba.njit(cache=True, nogil=True)
def _pack(  # type: ignore[no-untyped-def]
    start, stop, transfer, time, amount, other, own, times, amounts, others, transfers, place
):
    n_accounts, n_entries = len(start), 0
    new_start, new_stop = np.empty(n_accounts, np.int64), np.empty(n_accounts, np.int64)
    for a in range(n_accounts):
        new_start[a] = n_entries
        for j in range(start[a], stop[a]):
            i = transfer[j]
            if other[i] != own[i]:
                times[n_entries], amounts[n_entries] = time[i], amount[i]
                others[n_entries], transfers[n_entries] = other[i], i
                place[i] = n_entries
                n_entries += 1
        new_stop[a] = n_entries
    return new_start, new_stop, n_entries


@numba.njit(cache=True, nogil=True)
def _keep(start, stop, transfer, moves, kept):  # type: ignore[no-untyped-def]
    """Write the transfers of each account that move money side by side; return bounds and their number."""
    n_accounts, n = len(start), 0
    new_start, new_stop = np.empty(n_accounts, np.int64), np.empty(n_accounts, np.int64)
    for a in range(n_accounts):
        new_start[a] = n
        for j in range(start[a], stop[a]):
            if moves[transfer[j]]:
                kept[n] = transfer[j]
                n += 1
        new_stop[a] = n
    return new_start, new_stop, n


@numba.njit(cache=True, nogil=True)
def _take(low, high, values, places, found) -> None:  # type: ignore[no-untyped-def]
    for e in range(low, high):
        found[e] = values[places[e]]


@numba.njit(cache=True, nogil=True)
def _number(kept, place) -> None:  # type: ignore[no-untyped-def]
    for e in range(len(kept)):
        place[kept[e]] = e


@numba.njit(cache=True, nogil=True)
def fill_in_time(low, high, place, values, found) -> None:  # type: ignore[no-untyped-def]
    """Write values in the order of a book to their transfers; one from an account to itself keeps what it has."""
    for i in range(low, high):
        if place[i] >= 0:
            found[i] = values[place[i]]


@numba.njit(cache=True, nogil=True)
def _put_rows(low, high, place, rows, first, found) -> None:  # type: ignore[no-untyped-def]
    for i in range(low, high):
        for k in range(rows.shape[1]):
            found[i, first + k] = rows[place[i], k] if place[i] >= 0 else np.nan


@numba.njit(cache=True, nogil=True)
def _put_values(low, high, place, values, found) -> None:  # type: ignore[no-untyped-def]
    for i in range(low, high):
        found[i] = values[place[i]] if place[i] >= 0 else np.nan


@numba.njit(cache=True, nogil=True)
def _turn(low, high, rows, columns) -> None:  # type: ignore[no-untyped-def]
    for i in range(low, high):
        for k in range(len(columns)):
            columns[k, i] = rows[i, k]


@numba.njit(cache=True, nogil=True)
def _before(low, high, paid, received, is_simultaneous, credits_before, debits_before) -> None:  # type: ignore[no-untyped-def]
    """Merge the two books of each account."""
    for a in range(low, high):
        give_way(paid.pages)
        f = received.start[a]
        for e in range(paid.start[a], paid.stop[a]):
            while f < received.stop[a] and is_earlier(received.time[f], paid.time[e], is_simultaneous):
                f += 1
            credits_before[paid.transfer[e]] = f
        e = paid.start[a]
        for f in range(received.start[a], received.stop[a]):
            while e < paid.stop[a] and is_earlier(paid.time[e], received.time[f], is_simultaneous):
                e += 1
            debits_before[received.transfer[f]] = e


@numba.njit(cache=True, nogil=True, inline="always")
def is_earlier(time, than, is_simultaneous):  # type: ignore[no-untyped-def]
    """Return whether a transfer at `time` is earlier than one at `than`."""
    return time < than or (is_simultaneous and time == than)


@numba.njit(cache=True, nogil=True, inline="always")
def has_unknown(book, account, n_known):  # type: ignore[no-untyped-def]
    """Return whether a book of an account has transfers behind the first `n_known`; what only they need is left out."""
    stop = book.stop[account]
    return stop > book.start[account] and book.transfer[stop - 1] >= n_known


@numba.njit(cache=True, nogil=True)
def end_of_earlier(time, low, high, moment, is_simultaneous):  # type: ignore[no-untyped-def]
    """Return the position behind the last entry in `time[low:high]` that is earlier than `moment`. O(log n)."""
    return first_at_least(time, low, high, moment + 1 if is_simultaneous else moment)


@numba.njit(cache=True, nogil=True)
def begin_of(time, low, stop, moment, most):  # type: ignore[no-untyped-def]
    """Return the first position in `time[low:stop]` not before `moment`; -1 if more than `most` are. O(most)."""
    if stop - low > most and time[stop - most - 1] >= moment:
        return -1
    first = stop
    while first > low and time[first - 1] >= moment:
        first -= 1
    return first
