"""How likely an account is to belong to a ring, by what is known of it and of those it deals with.

A score looks at one account. A ring shows in the accounts around it: who relays money to whom, who disputes whose
payments, who shares a phone with whom. So each account's own evidence is joined with that of its neighbours by a
logistic model of few columns, twice over, which carries the suspicion two steps further.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

import numba
import numpy as np
from scipy.special import expit, logit

from muledetect.arrays import Int32Array, Int64Array
from muledetect.graph import TransferGraph
from muledetect.rings.knowledge import Knowledge
from muledetect.rings.money import Float64Array, first_position, match_relayed_money
from muledetect.rings.sharing import IN_SESSIONS, Uses, uses_in_sessions

if TYPE_CHECKING:
    from muledetect.records import Dataset

#: Coefficients of an account's own evidence, and of that together with its neighbours'. Fitted on the truth of
#: simulated worlds by `python benchmarks/rings.py --fit`, rounded. A name that is not here counts 0.
OWN: Final[Mapping[str, float]] = MappingProxyType(
    {
        "intercept": 0.0, "score": 1.2, "no_score": -5.7, "complaints": 6.7, "complaints_no_score": 2.3, "listed": 6.8,
        "complained": -0.2,
    }
)  # fmt: skip
WITH_NEIGHBOURS: Final[Mapping[str, float]] = MappingProxyType(
    {
        "intercept": 1.7, "score": 0.7, "no_score": -2.7, "complaints": 4.9, "complaints_no_score": 1.2,
        "listed": 4.5, "complained": -1.0, "relayed_to": 1.4, "relayed_on": 3.3, "relayed_through": 0.7,
        "paid_by": 1.0, "paid": 2.0, "relayed_share": 3.1, "passed_on": 1.2, "paid_share": 1.3,
        "counterparties": -1.0, "device": 0.5, "ip": 0.6, "wifi": 2.1,
    }
)  # fmt: skip

#: The neighbours are heard so often.
ROUNDS: Final = 2

#: An account with fewer transfers with suspects is a one-off recipient or payer: its own evidence alone counts.
LEAST_DEALINGS: Final = 2

#: Less suspicion is not heard of: everybody has a crowd of hardly suspicious neighbours.
ACTIVE: Final = 0.2

#: Scores' probabilities are kept within these, so that a single very low one cannot outweigh all that neighbours say.
CLIP: Final = (1e-3, 0.99)

#: Floats are added up as multiples of this, so that no sum depends on the order of names.
_UNIT: Final = 2.0**-40


@dataclass(frozen=True, eq=False)
class Suspicion:
    """Suspicion of accounts by their own evidence, and with that of the neighbours.

    Attributes
    ----------
    account : int32[n]
        Ascending codes; all others have suspicion 0 and no neighbour of note.
    own, together : float64[n]
        0 to 1.
    """

    account: Int32Array
    own: Float64Array
    together: Float64Array


def find_suspicion(
    dataset: Dataset, graph: TransferGraph, known: Knowledge, *, since: int, as_of: int, dwell: int, most: int
) -> Suspicion:
    """Score the accounts around all own evidence.

    Parameters
    ----------
    graph : TransferGraph
        Cut at `as_of`.
    since, as_of, dwell : int
        Window and dwell limit, microseconds.
    most : int
        Accounts with more counterparties in the window are hubs, and are looked at only on own evidence.

    Notes
    -----
    The columns are named in `columns`. Institutions have suspicion 0. O(accounts + transfers of the accounts with
    suspicion and of their counterparties), per round.
    """
    everyone = np.arange(graph.n_accounts, dtype=np.int32)
    own = _apply(own_columns(known, everyone), OWN) * ~known.is_institution
    heard = own
    near = np.flatnonzero(own >= ACTIVE).astype(np.int32)
    for _ in range(ROUNDS):
        near = around(graph, known, heard, since=since, most=most)
        table = columns(dataset, graph, known, near, heard, since=since, as_of=as_of, dwell=dwell)
        latest = np.zeros(graph.n_accounts)
        told = np.where(table["dealings"] >= LEAST_DEALINGS, _apply(table, WITH_NEIGHBOURS), own[near])
        latest[near] = told * ~known.is_institution[near]
        heard = latest
    return Suspicion(near, own[near], heard[near])


def around(graph: TransferGraph, known: Knowledge, heard: Float64Array, *, since: int, most: int) -> Int32Array:
    """Return the accounts with suspicion, and those that dealt with one in the window and are no hub; ascending."""
    is_active = heard >= ACTIVE
    active = np.flatnonzero(is_active).astype(np.int32)
    transfer = known_transfers(graph, known, active, since)
    others = np.unique(np.concatenate([graph.source[transfer], graph.target[transfer]]))
    others = others[~is_active[others]]
    first = int(np.searchsorted(graph.time, since, side="left"))
    small = others[count_counterparties(graph, others, first, most) <= most]
    return np.union1d(active, small).astype(np.int32)


def known_transfers(graph: TransferGraph, known: Knowledge, accounts: Int32Array, since: int) -> Int64Array:
    """Return the positions of the transfers of `accounts` since a moment that can bind two members, ascending."""
    first = int(np.searchsorted(graph.time, since, side="left"))
    found = np.unique(_transfers_of(accounts, *graph.incoming, *graph.outgoing, first))
    return found[known.binds(graph, found)]


def known_positions(graph: TransferGraph, accounts: Int32Array) -> tuple[Int64Array, Int64Array]:
    """Return every transfer of `accounts`: which of them took part (position), and the transfer's position."""
    n_of = (graph.incoming.stop - graph.incoming.start + graph.outgoing.stop - graph.outgoing.start)[accounts]
    return np.repeat(np.arange(len(accounts)), n_of), _transfers_of(accounts, *graph.incoming, *graph.outgoing, 0)


def own_columns(known: Knowledge, accounts: Int32Array) -> dict[str, Float64Array]:
    """Return what is known of each account by itself: score (log-odds), whether there is none, complaints, lists."""
    probability = known.probability[accounts]
    has_score = np.isfinite(probability)
    complaints = np.log1p(known.n_complaints[accounts])
    return {
        "score": np.where(has_score, logit(np.clip(np.where(has_score, probability, 0.5), *CLIP)), 0.0),
        "no_score": (~has_score).astype(np.float64),
        "complaints": complaints,
        "complaints_no_score": complaints * ~has_score,
        "listed": known.is_listed[accounts].astype(np.float64),
        "complained": (known.has_complained[accounts] & (known.n_complaints[accounts] == 0)).astype(np.float64),
    }


def columns(
    dataset: Dataset, graph: TransferGraph, known: Knowledge, near: Int32Array, heard: Float64Array,
    *, since: int, as_of: int, dwell: int,
) -> dict[str, Float64Array]:  # fmt: skip
    """Return the columns of the model with neighbours, for the accounts `near`.

    Notes
    -----
    With `s` the suspicion heard of before, `r` how well a transfer matches money that its payer had just received
    (`match_relayed_money`), and sums over counterparties that take the best transfer of each:

    - relayed_to, relayed_on: log(1 + sum of s r) over payers and over payees
    - paid_by, paid: log(1 + sum of s) over payers and over payees
    - relayed_share: share of the inflow that is relayed money of payers, weighed by s; passed_on: of that, the share
      that left within the dwell limit; relayed_through: log(1 + sum of s r r') with r' how well it was passed on
    - paid_share: share of the outflow that went to payees, weighed by s; this and `paid` are 0 for an account that no
      suspect paid: whoever only pays is a victim rather than a mule
    - counterparties: log(1 + number of payers + number of payees)
    - dealings: number of transfers with suspects; not part of the model
    - device, ip, wifi: log(1 + largest sum of s over those that used the same at about the same time, by rarity)
    """
    money = match_relayed_money(graph, near, since=since, dwell=dwell)
    is_active = heard >= ACTIVE
    edge = known_transfers(graph, known, near[is_active[near]], since)
    source, target = (np.searchsorted(near, end[edge]) for end in (graph.source, graph.target))
    inside = (source < len(near)) & (target < len(near))
    inside &= near[np.minimum(source, len(near) - 1)] == graph.source[edge]
    inside &= near[np.minimum(target, len(near) - 1)] == graph.target[edge]
    edge, source, target = edge[inside], source[inside], target[inside]
    s = np.where(is_active[near], heard[near], 0.0)
    debit = _rows_of(money.transfer, money.is_debit, edge)
    credit = _rows_of(money.transfer, ~money.is_debit, edge)
    left, passed = money.strength[debit], money.strength[credit]
    payer, payee = s[source], s[target]
    inflow, outflow, n_others = _totals(near, *graph.incoming, *graph.outgoing, graph.source, graph.target,
                                        graph.amount, int(np.searchsorted(graph.time, since, side="left")))  # fmt: skip
    n = len(near)
    pair = _Pairs.of(source, target, n)
    dirty = payer * (money.amount[debit] / np.maximum(inflow[target], 1))
    share = _sum(dirty, target, n)
    on = _sum(dirty * (money.amount[credit] / graph.amount[edge]), target, n)
    paid_by = pair.best(payer, pair.target, n)
    log = np.log1p
    found = own_columns(known, near) | {
        "relayed_to": log(pair.best(payer * left, pair.target, n)),
        "relayed_on": log(pair.best(payee * left, pair.source, n)),
        "relayed_through": log(pair.best(payer * left * passed, pair.target, n)),
        "paid_by": log(paid_by),
        "paid": log(np.where(paid_by > 0, pair.best(payee, pair.source, n), 0.0)),
        "relayed_share": share,
        "passed_on": np.divide(on, share, out=np.zeros(n), where=share > 0),
        "paid_share": np.where(
            paid_by > 0, _sum(payee * (graph.amount[edge] / np.maximum(outflow[source], 1)), source, n), 0.0
        ),
        "counterparties": log(n_others),
        "dealings": np.bincount(np.concatenate([source, target]), minlength=n).astype(np.float64),
    }
    for kind in IN_SESSIONS:
        found[kind] = log(_shared(uses_in_sessions(dataset, graph, near, kind, as_of), s))
    return found


def _apply(table: Mapping[str, Float64Array], weights: Mapping[str, float]) -> Float64Array:
    total = np.full(len(next(iter(table.values()))), weights["intercept"])
    for name, values in table.items():
        total = total + weights.get(name, 0.0) * values
    return np.asarray(expit(total))


@dataclass(frozen=True, eq=False)
class _Pairs:
    """Transfers by directed pair of accounts."""

    of_transfer: Int64Array
    source: Int64Array
    target: Int64Array

    @classmethod
    def of(cls, source: Int64Array, target: Int64Array, n: int) -> _Pairs:
        pairs, of_transfer = np.unique(source * n + target, return_inverse=True)
        return cls(of_transfer, pairs // max(n, 1), pairs % max(n, 1))

    def best(self, value: Float64Array, end: Int64Array, n: int) -> Float64Array:
        """Sum up, by one end, the largest value of each pair."""
        most = np.zeros(len(self.source))
        np.maximum.at(most, self.of_transfer, value)
        return _sum(most, end, n)


def _sum(value: Float64Array, at: Int64Array, n: int) -> Float64Array:
    total = np.zeros(n, np.int64)
    np.add.at(total, at, np.round(value / _UNIT).astype(np.int64))
    return np.asarray(total * _UNIT, np.float64)


def _shared(uses: Uses, s: Float64Array) -> Float64Array:
    most = np.zeros(len(s))
    if len(uses):
        in_group = _sum(s[uses.account], uses.group, int(uses.group.max()) + 1)
        others = np.maximum(in_group[uses.group] - s[uses.account], 0.0)
        np.maximum.at(most, uses.account, others * np.sqrt(uses.rarity))
    return most


def _rows_of(transfer: Int32Array, chosen: np.ndarray[tuple[int], np.dtype[np.bool_]], edge: Int64Array) -> Int64Array:
    rows = np.flatnonzero(chosen)
    order = np.argsort(transfer[rows], kind="stable")
    return rows[order[np.searchsorted(transfer[rows[order]], edge)]]


def count_counterparties(graph: TransferGraph, accounts: Int32Array, first: int, most: int) -> Int64Array:
    """Count distinct counterparties of accounts since position `first`; counting stops at `most + 1`."""
    return _count_counterparties(
        accounts, *graph.incoming, *graph.outgoing, graph.source, graph.target, first, most, graph.n_accounts
    )


@numba.njit(cache=True, nogil=True)
def _transfers_of(  # type: ignore[no-untyped-def]
    accounts, in_start, in_stop, in_transfer, out_start, out_stop, out_transfer, first
) -> Int64Array:
    n = 0
    for a in accounts:
        n += in_stop[a] - first_position(in_transfer, in_start[a], in_stop[a], first)
        n += out_stop[a] - first_position(out_transfer, out_start[a], out_stop[a], first)
    found = np.empty(n, np.int64)
    n = 0
    for a in accounts:
        for j in range(first_position(in_transfer, in_start[a], in_stop[a], first), in_stop[a]):
            found[n] = in_transfer[j]
            n += 1
        for j in range(first_position(out_transfer, out_start[a], out_stop[a], first), out_stop[a]):
            found[n] = out_transfer[j]
            n += 1
    return found


@numba.njit(cache=True, nogil=True)
def _totals(  # type: ignore[no-untyped-def]
    accounts, in_start, in_stop, in_transfer, out_start, out_stop, out_transfer, source, target, amount, first
):
    """Inflow, outflow, and number of distinct payers plus that of distinct payees, since position `first`."""
    inflow = np.zeros(len(accounts), np.int64)
    outflow = np.zeros(len(accounts), np.int64)
    n_others = np.zeros(len(accounts), np.int64)
    paid_by = np.full(len(in_start), -1, np.int32)
    paid = np.full(len(in_start), -1, np.int32)
    for k in range(len(accounts)):
        a = accounts[k]
        for j in range(first_position(in_transfer, in_start[a], in_stop[a], first), in_stop[a]):
            i = in_transfer[j]
            inflow[k] += amount[i]
            if paid_by[source[i]] != k:
                paid_by[source[i]] = k
                n_others[k] += 1
        for j in range(first_position(out_transfer, out_start[a], out_stop[a], first), out_stop[a]):
            i = out_transfer[j]
            outflow[k] += amount[i]
            if paid[target[i]] != k:
                paid[target[i]] = k
                n_others[k] += 1
    return inflow, outflow, n_others


@numba.njit(cache=True, nogil=True)
def _count_counterparties(  # type: ignore[no-untyped-def]
    accounts, in_start, in_stop, in_transfer, out_start, out_stop, out_transfer, source, target, first, most, n_accounts
) -> Int64Array:
    n_others = np.zeros(len(accounts), np.int64)
    seen_by = np.full(n_accounts, -1, np.int32)
    for k in range(len(accounts)):
        a = accounts[k]
        seen_by[a] = k
        for j in range(first_position(in_transfer, in_start[a], in_stop[a], first), in_stop[a]):
            other = source[in_transfer[j]]
            if seen_by[other] != k:
                seen_by[other] = k
                n_others[k] += 1
            if n_others[k] > most:
                break
        for j in range(first_position(out_transfer, out_start[a], out_stop[a], first), out_stop[a]):
            if n_others[k] > most:
                break
            other = target[out_transfer[j]]
            if seen_by[other] != k:
                seen_by[other] = k
                n_others[k] += 1
    return n_others
