"""From where somebody logs in: home, work, a cafe, on the move, or a mule house; addresses, Wi-Fi, cells."""

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

#: Cells of an area.
CELLS: Final = 10
#: How long a home or a house keeps its address.
LEASE: Final = 14 * DAY
#: Addresses that a house has at one time.
HOUSE_LINES: Final = 2
#: Name spaces of hashed values.
_HOME_IP, _CAFE_IP, _WORK_IP, _HOUSE_IP, _MOBILE_IP, _VPN_IP = 201, 202, 203, 204, 205, 206
_HOME_WIFI, _CAFE_WIFI, _WORK_WIFI, _HOUSE_WIFI = 211, 212, 213, 214
_MOVING, _HOME, _CAFE, _WORK, _HOUSE = range(5)
#: Autonomous systems: three carriers, one foreign proxy, and seven landline networks from the last on.
_CARRIER, _PROXY, _LANDLINE = 64_512, 64_517, 64_522


def border_area(group: Int64, n_areas: int) -> Int64:
    """Return the border area where an office or a centre sits; so do many honest people."""
    return n_areas - 1 - group % max(2, n_areas // 12)


def house_ip(office: Int64, lease: Int64 | int, line: Int64 | int, seed: int) -> UInt64:
    """Return an address (hash) of an office's house; `lease` counts `LEASE` from the world's start."""
    return mix(office, lease, line, _HOUSE_IP, seed)


def house_wifi(office: Int64, seed: int) -> UInt64:
    """Return the Wi-Fi network (hash) of an office's house."""
    return mix(office, _HOUSE_WIFI, seed)


def house_cell(office: Int64, n_areas: int) -> Int64:
    """Return the number of the mobile cell of an office's house."""
    return border_area(office, n_areas) * CELLS + office % 6


@dataclass(frozen=True, slots=True)
class Whereabouts:
    """Where sessions come from: hashes (0 for no Wi-Fi), numbers of system, cell and area."""

    ip: UInt64
    wifi: UInt64
    asn: Int64
    cell: Int64
    area: Int64


@dataclass(frozen=True, slots=True)
class Networks:
    """Networks of a world: a function of who, when, and a little chance."""

    config: WorldConfig
    people: People
    rhythm: Rhythm
    houses: Houses

    def locate(self, who: Int64, moment: Int64, is_housed: Bool, rng: np.random.Generator) -> Whereabouts:
        """Return from where each one logs in at a moment; `is_housed` for those in a mule house."""
        people, seed = self.people, self.config.seed
        area = np.where(is_housed, border_area(self.houses.office[who], people.n_areas), self._area(who, moment, rng))
        place = self._place(who, moment, is_housed, area == people.area[who], rng)
        ip, wifi = self._mobile_ip(who, rng), np.zeros(len(who), np.uint64)
        cafe = area * 6 + (6 * rng.random(len(who)) ** 1.5).astype(np.int64)
        work = area * 3 + (mix(people.holder[who], 11) % np.uint64(3)).astype(np.int64)
        household, office = people.household[who], self.houses.office[who]
        since = moment - self.rhythm.start
        line = rng.integers(0, HOUSE_LINES, len(who))
        home = mix(household, (since + (chance(household, 12) * LEASE).astype(np.int64)) // LEASE, _HOME_IP, seed)
        for where, address, network in (
            (_HOME, home, mix(household, _HOME_WIFI, seed)),
            (_CAFE, mix(cafe, _CAFE_IP, seed), mix(cafe, _CAFE_WIFI, seed)),
            (_WORK, mix(work, _WORK_IP, seed), mix(work, _WORK_WIFI, seed)),
            (_HOUSE, house_ip(office, since // LEASE, line, seed), house_wifi(office, seed)),
        ):
            ip, wifi = np.where(place == where, address, ip), np.where(place == where, network, wifi)
        carrier = (mix(people.holder[who], 9) % np.uint64(3)).astype(np.int64)
        asn = np.where(place == _MOVING, _CARRIER + carrier, _LANDLINE + area % 7)
        hides = self._hides(who, is_housed, rng)
        exit_point = rng.integers(0, 40 + len(people.holder) // 3000, len(who))
        spot = (mix(people.holder[who], 3) % np.uint64(6)).astype(np.int64)
        return Whereabouts(
            ip=np.where(hides, mix(exit_point, _VPN_IP, seed), ip),
            wifi=wifi,
            asn=np.where(hides, _PROXY, asn),
            cell=np.where(is_housed, house_cell(office, people.n_areas), area * CELLS + spot),
            area=area,
        )

    def _area(self, who: Int64, moment: Int64, rng: np.random.Generator) -> Int64:
        """Mostly at home or next door; now and then somebody travels for a few days."""
        people = self.people
        trip = (moment - self.rhythm.start) // (3 * DAY)
        travels = chance(mix(people.holder[who], trip), 13) < 0.03
        away = (mix(people.holder[who], trip, 14) % np.uint64(people.n_areas)).astype(np.int64)
        nearby = (people.area[who] + (rng.random(len(who)) < 0.1)) % people.n_areas
        return np.where(travels, away, nearby)

    def _place(self, who: Int64, moment: Int64, is_housed: Bool, is_near: Bool, rng: np.random.Generator) -> Int64:
        people, since = self.people, moment - self.rhythm.start
        day = np.clip(since // DAY, 0, self.rhythm.n_days - 1)
        hour = since // HOUR % 24
        is_employed = people.persona[who] == CODE["salaried"]
        works = is_employed & (self.rhythm.working[day] == 1) & (hour >= 9) & (hour < 18) & is_near
        draw = rng.random(len(who))
        stays = draw < np.where(works, 0.1, np.where(people.is_dormitory[who], 0.7, 0.5))
        place = np.where(is_near & stays, _HOME, _MOVING)
        place = np.where((place == _MOVING) & (draw > 0.85), _CAFE, place)
        place = np.where(works & (draw > 0.5), _WORK, place)
        # Offices that change their phones often avoid the house's own line as well.
        shy = (self.houses.turn[who] > 0) & (draw < 0.6)
        return np.where(is_housed, np.where(shy, _MOVING, _HOUSE), place)

    def _mobile_ip(self, who: Int64, rng: np.random.Generator) -> UInt64:
        """Mobile networks put thousands of people behind few addresses."""
        carrier = (mix(self.people.holder[who], 9) % np.uint64(3)).astype(np.int64)
        pool = max(12, len(self.people.holder) // 150)
        return mix(carrier, rng.integers(0, pool, len(who)), _MOBILE_IP, self.config.seed)

    def _hides(self, who: Int64, is_housed: Bool, rng: np.random.Generator) -> Bool:
        """Some people use a proxy; so do houses that change their phones often."""
        fond = chance(self.people.holder[who], self.config.seed, 15) < 0.02
        shy = is_housed & (self.houses.turn[who] > 0)
        return rng.random(len(who)) < np.where(shy, 0.15, np.where(fond, 0.6, 0.0))
