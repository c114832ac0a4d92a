"""What the payments of this bank's rings look like, learnt from its scores; nobody has to say which these are.

A score looks at all that an account does: two payments of a ring are lost among dozens of ordinary ones. They show in
themselves: two accounts deal for the first time, with much of what either moves, and at the same time they deal with
others that are as new to them, at like amounts. What of this counts differs from bank to bank.

The scores know it. They saw neither payment nor pair, so at both ends of a ring's payment they are high more often than
by chance. Trees learn the product of both ends' suspicion from what the pair did. They are told nothing of how many the
ends deal with, and how much, else they would learn the scores instead of the payments.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final

import lightgbm
import numba
import numpy as np
from scipy.special import logit

from muledetect.arrays import NEVER, Float32Array, Float64Array, Int64Array, UInt64Array, first_transfer_at, sum_at
from muledetect.clock import DAY
from muledetect.facts import Snapshot
from muledetect.rings.communities import mix_bits
from muledetect.rings.pairs import LEAST_SHARE, NO_FITS, Fits, measure_dealings
from muledetect.rings.strength import LEAST_CONTRAST, learn_strength

#: Payments of the same account so close in time belong together.
TOGETHER: Final = 3 * DAY

#: Amounts are alike if one is at most so much of the other, as a difference of logs.
ALIKE: Final = 0.35

#: Trees are few and small: what they learn from is wrong about most payments.
TREES: Final[dict[str, Any]] = {
    "objective": "cross_entropy", "num_leaves": 15, "learning_rate": 0.07, "min_data_in_leaf": 100, "lambda_l2": 10.0,
    "deterministic": True, "force_row_wise": True, "num_threads": 1, "verbosity": -1, "seed": 1,
}  # fmt: skip
N_TREES: Final = 100

#: With fewer pairs nothing is learnt.
FEWEST_PAIRS: Final = 2_000

#: Trees grow on so many pairs at most.
MOST_PAIRS: Final = 1_000_000

#: No pair is surer or less sure than this before its ends are looked at.
_CLIP: Final = (1e-5, 0.9)

#: Log-odds that a ring joins two accounts that deal with each other, and what a unit of value adds to them.
ANY_PAIR: Final[Mapping[str, float]] = MappingProxyType({"intercept": -4.6, "fit": 1.0})

_LEAST: Final = 1e-4
_FAR: Final = 9.0


def learn_payments(snapshot: Snapshot, suspicion: Float64Array, *, since: int, most: int) -> Fits:
    """Return how well each pair of accounts fits, of those with at most `most` counterparties in the window.

    `suspicion` is that of every account by its own evidence. O(transfers log transfers + pairs * trees).
    """
    pairs = find_first_payments(snapshot, since=since, most=most)
    both = suspicion[pairs.source] * suspicion[pairs.target]
    if len(both) < FEWEST_PAIRS or not both.any():
        return NO_FITS
    # in an order of their content, so that no name and no order of rows changes a tree
    order = np.argsort(_contents(pairs.columns, both), kind="stable")
    taken = order[:: -(-len(order) // MOST_PAIRS)]
    rows = lightgbm.Dataset(pairs.columns[taken], both[taken].astype(np.float32), params=TREES)
    trees = lightgbm.train(TREES, rows, num_boost_round=N_TREES)
    found = np.clip(trees.predict(pairs.columns, num_threads=1), *_CLIP)
    usual = float(logit(np.clip(np.sort(both).mean(), *_CLIP)))
    value = np.asarray(logit(found) - usual, np.float64)
    return Fits(pairs.source, pairs.target, value, odds_of(value, suspicion[pairs.source], suspicion[pairs.target]))


def _contents(columns: Float32Array, both: Float64Array) -> UInt64Array:
    """Return a hash of each row; rows of one hash are alike and may change places."""
    found = mix_bits(both.view(np.uint64))
    for values in columns.T:
        found = mix_bits(found + np.ascontiguousarray(values).view(np.uint32).astype(np.uint64) + np.uint64(1))
    return found


def odds_of(value: Float64Array, payer: Float64Array, payee: Float64Array) -> Float64Array:
    """Return the log-odds that a ring joins each pair, from its value and the suspicion of both ends.

    With `m` the mean suspicion of mules and `b` that of whom anybody deals with, ends of pairs of one value have the
    mean `b + (m - b) p`: `p` is fitted as a logistic function of the value, see `learn_strength`.
    """
    ends = np.concatenate([payer, payee])
    ranked = np.sort(ends)
    mules = float((ranked * ranked).sum() / max(ranked.sum(), _LEAST))
    anybody = max(float(ranked.mean()), _LEAST)
    if mules - anybody < LEAST_CONTRAST:
        return np.full(len(value), -np.inf)
    weights = learn_strength(
        {"fit": np.tile(value, 2)}, np.ones(len(ends)), ends, mules=mules, anybody=anybody, elsewhere=ANY_PAIR
    )
    return weights["intercept"] + weights["fit"] * value


@dataclass(frozen=True, eq=False)
class FirstPayments:
    """Directed pairs of accounts that can be of one ring, each by its first payment; ascending.

    `columns`, float32, of each pair: log of the amount of the first payment; payments; time from the first to the last,
    microseconds; logs of the pair's shares of the payee's inflow and of the payer's outflow; whether the payee ever
    paid the payer; and of the first payments within three days that (1) the payer made to others, (2) the payer had
    received from others before, (3) the payee made to others afterwards, (4) the payee received from others: how many,
    how many of a like amount, and the least difference in logs of amounts.
    """

    source: Int64Array  # account codes
    target: Int64Array
    columns: Float32Array


def find_first_payments(snapshot: Snapshot, *, since: int, most: int) -> FirstPayments:
    """Return the pairs of accounts with at most `most` counterparties of which one paid the other in the window.

    O(transfers log transfers + pairs of first payments of one account within three days).
    """
    graph, n = snapshot.graph, snapshot.graph.n_accounts
    dealings = measure_dealings(snapshot, np.arange(n, dtype=np.int32), since, most)
    is_small = dealings.n_others <= most
    begins = int(np.searchsorted(graph.time, since, side="left"))
    source, target = graph.source[begins:], graph.target[begins:]
    transfer = begins + np.flatnonzero(snapshot.is_between_accounts[begins:] & is_small[source] & is_small[target])
    key = graph.source[transfer].astype(np.int64) * n + graph.target[transfer]
    pair, first, of = np.unique(key, return_index=True, return_inverse=True)
    payer, payee = np.divmod(pair, n)
    amount = sum_at(graph.amount[transfer], of, len(pair))
    last = np.full(len(pair), -NEVER)
    np.maximum.at(last, of, graph.time[transfer])
    started = graph.time[transfer[first]]
    size = np.log(np.maximum(graph.amount[transfer[first]], 1))
    own = [
        size,
        np.bincount(of, minlength=len(pair)),
        last - started,
        np.log(amount / np.maximum(dealings.inflow[payee], 1) + LEAST_SHARE),
        np.log(amount / np.maximum(dealings.outflow[payer], 1) + LEAST_SHARE),
        np.isin(payee * n + payer, pair),
    ]
    near = _look_around(payer, payee, started, size, TOGETHER, _by(payer, started, n), _by(payee, started, n))
    return FirstPayments(payer, payee, np.column_stack([*(np.asarray(values, np.float32) for values in own), near]))


def _by(account: Int64Array, time: Int64Array, n: int) -> tuple[Int64Array, Int64Array, Int64Array]:
    """Return where the rows of each account start and stop in an order by account and time, and that order."""
    order = np.lexsort((time, account))
    start, stop = (np.searchsorted(account[order], np.arange(n), side=side) for side in ("left", "right"))
    return start.astype(np.int64), stop.astype(np.int64), order.astype(np.int64)


@numba.njit(cache=True, nogil=True)
def _look_around(payer, payee, time, size, together, paid, received):  # type: ignore[no-untyped-def]
    """Return for each first payment, of those around it on four sides, how many, how many alike, least difference."""
    found = np.zeros((len(payer), 12), np.float32)
    for i in range(len(payer)):
        for side in range(4):
            account = payer[i] if side < 2 else payee[i]
            other = payee[i] if side < 2 else payer[i]
            start, stop, place = paid if side % 2 == 0 else received
            earliest = time[i] if side == 2 else time[i] - together
            latest = time[i] if side == 1 else time[i] + together
            n, n_alike, least = 0, 0, _FAR
            for k in range(first_transfer_at(place, start[account], stop[account], time, earliest), stop[account]):
                j = place[k]
                if time[j] > latest:
                    break
                partner = payee[j] if side % 2 == 0 else payer[j]
                if partner == other:
                    continue
                difference = abs(size[j] - size[i])
                n += 1
                n_alike += difference <= ALIKE
                least = min(least, difference)
            found[i, 3 * side] = n
            found[i, 3 * side + 1] = n_alike
            found[i, 3 * side + 2] = least
    return found
