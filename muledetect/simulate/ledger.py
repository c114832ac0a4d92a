"""The ledger: executes planned transfers in order of time so that no balance falls below zero and no money is lost."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numba
import numpy as np
import numpy.typing as npt

from muledetect.clock import DAY
from muledetect.simulate.plan import COLUMNS
from muledetect.simulate.streams import Bool, Float64, Int8, Int32, Int64


@dataclass(frozen=True, slots=True)
class Execution:
    """What the ledger did: transfers that happened, with balances just after each, and the final balances."""

    transfers: dict[str, npt.NDArray[Any]]
    final: Int64


@numba.njit(cache=True, nogil=True)
def _execute(  # noqa: PLR0912  # one loop on purpose: a kernel split into calls would hide its invariant
    time: Int64,
    source: Int32,
    target: Int32,
    amount: Int64,
    share: Float64,
    keep: Float64,
    mode: Int8,
    grain: Int64,
    pot_in: Int32,
    pot_out: Int32,
    is_limited: Bool,
    limit: Int64,
    balance: Int64,
    n_pots: int,
    day0: int,
) -> tuple[Int64, Int64, Int64]:
    n = len(time)
    paid = np.zeros(n, np.int64)
    source_after = np.zeros(n, np.int64)
    target_after = np.zeros(n, np.int64)
    filled = np.zeros(n_pots, np.int64)
    left = np.zeros(n_pots, np.int64)
    spent = np.zeros(len(balance), np.int64)
    spent_day = np.full(len(balance), -1, np.int64)
    # Invariant: sum(balance) never changes, every balance >= 0, and 0 <= left[p] <= filled[p].
    for i in range(n):
        s = source[i]
        t = target[i]
        have = balance[s]
        want = amount[i]
        if mode[i] == 0:
            if want > have:
                continue
        elif mode[i] == 2:
            want = min(want, np.int64(have * share[i]))
        elif mode[i] == 3:
            p = pot_out[i]
            stays = np.int64(filled[p] * keep[i])
            want = min(want, np.int64(filled[p] * share[i]), left[p] - stays)
        want = min(want, have)
        if is_limited[i]:
            day = (time[i] - day0) // 86_400_000_000
            if spent_day[s] != day:
                spent_day[s] = day
                spent[s] = 0
            want = min(want, limit[s] - spent[s])
        step = grain[i]
        while step > 1 and want < 3 * step:
            step //= 10
        if step > 1:
            want -= want % step
        # Nobody sends less than one baht.
        if want < 100 or s == t:
            continue
        balance[s] -= want
        balance[t] += want
        if is_limited[i]:
            spent[s] += want
        if mode[i] == 3:
            left[pot_out[i]] -= want
        if pot_in[i] >= 0:
            filled[pot_in[i]] += want
            left[pot_in[i]] += want
        paid[i] = want
        source_after[i] = balance[s]
        target_after[i] = balance[t]
    return paid, source_after, target_after


def execute(
    planned: dict[str, npt.NDArray[Any]],
    opening: Int64,
    limits: Int64,
    limited_channels: tuple[int, ...],
    n_pots: int,
    first_midnight: int,
) -> Execution:
    """Execute planned transfers (in order of time) against opening balances.

    A transfer that its source cannot cover is dropped (FIXED) or shrunk; transfers on `limited_channels` also obey
    the source's daily limit, counted from local midnight. O(n) time, 24 bytes a transfer.
    """
    balance = opening.copy()
    paid, source_after, target_after = _execute(
        planned["time"],
        planned["source"],
        planned["target"],
        planned["amount"],
        planned["share"],
        planned["keep"],
        planned["mode"],
        planned["grain"],
        planned["pot_in"],
        planned["pot_out"],
        np.isin(planned["channel"], limited_channels),
        limits,
        balance,
        max(n_pots, 1),
        first_midnight % DAY,
    )
    happened = paid > 0
    transfers = {name: planned[name][happened] for name in COLUMNS if name not in ("share", "keep", "mode", "grain")}
    transfers["amount"] = paid[happened]
    transfers["source_after"] = source_after[happened]
    transfers["target_after"] = target_after[happened]
    return Execution(transfers, balance)
