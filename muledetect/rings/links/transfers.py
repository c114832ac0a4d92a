"""Links that transfers show: relayed money, payments, shared victims, and wakings within the hour."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Final

import numpy as np
import pyarrow as pa

from muledetect.arrays import Float64Array, Int64Array
from muledetect.clock import DAY, HOUR
from muledetect.rings.links._spec import LINKS, RingContext, link, make_links, pairs_in_groups

#: At most so many ids are given as evidence of one link.
MOST_EVIDENCE: Final = 8

#: So many of a link's transfers, the strongest or largest, are shown; those of a relay with what each matches.
MOST_SHOWN: Final = 3


@link()
def relay(context: RingContext) -> pa.Table:
    """Link the payer to the middleman, and the middleman to the payee, of money that was passed on.

    `weight = log2(1 + sum of strengths) * strength of the pair` (see `Pairs.strength`), the sum over the transfers of
    the pair, each counted as credit of the one end and as debit of the other (see `match_relayed_money`): repetition
    adds less and less. O(transfers of the suspects).
    """
    money = context.relayed_money
    rows = np.flatnonzero(money.strength > 0)
    transfer, at = np.unique(money.transfer[rows], return_inverse=True)
    # a transfer has at most two rows, one of either end, so this sum has no order to depend on
    strength = np.bincount(at, weights=money.strength[rows], minlength=len(transfer))
    partners = np.full((len(transfer), 2), -1, np.int64)
    partners[at, money.is_debit[rows].astype(np.int64)] = money.partner[rows]

    pairs = _group_by_pair(context, transfer)
    where = np.searchsorted(transfer, pairs.transfer)
    of_pair = strength[where]
    total = np.array([of_pair[b:e].sum() for b, e in pairs.ranges], dtype=np.float64)
    shown = []
    for begin, end in pairs.ranges:
        strongest = begin + np.argsort(-of_pair[begin:end], kind="stable")[:MOST_SHOWN]
        matched = partners[where[strongest]].ravel()
        shown.append(np.concatenate([pairs.transfer[strongest], matched[matched >= 0]]))
    return _link_pairs(context, pairs, np.log2(1.0 + total), shown)


@link()
def payment(context: RingContext) -> pa.Table:
    """Link two suspects of which one paid the other in the window.

    The weight is the strength of the pair, see `Pairs.strength`. O(transfers of the suspects).
    """
    pairs = _group_by_pair(context, context.paid)
    amount = context.snapshot.graph.amount[pairs.transfer]
    shown = [pairs.transfer[b + np.argsort(-amount[b:e], kind="stable")[:MOST_SHOWN]] for b, e in pairs.ranges]
    return _link_pairs(context, pairs, np.ones(len(shown)), shown)


@dataclass(frozen=True, eq=False)
class _Pairs:
    """Transfers between two suspects by directed pair and episode; within a pair in graph order, which no name changes.

    `transfer` are positions in the graph, `source` and `target` in the suspects, `ranges` begin and end of each pair.
    """

    transfer: Int64Array
    source: Int64Array
    target: Int64Array
    ranges: list[tuple[int, int]]


def _group_by_pair(context: RingContext, transfer: Int64Array) -> _Pairs:
    """Group transfers by directed pair, and apart where more than the context's rest lies between two of them.

    Those with an end that is no suspect, or that cannot bind members, are left out.
    """
    graph = context.snapshot.graph
    transfer = transfer[context.snapshot.is_between_accounts[transfer]]
    source, target = (context.suspects.positions(end[transfer]) for end in (graph.source, graph.target))
    rows = np.flatnonzero((source >= 0) & (target >= 0))
    rows = rows[np.lexsort((transfer[rows], target[rows], source[rows]))]
    transfer, source, target = transfer[rows], source[rows], target[rows]
    rests = np.diff(graph.time[transfer]) > context.rest
    changes = np.flatnonzero((source[1:] != source[:-1]) | (target[1:] != target[:-1]) | rests) + 1
    bounds = [0, *changes.tolist(), len(transfer)] if len(transfer) else [0]
    return _Pairs(transfer, source, target, list(pairwise(bounds)))


def _link_pairs(context: RingContext, pairs: _Pairs, weight: Float64Array, shown: list[Int64Array]) -> pa.Table:
    """Return one link a pair; `shown` are the transfers to give as evidence for each."""
    first = np.array([begin for begin, _ in pairs.ranges], np.int64)
    last = np.array([end - 1 for _, end in pairs.ranges], np.int64)
    source, target = pairs.source[first], pairs.target[first]
    of_pair = context.pairs.of_transfer[np.searchsorted(context.paid, pairs.transfer[first])]
    weight = weight * context.strength[of_pair]
    time = context.snapshot.graph.time[pairs.transfer]
    keep = np.flatnonzero(weight > 0)
    positions = [np.unique(shown[k])[:MOST_EVIDENCE] for k in keep]
    ids = context.transfer_ids(np.concatenate([np.zeros(0, np.int64), *positions]))
    counts = np.array([len(one) for one in positions], np.int64)
    return make_links(
        context, source[keep], target[keep], weight[keep], time[first[keep]], time[last[keep]], ids, counts,
        directed=True,
    )  # fmt: skip


#: A payer with more disputed payees than this says little about any two of them.
MOST_PAYEES = 12


@link(tables=("complaints",))
def shared_victims(context: RingContext) -> pa.Table:
    """Link two suspects to which one account paid money that it disputes.

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


#: So long without a transfer is rest.
REST: Final = 60 * DAY
#: Two wakings within this are one.
SOON: Final = HOUR
#: Weight of two wakings with no other suspect's in between: weak, as everybody's salary comes on one day.
WEIGHT: Final = 0.1


@link(opens_episodes=False)
def co_activation(context: RingContext) -> pa.Table:
    """Link two suspects whose first transfer, or first after 60 days of rest, came within an hour of each other.

    `weight = 0.1`, for neighbours in time only, and only where no third suspect woke at that very moment. A record
    begins somewhere: wakings within 60 days of the first transfer of all say nothing and are left out. O(transfers of
    the suspects).
    """
    place, transfer = _wakings(context)
    if context.snapshot.graph.tick > SOON or len(place) < 2:
        return LINKS.empty_table()
    time = context.snapshot.graph.time[transfer]
    order = np.lexsort((place, time))
    changes = np.diff(time[order]) > 0
    alone = order[np.append(True, changes) & np.append(changes, True)]
    place, time, transfer = place[alone], time[alone], transfer[alone]
    meets = np.flatnonzero((np.diff(time) <= SOON) & (place[1:] != place[:-1]))
    shown = context.transfer_ids(transfer[np.stack([meets, meets + 1], axis=1).ravel()])
    weight = np.full(len(meets), WEIGHT)
    return make_links(context, place[meets], place[meets + 1], weight, time[meets], time[meets + 1], shown, 2)


def _wakings(context: RingContext) -> tuple[Int64Array, Int64Array]:
    """Return suspects and the transfers with which they woke, in the window."""
    graph = context.snapshot.graph
    account, transfer = context.snapshot.transfers_of(context.suspects.account)
    order = np.lexsort((transfer, account))
    account, transfer = account[order], transfer[order]
    time = graph.time[transfer]
    is_first = np.append(True, account[1:] != account[:-1])[: len(account)]
    rested = np.append(0, np.diff(time))[: len(time)] > REST
    began = int(graph.time[0]) if graph.n_transfers else 0
    wakes = np.where(is_first, time - began > REST, rested) & (time >= context.since)
    return account[wakes], transfer[wakes]
