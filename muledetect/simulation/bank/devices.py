"""With which phone somebody logs in: an own, shared, borrowed or second-hand one, or one of an office's rack."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from muledetect.clock import DAY, HOUR
from muledetect.simulation.config import WorldConfig
from muledetect.simulation.crime import Houses
from muledetect.simulation.people import CODE, People
from muledetect.simulation.rhythm import Rhythm
from muledetect.simulation.streams import Bool, Int64, UInt64, chance, mix

#: Phones that an office keeps in use at one time.
RACK: Final = 10
#: Name spaces of hashed values.
_PHONE, _TABLET, _HELPER, _RACK = 101, 102, 103, 104
#: Owners of family phones are households, numbered apart from holders.
_FAMILY: Final = 1 << 40
#: People who borrow the phone of a village shop, some of them.
_BORROWERS: Final = (CODE["pensioner"], CODE["migrant"])


def rack_phone(office: Int64 | int, slot: Int64, stock: Int64 | int, seed: int) -> UInt64:
    """Return the phone (hash) in a slot of an office's rack; `stock` counts how often the rack was renewed."""
    return mix(office, slot, stock, _RACK, seed)


@dataclass(frozen=True, slots=True)
class Phones:
    """Who owns the phone that an account is used with; people buy new ones every year or so, a few every few days."""

    seed: int
    start: int
    owner: Int64
    is_borrower: Bool
    helper: Int64

    def own(self, who: Int64, moment: Int64, rng: np.random.Generator) -> UInt64:
        """Return the phone (hash) that each one uses at a moment."""
        owner = self.owner[who]
        number = self._number(owner, moment)
        device = mix(owner, number, _PHONE, self.seed)
        # A phone sold on keeps its hash: strangers meet in it.
        is_used = (number > 0) & (chance(mix(owner, number), self.seed, 1) < 0.04)
        former = self.owner[(mix(owner, number, 2, self.seed) % np.uint64(len(self.owner))).astype(np.int64)]
        device = np.where(is_used, mix(former, 0, _PHONE, self.seed), device)
        has_second = (chance(owner, self.seed, 3) < 0.15) & (rng.random(len(who)) < 0.2)
        device = np.where(has_second, mix(owner, number // 3, _TABLET, self.seed), device)
        borrows = self.is_borrower[who] & (rng.random(len(who)) < 0.5)
        return np.where(borrows, mix(self.helper[who], _HELPER, self.seed), device)

    def had_at_start(self, who: Int64, device: UInt64) -> Bool:
        """Return whether each one had used a device before the world's start."""
        owner = self.owner[who]
        known = (mix(owner, 0, _PHONE, self.seed), mix(owner, 0, _TABLET, self.seed))
        borrowed = self.is_borrower[who] & (device == mix(self.helper[who], _HELPER, self.seed))
        return np.asarray((device == known[0]) | (device == known[1]) | borrowed)

    def _number(self, owner: Int64, moment: Int64) -> Int64:
        """Return how many phones each owner has had since the world's start."""
        # Some reinstall their app again and again or use a browser whose traces change: a new device to the bank.
        is_restless = chance(owner, self.seed, 4) < 0.012
        spread = chance(owner, self.seed, 5)
        days = np.where(is_restless, 1.5 * 13.0**spread, 250 * 6.0**spread)
        age = (moment - self.start) / DAY + chance(owner, self.seed, 6) * days
        return np.maximum(np.floor(age / days), 0).astype(np.int64)


def hand_out_phones(config: WorldConfig, people: People, rhythm: Rhythm) -> Phones:
    """Give everybody a phone; some families share one, and some shops lend theirs."""
    shares = chance(people.household, config.seed, 7) < 0.04
    return Phones(
        seed=config.seed,
        start=rhythm.start,
        owner=np.where(shares & ~people.is_dormitory, people.household + _FAMILY, people.holder),
        is_borrower=np.isin(people.persona, _BORROWERS) & (chance(people.holder, config.seed, 8) < 0.08),
        helper=people.area // 4,
    )


def phone_in_house(houses: Houses, who: Int64, moment: Int64, seed: int) -> tuple[UInt64, Bool]:
    """Return the rack phone (hash) of housed accounts, and whether the holder was let keep the own one instead."""
    turn = np.maximum(houses.turn[who], 1) * HOUR
    stock = np.where(houses.turn[who] > 0, 1 + np.maximum(moment - houses.start[who], 0) // turn, 0)
    slot = (mix(who, stock, 9) % np.uint64(RACK)).astype(np.int64)
    return rack_phone(houses.office[who], slot, stock, seed), chance(who, seed, 10) < 0.35
