"""What flows into, through and out of rings: the transfers of their members while they belonged."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from muledetect.arrays import BoolArray, Int32Array, Int64Array, places_in
from muledetect.facts import Snapshot
from muledetect.graph import TransferGraph


@dataclass(frozen=True, eq=False)
class Flows:
    """Per member row of a ring, money of the member's time there in minor units; `inner` = with members of the ring.

    Attributes
    ----------
    in_outer, in_inner, out_outer, out_inner : int64[n_members]
    incoming : int64[n_incoming]
        Positions of the transfers from outside the ring, and `receiver`, the member rows that had them.
    outgoing : int64[n_outgoing]
        Positions of the transfers to outside the ring, and `sender`, the member rows that paid them.
    inner : int64[n_inner]
        Positions of the transfers between two members of one ring, with `payer` and `payee`.
    """

    in_outer: Int64Array
    in_inner: Int64Array
    out_outer: Int64Array
    out_inner: Int64Array
    incoming: Int64Array
    receiver: Int64Array
    outgoing: Int64Array
    sender: Int64Array
    inner: Int64Array
    payer: Int64Array
    payee: Int64Array


def measure_flows(
    snapshot: Snapshot, account: Int32Array, ring: Int64Array, begin: Int64Array, end: Int64Array
) -> Flows:
    """Sum up the transfers of ring members.

    Parameters
    ----------
    snapshot : Snapshot
    account : int32[n_members]
        Account codes; an account is in one ring once, but may be in several rings.
    ring : int64[n_members]
    begin, end : int64[n_members]
        The member's transfers count for its ring in [begin, end), microseconds.

    Notes
    -----
    O(transfers of the members * log members).
    """
    graph = snapshot.graph
    at, transfer = snapshot.transfers_of(account)
    time = graph.time[transfer]
    counts = (time >= begin[at]) & (time < end[at]) & (graph.source[transfer] != graph.target[transfer])
    at, transfer = at[counts], transfer[counts]
    is_paid = graph.source[transfer] == account[at]
    other = np.where(is_paid, graph.target[transfer], graph.source[transfer]).astype(np.int64)
    row = _row_of(graph.n_accounts, account, ring, ring[at], other)
    is_inner = row >= 0
    n = len(account)
    paid_inside = is_paid & is_inner
    return Flows(
        in_outer=_sum(graph, transfer, at, ~is_paid & ~is_inner, n),
        in_inner=_sum(graph, transfer, at, ~is_paid & is_inner, n),
        out_outer=_sum(graph, transfer, at, is_paid & ~is_inner, n),
        out_inner=_sum(graph, transfer, at, paid_inside, n),
        incoming=transfer[~is_paid & ~is_inner],
        receiver=at[~is_paid & ~is_inner],
        outgoing=transfer[is_paid & ~is_inner],
        sender=at[is_paid & ~is_inner],
        inner=transfer[paid_inside],
        payer=at[paid_inside],
        payee=row[paid_inside],
    )


def _row_of(
    n_accounts: int, account: Int32Array, ring: Int64Array, wanted: Int64Array, other: Int64Array
) -> Int64Array:
    """Return the member row of account `other` in ring `wanted`; -1 = it is not in that ring."""
    key = ring * n_accounts + account
    order = np.argsort(key)
    found = places_in(key[order], wanted * n_accounts + other)
    return np.append(order, -1)[found]


def _sum(graph: TransferGraph, transfer: Int64Array, member: Int64Array, chosen: BoolArray, n: int) -> Int64Array:
    total = np.zeros(n, np.int64)
    np.add.at(total, member[chosen], graph.amount[transfer[chosen]])
    return total
