from __future__ import annotations

import json
import re
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import cross_val_score
from sklearn.utils.estimator_checks import parametrize_with_checks

from muledetect.clock import parse_time
from muledetect.errors import ModelError, OptionError
from muledetect.model import MuleModel

NAMES = [
    "pass_through__window_24h",
    "pass_through__window_7d",
    "in_amount__window_7d",
    "since_last_in",
    "in_count__window_7d",
]


def table(n: int = 600, seed: int = 0, share: float = 0.2) -> tuple[pd.DataFrame, np.ndarray]:
    rng = np.random.default_rng(seed)
    y = (rng.random(n) < share).astype(float)
    through = np.clip(0.4 + 0.4 * y + rng.normal(0, 0.2, n), 0, 1)
    columns: dict[str, Any] = {
        "account_id": [f"{seed}-{i}" for i in range(n)],
        "as_of": pd.Timestamp("2025-03-01", tz="UTC"),
        NAMES[0]: through,
        NAMES[1]: through * 0.9,
        NAMES[2]: rng.lognormal(12, 1, n).round(),
        NAMES[3]: rng.exponential(86_400 * 20, n),
        NAMES[4]: rng.poisson(3, n).astype(float),
    }
    features = pd.DataFrame(columns)
    features.loc[rng.random(n) < 0.1, NAMES[3]] = np.nan
    return features, y


def small(**options: Any) -> MuleModel:
    return MuleModel(**{"n_estimators": 25, "n_bags": 2, **options})


def test_the_same_rows_in_another_order_and_under_other_names_give_the_same_model() -> None:
    features, y = table()
    groups = np.arange(len(y)) // 3
    model = small().fit(features, y, groups=groups)
    order = np.random.default_rng(1).permutation(len(y))
    renamed = features.assign(account_id=[f"x{i}" for i in range(len(y))]).iloc[order]
    other = small(n_jobs=1).fit(renamed, y[order], groups=[f"g{-group}" for group in groups[order]])
    assert other.texts_ == model.texts_
    assert other.calibrator_ == model.calibrator_
    np.testing.assert_array_equal(other.peers_.p99, model.peers_.p99)


def test_the_number_of_threads_changes_nothing() -> None:
    features, y = table()
    one, two = small(n_jobs=1).fit(features, y), small(n_jobs=2).fit(features, y)
    assert one.texts_ == two.texts_
    np.testing.assert_array_equal(one.decision_function(features), two.decision_function(features))


def test_tables_of_any_kind_give_the_same_scores() -> None:
    features, y = table()
    model = small().fit(features, y)
    score = model.decision_function(features)
    np.testing.assert_array_equal(model.decision_function(pa.Table.from_pandas(features)), score)
    with pytest.warns(UserWarning, match="feature names"):
        np.testing.assert_array_equal(model.decision_function(features[NAMES].to_numpy()), score)
    shuffled = features[[*reversed(NAMES), "as_of", "account_id"]].assign(more=1.0)
    np.testing.assert_array_equal(model.decision_function(shuffled), score)
    assert small().fit(pa.Table.from_pandas(features), y).texts_ == model.texts_


def test_the_probability_rises_with_the_score_and_means_a_share() -> None:
    features, y = table(2000)
    model = small().fit(features, y)
    later, y_later = table(2000, seed=9)
    probability = model.predict_proba(later)
    np.testing.assert_allclose(probability.sum(axis=1), 1.0)
    order = np.argsort(model.decision_function(later))
    assert (np.diff(probability[order, 1]) >= 0).all()
    assert abs(probability[:, 1].mean() - y_later.mean()) < 0.03


def test_unknown_targets_are_left_out_and_counted() -> None:
    features, y = table()
    unknown = y.copy()
    unknown[:100] = np.nan
    model = small().fit(features, unknown)
    assert model.texts_ == small().fit(features.iloc[100:], y[100:]).texts_
    assert "100 rows of unknown target were left out" in model.notes_[0]


def test_a_later_moment_calibrates_what_an_earlier_one_trained() -> None:
    (first, y_first), (later, y_later) = table(1500, seed=1), table(seed=2)
    later["as_of"] = pd.Timestamp("2025-04-01", tz="UTC")
    model = small().fit(pd.concat([first, later]), np.concatenate([y_first, y_later]))
    assert model.training_as_of_ == (parse_time("2025-03-01"), parse_time("2025-04-01"))
    assert model.calibration_as_of_ == (parse_time("2025-04-01"),)
    assert "later than what trees grown for it saw" in " ".join(model.notes_)


def test_the_trees_that_are_kept_see_the_latest_moment_too() -> None:
    (first, y_first), (later, y_later) = table(1500, seed=1), table(seed=2)
    later["as_of"] = pd.Timestamp("2025-04-01", tz="UTC")
    rows, y = pd.concat([first, later]), np.concatenate([y_first, y_later])
    model = small(early_stopping=False).fit(rows, y)
    leaves = re.search(r"^leaf_count=(.*)$", model.texts_[0], re.MULTILINE)
    assert leaves is not None
    # a tree is grown on some 80% of the rows, here of 2,100; the first moment alone has 1,500
    assert sum(map(int, leaves[1].split())) > len(first)


@pytest.mark.slow
def test_trees_stop_where_more_of_them_do_worse_on_unseen_rows() -> None:
    features, y = table(1200, seed=4)
    features["as_of"] = pd.to_datetime(np.where(np.arange(1200) < 900, "2025-03-01", "2025-04-01"), utc=True)
    # three targets in ten are drawn by lot: whoever goes on learning learns them by heart
    drawn = np.random.default_rng(0)
    noisy = np.where(drawn.random(len(y)) < 0.3, drawn.integers(0, 2, len(y)), y).astype(float)
    hasty = {"n_estimators": 300, "learning_rate": 0.3, "min_child_samples": 2, "reg_lambda": 0.0}
    stopped = small(**hasty).fit(features, noisy)
    assert stopped.n_trees_ < 300
    assert stopped.boosters_[0].num_trees() == stopped.n_trees_
    assert f"{stopped.n_trees_} of 300 trees are kept" in " ".join(stopped.notes_)
    assert small(**hasty, early_stopping=False).fit(features, noisy).n_trees_ == 300


def test_the_calibrator_does_not_starve_the_trees() -> None:
    # 120 positives of each moment: calibrating on the later would leave the trees half of them
    (first, y_first), (later, y_later) = table(seed=1), table(seed=2)
    later["as_of"] = pd.Timestamp("2025-04-01", tz="UTC")
    model = small().fit(pd.concat([first, later]), np.concatenate([y_first, y_later]))
    assert len(model.training_as_of_) == 2
    assert "by 3 folds" in " ".join(model.notes_)


def test_accounts_that_were_positive_before_do_not_calibrate() -> None:
    # the later positives are the earlier ones again, so folds have to do
    first, y = table()
    later = first.assign(as_of=pd.Timestamp("2025-04-01", tz="UTC"))
    model = small().fit(pd.concat([first, later]), np.concatenate([y, y]))
    assert len(model.training_as_of_) == 2
    assert "by 3 folds that keep groups whole, as no later moments hold 20 new positives" in " ".join(model.notes_)


def test_with_few_positives_only_the_mean_is_matched_and_that_is_said() -> None:
    features, y = table(300)
    few = np.where(np.cumsum(y) <= 5, y, 0.0)
    model = small().fit(features, few)
    assert model.calibrator_.kind == "shift"
    assert "fewer than 20" in " ".join(model.notes_)
    assert abs(model.predict_proba(features)[:, 1].mean() - 5 / 300) < 0.05
    alone = small().fit(features, few, groups=np.where(few == 1, "ring", features["account_id"]))
    assert alone.calibrator_.kind == "shift"
    assert "one group" in " ".join(alone.notes_)


def test_trees_see_no_duration_longer_than_the_cap() -> None:
    features, y = table()
    model = small(max_duration="30d").fit(features, y)
    since = features["since_last_in"]
    longer = features.assign(since_last_in=since.mask(since > 31 * 86_400, 1e9))
    np.testing.assert_array_equal(model.decision_function(longer), model.decision_function(features))


def test_reasons_name_what_raises_the_score_in_words() -> None:
    features, y = table(2000)
    model = small().fit(features, y)
    top = features.iloc[np.argsort(-model.decision_function(features))[:5]]
    for reasons, (_, row) in zip(model.explain(top, n_reasons=3), top.iterrows(), strict=True):
        first = reasons[0]
        assert first["code"] == "PASS_THROUGH"
        assert first["feature"] in NAMES[:2]
        assert first["value"] == np.float32(row[first["feature"]])
        assert "of the money received had left the account again" in first["text"]
        assert "among ordinary accounts 99 of 100 stay at or below" in first["text"]
        # the two windows of one column are one reason
        assert len({reason["code"] for reason in reasons}) == len(reasons) <= 3
        contributions = [reason["contribution"] for reason in reasons]
        assert contributions == sorted(contributions, reverse=True)
        assert contributions[-1] > 0
    pa.array(model.explain(top))  # fits an Arrow list of structs


def test_peers_are_the_training_negatives() -> None:
    features, y = table()
    model = small().fit(features, y)
    counts = np.sort(features["in_count__window_7d"].to_numpy()[y == 0])
    assert model.peers_.p99[4] == counts[int(0.99 * (len(counts) - 1))]


def test_bad_input_is_refused_with_how_to_mend_it() -> None:
    features, y = table(100)
    with pytest.raises(ModelError, match=r"one class only \(0.0\)"):
        small().fit(features, np.zeros(100))
    with pytest.raises(ModelError, match="must hold numbers"):
        small().fit(features.assign(note="text"), y)
    with pytest.raises(ModelError, match="infinity"):
        small().fit(features.assign(since_last_in=np.inf), y)
    with pytest.raises(OptionError, match="positive_weight"):
        small(positive_weight="heavy").fit(features, y)
    model = small().fit(features, y)
    with pytest.raises(ModelError, match=r"1 of the 5 columns .* Hint: the table has 'since_last'"):
        model.predict(features.rename(columns={"since_last_in": "since_last"}))
    with pytest.raises(NotFittedError):
        small().predict(features)


@pytest.mark.parametrize("positive_weight", ["sqrt", "balanced"])
def test_positive_weights_change_scores_but_not_what_probabilities_mean(positive_weight: str) -> None:
    features, y = table(2000, share=0.05)
    model = small(positive_weight=positive_weight).fit(features, y)
    assert abs(model.predict_proba(features)[:, 1].mean() - y.mean()) < 0.02


def test_it_works_in_cross_validation_and_clones() -> None:
    features, y = table()
    scores = cross_val_score(small(), features[NAMES], y, scoring="average_precision", cv=2)
    assert scores.min() > 2 * y.mean()
    assert clone(small(num_leaves=7)).get_params()["num_leaves"] == 7
    json.dumps(small().get_params())


EXPECTED_FAILURES = {
    "check_sample_weight_equivalence_on_dense_data": "rows are sampled by position, as in LightGBM itself",
}


@parametrize_with_checks(
    [MuleModel(n_estimators=30, n_bags=1, n_jobs=1)], expected_failed_checks=lambda _: EXPECTED_FAILURES
)
def test_it_is_a_scikit_learn_estimator(estimator: Any, check: Any) -> None:
    check(estimator)
