"""Repairs, warnings, and what never changes: order of rows, split of files, rows in = accepted + rejected."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from muledetect.records import Dataset, read_dataset, write_table, write_tables, write_text

NOW = "2026-01-01"
ID, TIME, SOURCE, TARGET, AMOUNT = "transfer_id", "time", "source", "target", "amount"


def rows_of(*rows: dict[str, Any]) -> pa.Table:
    names = list(dict.fromkeys(name for row in rows for name in row))
    return pa.table({name: [row.get(name) for row in rows] for name in names})


def transfer(name: str, hour: int, source: str, target: str, amount: int, **more: Any) -> dict[str, Any]:
    return {ID: name, TIME: f"2025-03-01T{hour:02d}:00:00Z", SOURCE: source, TARGET: target, AMOUNT: amount, **more}


def reasons_of(dataset: Dataset) -> list[tuple[int, str, str]]:
    return [(row["row"], row["reason"], row["severity"]) for row in dataset.rejects.to_pylist()]


def warned(dataset: Dataset) -> set[str]:
    return {finding.reason for finding in dataset.findings if finding.severity == "warn"}


def kept(dataset: Dataset) -> list[str]:
    return dataset.transfers.column(ID).to_pylist()


def test_an_exact_duplicate_is_dropped_once() -> None:
    row = transfer("t1", 1, "a", "b", 5)
    dataset = read_dataset(rows_of(row, transfer("t2", 2, "a", "b", 5), row, row))
    assert kept(dataset) == ["t1", "t2"]
    assert reasons_of(dataset) == [(2, "exact duplicate", "repair"), (3, "exact duplicate", "repair")]


def test_a_debit_and_a_credit_row_become_one_transfer() -> None:
    debit = transfer("t1", 1, "a", "b", 5, source_balance_after=95)
    credit = transfer("t1", 1, "a", "b", 5, target_balance_after=5)
    dataset = read_dataset(rows_of(debit, credit))
    assert reasons_of(dataset) == [(1, "debit and credit rows paired", "repair")]
    merged = dataset.transfers.to_pylist()[0]
    assert (merged["source_balance_after"], merged["target_balance_after"]) == (95, 5)


@pytest.mark.parametrize(
    ("rows", "reason", "left"),
    [
        ([("t1", 1, "a", "b", 5, "t1")], "chain or cycle of reversals", []),
        # at one o'clock t2 has not happened, so t1 stays
        ([("t1", 1, "a", "b", 5, "t2"), ("t2", 2, "b", "a", 5, "t1")], "chain or cycle of reversals", ["t1"]),
        ([("t1", 1, "a", "b", 5, "t2"), ("t2", 1, "b", "a", 5, "t1")], "chain or cycle of reversals", []),
        (
            [("t1", 1, "a", "b", 5, None), ("t2", 2, "b", "a", 5, "t1"), ("t3", 3, "a", "b", 5, "t2")],
            "chain or cycle of reversals",
            ["t1", "t2"],
        ),
        ([("t1", 1, "a", "b", 5, None), ("t2", 2, "c", "d", 5, "t1")], "reversal between other accounts", ["t1"]),
        ([("t1", 1, "a", "b", 5, None), ("t2", 2, "b", "a", 6, "t1")], "reversals exceed the original", ["t1"]),
        (
            [("t1", 1, "a", "b", 5, None), ("t2", 2, "b", "a", 3, "t1"), ("t3", 3, "b", "a", 3, "t1")],
            "reversals exceed the original",
            ["t1", "t2"],
        ),
    ],
)
def test_a_reversal_that_makes_no_sense_is_rejected(rows: list[Any], reason: str, left: list[str]) -> None:
    dataset = read_dataset(rows_of(*(transfer(*row[:5], reversal_of=row[5]) for row in rows)))
    assert {found for _, found, _ in reasons_of(dataset)} == {reason}
    assert kept(dataset) == left


def test_a_reversal_of_an_unknown_transfer_counts_and_is_told() -> None:
    dataset = read_dataset(rows_of(transfer("t2", 2, "b", "a", 5, reversal_of="t1")))
    assert kept(dataset) == ["t2"]
    assert "reversal of a transfer that is not here" in warned(dataset)


def test_rejected_transfers_moved_no_money_and_neither_did_their_reversals() -> None:
    statuses = ["settled", None, "rejected", "returned"]
    rows = [transfer(f"t{i}", i, "a", "b", 5, status=s) for i, s in enumerate(statuses)]
    rows.append(transfer("t4", 4, "b", "a", 5, reversal_of="t2"))
    dataset = read_dataset(rows_of(*rows))
    assert kept(dataset) == ["t0", "t1", "t3"]
    assert reasons_of(dataset) == [(2, "transfer did not settle", "repair"), (4, "transfer did not settle", "repair")]
    assert "returned at an unknown time" in warned(dataset)  # t3 has no reversal that says when


def test_what_looks_odd_is_told_and_kept() -> None:
    tables = {
        "transfers": rows_of(
            transfer("t1", 0, "a", "a", 5),
            transfer("t2", 0, "a", "b", 5, **{TIME: "2027-03-01T00:00:00Z"}),
            # b had 5 after the last transfer, so 4 more cannot make 7
            transfer("t3", 0, "c", "b", 5, target_balance_after=5, **{TIME: "2025-04-01T00:00:00Z"}),
            transfer("t4", 0, "c", "b", 4, target_balance_after=7, **{TIME: "2025-04-02T00:00:00Z"}),
        ),
        "accounts": pa.table({"account_id": ["a", "unused"], "closed_at": ["2026-01-01T00:00:00Z", None]}),
        "labels": pa.table({"account_id": ["a"], "label": ["mule"], "known_ts": ["2020-01-01T00:00:00Z"]}),
        "identifiers": pa.table(
            {
                "entity_id": [f"h{i}" for i in range(201)],
                "kind": ["device"] * 201,
                "value_hash": ["x"] * 201,
                "valid_from": ["2025-01-01T00:00:00Z"] * 201,
            }
        ),
    }
    dataset = read_dataset(tables, now=NOW)
    assert warned(dataset) == {
        "transfer to the same account",
        "time in the future",
        "all times at midnight",
        "activity after closing",
        "running balance does not reconcile",
        "label known before the first transfer",
        "identifier shared by more than 200 holders",
        "currency not stated",
    }
    assert dataset.transfers.num_rows == 4
    assert dataset.account_ids.to_pylist() == ["a", "b", "c", "unused"]
    assert dataset.tables["accounts"].column("is_own").to_pylist() == [True, True]
    assert dataset.tables["identifiers"].column("known_ts").equals(dataset.tables["identifiers"].column("valid_from"))


def test_a_missing_day_between_busy_days_is_told() -> None:
    rows = [transfer(f"{day}-{i}", 1, "a", "b", i + 1, **{TIME: f"2025-03-{day:02d}T{i:02d}:00:00Z"})
            for day in (1, 2, 4, 5) for i in range(24)]  # fmt: skip
    assert "days with almost no transfers" in warned(read_dataset(rows_of(*rows)))


def test_local_times_are_shifted_and_repeated_hours_are_told() -> None:
    # New York: 2025-11-02 01:30 happens twice (first at 05:30 UTC); 2025-03-09 02:30 never (clock jumps at 07:00 UTC).
    local = ["2025-11-02 01:30:00", "2025-03-09 02:30:00", "2025-07-01 12:00:00", "2025-07-01T12:00:00Z"]
    rows = [transfer(f"t{i}", 1, "a", "b", 1, **{TIME: moment}) for i, moment in enumerate(local)]
    dataset = read_dataset(rows_of(*rows), source_tz="America/New_York")
    found = {row[ID]: row[TIME].isoformat() for row in dataset.transfers.to_pylist()}
    assert found == {
        "t0": "2025-11-02T05:30:00+00:00",
        "t1": "2025-03-09T07:00:00+00:00",
        "t2": "2025-07-01T16:00:00+00:00",
        "t3": "2025-07-01T12:00:00+00:00",
    }
    fold = next(finding for finding in dataset.findings if finding.reason == "local time that clocks repeat or skip")
    assert (fold.n_rows, fold.first_row) == (2, 0)


@pytest.mark.parametrize(
    ("moments", "tick"),
    [
        (["2025-03-01T00:00:00Z", "2025-03-05T00:00:00Z"], 86_400_000_000),
        (["2025-02-28T17:00:00Z", "2025-03-04T17:00:00Z"], 86_400_000_000),  # midnight in Bangkok
        (["2025-03-01T00:00:00Z", "2025-03-05T01:00:00Z"], 3_600_000_000),
        (["2025-03-01T00:01:00Z", "2025-03-05T01:00:00Z"], 60_000_000),
        (["2025-03-01T00:00:01Z"], 1_000_000),
        (["2025-03-01T00:00:00.001Z"], 1_000),
        (["2025-03-01T00:00:00.000001Z"], 1),
    ],
)
def test_the_tick_is_the_largest_unit_that_divides_all_times(moments: list[str], tick: int) -> None:
    rows = [transfer(f"t{i}", 1, "a", "b", 1, **{TIME: moment}) for i, moment in enumerate(moments)]
    assert read_dataset(rows_of(*rows)).tick == tick


@pytest.mark.parametrize(
    ("amounts", "options", "minor"),
    [
        ([1, 2], {}, [1, 2]),
        ([1, 2], {"money": "major", "currency": "THB"}, [100, 200]),
        ([1, 2], {"money": "major", "currency": "JPY"}, [1, 2]),
        (["1.5", "+0.01"], {"money": "major", "currency": "THB"}, [150, 1]),
        (["1,5", "0,01"], {"money": "major", "currency": "THB", "decimal": ","}, [150, 1]),
        ([1.1, 123456789.01], {"money": "major", "currency": "THB"}, [110, 12345678901]),
        (["1.234", "2"], {"money": "major", "currency": "KWD"}, [1234, 2000]),
    ],
)
def test_money_becomes_exact_minor_units(amounts: list[Any], options: dict[str, Any], minor: list[int]) -> None:
    rows = [transfer(f"t{i}", i, "a", "b", amount) for i, amount in enumerate(amounts)]
    assert read_dataset(rows_of(*rows), **options).transfers.column(AMOUNT).to_pylist() == minor


drawn = st.lists(
    st.builds(
        transfer,
        st.sampled_from([f"t{i}" for i in range(12)]),
        st.integers(0, 3),
        st.sampled_from(["a", "b", "007", ""]),
        st.sampled_from(["a", "b", "008"]),
        st.integers(-1, 3),
        status=st.sampled_from(["settled", "returned", "rejected", "lost", None]),
        reversal_of=st.sampled_from([None, None, "t1", "t2"]),
        note=st.sampled_from(["x", None]),
    ),
    min_size=1,
    max_size=40,
)


@settings(deadline=None, max_examples=60)
@given(drawn, st.randoms(use_true_random=False))
def test_every_row_is_accounted_for_and_row_order_changes_nothing(rows: list[dict[str, Any]], random: Any) -> None:
    shuffled = random.sample(rows, len(rows))
    first, second = read_dataset(rows_of(*rows)), read_dataset(rows_of(*shuffled).select(rows_of(*rows).column_names))
    for dataset in (first, second):
        assert dataset.rows_read["transfers"] == len(rows) == dataset.transfers.num_rows + dataset.rejects.num_rows
        assert len(set(dataset.rejects.column("row").to_pylist())) == dataset.rejects.num_rows
    assert first.transfers.equals(second.transfers)
    assert first.account_ids.equals(second.account_ids)
    assert first.fingerprint == second.fingerprint
    order = [(row[TIME], row[SOURCE], row[TARGET], row[AMOUNT], row[ID]) for row in first.transfers.to_pylist()]
    assert order == sorted(order)


def test_split_partitioned_and_compressed_files_read_the_same(tmp_path: Path) -> None:
    table = rows_of(*(transfer(f"t{i}", i % 24, f"0{i % 7}", f"0{i % 5}", i + 1) for i in range(60)))
    whole = read_dataset(table)
    for part in range(3):
        folder = tmp_path / "split" / "transfers" / f"batch={part}"
        folder.mkdir(parents=True)
        pq.write_table(table.slice(part * 20, 20), folder / "part-0.parquet")
    (tmp_path / "split" / "transfers" / "_SUCCESS").touch()
    (tmp_path / "csv").mkdir()
    with pa.output_stream(str(tmp_path / "csv" / "transfers.csv.zst"), compression="zstd") as stream:
        text = "\ufeff" + ";".join(table.column_names) + "\n"
        text += "".join(";".join(str(cell) for cell in row.values()) + "\n" for row in table.to_pylist())
        stream.write(text.encode())
    split, from_csv = read_dataset(tmp_path / "split"), read_dataset(tmp_path / "csv")
    assert split.fingerprint == from_csv.fingerprint == whole.fingerprint
    assert from_csv.transfers.equals(whole.transfers)
    assert split.transfers.drop(["batch"]).equals(whole.transfers)
    assert set(split.transfers.column("batch").to_pylist()) == {"0", "1", "2"}


def test_content_changes_the_fingerprint() -> None:
    one = read_dataset(rows_of(transfer("t1", 1, "a", "b", 5)))
    other = read_dataset(rows_of(transfer("t1", 1, "a", "b", 6)))
    swapped = read_dataset(rows_of(transfer("t1", 1, "b", "a", 5)))
    assert len({one.fingerprint, other.fingerprint, swapped.fingerprint}) == 3


def test_a_written_data_set_reads_back_equal(tmp_path: Path) -> None:
    dataset = read_dataset(rows_of(transfer("t1", 1, "a", "b", 5), transfer("t2", 2, "b", "c", 5)))
    write_tables(dataset.tables, tmp_path)
    again = read_dataset(tmp_path)
    assert again.transfers.equals(dataset.transfers)
    assert again.fingerprint == dataset.fingerprint


def test_a_failed_write_leaves_the_old_file_and_no_other(tmp_path: Path) -> None:
    path = tmp_path / "note.json"
    write_text(path, json.dumps({"a": 1}))
    with pytest.raises(UnicodeEncodeError):
        write_text(path, "\ud800")
    assert json.loads(path.read_text()) == {"a": 1}
    assert sorted(entry.name for entry in tmp_path.iterdir()) == [".note.json.muledetect.json", "note.json"]
    write_table(pa.table({"x": [1]}), tmp_path / "deep" / "x.parquet")
    assert pq.read_table(tmp_path / "deep" / "x.parquet").num_rows == 1


def test_an_empty_table_is_told_and_reads() -> None:
    dataset = read_dataset(rows_of(transfer("t1", 1, "a", "b", 5)).slice(0, 0))
    assert dataset.transfers.num_rows == 0
    assert [(found.severity, found.reason) for found in dataset.findings] == [("error", "no row is left")]
