"""The commands for messages: what they print and what they refuse."""

from __future__ import annotations

from pathlib import Path

import pyarrow.parquet as pq
import pytest
from command_line import ended

EXAMPLES = Path(__file__).parents[1] / "data" / "messages"


def test_import_says_what_was_left_out_and_what_was_not_read(tmp_path: Path) -> None:
    status, said = ended(
        "import", "iso20022", str(EXAMPLES / "camt053.xml"), "--source-tz", "Asia/Bangkok", "--output",
        str(tmp_path / "bank"),
    )  # fmt: skip
    assert status == 0, said
    words = " ".join(said.split())
    assert "missing key; 1 of 5 rows" in words
    assert "camt.053 Stmt/Ntry/AddtlNtryInf" in words
    assert "1 accounts whose statements these are" in words
    assert pq.read_table(tmp_path / "bank.rejects.parquet")["row"].to_pylist() == [4]


@pytest.mark.parametrize(
    "line",
    [
        "import iso20022 {file} --first-day 2020-01-01 --output {out}",
        "import iso20022 {file} --convert-to EUR --output {out}",
        "import amlsim {file} --source-tz UTC --output {out}",
        "import amlsim {file} --missing cash --output {out}",
        "recall {file} --as-of 2025-01-01 --sender nobody --output {out}",
    ],
)
def test_options_that_do_not_fit_are_refused(line: str, tmp_path: Path) -> None:
    given = {"file": EXAMPLES / "camt053.xml", "out": tmp_path / "out"}
    status, said = ended(*(word.format(**given) for word in line.split()))
    assert status in (1, 2), said
    assert "Traceback" not in said
    assert not (tmp_path / "out").exists()
