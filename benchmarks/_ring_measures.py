"""How well candidates fit the true rings of a source; for benchmarks/rings.py.

An account may be in several found and in several true rings: Jaccard, purity and precision compare whole sets. A true
ring is found if some candidate has a Jaccard index of 0.5 or more with it; a candidate is right from 0.3 on.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
import pandas as pd
from _ring_sources import Source

from muledetect.evaluation import calibration_error, compare_rings, value_recall

FOUND, RIGHT = 0.5, 0.3
#: Bins of equal mass in the expected calibration error of the probability of a ring.
BINS: Final = 5

#: Column of the page -> digits. "@ n": of as many candidates as there are true rings, in the order of the list.
COLUMNS: Final = {
    "shown": 0, "value recall @ n": 2, "of all": 2, "rings found @ n": 2, "of all shown": 2, "purity @ n": 2,
    "of shown": 2, "right": 2, "expected": 2, "calibration error": 2, "B-cubed F1": 2,
}  # fmt: skip


def measure(
    source: Source, members: pd.DataFrame, order: Sequence[str], probability: Sequence[float] | None = None
) -> dict[str, float]:
    """Return a figure a column of the page; NaN where it cannot be known.

    `members` are `ring_id` and `account_id`, `order` the rings, best first, and `probability` that each is right.
    """
    true, n_true = source.true, source.true["ring_id"].nunique()
    members = members[members["ring_id"].isin(order)].drop_duplicates(["ring_id", "account_id"])
    if not len(order):
        return dict.fromkeys(COLUMNS, np.nan) | dict.fromkeys(
            ["shown", "value recall @ n", "of all", "rings found @ n", "of all shown"], 0.0
        )
    first = order[:n_true]
    jaccard, most_shared, size = _overlaps(members, true, order)
    is_right = jaccard.max(axis=1) >= RIGHT
    row = {
        "shown": len(order),
        "value recall @ n": value_recall(members, true, shown=first), "of all": value_recall(members, true),
        "rings found @ n": (jaccard[:n_true].max(axis=0) >= FOUND).mean(),
        "of all shown": (jaccard.max(axis=0) >= FOUND).mean(),
        "purity @ n": most_shared[:n_true].sum() / size[:n_true].sum(), "of shown": most_shared.sum() / size.sum(),
        "right": is_right.mean(), "expected": np.nan, "calibration error": np.nan,
        "B-cubed F1": compare_rings(members, true).bcubed_f1,
    }  # fmt: skip
    if probability is not None:
        row["expected"] = float(np.mean(probability))
        row["calibration error"] = calibration_error(is_right, np.asarray(probability), n_bins=BINS)
    return row


def _overlaps(
    found: pd.DataFrame, true: pd.DataFrame, order: Sequence[str]
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return Jaccard by found and true ring, and of each found ring the most members of one true ring and its size."""
    names = pd.unique(true["ring_id"])
    shared = np.zeros((len(order), len(names)))
    both = found[["ring_id", "account_id"]].merge(true[["ring_id", "account_id"]], on="account_id")
    place = {ring: k for k, ring in enumerate(order)}
    row, column = both["ring_id_x"].map(place).to_numpy(int), pd.Index(names).get_indexer(both["ring_id_y"])
    np.add.at(shared, (row, column), 1)
    size = found.groupby("ring_id").size().reindex(order).to_numpy(float)
    true_size = true.groupby("ring_id").size().reindex(names).to_numpy(float)
    return shared / (size[:, None] + true_size[None, :] - shared), shared.max(axis=1), size


def compare(found: pd.DataFrame, other: pd.DataFrame) -> dict[str, float]:
    """Return how alike two searches are."""
    fit = compare_rings(found, other)
    return {"B-cubed F1": fit.bcubed_f1, "adjusted Rand": fit.adjusted_rand, "rings found again": fit.ring_recall}


def table(rows: dict[str, dict[str, float]]) -> str:
    """Return rows as a table in Markdown."""
    lines = ["| | " + " | ".join(COLUMNS) + " |", "|---" * (len(COLUMNS) + 1) + "|"]
    for name, row in rows.items():
        cells = [f"{row[column]:,.{digits}f}" if np.isfinite(row[column]) else "-"
                 for column, digits in COLUMNS.items()]  # fmt: skip
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
    return "\n".join(lines)
