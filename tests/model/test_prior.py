"""How many mules there are where only some are labelled."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from muledetect.errors import OptionError
from muledetect.model.prior import LEAST_FREQUENCY, correct_probability, estimate_prior


def bank(n: int = 20_000, share: float = 0.05, frequency: float = 0.6, gap: float = 5.0) -> tuple[np.ndarray, ...]:
    """Return scores, labels selected at random among mules, and who is a mule."""
    random = np.random.default_rng(0)
    is_mule = random.random(n) < share
    score = random.normal(size=n) + np.where(is_mule, gap, 0.0)
    return score, is_mule & (random.random(n) < frequency), is_mule


def test_where_mules_stand_apart_their_number_is_found() -> None:
    score, is_labelled, is_mule = bank()
    found = estimate_prior(score, is_labelled)
    assert found.label_frequency == pytest.approx(0.6, abs=0.05)
    assert found.lower <= found.prior <= found.upper
    assert found.lower <= is_mule.mean() <= found.upper
    assert found.prior == pytest.approx(is_mule.mean(), rel=0.1)
    assert not found.is_bound


def test_all_labelled_means_that_nothing_is_hidden() -> None:
    score, is_labelled, is_mule = bank(frequency=1.0)
    found = estimate_prior(score, is_labelled)
    assert found.label_frequency == pytest.approx(1.0, abs=0.03)
    assert found.prior == pytest.approx(is_mule.mean(), rel=0.05)


def test_scores_that_tell_nothing_give_a_bound_only() -> None:
    random = np.random.default_rng(1)
    score, is_labelled = random.normal(size=5_000), random.random(5_000) < 0.03
    found = estimate_prior(score, is_labelled)
    assert found.is_bound
    assert found.label_frequency < LEAST_FREQUENCY


def test_too_few_labels_or_groups_say_so() -> None:
    score, is_labelled, _ = bank(200, share=0.02)
    found = estimate_prior(score, is_labelled)
    assert np.isnan(found.prior)
    assert found.upper == 1.0
    score, is_labelled, _ = bank()
    one_ring = np.where(is_labelled, 0, np.arange(len(score)))
    assert np.isnan(estimate_prior(score, is_labelled, groups=one_ring).prior)


def test_order_of_rows_changes_nothing_and_weights_count_rows() -> None:
    score, is_labelled, _ = bank(4_000)
    group = np.arange(4_000) // 4
    turned = np.random.default_rng(2).permutation(4_000)
    found = estimate_prior(score, is_labelled, groups=group)
    assert estimate_prior(score[turned], is_labelled[turned], groups=group[turned]) == found
    twice = estimate_prior(score, is_labelled, np.full(4_000, 2.0), groups=group)
    assert twice.prior == pytest.approx(found.prior)


def test_probabilities_are_divided_by_the_frequency_and_end_at_one() -> None:
    np.testing.assert_allclose(correct_probability([0.0, 0.1, 0.4, 0.9], 0.5), [0.0, 0.2, 0.8, 1.0])


@settings(max_examples=50, deadline=None)
@given(st.lists(st.floats(0, 1), min_size=2, max_size=20), st.floats(0.01, 1))
def test_corrected_probabilities_never_fall_and_stay_probabilities(given_: list[float], frequency: float) -> None:
    ordered = np.sort(given_)
    corrected = correct_probability(ordered, frequency)
    assert (np.diff(corrected) >= 0).all()
    assert (corrected >= ordered).all()
    assert corrected.max() <= 1


@pytest.mark.parametrize("frequency", [0.0, -1.0, 1.1, float("nan")])
def test_an_impossible_frequency_is_refused(frequency: float) -> None:
    with pytest.raises(OptionError, match="label_frequency"):
        correct_probability([0.5], frequency)


def test_bad_columns_are_refused() -> None:
    with pytest.raises(OptionError, match="probabilities must lie"):
        correct_probability([1.5], 0.5)
    with pytest.raises(OptionError):
        estimate_prior([0.1, np.nan], [True, False])
    with pytest.raises(OptionError):
        estimate_prior([0.1, 0.2], [True])
    with pytest.raises(OptionError, match="method must be one of"):
        estimate_prior([0.1, 0.2], [True, False], method="best")  # type: ignore[arg-type]
