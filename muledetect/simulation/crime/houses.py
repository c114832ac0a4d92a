"""Mule houses: where recruits are kept so that they can pass face scans, and the phones handed to them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from muledetect.clock import DAY
from muledetect.simulation.config import WorldConfig
from muledetect.simulation.crime.evasion import Tactics
from muledetect.simulation.crime.rings import Crime
from muledetect.simulation.streams import Int64, stream


@dataclass(frozen=True, slots=True)
class Houses:
    """From `start` to `end` (us) an account is used from office `office` (-1: never).

    `turn` is the hours between changes of phone and network there, 0 for never.
    """

    office: Int64
    start: Int64
    end: Int64
    turn: Int64


def settle_houses(config: WorldConfig, crime: Crime, n_accounts: int) -> Houses:
    """Move most recruits into their office's house around their time in a ring; others stay where they live."""
    tactics = Tactics.of(config)
    houses = Houses(*(np.full(n_accounts, value, np.int64) for value in (-1, 0, 0, 0)))
    for ring in crime.rings:
        rng = stream(config.seed, "houses", ring.number)
        for seat in ring.seats:
            is_moved, turn = rng.random() < 0.5, tactics.turn_hours(rng)
            before, after = rng.exponential(1.0), rng.exponential(1.0) + 1.0
            if seat.is_unwitting or not is_moved or houses.office[seat.account] >= 0:
                continue
            houses.office[seat.account] = ring.office
            houses.start[seat.account] = seat.start - int(before * DAY)
            houses.end[seat.account] = seat.end + int(after * DAY)
            houses.turn[seat.account] = turn
    return houses
