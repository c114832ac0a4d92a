"""Relayed money: one account received money and passed it on within the dwell limit."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from muledetect.rings.links._pairs import group_by_pair, links_of_pairs
from muledetect.rings.links._spec import Scene, link
from muledetect.rings.money import match_relayed_money

#: So many of a link's transfers, the strongest, are shown together with the transfer that each matches.
MOST_SHOWN = 3


@link()
def relay(scene: Scene) -> pa.Table:
    """Link the payer to the middleman, and the middleman to the payee, of money that was passed on.

    Notes
    -----
    `weight = log2(1 + sum of strengths) * rarity`, the sum over the transfers of the pair, each counted as credit of
    the one end and as debit of the other (see `match_relayed_money`): a single whole, instant relay between accounts
    of few counterparties weighs 1, and repetition adds less and less. O(transfers of the suspects).
    """
    money = match_relayed_money(scene.graph, scene.suspects.account, since=scene.since, dwell=scene.dwell)
    is_relayed = money.strength > 0
    rows = np.flatnonzero(is_relayed)
    transfer, at = np.unique(money.transfer[rows].astype(np.int64), return_inverse=True)
    # a transfer has at most two rows, one of either end, so this sum has no order to depend on
    strength = np.bincount(at, weights=money.strength[rows], minlength=len(transfer))
    partners = np.full((len(transfer), 2), -1, np.int64)
    partners[at, money.is_debit[rows].astype(np.int64)] = money.partner[rows]

    pairs = group_by_pair(scene, transfer)
    where = np.searchsorted(transfer, pairs.transfer)
    of_pair = strength[where]
    total = np.array([of_pair[b:e].sum() for b, e in zip(pairs.start, pairs.stop, strict=True)], dtype=np.float64)
    weight = np.log2(1.0 + total) * scene.rarity(pairs.source[pairs.start], pairs.target[pairs.start])
    shown = []
    for begin, end in zip(pairs.start, pairs.stop, strict=True):
        strongest = begin + np.argsort(-of_pair[begin:end], kind="stable")[:MOST_SHOWN]
        matched = partners[where[strongest]].ravel()
        shown.append(np.concatenate([pairs.transfer[strongest], matched[matched >= 0]]))
    return links_of_pairs(scene, pairs, weight, shown)
