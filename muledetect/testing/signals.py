"""Contract checks for signals of your own: the laws that every built-in signal is held to.

>>> import numpy as np
>>> from muledetect.features.signals import Past, signal
>>> @signal(family="own", unit="ratio", text="amount against the largest credit of the payer before it")
... def against_nothing(past: Past):
...     return past.unknown(1)[:, 0]
>>> check_signal(against_nothing, n_worlds=2)
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

from muledetect.arrays import Float32Array
from muledetect.clock import DAY, HOUR
from muledetect.facts.known import visible_tables
from muledetect.features.signals import Signal, Ties, build_past, compute_signal
from muledetect.graph import build_graph
from muledetect.records import Dataset
from muledetect.testing import worlds
from muledetect.testing.people import microseconds
from muledetect.testing.worlds import random_world

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
    shifting times change nothing · any number of threads gives equal bytes · with a `reach`, so do slices of time ·
    counts are whole, flags 0 or 1, nothing is infinite.

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
        dataset = worlds.read(world)
        times = microseconds(dataset.transfers["time"])
        cuts = np.random.default_rng(number + 10_000).choice(times, 2).tolist()
        shifts = {"shift by any time": worlds.any_shift(dataset.tick)}
        for way in (_WAYS[number % 4], _WAYS[(number // 4 + 1) % 4]):
            base = _values(dataset, signals, way)
            for column, entry in ((name, entry) for signal in signals for name, entry in signal.columns.items()):
                worlds.check_unit(entry.unit, f"signal {column}, world {number}", base.columns[column])
            for law in worlds.laws(world, number, cuts=cuts, shifts=shifts, factors=[8], scale="units"):
                _compare(law, number, base, _values(law.read(dataset.tick), signals, way))
            _compare(worlds.Law("threads", world), number, base, _values(dataset, signals, way, threads=3))
            if any(signal.reach is not None for signal in signals):
                _compare(worlds.Law("slices of time", world), number, base, _values(dataset, signals, way, most=3))


class _Table(NamedTuple):
    """Signals by transfer."""

    transfer_id: list[str]
    time: npt.NDArray[np.int64]
    columns: dict[str, Float32Array]


def _compare(law: worlds.Law, seed: int, base: _Table, got: _Table) -> None:
    row_of = {name: row for row, name in enumerate(base.transfer_id)}
    known = np.arange(len(got.time)) if law.cut is None else np.flatnonzero(got.time < law.cut)
    rows = [row_of[got.transfer_id[row]] for row in known]
    for column, values in got.columns.items():
        where = f"{law.name}; signal {column}, world {seed}, row"
        worlds.check_equal(where, base.columns[column][rows], values[known], known)


def _values(
    dataset: Dataset, signals: Sequence[Signal], way: _Way, threads: int = 1, most: int | None = None
) -> _Table:
    graph = build_graph(dataset)
    past = build_past(
        graph, lookback=way[0], ties=way[1], max_degree=way[2], tables=visible_tables(dataset), threads=threads
    )
    columns = {}
    for signal in signals:
        columns.update(dict(zip(signal.columns, compute_signal(signal, past, most=most).T, strict=True)))
    return _Table(dataset.transfers["transfer_id"].to_pylist(), graph.time, columns)
