"""Commands for cases: rings, traced money, recalls, pages."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

from typer import Argument, Option

import muledetect as md
from muledetect import console
from muledetect.cli.app import Complaints, Methods, Scores, app
from muledetect.command import AsOf, Overwrite, Reading, out, reads
from muledetect.console import plain
from muledetect.outputs import kinds


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
    ] = 0.4,
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
    parties: Annotated[Path | None, Option(help="Folder that `parties` wrote, of the same moment.")] = None,
    model: Annotated[Path | None, Option(help="Folder of the model that scored, or starter.")] = None,
    evaluation: Annotated[Path | None, Option(help="Folder that `evaluate` wrote: a model report.")] = None,
    drift: Annotated[Path | None, Option(help="Folder that `monitor` wrote, for the model report.")] = None,
    holds: Annotated[Path | None, Option(help="Record that `hold` wrote: case files show their holds.")] = None,
    pack: Annotated[str, Option(help="Country pack with the clocks of the holds, or a JSON file.")] = "none",
    as_of: Annotated[str | None, Option(help="Which moment of the scores; the latest if not given.")] = None,
    alerts: Annotated[int, Option(min=1, help="How many of the highest get a case file.")] = 200,
    language: Annotated[Literal["en", "th"], Option(help="Language that pages open in; they hold both.")] = "en",
    time_zone: Annotated[str, Option(help="Zone of the times shown, such as Asia/Bangkok.")] = "UTC",
    goaml: Annotated[bool, Option(help="Also a draft of each case in the shape of goAML.")] = False,
) -> None:
    """Write case files, ring files, an index and the model report as self-contained HTML."""
    given = (scores, rings, parties, model, evaluation, drift, holds)
    with reading.opened(output, kinds.REPORT, *given) as (dataset, to):
        pages = md.pipeline.report(
            dataset, scores, as_of=as_of, rings=rings, model=model, evaluation=evaluation, drift=drift, holds=holds,
            parties=parties, pack=pack, n_alerts=alerts, language=language, time_zone=time_zone, goaml=goaml, **to,
        )  # fmt: skip
    console.show_report(out, pages, output)
