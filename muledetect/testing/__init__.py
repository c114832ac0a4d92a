"""Contract checks for features of your own: the laws that every built-in feature is held to.

>>> from muledetect.features import History, feature
>>> @feature(family="own", unit="count", text="transfers received {window}", window=("7d",))
... def credits_seen(history: History, *, window: int):
...     return history.incoming.count(window)
>>> check_feature(credits_seen, n_worlds=3)
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Final

import numpy as np
import pyarrow as pa

from muledetect.clock import DAY, HOUR, MINUTE, SECOND
from muledetect.features import Feature, Float64Array, Pack, extract
from muledetect.features._spec import AMOUNTS
from muledetect.graph import Points, build_graph
from muledetect.records import Dataset, read_dataset

_START: Final = 1_735_689_600 * SECOND  # 2025-01-01
_TICKS: Final = (1, SECOND, MINUTE, DAY)
_PACK: Final = Pack("test", "THB", (50_000, 200_000), (200_000,), 420, ())

World = Mapping[str, pa.Table]


def random_world(seed: int, *, n_accounts: int = 8, n_transfers: int = 60) -> dict[str, pa.Table]:
    """Return tables of a small random world: bursts, ties, hubs, parallel and self-transfers, every clock.

    Parameters
    ----------
    seed : int
        Equal seeds give equal worlds.
    n_accounts, n_transfers : int

    Returns
    -------
    dict of str -> pyarrow.Table
        `transfers` and `accounts`, as `read_dataset` takes them.
    """
    random = np.random.default_rng(seed)
    tick = int(_TICKS[seed % len(_TICKS)])
    scale = int(random.choice([HOUR, DAY, 30 * DAY, 200 * DAY]))
    bursts = random.integers(0, scale, size=6)
    time = bursts[random.integers(0, 6, n_transfers)] + random.integers(0, [10 * MINUTE, scale][seed % 2], n_transfers)
    ids = np.array([f"{code:03d}" for code in random.permutation(900)[:n_accounts] + 100])
    weight = random.dirichlet(np.full(n_accounts, 0.7))
    known = random.random(n_transfers) < 0.5
    balance = pa.array(random.integers(0, 10**6, n_transfers), mask=~known)
    transfers = pa.table(
        {
            "transfer_id": [f"t{n:04d}" for n in random.permutation(n_transfers)],
            "time": _moments(_START + time // tick * tick),
            "source": ids[random.choice(n_accounts, n_transfers, p=weight)],
            "target": ids[random.integers(0, n_accounts, n_transfers)],
            "amount": random.choice([100, 2_500, 49_900, 50_000, 199_000, 1_234_567], n_transfers),
            "source_balance_after": balance,
            "target_balance_after": balance,
        }
    )
    accounts = pa.table(
        {
            "account_id": ids,
            "opened_at": _moments(_START + random.integers(-(10**15), 10**13, n_accounts)),
            "balance": random.integers(0, 10**6, n_accounts),
            "balance_at": _moments(_START + random.integers(0, scale, n_accounts)),
            "daily_limit": random.choice([50_000, 200_000], n_accounts),
        }
    )
    return {"transfers": transfers, "accounts": accounts}


def check_feature(feature: Feature, *, n_worlds: int = 20, seed: int = 0) -> None:
    """Hold a feature to the laws; see `check_features`."""
    check_features([feature], n_worlds=n_worlds, seed=seed)


def check_features(features: Sequence[Feature], *, n_worlds: int = 20, seed: int = 0) -> None:
    """Run every law over features, in random small worlds.

    The laws: no look-ahead (the future deleted or shuffled changes nothing) · order and names do not matter · scaling
    all amounts scales exactly the amount columns, shifting all times moves only calendar features · any number of
    threads and any cut of the points gives equal results · an account without history has a value.

    Parameters
    ----------
    features : sequence of Feature
    n_worlds : int
        Number of random worlds; world `n` has seed `seed + n`.
    seed : int

    Raises
    ------
    AssertionError
        If a law is broken; it names the law, the column, the world's seed and the two values.
    """
    for number in range(seed, seed + n_worlds):
        world = random_world(number)
        dataset = _read(world)
        points = _points(dataset, number)
        base = _values(dataset, points, features)
        for law, (changed, at, wanted) in _variants(world, dataset, points, features, number).items():
            pack = _pack(8) if law == "units" else _PACK
            _compare(law, number, base, _values(changed, at, wanted, pack=pack), features)
        _check_cuts(dataset, points, features, base, number)


_Variant = tuple[Dataset, Points, Sequence[Feature]]


def _variants(
    world: World, dataset: Dataset, points: Points, features: Sequence[Feature], seed: int
) -> dict[str, _Variant]:
    cut = int(points.as_of.max())
    week = 7 * DAY
    moved = Points(points.account, points.as_of + week)
    anywhere = Points(points.account, points.as_of + 1_000 * dataset.tick)
    fixed = [feature for feature in features if not feature.is_calendar]
    scalable = [feature for feature in features if not feature.is_decimal]
    return {
        "no look-ahead: the future deleted": (_read(_without_future(world, cut), dataset.tick), points, features),
        "no look-ahead: the future shuffled": (
            _read(_shuffled_future(world, cut, seed), dataset.tick),
            points,
            features,
        ),
        "order of rows": (_read(_permuted(world, seed)), points, features),
        "names of accounts": _renamed(world, dataset, points, features, seed),
        "shift by a week": (_read(_shifted(world, week), dataset.tick), moved, features),
        "shift by any time": (_read(_shifted(world, 1_000 * dataset.tick), dataset.tick), anywhere, fixed),
        "units": (_read(_scaled(world, 8)), points, scalable),
    }


def _compare(
    law: str, seed: int, base: dict[str, Float64Array], changed: dict[str, Float64Array], features: Sequence[Feature]
) -> None:
    says = {column: entry for feature in features for column, entry in feature.columns.items()}
    for name, values in changed.items():
        original = name if law != "units" else _unscaled_name(name, 8)
        expected = base[original]
        if law == "units" and says[name.split("__")[0]].unit == "amount":
            expected = expected * 8
        if not np.array_equal(values, expected, equal_nan=True):
            row = int(np.flatnonzero(~((values == expected) | (np.isnan(values) & np.isnan(expected))))[0])
            raise AssertionError(
                f"law broken: {law}; column {name}, world {seed}, point {row}: "
                f"expected {expected[row]!r}, got {values[row]!r}"
            )


def _check_cuts(
    dataset: Dataset, points: Points, features: Sequence[Feature], base: dict[str, Float64Array], seed: int
) -> None:
    halves = np.arange(len(points)) % 2 == 0
    for rows in (halves, ~halves):
        part = _values(dataset, points[rows], features, threads=2)
        _compare("shards and threads", seed, {name: values[rows] for name, values in base.items()}, part, features)
    nobody = Points(np.full(1, -1, np.int32), points.as_of[:1])
    for name, values in _values(dataset, nobody, features).items():
        if np.isinf(values).any():
            raise AssertionError(f"law broken: no history; column {name}, world {seed}: got {values[0]!r}")


def _values(
    dataset: Dataset, points: Points, features: Sequence[Feature], *, pack: Pack = _PACK, threads: int = 1
) -> dict[str, Float64Array]:
    table = extract(dataset, points, list(features), pack=pack, threads=threads)
    return {name: table[name].to_numpy() for name in table.column_names[2:]}


def _points(dataset: Dataset, seed: int) -> Points:
    random = np.random.default_rng(seed + 10_000)
    times = dataset.transfers["time"].cast(pa.int64()).to_numpy()
    n = len(dataset.account_ids)
    moments = random.choice(times, 2) + random.integers(0, 2, 2) * dataset.tick
    return Points(np.tile(np.arange(n, dtype=np.int32), 2), np.repeat(moments, n).astype(np.int64))


def _read(world: World, tick: int | None = None) -> Dataset:
    return read_dataset(world, currency="THB", tick=tick)


def _moments(microseconds: np.ndarray) -> pa.Array:
    return pa.array(microseconds.astype(np.int64)).cast(pa.timestamp("us", tz="UTC"))


def _replaced(table: pa.Table, change: Callable[[str, pa.ChunkedArray], pa.Array | pa.ChunkedArray]) -> pa.Table:
    return pa.table({name: change(name, table[name]) for name in table.column_names})


def _without_future(world: World, cut: int) -> World:
    transfers = world["transfers"]
    return {**world, "transfers": transfers.filter(_is_past(transfers, cut))}


def _shuffled_future(world: World, cut: int, seed: int) -> World:
    transfers = world["transfers"]
    is_past = _is_past(transfers, cut)
    future = transfers.filter(pa.array(~is_past))
    random = np.random.default_rng(seed + 20_000)
    order = random.permutation(len(future))
    mixed = future.set_column(4, "amount", future["amount"].take(order)).set_column(
        3, "target", future["target"].take(order)
    )
    return {**world, "transfers": pa.concat_tables([transfers.filter(pa.array(is_past)), mixed])}


def _is_past(transfers: pa.Table, cut: int) -> np.ndarray:
    return np.asarray(transfers["time"].cast(pa.int64()).to_numpy() < cut)


def _permuted(world: World, seed: int) -> World:
    random = np.random.default_rng(seed + 30_000)
    return {name: table.take(random.permutation(len(table))) for name, table in world.items()}


def _renamed(world: World, dataset: Dataset, points: Points, features: Sequence[Feature], seed: int) -> _Variant:
    ids = dataset.account_ids.to_pylist()
    random = np.random.default_rng(seed + 40_000)
    name_of = dict(zip(ids, [f"x{n:04d}" for n in random.permutation(len(ids))], strict=True))

    def rename(name: str, column: pa.ChunkedArray) -> pa.Array | pa.ChunkedArray:
        is_account = name in {"source", "target", "account_id"}
        return pa.array([name_of[entry] for entry in column.to_pylist()]) if is_account else column

    renamed = _read({name: _replaced(table, rename) for name, table in world.items()})
    codes = build_graph(renamed).codes([name_of[ids[code]] for code in points.account])
    return renamed, Points(codes, points.as_of), features


def _shifted(world: World, shift: int) -> World:
    def move(_: str, column: pa.ChunkedArray) -> pa.ChunkedArray:
        is_time = pa.types.is_timestamp(column.type)
        return _moments(column.cast(pa.int64()).to_numpy() + shift) if is_time else column

    return {name: _replaced(table, move) for name, table in world.items()}


_MONEY: Final = frozenset({"amount", "balance", "daily_limit", "source_balance_after", "target_balance_after"})


def _scaled(world: World, factor: int) -> World:
    def scale(name: str, column: pa.ChunkedArray) -> pa.Array | pa.ChunkedArray:
        if name not in _MONEY:
            return column
        return pa.array([None if entry is None else entry * factor for entry in column.to_pylist()], pa.int64())

    return {name: _replaced(table, scale) for name, table in world.items()}


def _pack(factor: int) -> Pack:
    scaled = {name: tuple(value * factor for value in getattr(_PACK, name)) for name in ("thresholds", "limits")}
    return replace(_PACK, thresholds=scaled["thresholds"], limits=scaled["limits"])


def _unscaled_name(name: str, factor: int) -> str:
    column, *rest = name.split("__")
    parts = [part.rsplit("_", 1) for part in rest]
    return "__".join([column, *(f"{key}_{int(v) // factor if key in AMOUNTS else v}" for key, v in parts)])
