"""Ids of a world, and columns of its tables: ids and hashes as Arrow strings without a Python string a row."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from muledetect.arrays import BoolArray, Int64Array, UInt64Array
from muledetect.simulation.config import WorldConfig
from muledetect.simulation.people import People
from muledetect.simulation.streams import shuffled_number, stream

_TRANSFER, _SESSION, _CALL = 1, 2, 3
_HEX = np.frombuffer(b"0123456789abcdef", np.uint8)


@dataclass(frozen=True, slots=True)
class Ids:
    """Ids of a world. Numbers are shuffled, so that no id tells a role, an order or a time."""

    account: pa.Array
    holder: pa.Array
    terminal: pa.Array
    cell: pa.Array
    bank: pa.Array
    centre: pa.Array
    seed: int

    def transfer(self, number: Int64Array) -> pa.Array:
        """Return the ids of transfers by their running number; null for -1, a transfer that our bank did not see."""
        return self._shuffled(number, _TRANSFER, "")

    def session(self, number: Int64Array) -> pa.Array:
        """Return the ids of sessions by their running number; null for -1."""
        return self._shuffled(number, _SESSION, "S")

    def call(self, number: Int64Array) -> pa.Array:
        """Return the ids of calls by their running number."""
        return self._shuffled(number, _CALL, "K")

    def _shuffled(self, number: Int64Array, kind: int, prefix: str) -> pa.Array:
        missing = number < 0
        return digit_text(shuffled_number(np.where(missing, 0, number), kind, self.seed), 10, prefix, missing)


def build_ids(config: WorldConfig, people: People, n_centres: int) -> Ids:
    """Return shuffled ids for everything that has one."""
    rng = stream(config.seed, "names")
    n = len(people.persona)
    return Ids(
        account=digit_text(_distinct(rng, n, 10**10), 10),
        holder=digit_text(_distinct(rng, n, 10**8), 8, "H"),
        terminal=digit_text(_distinct(rng, people.n_areas * 4, 10**6), 6, "T"),
        cell=digit_text(_distinct(rng, people.n_areas * 10, 10**7), 7, "C"),
        bank=digit_text(np.arange(6), 3, "B"),
        centre=digit_text(np.arange(max(n_centres, 1)) + 1, 3, "CC"),
        seed=config.seed,
    )


def _distinct(rng: np.random.Generator, n: int, below: int) -> Int64Array:
    """Return `n` distinct numbers below `below` in random order."""
    numbers = np.unique(rng.integers(0, below, n + n // 10 + 16))
    while len(numbers) < n:
        numbers = np.unique(np.concatenate([numbers, rng.integers(0, below, n)]))
    return np.asarray(rng.permutation(numbers)[:n], np.int64)


def take(ids: pa.Array, position: npt.NDArray[Any], missing: BoolArray | None = None) -> pa.Array:
    """Return ids at positions; null where missing."""
    safe = position if missing is None else np.where(missing, 0, position)
    return ids.take(pa.array(safe.astype(np.int64), mask=missing))


def categories(
    values: tuple[str, ...] | list[str], position: npt.NDArray[Any], missing: BoolArray | None = None
) -> pa.Array:
    """Return words of a list at positions; null where missing."""
    return take(pa.array(list(values), pa.string()), position, missing)


def case_ids(case: Int64Array) -> pa.Array:
    """Return the ids of cases; null for -1."""
    return digit_text(case + 1, 6, "V", case < 0)


def ring_ids(ring: Int64Array) -> pa.Array:
    """Return the ids of rings; null for -1."""
    return digit_text(ring + 1, 5, "R", ring < 0)


def _strings(letters: npt.NDArray[np.uint8]) -> pa.Array:
    n, width = letters.shape
    offsets = (np.arange(n + 1, dtype=np.int64) * width).astype(np.int64)
    flat = np.ascontiguousarray(letters)
    large = pa.LargeStringArray.from_buffers(n, pa.py_buffer(offsets), pa.py_buffer(flat))
    return large.cast(pa.string())


def hex_text(keys: UInt64Array, missing: BoolArray | None = None) -> pa.Array:
    """Return 64-bit keys as 16 hex digits; null where `missing`."""
    octets = np.ascontiguousarray(keys).astype(">u8").view(np.uint8).reshape(len(keys), 8)
    letters = np.empty((len(keys), 16), np.uint8)
    letters[:, 0::2] = _HEX[octets >> 4]
    letters[:, 1::2] = _HEX[octets & 15]
    return _masked(_strings(letters), missing)


def digit_text(numbers: Int64Array, width: int, prefix: str = "", missing: BoolArray | None = None) -> pa.Array:
    """Return non-negative numbers as text of `width` digits with leading zeros after `prefix`."""
    head = np.frombuffer(prefix.encode(), np.uint8)
    letters = np.empty((len(numbers), len(head) + width), np.uint8)
    letters[:, : len(head)] = head
    rest = np.where(numbers < 0, 0, numbers)
    for place in range(len(head) + width - 1, len(head) - 1, -1):
        rest, digit = np.divmod(rest, 10)
        letters[:, place] = digit + 48
    return _masked(_strings(letters), missing)


def _masked(strings: pa.Array, missing: BoolArray | None) -> pa.Array:
    if missing is None:
        return strings
    return pc.if_else(pa.array(missing), pa.scalar(None, pa.string()), strings)


def times(moments: Int64Array, missing: BoolArray | None = None) -> pa.Array:
    """Return microseconds as the contract's timestamps; null where `missing`."""
    return pa.array(moments, pa.int64(), mask=missing).cast(pa.timestamp("us", tz="UTC"))
