"""Commands for models and scores."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Annotated, Literal

import typer
from typer import Option

import muledetect as md
from muledetect import console
from muledetect.cli.app import Scores, app
from muledetect.command import AsOf, Engine, ModelFolder, Moments, Reading, Work, out, reads
from muledetect.console import plain
from muledetect.outputs import kinds


@app.command(epilog="Example: `muledetect train data/sample --as-of 2025-03-01 --target ever --model model`")
@partial(reads, without="pseudonymise")
def train(
    reading: Reading,
    as_of: Moments,
    model: ModelFolder,
    target: Annotated[
        Literal["active", "ever"], Option(help="Active around the moment, or ever a mule before it.")
    ] = "active",
    pack: Annotated[str, Option(help="Country pack: TH, SG, GB, EU, IN, KR or none.")] = "none",
    known_by: Annotated[str | None, Option(help="Leave out labels known later than this moment.")] = None,
    unlabelled: Annotated[
        Literal["unknown", "negative"],
        Option(help="What accounts without a label are; negative where only mules are labelled."),
    ] = "unknown",
    lookback: Annotated[
        str | None, Option(help="How far back features see, such as 90d; by default the shortest record before.")
    ] = None,
    live: Annotated[bool, Option(help="Learn from columns only that can be computed as each payment arrives.")] = False,
    max_rows: Annotated[
        int | None, Option(min=1, help="Keep all positives and draw negatives, weighted, up to so many rows.")
    ] = None,
    tune: Annotated[
        int, Option(min=0, help="Trials of a search for parameters on the training rows; 0: none. Needs Optuna.")
    ] = 0,
    monotone: Annotated[
        bool, Option(help="Scores never fall with what speaks for suspicion only, nor rise with its opposite.")
    ] = False,
    strict: Annotated[bool, Option(help="End without a model if the leakage audit finds something.")] = False,
    engine: Engine = "local",
    work: Work = None,
) -> None:
    """Train a model on the labels of a data set and write it, with its card, to a folder."""
    used = reading.engine(engine, work)
    with reading.opened(model, kinds.MODEL) as (dataset, to):
        fitted = md.pipeline.train(
            dataset, as_of, target=target, pack=pack, known_by=known_by, unlabelled=unlabelled, lookback=lookback,
            live=live, max_rows=max_rows, model=md.MuleModel(monotone=monotone), n_trials=tune, strict=strict,
            engine=used, **to,
        )  # fmt: skip
    console.show_model(out, fitted, model)


@app.command(epilog="Example: `muledetect score data/sample --model model --as-of 2025-04-01 --output scores.parquet`")
@reads
def score(
    reading: Reading,
    model: ModelFolder,
    as_of: AsOf,
    output: Annotated[Path, Option(help="Parquet file of the scores.")],
    explain: Annotated[int, Option(min=0, help="How many of the highest get reasons.")] = 200,
    language: Annotated[Literal["en", "th"], Option(help="Language of the reasons.")] = "en",
    prevalence: Annotated[
        str | None, Option(help="Share of accounts that are mules, such as 0.3%, or estimate: from known mules.")
    ] = None,
    budget: Annotated[
        str | None, Option(help="Tiers go to so many alerts, or to a share of the accounts, such as 0.5%.")
    ] = None,
    engine: Engine = "local",
    work: Work = None,
) -> None:
    """Score every account at a moment, with reasons for the highest."""
    used = reading.engine(engine, work)
    with reading.opened(output, kinds.SCORES, model) as (dataset, to):
        scores = md.pipeline.score(
            dataset, model, as_of, n_explained=explain, language=language, prevalence=prevalence, budget=budget,
            engine=used, **to,
        )  # fmt: skip
    console.show_scores(out, scores)
    out.print(f"{len(scores):,} scores in {plain(output)}")


@app.command(
    epilog="Example: `muledetect threshold data/sample --model model --as-of 2025-04-01 --as-of 2025-04-02 "
    "--as-of 2025-04-03 --per-day 5 --output threshold.json`"
)
@reads
def threshold(
    reading: Reading,
    model: ModelFolder,
    as_of: Moments,
    per_day: Annotated[float, Option(help="Alerts that the team can look at in a day.")],
    output: Annotated[Path, Option(help="JSON file of the threshold.")],
) -> None:
    """Find the score from which on a team gets as many new alerts a day as it can look at."""
    with reading.opened(output, kinds.THRESHOLD, model) as (dataset, to):
        found = md.pipeline.threshold(dataset, model, as_of, per_day, **to)
    console.show_threshold(out, found)
    out.print(f"threshold in {plain(output)}")


@app.command(epilog="Example: `muledetect explain data/sample --scores scores.parquet --output explained`")
@reads
def explain(
    reading: Reading,
    scores: Scores,
    output: Annotated[Path, Option(help="Folder for the key transfers and the suspicious periods.")],
    transfers: Annotated[int, Option(min=1, help="At most so many transfers a reason.")] = 10,
) -> None:
    """Find the transfers that show each reason of a score, and when each account was most suspicious."""
    with reading.opened(output, kinds.EXPLANATION, scores) as (dataset, to):
        found = md.pipeline.explain(dataset, scores, n_transfers=transfers, **to)
    console.show_explanation(out, found)
    out.print(
        f"{len(found.key_transfers):,} transfers of {len(found.suspicious_periods):,} accounts in {plain(output)}"
    )


@app.command(epilog="Example: `muledetect evaluate data/sample --model model --as-of 2025-04-01 --output evaluation`")
@reads
def evaluate(
    reading: Reading,
    model: ModelFolder,
    as_of: AsOf,
    output: Annotated[Path, Option(help="Folder for the metrics.")],
    truth: Annotated[bool, Option(help="Measure against truth_rings, the whole truth of a simulation.")] = False,
    known_by: Annotated[str | None, Option(help="Baselines learn from labels known by this moment.")] = None,
    found_rings: Annotated[
        Path | None, Option("--rings", help="Folder that `rings` wrote, to hold against truth_rings.")
    ] = None,
    budget: Annotated[float, Option(help="Alerts at which groups are measured; below 1 a share.")] = 0.01,
    leave_one_out: Annotated[
        bool, Option(help="Recall of each shape of ring by a model that learnt from none of it; trains again.")
    ] = False,
    baselines_at: Annotated[
        list[str] | None, Option(help="Baselines learn at this moment instead of the model's; repeat.")
    ] = None,
    baselines_from: Annotated[
        Path | None, Option(help="Data set of another bank, from which the model has learnt.")
    ] = None,
    watched: Annotated[
        list[str] | None, Option("--watch", help="Score all at this moment too, for the time to detect; repeat.")
    ] = None,
) -> None:
    """Measure a model at a later moment, on rings that it had not seen, next to the baselines."""
    with reading.opened(output, kinds.EVALUATION, model, found_rings, baselines_from) as (dataset, to):
        result = md.pipeline.evaluate(
            dataset, model, as_of, found_rings=found_rings, use_truth=truth, known_by=known_by, budget=budget,
            watched=watched or (), baselines_at=baselines_at or (), baselines_from=baselines_from,
            leave_one_out=leave_one_out, **to,
        )  # fmt: skip
    console.show_evaluation(out, result)
    out.print(f"metrics in {plain(output)}")


@app.command(
    epilog="Example: `muledetect monitor data/sample --model model --before 2025-03-01 --after 2025-04-01 "
    "--output drift`. Exit status 0: ok, 3: watch, 4: alarm."
)
@reads
def monitor(
    reading: Reading,
    model: ModelFolder,
    before: Annotated[str, Option(help="End of the reference, such as the acceptance.")],
    after: Annotated[str, Option(help="Exclusive moment that is looked at.")],
    output: Annotated[Path, Option(help="Folder for drift.json and its tables.")],
    weeks: Annotated[
        int, Option(min=1, help="Weekly reference moments up to --before; below 5 limits are fixed.")
    ] = 10,
) -> None:
    """Compare a moment with weekly moments before: features, scores, reasons, what ripe labels say of the scores."""
    with reading.opened(output, kinds.DRIFT, model) as (dataset, to):
        found = md.pipeline.monitor(dataset, model, before, after, weeks=weeks, **to)
    console.show_drift(out, found)
    out.print(f"drift in {plain(output)}")
    raise typer.Exit(found.exit_status)
