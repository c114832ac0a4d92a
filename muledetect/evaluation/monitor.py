"""Two moments of a data set under one model: what drifted between them."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from muledetect.arrays import Float64Array
from muledetect.clock import Moment, parse_time
from muledetect.evaluation.drift import Drift, compare_periods
from muledetect.evaluation.measure import origin_of
from muledetect.graph import build_graph
from muledetect.labels import Target, every_account, find_targets
from muledetect.model import MuleModel
from muledetect.model.neighbours import extract_for
from muledetect.progress import Progress
from muledetect.records import Dataset


class View(NamedTuple):
    """Every account at a moment as a model sees it: features, scores, and codes of the reasons of the highest."""

    as_of: int
    features: pa.Table
    score: Float64Array
    codes: list[list[str]]


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
    a, b = (view_moment(dataset, model, at, n_explained=n_explained, progress=progress) for at in (before, after))
    return compare_views(dataset, a, dataset, b, model)


def view_moment(
    dataset: Dataset, model: MuleModel, at: Moment, *, n_explained: int = 200, progress: Progress | None = None
) -> View:
    """Return every account at a moment; views can be kept, so that a moment is computed once.

    Parameters
    ----------
    dataset : Dataset
    model : MuleModel
    at : Moment
        Exclusive.
    n_explained : int
        Highest scores whose reasons are found.
    progress : callable, optional
    """
    names, _, _ = origin_of(model)
    features = extract_for(model, dataset, every_account(dataset, at), names, progress=progress)
    score = model.decision_function(features)
    return View(parse_time(at), features, score, _reason_codes(model, features, score, n_explained))


def compare_views(dataset_a: Dataset, a: View, dataset_b: Dataset, b: View, model: MuleModel) -> Drift:
    """Compare two views, also of two data sets.

    Parameters
    ----------
    dataset_a, dataset_b : Dataset
        Whose labels are used.
    a, b : View
        Before and after.
    model : MuleModel
        That made both.
    """
    _, _, target = origin_of(model)
    return compare_periods(
        a.features, b.features, a.score, b.score,
        probability_b=model.probability(b.score), y_b=_ripe_targets(dataset_b, b.as_of, target),
        reasons_a=a.codes, reasons_b=b.codes,
        labels_a=_labels_known(dataset_a, None, a.as_of), labels_b=_labels_known(dataset_b, a.as_of, b.as_of),
    )  # fmt: skip


def _reason_codes(model: MuleModel, features: pa.Table, score: np.ndarray, n: int) -> list[list[str]]:
    highest = np.lexsort((np.array(features["account_id"].to_pylist()), -score))[:n]
    shown = features.take(pa.array(np.sort(highest)))
    return [[reason["code"] for reason in reasons if reason["contribution"] > 0] for reasons in model.explain(shown)]


def _ripe_targets(dataset: Dataset, as_of: int, target: Target) -> np.ndarray | None:
    """Return the targets at a moment, or None where the data set has no labels that are ripe."""
    if "labels" not in dataset.tables:
        return None
    y = find_targets(dataset, build_graph(dataset), every_account(dataset, as_of), target=target)
    return y if (y == 0).any() and (y == 1).any() else None


def _labels_known(dataset: Dataset, since: int | None, until: int) -> pa.Table | None:
    table = dataset.tables.get("labels")
    if table is None or not {"known_ts", "activity_start"} <= set(table.column_names):
        return None
    known = pc.fill_null(table["known_ts"].cast(pa.timestamp("us", tz="UTC")).cast(pa.int64()), until)
    is_inside = pc.less(known, until)
    if since is not None:
        is_inside = pc.and_(is_inside, pc.greater_equal(known, since))
    return table.filter(is_inside)
