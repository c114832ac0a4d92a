"""Messages in: which element becomes which column, for every kind of message."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from muledetect.messages import import_messages
from muledetect.messages._xml import Kind
from muledetect.messages.kinds import CAMT_054, KINDS, describe_kind
from muledetect.records import read_dataset

EXAMPLES = Path(__file__).parents[1] / "data" / "messages"
UETR = "7a562c67-ca16-48ba-b074-65581be6f00"


def rows_of(folder: Path, *columns: str) -> list[Any]:
    rows = pq.read_table(folder / "transfers.parquet").to_pylist()
    return [tuple(row[name] for name in columns) for row in rows]


def at(row: dict[str, Any]) -> str:
    return str(row["time"].isoformat())


def test_a_credit_transfer_becomes_a_transfer(tmp_path: Path) -> None:
    done = import_messages("iso20022", EXAMPLES / "pacs008.xml", tmp_path / "bank")
    rows = pq.read_table(tmp_path / "bank" / "transfers.parquet").to_pylist()
    assert (done.rows_read, done.rows_accepted) == (2, 2)
    assert at(rows[0]) == "2025-03-01T02:59:58.250000+00:00"
    assert {name: value for name, value in rows[0].items() if name != "time"} == {
        "transfer_id": f"{UETR}1", "source": "0071234567", "target": "0049876543", "amount": 150025, "currency": "THB",
        "source_bank": "AAAATHBK", "target_bank": "004", "status": "settled", "reversal_of": None,
    }  # fmt: skip
    # yen have no decimals; the time is that of the header
    assert (rows[1]["transfer_id"], rows[1]["amount"], at(rows[1])) == ("TX-2", 5000, "2025-03-01T03:00:00+00:00")
    assert done.dropped["pacs.008 CdtTrfTxInf/RmtInf/Ustrd"] == 1
    assert done.dropped["pacs.008 CdtTrfTxInf/PmtId/EndToEndId"] == 2


def test_a_return_goes_back_and_names_its_original(tmp_path: Path) -> None:
    import_messages("iso20022", [EXAMPLES / "pacs004.xml", EXAMPLES / "pacs008.xml"], tmp_path / "bank")
    columns = ("transfer_id", "source", "target", "amount", "source_bank", "target_bank", "reversal_of")
    assert rows_of(tmp_path / "bank", *columns)[0] == (
        "RT-1", "0049876543", "0071234567", 150025, "004", "AAAATHBK", f"{UETR}1",
    )  # fmt: skip
    dataset = read_dataset(tmp_path / "bank", currency="THB")
    assert dataset.transfers["transfer_id"].to_pylist() == [f"{UETR}1", "RT-1"]
    assert {found.reason for found in dataset.findings if found.severity != "warn"} == {"other currency"}


@pytest.mark.parametrize("name", ["camt053", "camt054"])
def test_entries_of_statements_and_notifications(name: str, tmp_path: Path) -> None:
    done = import_messages("iso20022", EXAMPLES / f"{name}.xml", tmp_path / "bank", source_tz="Asia/Bangkok")
    own, abroad = "0071234567", "GB33BUKB20201555555555"
    rows = rows_of(tmp_path / "bank", "transfer_id", "source", "target", "amount", "currency", "reversal_of")
    assert rows == [
        (f"{UETR}2", own, abroad, 25000, "THB", None),  # what was booked, not the amount in dollars
        ("REF-2", "0011111111", own, 10000, "THB", None),
        ("REF-2-2", "0022222222", own, 20000, "THB", None),
        (f"{UETR}2-return", abroad, own, 25000, "THB", f"{UETR}2"),  # a reversal names the parties of its original
    ]
    times = [at(row) for row in pq.read_table(tmp_path / "bank" / "transfers.parquet").to_pylist()]
    assert times == [
        "2025-03-03T05:30:00+00:00", "2025-03-02T17:00:00+00:00", "2025-03-02T17:00:00+00:00",
        "2025-03-03T08:00:00+00:00",
    ]  # fmt: skip
    # the fee names no other account
    assert done.rejects.to_pylist() == [
        {"row": 4, "table": "transfers", "column": "target", "reason": "missing key", "severity": "reject"}
    ]
    banks = rows_of(tmp_path / "bank", "source_bank", "target_bank")
    assert banks[:2] == [("AAAATHBK", "BBBBGB22"), (None, "AAAATHBK")]


def test_a_statement_lists_its_account_with_the_closing_balance(tmp_path: Path) -> None:
    import_messages("iso20022", EXAMPLES / "camt053.xml", tmp_path / "bank", source_tz="Asia/Bangkok")
    (account,) = pq.read_table(tmp_path / "bank" / "accounts.parquet").to_pylist()
    assert (account["account_id"], account["bank_id"], account["balance"]) == ("0071234567", "AAAATHBK", 128000)
    assert account["balance_at"].isoformat() == "2025-03-03T17:00:00+00:00"  # the end of that day in Bangkok


def test_an_account_stands_for_those_that_entries_do_not_name(tmp_path: Path) -> None:
    done = import_messages(
        "iso20022", EXAMPLES / "camt053.xml", tmp_path / "bank", source_tz="Asia/Bangkok", missing="cash"
    )
    assert done.rows_accepted == done.rows_read == 5
    assert rows_of(tmp_path / "bank", "source", "target", "amount")[-1] == ("0071234567", "cash", 2000)


def test_lines_of_mt940(tmp_path: Path) -> None:
    done = import_messages("mt940", EXAMPLES / "statement.sta", tmp_path / "bank", source_tz="Asia/Bangkok")
    own, abroad = "0071234567", "GB33BUKB20201555555555"
    rows = rows_of(tmp_path / "bank", "source", "target", "amount", "currency", "source_bank", "target_bank")
    assert rows == [
        (own, abroad, 25000, "THB", None, "BBBBGB22"),
        ("0011111111", own, 30050, "THB", "AAAATHBK", None),
        (abroad, own, 25000, "THB", None, None),  # RD: a debit that is given back
    ]
    times = [at(row)[:10] for row in pq.read_table(tmp_path / "bank" / "transfers.parquet").to_pylist()]
    # the second was valued on 1 January and booked on 31 December, at midnight in Bangkok
    assert times == ["2025-03-02", "2024-12-30", "2025-03-02"]
    assert (done.rows_read, done.rows_accepted) == (4, 3)
    (account,) = pq.read_table(tmp_path / "bank" / "accounts.parquet").to_pylist()
    assert (account["balance"], account["balance_at"].isoformat()) == (128050, "2025-03-03T17:00:00+00:00")
    assert done.dropped["MT940 :20:"] == 1


@pytest.mark.parametrize(("layout", "name"), [("iso20022", "camt053.xml"), ("mt940", "statement.sta")])
def test_the_same_files_give_the_same_bytes_and_twice_the_same_file_changes_nothing(
    layout: str, name: str, tmp_path: Path
) -> None:
    text = (EXAMPLES / name).read_bytes()
    for folder, copies in (("one", 1), ("two", 2), ("again", 1)):
        (tmp_path / folder).mkdir()
        for number in range(copies):
            (tmp_path / folder / f"{number}-{name}").write_bytes(text)
        import_messages(layout, tmp_path / folder, tmp_path / f"{folder}-bank", source_tz="UTC")
    one, again = ((tmp_path / f"{folder}-bank" / "transfers.parquet").read_bytes() for folder in ("one", "again"))
    assert one == again
    first, both = (read_dataset(tmp_path / f"{folder}-bank") for folder in ("one", "two"))
    assert first.transfers.num_rows > 0
    assert first.transfers.equals(both.transfers)


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind is not CAMT_054], ids=lambda kind: kind.name)
def test_the_page_shows_the_mapping_that_is_used(kind: Kind) -> None:
    page = (Path(__file__).parents[2] / "docs" / "messages.md").read_text("utf-8")
    assert describe_kind(kind) in page
