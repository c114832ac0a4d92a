"""A writer that is killed leaves the old output or the new one, and nothing that a reader would take for a table."""

from __future__ import annotations

import random
import subprocess
import sys
import time
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from muledetect.records import write_table, write_tables

N_ROWS = 60_000
NAMES = ("rings", "ring_members", "ring_links")

#: Writes version after version without end; each version has one value in all of its rows.
ENDLESS = """
import sys, pyarrow as pa
from muledetect.records import write_table, write_tables
kind, place, n_rows, names = sys.argv[1], sys.argv[2], int(sys.argv[3]), sys.argv[4].split(",")
version = 0
while True:
    version += 1
    table = pa.table({"version": pa.repeat(version, n_rows), "row": pa.array(range(n_rows))})
    if kind == "file":
        write_table(table, place)
    else:
        write_tables(dict.fromkeys(names, table), place)
    if version == 1:
        print("writing", flush=True)
"""


def first_version() -> pa.Table:
    return pa.table({"version": pa.repeat(0, N_ROWS), "row": pa.array(range(N_ROWS))})


def kill_a_writer(kind: str, place: Path, seconds: float) -> None:
    command = [sys.executable, "-c", ENDLESS, kind, str(place), str(N_ROWS), ",".join(NAMES)]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as writer:
        assert writer.stdout is not None
        writer.stdout.readline()
        time.sleep(seconds)
        writer.kill()


def version_in(path: Path) -> int:
    """Read a file whole: a part of one would not open, or mix versions."""
    table = pq.read_table(path)
    assert table.num_rows == N_ROWS
    (version,) = set(table["version"].unique().to_pylist())
    return int(version)


@pytest.mark.parametrize("seed", range(4))
def test_a_killed_writer_leaves_a_whole_file(tmp_path: Path, seed: int) -> None:
    place = tmp_path / "scores.parquet"
    write_table(first_version(), place)
    kill_a_writer("file", place, random.Random(seed).uniform(0, 0.1))
    assert version_in(place) >= 0
    # what is left over has a name that readers of folders pass over
    assert [path.name for path in tmp_path.iterdir() if not path.name.startswith(".")] == ["scores.parquet"]


@pytest.mark.parametrize("seed", range(4))
def test_a_killed_writer_of_a_folder_leaves_whole_files_of_neighbouring_versions(tmp_path: Path, seed: int) -> None:
    write_tables(dict.fromkeys(NAMES, first_version()), tmp_path)
    kill_a_writer("folder", tmp_path, random.Random(seed).uniform(0, 0.1))
    versions = [version_in(tmp_path / f"{name}.parquet") for name in NAMES]
    assert max(versions) - min(versions) <= 1
    assert sorted(path.name for path in tmp_path.iterdir() if not path.name.startswith(".")) == sorted(
        f"{name}.parquet" for name in NAMES
    )


def test_a_failing_write_keeps_the_old_file_and_leaves_nothing_behind(tmp_path: Path) -> None:
    place = tmp_path / "scores.parquet"
    write_table(first_version(), place)
    unwritable = pa.table({"x": pa.array([1, 2]), "y": pa.UnionArray.from_sparse(
        pa.array([0, 0], pa.int8()), [pa.array([1, 2])]
    )})  # fmt: skip
    with pytest.raises(pa.ArrowException):
        write_table(unwritable, place)
    assert version_in(place) == 0
    assert sorted(path.name for path in tmp_path.iterdir()) == [".scores.parquet.muledetect.json", "scores.parquet"]
