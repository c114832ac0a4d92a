"""How likely an account is to belong to a ring, by what is known of it and of those it deals with.

A score looks at one account. A ring shows in the accounts around it: who relays money to whom, who disputes whose
payments, who shares a phone with whom. So each account's own evidence is joined with that of its neighbours by a
logistic model of few columns, twice over, which carries the suspicion two steps further.

What neighbours tell was learnt on other data. Here it moves suspicion from account to account and makes none: beside
complaints and lists, the expected number of mules stays within what the scores allow.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Final

import numpy as np
from scipy.special import expit, logit

from muledetect.arrays import BoolArray, Float64Array, Int32Array, Int64Array, pieces, places_in, sum_at
from muledetect.facts import Snapshot
from muledetect.rings.account_evidence import AccountEvidence
from muledetect.rings.money import RelayedMoney, match_relayed_money
from muledetect.rings.pairs import NO_FITS, Fits, Pairs, measure_dealings, measure_pairs, relayed
from muledetect.rings.payments import learn_payments
from muledetect.rings.sharing import IN_SESSIONS, Uses, find_uses
from muledetect.rings.strength import ELSEWHERE, learn_strength

#: Coefficients of an account's own evidence, and of that together with its neighbours'. Fitted on the truth of banks of
#: several makers, each as heavy as the others, and rounded; see decisions 053 (OWN) and 064. A name that
#: is not here counts 0.
OWN: Final[Mapping[str, float]] = MappingProxyType(
    {
        "intercept": 0.0, "score": 1.2, "no_score": -5.7, "complaints": 6.7, "complaints_no_score": 2.3, "listed": 6.8,
        "complained": -0.2,
    }
)  # fmt: skip
WITH_NEIGHBOURS: Final[Mapping[str, float]] = MappingProxyType(
    {
        "intercept": -1.3, "score": 0.9, "complaints": 5.2, "complaints_no_score": 1.0, "listed": 4.9,
        "complained": -1.4, "around": -0.3, "paid_by": 0.85, "pays": 0.45, "pays_only": 0.75, "relayed_through": 4.0,
        "device": 0.7, "wifi": 1.1,
    }
)  # fmt: skip

#: So often each account takes in the suspicion of its neighbours.
ROUNDS: Final = 2

#: Less suspicion does not spread: everybody has a crowd of hardly suspicious neighbours.
ACTIVE: Final = 0.2

#: A counterparty is never surer than this to be of one's ring; mules are never rarer and never commoner than these.
SUREST, RAREST, COMMONEST = 0.97, 1e-4, 0.1

#: How much the other end's log-odds count for a pair, see `with_payments`; its log-odds are never higher than that.
HALF_NEW, SUREST_PAIR = 0.5, 4.0

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
) -> tuple[Int32Array, Float64Array, Float64Array, Mapping[str, float], Fits]:
    """Return the accounts around all own evidence (ascending codes), their suspicion by own evidence and together, the
    weights of the strength of pairs here, and how well pairs fit what rings do here.

    All other accounts have suspicion 0, and so have those that serve the public. Accounts with more than `most`
    counterparties in the window are looked at only on own evidence; the columns are named in `columns`. O(transfers log
    transfers + pairs * trees) to learn what rings do, and O(accounts + transfers of the accounts with suspicion and of
    their counterparties) a round.
    """
    everyone = np.arange(snapshot.graph.n_accounts, dtype=np.int32)
    is_private, (allowed, is_free) = ~snapshot.serves_public, allowance(snapshot, evidence)
    known = own_suspicion(snapshot, evidence)
    rate = share_of_mules(known, is_private)
    fits = learn_payments(snapshot, known, since=since, most=most)
    raised = with_payments(snapshot, evidence, fits, known, rate)
    own, evidence = own_suspicion(snapshot, raised), halfway(evidence, raised)
    before = add_up(own_columns(evidence, everyone, unscored=float(logit(rate))), WITH_NEIGHBOURS)
    suspicion, accounts = own, np.flatnonzero(own >= ACTIVE).astype(np.int32)
    weights: Mapping[str, float] = {}
    for _ in range(ROUNDS):
        accounts = around(snapshot, suspicion, since=since, most=most)
        near = look_around(snapshot, accounts, suspicion, fits, since=since, holding_time=holding_time)
        weights = weights or learn_here(snapshot, evidence, near, known, since=since, most=most)
        table = columns(snapshot, evidence, near, suspicion, weights, rate)
        odds = before.copy()
        odds[accounts] = add_up(table, WITH_NEIGHBOURS)
        odds -= excess(odds[is_free], allowed)
        suspicion = np.zeros(len(everyone))
        suspicion[accounts] = expit(odds[accounts]) * is_private[accounts]
    return accounts, own[accounts], suspicion[accounts], weights, fits


def own_suspicion(snapshot: Snapshot, evidence: AccountEvidence) -> Float64Array:
    """Return the suspicion of every account by its own evidence; 0 of those that serve the public."""
    everyone = np.arange(snapshot.graph.n_accounts, dtype=np.int32)
    return np.asarray(expit(add_up(own_columns(evidence, everyone), OWN)) * ~snapshot.serves_public, np.float64)


def share_of_mules(own: Float64Array, is_private: BoolArray) -> float:
    """Return the share of private accounts that are mules by their own evidence, 1 in 10,000 to 1 in 10."""
    return min(max(float(np.sort(own[is_private]).sum()) / max(int(is_private.sum()), 1), RAREST), COMMONEST)


def with_payments(
    snapshot: Snapshot, evidence: AccountEvidence, fits: Fits, known: Float64Array, rate: float
) -> AccountEvidence:
    """Return evidence whose probabilities count how well an account's payments fit those of rings.

    The best pair raises the odds of an account by the factor `1 + o / rate`, with `o` the odds of the pair: its own,
    times the square root of the odds of the other end over those of the bank. The pair's own odds were learnt from the
    scores of both ends, so that these are only half new. All fall until they add up to what the scores allow.
    Accounts without a score keep it so. O(pairs + accounts).
    """
    if not len(fits.source):
        return evidence
    mean = logit(np.clip(known, *CLIP)) - float(logit(rate))
    most = np.zeros(len(known))
    for rows in pieces(len(fits.source)):
        ends = (fits.source[rows], fits.target[rows])
        for one, other in (ends, ends[::-1]):
            np.maximum.at(most, one, np.exp(np.minimum(fits.odds[rows] + HALF_NEW * mean[other], SUREST_PAIR)))
    is_scored = np.isfinite(evidence.probability)
    odds = logit(np.clip(np.where(is_scored, evidence.probability, rate), *CLIP)) + np.log1p(most / rate)
    allowed, is_free = allowance(snapshot, evidence)
    odds = odds - excess(odds[is_free], allowed)
    return replace(evidence, probability=np.where(is_scored, expit(odds), np.nan))


def halfway(evidence: AccountEvidence, raised: AccountEvidence) -> AccountEvidence:
    """Return evidence whose log-odds are the mean of both: payments count again in the strength of pairs."""
    probability = [logit(np.clip(found.probability, *CLIP)) for found in (evidence, raised)]
    return replace(evidence, probability=np.asarray(expit((probability[0] + probability[1]) / 2), np.float64))


@dataclass(frozen=True, eq=False)
class Near:
    """Some accounts, the pairs of them that one of the suspicious has paid or was paid by, and their relayed money."""

    account: Int32Array
    transfer: Int64Array
    pairs: Pairs
    money: RelayedMoney  # of these transfers only


def look_around(
    snapshot: Snapshot, accounts: Int32Array, suspicion: Float64Array, fits: Fits, *, since: int, holding_time: int
) -> Near:
    """Measure the pairs among accounts (ascending codes) of which one is suspicious."""
    graph = snapshot.graph
    transfer = dealings(snapshot, accounts[suspicion[accounts] >= ACTIVE], since)
    source, target = (places_in(accounts, end[transfer]) for end in (graph.source, graph.target))
    inside = (source >= 0) & (target >= 0) & (source != target)
    transfer, source, target = transfer[inside], source[inside], target[inside]
    money = match_relayed_money(graph, accounts, since=since, holding_time=holding_time, among=transfer)
    counted = measure_dealings(snapshot, accounts, since)
    pairs = measure_pairs(snapshot, transfer, source, target, counted, money, since=since)
    return Near(accounts, transfer, fits.put_on(pairs, accounts), money)


def learn_here(
    snapshot: Snapshot, evidence: AccountEvidence, near: Near, own: Float64Array, *, since: int, most: int
) -> Mapping[str, float]:
    """Return the weights of the strength of pairs, see `learn_strength`, from pairs with a suspicious end.

    Accounts without a score tell nothing as the other end. O(transfers of the window + pairs).
    """
    everyone = np.flatnonzero(np.isfinite(evidence.probability) & ~snapshot.serves_public).astype(np.int32)
    n_others = measure_dealings(snapshot, everyone, since, most).n_others
    deals = np.where(n_others <= most, n_others, 0)
    one, scored = own[everyone], np.isfinite(evidence.probability)
    pairs, account = near.pairs, near.account
    ends = (account[pairs.source], account[pairs.target])
    me, you = np.concatenate(ends), np.concatenate(ends[::-1])
    rows = np.flatnonzero((own[me] >= ACTIVE) & scored[you])
    parts = {name: np.tile(values, 2)[rows] for name, values in pairs.parts.items()}
    mules = np.sort(one * one).sum() / max(np.sort(one).sum(), RAREST)
    anybody = np.sort(one * deals).sum() / max(deals.sum(), 1)
    return learn_strength(parts, own[me[rows]], own[you[rows]], mules=float(mules), anybody=max(float(anybody), RAREST))


def allowance(snapshot: Snapshot, evidence: AccountEvidence) -> tuple[float, BoolArray]:
    """Return how many mules the scores allow among the accounts of which they alone tell, and which accounts these are.

    They have a score and a transfer, and neither complaint nor list names them. With `m` the sum of their
    probabilities, it is `m r + 2 sqrt(m r) + 2`: what chance may add, and two that nobody thought of. `r`, at least 1,
    is by how much scores fall short of what complaints and lists show: (expected sum of the probabilities of the
    accounts that these name + 1) / (their sum + 1). A mule has the probability `sum of p^2 / sum of p` on average, if
    probabilities are right: that is expected of each account that is named. O(n log n).
    """
    graph, is_named = snapshot.graph, (evidence.n_complaints > 0) | (listing(evidence) > 0)
    has_dealt = (graph.outgoing.stop > graph.outgoing.start) | (graph.incoming.stop > graph.incoming.start)
    is_scored = np.isfinite(evidence.probability) & ~snapshot.serves_public & has_dealt
    # sorted first: no name decides the last bit of a sum
    free, named, everyone = (
        np.sort(evidence.probability[rows]) for rows in (is_scored & ~is_named, is_scored & is_named, is_scored)
    )
    usual = float((everyone * everyone).sum() / max(everyone.sum(), RAREST))
    expected = float(free.sum()) * max(1.0, (len(named) * usual + 1) / (float(named.sum()) + 1))
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


def own_columns(evidence: AccountEvidence, accounts: Int32Array, *, unscored: float = 0.0) -> dict[str, Float64Array]:
    """Return what is known of each account by itself: score (log-odds; `unscored` without one), whether there is none,
    complaints, lists."""
    probability, n_complaints = evidence.probability[accounts], evidence.n_complaints[accounts]
    has_score = np.isfinite(probability)
    complaints = np.log1p(n_complaints)
    return {
        "score": np.where(has_score, logit(np.clip(np.where(has_score, probability, 0.5), *CLIP)), unscored),
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
    snapshot: Snapshot, evidence: AccountEvidence, near: Near, suspicion: Float64Array,
    weights: Mapping[str, float], rate: float,
) -> dict[str, Float64Array]:  # fmt: skip
    """Return the columns of the model with neighbours, for the accounts of `near`.

    With `s` the suspicion of the round before, `p` the strength of a pair (`Pairs.strength`), and `rate` the share of
    mules among all accounts, a counterparty alone raises the odds of an account by the factor
    `1 + s p / (rate (1 - s p))`. Of several, what is above 1 adds up: they are not independent.

    - around: 1
    - paid_by: log of the factor of all payers; pays: of all payees; pays_only is `pays` of an account that no suspect
      paid, and then `pays` is 0: who only pays may be a victim
    - relayed_through: log(1 + sum of s r r') over payers, with r how well their money matches what they had just
      received, and r' how well it was passed on (`match_relayed_money`)
    - device, ip, wifi: log(1 + largest sum of s over those that used the same at about the same time, by rarity)
    """
    n, pairs = len(near.account), near.pairs
    s = np.where(suspicion >= ACTIVE, suspicion, 0.0)[near.account]
    strength = pairs.strength(weights)
    of_payer, of_payee = (np.minimum(s[end] * strength, SUREST) for end in (pairs.source, pairs.target))
    received = _sum(of_payer, pairs.target, n) > RECEIVED
    paid_by, pays = (
        np.log1p(_sum(p / (rate * (1 - p)), end, n)) for p, end in ((of_payer, pairs.target), (of_payee, pairs.source))
    )
    both = relayed(near.money, near.transfer, is_debit=True) * relayed(near.money, near.transfer, is_debit=False)
    found = own_columns(evidence, near.account, unscored=float(logit(rate))) | {
        "around": np.ones(n),
        "paid_by": paid_by,
        "pays": np.where(received, pays, 0.0),
        "pays_only": np.where(received, 0.0, pays),
        "relayed_through": np.log1p(_sum(s[pairs.source] * pairs.best(both), pairs.target, n)),
    }
    active = near.account[s > 0]
    for kind in IN_SESSIONS:
        has_sessions = "sessions" in snapshot.tables
        uses = find_uses(snapshot, near.account, kind, by=active) if has_sessions else None
        found[kind] = np.zeros(n) if uses is None else np.log1p(_shared(uses, s))
    return found


def add_up(table: Mapping[str, Float64Array], weights: Mapping[str, float]) -> Float64Array:
    """Return the weighted sum of the columns that have a weight, and the intercept."""
    total = np.full(len(next(iter(table.values()))), weights["intercept"])
    for name, values in table.items():
        total = total + weights.get(name, 0.0) * values
    return total


def _sum(value: Float64Array, at: Int64Array, n: int) -> Float64Array:
    return np.asarray(sum_at(np.round(value / _UNIT).astype(np.int64), at, n) * _UNIT, np.float64)


def _shared(uses: Uses, s: Float64Array) -> Float64Array:
    most = np.zeros(len(s))
    if len(uses):
        in_group = _sum(s[uses.account], uses.group, int(uses.group.max()) + 1)
        others = np.maximum(in_group[uses.group] - s[uses.account], 0.0)
        np.maximum.at(most, uses.account, others * np.sqrt(uses.rarity))
    return most


#: Less suspicious accounts bind no ring together. Those between this and `min_suspicion` may bind but are not shown.
LEAST_SUSPICION: Final = 0.1


@dataclass(frozen=True, eq=False)
class Suspects:
    """The accounts among which rings are sought, by ascending account code."""

    account: Int32Array  # account codes
    suspicion: Float64Array  # 0 to 1, see `find_suspicion`
    is_seed: BoolArray  # suspicious by its own score, payments, complaints or lists, not only by its neighbours
    n_counterparties: Int64Array  # distinct accounts that it paid or was paid by in the window
    weights: Mapping[str, float] = field(default_factory=lambda: ELSEWHERE)  # of `Pairs.strength`
    fits: Fits = NO_FITS
    is_prevalence_known: bool = True

    def __len__(self) -> int:
        return len(self.account)

    def positions(self, accounts: Int32Array) -> Int64Array:
        """Return where each account stands in `account`, int64; -1 = it is no suspect. O(n log n)."""
        return places_in(self.account, accounts)


def find_suspects(
    snapshot: Snapshot, evidence: AccountEvidence, *, since: int, holding_time: int, most: int, min_suspicion: float
) -> Suspects:
    """Return the accounts of enough suspicion, see `find_suspicion`. O(transfers of the suspects) on top of it."""
    account, own, together, weights, fits = find_suspicion(
        snapshot, evidence, since=since, holding_time=holding_time, most=most
    )
    rows = np.flatnonzero(together >= min(LEAST_SUSPICION, min_suspicion))
    counted = measure_dealings(snapshot, account[rows], since).n_others
    return Suspects(account[rows], together[rows], own[rows] >= ACTIVE, counted, weights, fits)
