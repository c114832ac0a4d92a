"""How likely a group of accounts is a ring: one that a true ring fits with Jaccard 0.3 or more.

Learnt on banks of several makers whose rings are known, and on the same banks with suspicion dealt out anew among their
accounts, where no group is a ring.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

import numpy as np
from scipy.special import expit, logit

from muledetect.arrays import BoolArray, Float64Array, Int64Array

#: Coefficients of the columns of `describe_groups`; see decision 064.
WEIGHTS: Final[Mapping[str, float]] = MappingProxyType(
    {"intercept": -2.3, "suspicion": 0.55, "bond": 1.25, "size": 1.25, "seeds": -1.6}
)

#: Where the share of mules is unknown, the ranks of the scores make suspects also in a bank without any. In such banks
#: groups reached log-odds of 2; so much less likely is a group there.
UNKNOWN_PREVALENCE: Final = -2.5

_CLIP: Final = 0.01
#: Floats are added up as multiples of this, so that no sum depends on the order of names.
_UNIT: Final = 2.0**-40


def find_probability(groups: Mapping[str, Float64Array], *, is_prevalence_known: bool = True) -> Float64Array:
    """Return the probability of each group, 0 to 1."""
    start = WEIGHTS["intercept"] + (0.0 if is_prevalence_known else UNKNOWN_PREVALENCE)
    odds = np.full(len(groups["size"]), start)
    for name, values in groups.items():
        odds = odds + WEIGHTS[name] * values
    return np.asarray(expit(odds), np.float64)


def describe_groups(
    ring: Int64Array, suspicion: Float64Array, bond: Float64Array, is_seed: BoolArray
) -> dict[str, Float64Array]:
    """Return what is known of each group, from one row a member; `ring` numbers the groups from 0.

    - suspicion: log-odds of the members' mean suspicion
    - bond: log of the mean weight of a member's links within the group, each in proportion to the suspicion of both
      ends and to what its kind counts here
    - size: log of the number of members
    - seeds: share of seeds
    """
    n = np.bincount(ring).astype(np.float64)

    def mean(value: Float64Array) -> Float64Array:
        whole = np.zeros(len(n), np.int64)
        np.add.at(whole, ring, np.round(value / _UNIT).astype(np.int64))
        return np.asarray(whole * _UNIT / n, np.float64)

    return {
        "suspicion": np.asarray(logit(np.clip(mean(suspicion), _CLIP, 1 - _CLIP)), np.float64),
        "bond": np.log(np.maximum(mean(bond), _CLIP)),
        "size": np.log(n),
        "seeds": mean(is_seed.astype(np.float64)),
    }
