"""Share found by so many minutes, where some were never found while anybody looked (Kaplan and Meier).

>>> from muledetect.evaluation import detection_curve
>>> detection_curve([10, 20, 20, 30], [True, True, False, False])[["minutes", "at_risk", "share"]]
   minutes  at_risk  share
0      0.0        4   0.00
1     10.0        4   0.25
2     20.0        3   0.50
3     30.0        1   0.50

References
----------
Kaplan and Meier (1958), Nonparametric estimation from incomplete observations, JASA 53.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd

from muledetect.arrays import Float64Array, IndexArray
from muledetect.errors import OptionError
from muledetect.evaluation.budget import widen_certain
from muledetect.evaluation.metrics import block_draws, percentiles

#: Shares whose times are given.
QUANTILES: Final = (0.25, 0.5, 0.75)


class _Steps(NamedTuple):
    """Rows in order of time, with where each distinct time begins."""

    is_found: Float64Array
    starts: IndexArray


def detection_curve(
    minutes: npt.ArrayLike,
    is_found: npt.ArrayLike,
    groups: npt.ArrayLike | None = None,
    *,
    n_draws: int = 400,
    level: float = 0.95,
    seed: int = 0,
) -> pd.DataFrame:
    """Return the share that is found by each time, with a band from drawing whole groups.

    Parameters
    ----------
    minutes : array of shape (n,)
        Until each was found, or until nobody looked any more; >= 0.
    is_found : bool array of shape (n,)
    groups : array of shape (n,), optional
        What is drawn together, such as rings. Default: every row by itself.
    n_draws, seed : int
        Draws of the bootstrap.
    level : float
        Of the interval, 0 to 1.

    Returns
    -------
    pandas.DataFrame
        One row a time at which any was found, between a row for 0 and one for the last time: `minutes`, `at_risk` (not
        found and still looked for just before), `share` (found by then), `low`, `high`. No rows without any input.

    Raises
    ------
    OptionError
        If the columns differ in length or a time is negative or no number.

    Notes
    -----
    The band is pointwise. At a share of 0 or 1 it is widened to Wilson's interval over the groups, but for the start,
    where nobody can have been found. O(n log n + n_draws * n).
    """
    waited, found = np.asarray(minutes, dtype=np.float64), np.asarray(is_found, dtype=np.float64)
    block = np.arange(len(waited)) if groups is None else np.unique(np.asarray(groups), return_inverse=True)[1]
    if not waited.shape == found.shape == block.shape or waited.ndim != 1 or not (waited >= 0).all():
        raise OptionError(
            f"detection: 'minutes', 'is_found' and 'groups' must be equally long and minutes 0 or more; got shapes "
            f"{[waited.shape, found.shape, block.shape]} with {int((~(waited >= 0)).sum()):,} such times."
        )
    if not len(waited):
        return pd.DataFrame(
            {name: pd.Series(dtype=np.float64) for name in ("minutes", "at_risk", "share", "low", "high")}
        )
    order, draws = block_draws((waited, found), block, n_draws=n_draws, seed=seed)
    by_time = np.argsort(waited[order], kind="stable")
    times, starts = np.unique(waited[order][by_time], return_index=True)
    steps = _Steps(found[order][by_time], starts)
    at_risk, share = _share_found(steps, np.ones(len(waited)))
    drawn = np.array([_share_found(steps, weight[by_time])[1] for weight in draws])
    n_groups = len(np.unique(block))
    is_shown = np.add.reduceat(steps.is_found, starts) > 0
    is_shown[-1] = True
    rows = [
        (times[at], int(at_risk[at]), share[at], *_band(share[at], drawn[:, at], n_groups, level))
        for at in np.flatnonzero(is_shown)
    ]
    if rows[0][0] > 0:
        rows.insert(0, (0.0, len(waited), 0.0, 0.0, 0.0))
    return pd.DataFrame(rows, columns=["minutes", "at_risk", "share", "low", "high"])


def survival_quantiles(
    times: npt.ArrayLike, is_found: npt.ArrayLike, quantiles: Sequence[float] = QUANTILES
) -> list[float]:
    """Return the times by which shares are found (Kaplan-Meier); NaN where the share is never reached."""
    waited, found = np.asarray(times, dtype=np.float64), np.asarray(is_found, dtype=np.float64)
    if not found.any():
        return [float("nan")] * len(quantiles)
    order = np.argsort(waited, kind="stable")
    moments, starts = np.unique(waited[order], return_index=True)
    share = _share_found(_Steps(found[order], starts), np.ones(len(waited)))[1]
    reached = [np.flatnonzero(share >= q - 1e-12) for q in quantiles]
    return [float(moments[at[0]]) if len(at) else float("nan") for at in reached]


def _share_found(steps: _Steps, weight: Float64Array) -> tuple[Float64Array, Float64Array]:
    """Return how many are at risk just before each time, and the share found by then."""
    seen, gone = (np.add.reduceat(part, steps.starts) for part in (weight * steps.is_found, weight))
    at_risk = gone[::-1].cumsum()[::-1]
    # where a draw has nobody left, the share stays as it was
    stays = 1 - np.divide(seen, at_risk, out=np.zeros(len(seen)), where=at_risk > 0)
    return at_risk, 1 - np.cumprod(stays)


def _band(share: float, drawn: Float64Array, n_groups: int, level: float) -> tuple[float, float]:
    return widen_certain(share, percentiles(drawn, level), n_groups, level)
