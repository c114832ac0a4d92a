"""Accounts and flows of money of a ring or a trace, as pages and plots draw them: columns from payers to receivers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from muledetect.arrays import BoolArray, Int64Array
from muledetect.clock import DAY
from muledetect.errors import DataError, OptionError
from muledetect.facts import Snapshot
from muledetect.reports.words import WORDS
from muledetect.rings import Ring
from muledetect.schema import ROLES

if TYPE_CHECKING:
    from muledetect.tracing import Traces

#: Money counts as a ring's from so long before its first binding transfer to so long after its last.
MARGIN: Final = 3 * DAY
_MANY: Final = {
    "victim": "victims", "payer": "payers", "recipient": "recipients", "hub": "hubs", "exit": "exits",
    "institution": "institutions", "other": "others", "passed on": "accounts",
}  # fmt: skip


@dataclass(frozen=True, eq=False)
class Network:
    """What is drawn; money in minor units.

    Attributes
    ----------
    nodes : pandas.DataFrame
        `name`, `kind` (role of a member, what another account is to it), `column` (0 = payers, layers or hops, last =
        receivers), `n` (accounts that it stands for), `kept` (of a trace: money still there).
    flows : pandas.DataFrame
        `source`, `target` (rows of nodes), `amount` (above 0), `n` (transfers).
    """

    nodes: pd.DataFrame
    flows: pd.DataFrame

    def sums(self, end: str) -> Int64Array:
        """Return what each node paid ("source") or received ("target")."""
        found = self.flows.groupby(end)["amount"].sum().reindex(self.nodes.index, fill_value=0)
        return found.to_numpy(np.int64)

    @property
    def sizes(self) -> Int64Array:
        """Larger of what each node received and paid."""
        return np.asarray(np.maximum(self.sums("source"), self.sums("target")))

    @property
    def is_ahead(self) -> BoolArray:
        """Which flows go from one column to a later one."""
        column = self.nodes["column"].to_numpy(np.int64)
        return np.asarray(column[self.flows["source"]] < column[self.flows["target"]], np.bool_)

    def only(self, which: BoolArray) -> Network:
        """Return the network of some of the flows, without the nodes that have none."""
        flows = self.flows[which]
        used = np.unique(flows[["source", "target"]].to_numpy(np.int64))
        return Network(self.nodes.loc[used].reset_index(drop=True), _moved_to(flows, pd.Series(range(len(used)), used)))


def words_of(kind: str, n: int = 1) -> str:
    """Return a kind of node in words; of several, in the plural where it has one."""
    one = WORDS[kind]["en"] if kind in WORDS else kind.replace("_", " ")
    return _MANY.get(kind, one) if n > 1 else one


def ring_transfers(ring: Ring, snapshot: Snapshot | None) -> tuple[pd.DataFrame, tuple[int, int]]:
    """Return the transfers of a ring by time (`time`, `source`, `target`, `amount`), and the span that they are of.

    All transfers of its members in that span; without a snapshot, those between members that bind the ring. A snapshot
    that does not know the members, or is of another moment, is an error.
    """
    first, last, as_of = (
        pd.Timestamp(ring.summary[name]).value // 1_000 for name in ("first_time", "last_time", "as_of")
    )
    span = (int(first) - MARGIN, min(int(last) + MARGIN, int(as_of)))
    if snapshot is None:
        bound = ring.timeline.select(["source", "target", "amount"]).to_pandas()
        return bound.assign(time=ring.timeline["time"].cast(pa.int64()).to_numpy()), span
    if snapshot.as_of != as_of:
        raise OptionError("ring: the snapshot is of another moment than the ring; give that of the ring's as_of.")
    graph, codes = snapshot.graph, snapshot.graph.codes(ring.members["account_id"])
    if (codes < 0).any():
        raise DataError("ring: some members are not in this data set; give the data set that the ring was found in.")
    rows = np.unique(snapshot.transfers_of(codes, since=span[0])[1])
    rows = rows[graph.time[rows] < span[1]]
    ends = {
        end: graph.account_ids.take(pa.array(getattr(graph, end)[rows])).to_pylist() for end in ("source", "target")
    }
    return pd.DataFrame({"time": graph.time[rows], **ends, "amount": graph.amount[rows]}), span


def ring_network(ring: Ring, moved: pd.DataFrame) -> Network:
    """Return the members by layer, the accounts around them, and the money between all of them.

    Accounts outside stand before the members if they paid more than they received, else behind them.
    """
    members = ring.members.to_pandas().sort_values(["layer", "role", "account_id"])
    relation = dict(zip(ring.others["account_id"].to_pylist(), ring.others["relation"].to_pylist(), strict=True))
    moved = moved[moved["source"] != moved["target"]]
    paid, got = (moved.groupby(end)["amount"].sum() for end in ("source", "target"))
    names = pd.Series(sorted((set(paid.index) | set(got.index)) - set(members["account_id"])), dtype=object)
    pays = ((names.map(paid).fillna(0) - names.map(got).fillna(0)) > 0).to_numpy()
    kinds = [relation.get(name, "payer" if first else "recipient") for name, first in zip(names, pays, strict=True)]
    nodes = pd.DataFrame(
        {
            "name": pd.Series([*members["account_id"], *names], dtype=object),
            "kind": pd.Series([*members["role"], *kinds], dtype=object),
            "column": [*members["layer"], *np.where(pays, 0, int(members["layer"].max()) + 1)],
        }
    )
    place = pd.Series(nodes.index, index=nodes["name"])
    return Network(nodes.assign(n=1, kept=0), _moved_to(moved.assign(n=1), place))


def trace_network(traces: Traces, complaint_id: str, method: str) -> Network:
    """Return the way of one complaint's money by one method: accounts by the hops to them, and where it ended."""
    steps, ends = (
        table.filter(pc.and_(pc.equal(table["complaint_id"], complaint_id), pc.equal(table["method"], method)))
        for table in (traces.steps, traces.trace)
    )
    if not steps.num_rows:
        raise OptionError(
            "plot_flow: there are no steps of this complaint and method. Trace with steps=True, and choose a complaint "
            "and a method of table 'steps'."
        )
    ways = steps.select(["source", "target", "traced"]).to_pandas().rename(columns={"traced": "amount"})
    column: dict[str, int] = {ways["source"].iloc[0]: 0}
    for source, target in zip(ways["source"], ways["target"], strict=True):
        column.setdefault(target, column.get(source, 0) + 1)
    rows = list(zip(*(ends[name].to_pylist() for name in ("account_id", "exit_kind", "traced")), strict=True))
    kept = {name: amount for name, how, amount in rows if not how}
    went = ways.groupby("source")["amount"].sum().to_dict()
    left = {name: how for name, how, amount in rows if how and amount > went.get(name, 0) + kept.get(name, 0)}
    nodes = pd.DataFrame({"name": pd.Series(list(column), dtype=object), "column": list(column.values())})
    nodes["kind"] = ["victim" if not at else left.get(name, "passed on") for name, at in column.items()]
    nodes["n"], nodes["kept"] = 1, [kept.get(name, 0) for name in column]
    return Network(nodes, _moved_to(ways.assign(n=1), pd.Series(nodes.index, index=nodes["name"])))


def gather(network: Network, *, most: int, most_around: int, least: float = 0.0) -> tuple[Network, pd.Series[int]]:
    """Return the network with only its larger nodes by themselves, and the new node of each old one.

    Others of a column and kind are one node. Of a column `most` members and `most_around` accounts around them stand by
    themselves, victims first. A node around with less than the share `least` of the largest node's money is one of the
    "others", whatever its kind.
    """
    nodes = network.nodes.assign(size=network.sizes, is_member=network.nodes["kind"].isin(ROLES))
    nodes["is_later"] = nodes["kind"] != "victim"
    ranked = nodes.sort_values(
        ["column", "is_member", "is_later", "size", "name"], ascending=[True, False, True, False, True]
    )
    limit = np.where(ranked["is_member"], most, most_around)
    is_tiny = ~ranked["is_member"] & (ranked["size"] < least * ranked["size"].max())
    ranked["kind"] = ranked["kind"].where(~is_tiny, "other")
    is_own = (ranked.groupby(["column", "is_member"]).cumcount() < limit) & ~is_tiny & (ranked["n"] == 1)
    group = ranked["name"].where(is_own, "\0" + ranked["column"].astype(str) + ranked["kind"])
    joined = ranked.groupby(group, sort=False).agg(
        name=("name", "first"), kind=("kind", "first"), column=("column", "first"), n=("n", "sum"), kept=("kept", "sum")
    )
    many = [f"{n:,} {words_of(kind, n)}" for n, kind in zip(joined["n"], joined["kind"], strict=True)]
    joined["name"] = joined["name"].where(joined["n"] == 1, many)
    of_node = group.map(pd.Series(np.arange(len(joined)), index=joined.index)).sort_index()
    return Network(joined.reset_index(drop=True), _moved_to(network.flows, of_node)), of_node


def fold(network: Network) -> tuple[Network, pd.Series[int]]:
    """Return the network with the accounts around its members as one node a side, and the new node of each old one.

    The node before the members is of kind "payers", that behind them of kind "receivers". Without flows between
    accounts of one side nothing is left out. A side of one node stays as it is.
    """
    nodes = network.nodes
    is_member = nodes["kind"].isin(ROLES)
    side = nodes["column"].map(lambda column: "payers" if column == 0 else "receivers").where(~is_member)
    size = side.groupby(side).transform("size").fillna(1)
    group = nodes["name"].where(size == 1, "\0" + side.fillna(""))
    kind = nodes["kind"].where(size == 1, side)
    joined = (
        nodes.assign(kind=kind)
        .groupby(group, sort=False)
        .agg(
            name=("name", "first"),
            kind=("kind", "first"),
            column=("column", "first"),
            n=("n", "sum"),
            kept=("kept", "sum"),
        )
    )
    joined["name"] = joined["name"].where(
        ~joined["kind"].isin(["payers", "receivers"]), joined["n"].map("{:,} ".format) + joined["kind"]
    )
    of_node = group.map(pd.Series(np.arange(len(joined)), index=joined.index))
    return Network(joined.reset_index(drop=True), _moved_to(network.flows, of_node)), of_node


def _moved_to(flows: pd.DataFrame, place: pd.Series[Any]) -> pd.DataFrame:
    """Return the sums of flows between other nodes; what stays at one is left out."""
    ends = {end: flows[end].map(place).to_numpy(np.int64) for end in ("source", "target")}
    moved = flows.assign(**ends)
    pairs = moved[moved["source"] != moved["target"]].groupby(["source", "target"], sort=True)[["amount", "n"]]
    summed: pd.DataFrame = pairs.sum().reset_index().astype(np.int64)
    return summed
