"""Commands for written tables: keys of pseudonyms, and other formats."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from typer import Argument, Option

from muledetect.cli.app import app
from muledetect.command import Overwrite, out
from muledetect.console import plain
from muledetect.errors import OptionError


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
