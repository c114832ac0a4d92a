"""Pictures for notebooks and reports: each function draws on matplotlib axes and returns them.

matplotlib is an extra (`pip install 'muledetect[report]'`) and is imported when the first picture is drawn.

>>> import muledetect as md
>>> axes = md.plots.plot_feature(features, y, "pass_through__window_7d")  # doctest: +SKIP
>>> axes.figure.savefig("pass_through.png")  # doctest: +SKIP
"""

from __future__ import annotations

from muledetect.reports.plots.budget import plot_budget_curve
from muledetect.reports.plots.feature import plot_feature
from muledetect.reports.plots.flow import plot_flow
from muledetect.reports.plots.reasons import plot_reasons
from muledetect.reports.plots.reliability import plot_reliability
from muledetect.reports.plots.ring import plot_ring
from muledetect.reports.plots.timeline import plot_timeline

__all__ = [
    "plot_budget_curve",
    "plot_feature",
    "plot_flow",
    "plot_reasons",
    "plot_reliability",
    "plot_ring",
    "plot_timeline",
]
