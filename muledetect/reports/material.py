"""What all pages of one report share: the records up to the moment, the alerts, the rings, the money of complaints."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from muledetect import schema
from muledetect.arrays import Int64Array
from muledetect.clock import Moment, format_time, parse_time
from muledetect.errors import DataError, OptionError
from muledetect.evaluation import likely_victims
from muledetect.facts import Facts, Snapshot
from muledetect.frames import as_arrow
from muledetect.graph import TransferGraph, build_graph
from muledetect.model import MuleModel
from muledetect.model.proof import Explanation, explain_scores
from muledetect.model.store import config_hash
from muledetect.progress import Progress
from muledetect.records import Dataset
from muledetect.records.currency import decimals_of, unit_of
from muledetect.records.pseudonyms import refuse_other_names
from muledetect.rings import RingTables
from muledetect.tracing import Traces, trace

#: Tiers that make an account a suspect to whom a likely victim may have paid.
_SUSPECTED: Final = ("watch", "suspected")


@dataclass(frozen=True, eq=False)
class Material:
    """The shared facts of a report.

    Attributes
    ----------
    dataset : Dataset
    graph : TransferGraph
        Cut at `as_of`.
    as_of : int
        Exclusive, microseconds.
    scores : pandas.DataFrame
        The listed alerts by rank, as schema.SCORES, times as int64.
    n_ranked : int
        Accounts that were scored at this moment.
    explanation : Explanation
        Proofs and windows of the alerts that have reasons.
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
    public : mapping of account id to str
        Kind of each account that is no person's.
    """

    dataset: Dataset
    graph: TransferGraph
    as_of: int
    scores: pd.DataFrame
    n_ranked: int
    explanation: Explanation
    rings: RingTables
    traces: Traces
    disputes: pd.DataFrame
    is_victim: npt.NDArray[np.bool_]
    model: Mapping[str, Any]
    missing: list[str]
    public: Mapping[str, str]

    def __repr__(self) -> str:
        found = f"{len(self.scores):,} alerts, {self.rings!r}, {self.traces!r}"
        return f"Material(before {format_time(self.as_of)}: {found})"

    @property
    def minor_units(self) -> int:
        """An amount of 1.00 has so many; 1 where the currency is not stated."""
        return int(10 ** decimals_of(self.dataset.currency))

    @property
    def currency(self) -> str:
        """What amounts are in, as pages say it: the currency, or "minor units" where nobody stated it."""
        return unit_of(self.dataset.currency)

    @property
    def account_ids(self) -> list[str]:
        """The listed accounts, in order of their rank."""
        return list(self.scores["account_id"])


def gather_material(
    dataset: Dataset,
    scores: Any,
    *,
    as_of: Moment | None = None,
    rings: RingTables | None = None,
    model: MuleModel | None = None,
    n_alerts: int = 200,
    progress: Progress | None = None,
) -> Material:
    """Gather what the pages need, everything as known before one moment.

    Parameters
    ----------
    dataset : Dataset
    scores : table as schema.SCORES
        pyarrow, pandas or polars.
    as_of : Moment, optional
        Which moment of the scores; the latest by default.
    rings : RingTables, optional
        Of the same moment.
    model : MuleModel, optional
        That scored, for the case files' heads.
    n_alerts : int
        So many of the highest get a case file; rows that share the last rank do too.
    progress : callable, optional

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
    tell = progress or (lambda _stage, _done: None)
    table = _read_scores(scores)
    moment = _moment(table, as_of)
    found = rings if rings is not None else RingTables()
    _check_moment(found, moment)
    at = table.filter(pc.equal(table["as_of"].cast(pa.int64()), moment)).sort_by(
        [("rank", "ascending"), ("account_id", "ascending")]
    )
    whole = build_graph(dataset)
    graph = whole.until(moment)
    listed = _listed(at, n_alerts)
    refuse_other_names(listed["account_id"], dataset.account_ids, "scores: column 'account_id'")
    n_unknown = int((graph.codes(listed["account_id"]) < 0).sum())
    if n_unknown:
        raise DataError(
            f"scores: {n_unknown:,} of {listed.num_rows:,} listed accounts are not in this data set; give the data set "
            "that was scored."
        )
    explanation = explain_scores(dataset, whole, listed, progress=progress)
    tell("trace", 0.0)
    traces, disputes = _trace(Snapshot(Facts(dataset, whole), moment))
    tell("victims", 0.0)
    suspected, public = _suspected(at, found), _public(dataset)
    return Material(
        dataset=dataset,
        graph=graph,
        as_of=moment,
        scores=_frame(listed),
        n_ranked=at.num_rows,
        explanation=explanation,
        rings=found,
        traces=traces,
        disputes=disputes,
        is_victim=_inferred_victims(dataset, graph, suspected, public, moment),
        model=_model_facts(model),
        missing=[name for name in schema.INPUTS if not name.startswith("truth_") and name not in dataset.tables],
        public=public,
    )


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


def _moment(scores: pa.Table, as_of: Moment | None) -> int:
    moments = set(pc.unique(scores["as_of"].cast(pa.int64())).to_pylist())
    if not moments:
        raise DataError("scores: there are no rows; score at least one account.")
    moment = max(moments) if as_of is None else parse_time(as_of)
    if moment not in moments:
        raise OptionError(
            f"report: no score is of this as_of; the scores have {len(moments):,} moment(s), the latest by default."
        )
    return int(moment)


def _check_moment(rings: RingTables, moment: int) -> None:
    others = set(pc.unique(rings.rings["as_of"].cast(pa.int64())).to_pylist()) - {moment}
    if others:
        raise DataError(
            "report: the rings are of another moment than the scores; search for rings at the scores' as_of, or choose "
            "it with as_of (--as-of)."
        )


def _listed(at: pa.Table, n_alerts: int) -> pa.Table:
    return at.filter(pc.less_equal(at["rank"], n_alerts))


def _frame(table: pa.Table) -> pd.DataFrame:
    """Return a table as a frame of Python objects, times as int64 microseconds."""
    columns: dict[str, Any] = {}
    for name in table.column_names:
        column = table[name]
        is_time = pa.types.is_timestamp(column.type)
        values = (column.cast(pa.int64()) if is_time else column).to_pylist()
        is_whole = is_time or pa.types.is_integer(column.type)
        whole = is_whole and column.null_count == 0
        columns[name] = (
            np.array(values, np.int64)
            if whole
            else pd.Series(values, dtype=None if pa.types.is_floating(column.type) else object)
        )
    return pd.DataFrame(columns)


def _trace(snapshot: Snapshot) -> tuple[Traces, pd.DataFrame]:
    if "complaints" not in snapshot.tables:
        names = ["complaint_id", "transfer", "victim", "payee", "scam_type", "time", "lost", "hold", *_ranges(Traces())]
        return Traces(), pd.DataFrame({name: pd.Series(dtype=object) for name in names})
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
    traces = trace(snapshot, steps=True)
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


def _inferred_victims(
    dataset: Dataset, graph: TransferGraph, suspected: set[str], public: Mapping[str, str], moment: int
) -> npt.NDArray[np.bool_]:
    """Return likely victims of the suspected that no complaint names; only their own transfers are looked at.

    Shops, companies and institutions are none: most of what an employer pays may go to suspected accounts as wages.
    """
    is_suspect = np.zeros(graph.n_accounts + 1, np.bool_)
    is_suspect[graph.codes(sorted(suspected))] = True
    is_suspect[-1] = False  # where a code was not found
    is_payer = np.zeros(graph.n_accounts, np.bool_)
    is_payer[graph.source[is_suspect[graph.target]]] = True
    institutions = graph.codes(pa.array(list(public), pa.string()))
    is_payer[institutions[institutions >= 0]] = False
    rows = np.flatnonzero(is_payer[graph.source] | is_payer[graph.target])
    few = pa.table(
        {
            "source": graph.account_ids.take(pa.array(graph.source[rows])),
            "target": graph.account_ids.take(pa.array(graph.target[rows])),
            "time": pa.array(graph.time[rows]).cast(pa.timestamp("us", tz="UTC")),
            "amount": pa.array(graph.amount[rows]),
        }
    )
    complaints = dataset.tables.get("complaints")
    if complaints is not None and not {"victim_account", "target", "known_ts"} <= set(complaints.column_names):
        complaints = None
    found = likely_victims(few, suspected, moment, complaints=complaints)
    named = found.loc[found["is_likely_victim"] & ~found["has_complaint"], "account_id"]
    is_victim = np.zeros(graph.n_accounts, np.bool_)
    is_victim[graph.codes(pa.array(named, pa.string()))] = True
    return is_victim


def _public(dataset: Dataset) -> dict[str, str]:
    table = dataset.tables.get("accounts")
    if table is None or "kind" not in table.column_names:
        return {}
    kinds = pa.array(sorted(set(schema.ACCOUNT_KINDS) - {"individual", "joint"}))
    rows = table.filter(pc.is_in(table["kind"].cast(pa.string()), kinds))
    return dict(zip(rows["account_id"].to_pylist(), rows["kind"].cast(pa.string()).to_pylist(), strict=True))


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


def positions_of(graph: TransferGraph, account: int) -> Int64Array:
    """Return the positions of all transfers of an account (code), by time."""
    sides = (graph.incoming, graph.outgoing)
    both = np.concatenate([side.transfer[side.start[account] : side.stop[account]] for side in sides])
    return np.unique(both).astype(np.int64)
