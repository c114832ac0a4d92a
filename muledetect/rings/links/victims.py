"""Shared victims: one payer disputes what it paid to both."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from muledetect.rings.links._spec import RingContext, link, make_links, pairs_in_groups

#: A payer with more disputed payees than this says little about any two of them.
MOST_PAYEES = 12


@link(tables=("complaints",))
def shared_victims(context: RingContext) -> pa.Table:
    """Link two suspects to which one account paid money that it disputes.

    Notes
    -----
    `weight = 1 / (payees - 1)` summed over the victims, with `payees` the disputed suspects of the victim, at most 12:
    a victim that named two accounts binds them fully. The times are those of the first disputed transfer to either.
    O(disputed transfers).
    """
    graph, transfer = context.snapshot.graph, context.snapshot.complaints.disputed
    payee = context.suspects.positions(graph.target[transfer])
    transfer, payee = transfer[payee >= 0], payee[payee >= 0]
    _, first = np.unique(np.stack([graph.source[transfer], payee]), axis=1, return_index=True)
    transfer, payee = transfer[first], payee[first]
    _, group, n_payees = np.unique(graph.source[transfer], return_inverse=True, return_counts=True)
    few = n_payees[group] <= MOST_PAYEES
    left, right = pairs_in_groups(np.where(few, group, -1 - np.arange(len(group))))
    weight = np.asarray(1.0 / (n_payees[group[left]] - 1.0), np.float64)
    time = graph.time[transfer]
    begin, end = np.minimum(time[left], time[right]), np.maximum(time[left], time[right])
    shown = context.transfer_ids(transfer[np.stack([left, right], axis=1).ravel()])
    return make_links(context, payee[left], payee[right], weight, begin, end, shown, 2)
