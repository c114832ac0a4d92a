"""Aggregates of signals against plain loops over the table of signals."""

from __future__ import annotations

import math

import numpy as np
import pytest
from strategies import transfers_table

from muledetect.clock import DAY, HOUR, parse_duration
from muledetect.features import extract, feature_names, registry
from muledetect.features.patterns import AGGREGATES
from muledetect.features.signals import extract_signals
from muledetect.labels import every_account
from muledetect.records import Dataset, read_dataset
from muledetect.testing import random_world


def oracle(rows: list[dict], account: str, as_of: int, window: int, column: str) -> float:
    """Look at each transfer of the account in turn."""
    told = AGGREGATES[column]
    mine, facing = ("target", "source") if told.side == "in" else ("source", "target")
    seen = [
        (row[told.signal], row["amount"])
        for row in rows
        if row[mine] == account != row[facing]
        and as_of - window <= row["time"] < as_of
        and not math.isnan(row[told.signal])
    ]
    if told.how == "count":
        return sum(value > told.above for value, _ in seen)
    if not seen:
        return math.nan
    total = sum(amount for _, amount in seen)
    return {
        "max": max(value for value, _ in seen),
        "mean": sum(value * amount for value, amount in seen) / total,
        "share": sum(amount for value, amount in seen if value > told.above) / total,
    }[told.how]


def rows_of(dataset: Dataset) -> list[dict]:
    table = extract_signals(dataset)
    return [
        {**row, "time": time}
        for row, time in zip(table.to_pylist(), table["time"].cast("int64").to_pylist(), strict=True)
    ]


@pytest.mark.parametrize("seed", range(12))
def test_aggregates_equal_their_oracle(seed: int) -> None:
    dataset = read_dataset(random_world(seed))
    rows = rows_of(dataset)
    random = np.random.default_rng(seed)
    as_of = int(random.choice([row["time"] for row in rows])) + int(random.choice([0, 1, dataset.tick, HOUR]))
    names = feature_names(families=["patterns"])
    table = extract(dataset, every_account(dataset, as_of), names)
    for name in names:
        call = registry().parse(name)
        window = max(parse_duration(dict(call.parameters)["window"]), dataset.tick)
        expected = [oracle(rows, account, as_of, window, call.column) for account in dataset.account_ids.to_pylist()]
        np.testing.assert_allclose(table[name].to_numpy(), expected, rtol=1e-6, atol=1e-6, err_msg=f"{name}, {seed}")


def test_money_from_a_payer_that_paid_many_at_once() -> None:
    # v pays b, c, d and then a 600 within an hour; w pays a 200: three quarters of a's money came from a fan
    rows = [("v", "b", 0, 5), ("v", "c", 1, 5), ("v", "d", 2, 5), ("v", "a", HOUR, 600), ("w", "a", HOUR, 200)]
    dataset = read_dataset({"transfers": transfers_table(rows)}, currency="THB")
    table = extract(dataset, every_account(dataset, DAY), ["in_payer_fan__window_7d"])
    row = table.take([dataset.account_ids.to_pylist().index("a")]).to_pylist()[0]
    assert row["in_payer_fan__window_7d"] == 0.75
