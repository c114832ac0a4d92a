"""Whom people know and where they shop."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from muledetect.arrays import AnyArray, Float64Array, Int32Array, Int64Array
from muledetect.simulation.config import WorldConfig
from muledetect.simulation.people import CODE, People
from muledetect.simulation.streams import pick_from, stream

#: Accounts whose contacts are drawn together, so that what is needed meanwhile stays small.
_BLOCK: Final = 1 << 17


@dataclass(frozen=True, slots=True)
class Contacts:
    """Whom people know or where they shop: ragged arrays, `start[i] : start[i] + size[i]` for account i."""

    start: Int64Array
    size: Int32Array
    member: Int32Array

    def draw(self, rng: np.random.Generator, who: Int64Array, skew: float = 2.0) -> Int64Array:
        """Return one member of each one's contacts; the first ones are drawn most (`skew` 1: all alike)."""
        place = (self.size[who] * rng.random(len(who)) ** skew).astype(np.int64)
        return np.asarray(self.member[self.start[who] + place], np.int64)


def build_contacts(config: WorldConfig, people: People) -> Contacts:
    """Friends and relatives: a heavy-tailed number each, half of them from the same area. O(accounts)."""
    rng = stream(config.seed, "contacts")
    known = people.is_private & ~np.isin(people.persona, [CODE["dormant"], CODE["second"]])
    # Log-normal with a mean of nine and a tail to eighty (choice): those to whom one ever sends money.
    size = np.clip(3 + rng.lognormal(1.6, 0.7, len(known)), 3, 80)
    return _drawn_contacts(rng, people, size, np.flatnonzero(known), people.popularity**0.5, local=0.5)


def build_favourites(config: WorldConfig, people: People) -> Contacts:
    """Shops and stalls where somebody goes again and again, three quarters of them near. O(accounts)."""
    rng = stream(config.seed, "favourites")
    pool, size = people.of("shop", "stall", "goods"), rng.integers(3, 12, len(people.area))
    return _drawn_contacts(rng, people, size, pool, people.popularity, local=0.75)


def _drawn_contacts(
    rng: np.random.Generator, people: People, sizes: AnyArray, pool: Int64Array, weight: Float64Array, local: float
) -> Contacts:
    n = len(people.area)
    size = sizes.astype(np.int32)
    start = np.concatenate([[0], np.cumsum(size, dtype=np.int64)])
    member = np.empty(int(start[-1]), np.int32)
    edges = np.cumsum(weight[pool])
    by_area = pool[np.argsort(people.area[pool], kind="stable")]
    borders = np.searchsorted(people.area[by_area], np.arange(people.n_areas + 1))
    for first in range(0, n, _BLOCK):
        last = min(first + _BLOCK, n)
        home = np.repeat(people.area[first:last], size[first:last])
        anywhere = pool[pick_from(rng, edges, len(home))]
        width = np.diff(borders)[home]
        near = borders[home] + (rng.random(len(home)) * width).astype(np.int64)
        is_local = (rng.random(len(home)) < local) & (width > 0)
        nearby = by_area[np.minimum(near, len(by_area) - 1)]
        member[start[first] : start[last]] = np.where(is_local, nearby, anywhere)
    return Contacts(start[:-1], size, member)
