"""How strongly a payment binds, learnt elsewhere and adjusted to this data set.

What tells a ring's payment from an ordinary one differs from bank to bank: where rings move money once, a repeated
payment is a habit; where they move it again and again, it is the opposite. So the weights are those of other banks, and
move to what the scores show here: whom do the suspicious pay, beyond whom everybody pays?

Scores are wrong about many accounts, but it is known by how much. With `m` the mean suspicion of mules, `b` that of
whom anybody deals with, and `s` the suspicion of one end, the suspicion of the other has the mean

    b + (m - b) s p,

`p` being the chance that a pair of this kind is of one ring. Scores never see both ends of a pair, so a kind of pair
that merely looks suspicious at one end is not taken for a tie.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

import numpy as np
from scipy.special import expit

from muledetect.arrays import Float64Array

#: Log-odds that a pair with a mule is of one ring, by `Pairs.parts`: fitted on banks of several makers, each as heavy
#: as the others; see decision 064.
ELSEWHERE: Final[Mapping[str, float]] = MappingProxyType(
    {
        "intercept": -0.7,
        "chance": -0.22,
        "in_share": 0.5,
        "out_share": 0.4,
        "habit": -4.0,
        "returned": -0.4,
        "passed_before": 1.2,
        "passed_after": 0.4,
        "fit": 0.5,
    }
)

#: How firmly weights (of parts in standard deviations) are held to those elsewhere; that of the intercept.
HOLD, HOLD_INTERCEPT = 5.0, 1.0

#: With fewer pairs, or scores that hardly tell mules from others, nothing is learnt.
FEWEST_PAIRS, LEAST_CONTRAST = 50, 0.02

#: Suspicion is kept within these where it is learnt from.
_CLIP: Final = (1e-3, 0.97)

#: Floats are added up as multiples of this, so that no sum depends on the order of names.
_UNIT: Final = 2.0**-20

_MOST_STEPS: Final = 50
_SETTLED: Final = 1e-7


def learn_strength(
    parts: Mapping[str, Float64Array], one: Float64Array, other: Float64Array, *, mules: float, anybody: float,
    elsewhere: Mapping[str, float] = ELSEWHERE,
) -> Mapping[str, float]:  # fmt: skip
    """Return the weights of `Pairs.strength` here.

    Parameters
    ----------
    parts : mapping of str to ndarray
        See `Pairs.parts`; a pair counts once for each end that is suspicious.
    one, other : ndarray of float64
        Suspicion of that end, and of the other, by their own evidence.
    mules, anybody : float
        Mean suspicion of mules, and of those whom anybody deals with.
    elsewhere : mapping of str to float
        Where the weights start, and what they are held to.

    Notes
    -----
    Most likely weights, by Newton's method, with a normal prior around those elsewhere. O(pairs) a step.
    """
    if len(one) < FEWEST_PAIRS or mules - anybody < LEAST_CONTRAST:
        return elsewhere
    mean = {name: _total(values) / len(one) for name, values in parts.items()}
    spread = {name: np.sqrt(_total((values - mean[name]) ** 2) / len(one)) for name, values in parts.items()}
    told = [name for name in parts if spread[name] > 0]
    columns = np.stack([np.ones(len(one)), *((parts[name] - mean[name]) / spread[name] for name in told)])
    start = np.full(len(one), elsewhere["intercept"])
    for name in parts:
        start = start + elsewhere.get(name, 0.0) * parts[name]
    hold = np.array([HOLD_INTERCEPT, *[HOLD] * len(told)])
    moved = _most_likely(columns, start, np.clip(one, *_CLIP), np.clip(other, *_CLIP), (anybody, mules), hold)
    by_unit = {name: moved[k + 1] / spread[name] for k, name in enumerate(told)}
    weights = {name: elsewhere.get(name, 0.0) + by_unit.get(name, 0.0) for name in parts}
    at_mean = sum(by_unit[name] * mean[name] for name in told)
    return {"intercept": float(elsewhere["intercept"] + moved[0] - at_mean)} | {k: float(v) for k, v in weights.items()}


def _most_likely(
    columns: Float64Array, start: Float64Array, one: Float64Array, other: Float64Array,
    level: tuple[float, float], hold: Float64Array,
) -> Float64Array:  # fmt: skip
    """Return by how much each weight moves from the start."""
    anybody, rise = level[0], level[1] - level[0]

    def loss(by: Float64Array) -> float:
        expected = anybody + rise * one * expit(start + by @ columns)
        told = other * np.log(expected) + (1 - other) * np.log1p(-expected)
        return float(0.5 * (hold * by * by).sum() - _total(told))

    by = np.zeros(len(columns))
    now = loss(by)
    for _ in range(_MOST_STEPS):
        chance = expit(start + by @ columns)
        expected = anybody + rise * one * chance
        slope = rise * one * chance * (1 - chance)
        spread = expected * (1 - expected)
        gradient = np.array([_total(c * slope * (other - expected) / spread) for c in columns]) - hold * by
        curve = np.diag(hold)
        for a in range(len(columns)):
            for b in range(a, len(columns)):
                curve[a, b] = curve[b, a] = _total(columns[a] * columns[b] * slope**2 / spread) + (a == b) * hold[a]
        step, share = np.linalg.solve(curve, gradient), 1.0
        while share > _SETTLED and loss(by + share * step) > now:
            share /= 2
        before, by = now, by + share * step
        now = loss(by)
        if before - now <= _SETTLED * abs(before):
            break
    return by


def _total(values: Float64Array) -> float:
    return float(np.round(values / _UNIT).astype(np.int64).sum() * _UNIT)
