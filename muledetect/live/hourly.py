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

import numba
import numpy as np

from muledetect.arrays import AnyArray, BoolArray, Float64Array, first_at_least
from muledetect.clock import DAY, HOUR, SECOND
from muledetect.graph import Points
from muledetect.live.lists import count, count_between
from muledetect.live.state import LiveState

#: Accounts with more than so many times the transfers of a busy one, a day before, are scored once a day.
DAILY: Final = 16

#: Fibonacci hashing: 2^64 by the golden ratio. Numbers that lie close to each other are spread over all.
_SPREAD: Final = np.uint64(0x9E3779B97F4A7C15)
_HALF: Final = np.uint64(32)


@numba.njit(cache=True, nogil=True)
def moment_of(first, as_of):  # type: ignore[no-untyped-def]
    """Return the latest own moment of an account up to a moment, by the time of its first transfer; microseconds."""
    mixed = np.uint64(first % DAY) * _SPREAD >> _HALF
    offset = np.int64(mixed * np.uint64(HOUR // SECOND) >> _HALF) * SECOND
    return as_of - (as_of - offset) % HOUR


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
        moments, is_busy = _asked(*state.by_account, points.account, points.as_of, self.most)
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
        places = np.flatnonzero(is_busy).tolist()
        keys = {place: (int(points.account[place]), int(points.as_of[place])) for place in places}
        known = {place: self._kept[a][at] for place, (a, at) in keys.items() if at in self._kept.get(a, ())}
        if known:
            is_new = np.ones(len(points), np.bool_)
            is_new[[*known]] = False
            found = compute(points[is_new])
            values = np.empty((len(points), found.shape[1]))
            values[is_new] = found
            for place, row in known.items():
                values[place] = row
        else:
            values = compute(points)
        for place, key in keys.items():
            if place not in known:
                self._keep(*key, values[place].copy())
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


@numba.njit(cache=True, nogil=True)
def _asked(paid, got, time, account, as_of, most):  # type: ignore[no-untyped-def]
    """Return the moments to score accounts at, and which accounts are busy then."""
    moments, is_busy = as_of.copy(), np.zeros(len(account), np.bool_)
    for i in range(len(account)):
        a = account[i]
        if count(paid, a) + count(got, a) <= most:  # all but a few; these had no more at a moment before
            continue
        day = as_of[i] - as_of[i] % DAY - DAY
        own = moment_of(time[_first(paid, got, a)], as_of[i])
        if _n_before(paid, got, time, a, day) > DAILY * most:
            moments[i], is_busy[i] = day, True
        elif _n_before(paid, got, time, a, own) > most:
            moments[i], is_busy[i] = own, True
    return moments, is_busy


@numba.njit(cache=True, nogil=True)
def _first(paid, got, account):  # type: ignore[no-untyped-def]
    """Return the first transfer of an account that has one."""
    found = 2**31
    for start, stop, entry in (paid, got):
        if account < len(start) and stop[account] > start[account]:
            found = min(found, entry[start[account]])
    return found


@numba.njit(cache=True, nogil=True)
def _n_before(paid, got, time, account, moment):  # type: ignore[no-untyped-def]
    """Return how many transfers an account had before a moment."""
    row = first_at_least(time, 0, len(time), moment)
    return count_between(paid, account, 0, row) + count_between(got, account, 0, row)
