"""How suspicious a party is: from the probabilities of its accounts, with a calibration of its own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, Final, NamedTuple

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from muledetect.arrays import BoolArray, Float64Array, Int64Array
from muledetect.errors import DataError
from muledetect.frames import as_arrow
from muledetect.parties.party import Parties

#: Fewer parties than this with a mule (or with none) teach nothing.
LEAST_CASES: Final = 20
#: Weights of a party's further accounts that are tried.
_SHARES: Final = (0.0, 0.25, 0.5, 0.75, 1.0)
#: Probabilities are kept this far from 0 and 1.
_EDGE: Final = 1e-6


@dataclass(frozen=True, slots=True)
class PartyCalibration:
    """From accounts to a party: `logit(score) = intercept + slope * logit(joint) + known * has_known`.

    `joint` is a noisy-or in which the most suspicious account counts fully and the others in part:
    `1 - exp(-(h_1 + share * (h_2 + h_3 + ...)))`, `h = -log(1 - probability)`.

    Attributes
    ----------
    share : float
        0: only the most suspicious account counts. 1: accounts are independent.
    intercept, slope : float
    known : float
        Log-odds that a party has for an account that the bank knows to be a mule. The defaults are those of the
        simulated banks of `benchmarks/parties.py`.
    n_parties, n_positive : int
        What it learnt from; 0: nothing, these are the defaults.
    """

    share: float = 0.5
    intercept: float = 0.0
    slope: float = 1.0
    known: float = 1.0
    n_parties: int = 0
    n_positive: int = 0

    def as_dict(self) -> dict[str, float]:
        """Return all as plain values, for JSON."""
        return asdict(self)

    def scores(self, cases: PartyCases) -> Float64Array:
        """Return the calibrated probability of each party.

        Parameters
        ----------
        cases : PartyCases
        """
        joint = cases.first + self.share * cases.rest
        return np.asarray(_sigmoid(self.intercept + self.slope * _logit_of(joint) + self.known * cases.has_known))


class PartyCases(NamedTuple):
    """What is known of parties at one moment: `first`, `rest` are sums of `-log(1 - probability)` of their accounts."""

    party_id: list[str]
    first: Float64Array  # of the most suspicious account that the bank does not know
    rest: Float64Array  # of the others that it does not know
    has_known: BoolArray
    n_known: Int64Array
    is_scored: BoolArray  # has an account that is scored and not known


def party_cases(parties: Parties, scores: Any, known: Any = ()) -> PartyCases:
    """Return what the scores of accounts say of each party.

    Parameters
    ----------
    parties : Parties
        Of the moment of the scores.
    scores : table
        `account_id`, `probability`; of one moment.
    known : sequence of str or pyarrow array
        Accounts that the bank knew to be mules before the moment: they are no news, and say much of the others.

    Raises
    ------
    DataError
        If a column is missing, or an account has several scores.
    """
    table = as_arrow(scores, "scores")
    if missing := [name for name in ("account_id", "probability") if name not in table.column_names]:
        raise DataError(f"scores: columns {missing} are missing; write the table with `score`.")
    ids = table["account_id"].combine_chunks().cast(pa.string())
    if pc.count_distinct(ids).as_py() != len(ids):
        raise DataError("scores: an account has several scores; give those of one moment.")
    names = parties.parties["party_id"].to_pylist()
    members = parties.party_members.filter(pc.is_valid(parties.party_members["account_id"]))
    account = members["account_id"].combine_chunks()
    row = pc.fill_null(pc.index_in(account, value_set=ids), -1).to_numpy(zero_copy_only=False)
    probability = np.append(table["probability"].to_numpy().astype(np.float64), np.nan)[row]
    is_known = np.asarray(pc.is_in(account, value_set=pa.array(known, pa.string())).to_numpy(zero_copy_only=False))
    party = pd.Index(names).get_indexer(members["party_id"].to_pylist()).astype(np.int64)
    n = len(names)
    n_known = np.bincount(party[is_known], minlength=n)
    counts = ~is_known & np.isfinite(probability)
    hazard = -np.log1p(-np.clip(probability[counts], 0.0, 1.0 - _EDGE))
    first = np.zeros(n)
    np.maximum.at(first, party[counts], hazard)
    # in order of size, so that no order of accounts shows in the sum
    order = np.lexsort((hazard, party[counts]))
    total = np.bincount(party[counts][order], hazard[order], minlength=n)
    is_scored = np.bincount(party[counts], minlength=n) > 0
    return PartyCases(names, first, np.maximum(total - first, 0.0), n_known > 0, n_known, is_scored)


def fit_party_scores(cases: Sequence[PartyCases], targets: Sequence[Float64Array]) -> PartyCalibration:
    """Learn the calibration of parties at earlier moments.

    Parameters
    ----------
    cases : sequence of PartyCases
        One a moment.
    targets : sequence of float64 arrays
        Of each party of a moment: 1 if an account that was not known became a mule or was one, 0 if none, NaN unknown.

    Returns
    -------
    PartyCalibration
        The defaults if fewer than 20 parties have the target 1, or fewer than 20 have 0.

    Notes
    -----
    Logistic regression for each of five shares; the most likely one is taken. The model's own training rows are too
    well known to it: take moments after its training.
    """
    rows = [
        np.column_stack([one.first, one.rest, one.has_known, target])[one.is_scored & np.isfinite(target)]
        for one, target in zip(cases, targets, strict=True)
    ]
    table = np.concatenate([np.zeros((0, 4)), *rows])
    table = table[np.lexsort(table.T)]  # the sums of a fit do not depend on the order of parties
    target = table[:, 3]
    if min((target == 1).sum(), (target == 0).sum()) < LEAST_CASES:
        return PartyCalibration()
    found = [_fit(share, table[:, 0] + share * table[:, 1], table[:, 2], target) for share in _SHARES]
    best = max(found, key=lambda one: one[0])[1]
    return best if best.slope > 0 else PartyCalibration()  # scores that mislead teach nothing


def _fit(
    share: float, joint: Float64Array, has_known: Float64Array, target: Float64Array
) -> tuple[float, PartyCalibration]:
    """Return the log-likelihood and the calibration for one share."""
    from sklearn.linear_model import LogisticRegression  # noqa: PLC0415 (slow to import, needed by few)

    columns = np.column_stack([_logit_of(joint), has_known])
    model = LogisticRegression(C=10.0, tol=1e-8, max_iter=1000).fit(columns, target)
    margin = columns @ model.coef_[0] + model.intercept_[0]
    likelihood = -float(np.logaddexp(0.0, np.where(target == 1, -margin, margin)).sum())
    slope, known = (float(value) for value in model.coef_[0])
    return likelihood, PartyCalibration(
        share, float(model.intercept_[0]), slope, known, len(target), int((target == 1).sum())
    )


def score_parties(parties: Parties, cases: PartyCases, calibration: PartyCalibration | None = None) -> Parties:
    """Return the parties with score and rank, the most suspicious first.

    Parameters
    ----------
    parties : Parties
    cases : PartyCases
        Of the same parties.
    calibration : PartyCalibration, optional
        As `fit_party_scores` learnt it; else its defaults.
    """
    score = np.where(cases.is_scored, (calibration or PartyCalibration()).scores(cases), np.nan)
    table = parties.parties
    order = np.lexsort((np.array(cases.party_id), -np.where(np.isfinite(score), score, -1.0)))
    rank = np.empty(len(order), np.int64)
    rank[order] = np.arange(1, len(order) + 1)
    mask = ~cases.is_scored
    for name, values in (
        ("score", pa.array(score, mask=mask)), ("rank", pa.array(rank, mask=mask)),
        ("n_known", pa.array(cases.n_known)),
    ):  # fmt: skip
        at = table.column_names.index(name)
        table = table.set_column(at, table.schema.field(at), values.cast(table.schema.field(at).type))
    return replace(parties, parties=table.take(pa.array(order)))


def _logit_of(hazard: Float64Array) -> Float64Array:
    """Return the log-odds of `1 - exp(-hazard)`."""
    return np.asarray(np.log(np.expm1(np.maximum(hazard, _EDGE))))


def _sigmoid(margin: Float64Array) -> Float64Array:
    return np.asarray(1.0 / (1.0 + np.exp(-margin)))
