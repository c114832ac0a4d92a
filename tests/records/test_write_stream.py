"""A Parquet file that is streamed appears whole or not at all."""

from __future__ import annotations

import os
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from muledetect.records.write import atomic_parquet, write_table


def rows(*numbers: int) -> pa.Table:
    names = pa.array([f"n{number}" for number in numbers], pa.string())
    return pa.table({"number": pa.array(numbers, pa.int64()), "name": names})


def test_tables_written_one_after_the_other_read_back_in_order_as_row_groups(tmp_path: Path) -> None:
    place = tmp_path / "new folder" / "out.parquet"
    with atomic_parquet(place) as write:
        write(rows(3, 1))
        write(rows())
        write(rows(2))
    assert pq.read_table(place).equals(pa.concat_tables([rows(3, 1), rows(2)]))
    footer = pq.read_metadata(place)
    assert [footer.row_group(i).num_rows for i in range(footer.num_row_groups)] == [2, 0, 1]


def write_and_stop(place: Path, *tables: pa.Table) -> None:
    with atomic_parquet(place) as write:
        for table in tables:
            write(table)
        raise RuntimeError("stopped")


def test_a_table_without_rows_makes_a_file_with_its_columns(tmp_path: Path) -> None:
    with atomic_parquet(tmp_path / "out.parquet") as write:
        write(rows())
    assert pq.read_table(tmp_path / "out.parquet").equals(rows())


def test_the_old_file_stands_until_the_block_ends(tmp_path: Path) -> None:
    place = tmp_path / "out.parquet"
    write_table(rows(1), place)
    with atomic_parquet(place) as write:
        write(rows(2))
        assert pq.read_table(place).equals(rows(1))
    assert pq.read_table(place).equals(rows(2))


def test_an_error_inside_the_block_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    place = tmp_path / "out.parquet"
    write_table(rows(1), place)
    with pytest.raises(RuntimeError, match="stopped"):
        write_and_stop(place, rows(2))
    assert sorted(os.listdir(tmp_path)) == [".out.parquet.muledetect.json", "out.parquet"]
    assert pq.read_table(place).equals(rows(1))


def test_columns_that_change_midway_are_refused_and_leave_nothing(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="schema"):
        write_and_stop(tmp_path / "out.parquet", rows(1), pa.table({"number": [1.0]}))
    assert os.listdir(tmp_path) == []


def test_a_block_that_writes_nothing_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no table was written"), atomic_parquet(tmp_path / "out.parquet"):
        pass
    assert os.listdir(tmp_path) == []


def test_a_reader_of_the_folder_passes_over_the_unfinished_file(tmp_path: Path) -> None:
    with atomic_parquet(tmp_path / "out.parquet") as write:
        write(rows(1))
        assert all(name.startswith(".") for name in os.listdir(tmp_path))
