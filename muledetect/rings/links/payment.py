"""Plain payment: one suspect paid the other, whether or not the money moved on."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from muledetect.arrays import Int64Array
from muledetect.rings.links._pairs import group_by_pair, links_of_pairs
from muledetect.rings.links._spec import Scene, link
from muledetect.rings.money import match_relayed_money

#: A payment says less than a relay; it holds a ring together where members keep or withdraw the money.
PAYMENT_WEIGHT = 0.5


@link()
def payment(scene: Scene) -> pa.Table:
    """Link two suspects of which one paid the other in the window.

    Notes
    -----
    `weight = 0.5 * rarity`, however often they paid: a habit of years is no sign of a ring. O(transfers of the
    suspects).
    """
    pairs = group_by_pair(scene, _payments(scene))
    weight = PAYMENT_WEIGHT * scene.rarity(pairs.source[pairs.start], pairs.target[pairs.start])
    largest = [_largest(scene, pairs.transfer[b:e]) for b, e in zip(pairs.start, pairs.stop, strict=True)]
    return links_of_pairs(scene, pairs, weight, largest)


def _payments(scene: Scene) -> Int64Array:
    money = match_relayed_money(scene.graph, scene.suspects.account, since=scene.since, dwell=scene.dwell)
    return money.transfer[money.is_debit].astype(np.int64)


def _largest(scene: Scene, transfer: Int64Array) -> Int64Array:
    return transfer[np.argsort(-scene.graph.amount[transfer], kind="stable")[:3]]
