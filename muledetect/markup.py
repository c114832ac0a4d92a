"""Small pieces of HTML for notebooks: every value visible and escaped, no script, no style sheet, nothing fetched.

Colours are those of the page around, so that light and dark both read well.

>>> escape_value("<b>0123</b>")
'<bdi>&lt;b&gt;0123&lt;/b&gt;</bdi>'
>>> escape_value(1234567)
'1,234,567'
>>> build_facts({"accounts": 12})
'<div style="margin:2px 0"><span style="opacity:.65">accounts</span> 12</div>'
"""

from __future__ import annotations

import html
import math
import numbers
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Final, NewType

from muledetect.visible import cut

#: Text that is HTML already. Everything else is a value, and escaped.
Html = NewType("Html", str)

#: What stands wherever accounts are shown.
SUSPICION: Final = "Suspicion, not a finding: a reason to look, never a reason to freeze an account."

#: Longer texts are cut: an id of a megabyte must not fill the page.
MOST_CHARACTERS: Final = 160
#: Items shown of a list.
MOST_ITEMS: Final = 5

_LINE: Final = "1px solid rgba(128,128,128,.35)"
_CELL: Final = "padding:2px 8px;border:0;vertical-align:top;background:none;font-variant-numeric:tabular-nums"


def escape_value(value: object) -> Html:
    """Return a value as HTML: numbers with separators, times to the minute, lists cut short, text escaped.

    Text stands in an element of its own direction (`bdi`): an id in another script cannot reorder its neighbours.
    """
    if isinstance(value, list | tuple):
        more = [f"and {len(value) - MOST_ITEMS:,} more"] if len(value) > MOST_ITEMS else []
        return Html(", ".join([*map(escape_value, value[:MOST_ITEMS]), *more]))
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return Html('<span style="opacity:.5">-</span>')
    return Html(_in_words(value) or f"<bdi>{_escape(value)}</bdi>")


def _in_words(value: object) -> str:
    """Return numbers, flags and times in words that need no escaping; empty for all else."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, numbers.Integral):
        return f"{int(value):,}"
    if isinstance(value, numbers.Real):
        number = float(value) + 0.0  # no negative zero
        return f"{number:,.0f}" if abs(number) >= 1000 else f"{number:.3g}"
    return f"{value:%Y-%m-%d %H:%M}" if isinstance(value, datetime) else ""


def build_card(title: object, *parts: Html, note: str = "") -> Html:
    """Return parts below each other under a title, with a note on how to read them."""
    said = f'<div style="margin-top:6px;opacity:.75;font-size:90%">{_escape(note)}</div>' if note else ""
    head = f'<div style="font-weight:600;margin-bottom:4px">{_escape(title)}</div>'
    return Html(
        '<div style="display:inline-block;max-width:100%;overflow-x:auto;text-align:left;padding:6px 10px;'
        f'border:{_LINE};border-radius:4px">{head}{"".join(parts)}{said}</div>'
    )


def build_facts(facts: Mapping[str, object]) -> Html:
    """Return names and values in one line that wraps."""
    shown = [f'<span style="opacity:.65">{_escape(name)}</span> {escape_value(value)}' for name, value in facts.items()]
    return Html(f'<div style="margin:2px 0">{" · ".join(shown)}</div>') if shown else Html("")


def build_table(
    columns: Sequence[str],
    rows: Iterable[Sequence[object]],
    *,
    n_rows: int | None = None,
    right: Collection[str] = (),
) -> Html:
    """Return a table; with `n_rows`, the number that there are in all, it says how many are left out.

    Columns in `right` are set flush right, and so are those whose first value is a number.
    """
    lines = [list(row) for row in rows]
    is_number = [name in right or (bool(lines) and _is_number(lines[0][at])) for at, name in enumerate(columns)]
    style = [f"text-align:{'right' if number else 'left'};{_CELL}" for number in is_number]
    head = "".join(
        f'<th scope="col" style="{how};border-bottom:{_LINE}">{_escape(name)}</th>'
        for name, how in zip(columns, style, strict=True)
    )
    body = "".join(
        f'<tr style="background:none">{"".join(_cell(value, how) for value, how in zip(line, style, strict=True))}</tr>'
        for line in lines
    )
    more = (n_rows or 0) - len(lines)
    rest = f'<div style="opacity:.65;padding:2px 8px">and {more:,} more</div>' if more > 0 else ""
    return Html(
        f'<table style="border-collapse:collapse;margin:4px 0"><thead><tr style="background:none">{head}</tr></thead>'
        f"<tbody>{body}</tbody></table>{rest}"
    )


def build_list(lines: Iterable[str]) -> Html:
    """Return sentences as a list."""
    items = "".join(f"<li><bdi>{html.escape(cut(line, 4 * MOST_CHARACTERS))}</bdi></li>" for line in lines)
    return Html(f'<ul style="margin:4px 0;padding-left:1.4em">{items}</ul>') if items else Html("")


def build_details(summary: str, *parts: Html) -> Html:
    """Return parts that are folded away until a reader opens them; needs no script."""
    inner = "".join(parts)
    if not inner:
        return Html("")
    return Html(f'<details><summary style="cursor:pointer">{_escape(summary)}</summary>{inner}</details>')


def _escape(text: object) -> str:
    return html.escape(cut(text, MOST_CHARACTERS))


def _cell(value: object, style: str) -> str:
    return f'<td style="{style}">{escape_value(value)}</td>'


def _is_number(value: object) -> bool:
    return isinstance(value, numbers.Real) and not isinstance(value, bool)
