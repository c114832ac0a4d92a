"""Counterparties: with how many an account deals, how many are new, and how the money spreads over them."""

from __future__ import annotations

import numba
import numpy as np

from muledetect.arrays import Float64Array
from muledetect.features._columns import Column
from muledetect.features._history import History
from muledetect.features._spec import feature

# Terms of an entropy are added as integers of this many per bit, so that their order cannot change the sum.
_FIXED_POINT = 2.0**40


@feature(
    family="counterparties",
    columns={
        "in_counterparties": Column("count", "different payers {window}"),
        "in_new_counterparties": Column("count", "first-ever payers {window}", only=("30d", "all")),
        "in_entropy": Column(
            "ratio", "how evenly the received money spread over payers {window} (bits)", only=("7d", "all")
        ),
        "in_top_share": Column(
            "ratio", "share of the money received {window} that came from one payer", only=("7d", "all")
        ),
        "in_new_share": Column(
            "ratio", "share of the money received {window} that came from first-ever payers", only=("30d", "all")
        ),
        "in_one_off": Column("count", "payers met a single time {window}", only=("30d", "all")),
        "in_one_off_share": Column(
            "ratio", "share of the money received {window} that came from payers met a single time", only=("30d", "all")
        ),
        "out_counterparties": Column("count", "different payees {window}"),
        "out_new_counterparties": Column("count", "first-ever payees {window}", only=("30d", "all")),
        "out_entropy": Column(
            "ratio", "how evenly the paid money spread over payees {window} (bits)", only=("7d", "all")
        ),
        "out_top_share": Column("ratio", "share of the money paid {window} that went to one payee", only=("7d", "all")),
        "out_new_share": Column(
            "ratio", "share of the money paid {window} that went to first-ever payees", only=("30d", "all")
        ),
        "out_one_off": Column("count", "payees met a single time {window}", only=("30d", "all")),
        "out_one_off_share": Column(
            "ratio", "share of the money paid {window} that went to payees met a single time", only=("30d", "all")
        ),
        "returned_share": Column(
            "ratio", "share of the money paid {window} that went to accounts that also paid in", only=("30d",)
        ),
    },
    window=("7d", "30d", "all"),
)
def counterparties(history: History, *, window: int) -> Float64Array:
    """Distinct and first-ever counterparties, Shannon entropy in bits of the amounts over them, concentration.

    A counterparty is new when it was first met on that side inside the window, and met a single time when it took
    part in one transfer of that side inside it. `entropy = -sum p log2 p` with p the share of a counterparty in the
    amount. Counts are 0 and shares NaN without transfers. O(transfers in the window).
    """
    into, out = history.incoming, history.outgoing
    return _spread(
        into.begin(window), into.end, into.amount, into.other, into.is_new,
        out.begin(window), out.end, out.amount, out.other, out.is_new,
        history.n_others,
    )  # fmt: skip


@numba.njit(cache=True, nogil=True)
def _spread(  # type: ignore[no-untyped-def]
    in_begin, in_end, in_amount, in_other, in_new, out_begin, out_end, out_amount, out_other, out_new, n_others
) -> Float64Array:
    found = np.zeros((len(in_begin), 15))
    most_others = 0
    for p in range(len(in_begin)):
        most_others = max(most_others, n_others[p])
    moved = np.zeros(most_others, np.int64)  # amount by counterparty; all 0 between sides
    n_moved = np.zeros(most_others, np.int64)  # transfers by counterparty
    is_first = np.zeros(most_others, np.bool_)
    paid_in = np.full(most_others, -1, np.int64)  # latest point for which the counterparty paid in
    for p in range(len(in_begin)):
        for j in range(in_begin[p], in_end[p]):
            paid_in[in_other[j]] = p
        _spread_of_side(found[p, 0:7], in_begin[p], in_end[p], in_amount, in_other, in_new, moved, n_moved, is_first)
        _spread_of_side(
            found[p, 7:14], out_begin[p], out_end[p], out_amount, out_other, out_new, moved, n_moved, is_first
        )
        returned, total = 0, 0
        for j in range(out_begin[p], out_end[p]):
            total += out_amount[j]
            if paid_in[out_other[j]] == p:
                returned += out_amount[j]
        found[p, 14] = returned / total if total > 0 else np.nan
    return found


@numba.njit(cache=True, nogil=True)
def _spread_of_side(row, begin, end, amount, other, is_new, moved, n_moved, is_first) -> None:  # type: ignore[no-untyped-def]
    total, n, n_new, largest, new_amount, n_one_off, one_off_amount = 0, 0, 0, 0, 0, 0, 0
    for j in range(begin, end):
        if moved[other[j]] == 0:
            n += 1
            is_first[other[j]] = False
            n_moved[other[j]] = 0
        moved[other[j]] += amount[j]
        n_moved[other[j]] += 1
        total += amount[j]
        if is_new[j] and not is_first[other[j]]:
            is_first[other[j]] = True
            n_new += 1
    bits = 0
    for j in range(begin, end):
        of_other = moved[other[j]]
        if of_other > 0:
            part = of_other / total
            bits -= int(np.rint(part * np.log2(part) * _FIXED_POINT))
            largest = max(largest, of_other)
            if is_first[other[j]]:
                new_amount += of_other
            if n_moved[other[j]] == 1:
                n_one_off += 1
                one_off_amount += of_other
            moved[other[j]] = 0
    row[0] = n
    row[1] = n_new
    row[2] = bits / _FIXED_POINT if total > 0 else np.nan
    row[3] = largest / total if total > 0 else np.nan
    row[4] = new_amount / total if total > 0 else np.nan
    row[5] = n_one_off
    row[6] = one_off_amount / total if total > 0 else np.nan
