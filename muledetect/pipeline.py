"""The straight line: tables -> Dataset -> TransferGraph -> features at points -> model -> scores -> rings.

Each function is also a command of the same name. A data set is a `Dataset` or the path of a folder; what is given as
`output` is written atomically.

>>> from muledetect.pipeline import rings, score, train
>>> model = train("data/sample", ["2025-03-15"], target="ever")  # doctest: +SKIP
>>> scores = score("data/sample", model, "2025-04-10")  # doctest: +SKIP
>>> found = rings("data/sample", scores, "2025-04-10")  # doctest: +SKIP
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from muledetect.clock import DAY, Moment, parse_time
from muledetect.errors import DataError, ModelError
from muledetect.evaluate import (
    Drift,
    EvaluationReport,
    RingMetrics,
    brier_score,
    calibration_error,
    compare_baselines,
    compare_periods,
    compare_rings,
    detect_accounts,
    detect_cases,
    measure_by_part,
    measure_parts,
    rule_columns,
    subgroup_parts,
    summarise_detection,
)
from muledetect.features import Progress, extract, feature_names
from muledetect.graph import Points, build_graph
from muledetect.labels import (
    Target,
    account_groups,
    describe_targets,
    every_account,
    read_findings,
    ring_groups,
    targets,
)
from muledetect.model import MuleModel, load_model
from muledetect.model.estimator import TrainedOn
from muledetect.model.scores import score_points
from muledetect.model.tuning import tune
from muledetect.records import Dataset, read_dataset, write_table, write_tables, write_text
from muledetect.records.layouts import import_layout
from muledetect.rings import RingTables, find_rings
from muledetect.simulate import world_config, write_world

Source = Dataset | str | Path

DEMO_ACCOUNTS: Final = 12_000
DEMO_DAYS: Final = 120


def check(dataset: Source, *, output: str | Path | None = None, **reading: Any) -> pd.DataFrame:
    """Validate a data set; return its findings, one a row, and write the rejects to `output`."""
    read = load(dataset, **reading)
    if output is not None:
        write_table(read.rejects, output)
    columns = ["severity", "table", "column", "reason", "n_rows", "first_row", "text"]
    return pd.DataFrame([[getattr(found, name) for name in columns] for found in read.findings], columns=columns)


def train(
    dataset: Source,
    as_of: Moment | Iterable[Moment],
    *,
    target: Target = "active",
    pack: str = "none",
    known_by: Moment | None = None,
    model: MuleModel | None = None,
    n_trials: int = 0,
    output: str | Path | None = None,
    progress: Progress | None = None,
) -> MuleModel:
    """Fit a model on every account with a known target at the given moments, and write it to the folder `output`.

    With several moments the latest, if it has enough new positives, says how many trees to keep and what scores mean.
    `known_by` leaves out labels that were known later. Target `ever` uses only features that keep their value when an
    account falls silent. `n_trials` above 0 searches parameters with Optuna on the held-out part of the training rows.
    The model's card, `card.md` and `card.json`, is written beside it.

    Raises
    ------
    DataError, ModelError, OptionError
        If there are no labels, only one class is known, or an option is unknown.
    """
    read = load(dataset, progress=progress)
    points, y, notes = labelled_points(read, as_of, target=target, known_by=known_by)
    if not len(points):
        raise DataError(
            f"train: no account has a known target at the given moments. {notes[0]} Give an earlier moment: the target "
            "'active' needs its horizon and the maturity of labels before the data end; see labels.targets."
        )
    names = feature_names(pack=pack, lasting=target == "ever")
    features = extract(read, points, names, apart=account_groups(read), progress=progress)
    origin = TrainedOn(target, pack, read.tick, read.currency, read.fingerprint)
    groups = ring_groups(read, points)
    plan = model or MuleModel()
    if n_trials:
        plan = tune(features, y, model=plan, n_trials=n_trials, groups=groups, progress=progress)
    fitted = plan.fit(features, y, groups=groups, trained_on=origin)
    fitted.notes_ = [*notes, *fitted.notes_]
    fitted.fairness_ = _rates_by_group(read, points, y, fitted)
    if output is not None:
        fitted.save(output)
    return fitted


def score(
    dataset: Source,
    model: MuleModel | str | Path,
    as_of: Moment,
    *,
    n_explained: int = 200,
    output: str | Path | None = None,
    progress: Progress | None = None,
) -> pa.Table:
    """Score every account of the bank at a moment; return the table `scores`, reasons for the highest."""
    read = load(dataset, progress=progress)
    points = every_account(read, as_of)
    scores = score_points(_model(model), read, build_graph(read), points, n_explained=n_explained, progress=progress)
    if output is not None:
        write_table(scores, output)
    return scores


def rings(
    dataset: Source,
    scores: Any,
    as_of: Moment,
    *,
    output: str | Path | None = None,
    progress: Progress | None = None,
    **options: Any,
) -> RingTables:
    """Find rings around the high scorers, see `find_rings`; write their tables to the folder `output`.

    `scores` is a table as `find_rings` takes it, or the path of a Parquet file.
    """
    read = load(dataset, progress=progress)
    table = _read_scores(scores) if isinstance(scores, str | Path) else scores
    found = find_rings(read, build_graph(read), table, as_of, **options)
    if output is not None:
        found.write(output)
    return found


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


def evaluate(
    dataset: Source,
    model: MuleModel | str | Path,
    as_of: Moment,
    *,
    found_rings: RingTables | None = None,
    use_truth: bool = False,
    known_by: Moment | None = None,
    budget: float = 0.01,
    watched: Iterable[Moment] = (),
    output: str | Path | None = None,
    progress: Progress | None = None,
) -> Evaluation:
    """Rank the accounts at `as_of` by the model and by the baselines, and measure against the labels.

    The baselines learn from the model's own training moments. Rings and persons with a positive there are left out of
    the test. With `use_truth`, membership of `truth_rings` is the target, for worlds whose whole truth is known;
    `known_by` then still limits what the baselines learn from. `budget` is the number of alerts, or below 1 the share
    of accounts, at which parts are measured; `watched` are moments at which every account is scored to measure the
    time to detect, which needs `truth_transfers` and `truth_money`.
    """
    read, fitted = load(dataset, progress=progress), _model(model)
    names, pack, target = _origin(fitted)
    moments = sorted({*fitted.training_as_of_, *fitted.calibration_as_of_})
    points, y, _ = labelled_points(read, moments, target=target, known_by=known_by)
    at, truth, notes = test_points(read, as_of, target=target, use_truth=use_truth)
    groups, seen = ring_groups(read, at), ring_groups(read, points)[y == 1]
    is_unseen = ~np.isin(groups, seen)
    wanted = list(dict.fromkeys([*names, *rule_columns(pack)]))
    test = extract(read, at[is_unseen], wanted, progress=progress)
    table = compare_baselines(
        extract(read, points, names, apart=account_groups(read), progress=progress), y, test, truth[is_unseen],
        train_groups=ring_groups(read, points), test_groups=groups[is_unseen], model=fitted,
    )  # fmt: skip
    score = fitted.decision_function(test)
    sought, probability = truth[is_unseen], fitted.probability(score)
    result = Evaluation(
        table=table,
        brier=brier_score(sought, probability),
        calibration_error=calibration_error(sought, probability),
        notes=[*notes, f"{int((~is_unseen).sum()):,} accounts of rings and persons seen in training are left out."],
        rings=_compare_rings(read, found_rings),
        tables=measure_by_part(
            read.tables, test["account_id"].to_pylist(), as_of, sought, score, probability,
            k=budget, groups=groups[is_unseen],
        ),
        budget=budget,
        detection=_time_to_detect(read, fitted, watched, budget, progress),
    )  # fmt: skip
    if output is not None:
        _write_evaluation(result, Path(output))
    return result


def monitor(
    dataset: Source,
    model: MuleModel | str | Path,
    before: Moment,
    after: Moment,
    *,
    n_explained: int = 200,
    output: str | Path | None = None,
    progress: Progress | None = None,
) -> Drift:
    """Compare two moments: features, scores, reasons of the highest, calibration where labels are ripe, label delay.

    `Drift.exit_status` is 0 (ok), 3 (watch) or 4 (alarm). Labels are compared by when they were known: up to `before`,
    and from there up to `after`. Writes `drift.json` and its tables to the folder `output`.
    """
    read, fitted = load(dataset, progress=progress), _model(model)
    names, _, target = _origin(fitted)
    sides = [extract(read, every_account(read, at), names, progress=progress) for at in (before, after)]
    scores = [fitted.decision_function(side) for side in sides]
    codes = [_reason_codes(fitted, side, score, n_explained) for side, score in zip(sides, scores, strict=True)]
    found = compare_periods(
        *sides, *scores, probability_b=fitted.probability(scores[1]), y_b=_ripe_targets(read, after, target),
        reasons_a=codes[0], reasons_b=codes[1],
        labels_a=_labels_known(read, None, before), labels_b=_labels_known(read, before, after),
    )  # fmt: skip
    if output is not None:
        write_text(Path(output) / "drift.json", found.to_json())
        for name, table in found.tables().items():
            write_table(pa.Table.from_pandas(table, preserve_index=False), Path(output) / f"{name}.parquet")
    return found


def simulate(
    output: str | Path, *, preset: str | None = None, progress: Progress | None = None, **parameters: Any
) -> dict[str, int]:
    """Simulate a bank with call centres around it into the folder `output`; return the number of rows by table.

    `preset` and `parameters` (fields of `muledetect.simulate.WorldConfig`) say what the world looks like; they are
    written beside the tables as `world.json`. Memory holds one week of transfers, not all of them.
    """
    return write_world(world_config(preset, **parameters), output, progress)


def import_(layout: str, files: Iterable[str | Path], output: str | Path, **options: Any) -> dict[str, pa.Table]:
    """Turn the files of another tool into a data set in the folder `output`; rejected rows beside it."""
    tables = import_layout(layout, list(files), **options)
    rejects = tables.pop("rejects")
    write_tables(tables, output)
    folder = Path(output).absolute()  # "." has no name of its own
    write_table(rejects, folder.with_name(f"{folder.name}.rejects.parquet"))
    return {**tables, "rejects": rejects}


@dataclass(frozen=True, eq=False)
class Demo:
    """What `demo` made: its folder, the tables, and what was measured."""

    folder: Path
    dataset: Dataset
    model: MuleModel
    scores: pa.Table
    rings: RingTables
    evaluation: Evaluation


def demo(
    output: str | Path = "muledetect-demo",
    *,
    n_accounts: int = DEMO_ACCOUNTS,
    n_days: int = DEMO_DAYS,
    seed: int = 0,
    progress: Progress | None = None,
) -> Demo:
    """Simulate a bank, train at two thirds of the time on what was known by then, and score, explain and ring the end.

    The evaluation uses the whole truth of the simulated world, also the mules that its bank never found.
    """
    folder, tell = Path(output), progress or _silent
    simulate(folder / "data", n_accounts=n_accounts, n_days=n_days, seed=seed, progress=tell)
    read = load(folder / "data", progress=tell)
    times = read.transfers["time"].cast(pa.int64()).to_numpy()
    end = int(times[-1]) // DAY * DAY + DAY
    trained_at = end - n_days // 3 * DAY
    model = train(
        read, trained_at, target="ever", pack="TH", known_by=trained_at, output=folder / "model", progress=tell
    )
    scores = score(read, model, end, output=folder / "scores.parquet", progress=tell)
    tell("rings", 0.5)
    found = rings(read, scores, end, window="all", output=folder / "rings")
    tell("evaluation", 0.5)
    evaluation = evaluate(
        read, model, end, found_rings=found, use_truth=True, known_by=trained_at,
        output=folder / "evaluation", progress=tell,
    )  # fmt: skip
    return Demo(folder, read, model, scores, found, evaluation)


def load(dataset: Source, *, progress: Progress | None = None, **reading: Any) -> Dataset:
    """Return a data set as it is, or read it from its folder."""
    return dataset if isinstance(dataset, Dataset) else read_dataset(dataset, progress=progress, **reading)


def labelled_points(
    dataset: Dataset, as_of: Moment | Iterable[Moment], *, target: Target, known_by: Moment | None
) -> tuple[Points, np.ndarray, list[str]]:
    """Return the points whose target is known, their targets, and notes on them."""
    graph, points = build_graph(dataset), every_account(dataset, as_of)
    y = targets(dataset, graph, points, target=target, known_by=known_by)
    findings = read_findings(dataset, graph, known_by=_end(dataset) if known_by is None else known_by)
    is_known = ~np.isnan(y)
    return points[is_known], y[is_known], describe_targets(findings, y)


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


def _silent(_stage: str, _done: float) -> None:
    return None


def _end(dataset: Dataset) -> int:
    times = dataset.transfers["time"]
    return int(times[-1].cast(pa.int64()).as_py()) + dataset.tick if len(times) else parse_time("9999-01-01")


def _origin(model: MuleModel) -> tuple[list[str], str, Any]:
    """Return the features, country pack and target that a model was trained with."""
    origin = getattr(model, "trained_on_", None)
    if origin is None or not origin.target or not hasattr(model, "feature_names_in_"):
        raise ModelError("evaluate: the model does not say what it was trained on. Train it with `train`.")
    return [str(name) for name in model.feature_names_in_], origin.pack, origin.target


def _model(model: MuleModel | str | Path) -> MuleModel:
    return model if isinstance(model, MuleModel) else load_model(model)


def _read_scores(path: str | Path) -> pa.Table:
    try:
        return pq.read_table(path)
    except (OSError, pa.ArrowInvalid) as error:
        raise DataError(
            f"scores: {Path(path).name!r} is no Parquet file that can be read; write it with `score`."
        ) from error


def _compare_rings(dataset: Dataset, found: RingTables | None) -> RingMetrics | None:
    truth = dataset.tables.get("truth_rings")
    if found is None or truth is None or not (len(truth) or len(found)):
        return None
    return compare_rings(found.ring_members, truth, visible=dataset.account_ids.to_pylist())


def _rates_by_group(dataset: Dataset, points: Points, y: np.ndarray, model: MuleModel) -> list[dict[str, Any]]:
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
    names, _, _ = _origin(model)
    series = []
    for moment in moments:
        features = extract(dataset, every_account(dataset, moment), names, progress=progress)
        series.append((moment, features["account_id"].to_pylist(), model.decision_function(features)))
    money = dataset.tables["truth_money"]
    accounts = detect_accounts(series, dataset.transfers, dataset.tables["truth_transfers"], money, k=budget)
    return summarise_detection(accounts, detect_cases(series, money, k=budget))


def _reason_codes(model: MuleModel, features: pa.Table, score: np.ndarray, n: int) -> list[list[str]]:
    highest = np.lexsort((np.array(features["account_id"].to_pylist()), -score))[:n]
    shown = features.take(pa.array(np.sort(highest)))
    return [[reason["code"] for reason in reasons if reason["contribution"] > 0] for reasons in model.explain(shown)]


def _ripe_targets(dataset: Dataset, as_of: Moment, target: Target) -> np.ndarray | None:
    """Return the targets at a moment, or None where the data set has no labels that are ripe."""
    if "labels" not in dataset.tables:
        return None
    y = targets(dataset, build_graph(dataset), every_account(dataset, as_of), target=target)
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


def _write_evaluation(result: Evaluation, folder: Path) -> None:
    figures = {"brier": result.brier, "calibration_error": result.calibration_error, "budget": result.budget}
    figures |= {f"detection_{name}": value for name, value in result.detection.items()}
    if result.rings is not None:
        figures |= {f"rings_{name}": float(value) for name, value in asdict(result.rings).items()}
    EvaluationReport(figures, {"baselines": result.table, **result.tables}, tuple(result.notes)).write(folder)


__all__ = ["check", "demo", "evaluate", "import_", "load", "monitor", "rings", "score", "simulate", "train"]
