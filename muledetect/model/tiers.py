"""Which tier a score proposes: by its probability where the prevalence is known, else by a budget of alerts.

A budget takes the highest scores of each moment. Equal scores share a tier, also where the budget ends.

References
----------
Iglewicz and Hoaglin (1993), How to detect and handle outliers, ASQC (modified z-score, 3.5).
"""

from __future__ import annotations

import math
from typing import Final

import numpy as np
import numpy.typing as npt

from muledetect.arrays import Float64Array, Int64Array
from muledetect.errors import OptionError
from muledetect.model.prevalence import parse_share
from muledetect.score_basis import TIERS, Basis, read_basis

#: Budget that nobody stated: this share of the accounts, at least so many, and at most as many as `score` explains and
#: `report` writes case files of by default: a proposal without a reason is of no use.
BUDGET: Final = 0.005
LEAST_BUDGET: Final = 10
MOST_BUDGET: Final = 200

#: The first third of a budget is "suspected": with probabilities a third to two thirds are (decision 042).
SUSPECTED: Final = 1 / 3

#: An account whose score lies no more than so many robust standard deviations above the median is an ordinary one.
ORDINARY: Final = 3.5


#: Tiers by how many limits a probability reaches.
_ASCENDING: Final = np.array(["none", *(name for name, _ in sorted(TIERS, key=lambda tier: tier[1]))])
_LIMITS: Final = np.array([limit for _, limit in TIERS])


def tiers_by_probability(probability: Float64Array) -> npt.NDArray[np.str_]:
    """Return the tier of each probability."""
    found: npt.NDArray[np.str_] = _ASCENDING[(probability[:, None] >= _LIMITS).sum(axis=1)]
    return found


def tiers_by_budget(
    score: Float64Array, as_of: Int64Array, budget: float | str | None = None
) -> tuple[npt.NDArray[np.str_], int]:
    """Return the tier of each score by a budget of alerts at each moment, and the budget as a number of accounts.

    Parameters
    ----------
    score : float64[n]
        Of all accounts of the bank.
    as_of : int64[n]
        Moment of each.
    budget : float or str, optional
        Alerts, or below 1 the share of the accounts, also as "0.5%". Then every account above the median may be one.
        Default: 0.5% of the accounts, at least 10 and at most 200; of these only such as no ordinary account scores.

    Raises
    ------
    OptionError
        If the budget is no number above 0.
    """
    found, most = np.full(len(score), "none", dtype="<U9"), 0
    wanted = None if budget is None else parse_share(budget, "budget")
    for moment in np.unique(as_of):
        rows = np.flatnonzero(as_of == moment)
        values = score[rows]
        n_alerts = _default_budget(len(rows)) if wanted is None else _stated_budget(wanted, len(rows))
        least = ordinary_score(values) if wanted is None else float(np.median(values))
        rank = np.searchsorted(np.sort(-values), -values, side="left") + 1
        is_alert = (rank <= n_alerts) & (values > least)
        is_first = rank <= math.ceil(n_alerts * SUSPECTED)
        found[rows[is_alert]] = "watch"
        found[rows[is_alert & is_first]] = "suspected"
        most = max(most, n_alerts)
    return found, most


def ordinary_score(score: Float64Array) -> float:
    """Return the highest score that an ordinary account has: the median and `ORDINARY` robust standard deviations.

    The deviation is 1.4826 times the median distance from the median; where that is 0, because half of the scores are
    equal, 1.2533 times the mean distance (Iglewicz and Hoaglin).
    """
    median = float(np.median(score))
    distance = np.abs(score - median)
    spread = 1.4826 * float(np.median(distance)) or 1.2533 * math.fsum(distance) / len(score)
    return median + ORDINARY * spread


def _default_budget(n: int) -> int:
    return min(max(math.ceil(BUDGET * n), LEAST_BUDGET), MOST_BUDGET)


def _stated_budget(budget: float, n: int) -> int:
    if budget >= 1 and budget != int(budget):
        raise OptionError(f"budget: must be a whole number of alerts, or below 1 a share of accounts; got {budget:g}.")
    return int(budget) if budget >= 1 else math.ceil(budget * n)


__all__ = ["TIERS", "Basis", "ordinary_score", "read_basis", "tiers_by_budget", "tiers_by_probability"]
