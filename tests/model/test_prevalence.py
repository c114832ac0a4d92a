"""Probabilities at a stated prevalence, and the prevalence that known mules tell."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import expit, logit

from muledetect.errors import DataError, OptionError
from muledetect.model.fitted import TrainedOn
from muledetect.model.prevalence import (
    MIN_KNOWN,
    estimate_prevalence,
    match_prevalence,
    parse_share,
    with_prevalence,
)


def bank(share: float, n: int = 40_000, gap: float = 4.0, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Return scores and who is a mule; scores are normal with variance 1 in both classes."""
    random = np.random.default_rng(seed)
    is_mule = random.random(n) < share
    return random.normal(size=n) + gap * is_mule, is_mule


def calibrated(score: np.ndarray, share: float, gap: float = 4.0) -> np.ndarray:
    """Return P(mule) at a prevalence: the log-ratio of the two normal densities is gap * score - gap^2 / 2."""
    return np.asarray(expit(gap * score - gap**2 / 2 + logit(share)))


@pytest.mark.parametrize("share", [0.001, 0.01, 0.2])
def test_where_the_bank_is_as_the_training_the_move_is_that_of_the_priors(share: float) -> None:
    score, is_mule = bank(share)
    before = calibrated(score, 0.003)
    after = match_prevalence(before, float(is_mule.mean()))
    moved = logit(after) - logit(before)
    usual = (before > 1e-9) & (before < 1 - 1e-9)
    assert np.ptp(moved[usual]) < 1e-6
    assert moved[usual][0] == pytest.approx(logit(is_mule.mean()) - logit(0.003), abs=0.35)
    found = after > 0.5
    assert is_mule[found].mean() == pytest.approx(after[found].mean(), abs=0.15)


def test_scores_that_are_all_lower_than_in_the_training_are_made_up_for() -> None:
    """A stranger's bank: the same order, but all log-odds lower by 8. The move of the priors alone finds few."""
    score, is_mule = bank(0.02)
    lower = expit(logit(np.clip(calibrated(score, 0.003), 1e-12, 1 - 1e-12)) - 8)
    by_priors = expit(logit(np.clip(lower, 1e-12, 1 - 1e-12)) + logit(0.02) - logit(0.003))
    matched = match_prevalence(lower, 0.02)
    assert by_priors.sum() < 0.25 * is_mule.sum()
    assert matched.mean() == pytest.approx(0.02)
    assert (matched > 0.5).sum() == pytest.approx(is_mule.sum(), rel=0.15)


@settings(deadline=None)
@given(
    st.lists(st.floats(0, 1), min_size=1, max_size=40),
    st.floats(0.0001, 0.9999),
)
def test_order_stays_and_the_mean_is_the_prevalence(values: list[float], share: float) -> None:
    given_, turned = np.array(values), np.random.default_rng(0).permutation(len(values))
    after = match_prevalence(given_, share)
    assert after.mean() == pytest.approx(share, abs=1e-6)
    order = np.argsort(given_, kind="stable")
    assert (np.diff(after[order]) >= 0).all()
    assert (match_prevalence(given_[turned], share) == after[turned]).all()


def test_nobody_has_no_probability() -> None:
    assert len(match_prevalence([], 0.1)) == 0


@pytest.mark.parametrize("share", [0, 1, -0.1, 30, float("nan")])
def test_a_share_is_asked_for(share: float) -> None:
    with pytest.raises(OptionError, match=r"prevalence: .* inside \(0, 1\)"):
        match_prevalence([0.1], share)


@pytest.mark.parametrize(
    ("text", "value"), [("0.3%", 0.003), ("0.003", 0.003), (" 5 % ", 0.05), (".5", 0.5), (0.02, 0.02), (12, 12)]
)
def test_percent_is_read(text: float | str, value: float) -> None:
    assert parse_share(text, "it") == pytest.approx(value)


@pytest.mark.parametrize("text", ["0,3%", "some", "%", "1e-3", "-1", "0", "", "0.3%%", None, [1]])
def test_what_is_no_share_is_told(text: object) -> None:
    with pytest.raises(OptionError, match=r"^it: must be a number above 0, or percent such as 0\.3%; got "):
        parse_share(text, "it")  # type: ignore[arg-type]


@pytest.mark.parametrize("share", [0.003, 0.02])
@pytest.mark.parametrize("found", [0.2, 0.8])
def test_known_mules_drawn_at_random_tell_how_many_there_are(share: float, found: float) -> None:
    ratios = []
    for seed in range(20):
        score, is_mule = bank(share, gap=5.0, seed=seed)
        estimate = estimate_prevalence(
            score, is_mule & (np.random.default_rng(1_000 + seed).random(len(score)) < found)
        )
        assert not estimate.is_bound
        assert estimate.lower <= estimate.share
        ratios.append(estimate.share / is_mule.mean())
    assert 0.75 < np.median(ratios) < 1.25
    assert max(ratios) < 2
    assert min(ratios) > 0.3


def test_few_known_mules_give_a_lower_bound_only() -> None:
    score, is_mule = bank(0.02)
    known = np.zeros(len(score), bool)
    known[np.flatnonzero(is_mule)[: MIN_KNOWN - 1]] = True
    found = estimate_prevalence(score, known)
    assert found.is_bound
    assert found.share == found.lower == (MIN_KNOWN - 1) / len(score)


def test_known_mules_that_score_as_everybody_give_a_lower_bound_only() -> None:
    score, _ = bank(0.02)
    known = np.random.default_rng(3).random(len(score)) < 0.005
    found = estimate_prevalence(score, known)
    assert found.is_bound
    assert found.share == found.lower == known.mean()


def test_without_known_mules_another_way_is_shown() -> None:
    with pytest.raises(DataError, match="Give the share as a number, or a budget"):
        estimate_prevalence(np.arange(5.0), np.zeros(5, bool))


def test_order_does_not_matter_and_all_equal_scores_are_no_error() -> None:
    score, is_mule = bank(0.02, n=2_000)
    known, turned = is_mule & (np.arange(2_000) % 3 == 0), np.random.default_rng(1).permutation(2_000)
    assert estimate_prevalence(score, known) == estimate_prevalence(score[turned], known[turned])
    assert estimate_prevalence(np.ones(2_000), known).is_bound


def test_a_model_keeps_the_share_that_it_was_calibrated_at() -> None:
    y, weight = np.array([True, False, False]), np.array([1.0, 2.0, 7.0])
    assert with_prevalence(TrainedOn("ever"), y, weight, None) == TrainedOn("ever", prevalence=0.1)
    corrected = with_prevalence(TrainedOn(), y, weight, {"is_bound": False, "label_frequency": 0.5})
    assert (corrected.prevalence, corrected.is_prevalence_known) == (0.2, True)
    unknown = with_prevalence(TrainedOn(), y, weight, {"is_bound": True, "label_frequency": None})
    assert (unknown.prevalence, unknown.is_prevalence_known) == (0.1, False)
