"""What accounts had done before the look-backs of signals, kept so that a payment need not read all their transfers."""

from __future__ import annotations

import itertools
from concurrent.futures import ThreadPoolExecutor

import numba
import numpy as np

from muledetect.arrays import AnyArray, Int64Array, first_at_least
from muledetect.features.signals import count_on
from muledetect.live.lists import Lists


class Openings:
    """Numbers of each account that grow with its transfers, up to a row; see `features.signals.Opening`."""

    def __init__(self) -> None:
        self._row = np.zeros(0, np.int64)
        self._held = np.zeros((0, 4), np.int64)
        self._highest = 0

    @property
    def nbytes(self) -> int:
        """Bytes in use."""
        return self._row.nbytes + self._held.nbytes

    def fill(
        self, n_accounts: int, row: int, paid: Lists, got: Lists, transfers: tuple[AnyArray, ...], *,
        is_simultaneous: bool, threads: int,
    ) -> None:  # fmt: skip
        """Count what all accounts had done before a row, so that the first question about one need not. O(transfers).

        Parameters
        ----------
        n_accounts : int
        row, paid, got, transfers, is_simultaneous
            As for `at`.
        threads : int
        """
        self._highest = max(self._highest, row)
        self._make_room(n_accounts)
        bounds = [n_accounts * part // threads for part in range(threads + 1)]
        rest = row, paid.listed, got.listed, *transfers, is_simultaneous, self._row, self._held
        with ThreadPoolExecutor(threads) as pool:
            for done in [pool.submit(_fill, low, high, *rest) for low, high in itertools.pairwise(bounds)]:
                done.result()

    def at(
        self, accounts: AnyArray, row: int, paid: Lists, got: Lists, transfers: tuple[AnyArray, ...], *,
        is_simultaneous: bool, place: AnyArray, n_places: int,
    ) -> Int64Array:  # fmt: skip
        """Return what accounts had done in the transfers before a row, int64[4, n_places].

        Parameters
        ----------
        accounts : int array [n]
            Codes of payers, ascending.
        row : int
            First of its tick.
        paid, got : Lists
            Transfers by payer and by payee.
        transfers : tuple of arrays
            Time, source, target and amount of all transfers, in order of time.
        is_simultaneous : bool
            Transfers of one tick may follow each other.
        place : int array
            By account: where it stands in the result; the other places are 0.
        n_places : int

        Notes
        -----
        O(transfers of the accounts since the row of the question before), or since the first where that lies behind.
        """
        self._highest = max(self._highest, row)
        self._make_room(int(accounts[-1]) + 1 if len(accounts) else 0)
        found: Int64Array = _at(  # type: ignore[call-arg]
            accounts, row, paid.listed, got.listed, *transfers, is_simultaneous, self._row, self._held, place, n_places
        )
        return found

    def _make_room(self, n: int) -> None:
        if n > len(self._row):
            more = n * 3 // 2 + 4_096 - len(self._row)
            self._row = np.concatenate([self._row, np.zeros(more, np.int64)])
            self._held = np.concatenate([self._held, np.zeros((more, 4), np.int64)])

    def forget(self, row: int) -> None:
        """Forget what rests on transfers from a row on, for they change."""
        if row < self._highest:
            is_over = self._row > row
            self._row[is_over], self._held[is_over], self._highest = 0, 0, row


@numba.njit(cache=True, nogil=True)
def _at(  # type: ignore[no-untyped-def]
    accounts, row, paid, got, time, source, target, amount, is_simultaneous, known_row, known, place, n_places
):
    found, held = np.zeros((4, n_places), np.int64), np.zeros(4, np.int64)
    for a in accounts:
        _count_to(a, row, paid, got, time, source, target, amount, is_simultaneous, known_row, known, held)
        found[:, place[a]] = held
    return found


@numba.njit(cache=True, nogil=True)
def _fill(  # type: ignore[no-untyped-def]
    low, high, row, paid, got, time, source, target, amount, is_simultaneous, known_row, known
) -> None:
    held = np.zeros(4, np.int64)
    for a in range(low, high):
        _count_to(a, row, paid, got, time, source, target, amount, is_simultaneous, known_row, known, held)


@numba.njit(cache=True, nogil=True)
def _count_to(  # type: ignore[no-untyped-def]
    a, row, paid, got, time, source, target, amount, is_simultaneous, known_row, known, held
) -> None:
    """Write what an account had done before a row into `held`, and keep it where it leads further than what is kept."""
    since = known_row[a] if known_row[a] <= row else 0
    held[:] = 0
    if since > 0:
        held[:] = known[a]
    e, e_stop = _between(paid, a, since, row)
    f, f_stop = _between(got, a, since, row)
    count_on(paid[2], e, e_stop, got[2], f, f_stop, time, source, target, amount, is_simultaneous, held)
    if known_row[a] <= row:
        known_row[a], known[a, :] = row, held


@numba.njit(cache=True, nogil=True)
def _between(lists, key, low, high):  # type: ignore[no-untyped-def]
    """Return the places of the rows `low` to `high` of a key."""
    start, stop, entry = lists
    if key >= len(start):
        return 0, 0
    return first_at_least(entry, start[key], stop[key], low), first_at_least(entry, start[key], stop[key], high)
