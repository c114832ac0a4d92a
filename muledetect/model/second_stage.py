"""The second stage of a model: a small set of trees that adds what the scores of an account's neighbours say.

It starts from the score that an account has by its own columns, reads the columns of family "suspicion" only, and can
only rise with them.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any, Final, NamedTuple

import numpy as np

from muledetect.arrays import BoolArray, Float64Array, Int64Array
from muledetect.features.suspicion import COLUMNS
from muledetect.model import trees
from muledetect.model.calibration import losses_when_calibrated
from muledetect.model.canonical import group_folds
from muledetect.model.rows import Rows
from muledetect.model.tree_text import TreesText

#: Folds of groups. A point of one fold reads scores of trees that saw neither it nor the fold of the scored account.
N_FOLDS: Final = 4

#: Every pair of folds: trees grown without it score the accounts of one for the points of the other.
PAIRS: Final = tuple(itertools.combinations(range(N_FOLDS), 2))

_N_TREES: Final = 100
_N_BAGS: Final = 2

#: Few leaves and strong shrinkage: a dozen columns, and what they say is much alike everywhere.
_PARAMETERS: Final = {
    "learning_rate": 0.05,
    "num_leaves": 7,
    "min_data_in_leaf": 20,
    "feature_fraction": 0.5,
    "bagging_fraction": 0.8,
    "lambda_l2": 5.0,
    "monotone_constraints_method": "basic",
}


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
    """Return a fold for each row that keeps groups whole; None where there are too few groups of a class."""
    for is_wanted in (rows.is_positive, ~rows.is_positive):
        if len(np.unique(rows.group[is_wanted])) < N_FOLDS:
            return None
    dense = np.unique(rows.group, return_inverse=True)[1].astype(np.int64)
    return group_folds(dense, rows.hashes, rows.is_positive, N_FOLDS)


def learn_second(
    rows: Rows, own: Rows, learner: Any, first: Float64Array | None = None
) -> tuple[SecondStage | None, str]:
    """Return the second stage, or None where it does not earn its place, and a sentence on it.

    It is kept if, on rows that neither stage had seen, the log loss after calibration is lower with it than without.

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
    texts = trees.grow(
        rows.values, rows.is_positive, learner.weight(rows), {**_PARAMETERS, "monotone_constraints": [1] * n_columns},
        n_trees=_N_TREES, n_threads=n_threads, start=first,
        jobs=[*(trees.Job(seeds[0] + nth) for nth in range(_N_BAGS)), *(trees.Job(seeds[0], seen) for seen in unseen)],
    )  # fmt: skip
    added = np.empty(len(fold))
    for nth, text in enumerate(texts[_N_BAGS:]):
        added[fold == nth] = trees.raw_scores([trees.open_booster(text)], rows.values[fold == nth], n_threads)
    share = rows.weights / rows.weights.sum()
    losses = [float(losses_when_calibrated(s, rows.is_positive, rows.weights) @ share) for s in (first, first + added)]
    change = f"log loss {losses[0]:.5f} by own columns, {losses[1]:.5f} with neighbours, on rows that were not seen"
    if losses[1] >= losses[0]:
        return None, f"Neighbours: left out, as their scores do not help here ({change})."
    return SecondStage(texts[:_N_BAGS], added), f"Neighbours: their scores are used ({change})."
