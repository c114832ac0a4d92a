"""Two moments of a data set under one model: what drifted between them."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from muledetect.clock import Moment, parse_time
from muledetect.evaluation.drift import Drift, compare_periods
from muledetect.evaluation.measure import origin_of
from muledetect.graph import build_graph
from muledetect.labels import Target, every_account, find_targets
from muledetect.model import MuleModel
from muledetect.model.neighbours import extract_for
from muledetect.progress import Progress
from muledetect.records import Dataset


def compare_moments(
    dataset: Dataset,
    model: MuleModel,
    before: Moment,
    after: Moment,
    *,
    n_explained: int = 200,
    progress: Progress | None = None,
) -> Drift:
    """Compare two moments under a model; see `muledetect.pipeline.monitor`."""
    names, _, target = origin_of(model)
    sides = [
        extract_for(model, dataset, every_account(dataset, at), names, progress=progress) for at in (before, after)
    ]
    scores = [model.decision_function(side) for side in sides]
    codes = [_reason_codes(model, side, score, n_explained) for side, score in zip(sides, scores, strict=True)]
    return compare_periods(
        *sides, *scores, probability_b=model.probability(scores[1]), y_b=_ripe_targets(dataset, after, target),
        reasons_a=codes[0], reasons_b=codes[1],
        labels_a=_labels_known(dataset, None, before), labels_b=_labels_known(dataset, before, after),
    )  # fmt: skip


def _reason_codes(model: MuleModel, features: pa.Table, score: np.ndarray, n: int) -> list[list[str]]:
    highest = np.lexsort((np.array(features["account_id"].to_pylist()), -score))[:n]
    shown = features.take(pa.array(np.sort(highest)))
    return [[reason["code"] for reason in reasons if reason["contribution"] > 0] for reasons in model.explain(shown)]


def _ripe_targets(dataset: Dataset, as_of: Moment, target: Target) -> np.ndarray | None:
    """Return the targets at a moment, or None where the data set has no labels that are ripe."""
    if "labels" not in dataset.tables:
        return None
    y = find_targets(dataset, build_graph(dataset), every_account(dataset, as_of), target=target)
    return y if (y == 0).any() and (y == 1).any() else None


def _labels_known(dataset: Dataset, since: Moment | None, until: Moment) -> pa.Table | None:
    table = dataset.tables.get("labels")
    if table is None or not {"known_ts", "activity_start"} <= set(table.column_names):
        return None
    known = pc.fill_null(table["known_ts"].cast(pa.timestamp("us", tz="UTC")).cast(pa.int64()), parse_time(until))
    is_inside = pc.less(known, parse_time(until))
    if since is not None:
        is_inside = pc.and_(is_inside, pc.greater_equal(known, parse_time(since)))
    return table.filter(is_inside)
