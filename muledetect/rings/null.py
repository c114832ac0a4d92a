"""How far each kind of link goes beyond chance in this data set: one that does not counts nothing.

Kinds differ in what they say from bank to bank: where all transfers of a day are simultaneous, everybody relays
everything; where a network's gateway is the address of all, all share it. What chance would bring about here is
reckoned for each kind, and what is left counts.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import numpy as np
import pyarrow as pa
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from muledetect.arrays import Float64Array, places_in
from muledetect.rings.links import RingContext
from muledetect.rings.pairs import count_pairs
from muledetect.rings.ring import NULL

#: Fewer links cannot be judged: they count as elsewhere.
FEWEST: Final = 20

#: What is observed must exceed what chance brings about by so many standard deviations.
DEVIATIONS: Final = 2.0

#: Payments of at least this strength times the suspicion of both ends join groups, by which other kinds are judged.
FIRM: Final = 0.25


def weigh_kinds(context: RingContext, found: Mapping[str, pa.Table]) -> pa.Table:
    """Return what each kind of link counts here, shape `NULL`, a row a kind.

    - payment: pairs of suspects of which one paid the other, against `payees of suspects * payers of suspects / pairs`,
      what a world with partners drawn by lot has; all in proportion to suspicion. The factor brings the sum of all
      strengths down to the pairs beyond chance, and is 0 if their excess is within two standard deviations.
    - relay: mean strength of the relays from suspect to suspect, against that of all other transfers of suspects
    - others: share of links whose ends firm payments join, against that of any two suspects

    The factor of the others is (observed - by chance) / (best - by chance) with `best` the observed for relays, else
    1; 0 if the excess is within two standard deviations, 1 if there are fewer than 20 links or no payments.
    O(links + transfers of suspects).
    """
    judges = {"payment": _judge_payment, "relay": _judge_relay}
    rows: list[tuple[str, int, float | None, float | None, float]] = []
    for kind, links in found.items():
        judge = judges.get(kind, _judge_other)
        judged = (None, None, 1.0) if links.num_rows < FEWEST else judge(context, links)
        rows.append((kind, links.num_rows, *judged))
    return pa.Table.from_pylist([dict(zip(NULL.names, row, strict=True)) for row in rows], schema=NULL)


Judged = tuple[float | None, float | None, float]


def _judge_payment(context: RingContext, _links: pa.Table) -> Judged:
    dealings, pairs, s = context.dealings, context.pairs, context.suspects.suspicion
    n_all = max(count_pairs(context.snapshot.graph, context.since), 1)
    both = s[pairs.source] * s[pairs.target]
    chance = _total(s * dealings.n_payees) * _total(s * dealings.n_payers) / n_all
    observed, strength = _total(both), _total(both * context.strength)
    if observed - chance <= DEVIATIONS * np.sqrt(chance):
        return chance, observed, 0.0
    return chance, observed, min(1.0, (observed - chance) / strength)


def _total(values: Float64Array) -> float:
    """Add up in the order of size: no name decides the last bit."""
    return float(np.sort(values).sum())


def _judge_relay(context: RingContext, _links: pa.Table) -> Judged:
    money = context.relayed_money
    inside = np.isin(money.transfer, context.paid) & money.is_debit
    own, others = (np.sort(money.strength[rows]) for rows in (inside, money.is_debit & ~inside))
    if len(own) < FEWEST or len(others) < FEWEST:
        return None, None, 1.0
    chance, observed = float(others.mean()), float(own.mean())
    deviation = float(np.sqrt(others.var() / len(others) + own.var() / len(own)))
    if observed - chance <= DEVIATIONS * deviation:
        return chance, observed, 0.0
    return chance, observed, (observed - chance) / observed


def _judge_other(context: RingContext, links: pa.Table) -> Judged:
    suspects, pairs, n = context.suspects, context.pairs, len(context.suspects)
    firm = context.strength * (suspects.suspicion[pairs.source] * suspects.suspicion[pairs.target]) >= FIRM
    if firm.sum() < FEWEST:
        return None, None, 1.0
    ends = (pairs.source[firm], pairs.target[firm])
    _, group = connected_components(coo_array((np.ones(len(ends[0])), ends), shape=(n, n)), directed=False)
    size = np.bincount(group)
    chance = float((size * (size - 1)).sum()) / (n * (n - 1))
    left, right = (group[places_in(suspects.account, links[end].to_numpy())] for end in ("source", "target"))
    observed = float((left == right).mean())
    if observed - chance <= DEVIATIONS * np.sqrt(chance * (1 - chance) / links.num_rows):
        return chance, observed, 0.0
    return chance, observed, (observed - chance) / (1 - chance)


def factor_of(judged: pa.Table) -> dict[str, float]:
    """Return the factor of each kind."""
    return dict(zip(judged["kind"].to_pylist(), judged["factor"].to_pylist(), strict=True))
