"""What watching shows, and what accounts are worth, on one small bank drawn by hand."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from strategies import START, arrow_times, transfers_table

from muledetect.clock import HOUR
from muledetect.evaluation import illicit_receipts, watch_detection
from muledetect.labels import account_groups
from muledetect.records import Dataset, read_dataset

# hour 1: v pays 100 to old, of ring R1, before anybody watches
# hour 5: v pays 200 to a, of ring R2; hour 6: a passes 150 to b of R2; hour 9: w pays 80 to a
# hour 7: w pays 400 to s, of ring R3, which the model knows from training
PAID = [("v", "old", 1, 100), ("v", "a", 5, 200), ("a", "b", 6, 150), ("w", "s", 7, 400), ("w", "a", 9, 80)]
CASE = ["c1", "c2", "c2", "c3", "c4"]
MOMENTS = [4, 8, 12]
IDS = ["a", "b", "old", "s", "v", "w"]


def bank(*without: str, **changed: Any) -> Dataset:
    ids = [f"t{n:05d}" for n in range(len(PAID))]
    tables = {
        "transfers": transfers_table(
            [(source, target, START + h * HOUR, amount) for source, target, h, amount in PAID]
        ),
        "truth_transfers": pa.table(
            {
                "transfer_id": ids,
                "kind": ["victim", "victim", "hop", "victim", "victim"],
                "case_id": CASE,
                "amount": [100, 200, 150, 400, 80],
            }
        ),
        "truth_rings": pa.table({"ring_id": ["R1", "R2", "R2", "R3"], "account_id": ["old", "a", "b", "s"]}),
        "truth_money": pa.table(
            {
                "case_id": ["c1", "c2", "c2", "c2", "c3", "c4"],
                "account_id": ["old", "a", "a", "b", "s", "a"],
                "place": ["account"] * 6,
                "time": arrow_times([START + h * HOUR for h in (1, 5, 6, 6, 7, 9)]),
                "amount": [100, 200, 50, 150, 400, 80],
            }
        ),
    } | changed
    return read_dataset({name: table for name, table in tables.items() if name not in without}, currency="THB")


def views(best: list[str]) -> list[Any]:
    """The account of the highest score at each moment."""
    points = pa.table({"account_id": IDS})
    return [
        (START + hour * HOUR, points, np.array([float(name == first) for name in IDS]))
        for hour, first in zip(MOMENTS, best, strict=True)
    ]


def seen(dataset: Dataset) -> np.ndarray:
    return account_groups(dataset)[[dataset.account_ids.to_pylist().index("s")]]


def test_only_new_money_of_unknown_rings_is_timed() -> None:
    # b is alerted at hour 8, two hours after its credit; a never, so it is censored at hour 12
    dataset = bank()
    found = watch_detection(dataset, views(["old", "b", "s"]), seen(dataset), budget=1)
    accounts = found.curve[found.curve["what"] == "accounts"]
    assert accounts[["minutes", "at_risk"]].to_numpy().tolist() == [[0, 2], [120, 2], [420, 1]]
    assert accounts["share"].tolist() == [0, 0.5, 0.5]
    rings = found.curve[found.curve["what"] == "rings"]  # ring R2 got its first money at hour 5
    assert rings[["minutes", "share"]].to_numpy().tolist() == [[0, 0], [180, 1]]
    figures = found.figures
    assert (figures["n_accounts"], figures["n_detected"], figures["n_rings"], figures["n_rings_hit"]) == (2, 1, 1, 1)
    # cases c2 and c4 began under watch: 280 in all; at hour 8 the 200 of c2 are still in a and b, c4 is never seen
    assert figures["preventable"] == pytest.approx(200 / 280)
    assert (figures["share_gone"], figures["share_gone_low"]) == (0, 0)
    assert 0 < figures["share_gone_high"] < 1  # one account is no proof
    assert "leaves out 1 accounts of rings and persons seen in training, and 1 that" in found.notes[1]
    assert "3 moments, 4.0 hours apart" in found.notes[0]


def test_an_alert_on_a_ring_of_training_saves_nothing_that_counts() -> None:
    dataset = bank()
    found = watch_detection(dataset, views(["s", "s", "s"]), seen(dataset), budget=1)
    assert (found.figures["n_detected"], found.figures["preventable"]) == (0, 0)
    assert found.figures["preventable_high"] > 0


def test_where_all_money_came_before_the_watch_nothing_is_timed() -> None:
    dataset = bank()
    late = [(START + 20 * HOUR, *view[1:]) for view in views(["a", "a", "a"])[:1]]
    found = watch_detection(dataset, late, seen(dataset), budget=1)
    assert found.curve.empty
    assert found.figures["n_accounts"] == 0
    assert np.isnan(found.figures["preventable"])


def test_what_is_lacking_is_said() -> None:
    dataset = bank("truth_money")
    found = watch_detection(dataset, views(["a", "a", "a"]), seen(dataset), budget=1)
    assert found.curve is None
    assert found.notes == ("No time to detect: it needs truth_money and truth_transfers.",)
    assert watch_detection(bank(), [], seen(dataset), budget=1).notes == ()


def money(dataset: Dataset) -> dict[str, int]:
    found = illicit_receipts(dataset).money
    assert found is not None
    return {name: int(amount) for name, amount in zip(dataset.account_ids.to_pylist(), found, strict=True) if amount}


def test_the_truth_says_what_each_account_got() -> None:
    assert money(bank()) == {"old": 100, "a": 280, "b": 150, "s": 400}


def test_transfers_that_are_only_known_as_illicit_count_whole_and_tests_of_a_route_do_not() -> None:
    truth = pa.table({"transfer_id": ["t00001", "t00002", "t00003"], "kind": ["illicit", "test", "spend"]})
    assert money(bank(truth_transfers=truth)) == {"a": 200}


def test_without_truth_disputed_transfers_count_once_unless_withdrawn() -> None:
    complaints = pa.table(
        {
            "complaint_id": ["q1", "q2", "q3"],
            "known_ts": arrow_times([START + 20 * HOUR] * 3),
            "transfer_id": ["t00001", "t00001", "t00003"],
            "victim_account": ["v", "v", "w"],
            "target": ["a", "a", "s"],
            "status": ["open", "confirmed", "withdrawn"],
        }
    )
    dataset = bank("truth_transfers", complaints=complaints)
    assert money(dataset) == {"a": 200}
    assert "complaints" in illicit_receipts(dataset).note


def test_where_nothing_says_it_there_is_no_value() -> None:
    found = illicit_receipts(bank("truth_transfers"))
    assert found.money is None
    assert found.note.startswith("No value recall")
