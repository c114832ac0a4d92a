"""What sections of the model report are made of: figures, tables and their cells."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, TypeAlias

import numpy as np
import pandas as pd

from muledetect.reports.words import Text, fill

#: Text, a number, [value, low, high], true or false; None where nothing is known.
Cell: TypeAlias = "str | Text | float | int | bool | list[float | None] | None"


class Fact(NamedTuple):
    """One figure: its label, its kind and value as a cell of a table, and a note."""

    label: Text
    kind: str
    value: Cell
    note: Text | None = None


@dataclass(frozen=True, eq=False)
class Section:
    """One section of the page, in order: sentences, figures, charts by id with captions, tables, lists with headings.

    `name` is its anchor; `lacking` says what is not there, and how to get it. A table has `id`, `title`, `note` (or
    None), `columns` (`name`, `kind`, `format`, `digits`) and `rows`, see `make_table`.
    """

    name: str
    title: Text
    sentences: Sequence[Text] = ()
    facts: Sequence[Fact] = ()
    charts: Sequence[tuple[str, Text]] = ()
    tables: Sequence[Mapping[str, Any]] = ()
    lists: Sequence[tuple[Text, Sequence[Text]]] = ()
    lacking: Text | None = None


def make_fact(said: Mapping[str, Any], value: Any, *, note: Text | None = None, **values: str) -> Fact:
    """Return a figure as `sections.toml` says it; a note there is filled with `values`."""
    shown = as_number(value) if said["kind"] == "number" else value
    return Fact(fill(said), said["kind"], shown, fill(said["note"], **values) if "note" in said else note)


def make_table(
    name: str,
    said: Mapping[str, Any],
    rows: Any,
    *,
    columns: Sequence[Mapping[str, Any]] = (),
    note: Text | None = None,
) -> dict[str, Any]:
    """Return a table of rows, a frame or mappings, with the columns that `sections.toml` says, or others."""
    chosen = [one for one in columns or said["columns"] if not one.get("optional") or one["from"] in rows]
    shown = [
        {"name": fill(one), "kind": one["kind"], "format": one.get("format", "percent"), "digits": one.get("digits", 1)}
        for one in chosen
    ]
    lines = rows.to_dict("records") if isinstance(rows, pd.DataFrame) else rows
    cells = [[_cell(one["kind"], one["from"].split(), row) for one in chosen] for row in lines]
    return {"id": name, "title": said["title"], "columns": shown, "rows": cells, "note": note or said.get("note")}


def _cell(kind: str, names: Sequence[str], row: Mapping[Any, Any]) -> Cell:
    value: Cell = row.get(names[0])
    if kind == "interval":
        ends = names if len(names) > 1 else [f"{names[0]}{end}" for end in ("", "_low", "_high")]
        return [as_number(row.get(name)) for name in ends]
    if kind == "flag":
        return None if value is None else bool(value)
    return value if kind == "text" else as_number(value)


def as_number(value: Any) -> Any:
    """Return a number as it is, whole ones as int; None for what is none."""
    if not isinstance(value, int | float) or isinstance(value, bool) or not abs(value) < 1e300:
        return None
    return int(value) if float(value).is_integer() and abs(value) < 2**53 else float(value)


def as_count(value: float | None) -> str:
    """Return a number as text for a sentence; a dash for what is none."""
    return "\N{EN DASH}" if value is None or not abs(value) < 1e300 else f"{value:,.0f}"


def as_text(value: Any) -> str | None:
    if value is None or value == "":
        return None
    return f"{value:.6g}" if isinstance(value, float) else str(value)


def spread(n: int, most: int) -> list[int]:
    """Return up to `most` positions of n, evenly spread, first and last among them."""
    return sorted(set(np.linspace(0, n - 1, min(n, most)).round().astype(int).tolist())) if n else []
