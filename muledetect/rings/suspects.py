"""The accounts among which rings are sought."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from muledetect.arrays import BoolArray, Float64Array, Int32Array, Int64Array, places_in
from muledetect.facts import Snapshot
from muledetect.rings.account_evidence import AccountEvidence
from muledetect.rings.suspicion import count_counterparties, find_suspicion

#: Less suspicious accounts bind no ring together. Those between this and `min_suspicion` may bind but are not shown.
LEAST_SUSPICION: Final = 0.1


@dataclass(frozen=True, eq=False)
class Suspects:
    """The accounts among which rings are sought, by ascending account code."""

    account: Int32Array  # account codes
    suspicion: Float64Array  # 0 to 1, see `find_suspicion`
    is_seed: BoolArray  # suspicious by its own score, complaints or lists, not only by its neighbours
    n_counterparties: Int64Array  # distinct accounts that it paid or was paid by in the window

    def __len__(self) -> int:
        return len(self.account)

    def positions(self, accounts: Int32Array) -> Int64Array:
        """Return where each account stands in `account`, int64; -1 = it is no suspect. O(n log n)."""
        return places_in(self.account, accounts)


def find_suspects(
    snapshot: Snapshot, evidence: AccountEvidence, *, since: int, holding_time: int, most: int, min_suspicion: float
) -> Suspects:
    """Return the accounts of enough suspicion, see `find_suspicion`. O(transfers of the suspects) on top of it."""
    account, own, together = find_suspicion(snapshot, evidence, since=since, holding_time=holding_time, most=most)
    rows = np.flatnonzero(together >= min(LEAST_SUSPICION, min_suspicion))
    counted = count_counterparties(snapshot, account[rows], since)
    return Suspects(account[rows], together[rows], own[rows] >= min_suspicion, counted)
