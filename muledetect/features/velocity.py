"""Velocity: bursts against an account's own past, the rhythm of its transfers, and how fast money follows money."""

from __future__ import annotations

import numba
import numpy as np

from muledetect.arrays import Float64Array, Int64Array
from muledetect.clock import DAY
from muledetect.features._columns import Column
from muledetect.features._history import History, Side, share
from muledetect.features._spec import feature

_BASELINE = 90 * DAY


@feature(
    family="velocity",
    columns={
        "in_burst": Column("ratio", "transfers received {window} against what the 90 days before let expect"),
        "out_burst": Column("ratio", "transfers paid {window} against what the 90 days before let expect"),
        "in_amount_burst": Column("ratio", "amount received {window} against what the 90 days before let expect"),
        "out_amount_burst": Column("ratio", "amount paid {window} against what the 90 days before let expect"),
    },
    window=("7d",),
)
def burst(history: History, *, window: int) -> Float64Array:
    """Activity inside the window against the account's own 90 days before it.

    `burst = x / (x + baseline * window / 90 d)`: 0.5 as usual, 1 without any past; 0 when silent, NaN without either.
    O(log n) a point.
    """
    columns = []
    width = max(window, history.incoming.tick)  # a window under the tick holds a whole tick, so a tick is expected
    for measure in (Side.count, Side.total):
        for side in (history.incoming, history.outgoing):
            recent = measure(side, width)
            expected = (measure(side, width + _BASELINE) - recent) * (width / _BASELINE)
            columns.append(share(recent, recent + expected))
    return np.array(columns).T


@feature(
    family="velocity",
    columns={
        "in_gap_median": Column("seconds", "median time between two transfers received {window}"),
        "in_gap_variation": Column("ratio", "irregularity of the times of receiving {window} (1 = random)"),
        "out_gap_median": Column("seconds", "median time between two transfers paid {window}"),
        "out_gap_variation": Column("ratio", "irregularity of the times of paying {window} (1 = random)"),
    },
    window=("30d", "all"),
)
def gaps(history: History, *, window: int) -> Float64Array:
    """Median and coefficient of variation of the times between successive transfers of one side.

    NaN with fewer than two transfers. O(k log k) for k transfers in the window.
    """
    into, out = history.incoming, history.outgoing
    return np.concatenate([_gaps(side.begin(window), side.end, side.time) for side in (into, out)], axis=1)


@feature(
    family="velocity",
    columns={
        "follow_up_median": Column("seconds", "median time from a credit to the next debit {window}"),
        "followed_share": Column("ratio", "share of the credits {window} with a debit in the 5 minutes after"),
    },
    window=("7d", "all"),
)
def follow_up(history: History, *, window: int) -> Float64Array:
    """How soon a debit follows each credit inside the window; a debit of the same tick follows at once.

    Credits that no debit followed before the point count as not followed and are left out of the median. NaN without
    credits. O(k log k).
    """
    into, out = history.incoming, history.outgoing
    return _follow_ups(into.begin(window), into.end, into.time, out.start, out.end, out.time)


@numba.njit(cache=True, nogil=True)
def _gaps(begin: Int64Array, end: Int64Array, time: Int64Array) -> Float64Array:
    found = np.full((len(begin), 2), np.nan)
    for p in range(len(begin)):
        n = end[p] - begin[p] - 1
        if n < 1:
            continue
        gap = np.empty(n)
        for j in range(n):
            gap[j] = (time[begin[p] + j + 1] - time[begin[p] + j]) / 1e6
        found[p, 0] = np.median(gap)
        mean = gap.mean()
        found[p, 1] = gap.std() / mean if mean > 0 else 0.0
    return found


@numba.njit(cache=True, nogil=True)
def _follow_ups(begin, end, time, out_start, out_end, out_time) -> Float64Array:  # type: ignore[no-untyped-def]
    five_minutes = 300 * 1_000_000
    found = np.full((len(begin), 2), np.nan)
    for p in range(len(begin)):
        n = end[p] - begin[p]
        if n == 0:
            continue
        delay = np.empty(n)
        n_followed, n_soon = 0, 0
        o = out_start[p]
        for j in range(begin[p], end[p]):
            while o < out_end[p] and out_time[o] < time[j]:
                o += 1
            if o == out_end[p]:
                break
            wait = out_time[o] - time[j]
            delay[n_followed] = wait / 1e6
            n_followed += 1
            n_soon += wait <= five_minutes
        if n_followed > 0:
            found[p, 0] = np.median(delay[:n_followed])
        found[p, 1] = n_soon / n
    return found
