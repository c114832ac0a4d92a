"""Transfers put together by the pair of accounts that they join."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from muledetect.arrays import Int32Array, Int64Array
from muledetect.rings.links._spec import LINKS, MOST_EVIDENCE, Scene
from muledetect.rings.money import Float64Array


@dataclass(frozen=True, eq=False)
class Pairs:
    """Transfers between two suspects by directed pair and episode; within a pair in graph order, which no name changes.

    Attributes
    ----------
    transfer : int64[n_transfers]
        Positions in the graph.
    source, target : int64[n_transfers]
        Positions in the suspects.
    start, stop : int64[n_pairs]
        Range of each pair.
    """

    transfer: Int64Array
    source: Int64Array
    target: Int64Array
    start: Int64Array
    stop: Int64Array


def group_by_pair(scene: Scene, transfer: Int64Array) -> Pairs:
    """Group transfers by directed pair, and apart where more than the scene's rest lies between two of them.

    Those with an end that is no suspect, or that cannot bind members, are left out.
    """
    transfer = transfer[scene.known.binds(scene.graph, transfer)]
    source = scene.suspects.positions(scene.graph.source[transfer])
    target = scene.suspects.positions(scene.graph.target[transfer])
    is_inside = (source >= 0) & (target >= 0)
    transfer, source, target = transfer[is_inside], source[is_inside], target[is_inside]
    order = np.lexsort((transfer, target, source))
    transfer, source, target = transfer[order], source[order], target[order]
    is_apart = np.diff(scene.graph.time[transfer]) > scene.rest
    changes = np.flatnonzero((source[1:] != source[:-1]) | (target[1:] != target[:-1]) | is_apart) + 1
    bounds = np.concatenate([[0], changes, [len(transfer)]]).astype(np.int64) if len(transfer) else np.zeros(1, int)
    return Pairs(transfer, source, target, bounds[:-1].astype(np.int64), bounds[1:].astype(np.int64))


def links_of_pairs(scene: Scene, pairs: Pairs, weight: Float64Array, shown: list[Int64Array]) -> pa.Table:
    """Return one link a pair of positive weight; `shown` are the transfers to give as evidence for each pair."""
    keep = np.flatnonzero(weight > 0)
    start, stop = pairs.start[keep], pairs.stop[keep]
    time = scene.graph.time[pairs.transfer]
    account: Int32Array = scene.suspects.account
    positions = [np.unique(shown[k])[:MOST_EVIDENCE] for k in keep]
    offsets = np.concatenate([[0], np.cumsum([len(p) for p in positions], dtype=np.int64)]).astype(np.int32)
    chosen = np.concatenate(positions) if positions else np.zeros(0, np.int64)
    ids = scene.dataset.tables["transfers"]["transfer_id"].take(pa.array(chosen, pa.int64()))
    ids = pa.array([], pa.string()) if not len(chosen) else ids.combine_chunks().cast(pa.string())
    columns = [
        pa.array(account[pairs.source[start]], pa.int32()),
        pa.array(account[pairs.target[start]], pa.int32()),
        pa.array(weight[keep], pa.float64()),
        pa.array(time[start], pa.int64()),
        pa.array(time[stop - 1], pa.int64()),
        pa.ListArray.from_arrays(pa.array(offsets, pa.int32()), ids),
    ]
    return pa.Table.from_arrays(columns, schema=LINKS)
