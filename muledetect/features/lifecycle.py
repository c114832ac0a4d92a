"""Lifecycle: how old an account is, how long it slept, and whether it behaves as it used to."""

from __future__ import annotations

import numba
import numpy as np

from muledetect.arrays import Float64Array
from muledetect.clock import DAY
from muledetect.features._columns import Column
from muledetect.features._history import History, share
from muledetect.features._spec import feature


@feature(
    family="lifecycle",
    columns={
        "since_first": Column("seconds", "time since the first transfer on record", tells_when=True),
        "since_last_in": Column("seconds", "time since the last transfer received", tells_when=True),
        "since_last_out": Column("seconds", "time since the last transfer paid", tells_when=True),
        "active_span": Column("seconds", "time between the first and the last transfer on record"),
        "in_before_out": Column("seconds", "time from the first credit to the first debit"),
    },
)
def ages(history: History) -> Float64Array:
    """Seconds since the first and last transfers before the point; NaN where there is none. O(1) a point."""
    into, out = history.incoming, history.outgoing
    return _ages(into.start, into.end, into.time, out.start, out.end, out.time, history.as_of)


@feature(
    family="lifecycle",
    columns={"account_age": Column("seconds", "age of the account", tells_when=True)},
    tables=("accounts",),
)
def account_age(history: History) -> Float64Array:
    """Seconds since the account was opened; NaN if unknown or not before the point. O(1) a point."""
    return (history.as_of - history.opened_at) / 1e6


@feature(
    family="lifecycle",
    columns={
        "sleep": Column("seconds", "silence before the first transfer {window}"),
        "wake_up": Column("ratio", "money received {window} against the 180 days before, after 90 days of silence"),
    },
    window=("7d",),
)
def dormancy(history: History, *, window: int) -> Float64Array:
    """Silence before the window's first transfer, and what woke the account up.

    `wake_up = in / (in + in of the 180 d before the window)` if the silence was at least 90 d, else 0; NaN if nothing
    happened inside the window. `sleep` is NaN without an earlier transfer. O(history) a point.
    """
    into, out = history.incoming, history.outgoing
    recent = into.total(window)
    earlier = into.total(window + 180 * DAY) - recent
    found = _sleeps(
        into.start, into.begin(window), into.end, into.time, out.start, out.begin(window), out.end, out.time
    )
    woke = np.where(found[:, 0] >= 90 * DAY / 1e6, share(recent, recent + earlier), 0.0)
    is_awake = (into.count(window) + out.count(window)) > 0
    return np.array([found[:, 0], np.where(is_awake, woke, np.nan)]).T


@feature(family="lifecycle", unit="seconds", text="longest silence between two moments with transfers")
def longest_sleep(history: History) -> Float64Array:
    """Longest time between two successive transfers of either side; NaN with fewer than two. O(history) a point."""
    into, out = history.incoming, history.outgoing
    return _sleeps(into.start, into.end, into.end, into.time, out.start, out.end, out.end, out.time)[:, 1]


@feature(
    family="lifecycle",
    columns={
        "micro_test": Column("flag", "a tiny transfer came up to 72 hours before the first large inflow"),
        "in_jump": Column("ratio", "first large inflow against all money received before it"),
    },
)
def micro_test(history: History) -> Float64Array:
    """Was the account tried with a tiny transfer, in or out, up to 72 h before its first large inflow?

    Large: at least half of the largest credit. Tiny: at most a hundredth of that first large one. `in_jump = x / (x +
    received before)`. NaN without credits. O(history) a point.
    """
    into, out = history.incoming, history.outgoing
    return _tests(into.start, into.end, into.time, into.amount, out.start, out.end, out.time, out.amount)


@feature(
    family="lifecycle",
    columns={
        "in_amount_change": Column("ratio", "mean amount received {window} against before (0.5 = as before)"),
        "out_amount_change": Column("ratio", "mean amount paid {window} against before (0.5 = as before)"),
        "in_recent_share": Column("ratio", "share of all money ever received that came {window}"),
        "out_recent_share": Column("ratio", "share of all money ever paid that left {window}"),
    },
    window=("7d",),
)
def change(history: History, *, window: int) -> Float64Array:
    """Amounts inside the window against the account's whole past before it: `x / (x + before)`. O(log n) a point."""
    changes, shares = [], []
    for side in (history.incoming, history.outgoing):
        n_all, n_recent = (side.end - side.start).astype(np.float64), side.count(window)
        ever = (side.before[side.end] - side.before[side.start]).astype(np.float64)
        recent = side.total(window)
        mean, mean_before = share(recent, n_recent), share(ever - recent, n_all - n_recent)
        changes.append(share(mean, mean + mean_before))
        shares.append(share(recent, ever))
    return np.array(changes + shares).T


@numba.njit(cache=True, nogil=True)
def _ages(in_start, in_end, in_time, out_start, out_end, out_time, as_of) -> Float64Array:  # type: ignore[no-untyped-def]
    """Return the columns of `ages`, a row a point."""
    found = np.full((len(as_of), 5), np.nan)
    for p in range(len(as_of)):
        now, first, last = np.float64(as_of[p]), np.inf, -np.inf
        has_in, has_out = in_end[p] > in_start[p], out_end[p] > out_start[p]
        if has_in:
            first, last = np.float64(in_time[in_start[p]]), np.float64(in_time[in_end[p] - 1])
            found[p, 1] = (now - last) / 1e6
        if has_out:
            first_out, last_out = np.float64(out_time[out_start[p]]), np.float64(out_time[out_end[p] - 1])
            found[p, 2] = (now - last_out) / 1e6
            if has_in:
                found[p, 4] = (first_out - first) / 1e6
            first, last = min(first, first_out), max(last, last_out)
        if has_in or has_out:
            found[p, 0], found[p, 3] = (now - first) / 1e6, (last - first) / 1e6
    return found


@numba.njit(cache=True, nogil=True)
def _sleeps(  # type: ignore[no-untyped-def]
    in_start, in_begin, in_end, in_time, out_start, out_begin, out_end, out_time
) -> Float64Array:
    found = np.full((len(in_start), 2), np.nan)
    for p in range(len(in_start)):
        i, o = in_start[p], out_start[p]
        last = np.int64(-1)
        has_last, is_inside = False, False
        longest = np.int64(-1)
        while i < in_end[p] or o < out_end[p]:
            if o >= out_end[p] or (i < in_end[p] and in_time[i] <= out_time[o]):
                moment = in_time[i]
                inside_now = i >= in_begin[p]
                i += 1
            else:
                moment = out_time[o]
                inside_now = o >= out_begin[p]
                o += 1
            if has_last:
                longest = max(longest, moment - last)
                if inside_now and not is_inside:
                    found[p, 0] = (moment - last) / 1e6
            is_inside = is_inside or inside_now
            last = moment
            has_last = True
        if longest >= 0:
            found[p, 1] = longest / 1e6
    return found


@numba.njit(cache=True, nogil=True)
def _tests(  # type: ignore[no-untyped-def]
    in_start, in_end, in_time, in_amount, out_start, out_end, out_time, out_amount
) -> Float64Array:
    reach = 72 * 3_600_000_000
    found = np.full((len(in_start), 2), np.nan)
    for p in range(len(in_start)):
        largest = np.int64(0)
        for j in range(in_start[p], in_end[p]):
            largest = max(largest, in_amount[j])
        if largest == 0:
            continue
        first = in_start[p]
        while in_amount[first] < largest - largest // 2:
            first += 1
        # of several large credits of one moment the largest stands for all
        moment, size, received = in_time[first], np.int64(0), np.int64(0)
        for j in range(in_start[p], in_end[p]):
            if in_time[j] == moment:
                size = max(size, in_amount[j])
            elif in_time[j] < moment:
                received += in_amount[j]
            else:
                break
        is_tested = _has_tiny(in_start[p], in_end[p], in_time, in_amount, moment, reach, size // 100) or _has_tiny(
            out_start[p], out_end[p], out_time, out_amount, moment, reach, size // 100
        )
        found[p, 0] = 1.0 if is_tested else 0.0
        found[p, 1] = size / (size + received)
    return found


@numba.njit(cache=True, nogil=True)
def _has_tiny(start, end, time, amount, moment, reach, tiny) -> bool:  # type: ignore[no-untyped-def]
    for j in range(start, end):
        if time[j] >= moment:
            return False
        if time[j] >= moment - reach and amount[j] <= tiny:
            return True
    return False
