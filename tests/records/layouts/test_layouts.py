"""Import of foreign layouts, from small files of the same shape written here."""

from __future__ import annotations

import gzip
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from muledetect import schema
from muledetect.errors import DataError, OptionError
from muledetect.records import read_dataset, write_tables
from muledetect.records.layouts import LAYOUTS, FileKind, import_layout, layout

AMLSIM_TRANSACTIONS = """\
tran_id,orig_acct,bene_acct,tx_type,base_amt,tran_timestamp,is_sar,alert_id
1,007,8,TRANSFER,150.5,2017-01-01T00:00:00Z,False,-1
2,8,9,TRANSFER,2750.00,2017-01-02T00:00:00Z,True,10
3,9,007,WIRE,2740.004999999,2017-01-04T00:00:00Z,True,10
4,11,8,TRANSFER,85.20,2017-01-05T00:00:00Z,False,99
"""
AMLSIM_ACCOUNTS = """\
acct_id,dsply_nm,type,acct_stat,acct_rptng_crncy,prior_sar_count,branch_id,open_dt,close_dt,initial_deposit,bank_id
007,C_7,I,A,USD,false,1,2017-01-01T00:00:00Z,4754-11-29T00:00:00Z,100.25,bank_a
8,C_8,O,A,USD,true,1,2017-01-01T00:00:00Z,2017-12-01T00:00:00Z,200,bank_b
9,C_9,SAV,A,USD,true,1,2017-01-01T00:00:00Z,4754-11-29T00:00:00Z,300,bank_b
"""
AMLSIM_MEMBERS = """\
alert_id,alert_type,acct_id,acct_name,is_sar,model_id,start,end,schedule_id,bank_id
10,cycle,8,8,True,1,0,1000000,0,bank_b
10,cycle,9,9,True,1,0,1000000,0,bank_b
10,cycle,12,12,True,1,0,1000000,0,bank_b
99,fan_in,8,8,False,1,0,1000000,0,bank_b
99,fan_in,11,11,False,1,0,1000000,0,bank_b
"""
AMLWORLD = """\
Timestamp,From Bank,Account,To Bank,Account,Amount Received,Receiving Currency,Amount Paid,Payment Currency,\
Payment Format,Is Laundering
2022/09/01 00:20,010,AAA1,003208,BBB2,10.50,US Dollar,10.50,US Dollar,ACH,0
2022/09/01 05:14,003208,BBB2,0,CCC3,99.99,Euro,105.00,US Dollar,Wire,1
2022/09/02 06:15,0,CCC3,010,AAA1,0.000123,Bitcoin,0.000123,Bitcoin,Bitcoin,1
2022/09/02 06:16,0,CCC3,010,DDD4,1234.56,Yen,1234.56,Yen,Cheque,0
2022/09/02 06:17,0,CCC3,010,DDD4,0.01,Yen,0.01,Yen,Cheque,0
2022/09/02 06:18,0,CCC3,010,DDD4,5.00,Groat,5.00,Groat,Cash,0
"""
AMLWORLD_EXCHANGES = """\
2022/09/02 06:19,010,AAA1,010,AAA2,100.02,Euro,105.01,US Dollar,Wire,0
2022/09/02 06:20,010,AAA1,010,AAA2,2000.00,US Dollar,0.1,Bitcoin,Wire,0
2022/09/02 06:21,010,AAA1,010,AAA2,50.00,Euro,50.00,Euro,Wire,0
"""
AMLWORLD_PATTERNS = """\
BEGIN LAUNDERING ATTEMPT - FAN-OUT:  Max 2-degree Fan-Out
2022/09/01 05:14,003208,BBB2,0,CCC3,99.99,Euro,105.00,US Dollar,Wire,1
END LAUNDERING ATTEMPT - FAN-OUT

BEGIN LAUNDERING ATTEMPT - STACK
2022/09/02 06:15,0,CCC3,010,AAA1,0.000123,Bitcoin,0.000123,Bitcoin,Bitcoin,1
END LAUNDERING ATTEMPT - STACK
"""
SYNTHFIN = """\
txn_id,source_id,target_id,timestamp,amount,is_fraud
0,1,2,2024-01-01 00:00:09.797039747,1209.0871871681818,0
1,2,3,2024-01-01 00:01:20,301.235,1
2,3,1,2024-01-02,1e-05,0
"""
SYNTHFIN_NODES = """\
agent_id,profile,is_fraud,initial_balance
1,retail,False,999119760.9766021
2,retail,True,20
3,escrow,False,4258.919204323187
"""


def write(folder: Path, **texts: str) -> Path:
    for name, text in texts.items():
        (folder / name.replace("__", ".")).write_text(text, encoding="utf-8")
    return folder


def reasons_in(tables: dict[str, pa.Table]) -> list[tuple[str, int, str, str]]:
    return [tuple(row[name] for name in ("table", "row", "column", "reason")) for row in tables["rejects"].to_pylist()]


@pytest.fixture
def amlsim(tmp_path: Path) -> Path:
    return write(
        tmp_path,
        transactions__csv=AMLSIM_TRANSACTIONS,
        accounts__csv=AMLSIM_ACCOUNTS,
        alert_accounts__csv=AMLSIM_MEMBERS,
        tx_log__csv="step,type,amount\n1,TRANSFER,2\n",
    )


def test_amlsim_amounts_become_minor_units_and_leading_zeros_stay(amlsim: Path) -> None:
    transfers = import_layout("amlsim", amlsim)["transfers"].to_pydict()
    assert transfers["amount"] == [15050, 275000, 274000, 8520]
    assert transfers["source"] == ["007", "8", "9", "11"]
    assert "currency" not in transfers  # the files name none, and nobody stated one
    stated = import_layout("amlsim", amlsim, currency="JPY")["transfers"].to_pydict()
    assert stated["currency"] == ["JPY"] * 4
    assert transfers["channel"] == ["p2p_account"] * 4
    assert transfers["source_bank"] == ["bank_a", "bank_b", "bank_b", None]


def test_amlsim_truth_is_in_labels_and_rings_and_nowhere_else(amlsim: Path) -> None:
    tables = import_layout("amlsim", amlsim)
    labels = {row["account_id"]: row for row in tables["labels"].to_pylist()}
    assert {account: row["label"] for account, row in labels.items()} == {
        "007": "mule", "8": "mule", "9": "mule", "11": "not_mule", "12": "unknown",
    }  # fmt: skip
    # account 9 received on the 2nd and paid on the 4th
    assert [str(labels["9"][name].date()) for name in ("activity_start", "activity_end", "known_ts")] == [
        "2017-01-02", "2017-01-04", "2017-01-04",
    ]  # fmt: skip
    assert labels["12"]["activity_start"] is None
    assert tables["truth_rings"].to_pylist()[-1] == {
        "ring_id": "99", "account_id": "8", "typology": "fan_in", "is_sar": False,
    }  # fmt: skip
    assert not {"is_sar", "alert_id", "ring_id"} & set(tables["transfers"].column_names)
    assert not {"prior_sar_count", "dsply_nm"} & set(tables["accounts"].column_names)


def test_amlsim_accounts_that_never_close_have_no_closing_date(amlsim: Path) -> None:
    accounts = import_layout("amlsim", amlsim)["accounts"].to_pydict()
    assert [moment and str(moment.date()) for moment in accounts["closed_at"]] == [None, "2017-12-01", None]
    assert accounts["balance"] == [10025, 20000, 30000]
    assert accounts["kind"] == ["individual", "company", None]


def test_amlsim_of_the_older_release_counts_days_from_the_first_day(tmp_path: Path) -> None:
    older = "TX_ID,SENDER_ACCOUNT_ID,RECEIVER_ACCOUNT_ID,TX_TYPE,TX_AMOUNT,TIMESTAMP,IS_FRAUD,ALERT_ID\n"
    write(tmp_path, t__csv=older + "1,5,6,TRANSFER,4.65,0,False,-1\n2,6,7,TRANSFER,3,101,True,1\n")
    tables = import_layout("amlsim", [tmp_path / "t.csv"], first_day="2020-01-01")
    assert [str(moment.date()) for moment in tables["transfers"]["time"].to_pylist()] == ["2020-01-01", "2020-04-11"]
    rings = tables["truth_rings"].to_pydict()
    assert (rings["account_id"], rings["is_sar"]) == (["6", "7"], [True, True])


def test_amlsim_without_any_truth_has_no_labels(tmp_path: Path) -> None:
    text = "tran_id,orig_acct,bene_acct,base_amt,tran_timestamp\n1,5,6,4.65,2017-01-01\n"
    assert set(import_layout("amlsim", write(tmp_path, t__csv=text))) == {"transfers", "rejects"}


def test_unreadable_rows_are_rejected_with_their_number_and_the_rest_is_kept(tmp_path: Path) -> None:
    header, *rows = AMLSIM_TRANSACTIONS.splitlines()
    bad = [
        "5,8,9,TRANSFER,many,2017-01-02T00:00:00Z,True,10",
        "6,8,9,TRANSFER",
        "7,8,9,TRANSFER,1,2017-02-30T00:00:00Z,True,10",
        "8,,9,TRANSFER,1,2017-01-02T00:00:00Z,True,10",
        "9,8,9,TRANSFER,1,2017-01-02T00:00:00Z,perhaps,10",
    ]
    write(tmp_path, a__csv="\n".join([header, rows[0], *bad]), b__csv="\n".join([header, bad[1], rows[1]]) + "\n")
    tables = import_layout("amlsim", tmp_path)
    assert tables["transfers"]["transfer_id"].to_pylist() == ["1", "2"]
    assert reasons_in(tables) == [
        ("transfers", 1, "amount", "cannot be read"),
        ("transfers", 2, "transfer_id", "cannot be read"),
        ("transfers", 3, "time", "cannot be read"),
        ("transfers", 4, "source", "missing key"),
        ("transfers", 5, "is_sar", "cannot be read"),
        ("transfers", 6, "transfer_id", "cannot be read"),
    ]


def test_amlworld_keeps_each_payment_currency_and_rejects_what_has_no_minor_units(tmp_path: Path) -> None:
    tables = import_layout("amlworld", write(tmp_path, X_Trans__csv=AMLWORLD))
    transfers = tables["transfers"].to_pydict()
    assert transfers["source"] == ["10:AAA1", "3208:BBB2", "0:CCC3", "0:CCC3"]
    assert transfers["target"] == ["3208:BBB2", "0:CCC3", "10:AAA1", "10:DDD4"]
    # 0.000123 bitcoin = 12,300 satoshi; 1234.56 yen has no smaller unit than the yen
    assert transfers["amount"] == [1050, 10500, 12300, 1235]
    assert transfers["currency"] == ["USD", "USD", "XBT", "JPY"]
    assert transfers["target_amount"][1] == 9999
    assert transfers["target_currency"][1] == "EUR"
    assert transfers["channel"] == ["p2p_account", "p2p_account", "vasp", "other"]
    assert reasons_in(tables) == [
        ("transfers", 4, "amount", "finer than the minor unit"),
        ("transfers", 5, "currency", "unknown currency"),
    ]


def test_amlworld_in_one_currency_rejects_the_others_but_keeps_their_truth(tmp_path: Path) -> None:
    tables = import_layout("amlworld", write(tmp_path, X_Trans__csv=AMLWORLD), currency="USD")
    assert tables["transfers"].num_rows == 2
    assert tables["rejects"].num_rows == 4
    labels = dict(zip(*(tables["labels"][name].to_pylist() for name in ("account_id", "label")), strict=True))
    assert labels == {"0:CCC3": "mule", "10:AAA1": "mule", "10:DDD4": "not_mule", "3208:BBB2": "mule"}


def test_amlworld_in_one_currency_converts_at_the_rates_that_the_transfers_show(tmp_path: Path) -> None:
    tables = import_layout("amlworld", write(tmp_path, X_Trans__csv=AMLWORLD + AMLWORLD_EXCHANGES), convert_to="USD")
    transfers = tables["transfers"].to_pydict()
    # 99.99 and 100.02 euro were got for 105 and 105.01 dollars: medians of two; a coin is 20,000 dollars; no yen was
    # exchanged, so its row is left out
    assert transfers["currency"] == ["USD"] * 6
    assert transfers["amount"] == [1050, 10500, 246, 10501, 200_000, 5250]
    assert [one["row"] for one in tables["rejects"].to_pylist() if one["reason"] == "currency without a rate"] == [3]
    assert tables["truth_transfers"]["transfer_id"].to_pylist() == ["1", "2"]
    assert len(read_dataset({"transfers": tables["transfers"]}, currency="USD").transfers) == 6


def test_amlworld_without_any_rate_converts_nothing(tmp_path: Path) -> None:
    files = write(tmp_path, X_Trans__csv=AMLWORLD)
    with pytest.raises(DataError, match="no transfer shows a rate to SAR"):
        import_layout("amlworld", files, convert_to="SAR")


def test_a_layout_of_one_currency_has_nothing_to_convert(tmp_path: Path, amlsim: Path) -> None:
    with pytest.raises(OptionError, match="has one currency"):
        import_layout("amlsim", amlsim, convert_to="USD")
    with pytest.raises(OptionError, match="one of the two"):
        import_layout("amlworld", write(tmp_path, X_Trans__csv=AMLWORLD), currency="USD", convert_to="USD")
    with pytest.raises(OptionError, match="ISO 4217"):
        import_layout("amlworld", tmp_path, convert_to="Dollar")


def test_amlworld_patterns_become_rings_whose_accounts_join(tmp_path: Path) -> None:
    write(tmp_path, X_Trans__csv=AMLWORLD, X_Patterns__txt=AMLWORLD_PATTERNS)
    tables = import_layout("amlworld", tmp_path)
    assert [tuple(row.values()) for row in tables["truth_rings"].to_pylist()] == [
        ("0", "0:CCC3", "fan_out", True),
        ("0", "3208:BBB2", "fan_out", True),
        ("1", "0:CCC3", "stack", True),
        ("1", "10:AAA1", "stack", True),
    ]
    assert set(tables["truth_rings"]["account_id"].to_pylist()) <= set(tables["labels"]["account_id"].to_pylist())


def test_amlworld_pattern_tables_with_other_names_give_rings_too(tmp_path: Path) -> None:
    text = (
        "PatternAttemptID,PatternType,TransactionTimestamp,FromBankID,FromAccountID,ToBankID,ToAccountID,"
        "AmountReceived,ReceivingCurrency,AmountPaid,PaymentCurrency,PaymentFormat,IsLaundering\n"
        "7,FAN-IN,2022/09/01 05:14,1,A,2,B,1.00,Euro,1.00,Euro,ACH,1\n"
    )
    tables = import_layout("amlworld", write(tmp_path, patterns__csv=text))
    assert tables["truth_rings"].to_pydict()["account_id"] == ["1:A", "2:B"]
    assert tables["truth_rings"].to_pydict()["typology"] == ["fan_in", "fan_in"]


def test_amlworld_accounts_have_holders(tmp_path: Path) -> None:
    write(
        tmp_path,
        X_Trans__csv=AMLWORLD,
        X_accounts__csv="Bank Name,Bank ID,Account Number,Entity ID,Entity Name\n"
        "Bank of Nowhere,10,AAA1,E1,Individual #3\nBank of Nowhere,010,DDD4,E2,Corporation #4\n",
    )
    tables = import_layout("amlworld", tmp_path)
    assert tables["accounts"].to_pydict()["account_id"] == ["10:AAA1", "10:DDD4"]
    assert tables["accounts"].to_pydict()["kind"] == ["individual", "company"]
    assert tables["holders"].to_pydict() == {"holder_id": ["E1", "E2"], "kind": ["person", "company"]}


@pytest.mark.parametrize("text", ["BEGIN LAUNDERING ATTEMPT - STACK\n1,2,3\n", "some notes\n", ""])
def test_a_damaged_pattern_file_stops_the_import(tmp_path: Path, text: str) -> None:
    write(tmp_path, X_Trans__csv=AMLWORLD, X_Patterns__txt=text)
    with pytest.raises(DataError, match="BEGIN"):
        import_layout("amlworld", tmp_path)


def test_synthfin_rounds_floating_amounts_to_the_minor_unit(tmp_path: Path) -> None:
    tables = import_layout("synthfin", write(tmp_path, transactions__csv=SYNTHFIN, nodes__csv=SYNTHFIN_NODES))
    # 301.235 is halfway and goes to the even 301.24; 0.00001 is nothing
    assert tables["transfers"]["amount"].to_pylist() == [120909, 30124]
    assert reasons_in(tables) == [("transfers", 2, "amount", "non-positive amount")]
    assert tables["accounts"]["balance"].to_pylist() == [99911976098, 2000, 425892]
    assert tables["labels"]["label"].to_pylist() == ["not_mule", "mule", "not_mule"]
    assert [moment and moment.hour for moment in tables["labels"]["activity_start"].to_pylist()] == [None, 0, None]


def test_frames_parquet_and_csv_give_the_same_tables(tmp_path: Path) -> None:
    write(tmp_path, transactions__csv=SYNTHFIN, nodes__csv=SYNTHFIN_NODES)
    nodes = pd.read_csv(tmp_path / "nodes.csv")
    transfers = pd.read_csv(tmp_path / "transactions.csv", parse_dates=["timestamp"], date_format="ISO8601")
    folder = tmp_path / "parquet"
    folder.mkdir()
    pq.write_table(pa.Table.from_pandas(nodes), folder / "nodes.parquet")
    pq.write_table(pa.Table.from_pandas(transfers), folder / "transfers.parquet")
    expected = import_layout("synthfin", [tmp_path / "nodes.csv", tmp_path / "transactions.csv"])
    for given_ in (folder, {"nodes": nodes, "transactions": transfers}):
        assert import_layout("synthfin", given_) == expected


def test_compressed_files_with_a_byte_order_mark_are_read(tmp_path: Path) -> None:
    (tmp_path / "t.csv.gz").write_bytes(gzip.compress(b"\xef\xbb\xbf" + AMLSIM_TRANSACTIONS.encode()))
    assert import_layout("amlsim", tmp_path)["transfers"].num_rows == 4


@pytest.mark.parametrize("name", sorted(LAYOUTS))
def test_a_wrong_file_says_what_was_found_and_expected(tmp_path: Path, name: str) -> None:
    write(tmp_path, other__csv="Timestmp,tran_ident,sorce_id\n1,2,3\n")
    with pytest.raises(DataError, match=r"other\.csv.*found Timestmp, tran_ident, sorce_id; expected"):
        import_layout(name, [tmp_path / "other.csv"])


def test_a_misspelt_column_is_recognised(tmp_path: Path) -> None:
    write(tmp_path, t__csv=AMLSIM_TRANSACTIONS.replace("bene_acct", "bene_accnt"))
    with pytest.raises(DataError, match=r"lacks 'bene_acct'.*did you mean 'bene_accnt'"):
        import_layout("amlsim", tmp_path)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("t.csv", b"", "is empty"),
        ("t.csv", AMLSIM_TRANSACTIONS.encode("utf-16"), "UTF-8"),
        ("t.csv", AMLSIM_TRANSACTIONS.replace("007", "ก").encode("tis-620"), "UTF-8"),
        ("t.csv.gz", gzip.compress(AMLSIM_TRANSACTIONS.encode(), mtime=0)[:60], "broken off"),
        ("t.csv.zst", b"not zst", "damaged"),
        ("t.parquet", b"PAR1 and no more", "damaged"),
        ("t.xlsx", b"PK", "is none of"),
    ],
)
def test_a_damaged_file_stops_the_import(tmp_path: Path, name: str, content: bytes, message: str) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(DataError, match=message):
        import_layout("amlsim", [tmp_path / name])


def test_missing_files_layouts_and_currencies_are_named(tmp_path: Path, amlsim: Path) -> None:
    with pytest.raises(DataError, match="no such file"):
        import_layout("amlsim", tmp_path / "nowhere")
    with pytest.raises(DataError, match="no file of transactions"):
        import_layout("amlsim", [amlsim / "accounts.csv"])
    with pytest.raises(OptionError, match="did you mean 'amlsim'"):
        import_layout("amlsin", amlsim)
    with pytest.raises(OptionError, match="USD"):
        import_layout("amlsim", amlsim, currency="USDD")
    with pytest.raises(OptionError, match="must be a date"):
        import_layout("amlsim", amlsim, first_day="2017-01-01T05:00")
    with pytest.raises(DataError, match="did you mean 'nodes'"):
        import_layout("synthfin", {"node": pd.DataFrame()})
    with pytest.raises(DataError, match="expected a path or a table"):
        import_layout("synthfin", {"nodes": 5})


def test_a_file_with_a_header_only_gives_no_rows(tmp_path: Path) -> None:
    write(tmp_path, t__csv=AMLSIM_TRANSACTIONS.splitlines()[0] + "\n")
    tables = import_layout("amlsim", tmp_path)
    assert (tables["transfers"].num_rows, tables["rejects"].num_rows) == (0, 0)


@given(st.permutations(range(9)), st.integers(1, 3))
@settings(deadline=None, max_examples=25)
def test_every_row_is_accepted_or_rejected_wherever_the_bad_ones_stand(
    tmp_path_factory: pytest.TempPathFactory, order: list[int], n_files: int
) -> None:
    header, *rows = AMLWORLD.splitlines()
    rows += ["ragged,row", rows[0].replace("10.50", "ten"), rows[0].replace("2022", "")]
    folder = tmp_path_factory.mktemp("split")
    for part in range(n_files):
        text = "\n".join([header, *(rows[i] for i in order[part::n_files])]) + "\n"
        (folder / f"{part}.csv").write_text(text)
    tables = import_layout("amlworld", folder)
    rejected = tables["rejects"]["row"].to_pylist()
    assert tables["transfers"].num_rows == 4
    assert len(set(rejected)) == 5
    # ids are row numbers: together with the rejects they are all rows
    assert {*map(int, tables["transfers"]["transfer_id"].to_pylist()), *rejected} == set(range(9))


@pytest.mark.parametrize(
    ("name", "files", "currency", "expected"),
    [
        ("amlsim", {"t.csv": AMLSIM_TRANSACTIONS, "a.csv": AMLSIM_ACCOUNTS, "m.csv": AMLSIM_MEMBERS}, "USD", (4, 0)),
        ("amlworld", {"t.csv": AMLWORLD, "x_Patterns.txt": AMLWORLD_PATTERNS}, "USD", (2, 2)),
        ("amlworld", {"t.csv": AMLWORLD}, "JPY", (1, 3)),
        ("synthfin", {"t.csv": SYNTHFIN, "n.csv": SYNTHFIN_NODES}, "USD", (2, 0)),
    ],
)
def test_what_is_imported_can_be_written_and_read(
    tmp_path: Path, name: str, files: dict[str, str], currency: str, expected: tuple[int, int]
) -> None:
    (tmp_path / "files").mkdir()
    for file, text in files.items():
        (tmp_path / "files" / file).write_text(text)
    tables = import_layout(name, tmp_path / "files")
    write_tables(tables, tmp_path / "dataset")
    dataset = read_dataset(tmp_path / "dataset", currency=currency)
    # of four imported amlworld transfers two are in dollars, one in yen, one in bitcoin
    assert (dataset.transfers.num_rows, dataset.rejects.num_rows) == expected
    assert {*dataset.tables} == {*tables} - {"rejects"}


def test_layouts_give_the_contract_and_say_where_they_come_from() -> None:
    for each in LAYOUTS.values():
        assert each.source
        assert each.meaning.endswith(".")
        assert any(kind.is_needed for kind in each.files)


def test_a_layout_of_another_package_is_checked_against_the_contract(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("muledetect.records.layouts._spec.LAYOUTS", {})
    kind = FileKind("rows", {"id": ("id",)}, required=("id",), is_needed=True)

    @layout("mine", files=(kind,), source="here")
    def read_mine(files: object, options: object) -> dict[str, pa.Table]:
        """Mine."""
        return {"transfers": pa.table({"transfer_id": [1]}), "rejects": schema.REJECTS.empty()}

    with pytest.raises(DataError, match="'transfer_id' as int64; expected string"):
        import_layout("mine", {"rows": pa.table({"id": ["1"]})})
    with pytest.raises(OptionError, match="taken"):
        layout("mine", files=(kind,), source="here")(read_mine)  # type: ignore[arg-type]


@given(st.integers(1, 10**14), st.integers(0, 4))
@settings(deadline=None)
def test_money_is_exact(minor: int, decimals: int) -> None:
    currency = ["JPY", None, "THB", "KWD", "CLF"][decimals]
    decimals = 2 if currency is None else decimals
    digits = str(minor).rjust(decimals + 1, "0")
    text = f"{digits[:-decimals]}.{digits[-decimals:]}" if decimals else digits
    assert amounts_of(text, currency=currency) == [minor]


def amounts_of(*texts: str | None, currency: str | None = None) -> list[int]:
    rows = pa.table({name: ["1"] * len(texts) for name in ("source_id", "target_id")})
    rows = rows.append_column("timestamp", pa.array(["2025-03-01"] * len(texts)))
    rows = rows.append_column("amount", pa.array(texts, pa.string()))
    return import_layout("synthfin", {"transactions": rows}, currency=currency)["transfers"]["amount"].to_pylist()


def test_money_that_is_none_or_too_large_is_left_out() -> None:
    texts = ["nan", "inf", "", None, "1,000", "0x10", "9" * 17, "1e99", "+5", " 7.5 ", "1E2", "--1", "."]
    assert amounts_of(*texts) == [500, 750, 10000]
    # halves go to the even neighbour, and noise of floating point is none
    assert amounts_of("0.125", "0.135", "0.13500000000000000888", "2740.004999999", "1e-1") == [12, 14, 14, 274000, 10]


def test_times_and_flags_however_they_are_written() -> None:
    times = ["2022/09/01 00:20", "2022-09-01T07:00:00+07:00", "2022-13-01", None, "x", "2022-09-01 00:00:00.797039747"]
    rows = {name: ["1"] * len(times) for name in ("source_id", "target_id", "amount")}
    flags = ["YES", "no", "1", "1", "1", "F"]
    tables = import_layout("synthfin", {"transactions": pa.table(rows | {"timestamp": times, "is_fraud": flags})})
    assert [moment.isoformat() for moment in tables["transfers"]["time"].to_pylist()] == [
        "2022-09-01T00:20:00+00:00", "2022-09-01T00:00:00+00:00", "2022-09-01T00:00:00.797039+00:00",
    ]  # fmt: skip
    flagged = import_layout(
        "synthfin",
        {"transactions": pa.table(rows | {"timestamp": times[:1] * 6, "is_fraud": [*flags[:2], "2", None, "0", "t"]})},
    )
    assert [row for _, row, _, _ in reasons_in(flagged)] == [2, 3]
