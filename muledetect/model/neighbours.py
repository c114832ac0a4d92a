"""Suspicion columns: how the accounts score that an account deals with, in scoring and in training.

A mule is paid by mules and pays mules. Trees of the first stage score every account of the bank at a moment; the
columns of family "suspicion" say how the payers and payees of an account score among all; the second stage adds to the
score with them. In training no account reads a score of trees that saw its label, or a label of its group.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, Final, TypeAlias

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from muledetect.arrays import Float64Array, Int64Array
from muledetect.features import Extraction, Points, extract_with, registry
from muledetect.features._extract import each_shard
from muledetect.features._extraction import Runner, Suspicion
from muledetect.features.suspicion import COLUMNS, bits_of
from muledetect.model.estimator import MuleModel
from muledetect.model.fitted import names_of
from muledetect.model.packed import pack_trees
from muledetect.model.reasons import durations_among
from muledetect.model.rows import known_targets, training_rows
from muledetect.model.second_stage import N_FOLDS, PAIRS, folds_of, own_columns
from muledetect.model.table import check_finite, read_features
from muledetect.model.training import Learner
from muledetect.model.trees import Job
from muledetect.outputs.kept import Kept
from muledetect.progress import Progress
from muledetect.records import Dataset

#: Trees that say how accounts rank in training; more change no rank much.
_N_TREES: Final = 100

#: Returns the suspicion of all accounts at a moment, from what its points see.
Suspect: TypeAlias = Callable[[Extraction, int], Suspicion]


def extraction_of(
    model: MuleModel,
    dataset: Any,
    graph: Any = None,
    *,
    threads: int | None = None,
    runner: Runner | None = None,
    progress: Progress | None = None,
    kept: Kept | None = None,
) -> Extraction:
    """Return the extraction of a model's columns: with its look-back and, for a second stage, its suspicion.

    Parameters
    ----------
    model : MuleModel
    dataset, graph, threads, runner
        As for `features.Extraction`.
    progress : callable, optional
        Called while the first stage scores the bank.
    kept : Kept, optional
        Finished shards of the first stage, where points have one moment.
    """
    own = Extraction(dataset, graph, lookback=model.trained_on_.lookback or None, threads=threads, runner=runner)
    return own.with_suspicion(_suspect_by(model, progress, kept)) if model.second_texts_ else own


def extract_for(
    model: MuleModel,
    dataset: Dataset,
    points: Points,
    names: Sequence[str] | None = None,
    *,
    progress: Progress | None = None,
) -> pa.Table:
    """Return the columns of a model, or others, at points as the model sees them; as `features.extract`.

    Parameters
    ----------
    model : MuleModel
    dataset : Dataset
    points : Points
    names : sequence of str, optional
        Default: the columns that the model asks for.
    progress : callable, optional
    """
    wanted = names_of(model) if names is None else names
    return extract_with(extraction_of(model, dataset, progress=progress), points, wanted, progress=progress)


def score_shards(
    model: MuleModel,
    extraction: Extraction,
    points: Points,
    *,
    progress: Progress | None = None,
    kept: Kept | None = None,
) -> Float64Array:
    """Return the score of each point, float64[n_points]; equal to `decision_function` of its columns.

    The first stage has scored every account of the bank at each moment before neighbours can be read, so these accounts
    are not extracted again.

    Parameters
    ----------
    model : MuleModel
    extraction : Extraction
        As `extraction_of` gives it for the model.
    points : Points
        Those of one moment side by side; else each run costs a scoring of the bank.
    progress : callable, optional
    kept : Kept, optional
        As `extraction_of`; for a model of one stage.
    """
    names = names_of(model)
    own, near = own_columns(names), [name for name in names if name in COLUMNS]
    if not near:
        return _each(model.first_stage, extraction, points, own, progress, kept)
    found = np.empty(len(points))
    starts = np.flatnonzero(np.diff(points.as_of, prepend=points.as_of[:1] - 1))
    for rows in map(slice, starts, np.append(starts[1:], len(points))):
        seen, some = extraction.before(points.as_of[rows.start]), points[rows]
        known = None if seen.suspicion is None else seen.suspicion.score
        score = (
            np.full(len(some), np.nan) if known is None else np.where(some.account >= 0, known[some.account], np.nan)
        )
        is_new = np.isnan(score)
        if is_new.any():
            score[is_new] = _each(model.first_stage, seen, some[is_new], own, progress)
        found[rows] = score + _each(model.second_stage, seen, some, near, progress)
    return found


def training_suspicion(
    model: MuleModel,
    extraction: Extraction,
    points: Points,
    features: pa.Table,
    y: npt.ArrayLike,
    *,
    groups: Int64Array,
    sample_weight: npt.ArrayLike | None = None,
    progress: Progress | None = None,
) -> tuple[pa.Table, list[str]]:
    """Return training rows with their suspicion columns, and notes; without them where too few groups are known.

    Groups are dealt into four folds. For a point of fold i, an account of fold j is scored by trees grown without both
    folds, and one of fold i or without label by all trees grown without fold i: so its own label, and that of its
    group, reaches no score that it reads.

    Parameters
    ----------
    model : MuleModel
        Its parameters are used.
    extraction : Extraction
        That made the features.
    points, features, y, sample_weight
        Of the training rows.
    groups : int64[n_points]
        What must not be split: rings, holders, devices.
    progress : callable, optional
    """
    room = extraction.facts.room
    table = read_features(features, room=room)
    is_known, is_positive, _ = known_targets(y)
    rows = training_rows(table, is_known, is_positive, None, groups, sample_weight, room)
    table = table._replace(values=table.values[:0])
    fold = folds_of(rows)
    if fold is None:
        return features, [f"Neighbours: left out, as fewer than {N_FOLDS} groups of mules, or of others, are known."]
    learner = Learner({**model.get_params(), "monotone": False}, table.names, durations_among(table.names))
    seed = learner.bag()[0].seed
    jobs = [Job(seed, np.flatnonzero((fold != i) & (fold != j))) for i, j in PAIRS]
    texts = learner.grow(rows, jobs, min(model.n_estimators, _N_TREES))
    boosters = [pack_trees([text], len(table.names)) for text in texts]
    of_account = np.full(extraction.graph.n_accounts, -1)
    of_account[points.account[rows.position]] = fold

    def suspect(extraction: Extraction, as_of: int) -> Suspicion:
        account, scores = _score_all(extraction, as_of, table.names, lambda values: learner.score(boosters, values))
        bits = np.zeros((N_FOLDS, len(of_account)))
        for view in range(N_FOLDS):
            without = [nth for nth, pair in enumerate(PAIRS) if view in pair]
            score = scores[without].mean(axis=0)
            for nth in without:
                (other,) = set(PAIRS[nth]) - {view}
                score = np.where(of_account[account] == other, scores[nth], score)
            bits[view, account] = bits_of(score)
        return Suspicion(bits, np.maximum(of_account, 0))

    made = extract_with(extraction.with_suspicion(suspect), points, list(COLUMNS), progress=progress)
    for name in COLUMNS:
        features = features.append_column(name, made[name])
    return features, []


def _suspect_by(model: MuleModel, progress: Progress | None = None, kept: Kept | None = None) -> Suspect:
    """Return what gives suspicion by the first stage of a fitted model."""
    names = own_columns(names_of(model))

    def suspect(extraction: Extraction, as_of: int) -> Suspicion:
        account, scores = _score_all(extraction, as_of, names, model.first_stage, progress, kept)
        bits, score = np.zeros((1, extraction.graph.n_accounts)), np.full(extraction.graph.n_accounts, np.nan)
        bits[0, account], score[account] = bits_of(scores), scores
        return extraction.facts.room.keep(Suspicion(bits, np.zeros(extraction.graph.n_accounts, np.int64), score))

    return suspect


def _score_all(
    extraction: Extraction,
    as_of: int,
    names: Sequence[str],
    score: Callable[[npt.NDArray[np.float32]], Float64Array],
    progress: Progress | None = None,
    kept: Kept | None = None,
) -> tuple[Int64Array, Float64Array]:
    """Return the accounts of the bank and their scores at a moment, as `score` gives them."""
    account = np.flatnonzero(extraction.facts.accounts.is_own).astype(np.int32)
    points = Points(account, np.full(len(account), as_of))
    return account.astype(np.int64), _each(score, extraction, points, names, progress, kept)


def _each(
    score: Callable[[npt.NDArray[np.float32]], Float64Array],
    extraction: Extraction,
    points: Points,
    names: Sequence[str],
    progress: Progress | None,
    kept: Kept | None = None,
) -> Float64Array:
    """Return the scores of points shard by shard; the last axis is that of the points. Shards that are `kept` stay."""
    blocks = [] if kept is None else list(kept.pieces)
    n_done = sum(map(len, blocks))
    if n_done and n_done == len(points):
        return np.concatenate(blocks)

    def told(stage: str, done: float) -> None:
        if progress is not None and stage == "features":
            done = (n_done + done * (len(points) - n_done)) / max(1, len(points))
        if progress is not None:
            progress(stage, done)

    then = partial(_as_trees_see, score, names)
    for _, block in each_shard(extraction, points[n_done:], names, registry(), then, progress=told):
        blocks.append(block)
        if kept is not None:
            kept.add(block)
    return np.concatenate(blocks, axis=-1)


def _as_trees_see(
    score: Callable[[npt.NDArray[np.float32]], Float64Array], names: Sequence[str], values: Float64Array
) -> Float64Array:
    with np.errstate(over="ignore"):
        seen = values.astype(np.float32)
    check_finite(seen, names)
    return score(seen)
