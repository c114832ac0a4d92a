"""The output tables of rings, from their members and links."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from muledetect import schema
from muledetect.arrays import MISSING, NEVER, BoolArray, Float64Array, Int32Array, Int64Array, sum_at
from muledetect.rings.flows import RELATIONS, Flows, assign_roles, find_others, measure_flows
from muledetect.rings.identity import name_members
from muledetect.rings.links import RingContext
from muledetect.rings.money import match_relayed_money
from muledetect.rings.probability import describe_groups, find_probability
from muledetect.rings.ring import TIMELINE, RingTables
from muledetect.rings.typology import find_typologies


@dataclass(frozen=True, eq=False)
class Found:
    """Members of rings, a row each; `ring` numbers the rings from 0, in no meaningful order.

    An account is in one ring once; it may be in several rings, each in its time or by its links to both. Its transfers
    count for the ring in [begin, end), microseconds.
    """

    account: Int32Array
    ring: Int64Array
    membership: Float64Array
    suspicion: Float64Array
    is_seed: BoolArray
    bond: Float64Array  # weight of the member's links within the ring
    begin: Int64Array
    end: Int64Array

    @property
    def n_rings(self) -> int:
        """Number of rings."""
        return int(self.ring.max(initial=-1)) + 1


def assemble(
    context: RingContext, found: Found, links: Mapping[str, pa.Table], *, min_precision: float, max_rings: int | None
) -> RingTables:
    """Measure the rings, order them by the illicit money to be expected and write the tables of those likely enough.

    The score of a ring is `n * (1 + r) / 2` with `n` the expected number of mules (sum of suspicion * membership) and
    `r` the share of the members' inflow that left again within the holding time. `value_in` is the inflow from accounts
    outside the ring. `recoverable` is what members received beyond what they paid out, at most `value_in`. The
    illicit money to be expected is the probability times what members paid members, and had from outside to pay it.
    """
    found, inside = _bound(found, _inside(found, links))
    if not len(found.account):
        return RingTables()
    first_time, last_time = _active(found, inside)
    flows = measure_flows(context.snapshot, found.account, found.ring, found.begin, found.end)
    measures = _measure(context, found, flows)
    ids_of = context.snapshot.graph.account_ids.take(pa.array(found.account)).to_pylist()
    members = [frozenset(ids_of[k] for k in own) for own in _by_ring(found)]
    names = [name_members("R", own) for own in members]
    likely = [k for k in _ranked(names, members, measures) if measures["probability"][k] >= min_precision]
    order = np.array(likely[:max_rings], np.int64)
    place = np.full(found.n_rings, -1, np.int64)
    place[order] = np.arange(len(order))
    ids = pa.array([names[k] for k in order], pa.string())
    rings = {name: np.asarray(values)[order] for name, values in measures.items()}
    spans = {"first_time": first_time[order], "last_time": last_time[order]}
    typology, transfers = find_typologies(context.snapshot.graph, flows, place[found.ring])
    return RingTables(
        rings=schema.RINGS.filled(
            ring_id=ids,
            as_of=np.full(len(order), context.snapshot.as_of),
            **rings,
            **spans,
            typology=typology,
            typology_transfers=[context.transfer_ids(rows).to_pylist() for rows in transfers],
        ),
        ring_members=_members(context, found, flows, place, ids),
        ring_links=_links(context, inside, place, ids),
        ring_others=_others(context, found, flows, place, ids),
        ring_transfers=_timeline(context, found, flows, place, ids),
        n_weaker=int(np.sum(measures["probability"] < min_precision)),
        min_precision=min_precision,
    )


#: Of two groups that share this much (Jaccard) one is shown.
SAME: Final = 0.5


def _ranked(names: Sequence[str], members: Sequence[frozenset[str]], measures: Mapping[str, Any]) -> list[int]:
    """Return the rings, most illicit money to be expected first; of nearly the same accounts, the first only."""
    ranked = sorted(
        range(len(names)),
        key=lambda k: (-measures["expected_value"][k], -measures["probability"][k], -measures["score"][k], names[k]),
    )
    kept: list[int] = []
    of: dict[str, list[int]] = {}
    for k in ranked:
        rivals = {other for name in members[k] for other in of.get(name, [])}
        if all(len(members[k] & members[o]) < SAME * len(members[k] | members[o]) for o in rivals):
            kept.append(k)
            for name in members[k]:
                of.setdefault(name, []).append(k)
    return kept


def _inside(found: Found, links: Mapping[str, pa.Table]) -> pa.Table:
    """Return links with both ends in one ring, with columns `ring` and `kind`; an overlap shows its links twice."""
    key = np.stack([found.account.astype(np.int64), found.ring])
    order = np.lexsort((key[1], key[0]))
    account, ring = key[0][order], key[1][order]
    parts = []
    for kind, table in links.items():
        source, target = (table[end].to_numpy().astype(np.int64) for end in ("source", "target"))
        first, behind = np.searchsorted(account, source, side="left"), np.searchsorted(account, source, side="right")
        row = np.repeat(np.arange(len(source)), behind - first)
        at = np.arange(len(row)) - np.repeat(np.cumsum(behind - first) - (behind - first), behind - first) + first[row]
        n = int(ring.max(initial=0)) + 1
        is_inside = np.isin(target[row] * n + ring[at], account * n + ring)
        chosen = table.take(pa.array(row[is_inside], pa.int64()))
        chosen = chosen.append_column("ring", pa.array(ring[at[is_inside]], pa.int64()))
        parts.append(chosen.append_column("kind", pa.array([kind] * chosen.num_rows, pa.string())))
    return pa.concat_tables(parts)


def _bound(found: Found, inside: pa.Table) -> tuple[Found, pa.Table]:
    """Return the rings that a link between two members binds, numbered anew, and their links.

    Members that only a third account joined, which is itself in no ring, are not held together by anything.
    """
    ring = inside["ring"].to_numpy()
    number = np.full(found.n_rings, -1, np.int64)
    kept = np.unique(ring)
    number[kept] = np.arange(len(kept))
    rows = number[found.ring] >= 0
    columns = {field.name: getattr(found, field.name)[rows] for field in fields(found)}
    place = inside.schema.get_field_index("ring")
    return Found(**{**columns, "ring": number[found.ring[rows]]}), inside.set_column(
        place, "ring", pa.array(number[ring])
    )


def _active(found: Found, inside: pa.Table) -> tuple[Int64Array, Int64Array]:
    ring = inside["ring"].to_numpy()
    first_time, last_time = np.full(found.n_rings, NEVER), np.full(found.n_rings, MISSING)
    np.minimum.at(first_time, ring, inside["first_time"].to_numpy())
    np.maximum.at(last_time, ring, inside["last_time"].to_numpy())
    return first_time, last_time


def _measure(context: RingContext, found: Found, flows: Flows) -> dict[str, Any]:
    members = _by_ring(found)
    passed = _passed_on(context, found)
    unspent = np.maximum(flows.in_outer + flows.in_inner - flows.out_outer - flows.out_inner, 0)
    groups = describe_groups(found.ring, found.suspicion, found.bond, found.is_seed)
    probability = find_probability(groups, is_prevalence_known=context.suspects.is_prevalence_known)
    score, stability, value_in, recoverable = [], [], [], []
    for own in members:
        # fsum is exact, so the order of the members cannot show
        expected = math.fsum((found.suspicion[own] * found.membership[own]).tolist())
        inflow = int((flows.in_outer[own] + flows.in_inner[own]).sum())
        relayed = min(int(passed[own].sum()) / inflow, 1.0) if inflow else 0.0
        score.append(expected * (1 + relayed) / 2)
        stability.append(math.fsum(found.membership[own].tolist()) / len(own))
        value_in.append(int(flows.in_outer[own].sum()))
        recoverable.append(min(value_in[-1], int(unspent[own].sum())))
    moved = sum_at(flows.in_inner + np.minimum(flows.in_outer, flows.out_inner), found.ring, found.n_rings)
    return {
        "probability": probability,
        "expected_value": np.round(probability * moved).astype(np.int64),
        "n_accounts": [len(own) for own in members],
        "score": score,
        "stability": stability,
        "value_in": value_in,
        "n_victims": _count_victims(context, found, flows),
        "recoverable": recoverable,
    }


def _by_ring(found: Found) -> list[Int64Array]:
    order = np.argsort(found.ring, kind="stable")
    return np.split(order, np.cumsum(np.bincount(found.ring))[:-1])


def _count_victims(context: RingContext, found: Found, flows: Flows) -> Int64Array:
    """Count the distinct accounts whose transfer to a member was disputed; several complaints of one count once."""
    disputed = context.snapshot.is_disputed[flows.incoming]
    payer = context.snapshot.graph.source[flows.incoming[disputed]].astype(np.int64)
    pairs = np.unique(np.stack([found.ring[flows.receiver[disputed]], payer]), axis=1)
    return np.bincount(pairs[0], minlength=found.n_rings)


def _passed_on(context: RingContext, found: Found) -> Int64Array:
    """Money that each member received in its time with the ring and paid out within the holding time, int64."""
    money = match_relayed_money(
        context.snapshot.graph, found.account, since=context.since, holding_time=context.holding_time
    )
    time = context.snapshot.graph.time[money.transfer]
    counts = ~money.is_debit & (time >= found.begin[money.middle]) & (time < found.end[money.middle])
    return sum_at(money.amount[counts], money.middle[counts], len(found.account))


def _members(context: RingContext, found: Found, flows: Flows, place: Int64Array, ids: pa.Array) -> pa.Table:
    role, layer = assign_roles(flows, found.ring, found.membership, found.is_seed)
    at = place[found.ring]
    # account codes ascend with the ids, so positions order members of one layer by id
    rows = np.lexsort((np.arange(len(at)), layer, at))
    rows = rows[at[rows] >= 0]
    return schema.RING_MEMBERS.filled(
        ring_id=ids.take(pa.array(at[rows])),
        account_id=context.snapshot.graph.account_ids.take(pa.array(found.account[rows])),
        role=role[rows].tolist(),
        layer=layer[rows],
        membership=found.membership[rows],
        is_seed=found.is_seed[rows],
    )


def _others(context: RingContext, found: Found, flows: Flows, place: Int64Array, ids: pa.Array) -> pa.Table:
    table = find_others(context, flows, found.ring)
    table = _placed(table, place).sort_by([("at", "ascending"), ("account", "ascending")])
    return schema.RING_OTHERS.filled(
        ring_id=pc.take(ids, table["at"]),
        account_id=pc.take(context.snapshot.graph.account_ids, table["account"]),
        text=[RELATIONS[name] for name in table["relation"].to_pylist()],
        **{name: table[name] for name in ("relation", "n_transfers", "paid", "received")},
    )


def _placed(table: pa.Table, place: Int64Array) -> pa.Table:
    """Return the rows of the rings that are kept, with the ring's place as column `at`."""
    at = place[table["ring"].to_numpy()]
    return table.append_column("at", pa.array(at)).filter(pa.array(at >= 0))


def _links(context: RingContext, inside: pa.Table, place: Int64Array, ids: pa.Array) -> pa.Table:
    up = [(name, "ascending") for name in ("source", "target", "kind", "first_time")]
    table = _placed(inside, place).sort_by([("at", "ascending"), ("weight", "descending"), *up])
    ends = {end: pc.take(context.snapshot.graph.account_ids, table[end]) for end in ("source", "target")}
    told = {name: table[name] for name in ("kind", "weight", "evidence")}
    return schema.RING_LINKS.filled(ring_id=pc.take(ids, table["at"]), **ends, **told)


def _timeline(context: RingContext, found: Found, flows: Flows, place: Int64Array, ids: pa.Array) -> pa.Table:
    at = place[found.ring[flows.payer]]
    rows = np.lexsort((flows.inner, at))
    rows = rows[at[rows] >= 0]
    graph, transfer = context.snapshot.graph, flows.inner[rows]
    columns = [
        ids.take(pa.array(at[rows])),
        pa.array(graph.time[transfer]).cast(pa.timestamp("us", tz="UTC")),
        graph.account_ids.take(pa.array(graph.source[transfer])),
        graph.account_ids.take(pa.array(graph.target[transfer])),
        pa.array(graph.amount[transfer]),
        context.transfer_ids(transfer),
    ]
    return pa.Table.from_arrays(columns, schema=TIMELINE)
