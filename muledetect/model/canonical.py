"""An order of rows, and folds of groups, that depend on the content of the rows and on nothing else.

Two rows of equal content may change places without a difference, so a model trained in this order does not depend
on the order in which its rows came nor on the names of accounts.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

UInt64Array = npt.NDArray[np.uint64]

# Constants of splitmix64 (Steele, Lea and Flood 2014).
_GOLDEN = np.uint64(0x9E3779B97F4A7C15)
_MIX_1 = np.uint64(0xBF58476D1CE4E5B9)
_MIX_2 = np.uint64(0x94D049BB133111EB)


def row_hashes(values: npt.NDArray[np.float32], *columns: npt.NDArray[Any] | None) -> UInt64Array:
    """Return a 64-bit hash of the content of each row, uint64[n_rows]; all NaN are alike and so are both zeros.

    `columns` are further float or int columns of the same rows. O(rows * columns), one column at a time.
    """
    hashes = np.zeros(len(values), dtype=np.uint64)
    for column in [*values.T, *(column for column in columns if column is not None)]:
        hashes = _mix(hashes + _GOLDEN ^ _bits(column))
    return hashes


def group_folds(
    group: npt.NDArray[np.int64], hashes: UInt64Array, is_positive: npt.NDArray[np.bool_], n_folds: int
) -> npt.NDArray[np.int64]:
    """Return a fold for each row, int64[n_rows], such that no group is split and positives are spread evenly.

    Groups are dealt out back and forth, those with most positives first, then the largest; ties are broken by the
    content of their rows. `group` counts from 0. O(rows + groups log groups).
    """
    n_groups = int(group.max(initial=-1)) + 1
    n_rows = np.bincount(group, minlength=n_groups)
    n_positive = np.bincount(group, weights=is_positive, minlength=n_groups)
    content = _content_of(group, hashes)
    dealt = np.lexsort((content, -n_rows, -n_positive))
    there_and_back = np.concatenate([np.arange(n_folds), np.arange(n_folds)[::-1]])
    fold = np.empty(n_groups, dtype=np.int64)
    fold[dealt] = there_and_back[np.arange(n_groups) % (2 * n_folds)]
    return fold[group]


def join_alike(group: npt.NDArray[np.int64], hashes: UInt64Array) -> npt.NDArray[np.int64]:
    """Return a group for each row, int64[n_rows], in which groups whose rows have equal content are one.

    Only names tell such groups apart. Where their folds matter to other rows, they must be in one fold. `group` counts
    from 0 without a gap, and so do the groups returned. O(rows + groups log groups).
    """
    return np.unique(_content_of(group, hashes), return_inverse=True)[1].astype(np.int64)[group]


def _content_of(group: npt.NDArray[np.int64], hashes: UInt64Array) -> UInt64Array:
    content = np.zeros(int(group.max(initial=-1)) + 1, dtype=np.uint64)
    np.add.at(content, group, _mix(hashes))
    return content


def _bits(column: npt.NDArray[Any]) -> UInt64Array:
    if column.dtype.kind in "iu":
        return column.astype(np.uint64)
    values = column.astype(np.float64) + 0.0
    values[np.isnan(values)] = np.nan
    return values.view(np.uint64)


def _mix(bits: UInt64Array) -> UInt64Array:
    bits = (bits ^ (bits >> np.uint64(30))) * _MIX_1
    bits = (bits ^ (bits >> np.uint64(27))) * _MIX_2
    return bits ^ (bits >> np.uint64(31))
