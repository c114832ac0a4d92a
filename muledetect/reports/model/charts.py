"""Charts of the model report as plain data: lines with intervals that the page's script draws."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pandas as pd

from muledetect.evaluation.baselines import MODEL
from muledetect.reports.model.words import METHODS, Text, say

Float64Array = npt.NDArray[np.float64]

#: Mules are rare: shares of them are drawn per so many accounts.
_PER: Final = 10_000

#: A logarithmic axis is worth it from this ratio of the largest to the smallest value on.
_LOG_FROM: Final = 30

_BUDGET_TITLES: Final[Mapping[str, tuple[Text, Text]]] = {
    "recall": (
        say("Share of mules found", "สัดส่วนบัญชีม้าที่พบ"),
        say("share of all mules", "สัดส่วนของบัญชีม้าทั้งหมด"),
    ),
    "value_recall": (
        say("Share of illicit money found", "สัดส่วนเงินผิดกฎหมายที่พบ"),
        say("share of the illicit money", "สัดส่วนของเงินผิดกฎหมาย"),
    ),
    "precision": (
        say("Share of alerts that are right", "สัดส่วนการแจ้งเตือนที่ถูกต้อง"),
        say("share of the alerts", "สัดส่วนของการแจ้งเตือน"),
    ),
}


def budget_charts(curve: pd.DataFrame) -> list[dict[str, Any]]:
    """Return recall, value recall and precision over the number of alerts; a rate without any number has no chart."""
    methods = list(dict.fromkeys(curve["method"]))
    methods.sort(key=lambda method: method != MODEL)
    charts = []
    for rate, (title, label) in _BUDGET_TITLES.items():
        if curve[rate].isna().all():
            continue
        series = []
        for method in methods:
            rows = curve[(curve["method"] == method) & (curve["k"] > 0)].sort_values("k")
            is_main = method == MODEL
            ends = (rows[f"{rate}_low"], rows[f"{rate}_high"]) if is_main else None
            name = METHODS.get(method, say(method, method))
            series.append(_line(name, rows["k"], rows[rate], ends, is_main=is_main, dash=not is_main))
        x = _axis(say("accounts alerted at one moment", "จำนวนบัญชีที่แจ้งเตือน ณ เวลาหนึ่ง"), "log")
        charts.append(_chart(f"budget-{rate.replace('_', '-')}", title, x, _share(label), series))
    return charts


def reliability_chart(bins: pd.DataFrame) -> dict[str, Any]:
    """Return observed against predicted mules per 10,000 accounts, beside the line of right predictions."""
    shown = bins[bins["probability"] > 0].sort_values("probability")
    predicted = _PER * shown["probability"].to_numpy(np.float64)
    kept = np.geomspace(predicted.min(), predicted.max(), 40) if len(predicted) else np.zeros(0)
    series = [
        _line(
            say("observed", "ที่เกิดขึ้นจริง"), predicted, _PER * shown["observed"],
            (_PER * shown["observed_low"], _PER * shown["observed_high"]), is_main=True, points=True,
        ),
        _line(say("as predicted", "ตามที่คาดการณ์"), kept, kept, None, dash=True),
    ]  # fmt: skip
    return _chart(
        "reliability",
        say("Predicted and observed mules", "จำนวนบัญชีม้าที่คาดการณ์กับที่เกิดขึ้นจริง"),
        _axis(say("predicted, per 10,000 accounts of a bin", "ที่คาดการณ์ ต่อ 10,000 บัญชีของกลุ่ม"), _scale(predicted)),
        {"label": say("observed", "ที่เกิดขึ้นจริง"), "min": 0, "max": None, "format": "number"},
        series,
    )


def calibration_chart(over_time: pd.DataFrame) -> dict[str, Any]:
    """Return how many times as many mules there were as predicted, moment by moment."""
    rows = over_time.sort_values("as_of")
    seconds = rows["as_of"] / 1e6
    ratio = _line(
        say("observed / predicted", "เกิดขึ้นจริง / คาดการณ์"), seconds, rows["ratio"],
        (rows["ratio_low"], rows["ratio_high"]), is_main=True, points=True,
    )  # fmt: skip
    even = _line(say("as predicted", "ตามที่คาดการณ์"), seconds, np.ones(len(rows)), None, dash=True)
    return _chart(
        "calibration-over-time",
        say("How well probabilities fit over time", "ความแม่นของความน่าจะเป็นตามเวลา"),
        _axis(say("moment", "เวลา"), "time"),
        {"label": say("ratio", "อัตราส่วน"), "min": 0, "max": None, "format": "number"},
        [ratio, even],
    )


_WHAT: Final[Mapping[str, Text]] = {
    "accounts": say("accounts alerted", "บัญชีที่ถูกแจ้งเตือน"),
    "rings": say("rings with an alert on any account", "กลุ่มที่มีการแจ้งเตือนอย่างน้อยหนึ่งบัญชี"),
}


def detection_chart(curve: pd.DataFrame) -> dict[str, Any]:
    """Return the share that is found by each hour as steps, with bands."""
    hours = curve["minutes"].to_numpy(np.float64) / 60
    scale = _scale(hours[hours > 0]) if (curve.loc[curve["minutes"] == 0, "share"] == 0).all() else "linear"
    first = float(hours[hours > 0].min(initial=math.inf)) / 2 if scale == "log" else 0.0
    series = []
    for what in dict.fromkeys(curve["what"]):
        rows = curve[curve["what"] == what].sort_values("minutes")
        steps = _steps(rows, first if math.isfinite(first) else 0.0)
        ends = steps["low"], steps["high"]
        name = _WHAT.get(what, say(what, what))
        series.append(
            _line(name, steps["hours"], steps["share"], ends, is_main=what == "accounts", dash=what != "accounts")
        )
    x = _axis(say("hours since the first illicit credit", "ชั่วโมงนับจากเงินผิดกฎหมายเข้าครั้งแรก"), scale)
    title = say("Time to detect", "เวลาจนกว่าจะตรวจพบ")
    return _chart("detection", title, x, _share(say("share found", "สัดส่วนที่พบ")), series)


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


def _chart(
    name: str, title: Text, x: Mapping[str, Any], y: Mapping[str, Any], series: Sequence[Mapping[str, Any]]
) -> dict[str, Any]:
    return {"id": name, "kind": "line", "title": title, "x": x, "y": y, "series": list(series)}


def _axis(label: Text, scale: str) -> dict[str, Any]:
    return {"label": label, "scale": scale}


def _share(label: Text) -> dict[str, Any]:
    return {"label": label, "min": 0, "max": 1, "format": "percent"}


def _scale(values: Float64Array) -> str:
    return "log" if len(values) and values.min() > 0 and values.max() >= _LOG_FROM * values.min() else "linear"


def _line(
    name: Text,
    x: npt.ArrayLike,
    y: npt.ArrayLike,
    ends: tuple[npt.ArrayLike, npt.ArrayLike] | None,
    *,
    is_main: bool = False,
    points: bool = False,
    dash: bool = False,
) -> dict[str, Any]:
    low, high = (None, None) if ends is None else (_numbers(ends[0]), _numbers(ends[1]))
    return {
        "name": name, "x": _numbers(x), "y": _numbers(y), "low": low, "high": high,
        "points": points, "is_main": is_main, "dash": dash,
    }  # fmt: skip


def _numbers(values: npt.ArrayLike) -> list[float | None]:
    found = np.asarray(values, dtype=np.float64)
    return [float(value) if math.isfinite(value) else None for value in found]
