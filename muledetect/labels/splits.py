"""Splits in time and by group, as masks and as splitters for scikit-learn.

A splitter goes into `cross_val_score` or `GridSearchCV` as `cv`. Groups are what must lie on one side: rings, persons,
device components, as `component_groups` numbers them.

>>> from sklearn.model_selection import cross_val_score
>>> from muledetect.labels import ForwardSplit
>>> splitter = ForwardSplit(3, embargo="37d")
>>> cross_val_score(model, features, y, groups=groups, cv=splitter)  # doctest: +SKIP
"""

# ruff: noqa: N803 (scikit-learn calls it X)

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, ClassVar, Literal, get_args

import numpy as np
import numpy.typing as npt
import pandas as pd
from sklearn.model_selection import BaseCrossValidator

from muledetect.arrays import BoolArray, Float64Array, Int64Array
from muledetect.clock import Duration, Moment, format_duration, parse_time
from muledetect.errors import DataError, OptionError
from muledetect.labels._columns import length_of
from muledetect.labels._rows import (
    Positions,
    check_sides,
    count_rows,
    known_targets,
    moments_of_rows,
    numbered,
    row_hashes,
)

#: What makes a group of the training rows known, so that it is not asked for again.
Known = Literal["positive", "any"]


def split_by_time(as_of: Int64Array, *, test_from: Moment, embargo: Duration = "37d") -> tuple[BoolArray, BoolArray]:
    """Return masks of the training and the test points.

    Test points are at or after `test_from`; training points end an embargo before it, so that no training label
    was decided by what happened in the test period. The default is the default horizon + maturity; "0d" for short
    synthetic data sets that have no room.

    Parameters
    ----------
    as_of : int64[n]
        Moment of each point, microseconds.
    test_from : Moment
    embargo : duration

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

    Parameters
    ----------
    groups : array of shape (n,)
        Ring, person or component of each row.
    share : float
        Of the groups that goes to the second side, above 0 and below 1.
    seed : int
        Equal seeds give equal sides.

    Raises
    ------
    OptionError
        If `share` is not between 0 and 1.
    """
    _check_share(share)
    names, group = np.unique(np.asarray(groups), return_inverse=True)
    is_second = np.zeros(len(names), dtype=bool)
    drawn = np.random.default_rng(seed).permutation(len(names))
    is_second[drawn[: round(share * len(names))]] = True
    return ~is_second[group], is_second[group]


class _Splitter(BaseCrossValidator):  # type: ignore[misc]
    """What the splitters share: scikit-learn's `split`, from masks."""

    # with metadata routing on, scikit-learn hands `groups` to a splitter that says so
    __metadata_request__split: ClassVar[dict[str, bool]] = {"groups": True}

    n_splits: int

    def get_n_splits(self, X: Any = None, y: Any = None, groups: Any = None) -> int:  # noqa: ARG002
        """Return the number of splits."""
        return int(self.n_splits)

    def split(self, X: Any, y: Any = None, groups: Any = None) -> Iterator[tuple[Positions, Positions]]:
        """Yield the positions of the training and of the test rows, int64, ascending."""
        for train, test in self._masks(X, y, groups):
            yield np.flatnonzero(train), np.flatnonzero(test)

    def _masks(self, X: Any, y: Any, groups: Any) -> Iterator[tuple[BoolArray, BoolArray]]:
        raise NotImplementedError


class ForwardSplit(_Splitter):
    """Train on what came first, test on what came an embargo later; the training rows grow from split to split.

    The distinct moments are cut into `n_splits` + 1 blocks of equally many moments, or smaller ones if the embargo
    leaves less room. Each of the last `n_splits` blocks is tested once, by what ends an embargo before it.

    Parameters
    ----------
    n_splits : int
    embargo : duration
        Least time between the last training moment and the first moment of the test. The default is the default
        horizon + maturity: no training label was decided by what happened in the test period. "0d" still keeps a
        moment on one side.
    as_of : array of moments, optional
        Moment of each row. Default: the column `as_of` of the table that is split.
    known : "positive" or "any"
        With `groups`, test rows are left out if their group is known from the training rows: had a positive there, or
        any row. See Notes.

    Raises
    ------
    OptionError
        By `split`: if a parameter has an unknown value, or `groups` come without `y` though positives are asked for.
    DataError
        By `split`: if there is no room for a split, a moment is missing, or a side of a split has no positive or no
        negative among its known targets.

    Notes
    -----
    The test loses rows, not the training: a ring that the bank has found is not found again, and what is left is what
    the model is asked for. Groups with negatives only may come again at later moments, as accounts do in a bank;
    `known="any"` leaves them out too and so tests on newcomers alone. Groups are optional, and without them an account
    that was positive in training may be tested. O(rows log rows) a split.
    """

    def __init__(
        self,
        n_splits: int = 5,
        *,
        embargo: Duration = "37d",
        as_of: npt.ArrayLike | None = None,
        known: Known = "positive",
    ) -> None:
        self.n_splits = n_splits
        self.embargo = embargo
        self.as_of = as_of
        self.known = known

    def _masks(self, X: Any, y: Any, groups: Any) -> Iterator[tuple[BoolArray, BoolArray]]:
        if self.known not in get_args(Known):
            raise OptionError(f"split: 'known' must be one of {', '.join(get_args(Known))}; got {self.known!r}.")
        n_rows = count_rows(X)
        at, target = moments_of_rows(X, self.as_of, n_rows), known_targets(y, n_rows)
        if groups is not None and self.known == "positive" and target is None:
            raise OptionError("split: groups that were positive are left out of the test, so 'y' is needed too.")
        group = None if groups is None else numbered(groups, n_rows)
        gap = max(length_of("embargo", self.embargo), 1)
        for nth, block in enumerate(_blocks(at, self.n_splits, gap), start=1):
            train = at <= block[0] - gap
            test = (at >= block[0]) & (at <= block[-1])
            if group is not None:
                teaches = train if self.known == "any" or target is None else train & (target == 1)
                test &= ~np.isin(group, group[teaches])
            check_sides(f"split {nth} of {self.n_splits}", train, test, target)
            yield train, test


class GroupFolds(_Splitter):
    """Folds that keep groups whole and spread positives; each row is tested once.

    Groups are dealt out back and forth, those with most positives first, then the largest, the rest in an order drawn
    from the content of their rows. So the order of rows and the names of accounts and groups change nothing.

    Parameters
    ----------
    n_splits : int
    seed : int

    Raises
    ------
    OptionError
        By `split`: if there are no groups, or `n_splits` is below 2.
    DataError
        By `split`: if fewer groups than folds have a positive, or a negative.

    Notes
    -----
    scikit-learn's `StratifiedGroupKFold` places groups one by one in Python, which takes minutes for a million
    groups, and its folds depend on how groups are named. O(cells + groups log groups).
    """

    def __init__(self, n_splits: int = 5, *, seed: int = 0) -> None:
        self.n_splits = n_splits
        self.seed = seed

    def _masks(self, X: Any, y: Any, groups: Any) -> Iterator[tuple[BoolArray, BoolArray]]:
        if self.n_splits < 2:
            raise OptionError(f"split: 'n_splits' must be 2 or more; got {self.n_splits}.")
        target = known_targets(y, count_rows(X))
        group, place = _dealt_places(X, target, groups, self.seed)
        there_and_back = np.concatenate([np.arange(self.n_splits), np.arange(self.n_splits)[::-1]])
        fold = there_and_back[place % (2 * self.n_splits)][group]
        for nth in range(self.n_splits):
            test = fold == nth
            check_sides(f"fold {nth + 1} of {self.n_splits}", ~test, test, target)
            yield ~test, test


class GroupHoldout(_Splitter):
    """Hold out a share of the groups, whole, with positives spread; again with another draw for each split.

    Groups are lined up as for `GroupFolds`, and every so many of the line are held out, from a drawn start. So the
    order of rows and the names of accounts and groups change nothing.

    Parameters
    ----------
    share : float
        Share of the groups that is tested, between 0 and 1; also, nearly, the share of groups with positives.
    n_splits : int
        Splits overlap: they are draws, not folds.
    seed : int

    Raises
    ------
    OptionError
        By `split`: if there are no groups, or a parameter is out of range.
    DataError
        By `split`: if a side has no positive or no negative among its known targets.

    Notes
    -----
    O(cells + groups log groups) a split.
    """

    def __init__(self, share: float = 0.5, *, n_splits: int = 1, seed: int = 0) -> None:
        self.share = share
        self.n_splits = n_splits
        self.seed = seed

    def _masks(self, X: Any, y: Any, groups: Any) -> Iterator[tuple[BoolArray, BoolArray]]:
        _check_share(self.share)
        target = known_targets(y, count_rows(X))
        for nth, seed in enumerate(np.random.SeedSequence(self.seed).spawn(self.n_splits), start=1):
            drawn = np.random.default_rng(seed)
            group, place = _dealt_places(X, target, groups, int(drawn.integers(2**63)))
            mark = place * self.share + drawn.random()
            test = (np.floor(mark + self.share) > np.floor(mark))[group]
            check_sides(f"split {nth} of {self.n_splits}", ~test, test, target)
            yield ~test, test


def _blocks(at: Int64Array, n_splits: int, gap: int) -> list[Int64Array]:
    """Return the moments of each test block, earliest first."""
    if n_splits < 1:
        raise OptionError(f"split: 'n_splits' must be 1 or more; got {n_splits}.")
    moments = np.unique(at)
    n_testable = int((moments >= moments[0] + gap).sum()) if len(moments) else 0
    size = min(len(moments) // (n_splits + 1), n_testable // n_splits)
    if not size:
        raise DataError(
            f"split: {n_splits} split(s) need as many moments {format_duration(gap)} or more after the first one; "
            f"{n_testable} of {len(moments)} moments are. Give more moments, fewer splits, or a shorter 'embargo'."
        )
    return np.split(moments[len(moments) - n_splits * size :], n_splits)


def _dealt_places(X: Any, target: Float64Array | None, groups: Any, seed: int) -> tuple[Positions, Positions]:
    """Return the group of each row, and the place of each group in the line: most positives, largest, then drawn."""
    if groups is None:
        raise OptionError("split: 'groups' says what must not be split, and is missing; see labels.component_groups.")
    n_rows = count_rows(X)
    group = numbered(groups, n_rows)
    n_groups = int(group.max(initial=-1)) + 1
    is_positive = np.zeros(n_rows) if target is None else target == 1
    n_positive = np.bincount(group, weights=is_positive, minlength=n_groups)
    drawn = np.zeros(n_groups, dtype=np.uint64)
    np.add.at(drawn, group, row_hashes(X, target, seed))
    line = np.lexsort((pd.util.hash_array(drawn), -np.bincount(group, minlength=n_groups), -n_positive))
    place = np.empty(n_groups, dtype=np.intp)
    place[line] = np.arange(n_groups)
    return group, place


def _check_share(share: float) -> None:
    if not 0 < share < 1:
        raise OptionError(f"split: 'share' must lie between 0 and 1; got {share}.")
