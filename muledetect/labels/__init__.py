"""Points, their targets, and splits that keep rings and people on one side."""

from __future__ import annotations

from typing import TYPE_CHECKING

from muledetect.lazy import on_demand

if TYPE_CHECKING:
    from muledetect.labels.findings import Findings, read_findings
    from muledetect.labels.groups import account_groups, component_groups, ring_groups
    from muledetect.labels.known import known_mules
    from muledetect.labels.sampling import Sample, account_keys, sample_points, snapshots
    from muledetect.labels.splits import ForwardSplit, GroupFolds, GroupHoldout, split_by_group, split_by_time
    from muledetect.labels.targets import Target, Unlabelled, describe_targets, every_account, find_targets, points_of

__all__ = [
    "Findings",
    "ForwardSplit",
    "GroupFolds",
    "GroupHoldout",
    "Sample",
    "Target",
    "Unlabelled",
    "account_groups",
    "account_keys",
    "component_groups",
    "describe_targets",
    "every_account",
    "find_targets",
    "known_mules",
    "points_of",
    "read_findings",
    "ring_groups",
    "sample_points",
    "snapshots",
    "split_by_group",
    "split_by_time",
]

__getattr__, __dir__ = on_demand(
    __name__,
    {
        "findings": "Findings read_findings",
        "groups": "account_groups component_groups ring_groups",
        "known": "known_mules",
        "sampling": "Sample account_keys sample_points snapshots",
        "splits": "ForwardSplit GroupFolds GroupHoldout split_by_group split_by_time",
        "targets": "Target Unlabelled describe_targets every_account find_targets points_of",
    },
)
