"""Stolen money is stopped once, however often it is held on its way, and never more than was lost."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from small_world import small_world

from muledetect.clock import MINUTE, parse_time
from muledetect.records import Dataset, read_dataset
from muledetect.replay.stopped import Counted, Stopped, at_stake

Rows = list[tuple[Any, ...]]
START = parse_time("2025-03-01")
ROWS: Rows = [
    # id, source, target, amount, minute; of case c: 100 in t1, 90 in t2, 50 and 40 on
    ("t1", "victim", "m1", 100, 0),
    ("t2", "m1", "m2", 90, 1),
    ("t3", "m2", "shop", 60, 2),
    ("t4", "m2", "cash", 40, 3),
    ("t5", "honest", "m2", 500, 4),
]
TRUTH: Rows = [("t1", "victim", "c", 100), ("t2", "hop", "c", 90), ("t3", "exit", "c", 50), ("t4", "exit", "c", 40)]


def dataset(rows: Rows = ROWS, truth_rows: Rows = TRUTH, own: Sequence[str] | None = None) -> Dataset:
    moment = np.datetime64("2025-03-01T00:00", "us")
    transfers = pa.table({
        "transfer_id": [row[0] for row in rows], "source": [row[1] for row in rows], "target": [row[2] for row in rows],
        "amount": [row[3] for row in rows],
        "time": pa.array([(moment + np.timedelta64(row[4], "m")).item() for row in rows], pa.timestamp("us", "UTC")),
    })  # fmt: skip
    names = ("transfer_id", "kind", "case_id", "amount")
    truth = pa.table({name: [row[k] for row in truth_rows] for k, name in enumerate(names)})
    steps = [
        ("m1", 0, 100),
        ("m1", 1, 10),
        ("m2", 1, 90),
        ("m2", 2, 40),
        ("shop", 2, 50),
        ("m2", 3, 0),
        ("cash", 3, 40),
    ]
    money = pa.table({
        "case_id": ["c"] * 7, "account_id": [step[0] for step in steps],
        "place": ["account" if step[0].startswith("m") else "exit" for step in steps],
        "time": pa.array([(moment + np.timedelta64(step[1], "m")).item() for step in steps], pa.timestamp("us", "UTC")),
        "amount": [step[2] for step in steps],
    })  # fmt: skip
    tables = {"transfers": transfers, "truth_transfers": truth, "truth_money": money}
    return read_dataset(tables if own is None else tables | {"accounts": pa.table({"account_id": own})})


def go(stopped: Stopped, row: tuple[Any, ...], touched: int = 0, *, stops: bool = True) -> Counted:
    names = ("transfer_id", "source", "target", "amount")
    return stopped.transfer(dict(zip(names, row[:4], strict=True)), touched, stops=stops)


def test_what_is_held_first_saves_and_what_is_held_again_does_not() -> None:
    stopped = Stopped(dataset())
    assert go(stopped, ROWS[0], 100) == Counted(100, 0, 100)
    assert go(stopped, ROWS[1], 90) == Counted(90, 0, 0)  # all of it was stopped before
    assert go(stopped, ROWS[2], 60) == Counted(50, 10, 0)
    assert go(stopped, ROWS[4], 500) == Counted(0, 500, 0)
    assert stopped.saved == {"c": 100}


def test_what_left_before_is_not_saved_later() -> None:
    stopped = Stopped(dataset())
    assert go(stopped, ROWS[0]) == Counted()
    assert go(stopped, ROWS[1], 90) == Counted(90, 0, 90)
    assert go(stopped, ROWS[2]) == Counted()
    assert go(stopped, ROWS[3], 40) == Counted(40, 0, 0)  # the 40 that left were stopped with the 90
    assert stopped.saved == {"c": 90}


def test_a_review_looks_and_stops_nothing() -> None:
    stopped = Stopped(dataset())
    assert go(stopped, ROWS[0], 100, stops=False) == Counted(100, 0, 0)
    assert stopped.saved == {}


def test_a_hold_in_an_account_finds_what_is_there_just_before_the_moment() -> None:
    stopped = Stopped(dataset())
    go(stopped, ROWS[0]), go(stopped, ROWS[1])
    assert stopped.hold("m2", START + MINUTE, 70) == Counted(0, 70, 0)  # it comes at this very moment
    assert stopped.hold("m2", START + MINUTE + 1, 70) == Counted(70, 0, 70)
    assert stopped.hold("m2", START + MINUTE + 1, 120) == Counted(90, 30, 20)  # 70 of the 90 were held already
    assert go(stopped, ROWS[2]) == Counted()
    assert go(stopped, ROWS[3], 40) == Counted(40, 0, 0)
    assert stopped.saved == {"c": 90}


def test_what_is_at_stake_was_there_at_the_begin_or_is_paid_before_the_end() -> None:
    assert at_stake(dataset(), START, START + 1) == {"c": 100}
    assert at_stake(dataset(), START + 1, START + 10 * MINUTE) == {"c": 100}
    assert at_stake(dataset(), START + 2 * MINUTE + 1, START + 10 * MINUTE) == {"c": 50}  # 50 had left
    assert at_stake(dataset(), START + 4 * MINUTE, START + 10 * MINUTE) == {"c": 10}
    assert at_stake(dataset(), 0, START) == {}


def test_what_moves_among_other_banks_is_not_saved_twice() -> None:
    # c pays 100 to m1, ours; it goes to out1 of another bank, unseen on to out2, and comes back to m2, ours
    rows = [("t1", "victim", "m1", 100, 0), ("t2", "m1", "out1", 100, 1), ("t3", "out2", "m2", 100, 2)]
    truth = [("t1", "victim", "c", 100), ("t2", "hop", "c", 100), ("t3", "hop", "c", 100)]
    stopped = Stopped(dataset(rows, truth, own=["victim", "m1", "m2"]))
    assert go(stopped, rows[0], 60).saved == 60
    assert go(stopped, rows[1]).saved == 0
    assert go(stopped, rows[2], 100) == Counted(100, 0, 40)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(6))
def test_no_case_is_saved_beyond_its_loss_whatever_is_held(seed: int) -> None:
    read = read_dataset(dict(small_world()))
    ours = set(read.tables["accounts"].filter(read.tables["accounts"]["is_own"])["account_id"].to_pylist())
    stopped, random = Stopped(read), np.random.default_rng(seed)
    rows = read.transfers.select(["transfer_id", "source", "target", "amount", "time"])
    times = rows["time"].cast(pa.int64()).to_pylist()
    for row, time in zip(rows.to_pylist(), times, strict=True):
        action = random.random()
        found = stopped.transfer(row, row["amount"] if action < 0.5 else 0, stops=action < 0.3)
        assert found.saved <= found.stolen <= row["amount"]
        if action > 0.9 and row["target"] in ours:
            held = stopped.hold(row["target"], time + 1, int(random.integers(1, 10**6)))
            assert held.saved <= held.stolen
    paid = at_stake(read, 0, parse_time("2030-01-01"))
    assert stopped.saved
    assert all(saved <= paid[case] for case, saved in stopped.saved.items())
