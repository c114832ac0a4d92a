from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from muledetect.clock import DAY, HOUR
from muledetect.facts import Facts, Snapshot
from muledetect.facts.complaints import is_disputed, is_named
from muledetect.records import read_dataset

START = 1_735_689_600_000_000  # 2025-01-01

NONE_FITS = "no transfer before this moment fits what it says"

#: victim v pays m twice the same amount on different days; w pays m once
MOVES = [("v", "m", 1 * DAY, 700), ("v", "m", 3 * DAY, 700), ("w", "m", 2 * DAY, 300), ("m", "x", 4 * DAY, 900)]


def moments(values: list[int | None]) -> pa.Array:
    return pa.array([None if v is None else START + v for v in values], pa.int64()).cast(pa.timestamp("us", tz="UTC"))


def facts(*complaints: dict[str, Any], moves: list[tuple[str, str, int, int]] = MOVES) -> Facts:
    transfers = pa.table(
        {
            "transfer_id": [f"t{k}" for k in range(len(moves))],
            "time": moments([row[2] for row in moves]),
            "source": [row[0] for row in moves],
            "target": [row[1] for row in moves],
            "amount": pa.array([row[3] for row in moves], pa.int64()),
        }
    )
    columns: dict[str, Any] = {"complaint_id": [f"c{k}" for k in range(len(complaints))]}
    for name in ("known_ts", "time", "status_ts"):
        columns[name] = moments([complaint.get(name) for complaint in complaints])
    for name in ("transfer_id", "victim_account", "target", "status"):
        columns[name] = pa.array([complaint.get(name) for complaint in complaints], pa.string())
    columns["amount"] = pa.array([complaint.get("amount") for complaint in complaints], pa.int64())
    return Facts(read_dataset({"transfers": transfers, "complaints": pa.table(columns)}))


def position(known: Facts, transfer_id: str) -> int:
    return known.tables["transfers"]["transfer_id"].to_pylist().index(transfer_id)


@pytest.mark.parametrize(
    ("says", "means", "reason"),
    [
        ({"transfer_id": "t1"}, "t1", ""),
        ({"transfer_id": "no such"}, None, "its transfer is not among the transfers before this moment"),
        ({"target": "m", "victim_account": "w"}, "t2", ""),
        ({"target": "m", "amount": 300}, "t2", ""),
        ({"target": "m", "time": 3 * DAY}, "t1", ""),
        ({"target": "m", "victim_account": "v"}, None, "several transfers fit what it says"),
        ({"target": "m", "victim_account": "v", "amount": 700, "time": 1 * DAY}, "t0", ""),
        ({"target": "m", "victim_account": "w", "amount": 700}, None, NONE_FITS),
        ({"target": "m", "victim_account": "stranger"}, None, NONE_FITS),
        ({"victim_account": "v"}, None, "it says neither a transfer nor an account that was paid"),
    ],
)  # fmt: skip
def test_a_complaint_means_the_one_transfer_that_fits_all_it_says(
    says: dict[str, Any], means: str | None, reason: str
) -> None:
    known = facts({"known_ts": 5 * DAY, **says})
    found = Snapshot(known, "2025-02-01").complaints
    assert found.transfer.tolist() == [-1 if means is None else position(known, means)]
    assert found.excluded["reason"].to_pylist() == ([reason] if reason else [])


def test_a_transfer_after_the_complaint_is_never_meant() -> None:
    # at 2 days only the payment of day 1 had happened: it is the one that fits
    known = facts(
        {"known_ts": 2 * DAY, "target": "m", "victim_account": "v"}, {"known_ts": 2 * DAY, "transfer_id": "t1"}
    )
    assert Snapshot(known, "2025-02-01").complaints.transfer.tolist() == [position(known, "t0"), -1]


def test_a_complaint_without_a_transfer_still_names_its_accounts() -> None:
    known = facts({"known_ts": 5 * DAY, "target": "m", "victim_account": "v"})
    found = Snapshot(known, "2025-02-01").complaints
    ids = known.graph.account_ids.to_pylist()
    assert (ids[found.payer[0]], ids[found.payee[0]]) == ("v", "m")
    assert is_named(known.disputes, int(found.payee[0]), START + 6 * DAY)
    assert not is_named(known.disputes, int(found.payee[0]), START + 5 * DAY)  # as_of is exclusive


@pytest.mark.parametrize(
    ("status_ts", "days"),
    [(8 * DAY, [6, 7, 8]), (None, []), (5 * DAY, [])],
)
def test_a_withdrawn_complaint_counts_until_the_withdrawal_was_known(status_ts: int | None, days: list[int]) -> None:
    known = facts({"known_ts": 5 * DAY, "transfer_id": "t0", "status": "withdrawn", "status_ts": status_ts})
    t0 = position(known, "t0")
    asked = [START + day * DAY for day in range(4, 11)]
    counts = [day for day, moment in zip(range(4, 11), asked, strict=True) if is_disputed(known.disputes, t0, moment)]
    standing = [day for day, moment in zip(range(4, 11), asked, strict=True) if len(Snapshot(known, moment).complaints)]
    assert counts == standing == days
    last = Snapshot(known, asked[-1]).complaints.excluded["reason"].to_pylist()
    assert last == ["withdrawn"]
    assert Snapshot(known, START + 5 * DAY).complaints.excluded["reason"].to_pylist() == ["not known at this moment"]


def test_between_a_withdrawal_and_a_second_complaint_nothing_is_disputed() -> None:
    known = facts(
        {"known_ts": 5 * DAY, "transfer_id": "t0", "status": "withdrawn", "status_ts": 6 * DAY},
        {"known_ts": 8 * DAY, "transfer_id": "t0"},
    )
    t0 = position(known, "t0")
    asked = [START + 12 * HOUR + day * DAY for day in range(4, 10)]
    assert [is_disputed(known.disputes, t0, moment) for moment in asked] == [False, True, False, False, True, True]


def test_the_index_of_disputes_agrees_with_the_snapshot_at_every_moment() -> None:
    random = np.random.default_rng(3)
    moves = [(f"a{random.integers(5)}", f"b{random.integers(3)}", int(k) * HOUR, int(random.integers(1, 4)) * 100)
             for k in range(60)]  # fmt: skip
    complaints = []
    for _ in range(40):
        source, target, time, amount = moves[random.integers(60)]
        says: dict[str, Any] = {"target": target, "known_ts": time + int(random.integers(0, 30)) * HOUR}
        says |= {
            k: v for k, v in {"victim_account": source, "time": time, "amount": amount}.items() if random.random() < 0.6
        }
        if random.random() < 0.5:
            says |= {"status": "withdrawn", "status_ts": says["known_ts"] + int(random.integers(0, 20)) * HOUR}
        complaints.append(says)
    known = facts(*complaints, moves=moves)
    for hour in range(0, 100, 7):
        snapshot = Snapshot(known, START + hour * HOUR)
        n = snapshot.graph.n_transfers
        by_index = [is_disputed(known.disputes, i, snapshot.as_of) for i in range(n)]
        assert by_index == snapshot.is_disputed.tolist()
        named = {int(a) for a in snapshot.complaints.payee if a >= 0}
        assert named == {a for a in range(known.graph.n_accounts) if is_named(known.disputes, a, snapshot.as_of)}
