"""`MuleModel`: scikit-learn's estimator API around a bag of boosted trees and a calibrator."""

# ruff: noqa: N803 (scikit-learn calls it X)

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from os import PathLike
from typing import Any, Final, Literal, NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_consistent_length, check_is_fitted, column_or_1d, validate_data

from muledetect.arrays import Float32Array
from muledetect.clock import SECOND, Duration, format_time, parse_duration
from muledetect.errors import ModelError
from muledetect.markup import SUSPICION, build_card, build_details, build_facts, build_list
from muledetect.model import trees
from muledetect.model.calibration import MIN_POSITIVES, Calibrator, fit_calibrator, losses_when_calibrated
from muledetect.model.canonical import group_folds, row_hashes
from muledetect.model.card import clear_thresholds, describe_held_out
from muledetect.model.directions import directions
from muledetect.model.options import check_parameters
from muledetect.model.peers import NearPeers, Peers, describe_peers
from muledetect.model.prior import correct_probability, estimate_prior
from muledetect.model.reasons import Reason, durations_among, find_reasons
from muledetect.model.table import FeatureTable, check_finite, is_table, moments, read_features
from muledetect.model.tree_text import TreesText
from muledetect.records.currency import decimals_of

Float64Array = npt.NDArray[np.float64]
Int64Array = npt.NDArray[np.int64]
BoolArray = npt.NDArray[np.bool_]
Features: TypeAlias = "pa.Table | pd.DataFrame | npt.ArrayLike"

_N_FOLDS: Final = 3

#: Training moments that a notebook shows.
_MOST_MOMENTS: Final = 4

#: The number of trees is chosen among multiples of this.
_STEP: Final = 25

#: A tree sees at least so many columns, or all, however small `colsample_bytree` is.
_LEAST_COLUMNS: Final = 20


@dataclass(frozen=True, slots=True)
class TrainedOn:
    """What the feature table itself does not say of its origin; kept in the manifest."""

    target: str = ""
    pack: str = ""
    tick: int = 0
    currency: str = ""
    fingerprint: str = ""
    unlabelled: str = "unknown"


class HeldOut(NamedTuple):
    """Scores of training rows by trees that did not see them: what calibration, thresholds and the card rest on.

    score : float64[n], is_positive : bool[n], weight : float64[n], group : int64[n], position : int64[n] in X,
    account : int64[n].
    """

    score: Float64Array
    is_positive: BoolArray
    weight: Float64Array
    group: Int64Array
    position: Int64Array
    account: Int64Array


class _Rows(NamedTuple):
    """Training rows with known target, in canonical order."""

    values: Float32Array
    is_positive: BoolArray
    weight: Float64Array | None
    as_of: Int64Array
    group: Int64Array
    hashes: npt.NDArray[np.uint64]
    position: Int64Array
    account: Int64Array

    def take(self, rows: BoolArray | npt.NDArray[np.intp]) -> _Rows:
        weight = None if self.weight is None else self.weight[rows]
        return _Rows(
            self.values[rows], self.is_positive[rows], weight, self.as_of[rows], self.group[rows], self.hashes[rows],
            self.position[rows], self.account[rows],
        )  # fmt: skip

    @property
    def weights(self) -> Float64Array:
        return np.ones(len(self.values)) if self.weight is None else self.weight


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
    held_out_metrics_ : dict
        How well `held_out_` was ranked; see `muledetect.model.card.describe_held_out`.
    clear_thresholds_ : list of dict
        Scores below which accounts may be cleared unseen; see `muledetect.model.thresholds.ClearThreshold`.
    fairness_, leakage_ : list
        Rates by group of accounts, filled by `muledetect.pipeline.train`, and what a leakage audit found (None: not
        run).
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
            f"{self.n_features_in_:,} features, configuration {self._configuration()}"
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
            build_facts({"configuration": self._configuration()}), *parts,
            build_details("held out: how well rows were ranked that the trees had not seen", build_facts(held)),
            build_details(f"{len(self.notes_):,} notes", build_list(self.notes_)), note=SUSPICION,
        )  # fmt: skip

    def _configuration(self) -> str:
        from muledetect.model.store import config_hash  # noqa: PLC0415 (store needs this class to load)

        return config_hash(self)[:12]

    def fit(
        self,
        X: Features,
        y: npt.ArrayLike,
        *,
        as_of: npt.ArrayLike | None = None,
        groups: npt.ArrayLike | None = None,
        sample_weight: npt.ArrayLike | None = None,
        trained_on: TrainedOn | None = None,
    ) -> MuleModel:
        """Train trees and calibrator.

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
        trained_on : TrainedOn, optional
            For the manifest.

        Raises
        ------
        ModelError
            If y has not exactly two known values, or a column is not numeric.
        OptionError
            If a parameter has an unknown value.
        """
        table = self._read_new(X)
        rows = self._known_rows(table, y, as_of, groups, sample_weight)
        self.notes_ = self._first_notes
        self.__dict__.pop("held_out_", None)
        self.clear_thresholds_: list[dict[str, Any]] = []
        self.held_out_metrics_: dict[str, float] = {}
        self.fairness_: list[dict[str, Any]] = []
        self.leakage_: list[str] | None = None
        self.class_prior_: dict[str, Any] | None = None
        self.trained_on_ = trained_on or TrainedOn()
        later, why = _later_rows(rows)
        if later is None:
            self._fit_across_folds(rows, why)
        else:
            self._fit_before(rows, later)
        if self.trained_on_.unlabelled == "negative":
            self._estimate_prior()
        self.boosters_ = trees.open_boosters(self.texts_)
        return self

    def decision_function(self, X: Features) -> Float64Array:
        """Return the score of each row: mean log-odds of the boosters, float64[n]. Rank by this, not by probability."""
        check_is_fitted(self, "texts_")
        values = self._seen_by_trees(self._read_again(X).values)
        return trees.raw_scores(self.boosters_, values, trees.threads(self.n_jobs))

    def predict_proba(self, X: Features) -> Float64Array:
        """Return calibrated probabilities of both classes, float64[n, 2]."""
        positive = self.probability(self.decision_function(X))
        return np.column_stack([1 - positive, positive])

    def probability(self, score: npt.ArrayLike) -> Float64Array:
        """Return the calibrated probability of scores that `decision_function` gave, float64[n]."""
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
        peers: NearPeers | None = None,
        currency: str | None = None,
    ) -> list[list[Reason]]:
        """Return the reasons of each row, the weightiest first; pass only the rows that are shown (some 3 ms each).

        Parameters
        ----------
        X : as in `fit`
        n_reasons : int
            At most so many a row; fewer where fewer behaviours raise the score.
        n_against : int
            At most so many of what lowers the score and so speaks for the account; their contribution is negative.
        peers : NearPeers, optional
            Beside whom values are read; default: the training negatives.
        currency : str, optional
            In which the amounts of `X` are said, "" for plain minor units; default: the currency of training.

        Returns
        -------
        list of lists of dict
            Keys as schema.REASON_TYPE. One reason stands for all columns of a typology code and carries the sum of
            their contributions (log-odds); its feature is the one that contributes most.
        """
        check_is_fitted(self, "texts_")
        values = self._read_again(X).values
        added = trees.contributions(self.boosters_, self._seen_by_trees(values), trees.threads(self.n_jobs))
        minor_units = 10 ** decimals_of(self.trained_on_.currency if currency is None else currency)
        return find_reasons(values, added, self._names(), peers or self.peers_, n_reasons, minor_units, n_against)

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
        from muledetect.model.store import save_model  # noqa: PLC0415 (store needs this class to load)

        check_is_fitted(self, "texts_")
        save_model(self, folder, overwrite=overwrite)

    def _names(self) -> list[str]:
        if hasattr(self, "feature_names_in_"):
            return [str(name) for name in self.feature_names_in_]
        return [f"x{position}" for position in range(self.n_features_in_)]

    def _seen_by_trees(self, values: Float32Array) -> Float32Array:
        is_duration = durations_among(self._names())
        if self.max_duration is None or not is_duration.any():
            return values
        capped = values.copy()
        capped[:, is_duration] = np.minimum(values[:, is_duration], parse_duration(self.max_duration) / SECOND)
        return capped

    def _read_new(self, X: Features) -> FeatureTable:
        check_parameters(self.get_params())
        self.__dict__.pop("feature_names_in_", None)
        if not is_table(X):
            return FeatureTable(self._matrix(X, reset=True), (), None, None)
        table = read_features(X)
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
            return read_features(X, self._names())
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

    def _known_rows(self, table: FeatureTable, y: Any, as_of: Any, groups: Any, sample_weight: Any) -> _Rows:
        target = column_or_1d(y, warn=True) if y is not None else None
        if target is None:
            raise ModelError("model: requires y to be passed, but the target y is None.")
        check_consistent_length(table.values, target, as_of, groups, sample_weight)
        is_known = ~pd.isna(target)
        n_unknown = int((~is_known).sum())
        known = target[is_known]
        if known.dtype == object and all(isinstance(value, int | float) for value in known[:1]):
            known = known.astype(np.float64)
        if known.dtype.kind == "f" and np.isinf(known).any():
            raise ModelError("model: Input y contains infinity; it must be 1, 0 or NaN (unknown).")
        check_classification_targets(known)
        self.classes_ = np.unique(known)
        self._check_classes()
        is_positive = known == self.classes_[1]
        moment = moments(as_of) if as_of is not None else table.as_of
        self._has_moments = moment is not None
        weight = None if sample_weight is None else column_or_1d(sample_weight).astype(np.float64)[is_known]
        if weight is not None and (not np.isfinite(weight).all() or (weight < 0).any() or not weight.sum() > 0):
            raise ModelError("model: sample_weight must be finite, not negative, and not zero in all rows.")
        values = table.values[is_known]
        at = np.zeros(len(values), dtype=np.int64) if moment is None else moment[is_known]
        whose = groups if groups is not None else table.account_id
        group = np.arange(len(values)) if whose is None else _group_codes(np.asarray(whose)[is_known])
        hashes = row_hashes(values, is_positive.astype(np.int64), at, weight)
        self._first_notes = [
            f"Trained on {len(values):,} rows, {int(is_positive.sum()):,} of them positive"
            + (f"; {n_unknown:,} rows of unknown target were left out." if n_unknown else ".")
        ]
        position = np.flatnonzero(is_known)
        account = position if table.account_id is None else _group_codes(np.asarray(table.account_id)[is_known])
        rows = _Rows(values, is_positive, weight, at, group, hashes, position, account)
        return rows.take(np.argsort(hashes, kind="stable"))

    def _check_classes(self) -> None:
        if len(self.classes_) == 1:
            raise ModelError(
                f"model: y holds one class only ({self.classes_[0]!r}); both positives and negatives are needed. "
                "Choose an earlier or later moment, or check the labels."
            )
        if len(self.classes_) != 2:
            raise ModelError(
                f"Only binary classification is supported. The type of the target is not binary: "
                f"y holds {len(self.classes_)} classes; it must be 1, 0 or NaN (unknown)."
            )

    def _grow(self, rows: _Rows, jobs: Sequence[trees.Job], n_trees: int) -> list[TreesText]:
        parameters: dict[str, Any] = {
            "learning_rate": self.learning_rate,
            "num_leaves": self.num_leaves,
            "min_data_in_leaf": self.min_child_samples,
            "feature_fraction": min(1.0, max(self.colsample_bytree, _LEAST_COLUMNS / rows.values.shape[1])),
            "bagging_fraction": self.subsample,
            "lambda_l2": self.reg_lambda,
            "max_bin": self.max_bin,
        }
        if self.monotone:
            parameters |= {
                "monotone_constraints": directions(self._names()),
                "monotone_constraints_method": "intermediate",
            }
        weight = rows.weight
        if self.positive_weight is not None:
            n_positive = int(rows.is_positive.sum())
            ratio = (len(rows.values) - n_positive) / n_positive
            factor = ratio if self.positive_weight == "balanced" else ratio**0.5
            weight = rows.weights * np.where(rows.is_positive, factor, 1.0)
        return trees.grow(
            self._seen_by_trees(rows.values),
            rows.is_positive,
            weight,
            parameters,
            n_trees=n_trees,
            jobs=jobs,
            n_threads=trees.threads(self.n_jobs),
        )

    def _bag(self) -> list[trees.Job]:
        return [trees.Job(int(self.random_state or 0) * 1_000 + nth + 1) for nth in range(self.n_bags)]

    def _calibrate(self, score: Float64Array, rows: _Rows, how: str) -> None:
        kind = None if self.calibration == "auto" else self.calibration
        self.held_out_ = HeldOut(score, rows.is_positive, rows.weights, rows.group, rows.position, rows.account)
        self.clear_thresholds_ = clear_thresholds(self.held_out_)
        self.held_out_metrics_ = describe_held_out(self.held_out_)
        self.calibrator_, fitted = fit_calibrator(score, rows.is_positive, rows.weights, kind=kind)
        self.notes_.append(f"Calibration: {fitted}; {how}.")

    def _estimate_prior(self) -> None:
        if not hasattr(self, "held_out_"):
            return
        held = self.held_out_
        found = estimate_prior(held.score, held.is_positive, held.weight, groups=held.group)
        self.class_prior_ = found.to_json()
        self.notes_.append(f"Unlabelled rows counted as negative. {found.text}")

    def _fit_before(self, rows: _Rows, later: BoolArray) -> None:
        """Choose the number of trees and calibrate on later rows of groups that had not been positive; then train all.

        The trees that are kept see every row; the calibrator knows them from trees of the same kind, grown before.
        """
        earlier, unseen = rows.take(rows.as_of < rows.as_of[later].min()), rows.take(later)
        stages = self._stages(self._grow(earlier, self._bag(), self.n_estimators), unseen)
        self._calibrate(
            self._stop_early(stages, unseen),
            unseen,
            f"on {len(unseen.values):,} rows later than what trees grown for it saw, without groups positive before",
        )
        self.texts_ = self._grow(rows, self._bag(), self.n_trees_)
        self._remember(rows, unseen)

    def _fit_across_folds(self, rows: _Rows, why: str) -> None:
        """Train on all rows; calibrate by predictions for folds that the predicting trees did not see."""
        n_folds = min(
            _N_FOLDS, len(np.unique(rows.group[rows.is_positive])), len(np.unique(rows.group[~rows.is_positive]))
        )
        if n_folds < 2:
            self.n_trees_ = self.n_estimators
            self.texts_ = self._grow(rows, self._bag(), self.n_trees_)
            score = self._stages(self.texts_, rows)[-1]
            self.calibrator_ = fit_calibrator(score, rows.is_positive, rows.weights, kind="shift")[0]
            self.notes_.append(
                "Calibration: only the mean was matched, on the training rows themselves, for all of one class lies in "
                "one group; read probabilities as a ranking."
            )
        else:
            fold = group_folds(_dense(rows.group), rows.hashes, rows.is_positive, n_folds)
            held_out = [trees.Job(self._bag()[0].seed, np.flatnonzero(fold != nth)) for nth in range(n_folds)]
            texts = self._grow(rows, [*self._bag(), *held_out], self.n_estimators)
            self.n_trees_, self.texts_ = self.n_estimators, texts[: self.n_bags]
            score = np.empty(len(fold))
            for nth, text in enumerate(texts[self.n_bags :]):
                score[fold == nth] = self._stages([text], rows.take(fold == nth))[-1]
            self._calibrate(score, rows, f"by {n_folds} folds that keep groups whole, {why}")
        self._remember(rows, rows)

    def _stages(self, texts: Sequence[TreesText], rows: _Rows) -> Float64Array:
        boosters = [trees.open_booster(text) for text in texts]
        return trees.staged_scores(boosters, self._seen_by_trees(rows.values), _STEP, trees.threads(self.n_jobs))

    def _stop_early(self, stages: Float64Array, rows: _Rows) -> Float64Array:
        """Set the number of trees by rows that the trees did not see, and return the scores of these rows then.

        As many trees are kept as lose no more than the best number does, by more than a standard error of the
        difference: a flat curve says nothing. Folds of one time do not stop trees: they end too early for what comes
        later (decision 015).
        """
        self.n_trees_, kept = self.n_estimators, len(stages) - 1
        if self.early_stopping and int(rows.is_positive.sum()) >= MIN_POSITIVES:
            order = np.lexsort((rows.weights, rows.is_positive, stages[-1]))
            sought, weight = rows.is_positive[order], rows.weights[order]
            losses = np.array([losses_when_calibrated(stage[order], sought, weight) for stage in stages])
            share = weight / weight.sum()
            excess = losses - losses[np.argmin(losses @ share)]
            mean = excess @ share
            error = np.sqrt((excess - mean[:, None]) ** 2 @ share**2)
            kept = int(np.flatnonzero(mean <= error)[-1])
            self.n_trees_ = min((kept + 1) * _STEP, self.n_estimators)
            self.notes_.append(f"Early stopping: {self.n_trees_} of {self.n_estimators} trees are kept.")
        return np.asarray(stages[kept])

    def _remember(self, trained: _Rows, calibrated: _Rows) -> None:
        self.training_as_of_ = _moments_of(trained) if self._has_moments else ()
        self.calibration_as_of_ = _moments_of(calibrated) if self._has_moments else ()
        self.n_rows_, self.n_positives_ = len(trained.values), int(trained.is_positive.sum())
        self.peers_: Peers = describe_peers(trained.values[~trained.is_positive])
        if self.training_as_of_:
            shown = ", ".join(format_time(moment) for moment in self.training_as_of_[:5])
            more = len(self.training_as_of_) - 5
            self.notes_.append(f"Trees saw the moments {shown}{f' and {more} more' if more > 0 else ''}.")


def _later_rows(rows: _Rows) -> tuple[BoolArray | None, str]:
    """Choose the latest moments with enough new positives for the calibrator, or say why there are none.

    A group that was positive before is left out there: its later rows say nothing about how the trees do on others.
    The trees keep at least half of the positive rows, and twice as many positive groups as the calibrator takes:
    starved trees cost more than a calibrator of folds.
    """
    at = np.unique(rows.as_of)
    if len(at) < 2:
        return None, "as all rows are of one moment"
    n_groups = int(rows.group.max()) + 1
    for first in at[:0:-1]:
        is_later = rows.as_of >= first
        was_positive = np.zeros(n_groups, dtype=bool)
        was_positive[rows.group[rows.is_positive & ~is_later]] = True
        is_new = is_later & ~was_positive[rows.group]
        n_new_groups = len(np.unique(rows.group[rows.is_positive & is_new]))
        n_kept = int(rows.is_positive[~is_later].sum())
        is_starved = 2 * n_kept < rows.is_positive.sum() or was_positive.sum() < 2 * n_new_groups
        if n_kept < MIN_POSITIVES or is_starved:
            break
        if int(rows.is_positive[is_new].sum()) >= MIN_POSITIVES and not rows.is_positive[is_new].all():
            return is_new, ""
    return None, f"as no later moments hold {MIN_POSITIVES} new positives after twice as many earlier ones"


def _group_codes(groups: npt.NDArray[Any]) -> Int64Array:
    """Number groups from 0; a row without a group is one of its own."""
    codes = pd.factorize(groups)[0].astype(np.int64)
    is_alone = codes < 0
    codes[is_alone] = codes.max(initial=-1) + 1 + np.arange(int(is_alone.sum()))
    return codes


def _dense(group: Int64Array) -> Int64Array:
    return np.unique(group, return_inverse=True)[1].astype(np.int64)


def _moments_of(rows: _Rows) -> tuple[int, ...]:
    return tuple(int(moment) for moment in np.unique(rows.as_of))
