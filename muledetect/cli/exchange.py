"""Commands for an exchange with another bank: what do both suspect? Files go to and fro, no data."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Annotated

from typer import Argument, Option

import muledetect as md
from muledetect import console
from muledetect.cli.app import Scores, app
from muledetect.command import AsOf, Overwrite, Reading, out, progress_bar, reads
from muledetect.console import plain
from muledetect.outputs import kinds

Key = Annotated[Path, Option(help="Key file of this bank, made by `key`. It never leaves the bank.")]
Items = Annotated[Path, Option(help="What this bank suspects, as `exchange-items` wrote it.")]
Pad = Annotated[
    bool, Option(help="Add points that stand for nothing: the file does not tell how many things the bank suspects.")
]
StandsFor = Annotated[str, Option(help="How long the partner may use the file.")]


@app.command(
    epilog="Example: `muledetect exchange-items data/sample --scores scores.parquet --rings rings --as-of 2025-04-01 "
    "--output items.parquet`"
)
@partial(reads, without="memory")
def exchange_items(
    reading: Reading,
    scores: Scores,
    as_of: AsOf,
    output: Annotated[Path, Option(help="Parquet file of the things. It stays with the bank.")],
    rings: Annotated[Path | None, Option(help="Folder that `rings` wrote: members count as suspected.")] = None,
    kind: Annotated[
        list[str] | None, Option(help="account, device, phone, ...; repeat. If not given, usual ones.")
    ] = None,
    least: Annotated[float, Option(min=0, max=1, help="Least probability of a suspected account.")] = 0.5,
) -> None:
    """Gather what this bank suspects: accounts, and what their holders used. For `exchange-request` and its answer."""
    from muledetect.records import write_table

    with reading.opened(output, kinds.EXCHANGE_ITEMS, scores, rings) as (dataset, _):
        chosen = {"kinds": tuple(kind)} if kind else {}
        found = md.exchange.gather_items(md.Snapshot(dataset, as_of), scores, rings, least=least, **chosen)
        write_table(found, output, output=kinds.EXCHANGE_ITEMS, overwrite=reading.overwrite)
    console.show_items(out, found, output)


@app.command(
    epilog="Example: `muledetect exchange-request --items items.parquet --key secret.key --sender bank_a "
    "--receiver bank_b --as-of 2025-04-01 --output request.json`"
)
def exchange_request(
    items: Items,
    key: Key,
    sender: Annotated[str, Option(help="This bank.")],
    receiver: Annotated[str, Option(help="The partner.")],
    as_of: Annotated[str, Option(help="When the request is made.")],
    output: Annotated[Path, Option(help="JSON file for the partner.")],
    stands_for: StandsFor = "7d",
    pad: Pad = True,
    overwrite: Overwrite = False,
) -> None:
    """Step 1, bank A: blind what it suspects. The partner can read nothing of it."""
    with progress_bar() as progress:
        run = md.exchange.request(
            items, output, key=key, sender=sender, receiver=receiver, as_of=as_of, stands_for=stands_for, pad=pad,
            overwrite=overwrite, progress=progress,
        )  # fmt: skip
    out.print(f"request {run} in {plain(output)}; keep it, the items and the key until the answer comes")


@app.command(
    epilog="Example: `muledetect exchange-answer request.json --items items_b.parquet --key secret_b.key "
    "--receiver bank_b --as-of 2025-04-02 --output answer.json`"
)
def exchange_answer(
    request: Annotated[Path, Argument(help="File of the partner.")],
    items: Items,
    key: Key,
    receiver: Annotated[str, Option(help="This bank, as the request names it.")],
    as_of: Annotated[str, Option(help="When the answer is made; a request that has expired is refused.")],
    output: Annotated[Path, Option(help="JSON file for the partner.")],
    tell: Annotated[
        list[str] | None,
        Option(help="What is told of a match: band, ring, first_seen, last_seen; repeat. If not given, all."),
    ] = None,
    most: Annotated[
        int, Option(min=1, help="Refuse a longer request: a partner that asks about many accounts may be guessing.")
    ] = 20_000,
    stands_for: StandsFor = "7d",
    pad: Pad = True,
    overwrite: Overwrite = False,
) -> None:
    """Step 2, bank B: answer a request with tags of what it suspects, and what it tells of matches, sealed."""
    with progress_bar() as progress:
        chosen = {"tell": tuple(tell)} if tell else {}
        n = md.exchange.answer(
            request, items, output, key=key, receiver=receiver, as_of=as_of, most=most, stands_for=stands_for, pad=pad,
            overwrite=overwrite, progress=progress, **chosen,
        )  # fmt: skip
    out.print(f"{n:,} points answered in {plain(output)}; this bank does not learn which of them match")


@app.command(
    epilog="Example: `muledetect exchange-finish request.json answer.json --items items.parquet --key secret.key "
    "--received 2025-04-03 --output matches.parquet`"
)
def exchange_finish(
    request: Annotated[Path, Argument(help="File that this bank sent.")],
    answer: Annotated[Path, Argument(help="File of the partner.")],
    items: Items,
    key: Key,
    received: Annotated[str, Option(help="When the answer came: matches are known from then on.")],
    output: Annotated[Path, Option(help="Parquet file of the matches.")],
    overwrite: Overwrite = False,
) -> None:
    """Step 3, bank A: learn which of its own things the partner suspects, too."""
    with progress_bar() as progress:
        found = md.exchange.finish(
            request, answer, items, output, key=key, received=received, overwrite=overwrite, progress=progress
        )
    console.show_matches(out, found, md.exchange.shared_rings(found), output)


@app.command(
    epilog="Example: `muledetect exchange-join data/sample --matches matches.parquet --as-of 2025-04-03 "
    "--output statements.parquet`. Then `muledetect registry-import statements.parquet --scheme exchange ...`"
)
@partial(reads, without="memory")
def exchange_join(
    reading: Reading,
    matches: Annotated[Path, Option(help="Parquet file that `exchange-finish` wrote.")],
    as_of: AsOf,
    output: Annotated[Path, Option(help="Parquet file of the statements.")],
    stands_for: Annotated[str, Option(help="How long a match is evidence.")] = "90d",
) -> None:
    """Make matches evidence: statements about accounts, with a reliability, for `registry-import`."""
    with reading.opened(output, kinds.STATEMENTS, matches) as (dataset, _):
        found = md.exchange.as_registry(
            matches, md.Snapshot(dataset, as_of), stands_for=stands_for, output=output, overwrite=reading.overwrite
        )
    out.print(f"{len(found):,} statements about accounts in {plain(output)}")
