"""The command line: arguments in, steps of the pipeline, tables out. No logic lives here."""

from __future__ import annotations

import errno
import gc
import signal
import sys
from functools import partial
from pathlib import Path
from typing import Annotated, Any, Literal, NoReturn

import typer
from rich.markup import escape
from typer import Argument, Option

import muledetect as md
from muledetect import console
from muledetect.command import (
    AsOf,
    Engine,
    Memory,
    ModelFolder,
    Moments,
    Overwrite,
    Reading,
    Work,
    err,
    out,
    progress_bar,
    reads,
)
from muledetect.console import plain
from muledetect.errors import DataError, MuleDetectError, OptionError, OutputError
from muledetect.outputs import kinds
from muledetect.visible import has_half

app = typer.Typer(
    name="muledetect",
    help="Find money-mule accounts, their rings and where the money is, from bank transfer records.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="markdown",
)

INTERRUPTED = 128 + signal.SIGINT
#: So many new objects are made before Python looks for dead ones. Imports make many that live on, and to look through
#: them at each 700, as Python does by itself, takes a sixth of a short command.
_NEW_OBJECTS = 50_000

Complaints = Annotated[list[str] | None, Option(help="Trace this complaint only; repeat.")]
Methods = Annotated[list[str] | None, Option(help="fifo, lifo, pro_rata or libr; repeat. All.")]
Policy = Annotated[
    str | None,
    Option(help="Country pack whose rules say what may be held, or a JSON file; if not given, the model's pack."),
]
Scores = Annotated[Path, Option(help="Parquet file that `score` wrote.")]


def main() -> None:
    """Run the command line; exit status 0 done, 1 bad input, 2 usage, 130 interrupted."""
    gc.set_threshold(_NEW_OBJECTS)
    try:
        _refuse_undecoded(sys.argv[1:])
        app()
    except OptionError as error:
        is_output = isinstance(error, OutputError)
        err.print(f"[bold red]{'error' if is_output else 'usage'}:[/] {escape(str(error))}", soft_wrap=True)
        sys.exit(1 if is_output else 2)
    except MuleDetectError as error:
        err.print(f"[bold red]error:[/] {escape(str(error))}", soft_wrap=True)
        sys.exit(1)
    except OSError as error:
        place = f" at {error.filename}" if error.filename else ""
        is_full = error.errno in (errno.ENOSPC, errno.EDQUOT)
        mend = "Free some space there." if is_full else "Choose a place that you may read and write."
        err.print(f"[bold red]error:[/] files: {plain(error.strerror or error)}{plain(place)}. {mend}", soft_wrap=True)
        sys.exit(1)
    except KeyboardInterrupt:
        _interrupted()
    except SystemExit as status:
        if status.code == INTERRUPTED:  # typer's answer to an interrupt inside a command
            _interrupted()
        raise


def _interrupted() -> NoReturn:
    err.print("interrupted; outputs are the old ones or whole new ones.")
    sys.exit(INTERRUPTED)


# Rooms are imported when a command asks for them (`md.pipeline`): they take a second, and --help need not wait.


@app.command(epilog="Example: `muledetect demo --output muledetect-demo`")
def demo(
    output: Annotated[Path, Option(help="Folder for the data, model, scores, rings and metrics.")] = Path(
        "muledetect-demo"
    ),
    accounts: Annotated[int, Option(min=2_000, help="Accounts of each simulated bank.")] = 6_500,
    days: Annotated[int, Option(min=90, help="Days to simulate.")] = 90,
    seed: Annotated[int, Option(min=0, help="Equal seeds give equal worlds.")] = 0,
    overwrite: Overwrite = False,
) -> None:
    """Simulate two banks, train on one, score, find rings and measure on the other, on one screen."""
    from muledetect.demo import run_demo

    with progress_bar() as progress:
        result = run_demo(output, n_accounts=accounts, n_days=days, seed=seed, overwrite=overwrite, progress=progress)
    console.show_demo(out, result)


@app.command(epilog="Example: `muledetect warm-up`")
def warm_up(
    target: Annotated[
        Literal["active", "ever"], Option(help="Of models of this target; ever needs a part of the kernels.")
    ] = "active",
) -> None:
    """Compile the kernels, so that the first run is as fast as later ones; in the image of a container, say."""
    from muledetect.warm_up import warm_up as compile_kernels

    with progress_bar() as progress:
        compile_kernels(target, progress=progress)
    out.print("The kernels are compiled; numba keeps them on disk.")


@app.command(
    epilog="Example: `muledetect simulate world --preset thai_bank --accounts 20000 --set evasion=0.5 --seed 1`"
)
def simulate(
    output: Annotated[Path, Argument(help="Folder to write the tables to.")],
    preset: Annotated[str | None, Option(help="thai_bank, small, hard or no_crime.")] = None,
    accounts: Annotated[int | None, Option(help="Accounts of the bank; the preset's if not given.")] = None,
    days: Annotated[int | None, Option(help="Days; the preset's if not given.")] = None,
    seed: Annotated[int, Option(min=0, help="Equal seeds give equal bytes.")] = 0,
    settings: Annotated[
        list[str] | None, Option("--set", help="Any parameter of WorldConfig, as name=value; may be repeated.")
    ] = None,
    overwrite: Overwrite = False,
) -> None:
    """Simulate a bank's transfers with scam call centres in it, with full truth."""
    from muledetect.simulation import parse_settings, world_config, write_world

    sizes = {"n_accounts": accounts, "n_days": days, "seed": seed}
    parameters = {name: value for name, value in sizes.items() if value is not None} | parse_settings(settings or [])
    with progress_bar() as progress:
        rows = write_world(world_config(preset, **parameters), output, progress, overwrite=overwrite)
    console.show_tables(out, rows, output)


@app.command(epilog="Example: `muledetect check data/sample --output rejects.parquet`")
@partial(reads, without="memory")
def check(
    reading: Reading,
    output: Annotated[Path, Option(help="Where to write the rejected rows.")] = Path("rejects.parquet"),
) -> None:
    """Validate a data set: what was read, what was rejected and why, what looks odd."""
    with reading.opened(output, kinds.REJECTS, may_be_empty=True) as (dataset, _):
        findings = md.pipeline.check(dataset, output=output, overwrite=reading.overwrite)
    console.show_check(out, dataset, findings, output)
    if "error" in set(findings["severity"]):
        raise DataError(f"check: no transfer is left, so there is nothing to work with. {output} has each row and why.")


@app.command(epilog="Example: `muledetect prepare data/sample --output store`")
@partial(reads, without="memory")
def prepare(
    reading: Reading,
    output: Annotated[Path, Option(help="Folder of the store, which every command takes as its data set.")],
    memory: Memory = None,
) -> None:
    """Validate a data set of any size and write it as a store: sorted columns on disk that are mapped, not read."""
    with progress_bar() as progress:
        store = md.prepare(
            reading.dataset, output, memory=memory, overwrite=reading.overwrite, progress=progress,
            currency=reading.currency, money=reading.money, source_tz=reading.source_tz,
            pseudonymise=reading.pseudonymise,
        )  # fmt: skip
    console.show_store(out, store, output)


@app.command(epilog="Example: `muledetect update store new_rows --memory 4GB`")
def update(
    store: Annotated[Path, Argument(help="Folder that `prepare` wrote; it becomes the store of all rows.")],
    new_rows: Annotated[Path, Argument(help="Folder of tables, or file of transfers, as the data set of the store.")],
    memory: Memory = None,
) -> None:
    """Add late and new rows to a store, as if it had been prepared with them; say which days changed."""
    with progress_bar() as progress:
        updated = md.engine.update(store, new_rows, memory=memory, progress=progress)
    console.show_store(out, updated, store)
    console.show_changed_days(out, updated)


@app.command(
    epilog="Example: `muledetect columns umsaetze.csv --source-tz Asia/Bangkok --currency THB --output columns.toml`"
)
def columns(
    files: Annotated[list[Path], Argument(help="CSV or Parquet files of your own, with equal columns.")],
    output: Annotated[Path, Option(help="TOML file of the mapping, to read, correct and keep.")],
    table: Annotated[
        str, Option(help="What the rows are: transfers, accounts, labels, or another table of docs/tables.md.")
    ] = "transfers",
    source_tz: Annotated[str | None, Option(help="Zone of times that carry none, such as Asia/Bangkok.")] = None,
    currency: Annotated[str | None, Option(help="ISO 4217 code of the amounts.")] = None,
    money: Annotated[
        Literal["major", "minor"] | None, Option(help="Are amounts whole units (baht) or minor ones (satang)?")
    ] = None,
    decimal: Annotated[Literal[".", ","] | None, Option(help="Decimal mark of amounts.")] = None,
    era: Annotated[Literal["gregorian", "buddhist"] | None, Option(help="How years count: 2025 or 2568.")] = None,
    date_order: Annotated[
        Literal["day", "month"] | None, Option(help="Which comes first in dates such as 03/04/2025.")
    ] = None,
    encoding: Annotated[str | None, Option(help="utf-8, cp1252 (western), cp874 (Thai) or another.")] = None,
    delimiter: Annotated[str | None, Option(help="What stands between fields.")] = None,
    overwrite: Overwrite = False,
) -> None:
    """Say what each column of your own files seems to be, for you to confirm before `import own`."""
    from muledetect.outputs import check_output
    from muledetect.records.own import suggest_columns

    with progress_bar() as progress:
        progress("looking at the columns", 0.0)
        check_output(output, kinds.COLUMNS, inputs=files, overwrite=overwrite)
        found = suggest_columns(
            files, table=table, source_tz=source_tz, currency=currency, money=money, decimal=decimal, era=era,
            date_order=date_order, encoding=encoding, delimiter=delimiter,
        )  # fmt: skip
        found.write(output, overwrite=overwrite)
    console.show_columns(out, found, files, output)


@app.command(
    name="import", epilog="Example: `muledetect import own umsaetze.csv --columns columns.toml --output dataset`"
)
def import_(
    layout: Annotated[
        str,
        Argument(help="own, for files of your own; iso20022 or mt940, for messages; or amlsim, amlworld, synthfin."),
    ],
    files: Annotated[list[Path], Argument(help="Your files, or those of the other tool or folders of them.")],
    output: Annotated[Path, Option(help="Folder to write the data set to.")],
    mapping: Annotated[
        Path | None, Option("--columns", help="For own: what the columns are, as `columns` wrote it.")
    ] = None,
    currency: Annotated[str | None, Option(help="Keep only transfers of this currency.")] = None,
    first_day: Annotated[
        str | None, Option(help="Date of day 0, where days are counted; 2017-01-01 if not given.")
    ] = None,
    convert_to: Annotated[
        str | None, Option(help="Turn all amounts into this currency, where files hold several.")
    ] = None,
    source_tz: Annotated[str | None, Option(help="For messages: zone of times that carry none, and of dates.")] = None,
    missing: Annotated[
        str | None, Option(help="For messages: account that stands where an entry names no other, such as cash.")
    ] = None,
    overwrite: Overwrite = False,
) -> None:
    """Turn files of your own, standard messages, or files of another tool, into a data set."""
    from muledetect import convert

    if layout in ("iso20022", "mt940"):
        _refuse_for_messages({"--columns": mapping, "--first-day": first_day, "--convert-to": convert_to})
        with progress_bar() as progress:
            read = md.messages.import_messages(
                layout, files, output, source_tz=source_tz, currency=currency, missing=missing or "",
                overwrite=overwrite, progress=progress,
            )  # fmt: skip
        console.show_messages(out, read, output)
        return
    for option, value in {"--source-tz": source_tz, "--missing": missing}.items():
        if value is not None:
            raise OptionError(f"import: {option} is for messages: iso20022 and mt940. Leave it out.")
    given = {"currency": currency, "first_day": first_day, "convert_to": convert_to}
    options: dict[str, Any] = {name: value for name, value in given.items() if value is not None}
    with progress_bar() as progress:
        progress(f"importing {layout}", 0.0)
        if layout == "own":
            done = convert.import_own(
                files, _own_columns(mapping, options), output, overwrite=overwrite, progress=progress
            )
        elif mapping is not None:
            raise OptionError(
                f"import: {layout!r} is a layout whose columns are known; '--columns' goes with `import own`."
            )
        else:
            tables = convert.import_layout(layout, files, output, overwrite=overwrite, **options)
    if layout == "own":
        console.show_import(out, done, output)
    else:
        console.show_tables(out, {name: len(table) for name, table in tables.items()}, output)


def _refuse_for_messages(options: dict[str, object]) -> None:
    for option, value in options.items():
        if value is not None:
            raise OptionError(f"import: messages say themselves what {option} would tell. Leave it out.")


def _own_columns(mapping: Path | None, options: dict[str, Any]) -> Path:
    if mapping is None:
        raise OptionError(
            "import own: say what the columns are. `muledetect columns FILES --output columns.toml` suggests it; read "
            "it, correct it, and give it with --columns columns.toml."
        )
    for name in options:
        raise OptionError(f"import own: {name!r} is for other layouts. Write it into the file of columns.")
    return mapping


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
    from muledetect import console

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


@app.command(epilog="Example: `muledetect rings data/sample --scores scores.parquet --as-of 2025-04-01 --output rings`")
@reads
def rings(
    reading: Reading,
    scores: Scores,
    as_of: AsOf,
    output: Annotated[Path, Option(help="Folder for rings, ring_members, ring_links, ring_ties and others.")],
    window: Annotated[str, Option(help="How far back transfers are looked at, or all.")] = "180d",
    previous: Annotated[Path | None, Option(help="Folder of an earlier search; rings keep their ids.")] = None,
    holding_time: Annotated[str, Option(help="Longest stay of money that counts as relayed.")] = "72h",
    min_precision: Annotated[
        float, Option(help="Groups that are a ring with less probability are only counted.")
    ] = 0.5,
) -> None:
    """Find rings around scores, complaints and lists, and the call centres that they seem to serve."""
    with reading.opened(output, kinds.RINGS, scores, previous) as (dataset, to):
        found = md.pipeline.find_rings(
            dataset, scores, as_of, previous=previous, window=window, holding_time=holding_time,
            min_precision=min_precision, **to,
        )  # fmt: skip
    console.show_rings(out, found)
    out.print(f"{len(found):,} rings, {found.ring_ties.num_rows:,} ties in {plain(output)}")


@app.command(epilog="Example: `muledetect trace data/sample --as-of 2025-04-01 --output trace.parquet`")
@reads
def trace(
    reading: Reading,
    as_of: AsOf,
    output: Annotated[Path, Option(help="Parquet file for the trace, or a folder for holds and sums, too.")],
    complaint: Complaints = None,
    method: Methods = None,
    max_hops: Annotated[int, Option(min=1, help="Accounts that money is followed through.")] = 8,
    hold_for: Annotated[str, Option(help="How long a hold stands.")] = "24h",
    smallest_hold: Annotated[
        float, Option(min=0, help="No smaller hold is proposed: share of the dispute, or from 1 on minor units.")
    ] = 0.001,
) -> None:
    """Trace the money of complaints, conserved to the last unit, and propose what to hold: amounts, not accounts."""
    with reading.opened(output, kinds.trace_of(output)) as (dataset, to):
        chosen: dict[str, Any] = {"methods": tuple(method)} if method else {}
        found = md.pipeline.trace(
            dataset,
            as_of,
            complaint_ids=complaint,
            max_hops=max_hops,
            hold_for=hold_for,
            smallest_hold=smallest_hold,
            **to,
            **chosen,
        )
    console.show_traces(out, found)
    out.print(f"{found!r} in {plain(output)}")


@app.command(epilog="Example: `muledetect recall data/sample --as-of 2025-04-01 --sender AAAATHBK --output recalls`")
@reads
def recall(
    reading: Reading,
    as_of: AsOf,
    sender: Annotated[str, Option(help="BIC of the bank that asks.")],
    output: Annotated[Path, Option(help="Folder for the drafts and their table.")],
    complaint: Complaints = None,
    method: Methods = None,
    time_zone: Annotated[str, Option(help="Zone in which the day of a transfer is told.")] = "UTC",
) -> None:
    """Draft recalls (camt.056) for money of complaints that went to other banks; nothing is sent."""
    with reading.opened(output, kinds.RECALLS) as (dataset, to):
        chosen: dict[str, Any] = {"methods": tuple(method)} if method else {}
        drafted = md.pipeline.recall(
            dataset, as_of, sender=sender, time_zone=time_zone, complaint_ids=complaint, **to, **chosen
        )
    console.show_recalls(out, drafted, output)


@app.command(epilog="Example: `muledetect answers camt029.xml --recalls recalls --output answers.parquet`")
def answers(
    files: Annotated[list[Path], Argument(help="Answers of other banks (camt.029).")],
    recalls: Annotated[Path, Option(help="Folder that `recall` wrote.")],
    output: Annotated[Path, Option(help="Parquet file of the answers.")],
    source_tz: Annotated[str | None, Option(help="Zone of times that carry none, such as Asia/Bangkok.")] = None,
    overwrite: Overwrite = False,
) -> None:
    """Read answers to recalls (camt.029) and put them beside their complaints."""
    from muledetect.outputs import check_output
    from muledetect.records import write_table

    check_output(output, kinds.ANSWERS, inputs=(*files, recalls), overwrite=overwrite)
    found = md.messages.read_answers(files, recalls, source_tz=source_tz)
    write_table(found, output, output=kinds.ANSWERS, overwrite=overwrite)
    console.show_answers(out, found, output)


@app.command(epilog="Example: `muledetect report data/sample --scores scores.parquet --rings rings --output report`")
@reads
def report(
    reading: Reading,
    scores: Annotated[Path, Option(help="Parquet file that `score` wrote; explained accounts have reasons.")],
    output: Annotated[Path, Option(help="Folder for the pages: new, empty, or of an earlier report.")],
    rings: Annotated[Path | None, Option(help="Folder that `rings` wrote, of the same moment.")] = None,
    model: Annotated[Path | None, Option(help="Folder of the model that scored, or starter.")] = None,
    evaluation: Annotated[Path | None, Option(help="Folder that `evaluate` wrote: a model report.")] = None,
    drift: Annotated[Path | None, Option(help="Folder that `monitor` wrote, for the model report.")] = None,
    as_of: Annotated[str | None, Option(help="Which moment of the scores; the latest if not given.")] = None,
    alerts: Annotated[int, Option(min=1, help="How many of the highest get a case file.")] = 200,
    language: Annotated[Literal["en", "th"], Option(help="Language that pages open in; they hold both.")] = "en",
    time_zone: Annotated[str, Option(help="Zone of the times shown, such as Asia/Bangkok.")] = "UTC",
    goaml: Annotated[bool, Option(help="Also a draft of each case in the shape of goAML.")] = False,
) -> None:
    """Write case files, ring files, an index and the model report as self-contained HTML."""
    with reading.opened(output, kinds.REPORT, scores, rings, model, evaluation, drift) as (dataset, to):
        pages = md.pipeline.report(
            dataset, scores, as_of=as_of, rings=rings, model=model, evaluation=evaluation, drift=drift,
            n_alerts=alerts, language=language, time_zone=time_zone, goaml=goaml, **to,
        )  # fmt: skip
    console.show_report(out, pages, output)


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


@app.command(
    epilog="Example: `muledetect serve data/sample --model live_model --log log --policy TH`. It ends in good order "
    "on SIGTERM. See docs/live.md."
)
def serve(
    dataset: Annotated[Path, Argument(help="Store or folder of tables that the state begins with.")],
    model: Annotated[Path, Option(help="Folder of a model that `train --live` wrote.")],
    log: Annotated[Path, Option(help="Folder for the log of what is booked, and for snapshots.")],
    policy: Policy = None,
    host: Annotated[str, Option(help="Address to listen on; one that others can reach needs --tokens.")] = "127.0.0.1",
    port: Annotated[int, Option(min=0, max=65535, help="Port; 0 takes a free one.")] = 8080,
    tokens: Annotated[Path | None, Option(help="File of tokens, one a line, that only its owner can read.")] = None,
    decisions: Annotated[Path | None, Option(help="File that decisions are added to, as JSON lines.")] = None,
    shadow: Annotated[bool, Option(help="Only record: the answer is allow, always. Needs --decisions.")] = False,
    until: Annotated[str | None, Option(help="Begin with what was known before this moment, as for a replay.")] = None,
    sync: Annotated[
        Literal["always", "interval", "never"],
        Option(help="When a booked row is on the disk before it is acknowledged."),
    ] = "always",
    rate: Annotated[float, Option(min=0, help="Requests a second of one caller; 0: no limit.")] = 1_000.0,
    queue: Annotated[int, Option(min=1, help="Requests that may wait; one more is answered with 429.")] = 1_000,
    language: Annotated[Literal["en", "th"], Option(help="Language of the reasons.")] = "en",
    memory: Memory = None,
) -> None:
    """Score payments as they arrive over HTTP, say what the policy allows, and book them."""
    try:
        from muledetect.serve import Limits, open_service, serve_until_stopped, server_of
        from muledetect.serve.guards import check_address
    except ModuleNotFoundError as error:
        raise OptionError(
            f"serve: needs {error.name}; install muledetect with the extra: pip install '.[serve]'."
        ) from error

    check_address(host, has_tokens=tokens is not None)
    with progress_bar() as progress:
        service = open_service(
            dataset, model, log=log, sync=sync, until=until, policy=policy, tokens=tokens, decisions=decisions,
            shadow=shadow, language=language, limits=Limits(per_second=rate, waiting=queue), memory=memory,
            progress=progress,
        )  # fmt: skip
    server = server_of(service, host, port)
    out.print(f"listening on {plain(host)}:{port}; the page for people is /docs")
    serve_until_stopped(server)


@app.command(
    epilog="Example: `muledetect replay data/sample --model live_model --from 2025-03-24 --until 2025-03-31 "
    "--policy GB --output replay`"
)
@reads
def replay(
    reading: Reading,
    model: ModelFolder,
    output: Annotated[Path, Option(help="Folder for replay.json, decisions, and what the truth says of them.")],
    begin: Annotated[
        str | None, Option("--from", help="First moment; if not given, the day after the model's last training moment.")
    ] = None,
    until: Annotated[str | None, Option(help="Exclusive end; if not given, all.")] = None,
    policy: Policy = None,
    speed: Annotated[
        float | None, Option(min=0.001, help="So many times as fast as history; as fast as it goes if not given.")
    ] = None,
    url: Annotated[
        str | None, Option(help="Send it to a service that knows what was known at --from, see `serve --until`.")
    ] = None,
    tokens: Annotated[Path | None, Option(help="File of tokens, as for `serve`; the first one is sent.")] = None,
) -> None:
    """Send the past through a live scorer, as it came: what would have been held, and how much of it was stolen."""
    from muledetect import replay as room
    from muledetect.serve.tokens import token_lines

    token = token_lines(tokens)[0] if tokens else ""
    with reading.opened(output, kinds.REPLAY, model, tokens) as (dataset, to):
        found = room.replay(
            dataset, model, begin=begin, end=until, policy=policy, speed=speed, url=url, token=token, **to
        )
    console.show_replay(out, found)
    out.print(f"replay in {plain(output)}")


@app.command(epilog="Example: `muledetect key secret.key`")
def key(keyfile: Annotated[Path, Argument(help="File to write the key to; it must not exist.")]) -> None:
    """Make a key for `--pseudonymise`. Keep it apart from what is written with it, and a copy: nothing replaces it."""
    from muledetect.records.pseudonyms import new_key

    new_key(keyfile)
    out.print(f"key in {plain(keyfile)}; only its owner may read it")


@app.command(epilog="Example: `muledetect reveal secret.key --table scores.parquet --output revealed.parquet`")
def reveal(
    keyfile: Annotated[Path, Argument(help="File of the key that the pseudonyms were made with.")],
    pseudonyms: Annotated[list[str] | None, Argument(help="Their ids are printed, one a line.")] = None,
    table: Annotated[Path | None, Option(help="Parquet file, or folder of them, to reveal as a whole.")] = None,
    output: Annotated[Path | None, Option(help="Where to write the revealed table or folder.")] = None,
    overwrite: Overwrite = False,
) -> None:
    """Turn pseudonyms back into ids."""
    from muledetect import convert
    from muledetect.records.pseudonyms import read_key

    if (table is None) != (output is None):
        raise OptionError("reveal: --table and --output go together. Give both, or pseudonyms alone.")
    if table is not None and output is not None:
        convert.reveal(table, keyfile, output, overwrite=overwrite)
        out.print(f"revealed in {plain(output)}")
    for name in read_key(keyfile).reveal_all(pseudonyms or []):
        out.print(plain(name), soft_wrap=True)


@app.command(epilog="Example: `muledetect export rings --output rings.xlsx --currency THB`")
def export(
    tables: Annotated[Path, Argument(help="Parquet file that a command wrote, or folder of such files.")],
    output: Annotated[Path, Option(help="File that ends in .csv or .xlsx; for the CSV files of a folder, a folder.")],
    currency: Annotated[
        str | None,
        Option(help="ISO 4217 code of the amounts, to write them in whole units (baht); else they stay minor."),
    ] = None,
    overwrite: Overwrite = False,
) -> None:
    """Write tables as XLSX, for people, or CSV, for programs; no text in them can run as a formula."""
    from muledetect import convert

    written = convert.export(tables, output, currency=currency, overwrite=overwrite)
    out.print(f"{written:,} rows in {plain(output)}")


def _refuse_undecoded(arguments: list[str]) -> None:
    for place, argument in enumerate(arguments, 1):
        if has_half(argument):
            raise OptionError(
                f"command line: argument {place}, {argument}, holds bytes that are not UTF-8. Write it in UTF-8; where "
                "it is the name of a file or folder, rename that first."
            )


if __name__ == "__main__":
    main()
