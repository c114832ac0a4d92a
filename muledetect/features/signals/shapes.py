"""Shapes of two by two that a transfer completes: bipartite and stack, and what its two ends share.

Of a transfer s -> t at time T, from earlier transfers inside the look-back. Each search starts at whichever side has
fewer transfers: the answer is the same from both, the work is not.
"""

from __future__ import annotations

import numba
import numpy as np

from muledetect.arrays import Float32Array, first_at_least
from muledetect.features._columns import Column
from muledetect.features.signals._opening import is_over
from muledetect.features.signals._past import Past, begin_of, has_unknown, is_earlier
from muledetect.features.signals._spec import signal
from muledetect.letting_go import give_way


@signal(
    reads_known=True,
    family="shapes",
    reach=2,
    columns={
        "common_payers": Column("count", "accounts that paid both ends within the look-back"),
        "common_payees": Column("count", "accounts that both ends paid within the look-back"),
        "bipartite": Column("count", "pairs of another payer and another payee that complete two by two with its ends"),
        "is_stack": Column("flag", "it lies in a two by two shape, and so did an earlier credit of its payer"),
        "is_bipartite_cut": Column("flag", "a busy account was not looked through for bipartite shapes"),
    },
)
def bipartite(past: Past) -> Float32Array:
    """Two payers that paid the same two payees: pairs (s', t') with s' -> t, s -> t' and s' -> t', in any order.

    `common_payers` have an earlier transfer to s and one to t, `common_payees` one from s and one from t. `is_stack`:
    `bipartite` > 0 here, and also at an earlier credit of s within the look-back: two layers, in order of time.

    The search starts at the other payers of t or at the other payees of s, whichever have fewer transfers. Where t, or
    an account on the way, has more than `max_degree` transfers in the look-back on the side that is followed, these
    are not followed, not counted, and `is_bipartite_cut` is 1.

    Where s has more than 4,096 earlier transfers on one side in the look-back, it is 1, too, and what rests on this
    side is NaN, unless `max_degree` is None: on its debits `common_payees`, `bipartite` and `is_stack`, on its credits
    `common_payers`, and `is_stack` where `bipartite` is not 0. O(max_degree ** 2) a transfer.
    """
    found = past.unknown(5)
    known = past.known.get("bipartite", found[:0])
    found[: len(known)] = known
    places = (past.paid_at, past.received_at, past.before.debits)
    rules = (
        past.lookback, past.is_simultaneous, past.max_degree or len(past) + 1, past.most, past.graph.n_accounts,
        len(known), past.opening,
    )  # fmt: skip
    past.by_account(_bipartite, past.paid, past.received, *places, *rules, found)
    past.by_account(
        _stacks, past.paid, past.received, past.lookback, past.is_simultaneous, past.most, len(known),
        past.opening.is_received_over, found,
    )  # fmt: skip
    return found


@numba.njit(cache=True, nogil=True)
def _end_of_window(book, place, account, now, is_simultaneous):  # type: ignore[no-untyped-def]
    """Return the position behind what is earlier than `now`, from an entry of that time or before on.

    Steps double, for a busy account has many entries until now. O(log of their number).
    """
    moment, stop, step = now + 1 if is_simultaneous else now, book.stop[account], 1
    if place < stop and book.time[place] < moment:
        low, high = place + 1, place + 1
        while high < stop and book.time[high] < moment:
            low, high, step = high + 1, high + step, 2 * step
        return first_at_least(book.time, low, min(high, stop), moment)
    while place > book.start[account] and book.time[place - 1] >= moment:
        place -= 1
    return place


@numba.njit(cache=True, nogil=True)
def _bipartite(  # type: ignore[no-untyped-def]
    low, high, paid, received, paid_at, received_at, debits_before, lookback, is_simultaneous, max_degree, most,
    n_accounts, n_known, opening, found,
) -> None:  # fmt: skip
    """Slide over both sides of each payer while walking its debits.

    Invariant: `n_paid` and `n_got` count the payer's entries in the window by counterparty, all 0 between payers. `met`
    and `seen` hold the number of the question, `walked` that of the walk, for which an account was last met; none needs
    clearing.
    """
    n_paid, n_got = np.zeros(n_accounts, np.int32), np.zeros(n_accounts, np.int32)
    met, seen = np.full(n_accounts, -1, np.int64), np.full(n_accounts, -1, np.int64)
    walked = np.full(n_accounts, -1, np.int64)
    ask, walk = 0, 0
    for s in range(low, high):
        if not has_unknown(paid, s, n_known):
            continue
        first, last = paid.start[s], paid.start[s]
        f_first, f_last = received.start[s], received.start[s]
        always_paid, always_got = is_over(opening.is_paid_over, s), is_over(opening.is_received_over, s)
        for e in range(paid.start[s], paid.stop[s]):
            give_way(paid.pages)
            now, t, i = paid.time[e], paid.other[e], paid.transfer[e]
            begin = now - lookback
            while last < paid.stop[s] and is_earlier(paid.time[last], now, is_simultaneous):
                n_paid[paid.other[last]] += 1
                last += 1
            while first < last and paid.time[first] < begin:
                n_paid[paid.other[first]] -= 1
                first += 1
            while f_last < received.stop[s] and is_earlier(received.time[f_last], now, is_simultaneous):
                n_got[received.other[f_last]] += 1
                f_last += 1
            while f_first < f_last and received.time[f_first] < begin:
                n_got[received.other[f_first]] -= 1
                f_first += 1
            if i < n_known:
                continue
            is_paid_unknown = always_paid or last - first > most
            is_got_unknown = always_got or f_last - f_first > most
            found[i, 0] = np.nan if is_got_unknown else 0
            found[i, 1:3] = np.nan if is_paid_unknown else 0
            found[i, 3], found[i, 4] = 0, is_paid_unknown or is_got_unknown
            has_other_payees = not is_paid_unknown and last - first > n_paid[t]
            if not has_other_payees and f_first == f_last:
                continue
            ask += 1
            n_payers, n_payees, n_pairs, is_cut = 0, 0, 0, is_paid_unknown or is_got_unknown
            if has_other_payees:
                stop = debits_before[i]
                start = begin_of(paid.time, paid.start[t], stop, begin, max_degree)
                if start < 0:
                    is_cut, start = True, stop
                for j in range(start, stop):
                    other = paid.other[j]
                    if n_paid[other] > 0 and met[other] != ask and other != s:
                        met[other] = ask
                        n_payees += 1
            stop = _end_of_window(received, received_at[i], t, now, is_simultaneous)
            start = begin_of(received.time, received.start[t], stop, begin, max_degree + is_simultaneous)
            if start < 0:
                found[i, 4] = 1
                if not is_paid_unknown:
                    found[i, 1] = n_payees
                continue
            is_from_payers = stop - start <= last - first
            for j in range(start, stop):
                payer = received.other[j]
                if payer != s and seen[payer] != ask:
                    seen[payer] = ask
                    n_payers += n_got[payer] > 0
            if not has_other_payees:
                pass
            elif is_from_payers:
                for j in range(start, stop):
                    payer = received.other[j]
                    if seen[payer] != ask:
                        continue
                    seen[payer] = -1
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
            found[i, 4] = is_cut
            if not is_got_unknown:
                found[i, 0] = n_payers
            if not is_paid_unknown:
                found[i, 1], found[i, 2] = n_payees, n_pairs
        for j in range(first, last):
            n_paid[paid.other[j]] = 0
        for j in range(f_first, f_last):
            n_got[received.other[j]] = 0


@numba.njit(cache=True, nogil=True)
def _stacks(  # type: ignore[no-untyped-def]
    low, high, paid, received, lookback, is_simultaneous, most, n_known, is_received_over, found
) -> None:
    """Slide over each payer's credits; `n_shaped` of those in the window lie in a two by two shape."""
    for s in range(low, high):
        give_way(paid.pages)
        if not has_unknown(paid, s, n_known):
            continue
        first, last, n_shaped = received.start[s], received.start[s], 0
        for e in range(paid.start[s], paid.stop[s]):
            now, i = paid.time[e], paid.transfer[e]
            if i < n_known or found[i, 2] == 0:
                continue
            while last < received.stop[s] and is_earlier(received.time[last], now, is_simultaneous):
                n_shaped += found[received.transfer[last], 2] > 0
                last += 1
            while first < last and received.time[first] < now - lookback:
                n_shaped -= found[received.transfer[first], 2] > 0
                first += 1
            is_unknown = np.isnan(found[i, 2]) or is_over(is_received_over, s) or last - first > most
            found[i, 3] = np.nan if is_unknown else min(n_shaped, 1)
