"""What flows into, through and out of rings: the transfers of their members while they belonged."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from muledetect.arrays import Int32Array, Int64Array, places_in, sum_at
from muledetect.facts import Snapshot


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
