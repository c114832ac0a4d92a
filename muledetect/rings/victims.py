"""Victims who complained, as far as the bank knew by the moment of the search."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from muledetect.graph import Int64Array
from muledetect.rings.flows import Flows
from muledetect.rings.links import Scene


def count_victims(scene: Scene, flows: Flows, ring: Int64Array, n_rings: int) -> Int64Array:
    """Count the distinct accounts whose transfer to a member of a ring was disputed, int64[n_rings].

    Complaints with `known_ts` before `as_of` that were not withdrawn count. The disputed transfer is found by
    `transfer_id`; without one, the payments of `victim_account` to `target` stand in. Only payments in the ring's
    span count, and the payer is the victim: several complaints of one payer count once. O(payments from outside).
    """
    victims = np.zeros(n_rings, np.int64)
    table = scene.dataset.tables.get("complaints")
    if table is None or not len(flows.incoming):
        return victims
    known = _known(table, scene.as_of)
    payer = scene.graph.source[flows.incoming]
    is_disputed = _by_transfer(scene, known, flows.incoming) | _by_accounts(scene, known, flows.incoming)
    pairs = np.unique(np.stack([ring[flows.receiver[is_disputed]], payer[is_disputed].astype(np.int64)]), axis=1)
    return victims + np.bincount(pairs[0], minlength=n_rings)


def _known(table: pa.Table, as_of: int) -> pa.Table:
    moment = pa.scalar(as_of, pa.timestamp("us", tz="UTC"))
    keep = pc.less(table["known_ts"], moment)
    if "status" in table.column_names:
        keep = pc.and_(keep, pc.fill_null(pc.not_equal(table["status"].cast(pa.string()), "withdrawn"), True))
    return table.filter(keep)


def _by_transfer(scene: Scene, known: pa.Table, incoming: Int64Array) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
    if "transfer_id" not in known.column_names:
        return np.zeros(len(incoming), np.bool_)
    ids = scene.dataset.tables["transfers"]["transfer_id"].take(pa.array(incoming))
    disputed = known["transfer_id"].cast(pa.string()).combine_chunks().drop_null()
    return np.asarray(pc.is_in(ids, value_set=disputed).to_numpy(), dtype=np.bool_)


def _by_accounts(scene: Scene, known: pa.Table, incoming: Int64Array) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
    if not {"victim_account", "target"} <= set(known.column_names):
        return np.zeros(len(incoming), np.bool_)
    if "transfer_id" in known.column_names:
        known = known.filter(pc.is_null(known["transfer_id"]))
    named = known.filter(pc.and_(pc.is_valid(known["victim_account"]), pc.is_valid(known["target"])))
    if not named.num_rows:
        return np.zeros(len(incoming), np.bool_)
    payer, payee = (scene.graph.codes(named[end]).astype(np.int64) for end in ("victim_account", "target"))
    n = scene.graph.n_accounts
    disputed = (payer * n + payee)[(payer >= 0) & (payee >= 0)]
    paid = scene.graph.source[incoming].astype(np.int64) * n + scene.graph.target[incoming]
    return np.isin(paid, disputed)
