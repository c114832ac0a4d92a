"""Proximity: how near an account is to accounts that the bank had found to be mules by then.

The label of the account itself never counts, and in training neither do those of its ring (`extract(hide_groups=...)`):
they would tell the target.
"""

from __future__ import annotations

from typing import Final, NamedTuple

import numba
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from muledetect.arrays import BoolArray, Float64Array, Int64Array, first_at_least
from muledetect.features._columns import ON_REQUEST, Column
from muledetect.features._extraction import Extraction
from muledetect.features._history import History
from muledetect.features._spec import feature
from muledetect.letting_go import give_way

# A walk of two steps counts for so much of what a walk of one step does, as in PageRank.
_DAMPING: Final = 0.85
_LATE: Final = np.iinfo(np.int64).max

# Shares are sums of integers, so that the order of transfers cannot change a bit.
_FIXED_POINT: Final = 2.0**40

_SAYS: Final = {
    "in_mule_share": Column("ratio", "share of the money received {window} that came from known mules"),
    "out_mule_share": Column("ratio", "share of the money paid {window} that went to known mules"),
    "in_mule_proximity": Column(
        "ratio", "money received {window} from known mules and from those that they paid, damped"
    ),
    "out_mule_proximity": Column("ratio", "money paid {window} to known mules and to those that pay them, damped"),
    "known_mules_met": Column("count", "known mules among the counterparties {window}"),
    "mule_path_seconds": Column(
        "seconds", "quickest way of money from a known mule to the account {window}, at most 2 hops"
    ),
    "is_proximity_cut": Column("flag", "a counterparty was too busy to look behind {window}", only=ON_REQUEST),
}


class _Seeds(NamedTuple):
    """What labels say of each account.

    Attributes
    ----------
    known : int64[n_accounts]
        When it was first known to be a mule.
    group : int64[n_accounts]
        The group that it belongs to.
    is_of_use : bool[2, n_accounts]
        A walk may find something there, through what it received or through what it paid: it was a mule at some time,
        dealt with one on that side, or has so many transfers that it may be too busy. One byte that most walks read.
    """

    known: Int64Array
    group: Int64Array
    is_of_use: BoolArray


class _Question(NamedTuple):
    account: Int64Array
    as_of: Int64Array
    window: int
    max_degree: int


@feature(
    family="proximity",
    columns=_SAYS,
    not_live="it walks two steps, through the books of counterparties",
    window=("30d",),
    tables=("labels",),
)
def proximity(history: History, *, window: int) -> Float64Array:
    """Value-weighted walks of one and two steps from each point to accounts with a label `mule` known before it.

    With shares w of the money received in `[as_of - window, as_of)` by payer, `in_mule_share = sum of w(b)` over known
    mules b, and `in_mule_proximity = 0.85 * sum of w(b) * (1 if b is a known mule, else 0.85 * in_mule_share(b))`: the
    first two steps of a personalised PageRank that walks against the money; likewise `out` with it. The share of b is
    taken over the same window. `mule_path_seconds`: the least time between a debit of a known mule and a credit of the
    account, directly (0) or over one account that received it no later than it paid; NaN if there is none.

    Never seen as a seed: the account itself; accounts of its group where groups are given; labels known at the point or
    later. Accounts with more than `max_degree` transfers in the window are not walked through, which
    `is_proximity_cut` tells. All NaN without labels. O(max_degree) a transfer of the window.
    """
    seeds = history.extraction.get(_seeds)
    if seeds is None:
        return np.full((len(history), len(_SAYS)), np.nan)
    past = history.extraction.past
    found = np.full((len(history), len(_SAYS)), np.nan)
    asked = _Question(
        history.points.account.astype(np.int64), history.as_of, max(window, history.graph.tick), past.max_degree
    )
    _walk(past.paid, past.received, seeds, asked, past.graph.n_accounts, found)
    return found


def _seeds(extraction: Extraction) -> _Seeds | None:
    labels = extraction.tables.get("labels")
    if labels is None:
        return None
    n_accounts = extraction.graph.n_accounts
    known = np.full(n_accounts, _LATE, np.int64)
    mules = labels.filter(pc.equal(labels["label"].cast(pa.string()), "mule"))
    codes = extraction.graph.codes(mules["account_id"])
    when = (
        pc.fill_null(mules["known_ts"].cast(pa.int64()), _LATE).to_numpy() if "known_ts" in mules.column_names else None
    )
    if when is not None:
        np.minimum.at(known, codes[codes >= 0], when[codes >= 0])
    group = np.arange(n_accounts, dtype=np.int64) if extraction.hide_groups is None else extraction.hide_groups
    past = extraction.past
    return _Seeds(known, group, _of_use(known, past.paid, past.received, past.max_degree))


@numba.njit(cache=True, nogil=True)
def _of_use(known, paid, received, max_degree):  # type: ignore[no-untyped-def]
    found = np.zeros((2, len(known)), np.bool_)
    for a in range(len(known)):
        for side, book, other_book in ((0, received, paid), (1, paid, received)):
            found[side, a] |= 0 < max_degree < book.stop[a] - book.start[a]
            if known[a] < _LATE:
                found[side, a] = True
                for other in other_book.other[other_book.start[a] : other_book.stop[a]]:
                    found[side, other] = True
    return found


@numba.njit(cache=True, nogil=True)
def _is_seed(seeds, account, own, as_of):  # type: ignore[no-untyped-def]
    return seeds.known[account] < as_of and seeds.group[account] != seeds.group[own] and account != own


@numba.njit(cache=True, nogil=True)
def _share_of(book, account, own, seeds, begin, as_of, max_degree):  # type: ignore[no-untyped-def]
    """Return the share of an account's money on one side exchanged with seeds; -1 if it is too busy to look."""
    low = first_at_least(book.time, book.start[account], book.stop[account], begin)
    high = first_at_least(book.time, low, book.stop[account], as_of)
    if high - low > max_degree:
        return -1.0
    total, with_seeds = 0, 0
    for j in range(low, high):
        total += book.amount[j]
        if _is_seed(seeds, book.other[j], own, as_of):
            with_seeds += book.amount[j]
    return with_seeds / total if total > 0 else 0.0


@numba.njit(cache=True, nogil=True)
def _walk(paid, received, seeds, asked, n_accounts, found) -> None:  # type: ignore[no-untyped-def]
    """One step and a second one from each point; `met` and `walked` hold the point that last met an account."""
    met, walked = np.full(n_accounts, -1, np.int64), np.full(n_accounts, -1, np.int64)
    behind = np.empty(n_accounts, np.float64)
    most = asked.max_degree if asked.max_degree > 0 else len(paid.time) + 1
    for p in range(len(asked.account)):
        give_way(paid.pages)
        a, as_of = asked.account[p], asked.as_of[p]
        found[p, 4], found[p, 6] = 0, 0
        if a < 0:
            continue
        begin, n_met, is_cut, quickest = as_of - asked.window, 0, False, _LATE
        for side in range(2):
            book = received if side == 0 else paid
            low = first_at_least(book.time, book.start[a], book.stop[a], begin)
            high = first_at_least(book.time, low, book.stop[a], as_of)
            total, direct, near = 0, 0, np.int64(0)
            for j in range(low, high):
                total += book.amount[j]
            for j in range(low, high):
                other = book.other[j]
                if not seeds.is_of_use[side, other]:
                    continue
                if _is_seed(seeds, other, a, as_of):
                    direct += book.amount[j]
                    n_met += met[other] != p
                    met[other] = p
                    near += np.int64(np.round(book.amount[j] / total * _FIXED_POINT))
                    if side == 0:
                        quickest = 0
                    continue
                if walked[other] != 2 * p + side:
                    walked[other] = 2 * p + side
                    behind[other] = _share_of(book, other, a, seeds, begin, as_of, most)
                if behind[other] < 0:
                    is_cut = True
                    continue
                near += np.int64(np.round(book.amount[j] / total * _DAMPING * behind[other] * _FIXED_POINT))
                if side == 0 and behind[other] > 0:
                    k = first_at_least(received.time, received.start[other], received.stop[other], book.time[j] + 1) - 1
                    while k >= received.start[other] and received.time[k] >= begin:
                        if _is_seed(seeds, received.other[k], a, as_of):
                            quickest = min(quickest, book.time[j] - received.time[k])
                            break
                        k -= 1
            if total > 0:
                found[p, side] = direct / total
                found[p, 2 + side] = _DAMPING * near / _FIXED_POINT
        found[p, 4], found[p, 6] = n_met, is_cut
        if quickest < _LATE:
            found[p, 5] = quickest / 1e6
