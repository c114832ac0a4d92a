"""With which phone somebody logs in: an own, shared, borrowed or second-hand one, or one of an office's phones."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from muledetect.arrays import BoolArray, Int64Array, UInt64Array
from muledetect.clock import DAY, HOUR
from muledetect.simulation.crime.rings import Houses
from muledetect.simulation.economy import Economy
from muledetect.simulation.people import CODE
from muledetect.simulation.streams import hash_bits, hash_choice, hash_uniform

#: Phones that an office keeps in use at one time.
OFFICE_PHONES: Final = 10
#: Name spaces of hashed values.
_PHONE, _TABLET, _HELPER, _OFFICE = 101, 102, 103, 104
#: Owners of family phones are households, numbered apart from holders.
_FAMILY: Final = 1 << 40
#: People who borrow the phone of a village shop, some of them.
_BORROWERS: Final = (CODE["pensioner"], CODE["migrant"])


def office_phone(office: Int64Array | int, slot: Int64Array, stock: Int64Array | int, seed: int) -> UInt64Array:
    """Return the phone (hash) number `slot` of an office; `stock` counts how often the office bought new ones."""
    return hash_bits(office, slot, stock, _OFFICE, seed)


@dataclass(frozen=True, slots=True)
class Phones:
    """Who owns the phone that an account is used with; people buy new ones every year or so, a few every few days."""

    seed: int
    start: int
    owner: Int64Array
    is_borrower: BoolArray
    helper: Int64Array

    def own(self, who: Int64Array, moment: Int64Array, rng: np.random.Generator) -> UInt64Array:
        """Return the phone (hash) that each one uses at a moment."""
        owner = self.owner[who]
        number = self._number(owner, moment)
        device = hash_bits(owner, number, _PHONE, self.seed)
        # A phone sold on keeps its hash: strangers meet in it.
        is_used = (number > 0) & (hash_uniform(hash_bits(owner, number), self.seed, 1) < 0.04)
        former = self.owner[hash_choice(len(self.owner), owner, number, 2, self.seed)]
        device = np.where(is_used, hash_bits(former, 0, _PHONE, self.seed), device)
        has_second = (hash_uniform(owner, self.seed, 3) < 0.15) & (rng.random(len(who)) < 0.2)
        device = np.where(has_second, hash_bits(owner, number // 3, _TABLET, self.seed), device)
        borrows = self.is_borrower[who] & (rng.random(len(who)) < 0.5)
        return np.where(borrows, hash_bits(self.helper[who], _HELPER, self.seed), device)

    def had_at_start(self, who: Int64Array, device: UInt64Array) -> BoolArray:
        """Return whether each one had used a device before the world's start."""
        owner = self.owner[who]
        known = (hash_bits(owner, 0, _PHONE, self.seed), hash_bits(owner, 0, _TABLET, self.seed))
        borrowed = self.is_borrower[who] & (device == hash_bits(self.helper[who], _HELPER, self.seed))
        return np.asarray((device == known[0]) | (device == known[1]) | borrowed)

    def _number(self, owner: Int64Array, moment: Int64Array) -> Int64Array:
        """Return how many phones each owner has had since the world's start."""
        # Some reinstall their app again and again or use a browser whose traces change: a new device to the bank.
        is_restless = hash_uniform(owner, self.seed, 4) < 0.012
        spread = hash_uniform(owner, self.seed, 5)
        days = np.where(is_restless, 1.5 * 13.0**spread, 250 * 6.0**spread)
        age = (moment - self.start) / DAY + hash_uniform(owner, self.seed, 6) * days
        return np.maximum(np.floor(age / days), 0).astype(np.int64)


def assign_phones(economy: Economy) -> Phones:
    """Give everybody a phone; some families share one, and some shops lend theirs."""
    people, seed = economy.people, economy.config.seed
    shares = hash_uniform(people.household, seed, 7) < 0.04
    return Phones(
        seed=seed,
        start=economy.calendar.start,
        owner=np.where(shares & ~people.is_dormitory, people.household + _FAMILY, people.holder),
        is_borrower=np.isin(people.persona, _BORROWERS) & (hash_uniform(people.holder, seed, 8) < 0.08),
        helper=people.area // 4,
    )


def phone_in_house(houses: Houses, who: Int64Array, moment: Int64Array, seed: int) -> tuple[UInt64Array, BoolArray]:
    """Return the office phone (hash) of housed accounts, and whether the holder could keep the own one instead."""
    period = np.maximum(houses.change_hours[who], 1) * HOUR
    stock = np.where(houses.change_hours[who] > 0, 1 + np.maximum(moment - houses.start[who], 0) // period, 0)
    slot = hash_choice(OFFICE_PHONES, who, stock, 9)
    return office_phone(houses.office[who], slot, stock, seed), hash_uniform(who, seed, 10) < 0.35
