"""Law 6 for the live state: whatever comes when, every live column and signal is that of batch, bit for bit."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from small_world import small_world
from strategies import START, Scene, scenes, transfers_table

from muledetect.arrays import AnyArray
from muledetect.clock import DAY, HOUR, SECOND
from muledetect.facts import Facts
from muledetect.features import Extraction, registry
from muledetect.features._extract import compute_columns, extract_values, plan_of
from muledetect.features.packs import load_pack
from muledetect.features.signals import MOST_TRANSFERS
from muledetect.graph import Points
from muledetect.live.state import LiveState
from muledetect.records import Dataset, read_dataset
from muledetect.testing import random_world

NAMES = registry().names(load_pack("TH"), every=True, live=True)
PLAN = plan_of(NAMES, registry())


def grown(dataset: Dataset, n_first: int, order: Sequence[int], steps: Sequence[int], since: int | None) -> LiveState:
    """Begin with the first transfers and book the others in an order, some at a time."""
    transfers = dataset.transfers
    first = replace(dataset, tables={**dataset.tables, "transfers": transfers.slice(0, n_first)})
    state, place, turn = LiveState(Facts(first), since=since), 0, 0
    while place < len(order):
        step = steps[turn % len(steps)]
        state.add_transfers(transfers.take(pa.array(order[place : place + step])))
        place, turn = place + step, turn + 1
    return state


def differing(state: LiveState, dataset: Dataset, points: Points) -> list[str]:
    """Return the columns and signals that are not those of batch."""
    facts = Facts(dataset) if state.since is None else Facts(dataset).since(state.since)
    batch, ids = Extraction(facts, threads=1), dataset.account_ids.to_pylist()
    expected = extract_values(batch, points, NAMES, registry())
    asked = Points(state.codes([ids[a] for a in points.account.tolist()]), points.as_of)
    got = compute_columns(state.parts.history(asked), len(NAMES), PLAN)
    found = [name for j, name in enumerate(NAMES) if not same(expected[:, j], got[:, j])]
    place_of = {name: i for i, name in enumerate(facts.dataset.transfers["transfer_id"].to_pylist())}
    booked = state.tables["transfers"].take(slice(None), ["transfer_id"])["transfer_id"].to_pylist()
    rows = np.array([place_of[name] for name in booked], np.int64)
    assert len(rows) == len(place_of)
    columns = [column for made in state.signals for column in made.columns]
    values = state.signal_values
    return found + [c for j, c in enumerate(columns) if not same(batch.signal(c)[rows], values[:, j])]


def same(one: AnyArray, other: AnyArray) -> bool:
    return bool(np.array_equal(one, other, equal_nan=True))


def set_most(monkeypatch: pytest.MonkeyPatch, most: int) -> None:
    for room in ("features.signals._past", "live.around"):
        monkeypatch.setattr(f"muledetect.{room}.MOST_TRANSFERS", most)
        monkeypatch.setattr(f"muledetect.{room}.MOST_CREDITS", most // 8)


def points_in(dataset: Dataset, seed: int, n: int, since: int = 0) -> Points:
    """Any accounts, at moments of transfers and just behind."""
    random = np.random.default_rng(seed)
    times = dataset.transfers["time"].cast(pa.int64()).to_numpy()
    as_of = random.choice(times[times >= since], n) + random.choice([0, 0, 1, HOUR, 3 * DAY], n)
    return Points(random.integers(0, len(dataset.account_ids), n).astype(np.int32), as_of)


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("most", [MOST_TRANSFERS, 2])
def test_a_stream_with_late_transfers_equals_batch_on_every_clock(
    seed: int, most: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    set_most(monkeypatch, most)
    dataset = read_dataset(random_world(seed, n_accounts=40, n_transfers=200), currency="THB")
    order = np.arange(80, 200)
    order = order[np.argsort(order + np.random.default_rng(seed).normal(0, 4, 120))]
    assert differing(grown(dataset, 80, order.tolist(), [1, 5, 2], None), dataset, points_in(dataset, seed, 150)) == []


def test_a_payee_that_paid_only_itself_of_late_equals_batch() -> None:
    ends = [("a", "a"), ("a", "b"), ("b", "b"), ("b", "b"), ("c", "b")]
    rows = {
        "transfer_id": [f"t{at}" for at in range(5)],
        "time": pa.array([START + at * DAY * 3 for at in range(5)]).cast(pa.timestamp("us", tz="UTC")),
        "source": [payer for payer, _ in ends], "target": [payee for _, payee in ends], "amount": [1] * 5,
    }  # fmt: skip
    dataset = read_dataset({"transfers": pa.table(rows)})
    state = grown(dataset, 1, [1, 2, 3, 4], [1], None)
    assert differing(state, dataset, points_in(dataset, 0, 20)) == []


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(4, 40))
def test_streams_in_any_order_equal_batch(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    set_most(monkeypatch, [MOST_TRANSFERS, 0, 3, 20][seed % 4])
    dataset = read_dataset(random_world(seed, n_accounts=8 + seed, n_transfers=150), currency="THB")
    order = np.random.default_rng(seed).permutation(np.arange(50, 150))
    since = int(dataset.transfers["time"].cast(pa.int64())[40].as_py()) if seed % 3 == 0 else None
    state = grown(dataset, 50, order.tolist(), [1, 9], since)
    assert differing(state, dataset, points_in(dataset, seed, 100, since or 0)) == []


@pytest.mark.slow
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(scenes(), st.data())
def test_any_small_stream_equals_batch(scene: Scene, data: st.DataObject) -> None:
    n = len(scene.dataset.transfers)
    n_first = data.draw(st.integers(0, n))
    order = data.draw(st.permutations(range(n_first, n)))
    steps = data.draw(st.lists(st.integers(1, 4), min_size=1, max_size=3))
    state = grown(scene.dataset, n_first, order, steps, None)
    n_accounts = len(scene.dataset.account_ids)
    points = Points(np.arange(n_accounts, dtype=np.int32), np.full(n_accounts, scene.as_of))
    assert differing(state, scene.dataset, points) == []


@pytest.mark.slow
@pytest.mark.parametrize("lookback", [None, 20 * DAY])
def test_a_simulated_bank_equals_batch(lookback: int | None) -> None:
    dataset = read_dataset(dict(small_world()))
    time = dataset.transfers["time"].cast(pa.int64()).to_numpy()
    n_first = len(time) - 2_000
    since = None if lookback is None else int(time[n_first]) - lookback
    order = np.arange(n_first, len(time))
    order = order[np.argsort(order + np.random.default_rng(3).normal(0, 6, 2_000), kind="stable")]
    state = grown(dataset, n_first, order.tolist(), [1, 8, 64], since)
    assert differing(state, dataset, points_in(dataset, 3, 400, int(time[n_first]))) == []


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(4))
def test_busy_accounts_that_are_not_looked_through_equal_batch(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Hubs with more than `MAX_DEGREE` transfers in the look-back, on either side, on a clock of seconds or finer."""
    set_most(monkeypatch, 70 if seed > 1 else MOST_TRANSFERS)
    random, n, n_accounts = np.random.default_rng(seed), 1_500, 60
    weight = np.concatenate([np.full(4, 6.0), np.ones(n_accounts - 4)])
    ends = random.choice(n_accounts, (2, n), p=weight / weight.sum())
    ends[0, ::7], ends[1, 3::7] = random.integers(0, 2, len(ends[0, ::7])), random.integers(2, 4, len(ends[1, 3::7]))
    time = START + random.integers(0, 5 * DAY // SECOND, n) * SECOND + (seed % 2) * random.integers(0, SECOND, n)
    rows = [
        (f"a{s:02d}", f"a{t:02d}", int(at), int(x))
        for s, t, at, x in zip(*ends, time, random.integers(1, 9_000, n), strict=True)
    ]
    dataset = read_dataset({"transfers": transfers_table(rows)}, currency="THB")
    cut = Extraction(dataset, threads=1)
    assert all(np.nansum(cut.signal(name)) > 0 for name in ("is_bipartite_cut", "scatter_left_out", "origins_left_out"))
    assert np.isnan(cut.signal("origins_2")[cut.past.paid_at >= 0]).any() == (seed > 1)
    order = np.arange(1_200, n)
    order = order[np.argsort(order + random.normal(0, 3, n - 1_200), kind="stable")]
    state = grown(dataset, 1_200, order.tolist(), [1, 2, 20], None)
    assert differing(state, dataset, points_in(dataset, seed, 200)) == []


@pytest.mark.slow
@pytest.mark.parametrize("resolution", [1, SECOND])
def test_an_account_with_five_thousand_transfers_equals_batch(resolution: int) -> None:
    """A hub that many pay within a day, that pays many and later one alone, with a device of its own."""
    random, n = np.random.default_rng(resolution), 11_000
    time = START + np.sort(random.integers(0, 5 * DAY // resolution, n)) * resolution
    time[:10_000] = START + (time[:10_000] - START) // 8
    customer, is_credit = np.array([f"c{k:02d}" for k in random.integers(0, 90, n)]), np.arange(n) % 2 == 0
    other = np.where(np.arange(n) % 50 < 48, "hub", "shop")
    rows = list(zip(np.where(is_credit, customer, other), np.where(is_credit, other, customer), time, strict=True))
    table = transfers_table([(*map(str, ends), int(at), 100 + k) for k, (*ends, at) in enumerate(rows)])
    device = pa.array([None if one else "api" for one in is_credit], pa.string())
    dataset = read_dataset({"transfers": table.append_column("device_hash", device)}, currency="THB")
    batch = Extraction(dataset, threads=1)
    for name in ("target_fan_in", "source_fan_out", "scatter_gather", "relayed_share", "others_on_device"):
        is_unknown = np.isnan(batch.signal(name))
        assert is_unknown.any(), name
        assert not is_unknown[-1_000:].all(), name
    late = np.arange(9_900, n)
    late = late[np.argsort(late + random.normal(0, 2, len(late)), kind="stable")]
    assert differing(grown(dataset, 9_900, late.tolist(), [1, 8, 32], None), dataset, points_in(dataset, 1, 100)) == []


@pytest.mark.parametrize("resolution", [1, SECOND, HOUR])
@pytest.mark.parametrize("n_wages", [150, 6_000])
def test_money_that_comes_together_again_at_a_shop_equals_batch(resolution: int, n_wages: int) -> None:
    """Employers pay many customers, some too busy to be looked through, and these pay one shop, some of them twice.

    Few wages are read of the employers, many of the customers.
    """
    random, n = np.random.default_rng(resolution + n_wages), 400
    time = START + np.sort(random.integers(0, 4 * DAY // resolution, n + n_wages)) * resolution
    is_wage = random.permutation(np.arange(n + n_wages) < n_wages)
    customer = np.where(random.random(n + n_wages) < 0.2, 0, random.integers(0, 180, n + n_wages))
    employer = random.choice(["work-0", "work-1", "shop"], len(time), p=[0.5, 0.48, 0.02])
    payer = np.where(is_wage, employer, "")
    rows = [
        (name or f"c{k:03d}", f"c{k:03d}" if name else "shop", int(at), 100 + place)
        for place, (name, k, at) in enumerate(zip(payer.tolist(), customer.tolist(), time, strict=True))
    ]
    dataset = read_dataset({"transfers": transfers_table(rows)}, currency="THB")
    batch = Extraction(dataset, threads=1)
    assert np.nanmax(batch.signal("scatter_gather")[-300:]) > 10
    late = np.arange(len(rows) - 300, len(rows))
    late = late[np.argsort(late + random.normal(0, 2, len(late)), kind="stable")]
    state = grown(dataset, len(rows) - 300, late.tolist(), [1, 8, 32], None)
    assert differing(state, dataset, points_in(dataset, 1, 20)) == []


def test_no_live_column_is_missing_and_others_say_why() -> None:
    known = registry()
    every = known.names(load_pack("TH"), every=True)
    assert {name for name in every if known.column(name).not_live} == set(every) - set(NAMES)
    assert {"in_amount__window_7d", "in_relayed__window_all", "own_devices__window_30d"} <= set(NAMES)
    assert not {"in_cycle__window_all", "hop2_in_share__window_30d", "in_suspicion_mean"} & set(NAMES)
