"""Shapes of two hops that a transfer completes: scatter-gather, bipartite and stack, and what its two ends share.

Of a transfer s -> t at time T, from earlier transfers inside the look-back. Each search starts at whichever side has
fewer transfers: the answer is the same from both, the work is not.
"""

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
        "scatter_gather": Says("count", "middles, the payer included, between one account and the payee"),
        "is_gather_cut": Says("flag", "a busy account was not looked through for scatter-gather"),
    },
)
def scatter_gather(past: Past) -> Float32Array:
    """Middles between one account and t: a -> m -> t, each first transfer earlier than the second.

    `common_payers` have an earlier transfer to s and one to t. `scatter_gather` is the largest number of distinct
    middles m over the accounts a, other than t, that paid s, where s is one of the middles: 0 if nobody paid s, 1 if s
    is the only middle.

    Where t has more than `max_degree` credits in the look-back, or an account on the way has more transfers on the side
    that is followed, these are not followed, not counted, and `is_gather_cut` is 1. O(max_degree ** 2) a transfer.
    """
    found = past.unknown(3)
    places = (past.paid_at, past.received_at, past.before.credits)
    rules = (past.lookback, past.is_simultaneous, past.max_degree or len(past) + 1, past.graph.n_accounts)
    past.by_account(_scatter_gather, past.paid, past.received, *places, *rules, found)
    return found


@signal(
    family="shapes",
    columns={
        "common_payees": Says("count", "accounts that both ends paid within the look-back"),
        "bipartite": Says("count", "pairs of another payer and another payee that complete two by two with its ends"),
        "is_stack": Says("flag", "it lies in a two by two shape, and so did an earlier credit of its payer"),
        "is_bipartite_cut": Says("flag", "a busy account was not looked through for bipartite shapes"),
    },
)
def bipartite(past: Past) -> Float32Array:
    """Two payers that paid the same two payees: pairs (s', t') with s' -> t, s -> t' and s' -> t', in any order.

    `common_payees` have an earlier transfer from s and one from t. `is_stack`: `bipartite` > 0 here, and also at an
    earlier credit of s within the look-back: two layers, in order of time. Cuts and cost as of `scatter_gather`; an
    account with more than `max_degree` debits has no common payees.
    """
    found = past.unknown(4)
    places = (past.paid_at, past.received_at, past.before.debits)
    rules = (past.lookback, past.is_simultaneous, past.max_degree or len(past) + 1, past.graph.n_accounts)
    past.by_account(_bipartite, past.paid, past.received, *places, *rules, found)
    past.by_account(_stacks, past.paid, past.received, past.lookback, past.is_simultaneous, found)
    return found


@numba.njit(cache=True, nogil=True)
def _end_of_window(book, place, account, now, is_simultaneous):  # type: ignore[no-untyped-def]
    """Return the position behind what is earlier than `now`, walking from an entry of that time or before."""
    while place < book.stop[account] and is_earlier(book.time[place], now, is_simultaneous):
        place += 1
    while place > book.start[account] and not is_earlier(book.time[place - 1], now, is_simultaneous):
        place -= 1
    return place


@numba.njit(cache=True, nogil=True)
def _scatter_gather(  # type: ignore[no-untyped-def]
    low, high, paid, received, paid_at, received_at, credits_before, lookback, is_simultaneous, max_degree, n_accounts,
    found,
) -> None:  # fmt: skip
    """Slide over each payer's credits while walking its debits.

    Invariant: `n_got` counts the payer's credits in the window by counterparty, all 0 between payers. `met` and `seen`
    hold the number of the question, `walked` that of the walk, for which an account was last met; none needs clearing.
    """
    n_got, latest = np.zeros(n_accounts, np.int32), np.empty(n_accounts, np.int64)
    met, seen = np.full(n_accounts, -1, np.int64), np.full(n_accounts, -1, np.int64)
    walked, n_middles = np.full(n_accounts, -1, np.int64), np.zeros(n_accounts, np.int32)
    ask, walk = 0, 0
    for s in range(low, high):
        first, last = received.start[s], received.start[s]
        for e in range(paid.start[s], paid.stop[s]):
            now, t, i = paid.time[e], paid.other[e], paid.transfer[e]
            begin = now - lookback
            while last < received.stop[s] and is_earlier(received.time[last], now, is_simultaneous):
                n_got[received.other[last]] += 1
                last += 1
            while first < last and received.time[first] < begin:
                n_got[received.other[first]] -= 1
                first += 1
            found[i, 0], found[i, 1], found[i, 2] = 0, 0, 0
            if first == last:
                continue
            # s itself is a middle, unless only t paid it
            found[i, 1] = last - first > n_got[t]
            stop = _end_of_window(received, received_at[i], t, now, is_simultaneous)
            # where its own tick is in the window, so is the transfer itself
            start = begin_of(received.time, received.start[t], stop, begin, max_degree + is_simultaneous)
            if start < 0:
                found[i, 2] = 1
                continue
            ask += 1
            n_common, most, is_cut = 0, 0, False
            for j in range(stop - 1, start - 1, -1):  # the latest transfer of a payer first: it sees most
                payer = received.other[j]
                if payer != s and seen[payer] != ask:
                    seen[payer], latest[payer] = ask, j
                    n_common += n_got[payer] > 0
            if stop - start <= last - first:
                for j in range(start, stop):
                    middle = received.other[j]
                    if middle == s or latest[middle] != j:
                        continue
                    walk += 1
                    m_stop = credits_before[received.transfer[j]]
                    m_start = begin_of(received.time, received.start[middle], m_stop, begin, max_degree)
                    if m_start < 0:
                        is_cut, m_start = True, m_stop
                    for k in range(m_start, m_stop):
                        origin = received.other[k]
                        if n_got[origin] > 0 and origin != t and walked[origin] != walk:
                            if met[origin] != ask:
                                met[origin], n_middles[origin] = ask, 1  # s
                            walked[origin] = walk
                            n_middles[origin] += 1
                            most = max(most, n_middles[origin])
            else:
                for j in range(first, last):
                    origin = received.other[j]
                    if origin == t or met[origin] == ask:
                        continue
                    met[origin] = ask
                    walk += 1
                    m_stop = _end_of_window(paid, paid_at[received.transfer[j]], origin, now, is_simultaneous)
                    m_start = begin_of(paid.time, paid.start[origin], m_stop, begin, max_degree)
                    if m_start < 0:
                        is_cut, m_start = True, m_stop
                    n_reached = 1  # s
                    for k in range(m_start, m_stop):
                        middle = paid.other[k]
                        if seen[middle] != ask or walked[middle] == walk:
                            continue
                        if is_earlier(paid.time[k], received.time[latest[middle]], is_simultaneous):
                            walked[middle] = walk
                            n_reached += 1
                    if n_reached > 1:
                        most = max(most, n_reached)
            found[i, 0], found[i, 2] = n_common, is_cut
            if most > 0:
                found[i, 1] = most
        for j in range(first, last):
            n_got[received.other[j]] = 0


@numba.njit(cache=True, nogil=True)
def _bipartite(  # type: ignore[no-untyped-def]
    low, high, paid, received, paid_at, received_at, debits_before, lookback, is_simultaneous, max_degree, n_accounts,
    found,
) -> None:  # fmt: skip
    """Slide over each payer's earlier debits while walking its debits.

    Invariant: as of `_scatter_gather`, with `n_paid` of the payer's debits in the window.
    """
    n_paid = np.zeros(n_accounts, np.int32)
    met, seen = np.full(n_accounts, -1, np.int64), np.full(n_accounts, -1, np.int64)
    walked = np.full(n_accounts, -1, np.int64)
    ask, walk = 0, 0
    for s in range(low, high):
        first, last = paid.start[s], paid.start[s]
        for e in range(paid.start[s], paid.stop[s]):
            now, t, i = paid.time[e], paid.other[e], paid.transfer[e]
            begin = now - lookback
            while last < paid.stop[s] and is_earlier(paid.time[last], now, is_simultaneous):
                n_paid[paid.other[last]] += 1
                last += 1
            while first < last and paid.time[first] < begin:
                n_paid[paid.other[first]] -= 1
                first += 1
            found[i, 0], found[i, 1], found[i, 2], found[i, 3] = 0, 0, 0, 0
            if last - first == n_paid[t]:  # no other payee
                continue
            ask += 1
            n_common, n_pairs, is_cut = 0, 0, False
            stop = debits_before[i]
            start = begin_of(paid.time, paid.start[t], stop, begin, max_degree)
            if start < 0:
                is_cut, start = True, stop
            for j in range(start, stop):
                other = paid.other[j]
                if n_paid[other] > 0 and met[other] != ask and other != s:
                    met[other] = ask
                    n_common += 1
            stop = _end_of_window(received, received_at[i], t, now, is_simultaneous)
            start = begin_of(received.time, received.start[t], stop, begin, max_degree + is_simultaneous)
            if start < 0:
                found[i, 0], found[i, 3] = n_common, 1
                continue
            if stop - start <= last - first:
                for j in range(start, stop):
                    payer = received.other[j]
                    if payer == s or seen[payer] == ask:
                        continue
                    seen[payer] = ask
                    walk += 1
                    m_stop = _end_of_window(paid, paid_at[received.transfer[j]], payer, now, is_simultaneous)
                    m_start = begin_of(paid.time, paid.start[payer], m_stop, begin, max_degree)
                    if m_start < 0:
                        is_cut, m_start = True, m_stop
                    for k in range(m_start, m_stop):
                        other = paid.other[k]
                        if n_paid[other] > 0 and other != t and walked[other] != walk:
                            walked[other] = walk
                            n_pairs += 1
            else:
                for j in range(start, stop):
                    seen[received.other[j]] = ask
                seen[s] = -1
                for j in range(first, last):
                    other = paid.other[j]
                    if other == t or walked[other] == -2 - ask:
                        continue
                    walked[other] = -2 - ask
                    walk += 1
                    m_stop = _end_of_window(received, received_at[paid.transfer[j]], other, now, is_simultaneous)
                    m_start = begin_of(received.time, received.start[other], m_stop, begin, max_degree)
                    if m_start < 0:
                        is_cut, m_start = True, m_stop
                    for k in range(m_start, m_stop):
                        payer = received.other[k]
                        if seen[payer] == ask and met[payer] != -2 - walk:
                            met[payer] = -2 - walk
                            n_pairs += 1
            found[i, 0], found[i, 1], found[i, 3] = n_common, n_pairs, is_cut
        for j in range(first, last):
            n_paid[paid.other[j]] = 0


@numba.njit(cache=True, nogil=True)
def _stacks(low, high, paid, received, lookback, is_simultaneous, found) -> None:  # type: ignore[no-untyped-def]
    """Slide over each payer's credits; `n_shaped` of those in the window lie in a two by two shape."""
    for s in range(low, high):
        first, last, n_shaped = received.start[s], received.start[s], 0
        for e in range(paid.start[s], paid.stop[s]):
            now, i = paid.time[e], paid.transfer[e]
            if found[i, 1] == 0:
                continue
            while last < received.stop[s] and is_earlier(received.time[last], now, is_simultaneous):
                n_shaped += found[received.transfer[last], 1] > 0
                last += 1
            while first < last and received.time[first] < now - lookback:
                n_shaped -= found[received.transfer[first], 1] > 0
                first += 1
            found[i, 2] = n_shaped > 0
