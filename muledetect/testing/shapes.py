"""Rings of known shape, by construction: who pays whom, in which order, which share of the money.

>>> [(step.payer, step.payee) for step in draw_shape("cycle", 3, np.random.default_rng(0))]
[(0, 1), (1, 2), (2, 0)]
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from itertools import pairwise
from typing import Final, NamedTuple

import numpy as np

from muledetect.errors import OptionError


class Step(NamedTuple):
    """A payment between two members of a ring, by number.

    Attributes
    ----------
    payer, payee : int
        Of the members, from 0.
    hop : int
        What comes later has a higher one; payments of one hop have no order.
    share : float
        Of the ring's money.
    """

    payer: int
    payee: int
    hop: int
    share: float


def draw_shape(shape: str, n_members: int, random: np.random.Generator) -> list[Step]:
    """Return the payments of a ring.

    Parameters
    ----------
    shape : str
        A key of `SHAPES`.
    n_members : int
        At least 3; 4 for a bipartite, random or scatter-gather ring, 5 for a gather-scatter ring, 6 for a stack.
    random : numpy.random.Generator
        Draws how members are spread over the layers, and the walk of `random`.

    Raises
    ------
    OptionError
        If there is no such shape, or it needs more members.
    """
    if shape not in SHAPES:
        raise OptionError(f"shapes: there is no shape {shape!r}; choose of {', '.join(SHAPES)}.")
    least, draw = SHAPES[shape]
    if n_members < least:
        raise OptionError(f"shapes: {shape} needs {least} members or more; got {n_members}.")
    return draw(n_members, random)


def _chain(n: int, _: np.random.Generator) -> list[Step]:
    return [Step(one, other, one, 1.0) for one, other in pairwise(range(n))]


def _cycle(n: int, random: np.random.Generator) -> list[Step]:
    return [*_chain(n, random), Step(n - 1, 0, n - 1, 1.0)]


def _fan_in(n: int, _: np.random.Generator) -> list[Step]:
    return [Step(one, 0, 0, 1 / (n - 1)) for one in range(1, n)]


def _fan_out(n: int, _: np.random.Generator) -> list[Step]:
    return [Step(0, one, 0, 1 / (n - 1)) for one in range(1, n)]


def _scatter_gather(n: int, _: np.random.Generator) -> list[Step]:
    middles, share = range(1, n - 1), 1 / (n - 2)
    return [Step(0, one, 0, share) for one in middles] + [Step(one, n - 1, 1, share) for one in middles]


def _gather_scatter(n: int, random: np.random.Generator) -> list[Step]:
    n_payers = int(random.integers(2, n - 2))
    payers, payees = range(1, 1 + n_payers), range(1 + n_payers, n)
    return [Step(one, 0, 0, 1 / len(payers)) for one in payers] + [Step(0, one, 1, 1 / len(payees)) for one in payees]


def _layered(n: int, n_layers: int, random: np.random.Generator) -> list[Step]:
    """Every member of a layer pays every member of the next; two members a layer or more."""
    cuts = np.sort(random.choice(np.arange(n - 2 * n_layers + n_layers - 1), n_layers - 1, replace=False))
    sizes = np.diff([-1, *cuts.tolist(), n - 2 * n_layers + n_layers - 1]) - 1 + 2
    starts = [0, *np.cumsum(sizes).tolist()]
    layers = [range(low, high) for low, high in pairwise(starts)]
    return [
        Step(one, other, hop, 1 / (len(left) * len(right)))
        for hop, (left, right) in enumerate(pairwise(layers))
        for one in left
        for other in right
    ]


def _bipartite(n: int, random: np.random.Generator) -> list[Step]:
    return _layered(n, 2, random)


def _stack(n: int, random: np.random.Generator) -> list[Step]:
    return _layered(n, 3, random)


def _random(n: int, random: np.random.Generator) -> list[Step]:
    """A walk that visits every member, and returns to some on the way."""
    walk = [0]
    for one in range(1, n):
        if one > 1 and random.random() < 0.5:
            back = [other for other in range(one) if other != walk[-1]]
            walk.append(int(random.choice(back)))
        walk.append(one)
    return [Step(one, other, hop, 1.0) for hop, (one, other) in enumerate(pairwise(walk))]


#: Shape -> the least number of members, and its function.
SHAPES: Final[Mapping[str, tuple[int, Callable[[int, np.random.Generator], list[Step]]]]] = {
    "cycle": (3, _cycle),
    "fan_in": (3, _fan_in),
    "fan_out": (3, _fan_out),
    "scatter_gather": (4, _scatter_gather),
    "gather_scatter": (5, _gather_scatter),
    "stack": (6, _stack),
    "bipartite": (4, _bipartite),
    "chain": (3, _chain),
    "random": (4, _random),
}
