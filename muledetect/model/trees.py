"""The one place that knows LightGBM: training, scoring and contributions of a small bag of boosted trees."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from threading import Lock
from typing import Any, Final, NamedTuple

import lightgbm
import numpy as np
import numpy.typing as npt

from muledetect.arrays import Float64Array
from muledetect.errors import ModelError
from muledetect.model.tree_text import MOST_SIGNS, TreesError, TreesText, rewrite_trees

Float32Array = npt.NDArray[np.float32]

VERSION: Final = str(lightgbm.__version__)

#: Rows scored in one call; bounds the memory that scoring takes beside the table.
_CHUNK: Final = 65_536


class Job(NamedTuple):
    """One booster to train: its seed, and the positions of its rows (None: all)."""

    seed: int
    rows: npt.NDArray[np.intp] | None = None


def grow(
    values: Float32Array,
    is_positive: npt.NDArray[np.bool_],
    weight: Float64Array | None,
    parameters: Mapping[str, Any],
    *,
    n_trees: int,
    jobs: Sequence[Job],
    n_threads: int,
    start: Float64Array | None = None,
) -> list[TreesText]:
    """Train a booster for each job and return them as text, in the order of the jobs.

    Boosters run side by side, each in one thread: LightGBM's own threads wait for one another at every split, which on
    a machine that does anything else costs up to a hundred times the work (measured). Rows are binned once for all.
    The text holds the trees only, not the parameters. Trees add to the log-odds `start` of each row, 0 by default.

    Raises
    ------
    ModelError
        If the scores of the trees grow out of all bounds.
    """
    settings = {
        **parameters,
        "objective": "binary",
        "deterministic": True,
        "force_row_wise": True,
        "feature_pre_filter": False,
        "bagging_freq": 1,
        "verbosity": -1,
        "num_threads": 1,
        "data_random_seed": 1,
    }
    binned = lightgbm.Dataset(
        values, is_positive.astype(np.float32), weight=weight, init_score=start, params=settings, free_raw_data=False
    ).construct()
    opening = Lock()

    def train(job: Job) -> TreesText:
        # Opened in the thread that trains: LightGBM keeps its verbosity by thread.
        with opening:
            chosen = binned if job.rows is None else binned.subset(job.rows.tolist()).construct()
            booster = lightgbm.Booster({**settings, "seed": job.seed}, chosen)
        for _ in range(n_trees):
            booster.update()
        return _checked(booster.model_to_string(), values.shape[1])

    with ThreadPoolExecutor(n_threads) as pool:
        return list(pool.map(train, jobs))


def threads(n_jobs: int | None) -> int:
    """Return the number of threads that `n_jobs` asks for; None and -1 mean all cores given to this program.

    More than the cores are never started: they would gain nothing, and a million of them ends the process. Where
    `OMP_NUM_THREADS` says how many threads a process may have, as in a task of Spark, so many are its cores.
    """
    n_cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    given = os.environ.get("OMP_NUM_THREADS", "")
    n_cores = min(n_cores, int(given)) if given.isdigit() and int(given) else n_cores
    return n_cores if n_jobs is None or n_jobs < 1 else min(int(n_jobs), n_cores)


def open_booster(text: TreesText) -> Any:
    """Return the booster of a text that `grow` made or `rewrite_trees` wrote; LightGBM must be given no other."""
    return lightgbm.Booster(model_str=text)


def open_boosters(texts: Sequence[TreesText]) -> list[Any]:
    """Return the boosters of a model.

    Raises
    ------
    ModelError
        If the model is so large that it could not be loaded again.
    """
    n_signs = sum(map(len, texts))
    if n_signs > MOST_SIGNS:
        raise ModelError(
            f"model: its trees take {n_signs >> 20:,} MB as text; at most {MOST_SIGNS >> 20} MB are read. "
            "Lower n_estimators, num_leaves or n_bags."
        )
    return [open_booster(text) for text in texts]


def raw_scores(boosters: Sequence[Any], values: Float32Array, n_threads: int) -> Float64Array:
    """Return the mean log-odds over the bag, float64[n_rows]."""
    scores = np.zeros(len(values))
    for first in range(0, len(values), _CHUNK):
        rows = slice(first, first + _CHUNK)
        for booster in boosters:
            scores[rows] += booster.predict(values[rows], raw_score=True, num_threads=n_threads)
    return scores / len(boosters)


def staged_scores(boosters: Sequence[Any], values: Float32Array, step: int, n_threads: int) -> Float64Array:
    """Return the mean log-odds after every `step` trees, float64[n_stages, n_rows]; the last stage has all trees."""
    n_trees = boosters[0].num_trees()
    begins = range(0, n_trees, step)
    stages = np.zeros((len(begins), len(values)))
    for nth, first in enumerate(begins):
        for booster in boosters:
            stages[nth] += booster.predict(
                values, raw_score=True, start_iteration=first, num_iteration=step, num_threads=n_threads
            )
    return np.cumsum(stages, axis=0) / len(boosters)


def contributions(boosters: Sequence[Any], values: Float32Array, n_threads: int) -> Float64Array:
    """Return what each column added to the log-odds (TreeSHAP), float64[n_rows, n_columns]; some 1 ms a row."""
    total = np.zeros((len(values), values.shape[1] + 1))
    for booster in boosters:
        if len(values):
            total += booster.predict(values, pred_contrib=True, num_threads=n_threads)
    return total[:, :-1] / len(boosters)


def _checked(text: str, n_columns: int) -> TreesText:
    """Return the trees of a booster without its parameters, in the form in which a model is kept and read back."""
    head, _, rest = text.partition("\nparameters:\n")
    try:
        return rewrite_trees(head + rest.partition("end of parameters\n")[2] if rest else text, n_columns)
    except TreesError as error:
        raise ModelError(
            f"model: LightGBM {VERSION} grew trees that cannot be kept: {error}. If scores are too large, lower "
            "learning_rate or raise reg_lambda; else install the LightGBM that requirements.lock names."
        ) from error
