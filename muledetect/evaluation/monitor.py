"""A moment of a data set under one model beside several moments before it: what is not as usual."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from typing import Any, Final, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from muledetect.arrays import BoolArray, Float64Array
from muledetect.clock import DAY, Moment, format_duration, format_time, parse_time
from muledetect.evaluation.drift import Drift
from muledetect.evaluation.measure import origin_of
from muledetect.evaluation.periods import Outcome, Period, compare_periods, pool_outcomes
from muledetect.facts import facts_of
from muledetect.features.suspicion import bits_of
from muledetect.graph import Points
from muledetect.labels import every_account, find_targets, known_mules
from muledetect.model import MuleModel
from muledetect.model.neighbours import extract_for
from muledetect.progress import Progress
from muledetect.records import Dataset

_WEEK: Final = 7 * DAY

#: Reference moments by default; weekly ones hold every phase of the month twice.
WEEKS: Final = 10

#: When the labels of a moment are ripe: horizon and maturity of `labels.find_targets`.
RIPE: Final = 37 * DAY

#: So many moments whose labels are ripe are looked at together, for mules are few.
N_RIPE: Final = 3

#: Between two of them: targets reach a week to both sides.
_SPACING: Final = 14 * DAY

#: Labels whose delay is compared became known within so long before a moment.
_LABELS: Final = 28 * DAY


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
    weeks: int = WEEKS,
    n_explained: int = 200,
    progress: Progress | None = None,
) -> Drift:
    """Compare a moment with earlier ones under a model; see `muledetect.pipeline.monitor`."""

    def views(moments: Iterable[int], n: int) -> Iterator[View]:
        return (view_moment(dataset, model, at, n_explained=n, progress=progress) for at in moments)

    reference = views(reference_moments(dataset, model, before, after, weeks), n_explained)
    new = view_moment(dataset, model, after, n_explained=n_explained, progress=progress)
    return compare_views(dataset, model, reference, new, views(ripe_moments(before, after), 0))


def reference_moments(
    dataset: Dataset, model: MuleModel, before: Moment, after: Moment, weeks: int = WEEKS
) -> list[int]:
    """Return the latest moments up to `before` that are whole weeks from `after`: the same day and time of the week.

    Parameters
    ----------
    dataset : Dataset
    model : MuleModel
        Whose look-back the record must span at a moment; the last moment is taken in any case.
    before, after : Moment
    weeks : int
        At most so many moments.
    """
    end, times = parse_time(after), facts_of(dataset).graph.time
    last = end + (parse_time(before) - end) // _WEEK * _WEEK
    first = int(times[0]) + model.trained_on_.lookback if len(times) else last
    earlier = [last - _WEEK * n for n in range(weeks - 1, 0, -1)]
    return [*(at for at in earlier if at >= first), last]


def ripe_moments(before: Moment, after: Moment) -> list[int]:
    """Return the latest moments after `before` whose labels are ripe at `after`, two weeks apart: three, or fewer."""
    latest = parse_time(after) - RIPE
    return [at for n in range(N_RIPE) if (at := latest - n * _SPACING) > parse_time(before)][::-1]


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


def compare_views(
    dataset: Dataset, model: MuleModel, reference: Iterable[View], new: View, ripe: Iterable[View] = ()
) -> Drift:
    """Compare a view with reference views; these may be made one by one, and none is kept.

    Only accounts that moved money within the model's look-back are compared: accounts that are not open yet, or sleep,
    would tell how the list of accounts grows.

    Parameters
    ----------
    dataset : Dataset
        Of all views. Nothing that became known at the new moment or later is used.
    model : MuleModel
        That made all views.
    reference : iterable of View
        In order of time.
    new : View
    ripe : iterable of View
        Later than the reference, with labels that are ripe at the new moment: whether the model still finds mules.
    """
    usual: list[int] = []
    labelled: list[int] = []

    def seen(views: Iterable[View], moments: list[int]) -> Iterator[View]:
        for view in views:
            moments.append(view.as_of)
            yield view

    def periods() -> Iterator[Period]:
        for view in seen(reference, usual):
            yield _period(dataset, model, view, _outcome(dataset, model, [view], new.as_of))

    outcome = _outcome(dataset, model, seen(ripe, labelled), new.as_of)
    drift = compare_periods(periods(), _period(dataset, model, new, outcome))
    return replace(drift, notes=(_told(usual, new.as_of, labelled), *drift.notes))


def _told(reference: Sequence[int], new: int, ripe: Sequence[int]) -> str:
    first, last, now = (format_time(at)[:10] for at in (reference[0], reference[-1], new))
    labels = (
        f"Labels tell of the scores of {' and '.join(format_time(at)[:10] for at in ripe)}."
        if ripe
        else f"No label is ripe yet, so nothing tells whether mules are still found. {format_duration(RIPE)} after the "
        "reference some are."
    )
    return f"{now} beside {len(reference):,} moments from {first} to {last}. {labels}"


def _period(dataset: Dataset, model: MuleModel, view: View, outcome: Outcome) -> Period:
    is_active = _is_active(dataset, model, view)
    rows, labels = pa.array(is_active), _labels_known(dataset, view.as_of - _LABELS, view.as_of)
    transfers = _count_transfers(dataset, view.as_of)
    return Period(view.features.filter(rows), view.score[is_active], view.codes, labels, outcome, transfers)


def _count_transfers(dataset: Dataset, as_of: int) -> dict[str, int]:
    """Return the transfers of the week before a moment by channel; without channels all together."""
    first, last = np.searchsorted(facts_of(dataset).graph.time, [as_of - _WEEK, as_of])
    transfers = dataset.transfers.slice(first, last - first)
    if "channel" not in transfers.column_names:
        return {"any": len(transfers)}
    counted = pc.value_counts(transfers["channel"].cast(pa.string())).to_pylist()
    return {row["values"] or "unknown": row["counts"] for row in counted}


def _is_active(dataset: Dataset, model: MuleModel, view: View) -> BoolArray:
    """Return which accounts of a view moved money within the look-back."""
    graph, lookback = facts_of(dataset).graph, model.trained_on_.lookback
    first, last = np.searchsorted(graph.time, [view.as_of - lookback if lookback else 0, view.as_of])
    moved = np.zeros(graph.n_accounts, np.bool_)
    moved[graph.source[first:last]] = moved[graph.target[first:last]] = True
    return np.asarray(moved[graph.codes(view.features["account_id"])])


def _outcome(dataset: Dataset, model: MuleModel, views: Iterable[View], now: int) -> Outcome:
    """Return what labels say that were known when each view was ripe; nothing of views that are not ripe yet."""
    found: list[Outcome] = []
    for view in views:
        labels = dataset.tables.get("labels")
        if labels is None or not labels.num_rows or view.as_of + RIPE > now:
            continue
        graph = facts_of(dataset).graph
        codes, at = graph.codes(view.features["account_id"]).astype(np.int32), view.as_of + RIPE
        points = Points(codes, np.full(len(codes), view.as_of), dataset.fingerprint)
        origin: Any = model.trained_on_
        y = find_targets(
            dataset, graph, points, target=origin.target, unlabelled=origin.unlabelled, lookback=origin.lookback,
            data_end=at, known_by=at - 1,
        )  # fmt: skip
        is_active = _is_active(dataset, model, view)
        # what the bank knew already needs no model
        new = ~np.isnan(y) & ~known_mules(dataset, graph, points)
        is_mule = new & (y == 1)
        probability = model.probability(view.score[new])
        heights = bits_of(view.score[is_mule], view.score[is_active])
        found.append(Outcome(math.fsum(probability), tuple(heights.tolist())))
    return pool_outcomes(found)


def _reason_codes(model: MuleModel, features: pa.Table, score: np.ndarray, n: int) -> list[list[str]]:
    if not len(score):
        return []
    # Of accounts with equal scores all or none, so that no name decides.
    least = np.sort(score)[-min(n, len(score))]
    highest = score >= least
    if highest.sum() > 2 * n:
        highest = score > least
    shown = features.filter(pa.array(highest))
    return [[reason["code"] for reason in reasons if reason["contribution"] > 0] for reasons in model.explain(shown)]


def _labels_known(dataset: Dataset, since: int, until: int) -> pa.Table | None:
    table = dataset.tables.get("labels")
    if table is None or not {"known_ts", "activity_start"} <= set(table.column_names):
        return None
    known = table["known_ts"].cast(pa.timestamp("us", tz="UTC")).cast(pa.int64())
    is_inside = pc.and_(pc.less(known, until), pc.greater_equal(known, since))
    return table.filter(pc.fill_null(is_inside, False))
