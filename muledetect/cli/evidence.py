"""Commands for evidence packs: write one archive of a case, and compute one again."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Annotated, Literal

import typer
from typer import Argument, Option

import muledetect as md
from muledetect import console
from muledetect.cli.app import Scores, app
from muledetect.command import AsOf, Limit, Overwrite, out, progress_bar
from muledetect.console import plain
from muledetect.outputs import kinds

Data = Annotated[Path, Argument(help="Folder of tables (Parquet, partitioned Parquet or CSV), or a store.")]
Key = Annotated[
    Path | None,
    Option(
        "--pseudonymise",
        metavar="KEYFILE",
        help="For another bank or agency: pseudonyms for ids of accounts and holders, under a key that `key` made.",
    ),
]


@app.command(
    epilog="Example: `muledetect pack data/sample --scores scores.parquet --as-of 2025-04-01 --complaint Q0000009 "
    "--output case.zip`"
)
def pack(
    dataset: Data,
    scores: Scores,
    as_of: AsOf,
    output: Annotated[Path, Option(help="ZIP file of the case.")],
    account: Annotated[str | None, Option(help="The case of an account.")] = None,
    ring: Annotated[str | None, Option(help="The case of a ring; needs --rings.")] = None,
    complaint: Annotated[str | None, Option(help="The case of a complaint: whom its money reached.")] = None,
    rings: Annotated[Path | None, Option(help="Folder that `rings` wrote, of the same moment.")] = None,
    model: Annotated[Path | None, Option(help="Folder of the model that scored, or starter: its features.")] = None,
    holds: Annotated[Path | None, Option(help="Record that `hold` wrote.")] = None,
    pack: Annotated[str, Option(help="Country pack with the clocks of the holds, or a JSON file.")] = "none",
    k: Annotated[int, Option(min=2, help="Others are shown in groups of so many accounts or more.")] = 5,
    language: Annotated[Literal["en", "th"], Option(help="Language that pages open in; they hold both.")] = "en",
    time_zone: Annotated[str, Option(help="Zone of the times shown, such as Asia/Bangkok.")] = "UTC",
    list_only: Annotated[bool, Option("--list", help="Only list what would be shared; nothing is written.")] = False,
    key: Key = None,
    memory: Limit = None,
    overwrite: Overwrite = False,
) -> None:
    """Write one archive of a case: pages, tables, manifest, digests. Nobody outside the case appears in it."""
    from muledetect.outputs import check_output, new_file

    given = [path for path in (dataset, scores, rings, model, holds, key) if path is not None]
    check_output(output, kinds.PACK, inputs=given, overwrite=overwrite)
    with progress_bar() as progress:
        content = md.pipeline.pack(
            dataset, scores, as_of, account=account, ring=ring, complaint=complaint, rings=rings, model=model,
            holds=holds, pack=pack, k=k, key=key, language=language, time_zone=time_zone, memory=memory,
            progress=progress,
        )  # fmt: skip
    console.show_shared(out, content)
    if list_only:
        out.print("Nothing was written.")
        return
    with new_file(output, kinds.PACK, overwrite=overwrite) as unfinished:
        unfinished.write_bytes(content)
    out.print(f"pack in {plain(output)}; keep its SHA-256 apart: {hashlib.sha256(content).hexdigest()}", soft_wrap=True)


@app.command(
    epilog="Example: `muledetect verify case.zip data/sample`. Exit status 0: all bytes agree, 3: some differ."
)
def verify(
    archive: Annotated[Path, Argument(help="ZIP file that `pack` wrote.")],
    dataset: Data,
    key: Key = None,
    memory: Limit = None,
) -> None:
    """Compute a pack again from its data set and compare every byte; a part that differs is named."""
    from muledetect.outputs import sha256

    with progress_bar() as progress:
        found = md.pipeline.verify(archive, dataset, key=key, memory=memory, progress=progress)
    console.show_verification(out, found)
    out.print(f"SHA-256 of {plain(archive)}: {sha256(archive)}", soft_wrap=True)
    if not found.agrees:
        raise typer.Exit(3)
