"""Scores of points: rank, calibrated probability, proposed tier, and reasons for the rows that are shown.

Probabilities and tiers rest on the prevalence, the share of mules among the accounts. What is known of it stands in the
metadata of the table's schema, see `muledetect.model.tiers.read_basis`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import replace
from typing import Any
from warnings import warn

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from muledetect import schema
from muledetect.arrays import BoolArray, Float64Array, Int64Array
from muledetect.clock import DAY
from muledetect.errors import ModelError
from muledetect.features import as_table, extract_shards, registry
from muledetect.features._extraction import Runner
from muledetect.graph import Points, TransferGraph
from muledetect.model.estimator import MuleModel
from muledetect.model.neighbours import extraction_of, score_shards
from muledetect.model.peers import PeerGroups, choose_peers
from muledetect.model.prevalence import estimate_prevalence, match_prevalence, parse_share
from muledetect.model.reasons import Reason
from muledetect.model.sentences import Language
from muledetect.model.store import content_hash
from muledetect.model.table import read_features
from muledetect.model.tiers import Basis, tiers_by_budget, tiers_by_probability
from muledetect.outputs.kept import Kept
from muledetect.progress import Progress
from muledetect.records import Dataset
from muledetect.versions import code_digest


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
    prevalence: float | str | None = None,
    budget: float | str | None = None,
    known_mules: npt.NDArray[np.bool_] | None = None,
    threads: int | None = None,
    runner: Runner | None = None,
    progress: Progress | None = None,
    kept: Kept | None = None,
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
    prevalence : float, str or "estimate", optional
        Share of the accounts that are mules, such as 0.003 or "0.3%", or to be estimated from `known_mules`: the
        probabilities of each moment get this mean, see `match_prevalence`, so give all accounts of the bank.
    budget : float or str, optional
        Tiers go to so many alerts at each moment instead of following probability; see `tiers_by_budget`, also for the
        default where the prevalence is unknown.
    known_mules : bool[n_points], optional
        For "estimate"; see `muledetect.labels.known_mules`.
    threads : int, optional
        Default: all cores.
    runner : Runner, optional
        Computes features and scores elsewhere, such as on Spark.
    progress : callable, optional
    kept : Kept, optional
        Finished shards of an interrupted run of the same inputs, at one moment; see `muledetect.outputs.kept`.

    Returns
    -------
    pyarrow.Table
        As schema.SCORES, highest score first, then by account id and moment. Equal scores share a rank.

    Raises
    ------
    DataError
        If nobody is known to be a mule, for "estimate".
    ModelError
        If the model was not fitted on named features.
    OptionError
        If prevalence or budget are no shares.
    """
    names = _names_in(model)
    extraction = extraction_of(
        model, dataset, graph, threads=threads, runner=runner, progress=progress, kept=kept
    )  # fmt: skip
    score = score_shards(model, extraction, points, progress=progress, kept=kept)
    order = np.lexsort((points.as_of, points.account, -score))
    score, points = score[order], points[order]
    rank = np.searchsorted(-score, -score, side="left") + 1
    known = None if known_mules is None else known_mules[order]
    probability, basis = _at_prevalence(model, score, points.as_of, prevalence, known)
    tier = tiers_by_probability(probability)
    if budget is not None or basis.source == "unknown":
        tier, n_alerts = tiers_by_budget(score, points.as_of, budget)
        basis = replace(basis, budget=n_alerts)
    basis = replace(basis, short_record=_short_record(model, graph, points))
    if basis.short_record is not None:
        warn(f"score: {basis.short_text}.", stacklevel=2)
    n_shown = int((rank <= n_explained).sum())

    def features(rows: npt.NDArray[np.intp]) -> Iterator[pa.Table]:
        for shard, values in extract_shards(extraction, points[rows], names, registry()):
            yield as_table(dataset.account_ids, shard, names, values)

    reasons: list[list[Reason]] = []
    if n_shown:
        if progress is not None:
            progress("reasons", 0.0)
        shown = np.arange(n_shown)
        circle, chosen = choose_peers(dataset, graph, points, shown)
        read = np.unique(np.concatenate([*chosen, np.empty(0, np.intp)]))
        # at once, for a peer may be in several circles
        values = np.concatenate([read_features(shard, names).values for shard in features(read)])
        peers = PeerGroups(circle, [values[np.searchsorted(read, rows)] for rows in chosen], model.peers_)
        reasons = model.explain(
            pa.concat_tables(features(shown)),
            n_reasons,
            n_against=n_against,
            peers=peers,
            currency=dataset.currency,
            language=language,
        )
    listed = as_table(dataset.account_ids, points, [], np.empty((len(score), 0)))
    columns = {
        "account_id": listed["account_id"],
        "as_of": listed["as_of"],
        "score": pa.array(score),
        "probability": pa.array(probability),
        "rank": pa.array(rank),
        "tier": pa.array(tier),
        "reasons": _then_empty(pa.array(reasons, schema.ARROW_TYPES["reasons"]), len(score)),
    }
    return pa.table(columns, schema=schema.SCORES.arrow_schema.with_metadata(basis.to_metadata()))


def _then_empty(lists: pa.ListArray, n: int) -> pa.ListArray:
    """Return lists, and behind them empty ones, `n` in all."""
    ends = np.full(n + 1, len(lists.values), np.int32)
    ends[: len(lists) + 1] = lists.offsets
    return pa.ListArray.from_arrays(ends, lists.values, type=lists.type)


def inputs_of(model: MuleModel, dataset: Dataset, points: Points) -> dict[str, Any]:
    """Return what scores of points rest on, as JSON; equal for equal scores, of this version of the code only."""
    _names_in(model)
    accounts = np.ascontiguousarray(points.account).tobytes() + np.ascontiguousarray(points.as_of).tobytes()
    return {
        "code": code_digest(),
        "model": content_hash(model),
        "data set": [dataset.fingerprint, dataset.tick, {name: len(rows) for name, rows in dataset.tables.items()}],
        "points": hashlib.sha256(accounts).hexdigest(),
    }


def _names_in(model: MuleModel) -> list[str]:
    names = [str(name) for name in getattr(model, "feature_names_in_", ())]
    if not names:
        raise ModelError("score: the model was not fitted on a table of named features. Train it with `train`.")
    return names


def _short_record(model: MuleModel, graph: TransferGraph, points: Points) -> tuple[int, int] | None:
    """Return the shortest record before a point and the look-back, where the record is shorter by a day or more."""
    wanted = model.trained_on_.lookback
    if not wanted or not len(points) or not graph.n_transfers:
        return None
    seen = max(0, int(points.as_of.min()) - int(graph.time[0]))
    return (seen - seen % DAY, wanted) if seen <= wanted - DAY else None


def _at_prevalence(
    model: MuleModel, score: Float64Array, as_of: Int64Array, prevalence: float | str | None, known: BoolArray | None
) -> tuple[Float64Array, Basis]:
    """Return the probabilities at the prevalence that is asked for, and what they rest on."""
    probability, origin = model.probability(score), model.trained_on_
    if prevalence is None and not origin.is_prevalence_known:
        return probability, Basis("unknown")
    if prevalence is None:
        return probability, Basis("training", origin.prevalence)
    if prevalence == "estimate":
        found = estimate_prevalence(score, np.zeros(len(score), np.bool_) if known is None else known)
        basis = Basis("estimated", found.share, is_bound=found.is_bound)
    else:
        basis = Basis("stated", parse_share(prevalence, "prevalence"))
    for moment in np.unique(as_of):
        rows = as_of == moment
        probability[rows] = match_prevalence(probability[rows], float(basis.prevalence or 0))
    return probability, basis
