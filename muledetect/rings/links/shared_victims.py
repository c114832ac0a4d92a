"""Shared victims: one payer disputes what it paid to both."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from muledetect.arrays import Int64Array
from muledetect.rings.links._spec import Scene, link, make_links, pairs_in_groups

#: A payer with more disputed payees than this says little about any two of them.
MOST_PAYEES = 12


@link(tables=("complaints",))
def shared_victims(scene: Scene) -> pa.Table:
    """Link two suspects to which one account paid money that it disputes.

    Notes
    -----
    `weight = 1 / (payees - 1)` summed over the victims, with `payees` the disputed suspects of the victim, at most 12:
    a victim that named two accounts binds them fully. The times are those of the first disputed transfer to either.
    O(disputes).
    """
    disputes = scene.disputes
    payee = scene.suspects.positions(disputes.payee.astype(np.int32))
    rows = np.flatnonzero(payee >= 0)
    rows = rows[np.lexsort((disputes.transfer[rows], payee[rows], disputes.payer[rows]))]
    payer, payee = disputes.payer[rows], payee[rows]
    begins = np.append(True, (payer[1:] != payer[:-1]) | (payee[1:] != payee[:-1]))[: len(rows)]
    rows, payer, payee = rows[begins], payer[begins], payee[begins]
    _, group, n_payees = np.unique(payer, return_inverse=True, return_counts=True)
    few = n_payees[group] <= MOST_PAYEES
    left, right = pairs_in_groups(np.where(few, group, -1 - np.arange(len(group))))
    weight = np.asarray(1.0 / (n_payees[group[left]] - 1.0), np.float64)
    time = disputes.time[rows]
    first, last = np.minimum(time[left], time[right]), np.maximum(time[left], time[right])
    shown = _ids(scene, disputes.transfer[rows[np.stack([left, right], axis=1).ravel()]])
    evidence = pa.ListArray.from_arrays(pa.array(np.arange(0, 2 * len(left) + 1, 2), pa.int32()), shown)
    return make_links(scene, payee[left], payee[right], weight, first, last, evidence)


def _ids(scene: Scene, transfer: Int64Array) -> pa.Array:
    ids = scene.dataset.tables["transfers"]["transfer_id"].take(pa.array(transfer, pa.int64()))
    return ids.combine_chunks().cast(pa.string()) if len(transfer) else pa.array([], pa.string())
