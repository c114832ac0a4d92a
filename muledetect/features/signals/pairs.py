"""Fans and pairs: how many accounts each end deals with at the moment, and what the two ends had to do before."""

from __future__ import annotations

import numba
import numpy as np

from muledetect.arrays import Float32Array
from muledetect.features._columns import Column
from muledetect.features.signals._opening import is_over
from muledetect.features.signals._past import Past, has_unknown, is_earlier
from muledetect.features.signals._spec import signal
from muledetect.letting_go import give_way


@signal(
    family="fan",
    reach=1,
    columns={
        "source_fan_out": Column(
            "count", "different accounts that the payer paid within the look-back, this one included"
        ),
        "source_paid": Column("count", "transfers that the payer made within the look-back, this one included"),
        "source_fan_in": Column("count", "different accounts that paid the payer within the look-back"),
        "target_fan_in": Column(
            "count", "different accounts that paid the payee within the look-back, this one included"
        ),
        "target_received": Column("count", "transfers that the payee got within the look-back, this one included"),
        "target_fan_out": Column("count", "different accounts that the payee paid within the look-back"),
        "gather_scatter": Column("count", "the lesser of the payer's different payers and different payees"),
        "gather_ratio": Column("ratio", "money that the payer paid within the look-back, against what it got"),
    },
)
def fan(past: Past) -> Float32Array:
    """Distinct counterparties and transfers of both ends, of earlier transfers of [time - lookback, time] and this one.

    `gather_scatter` is the lesser of payers and payees of the source; `gather_ratio` = paid, this transfer included,
    over received, NaN if it received nothing. Transfers of the same tick are earlier only where ties are simultaneous.
    Where one side of an account has more than 4,096 such earlier transfers, only their number is known: the other
    columns that rest on this side are NaN, unless `max_degree` is None. O(1) a transfer, amortised.
    """
    found, n_known = past.unknown(8), past.n_known("fan")
    past.by_account(
        _fan,
        past.paid,
        past.received,
        past.lookback,
        past.is_simultaneous,
        past.most,
        past.graph.n_accounts,
        n_known,
        past.opening,
        found,
    )
    for place, name in ((1, "source_paid"), (4, "target_received")):
        if name in past.at_hand:
            found[n_known:, place] = past.at_hand[name][n_known:]
    if "target_fans" in past.at_hand:
        counted = past.at_hand["target_fans"]
        for column, place in enumerate((3, 5)):
            found[n_known:, place] = np.where(np.isnan(counted[:, column]), found[n_known:, place], counted[:, column])
    return found


@numba.njit(cache=True, nogil=True)
def _fan(  # type: ignore[no-untyped-def]
    low, high, paid, received, lookback, is_simultaneous, most, n_accounts, n_known, opening, found
) -> None:
    """Slide one window over both sides of each account, in the order of time.

    Invariant: `n_paid[b]` and `n_got[b]` are the numbers of entries with counterparty b in the window of each side; all
    0 between accounts.
    """
    n_paid, n_got = np.zeros(n_accounts, np.int32), np.zeros(n_accounts, np.int32)
    for a in range(low, high):
        give_way(paid.pages)
        if not (has_unknown(paid, a, n_known) or has_unknown(received, a, n_known)):
            continue
        e, e_stop, f, f_stop = paid.start[a], paid.stop[a], received.start[a], received.stop[a]
        first, last, n_payees, out = e, e, 0, 0
        f_first, f_last, n_payers, into = f, f, 0, 0
        always_paid, always_got = is_over(opening.is_paid_over, a), is_over(opening.is_received_over, a)
        while e < e_stop or f < f_stop:
            now = paid.time[e] if f >= f_stop or (e < e_stop and paid.time[e] <= received.time[f]) else received.time[f]
            while last < e_stop and is_earlier(paid.time[last], now, is_simultaneous):
                n_payees += n_paid[paid.other[last]] == 0
                n_paid[paid.other[last]] += 1
                out += paid.amount[last]
                last += 1
            while f_last < f_stop and is_earlier(received.time[f_last], now, is_simultaneous):
                n_payers += n_got[received.other[f_last]] == 0
                n_got[received.other[f_last]] += 1
                into += received.amount[f_last]
                f_last += 1
            while first < last and paid.time[first] < now - lookback:
                n_paid[paid.other[first]] -= 1
                n_payees -= n_paid[paid.other[first]] == 0
                out -= paid.amount[first]
                first += 1
            while f_first < f_last and received.time[f_first] < now - lookback:
                n_got[received.other[f_first]] -= 1
                n_payers -= n_got[received.other[f_first]] == 0
                into -= received.amount[f_first]
                f_first += 1
            is_paid_known = not always_paid and last - first <= most
            is_got_known = not always_got and f_last - f_first <= most
            while e < e_stop and paid.time[e] == now:
                i = paid.transfer[e]
                found[i, 1] = last - first + (not is_simultaneous)
                n_others = n_payees + (n_paid[paid.other[e]] == 0)  # itself, unless its tick is in the window
                if is_paid_known:
                    found[i, 0] = n_others
                if is_got_known:
                    found[i, 2] = n_payers
                if is_paid_known and is_got_known:
                    found[i, 6] = min(n_payers, n_others)
                    if into > 0:
                        found[i, 7] = (out if is_simultaneous else out + paid.amount[e]) / into
                e += 1
            while f < f_stop and received.time[f] == now:
                i = received.transfer[f]
                found[i, 4] = f_last - f_first + (not is_simultaneous)
                if is_got_known:
                    found[i, 3] = n_payers + (n_got[received.other[f]] == 0)
                if is_paid_known:
                    found[i, 5] = n_payees
                f += 1
        for j in range(first, last):
            n_paid[paid.other[j]] = 0
        for j in range(f_first, f_last):
            n_got[received.other[j]] = 0


@numba.njit(cache=True, nogil=True)
def count_fan(time, other, account, now, partner, lookback, is_simultaneous, met):  # type: ignore[no-untyped-def]
    """Return how many different accounts `_fan` counts on one side of an account at some moments, float32[n].

    Parameters
    ----------
    time, other : arrays [n_entries]
        Its transfers on the side, in order of time; those to itself do not count.
    account : int
    now : int64[n]
        The moments, ascending.
    partner : int32[n]
        Counts in any case; -1: none.
    lookback : int
    is_simultaneous : bool
    met : int32[n_accounts]
        0 everywhere, and again afterwards: number of entries in the window by counterparty.
    """
    found, first, last, n_others = np.empty(len(now), np.float32), 0, 0, 0
    for i in range(len(now)):
        while last < len(time) and is_earlier(time[last], now[i], is_simultaneous):
            if other[last] != account:
                n_others += met[other[last]] == 0
                met[other[last]] += 1
            last += 1
        while first < last and time[first] < now[i] - lookback:
            if other[first] != account:
                met[other[first]] -= 1
                n_others -= met[other[first]] == 0
            first += 1
        found[i] = n_others + (partner[i] >= 0 and met[partner[i]] == 0)
    for j in range(first, last):
        met[other[j]] = 0
    return found


@signal(
    family="pairs",
    columns={
        "is_new_payee": Column("flag", "the payer had never paid the payee before"),
        "pair_age": Column("seconds", "time since the payer first paid the payee, 0 if never before"),
        "since_reverse": Column("seconds", "time since the payee last paid the payer"),
        "returned_ratio": Column("ratio", "amount against what the payee paid the payer within the look-back before"),
    },
)
def pairs(past: Past) -> Float32Array:
    """What the two ends had to do with each other before, at any time; the last column within the look-back.

    `since_reverse` is NaN if the payee never paid the payer earlier, `returned_ratio` if not within the look-back, or
    if the payer got more than 4,096 transfers within it, unless `max_degree` is None. O(1) a transfer, amortised.
    """
    found = past.unknown(4)
    past.by_account(
        _pairs,
        *past.by_debit(),
        past.lookback,
        past.is_simultaneous,
        past.most,
        past.graph.n_accounts,
        past.n_known("pairs"),
        past.opening.is_received_over,
        found,
    )
    return past.in_time(found)


@numba.njit(cache=True, nogil=True)
def _pairs(  # type: ignore[no-untyped-def]
    low, high, paid, received, lookback, is_simultaneous, most, n_accounts, n_known, is_received_over, found
) -> None:
    """Merge the payer's two sides in time; per counterparty first payment, last receipt and receipts in the window.

    Invariant: entries of `first_paid` and `last_received` with `owner` of another account are void.
    """
    paid_by, first_paid = np.full(n_accounts, -1, np.int32), np.empty(n_accounts, np.int64)
    got_by, last_got = np.full(n_accounts, -1, np.int32), np.empty(n_accounts, np.int64)
    got_amount = np.zeros(n_accounts, np.int64)
    for a in range(low, high):
        give_way(paid.pages)
        if not has_unknown(paid, a, n_known):
            continue
        last, first = received.start[a], received.start[a]
        always_got = is_over(is_received_over, a)
        for e in range(paid.start[a], paid.stop[a]):
            now, other, i = paid.time[e], paid.other[e], paid.transfer[e]
            while last < received.stop[a] and is_earlier(received.time[last], now, is_simultaneous):
                payer = received.other[last]
                got_by[payer], last_got[payer] = a, received.time[last]
                got_amount[payer] += received.amount[last]
                last += 1
            while first < last and received.time[first] < now - lookback:
                got_amount[received.other[first]] -= received.amount[first]
                first += 1
            if paid_by[other] != a:
                paid_by[other], first_paid[other] = a, now
            # all transfers of the moment of the first payment are new, whichever stands first
            found[i, 0] = first_paid[other] == now
            found[i, 1] = (now - first_paid[other]) / 1e6
            if got_by[other] == a:
                found[i, 2] = (now - last_got[other]) / 1e6
                if got_amount[other] > 0 and not always_got and last - first <= most:
                    found[i, 3] = paid.amount[e] / got_amount[other]
        for j in range(first, last):
            got_amount[received.other[j]] = 0
