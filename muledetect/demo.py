"""The whole line at once, on two simulated banks: learn on one, measure on the other."""

from __future__ import annotations

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

import pyarrow as pa

from muledetect import pipeline
from muledetect.clock import DAY, format_time, parse_time
from muledetect.errors import MuleDetectError
from muledetect.outputs import Output, check_output, kinds
from muledetect.progress import Progress, silent

if TYPE_CHECKING:
    from muledetect.evaluation import Evaluation
    from muledetect.model import MuleModel
    from muledetect.records import Dataset
    from muledetect.rings import RingTables

#: What each entry of the folder holds.
_WRITTEN: Final[dict[str, Output]] = {
    "training_data": kinds.WORLD,
    "data": kinds.WORLD,
    "model": kinds.MODEL,
    "scores.parquet": kinds.SCORES,
    "rings": kinds.RINGS,
    "traces": kinds.TRACES,
    "evaluation": kinds.EVALUATION,
    "report": kinds.REPORT,
}

#: Mules of each bank, so that about a hundred can be measured.
LEAST_MULES: Final = 105
#: Accounts with reasons and a case file: enough to look at, and each takes time.
N_CASES: Final = 40
#: The measured bank is watched so often and so many days apart, for the time to detect.
N_WATCHED, _WATCHED_EVERY = 5, 7 * DAY


@dataclass(frozen=True, eq=False)
class Demo:
    """What `run_demo` made: its folder, the tables of the measured bank, and what was measured."""

    folder: Path
    dataset: Dataset
    model: MuleModel
    scores: pa.Table
    rings: RingTables
    evaluation: Evaluation

    def __repr__(self) -> str:
        return f"Demo({self.dataset!r}, {len(self.scores):,} scores, {self.rings!r}, {self.evaluation!r})"


def run_demo(
    output: str | Path = "muledetect-demo",
    *,
    n_accounts: int = 6_500,
    n_days: int = 90,
    seed: int = 0,
    overwrite: bool = False,
    progress: Progress | None = None,
) -> Demo:
    """Simulate two banks, learn from what the one knew at its end, and score, ring, measure and report the other.

    The evaluation uses the whole truth of the measured bank, also the mules that the bank never found. The two banks
    have nobody in common, so none of its mules is left out. A second process simulates the measured bank and traces
    its complaints while the first one learns.

    Parameters
    ----------
    output : path
        Folder of the data of both banks, the model, scores, rings, traces, evaluation and report.
    n_accounts, n_days, seed : int
        Size of each bank, length of the worlds, and which worlds: that of training has `seed`, the other one more. A
        bank has 105 mules or 1% of its accounts, whichever is more.
    overwrite : bool
        Also replace what is not ours, or was changed.
    progress : callable, optional
        Called with the stage in words and the fraction done.
    """
    from muledetect.simulation import world_config, write_world

    places = {name: Path(output) / name for name in _WRITTEN}
    for name, kind in _WRITTEN.items():
        check_output(places[name], kind, overwrite=overwrite)
    config = world_config(n_accounts=n_accounts, n_days=n_days, seed=seed, least_mules=LEAST_MULES)
    end = parse_time(config.start) + n_days * DAY
    second = ThreadPoolExecutor(1)
    try:
        bank = second.submit(
            _command, "simulate", places["data"], "--accounts", n_accounts, "--days", n_days, "--seed", seed + 1,
            "--set", f"least_mules={LEAST_MULES}", overwrite=overwrite,
        )  # fmt: skip
        traced = second.submit(
            _command, "trace", places["data"], "--as-of", format_time(end), "--output", places["traces"],
            overwrite=overwrite,
        )  # fmt: skip
        write_world(config, places["training_data"], progress, overwrite=overwrite)
        learnt = pipeline.load(places["training_data"], progress=progress)
        model = pipeline.train(
            learnt, end, target="ever", pack="TH", known_by=end, output=places["model"],
            overwrite=overwrite, progress=progress,
        )  # fmt: skip
        (progress or silent)("waiting for the other bank", 0.0)
        bank.result()
        read = pipeline.load(places["data"], progress=progress)
        scores = pipeline.score(
            read, model, end, n_explained=N_CASES, output=places["scores.parquet"],
            overwrite=overwrite, progress=progress,
        )  # fmt: skip
        rings = pipeline.find_rings(
            read, scores, end, window="all", output=places["rings"], overwrite=overwrite, progress=progress
        )
        traced.result()
    finally:
        second.shutdown(cancel_futures=True)
    evaluation = pipeline.evaluate(
        read, model, end, found_rings=rings, use_truth=True, known_by=end, baselines_from=learnt,
        watched=[end - nth * _WATCHED_EVERY for nth in reversed(range(N_WATCHED))],
        output=places["evaluation"], overwrite=overwrite, progress=progress,
    )  # fmt: skip
    pipeline.report(
        read, scores, rings=rings, model=model, evaluation=places["evaluation"], output=places["report"],
        n_alerts=N_CASES, time_zone="Asia/Bangkok", overwrite=overwrite, progress=progress,
    )  # fmt: skip
    return Demo(Path(output), read, model, scores, rings, evaluation)


def _command(*arguments: object, overwrite: bool) -> None:
    """Run one of our commands in a process of its own."""
    options = ["--overwrite"] if overwrite else []
    done = subprocess.run(  # noqa: S603 (our own command)
        [sys.executable, "-m", "muledetect.cli", *map(str, arguments), *options],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    if done.returncode:
        raise MuleDetectError(
            f"demo: the command {arguments[0]!r} ended with status {done.returncode}: {done.stderr[-2000:].strip()}"
        )


__all__ = ["Demo", "run_demo"]
