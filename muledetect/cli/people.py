"""Commands for people and companies behind the accounts."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from typer import Option

import muledetect as md
from muledetect import console
from muledetect.cli.app import app
from muledetect.command import AsOf, Reading, out, reads
from muledetect.console import plain
from muledetect.outputs import kinds


@app.command(
    epilog="Example: `muledetect parties data/sample --scores scores.parquet --as-of 2025-04-01 --output parties`"
)
@reads
def parties(
    reading: Reading,
    as_of: AsOf,
    output: Annotated[Path, Option(help="Folder for parties, their members, evidence and controllers.")],
    scores: Annotated[Path | None, Option(help="Parquet file that `score` wrote: parties are ranked.")] = None,
    earlier: Annotated[
        list[Path] | None, Option(help="Scores of an earlier moment: they calibrate the parties' scores; repeat.")
    ] = None,
    duplicates: Annotated[
        float, Option(help="Further records of the same person that a record has, on average.")
    ] = 0.1,
    min_probability: Annotated[float, Option(help="Two records are joined from this probability on.")] = 0.9,
) -> None:
    """Find which records of holders are one person or company, and who controls accounts of several."""
    with reading.opened(output, kinds.PARTIES, scores, *(earlier or ())) as (dataset, to):
        found = md.pipeline.find_parties(
            dataset, scores, as_of, earlier=earlier or (), duplicates=duplicates, min_probability=min_probability, **to
        )
    console.show_parties(out, found)
    out.print(f"{found!r} in {plain(output)}")
