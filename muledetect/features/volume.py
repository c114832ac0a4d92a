"""Volume: how often and how much an account receives and pays, now and at its busiest."""

from __future__ import annotations

from functools import cache
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
    into, out = history.incoming, history.outgoing
    return _volumes(into.begin(window), into.end, into.before, out.begin(window), out.end, out.before)


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
    sides = history.incoming, history.outgoing
    means = [share(side.total(window), side.count(window)) for side in sides]
    return np.array([*means, *(_largest(side.begin(window), side.end, side.amount) for side in sides)]).T


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
def peak(history: History, *, within: int, wanted: tuple[str, ...] | None = None) -> Float64Array:
    """Largest value that each aggregate over `within` ever reached before the point, and how long ago (latest).

    The aggregate is taken one tick after each moment of activity, where its maxima lie. 0 and NaN without transfers.
    O(history) an account: its points share one walk.
    """
    both, tick = history.both, history.incoming.tick
    return _peaks(
        both.start, both.end, both.time, both.amount, both.is_in, both.other,
        history.as_of, history.by_account, history.local, history.n_others, max(within, tick) - tick, *_read_of(wanted),
    )  # fmt: skip


@cache
def _read_of(wanted: tuple[str, ...] | None) -> tuple[bool, bool]:
    """Return whether counterparties, and whether dates, are among what is asked for of peaks."""
    names = tuple(_said_of_peaks()) if wanted is None else wanted
    has_others = any(name.endswith("counterparties") for name in names)
    return has_others, any(name.startswith("since") for name in names)


@numba.njit(cache=True, nogil=True)
def _volumes(in_begin, in_end, in_before, out_begin, out_end, out_before) -> Float64Array:  # type: ignore[no-untyped-def]
    """Return the columns of `volume`, a row a point."""
    found = np.full((len(in_begin), 5), np.nan)
    for p in range(len(in_begin)):
        received = np.float64(in_before[in_end[p]] - in_before[in_begin[p]])
        paid = np.float64(out_before[out_end[p]] - out_before[out_begin[p]])
        found[p, 0], found[p, 1] = in_end[p] - in_begin[p], out_end[p] - out_begin[p]
        found[p, 2], found[p, 3] = received, paid
        if received + paid > 0:
            found[p, 4] = paid / (received + paid)
    return found


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
    start, end, time, amount, is_in, other, as_of, order, local, n_others, reach, has_others, is_dated
) -> Float64Array:
    """Walk the history of each account once, and stop at each of its points, in the order of their times.

    Without others or dates their columns are NaN. Invariant: `n_met[s, b]` is the number of transfers in the sliding
    window by counterparty b on side s; all 0 between accounts.
    """
    found = np.full((len(as_of), 14), np.nan)
    most_others = 0
    for n_of_one in n_others if has_others else n_others[:0]:
        most_others = max(most_others, n_of_one)
    n_met = np.zeros((2, most_others), np.int64)
    n_measures = 7 if has_others else 5
    now, best, best_time = np.zeros(7, np.int64), np.zeros(7, np.int64), np.zeros(7, np.int64)
    none, i, old = np.int64(0), 0, 0
    n_in, n_out, amount_in, amount_out = none, none, none, none
    for n, p in enumerate(order):
        if n == 0 or local[p] != local[order[n - 1]]:
            for j in range(old, i if has_others else old):
                n_met[is_in[j], other[j]] = 0
            n_in, n_out, amount_in, amount_out = none, none, none, none
            now[:] = 0
            best[:] = 0
            i, old = start[p], start[p]
        while i < end[p]:
            moment, into = time[i], np.int64(is_in[i])
            # by numbers instead of a branch, which the processor would guess wrong as often as not
            n_in += into
            n_out += 1 - into
            amount_in += amount[i] * into
            amount_out += amount[i] * (1 - into)
            if has_others:
                n_met[into, other[i]] += 1
                now[6 - into] += n_met[into, other[i]] == 1
            i += 1
            if i < end[p] and time[i] == moment:
                continue
            while old < i and time[old] < moment - reach:
                into = np.int64(is_in[old])
                n_in -= into
                n_out -= 1 - into
                amount_in -= amount[old] * into
                amount_out -= amount[old] * (1 - into)
                if has_others:
                    n_met[into, other[old]] -= 1
                    now[6 - into] -= n_met[into, other[old]] == 0
                old += 1
            now[0], now[1], now[2], now[3] = n_in, n_out, amount_in, amount_out
            now[4] = min(amount_in, amount_out)
            if is_dated:
                for k in range(n_measures):
                    if now[k] >= best[k] and now[k] > 0:
                        best[k], best_time[k] = now[k], moment
            else:
                for k in range(n_measures):
                    best[k] = max(best[k], now[k])
        for k in range(n_measures):
            found[p, k] = best[k]
            if is_dated and best[k] > 0:
                found[p, 7 + k] = (as_of[p] - best_time[k]) / 1e6
    return found
