"""Flow: how much of the money that came in left again, how fast, and how little stayed.

All by first in, first out: a debit spends the oldest credit that is left. Money that left beyond the credits on
record came from before them and is not counted.
"""

from __future__ import annotations

import numba
import numpy as np

from muledetect.arrays import Float64Array, first_at_least
from muledetect.clock import ALL, DAY
from muledetect.features._columns import Column
from muledetect.features._history import History, share
from muledetect.features._spec import feature


@feature(
    family="flow",
    unit="ratio",
    text="share of the money received {window} that had left again",
    window=("24h", "30d", "all"),
)
def pass_through(history: History, *, window: int) -> Float64Array:
    """Share of the money received in `window` before each point that had left again by the point (FIFO).

    NaN if nothing was received. O(log n + pairs in the window) a point.
    """
    return _matched(history, window, ALL)


@feature(
    family="flow",
    unit="ratio",
    text="share of the money received {window} that left again within {within}",
    within=("1h", "24h"),
    window=("all",),
)
def quick_pass(history: History, *, within: int, window: int) -> Float64Array:
    """Share of the money received in `window` that left within `within` of its arrival (FIFO); NaN if none came."""
    return _matched(history, window, within)


@feature(
    family="flow",
    columns={
        "holding_time_median": Column("seconds", "time that half of the passed-on money stayed at most {window}"),
        "holding_time_p90": Column("seconds", "time that nine tenths of the passed-on money stayed at most {window}"),
    },
    window=("30d", "all"),
)
def holding_time(history: History, *, window: int) -> Float64Array:
    """Value-weighted median and 90th percentile of the time between arrival and departure of the same money (FIFO).

    Of the credits inside the window; NaN if none of them had left. O(k log k) for k pairs.
    """
    pairs = history.matches
    into, out = history.incoming, history.outgoing
    return _holding_time_quantiles(
        history.local, into.begin(window), out.end, into.time, out.time,
        pairs.start, pairs.stop, pairs.credit, pairs.debit, pairs.amount,
    )  # fmt: skip


@feature(
    family="flow",
    columns={
        "retained_mean": Column("ratio", "mean share of a day's inflow that stayed {window}"),
        "retained_spread": Column("ratio", "how much the share of a day's inflow that stayed varied {window}"),
        "zero_sweep": Column("ratio", "share of the days with inflow that ended with under 5% of it left {window}"),
        "busy_days": Column("ratio", "share of the days with any transfer {window}", only=("30d",)),
    },
    window=("90d",),
)
def daily_rest(history: History, *, window: int) -> Float64Array:
    """What each 24 hours left behind, in blocks counted back from the point; a part of a block counts as one.

    `rest = max(0, in - out) / in` of the blocks with inflow: mean, standard deviation, and share under 5%. NaN without
    inflow. O(transfers in the window).
    """
    into, out = history.incoming, history.outgoing
    return _daily_rest(
        into.begin(window), into.end, into.time, into.amount,
        out.begin(window), out.end, out.time, out.amount, history.as_of, -(-window // DAY),
    )  # fmt: skip


@feature(
    family="flow",
    columns={
        "turnover_over_range": Column("ratio", "received money {window} against the largest swing of the balance"),
        "credits_before_largest_debit": Column("count", "credits gathered before the largest debit {window}"),
        "largest_debit_share": Column("ratio", "share of the money paid {window} that left in one debit"),
    },
    window=("all",),
)
def gathering(history: History, *, window: int) -> Float64Array:
    """How often the balance was filled and emptied, and how many credits the largest debit gathered.

    `turnover_over_range = in / max(max - min of the running net, largest debit)`: the net starts at 0 and is read at
    the end of each tick; the balance swung by the largest debit at least, even where its tick nets to nothing. Credits
    count from after the moment of the debit before up to the largest debit's own moment (of equal debits, the one that
    gathered most). NaN without transfers of the side. O(transfers in the window).
    """
    into, out = history.incoming, history.outgoing
    return _gathering(
        into.begin(window), into.end, into.time, into.amount, out.begin(window), out.end, out.time, out.amount
    )


@feature(
    family="flow",
    unit="ratio",
    text="money moved {window} against the balance",
    window=("7d",),
)
def turnover_over_balance(history: History, *, window: int) -> Float64Array:
    """`(in + out) / (in + out + 2 * balance)`: 1 = much money through an empty account; NaN if the balance is unknown.

    The balance is the one last stated before the point, on a transfer or in the accounts table, moved by the transfers
    since. O(transfers since the statement).
    """
    moved = history.incoming.total(window) + history.outgoing.total(window)
    return share(moved, moved + 2 * np.maximum(history.balance, 0.0))


def _matched(history: History, window: int, within: int) -> Float64Array:
    pairs = history.matches
    into, out = history.incoming, history.outgoing
    return _matched_share(
        history.local, into.begin(window), into.end, into.before, out.end, into.time, out.time,
        pairs.start, pairs.stop, pairs.credit, pairs.debit, pairs.amount, within,
    )  # fmt: skip


@numba.njit(cache=True, nogil=True)
def _pairs_of_point(p, local, in_begin, out_end, start, stop, credit, debit) -> tuple[int, int]:  # type: ignore[no-untyped-def]
    """Pairs are sorted by debit and by credit alike, so a point's pairs are one range of its account's."""
    last = stop[local[p]]
    first = first_at_least(credit, start[local[p]], last, in_begin[p])
    return first, first_at_least(debit, first, last, out_end[p])


@numba.njit(cache=True, nogil=True)
def _matched_share(  # type: ignore[no-untyped-def]
    local, in_begin, in_end, in_before, out_end, in_time, out_time, start, stop, credit, debit, amount, within
) -> Float64Array:
    found = np.full(len(local), np.nan)
    for p in range(len(local)):
        first, last = _pairs_of_point(p, local, in_begin, out_end, start, stop, credit, debit)
        total = 0
        for m in range(first, last):
            if out_time[debit[m]] - in_time[credit[m]] <= within:
                total += amount[m]
        received = in_before[in_end[p]] - in_before[in_begin[p]]
        if received > 0:
            found[p] = total / received
    return found


@numba.njit(cache=True, nogil=True)
def _holding_time_quantiles(  # type: ignore[no-untyped-def]
    local, in_begin, out_end, in_time, out_time, start, stop, credit, debit, amount
) -> Float64Array:
    found = np.full((len(local), 2), np.nan)
    for p in range(len(local)):
        first, last = _pairs_of_point(p, local, in_begin, out_end, start, stop, credit, debit)
        if first == last:
            continue
        stayed = np.empty(last - first, np.int64)
        total = 0
        for m in range(first, last):
            stayed[m - first] = out_time[debit[m]] - in_time[credit[m]]
            total += amount[m]
        order = np.argsort(stayed)
        seen, q = 0, 0
        for m in order:
            seen += amount[first + m]
            # the quantile is the stay of the pair that first reaches half, or nine tenths, of the value
            while q < 2 and total - seen <= total // (2 if q == 0 else 10):
                found[p, q] = stayed[m] / 1e6
                q += 1
    return found


@numba.njit(cache=True, nogil=True)
def _daily_rest(  # type: ignore[no-untyped-def]
    in_begin, in_end, in_time, in_amount, out_begin, out_end, out_time, out_amount, as_of, n_days
) -> Float64Array:
    found = np.full((len(as_of), 4), np.nan)
    day = 86_400_000_000
    received = np.zeros(n_days, np.int64)
    paid = np.zeros(n_days, np.int64)
    for p in range(len(as_of)):
        received[:] = 0
        paid[:] = 0
        for j in range(in_begin[p], in_end[p]):
            received[min(n_days - 1, (as_of[p] - in_time[j] - 1) // day)] += in_amount[j]
        for j in range(out_begin[p], out_end[p]):
            paid[min(n_days - 1, (as_of[p] - out_time[j] - 1) // day)] += out_amount[j]
        n_busy, n_fed, n_swept = 0, 0, 0
        mean, squares = 0.0, 0.0  # of the deviations from the running mean: exactly 0 if every day leaves the same
        for d in range(n_days):
            n_busy += received[d] > 0 or paid[d] > 0
            if received[d] > 0:
                rest = max(0, received[d] - paid[d]) / received[d]
                n_fed += 1
                n_swept += rest < 0.05
                away = rest - mean
                mean += away / n_fed
                squares += away * (rest - mean)
        found[p, 3] = n_busy / n_days
        if n_fed > 0:
            found[p, 0] = mean
            found[p, 1] = np.sqrt(max(0.0, squares / n_fed))
            found[p, 2] = n_swept / n_fed
    return found


@numba.njit(cache=True, nogil=True)
def _gathering(  # type: ignore[no-untyped-def]
    in_begin, in_end, in_time, in_amount, out_begin, out_end, out_time, out_amount
) -> Float64Array:
    found = np.full((len(in_begin), 3), np.nan)
    for p in range(len(in_begin)):
        i, o = in_begin[p], out_begin[p]
        net, low, high, received, paid = 0, 0, 0, 0, 0
        n_gathered, largest, gathered_by_largest = 0, 0, 0
        while i < in_end[p] or o < out_end[p]:
            moment = in_time[i] if i < in_end[p] else out_time[o]
            if o < out_end[p]:
                moment = min(moment, out_time[o])
            while i < in_end[p] and in_time[i] == moment:
                net += in_amount[i]
                received += in_amount[i]
                n_gathered += 1
                i += 1
            is_debit = False
            while o < out_end[p] and out_time[o] == moment:
                net -= out_amount[o]
                paid += out_amount[o]
                is_debit = True
                if out_amount[o] > largest or (out_amount[o] == largest and n_gathered > gathered_by_largest):
                    largest = out_amount[o]
                    gathered_by_largest = n_gathered
                o += 1
            if is_debit:
                n_gathered = 0
            low = min(low, net)
            high = max(high, net)
        # the net of a tick hides what came and left within it; the largest debit bounds the swing from below
        if received > 0:
            found[p, 0] = received / max(high - low, largest)
        if paid > 0:
            found[p, 1] = gathered_by_largest
            found[p, 2] = largest / paid
    return found
