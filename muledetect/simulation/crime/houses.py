"""Mule houses: where recruits are kept so that they can pass face scans, and the phones handed to them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from muledetect.arrays import Int64Array
from muledetect.clock import DAY
from muledetect.simulation.config import WorldConfig
from muledetect.simulation.crime.evasion import Tactics
from muledetect.simulation.crime.rings import Crime
from muledetect.simulation.streams import stream


@dataclass(frozen=True, slots=True)
class Houses:
    """From `start` to `end` (us) an account is used from office `office` (-1: never).

    `change_hours` are the hours between changes of phone and network there, 0 for never.
    """

    office: Int64Array
    start: Int64Array
    end: Int64Array
    change_hours: Int64Array


def assign_houses(config: WorldConfig, crime: Crime, n_accounts: int) -> Houses:
    """Move most recruits into their office's house around their time in a ring; others stay where they live."""
    tactics = Tactics(config)
    houses = Houses(*(np.full(n_accounts, value, np.int64) for value in (-1, 0, 0, 0)))
    for ring in crime.rings:
        rng = stream(config.seed, "houses", ring.number)
        for member in ring.memberships:
            is_moved, change_hours = rng.random() < 0.5, tactics.phone_change_hours(rng)
            before, after = rng.exponential(1.0), rng.exponential(1.0) + 1.0
            if member.is_unwitting or not is_moved or houses.office[member.account] >= 0:
                continue
            houses.office[member.account] = ring.office
            houses.start[member.account] = member.start - int(before * DAY)
            houses.end[member.account] = member.end + int(after * DAY)
            houses.change_hours[member.account] = change_hours
    return houses
