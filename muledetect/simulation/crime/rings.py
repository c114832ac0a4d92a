"""What a ring is: places in a shape, the accounts that have them one after another, and the houses they are used in.

Recruits are kept in mule houses so that they can pass face scans, with phones of the office.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Final

import numpy as np

from muledetect.arrays import Int64Array
from muledetect.clock import DAY
from muledetect.simulation.config import WorldConfig
from muledetect.simulation.crime.evasion import Tactics
from muledetect.simulation.streams import stream

COLLECTOR, RELAY, CONSOLIDATOR, CASH_OUT = "collector", "relay", "consolidator", "cash_out"
CONTROLLER, PERIPHERAL = "controller", "peripheral"


@dataclass(frozen=True, slots=True)
class Place:
    """One place in a shape; accounts come and go, the place stays.

    `layer` counts hops from the victims, `onward` names the places that receive from it (none: it converts the
    money), and `returns_to` is the place whose account this one is as well (-1: its own).
    """

    layer: int
    role: str
    onward: tuple[int, ...]
    returns_to: int = -1


Layout = tuple[Place, ...]
_Wiring = list[list[int]]


def build_layout(rng: np.random.Generator, shape: str, size: int) -> Layout:
    """Return the places of a shape with about `size` accounts. O(size^2)."""
    least, draw_widths, wire = _SHAPES[shape]
    widths = draw_widths(rng, max(size, least))
    edges = np.concatenate([[0], np.cumsum(widths)])
    layers = [list(range(edges[layer], edges[layer + 1])) for layer in range(len(widths))]
    onward: _Wiring = [[] for _ in range(edges[-1])]
    for upper, lower in pairwise(layers):
        for row, place in enumerate(upper):
            onward[place] = wire(rng, row, lower)
        # A place that nobody pays would never be used.
        paid = {target for place in upper for target in onward[place]}
        for row, orphan in enumerate(place for place in lower if place not in paid):
            onward[upper[row % len(upper)]].append(orphan)
    n_payers = [sum(place in targets for targets in onward) for place in range(len(onward))]
    layer_of = np.repeat(np.arange(len(widths)), widths)
    places = [
        Place(int(layer_of[place]), _role(int(layer_of[place]), len(targets), n_payers[place]), tuple(sorted(targets)))
        for place, targets in enumerate(onward)
    ]
    if shape == "cycle":
        last = places[-1]
        places[-1] = Place(last.layer, RELAY, (len(places),))
        places.append(Place(last.layer + 1, COLLECTOR, (), returns_to=0))
    return tuple(places)


def _role(layer: int, n_onward: int, n_payers: int) -> str:
    if layer == 0:
        return COLLECTOR
    if n_onward == 0:
        return CASH_OUT
    return CONSOLIDATOR if n_payers > n_onward else RELAY


def _to_all(_rng: np.random.Generator, _row: int, lower: list[int]) -> list[int]:
    return list(lower)


def _in_lanes(_rng: np.random.Generator, row: int, lower: list[int]) -> list[int]:
    return [lower[row % len(lower)]]


def _to_some(rng: np.random.Generator, _row: int, lower: list[int]) -> list[int]:
    n = int(rng.integers(1, len(lower) + 1))
    return [lower[place] for place in rng.choice(len(lower), n, replace=False)]


def _gather_scatter(rng: np.random.Generator, size: int) -> list[int]:
    gathers = int(rng.integers(2, size - 2))
    return [gathers, 1, size - gathers - 1]


def _bipartite(rng: np.random.Generator, size: int) -> list[int]:
    upper = int(rng.integers(2, size - 1))
    return [upper, size - upper]


def _stack(rng: np.random.Generator, size: int) -> list[int]:
    upper = int(rng.integers(2, size - 3))
    middle = int(rng.integers(2, size - upper - 1))
    return [upper, middle, size - upper - middle]


def _relay_chain(rng: np.random.Generator, size: int) -> list[int]:
    depth = int(rng.integers(3, 6))
    return [max(1, round(size / depth))] * depth


def _mixture(rng: np.random.Generator, size: int) -> list[int]:
    depth = int(rng.integers(1, 6))
    widths = 1 + rng.multinomial(max(0, size - depth), np.full(depth, 1 / depth))
    return [int(width) for width in widths]


_Widths = Callable[[np.random.Generator, int], list[int]]
_Wire = Callable[[np.random.Generator, int, list[int]], list[int]]
#: By shape: the least number of accounts, the width of each layer, and whom the places of a layer pay.
_SHAPES: Final[dict[str, tuple[int, _Widths, _Wire]]] = {
    "fan_in": (3, lambda _rng, size: [size - 1, 1], _to_all),
    "fan_out": (3, lambda _rng, size: [1, size - 1], _to_all),
    "gather_scatter": (5, _gather_scatter, _to_all),
    "scatter_gather": (4, lambda _rng, size: [1, size - 2, 1], _to_all),
    "cycle": (3, lambda _rng, size: [1] * min(size, 6), _in_lanes),
    "bipartite": (4, _bipartite, _to_all),
    "stack": (6, _stack, _to_all),
    "relay_chain": (1, _relay_chain, _in_lanes),
    "mixture": (1, _mixture, _to_some),
}
#: Every shape of the typologies, and random mixtures of them with one to five layers.
SHAPES: Final = tuple(_SHAPES)


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
    """One ring. Victims pay it from `start` to `end` (us); its commission stays in the layer `commission_layer`.

    `tactics` are those of the day on which it formed.
    """

    number: int
    tactics: Tactics
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
    houses = Houses(*(np.full(n_accounts, value, np.int64) for value in (-1, 0, 0, 0)))
    for ring in crime.rings:
        rng = stream(config.seed, "houses", ring.number)
        for member in ring.memberships:
            is_moved, change_hours = rng.random() < 0.5, ring.tactics.phone_change_hours(rng)
            before, after = rng.exponential(1.0), rng.exponential(1.0) + 1.0
            if member.is_unwitting or not is_moved or houses.office[member.account] >= 0:
                continue
            houses.office[member.account] = ring.office
            houses.start[member.account] = member.start - int(before * DAY)
            houses.end[member.account] = member.end + int(after * DAY)
            houses.change_hours[member.account] = change_hours
    return houses
