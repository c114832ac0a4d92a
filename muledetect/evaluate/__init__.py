"""Metrics with intervals, baselines in the same table, and how well found rings fit the true ones.

>>> from muledetect.evaluate import average_precision
>>> average_precision([0, 1, 0, 1], [0.1, 0.9, 0.8, 0.7])
0.8333333333333333
"""

from muledetect.evaluate.baselines import compare_baselines
from muledetect.evaluate.metrics import (
    average_precision,
    bootstrap_interval,
    brier_score,
    calibration_error,
    precision_at,
    recall_at,
    reliability_curve,
    roc_auc,
    value_recall_at,
)
from muledetect.evaluate.money import money_at
from muledetect.evaluate.rings import RingMetrics, compare_rings
from muledetect.evaluate.rules import rule_columns, rules_score

__all__ = [
    "RingMetrics",
    "average_precision",
    "bootstrap_interval",
    "brier_score",
    "calibration_error",
    "compare_baselines",
    "compare_rings",
    "money_at",
    "precision_at",
    "recall_at",
    "reliability_curve",
    "roc_auc",
    "rule_columns",
    "rules_score",
    "value_recall_at",
]
