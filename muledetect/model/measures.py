"""What is measured of a model while it is trained, for its card: rows held out, groups of accounts, leaks."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Final, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from sklearn.metrics import average_precision_score

from muledetect.errors import ModelError
from muledetect.graph import Points
from muledetect.model.fitted import HeldOut
from muledetect.model.leakage import audit_columns, audit_records
from muledetect.model.prior import estimate_prior
from muledetect.model.rows import Rows
from muledetect.model.subgroups import subgroup_rates
from muledetect.model.table import FeatureTable
from muledetect.model.thresholds import clear_threshold
from muledetect.records import Dataset

#: Shares of mules that may be missed by clearing unseen; each gets a threshold.
CLEARED_SHARES: Final = (0.01, 0.05, 0.1)
CONFIDENCE: Final = 0.95

_ALERTED: Final = (0.001, 0.005, 0.01)


class Source(NamedTuple):
    """The data set that training rows come from, and the point of each row."""

    dataset: Dataset
    points: Points


class Measured(NamedTuple):
    """What held-out rows say, as JSON values; empty where nothing was held out."""

    metrics: dict[str, float]
    clear_thresholds: list[dict[str, Any]]
    fairness: list[dict[str, Any]]
    class_prior: dict[str, Any] | None
    notes: list[str]


def source_of(table: FeatureTable, rows: Rows, dataset: Dataset) -> Source:
    """Return the points of training rows.

    Raises
    ------
    ModelError
        If the table does not name its points, or names accounts that the data set does not have.
    """
    if table.account_id is None or not rows.as_of.any():
        raise ModelError("model: with 'dataset', X must be a table with the columns 'account_id' and 'as_of'.")
    ids = pa.array(table.account_id[rows.position], pa.string())
    codes = pc.fill_null(pc.index_in(ids, value_set=dataset.account_ids), -1).to_numpy().astype(np.int32)
    if (codes < 0).any():
        raise ModelError(
            f"model: {int((codes < 0).sum()):,} of {len(codes):,} rows are of accounts that the data set does not "
            "have; give the data set that the features were extracted from."
        )
    return Source(dataset, Points(codes, rows.as_of))


def find_leaks(rows: Rows, names: list[str], source: Source | None, *, refuse: bool) -> list[str]:
    """Return what tells the label in columns and, with a data set, in records: sentences without account ids.

    Raises
    ------
    ModelError
        If there is anything and `refuse` is given.
    """
    found = audit_columns(rows.values, names, rows.is_positive, rows.group)
    if source is not None:
        found += audit_records(*source, rows.is_positive, groups=rows.group)
    if refuse and found:
        raise ModelError(
            f"train: the leakage audit found {len(found):,}: {' '.join(leak.text for leak in found[:5])} Leave out the "
            "column, mend the records, or train without 'strict'."
        )
    return [leak.text for leak in found]


def measure(held: HeldOut | None, rows: Rows, source: Source | None, *, has_prior: bool) -> Measured:
    """Return what the held-out rows say; with `has_prior` also how many unlabelled mules there are."""
    if held is None:
        return Measured({}, [], [], None, [])
    fairness, prior, notes = [], None, []
    if source is not None:
        at = np.empty(int(rows.position.max()) + 1, dtype=np.int64)
        at[rows.position] = np.arange(len(rows.position))
        points = source.points[at[held.position]]
        ids = source.dataset.account_ids.take(pa.array(points.account)).to_numpy(zero_copy_only=False)
        fairness = subgroup_rates(held, ids, points.as_of, source.dataset)
    if has_prior:
        found = estimate_prior(held.score, held.is_positive, held.weight, groups=held.group)
        prior, notes = found.to_json(), [f"Unlabelled rows counted as negative. {found.text}"]
    return Measured(describe_held_out(held), clear_thresholds(held), fairness, prior, notes)


def describe_held_out(held: HeldOut) -> dict[str, float]:
    """Return what the held-out rows say of the ranking; weights count rows; without positives only their number."""
    order = np.lexsort((held.weight, held.is_positive, -held.score))
    order = order[held.weight[order] > 0]
    score, sought, weight = held.score[order], held.is_positive[order], held.weight[order]
    found: dict[str, float] = {"n_rows": len(score), "n_positives": int(sought.sum())}
    if not sought.any():  # all positives may be without weight
        return found
    found["prevalence"] = float(weight[sought].sum() / weight.sum())
    found["average_precision"] = float(average_precision_score(sought, score, sample_weight=weight))
    passed = np.cumsum(weight) / weight.sum()
    for share in _ALERTED:
        shown = passed <= share
        shown[0] = True
        found[f"recall_at_{share:.1%}"] = float(weight[shown & sought].sum() / weight[sought].sum())
        found[f"precision_at_{share:.1%}"] = float(weight[shown & sought].sum() / weight[shown].sum())
    return found


def clear_thresholds(held: HeldOut) -> list[dict[str, Any]]:
    """Return for each of `CLEARED_SHARES` the score below which accounts may be cleared unseen, as JSON values.

    First with rings as what is independent, which takes many rings; then as if the accounts of a ring scored
    independently, which is not quite so: `python benchmarks/promises.py` shows how often that holds.
    """
    found = []
    for blocks, groups, given in (
        ("ring", held.group, ""),
        ("account", held.account, "As if accounts of one ring scored independently: "),
    ):
        for share in CLEARED_SHARES:
            threshold = clear_threshold(
                held.score, held.is_positive, held.weight, groups=groups, share=share, confidence=CONFIDENCE
            )
            found.append(replace(threshold, blocks=blocks, text=f"{given}{threshold.text}").to_json())
    return found
