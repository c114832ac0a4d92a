from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from muledetect.errors import DataError
from muledetect.evaluation import compare_baselines
from muledetect.model import MuleModel


def table(n: int, seed: int) -> tuple[pd.DataFrame, np.ndarray]:
    rng = np.random.default_rng(seed)
    y = (rng.random(n) < 0.2).astype(float)
    return pd.DataFrame(
        {
            "in_amount__window_all": rng.lognormal(10, 1, n),
            "out_amount__window_all": rng.lognormal(10, 1, n),
            "in_counterparties__window_all": rng.poisson(5, n).astype(float),
            "pass_through__window_24h": np.clip(0.5 + 0.5 * y + rng.normal(0, 0.3, n), 0, 1),
            "in_burst__window_7d": rng.random(n),
            "holding_time_median__window_all": rng.lognormal(13.5 - 0.5 * y, 0.5, n),  # a week is e^13.3 seconds
        }
    ), y


def test_all_baselines_stand_in_one_table_with_the_model() -> None:
    (train, y_train), (test, y_test) = table(400, 0), table(300, 1)
    compared = compare_baselines(
        train,
        y_train,
        test,
        y_test,
        value=np.ones(300),
        model=MuleModel(n_estimators=20, n_bags=1).fit(train, y_train),
        alerts=(10, 0.01),
        n_draws=20,
    )
    assert compared.index.tolist() == [
        "random",
        "total volume",
        "in-degree",
        "rules only",
        "plain LightGBM",
        "LightGBM without graph",
        "this model",
    ]
    ap = compared["average_precision"]
    assert ap["this model"] > ap["LightGBM without graph"]
    assert ap["rules only"] > ap["random"]
    assert (compared["low"] <= ap).all()
    assert (ap <= compared["high"]).all()
    assert compared.columns[-1] == "roc_auc"
    np.testing.assert_allclose(compared["value_recall@10"], compared["recall@10"])


def test_baselines_that_lack_their_columns_are_left_out() -> None:
    (train, y_train), (test, y_test) = table(200, 0), table(200, 1)
    kept = ["pass_through__window_24h"]
    compared = compare_baselines(
        train[kept], y_train, test[kept], y_test, model=MuleModel(n_estimators=5, n_bags=1).fit(train[kept], y_train)
    )
    assert compared.index.tolist() == ["random", "rules only", "this model"]


def test_a_test_side_of_one_class_is_refused() -> None:
    train, y = table(50, 0)
    with pytest.raises(DataError, match="0 positives"):
        compare_baselines(train, y, train, np.zeros(50))
