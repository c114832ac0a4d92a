"""The two rows that one transfer has in the statements of both its accounts, found and made one."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
from numba import njit

from muledetect.arrays import BoolArray, Int64Array, UInt64Array
from muledetect.clock import HOUR, parse_duration
from muledetect.records.duplicates import edited
from muledetect.records.encode import hash_strings
from muledetect.records.own._columns import RowRules

#: Any two moments lie less far apart.
_ANY_TIME: Final = 2**62
#: An odd constant of the splitmix64 finaliser.
_ODD: Final = np.uint64(0xBF58476D1CE4E5B9)
#: What the statement of an account tells of itself where it received.
_OF_TARGET: Final = frozenset(["target_balance_after", "target_bank"])


@njit(cache=True, nogil=True)
def _match(order: Any, is_new: Any, time: Any, is_out: Any, within: Any, partner: Any) -> None:
    # Groups are sorted by time. `debit` and `credit` walk over the rows of either side; all before them are settled,
    # and the earlier of the two that is too far from the other can have no partner further on.
    n = order.size
    start = 0
    while start < n:
        end = start + 1
        while end < n and not is_new[end]:
            end += 1
        debit = credit = start
        while True:
            while debit < end and not is_out[order[debit]]:
                debit += 1
            while credit < end and is_out[order[credit]]:
                credit += 1
            if debit >= end or credit >= end:
                break
            left, came = order[debit], order[credit]
            apart = time[came] - time[left]
            if abs(apart) <= within:
                partner[left] = came
                partner[came] = left
                debit += 1
                credit += 1
            elif apart > 0:
                debit += 1
            else:
                credit += 1
        start = end


def match_sides(keys: tuple[npt.NDArray[Any], ...], time: Int64Array, is_out: BoolArray, within: int) -> Int64Array:
    """Return the row that tells the other side of each row, -1 where there is none.

    `keys` are what both rows have in common (hashes of source and target, the amount, or an id), `is_out` whether the
    row stands in the statement of the account that paid; `time` and `within`, how far apart the rows may lie, are in
    microseconds.

    In each group of equal keys the earliest debit takes the earliest credit near enough; no other choice makes more
    pairs. Rows are sorted by a hash of the keys, then compared by the keys themselves: two groups of one hash could
    only lose a pair, never make a wrong one. O(n log n), 25 bytes a row beside the keys.
    """
    order = np.lexsort((time, _mixed(keys)))
    is_new = np.zeros(len(order), np.bool_)
    for key in keys:
        placed = key[order]
        is_new[1:] |= placed[1:] != placed[:-1]
    partner = np.full(len(order), -1, np.int64)
    _match(order, is_new, time, is_out, np.int64(within), partner)
    return partner


def _mixed(keys: tuple[npt.NDArray[Any], ...]) -> UInt64Array:
    mixed = np.zeros(len(keys[0]), np.uint64)
    for key in keys:
        mixed ^= key.view(np.uint64)
        mixed *= _ODD
        mixed ^= mixed >> np.uint64(29)
    return mixed


class Sides:
    """What pairing needs of every accepted row of statements: some 41 bytes a row, and balances and banks."""

    def __init__(self, rules: RowRules) -> None:
        self.notes: list[str] = []
        self._rules = rules
        self._parts: dict[str, list[Any]] = {}
        self._own: list[pa.StringArray] = []
        self._gone = np.empty(0, np.int64)
        self._filled: dict[str, tuple[Int64Array, pa.Array]] = {}

    def add(self, made: pa.Table, is_out: BoolArray, rows: Int64Array) -> None:
        """Look at accepted rows, `rows` their numbers in the files."""
        accounts = pc.if_else(pa.array(is_out), made["source"], made["target"])
        self._own = [pc.unique(pa.chunked_array([*self._own, *accounts.chunks], pa.string()))]
        hashed = ["source", "target", *(["transfer_id"] if self._rules.pair_on == "transfer_id" else [])]
        held: dict[str, Any] = {name: hash_strings(made[name].combine_chunks()) for name in hashed}
        held |= {"amount": made["amount"].to_numpy(), "time": made["time"].cast(pa.int64()).to_numpy()}
        held |= {"is_out": is_out, "row": rows}
        held |= {name: made[name].combine_chunks() for name in _OF_TARGET & set(made.column_names)}
        for name, values in held.items():
            self._parts.setdefault(name, []).append(values)

    def own_accounts(self) -> pa.StringArray:
        """Return the accounts whose statements were read, in byte order."""
        return self._own[0].take(pc.array_sort_indices(self._own[0])) if self._own else pa.array([], pa.string())

    def pair(self) -> Int64Array:
        """Find the pairs and return the numbers of the credit rows that go, ascending; none if they are to stay."""
        rules, by_id = self._rules, self._rules.pair_on == "transfer_id"
        time, is_out = self._joined("time"), self._joined("is_out")
        keys = [self._joined(name) for name in ("source", "target", "amount", *(["transfer_id"] if by_id else []))]
        within = _ANY_TIME if by_id else 0 if rules.pair_within == "0s" else parse_duration(rules.pair_within)
        partner = match_sides(tuple(keys), time, is_out, within)
        gone = (partner >= 0) & ~is_out
        if rules.pair_on == "nothing":
            if gone.any():
                self.notes.append(
                    f"{np.count_nonzero(gone):,} transfers stand in the statements of both accounts and are counted "
                    'twice. Write pair_on = "time" under [rows] to make one of two rows.'
                )
            return np.empty(0, np.int64)
        self._tell_lonely(partner < 0, keys, time, is_out)
        self._gone = np.flatnonzero(gone)
        for name in _OF_TARGET & self._parts.keys():
            told = pa.chunked_array(self._parts.pop(name)).combine_chunks()
            known = told.is_valid().to_numpy(zero_copy_only=False)
            lacking = np.flatnonzero((partner >= 0) & is_out & ~known)
            lacking = lacking[known[partner[lacking]]]
            self._filled[name] = lacking, told.take(pa.array(partner[lacking]))
        return np.sort(self._joined("row")[gone])

    def _joined(self, name: str) -> Any:
        """Return one column of all rows, taking its parts out."""
        return np.concatenate(self._parts.pop(name))

    def _tell_lonely(self, is_single: BoolArray, keys: list[Any], time: Int64Array, is_out: BoolArray) -> None:
        """Tell of transfers between two accounts of the files that only one side tells."""
        other = np.where(is_out, keys[1], keys[0])
        lonely = is_single & np.isin(other, hash_strings(self.own_accounts()))
        if not lonely.any():
            return
        near = match_sides(tuple(key[lonely] for key in keys[:3]), time[lonely], is_out[lonely], HOUR)
        n_near = int(np.count_nonzero(near >= 0)) // 2
        also = f'; {n_near:,} pairs of them lie within an hour of each other: pair_within = "1h" joins them'
        self.notes.append(
            f"{np.count_nonzero(lonely):,} rows are of transfers between two accounts of the file, but only one side "
            f"tells them{also if n_near else ''}."
        )

    def merge(self, parts: Iterator[pa.Table]) -> Iterator[pa.Table]:
        """Return the rows without the credit sides of pairs, whose balance and bank go to the debit sides."""
        return edited(parts, self._gone, self._filled)
