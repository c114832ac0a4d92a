"""Graph shapes of rings: places by layer, and to which places each one passes money on."""

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
