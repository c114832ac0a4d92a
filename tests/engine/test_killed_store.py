"""A process that is killed while it makes a store leaves the old one or the new one; a repeated one ends the same."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
from pathlib import Path

import pyarrow as pa
import pytest

from muledetect import engine
from muledetect.engine import full
from muledetect.errors import OptionError
from muledetect.records import read_dataset

pytestmark = pytest.mark.slow

#: Runs a command with hooks that end the process at a step.
DRIVER = """
import os, signal, sys
from muledetect import cli
from muledetect.engine import build, making
from muledetect.outputs import _swap
step = sys.argv[1]
def at(name):
    if name == step:
        os.kill(os.getpid(), signal.SIGKILL)
build.at_step = making.at_step = _swap.at_step = at
sys.argv = ["muledetect", *sys.argv[2:]]
cli.main()
"""
OURS = ("read", "judged", "sorted", "tables")
STEPS = (*OURS, "written", "complete", "in place", "cleared")


def table(n: int) -> pa.Table:
    return pa.table(
        {
            "transfer_id": [f"t{i}" for i in range(n)],
            "time": [f"2025-0{1 + i % 3}-01T09:{i % 60:02d}:30Z" for i in range(n)],
            "source": [f"a{i % 7}" for i in range(n)],
            "target": [f"b{i % 5}" for i in range(n)],
            "amount": [100 + i for i in range(n)],
        }
    )


def tree(folder: Path) -> dict[str, bytes]:
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


@pytest.fixture
def source(tmp_path: Path) -> Path:
    place = tmp_path / "bank"
    place.mkdir()
    pa.parquet.write_table(table(200), place / "transfers.parquet")
    return place


@pytest.mark.parametrize("step", STEPS)
@pytest.mark.parametrize("has_old", [False, True])
def test_a_killed_prepare_leaves_the_old_or_the_new_store(
    step: str, has_old: bool, source: Path, tmp_path: Path
) -> None:
    store, undisturbed = tmp_path / "store", tmp_path / "undisturbed"
    new = tree(engine.prepare(source, undisturbed).path)
    old = tree(engine.prepare({"transfers": table(50)}, store).path) if has_old else {}
    line = ("prepare", str(source), "--output", str(store))
    ended = subprocess.run([sys.executable, "-c", DRIVER, step, *line], capture_output=True, text=True, check=False)
    assert ended.returncode == -signal.SIGKILL, ended.stderr
    left = {name: held for name, held in tree(store).items() if not name.endswith(".partial")}
    assert left == (new if step in ("in place", "cleared") else old)
    if left:
        engine.open_store(store).verify()
    engine.prepare(source, store)
    assert tree(store) == new
    assert sorted(os.listdir(tmp_path)) == ["bank", "store", "undisturbed"]


@pytest.mark.parametrize("step", STEPS)
def test_a_killed_update_leaves_the_old_or_the_new_store(step: str, source: Path, tmp_path: Path) -> None:
    (tmp_path / "stores").mkdir()
    store, undisturbed = tmp_path / "stores" / "store", tmp_path / "undisturbed"
    for place in (store, undisturbed):
        engine.prepare({"transfers": table(50)}, place)
    old = tree(store)
    new = tree(engine.update(undisturbed, source).path)
    assert new != old
    line = ("update", str(store), str(source))
    ended = subprocess.run([sys.executable, "-c", DRIVER, step, *line], capture_output=True, text=True, check=False)
    assert ended.returncode == -signal.SIGKILL, ended.stderr
    is_new = step in ("in place", "cleared")
    assert {name: held for name, held in tree(store).items() if not name.endswith(".partial")} == (
        new if is_new else old
    )
    engine.open_store(store).verify()
    engine.update(store, source)
    assert os.listdir(store.parent) == ["store"]
    found = engine.open_store(store)
    assert found.dataset.transfers.equals(engine.open_store(undisturbed).dataset.transfers)
    if not is_new:
        assert tree(store) == new


LIMITED = """
import resource, signal, sys
from muledetect import cli
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[1]), int(sys.argv[1])))
sys.argv = ["muledetect", *sys.argv[2:]]
cli.main()
"""


@pytest.mark.parametrize("where", ["write", "sort"])
def test_a_full_disk_leaves_the_old_store_and_is_told(
    where: str, source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = tmp_path / "store"
    old = tree(engine.prepare({"transfers": table(50)}, store).path)

    def fails(*_: object, **__: object) -> None:
        if where == "write":
            raise OSError(errno.ENOSPC, "No space left on device")
        raise full.duckdb.IOException("Could not write file: No space left on device")

    monkeypatch.setattr("muledetect.engine.rows.Rows.describe", fails)
    with pytest.raises(OSError, match=r"the disk is full: .* GB were written, .* GB are free") as caught:
        engine.prepare(source, store)
    assert caught.value.errno == errno.ENOSPC
    assert tree(store) == old
    assert sorted(os.listdir(tmp_path)) == ["bank", "store"]


def test_too_little_memory_is_told_and_leaves_the_old_store(
    source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = tmp_path / "store"
    old = tree(engine.prepare({"transfers": table(50)}, store).path)

    def fails(*_: object) -> None:
        raise full.duckdb.OutOfMemoryException("failed to allocate")

    monkeypatch.setattr("muledetect.engine.rows.Rows.in_order", fails)
    with pytest.raises(OptionError, match="memory: it is not enough to sort"):
        engine.prepare(source, store)
    assert tree(store) == old


def test_a_disk_quota_ends_the_command_and_leaves_the_old_store(source: Path, tmp_path: Path) -> None:
    store = tmp_path / "store"
    old = tree(engine.prepare({"transfers": table(50)}, store).path)
    line = ("prepare", str(source), "--output", str(store))
    ended = subprocess.run([sys.executable, "-c", LIMITED, "2000", *line], capture_output=True, text=True, check=False)
    assert ended.returncode == 1, ended.stderr
    assert "error: files:" in ended.stderr
    assert "Traceback" not in ended.stderr
    assert tree(store) == old
    assert sorted(os.listdir(tmp_path)) == ["bank", "store"]


def test_a_store_is_open_while_a_new_one_takes_its_place(source: Path, tmp_path: Path) -> None:
    opened = engine.prepare({"transfers": table(50)}, tmp_path / "store").dataset
    engine.prepare(source, tmp_path / "store")
    assert opened.transfers.equals(read_dataset({"transfers": table(50)}).transfers)
