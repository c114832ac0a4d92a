"""Moments for training, and samples of points whose weights keep totals and probabilities right."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.linear_model import LogisticRegression

from muledetect.clock import DAY, format_time, parse_time
from muledetect.errors import DataError, OptionError
from muledetect.graph import Points, build_graph, graph_from_records
from muledetect.labels import account_keys, every_account, find_targets, sample_points, snapshots
from muledetect.records import read_dataset
from tests.small_world import TRAINED_AT, permuted, renamed, small_world

START = parse_time("2025-01-01")


def panel(n_accounts: int = 2000, n_moments: int = 8) -> tuple[Points, np.ndarray, np.ndarray, np.ndarray]:
    """Return points, targets, a covariate of the account and keys; moments differ in size and prevalence."""
    drawn = np.random.default_rng(0)
    account = np.tile(np.arange(n_accounts, dtype=np.int32), n_moments)
    moment = np.repeat(np.arange(n_moments), n_accounts)
    is_there = drawn.random(len(account)) < 0.5 + 0.5 * moment / n_moments
    account, moment = account[is_there], moment[is_there]
    x = drawn.normal(size=n_accounts)[account] + 0.3 * moment
    y = (drawn.random(len(x)) < 1 / (1 + np.exp(4.5 - x))).astype(float)
    y[drawn.random(len(y)) < 0.1] = np.nan
    return Points(account, START + 7 * DAY * moment), y, x, drawn.integers(0, 2**63, n_accounts).astype(np.uint64)


def texts(found: np.ndarray) -> list[str]:
    return [format_time(moment)[:10] for moment in found]


# --- moments


def test_moments_count_back_from_the_latest_midnight_at_which_a_negative_is_believed() -> None:
    # data from 1 January noon to 31 March 18:00; 37 days before the end is 22 February 18:00; 30 days in: 31 January
    drawn = graph_from_records([("a", "b", "2025-01-01T12:00", 1), ("b", "c", "2025-03-31T18:00", 1)])
    assert texts(snapshots(drawn)) == ["2025-02-01", "2025-02-08", "2025-02-15", "2025-02-22"]
    assert texts(snapshots(drawn, every="14d", first="2025-01-10", last="2025-02-20")) == [
        "2025-01-23",
        "2025-02-06",
        "2025-02-20",
    ]
    ends = snapshots(drawn, horizon="0d", maturity="0d", every="30d")  # the 31st of March is the last midnight
    assert texts(ends) == ["2025-01-31", "2025-03-01", "2025-03-31"][1:]


def test_negatives_are_known_at_every_moment_of_a_dataset_and_not_a_step_later() -> None:
    read = read_dataset(small_world())
    graph, found = build_graph(read), snapshots(read, every="5d", history="10d")
    np.testing.assert_array_equal(found, snapshots(graph, every="5d", history="10d"))
    for moment, is_ripe in ((found[0], True), (found[-1], True), (found[-1] + DAY, False)):
        y = find_targets(read, graph, every_account(read, int(moment)), unlabelled="negative")
        assert (y == 0).any() == is_ripe


@pytest.mark.parametrize(
    ("options", "error", "words"),
    [
        (
            {"last": "2025-03-01"},
            OptionError,
            "room for horizon and maturity; got 2025-03-01T00:00:00Z. Give 2025-02-22",
        ),
        ({"first": "2025-01-01"}, OptionError, "'first' must be later than the first transfer"),
        ({"first": "2025-02-23"}, DataError, "no moment fits"),
        ({"every": "0d"}, OptionError, "duration"),
    ],
)
def test_moments_that_do_not_fit_are_told(options: dict[str, str], error: type[Exception], words: str) -> None:
    drawn = graph_from_records([("a", "b", "2025-01-01T12:00", 1), ("b", "c", "2025-03-31T18:00", 1)])
    with pytest.raises(error, match=words):
        snapshots(drawn, **options)


def test_without_transfers_there_are_no_moments() -> None:
    with pytest.raises(DataError, match="no transfers"):
        snapshots(graph_from_records([]))


# --- samples


@given(n_negatives=st.integers(8, 12_000), seed=st.integers(0, 50))
def test_all_positives_are_kept_and_weights_add_up_at_every_moment(n_negatives: int, seed: int) -> None:
    points, y, _, keys = panel()
    rows, weight = sample_points(points, y, keys, n_negatives=n_negatives, seed=seed)
    assert (np.diff(rows) > 0).all()
    assert (y[rows] == 1).sum() == (y == 1).sum()
    assert (y[rows] == 0).sum() == min(n_negatives, (y == 0).sum())
    assert (weight[y[rows] == 1] == 1).all()
    for moment in np.unique(points.as_of):
        here, drawn = points.as_of == moment, points.as_of[rows] == moment
        natural = (y[here] == 1).sum() / np.isfinite(y[here]).sum()
        assert weight[drawn] @ y[rows][drawn] / weight[drawn].sum() == pytest.approx(natural, rel=1e-12)
        assert weight[drawn].sum() == pytest.approx(np.isfinite(y[here]).sum(), rel=1e-12)


def test_a_number_of_rows_counts_positives_too_and_enough_room_keeps_all() -> None:
    points, y, _, keys = panel()
    assert len(sample_points(points, y, keys, max_rows=3000).rows) == 3000
    whole = sample_points(points, y, keys, max_rows=10**6)
    np.testing.assert_array_equal(whole.rows, np.flatnonzero(np.isfinite(y)))
    assert (whole.weight == 1).all()


def test_totals_are_unbiased_and_spread_less_than_those_of_independent_draws() -> None:
    points, y, x, keys = panel()
    negative = np.flatnonzero(y == 0)
    truth, n_drawn, n_seeds = x[negative].sum(), 1200, 300
    found, plain = [], []
    for seed in range(n_seeds):
        rows, weight = sample_points(points, y, keys, n_negatives=n_drawn, seed=seed)
        found.append(weight[y[rows] == 0] @ x[rows][y[rows] == 0])
        plain.append(np.random.default_rng(seed).choice(x[negative], n_drawn).mean() * len(negative))
    assert abs(np.mean(found) - truth) < 4 * np.std(found) / n_seeds**0.5
    assert np.std(found) < np.std(plain)


def test_every_negative_of_a_moment_has_the_same_chance() -> None:
    points, y, _, keys = panel(200, 4)
    n_seeds, counts = 600, np.zeros(len(y))
    for seed in range(n_seeds):
        rows, weight = sample_points(points, y, keys, n_negatives=100, seed=seed)
        counts[rows] += 1
    chance = np.zeros(len(y))
    chance[rows] = 1 / weight
    for moment in np.unique(points.as_of):
        here = (points.as_of == moment) & (y == 0)
        p = chance[here].max()
        spread = (counts[here] - n_seeds * p) / (n_seeds * p * (1 - p)) ** 0.5
        assert np.abs(spread).max() < 4.5  # of some 200 rows
        assert 0.7 < spread.std() < 1.3


def test_an_account_comes_up_once_in_a_while_not_at_random() -> None:
    # 8 moments and a share of 1/10: independent draws would take someone 4 times or more
    points, y, _, keys = panel()
    y = np.zeros(len(y))
    rows, _ = sample_points(points, y, keys, n_negatives=len(y) // 10)
    n_times = np.bincount(points.account[rows])
    assert n_times.max() <= 2
    assert (n_times == 2).sum() < 0.02 * len(rows)


def test_a_model_of_the_sample_gives_the_probabilities_of_the_whole() -> None:
    points, y, x, keys = panel(6000)
    rows, weight = sample_points(points, y, keys, n_negatives=4000, seed=1)
    known = np.isfinite(y)
    model = LogisticRegression(C=np.inf).fit(x[rows, None], y[rows], sample_weight=weight)
    probability = model.predict_proba(x[known, None])[:, 1]
    # calibration in the large, over all and in fifths of the covariate: within 4 standard errors
    fifth = np.digitize(x[known], np.quantile(x[known], [0.2, 0.4, 0.6, 0.8]))
    for part in (fifth >= 0, *(fifth == nth for nth in range(5))):
        error = (probability[part] * (1 - probability[part])).sum() ** 0.5
        assert abs(probability[part].sum() - y[known][part].sum()) < 4 * error
    unweighted = LogisticRegression(C=np.inf).fit(x[rows, None], y[rows]).predict_proba(x[known, None])[:, 1]
    assert unweighted.mean() > 2 * y[known].mean()  # what the weights are for


def test_the_order_of_points_changes_nothing() -> None:
    points, y, _, keys = panel()
    order = np.random.default_rng(4).permutation(len(y))
    rows, weight = sample_points(points, y, keys, max_rows=2500, seed=3)
    other_rows, other_weight = sample_points(points[order], y[order], keys, max_rows=2500, seed=3)
    back = np.argsort(order[other_rows])
    np.testing.assert_array_equal(order[other_rows][back], rows)
    np.testing.assert_array_equal(other_weight[back], weight)


def drawn_from(world: dict[str, pa.Table], n_negatives: int) -> set[tuple[str, int, float]]:
    """Return whom a sample of a world holds, when, and with what weight."""
    read = read_dataset(world)
    graph, points = build_graph(read), every_account(read, ["2025-02-01", "2025-02-08", TRAINED_AT])
    y = find_targets(read, graph, points, target="ever", unlabelled="negative")
    keys = account_keys(read, graph, as_of=TRAINED_AT)
    rows, weight = sample_points(points, y, keys, n_negatives=n_negatives, seed=2)
    ids = read.account_ids.take(pa.array(points.account[rows])).to_pylist()
    return set(zip(ids, points.as_of[rows].tolist(), weight.tolist(), strict=True))


def test_neither_names_nor_row_order_of_the_tables_change_who_is_drawn() -> None:
    world = dict(small_world())
    other, new_of = renamed(world)
    drawn = drawn_from(world, 200)
    assert {(new_of[name], at, weight) for name, at, weight in drawn} == drawn_from(dict(other), 200)
    assert drawn == drawn_from(dict(permuted(world)), 200)


def test_keys_see_nothing_later_and_are_distinct_even_where_nothing_tells_accounts_apart() -> None:
    early = [("a", "b", "2025-01-01", 5), ("c", "d", "2025-01-01", 5)]
    nobody = SimpleNamespace(tables={})
    drawn = graph_from_records(early)
    later = graph_from_records([*early, ("a", "d", "2025-02-01", 7)])
    keys = account_keys(nobody, drawn, as_of="2025-02-01")
    assert len(set(keys.tolist())) == 4
    np.testing.assert_array_equal(keys, account_keys(nobody, later, as_of="2025-02-01"))
    assert (keys != account_keys(nobody, later, as_of="2025-02-02")).all()


def test_keys_tell_accounts_apart_by_what_they_did_under_any_name() -> None:
    records = [("a", "b", "2025-01-01", 5), ("b", "c", "2025-01-02", 5), ("c", "a", "2025-01-03", 6)]
    new_of = {"a": "z", "b": "y", "c": "x"}
    keys = account_keys(SimpleNamespace(tables={}), graph_from_records(records), as_of="2025-02-01")
    swapped = graph_from_records([(new_of[one], new_of[two], *rest) for one, two, *rest in records])
    np.testing.assert_array_equal(
        keys, account_keys(SimpleNamespace(tables={}), swapped, as_of="2025-02-01")[[2, 1, 0]]
    )


@pytest.mark.parametrize(
    ("options", "error", "words"),
    [
        ({}, OptionError, "give one of"),
        ({"n_negatives": 5, "max_rows": 9}, OptionError, "give one of"),
        ({"max_rows": 3}, OptionError, "positives, which are all kept"),
        ({"n_negatives": 7}, OptionError, "fewer than the 8 moments"),
        ({"n_negatives": 100, "y": np.zeros(3)}, DataError, "for each of"),
        ({"n_negatives": 100, "y": None}, DataError, "for each of"),
        ({"n_negatives": 100, "keys": np.zeros(5, np.uint64)}, DataError, "have no key"),
    ],
)
def test_what_cannot_be_drawn_is_told(options: dict[str, object], error: type[Exception], words: str) -> None:
    points, y, _, keys = panel()
    arguments = {"y": y, "keys": keys, **options}
    with pytest.raises(error, match=words):
        sample_points(points, **arguments)
