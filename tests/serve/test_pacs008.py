"""pacs.008 in: what is mapped, what is dropped, what is refused."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from muledetect.serve.pacs008 import read_pacs008
from muledetect.serve.request_errors import RequestError

NAMESPACE = "urn:iso:std:iso:20022:tech:xsd:pacs.008.001.08"
PAYMENT = """
<CdtTrfTxInf>
  <PmtId><EndToEndId>E1</EndToEndId><TxId>TX-1</TxId><UETR>7a562c67-ca16-48ba-b074-65581be6f001</UETR></PmtId>
  <IntrBkSttlmAmt Ccy="THB">1500.25</IntrBkSttlmAmt>
  <AccptncDtTm>2025-03-01T16:30:00+07:00</AccptncDtTm>
  <ChrgBr>SLEV</ChrgBr>
  <Dbtr><Nm>A Person</Nm></Dbtr>
  <DbtrAcct><Id><Othr><Id>007</Id></Othr></Id></DbtrAcct>
  <DbtrAgt><FinInstnId><BICFI>AAAATHBK</BICFI></FinInstnId></DbtrAgt>
  <CdtrAgt><FinInstnId><ClrSysMmbId><MmbId>004</MmbId></ClrSysMmbId></FinInstnId></CdtrAgt>
  <CdtrAcct><Id><IBAN>GB33BUKB20201555555555</IBAN></Id></CdtrAcct>
  <RmtInf><Ustrd>a memo</Ustrd></RmtInf>
</CdtTrfTxInf>"""


def message(*payments: str, head: str = "", namespace: str = NAMESPACE) -> bytes:
    return (
        f'<?xml version="1.0" encoding="UTF-8"?>{head}<Document xmlns="{namespace}"><FIToFICstmrCdtTrf>'
        f"<GrpHdr><MsgId>M1</MsgId><CreDtTm>2025-03-01T10:00:00Z</CreDtTm></GrpHdr>{''.join(payments)}"
        "</FIToFICstmrCdtTrf></Document>"
    ).encode()


def test_fields_are_mapped_and_the_rest_is_named_and_dropped() -> None:
    rows, dropped = read_pacs008([message(PAYMENT)], 10)
    assert rows == [
        {
            "transfer_id": "7a562c67-ca16-48ba-b074-65581be6f001",
            "time": datetime(2025, 3, 1, 9, 30, tzinfo=UTC),
            "source": "007",
            "target": "GB33BUKB20201555555555",
            "amount": 150025,
            "currency": "THB",
            "source_bank": "AAAATHBK",
            "target_bank": "004",
        }
    ]
    assert dropped == ["ChrgBr", "Dbtr/Nm", "GrpHdr/MsgId", "PmtId/EndToEndId", "RmtInf/Ustrd"]


def test_any_split_of_the_bytes_reads_the_same() -> None:
    whole = message(PAYMENT, PAYMENT.replace("TX-1", "TX-2").replace("6f001", "6f002"))
    for size in (1, 7, 64):
        assert read_pacs008([whole[i : i + size] for i in range(0, len(whole), size)], 2) == read_pacs008([whole], 2)


def test_the_header_gives_the_time_and_the_second_id_counts_where_the_first_is_missing() -> None:
    short = PAYMENT.replace("<AccptncDtTm>2025-03-01T16:30:00+07:00</AccptncDtTm>", "").replace(
        "<UETR>7a562c67-ca16-48ba-b074-65581be6f001</UETR>", ""
    )
    row = read_pacs008([message(short)], 1)[0][0]
    assert (row["transfer_id"], row["time"]) == ("TX-1", datetime(2025, 3, 1, 10, tzinfo=UTC))


BOMB = '<!DOCTYPE x [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;&a;&a;">]>'
FILE = '<!DOCTYPE x SYSTEM "file:///etc/passwd">'
HOSTILE = {
    "entity bomb": message(PAYMENT.replace("TX-1", "&b;"), head=BOMB),
    "external file": message(PAYMENT, head=FILE),
    "program": message(PAYMENT, head="<?run this?>"),
    "undefined entity": message(PAYMENT.replace("TX-1", "&a;")),
    "deep": message("<CdtTrfTxInf>" + "<a>" * 10_000 + "</a>" * 10_000 + "</CdtTrfTxInf>"),
    "another message": message(PAYMENT, namespace="urn:iso:std:iso:20022:tech:xsd:pain.001.001.09"),
    "no namespace": b"<Document><FIToFICstmrCdtTrf/></Document>",
    "another root": message(PAYMENT).replace(b"FIToFICstmrCdtTrf", b"CstmrCdtTrfInitn"),
    "cut": message(PAYMENT)[:-30],
    "nothing": b"",
    "no payment": message(),
    "long id": message(PAYMENT.replace("7a562c67", "7" * 300)),
    "long currency": message(PAYMENT.replace('Ccy="THB"', f'Ccy="{"T" * 300}"')),
    "unknown encoding": message(PAYMENT).replace(b"UTF-8", b"x-none"),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_what_is_hostile_or_no_pacs008_is_refused(name: str) -> None:
    with pytest.raises(RequestError) as found:
        read_pacs008([HOSTILE[name]], 10)
    assert found.value.code == "bad_xml"


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("1500.25", "1500.255"),
        ("1500.25", "0"),
        ("1500.25", "-5"),
        ("1500.25", "1e5"),
        ("1500.25", "9" * 19),
        ("THB", "XXZ"),
        ("16:30:00+07:00", "16:30:00"),
        ("<Othr><Id>007</Id></Othr>", ""),
    ],
)
def test_a_field_that_breaks_the_contract_is_refused(old: str, new: str) -> None:
    with pytest.raises(RequestError) as found:
        read_pacs008([message(PAYMENT.replace(old, new))], 10)
    assert found.value.code == "bad_row"


def test_a_field_of_another_transfer_is_never_taken_over() -> None:
    bare = PAYMENT.replace("<IBAN>GB33BUKB20201555555555</IBAN>", "")
    with pytest.raises(RequestError, match="row 1: lacks target"):
        read_pacs008([message(PAYMENT, bare)], 10)


def test_too_many_transfers_are_refused() -> None:
    with pytest.raises(RequestError) as found:
        read_pacs008([message(PAYMENT, PAYMENT)], 1)
    assert found.value.code == "too_large"


def test_supplementary_data_of_other_namespaces_is_dropped() -> None:
    extra = '<SplmtryData><Envlp><x xmlns="urn:other"><Amt>5</Amt></x></Envlp></SplmtryData></CdtTrfTxInf>'
    rows, dropped = read_pacs008([message(PAYMENT.replace("</CdtTrfTxInf>", extra))], 1)
    assert rows[0]["amount"] == 150025
    assert "SplmtryData/Envlp/x/Amt" in dropped
