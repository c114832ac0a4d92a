from __future__ import annotations

import numpy as np
import pandas as pd
import pyarrow as pa

from muledetect.clock import DAY, HOUR
from muledetect.evaluation import count_alerted_victims, likely_victims
from muledetect.facts import Snapshot
from muledetect.records import read_dataset


def transfers(*rows: tuple[str, str, int, int]) -> pa.Table:
    source, target, time, amount = zip(*rows, strict=True)
    times = pa.array(time, pa.int64()).cast(pa.timestamp("us", "UTC"))
    ids = [f"t{n}" for n in range(len(rows))]
    return pa.table({"transfer_id": ids, "source": source, "target": target, "time": times, "amount": amount})


def known_at(as_of: str, rows: pa.Table, complaints: pa.Table | None = None) -> Snapshot:
    tables = {"transfers": rows} | ({} if complaints is None else {"complaints": complaints})
    return Snapshot(read_dataset(tables, currency="THB"), as_of)


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
    found = likely_victims(known_at("1970-01-29", rows), {"r", "c"}).set_index("account_id")
    assert found["is_likely_victim"].to_dict() == {"r": False, "v": True, "w": False}
    assert found["lost"].to_dict() == {"r": 880, "v": 900, "w": 10}
    assert found["passed_share"].to_dict() == {"r": 1.0, "v": 0.0, "w": 0.0}


def test_a_complaint_makes_a_victim_and_being_named_unmakes_one() -> None:
    rows = transfers(("w", "r", DAY, 10), ("w", "x", DAY, 990), ("v", "r", DAY, 10))
    known = pa.array([2 * DAY, 2 * DAY], pa.int64()).cast(pa.timestamp("us", "UTC"))
    given = {"complaint_id": ["1", "2"], "victim_account": ["w", "z"], "target": ["r", "v"], "known_ts": known}
    complaints = pa.table(given)
    later = likely_victims(known_at("1970-01-10", rows, complaints), {"r"}).set_index("account_id")
    assert later["is_likely_victim"].to_dict() == {"v": False, "w": True}
    sooner = likely_victims(known_at("1970-01-02T12:00:00Z", rows, complaints), {"r"}).set_index("account_id")
    assert sooner["is_likely_victim"].to_dict() == {"v": True, "w": False}
    counts = count_alerted_victims(later.reset_index(), {"w", "q"}, {"w", "z"})
    assert counts == {"n_likely": 1.0, "n_alerted": 1.0, "alerted_share": 1.0, "precision": 1.0, "recall": 0.5}


def test_a_withdrawn_complaint_counts_until_its_withdrawal() -> None:
    rows = transfers(("w", "r", DAY, 10), ("w", "x", DAY, 990))
    known, withdrawn = (pa.array([n * DAY], pa.int64()).cast(pa.timestamp("us", "UTC")) for n in (2, 5))
    given = {"complaint_id": ["1"], "victim_account": ["w"], "target": ["r"], "known_ts": known}
    complaints = pa.table(given | {"status": ["withdrawn"], "status_ts": withdrawn})
    for as_of, stands in (("1970-01-04", True), ("1970-01-10", False)):
        found = likely_victims(known_at(as_of, rows, complaints), {"r"})
        assert found["has_complaint"].tolist() == found["is_likely_victim"].tolist() == [stands]


def test_victims_do_not_depend_on_the_order_of_rows() -> None:
    rng = np.random.default_rng(3)
    rows = [(f"a{rng.integers(9)}", f"a{rng.integers(9)}", int(rng.integers(20)) * HOUR, int(rng.integers(1, 99)))
            for _ in range(200)]  # fmt: skip
    table = transfers(*rows)
    turned = table.take(rng.permutation(200))
    one, other = (likely_victims(known_at("1970-01-03", t), {"a1", "a2"}) for t in (table, turned))
    assert len(one)
    pd.testing.assert_frame_equal(one, other, check_exact=True)
