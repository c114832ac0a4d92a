"""Shared identity against plain loops, and drawn by hand."""

from __future__ import annotations

import math

import numpy as np
import pyarrow as pa
import pytest
from known import Known, moment_in, table_of
from strategies import transfers_table

from muledetect.clock import DAY, HOUR
from muledetect.features import identity
from muledetect.records import Dataset, read_dataset
from muledetect.testing import check_features, random_world

FEATURES = [identity.shared_identity, identity.own_devices, identity.openings]
CONTACTS = {"phone", "email", "address", "sim", "imei", "wallet"}


def oracle(known: Known, account: str) -> dict[str, float]:
    me, sightings = known.person(account), known.sightings()
    holders: dict[tuple[str, str], set] = {}
    for kind, value, person, _ in sightings:
        holders.setdefault((kind, value), set()).add(person)
    mine = {(kind, value) for kind, value, person, _ in sightings if person == me}
    others = {key: holders[key] - {me} for key in mine}
    first = [
        min(since for kind, value, person, since in sightings if ("device", name) == (kind, value) and person == me)
        for what, name in mine
        if what == "device"
    ]
    weighed = [len(holders[key]) for key in mine if key[0] in {"ip", "wifi"} and 2 <= len(holders[key]) <= 20]
    seen = known.sessions_of(account, 30 * DAY)
    told = {
        "device_sharers": max((len(others[key]) for key in mine if key[0] == "device"), default=0),
        "contact_sharers": max((len(others[key]) for key in mine if key[0] in CONTACTS), default=0),
        "network_sharers": sum((n - 1) / math.log2(n) for n in weighed),
        "newest_device_age": (known.as_of - max(first)) / 1e6 if first else math.nan,
        "own_devices__window_30d": len({row["device_hash"] for row in seen} - {None}),
        "own_networks__window_30d": len({row["ip_hash"] for row in seen} - {None}),
    }
    return told | openings(known, account, set().union(*(others[k] for k in mine if k[0] not in {"cell", "terminal"})))


def openings(known: Known, account: str, sharers: set) -> dict[str, float]:
    def opened(entry: str) -> float:
        at = known.accounts[entry]["opened_at"]
        return math.inf if at is None or at >= known.as_of else at

    def since(entry: str) -> float:
        used = [row["time"] for row in known.transfers if entry in (row["source"], row["target"])]
        return min([opened(entry), *used])

    mine, others = known.accounts[account], [entry for entry in known.accounts if entry != account]
    key = (mine["branch_id"], mine["open_channel"])
    near = [o for o in others if abs(opened(o) - opened(account)) <= DAY] if opened(account) < math.inf else []
    keys = {entry: (row["branch_id"], row["open_channel"]) for entry, row in known.accounts.items()}
    family = [o for o in others if known.person(o) == known.person(account) and since(o) < math.inf]
    is_open = opened(account) < math.inf
    return {
        "holder_accounts": len(family) if mine["holder_id"] else math.nan,
        "batch_openings": sum(keys[o] == key for o in near) if is_open and None not in key else math.nan,
        "batch_sharers": len(sharers & {known.person(o) for o in near}) if is_open else math.nan,
    }


@pytest.mark.parametrize("part", range(4))
def test_shared_identity_equals_its_oracle_in_random_worlds(part: int) -> None:
    for seed in range(part * 10, part * 10 + 10):
        dataset = read_dataset(random_world(seed), currency="THB")
        as_of = moment_in(dataset, seed)
        known, table = Known(dataset, as_of), table_of(dataset, as_of, FEATURES)
        expected = {account: oracle(known, account) for account in known.accounts}
        for name, values in table.items():
            wanted = [expected[account][name] for account in values]
            np.testing.assert_allclose(list(values.values()), wanted, atol=1e-5, err_msg=f"{name}, world {seed}")


@pytest.mark.slow
def test_features_of_identity_obey_the_laws() -> None:
    check_features(FEATURES, n_worlds=8)


def moments(times: list[int]) -> pa.Array:
    return pa.array(times, pa.int64()).cast(pa.timestamp("us", tz="UTC"))


def drawn(**tables: pa.Table) -> Dataset:
    rows = [("a", "b", 0, 100), ("b", "c", HOUR, 100), ("c", "d", 2 * HOUR, 100)]
    return read_dataset({"transfers": transfers_table(rows), **tables}, currency="THB")


def test_a_family_phone_and_a_device_that_came_later() -> None:
    # holder x has a and b, y has c; x and y have one phone; c and d log in on device 1, d on the third day.
    # On the second day c shares nothing but the phone; on the fourth day it shares the device with d as well.
    tables = {
        "accounts": pa.table({"account_id": list("abcd"), "holder_id": ["x", "x", "y", None]}),
        "identifiers": pa.table(
            {
                "entity_id": ["x", "c"],
                "kind": ["phone", "phone"],
                "value_hash": ["p", "p"],
                "valid_from": moments([0, 0]),
            }
        ),
        "sessions": pa.table(
            {
                "session_id": ["1", "2"],
                "account_id": ["c", "d"],
                "time": moments([HOUR, 3 * DAY]),
                "device_hash": ["1", "1"],
            }
        ),
    }
    names = ["device_sharers", "contact_sharers", "newest_device_age", "holder_accounts"]
    early, late = (table_of(drawn(**tables), as_of, names_of(names)) for as_of in (2 * DAY, 4 * DAY))
    assert early["contact_sharers"] == {"a": 1, "b": 1, "c": 1, "d": 0}
    assert early["device_sharers"] == {"a": 0, "b": 0, "c": 0, "d": 0}
    assert late["device_sharers"] == {"a": 0, "b": 0, "c": 1, "d": 1}
    assert late["newest_device_age"]["c"] == (4 * DAY - HOUR) / 1e6
    assert late["holder_accounts"]["a"] == 1
    assert late["holder_accounts"]["c"] == 0
    assert math.isnan(late["holder_accounts"]["d"])


def names_of(columns: list[str]) -> list:
    return [feature for feature in FEATURES if set(columns) & set(feature.columns)]


def test_each_other_weighs_less_on_a_network_of_twenty_than_on_one_of_two_and_nothing_in_a_crowd() -> None:
    # a and b share one network: weight 1. With 19 strangers more it has 21 holders and ties nobody.
    for n_strangers, expected in ((0, 1.0), (2, 3 / 2), (18, 19 / math.log2(20)), (19, 0.0)):
        entities = ["a", "b", *(f"s{n}" for n in range(n_strangers))]
        n = len(entities)
        identifiers = pa.table(
            {"entity_id": entities, "kind": ["ip"] * n, "value_hash": ["i"] * n, "valid_from": moments([0] * n)}
        )
        table = table_of(drawn(identifiers=identifiers), DAY, [identity.shared_identity])
        assert table["network_sharers"]["a"] == pytest.approx(expected, abs=1e-5)


def test_accounts_opened_together_by_holders_of_one_device() -> None:
    # a, b, c are opened within a day at one branch by different people; a and b share a device. d comes two days later.
    accounts = pa.table(
        {
            "account_id": list("abcd"),
            "opened_at": moments([0, HOUR, 5 * HOUR, 2 * DAY]),
            "branch_id": ["1"] * 4,
        }
    )
    identifiers = pa.table(
        {
            "entity_id": ["a", "b"],
            "kind": ["device", "device"],
            "value_hash": ["1", "1"],
            "valid_from": moments([0, 0]),
        }
    )
    table = table_of(drawn(accounts=accounts, identifiers=identifiers), 3 * DAY, [identity.openings])
    assert table["batch_openings"] == {"a": 2, "b": 2, "c": 2, "d": 0}
    assert table["batch_sharers"] == {"a": 1, "b": 1, "c": 0, "d": 0}


def test_without_tables_nothing_is_known() -> None:
    table = table_of(drawn(), DAY, FEATURES)
    assert all(math.isnan(value) for values in table.values() for value in values.values())
