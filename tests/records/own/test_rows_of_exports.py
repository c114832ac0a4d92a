"""Rows of exports: none vanishes, none counts twice, each in its currency and under one account."""

from __future__ import annotations

import csv
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from muledetect.cli import app
from muledetect.errors import DataError
from muledetect.records import read_dataset
from muledetect.records.own import import_own, suggest_columns

DATA = Path(__file__).parents[2] / "data" / "exports"


def read(name: str, tmp_path: Path, currency: str = "THB", **stated: Any) -> Any:
    columns = suggest_columns(DATA / f"{name}.csv", source_tz="UTC", currency=currency, **stated)
    assert columns.undecided == ()
    done = import_own(DATA / f"{name}.csv", columns, tmp_path / "bank")
    dataset = read_dataset(tmp_path / "bank")
    assert dataset.currency == currency
    return done, dataset


def amounts(name: str, digits: int) -> list[int]:
    lines = (DATA / f"{name}.csv").read_text("utf-8-sig").splitlines()[1:]
    return sorted(int(Decimal(line.rsplit(",", 1)[1]) * 10**digits) for line in lines)


@pytest.mark.parametrize(("name", "n_rows"), [("quote", 40), ("quote2", 200)])
def test_a_quote_that_nothing_closes_hides_no_transfer(name: str, n_rows: int, tmp_path: Path) -> None:
    done, dataset = read(name, tmp_path)
    assert done.rows_read == done.rows_accepted == n_rows
    assert sorted(dataset.transfers["amount"].to_pylist()) == amounts(name, 2)
    assert [one.n_rows for one in done.findings if one.reason == "quote that nothing closes"] == [1]


def test_a_currency_with_three_decimals_is_written_down_and_read_back(tmp_path: Path) -> None:
    _, dataset = read("kwdbig", tmp_path, "KWD")
    assert sorted(dataset.transfers["amount"].to_pylist()) == amounts("kwdbig", 3)
    shown = CliRunner().invoke(app, ["check", str(tmp_path / "bank")])
    assert "KWD" in shown.output
    assert "THB" not in shown.output


@pytest.mark.parametrize(("name", "options", "n"), [("cur_in_amt", ("THB", 20), 40), ("samld", ("GBP", 360), 400)])
def test_rows_of_other_currencies_are_left_out_with_the_reason(
    name: str, options: tuple[str, int], n: int, tmp_path: Path
) -> None:
    done, dataset = read(name, tmp_path, options[0])
    assert dataset.transfers.num_rows == options[1]
    assert done.rejects["reason"].to_pylist() == ["other currency"] * (n - options[1])


def test_an_import_of_which_no_row_is_left_writes_nothing_and_says_why(tmp_path: Path) -> None:
    columns = suggest_columns(DATA / "cur_in_amt.csv", source_tz="UTC", currency="EUR")
    with pytest.raises(DataError, match=r"no row of 40 is left, so nothing was written.\s.*other currency; 40 of 40"):
        import_own(DATA / "cur_in_amt.csv", columns, tmp_path / "bank")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(("name", "stated"), [("fullwidth2", {}), ("iban", {"decimal": "."})])
def test_an_account_in_two_spellings_is_one(name: str, stated: dict[str, Any], tmp_path: Path) -> None:
    done, dataset = read(name, tmp_path, **stated)
    assert done.rows_accepted == dataset.transfers.num_rows
    accounts = {*dataset.transfers["source"].to_pylist(), *dataset.transfers["target"].to_pylist()}
    assert len(accounts) == 12
    assert all(account.isascii() and " " not in account for account in accounts)


def test_accounts_that_became_numbers_join_those_that_did_not(tmp_path: Path) -> None:
    columns = suggest_columns(DATA / "float_ids.csv", source_tz="UTC", currency="THB")
    columns = columns.with_(columns={"source": "From account"})
    import_own(DATA / "float_ids.csv", columns, tmp_path / "bank")
    accounts = read_dataset(tmp_path / "bank").account_ids.to_pylist()
    with (DATA / "float_ids.csv").open() as file:
        rows = list(csv.DictReader(file))
    written = {row[name].removesuffix(".0") for row in rows for name in ("From account", "To account")}
    assert accounts == sorted(written)


def test_ids_that_contradict_each_other_are_found_at_import(tmp_path: Path) -> None:
    columns = suggest_columns(DATA / "dupids.csv", source_tz="UTC", currency="THB")
    with pytest.raises(DataError, match="duplicate id with different content; 60 of 60 rows"):
        import_own(DATA / "dupids.csv", columns, tmp_path / "bank")
    assert not (tmp_path / "bank" / "transfers.parquet").exists()


def test_a_repeat_is_left_out_at_import_and_a_contradiction_with_both_rows(tmp_path: Path) -> None:
    rows = [f"T{n},2025-03-01 10:{n:02d}:00,A1,B2,{n + 1}.00" for n in range(10)]
    rows += [rows[3], rows[4].replace("5.00", "6.00")]
    (tmp_path / "t.csv").write_text("id,when,from,to,amount\n" + "\n".join(rows) + "\n")
    columns = suggest_columns(tmp_path / "t.csv", source_tz="UTC", currency="THB").with_(
        columns={"transfer_id": "id"}, rows={"ids": "column"}
    )
    done = import_own(tmp_path / "t.csv", columns, tmp_path / "bank")
    assert [(one["row"], one["reason"]) for one in done.rejects.to_pylist()] == [
        (4, "duplicate id with different content"),
        (10, "exact duplicate"),
        (11, "duplicate id with different content"),
    ]
    assert done.rows_accepted == read_dataset(tmp_path / "bank").transfers.num_rows == 9


def test_files_that_are_written_in_two_ways_stop_the_import(tmp_path: Path) -> None:
    files = [DATA / "loc1.csv", DATA / "loc2.csv"]
    columns = suggest_columns(files[0], source_tz="UTC", currency="THB")
    with pytest.raises(DataError, match=r"loc2.csv: .* not written as the mapping says"):
        import_own(files, columns, tmp_path / "bank")
    assert not (tmp_path / "bank" / "transfers.parquet").exists()


def test_headings_and_totals_inside_are_left_out_as_such(tmp_path: Path) -> None:
    columns = suggest_columns(DATA / "preamble.csv", source_tz="UTC", currency="THB", date_order="day")
    done = import_own(DATA / "preamble.csv", columns)
    reasons = done.rejects["reason"].to_pylist()
    assert reasons.count("the headings again") == 2
    assert reasons.count("a total, not a record") == 3
    assert set(reasons) <= {"the headings again", "a total, not a record", "no value in any column that is used"}
