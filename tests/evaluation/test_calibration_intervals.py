"""Reliability with error bars, and over time."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from muledetect.clock import DAY
from muledetect.errors import OptionError
from muledetect.evaluation import calibration_error, reliability_curve
from muledetect.evaluation.calibration import calibration_intervals, calibration_over_time


def drawn(n: int, seed: int, shift: float = 0.0) -> tuple[np.ndarray, np.ndarray]:
    """Return targets drawn from probabilities, and the probabilities that are promised."""
    random = np.random.default_rng(seed)
    true = random.beta(1, 9, n)
    return (random.random(n) < true).astype(float), np.clip(true + shift, 0, 1)


def test_bins_and_error_are_those_without_intervals() -> None:
    y, probability = drawn(2_000, 0)
    found = calibration_intervals(y, probability)
    assert found.error == calibration_error(y, probability)
    plain = reliability_curve(y, probability)
    pd.testing.assert_frame_equal(found.bins[list(plain.columns)], plain)
    assert found.bins["n_positive"].sum() == y.sum()


def test_true_probabilities_lie_within_and_wrong_ones_do_not() -> None:
    within, covered = [], []
    for seed in range(20):
        y, probability = drawn(2_000, seed)
        found = calibration_intervals(y, probability, n_draws=100)
        within += found.bins["is_within"].tolist()
        covered.append(found.error_low == 0.0)
    assert np.mean(within) > 0.9
    assert np.mean(covered) > 0.8
    wrong = calibration_intervals(*drawn(2_000, 0, shift=0.2))
    assert wrong.error_low > 0.1
    assert not wrong.bins["is_within"].any()


def test_groups_that_repeat_each_other_widen_the_bars() -> None:
    y, probability = drawn(300, 1)
    many = np.tile(y, 10), np.tile(probability, 10)
    alone = calibration_intervals(*many)
    grouped = calibration_intervals(*many, groups=np.tile(np.arange(300), 10))
    width = [(part.bins["observed_high"] - part.bins["observed_low"]).mean() for part in (alone, grouped)]
    # 300 instead of 3,000 independent rows: about the square root of ten times as wide
    assert 2 < width[1] / width[0] < 4.5
    assert grouped.n_groups == 300


def test_unknown_targets_count_nowhere_and_order_changes_nothing() -> None:
    y, probability = drawn(1_000, 2)
    extra = np.r_[y, np.full(50, np.nan)], np.r_[probability, np.full(50, 0.9)]
    assert calibration_intervals(*extra).error == pytest.approx(calibration_error(y, probability))
    assert calibration_intervals([np.nan], [0.5]).n_groups == 0


def test_each_moment_has_a_line_of_its_own() -> None:
    (y, good), (later, bad) = drawn(1_000, 3), drawn(1_000, 4, shift=0.3)
    as_of = np.repeat([5 * DAY, 9 * DAY], 1_000)
    found = calibration_over_time(np.r_[y, later], np.r_[good, bad], as_of)
    assert found["n"].tolist() == [1_000, 1_000]
    assert found["n_positive"].tolist() == [y.sum(), later.sum()]
    assert found["error"].tolist() == [calibration_error(y, good), calibration_error(later, bad)]
    assert found["error_low"].iloc[1] > found["error"].iloc[0]


def test_what_is_no_probability_is_refused() -> None:
    with pytest.raises(OptionError):
        calibration_intervals([1.0, 0.0], [1.5, 0.2])
    with pytest.raises(OptionError):
        calibration_intervals([1.0, 0.0], [0.5, 0.2], n_draws=1)
