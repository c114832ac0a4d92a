"""What columns are taken for, and what is left for a person to say."""

from __future__ import annotations

from pathlib import Path

import messy
import pandas as pd
import pyarrow as pa
import pytest

from muledetect.errors import DataError, OptionError
from muledetect.records import read_dataset
from muledetect.records.own import import_own, read_columns, suggest_columns

#: (time or date and time of day, from, to, amount) in the languages that we know.
HEADINGS = {
    "english": ("Transaction Date", "From Account", "To Account", "Amount"),
    "english banks": ("Posting Date", "Debtor IBAN", "Creditor IBAN", "Transaction Amount"),
    "programs": ("timestamp", "orig_acct", "bene_acct", "base_amt"),
    "paysim": ("time", "nameOrig", "nameDest", "amount"),
    "german": ("Buchungstag", "Auftraggeberkonto", "Empfängerkonto", "Betrag"),
    "german words": ("Buchungsdatum", "Konto des Auftraggebers", "Konto des Empfängers", "Betrag (THB)"),
    "thai": ("วันเวลาทำรายการ", "บัญชีผู้โอน", "บัญชีผู้รับโอน", "จำนวนเงิน"),
    "thai too": ("วันที่โอน", "จากบัญชี", "ไปยังบัญชี", "ยอดเงิน"),
    "french": ("Date opération", "Compte émetteur", "Compte bénéficiaire", "Montant"),
    "spanish": ("Fecha operación", "Cuenta origen", "Cuenta destino", "Importe"),
    "italian": ("Data contabile", "Conto ordinante", "Conto beneficiario", "Importo"),
    "portuguese": ("Data", "Conta origem", "Conta destino", "Valor"),
    "dutch": ("Boekdatum", "Van rekening", "Naar rekening", "Bedrag"),
    "vietnamese": ("Thời gian giao dịch", "Tài khoản nguồn", "Tài khoản đích", "Số tiền"),
    "indonesian": ("Tanggal", "Rekening pengirim", "Rekening penerima", "Jumlah"),
    "chinese": ("交易时间", "付款账号", "收款账号", "交易金额"),
    "japanese": ("取引日時", "振込元口座", "振込先口座", "金額"),
}
ROWS = [
    ["2025-03-14 09:30:00", "0071112223", "5550001113", "1500.50"],
    ["2025-03-15 10:30:00", "0082223334", "4440001112", "20.00"],
]


def write(path: Path, rows: list[list[str]], delimiter: str = ",", encoding: str = "utf-8") -> Path:
    path.write_bytes(messy.text_of(rows, delimiter).encode(encoding))
    return path


@pytest.mark.parametrize("language", HEADINGS)
def test_headings_are_understood(language: str, tmp_path: Path) -> None:
    file = write(tmp_path / "t.csv", [list(HEADINGS[language]), *ROWS])
    found = suggest_columns(file, source_tz="UTC", currency="THB")
    assert tuple(found.columns[name] for name in ("time", "source", "target", "amount")) == HEADINGS[language]
    assert found.undecided == ()


def test_a_heading_that_is_not_understood_is_asked_for_with_what_it_may_be(tmp_path: Path) -> None:
    file = write(tmp_path / "t.csv", [["date", "Gx", "to", "amount"], *ROWS])
    found = suggest_columns(file, source_tz="UTC", currency="THB")
    assert found.columns["target"] == "to"
    assert found.undecided == ("columns.source",)
    assert '"Gx"' in found.notes["columns.source"]


def test_cells_decide_where_no_heading_does(tmp_path: Path) -> None:
    file = write(tmp_path / "t.csv", [["a", "b", "c", "d"], *ROWS])
    found = suggest_columns(file, source_tz="UTC", currency="THB")
    assert found.columns["time"] == "a"
    assert found.columns["amount"] == "d"
    assert found.undecided == ("columns.source", "columns.target")


def test_headings_are_not_believed_against_the_cells(tmp_path: Path) -> None:
    rows = [["date", "from", "to", "amount", "value"], *([*row[:3], "paid", row[3]] for row in ROWS)]
    found = suggest_columns(write(tmp_path / "t.csv", rows), source_tz="UTC", currency="THB")
    assert found.columns["amount"] == "value"


def test_names_of_people_are_not_taken_for_accounts(tmp_path: Path) -> None:
    rows = [["date", "payer", "payer account", "payee", "payee account", "amount"]]
    rows += [[row[0], "Somsak", row[1], "Müller & Co", row[2], row[3]] for row in ROWS]
    found = suggest_columns(write(tmp_path / "t.csv", rows), source_tz="UTC", currency="THB")
    assert (found.columns["source"], found.columns["target"]) == ("payer account", "payee account")


def test_a_file_without_headings_has_numbered_columns(tmp_path: Path) -> None:
    found = suggest_columns(write(tmp_path / "t.csv", ROWS), source_tz="UTC", currency="THB")
    assert found.file.header == 0
    assert found.columns["time"] == "column 1"


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_the_delimiter_is_found(delimiter: str, tmp_path: Path) -> None:
    rows = [["date", "from", "to", "amount"], *([*row[:3], row[3].replace(".", ",")] for row in ROWS)]
    found = suggest_columns(write(tmp_path / "t.csv", rows, delimiter), source_tz="UTC", currency="THB")
    assert found.file.delimiter == delimiter
    assert found.amounts.decimal == ","


@pytest.mark.parametrize(
    ("language", "encoding"),
    [
        ("german words", "cp1252"),
        ("thai", "cp874"),
        ("chinese", "gb18030"),
        ("thai", "utf-16"),
        ("german", "utf-8-sig"),
    ],
)
def test_the_encoding_is_found(language: str, encoding: str, tmp_path: Path) -> None:
    file = write(tmp_path / "t.csv", [list(HEADINGS[language]), *ROWS], encoding=encoding)
    found = suggest_columns(file, source_tz="UTC", currency="THB")
    assert found.columns["source"] == HEADINGS[language][1]
    assert found.file.encoding == encoding


def test_an_encoding_that_cannot_be_told_is_asked_for(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_bytes(b"\xa4\xa4\xa4,b\n\xa4\xa4\xa4\xa4,1\n\xd0\xd0\x8f\x8f,2\n")
    with pytest.raises(DataError, match="--encoding"):
        suggest_columns(tmp_path / "t.csv")


def test_day_and_month_must_be_said_where_no_day_is_above_12(tmp_path: Path) -> None:
    rows = [["date", "from", "to", "amount"], *(["03/04/2025", *row[1:]] for row in ROWS)]
    file = write(tmp_path / "t.csv", rows)
    assert suggest_columns(file, source_tz="UTC", currency="THB").undecided == ("times.time",)
    stated = suggest_columns(file, source_tz="UTC", currency="THB", date_order="month")
    assert stated.times.formats["time"] == "%m/%d/%Y"
    with pytest.raises(OptionError, match="date_order"):
        suggest_columns(file, date_order="year")  # type: ignore[arg-type]


def test_decimals_unit_zone_and_currency_must_be_said_where_nothing_tells_them(tmp_path: Path) -> None:
    rows = [["date", "from", "to", "amount"], *([*row[:3], "1.234"] for row in ROWS)]
    found = suggest_columns(write(tmp_path / "t.csv", rows))
    assert found.undecided == ("times.zone", "amounts.currency", "amounts.unit", "amounts.decimal")
    stated = suggest_columns(tmp_path / "t.csv", decimal=",", money="major", source_tz="UTC", currency="THB")
    assert stated.undecided == ()
    assert stated.amounts.groups == "."


@pytest.mark.parametrize(
    ("heading", "code"), [("Amount (EUR)", "EUR"), ("จำนวนเงิน (บาท)", "THB"), ("Betrag in €", "EUR")]
)
def test_the_currency_is_read_from_the_heading(heading: str, code: str, tmp_path: Path) -> None:
    file = write(tmp_path / "t.csv", [["date", "from account", "to account", heading], *ROWS])
    assert suggest_columns(file, source_tz="UTC").amounts.currency == code


def test_buddhist_years_must_be_said_with_two_digits_too(tmp_path: Path) -> None:
    for year in ("2568", "68"):
        rows = [["date", "from", "to", "amount"], *([f"14/03/{year} 10:00", *row[1:]] for row in ROWS)]
        file = write(tmp_path / "t.csv", rows)
        assert suggest_columns(file, source_tz="UTC", currency="THB").undecided == ("times.era",)
        assert suggest_columns(file, source_tz="UTC", currency="THB", era="buddhist").undecided == ()


def test_a_date_with_a_clock_of_zeros_takes_its_time_of_day_from_the_other_column(tmp_path: Path) -> None:
    rows = [["Buchungsdatum", "Uhrzeit", "Von Konto", "An Konto", "Betrag"]]
    rows += [["14.03.2025 00:00:00", "09:30:00", *row[1:]] for row in ROWS]
    found = suggest_columns(write(tmp_path / "t.csv", rows), source_tz="UTC", currency="THB")
    assert found.columns["time"] == ("Buchungsdatum", "Uhrzeit")
    assert found.times.formats["time"] == "%d.%m.%Y 00:00:00 %H:%M:%S"


def test_texts_that_mean_nothing_are_named_and_the_columns_still_read(tmp_path: Path) -> None:
    rows = [["account no", "opened", "closed"]]
    rows += [[f"00{k}", f"{k:02}.03.2020", "31.12.9999" if k % 2 else "-"] for k in range(10, 30)]
    found = suggest_columns(write(tmp_path / "t.csv", rows, ";"), table="accounts", source_tz="UTC")
    assert set(found.file.nothing) == {"-", "31.12.9999"}
    assert "closed_at" not in found.columns  # nothing is left of it


def test_values_that_are_not_known_are_asked_for(tmp_path: Path) -> None:
    rows = [["account no", "finding"], ["001", "mule"], ["002", "Fall 7b"], ["003", "clean"]]
    found = suggest_columns(write(tmp_path / "t.csv", rows), table="labels")
    assert found.values["label"] == {"mule": "mule", "Fall 7b": "?", "clean": "not_mule"}
    assert found.undecided == ("values.label.Fall 7b",)


def test_when_a_finding_was_known_is_asked_for_where_a_date_may_say_it(tmp_path: Path) -> None:
    rows = [["account no", "outcome", "some day"], ["001", "mule", "14.03.2025"], ["002", "clean", "15.03.2025"]]
    found = suggest_columns(write(tmp_path / "t.csv", rows, ";"), table="labels", source_tz="UTC")
    assert found.undecided == ("columns.known_ts",)
    assert '"some day"' in found.notes["columns.known_ts"]
    assert suggest_columns(write(tmp_path / "t.csv", [row[:2] for row in rows]), table="labels").undecided == ()


def test_numbers_of_rows_are_not_offered_as_accounts(tmp_path: Path) -> None:
    rows = [["date", "item", "foo", "bar", "amount"]]
    rows += [["14.03.2025", str(k), f"A{k % 9}", f"B{k % 7}", "5.50"] for k in range(200)]
    note = suggest_columns(write(tmp_path / "t.csv", rows)).notes["columns.source"]
    assert '"foo"' in note
    assert '"item"' not in note


def test_rails_have_the_names_of_the_contract_and_others_are_other(tmp_path: Path) -> None:
    kinds = ("Geldautomat", "PromptPay", "Gehalt", "Irgendwas")
    rows = [["date", "from", "to", "amount", "Kanal"]]
    rows += [[*ROWS[0][:1], f"00{k}", f"10{k}", "5.50", kinds[k % 4]] for k in range(20)]
    found = suggest_columns(write(tmp_path / "t.csv", rows), source_tz="UTC", currency="THB")
    assert found.values["channel"] == {
        "Geldautomat": "cash_atm", "PromptPay": "p2p_proxy", "Gehalt": "payroll", "Irgendwas": "other", "*": "other"
    }  # fmt: skip


def test_direction_and_statement_are_told_from_source_and_target(tmp_path: Path) -> None:
    messy.write_directed(tmp_path / "t.csv", messy.transfers())
    found = suggest_columns(tmp_path / "t.csv", source_tz="UTC")
    assert {name: found.columns[name] for name in ("account", "counterparty", "direction")} == {
        "account": "Account", "counterparty": "Counter account", "direction": "D/C"
    }  # fmt: skip
    assert found.values["direction"] == {"D": "out", "C": "in"} or found.values["direction"] == {"C": "in", "D": "out"}
    assert found.rows.pair_on == "time"
    assert found.amounts.currency == "THB"


def test_amounts_without_a_sign_in_a_statement_ask_for_the_direction(tmp_path: Path) -> None:
    rows = [["date", "account", "counterparty", "amount"], *ROWS]
    assert "columns.direction" in suggest_columns(write(tmp_path / "t.csv", rows)).undecided


def test_the_first_file_of_a_table_that_is_none_is_named_with_a_hint(tmp_path: Path) -> None:
    with pytest.raises(OptionError, match="did you mean 'transfers'"):
        suggest_columns(tmp_path / "t.csv", table="transfer")
    with pytest.raises(DataError, match="no such file"):
        suggest_columns(tmp_path / "t.csv")
    (tmp_path / "t.xlsx").write_bytes(b"PK")
    with pytest.raises(DataError, match="Save as, CSV"):
        suggest_columns(tmp_path / "t.xlsx")


def test_what_is_suggested_survives_its_file(tmp_path: Path) -> None:
    for name, make in (("g", messy.write_german), ("t", messy.write_thai), ("s", messy.write_signed)):
        make(tmp_path / f"{name}.csv", messy.transfers())
        found = suggest_columns(tmp_path / f"{name}.csv")
        found.write(tmp_path / "columns.toml")
        assert read_columns(tmp_path / "columns.toml") == found


def test_no_account_number_stands_in_a_mapping(tmp_path: Path) -> None:
    for make in (messy.write_german, messy.write_thai, messy.write_signed):
        make(tmp_path / "t.csv", messy.transfers())
        text = suggest_columns(tmp_path / "t.csv").to_toml()
        assert not any(account in text or messy.dashed(account) in text for account in (*messy.OWN, *messy.OTHERS))


def test_typed_columns_need_no_format() -> None:
    table = messy.transfers()
    found = suggest_columns(table, money="minor", currency="THB")
    assert found.columns == {name: name for name in messy.COLUMNS}
    assert found.times.formats == {}
    assert found.undecided == ()
    assert isinstance(table, pa.Table)


#: Headings of exports that exist, and what they are.
EXPORTS: dict[str, tuple[list[str], list[str], dict[str, object]]] = {
    "core banking": (
        ["TXN_REF_NO", "TXN_DT", "TXN_TM", "DR_ACCT_NO", "CR_ACCT_NO", "TXN_AMT", "CCY_CD", "MAKER_ID"],
        ["FT25073001", "20250314", "093005", "0012345678", "0098765432", "1500.00", "THB", "SYS1"],
        {"transfer_id": "TXN_REF_NO", "time": ("TXN_DT", "TXN_TM"), "source": "DR_ACCT_NO", "target": "CR_ACCT_NO",
         "amount": "TXN_AMT", "currency": "CCY_CD"},
    ),
    "ISO 20022": (
        ["BookgDtTm", "DbtrAcct", "CdtrAcct", "InstdAmt", "Ccy", "EndToEndId"],
        ["2025-03-14T09:30:05+07:00", "DE89370400440532013000", "DE02120300000000202051", "1500.00", "EUR", "E2E1"],
        {"transfer_id": "EndToEndId", "time": "BookgDtTm", "source": "DbtrAcct", "target": "CdtrAcct",
         "amount": "InstdAmt", "currency": "Ccy"},
    ),
    "CAMT of a savings bank": (
        ["Auftragskonto", "Buchungstag", "Valutadatum", "Zahlungspflichtiger", "Kontonummer/IBAN", "Betrag"],
        ["DE89370400440532013000", "14.03.25", "15.03.25", "Max Muster", "DE02120300000000202051", "-1.234,56"],
        {"account": "Auftragskonto", "time": "Buchungstag", "counterparty": "Kontonummer/IBAN", "amount": "Betrag"},
    ),
    "Thai and English": (
        ["Tran Date (วันที่)", "Tran Time (เวลา)", "A/C No. (เลขที่บัญชี)", "Contra A/C", "Dr/Cr", "Amount (บาท)", "Balance"],
        ["14/03/2025", "09:30:05", "123-4-56789-0", "987-6-54321-0", "D", "1,500.00", "20,000.00"],
        {"time": ("Tran Date (วันที่)", "Tran Time (เวลา)"), "account": "A/C No. (เลขที่บัญชี)",
         "counterparty": "Contra A/C", "direction": "Dr/Cr", "amount": "Amount (บาท)", "balance_after": "Balance"},
    ),
    "fees and phones beside": (
        ["date", "sender phone", "sender account", "receiver country code", "receiver account", "fee amount", "amount"],
        ["2025-03-14 10:00", "0812345678", "111222333", "66", "444555666", "5.00", "100.00"],
        {"time": "date", "source": "sender account", "target": "receiver account", "amount": "amount"},
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", EXPORTS)
def test_exports_that_exist_are_understood(name: str, tmp_path: Path) -> None:
    headings, row, wanted = EXPORTS[name]
    found = suggest_columns(write(tmp_path / "t.csv", [headings, row], ";"), source_tz="UTC", currency="THB")
    assert dict(found.columns) == wanted


@pytest.mark.parametrize(("heading", "cell"), [("sender phone", "0812345678"), ("end to end id", "E2E12345")])
def test_a_word_inside_a_heading_makes_no_account(heading: str, cell: str, tmp_path: Path) -> None:
    rows = [["date", heading, "to account", "fee amount"], ["2025-03-14 10:00", cell, "444555666", "5.00"]]
    found = suggest_columns(write(tmp_path / "t.csv", rows), source_tz="UTC", currency="THB")
    assert (found.columns["source"], found.columns["target"], found.columns["amount"]) == ("?", "to account", "?")


def test_a_currency_without_a_smaller_unit_needs_no_unit(tmp_path: Path) -> None:
    rows = [["date", "from", "to", "amount"], *([*row[:3], "1.500.000"] for row in ROWS)]
    found = suggest_columns(write(tmp_path / "t.csv", rows), source_tz="UTC", currency="VND")
    assert (found.undecided, found.amounts.unit, found.amounts.thousands) == ((), "major", ".")


STATUSES = {
    "settled": ["Completed", "gebucht", "สำเร็จ", "완료", "成功", "ACCC"],
    "rejected": ["failed", "REJECTED", "pending", "ยกเลิก", "失敗", "실패", "Storniert", "abgelehnt", "rechazado",
                 "NOT_COMPLETED"],
    "returned": ["Reversed", "Rücklastschrift", "คืนเงิน", "退款"],
}  # fmt: skip


@pytest.mark.parametrize("status", STATUSES)
def test_statuses_in_other_words_are_those_of_the_contract(status: str, tmp_path: Path) -> None:
    words = STATUSES[status]
    rows = [["date", "from", "to", "amount", "Status"]]
    rows += [[*ROWS[place % 2], words[place % len(words)]] for place in range(40)]
    found = suggest_columns(write(tmp_path / "t.csv", rows), source_tz="UTC", currency="THB")
    assert found.undecided == ()
    assert {found.values["status"][word] for word in words} == {status}


def test_failed_transfers_do_not_count_as_money(tmp_path: Path) -> None:
    rows = [["date", "from", "to", "amount", "สถานะ"]]
    rows += [[*ROWS[place % 2], ("สำเร็จ", "ยกเลิก")[place % 4 == 0]] for place in range(40)]
    file = write(tmp_path / "t.csv", rows)
    found = suggest_columns(file, source_tz="UTC", currency="THB")
    assert found.notes["values.status"] == "rows of these states do not count as money: ยกเลิก"
    import_own(file, found, tmp_path / "bank")
    dataset = read_dataset(tmp_path / "bank")
    assert dataset.transfers.num_rows == 30
    assert dataset.rejects["reason"].to_pylist() == ["transfer did not settle"] * 10


def test_statuses_that_nobody_knows_are_asked_for_and_never_settled_in_silence(tmp_path: Path) -> None:
    rows = [["date", "from", "to", "amount", "Status"], *([*row, "zwischengelagert"] for row in ROWS)]
    found = suggest_columns(write(tmp_path / "t.csv", rows), source_tz="UTC", currency="THB")
    assert found.undecided == ("values.status.zwischengelagert",)
    many = [["date", "from", "to", "amount", "Status"], *([*ROWS[0], f"case {place} is open"] for place in range(200))]
    found = suggest_columns(write(tmp_path / "t.csv", many), source_tz="UTC", currency="THB")
    assert found.undecided == ("columns.status",)
    assert '"Status"' in found.notes["columns.status"]


def test_a_status_that_first_comes_further_on_is_left_out_with_the_reason(tmp_path: Path) -> None:
    rows = [["date", "from", "to", "amount", "Status"], *([*ROWS[place % 2], "done"] for place in range(9))]
    found = suggest_columns(write(tmp_path / "t.csv", rows), source_tz="UTC", currency="THB")
    done = import_own(write(tmp_path / "u.csv", [*rows, [*ROWS[0], "verschoben"]]), found)
    assert done.rejects.select(["row", "column", "reason"]).to_pylist() == [
        {"row": 9, "column": "status", "reason": "not a declared value"}
    ]


def test_where_nothing_fits_each_column_is_named_with_what_is_against_it(tmp_path: Path) -> None:
    rows = [["date", "from", "to", "amount", "note", "spare"]]
    rows += [[*ROWS[place % 2][:3], ("1.2.3.4", "5%", "n/k")[place % 3], "rent", ""] for place in range(12)]
    found = suggest_columns(write(tmp_path / "t.csv", rows), source_tz="UTC", currency="THB")
    assert found.undecided[0] == "columns.amount"
    told = found.notes["columns.amount"]
    for part in ('"date": is taken for time', '"from": is taken for source', '"spare": is empty'):
        assert part in told
    assert "\"amount\": holds amounts in 4 of 12 rows only (such as '9.9.9.9')" in told
    assert '"note": is taken for memo_hash' in told


def test_an_only_column_called_iban_may_be_of_either_side(tmp_path: Path) -> None:
    rows = [["Datum", "IBAN", "Betrag"]]
    rows += [["14.03.2025", f"DE{k:020}", f"{-5 if k % 2 else 5},00"] for k in range(30)]
    found = suggest_columns(write(tmp_path / "t.csv", rows, ";"), source_tz="UTC", currency="EUR")
    assert found.undecided == ("columns.account", "columns.counterparty")
    assert "own_account" in found.notes["columns.account"]
    own = found.with_(columns={"account": None, "counterparty": "IBAN"}, accounts={"own_account": "4711"})
    done = import_own(tmp_path / "t.csv", own)
    assert done.rows is not None
    assert set(done.rows["source"].to_pylist()[1::2]) == {"4711"}


def test_amounts_of_which_some_have_no_cr_or_dr_are_asked_about(tmp_path: Path) -> None:
    rows = [["date", "account", "counterparty", "amount"]]
    rows += [["14.03.2025", "0071112223", f"555000{k}", f"{k}5.00{' CR' if k % 3 == 0 else ''}"] for k in range(1, 31)]
    found = suggest_columns(write(tmp_path / "t.csv", rows, ";"), source_tz="UTC", currency="INR")
    assert found.undecided == ("amounts.paid",)
    assert '"no_cr"' in found.notes["amounts.paid"]
    done = import_own(tmp_path / "t.csv", found.with_(amounts={"paid": "no_cr"}))
    assert done.rows is not None
    assert done.rows["target"].to_pylist().count("0071112223") == 10
    with pytest.raises(DataError, match="20 of 30 rows cannot be taken"):
        import_own(tmp_path / "t.csv", found.with_(amounts={"paid": "cr_dr"}))


def test_cr_and_dr_are_refused_where_the_mapping_does_not_expect_them(tmp_path: Path) -> None:
    rows = [["date", "account", "counterparty", "amount"]]
    rows += [["14.03.2025", "0071112223", f"555000{k}", f"-{k}5.00"] for k in range(1, 31)]
    found = suggest_columns(write(tmp_path / "t.csv", rows, ";"), source_tz="UTC", currency="INR")
    later = [*rows, ["14.03.2025", "0071112223", "777", "9.00 Cr"]]
    done = import_own(write(tmp_path / "u.csv", later, ";"), found)
    assert done.rejects.select(["row", "column", "reason"]).to_pylist() == [
        {"row": 30, "column": "amount", "reason": "cannot be read"}
    ]


def test_a_credit_in_a_row_that_names_both_accounts_is_left_out(tmp_path: Path) -> None:
    rows = [["date", "from", "to", "amount"], *([*row[:3], f"{row[3]} Dr"] for row in ROWS * 3)]
    rows.append([*ROWS[0][:3], "7.00 Cr"])
    done = import_own(
        write(tmp_path / "t.csv", rows), suggest_columns(tmp_path / "t.csv", source_tz="UTC", currency="THB")
    )
    assert done.rows_accepted == 6
    assert done.rejects["reason"].to_pylist() == ["credit where the row names both accounts"]


def test_counts_since_a_day_are_times_where_the_heading_says_so() -> None:
    accounts = {"from account": ["001", "002"], "to account": ["003", "004"], "amount": [5.25, 7.5]}
    for heading, cells, form, zone in (
        ("timestamp", [1740787200, 1740787260], "unix_s", ""),
        ("created at", [1740787200000.0, 1740787260000.0], "unix_ms", ""),
        ("Date", [45717.0, 45717.0 + 1 / 1440], "excel", "Asia/Bangkok"),
    ):
        frame = pd.DataFrame({heading: cells, **accounts})
        found = suggest_columns(frame, currency="THB", source_tz=zone or None)
        assert (found.undecided, found.times.formats, found.times.zone) == ((), {"time": form}, zone)
        done = import_own(frame, found)
        assert done.rows is not None
        hour = "2025-02-28 17" if zone else "2025-03-01 00"
        assert [str(time) for time in done.rows["time"]] == [f"{hour}:0{k}:00+00:00" for k in (0, 1)]
    unnamed = suggest_columns(pd.DataFrame({"nummer": [1740787200, 1740787260], **accounts}), currency="THB")
    assert unnamed.undecided == ("columns.time",)


def test_the_format_of_a_time_comes_with_the_choice_of_its_column(tmp_path: Path) -> None:
    rows = [["a", "b", "from", "to", "amount"], *(["14.03.2025", "15.03.2025", *row[1:]] for row in ROWS)]
    file = write(tmp_path / "t.csv", rows)
    found = suggest_columns(file, source_tz="UTC", currency="THB")
    assert found.undecided == ("columns.time",)
    for heading, day in (("a", 14), ("b", 15)):
        assert f'"{heading}"' in found.notes["columns.time"]
        done = import_own(file, found.with_(columns={"time": heading}))
        assert done.rows is not None
        assert {time.day for time in done.rows["time"].to_pylist()} == {day}


def test_amounts_above_zero_may_be_the_payments(tmp_path: Path) -> None:
    rows = [["date", "account", "counterparty", "amount"]]
    rows += [["14.03.2025", "0071112223", f"555{k}", f"{'-' if k % 2 else ''}{k}.00"] for k in range(1, 31)]
    found = suggest_columns(write(tmp_path / "t.csv", rows, ";"), source_tz="UTC", currency="EUR")
    for paid, odd in (("minus", "source"), ("plus", "target")):
        done = import_own(tmp_path / "t.csv", found.with_(amounts={"paid": paid}))
        assert done.rows is not None
        assert set(done.rows[odd].to_pylist()[::2]) == {"0071112223"}


def test_a_status_that_is_none_can_be_left_out(tmp_path: Path) -> None:
    rows = [["date", "from", "to", "amount", "Status"], *([*ROWS[0], f"case {place} is open"] for place in range(200))]
    found = suggest_columns(write(tmp_path / "t.csv", rows), source_tz="UTC", currency="THB")
    assert import_own(tmp_path / "t.csv", found.with_(columns={"status": None})).rows_accepted == 200


def test_a_time_of_day_without_a_date_is_no_time(tmp_path: Path) -> None:
    rows = [["time", "from", "to", "amount"], *(["10:15:00", *row[1:]] for row in ROWS)]
    found = suggest_columns(write(tmp_path / "t.csv", rows), source_tz="UTC", currency="THB")
    assert found.undecided == ("columns.time",)
    assert '"time": holds times of day, and no column holds their dates' in found.notes["columns.time"]


def test_days_of_a_spreadsheet_of_either_calendar_are_asked_about_and_both_answers_work(tmp_path: Path) -> None:
    rows = [["date", "from", "to", "amount"], *([f"4000{place}.5", *row[1:]] for place, row in enumerate(ROWS))]
    found = suggest_columns(write(tmp_path / "t.csv", rows), source_tz="UTC", currency="THB")
    assert found.undecided == ("times.time",)
    for form, year in (("excel", 2009), ("excel_1904", 2013)):
        assert f'"{form}"' in found.notes["times.time"]
        done = import_own(tmp_path / "t.csv", found.with_(times={"time": form}))
        assert done.rows is not None
        assert {(time.year, time.hour) for time in done.rows["time"].to_pylist()} == {(year, 12)}


def test_six_bare_digits_are_a_date_only_where_the_heading_says_so(tmp_path: Path) -> None:
    rows = [
        ["Datum", "von Konto", "an Konto", "Betrag"],
        *([f"2503{k:02}", "240115", "240116", "5,00"] for k in (1, 2)),
    ]
    found = suggest_columns(write(tmp_path / "t.csv", rows, ";"), source_tz="UTC", currency="EUR")
    assert (found.undecided, found.times.formats) == ((), {"time": "%y%m%d"})
    assert (found.columns["source"], found.columns["target"]) == ("von Konto", "an Konto")


def test_a_cell_that_names_another_currency_than_its_row_is_left_out(tmp_path: Path) -> None:
    rows = [["date", "from", "to", "amount", "currency"], *([*row[:3], f"฿{row[3]}", "THB"] for row in ROWS * 2)]
    rows += [[*ROWS[0][:3], "$7.00", "THB"], [*ROWS[0][:3], "฿8.00", ""]]
    found = suggest_columns(write(tmp_path / "t.csv", rows), source_tz="UTC", currency="THB")
    done = import_own(tmp_path / "t.csv", found)
    assert done.rejects.select(["row", "reason"]).to_pylist() == [{"row": 4, "reason": "other currency"}]
