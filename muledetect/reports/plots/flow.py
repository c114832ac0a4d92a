"""Where money went: from the victims over the layers, or the hops, to the exits."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import numpy.typing as npt
import pyarrow.compute as pc

from muledetect.errors import OptionError
from muledetect.records.currency import format_amount, unit_of
from muledetect.reports.layout import FlowBands, flow_bands
from muledetect.reports.network import Network, gather, ring_network, ring_transfers, trace_network, words_of
from muledetect.reports.plots._canvas import (
    BLUE,
    GREEN,
    GREY,
    NOTE,
    ORANGE,
    PINK,
    SKY,
    YELLOW,
    as_text,
    axes_of,
    figure_of,
    money,
    short_amount,
    title,
)
from muledetect.rings import Ring
from muledetect.tracing import Traces

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from muledetect.facts import Snapshot

#: Colour of each kind of account. Money at an exit is grey: who was paid there is presumed innocent.
COLOURS: Final = {
    "victim": BLUE, "payer": SKY, "collector": PINK, "relay": ORANGE, "consolidator": YELLOW, "cash_out": "#7A3B00",
    "controller": "#000000", "peripheral": GREY, "passed on": ORANGE,
}  # fmt: skip
_MOST_BARS: Final = 8
#: Share of the largest account's money below which an account is one of the "others".
_LEAST: Final = 0.004
#: Inches for the labels before and behind the drawing.
_BEFORE, _BEHIND = 1.75, 2.1
#: Between more columns labels take two lines.
_WIDE: Final = 4


def plot_flow(
    found: Ring | Traces,
    *,
    snapshot: Snapshot | None = None,
    complaint_id: str | None = None,
    method: str = "pro_rata",
    ax: Axes | None = None,
) -> Axes:
    """Draw the flow of money of a ring or of one traced complaint from left to right, bands as thick as the money.

    The largest accounts of each column are bars of their own, the others of a kind are one. Money that moves within a
    column or back is not drawn; the note says how much it is.

    Parameters
    ----------
    found : Ring or Traces
        Traces must have been made with `steps=True`.
    snapshot : Snapshot, optional
        Of a ring: then victims, other payers and exits are drawn too, not only the members.
    complaint_id : str, optional
        Of traces: which complaint; by default the one that lost most.
    method : str
        Of traces: the tracing rule.
    ax : matplotlib Axes, optional
        Where to draw; by default a new figure.

    Returns
    -------
    matplotlib.axes.Axes

    Raises
    ------
    DataError
        If the snapshot does not have the members.
    OptionError
        If the snapshot is of another moment than the ring, there are no steps of the complaint and method, no money to
        draw, or matplotlib is not installed.
    """
    if isinstance(found, Ring):
        network = ring_network(found, ring_transfers(found, snapshot)[0])
        head = f"Flow of money in ring {found.ring_id}"
        heads = ["payers", *(f"layer {at}" for at in range(1, 99))]
    else:
        chosen = complaint_id or _largest(found)
        network = trace_network(found, chosen, method)
        head = f"Where the money of complaint {chosen} went ({words_of(method)})"
        heads = ["victim", *(f"hop {at}" for at in range(1, 999))]
    network, _ = gather(network, most=12, most_around=_MOST_BARS, least=_LEAST)
    ahead, is_seen = network.is_ahead, _seen(network)[network.flows["target"]]
    drawn = network.only(ahead & is_seen)
    if not len(drawn.flows):
        raise OptionError("plot_flow: no money moves ahead here. Give the snapshot to draw payers and exits, too.")
    last = int(network.nodes["column"].max()) if isinstance(found, Ring) and snapshot is not None else -1
    currency = found.currency or (snapshot.currency if snapshot is not None else "")
    axes = _draw(drawn, currency, [*heads[:last], "exits"] if last > 0 else heads, ax)
    left_out = {"moved within a column or back": ~ahead, "in parts too small to draw": ahead & ~is_seen}
    sums = {text: int(network.flows.loc[which, "amount"].sum()) for text, which in left_out.items()}
    rest = "".join(f" · {format_amount(amount, currency)} {text}" for text, amount in sums.items() if amount)
    title(axes, head, note=f"{unit_of(currency)}{rest} · {NOTE}")
    return axes


def _largest(traces: Traces) -> str:
    known = traces.summary.filter(
        pc.is_in(traces.summary["complaint_id"], traces.steps["complaint_id"].combine_chunks())
    )
    if not known.num_rows:
        raise OptionError("plot_flow: the traces have no steps. Trace with steps=True.")
    ranked = known.sort_by([("lost", "descending"), ("complaint_id", "ascending")])
    return str(ranked["complaint_id"][0].as_py())


def _seen(network: Network) -> npt.NDArray[np.bool_]:
    """Return which nodes stand in a column where any is large enough to be seen."""
    sizes, column = network.sizes, network.nodes["column"].to_numpy(np.int64)
    largest = np.zeros(int(column.max()) + 1, np.int64)
    np.maximum.at(largest, column, sizes)
    return np.asarray(largest[column] >= _LEAST * sizes.max())


def _draw(network: Network, currency: str, heads: list[str], ax: Axes | None) -> Axes:
    nodes, flows = network.nodes, network.flows
    column, source, target, amount = (
        part.to_numpy(np.int64) for part in (nodes["column"], flows["source"], flows["target"], flows["amount"])
    )
    bands = flow_bands(column, source, target, amount)
    n_columns, tallest = nodes["column"].nunique(), int(nodes.groupby("column").size().max())
    axes = axes_of(ax, min(_BEFORE + _BEHIND + 1.7 * n_columns, 13.0), float(np.clip(1.4 + 0.34 * tallest, 3.0, 7.0)))
    sizes = network.sizes
    stays = nodes["kept"].to_numpy(np.int64) * 2 > sizes
    colours = [GREEN if stay else COLOURS.get(kind, GREY) for kind, stay in zip(nodes["kind"], stays, strict=True)]
    _draw_bands(axes, bands, source, target, colours)
    _draw_bars(axes, bands, colours)
    _write(axes, network, bands, currency)
    for at in np.unique(column):
        left = float(bands.left[column == at][0])
        head = as_text(heads[at] if at < len(heads) else "")
        axes.text(left + bands.bar / 2, -0.02, ha="center", va="bottom", fontsize="small", alpha=0.75, **head)
    inches = _inches(axes, is_new=ax is None)
    axes.set_xlim(-_BEFORE / inches, 1 + _BEHIND / inches)
    axes.set_ylim(1.02, -2.2 * _line(axes))
    axes.set_axis_off()
    return axes


def _draw_bands(
    axes: Axes, bands: FlowBands, source: npt.NDArray[np.int64], target: npt.NDArray[np.int64], colours: list[str]
) -> None:
    from matplotlib.collections import PolyCollection  # noqa: PLC0415 (an extra, and slow to import)

    s = np.linspace(0, 1, 40)
    ease = s * s * (3 - 2 * s)
    shapes = []
    for at in range(len(source)):
        x = bands.left[source[at]] + bands.bar + s * (bands.left[target[at]] - bands.left[source[at]] - bands.bar)
        middle = bands.from_y[at] + ease * (bands.to_y[at] - bands.from_y[at])
        half = max(bands.width[at], 0.0015) / 2
        shapes.append(np.column_stack([np.append(x, x[::-1]), np.append(middle - half, (middle + half)[::-1])]))
    fill = [colours[at] for at in source]
    axes.add_collection(PolyCollection(shapes, facecolors=fill, alpha=0.35, linewidths=0, label="flows"))


def _draw_bars(axes: Axes, bands: FlowBands, colours: list[str]) -> None:
    axes.bar(
        bands.left, np.maximum(bands.height, 0.003), width=bands.bar, bottom=bands.top, align="edge", color=colours,
        label="accounts",
    )  # fmt: skip


def _write(axes: Axes, network: Network, bands: FlowBands, currency: str) -> None:
    from matplotlib.patheffects import withStroke  # noqa: PLC0415 (an extra, and slow to import)

    column = network.nodes["column"].to_numpy(np.int64)
    first, last, sizes = int(column.min()), int(column.max()), money(network.sizes, currency)
    n_lines = np.where((column == first) | (column == last) | (last - first < _WIDE), 1, 2)
    place = _apart(column, bands.top + bands.height / 2, n_lines * _line(axes))
    rim = [withStroke(linewidth=2, foreground=figure_of(axes).get_facecolor(), alpha=0.75)]
    for at, row in enumerate(network.nodes.to_dict("records")):
        is_first = row["column"] == first
        x = bands.left[at] - 0.018 if is_first else bands.left[at] + bands.bar + 0.01
        said = as_text(row["name"], 16)
        said["s"] += ("  " if n_lines[at] == 1 else "\n") + _said(row, float(sizes[at]), currency)
        axes.text(x, place[at], ha="right" if is_first else "left", va="center", fontsize=7.5, path_effects=rim, **said)


def _said(node: Mapping[Hashable, Any], size: float, currency: str) -> str:
    """Return what stands behind a node's name: its money, what it is, and how much of the money is still there."""
    kept, parts = float(money(node["kept"], currency)), [short_amount(size)]
    if node["n"] == 1 and node["kind"] != "passed on":
        parts.append(words_of(node["kind"]))
    if kept >= 0.995 * size:
        parts.append("still there")
    elif kept >= _LEAST * size:
        parts.append(f"{short_amount(kept)} still there")
    return ", ".join(parts)


def _inches(axes: Axes, *, is_new: bool) -> float:
    """Return the width that is left for the drawing between its labels; at least an inch."""
    share = 1.0 if is_new else float(axes.get_position().width)
    return max(float(figure_of(axes).get_figwidth()) * share - _BEFORE - _BEHIND, 1.0)


def _line(axes: Axes) -> float:
    """Return the height of a line of text as a share of the drawing's."""
    return 0.125 / max(float(figure_of(axes).get_figheight()) - 0.9, 1.0)


def _apart(
    column: npt.NDArray[np.int64], middle: npt.NDArray[np.float64], height: npt.NDArray[np.float64]
) -> npt.NDArray[np.float64]:
    """Return heights of labels, moved down and then up so that none of a column covers another."""
    place = middle.copy()
    for at in np.unique(column):
        rows = np.flatnonzero(column == at)
        rows = rows[np.argsort(middle[rows], kind="stable")]
        for before, row in pairwise(rows):
            place[row] = max(place[row], place[before] + height[row])
        place[rows[-1]] = min(place[rows[-1]], 1.0)
        for after, row in pairwise(rows[::-1]):
            place[row] = min(place[row], place[after] - height[row])
    return place
