"""The typology of a ring: which shape the money between its members takes, and the transfers that show it.

Each shape is a set of pairs, payer and payee. How well it describes the ring is its strength:

    strength = share of the members that it touches * share of the money between members that its pairs moved

The strongest shape of half or more names the ring; otherwise it is mixed. Shapes but cycles follow the order of time as
far as the clock tells it: transfers of one tick may follow each other. Nothing depends on names or the order of rows.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from muledetect.arrays import MISSING, NEVER, BoolArray, Int64Array
from muledetect.graph import TransferGraph
from muledetect.rings.flows import Flows

#: A shape that describes less names no ring.
LEAST: Final = 0.5
#: A side of a bipartite ring or a stack pays so many times what it gets, or the other way round.
ONE_SIDED: Final = 4
#: A ring of more members is mixed, unseen: no person could check its shape.
MOST_MEMBERS: Final = 500
#: So many transfers of a shape, the largest, are shown.
MOST_SHOWN: Final = 30


@dataclass(frozen=True, eq=False)
class Inner:
    """Money between the members of one ring, numbered from 0, and when it moved."""

    money: Int64Array  # [n, n] from payer to payee
    first: Int64Array  # [n, n] first and last transfer of each pair; NEVER and MISSING without one
    last: Int64Array

    @property
    def pays(self) -> BoolArray:
        """Which pairs have a transfer, [n, n]."""
        return np.asarray(self.money > 0)


def find_typologies(graph: TransferGraph, flows: Flows, ring: Int64Array) -> tuple[list[str | None], list[Int64Array]]:
    """Return the typology of each ring, None where no money moves between members, and the transfers that show it.

    Parameters
    ----------
    graph : TransferGraph
    flows : Flows
        Its `inner` transfers, with `payer` and `payee`, are what counts.
    ring : int64[n_members]
        Ring of each member row; -1 = not looked at.

    Notes
    -----
    O(transfers between members + members ** 3) a ring.
    """
    names: list[str | None] = []
    shown: list[Int64Array] = []
    n_rings = int(ring.max(initial=-1)) + 1
    at = ring[flows.payer]
    by_ring = np.argsort(at, kind="stable")
    bounds = np.searchsorted(at[by_ring], np.arange(n_rings + 1))
    place = _places(ring)
    size = np.bincount(ring[ring >= 0], minlength=n_rings)
    for k in range(n_rings):
        rows = by_ring[bounds[k] : bounds[k + 1]]
        rows = rows[np.argsort(flows.inner[rows], kind="stable")]
        transfer = flows.inner[rows]
        if not len(transfer) or size[k] > MOST_MEMBERS:
            names.append("mixed" if len(transfer) else None)
            shown.append(transfer[:0])
            continue
        payer, payee = place[flows.payer[rows]], place[flows.payee[rows]]
        name, pairs = name_shape(_inner(int(size[k]), payer, payee, graph.time[transfer], graph.amount[transfer]))
        names.append(name)
        transfer = transfer[pairs[payer, payee]]
        largest = np.argsort(-graph.amount[transfer], kind="stable")[:MOST_SHOWN]
        shown.append(np.sort(transfer[largest]))
    return names, shown


def name_shape(inner: Inner) -> tuple[str, BoolArray]:
    """Return the name of the strongest shape and its pairs, bool[n, n]; `mixed`, without pairs, if none is strong."""
    best, found = "mixed", np.zeros_like(inner.pays)
    most = LEAST
    total = float(inner.money.sum()) * len(inner.money)
    for name, find in SHAPES.items():
        pairs = find(inner)
        n_members = int((pairs.any(axis=0) | pairs.any(axis=1)).sum())
        strength = n_members * float(inner.money[pairs].sum()) / total
        if strength > most or (strength == most and best == "mixed"):
            best, found, most = name, pairs, strength
    return best, found


def _places(ring: Int64Array) -> Int64Array:
    """Return the number of each member row within its ring."""
    order = np.argsort(ring, kind="stable")
    starts = np.searchsorted(ring[order], ring[order])
    place = np.empty(len(ring), np.int64)
    place[order] = np.arange(len(ring)) - starts
    return place


def _inner(n: int, payer: Int64Array, payee: Int64Array, time: Int64Array, amount: Int64Array) -> Inner:
    money = np.zeros((n, n), np.int64)
    first, last = np.full((n, n), NEVER), np.full((n, n), MISSING)
    np.add.at(money, (payer, payee), amount)
    np.minimum.at(first, (payer, payee), time)
    np.maximum.at(last, (payer, payee), time)
    return Inner(money, first, last)


def fan_in(inner: Inner) -> BoolArray:
    """Two members or more pay one: the payments to the one of most payers and money."""
    return _fan(inner.pays, inner.money)


def fan_out(inner: Inner) -> BoolArray:
    """One member pays two or more."""
    return _fan(inner.pays.T, inner.money.T).T


def _fan(pays: BoolArray, money: Int64Array) -> BoolArray:
    pairs, n_payers = np.zeros_like(pays), pays.sum(axis=0)
    worth = np.where(n_payers >= 2, (n_payers + 1.0) * money.sum(axis=0), 0.0)
    if worth.any():
        pairs[:, np.argmax(worth)] = pays[:, np.argmax(worth)]
    return pairs


def gather_scatter(inner: Inner) -> BoolArray:
    """Two members or more pay one, which then pays two or more others."""
    pays, best, most = inner.pays, np.zeros_like(inner.pays), 0.0
    for hub in np.flatnonzero((pays.sum(axis=0) >= 2) & (pays.sum(axis=1) >= 2)):
        comes, goes = pays[:, hub] & ~pays[hub], pays[hub] & ~pays[:, hub]
        begin = inner.first[comes, hub].min(initial=NEVER)
        end = inner.last[hub, goes].max(initial=MISSING)
        comes, goes = comes & (inner.first[:, hub] <= end), goes & (inner.last[hub] >= begin)
        moved = float(inner.money[comes, hub].sum() + inner.money[hub, goes].sum())
        worth = moved * float(comes.sum() + goes.sum() + 1)
        if comes.sum() >= 2 and goes.sum() >= 2 and worth > most:
            best, most = np.zeros_like(pays), worth
            best[comes, hub] = best[hub, goes] = True
    return best


def scatter_gather(inner: Inner) -> BoolArray:
    """One member pays two or more, which then all pay another."""
    pays, best, most = inner.pays, np.zeros_like(inner.pays), 0.0
    for origin in np.flatnonzero(pays.sum(axis=1) >= 2):
        over = pays[origin][:, None] & pays & (inner.first[origin][:, None] <= inner.last)
        over[:, origin] = over[origin] = False
        n_over = over.sum(axis=0)
        moved = np.where(over, inner.money[origin][:, None] + inner.money, 0).sum(axis=0)
        worth = np.where(n_over >= 2, (n_over + 2.0) * moved, 0.0)
        end = int(np.argmax(worth))
        if worth[end] > most:
            best, most = np.zeros_like(pays), float(worth[end])
            best[origin, over[:, end]] = best[over[:, end], end] = True
    return best


def bipartite(inner: Inner) -> BoolArray:
    """Two payers or more that each pay two payees or more, and these are each paid by two or more."""
    source, target, _ = _sides(inner)
    pairs = inner.pays & source[:, None] & target[None, :]
    while True:
        kept = pairs & (pairs.sum(axis=1) >= 2)[:, None] & (pairs.sum(axis=0) >= 2)[None, :]
        if (kept == pairs).all():
            return np.asarray(pairs)
        pairs = kept


def stack(inner: Inner) -> BoolArray:
    """Two bipartite layers in the order of time: payers, two middles or more, payees."""
    source, target, middle = _sides(inner)
    into = inner.pays & source[:, None] & middle[None, :]
    out = inner.pays & middle[:, None] & target[None, :]
    while True:
        begin = np.where(into, inner.first, NEVER).min(axis=0)
        end = np.where(out, inner.last, MISSING).max(axis=1)
        holds = (into.sum(axis=0) >= 2) & (out.sum(axis=1) >= 2) & (begin <= end)
        kept_into = into & holds[None, :] & (into.sum(axis=1) >= 2)[:, None]
        kept_out = out & holds[:, None] & (out.sum(axis=0) >= 2)[None, :]
        if (kept_into == into).all() and (kept_out == out).all():
            return np.asarray(into | out)
        into, out = kept_into, kept_out


def _sides(inner: Inner) -> tuple[BoolArray, BoolArray, BoolArray]:
    """Return who mostly pays, who mostly gets, and who does both."""
    paid, got = inner.money.sum(axis=1), inner.money.sum(axis=0)
    source, target = (paid > 0) & (paid >= ONE_SIDED * got), (got > 0) & (got >= ONE_SIDED * paid)
    return source, target, ~source & ~target


def chain(inner: Inner) -> BoolArray:
    """Money goes from one member to the next, two hops or more: each is the main payee of its main payer."""
    money, n = inner.money, len(inner.money)
    is_main = (money > 0) & (money == money.max(axis=1, keepdims=True)) & (money == money.max(axis=0))
    # an account with two equal main payees has none
    is_main &= (is_main.sum(axis=1) == 1)[:, None] & (is_main.sum(axis=0) == 1)[None, :]
    follows = np.where(is_main.any(axis=1), is_main.argmax(axis=1), -1)
    goes_on = np.zeros(n, np.bool_)  # it pays on what its main payer paid before
    for payer in np.flatnonzero(follows >= 0):
        middle = follows[payer]
        if follows[middle] >= 0:
            goes_on[middle] = inner.first[payer, middle] <= inner.last[middle, follows[middle]]
    best, most = np.zeros_like(inner.pays), 0.0
    for start in np.flatnonzero((follows >= 0) & ~goes_on):
        path = [int(start), int(follows[start])]
        while goes_on[path[-1]] and follows[path[-1]] not in path:
            path.append(int(follows[path[-1]]))
        moved = float(money[path[:-1], path[1:]].sum()) * len(path)
        if len(path) >= 3 and moved > most:
            best, most = np.zeros_like(inner.pays), moved
            best[path[:-1], path[1:]] = True
    return best


def cycle(inner: Inner) -> BoolArray:
    """Payments lead back to where they began, over three members or more: all pairs from which a way leads back.

    In any order of time: a ring that balances its accounts later is one, too. Straight back is none.
    """
    pays = inner.pays
    _, part = connected_components(coo_array(pays), directed=True, connection="strong")
    pairs = pays & (part[:, None] == part[None, :])
    for payer, payee in zip(*np.nonzero(pairs & pairs.T), strict=True):
        seen = np.zeros(len(pays), np.bool_)
        seen[payee] = True
        ahead = pays[payee].copy()
        ahead[payer] = False
        while (ahead & ~seen).any():
            seen |= ahead
            ahead = pays[seen & (np.arange(len(pays)) != payee)].any(axis=0)
        pairs[payer, payee] = seen[payer]
    return np.asarray(pairs)


#: In this order where two describe a ring equally well.
SHAPES: Final[Mapping[str, Callable[[Inner], BoolArray]]] = {
    "cycle": cycle,
    "scatter_gather": scatter_gather,
    "gather_scatter": gather_scatter,
    "stack": stack,
    "bipartite": bipartite,
    "fan_in": fan_in,
    "fan_out": fan_out,
    "chain": chain,
}
