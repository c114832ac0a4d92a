"""Splits in time and by group."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from muledetect.clock import Duration, Moment, parse_time
from muledetect.errors import DataError, OptionError
from muledetect.graph import Int64Array
from muledetect.labels._columns import length_of

BoolArray = npt.NDArray[np.bool_]


def split_by_time(as_of: Int64Array, *, test_from: Moment, embargo: Duration = "37d") -> tuple[BoolArray, BoolArray]:
    """Return masks of the training and the test points.

    Test points are at or after `test_from`; training points end an embargo before it, so that no training label
    was decided by what happened in the test period. The default is the default horizon + maturity; "0d" for short
    synthetic data sets that have no room.

    Raises
    ------
    DataError
        If one side is empty.
    """
    starts = parse_time(test_from)
    is_train = as_of <= starts - max(length_of("embargo", embargo), 1)
    is_test = as_of >= starts
    if not is_train.any() or not is_test.any():
        raise DataError(
            f"split: {int(is_train.sum()):,} training and {int(is_test.sum()):,} test points of {len(as_of):,}. "
            "Both need some: give more moments, move 'test_from', or shorten 'embargo'."
        )
    return is_train, is_test


def split_by_group(groups: npt.ArrayLike, *, share: float = 0.5, seed: int = 0) -> tuple[BoolArray, BoolArray]:
    """Return masks of two sides; a group lies on one of them, and `share` of the groups lies on the second.

    Raises
    ------
    OptionError
        If `share` is not between 0 and 1.
    """
    if not 0 < share < 1:
        raise OptionError(f"split: 'share' must lie between 0 and 1; got {share}.")
    names, group = np.unique(np.asarray(groups), return_inverse=True)
    is_second = np.zeros(len(names), dtype=bool)
    drawn = np.random.default_rng(seed).permutation(len(names))
    is_second[drawn[: round(share * len(names))]] = True
    return ~is_second[group], is_second[group]
