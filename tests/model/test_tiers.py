"""Tiers by an alert budget where the share of mules in the bank is unknown."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from muledetect.clock import DAY
from muledetect.errors import DataError, OptionError
from muledetect.model.tiers import (
    BUDGET,
    LEAST_BUDGET,
    MOST_BUDGET,
    Basis,
    ordinary_score,
    read_basis,
    tiers_by_budget,
    tiers_by_probability,
)

ONE = np.zeros(0, np.int64)


def bank(n: int, n_mules: int, gap: float = 12.0) -> np.ndarray:
    """Return scores of honest accounts, and of some that stand far apart, each one's a little higher."""
    score = np.random.default_rng(0).normal(size=n)
    score[:n_mules] = gap + 0.01 * np.arange(n_mules)
    return score


def at_once(score: np.ndarray) -> np.ndarray:
    return np.zeros(len(score), np.int64)


def counts(tier: np.ndarray) -> dict[str, int]:
    return {name: int((tier == name).sum()) for name in ("suspected", "watch", "none")}


@pytest.mark.parametrize(
    ("n", "budget"), [(100, LEAST_BUDGET), (2_000, LEAST_BUDGET), (6_001, 31), (40_000, 200), (100_000, MOST_BUDGET)]
)
def test_the_budget_that_nobody_stated_is_half_a_percent_within_bounds(n: int, budget: int) -> None:
    score = bank(n, min(n, 300))
    if n == 100:
        score = bank(n, 20)
    tier, found = tiers_by_budget(score, at_once(score))
    assert found == budget
    assert np.flatnonzero(tier != "none").tolist() == sorted(np.argsort(-score)[:budget].tolist())
    assert counts(tier)["suspected"] == -(-budget // 3)
    assert BUDGET == 0.005


def test_the_suspected_are_the_highest_of_the_alerts() -> None:
    score = bank(4_000, 60)
    tier, _ = tiers_by_budget(score, at_once(score))
    assert score[tier == "suspected"].min() > score[tier == "watch"].max() > score[tier == "none"].max()


def test_a_bank_whose_accounts_are_all_alike_gets_no_alert() -> None:
    flat = np.random.default_rng(1).uniform(size=5_000)
    assert counts(tiers_by_budget(flat, at_once(flat))[0])["none"] == 5_000
    assert counts(tiers_by_budget(np.full(500, 2.0), at_once(np.empty(500)))[0])["none"] == 500


def test_only_those_that_no_ordinary_account_scores_are_alerts() -> None:
    score = bank(4_000, 4)
    tier, found = tiers_by_budget(score, at_once(score))
    assert (found, counts(tier)["none"]) == (20, 4_000 - int((score > ordinary_score(score)).sum()))
    assert set(np.flatnonzero(tier != "none")) >= {0, 1, 2, 3}
    assert counts(tier)["watch"] + counts(tier)["suspected"] < 20


def test_where_half_of_the_scores_are_equal_the_mean_distance_tells_who_is_ordinary() -> None:
    """Median 0, median distance 0, mean distance 40 / 100: 3.5 * 1.2533 * 0.4 = 1.75."""
    score = np.repeat([0.0, 1.0, 10.0], [69, 30, 1])
    assert ordinary_score(score) == pytest.approx(3.5 * 1.2533 * 0.4)
    assert np.flatnonzero(tiers_by_budget(score, at_once(score))[0] != "none").tolist() == [99]


def test_an_unit_of_the_score_does_not_matter() -> None:
    score = bank(3_000, 8, gap=5)
    wanted = tiers_by_budget(score, at_once(score))[0]
    assert (tiers_by_budget(0.25 * score - 8, at_once(score))[0] == wanted).all()


@pytest.mark.parametrize(("stated", "n"), [(7, 7), (7.0, 7), ("7", 7), (0.01, 20), ("1%", 20), ("0.0001", 1)])
def test_a_stated_budget_is_a_number_or_a_share_and_needs_no_outliers(stated: float | str, n: int) -> None:
    score = np.random.default_rng(2).uniform(size=2_000)
    tier, found = tiers_by_budget(score, at_once(score), stated)
    assert (found, 2_000 - counts(tier)["none"]) == (n, n)


def test_a_budget_larger_than_the_bank_still_leaves_ordinary_accounts_alone() -> None:
    score = np.arange(11.0)
    assert counts(tiers_by_budget(score, at_once(score), 50)[0]) == {"suspected": 5, "watch": 0, "none": 6}
    assert counts(tiers_by_budget(np.ones(11), at_once(score), 50)[0])["none"] == 11


@pytest.mark.parametrize("stated", [0, -1, float("nan"), float("inf"), "many", "", "0%", "-3", 2.5, True])
def test_what_is_no_budget_is_told(stated: float | str) -> None:
    with pytest.raises(OptionError, match=r"^budget: must be a "):
        tiers_by_budget(bank(50, 1), at_once(np.empty(50)), stated)


@settings(deadline=None)
@given(st.lists(st.integers(-3, 12), min_size=1, max_size=60), st.integers(1, 20))
def test_equal_scores_share_a_tier_in_any_order(values: list[int], budget: int) -> None:
    score = np.array(values, float)
    turned = np.random.default_rng(len(values)).permutation(len(score))
    for stated in (None, budget):
        tier, _ = tiers_by_budget(score, at_once(score), stated)
        assert all(len(set(tier[score == value])) == 1 for value in score)
        assert (tiers_by_budget(score[turned], at_once(score), stated)[0] == tier[turned]).all()


def test_each_moment_has_its_own_budget() -> None:
    score = np.concatenate([bank(2_000, 30), bank(2_000, 30) - 20])
    moment = np.repeat([1, 2], 2_000)
    tier, found = tiers_by_budget(score, moment)
    assert found == 10
    assert [counts(tier[moment == when])["none"] for when in (1, 2)] == [1_990, 1_990]


def test_without_accounts_there_are_no_tiers() -> None:
    tier, found = tiers_by_budget(np.empty(0), ONE)
    assert (len(tier), found) == (0, 0)


def test_probability_proposes_no_more_than_suspected() -> None:
    found = tiers_by_probability(np.array([0.0, 0.0999, 0.1, 0.4999, 0.5, 1.0]))
    assert found.tolist() == ["none", "none", "watch", "watch", "suspected", "suspected"]


@pytest.mark.parametrize(
    ("basis", "text"),
    [
        (
            Basis("unknown", None, 60),
            "prevalence unknown: tiers follow an alert budget of 60 accounts; probabilities are not those of your bank",
        ),
        (Basis("training", 0.012), "prevalence as in the training: tiers follow probability"),
        (Basis("training"), "prevalence as in the training: tiers follow probability"),
        (Basis("stated", 0.003), "prevalence 0.30% as stated: tiers follow probability"),
        (
            Basis("stated", 0.003, 1_200),
            "prevalence 0.30% as stated: tiers follow an alert budget of 1,200 accounts",
        ),
        (Basis("estimated", 0.0123), "prevalence 1.23%, estimated from known mules: tiers follow probability"),
        (
            Basis("estimated", 0.0001, is_bound=True),
            "prevalence at least 0.01%, estimated from known mules: tiers follow probability",
        ),
        (
            Basis("training", 0.01, short_record=(40 * DAY, 90 * DAY)),
            "prevalence as in the training: tiers follow probability; the record is only 40d long, the model looks "
            "back 90d: probabilities are less reliable",
        ),
    ],
)
def test_what_tiers_rest_on_is_said_and_stays_with_the_table(basis: Basis, text: str) -> None:
    assert basis.text == text
    assert all(part in basis.thai for part in ("ระดับ", "" if basis.budget is None else f"{basis.budget:,}"))
    table = pa.table({"a": [1]}).replace_schema_metadata({"other": "kept", **basis.to_metadata()})
    assert read_basis(table.select(["a"])) == basis
    assert basis.to_metadata()["muledetect.prevalence"] == (
        "unknown" if basis.source == "unknown" else "" if basis.prevalence is None else str(basis.prevalence)
    )


def test_a_table_that_does_not_say_is_told_from_one_that_was_changed() -> None:
    assert read_basis(pa.table({"a": [1]})) is None
    sound = Basis("stated", 0.1, 5).to_metadata()
    for changed in ({"prevalence": "much"}, {"prevalence": "7"}, {"prevalence_source": "me"}, {"budget": "-1"},
                    {"budget": "x"}, {"prevalence": "nan"}, {"short_record": "7"},
                    {"short_record": "x/9"}):  # fmt: skip
        told = sound | {f"muledetect.{name}": value for name, value in changed.items()}
        with pytest.raises(DataError, match=r"^scores: the metadata muledetect\.\* .* Score again\.$"):
            read_basis(pa.table({"a": [1]}).replace_schema_metadata(told))
