"""The straight line: tables -> Dataset -> TransferGraph -> features at points -> model -> scores -> rings -> reports.

Each function is also a command of the same name. A data set is a `Dataset` or the path of a folder. What is given as
`output` is refused before the work if it is an input or holds what we did not write, and is old or new, never half of
one; see `muledetect.outputs`. `overwrite` also replaces files of the same names that are not ours.

>>> from muledetect.pipeline import rings, score, train
>>> model = train("data/sample", ["2025-03-15"], target="ever")  # doctest: +SKIP
>>> scores = score("data/sample", model, "2025-04-10")  # doctest: +SKIP
>>> found = rings("data/sample", scores, "2025-04-10")  # doctest: +SKIP
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import pandas as pd
import pyarrow as pa

from muledetect.clock import DAY, Moment
from muledetect.errors import DataError, ModelError, OptionError
from muledetect.frames import as_arrow
from muledetect.outputs import Output, check_output, kinds, new_folder
from muledetect.records import Dataset, write_table, write_text
from muledetect.records.intake import read_parquet
from muledetect.records.pseudonyms import Pseudonyms, read_key, refuse_other_names
from muledetect.records.write import put_tables

# Each function imports the rooms that it goes through, so that `check` does not wait for those of `train`.
if TYPE_CHECKING:
    from muledetect.evaluation import Drift, Evaluation
    from muledetect.labels import Target
    from muledetect.labels.targets import Unlabelled
    from muledetect.model import MuleModel
    from muledetect.model.proof import Explanation
    from muledetect.model.thresholds import AlertThreshold
    from muledetect.progress import Progress
    from muledetect.records.own import Columns, Imported
    from muledetect.reports.pages import Language
    from muledetect.rings import RingTables
    from muledetect.tracing import Traces

#: A data set: as it was read, the path of its folder, or table name -> path or table of any library.
Source = Dataset | str | Path | Mapping[str, Any]

#: Names the model that ships with the package; a folder of this name is given as "./starter".
STARTER: Final = "starter"

DEMO_ACCOUNTS: Final = 12_000
DEMO_DAYS: Final = 120


def check(
    dataset: Source, *, output: str | Path | None = None, overwrite: bool = False, **reading: Any
) -> pd.DataFrame:
    """Validate a data set; return its findings, one a row, and write the rejects to `output`.

    A finding of severity "error" says that no transfer is left. All other functions raise `DataError` then.

    Parameters
    ----------
    dataset : Dataset, path or mapping of tables
    output : path, optional
        Parquet file of the rows that were left out, each with its reason.
    overwrite : bool
        Also replace what is not ours, or was changed.
    **reading
        As for `read_dataset`.
    """
    refuse_output("check", output, (dataset,), overwrite=overwrite)
    read = _read(dataset, **reading)
    if output is not None:
        write_table(read.rejects, output, output=kinds.REJECTS, overwrite=overwrite)
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
    overwrite: bool = False,
    progress: Progress | None = None,
) -> MuleModel:
    """Fit a model on every account with a known target at the given moments, and write it to the folder `output`.

    With several moments the latest, if it has enough new positives, says how many trees to keep and what scores mean.
    A leakage audit comes first, see `muledetect.model.leakage`; what it finds stands in the model's notes and card. The
    card, `card.md` and `card.json`, is written beside the model.

    Parameters
    ----------
    dataset : Dataset, path or mapping of tables
        With a table `labels`.
    as_of : Moment or iterable of moments
        Exclusive moments to learn from.
    target : "active" or "ever"
        Illicit activity around the moment, or ever before it; `ever` uses only features that keep their value when an
        account falls silent. See `labels.targets`.
    pack : str
        Country pack: thresholds of amounts, see `load_pack`.
    known_by : Moment, optional
        Labels that were known later are left out.
    unlabelled : "unknown" or "negative"
        Accounts without a label are left out; "negative", for a bank that labels mules only, counts them as 0 and
        corrects probabilities by how often a mule is labelled, see `muledetect.model.prior`.
    max_rows : int, optional
        Keep all positives and draw negatives, weighted so that probabilities stay right.
    model : MuleModel, optional
        Its parameters are used, not what it has learnt.
    n_trials : int
        Above 0: search parameters with Optuna on the held-out part of the training rows.
    strict : bool
        End without a model if the audit finds a leak.
    output : path, optional
        Folder of the model.
    overwrite : bool
        Also replace what is not ours, or was changed.
    progress : callable, optional

    Raises
    ------
    DataError, ModelError, OptionError
        If there are no labels, only one class is known, an option is unknown, or `strict` and the audit found a leak.
    """
    from muledetect.evaluation import rates_by_group
    from muledetect.features import extract, feature_names
    from muledetect.graph import build_graph
    from muledetect.labels import account_groups, account_keys, ring_groups, sample_points
    from muledetect.labels.targets import labelled_points
    from muledetect.model import MuleModel
    from muledetect.model.estimator import TrainedOn
    from muledetect.model.leakage import audit_features, audit_records
    from muledetect.model.tuning import tune

    refuse_output("train", output, (dataset,), overwrite=overwrite)
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
    names = feature_names(pack=pack, long_term=target == "ever")
    features = extract(read, points, names, hide_groups=account_groups(read), progress=progress)
    origin = TrainedOn(target, pack, read.tick, read.currency, read.fingerprint, unlabelled)
    groups = ring_groups(read, points)
    tell = progress or _silent
    tell("leakage audit", 0.0)
    leaks = [*audit_features(features, y, groups=groups), *audit_records(read, points, y, groups=groups)]
    if leaks and strict:
        raise ModelError(
            f"train: the leakage audit found {len(leaks):,}: {' '.join(leak.text for leak in leaks[:5])} Leave out the "
            "column, mend the records, or train without 'strict'."
        )
    plan = model or MuleModel()
    if n_trials:
        plan = tune(features, y, model=plan, n_trials=n_trials, groups=groups, progress=progress)
    tell("training", 0.0)
    fitted = plan.fit(features, y, groups=groups, sample_weight=weight, trained_on=origin)
    fitted.leakage_ = [leak.text for leak in leaks]
    fitted.notes_ = [*notes, *(f"Leakage audit: {text}" for text in fitted.leakage_), *fitted.notes_]
    fitted.fairness_ = rates_by_group(read, points, y, fitted)
    if output is not None:
        fitted.save(output, overwrite=overwrite)
    return fitted


def score(
    dataset: Source,
    model: MuleModel | str | Path,
    as_of: Moment,
    *,
    n_explained: int = 200,
    output: str | Path | None = None,
    overwrite: bool = False,
    progress: Progress | None = None,
) -> pa.Table:
    """Score every account of the bank at a moment; return the table `scores`, reasons for the highest.

    Parameters
    ----------
    dataset : Dataset, path or mapping of tables
    model : MuleModel or path
        Or "starter": the one that ships with the package for a bank without labels; see `load_starter`.
    as_of : Moment
        Exclusive.
    n_explained : int
        How many of the highest get reasons.
    output : path, optional
        Parquet file.
    overwrite : bool
        Also replace what is not ours, or was changed.
    progress : callable, optional
    """
    from muledetect.graph import build_graph
    from muledetect.labels import every_account
    from muledetect.model.scores import score_points

    refuse_output("score", output, (dataset, model), overwrite=overwrite)
    read = load(dataset, progress=progress)
    points = every_account(read, as_of)
    scores = score_points(
        _model(model, read), read, build_graph(read), points, n_explained=n_explained, progress=progress
    )
    if output is not None:
        write_table(scores, output, output=kinds.SCORES, overwrite=overwrite)
    return scores


def threshold(
    dataset: Source,
    model: MuleModel | str | Path,
    as_of: Iterable[Moment],
    per_day: float,
    *,
    output: str | Path | None = None,
    overwrite: bool = False,
    progress: Progress | None = None,
) -> AlertThreshold:
    """Return the lowest score from which on at most `per_day` new alerts a day arose between the moments.

    Parameters
    ----------
    dataset : Dataset, path or mapping of tables
    model : MuleModel or path
    as_of : iterable of moments
        Every account is scored at each; days, or working days, are what a team looks at once.
    per_day : float
        Alerts that the team can look at in a day.
    output : path, optional
        JSON file.
    overwrite : bool
        Also replace what is not ours, or was changed.
    progress : callable, optional
    """
    from muledetect.graph import build_graph
    from muledetect.labels import every_account
    from muledetect.model.scores import score_points
    from muledetect.model.thresholds import alert_threshold

    refuse_output("threshold", output, (dataset, model), overwrite=overwrite)
    read = load(dataset, progress=progress)
    used, graph = _model(model, read), build_graph(read)
    points = every_account(read, as_of)
    scores = score_points(used, read, graph, points, n_explained=0, progress=progress)
    times = scores["as_of"].cast(pa.int64()).to_numpy()
    found = alert_threshold(scores["score"].to_numpy(), times, graph.codes(scores["account_id"]), per_day=per_day)
    if output is not None:
        write_text(output, json.dumps(found.to_json(), indent=2) + "\n", output=kinds.THRESHOLD, overwrite=overwrite)
    return found


def explain(
    dataset: Source,
    scores: Any,
    *,
    n_transfers: int = 10,
    output: str | Path | None = None,
    overwrite: bool = False,
    progress: Progress | None = None,
) -> Explanation:
    """Find the transfers that prove each reason of explained scores, and when each account was most suspicious.

    Parameters
    ----------
    dataset : Dataset, path or mapping of tables
    scores : table or path
        As `score` gave it.
    n_transfers : int
        At most so many transfers a reason.
    output : path, optional
        Folder of `proofs` and `windows`.
    overwrite : bool
        Also replace what is not ours, or was changed.
    progress : callable, optional
    """
    from muledetect.graph import build_graph
    from muledetect.model.proof import explain_scores

    refuse_output("explain", output, (dataset, scores), overwrite=overwrite)
    read = load(dataset, progress=progress)
    table = _as_scores(scores)
    _refuse_other_names(read, table, "scores")
    found = explain_scores(read, build_graph(read), table, n_transfers=n_transfers, progress=progress)
    if output is not None:
        with new_folder(output, kinds.EXPLANATION, overwrite=overwrite) as unfinished:
            put_tables({"proofs": found.proofs, "windows": found.windows}, unfinished)
    return found


def rings(
    dataset: Source,
    scores: Any,
    as_of: Moment,
    *,
    previous: RingTables | str | Path | None = None,
    output: str | Path | None = None,
    overwrite: bool = False,
    progress: Progress | None = None,
    **options: Any,
) -> RingTables:
    """Find rings, see `find_rings`, and their ties to call centres, see `find_ties`; write them to `output`.

    Parameters
    ----------
    dataset : Dataset, path or mapping of tables
    scores : table or path
        As `score` gave it.
    as_of : Moment
        Exclusive.
    previous : RingTables or path, optional
        An earlier search, whose ids stay (`keep_ids`): table `ring_events` then says what became of each ring.
    output : path, optional
        Folder of the tables.
    overwrite : bool
        Also replace what is not ours, or was changed.
    progress : callable, optional
    **options
        As for `find_rings`, such as `window`.
    """
    from muledetect.facts import Snapshot
    from muledetect.rings import find_rings, find_ties, keep_ids, read_rings

    refuse_output("rings", output, (dataset, scores, previous), overwrite=overwrite)
    read = load(dataset, progress=progress)
    table = _as_scores(scores)
    _refuse_other_names(read, table, "scores")
    earlier = read_rings(previous) if isinstance(previous, str | Path) else previous
    if earlier is not None:
        _refuse_other_names(read, earlier.ring_members, "previous: ring_members")
    snapshot = Snapshot(read, as_of)
    found = find_rings(snapshot, table, progress=progress, **options)
    window = {"window": options["window"]} if "window" in options else {}
    found = found.with_ties(find_ties(snapshot, found.ring_members, progress=progress, **window))
    events = None
    if earlier is not None:
        found, events = keep_ids(found, earlier)
    if output is not None:
        found.write(output, events=events, overwrite=overwrite)
    return found


def trace(
    dataset: Source,
    as_of: Moment,
    *,
    output: str | Path | None = None,
    overwrite: bool = False,
    progress: Progress | None = None,
    **options: Any,
) -> Traces:
    """Trace the money of complaints up to a moment and propose holds, see `tracing.trace`; write it to `output`.

    Parameters
    ----------
    dataset : Dataset, path or mapping of tables
        With a table `complaints`.
    as_of : Moment
        Exclusive.
    output : path, optional
        One that ends in ".parquet" gets table `trace` alone; a folder gets all tables.
    overwrite : bool
        Also replace what is not ours, or was changed.
    progress : callable, optional
    **options
        As for `tracing.trace`, such as `complaint_ids` and `methods`.
    """
    from muledetect import tracing
    from muledetect.facts import Snapshot

    refuse_output("trace", output, (dataset,), overwrite=overwrite)
    found = tracing.trace(Snapshot(load(dataset, progress=progress), as_of), progress=progress, **options)
    if output is not None and str(output).endswith(".parquet"):
        write_table(found.trace, output, output=kinds.TRACE, overwrite=overwrite)
    elif output is not None:
        found.write(output, overwrite=overwrite)
    return found


def report(
    dataset: Source,
    scores: Any,
    *,
    output: str | Path,
    overwrite: bool = False,
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
    overwrite : bool
        Also replace what is not ours, or was changed.
    progress : callable, optional

    Raises
    ------
    DataError, OptionError
        If tables do not fit each other, an option is unknown, or the folder holds something else.
    """
    from muledetect.reports.material import gather_material
    from muledetect.reports.model.report import read_model_report
    from muledetect.reports.write import write_report
    from muledetect.rings import read_rings

    refuse_output("report", output, (dataset, scores, rings, model, evaluation, drift), overwrite=overwrite)
    read = load(dataset, progress=progress)
    table = _as_scores(scores)
    found = read_rings(rings) if isinstance(rings, str | Path) else rings
    used = None if model is None else _model(model, read)
    material = gather_material(read, table, as_of=as_of, rings=found, model=used, n_alerts=n_alerts, progress=progress)
    about_model = None
    if evaluation is not None:
        # the folder's card also says with which versions the model was trained
        of_model = model if isinstance(model, str | Path) and str(model) != STARTER else used
        about_model = read_model_report(evaluation, of_model, drift)
    return write_report(
        material,
        output,
        model_report=about_model,
        language=language,
        zone=time_zone,
        goaml=goaml,
        progress=progress,
        overwrite=overwrite,
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
    overwrite: bool = False,
    progress: Progress | None = None,
) -> Evaluation:
    """Rank the accounts at `as_of` by the model and by the baselines, and measure against the labels.

    Rings and persons with a positive where the baselines learn are left out of the test.

    Parameters
    ----------
    dataset : Dataset, path or mapping of tables
    model : MuleModel or path
    as_of : Moment
        Exclusive.
    found_rings : RingTables or path, optional
        Of the same moment; held against the true ones.
    use_truth : bool
        Membership of `truth_rings` is the target, for worlds whose whole truth is known.
    known_by : Moment, optional
        Baselines learn from labels that were known by then, also with `use_truth`.
    budget : float
        Number of alerts, or below 1 the share of accounts, at which parts are measured.
    watched : iterable of moments
        Every account is scored at each, too, to measure how calibration holds and the time to detect; the latter needs
        `truth_transfers` and `truth_money`.
    baselines_at : iterable of moments
        Baselines learn there instead of at the model's own training moments.
    leave_one_out : bool
        Measure the recall of each shape of ring by a model that learnt from none of it, too; trains again for each.
    output : path, optional
        Folder of `report.json` and one table a file.
    overwrite : bool
        Also replace what is not ours, or was changed.
    progress : callable, optional
    """
    from muledetect.evaluation import measure_model
    from muledetect.rings import read_rings

    refuse_output("evaluate", output, (dataset, model, found_rings), overwrite=overwrite)
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
        result.write(output, overwrite=overwrite)
    return result


def monitor(
    dataset: Source,
    model: MuleModel | str | Path,
    before: Moment,
    after: Moment,
    *,
    n_explained: int = 200,
    output: str | Path | None = None,
    overwrite: bool = False,
    progress: Progress | None = None,
) -> Drift:
    """Compare two moments: features, scores, reasons of the highest, calibration where labels are ripe, label delay.

    `Drift.exit_status` is 0 (ok), 3 (watch) or 4 (alarm).

    Parameters
    ----------
    dataset : Dataset, path or mapping of tables
    model : MuleModel or path
    before, after : Moment
        Exclusive. Labels are compared by when they were known: up to `before`, and from there up to `after`.
    n_explained : int
        Highest scores of each moment whose reasons are compared.
    output : path, optional
        Folder of `drift.json` and its tables.
    overwrite : bool
        Also replace what is not ours, or was changed.
    progress : callable, optional
    """
    from muledetect.evaluation import compare_moments

    refuse_output("monitor", output, (dataset, model), overwrite=overwrite)
    read = load(dataset, progress=progress)
    found = compare_moments(read, _model(model, read), before, after, n_explained=n_explained, progress=progress)
    if output is not None:
        found.write(output, overwrite=overwrite)
    return found


def simulate(
    output: str | Path,
    *,
    preset: str | None = None,
    overwrite: bool = False,
    progress: Progress | None = None,
    **parameters: Any,
) -> dict[str, int]:
    """Simulate a bank with call centres around it into the folder `output`; return the number of rows by table.

    Memory holds one week of transfers, not all of them.

    Parameters
    ----------
    output : path
        Folder of the tables; `world.json` beside them says what the world looks like.
    preset : str, optional
        thai_bank, small, hard or no_crime.
    overwrite : bool
        Also replace what is not ours, or was changed.
    progress : callable, optional
    **parameters
        Fields of `muledetect.simulation.WorldConfig`.
    """
    from muledetect.simulation import world_config, write_world

    return write_world(world_config(preset, **parameters), output, progress, overwrite=overwrite)


def import_(
    layout: str,
    files: Iterable[str | Path],
    output: str | Path,
    *,
    columns: Any = None,
    overwrite: bool = False,
    **options: Any,
) -> dict[str, pa.Table]:
    """Turn the files of another tool into a data set in the folder `output`; rejected rows beside it.

    A bank's own files have no layout that we know: see `columns` and `import_own`.

    Parameters
    ----------
    layout : str
        amlsim, amlworld or synthfin.
    files : iterable of path
        Files of the other tool, or folders of them.
    output : path
        Folder of the data set.
    columns : None
        Goes with `import_own` only.
    overwrite : bool
        Also replace what is not ours, or was changed.
    **options
        Of the layout: `currency`, `first_day`, `convert_to`.

    Raises
    ------
    DataError, OptionError
        If the files are not those of the layout or hold no transfer; nothing is written then.
    """
    from muledetect.records.layouts import import_layout

    if columns is not None:
        raise OptionError(f"import: {layout!r} is a layout whose columns are known; 'columns' goes with `import own`.")
    given = list(files)
    refuse_output("import", output, given, overwrite=overwrite)
    tables = import_layout(layout, given, **options)
    rejects = tables.pop("rejects")
    if not tables["transfers"].num_rows:
        counts = [f"{found['counts']:,} {found['values']}" for found in rejects["reason"].value_counts().to_pylist()]
        raise DataError(
            f"import {layout}: no transfer is left of these files, so nothing was written; rows left out: "
            f"{', '.join(counts) or 'none'}. Check that they are the right files, whole."
        )
    with new_folder(output, kinds.DATASET, overwrite=overwrite) as unfinished:
        put_tables(tables, unfinished)
    write_table(rejects, kinds.rejects_beside(output), output=kinds.REJECTS, overwrite=overwrite)
    return {**tables, "rejects": rejects}


def columns(files: Any, *, output: str | Path | None = None, overwrite: bool = False, **stated: Any) -> Columns:
    """Say what each column of a bank's own file seems to be; write it to a TOML file for a person to correct.

    Parameters
    ----------
    files : path or paths
        CSV files of one table.
    output : path, optional
        The TOML file.
    overwrite : bool
        Also replace what is not ours, or was changed.
    **stated
        What the caller knows: table, currency, money, source_tz, decimal, era, date_order, encoding, delimiter; see
        `muledetect.records.own.suggest_columns`.
    """
    from muledetect.records.own import suggest_columns

    refuse_output("columns", output, (files,), overwrite=overwrite)
    found = suggest_columns(files, **stated)
    if output is not None:
        found.write(output, overwrite=overwrite)
    return found


def import_own(
    files: Any,
    columns: Columns | str | Path | None,
    output: str | Path,
    *,
    overwrite: bool = False,
    progress: Progress | None = None,
    **of_layouts: Any,
) -> Imported:
    """Turn a bank's own files into a table of the data set in a folder, as a mapping of their columns says.

    Parameters
    ----------
    files : path or paths
    columns : Columns or path
        As `columns` gave it, or its TOML file.
    output : path
        Folder of the data set; its other tables stay. Rows that were left out are written beside it, with reasons.
    overwrite : bool
        Also replace what is not ours, or was changed.
    progress : callable, optional
    **of_layouts
        Options of other layouts; refused if given.

    Raises
    ------
    DataError, OptionError
        If the mapping leaves something open or does not fit the files; nothing is written then.
    """
    from muledetect.records.own import Columns, read_columns
    from muledetect.records.own import import_own as import_files

    if columns is None:
        raise OptionError(
            "import own: say what the columns are. `muledetect columns FILES --output columns.toml` suggests it; read "
            "it, correct it, and give it with --columns columns.toml."
        )
    for name, value in of_layouts.items():
        if value is not None:
            raise OptionError(f"import own: {name!r} is for other layouts. Write it into the file of columns.")
    table = (columns if isinstance(columns, Columns) else read_columns(columns)).table
    check_output(output, kinds.imported_table(table), inputs=(files, columns), overwrite=overwrite)
    check_output(kinds.rejects_beside(output, table), kinds.REJECTS, inputs=(files, columns), overwrite=overwrite)
    done = import_files(files, columns, output, overwrite=overwrite, progress=progress)
    write_table(done.rejects, kinds.rejects_beside(output, table), output=kinds.REJECTS, overwrite=overwrite)
    return done


def reveal(
    source: str | Path, key: Pseudonyms | str | Path, output: str | Path, *, overwrite: bool = False
) -> dict[str, pa.Table]:
    """Turn the pseudonyms of a Parquet file, or of all in a folder, back into ids; return the tables by name.

    `key` is the one that the tables were written with, or its file; `output` becomes what `source` is, file or
    folder. `overwrite` also replaces what is not ours, or was changed.

    Raises
    ------
    DataError
        If a pseudonym is not of this key or was changed, or no table can be read there.
    """
    is_folder = Path(source).is_dir()
    refuse_output("reveal folder" if is_folder else "reveal", output, (source, key), overwrite=overwrite)
    names = key if isinstance(key, Pseudonyms) else read_key(key)
    revealed = {name: names.reveal(table, name) for name, table in _stored_tables(source).items()}
    if is_folder:
        with new_folder(output, kinds.REVEALED_TABLES, overwrite=overwrite) as unfinished:
            put_tables(revealed, unfinished)
    else:
        write_table(next(iter(revealed.values())), output, output=kinds.REVEALED, overwrite=overwrite)
    return revealed


def export(source: str | Path, output: str | Path, *, currency: str | None = None, overwrite: bool = False) -> int:
    """Write `source`, a Parquet file or a folder of them, for Excel and other programs; return the number of rows.

    An `output` that ends in ".xlsx" gets one sheet a table, ".csv" one table, and a folder one CSV file a table.
    Amounts are whole units (baht) if the `currency` is given, else minor units (satang); their headings say which.
    `overwrite` also replaces what is not ours, or was changed. See `muledetect.reports.exports`.

    Raises
    ------
    DataError, OptionError
        If no table can be read there, `output` ends in something else, or a table does not fit into it.
    """
    from muledetect.reports.exports import put_csv, write_csv, write_xlsx

    refuse_output("export", output, (source,), overwrite=overwrite)
    tables, place = _stored_tables(source), Path(output)
    if place.suffix == ".xlsx":
        write_xlsx(tables, place, currency=currency, overwrite=overwrite)
    elif place.suffix == ".csv" and len(tables) == 1:
        write_csv(next(iter(tables.values())), place, currency=currency, overwrite=overwrite)
    elif place.suffix == "":
        with new_folder(place, kinds.EXPORTS, overwrite=overwrite) as unfinished:
            for name, table in tables.items():
                put_csv(table, unfinished / f"{name}.csv", currency=currency)
    else:
        raise OptionError(
            f"output: {place.name!r} cannot hold {len(tables):,} tables. Give a name that ends in .xlsx, one in .csv "
            "for one table, or one without an ending for a folder of CSV files."
        )
    return sum(len(table) for table in tables.values())


@dataclass(frozen=True, eq=False)
class Demo:
    """What `demo` made: its folder, the tables, and what was measured."""

    folder: Path
    dataset: Dataset
    model: MuleModel
    scores: pa.Table
    rings: RingTables
    evaluation: Evaluation

    def __repr__(self) -> str:
        return f"Demo({self.dataset!r}, {len(self.scores):,} scores, {self.rings!r}, {self.evaluation!r})"


def demo(
    output: str | Path = "muledetect-demo",
    *,
    n_accounts: int = DEMO_ACCOUNTS,
    n_days: int = DEMO_DAYS,
    seed: int = 0,
    overwrite: bool = False,
    progress: Progress | None = None,
) -> Demo:
    """Simulate a bank, train at two thirds of the time on what was known by then, and score, ring and report the end.

    The evaluation uses the whole truth of the simulated world, also the mules that its bank never found.

    Parameters
    ----------
    output : path
        Folder of the data, model, scores, rings, evaluation and report.
    n_accounts, n_days, seed : int
        Size of the bank, length of the world, and which world.
    overwrite : bool
        Also replace what is not ours, or was changed.
    progress : callable, optional
    """
    folder, tell = Path(output), progress or _silent
    refuse_output("demo", folder, overwrite=overwrite)
    simulate(folder / "data", n_accounts=n_accounts, n_days=n_days, seed=seed, overwrite=overwrite, progress=tell)
    read = load(folder / "data", progress=tell)
    times = read.transfers["time"].cast(pa.int64()).to_numpy()
    end = int(times[-1]) // DAY * DAY + DAY
    trained_at = end - n_days // 3 * DAY
    model = train(
        read,
        trained_at,
        target="ever",
        pack="TH",
        known_by=trained_at,
        output=folder / "model",
        overwrite=overwrite,
        progress=tell,
    )
    scores = score(read, model, end, output=folder / "scores.parquet", overwrite=overwrite, progress=tell)
    found = rings(read, scores, end, window="all", output=folder / "rings", overwrite=overwrite, progress=tell)
    evaluation = evaluate(
        read, model, end, found_rings=found, use_truth=True, known_by=trained_at,
        output=folder / "evaluation", overwrite=overwrite, progress=tell,
    )  # fmt: skip
    report(
        read, scores, rings=found, model=model, evaluation=folder / "evaluation", output=folder / "report",
        time_zone="Asia/Bangkok", overwrite=overwrite, progress=tell,
    )  # fmt: skip
    return Demo(folder, read, model, scores, found, evaluation)


def refuse_output(
    command: str, output: str | Path | None, inputs: Iterable[Any] = (), *, overwrite: bool = False
) -> None:
    """Stop, before any work, if what a command writes must not be written to `output`.

    Parameters
    ----------
    command : str
        Its name; "reveal folder" where a folder is revealed.
    output : path, optional
    inputs : iterable
        What the command reads: paths, also in lists and mappings; tables and models in memory are passed over.
    overwrite : bool
        Also replace what is not ours, or was changed; never an input, a key, a link or a mount point.

    Raises
    ------
    OutputError
        See `muledetect.outputs`.
    OSError
        If the place cannot be written to.
    """
    if output is not None:
        for place, written in _written(command, Path(output)):
            check_output(place, written, inputs=inputs, overwrite=overwrite)


#: Command -> what it writes to its output.
_WRITES: Final[Mapping[str, Output]] = {
    "check": kinds.REJECTS,
    "columns": kinds.COLUMNS,
    "evaluate": kinds.EVALUATION,
    "explain": kinds.EXPLANATION,
    "import": kinds.DATASET,
    "monitor": kinds.DRIFT,
    "report": kinds.REPORT,
    "reveal": kinds.REVEALED,
    "reveal folder": kinds.REVEALED_TABLES,
    "rings": kinds.RINGS,
    "score": kinds.SCORES,
    "simulate": kinds.WORLD,
    "threshold": kinds.THRESHOLD,
    "train": kinds.MODEL,
}
_DEMO: Final = {
    "data": "simulate", "model": "train", "scores.parquet": "score", "rings": "rings", "evaluation": "evaluate",
    "report": "report",
}  # fmt: skip


def _written(command: str, output: Path) -> list[tuple[Path, Output]]:
    if command == "demo":
        return [(output / name, _WRITES[step]) for name, step in _DEMO.items()]
    if command == "trace":
        return [(output, kinds.TRACE if output.suffix == ".parquet" else kinds.TRACES)]
    if command == "export":
        return [(output, kinds.EXPORT if output.suffix in (".csv", ".xlsx") else kinds.EXPORTS)]
    if command == "import":
        return [(output, kinds.DATASET), (kinds.rejects_beside(output), kinds.REJECTS)]
    return [(output, _WRITES[command])]


def load(dataset: Source, *, progress: Progress | None = None, **reading: Any) -> Dataset:
    """Return a data set as it is, or read it from its folder or from a mapping of table name to path or table.

    Parameters
    ----------
    dataset : Dataset, path or mapping of tables
    progress : callable, optional
        Called with the stage in words and the fraction done, 0 to 1; so in all functions of this module.
    **reading
        As for `read_dataset`.

    Raises
    ------
    DataError
        If no transfer is left, or the data set cannot be read at all.
    """
    read = _read(dataset, progress=progress, **reading)
    if not read.transfers.num_rows:
        n_read = read.rows_read.get("transfers", 0)
        causes = [found.text for found in read.findings if found.table == "transfers" and found.severity != "error"]
        told = [
            f"transfers: no row is left of {n_read:,} read, so there is nothing to work with. See each row and its "
            "reason with `muledetect check DATASET --output rejects.parquet`.",
            *causes,
        ]
        raise DataError("\n".join(told))
    return read


def _read(dataset: Source, **reading: Any) -> Dataset:
    from muledetect.records import read_dataset

    return dataset if isinstance(dataset, Dataset) else read_dataset(dataset, **reading)


def _silent(_stage: str, _done: float) -> None:
    return None


def _model(model: MuleModel | str | Path, dataset: Dataset) -> MuleModel:
    from muledetect.model import MuleModel, load_model, load_starter

    if isinstance(model, MuleModel):
        return model
    return load_starter(dataset.tick) if str(model) == STARTER else load_model(model)


def _refuse_other_names(dataset: Dataset, table: pa.Table, where: str) -> None:
    if "account_id" in table.column_names:
        refuse_other_names(table["account_id"], dataset.account_ids, f"{where}: column 'account_id'")


def _as_scores(scores: Any) -> pa.Table:
    if isinstance(scores, str | Path):
        return _read_scores(scores)
    return as_arrow(scores, "scores")


def _stored_tables(path: str | Path) -> dict[str, pa.Table]:
    place = Path(path)
    files = sorted(place.glob("[!._]*.parquet")) if place.is_dir() else [place]
    if not files:
        raise DataError(f"{place.name}: the folder has no Parquet file. Give one that a command wrote.")
    try:
        return {file.stem: read_parquet(file, file.name) for file in files}
    except (OSError, pa.ArrowInvalid) as error:
        raise DataError(
            f"{place.name}: cannot be read as Parquet. Give a file or folder that a command wrote."
        ) from error


def _read_scores(path: str | Path) -> pa.Table:
    try:
        return read_parquet(Path(path), "scores")
    except (OSError, pa.ArrowInvalid) as error:
        raise DataError(
            f"scores: {Path(path).name!r} is no Parquet file that can be read; write it with `score`."
        ) from error


__all__ = [
    "check",
    "columns",
    "demo",
    "evaluate",
    "explain",
    "export",
    "import_",
    "import_own",
    "load",
    "monitor",
    "refuse_output",
    "report",
    "reveal",
    "rings",
    "score",
    "simulate",
    "threshold",
    "trace",
    "train",
]
