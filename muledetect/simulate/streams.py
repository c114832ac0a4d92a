"""Independent random streams by name: a new behaviour draws from its own stream and moves no other number."""

from __future__ import annotations

import zlib

import numpy as np
import numpy.typing as npt

Int64 = npt.NDArray[np.int64]
Int32 = npt.NDArray[np.int32]
Int8 = npt.NDArray[np.int8]
Float64 = npt.NDArray[np.float64]
Bool = npt.NDArray[np.bool_]
UInt64 = npt.NDArray[np.uint64]


def stream(seed: int, name: str) -> np.random.Generator:
    """Return the generator of a named stream; equal seed and name give equal draws."""
    return np.random.Generator(np.random.PCG64(np.random.SeedSequence([seed, zlib.crc32(name.encode())])))


def pick(rng: np.random.Generator, weights: Float64, n: int) -> Int64:
    """Return `n` positions drawn with probability proportional to `weights`. O(n log w)."""
    edges = np.cumsum(weights)
    chosen = np.searchsorted(edges, rng.random(n) * edges[-1], side="right")
    return np.asarray(np.minimum(chosen, len(weights) - 1), np.int64)


def events(rng: np.random.Generator, rate: Float64, n_days: int) -> Int64:
    """Return each position as often as a Poisson process of `rate` a day makes it happen in `n_days`."""
    counts = rng.poisson(rate * n_days)
    return np.repeat(np.arange(len(rate), dtype=np.int64), counts)


def mix(*keys: UInt64 | Int64 | int) -> UInt64:
    """Hash integers to 64 well-mixed bits (splitmix64 finaliser, chained), elementwise."""
    state = np.zeros(1, np.uint64)
    with np.errstate(over="ignore"):
        for key in keys:
            word = np.asarray(key).astype(np.int64).view(np.uint64) if not _is_uint(key) else np.asarray(key)
            state = (state ^ word) + np.uint64(0x9E3779B97F4A7C15)
            state = (state ^ (state >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
            state = (state ^ (state >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
            state = state ^ (state >> np.uint64(31))
    return state


def _is_uint(key: UInt64 | Int64 | int) -> bool:
    return isinstance(key, np.ndarray) and key.dtype == np.uint64
