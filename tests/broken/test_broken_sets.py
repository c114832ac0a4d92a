"""Whatever the input is: a documented error, or every row accepted or left out with its reason."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest
from broken_sets import CASES, Broken

from muledetect import schema
from muledetect.errors import DataError
from muledetect.records import Dataset, read_dataset

NOW = "2025-06-01"


def left_out_in(dataset: Dataset) -> dict[str, int]:
    return dict(Counter(dataset.rejects["reason"].cast("string").to_pylist()))


def check_nothing_is_lost(dataset: Dataset) -> None:
    rejected = Counter(dataset.rejects["table"].cast("string").to_pylist())
    for name, n_read in dataset.rows_read.items():
        assert dataset.tables[name].num_rows + rejected[name] == n_read
    places = set(zip(*(dataset.rejects[name].to_pylist() for name in ("table", "row")), strict=True))
    assert len(places) == dataset.rejects.num_rows
    assert dataset.rejects.column_names == list(schema.REJECTS.names)
    texts = " ".join(finding.text for finding in dataset.findings)
    assert "secret" not in texts


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name.replace(" ", "-"))
def test_a_broken_data_set_gives_its_documented_outcome(case: Broken, tmp_path: Path) -> None:
    written = case.write(tmp_path)
    source = tmp_path if written is None else written
    if case.error:
        with pytest.raises(DataError) as caught:
            read_dataset(source, now=NOW, **case.options)
        message = str(caught.value)
        assert [text for text in case.error if text not in message] == [], message
        assert "secret" not in message
        return
    dataset = read_dataset(source, now=NOW, **case.options)
    assert left_out_in(dataset) == dict(case.left_out)
    assert set(case.warned) <= {finding.reason for finding in dataset.findings if finding.severity in ("warn", "error")}
    check_nothing_is_lost(dataset)


def test_there_are_many_different_cases() -> None:
    names = [case.name for case in CASES]
    assert len(names) == len(set(names)) >= 40
