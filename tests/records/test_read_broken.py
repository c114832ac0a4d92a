"""Broken data sets: each gives the documented error, or its rows are rejected and counted."""

from __future__ import annotations

import datetime
import decimal
import gzip
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from muledetect.errors import DataError, OptionError
from muledetect.records import Dataset, read_dataset, reasons

UTC = "UTC"
TIMES = [f"2025-03-0{day}T09:30:00Z" for day in (1, 2, 3)]


def transfers(**columns: Any) -> dict[str, pa.Table]:
    """Three good transfers 007 -> 008 -> 009, with columns replaced, or dropped where None."""
    table: dict[str, Any] = {
        "transfer_id": ["t1", "t2", "t3"],
        "time": TIMES,
        "source": ["007", "008", "007"],
        "target": ["008", "009", "009"],
        "amount": [100, 200, 300],
        **columns,
    }
    return {"transfers": pa.table({name: values for name, values in table.items() if values is not None})}


def accounted_for(dataset: Dataset) -> bool:
    rejected = pd.Series(dataset.rejects.column("table").to_pylist()).value_counts()
    return all(
        read == dataset.tables[name].num_rows + rejected.get(name, 0) for name, read in dataset.rows_read.items()
    )


def naive(moment: str) -> list[datetime.datetime]:
    return [datetime.datetime.fromisoformat(moment)] * 3


STOPS: dict[str, tuple[dict[str, Any], str]] = {
    "no time column": ({"time": None}, "required column 'time' is missing"),
    "renamed column": ({"amount": None, "amuont": [1, 2, 3]}, "did you mean 'amuont'"),
    "account numbers as integers": ({"source": [7, 8, 7]}, "loses leading zeros"),
    "account numbers as floats": ({"target": [8.0, 9.0, 9.0]}, "loses leading zeros"),
    "account numbers as decimals": ({"target": [decimal.Decimal(8)] * 3}, "loses leading zeros"),
    "ids that are flags": ({"source": [True, False, True]}, "ids must be text"),
    "ids that are lists": ({"source": [["a"], ["b"], ["c"]]}, "ids must be text"),
    "naive timestamps": ({"time": naive("2025-03-01T09:30")}, "source_tz="),
    "naive text times": ({"time": ["2025-03-01 09:30:00"] * 3}, "source_tz="),
    "dates": ({"time": [datetime.date(2025, 3, 1)] * 3}, "source_tz="),
    "times as numbers": ({"time": [1, 2, 3]}, "times must be timestamps"),
    "Buddhist years": ({"time": ["2568-03-01T09:30:00Z"] * 3}, "Subtract 543"),
    "money with decimals as minor units": ({"amount": ["1.50", "2.00", "3"]}, "money='major'"),
    "decimal money as minor units": ({"amount": [decimal.Decimal("1.50")] * 3}, "money='major'"),
    "money that is a flag": ({"amount": [True, True, False]}, "money must be numbers"),
    "money that is a time": ({"amount": naive("2025-03-01")}, "money must be numbers"),
    "category that is a number": ({"channel": [1.5, 2.5, 3.5]}, "must be text"),
    "ids that are no UTF-8": (
        {"transfer_id": pa.array([b"\xff\xfe", b"b", b"c"]).view(pa.string())},
        "UTF-8",
    ),
}


@pytest.mark.parametrize("case", STOPS)
def test_a_data_set_without_meaning_stops_with_the_way_to_mend_it(case: str) -> None:
    columns, message = STOPS[case]
    with pytest.raises(DataError, match="transfers") as stopped:
        read_dataset(transfers(**columns))
    assert message in str(stopped.value)


REJECTS: dict[str, tuple[dict[str, Any], dict[str, Any], list[tuple[int, str, str]]]] = {
    "negative amount": ({"amount": [100, -5, 300]}, {}, [(1, "amount", "non-positive amount")]),
    "zero amount": ({"amount": [0, 5, 300]}, {}, [(0, "amount", "non-positive amount")]),
    "huge amount": ({"amount": [1, 10**15 + 1, 10**15]}, {}, [(1, "amount", "amount too large")]),
    "huge unsigned amount": (
        {"amount": pa.array([1, 2**64 - 1, 3], pa.uint64())},
        {},
        [(1, "amount", "amount too large")],
    ),
    "huge major amount": (
        {"amount": [1, 2**62, 3]},
        {"money": "major", "currency": "THB"},
        [(1, "amount", "amount too large")],
    ),
    "NaN amount": ({"amount": [1.0, float("nan"), 3.0]}, {}, [(1, "amount", "missing key")]),
    "infinite amount": ({"amount": [1.0, float("inf"), 3.0]}, {}, [(1, "amount", "not a finite number")]),
    "broken minor units": ({"amount": [1.0, 1.5, 3.0]}, {}, [(1, "amount", "finer than the minor unit")]),
    "too many decimals": (
        {"amount": ["1.25", "1.255", "3"]},
        {"money": "major", "currency": "THB"},
        [(1, "amount", "finer than the minor unit")],
    ),
    "too many decimals of a float": (
        {"amount": [1.25, 1.255, 3.0]},
        {"money": "major", "currency": "THB"},
        [(1, "amount", "finer than the minor unit")],
    ),
    "thousands separators": (
        {"amount": ["1.25", "1,250.00", "3"]},
        {"money": "major", "currency": "THB"},
        [(1, "amount", "cannot be read")],
    ),
    "amount in words": ({"amount": ["1", "many", "3"]}, {}, [(1, "amount", "cannot be read")]),
    "amount of many digits": ({"amount": ["1", "9" * 24, "3"]}, {}, [(1, "amount", "amount too large")]),
    "amount of far too many digits": ({"amount": ["1", "9" * 400, "3"]}, {}, [(1, "amount", "cannot be read")]),
    "missing amount": ({"amount": [1, None, 3]}, {}, [(1, "amount", "missing key")]),
    "missing time": ({"time": [TIMES[0], None, TIMES[1]]}, {}, [(1, "time", "missing key")]),
    "empty id": ({"source": ["007", "", "008"]}, {}, [(1, "source", "missing key")]),
    "id that is NaN in text": ({"source": ["007", "nan", "008"]}, {}, [(1, "source", "missing key")]),
    "null id": ({"target": ["007", None, "008"]}, {}, [(1, "target", "missing key")]),
    "null in a dictionary": (
        {"target": pa.DictionaryArray.from_arrays(pa.array([0, 1, 0]), pa.array(["008", None]))},
        {},
        [(1, "target", "missing key")],
    ),
    "missing transfer id": ({"transfer_id": ["a", None, "b"]}, {}, [(1, "transfer_id", "missing key")]),
    "all null": (
        {"target": pa.nulls(3)},
        {},
        [(row, "target", "missing key") for row in range(3)],
    ),
    "no such day": ({"time": [TIMES[0], "2025-02-30T00:00:00Z", TIMES[1]]}, {}, [(1, "time", "cannot be read")]),
    "day before month": ({"time": [TIMES[0], "13/02/2025 09:30", TIMES[1]]}, {}, [(1, "time", "cannot be read")]),
    "one Buddhist year": (
        {"time": [TIMES[0], "2568-03-01T09:30:00Z", TIMES[1]]},
        {},
        [(1, "time", "time outside the years 1900 to 2300")],
    ),
    "the year one": (
        {"time": [TIMES[0], "0001-03-01T09:30:00Z", TIMES[1]]},
        {},
        [(1, "time", "time outside the years 1900 to 2300")],
    ),
    "seconds beyond any year": (
        {"time": pa.array([1740787200, 2**61, 1740787200], pa.timestamp("s", UTC))},
        {},
        [(1, "time", "time outside the years 1900 to 2300")],
    ),
    "unknown currency": ({"currency": ["THB", "BAHT", None]}, {}, [(1, "currency", "unknown currency")]),
    "mixed currencies": ({"currency": ["THB", "USD", "THB"]}, {"currency": "THB"}, [(1, "currency", "other currency")]),
    "undeclared channel": ({"channel": ["card", "pigeon", None]}, {}, [(1, "channel", "not a declared value")]),
    "unreadable balance": (
        {"source_balance_after": ["1", "none", ""]},
        {},
        [(1, "source_balance_after", "cannot be read")],
    ),
    "one id, two amounts": (
        {"transfer_id": ["t1", "t2", "t1"]},
        {},
        [
            (0, "transfer_id", "duplicate id with different content"),
            (2, "transfer_id", "duplicate id with different content"),
        ],
    ),
    "two wrongs count once": (
        {"amount": [1, -1, 3], "channel": ["card", "pigeon", "card"]},
        {},
        [(1, "amount", "non-positive amount")],
    ),
}


@pytest.mark.parametrize("case", REJECTS)
def test_a_broken_row_is_rejected_with_its_column_and_reason(case: str) -> None:
    columns, options, expected = REJECTS[case]
    dataset = read_dataset(transfers(**columns), **options)
    rows = dataset.rejects.select(["row", "column", "reason"]).to_pylist()
    assert [(row["row"], row["column"], row["reason"]) for row in rows] == expected
    assert set(dataset.rejects.column("severity").to_pylist()) == {"reject"}
    assert accounted_for(dataset)


def test_all_that_stops_is_told_at_once() -> None:
    tables = {**transfers(source=[1, 2, 3], time=None), "accounts": pa.table({"holder_id": ["h"]})}
    with pytest.raises(DataError) as stopped:
        read_dataset(tables)
    text = str(stopped.value)
    assert "column 'source'" in text
    assert "column 'time' is missing" in text
    assert "accounts: required column 'account_id' is missing" in text


def _truncated(folder: Path) -> None:
    pq.write_table(transfers()["transfers"], folder / "transfers.parquet")
    whole = (folder / "transfers.parquet").read_bytes()
    (folder / "transfers.parquet").write_bytes(whole[: len(whole) // 2])


def _damaged(folder: Path) -> None:
    table = pa.table(
        {
            **dict(zip(["transfer_id", "time", "source", "target"], [[f"t{i}" for i in range(5000)]] * 4, strict=True)),
            "amount": range(5000),
        }
    )
    pq.write_table(table, folder / "transfers.parquet", compression="zstd")
    whole = bytearray((folder / "transfers.parquet").read_bytes())
    whole[100:400] = bytes(300)
    (folder / "transfers.parquet").write_bytes(bytes(whole))


HEADER = "transfer_id,time,source,target,amount\n"
FOLDERS: dict[str, tuple[Callable[[Path], object], str]] = {
    "empty folder": (lambda f: f.stat(), "it is empty"),
    "no transfers": (lambda f: (f / "accounts.csv").write_text("account_id\n1\n"), "no table 'transfers'"),
    "misspelt table": (lambda f: (f / "transfer.csv").write_text(HEADER), "did you mean 'transfers'"),
    "two formats": (
        lambda f: [(f / name).write_text(HEADER) for name in ("transfers.csv", "transfers.parquet")],
        "2 times",
    ),
    "empty Parquet": (lambda f: (f / "transfers.parquet").touch(), "is empty (0 bytes)"),
    "empty CSV": (lambda f: (f / "transfers.csv").touch(), "is empty (0 bytes)"),
    "empty table folder": (lambda f: (f / "transfers").mkdir(), "no Parquet or CSV file"),
    "truncated Parquet": (_truncated, "truncated or damaged"),
    "damaged Parquet": (_damaged, "transfers"),
    "text named Parquet": (lambda f: (f / "transfers.parquet").write_text(HEADER * 9), "cannot be read as Parquet"),
    "text named gzip": (lambda f: (f / "transfers.csv.gz").write_text(HEADER), "truncated or damaged"),
    "truncated gzip": (
        lambda f: (f / "transfers.csv.gz").write_bytes(gzip.compress(HEADER.encode() * 9999)[:-40]),
        "transfers.csv.gz",
    ),
    "UTF-16": (lambda f: (f / "transfers.csv").write_text(HEADER, "utf-16"), "UTF-16"),
    "Latin-1 header": (lambda f: (f / "transfers.csv").write_text("café," + HEADER, "latin-1"), "not UTF-8"),
    "Latin-1 cells": (
        lambda f: (f / "transfers.csv").write_text(HEADER + "é,2025-03-01T00:00:00Z,a,b,1\n", "latin-1"),
        "UTF-8",
    ),
    "repeated column": (
        lambda f: (f / "transfers.csv").write_text(HEADER.strip() + ",amount\n" + "1,2,3,4,5,6\n"),
        "'amount' twice",
    ),
    "blank header": (lambda f: (f / "transfers.csv").write_text("\n" + HEADER), "no header row"),
}


@pytest.mark.parametrize("case", FOLDERS)
def test_a_broken_folder_stops_and_names_the_file(case: str, tmp_path: Path) -> None:
    make, message = FOLDERS[case]
    make(tmp_path)
    with pytest.raises(DataError) as stopped:
        read_dataset(tmp_path)
    assert message in str(stopped.value)


def test_ragged_rows_are_rejected_by_number_over_all_files(tmp_path: Path) -> None:
    folder = tmp_path / "transfers"
    folder.mkdir()
    good = [f"t{nth},2025-03-0{nth + 1}T00:00:00Z,a,b,{10 + nth}" for nth in range(6)]
    blank, short, long = "", "t7,2025-03-01T00:00:00Z,a", "t8,2025-03-01T00:00:00Z,a,b,1,000.00"
    (folder / "1.csv").write_text(HEADER + "\n".join([good[0], short, good[1], blank, "t9,never,a,b,1"]) + "\n")
    (folder / "2.csv").write_text(HEADER + "\n".join([long, good[2], good[3], good[2], short]) + "\n")
    pq.write_table(transfers(transfer_id=["p1", "p2", "p3"])["transfers"].slice(0, 1), folder / "3.parquet")
    (folder / "4.csv").write_text(HEADER + "\n".join([good[4], short, good[5]]) + "\n")
    dataset = read_dataset(tmp_path)
    ragged = [row["row"] for row in dataset.rejects.to_pylist() if row["reason"] == reasons.RAGGED]
    assert ragged == [1, 4, 8, 11]
    of_others = {row["reason"]: row["row"] for row in dataset.rejects.to_pylist() if row["reason"] != reasons.RAGGED}
    assert of_others == {reasons.UNREADABLE: 3, reasons.DUPLICATE: 7}
    assert dataset.transfers.num_rows == 7
    assert accounted_for(dataset)


def test_a_file_of_ragged_rows_only_leaves_nothing(tmp_path: Path) -> None:
    (tmp_path / "transfers.csv").write_text(HEADER + "t1,x\n" * 3)
    dataset = read_dataset(tmp_path)
    assert {found.reason for found in dataset.findings if found.severity == "error"} == {reasons.NOTHING_LEFT}
    assert dataset.rows_read["transfers"] == len(dataset.rejects) == 3


def test_a_million_rejects_are_counted_and_stay_small() -> None:
    n = 1_000_000
    ids = pa.array(np.arange(n)).cast(pa.string())
    moment = pa.array(np.full(n, 1740787200_000000)).cast(pa.timestamp("us", UTC))
    account = pa.DictionaryArray.from_arrays(pa.array(np.zeros(n, np.int32)), pa.array(["a"]))
    amount = np.zeros(n, np.int64)
    amount[::1000] = 5
    dataset = read_dataset(
        pa.table({"transfer_id": ids, "time": moment, "source": account, "target": account, "amount": amount})
    )
    assert dataset.transfers.num_rows == 1000
    assert dataset.rejects.num_rows == 999_000
    assert dataset.rejects.nbytes < 25 * n


def test_a_total_beyond_62_bits_stops() -> None:
    n = 4700
    table = {
        "transfer_id": [f"t{i}" for i in range(n)],
        "time": [TIMES[0]] * n,
        "source": ["a"] * n,
        "target": ["b"] * n,
        "amount": [10**15] * n,
    }
    with pytest.raises(DataError, match=r"over 2\^62"):
        read_dataset(transfers(**table))


@pytest.mark.parametrize(
    "option",
    [
        {"currency": "BAHT"},
        {"money": "satang"},
        {"source_tz": "Asia/Nowhere"},
        {"tick": "1 day"},
        {"tables": ["transfer"]},
        {"decimal": ";"},
    ],
)
def test_an_unknown_option_value_is_refused(option: dict[str, Any]) -> None:
    with pytest.raises(OptionError):
        read_dataset(transfers(), **option)


def test_messages_never_hold_an_account_id() -> None:
    account = "1234509876"
    dataset = read_dataset(transfers(source=[account] * 3, amount=[0, -1, 5], target=[account] * 3))
    assert all(account not in finding.text for finding in dataset.findings)
    assert account not in repr(dataset)
