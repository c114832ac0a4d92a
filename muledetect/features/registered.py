"""What registries say of the account, of its holder, and of those that it deals with.

With `Extraction.hide_groups`, this bank's own entries (`is_own`) about accounts of the point's own group are hidden
from the point: they follow from what the bank found out, so in training they would tell its target. Entries of others
stay: by the point the bank had received them, as it will have when it scores.
"""

from __future__ import annotations

from typing import Final

import numba
import numpy as np

from muledetect.arrays import Float64Array
from muledetect.facts.registry import reliability_of
from muledetect.features._columns import Column
from muledetect.features._history import History
from muledetect.features._spec import feature
from muledetect.features.taint import groups_of

# Shares are added as integers of this many to a whole, so that their order cannot change the sum.
_UNIT: Final = 2.0**30


@feature(
    family="taint",
    columns={
        "registered_reliability": Column(
            "ratio", "highest reliability of the registry entries about the account or its holder that stand"
        ),
    },
    tables=("registry",),
    not_live="it reads who else has the official number of its holder",
)
def registered(history: History) -> Float64Array:
    """Reliability of the entry about the account or its holder that is trusted most.

    It is 0 if none stands, NaN without the table. Which entries stand at a point, and how far they are trusted, is the
    rule of `muledetect.facts.registry`. O(statements about the account).
    """
    entries = history.facts.registered_accounts
    found = np.full(len(history), np.nan)
    if entries is not None:
        _registered(history.points.account, history.as_of, *groups_of(history), entries, found)
    return found


@feature(
    family="taint",
    columns={
        "registered_share": Column(
            "ratio", "share of the money exchanged {window} with accounts in a registry, each by its reliability"
        ),
    },
    tables=("registry",),
    not_live="it reads who else has the official numbers of those that it deals with",
    window=("30d",),
)
def registered_dealings(history: History, *, window: int) -> Float64Array:
    """How much of the money came from or went to registered accounts: sum of amount x reliability over the total.

    NaN if nothing was exchanged, and without the table. O(transfers in the window).
    """
    entries = history.facts.registered_accounts
    found = np.full(len(history), np.nan)
    if entries is not None:
        into, out = history.incoming, history.outgoing
        _dealings(
            history.as_of, *groups_of(history), entries,
            into.begin(window), into.end, into.amount, into.account,
            out.begin(window), out.end, out.amount, out.account, found,
        )  # fmt: skip
    return found


@numba.njit(cache=True, nogil=True)
def _registered(account, as_of, own, groups, entries, found) -> None:  # type: ignore[no-untyped-def]
    for p in range(len(account)):
        found[p] = 0.0
        if account[p] >= 0:
            found[p] = reliability_of(account[p], as_of[p], own[p], groups, entries)


@numba.njit(cache=True, nogil=True)
def _dealings(  # type: ignore[no-untyped-def]
    as_of, own, groups, entries, in_begin, in_end, in_amount, in_account, out_begin, out_end, out_amount,
    out_account, found,
) -> None:  # fmt: skip
    for p in range(len(as_of)):
        total, weighted = 0, np.int64(0)
        for j in range(in_begin[p], in_end[p]):
            total += in_amount[j]
        for j in range(out_begin[p], out_end[p]):
            total += out_amount[j]
        if total == 0:
            continue
        for j in range(in_begin[p], in_end[p]):
            trust = reliability_of(in_account[j], as_of[p], own[p], groups, entries)
            weighted += np.int64(np.round(in_amount[j] / total * _UNIT)) * np.int64(np.round(trust * _UNIT))
        for j in range(out_begin[p], out_end[p]):
            trust = reliability_of(out_account[j], as_of[p], own[p], groups, entries)
            weighted += np.int64(np.round(out_amount[j] / total * _UNIT)) * np.int64(np.round(trust * _UNIT))
        found[p] = weighted / _UNIT / _UNIT
