"""How good a ranking and its probabilities are; none of it depends on the order of rows, ties included.

Targets are 1, 0 or NaN; rows of unknown target are left out of every metric.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from sklearn.metrics import average_precision_score, brier_score_loss, roc_auc_score

from muledetect.arrays import Float64Array, IndexArray
from muledetect.errors import OptionError
from muledetect.model.subgroups import shown_share

Metric = Callable[[Float64Array, Float64Array, Float64Array], float]


def average_precision(y: npt.ArrayLike, score: npt.ArrayLike, weight: npt.ArrayLike | None = None) -> float:
    """Return the average precision, rows of equal score taken together; NaN without positives. O(n log n)."""
    target, ranked, weights = known_rows(y, score, weight)
    if not (weights * target).sum() > 0:
        return float("nan")
    return float(average_precision_score(target, ranked, sample_weight=weights))


def roc_auc(y: npt.ArrayLike, score: npt.ArrayLike, weight: npt.ArrayLike | None = None) -> float:
    """Return the area under the ROC curve; NaN unless both classes are there. O(n log n)."""
    target, ranked, weights = known_rows(y, score, weight)
    if not (weights * target).sum() > 0 or not (weights * (1 - target)).sum() > 0:
        return float("nan")
    return float(roc_auc_score(target, ranked, sample_weight=weights))


def brier_score(y: npt.ArrayLike, probability: npt.ArrayLike, weight: npt.ArrayLike | None = None) -> float:
    """Return the mean squared error of probabilities; NaN without rows."""
    target, given, weights = known_rows(y, probability, weight)
    return float(brier_score_loss(target, given, sample_weight=weights, pos_label=1)) if len(target) else float("nan")


def precision_at(y: npt.ArrayLike, score: npt.ArrayLike, k: float, weight: npt.ArrayLike | None = None) -> float:
    """Return the share of positives among the k highest scores.

    Parameters
    ----------
    y, score : array of shape (n,)
        Targets and scores.
    k : int, or float below 1
        Number of alerts, or a share of all rows (rounded up). Of rows that tie for the last places each counts in
        part, so the result is the mean over all ways of breaking the tie.
    weight : array of shape (n,), optional
        How often each row counts; the bootstrap draws with it.
    """
    target, ranked, weights = known_rows(y, score, weight)
    shown = shown_share(ranked, k, weights) * weights
    return float((shown * target).sum() / shown.sum()) if shown.any() else float("nan")


def recall_at(y: npt.ArrayLike, score: npt.ArrayLike, k: float, weight: npt.ArrayLike | None = None) -> float:
    """Return the share of all positives that are among the k highest scores; NaN without positives. k as before."""
    target, ranked, weights = known_rows(y, score, weight)
    positive = weights * target
    shown = shown_share(ranked, k, weights)
    return float((shown * positive).sum() / positive.sum()) if positive.any() else float("nan")


def value_recall_at(
    y: npt.ArrayLike, score: npt.ArrayLike, value: npt.ArrayLike, k: float, weight: npt.ArrayLike | None = None
) -> float:
    """Return the share of the positives' value that lies in the k highest scores; NaN without any.

    Parameters
    ----------
    y, score : array of shape (n,)
        Targets and scores.
    value : array of shape (n,)
        Illicit money of each row, minor units, >= 0; of rows with target 0 it is not looked at.
    k : int, or float below 1
        As for `precision_at`.
    weight : array of shape (n,), optional
        How often each row counts.
    """
    target, ranked, values = known_rows(y, score, value)
    weights = known_rows(y, score, weight)[2]
    illicit = np.where(target == 1, values, 0.0) * weights
    total = math.fsum(illicit)
    return math.fsum(shown_share(ranked, k, weights) * illicit) / total if total > 0 else float("nan")


def reliability_curve(y: npt.ArrayLike, probability: npt.ArrayLike, n_bins: int = 10) -> pd.DataFrame:
    """Return mean probability and observed share of positives in bins of equal mass.

    Equal probabilities share a bin, that of their middle rank, so bins are only about equal when many tie.

    Parameters
    ----------
    y, probability : array of shape (n,)
        Targets and probabilities.
    n_bins : int
        Most bins.

    Returns
    -------
    pandas.DataFrame
        One row a bin that holds any: `n`, `probability`, `observed`.
    """
    if n_bins < 1:
        raise OptionError(f"metrics: n_bins must be at least 1; got {n_bins}.")
    target, given, _ = known_rows(y, probability, None)
    levels, level, counts = np.unique(given, return_inverse=True, return_counts=True)
    middle = np.cumsum(counts) - (counts + 1) / 2
    bins = (
        np.minimum((middle * n_bins / max(len(given), 1)).astype(np.int64), n_bins - 1)[level] if len(levels) else level
    )
    table = pd.DataFrame({"bin": bins, "probability": given, "observed": target})
    grouped = table.groupby("bin", sort=True)
    means = grouped[["probability", "observed"]].mean()
    means.insert(0, "n", grouped.size())
    return means.reset_index(drop=True)


def calibration_error(y: npt.ArrayLike, probability: npt.ArrayLike, n_bins: int = 10) -> float:
    """Return the expected calibration error over bins of equal mass: mean |observed - probability|, weighted by n."""
    curve = reliability_curve(y, probability, n_bins)
    gaps = (curve["observed"] - curve["probability"]).abs()
    return float((gaps * curve["n"]).sum() / curve["n"].sum()) if len(curve) else float("nan")


def bootstrap_interval(
    metric: Metric,
    y: npt.ArrayLike,
    score: npt.ArrayLike,
    groups: npt.ArrayLike | None = None,
    *,
    n_draws: int = 200,
    level: float = 0.95,
    seed: int = 0,
) -> tuple[float, float]:
    """Return a percentile interval of a metric from drawing whole blocks (days, rings) with replacement.

    Parameters
    ----------
    metric : callable (y, score, weight) -> float
        Such as `average_precision`; a block drawn twice gets weight 2. Draws that give NaN are left out.
    y, score : array of shape (n,)
        Targets and scores.
    groups : array of shape (n,), optional
        Block of each row; default: every row is one.
    n_draws, seed : int
    level : float
        Of the interval, 0 to 1.

    Returns
    -------
    (float, float)
        NaN, NaN where no draw gives a number.
    """
    blocks = np.arange(len(np.asarray(y))) if groups is None else np.asarray(groups)
    target, ranked, known_block = known_rows(y, score, np.unique(blocks, return_inverse=True)[1])
    return bootstrap_columns(metric, (target, ranked), known_block, n_draws=n_draws, level=level, seed=seed)


def value_recall_interval(
    y: npt.ArrayLike,
    score: npt.ArrayLike,
    value: npt.ArrayLike,
    k: float,
    groups: npt.ArrayLike | None = None,
    *,
    n_draws: int = 200,
    level: float = 0.95,
    seed: int = 0,
) -> tuple[float, float]:
    """Return the interval of `value_recall_at` from drawing whole blocks; NaN, NaN without illicit value."""
    target, ranked, values = known_rows(y, score, value)
    block = None if groups is None else np.asarray(groups)[~np.isnan(np.asarray(y, dtype=np.float64))]
    columns = (target, ranked, np.where(target == 1, values, 0.0))
    return bootstrap_columns(
        lambda a, b, c, weight: value_recall_at(a, b, c, k, weight),
        columns, block, n_draws=n_draws, level=level, seed=seed,
    )  # fmt: skip


def bootstrap_columns(
    metric: Callable[..., float],
    columns: Sequence[Float64Array],
    block: npt.NDArray[Any] | None = None,
    *,
    n_draws: int = 200,
    level: float = 0.95,
    seed: int = 0,
) -> tuple[float, float]:
    """Return the interval of a metric `metric(*columns, weight)` as `bootstrap_interval` does, for any float columns.

    Blocks are numbered by the rows that they hold, so the draws know neither their names nor the order of rows.
    """
    if not 0 < level < 1:
        raise OptionError(f"metrics: level must lie between 0 and 1; got {level}.")
    order, weights = block_draws(columns, block, n_draws=n_draws, seed=seed)
    rows = [column[order] for column in columns]
    return percentiles([metric(*rows, weight) for weight in weights], level)


def block_draws(
    columns: Sequence[Float64Array], block: npt.NDArray[Any] | None = None, *, n_draws: int = 200, seed: int = 0
) -> tuple[IndexArray, Iterator[Float64Array]]:
    """Return an order of rows that only their content gives, and for each draw how often each row, so ordered, counts.

    Blocks are drawn whole, with replacement, as many as there are; without rows there are no draws. O(n log n), then
    O(n) a draw.
    """
    keys = [-column for column in reversed(columns)]
    order = np.lexsort(keys)
    if block is None:
        block_of = np.arange(len(order))
    else:
        _, number, size = np.unique(block, return_inverse=True, return_counts=True)
        order = np.lexsort((_block_hashes(keys, order, number)[number], size[number], *keys))
        block_of = pd.factorize(number[order])[0]
    n_blocks = int(block_of.max(initial=-1)) + 1

    def draws() -> Iterator[Float64Array]:
        drawn = np.random.default_rng(seed)
        for _ in range(n_draws if n_blocks else 0):
            times = np.bincount(drawn.integers(0, n_blocks, n_blocks), minlength=n_blocks)
            yield times[block_of].astype(np.float64)

    return order, draws()


def _block_hashes(keys: Sequence[Float64Array], order: IndexArray, number: IndexArray) -> npt.NDArray[np.uint64]:
    """Return a number for each block that depends on the content of its rows only: blocks of equal content share it."""
    changes = np.zeros(len(order), dtype=bool)
    for key in keys:
        changes[1:] |= key[order][1:] != key[order][:-1]
    rank = np.empty(len(order), np.uint64)
    rank[order] = np.cumsum(changes, dtype=np.uint64) + np.uint64(1)
    # the finaliser of splitmix64, so that sums of ranks tell sets of rows apart
    mixed = rank * np.uint64(0x9E3779B97F4A7C15)
    for shift, factor in ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB)):
        mixed = (mixed ^ (mixed >> np.uint64(shift))) * np.uint64(factor)
    mixed ^= mixed >> np.uint64(31)
    sums = np.zeros(int(number.max(initial=-1)) + 1, np.uint64)
    np.add.at(sums, number, mixed)
    return sums


def percentiles(values: npt.ArrayLike, level: float) -> tuple[float, float]:
    """Return the ends of the middle `level` of the values; NaN is left out, and of no values both ends are NaN."""
    numbers = np.asarray(values, dtype=np.float64)
    numbers = numbers[~np.isnan(numbers)]
    if not len(numbers):
        return float("nan"), float("nan")
    low, high = np.quantile(numbers, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)


def known_rows(
    y: npt.ArrayLike, score: npt.ArrayLike, third: npt.ArrayLike | None
) -> tuple[Float64Array, Float64Array, Float64Array]:
    """Return the rows whose target is known, as float64; the third column is 1 where it is not given.

    Raises
    ------
    OptionError
        If the columns differ in length, a target is neither 0, 1 nor NaN, or a score is not a number.
    """
    target = np.asarray(y, dtype=np.float64)
    ranked = np.asarray(score, dtype=np.float64)
    extra = np.ones(len(target)) if third is None else np.asarray(third, dtype=np.float64)
    if not target.shape == ranked.shape == extra.shape or target.ndim != 1:
        shapes: list[Any] = [target.shape, ranked.shape, extra.shape]
        raise OptionError(f"metrics: columns must be equally long and one-dimensional; got shapes {shapes}.")
    is_known = ~np.isnan(target)
    target, ranked, extra = target[is_known], ranked[is_known], extra[is_known]
    if not np.isin(target, (0.0, 1.0)).all():
        raise OptionError("metrics: targets must be 1, 0 or NaN (unknown).")
    if np.isnan(ranked).any():
        raise OptionError(f"metrics: {int(np.isnan(ranked).sum()):,} scores are NaN; score every row.")
    return target, ranked, extra
