"""Charts of the model report as plain data: lines with intervals that the page's script draws."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, Final

import numpy as np
import pandas as pd

from muledetect.arrays import Float64Array
from muledetect.evaluation.baselines import MODEL
from muledetect.reports.drawn import draw_chart, draw_line
from muledetect.reports.model.words import method_name
from muledetect.reports.words import read_words, say

_SAID: Final = read_words("model/charts.toml")

#: Mules are rare: shares of them are drawn per so many accounts.
_PER: Final = 10_000

#: A logarithmic axis is worth it from this ratio of the largest to the smallest value on.
_LOG_FROM: Final = 30


def draw_charts(tables: Mapping[str, pd.DataFrame]) -> list[dict[str, Any]]:
    """Return the charts of the tables that are there."""
    charts = budget_charts(tables["budget_curve"]) if "budget_curve" in tables else []
    for name, draw in (
        ("reliability", reliability_chart),
        ("calibration_over_time", calibration_chart),
        ("detection_curve", detection_chart),
    ):
        if name in tables:
            charts.append(draw(tables[name]))
    return charts


def budget_charts(curve: pd.DataFrame) -> list[dict[str, Any]]:
    """Return recall, value recall and precision over the number of alerts; a rate without any number has no chart."""
    methods = sorted(dict.fromkeys(curve["method"]), key=lambda method: method != MODEL)
    charts = []
    for rate in ("recall", "value_recall", "precision"):
        if curve[rate].isna().all():
            continue
        lines = []
        for method in methods:
            rows = curve[(curve["method"] == method) & (curve["k"] > 0)].sort_values("k")
            is_main = method == MODEL
            ends = (rows[f"{rate}_low"], rows[f"{rate}_high"]) if is_main else None
            lines.append(draw_line(method_name(method), rows["k"], rows[rate], ends, is_main=is_main, dash=not is_main))
        name = f"budget-{rate.replace('_', '-')}"
        charts.append(draw_chart(name, _SAID[name], lines, scale="log", is_share=True))
    return charts


def reliability_chart(bins: pd.DataFrame) -> dict[str, Any]:
    """Return observed against predicted mules per 10,000 accounts, beside the line of right predictions."""
    shown, said = bins[bins["probability"] > 0].sort_values("probability"), _SAID["reliability"]
    predicted = _PER * shown["probability"].to_numpy(np.float64)
    kept = np.geomspace(predicted.min(), predicted.max(), 40) if len(predicted) else np.zeros(0)
    ends = _PER * shown["observed_low"], _PER * shown["observed_high"]
    lines = [
        draw_line(said["observed"], predicted, _PER * shown["observed"], ends, is_main=True, points=True),
        draw_line(said["predicted"], kept, kept, dash=True),
    ]
    return draw_chart("reliability", said, lines, scale=_scale(predicted))


def calibration_chart(over_time: pd.DataFrame) -> dict[str, Any]:
    """Return how many times as many mules there were as predicted, moment by moment."""
    rows, said = over_time.sort_values("as_of"), _SAID["calibration-over-time"]
    seconds, ends = rows["as_of"] / 1e6, (rows["ratio_low"], rows["ratio_high"])
    lines = [
        draw_line(said["observed"], seconds, rows["ratio"], ends, is_main=True, points=True),
        draw_line(said["predicted"], seconds, np.ones(len(rows)), dash=True),
    ]
    return draw_chart("calibration-over-time", said, lines, scale="time")


def detection_chart(curve: pd.DataFrame) -> dict[str, Any]:
    """Return the share that is found by each hour as steps, with bands."""
    hours, said = curve["minutes"].to_numpy(np.float64) / 60, _SAID["detection"]
    scale = _scale(hours[hours > 0]) if (curve.loc[curve["minutes"] == 0, "share"] == 0).all() else "linear"
    first = float(hours[hours > 0].min(initial=math.inf)) / 2 if scale == "log" else 0.0
    lines = []
    for what in dict.fromkeys(curve["what"]):
        rows = curve[curve["what"] == what].sort_values("minutes")
        steps = _steps(rows, first if math.isfinite(first) else 0.0)
        is_main, ends = what == "accounts", (steps["low"], steps["high"])
        name = said[what] if what in ("accounts", "rings") else say(what)
        lines.append(draw_line(name, steps["hours"], steps["share"], ends, is_main=is_main, dash=not is_main))
    return draw_chart("detection", said, lines, scale=scale, is_share=True)


def _steps(rows: pd.DataFrame, first: float) -> pd.DataFrame:
    """Return the corners of a step function: just before each time still the value of before."""
    corners: list[tuple[float, float, float, float]] = []
    before = (0.0, 0.0, 0.0)
    for minutes, *values in rows[["minutes", "share", "low", "high"]].itertuples(index=False):
        hours, now = max(minutes / 60, first), (values[0], values[1], values[2])
        if corners and hours > corners[-1][0]:
            corners.append((hours * (1 - 1e-9), *before))
        corners.append((hours, *now))
        before = now
    return pd.DataFrame(corners, columns=["hours", "share", "low", "high"])


def _scale(values: Float64Array) -> str:
    return "log" if len(values) and values.min() > 0 and values.max() >= _LOG_FROM * values.min() else "linear"
