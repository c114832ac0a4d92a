"""Commands for records: check, keep in a store, bring up to date, read from other forms."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Annotated, Any, Literal

from typer import Argument, Option

import muledetect as md
from muledetect import console
from muledetect.cli.app import app
from muledetect.command import Memory, Overwrite, Reading, out, progress_bar, reads
from muledetect.errors import DataError, OptionError
from muledetect.outputs import kinds


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
