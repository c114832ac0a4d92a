"""The whole line at once, on a simulated bank."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

import pyarrow as pa

from muledetect import pipeline
from muledetect.clock import DAY
from muledetect.outputs import Output, check_output, kinds
from muledetect.progress import Progress

if TYPE_CHECKING:
    from muledetect.evaluation import Evaluation
    from muledetect.model import MuleModel
    from muledetect.records import Dataset
    from muledetect.rings import RingTables

#: What each entry of the folder holds.
_WRITTEN: Final[dict[str, Output]] = {
    "data": kinds.WORLD,
    "model": kinds.MODEL,
    "scores.parquet": kinds.SCORES,
    "rings": kinds.RINGS,
    "evaluation": kinds.EVALUATION,
    "report": kinds.REPORT,
}


@dataclass(frozen=True, eq=False)
class Demo:
    """What `run_demo` made: its folder, the tables, and what was measured."""

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
    n_accounts: int = 12_000,
    n_days: int = 120,
    seed: int = 0,
    overwrite: bool = False,
    progress: Progress | None = None,
) -> Demo:
    """Simulate a bank, train at two thirds of the time on what was known by then, and score, ring and report the end.

    The evaluation uses the whole truth of the simulated world, also the mules that its bank never found.

    Parameters
    ----------
    output : path
        Folder of the data, model, scores, rings, evaluation and report.
    n_accounts, n_days, seed : int
        Size of the bank, length of the world, and which world.
    overwrite : bool
        Also replace what is not ours, or was changed.
    progress : callable, optional
        Called with the stage in words and the fraction done.
    """
    from muledetect.simulation import world_config, write_world

    places = {name: Path(output) / name for name in _WRITTEN}
    for name, kind in _WRITTEN.items():
        check_output(places[name], kind, overwrite=overwrite)
    config = world_config(n_accounts=n_accounts, n_days=n_days, seed=seed)
    write_world(config, places["data"], progress, overwrite=overwrite)
    read = pipeline.load(places["data"], progress=progress)
    end = int(read.transfers["time"][-1].cast(pa.int64()).as_py()) // DAY * DAY + DAY
    trained_at = end - n_days // 3 * DAY
    model = pipeline.train(
        read, trained_at, target="ever", pack="TH", known_by=trained_at,
        output=places["model"], overwrite=overwrite, progress=progress,
    )  # fmt: skip
    scores = pipeline.score(read, model, end, output=places["scores.parquet"], overwrite=overwrite, progress=progress)
    rings = pipeline.find_rings(
        read, scores, end, window="all", output=places["rings"], overwrite=overwrite, progress=progress
    )
    evaluation = pipeline.evaluate(
        read, model, end, found_rings=rings, use_truth=True, known_by=trained_at,
        output=places["evaluation"], overwrite=overwrite, progress=progress,
    )  # fmt: skip
    pipeline.report(
        read, scores, rings=rings, model=model, evaluation=places["evaluation"], output=places["report"],
        time_zone="Asia/Bangkok", overwrite=overwrite, progress=progress,
    )  # fmt: skip
    return Demo(Path(output), read, model, scores, rings, evaluation)


__all__ = ["Demo", "run_demo"]
