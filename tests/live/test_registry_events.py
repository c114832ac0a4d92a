"""Statements of registries as live events: each is a row of its own, and a repeat is none."""

from __future__ import annotations

from typing import Any

from muledetect.facts import Facts, Snapshot
from muledetect.live.intake import book_rows
from muledetect.live.state import LiveState
from muledetect.records import read_dataset
from muledetect.testing import random_world


def test_a_statement_is_booked_once_and_a_later_one_beside_it() -> None:
    dataset = read_dataset(random_world(2), currency="THB")
    state = LiveState(Facts(dataset))
    before = len(state.tables["registry"])
    row: dict[str, Any] = {
        "scheme": "TH", "entry_id": "new", "subject_kind": "account", "subject_id": dataset.account_ids[0].as_py(),
        "status": "listed", "reliability": 0.95,
        "valid_from": "2026-01-01T00:00:00Z", "known_ts": "2026-01-02T00:00:00Z",
    }  # fmt: skip
    later = row | {"status": "removed", "valid_from": "2026-01-05T00:00:00Z", "known_ts": "2026-01-05T00:00:00Z"}
    assert [booked.outcome for booked in book_rows(state, "registry", [row, row, later])] == [
        "accepted", "duplicate", "accepted",
    ]  # fmt: skip
    rows = state.tables["registry"]
    assert len(rows) == before + 2
    whole = dataset.tables | {"registry": rows.take(slice(None))}
    facts = Facts(read_dataset(whole, currency="THB"))
    stands = [Snapshot(facts, day).registered[0] for day in ("2026-01-02", "2026-01-04", "2026-01-06")]
    assert stands[1] == 0.95
    assert stands[0] == stands[2] < 0.95


def test_a_statement_that_breaks_a_rule_is_refused() -> None:
    state = LiveState(Facts(read_dataset(random_world(2), currency="THB")))
    row = {"scheme": "TH", "entry_id": "new", "subject_kind": "phone", "subject_id": "x", "status": "listed",
           "valid_from": "2026-01-01T00:00:00Z", "known_ts": "2026-01-02T00:00:00Z"}  # fmt: skip
    booked = book_rows(state, "registry", [row])[0]
    assert (booked.outcome, booked.column) == ("rejected", "subject_kind")
