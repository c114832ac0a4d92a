"""How far probabilities can be trusted: what was observed against what was predicted."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np
import numpy.typing as npt
import pandas as pd

from muledetect.errors import DataError
from muledetect.evaluation.calibration import calibration_intervals
from muledetect.reports.plots._canvas import BLUE, GREY, axes_of, quiet, table_of, title

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_COLUMNS: Final = ("n", "probability", "observed", "observed_low", "observed_high")
_TICKS: Final = (0.0, 0.001, 0.01, 0.05, 0.1, 0.2, 0.3, 0.5, 0.7, 0.9, 1.0)


def plot_reliability(
    evaluation: Any, *, n_bins: int = 10, groups: npt.ArrayLike | None = None, ax: Axes | None = None
) -> Axes:
    """Draw the observed share of mules against the mean probability of bins of equal mass, with 95% intervals.

    Where mules are rare nearly all probabilities are small: both axes are stretched by the square root.

    Parameters
    ----------
    evaluation : Evaluation, table of any library, or pair of arrays
        An evaluation or its table `reliability`; or targets (1, 0, NaN = unknown) and probabilities.
    n_bins, groups
        Of a pair; see `muledetect.evaluation.calibration.calibration_intervals`.
    ax : matplotlib Axes, optional
        Where to draw; by default a new figure.

    Returns
    -------
    matplotlib.axes.Axes

    Raises
    ------
    DataError
        If a table lacks columns or has no bins.
    OptionError
        If arrays differ in length or are out of range, or matplotlib is not installed.
    """
    bins = _bins(evaluation, n_bins, groups)
    mean, share = (bins[name].to_numpy(np.float64) for name in ("probability", "observed"))
    ends = np.abs(bins[["observed_low", "observed_high"]].to_numpy(np.float64).T - share)
    most = min(1.0, max(float((share + ends[1]).max()), float(mean.max())) * 1.1)
    axes = axes_of(ax, 5.2, 4.8)
    axes.set_xscale("function", functions=(_stretch, np.square))
    axes.set_yscale("function", functions=(_stretch, np.square))
    axes.plot([0, most], [0, most], color=GREY, linewidth=1, linestyle="--", label="as predicted")
    axes.errorbar(mean, share, yerr=ends, fmt="o", color=BLUE, markersize=4.5, capsize=2.5, linewidth=1,
                  label="observed, 95% interval")  # fmt: skip
    ticks = [tick for tick in _TICKS if tick <= most and (most < 0.1 or tick != 0.001)]
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_ticks(ticks, [f"{100 * tick:.3g}%" for tick in ticks])
    axes.set_xlim(0, most)
    axes.set_ylim(0, most)
    axes.set_xlabel("mean probability of the bin")
    axes.set_ylabel("share of mules observed")
    axes.legend(frameon=False, loc="upper left", fontsize="small")
    n_rows, n_bins = int(bins["n"].sum()), len(bins)
    title(axes, "Reliability of probabilities", note=f"{n_rows:,} accounts in {n_bins:,} bins of equal mass")
    return quiet(axes, grid="both")


def _stretch(values: npt.ArrayLike) -> npt.NDArray[np.float64]:
    return np.sqrt(np.maximum(np.asarray(values, np.float64), 0.0))


def _bins(evaluation: Any, n_bins: int, groups: npt.ArrayLike | None) -> pd.DataFrame:
    if isinstance(evaluation, tuple):
        target, probability = evaluation
        bins = calibration_intervals(target, probability, n_bins=n_bins, groups=groups).bins
    else:
        bins = table_of(evaluation, "reliability")
    lacking = [name for name in _COLUMNS if name not in bins.columns]
    if lacking or not len(bins):
        raise DataError(
            "plot_reliability: there are no bins with intervals. Give an Evaluation, its table 'reliability', or a "
            "pair (targets, probabilities) with a known target."
        )
    return bins
