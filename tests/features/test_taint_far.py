"""Taint at two hops against plain loops, drawn by hand, and kept from an account's own group."""

from __future__ import annotations

import math

import numpy as np
import pyarrow as pa
import pytest
from known import table_of
from strategies import transfers_table
from test_taint import Story

from muledetect.clock import DAY, HOUR
from muledetect.features import Feature, taint_far
from muledetect.records import read_dataset
from muledetect.testing import check_feature, random_world

FEATURES = [taint_far.relayed_twice, taint_far.is_near_listed]


class Nobody(dict):
    """Groups that also hold nobody, whom nothing is hidden from."""

    def __missing__(self, key: str) -> int:
        return -1


def tell(story: Story, account: str) -> dict[str, float]:
    recent = [row for row in story.moved if row["time"] >= story.begin]
    received = [row for row in recent if row["target"] == account]
    width, twice = story.known.as_of - story.begin, 0.0
    for credit in received:
        got = [
            row
            for row in story.moved
            if row["target"] == credit["source"] and credit["time"] - width <= row["time"] <= credit["time"]
        ]
        fed = sum(row["amount"] * story.relayed(account, row) for row in got if not story.is_named(account, row))
        twice += credit["amount"] * fed / sum(row["amount"] for row in got) if fed else 0.0
    total = sum(row["amount"] for row in received)
    mine = {row["source"] for row in recent} | {row["target"] for row in recent}
    mine = {o for o in mine if any({o, account} == {row["source"], row["target"]} for row in recent)} - {account}
    beyond = {
        end
        for row in recent
        for end, other in ((row["source"], row["target"]), (row["target"], row["source"]))
        if other in mine
    } - {account}
    return {
        "relayed_twice_share": twice / total if total else math.nan,
        "is_near_listed": float(any(story.is_listed(account, other) for other in beyond)),
    }


@pytest.mark.parametrize("feature", FEATURES, ids=lambda feature: feature.name)
def test_taint_at_two_hops_keeps_the_laws(feature: Feature) -> None:
    check_feature(feature, n_worlds=6)


@pytest.mark.parametrize("is_apart", [False, True])
@pytest.mark.parametrize("part", range(4))
def test_taint_at_two_hops_equals_its_oracle(part: int, is_apart: bool) -> None:
    n_relayed = 0
    for seed in range(part * 10, part * 10 + 10):
        dataset = read_dataset(random_world(seed))
        times = dataset.transfers["time"].cast("int64").to_numpy()
        as_of = int(times[-1]) + int(np.random.default_rng(seed).choice([0, 5 * DAY, 20 * DAY]))
        ids = dataset.account_ids.to_pylist()
        hide_groups = np.random.default_rng(seed + 1).integers(0, 4, len(ids)) * 7 if is_apart else None
        story = Story(
            dataset, as_of, Nobody(zip(ids, hide_groups.tolist(), strict=True)) if hide_groups is not None else {}
        )
        got = table_of(dataset, as_of, FEATURES, hide_groups=hide_groups)
        for account in ids:
            told = tell(story, account)
            n_relayed += told["relayed_twice_share"] > 0
            for name, value in told.items():
                found = got[f"{name}__window_30d"][account]
                assert found == pytest.approx(value, rel=1e-6, abs=1e-6, nan_ok=True), (name, seed, account)
    assert n_relayed > 0


# a victim v pays a 100, and w pays a 100; a pays b 100, b has 100 of his own from w and pays c 50; d has nothing of it
ROWS = [
    ("v", "a", HOUR, 100),
    ("w", "a", HOUR, 100),
    ("a", "b", 2 * HOUR, 100),
    ("w", "b", 2 * HOUR, 100),
    ("b", "c", 3 * HOUR, 50),
    ("x", "d", 3 * HOUR, 50),
]


def at(*times: int) -> pa.Array:
    return pa.array(times, pa.int64()).cast(pa.timestamp("us", tz="UTC"))


def test_half_of_a_half_came_in_two_hops() -> None:
    # half of a's money is named, so half of a's 100 to b is tainted: a quarter of b's 200, and a quarter of c's 50
    complaints = pa.table(
        {"complaint_id": ["1"], "known_ts": at(DAY), "target": ["a"], "amount": [100], "time": at(HOUR)}
        | {"victim_account": ["v"]}
    )
    dataset = read_dataset({"transfers": transfers_table(ROWS), "complaints": complaints}, currency="THB")
    before, after = (table_of(dataset, moment, [taint_far.relayed_twice]) for moment in (DAY, DAY + 1))
    assert before["relayed_twice_share__window_30d"]["c"] == 0
    told = after["relayed_twice_share__window_30d"]
    assert [told[account] for account in "abcd"] == [0, 0, pytest.approx(0.25, abs=1e-8), 0]
    hidden = table_of(dataset, 2 * DAY, [taint_far.relayed_twice], hide_groups=np.array([1, 2, 1, 3, 4, 5, 6]))
    assert hidden["relayed_twice_share__window_30d"]["c"] == 0


def test_who_dealt_with_somebody_who_dealt_with_a_listed_account() -> None:
    # c is listed; b dealt with it, a and w dealt with b, v dealt with a only; c itself knows nobody else who is listed
    lists = pa.table(
        {"list_id": ["l"], "kind": ["account"], "value_hash": ["c"], "category": ["mule"]} | {"valid_from": at(0)}
    )
    dataset = read_dataset({"transfers": transfers_table(ROWS), "watchlists": lists}, currency="THB")
    told = table_of(dataset, DAY, [taint_far.is_near_listed])["is_near_listed__window_30d"]
    assert [told[account] for account in "abcdvwx"] == [1, 0, 0, 0, 0, 1, 0]
    late = table_of(dataset, 31 * DAY, [taint_far.is_near_listed])["is_near_listed__window_30d"]
    assert sum(late.values()) == 0


def test_taint_is_not_followed_through_a_shop() -> None:
    # b also got 1,000 small payments, so nobody can tell what c got of the victim's money, nor who is near whom
    complaints = pa.table(
        {"complaint_id": ["1"], "known_ts": at(DAY), "target": ["a"], "amount": [100], "time": at(HOUR)}
    )
    lists = pa.table(
        {"list_id": ["l"], "kind": ["account"], "value_hash": ["c"], "category": ["mule"]} | {"valid_from": at(0)}
    )
    rows = [*ROWS, *(("w", "b", n, 1) for n in range(1_000))]
    tables = {"transfers": transfers_table(rows), "complaints": complaints, "watchlists": lists}
    told = table_of(read_dataset(tables, currency="THB"), 2 * DAY, FEATURES)
    assert told["relayed_twice_share__window_30d"]["c"] == 0
    assert told["is_near_listed__window_30d"]["a"] == 0


def test_without_tables_nothing_is_known() -> None:
    told = table_of(read_dataset({"transfers": transfers_table(ROWS)}, currency="THB"), DAY, FEATURES)
    assert all(math.isnan(value) for values in told.values() for value in values.values())
