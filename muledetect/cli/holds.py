"""Commands for holds: write an event into the record, list what stands and what is due, what speaks for release."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from typer import Argument, Option

import muledetect as md
from muledetect import console
from muledetect.cli.app import app
from muledetect.command import AsOf, Overwrite, Reading, out, reads
from muledetect.console import plain
from muledetect.errors import OptionError
from muledetect.outputs import kinds

Record = Annotated[Path, Argument(help="Record of holds, a Parquet file; the first hold makes it.")]
RecordOption = Annotated[Path, Option("--record", help="Record of holds that `hold` wrote.")]
Pack = Annotated[str, Option(help="Country pack with the clocks of holds, or a JSON file of your own.")]


@app.command(
    epilog="Example: `muledetect hold holds.parquet held --pack TH --at 2025-03-28T10:00+07:00 --account 6582332921 "
    "--complaint Q0000009 --amount 3676460 --clock traced_amount --by 'fraud desk' --why 'traced to it'`"
)
def hold(
    record: Record,
    event: Annotated[
        str, Argument(help="held, reported, extended, reviewed, appealed, released or expired; see docs/holds.md.")
    ],
    pack: Pack,
    at: Annotated[str, Option("--at", help="When it took effect, with its zone: 2025-03-01T09:30+07:00.")],
    by: Annotated[str, Option("--by", help="Who decided, in words; shown to people, never logged.")],
    why: Annotated[str, Option(help="Why, in words; shown to people, never logged.")],
    hold_id: Annotated[str | None, Option("--hold", help="The hold; a new one gets its id by itself.")] = None,
    account: Annotated[str | None, Option(help="With held: account that has the money.")] = None,
    complaint: Annotated[str | None, Option(help="With held: complaint that it stems from.")] = None,
    transfer: Annotated[str | None, Option(help="With held: payment that is held or delayed.")] = None,
    traces: Annotated[
        Path | None, Option(help="With held: folder that `trace` wrote; at most what it proposes is held.")
    ] = None,
    clock: Annotated[str | None, Option(help="With held: clock of the pack, such as traced_amount.")] = None,
    amount: Annotated[
        int | None, Option(min=1, help="Minor units that are held or released; all that is proposed, or left.")
    ] = None,
    until: Annotated[str | None, Option(help="When the hold ends; by default, when the bank's period does.")] = None,
    power: Annotated[
        Literal["bank", "police", "court", "agency"] | None, Option(help="With extended: who extends.")
    ] = None,
    recorded: Annotated[str | None, Option(help="When it is written down; now if not given.")] = None,
    overwrite: Overwrite = False,
) -> None:
    """Write an event into the record of holds: rows are added, none is ever changed. Nothing else happens."""
    traced = None
    if traces is not None:
        traced = md.holds.propose.traced_hold(traces, record, complaint, account, amount, pack=pack, recorded=recorded)
    name = md.holds.add_event(
        record, event, pack=pack, time=at, decided_by=by, why=why, hold_id=hold_id, account_id=account,
        complaint_id=complaint, transfer_id=transfer, until=until, power=power, recorded=recorded, overwrite=overwrite,
        clock=clock if traced is None else traced["clock"], amount=amount if traced is None else traced["amount"],
        traced_at=None if traced is None else traced["traced_at"],
    )  # fmt: skip
    out.print(
        f"{plain(event)}: hold {plain(name)} in {plain(record)}. The record holds no money: the bank's system does."
    )


@app.command(epilog="Example: `muledetect holds holds.parquet --pack TH --as-of 2025-03-29 --output states.parquet`")
def holds(
    record: Record,
    pack: Pack,
    as_of: AsOf,
    output: Annotated[Path | None, Option(help="Parquet file for the states.")] = None,
    traces: Annotated[Path | None, Option(help="Folder that `trace` wrote: what may be held and is not.")] = None,
    decisions: Annotated[Path | None, Option(help="File of `serve --decisions`: payments that may be held.")] = None,
    language: Annotated[Literal["en", "th"], Option(help="th shows Buddhist years, where the pack has them.")] = "en",
    overwrite: Overwrite = False,
) -> None:
    """List holds at a moment: what is due, released, extended and appealed, until when, and who decided."""
    from muledetect.outputs import check_output
    from muledetect.records import write_table

    if output is not None:
        check_output(output, kinds.HOLD_STATES, inputs=[record, traces, decisions], overwrite=overwrite)
    clocks = md.holds.load_clocks(pack)
    proposes = traces is not None or decisions is not None
    states = md.holds.hold_states(record, as_of, clocks, may_be_new=proposes)
    proposed = None
    if proposes:
        table = None if traces is None else md.holds.propose.read_holds(traces)
        proposed = md.holds.propose_holds(table, pack=clocks, states=states, decisions=decisions)
    if output is not None:
        write_table(states, output, output=kinds.HOLD_STATES, overwrite=overwrite)
    console.show_holds(out, states, proposed, clocks, language)


@app.command(
    epilog="Example: `muledetect release data/sample --record holds.parquet --pack TH --as-of 2025-03-29 "
    "--output release.parquet`"
)
@reads
def release(
    reading: Reading,
    record: RecordOption,
    pack: Pack,
    as_of: AsOf,
    output: Annotated[Path, Option(help="Parquet file for the evidence.")],
    language: Annotated[Literal["en", "th"], Option(help="Language of what is printed; the file has both.")] = "en",
) -> None:
    """Gather what speaks for the release of each hold, with transfers; signs of coercion come first."""
    if reading.pseudonymise is not None:
        raise OptionError("release: the record of holds has plain ids, so it goes with plain data. Leave the key out.")
    with reading.opened(output, kinds.RELEASE, record) as (dataset, to):
        found = md.pipeline.release(dataset, record, as_of, pack=pack, **to)
    console.show_release(out, found, language)
    out.print(f"{len(found):,} signs in {plain(output)}")
