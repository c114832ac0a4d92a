"""A ring as a network: members by layer and role, and the money between them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np
import numpy.typing as npt
import pandas as pd

from muledetect.reports.layout import lay_out
from muledetect.reports.network import Network, gather, ring_network, ring_transfers, words_of
from muledetect.reports.plots._canvas import GREY, NOTE, as_text, axes_of, title
from muledetect.reports.plots.flow import COLOURS
from muledetect.rings import Ring

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from muledetect.facts import Snapshot

#: Shape of each kind of account, so that colour is never all that tells them apart.
_SHAPES: Final = {
    "victim": "v", "payer": ">", "collector": "o", "relay": "s", "consolidator": "h", "cash_out": "D",
    "controller": "*", "peripheral": "p", "institution": "P", "exit": "X", "hub": "H", "recipient": "<",
}  # fmt: skip
_MOST_MEMBERS: Final = 36
_MOST_AROUND: Final = 7
_MOST_NAMED: Final = 60


def plot_ring(ring: Ring, *, snapshot: Snapshot | None = None, ax: Axes | None = None) -> Axes:
    """Draw a ring from left to right: who paid it, its members by layer, where the money went.

    Lines are as wide as the square root of the money, their heads point to the receiver. Roles have a colour and a
    shape; accounts with which the search began have a dark rim. Without money between members, as after `read_rings`
    without a data set, the ring's links are drawn instead, without heads.

    Parameters
    ----------
    ring : Ring
    snapshot : Snapshot, optional
        That the ring was found in: then payers and exits are drawn too, the smaller ones together.
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
        If the snapshot is of another moment than the ring, or matplotlib is not installed.
    """
    network = ring_network(ring, ring_transfers(ring, snapshot)[0])
    is_money = len(network.flows) > 0
    if not is_money:
        network = Network(network.nodes, _links(ring, network.nodes))
    network, _ = gather(network, most=_MOST_MEMBERS, most_around=_MOST_AROUND)
    nodes, flows = network.nodes, network.flows
    weight = flows["amount"].to_numpy(np.float64)
    source, target = (flows[end].to_numpy(np.int64) for end in ("source", "target"))
    x, y = lay_out(nodes["column"].to_numpy(np.int64), source, target, weight)
    wide, tall = float(np.ptp(x)), float(np.ptp(y))
    axes = axes_of(ax, float(np.clip(3.0 + 0.5 * wide, 5.5, 12.0)), float(np.clip(1.6 + 0.36 * tall, 3.0, 9.0)))
    _lines(axes, x, y, network, has_heads=is_money)
    _points(axes, x, y, nodes, ring)
    _headings(axes, x, y, nodes, has_ends=snapshot is not None)
    axes.set_axis_off()
    axes.set_xlim(x.min() - 1.1, x.max() + 1.1)
    axes.set_ylim(y.max() + 0.9, y.min() - 1.3)
    what = "lines: money" if is_money else "lines: links of any kind"
    title(axes, f"Ring {ring.ring_id}", note=f"{len(ring):,} accounts; {what} · {NOTE}")
    return axes


def _links(ring: Ring, nodes: pd.DataFrame) -> pd.DataFrame:
    place = pd.Series(nodes.index, index=nodes["name"])
    links = ring.links.select(["source", "target", "weight"]).to_pandas()
    ends = links.assign(source=links["source"].map(place), target=links["target"].map(place))
    sums = ends.groupby(["source", "target"])["weight"].sum().mul(1_000).clip(lower=1).rename("amount")
    flows: pd.DataFrame = sums.reset_index().assign(n=1).astype(np.int64)
    return flows


def _lines(
    axes: Axes, x: npt.NDArray[np.float64], y: npt.NDArray[np.float64], network: Network, *, has_heads: bool
) -> None:
    from matplotlib.patches import FancyArrowPatch  # noqa: PLC0415 (an extra, and slow to import)

    flows, column = network.flows, network.nodes["column"].to_numpy()
    strongest = np.sqrt(float(flows["amount"].max())) if len(flows) else 1.0
    for source, target, amount in flows.sort_values("amount")[["source", "target", "amount"]].itertuples(index=False):
        bend = 0.25 if column[source] == column[target] else 0.06
        share = np.sqrt(amount) / strongest
        axes.add_patch(
            FancyArrowPatch(
                (x[source], y[source]), (x[target], y[target]), arrowstyle="-|>" if has_heads else "-",
                mutation_scale=7, connectionstyle=f"arc3,rad={bend}", shrinkA=6, shrinkB=7, color=GREY,
                linewidth=0.4 + 3.2 * share, alpha=0.25 + 0.5 * share, zorder=1,
            )
        )  # fmt: skip


def _points(
    axes: Axes, x: npt.NDArray[np.float64], y: npt.NDArray[np.float64], nodes: pd.DataFrame, ring: Ring
) -> None:
    seeds = set(ring.members.filter(ring.members["is_seed"])["account_id"].to_pylist())
    kinds = list(dict.fromkeys(nodes.sort_values("column", kind="stable")["kind"]))
    for kind in kinds:
        at = np.flatnonzero(nodes["kind"] == kind)
        rim = ["black" if nodes["name"].iloc[row] in seeds else "white" for row in at]
        axes.scatter(
            x[at], y[at], s=np.where(nodes["n"].iloc[at] > 1, 150, 85), marker=_SHAPES.get(kind, "P"),
            color=COLOURS.get(kind, GREY), edgecolors=rim, linewidths=1.3, zorder=2, label=words_of(kind),
        )  # fmt: skip
    for row in range(len(nodes)) if len(nodes) <= _MOST_NAMED else ():
        said: dict[str, Any] = as_text(nodes["name"].iloc[row], 16)
        axes.annotate(
            said.pop("s"), (x[row], y[row]), xytext=(0, -9), textcoords="offset points", ha="center", va="top",
            fontsize=7, zorder=3, **said,
        )  # fmt: skip
    axes.legend(frameon=False, fontsize="small", loc="center left", bbox_to_anchor=(1, 0.5))


def _headings(
    axes: Axes, x: npt.NDArray[np.float64], y: npt.NDArray[np.float64], nodes: pd.DataFrame, *, has_ends: bool
) -> None:
    last = int(nodes["column"].max())
    for column in sorted(set(nodes["column"])):
        at = nodes["column"] == column
        is_end = has_ends and column == last
        head = "payers" if column == 0 else "exits and others" if is_end else f"layer {column}"
        axes.text(float(x[at].mean()), float(y.min()) - 0.8, head, ha="center", fontsize="small", alpha=0.75)
