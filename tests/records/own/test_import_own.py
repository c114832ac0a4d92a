"""Messy exports become the transfers that they were made of, and no row is lost on the way."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import messy
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from muledetect.errors import DataError, OptionError
from muledetect.outputs import MANIFEST
from muledetect.records import read_dataset
from muledetect.records.own import Columns, Imported, import_own, read_columns, suggest_columns

STATED = {"source_tz": "Asia/Bangkok", "currency": "THB"}
EXPORTS: dict[str, tuple[Callable[[Path, pa.Table], None], dict[str, str]]] = {
    "german": (messy.write_german, {}),
    "thai": (messy.write_thai, {"era": "buddhist"}),
    "signed": (messy.write_signed, {}),
    "directed": (messy.write_directed, {}),
}


def accounted_for(done: Imported) -> bool:
    rows = done.rejects["row"].to_pylist()
    return done.rows_read == done.rows_accepted + len(rows) and len(set(rows)) == len(rows)


def content(table: pa.Table) -> list[tuple[object, ...]]:
    plain = [
        table[name].cast(pa.string() if name in ("source", "target") else table[name].type) for name in messy.COLUMNS
    ]
    return sorted(zip(*(column.to_pylist() for column in plain), strict=True))


def write(path: Path, *lines: str) -> Path:
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def plain_columns(**changes: object) -> Columns:
    columns = {"time": "when", "source": "from", "target": "to", "amount": "sum"}
    stated = {"times": {"zone": "UTC"}, "amounts": {"currency": "THB"}, "rows": {"ids": "rows"}}
    return Columns("transfers", columns).with_(**stated).with_(**changes)


@pytest.mark.parametrize("name", EXPORTS)
@pytest.mark.slow
def test_a_messy_export_becomes_the_transfers_that_it_was_made_of(name: str, tmp_path: Path) -> None:
    truth = messy.transfers()
    make, more = EXPORTS[name]
    make(tmp_path / "export.csv", truth)
    suggest_columns(tmp_path / "export.csv", **STATED, **more).write(tmp_path / "columns.toml")  # type: ignore[arg-type]
    done = import_own(tmp_path / "export.csv", tmp_path / "columns.toml", tmp_path / "bank")
    dataset = read_dataset(tmp_path / "bank")
    assert content(dataset.transfers) == content(truth)
    assert accounted_for(done)
    assert dataset.rejects.num_rows == 0
    assert {entry.name for entry in (tmp_path / "bank").iterdir() if entry.suffix != ".parquet"} == {MANIFEST}


def test_both_rows_of_a_transfer_become_one_with_the_balances_of_both(tmp_path: Path) -> None:
    truth = messy.transfers()
    messy.write_thai(tmp_path / "export.csv", truth)
    columns = suggest_columns(tmp_path / "export.csv", **STATED, era="buddhist")  # type: ignore[arg-type]
    done = import_own(tmp_path / "export.csv", columns)
    assert done.rows is not None
    within = pc.and_(
        pc.is_in(done.rows["source"], value_set=pa.array(messy.OWN)),
        pc.is_in(done.rows["target"], value_set=pa.array(messy.OWN)),
    )
    inside = done.rows.filter(within)
    assert inside.num_rows > 0
    assert inside["source_balance_after"].null_count == inside["target_balance_after"].null_count == 0
    paired = done.rejects.filter(pc.equal(done.rejects["reason"], "debit and credit rows paired"))
    assert paired.num_rows == inside.num_rows
    assert set(paired["severity"].to_pylist()) == {"repair"}


def test_rows_of_both_sides_are_told_where_they_are_not_paired(tmp_path: Path) -> None:
    messy.write_signed(tmp_path / "export.csv", messy.transfers())
    columns = suggest_columns(tmp_path / "export.csv", **STATED).with_(rows={"pair_on": "nothing"})  # type: ignore[arg-type]
    done = import_own(tmp_path / "export.csv", columns)
    assert done.rows_accepted == done.rows_read
    assert any("counted twice" in note for note in done.notes)


def test_sides_whose_clocks_differ_are_told_and_paired_when_asked(tmp_path: Path) -> None:
    file = write(
        tmp_path / "s.csv",
        "when,account,other,sum",
        "2025-03-01 10:00:00,A1,A2,-5.00",
        "2025-03-01 10:00:40,A2,A1,5.00",
    )
    columns = {"time": "when", "account": "account", "counterparty": "other", "amount": "sum"}
    mapping = Columns("transfers", columns).with_(
        times={"zone": "UTC"}, amounts={"currency": "THB"}, rows={"ids": "rows", "pair_on": "time"}
    )
    apart = import_own(file, mapping)
    assert apart.rows_accepted == 2
    assert 'pair_within = "1h"' in apart.notes[0]
    assert import_own(file, mapping.with_(rows={"pair_within": "1min"})).rows_accepted == 1


def test_sides_with_one_id_are_paired_whatever_their_times(tmp_path: Path) -> None:
    file = write(
        tmp_path / "s.csv",
        "ref,when,account,other,sum",
        *(f"r{k},2025-03-0{k} 10:00:00,A1,A2,-5.00" for k in (1, 2)),
        *(f"r{k},2025-03-0{k} 23:00:00,A2,A1,5.00" for k in (1, 2)),
    )
    columns = suggest_columns(file, source_tz="UTC", currency="THB", table="transfers").with_(
        columns={"counterparty": "other"}, accounts={"list_own": False}
    )
    assert columns.columns["transfer_id"] == "ref"
    done = import_own(file, columns.with_(rows={"pair_on": "transfer_id"}))
    assert done.rows is not None
    assert sorted(done.rows["transfer_id"].to_pylist()) == ["r1", "r2"]


def test_accounts_of_statements_become_the_table_of_accounts_unless_there_is_one(tmp_path: Path) -> None:
    messy.write_signed(tmp_path / "export.csv", messy.transfers())
    columns = suggest_columns(tmp_path / "export.csv", **STATED)  # type: ignore[arg-type]
    import_own(tmp_path / "export.csv", columns, tmp_path / "bank")
    assert pq.read_table(tmp_path / "bank" / "accounts.parquet")["account_id"].to_pylist() == sorted(messy.OWN)
    pq.write_table(pa.table({"account_id": ["x"], "holder_id": ["h"]}), tmp_path / "bank" / "accounts.parquet")
    import_own(tmp_path / "export.csv", columns, tmp_path / "bank")
    assert pq.read_table(tmp_path / "bank" / "accounts.parquet")["account_id"].to_pylist() == ["x"]


def test_every_row_left_out_has_its_number_and_its_reason(tmp_path: Path) -> None:
    file = write(
        tmp_path / "t.csv",
        "when,from,to,sum",
        "2025-03-01 10:00:00,A1,B1,5.00",  # 0
        "",  # 1
        "2025-03-01 10:00:00,A1,B1",  # 2
        "2025-02-30 10:00:00,A1,B1,5.00",  # 3
        "2025-03-01 10:00:00,,B1,5.00",  # 4
        "2025-03-01 10:00:00,A1,B1,five",  # 5
        "2025-03-01 10:00:00,A1,B1,0.00",  # 6
        "2025-03-01 10:00:00,A1,B1,5.001",  # 7
        '2025-03-01 10:00:00,A1,B1,"6.00"',  # 8
        *["2025-03-01 10:00:01,A1,B1,7.00"] * 9,
    )
    done = import_own(file, plain_columns(amounts={"decimal": "."}))
    rows = {row["row"]: (row["column"], row["reason"], row["severity"]) for row in done.rejects.to_pylist()}
    assert rows == {
        1: ("transfer_id", "no value in any column that is used", "repair"),
        2: ("transfer_id", "another number of fields than the headings", "reject"),
        3: ("time", "cannot be read", "reject"),
        4: ("source", "missing key", "reject"),
        5: ("amount", "cannot be read", "reject"),
        6: ("amount", "non-positive amount", "reject"),
        7: ("amount", "finer than the minor unit", "reject"),
    }
    assert accounted_for(done)
    assert done.rows is not None
    assert done.rows["transfer_id"].to_pylist()[:3] == ["t-1", "t-9", "t-10"]
    assert any("8 rows say the same" in note for note in done.notes)


def test_rows_that_say_the_same_are_one_transfer_when_ids_come_from_the_content(tmp_path: Path) -> None:
    file = write(tmp_path / "t.csv", "when,from,to,sum", *["2025-03-01 10:00:00,A1,B1,5.00"] * 3)
    imported = import_own(file, plain_columns(rows={"ids": "content"}), tmp_path / "bank")
    dataset = read_dataset(tmp_path / "bank")
    assert dataset.transfers.num_rows == imported.rows_accepted == 1
    assert imported.rejects["reason"].to_pylist() == ["exact duplicate"] * 2


def test_a_mapping_that_does_not_fit_stops_and_writes_nothing_and_tells_shapes_only(tmp_path: Path) -> None:
    rows = [f"01.03.2025 10:00:0{k},DE77{k},B{k},5.00" for k in range(5)]
    file = write(tmp_path / "t.csv", "when,from,to,sum", *rows)
    with pytest.raises(DataError, match="5 of 5 rows") as stop:
        import_own(
            file, plain_columns(times={"time": "%m-%d-%Y %H:%M:%S"}, columns={"amount": "from"}), tmp_path / "bank"
        )
    assert "99.99.9999 99:99:99" in str(stop.value)
    assert "DE77" not in str(stop.value)
    assert not list((tmp_path / "bank").glob("*"))


def test_buddhist_years_stop_with_the_option_that_mends_them(tmp_path: Path) -> None:
    mapping = plain_columns(times={"time": "%d/%m/%Y %H:%M:%S"})
    file = write(tmp_path / "t.csv", "when,from,to,sum", *["28/02/2568 10:00:00,A1,B1,5.00"] * 2)
    with pytest.raises(DataError, match='era = "buddhist"'):
        import_own(file, mapping)
    file = write(tmp_path / "t.csv", "when,from,to,sum", *["29/02/2567 10:00:00,A1,B1,5.00"] * 2)
    with pytest.raises(DataError, match="rows cannot be taken"):  # 2567 itself has no 29 February; 2024 has
        import_own(file, mapping)
    done = import_own(file, mapping.with_(times={"era": "buddhist"}))
    assert done.rows is not None
    assert str(done.rows["time"][0]) == "2024-02-29 10:00:00+00:00"


def test_account_numbers_that_a_spreadsheet_rounded_stop_the_import(tmp_path: Path) -> None:
    file = write(tmp_path / "t.csv", "when,from,to,sum", "2025-03-01 10:00:00,1.23457E+11,B1,5.00")
    with pytest.raises(DataError, match="spreadsheet has rounded"):
        import_own(file, plain_columns())


def test_zeros_kept_by_a_formula_stay(tmp_path: Path) -> None:
    file = write(tmp_path / "t.csv", "when,from,to,sum", '2025-03-01 10:00:00,"=""00123""",B1,5.00')
    done = import_own(file, plain_columns())
    assert done.rows is not None
    assert done.rows["source"].to_pylist() == ["00123"]


def test_rows_of_another_currency_are_left_out_with_the_reason(tmp_path: Path) -> None:
    lines = [f"2025-03-01 10:00:00,A1,B1,5.00,{code}" for code in ("THB", "THB", "EUR", "XXX")]
    file = write(tmp_path / "t.csv", "when,from,to,sum,ccy", *lines)
    done = import_own(file, plain_columns(columns={"currency": "ccy"}))
    assert sorted(done.rejects["reason"].to_pylist()) == ["other currency", "unknown currency"]


def test_accounts_that_rows_do_not_name_get_the_name_that_was_said(tmp_path: Path) -> None:
    lines = ["2025-03-01 10:00:00,A1,,5.00", "2025-03-01 10:00:00,,B1,5.00", "2025-03-01 10:00:00,,,5.00"]
    file = write(tmp_path / "t.csv", "when,from,to,sum", *lines)
    done = import_own(file, plain_columns(accounts={"missing": "cash"}))
    assert done.rows is not None
    assert done.rows["source"].to_pylist() == ["A1", "cash"]
    assert done.rows["target"].to_pylist() == ["cash", "B1"]
    assert done.rejects["reason"].to_pylist() == ["missing key"]


def test_neither_or_both_of_debit_and_credit_is_a_reason(tmp_path: Path) -> None:
    lines = ["5.00,0.00", "0.00,5.00", "0.00,0.00", "5.00,5.00", "-5.00,"]
    file = write(tmp_path / "t.csv", "when,a,b,d,c", *(f"2025-03-01 10:00:00,A1,B1,{line}" for line in lines))
    columns = {"time": "when", "account": "a", "counterparty": "b", "debit": "d", "credit": "c"}
    mapping = Columns("transfers", columns).with_(
        times={"zone": "UTC"}, amounts={"currency": "THB"}, rows={"ids": "rows"}
    )
    with pytest.raises(DataError, match="neither or both"):
        import_own(file, mapping)
    file = write(file, *file.read_text().splitlines(), *["2025-03-01 10:00:00,A1,B1,5.00,"] * 4)
    done = import_own(file, mapping)
    reasons = dict(zip(done.rejects["row"].to_pylist(), done.rejects["reason"].to_pylist(), strict=True))
    assert reasons == {
        2: "neither or both of debit and credit",
        3: "neither or both of debit and credit",
        4: "non-positive amount",
    }
    assert done.rows is not None
    assert done.rows["source"].to_pylist()[:2] == ["A1", "B1"]


def test_several_files_are_read_as_one_and_their_ids_differ(tmp_path: Path) -> None:
    for folder in ("jan", "feb"):
        (tmp_path / folder).mkdir()
        write(tmp_path / folder / "t.csv", "when,from,to,sum", f"2025-03-01 10:00:00,{folder},B1,5.00", "x,A,B,1.00")
    done = import_own([str(tmp_path / name / "t.csv") for name in ("jan", "feb")], plain_columns())
    assert done.rows is not None
    assert done.rows["transfer_id"].to_pylist() == ["t.1-1", "t.2-1"]
    assert done.rejects["row"].to_pylist() == [1, 3]


def test_a_heading_that_a_file_lacks_is_named_with_a_close_one(tmp_path: Path) -> None:
    file = write(tmp_path / "t.csv", "when,from,to,summ", "2025-03-01 10:00:00,A1,B1,5.00")
    with pytest.raises(DataError, match=r"no column 'sum'.*did you mean 'summ'"):
        import_own(file, plain_columns())


def test_what_is_undecided_or_lacking_is_told_all_at_once(tmp_path: Path) -> None:
    mapping = Columns("transfers", {"source": "from", "amount": "sum"}).with_(
        times={"zone": "?"}, amounts={"currency": "?"}
    )
    with pytest.raises(OptionError) as stop:
        import_own(tmp_path / "none.csv", mapping)
    for part in ("times.zone", "amounts.currency", "'target'", "'time'", 'ids = "rows"'):
        assert part in str(stop.value)


def test_data_frames_are_imported_with_their_own_types() -> None:
    frame = pd.DataFrame(
        {
            "booked": pd.to_datetime(["2025-03-01 09:00", "2025-03-02 10:00"]),
            "payer account": ["001", "002"],
            "payee account": ["003", "004"],
            "amount": [12.5, 1000.25],
        }
    )
    columns = suggest_columns(frame, **STATED)  # type: ignore[arg-type]
    done = import_own(frame, columns)
    assert done.rows is not None
    assert done.rows["amount"].to_pylist() == [1250, 100025]
    assert str(done.rows["time"][0]) == "2025-03-01 02:00:00+00:00"
    numbers = frame.assign(**{"payer account": [1, 2]})
    with pytest.raises(DataError, match="loses leading zeros"):
        import_own(numbers, columns)


def test_labels_and_accounts_are_mapped_the_same_way(tmp_path: Path) -> None:
    messy.write_signed(tmp_path / "export.csv", messy.transfers())
    columns = suggest_columns(tmp_path / "export.csv", **STATED)  # type: ignore[arg-type]
    import_own(tmp_path / "export.csv", columns, tmp_path / "bank")
    labels = write(
        tmp_path / "mules.csv",
        "Kontonummer;festgestellt am;Befund",
        f"{messy.OWN[0]};14.03.2025;ja",
        f"{messy.OWN[1]};15.03.2025;nein",
    )
    mapped = suggest_columns(labels, table="labels", source_tz="Asia/Bangkok")
    assert mapped.undecided == ()
    import_own(labels, mapped, tmp_path / "bank")
    accounts = write(
        tmp_path / "konten.csv",
        "Kontonummer;Kundennummer;Eröffnungsdatum;Kontoart;Tageslimit",
        f"{messy.OWN[0]};K1;14.03.2020;Privat;50.000,00",
        f"{messy.OWN[1]};K2;20.12.2021;Firma;200.000,00",
    )
    import_own(accounts, suggest_columns(accounts, table="accounts", **STATED), tmp_path / "bank")  # type: ignore[arg-type]
    dataset = read_dataset(tmp_path / "bank")
    assert dataset.tables["labels"]["label"].to_pylist() == ["mule", "not_mule"]
    assert str(dataset.tables["labels"]["known_ts"][0]) == "2025-03-13 17:00:00+00:00"
    assert dataset.tables["accounts"]["daily_limit"].to_pylist() == [5_000_000, 20_000_000]
    assert dataset.tables["accounts"]["kind"].to_pylist() == ["individual", "company"]


def test_a_list_of_mules_needs_one_word_for_all_of_its_rows(tmp_path: Path) -> None:
    file = write(tmp_path / "mules.csv", "account no,reported at", "A1,2025-03-01 10:00", "A2,2025-03-13 10:00")
    columns = suggest_columns(file, table="labels", source_tz="UTC")
    assert columns.undecided == ("constants.label",)
    done = import_own(file, columns.with_(constants={"label": "mule"}))
    assert done.rows is not None
    assert done.rows["label"].to_pylist() == ["mule", "mule"]


def test_accounts_written_in_another_way_than_in_the_transfers_are_told(tmp_path: Path) -> None:
    messy.write_german(tmp_path / "export.csv", messy.transfers())
    columns = suggest_columns(tmp_path / "export.csv", **STATED)  # type: ignore[arg-type]
    import_own(tmp_path / "export.csv", columns, tmp_path / "bank")
    file = write(tmp_path / "a.csv", "account no", *map(messy.dashed, messy.OWN))
    accounts = Columns("accounts", {"account_id": "account no"})
    assert "3 of 3 accounts have no transfer" in import_own(file, accounts, tmp_path / "bank").notes[0]
    assert not import_own(file, accounts.with_(accounts={"remove": "-"}), tmp_path / "bank").notes


def test_hashed_texts_are_equal_where_the_texts_are_in_every_table(tmp_path: Path) -> None:
    file = write(
        tmp_path / "t.csv",
        "when,from,to,sum,memo",
        *(f"2025-03-01 10:00:00,A1,B1,5.00,{m}" for m in ("ค่าเช่า", "x", "ค่าเช่า")),
    )
    done = import_own(
        file, plain_columns(columns={"memo_hash": "memo"}, rows={"hashed": ["memo_hash"], "keep": ["memo"]})
    )
    assert done.rows is not None
    first, other, again = done.rows["memo_hash"].to_pylist()
    assert first == again != other
    assert len(first) == 16
    assert done.rows["memo"].to_pylist() == ["ค่าเช่า", "x", "ค่าเช่า"]


def test_a_folder_that_has_the_table_in_another_form_is_refused(tmp_path: Path) -> None:
    file = write(tmp_path / "export.csv", "when,from,to,sum", "2025-03-01 10:00:00,A1,B1,5.00")
    (tmp_path / "bank").mkdir()
    (tmp_path / "bank" / "transfers.csv").write_bytes(file.read_bytes())
    with pytest.raises(OptionError, match=r"transfers\.csv already"):
        import_own(file, plain_columns(), tmp_path / "bank")


def test_a_file_of_another_encoding_further_on_says_what_to_correct(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_bytes(b"when,from,to,sum\n2025-03-01 10:00:00,A1,B\xfc,5.00\n")
    with pytest.raises(DataError, match=r"not utf-8.*'encoding' under"):
        import_own(tmp_path / "t.csv", plain_columns())


def test_compressed_files_are_read(tmp_path: Path) -> None:
    with pa.output_stream(str(tmp_path / "t.csv.gz"), compression="gzip") as stream:
        stream.write(b"when,from,to,sum\n2025-03-01 10:00:00,A1,B1,5.00\n")
    assert import_own(tmp_path / "t.csv.gz", plain_columns()).rows_accepted == 1


def test_a_change_leaves_what_it_does_not_name() -> None:
    mapping = plain_columns(columns={"channel": "c"}, values={"channel": {"a": "card", "b": "bill", "*": "other"}})
    changed = mapping.with_(values={"channel": {"a": "fee", "b": None}}, columns={"memo_hash": "m"})
    assert changed.values == {"channel": {"a": "fee", "*": "other"}}
    assert changed.columns == {**mapping.columns, "memo_hash": "m"}
    assert changed.times == mapping.times


def test_a_mapping_survives_its_file_with_hostile_headings(tmp_path: Path) -> None:
    heading = 'a "quoted"\\ heading # [x] \t ümlaut'
    mapping = plain_columns(columns={"amount": heading}, values={"channel": {'say "x"': "other"}}).with_(
        columns={"channel": "c"}
    )
    mapping.write(tmp_path / "columns.toml")
    assert read_columns(tmp_path / "columns.toml") == mapping


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('table = "transfer"', "did you mean 'transfers'"),
        ('table = "transfers"\n[columns]\nsorce = "a"', "did you mean 'source'"),
        ('table = "transfers"\n[times]\nzone = "Asia/Bankok"', "no time zone"),
        ('table = "transfers"\n[times]\ntime = "%d/%Y"', "must name year"),
        ('table = "transfers"\n[times]\ntime = "%d/%m/%Y %Q"', "'%Q'"),
        ('table = "transfers"\n[amounts]\ndecimal = ";"', "is none of"),
        ('table = "transfers"\n[amounts]\ndecimal = "."\nthousands = "."', "must differ"),
        ('table = "transfers"\n[rows]\npair_within = "soon"', "15min"),
        ('table = "transfers"\n[file]\nheader = "1"', "a whole number"),
        ('table = "transfers"\n[filing]', "did you mean 'file'"),
        ("table = transfers", "no TOML"),
    ],
)
def test_a_wrong_mapping_says_where_and_how_to_mend_it(text: str, said: str, tmp_path: Path) -> None:
    (tmp_path / "columns.toml").write_text(text, "utf-8")
    with pytest.raises((DataError, OptionError), match=said):
        read_columns(tmp_path / "columns.toml")
