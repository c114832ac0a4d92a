"""How a model learns: trees, how many of them, and rows that the trees did not see, which say what scores mean."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final

import numpy as np

from muledetect.arrays import BoolArray, Float32Array, Float64Array
from muledetect.clock import SECOND, Duration, parse_duration
from muledetect.memory import HEAP, Room
from muledetect.model import trees
from muledetect.model.calibration import MIN_POSITIVES, Calibrator, fit_calibrator, losses_when_calibrated
from muledetect.model.canonical import group_folds
from muledetect.model.directions import directions
from muledetect.model.fitted import HeldOut
from muledetect.model.packed import PackedTrees
from muledetect.model.rows import Rows, later_rows
from muledetect.model.second_stage import is_suspicion, learn_second, own_columns
from muledetect.model.tree_text import TreesText

_N_FOLDS: Final = 3

#: The number of trees is chosen among multiples of this.
_STEP: Final = 25

#: A tree sees at least so many columns, or all, however small `colsample_bytree` is.
_LEAST_COLUMNS: Final = 20


@dataclass(frozen=True)
class Learner:
    """How trees are grown.

    Attributes
    ----------
    parameters : mapping
        Of `MuleModel`.
    names : sequence of str
        Of the columns.
    is_duration : bool[n_columns]
        Columns in seconds.
    """

    parameters: Mapping[str, Any]
    names: Sequence[str]
    is_duration: BoolArray

    def grow(self, rows: Rows, jobs: Sequence[trees.Job], n_trees: int) -> list[TreesText]:
        """Return the trees of each job."""
        given = self.parameters
        parameters: dict[str, Any] = {
            "learning_rate": given["learning_rate"],
            "num_leaves": given["num_leaves"],
            "min_data_in_leaf": given["min_child_samples"],
            "feature_fraction": min(1.0, max(given["colsample_bytree"], _LEAST_COLUMNS / rows.values.shape[1])),
            "bagging_fraction": given["subsample"],
            "lambda_l2": given["reg_lambda"],
            "max_bin": given["max_bin"],
        }
        if given["monotone"]:
            parameters |= {
                "monotone_constraints": directions(self.names),
                "monotone_constraints_method": "intermediate",
            }
        seen, n_threads = self._seen(rows), trees.threads(given["n_jobs"])
        return trees.grow(
            seen, rows.is_positive, self.weight(rows), parameters, n_trees=n_trees, jobs=jobs, n_threads=n_threads
        )

    def weight(self, rows: Rows) -> Float64Array | None:
        """Return the weight of each row in the trees, float64[n_rows]; None: all weigh 1."""
        wanted = self.parameters["positive_weight"]
        if wanted is None:
            return rows.weight
        n_positive = int(rows.is_positive.sum())
        ratio = (len(rows.values) - n_positive) / n_positive
        return rows.weights * np.where(rows.is_positive, ratio if wanted == "balanced" else ratio**0.5, 1.0)

    def stages(self, texts: Sequence[TreesText], rows: Rows) -> Float64Array:
        """Return the scores of the rows after every `_STEP` trees, float64[n_stages, n_rows]."""
        boosters = [trees.open_booster(text) for text in texts]
        return trees.staged_scores(boosters, self._seen(rows), _STEP, trees.threads(self.parameters["n_jobs"]))

    def score(self, boosters: Sequence[PackedTrees], values: Float32Array) -> Float64Array:
        """Return the score of rows by each booster, packed by itself, float64[n_boosters, n_rows]."""
        seen = np.ascontiguousarray(cap_durations(values, self.is_duration, self.parameters["max_duration"]))
        return np.array([booster.raw_scores(seen) for booster in boosters])

    def bag(self) -> list[trees.Job]:
        """Return one job a bag, each with its seed."""
        first = int(self.parameters["random_state"] or 0) * 1_000 + 1
        return [trees.Job(first + nth) for nth in range(self.parameters["n_bags"])]

    def _seen(self, rows: Rows) -> Float32Array:
        return cap_durations(rows.values, self.is_duration, self.parameters["max_duration"], rows.room)


@dataclass
class Learnt:
    """Trees and calibrator; rows that trees did not see (`held_out`), where there were any; what was done, in words.

    `how` says which rows calibrated. `second` are the trees of the second stage, none where it was left out.
    """

    texts: list[TreesText]
    n_trees: int
    calibrator: Calibrator
    calibrated: Rows
    held_out: HeldOut | None = None
    notes: list[str] = field(default_factory=list)
    how: str = ""
    second: list[TreesText] = field(default_factory=list)


def cap_durations(
    values: Float32Array, is_duration: BoolArray, longest: Duration | None, room: Room = HEAP
) -> Float32Array:
    """Return the values that trees see: durations no longer than `longest`."""
    if longest is None or not is_duration.any():
        return values
    capped: Float32Array = room.empty(values.shape, values.dtype)
    capped[...] = values
    most = values.dtype.type(parse_duration(longest) / SECOND)
    for place in np.flatnonzero(is_duration):
        np.minimum(values[:, place], most, out=capped[:, place])
    return capped


def learn(rows: Rows, learner: Learner) -> Learnt:
    """Train trees and calibrator; see `MuleModel.fit`. `learner` names all columns, those of both stages."""
    is_near = is_suspicion(learner.names)
    if not is_near.any():
        return _learn_first(rows, learner)
    own, near = rows.columns(~is_near), rows.columns(is_near)
    first = Learner(learner.parameters, own_columns(learner.names), learner.is_duration[~is_near])
    learnt = _learn_first(own, first)
    if learnt.held_out is None:
        return learnt
    is_whole = len(learnt.held_out.score) == len(rows.values)
    second, note = learn_second(near, own, first, learnt.held_out.score if is_whole else None)
    if second is None:
        return replace(learnt, notes=[*learnt.notes, note])
    by_position = np.argsort(rows.position)
    place = by_position[np.searchsorted(rows.position[by_position], learnt.held_out.position)]
    score = learnt.held_out.score + second.added[place]
    calibrator, calibrated = _calibrate(score, learnt.calibrated, first, learnt.how)
    return replace(
        learnt, calibrator=calibrator, held_out=learnt.held_out._replace(score=score), second=second.texts,
        notes=[*learnt.notes[:-1], note, calibrated],
    )  # fmt: skip


def _learn_first(rows: Rows, learner: Learner) -> Learnt:
    later, why = later_rows(rows)
    return _learn_across_folds(rows, learner, why) if later is None else _learn_before(rows, learner, later)


def _learn_before(rows: Rows, learner: Learner, later: BoolArray) -> Learnt:
    """Choose the number of trees and calibrate on later rows of groups that had not been positive; then train all.

    The trees that are kept see every row; the calibrator knows them from trees of the same kind, grown before.
    """
    earlier, unseen = rows.take(rows.as_of < rows.as_of[later].min()), rows.take(later)
    most = learner.parameters["n_estimators"]
    stages = learner.stages(learner.grow(earlier, learner.bag(), most), unseen)
    n_stages, n_trees, notes = len(stages), most, []
    if learner.parameters["early_stopping"] and int(unseen.is_positive.sum()) >= MIN_POSITIVES:
        n_stages = _stages_to_keep(stages, unseen)
        n_trees = min(n_stages * _STEP, most)
        notes = [f"Early stopping: {n_trees} of {most} trees are kept."]
    how = f"on {len(unseen.values):,} rows later than what trees grown for it saw, without groups positive before"
    calibrator, note = _calibrate(stages[n_stages - 1], unseen, learner, how)
    texts = learner.grow(rows, learner.bag(), n_trees)
    return Learnt(texts, n_trees, calibrator, unseen, _held_out(stages[n_stages - 1], unseen), [*notes, note], how)


def _learn_across_folds(rows: Rows, learner: Learner, why: str) -> Learnt:
    """Train on all rows; calibrate by predictions for folds that the predicting trees did not see."""
    bag, n_trees = learner.bag(), learner.parameters["n_estimators"]
    n_folds = min(_N_FOLDS, len(np.unique(rows.group[rows.is_positive])), len(np.unique(rows.group[~rows.is_positive])))
    if n_folds < 2:
        texts = learner.grow(rows, bag, n_trees)
        score = learner.stages(texts, rows)[-1]
        calibrator = fit_calibrator(score, rows.is_positive, rows.weights, kind="shift")[0]
        note = (
            "Calibration: only the mean was matched, on the training rows themselves, for all of one class lies in one "
            "group; read probabilities as a ranking."
        )
        return Learnt(texts, n_trees, calibrator, rows, notes=[note])
    dense = np.unique(rows.group, return_inverse=True)[1].astype(np.int64)
    fold = group_folds(dense, rows.hashes, rows.is_positive, n_folds)
    unseen = [trees.Job(bag[0].seed, np.flatnonzero(fold != nth)) for nth in range(n_folds)]
    texts = learner.grow(rows, [*bag, *unseen], n_trees)
    score = np.empty(len(fold))
    for nth, text in enumerate(texts[len(bag) :]):
        score[fold == nth] = learner.stages([text], rows.take(fold == nth))[-1]
    how = f"by {n_folds} folds that keep groups whole, {why}"
    calibrator, note = _calibrate(score, rows, learner, how)
    return Learnt(texts[: len(bag)], n_trees, calibrator, rows, _held_out(score, rows), [note], how)


def _calibrate(score: Float64Array, rows: Rows, learner: Learner, how: str) -> tuple[Calibrator, str]:
    kind = learner.parameters["calibration"]
    calibrator, fitted = fit_calibrator(score, rows.is_positive, rows.weights, kind=None if kind == "auto" else kind)
    return calibrator, f"Calibration: {fitted}; {how}."


def _held_out(score: Float64Array, rows: Rows) -> HeldOut:
    return HeldOut(np.asarray(score), rows.is_positive, rows.weights, rows.group, rows.position, rows.account)


def _stages_to_keep(stages: Float64Array, rows: Rows) -> int:
    """Return how many stages are kept, by rows that the trees did not see.

    As many as lose no more than the best number does, by more than a standard error of the difference: a flat curve
    says nothing. Folds of one time do not stop trees: they end too early for what comes later (decision 015).
    """
    order = np.lexsort((rows.weights, rows.is_positive, stages[-1]))
    sought, weight = rows.is_positive[order], rows.weights[order]
    losses = np.array([losses_when_calibrated(stage[order], sought, weight) for stage in stages])
    share = weight / weight.sum()
    excess = losses - losses[np.argmin(losses @ share)]
    mean = excess @ share
    error = np.sqrt((excess - mean[:, None]) ** 2 @ share**2)
    return int(np.flatnonzero(mean <= error)[-1]) + 1
