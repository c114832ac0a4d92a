"""The straight line: tables -> Dataset -> TransferGraph -> features at points -> model -> scores -> rings.

Each function is also a command of the same name. A data set is a `Dataset` or the path of a folder; what is given as
`output` is written atomically.

>>> from muledetect.pipeline import rings, score, train
>>> model = train("data/sample", ["2025-03-15"], target="ever")  # doctest: +SKIP
>>> scores = score("data/sample", model, "2025-04-10")  # doctest: +SKIP
>>> found = rings("data/sample", scores, "2025-04-10")  # doctest: +SKIP
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass
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
    RingMetrics,
    brier_score,
    calibration_error,
    compare_baselines,
    compare_rings,
    rule_columns,
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
    output: str | Path | None = None,
    progress: Progress | None = None,
) -> MuleModel:
    """Fit a model on every account with a known target at the given moments, and write it to the folder `output`.

    With several moments the trees learn from the earlier ones and the calibrator from the latest. `known_by` leaves
    out labels that were known later. Target `ever` uses only features that keep their value when an account falls
    silent.

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
    fitted = (model or MuleModel()).fit(features, y, groups=ring_groups(read, points), trained_on=origin)
    fitted.notes_ = [*notes, *fitted.notes_]
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
    """

    table: pd.DataFrame
    brier: float
    calibration_error: float
    notes: list[str]
    rings: RingMetrics | None = None


def evaluate(
    dataset: Source,
    model: MuleModel | str | Path,
    as_of: Moment,
    *,
    found_rings: RingTables | None = None,
    use_truth: bool = False,
    known_by: Moment | None = None,
    output: str | Path | None = None,
    progress: Progress | None = None,
) -> Evaluation:
    """Rank the accounts at `as_of` by the model and by the baselines, and measure against the labels.

    The baselines learn from the model's own training moments. Rings and persons with a positive there are left out of
    the test. With `use_truth`, membership of `truth_rings` is the target, for worlds whose whole truth is known;
    `known_by` then still limits what the baselines learn from.
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
    probability = fitted.predict_proba(test)[:, 1]
    result = Evaluation(
        table=table,
        brier=brier_score(truth[is_unseen], probability),
        calibration_error=calibration_error(truth[is_unseen], probability),
        notes=[*notes, f"{int((~is_unseen).sum()):,} accounts of rings and persons seen in training are left out."],
        rings=_compare_rings(read, found_rings),
    )
    if output is not None:
        _write_evaluation(result, Path(output))
    return result


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


def _write_evaluation(result: Evaluation, folder: Path) -> None:
    summary = {
        "brier": result.brier,
        "calibration_error": result.calibration_error,
        "notes": result.notes,
        "rings": None if result.rings is None else asdict(result.rings),
    }
    write_text(folder / "metrics.json", pd.Series(summary).to_json(indent=2))
    write_text(folder / "baselines.json", result.table.to_json(orient="index", indent=2))
    write_table(pa.Table.from_pandas(result.table.reset_index()), folder / "baselines.parquet")


__all__ = ["check", "demo", "evaluate", "import_", "load", "rings", "score", "simulate", "train"]
