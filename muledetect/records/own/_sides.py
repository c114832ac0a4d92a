"""The two rows that one transfer has in the statements of both its accounts, found and made one."""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
from numba import njit

Int64Array: TypeAlias = npt.NDArray[np.int64]
UInt64Array: TypeAlias = npt.NDArray[np.uint64]
BoolArray: TypeAlias = npt.NDArray[np.bool_]


@njit(cache=True, nogil=True)
def _match(order: Any, is_new: Any, time: Any, is_out: Any, within: Any, partner: Any) -> None:
    # Groups are sorted by time. `debit` and `credit` walk over the rows of either side; all before them are settled,
    # and the earlier of the two that is too far from the other can have no partner further on.
    n = order.size
    start = 0
    while start < n:
        end = start + 1
        while end < n and not is_new[end]:
            end += 1
        debit = credit = start
        while True:
            while debit < end and not is_out[order[debit]]:
                debit += 1
            while credit < end and is_out[order[credit]]:
                credit += 1
            if debit >= end or credit >= end:
                break
            left, came = order[debit], order[credit]
            apart = time[came] - time[left]
            if abs(apart) <= within:
                partner[left] = came
                partner[came] = left
                debit += 1
                credit += 1
            elif apart > 0:
                debit += 1
            else:
                credit += 1
        start = end


def match_sides(keys: tuple[npt.NDArray[Any], ...], time: Int64Array, is_out: BoolArray, within: int) -> Int64Array:
    """Return the row that tells the other side of each row, -1 where there is none.

    Parameters
    ----------
    keys : tuple of arrays
        What both rows of a transfer have in common: hashes of source and target, the amount, or an id.
    time : int64 array
        Microseconds.
    is_out : bool array
        Whether the row stands in the statement of the account that paid.
    within : int
        How far the times of both rows may lie apart, microseconds.

    Notes
    -----
    In each group of equal keys the earliest debit takes the earliest credit near enough; no other choice makes more
    pairs. O(n log n), 17 bytes a row beside the keys.
    """
    order = np.lexsort((time, *keys))
    is_new = np.zeros(len(order), np.bool_)
    for key in keys:
        placed = key[order]
        is_new[1:] |= placed[1:] != placed[:-1]
    partner = np.full(len(order), -1, np.int64)
    _match(order, is_new, time, is_out, np.int64(within), partner)
    return partner
