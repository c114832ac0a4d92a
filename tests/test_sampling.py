"""Moments of a training set, and a sample of its points that stands for all of them."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
import small_world as worlds
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.linear_model import LogisticRegression

from muledetect import pipeline
from muledetect.clock import DAY, parse_time
from muledetect.errors import DataError, OptionError
from muledetect.graph import Points, build_graph, graph_from_records
from muledetect.labels import account_keys, every_account, sample_points, snapshots
from muledetect.records import read_dataset

KEYS = np.random.default_rng(0).integers(0, 2**63, 5_000).astype(np.uint64)


def points_of(n_accounts: int, n_moments: int) -> Points:
    return Points(
        np.tile(np.arange(n_accounts, dtype=np.int32), n_moments),
        np.repeat(np.arange(n_moments, dtype=np.int64) * DAY, n_accounts),
    )


def targets_of(n: int, seed: int = 0) -> np.ndarray:
    drawn = np.random.default_rng(seed).random(n)
    return np.select([drawn < 0.02, drawn < 0.1], [1.0, np.nan], 0.0)


def test_snapshots_are_counted_back_from_the_last_believed_midnight() -> None:
    # transfers from 1 January to 31 March noon: negatives are believed up to 37 days earlier, 22 February
    graph = graph_from_records([("a", "b", "2025-01-01", 1), ("a", "b", "2025-03-31T12:00", 1)])
    days = [parse_time(f"2025-02-{day:02}") for day in (1, 8, 15, 22)]
    assert snapshots(graph).tolist() == days
    assert snapshots(graph, first="2025-02-10").tolist() == days[2:]
    assert snapshots(graph, every="9d", horizon="0d", maturity="0d")[-1] == parse_time("2025-03-31")


def test_snapshots_that_do_not_fit_are_refused() -> None:
    graph = graph_from_records([("a", "b", "2025-01-01", 1), ("a", "b", "2025-03-31T12:00", 1)])
    with pytest.raises(OptionError, match="'last' must leave room"):
        snapshots(graph, last="2025-03-01")
    with pytest.raises(OptionError, match="later than the first transfer"):
        snapshots(graph, first="2025-01-01")
    with pytest.raises(DataError, match="no moment fits"):
        snapshots(graph, history="80d")


@settings(max_examples=40, deadline=None)
@given(st.integers(20, 200), st.integers(1, 5), st.integers(10, 300), st.integers(0, 5))
def test_all_positives_are_kept_and_weights_add_up_at_every_moment(
    n_accounts: int, n_moments: int, n_negatives: int, seed: int
) -> None:
    points = points_of(n_accounts, n_moments)
    y = targets_of(len(points), seed)
    rows, weight = sample_points(points, y, KEYS, n_negatives=n_negatives, seed=seed)
    assert set(np.flatnonzero(y == 1)) <= set(rows.tolist())
    assert not np.isnan(y[rows]).any()
    assert (y[rows] == 0).sum() == min(n_negatives, (y == 0).sum())
    assert (np.diff(rows) > 0).all()
    for moment in np.unique(points.as_of):
        there, drawn = points.as_of == moment, points.as_of[rows] == moment
        assert weight[drawn & (y[rows] == 0)].sum() == pytest.approx((y[there] == 0).sum())
        assert weight[drawn & (y[rows] == 1)].sum() == (y[there] == 1).sum()


def test_totals_are_right_in_the_mean_over_seeds() -> None:
    points = points_of(1_000, 3)
    y = targets_of(len(points))
    value = np.random.default_rng(1).exponential(size=len(points))
    true = value[~np.isnan(y)].sum()
    sums = []
    for seed in range(300):
        rows, weight = sample_points(points, y, KEYS, n_negatives=150, seed=seed)
        sums.append(weight @ value[rows])
    error = np.std(sums) / np.sqrt(len(sums))
    assert abs(np.mean(sums) - true) < 4 * error
    assert np.std(sums) < 0.12 * true  # 1 / sqrt(150) = 0.08 for an exponential


def test_over_the_moments_accounts_take_turns() -> None:
    points = points_of(2_000, 4)
    y = np.zeros(len(points))
    rows, _ = sample_points(points, y, KEYS, n_negatives=2_000)
    # a quarter at each of four moments: most accounts come up once; independent draws would leave out 32%
    assert len(np.unique(points.account[rows])) > 0.9 * 2_000


def test_probabilities_of_a_model_of_the_sample_are_right_for_all() -> None:
    random = np.random.default_rng(2)
    points = points_of(5_000, 4)
    value = random.normal(size=len(points))
    y = (random.random(len(points)) < 1 / (1 + np.exp(4 - 1.5 * value))).astype(float)
    rows, weight = sample_points(points, y, KEYS, n_negatives=2_000)
    model = LogisticRegression(C=1e6).fit(value[rows, None], y[rows], sample_weight=weight)
    probability = model.predict_proba(value[:, None])[:, 1]
    assert probability.mean() == pytest.approx(y.mean(), rel=0.03)
    top = value > 2
    assert probability[top].mean() == pytest.approx(y[top].mean(), rel=0.15)
    unweighted = LogisticRegression(C=1e6).fit(value[rows, None], y[rows]).predict_proba(value[:, None])[:, 1]
    assert unweighted.mean() > 2 * y.mean()


def test_neither_names_nor_the_future_change_who_is_drawn() -> None:
    world = worlds.small_world()
    renamed, new_of = worlds.renamed(world)

    def drawn(tables: worlds.World) -> set[str]:
        dataset = read_dataset(tables)
        graph, points = build_graph(dataset), every_account(dataset, worlds.SCORED_AT)
        keys = account_keys(dataset, graph, as_of=worlds.SCORED_AT)
        rows, _ = sample_points(points, np.zeros(len(points)), keys, n_negatives=100)
        return set(dataset.account_ids.take(pa.array(points.account[rows])).to_pylist())

    first = drawn(world)
    assert len(first) == 100
    assert drawn(renamed) == {new_of[name] for name in first}
    assert drawn(worlds.with_another_future(world, worlds.SCORED_AT)) == first


def test_what_cannot_be_drawn_is_refused() -> None:
    points, y = points_of(100, 3), targets_of(300)
    with pytest.raises(OptionError, match="give one of"):
        sample_points(points, y, KEYS)
    with pytest.raises(OptionError, match="fewer than the 3 moments"):
        sample_points(points, y, KEYS, n_negatives=2)
    with pytest.raises(OptionError, match="room for negatives"):
        sample_points(points, y, KEYS, max_rows=int((y == 1).sum()))
    with pytest.raises(DataError, match="no key"):
        sample_points(points, y, KEYS[:50], n_negatives=10)
    with pytest.raises(DataError, match="must hold 1, 0 or NaN"):
        sample_points(points, y + 3, KEYS, n_negatives=10)


def test_training_on_a_sample_keeps_the_prevalence() -> None:
    dataset = read_dataset(worlds.small_world())
    options = {"target": "ever", "model": worlds.small_model()}
    whole = pipeline.train(dataset, worlds.SCORED_AT, **options)
    model = pipeline.train(dataset, worlds.SCORED_AT, max_rows=200, **options)
    assert model.n_rows_ == 200
    assert model.n_positives_ == whole.n_positives_
    assert model.held_out_metrics_["prevalence"] == pytest.approx(whole.held_out_metrics_["prevalence"])
