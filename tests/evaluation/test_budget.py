"""Rates over budgets: worked values, the same numbers as the single metrics, the same draws as the bootstrap."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from muledetect.errors import OptionError
from muledetect.evaluation import (
    average_precision,
    budget_curve,
    budget_grid,
    measure_ranking,
    precision_at,
    recall_at,
    value_recall_at,
)
from muledetect.evaluation.metrics import bootstrap_columns

# ranked: a mule with 300, an honest one, a mule with 700, an honest one; the row of unknown target would be the first
Y = [0, 1, 0, 1, np.nan]
SCORE = [0.1, 0.9, 0.8, 0.7, 5.0]
VALUE = [50, 300, 0, 700, 900]


def test_each_budget_shows_what_it_finds() -> None:
    found = budget_curve(Y, {"model": SCORE}, value=VALUE, budgets=[1, 2, 3, 9])
    assert found["method"].tolist() == ["model"] * 4
    assert found["k"].tolist() == [1, 2, 3, 9]
    assert found["share"].tolist() == [0.25, 0.5, 0.75, 1.0]
    assert found["precision"].tolist() == pytest.approx([1, 1 / 2, 2 / 3, 1 / 2])
    assert found["recall"].tolist() == [0.5, 0.5, 1.0, 1.0]
    assert found["value_recall"].tolist() == [0.3, 0.3, 1.0, 1.0]


def test_methods_stand_below_each_other_in_their_order() -> None:
    found = budget_curve(Y, {"b": SCORE, "a": [-s for s in SCORE]}, budgets=[1])
    assert found["method"].tolist() == ["b", "a"]
    assert found["precision"].tolist() == [1.0, 0.0]


def test_without_value_there_is_no_value_recall() -> None:
    found = budget_curve(Y, {"model": SCORE}, budgets=[1, 2])
    assert found[["value_recall", "value_recall_low", "value_recall_high"]].isna().all(axis=None)


def ranking(seed: int, n: int = 300) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    block = rng.integers(0, 80, n)
    y = (block < 12).astype(float)  # whole blocks are positive
    score = (y * rng.normal(0.3, 0.3, n) + rng.random(n)).round(1)  # many ties
    return y, score, rng.integers(1, 1000, n).astype(float), block


def test_intervals_are_those_of_the_bootstrap_of_each_metric() -> None:
    y, score, value, block = ranking(5)
    money = np.where(y == 1, value, 0.0)
    budgets = [40, 60, 0.4]
    found = measure_ranking(y, score, budgets, value=value, groups=block, n_draws=40, seed=7)
    options = {"n_draws": 40, "seed": 7}
    columns = (y, score, money)
    wanted = bootstrap_columns(lambda a, b, _, w: average_precision(a, b, w), columns, block, **options)
    assert (found.low, found.high) == pytest.approx(wanted)
    for k, row in zip(budgets, found.rates.to_dict("records"), strict=True):
        for name, metric in (
            ("precision", lambda a, b, _, w, k=k: precision_at(a, b, k, w)),
            ("recall", lambda a, b, _, w, k=k: recall_at(a, b, k, w)),
            ("value_recall", lambda a, b, c, w, k=k: value_recall_at(a, b, c, k, w)),
        ):
            assert 0 < row[name] < 1
            ends = bootstrap_columns(metric, columns, block, **options)
            assert (row[f"{name}_low"], row[f"{name}_high"]) == pytest.approx(ends)


@settings(deadline=None, max_examples=60)
@given(
    st.lists(st.tuples(st.integers(0, 1), st.integers(0, 3), st.integers(0, 9)), min_size=1, max_size=12),
    st.one_of(st.integers(1, 14), st.floats(0.01, 0.99)),
)
def test_rates_are_those_of_the_single_metrics(rows: list[tuple[int, int, int]], k: float) -> None:
    y, score, value = np.array(rows, dtype=float).T
    found = measure_ranking(y, score, [k], value=value, n_draws=2)
    wanted = [precision_at(y, score, k), recall_at(y, score, k), value_recall_at(y, score, value, k)]
    assert found.rates.loc[0, ["precision", "recall", "value_recall"]].tolist() == pytest.approx(wanted, nan_ok=True)
    assert found.average_precision == pytest.approx(average_precision(y, score), nan_ok=True)


def test_finding_nobody_is_not_certain() -> None:
    # the one positive group is not among the two alerted rows, each a group: Wilson, 0 of 2 and 0 of 1
    y, score = np.array([0.0, 0, 0, 0, 1]), np.array([5.0, 4, 3, 2, 1])
    row = measure_ranking(y, score, [2], n_draws=100).rates.loc[0]
    assert (row["precision"], row["recall"]) == (0, 0)
    assert row["precision_high"] == pytest.approx(3.841459 / (2 + 3.841459))
    assert row["recall_high"] >= 3.841459 / (1 + 3.841459) - 1e-6


def test_neither_the_order_of_rows_nor_the_names_of_groups_matter() -> None:
    y, score, value, block = ranking(1)
    turned = np.random.default_rng(2).permutation(len(y))
    one = budget_curve(y, {"m": score}, value=value, groups=block, n_draws=30)
    other = budget_curve(
        y[turned], {"m": score[turned]}, value=value[turned], groups=[f"g{-b}" for b in block[turned]], n_draws=30
    )
    pd.testing.assert_frame_equal(one, other, check_exact=True)


def test_the_grid_goes_from_one_alert_to_one_account_in_twenty() -> None:
    grid = budget_grid(10_000, also=[37, 0, 20_000])
    assert (grid[0], grid[-1]) == (1, 500)
    assert 37 in grid
    assert grid == sorted(set(grid))
    assert budget_grid(3) == [1]


def test_rows_of_unknown_target_only_leave_everything_undefined() -> None:
    found = budget_curve([np.nan, np.nan], {"m": [1.0, 2.0]})
    assert found[["precision", "recall", "precision_low"]].isna().all(axis=None)


def test_wrong_options_are_refused() -> None:
    with pytest.raises(OptionError, match="above 0; got 0"):
        measure_ranking(Y, SCORE, [3, 0])
    with pytest.raises(OptionError, match="between 0 and 1"):
        measure_ranking(Y, SCORE, [1], level=95)
    with pytest.raises(OptionError, match="0 or more"):
        measure_ranking(Y, SCORE, [1], value=[0, -1, 0, 1, 0])
