from __future__ import annotations

import numpy as np
import pandas as pd
import pyarrow as pa

from muledetect.evaluation import (
    FalsePositiveCap,
    budget_within_caps,
    customer_groups,
    measure_false_positives,
)


def transfers(*rows: tuple[str, str, int, int]) -> pa.Table:
    source, target, time, amount = zip(*rows, strict=True)
    times = pa.array(time, pa.int64()).cast(pa.timestamp("us", "UTC"))
    ids = [f"t{n}" for n in range(len(rows))]
    return pa.table({"transfer_id": ids, "source": source, "target": target, "time": times, "amount": amount})


def test_groups_come_from_kind_persona_complaint_and_where_mules_spent() -> None:
    found = customer_groups(
        ["s", "v", "m", "f"],
        accounts=pa.table({"account_id": ["s", "v"], "kind": ["merchant", None]}),
        truth_accounts=pa.table({"account_id": ["s", "f"], "persona": ["shop", "student"], "is_victim": [False, True]}),
        complaints=pa.table({"victim_account": ["v", None]}),
        transfers=transfers(("m", "s", 1, 5), ("f", "m", 2, 7)),
        truth_transfers=pa.table({"transfer_id": ["t0", "t1"], "kind": ["spend", "hop"]}),
    )
    pairs = list(zip(found["group"], found["row"], strict=True))
    assert pairs == [("families", 3), ("merchants", 0), ("paid", 0), ("victims", 1), ("victims", 3)]


def test_a_cap_passes_fails_and_says_whether_it_is_sure() -> None:
    # 20 alerts: the 10 mules and 10 of the 100 of group a; none of the 1,000 of group b
    y = np.r_[np.ones(10), np.zeros(1100)]
    score = np.r_[np.full(20, 0.9), np.linspace(0, 0.5, 1090)]
    groups = pd.DataFrame({"group": ["a"] * 110 + ["b"] * 1000, "row": range(1110)})  # mules in a do not count
    caps = [FalsePositiveCap("a", 0.02), FalsePositiveCap("b", 0.01), FalsePositiveCap("c", 0.01)]
    found = measure_false_positives(y, score, groups, k=20, caps=caps)
    assert found["n"].tolist() == [100, 1000, 0]
    assert found["n_alerted"].tolist() == [10, 0, 0]
    assert found["passes"].tolist() == [False, True, True]
    assert found["is_sure"].tolist() == [True, True, False]


def test_the_largest_budget_within_caps_is_the_last_one_that_passes() -> None:
    rng = np.random.default_rng(5)
    y, score = (rng.random(500) < 0.05).astype(float), rng.permutation(500) / 500.0
    groups = pd.DataFrame({"group": ["a"] * 200 + ["b"] * 300, "row": range(500)})
    caps = [FalsePositiveCap("a", 0.03), FalsePositiveCap("b", 0.02)]
    found = budget_within_caps(y, score, groups, caps=caps)
    assert 0 < found < 500
    assert measure_false_positives(y, score, groups, k=found, caps=caps)["passes"].all()
    assert not measure_false_positives(y, score, groups, k=found + 1, caps=caps)["passes"].all()


def test_no_budget_keeps_a_group_that_scores_highest_and_may_have_no_alert() -> None:
    # one honest account of a group of ten is above the mule; equal scores are alerted together
    groups = pd.DataFrame({"group": ["a"] * 10, "row": range(10)})
    caps = [FalsePositiveCap("a", 0.05)]
    assert budget_within_caps([0.0] * 10 + [1.0], [0.9] + [0.1] * 9 + [0.8], groups, caps=caps) == 0
    assert budget_within_caps([0.0] * 10 + [1.0], [0.8] + [0.1] * 9 + [0.8], groups, caps=caps) == 0
    assert budget_within_caps([0.0] * 10 + [1.0], [0.7] + [0.1] * 9 + [0.8], groups, caps=caps) == 1
    assert budget_within_caps([0.0, 1.0], [0.1, 0.2], groups.head(0), caps=caps) == 2
