"""Scores of points: rank, calibrated probability, proposed tier, and reasons for the rows that are shown."""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from muledetect import schema
from muledetect.errors import ModelError
from muledetect.features import Extraction, as_table, extract_shards, registry
from muledetect.graph import Points, TransferGraph
from muledetect.model.estimator import MuleModel
from muledetect.model.peers import PeerGroups, choose_peers
from muledetect.model.reasons import Reason
from muledetect.model.sentences import Language
from muledetect.model.table import read_features
from muledetect.progress import Progress
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
    n_against: int = 2,
    language: Language = "en",
    threads: int | None = None,
    progress: Progress | None = None,
) -> pa.Table:
    """Score points and explain the highest, each beside peers among the points; see `muledetect.model.peers`.

    Parameters
    ----------
    model : MuleModel
        Fitted on a feature table.
    points : Points
        Coded against `graph`.
    n_explained : int
        Rows that get reasons (some 3 ms each); the others get an empty list. Rows that share the last rank do too.
    n_reasons : int
        At most so many reasons a row that raise its score.
    n_against : int
        At most so many that lower it.
    language : "en" or "th"
        Of the sentences.

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
    extraction = Extraction(dataset, graph, lookback=model.trained_on_.lookback or None, threads=threads)
    blocks = [
        model.decision_function(as_table(dataset.account_ids, shard, names, values))
        for shard, values in extract_shards(extraction, points, names, registry(), progress=progress)
    ]
    score = np.concatenate(blocks) if blocks else np.empty(0)
    order = np.lexsort((points.as_of, points.account, -score))
    score, points = score[order], points[order]
    rank = np.searchsorted(-score, -score, side="left") + 1
    probability = model.probability(score)
    n_shown = int((rank <= n_explained).sum())

    def features(rows: npt.NDArray[np.intp]) -> pa.Table:
        return pa.concat_tables(
            as_table(dataset.account_ids, shard, names, values)
            for shard, values in extract_shards(extraction, points[rows], names, registry())
        )

    reasons: list[list[Reason]] = [[] for _ in range(len(score))]
    if n_shown:
        if progress is not None:
            progress("reasons", 0.0)
        shown = np.arange(n_shown)
        circle, chosen = choose_peers(dataset, graph, points, shown)
        peers = PeerGroups(circle, [read_features(features(rows), names).values for rows in chosen], model.peers_)
        reasons[:n_shown] = model.explain(
            features(shown), n_reasons, n_against=n_against, peers=peers, currency=dataset.currency, language=language
        )
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
