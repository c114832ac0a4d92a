"""Commands for registries of police, regulators and banks: lists in, proposals out, what changed."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from typer import Argument, Option

import muledetect as md
from muledetect import console
from muledetect.cli.app import Scores, app
from muledetect.command import Overwrite, out

Scheme = Annotated[str, Option(help="TH, GB, SG or none, or the JSON file of a scheme of your own.")]
SourceZone = Annotated[str | None, Option(help="Zone of times that carry none, such as Asia/Bangkok.")]


@app.command(
    epilog="Example: `muledetect registry-import list.csv --scheme TH --sender police --role police "
    "--received 2025-03-01T08:00Z --output dataset`"
)
def registry_import(
    files: Annotated[list[Path], Argument(help="CSV, JSON or Parquet files, see docs/registry.md.")],
    scheme: Scheme,
    sender: Annotated[str, Option(help="Who sent them: id of the authority or bank.")],
    role: Annotated[Literal["regulator", "police", "bank"], Option(help="What the sender is.")],
    received: Annotated[str, Option(help="When the bank received them; no row is known earlier.")],
    output: Annotated[Path, Option(help="Folder of the data set; rows are added to its table registry.")],
    full: Annotated[
        bool, Option(help="They are the sender's whole list: entries that it no longer names are removed.")
    ] = False,
    own: Annotated[bool, Option(help="The sender is this bank itself; training does not see its entries.")] = False,
    source_tz: SourceZone = None,
    overwrite: Overwrite = False,
) -> None:
    """Add lists of police, regulators and other banks to the table `registry`; its old rows stay as they are."""
    done = md.registry.import_registry(
        files, output, scheme=scheme, sender=sender, role=role, received=received, full=full, own=own,
        source_tz=source_tz, overwrite=overwrite,
    )  # fmt: skip
    console.show_registry(out, done, output)


@app.command(
    epilog="Example: `muledetect registry-export --scores scores.parquet --scheme TH --listed-by our_bank "
    "--output proposals.csv`"
)
def registry_export(
    scores: Scores,
    scheme: Scheme,
    listed_by: Annotated[str, Option(help="Id of this bank in the scheme.")],
    output: Annotated[Path, Option(help="File that ends in .csv, .json or .parquet.")],
    as_of: Annotated[str | None, Option(help="Which moment of the scores; the latest if not given.")] = None,
    registry: Annotated[
        Path | None, Option(help="Data set whose registry tells what was said of an account before.")
    ] = None,
    overwrite: Overwrite = False,
) -> None:
    """Write what a score proposes to a registry: suspected accounts, in the lowest tier of the scheme, never above."""
    found = md.registry.export_proposals(
        scores, output, scheme=scheme, listed_by=listed_by, as_of=as_of, registry=registry, overwrite=overwrite
    )
    console.show_proposals(out, found, output)


@app.command(
    epilog="Example: `muledetect registry-diff dataset --before-as-of 2025-03-01 --after-as-of 2025-03-02 "
    "--output deltas.csv`"
)
def registry_diff(
    before: Annotated[Path, Argument(help="Registry: folder of a data set, or a file.")],
    before_as_of: Annotated[str, Option(help="Earlier moment, exclusive.")],
    after_as_of: Annotated[str, Option(help="Later moment, exclusive.")],
    output: Annotated[Path, Option(help="File that ends in .csv, .json or .parquet.")],
    after: Annotated[Path | None, Option(help="Another registry for the later moment; the same if not given.")] = None,
    source_tz: SourceZone = None,
    overwrite: Overwrite = False,
) -> None:
    """Write what changed of a registry between two moments: added, appealed, changed, removed, expired."""
    found = md.registry.diff_registries(
        before, after, before_as_of=before_as_of, after_as_of=after_as_of, source_tz=source_tz, output=output,
        overwrite=overwrite,
    )  # fmt: skip
    console.show_deltas(out, found, output)
