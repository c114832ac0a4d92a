"""Why an account has its score: reasons as bars, with their texts."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from muledetect.clock import Moment, format_time, parse_time
from muledetect.errors import DataError, OptionError
from muledetect.frames import as_arrow
from muledetect.model.tiers import read_basis
from muledetect.reports.plots._canvas import BLUE, GREY, NOTE, ORANGE, as_text, axes_of, quiet, title

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_LETTERS: Final = 104
#: Inches above a text, of a line of it, and of a bar.
_GAP, _LINE, _BAR = 0.18, 0.16, 0.13


def plot_reasons(scores: Any, account_id: str, *, as_of: Moment | None = None, ax: Axes | None = None) -> Axes:
    """Draw what each reason adds to the score of an account, the weightiest first, with its text.

    Parameters
    ----------
    scores : table of any library
        As schema.SCORES, the account with reasons.
    account_id : str
    as_of : Moment, optional
        Which of its scores; the latest by default.
    ax : matplotlib Axes, optional
        Where to draw; by default a new figure, as tall as the reasons need.

    Returns
    -------
    matplotlib.axes.Axes

    Raises
    ------
    DataError
        If columns are missing.
    OptionError
        If the account has no score or no reasons there, or matplotlib is not installed.
    """
    row = _row(scores, account_id, as_of)
    reasons = sorted(row["reasons"], key=lambda reason: -reason["contribution"])
    added = np.array([reason["contribution"] for reason in reasons])
    texts = [_wrapped(reason) for reason in reasons]
    heights = np.array([_GAP + _LINE * (text["s"].count("\n") + 1) + _BAR for text in texts])
    axes = axes_of(ax, 7.5, 1.1 + float(heights.sum()))
    tops = np.cumsum([0.0, *heights])
    bars = tops[1:] - _BAR / 2
    axes.barh(bars, added, height=_BAR, color=np.where(added > 0, ORANGE, BLUE))
    axes.vlines(np.zeros(len(bars)), bars - _BAR, bars + _BAR, color=GREY, linewidth=1)
    for top, text in zip(tops, texts, strict=False):
        axes.text(0.0, top + _GAP - 0.04, transform=axes.get_yaxis_transform(), va="top", fontsize="small", **text)
    for at, size in zip(bars, added, strict=True):
        beyond = 4 if size >= 0 else -4
        axes.annotate(f"{size:+.2f}", (size, at), xytext=(beyond, 0), textcoords="offset points", va="center",
                      ha="left" if size >= 0 else "right", fontsize="small")  # fmt: skip
    axes.set_ylim(tops[-1] + _BAR, 0)
    axes.margins(x=0.12)
    axes.set_yticks([])
    axes.set_xlabel("added to the score (log-odds); below 0: speaks for the account")
    chance = "prevalence unknown" if row["probability"] is None else f"probability {row['probability']:.3f}"
    chance = f"{chance}, rank {row['rank']:,} on {format_time(row['as_of'])[:10]}"
    title(axes, f"Reasons for the score of {account_id}", note=f"{chance} · {NOTE}")
    quiet(axes).spines["left"].set_visible(False)
    return axes


def _row(scores: Any, account_id: str, as_of: Moment | None) -> dict[str, Any]:
    table = as_arrow(scores, "plot_reasons")
    wanted = ["account_id", "as_of", "probability", "rank", "reasons"]
    lacking = [name for name in wanted if name not in table.column_names]
    if lacking:
        raise DataError(f"plot_reasons: column(s) {', '.join(lacking)} are missing; give the table that `score` wrote.")
    mine = table.filter(pc.equal(table["account_id"].cast(pa.string()), account_id)).select(wanted)
    times = mine["as_of"].cast(pa.timestamp("us", tz="UTC")).cast(pa.int64()).to_pylist()
    rows = [row | {"as_of": time} for row, time in zip(mine.drop_columns("as_of").to_pylist(), times, strict=True)]
    if as_of is not None:
        rows = [row for row in rows if row["as_of"] == parse_time(as_of)]
    if not rows:
        raise OptionError("plot_reasons: the account has no score in this table, or none at as_of.")
    latest: dict[str, Any] = max(rows, key=lambda row: row["as_of"])
    basis = read_basis(table)
    if basis is not None and basis.source == "unknown":
        latest["probability"] = None
    if not latest["reasons"]:
        raise OptionError(
            "plot_reasons: the score of the account was not explained. Raise n_explained of `score`, so that it is."
        )
    return latest


def _wrapped(reason: dict[str, Any]) -> dict[str, Any]:
    said = as_text(reason["text"], 400)
    lines = textwrap.wrap(f"{as_text(reason['code'])['s']}: {said['s']}", _LETTERS)
    return said | {"s": "\n".join(lines[:3])}
