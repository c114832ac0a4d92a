"""Headings and cells that hide signs: the mapping shows them, TOML reads it back, and the import takes the column."""

from __future__ import annotations

from pathlib import Path
from unicodedata import category

import pytest
from hypothesis import given

from muledetect.records.own import Columns, import_own, read_columns, suggest_columns
from muledetect.visible import has_half
from tests.strategies import any_text

HEADINGS = ["amount\x01", "amo\u2028unt", "amount\x7f", "\u202eamount", "amount\u3164", "am\x85ount", "amount <U+202E>"]


@pytest.mark.parametrize("heading", HEADINGS)
def test_a_mapping_of_hidden_headings_can_be_seen_and_read(heading: str, tmp_path: Path) -> None:
    file = tmp_path / "export.csv"
    lines = [f"date,from account,to account,{heading},weird\x02", "2025-03-01 10:00:00,001,002,5.00,x\u202e",
             "2025-03-01 11:00:00,001,003,6.00,y"]  # fmt: skip
    file.write_bytes("\n".join([*lines, ""]).encode())
    found = suggest_columns(file, source_tz="UTC", currency="THB")
    assert found.columns["amount"] == " ".join(heading.split())  # blanks of headings are one blank
    found.write(tmp_path / "columns.toml")
    written = (tmp_path / "columns.toml").read_bytes().decode()
    assert not [sign for sign in written if category(sign)[0] in "CZ" and sign not in " \n"]
    assert "\u3164" not in written
    assert read_columns(tmp_path / "columns.toml").columns == found.columns
    assert import_own(file, tmp_path / "columns.toml").rows_accepted == 2


@given(heading=any_text(), reason=any_text())
@pytest.mark.slow
def test_any_heading_and_reason_gives_toml_that_reads_back(
    tmp_path_factory: pytest.TempPathFactory, heading: str, reason: str
) -> None:
    if has_half(heading) or not heading:
        return
    columns = Columns("transfers", {"time": "when", "amount": heading}, notes={"columns.amount": reason, "": reason})
    path = tmp_path_factory.mktemp("any") / "columns.toml"
    path.write_bytes(columns.to_toml().encode())
    assert read_columns(path).columns == columns.columns
