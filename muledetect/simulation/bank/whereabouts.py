"""With which phone somebody logs in (own, shared, borrowed, second-hand, of an office), and from where."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from muledetect.arrays import BoolArray, Int64Array, UInt64Array
from muledetect.clock import DAY, HOUR
from muledetect.simulation.crime.rings import Houses
from muledetect.simulation.economy import Economy
from muledetect.simulation.people import CODE
from muledetect.simulation.plan import Columns
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
    owner = np.where(shares & ~people.is_dormitory, people.household + _FAMILY, people.holder)
    is_borrower = np.isin(people.persona, _BORROWERS) & (hash_uniform(people.holder, seed, 8) < 0.08)
    return Phones(seed, economy.calendar.start, owner, is_borrower, people.area // 4)


def phone_in_house(houses: Houses, who: Int64Array, moment: Int64Array, seed: int) -> tuple[UInt64Array, BoolArray]:
    """Return the office phone (hash) of housed accounts, and whether the holder could keep the own one instead."""
    period = np.maximum(houses.change_hours[who], 1) * HOUR
    stock = np.where(houses.change_hours[who] > 0, 1 + np.maximum(moment - houses.start[who], 0) // period, 0)
    slot = hash_choice(OFFICE_PHONES, who, stock, 9)
    return office_phone(houses.office[who], slot, stock, seed), hash_uniform(who, seed, 10) < 0.35


#: Cells of an area.
CELLS: Final = 10
#: How long a home or a house keeps its address.
LEASE: Final = 14 * DAY
#: Addresses that a house has at one time.
HOUSE_LINES: Final = 2
_HOME_IP, _CAFE_IP, _WORK_IP, _HOUSE_IP, _MOBILE_IP, _VPN_IP = 201, 202, 203, 204, 205, 206
_HOME_WIFI, _CAFE_WIFI, _WORK_WIFI, _HOUSE_WIFI = 211, 212, 213, 214
_MOVING, _HOME, _CAFE, _WORK, _HOUSE = range(5)
#: Autonomous systems: three carriers, one foreign proxy, and seven landline networks from the last on.
_CARRIER, _PROXY, _LANDLINE = 64_512, 64_517, 64_522


def border_area(group: Int64Array, n_areas: int) -> Int64Array:
    """Return the border area where an office or a centre sits; so do many honest people."""
    return n_areas - 1 - group % max(2, n_areas // 12)


def house_ip(office: Int64Array, lease: Int64Array | int, line: Int64Array | int, seed: int) -> UInt64Array:
    """Return an address (hash) of an office's house; `lease` counts `LEASE` from the world's start."""
    return hash_bits(office, lease, line, _HOUSE_IP, seed)


def house_wifi(office: Int64Array, seed: int) -> UInt64Array:
    """Return the Wi-Fi network (hash) of an office's house."""
    return hash_bits(office, _HOUSE_WIFI, seed)


def house_cell(office: Int64Array, n_areas: int) -> Int64Array:
    """Return the number of the mobile cell of an office's house."""
    return border_area(office, n_areas) * CELLS + office % 6


def locate(
    economy: Economy, houses: Houses, who: Int64Array, moment: Int64Array, is_housed: BoolArray,
    rng: np.random.Generator,
) -> Columns:  # fmt: skip
    """Return from where each one logs in at a moment: `ip`, `wifi`, `asn`, `cell`, `area`, see `bank.sessions`.

    `is_housed` marks those who are in a mule house.
    """
    people, seed = economy.people, economy.config.seed
    office, holder, household = houses.office[who], people.holder[who], people.household[who]
    area = np.where(is_housed, border_area(office, people.n_areas), _area(economy, who, moment, rng))
    place = _place(economy, houses, who, moment, is_housed, area == people.area[who], rng)
    # Mobile networks put thousands of people behind few addresses.
    carrier = hash_choice(3, holder, 9)
    pool = max(12, len(people.holder) // 150)
    ip = hash_bits(carrier, rng.integers(0, pool, len(who)), _MOBILE_IP, seed)
    wifi = np.zeros(len(who), np.uint64)
    cafe = area * 6 + (6 * rng.random(len(who)) ** 1.5).astype(np.int64)
    work = area * 3 + hash_choice(3, holder, 11)
    since = moment - economy.calendar.start
    line = rng.integers(0, HOUSE_LINES, len(who))
    lease = (since + (hash_uniform(household, 12) * LEASE).astype(np.int64)) // LEASE
    for where, address, network in (
        (_HOME, hash_bits(household, lease, _HOME_IP, seed), hash_bits(household, _HOME_WIFI, seed)),
        (_CAFE, hash_bits(cafe, _CAFE_IP, seed), hash_bits(cafe, _CAFE_WIFI, seed)),
        (_WORK, hash_bits(work, _WORK_IP, seed), hash_bits(work, _WORK_WIFI, seed)),
        (_HOUSE, house_ip(office, since // LEASE, line, seed), house_wifi(office, seed)),
    ):
        ip, wifi = np.where(place == where, address, ip), np.where(place == where, network, wifi)
    asn = np.where(place == _MOVING, _CARRIER + carrier, _LANDLINE + area % 7)
    # Some people use a proxy; so do houses that change their phones often.
    fond, changes = hash_uniform(holder, seed, 15) < 0.02, is_housed & (houses.change_hours[who] > 0)
    hides = rng.random(len(who)) < np.where(changes, 0.15, np.where(fond, 0.6, 0.0))
    exit_point = rng.integers(0, 40 + len(people.holder) // 3000, len(who))
    return {
        "ip": np.where(hides, hash_bits(exit_point, _VPN_IP, seed), ip),
        "wifi": wifi,
        "asn": np.where(hides, _PROXY, asn),
        "cell": np.where(is_housed, house_cell(office, people.n_areas), area * CELLS + hash_choice(6, holder, 3)),
        "area": area,
    }


def _area(economy: Economy, who: Int64Array, moment: Int64Array, rng: np.random.Generator) -> Int64Array:
    """Mostly at home or next door; now and then somebody travels for a few days."""
    people = economy.people
    trip = (moment - economy.calendar.start) // (3 * DAY)
    travels = hash_uniform(hash_bits(people.holder[who], trip), 13) < 0.03
    away = hash_choice(people.n_areas, people.holder[who], trip, 14)
    nearby = (people.area[who] + (rng.random(len(who)) < 0.1)) % people.n_areas
    return np.where(travels, away, nearby)


def _place(
    economy: Economy, houses: Houses, who: Int64Array, moment: Int64Array, is_housed: BoolArray, is_near: BoolArray,
    rng: np.random.Generator,
) -> Int64Array:  # fmt: skip
    people, calendar = economy.people, economy.calendar
    day = np.clip((moment - calendar.start) // DAY, 0, calendar.n_days - 1)
    hour = (moment - calendar.start) // HOUR % 24
    is_employed = people.persona[who] == CODE["salaried"]
    works = is_employed & (calendar.working[day] == 1) & (hour >= 9) & (hour < 18) & is_near
    draw = rng.random(len(who))
    stays = draw < np.where(works, 0.1, np.where(people.is_dormitory[who], 0.7, 0.5))
    place = np.where(is_near & stays, _HOME, _MOVING)
    place = np.where((place == _MOVING) & (draw > 0.85), _CAFE, place)
    place = np.where(works & (draw > 0.5), _WORK, place)
    # Offices that change their phones often avoid the house's own line as well.
    avoids = (houses.change_hours[who] > 0) & (draw < 0.6)
    return np.where(is_housed, np.where(avoids, _MOVING, _HOUSE), place)
