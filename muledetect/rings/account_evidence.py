"""What speaks for or against an account before its neighbours are looked at: its score, complaints and lists."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from muledetect.arrays import BoolArray, Float64Array, Int64Array
from muledetect.errors import DataError
from muledetect.facts import Snapshot
from muledetect.facts.columns import bools, floats, numbers
from muledetect.frames import as_arrow


@dataclass(frozen=True, eq=False)
class AccountEvidence:
    """One value an account of the graph."""

    probability: Float64Array  # of the scores; NaN without one
    # distinct payers that complain about the account; those that the bank does not know count as one
    n_complaints: Int64Array
    has_complained: BoolArray  # a complaint names the account as the one that paid
    is_listed: BoolArray  # a watch list names the account


def gather_evidence(snapshot: Snapshot, probability: Float64Array) -> AccountEvidence:
    """Put together what was known of each account; absent tables leave their columns empty. O(accounts)."""
    n, complaints = snapshot.graph.n_accounts, snapshot.complaints
    named = complaints.payee >= 0
    pairs = np.unique(np.stack([complaints.payee[named], complaints.payer[named]]), axis=1)
    has_complained = np.zeros(n, np.bool_)
    has_complained[complaints.payer[complaints.payer >= 0]] = True
    return AccountEvidence(probability, np.bincount(pairs[0], minlength=n), has_complained, snapshot.is_listed)


def read_scores(scores: Any, snapshot: Snapshot) -> Float64Array:
    """Return the probability of each account's latest score made at or before the moment; NaN without one.

    Rows without a score or of unknown accounts drop out. Raises DataError if a column is missing, an account has two
    scores of one moment, a probability is outside 0 to 1, or every score was made after `as_of`.
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
    usable = np.flatnonzero((account >= 0) & np.isfinite(score) & np.isfinite(probability))
    rows = usable[np.lexsort((made_at[usable], account[usable]))]
    if np.any((np.diff(account[rows]) == 0) & (np.diff(made_at[rows]) == 0)):
        raise DataError("scores: an account has two scores of one moment; keep one row per account_id and as_of.")
    latest = rows[np.append(np.diff(account[rows]) != 0, True)[: len(rows)]]
    found = np.full(snapshot.graph.n_accounts, np.nan)
    found[account[latest]] = probability[latest]
    return found
