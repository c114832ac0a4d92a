from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from muledetect.errors import OptionError
from muledetect.evaluation import (
    average_precision,
    bootstrap_interval,
    brier_score,
    calibration_error,
    precision_at,
    recall_at,
    reliability_curve,
    roc_auc,
    value_recall_at,
)
from muledetect.evaluation.metrics import block_draws

# ranked: 1 0 1 0 -> precision 1 at recall 1/2, 2/3 at recall 1: AP = 1/2 + 1/2 * 2/3 = 5/6
Y = [0, 1, 0, 1, np.nan]
SCORE = [0.1, 0.9, 0.8, 0.7, 5.0]


def test_average_precision_and_auc_leave_unknown_targets_out() -> None:
    assert average_precision(Y, SCORE) == pytest.approx(5 / 6)
    assert roc_auc(Y, SCORE) == pytest.approx(3 / 4)  # of 4 pairs only (0.7, 0.8) is the wrong way round


def test_precision_recall_and_value_recall_at_k() -> None:
    value = [0, 300, 0, 700, 0]
    assert precision_at(Y, SCORE, 2) == 0.5
    assert recall_at(Y, SCORE, 2) == 0.5
    assert value_recall_at(Y, SCORE, value, 2) == 0.3
    assert value_recall_at(Y, SCORE, value, 3) == 1.0


def test_a_share_of_rows_is_rounded_up_and_k_is_bounded_by_the_rows() -> None:
    assert precision_at(Y, SCORE, 0.3) == 0.5  # 1.2 of 4 known rows -> 2
    assert precision_at(Y, SCORE, 0.25) == 1.0
    assert recall_at(Y, SCORE, 100) == 1.0


@settings(deadline=None, max_examples=40)
@given(st.lists(st.tuples(st.integers(0, 1), st.integers(0, 3)), min_size=1, max_size=6), st.integers(1, 6))
def test_ties_count_as_the_mean_over_all_ways_of_breaking_them(rows: list[tuple[int, int]], k: int) -> None:
    y, score = np.array(rows, dtype=float).T
    k = min(k, len(y))
    ways = [
        y[list(order)][:k].mean()
        for order in itertools.permutations(range(len(y)))
        if (np.diff(score[list(order)]) <= 0).all()
    ]
    assert precision_at(y, score, k) == pytest.approx(np.mean(ways))


def test_metrics_without_positives_are_not_defined() -> None:
    for found in (average_precision([0, 0], [1, 2]), recall_at([0], [1], 1), roc_auc([0], [1])):
        assert np.isnan(found)


def test_a_calibrated_forecast_has_no_calibration_error() -> None:
    y = [0, 0, 0, 1, 1, 1, 1, 0]
    p = [0.25, 0.25, 0.25, 0.25, 0.75, 0.75, 0.75, 0.75]
    assert calibration_error(y, p, n_bins=2) == pytest.approx(0.0)
    # 6 of 8 errors are 0.25, two are 0.75: (6 * 0.0625 + 2 * 0.5625) / 8
    assert brier_score(y, p) == pytest.approx(0.1875)
    curve = reliability_curve(y, p, n_bins=2)
    assert curve["n"].tolist() == [4, 4]
    assert curve["observed"].tolist() == [0.25, 0.75]


def test_equal_probabilities_share_a_bin_in_any_order_of_rows() -> None:
    y = np.array([1, 0, 0, 0, 0, 1])
    p = np.full(6, 0.2)
    assert calibration_error(y, p, 3) == calibration_error(y[::-1], p, 3) == pytest.approx(1 / 3 - 0.2)


def test_the_interval_of_blocks_holds_the_value_and_is_wider_than_that_of_rows() -> None:
    rng = np.random.default_rng(3)
    block = np.repeat(np.arange(30), 20)
    y = (np.repeat(rng.random(30), 20) < 0.3).astype(float)  # whole blocks are positive
    score = y + rng.normal(size=len(y))
    value = average_precision(y, score)
    low, high = bootstrap_interval(average_precision, y, score, block, seed=1)
    narrow_low, narrow_high = bootstrap_interval(average_precision, y, score, seed=1)
    assert low < value < high
    assert high - low > narrow_high - narrow_low
    assert (low, high) == bootstrap_interval(average_precision, y, score, block, seed=1)


def test_draws_know_neither_the_order_of_rows_nor_the_names_of_blocks() -> None:
    # two blocks of one size whose first rows are alike, so that only their other rows tell them apart
    one = [("a", 1, 5), ("b", 1, 5), ("a", 1, 1), ("b", 0, 0), ("c", 0, 2)]
    other = [("x", 1, 5), ("y", 1, 5), ("x", 0, 0), ("y", 1, 1), ("z", 0, 2)]
    draws = []
    for rows in (one, other, one[::-1]):
        block, y, score = (np.array(column) for column in zip(*rows, strict=True))
        columns = (y.astype(float), score.astype(float))
        order, weights = block_draws(columns, block, n_draws=20)
        draws.append([[*zip(*(column[order] for column in columns), weight, strict=True)] for weight in weights])
    assert draws[0] == draws[1] == draws[2]


def test_wrong_columns_are_refused() -> None:
    with pytest.raises(OptionError, match="equally long"):
        average_precision([0, 1], [0.1])
    with pytest.raises(OptionError, match="1, 0 or NaN"):
        average_precision([0, 2], [0.1, 0.2])
    with pytest.raises(OptionError, match="scores are NaN"):
        average_precision([0, 1], [0.1, np.nan])
    with pytest.raises(OptionError, match="above 0"):
        precision_at([0, 1], [0.1, 0.2], 0)
