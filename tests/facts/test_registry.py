"""What a registry says at a moment: later statements take the place of earlier ones, from when they were known."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from muledetect.clock import DAY
from muledetect.facts import Facts, Snapshot
from muledetect.records import Dataset, read_dataset
from muledetect.schema import INPUTS
from tests.strategies import START, arrow_times
from tests.strategies import transfers_table as transfers

#: a pays b and c, on the first day; p1 holds a and b.
MOVES = [("a", "b", START, 100), ("a", "c", START, 100)]
ENTRY = {"scheme": "TH", "entry_id": "e1", "listed_by": "police", "subject_kind": "account", "subject_id": "a"}


def statement(day: float, status: str = "listed", *, known: float | None = None, **more: Any) -> dict[str, Any]:
    """Return a statement that begins on a day, counted from the first transfer."""
    times = {"valid_from": START + round(day * DAY), "known_ts": START + round((day if known is None else known) * DAY)}
    if "valid_to" in more:
        more["valid_to"] = START + round(more["valid_to"] * DAY)
    return ENTRY | {"status": status, "reliability": 0.8} | times | more


def bank(statements: Sequence[dict[str, Any]]) -> Dataset:
    registry = {name: [row.get(name) for row in statements] for name in INPUTS["registry"].names}
    arrays = {
        name: arrow_times(cells) if name in ("valid_from", "valid_to", "known_ts")
        else pa.array(cells)
        for name, cells in registry.items()
        if any(cell is not None for cell in cells)
    }  # fmt: skip
    start = arrow_times([START] * 3)
    tables = {
        "transfers": transfers(MOVES),
        "accounts": pa.table({"account_id": ["a", "b", "c"], "holder_id": ["p1", "p1", "p2"]}),
        "identifiers": pa.table({"entity_id": ["p1", "p2", "p2"], "kind": ["id_number", "id_number", "phone"],
                                 "value_hash": ["d1", "d2", "d1"], "valid_from": start, "known_ts": start}),
        "registry": pa.table(arrays),
    }  # fmt: skip
    read = read_dataset(tables)
    assert not len(read.rejects)
    return read


def reliability(dataset: Dataset, day: float) -> list[float]:
    """Return the reliability of what stands about a, b and c at a moment."""
    return Snapshot(Facts(dataset), START + round(day * DAY)).registered.tolist()


def test_an_entry_counts_after_it_is_valid_and_known_and_until_it_expires() -> None:
    dataset = bank([statement(1, known=3, valid_to=5)])
    assert [reliability(dataset, day)[0] for day in (1, 2, 3, 3.1, 5, 5.1)] == [0, 0, 0, 0.8, 0.8, 0]


def test_a_removal_ends_an_entry_and_what_was_known_before_stays() -> None:
    dataset = bank([statement(1), statement(2, "removed", known=4)])
    assert [reliability(dataset, day)[0] for day in (3, 4, 4.1, 99)] == [0.8, 0.8, 0, 0]


def test_a_removal_that_is_announced_ends_the_entry_when_it_begins() -> None:
    dataset = bank([statement(1), statement(6, "removed", known=4)])
    assert [reliability(dataset, day)[0] for day in (5, 6, 6.1)] == [0.8, 0.8, 0]


def test_an_entry_may_be_listed_again_after_a_removal() -> None:
    dataset = bank([statement(1), statement(2, "removed"), statement(3, reliability=0.6)])
    assert [reliability(dataset, day)[0] for day in (2, 2.5, 3.5)] == [0.8, 0, 0.6]


def test_an_entry_under_appeal_counts_half_unless_the_appeal_says_how_much() -> None:
    rows = [statement(1), statement(2, "appealed", reliability=None), statement(4, reliability=None)]
    assert [reliability(bank(rows), day)[0] for day in (2, 3, 5)] == pytest.approx([0.8, 0.4, 0.8])
    assert reliability(bank([statement(1), statement(2, "appealed", reliability=0.1)]), 3)[0] == 0.1


def test_an_entry_that_states_no_reliability_has_one_half() -> None:
    assert reliability(bank([statement(1, reliability=None)]), 2)[0] == 0.5


def test_statements_of_one_moment_count_in_favour_of_the_subject() -> None:
    rows = [statement(1, reliability=0.9), statement(1, reliability=0.3), statement(1, "appealed", reliability=0.2)]
    for order in ([0, 1, 2], [2, 1, 0], [1, 2, 0]):
        assert reliability(bank([rows[place] for place in order]), 2)[0] == 0.2
    assert reliability(bank([*rows, statement(1, "removed")][::-1]), 2)[0] == 0


def test_nobody_ends_the_entry_of_another() -> None:
    rows = [statement(1), statement(2, "removed", listed_by="bank_b")]
    assert reliability(bank(rows), 3)[0] == 0.8


def test_an_entry_about_a_person_counts_for_the_accounts_of_who_has_the_number() -> None:
    person = {"subject_kind": "person", "subject_id": "d1"}
    assert reliability(bank([statement(1, **person)]), 2) == [0.8, 0.8, 0], (
        "p2 has a phone of that hash, no such number"
    )
    assert reliability(bank([statement(1, reliability=0.3), statement(1, **person)]), 2) == [0.8, 0.8, 0]


def test_a_number_is_known_of_a_holder_from_its_own_clock_on() -> None:
    dataset = bank([statement(-5, subject_kind="company", subject_id="d2")])
    assert reliability(dataset, 0) == [0, 0, 0]
    assert reliability(dataset, 1) == [0, 0, 0.8]


def test_a_number_that_a_crowd_has_names_nobody_from_when_that_is_known() -> None:
    ids = [f"n{place}" for place in range(25)]
    since = arrow_times([START + place * DAY for place in range(25)])
    numbers = {"entity_id": ids, "kind": ["id_number"] * 25, "value_hash": ["d"] * 25}
    registry = bank([statement(0, subject_kind="person", subject_id="d")]).tables["registry"]
    tables = {"transfers": transfers([(name, "x", START, 1) for name in ids]), "registry": registry,
              "identifiers": pa.table({**numbers, "valid_from": since, "known_ts": since})}  # fmt: skip
    dataset = read_dataset(tables)
    assert [sum(value > 0 for value in reliability(dataset, day)) for day in (1, 5, 20, 21, 30)] == [1, 5, 20, 0, 0]


def test_the_snapshot_shows_one_statement_an_entry_with_what_counts_of_it() -> None:
    rows = [statement(1), statement(2, "appealed", reliability=None), statement(9, entry_id="e2"),
            statement(1, subject_kind="person", subject_id="d2", tier="black")]  # fmt: skip
    shown = Snapshot(Facts(bank(rows)), START + 3 * DAY).registry.sort_by("account")
    assert shown["status"].to_pylist() == ["listed", "appealed"]
    assert shown["account"].to_pylist() == [-1, 0]
    assert shown["trust"].to_pylist() == [0.8, 0.4]


def test_a_bank_without_a_registry_has_nobody_registered() -> None:
    snapshot = Snapshot(read_dataset({"transfers": transfers(MOVES)}), START + DAY)
    assert snapshot.registered.tolist() == [0, 0, 0]
    assert len(snapshot.registry) == 0
    assert snapshot.facts.registered_accounts is None


def test_the_order_of_rows_changes_nothing() -> None:
    random = np.random.default_rng(4)
    rows = [
        statement(day, random.choice(["listed", "listed", "appealed", "removed"]), known=day + late,
                  entry_id=f"e{entry}", subject_id="abc"[entry % 3], reliability=float(trust))
        for day, late, entry, trust in zip(
            *(random.integers(0, most, 60) for most in (9, 3, 7)), random.random(60), strict=True
        )
    ]  # fmt: skip
    for day in range(0, 12, 2):
        wanted = reliability(bank(rows), day)
        assert reliability(bank([rows[place] for place in random.permutation(60)]), day) == wanted
        known = [row for row in rows if row["known_ts"] < START + day * DAY]
        if known:
            assert reliability(bank(known), day) == wanted, "what was not known yet changes nothing"
