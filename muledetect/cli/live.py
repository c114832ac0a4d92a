"""Commands for payments as they arrive."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from typer import Argument, Option

from muledetect import console
from muledetect.cli.app import Policy, app
from muledetect.command import Memory, ModelFolder, Reading, out, progress_bar, reads
from muledetect.console import plain
from muledetect.errors import OptionError
from muledetect.outputs import kinds


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
    busy: Annotated[
        int | None,
        Option(min=1, help="Score an account with more transfers than this in the look-back once an hour (UTC)."),
    ] = None,
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
            shadow=shadow, busy=busy, language=language, limits=Limits(per_second=rate, waiting=queue), memory=memory,
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
