"""How well records were joined to parties, and what earlier moments teach about the scores of parties."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from muledetect.arrays import Float64Array
from muledetect.clock import format_time
from muledetect.errors import DataError
from muledetect.facts import Snapshot
from muledetect.frames import as_arrow
from muledetect.labels import every_account, find_targets, known_mules
from muledetect.parties import Parties, PartyCalibration, PartyCases, find_parties, fit_party_scores, party_cases


@dataclass(frozen=True, slots=True)
class PairMetrics:
    """Pairs of records that are one party, against the truth.

    Attributes
    ----------
    n_found, n_true, n_right : int
        Pairs that were joined, pairs of one person, and pairs that are both.
    """

    n_found: int
    n_true: int
    n_right: int

    @property
    def precision(self) -> float:
        """Share of the joined pairs that are one person; NaN if none was joined."""
        return self.n_right / self.n_found if self.n_found else float("nan")

    @property
    def recall(self) -> float:
        """Share of the pairs of one person that were joined; NaN if there is none."""
        return self.n_right / self.n_true if self.n_true else float("nan")


def measure_parties(parties: Parties, truth: Any) -> PairMetrics:
    """Compare parties with the truth, pair by pair.

    Parameters
    ----------
    parties : Parties
    truth : table
        `holder_id`, `person_id`: records of one person have one `person_id`. Records that it does not name, or that
        were not known at the moment, are left out.
    """
    rows = _records_of(parties).merge(as_arrow(truth, "truth").select(["holder_id", "person_id"]).to_pandas())
    return PairMetrics(_pairs(rows, "party_id"), _pairs(rows, "person_id"), _pairs(rows, ["party_id", "person_id"]))


def _records_of(parties: Parties) -> pd.DataFrame:
    members: pd.DataFrame = parties.party_members.select(["party_id", "holder_id"]).to_pandas()
    return members.dropna().drop_duplicates()


def _pairs(rows: pd.DataFrame, by: str | list[str]) -> int:
    size = rows.groupby(by).size()
    return int((size * (size - 1) // 2).sum())


def known_at(snapshot: Snapshot) -> pa.Array:
    """Return the accounts that the bank knew to be mules before the moment of a snapshot.

    Parameters
    ----------
    snapshot : Snapshot
    """
    points = every_account(snapshot.graph, snapshot.as_of)
    is_known = known_mules(snapshot.facts.dataset, snapshot.graph, points)
    return snapshot.graph.account_ids.take(pa.array(points.account[is_known]))


def learn_party_scores(snapshot: Snapshot, earlier: Iterable[Any], **options: Any) -> PartyCalibration:
    """Learn the calibration of parties from scores of earlier moments, and from what was found out since.

    Parameters
    ----------
    snapshot : Snapshot
        Findings that were known by its moment count.
    earlier : iterable of tables
        As `score` gave them, one a moment before that of the snapshot.
    **options
        As for `muledetect.parties.find_parties`.

    Raises
    ------
    DataError
        If scores are of several moments, or not of an earlier one, or the data set has no labels.
    """
    cases, targets = [], []
    for scores in earlier:
        table = as_arrow(scores, "earlier scores")
        moments = pc.unique(table["as_of"].cast(pa.int64())).to_pylist() if "as_of" in table.column_names else []
        if len(moments) != 1 or moments[0] >= snapshot.as_of:
            raise DataError(
                f"earlier scores: each table must be of one moment before {format_time(snapshot.as_of)}; got one with "
                f"{len(moments)} moments. Give tables that `score` wrote."
            )
        then = snapshot.at(moments[0])
        parties, known = find_parties(then, **options), known_at(then)
        cases.append(party_cases(parties, table, known))
        targets.append(_targets(snapshot, then, parties, known, cases[-1]))
    return fit_party_scores(cases, targets)


def _targets(snapshot: Snapshot, then: Snapshot, parties: Parties, known: pa.Array, cases: PartyCases) -> Float64Array:
    """Return of each party whether an account that was not known at the moment was a mule or became one."""
    points = every_account(snapshot.graph, then.as_of)
    found = find_targets(
        snapshot.facts.dataset, snapshot.graph, points, data_end=snapshot.as_of, known_by=snapshot.as_of - 1
    )
    ids = snapshot.graph.account_ids.take(pa.array(points.account))
    rows = pd.DataFrame({"account_id": ids.to_pylist(), "target": found})
    rows = rows[~rows["account_id"].isin(known.to_pylist()) & rows["target"].notna()]
    members = parties.party_members.select(["party_id", "account_id"]).to_pandas().merge(rows)
    of_party = members.groupby("party_id")["target"].max()
    return np.asarray(of_party.reindex(cases.party_id).to_numpy(), np.float64)
