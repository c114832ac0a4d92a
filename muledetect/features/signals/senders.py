"""Senders: how unlike its payer's habits a transfer is, as a coached or drained payer's transfers are."""

from __future__ import annotations

from typing import Final

import numba
import numpy as np

from muledetect.arrays import MISSING, Float32Array, Int64Array
from muledetect.facts.columns import numbers
from muledetect.features._columns import Column
from muledetect.features.signals._opening import is_over, opened
from muledetect.features.signals._past import Past, has_unknown
from muledetect.features.signals._spec import signal
from muledetect.letting_go import give_way

# Balances are read in blocks of so many transfers.
_BLOCK: Final = 2**20


@signal(
    family="senders",
    columns={
        "drained": Column("ratio", "share of the payer's balance that the transfer took"),
        "amount_to_habit": Column("ratio", "amount against the largest that the payer ever paid before"),
        "rising_run": Column("count", "payments of the payer within the look-back, each larger than the one before"),
        "source_idle": Column("seconds", "time since the payer's transfer before"),
        "target_idle": Column("seconds", "time since the payee's transfer before"),
        "is_stranger": Column("flag", "payer and payee had never dealt with each other before"),
    },
)
def senders(past: Past) -> Float32Array:
    """Habits of the two ends before the transfer's own tick, for what one tick holds has no order.

    - `drained` = amount / (amount + balance of the payer after it, at least 0), NaN where no balance is recorded.
    - `amount_to_habit` = amount / largest debit of the payer in earlier ticks, at any time; NaN without.
    - `rising_run`: ticks of [time - lookback, time) in which the payer paid, counted back from this transfer for as
      long as the largest debit of each is smaller than that of the next one, the last smaller than this transfer.
    - `source_idle`, `target_idle`: since the latest earlier tick in which the account paid or got anything, at any
      time; NaN without.
    - `is_stranger`: no transfer between the two, either way, in any earlier tick.

    Of a payer with more than 4,096 debits in [time - lookback, time) `amount_to_habit` and `rising_run` are NaN, unless
    `max_degree` is None. O(1) a transfer, amortised.
    """
    found, by_credit = past.unknown(6), past.room.full((len(past.received.time), 1), np.nan, np.float32)
    past.by_account(
        _habits, past.by_debit()[0], past.received, past.lookback, past.most, past.graph.n_accounts,
        past.n_known("senders"), past.opening, found, by_credit,
    )  # fmt: skip
    found = past.in_time(found)
    past.put_credits(by_credit, 4, found)
    if "source_balance_after" in past.at_hand:
        new = slice(past.n_known("senders"), None)
        found[new, 0] = _drained(past.graph.amount[new], past.at_hand["source_balance_after"][new])
        return found
    transfers = past.tables.get("transfers")
    name = "source_balance_after"
    if transfers is not None and name in transfers.column_names:
        # a graph that ends before the table has its first rows
        for low in range(0, len(past), _BLOCK):
            rows = slice(low, min(low + _BLOCK, len(past)))
            found[rows, 0] = _drained(past.graph.amount[rows], numbers(transfers.slice(low, rows.stop - low), name))
    return found


def _drained(amount: Int64Array, balance: Int64Array) -> Float32Array:
    whole, left = amount.astype(np.float64), np.where(balance == MISSING, np.nan, balance.astype(np.float64))
    drained: Float32Array = (whole / (whole + np.maximum(left, 0.0))).astype(np.float32)
    return drained


@numba.njit(cache=True, nogil=True)
def _habits(low, high, paid, received, lookback, most, n_accounts, n_known, opening, found, by_credit) -> None:  # type: ignore[no-untyped-def]
    """Merge the two books of each account, tick by tick.

    Invariant: of the ticks with debits before the current one, `largest` is the largest debit, `last_peak` that of the
    latest tick, the tick with number `n_ticks - 1`; the peaks rise from tick number `rise` on; `first` is the first
    entry in the window, in tick number `n_gone`.
    """
    met_by, first_met = np.full(n_accounts, -1, np.int32), np.empty(n_accounts, np.int64)
    for a in range(low, high):
        give_way(paid.pages)
        if not (has_unknown(paid, a, n_known) or has_unknown(received, a, n_known)):
            continue
        e, e_stop, f, f_stop = paid.start[a], paid.stop[a], received.start[a], received.stop[a]
        is_first, before = True, np.int64(0)
        largest, last_peak, n_ticks, rise = np.int64(opened(opening.largest, a)), np.int64(0), 0, 0
        first, n_gone, always_paid = e, 0, is_over(opening.is_paid_over, a)
        while e < e_stop or f < f_stop:
            now = paid.time[e] if f >= f_stop or (e < e_stop and paid.time[e] <= received.time[f]) else received.time[f]
            idle = np.float32(np.nan) if is_first else np.float32((now - before) / 1e6)
            while f < f_stop and received.time[f] == now:
                other = received.other[f]
                if met_by[other] != a:
                    met_by[other], first_met[other] = a, now
                by_credit[f, 0] = idle
                f += 1
            peak, e_now = np.int64(0), e
            while e < e_stop and paid.time[e] == now:
                i, other, amount = paid.transfer[e], paid.other[e], paid.amount[e]
                while first < e and paid.time[first] < now - lookback:
                    n_gone += paid.time[first] != paid.time[first + 1]
                    first += 1
                if not always_paid and e_now - first <= most:
                    if largest > 0:
                        found[i, 1] = amount / largest
                    found[i, 2] = max(0, n_ticks - max(rise, n_gone)) if last_peak < amount else 0
                found[i, 3] = idle
                if met_by[other] != a:
                    met_by[other], first_met[other] = a, now
                found[i, 5] = first_met[other] == now
                peak = max(peak, amount)
                e += 1
            if peak > 0:
                if peak <= last_peak:
                    rise = n_ticks
                largest, last_peak = max(largest, peak), peak
                n_ticks += 1
            is_first, before = False, now
