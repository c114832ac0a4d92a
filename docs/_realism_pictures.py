"""Pictures of the realism page, as small SVG files that are the same bytes on every run."""

from __future__ import annotations

from pathlib import Path

import matplotlib as mpl
import numpy as np
import numpy.typing as npt
from _realism_crime import holding_times
from _realism_evasion import SHARE, SHOWN, Dial
from _realism_life import degrees, rhythm
from _realism_world import WorldArrays
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from muledetect.clock import DAY, HOUR, MINUTE

mpl.rcParams.update({"svg.fonttype": "none", "svg.hashsalt": "muledetect", "font.size": 8, "axes.titlesize": 8})


def draw_life(world: WorldArrays, path: Path) -> None:
    """Draw degrees, amounts, hours and balances."""
    figure = Figure(figsize=(8, 5.2), layout="constrained")
    (degree, amount), (hour, balance) = figure.subplots(2, 2)
    for side, counts in degrees(world).items():
        _survival(degree, counts.astype(np.float64), {"in": "payers", "out": "payees"}[side])
    degree.set(xscale="log", yscale="log", title="accounts with more counterparties than", xlabel="counterparties")
    degree.legend()
    edges = np.logspace(0, 7, 29)
    for channel in ("p2p_proxy", "qr_merchant", "bill", "payroll"):
        chosen = (world.channel == channel) & ~world.is_illicit
        counts = np.histogram(world.graph.amount[chosen] / 100, edges)[0] / max(chosen.sum(), 1)
        amount.plot(np.sqrt(edges[1:] * edges[:-1]), counts, label=channel, lw=1)
    amount.set(xscale="log", title="honest transfers by amount", xlabel="baht")
    amount.legend()
    hour.bar(np.arange(24), 100 * rhythm(world)["by_hour"])
    hour.set(title="persons' payments by local hour, %", xlabel="hour")
    accounts = world.dataset.tables["accounts"]
    code = world.graph.codes(accounts["account_id"])
    private = world.is_own[code] & (world.kind[code] == "individual")
    _survival(balance, accounts["balance"].to_numpy()[private] / 100 + 1, "")
    balance.set(xscale="log", title="persons' accounts with a higher final balance than", xlabel="baht")
    _save(figure, path)


def draw_crime(world: WorldArrays, path: Path) -> None:
    """Draw how fast stolen money moves on, and the losses of cases."""
    figure = Figure(figsize=(8, 2.7), layout="constrained")
    fast, loss = figure.subplots(1, 2)
    time, money = holding_times(world)
    steps = np.logspace(np.log10(10), np.log10(30 * 86_400), 60)
    gone = [money[time <= seconds * 1_000_000].sum() / max(money.sum(), 1) for seconds in steps]
    fast.plot(steps, gone, lw=1)
    fast.plot([15 * 60, 3_600], [0.28, 0.5], "k+", label="published")
    fast.set(xscale="log", title="share of stolen money that has left our account", xlabel="after")
    marks = {"1 min": MINUTE, "15 min": 15 * MINUTE, "1 h": HOUR, "1 d": DAY, "7 d": 7 * DAY}
    fast.set_xticks([value / 1_000_000 for value in marks.values()], list(marks))
    fast.legend()
    _survival(loss, world.dataset.tables["truth_cases"]["amount"].to_numpy() / 100, "")
    loss.set(xscale="log", yscale="log", title="cases with a larger loss than", xlabel="baht")
    _save(figure, path)


def draw_dial(found: Dial, path: Path) -> None:
    """Draw average precision and recall of each method over the dial."""
    figure = Figure(figsize=(8, 2.9), layout="constrained")
    settings = np.array(list(found))
    for axes, name, title in zip(
        figure.subplots(1, 2),
        ("ap", "recall"),
        ("average precision", f"recall at {SHARE:.1%} of accounts"),
        strict=True,
    ):
        for place, method in enumerate(SHOWN):
            rows = [table.loc[method] for table, _ in found.values()]
            value, low, high = (np.array([row[f"{name}{end}"] for row in rows]) for end in ("", "_low", "_high"))
            bars = np.abs(np.vstack([value - low, high - value]))
            axes.errorbar(settings + 0.012 * place, value, yerr=bars, label=method, lw=1, capsize=2)
        axes.set(title=title, xlabel="evasion", ylim=(0, None))
    figure.axes[0].legend()
    _save(figure, path)


def _survival(axes: Axes, values: npt.NDArray[np.float64], label: str) -> None:
    """Draw the share of values above x, at few enough points for a small file."""
    ordered = np.sort(values)
    points = np.unique(np.geomspace(max(ordered[0], 1), ordered[-1], 40))
    above = 1 - np.searchsorted(ordered, points, side="right") / len(ordered)
    axes.plot(points[above > 0], above[above > 0], label=label, lw=1)


def _save(figure: Figure, path: Path) -> None:
    for axes in figure.axes:
        axes.minorticks_off()  # each mark costs a hundred bytes
    figure.savefig(path, metadata={"Date": None, "Creator": None})
