"""Messages that are hostile, broken or of another kind: a clear error, or a row left out with its reason."""

from __future__ import annotations

import gzip
from collections.abc import Callable
from pathlib import Path

import pytest

from muledetect.errors import DataError, OptionError
from muledetect.messages import import_messages

EXAMPLES = Path(__file__).parents[1] / "data" / "messages"
PACS = (EXAMPLES / "pacs008.xml").read_text("utf-8")
CAMT = (EXAMPLES / "camt053.xml").read_text("utf-8")
MT = (EXAMPLES / "statement.sta").read_text("utf-8")
HEAD = '<?xml version="1.0" encoding="UTF-8"?>'
BOMB = '<!DOCTYPE x [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;&a;&a;">]>'
NAMES = ("pacs.008.001.08", "camt.053.001.08")

REFUSED: dict[str, Callable[[str], str | bytes]] = {
    "entity bomb": lambda text: text.replace(HEAD, HEAD + BOMB).replace("Payee", "&b;"),
    "parameter entity": lambda text: text.replace(HEAD, f'{HEAD}<!DOCTYPE x [<!ENTITY % a SYSTEM "file:///x"> %a;]>'),
    "external file": lambda text: text.replace(HEAD, f'{HEAD}<!DOCTYPE x SYSTEM "file:///etc/passwd">'),
    "program": lambda text: text.replace(HEAD, f"{HEAD}<?run this?>"),
    "undefined entity": lambda text: text.replace("Payee", "&a;"),
    "deep": lambda text: text.replace("<Id>", "<Id>" + "<a>" * 10_000, 1),
    "endless comment": lambda text: text.replace(HEAD, f"{HEAD}<!--{'x' * 3_000_000}-->"),
    "endless attribute": lambda text: text.replace("Ccy=", f'x="{"y" * 3_000_000}" Ccy=', 1),
    "another message": lambda text: text.replace(NAMES[0], "pain.001.001.09").replace(NAMES[1], "camt.052.001.08"),
    "another variant": lambda text: text.replace(".001.08", ".002.08"),
    "no namespace": lambda text: text.replace("xmlns=", "x="),
    "foreign element": lambda text: text.replace("<CreDtTm>", '<CreDtTm xmlns="urn:other">', 1),
    "another root": lambda text: text.replace("FIToFICstmrCdtTrf", "Other").replace("BkToCstmrStmt", "Other"),
    "cut": lambda text: text[:-40],
    "two documents": lambda text: text + text,
    "binary": lambda _: b"\x00\x01\x02\xff" * 100,
    "unknown encoding": lambda text: text.replace("UTF-8", "x-none"),
    "not UTF-8": lambda text: text.replace("Example", "\xff").encode("latin-1"),
    "no XML": lambda _: MT,
}


def put(place: Path, text: str | bytes) -> Path:
    place.write_bytes(text if isinstance(text, bytes) else text.encode())
    return place


@pytest.mark.parametrize("text", [PACS, CAMT], ids=["pacs.008", "camt.053"])
@pytest.mark.parametrize("name", REFUSED)
def test_what_is_hostile_or_another_message_is_refused_and_nothing_is_written(
    name: str, text: str, tmp_path: Path
) -> None:
    path = put(tmp_path / "given.xml", REFUSED[name](text))
    with pytest.raises(DataError, match=r"given\.xml") as found:
        import_messages("iso20022", path, tmp_path / "bank", source_tz="UTC")
    assert "0071234567" not in str(found.value)
    assert [entry.name for entry in tmp_path.iterdir()] == ["given.xml"]


@pytest.mark.parametrize(
    ("old", "new", "column", "reason"),
    [
        ("1500.25", "1500.255", "amount", "finer than the minor unit"),
        ("1500.25", "0.00", "amount", "non-positive amount"),
        ("1500.25", "-5", "amount", "non-positive amount"),
        ("1500.25", "1e5", "amount", "cannot be read"),
        ("1500.25", "1,500.25", "amount", "cannot be read"),
        ("1500.25", "9" * 18, "amount", "amount too large"),
        ("1500.25", "9" * 200, "amount", "amount too large"),
        ("1500.25", "9" * 300, "amount", "cannot be read"),
        ('Ccy="THB"', 'Ccy="XXZ"', "currency", "unknown currency"),
        ('Ccy="THB"', "", "currency", "unknown currency"),
        ("58.250+07:00", "58.250", "time", "time without a zone"),
        ("2025-03-01T09:59:58", "2025-02-30T09:59:58", "time", "cannot be read"),
        ("2025-03-01T09:59:58", "0001-03-01T09:59:58", "time", "time outside the years 1900 to 2300"),
        ("<Id>0071234567</Id>", "", "source", "missing key"),
        ("<Id>0071234567</Id>", f"<Id>{'7' * 5000}</Id>", "source", "cannot be read"),
        ("<Id>0071234567</Id>", "<Id>0071234567</Id><Id>1</Id>", "source", "cannot be read"),
    ],
)
def test_a_field_that_cannot_be_leaves_its_row_out(
    old: str, new: str, column: str, reason: str, tmp_path: Path
) -> None:
    assert old in PACS
    done = import_messages("iso20022", put(tmp_path / "given.xml", PACS.replace(old, new)), tmp_path / "bank")
    assert (done.rows_read, done.rows_accepted) == (2, 1)
    assert done.rejects.to_pylist() == [
        {"row": 0, "table": "transfers", "column": column, "reason": reason, "severity": "reject"}
    ]


def test_a_currency_that_is_not_wanted_is_left_out(tmp_path: Path) -> None:
    done = import_messages("iso20022", EXAMPLES / "pacs008.xml", tmp_path / "bank", currency="THB")
    assert done.rejects["reason"].to_pylist() == ["other currency"]


def test_statements_without_a_zone_leave_dates_out_and_keep_times_with_one(tmp_path: Path) -> None:
    done = import_messages("iso20022", EXAMPLES / "camt053.xml", tmp_path / "bank")
    assert (done.rows_read, done.rows_accepted) == (5, 1)
    assert done.rejects["reason"].to_pylist().count("time without a zone") == 3


def test_a_pending_entry_moved_no_money(tmp_path: Path) -> None:
    text = CAMT.replace("<Cd>BOOK</Cd>", "<Cd>PDNG</Cd>", 1).replace("<Cd>BOOK</Cd>", "<Cd>????</Cd>", 1)
    done = import_messages("iso20022", put(tmp_path / "given.xml", text), tmp_path / "bank", source_tz="UTC")
    # both rows of the second entry have a status that nobody declared
    assert done.rejects["reason"].to_pylist() == ["not a declared value"] * 2 + ["missing key"]


def test_an_envelope_around_messages_is_passed_over(tmp_path: Path) -> None:
    inner = PACS.replace(HEAD, "")
    header = '<AppHdr xmlns="urn:iso:std:iso:20022:tech:xsd:head.001.001.02"><Fr><FIId>x</FIId></Fr></AppHdr>'
    done = import_messages(
        "iso20022",
        put(tmp_path / "given.xml", f"{HEAD}<Envelope>{header}{inner}{header}{inner}</Envelope>"),
        tmp_path / "bank",
    )
    assert done.rows_accepted == 4


def test_supplementary_data_of_other_namespaces_is_passed_over(tmp_path: Path) -> None:
    extra = '<SplmtryData><Envlp><x xmlns="urn:other"><CdtTrfTxInf/></x></Envlp></SplmtryData></CdtTrfTxInf>'
    text = PACS.replace("</CdtTrfTxInf>", extra)
    done = import_messages("iso20022", put(tmp_path / "given.xml", text), tmp_path / "bank")
    assert done.rows_accepted == done.rows_read == 2


def test_a_field_of_another_transfer_is_never_taken_over(tmp_path: Path) -> None:
    second = PACS.rindex("<Id><Othr><Id>0049876543")
    text = PACS[:second] + PACS[second:].replace("<Id><Othr><Id>0049876543</Id></Othr></Id>", "")
    done = import_messages("iso20022", put(tmp_path / "given.xml", text), tmp_path / "bank")
    assert done.rejects.to_pylist()[0]["column"] == "target"


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("no statement", "hello\n"),
        ("nothing", ""),
        ("entry before its balance", MT.replace(":60F:C250302THB1000,00\n", "")),
        ("no account", MT.replace(":25:0071234567\n", "")),
        ("endless line", MT.replace("further", "x" * 100_000)),
        ("XML", CAMT),
    ],
)
def test_what_is_no_mt940_is_refused(name: str, text: str, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"given\.sta"):
        import_messages("mt940", put(tmp_path / "given.sta", text), tmp_path / "bank", source_tz="UTC")
    assert not (tmp_path / "bank").exists(), name


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        ("2503030303D250,00", "2513030303D250,00", "cannot be read"),
        ("2503030303D250,00", "2503030303X250,00", "cannot be read"),
        ("2503030303D250,00", "2503030303D0,00", "non-positive amount"),
        ("2503030303D250,00", "2503030303D250,001", "finer than the minor unit"),
        ("2503030303D250,00", f"2503030303D{'9' * 15},00", "amount too large"),
        ("C250302THB1000", "C250302XXZ1000", "unknown currency"),
    ],
)
def test_a_line_of_mt940_that_cannot_be_read_is_left_out(old: str, new: str, reason: str, tmp_path: Path) -> None:
    assert old in MT
    path = put(tmp_path / "given.sta", MT.replace(old, new) + MT)
    done = import_messages("mt940", path, tmp_path / "bank", source_tz="UTC")
    assert done.rejects.to_pylist()[0]["reason"] == reason
    assert done.rows_read == 8


def test_unknown_layouts_zones_and_empty_folders_are_told(tmp_path: Path) -> None:
    with pytest.raises(OptionError, match="did you mean 'mt940'"):
        import_messages("mt94", EXAMPLES, tmp_path / "bank")
    with pytest.raises(OptionError, match="no time zone"):
        import_messages("mt940", EXAMPLES, tmp_path / "bank", source_tz="Mars/Base")
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match="no file that ends in"):
        import_messages("mt940", tmp_path / "empty", tmp_path / "bank")
    with pytest.raises(DataError, match="no such file"):
        import_messages("mt940", tmp_path / "none.sta", tmp_path / "bank")


def test_compressed_files_are_read_and_cut_ones_refused(tmp_path: Path) -> None:
    packed = gzip.compress(PACS.encode())
    done = import_messages("iso20022", put(tmp_path / "given.xml.gz", packed), tmp_path / "bank")
    assert done.rows_accepted == 2
    with pytest.raises(DataError, match=r"cut\.xml\.gz"):
        import_messages("iso20022", put(tmp_path / "cut.xml.gz", packed[:-20]), tmp_path / "other")
