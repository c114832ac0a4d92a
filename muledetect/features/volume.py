"""Volume: how often and how much an account receives and pays, now and at its busiest."""

from __future__ import annotations

from typing import Final

import numba
import numpy as np

from muledetect.arrays import Float64Array, Int64Array
from muledetect.features._columns import ON_REQUEST, Column, Unit
from muledetect.features._history import History, share
from muledetect.features._spec import feature


@feature(
    family="volume",
    columns={
        "in_count": Column("count", "transfers received {window}"),
        "out_count": Column("count", "transfers paid {window}"),
        "in_amount": Column("amount", "amount received {window}"),
        "out_amount": Column("amount", "amount paid {window}"),
        "out_share": Column("ratio", "share of the money moved {window} that was outgoing"),
    },
    window=("7d", "30d", "all"),
)
def volume(history: History, *, window: int) -> Float64Array:
    """Count and sum the transfers of each side inside the window; `out_share = out / (in + out)`, NaN without any.

    O(log n) a point, from running totals in integers.
    """
    received, paid = history.incoming.total(window), history.outgoing.total(window)
    return np.column_stack(
        [
            history.incoming.count(window),
            history.outgoing.count(window),
            received,
            paid,
            share(paid, received + paid),
        ]
    )


@feature(
    family="volume",
    columns={
        "in_mean": Column("amount", "mean amount received {window}", only=("all",)),
        "out_mean": Column("amount", "mean amount paid {window}", only=("all",)),
        "in_max": Column("amount", "largest amount received {window}"),
        "out_max": Column("amount", "largest amount paid {window}"),
    },
    window=("7d", "all"),
)
def size(history: History, *, window: int) -> Float64Array:
    """Mean and largest amount of each side inside the window; NaN without any. O(transfers in the window) a point."""
    columns = []
    for side in (history.incoming, history.outgoing):
        columns.append(share(side.total(window), side.count(window)))
        columns.append(_largest(side.begin(window), side.end, side.amount))
    return np.column_stack([columns[0], columns[2], columns[1], columns[3]])


_PEAKS: Final[dict[str, tuple[Unit, str]]] = {
    "in_count": ("count", "transfers received"),
    "out_count": ("count", "transfers paid"),
    "in_amount": ("amount", "amount received"),
    "out_amount": ("amount", "amount paid"),
    "through_amount": ("amount", "amount both received and paid on"),
    "in_counterparties": ("count", "different payers"),
    "out_counterparties": ("count", "different payees"),
}

# How long ago a peak was says much the same for neighbouring widths and measures.
_SINCE = {"out_count": ("7d",), "in_amount": ("7d",), "out_amount": ("24h",), "through_amount": ("24h",)}
_PEAK = {"in_counterparties": ("7d", "30d"), "out_counterparties": ("7d", "30d")}


def _said_of_peaks() -> dict[str, Column]:
    said = {}
    for name, (unit, text) in _PEAKS.items():
        said[f"peak_{name}"] = Column(unit, f"{text} in the busiest {{within}}", only=_PEAK.get(name, ()))
    for name, (_, text) in _PEAKS.items():
        when = f"time since the busiest {{within}} by {text}"
        said[f"since_peak_{name}"] = Column("seconds", when, True, _SINCE.get(name, ON_REQUEST))
    return said


@feature(family="peak", columns=_said_of_peaks(), within=("5min", "15min", "1h", "24h", "7d", "30d"))
def peak(history: History, *, within: int) -> Float64Array:
    """Largest value that each aggregate over `within` ever reached before the point, and how long ago (latest).

    The aggregate is taken one tick after each moment of activity, where its maxima lie. 0 and NaN without transfers.
    O(history) an account: its points share one walk.
    """
    into, out = history.incoming, history.outgoing
    return _peaks(
        into.start, into.end, into.time, into.amount, into.other,
        out.start, out.end, out.time, out.amount, out.other,
        history.as_of, np.lexsort((history.as_of, history.local)), history.local, history.n_others,
        max(within, into.tick) - into.tick,
    )  # fmt: skip


@numba.njit(cache=True, nogil=True)
def _largest(begin: Int64Array, end: Int64Array, amount: Int64Array) -> Float64Array:
    found = np.full(len(begin), np.nan)
    for p in range(len(begin)):
        largest = 0
        for j in range(begin[p], end[p]):
            largest = max(largest, amount[j])
        if largest > 0:
            found[p] = largest
    return found


@numba.njit(cache=True, nogil=True)
def _peaks(  # type: ignore[no-untyped-def]
    in_start, in_end, in_time, in_amount, in_other, out_start, out_end, out_time, out_amount, out_other,
    as_of, order, local, n_others, reach,
) -> Float64Array:  # fmt: skip
    """Walk the history of each account once, and stop at each of its points, in the order of their times."""
    found = np.zeros((len(as_of), 14))
    most_others = 0
    for p in range(len(as_of)):
        most_others = max(most_others, n_others[p])
    n_from = np.zeros(most_others, np.int64)  # transfers in the sliding window by payer; all 0 between accounts
    n_to = np.zeros(most_others, np.int64)
    now = np.zeros(7, np.int64)
    best = np.zeros(7, np.int64)
    best_time = np.zeros(7, np.int64)
    i, i_old, o, o_old = 0, 0, 0, 0
    for n, p in enumerate(order):
        if n == 0 or local[p] != local[order[n - 1]]:
            for j in range(i_old, i):
                n_from[in_other[j]] = 0
            for j in range(o_old, o):
                n_to[out_other[j]] = 0
            now[:] = 0
            best[:] = 0
            i, i_old = in_start[p], in_start[p]
            o, o_old = out_start[p], out_start[p]
        while i < in_end[p] or o < out_end[p]:
            moment = in_time[i] if i < in_end[p] else out_time[o]
            if o < out_end[p]:
                moment = min(moment, out_time[o])
            while i < in_end[p] and in_time[i] == moment:
                now[0] += 1
                now[2] += in_amount[i]
                n_from[in_other[i]] += 1
                now[5] += n_from[in_other[i]] == 1
                i += 1
            while o < out_end[p] and out_time[o] == moment:
                now[1] += 1
                now[3] += out_amount[o]
                n_to[out_other[o]] += 1
                now[6] += n_to[out_other[o]] == 1
                o += 1
            while i_old < i and in_time[i_old] < moment - reach:
                now[0] -= 1
                now[2] -= in_amount[i_old]
                n_from[in_other[i_old]] -= 1
                now[5] -= n_from[in_other[i_old]] == 0
                i_old += 1
            while o_old < o and out_time[o_old] < moment - reach:
                now[1] -= 1
                now[3] -= out_amount[o_old]
                n_to[out_other[o_old]] -= 1
                now[6] -= n_to[out_other[o_old]] == 0
                o_old += 1
            now[4] = min(now[2], now[3])
            for k in range(7):
                if now[k] >= best[k] and now[k] > 0:
                    best[k] = now[k]
                    best_time[k] = moment
        for k in range(7):
            found[p, k] = best[k]
            found[p, 7 + k] = (as_of[p] - best_time[k]) / 1e6 if best[k] > 0 else np.nan
    return found
