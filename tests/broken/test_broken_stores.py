"""Broken data sets: preparing a store accepts, leaves out, warns of and refuses what reading does."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from broken_sets import CASES, Broken
from hypothesis import given, settings
from test_any_mixture import MIXTURES, table_of, with_good

from muledetect.engine import prepare
from muledetect.errors import DataError
from muledetect.records import Dataset, read_dataset

NOW = "2025-06-01"


def assert_same(stored: Dataset, read: Dataset) -> None:
    assert stored.tables == read.tables
    assert {name: table.schema for name, table in stored.tables.items()} == {
        name: table.schema for name, table in read.tables.items()
    }
    for name in ("account_ids", "rejects", "findings", "rows_read", "currency", "tick", "fingerprint"):
        assert getattr(stored, name) == getattr(read, name)


@pytest.mark.slow
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name.replace(" ", "-"))
def test_a_broken_data_set_gives_the_same_store_or_the_same_error(case: Broken, tmp_path: Path) -> None:
    given_: list[Any] = []
    for name in ("source", "again"):
        (tmp_path / name).mkdir()
        given_.append(case.write(tmp_path / name) or tmp_path / name)
    try:
        read = read_dataset(given_[0], now=NOW, **case.options)
    except DataError as error:
        told = str(error).replace(str(tmp_path / "source"), "X")
        with pytest.raises(DataError) as caught:
            prepare(given_[1], tmp_path / "store", now=NOW, **case.options)
        assert str(caught.value).replace(str(tmp_path / "again"), "X") == told
        assert not (tmp_path / "store").exists()
        return
    assert_same(prepare(given_[1], tmp_path / "store", now=NOW, **case.options).dataset, read)


@pytest.mark.slow
@given(MIXTURES)
@settings(max_examples=40, deadline=None)
def test_any_mixture_gives_the_same_store(tmp_path_factory: pytest.TempPathFactory, rows: list[dict[str, Any]]) -> None:
    source, folder = table_of(with_good(rows)), tmp_path_factory.mktemp("mixture")
    store = prepare(source, folder / "store", now=NOW, currency="THB")
    assert_same(store.dataset, read_dataset(source, now=NOW, currency="THB"))
