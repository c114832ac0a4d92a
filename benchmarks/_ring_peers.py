"""Other ways to find rings, for benchmarks/rings.py: members (ring_id, account_id) and the order of the rings."""

from __future__ import annotations

import heapq
from collections import defaultdict

import graspologic_native
import numpy as np
import pandas as pd
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from muledetect.graph import TransferGraph

Candidates = tuple[pd.DataFrame, list[str]]

#: Accounts from this probability on are what a peer that needs suspects begins with.
SUSPECT = 0.2
SMALLEST = 3
#: Weight of what stays in an account, as in FlowScope (Li et al., AAAI 2020).
STAYS = 4.0
#: Peeling ends after so many blocks: one takes up to a second.
MOST_BLOCKS = 40


def pairs(graph: TransferGraph, keep: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Return payer, payee, number of transfers and amount of the pairs of which both ends are kept."""
    inside = keep[graph.source] & keep[graph.target] & (graph.source != graph.target)
    key = graph.source[inside].astype(np.int64) * graph.n_accounts + graph.target[inside]
    found, at, count = np.unique(key, return_inverse=True, return_counts=True)
    amount = np.bincount(at, weights=graph.amount[inside], minlength=len(found))
    return found // graph.n_accounts, found % graph.n_accounts, count, amount


def rank(graph: TransferGraph, label: dict[int, int], probability: np.ndarray) -> Candidates:
    """Name groups of three or more accounts and order them by the sum of their probabilities."""
    rows = pd.DataFrame({"code": list(label), "group": list(label.values())}, dtype=np.int64)
    rows = rows[rows.groupby("group")["code"].transform("size") >= SMALLEST]
    rows["ring_id"] = "g" + rows["group"].astype(str)
    rows["account_id"] = [graph.account_ids[int(code)].as_py() for code in rows["code"]]
    total = pd.Series(probability[rows["code"].to_numpy()], index=rows["ring_id"].to_numpy()).groupby(level=0).sum()
    total = total[total > 0]
    order = total.sort_values(ascending=False, kind="stable").index.tolist()
    return rows.loc[rows["ring_id"].isin(order), ["ring_id", "account_id"]], order


def components(graph: TransferGraph, probability: np.ndarray) -> Candidates:
    """Connected components of the transfers between suspects."""
    keep = probability >= SUSPECT
    source, target, *_ = pairs(graph, keep)
    n = graph.n_accounts
    _, label = connected_components(coo_array((np.ones(len(source)), (source, target)), shape=(n, n)), directed=False)
    return rank(graph, {int(code): int(label[code]) for code in np.flatnonzero(keep)}, probability)


def leiden(graph: TransferGraph, probability: np.ndarray, *, whole: bool) -> Candidates:
    """Leiden for modularity on all transfers (or those between suspects), pairs weighed by number of transfers."""
    keep = np.ones(graph.n_accounts, bool) if whole else probability >= SUSPECT
    source, target, count, _ = pairs(graph, keep)
    weight: dict[tuple[int, int], float] = defaultdict(float)
    for a, b, n in zip(source.tolist(), target.tolist(), count.tolist(), strict=True):
        weight[min(a, b), max(a, b)] += n
    if not weight:
        return rank(graph, {}, probability)
    edges = [(str(a), str(b), w) for (a, b), w in weight.items()]
    _, label = graspologic_native.leiden(edges, resolution=1.0, use_modularity=True, iterations=5, seed=1)
    return rank(graph, {int(name): group for name, group in label.items()}, probability)


def peel(graph: TransferGraph, probability: np.ndarray) -> Candidates:
    """Dense multi-step flow around suspects, found by greedy peeling as FlowScope does, one block after the other.

    Every account may stand in the first, middle and last layer. The block's density is the sum over middle accounts of
    min(in, out) - STAYS * |in - out|, in and out counted within the block, over its size; the account whose loss hurts
    least is taken away until none is left, and the densest block on the way counts.
    """
    source, target, _, amount = pairs(graph, np.ones(graph.n_accounts, bool))
    is_near = (probability[source] >= SUSPECT) | (probability[target] >= SUSPECT)
    source, target, amount = source[is_near], target[is_near], amount[is_near]
    alive_pair = np.ones(len(source), bool)
    label: dict[int, int] = {}
    for block in range(MOST_BLOCKS):
        found = _densest(source[alive_pair], target[alive_pair], amount[alive_pair])
        if len(found) < SMALLEST:
            break
        label |= dict.fromkeys(found, block)
        gone = np.isin(source, found) | np.isin(target, found)
        alive_pair &= ~gone
    return rank(graph, label, np.maximum(probability, 1e-9))


def _densest(source: np.ndarray, target: np.ndarray, amount: np.ndarray) -> list[int]:
    paid_to: dict[int, list[tuple[int, float]]] = defaultdict(list)
    paid_by: dict[int, list[tuple[int, float]]] = defaultdict(list)
    flow_in: dict[int, float] = defaultdict(float)
    flow_out: dict[int, float] = defaultdict(float)
    for a, b, x in zip(source.tolist(), target.tolist(), amount.tolist(), strict=True):
        paid_to[a].append((b, x))
        paid_by[b].append((a, x))
        flow_out[a] += x
        flow_in[b] += x
    alive = set(flow_in) | set(flow_out)

    def worth(code: int) -> float:
        i, o = flow_in[code], flow_out[code]
        return min(i, o) - STAYS * abs(i - o) if i and o else 0.0

    value = {code: worth(code) for code in alive}
    total = sum(value.values())
    heap = [(max(worth_of, 0.0) + flow_in[code] + flow_out[code], code) for code, worth_of in value.items()]
    heapq.heapify(heap)
    best, best_size, removed = -np.inf, 0, []
    n_all = len(alive)
    while heap:
        key, code = heapq.heappop(heap)
        if code not in alive:
            continue
        now = max(value[code], 0.0) + flow_in[code] + flow_out[code]
        if now < key - 1e-6:
            heapq.heappush(heap, (now, code))
            continue
        if len(alive) >= SMALLEST and total / len(alive) > best:
            best, best_size = total / len(alive), len(removed)
        alive.discard(code)
        removed.append(code)
        total -= value.pop(code)
        for other, x in paid_to[code]:
            if other in alive:
                flow_in[other] -= x
        for other, x in paid_by[code]:
            if other in alive:
                flow_out[other] -= x
        for other in {name for name, _ in paid_to[code]} | {name for name, _ in paid_by[code]}:
            if other in alive:
                total += worth(other) - value[other]
                value[other] = worth(other)
                heapq.heappush(heap, (max(value[other], 0.0) + flow_in[other] + flow_out[other], other))
    kept = removed[best_size:]
    return kept if len(kept) < n_all else []
