"""Accounts and flows of money of a ring or a trace, as they are drawn: columns from the payers to the exits."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from muledetect.clock import DAY
from muledetect.errors import DataError, OptionError
from muledetect.graph import build_graph
from muledetect.reports.words import WORDS
from muledetect.rings import Ring
from muledetect.schema import ROLES

if TYPE_CHECKING:
    from muledetect.records import Dataset
    from muledetect.tracing import Traces

Int64Array = npt.NDArray[np.int64]

#: Money counts as a ring's from so long before its first binding transfer to so long after its last.
MARGIN: Final = 3 * DAY
_MANY: Final = {
    "victim": "victims", "payer": "payers", "recipient": "recipients", "hub": "hubs", "exit": "exits",
    "institution": "institutions", "other": "others", "passed on": "accounts",
}  # fmt: skip


@dataclass(frozen=True, eq=False)
class Network:
    """What is drawn; money in minor units.

    `nodes`: `name`, `kind`, `column`, `n` (accounts that it stands for), `kept` (of a trace: money still there).
    `flows`: `source`, `target` (rows of nodes), `amount` (above 0).
    """

    nodes: pd.DataFrame
    flows: pd.DataFrame

    @property
    def sizes(self) -> Int64Array:
        """Larger of what each node received and paid, minor units."""
        sums = [self.flows.groupby(end)["amount"].sum() for end in ("source", "target")]
        both = [one.reindex(self.nodes.index, fill_value=0).to_numpy(np.int64) for one in sums]
        return np.asarray(np.maximum(*both))


def words_of(kind: str, n: int = 1) -> str:
    """Return a kind of node in words; of several, in the plural where it has one."""
    one = WORDS[kind]["en"] if kind in WORDS else kind.replace("_", " ")
    return _MANY.get(kind, one) if n > 1 else one


def ring_network(ring: Ring, dataset: Dataset | None) -> Network:
    """Return the members by layer and the money between them; with the data set, also who paid them and whom they paid.

    Accounts outside stand before the members if they paid more than they received, else behind them.
    """
    members = ring.members.to_pandas()
    members = members.sort_values(["layer", "role", "account_id"], ignore_index=True)
    nodes = pd.DataFrame({"name": members["account_id"].astype(object), "kind": members["role"].astype(object)})
    nodes["column"], nodes["n"], nodes["kept"] = members["layer"].to_numpy(np.int64), 1, 0
    moved = _between(ring) if dataset is None else _around(ring, dataset)
    moved = moved[moved["source"] != moved["target"]].astype({"source": object, "target": object})
    sums = moved.groupby(["source", "target"], sort=True)["amount"].sum().reset_index()
    nodes = _with_others(nodes, sums, ring)
    place = pd.Series(nodes.index, index=nodes["name"])
    flows = sums.assign(source=sums["source"].map(place), target=sums["target"].map(place))
    return Network(nodes, flows.astype(np.int64))


def _between(ring: Ring) -> pd.DataFrame:
    moved: pd.DataFrame = ring.timeline.select(["source", "target", "amount"]).to_pandas()
    return moved


def _around(ring: Ring, dataset: Dataset) -> pd.DataFrame:
    """Return the members' transfers in the ring's span, as far as they were known at its moment."""
    graph = build_graph(dataset)
    codes = graph.codes(ring.members["account_id"])
    if (codes < 0).any():
        raise DataError("plot: some members are not in this data set; give the data set that the ring was found in.")
    first, last, as_of = (int(pd.Timestamp(ring.summary[name]).value // 1_000) for name in _SPAN)
    low, high = (int(at) for at in np.searchsorted(graph.time, [first - MARGIN, min(last + MARGIN, as_of)]))
    rows = np.flatnonzero(np.isin(graph.source[low:high], codes) | np.isin(graph.target[low:high], codes)) + low
    ids = np.asarray(graph.account_ids.to_pylist(), dtype=object)
    return pd.DataFrame(
        {"source": ids[graph.source[rows]], "target": ids[graph.target[rows]], "amount": graph.amount[rows]}
    )


_SPAN: Final = ("first_time", "last_time", "as_of")


def _with_others(nodes: pd.DataFrame, sums: pd.DataFrame, ring: Ring) -> pd.DataFrame:
    relation = dict(zip(ring.others["account_id"].to_pylist(), ring.others["relation"].to_pylist(), strict=True))
    paid, got = (sums.groupby(end)["amount"].sum() for end in ("source", "target"))
    ends = sorted(set(paid.index) | set(got.index))
    names = pd.Series(ends, dtype=object)[lambda column: ~column.isin(nodes["name"])]
    net = names.map(paid).fillna(0) - names.map(got).fillna(0)
    pays = (net > 0).to_numpy()
    kinds = [relation.get(name, "payer" if first else "recipient") for name, first in zip(names, pays, strict=True)]
    last = int(nodes["column"].max()) + 1
    others = pd.DataFrame(
        {"name": names.to_numpy(), "kind": kinds, "column": np.where(pays, 0, last), "n": 1, "kept": 0}
    )
    return pd.concat([nodes, others.astype({"kind": object})], ignore_index=True)


def trace_network(traces: Traces, complaint_id: str, method: str) -> Network:
    """Return the way of one complaint's money by one method: accounts by the hops to them, and where it ended."""
    both = pc.and_(pc.equal(traces.steps["complaint_id"], complaint_id), pc.equal(traces.steps["method"], method))
    steps = traces.steps.filter(both).select(["source", "target", "traced"]).to_pandas()
    if not len(steps):
        raise OptionError(
            "plot_flow: there are no steps of this complaint and method. Trace with steps=True, and choose a complaint "
            "and a method of table 'steps'."
        )
    column: dict[str, int] = {steps["source"].iloc[0]: 0}
    for source, target in zip(steps["source"], steps["target"], strict=True):
        column.setdefault(target, column.get(source, 0) + 1)
    ends = traces.trace.filter(
        pc.and_(pc.equal(traces.trace["complaint_id"], complaint_id), pc.equal(traces.trace["method"], method))
    )
    rows = list(zip(*_columns(ends, "account_id", "exit_kind", "traced"), strict=True))
    kept = {name: amount for name, how, amount in rows if not how}
    went = steps.groupby("source")["traced"].sum().to_dict()
    left = {name: how for name, how, amount in rows if how and amount > went.get(name, 0) + kept.get(name, 0)}
    nodes = pd.DataFrame({"name": pd.Series(list(column), dtype=object), "column": list(column.values())})
    nodes["kind"] = ["victim" if not at else left.get(name, "passed on") for name, at in column.items()]
    nodes["n"], nodes["kept"] = 1, [kept.get(name, 0) for name in column]
    place = pd.Series(nodes.index, index=nodes["name"])
    ways = steps.assign(source=steps["source"].map(place), target=steps["target"].map(place))
    sums = ways[ways["source"] != ways["target"]].groupby(["source", "target"], sort=True)["traced"].sum()
    return Network(nodes, sums.rename("amount").reset_index().astype(np.int64))


def _columns(table: pa.Table, *names: str) -> list[list[Any]]:
    return [table[name].to_pylist() for name in names]


def gathered(network: Network, *, most: int, most_around: int, least: float = 0.0) -> Network:
    """Return the network with only its larger nodes by themselves; others of a column and kind are one.

    Parameters
    ----------
    most, most_around : int
        Nodes of a column that stand by themselves, of members and of accounts around them.
    least : float
        Share of the largest node's money below which a node around is one of the "others", whatever its kind.
    """
    nodes = network.nodes.assign(size=network.sizes, is_member=network.nodes["kind"].isin(ROLES))
    ranked = nodes.sort_values(["column", "is_member", "size", "name"], ascending=[True, False, False, True])
    limit = np.where(ranked["is_member"], most, most_around)
    is_tiny = ~ranked["is_member"] & (ranked["size"] < least * ranked["size"].max())
    ranked["kind"] = ranked["kind"].where(~is_tiny, "other")
    is_own = (ranked.groupby(["column", "is_member"]).cumcount() < limit) & ~is_tiny
    group = ranked["name"].where(is_own, "\0" + ranked["column"].astype(str) + ranked["kind"])
    joined = ranked.groupby(group, sort=False).agg(
        name=("name", "first"), kind=("kind", "first"), column=("column", "first"), n=("n", "sum"), kept=("kept", "sum")
    )
    many = [f"{n:,} {words_of(kind, n)}" for n, kind in zip(joined["n"], joined["kind"], strict=True)]
    joined["name"] = joined["name"].where(joined["n"] == 1, many)
    of_node = group.map(pd.Series(np.arange(len(joined)), index=joined.index)).sort_index()
    flows = network.flows.assign(**{end: of_node.loc[network.flows[end]].to_numpy() for end in ("source", "target")})
    sums = flows[flows["source"] != flows["target"]].groupby(["source", "target"], sort=True)["amount"].sum()
    return Network(joined.reset_index(drop=True), sums.reset_index())
