"""Rows that are lent stay as they were, whatever is booked, changed or put in order meanwhile."""

from __future__ import annotations

import threading

import numpy as np
import pyarrow as pa
import pytest

from muledetect.live import rows as room
from muledetect.live.rows import Growing, Rows


@pytest.fixture(autouse=True)
def few_recent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(room, "_RECENT", 3)


def table(low: int, high: int) -> pa.Table:
    return pa.table({"name": [f"n{k % 7}" for k in range(low, high)], "amount": list(range(low, high))})


def test_lent_rows_are_those_of_the_moment() -> None:
    rows = Rows(table(0, 10))
    before = rows.take(slice(None))
    lent, again = rows.lend(), rows.lend()
    rows.append(table(10, 20))
    rows.reorder(8, np.arange(12)[::-1])  # among the recent ones
    rows.reorder(2, np.arange(18)[::-1])  # and among those that are lent
    rows.copy_row(0, 1)
    after = rows.take(slice(None))
    rows.cut(1)
    rows.append(table(30, 40))
    assert lent().take(slice(None)).equals(before)
    assert again().take(slice(None)).equals(before)
    assert after["amount"].to_pylist()[:3] == [0, 0, *after["amount"].to_pylist()[2:3]]
    assert rows.take(slice(None))["amount"].to_pylist() == [0, *range(30, 40)]
    assert rows.lend()().take(slice(None)).equals(rows.take(slice(None)))


def test_cells_that_nobody_was_lent_are_changed_in_place() -> None:
    values = Growing(np.arange(100))
    held = values.values
    values.own(0)[5] = -1
    assert held[5] == -1
    lent = values.lend()
    values.own(97)[98] = -2
    assert held[98] == -2
    values.own(96)[96] = -3
    assert held[96] == 96
    assert lent().values.tolist() == [-1 if k == 5 else k for k in range(100)]
    held = values.values
    values.own(0)[0] = -4  # what was lent was the array before
    assert held[0] == -4


def test_rows_can_be_copied_while_others_come() -> None:
    rows, found = Rows(table(0, 2_000)), list[list[int]]()

    def copy(lent: object) -> None:
        found.append(lent().take(slice(None))["amount"].to_pylist())  # type: ignore[operator]

    threads = []
    for turn in range(40):
        n = len(rows)
        threads.append(threading.Thread(target=copy, args=(rows.lend(),)))
        threads[-1].start()
        rows.append(table(n, n + 50))
        rows.reorder(n - 100, np.arange(150))
        rows.copy_row(turn, turn)
    for thread in threads:
        thread.join()
    assert all(amounts == list(range(len(amounts))) for amounts in found)
    assert sorted(map(len, found)) == [2_000 + 50 * turn for turn in range(40)]
