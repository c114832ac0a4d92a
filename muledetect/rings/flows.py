"""What flows into, through and out of rings, what each member seems to do, and who around a ring is no member."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import pyarrow as pa

from muledetect.arrays import AnyArray, BoolArray, Float64Array, Int32Array, Int64Array, places_in, sum_at
from muledetect.facts import Snapshot
from muledetect.rings.links import RingContext


@dataclass(frozen=True, eq=False)
class Flows:
    """Per member row of a ring, money of the member's time there in minor units; `inner` = with members of the ring."""

    in_outer: Int64Array  # [n_members]
    in_inner: Int64Array
    out_outer: Int64Array
    out_inner: Int64Array
    # [n_incoming] positions of the transfers from outside the ring, and `receiver`, the member rows that had them
    incoming: Int64Array
    receiver: Int64Array
    # [n_outgoing] positions of the transfers to outside the ring, and `sender`, the member rows that paid them
    outgoing: Int64Array
    sender: Int64Array
    inner: Int64Array  # [n_inner] positions of the transfers between two members of one ring, with `payer` and `payee`
    payer: Int64Array
    payee: Int64Array


def measure_flows(
    snapshot: Snapshot, account: Int32Array, ring: Int64Array, begin: Int64Array, end: Int64Array
) -> Flows:
    """Sum up the transfers of ring members, a row each: account code, ring, and the span in which they count.

    An account is in one ring once, but may be in several; spans are [begin, end), microseconds. O(transfers of the
    members * log members).
    """
    graph = snapshot.graph
    at, transfer = snapshot.transfers_of(account)
    time = graph.time[transfer]
    counts = (time >= begin[at]) & (time < end[at]) & (graph.source[transfer] != graph.target[transfer])
    at, transfer = at[counts], transfer[counts]
    is_paid = graph.source[transfer] == account[at]
    other = np.where(is_paid, graph.target[transfer], graph.source[transfer]).astype(np.int64)
    row = _row_of(graph.n_accounts, account, ring, ring[at], other)
    sides = {"in_outer": ~is_paid & (row < 0), "in_inner": ~is_paid & (row >= 0),
             "out_outer": is_paid & (row < 0), "out_inner": is_paid & (row >= 0)}  # fmt: skip
    comes, goes, inner = sides["in_outer"], sides["out_outer"], sides["out_inner"]
    return Flows(
        **{name: sum_at(graph.amount[transfer[side]], at[side], len(account)) for name, side in sides.items()},
        incoming=transfer[comes],
        receiver=at[comes],
        outgoing=transfer[goes],
        sender=at[goes],
        inner=transfer[inner],
        payer=at[inner],
        payee=row[inner],
    )


def _row_of(
    n_accounts: int, account: Int32Array, ring: Int64Array, wanted: Int64Array, other: Int64Array
) -> Int64Array:
    """Return the member row of account `other` in ring `wanted`; -1 = it is not in that ring."""
    key = ring * n_accounts + account
    order = np.argsort(key)
    found = places_in(key[order], wanted * n_accounts + other)
    return np.append(order, -1)[found]


#: So many members must pay an account before it gathers money rather than receives it.
CONSOLIDATES_FROM: Final = 3

#: Offices keep 8-12% of what passes through.
COMMISSION: Final = 0.15

#: An account that is no seed and is with its fellows in fewer of the repeated searches is at the edge.
FIRM: Final = 0.5


def assign_roles(
    flows: Flows, ring: Int64Array, membership: Float64Array, is_seed: BoolArray
) -> tuple[AnyArray, Int64Array]:
    """Give each member a role (of schema.ROLES) and a layer by how its money moves within the ring.

    The first rule that fits:

    - peripheral: no seed and less than half firm; or no money moves between it and the ring
    - controller: at least 3 members pay it, at most 15% of all that they received, and it pays no member: a commission
    - cash_out: members pay it, and it pays members at most half of that: the rest left the ring or stays
    - consolidator: at least 3 members pay it, and it pays at most half as many
    - collector: more of its inflow comes from outside than from members, and it pays members
    - relay: all others; members pay it and it pays members

    Tiers count hops along payments between members from the accounts where money enters: those that receive at
    least as much from outside as from members, or, in a ring that has none, those with the largest share from
    outside. A member that no payment reaches from there is of layer 1. O(payments between members * layers).
    """
    n = len(ring)
    pairs = np.unique(np.stack([flows.payer, flows.payee]), axis=1) if len(flows.inner) else np.zeros((2, 0), np.int64)
    n_payers = np.bincount(pairs[1], minlength=n)
    n_payees = np.bincount(pairs[0], minlength=n)
    received = flows.in_inner > 0
    is_edge = ((membership < FIRM) & ~is_seed) | (~received & (flows.out_inner == 0))
    payers_had = sum_at((flows.in_outer + flows.in_inner)[pairs[0]], pairs[1], n)
    is_paid_little = flows.in_inner <= COMMISSION * payers_had
    rules = [
        ("peripheral", is_edge),
        ("controller", (n_payers >= CONSOLIDATES_FROM) & is_paid_little & (flows.out_inner == 0)),
        ("cash_out", received & (flows.out_inner <= flows.in_inner // 2)),
        ("consolidator", (n_payers >= CONSOLIDATES_FROM) & (n_payers >= 2 * n_payees)),
        ("collector", (flows.in_outer >= flows.in_inner) & (flows.out_inner > 0)),
    ]
    role = np.select([fits for _, fits in rules], [name for name, _ in rules], default="relay")
    return role, _layers(flows, ring, pairs)


def _layers(flows: Flows, ring: Int64Array, pairs: Int64Array) -> Int64Array:
    received = flows.in_outer + flows.in_inner
    from_outside = flows.in_outer / np.maximum(received, 1)
    most = np.zeros(int(ring.max(initial=-1)) + 1)
    np.maximum.at(most, ring, from_outside)
    enters = from_outside >= np.minimum(most[ring], 0.5)
    layer = np.where(enters, 1, 0)
    hop = 1
    while True:
        reached = pairs[1][layer[pairs[0]] == hop]
        reached = reached[layer[reached] == 0]
        if not len(reached):
            break
        hop += 1
        layer[reached] = hop
    return np.where(layer == 0, 1, layer).astype(np.int64)


#: Codes of what an account outside is to a ring, and the sentence for it.
RELATIONS: Final = {
    "victim": "disputes a transfer that it paid to a member",
    "institution": "shop, biller, exchange, wallet or bank: serves everybody",
    "exit": "was paid by card, QR code, at a machine or across the border: the receiver is presumed innocent",
    "hub": "was paid by so many accounts that it serves everybody",
    "recipient": "received money of members, and nothing else speaks against it",
    "payer": "paid members, and has not disputed it",
}


def find_others(context: RingContext, flows: Flows, ring: Int64Array) -> pa.Table:
    """List the counterparties of ring members that are not members, one row a ring (number) and account (code).

    With why not, the first of `RELATIONS` that fits, the number of transfers, and the money `paid` to members and
    `received` from them. O(transfers of the members).
    """
    snapshot, graph = context.snapshot, context.snapshot.graph
    at = np.concatenate([ring[flows.receiver], ring[flows.sender]])
    transfer = np.concatenate([flows.incoming, flows.outgoing])
    pays = np.arange(len(at)) < len(flows.incoming)
    account = np.where(pays, graph.source[transfer], graph.target[transfer]).astype(np.int64)
    pairs, of = np.unique(at * graph.n_accounts + account, return_inverse=True)
    n = len(pairs)
    paid, received = (sum_at(graph.amount[transfer[side]], of[side], n) for side in (pays, ~pays))
    who = pairs % graph.n_accounts
    disputed = snapshot.is_disputed[transfer] & pays
    through_exit = (snapshot.exit_place[transfer] > 0) & ~pays
    fits = [
        np.bincount(of[disputed], minlength=n) > 0,
        snapshot.accounts.is_public[who],
        np.bincount(of[through_exit], minlength=n) > 0,
        snapshot.is_hub[who],
        received > 0,
    ]
    relation = np.select(fits, list(RELATIONS)[:-1], default="payer")
    columns = {"ring": pairs // graph.n_accounts, "account": who, "n_transfers": np.bincount(of, minlength=n),
               "paid": paid, "received": received}  # fmt: skip
    return pa.table(columns).append_column("relation", pa.array(relation.tolist(), pa.string()))
