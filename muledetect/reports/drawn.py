"""Line charts as plain data, which the pages' script draws, and bars of evidence that adds up."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from muledetect.reports.words import Text


def draw_chart(
    name: str, said: Mapping[str, Text], lines: Sequence[Mapping[str, Any]], *, scale: str, is_share: bool = False
) -> dict[str, Any]:
    """Return a chart: `said` is its title and what its axes `x` and `y` show; the y axis begins at 0."""
    most, written = (1, "percent") if is_share else (None, "number")
    return {
        "id": name, "kind": "line", "title": said["title"], "x": {"label": said["x"], "scale": scale},
        "y": {"label": said["y"], "min": 0, "max": most, "format": written}, "series": list(lines),
    }  # fmt: skip


def draw_line(
    name: Text,
    x: npt.ArrayLike,
    y: npt.ArrayLike,
    ends: tuple[npt.ArrayLike, npt.ArrayLike] | None = None,
    *,
    is_main: bool = False,
    points: bool = False,
    dash: bool = False,
) -> dict[str, Any]:
    """Return a line of a chart; `ends` are those of its interval."""
    low, high = (None, None) if ends is None else (_numbers(ends[0]), _numbers(ends[1]))
    return {
        "name": name, "x": _numbers(x), "y": _numbers(y), "low": low, "high": high,
        "points": points, "is_main": is_main, "dash": dash,
    }  # fmt: skip


def add_bars(rows: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return rows with what they add up to, `total`, and the bar of a picture 220 wide: `zero`, `x`, `width`.

    Each row has `counts`, in log-odds; its bar goes from the sum before it to the sum with it.
    """
    sums = np.cumsum([0.0, *(row["counts"] for row in rows)])
    low, high = min(0.0, float(sums.min())), max(5.0, float(sums.max()))
    scale = 216 / (high - low)
    found = []
    for at, row in enumerate(rows):
        begin, end = sorted((float(sums[at]), float(sums[at + 1])))
        bar = {"x": round(2 + (begin - low) * scale, 1), "width": round(max((end - begin) * scale, 1.0), 1)}
        found.append({**row, "total": float(sums[at + 1]), "zero": round(2 - low * scale, 1), **bar})
    return found


def _numbers(values: npt.ArrayLike) -> list[float | None]:
    """Return finite numbers; whole ones stay whole."""
    found = np.asarray(values)
    return [value if math.isfinite(value) else None for value in found.tolist()]
