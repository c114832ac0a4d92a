"""Which accounts the bank knows to be mules."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from muledetect.arrays import BoolArray
from muledetect.facts.lists import UNSTATED, read_lists
from muledetect.facts.registry import read_registry
from muledetect.labels.findings import MULE, NOT_MULE, read_findings

if TYPE_CHECKING:
    from muledetect.graph import Points, TransferGraph
    from muledetect.records import Dataset


def known_mules(dataset: Dataset, graph: TransferGraph, points: Points) -> BoolArray:
    """Return of which points the bank knew before the moment that the account is a mule, bool[n_points].

    Its last finding in `labels` is `mule`, or an entry of `watchlists` or `registry` names the account by its id, with
    a reliability of 0.5 or more or none stated, and no finding clears it. For each moment O(points + labels log labels
    + entries).

    Parameters
    ----------
    dataset : Dataset
        Without `labels`, `watchlists` and `registry` nobody is known.
    graph : TransferGraph
        Of the same data set.
    points : Points
    """
    tables = dataset.tables
    listings = (read_lists(tables.get("watchlists"), graph), read_registry(tables.get("registry"), graph))
    labels = tables.get("labels")
    found = np.zeros(len(points), np.bool_)
    for moment in np.unique(points.as_of).tolist():
        is_known, is_cleared = np.zeros(graph.n_accounts, np.bool_), np.zeros(graph.n_accounts, np.bool_)
        for lists in (one for one in listings if one is not None):
            counts = (lists.known_from < moment) & (moment <= lists.known_until) & (lists.reliability >= UNSTATED)
            is_known[lists.account[counts & (lists.account >= 0)]] = True
        if labels is not None and labels.num_rows:
            verdict = read_findings(dataset, graph, known_by=moment - 1).verdict
            is_known, is_cleared = is_known | (verdict == MULE), verdict == NOT_MULE
        rows = (points.as_of == moment) & (points.account >= 0)
        found[rows] = (is_known & ~is_cleared)[points.account[rows]]
    return found
