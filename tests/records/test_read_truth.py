"""Tables of truth are read like any other table: by their declaration."""

from __future__ import annotations

from typing import Any

import pyarrow as pa

from muledetect.records import Dataset, read_dataset

TRANSFERS = pa.table(
    {"transfer_id": ["t1"], "time": ["2025-03-01T09:30:00Z"], "source": ["a"], "target": ["b"], "amount": [5]}
)


def read(**tables: list[dict[str, Any]]) -> Dataset:
    return read_dataset(
        {"transfers": TRANSFERS, **{name: pa.Table.from_pylist(rows) for name, rows in tables.items()}},
        now="2026-01-01",
    )


def left_out(dataset: Dataset) -> list[tuple[str, int, str]]:
    return [(row["table"], row["row"], row["reason"]) for row in dataset.rejects.to_pylist()]


def money(**changed: Any) -> dict[str, Any]:
    return {
        "case_id": "k",
        "account_id": "b",
        "place": "account",
        "time": "2025-03-01T09:30:00Z",
        "amount": 5,
    } | changed


def test_no_money_left_is_an_amount_and_less_than_none_is_not() -> None:
    dataset = read(
        truth_money=[money(), money(time="2025-03-02T00:00:00Z", amount=0), money(account_id="c", amount=-1)]
    )
    assert dataset.tables["truth_money"]["amount"].to_pylist() == [5, 0]
    assert left_out(dataset) == [("truth_money", 2, "below its minimum")]


def test_one_place_has_one_amount_at_a_moment() -> None:
    dataset = read(truth_money=[money(), money(), money(place="exit"), money(place="exit", amount=6)])
    assert dataset.tables["truth_money"].num_rows == 1
    assert left_out(dataset) == [
        ("truth_money", 1, "exact duplicate"),
        ("truth_money", 2, "duplicate id with different content"),
        ("truth_money", 3, "duplicate id with different content"),
    ]


def test_a_transfer_may_move_money_of_several_cases_or_of_none() -> None:
    rows = [
        {"transfer_id": "t1", "kind": "hop", "case_id": "k1", "amount": 3},
        {"transfer_id": "t1", "kind": "hop", "case_id": "k2", "amount": 2},
        {"transfer_id": "t2", "kind": "test", "case_id": None, "amount": None},
        {"transfer_id": "t3", "kind": "robbery", "case_id": "k1", "amount": 2},
    ]
    dataset = read(truth_transfers=rows)
    assert dataset.tables["truth_transfers"].to_pylist() == [row | {} for row in rows[:3]]
    assert left_out(dataset) == [("truth_transfers", 3, "not a declared value")]


def test_rings_that_say_no_more_than_who_is_in_them_are_valid_with_any_shape() -> None:
    dataset = read(truth_rings=[{"ring_id": "r", "account_id": "b", "shape": "a shape of another simulator"}])
    assert dataset.tables["truth_rings"].num_rows == 1
    assert not left_out(dataset)


def test_who_was_no_mule_was_recruited_as_nothing() -> None:
    rows = [
        {"account_id": "a", "persona": "shop", "is_mule": False, "recruited_as": None},
        {"account_id": "b", "persona": "student", "is_mule": True, "recruited_as": "stolen"},
        {"account_id": "c", "persona": "student", "is_mule": True, "recruited_as": "friend"},
    ]
    dataset = read(truth_accounts=rows)
    assert dataset.tables["truth_accounts"]["recruited_as"].to_pylist() == [None, "stolen"]
    assert left_out(dataset) == [("truth_accounts", 2, "not a declared value")]


def test_a_victim_that_never_got_to_pay_lost_nothing() -> None:
    dataset = read(truth_cases=[{"case_id": "k", "amount": 0, "complained": False, "first_payment": None}])
    assert dataset.tables["truth_cases"].num_rows == 1
    assert not left_out(dataset)
