"""What left each account within a window, and what is in it where a record states it: what drain rules look at."""

from __future__ import annotations

from bisect import insort
from collections import deque
from collections.abc import Mapping
from typing import Any

import numpy as np

from muledetect.clock import parse_time
from muledetect.facts import Snapshot
from muledetect.live.policy import Payment, Policy


class Outflows:
    """Balances and the outflows of a window, advanced by one booked transfer.

    Parameters
    ----------
    policy : Policy
        Says the window. Without a drain rule nothing is kept.

    Notes
    -----
    Holds the transfers of one window, and a balance for each account of which one was ever stated. O(log n) a transfer
    in those of its account.
    """

    def __init__(self, policy: Policy) -> None:
        self._window = policy.window
        self._clock = 0
        self._balance: dict[str, int] = {}
        self._left: dict[str, list[tuple[int, int]]] = {}
        self._order: deque[tuple[int, str]] = deque()

    def start(self, snapshot: Snapshot) -> None:
        """Take over balances and the outflows of the last window from what the bank knew at a moment."""
        if not self._window:
            return
        graph = snapshot.graph
        balance, is_stated = snapshot.balances(np.arange(graph.n_accounts, dtype=np.int32))
        rows = np.flatnonzero(is_stated)
        self._balance = dict(zip(graph.account_ids.take(rows).to_pylist(), balance[rows].tolist(), strict=True))
        begin = int(np.searchsorted(graph.time, snapshot.as_of - self._window))
        ids = graph.account_ids.take(graph.source[begin:]).to_pylist()
        for account, time, amount in zip(ids, graph.time[begin:].tolist(), graph.amount[begin:].tolist(), strict=True):
            self._leaves(account, time, amount)

    def book(self, transfer: Mapping[str, Any]) -> None:
        """Count a transfer that was accepted."""
        if not self._window or transfer.get("status") == "rejected":
            return
        source, target, amount = transfer["source"], transfer["target"], transfer["amount"]
        for account, change, stated in (
            (source, -amount, transfer.get("source_balance_after")),
            (target, amount, transfer.get("target_balance_after")),
        ):
            if stated is not None:
                self._balance[account] = stated
            elif account in self._balance:
                self._balance[account] += change
        self._leaves(source, parse_time(transfer["time"]), amount)

    def payment(self, transfer: Mapping[str, Any], payer_tier: str | None, payee_tier: str | None) -> Payment:
        """Return what the rules look at, for a transfer that is not booked yet."""
        time, amount, source = parse_time(transfer["time"]), transfer["amount"], transfer["source"]
        left = sum(paid for at, paid in self._left.get(source, ()) if time - self._window < at <= time)
        stated = transfer.get("source_balance_after")
        balance = self._balance.get(source) if stated is None else stated + amount
        return Payment(time, amount, payer_tier, payee_tier, balance, left)

    def _leaves(self, account: str, time: int, amount: int) -> None:
        self._clock = max(self._clock, time)
        insort(self._left.setdefault(account, []), (time, amount))
        self._order.append((time, account))
        before = self._clock - self._window
        while self._order and self._order[0][0] <= before:
            _, account = self._order.popleft()
            kept = [entry for entry in self._left.pop(account, ()) if entry[0] > before]
            if kept:
                self._left[account] = kept
