"""How far two samples are apart, and how far by chance; each function returns both, size and what chance stays under.

`share` is the probability of chance to go beyond it.
"""

from __future__ import annotations

import math
from collections import Counter
from functools import lru_cache

import numpy as np
from scipy.stats import chi2, ks_2samp, norm, t

from muledetect.arrays import Float64Array, Int64Array


@lru_cache(maxsize=1_000)
def normal(share: float) -> float:
    """Return what a standard normal number goes beyond with a probability."""
    return float(norm.ppf(1 - share))


@lru_cache(maxsize=1_000)
def student(share: float, df: int) -> float:
    """Return what Student's t goes beyond with a probability."""
    return float(t.ppf(1 - share, df))


@lru_cache(maxsize=10_000)
def _chi_square(share: float, df: int) -> float:
    return float(chi2.ppf(1 - share, df))


def psi(a: Int64Array, b: Int64Array, share: float) -> tuple[float, float]:
    """Return the population stability index of rows by bin, int64[n_bins] each."""
    used = (a + b) > 0
    n_used = int(used.sum())
    # half a row in each bin, so that an empty one gives no infinity
    p, q = ((count[used] + 0.5) / (count.sum() + 0.5 * n_used) for count in (a, b))
    value = float(((p - q) * np.log(p / q)).sum())
    return value, _chi_square(share, max(n_used - 1, 1)) * float(1 / a.sum() + 1 / b.sum())


def missing(a: Int64Array, b: Int64Array, share: float) -> tuple[float, float]:
    """Return how much larger the part in the last bin is in b, where rows without a value are."""
    n_a, n_b = int(a.sum()), int(b.sum())
    pooled = (int(a[-1]) + int(b[-1]) + 1) / (n_a + n_b + 2)
    spread = math.sqrt(pooled * (1 - pooled) * (1 / n_a + 1 / n_b))
    return int(b[-1]) / n_b - int(a[-1]) / n_a, normal(share / 2) * spread


def log_ratio(a: tuple[int, int], b: tuple[int, int], share: float) -> tuple[float, float]:
    """Return ln of how many times as large a part of b counts as of a, each (part, all); half a row added to both."""
    parts = a[0] + 0.5, b[0] + 0.5
    spread = math.sqrt(1 / parts[0] + 1 / parts[1])
    return math.log(parts[1] / b[1] / (parts[0] / a[1])), normal(share / 2) * spread


def divergence(a: Counter[str], b: Counter[str], share: float) -> tuple[float, float]:
    """Return the Jensen-Shannon divergence of the codes, bits; by chance it is about chi-square."""
    names = sorted(set(a) | set(b))
    p, q = (np.array([codes[name] for name in names], float) / codes.total() for codes in (a, b))
    middle = (p + q) / 2
    value = sum(float((x[x > 0] * np.log2(x[x > 0] / middle[x > 0])).sum()) for x in (p, q)) / 2
    per_bit = (1 / a.total() + 1 / b.total()) / (8 * math.log(2))
    return value, _chi_square(share, max(len(names) - 1, 1)) * per_bit


def kolmogorov_smirnov(a: Float64Array, b: Float64Array, share: float) -> tuple[float, float]:
    """Return the largest gap of the distributions of sorted values."""
    # Smirnov's bound for two samples: sqrt(ln(2 / share) / 2 * (1 / n_a + 1 / n_b))
    bound = math.sqrt(math.log(2 / share) / 2 * (1 / len(a) + 1 / len(b)))
    return float(ks_2samp(a, b, method="asymp").statistic), bound
