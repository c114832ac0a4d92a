"""How likely an account is to belong to a ring, by what is known of it and of those it deals with.

A score looks at one account. A ring shows in the accounts around it: who relays money to whom, who disputes whose
payments, who shares a phone with whom. So each account's own evidence is joined with that of its neighbours by a
logistic model of few columns, twice over, which carries the suspicion two steps further.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

import numba
import numpy as np
from scipy.special import expit, logit

from muledetect.arrays import NEVER, BoolArray, Float64Array, Int32Array, Int64Array, first_at_least, places_in, sum_at
from muledetect.facts import Snapshot
from muledetect.rings.account_evidence import AccountEvidence
from muledetect.rings.money import match_relayed_money
from muledetect.rings.sharing import IN_SESSIONS, Uses, find_uses

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

#: So often each account takes in the suspicion of its neighbours.
ROUNDS: Final = 2

#: An account with fewer transfers with suspects is a one-off recipient or payer: its own evidence alone counts.
LEAST_DEALINGS: Final = 2

#: Less suspicion does not spread: everybody has a crowd of hardly suspicious neighbours.
ACTIVE: Final = 0.2

#: Scores' probabilities are kept within these, so that a single very low one cannot outweigh all of its neighbours.
CLIP: Final = (1e-3, 0.99)

#: Floats are added up as multiples of this, so that no sum depends on the order of names.
_UNIT: Final = 2.0**-40


def find_suspicion(
    snapshot: Snapshot, evidence: AccountEvidence, *, since: int, holding_time: int, most: int
) -> tuple[Int32Array, Float64Array, Float64Array]:
    """Return the accounts around all own evidence (ascending codes), and their suspicion by own evidence and together.

    All other accounts have suspicion 0, and so have those that serve the public. Accounts with more than `most`
    counterparties in the window are looked at only on own evidence; the columns are named in `columns`. O(accounts +
    transfers of the accounts with suspicion and of their counterparties), per round.
    """
    n = snapshot.graph.n_accounts
    own = _apply(own_columns(evidence, np.arange(n, dtype=np.int32)), OWN) * ~snapshot.serves_public
    suspicion, accounts = own, np.flatnonzero(own >= ACTIVE).astype(np.int32)
    for _ in range(ROUNDS):
        accounts = around(snapshot, suspicion, since=since, most=most)
        table = columns(snapshot, evidence, accounts, suspicion, since=since, holding_time=holding_time)
        together = np.where(table["dealings"] >= LEAST_DEALINGS, _apply(table, WITH_NEIGHBOURS), own[accounts])
        suspicion = np.zeros(n)
        suspicion[accounts] = together * ~snapshot.serves_public[accounts]
    return accounts, own[accounts], suspicion[accounts]


def around(snapshot: Snapshot, suspicion: Float64Array, *, since: int, most: int) -> Int32Array:
    """Return the accounts with suspicion, and those that dealt with one in the window and have at most `most`
    counterparties; ascending."""
    graph, is_active = snapshot.graph, suspicion >= ACTIVE
    active = np.flatnonzero(is_active).astype(np.int32)
    transfer = dealings(snapshot, active, since)
    others = np.unique(np.concatenate([graph.source[transfer], graph.target[transfer]]))
    others = others[~is_active[others]]
    small = others[count_counterparties(snapshot, others, since, most) <= most]
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
        "listed": evidence.is_listed[accounts].astype(np.float64),
        "complained": (evidence.has_complained[accounts] & (n_complaints == 0)).astype(np.float64),
    }


def columns(
    snapshot: Snapshot, evidence: AccountEvidence, accounts: Int32Array, suspicion: Float64Array,
    *, since: int, holding_time: int,
) -> dict[str, Float64Array]:  # fmt: skip
    """Return the columns of the model with neighbours, for `accounts` (ascending codes).

    With `s` the suspicion of the round before, `r` how well a transfer matches money that its payer had just received
    (`match_relayed_money`), and sums over counterparties that take the best transfer of each:

    - relayed_to, relayed_on: log(1 + sum of s r) over payers and over payees
    - paid_by, paid: log(1 + sum of s) over payers and over payees
    - relayed_share: share of the inflow that is relayed money of payers, weighed by s; passed_on: of that, the share
      that left within the holding time; relayed_through: log(1 + sum of s r r') with r' how well it was passed on
    - paid_share: share of the outflow that went to payees, weighed by s; this and `paid` are 0 for an account that no
      suspect paid: whoever only pays is a victim rather than a mule
    - counterparties: log(1 + number of payers + number of payees)
    - dealings: number of transfers with suspects; not part of the model
    - device, ip, wifi: log(1 + largest sum of s over those that used the same at about the same time, by rarity)
    """
    graph, n = snapshot.graph, len(accounts)
    money = match_relayed_money(graph, accounts, since=since, holding_time=holding_time)
    s = np.where(suspicion >= ACTIVE, suspicion, 0.0)[accounts]
    edge = dealings(snapshot, accounts[s > 0], since)
    source, target = (places_in(accounts, end[edge]) for end in (graph.source, graph.target))
    inside = (source >= 0) & (target >= 0)
    edge, source, target = edge[inside], source[inside], target[inside]
    debit = _rows_of(money.transfer, money.is_debit, edge)
    credit = _rows_of(money.transfer, ~money.is_debit, edge)
    left, passed = money.strength[debit], money.strength[credit]
    payer, payee = s[source], s[target]
    inflow, outflow, n_payers, n_payees, _ = _dealings_of(snapshot, accounts, since, NEVER)
    pairs, of_transfer = np.unique(source * n + target, return_inverse=True)
    payers, payees = np.divmod(pairs, max(n, 1))

    def best(value: Float64Array, end: Int64Array) -> Float64Array:
        """Sum up, by one end, the largest value of each directed pair."""
        most = np.zeros(len(pairs))
        np.maximum.at(most, of_transfer, value)
        return _sum(most, end, n)

    dirty = payer * (money.amount[debit] / np.maximum(inflow[target], 1))
    share = _sum(dirty, target, n)
    on = _sum(dirty * (money.amount[credit] / graph.amount[edge]), target, n)
    paid_by = best(payer, payees)
    log = np.log1p
    found = own_columns(evidence, accounts) | {
        "relayed_to": log(best(payer * left, payees)),
        "relayed_on": log(best(payee * left, payers)),
        "relayed_through": log(best(payer * left * passed, payees)),
        "paid_by": log(paid_by),
        "paid": log(np.where(paid_by > 0, best(payee, payers), 0.0)),
        "relayed_share": share,
        "passed_on": np.divide(on, share, out=np.zeros(n), where=share > 0),
        "paid_share": np.where(
            paid_by > 0, _sum(payee * (graph.amount[edge] / np.maximum(outflow[source], 1)), source, n), 0.0
        ),
        "counterparties": log(n_payers + n_payees),
        "dealings": np.bincount(np.concatenate([source, target]), minlength=n).astype(np.float64),
    }
    for kind in IN_SESSIONS:
        has_sessions = "sessions" in snapshot.tables
        found[kind] = log(_shared(find_uses(snapshot, accounts, kind), s)) if has_sessions else np.zeros(n)
    return found


def _apply(table: Mapping[str, Float64Array], weights: Mapping[str, float]) -> Float64Array:
    total = np.full(len(next(iter(table.values()))), weights["intercept"])
    for name, values in table.items():
        total = total + weights.get(name, 0.0) * values
    return np.asarray(expit(total))


def _sum(value: Float64Array, at: Int64Array, n: int) -> Float64Array:
    return np.asarray(sum_at(np.round(value / _UNIT).astype(np.int64), at, n) * _UNIT, np.float64)


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


def count_counterparties(snapshot: Snapshot, accounts: Int32Array, since: int, most: int = NEVER) -> Int64Array:
    """Count distinct counterparties of accounts since a moment; counting stops at `most + 1`."""
    return _dealings_of(snapshot, accounts, since, most)[4]


def _dealings_of(snapshot: Snapshot, accounts: Int32Array, since: int, most: int) -> tuple[Int64Array, ...]:
    graph = snapshot.graph
    first = int(np.searchsorted(graph.time, since, side="left"))
    return tuple(
        _count_dealings(
            accounts, *graph.incoming, *graph.outgoing, graph.source, graph.target, graph.amount, first, most
        )
    )


@numba.njit(cache=True, nogil=True)
def _count_dealings(  # type: ignore[no-untyped-def]
    accounts, in_start, in_stop, in_transfer, out_start, out_stop, out_transfer, source, target, amount, first, most
):
    """Return inflow, outflow, distinct payers, distinct payees and distinct others, since position `first`, a column
    an account; where there are more than `most` others, counting stops."""
    found = np.zeros((5, len(accounts)), np.int64)
    paid_by = np.full(len(in_start), -1, np.int32)
    paid = np.full(len(in_start), -1, np.int32)
    for k in range(len(accounts)):
        a = accounts[k]
        for j in range(first_at_least(in_transfer, in_start[a], in_stop[a], first), in_stop[a]):
            i = in_transfer[j]
            found[0, k] += amount[i]
            if paid_by[source[i]] != k:
                paid_by[source[i]] = k
                found[2, k] += 1
                found[4, k] += source[i] != a
                if found[4, k] > most:
                    break
        for j in range(first_at_least(out_transfer, out_start[a], out_stop[a], first), out_stop[a]):
            if found[4, k] > most:
                break
            i = out_transfer[j]
            found[1, k] += amount[i]
            if paid[target[i]] != k:
                paid[target[i]] = k
                found[3, k] += 1
                found[4, k] += paid_by[target[i]] != k and target[i] != a
    return found


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
    counted = count_counterparties(snapshot, account[rows], since)
    return Suspects(account[rows], together[rows], own[rows] >= min_suspicion, counted)
