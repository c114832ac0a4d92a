"""The straight line: tables -> Dataset -> TransferGraph -> features at points -> model -> scores -> rings -> reports.

Each function is also a command of the same name. A data set is a `Dataset` or the path of a folder; what is given as
`output` is written atomically.

>>> from muledetect.pipeline import rings, score, train
>>> model = train("data/sample", ["2025-03-15"], target="ever")  # doctest: +SKIP
>>> scores = score("data/sample", model, "2025-04-10")  # doctest: +SKIP
>>> found = rings("data/sample", scores, "2025-04-10")  # doctest: +SKIP
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from muledetect.clock import DAY, Moment
from muledetect.errors import DataError, ModelError
from muledetect.evaluate import Drift, Evaluation, compare_moments, measure_model, rates_by_group
from muledetect.features import Progress, extract, feature_names
from muledetect.graph import build_graph
from muledetect.labels import Target, account_groups, account_keys, every_account, ring_groups, sample_points
from muledetect.labels.targets import Unlabelled, labelled_points
from muledetect.model import MuleModel, load_model, load_starter
from muledetect.model.estimator import TrainedOn
from muledetect.model.leakage import audit_features, audit_records
from muledetect.model.proof import Explanation, explain_scores
from muledetect.model.scores import score_points
from muledetect.model.thresholds import AlertThreshold, alert_threshold
from muledetect.model.tuning import tune
from muledetect.records import Dataset, read_dataset, write_table, write_tables, write_text
from muledetect.records.layouts import import_layout
from muledetect.report.material import gather_material
from muledetect.report.pages import Language
from muledetect.report.write import write_report
from muledetect.rings import RingTables, find_rings, find_ties, keep_ids, read_rings
from muledetect.simulate import world_config, write_world
from muledetect.tracing import Traces, trace_money

Source = Dataset | str | Path

#: Names the model that ships with the package; a folder of this name is given as "./starter".
STARTER: Final = "starter"

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
    unlabelled: Unlabelled = "unknown",
    max_rows: int | None = None,
    model: MuleModel | None = None,
    n_trials: int = 0,
    strict: bool = False,
    output: str | Path | None = None,
    progress: Progress | None = None,
) -> MuleModel:
    """Fit a model on every account with a known target at the given moments, and write it to the folder `output`.

    With several moments the latest, if it has enough new positives, says how many trees to keep and what scores mean.
    `known_by` leaves out labels that were known later. Target `ever` uses only features that keep their value when an
    account falls silent. `n_trials` above 0 searches parameters with Optuna on the held-out part of the training rows.
    Accounts without a label are left out; with `unlabelled="negative"`, for a bank that labels mules only, they count
    as 0, and probabilities are corrected by how often a mule is labelled, see `muledetect.model.prior`.

    `max_rows` keeps all positives and draws negatives, weighted so that probabilities stay right.

    A leakage audit comes first, see `muledetect.model.leakage`; what it finds stands in the model's notes and card, and
    with `strict` ends the training. The card, `card.md` and `card.json`, is written beside the model.

    Raises
    ------
    DataError, ModelError, OptionError
        If there are no labels, only one class is known, an option is unknown, or `strict` and the audit found a leak.
    """
    read = load(dataset, progress=progress)
    points, y, notes = labelled_points(read, as_of, target=target, known_by=known_by, unlabelled=unlabelled)
    if not len(points):
        raise DataError(
            f"train: no account has a known target at the given moments. {notes[0]} Give an earlier moment: the target "
            "'active' needs its horizon and the maturity of labels before the data end; see labels.targets."
        )
    weight = None
    if max_rows is not None:
        keys = account_keys(read, build_graph(read), as_of=int(points.as_of.max()))
        rows, weight = sample_points(points, y, keys, max_rows=max_rows)
        notes = [*notes, f"{len(rows):,} of {len(y):,} points were drawn; weights make up for the others."]
        points, y = points[rows], y[rows]
    names = feature_names(pack=pack, lasting=target == "ever")
    features = extract(read, points, names, apart=account_groups(read), progress=progress)
    origin = TrainedOn(target, pack, read.tick, read.currency, read.fingerprint, unlabelled)
    groups = ring_groups(read, points)
    leaks = [*audit_features(features, y, groups=groups), *audit_records(read, points, y, groups=groups)]
    if leaks and strict:
        raise ModelError(
            f"train: the leakage audit found {len(leaks):,}: {' '.join(leak.text for leak in leaks[:5])} Leave out the "
            "column, mend the records, or train without 'strict'."
        )
    plan = model or MuleModel()
    if n_trials:
        plan = tune(features, y, model=plan, n_trials=n_trials, groups=groups, progress=progress)
    fitted = plan.fit(features, y, groups=groups, sample_weight=weight, trained_on=origin)
    fitted.leakage_ = [leak.text for leak in leaks]
    fitted.notes_ = [*notes, *(f"Leakage audit: {text}" for text in fitted.leakage_), *fitted.notes_]
    fitted.fairness_ = rates_by_group(read, points, y, fitted)
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
    """Score every account of the bank at a moment; return the table `scores`, reasons for the highest.

    The model "starter" is the one that ships with the package for a bank without labels; see `load_starter`.
    """
    read = load(dataset, progress=progress)
    points = every_account(read, as_of)
    scores = score_points(
        _model(model, read), read, build_graph(read), points, n_explained=n_explained, progress=progress
    )
    if output is not None:
        write_table(scores, output)
    return scores


def threshold(
    dataset: Source,
    model: MuleModel | str | Path,
    as_of: Iterable[Moment],
    per_day: float,
    *,
    output: str | Path | None = None,
    progress: Progress | None = None,
) -> AlertThreshold:
    """Return the lowest score from which on at most `per_day` new alerts a day arose between the moments.

    Every account is scored at every moment; days, or working days, are what a team looks at once. Writes JSON to
    `output`.
    """
    read = load(dataset, progress=progress)
    used, graph = _model(model, read), build_graph(read)
    points = every_account(read, as_of)
    scores = score_points(used, read, graph, points, n_explained=0, progress=progress)
    times = scores["as_of"].cast(pa.int64()).to_numpy()
    found = alert_threshold(scores["score"].to_numpy(), times, graph.codes(scores["account_id"]), per_day=per_day)
    if output is not None:
        write_text(output, json.dumps(found.to_json(), indent=2) + "\n")
    return found


def explain(
    dataset: Source,
    scores: Any,
    *,
    n_transfers: int = 10,
    output: str | Path | None = None,
    progress: Progress | None = None,
) -> Explanation:
    """Find the transfers that prove each reason of explained scores, and when each account was most suspicious.

    `scores` is a table that `score` gave, or the path of its Parquet file. Writes `proofs` and `windows` to the folder
    `output`.
    """
    read = load(dataset, progress=progress)
    table = _read_scores(scores) if isinstance(scores, str | Path) else scores
    _refuse_other_names(read, table, "scores")
    found = explain_scores(read, build_graph(read), table, n_transfers=n_transfers)
    if output is not None:
        write_tables({"proofs": found.proofs, "windows": found.windows}, output)
    return found


def rings(
    dataset: Source,
    scores: Any,
    as_of: Moment,
    *,
    previous: RingTables | str | Path | None = None,
    output: str | Path | None = None,
    progress: Progress | None = None,
    **options: Any,
) -> RingTables:
    """Find rings, see `find_rings`, and their ties to call centres, see `find_ties`; write them to `output`.

    `scores` is a table as `find_rings` takes it, or the path of a Parquet file; `previous` is the folder of an earlier
    search, whose ids stay (`keep_ids`): table `ring_events` then says what became of each ring.
    """
    read = load(dataset, progress=progress)
    tell = progress or _silent
    table = _read_scores(scores) if isinstance(scores, str | Path) else scores
    _refuse_other_names(read, table, "scores")
    earlier = read_rings(previous) if isinstance(previous, str | Path) else previous
    if earlier is not None:
        _refuse_other_names(read, earlier.ring_members, "previous: ring_members")
    graph = build_graph(read)
    tell("rings", 0.1)
    found = find_rings(read, graph, table, as_of, **options)
    tell("ties", 0.7)
    window = {"window": options["window"]} if "window" in options else {}
    found = found.with_ties(find_ties(read, graph, found.ring_members, as_of, **window))
    events = None
    if earlier is not None:
        found, events = keep_ids(found, earlier)
    if output is not None:
        write_tables(found.tables | ({} if events is None else {"ring_events": events}), output)
    return found


def trace(
    dataset: Source,
    as_of: Moment,
    *,
    output: str | Path | None = None,
    progress: Progress | None = None,
    **options: Any,
) -> Traces:
    """Trace the money of complaints up to a moment and propose holds, see `trace_money`; write it to `output`.

    An `output` that ends in ".parquet" gets table `trace` alone; a folder gets all tables.
    """
    read = load(dataset, progress=progress)
    found = trace_money(read, build_graph(read), as_of, progress=progress, **options)
    if output is not None and str(output).endswith(".parquet"):
        write_table(found.trace, output)
    elif output is not None:
        found.write(output)
    return found


def report(
    dataset: Source,
    scores: Any,
    *,
    output: str | Path,
    as_of: Moment | None = None,
    rings: RingTables | str | Path | None = None,
    model: MuleModel | str | Path | None = None,
    evaluation: str | Path | None = None,
    drift: str | Path | None = None,
    n_alerts: int = 200,
    language: Language = "en",
    time_zone: str = "UTC",
    goaml: bool = False,
    progress: Progress | None = None,
) -> dict[str, int]:
    """Write self-contained HTML pages for people; return the number of pages by kind.

    The folder `output` gets `index.html` (search, sort, filter), a case file for each of the `n_alerts` highest scores,
    a ring file for each ring, their tables as CSV, and, if an evaluation folder is given, a model report. Complaints'
    money is traced on the way. Pages open from disk, hold English and Thai, and send no request.

    Parameters
    ----------
    dataset : Dataset, path or mapping of tables
    scores : table or path
        As `score` gave it; only accounts that were explained have reasons.
    output : path
        A new or empty folder, or one with an earlier report, which is replaced.
    as_of : Moment, optional
        Which moment of the scores; the latest by default.
    rings : RingTables or path, optional
        As `rings` gave it, of the same moment.
    model : MuleModel or path, optional
        That scored: its config hash stands on each case file, its card in the model report.
    evaluation, drift : path, optional
        Folders that `evaluate` and `monitor` wrote.
    n_alerts : int
        Case files to write.
    language : "en" or "th"
        In which the pages open.
    time_zone : str
        IANA name of the zone of the times that are shown.
    goaml : bool
        Also write a draft of each case in the shape of goAML.

    Raises
    ------
    DataError, OptionError
        If tables do not fit each other, an option is unknown, or the folder holds something else.
    """
    read = load(dataset, progress=progress)
    table = _read_scores(scores) if isinstance(scores, str | Path) else scores
    found = read_rings(rings) if isinstance(rings, str | Path) else rings
    used = None if model is None else _model(model, read)
    material = gather_material(read, table, as_of=as_of, rings=found, model=used, n_alerts=n_alerts, progress=progress)
    about_model = None
    if evaluation is not None:
        from muledetect.report.model_report import read_model_report  # noqa: PLC0415

        about_model = read_model_report(evaluation, used, drift)
    return write_report(
        material, output, model_report=about_model, language=language, zone=time_zone, goaml=goaml, progress=progress
    )


def evaluate(
    dataset: Source,
    model: MuleModel | str | Path,
    as_of: Moment,
    *,
    found_rings: RingTables | str | Path | None = None,
    use_truth: bool = False,
    known_by: Moment | None = None,
    budget: float = 0.01,
    watched: Iterable[Moment] = (),
    baselines_at: Iterable[Moment] = (),
    leave_one_out: bool = False,
    output: str | Path | None = None,
    progress: Progress | None = None,
) -> Evaluation:
    """Rank the accounts at `as_of` by the model and by the baselines, and measure against the labels.

    The baselines learn from the model's own training moments, or at `baselines_at`. Rings and persons with a positive
    there are left out of the test. With `use_truth`, membership of `truth_rings` is the target, for worlds whose whole
    truth is known; `known_by` then still limits what the baselines learn from. `budget` is the number of alerts, or
    below 1 the share of accounts, at which parts are measured; `watched` are moments at which every account is scored
    to measure how calibration holds and the time to detect, which needs `truth_transfers` and `truth_money`. With
    `leave_one_out`, the recall of each shape of ring by a model that learnt from none of it is measured, too, which
    trains the model again for each. `found_rings`, or the folder that `rings` wrote, are held against the true ones.
    """
    read = load(dataset, progress=progress)
    found = read_rings(found_rings) if isinstance(found_rings, str | Path) else found_rings
    if found is not None:
        _refuse_other_names(read, found.ring_members, "found_rings: ring_members")
    result = measure_model(
        read, _model(model, read), as_of, found_rings=found, use_truth=use_truth,
        known_by=known_by, budget=budget, watched=watched, baselines_at=baselines_at,
        leave_one_out=leave_one_out, progress=progress,
    )  # fmt: skip
    if output is not None:
        result.write(output)
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
    read = load(dataset, progress=progress)
    found = compare_moments(read, _model(model, read), before, after, n_explained=n_explained, progress=progress)
    if output is not None:
        found.write(output)
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
    """Simulate a bank, train at two thirds of the time on what was known by then, and score, ring and report the end.

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
    report(
        read, scores, rings=found, model=model, evaluation=folder / "evaluation", output=folder / "report",
        time_zone="Asia/Bangkok", progress=tell,
    )  # fmt: skip
    return Demo(folder, read, model, scores, found, evaluation)


def load(dataset: Source, *, progress: Progress | None = None, **reading: Any) -> Dataset:
    """Return a data set as it is, or read it from its folder."""
    return dataset if isinstance(dataset, Dataset) else read_dataset(dataset, progress=progress, **reading)


def _silent(_stage: str, _done: float) -> None:
    return None


def _model(model: MuleModel | str | Path, dataset: Dataset) -> MuleModel:
    if isinstance(model, MuleModel):
        return model
    return load_starter(dataset.tick) if str(model) == STARTER else load_model(model)


def _refuse_other_names(dataset: Dataset, table: Any, where: str) -> None:
    if isinstance(table, pa.Table | pd.DataFrame) and "account_id" in table:
        ids = table["account_id"]
        ids = pa.chunked_array(ids) if isinstance(table, pa.Table) else pa.array(ids, pa.string())
        refuse_other_names(ids, dataset.account_ids, f"{where}: column 'account_id'")


def _read_scores(path: str | Path) -> pa.Table:
    try:
        return pq.read_table(path)
    except (OSError, pa.ArrowInvalid) as error:
        raise DataError(
            f"scores: {Path(path).name!r} is no Parquet file that can be read; write it with `score`."
        ) from error


__all__ = [
    "check",
    "demo",
    "evaluate",
    "explain",
    "import_",
    "load",
    "monitor",
    "report",
    "rings",
    "score",
    "simulate",
    "threshold",
    "trace",
    "train",
]
