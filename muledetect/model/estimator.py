"""`MuleModel`: scikit-learn's estimator API around a bag of boosted trees and a calibrator."""

# ruff: noqa: N803 (scikit-learn calls it X)

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from os import PathLike
from typing import Any, Final, Literal, TypeAlias

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils.validation import check_is_fitted, validate_data

from muledetect.arrays import Float32Array, Float64Array
from muledetect.clock import Duration, format_time
from muledetect.errors import ModelError
from muledetect.markup import SUSPICION, build_card, build_details, build_facts, build_list
from muledetect.memory import HEAP, Room
from muledetect.model import trees
from muledetect.model.calibration import Calibrator
from muledetect.model.fitted import TrainedOn, names_of
from muledetect.model.measures import find_leaks, measure, source_of
from muledetect.model.options import check_parameters
from muledetect.model.packed import MANY, packed_once
from muledetect.model.peers import PeerGroups, describe_peers
from muledetect.model.prevalence import with_prevalence
from muledetect.model.prior import correct_probability
from muledetect.model.reasons import Reason, durations_among, find_reasons
from muledetect.model.rows import Rows, known_targets, training_rows
from muledetect.model.second_stage import is_suspicion, own_columns
from muledetect.model.sentences import Language
from muledetect.model.store import card_of, config_hash, save_model
from muledetect.model.table import FeatureTable, check_finite, is_table, read_features
from muledetect.model.training import Learner, Learnt, cap_durations, learn
from muledetect.model.tree_text import TreesText
from muledetect.progress import Progress, silent
from muledetect.records import Dataset

Features: TypeAlias = "pa.Table | pd.DataFrame | npt.ArrayLike"

#: Training moments that a notebook, and a note, show.
_MOST_MOMENTS: Final = 5


class MuleModel(ClassifierMixin, BaseEstimator):  # type: ignore[misc]
    """Boosted trees that give each point a score, a calibrated probability and reasons.

    Rare positives are neither copied nor are negatives dropped; the calibrator gives probabilities at the prevalence
    of the rows that it was fitted on. Equal rows in any order give the same model, bit for bit, on any number of
    threads. The defaults are meant to be left alone.

    Parameters
    ----------
    n_estimators, learning_rate, num_leaves, min_child_samples, colsample_bytree, subsample, reg_lambda, max_bin
        As in LightGBM.
    max_duration : duration or None
        Trees see longer durations as this long. How long ago something was can be no more than the records are long,
        so without a cap trees learn the calendar of the training moment instead of behaviour.
    n_bags : int
        Boosters with different seeds whose log-odds are averaged.
    early_stopping : bool
        Choose the number of trees, at most `n_estimators`, by the later rows, where there are any to calibrate on.
    monotone : bool
        Let the score rise, never fall, with what speaks for suspicion only, and the other way round; see
        `muledetect.model.directions`. For banks that must defend each score; costs some accuracy.
    positive_weight : None, "sqrt" or "balanced"
        Weight of a positive in the trees: 1, the square root of negatives / positives, or the ratio itself.
    calibration : "auto", "shift", "logistic" or "isotonic"
        `auto` takes the richest form that the number of positives allows.
    random_state : int
    n_jobs : int, optional
        Threads; None or -1: all cores. Results do not depend on it.

    Attributes
    ----------
    classes_ : array of the two values of y, the second is the positive one
    feature_names_in_ : array of str, if trained on a table
    calibrator_ : Calibrator
    notes_ : list of str
        What a reader must know about the training, in plain sentences.
    held_out_ : HeldOut
        Only after `fit`, not after `load_model`; absent where all of one class lie in one group.
    n_trees_ : int
        Trees of each booster.
    second_texts_ : list of str
        Trees of the second stage, see `muledetect.model.second_stage`; empty for a model of one stage.
    held_out_metrics_ : dict
        How well `held_out_` was ranked; see `muledetect.model.card.describe_held_out`.
    clear_thresholds_ : list of dict
        Scores below which accounts may be cleared unseen; see `muledetect.model.thresholds.ClearThreshold`.
    fairness_ : list of dict
        Rates by group of accounts, if `fit` was given the data set.
    leakage_ : list of str or None
        What the leakage audit found, in sentences; None: not run.
    class_prior_ : dict or None
        Where unlabelled rows were trained on as negative: how many mules there are among them and how often a mule was
        labelled; see `muledetect.model.prior.ClassPrior`. Probabilities are then divided by that frequency.
    training_as_of_, calibration_as_of_ : tuple of int
        Moments of the rows that trees and calibrator saw, microseconds; empty where the table had none.
    """

    def __init__(
        self,
        *,
        n_estimators: int = 300,
        learning_rate: float = 0.05,
        num_leaves: int = 15,
        min_child_samples: int = 20,
        colsample_bytree: float = 0.15,
        subsample: float = 0.8,
        reg_lambda: float = 5.0,
        max_bin: int = 255,
        max_duration: Duration | None = "90d",
        n_bags: int = 3,
        early_stopping: bool = True,
        monotone: bool = False,
        positive_weight: Literal["sqrt", "balanced"] | None = None,
        calibration: Literal["auto", "shift", "logistic", "isotonic"] = "auto",
        random_state: int | None = 0,
        n_jobs: int | None = None,
    ) -> None:
        self.n_estimators = n_estimators
        self.learning_rate = learning_rate
        self.num_leaves = num_leaves
        self.min_child_samples = min_child_samples
        self.colsample_bytree = colsample_bytree
        self.subsample = subsample
        self.reg_lambda = reg_lambda
        self.max_bin = max_bin
        self.max_duration = max_duration
        self.n_bags = n_bags
        self.early_stopping = early_stopping
        self.monotone = monotone
        self.positive_weight = positive_weight
        self.calibration = calibration
        self.random_state = random_state
        self.n_jobs = n_jobs

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        tags.classifier_tags.multi_class = False
        return tags

    def __repr__(self, N_CHAR_MAX: int = 700) -> str:
        given = str(super().__repr__(N_CHAR_MAX))
        if not hasattr(self, "texts_"):
            return given
        return (
            f"{given}, fitted on {self.n_rows_:,} rows, {self.n_positives_:,} of them positive; "
            f"{self.n_features_in_:,} features, configuration {config_hash(self)[:12]}"
        )

    def _html_repr(self) -> str:
        """Return what notebooks show; scikit-learn asks for it under this name."""
        default = MuleModel().get_params()
        changed = {name: repr(value) for name, value in self.get_params().items() if value != default[name]}
        chosen = build_facts({"not the default": [f"{name}={value}" for name, value in changed.items()]})
        parts = [chosen] if changed else []
        if not hasattr(self, "texts_"):
            return build_card("MuleModel, not fitted", *parts, note="Give it features and labels: model.fit(X, y).")
        origin = self.trained_on_
        facts: dict[str, object] = {"rows": self.n_rows_, "of them positive": self.n_positives_}
        facts |= {"features": self.n_features_in_, "trees": self.n_trees_ * len(self.texts_)}
        learnt = {"target": origin.target, "country pack": origin.pack, "currency": origin.currency}
        learnt |= {"moments": ", ".join(format_time(moment)[:10] for moment in self.training_as_of_[:_MOST_MOMENTS])}
        held = {name.replace("_", " "): value for name, value in self.held_out_metrics_.items()}
        return build_card(
            "MuleModel, fitted", build_facts(facts), build_facts({name: text for name, text in learnt.items() if text}),
            build_facts({"configuration": config_hash(self)[:12]}), *parts,
            build_details("held out: how well rows were ranked that the trees had not seen", build_facts(held)),
            build_details(f"{len(self.notes_):,} notes", build_list(self.notes_)), note=SUSPICION,
        )  # fmt: skip

    def fit(
        self,
        X: Features,
        y: npt.ArrayLike,
        *,
        as_of: npt.ArrayLike | None = None,
        groups: npt.ArrayLike | None = None,
        sample_weight: npt.ArrayLike | None = None,
        dataset: Dataset | None = None,
        trained_on: TrainedOn | None = None,
        notes: Sequence[str] = (),
        leaks: Literal["note", "refuse", "ignore"] = "note",
        progress: Progress = silent,
    ) -> MuleModel:
        """Train trees and calibrator, and measure all that the model card says.

        With two or more moments, trees grown on the earlier ones are judged on the later ones, without groups that
        were positive before: how many trees to keep, and what their scores mean. With one moment, or too few later
        positives, folds that keep groups whole say what scores mean. The trees that are kept see all rows.

        Parameters
        ----------
        X : pyarrow.Table, pandas or polars DataFrame, or array of shape (n, n_features)
            NaN = not defined. Columns `account_id` and `as_of` of a table are no features.
        y : array of shape (n,)
            Two values, the larger one is positive; NaN = unknown, left out.
        as_of : array of times or int microseconds, optional
            Moment of each row; default: the column of the table.
        groups : array, optional
            Rings, persons: what must not be split. Default: the `account_id` of the table.
        sample_weight : array of shape (n,), optional
        dataset : Dataset, optional
            That the rows were computed from. With it the card also says how groups of accounts fare, the audit also
            reads the records, and `trained_on` is completed. `X` must be a table with `account_id`.
        trained_on : TrainedOn, optional
            For the manifest.
        notes : sequence of str
            What a reader of the card must know about the rows; they come before the notes of the training.
        leaks : "note", "refuse" or "ignore"
            What to do with columns and records that tell the label, see `muledetect.model.leakage`: write them into the
            notes, train no model, or do not look for them.
        progress : callable, optional
            Called with the stage.

        Raises
        ------
        ModelError
            If y has not exactly two known values, a column is not numeric, accounts are not those of the data set, or
            `leaks` is "refuse" and there are some.
        OptionError
            If a parameter has an unknown value.
        """
        check_parameters(self.get_params())
        room = HEAP if dataset is None else dataset.room
        table = self._read_new(X, room)
        is_known, is_positive, self.classes_ = known_targets(y)
        rows = training_rows(table, is_known, is_positive, as_of, groups, sample_weight, room)
        table, names = table._replace(values=table.values[:0]), names_of(self)
        source = None if dataset is None else source_of(table, rows, dataset)
        progress("leakage audit", 0.0)
        # Suspicion columns are scores and are made to tell the label, so the audit leaves them out.
        is_own, own_names = ~is_suspicion(names), own_columns(names)
        if leaks == "ignore":
            self.leakage_ = None
        else:
            self.leakage_ = find_leaks(rows.columns(is_own), own_names, source, refuse=leaks == "refuse")
        progress("training", 0.0)
        learnt = learn(rows, Learner(self.get_params(), names, durations_among(names)))
        if len(own_names) < len(names) and not learnt.second:
            rows, self.n_features_in_ = rows.columns(is_own), len(own_names)
            self.feature_names_in_ = np.array(own_names, dtype=object)
        self._keep_trees(rows, learnt, has_moments=as_of is not None or table.as_of is not None)
        self.trained_on_ = trained_on or TrainedOn()
        if dataset is not None:
            told = {name: getattr(dataset, name) for name in ("tick", "currency", "fingerprint")}
            self.trained_on_ = replace(self.trained_on_, **told)
        measured = measure(learnt.held_out, rows, source, has_prior=self.trained_on_.unlabelled == "negative")
        self.held_out_metrics_, self.clear_thresholds_ = measured.metrics, measured.clear_thresholds
        self.fairness_, self.class_prior_ = measured.fairness, measured.class_prior
        judged = learnt.calibrated
        self.trained_on_ = with_prevalence(self.trained_on_, judged.is_positive, judged.weights, self.class_prior_)
        self.notes_ = [
            *notes, *(f"Leakage audit: {text}" for text in self.leakage_ or ()),
            *_notes_on(rows, len(is_known), learnt, self.training_as_of_), *measured.notes,
        ]  # fmt: skip
        return self

    def decision_function(self, X: Features) -> Float64Array:
        """Return the score of each row: mean log-odds of the boosters, float64[n]. Rank by this, not by probability."""
        check_is_fitted(self, "texts_")
        values = self._read_again(X).values
        if not self.second_texts_:
            return self.first_stage(values)
        is_near = is_suspicion(names_of(self))
        return self.first_stage(values[:, ~is_near]) + self.second_stage(values[:, is_near])

    def second_stage(self, values: Float32Array) -> Float64Array:
        """Return what the neighbours add to the score of rows, float64[n].

        Parameters
        ----------
        values : float32[n, n_columns]
            The columns of `feature_names_in_` that are of the family "suspicion", in their order.

        Raises
        ------
        ModelError
            If they are not defined.
        """
        near = np.ascontiguousarray(values)
        if np.isnan(near).all(axis=1).any():  # with scores the counts are defined for every account
            raise ModelError(
                "model: the columns of family 'suspicion' are not defined, as they need scores of a model. Extract "
                "them with `muledetect.model.extract_for(model, dataset, points)`."
            )
        return self._raw_scores(self.second_boosters_, self.second_texts_, near)

    def first_stage(self, values: Float32Array) -> Float64Array:
        """Return the score of rows by their own columns, without what their neighbours add, float64[n].

        Parameters
        ----------
        values : float32[n, n_columns]
            The columns of `feature_names_in_` that are not of the family "suspicion", in their order.
        """
        is_duration = durations_among(own_columns(names_of(self)))
        seen = cap_durations(np.ascontiguousarray(values), is_duration, self.max_duration)
        return self._raw_scores(self.boosters_, self.texts_, seen)

    def _raw_scores(self, boosters: Sequence[Any], texts: Sequence[TreesText], values: Float32Array) -> Float64Array:
        """Return the mean log-odds over a bag; both ways give the same bits."""
        if len(values) < MANY or values.dtype != np.float32:
            return trees.raw_scores(boosters, values, trees.threads(self.n_jobs))
        return packed_once(tuple(texts), values.shape[1]).raw_scores(values)

    def predict_proba(self, X: Features) -> Float64Array:
        """Return calibrated probabilities of both classes, float64[n, 2]."""
        positive = self.probability(self.decision_function(X))
        return np.column_stack([1 - positive, positive])

    def probability(self, score: npt.ArrayLike) -> Float64Array:
        """Return the calibrated probability of scores that `decision_function` gave, float64[n]."""
        if not hasattr(self, "texts_"):  # the check takes longer than a few probabilities
            check_is_fitted(self, "texts_")
        calibrator: Calibrator = self.calibrator_
        probability = calibrator.probability(np.asarray(score, dtype=np.float64))
        found = self.class_prior_
        if found is None or found["is_bound"]:
            return probability
        return correct_probability(probability, found["label_frequency"])

    def predict(self, X: Features) -> npt.NDArray[Any]:
        """Return the likelier class of each row. To raise alerts, take the top of the ranking instead."""
        probability = self.predict_proba(X)[:, 1]
        return np.asarray(self.classes_[(probability > 0.5).astype(int)])

    def explain(
        self,
        X: Features,
        n_reasons: int = 6,
        *,
        n_against: int = 0,
        peers: PeerGroups | None = None,
        currency: str | None = None,
        language: Language = "en",
    ) -> list[list[Reason]]:
        """Return the reasons of each row, the weightiest first; pass only the rows that are shown (some 3 ms each).

        Parameters
        ----------
        X : as in `fit`
        n_reasons : int
            At most so many a row; fewer where fewer behaviours raise the score.
        n_against : int
            At most so many of what lowers the score and so speaks for the account; their contribution is negative.
        peers : PeerGroups, optional
            Beside whom values are read; default: the training negatives.
        currency : str, optional
            In which the amounts of `X` are said, "" for plain minor units; default: the currency of training.
        language : "en" or "th"
            Of the sentences.

        Returns
        -------
        list of lists of dict
            Keys as schema.REASON_TYPE. One reason stands for all columns of a typology code and carries the sum of
            their contributions (log-odds); its feature is the one that contributes most.
        """
        check_is_fitted(self, "texts_")
        values = self._read_again(X).values
        added = self._contributions(values)
        return find_reasons(
            values, added, names_of(self), peers or self.peers_, n_reasons, n_against=n_against, language=language,
            currency=self.trained_on_.currency if currency is None else currency,
        )  # fmt: skip

    def card(self) -> dict[str, Any]:
        """Return the model card as JSON values; `save` writes it beside the model, for programs and for people."""
        check_is_fitted(self, "texts_")
        return card_of(self)

    def save(self, folder: str | PathLike[str], *, overwrite: bool = False) -> None:
        """Write the model as a folder of text and JSON; a process killed at any moment leaves the old or the new one.

        Parameters
        ----------
        folder : path
        overwrite : bool
            Replace files of a model also if they are not ours, or were changed.

        Raises
        ------
        ModelError
            If the folder cannot be written.
        OutputError
            If it holds what may not be replaced, see `muledetect.outputs`.
        """
        check_is_fitted(self, "texts_")
        save_model(self, folder, overwrite=overwrite)

    def _keep_trees(self, rows: Rows, learnt: Learnt, *, has_moments: bool) -> None:
        self.texts_, self.n_trees_, self.calibrator_ = learnt.texts, learnt.n_trees, learnt.calibrator
        self.boosters_ = trees.open_boosters(self.texts_)
        self.second_texts_ = learnt.second
        self.second_boosters_ = trees.open_boosters(self.second_texts_)
        self.n_rows_, self.n_positives_ = len(rows.values), int(rows.is_positive.sum())
        self.peers_ = describe_peers(rows.values[~rows.is_positive])
        self.training_as_of_ = rows.moments if has_moments else ()
        self.calibration_as_of_ = learnt.calibrated.moments if has_moments else ()
        self.__dict__.pop("held_out_", None)
        if learnt.held_out is not None:
            self.held_out_ = learnt.held_out

    def _contributions(self, values: Float32Array) -> Float64Array:
        """Return what each column adds to the score: each stage adds its own, and the score is their sum."""
        names, n_threads = names_of(self), trees.threads(self.n_jobs)
        is_near, added = is_suspicion(names), np.empty(values.shape)
        seen = cap_durations(values, durations_among(names), self.max_duration)
        for columns, boosters in ((~is_near, self.boosters_), (is_near, self.second_boosters_)):
            if columns.any():
                added[:, columns] = trees.contributions(boosters, np.ascontiguousarray(seen[:, columns]), n_threads)
        return added

    def _read_new(self, X: Features, room: Room) -> FeatureTable:
        self.__dict__.pop("feature_names_in_", None)
        if not is_table(X):
            return FeatureTable(self._matrix(X, reset=True), (), None, None)
        table = read_features(X, room=room)
        if not table.names or not len(table.values):
            raise ModelError(
                f"model: the table has {len(table.names)} feature(s) and {len(table.values)} sample(s) "
                "(shape=(0, 0) at worst) while a minimum of 1 is required of each."
            )
        self.feature_names_in_ = np.array(table.names, dtype=object)
        self.n_features_in_ = len(table.names)
        return table

    def _read_again(self, X: Features) -> FeatureTable:
        if is_table(X) and hasattr(self, "feature_names_in_"):
            return read_features(X, names_of(self))
        if is_table(X):
            table = read_features(X)
            if len(table.names) != self.n_features_in_:
                raise ModelError(
                    f"X has {len(table.names)} features, but MuleModel is expecting {self.n_features_in_}."
                )
            return table
        return FeatureTable(self._matrix(X, reset=False), (), None, None)

    def _matrix(self, X: Any, *, reset: bool) -> Float32Array:
        with np.errstate(over="ignore"):
            checked = validate_data(self, X, reset=reset, dtype=np.float32, ensure_all_finite="allow-nan")
        values = np.ascontiguousarray(checked)
        check_finite(values, [f"x{position}" for position in range(values.shape[1])])
        return values


def _notes_on(rows: Rows, n_given: int, learnt: Learnt, moments: Sequence[int]) -> list[str]:
    """Return what was trained on what, as sentences."""
    n_unknown = n_given - len(rows.values)
    first = f"Trained on {len(rows.values):,} rows, {int(rows.is_positive.sum()):,} of them positive"
    notes = [first + (f"; {n_unknown:,} rows of unknown target were left out." if n_unknown else "."), *learnt.notes]
    if moments:
        shown = ", ".join(format_time(moment) for moment in moments[:_MOST_MOMENTS])
        more = len(moments) - _MOST_MOMENTS
        notes.append(f"Trees saw the moments {shown}{f' and {more} more' if more > 0 else ''}.")
    return notes
