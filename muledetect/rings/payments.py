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
from itertools import pairwise
from types import MappingProxyType
from typing import Any, Final

import lightgbm
import numba
import numpy as np
from scipy.special import logit

from muledetect.arrays import (
    PIECE,
    Float32Array,
    Float64Array,
    Int32Array,
    Int64Array,
    UInt64Array,
    first_at_least,
    first_transfer_at,
    pieces,
    place_between,
)
from muledetect.clock import DAY
from muledetect.facts import Snapshot
from muledetect.facts.columns import group
from muledetect.memory import Room
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

#: Trees and odds are learnt from so many pairs at most.
MOST_PAIRS: Final = 1_000_000

#: No pair is surer or less sure than this before its ends are looked at.
_CLIP: Final = (1e-5, 0.9)

#: Log-odds that a ring joins two accounts that deal with each other, and what a unit of value adds to them.
ANY_PAIR: Final[Mapping[str, float]] = MappingProxyType({"intercept": -4.6, "fit": 1.0})

_LEAST: Final = 1e-4
_FAR: Final = 9.0


def learn_payments(snapshot: Snapshot, suspicion: Float64Array, *, since: int, most: int) -> Fits:
    """Return how well each pair of accounts fits, of those with at most `most` counterparties in the window.

    `suspicion` is that of every account by its own evidence. Trees and odds are learnt from at most `MOST_PAIRS` pairs.
    O(transfers log transfers + pairs * trees). What has a row a pair lies in the room of the data set: 140 bytes while
    it is learnt from, of which 24 stay.
    """
    room, pairs = snapshot.facts.room, find_first_payments(snapshot, since=since, most=most)
    n = len(pairs.source)
    both, contents = room.empty(n, np.float64), room.empty(n, np.uint64)
    for rows in pieces(n):
        both[rows] = suspicion[pairs.source[rows]] * suspicion[pairs.target[rows]]
        contents[rows] = _contents(pairs.columns[rows], both[rows])
    if n < FEWEST_PAIRS or not both.any():
        return NO_FITS
    # in an order of their content, so that no name and no order of rows changes a tree
    taken = every_nth(contents, -(-n // MOST_PAIRS), room)
    told = lightgbm.Dataset(pairs.columns[taken], both[taken].astype(np.float32), params=TREES)
    trees = lightgbm.train(TREES, told, num_boost_round=N_TREES)
    usual = float(logit(np.clip(np.sort(both[taken]).mean(), *_CLIP)))
    value, odds = room.empty(n, np.float64), room.empty(n, np.float64)
    for rows in pieces(n):
        value[rows] = logit(np.clip(trees.predict(pairs.columns[rows], num_threads=1), *_CLIP)) - usual
    start, slope = learn_odds(value[taken], suspicion[pairs.source[taken]], suspicion[pairs.target[taken]])
    for rows in pieces(n):
        odds[rows] = start + slope * value[rows]
    return Fits(pairs.source, pairs.target, value, odds)


def _contents(columns: Float32Array, both: Float64Array) -> UInt64Array:
    """Return a hash of each row; rows of one hash are alike and may change places."""
    found = mix_bits(both.view(np.uint64))
    for values in columns.T:
        found = mix_bits(found + np.ascontiguousarray(values).view(np.uint32).astype(np.uint64) + np.uint64(1))
    return found


def every_nth(contents: UInt64Array, n: int, room: Room) -> Int64Array:
    """Return each `n`-th row, from the first on, in ascending order of hashes; equal ones in their order.

    Rows are put apart by the first bits of their hash and sorted part by part. O(rows log rows).
    """
    bits = max(1, (len(contents) // PIECE).bit_length())
    part = room.empty(len(contents), np.int32)
    for rows in pieces(len(contents)):
        part[rows] = contents[rows] >> np.uint64(64 - bits)
    start, place = group(part, 2**bits, room)
    taken = [np.zeros(0, np.int64)]
    for first, behind in pairwise(start.tolist()):
        of_part = place[first:behind]
        taken.append(of_part[np.argsort(contents[of_part], kind="stable")[-first % n :: n]])
    return np.concatenate(taken)


def learn_odds(value: Float64Array, payer: Float64Array, payee: Float64Array) -> tuple[float, float]:
    """Return the log-odds that a ring joins a pair of value 0, and what a unit of value adds.

    With `m` the mean suspicion of mules and `b` that of whom anybody deals with, ends of pairs of one value have the
    mean `b + (m - b) p`: `p` is fitted as a logistic function of the value, see `learn_strength`. Where scores hardly
    tell mules from others no pair has odds: -inf, 0.
    """
    ends = np.concatenate([payer, payee])
    ranked = np.sort(ends)
    mules = float((ranked * ranked).sum() / max(ranked.sum(), _LEAST))
    anybody = max(float(ranked.mean()), _LEAST)
    if mules - anybody < LEAST_CONTRAST:
        return -np.inf, 0.0
    weights = learn_strength(
        {"fit": np.tile(value, 2)}, np.ones(len(ends)), ends, mules=mules, anybody=anybody, elsewhere=ANY_PAIR
    )
    return weights["intercept"], weights["fit"]


@dataclass(frozen=True, eq=False)
class FirstPayments:
    """Directed pairs of accounts that can be of one ring, each by its first payment; ascending.

    `columns`, float32, of each pair: log of the amount of the first payment; payments; time from the first to the last,
    microseconds; logs of the pair's shares of the payee's inflow and of the payer's outflow; whether the payee ever
    paid the payer; and of the first payments within three days that (1) the payer made to others, (2) the payer had
    received from others before, (3) the payee made to others afterwards, (4) the payee received from others: how many,
    how many of a like amount, and the least difference in logs of amounts.
    """

    source: Int32Array  # account codes
    target: Int32Array
    columns: Float32Array


def find_first_payments(snapshot: Snapshot, *, since: int, most: int) -> FirstPayments:
    """Return the pairs of accounts with at most `most` counterparties of which one paid the other in the window.

    O(transfers log transfers + pairs of first payments of one account within three days). 140 bytes a pair in the room
    of the data set while it works, of which 80 stay.
    """
    graph, room = snapshot.graph, snapshot.facts.room
    dealings = measure_dealings(snapshot, np.arange(graph.n_accounts, dtype=np.int32), since, most)
    begins = int(np.searchsorted(graph.time, since, side="left"))
    counts = (*graph.outgoing, graph.target, snapshot.is_between_accounts, dealings.n_others <= most, begins)
    start = _count_pairs(*counts)
    n = int(start[-1])
    payer, payee, first, n_paid = (room.empty(n, np.int32) for _ in range(4))
    amount, last = room.empty(n, np.int64), room.empty(n, np.int64)
    _pair_up(*counts, graph.time, graph.amount, start, payer, payee, first, n_paid, amount, last)
    started, size = room.empty(n, np.int64), room.empty(n, np.float64)
    columns = room.empty((n, 18), np.float32)
    for rows in pieces(n):
        started[rows] = graph.time[first[rows]]
        size[rows] = np.log(np.maximum(graph.amount[first[rows]], 1))
        columns[rows, 0] = size[rows]
        columns[rows, 1] = n_paid[rows]
        columns[rows, 2] = last[rows] - started[rows]
        columns[rows, 3] = np.log(amount[rows] / np.maximum(dealings.inflow[payee[rows]], 1) + LEAST_SHARE)
        columns[rows, 4] = np.log(amount[rows] / np.maximum(dealings.outflow[payer[rows]], 1) + LEAST_SHARE)
    paid, received = (group(end, graph.n_accounts, room, time=started) for end in (payer, payee))
    _look_around(payer, payee, start, started, size, TOGETHER, paid, received, columns)
    return FirstPayments(payer, payee, columns)


@numba.njit(cache=True, nogil=True)
def _count_pairs(out_start, out_stop, out_transfer, target, binds, is_small, begins):  # type: ignore[no-untyped-def]
    """Return where the pairs of each payer begin, in order of payers, and one end."""
    paid = np.full(len(out_start), -1, np.int32)
    start = np.zeros(len(out_start) + 1, np.int64)
    for a in range(len(out_start)):
        n = 0
        if is_small[a]:
            for j in range(first_at_least(out_transfer, out_start[a], out_stop[a], begins), out_stop[a]):
                b = target[out_transfer[j]]
                if binds[out_transfer[j]] and is_small[b] and paid[b] != a:
                    paid[b] = a
                    n += 1
        start[a + 1] = start[a] + n
    return start


@numba.njit(cache=True, nogil=True)
def _pair_up(  # type: ignore[no-untyped-def]
    out_start, out_stop, out_transfer, target, binds, is_small, begins, time, amount,
    start, payer, payee, first, n_paid, total, last,
) -> None:  # fmt: skip
    """Fill in the pairs of each payer, ascending by payee: first transfer, transfers, amount, time of the last."""
    place = np.full(len(out_start), -1, np.int64)  # of the pair with each payee; stale below the payer's first
    for a in range(len(out_start)):
        low, high = start[a], start[a + 1]
        if low == high:
            continue
        begin, n = first_at_least(out_transfer, out_start[a], out_stop[a], begins), low
        for j in range(begin, out_stop[a]):
            b = target[out_transfer[j]]
            if binds[out_transfer[j]] and is_small[b] and place[b] < low:
                place[b] = n
                payee[n] = b
                n += 1
        payee[low:high] = np.sort(payee[low:high])
        for k in range(low, high):
            place[payee[k]] = k
            payer[k], n_paid[k], total[k] = a, 0, 0
        for j in range(begin, out_stop[a]):
            i = out_transfer[j]
            if binds[i] and is_small[target[i]]:
                k = place[target[i]]
                if n_paid[k] == 0:
                    first[k] = i
                n_paid[k] += 1
                total[k] += amount[i]
                last[k] = time[i]


@numba.njit(cache=True, nogil=True)
def _look_around(payer, payee, begin, time, size, together, paid, received, found) -> None:  # type: ignore[no-untyped-def]
    """Fill in whether the payee ever paid the payer, and of the first payments around each on four sides, how many, how
    many alike, least difference. Pairs of each payer begin at `begin`."""
    for i in range(len(payer)):
        found[i, 5] = place_between(payee, begin[payee[i]], begin[payee[i] + 1], payer[i]) >= 0
        for side in range(4):
            account = payer[i] if side < 2 else payee[i]
            other = payee[i] if side < 2 else payer[i]
            start, place = paid if side % 2 == 0 else received
            stop = start[account + 1]
            earliest = time[i] if side == 2 else time[i] - together
            latest = time[i] if side == 1 else time[i] + together
            n, n_alike, least = 0, 0, _FAR
            for k in range(first_transfer_at(place, start[account], stop, time, earliest), stop):
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
            found[i, 6 + 3 * side] = n
            found[i, 7 + 3 * side] = n_alike
            found[i, 8 + 3 * side] = least
