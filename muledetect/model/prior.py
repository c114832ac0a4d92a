"""How many mules there are, where only some of them are labelled and nobody else is known to be honest.

>>> from muledetect.model.prior import correct_probability, estimate_prior
>>> held = model.held_out_  # doctest: +SKIP
>>> found = estimate_prior(held.score, held.is_positive, held.weight, groups=held.group)  # doctest: +SKIP
>>> correct_probability(model.probability(score), found.label_frequency)  # doctest: +SKIP

All of it rests on *selected completely at random*: each mule had the same chance c to be labelled, whatever it did.
Banks find easy mules first: those that score high. The top of the ranking then holds more labels than c, so c comes
out too high and the number of mules too low. Late labels break it, too: mules of the last weeks have had less time.
Use it on rows where *unlabelled* stands as 0, not on rows that investigators have cleared.

References
----------
Elkan and Noto (2008), Learning classifiers from only positive and unlabeled data, KDD (estimator e1: `mean`).
Garg, Wu, Smola, Balakrishnan and Lipton (2021), Mixture proportion estimation and PU learning: a modern approach,
NeurIPS (best bin estimation: `top`).
Wilson (1927), Probable inference, the law of succession, and statistical inference, JASA 22.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any, Final, Literal, NamedTuple, get_args

import numpy as np
import numpy.typing as npt
from scipy.stats import norm

from muledetect.arrays import BoolArray, Float64Array
from muledetect.errors import OptionError
from muledetect.model.calibration import fit_calibrator
from muledetect.model.canonical import row_hashes

IntArray = npt.NDArray[np.intp]
Method = Literal["top", "mean"]

#: Labelled rows that the top of the ranking must hold; with fewer, chance decides how pure it looks.
MIN_LABELLED: Final = 10

#: Labelled groups below which drawing groups says nothing.
MIN_GROUPS: Final = 5

#: Where even the purest top of the ranking is labelled more rarely, a poor ranking is the likelier reading.
LEAST_FREQUENCY: Final = 0.25


@dataclass(frozen=True, slots=True)
class ClassPrior:
    """The estimated share of mules among rows of which only some mules are labelled.

    Attributes
    ----------
    prior : float
        Estimated share of mules, labelled or not; NaN with too few labels.
    lower, upper : float
        Interval. The lower end rests on the labels alone: no mule beyond those found. The upper end takes each draw's
        label frequency. It holds however poor the ranking is, the estimate itself only where the top is pure.
    label_frequency : float
        Estimated c = P(labelled | mule), in (0, 1]; NaN with too few labels.
    labelled_share : float
        Share of rows that are labelled as mules.
    is_bound : bool
        Read `upper` only: too few labels, or the ranking is too poor for its top to be mules throughout.
    n_labelled, n_groups : int
        Labelled rows, and groups that they lie in.
    confidence : float
    text : str
        The same in plain words.
    """

    prior: float
    lower: float
    upper: float
    label_frequency: float
    labelled_share: float
    is_bound: bool
    n_labelled: int
    n_groups: int
    confidence: float
    text: str

    def to_json(self) -> dict[str, Any]:
        """Return everything as JSON values; NaN is null."""
        return {
            name: None if isinstance(value, float) and math.isnan(value) else value
            for name, value in asdict(self).items()
        }


class _Rows(NamedTuple):
    """Rows in falling order of score; `group` counts from 0, in an order that names do not decide."""

    score: Float64Array
    is_labelled: BoolArray
    weight: Float64Array
    group: IntArray


def estimate_prior(
    score: npt.ArrayLike,
    is_labelled: npt.ArrayLike,
    weight: npt.ArrayLike | None = None,
    *,
    groups: npt.ArrayLike | None = None,
    method: Method = "top",
    confidence: float = 0.95,
    n_draws: int = 400,
    seed: int = 0,
) -> ClassPrior:
    """Estimate the share of mules among rows that are labelled as mules or not labelled at all.

    Parameters
    ----------
    score : float64[n]
        Log-odds of rows that the trees were not trained on, such as `MuleModel.held_out_`.
    is_labelled : bool[n]
        Labelled as a mule.
    weight : float64[n], optional
        How many rows each row stands for.
    groups : array of shape (n,), optional
        Ring or person of each row; drawn whole. Default: each row is its own.
    method : "top" or "mean"
        `top`: c is the labelled share in the purest top of the ranking. `mean`: c is the mean calibrated probability of
        the labelled rows; far too low where mules and others overlap, as they do, and kept to compare.
    confidence : float, inside (0, 1)
    n_draws : int
        At least 2.
    seed : int

    Returns
    -------
    ClassPrior
        NaN prior and frequency, upper 1 and `is_bound`, with fewer than 10 labelled rows or 5 labelled groups.

    Raises
    ------
    OptionError
        If columns differ in length or are empty, a score or weight is not finite, or an option is out of range.

    Notes
    -----
    With labels selected at random, labelled rows and mules have equal scores in distribution, so among rows above any
    threshold t, labelled / all = c * P(mule | above t) <= c. The t is taken whose Wilson lower bound of this share is
    largest; only t with 10 labelled rows above are looked at. The prior is labelled share / c. The search is repeated
    in every draw. O(n log n + n * draws).
    """
    rows = _checked(score, is_labelled, weight, groups)
    if method not in get_args(Method):
        raise OptionError(f"prior: method must be one of {', '.join(get_args(Method))}; got {method!r}.")
    if not 0 < confidence < 1 or n_draws < 2:
        raise OptionError(
            f"prior: confidence must lie inside (0, 1), n_draws be 2 or more; got {confidence}, {n_draws}."
        )
    n_groups = len(np.unique(rows.group[rows.is_labelled]))
    if n_groups < MIN_GROUPS or int(rows.is_labelled.sum()) < MIN_LABELLED:
        return _unknown(rows, n_groups, _drawn(rows, n_draws, seed, lambda _: math.nan)[:, 0], confidence)
    search = _TopSearch if method == "top" else _MeanProbability
    shares, found = _drawn(rows, n_draws, seed, search(rows, confidence)).T
    lower = float(np.nanquantile(shares[1:], (1 - confidence) / 2))
    upper = min(1.0, float(np.nanquantile(shares[1:] / found[1:], (1 + confidence) / 2)))
    frequency, share = float(found[0]), float(shares[0])
    prior = min(1.0, share / frequency)
    is_bound = frequency < LEAST_FREQUENCY
    return ClassPrior(
        prior, min(lower, prior), max(upper, prior), frequency, share, is_bound, int(rows.is_labelled.sum()), n_groups,
        confidence, _told(prior, upper, frequency, share, is_bound, confidence),
    )  # fmt: skip


def correct_probability(probability: npt.ArrayLike, label_frequency: float) -> Float64Array:
    """Return what a probability of being labelled means for being a mule: min(1, probability / c), float64[n].

    Never falls where the probability rises. A frequency of 1 changes nothing. Rows cut at 1 tie: rank by score.

    Parameters
    ----------
    probability : float64[n]
        Calibrated, where unlabelled counted as 0.
    label_frequency : float
        c of `estimate_prior`, in (0, 1]. Do not correct by one that `is_bound`: it blows all probabilities up.

    Raises
    ------
    OptionError
        If a probability lies outside [0, 1] or the frequency outside (0, 1].
    """
    given = np.asarray(probability, dtype=np.float64)
    if not ((given >= 0) & (given <= 1)).all():
        raise OptionError("prior: probabilities must lie in [0, 1]; give `model.probability(score)`, not scores.")
    if not 0 < label_frequency <= 1:
        raise OptionError(
            f"prior: label_frequency must lie in (0, 1]; got {label_frequency}. With too few labels there is none: "
            "leave probabilities as they are."
        )
    return np.minimum(1.0, given / label_frequency)


class _TopSearch:
    """The labelled share in the purest top of the ranking, for rows of any weight."""

    def __init__(self, rows: _Rows, confidence: float) -> None:
        self._rows = rows
        is_last = np.append(rows.score[1:] != rows.score[:-1], True)
        self._ends = np.flatnonzero(is_last & (np.cumsum(rows.is_labelled) >= MIN_LABELLED))
        self._n_seen = (self._ends + 1).astype(np.float64)
        self._z = float(norm.ppf(confidence))

    def __call__(self, weight: Float64Array) -> float:
        labelled = np.cumsum(weight * self._rows.is_labelled)[self._ends]
        seen = np.cumsum(weight)[self._ends]
        share = np.divide(labelled, seen, out=np.zeros(len(seen)), where=seen > 0)
        best = float(share[int(np.argmax(_wilson_lower(share, self._n_seen, self._z)))])
        return best if best > 0 else math.nan  # a draw without any labelled group tells nothing


class _MeanProbability:
    """The mean calibrated probability of labelled rows; the curve is that of all rows in every draw."""

    def __init__(self, rows: _Rows, _confidence: float) -> None:
        curve, _ = fit_calibrator(rows.score, rows.is_labelled, rows.weight)
        self._probability = curve.probability(rows.score)
        self._is_labelled = rows.is_labelled

    def __call__(self, weight: Float64Array) -> float:
        counted = weight * self._is_labelled
        total = float(counted.sum())
        return float((counted * self._probability).sum()) / total if total > 0 else math.nan


def _wilson_lower(share: Float64Array, n: Float64Array, z: float) -> Float64Array:
    spread = z * np.sqrt(share * (1 - share) / n + (z / (2 * n)) ** 2)
    return np.asarray((share + z**2 / (2 * n) - spread) / (1 + z**2 / n), dtype=np.float64)


def _drawn(rows: _Rows, n_draws: int, seed: int, frequency: Callable[[Float64Array], float]) -> Float64Array:
    """Return labelled share and label frequency of all rows, then of each draw of groups, float64[1 + n_draws, 2]."""
    rng, n_groups = np.random.default_rng(seed), int(rows.group.max()) + 1
    found = np.empty((1 + n_draws, 2))
    found[0] = _share(rows.is_labelled, rows.weight), frequency(rows.weight)
    for nth in range(1, 1 + n_draws):
        times = np.bincount(rng.integers(0, n_groups, n_groups), minlength=n_groups)
        weight = rows.weight * times[rows.group]
        found[nth] = _share(rows.is_labelled, weight), frequency(weight)
    return found


def _share(is_labelled: BoolArray, weight: Float64Array) -> float:
    total = float(weight.sum())
    return float((weight * is_labelled).sum()) / total if total > 0 else math.nan


def _unknown(rows: _Rows, n_groups: int, shares: Float64Array, confidence: float) -> ClassPrior:
    n_labelled = int(rows.is_labelled.sum())
    text = (
        f"{n_labelled:,} labelled rows in {n_groups:,} groups are too few to say how many mules were not found; at "
        f"least {MIN_LABELLED} in {MIN_GROUPS} are needed. {shares[0]:.3%} of rows are labelled as mules."
    )
    lower = float(np.nanquantile(shares[1:], (1 - confidence) / 2))
    return ClassPrior(math.nan, lower, 1.0, math.nan, float(shares[0]), True, n_labelled, n_groups, confidence, text)


def _told(prior: float, upper: float, frequency: float, share: float, is_bound: bool, confidence: float) -> str:
    if is_bound:
        return (
            f"At most {upper:.3%} of rows are mules at {confidence:.0%} confidence; {share:.3%} are labelled. Even at "
            f"the top of the ranking only {frequency:.1%} are labelled: the ranking is too poor, or labels too few, to "
            "say more. If labels were given to mules at random."
        )
    return (
        f"About {prior:.3%} of rows are mules (at most {upper:.3%} at {confidence:.0%} confidence); {share:.3%} are "
        f"labelled, so about {frequency:.0%} of mules have been found. If labels were given to mules at random; where "
        "easy mules are found first, there are more."
    )


def _checked(
    score: npt.ArrayLike, is_labelled: npt.ArrayLike, weight: npt.ArrayLike | None, groups: npt.ArrayLike | None
) -> _Rows:
    scores, labelled = np.asarray(score, dtype=np.float64), np.asarray(is_labelled, dtype=np.bool_)
    weights = np.ones(len(scores)) if weight is None else np.asarray(weight, dtype=np.float64)
    group = np.arange(len(scores)) if groups is None else np.unique(np.asarray(groups), return_inverse=True)[1]
    if scores.ndim != 1 or not len(scores) or not scores.shape == labelled.shape == weights.shape == group.shape:
        raise OptionError("prior: score, is_labelled, weight and groups must be equally long columns, not empty.")
    if not np.isfinite(scores).all() or not (np.isfinite(weights) & (weights >= 0)).all() or not weights.any():
        raise OptionError("prior: scores must be finite; weights finite, not negative, and not zero in all rows.")
    # groups are numbered by their content, so that draws know neither names nor the order of rows
    hashes = row_hashes(np.empty((len(scores), 0), np.float32), scores, labelled.astype(np.int64), weights)
    content = np.zeros(int(group.max()) + 1, dtype=np.uint64)
    np.add.at(content, group, hashes)
    rank = np.empty(len(content), dtype=np.intp)
    rank[np.argsort(content, kind="stable")] = np.arange(len(content))
    order = np.lexsort((rank[group], weights, labelled, -scores))
    return _Rows(scores[order], labelled[order], weights[order], rank[group][order])


__all__ = ["ClassPrior", "correct_probability", "estimate_prior"]
