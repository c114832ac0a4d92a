"""Reversals are transfers at their own time, and no later row changes what was read before it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
from hypothesis import given, settings
from hypothesis import strategies as st

from muledetect import read_dataset
from muledetect.records import Dataset, reasons

START = datetime(2025, 3, 1, tzinfo=UTC)
COLUMNS = {
    "transfer_id": pa.string(), "time": pa.timestamp("us", tz="UTC"), "source": pa.string(), "target": pa.string(),
    "amount": pa.int64(), "currency": pa.string(), "channel": pa.string(), "source_bank": pa.string(),
    "target_bank": pa.string(), "source_balance_after": pa.int64(), "target_balance_after": pa.int64(),
    "status": pa.string(), "reversal_of": pa.string(),
}  # fmt: skip


def transfer(name: str, hour: int, source: str, target: str, amount: int, **more: Any) -> dict[str, Any]:
    row = {"transfer_id": name, "time": START + timedelta(hours=hour), "source": source, "target": target}
    banks = {"source_bank": f"bank of {source}", "target_bank": f"bank of {target}"}
    return row | {"amount": amount, "currency": "THB", "channel": "card"} | banks | more


def read(*rows: dict[str, Any], **tables: pa.Table) -> Dataset:
    table = pa.table({name: pa.array([row.get(name) for row in rows], kind) for name, kind in COLUMNS.items()})
    return read_dataset({"transfers": table, **tables}, now="2026-01-01")


def told(dataset: Dataset) -> set[str]:
    return {found.reason for found in dataset.findings}


def test_a_transfer_and_its_reversal_both_stay_at_their_own_times() -> None:
    dataset = read(transfer("t1", 1, "a", "b", 5), transfer("t2", 30, "b", "a", 5, reversal_of="t1"))
    assert dataset.rejects.num_rows == 0
    assert told(dataset) == set()
    assert dataset.transfers.select(["transfer_id", "source", "target", "channel", "reversal_of"]).to_pylist() == [
        {"transfer_id": "t1", "source": "a", "target": "b", "channel": "card", "reversal_of": None},
        {"transfer_id": "t2", "source": "b", "target": "a", "channel": "reversal", "reversal_of": "t1"},
    ]


def test_a_reversal_booked_like_its_original_goes_back_with_all_that_is_said_of_its_ends() -> None:
    dataset = read(
        transfer("t1", 1, "a", "b", 5),
        transfer("t2", 2, "a", "b", 3, reversal_of="t1", source_balance_after=98),
        transfer("t3", 3, "b", "c", 1, target_balance_after=7),
    )
    assert told(dataset) == {reasons.REVERSAL_SWAPPED}
    back = dataset.transfers.to_pylist()[1]
    assert (back["source"], back["target"]) == ("b", "a")
    assert (back["source_bank"], back["target_bank"]) == ("bank of b", "bank of a")
    assert (back["source_balance_after"], back["target_balance_after"]) == (None, 98)
    others = dataset.transfers.filter(pc.field("transfer_id") != "t2").to_pylist()
    assert [row["source_bank"] for row in others] == ["bank of a", "bank of b"]
    assert [row["target_balance_after"] for row in others] == [None, 7]


def test_simultaneous_reversals_that_exceed_their_original_fall_together() -> None:
    rows = [transfer("t1", 1, "a", "b", 5), transfer("t2", 2, "b", "a", 2, reversal_of="t1")]
    rows += [transfer(name, 3, "b", "a", 2, reversal_of="t1") for name in ("t3", "t4")]
    dataset = read(*rows)
    assert dataset.transfers["transfer_id"].to_pylist() == ["t1", "t2"]
    assert dataset.rejects["row"].to_pylist() == [2, 3]


def test_many_large_reversals_do_not_overflow() -> None:
    whole = 10**15
    rows = [transfer("t0", 0, "a", "b", whole)]
    rows += [transfer(f"r{n}", 1 + n // 2, "b", "a", whole // 2, reversal_of="t0") for n in range(20_000)]
    assert read(*rows).transfers["transfer_id"].to_pylist() == ["t0", "r0", "r1"]


ROWS = st.lists(
    st.builds(
        transfer,
        st.just(""),
        st.integers(0, 6),
        st.sampled_from(["a", "b", "c"]),
        st.sampled_from(["a", "b", "c"]),
        st.integers(1, 3),
        status=st.sampled_from(["settled", None, "returned", "rejected"]),
        reversal_of=st.sampled_from([None, None, "t0", "t1", "t2", "t3"]),
        source_balance_after=st.sampled_from([None, 5]),
    ),
    min_size=1,
    max_size=12,
)


@given(ROWS, st.integers(1, 6))
@settings(deadline=None, max_examples=100)
def test_what_happens_at_a_moment_or_later_changes_no_earlier_row(rows: list[dict[str, Any]], hour: int) -> None:
    for place, row in enumerate(rows):
        row["transfer_id"] = f"t{place}"
    moment = START + timedelta(hours=hour)
    times = pa.array([row["time"] for row in rows], pa.timestamp("us", tz="UTC"))
    complaints = pa.table(
        {
            "complaint_id": [f"q{place}" for place in range(len(rows))],
            "known_ts": pc.add(times, pa.scalar(3_600_000_000, pa.duration("us"))),
            "transfer_id": [row["transfer_id"] for row in rows],
            "status": ["withdrawn"] * len(rows),
            "status_ts": pc.add(times, pa.scalar(7_200_000_000, pa.duration("us"))),
        }
    )
    known, happened = (pc.field(name) < pa.scalar(moment, times.type) for name in ("known_ts", "time"))
    past = [row for row in rows if row["time"] < moment]
    whole = read(*rows, complaints=complaints)
    before = read(*past, complaints=complaints.filter(known))
    assert before.transfers.to_pylist() == whole.transfers.filter(happened).to_pylist()
    assert before.tables["complaints"].to_pylist() == whole.tables["complaints"].filter(known).to_pylist()
