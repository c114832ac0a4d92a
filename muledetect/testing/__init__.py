"""Contract checks for features, signals, links and evidence of your own: the laws of every built-in one.

>>> from muledetect.features import History, feature
>>> @feature(family="own", unit="count", text="transfers received {window}", window=("7d",))
... def credits_seen(history: History, *, window: int):
...     return history.incoming.count(window)
>>> check_feature(credits_seen, n_worlds=3)
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from typing import Final, NamedTuple

import numpy as np

from muledetect.arrays import BoolArray, Float64Array
from muledetect.clock import DAY, HOUR, MINUTE
from muledetect.features import Column, Feature, Pack, Registry, extract
from muledetect.features._spec import AMOUNTS
from muledetect.graph import Points, build_graph
from muledetect.records import Dataset, read_dataset
from muledetect.testing import worlds
from muledetect.testing.rings import check_evidence, check_link
from muledetect.testing.signals import check_signal, check_signals
from muledetect.testing.worlds import World, random_world

_PACK: Final = Pack("test", "THB", (50_000, 200_000), (200_000,), 420, ())

_SILENCE: Final = "silence (declare a window as parameter, or that the column tells_when)"

Values = Mapping[str, Float64Array]


def check_feature(feature: Feature, *, n_worlds: int = 20, seed: int = 0) -> None:
    """Hold a feature to the laws; see `check_features`."""
    check_features([feature], n_worlds=n_worlds, seed=seed)


def check_features(features: Sequence[Feature], *, n_worlds: int = 20, seed: int = 0) -> None:
    """Run every law over features, in random small worlds.

    The laws: no look-ahead (transfers, complaints, labels and balances from the point on, deleted or changed, change
    nothing) · order and names do not matter · scaling all amounts scales exactly the amount columns, shifting all times
    moves only calendar features · any number of threads and any cut of the points gives equal results · silence changes
    no column over the whole past, save those that tell when · counts are whole, flags 0 or 1, nothing is infinite, with
    and without history.

    Parameters
    ----------
    features : sequence of Feature
    n_worlds : int
        Number of random worlds; world `n` has seed `seed + n`. Four in a row have four different clocks.
    seed : int

    Raises
    ------
    AssertionError
        If a law is broken; it names the law, the column, the world's seed and the two values.
    FeatureError
        If a feature returns another shape than it declares.
    """
    for number in range(seed, seed + n_worlds):
        world = random_world(number)
        dataset = _read(world)
        points = _points(dataset, number)
        base = _values(dataset, points, features)
        _check_units(features, base, number)
        for law in _variants(world, dataset, points, features, number):
            expected = {name: values[law.rows] for name, values in base.items()}
            _compare(law, number, expected, features)
        _check_cuts(dataset, points, features, base, number)
        _check_silence(world, dataset, features, number)


class _Law(NamedTuple):
    """A law that a changed world must obey: same values as the base had in `rows`, amounts scaled."""

    name: str
    dataset: Dataset
    points: Points
    features: Sequence[Feature]
    rows: slice | BoolArray = slice(None)
    factor: int = 1

    def values(self) -> Values:
        return _values(self.dataset, self.points, self.features, pack=_pack(self.factor))


def _variants(world: World, dataset: Dataset, points: Points, features: Sequence[Feature], seed: int) -> Iterator[_Law]:
    tick, week = dataset.tick, 7 * DAY
    anywhen = max(1_000 * tick, (41 * DAY + 7 * HOUR + 13 * MINUTE) // tick * tick)
    fixed = [feature for feature in features if not feature.is_calendar]
    binary = [feature for feature in features if not feature.is_decimal]
    for cut in np.unique(points.as_of).tolist():
        rows = points.as_of == cut
        then = (points[rows], features, rows)
        yield _Law("no look-ahead: the future deleted", _read(worlds.without_future(world, cut), tick), *then)
        yield _Law("no look-ahead: the future changed", _read(worlds.with_other_future(world, cut, seed), tick), *then)
    yield _Law("order of rows", _read(worlds.permuted(world, seed)), points, features)
    yield _renamed(world, dataset, points, features, seed)
    for name, shift, wanted in (("shift by a week", week, features), ("shift by any time", anywhen, fixed)):
        moved = Points(points.account, points.as_of + shift)
        yield _Law(name, _read(worlds.shifted(world, shift), tick), moved, wanted)
    yield _Law("units", _read(worlds.scaled(world, 8)), points, binary, factor=8)
    decimal = [feature for feature in features if feature.is_decimal]
    yield _Law("units", _read(worlds.scaled(world, 100)), points, decimal, factor=100)


def _renamed(world: World, dataset: Dataset, points: Points, features: Sequence[Feature], seed: int) -> _Law:
    ids = dataset.account_ids.to_pylist()
    random = np.random.default_rng(seed + 40_000)
    name_of = dict(zip(ids, [f"x{n:04d}" for n in random.permutation(len(ids))], strict=True))
    changed = _read(worlds.renamed(world, name_of))
    codes = build_graph(changed).codes([name_of[ids[code]] for code in points.account])
    return _Law("names of accounts", changed, Points(codes, points.as_of), features)


def _compare(law: _Law, seed: int, base: Values, features: Sequence[Feature]) -> None:
    columns = _columns_of(features)
    for name, values in law.values().items():
        expected = base[_unscaled_name(name, law.factor)]
        if columns[name.split("__")[0]].unit == "amount":
            expected = expected * law.factor
        _same(law.name, name, seed, expected, values)


def _same(law: str, column: str, seed: int, expected: Float64Array, got: Float64Array) -> None:
    if not np.array_equal(got, expected, equal_nan=True):
        row = int(np.flatnonzero(~((got == expected) | (np.isnan(got) & np.isnan(expected))))[0])
        raise AssertionError(
            f"law broken: {law}; column {column}, world {seed}, point {row}: "
            f"expected {expected[row]!r}, got {got[row]!r}"
        )


def _check_cuts(dataset: Dataset, points: Points, features: Sequence[Feature], base: Values, seed: int) -> None:
    """Compute four overlapping cuts of the points at the same time, each in threads of its own."""
    even = np.arange(len(points)) % 2 == 0
    early = np.arange(len(points)) < len(points) // 2
    cuts = [even, ~even, early, ~early]
    with ThreadPoolExecutor(len(cuts)) as pool:
        parts = pool.map(lambda rows: _values(dataset, points[rows], features, threads=2), cuts)
        for rows, part in zip(cuts, parts, strict=True):
            for name, values in part.items():
                _same("shards and threads", name, seed, base[name][rows], values)
    nobody = Points(np.full(1, -1, np.int32), points.as_of[:1])
    _check_units(features, _values(dataset, nobody, features), seed)


def _check_silence(world: World, dataset: Dataset, features: Sequence[Feature], seed: int) -> None:
    registry = Registry({feature.name: feature for feature in features})
    long_term = registry.names(_PACK, long_term=True, every=True)
    end = np.full(len(dataset.account_ids), worlds.end_of(world))
    account = np.arange(len(end), dtype=np.int32)
    ask = partial(_values, dataset, features=features)
    then, later = ask(Points(account, end)), ask(Points(account, end + 100 * DAY))
    for name in long_term:
        _same(_SILENCE, name, seed, then[name], later[name])


def _check_units(features: Sequence[Feature], values_of: Values, seed: int) -> None:
    columns = _columns_of(features)
    for name, values in values_of.items():
        unit = columns[name.split("__")[0]].unit
        known = values[~np.isnan(values)]
        is_right = np.isfinite(known)
        if unit == "count":
            is_right &= (known >= 0) & (known == np.floor(known))
        elif unit == "flag":
            is_right &= (known == 0) | (known == 1)
        if not is_right.all():
            raise AssertionError(f"law broken: unit {unit}; column {name}, world {seed}: got {known[~is_right][0]!r}")


def _columns_of(features: Sequence[Feature]) -> dict[str, Column]:
    return {column: entry for feature in features for column, entry in feature.columns.items()}


def _values(
    dataset: Dataset, points: Points, features: Sequence[Feature], *, pack: Pack = _PACK, threads: int = 1
) -> Values:
    table = extract(dataset, points, list(features), pack=pack, threads=threads)
    return {name: table[name].to_numpy() for name in table.column_names[2:]}


def _points(dataset: Dataset, seed: int) -> Points:
    random = np.random.default_rng(seed + 10_000)
    times = worlds.microseconds(dataset.transfers["time"])
    n = len(dataset.account_ids)
    moments = random.choice(times, 2) + random.integers(0, 2, 2) * dataset.tick
    return Points(np.tile(np.arange(n, dtype=np.int32), 2), np.repeat(moments, n).astype(np.int64))


def _read(world: World, tick: int | None = None) -> Dataset:
    return read_dataset(world, currency="THB", tick=tick)


def _pack(factor: int) -> Pack:
    scaled = {name: tuple(value * factor for value in getattr(_PACK, name)) for name in ("thresholds", "limits")}
    return replace(_PACK, thresholds=scaled["thresholds"], limits=scaled["limits"])


def _unscaled_name(name: str, factor: int) -> str:
    column, *rest = name.split("__")
    parts = [part.rsplit("_", 1) for part in rest]
    return "__".join([column, *(f"{key}_{int(v) // factor if key in AMOUNTS else v}" for key, v in parts)])


__all__ = [
    "check_evidence",
    "check_feature",
    "check_features",
    "check_link",
    "check_signal",
    "check_signals",
    "random_world",
]
