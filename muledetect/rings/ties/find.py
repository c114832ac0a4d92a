"""From rings to call centres: evidence by family, added up, compared with chance, graded."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
import pandas as pd
import pyarrow as pa

from muledetect import schema
from muledetect.clock import Duration, parse_duration
from muledetect.errors import DataError, OptionError
from muledetect.facts import Snapshot
from muledetect.facts.columns import texts
from muledetect.frames import as_arrow
from muledetect.graph import TransferGraph
from muledetect.markup import SUSPICION, build_card, build_table
from muledetect.progress import Progress, silent
from muledetect.rings.ties._spec import Family
from muledetect.rings.ties.calls import call, chance_of_calls
from muledetect.rings.ties.context import build_context
from muledetect.rings.ties.grades import grade, weigh_items
from muledetect.rings.ties.statements import complaint, lists, person, script
from muledetect.rings.ties.things import cash_out, network, place

#: Every family of evidence that `find_ties` looks for.
FAMILIES: Final[tuple[Family, ...]] = (complaint, call, network, place, cash_out, script, lists, person)

#: Ids of evidence shown with a tie.
MOST_EVIDENCE: Final = 20

_MOST_ROWS: Final = 12

#: Log-odds against a tie for each victim of the ring that names another centre, and the most.
AGAINST: Final = (-0.75, -2.0)


@dataclass(frozen=True, eq=False)
class Ties:
    """Ties between rings and call centres.

    Attributes
    ----------
    ring_ties : pyarrow.Table
        schema.RING_TIES: one row a ring and centre with any evidence, the strongest first within a ring.
    tie_evidence : pyarrow.Table
        schema.TIE_EVIDENCE: one row an item; its `counts` and the tie's `against` sum to the tie's `log_odds`.
    """

    ring_ties: pa.Table = field(default_factory=schema.RING_TIES.empty)
    tie_evidence: pa.Table = field(default_factory=schema.TIE_EVIDENCE.empty)

    def __repr__(self) -> str:
        return f"Ties({self.ring_ties.num_rows:,} ties, {self.tie_evidence.num_rows:,} items of evidence)"

    def _repr_html_(self) -> str:
        names = ["ring_id", "centre_id", "grade", "log_odds", "against", "by_chance"]
        ranked = self.ring_ties.sort_by(
            [("log_odds", "descending"), ("ring_id", "ascending"), ("centre_id", "ascending")]
        )
        lines = [list(row.values()) for row in ranked.select(names).slice(0, _MOST_ROWS).to_pylist()]
        titles = ["ring", "call centre", "grade", "log-odds", "of it against", "as much by chance"]
        table = build_table(titles, lines, n_rows=len(ranked), right=titles[3:])
        return build_card(f"{len(ranked):,} ties between rings and call centres", table, note=SUSPICION)

    @property
    def tables(self) -> dict[str, pa.Table]:
        """The output tables by name."""
        return {"ring_ties": self.ring_ties, "tie_evidence": self.tie_evidence}


def find_ties(
    snapshot: Snapshot,
    members: Any,
    *,
    window: Duration = "180d",
    half_life: Duration = "90d",
    weights: Mapping[str, float] | None = None,
    n_shuffles: int = 200,
    seed: int = 0,
    families: Sequence[Family] = FAMILIES,
    progress: Progress | None = None,
) -> Ties:
    """Weigh the evidence that rings work for call centres.

    Parameters
    ----------
    snapshot : Snapshot
        What the bank knew at the moment: complaints, calls, sessions, watch lists, identifiers. What is absent is said,
        and is no evidence against.
    members : table with `ring_id`, `account_id` and, if known, `role`
        As schema.RING_MEMBERS; peripheral members do not count.
    window, half_life : Duration
        How far back evidence is looked for, and the age at which it counts half.
    weights : mapping, optional
        Log-odds by kind of evidence instead of the families' own, see `learn_weights`.
    n_shuffles, seed : int
        Shuffled worlds that calls are compared with.
    families : sequence of Family
        Kinds of evidence to look for.
    progress : callable, optional
        Called with the stage in words and the fraction done; 0.0 where that is not known.

    Returns
    -------
    Ties

    Raises
    ------
    OptionError, DataError
        If an option is out of range, a weight's kind is unknown, or `members` lacks a column.

    Notes
    -----
    Within a family the strongest item counts fully and the k-th 0.7^k, up to the family's cap; all decay by
    `half_life`. Grades by the sum: possible from 1, moderate from 3, strong from 5; moderate and above need two
    families, one of them a complaint, call to a victim, wallet or list, and calls that fewer than 5% of shuffled
    worlds match. Many rings may serve one centre and one ring many. O(calls + sessions + transfers of members).
    """
    if n_shuffles < 1:
        raise OptionError(f"ties: n_shuffles must be at least 1; got {n_shuffles}.")
    known_kinds = {kind: weight for one in families for kind, weight in one.weights.items()}
    unknown = set(weights or {}) - set(known_kinds)
    if unknown:
        raise OptionError(f"ties: there is no kind of evidence {sorted(unknown)}; choose of {sorted(known_kinds)}.")
    tell = progress or silent
    tell("ties", 0.0)
    ids, rows = _read_members(members, snapshot.graph)
    context = build_context(snapshot, rows, snapshot.as_of - parse_duration(window))
    found = {}
    for at, one in enumerate(families):
        tell("ties", at / len(families))
        found[one.name] = one.find(context)
    items = weigh_items(
        found, families, known_kinds | dict(weights or {}), as_of=snapshot.as_of, half_life=parse_duration(half_life)
    )
    if items.empty:
        return Ties()
    chance = pd.Series(dtype="float64")
    if found.get("call") is not None:
        tell("shuffled calls", 0.0)
        chance = chance_of_calls(context, call, n_shuffles=n_shuffles, seed=seed)
    ties = _ties(items, context.complaints, families, found, chance)
    return Ties(_ring_ties(ties, items, ids), _tie_evidence(items, ties, ids))


def _read_members(members: Any, graph: TransferGraph) -> tuple[pd.Index, pd.DataFrame]:
    table = as_arrow(members, "ties")
    missing = [name for name in ("ring_id", "account_id") if name not in table.column_names]
    if missing:
        raise DataError(f"ties: columns {missing} of the members are missing; see schema.RING_MEMBERS.")
    rows = pd.DataFrame({name: texts(table, name).to_pylist() for name in ("ring_id", "role")}, dtype="object")
    rows["account"] = graph.codes(table["account_id"]).astype(np.int64)
    ids = pd.Index(rows["ring_id"].drop_duplicates().tolist(), dtype="object")
    rows = rows[(rows["role"] != "peripheral") & (rows["account"] >= 0)]
    rows["ring"] = ids.get_indexer(rows["ring_id"]).astype(np.int64)
    return ids, rows[["ring", "account"]].drop_duplicates().reset_index(drop=True)


def _ties(
    items: pd.DataFrame, complaints: pd.DataFrame, families: Sequence[Family],
    found: Mapping[str, pd.DataFrame | None], chance: pd.Series,
) -> pd.DataFrame:  # fmt: skip
    by_family = items.pivot_table(
        index=["ring", "centre"], columns="family", values="counts", aggfunc="sum", fill_value=0.0
    )
    for one in families:
        if one.name not in by_family:
            by_family[one.name] = np.nan if found[one.name] is None else 0.0
    names = [one.name for one in families]
    ties = by_family[names].reset_index()
    named = complaints[(complaints["ring"] >= 0) & complaints["centre"].notna()].drop_duplicates(
        ["ring", "payer", "centre"]
    )
    n_named = named.groupby("ring").size()
    own = named.groupby(["ring", "centre"]).size()
    n_own = own.reindex(pd.MultiIndex.from_frame(ties[["ring", "centre"]]), fill_value=0).to_numpy()
    n_other = ties["ring"].map(n_named).fillna(0).to_numpy() - n_own
    # a ring may serve two centres: other centres speak against this one as far as they outnumber it
    ties["against"] = np.clip(np.maximum(n_other - n_own, 0) * AGAINST[0], AGAINST[1], 0.0) + 0.0  # no negative zero
    ties["log_odds"] = ties[names].fillna(0.0).sum(axis=1) + ties["against"]
    index = pd.MultiIndex.from_frame(ties[["ring", "centre"]])
    ties["by_chance"] = chance.reindex(index).to_numpy() if len(chance) else np.nan
    carrying = {kind for one in families for kind in one.carries}
    carried = set(items[items["kind"].isin(carrying) & (items["counts"] > 0)].groupby(["ring", "centre"]).groups)
    ties["grade"] = [
        grade(row["log_odds"], {name: row[name] for name in names}, (row["ring"], row["centre"]) in carried,
              None if np.isnan(row["by_chance"]) else row["by_chance"])
        for row in ties.to_dict("records")
    ]  # fmt: skip
    inferred = ties["centre"].str.startswith("inferred-")
    ties.loc[inferred & ties["grade"].isin(["moderate", "strong"]), "grade"] = "possible"
    return ties.sort_values(["ring", "log_odds", "centre"], ascending=[True, False, True]).reset_index(drop=True)


def _ring_ties(ties: pd.DataFrame, items: pd.DataFrame, ids: pd.Index) -> pa.Table:
    best = items.sort_values(["counts", "time", "item"], ascending=[False, True, True])
    shown = best.groupby(["ring", "centre"])["item"].agg(lambda found: [str(item) for item in found[:MOST_EVIDENCE]])
    told = {name: pa.array(ties[name].to_numpy(), from_pandas=True) for name in ties if name in schema.RING_TIES.names}
    return schema.RING_TIES.filled(
        ring_id=ids.take(ties["ring"].to_numpy(dtype=np.int64)).tolist(),
        centre_id=ties["centre"].tolist(),
        evidence=shown.reindex(pd.MultiIndex.from_frame(ties[["ring", "centre"]])).tolist(),
        **told,
    )


def _tie_evidence(items: pd.DataFrame, ties: pd.DataFrame, ids: pd.Index) -> pa.Table:
    order = ties.reset_index()[["index", "ring", "centre"]]
    rows = items.merge(order, on=["ring", "centre"])
    rows = rows.sort_values(["index", "family", "counts", "time", "item"], ascending=[True, True, False, True, True])
    return schema.TIE_EVIDENCE.filled(
        ring_id=ids.take(rows["ring"].to_numpy(dtype=np.int64)).tolist(),
        centre_id=rows["centre"].tolist(),
        item=[str(item) for item in rows["item"]],
        time=rows["time"].to_numpy(dtype=np.int64),
        **{name: rows[name].tolist() for name in ("family", "kind", "log_odds", "counts")},
    )
