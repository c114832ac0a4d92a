"""The ledger: executes planned transfers in order of time so that no balance falls below zero and no money is lost."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Final

import numba
import numpy as np

from muledetect.arrays import BoolArray, Float64Array, Int8Array, Int32Array, Int64Array
from muledetect.clock import DAY
from muledetect.simulation.days import Calendar
from muledetect.simulation.people import People
from muledetect.simulation.plan import CHANNEL, COLUMNS, Columns

#: Channels that count towards an account's daily limit.
_LIMITED: Final = tuple(CHANNEL[name] for name in ("p2p_proxy", "p2p_account", "wallet", "vasp", "xborder"))
#: Columns of the plan that the kernel reads, in the order of its parameters.
_KERNEL_COLUMNS: Final = (
    "time", "source", "target", "amount", "share", "keep", "mode", "rounding", "pot_in", "pot_out",
)  # fmt: skip


@numba.njit(cache=True, nogil=True)
def _execute(  # one loop on purpose: a kernel split into calls would hide its invariant
    time: Int64Array, source: Int32Array, target: Int32Array, amount: Int64Array, share: Float64Array,
    keep: Float64Array, mode: Int8Array, rounding: Int64Array, pot_in: Int32Array, pot_out: Int32Array,
    is_limited: BoolArray, limit: Int64Array, balance: Int64Array, spent: Int64Array, spent_day: Int64Array,
    filled: Int64Array, left: Int64Array, day0: int,
) -> tuple[Int64Array, Int64Array, Int64Array]:  # fmt: skip
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
        p = pot_out[i]
        if p >= 0:
            stays = np.int64(filled[p] * keep[i])
            want = min(want, np.int64(filled[p] * share[i]), left[p] - stays)
        elif mode[i] == 2:
            want = min(want, np.int64(have * share[i]))
        elif mode[i] == 0 and want > have:
            continue
        want = min(want, have)
        if is_limited[i]:
            day = (time[i] - day0) // 86_400_000_000
            if spent_day[s] != day:
                spent_day[s] = day
                spent[s] = 0
            want = min(want, limit[s] - spent[s])
        step = rounding[i]
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
        if p >= 0:
            left[p] -= want
        if pot_in[i] >= 0:
            filled[pot_in[i]] += want
            left[pot_in[i]] += want
        paid[i] = want
        source_after[i] = balance[s]
        target_after[i] = balance[t]
    return paid, source_after, target_after


@dataclass(slots=True)
class Ledger:
    """Balances, daily spending and pots between spans; 40 bytes an account and 16 a pot."""

    limits: Int64Array
    balance: Int64Array
    spent: Int64Array
    spent_day: Int64Array
    first_midnight: int
    filled: Int64Array = field(default_factory=lambda: np.zeros(0, np.int64))
    left: Int64Array = field(default_factory=lambda: np.zeros(0, np.int64))

    def execute(self, planned: Columns, n_pots: int) -> Columns:
        """Execute planned transfers, later than all before and in order of time; return those that happened.

        A transfer that its source cannot cover is dropped (FIXED) or shrunk; transfers on limited channels also obey
        the source's daily limit, counted from local midnight. The result has the plan's columns but for the rules of
        the amount, and the balances of both ends just after each transfer. O(n) time, 24 bytes a transfer.
        """
        self._make_room(n_pots)
        state = (self.limits, self.balance, self.spent, self.spent_day, self.filled, self.left, self.first_midnight)
        is_limited = np.isin(planned["channel"], _LIMITED)
        arguments: list[Any] = [*(planned[name] for name in _KERNEL_COLUMNS), is_limited, *state]
        paid, source_after, target_after = _execute(*arguments)
        happened = paid > 0
        columns = {
            name: planned[name][happened] for name in COLUMNS if name not in ("share", "keep", "mode", "rounding")
        }
        columns["amount"] = paid[happened]
        columns["source_after"] = source_after[happened]
        columns["target_after"] = target_after[happened]
        return columns

    def _make_room(self, n_pots: int) -> None:
        if n_pots > len(self.filled):
            # Twice the need, so that growing stays linear in all.
            more = max(2 * n_pots, 1024) - len(self.filled)
            self.filled, self.left = np.pad(self.filled, (0, more)), np.pad(self.left, (0, more))


def open_ledger(people: People, calendar: Calendar) -> Ledger:
    """Return a ledger that holds everybody's opening balance."""
    spent = np.zeros(len(people.opening), np.int64)
    return Ledger(people.daily_limit, people.opening.copy(), spent, spent - 1, calendar.start % DAY)
