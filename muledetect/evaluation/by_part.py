"""Metrics of parts of the accounts: each typology, each subgroup, and a typology that training never saw.

The alerts are those of the whole bank at its budget; a part has no budget of its own.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TypeAlias

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
from scipy.stats import norm
from sklearn.base import clone

from muledetect.arrays import Float64Array
from muledetect.errors import DataError
from muledetect.evaluation.metrics import known_rows
from muledetect.frames import takes_tables
from muledetect.model import MuleModel
from muledetect.model.subgroups import FEW, long_parts, shown_share, subgroup_parts

Features: TypeAlias = "pd.DataFrame | pa.Table"


@takes_tables("truth_rings", "truth_accounts")
def typology_parts(
    account_ids: npt.ArrayLike, truth_rings: pa.Table | None, truth_accounts: pa.Table | None = None
) -> pd.DataFrame:
    """Return which rows belong to which typology: columns `part`, `value`, `row`; several a row where it has several.

    `shape`, `role`, `layer` and `is_unwitting` come from `truth_rings`, `recruited_as` from `truth_accounts`. No rows
    where neither says anything.

    Parameters
    ----------
    account_ids : array of shape (n,)
        Account of each row.
    truth_rings, truth_accounts : pyarrow.Table or None
        As schema.TRUTH_RINGS and TRUTH_ACCOUNTS.
    """
    found = [_members(account_ids, truth_rings, ("shape", "role", "layer", "is_unwitting"))]
    found.append(_members(account_ids, truth_accounts, ("recruited_as",)))
    return pd.concat(found, ignore_index=True)


def measure_parts(
    y: npt.ArrayLike,
    score: npt.ArrayLike,
    parts: pd.DataFrame,
    *,
    k: float,
    probability: npt.ArrayLike | None = None,
    groups: npt.ArrayLike | None = None,
    n_draws: int = 500,
    seed: int = 0,
) -> pd.DataFrame:
    """Return recall, false-positive rate and calibration of each part at the bank's k alerts.

    Parameters
    ----------
    y, score, probability : array of shape (n,)
        Rows of unknown target (NaN) count nowhere.
    parts : table with `part`, `value`, `row`
        As `typology_parts` and `subgroup_parts` give; `row` is a position in `y`.
    k : int or float below 1
        Alerts a day, or the share of all rows.
    groups : array of shape (n,), optional
        Blocks of the bootstrap (rings, days).
    n_draws, seed : int
        Draws of the bootstrap.

    Returns
    -------
    pandas.DataFrame
        One row a part, in order of `part` and `value`: `n`, `n_positive`, `recall`, `false_positive_rate` and, with
        `probability`, `calibration_gap` (observed share less mean probability), each with `_low` and `_high`, and
        `is_few` (below 30 rows). NaN where a part has nobody to measure on.

    Notes
    -----
    A rate of 0 or 1 has no spread to draw from; there the Wilson interval over its blocks is given.
    """
    target = np.asarray(y, dtype=np.float64)
    known_rows(target, score, None)
    is_known = ~np.isnan(target)
    shown = np.zeros(len(target))
    shown[is_known] = shown_share(np.asarray(score, dtype=np.float64)[is_known], k)
    given = None if probability is None else np.asarray(probability, dtype=np.float64)
    blocks = None if groups is None else np.asarray(groups)
    found = []
    for (part, value), rows in parts.groupby(["part", "value"], sort=True)["row"]:
        at = np.unique(rows.to_numpy(dtype=np.int64))
        at = at[is_known[at]]
        block = None if blocks is None else blocks[at]
        line: dict[str, object] = {"part": part, "value": value, "n": len(at), "n_positive": int(target[at].sum())}
        line |= _rate("recall", shown[at], target[at], block, n_draws, seed)
        line |= _rate("false_positive_rate", shown[at], 1 - target[at], block, n_draws, seed)
        if given is not None:
            gap = target[at] - given[at]
            line |= _rate("calibration_gap", gap, np.ones(len(at)), block, n_draws, seed)
        line["is_few"] = len(at) < FEW
        found.append(line)
    return pd.DataFrame(found)


def ratio_interval(
    numerator: Float64Array,
    denominator: Float64Array,
    block: npt.NDArray[np.generic] | None = None,
    *,
    n_draws: int = 500,
    level: float = 0.95,
    seed: int = 0,
) -> tuple[float, float]:
    """Return the block-bootstrap interval of sum(numerator) / sum(denominator); NaN, NaN without a denominator.

    Where the ratio is 0 or 1 exactly, or one block is all there is, the Wilson interval with the number of blocks as
    sample size; NaN, NaN for one block of something else than a share. Blocks are drawn by content, so names and
    order of rows do not matter. O(n + n_draws * blocks).
    """
    names = np.arange(len(numerator)) if block is None else np.unique(block, return_inverse=True)[1]
    order = np.lexsort((denominator, numerator, names))
    above = np.bincount(names[order], weights=numerator[order])
    below = np.bincount(names[order], weights=denominator[order])
    used = below > 0
    above, below = above[used], below[used]
    canonical = np.lexsort((below, above))
    above, below = above[canonical], below[canonical]
    if not len(below):
        return float("nan"), float("nan")
    ratio, is_share = above.sum() / below.sum(), bool(((above >= 0) & (above <= below)).all())
    if is_share and (ratio in (0.0, 1.0) or len(below) == 1):
        return _wilson(float(ratio), len(below), level)
    if len(below) == 1:
        return float("nan"), float("nan")
    rng = np.random.default_rng(seed)
    draws = []
    for _ in range(n_draws):
        times = np.bincount(rng.integers(0, len(below), len(below)), minlength=len(below))
        draws.append(float((times * above).sum() / (times * below).sum()))
    low, high = np.quantile(draws, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)


def _wilson(share: float, n: int, level: float) -> tuple[float, float]:
    """Return Wilson's interval of a share of n, which need not be a count."""
    z2 = float(norm.ppf((1 + level) / 2)) ** 2
    middle, half = share + z2 / (2 * n), math.sqrt(z2 * (share * (1 - share) / n + z2 / (4 * n * n)))
    return max((middle - half) / (1 + z2 / n), 0.0), min((middle + half) / (1 + z2 / n), 1.0)


def leave_one_typology_out(
    train: Features,
    y_train: npt.ArrayLike,
    train_parts: pd.DataFrame,
    test: Features,
    y_test: npt.ArrayLike,
    test_parts: pd.DataFrame,
    *,
    part: str = "shape",
    k: float = 0.01,
    model: MuleModel | None = None,
    train_groups: npt.ArrayLike | None = None,
    test_groups: npt.ArrayLike | None = None,
    seed: int = 0,
) -> pd.DataFrame:
    """Return the recall of each typology by a model that saw none of its positives, beside one that saw all.

    Parameters
    ----------
    train, test : tables of features
    y_train, y_test : array of shape (n,)
        1, 0 or NaN.
    train_parts, test_parts : tables as `typology_parts`
        Rows of a typology in `train` and in `test`.
    part : str
        Whose values are left out in turn.
    k : int or float below 1
        Alerts, or the share of the test rows.
    model : MuleModel, optional
        Its parameters are used, not its trees; the default is one of 100 trees and one bag.
    train_groups, test_groups : array, optional
        Rings and persons; blocks of the bootstrap and of the folds of calibration.
    seed : int

    Returns
    -------
    pandas.DataFrame
        One row a typology: `value`, `n_removed`, `n_test`, `recall_seen`, `recall_unseen`, `low`, `high` (95%, of
        the latter). Typologies without positives in test are left out.

    Raises
    ------
    DataError
        If nothing but one typology is positive, so that no positive is left to learn from.
    """
    target, truth = np.asarray(y_train, dtype=np.float64), np.asarray(y_test, dtype=np.float64)
    plan = model if model is not None else MuleModel(n_estimators=100, n_bags=1)
    seen = clone(plan).fit(train, target, groups=train_groups).decision_function(test)
    shown_seen = shown_share(seen, k)
    found = []
    for value, rows in test_parts[test_parts["part"] == part].groupby("value", sort=True)["row"]:
        at = np.unique(rows.to_numpy(dtype=np.int64))
        at = at[truth[at] == 1]
        if not len(at):
            continue
        mine = train_parts[(train_parts["part"] == part) & (train_parts["value"] == value)]["row"].to_numpy(np.int64)
        left = target.copy()
        left[mine[target[mine] == 1]] = np.nan
        if not (left == 1).any():
            raise DataError(f"evaluate: without {part} {value!r} no positive is left to train on; use more rings.")
        shown = shown_share(clone(plan).fit(train, left, groups=train_groups).decision_function(test), k)
        block = None if test_groups is None else np.asarray(test_groups)[at]
        low, high = ratio_interval(shown[at], np.ones(len(at)), block, seed=seed)
        found.append(
            {"value": value, "n_removed": int(np.isnan(left).sum() - np.isnan(target).sum()), "n_test": len(at)}
            | {"recall_seen": shown_seen[at].mean(), "recall_unseen": shown[at].mean(), "low": low, "high": high}
        )
    return pd.DataFrame(found)


def _rate(
    name: str, shown: Float64Array, of: Float64Array, block: npt.NDArray[np.generic] | None, n_draws: int, seed: int
) -> Mapping[str, float]:
    total = of.sum()
    low, high = ratio_interval(shown * of, of, block, n_draws=n_draws, seed=seed)
    rate = float(np.sort(shown * of).sum() / total) if total else float("nan")
    return {name: rate, f"{name}_low": low, f"{name}_high": high}


def _members(account_ids: npt.ArrayLike, truth: pa.Table | None, names: tuple[str, ...]) -> pd.DataFrame:
    rows = pd.DataFrame({"account_id": np.asarray(account_ids, dtype=object)})
    rows["row"] = np.arange(len(rows))
    found = [long_parts(pd.DataFrame())]
    if truth is None:
        return found[0]
    for name in names:
        if name not in truth.column_names:
            continue
        known = truth.select(["account_id", name]).to_pandas().dropna().drop_duplicates()
        joined = rows.merge(known, on="account_id")
        value = joined[name].map(lambda v: str(int(v)) if isinstance(v, float) else str(v))
        found.append(pd.DataFrame({"part": name, "value": value, "row": joined["row"]}))
    return pd.concat(found, ignore_index=True)


__all__ = [
    "leave_one_typology_out",
    "measure_parts",
    "ratio_interval",
    "subgroup_parts",
    "typology_parts",
]
