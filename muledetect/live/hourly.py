"""Columns of busy accounts: those of a moment stand for an hour, and each account has its own moment in the hour.

To compute them takes all transfers of the account. If every account had the full hour, all busy ones would be computed
in the seconds after it. The moment follows from when, in its day, the first transfer of the account that the state
holds was made; so it is the same after a restart, whatever the account's name, and in micro-batches of any size.

The largest accounts, such as that of the bank itself, would hold up all payments for a second each hour: those with
`DAILY` times as many transfers have the score of the begin of the day before (UTC).

The look-back is that of the day of the payment, also where the moment lies in the day before. So what the first
payments of a day ask for can be computed before the day begins, see `due`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

import numpy as np

from muledetect.arrays import AnyArray, BoolArray, Float64Array, Int64Array
from muledetect.clock import DAY, HOUR, SECOND
from muledetect.graph import Points
from muledetect.live.state import LiveState

#: Accounts with more than so many times the transfers of a busy one, a day before, are scored once a day.
DAILY: Final = 16

#: Fibonacci hashing: 2^64 by the golden ratio. Numbers that lie close to each other are spread over all.
_SPREAD: Final = np.uint64(0x9E3779B97F4A7C15)
_HALF: Final = np.uint64(32)


def moments_of(first: Int64Array, as_of: Int64Array) -> Int64Array:
    """Return the latest own moment of accounts up to some moments, int64[n].

    Parameters
    ----------
    first : int64[n]
        Time of the account's first transfer, microseconds.
    as_of : int64[n]
    """
    mixed = (first % DAY).astype(np.uint64) * _SPREAD >> _HALF
    offset = (mixed * np.uint64(HOUR // SECOND) >> _HALF).astype(np.int64) * SECOND
    found: Int64Array = as_of - (as_of - offset) % HOUR
    return found


class Hourly:
    """Says which points are those of busy accounts, and keeps their columns.

    Parameters
    ----------
    most : int or None
        An account with more transfers is busy; None: none is.
    """

    def __init__(self, most: int | None) -> None:
        self.most = most
        self._names: Sequence[str] = ()
        self._kept: dict[int, dict[int, Float64Array]] = {}  # by account, then by moment

    def asked(self, state: LiveState, points: Points) -> tuple[Points, BoolArray]:
        """Return the points to score, those of busy accounts at their own moment, and which these are."""
        if self.most is None:
            return points, np.zeros(len(points), np.bool_)
        is_busy = state.counts(points.account) > self.most
        rows = np.flatnonzero(is_busy)  # few, and only these can have as many at a moment before
        if not len(rows):
            return points, is_busy
        account, as_of = points.account[rows], points.as_of[rows]
        moment, day = moments_of(state.first_times(account), as_of), as_of - as_of % DAY - DAY
        is_huge = state.n_before(account, day) > DAILY * self.most
        is_busy[rows] = is_huge | (state.n_before(account, moment) > self.most)
        moments = points.as_of.copy()
        moments[rows] = np.where(is_huge, day, np.where(is_busy[rows], moment, as_of))
        return Points(points.account, moments), is_busy

    def columns(self, points: Points, is_busy: BoolArray, compute: Callable[[Points], Float64Array]) -> Float64Array:
        """Return the columns at distinct points; those of busy accounts are computed once.

        Parameters
        ----------
        points : Points
        is_busy : bool[n_points]
        compute : callable
            Returns the columns at points, float64[n_points, n_columns].
        """
        keys = list(zip(points.account.tolist(), points.as_of.tolist(), strict=True))
        places = np.flatnonzero(is_busy).tolist()
        is_known = np.zeros(len(points), np.bool_)
        is_known[places] = [keys[place][1] in self._kept.get(keys[place][0], ()) for place in places]
        if not is_known.any():
            values = compute(points)
        else:
            found = compute(points[~is_known])
            values = np.empty((len(points), found.shape[1]))
            values[~is_known] = found
        for place in np.flatnonzero(is_known).tolist():
            values[place] = self._kept[keys[place][0]][keys[place][1]]
        for place in places:
            if not is_known[place]:
                self._keep(*keys[place], values[place].copy())
        return values

    def due(self, state: LiveState, as_of: int, until: int) -> Points:
        """Return at which points payments at a moment ask for busy accounts, those up to another that are not kept.

        O(accounts).
        """
        accounts = np.empty(0, np.int32) if self.most is None else state.busy_accounts(self.most)
        points, is_busy = self.asked(state, Points(accounts, np.full(len(accounts), as_of)))
        points = points[is_busy & (points.as_of <= until)]
        at = zip(points.account.tolist(), points.as_of.tolist(), strict=True)
        return points[np.array([moment not in self._kept.get(account, ()) for account, moment in at], np.bool_)]

    def answer(self, names: Sequence[str]) -> None:
        """Keep the columns of these names from now on; what is kept of others is forgotten."""
        if self._names != names:
            self._names, self._kept = names, {}

    def _keep(self, account: int, moment: int, row: Float64Array) -> None:
        kept = self._kept.get(account, {})  # what is over is hardly asked for again
        self._kept[account] = {moment: row} | {at: one for at, one in kept.items() if at >= moment - HOUR}

    def forget(self, accounts: AnyArray, since: AnyArray) -> None:
        """Forget the columns of some accounts at moments after some others, for they change."""
        for account, moment in zip(accounts.tolist(), since.tolist(), strict=True):
            if account in self._kept:
                self._kept[account] = {at: row for at, row in self._kept[account].items() if at <= moment}
