"""From the case of a ring to what its page draws: the network, the flow, the money over time."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import numpy as np
import pandas as pd

from muledetect.clock import DAY
from muledetect.reports.drawn import add_bars, draw_chart, draw_line
from muledetect.reports.layout import flow_bands, lay_out
from muledetect.reports.network import Network, fold, gather
from muledetect.reports.pages import shorten, unit_words
from muledetect.reports.rings.case import RingCase
from muledetect.reports.words import WORDS, Text, fill, read_words
from muledetect.schema import ROLES

#: Accounts of one column that a flow drawing names; the others of a kind are one bar.
MOST_BARS: Final = 12
_SAID: Final = read_words("rings/words.toml")
_WIDTH: Final = 1_000
_HEAD: Final = 26
_SIDE: Final = 150


def draw_network(case: RingCase, currency: str, minor_units: int) -> dict[str, Any]:
    """Return the network as plain data for the page's script.

    `views` are two: at first the accounts around the ring are one node a side, then each is by itself. A view has the
    positions of nodes, the flows, and which flow each transfer that is played is in (-1: in none).
    """
    folded, of_node = fold(case.network)
    seeds = set(case.members.loc[case.members["is_seed"], "account_id"])
    plays = case.plays
    ends = {end: plays[end].map(of_node) for end in ("source", "target")}
    kinds = sorted({*case.network.nodes["kind"], *folded.nodes["kind"]})
    return {
        "currency": dict(unit_words(currency)),
        "unit": minor_units,
        "words": {kind: dict(WORDS[kind]) for kind in kinds if kind in WORDS},
        "time": (plays["time"] // 1_000_000).tolist(),
        "views": [_view(folded, plays.assign(**ends), seeds), _view(case.network, plays, seeds)],
    }


def _view(network: Network, plays: pd.DataFrame, seeds: set[str]) -> dict[str, Any]:
    nodes, flows = network.nodes, network.flows
    source, target = (flows[name].to_numpy(np.int64) for name in ("source", "target"))
    x, y = lay_out(nodes["column"].to_numpy(np.int64), source, target, flows["amount"].to_numpy(np.float64))
    labels = _labels(nodes)
    place = pd.Series(np.arange(len(flows)), index=pd.MultiIndex.from_arrays([source, target]))
    played = place.reindex(pd.MultiIndex.from_frame(plays[["source", "target"]])).fillna(-1)
    return {
        "nodes": {
            "name": nodes["name"].tolist(),
            "label": labels,
            "short": [shorten(label, 14) if isinstance(label, str) else label for label in labels],
            "kind": nodes["kind"].tolist(),
            "layer": nodes["column"].where(nodes["kind"].isin(ROLES), 0).tolist(),
            "seed": nodes["name"].isin(seeds).tolist(),
            "x": np.round(x, 2).tolist(),
            "y": np.round(y, 2).tolist(),
            "received": [str(amount) for amount in network.sums("target")],
            "paid": [str(amount) for amount in network.sums("source")],
        },
        "flows": {
            "source": source.tolist(),
            "target": target.tolist(),
            "amount": [str(amount) for amount in flows["amount"]],
            "n": flows["n"].tolist(),
        },
        "plays": played.astype(np.int64).tolist(),
    }


def _labels(nodes: pd.DataFrame) -> list[str | Text]:
    """Return the names of nodes; of several accounts, in both languages."""
    rows = zip(nodes["name"], nodes["kind"], nodes["n"], strict=True)
    return [name if n == 1 else {"en": name, "th": f"{n:,} {WORDS[kind]['th']}"} for name, kind, n in rows]


def draw_flow(case: RingCase) -> tuple[dict[str, Any], int]:
    """Return the flow drawing for a template, and the money that moves within or back between columns (not drawn).

    Of each column the accounts with most money are bars of their own; the others of a kind are one bar.
    """
    network, _ = gather(case.network, most=MOST_BARS, most_around=MOST_BARS)
    not_drawn = int(network.flows.loc[~network.is_ahead, "amount"].sum())
    drawn = network.only(network.is_ahead)
    nodes, flows = drawn.nodes, drawn.flows
    source, target, amount = (flows[name].to_numpy(np.int64) for name in ("source", "target", "amount"))
    bands = flow_bands(nodes["column"].to_numpy(np.int64), source, target, amount)
    tallest = max((len(part) for _, part in nodes.groupby("column")), default=1)
    height = int(np.clip(30 * tallest, 220, 640))
    left = _SIDE + bands.left * (_WIDTH - 2 * _SIDE)
    bar = bands.bar * (_WIDTH - 2 * _SIDE) + 4
    bars = [
        {
            "x": round(left[at], 1),
            "y": round(_HEAD + bands.top[at] * height, 2),
            "width": round(bar, 1),
            "height": round(max(bands.height[at] * height, 1.0), 2),
            "kind": row["kind"],
            "label": label,
            "amount": int(size),
            "is_named": bands.height[at] * height > 7 or tallest <= 14,
            "text_x": round(left[at] - 6 if row["column"] == 0 else left[at] + bar + 6, 1),
            "text_y": round(_HEAD + (bands.top[at] + bands.height[at] / 2) * height + 4, 1),
            "anchor": "end" if row["column"] == 0 else "start",
        }
        for at, (row, label, size) in enumerate(zip(nodes.to_dict("records"), _labels(nodes), drawn.sizes, strict=True))
    ]
    start, stop = _HEAD + bands.from_y * height, _HEAD + bands.to_y * height
    paths = [
        {
            "path": _path(left[source[at]] + bar, start[at], left[target[at]], stop[at]),
            "width": round(max(bands.width[at] * height, 0.5), 2),
            "source": nodes["name"].iloc[source[at]],
            "target": nodes["name"].iloc[target[at]],
            "amount": int(amount[at]),
        }
        for at in range(len(amount))
    ]
    label = f"Flow of money over {len(bars)} accounts and groups, from payers to receivers"
    drawing = {"height": _HEAD + height + 8, "bars": bars, "bands": paths, "headings": _headings(nodes, left, bar)}
    return drawing | {"label": label}, not_drawn


def _path(x0: float, y0: float, x1: float, y1: float) -> str:
    middle = (x0 + x1) / 2
    return f"M{x0:.1f} {y0:.1f}C{middle:.1f} {y0:.1f} {middle:.1f} {y1:.1f} {x1:.1f} {y1:.1f}"


def _headings(nodes: pd.DataFrame, left: Any, bar: float) -> list[dict[str, Any]]:
    columns, found = nodes["column"].to_numpy(), []
    for column in np.unique(columns):
        is_member = not set(ROLES).isdisjoint(nodes.loc[columns == column, "kind"])
        is_payer = not is_member and column != columns.max()
        said = _SAID["columns"]["layer" if is_member else "payers" if is_payer else "receivers"]
        x = float(left[np.argmax(columns == column)]) + (bar if is_payer else 0)
        found.append({"x": round(x, 1), **fill(said, n=str(column)), "anchor": "end" if is_payer else "start"})
    return found


def chart_held(case: RingCase, minor_units: int) -> dict[str, Any]:
    """Return the chart of the money in the ring over time: received from outside and paid out, summed up day by day."""
    members = set(np.flatnonzero(case.network.nodes["kind"].isin(ROLES)))
    plays, said = case.plays, _SAID["held"]
    pays, gets = plays["source"].isin(members), plays["target"].isin(members)
    step = max(DAY // 24, (case.span[1] - case.span[0]) // 400)
    edges = np.arange(case.span[0], case.span[1] + step, step)
    lines = []
    for name, which in (("into", gets & ~pays), ("out", pays & ~gets)):
        rows = plays[which]
        sums = np.append(0.0, np.cumsum(rows["amount"].to_numpy(np.float64)) / minor_units)
        values = sums[np.searchsorted(rows["time"].to_numpy(np.int64), edges, side="right")]
        lines.append(draw_line(said[name], edges // 1_000_000, np.round(values, 2), is_main=name == "into"))
    return draw_chart("held", said, lines, scale="time")


def waterfall(tie: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the rows of a tie's waterfall: each item, what it counts, and the sum so far as a bar 220 wide."""
    rows = [row for row in tie["items"] if row["counts"] > 0]
    if tie["against"] < 0:
        rows.append({"family": "against", "kind": "", "item": "", "time": None, "counts": tie["against"]})
    return add_bars(rows)
