"""Exports in the forms that banks write come out exactly, or are asked about, or left out with the reason.

The files stand in tests/data/exports: made-up rows in forms that people reported. Right values are read here by other
means than the library's: `Decimal`, `datetime` and the rows that were written beside the files by hand.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

from muledetect.cli import app
from muledetect.errors import DataError
from muledetect.records import read_dataset
from muledetect.records.own import Columns, Imported, import_own, suggest_columns

DATA = Path(__file__).parents[2] / "data" / "exports"
BERLIN: dict[str, Any] = {"source_tz": "Europe/Berlin"}
Row = tuple[str, str, int, datetime]


def cells(name: str, delimiter: str = ",") -> list[dict[str, str]]:
    with (DATA / name).open(encoding="utf-8-sig", newline="") as file:
        return list(csv.DictReader(file, delimiter=delimiter))


def expected(name: str) -> list[Row]:
    rows = cells(f"{name}.expected.csv")
    return [(row["source"], row["target"], int(row["amount"]), datetime.fromisoformat(row["time"])) for row in rows]


def transfers(done: Imported) -> list[Row]:
    assert done.rows is not None
    return [(row["source"], row["target"], row["amount"], row["time"]) for row in done.rows.to_pylist()]


def imported(name: str, **stated: Any) -> Imported:
    columns = suggest_columns(DATA / name, **stated)
    assert columns.undecided == ()
    return import_own(DATA / name, columns)


def minor(text: str, digits: int = 2) -> int:
    return int(abs(Decimal(text)) * 10**digits)


def at(text: str, form: str, zone: str = "Europe/Berlin") -> datetime:
    return datetime.strptime(text, form).replace(tzinfo=ZoneInfo(zone)).astimezone(UTC)


STATED: dict[str, dict[str, Any]] = {
    "01_parens": {**BERLIN, "currency": "USD"},
    "11_us_dst": {"source_tz": "US/Central", "currency": "USD", "date_order": "month"},
    "15_epoch_ms": {"currency": "EUR"},
    "16_crdr": {**BERLIN, "currency": "EUR"},
}


@pytest.mark.parametrize("name", STATED)
def test_an_export_comes_out_exactly(name: str) -> None:
    done = imported(f"{name}.csv", **STATED[name])
    assert transfers(done) == expected(name)
    assert done.rejects.num_rows == 0


@pytest.mark.parametrize("name", STATED)
def test_an_export_comes_out_exactly_by_commands(name: str, tmp_path: Path) -> None:
    given = [f"--{option.replace('_', '-')}={value}" for option, value in STATED[name].items()]
    file, columns, bank = DATA / f"{name}.csv", tmp_path / "columns.toml", tmp_path / "bank"
    run = CliRunner().invoke(app, ["columns", str(file), "--output", str(columns), *given])
    assert run.exit_code == 0, run.output
    run = CliRunner().invoke(app, ["import", "own", str(file), "--columns", str(columns), "--output", str(bank)])
    assert run.exit_code == 0, run.output
    table = pq.read_table(bank / "transfers.parquet")
    rows = [(row["source"], row["target"], row["amount"], row["time"]) for row in table.to_pylist()]
    assert rows == expected(name)


def own_account_above() -> list[Row]:
    """Rows of 09: the account of line 1 pays what is below zero to the IBAN of the row, and gets what is above."""
    lines = (DATA / "09_preamble_bom.csv").read_text("utf-8-sig").splitlines()
    own = "DE40100500000000778"
    rows: list[Row] = []
    for line in csv.DictReader(lines[4:], delimiter=";"):
        amount = Decimal(line["Betrag (€)"].replace(".", "").replace(",", "."))
        source, target = (own, line["IBAN"]) if amount < 0 else (line["IBAN"], own)
        rows.append((source, target, int(abs(amount) * 100), at(line["Buchungsdatum"], "%d.%m.%y")))
    return rows


@pytest.mark.parametrize("said", ["line 1 cell 2", "DE40100500000000778"])
def test_an_account_above_the_table_is_asked_for_and_offered(said: str, tmp_path: Path) -> None:
    file = DATA / "09_preamble_bom.csv"
    columns = suggest_columns(file, **BERLIN, currency="EUR")
    assert columns.undecided == ("columns.counterparty", "accounts.own_account")
    assert '"line 1 cell 2" (AA99999999999999999)' in columns.notes["accounts.own_account"]
    assert '"IBAN"' in columns.notes["columns.counterparty"]
    assert "DE40100500000000778" not in columns.to_toml()
    columns.with_(columns={"counterparty": "IBAN"}, accounts={"own_account": said}).write(tmp_path / "columns.toml")
    done = import_own(file, tmp_path / "columns.toml")
    assert transfers(done) == own_account_above()
    other = columns.with_(columns={"account": "IBAN", "counterparty": "Umsatztyp"}, accounts={"own_account": ""})
    assert import_own(file, other).rows_accepted == 56  # the other answer that the note gives
    assert len(transfers(done)) == done.rows_read == 56


def test_an_account_above_the_table_is_read_from_each_file(tmp_path: Path) -> None:
    for number in (1, 2):
        text = f"Account;00000{number}\n\nDate;Counterparty account;Amount\n2025-03-0{number};77;-5.00\n"
        (tmp_path / f"{number}.csv").write_text(text)
    files = [tmp_path / "1.csv", tmp_path / "2.csv"]
    columns = suggest_columns(files, source_tz="UTC", currency="EUR").with_(accounts={"own_account": "line 1 cell 2"})
    assert [row[:2] for row in transfers(import_own(files, columns))] == [("000001", "77"), ("000002", "77")]
    (tmp_path / "2.csv").write_text("Date;Counterparty account;Amount\n2025-03-02;77;-5.00\n")
    with pytest.raises(DataError, match=r"has no column|no headings"):
        import_own(files, columns)


def test_cr_and_dr_beside_indian_amounts() -> None:
    done = imported("crdr.csv", source_tz="Asia/Kolkata", currency="INR", date_order="day")
    rows = cells("crdr.csv")
    wanted = []
    for row in rows:
        own, other = row["Account No"], row["Counterparty Account"]
        number, word = row["Amount"].replace(",", "").split()
        source, target = (own, other) if word == "Dr" else (other, own)
        when = at(row["Transaction Date"], "%d-%m-%Y %H:%M:%S", "Asia/Kolkata")
        wanted.append((source, target, minor(number), when))
    assert transfers(done) == wanted
    assert done.rows is not None
    balances = [row["source_balance_after"] or row["target_balance_after"] for row in done.rows.to_pylist()]
    assert balances == [minor(row["Balance"].replace(",", "").split()[0]) for row in rows]


def test_brackets_behind_a_currency_sign_are_payments() -> None:
    done = imported("paren.csv", source_tz="US/Eastern", currency="USD", date_order="month")
    wanted = []
    for row in cells("paren.csv"):
        is_out = "(" in row["Amount"]
        ends = (row["Account"], row["Counterparty"])
        source, target = ends if is_out else ends[::-1]
        when = at(row["Date"], "%m/%d/%Y %I:%M %p", "US/Eastern")
        wanted.append((source, target, minor(re.sub("[^0-9.]", "", row["Amount"])), when))
    assert transfers(done) == wanted


def test_signs_apart_from_their_amounts() -> None:
    done = imported("plus.csv", source_tz="UTC", currency="THB")
    wanted = []
    for row in cells("plus.csv"):
        ends = (row["Account"], row["Counterparty"])
        source, target = ends if row["Amount"].startswith("-") else ends[::-1]
        when = at(row["Date"], "%Y-%m-%d %H:%M", "UTC")
        wanted.append((source, target, minor(re.sub("[^0-9.]", "", row["Amount"])), when))
    assert transfers(done) == wanted


def from_to(name: str, delimiter: str, headings: tuple[str, str], amount: Callable[[dict[str, str]], int],
            when: Callable[[dict[str, str]], datetime]) -> list[Row]:  # fmt: skip
    source, target = headings
    return [(row[source], row[target], amount(row), when(row)) for row in cells(name, delimiter)]


def test_korean_mornings_and_afternoons() -> None:
    done = imported("ko_ampm.csv", source_tz="Asia/Seoul", currency="KRW")

    def when(row: dict[str, str]) -> datetime:
        text = row["거래일시"].replace("오전", "AM").replace("오후", "PM")
        return at(text, "%Y-%m-%d %p %I:%M:%S", "Asia/Seoul")

    wanted = from_to("ko_ampm.csv", ",", ("출금계좌", "입금계좌"), lambda row: int(row["거래금액"]), when)
    assert transfers(done) == wanted


def test_apostrophes_of_two_kinds() -> None:
    assert suggest_columns(DATA / "swiss.csv", **BERLIN).undecided == ("times.time",)
    done = imported("swiss.csv", **BERLIN, date_order="day")

    def amount(row: dict[str, str]) -> int:
        return minor(row["Betrag CHF"].replace("'", "").replace("\u2019", ""))

    wanted = from_to("swiss.csv", ";", ("Von Konto", "An Konto"), amount, lambda row: at(row["Valuta"], "%d.%m.%y"))
    assert transfers(done) == wanted


def test_a_clock_of_bare_digits_that_lost_its_zeros() -> None:
    done = imported("dateInt.csv", source_tz="UTC", currency="THB")
    wanted = from_to(
        "dateInt.csv", ",", ("From account", "To account"), lambda row: minor(row["Amount"]),
        lambda row: at(f"{row['Date']} {row['Time']:0>6}", "%Y%m%d %H%M%S", "UTC"),
    )  # fmt: skip
    assert transfers(done) == wanted
    assert len({row[3].hour for row in wanted}) > 12


@pytest.mark.parametrize(
    ("name", "headings", "n_lines"),
    [("daily_total.csv", ("From account", "To account"), 0), ("preamble.csv", ("Debit account", "Credit account"), 3)],
)
def test_totals_and_headings_inside_leave_a_column_its_format(
    name: str, headings: tuple[str, str], n_lines: int
) -> None:
    done = imported(name, source_tz="UTC", currency="THB", date_order="day")
    lines = (DATA / name).read_text("utf-8").splitlines()[n_lines:]
    rows = [row for row in csv.DictReader(lines) if re.fullmatch("[0-9/]+", row["Date"])]
    wanted = [
        (row[headings[0]], row[headings[1]], minor(row["Amount"].replace(",", "")),
         at(f"{row['Date']} {row['Time']}", "%d/%m/%Y %H:%M:%S", "UTC"))
        for row in rows
    ]  # fmt: skip
    assert transfers(done) == wanted
    assert done.rows_read == done.rows_accepted + done.rejects.num_rows
    assert done.rejects.num_rows > 0


def test_local_times_that_come_twice_or_not_at_all_are_told_with_the_rule() -> None:
    done = imported("dst.csv", **BERLIN, currency="EUR")
    times = [row[3] for row in transfers(done)]
    # 02:30 on 30 March is not there: the moment after the jump. 26 October, 02:10, 02:50, 02:15: the first of the two.
    assert times[1] == datetime(2025, 3, 30, 1, 0, tzinfo=UTC)
    assert times[3:6] == [datetime(2025, 10, 26, 0, minute, tzinfo=UTC) for minute in (10, 50, 15)]
    (finding,) = done.findings
    assert (finding.severity, finding.n_rows, finding.first_row) == ("warn", 4, 1)
    assert "first pass of the clock" in finding.text
    assert "after the jump" in finding.text


def test_local_times_are_told_the_same_when_a_data_set_is_read(tmp_path: Path) -> None:
    lines = [f"t{place},{row['time']},{row['from_account']},{row['to_account']},{minor(row['amount'])}"
             for place, row in enumerate(cells("dst.csv"))]  # fmt: skip
    (tmp_path / "transfers.csv").write_text("\n".join(["transfer_id,time,source,target,amount", *lines]) + "\n")
    dataset = read_dataset(tmp_path, source_tz="Europe/Berlin")
    told = [finding for finding in dataset.findings if "clocks repeat or skip" in finding.text]
    assert [(finding.n_rows, finding.first_row) for finding in told] == [(4, 1)]
    assert sorted(dataset.transfers["time"].to_pylist()) == sorted(
        row[3] for row in transfers(imported("dst.csv", **BERLIN, currency="EUR"))
    )


def test_a_file_with_another_decimal_mark_gives_no_amount_a_thousand_times_too_small() -> None:
    first = suggest_columns(DATA / "loc1.csv", source_tz="UTC", currency="EUR")
    assert (first.undecided, first.amounts.decimal, first.amounts.thousands) == ((), ",", ".")
    second = suggest_columns(DATA / "loc2.csv", source_tz="UTC", currency="EUR")
    assert "amounts.decimal" in second.undecided
    with pytest.raises(DataError):
        import_own(DATA / "loc2.csv", first)
    stated = suggest_columns(DATA / "loc2.csv", source_tz="UTC", currency="EUR", decimal=".", money="major")
    amounts = [row[2] for row in transfers(import_own(DATA / "loc2.csv", stated))]
    assert amounts == [minor(row["Amount"].replace(",", "")) for row in cells("loc2.csv", ";")]


def test_amounts_of_several_currencies_are_asked_about() -> None:
    columns = suggest_columns(DATA / "cur_in_amt.csv", source_tz="UTC")
    assert columns.undecided == ("amounts.currency",)
    assert '"THB"' in columns.notes["amounts.currency"]
    assert '"USD"' in columns.notes["amounts.currency"]


def test_currencies_in_words_are_read_as_their_codes() -> None:
    columns = suggest_columns(DATA / "samld.csv", source_tz="UTC")
    assert columns.values["currency"] == {
        "UK pounds": "GBP", "Euro": "EUR", "US dollar": "USD", "Yen": "JPY", "Naira": "NGN"
    }  # fmt: skip
    assert columns.columns["time"] == ("Date", "Time")


def choices(note: str) -> list[str]:
    return re.findall(r'"([^"]*)"', note)


FOLLOWED: dict[str, dict[str, Any]] = {
    "11_us_dst.csv": {"source_tz": "US/Central", "currency": "USD"},
    "crdr.csv": {"source_tz": "Asia/Kolkata", "currency": "INR"},
    "paren.csv": {"source_tz": "US/Eastern"},
    "swiss.csv": BERLIN,
    "preamble.csv": {"source_tz": "UTC"},
    "plus.csv": {},
    "ko_ampm.csv": {},
    "loc2.csv": {"source_tz": "UTC"},
    "cur_in_amt.csv": {},
    "09_preamble_bom.csv": BERLIN,
}


def set_place(columns: Columns, place: str, value: str) -> Columns:
    section, _, name = place.partition(".")
    return columns.with_(**{section: {name: value}})


@pytest.mark.parametrize("name", FOLLOWED)
def test_every_hint_works_when_it_is_followed(name: str) -> None:
    """Each thing that a "?" offers is written in its place, one after the other, and rows come in."""
    columns = suggest_columns(DATA / name, **FOLLOWED[name])
    assert columns.undecided != ()
    others = {
        place: next(iter(choices(columns.notes[place])))
        for place in columns.undecided
    }  # fmt: skip
    for place in columns.undecided:
        offers = choices(columns.notes[place])
        assert offers, f"{place} offers nothing"
        for offer in offers:
            followed = columns
            for other, first in {**others, place: offer}.items():
                followed = set_place(followed, other, first)
            assert followed.undecided == ()
            assert import_or_finer(DATA / name, followed), (place, offer)


def import_or_finer(file: Path, columns: Columns) -> bool:
    """Whether the import takes rows; a mark of decimals that makes amounts too fine is refused with that reason."""
    try:
        return import_own(file, columns).rows_accepted > 0
    except DataError as error:
        return "finer than the minor unit" in str(error) or "money has a decimal point" in str(error)


@pytest.mark.parametrize("name", ["01_parens.csv", "11_us_dst.csv", "plus.csv"])
def test_what_was_stated_is_neither_asked_again_nor_dropped(name: str, tmp_path: Path) -> None:
    """Also where the columns that it is about were not found."""
    lines = (DATA / name).read_text("utf-8").splitlines()
    headings = ",".join(f"c{place}" for place in range(lines[0].count(",") + 1))
    hidden = [re.sub("[0-9](?=[^0-9]*$)", "x", line) for line in lines[1:]]  # the last column is no amount any more
    (tmp_path / "t.csv").write_text("\n".join([headings, *hidden]) + "\n")
    columns = suggest_columns(
        tmp_path / "t.csv", source_tz="Asia/Kolkata", currency="KWD", money="major", decimal=",", era="gregorian",
        date_order="day",
    )  # fmt: skip
    assert (columns.times.zone, columns.times.era) == ("Asia/Kolkata", "gregorian")
    assert (columns.amounts.currency, columns.amounts.unit, columns.amounts.decimal) == ("KWD", "major", ",")
    assert "columns.amount" in columns.undecided
    asked = {"times.zone", "times.era", "amounts.currency", "amounts.unit", "amounts.decimal"}
    assert not asked & set(columns.undecided)
