"""History comes whole, once, in order of time, and no day is divided."""

from __future__ import annotations

from functools import cache

import pyarrow as pa
from small_world import SCORED_AT, small_world

import muledetect.live.history as module
from muledetect.clock import DAY, parse_time
from muledetect.live.history import history, known_at
from muledetect.records import Dataset, read_dataset

BEGIN = parse_time(SCORED_AT)
END = BEGIN + 5 * DAY


@cache
def dataset() -> Dataset:
    return read_dataset(dict(small_world()))


def test_every_row_is_known_before_or_comes_once() -> None:
    parts, before, after = list(history(dataset(), BEGIN, 2**62)), known_at(dataset(), BEGIN), dict[str, int]()
    for part in parts:
        for table in part.tables:
            after[table] = after.get(table, 0) + 1
    for name in ("transfers", "sessions", "calls", "complaints", "identifiers", "labels"):
        assert len(before.tables[name]) + after.get(name, 0) == len(dataset().tables[name]), name
        assert after.get(name, 0) > 0, name
    assert before.tables["accounts"] is dataset().tables["accounts"]


def test_parts_are_in_order_and_within_a_day_and_moments_stay_whole() -> None:
    last = BEGIN - 1
    for part in history(dataset(), BEGIN, END):
        assert part.times[0] > last
        assert (part.times[1:] >= part.times[:-1]).all()
        assert part.times[0] // DAY == part.times[-1] // DAY
        last = int(part.times[-1])
    assert last < END


def test_small_parts_hold_the_same_rows(monkeypatch) -> None:
    whole = [row for part in history(dataset(), BEGIN, END) for row in part.rows]
    monkeypatch.setattr(module, "_MOST", 3)
    parts = list(history(dataset(), BEGIN, END))
    assert [row for part in parts for row in part.rows] == whole
    assert len(parts) > 100
    assert [row for part in parts for tick in part.ticks() for row in tick.rows] == whole


def test_transfers_come_last_at_their_moment() -> None:
    transfers = {name: values[:2] for name, values in {
        "transfer_id": ["t1", "t2"], "source": ["a", "b"], "target": ["b", "c"], "amount": [1, 2],
        "time": ["2025-03-01T00:00:00Z", "2025-03-01T00:00:00Z"]}.items()}  # fmt: skip
    sessions = {"session_id": ["s"], "account_id": ["a"], "time": ["2025-03-01T00:00:00Z"]}
    read = read_dataset({"transfers": pa.table(transfers), "sessions": pa.table(sessions)})
    (part,) = history(read, 0, 2**62)
    assert part.tables == ["sessions", "transfers", "transfers"]
