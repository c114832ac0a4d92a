"""What a payment from one account to another tells about both: how likely one ring made it.

Everybody pays a shop, and somebody suspicious pays it as well: such a payment binds nobody. So a payment is weighed
against a world with the same number of payers and of payees of each account, but with partners drawn by lot. In it
`source` pays `target` with the chance `payees of source * payers of target / pairs of the data set`: that is the mean
of all shuffles, so no shuffle is drawn. The clock does not matter to it. What else counts, and how much, is learnt in
each data set, see `strength.py`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final

import numba
import numpy as np
from scipy.special import expit

from muledetect.arrays import (
    NEVER,
    BoolArray,
    Float64Array,
    Int32Array,
    Int64Array,
    first_at_least,
    place_between,
    sum_at,
)
from muledetect.clock import DAY
from muledetect.facts import Snapshot
from muledetect.graph import TransferGraph
from muledetect.rings.money import RelayedMoney

#: What repeats over a shorter record is no habit yet.
SHORTEST_RECORD: Final = 60 * DAY

#: Smallest share that counts.
LEAST_SHARE: Final = 0.01


@dataclass(frozen=True, eq=False)
class Dealings:
    """What each of some accounts received, paid and with how many others it dealt in the window, a row an account."""

    inflow: Int64Array
    outflow: Int64Array
    n_payers: Int64Array
    n_payees: Int64Array
    n_others: Int64Array


@dataclass(frozen=True, eq=False)
class Pairs:
    """Directed pairs of accounts with at least one of the given transfers, ascending by source and target.

    `parts` are what their strength is made of, a value a pair:

    - chance: log of the chance of such a pair where partners are drawn by lot
    - in_share, out_share: logs of the pair's shares of the payee's inflow and of the payer's outflow
    - habit: time from its first to its last payment, over that of the record
    - returned: 1 if the payee paid the payer as well, by one of the given transfers
    - passed_before, passed_after: how well the best payment matches money that the payer had just received, and that
      the payee paid on
    - fit: how well it fits what rings do here, see `Fits`; only where that was learnt
    """

    source: Int64Array  # positions in the accounts
    target: Int64Array
    of_transfer: Int64Array  # the pair of each given transfer
    parts: Mapping[str, Float64Array]

    def strength(self, weights: Mapping[str, float]) -> Float64Array:
        """Return how likely each pair is of one ring if one of the two is of a ring, 0 to 1."""
        odds = np.full(len(self.source), weights["intercept"])
        for name, values in self.parts.items():
            odds = odds + weights.get(name, 0.0) * values
        return np.asarray(expit(odds), np.float64)

    def best(self, value: Float64Array) -> Float64Array:
        """Return the largest value of each pair's transfers; 0 if none is larger."""
        most = np.zeros(len(self.source))
        np.maximum.at(most, self.of_transfer, value)
        return most


@dataclass(frozen=True, eq=False)
class Fits:
    """How well directed pairs of accounts fit what rings do here, see `payments.py`; ascending by source and target."""

    source: Int32Array  # account codes
    target: Int32Array
    value: Float64Array  # log-odds that both ends are suspicious, beyond those of an ordinary pair
    odds: Float64Array  # log-odds that a ring joins the pair

    def put_on(self, pairs: Pairs, accounts: Int32Array) -> Pairs:
        """Return pairs of `accounts` (codes, ascending) with the part `fit`; 0 for a pair that is not among these.

        O(log of these a pair).
        """
        fit = _values_of(accounts[pairs.source], accounts[pairs.target], self.source, self.target, self.value)
        return replace(pairs, parts={**pairs.parts, "fit": fit})


@numba.njit(cache=True, nogil=True)
def _values_of(source, target, sources, targets, values):  # type: ignore[no-untyped-def]
    """Return the value of each pair among ascending pairs; 0 where it is not there."""
    found = np.zeros(len(source), np.float64)
    for k in range(len(source)):
        low = first_at_least(sources, 0, len(sources), source[k])
        high = first_at_least(sources, low, len(sources), source[k] + 1)
        place = place_between(targets, low, high, target[k])
        if place >= 0:
            found[k] = values[place]
    return found


#: Nothing was learnt.
NO_FITS: Final = Fits(np.zeros(0, np.int32), np.zeros(0, np.int32), np.zeros(0), np.zeros(0))


def measure_pairs(
    snapshot: Snapshot, transfer: Int64Array, source: Int64Array, target: Int64Array,
    dealings: Dealings, money: RelayedMoney, *, since: int,
) -> Pairs:  # fmt: skip
    """Group transfers (positions in the graph, ascending) by their ends, and measure the pairs.

    The ends are positions in the accounts of `dealings`, which are those of `money`. O(transfers log transfers), and
    one pass over the transfers of the window.
    """
    graph, n = snapshot.graph, max(len(dealings.inflow), 1)
    key, of = np.unique(source * n + target, return_inverse=True)
    payer, payee = np.divmod(key, n)
    amount = sum_at(graph.amount[transfer], of, len(key)).astype(np.float64)
    first, last = np.full(len(key), NEVER), np.full(len(key), -NEVER)
    np.minimum.at(first, of, graph.time[transfer])
    np.maximum.at(last, of, graph.time[transfer])
    n_all = max(count_pairs(graph, since), 1)
    record = snapshot.as_of - max(since, int(graph.time[0])) if graph.n_transfers else 0
    pairs = Pairs(payer, payee, of, {})
    return Pairs(
        payer, payee, of,
        {
            "chance": np.log(np.maximum(dealings.n_payees[payer] * dealings.n_payers[payee], 1) / n_all),
            "in_share": np.log(amount / np.maximum(dealings.inflow[payee], 1) + LEAST_SHARE),
            "out_share": np.log(amount / np.maximum(dealings.outflow[payer], 1) + LEAST_SHARE),
            "habit": (last - first) / max(record, SHORTEST_RECORD),
            "returned": np.isin(payee * n + payer, key).astype(np.float64),
            "passed_before": pairs.best(relayed(money, transfer, is_debit=True)),
            "passed_after": pairs.best(relayed(money, transfer, is_debit=False)),
        },
    )  # fmt: skip


def relayed(money: RelayedMoney, transfer: Int64Array, *, is_debit: bool) -> Float64Array:
    """Return how well each transfer matches money on the other side of its payer (`is_debit`) or of its payee.

    Those that are not in `money` match nothing. O(n log n).
    """
    rows = np.flatnonzero(money.is_debit == is_debit)
    rows = rows[np.argsort(money.transfer[rows], kind="stable")]
    if not len(rows):
        return np.zeros(len(transfer))
    at = np.minimum(np.searchsorted(money.transfer[rows], transfer), len(rows) - 1)
    is_there: BoolArray = money.transfer[rows[at]] == transfer
    return np.where(is_there, money.strength[rows[at]], 0.0)


def measure_dealings(snapshot: Snapshot, accounts: Int32Array, since: int, most: int = NEVER) -> Dealings:
    """Measure the dealings of accounts since a moment; where one has more than `most` others, counting stops."""
    graph = snapshot.graph
    first = int(np.searchsorted(graph.time, since, side="left"))
    return Dealings(
        *_count_dealings(
            accounts, *graph.incoming, *graph.outgoing, graph.source, graph.target, graph.amount, first, most
        )
    )


def count_pairs(graph: TransferGraph, since: int) -> int:
    """Count the directed pairs of accounts with a transfer since a moment. O(transfers)."""
    first = int(np.searchsorted(graph.time, since, side="left"))
    return int(_count_in(*graph.outgoing, graph.target, first))


@numba.njit(cache=True, nogil=True)
def _count_in(out_start, out_stop, out_transfer, target, first):  # type: ignore[no-untyped-def]
    paid = np.full(len(out_start), -1, np.int32)
    n = 0
    for a in range(len(out_start)):
        for j in range(first_at_least(out_transfer, out_start[a], out_stop[a], first), out_stop[a]):
            b = target[out_transfer[j]]
            if paid[b] != a:
                paid[b] = a
                n += 1
    return n


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
