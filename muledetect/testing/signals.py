"""Contract checks for signals of your own: the laws that every built-in signal is held to.

>>> import numpy as np
>>> from muledetect.features.signals import Past, signal
>>> @signal(family="own", unit="ratio", text="amount against the largest credit of the payer before it")
... def against_nothing(past: Past):
...     return past.unknown(1)[:, 0]
>>> check_signal(against_nothing, n_worlds=2)
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

from muledetect.arrays import Float32Array
from muledetect.clock import DAY, HOUR, MINUTE
from muledetect.facts.known import visible_tables
from muledetect.features.signals import Signal, Ties, build_past
from muledetect.graph import build_graph
from muledetect.records import Dataset, read_dataset
from muledetect.testing import worlds
from muledetect.testing.worlds import World, random_world

_Way = tuple[int, Ties, int | None]  # look-back, ties, cap

# Every law meets every way to look.
_WAYS: Final[tuple[_Way, ...]] = (
    (72 * HOUR, "simultaneous", None),
    (DAY, "strict", 4),
    (30 * DAY, "strict", None),
    (72 * HOUR, "simultaneous", 3),
)


def check_signal(signal: Signal, *, n_worlds: int = 20, seed: int = 0) -> None:
    """Hold a signal to the laws; see `check_signals`."""
    check_signals([signal], n_worlds=n_worlds, seed=seed)


def check_signals(signals: Sequence[Signal], *, n_worlds: int = 20, seed: int = 0) -> None:
    """Run every law over signals, in random small worlds, strict and simultaneous, exact and capped.

    The laws: no look-ahead (what happens or is known from a moment on, deleted or changed, changes no earlier transfer)
    · order of rows, order within a tick and names do not matter · no unit of time or money shows: scaling amounts and
    shifting times change nothing · any number of threads gives equal bytes · counts are whole, flags 0 or 1, nothing is
    infinite.

    Parameters
    ----------
    signals : sequence of Signal
    n_worlds : int
        Number of random worlds; world `n` has seed `seed + n`. Four in a row have four different clocks.
    seed : int

    Raises
    ------
    AssertionError
        If a law is broken; it names the law, the column, the world's seed and the two values.
    """
    for number in range(seed, seed + n_worlds):
        world = random_world(number)
        dataset = _read(world)
        for way in (_WAYS[number % 4], _WAYS[(number // 4 + 1) % 4]):
            base = _values(dataset, signals, way)
            _check_units(signals, base, number)
            for law in _variants(world, dataset, number):
                _compare(law, number, base, _values(law.dataset, signals, way, law.threads))


class _Table(NamedTuple):
    """Signals by transfer."""

    transfer_id: list[str]
    time: npt.NDArray[np.int64]
    columns: dict[str, Float32Array]


class _Law(NamedTuple):
    """A changed world in which all transfers before `before` have the signals that they had."""

    name: str
    dataset: Dataset
    before: int = np.iinfo(np.int64).max
    threads: int = 1


def _variants(world: World, dataset: Dataset, seed: int) -> Iterator[_Law]:
    tick = dataset.tick
    times = worlds.microseconds(dataset.transfers["time"])
    for cut in np.random.default_rng(seed + 10_000).choice(times, 2).tolist():
        yield _Law("no look-ahead: the future deleted", _read(worlds.without_future(world, cut), tick))
        yield _Law("no look-ahead: the future changed", _read(worlds.with_other_future(world, cut, seed), tick), cut)
    yield _Law("order of rows", _read(worlds.permuted(world, seed)))
    ids = dataset.account_ids.to_pylist()
    random = np.random.default_rng(seed + 40_000)
    name_of = dict(zip(ids, [f"x{n:04d}" for n in random.permutation(len(ids))], strict=True))
    yield _Law("names of accounts", _read(worlds.renamed(world, name_of)))
    anywhen = max(1_000 * tick, (41 * DAY + 7 * HOUR + 13 * MINUTE) // tick * tick)
    yield _Law("shift by any time", _read(worlds.shifted(world, anywhen), tick))
    yield _Law("units", _read(worlds.scaled(world, 8)))
    yield _Law("threads", dataset, threads=3)


def _compare(law: _Law, seed: int, base: _Table, got: _Table) -> None:
    row_of = {name: row for row, name in enumerate(base.transfer_id)}
    known = np.flatnonzero(got.time < law.before)
    rows = [row_of[got.transfer_id[row]] for row in known]
    for column, values in got.columns.items():
        expected, found = base.columns[column][rows], values[known]
        if not np.array_equal(found, expected, equal_nan=True):
            bad = int(np.flatnonzero(~((found == expected) | (np.isnan(found) & np.isnan(expected))))[0])
            raise AssertionError(
                f"law broken: {law.name}; signal {column}, world {seed}, row {known[bad]}: "
                f"expected {expected[bad]!r}, got {found[bad]!r}"
            )


def _check_units(signals: Sequence[Signal], base: _Table, seed: int) -> None:
    for column, entry in ((column, entry) for signal in signals for column, entry in signal.columns.items()):
        known = base.columns[column][~np.isnan(base.columns[column])]
        is_right = np.isfinite(known)
        if entry.unit == "count":
            is_right &= (known >= 0) & (known == np.floor(known))
        elif entry.unit == "flag":
            is_right &= (known == 0) | (known == 1)
        if not is_right.all():
            raise AssertionError(
                f"law broken: unit {entry.unit}; signal {column}, world {seed}: got {known[~is_right][0]!r}"
            )


def _values(dataset: Dataset, signals: Sequence[Signal], way: _Way, threads: int = 1) -> _Table:
    graph = build_graph(dataset)
    past = build_past(
        graph, lookback=way[0], ties=way[1], max_degree=way[2], tables=visible_tables(dataset), threads=threads
    )
    columns = {}
    for signal in signals:
        columns.update(dict(zip(signal.columns, signal.compute(past).T, strict=True)))
    return _Table(dataset.transfers["transfer_id"].to_pylist(), graph.time, columns)


def _read(world: World, tick: int | None = None) -> Dataset:
    return read_dataset(world, currency="THB", tick=tick)
