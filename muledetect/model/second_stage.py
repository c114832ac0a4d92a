"""The second stage of a model: a small set of trees that adds what the scores of an account's neighbours say.

It starts from the score that an account has by its own columns, reads the columns of family "suspicion" only, and can
only rise with them.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple

import numpy as np
from scipy.special import stdtrit

from muledetect.arrays import BoolArray, Float64Array, Int64Array
from muledetect.features.suspicion import COLUMNS
from muledetect.model import trees
from muledetect.model.calibration import fit_calibrator, losses_when_calibrated
from muledetect.model.canonical import group_folds, join_alike
from muledetect.model.rows import Rows
from muledetect.model.tree_text import TreesText

#: Folds of groups. A point of one fold reads scores of trees that saw neither it nor the fold of the scored account.
N_FOLDS: Final = 4

#: Every pair of folds: trees grown without it score the accounts of one for the points of the other.
PAIRS: Final = tuple(itertools.combinations(range(N_FOLDS), 2))

#: Trees and leaves, as a part of those of the first stage: a dozen columns, and what they say is much alike everywhere.
_TREES: Final = 6
_LEAVES: Final = 2
_N_BAGS: Final = 2

#: How certain it must be that the log loss on rows held out is higher with the second stage than without it, before it
#: is left out. On data of three makers neighbours help, so it stays unless a bank's own rows say otherwise.
_CERTAIN: Final = 0.95

#: Fewer equal groups than this prove nothing.
_LEAST_GROUPS: Final = 2


class SecondStage(NamedTuple):
    """Trees of the second stage, and what trees that had not seen a row add to its score (log-odds), float64[n]."""

    texts: list[TreesText]
    added: Float64Array


def is_suspicion(names: Sequence[str]) -> BoolArray:
    """Return which columns the second stage reads, bool[n_columns]."""
    return np.array([name in COLUMNS for name in names], dtype=np.bool_)


def own_columns(names: Sequence[str]) -> list[str]:
    """Return the columns that the first stage reads, in their order."""
    return [name for name in names if name not in COLUMNS]


def folds_of(rows: Rows) -> Int64Array | None:
    """Return a fold for each row that keeps groups whole; None where there are too few groups of a class.

    Groups of equal content share a fold. Neighbours tell them apart, so which fold each is in must not hang on a name.
    """
    group = join_alike(np.unique(rows.group, return_inverse=True)[1].astype(np.int64), rows.hashes)
    for is_wanted in (rows.is_positive, ~rows.is_positive):
        if len(np.unique(group[is_wanted])) < N_FOLDS:
            return None
    return group_folds(group, rows.hashes, rows.is_positive, N_FOLDS)


def learn_second(
    rows: Rows, own: Rows, learner: Any, first: Float64Array | None = None
) -> tuple[SecondStage | None, str]:
    """Return the second stage, or None where it does not earn its place, and a sentence on it.

    It is kept unless rows that neither stage had seen speak clearly against it: the log loss after calibration is
    higher with it, by a one-sided t test at 5% over groups. Groups of very different size are worth as many equal ones
    as have their mean variance: with one large ring among few, one bank's rows prove nothing.

    Parameters
    ----------
    rows : Rows
        Of the suspicion columns.
    own : Rows
        The same rows with the columns of the first stage.
    learner : Learner
        Of the first stage.
    first : float64[n_rows], optional
        Scores of the rows by trees of the first stage that had not seen them, in their order; grown here by default.
    """
    fold = folds_of(rows)
    if fold is None:
        return None, f"Neighbours: left out, as fewer than {N_FOLDS} groups of mules, or of others, are known."
    seeds = [job.seed for job in learner.bag()]
    unseen = [np.flatnonzero(fold != nth) for nth in range(N_FOLDS)]
    if first is None:
        first = np.empty(len(fold))
        grown = learner.grow(own, [trees.Job(seeds[0], seen) for seen in unseen], learner.parameters["n_estimators"])
        for nth, text in enumerate(grown):
            first[fold == nth] = learner.stages([text], own.take(fold == nth))[-1]
    n_columns, n_threads = rows.values.shape[1], trees.threads(learner.parameters["n_jobs"])
    start = first + fit_calibrator(first, rows.is_positive, rows.weights, kind="shift")[0].intercept
    texts = trees.grow(
        rows.values, rows.is_positive, learner.weight(rows), _parameters(learner.parameters, n_columns),
        n_trees=max(1, learner.parameters["n_estimators"] // _TREES), n_threads=n_threads, start=start,
        jobs=[*(trees.Job(seeds[0] + nth) for nth in range(_N_BAGS)), *(trees.Job(seeds[0], seen) for seen in unseen)],
    )  # fmt: skip
    added = np.empty(len(fold))
    for nth, text in enumerate(texts[_N_BAGS:]):
        added[fold == nth] = trees.raw_scores([trees.open_booster(text)], rows.values[fold == nth], n_threads)
    losses, is_worse = _compare(first, first + added, rows)
    change = f"log loss {losses[0]:.5f} by own columns, {losses[1]:.5f} with neighbours, on rows that were not seen"
    if is_worse:
        return None, f"Neighbours: left out, as their scores do not help here ({change})."
    return SecondStage(texts[:_N_BAGS], added), f"Neighbours: their scores are used ({change})."


def _parameters(given: Mapping[str, Any], n_columns: int) -> dict[str, Any]:
    """Return the parameters of the trees: as careful as those of the first stage, and only rising."""
    return {
        "learning_rate": given["learning_rate"],
        "num_leaves": max(2, given["num_leaves"] // _LEAVES),
        "min_data_in_leaf": given["min_child_samples"],
        "feature_fraction": 0.5,
        "bagging_fraction": given["subsample"],
        "lambda_l2": given["reg_lambda"],
        "monotone_constraints": [1] * n_columns,
        "monotone_constraints_method": "basic",
    }


def _compare(before: Float64Array, after: Float64Array, rows: Rows) -> tuple[tuple[float, float], bool]:
    """Return the log losses of two scores, and whether that of the second is certainly higher; see `learn_second`.

    With `v` the square of what a group adds to the difference, the standard error is `sqrt(sum(v))` and the groups are
    worth `sum(v)**2 / sum(v**2)` equal ones (Satterthwaite 1946).
    """
    # sums depend on the order, and which of two equal rows comes first may hang on a name
    order = np.lexsort((rows.weights, rows.is_positive, before, after))
    sought, weight = rows.is_positive[order], rows.weights[order]
    losses = [losses_when_calibrated(score[order], sought, weight) for score in (before, after)]
    share = weight / weight.sum()
    excess = losses[1] - losses[0]
    difference = float(excess @ share)
    group = np.unique(rows.group[order], return_inverse=True)[1]
    squares = np.sort(np.bincount(group, weights=(excess - difference) * share) ** 2)
    told = float(losses[0] @ share), float(losses[1] @ share)
    if not squares.any():
        return told, False
    n_groups = squares.sum() ** 2 / (squares**2).sum()
    if n_groups <= _LEAST_GROUPS:
        return told, False
    return told, bool(difference > stdtrit(n_groups - 1, _CERTAIN) * np.sqrt(squares.sum()))
