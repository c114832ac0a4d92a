"""A model at a moment after its training: ranking beside baselines, parts, innocents, time to detect, rings."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from muledetect.clock import Moment
from muledetect.errors import DataError, ModelError
from muledetect.evaluate.baselines import compare_baselines
from muledetect.evaluate.by_part import measure_parts, subgroup_parts
from muledetect.evaluate.detection import detect_accounts, detect_cases, summarise_detection
from muledetect.evaluate.metrics import brier_score, calibration_error
from muledetect.evaluate.report import EvaluationReport, measure_by_part
from muledetect.evaluate.rings import RingMetrics, compare_rings
from muledetect.evaluate.rules import rule_columns
from muledetect.features import Progress, extract
from muledetect.graph import Points, build_graph
from muledetect.labels import Target, account_groups, every_account, ring_groups
from muledetect.labels.targets import labelled_points
from muledetect.model import MuleModel
from muledetect.records import Dataset
from muledetect.rings import RingTables


@dataclass(frozen=True, eq=False)
class Evaluation:
    """How a model did at a moment after its training, on rings that it had not seen.

    Attributes
    ----------
    table : pandas.DataFrame
        One row a method, baselines first; see `muledetect.evaluate.compare_baselines`.
    brier, calibration_error : float
        Of the model's probabilities.
    notes : list of str
        On what it was measured.
    rings : RingMetrics, optional
        Where the data set has true rings.
    tables : mapping of str to pandas.DataFrame
        `typologies`, `subgroups`, `innocents`, `reliability`, at `budget`; see `muledetect.evaluate.measure_by_part`.
    budget : float
        Alerts: a number, or below 1 a share of the accounts.
    detection : mapping of str to float
        Time to detect and value still there; see `muledetect.evaluate.summarise_detection`. Empty without `watched`.
    """

    table: pd.DataFrame
    brier: float
    calibration_error: float
    notes: list[str]
    rings: RingMetrics | None = None
    tables: Mapping[str, pd.DataFrame] = field(default_factory=dict)
    budget: float = 0.01
    detection: Mapping[str, float] = field(default_factory=dict)

    def write(self, folder: str | Path) -> None:
        """Write `report.json` and one table a part to a folder; see `EvaluationReport`."""
        figures = {"brier": self.brier, "calibration_error": self.calibration_error, "budget": self.budget}
        figures |= {f"detection_{name}": value for name, value in self.detection.items()}
        if self.rings is not None:
            figures |= {f"rings_{name}": float(value) for name, value in asdict(self.rings).items()}
        EvaluationReport(figures, {"baselines": self.table, **self.tables}, tuple(self.notes)).write(Path(folder))


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
    progress: Progress | None = None,
) -> Evaluation:
    """Rank the accounts at a moment by the model and by the baselines; see `muledetect.pipeline.evaluate`."""
    names, pack, target = origin_of(model)
    moments = list(baselines_at) or sorted({*model.training_as_of_, *model.calibration_as_of_})
    points, y, _ = labelled_points(dataset, moments, target=target, known_by=known_by)
    if len(np.unique(y)) < 2:
        raise DataError(
            f"evaluate: at the {len(moments):,} moment(s) from which baselines learn, {int((y == 1).sum()):,} accounts "
            f"are known as positive and {int((y == 0).sum()):,} as negative. Give 'baselines_at', as for a model that "
            "was trained on another data set."
        )
    at, truth, notes = test_points(dataset, as_of, target=target, use_truth=use_truth)
    groups, seen = ring_groups(dataset, at), ring_groups(dataset, points)[y == 1]
    is_unseen = ~np.isin(groups, seen)
    wanted = list(dict.fromkeys([*names, *rule_columns(pack)]))
    test = extract(dataset, at[is_unseen], wanted, progress=progress)
    table = compare_baselines(
        extract(dataset, points, names, apart=account_groups(dataset), progress=progress), y, test, truth[is_unseen],
        train_groups=ring_groups(dataset, points), test_groups=groups[is_unseen], model=model,
    )  # fmt: skip
    score = model.decision_function(test)
    sought, probability = truth[is_unseen], model.probability(score)
    return Evaluation(
        table=table,
        brier=brier_score(sought, probability),
        calibration_error=calibration_error(sought, probability),
        notes=[*notes, f"{int((~is_unseen).sum()):,} accounts of rings and persons seen in training are left out."],
        rings=_compare_rings(dataset, found_rings),
        tables=measure_by_part(
            dataset.tables, test["account_id"].to_pylist(), as_of, sought, score, probability,
            k=budget, groups=groups[is_unseen],
        ),
        budget=budget,
        detection=_time_to_detect(dataset, model, watched, budget, progress),
    )  # fmt: skip


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
    members = build_graph(dataset).codes(pc.unique(truth["account_id"]))
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


def rates_by_group(dataset: Dataset, points: Points, y: np.ndarray, model: MuleModel) -> list[dict[str, Any]]:
    """Return the rates of each group of accounts among the held-out rows of the latest moment, for the model card."""
    if not hasattr(model, "held_out_") or "accounts" not in dataset.tables:
        return []
    held = model.held_out_
    is_latest = points.as_of[held.position] == points.as_of[held.position].max()
    rows = held.position[is_latest]
    ids = dataset.account_ids.take(pa.array(points.account[rows])).to_pylist()
    parts = subgroup_parts(ids, int(points.as_of[rows[0]]), dataset.tables["accounts"], dataset.tables.get("holders"))
    table = measure_parts(y[rows], held.score[is_latest], parts, k=0.01, groups=held.group[is_latest], n_draws=200)
    kept = ["part", "value", "n", "n_positive", "recall", "false_positive_rate", "is_few"]
    lines = table[kept].to_dict("records") if len(table) else []
    return [{str(name): None if pd.isna(value) else value for name, value in line.items()} for line in lines]


def _time_to_detect(
    dataset: Dataset, model: MuleModel, watched: Iterable[Moment], budget: float, progress: Progress | None
) -> dict[str, float]:
    moments = list(watched)
    if not moments:
        return {}
    lacking = [name for name in ("truth_transfers", "truth_money") if name not in dataset.tables]
    if lacking:
        raise DataError(f"evaluate: time to detect needs {', '.join(lacking)}; leave out the watched moments.")
    names, _, _ = origin_of(model)
    series = []
    for moment in moments:
        features = extract(dataset, every_account(dataset, moment), names, progress=progress)
        series.append((moment, features["account_id"].to_pylist(), model.decision_function(features)))
    money = dataset.tables["truth_money"]
    accounts = detect_accounts(series, dataset.transfers, dataset.tables["truth_transfers"], money, k=budget)
    return summarise_detection(accounts, detect_cases(series, money, k=budget))
