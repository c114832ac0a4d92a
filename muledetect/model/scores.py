"""Scores of points: rank, calibrated probability, proposed tier, and reasons for the rows that are shown."""

from __future__ import annotations

from typing import Final

import numpy as np
import pyarrow as pa

from muledetect import schema
from muledetect.errors import ModelError
from muledetect.features import Progress, as_table, extract_shards, registry, share
from muledetect.graph import Points, TransferGraph
from muledetect.model.estimator import MuleModel
from muledetect.records import Dataset

#: Probabilities from which a tier is proposed. A score never proposes more than "suspected": the graver tiers come
#: from tables and people.
TIERS: Final = (("suspected", 0.5), ("watch", 0.1))


def score_points(
    model: MuleModel,
    dataset: Dataset,
    graph: TransferGraph,
    points: Points,
    *,
    n_explained: int = 200,
    n_reasons: int = 6,
    threads: int | None = None,
    progress: Progress | None = None,
) -> pa.Table:
    """Score points and explain the highest.

    Parameters
    ----------
    model : MuleModel
        Fitted on a feature table.
    points : Points
        Coded against `graph`.
    n_explained : int
        Rows that get reasons (some 3 ms each); the others get an empty list. Rows that share the last rank do too.
    n_reasons : int
        At most so many reasons a row.

    Returns
    -------
    pyarrow.Table
        As schema.SCORES, highest score first, then by account id and moment. Equal scores share a rank.

    Raises
    ------
    ModelError
        If the model was not fitted on named features.
    """
    names = [str(name) for name in getattr(model, "feature_names_in_", ())]
    if not names:
        raise ModelError("score: the model was not fitted on a table of named features. Train it with `train`.")
    shared = share(dataset, graph, threads=threads)
    blocks = [
        model.decision_function(as_table(dataset.account_ids, shard, names, values))
        for shard, values in extract_shards(shared, points, names, registry(), progress=progress)
    ]
    score = np.concatenate(blocks) if blocks else np.empty(0)
    order = np.lexsort((points.as_of, points.account, -score))
    score, points = score[order], points[order]
    rank = np.searchsorted(-score, -score, side="left") + 1
    probability = model.probability(score)
    n_shown = int((rank <= n_explained).sum())
    shown = pa.concat_tables(
        as_table(dataset.account_ids, shard, names, values)
        for shard, values in extract_shards(shared, points[:n_shown], names, registry())
    )
    reasons = [*(model.explain(shown, n_reasons) if n_shown else []), *([[]] * (len(score) - n_shown))]
    listed = as_table(dataset.account_ids, points, [], np.empty((len(score), 0)))
    columns = {
        "account_id": listed["account_id"],
        "as_of": listed["as_of"],
        "score": pa.array(score),
        "probability": pa.array(probability),
        "rank": pa.array(rank),
        "tier": pa.array(_tiers(probability)),
        "reasons": pa.array(reasons, schema.ARROW_TYPES["reasons"]),
    }
    return pa.table(columns, schema=schema.SCORES.arrow_schema)


def _tiers(probability: np.ndarray) -> np.ndarray:
    conditions = [probability >= limit for _, limit in TIERS]
    return np.select(conditions, [name for name, _ in TIERS], default="none")
