"""Transfers as they are planned, and the ledger that executes what balances allow.

The ledger goes in order of time, so that no balance falls below zero and no money is lost.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import numba
import numpy as np

from muledetect.arrays import AnyArray, BoolArray, Float64Array, Int8Array, Int32Array, Int64Array
from muledetect.clock import DAY
from muledetect.schema import CHANNELS
from muledetect.simulation.days import Calendar
from muledetect.simulation.people import People

CHANNEL: Final = {name: code for code, name in enumerate(CHANNELS)}

#: How an amount comes about, unless it comes out of a pot: all or nothing; as much as there is; a share of the balance.
FIXED, UP_TO, OF_BALANCE = 0, 1, 2

#: Parts of the truth about a transfer; NORMAL covers the normal life of mules too.
NORMAL, VICTIM, HOP, EXIT, TEST, SPEND = 0, 1, 2, 3, 4, 5
KINDS: Final = ("normal", "victim", "hop", "exit", "test", "spend")

NO_CAP: Final = np.int64(1) << 60

COLUMNS: Final[dict[str, tuple[type, Any]]] = {
    "time": (np.int64, None),
    "source": (np.int32, None),
    "target": (np.int32, None),
    "amount": (np.int64, NO_CAP),
    "share": (np.float64, 1.0),
    "keep": (np.float64, 0.0),
    "mode": (np.int8, FIXED),
    "channel": (np.int8, None),
    "rounding": (np.int64, 1),
    "pot_in": (np.int32, -1),
    "pot_out": (np.int32, -1),
    "terminal": (np.int32, -1),
    "kind": (np.int8, NORMAL),
    "case": (np.int32, -1),
    "ring": (np.int32, -1),
}

Columns = dict[str, AnyArray]


def column(rows: Iterable[object], name: str) -> Int64Array:
    """Return one field of every row as int64."""
    return np.array([getattr(row, name) for row in rows], np.int64)


def rows_at(columns: Columns, rows: Any) -> Columns:
    """Return some rows of every column: positions, a mask or a slice."""
    return {name: values[rows] for name, values in columns.items()}


def stacked(parts: Sequence[Columns]) -> Columns:
    """Return the rows of several parts one after another; all parts have the columns of the first."""
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


@dataclass(slots=True)
class Plan:
    """Planned transfers that are still to come, kept as column chunks.

    A *pot* collects what its fillers really paid; a transfer with `pot_out` pays a share of what that pot has
    received so far, less the share `keep` that stays. So money that is passed on never exceeds the money that
    came, whatever the balances did to the first payment.
    """

    chunks: list[Columns] = field(default_factory=list)
    n_pots: int = 0
    last_time: int = -(1 << 62)

    def new_pots(self, n: int) -> Int64Array:
        """Return the numbers of `n` new pots."""
        first = self.n_pots
        self.n_pots += n
        return np.arange(first, first + n, dtype=np.int64)

    def pots_for(self, rows: Int64Array, n: int) -> Int64Array:
        """Return a new pot for each of some rows of `n`; -1 for the other rows."""
        pots = np.full(n, -1, np.int64)
        pots[rows] = self.new_pots(len(rows))
        return pots

    def add(self, **columns: Any) -> None:
        """Append transfers; every column is an array of one length or a scalar for all of them."""
        n = len(columns["time"])
        if n == 0:
            return
        chunk: Columns = {}
        for name, (dtype, default) in COLUMNS.items():
            value = columns.pop(name, default)
            chunk[name] = np.broadcast_to(np.asarray(value, dtype=dtype), (n,))
        if columns:
            raise TypeError(f"plan: unknown columns {sorted(columns)}")
        self.chunks.append(chunk)

    def take(self, until: int) -> Columns:
        """Remove and return the transfers before `until` (us) in order of time, one microsecond apart at least.

        Ties are in order of planning. O(n log n) in the number of transfers at hand.
        """
        columns = {name: np.concatenate([chunk[name] for chunk in self.chunks] or [np.zeros(0, dtype)])
                   for name, (dtype, _) in COLUMNS.items()}  # fmt: skip
        is_due = columns["time"] < until
        waits = ~is_due
        self.chunks = [rows_at(columns, waits)] if waits.any() else []
        due = np.flatnonzero(is_due)
        due = due[np.argsort(columns["time"][due], kind="stable")]
        taken = rows_at(columns, due)
        if len(due):
            taken["time"][0] = max(int(taken["time"][0]), self.last_time + 1)
            steps = np.arange(len(due))
            taken["time"] = np.maximum.accumulate(taken["time"] - steps) + steps
            self.last_time = int(taken["time"][-1])
        return taken


#: Cumulative odds of the rounding (smallest step, satang) to which people round, by channel group.
_GRAINS = np.array([1, 100, 1_000, 10_000, 100_000], np.int64)
_BY_HAND = np.array([0.08, 0.22, 0.20, 0.35, 0.15])
_AT_SHOP = np.array([0.15, 0.45, 0.25, 0.12, 0.03])
_BILLED = np.array([0.70, 0.15, 0.10, 0.04, 0.01])
_GRAIN_ODDS = {"qr_merchant": _AT_SHOP, "card": _AT_SHOP, "bill": _BILLED, "payroll": _BILLED}


def rounding_steps(rng: np.random.Generator, channel: str, n: int) -> Int64Array:
    """Return the step to which each of `n` amounts is rounded down: one habit a channel, for honest and not."""
    if channel == "cash_atm":
        return np.full(n, 10_000, np.int64)
    odds = _GRAIN_ODDS.get(channel, _BY_HAND)
    return _GRAINS[np.minimum(np.searchsorted(np.cumsum(odds), rng.random(n), side="right"), 4)]


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
