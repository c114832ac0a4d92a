from __future__ import annotations

import numpy as np
import pandas as pd
import pyarrow as pa

from muledetect.clock import DAY, HOUR
from muledetect.evaluation.innocents import (
    FalsePositiveCap,
    count_alerted_victims,
    guard_innocents,
    innocent_groups,
    likely_victims,
)


def transfers(*rows: tuple[str, str, int, int]) -> pa.Table:
    source, target, time, amount = zip(*rows, strict=True)
    times = pa.array(time, pa.int64()).cast(pa.timestamp("us", "UTC"))
    ids = [f"t{n}" for n in range(len(rows))]
    return pa.table({"transfer_id": ids, "source": source, "target": target, "time": times, "amount": amount})


def test_groups_come_from_kind_persona_complaint_and_where_mules_spent() -> None:
    found = innocent_groups(
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
    found = guard_innocents(y, score, groups, k=20, caps=caps)
    assert found["n"].tolist() == [100, 1000, 0]
    assert found["n_alerted"].tolist() == [10, 0, 0]
    assert found["passes"].tolist() == [False, True, True]
    assert found["is_sure"].tolist() == [True, True, False]


def test_a_victim_is_no_relay() -> None:
    # v pays away what it saved long ago; r pays on within the hour what v paid; w only buys a little from the suspect
    rows = transfers(
        ("x", "v", 0, 1000),
        ("v", "r", 10 * DAY, 900),
        ("r", "c", 10 * DAY + HOUR, 880),
        ("w", "r", 11 * DAY, 10),
        ("w", "x", 12 * DAY, 990),
        ("u", "c", 30 * DAY, 500),  # after as_of
    )
    found = likely_victims(rows, {"r", "c"}, "1970-01-29").set_index("account_id")
    assert found["is_likely_victim"].to_dict() == {"r": False, "v": True, "w": False}
    assert found["lost"].to_dict() == {"r": 880, "v": 900, "w": 10}
    assert found["passed_share"].to_dict() == {"r": 1.0, "v": 0.0, "w": 0.0}


def test_a_complaint_makes_a_victim_and_being_named_unmakes_one() -> None:
    rows = transfers(("w", "r", DAY, 10), ("w", "x", DAY, 990), ("v", "r", DAY, 10))
    known = pa.array([2 * DAY, 2 * DAY], pa.int64()).cast(pa.timestamp("us", "UTC"))
    complaints = pa.table({"victim_account": ["w", "z"], "target": ["r", "v"], "known_ts": known})
    later = likely_victims(rows, {"r"}, "1970-01-10", complaints=complaints).set_index("account_id")
    assert later["is_likely_victim"].to_dict() == {"v": False, "w": True}
    sooner = likely_victims(rows, {"r"}, "1970-01-02T12:00:00Z", complaints=complaints).set_index("account_id")
    assert sooner["is_likely_victim"].to_dict() == {"v": True, "w": False}
    counts = count_alerted_victims(later.reset_index(), {"w", "q"}, {"w", "z"})
    assert counts == {"n_likely": 1.0, "n_alerted": 1.0, "alerted_share": 1.0, "precision": 1.0, "recall": 0.5}


def test_victims_do_not_depend_on_the_order_of_rows() -> None:
    rng = np.random.default_rng(3)
    rows = [(f"a{rng.integers(9)}", f"a{rng.integers(9)}", int(rng.integers(20)) * HOUR, int(rng.integers(1, 99)))
            for _ in range(200)]  # fmt: skip
    table = transfers(*rows)
    turned = table.take(rng.permutation(200))
    one, other = (likely_victims(t, {"a1", "a2"}, "1970-01-03") for t in (table, turned))
    assert len(one)
    pd.testing.assert_frame_equal(one, other, check_exact=True)
