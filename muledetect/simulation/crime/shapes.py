"""Graph shapes of rings: places by tier, and to which places each one passes money on."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

import numpy as np

COLLECTOR, RELAY, CONSOLIDATOR, CASH_OUT = "collector", "relay", "consolidator", "cash_out"
CONTROLLER, PERIPHERAL = "controller", "peripheral"


@dataclass(frozen=True, slots=True)
class Place:
    """One place in a shape; accounts come and go, the place stays.

    `tier` counts hops from the victims, `onward` names the places that receive from it (none: it converts the
    money), and `returns_to` is the place whose account this one is as well (-1: its own).
    """

    tier: int
    role: str
    onward: tuple[int, ...]
    returns_to: int = -1


Layout = tuple[Place, ...]
_Wiring = list[list[int]]


def lay_out(rng: np.random.Generator, shape: str, size: int) -> Layout:
    """Return the places of a shape with about `size` accounts. O(size^2)."""
    widths, wire = _DRAWN[shape](rng, size)
    edges = np.concatenate([[0], np.cumsum(widths)])
    layers = [list(range(edges[tier], edges[tier + 1])) for tier in range(len(widths))]
    onward: _Wiring = [[] for _ in range(edges[-1])]
    for upper, lower in pairwise(layers):
        for row, place in enumerate(upper):
            onward[place] = wire(rng, row, lower)
        # A place that nobody pays would never be used.
        paid = {target for place in upper for target in onward[place]}
        for row, orphan in enumerate(place for place in lower if place not in paid):
            onward[upper[row % len(upper)]].append(orphan)
    n_payers = [sum(place in targets for targets in onward) for place in range(len(onward))]
    tier_of = np.repeat(np.arange(len(widths)), widths)
    places = [
        Place(int(tier_of[place]), _role(int(tier_of[place]), len(targets), n_payers[place]), tuple(sorted(targets)))
        for place, targets in enumerate(onward)
    ]
    if shape == "cycle":
        last = places[-1]
        places[-1] = Place(last.tier, RELAY, (len(places),))
        places.append(Place(last.tier + 1, COLLECTOR, (), returns_to=0))
    return tuple(places)


def _role(tier: int, n_onward: int, n_payers: int) -> str:
    if tier == 0:
        return COLLECTOR
    if n_onward == 0:
        return CASH_OUT
    return CONSOLIDATOR if n_payers > n_onward else RELAY


_Wire = Callable[[np.random.Generator, int, list[int]], list[int]]


def _to_all(rng: np.random.Generator, row: int, lower: list[int]) -> list[int]:  # noqa: ARG001  # one signature
    return list(lower)


def _in_lanes(rng: np.random.Generator, row: int, lower: list[int]) -> list[int]:  # noqa: ARG001  # one signature
    return [lower[row % len(lower)]]


def _to_some(rng: np.random.Generator, row: int, lower: list[int]) -> list[int]:  # noqa: ARG001  # one signature
    n = int(rng.integers(1, len(lower) + 1))
    return [lower[place] for place in rng.choice(len(lower), n, replace=False)]


_Drawn = tuple[list[int], _Wire]


def _fan_in(rng: np.random.Generator, size: int) -> _Drawn:  # noqa: ARG001  # one signature
    return [max(size, 3) - 1, 1], _to_all


def _fan_out(rng: np.random.Generator, size: int) -> _Drawn:  # noqa: ARG001  # one signature
    return [1, max(size, 3) - 1], _to_all


def _gather_scatter(rng: np.random.Generator, size: int) -> _Drawn:
    size = max(size, 5)
    gathers = int(rng.integers(2, size - 2))
    return [gathers, 1, size - gathers - 1], _to_all


def _scatter_gather(rng: np.random.Generator, size: int) -> _Drawn:  # noqa: ARG001  # one signature
    return [1, max(size, 4) - 2, 1], _to_all


def _cycle(rng: np.random.Generator, size: int) -> _Drawn:  # noqa: ARG001  # one signature
    return [1] * int(np.clip(size, 3, 6)), _in_lanes


def _bipartite(rng: np.random.Generator, size: int) -> _Drawn:
    size = max(size, 4)
    upper = int(rng.integers(2, size - 1))
    return [upper, size - upper], _to_all


def _stack(rng: np.random.Generator, size: int) -> _Drawn:
    size = max(size, 6)
    upper = int(rng.integers(2, size - 3))
    middle = int(rng.integers(2, size - upper - 1))
    return [upper, middle, size - upper - middle], _to_all


def _relay_chain(rng: np.random.Generator, size: int) -> _Drawn:
    depth = int(rng.integers(3, 6))
    return [max(1, round(size / depth))] * depth, _in_lanes


def _mixture(rng: np.random.Generator, size: int) -> _Drawn:
    depth = int(rng.integers(1, 6))
    widths = 1 + rng.multinomial(max(0, size - depth), np.full(depth, 1 / depth))
    return [int(width) for width in widths], _to_some


_DRAWN: Final[dict[str, Callable[[np.random.Generator, int], _Drawn]]] = {
    "fan_in": _fan_in,
    "fan_out": _fan_out,
    "gather_scatter": _gather_scatter,
    "scatter_gather": _scatter_gather,
    "cycle": _cycle,
    "bipartite": _bipartite,
    "stack": _stack,
    "relay_chain": _relay_chain,
    "mixture": _mixture,
}
#: Every shape of the typologies, and random mixtures of them with one to five tiers.
SHAPES: Final = tuple(_DRAWN)
