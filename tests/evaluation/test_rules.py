from __future__ import annotations

import re

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from muledetect.evaluation import rule_columns, rules_score
from muledetect.evaluation.rules import RULES, TIE_BREAK, Rule, is_met
from muledetect.features import registry

NAN = np.nan


def met(rule: Rule, **columns: list[float]) -> list[bool]:
    values = {name: np.array(column, dtype=float) for name, column in columns.items()}
    return is_met(rule, values, len(next(iter(values.values())))).tolist()


def test_a_rule_needs_all_its_conditions_in_the_same_window() -> None:
    rule = Rule(1, "quick and new", ("quick_{w} > 0.5", "new_{w} > 0.5"), ("7d", "30d"))
    found = met(
        rule,
        quick_7d=[0.9, 0.9, 0.1, NAN],
        new_7d=[0.9, 0.1, 0.1, 0.9],
        quick_30d=[0.1, 0.1, 0.8, 0.9],
        new_30d=[0.1, 0.9, 0.7, NAN],
    )
    assert found == [True, False, True, False]


def test_a_percentile_is_taken_over_the_positive_values_of_the_ranked_rows() -> None:
    # of 1, 2, 3, 4 the middle is 2.5; zeros and gaps are nobody's volume
    rule = Rule(1, "large", ("amount > p50",))
    assert met(rule, amount=[0, 1, 2, 3, 4, NAN]) == [False, False, False, True, True, False]
    assert met(rule, amount=[0, NAN]) == [False, False]


def test_a_limit_may_be_a_share_of_another_column() -> None:
    rule = Rule(1, "most of it", ("through > 0.5 * all",))
    assert met(rule, through=[6, 5, 6], all=[10, 10, NAN]) == [True, False, False]
    assert met(rule, through=[6, 5, 6]) == [False, False, False]


def test_a_column_may_be_any_of_several() -> None:
    rule = Rule(1, "under a threshold", (r"(in|out)_below__threshold_\d+ > 0.2",))
    assert met(rule, in_below__threshold_500=[0.3, 0], out_below__threshold_900=[0, 0.1]) == [True, False]


def test_severities_add_up_and_the_tie_break_never_outweighs_a_rule() -> None:
    features = pd.DataFrame(
        {
            "in_similar__window_24h": [9.0, 0.0, 0.0, NAN],  # severity 1
            "holding_time_median__window_all": [60.0, 60.0, 1e7, NAN],  # severity -2
            TIE_BREAK: [0.0, 500.0, 900.0, 500.0],
        }
    )
    assert np.floor(rules_score(features)).tolist() == [1, 0, -2, 0]
    # passed on: 0 < 500 = 500 < 900, so ranks 1, 2.5, 4, 2.5 of 4
    np.testing.assert_allclose(rules_score(features), [1 + 1 / 5, 2.5 / 5, -2 + 4 / 5, 2.5 / 5])


def test_a_table_of_arrow_and_another_order_of_rows_give_the_same_scores() -> None:
    rng = np.random.default_rng(0)
    features = pd.DataFrame({name: rng.random(50) * 10 for name in rule_columns("TH")})
    score = rules_score(features)
    np.testing.assert_array_equal(rules_score(pa.Table.from_pandas(features)), score)
    order = rng.permutation(50)
    np.testing.assert_array_equal(rules_score(features.iloc[order]), score[order])


def test_a_plain_mule_stands_above_a_shop_and_a_saver() -> None:
    mule, shop, saver = range(3)
    features = pd.DataFrame(0.0, index=range(3), columns=rule_columns())
    features.loc[mule, ["quick_pass__within_1h__window_30d", "in_new_share__window_30d"]] = 0.9
    features["in_amount__window_30d"] = [900.0, 100.0, 100.0]
    features["peak_in_amount__within_7d"] = features["peak_in_amount__within_90d"] = [900.0, 100.0, 100.0]
    features["in_counterparties__window_all"] = [5.0, 500.0, 5.0]
    features["in_max__window_all"] = [900.0, 1.0, 900.0]
    features["holding_time_median__window_all"] = [60.0, 86_400.0, 9e6]
    score = rules_score(features)
    assert score[mule] > score[shop]
    assert score[mule] > score[saver]
    assert (score[[shop, saver]] < 0).all()


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.sentence.replace(" ", "-"))
def test_every_column_that_a_rule_names_exists(rule: Rule) -> None:
    names = rule_columns("TH")
    for window in rule.windows:
        for condition in rule.conditions:
            words = condition.replace("{w}", window).split()
            for column in [words[0], *words[4:]]:  # column > limit, or column > factor * other
                assert any(re.fullmatch(column, name) for name in names), condition
    assert all(registry().parse(name).name == name for name in names)
