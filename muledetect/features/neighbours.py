"""Neighbours: how the accounts behave that an account deals with, and the accounts that those deal with.

The behaviour of an account is a handful of numbers without scale. What is said of a point is how its counterparties
behaved by then, weighted by the money exchanged: those that paid it and those that it paid, and one round further.
"""

from __future__ import annotations

from collections import OrderedDict
from threading import Lock
from typing import Final, NamedTuple

import numba
import numpy as np

from muledetect.arrays import Float64Array, Int64Array, first_at_least
from muledetect.clock import DAY, HOUR
from muledetect.features._columns import ON_REQUEST, Column
from muledetect.features._extraction import Extraction
from muledetect.features._history import History
from muledetect.features._spec import feature
from muledetect.features.signals import Book
from muledetect.memory import HEAP

# The behaviour of one account; the order is that of the columns of a state.
_PASS, _QUICK, _PAYERS, _PAYEES, _BURST, _AGE = range(6)
_N_STATE: Final = 6

# Moments at which at least this many points of a shard ask are computed for all accounts, once for all shards.
_MANY: Final = 64
_MOMENTS_KEPT: Final = 2

# Means are sums of integers, so that the order of transfers cannot change a bit: weights of 30 bits, values of 32.
_WEIGHT: Final = 2.0**30
_VALUE_BITS: Final = 32

_TEXTS: Final = {
    "pass": "how much of what {who} got they also paid {window}, mean by amount (1 = all)",
    "quick": "share of the money that {who} paid within an hour of a credit {window}, mean by amount",
    "payers": "different payers of {who} {window}, mean by amount",
    "payees": "different payees of {who} {window}, mean by amount",
    "burst": "share of the turnover of {who} on their busiest day {window}, mean by amount",
    "age": "time since the first transfer of {who}, mean by amount {window}",
}


def _said() -> dict[str, Column]:
    said = {}
    for side, who in (("in", "its payers"), ("out", "its payees")):
        for name, text in _TEXTS.items():
            words = text.replace("{who}", who)
            only = ON_REQUEST if name == "burst" else ()
            said[f"{side}_others_{name}"] = Column("seconds" if name == "age" else "ratio", words, only=only)
        most = "payees" if side == "in" else "payers"
        said[f"{side}_others_most_{most}"] = Column(
            "count", f"most different {most} of one of {who} {{window}}", only=ON_REQUEST
        )
        said[f"{side}_others_alike"] = Column(
            "ratio",
            f"share of the money exchanged with {who} that went to or came from its like {{window}}",
        )
        beyond = f"{'payers' if side == 'in' else 'payees'} of {who}"
        for name in ("pass", "quick"):
            said[f"{side}_beyond_{name}"] = Column("ratio", _TEXTS[name].replace("{who}", beyond))
    return said


@feature(
    family="neighbourhood",
    columns=_said(),
    not_live="it reads the transfers of all accounts within two steps, of which there is no bound",
    window=("30d",),
)
def neighbours(history: History, *, window: int) -> Float64Array:
    """Behaviour of the counterparties of each point in the window, as of the point, in two rounds.

    The state of an account over `[as_of - window, as_of)`: `pass = min(in, out) / max(in, out)` of the amounts; `quick`
    = share of the paid amount that left at most 1 h after some credit (same tick included); distinct payers and
    payees; `burst` = largest share of the turnover in one of the 24 h blocks counted back from the point; age = time
    since its first transfer ever. Counterparties weigh by the amount exchanged on that side; NaN states are left out.
    `alike`: share of the amount with counterparties whose largest block is at most one away from the point's own and
    whose `pass` is within 0.1 of its own. `beyond`: the same mean, one round on: over the counterparties, of their own
    mean on the same side. NaN without counterparties; the counts are 0.

    O(transfers in the window of the accounts within two steps) for each moment; where many points share a moment, it is
    linear in the transfers of the window. Memory: 88 bytes an account for each of two moments.
    """
    extraction, width = history.extraction, max(window, history.graph.tick)
    found = np.full((len(history), 20), np.nan)
    order = np.argsort(history.as_of, kind="stable")
    moments, starts = np.unique(history.as_of[order], return_index=True)
    bounds = np.append(starts, len(order))
    for moment, begin, end in zip(moments.tolist(), bounds[:-1], bounds[1:], strict=True):
        asking = order[begin:end]
        rows = asking[history.points.account[asking] >= 0]
        accounts, place = np.unique(history.points.account[rows].astype(np.int64), return_inverse=True)
        if len(rows) >= _MANY:
            found[rows] = extraction.get(_Moments).at(extraction, moment, width)[accounts[place]]
        elif len(rows):
            found[rows] = _around(extraction, accounts, moment, width)[place]
    counts = found[:, [6, 16]]
    found[:, [6, 16]] = np.where(np.isnan(counts), 0.0, counts)
    return found


class _Moments:
    """The neighbourhoods of all accounts at the latest moments asked for; each computed once, for all shards."""

    def __init__(self, _extraction: Extraction) -> None:
        self._known: OrderedDict[tuple[int, int], Float64Array] = OrderedDict()
        self._lock = Lock()

    def at(self, extraction: Extraction, moment: int, width: int) -> Float64Array:
        """Return float64[n_accounts, 20]."""
        with self._lock:
            if (moment, width) not in self._known:
                everyone = np.arange(extraction.graph.n_accounts)
                self._known[moment, width] = _around(extraction, everyone, moment, width)
                while len(self._known) > _MOMENTS_KEPT:
                    self._known.popitem(last=False)
            return self._known[moment, width]


class _Window(NamedTuple):
    paid: Book
    received: Book
    begin: int
    as_of: int


def _around(extraction: Extraction, accounts: Int64Array, moment: int, width: int) -> Float64Array:
    """Return float64[n, 20] of `accounts`, which are sorted and different from each other."""
    past = extraction.past
    window, n_accounts = _Window(past.paid, past.received, moment - width, moment), past.graph.n_accounts
    is_everyone = len(accounts) == n_accounts
    room = extraction.facts.room if is_everyone else HEAP
    first = accounts if is_everyone else _with_counterparties(accounts, window)
    second = accounts if is_everyone else _with_counterparties(first, window)
    place = room.full(n_accounts, -1, np.int64)
    place[second] = np.arange(len(second))
    states, block = room.full((len(second), _N_STATE), np.nan, np.float64), room.full(len(second), -1, np.int64)
    found = room.full((len(second), 20), np.nan, np.float64)
    run = past.by_account if is_everyone else _run_whole(len(second))
    run(_states, second, window, -(-width // DAY), n_accounts, states, block)
    run = past.by_account if is_everyone else _run_whole(len(first))
    run(_round_one, first, place, window, states, block, found)
    run = past.by_account if is_everyone else _run_whole(len(accounts))
    run(_round_two, accounts, place, window, found)
    return found if is_everyone else found[place[accounts]]


def _run_whole(n: int):  # type: ignore[no-untyped-def]
    return lambda kernel, *arguments: kernel(0, n, *arguments)


def _with_counterparties(accounts: Int64Array, window: _Window) -> Int64Array:
    return np.union1d(accounts, _counterparties(accounts, window)).astype(np.int64)


@numba.njit(cache=True, nogil=True)
def _entries(book, account, window):  # type: ignore[no-untyped-def]
    """Return the range of an account's entries in the window."""
    low = first_at_least(book.time, book.start[account], book.stop[account], window.begin)
    return low, first_at_least(book.time, low, book.stop[account], window.as_of)


@numba.njit(cache=True, nogil=True)
def _counterparties(accounts, window):  # type: ignore[no-untyped-def]
    n = 0
    for a in accounts:
        for book in (window.paid, window.received):
            low, high = _entries(book, a, window)
            n += high - low
    found = np.empty(n, np.int64)
    n = 0
    for a in accounts:
        for book in (window.paid, window.received):
            low, high = _entries(book, a, window)
            for j in range(low, high):
                found[n] = book.other[j]
                n += 1
    return found


@numba.njit(cache=True, nogil=True)
def _states(first, last, accounts, window, n_blocks, n_accounts, states, block) -> None:  # type: ignore[no-untyped-def]
    """Walk both books of each account once; `met` holds twice the row, plus the side, for which an account was met."""
    met = np.full(n_accounts, -1, np.int64)
    turnover = np.zeros(n_blocks, np.int64)
    paid, received = window.paid, window.received
    for x in range(first, last):
        a = accounts[x]
        p_low, p_high = _entries(paid, a, window)
        r_low, r_high = _entries(received, a, window)
        if p_low == p_high and r_low == r_high:
            continue
        turnover[:] = 0
        into, out, quick, n_payers, n_payees, c = 0, 0, 0, 0, 0, r_low
        for j in range(r_low, r_high):
            into += received.amount[j]
            turnover[min(n_blocks - 1, (window.as_of - received.time[j] - 1) // DAY)] += received.amount[j]
            n_payers += met[received.other[j]] != 2 * x
            met[received.other[j]] = 2 * x
        for j in range(p_low, p_high):
            out += paid.amount[j]
            turnover[min(n_blocks - 1, (window.as_of - paid.time[j] - 1) // DAY)] += paid.amount[j]
            n_payees += met[paid.other[j]] != 2 * x + 1
            met[paid.other[j]] = 2 * x + 1
            while c < r_high and received.time[c] <= paid.time[j]:
                c += 1
            # c - 1 is the latest credit by then
            if c > r_low and paid.time[j] - received.time[c - 1] <= HOUR:
                quick += paid.amount[j]
        busiest = 0
        for d in range(n_blocks):
            if turnover[d] > turnover[busiest]:
                busiest = d
        block[x] = busiest
        states[x, _PASS] = min(into, out) / max(into, out)
        if out > 0:
            states[x, _QUICK] = quick / out
        states[x, _PAYERS], states[x, _PAYEES] = n_payers, n_payees
        states[x, _BURST] = turnover[busiest] / (into + out)
        since = window.as_of
        if paid.start[a] < paid.stop[a]:
            since = min(since, paid.time[paid.start[a]])
        if received.start[a] < received.stop[a]:
            since = min(since, received.time[received.start[a]])
        states[x, _AGE] = (window.as_of - since) / 1e6


@numba.njit(cache=True, nogil=True)
def _mean(values, column, book, low, high, place):  # type: ignore[no-untyped-def]
    """Return the mean of a column over the counterparties of `low:high`, by amount; NaN where none is known."""
    total, largest = 0, 1.0
    for j in range(low, high):
        value = values[place[book.other[j]], column]
        if not np.isnan(value):
            total += book.amount[j]
            largest = max(largest, abs(value))
    if total == 0:
        return np.nan
    # the scale is a power of two chosen by the largest value: the sum stays below 2**63
    scale = 2.0 ** (_VALUE_BITS - np.ceil(np.log2(largest)))
    weights, weighted = np.int64(0), np.int64(0)
    for j in range(low, high):
        value = values[place[book.other[j]], column]
        if not np.isnan(value):
            weight = np.int64(np.round(book.amount[j] / total * _WEIGHT))
            weights += weight
            weighted += weight * np.int64(np.round(value * scale))
    return weighted / scale / weights if weights > 0 else np.nan


@numba.njit(cache=True, nogil=True)
def _round_one(first, last, accounts, place, window, states, block, found) -> None:  # type: ignore[no-untyped-def]
    for x in range(first, last):
        own = place[accounts[x]]
        for side in range(2):
            book = window.received if side == 0 else window.paid
            most_of = _PAYEES if side == 0 else _PAYERS
            low, high = _entries(book, accounts[x], window)
            if low == high:
                continue
            for column in range(_N_STATE):
                found[own, 10 * side + column] = _mean(states, column, book, low, high, place)
            most, total, alike = 0.0, 0, 0
            for j in range(low, high):
                other = place[book.other[j]]
                most = max(most, states[other, most_of])
                total += book.amount[j]
                is_alike = abs(states[other, _PASS] - states[own, _PASS]) <= 0.1
                if is_alike and abs(block[other] - block[own]) <= 1:
                    alike += book.amount[j]
            found[own, 10 * side + 6] = most
            found[own, 10 * side + 7] = alike / total


@numba.njit(cache=True, nogil=True)
def _round_two(first, last, accounts, place, window, found) -> None:  # type: ignore[no-untyped-def]
    for x in range(first, last):
        own = place[accounts[x]]
        for side in range(2):
            book = window.received if side == 0 else window.paid
            low, high = _entries(book, accounts[x], window)
            for column in range(2):
                found[own, 10 * side + 8 + column] = _mean(found, 10 * side + column, book, low, high, place)
