"""How a feature is distributed among mules, other accounts, and accounts without a label."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np
import numpy.typing as npt

from muledetect.errors import FeatureError, OptionError
from muledetect.features import registry
from muledetect.frames import arrow_or_pandas
from muledetect.records.currency import unit_of
from muledetect.reports.plots._canvas import BLUE, GREY, ORANGE, axes_of, legend, money, quiet, short_amount, title

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Float64Array = npt.NDArray[np.float64]

#: Label, colour and line of each class, in the order of drawing.
_CLASSES: Final = (("unlabelled", GREY, ":"), ("not mule", BLUE, "--"), ("mule", ORANGE, "-"))
#: A feature is skewed if its largest value is more than so many times the median one, zeros aside.
_SKEWED: Final = 12
_TIMES: Final = ((1, "1 s"), (60, "1 min"), (3_600, "1 h"), (86_400, "1 d"), (2_592_000, "30 d"), (31_536_000, "1 y"))


def plot_feature(features: Any, y: npt.ArrayLike, name: str, *, currency: str = "", ax: Axes | None = None) -> Axes:
    """Draw the share of accounts at or below each value of a feature, one line a class.

    The lines need no bins and are each on their own scale, so a dozen mules can be read beside thousands of others:
    where the lines are far apart, the feature tells them apart. A feature of two values (a flag) is drawn as bars.

    Parameters
    ----------
    features : table of any library
        With a column `name`; NaN = not defined, counted in the legend and not drawn.
    y : array of shape (n,)
        1, 0 or NaN = no label.
    name : str
        The column.
    currency : str
        ISO 4217 code of amounts, which are then whole units; minor units without it.
    ax : matplotlib Axes, optional
        Where to draw; by default a new figure.

    Returns
    -------
    matplotlib.axes.Axes

    Raises
    ------
    FeatureError
        If there is no such column.
    OptionError
        If y has another length or other values, or matplotlib is not installed.
    """
    unit, text = _says(name)
    values = _column(features, name)
    values = money(values, currency) if unit == "amount" else values
    target = np.asarray(y, np.float64)
    if target.shape != values.shape or not np.isin(target[~np.isnan(target)], (0, 1)).all():
        raise OptionError(
            f"plot_feature: y must hold 1, 0 or NaN for each of {len(values):,} rows; got shape {target.shape}."
        )
    parts = [values[rows] for rows in (np.isnan(target), target == 0, target == 1)]
    axes = axes_of(ax, 7.0, 3.8)
    known = values[np.isfinite(values)]
    if np.isin(known, (0.0, 1.0)).all() and len(known):
        _bars(axes, parts)
    else:
        _lines(axes, parts)
        _scale(axes, known, unit, text)
    if unit == "amount":
        axes.set_xlabel(unit_of(currency))
    title(axes, text, note=name if text != name else "")
    return quiet(axes, grid="y")


def _says(name: str) -> tuple[str, str]:
    """Return unit and meaning of a column; one that the registry does not know says its name."""
    try:
        says = registry().column(name)
    except FeatureError:
        return "", name
    return says.unit, says.text


def _column(features: Any, name: str) -> Float64Array:
    table = arrow_or_pandas(features, "plot_feature")
    names = list(getattr(table, "column_names", getattr(table, "columns", ())))
    if name not in names:
        raise FeatureError(f"plot_feature: the table has no column {name!r}; it has {len(names):,} others.")
    return np.asarray(table[name].to_numpy(), np.float64)


def _lines(axes: Axes, parts: list[Float64Array]) -> None:
    for (label, colour, line), part in zip(_CLASSES, parts, strict=True):
        known = part[np.isfinite(part)]
        missing = f", {len(part) - len(known):,} not defined" if len(known) < len(part) else ""
        if len(known):
            axes.ecdf(known, color=colour, linestyle=line, label=f"{label} ({len(part):,}{missing})")
    axes.set_ylabel("share of accounts at or below")
    axes.yaxis.set_major_formatter(lambda share, _: f"{share:.0%}")
    axes.set_ylim(0, 1.02)
    legend(axes, loc="best")


def _bars(axes: Axes, parts: list[Float64Array]) -> None:
    for place, ((_, colour, _), part) in enumerate(zip(_CLASSES, parts, strict=True)):
        known = part[np.isfinite(part)]
        share = float(known.mean()) if len(known) else 0.0
        axes.bar([place], [share], color=colour, width=0.6)
        axes.annotate(
            f"{share:.1%}", (place, share), xytext=(0, 3), textcoords="offset points", ha="center", fontsize="small"
        )
    axes.set_xticks(range(3), [f"{label}\n({len(part):,})" for (label, *_), part in zip(_CLASSES, parts, strict=True)])
    axes.set_ylabel("share of accounts where it is so")
    axes.yaxis.set_major_formatter(lambda share, _: f"{share:.0%}")
    axes.margins(y=0.12)


def _scale(axes: Axes, known: Float64Array, unit: str, text: str) -> None:
    """Use a logarithmic axis for a skewed feature, linear around zero where it has zeros, and ticks of its unit."""
    sizes = np.abs(known[known != 0])
    is_skewed = len(sizes) > 0 and sizes.max() > _SKEWED * np.median(sizes)
    if is_skewed and known.min() > 0:
        axes.set_xscale("log")
    elif is_skewed:
        axes.set_xscale("symlog", linthresh=max(float(np.quantile(sizes, 0.05)), 1e-9), linscale=0.4)
        if known.min() >= 0:
            axes.set_xlim(left=0)
    label = {"count": "number", "ratio": "share" if "share" in text else "ratio"}.get(unit, "value")
    axes.xaxis.set_major_formatter(lambda value, _: f"{value:.0%}" if label == "share" else short_amount(value))
    axes.set_xlabel(label)
    if unit == "seconds":
        _mark_times(axes, float(sizes.max(initial=0.0)), is_skewed=is_skewed)


def _mark_times(axes: Axes, longest: float, *, is_skewed: bool) -> None:
    """Put ticks at usual lengths of time if the axis is logarithmic, else evenly in the unit that suits the longest."""
    from matplotlib.ticker import FixedLocator, MultipleLocator  # noqa: PLC0415 (an extra, and slow to import)

    even = [mark for mark in _TIMES if not mark[1].startswith("30")]
    length, unit = next((mark for mark in reversed(even) if mark[0] * 3 <= longest), even[0])
    axes.set_xlabel("time" if is_skewed else f"time, {unit.removeprefix('1 ')}")
    if is_skewed:
        names = dict(_TIMES)
        axes.xaxis.set_major_locator(FixedLocator([mark for mark in names if mark <= longest * 1.05]))
        axes.xaxis.set_major_formatter(lambda value, _: names.get(round(value), ""))
        axes.xaxis.set_minor_locator(FixedLocator([]))
    else:
        step = next((n for n in (1, 2, 5, 10, 15, 30, 60, 100) if longest / length / n <= 10), 200)
        axes.xaxis.set_major_locator(MultipleLocator(step * length))
        axes.xaxis.set_major_formatter(lambda value, _: f"{value / length:,.0f}")
