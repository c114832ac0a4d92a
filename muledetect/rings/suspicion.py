"""How likely an account is to belong to a ring, by what is known of it and of those it deals with.

A score looks at one account. A ring shows in the accounts around it: who relays money to whom, who disputes whose
payments, who shares a phone with whom. So each account's own evidence is joined with that of its neighbours by a
logistic model of few columns, twice over, which carries the suspicion two steps further.

What neighbours tell was learnt on other data. Here it moves suspicion from account to account and makes none: beside
complaints and lists, the expected number of mules stays within what the scores allow.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

import numpy as np
from scipy.special import expit, logit

from muledetect.arrays import BoolArray, Float64Array, Int32Array, Int64Array, places_in, sum_at
from muledetect.facts import Snapshot
from muledetect.rings.account_evidence import AccountEvidence
from muledetect.rings.money import match_relayed_money
from muledetect.rings.pairs import measure_dealings, weigh_pairs
from muledetect.rings.sharing import IN_SESSIONS, Uses, find_uses

#: Coefficients of an account's own evidence, and of that together with its neighbours'. Fitted on the truth of banks of
#: several makers, each as heavy as the others, and rounded; see decision 053. A name that is not here counts 0.
OWN: Final[Mapping[str, float]] = MappingProxyType(
    {
        "intercept": 0.0, "score": 1.2, "no_score": -5.7, "complaints": 6.7, "complaints_no_score": 2.3, "listed": 6.8,
        "complained": -0.2,
    }
)  # fmt: skip
WITH_NEIGHBOURS: Final[Mapping[str, float]] = MappingProxyType(
    {
        "intercept": -3.1, "score": 0.72, "no_score": -4.1, "complaints": 8.3, "listed": 7.1, "complained": -4.3,
        "around": 1.0, "bound_in": 2.0, "bound_out": 1.8, "bound_out_only": 4.5, "strongest": 3.2, "relayed_to": 1.9,
        "relayed_on": 2.5, "relayed_through": 4.5, "device": 1.1, "wifi": 2.4,
    }
)  # fmt: skip

#: So often each account takes in the suspicion of its neighbours.
ROUNDS: Final = 2

#: Less suspicion does not spread: everybody has a crowd of hardly suspicious neighbours.
ACTIVE: Final = 0.2

#: Whoever is bound to payers by less than this, summed over them, had nothing to pass on: what it pays is its own.
RECEIVED: Final = 0.1

#: Scores' probabilities are kept within these, so that a single very low one cannot outweigh all of its neighbours.
CLIP: Final = (1e-3, 0.99)

#: How reliable the watch lists were on which the weight of `listed` was fitted; and between these the reliability of a
#: registry's entry is believed.
LISTED: Final = 0.75
TRUSTED: Final = (0.01, 0.99)

#: Floats are added up as multiples of this, so that no sum depends on the order of names.
_UNIT: Final = 2.0**-40

_HALVINGS: Final = 60


def find_suspicion(
    snapshot: Snapshot, evidence: AccountEvidence, *, since: int, holding_time: int, most: int
) -> tuple[Int32Array, Float64Array, Float64Array]:
    """Return the accounts around all own evidence (ascending codes), and their suspicion by own evidence and together.

    All other accounts have suspicion 0, and so have those that serve the public. Accounts with more than `most`
    counterparties in the window are looked at only on own evidence; the columns are named in `columns`. O(accounts +
    transfers of the accounts with suspicion and of their counterparties), per round.
    """
    everyone = np.arange(snapshot.graph.n_accounts, dtype=np.int32)
    alone, is_private = own_columns(evidence, everyone), ~snapshot.serves_public
    own = expit(add_up(alone, OWN)) * is_private
    allowed, is_free = allowance(snapshot, evidence)
    suspicion, accounts, before = own, np.flatnonzero(own >= ACTIVE).astype(np.int32), add_up(alone, WITH_NEIGHBOURS)
    for _ in range(ROUNDS):
        accounts = around(snapshot, suspicion, since=since, most=most)
        table = columns(snapshot, evidence, accounts, suspicion, since=since, holding_time=holding_time)
        odds = before.copy()
        odds[accounts] = add_up(table, WITH_NEIGHBOURS)
        odds -= excess(odds[is_free], allowed)
        suspicion = np.zeros(len(everyone))
        suspicion[accounts] = expit(odds[accounts]) * is_private[accounts]
    return accounts, own[accounts], suspicion[accounts]


def allowance(snapshot: Snapshot, evidence: AccountEvidence) -> tuple[float, BoolArray]:
    """Return how many mules the scores allow among the accounts of which they alone tell, and which accounts these are.

    They have a score and a transfer, and neither complaint nor list names them. With `m` the sum of their
    probabilities, it is `m r + 2 sqrt(m r) + 2`: what chance may add, and two that nobody thought of. `r`, at least 1,
    is by how much scores fall short of what complaints and lists show: (accounts that they name + 1) / (sum of the
    probabilities of these + 1). O(n log n).
    """
    graph, is_named = snapshot.graph, (evidence.n_complaints > 0) | (listing(evidence) > 0)
    has_dealt = (graph.outgoing.stop > graph.outgoing.start) | (graph.incoming.stop > graph.incoming.start)
    is_scored = np.isfinite(evidence.probability) & ~snapshot.serves_public & has_dealt
    # sorted first: no name decides the last bit of a sum
    free, named = (
        float(np.sort(evidence.probability[rows]).sum()) for rows in (is_scored & ~is_named, is_scored & is_named)
    )
    expected = free * max(1.0, (np.sum(is_scored & is_named) + 1) / (named + 1))
    return float(expected + 2 * np.sqrt(expected) + 2), is_scored & ~is_named


def excess(odds: Float64Array, allowed: float) -> float:
    """Return by how much log-odds must fall so that their probabilities add up to what is allowed; 0 if they do."""
    odds, low, high = np.sort(odds), 0.0, 40.0
    if not len(odds) or expit(odds).sum() <= allowed:
        return low
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        low, high = (middle, high) if expit(odds - middle).sum() > allowed else (low, middle)
    return high


def around(snapshot: Snapshot, suspicion: Float64Array, *, since: int, most: int) -> Int32Array:
    """Return the accounts with suspicion, and those that dealt with one in the window and have at most `most`
    counterparties; ascending."""
    graph, is_active = snapshot.graph, suspicion >= ACTIVE
    active = np.flatnonzero(is_active).astype(np.int32)
    transfer = dealings(snapshot, active, since)
    others = np.unique(np.concatenate([graph.source[transfer], graph.target[transfer]]))
    others = others[~is_active[others]]
    small = others[measure_dealings(snapshot, others, since, most).n_others <= most]
    return np.union1d(active, small).astype(np.int32)


def dealings(snapshot: Snapshot, accounts: Int32Array, since: int) -> Int64Array:
    """Return the positions of the transfers of `accounts` since a moment that can bind two members, ascending."""
    found = np.unique(snapshot.transfers_of(accounts, since)[1])
    return found[snapshot.is_between_accounts[found]]


def own_columns(evidence: AccountEvidence, accounts: Int32Array) -> dict[str, Float64Array]:
    """Return what is known of each account by itself: score (log-odds), whether there is none, complaints, lists."""
    probability, n_complaints = evidence.probability[accounts], evidence.n_complaints[accounts]
    has_score = np.isfinite(probability)
    complaints = np.log1p(n_complaints)
    return {
        "score": np.where(has_score, logit(np.clip(np.where(has_score, probability, 0.5), *CLIP)), 0.0),
        "no_score": (~has_score).astype(np.float64),
        "complaints": complaints,
        "complaints_no_score": complaints * ~has_score,
        "listed": listing(evidence)[accounts],
        "complained": (evidence.has_complained[accounts] & (n_complaints == 0)).astype(np.float64),
    }


def listing(evidence: AccountEvidence) -> Float64Array:
    """Return what lists and registries say of each account: 1 for an entry of a watch list, 0 for none, 0.16 to 1.5 for
    a registry's, by its reliability `r`: `1 + (logit(r) - logit(0.75)) / 6.8`.

    So an account of which nothing else is known (own log-odds -5.7 + 6.8) has the probability `r`: an entry that is
    right in half of the cases makes no more of it. The larger of both counts.
    """
    odds = logit(np.clip(evidence.registered, *TRUSTED)) - logit(LISTED)
    registered = np.where(evidence.registered > 0, 1.0 + odds / OWN["listed"], 0.0)
    return np.asarray(np.maximum(evidence.is_listed, registered), np.float64)


def columns(
    snapshot: Snapshot, evidence: AccountEvidence, accounts: Int32Array, suspicion: Float64Array,
    *, since: int, holding_time: int,
) -> dict[str, Float64Array]:  # fmt: skip
    """Return the columns of the model with neighbours, for `accounts` (ascending codes).

    With `s` the suspicion of the round before, `w` the strength of a pair (`weigh_pairs`), `r` how well a transfer
    matches money that its payer had just received (`match_relayed_money`), and sums over counterparties that take the
    best transfer of each:

    - around: 1
    - bound_in: log(1 + sum of s w) over payers; bound_out: the same over payees; bound_out_only is bound_out of an
      account that no suspect paid, and then bound_out is 0: who only pays may be a victim
    - strongest: largest s w, over payers, and over payees as well if a suspect paid the account
    - relayed_to, relayed_on: log(1 + sum of s w r) over payers and over payees
    - relayed_through: log(1 + sum of s r r') over payers, with r' how well their money was passed on
    - device, ip, wifi: log(1 + largest sum of s over those that used the same at about the same time, by rarity)
    """
    graph, n = snapshot.graph, len(accounts)
    money = match_relayed_money(graph, accounts, since=since, holding_time=holding_time)
    s = np.where(suspicion >= ACTIVE, suspicion, 0.0)[accounts]
    edge = dealings(snapshot, accounts[s > 0], since)
    source, target = (places_in(accounts, end[edge]) for end in (graph.source, graph.target))
    inside = (source >= 0) & (target >= 0) & (source != target)
    edge, source, target = edge[inside], source[inside], target[inside]
    left = money.strength[_rows_of(money.transfer, money.is_debit, edge)]
    passed = money.strength[_rows_of(money.transfer, ~money.is_debit, edge)]
    pairs = weigh_pairs(snapshot, edge, source, target, measure_dealings(snapshot, accounts, since), since=since)
    from_payer, from_payee = s[pairs.source] * pairs.strength, s[pairs.target] * pairs.strength

    def best(value: Float64Array) -> Float64Array:
        """Return the largest value of each pair's transfers."""
        most = np.zeros(len(pairs.source))
        np.maximum.at(most, pairs.of_transfer, value)
        return most

    bound_in, bound_out = _sum(from_payer, pairs.target, n), np.log1p(_sum(from_payee, pairs.source, n))
    received, log = bound_in > RECEIVED, np.log1p
    found = own_columns(evidence, accounts) | {
        "around": np.ones(n),
        "bound_in": log(bound_in),
        "bound_out": np.where(received, bound_out, 0.0),
        "bound_out_only": np.where(received, 0.0, bound_out),
        "strongest": np.maximum(
            _largest(from_payer, pairs.target, n), _largest(from_payee, pairs.source, n) * received
        ),
        "relayed_to": log(_sum(from_payer * best(left), pairs.target, n)),
        "relayed_on": log(_sum(from_payee * best(passed), pairs.source, n)),
        "relayed_through": log(_sum(s[pairs.source] * best(left * passed), pairs.target, n)),
    }
    for kind in IN_SESSIONS:
        has_sessions = "sessions" in snapshot.tables
        found[kind] = log(_shared(find_uses(snapshot, accounts, kind), s)) if has_sessions else np.zeros(n)
    return found


def add_up(table: Mapping[str, Float64Array], weights: Mapping[str, float]) -> Float64Array:
    """Return the weighted sum of the columns that have a weight, and the intercept."""
    total = np.full(len(next(iter(table.values()))), weights["intercept"])
    for name, values in table.items():
        total = total + weights.get(name, 0.0) * values
    return total


def _sum(value: Float64Array, at: Int64Array, n: int) -> Float64Array:
    return np.asarray(sum_at(np.round(value / _UNIT).astype(np.int64), at, n) * _UNIT, np.float64)


def _largest(value: Float64Array, at: Int64Array, n: int) -> Float64Array:
    most = np.zeros(n)
    np.maximum.at(most, at, value)
    return most


def _shared(uses: Uses, s: Float64Array) -> Float64Array:
    most = np.zeros(len(s))
    if len(uses):
        in_group = _sum(s[uses.account], uses.group, int(uses.group.max()) + 1)
        others = np.maximum(in_group[uses.group] - s[uses.account], 0.0)
        np.maximum.at(most, uses.account, others * np.sqrt(uses.rarity))
    return most


def _rows_of(transfer: Int64Array, chosen: BoolArray, edge: Int64Array) -> Int64Array:
    rows = np.flatnonzero(chosen)
    order = np.argsort(transfer[rows], kind="stable")
    return rows[order[np.searchsorted(transfer[rows[order]], edge)]]


#: Less suspicious accounts bind no ring together. Those between this and `min_suspicion` may bind but are not shown.
LEAST_SUSPICION: Final = 0.1


@dataclass(frozen=True, eq=False)
class Suspects:
    """The accounts among which rings are sought, by ascending account code."""

    account: Int32Array  # account codes
    suspicion: Float64Array  # 0 to 1, see `find_suspicion`
    is_seed: BoolArray  # suspicious by its own score, complaints or lists, not only by its neighbours
    n_counterparties: Int64Array  # distinct accounts that it paid or was paid by in the window

    def __len__(self) -> int:
        return len(self.account)

    def positions(self, accounts: Int32Array) -> Int64Array:
        """Return where each account stands in `account`, int64; -1 = it is no suspect. O(n log n)."""
        return places_in(self.account, accounts)


def find_suspects(
    snapshot: Snapshot, evidence: AccountEvidence, *, since: int, holding_time: int, most: int, min_suspicion: float
) -> Suspects:
    """Return the accounts of enough suspicion, see `find_suspicion`. O(transfers of the suspects) on top of it."""
    account, own, together = find_suspicion(snapshot, evidence, since=since, holding_time=holding_time, most=most)
    rows = np.flatnonzero(together >= min(LEAST_SUSPICION, min_suspicion))
    counted = measure_dealings(snapshot, account[rows], since).n_others
    return Suspects(account[rows], together[rows], own[rows] >= ACTIVE, counted)
