"""Statuses of complaints have a clock, and columns that got another name are read by the old one for a version."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from muledetect import read_dataset
from muledetect.frames import takes_tables
from muledetect.records import Dataset, reasons
from muledetect.rings.ring import TABLES, read_rings
from muledetect.schema import OUTPUTS

TRANSFERS = pa.table(
    {
        "transfer_id": ["t1"], "time": ["2025-03-01T09:30:00Z"], "source": ["a"], "target": ["b"], "amount": [100],
        "currency": ["THB"],
    }
)  # fmt: skip


def read_with_complaints(status: list[str], status_ts: list[str | None] | None) -> Dataset:
    """Return a data set with a complaint a status, all known on 2 March."""
    complaints: dict[str, Any] = {
        "complaint_id": [f"q{place}" for place in range(len(status))],
        "known_ts": ["2025-03-02T00:00:00Z"] * len(status),
        "status": status,
    }
    if status_ts is not None:
        complaints["status_ts"] = pa.array(status_ts, pa.string())
    return read_dataset({"transfers": TRANSFERS, "complaints": pa.table(complaints)})


def reasons_of(dataset: Dataset, table: str) -> dict[str, int]:
    return {found.reason: found.n_rows for found in dataset.findings if found.table == table}


def test_a_withdrawn_complaint_without_a_time_is_warned_about() -> None:
    dataset = read_with_complaints(["open", "withdrawn", "withdrawn"], [None, None, "2025-03-05T00:00:00Z"])
    assert reasons_of(dataset, "complaints") == {reasons.NO_STATUS_TIME: 1}
    assert dataset.tables["complaints"].num_rows == 3
    without_column = read_with_complaints(["withdrawn", "withdrawn"], None)
    assert reasons_of(without_column, "complaints") == {reasons.NO_STATUS_TIME: 2}


def test_a_status_before_its_complaint_is_rejected() -> None:
    dataset = read_with_complaints(["confirmed"] * 2, ["2025-03-01T23:59:59Z", "2025-03-02T00:00:00Z"])
    assert dataset.tables["complaints"]["complaint_id"].to_pylist() == ["q1"]
    assert dataset.rejects.to_pylist() == [
        {"table": "complaints", "row": 0, "column": "status_ts", "reason": reasons.STATUS_EARLY, "severity": "reject"}
    ]


RINGS = {"ring_id": ["r"], "account_id": ["a"], "role": ["relay"]}


def test_a_former_name_is_read_and_warned_about() -> None:
    dataset = read_dataset({"transfers": TRANSFERS, "truth_rings": pa.table(RINGS | {"tier": [2]})})
    rings = dataset.tables["truth_rings"]
    assert rings["layer"].to_pylist() == [2]
    assert "tier" not in rings.column_names
    assert reasons_of(dataset, "truth_rings") == {reasons.FORMER_NAME: 1}


def test_a_former_name_beside_the_one_of_today_is_a_column_of_its_own() -> None:
    dataset = read_dataset({"transfers": TRANSFERS, "truth_rings": pa.table(RINGS | {"tier": [2], "layer": [3]})})
    rings = dataset.tables["truth_rings"]
    assert (rings["layer"].to_pylist(), rings["tier"].to_pylist()) == ([3], [2])
    assert reasons_of(dataset, "truth_rings") == {}


def test_files_of_one_table_may_have_the_former_and_the_present_name(tmp_path: Path) -> None:
    folder = tmp_path / "truth_rings"
    folder.mkdir()
    (folder / "1.csv").write_text("ring_id,account_id,tier\nr,a,1\n")
    (folder / "2.csv").write_text("ring_id,account_id,layer\nr,b,2\n")
    dataset = read_dataset({"transfers": TRANSFERS, "truth_rings": folder})
    rings = dataset.tables["truth_rings"]
    assert rings.select(["account_id", "layer"]).to_pylist() == [
        {"account_id": "a", "layer": 1}, {"account_id": "b", "layer": 2},
    ]  # fmt: skip


def test_a_table_given_to_a_function_may_have_a_former_name() -> None:
    @takes_tables("ring_members")
    def names_of(ring_members: pa.Table) -> list[str]:
        return list(ring_members.column_names)

    with pytest.warns(FutureWarning, match="column 'tier' is called 'layer' now"):
        assert "layer" in names_of(pa.table({"ring_id": ["r"], "tier": [1]}))


def test_rings_that_an_earlier_version_wrote_are_read(tmp_path: Path) -> None:
    for name in TABLES:
        table = OUTPUTS[name].empty()
        old = ["tier" if column == "layer" else column for column in table.column_names]
        pq.write_table(table.rename_columns(old), tmp_path / f"{name}.parquet")
    with pytest.warns(FutureWarning, match="ring_members: column 'tier' is called 'layer' now"):
        found = read_rings(tmp_path)
    assert "layer" in found.ring_members.column_names
