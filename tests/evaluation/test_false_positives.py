from __future__ import annotations

import numpy as np
import pandas as pd
import pyarrow as pa

from muledetect.evaluation import (
    FalsePositiveCap,
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
