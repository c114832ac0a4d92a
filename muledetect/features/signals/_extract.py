"""Extraction of signals: one table, a row a transfer."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import pyarrow as pa

from muledetect.arrays import Float32Array
from muledetect.clock import Duration, parse_duration
from muledetect.errors import FeatureError
from muledetect.facts.known import visible_tables
from muledetect.features.signals._past import Past, Ties, build_past
from muledetect.features.signals._slices import compute_signal
from muledetect.features.signals._spec import Signal, SignalRegistry
from muledetect.graph import build_graph
from muledetect.progress import Progress
from muledetect.records import Dataset

# Columns that identify a transfer stand before the signals.
_IDENTITY = ("transfer_id", "time", "source", "target", "amount")


def extract(
    dataset: Dataset,
    signals: Sequence[str | Signal] | None,
    registry: SignalRegistry,
    *,
    lookback: Duration,
    ties: Ties | None,
    max_degree: int | None,
    threads: int | None,
    progress: Progress | None,
) -> pa.Table:
    """Compute signals; see `muledetect.features.signals.extract_signals`."""
    registry, names = choose(signals, registry)
    past = build_past(
        build_graph(dataset),
        lookback=parse_duration(lookback),
        ties=ties,
        max_degree=max_degree,
        tables=visible_tables(dataset),
        threads=threads,
        room=dataset.room,
    )
    values = dict(_computed(past, names, registry, progress))
    transfers = dataset.transfers
    columns = {name: transfers[name] for name in _IDENTITY}
    columns.update({name: pa.array(np.ascontiguousarray(values[name])) for name in names})
    return pa.table(columns)


def choose(signals: Sequence[str | Signal] | None, registry: SignalRegistry) -> tuple[SignalRegistry, list[str]]:
    """Return the registry, with unregistered signals added, and the names of the columns to compute."""
    if signals is None:
        return registry, registry.columns()
    names: list[str] = []
    for wanted in signals:
        if isinstance(wanted, Signal):
            if registry.signals.get(wanted.name) is not wanted:
                registry = registry.add(wanted)
            names += wanted.columns
        else:
            registry.of_column(wanted)
            names.append(wanted)
    if len(set(names)) < len(names):
        raise FeatureError(f"signals: {sorted({n for n in names if names.count(n) > 1})} are asked for twice.")
    return registry, names


def _computed(
    past: Past, names: Sequence[str], registry: SignalRegistry, progress: Progress | None
) -> Iterator[tuple[str, Float32Array]]:
    """Compute each signal once; keep only the columns asked for."""
    makers = {registry.of_column(name).name: registry.of_column(name) for name in names}
    for n_done, maker in enumerate(makers.values(), start=1):
        values = compute_signal(maker, past)
        yield from ((name, values[:, place]) for place, name in enumerate(maker.columns) if name in set(names))
        if progress:
            progress("signals", n_done / len(makers))
