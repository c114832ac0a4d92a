"""How a scorer holds up as evaders adapt: the same metrics over worlds of a rising dial."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NamedTuple, TypeVar

import numpy as np
import numpy.typing as npt
import pandas as pd

from muledetect.evaluation.metrics import average_precision, bootstrap_interval, precision_at, recall_at, roc_auc

World = TypeVar("World")


class Ranked(NamedTuple):
    """Targets and scores of the accounts of one world, and their blocks (rings) for intervals."""

    y: npt.ArrayLike
    score: npt.ArrayLike
    groups: npt.ArrayLike | None = None


def evasion_curve(
    scorer: Callable[[World], Ranked],
    worlds: Mapping[float, World],
    *,
    k: float = 0.01,
    n_draws: int = 200,
    seed: int = 0,
) -> pd.DataFrame:
    """Return the metrics of a scorer over worlds, one row a setting of the dial, ascending.

    Columns: `dial`, `n`, `n_positive`, `average_precision`, `low`, `high` (95%), `precision`, `recall` (at k alerts),
    `roc_auc` and `kept` (average precision as a share of that at the lowest setting). NaN without positives.

    Parameters
    ----------
    scorer : callable
        World -> `Ranked`: targets, scores and groups of its rows.
    worlds : mapping of float to world
        By setting of the dial.
    k : int or float below 1
        Alerts, or the share of the rows.
    n_draws, seed : int
        Draws of the bootstrap.
    """
    lines = []
    for dial in sorted(worlds):
        y, score, groups = scorer(worlds[dial])
        low, high = bootstrap_interval(average_precision, y, score, groups, n_draws=n_draws, seed=seed)
        target = np.asarray(y, dtype=np.float64)
        lines.append(
            {
                "dial": dial,
                "n": int((~np.isnan(target)).sum()),
                "n_positive": int((target == 1).sum()),
                "average_precision": average_precision(y, score),
                "low": low,
                "high": high,
                "precision": precision_at(y, score, k),
                "recall": recall_at(y, score, k),
                "roc_auc": roc_auc(y, score),
            }
        )
    curve = pd.DataFrame(lines)
    if len(curve):
        curve["kept"] = curve["average_precision"] / curve["average_precision"].iloc[0]
    return curve
