"""How far a payment between two accounts goes beyond what chance would bring about in this data set.

Everybody pays a shop, and somebody suspicious pays it as well: such a payment binds nobody. The null is a world with
the same number of payers and of payees of each account, but with partners drawn by lot. In it `source` pays `target`
with the chance `payees of source * payers of target / pairs of the data set`: that is the mean of all shuffles, so no
shuffle is drawn. The clock does not matter to it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import numba
import numpy as np
from scipy.special import expit

from muledetect.arrays import NEVER, Float64Array, Int32Array, Int64Array, first_at_least, sum_at
from muledetect.clock import DAY
from muledetect.facts import Snapshot
from muledetect.graph import TransferGraph

#: Log-odds that two mules of which one paid the other are of one ring: `chance` is the log of the chance in the null,
#: `shares` the logs of the pair's shares of the payee's inflow and of the payer's outflow, `habit` the time from its
#: first to its last payment over that of the record. Fitted on banks of four makers; see decision 053.
SAME_RING: Final = {"intercept": 0.73, "chance": -0.64, "shares": 0.70, "habit": -8.5}

#: What repeats over a shorter record is no habit yet.
SHORTEST_RECORD: Final = 60 * DAY

#: Smallest share that counts.
_LEAST_SHARE: Final = 0.01


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
    """Directed pairs of accounts with at least one of the given transfers, ascending by source and target."""

    source: Int64Array  # positions in the accounts
    target: Int64Array
    of_transfer: Int64Array  # the pair of each given transfer
    strength: Float64Array  # how likely two mules of such a pair are of one ring, 0 to 1
    parts: Mapping[str, Float64Array]  # what it is made of, see `SAME_RING`


def weigh_pairs(
    snapshot: Snapshot, transfer: Int64Array, source: Int64Array, target: Int64Array, dealings: Dealings, *, since: int
) -> Pairs:
    """Group transfers (positions in the graph) by their ends (positions in the accounts of `dealings`) and weigh them.

    O(transfers log transfers), and one pass over the transfers of the window.
    """
    graph, n = snapshot.graph, max(len(dealings.inflow), 1)
    key, of = np.unique(source * n + target, return_inverse=True)
    payer, payee = np.divmod(key, n)
    amount = sum_at(graph.amount[transfer], of, len(key)).astype(np.float64)
    first, last = np.full(len(key), NEVER), np.full(len(key), -NEVER)
    np.minimum.at(first, of, graph.time[transfer])
    np.maximum.at(last, of, graph.time[transfer])
    chance = np.log(
        np.maximum(dealings.n_payees[payer] * dealings.n_payers[payee], 1) / max(count_pairs(graph, since), 1)
    )
    shares = np.log(amount / np.maximum(dealings.inflow[payee], 1) + _LEAST_SHARE) + np.log(
        amount / np.maximum(dealings.outflow[payer], 1) + _LEAST_SHARE
    )
    record = snapshot.as_of - max(since, int(graph.time[0])) if graph.n_transfers else 0
    habit = (last - first) / max(record, SHORTEST_RECORD)
    parts = {"chance": chance, "shares": shares, "habit": habit}
    odds = sum((SAME_RING[name] * value for name, value in parts.items()), np.full(len(key), SAME_RING["intercept"]))
    return Pairs(payer, payee, of, np.asarray(expit(odds), np.float64), parts)


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
