"""A process that is killed at any step leaves the old output or the new one, and the next run clears up.

The writer calls a hook after each of its steps; the process ends itself there by SIGKILL, so a test lands exactly in
the window that it names.
"""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from muledetect.errors import OutputError
from muledetect.model import MuleModel
from muledetect.outputs import MANIFEST, Output, _swap, check_output, new_file, new_folder
from muledetect.pipeline import score, train
from muledetect.records import read_dataset, write_table
from muledetect.simulation import world_config, write_world

RINGS = Output("rings", ("*.txt", "sub/*.txt"))
SCORES = Output("scores")

#: Runs code with a hook that ends the process at a step; "no exchange" takes the system's exchange of names away.
DRIVER = """
import os, signal, sys
from pathlib import Path
from muledetect.outputs import Output, _swap, new_file, new_folder
step, way, place = sys.argv[1], sys.argv[2], Path(sys.argv[3])
if way == "no exchange":
    _swap.exchange = lambda one, other: False
def at(name):
    if name == step:
        os.kill(os.getpid(), signal.SIGKILL)
_swap.at_step = at
"""
FOLDER = """
with new_folder(place, Output("rings", ("*.txt", "sub/*.txt"))) as new:
    (new / "rings.txt").write_text("new")
    (new / "sub").mkdir()
    (new / "sub" / "1.txt").write_text("new")
"""
FILE = """
with new_file(place, Output("scores")) as new:
    new.write_text("new")
"""
COMMAND = """
from muledetect import cli
sys.argv = ["muledetect", *sys.argv[4:]]
cli.main()
"""


def killed(code: str, step: str, place: Path, *more: object, way: str = "exchange") -> None:
    """Run the code in a process that must end by the kill of its step."""
    command = [sys.executable, "-c", DRIVER + code, step, way, str(place), *map(str, more)]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    assert ended.returncode == -signal.SIGKILL, ended.stderr


def write_old(place: Path) -> None:
    """Write an output with a file that the next run does not write, and put notes of an analyst into it."""
    with new_folder(place, RINGS) as new:
        (new / "rings.txt").write_text("old")
        (new / "members.txt").write_text("old")
    (place / "notes").mkdir()
    (place / "notes" / "mine.txt").write_text("mine")


def texts(folder: Path) -> dict[str, str]:
    return {
        path.relative_to(folder).as_posix(): path.read_text()
        for path in folder.rglob("*")
        if path.is_file() and not path.name.startswith(".")
    }


OLD = {"rings.txt": "old", "members.txt": "old", "notes/mine.txt": "mine"}
NEW = {"rings.txt": "new", "sub/1.txt": "new", "notes/mine.txt": "mine"}


@pytest.mark.parametrize(
    ("step", "way"),
    [
        *(
            (step, way)
            for way in ("exchange", "no exchange")
            for step in ("written", "complete", "in place", "cleared")
        ),
        ("moved away", "no exchange"),  # with an exchange of names there is no such moment
    ],
)
def test_a_killed_writer_of_a_folder_leaves_the_old_or_the_new_one(step: str, way: str, tmp_path: Path) -> None:
    place = tmp_path / "rings"
    write_old(place)
    killed(FOLDER, step, place, way=way)
    if step == "moved away":
        assert not place.exists()  # the one window that is left where a system cannot exchange
    else:
        assert texts(place) == (OLD if step in ("written", "complete") else NEW)
    with new_folder(place, RINGS) as new:
        (new / "rings.txt").write_text("newer")
    assert texts(place) == {"rings.txt": "newer", "notes/mine.txt": "mine"}
    assert os.listdir(tmp_path) == ["rings"]


@pytest.mark.parametrize("step", ["written", "complete", "in place", "cleared"])
def test_a_killed_writer_of_a_new_folder_leaves_none_or_a_whole_one(step: str, tmp_path: Path) -> None:
    place = tmp_path / "rings"
    killed(FOLDER, step, place)
    new = {name: text for name, text in NEW.items() if not name.startswith("notes")}
    assert (texts(place) if place.exists() else None) == (new if step in ("in place", "cleared") else None)
    check_output(place, RINGS)
    assert os.listdir(tmp_path) == (["rings"] if step in ("in place", "cleared") else [])


def test_a_folder_that_stands_nowhere_is_found_again_by_who_reads_it(tmp_path: Path) -> None:
    place = tmp_path / "rings"
    write_old(place)
    killed(FOLDER, "moved away", place, way="no exchange")
    check_output(tmp_path / "other", Output("report", ("*.html",)), inputs=[place])
    assert texts(place) == NEW
    assert os.listdir(tmp_path) == ["rings"]


@pytest.mark.parametrize("step", ["written", "noted", "in place"])
def test_a_killed_writer_of_a_file_leaves_the_old_or_the_new_one_and_it_stays_ours(step: str, tmp_path: Path) -> None:
    place = tmp_path / "scores.txt"
    with new_file(place, SCORES) as new:
        new.write_text("old")
    killed(FILE, step, place)
    assert place.read_text() == ("new" if step == "in place" else "old")
    with new_file(place, SCORES) as new:  # no --overwrite is needed: it is still proved
        new.write_text("newer")
    assert place.read_text() == "newer"
    assert sorted(os.listdir(tmp_path)) == [".scores.txt.muledetect.json", "scores.txt"]


@pytest.mark.parametrize("overwrite", [False, True])
def test_what_overwrite_replaces_goes_also_after_a_kill(overwrite: bool, tmp_path: Path) -> None:
    place = tmp_path / "rings"
    place.mkdir()
    (place / "rings.txt").write_text("foreign")
    (place / "mine.py").write_text("mine")
    if overwrite:
        killed(FOLDER.replace("))) as", ")), overwrite=True) as"), "in place", place)
        check_output(place, RINGS)
        assert texts(place) == {"rings.txt": "new", "sub/1.txt": "new", "mine.py": "mine"}
    else:
        with pytest.raises(OutputError, match="did not write it"), new_folder(place, RINGS):
            pass
        assert texts(place) == {"rings.txt": "foreign", "mine.py": "mine"}
    assert os.listdir(tmp_path) == ["rings"]


@pytest.mark.slow
def test_a_killed_score_leaves_the_old_or_the_new_scores(tmp_path: Path) -> None:
    write_world(world_config(n_accounts=300, n_days=60, seed=2, least_mules=40), tmp_path / "data")
    dataset = read_dataset(tmp_path / "data")
    train(dataset, "2025-02-20", target="ever", model=MuleModel(n_estimators=5, n_bags=1), output=tmp_path / "model")
    output = tmp_path / "scores.parquet"
    new = score(dataset, tmp_path / "model", "2025-02-25")
    score(dataset, tmp_path / "model", "2025-02-20", output=output)
    old = output.read_bytes()
    line = ("score", tmp_path / "data", "--model", tmp_path / "model", "--as-of", "2025-02-25", "--output", output)
    for step in ("written", "noted"):
        killed(COMMAND, step, output, *line)
        assert output.read_bytes() == old
    killed(COMMAND, "in place", output, *line)
    assert pq.read_table(output).equals(new)


def test_what_a_living_process_writes_is_not_cleared_away(tmp_path: Path) -> None:
    place, file = tmp_path / "rings", tmp_path / "scores.txt"
    with new_folder(place, RINGS) as new, new_file(file, SCORES) as unfinished:
        (new / "rings.txt").write_text("first")
        unfinished.write_text("first")
        check_output(place, RINGS)
        check_output(file, SCORES)
        assert new.exists()
        assert unfinished.exists()
        with new_folder(place, RINGS) as faster:
            (faster / "rings.txt").write_text("second")
    assert texts(place) == {"rings.txt": "first"}
    assert file.read_text() == "first"


def write_half(place: Path) -> None:
    with new_folder(place, RINGS) as new:
        (new / "rings.txt").write_text("half")
        raise RuntimeError("stopped")


def test_an_error_in_the_work_leaves_what_was_there_and_no_folders_above(tmp_path: Path) -> None:
    place = tmp_path / "rings"
    write_old(place)
    for output in (place, tmp_path / "a" / "b" / "c"):
        with pytest.raises(RuntimeError, match="stopped"):
            write_half(output)
    assert texts(tmp_path) == {f"rings/{name}": text for name, text in OLD.items()}
    assert os.listdir(tmp_path) == ["rings"]


def test_a_failing_write_keeps_the_old_file_and_leaves_nothing_behind(tmp_path: Path) -> None:
    place = tmp_path / "scores.parquet"
    write_table(pa.table({"x": [1]}), place)
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    unwritable = pa.table({"y": pa.UnionArray.from_sparse(pa.array([0, 0], pa.int8()), [pa.array([1, 2])])})
    with pytest.raises(pa.ArrowException):
        write_table(unwritable, place)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


def changed_meanwhile(place: Path, change: Callable[[Path], None]) -> None:
    with new_folder(place, RINGS) as new:
        (new / "rings.txt").write_text("new")
        change(place)


def test_a_file_that_was_changed_during_the_work_is_not_replaced(tmp_path: Path) -> None:
    place = tmp_path / "rings"
    write_old(place)
    with pytest.raises(OutputError, match=r"1 files were changed"):
        changed_meanwhile(place, lambda folder: (folder / "rings.txt").write_text("an analyst's"))  # type: ignore[arg-type]
    assert texts(place) == {**OLD, "rings.txt": "an analyst's"}


def test_a_file_that_came_during_the_work_stays(tmp_path: Path) -> None:
    place = tmp_path / "rings"
    write_old(place)
    changed_meanwhile(place, lambda folder: (folder / "todo").write_text("mine"))  # type: ignore[arg-type]
    assert texts(place) == {"rings.txt": "new", "notes/mine.txt": "mine", "todo": "mine"}


def test_a_file_that_came_in_the_last_moment_stays_or_is_kept_beside(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = tmp_path / "rings"
    write_old(place)

    def late(step: str) -> None:
        if step == "complete":
            (place / "todo").write_text("mine")
            (place / "rings.txt").write_text("an analyst's")

    monkeypatch.setattr(_swap, "at_step", late)
    with pytest.raises(OutputError, match=r"kept in '\.rings\.[0-9a-f]{8}\.muledetect\.tmp'"):
        changed_meanwhile(place, lambda _: None)
    assert texts(place) == {"rings.txt": "new", "notes/mine.txt": "mine", "todo": "mine"}
    (kept,) = tmp_path.glob(".rings.*")
    assert texts(kept) == {"rings.txt": "an analyst's"}
    monkeypatch.setattr(_swap, "at_step", lambda _: None)
    changed_meanwhile(place, lambda _: None)
    assert texts(kept) == {"rings.txt": "an analyst's"}  # never cleared away, as it is not ours


def test_where_no_names_can_be_linked_files_that_stay_are_copied(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = tmp_path / "rings"
    write_old(place)

    def refuse(*_names: object, **_options: object) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(os, "link", refuse)
    changed_meanwhile(place, lambda _: None)
    assert texts(place) == {"rings.txt": "new", "notes/mine.txt": "mine"}
    assert os.listdir(tmp_path) == ["rings"]


def test_the_rights_of_what_is_replaced_are_kept(tmp_path: Path) -> None:
    place, file = tmp_path / "rings", tmp_path / "scores.txt"
    write_old(place)
    with new_file(file, SCORES) as new:
        new.write_text("old")
    place.chmod(0o700)
    file.chmod(0o600)
    changed_meanwhile(place, lambda _: None)
    with new_file(file, SCORES) as new:
        new.write_text("new")
    assert place.stat().st_mode & 0o777 == 0o700
    assert file.stat().st_mode & 0o777 == 0o600


def test_a_manifest_names_its_version_and_nothing_that_differs_between_runs(tmp_path: Path) -> None:
    for name in ("one", "two"):
        write_old(tmp_path / name)
        changed_meanwhile(tmp_path / name, lambda _: None)
    assert (tmp_path / "one" / MANIFEST).read_bytes() == (tmp_path / "two" / MANIFEST).read_bytes()


def test_files_that_only_look_like_leftovers_stay(tmp_path: Path) -> None:
    for name in (
        ".scores.txt.0123abcd.tmp",
        ".scores.txt.tmp",
        "scores.txt.0123abcd.muledetect.tmp",
        ".scores.txt.bak",
    ):
        (tmp_path / name).write_text("mine")
    before = texts(tmp_path)
    with new_file(tmp_path / "scores.txt", SCORES) as new:
        new.write_text("new")
    assert texts(tmp_path) == {**before, "scores.txt": "new"}
    assert (tmp_path / ".scores.txt.0123abcd.tmp").read_text() == "mine"


def test_a_note_that_cannot_be_written_leaves_the_old_file_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "scores.txt"
    with new_file(file, SCORES) as new:
        new.write_text("old")
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}

    def full(_descriptor: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    def fill(step: str) -> None:
        if step == "written":
            monkeypatch.setattr(os, "fsync", full)

    monkeypatch.setattr(_swap, "at_step", fill)
    with pytest.raises(OSError, match="No space left"), new_file(file, SCORES) as new:
        new.write_text("new")
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before
