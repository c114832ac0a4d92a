"""Text as readers of CSV get it: whole lines, quotes that hold, and other kinds of file called what they are."""

from __future__ import annotations

import csv
import gzip
import io
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import muledetect as md
from muledetect.errors import DataError
from muledetect.records.layouts import import_layout
from muledetect.records.lines import TextStream, is_utf16, refuse_other_kinds

WIDTH = 4


def read(path: Path, content: bytes, **options: object) -> tuple[bytes, int]:
    path.write_bytes(content)
    with TextStream(path, **{"delimiter": ",", "width": WIDTH, **options}) as stream:
        return stream.read(), stream.intake.n_mended


def cells(text: bytes) -> list[list[str]]:
    return list(csv.reader(io.StringIO(text.decode(), newline="")))


@pytest.mark.parametrize(
    "memo", ['"open offer', '"', '"a "b" c', '"x" tablet "y', '"" "'], ids=["open", "lone", "pairs", "behind", "empty"]
)
def test_a_quote_that_nothing_closes_hides_no_row(tmp_path: Path, memo: str) -> None:
    rows = [["2025-03-01", f"00{n}", "memo", f"{n}.50"] for n in range(40)]
    lines = [",".join(row) for row in rows]
    lines[10] = f"2025-03-01,0010,{memo},10.50"
    lines[19] = '2025-03-01,0019,7" tablet,19.50'
    text, _ = read(tmp_path / "a.csv", "\n".join(lines).encode())
    found = cells(text)
    assert [row[3] for row in found] == [f"{n}.50" for n in range(40)]
    assert [row[1] for row in found] == [f"00{n}" for n in range(40)]


def test_the_sign_stays_in_its_cell_and_is_counted(tmp_path: Path) -> None:
    text, n_mended = read(tmp_path / "a.csv", b'1,x,"open,5\n2,x,y,6\n3,x,"say ""no,7\n')
    assert [row[2] for row in cells(text)] == ['"open', "y", '"say ""no']
    assert n_mended == 2


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"], ids=["unix", "windows", "old mac"])
def test_a_memo_over_several_lines_is_one_cell(tmp_path: Path, end: str) -> None:
    memo = f'"Dear Sir,{end}pay 1, 2, 3 and 4{end}{end}""yours"""'
    content = f"2025-03-01,0071,first,1.00{end}2025-03-02,0072,{memo},2.00{end}2025-03-03,0073,last,3.00{end}".encode()
    text, n_mended = read(tmp_path / "a.csv", content)
    assert (text, n_mended) == (content, 0)


def test_a_cell_that_holds_a_whole_row_is_no_memo(tmp_path: Path) -> None:
    content = b'2025-03-01,0071,first,1.00\n2025-03-02,0072,"x,2.00\n2025-03-03,0073,x,3.00\n2025-03-04,0074,y",4.00\n'
    text, n_mended = read(tmp_path / "a.csv", content)
    assert [row[3] for row in cells(text)] == ["1.00", "2.00", "3.00", "4.00"]
    assert n_mended == 1


def test_a_quote_that_is_never_closed_reaches_the_end_in_bounded_steps(tmp_path: Path) -> None:
    content = b'a,b,"c,1\n' + b"word\n" * 600_000
    text, n_mended = read(tmp_path / "a.csv", content)
    assert n_mended == 1
    assert text.count(b"\n") == 600_001


@given(
    st.lists(
        st.lists(st.text(alphabet='ab1 ,;"\n', max_size=6), min_size=WIDTH, max_size=WIDTH), min_size=1, max_size=6
    )
)
def test_what_a_csv_writer_wrote_with_quotes_comes_out_as_it_went_in(
    tmp_path_factory: pytest.TempPathFactory, rows: list[list[str]]
) -> None:
    # no cell holds a line that has the digits of a whole row: each row begins and ends with a number of its own
    given_ = [["71", *row, "99"] for row in rows]
    held = io.StringIO(newline="")
    csv.writer(held, quoting=csv.QUOTE_ALL, lineterminator="\n").writerows([["71", *"abcd", "99"], *given_])
    path = tmp_path_factory.mktemp("lines") / "a.csv"
    text, n_mended = read(path, held.getvalue().encode(), width=WIDTH + 2)
    if n_mended == 0:
        assert cells(text)[1:] == given_
    else:  # a line inside a cell looked like a row: then every line is a row of its own, none is hidden
        assert len(cells(text)) == held.getvalue().count("\n")


def test_a_mark_in_the_middle_is_no_part_of_a_cell(tmp_path: Path) -> None:
    content = '\ufeff"A","B","C","D"\n1,2,3,4\n\ufeff"A","B","C","D"\n5,6,7,8\n'
    text, _ = read(tmp_path / "a.csv", content.encode())
    assert text == content.replace("\ufeff", "").encode()
    text, _ = read(tmp_path / "b.csv", content.encode("utf-16-le"), encoding="utf-16-le")
    assert text == content.replace("\ufeff", "").encode()


def test_lines_at_the_top_are_passed_over_whatever_they_hold(tmp_path: Path) -> None:
    text, n_mended = read(tmp_path / "a.csv", b'"open\nDate,A,B,C\n1,2,3,4\n', skip=2)
    assert (text, n_mended) == (b"1,2,3,4\n", 0)


def test_a_nul_byte_is_named_with_its_line_in_every_reader(tmp_path: Path) -> None:
    head = "transfer_id,time,source,target,amount\n"
    row = "T{},2025-03-01T08:00:0{}Z,0071,0082,100{}\n"
    content = head + "".join(row.format(n, n, "\0" if n == 4 else "") for n in range(8))
    plain, packed = tmp_path / "transfers.csv", tmp_path / "packed.csv.gz"
    plain.write_text(content)
    packed.write_bytes(gzip.compress(content.encode()))
    for reads in (
        lambda: md.read_dataset(plain),
        lambda: md.records.own.suggest_columns(plain),
        lambda: md.records.own.suggest_columns(packed),
    ):
        with pytest.raises(DataError, match=r"line 6 holds a NUL byte"):
            reads()


@pytest.mark.parametrize(
    ("start", "said"),
    [
        (b"PK\x03\x04\x14\x00", "spreadsheet"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1", "old spreadsheet"),
        (b"\xef\xbb\xbf \n<!DOCTYPE html><table>", "web page"),
        (b"<html xmlns:o='x'>", "web page"),
        ('<?xml version="1.0"?><Document xmlns="camt.053">'.encode("utf-16"), "XML"),
        (b"%PDF-1.7", "PDF"),
        (b"PAR1\x15", "Parquet"),
        (gzip.compress(b"a,b\n1,2\n"), "csv.gz"),
    ],
    ids=["xlsx", "xls", "html", "html of excel", "xml", "pdf", "parquet", "gzip"],
)
def test_another_kind_of_file_named_csv_is_called_what_it_is(tmp_path: Path, start: bytes, said: str) -> None:
    with pytest.raises(DataError, match=said):
        refuse_other_kinds("export.csv", start)
    path = tmp_path / "transfers.csv"
    path.write_bytes(start + b"\n" * 50)
    for reads in (md.read_dataset, md.records.own.suggest_columns, lambda file: import_layout("amlsim", file)):
        with pytest.raises(DataError, match=said):
            reads(path)


def test_text_that_begins_like_a_table_is_one() -> None:
    refuse_other_kinds("export.csv", b"Date;Amount\n<b>;1\n")
    refuse_other_kinds("export.csv", b"")


def test_two_byte_text_is_known_by_its_zeros_and_one_zero_is_none() -> None:
    assert is_utf16("Date,Amount\n1,2\n".encode("utf-16-le")) == "utf-16-le"
    assert is_utf16("Date,Amount\n1,2\n".encode("utf-16-be")) == "utf-16-be"
    assert is_utf16(b"Date,Amount\n1,2\x00\n") is None


def test_rows_behind_a_stray_quote_are_read_into_a_data_set_and_told(tmp_path: Path) -> None:
    rows = [f"T{n},2025-03-01T08:{n:02d}:00Z,0071,0082,{n + 1},memo" for n in range(30)]
    rows[10] = rows[10].replace("memo", '"open offer')
    rows[19] = rows[19].replace("memo", '7" tablet')
    (tmp_path / "transfers.csv").write_text("transfer_id,time,source,target,amount,memo\n" + "\n".join(rows) + "\n")
    dataset = md.read_dataset(tmp_path)
    assert dataset.rows_read["transfers"] == 30
    assert dataset.transfers["amount"].to_pylist() == list(range(1, 31))
    assert [one.n_rows for one in dataset.findings if one.reason == "quote that nothing closes"] == [1]
