"""Below which score an account may be cleared unseen, and above which score an alert is raised.

References
----------
Bates, Angelopoulos, Lei, Malik and Jordan (2021), Distribution-free, risk-controlling prediction sets, J. ACM 68 (6).
Angelopoulos, Bates, Fisch, Lei and Schuster (2022), Conformal risk control, arXiv:2208.02814.
Clopper and Pearson (1934), The use of confidence or fiducial limits, Biometrika 26 (4).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.special import xlogy
from scipy.stats import binom

from muledetect.arrays import Float64Array
from muledetect.clock import DAY
from muledetect.errors import ModelError, OptionError


@dataclass(frozen=True, slots=True)
class ClearThreshold:
    """Accounts with a score below `score` may be cleared; -inf clears nobody.

    With `confidence`, at most `share` of the mules lie below. `expected_share` bounds that share in the mean over
    draws of the held-out mules at a threshold fixed beforehand, `cleared_share` is the part of all rows that lies
    below. `blocks` says what is independent: ring or account.
    """

    score: float
    share: float
    confidence: float
    n_positives: int
    n_groups: int
    expected_share: float
    cleared_share: float
    text: str
    blocks: str = "ring"

    def to_json(self) -> dict[str, Any]:
        """Return the threshold as JSON values; a score of -inf is null."""
        return {**asdict(self), "score": self.score if math.isfinite(self.score) else None}


def clear_threshold(
    score: npt.ArrayLike,
    is_positive: npt.ArrayLike,
    weight: npt.ArrayLike | None = None,
    *,
    groups: npt.ArrayLike | None = None,
    share: float = 0.01,
    confidence: float = 0.95,
) -> ClearThreshold:
    """Return the highest threshold below which, with the stated confidence, lie at most `share` of all mules.

    Parameters
    ----------
    score : float64[n]
        Scores of rows that the model was not trained on.
    is_positive : bool[n]
    weight : float64[n], optional
        How many rows each row stands for; only `cleared_share` uses it.
    groups : array of shape (n,), optional
        Ring or person of each row. Default: each row is its own.
    share, confidence : float, inside (0, 1)

    Returns
    -------
    ClearThreshold
        Score -inf, with a text that says why, where too few positives are there.

    Raises
    ------
    OptionError
        If columns differ in length, a score is NaN, or an option is out of range.

    Notes
    -----
    Groups are independent; inside a group anything may go. Every mule counts alike, so a group of N mules of which B
    lie below adds B / N_max, a number in [0, 1]. With m groups and n mules, a true share above `share` makes the mean
    of these numbers exceed mu = share * n / (N_max * m). The chance of a sum as small as the observed x is then at
    most min(exp(-m KL(x/m, mu)), e P(Bin(m, mu) <= ceil(x))) (Hoeffding-Bentkus, valid for unequal groups too); where
    all groups are single it is exactly P(Bin(n, share) <= x), which is Clopper and Pearson's bound. As the share grows
    with the threshold, the highest threshold that passes needs no correction for having looked at many (Bates et al.).
    O(n log n).
    """
    scores, positive, weights, block = _checked(score, is_positive, weight, groups)
    if not 0 < share < 1 or not 0 < confidence < 1:
        raise OptionError(f"threshold: share and confidence must lie inside (0, 1); got {share} and {confidence}.")
    found = np.sort(scores[positive])
    n, sizes = len(found), np.unique(block[positive], return_counts=True)[1]
    largest, m = int(sizes.max(initial=1)), len(sizes)
    below = np.searchsorted(found, found, side="left")
    passes = _chance(below, n, m, largest, share) <= 1 - confidence if n else np.zeros(0, dtype=bool)
    if not passes.any():
        text = (
            f"Nobody may be cleared: {n:,} mules in {m:,} groups (the largest of {largest:,}) are too few to promise "
            f"at {confidence:.0%} confidence that at most {share:.2%} of mules are cleared."
        )
        return ClearThreshold(-math.inf, share, confidence, n, m, 0.0, 0.0, text)
    at = int(np.flatnonzero(passes)[-1])
    cut, n_below = float(found[at]), int(below[at])
    # fsum gives the same bits in any order of rows
    cleared = math.fsum(weights[scores < cut]) / math.fsum(weights)
    text = (
        f"With {confidence:.0%} confidence at most {share:.2%} of mules score below {cut:.6g}; {cleared:.1%} of all "
        f"rows do, and {n_below:,} of the {n:,} held-out mules in {m:,} groups."
    )
    expected = (n_below + largest) / (n + largest)
    return ClearThreshold(cut, share, confidence, n, m, expected, cleared, text)


@dataclass(frozen=True, slots=True)
class AlertThreshold:
    """From `score` on an alert is raised; `alerts_per_day` arose at it, with an interval over days (or None)."""

    score: float
    per_day: float
    alerts_per_day: float
    low: float | None
    high: float | None
    n_days: float

    def to_json(self) -> dict[str, Any]:
        """Return the threshold as JSON values; a score of inf (never an alert) is null."""
        return {**asdict(self), "score": self.score if math.isfinite(self.score) else None}

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> AlertThreshold:
        """Read a threshold back; ModelError if a value is missing or no number."""
        try:
            score = math.inf if content["score"] is None else float(content["score"])
            numbers = [float(content[name]) for name in ("per_day", "alerts_per_day", "n_days")]
            ends = [None if content[name] is None else float(content[name]) for name in ("low", "high")]
        except (KeyError, TypeError, ValueError, OverflowError) as error:
            raise ModelError(f"manifest: an alert threshold cannot be read ({error}). Train again.") from error
        rates = [*numbers, *(end for end in ends if end is not None)]
        if math.isnan(score) or not all(math.isfinite(rate) and rate >= 0 for rate in rates):
            raise ModelError("manifest: an alert threshold holds numbers out of range. Train the model again.")
        return cls(score, numbers[0], numbers[1], ends[0], ends[1], numbers[2])


def alert_threshold(
    score: npt.ArrayLike,
    as_of: npt.ArrayLike,
    account: npt.ArrayLike,
    *,
    per_day: float,
    confidence: float = 0.95,
    n_draws: int = 200,
    seed: int = 0,
) -> AlertThreshold:
    """Return the lowest threshold from which on at most `per_day` new alerts a day arise.

    An account alerts once, at the first moment at which its score reaches the threshold. Those that reach it at the
    first moment are a backlog and are not counted, unless there is one moment only, which is taken as one day.

    Parameters
    ----------
    score : float64[n]
    as_of : int64[n]
        Moment of each row, microseconds.
    account : array of shape (n,)
    per_day : float
        Budget of alerts, > 0.
    confidence, n_draws, seed
        Of the interval: times between two moments are drawn with replacement. None, None with fewer than two.

    Raises
    ------
    OptionError
        If columns differ in length or are empty, a score is NaN, or an option is out of range.
    """
    scores, moments = np.asarray(score, dtype=np.float64), np.asarray(as_of, dtype=np.int64)
    names = np.unique(np.asarray(account), return_inverse=True)[1]
    if (
        not scores.shape == moments.shape == names.shape
        or scores.ndim != 1
        or not len(scores)
        or np.isnan(scores).any()
    ):
        raise OptionError("threshold: score, as_of and account must be equally long, not empty, without NaN scores.")
    if not per_day > 0 or not 0 < confidence < 1 or n_draws < 1:
        raise OptionError(f"threshold: per_day must be > 0, confidence inside (0, 1); got {per_day}, {confidence}.")
    times, step = np.unique(moments, return_inverse=True)
    lengths = np.diff(times) / DAY if len(times) > 1 else np.ones(1)
    before, reached, when = _rises(scores, step, names, counts_first=len(times) == 1)
    cut = _lowest_within(before, reached, per_day * float(lengths.sum()))
    counts = np.bincount(when[(before < cut) & (cut <= reached)], minlength=len(lengths)).astype(np.float64)
    n_days = float(lengths.sum())
    rate = float(counts.sum()) / n_days
    if len(lengths) < 2:
        return AlertThreshold(cut, float(per_day), rate, None, None, n_days)
    drawn = np.random.default_rng(seed).integers(0, len(lengths), (n_draws, len(lengths)))
    rates = counts[drawn].sum(axis=1) / lengths[drawn].sum(axis=1)
    low, high = np.quantile(rates, [(1 - confidence) / 2, (1 + confidence) / 2])
    return AlertThreshold(cut, float(per_day), rate, float(low), float(high), n_days)


def _chance(below: npt.NDArray[np.int64], n: int, m: int, largest: int, share: float) -> Float64Array:
    """Bound the chance that so few mules lie below if more than `share` of all do."""
    if largest == 1:
        return np.asarray(binom.cdf(below, n, share), dtype=np.float64)
    sums, mean = below / largest, share * n / (largest * m)
    part = np.minimum(sums / m, mean)
    distance = xlogy(part, part / mean) + xlogy(1 - part, (1 - part) / (1 - mean))
    bound = np.minimum(np.exp(-m * distance), math.e * binom.cdf(np.ceil(sums), m, mean))
    return np.asarray(bound, dtype=np.float64)


def _rises(
    score: Float64Array, step: npt.NDArray[np.intp], account: npt.NDArray[np.intp], *, counts_first: bool
) -> tuple[Float64Array, Float64Array, npt.NDArray[np.intp]]:
    """Return where an account rose above all it had before: from, to, and in which time between moments."""
    order = np.lexsort((score, step, account))
    score, step, account = score[order], step[order], account[order]
    begins = np.r_[True, account[1:] != account[:-1]]
    best = np.asarray(_running_maximum(score, begins), dtype=np.float64)
    before = np.where(begins, -np.inf, np.r_[-np.inf, best[:-1]])
    is_new = (best > before) & ((step > 0) | counts_first)
    return before[is_new], best[is_new], np.maximum(step[is_new] - 1, 0)


def _running_maximum(score: Float64Array, begins: npt.NDArray[np.bool_]) -> Float64Array:
    """Return the running maximum that starts anew where `begins`."""
    # ranks keep the maximum of one account below all values of the next one
    levels, rank = np.unique(score, return_inverse=True)
    block = np.cumsum(begins) - 1
    running = np.maximum.accumulate(rank + block * len(levels))
    return np.asarray(levels[running - block * len(levels)], dtype=np.float64)


def _lowest_within(before: Float64Array, reached: Float64Array, budget: float) -> float:
    """Return the lowest score such that from it on at every higher one, too, at most `budget` rises cross it."""
    levels = np.unique(reached)[::-1]
    crossing = len(reached) - np.searchsorted(np.sort(reached), levels, side="left")
    crossing = crossing - (len(before) - np.searchsorted(np.sort(before), levels, side="left"))
    n_within = int(np.argmax(np.r_[crossing > budget + 1e-9, True]))
    return float(levels[n_within - 1]) if n_within else math.inf


def _checked(
    score: npt.ArrayLike, is_positive: npt.ArrayLike, weight: npt.ArrayLike | None, groups: npt.ArrayLike | None
) -> tuple[Float64Array, npt.NDArray[np.bool_], Float64Array, npt.NDArray[np.intp]]:
    scores, positive = np.asarray(score, dtype=np.float64), np.asarray(is_positive, dtype=np.bool_)
    weights = np.ones(len(scores)) if weight is None else np.asarray(weight, dtype=np.float64)
    block = np.arange(len(scores)) if groups is None else np.unique(np.asarray(groups), return_inverse=True)[1]
    if scores.ndim != 1 or not scores.shape == positive.shape == weights.shape == block.shape:
        raise OptionError("threshold: score, is_positive, weight and groups must be equally long columns.")
    if not np.isfinite(scores).all() or not (np.isfinite(weights) & (weights >= 0)).all():
        raise OptionError("threshold: scores must be finite, weights finite and >= 0.")
    if len(weights) and not weights.any():
        raise OptionError("threshold: all weights are 0; give those of at least one row.")
    return scores, positive, weights, block
