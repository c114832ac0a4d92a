"""Columns of registries, on a hand-drawn bank: which entries they see, and which are hidden from training."""

from __future__ import annotations

import math
from typing import Any

import pyarrow as pa
import pytest

from muledetect.clock import DAY, HOUR
from muledetect.features import extract
from muledetect.features.registered import registered, registered_dealings
from muledetect.records import read_dataset
from tests.strategies import START, arrow_times, transfers_table

#: a pays b 400 and gets 50 back; b pays w 100; w pays nobody.
MOVES = [("a", "b", START + HOUR, 400), ("b", "a", START + 2 * HOUR, 50), ("b", "w", START + 3 * HOUR, 100)]


def asked(*entries: dict[str, Any], moment: int = DAY, hide_groups: Any = None) -> dict[str, dict[str, float]]:
    """Return the columns of every account at a moment."""
    rows = [{"scheme": "TH", "entry_id": f"e{place}", "subject_kind": "account", "status": "listed", **entry}
            for place, entry in enumerate(entries)]  # fmt: skip
    names = dict.fromkeys(name for row in rows for name in row)
    table = pa.table({name: [row.get(name) for row in rows] for name in names})
    for name in ("valid_from", "known_ts"):
        table = table.append_column(name, arrow_times([START + 4 * HOUR] * len(rows)))
    tables = {"transfers": transfers_table(MOVES)} | ({"registry": table} if rows else {})
    dataset = read_dataset(tables, currency="THB")
    ids = dataset.account_ids.to_pylist()
    points = {"account_id": ids, "as_of": arrow_times([START + moment] * len(ids))}
    found = extract(dataset, pa.table(points), [registered, registered_dealings], hide_groups=hide_groups)
    return {
        name.split("__")[0]: dict(zip(ids, found[name].to_pylist(), strict=True)) for name in found.column_names[2:]
    }


def test_the_entry_that_is_trusted_most_counts_and_others_deal_with_it_by_its_reliability() -> None:
    got = asked({"subject_id": "a", "reliability": 0.5}, {"subject_id": "a", "reliability": 0.8})
    assert got["registered_reliability"] == {"a": 0.8, "b": 0, "w": 0}
    # b exchanged 450 of 550 with a
    assert got["registered_share"]["b"] == pytest.approx(0.8 * 450 / 550, abs=1e-8)
    assert got["registered_share"]["w"] == 0


def test_an_entry_that_is_not_known_yet_is_not_seen() -> None:
    entry = {"subject_id": "a", "reliability": 0.8}
    assert asked(entry, moment=4 * HOUR)["registered_reliability"]["a"] == 0
    assert asked(entry, moment=4 * HOUR + 1)["registered_reliability"]["a"] == 0.8


def test_own_entries_about_the_own_group_are_hidden_in_training_and_those_of_others_are_not() -> None:
    own, other = {"subject_id": "a", "reliability": 0.9, "is_own": True}, {"subject_id": "a", "reliability": 0.4}
    groups = pa.array([1, 1, 2]).to_numpy()  # a and b together, w
    got = asked(own, other, hide_groups=groups)
    assert got["registered_reliability"]["a"] == 0.4
    assert got["registered_share"]["b"] == pytest.approx(0.4 * 450 / 550, abs=1e-8)
    got = asked(own, hide_groups=groups)
    assert (got["registered_reliability"]["a"], got["registered_share"]["b"]) == (0, 0)
    assert asked(own)["registered_reliability"]["a"] == 0.9


def test_without_a_registry_nothing_is_known() -> None:
    assert all(math.isnan(value) for values in asked().values() for value in values.values())
