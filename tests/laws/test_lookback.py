"""Law 9: no column sees further back than the look-back; what lies before it changes nothing."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest

from muledetect.clock import DAY
from muledetect.features import extract, registry
from muledetect.features.packs import load_pack
from muledetect.graph import Points, build_graph
from muledetect.records import Dataset, read_dataset
from muledetect.simulation import simulate

LOOKBACK = 21 * DAY


@pytest.fixture(scope="module")
def world() -> Dataset:
    return read_dataset(simulate(n_accounts=300, n_days=60, seed=3, mule_share=0.05))


@pytest.fixture(scope="module")
def points(world: Dataset) -> Points:
    graph = build_graph(world)
    draws = np.random.default_rng(0)
    moments = int(graph.time[-1]) - np.array([0, 3, 11]) * DAY
    return Points(draws.integers(0, graph.n_accounts, 400).astype(np.int32), draws.choice(moments, 400))


def columns() -> list[str]:
    return registry().names(load_pack("TH"), every=True)


def values(dataset: Dataset, points: Points, lookback: int | None = LOOKBACK) -> np.ndarray:
    table = extract(dataset, points, columns(), pack="TH", lookback=lookback)
    return np.column_stack([table[name].to_numpy() for name in columns()])


def without_past(dataset: Dataset, before: int) -> Dataset:
    """Return the data set without any row that had happened and was known before a moment, names and states kept."""
    moment, tables = pa.scalar(before, pa.timestamp("us", tz="UTC")), dict(dataset.tables)
    for name, clock in {"transfers": "time", "sessions": "time", "calls": "time", "complaints": "known_ts",
                        "labels": "known_ts"}.items():  # fmt: skip
        tables[name] = tables[name].filter(pc.fill_null(pc.greater_equal(tables[name][clock], moment), True))
    return replace(dataset, tables=tables)


def differing(one: np.ndarray, other: np.ndarray) -> list[str]:
    is_equal = (one == other) | (np.isnan(one) & np.isnan(other))
    return [name for name, equal in zip(columns(), is_equal.all(axis=0), strict=True) if not equal]


@pytest.mark.slow
def test_what_lies_before_the_look_back_changes_no_column(world: Dataset, points: Points) -> None:
    whole = values(world, points)
    for moment in np.unique(points.as_of):
        rows = points.as_of == moment
        short = without_past(world, int(moment) - LOOKBACK)
        assert len(short.transfers) < len(world.transfers)
        assert differing(whole[rows], values(short, points[rows])) == []
        # a device stays on file however old: only the look-back says that it counts from there
        assert differing(whole[rows], values(short, points[rows], None)) == ["newest_device_age"]


@pytest.mark.slow
def test_another_past_before_the_look_back_changes_no_column(world: Dataset, points: Points) -> None:
    last = points[points.as_of == points.as_of.max()]
    before = int(last.as_of[0]) - LOOKBACK
    time = world.transfers["time"].cast(pa.int64()).to_numpy()
    amount = world.transfers["amount"].to_numpy().copy()
    amount[time < before] = amount[time < before] * 3 + 1
    place = world.transfers.schema.get_field_index("amount")
    changed = world.transfers.set_column(place, world.transfers.schema.field("amount"), pa.array(amount))
    other = replace(world, tables={**world.tables, "transfers": changed})
    assert differing(values(world, last), values(other, last)) == []
    assert differing(values(world, last, None), values(other, last, None)) != []


@pytest.mark.slow
def test_a_look_back_longer_than_the_record_changes_nothing(world: Dataset, points: Points) -> None:
    assert differing(values(world, points, 365 * DAY), values(world, points, None)) == []


def test_a_device_known_before_the_look_back_is_no_older_than_it(world: Dataset, points: Points) -> None:
    table = extract(world, points, ["newest_device_age"], lookback=LOOKBACK)
    age, whole = table["newest_device_age"].to_numpy(), extract(world, points, ["newest_device_age"])[2].to_numpy()
    is_longer = whole > LOOKBACK / 1e6
    assert is_longer.any()
    assert (whole < LOOKBACK / 1e6).any()
    assert np.allclose(age[is_longer], LOOKBACK / 1e6, rtol=1e-6)
    assert np.array_equal(age[~is_longer], whole[~is_longer], equal_nan=True)
