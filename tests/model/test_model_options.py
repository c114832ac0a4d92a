"""Monotone constraints, held-out scores, and the search for parameters."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from muledetect.errors import OptionError
from muledetect.features import feature_names
from muledetect.model import MuleModel
from muledetect.model.directions import LOWERS, RAISES, directions
from muledetect.model.options import PARAMETERS, check_parameters
from muledetect.model.trees import threads
from muledetect.model.tuning import SPACE, tune

LISTED, AGE, FREE = "listed_share__window_30d", "account_age", "in_count__window_7d"


def table(n: int = 900, seed: int = 0) -> tuple[pd.DataFrame, np.ndarray]:
    """Return three columns; the target falls with the first, though the domain says that it never does."""
    drawn = np.random.default_rng(seed)
    values = drawn.normal(size=(n, 3)).astype(np.float32)
    y = (values @ [-1.0, 0.7, 1.0] + drawn.normal(size=n) > 1.2).astype(float)
    return pd.DataFrame(values, columns=[LISTED, AGE, FREE]), y


def small(**options: object) -> MuleModel:
    return MuleModel(**{"n_estimators": 30, "n_bags": 2, "n_jobs": 1, **options})


def test_directions_name_columns_that_exist() -> None:
    known = {name.split("__")[0] for name in feature_names(pack="TH")}
    assert known >= RAISES | LOWERS
    assert not RAISES & LOWERS
    assert directions([LISTED, AGE, FREE]) == [1, -1, 0]


@pytest.mark.parametrize(("column", "sign"), [(LISTED, 1), (AGE, -1)])
def test_a_monotone_score_never_moves_the_wrong_way(column: str, sign: int) -> None:
    features, y = table()
    model = small(monotone=True).fit(features, y)
    free = small().fit(features, y)
    steps = np.linspace(-3, 3, 60, dtype=np.float32)
    wrong = 0
    for nth in range(40):
        line = pd.DataFrame(np.repeat(features.to_numpy()[[nth]], len(steps), axis=0), columns=features.columns)
        line[column] = steps
        assert (sign * np.diff(model.decision_function(line)) >= -1e-9).all()
        wrong += int((sign * np.diff(free.decision_function(line)) < -1e-9).any())
    assert wrong > 0


def test_held_out_scores_stand_for_the_rows_that_they_name() -> None:
    features, y = table()
    y[::7] = np.nan
    held = small().fit(features, y).held_out_
    assert sorted(held.position.tolist()) == np.flatnonzero(~np.isnan(y)).tolist()
    np.testing.assert_array_equal(held.is_positive, y[held.position] == 1)


def test_tuning_never_does_worse_on_the_held_out_rows_and_keeps_other_parameters() -> None:
    features, y = table()
    first = tune(features, y, model=small(max_bin=63), n_trials=1)
    assert {name: first.get_params()[name] for name in SPACE} == {
        name: MuleModel().get_params()[name] for name in SPACE
    }
    best = tune(features, y, model=small(max_bin=63), n_trials=4, seed=3)
    assert best.get_params() == tune(features, y, model=small(max_bin=63), n_trials=4, seed=3).get_params()
    assert best.max_bin == 63
    assert all(low <= best.get_params()[name] <= high for name, (low, high) in SPACE.items())
    with pytest.raises(OptionError, match="at least 1"):
        tune(features, y, n_trials=0)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"learning_rate": -1}, "learning_rate must be a number above 0, at most 1; got -1"),
        ({"learning_rate": float("nan")}, "learning_rate must be"),
        ({"num_leaves": 1}, "num_leaves must be a whole number from 2 to 4,096; got 1"),
        ({"num_leaves": 200_000}, "num_leaves must be"),
        ({"n_bags": 101}, "n_bags must be a whole number from 1 to 100; got 101"),
        ({"n_estimators": 2.5}, "n_estimators must be a whole number"),
        (
            {"max_bin": 1, "subsample": 0, "reg_lambda": -1},
            "max_bin must be .*; reg_lambda must be .*; subsample must be",
        ),
        ({"positive_weight": ["sqrt"]}, "positive_weight must be None, 'sqrt' or 'balanced'"),
        ({"monotone": "yes"}, "monotone must be True or False"),
        ({"n_jobs": "all"}, "n_jobs must be a whole number or None"),
        ({"max_duration": "soon"}, "Write a number and a unit"),
    ],
)
def test_a_parameter_out_of_range_is_named_with_its_range(options: dict[str, object], message: str) -> None:
    features, y = table(100)
    with pytest.raises(OptionError, match=message):
        MuleModel(**options).fit(features, y)


def test_every_parameter_has_a_rule_that_its_default_obeys() -> None:
    assert PARAMETERS.keys() == MuleModel().get_params().keys()
    check_parameters(MuleModel().get_params())


def test_no_more_threads_are_started_than_there_are_cores() -> None:
    assert threads(10**9) == threads(None) == threads(-1) >= threads(1) == 1
    features, y = table(100)
    assert small(n_jobs=10**6).fit(features, y).texts_ == small().fit(features, y).texts_
