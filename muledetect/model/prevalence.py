"""The share of a bank's accounts that are mules: stated, or estimated from known ones; and probabilities that fit it.

A model that comes from elsewhere does not know it. Its scores rank, but its probabilities are those of the accounts
that it was calibrated on.

>>> match_prevalence(np.array([0.9, 0.1, 0.1]), 0.1).round(3).tolist()
[0.29, 0.005, 0.005]

References
----------
Saerens, Latinne and Decaestecker (2002), Adjusting the outputs of a classifier to new a priori probabilities, Neural
Computation 14 (1).
Garg, Wu, Smola, Balakrishnan and Lipton (2021), Mixture proportion estimation and PU learning: a modern approach,
NeurIPS (best bin estimation; here the bin is fixed, which few known mules need).
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt
from scipy.optimize import brentq
from scipy.special import expit, logit

from muledetect.arrays import BoolArray, Float64Array
from muledetect.errors import DataError, OptionError
from muledetect.model.fitted import TrainedOn

#: Of known mules fewer than this, chance decides how high they score.
MIN_KNOWN: Final = 5

#: The part of the known mules whose scores are read: high enough for few others, and enough of them.
HIGHEST: Final = 0.25

#: Where known mules stand for a larger share than this, they do not score high enough to tell anything.
MOST: Final = 0.1

#: Probabilities are kept this far from 0 and 1, so that their log-odds are finite.
_LEAST: Final = 1e-12

_SHARE: Final = re.compile(r"\s*(\d+(?:\.\d+)?|\.\d+)\s*(%?)\s*")


class Estimate(NamedTuple):
    """Prevalence from known mules.

    `share` is the estimate, `lower` the known mules alone. `is_bound`: the known mules are too few or score too low to
    say more than `lower`, which `share` then is.
    """

    share: float
    lower: float
    is_bound: bool
    n_known: int


def parse_share(given: float | str, what: str) -> float:
    """Return a number of which texts may be percent: 0.003, "0.003" and "0.3%" are alike.

    Parameters
    ----------
    given : float or str
    what : str
        What it is, for the error.

    Raises
    ------
    OptionError
        If it is no number above 0.
    """
    match = _SHARE.fullmatch(given) if isinstance(given, str) else None
    if match is not None:
        value = float(match[1]) / (100 if match[2] else 1)
    elif isinstance(given, str | bool) or not isinstance(given, int | float | np.integer | np.floating):
        value = math.nan
    else:
        value = float(given)
    if not 0 < value < math.inf:
        raise OptionError(f"{what}: must be a number above 0, or percent such as 0.3%; got {given!r:.40}.")
    return value


def match_prevalence(probability: npt.ArrayLike, prevalence: float) -> Float64Array:
    """Move the log-odds of all accounts by one number, so that the mean probability is the prevalence; float64[n].

    Never changes the order. Where scores are distributed as in the training, but for the number of mules, the number is
    that of Saerens et al.: logit(prevalence) - logit(prevalence of the calibration). Elsewhere it also makes up for
    scores that are all lower or higher than they were there, see decision 042. O(n).

    Parameters
    ----------
    probability : float64[n]
        Calibrated, of all accounts of the bank at one moment.
    prevalence : float, inside (0, 1)

    Raises
    ------
    OptionError
        If the prevalence lies outside (0, 1).
    """
    if not 0 < prevalence < 1:
        raise OptionError(
            f"prevalence: the share of accounts that are mules must lie inside (0, 1); got {prevalence:g}. Write 0.003 "
            "or 0.3%."
        )
    log_odds = np.asarray(logit(np.clip(np.asarray(probability, np.float64), _LEAST, 1 - _LEAST)))
    if not len(log_odds):
        return log_odds

    def excess(shift: float) -> float:
        # fsum gives the same bits in any order of accounts
        return math.fsum(expit(log_odds + shift)) / len(log_odds) - prevalence

    reach = float(np.abs(log_odds).max()) + abs(float(logit(prevalence))) + 1
    return np.asarray(expit(log_odds + float(brentq(excess, -reach, reach))), dtype=np.float64)


def estimate_prevalence(score: npt.ArrayLike, is_known_mule: npt.ArrayLike) -> Estimate:
    """Estimate the share of mules among accounts from how high the known ones score.

    Parameters
    ----------
    score : float64[n]
        Of a model that did not learn from these known mules: to its own it gives too high scores.
    is_known_mule : bool[n]

    Raises
    ------
    DataError
        If no account is known to be a mule.

    Notes
    -----
    If known mules score as all mules do, then above any score: share of all accounts / share of the known mules >=
    prevalence, and equal where only mules score so high. It is read at the score of the highest quarter of the known
    mules. Banks find easy mules first, which makes the estimate too low; a top that is not pure makes it too high: in
    simulated banks with 20 or more known mules it was 0.3 to 2 times the truth, where the starter ranks poorly 2.5 to
    5 times (decision 042). O(n log n).
    """
    scores, known = np.asarray(score, np.float64), np.asarray(is_known_mule, np.bool_)
    n_known = int(known.sum())
    if not n_known:
        raise DataError(
            "prevalence: no scored account is known to be a mule before this moment, neither by 'labels' nor by "
            "'watchlists' or 'registry'. Give the share as a number, or a budget of alerts."
        )
    lower = n_known / len(scores)
    least = float(np.quantile(scores[known], 1 - HIGHEST, method="lower"))
    share = max(float((scores >= least).mean() / (scores[known] >= least).mean()), lower)
    is_bound = n_known < MIN_KNOWN or share > MOST
    return Estimate(lower if is_bound else share, lower, is_bound, n_known)


def with_prevalence(
    trained_on: TrainedOn, is_positive: BoolArray, weight: Float64Array, class_prior: Mapping[str, Any] | None
) -> TrainedOn:
    """Return where a model comes from with the prevalence that its probabilities are calibrated at.

    Parameters
    ----------
    trained_on : TrainedOn
    is_positive : bool[n]
        Of the rows that the calibrator was fitted on.
    weight : float64[n]
    class_prior : mapping or None
        See `MuleModel.class_prior_`: it says how many mules are not labelled. Where it is only a bound, nobody knows.
    """
    share = float(weight[is_positive].sum() / weight.sum())
    if class_prior is None:
        return replace(trained_on, prevalence=share)
    if class_prior["is_bound"]:
        return replace(trained_on, prevalence=share, is_prevalence_known=False)
    return replace(trained_on, prevalence=min(1.0, share / class_prior["label_frequency"]))
