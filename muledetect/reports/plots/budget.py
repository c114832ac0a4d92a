"""What each method finds as a team looks at more accounts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, Literal

import numpy as np
import pandas as pd

from muledetect.errors import DataError, OptionError
from muledetect.reports.plots._canvas import (
    BLUE,
    GREEN,
    GREY,
    ORANGE,
    PINK,
    SKY,
    YELLOW,
    as_text,
    axes_of,
    legend,
    quiet,
    table_of,
    title,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Rate = Literal["precision", "recall", "value_recall"]

_WORDS: Final = {
    "precision": "alerts that were right",
    "recall": "mules found",
    "value_recall": "illicit money on alerted accounts",
}
#: Colour and line of the methods that stand beside the one that is judged.
_BESIDE: Final = (
    (BLUE, "--"), (GREEN, "-."), (PINK, ":"), (SKY, "--"), (YELLOW, "-."), (GREY, ":"), (GREY, "--"),
)  # fmt: skip


def plot_budget_curve(
    evaluation: Any, *, rate: Rate = "recall", method: str | None = None, ax: Axes | None = None
) -> Axes:
    """Draw a rate over the number of alerts, one line a method, and the 95% interval of one of them.

    Parameters
    ----------
    evaluation : Evaluation or table of any library
        An evaluation or its table `budget_curve`; see `muledetect.evaluation.budget_curve`.
    rate : "precision", "recall" or "value_recall"
    method : str, optional
        The one drawn bold and with its interval; the last by default.
    ax : matplotlib Axes, optional
        Where to draw; by default a new figure.

    Returns
    -------
    matplotlib.axes.Axes

    Raises
    ------
    DataError
        If there is no such table, or the rate is not known anywhere.
    OptionError
        If the rate or the method is not known, or matplotlib is not installed.
    """
    from matplotlib.ticker import FixedLocator, LogLocator  # noqa: PLC0415 (an extra, and slow to import)

    if rate not in _WORDS:
        raise OptionError(f"plot_budget_curve: rate must be one of {', '.join(_WORDS)}; got {rate!r}.")
    curve = _curve(evaluation, rate)
    methods = list(dict.fromkeys(curve["method"]))
    judged = methods[-1] if method is None else method
    if judged not in methods:
        raise OptionError(f"plot_budget_curve: there is no method {judged!r}; there are {', '.join(methods)}.")
    axes = axes_of(ax, 7.0, 4.2)
    for (colour, line), other in zip(_BESIDE * len(methods), [one for one in methods if one != judged], strict=False):
        _line(axes, curve, other, rate, color=colour, linestyle=line, linewidth=1.2)
    mine = curve[curve["method"] == judged]
    axes.fill_between(mine["k"], mine[f"{rate}_low"], mine[f"{rate}_high"], color=ORANGE, alpha=0.16, linewidth=0)
    _line(axes, curve, judged, rate, color=ORANGE, linestyle="-", linewidth=2.2)
    axes.set_xscale("log")
    axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axes.xaxis.set_minor_locator(FixedLocator([]))
    axes.xaxis.set_major_formatter(lambda k, _: f"{k:,.0f}")
    axes.yaxis.set_major_formatter(lambda share, _: f"{share:.0%}")
    axes.set_ylim(0, 1.02)
    axes.set_xlabel("accounts alerted")
    axes.set_ylabel(_WORDS[rate])
    legend(axes, loc="upper left", bbox_to_anchor=(1, 1))
    title(axes, f"Share of {_WORDS[rate]}, by number of alerts", note="band: 95% interval")
    return quiet(axes, grid="y")


def _line(axes: Axes, curve: pd.DataFrame, method: str, rate: str, **style: Any) -> None:
    mine = curve[curve["method"] == method]
    axes.plot(mine["k"], mine[rate], label=as_text(method, 30)["s"], **style)


def _curve(evaluation: Any, rate: str) -> pd.DataFrame:
    curve = table_of(evaluation, "budget_curve")
    wanted = ["method", "k", rate, f"{rate}_low", f"{rate}_high"]
    if not set(wanted) <= set(curve.columns) or curve[rate].isna().all():
        raise DataError(
            f"plot_budget_curve: there is no {rate} by number of alerts. Give an Evaluation or its table "
            "'budget_curve'; value recall needs truth about money."
        )
    return curve[curve[rate].notna()].astype({"method": object, "k": np.int64})
