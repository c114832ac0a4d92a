"""Metrics with intervals, baselines in the same table, and how well found rings fit the true ones.

>>> from muledetect.evaluation import average_precision
>>> average_precision([0, 1, 0, 1], [0.1, 0.9, 0.8, 0.7])
0.8333333333333333
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from muledetect.lazy import on_demand

if TYPE_CHECKING:
    from muledetect.evaluation.baselines import compare_baselines, compare_scores
    from muledetect.evaluation.budget import budget_curve, budget_grid, measure_ranking
    from muledetect.evaluation.by_part import leave_one_typology_out, measure_parts, subgroup_parts, typology_parts
    from muledetect.evaluation.detection import detect_accounts, detect_cases, summarise_detection
    from muledetect.evaluation.drift import Drift
    from muledetect.evaluation.evasion import Ranked, evasion_curve
    from muledetect.evaluation.false_positives import (
        FalsePositiveCap,
        budget_within_caps,
        customer_groups,
        measure_false_positives,
    )
    from muledetect.evaluation.layers import measure_layers
    from muledetect.evaluation.measure import measure_by_part, measure_model
    from muledetect.evaluation.metrics import (
        average_precision,
        bootstrap_interval,
        brier_score,
        calibration_error,
        precision_at,
        recall_at,
        reliability_curve,
        roc_auc,
        value_recall_at,
        value_recall_interval,
    )
    from muledetect.evaluation.money import money_at
    from muledetect.evaluation.monitor import compare_moments
    from muledetect.evaluation.parties import PairMetrics, known_at, learn_party_scores, measure_parties
    from muledetect.evaluation.periods import Outcome, Period, compare_periods
    from muledetect.evaluation.report import Evaluation, EvaluationReport
    from muledetect.evaluation.rings import RingMetrics, compare_rings, value_recall, visible_rings
    from muledetect.evaluation.rules import rule_columns, rules_score
    from muledetect.evaluation.survival import detection_curve
    from muledetect.evaluation.ties import measure_ties
    from muledetect.evaluation.traces import measure_traces
    from muledetect.evaluation.value import illicit_receipts
    from muledetect.evaluation.victims import count_alerted_victims, likely_victims
    from muledetect.evaluation.watch import watch_detection

__all__ = [
    "Drift",
    "Evaluation",
    "EvaluationReport",
    "FalsePositiveCap",
    "Outcome",
    "PairMetrics",
    "Period",
    "Ranked",
    "RingMetrics",
    "average_precision",
    "bootstrap_interval",
    "brier_score",
    "budget_curve",
    "budget_grid",
    "budget_within_caps",
    "calibration_error",
    "compare_baselines",
    "compare_moments",
    "compare_periods",
    "compare_rings",
    "compare_scores",
    "count_alerted_victims",
    "customer_groups",
    "detect_accounts",
    "detect_cases",
    "detection_curve",
    "evasion_curve",
    "illicit_receipts",
    "known_at",
    "learn_party_scores",
    "leave_one_typology_out",
    "likely_victims",
    "measure_by_part",
    "measure_false_positives",
    "measure_layers",
    "measure_model",
    "measure_parties",
    "measure_parts",
    "measure_ranking",
    "measure_ties",
    "measure_traces",
    "money_at",
    "precision_at",
    "recall_at",
    "reliability_curve",
    "roc_auc",
    "rule_columns",
    "rules_score",
    "subgroup_parts",
    "summarise_detection",
    "typology_parts",
    "value_recall",
    "value_recall_at",
    "value_recall_interval",
    "visible_rings",
    "watch_detection",
]

__getattr__, __dir__ = on_demand(
    __name__,
    {
        "baselines": "compare_baselines compare_scores",
        "budget": "budget_curve budget_grid measure_ranking",
        "by_part": "leave_one_typology_out measure_parts subgroup_parts typology_parts",
        "detection": "detect_accounts detect_cases summarise_detection",
        "drift": "Drift",
        "evasion": "Ranked evasion_curve",
        "false_positives": "FalsePositiveCap budget_within_caps customer_groups measure_false_positives",
        "layers": "measure_layers",
        "measure": "measure_by_part measure_model",
        "metrics": "average_precision bootstrap_interval brier_score calibration_error precision_at recall_at "
        "reliability_curve roc_auc value_recall_at value_recall_interval",
        "money": "money_at",
        "monitor": "compare_moments",
        "parties": "PairMetrics known_at learn_party_scores measure_parties",
        "periods": "Outcome Period compare_periods",
        "report": "Evaluation EvaluationReport",
        "rings": "RingMetrics compare_rings value_recall visible_rings",
        "rules": "rule_columns rules_score",
        "survival": "detection_curve",
        "ties": "measure_ties",
        "traces": "measure_traces",
        "value": "illicit_receipts",
        "victims": "count_alerted_victims likely_victims",
        "watch": "watch_detection",
    },
    moved={
        "guard_innocents": "evaluation.measure_false_positives",
        "innocent_groups": "evaluation.customer_groups",
    },
)
