"""A model at a moment after its training or on another bank: ranking beside baselines, parts, time to detect, rings."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from muledetect.arrays import BoolArray, Float64Array, Int64Array
from muledetect.clock import Moment, format_time, parse_time
from muledetect.errors import DataError, ModelError
from muledetect.evaluation.baselines import MODEL, baseline_scores, check_sides, compare_scores, without_graph
from muledetect.evaluation.budget import budget_curve, budget_grid, measure_ranking
from muledetect.evaluation.by_part import leave_one_typology_out, measure_parts, subgroup_parts, typology_parts
from muledetect.evaluation.calibration import calibration_intervals, calibration_over_time
from muledetect.evaluation.false_positives import budget_within_caps, customer_groups, measure_false_positives
from muledetect.evaluation.layers import NOT_KNOWN, measure_layers
from muledetect.evaluation.metrics import brier_score
from muledetect.evaluation.report import Evaluation
from muledetect.evaluation.rings import RingMetrics, compare_rings
from muledetect.evaluation.rules import rule_columns
from muledetect.evaluation.ties import measure_ties
from muledetect.evaluation.traces import measure_traces
from muledetect.evaluation.value import illicit_receipts
from muledetect.evaluation.victims import count_alerted_victims, likely_victims
from muledetect.evaluation.watch import TRUTH_OF_MONEY, View, watch_detection
from muledetect.facts import Snapshot, facts_of
from muledetect.features import Extraction, extract, extract_with
from muledetect.graph import Points
from muledetect.labels import Target, account_groups, every_account, ring_groups
from muledetect.labels.targets import labelled_points
from muledetect.model import MuleModel
from muledetect.model.neighbours import extraction_of, score_shards
from muledetect.model.second_stage import own_columns
from muledetect.model.store import config_hash
from muledetect.progress import Progress, silent
from muledetect.records import Dataset
from muledetect.rings import RingTables
from muledetect.tracing import trace

#: Draws behind every interval of the ranking.
N_DRAWS: Final = 200

ANOTHER: Final = "The model and the baselines learnt from another data set: no account of this one is left out."


class _Sides(NamedTuple):
    """What the baselines learn from, and the accounts that are ranked: none of a ring or person with a positive there.

    Features, targets and groups (rings and persons) of both; of the test also the points, and notes on it. `seen` are
    the groups of the test's data set of which a positive was learnt from; `views` are the scores of every account at
    each watched moment.
    """

    learnt: pa.Table
    y: Float64Array
    learnt_groups: Int64Array
    test: pa.Table
    sought: Float64Array
    groups: Int64Array
    points: Points
    notes: list[str]
    seen: Int64Array
    views: list[View]


def measure_model(
    dataset: Dataset,
    model: MuleModel,
    as_of: Moment,
    *,
    found_rings: RingTables | None = None,
    use_truth: bool = False,
    known_by: Moment | None = None,
    budget: float = 0.01,
    watched: Iterable[Moment] = (),
    baselines_at: Iterable[Moment] = (),
    baselines_from: Dataset | None = None,
    leave_one_out: bool = False,
    progress: Progress | None = None,
) -> Evaluation:
    """Rank the accounts at a moment by the model and by the baselines; see `muledetect.pipeline.evaluate`."""
    origin_of(model)  # refuses a model of unknown origin before the work
    moments = list(baselines_at) or sorted({*model.training_as_of_, *model.calibration_as_of_})
    sides = _sides(
        dataset, model, as_of, moments, use_truth=use_truth, known_by=known_by, learnt_from=baselines_from,
        watched=list(watched), every_column=leave_one_out, progress=progress,
    )  # fmt: skip
    (progress or silent)("baselines and measures", 0.0)
    scores = baseline_scores(sides.learnt, sides.y, sides.test, groups=sides.learnt_groups, model=model)
    score = np.asarray(scores[MODEL], dtype=np.float64)
    probability, ids = model.probability(score), sides.test["account_id"].to_pylist()
    snapshot, receipts = Snapshot(dataset, as_of), illicit_receipts(dataset)
    value = None if receipts.money is None else receipts.money[sides.points.account]
    ranked: dict[str, Any] = {"value": value, "groups": sides.groups, "n_draws": N_DRAWS}
    budgets = budget_grid(len(sides.sought), also=[_n_alerts(budget, len(sides.sought))])
    tables = measure_by_part(
        dataset.tables, ids, as_of, sides.sought, score, probability, k=budget, groups=sides.groups
    )
    tables["budget_curve"] = budget_curve(sides.sought, scores, budgets=budgets, **ranked)
    if leave_one_out:
        tables["left_out"] = _left_out(dataset, baselines_from or dataset, model, sides, budget)
    detection = watch_detection(dataset, sides.views, sides.seen, budget=budget)
    if detection.curve is not None:
        tables["detection_curve"] = detection.curve
    tables |= _compare_ties(dataset, found_rings) | _compare_traces(dataset, snapshot)
    tables |= _over_time(dataset, model, sides.views, sides.seen, use_truth=use_truth)
    calibration = calibration_intervals(sides.sought, probability, groups=sides.groups)
    target = "membership of truth_rings" if use_truth else str(model.trained_on_.target)
    return Evaluation(
        table=compare_scores(sides.sought, scores, **ranked),
        brier=brier_score(sides.sought, probability),
        calibration_error=calibration.error,
        calibration_interval=(calibration.error_low, calibration.error_high),
        notes=[
            *sides.notes[:-1], receipts.note, *([] if len(tables["layers"]) else [NOT_KNOWN]), *detection.notes,
            sides.notes[-1],
        ],
        rings=_compare_rings(dataset, found_rings),
        tables=tables,
        budget=budget,
        detection=detection.figures,
        within_caps=_within_caps(dataset, ids, sides, score),
        victims=_victims(dataset, snapshot, ids, score, budget),
        about={
            "as_of": format_time(parse_time(as_of)), "data_set": dataset.fingerprint, "model": config_hash(model),
            "target": target,
        },
    )  # fmt: skip


def _sides(
    dataset: Dataset,
    model: MuleModel,
    as_of: Moment,
    moments: Sequence[Moment],
    *,
    use_truth: bool,
    known_by: Moment | None,
    learnt_from: Dataset | None,
    watched: Sequence[Moment],
    every_column: bool,
    progress: Progress | None,
) -> _Sides:
    names, pack, target = origin_of(model)
    unlabelled: Any = model.trained_on_.unlabelled
    source = dataset if learnt_from is None else learnt_from
    points, y, _ = labelled_points(
        source, moments, target=target, known_by=known_by, unlabelled=unlabelled, lookback=model.trained_on_.lookback
    )
    if len(np.unique(y)) < 2:
        raise DataError(_cannot_learn(moments, y))
    at, truth, notes = test_points(dataset, as_of, target=target, use_truth=use_truth)
    learnt_groups, groups = ring_groups(source, points), ring_groups(dataset, at)
    seen = learnt_groups[y == 1] if learnt_from is None else np.zeros(0, np.int64)
    is_seen = np.isin(groups, seen)
    if (truth == 1).any() and not (truth[~is_seen] == 1).any():
        raise DataError(
            f"evaluate: all {int((truth == 1).sum()):,} mules at the moment belong to rings or persons that the labels "
            "named where the baselines learn, so none is left to measure on. Give an earlier moment as 'baselines_at' "
            "(--baselines-at), or a later 'as_of' (--as-of)."
        )
    check_sides(truth[~is_seen])
    notes.append(_who_is_left_out(is_seen, truth) if learnt_from is None else ANOTHER)
    wanted = list(dict.fromkeys([*names, *rule_columns(pack)]))
    at = at[~is_seen]
    extraction = extraction_of(model, dataset, progress=progress)
    test = extract_with(extraction, at, wanted, progress=progress)
    # baselines look at few columns; only a model that is trained anew needs all of them
    own = own_columns(names)
    learnt = extract(
        source, points, own if every_column else without_graph(own) or own, hide_groups=account_groups(source),
        lookback=model.trained_on_.lookback or None, progress=progress,
    )  # fmt: skip
    views = [_view(dataset, model, extraction, moment, progress) for moment in watched]
    return _Sides(learnt, y, learnt_groups, test, truth[~is_seen], groups[~is_seen], at, notes, seen, views)


def _cannot_learn(moments: Sequence[Moment], y: Float64Array) -> str:
    """Return why baselines cannot learn from labels of one class, and how to mend it."""
    times = sorted(parse_time(moment) for moment in moments)
    when = " to ".join(dict.fromkeys(format_time(time) for time in (times[0], times[-1])))
    return (
        f"evaluate: baselines learn at {len(times):,} moment(s) ({when}), where the labels know "
        f"{int((y == 1).sum()):,} mules and {int((y == 0).sum()):,} others; both are needed. Give a moment "
        "when mules were known as 'baselines_at' (--baselines-at); by default these are the moments that the model "
        "learnt from. If it learnt from another data set, give that one as 'baselines_from' (--baselines-from)."
    )


def _view(
    dataset: Dataset, model: MuleModel, extraction: Extraction, moment: Moment, progress: Progress | None
) -> View:
    """Return every account at a watched moment, with its score."""
    points = every_account(dataset, moment)
    ids = pa.table({"account_id": dataset.account_ids.take(pa.array(points.account))})
    return moment, ids, score_shards(model, extraction, points, progress=progress)


def _who_is_left_out(is_seen: BoolArray, truth: np.ndarray) -> str:
    return (
        f"{int(is_seen.sum()):,} accounts of rings and persons seen in training are left out, "
        f"{int((truth[is_seen] == 1).sum()):,} of them positive; where that is most of them, precision and observed "
        "shares are lower than the whole bank would show."
    )


def measure_by_part(
    tables: Mapping[str, pa.Table],
    account_ids: npt.ArrayLike,
    as_of: Moment,
    y: npt.ArrayLike,
    score: npt.ArrayLike,
    probability: npt.ArrayLike,
    *,
    k: float,
    groups: npt.ArrayLike | None = None,
) -> dict[str, pd.DataFrame]:
    """Return what the tables of a data set allow to measure: layers, typologies, subgroups, false positives, and so on.

    Parameters
    ----------
    tables : mapping of name to table
        Of the data set, those of the truth included; a measure whose tables are lacking is an empty table.
    account_ids, y, score, probability : array of shape (n,)
    as_of : Moment
        Exclusive moment of the scores.
    k : int or float below 1
        Alerts, or the share of all rows.
    groups : array of shape (n,), optional
        Blocks of the bootstrap.
    """
    of_typology = typology_parts(account_ids, tables.get("truth_rings"), tables.get("truth_accounts"))
    of_subgroup = subgroup_parts(account_ids, as_of, tables.get("accounts"), tables.get("holders"))
    customers = _customers(tables, account_ids)
    return {
        "layers": measure_layers(y, score, account_ids, tables.get("truth_rings"), k=k, groups=groups),
        "typologies": measure_parts(y, score, of_typology, k=k, groups=groups),
        "subgroups": measure_parts(y, score, of_subgroup, k=k, probability=probability, groups=groups),
        "false_positives": measure_false_positives(y, score, customers, k=k, blocks=groups),
        "reliability": calibration_intervals(y, probability, groups=groups).bins,
    }


def _customers(tables: Mapping[str, pa.Table], account_ids: npt.ArrayLike) -> pd.DataFrame:
    names = ("accounts", "truth_accounts", "complaints", "transfers", "truth_transfers")
    return customer_groups(account_ids, **{name: tables.get(name) for name in names})


def _within_caps(dataset: Dataset, ids: Sequence[str], sides: _Sides, score: Float64Array) -> dict[str, float]:
    """Return the largest budget that keeps every customer group within its cap, and what it finds."""
    k = budget_within_caps(sides.sought, score, _customers(dataset.tables, ids))
    if k == 0:
        return {"n_alerts": 0.0}
    rates = measure_ranking(sides.sought, score, [k], groups=sides.groups, n_draws=N_DRAWS).rates.iloc[0]
    names = [f"{name}{end}" for name in ("precision", "recall") for end in ("", "_low", "_high")]
    return {"n_alerts": float(k), "share": k / len(score), **{name: float(rates[name]) for name in names}}


def test_points(
    dataset: Dataset, as_of: Moment, *, target: Target, use_truth: bool
) -> tuple[Points, np.ndarray, list[str]]:
    """Return the points of a test, their targets from labels or from the whole truth, and notes on them."""
    if not use_truth:
        return labelled_points(dataset, as_of, target=target, known_by=None)
    truth = dataset.tables.get("truth_rings")
    if truth is None:
        raise DataError("evaluate: there is no table truth_rings; measure against the labels instead.")
    points = every_account(dataset, as_of)
    members = facts_of(dataset).graph.codes(pc.unique(truth["account_id"]))
    y = np.isin(points.account, members).astype(np.float64)
    return points, y, [f"{len(y):,} accounts, {int(y.sum()):,} of them truly in a ring, known to the bank or not."]


def origin_of(model: MuleModel) -> tuple[list[str], str, Any]:
    """Return the features, country pack and target that a model was trained with."""
    origin = getattr(model, "trained_on_", None)
    if origin is None or not origin.target or not hasattr(model, "feature_names_in_"):
        raise ModelError("evaluate: the model does not say what it was trained on. Train it with `train`.")
    return [str(name) for name in model.feature_names_in_], origin.pack, origin.target


def _compare_rings(dataset: Dataset, found: RingTables | None) -> RingMetrics | None:
    truth = dataset.tables.get("truth_rings")
    if found is None or truth is None or not (len(truth) or len(found)):
        return None
    return compare_rings(found.ring_members, truth, visible=dataset.account_ids.to_pylist())


def _compare_ties(dataset: Dataset, found: RingTables | None) -> dict[str, pd.DataFrame]:
    """Return how right the ties are by grade, where the truth says which centre an account serves."""
    truth = dataset.tables.get("truth_rings")
    if found is None or truth is None or "centre_id" not in truth.column_names:
        return {}
    return {"ties": measure_ties(found.ring_ties, found.ring_members, truth)}


def _compare_traces(dataset: Dataset, snapshot: Snapshot) -> dict[str, pd.DataFrame]:
    """Return how well complaint money is found, where the truth says where it is; no score plays a part in it."""
    complaints = dataset.tables.get("complaints")
    if complaints is None or "transfer_id" not in complaints.column_names:
        return {}
    if not set(dataset.tables) >= TRUTH_OF_MONEY:
        return {}
    traces = trace(snapshot)
    truth = dataset.tables["truth_transfers"], dataset.tables["truth_money"]
    return {"traces": measure_traces(traces, complaints, *truth, snapshot.as_of)}


def _n_alerts(budget: float, n_rows: int) -> int:
    return int(np.ceil(budget * n_rows - 1e-9)) if budget < 1 else int(budget)


def _left_out(dataset: Dataset, learnt_from: Dataset, model: MuleModel, sides: _Sides, budget: float) -> pd.DataFrame:
    """Return the recall of each shape of ring by a model that learnt from none of it."""
    of_side = []
    for side, of in ((sides.learnt, learnt_from), (sides.test, dataset)):
        if "truth_rings" not in of.tables:
            raise DataError("evaluate: leaving typologies out needs the table truth_rings; measure without it.")
        ids = side["account_id"].to_pylist()
        of_side.append(typology_parts(ids, of.tables["truth_rings"], of.tables.get("truth_accounts")))
    return leave_one_typology_out(
        sides.learnt, sides.y, of_side[0], sides.test, sides.sought, of_side[1], k=budget, model=model,
        train_groups=sides.learnt_groups, test_groups=sides.groups,
    )  # fmt: skip


def _victims(
    dataset: Dataset, snapshot: Snapshot, account_ids: Sequence[str], score: Float64Array, budget: float
) -> dict[str, float]:
    """Return how the victims of the highest accounts fare."""
    n_alerts = _n_alerts(budget, len(score))
    alerted = [account_ids[row] for row in np.lexsort((np.asarray(account_ids), -score))[:n_alerts]]
    likely = likely_victims(snapshot, alerted)
    cases = dataset.tables.get("truth_transfers")
    if cases is None:
        return count_alerted_victims(likely, alerted)
    paid = dataset.transfers.select(["transfer_id", "source", "target", "time"]).join(
        cases.select(["transfer_id", "kind"]).filter(pc.equal(cases["kind"].cast(pa.string()), "victim")),
        "transfer_id", join_type="inner",
    )  # fmt: skip
    is_lost = pc.and_(
        pc.is_in(paid["target"].cast(pa.string()), pa.array(alerted, pa.string())),
        pc.less(paid["time"].cast(pa.int64()), snapshot.as_of),
    )
    return count_alerted_victims(likely, alerted, set(paid.filter(is_lost)["source"].to_pylist()))


def _over_time(
    dataset: Dataset,
    model: MuleModel,
    watched: Sequence[View],
    seen: Int64Array,
    *,
    use_truth: bool,
) -> dict[str, pd.DataFrame]:
    """Return how probabilities held at each watched moment, on groups that were not positive in training."""
    if not watched:
        return {}
    target: Any = model.trained_on_.target
    parts = []
    for moment, points, score in watched:
        at, y, _ = test_points(dataset, moment, target=target, use_truth=use_truth)
        score_of = np.full(len(dataset.account_ids), np.nan)
        score_of[facts_of(dataset).graph.codes(points["account_id"])] = score
        group = ring_groups(dataset, at)
        kept = ~np.isin(group, seen)
        parts.append((y[kept], score_of[at.account[kept]], at.as_of[kept], group[kept]))
    y, score, as_of, group = (np.concatenate(column) for column in zip(*parts, strict=True))
    return {"calibration_over_time": calibration_over_time(y, model.probability(score), as_of, groups=group)}
