"""How much stolen money decisions would have stopped, each unit once, beside the innocent money that they held.

History goes on as it was: nobody reacts to a hold. So stolen money that was stopped once goes on moving in the records,
and must not count again. Each account holds a *stopped part* of each case's money; what leaves it takes the stopped
part first. Accounts of other banks share one such part a case, for what moves among them is not seen. That is the
cautious way: of two ways to count, the one that counts less as saved. What was saved of a case is never more than what
its victims paid.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final, NamedTuple

import pyarrow as pa
import pyarrow.compute as pc

from muledetect.evaluation.money import money_at
from muledetect.records import Dataset

#: Stands for all accounts of other banks.
_OUTSIDE: Final = ""


class Counted(NamedTuple):
    """What one decision touches, minor units.

    Attributes
    ----------
    stolen, innocent : int
        Of the amount; together the amount.
    saved : int
        Stolen money that is stopped for the first time.
    """

    stolen: int = 0
    innocent: int = 0
    saved: int = 0


class Stopped:
    """Counts what is stopped; give it all transfers with stolen money, and all decisions, in order of time.

    Parameters
    ----------
    dataset : Dataset
        With truth_transfers and truth_money.
    """

    def __init__(self, dataset: Dataset) -> None:
        self._parts = _parts_of(dataset.tables["truth_transfers"])
        self._there = _steps_of(dataset.tables["truth_money"])
        self._own = _own_accounts(dataset)
        self._stopped: dict[tuple[str, str], int] = {}
        self.saved: dict[str, int] = {}

    def transfer(self, row: Mapping[str, Any], touched: int, *, stops: bool) -> Counted:
        """Move the stolen money of a transfer on, and count what a decision about `touched` of its amount stops."""
        parts = self._parts.get(row["transfer_id"])
        if parts is None:
            return Counted(0, touched, 0)
        source, target = self._where(row["source"]), self._where(row["target"])
        stolen = saved = 0
        for case, kind, amount in parts:
            part = min(amount, touched - stolen)
            came = 0 if kind == "victim" else min(amount, self._stopped.get((case, source), 0))
            # of the part that is held, what was stopped before is held first: it saves nothing twice
            new = max(0, part - came) if stops else 0
            if came:
                self._stopped[case, source] -= came
            if (came or new) and kind in ("victim", "hop"):  # what is spent or left the scheme never comes back
                self._stopped[case, target] = self._stopped.get((case, target), 0) + came + new
            self._save(case, new)
            stolen, saved = stolen + part, saved + new
        return Counted(stolen, touched - stolen, saved)

    def hold(self, account: str, time: int, held: int) -> Counted:
        """Count what a hold of an amount in an account of the bank at a moment stops."""
        stolen = saved = 0
        for case, there in sorted(self._in(account, time).items()):
            part = min(there, held - stolen)
            before = min(self._stopped.get((case, account), 0), there)
            new = max(0, part - before)
            if new:
                self._stopped[case, account] = before + new
                self._save(case, new)
            stolen, saved = stolen + part, saved + new
        return Counted(stolen, held - stolen, saved)

    def _where(self, account: str) -> str:
        return account if account in self._own else _OUTSIDE

    def _save(self, case: str, amount: int) -> None:
        if amount:
            self.saved[case] = self.saved.get(case, 0) + amount

    def _in(self, account: str, time: int) -> dict[str, int]:
        """Return the money of each case that is in an account just before a moment."""
        return {case: amount for at, case, amount in self._there.get(account, ()) if at < time}


def at_stake(dataset: Dataset, begin: int, end: int) -> dict[str, int]:
    """Return the money of each case that somebody could still stop: in accounts at `begin`, or paid before `end`.

    Parameters
    ----------
    dataset : Dataset
        With truth_money.
    begin, end : int
        Microseconds.

    Returns
    -------
    dict of case id to minor units
        Of cases that have any. Money that had left or was spent before `begin` is not in it.
    """
    money = dataset.tables["truth_money"]
    before, after = money_at(money, begin), money_at(money, end)
    found: dict[str, int] = {}
    for case, amount in _rows(after, "case_id", "amount"):
        found[case] = found.get(case, 0) + amount
    for case, place, amount in _rows(before, "case_id", "place", "amount"):
        if place != "account":
            found[case] -= amount
    return {case: amount for case, amount in found.items() if amount}


def _own_accounts(dataset: Dataset) -> frozenset[str]:
    accounts = dataset.tables.get("accounts")
    if accounts is None:  # then every account of the transfers is the bank's
        return frozenset(dataset.account_ids.to_pylist())
    return frozenset(name for name, is_own in _rows(accounts, "account_id", "is_own") if is_own)


def _parts_of(truth: pa.Table) -> dict[str, list[tuple[str, str, int]]]:
    found: dict[str, list[tuple[str, str, int]]] = {}
    for transfer, case, kind, amount in sorted(
        row for row in _rows(truth, "transfer_id", "case_id", "kind", "amount") if None not in row
    ):
        found.setdefault(transfer, []).append((case, kind, amount))
    return found


def _steps_of(money: pa.Table) -> dict[str, list[tuple[int, str, int]]]:
    rows = money.filter(pc.equal(money["place"].cast(pa.string()), "account"))
    found: dict[str, list[tuple[int, str, int]]] = {}
    for account, time, case, amount in sorted(_rows(rows, "account_id", "time", "case_id", "amount")):
        found.setdefault(account, []).append((time, case, amount))
    return found


def _rows(table: pa.Table, *names: str) -> Iterable[tuple[Any, ...]]:
    columns = [
        table[name].cast(pa.int64()) if pa.types.is_timestamp(table[name].type) else table[name] for name in names
    ]
    return zip(*(column.to_pylist() for column in columns), strict=True)
