"""Recalls of money at other banks, and the answers to them."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from lxml import etree

from muledetect import pipeline
from muledetect.clock import DAY, HOUR
from muledetect.errors import DataError, OptionError
from muledetect.messages import Recalls, read_answers

EXAMPLES = Path(__file__).parents[1] / "data" / "messages"
START = 1_735_689_600_000_000  # 2025-01-01
END = START + 30 * DAY
START_TIME = datetime(2025, 1, 1, tzinfo=UTC)
SPACE = {"m": "urn:iso:std:iso:20022:tech:xsd:camt.056.001.08"}
UETR = "7a562c67-ca16-48ba-b074-65581be6f001"


def times(moments: list[int]) -> pa.Array:
    return pa.array(moments, pa.int64()).cast(pa.timestamp("us", tz="UTC"))


def bank(**changed: Any) -> dict[str, pa.Table]:
    """A victim pays 1,000 to m, who had nothing; m pays 600 to x at bank B and 300 to y at bank C, and keeps 100.

    Later m pays 50 to z, who is a customer of the bank.
    """
    ids = changed.get("ids", ["t0", "t1", "t2", "t3"])
    other_banks = changed.get("banks", ["AAAATHBK", "BBBBTHBK", "004", "AAAATHBK"])
    targets = changed.get("targets", ["m", "x", "y", "z"])
    transfers = {
        "transfer_id": ids,
        "time": times([START + k * HOUR for k in (1, 2, 18, 19)]),
        "source": ["victim", "m", "m", "m"],
        "target": targets,
        "amount": pa.array([100_000, 60_000, 30_000, 5_000], pa.int64()),
        "currency": ["THB"] * 4,
        "target_bank": other_banks,
    }
    accounts = {
        "account_id": ["victim", "m", *targets[1:]],
        "is_own": [True, True, False, False, True],
    }
    complaints = {"complaint_id": ["q"], "known_ts": times([END - DAY]), "transfer_id": [ids[0]]}
    return {name: pa.table(table) for name, table in
            (("transfers", transfers), ("accounts", accounts), ("complaints", complaints))}  # fmt: skip


def drafted(**changed: Any) -> Recalls:
    zone = changed.pop("time_zone", "Asia/Bangkok")
    return pipeline.recall(bank(**changed), END, sender="AAAATHBK", time_zone=zone)


def text_at(draft: str, path: str) -> list[str | None]:
    found = etree.fromstring(draft.encode()).xpath(
        "//" + "/".join(f"m:{name}" for name in path.split("/")), namespaces=SPACE
    )
    return [element.text for element in found]


def test_one_draft_a_bank_that_has_money_of_the_complaint() -> None:
    found = drafted()
    rows = {row["transfer_id"]: row for row in found.table.to_pylist()}
    assert sorted(rows) == ["t1", "t2"]  # t3 stays in the bank: a hold, not a recall
    assert (rows["t1"]["bank_id"], rows["t1"]["traced_low"], rows["t1"]["traced_high"]) == ("BBBBTHBK", 60_000, 60_000)
    assert set(found.drafts) == {rows["t1"]["file"], rows["t2"]["file"]}
    draft = found.drafts[rows["t1"]["file"]]
    assert text_at(draft, "TxInf/OrgnlTxId") == ["t1"]
    assert text_at(draft, "TxInf/OrgnlIntrBkSttlmAmt") == ["600.00"]
    assert text_at(draft, "Assgne/Agt/FinInstnId/BICFI") == ["BBBBTHBK"]
    assert text_at(draft, "CdtrAcct/Id/Othr/Id") == ["x"]
    assert text_at(draft, "CxlRsnInf/Rsn/Cd") == ["FRAD"]
    assert text_at(draft, "Assgnmt/CreDtTm") == ["2025-01-31T00:00:00Z"]
    # 18:00 in UTC is the next day in Bangkok
    assert text_at(found.drafts[rows["t2"]["file"]], "OrgnlIntrBkSttlmDt") == ["2025-01-02"]
    assert text_at(found.drafts[rows["t2"]["file"]], "CdtrAgt/FinInstnId/Othr/Id") == ["004"]


def test_a_draft_says_that_it_is_one_and_names_no_complaint() -> None:
    for draft in drafted().drafts.values():
        assert "DRAFT, not sent. Suspicion, not a finding" in draft
        assert str(text_at(draft, "Assgnmt/Id")[0]).startswith("DRAFT-")
        assert ">q<" not in draft
        assert "victim" not in draft


@pytest.mark.parametrize("changed", [
    {},
    {"ids": ["t0", UETR, UETR.replace("f001", "f002"), "t3"]},
    {"targets": ["m", "GB33BUKB20201555555555", "y y", "z"], "banks": ["a", "BBBBGB2LXXX", "B 1", "a"]},
])  # fmt: skip
def test_drafts_have_the_structure_of_the_message(changed: dict[str, Any]) -> None:
    schema = etree.XMLSchema(etree.parse(EXAMPLES / "camt056.xsd"))
    found = drafted(**changed)
    assert len(found.drafts) == 2
    for draft in found.drafts.values():
        schema.assertValid(etree.fromstring(draft.encode()))
    assert ("OrgnlUETR" in "".join(found.drafts.values())) == ("ids" in changed)


def test_the_same_data_give_the_same_bytes_in_any_order() -> None:
    tables = bank()
    turned = {name: table.take(list(reversed(range(len(table))))) for name, table in tables.items()}
    one, two = (pipeline.recall(given, END, sender="AAAATHBK") for given in (tables, turned))
    assert one.drafts == two.drafts
    assert one.table.equals(two.table)


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({"banks": ["a", None, "004", "a"]}, "the other bank is not named"),
        ({"targets": ["m", "<b>&x", "y", "z"]}, "an id does not fit into the message"),
        ({"ids": ["t0", "t" * 40, "t2", "t3"]}, "an id does not fit into the message"),
        ({"banks": ["a", "ธนาคาร", "004", "a"]}, "an id does not fit into the message"),
    ],
)
def test_what_does_not_fit_is_left_out_with_its_reason(changed: dict[str, Any], reason: str) -> None:
    found = drafted(**changed)
    assert len(found.drafts) == 1
    assert sorted(row["left_out"] or "" for row in found.table.to_pylist()) == ["", reason]


def test_a_folder_and_a_bank_named_in_the_accounts_give_the_same(tmp_path: Path) -> None:
    tables = bank()
    banks = pa.array(["AAAATHBK", "AAAATHBK", "BBBBTHBK", "004", "AAAATHBK"])
    tables["accounts"] = tables["accounts"].append_column("bank_id", banks)
    tables["transfers"] = tables["transfers"].drop_columns("target_bank")
    for name, table in tables.items():
        pq.write_table(table, tmp_path / f"{name}.parquet")
    found = pipeline.recall(tmp_path, END, sender="AAAATHBK", time_zone="Asia/Bangkok")
    assert found.drafts == drafted().drafts


def test_a_transfer_is_recalled_only_where_every_method_finds_the_money() -> None:
    tables = bank()
    # m has 1,000 of its own before; by the lowest intermediate balance that goes first, so 600 of it went to x
    own = tables["transfers"].slice(0, 1).to_pylist()[0] | {"transfer_id": "own", "source": "shop"}
    own["time"] = START_TIME
    tables["transfers"] = pa.concat_tables(
        [pa.Table.from_pylist([own], tables["transfers"].schema), tables["transfers"]]
    )
    found = pipeline.recall(tables, END, sender="AAAATHBK")
    assert found.drafts == {}
    assert {row["left_out"] for row in found.table.to_pylist()} == {
        "not every method finds money of the complaint in it"
    }
    sure = pipeline.recall(tables, END, sender="AAAATHBK", methods=["pro_rata"])
    assert [row["traced_low"] for row in sure.table.to_pylist()] == [30_000, 15_000]


def test_options_that_cannot_be_are_refused() -> None:
    with pytest.raises(OptionError, match="BIC"):
        pipeline.recall(bank(), END, sender="my bank")
    with pytest.raises(OptionError, match="no time zone"):
        pipeline.recall(bank(), END, sender="AAAATHBK", time_zone="Nowhere")


def answer(place: Path, **changed: str) -> Path:
    text = (EXAMPLES / "camt029.xml").read_text("utf-8")
    for old, new in changed.items():
        assert old in text
        text = text.replace(old, new)
    place.write_text(text, "utf-8")
    return place


def test_an_answer_comes_back_onto_its_complaint(tmp_path: Path) -> None:
    found = drafted()
    found.write(tmp_path / "recalls")
    (row,) = [row for row in found.table.to_pylist() if row["transfer_id"] == "t1"]
    (said,) = read_answers(answer(tmp_path / "a.xml", CASE=row["case_id"]), tmp_path / "recalls").to_pylist()
    moment = said.pop("answered_at")
    assert moment.isoformat() == "2025-02-01T02:00:00+00:00"
    assert said == {
        "complaint_id": "q", "case_id": row["case_id"], "transfer_id": "t1", "recall_id": row["recall_id"],
        "status": "rejected", "code": "RJCR", "reason": "NOAS", "answered_by": "BBBBTHBK", "is_from_asked_bank": True,
        "message_id": "ANSWER-1",
    }  # fmt: skip


def test_answers_without_details_stand_for_all_transfers_of_the_case_and_strange_ones_for_none(tmp_path: Path) -> None:
    recalls = drafted().table
    case = recalls.to_pylist()[0]["case_id"]
    text = (EXAMPLES / "camt029.xml").read_text("utf-8").replace("CASE", case).replace("Conf>RJCR", "Conf>PDCR")
    start, end = text.index("<CxlDtls>"), text.index("</CxlDtls>")
    (tmp_path / "whole.xml").write_text(text[:start] + text[end + len("</CxlDtls>") :], "utf-8")
    (pending,) = read_answers(tmp_path / "whole.xml", recalls).to_pylist()
    assert (pending["status"], pending["transfer_id"]) == ("pending", "t1")
    (strange,) = read_answers(answer(tmp_path / "b.xml", BBBBTHBK="CCCCTHBK"), recalls).to_pylist()
    assert (strange["complaint_id"], strange["case_id"], strange["is_from_asked_bank"]) == (None, "CASE", None)
    (other,) = read_answers(answer(tmp_path / "c.xml", BBBBTHBK="CCCCTHBK", CASE=case), recalls).to_pylist()
    assert (other["complaint_id"], other["is_from_asked_bank"]) == ("q", False)


def test_hostile_and_missing_answers_are_refused(tmp_path: Path) -> None:
    recalls = drafted().table
    with pytest.raises(DataError, match="document type"):
        read_answers(answer(tmp_path / "a.xml", **{"<Document": "<!DOCTYPE x><Document"}), recalls)
    with pytest.raises(DataError, match=r"camt\.029"):
        read_answers(EXAMPLES / "pacs008.xml", recalls)
    with pytest.raises(DataError, match="no such file"):
        read_answers(tmp_path / "none.xml", recalls)
    with pytest.raises(DataError, match="no such table"):
        read_answers(EXAMPLES / "camt029.xml", tmp_path)


def test_the_folder_holds_the_table_and_the_drafts(tmp_path: Path) -> None:
    found = pipeline.recall(bank(), END, sender="AAAATHBK", output=tmp_path / "recalls")
    assert pq.read_table(tmp_path / "recalls" / "recalls.parquet").equals(found.table)
    names = {f"camt056/{path.name}" for path in (tmp_path / "recalls" / "camt056").iterdir()}
    assert names == set(found.drafts)
