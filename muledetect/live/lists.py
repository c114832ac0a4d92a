"""Rows by key in lists that grow: which transfers an account paid, which sessions it had.

>>> lists = Lists(np.array([0, 1, 0]), 2)
>>> lists.add(np.array([1, 0, 2]), np.array([3, 4, 5]))
>>> lists.of(np.array([0, 2])).tolist()
[0, 2, 4, 5]
"""

from __future__ import annotations

from typing import Final, NamedTuple

import numba
import numpy as np

from muledetect.arrays import AnyArray, Int32Array, Int64Array, first_at_least
from muledetect.facts.columns import group

#: A list that is full moves behind all others, to a place of twice its length; places of moved lists are used again
#: only when all lists are laid out anew, when more than half of the places are empty. That takes tenths of a second in
#: a large bank, so there is room until each list has moved once: it takes no memory before.
_FIRST: Final = 4


#: What kernels get of lists: `start`, `stop` and `entry`; `entry[start[k]:stop[k]]` are the rows of key `k`. No named
#: tuple: numba takes three times as long for one, at each call.
Listed = tuple[Int64Array, Int64Array, Int32Array]


class Moves(NamedTuple):
    """What tells which transfers move money: the ends of each, and by account those from it to itself.

    Attributes
    ----------
    source, target : int array [n_transfers]
    to_self : Listed
    by_account : bool
        The keys that are asked about are accounts: one without such transfers needs no look at any.
    """

    source: AnyArray
    target: AnyArray
    to_self: Listed
    by_account: bool


#: Lists without a key.
NO_LISTS: Final[Listed] = np.empty(0, np.int64), np.empty(0, np.int64), np.empty(0, np.int32)


class Lists:
    """Ascending rows by key: `entry[start[k]:stop[k]]` for key `k`, and room up to `end[k]`.

    Parameters
    ----------
    key : int array [n]
        Key of each row 0, 1, ...; -1 for none.
    n_keys : int

    Attributes
    ----------
    listed : Listed
        What kernels get: views, which another takes the place of when there are new keys, or no room.
    """

    def __init__(self, key: AnyArray, n_keys: int) -> None:
        start, place = group(key.astype(np.int32, copy=False), n_keys)
        self._n_keys = n_keys
        self._start, self._stop, self._end = (_with_room(a) for a in (start[:-1], start[1:], start[1:]))
        self._entry = _with_room(place.astype(np.int32), 2 * len(place))  # until each list has moved once
        self._used = len(place)
        self.listed = self._shown()

    def _shown(self) -> Listed:
        return self._start[: self._n_keys], self._stop[: self._n_keys], self._entry

    @property
    def nbytes(self) -> int:
        """Bytes in use."""
        return 24 * self._n_keys + self.nbytes_of_rows

    @property
    def nbytes_of_rows(self) -> int:
        """Bytes of the rows, without the keys."""
        return 4 * self._used

    def add(self, key: AnyArray, row: AnyArray) -> None:
        """Put rows at the end of the lists of their keys; a key that is new has an empty list; -1 is passed over."""
        done = 0
        while done < len(key):
            done, self._used = _add(
                self._start, self._stop, self._end, self._n_keys, self._entry, self._used, key, row, done
            )
            if done < len(key) and key[done] >= self._n_keys:
                self._grow_keys(int(key[done:].max()) + 1)
            elif done < len(key):
                self._lay_out()

    def remove_last(self, key: AnyArray) -> None:
        """Take the last row of each key's list away; a key that stands there twice loses two."""
        np.subtract.at(self._stop, key[key >= 0], 1)

    def of(self, keys: AnyArray, since: int = 0, most: int = 2**31 - 1) -> Int64Array:
        """Return the rows of some keys, key after key: those from row `since` on, and at most the last `most` of each.

        Rows are in order of time, so a bound of rows is a bound of time. Keys without a list have no rows.
        """
        found: Int64Array = gather(self.listed, keys, since, most)
        return found

    def last(self, keys: AnyArray) -> Int64Array:
        """Return the last row of some keys, -1 where there is none."""
        found: Int64Array = _last(self.listed, keys)
        return found

    def counts(self, keys: AnyArray) -> Int64Array:
        """Return how many rows the lists of some keys hold."""
        found: Int64Array = _counts(self.listed, keys)
        return found

    def _grow_keys(self, n_keys: int) -> None:
        if n_keys <= self._n_keys:
            return
        if n_keys > len(self._start):
            self._start, self._stop, self._end = (
                _with_room(a[: self._n_keys], n_keys) for a in (self._start, self._stop, self._end)
            )
        for array in (self._start, self._stop, self._end):
            array[self._n_keys : n_keys] = 0
        self._n_keys = n_keys
        self.listed = self._shown()

    def _lay_out(self) -> None:
        """Make room: lists side by side where half of the places are empty, else a longer array. O(rows)."""
        start, stop, _ = self.listed
        n_rows = int((stop - start).sum())  # also those of an `add` that is not done yet
        if 2 * n_rows < self._used:
            packed = _with_room(np.empty(n_rows, np.int32), 2 * n_rows)
            self._used = _pack(self._start, self._stop, self._end, self._n_keys, self._entry, packed)
            self._entry = packed
        else:
            bigger = _with_room(np.empty(2 * self._used, np.int32))
            bigger[: self._used] = self._entry[: self._used]
            self._entry = bigger
        self.listed = self._shown()


def _with_room(values: AnyArray, least: int = 0) -> AnyArray:
    """Return a copy with room behind it; memory that is never written takes none."""
    bigger = np.empty(max(least, len(values)) * 3 // 2 + 4_096, values.dtype)
    bigger[: len(values)] = values
    return bigger


@numba.njit(cache=True, nogil=True)
def count(lists, key):  # type: ignore[no-untyped-def]
    """Return how many rows the list of a key holds."""
    start, stop, _ = lists
    return stop[key] - start[key] if 0 <= key < len(start) else 0


@numba.njit(cache=True, nogil=True)
def _counts(lists, keys):  # type: ignore[no-untyped-def]
    found = np.zeros(len(keys), np.int64)
    for i in range(len(keys)):
        found[i] = count(lists, keys[i])
    return found


@numba.njit(cache=True, nogil=True)
def last(lists, key):  # type: ignore[no-untyped-def]
    """Return the last row of a key, -1 where there is none."""
    start, stop, entry = lists
    return entry[stop[key] - 1] if 0 <= key < len(start) and stop[key] > start[key] else -1


@numba.njit(cache=True, nogil=True)
def _last(lists, keys):  # type: ignore[no-untyped-def]
    found = np.empty(len(keys), np.int64)
    for i in range(len(keys)):
        found[i] = last(lists, keys[i])
    return found


@numba.njit(cache=True, nogil=True)
def _add(start, stop, end, n_keys, entry, used, key, row, done):  # type: ignore[no-untyped-def]
    """Add rows from number `done` on; return how many are done: not all at a new key, or where `entry` is full."""
    for i in range(done, len(key)):
        k = key[i]
        if k < 0:
            continue
        if k >= n_keys:
            return i, used
        if stop[k] == end[k]:
            n = stop[k] - start[k]
            room = max(_FIRST, 2 * n)
            if used + room > len(entry):
                return i, used
            for j in range(n):
                entry[used + j] = entry[start[k] + j]
            start[k], stop[k], end[k] = used, used + n, used + room
            used += room
        entry[stop[k]] = row[i]
        stop[k] += 1
    return len(key), used


@numba.njit(cache=True, nogil=True)
def _pack(start, stop, end, n_keys, entry, packed):  # type: ignore[no-untyped-def]
    used = 0
    for k in range(n_keys):
        n = stop[k] - start[k]
        for j in range(n):
            packed[used + j] = entry[start[k] + j]
        start[k], stop[k], end[k] = used, used + n, used + n
        used += n
    return used


@numba.njit(cache=True, nogil=True)
def gather(lists, keys, since, most):  # type: ignore[no-untyped-def]
    """Return what `Lists.of` returns."""
    start, stop, entry = lists
    n = 0
    first = np.empty(len(keys), np.int64)
    for i in range(len(keys)):
        k = keys[i]
        if k < 0 or k >= len(start):
            first[i] = -1
            continue
        first[i] = first_at_least(entry, max(start[k], stop[k] - most), stop[k], since)
        n += stop[k] - first[i]
    found = np.empty(n, np.int64)
    n = 0
    for i in range(len(keys)):
        if first[i] >= 0:
            for j in range(first[i], stop[keys[i]]):
                found[n] = entry[j]
                n += 1
    return found


@numba.njit(cache=True, nogil=True)
def count_since(lists, keys, since):  # type: ignore[no-untyped-def]
    """Return how many rows from row `since` on the lists of some keys hold."""
    start, stop, entry = lists
    n = 0
    for k in keys:
        if 0 <= k < len(start):
            n += stop[k] - first_at_least(entry, start[k], stop[k], since)
    return n


@numba.njit(cache=True, nogil=True)
def count_between(lists, key, low, high):  # type: ignore[no-untyped-def]
    """Return how many rows from row `low` to before row `high` the list of a key holds. O(log)."""
    start, stop, entry = lists
    if key < 0 or key >= len(start):
        return 0
    begin = first_at_least(entry, start[key], stop[key], low)
    return first_at_least(entry, begin, stop[key], high) - begin


@numba.njit(cache=True, nogil=True)
def exceed(lists, keys, since, low, most, moves):  # type: ignore[no-untyped-def]
    """Return of which keys more than `most` transfers that move money lie in rows `since` to `low`. O(most) a key."""
    start, stop, entry = lists
    found = np.zeros(len(keys), np.bool_)
    for i in range(len(keys)):
        k = keys[i]
        if k < 0 or k >= len(start):
            continue
        behind = first_at_least(entry, start[k], stop[k], low)
        place = _back(entry, start[k], behind, since, most + 1, k, moves)
        n = behind - place
        if _may_stay(k, moves):
            n = 0
            for at in range(place, behind):
                n += moves.source[entry[at]] != moves.target[entry[at]]
        found[i] = n > most
    return found


@numba.njit(cache=True, nogil=True)
def _may_stay(key, moves):  # type: ignore[no-untyped-def]
    """Return whether transfers of a key may be from an account to itself."""
    start, stop, _ = moves.to_self
    return not moves.by_account or (key < len(start) and stop[key] > start[key])


@numba.njit(cache=True, nogil=True)
def _back(entry, start, behind, since, most, key, moves):  # type: ignore[no-untyped-def]
    """Return the first of the last `most` transfers that move money in `entry[start:behind]`, none before a row."""
    if not _may_stay(key, moves):
        return max(first_at_least(entry, start, behind, since), behind - most)
    place, n = behind, 0
    while place > start and entry[place - 1] >= since and n < most:
        place -= 1
        n += moves.source[entry[place]] != moves.target[entry[place]]
    return place


@numba.njit(cache=True, nogil=True)
def latest(lists, keys, since, low, most, moves):  # type: ignore[no-untyped-def]
    """Return the rows of some keys from row `low` on, and the last before that hold `most` transfers or all since.

    Rows are transfers; those from an account to itself move nothing, and are not counted. None before `since` is
    returned.
    """
    first = np.full(len(keys), low, np.int64)
    return _latest(lists, keys, first, np.full(len(keys), 2**31 - 1, np.int64), since, most, moves)


@numba.njit(cache=True, nogil=True)
def before_each(lists, keys, row, since, most, time, moves):  # type: ignore[no-untyped-def]
    """Return for each key and row what `latest` returns just before the time of the row, and the rows of that time."""
    first, behind = row.copy(), row + 1
    for i in range(len(row)):
        r = row[i]
        if r > 0 and time[r - 1] == time[r]:
            first[i] = first_at_least(time, 0, r, time[r])
        if r + 1 < len(time) and time[r + 1] == time[r]:
            behind[i] = first_at_least(time, r + 1, len(time), time[r] + 1)
    return _latest(lists, keys, first, behind, since, most, moves)


@numba.njit(cache=True, nogil=True)
def _latest(lists, keys, low, high, since, most, moves):  # type: ignore[no-untyped-def]
    """Return the rows of keys in `low` to `high`, and those before `low` that hold `most` transfers that move money."""
    start, stop, entry = lists
    begin, end, n_all = np.zeros(len(keys), np.int64), np.zeros(len(keys), np.int64), 0
    for i in range(len(keys)):
        k = keys[i]
        if k < 0 or k >= len(start):
            continue
        end[i] = first_at_least(entry, start[k], stop[k], low[i])
        begin[i] = _back(entry, start[k], end[i], since, most, k, moves)
        while end[i] < stop[k] and entry[end[i]] < high[i]:
            end[i] += 1
        n_all += end[i] - begin[i]
    found = np.empty(n_all, np.int64)
    n_all = 0
    for i in range(len(keys)):
        for place in range(begin[i], end[i]):
            found[n_all] = entry[place]
            n_all += 1
    return found
