"""Devices and terminals of transfers against plain loops over all transfers, and drawn by hand."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pyarrow as pa
import pytest
from strategies import transfers_table

from muledetect.clock import DAY, HOUR, MINUTE
from muledetect.facts.known import visible_tables
from muledetect.features.signals import build_past, extract_signals
from muledetect.features.signals.access import access
from muledetect.graph import build_graph
from muledetect.records import Dataset, read_dataset
from muledetect.testing import check_signal, random_world

LOOKBACKS = (10 * MINUTE, 72 * HOUR, 30 * DAY)


def oracle(dataset: Dataset, lookback: int, *, is_simultaneous: bool) -> list[list[float]]:
    """Each transfer against every other one; `lookback` is not below the tick."""
    rows = dataset.transfers.to_pylist()
    for row, time in zip(rows, dataset.transfers["time"].cast("int64").to_pylist(), strict=True):
        row["time"] = time
        row["user"] = row["target"] if row["channel"] == "cash_deposit" else row["source"]
    at_terminal = max(min(30 * MINUTE, lookback), dataset.tick)
    told = []
    for row in rows:
        now = row["time"]
        earlier = [
            other
            for other in rows
            if other is not row
            and other["source"] != other["target"]
            and (other["time"] < now or (is_simultaneous and other["time"] == now))
        ]
        is_moving = row["source"] != row["target"]

        def others(window: int, key: str, who: str, row: dict = row, earlier: list = earlier) -> float:
            if row[key] is None:
                return math.nan
            near = [other for other in earlier if other["time"] >= row["time"] - window and other[key] == row[key]]
            return len({other[who] for other in near} - {row[who]})

        used = {other["device_hash"] for other in earlier if other["source"] == row["source"] and other["time"] < now}
        is_new = math.nan if row["device_hash"] is None else float(row["device_hash"] not in used)
        on_device = others(lookback, "device_hash", "source")
        told.append([is_new, on_device, others(at_terminal, "terminal_id", "user")] if is_moving else [0.0, 0.0, 0.0])
    return told


@pytest.mark.parametrize("seed", range(40))
def test_access_equals_its_oracle(seed: int) -> None:
    dataset = read_dataset(random_world(seed, n_accounts=3 + seed % 6, n_transfers=10 + seed % 50))
    graph = build_graph(dataset)
    for lookback, ties in itertools.product(LOOKBACKS, ("strict", "simultaneous")):
        past = build_past(graph, lookback=lookback, ties=ties, tables=visible_tables(dataset), threads=1 + seed % 2)
        expected = oracle(dataset, past.lookback, is_simultaneous=past.is_simultaneous)
        np.testing.assert_array_equal(access.compute(past), expected, err_msg=f"{seed}, {lookback}, {ties}")


def test_access_keeps_the_laws() -> None:
    check_signal(access, n_worlds=6)


def test_transfers_behind_the_end_of_the_graph_are_not_read() -> None:
    dataset = read_dataset(random_world(4))
    graph = build_graph(dataset)
    whole = access.compute(build_past(graph, ties="strict", tables=visible_tables(dataset)))
    early = graph.until(int(graph.time[len(graph.time) // 2]))
    part = access.compute(build_past(early, ties="strict", tables=visible_tables(dataset)))
    np.testing.assert_array_equal(part, whole[: early.n_transfers])


def test_cards_of_three_holders_at_one_machine() -> None:
    # a, b and c draw at machine m within 20 minutes, d an hour later; e pays cash in there for f at minute 25
    rows = [
        ("a", "x", 0, 1),
        ("b", "x", 10 * MINUTE, 1),
        ("c", "x", 20 * MINUTE, 1),
        ("e", "f", 25 * MINUTE, 1),
        ("a", "x", 35 * MINUTE, 1),
        ("d", "x", 80 * MINUTE, 1),
    ]
    columns = {
        "terminal_id": pa.array(["m"] * 6),
        "device_hash": pa.array(["d1", "d1", "d2", None, "d2", "d1"]),
        "channel": pa.array(["cash_atm", "cash_atm", "cash_atm", "cash_deposit", "cash_atm", "cash_atm"]),
    }
    table = transfers_table(rows)
    for name, column in columns.items():
        table = table.append_column(name, column)
    got = extract_signals(read_dataset({"transfers": table}, currency="THB"), [access])
    # at 35 min the last 30 hold b, c and f; on the device d1 paid a, then b, then d, on d2 first c, then a
    assert got["others_at_terminal"].to_pylist() == [0, 1, 2, 3, 3, 0]
    assert got["others_on_device"].fill_null(-1).to_pylist()[:3] == [0, 1, 0]
    assert got["others_on_device"].to_pylist()[4:] == [1, 2]
    assert got["is_new_device"].to_pylist()[:3] + got["is_new_device"].to_pylist()[4:] == [1, 1, 1, 1, 1]
    assert math.isnan(got["is_new_device"].to_pylist()[3])


def test_without_the_columns_nothing_is_known() -> None:
    dataset = read_dataset({"transfers": transfers_table([("a", "b", 0, 1)])}, currency="THB")
    got = extract_signals(dataset, [access])
    assert [str(got[name].to_pylist()[0]) for name in access.columns] == ["nan"] * 3
