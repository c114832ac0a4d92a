"""Relay: what of a transfer's money its payer had just received, through how many hands it came, and from whom.

All by links (`_links`): first in, first out by account, credits and debits of one tick together.
"""

from __future__ import annotations

from typing import Final

import numba
import numpy as np

from muledetect.arrays import Float32Array
from muledetect.features._columns import Column
from muledetect.features.signals._links import build_links_in_time
from muledetect.features.signals._opening import is_over, opened
from muledetect.features.signals._past import Past, fill_in_time, has_unknown, is_earlier
from muledetect.features.signals._spec import signal
from muledetect.letting_go import give_way

#: Longer chains count as this long.
DEEPEST: Final = 8

#: Steps from transfer to transfer that are followed within one tick.
ROUNDS: Final = 8

#: A debit is large for its payer above so many times the mean of the debits before. On simulated payments of victims 2,
#: 3 and 5 find 69%, 65% and 45% of them at 17, 21 and 23 times the base rate; the largest debit before finds 44%.
LARGE: Final = 3

# Tiers above this count as this, so that the sums below stay whole.
_HIGHEST_LAYER: Final = 256.0

# Shares of a credit group are added as whole numbers of this many: floats below 2 ** 53, which no order can change.
_ONE: Final = 2.0**44

# What is known of a credit group, in one row of cache: depth and amount of the best chain that ends in it, the share of
# it that stems from likely victims, and that share times its layer, both in `_ONE`s.
_DEPTH, _FLOW, _STEM, _STEPS = 0, 1, 2, 3

# What is known of a debit before its links: nothing ever, or whether it is a victim's if little of it is relayed.
_USUAL, _UNUSUAL, _UNKNOWN = 0, 1, 2


@signal(
    reads_known=True,
    family="relay",
    columns={
        "relayed_share": Column("ratio", "share of the amount that the payer had received within the look-back"),
        "relay_holding_time": Column(
            "seconds", "time that the passed-on money had stayed with the payer, mean by amount"
        ),
        "credit_used": Column("ratio", "largest share of what the payer received at once that is passed on"),
        "chain_depth": Column("count", "earlier transfers in the longest chain that hands on at least half each time"),
        "chain_flow": Column("ratio", "share of the amount that came along the whole of the longest chain"),
        "is_likely_victim": Column(
            "flag", "own money, much more than usual, to an account not dealt with before the look-back"
        ),
        "layer": Column("ratio", "steps of the money from likely victims, mean by amount"),
        "victim_share": Column("ratio", "share of the amount that stems from likely victims"),
    },
)
def relay(past: Past) -> Float32Array:
    """Money that the payer passes on: how much of the transfer, how soon, how far it had come and from what.

    Of transfer i at time T in debit group D, with the pairs (credit group C, D, m) of money that came within
    [T - lookback, T], in the tick of T only where ties are simultaneous. i has the part `amount / total of D` of each.

    - `relayed_share` = sum of m / total of D. `relay_holding_time` = mean of T - time of C, weighted by m; NaN without
      pairs. `credit_used` = largest m / total of C, times the part of i; 0 without pairs.
    - `chain_depth`: a link is a pair whose m is at least half of the lesser total; the longest chain of links that ends
      at i, at most 8. `chain_flow` = carried(D) / total of D, where carried(D) = min(m, carried(C)) over the last link
      of a longest chain, and carried(C) the amount of the one transfer in C that ends a longest chain, times its own
      `chain_flow` (1 where it begins the chain). The largest counts among equally long chains; NaN without a link.
    - `is_likely_victim`: no transfer between the two ends lies before the look-back (a victim may pay several times),
      the amount is above 3 times the mean of the payer's debits in earlier ticks, at any time, of which there is one at
      least, and less than half of D is relayed.
    - `victim_share` = 1 for a likely victim's transfer, else the sum of m * (share of C that stems from victims) over
      the total of D. `layer` = 0 for a likely victim's transfer, else 1 + the mean layer of the credits by the money in
      them that stems from victims, at most 256; NaN where `victim_share` is 0.

    Of a payer with more than 4,096 earlier debits or credits within the look-back nothing is known: all columns are
    NaN, unless `max_degree` is None. To its payee, such a transfer is one that begins a chain and is no victim's.

    The transfers of one tick learn of each other in 8 rounds; before the first, each knows only itself. A chain inside
    a tick may therefore come back to a transfer: the clock hides the order. O(1) a transfer, amortised, in a tick that
    holds links of its own O(1) a round. Besides the result 65 bytes a transfer and 13 a pair.
    """
    found, graph, known = past.unknown(8), past.graph, past.known.get("relay", np.empty((0, 8), np.float32))
    found[: len(known)] = known
    by_debit = past.room.full(len(past.paid.time), _USUAL, np.int8)
    past.by_account(
        _mark, past.paid, past.received, past.lookback, past.is_simultaneous, past.most, graph.n_accounts, past.opening,
        past.n_known("relay"), by_debit,
    )  # fmt: skip
    mark = past.room.full(len(past), _UNKNOWN, np.int8)
    past.by_transfer(fill_in_time, past.paid_at, by_debit, mark)
    del by_debit
    links = build_links_in_time(past)
    past.by_transfer(_pass_on, len(known), graph.time, graph.amount, links, mark, found)
    money = past.room.full((len(past), 4), 0, np.float64)
    _follow(len(known), graph.time, graph.amount, links, mark, past.is_simultaneous, money, found)
    return found


@numba.njit(cache=True, nogil=True)
def _mark(  # type: ignore[no-untyped-def]
    low, high, paid, received, lookback, is_simultaneous, most, n_accounts, opening, n_known, mark
) -> None:
    """Mark debits that are large for their account, to accounts that it had not dealt with before the look-back.

    Also those of accounts with too many transfers, of which nothing is known. Invariant: if `met[b] == a`, a and b
    first met at `first[b]`; `total` and `n` are of the debits in earlier ticks.
    """
    met, first = np.full(n_accounts, -1, np.int32), np.empty(n_accounts, np.int64)
    for a in range(low, high):
        give_way(paid.pages)
        if not has_unknown(paid, a, n_known):
            continue
        e, f = paid.start[a], received.start[a]
        total, n = opened(opening.paid, a), opened(opening.n_debits, a)
        e_first, e_last, f_first, f_last = e, e, f, f
        always = is_over(opening.is_paid_over, a) or is_over(opening.is_received_over, a)
        while e < paid.stop[a]:
            now, n_now, total_now = paid.time[e], n, total
            while f < received.stop[a] and received.time[f] <= now:
                if met[received.other[f]] != a:
                    met[received.other[f]], first[received.other[f]] = a, received.time[f]
                f += 1
            while e_last < paid.stop[a] and is_earlier(paid.time[e_last], now, is_simultaneous):
                e_last += 1
            while f_last < received.stop[a] and is_earlier(received.time[f_last], now, is_simultaneous):
                f_last += 1
            while e_first < e_last and paid.time[e_first] < now - lookback:
                e_first += 1
            while f_first < f_last and received.time[f_first] < now - lookback:
                f_first += 1
            is_unknown = always or max(e_last - e_first, f_last - f_first) > most
            while e < paid.stop[a] and paid.time[e] == now:
                payee, amount = paid.other[e], paid.amount[e]
                if met[payee] != a:
                    met[payee], first[payee] = a, now
                is_large = n > 0 and amount * n > LARGE * total
                if is_unknown:
                    mark[e] = _UNKNOWN
                elif is_large and first[payee] >= now - lookback:
                    mark[e] = _UNUSUAL
                if now >= opening.since:
                    n_now += 1
                    total_now += amount
                e += 1
            n, total = n_now, total_now


@numba.njit(cache=True, nogil=True)
def _pass_on(low, high, n_known, time, amount, links, mark, found) -> None:  # type: ignore[no-untyped-def]
    """Write what the pairs of its debit group say to each transfer of the range."""
    group, passed, waited, used, total = -1, 0, 0.0, 0.0, 0
    for i in range(max(low, n_known), high):
        if mark[i] == _UNKNOWN:
            continue
        if links.debit_of[i] != group:
            group = links.debit_of[i]
            passed, waited, used, total = 0, 0.0, 0.0, links.debit_total[group]
            for k in range(links.start[group], links.start[group + 1]):
                c, moved = links.credit[k], links.amount[k]
                passed += moved
                waited += moved * ((time[i] - time[c]) / 1e6)
                used = max(used, moved / links.credit_total[c])
        found[i, 0] = passed / total
        if passed > 0:
            found[i, 1] = waited / passed
        found[i, 2] = used * (amount[i] / total)
        found[i, 5] = mark[i] == _UNUSUAL and passed < total - passed


@numba.njit(cache=True, nogil=True)
def _follow(n_known, time, amount, links, mark, is_simultaneous, money, found) -> None:  # type: ignore[no-untyped-def]
    """Take the ticks in turn, in rounds: learn from the credit groups, then tell the credit groups.

    What is known of the first `n_known` transfers stands in `found`; they only tell. The row of a credit group in
    `money` is that of its first transfer: so it lies near those of its time.

    Invariant: the row of a credit group in `money` is whole once its tick is done. A tick without links of its own
    needs one round. One that has them begins with a round in which each transfer knows only itself.
    """
    low = 0
    while low < len(time):
        stop = low + 1
        while stop < len(time) and time[stop] == time[low]:
            stop += 1
        first = stop if low < n_known else low
        is_tangled = is_simultaneous and stop - first > 1 and _is_tangled(low, stop, time, links)
        for n_done in range(ROUNDS + 1 if is_tangled else 1):
            is_news, group = False, -1
            depth, flow, layer, stem = np.float32(0), np.float32(np.nan), np.float32(np.nan), np.float32(0)
            for i in range(first, stop):
                if mark[i] == _UNKNOWN:
                    continue
                d = links.debit_of[i]
                if d != group and not (is_tangled and n_done == 0):
                    group, total = int(d), links.debit_total[d]
                    deepest, carried, stems, steps = 0.0, 0.0, 0.0, 0.0
                    for k in range(links.start[d], links.start[d + 1]):
                        c, moved = links.credit[k], float(links.amount[k])
                        if links.is_firm[k]:
                            deep, least = min(money[c, _DEPTH] + 1, DEEPEST), min(moved, money[c, _FLOW])
                            if deep > deepest or (deep == deepest and least > carried):
                                deepest, carried = deep, least
                        stems += moved / total * money[c, _STEM]
                        steps += moved / total * money[c, _STEPS]
                    depth, flow = np.float32(deepest), np.float32(carried / total if deepest > 0 else np.nan)
                    stem = np.float32(min(stems / _ONE, 1.0))
                    layer = np.float32(min(1 + steps / stems, _HIGHEST_LAYER) if stem > 0 else np.nan)
                of_own = (depth, flow, np.float32(0), np.float32(1)) if found[i, 5] > 0 else (depth, flow, layer, stem)
                if found[i, 3] != depth or (depth > 0 and found[i, 4] != flow):
                    is_news = True
                if found[i, 7] != of_own[3] or (of_own[3] > 0 and found[i, 6] != of_own[2]):
                    is_news = True
                found[i, 3], found[i, 4], found[i, 6], found[i, 7] = of_own
            if n_done > 0 and not is_news:
                break
            if n_done > 0:
                money[low:stop] = 0
            for i in range(low, stop):
                c = links.credit_of[i]
                whole = links.credit_total[c] if c >= 0 else 0
                if whole == 0:  # not passed on
                    continue
                depth = found[i, 3] if found[i, 3] > 0 else np.float32(0)  # NaN is unknown
                kept = float(amount[i]) if depth == 0 else amount[i] * float(found[i, 4])
                if depth > money[c, _DEPTH] or (depth == money[c, _DEPTH] and kept > money[c, _FLOW]):
                    money[c, _DEPTH], money[c, _FLOW] = depth, kept
                if found[i, 7] > 0:
                    share = amount[i] / whole * float(found[i, 7])
                    money[c, _STEM] += np.rint(share * _ONE)
                    money[c, _STEPS] += np.rint(share * float(found[i, 6]) * _ONE)
        low = stop


@numba.njit(cache=True, nogil=True)
def _is_tangled(low, stop, time, links):  # type: ignore[no-untyped-def]
    """Return whether a debit of a tick passes on a credit of the tick; a group's last pair is its newest."""
    for i in range(low, stop):
        if links.start[i + 1] > links.start[i] and time[links.credit[links.start[i + 1] - 1]] == time[i]:
            return True
    return False


@signal(
    family="relay",
    reach=2,
    columns={
        "origins_2": Column("count", "different accounts that paid the payer's payers before these paid it"),
        "origins_left_out": Column("count", "credits of the payer whose payer was too busy to look behind"),
    },
)
def origins(past: Past) -> Float32Array:
    """Accounts two steps up: x -> y -> payer, the second within the look-back and the first within it of the second.

    The payer itself is none; who paid the payer itself is `source_fan_in`. Credits whose payer y had more than
    `max_degree` credits within the look-back before are not followed but counted in `origins_left_out`. Of a payer with
    more than 512 credits within the look-back nothing is known: both are NaN, unless `max_degree` is None. A window
    slides over the credits of each account, so that each path x -> y -> payer is met twice: O(paths + transfers).
    """
    found = past.unknown(2)
    most = past.max_degree or len(past) + 1
    rules = (
        past.before.credits,
        past.lookback,
        past.is_simultaneous,
        most,
        past.most_credits,
        past.graph.n_accounts,
        past.n_known("origins"),
        past.opening.is_received_over,
    )
    past.by_account(_origins, past.paid, past.received, *rules, found)
    return found


@numba.njit(cache=True, nogil=True)
def _origins(  # type: ignore[no-untyped-def]
    low, high, paid, received, earlier_credits, lookback, is_simultaneous, most, most_credits, n_accounts, n_known,
    is_received_over, found,
) -> None:  # fmt: skip
    """Slide a window over the credits of each account, up to a last, empty one behind its debits.

    Invariant: `n_paths[x]` paths lead from x over the credits `first:last` of account a; all 0 between accounts.
    """
    n_paths = np.zeros(n_accounts, np.int32)
    for a in range(low, high):
        give_way(paid.pages)
        if not has_unknown(paid, a, n_known) or is_over(is_received_over, a):
            continue
        first, last, n_origins, n_left_out = received.start[a], received.start[a], 0, 0
        for e in range(paid.start[a], paid.stop[a] + 1):
            is_done = e == paid.stop[a]
            oldest = paid.time[e] - lookback if not is_done else np.int64(2**62)
            while first < last and received.time[first] < oldest:
                busy, gone = _behind(first, a, -1, n_paths, received, earlier_credits, lookback, most)
                n_left_out -= busy
                n_origins -= gone
                first += 1
            if is_done:
                break
            while last < received.stop[a] and is_earlier(received.time[last], paid.time[e], is_simultaneous):
                if received.time[last] >= oldest:
                    busy, new = _behind(last, a, 1, n_paths, received, earlier_credits, lookback, most)
                    n_left_out += busy
                    n_origins += new
                else:
                    first = last + 1
                last += 1
            if last - first <= most_credits:
                found[paid.transfer[e], 0], found[paid.transfer[e], 1] = n_origins, n_left_out


@numba.njit(cache=True, nogil=True)
def _behind(f, a, sign, n_paths, received, earlier_credits, lookback, most):  # type: ignore[no-untyped-def]
    """Add or take away the paths over credit f; return whether its payer is too busy, else the accounts new or gone."""
    end, oldest, n_changed = earlier_credits[received.transfer[f]], received.time[f] - lookback, 0
    start = received.start[received.other[f]]
    if end - start > most and received.time[end - most - 1] >= oldest:
        return 1, 0
    h = end - 1
    while h >= start and received.time[h] >= oldest:
        x = received.other[h]
        if x != a:
            n_paths[x] += sign
            n_changed += n_paths[x] == (1 if sign > 0 else 0)
        h -= 1
    return 0, n_changed
