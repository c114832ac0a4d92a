"""A model at a moment after its training: ranking beside baselines, parts, innocents, time to detect, rings."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from muledetect.clock import Moment, format_time, parse_time
from muledetect.errors import DataError, ModelError
from muledetect.evaluation.baselines import MODEL, baseline_scores, check_sides, compare_scores
from muledetect.evaluation.budget import budget_curve, budget_grid
from muledetect.evaluation.by_part import leave_one_typology_out, measure_parts, subgroup_parts, typology_parts
from muledetect.evaluation.calibration import calibration_intervals, calibration_over_time
from muledetect.evaluation.innocents import count_alerted_victims, likely_victims
from muledetect.evaluation.metrics import brier_score
from muledetect.evaluation.report import EvaluationReport, measure_by_part
from muledetect.evaluation.rings import RingMetrics, compare_rings
from muledetect.evaluation.rules import rule_columns
from muledetect.evaluation.ties import measure_ties
from muledetect.evaluation.traces import measure_traces
from muledetect.evaluation.value import illicit_receipts
from muledetect.evaluation.watch import TRUTH_OF_MONEY, View, watch_detection
from muledetect.facts import Snapshot
from muledetect.features import extract
from muledetect.graph import Points, build_graph
from muledetect.labels import Target, account_groups, every_account, ring_groups
from muledetect.labels.targets import labelled_points
from muledetect.markup import build_card, build_details, build_facts, build_list, build_table
from muledetect.model import MuleModel
from muledetect.model.store import config_hash
from muledetect.progress import Progress
from muledetect.records import Dataset
from muledetect.rings import RingTables
from muledetect.tracing import trace

Float64Array = npt.NDArray[np.float64]
Int64Array = npt.NDArray[np.int64]

#: Draws behind every interval of the ranking.
N_DRAWS: Final = 200
#: Metrics of each method that a notebook shows.
_SHOWN: Final = ("average_precision", "precision@0.5%", "recall@0.5%", "precision@1%", "recall@1%")


@dataclass(frozen=True, eq=False)
class Evaluation:
    """How a model did at a moment after its training, on rings that it had not seen.

    Attributes
    ----------
    table : pandas.DataFrame
        One row a method, baselines first; see `muledetect.evaluation.compare_baselines`.
    brier, calibration_error : float
        Of the model's probabilities.
    calibration_interval : tuple of float
        95%, from drawing rings whole.
    notes : list of str
        On what it was measured.
    rings : RingMetrics, optional
        Where the data set has true rings.
    tables : mapping of str to pandas.DataFrame
        `typologies`, `subgroups`, `innocents`, `reliability`, at `budget`, see `muledetect.evaluation.measure_by_part`;
        `budget_curve`; with watched moments `calibration_over_time` and `detection_curve`; with found rings `ties`;
        `traces` where the truth about money is known; `left_out` where asked for.
    budget : float
        Alerts: a number, or below 1 a share of the accounts.
    detection : mapping of str to float
        Time to detect and value still there; see `muledetect.evaluation.watch.Detection`. Empty without `watched`.
    victims : mapping of str to float
        Likely victims of the alerted accounts, how many of them are alerted themselves, and how well they are
        recognised; see `muledetect.evaluation.count_alerted_victims`.
    about : mapping of str to str
        As `muledetect.evaluation.EvaluationReport`.
    """

    table: pd.DataFrame
    brier: float
    calibration_error: float
    calibration_interval: tuple[float, float]
    notes: list[str]
    rings: RingMetrics | None = None
    tables: Mapping[str, pd.DataFrame] = field(default_factory=dict)
    budget: float = 0.01
    detection: Mapping[str, float] = field(default_factory=dict)
    victims: Mapping[str, float] = field(default_factory=dict)
    about: Mapping[str, str] = field(default_factory=dict)

    def __repr__(self) -> str:
        best = float(self.table["average_precision"].iloc[-1]) if len(self.table) else float("nan")
        return (
            f"Evaluation({len(self.table):,} methods, average precision of the last {best:.2f}, "
            f"{len(self.tables):,} more tables)"
        )

    def _repr_html_(self) -> str:
        low, high = self.calibration_interval
        facts: dict[str, object] = {"Brier score": self.brier, "calibration error": self.calibration_error}
        facts |= {"its 95% interval": f"{low:.3g} to {high:.3g}"}
        names = [name for name in _SHOWN if name in self.table]
        rows = [[method, *(_with_interval(line, name) for name in names)] for method, line in self.table.iterrows()]
        titles = ["method", *(name.replace("_", " ").replace("@", " at ") for name in names)]
        parts = {"rings": asdict(self.rings) if self.rings is not None else {}, "detection": self.detection}
        more = [
            build_details(part, build_facts({name.replace("_", " "): value for name, value in figures.items()}))
            for part, figures in parts.items()
        ]
        return build_card(
            "Evaluation", build_facts(facts), build_table(titles, rows, right=titles[1:]), *more,
            build_facts({"more tables": ", ".join(self.tables) or None}),
            build_details(f"{len(self.notes):,} notes", build_list(self.notes)),
            note="Brackets: 95% intervals from drawing whole rings.",
        )  # fmt: skip

    def write(self, folder: str | Path, *, overwrite: bool = False) -> None:
        """Write `report.json` and one table a part to a folder; see `EvaluationReport`."""
        low, high = self.calibration_interval
        figures = {"brier": self.brier, "calibration_error": self.calibration_error, "budget": self.budget}
        figures |= {"calibration_error_low": low, "calibration_error_high": high}
        figures |= {f"victims_{name}": value for name, value in self.victims.items()}
        figures |= {f"detection_{name}": value for name, value in self.detection.items()}
        if self.rings is not None:
            figures |= {f"rings_{name}": float(value) for name, value in asdict(self.rings).items()}
        tables = {"baselines": self.table, **self.tables}
        EvaluationReport(figures, tables, tuple(self.notes), self.about).write(folder, overwrite=overwrite)


def _with_interval(line: pd.Series[float], name: str) -> str:
    ends = ("low", "high") if name == "average_precision" else (f"{name}_low", f"{name}_high")
    low, high = (float(line.get(end, np.nan)) for end in ends)
    return f"{float(line[name]):.2f}" + ("" if np.isnan(low) else f" [{low:.2f}, {high:.2f}]")


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
    leave_one_out: bool = False,
    progress: Progress | None = None,
) -> Evaluation:
    """Rank the accounts at a moment by the model and by the baselines; see `muledetect.pipeline.evaluate`."""
    names, pack, target = origin_of(model)
    moments = list(baselines_at) or sorted({*model.training_as_of_, *model.calibration_as_of_})
    unlabelled: Any = model.trained_on_.unlabelled
    points, y, _ = labelled_points(dataset, moments, target=target, known_by=known_by, unlabelled=unlabelled)
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
    learnt = extract(dataset, points, names, hide_groups=account_groups(dataset), progress=progress)
    train_groups, test_groups = ring_groups(dataset, points), groups[is_unseen]
    sought, receipts = truth[is_unseen], illicit_receipts(dataset)
    value = None if receipts.money is None else receipts.money[at.account[is_unseen]]
    check_sides(sought)
    if progress is not None:
        progress("baselines and measures", 0.0)
    scores = baseline_scores(learnt, y, test, groups=train_groups, model=model)
    ranked: dict[str, Any] = {"value": value, "groups": test_groups, "n_draws": N_DRAWS}
    budgets = budget_grid(len(sought), also=[_n_alerts(budget, len(sought))])
    score = np.asarray(scores[MODEL], dtype=np.float64)
    probability = model.probability(score)
    parts = measure_by_part(
        dataset.tables, test["account_id"].to_pylist(), as_of, sought, score, probability,
        k=budget, groups=test_groups,
    )  # fmt: skip
    parts["budget_curve"] = budget_curve(sought, scores, budgets=budgets, **ranked)
    if leave_one_out:
        of_side = [_typologies(dataset, side) for side in (learnt, test)]
        parts["left_out"] = leave_one_typology_out(
            learnt, y, of_side[0], test, sought, of_side[1], k=budget, model=model,
            train_groups=train_groups, test_groups=test_groups,
        )  # fmt: skip
    views = _watch(dataset, model, list(watched), progress)
    detection = watch_detection(dataset, views, seen, budget=budget)
    if detection.curve is not None:
        parts["detection_curve"] = detection.curve
    calibration = calibration_intervals(sought, probability, groups=test_groups)
    n_seen, n_lost = int((~is_unseen).sum()), int((truth[~is_unseen] == 1).sum())
    return Evaluation(
        table=compare_scores(sought, scores, **ranked),
        brier=brier_score(sought, probability),
        calibration_error=calibration.error,
        calibration_interval=(calibration.error_low, calibration.error_high),
        notes=[
            *notes, receipts.note, *detection.notes,
            f"{n_seen:,} accounts of rings and persons seen in training are left out, {n_lost:,} of them positive; "
            "where that is most of them, precision and observed shares are lower than the whole bank would show.",
        ],
        rings=_compare_rings(dataset, found_rings),
        tables=parts
        | _compare_ties(dataset, found_rings)
        | _compare_traces(dataset, as_of)
        | _over_time(dataset, model, views, seen, use_truth=use_truth),
        budget=budget,
        detection=detection.figures,
        victims=_victims(dataset, test["account_id"].to_pylist(), score, as_of, budget),
        about={
            "as_of": format_time(parse_time(as_of)), "data_set": dataset.fingerprint, "model": config_hash(model),
            "target": "membership of truth_rings" if use_truth else str(target),
        },
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


def _compare_ties(dataset: Dataset, found: RingTables | None) -> dict[str, pd.DataFrame]:
    """Return how right the ties are by grade, where the truth says which centre an account serves."""
    truth = dataset.tables.get("truth_rings")
    if found is None or truth is None or "centre_id" not in truth.column_names:
        return {}
    return {"ties": measure_ties(found.ring_ties, found.ring_members, truth)}


def _compare_traces(dataset: Dataset, as_of: Moment) -> dict[str, pd.DataFrame]:
    """Return how well complaint money is found, where the truth says where it is; no score plays a part in it."""
    complaints = dataset.tables.get("complaints")
    if complaints is None or "transfer_id" not in complaints.column_names:
        return {}
    if not set(dataset.tables) >= TRUTH_OF_MONEY:
        return {}
    traces = trace(Snapshot(dataset, as_of))
    truth = dataset.tables["truth_transfers"], dataset.tables["truth_money"]
    return {"traces": measure_traces(traces, complaints, *truth, as_of)}


def _n_alerts(budget: float, n_rows: int) -> int:
    return int(np.ceil(budget * n_rows - 1e-9)) if budget < 1 else int(budget)


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


def _typologies(dataset: Dataset, features: pa.Table) -> pd.DataFrame:
    if "truth_rings" not in dataset.tables:
        raise DataError("evaluate: leaving typologies out needs the table truth_rings; measure without it.")
    ids = features["account_id"].to_pylist()
    return typology_parts(ids, dataset.tables["truth_rings"], dataset.tables.get("truth_accounts"))


def _victims(
    dataset: Dataset, account_ids: Sequence[str], score: Float64Array, as_of: Moment, budget: float
) -> dict[str, float]:
    """Return how the victims of the highest accounts fare."""
    n_alerts = _n_alerts(budget, len(score))
    alerted = [account_ids[row] for row in np.lexsort((np.asarray(account_ids), -score))[:n_alerts]]
    likely = likely_victims(dataset.transfers, alerted, as_of, complaints=dataset.tables.get("complaints"))
    cases = dataset.tables.get("truth_transfers")
    if cases is None:
        return count_alerted_victims(likely, alerted)
    paid = dataset.transfers.select(["transfer_id", "source", "target", "time"]).join(
        cases.select(["transfer_id", "kind"]).filter(pc.equal(cases["kind"].cast(pa.string()), "victim")),
        "transfer_id", join_type="inner",
    )  # fmt: skip
    is_lost = pc.and_(
        pc.is_in(paid["target"].cast(pa.string()), pa.array(alerted, pa.string())),
        pc.less(paid["time"].cast(pa.int64()), parse_time(as_of)),
    )
    return count_alerted_victims(likely, alerted, set(paid.filter(is_lost)["source"].to_pylist()))


def _watch(dataset: Dataset, model: MuleModel, moments: Sequence[Moment], progress: Progress | None) -> list[View]:
    """Return every account at each moment, with its score."""
    names, _, _ = origin_of(model)
    watched = []
    for moment in moments:
        features = extract(dataset, every_account(dataset, moment), names, progress=progress)
        watched.append((moment, features.select(["account_id", "as_of"]), model.decision_function(features)))
    return watched


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
        score_of[build_graph(dataset).codes(points["account_id"])] = score
        group = ring_groups(dataset, at)
        kept = ~np.isin(group, seen)
        parts.append((y[kept], score_of[at.account[kept]], at.as_of[kept], group[kept]))
    y, score, as_of, group = (np.concatenate(column) for column in zip(*parts, strict=True))
    return {"calibration_over_time": calibration_over_time(y, model.probability(score), as_of, groups=group)}
