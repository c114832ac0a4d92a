"""The application, and options that several commands share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from typer import Option

app = typer.Typer(
    name="muledetect",
    help="Find money-mule accounts, their rings and where the money is, from bank transfer records.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="markdown",
)

Complaints = Annotated[list[str] | None, Option(help="Trace this complaint only; repeat.")]
Methods = Annotated[list[str] | None, Option(help="fifo, lifo, pro_rata or libr; repeat. All.")]
Policy = Annotated[
    str | None,
    Option(help="Country pack whose rules say what may be held, or a JSON file; if not given, the model's pack."),
]
Scores = Annotated[Path, Option(help="Parquet file that `score` wrote.")]
