"""Independent random streams by name: a new behaviour draws from its own stream and changes no other number."""

from __future__ import annotations

import zlib

import numpy as np

from muledetect.arrays import Float64Array, Int64Array, UInt64Array


def stream(seed: int, name: str, number: int = 0) -> np.random.Generator:
    """Return the generator of a named and numbered stream; equal arguments give equal draws."""
    return np.random.Generator(np.random.PCG64(np.random.SeedSequence([seed, zlib.crc32(name.encode()), number])))


def pick(rng: np.random.Generator, weights: Float64Array, n: int) -> Int64Array:
    """Return `n` positions drawn with probability proportional to `weights`. O(n log w)."""
    return pick_from(rng, np.cumsum(weights), n)


def pick_from(rng: np.random.Generator, edges: Float64Array, n: int) -> Int64Array:
    """Return `n` positions drawn by cumulative weights `edges`. O(n log w)."""
    chosen = np.searchsorted(edges, rng.random(n) * edges[-1], side="right")
    return np.asarray(np.minimum(chosen, len(edges) - 1), np.int64)


def ragged(size: Int64Array) -> tuple[Int64Array, Int64Array]:
    """Return (row, number within the row) of the items of rows that have `size` items each."""
    row = np.repeat(np.arange(len(size)), size)
    return row, np.arange(len(row)) - np.repeat(np.cumsum(size) - size, size)


def hash_bits(*keys: UInt64Array | Int64Array | int) -> UInt64Array:
    """Hash integers to 64 well-mixed bits (splitmix64 finaliser, chained), elementwise."""
    state = np.zeros(1, np.uint64)
    with np.errstate(over="ignore"):
        for key in keys:
            is_hash = isinstance(key, np.ndarray) and key.dtype == np.uint64
            word = np.asarray(key) if is_hash else np.asarray(key).astype(np.int64).view(np.uint64)
            state = (state ^ word) + np.uint64(0x9E3779B97F4A7C15)
            state = (state ^ (state >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
            state = (state ^ (state >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
            state = state ^ (state >> np.uint64(31))
    return state


def hash_choice(n: int, *keys: UInt64Array | Int64Array | int) -> Int64Array:
    """Return a number from 0 to `n` - 1 that depends on nothing but its keys."""
    return (hash_bits(*keys) % np.uint64(n)).astype(np.int64)


def hash_uniform(key: UInt64Array | Int64Array, *salt: int) -> Float64Array:
    """Return a number in [0, 1) that depends on nothing but its keys: the same person always gets the same number."""
    return np.asarray((hash_bits(key, *salt) >> np.uint64(11)).astype(np.float64) * 2.0**-53, np.float64)


def shuffled_number(number: Int64Array, *key: int) -> Int64Array:
    """Return distinct ten-digit numbers for distinct counters below 10^10, in random order.

    A Feistel network of four rounds permutes 34 bits; values from 10^10 on walk on along their cycle until they fall
    below, which keeps the map one to one.
    """
    state = number.astype(np.int64)
    outside = np.ones(len(state), bool)
    half, mask = np.int64(17), np.int64((1 << 17) - 1)
    while outside.any():
        left, right = state[outside] >> half, state[outside] & mask
        for turn in range(4):
            left, right = right, left ^ (hash_bits(right, turn, *key).astype(np.int64) & mask)
        state[outside] = (left << half) | right
        outside[outside] = state[outside] >= 10**10
    return state
