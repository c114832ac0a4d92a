"""Whatever a file holds, it is imported with every row accounted for, or refused with an error of ours."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from muledetect.errors import MuleDetectError
from muledetect.records.own import Columns, import_own, suggest_columns

pytestmark = pytest.mark.slow

CELLS = st.one_of(
    st.sampled_from(["2025-03-14 10:00:00", "31.02.2025", "14/03/2568", "5.00", "-1.234,56", "(3)", "", " ", "NULL"]),
    st.sampled_from(['"', '""', '"a;b"', "a,b", "๕๐", "1e5", "1.23457E+11", '="01"', "\u00a0", "%d", "?", "\\"]),
    st.text(st.characters(codec="utf-8", exclude_characters="\x00"), max_size=8),
)  # fmt: skip
LINES = st.lists(st.lists(CELLS, max_size=6), max_size=12)
HEADINGS = st.lists(
    st.sampled_from(["Datum", "from", "to", "Betrag", "Konto", "Gegenkonto", "Soll", "Haben", "D/C", "when", "", "x"]),
    min_size=1, max_size=6,
)  # fmt: skip
ENCODINGS = st.sampled_from(["utf-8", "utf-8-sig", "cp1252", "cp874", "utf-16"])
FILES = settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)


def write(path: Path, rows: list[list[str]], delimiter: str, encoding: str) -> Path:
    text = "\r\n".join(delimiter.join(row) for row in rows)
    path.write_bytes(text.encode(encoding, errors="replace") or b"\n")
    return path


@FILES
@given(HEADINGS, LINES, st.sampled_from(",;\t|"), ENCODINGS)
def test_any_file_is_suggested_for_or_refused(
    tmp_path: Path, headings: list[str], lines: list[list[str]], delimiter: str, encoding: str
) -> None:
    file = write(tmp_path / "t.csv", [headings, *lines], delimiter, encoding)
    try:
        found = suggest_columns(file, source_tz="UTC", currency="THB", era="gregorian", date_order="day", decimal=".")
    except MuleDetectError:
        return
    found.write(tmp_path / "columns.toml")
    try:
        done = import_own(file, tmp_path / "columns.toml")
    except MuleDetectError:
        return
    assert done.rows_read == done.rows_accepted + done.rejects.num_rows


@FILES
@given(LINES, ENCODINGS)
def test_any_rows_below_known_headings_are_accounted_for(tmp_path: Path, lines: list[list[str]], encoding: str) -> None:
    good = [["2025-03-14 10:00:00", f"A{k}", "B", "5.00"] for k in range(40)]
    file = write(tmp_path / "t.csv", [["when", "from", "to", "sum"], *good, *lines], ",", encoding)
    columns = {"time": "when", "source": "from", "target": "to", "amount": "sum"}
    mapping = Columns("transfers", columns).with_(
        times={"zone": "UTC"}, amounts={"currency": "THB"}, rows={"ids": "rows"}, file={"encoding": encoding}
    )
    try:
        done = import_own(file, mapping)
    except MuleDetectError as error:
        assert "1.23457E+11" in str(error) or "bytes that are not" in str(error) or "rows cannot" in str(error)  # noqa: PT017
        return
    rows = done.rejects["row"].to_pylist()
    assert done.rows_read == done.rows_accepted + len(rows)
    assert len(set(rows)) == len(rows)
    assert done.rows_accepted >= len(good) - sum('"' in cell for line in lines for cell in line)


def test_a_file_without_rows_says_so(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("when,from,to,sum\n")
    columns = {"time": "when", "source": "from", "target": "to", "amount": "sum"}
    with pytest.raises(MuleDetectError, match="no rows under its headings"):
        import_own(
            tmp_path / "t.csv",
            Columns("transfers", columns).with_(
                times={"zone": "UTC"}, amounts={"currency": "THB"}, rows={"ids": "rows"}
            ),
        )
