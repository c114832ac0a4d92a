"""What flows into, through and out of rings: the transfers of their members in each ring's active span."""

from __future__ import annotations

from dataclasses import dataclass

import numba
import numpy as np
import numpy.typing as npt

from muledetect.graph import Int32Array, Int64Array, TransferGraph
from muledetect.rings.money import first_position


@dataclass(frozen=True, eq=False)
class Flows:
    """Per member of a ring, money of the ring's span in minor units; `inner` = with members of its own ring.

    Attributes
    ----------
    in_outer, in_inner, out_outer, out_inner : int64[n_members]
    incoming : int64[n_incoming]
        Positions of the transfers from outside the ring, and `receiver`, the members that had them.
    inner : int64[n_inner]
        Positions of the transfers between two members of one ring, with `payer` and `payee`.
    """

    in_outer: Int64Array
    in_inner: Int64Array
    out_outer: Int64Array
    out_inner: Int64Array
    incoming: Int64Array
    receiver: Int64Array
    inner: Int64Array
    payer: Int64Array
    payee: Int64Array


def measure_flows(graph: TransferGraph, account: Int32Array, ring: Int64Array, begin: Int64Array) -> Flows:
    """Sum up the transfers of ring members.

    Parameters
    ----------
    graph : TransferGraph
        Cut at `as_of`.
    account : int32[n_members]
        Account codes; an account is in one ring.
    ring : int64[n_members]
    begin : int64[n_members]
        Moment (microseconds) from which the member's ring is looked at.

    Notes
    -----
    O(transfers of the members since `begin` + accounts).
    """
    member_of = np.full(graph.n_accounts, -1, np.int64)
    member_of[account] = np.arange(len(account))
    first = np.searchsorted(graph.time, begin, side="left").astype(np.int64)
    received, receiver = _positions(account, first, *graph.incoming)
    paid, payer = _positions(account, first, *graph.outgoing)
    from_member = member_of[graph.source[received]]
    to_member = member_of[graph.target[paid]]
    moves_in = from_member != receiver
    is_inner_in = _same_ring(ring, from_member, receiver)
    is_inner_out = _same_ring(ring, to_member, payer)
    moves_out = to_member != payer
    n = len(account)
    inner = is_inner_out & moves_out
    return Flows(
        in_outer=_sum(graph, received, receiver, moves_in & ~is_inner_in, n),
        in_inner=_sum(graph, received, receiver, moves_in & is_inner_in, n),
        out_outer=_sum(graph, paid, payer, moves_out & ~is_inner_out, n),
        out_inner=_sum(graph, paid, payer, inner, n),
        incoming=received[moves_in & ~is_inner_in],
        receiver=receiver[moves_in & ~is_inner_in],
        inner=paid[inner],
        payer=payer[inner],
        payee=to_member[inner],
    )


def _same_ring(ring: Int64Array, other: Int64Array, member: Int64Array) -> npt.NDArray[np.bool_]:
    if not len(ring):
        return np.zeros(len(other), np.bool_)
    return np.asarray((other >= 0) & (ring[other] == ring[member]))


def _sum(
    graph: TransferGraph, transfer: Int64Array, member: Int64Array, chosen: npt.NDArray[np.bool_], n: int
) -> Int64Array:
    total = np.zeros(n, np.int64)
    np.add.at(total, member[chosen], graph.amount[transfer[chosen]])
    return total


@numba.njit(cache=True, nogil=True)
def _positions(account, first, start, stop, transfer) -> tuple[Int64Array, Int64Array]:  # type: ignore[no-untyped-def]
    n = 0
    for k in range(len(account)):
        n += stop[account[k]] - first_position(transfer, start[account[k]], stop[account[k]], first[k])
    position = np.empty(n, np.int64)
    member = np.empty(n, np.int64)
    n = 0
    for k in range(len(account)):
        for j in range(first_position(transfer, start[account[k]], stop[account[k]], first[k]), stop[account[k]]):
            position[n] = transfer[j]
            member[n] = k
            n += 1
    return position, member
