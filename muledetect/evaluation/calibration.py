"""How far probabilities can be trusted: reliability and calibration error with error bars, also moment by moment.

>>> from muledetect.evaluation.calibration import calibration_intervals, calibration_over_time
>>> calibration_intervals(y, probability, groups=rings).bins  # doctest: +SKIP
>>> calibration_over_time(y, probability, as_of, groups=rings)  # doctest: +SKIP

A small calibration error says little where mules are rare: who gives every account the prevalence has none. Read it
beside `ratio`, which says how many times as many mules there were as the probabilities had promised.

References
----------
Korn and Graubard (1998), Confidence intervals for proportions with small expected number of positive counts estimated
from survey data, Survey Methodology 24 (2).
Davison and Hinkley (1997), Bootstrap methods and their application, ch. 5.2 (the basic interval).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.sparse import csr_array
from scipy.stats import beta

from muledetect.arrays import Float64Array, IndexArray
from muledetect.errors import OptionError
from muledetect.evaluation.metrics import calibration_error, known_rows, reliability_curve


@dataclass(frozen=True, eq=False)
class CalibrationIntervals:
    """A reliability table with intervals, and the calibration error with its own.

    Attributes
    ----------
    bins : pandas.DataFrame
        One row a bin that holds any, in order of probability: `n`, `n_positive`, `probability` (mean), `observed`
        (share of positives), `observed_low`, `observed_high`, and `is_within`: the mean probability lies in between.
    error, error_low, error_high : float
        Expected calibration error as `metrics.calibration_error`; NaN without rows.
    n_groups : int
        Blocks that were drawn.
    level : float
        Of all intervals.
    """

    bins: pd.DataFrame
    error: float
    error_low: float
    error_high: float
    n_groups: int
    level: float

    def to_json(self) -> dict[str, Any]:
        """Return everything as JSON values; NaN is null."""
        error = {name: getattr(self, name) for name in ("error", "error_low", "error_high")}
        numbers = {name: value if math.isfinite(value) else None for name, value in error.items()}
        rows = [
            {name: value.item() if isinstance(value, np.generic) else value for name, value in row.items()}
            for row in self.bins.to_dict("records")
        ]
        return {**numbers, "n_groups": self.n_groups, "level": self.level, "bins": rows}


def calibration_intervals(
    y: npt.ArrayLike,
    probability: npt.ArrayLike,
    *,
    n_bins: int = 10,
    groups: npt.ArrayLike | None = None,
    n_draws: int = 400,
    level: float = 0.95,
    seed: int = 0,
) -> CalibrationIntervals:
    """Return the reliability table and the calibration error, each with an interval from drawing whole groups.

    Parameters
    ----------
    y : array of shape (n,)
        1, 0 or NaN; rows of unknown target (NaN) count nowhere.
    probability : array of shape (n,)
        0 to 1.
    n_bins : int
        Bins of equal mass, as `metrics.reliability_curve`.
    groups : array of shape (n,), optional
        What is drawn together: a ring, a person, a day. Default: every row by itself.
    n_draws : int
        At least 2.
    level : float, inside (0, 1)
    seed : int

    Returns
    -------
    CalibrationIntervals
        No bins and NaN without rows.

    Raises
    ------
    OptionError
        If columns differ in length, a value is out of range, or an option is.

    Notes
    -----
    Bins stay those of all rows. The draws give the variance v of the observed share p of a bin; n / deff rows that
    were independent would have the same, deff = v n / (p (1 - p)). Clopper and Pearson's interval at so many rows is
    the one returned (Korn and Graubard), so a bin without positives has an interval, too: there its groups count.
    Noise raises a calibration error e, and drawing adds more. The upper end is therefore that of the basic bootstrap,
    2 e - lower quantile, and not below e; the lower end is e less the upper quantile of what noise alone adds up to in
    the draws, sum over bins of |gap drawn - gap|, and not below 0: true probabilities reach 0 nearly always.
    O(n log n + groups * (bins + draws)).
    """
    block = np.arange(np.size(y)) if groups is None else np.unique(np.asarray(groups), return_inverse=True)[1]
    target, given, blocks = known_rows(y, probability, block)
    _check(given, n_draws, level)
    curve = reliability_curve(target, given, n_bins)
    curve.insert(1, "n_positive", np.zeros(len(curve), dtype=np.int64))
    if not len(target):
        for name in ("observed_low", "observed_high", "is_within"):
            curve[name] = pd.Series(dtype=np.bool_ if name == "is_within" else np.float64)
        return CalibrationIntervals(curve, math.nan, math.nan, math.nan, 0, level)
    rows, positive, promised = _sums_by_group(target, given, blocks.astype(np.intp), curve["n"].to_numpy())
    curve["n_positive"] = positive.sum(axis=0).astype(np.int64)
    drawn = _draw(np.hstack([rows, positive, promised]), n_draws, seed).reshape(n_draws, 3, len(curve))
    low, high = _share_interval(curve, (rows > 0).sum(axis=0), drawn[:, 0], drawn[:, 1], level)
    curve["observed_low"], curve["observed_high"] = low, high
    curve["is_within"] = (low <= curve["probability"]) & (curve["probability"] <= high)
    error = calibration_error(target, given, n_bins)
    gaps = (drawn[:, 1] - drawn[:, 2]) / drawn[:, 0].sum(axis=1)[:, None]
    noise = np.abs(gaps - (positive - promised).sum(axis=0) / len(target)).sum(axis=1)
    least, most = np.quantile(np.abs(gaps).sum(axis=1), (1 - level) / 2), np.quantile(noise, (1 + level) / 2)
    ends = max(0.0, error - float(most)), max(error, 2 * error - float(least))
    return CalibrationIntervals(curve, error, *ends, len(rows), level)


def calibration_over_time(
    y: npt.ArrayLike,
    probability: npt.ArrayLike,
    as_of: npt.ArrayLike,
    *,
    n_bins: int = 10,
    groups: npt.ArrayLike | None = None,
    n_draws: int = 400,
    level: float = 0.95,
    seed: int = 0,
) -> pd.DataFrame:
    """Return how probabilities held at each moment, with intervals from drawing whole groups.

    Parameters
    ----------
    as_of : int64[n]
        Moment of each row, microseconds.
    y, probability, n_bins, groups, n_draws, level, seed
        As `calibration_intervals`.

    Returns
    -------
    pandas.DataFrame
        One row a moment that has known targets, in order: `as_of`, `n`, `n_positive`, `observed`, `probability`
        (mean), `ratio` = observed / probability with `ratio_low` and `ratio_high` (NaN where the mean probability is
        0), and the calibration `error` with `error_low` and `error_high`. No rows without known targets.

    Notes
    -----
    The ends of `ratio` are those of the observed share, divided by the mean probability. O(moments) calls of
    `calibration_intervals`.
    """
    times = np.asarray(as_of)
    target, given = np.asarray(y, dtype=np.float64), np.asarray(probability, dtype=np.float64)
    names = np.arange(np.size(target)) if groups is None else np.asarray(groups)
    if times.ndim != 1 or not times.shape == target.shape == given.shape == names.shape:
        raise OptionError("calibration: y, probability, as_of and groups must be equally long columns.")
    lines = []
    for moment in np.unique(times[~np.isnan(target)]):
        at = times == moment
        options: dict[str, Any] = {"groups": names[at], "n_draws": n_draws, "level": level, "seed": seed}
        whole = calibration_intervals(target[at], given[at], n_bins=1, **options).bins.iloc[0]
        binned = calibration_intervals(target[at], given[at], n_bins=n_bins, **options)
        lines.append([moment, *_line(whole), binned.error, binned.error_low, binned.error_high])
    return pd.DataFrame(lines, columns=_COLUMNS)


_COLUMNS = ["as_of", "n", "n_positive", "observed", "probability", "ratio", "ratio_low", "ratio_high",
            "error", "error_low", "error_high"]  # fmt: skip


def _line(whole: pd.Series) -> list[float]:
    promised = float(whole["probability"])
    shares = [float(whole[name]) for name in ("observed", "observed_low", "observed_high")]
    ratios = [share / promised if promised > 0 else math.nan for share in shares]
    return [int(whole["n"]), int(whole["n_positive"]), shares[0], promised, *ratios]


def _check(probability: Float64Array, n_draws: int, level: float) -> None:
    if not ((probability >= 0) & (probability <= 1)).all():
        raise OptionError("calibration: probabilities must lie in [0, 1]; give `model.probability(score)`, not scores.")
    if not 0 < level < 1 or n_draws < 2:
        raise OptionError(f"calibration: level must lie inside (0, 1), n_draws be 2 or more; got {level}, {n_draws}.")


def _sums_by_group(
    y: Float64Array, probability: Float64Array, block: IndexArray, n_by_bin: npt.NDArray[np.int64]
) -> tuple[Float64Array, Float64Array, Float64Array]:
    """Return rows, positives and summed probability of each group in each bin, float64[n_groups, n_bins].

    Groups are sorted by these numbers, so that the draws know neither their names nor the order of rows.
    """
    # bins are runs of rows in order of probability, equal ones together
    order = np.lexsort((y, probability))
    y, probability, block = y[order], probability[order], np.unique(block[order], return_inverse=True)[1]
    n_bins, n_groups = len(n_by_bin), int(block.max()) + 1
    cell = block * n_bins + np.repeat(np.arange(n_bins), n_by_bin)
    sums = np.stack(
        [np.bincount(cell, weights=w, minlength=n_groups * n_bins) for w in (np.ones(len(y)), y, probability)]
    ).reshape(3, n_groups, n_bins)
    keys = sums.transpose(0, 2, 1).reshape(3 * n_bins, n_groups)
    rows, positive, promised = sums[:, np.lexsort(keys)]
    return rows, positive, promised


def _draw(sums: Float64Array, n_draws: int, seed: int) -> Float64Array:
    """Return the sums over groups drawn with replacement, float64[n_draws, n_columns]."""
    rng, n_groups = np.random.default_rng(seed), len(sums)
    packed = csr_array(sums)
    drawn = np.empty((n_draws, sums.shape[1]))
    for nth in range(n_draws):
        times = np.bincount(rng.integers(0, n_groups, n_groups), minlength=n_groups)
        drawn[nth] = times.astype(np.float64) @ packed
    return drawn


def _share_interval(
    curve: pd.DataFrame, n_groups: npt.NDArray[np.int64], rows: Float64Array, positive: Float64Array, level: float
) -> tuple[Float64Array, Float64Array]:
    """Return the interval of the observed share of each bin; see Notes of `calibration_intervals`."""
    n, share = curve["n"].to_numpy(np.float64), curve["observed"].to_numpy(np.float64)
    # the linearised ratio: a bin holds another number of rows in each draw
    spread = ((positive - share * rows) / n).var(axis=0, ddof=1)
    alone = share * (1 - share)
    n_free = np.divide(alone, spread, out=n_groups.astype(np.float64), where=(alone > 0) & (spread > 0))
    n_free = np.minimum(n_free, n)
    hits = share * n_free
    tail = (1 - level) / 2
    # SciPy gives NaN for a parameter of 0, where the end is that of the range
    low = np.where(share > 0, beta.ppf(tail, np.where(share > 0, hits, 1.0), n_free - hits + 1), 0.0)
    high = np.where(share < 1, beta.ppf(1 - tail, hits + 1, np.where(share < 1, n_free - hits, 1.0)), 1.0)
    return np.asarray(low, dtype=np.float64), np.asarray(high, dtype=np.float64)


__all__ = ["CalibrationIntervals", "calibration_intervals", "calibration_over_time"]
