"""Extraction: features at points, shard by shard, each shard exact and independent of the others."""

from __future__ import annotations

import itertools
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from muledetect.arrays import Float64Array, IndexArray
from muledetect.features._extraction import Extraction
from muledetect.features._history import History, build_history
from muledetect.features._spec import Call, Feature, Registry
from muledetect.features.packs import Pack, load_pack
from muledetect.graph import Points, TransferGraph
from muledetect.progress import Progress

# A shard holds about this many transfers (both sides) or points, whichever comes first: its arrays then fit the cache
# of one core and its output stays near 50 MB.
SHARD_TRANSFERS = 500_000
_SHARD_POINTS = 16_384

# Bytes of a transfer of a shard while it is computed; and with a limit of memory, the part of it that shards take.
_BYTES = 60
_SHARE = 16
_MOST_TIMES = 8
_MOST_TIMES_POINTS = 2


class Step(NamedTuple):
    """One computation: the columns that are wanted of it, their positions, and their places in what it returns."""

    feature: Feature
    parameters: tuple[tuple[str, str], ...]
    wanted: tuple[str, ...]
    position: IndexArray | slice
    place: IndexArray | slice


Plan = list[Step]


def extract_shards(
    extraction: Extraction,
    points: Points,
    names: Sequence[str],
    registry: Registry,
    *,
    progress: Progress | None = None,
) -> Iterator[tuple[Points, Float64Array]]:
    """Yield (points, float64[n_points, n_names]) in the order of the points; at most `threads` shards at a time.

    Memory: 8 bytes x points x names a shard and some 60 bytes a transfer of its accounts. O(history of each point).

    Parameters
    ----------
    extraction : Extraction
        Says how many threads.
    points : Points
    names : sequence of str
        Columns of features in `registry`.
    registry : Registry
    progress : callable, optional
        Called with the stage and the fraction done.
    """
    for shard, found in each_shard(extraction, points, names, registry, np.transpose, progress=progress):
        yield shard, found.T


def each_shard(
    extraction: Extraction,
    points: Points,
    names: Sequence[str],
    registry: Registry,
    then: Callable[[Float64Array], npt.NDArray[Any]],
    *,
    progress: Progress | None = None,
) -> Iterator[tuple[Points, npt.NDArray[Any]]]:
    """Yield (points, `then(values)`) as `extract_shards`; a runner computes both where the shard is.

    Parameters
    ----------
    extraction, points, names, registry, progress
        As for `extract_shards`.
    then : callable
        Of float64[n_points, n_names]; the last axis of what it returns is that of the points.
    """
    plan, n_done = plan_of(names, registry), 0
    if progress:
        progress("features", 0.0)
    for seen, rows in _by_moment(extraction, points):
        if seen.runner is not None:
            yield from seen.runner.run(seen, points[rows], names, then, progress)
            continue
        seen.progress = progress
        for shard, values in _computed(seen, points[rows], len(names), plan):
            n_done += len(shard)
            if progress:
                progress("features", n_done / max(1, len(points)))
            yield shard, then(values)


def _by_moment(extraction: Extraction, points: Points) -> Iterator[tuple[Extraction, slice]]:
    """Yield runs of points that see the same events, in order: all of them where nothing depends on the moment."""
    if (extraction.lookback is None and extraction.suspect is None) or not len(points):
        yield extraction, slice(0, len(points))
        return
    starts = [0, *(np.flatnonzero(np.diff(points.as_of)) + 1).tolist()]
    run, first = extraction.before(points.as_of[0]), 0
    for low in starts[1:]:
        seen = extraction.before(points.as_of[low])
        if seen is not run:
            yield run, slice(first, low)
            run, first = seen, low
    yield run, slice(first, len(points))


def _computed(
    extraction: Extraction, points: Points, n_columns: int, plan: Plan
) -> Iterator[tuple[Points, Float64Array]]:
    shards, threads = cut(extraction.graph, points, _times_larger(extraction)), extraction.threads

    def compute(rows: slice) -> tuple[Points, Float64Array]:
        return points[rows], compute_columns(build_history(extraction, points[rows]), n_columns, plan)

    with ThreadPoolExecutor(threads) as pool:
        ahead: deque[Future[tuple[Points, Float64Array]]] = deque()
        waiting = iter(shards)
        for rows in itertools.islice(waiting, threads):
            ahead.append(pool.submit(compute, rows))
        try:
            while ahead:
                done = ahead.popleft().result()
                for rows in itertools.islice(waiting, 1):
                    ahead.append(pool.submit(compute, rows))
                yield done
        finally:
            for future in ahead:
                future.cancel()


def compute_columns(history: History, n_columns: int, plan: Plan) -> Float64Array:
    """Return the columns of a plan at points that see the same events, float64[n_points, n_columns]; one thread."""
    values = np.empty((n_columns, len(history)))  # a column lies in one piece, as Arrow wants it
    for feature, parameters, wanted, position, place in plan:
        values[position] = feature.compute(history, parameters, wanted).T[place]
    return values.T


def extract(
    extraction: Extraction, points: Points, names: Sequence[str], registry: Registry, progress: Progress | None = None
) -> pa.Table:
    """Compute features at points; see `muledetect.features.extract`."""
    values = extract_values(extraction, points, names, registry, progress)
    return as_table(extraction.graph.account_ids, points, names, values)


def extract_values(
    extraction: Extraction, points: Points, names: Sequence[str], registry: Registry, progress: Progress | None = None
) -> Float64Array:
    """Return features at points, float64[n_points, n_names]. With a look-back each moment is cut once."""
    by_time = np.argsort(points.as_of, kind="stable")
    n_done, values = 0, extraction.facts.room.empty((len(names), len(points)), np.float64).T  # a column in one piece
    for shard, found in extract_shards(extraction, points[by_time], names, registry, progress=progress):
        values[by_time[n_done : n_done + len(shard)]] = found
        n_done += len(shard)
    return values


def as_table(account_ids: pa.StringArray, points: Points, names: Sequence[str], values: Float64Array) -> pa.Table:
    """Return `account_id`, `as_of` and the feature columns as an Arrow table."""
    ids = account_ids.take(pa.array(points.account, mask=points.account < 0))
    columns = {"account_id": ids, "as_of": pa.array(points.as_of).cast(pa.timestamp("us", tz="UTC"))}
    columns.update({name: pa.array(np.ascontiguousarray(values[:, i])) for i, name in enumerate(names)})
    return pa.table(columns)


def choose(
    features: Sequence[str | Feature] | None, registry: Registry, pack: str | Pack
) -> tuple[Registry, list[str]]:
    """Return the registry, with unregistered features added, and the names of the columns to compute."""
    pack = load_pack(pack) if isinstance(pack, str) else pack
    if features is None:
        return registry, registry.names(pack)
    names: list[str] = []
    for wanted in features:
        if isinstance(wanted, Feature):
            if registry.features.get(wanted.name) is not wanted:
                registry = registry.add(wanted)
            names += Registry({wanted.name: wanted}).names(pack, every=True)
        else:
            names.append(registry.parse(wanted).name)
    return registry, list(dict.fromkeys(names))


def plan_of(names: Sequence[str], registry: Registry) -> Plan:
    """Group columns by computation, so that each (feature, parameters) runs once."""
    calls: dict[tuple[str, tuple[tuple[str, str], ...]], list[tuple[int, int]]] = {}
    for position, name in enumerate(names):
        call: Call = registry.parse(name)
        column = list(registry.features[call.feature].columns).index(call.column)
        calls.setdefault((call.feature, call.parameters), []).append((position, column))
    plan = []
    for (name, parameters), wanted in calls.items():
        feature, (position, place) = registry.features[name], np.array(wanted).T
        columns = list(feature.columns)
        names_of = tuple(columns[one] for one in place)
        plan.append(Step(feature, parameters, names_of, _as_slice(position), _as_slice(place)))
    return plan


def _as_slice(places: IndexArray) -> IndexArray | slice:
    """Return places side by side as a slice, which is read faster."""
    first = int(places[0])
    return slice(first, first + len(places)) if (np.diff(places) == 1).all() else places


def _times_larger(extraction: Extraction) -> int:
    """Return how many times as large as usual shards are, 1 to 8.

    Transfers of an account lie all over the columns, so a shard reads nearly all pages of each column. With a limit of
    memory these are in files. Few large shards read them less often: the difference between minutes and hours where
    the files are larger than the machine's memory.
    """
    limit = extraction.facts.room.limit
    if limit is None:
        return 1
    return min(max(1, limit // (_SHARE * extraction.threads * _BYTES * SHARD_TRANSFERS)), _MOST_TIMES)


def cut(graph: TransferGraph, points: Points, times: int = 1) -> list[slice]:
    """Cut points into runs of bounded work, in their order; runs hold so many times as many transfers as usual."""
    known = points.account >= 0
    work = np.ones(len(points), np.int64)
    codes = points.account[known]
    for index in (graph.incoming, graph.outgoing):
        work[known] += index.stop[codes] - index.start[codes]
    by_work = np.cumsum(work) // (times * SHARD_TRANSFERS)
    shard = np.maximum(by_work, np.arange(len(points)) // (min(times, _MOST_TIMES_POINTS) * _SHARD_POINTS))
    starts = [0, *(np.flatnonzero(np.diff(shard)) + 1).tolist(), len(points)]
    shards = [slice(low, high) for low, high in itertools.pairwise(starts) if high > low]
    return shards or [slice(0, 0)]  # no points still have columns
