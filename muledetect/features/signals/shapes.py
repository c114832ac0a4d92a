"""Shapes of two hops that a transfer completes: scatter-gather, bipartite and stack, and what its two ends share."""

from __future__ import annotations

import numba
import numpy as np

from muledetect.features._spec import Says
from muledetect.features.signals._past import Float32Array, Past, begin_of, is_earlier
from muledetect.features.signals._spec import signal


@signal(
    family="shapes",
    columns={
        "common_payers": Says("count", "accounts that paid both ends within the look-back"),
        "common_payees": Says("count", "accounts that both ends paid within the look-back"),
        "scatter_gather": Says("count", "middles, the payer included, between one account and the payee"),
        "bipartite": Says("count", "pairs of another payer and another payee that complete two by two with its ends"),
        "is_stack": Says("flag", "it lies in a two by two shape, and so did an earlier credit of its payer"),
        "gather_scatter": Says("count", "the lesser of the payer's different payers and different payees"),
        "gather_ratio": Says("ratio", "money that the payer paid within the look-back, against what it got"),
        "is_shape_cut": Says("flag", "a busy account was not looked through for its shapes"),
    },
)
def shapes(past: Past) -> Float32Array:
    """Shapes of at most two hops around a transfer s -> t at time T, of earlier transfers inside the look-back.

    - `common_payers`, `common_payees`: accounts with an earlier transfer to s and one to t; from s and from t.
    - `scatter_gather`: the largest number of middles m, over accounts a other than t, with a -> m before m -> t, where
      s is one of the middles; 0 if nobody paid s, 1 if s is the only middle.
    - `bipartite`: pairs (s', t') with s' -> t, s -> t' and s' -> t'; the order of the three does not matter.
    - `is_stack`: `bipartite` > 0 here and at an earlier credit of s within the look-back.
    - `gather_scatter`: min(payers of s, payees of s with t); `gather_ratio` = paid / received, this transfer included,
      NaN if s received nothing.

    An account with more than `max_degree` transfers on a side within the look-back is not looked through on that side:
    `is_shape_cut` says so, and the shapes through it are not counted; nor are `common_payers` through t where its
    payers, or `common_payees` where its payees are more. O(max_degree ** 2) a transfer at most.
    """
    found = past.unknown(8)
    rules = (past.lookback, past.is_simultaneous, past.max_degree or len(past) + 1, past.graph.n_accounts)
    places = (past.paid_at, past.received_at, *past.before)
    past.by_account(_shapes, past.paid, past.received, *places, *rules, found)
    past.by_account(_stacks, past.paid, past.received, past.lookback, past.is_simultaneous, found)
    return found


@numba.njit(cache=True, nogil=True)
def _shapes(
    low,
    high,
    paid,
    received,
    paid_at,
    received_at,
    credits_before,
    debits_before,
    lookback,
    is_simultaneous,
    max_degree,
    n_accounts,
    found,
) -> None:  # type: ignore[no-untyped-def]
    """Walk each payer's debits in time, with its own window of both sides held as counts by counterparty.

    Invariant: `n_paid` and `n_got` count the payer's entries in the window by counterparty, all 0 between payers.
    `met`, `seen`, `counted` hold the number of the transfer, `reached` that of the walk, for which an account was last
    met, so they never need clearing.
    """
    n_paid, n_got = np.zeros(n_accounts, np.int32), np.zeros(n_accounts, np.int32)
    met, seen = np.full(n_accounts, -1, np.int64), np.full(n_accounts, -1, np.int64)
    reached = np.full(n_accounts, -1, np.int64)
    counted, n_middles = np.full(n_accounts, -1, np.int64), np.zeros(n_accounts, np.int32)
    ask, ask_middle = 0, 0
    for s in range(low, high):
        first, last, n_payees, out = paid.start[s], paid.start[s], 0, 0
        f_first, f_last, n_payers, into = received.start[s], received.start[s], 0, 0
        for e in range(paid.start[s], paid.stop[s]):
            now, t, i = paid.time[e], paid.other[e], paid.transfer[e]
            begin = now - lookback
            while last < paid.stop[s] and is_earlier(paid.time[last], now, is_simultaneous):
                n_payees += n_paid[paid.other[last]] == 0
                n_paid[paid.other[last]] += 1
                out += paid.amount[last]
                last += 1
            while f_last < received.stop[s] and is_earlier(received.time[f_last], now, is_simultaneous):
                n_payers += n_got[received.other[f_last]] == 0
                n_got[received.other[f_last]] += 1
                into += received.amount[f_last]
                f_last += 1
            while first < last and paid.time[first] < begin:
                n_paid[paid.other[first]] -= 1
                n_payees -= n_paid[paid.other[first]] == 0
                out -= paid.amount[first]
                first += 1
            while f_first < f_last and received.time[f_first] < begin:
                n_got[received.other[f_first]] -= 1
                n_payers -= n_got[received.other[f_first]] == 0
                into -= received.amount[f_first]
                f_first += 1
            found[i, 5] = min(n_payers, n_payees + (n_paid[t] == 0))
            if into > 0:
                found[i, 6] = (out + (0 if is_simultaneous else paid.amount[e])) / into

            ask += 1
            n_common_payers, n_common_payees, n_butterflies, most, is_cut = 0, 0, 0, 0, False
            has_other_payees = n_payees - (n_paid[t] > 0) > 0
            if has_other_payees:
                d_stop = debits_before[i]
                d_start = begin_of(paid.time, paid.start[t], d_stop, begin, max_degree)
                is_cut = d_start < 0
                for j in range(d_stop if is_cut else d_start, d_stop):
                    other = paid.other[j]
                    is_end = other == s or other == t  # noqa: PLR1714 (numba has no `in` of mixed types)
                    if n_paid[other] > 0 and met[other] != ask and not is_end:
                        met[other] = ask
                        n_common_payees += 1
            c_stop = received_at[i]  # from its own place to the end of what is earlier
            while is_simultaneous and c_stop < received.stop[t] and received.time[c_stop] == now:
                c_stop += 1
            while not is_simultaneous and c_stop > received.start[t] and received.time[c_stop - 1] == now:
                c_stop -= 1
            # where its own tick is in the window, so is the transfer itself
            c_start = begin_of(received.time, received.start[t], c_stop, begin, max_degree + is_simultaneous)
            if c_start < 0:
                is_cut, c_start = True, c_stop
            for j in range(c_stop - 1, c_start - 1, -1):  # the latest transfer of a payer first: it sees most
                payer = received.other[j]
                if payer == s or seen[payer] == ask:
                    continue
                seen[payer] = ask
                n_common_payers += n_got[payer] > 0
                k_own = received.transfer[j]
                if n_payers > 0:
                    ask_middle += 1
                    m_stop = credits_before[k_own]
                    m_start = begin_of(received.time, received.start[payer], m_stop, begin, max_degree)
                    if m_start < 0:
                        is_cut, m_start = True, m_stop
                    for k in range(m_start, m_stop):
                        origin = received.other[k]
                        is_end = origin == s or origin == t  # noqa: PLR1714 (likewise)
                        if n_got[origin] > 0 and reached[origin] != ask_middle and not is_end:
                            if counted[origin] != ask:
                                counted[origin], n_middles[origin] = ask, 1  # the payer itself
                            reached[origin] = ask_middle
                            n_middles[origin] += 1
                            most = max(most, n_middles[origin])
                if has_other_payees:
                    ask_middle += 1
                    m_stop = paid_at[k_own]
                    while m_stop < paid.stop[payer] and is_earlier(paid.time[m_stop], now, is_simultaneous):
                        m_stop += 1
                    m_start = begin_of(paid.time, paid.start[payer], m_stop, begin, max_degree)
                    if m_start < 0:
                        is_cut, m_start = True, m_stop
                    for k in range(m_start, m_stop):
                        other = paid.other[k]
                        if n_paid[other] > 0 and other != t and reached[other] != ask_middle:
                            reached[other] = ask_middle
                            n_butterflies += 1
            found[i, 0], found[i, 1] = n_common_payers, n_common_payees
            found[i, 2] = most if most > 0 else (1 if n_payers - (n_got[t] > 0) > 0 else 0)
            found[i, 3], found[i, 7] = n_butterflies, is_cut
        for j in range(first, last):
            n_paid[paid.other[j]] = 0
        for j in range(f_first, f_last):
            n_got[received.other[j]] = 0


@numba.njit(cache=True, nogil=True)
def _stacks(low, high, paid, received, lookback, is_simultaneous, found) -> None:  # type: ignore[no-untyped-def]
    """Slide over each payer's credits; `n_shaped` of those in the window lie in a two by two shape."""
    for s in range(low, high):
        first, last, n_shaped = received.start[s], received.start[s], 0
        for e in range(paid.start[s], paid.stop[s]):
            now, i = paid.time[e], paid.transfer[e]
            while last < received.stop[s] and is_earlier(received.time[last], now, is_simultaneous):
                n_shaped += found[received.transfer[last], 3] > 0
                last += 1
            while first < last and received.time[first] < now - lookback:
                n_shaped -= found[received.transfer[first], 3] > 0
                first += 1
            found[i, 4] = n_shaped > 0 and found[i, 3] > 0
