"""Splitters in time and by group: what must lie on one side, and that scikit-learn takes them."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
import sklearn
from hypothesis import given, reject
from hypothesis import strategies as st
from sklearn.base import clone
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.tree import DecisionTreeClassifier

from muledetect.clock import DAY, parse_time
from muledetect.errors import DataError, OptionError
from muledetect.labels import ForwardSplit, GroupFolds, GroupHoldout
from muledetect.model import MuleModel

START = parse_time("2025-01-01")


def panel(n_accounts: int = 60, n_moments: int = 8, seed: int = 0) -> tuple[pd.DataFrame, np.ndarray, np.ndarray]:
    """Return every account at weekly moments, targets, and groups of three accounts."""
    drawn = np.random.default_rng(seed)
    account = np.tile(np.arange(n_accounts), n_moments)
    at = START + 7 * DAY * np.repeat(np.arange(n_moments), n_accounts)
    value = drawn.normal(size=len(account))
    y = (value + drawn.normal(size=len(account)) > 1.8).astype(float)
    table = pd.DataFrame(
        {
            "account_id": [f"a{code:03d}" for code in account],
            "as_of": pd.to_datetime(at, unit="us", utc=True),
            "x": value,
            "z": drawn.normal(size=len(account)),
        }
    )
    return table, y, account // 3


def micros(table: pd.DataFrame) -> np.ndarray:
    return table["as_of"].dt.tz_localize(None).to_numpy().astype("datetime64[us]").astype(np.int64)


def test_forward_splits_are_the_ones_worked_out_by_hand() -> None:
    # days 0 to 7, three splits: 4 blocks of 2 moments, the last three are tested; training ends 2 days before each
    at = START + DAY * np.arange(8)
    found = [(train.tolist(), test.tolist()) for train, test in ForwardSplit(3, embargo="2d", as_of=at).split(at)]
    assert found == [([0], [2, 3]), ([0, 1, 2], [4, 5]), ([0, 1, 2, 3, 4], [6, 7])]


def test_blocks_shrink_where_the_embargo_takes_the_room() -> None:
    # an embargo of 6 days leaves days 6 and 7, one for each of two splits
    at = START + DAY * np.arange(8)
    found = [(train.tolist(), test.tolist()) for train, test in ForwardSplit(2, embargo="6d", as_of=at).split(at)]
    assert found == [([0], [6]), ([0, 1], [7])]


@given(
    days=st.lists(st.integers(0, 40), min_size=4, max_size=60),
    n_splits=st.integers(1, 4),
    gap=st.integers(0, 12),
    seed=st.integers(0, 99),
)
@pytest.mark.slow
def test_the_embargo_is_kept_and_no_row_is_tested_twice(days: list[int], n_splits: int, gap: int, seed: int) -> None:
    at = START + DAY * np.array(days)
    group = np.random.default_rng(seed).integers(0, 5, len(at))
    try:
        found = list(ForwardSplit(n_splits, embargo=f"{gap}d", as_of=at, known="any").split(at, groups=group))
    except DataError:
        reject()
    assert len(found) == n_splits
    for train, test in found:
        assert at[test].min() - at[train].max() >= max(gap * DAY, 1)
        assert not set(group[test]) & set(group[train])
    tested = np.concatenate([test for _, test in found])
    assert len(np.unique(tested)) == len(tested)
    grown = [set(train.tolist()) for train, _ in found]
    assert all(early <= late for early, late in pairwise(grown))


@given(n_moments=st.integers(3, 30), n_splits=st.integers(1, 6), gap=st.integers(0, 10))
def test_every_row_of_the_last_moments_is_tested_once(n_moments: int, n_splits: int, gap: int) -> None:
    at = np.repeat(START + DAY * np.arange(n_moments), 2)
    n_testable = n_moments - max(gap, 1)
    if min(n_moments // (n_splits + 1), n_testable // n_splits) < 1:
        with pytest.raises(DataError, match="fewer splits"):
            list(ForwardSplit(n_splits, embargo=f"{gap}d", as_of=at).split(at))
        return
    found = list(ForwardSplit(n_splits, embargo=f"{gap}d", as_of=at).split(at))
    tested = np.sort(np.concatenate([test for _, test in found]))
    np.testing.assert_array_equal(tested, np.arange(tested[0], len(at)))


def test_a_group_that_was_positive_in_training_is_not_tested_but_innocent_ones_come_again() -> None:
    table, y, group = panel()
    for train, test in ForwardSplit(3, embargo="7d").split(table, y, group):
        found = set(group[train][y[train] == 1])
        assert found
        assert not found & set(group[test])
        assert set(group[test]) & set(group[train])
        at = micros(table)
        in_block = (at >= at[test].min()) & (at <= at[test].max())
        np.testing.assert_array_equal(test, np.flatnonzero(in_block & ~np.isin(group, list(found))))


def test_an_unknown_target_makes_no_group_known() -> None:
    # group 0 is unknown in training and so is tested; group 1 was positive
    at = START + DAY * np.array([0, 0, 0, 1, 1, 1, 1])
    group, y = np.array([0, 1, 2, 0, 1, 2, 3]), np.array([np.nan, 1, 0, 1, 0, 0, np.nan])
    [(train, test)] = ForwardSplit(1, embargo="0d", as_of=at).split(at, y, group)
    assert train.tolist() == [0, 1, 2]
    assert test.tolist() == [3, 5, 6]


@pytest.mark.parametrize("form", ["arrow", "micros", "array"])
def test_moments_may_come_from_any_table_or_from_the_constructor(form: str) -> None:
    table, y, group = panel()
    at = micros(table)
    given_table = {"arrow": pa.Table.from_pandas(table), "micros": table.assign(as_of=at), "array": table[["x"]]}[form]
    times = at.astype("datetime64[us]") if form == "array" else None
    found = list(ForwardSplit(2, embargo="7d", as_of=times).split(given_table, y, group))
    wanted = list(ForwardSplit(2, embargo="7d").split(table, y, group))
    for ours, theirs in zip(found, wanted, strict=True):
        np.testing.assert_array_equal(ours[0], theirs[0])
        np.testing.assert_array_equal(ours[1], theirs[1])


@given(
    size=st.lists(st.integers(1, 6), min_size=6, max_size=30),
    n_splits=st.integers(2, 4),
    seed=st.integers(0, 9),
)
def test_folds_keep_groups_whole_and_test_every_row_once(size: list[int], n_splits: int, seed: int) -> None:
    group = np.repeat(np.arange(len(size)), size)
    values = np.random.default_rng(seed).normal(size=(len(group), 2))
    found = list(GroupFolds(n_splits, seed=seed).split(values, groups=group))
    assert len(found) == n_splits
    np.testing.assert_array_equal(np.sort(np.concatenate([test for _, test in found])), np.arange(len(group)))
    for train, test in found:
        assert not set(group[train]) & set(group[test])
        assert len(train) + len(test) == len(group)


@given(share=st.floats(0.1, 0.9), seed=st.integers(0, 99))
def test_a_holdout_keeps_groups_whole_and_takes_its_share_of_groups_and_of_positive_ones(
    share: float, seed: int
) -> None:
    table, y, group = panel()
    for train, test in GroupHoldout(share, n_splits=2, seed=seed).split(table, y, group):
        assert not set(group[train]) & set(group[test])
        assert len(train) + len(test) == len(group)
        for rows in (np.arange(len(y)), np.flatnonzero(y == 1)):
            n_groups = len(np.unique(group[rows]))
            n_tested = len(np.unique(group[np.intersect1d(rows, test)]))
            assert abs(n_tested - share * n_groups) < 1  # systematic: the floor or the ceiling of its share


def test_folds_spread_positives_to_within_the_largest_group() -> None:
    drawn = np.random.default_rng(3)
    group = drawn.integers(0, 400, 3000)
    y = (np.isin(group, np.arange(40)) & (drawn.random(3000) < 0.6)).astype(float)
    values = drawn.normal(size=(3000, 2))
    n_found = [int(y[test].sum()) for _, test in GroupFolds(5).split(values, y, group)]
    assert max(n_found) - min(n_found) <= np.bincount(group, weights=y).max()
    n_rows = [len(test) for _, test in GroupFolds(5).split(values, y, group)]
    assert max(n_rows) < 1.1 * min(n_rows)


@pytest.mark.parametrize("splitter", [GroupFolds(3, seed=5), GroupHoldout(0.4, seed=5), ForwardSplit(2, embargo="7d")])
def test_neither_row_order_nor_names_change_a_split(splitter: GroupFolds | GroupHoldout | ForwardSplit) -> None:
    table, y, group = panel()
    order = np.random.default_rng(1).permutation(len(y))
    changed = table.iloc[order].reset_index(drop=True)
    changed["account_id"] = "z" + changed["account_id"].str[::-1]
    names = np.array([f"g{(code * 7) % 61}" for code in group[order]])
    found = list(splitter.split(changed, y[order], names))
    for (train, test), (other_train, other_test) in zip(splitter.split(table, y, group), found, strict=True):
        np.testing.assert_array_equal(train, np.sort(order[other_train]))
        np.testing.assert_array_equal(test, np.sort(order[other_test]))


def test_another_seed_is_another_draw_and_the_same_seed_the_same() -> None:
    table, y, group = panel()
    for kind in (GroupFolds, GroupHoldout):
        first, again, other = (next(kind(seed=seed).split(table, y, group))[1].tolist() for seed in (0, 0, 1))
        assert first == again != other


def test_a_row_without_group_is_one_of_its_own() -> None:
    group = np.array([np.nan] * 8)
    n_tested = [len(test) for _, test in GroupFolds(4).split(np.arange(8.0), groups=group)]
    assert n_tested == [2, 2, 2, 2]


@pytest.mark.parametrize("splitter", [ForwardSplit(2, embargo="7d"), GroupFolds(3), GroupHoldout(0.5, n_splits=2)])
def test_scikit_learn_takes_the_splitters(splitter: GroupFolds | GroupHoldout | ForwardSplit) -> None:
    table, y, group = panel()
    model = MuleModel(n_estimators=3, n_bags=1, n_jobs=1)
    scores = cross_val_score(model, table, y, groups=group, cv=splitter, scoring="average_precision")
    assert len(scores) == splitter.get_n_splits()
    assert np.isfinite(scores).all()
    by_hand = []
    for train, test in splitter.split(table, y, group):
        fitted = clone(model).fit(table.iloc[train], y[train])
        score = fitted.decision_function(table.iloc[test])
        by_hand.append(sklearn.metrics.average_precision_score(y[test], score))
    np.testing.assert_array_equal(scores, by_hand)


def test_a_grid_search_runs_on_a_splitter_and_with_metadata_routing() -> None:
    table, y, group = panel()
    search = GridSearchCV(
        DecisionTreeClassifier(random_state=0), {"max_depth": [1, 3]}, cv=GroupFolds(3), scoring="roc_auc"
    ).fit(table[["x", "z"]], y, groups=group)
    with sklearn.config_context(enable_metadata_routing=True):
        pipe = make_pipeline(StandardScaler(), LogisticRegression())
        scores = cross_val_score(pipe, table[["x"]], y, params={"groups": group}, cv=GroupFolds(3), scoring="roc_auc")
    assert search.n_splits_ == len(scores) == 3
    assert search.best_score_ > 0.6


def test_a_splitter_shows_its_parameters() -> None:
    assert repr(GroupFolds(3, seed=2)) == "GroupFolds(n_splits=3, seed=2)"


@pytest.mark.parametrize(
    ("splitter", "given", "error", "words"),
    [
        (ForwardSplit(2, embargo="90d"), {}, DataError, "shorter 'embargo'"),
        (ForwardSplit(0), {}, OptionError, "'n_splits' must be 1 or more"),
        (ForwardSplit(2, known="all"), {}, OptionError, "one of positive, any"),
        (ForwardSplit(2, embargo="7d", as_of=[START]), {}, DataError, "need a moment each; got 1 of 1"),
        (ForwardSplit(2, embargo="7d"), {"X": np.zeros((480, 2))}, DataError, "column 'as_of'"),
        (ForwardSplit(2, embargo="7d"), {"y": None}, OptionError, "'y' is needed too"),
        (ForwardSplit(2, embargo="7d"), {"y": np.zeros(480)}, DataError, "0 positive"),
        (ForwardSplit(2, embargo="7d", known="any"), {}, DataError, "split 1 of 2: the test side has 0 rows"),
        (GroupFolds(3), {"groups": None}, OptionError, "'groups' says what must not be split"),
        (GroupFolds(3), {"groups": np.zeros(3)}, DataError, "one group for each of 480 rows"),
        (GroupFolds(3), {"y": np.full(480, 2.0)}, DataError, "y must hold 1, 0 or NaN"),
        (GroupFolds(3), {"y": np.array(["a"] * 480)}, DataError, "it holds no numbers"),
        (GroupFolds(21), {}, DataError, "fold 21 of 21: the test side has 0 rows"),
        (GroupFolds(1), {}, OptionError, "'n_splits' must be 2 or more"),
        (GroupHoldout(1.0), {}, OptionError, "'share' must lie between 0 and 1"),
    ],
)
def test_what_cannot_be_split_is_told(
    splitter: GroupFolds | GroupHoldout | ForwardSplit, given: dict[str, object], error: type[Exception], words: str
) -> None:
    table, y, group = panel()
    arguments = {"X": table, "y": y, "groups": group, **given}
    with pytest.raises(error, match=words):
        list(splitter.split(**arguments))
