"""The accounts among which rings are sought."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from muledetect.arrays import BoolArray, Float64Array, Int32Array, Int64Array, places_in
from muledetect.facts import Snapshot
from muledetect.rings.suspicion import Suspicion, count_counterparties

#: Less suspicious accounts bind no ring together. Those between this and `min_suspicion` may bind but are not shown.
LEAST_SUSPICION: Final = 0.1


@dataclass(frozen=True, eq=False)
class Suspects:
    """The accounts among which rings are sought, by ascending account code.

    Attributes
    ----------
    account : int32[n]
        Account codes.
    suspicion : float64[n]
        0 to 1, see `find_suspicion`.
    is_seed : bool[n]
        Suspicious by its own score, complaints or lists, not only by its neighbours.
    n_counterparties : int64[n]
        Distinct accounts that it paid or was paid by in the window.
    """

    account: Int32Array
    suspicion: Float64Array
    is_seed: BoolArray
    n_counterparties: Int64Array

    def __len__(self) -> int:
        return len(self.account)

    def positions(self, accounts: Int32Array) -> Int64Array:
        """Return where each account stands in `account`, int64; -1 = it is no suspect. O(n log n)."""
        return places_in(self.account, accounts)


def choose_suspects(snapshot: Snapshot, suspicion: Suspicion, *, since: int, min_suspicion: float) -> Suspects:
    """Keep the accounts of enough suspicion. O(transfers of the suspects)."""
    rows = np.flatnonzero(suspicion.together >= min(LEAST_SUSPICION, min_suspicion))
    account = suspicion.account[rows]
    return Suspects(
        account,
        suspicion.together[rows],
        suspicion.own[rows] >= min_suspicion,
        count_counterparties(snapshot, account, since),
    )
