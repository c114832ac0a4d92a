"""Law 6: one pass, threads, shards and slices give equal results, bit for bit, in memory and in scratch files."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pytest

import muledetect as md
from muledetect.features import Extraction, _extract, registry
from muledetect.features.packs import load_pack
from muledetect.features.signals import (
    Past,
    Signal,
    _past,
    _slices,
    build_past,
    compute_rows,
    compute_signal,
    signal_registry,
)
from muledetect.graph import Points, build_graph
from muledetect.memory import HEAP, Room
from muledetect.records import Dataset, read_dataset
from muledetect.testing import random_world
from tests.small_world import SCORED_AT, TRAINED_AT, small_model, small_world

SIGNALS = list(signal_registry().signals.values())
#: Every array goes to a file, however small, and slices are as short as their look-back allows.
FILES = Room(limit=100_000, least=0)


def pasts(room: Room = HEAP, threads: int = 1) -> Iterator[tuple[Dataset, Past]]:
    """Yield worlds of every clock with bursts, ties, hubs and transfers to oneself, and one that has no transfer."""
    for seed in range(8):
        dataset = read_dataset(random_world(seed, n_transfers=[60, 400][seed % 2]))
        # with a low degree, searches stop at hubs
        rules = {"tables": dataset.tables, "threads": threads, "room": room, "max_degree": [2, 64][seed // 4]}
        yield dataset, build_past(build_graph(dataset), **rules)
    dataset = read_dataset(random_world(0))
    graph = build_graph(dataset).until("1999-01-01")
    yield dataset, build_past(graph, tables=dataset.tables, threads=threads, room=room)


def same(one: np.ndarray, other: np.ndarray) -> bool:
    """Return whether two matrices hold the same bits, wherever their values lie in memory."""
    return np.ascontiguousarray(one).tobytes() == np.ascontiguousarray(other).tobytes()


def apart(signal: Signal, past: Past, most: int) -> np.ndarray:
    """Return a signal by slices none of which knows what another one found, as workers compute them."""
    parts = [np.empty((0, len(signal.columns)), np.float32)]
    for low, high in _slices._slices(past, signal.reach, most):
        first = _slices._first_of(past, low, signal.reach)
        parts.append(signal.compute(_slices._between(past, first, high))[low - first :])
    return np.concatenate(parts)


@pytest.mark.parametrize("signal", SIGNALS, ids=lambda signal: signal.name)
@pytest.mark.parametrize("most_transfers", [_past.MOST_TRANSFERS, 2])
def test_a_signal_is_the_same_in_one_pass_in_threads_and_in_slices(
    signal: Signal, most_transfers: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_past, "MOST_TRANSFERS", most_transfers)  # with a low bound, sides of many accounts are unknown
    for (_, past), (_, threaded), (_, filed) in zip(pasts(), pasts(threads=2), pasts(FILES, 2), strict=True):
        whole = signal.compute(past)
        assert same(whole, signal.compute(threaded))
        assert same(whole, compute_signal(signal, filed))
        for most in (1, 2, 7, 50):
            assert same(whole, compute_signal(signal, past, most=most)), f"slices of {most}"
            assert same(whole, apart(signal, past, most)), f"slices of {most}, each by itself"


def test_a_bound_that_is_too_short_is_seen() -> None:
    """The worlds are such that slices with too little overlap differ, for every signal that has a bound."""
    for signal in (signal for signal in SIGNALS if signal.reach):
        short = replace(signal, reach=signal.reach - 1)
        assert any(not same(signal.compute(past), apart(short, past, most=3)) for _, past in pasts()), signal


def test_signals_with_a_bound_are_the_same_together_and_give_the_columns_that_are_asked_for() -> None:
    bounded = [signal for signal in SIGNALS if signal.reach is not None]
    asked = [[*signal.columns][-1] for signal in bounded]
    for _, past in pasts(FILES, 2):
        whole = {signal.name: signal.compute(past) for signal in bounded}
        for most in (1, 2, 7, 50):
            ((names, found),) = compute_rows(bounded, past, asked, most=most)
            assert [*names] == asked
            for place, signal in enumerate(bounded):
                assert same(found[:, place], whole[signal.name][:, -1]), f"{names[place]}, slices of {most}"


def test_many_signals_have_a_bound() -> None:
    assert sum(signal.reach is not None for signal in SIGNALS) >= 4


@pytest.fixture(scope="module")
def world() -> Dataset:
    """A bank in which one account has half of the transfers, and one appears on the last day."""
    tables = dict(small_world())
    transfers, rows = tables["transfers"], np.arange(0, tables["transfers"].num_rows, 2)
    hub = pa.array(np.where(np.arange(len(transfers)) % 6 == 0, "hub", transfers["source"].to_pylist()), pa.string())
    target = pa.array([*transfers["target"].to_pylist()[:-1], "late"], pa.string())
    position = transfers.schema.get_field_index
    transfers = transfers.set_column(position("source"), "source", hub).set_column(position("target"), "target", target)
    return read_dataset({**tables, "transfers": transfers.take(pa.array(np.union1d(rows, [len(transfers) - 1])))})


@pytest.fixture(scope="module")
def points(world: Dataset) -> Points:
    n, last = len(world.account_ids), int(build_graph(world).time[-1])
    account = np.concatenate([np.arange(-1, n), np.arange(-1, n)]).astype(np.int32)
    return Points(account, np.repeat([last - 9 * 86_400_000_000, last + 1], n + 1))


def columns(dataset: Dataset, points: Points, *, threads: int, lookback: str | None = None) -> np.ndarray:
    names = registry().names(load_pack("TH"), every=True)
    extraction = Extraction(dataset, lookback=lookback, threads=threads)
    return _extract.extract_values(extraction, points, names, registry())


@pytest.mark.slow
@pytest.mark.parametrize("lookback", [None, "21d"])
def test_features_are_the_same_in_one_pass_in_shards_and_in_files(
    world: Dataset, points: Points, lookback: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = columns(world, points, threads=1, lookback=lookback)
    assert same(whole, columns(world, points, threads=2, lookback=lookback))
    filed = replace(world, room=FILES)
    monkeypatch.setattr(_extract, "_SHARD_POINTS", len(points) // 8)
    assert same(whole, columns(filed, points, threads=2, lookback=lookback))
    monkeypatch.setattr(_extract, "SHARD_TRANSFERS", 50)
    assert same(whole, columns(filed, points, threads=1, lookback=lookback))
    monkeypatch.setattr(_extract, "_MOST_TIMES", 1)
    assert same(whole, columns(filed, points, threads=1, lookback=lookback))


def test_shards_are_larger_with_a_limit_and_never_unbounded(world: Dataset, points: Points) -> None:
    def times(limit: int | None) -> int:
        room = HEAP if limit is None else Room(limit, least=0)
        return _extract._times_larger(Extraction(replace(world, room=room), threads=2))

    assert [times(limit) for limit in (None, 1_000_000, 4_000_000_000, 8_000_000_000, 10**12)] == [1, 1, 4, 8, 8]


@pytest.mark.slow
def test_models_scores_rings_and_traces_are_the_same_with_little_memory(world: Dataset) -> None:
    results = []
    for memory in (None, "2GB"):
        bank = replace(world, room=HEAP if memory is None else Room(2_000_000_000, least=0))
        model = md.train(bank, TRAINED_AT, target="ever", model=small_model())
        scores = md.score(bank, model, SCORED_AT, n_explained=20)
        rings = md.find_rings(bank, scores, SCORED_AT)
        results.append((model.texts_, scores, rings, md.trace(bank, SCORED_AT)))
    (model, scores, rings, traces), (again, scores_again, rings_again, traces_again) = results
    assert model == again
    assert scores.equals(scores_again, check_metadata=True)
    assert rings.tables == rings_again.tables
    assert traces.tables == traces_again.tables
    assert min(len(rings.rings), len(traces.trace)) > 0
