"""From mean log-odds of the trees to a probability, by as much fitting as the number of positives allows."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final, Literal

import numpy as np
import numpy.typing as npt
from scipy.optimize import brentq
from scipy.special import expit
from sklearn.isotonic import IsotonicRegression

from muledetect.arrays import Float64Array
from muledetect.errors import ModelError

Kind = Literal["shift", "logistic", "isotonic"]

#: With fewer positives than this, two parameters cannot be fitted honestly; only the prior is corrected.
MIN_POSITIVES: Final = 20

#: From this many positives on, the shape is fitted freely.
MIN_POSITIVES_ISOTONIC: Final = 1_000

#: Isotonic steps are merged down to at most this many knots, which bounds what a model folder holds.
_MAX_KNOTS: Final = 1_000


@dataclass(frozen=True, slots=True)
class Calibrator:
    """A monotone map from log-odds to probability.

    `shift` and `logistic`: sigmoid(slope * score + intercept). `isotonic`: linear between knots.
    """

    kind: Kind
    slope: float = 1.0
    intercept: float = 0.0
    knots: tuple[tuple[float, float], ...] = ()

    def probability(self, score: Float64Array) -> Float64Array:
        """Return the probability of each score, float64, inside (0, 1)."""
        if self.kind == "isotonic":
            at, value = _columns(self.knots)
            return np.asarray(np.interp(score, at, value), dtype=np.float64)
        return np.asarray(expit(self.slope * score + self.intercept), dtype=np.float64)

    def to_json(self) -> dict[str, Any]:
        """Return the calibrator as JSON numbers."""
        if self.kind == "isotonic":
            return {"kind": self.kind, "knots": [list(knot) for knot in self.knots]}
        return {"kind": self.kind, "slope": self.slope, "intercept": self.intercept}


@lru_cache(maxsize=8)
def _columns(knots: tuple[tuple[float, float], ...]) -> Float64Array:
    """Return scores and probabilities of knots, float64[2, n]; they are asked for often."""
    columns: Float64Array = np.array(knots).T.copy()
    columns.flags.writeable = False
    return columns


def calibrator_from_json(content: Mapping[str, Any]) -> Calibrator:
    """Read a calibrator back.

    Raises
    ------
    ModelError
        If it is none, holds a number that is not finite, or falls anywhere.
    """
    try:
        kind = content["kind"]
        if kind == "isotonic":
            knots = tuple((float(at), float(value)) for at, value in content["knots"])
            steps = np.array(knots)
            is_sound = 2 <= len(knots) <= _MAX_KNOTS and bool(np.isfinite(steps).all())
            is_sound = is_sound and bool((np.diff(steps[:, 0]) > 0).all() and (np.diff(steps[:, 1]) >= 0).all())
            is_sound = is_sound and knots[0][1] >= 0 and knots[-1][1] <= 1
            calibrator = Calibrator("isotonic", knots=knots)
        else:
            calibrator = Calibrator(kind, float(content["slope"]), float(content["intercept"]))
            is_sound = kind in ("shift", "logistic") and calibrator.slope > 0
            is_sound = is_sound and math.isfinite(calibrator.slope) and math.isfinite(calibrator.intercept)
    except (KeyError, TypeError, ValueError) as error:
        raise ModelError(f"manifest: 'calibrator' cannot be read ({error}). Train the model again.") from error
    if not is_sound:
        raise ModelError("manifest: 'calibrator' is not a rising curve of finite numbers. Train the model again.")
    return calibrator


def fit_calibrator(
    score: Float64Array, is_positive: npt.NDArray[np.bool_], weight: Float64Array, *, kind: Kind | None = None
) -> tuple[Calibrator, str]:
    """Fit the calibrator that the number of positives allows; return it and a sentence on what was done.

    Parameters
    ----------
    score : float64[n]
        Log-odds of rows that the model was not trained on.
    is_positive : bool[n]
    weight : float64[n]
    kind : optional
        Instead of the choice by the number of positives.
    """
    # floating sums depend on the order of rows, and which of two equal rows comes first may hang on a name
    order = np.lexsort((weight, is_positive, score))
    score, is_positive, weight = score[order], is_positive[order], weight[order]
    n_positive = int(is_positive.sum())
    rare = min(n_positive, len(is_positive) - n_positive)
    if kind is None:
        kind = "isotonic" if rare >= MIN_POSITIVES_ISOTONIC else "logistic" if rare >= MIN_POSITIVES else "shift"
    if kind == "isotonic":
        return _fit_isotonic(score, is_positive, weight), f"isotonic curve fitted on {n_positive:,} positives"
    if kind == "logistic":
        slope, intercept = _fit_logistic(score, is_positive, weight)
        if slope > 0:
            return Calibrator("logistic", slope, intercept), f"logistic curve fitted on {n_positive:,} positives"
    calibrator = _fit_shift(score, is_positive, weight)
    why = (
        f"{rare:,} cases of the rarer class are fewer than {MIN_POSITIVES}"
        if rare < MIN_POSITIVES
        else ("scores did not rise with the target")
    )
    return calibrator, f"only the mean was matched, for {why}; read probabilities as a ranking"


def _fit_logistic(score: Float64Array, is_positive: npt.NDArray[np.bool_], weight: Float64Array) -> tuple[float, float]:
    """Weighted logistic regression on one column by Newton's method.

    The targets are softened as Platt (1999) proposes, so that the optimum is finite where classes do not overlap.
    """
    n_positive, n_negative = float(weight[is_positive].sum()), float(weight[~is_positive].sum())
    goal = np.where(is_positive, (n_positive + 1) / (n_positive + 2), 1 / (n_negative + 2))
    centre, spread = float(score.mean()), float(score.std()) or 1.0
    x = np.column_stack([(score - centre) / spread, np.ones(len(score))])
    beta = np.array([0.0, math.log((n_positive + 1) / (n_negative + 1))])
    loss = _log_loss(x @ beta, goal, weight)
    for _ in range(100):
        p = expit(x @ beta)
        gradient = x.T @ (weight * (p - goal))
        curvature = (x * (weight * p * (1 - p))[:, None]).T @ x + 1e-9 * np.eye(2)
        step = np.linalg.solve(curvature, gradient)
        while (stepped := _log_loss(x @ (beta - step), goal, weight)) > loss and np.abs(step).max() > 1e-12:
            step = step / 2
        beta, gain, loss = beta - step, loss - stepped, stepped
        if gain <= 1e-12 * abs(loss):
            break
    slope = float(beta[0]) / spread
    return slope, float(beta[1]) - slope * centre


def losses_when_calibrated(
    score: Float64Array, is_positive: npt.NDArray[np.bool_], weight: Float64Array
) -> Float64Array:
    """Return the log loss of each row after the best logistic curve, float64[n].

    It judges what the order of the scores and their relative distances tell, not how overconfident they are, which
    calibration mends anyway: the number of trees is chosen by it (Berta, Holzmueller, Jordan and Bach 2025).
    """
    slope, intercept = _fit_logistic(score, is_positive, weight)
    log_odds = max(slope, 0.0) * score + intercept
    return np.asarray(np.logaddexp(0.0, log_odds) - np.where(is_positive, log_odds, 0.0), dtype=np.float64)


def _log_loss(log_odds: Float64Array, goal: Float64Array, weight: Float64Array) -> float:
    return float((weight * (np.logaddexp(0.0, log_odds) - goal * log_odds)).sum())


def _fit_shift(score: Float64Array, is_positive: npt.NDArray[np.bool_], weight: Float64Array) -> Calibrator:
    """Move all log-odds by one number so that the mean probability is the share of positives."""
    n = float(weight.sum())
    share = min(max(float(weight[is_positive].sum()) / n, 0.5 / (n + 1)), 1 - 0.5 / (n + 1))

    def excess(shift: float) -> float:
        return float((weight * expit(score + shift)).sum()) / n - share

    reach = float(np.abs(score).max(initial=0.0)) + abs(math.log(share / (1 - share))) + 1
    return Calibrator("shift", 1.0, float(brentq(excess, -reach, reach)))


def _fit_isotonic(score: Float64Array, is_positive: npt.NDArray[np.bool_], weight: Float64Array) -> Calibrator:
    least = 0.5 / (len(score) + 1)
    curve = IsotonicRegression(y_min=least, y_max=1 - least, out_of_bounds="clip")
    curve.fit(score, is_positive.astype(np.float64), sample_weight=weight)
    at, value = curve.X_thresholds_, curve.y_thresholds_
    if len(at) == 1:
        at, value = np.array([at[0], at[0] + 1.0]), np.repeat(value, 2)
    kept = np.unique(np.linspace(0, len(at) - 1, min(len(at), _MAX_KNOTS)).round().astype(int))
    return Calibrator("isotonic", knots=tuple(zip(at[kept].tolist(), value[kept].tolist(), strict=True)))
