"""Cycles: does the transfer bring money back to where it came from, and how.

A transfer s -> t closes a cycle if money went from t to s before: t -> x -> ... -> s, each transfer later than the one
before it, all within the look-back, no account twice.
"""

from __future__ import annotations

import math
from typing import Final, NamedTuple

import numba
import numpy as np
import numpy.typing as npt

from muledetect.arrays import Float32Array, first_at_least
from muledetect.errors import OptionError
from muledetect.features._columns import Column
from muledetect.features.signals._past import Past, is_earlier
from muledetect.features.signals._spec import signal
from muledetect.letting_go import give_way

#: Longest cycle that a search looks for, transfers with the closing one; of cycles in any order.
LONGEST_CYCLE: Final = 6
LONGEST_SIMPLE_CYCLE: Final = 5

#: Each hop passes on so much of the hop before: a launderer keeps a commission, and may add a little of other money.
LOW_RATIO: Final = 0.7
HIGH_RATIO: Final = 1.1

# More than any amount; and what rounding may take from a bound.
_ANY: Final = 2**62
_SLACK: Final = 1e-9

# Credits of the payer that are looked through before its payee's book is opened.
_MANY: Final = 64

# Fewest buckets, a power of two: small enough to stay in the fastest cache.
_BUCKETS: Final = 1024


# A tree holds paths from one end as rows, level by level: row 0 is the end itself, each other row one transfer more
# than its parent's path. [low, high) are the entries of the book that extend it. `link` is the next row of the same
# bucket: rows of the last level stand in buckets by account.
_ROW: Final = np.dtype(
    [
        ("account", np.int32), ("parent", np.int32), ("time", np.int64), ("amount", np.int64),
        ("low", np.int64), ("high", np.int64), ("link", np.int64),
    ],
    align=True,
)  # fmt: skip


class _Tree(NamedTuple):
    row: npt.NDArray[np.void]
    bucket: npt.NDArray[np.int32]
    level: npt.NDArray[np.int64]


# Places in `level`, which describes a tree's last level. Its rows are FIRST to STOP. WEIGHT is what their accounts had
# done by then, which guesses the cost of the next level (never their whole books: these hold the future). EDGE is the
# earliest time of a row (ahead) or the latest (back): the other tree need not look beyond it. LEAST and MOST are the
# amounts of its rows, from which the other tree's amounts may be only so many hops away.
_FIRST: Final = 0
_STOP: Final = 1
_DEPTH: Final = 2
_WEIGHT: Final = 3
_EDGE: Final = 4
_LEAST: Final = 5
_MOST: Final = 6


@signal(
    family="cycles",
    not_live="which lengths are searched rests on all that the accounts on the way ever did",
    columns={
        "cycles_2": Column("count", "times that the payee had paid the payer about as much before: cycles of 2"),
        "cycles_3": Column("count", "cycles of 3 transfers that it closed"),
        "cycles_4": Column("count", "cycles of 4 transfers that it closed"),
        "cycles_5to6": Column("count", "cycles of 5 or 6 transfers that it closed"),
        "cycle_shortest": Column("count", "transfers in the shortest cycle that it closed"),
        "cycle_ratio": Column("ratio", "smallest amount against the largest in the most even cycle that it closed"),
        "cycles_left_out": Column(
            "count", "lengths of cycles that were not searched, for too many transfers lie between"
        ),
    },
)
def cycles(past: Past) -> Float32Array:
    """Temporal cycles that each transfer closes, with every hop 0.7 to 1.1 times the hop before it.

    A cycle of n transfers is the transfer itself and n - 1 earlier ones in time order, the first within the look-back;
    no account twice; parallel transfers make different cycles. `cycle_shortest` is 0 and `cycle_ratio` NaN without
    cycles. Where the search up to a length would read more than `max_degree` entries of books, the counts of that
    and longer lengths are NaN, never a part of the truth; `cycles_left_out` says how many lengths these are, and
    `cycle_shortest` is NaN if no shorter cycle was found.

    The search grows from both ends, always from the cheaper one, until the two meet. What is cheaper is guessed by all
    that accounts had done by then, at any time, so which lengths are left out has no bound in time. O(min of the two
    sides' entries).
    """
    found = _search_all(past, LONGEST_CYCLE, LOW_RATIO, HIGH_RATIO, is_temporal=True)
    by_length = found[:, : LONGEST_CYCLE - 1]
    values = past.unknown(7)
    values[:, :3] = by_length[:, :3]
    values[:, 3] = by_length[:, 3] + by_length[:, 4]
    _summarise(by_length, found[:, -1], values)
    return values


def count_temporal_cycles(
    past: Past, max_length: int = LONGEST_CYCLE, low_ratio: float | None = None, high_ratio: float | None = None
) -> Float32Array:
    """Count the temporal cycles that each transfer closes, by length.

    Parameters
    ----------
    past : Past
    max_length : int
        2 to 6.
    low_ratio, high_ratio : float, optional
        Bounds of each hop's amount against the hop before it; None = no bound.

    Returns
    -------
    float32[n_transfers, max_length - 1]
        Cycles of 2, 3, ... transfers; 0 = none; NaN where the limit of work left the length out (never if `past` is
        exact).

    Raises
    ------
    OptionError
        If `max_length` is out of range.
    """
    if not 2 <= max_length <= LONGEST_CYCLE:
        raise OptionError(f"cycles: max_length must be 2 to {LONGEST_CYCLE}; got {max_length}.")
    low, high = 0.0 if low_ratio is None else low_ratio, math.inf if high_ratio is None else high_ratio
    return _search_all(past, max_length, low, high, is_temporal=True)[:, : max_length - 1]


def count_simple_cycles(past: Past, max_length: int = LONGEST_SIMPLE_CYCLE) -> Float32Array:
    """Count the cycles that each transfer closes with earlier transfers of the look-back in any order, by length.

    Parameters
    ----------
    past : Past
    max_length : int
        2 to 5.

    Returns
    -------
    float32[n_transfers, max_length - 1]
        As `count_temporal_cycles`.

    Raises
    ------
    OptionError
        If `max_length` is out of range.
    """
    if not 2 <= max_length <= LONGEST_SIMPLE_CYCLE:
        raise OptionError(f"cycles: max_length must be 2 to {LONGEST_SIMPLE_CYCLE}; got {max_length}.")
    return _search_all(past, max_length, 0.0, math.inf, is_temporal=False)[:, : max_length - 1]


def _search_all(past: Past, max_length: int, low_ratio: float, high_ratio: float, *, is_temporal: bool) -> Float32Array:
    """Return counts by length, then the best ratio."""
    found = past.at_random((len(past), max_length), 0, np.float32)
    found[:, -1] = np.nan
    past.by_account(
        _close, past.paid, past.received, past.before.debits, past.before.credits, past.lookback, past.is_simultaneous,
        past.max_degree, low_ratio, high_ratio, is_temporal, past.by_debit()[0].transfer, found,
    )  # fmt: skip
    found = past.in_time(found)
    past.by_transfer(_close_nothing, past.paid_at, found)
    return found


@numba.njit(cache=True, nogil=True)
def _summarise(by_length, ratio, values) -> None:  # type: ignore[no-untyped-def]
    for i in range(len(values)):
        shortest, n_left_out = 0.0, 0
        for k in range(by_length.shape[1]):
            if np.isnan(by_length[i, k]):
                n_left_out += 1
            elif shortest == 0 and by_length[i, k] > 0:
                shortest = k + 2
        values[i, 4] = np.nan if shortest == 0 and n_left_out > 0 else shortest
        values[i, 5] = ratio[i]
        values[i, 6] = n_left_out


@numba.njit(cache=True, nogil=True)
def _close(  # type: ignore[no-untyped-def]
    low, high, paid, received, debits_before, credits_before, lookback, is_simultaneous, max_steps, low_ratio,
    high_ratio, is_temporal, row, found,
) -> None:  # fmt: skip
    """Search for each transfer of the payers `low` to `high`, so that the payer's books stay in cache.

    Counts of the debit at place e of `paid` are written to `found[row[e]]`.
    """
    ahead, back = _tree(64), _tree(64)
    count = np.zeros(found.shape[1] - 1, np.int64)
    for source in range(low, high):
        first, last = received.start[source], received.start[source]
        for e in range(paid.start[source], paid.stop[source]):
            give_way(paid.pages)
            now, target = paid.time[e], paid.other[e]
            while last < received.stop[source] and is_earlier(received.time[last], now, is_simultaneous):
                last += 1
            while first < last and received.time[first] < now - lookback:
                first += 1
            begin, end = now - lookback, now if is_simultaneous else now - 1
            if is_temporal:  # nothing on the way is later than the payer's last credit that fits ...
                if last - first > _MANY:
                    end = received.time[last - 1]
                else:
                    end = _last_fitting(received, first, last, paid.amount[e], low_ratio, high_ratio)
            if first == last or end < begin:
                continue
            start = first_at_least(paid.time, paid.start[target], paid.stop[target], begin)
            if start == paid.stop[target] or paid.time[start] > end:
                continue
            if is_temporal:  # ... or earlier than the payee's first debit
                begin = paid.time[start]
            stop = _end_from(paid.time, start, paid.stop[target], end + 1)
            _root(ahead, target, 0, start, stop, begin)
            _root(back, source, paid.amount[e], first, last, end)
            room = 1
            while room > 0:
                best, n_searched, room = _search(
                    ahead, back, paid, received, debits_before, credits_before, is_simultaneous, max_steps, low_ratio,
                    high_ratio, is_temporal, count,
                )  # fmt: skip
                if room > 0:  # larger trees, and once more
                    ahead, back = _tree(2 * room), _tree(2 * room)
                    _root(ahead, target, 0, start, stop, begin)
                    _root(back, source, paid.amount[e], first, last, end)
            for k in range(len(count)):
                found[row[e], k] = count[k] if k < n_searched else np.nan
            if best > 0:
                found[row[e], len(count)] = best


@numba.njit(cache=True, nogil=True)
def _close_nothing(low, high, place, found) -> None:  # type: ignore[no-untyped-def]
    """Write that transfers from an account to itself close no cycle."""
    for i in range(low, high):
        if place[i] < 0:
            found[i, :-1] = 0


@numba.njit(cache=True, nogil=True)
def _last_fitting(book, first, last, amount, low_ratio, high_ratio):  # type: ignore[no-untyped-def]
    """Return the time of the last entry that `amount` may follow; before all times if there is none."""
    for r in range(last - 1, first - 1, -1):
        if low_ratio * book.amount[r] <= amount <= high_ratio * book.amount[r]:
            return book.time[r]
    return np.iinfo(np.int64).min


@numba.njit(cache=True, nogil=True)
def _end_from(time, low, high, moment):  # type: ignore[no-untyped-def]
    """Return the first position that is not before `moment`, as `first_at_least`, but fast where it is near `low`."""
    step = 1
    while low + step <= high and time[low + step - 1] < moment:
        low += step
        step *= 2
    return first_at_least(time, low, min(high, low + step - 1), moment)


@numba.njit(cache=True, nogil=True)
def _search(  # type: ignore[no-untyped-def]
    ahead, back, paid, received, debits_before, credits_before, is_simultaneous, max_steps, low_ratio, high_ratio,
    is_temporal, count,
):  # fmt: skip
    """Grow the lighter tree by a level until both together are as deep as the longest cycle.

    Invariant: after k steps the levels' depths add up to k, and every path of k transfers was found exactly once, when
    the last level was added. Returns the best ratio, the number of lengths searched, and the rows that a tree needs if
    it has no room for the next level.
    """
    count[:] = 0
    best, n_steps = 0.0, 0
    for k in range(len(count)):
        is_ahead = ahead.level[_WEIGHT] < back.level[_WEIGHT]
        if is_ahead:
            n_entries = _reach(ahead, back, paid, True, is_temporal, is_simultaneous)
        else:
            n_entries = _reach(back, ahead, received, False, is_temporal, is_simultaneous)
        n_steps += n_entries
        if max_steps > 0 and n_steps > max_steps:
            return best, k, 0
        n_rows = (ahead.level[_STOP] if is_ahead else back.level[_STOP]) + n_entries
        if n_rows > len(ahead.row):
            return best, k, n_rows
        if is_ahead:
            n_met, ratio = _grow(
                ahead,
                back,
                paid,
                debits_before,
                True,
                len(count) - k,
                is_temporal,
                is_simultaneous,
                low_ratio,
                high_ratio,
            )
        else:
            n_met, ratio = _grow(
                back,
                ahead,
                received,
                credits_before,
                False,
                len(count) - k,
                is_temporal,
                is_simultaneous,
                low_ratio,
                high_ratio,
            )
        count[k] = n_met
        best = max(best, ratio)
        if ahead.level[_FIRST] == ahead.level[_STOP] or back.level[_FIRST] == back.level[_STOP]:
            break
    return best, len(count), 0


@numba.njit(cache=True, nogil=True)
def _grow(  # type: ignore[no-untyped-def]
    tree, other, book, seen_before, is_ahead, n_hops, is_temporal, is_simultaneous, low_ratio, high_ratio
):
    """Add a level, and count the paths that it makes with the other tree's last level; a row needs an entry ahead."""
    first, stop, other_depth = tree.level[_FIRST], tree.level[_STOP], other.level[_DEPTH]
    mask = len(other.bucket) - 1
    for p in range(other.level[_FIRST], other.level[_STOP]):
        b = other.row[p].account & mask
        other.row[p].link = other.bucket[b]
        other.bucket[b] = p
    n_rows, n_met, best = stop, 0, 0.0
    weight, earliest, latest = 0, np.iinfo(np.int64).max, np.iinfo(np.int64).min
    least_row, most_row = np.iinfo(np.int64).max, np.int64(0)
    # between an entry and the other tree's level lie 1 to n_hops hops
    if is_ahead:
        least, most = other.level[_LEAST] / max(high_ratio, high_ratio**n_hops), np.inf
        if low_ratio > 0:
            most = other.level[_MOST] / min(low_ratio, low_ratio**n_hops)
    else:
        least = other.level[_LEAST] * min(low_ratio, low_ratio**n_hops)
        most = other.level[_MOST] * max(high_ratio, high_ratio**n_hops)
    least, most = least * (1 - _SLACK), most * (1 + _SLACK)
    for p in range(first, stop):
        is_free = is_ahead and p == 0  # no transfer before it
        for q in range(tree.row[p].low, tree.row[p].high):
            amount = book.amount[q]
            if amount < least or amount > most:
                continue
            if not is_free:
                before, after = (tree.row[p].amount, amount) if is_ahead else (amount, tree.row[p].amount)
                if after < low_ratio * before or after > high_ratio * before:
                    continue
            account = book.other[q]
            is_end = account == other.row[0].account
            if is_end and other_depth > 0:
                continue
            is_new, above = True, p
            while above >= 0 and is_new:
                is_new = tree.row[above].account != account
                above = tree.row[above].parent
            if not is_new:
                continue
            w = other.bucket[account & mask]
            tree.row[n_rows].account, tree.row[n_rows].parent = account, p
            tree.row[n_rows].time, tree.row[n_rows].amount = book.time[q], amount
            while w >= 0:
                ratio = 0.0
                if other.row[w].account == account:
                    if is_ahead:
                        ratio = _met(tree, n_rows, other, w, is_temporal, is_simultaneous, low_ratio, high_ratio)
                    else:
                        ratio = _met(other, w, tree, n_rows, is_temporal, is_simultaneous, low_ratio, high_ratio)
                n_met += ratio > 0
                best = max(best, ratio)
                w = other.row[w].link
            # what the account had done by then: its whole book would hold the future
            n_earlier = seen_before[book.transfer[q]] - book.start[account]
            if not is_end and (is_ahead or not is_temporal or n_earlier > 0):
                earliest, latest = min(earliest, book.time[q]), max(latest, book.time[q])
                least_row, most_row = min(least_row, amount), max(most_row, amount)
                weight += 1 + n_earlier
                n_rows += n_hops > 1
    for p in range(other.level[_FIRST], other.level[_STOP]):
        other.bucket[other.row[p].account & mask] = -1
    tree.level[_FIRST], tree.level[_STOP], tree.level[_WEIGHT] = stop, n_rows, weight
    tree.level[_LEAST], tree.level[_MOST] = least_row, most_row
    tree.level[_DEPTH] += 1
    if is_temporal:
        tree.level[_EDGE] = earliest if is_ahead else latest
    return n_met, best


@numba.njit(cache=True, nogil=True)
def _met(ahead, p, back, w, is_temporal, is_simultaneous, low_ratio, high_ratio):  # type: ignore[no-untyped-def]
    """Return smallest by largest amount of the cycle that two paths make, 0 if they make none."""
    if p > 0 and w > 0 and is_temporal and not is_earlier(ahead.row[p].time, back.row[w].time, is_simultaneous):
        return 0.0
    before, after = ahead.row[p].amount, back.row[w].amount
    if p > 0 and (after < low_ratio * before or after > high_ratio * before):
        return 0.0
    least = largest = back.row[0].amount
    while w > 0:
        least, largest = min(least, back.row[w].amount), max(largest, back.row[w].amount)
        w = back.row[w].parent
        above = ahead.row[p].parent
        while above > 0 and w > 0:
            if ahead.row[above].account == back.row[w].account:
                return 0.0
            above = ahead.row[above].parent
    while p > 0:
        least, largest = min(least, ahead.row[p].amount), max(largest, ahead.row[p].amount)
        p = ahead.row[p].parent
    return least / largest


@numba.njit(cache=True, nogil=True)
def _reach(tree, other, book, is_ahead, is_temporal, is_simultaneous):  # type: ignore[no-untyped-def]
    """Find the entries that extend each row of the last level; return how many they are."""
    n_entries = 0
    begin, end = tree.level[_EDGE], other.level[_EDGE]  # both belong to the range
    if not is_ahead:
        begin, end = end, begin
    for p in range(tree.level[_FIRST], tree.level[_STOP]):
        row = tree.row[p]
        if p > 0:
            if is_temporal and is_ahead:
                begin = row.time + (not is_simultaneous)
            elif is_temporal:
                end = row.time - (not is_simultaneous)
            stop = book.stop[row.account]
            row.low = first_at_least(book.time, book.start[row.account], stop, begin)
            row.high = _end_from(book.time, row.low, stop, end + 1)
        n_entries += row.high - row.low
    return n_entries


@numba.njit(cache=True, nogil=True)
def _tree(n_rows):  # type: ignore[no-untyped-def]
    row = np.empty(n_rows, _ROW)
    row[0].parent = -1
    n_buckets = _BUCKETS
    while n_buckets < n_rows // 2:
        n_buckets *= 2
    return _Tree(row, np.full(n_buckets, -1, np.int32), np.zeros(7, np.int64))


@numba.njit(cache=True, nogil=True)
def _root(tree, account, amount, low, high, edge) -> None:  # type: ignore[no-untyped-def]
    row = tree.row[0]
    row.account, row.amount, row.low, row.high = account, amount, low, high
    tree.level[_FIRST], tree.level[_STOP], tree.level[_DEPTH] = 0, 1, 0
    tree.level[_WEIGHT], tree.level[_EDGE] = high - low, edge
    tree.level[_LEAST], tree.level[_MOST] = amount, amount if amount > 0 else _ANY
