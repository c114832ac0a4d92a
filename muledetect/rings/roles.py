"""What each member of a ring seems to do, and how far it stands from where the money enters."""

from __future__ import annotations

from typing import Final

import numpy as np

from muledetect.arrays import AnyArray, BoolArray, Float64Array, Int64Array, sum_at
from muledetect.rings.flows import Flows

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
