"""Links: which credits the money of each debit came from, by first in, first out.

The credits of one account and tick are one group, and so are its debits: nothing depends on an order that the clock
hides. A debit group spends the oldest credit groups that are left; what is matched between two groups is shared pro
rata over their transfers. Money that leaves beyond all credits so far came from before the records and has no link.
"""

from __future__ import annotations

from typing import NamedTuple

import numba
import numpy as np
import numpy.typing as npt

from muledetect.features.signals._past import Past, is_earlier
from muledetect.graph import Int32Array, Int64Array


class Links(NamedTuple):
    """Matched pairs of a credit and a debit group; pairs `start[d]:start[d + 1]` of debit group `d`, oldest first.

    A debit group is named by the first of its transfers in the graph, a credit group by the first of its entries in
    `Past.received`. The amounts of the pairs of a group never exceed the group's total.

    Attributes
    ----------
    start : int64[n_transfers + 1]
        By transfer; all but the first transfers of debit groups have no pairs.
    credit : int32[n_pairs]
        Credit group.
    amount : int64[n_pairs]
        Matched amount, > 0.
    is_firm : bool[n_pairs]
        The matched amount is at least half of the smaller group's total.
    debit_of, credit_of : int32[n_transfers]
        The debit group of the source and the credit group of the target; -1 for a transfer from an account to itself.
    debit_total : int64[n_transfers], credit_total : int64[n_entries]
        Amount of each group at its name; 0 elsewhere.
    """

    start: Int64Array
    credit: Int32Array
    amount: Int64Array
    is_firm: npt.NDArray[np.bool_]
    debit_of: Int32Array
    credit_of: Int32Array
    debit_total: Int64Array
    credit_total: Int64Array


def build_links(past: Past) -> Links:
    """Match all accounts, in threads. O(n); 32 bytes a transfer and 13 a pair, of which a transfer has at most two.

    A credit is available to later debits, and to those of its own tick where ties are simultaneous. Money that stayed
    longer than the look-back is spent in its turn but is in no pair.
    """
    n, n_credits = len(past), len(past.received.time)
    debit_of, credit_of = np.full(n, -1, np.int32), np.full(n, -1, np.int32)
    debit_total, credit_total = np.zeros(n, np.int64), np.zeros(n_credits, np.int64)
    past.by_account(_group, past.paid, past.received, debit_of, credit_of, debit_total, credit_total)
    start = np.zeros(n + 1, np.int64)
    none = Links(
        start, np.empty(0, np.int32), np.empty(0, np.int64), np.empty(0, np.bool_),
        debit_of, credit_of, debit_total, credit_total,
    )  # fmt: skip
    rules = (past.paid, past.received, past.lookback, past.is_simultaneous)
    past.by_account(_match, *rules, True, none)
    np.cumsum(start, out=start)
    n_pairs = int(start[-1])
    links = none._replace(
        credit=np.empty(n_pairs, np.int32), amount=np.empty(n_pairs, np.int64), is_firm=np.empty(n_pairs, np.bool_)
    )
    past.by_account(_match, *rules, False, links)
    return links


@numba.njit(cache=True, nogil=True)
def _group(low, high, paid, received, debit_of, credit_of, debit_total, credit_total) -> None:  # type: ignore[no-untyped-def]
    for a in range(low, high):
        first = -1
        for e in range(paid.start[a], paid.stop[a]):
            i = paid.transfer[e]
            if e == paid.start[a] or paid.time[e] != paid.time[e - 1]:
                first = int(i)
            debit_of[i] = first
            debit_total[first] += paid.amount[e]
        for f in range(received.start[a], received.stop[a]):
            if f == received.start[a] or received.time[f] != received.time[f - 1]:
                first = f
            credit_of[received.transfer[f]] = first
            credit_total[first] += received.amount[f]


@numba.njit(cache=True, nogil=True)
def _match(low, high, paid, received, lookback, is_simultaneous, is_counting, links) -> None:  # type: ignore[no-untyped-def]
    """Count the pairs of debit group d at `start[d + 1]`, or, when `start` is their running total, write them.

    Invariant: `oldest` is the oldest credit group with something left, `rest` what is left of it. Each step exhausts a
    group, so that an account has no more pairs than groups.
    """
    for a in range(low, high):
        oldest, stop = received.start[a], received.stop[a]
        rest = links.credit_total[oldest] if oldest < stop else 0
        for e in range(paid.start[a], paid.stop[a]):
            d, now = paid.transfer[e], paid.time[e]
            if links.debit_of[d] != d:
                continue
            left, k = links.debit_total[d], links.start[d]
            while left > 0 and oldest < stop and is_earlier(received.time[oldest], now, is_simultaneous):
                moved = min(left, rest)
                left -= moved
                rest -= moved
                if now - received.time[oldest] <= lookback:
                    if is_counting:
                        links.start[d + 1] += 1
                    else:
                        links.credit[k], links.amount[k] = oldest, moved
                        links.is_firm[k] = 2 * moved >= min(links.debit_total[d], links.credit_total[oldest])
                        k += 1
                if rest == 0:
                    next_time = received.time[oldest]
                    while oldest < stop and received.time[oldest] == next_time:
                        oldest += 1
                    rest = links.credit_total[oldest] if oldest < stop else 0
