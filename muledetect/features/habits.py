"""Habits of the clock: the night against an account's own past."""

from __future__ import annotations

import numba
import numpy as np

from muledetect.arrays import Float64Array, Int64Array
from muledetect.clock import HOUR
from muledetect.features._columns import Column
from muledetect.features._history import History, share
from muledetect.features._spec import FromPack, feature


@feature(
    family="clock",
    columns={
        "night_share": Column("ratio", "share of the transfers {window} between 22:00 and 6:00 local time"),
        "night_change": Column("ratio", "night share {window} less the account's night share before"),
    },
    is_calendar=True,
    utc=FromPack("utc_offset"),
    window=("30d",),
)
def night(history: History, *, utc: int, window: int) -> Float64Array:
    """Share of transfers of both sides from 22:00 to 6:00, standard local time, and its change against before.

    NaN without transfers (of either period, for the change), and where the clock is too coarse to tell: a tick of
    more than an hour. `utc` is local time in minutes east of UTC. O(history) a point.
    """
    if history.incoming.tick > HOUR:
        return np.full((len(history), 2), np.nan)
    at_night, n = np.zeros((2, len(history))), np.zeros((2, len(history)))
    for side in (history.incoming, history.outgoing):
        begin = side.begin(window)
        for k, (low, high) in enumerate(((begin, side.end), (side.start, begin))):
            at_night[k] += _count_night(low, high, side.time, utc * 60_000_000)
            n[k] += high - low
    recent, before = share(at_night[0], n[0]), share(at_night[1], n[1])
    return np.array([recent, recent - before]).T


@numba.njit(cache=True, nogil=True)
def _count_night(begin: Int64Array, end: Int64Array, time: Int64Array, shift: int) -> Float64Array:
    found = np.zeros(len(begin))
    for p in range(len(begin)):
        for j in range(begin[p], end[p]):
            hour = (time[j] + shift) % 86_400_000_000 // 3_600_000_000
            found[p] += hour >= 22 or hour < 6
    return found
