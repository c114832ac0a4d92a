"""Where each victim's money truly is: every executed transfer replayed with the cases whose money it moves.

An account that holds money of cases keeps it in layers, one for each arrival of each case, oldest first; a layer lies
in the pot that it was paid into. Three rules, applied to the transfers in order of time:

- What a victim pays is money of the case from that moment on, in the account that was paid.
- A step of the scheme (hop, exit, spend) pays from its pot first in, first out. Where normal life has already spent
  some of the pot, the account's own money makes up the rest, and belongs to no case.
- Everything else spends the account's *own money first*. Only if the balance that is left could not hold the money
  of cases any more, the shortage is taken from the oldest layers.

Money inside the scheme stays `ACCOUNT`; money converted by an exit rests where it went as `EXIT`, and what normal life
or a spending mule took rests where it was spent as `SPENT`. Nothing is ever lost or made: at every moment the places
of a case hold exactly what its victims have paid so far.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, NamedTuple

import numpy as np

from muledetect.errors import DataError
from muledetect.simulation.plan import EXIT as EXIT_KIND
from muledetect.simulation.plan import HOP, SPEND, VICTIM, Columns

#: Where money of a case can be; positions in `PLACES`.
ACCOUNT, EXIT, SPENT = 0, 1, 2
PLACES: Final = ("account", "exit", "spent")

_CHUNK: Final = 1 << 16


class _Row(NamedTuple):
    source: int
    target: int
    amount: int
    kind: int
    case: int
    pot_in: int
    pot_out: int
    source_after: int


@dataclass(slots=True)
class _Parcel:
    case: int
    left: int


_Queue = deque[_Parcel]
_Parts = dict[int, int]


def follow_money(rows: Columns, n_accounts: int) -> tuple[Columns, Columns]:
    """Follow the money of every case through the transfers; return its flows and holdings, empty if no victim pays.

    `rows` are executed transfers in order of strictly increasing time, our bank's or not: all that touch an account
    which ever holds money of a case, with the ledger's columns and `number`. Raises DataError if times do not increase
    strictly, a balance is negative, or a victim's payment has no case.

    Flows have a row a transfer and case, in order of time: `row` is the transfer's position in `rows`, `number` its
    running number (-1: our bank does not see it), `amount` > 0 what it moves of `case`. Holdings are steps in order of
    time: from `time` (us) until the next step of the same `case`, `account` and `place` (position in `PLACES`),
    `amount` of the case is there; 0 = gone. Amounts of `EXIT` and `SPENT` only ever grow.

    A victim's payment lists its own case only. If the victim's account held money of other cases and its own did not
    suffice, the shortage is spent in the holdings, but the same satang is not listed twice in one transfer. O(rows +
    flows + holdings) time: a layer leaves each of its two queues once.
    """
    _check(rows)
    money = _CaseMoney(n_accounts)
    flows: list[list[int]] = [[], [], []]
    steps: list[list[int]] = [[], [], [], [], []]
    times = rows["time"]
    for number, row in enumerate(_each(rows)):
        if row.kind != VICTIM and not money.held[row.source]:
            continue
        parts = money.execute(row)
        flows[0] += [number] * len(parts)
        flows[1] += parts
        flows[2] += parts.values()
        for where in money.touched:
            for column, value in zip(steps, (*where, int(times[number]), money.total[where]), strict=True):
                column.append(value)
        money.touched.clear()
    at, case, moved = (np.array(column, np.int64) for column in flows)
    of, account, place, time, amount = (np.array(column, np.int64) for column in steps)
    return (
        {"number": rows["number"].astype(np.int64)[at], "row": at, "case": case, "amount": moved},
        {"case": of, "account": account, "place": place, "time": time, "amount": amount},
    )


def _check(rows: Columns) -> None:
    wrong = {
        "times must increase strictly": np.flatnonzero(np.diff(rows["time"]) <= 0) + 1,
        "no balance may be negative": np.flatnonzero(rows["source_after"] < 0),
        "a victim's payment must belong to a case": np.flatnonzero((rows["kind"] == VICTIM) & (rows["case"] < 0)),
    }
    found = [f"{text}; {len(at):,} of {len(rows['time']):,} rows (first: row {at[0]:,})"
             for text, at in wrong.items() if len(at)]  # fmt: skip
    if found:
        raise DataError("follow_money: " + "; ".join(found) + ". Give rows as the ledger executed them.")


def _each(rows: Columns) -> Iterator[_Row]:
    """Yield the rows as python integers, a chunk of the columns at a time to keep memory small."""
    for start in range(0, len(rows["time"]), _CHUNK):
        yield from map(_Row, *(rows[name][start : start + _CHUNK].tolist() for name in _Row._fields))


class _CaseMoney:
    """Who holds money of which case.

    `held` is the sum of an account's layers and `total` that of each case and place; `touched` are the places that
    changed since it was last emptied, in order of change. A layer is in two queues, its account's and its pot's; what
    one of them takes stays in the other as an empty layer until it comes up. Pots are kept by account, so that
    nobody can pay from a pot of somebody else.
    """

    def __init__(self, n_accounts: int) -> None:
        self.held = [0] * n_accounts
        self.total: dict[tuple[int, int, int], int] = {}
        self.touched: dict[tuple[int, int, int], None] = {}
        self.layers: dict[int, _Queue] = {}
        self.pots: dict[tuple[int, int], _Queue] = {}

    def execute(self, row: _Row) -> _Parts:
        """Move the money of one transfer; return how much of each case is in it, in order of leaving."""
        is_step = row.kind in (HOP, EXIT_KIND, SPEND)
        parts: _Parts = {}
        if is_step and row.pot_out >= 0:
            self._take(self.pots.get((row.source, row.pot_out)), row.source, row.amount, parts)
        # Own money first: take no more of other layers than what the balance that is left could not hold.
        shortage = self.held[row.source] - row.source_after
        if shortage > 0:
            self._take(self.layers[row.source], row.source, shortage, parts)
        stays = row.kind == HOP or (is_step and row.pot_in >= 0)
        if stays:
            self._put(row.target, row.pot_in, parts)
        else:
            place = EXIT if row.kind == EXIT_KIND else SPENT
            for case, amount in parts.items():
                self._change(case, row.target, place, amount)
        if row.kind == VICTIM:
            parts = {row.case: row.amount}
            self._put(row.target, row.pot_in, parts)
        return parts

    def _take(self, queue: _Queue | None, account: int, most: int, parts: _Parts) -> None:
        """Take up to `most` from the front of a queue of an account and add it to `parts`."""
        while queue and most:
            layer = queue[0]
            amount = min(layer.left, most)
            if amount:
                layer.left -= amount
                most -= amount
                self.held[account] -= amount
                parts[layer.case] = parts.get(layer.case, 0) + amount
                self._change(layer.case, account, ACCOUNT, -amount)
            if not layer.left:
                queue.popleft()

    def _put(self, account: int, pot: int, parts: _Parts) -> None:
        layers = self.layers.setdefault(account, deque())
        for case, amount in parts.items():
            layer = _Parcel(case, amount)
            layers.append(layer)
            if pot >= 0:
                self.pots.setdefault((account, pot), deque()).append(layer)
            self.held[account] += amount
            self._change(case, account, ACCOUNT, amount)

    def _change(self, case: int, account: int, place: int, amount: int) -> None:
        where = (case, account, place)
        self.total[where] = self.total.get(where, 0) + amount
        self.touched[where] = None
