"""What a ring is: places in a shape, and the accounts that sit on them one after the other."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from muledetect.simulation.crime.shapes import Layout
from muledetect.simulation.streams import Int64


@dataclass(frozen=True, slots=True)
class Seat:
    """An account's time in a ring: money is sent to it from `start` to `end` (us) and may rest some days longer.

    `tier` is 0 for accounts that victims pay. `place` is the place in the ring's layout, -1 for honest customers
    talked into passing money on (`is_unwitting`) and for an office's controller.
    """

    account: int
    tier: int
    role: str
    start: int
    end: int
    is_unwitting: bool = False
    place: int = -1


@dataclass(slots=True)
class Ring:
    """One ring. Victims pay it from `start` to `end` (us); the skim stays with accounts of tier `skims_at`."""

    number: int
    shape: str
    layout: Layout
    centre: int
    second_centre: int
    office: int
    start: int
    end: int
    skim: float
    skims_at: int
    seats: list[Seat] = field(default_factory=list)

    @property
    def members(self) -> list[int]:
        """Accounts, each once, in order of their first seat."""
        return list(dict.fromkeys(seat.account for seat in self.seats))

    @property
    def depth(self) -> int:
        """Tiers that money goes through."""
        return 1 + max(place.tier for place in self.layout)

    @property
    def bystanders(self) -> list[Seat]:
        """Honest customers who pass money on without knowing."""
        return [seat for seat in self.seats if seat.is_unwitting]

    def sitters(self, place: int) -> list[Seat]:
        """Return the seats of a place in order of time."""
        returns_to = self.layout[place].returns_to
        own = place if returns_to < 0 else returns_to
        return [seat for seat in self.seats if seat.place == own]

    def sitter(self, place: int, moment: int) -> Seat:
        """Return who sits on a place at a moment; before the first it is the first, after the last the last."""
        seats = self.sitters(place)
        return next((seat for seat in seats if moment < seat.end), seats[-1])


@dataclass(frozen=True, slots=True)
class Crime:
    """All rings, and how many centres and offices there are."""

    rings: tuple[Ring, ...]
    n_centres: int
    n_offices: int


def members(crime: Crime) -> Int64:
    """Return all accounts that some ring uses, unwitting ones too, sorted, each once."""
    return np.unique(np.array([account for ring in crime.rings for account in ring.members], np.int64))
