"""What sections of the model report are made of: figures, cells, tables."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Literal, NamedTuple, TypeAlias

import numpy as np
import pandas as pd

from muledetect.reports.model.files import DriftFiles, EvaluationFiles
from muledetect.reports.model.words import Text, say

Kind = Literal["text", "number", "percent", "interval", "bar", "flag", "time"]
#: Text, a number, [value, low, high], true or false; None where nothing is known.
Cell: TypeAlias = "str | Text | float | int | bool | list[float | None] | None"

#: Where sentences of the card stand.
CARD: Final = "card.json"


@dataclass(frozen=True)
class Fact:
    """One figure: its label, its kind and value as a cell of a table, and a note."""

    label: Text
    kind: Kind
    value: Cell
    note: Text | None = None


@dataclass(frozen=True, eq=False)
class Section:
    """One section of the page, in order: sentences, figures, charts by id, tables, lists.

    Attributes
    ----------
    name : str
        Anchor.
    title : mapping of language to text
    sentences : sequence of such mappings
    facts : sequence of Fact
    charts : sequence of (id, caption)
    tables : sequence of mappings
        `id`, `title`, `note` (or None), `columns` (`name`, `kind`, `format`: "percent" or "number"), `rows`.
    lists : sequence of (heading, items)
    lacking : mapping, optional
        What is not there, and how to get it.
    """

    name: str
    title: Text
    sentences: Sequence[Text] = ()
    facts: Sequence[Fact] = ()
    charts: Sequence[tuple[str, Text]] = ()
    tables: Sequence[Mapping[str, Any]] = ()
    lists: Sequence[tuple[Text, Sequence[Text]]] = ()
    lacking: Text | None = None


@dataclass(frozen=True, eq=False)
class Sources:
    """What the sections are made of."""

    evaluation: EvaluationFiles
    drift: DriftFiles | None
    card: Mapping[str, Any] | None
    chart_ids: Sequence[str] = field(default_factory=tuple)


class Column(NamedTuple):
    """One column of a table: its heading, how its cells are shown, and where they come from."""

    name: Text
    kind: Kind
    format: str
    digits: int
    source: str | Callable[[Mapping[Any, Any]], Any]


def charts_of(sources: Sources, name: str, caption: Text) -> list[tuple[str, Text]]:
    return [(name, caption)] if name in sources.chart_ids else []


def make_column(
    en: str,
    th: str,
    kind: Kind,
    source: str | Callable[[Mapping[Any, Any]], Any],
    form: str = "percent",
    digits: int = 1,
) -> Column:
    """Return a column; `source` is a column of the rows, for an interval of up to three, or a function of a row.

    An interval of one column "rate" is that of rate, rate_low and rate_high.
    """
    return Column(say(en, th), kind, form, digits, source)


def make_table(
    name: str, title: Text, columns: Sequence[Column], rows: Any, note: Text | None = None
) -> dict[str, Any]:
    """Return a table of rows, a frame or mappings."""
    lines = rows.to_dict("records") if isinstance(rows, pd.DataFrame) else rows
    shown = [{"name": one.name, "kind": one.kind, "format": one.format, "digits": one.digits} for one in columns]
    cells = [[_cell(one, row) for one in columns] for row in lines]
    return {"id": name, "title": title, "columns": shown, "rows": cells, "note": note}


def _cell(column: Column, row: Mapping[Any, Any]) -> Cell:
    if callable(column.source):
        found: Cell = column.source(row)
        return found
    names = column.source.split()
    if column.kind == "interval":
        ends = names if len(names) > 1 else [f"{names[0]}{end}" for end in ("", "_low", "_high")]
        return [as_number(row.get(name)) for name in ends]
    value = row.get(names[0])
    if column.kind == "flag":
        return None if value is None else bool(value)
    return as_number(value) if column.kind in ("number", "percent", "time", "bar") else value


def figure_of(figures: Mapping[str, float], name: str) -> list[float | None]:
    return [as_number(figures.get(f"{name}{end}")) for end in ("", "_low", "_high")]


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


def budget_note(sources: Sources) -> Text | None:
    budget = sources.evaluation.figures.get("budget", math.nan)
    if math.isnan(budget):
        return None
    shown = f"{budget * 100:.4g}%" if budget < 1 else f"{budget:,.0f}"
    return say(
        f"At the bank's budget: {at_budget(shown)}. 95% intervals, from samples of whole rings and persons.",
        f"ที่งบประมาณของธนาคาร: {at_budget(shown, 'th')} ช่วงความเชื่อมั่น 95% โดยสุ่มทั้งกลุ่มและทั้งบุคคล",
    )


def at_budget(budget: str, language: str = "en") -> str:
    unit = {"en": ("of accounts", "alerts"), "th": ("ของบัญชี", "การแจ้งเตือน")}[language]
    return f"{budget} {unit[not budget.endswith('%')]}"


def not_measured() -> Text:
    return say("Not in the evaluation folder; run `evaluate` again.", "ไม่มีในโฟลเดอร์ผลการประเมิน ให้ใช้ `evaluate` อีกครั้ง")


def not_watched() -> Text:
    return say(
        "Not measured: give moments to `evaluate --watch`, and a data set with truth_transfers and truth_money.",
        "ยังไม่ได้วัด ให้ระบุเวลาด้วย `evaluate --watch` และใช้ชุดข้อมูลที่มี truth_transfers และ truth_money",
    )
