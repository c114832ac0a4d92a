"""What a ring is: places in a shape, the accounts that have them one after another, and the houses they are used in.

Recruits are kept in mule houses so that they can pass face scans, with phones of the office.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from muledetect.arrays import Int64Array
from muledetect.clock import DAY
from muledetect.simulation.config import WorldConfig
from muledetect.simulation.crime.evasion import Tactics
from muledetect.simulation.crime.shapes import Layout
from muledetect.simulation.streams import stream


@dataclass(frozen=True, slots=True)
class Membership:
    """An account's time in a ring: money is sent to it from `start` to `end` (us) and may rest some days longer.

    `layer` is 0 for accounts that victims pay. `place` is the place in the ring's layout, -1 for honest customers
    talked into passing money on (`is_unwitting`) and for an office's controller.
    """

    account: int
    layer: int
    role: str
    start: int
    end: int
    is_unwitting: bool = False
    place: int = -1


@dataclass(slots=True)
class Ring:
    """One ring. Victims pay it from `start` to `end` (us); its commission stays in the layer `commission_layer`."""

    number: int
    shape: str
    layout: Layout
    centre: int
    second_centre: int
    office: int
    start: int
    end: int
    commission: float
    commission_layer: int
    memberships: list[Membership] = field(default_factory=list)

    @property
    def members(self) -> list[int]:
        """Accounts, each once, in order of their first use."""
        return list(dict.fromkeys(member.account for member in self.memberships))

    @property
    def depth(self) -> int:
        """Layers that money goes through."""
        return 1 + max(place.layer for place in self.layout)

    @property
    def unwitting(self) -> list[Membership]:
        """Honest customers who pass money on without knowing."""
        return [member for member in self.memberships if member.is_unwitting]

    def members_at(self, place: int) -> list[Membership]:
        """Return who has a place, in order of time."""
        returns_to = self.layout[place].returns_to
        own = place if returns_to < 0 else returns_to
        return [member for member in self.memberships if member.place == own]

    def account_at(self, place: int, moment: int) -> int:
        """Return the account of a place at a moment; before the first it is the first, after the last the last."""
        members = self.members_at(place)
        return next((member for member in members if moment < member.end), members[-1]).account

    @property
    def entry_places(self) -> list[int]:
        """Places that victims pay."""
        return [number for number, place in enumerate(self.layout) if place.layer == 0]


@dataclass(frozen=True, slots=True)
class Crime:
    """All rings, and how many centres and offices there are."""

    rings: tuple[Ring, ...]
    n_centres: int
    n_offices: int


def members(crime: Crime) -> Int64Array:
    """Return all accounts that some ring uses, unwitting ones too, sorted, each once."""
    return np.unique(np.array([account for ring in crime.rings for account in ring.members], np.int64))


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
