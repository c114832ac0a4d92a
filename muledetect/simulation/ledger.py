"""The ledger: executes planned transfers in order of time so that no balance falls below zero and no money is lost."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

import numba
import numpy as np

from muledetect.clock import DAY
from muledetect.simulation.people import People
from muledetect.simulation.plan import CHANNEL, COLUMNS, Columns
from muledetect.simulation.rhythm import Rhythm
from muledetect.simulation.streams import Bool, Float64, Int8, Int32, Int64

#: Channels that count towards an account's daily limit.
_LIMITED: Final = tuple(CHANNEL[name] for name in ("p2p_proxy", "p2p_account", "wallet", "vasp", "xborder"))


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
    spent: Int64,
    spent_day: Int64,
    filled: Int64,
    left: Int64,
    day0: int,
) -> tuple[Int64, Int64, Int64]:
    n = len(time)
    paid = np.zeros(n, np.int64)
    source_after = np.zeros(n, np.int64)
    target_after = np.zeros(n, np.int64)
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


def _empty() -> Int64:
    return np.zeros(0, np.int64)


@dataclass(slots=True)
class Ledger:
    """Balances, daily spending and pots between spans; 40 bytes an account and 16 a pot."""

    limits: Int64
    balance: Int64
    spent: Int64
    spent_day: Int64
    first_midnight: int
    filled: Int64 = field(default_factory=_empty)
    left: Int64 = field(default_factory=_empty)

    def execute(self, planned: Columns, n_pots: int) -> Columns:
        """Execute planned transfers, later than all before and in order of time; return those that happened.

        A transfer that its source cannot cover is dropped (FIXED) or shrunk; transfers on limited channels also obey
        the source's daily limit, counted from local midnight. The result has the plan's columns but for the rules of
        the amount, and the balances of both ends just after each transfer. O(n) time, 24 bytes a transfer.
        """
        self._make_room(n_pots)
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
            np.isin(planned["channel"], _LIMITED),
            self.limits,
            self.balance,
            self.spent,
            self.spent_day,
            self.filled,
            self.left,
            self.first_midnight,
        )
        happened = paid > 0
        columns = {name: planned[name][happened] for name in COLUMNS if name not in ("share", "keep", "mode", "grain")}
        columns["amount"] = paid[happened]
        columns["source_after"] = source_after[happened]
        columns["target_after"] = target_after[happened]
        return columns

    def _make_room(self, n_pots: int) -> None:
        if n_pots > len(self.filled):
            # Twice the need, so that growing stays linear in all.
            room = max(2 * n_pots, 1024)
            self.filled = np.concatenate([self.filled, np.zeros(room - len(self.filled), np.int64)])
            self.left = np.concatenate([self.left, np.zeros(room - len(self.left), np.int64)])


def open_ledger(people: People, rhythm: Rhythm) -> Ledger:
    """Return a ledger that holds everybody's opening balance."""
    n = len(people.opening)
    return Ledger(
        limits=people.daily_limit,
        balance=people.opening.copy(),
        spent=np.zeros(n, np.int64),
        spent_day=np.full(n, -1, np.int64),
        first_midnight=rhythm.start % DAY,
    )
