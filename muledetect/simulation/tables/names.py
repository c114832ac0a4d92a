"""Ids of a world, and the shape of its tables."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from muledetect import schema
from muledetect.simulation.config import WorldConfig
from muledetect.simulation.people import People
from muledetect.simulation.streams import Bool, Int64, shuffled_number, stream
from muledetect.simulation.tables.text import digit_text

_TRANSFER, _SESSION, _CALL = 1, 2, 3


@dataclass(frozen=True, slots=True)
class Names:
    """Ids of a world. Numbers are shuffled, so that no id tells a role, an order or a time."""

    account: pa.Array
    holder: pa.Array
    terminal: pa.Array
    cell: pa.Array
    bank: pa.Array
    centre: pa.Array
    seed: int

    def transfer(self, number: Int64) -> pa.Array:
        """Return the ids of transfers by their running number; null for -1, a transfer that our bank did not see."""
        return self._shuffled(number, _TRANSFER, "")

    def session(self, number: Int64) -> pa.Array:
        """Return the ids of sessions by their running number; null for -1."""
        return self._shuffled(number, _SESSION, "S")

    def call(self, number: Int64) -> pa.Array:
        """Return the ids of calls by their running number."""
        return self._shuffled(number, _CALL, "K")

    def _shuffled(self, number: Int64, kind: int, prefix: str) -> pa.Array:
        missing = number < 0
        return digit_text(shuffled_number(np.where(missing, 0, number), kind, self.seed), 10, prefix, missing)


def build_names(config: WorldConfig, people: People, n_centres: int) -> Names:
    """Return shuffled ids for everything that has one."""
    rng = stream(config.seed, "names")
    n = len(people.persona)
    return Names(
        account=digit_text(_distinct(rng, n, 10**10), 10),
        holder=digit_text(_distinct(rng, n, 10**8), 8, "H"),
        terminal=digit_text(_distinct(rng, people.n_areas * 4, 10**6), 6, "T"),
        cell=digit_text(_distinct(rng, people.n_areas * 10, 10**7), 7, "C"),
        bank=digit_text(np.arange(6), 3, "B"),
        centre=digit_text(np.arange(max(n_centres, 1)) + 1, 3, "CC"),
        seed=config.seed,
    )


def _distinct(rng: np.random.Generator, n: int, below: int) -> Int64:
    """Return `n` distinct numbers below `below` in random order."""
    numbers = np.unique(rng.integers(0, below, n + n // 10 + 16))
    while len(numbers) < n:
        numbers = np.unique(np.concatenate([numbers, rng.integers(0, below, n)]))
    return np.asarray(rng.permutation(numbers)[:n], np.int64)


def take(names: pa.Array, position: npt.NDArray[Any], missing: Bool | None = None) -> pa.Array:
    """Return names at positions; null where missing."""
    safe = position if missing is None else np.where(missing, 0, position)
    return names.take(pa.array(safe.astype(np.int64), mask=missing))


def words(values: tuple[str, ...] | list[str], position: npt.NDArray[Any], missing: Bool | None = None) -> pa.Array:
    """Return words of a list at positions; null where missing."""
    return take(pa.array(list(values), pa.string()), position, missing)


def case_names(case: Int64) -> pa.Array:
    """Return the ids of cases; null for -1."""
    return digit_text(case + 1, 6, "V", case < 0)


def ring_names(ring: Int64) -> pa.Array:
    """Return the ids of rings; null for -1."""
    return digit_text(ring + 1, 5, "R", ring < 0)


def contract_table(name: str, columns: dict[str, Any]) -> pa.Table:
    """Put columns into contract order and types; those that are missing are null."""
    n = len(next(iter(columns.values())))
    contract = schema.INPUTS[name].arrow_schema
    unknown = set(columns) - set(contract.names)
    if unknown:
        raise KeyError(f"{name}: no such columns in the contract: {sorted(unknown)}")
    arrays = [
        _cast(columns[field.name], field.type) if field.name in columns else pa.nulls(n, field.type)
        for field in contract
    ]
    return pa.table(arrays, schema=contract)


def _cast(values: Any, kind: pa.DataType) -> pa.Array:
    array = values if isinstance(values, pa.Array | pa.ChunkedArray) else pa.array(values)
    array = array.combine_chunks() if isinstance(array, pa.ChunkedArray) else array
    return array.cast(kind)
