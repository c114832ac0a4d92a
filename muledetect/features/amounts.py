"""Amounts: similar, repeated, round, and just under the figures that draw attention."""

from __future__ import annotations

import numba
import numpy as np

from muledetect.arrays import Float64Array, Int64Array
from muledetect.features._columns import Column
from muledetect.features._history import History, Side, share
from muledetect.features._spec import FromPack, feature


@feature(
    family="amount",
    columns={
        "in_similar": Column("count", "credits {window} within 10% of each other", only=("7d",)),
        "in_similar_share": Column("ratio", "share of the credits {window} within 10% of each other"),
        "in_repeated_share": Column("ratio", "share of the credits {window} whose exact amount came more than once"),
        "out_similar": Column("count", "debits {window} within 10% of each other", only=("7d",)),
        "out_similar_share": Column("ratio", "share of the debits {window} within 10% of each other"),
        "out_repeated_share": Column("ratio", "share of the debits {window} whose exact amount left more than once"),
    },
    window=("30d",),
)
def similar(history: History, *, window: int) -> Float64Array:
    """Largest set of amounts of one side whose maximum is at most 1.1 times its minimum, and exact repeats.

    0 and NaN without transfers. O(k log k) for k transfers in the window.
    """
    into, out = history.incoming, history.outgoing
    columns = []
    for side in (into, out):
        found = _similar(side.begin(window), side.end, side.amount)
        n = side.count(window)
        columns += [found[:, 0], share(found[:, 0], n), share(found[:, 1], n)]
    return np.array(columns).T


@feature(
    family="amount",
    columns={
        "in_round_share": Column("ratio", "share of the credits {window} with a round amount"),
        "out_round_share": Column("ratio", "share of the debits {window} with a round amount"),
    },
    is_decimal=True,
    window=("all",),
)
def round_amounts(history: History, *, window: int) -> Float64Array:
    """Share of the amounts with at most two significant digits (minor units). NaN without transfers."""
    counts = [_count_round(side.begin(window), side.end, side.amount) for side in _sides(history)]
    return np.array([share(n, side.count(window)) for n, side in zip(counts, _sides(history), strict=True)]).T


@feature(
    family="amount",
    columns={
        "in_below": Column("ratio", "share of the credits {window} just under {threshold}"),
        "out_below": Column("ratio", "share of the debits {window} just under {threshold}"),
        "below_count": Column("count", "transfers {window} just under {threshold}"),
    },
    threshold=FromPack("thresholds"),
    window=("90d",),
)
def structuring(history: History, *, threshold: int, window: int) -> Float64Array:
    """Transfers of at least nine tenths of the threshold and less than it. O(transfers in the window)."""
    counts = [_count_below(side.begin(window), side.end, side.amount, threshold) for side in _sides(history)]
    shares = [share(n, side.count(window)) for n, side in zip(counts, _sides(history), strict=True)]
    return np.array([*shares, counts[0] + counts[1]]).T


@feature(
    family="amount",
    unit="ratio",
    text="share of the days with debits {window} that stopped just under the limit of {limit}",
    is_calendar=True,
    limit=FromPack("limits"),
    utc=FromPack("utc_offset"),
    window=("90d",),
)
def limit_hugging(history: History, *, limit: int, utc: int, window: int) -> Float64Array:
    """Share of the local days with debits whose total is nine tenths of the limit up to the limit; NaN without any.

    `utc` is local time in minutes east of UTC. O(transfers in the window).
    """
    out = history.outgoing
    limits = np.full(len(history), float(limit))
    return _limit_days(out.begin(window), out.end, out.time, out.amount, limits, utc * 60_000_000)


@feature(
    family="amount",
    unit="ratio",
    text="share of the days with debits {window} that stopped just under the account's own daily limit",
    tables=("accounts",),
    is_calendar=True,
    utc=FromPack("utc_offset"),
    window=("90d",),
)
def own_limit_hugging(history: History, *, utc: int, window: int) -> Float64Array:
    """As `limit_hugging`, with the daily limit of the accounts table; NaN where that is unknown."""
    out = history.outgoing
    return _limit_days(out.begin(window), out.end, out.time, out.amount, history.daily_limit, utc * 60_000_000)


def _sides(history: History) -> tuple[Side, Side]:
    return history.incoming, history.outgoing


@numba.njit(cache=True, nogil=True)
def _similar(begin: Int64Array, end: Int64Array, amount: Int64Array) -> Float64Array:
    found = np.zeros((len(begin), 2))
    for p in range(len(begin)):
        ascending = np.sort(amount[begin[p] : end[p]])
        low, most, n_repeated = 0, 0, 0
        for j in range(len(ascending)):
            # low is the first amount that ascending[j] exceeds by at most a tenth
            while ascending[low] * 11 < ascending[j] * 10:
                low += 1
            most = max(most, j - low + 1)
            n_repeated += (j > 0 and ascending[j - 1] == ascending[j]) or (
                j + 1 < len(ascending) and ascending[j + 1] == ascending[j]
            )
        found[p, 0] = most
        found[p, 1] = n_repeated
    return found


@numba.njit(cache=True, nogil=True)
def _count_round(begin: Int64Array, end: Int64Array, amount: Int64Array) -> Float64Array:
    found = np.zeros(len(begin))
    for p in range(len(begin)):
        for j in range(begin[p], end[p]):
            rest = amount[j]
            while rest >= 100 and rest % 10 == 0:
                rest //= 10
            found[p] += rest < 100
    return found


@numba.njit(cache=True, nogil=True)
def _count_below(begin: Int64Array, end: Int64Array, amount: Int64Array, threshold: int) -> Float64Array:
    found = np.zeros(len(begin))
    for p in range(len(begin)):
        for j in range(begin[p], end[p]):
            found[p] += amount[j] * 10 >= threshold * 9 and amount[j] < threshold
    return found


@numba.njit(cache=True, nogil=True)
def _limit_days(begin, end, time, amount, limit, shift) -> Float64Array:  # type: ignore[no-untyped-def]
    day = 86_400_000_000
    found = np.full(len(begin), np.nan)
    for p in range(len(begin)):
        if begin[p] == end[p] or np.isnan(limit[p]):
            continue
        n_days, n_hugging = 0, 0
        j = begin[p]
        while j < end[p]:
            today = (time[j] + shift) // day
            total = 0
            while j < end[p] and (time[j] + shift) // day == today:
                total += amount[j]
                j += 1
            n_days += 1
            n_hugging += total * 10 >= limit[p] * 9 and total <= limit[p]
        found[p] = n_hugging / n_days
    return found
