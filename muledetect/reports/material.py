"""What all pages of one report share: the records up to the moment, the alerts, the rings, the money of complaints."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from muledetect import schema
from muledetect.arrays import BoolArray
from muledetect.clock import format_time
from muledetect.errors import DataError, OptionError
from muledetect.evaluation import likely_victims
from muledetect.facts import Snapshot
from muledetect.frames import as_arrow, frame_of
from muledetect.graph import TransferGraph
from muledetect.holds import Clocks
from muledetect.model import MuleModel
from muledetect.model.key_transfers import Explanation, explain_scores
from muledetect.model.store import config_hash
from muledetect.model.tiers import Basis, read_basis
from muledetect.parties import Parties
from muledetect.progress import Progress, silent
from muledetect.records.currency import decimals_of, unit_of
from muledetect.records.pseudonyms import refuse_other_names
from muledetect.reports.parties import gather_parties
from muledetect.rings import RingTables
from muledetect.tracing import Traces, trace

#: Tiers that make an account a suspect to whom a likely victim may have paid.
_SUSPECTED: Final = ("watch", "suspected")


class Standing(NamedTuple):
    """What the bank's record of holds says at a moment.

    Attributes
    ----------
    states : pyarrow.Table
        schema.HOLD_STATES.
    clocks : Clocks
        Of the country; their zone is that of the times of holds.
    """

    states: pa.Table
    clocks: Clocks


@dataclass(frozen=True, eq=False)
class Material:
    """The shared facts of a report.

    Attributes
    ----------
    snapshot : Snapshot
        What the bank knew.
    scores : pandas.DataFrame
        The listed alerts by rank, as schema.SCORES, times as int64.
    basis : Basis or None
        What probabilities and tiers rest on, if the scores tell. Where the prevalence of the bank is unknown,
        `scores.probability` is None: pages show ranks.
    n_ranked : int
        Accounts that were scored at this moment.
    explanation : Explanation
        Key transfers and suspicious periods of the alerts that have reasons.
    rings : RingTables
    traces : Traces
        Of all complaints known by then, with steps; empty without complaints.
    disputes : pandas.DataFrame
        The disputed transfers: `complaint_id`, `transfer` (position), `victim`, `payee` (codes), `scam_type`, `time`,
        `lost`, and where the money is now, smallest and largest over the methods: `in_accounts_low`,
        `in_accounts_high`, likewise `left_bank`, `spent`, `not_followed`; and `hold`, the proposed holds in all.
    is_victim : bool[n_accounts]
        Likely victims without a complaint, see `likely_victims`.
    model : mapping
        Config hash, target, pack and number of features of the model; empty where it was not given.
    missing : list of str
        Tables that the data set does not have.
    standing : Standing or None
        The bank's record of holds at the moment; None where it was not given.
    parties : mapping
        The party of each listed account and member of a ring, by account id, see `gather_parties`; empty where parties
        were not given.
    """

    snapshot: Snapshot
    scores: pd.DataFrame
    basis: Basis | None
    n_ranked: int
    explanation: Explanation
    rings: RingTables
    traces: Traces
    disputes: pd.DataFrame
    is_victim: BoolArray
    model: Mapping[str, Any]
    missing: list[str]
    standing: Standing | None = None
    parties: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)

    def __repr__(self) -> str:
        found = f"{len(self.scores):,} alerts, {self.rings!r}, {self.traces!r}"
        return f"Material(before {format_time(self.as_of)}: {found})"

    @property
    def as_of(self) -> int:
        """The moment, exclusive, microseconds."""
        return self.snapshot.as_of

    @property
    def graph(self) -> TransferGraph:
        """The transfers before the moment."""
        return self.snapshot.graph

    @property
    def minor_units(self) -> int:
        """An amount of 1.00 has so many; 1 where the currency is not stated."""
        return int(10 ** decimals_of(self.snapshot.currency))

    @property
    def currency(self) -> str:
        """What amounts are in, as pages say it: the currency, or "minor units" where nobody stated it."""
        return unit_of(self.snapshot.currency)

    @property
    def account_ids(self) -> list[str]:
        """The listed accounts, in order of their rank."""
        return list(self.scores["account_id"])


def gather_material(
    snapshot: Snapshot,
    scores: Any,
    *,
    rings: RingTables | None = None,
    model: MuleModel | None = None,
    n_alerts: int = 200,
    standing: Standing | None = None,
    parties: Parties | None = None,
    progress: Progress = silent,
) -> Material:
    """Gather what the pages need, everything as known before one moment.

    Parameters
    ----------
    snapshot : Snapshot
    scores : table as schema.SCORES
        pyarrow, pandas or polars; those of the snapshot's moment are used, see `latest_moment`.
    rings : RingTables, optional
        Of the same moment.
    model : MuleModel, optional
        That scored, for the case files' heads.
    n_alerts : int
        So many of the highest get a case file; rows that share the last rank do too.
    standing : Standing, optional
        The bank's record of holds, of the same moment.
    parties : Parties, optional
        Of the same moment.
    progress : callable
        Called with the stage in words and the fraction done.

    Raises
    ------
    DataError, OptionError
        If scores lack a column or name accounts that the data set does not have, moments differ, or an option is out
        of range.

    Notes
    -----
    O(transfers), and O(transfers of the listed accounts and of those that their complaints' money reached).
    """
    if n_alerts < 1:
        raise OptionError(f"report: n_alerts must be at least 1; got {n_alerts}.")
    found = rings if rings is not None else RingTables()
    given = as_arrow(scores, "scores")
    basis, at = read_basis(given), _scores_at(_read_scores(given), found, snapshot.as_of)
    listed = at.filter(pc.less_equal(at["rank"], n_alerts))
    dataset = snapshot.facts.dataset
    refuse_other_names(listed["account_id"], dataset.account_ids, "scores: column 'account_id'")
    if standing is not None:
        refuse_other_names(standing.states["account_id"], dataset.account_ids, "record of holds: column 'account_id'")
    n_unknown = int((snapshot.graph.codes(listed["account_id"]) < 0).sum())
    if n_unknown:
        raise DataError(
            f"scores: {n_unknown:,} of {listed.num_rows:,} listed accounts are not in this data set; give the data set "
            "that was scored."
        )
    explanation = explain_scores(dataset, snapshot.facts.graph, listed, progress=progress)
    shown = frame_of(listed)
    is_probability = basis is None or basis.source != "unknown"
    if not is_probability:
        shown["probability"] = pd.Series([None] * len(shown), dtype=object)
    ids = {*listed["account_id"].to_pylist(), *found.ring_members["account_id"].to_pylist()}
    behind = {} if parties is None else gather_parties(snapshot, parties, at, ids, is_probability=is_probability)
    progress("trace", 0.0)
    traces, disputes = _trace(snapshot)
    progress("victims", 0.0)
    return Material(
        snapshot=snapshot,
        scores=shown,
        basis=basis,
        n_ranked=at.num_rows,
        explanation=explanation,
        rings=found,
        traces=traces,
        disputes=disputes,
        is_victim=_inferred_victims(snapshot, _suspected(at, found)),
        model=_model_facts(model),
        missing=[name for name in schema.INPUTS if not name.startswith("truth_") and name not in snapshot.tables],
        standing=standing,
        parties=behind,
    )


def latest_moment(scores: Any) -> int:
    """Return the latest `as_of` of scores, microseconds."""
    latest = pc.max(_read_scores(scores)["as_of"].cast(pa.int64())).as_py()
    if latest is None:
        raise DataError("scores: there are no rows; score at least one account.")
    return int(latest)


def _read_scores(scores: Any) -> pa.Table:
    table = as_arrow(scores, "scores")
    lacking = [name for name in schema.SCORES.names if name not in table.column_names]
    if lacking:
        raise DataError(f"scores: column(s) {', '.join(lacking)} are missing; give the table that `score` wrote.")
    try:
        return table.select(schema.SCORES.names).cast(schema.SCORES.arrow_schema)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
        raise DataError(
            f"scores: columns are not of the contract's types ({error}); give the table that `score` wrote."
        ) from error


def _scores_at(scores: pa.Table, rings: RingTables, moment: int) -> pa.Table:
    """Return the scores of the moment by rank, if there are any and the rings are of it too."""
    at = scores.filter(pc.equal(scores["as_of"].cast(pa.int64()), moment))
    if not at.num_rows:
        raise OptionError("report: no score is of this as_of; choose a moment at which accounts were scored.")
    if set(pc.unique(rings.rings["as_of"].cast(pa.int64())).to_pylist()) - {moment}:
        raise DataError(
            "report: the rings are of another moment than the scores; search for rings at the scores' as_of, or choose "
            "it with as_of (--as-of)."
        )
    return at.sort_by([("rank", "ascending"), ("account_id", "ascending")])


def _trace(snapshot: Snapshot) -> tuple[Traces, pd.DataFrame]:
    traces = trace(snapshot, steps=True) if "complaints" in snapshot.tables else Traces()
    graph, found = snapshot.graph, snapshot.complaints
    rows = np.flatnonzero(found.transfer >= 0)
    transfer, table = found.transfer[rows], found.table.take(pa.array(rows))
    ids = found.complaint_id.take(pa.array(rows)).to_pylist()
    types = table["scam_type"].cast(pa.string()).to_pylist() if "scam_type" in table.column_names else [None] * len(ids)
    disputes = pd.DataFrame(
        {
            "complaint_id": pd.Series(ids, dtype=object),
            "transfer": transfer,
            "victim": graph.source[transfer].astype(np.int64),
            "payee": graph.target[transfer].astype(np.int64),
            "scam_type": pd.Series(types, dtype=object),
            "time": graph.time[transfer],
            "lost": graph.amount[transfer],
        }
    )
    holds = pd.Series(traces.holds["hold"].to_numpy()).groupby(traces.holds["complaint_id"].to_pylist()).sum()
    disputes["hold"] = holds.reindex(ids, fill_value=0).to_numpy(dtype=np.int64)
    return traces, disputes.join(_ranges(traces), on="complaint_id")


def _ranges(traces: Traces) -> pd.DataFrame:
    """Return where the money of each complaint is, smallest and largest over the methods; index complaint id."""
    summary = traces.summary
    places = {name: summary[name].to_numpy() for name in ("in_accounts", "left_bank", "spent", "not_followed")}
    grouped = pd.DataFrame(places).groupby(pd.Index(summary["complaint_id"].to_pylist(), dtype=object))
    return grouped.min().add_suffix("_low").join(grouped.max().add_suffix("_high"))


def _suspected(scores: pa.Table, rings: RingTables) -> set[str]:
    flagged = scores.filter(pc.is_in(scores["tier"], pa.array(_SUSPECTED)))["account_id"].to_pylist()
    members = rings.ring_members.filter(pc.not_equal(rings.ring_members["role"], "peripheral"))
    return {*flagged, *members["account_id"].to_pylist()}


def _inferred_victims(snapshot: Snapshot, suspected: set[str]) -> BoolArray:
    """Return likely victims of the suspected that no complaint names; only their own transfers are looked at.

    Accounts that serve the public and companies are none: what an employer pays may go to suspected accounts as wages.
    """
    graph = snapshot.graph
    is_suspect = np.zeros(graph.n_accounts + 1, np.bool_)
    is_suspect[graph.codes(sorted(suspected))] = True
    is_suspect[-1] = False  # where a code was not found
    is_payer = np.zeros(graph.n_accounts, np.bool_)
    is_payer[graph.source[is_suspect[graph.target]]] = True
    is_payer &= ~snapshot.serves_public & (snapshot.accounts.kind != schema.ACCOUNT_KINDS.index("company"))
    found = likely_victims(snapshot, suspected)
    named = found.loc[found["is_likely_victim"] & ~found["has_complaint"], "account_id"]
    is_victim = np.zeros(graph.n_accounts, np.bool_)
    is_victim[graph.codes(pa.array(named, pa.string()))] = True
    return is_victim & is_payer


def _model_facts(model: MuleModel | None) -> dict[str, Any]:
    if model is None:
        return {}
    origin = getattr(model, "trained_on_", None)
    return {
        "config_hash": config_hash(model),
        "target": getattr(origin, "target", None),
        "pack": getattr(origin, "pack", None),
        "n_features": len(getattr(model, "feature_names_in_", ())),
    }
