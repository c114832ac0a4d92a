"""Exports: no cell of a text begins a formula, nothing is lost, numbers stay numbers, and people can read the rest."""

from __future__ import annotations

import csv
import datetime as dt
import gc
import io
import re
import sys
import warnings
import zipfile
from decimal import Decimal
from pathlib import Path
from typing import Any
from unicodedata import category, normalize

import numpy as np
import openpyxl
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from muledetect import convert
from muledetect.errors import DataError, OptionError
from muledetect.reports import exports
from muledetect.reports.exports import MONEY, neutralise, write_csv, write_xlsx
from muledetect.visible import read_visible

UTC = dt.UTC
SIGNS = "=+-@\uff1d\uff0b\uff0d\uff20\ufe66\ufe62\ufe63\ufe6b\t\r\n"
HOSTILE = [
    "=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "\n=1", "  =1", "\u00a0=1", "\u200b=1", "\ufeff=1", "\u3000\uff1d1",
    "\uff1d1", "\uff0b1", "\uff0d1", "\uff20x", "\ufe661", "'=1", "''=1", "' =1", "'", "\x00=1", "\x1f-2", "a;=1",
    '=HYPERLINK("http://x","y")', 'a;"=1', "a\n=1", "a\r\n+1", "a\tb", "a\t@b", ";=1;=2", "x; '=1", '"=1"', '","=1","',
    "=cmd|' /C calc'!A0", "'\n\n=1", "\n", "-", "<r><t>x</t></r>", "'<r>x</r>", "_x0041_", "_x000D_=1", "a\rb", "a,b",
    'say "hi"', "ไทย", "http://example.com", "007", "mailto:x@y.z", "1e5", "TRUE", "{=1}", "a\x0bb", "\ufffe", "😀" * 3,
    " ", "", "a\u2028=1", "x;\u00a0 \"'=1", 'a;""=1', "a;b\n;=1",
]  # fmt: skip

anything = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
nasty = st.lists(st.sampled_from([*SIGNS, *" '\";,|<r>/=;\x00\u200b\u00a0a1_x"]), max_size=8).map("".join)
cells = st.one_of(nasty, anything, st.sampled_from(HOSTILE))


def is_shown(sign: str) -> bool:
    return category(sign) not in ("Cc", "Cf", "Zs", "Zl", "Zp")


def is_formula(text: str) -> bool:
    """Whether a spreadsheet could run it: the first sign that it shows, in its usual width, is one of four."""
    for sign in text:
        if sign in "\t\r\n":
            return True
        if is_shown(sign):
            return normalize("NFKC", sign)[0] in "=+-@"
    return False


def restored(text: str) -> str:
    """Take the apostrophe away again."""
    return text[1:] if text.startswith("'") and is_formula(text.lstrip("'")) else text


def restored_csv(text: str) -> str:
    return re.sub(r"([;\t\r\n])'(?=(.*))", _without_apostrophe, restored(text), flags=re.DOTALL)


def _without_apostrophe(found: re.Match[str]) -> str:
    shown = found[2].lstrip("'\"" + "".join(sign for sign in set(found[2]) if sign.isspace() or not is_shown(sign)))
    is_ours = shown[:1] and normalize("NFKC", shown[0])[0] in "=+-@"
    return found[1] if is_ours else found[0]


def csv_rows(path: Path, delimiter: str = ",") -> list[list[str]]:
    text = io.StringIO(path.read_bytes().decode("utf-8-sig"), newline="")
    return list(csv.reader(text, delimiter=delimiter, strict=delimiter == ","))


def sheet_rows(path: Path, sheet: int = 0) -> list[list[Any]]:
    book = openpyxl.load_workbook(path)
    return [[cell.value for cell in row] for row in book.worksheets[sheet].iter_rows()]


def as_sheet(text: str) -> str:
    """What XLSX can hold of a text: lines end with LF."""
    return text.replace("\r\n", "\n")


# Hostile texts


@pytest.mark.parametrize("text", HOSTILE)
def test_a_text_is_neutral_and_no_longer_than_it_must_be(text: str) -> None:
    neutral = neutralise(text)
    assert not is_formula(neutral)
    assert neutral == (f"'{text}" if is_formula(text.lstrip("'")) else text)


@pytest.mark.slow
@given(st.lists(st.tuples(cells, cells), max_size=6), st.lists(cells, min_size=2, max_size=2))
@example([(text, text) for text in HOSTILE], ["=name", "+46"])
@settings(max_examples=300)
def test_csv_holds_every_text_and_no_formula(rows: list[tuple[str, str]], names: list[str]) -> None:
    path = Path(_scratch.name) / "x.csv"
    columns = [pa.array([row[place] for row in rows], pa.string()) for place in (0, 1)]
    write_csv(pa.Table.from_arrays(columns, names=names), path)
    found = csv_rows(path)
    assert not [cell for row in found for cell in row if is_formula(cell)]
    assert [[read_visible(restored_csv(cell)) for cell in row] for row in found] == [names, *map(list, rows)]


@given(st.lists(st.tuples(cells, cells), max_size=6))
@example([(text, text) for text in HOSTILE])
@pytest.mark.slow
def test_csv_that_is_read_with_semicolons_has_no_formula_either(rows: list[tuple[str, str]]) -> None:
    """Where lists are separated by semicolons, quotes inside a line are letters: texts are split at ; and line ends."""
    path = Path(_scratch.name) / "x.csv"
    columns = [pa.array([row[place] for row in rows], pa.string()) for place in (0, 1)]
    write_csv(pa.Table.from_arrays(columns, names=["a", "b"]), path)
    shown = ["".join(filter(is_shown, cell)) for row in csv_rows(path, ";") for cell in row]
    assert not [cell for cell in shown if is_formula(cell)]


@pytest.mark.slow
@given(st.lists(st.tuples(cells, cells), max_size=6), st.lists(cells, min_size=2, max_size=2))
@example([(text, text) for text in HOSTILE], ["=name", "<r>x</r>"])
@settings(max_examples=100)
def test_xlsx_holds_every_text_as_text(rows: list[tuple[str, str]], names: list[str]) -> None:
    path = Path(_scratch.name) / "x.xlsx"
    columns = [pa.array([row[place] for row in rows], pa.string()) for place in (0, 1)]
    write_xlsx({"t": pa.Table.from_arrays(columns, names=names)}, path)
    book = openpyxl.load_workbook(path)
    found = list(book.worksheets[0].iter_rows())
    shown = [[_unescaped(cell.value or "") for cell in row] for row in found]
    assert {cell.data_type for row in found for cell in row} <= {"s", "inlineStr", "n"}
    assert not [cell for row in found for cell in row if cell.hyperlink or cell.data_type == "f"]
    assert not [text for row in shown for text in row if is_formula(text)]
    wanted = [[as_sheet(text) for text in row] for row in (names, *rows)]
    assert [[read_visible(_restored_sheet(text)) for text in row] for row in shown] == wanted


def _unescaped(text: str) -> str:
    # XlsxWriter writes what looks like an escape as one, which openpyxl hands on as it is.
    return re.sub(r"_x005F(?=_x[0-9A-Fa-f]{4}_)", "", text)


def _restored_sheet(text: str) -> str:
    is_raw = text.startswith("'") and text.lstrip("'").startswith("<r>")
    return text[1:] if is_raw else restored(text)


def test_no_xml_of_a_text_reaches_the_sheet(tmp_path: Path) -> None:
    evil = '<r></r></is></c><c r="B9"><f>1+1</f></c><c r="C9" t="inlineStr"><is><r><t>x</t></r>'
    write_xlsx({"t": pa.table({"a": [evil], evil: ["x"]})}, tmp_path / "x.xlsx")
    with zipfile.ZipFile(tmp_path / "x.xlsx") as file:
        sheet = file.read("xl/worksheets/sheet1.xml").decode()
    assert "<f>" not in sheet
    assert sheet.count("&lt;f&gt;") == 2
    assert [name for name in zipfile.ZipFile(tmp_path / "x.xlsx").namelist() if "hyperlink" in name.lower()] == []


def test_headings_of_numbers_are_neutral_too(tmp_path: Path) -> None:
    write_csv(pa.table({"=1": [1], "@x": [2.5]}), tmp_path / "x.csv")
    write_xlsx({"s": pa.table({"=1": [1], "@x": [2.5]})}, tmp_path / "x.xlsx")
    assert csv_rows(tmp_path / "x.csv") == [["'=1", "'@x"], ["1", "2.5"]]
    assert sheet_rows(tmp_path / "x.xlsx") == [["'=1", "'@x"], [1, 2.5]]


# Numbers, times, money


def everything() -> pa.Table:
    moment = dt.datetime(2025, 3, 1, 9, 30, tzinfo=UTC)
    return pa.table(
        {
            "account_id": pa.array(["0070", None, ""]),
            "kind": pa.array(["=x", "b", None]).dictionary_encode(),
            "time": pa.array([moment, None, moment + dt.timedelta(days=1)], pa.timestamp("us", "UTC")),
            "day": pa.array([dt.date(2025, 3, 1), None, dt.date(2024, 2, 29)], pa.date32()),
            "amount": pa.array([-123456, None, 5], pa.int64()),
            "n": pa.array([-7, 0, None], pa.int64()),
            "share": pa.array([-0.25, np.nan, 1e-9]),
            "is_seed": pa.array([True, False, None]),
            "evidence": pa.array([["a", "b,c"], [], None], pa.list_(pa.string())),
        }
    )


def test_csv_is_what_an_analyst_expects(tmp_path: Path) -> None:
    write_csv(everything(), tmp_path / "x.csv", currency="THB")
    assert (tmp_path / "x.csv").read_bytes().startswith(b'\xef\xbb\xbf"account_id"')
    heading, *rows = csv_rows(tmp_path / "x.csv")
    assert heading == ["account_id", "kind", "time", "day", "amount (THB)", "n", "share", "is_seed", "evidence"]
    assert rows == [
        ["0070", "'=x", "2025-03-01T09:30:00Z", "2025-03-01", "-1234.56", "-7", "-0.25", "true", "a, b,c"],
        ["", "b", "", "", "", "0", "", "false", ""],
        ["", "", "2025-03-02T09:30:00Z", "2024-02-29", "0.05", "", "1e-9", "", ""],
    ]


def test_xlsx_is_what_an_analyst_expects(tmp_path: Path) -> None:
    write_xlsx({"all": everything()}, tmp_path / "x.xlsx", currency="THB")
    heading, *rows = sheet_rows(tmp_path / "x.xlsx")
    names = "account_id kind", "day", "n share is_seed evidence"
    assert heading == [*names[0].split(), "time (UTC)", names[1], "amount (THB)", *names[2].split()]
    time = dt.datetime(2025, 3, 1, 9, 30)
    assert rows == [
        ["0070", "'=x", time, dt.datetime(2025, 3, 1), -1234.56, -7, -0.25, True, "a, b,c"],
        [None, "b", None, None, None, 0, None, False, ""],
        ["", None, time + dt.timedelta(days=1), dt.datetime(2024, 2, 29), 0.05, None, 1e-9, None, None],
    ]
    sheet = openpyxl.load_workbook(tmp_path / "x.xlsx").worksheets[0]
    assert (sheet.freeze_panes, sheet.auto_filter.ref, sheet.title) == ("A2", "A1:I4", "all")
    assert sheet["E2"].number_format == "#,##0.00"
    assert sheet["C2"].number_format == "[$-409]yyyy-mm-dd hh:mm:ss"


@given(
    st.lists(st.none() | st.integers(-(2**63), 2**63 - 1), min_size=1, max_size=4),
    st.sampled_from(["THB", "JPY", "KWD"]),
)
@pytest.mark.slow
@settings(max_examples=60)
def test_money_and_whole_numbers_lose_no_digit(values: list[int | None], currency: str) -> None:
    numbers = pa.array(values, pa.int64())
    table = pa.table({"row": ["r"] * len(values), "amount": numbers, "n": numbers})
    decimals = {"THB": 2, "JPY": 0, "KWD": 3}[currency]
    folder = Path(_scratch.name)
    write_csv(table, folder / "m.csv", currency=currency)
    write_xlsx({"t": table}, folder / "m.xlsx", currency=currency)
    for heading, *rows in (csv_rows(folder / "m.csv"), sheet_rows(folder / "m.xlsx")):
        assert heading == ["row", f"amount ({currency})", "n"]
        found = [[Decimal(str(cell)) if cell not in (None, "") else None for cell in row[1:]] for row in rows]
        assert found == [
            [None if v is None else Decimal(v).scaleb(-places) for places in (decimals, 0)] for v in values
        ]


def test_money_without_a_currency_stays_minor_and_says_so(tmp_path: Path) -> None:
    write_csv(everything().select(["amount", "n"]), tmp_path / "x.csv")
    assert csv_rows(tmp_path / "x.csv")[:2] == [["amount (minor units)", "n"], ["-123456", "-7"]]
    assert {"traced", "hold", "value_in", "recoverable", "paid"} <= MONEY
    with pytest.raises(OptionError, match="not an ISO 4217 code"):
        write_csv(everything(), tmp_path / "x.csv", currency="Baht")


def test_digits_that_excel_cannot_show_are_text(tmp_path: Path) -> None:
    table = pa.table(
        {"n": [2**53 + 1, -1], "m": [10**15 - 1, -1], "d": [Decimal("12345678901234.567"), Decimal("1.000")]}
    )
    write_xlsx({"t": table}, tmp_path / "x.xlsx")
    assert sheet_rows(tmp_path / "x.xlsx")[1:] == [
        ["9007199254740993", 10**15 - 1, "12345678901234.567"],
        ["-1", -1, "1.000"],
    ]


def test_times_keep_what_they_have(tmp_path: Path) -> None:
    moment = np.array(["2025-03-01T09:30:00.123456", "2025-03-01T09:30:01"], "datetime64[us]")
    table = pa.table(
        {
            "us": pa.array(moment).cast(pa.timestamp("us", "UTC")),
            "ms": pa.array(moment.astype("datetime64[ms]")).cast(pa.timestamp("us", "UTC")),
            "ns": pa.array(moment.astype("datetime64[ns]") + np.timedelta64(1, "ns")),
            "local": pa.array(moment.astype("datetime64[s]")),
            "old": pa.array(np.array(["1850-01-01", "1900-01-05"], "datetime64[s]")).cast(pa.timestamp("s", "UTC")),
            "zoned": pa.array(moment.astype("datetime64[s]")).cast(pa.timestamp("s", "Asia/Bangkok")),
        }
    )
    wanted = {
        "us": ["2025-03-01T09:30:00.123456Z", "2025-03-01T09:30:01.000000Z"],
        "ms": ["2025-03-01T09:30:00.123Z", "2025-03-01T09:30:01.000Z"],
        "ns": ["2025-03-01T09:30:00.123456001", "2025-03-01T09:30:01.000000001"],
        "local": ["2025-03-01T09:30:00", "2025-03-01T09:30:01"],
        "old": ["1850-01-01T00:00:00Z", "1900-01-05T00:00:00Z"],
        "zoned": ["2025-03-01T09:30:00Z", "2025-03-01T09:30:01Z"],
    }
    write_csv(table, tmp_path / "x.csv")
    heading, *rows = csv_rows(tmp_path / "x.csv")
    assert dict(zip(heading, map(list, zip(*rows, strict=True)), strict=True)) == wanted
    write_xlsx({"t": table}, tmp_path / "x.xlsx")
    heading, *rows = sheet_rows(tmp_path / "x.xlsx")
    found = dict(zip(heading, map(list, zip(*rows, strict=True)), strict=True))
    assert {name: found[name] for name in ("us", "ns", "old")} == {name: wanted[name] for name in ("us", "ns", "old")}
    assert found["ms (UTC)"][0] == dt.datetime(2025, 3, 1, 9, 30, 0, 123000)
    assert found["local"] == found["zoned (UTC)"] == [dt.datetime(2025, 3, 1, 9, 30, second) for second in (0, 1)]


def test_numbers_without_end_are_words_that_run_nothing(tmp_path: Path) -> None:
    table = pa.table({"x": [float("inf"), float("-inf"), -1.5, -0.0, None]})
    write_csv(table, tmp_path / "x.csv")
    write_xlsx({"t": table}, tmp_path / "x.xlsx")
    assert [cell for (cell,) in csv_rows(tmp_path / "x.csv")[1:5]] == ["inf", "'-inf", "-1.5", "0"]
    assert [cell for (cell,) in sheet_rows(tmp_path / "x.xlsx")[1:5]] == ["inf", "'-inf", -1.5, 0]


def test_reasons_and_other_nests_are_readable(tmp_path: Path) -> None:
    moment = dt.datetime(2025, 3, 1, tzinfo=UTC)
    table = pa.table(
        {
            "reasons": [
                [{"code": "FAN_IN", "value": -2.5, "text": "12 payers"}, {"code": "X", "value": None, "text": "-"}],
                [],
            ],
            "times": [[moment, None], None],
            "flags": [[True, False], []],
            "raw": [b"\x00\xff", None],
            "nested": [[[1, 2], [-3]], None],
            "wait": pa.array([dt.timedelta(hours=2), None]),
        }
    )
    write_csv(table, tmp_path / "x.csv")
    write_xlsx({"t": table}, tmp_path / "x.xlsx")
    wanted = [
        "code: FAN_IN; value: -2.5; text: 12 payers | code: X; value: ; text: -", "2025-03-01T00:00:00Z, ",
        "true, false", "00ff", "1, 2 | -3", "2:00:00",
    ]  # fmt: skip
    assert csv_rows(tmp_path / "x.csv")[1] == wanted
    assert sheet_rows(tmp_path / "x.xlsx")[1] == wanted


# Files


def test_frames_of_other_libraries_give_the_same_files(tmp_path: Path) -> None:
    table = everything().drop_columns(["kind", "is_seed", "amount", "n", "day", "share"])
    write_csv(table, tmp_path / "arrow.csv")
    write_csv(table.to_pandas(), tmp_path / "pandas.csv")
    write_csv(pl.from_arrow(table), tmp_path / "polars.csv")
    assert csv_rows(tmp_path / "pandas.csv") == csv_rows(tmp_path / "polars.csv") == csv_rows(tmp_path / "arrow.csv")
    named = pd.DataFrame({"n": [1]}, index=pd.Index(["=x"], name="who"))
    write_csv(named, tmp_path / "named.csv")
    assert csv_rows(tmp_path / "named.csv") == [["who", "n"], ["'=x", "1"]]


@pytest.mark.parametrize("given", [pd.DataFrame({"x": [1, "a"]}), pa.table({}), 7])
def test_what_is_no_table_is_refused(given: Any, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="export"):
        write_csv(given, tmp_path / "x.csv")
    with pytest.raises(DataError, match="export"):
        write_xlsx({"t": given}, tmp_path / "x.xlsx")
    with pytest.raises(DataError, match="no table to write"):
        write_xlsx({}, tmp_path / "x.xlsx")
    assert list(tmp_path.iterdir()) == []


def test_names_of_sheets_are_legal_and_differ(tmp_path: Path) -> None:
    names = ["a/b:c*?[d]\\e", "'quoted'", "x" * 40, "X" * 40, "history", "", "=1+1", "ไทย", "a\nb", "x" * 31 + "'"]
    write_xlsx({name: pa.table({"n": [place]}) for place, name in enumerate(names)}, tmp_path / "x.xlsx")
    found = openpyxl.load_workbook(tmp_path / "x.xlsx")
    assert found.sheetnames == [
        "a_b_c___d__e", "quoted", "x" * 31, "X" * 27 + " (2)", "history_", "table", "=1+1", "ไทย", "a_b",
        "x" * 27 + " (3)",
    ]  # fmt: skip
    assert [sheet["A2"].value for sheet in found.worksheets] == list(range(len(names)))


def test_a_table_longer_than_a_sheet_goes_on_in_the_next(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert exports._SHEET_ROWS == 2**20 - 1
    monkeypatch.setattr(exports, "_SHEET_ROWS", 3)
    monkeypatch.setattr(exports, "_BATCH", 2)
    write_xlsx({"t": pa.table({"n": list(range(7))}), "u": pa.table({"n": [9]})}, tmp_path / "x.xlsx")
    assert openpyxl.load_workbook(tmp_path / "x.xlsx").sheetnames == ["t", "t (2)", "t (3)", "u"]
    rows = [sheet_rows(tmp_path / "x.xlsx", sheet) for sheet in range(4)]
    assert rows == [[["n"], [0], [1], [2]], [["n"], [3], [4], [5]], [["n"], [6]], [["n"], [9]]]


def test_columns_keep_one_form_over_batches_and_sheets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exports, "_BATCH", 2)
    texts = [f"=t{n}" if n % 3 else f"t{n}" for n in range(9)]
    write_csv(pa.table({"t": texts, "n": range(9)}), tmp_path / "x.csv")
    assert csv_rows(tmp_path / "x.csv") == [["t", "n"], *([neutralise(text), str(n)] for n, text in enumerate(texts))]


def test_a_text_too_long_for_a_cell_is_an_error_and_writes_nothing(tmp_path: Path) -> None:
    write_xlsx({"t": pa.table({"x": ["y" * 32_767]})}, tmp_path / "x.xlsx")
    old = (tmp_path / "x.xlsx").read_bytes()
    for text in ("y" * 32_768, "😀" * 16_384):
        with pytest.raises(DataError, match=r"column 1, row 2: a text of [\d,]+ signs is longer than the 32,767"):
            write_xlsx({"t": pa.table({"x": [text]})}, tmp_path / "x.xlsx")
    with pytest.raises(DataError, match="16,385 columns"):
        write_xlsx({"t": pa.table({f"c{n}": [n] for n in range(16_385)})}, tmp_path / "x.xlsx")
    assert sorted(path.name for path in tmp_path.iterdir()) == [".x.xlsx.muledetect.json", "x.xlsx"]
    assert (tmp_path / "x.xlsx").read_bytes() == old


def test_equal_tables_give_equal_bytes(tmp_path: Path) -> None:
    for name in ("a", "b"):
        write_xlsx({"t": everything()}, tmp_path / f"{name}.xlsx")
    assert (tmp_path / "a.xlsx").read_bytes() == (tmp_path / "b.xlsx").read_bytes()


def test_a_book_that_cannot_be_written_leaves_no_file_open(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("xlsxwriter.packager.Packager._create_package", full)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        with pytest.raises(OSError, match="No space left"):
            write_xlsx({"one": everything(), "two": everything()}, tmp_path / "x.xlsx")
        gc.collect()
    assert [str(warning.message) for warning in caught] == []
    assert list(tmp_path.iterdir()) == []


def test_without_xlsxwriter_the_extra_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "xlsxwriter", None)
    with pytest.raises(OptionError, match=re.escape("pip install 'muledetect[report]'")):
        write_xlsx({"t": everything()}, tmp_path / "x.xlsx")
    assert list(tmp_path.iterdir()) == []


def test_a_file_or_folder_is_exported_by_the_ending_of_its_output(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    for name in ("rings", "holds"):
        pq.write_table(everything(), tmp_path / "in" / f"{name}.parquet")
    assert convert.export(tmp_path / "in", tmp_path / "all.xlsx", currency="THB") == 6
    assert openpyxl.load_workbook(tmp_path / "all.xlsx").sheetnames == ["holds", "rings"]
    assert convert.export(tmp_path / "in" / "rings.parquet", tmp_path / "one.csv") == 3
    convert.export(tmp_path / "in", tmp_path / "csv")
    assert csv_rows(tmp_path / "csv" / "holds.csv") == csv_rows(tmp_path / "one.csv")
    for output in ("two.csv", "x.parquet", "x.xls"):
        with pytest.raises(OptionError, match="cannot hold 2 tables"):
            convert.export(tmp_path / "in", tmp_path / output)


@pytest.fixture(scope="module", autouse=True)
def _folder_of_the_module(tmp_path_factory: pytest.TempPathFactory) -> None:
    _scratch.name = str(tmp_path_factory.mktemp("exports"))


class _Scratch:
    """Where tests with many examples write."""

    name = ""


_scratch = _Scratch()
