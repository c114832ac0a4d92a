"""Flags of sessions against plain loops, and drawn by hand."""

from __future__ import annotations

import math

import numpy as np
import pyarrow as pa
import pytest
from strategies import transfers_table

from muledetect.clock import HOUR, MINUTE
from muledetect.facts.known import visible_tables
from muledetect.features.signals import build_past, sessions
from muledetect.graph import build_graph
from muledetect.records import Dataset, read_dataset
from muledetect.testing import check_signal, random_world

FLAGS = ("remote_access", "emulator", "virtual_camera")


def rows_of(dataset: Dataset, name: str) -> list[dict]:
    table = dataset.tables[name]
    times = table["time"].cast("int64").to_pylist()
    return [{**row, "time": time} for row, time in zip(table.to_pylist(), times, strict=True)]


def oracle(dataset: Dataset, *, is_simultaneous: bool) -> list[list[float]]:
    known, width = rows_of(dataset, "sessions"), max(HOUR, dataset.tick)
    told = []
    for row in rows_of(dataset, "transfers"):
        now = row["time"]
        near = [
            login
            for login in known
            if (login["account_id"] == row["source"] and now - width <= login["time"])
            and (login["time"] < now or (is_simultaneous and login["time"] == now))
        ]
        near += [login for login in known if login["session_id"] == row["session_id"] and login["time"] <= now]
        if row["source"] == row["target"]:
            told.append([0.0] * 3)
        else:
            told.append([float(any(login[flag] for login in near)) if near else math.nan for flag in FLAGS])
    return told


@pytest.mark.parametrize("ties", ["strict", "simultaneous"])
@pytest.mark.slow
def test_flags_of_sessions_equal_their_oracle_in_random_worlds(ties: str) -> None:
    for seed in range(60):
        dataset = read_dataset(random_world(seed), currency="THB")
        past = build_past(build_graph(dataset), ties=ties, tables=visible_tables(dataset))
        expected = oracle(dataset, is_simultaneous=ties == "simultaneous")
        np.testing.assert_array_equal(sessions.session_flags.compute(past), expected, err_msg=f"world {seed}")


@pytest.mark.slow
def test_flags_of_sessions_obey_the_laws() -> None:
    check_signal(sessions.session_flags, n_worlds=8)


def test_remote_access_within_the_hour_and_in_the_own_session() -> None:
    # a is steered from afar at 0, pays 30 min later, and two hours later in a clean session;
    # b pays in a session that was steered three hours ago; c never logs in
    rows = [("a", "c", 30 * MINUTE, 1), ("a", "c", 2 * HOUR, 2), ("b", "c", 3 * HOUR, 3), ("c", "a", 4 * HOUR, 4)]
    transfers = transfers_table(rows).append_column("session_id", pa.array([None, "2", "3", None]))
    logins = pa.table(
        {
            "session_id": ["1", "2", "3"],
            "account_id": ["a", "a", "b"],
            "time": pa.array([0, 2 * HOUR - MINUTE, 0]).cast(pa.timestamp("us", tz="UTC")),
            "remote_access": [True, False, True],
        }
    )
    dataset = read_dataset({"transfers": transfers, "sessions": logins}, currency="THB")
    past = build_past(build_graph(dataset), tables=visible_tables(dataset))
    values = sessions.session_flags.compute(past)
    np.testing.assert_array_equal(values[:, 0], [1, 0, 1, np.nan])
    assert np.isnan(values[:, 1:]).all()


def test_without_sessions_nothing_is_known() -> None:
    dataset = read_dataset({"transfers": transfers_table([("a", "b", 0, 1)])}, currency="THB")
    past = build_past(build_graph(dataset), tables=visible_tables(dataset))
    assert np.isnan(sessions.session_flags.compute(past)).all()
