"""The straight line: data set -> model -> scores -> rings, traces -> reports; each step is also a command.

Each function takes a `Dataset`, a `Store`, the path of the folder of one, or a mapping of tables, and returns its
result. With `output` it also writes it there: that place is refused before the work if it is an input or holds what we
did not write, and is old or new, never half of one, see `muledetect.outputs`. `overwrite` also replaces files of the
same names that are not ours or were changed. `memory`, such as "4GB", is the most memory to take: what has a row a
transfer is then kept in scratch files; without it the environment's `MULEDETECT_MEMORY` counts, see
`muledetect.memory`. `progress` is called with the stage in words and the fraction done, 0 to 1, or 0.0 where that is
not known.

>>> import muledetect as md
>>> dataset = md.datasets.load_sample()
>>> model = md.train(dataset, "2025-03-15", target="ever")  # doctest: +SKIP
>>> scores = md.score(dataset, model, "2025-04-28")  # doctest: +SKIP
>>> rings = md.find_rings(dataset, scores, "2025-04-28")  # doctest: +SKIP
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd
import pyarrow as pa

from muledetect.clock import Duration, Moment
from muledetect.inputs import (
    STARTER,
    Source,
    load,
    open_model,
    open_parties,
    open_rings,
    open_scores,
    open_snapshot,
    read_source,
)
from muledetect.lazy import on_demand
from muledetect.outputs import Output, check_output, kinds, new_file, new_folder
from muledetect.progress import Progress, silent
from muledetect.records import Dataset, write_table, write_text
from muledetect.records.write import put_tables

# Each step imports the rooms that it goes through, so that `check` does not wait for those of `train`.
if TYPE_CHECKING:
    from muledetect.engine.spark import Run
    from muledetect.evaluation import Drift, Evaluation
    from muledetect.evidence import Verification
    from muledetect.facts import Snapshot
    from muledetect.labels import Target
    from muledetect.labels.targets import Unlabelled
    from muledetect.messages import Recalls
    from muledetect.model import MuleModel
    from muledetect.model.key_transfers import Explanation
    from muledetect.model.thresholds import AlertThreshold
    from muledetect.parties import Parties
    from muledetect.records.pseudonyms import Pseudonyms
    from muledetect.reports.pages import Language
    from muledetect.rings import RingTables
    from muledetect.tracing import Traces


def check(
    dataset: Source, *, output: str | Path | None = None, overwrite: bool = False, **reading: Any
) -> pd.DataFrame:
    """Validate a data set; return its findings, one a row, and write the rows that were left out to `output`.

    A finding of severity "error" says that no transfer is left. All other steps raise `DataError` then.

    Parameters
    ----------
    dataset : Dataset, path or mapping of tables
    output : path, optional
        Parquet file of the rows that were left out, each with its reason.
    overwrite : bool
        As for every step, see `muledetect.pipeline`.
    **reading
        As for `read_dataset`.
    """
    _refuse(output, kinds.REJECTS, dataset, overwrite=overwrite)
    read = read_source(dataset, **reading)
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
    lookback: Duration | None = None,
    neighbours: bool = True,
    live: bool = False,
    max_rows: int | None = None,
    model: MuleModel | None = None,
    n_trials: int = 0,
    strict: bool = False,
    output: str | Path | None = None,
    overwrite: bool = False,
    memory: str | int | None = None,
    engine: Any = None,
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
    lookback : duration, optional
        How far back features see from each moment, such as "90d"; scoring uses the same. Default: the shortest record
        before one of the moments, and for the target "active" at most 180 days. See `labels.lookback`.
    neighbours : bool
        Let a second stage add what the scores of an account's payers, payees and sharers of identifiers say, unless
        rows held out speak clearly against it; see `muledetect.model.neighbours`.
    live : bool
        Learn from columns only that can be computed as each transfer arrives, and without a second stage: the model
        can then score payments before they are booked, see `muledetect.live`.
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
    engine : SparkSession or Spark, optional
        Compute signals and features there, see `muledetect.engine.spark`; the model is the same. Its trees grow here.
    overwrite, memory, progress
        As for every step, see `muledetect.pipeline`.

    Raises
    ------
    DataError, ModelError, OptionError
        If there are no labels, only one class is known, an option is unknown, or `strict` and the audit found a leak.
    """
    from muledetect.facts.snapshot import known_before
    from muledetect.features import Extraction, extract_with, feature_names
    from muledetect.labels import account_groups, component_groups, ring_groups
    from muledetect.labels.training import training_points
    from muledetect.model import MuleModel
    from muledetect.model.fitted import TrainedOn
    from muledetect.model.neighbours import training_suspicion
    from muledetect.model.tuning import tune

    _refuse(output, kinds.MODEL, dataset, overwrite=overwrite)
    read, run = _open(dataset, engine, memory, progress)
    points, y, weight, length, is_prevalence_known, notes = training_points(
        read, as_of, target=target, known_by=known_by, unlabelled=unlabelled, lookback=lookback, max_rows=max_rows
    )
    extraction = Extraction(
        read, hide_groups=account_groups(read), lookback=length, whole_days=live,
        runner=None if run is None else run.runner,
    )  # fmt: skip
    names = feature_names(pack=pack, long_term=target == "ever", live=live)
    features = extract_with(extraction, points, names, progress=progress)
    groups, plan = ring_groups(read, points), model or MuleModel()
    if n_trials:
        plan = tune(features, y, model=plan, n_trials=n_trials, groups=groups, progress=progress)
    if neighbours and not live:
        features, left_out = training_suspicion(
            plan, extraction, points, features, y, sample_weight=weight, progress=progress,
            groups=component_groups(known_before(read, int(points.as_of.max())))[points.account],
        )  # fmt: skip
        notes = [*notes, *left_out]
    origin = TrainedOn(target, pack, unlabelled=unlabelled, lookback=length, is_prevalence_known=is_prevalence_known)
    fitted = plan.fit(
        features, y, groups=groups, sample_weight=weight, dataset=read, notes=notes,
        trained_on=origin, leaks="refuse" if strict else "note", progress=progress or silent,
    )  # fmt: skip
    if run is not None:
        run.close()
    if output is not None:
        fitted.save(output, overwrite=overwrite)
    return fitted


def score(
    dataset: Source,
    model: MuleModel | str | Path,
    as_of: Moment,
    *,
    n_explained: int = 200,
    language: Language = "en",
    prevalence: float | str | None = None,
    budget: float | str | None = None,
    output: str | Path | None = None,
    overwrite: bool = False,
    memory: str | int | None = None,
    engine: Any = None,
    progress: Progress | None = None,
) -> pa.Table:
    """Score every account of the bank at a moment; return the table `scores`, reasons for the highest.

    Where the model does not know which share of the bank's accounts are mules, as the starter does not, its
    probabilities are not those of the bank, and tiers follow a budget of alerts: 0.5% of the accounts, at least 10 and
    at most 200, if they score far above the ordinary account. The metadata of the table's schema say so.

    Parameters
    ----------
    model : MuleModel or path
        Or "starter": the one that ships with the package for a bank without labels; see `load_starter`.
    as_of : Moment
        Exclusive.
    n_explained : int
        How many of the highest get reasons.
    language : "en" or "th"
        Of the sentences of reasons.
    prevalence : float or str, optional
        Share of the accounts that are mules, such as 0.003 or "0.3%": probabilities are moved to that mean, and tiers
        follow them. "estimate": from how high the accounts score that `labels` and `watchlists` name before `as_of`;
        not for a model that learnt from these labels.
    budget : float or str, optional
        Tiers go to so many alerts, or below 1 to this share of the accounts, with any model.
    output : path, optional
        Parquet file.
    engine : SparkSession or Spark, optional
        Compute signals, features and scores there, see `muledetect.engine.spark`; the result is the same.
    dataset, overwrite, memory, progress
        As for every step, see `muledetect.pipeline`.
    """
    from muledetect.facts import facts_of
    from muledetect.labels import every_account, known_mules
    from muledetect.model.scores import inputs_of, score_points
    from muledetect.outputs.kept import kept_work

    _refuse(output, kinds.SCORES, dataset, model, overwrite=overwrite)
    read, run = _open(dataset, engine, memory, progress)
    points, graph, used = every_account(read, as_of), facts_of(read).graph, open_model(model, read)
    with kept_work(output, {} if output is None else inputs_of(used, read, points)) as kept:
        scores = score_points(
            used, read, graph, points, n_explained=n_explained, language=language,
            prevalence=prevalence, budget=budget, progress=progress, kept=kept,
            runner=None if run is None else run.runner,
            known_mules=known_mules(read, graph, points) if prevalence == "estimate" else None,
        )  # fmt: skip
        if output is not None:
            write_table(scores, output, output=kinds.SCORES, overwrite=overwrite)
    if run is not None:
        run.close()
    return scores


def threshold(
    dataset: Source,
    model: MuleModel | str | Path,
    as_of: Iterable[Moment],
    per_day: float,
    *,
    output: str | Path | None = None,
    overwrite: bool = False,
    memory: str | int | None = None,
    progress: Progress | None = None,
) -> AlertThreshold:
    """Return the lowest score from which on at most `per_day` new alerts a day arose between the moments.

    Parameters
    ----------
    model : MuleModel or path
    as_of : iterable of moments
        Every account is scored at each; days, or working days, are what a team looks at once.
    per_day : float
        Alerts that the team can look at in a day.
    output : path, optional
        JSON file.
    dataset, overwrite, memory, progress
        As for every step, see `muledetect.pipeline`.
    """
    from muledetect.facts import facts_of
    from muledetect.labels import every_account
    from muledetect.model.scores import score_points
    from muledetect.model.thresholds import alert_threshold

    _refuse(output, kinds.THRESHOLD, dataset, model, overwrite=overwrite)
    read = load(dataset, memory=memory, progress=progress)
    used, graph = open_model(model, read), facts_of(read).graph
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
    memory: str | int | None = None,
    progress: Progress | None = None,
) -> Explanation:
    """Find the transfers that show each reason of explained scores, and when each account was most suspicious.

    Parameters
    ----------
    scores : table or path
        As `score` gave it.
    n_transfers : int
        At most so many transfers a reason.
    output : path, optional
        Folder of the tables `key_transfers` and `suspicious_periods`.
    dataset, overwrite, memory, progress
        As for every step, see `muledetect.pipeline`.
    """
    from muledetect.facts import facts_of
    from muledetect.model.key_transfers import explain_scores

    _refuse(output, kinds.EXPLANATION, dataset, scores, overwrite=overwrite)
    read = load(dataset, memory=memory, progress=progress)
    table = open_scores(scores, read.account_ids)
    found = explain_scores(read, facts_of(read).graph, table, n_transfers=n_transfers, progress=progress)
    if output is not None:
        with new_folder(output, kinds.EXPLANATION, overwrite=overwrite) as unfinished:
            put_tables(found.tables, unfinished)
    return found


def find_rings(
    dataset: Source | Snapshot,
    scores: Any,
    as_of: Moment | None = None,
    *,
    previous: RingTables | str | Path | None = None,
    output: str | Path | None = None,
    overwrite: bool = False,
    memory: str | int | None = None,
    progress: Progress | None = None,
    **options: Any,
) -> RingTables:
    """Find rings around scores, complaints and watch lists, and their ties to call centres.

    Parameters
    ----------
    dataset : Dataset, path, mapping of tables or Snapshot
    scores : table or path
        As `score` gave it.
    as_of : Moment, optional
        Exclusive; that of the snapshot if one is given.
    previous : RingTables or path, optional
        An earlier search, whose ids stay (`keep_ids`): table `ring_events` then says what became of each ring.
    output : path, optional
        Folder of the tables.
    overwrite, memory, progress
        As for every step, see `muledetect.pipeline`.
    **options
        As for `muledetect.rings.find_rings`, such as `window`.
    """
    from muledetect import rings

    _refuse(output, kinds.RINGS, dataset, scores, previous, overwrite=overwrite)
    snapshot = open_snapshot(dataset, as_of, progress, memory)
    ids = snapshot.graph.account_ids
    earlier = open_rings(previous, ids, "previous")
    found = rings.find_rings(snapshot, open_scores(scores, ids), progress=progress, **options)
    window = {"window": options["window"]} if "window" in options else {}
    found = found.with_ties(rings.find_ties(snapshot, found.ring_members, progress=progress, **window))
    events = None
    if earlier is not None:
        found, events = rings.keep_ids(found, earlier)
    if output is not None:
        found.write(output, events=events, overwrite=overwrite)
    return found


def find_parties(
    dataset: Source | Snapshot,
    scores: Any = None,
    as_of: Moment | None = None,
    *,
    earlier: Iterable[Any] = (),
    output: str | Path | None = None,
    overwrite: bool = False,
    memory: str | int | None = None,
    progress: Progress | None = None,
    **options: Any,
) -> Parties:
    """Find the people and companies behind the records of holders, rank them, and who controls several of them.

    Parameters
    ----------
    dataset : Dataset, path, mapping of tables or Snapshot
        With a table `accounts`.
    scores : table or path, optional
        As `score` gave it; without it parties have no score.
    as_of : Moment, optional
        Exclusive; that of the snapshot if one is given.
    earlier : iterable of tables or paths
        Scores of earlier moments after the model's training: they, and what was found out since, teach the
        calibration of the parties' scores.
    output : path, optional
        Folder of the tables.
    overwrite, memory, progress
        As for every step, see `muledetect.pipeline`.
    **options
        As for `muledetect.parties.find_parties`: `duplicates`, `min_probability`.
    """
    from muledetect import parties
    from muledetect.evaluation import known_at, learn_party_scores

    earlier = list(earlier)
    _refuse(output, kinds.PARTIES, dataset, scores, earlier, overwrite=overwrite)
    snapshot = open_snapshot(dataset, as_of, progress, memory)
    ids = snapshot.graph.account_ids
    found = parties.find_parties(snapshot, progress=progress, **options)
    table = None if scores is None else open_scores(scores, ids)
    if table is not None:
        learnt = learn_party_scores(snapshot, (open_scores(one, ids) for one in earlier), **options)
        cases = parties.party_cases(found, table, known_at(snapshot))
        found = parties.score_parties(found, cases, learnt)
    found = parties.find_controllers(snapshot, found, table)
    if output is not None:
        found.write(output, overwrite=overwrite)
    return found


def trace(
    dataset: Source | Snapshot,
    as_of: Moment | None = None,
    *,
    output: str | Path | None = None,
    overwrite: bool = False,
    memory: str | int | None = None,
    progress: Progress | None = None,
    **options: Any,
) -> Traces:
    """Trace the money of complaints up to a moment and propose holds, see `tracing.trace`; write it to `output`.

    Parameters
    ----------
    dataset : Dataset, path, mapping of tables or Snapshot
        With a table `complaints`.
    as_of : Moment, optional
        Exclusive; that of the snapshot if one is given.
    output : path, optional
        One that ends in ".parquet" gets table `trace` alone; a folder gets all tables.
    overwrite, memory, progress
        As for every step, see `muledetect.pipeline`.
    **options
        As for `muledetect.tracing.trace`, such as `complaint_ids` and `methods`.
    """
    from muledetect import tracing

    kind = kinds.trace_of(output)
    _refuse(output, kind, dataset, overwrite=overwrite)
    found = tracing.trace(open_snapshot(dataset, as_of, progress, memory), progress=progress, **options)
    if output is not None and kind is kinds.TRACE:
        write_table(found.trace, output, output=kind, overwrite=overwrite)
    elif output is not None:
        found.write(output, overwrite=overwrite)
    return found


def recall(
    dataset: Source | Snapshot,
    as_of: Moment | None = None,
    *,
    sender: str,
    time_zone: str = "UTC",
    output: str | Path | None = None,
    overwrite: bool = False,
    memory: str | int | None = None,
    progress: Progress | None = None,
    **options: Any,
) -> Recalls:
    """Trace the money of complaints and draft recalls (camt.056) for what went to other banks; write them to `output`.

    Parameters
    ----------
    dataset : Dataset, path, mapping of tables or Snapshot
        With a table `complaints`.
    as_of : Moment, optional
        Exclusive; that of the snapshot if one is given.
    sender : str
        BIC of the bank that asks.
    time_zone : str
        Zone in which the day of a transfer is told.
    output : path, optional
        Folder of the drafts and their table.
    overwrite, memory, progress
        As for every step, see `muledetect.pipeline`.
    **options
        As for `muledetect.tracing.trace`, such as `complaint_ids` and `methods`.
    """
    from muledetect import tracing
    from muledetect.messages import draft_recalls

    _refuse(output, kinds.RECALLS, dataset, overwrite=overwrite)
    snapshot = open_snapshot(dataset, as_of, progress, memory)
    traces = tracing.trace(snapshot, progress=progress, steps=True, **options)
    drafted = draft_recalls(snapshot, traces, sender=sender, time_zone=time_zone)
    if output is not None:
        drafted.write(output, overwrite=overwrite)
    return drafted


def release(
    dataset: Source | Snapshot,
    record: pa.Table | str | Path,
    as_of: Moment | None = None,
    *,
    pack: str | Path,
    output: str | Path | None = None,
    overwrite: bool = False,
    memory: str | int | None = None,
    progress: Progress | None = None,
) -> pa.Table:
    """Return what speaks for the release of each hold that stands at a moment, signs of coercion first.

    Parameters
    ----------
    dataset : Dataset, path, mapping of tables or Snapshot
    record : pyarrow.Table or path
        Record of holds, see `muledetect.holds.add_event`.
    as_of : Moment, optional
        Exclusive; that of the snapshot if one is given.
    pack : str or path
        Country pack, or file, with the clocks of the holds.
    output : path, optional
        Parquet file.
    overwrite, memory, progress
        As for every step, see `muledetect.pipeline`.
    """
    from muledetect.holds import hold_states
    from muledetect.records.pseudonyms import refuse_other_names
    from muledetect.reports.accounts.release import release_evidence

    _refuse(output, kinds.RELEASE, dataset, record, overwrite=overwrite)
    snapshot = open_snapshot(dataset, as_of, progress, memory)
    states = hold_states(record, snapshot.as_of, pack)
    known = snapshot.facts.dataset.account_ids
    refuse_other_names(states["account_id"], known, "record of holds: column 'account_id'")
    found = release_evidence(snapshot, states)
    if output is not None:
        write_table(found, output, output=kinds.RELEASE, overwrite=overwrite)
    return found


def pack(
    dataset: Source,
    scores: Any,
    as_of: Moment,
    *,
    account: str | None = None,
    ring: str | None = None,
    complaint: str | None = None,
    rings: RingTables | str | Path | None = None,
    model: MuleModel | str | Path | None = None,
    holds: pa.Table | str | Path | None = None,
    pack: str | Path = "none",
    k: int = 5,
    key: Pseudonyms | str | Path | None = None,
    language: Language = "en",
    time_zone: str = "UTC",
    output: str | Path | None = None,
    overwrite: bool = False,
    memory: str | int | None = None,
    progress: Progress | None = None,
) -> bytes:
    """Return one archive of a case, and write it to `output`: pages, tables, manifest; see `muledetect.evidence`.

    Nobody outside the case appears: what others paid or got is grouped over at least `k` of them, or dropped.

    Parameters
    ----------
    scores : table or path
        As `score` gave it, of `as_of`; accounts of the case that were explained have reasons.
    as_of : Moment
        Exclusive.
    account, ring, complaint : str
        One of them: what the case is about.
    rings : RingTables or path, optional
        Of the same moment; needed for a ring.
    model : MuleModel or path, optional
        That scored; its features are listed.
    holds : pyarrow.Table or path, optional
        Record of holds.
    pack : str or path
        Country pack with the clocks of these holds.
    k : int
        Others are shown in groups of so many accounts or more.
    key : Pseudonyms or path, optional
        The pack is for another bank or agency: ids of accounts and holders are pseudonyms under this key, draft
        reports and free texts are left out. A data set in memory must have been read with it.
    language : "en" or "th"
        In which the pages open.
    time_zone : str
        IANA name of the zone of the times that are shown.
    output : path, optional
        ZIP file.
    dataset, overwrite, memory, progress
        As for every step, see `muledetect.pipeline`.

    Raises
    ------
    DataError, OptionError
        If the case is not there, tables do not fit each other, or an option is out of range.
    """
    from muledetect.evidence.archive import write_archive
    from muledetect.evidence.build import build_pack
    from muledetect.evidence.inputs import digests_of_inputs
    from muledetect.evidence.prepare import prepare_pack

    files = {"dataset": dataset, "scores": scores, "rings": rings, "model": model, "holds": holds}
    _refuse(output, kinds.PACK, *files.values(), key, overwrite=overwrite)
    read = load(dataset, memory=memory, progress=progress, **({} if key is None else {"pseudonymise": key}))
    used = None if model is None else open_model(model, read)
    snapshot, options, given = prepare_pack(
        read, open_scores(scores), as_of, names={"account": account, "ring": ring, "complaint": complaint},
        rings=open_rings(rings), model=used, holds=holds, pack=str(pack), k=k, key=key, language=language,
        zone=time_zone, inputs=digests_of_inputs(files),
    )  # fmt: skip
    content = write_archive(build_pack(snapshot, options, given))
    if output is not None:
        with new_file(output, kinds.PACK, overwrite=overwrite) as unfinished:
            unfinished.write_bytes(content)
    return content


def verify(
    archive: str | Path,
    dataset: Source,
    *,
    key: Pseudonyms | str | Path | None = None,
    memory: str | int | None = None,
    progress: Progress | None = None,
) -> Verification:
    """Compute a pack again from its data set and say whether every byte agrees, and which part differs if not.

    Parameters
    ----------
    archive : path
        That `pack` wrote.
    key : Pseudonyms or path, optional
        That the pack was made with, if it is under pseudonyms.
    dataset, memory, progress
        As for every step, see `muledetect.pipeline`.

    Raises
    ------
    DataError
        If the file is no pack, or its directory was changed.
    """
    from muledetect.evidence import read_archive, verify_pack
    from muledetect.evidence.inputs import digests_of_inputs

    members = read_archive(archive)
    read = load(dataset, memory=memory, progress=progress, **({} if key is None else {"pseudonymise": key}))
    return verify_pack(members, read, digests_of_inputs({"dataset": dataset}))


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
    holds: pa.Table | str | Path | None = None,
    parties: Parties | str | Path | None = None,
    pack: str | Path = "none",
    n_alerts: int = 200,
    language: Language = "en",
    time_zone: str = "UTC",
    goaml: bool = False,
    memory: str | int | None = None,
    progress: Progress | None = None,
) -> dict[str, int]:
    """Write self-contained HTML pages for people; return the number of pages by kind.

    The folder `output` gets `index.html` (search, sort, filter), a case file for each of the `n_alerts` highest scores,
    a ring file for each ring, their tables as CSV, and, if an evaluation folder is given, a model report. Complaints'
    money is traced on the way. Pages open from disk, hold English and Thai, and send no request.

    Parameters
    ----------
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
    holds : pyarrow.Table or path, optional
        Record of holds (`muledetect.holds.add_event`): case files show the holds of their account, with their clocks.
    parties : Parties or path, optional
        As `find_parties` gave it, of the same moment: pages show the person or company behind an account, its other
        accounts, and who controls accounts of several.
    pack : str or path
        Country pack, or file, with the clocks of these holds.
    n_alerts : int
        Case files to write.
    language : "en" or "th"
        In which the pages open.
    time_zone : str
        IANA name of the zone of the times that are shown.
    goaml : bool
        Also write a draft of each case in the shape of goAML.
    dataset, overwrite, memory, progress
        As for every step, see `muledetect.pipeline`.

    Raises
    ------
    DataError, OptionError
        If tables do not fit each other, an option is unknown, or the folder holds something else.
    """
    from muledetect.facts import Snapshot
    from muledetect.holds import hold_states, load_clocks
    from muledetect.reports.material import Standing, gather_material, latest_moment
    from muledetect.reports.model.report import read_model_report
    from muledetect.reports.write import write_report

    given = (dataset, scores, rings, model, evaluation, drift, holds, parties)
    _refuse(output, kinds.REPORT, *given, overwrite=overwrite)
    read = load(dataset, memory=memory, progress=progress)
    table, found, used = open_scores(scores), open_rings(rings), None if model is None else open_model(model, read)
    snapshot = Snapshot(read, latest_moment(table) if as_of is None else as_of)
    clocks = load_clocks(pack)
    standing = None if holds is None else Standing(hold_states(holds, snapshot.as_of, clocks), clocks)
    material = gather_material(
        snapshot, table, rings=found, model=used, n_alerts=n_alerts, standing=standing, parties=open_parties(parties),
        progress=progress or silent,
    )  # fmt: skip
    about_model = None
    if evaluation is not None:
        # the folder's card also says with which versions the model was trained
        of_model = model if isinstance(model, str | Path) and str(model) != STARTER else used
        about_model = read_model_report(evaluation, of_model, drift)
    return write_report(
        material, output, model_report=about_model, language=language, zone=time_zone, goaml=goaml,
        progress=progress or silent, overwrite=overwrite,
    )  # fmt: skip


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
    baselines_from: Source | None = None,
    leave_one_out: bool = False,
    output: str | Path | None = None,
    overwrite: bool = False,
    memory: str | int | None = None,
    progress: Progress | None = None,
) -> Evaluation:
    """Rank the accounts at `as_of` by the model and by the baselines, and measure against the labels.

    Rings and persons with a positive where the baselines learn are left out of the test; with `baselines_from`, which
    is another bank, nobody is.

    Parameters
    ----------
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
    baselines_from : Dataset, path or mapping of tables, optional
        Another data set from which the model has learnt: baselines learn there, at the same moments, and `known_by`
        counts there. It must be of other people than `dataset`; ids may be alike.
    leave_one_out : bool
        Measure the recall of each shape of ring by a model that learnt from none of it, too; trains again for each.
    output : path, optional
        Folder of `report.json` and one table a file.
    dataset, overwrite, memory, progress
        As for every step, see `muledetect.pipeline`.
    """
    from muledetect.evaluation import measure_model

    _refuse(output, kinds.EVALUATION, dataset, model, found_rings, baselines_from, overwrite=overwrite)
    read = load(dataset, memory=memory, progress=progress)
    other = None if baselines_from is None else load(baselines_from, memory=memory, progress=progress)
    result = measure_model(
        read, open_model(model, read), as_of, found_rings=open_rings(found_rings, read.account_ids, "found_rings"),
        use_truth=use_truth,
        known_by=known_by, budget=budget, watched=watched, baselines_at=baselines_at,
        baselines_from=other, leave_one_out=leave_one_out, progress=progress,
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
    weeks: int = 10,
    n_explained: int = 200,
    output: str | Path | None = None,
    overwrite: bool = False,
    memory: str | int | None = None,
    progress: Progress | None = None,
) -> Drift:
    """Compare a moment with weekly moments before: features, scores, reasons, and what ripe labels say of the scores.

    A change alarms if it is beyond what the weekly moments differ among themselves, and not small. In simulated banks
    where nothing changed 5 of 48 comparisons alarmed; a change of tactics is seen when labels ripen, see decision 046.
    `Drift.advice` says what to do. `Drift.exit_status` is 0 (ok), 3 (watch) or 4 (alarm).

    Parameters
    ----------
    model : MuleModel or path
    before : Moment
        The reference ends here. Best are weeks between training and `after` in which nothing was wrong.
    after : Moment
        Exclusive moment that is looked at. Labels tell of the scores of 37, 51 and 65 days earlier, as far as
        these are after `before`: younger labels are not ripe.
    weeks : int
        Reference moments: whole weeks before `after`, as far as the record spans the model's look-back at them. With
        fewer than five the limits are fixed ones and alarm often.
    n_explained : int
        Highest scores of each moment whose reasons are compared.
    output : path, optional
        Folder of `drift.json` and its tables.
    dataset, overwrite, memory, progress
        As for every step, see `muledetect.pipeline`.
    """
    from muledetect.evaluation import compare_moments

    _refuse(output, kinds.DRIFT, dataset, model, overwrite=overwrite)
    read = load(dataset, memory=memory, progress=progress)
    found = compare_moments(
        read, open_model(model, read), before, after, weeks=weeks, n_explained=n_explained, progress=progress
    )
    if output is not None:
        found.write(output, overwrite=overwrite)
    return found


def simulate(*, preset: str | None = None, progress: Progress | None = None, **parameters: Any) -> Dataset:
    """Simulate a bank with call centres around it, with the whole truth, and return it as a data set.

    A world that does not fit in memory is written to a folder by `muledetect.simulation.write_world`.

    Parameters
    ----------
    preset : str, optional
        thai_bank, small, hard or no_crime.
    progress : callable, optional
        As for every step, see `muledetect.pipeline`.
    **parameters
        Fields of `muledetect.simulation.WorldConfig`, such as n_accounts, n_days and seed.
    """
    from muledetect.records import read_dataset
    from muledetect.simulation import simulate_world, world_config

    world = simulate_world(world_config(preset, **parameters), progress)
    return read_dataset(world.tables, progress=progress)


def _open(
    dataset: Source, engine: Any, memory: str | int | None, progress: Progress | None
) -> tuple[Dataset, Run | None]:
    """Return the data set of a step, and its run on Spark if the engine is one."""
    if engine is None:
        return load(dataset, memory=memory, progress=progress), None
    from muledetect.engine.spark import open_run

    run = open_run(engine, dataset, memory=memory, progress=progress)
    source = dataset if isinstance(dataset, Dataset) else run.store
    return load(source, memory=memory, progress=progress), run


def _refuse(output: str | Path | None, kind: Output, *inputs: Any, overwrite: bool) -> None:
    """Stop before any work if the output may not be written."""
    if output is not None:
        check_output(output, kind, inputs=inputs, overwrite=overwrite)


__all__ = [
    "check",
    "evaluate",
    "explain",
    "find_parties",
    "find_rings",
    "load",
    "monitor",
    "pack",
    "release",
    "report",
    "score",
    "simulate",
    "threshold",
    "trace",
    "train",
    "verify",
]

__getattr__, _ = on_demand(
    __name__,
    {},
    moved={
        "columns": "records.own.suggest_columns",
        "demo": "demo.run_demo",
        "export": "convert.export",
        "import_": "convert.import_layout",
        "import_own": "convert.import_own",
        "refuse_output": "outputs.check_output",
        "reveal": "convert.reveal",
        "rings": "pipeline.find_rings",
    },
)
