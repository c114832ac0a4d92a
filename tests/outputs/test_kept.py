"""Finished pieces of work stay beside an output until the work is done, and are used by the same work only."""

from __future__ import annotations

import fcntl
import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from muledetect import pipeline
from muledetect.errors import DataError
from muledetect.features import _extract
from muledetect.outputs.kept import Kept, kept_work
from tests.small_world import SCORED_AT, TRAINED_AT, small_model, small_world

PARTS = ".scores.parquet.muledetect.parts"


def work(place: Path, error: BaseException, *pieces: list[float], inputs: object = 1) -> None:
    """Do a work of some pieces, which then ends with an error."""
    with kept_work(place, {"of": inputs}) as kept:
        assert kept is not None
        for piece in pieces:
            kept.add(np.array(piece))
        raise error


def interrupted(place: Path, *pieces: list[float], inputs: object = 1) -> None:
    """Do a work of some pieces and be interrupted."""
    with pytest.raises(KeyboardInterrupt):
        work(place, KeyboardInterrupt(), *pieces, inputs=inputs)


def left(place: Path, inputs: object = 1) -> list[list[float]]:
    """Return the pieces that a work finds, and end it."""
    with kept_work(place, {"of": inputs}) as kept:
        assert kept is not None
        return [piece.tolist() for piece in kept.pieces]


def test_pieces_of_an_interrupted_work_are_found_again_and_go_when_it_ends(tmp_path: Path) -> None:
    place = tmp_path / "scores.parquet"
    interrupted(place, [1.5, 2], [0.1])
    assert os.listdir(tmp_path) == [PARTS]
    assert left(place) == [[1.5, 2.0], [0.1]]
    assert os.listdir(tmp_path) == []
    assert left(place) == []


def test_pieces_of_other_inputs_are_removed(tmp_path: Path) -> None:
    place = tmp_path / "scores.parquet"
    interrupted(place, [1.0])
    interrupted(place, inputs=2)
    assert left(place, 2) == []
    interrupted(place, [1.0])
    assert left(place, 3) == []


@pytest.mark.parametrize("change", ["cut", "changed", "lost"])
def test_a_piece_that_is_not_as_it_was_written_ends_what_is_used(change: str, tmp_path: Path) -> None:
    place = tmp_path / "scores.parquet"
    interrupted(place, [1.0, 2.0], [3.0], [4.0])
    piece = sorted((tmp_path / PARTS).glob("00000001-*"))[0]
    if change == "lost":
        piece.unlink()
    else:
        piece.write_bytes(piece.read_bytes()[:4] if change == "cut" else b"12345678")
    assert left(place) == [[1.0, 2.0]]
    assert os.listdir(tmp_path) == []


def test_an_error_that_comes_again_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(DataError):
        work(tmp_path / "scores.parquet", DataError("no"), [1.0])
    assert os.listdir(tmp_path) == []


def test_what_is_not_ours_stays_and_nothing_is_kept(tmp_path: Path) -> None:
    place, parts = tmp_path / "scores.parquet", tmp_path / PARTS
    parts.write_text("mine")
    with kept_work(place, {}) as kept:
        assert kept is None
    assert parts.read_text() == "mine"
    parts.unlink()
    parts.mkdir()
    (parts / "inputs.txt").write_text("mine")
    with kept_work(place, {}) as kept:
        assert kept is None
    assert (parts / "inputs.txt").read_text() == "mine"
    (parts / "inputs.txt").unlink()
    (parts / "note.txt").write_text("mine")
    assert left(place) == []
    assert os.listdir(parts) == ["note.txt"]
    (tmp_path / "elsewhere").mkdir()
    (parts / "note.txt").unlink()
    parts.rmdir()
    parts.symlink_to(tmp_path / "elsewhere")
    with kept_work(place, {}) as kept:
        assert kept is None
    assert os.listdir(tmp_path / "elsewhere") == []


def test_a_second_process_of_the_same_work_keeps_nothing(tmp_path: Path) -> None:
    place = tmp_path / "scores.parquet"
    interrupted(place, [1.0])
    with (tmp_path / PARTS / "inputs.txt").open("rb") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        with kept_work(place, {"of": 1}) as kept:
            assert kept is None
    assert left(place) == [[1.0]]
    with kept_work(None, {}) as kept:
        assert kept is None
    with kept_work(tmp_path / "none" / "scores.parquet", {}) as kept:
        assert kept is None


#: Scores by the command line in shards of 50 accounts, and ends the process when three are kept.
KILLED = """
import os, signal, sys
from muledetect import cli
from muledetect.features import _extract
from muledetect.outputs.kept import Kept
_extract._SHARD_POINTS = 50
add = Kept.add
def and_die(self, piece):
    add(self, piece)
    if len(self.pieces) == 3:
        os.kill(os.getpid(), signal.SIGKILL)
Kept.add = and_die
sys.argv = ["muledetect", *sys.argv[1:]]
cli.main()
"""


@pytest.mark.slow
@pytest.mark.parametrize("neighbours", [True, False])
def test_a_score_that_was_killed_continues_and_ends_with_the_same_bytes(
    neighbours: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bank = tmp_path / "bank"
    bank.mkdir()
    for name, table in small_world().items():
        pq.write_table(table, bank / f"{name}.parquet")
    model = pipeline.train(bank, TRAINED_AT, target="ever", model=small_model(), neighbours=neighbours)
    model.save(tmp_path / "model")
    assert bool(model.second_texts_) == neighbours
    scores = [tmp_path / name / "scores.parquet" for name in ("undisturbed", "killed")]
    for place in scores:
        place.parent.mkdir()
    pipeline.score(bank, tmp_path / "model", SCORED_AT, n_explained=5, output=scores[0])
    line = ["score", str(bank), "--model", str(tmp_path / "model"), "--as-of", SCORED_AT, "--output", str(scores[1])]
    ended = subprocess.run([sys.executable, "-c", KILLED, *line], capture_output=True, text=True, check=False)
    assert ended.returncode == -signal.SIGKILL, ended.stderr
    assert os.listdir(tmp_path / "killed") == [PARTS]

    added: list[int] = []
    add = Kept.add
    monkeypatch.setattr(_extract, "_SHARD_POINTS", 150)
    monkeypatch.setattr(Kept, "add", lambda self, piece: (add(self, piece), added.append(len(piece))))
    again = pipeline.score(bank, tmp_path / "model", SCORED_AT, n_explained=5, output=scores[1])
    assert sum(added) == len(again) - 150
    assert scores[0].read_bytes() == scores[1].read_bytes()
    assert sorted(os.listdir(tmp_path / "killed")) == sorted(os.listdir(tmp_path / "undisturbed"))
