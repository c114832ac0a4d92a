"""What speaks for or against an account before its neighbours are looked at: its score, complaints and lists.

A score counts by its probability. Where the prevalence of the bank is unknown, the probability has the level of another
bank, and perhaps no account reaches that of a suspect. Then a score also counts by its rank, see `by_rank`; the higher
of both is used.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from muledetect.arrays import BoolArray, Float64Array, Int64Array
from muledetect.errors import DataError
from muledetect.facts import Snapshot
from muledetect.facts.columns import bools, equals, floats, numbers, texts
from muledetect.frames import as_arrow
from muledetect.score_basis import TIERS, read_basis


@dataclass(frozen=True, eq=False)
class AccountEvidence:
    """One value an account of the graph."""

    probability: Float64Array  # of the scores, or by their rank; NaN without one
    # distinct payers that complain about the account; those that the bank does not know count as one
    n_complaints: Int64Array
    has_complained: BoolArray  # a complaint names the account as the one that paid
    is_listed: BoolArray  # a watch list names the account
    registered: Float64Array  # highest reliability of a registry's entries about it or its holder; 0 without one


def gather_evidence(snapshot: Snapshot, probability: Float64Array) -> AccountEvidence:
    """Put together what was known of each account; absent tables leave their columns empty. O(accounts)."""
    n, complaints = snapshot.graph.n_accounts, snapshot.complaints
    named = complaints.payee >= 0
    pairs = np.unique(np.stack([complaints.payee[named], complaints.payer[named]]), axis=1)
    has_complained = np.zeros(n, np.bool_)
    has_complained[complaints.payer[complaints.payer >= 0]] = True
    n_complaints = np.bincount(pairs[0], minlength=n)
    return AccountEvidence(probability, n_complaints, has_complained, snapshot.is_listed, snapshot.registered)


def read_scores(scores: Any, snapshot: Snapshot) -> Float64Array:
    """Return the probability of each account's latest score made at or before the moment; NaN without one.

    Where the prevalence is unknown (`is_prevalence_unknown`) it is at least that of the score's rank (`by_rank`). Rows
    without a score or of unknown accounts drop out. Raises DataError if a column is missing, an account has two scores
    of one moment, a probability is outside 0 to 1, or every score was made after `as_of`.
    """
    table = as_arrow(scores, "scores")
    missing = [name for name in ("account_id", "score", "probability") if name not in table.column_names]
    if missing:
        raise DataError(f"scores: columns {missing} are missing; got {table.column_names}. See schema.SCORES.")
    if "as_of" in table.column_names:
        made_at = table["as_of"].cast(pa.timestamp("us", tz="UTC")).cast(pa.int64())
        is_known = bools(pc.less_equal(made_at, snapshot.as_of))
        if len(table) and not is_known.any():
            raise DataError("scores: all were made after as_of; score the accounts at or before it.")
        table = table.set_column(table.column_names.index("as_of"), "as_of", made_at).filter(pa.array(is_known))
    made_at = numbers(table, "as_of")
    account = snapshot.graph.codes(table["account_id"].cast(pa.string()))
    score, probability = floats(table, "score"), floats(table, "probability")
    if np.any((probability < 0) | (probability > 1)):
        raise DataError("scores: column 'probability' must lie in 0 to 1; some rows do not.")
    if is_prevalence_unknown(table):
        probability = np.maximum(probability, by_rank(score, made_at, is_alert(table)))
    usable = np.flatnonzero((account >= 0) & np.isfinite(score) & np.isfinite(probability))
    rows = usable[np.lexsort((made_at[usable], account[usable]))]
    if np.any((np.diff(account[rows]) == 0) & (np.diff(made_at[rows]) == 0)):
        raise DataError("scores: an account has two scores of one moment; keep one row per account_id and as_of.")
    latest = rows[np.append(np.diff(account[rows]) != 0, True)[: len(rows)]]
    found = np.full(snapshot.graph.n_accounts, np.nan)
    found[account[latest]] = probability[latest]
    return found


def is_prevalence_unknown(scores: pa.Table) -> bool:
    """Return whether the probabilities are those of another bank: the metadata of the schema say so.

    Metadata are lost on the way through pandas or CSV. Then it is unknown if an account has a tier for which its
    probability is too low: its tier is of a budget. Raises DataError if the column `tier` is missing but needed.
    """
    basis, has_tiers = read_basis(scores), "tier" in scores.column_names
    if basis is not None and basis.source == "unknown" and not has_tiers:
        raise DataError(
            f"scores: column 'tier' is missing; got {scores.column_names}. The prevalence of these scores is unknown: "
            "the search starts from their tiers. Keep the column, or score with a `prevalence`."
        )
    if basis is not None or not has_tiers:
        return basis is not None and basis.source == "unknown"
    tier, probability = texts(scores, "tier"), floats(scores, "probability")
    return any(bool(np.any(equals(tier, name) & (probability < least))) for name, least in TIERS)


def is_alert(scores: pa.Table) -> BoolArray:
    """Return which rows have a tier that proposes a look at the account."""
    tier = texts(scores, "tier")
    found: BoolArray = np.any([equals(tier, name) for name, _ in TIERS], axis=0)
    return found


def by_rank(score: Float64Array, made_at: Int64Array, is_alert: BoolArray) -> Float64Array:
    """Return a probability by the rank of each score among those of its moment; NaN without a score.

    Odds are `(b / rank) ** 2` with `b` the rank of the last alert: that one has 50%, the last of the first third 90%.
    Equal scores share the first of their ranks. Where there is no alert it is 0: no account stands out. O(n log n).
    """
    found = np.full(len(score), np.nan)
    for moment in np.unique(made_at):
        rows = np.flatnonzero((made_at == moment) & np.isfinite(score))
        rank = np.searchsorted(np.sort(-score[rows]), -score[rows], side="left") + 1
        last = rank[is_alert[rows]].max(initial=0)
        found[rows] = last**2 / (last**2 + rank**2)
    return found
