"""Commands on a store that are killed at any moment, 30 times in all, leave the old output or the new one."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Self

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from muledetect import engine, pipeline
from muledetect.simulation import world_config, write_world

pytestmark = pytest.mark.slow

#: Imports everything once, and runs the command in a child for each line that it reads: seconds until the kill, if any.
DRIVER = """
import os, signal, sys, time
from muledetect import cli, pipeline
from muledetect.engine import making, updating
import muledetect.features, muledetect.model.scores
sys.argv = ["muledetect", *sys.argv[1:]]
for line in sys.stdin:
    begun = time.perf_counter()
    child = os.fork()
    if not child:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        cli.main()
        os._exit(0)
    if line.strip():
        time.sleep(float(line))
        os.kill(child, signal.SIGKILL)
    _, status = os.waitpid(child, 0)
    print(os.waitstatus_to_exitcode(status), time.perf_counter() - begun, flush=True)
"""
KILLS = 10


def tree(place: Path) -> dict[str, bytes]:
    """Return what stands at a place, without what an unfinished writer left beside it."""
    if place.is_file():
        return {place.name: place.read_bytes()}
    return {
        path.relative_to(place).as_posix(): path.read_bytes()
        for path in place.rglob("*")
        if path.is_file() and not path.name.endswith(".partial")
    }


class Runner:
    """Runs one command again and again, to its end or until it is killed."""

    def __init__(self, arguments: tuple[object, ...]) -> None:
        command = [sys.executable, "-c", DRIVER, *map(str, arguments)]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def __call__(self, delay: float | None = None) -> tuple[int, float]:
        """Return the exit status, and the seconds that it took."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(f"{'' if delay is None else delay}\n")
        self._process.stdin.flush()
        status, seconds = self._process.stdout.readline().split()
        return int(status), float(seconds)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.communicate(timeout=300)


def kill_at_random(place: Path, arguments: tuple[object, ...], set_old: Callable[[], object]) -> None:
    """Kill the command at `KILLS` moments over the time that it takes; what stands at `place` is old or new each time.

    `set_old` puts the old output there.
    """
    set_old()
    old = tree(place)
    with Runner(arguments) as run:
        status, seconds = run()
        new, beside = tree(place), sorted(os.listdir(place.parent))
        assert status == 0
        assert new != old
        ends = {"killed": 0, "old": 0, "new": 0}
        for delay in np.random.default_rng(7).uniform(0, seconds, KILLS):
            set_old()
            status, _ = run(delay)
            left = tree(place)
            assert left in (old, new)
            ends["old" if left == old else "new"] += 1
            ends["killed"] += status == -signal.SIGKILL
        set_old()
        assert run()[0] == 0
    assert ends["killed"] >= KILLS // 3, ends
    assert sorted(os.listdir(place.parent)) == beside
    assert tree(place) == new


@pytest.fixture(scope="module")
def bank(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("bank")
    write_world(world_config("small", n_accounts=400, n_days=70, mule_share=0.05, seed=3), folder)
    return folder


@pytest.fixture(scope="module")
def days(bank: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Return two data sets: the bank's transfers up to its last days, and those days."""
    rows = pq.read_table(bank / "transfers.parquet")
    cut = len(rows) * 9 // 10
    made = tmp_path_factory.mktemp("days")
    for name, part in (("first", rows[:cut]), ("later", rows[cut:])):
        (made / name).mkdir()
        pq.write_table(part, made / name / "transfers.parquet")
    return made / "first", made / "later"


def test_prepare(days: tuple[Path, Path], tmp_path: Path) -> None:
    old = pa.table(
        {name: pq.read_table(days[0] / "transfers.parquet")[name] for name in ("time", "source", "target", "amount")}
    )
    old = old.slice(0, 50).append_column("transfer_id", pa.array([str(i) for i in range(50)]))
    store = tmp_path / "stores" / "store"
    store.parent.mkdir()
    kill_at_random(store, ("prepare", days[0], "--output", store), lambda: engine.prepare({"transfers": old}, store))
    engine.open_store(store).verify()


def test_update(days: tuple[Path, Path], tmp_path: Path) -> None:
    store = tmp_path / "stores" / "store"
    store.parent.mkdir()
    kill_at_random(store, ("update", store, days[1]), lambda: engine.prepare(days[0], store))
    engine.open_store(store).verify()


def test_score(bank: Path, tmp_path: Path) -> None:
    places = tmp_path / "made"
    places.mkdir()
    store = engine.prepare(bank, tmp_path / "store")
    model = tmp_path / "model"
    pipeline.train(store, ["2025-02-20", "2025-02-27"], target="ever", output=model)
    scores = places / "scores.parquet"
    kill_at_random(
        scores,
        ("score", store.path, "--model", model, "--as-of", "2025-03-10", "--output", scores, "--memory", "1GB"),
        lambda: pipeline.score(store, model, "2025-02-20", output=scores),
    )
