"""Contract checks for features, signals, links and evidence of your own: the laws of every built-in one.

>>> from muledetect.features import History, feature
>>> @feature(family="own", unit="count", text="transfers received {window}", window=("7d",))
... def credits_seen(history: History, *, window: int):
...     return history.incoming.count(window)
>>> check_feature(credits_seen, n_worlds=3)
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from typing import Final

import numpy as np

from muledetect.arrays import Float64Array
from muledetect.clock import DAY
from muledetect.features import Column, Feature, Pack, Registry, extract
from muledetect.features._spec import AMOUNTS
from muledetect.graph import Points, build_graph
from muledetect.records import Dataset
from muledetect.testing import worlds
from muledetect.testing.people import microseconds
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
        dataset = worlds.read(world)
        points = _points(dataset, number)
        base = _values(dataset, points, features)
        _check_units(features, base, number)
        shifts = {"shift by a week": 7 * DAY, "shift by any time": worlds.any_shift(dataset.tick)}
        cuts = np.unique(points.as_of).tolist()
        for law in worlds.laws(world, number, cuts=cuts, shifts=shifts, factors=[8, 100], scale="units"):
            _compare(law, dataset, points, features, base, number)
        _check_cuts(dataset, points, features, base, number)
        _check_silence(world, dataset, features, number)


def _compare(
    law: worlds.Law, dataset: Dataset, points: Points, features: Sequence[Feature], base: Values, seed: int
) -> None:
    """Compare the columns of a changed world with those of the base, as far as the law speaks of them."""
    if law.shift % (7 * DAY):
        features = [feature for feature in features if not feature.is_calendar]
    if law.factor > 1:
        features = [feature for feature in features if feature.is_decimal == (law.factor == 100)]
    rows = slice(None) if law.cut is None else points.as_of == law.cut
    changed, asked = law.read(dataset.tick), points[rows]
    account = asked.account
    if law.name_of:
        ids = dataset.account_ids.to_pylist()
        account = build_graph(changed).codes([law.name_of[ids[code]] for code in account])
    pack, columns = _pack(law.factor), _columns_of(features)
    for name, values in _values(changed, Points(account, asked.as_of + law.shift), features, pack=pack).items():
        expected = base[_unscaled_name(name, law.factor)][rows]
        if columns[name.split("__")[0]].unit == "amount":
            expected = expected * law.factor
        worlds.check_equal(f"{law.name}; column {name}, world {seed}, point", expected, values)


def _check_cuts(dataset: Dataset, points: Points, features: Sequence[Feature], base: Values, seed: int) -> None:
    """Compute four overlapping cuts of the points at the same time, each in threads of its own."""
    even = np.arange(len(points)) % 2 == 0
    early = np.arange(len(points)) < len(points) // 2
    cuts = [even, ~even, early, ~early]
    with ThreadPoolExecutor(len(cuts)) as pool:
        parts = pool.map(lambda rows: _values(dataset, points[rows], features, threads=2), cuts)
        for rows, part in zip(cuts, parts, strict=True):
            for name, values in part.items():
                worlds.check_equal(f"shards and threads; column {name}, world {seed}, point", base[name][rows], values)
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
        worlds.check_equal(f"{_SILENCE}; column {name}, world {seed}, point", then[name], later[name])


def _check_units(features: Sequence[Feature], values_of: Values, seed: int) -> None:
    columns = _columns_of(features)
    for name, values in values_of.items():
        worlds.check_unit(columns[name.split("__")[0]].unit, f"column {name}, world {seed}", values)


def _columns_of(features: Sequence[Feature]) -> dict[str, Column]:
    return {column: entry for feature in features for column, entry in feature.columns.items()}


def _values(
    dataset: Dataset, points: Points, features: Sequence[Feature], *, pack: Pack = _PACK, threads: int = 1
) -> Values:
    table = extract(dataset, points, list(features), pack=pack, threads=threads)
    return {name: table[name].to_numpy() for name in table.column_names[2:]}


def _points(dataset: Dataset, seed: int) -> Points:
    random = np.random.default_rng(seed + 10_000)
    times = microseconds(dataset.transfers["time"])
    n = len(dataset.account_ids)
    moments = random.choice(times, 2) + random.integers(0, 2, 2) * dataset.tick
    return Points(np.tile(np.arange(n, dtype=np.int32), 2), np.repeat(moments, n).astype(np.int64))


def _pack(factor: int) -> Pack:
    thresholds, limits = (tuple(value * factor for value in one) for one in (_PACK.thresholds, _PACK.limits))
    return replace(_PACK, thresholds=thresholds, limits=limits)


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
