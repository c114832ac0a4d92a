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

from muledetect.errors import ModelError

Float32Array = npt.NDArray[np.float32]
Float64Array = npt.NDArray[np.float64]

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
) -> list[str]:
    """Train a booster for each job and return them as text, in the order of the jobs.

    Boosters run side by side, each in one thread: LightGBM's own threads wait for one another at every split, which on
    a machine that does anything else costs up to a hundred times the work (measured). Rows are binned once for all.
    The text holds the trees only, not the parameters.
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
        values, is_positive.astype(np.float32), weight=weight, params=settings, free_raw_data=False
    ).construct()
    opening = Lock()

    def train(job: Job) -> str:
        # Opened in the thread that trains: LightGBM keeps its verbosity by thread.
        with opening:
            chosen = binned if job.rows is None else binned.subset(job.rows.tolist()).construct()
            booster = lightgbm.Booster({**settings, "seed": job.seed}, chosen)
        for _ in range(n_trees):
            booster.update()
        return _trees_only(booster.model_to_string())

    with ThreadPoolExecutor(n_threads) as pool:
        return list(pool.map(train, jobs))


def threads(n_jobs: int | None) -> int:
    """Return the number of threads that `n_jobs` asks for; None and -1 mean all cores given to this program."""
    n_cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return n_cores if n_jobs is None or n_jobs < 1 else n_jobs


def open_booster(text: str) -> Any:
    """Return the booster of a text that `grow` made, or that `check_trees` passed."""
    return lightgbm.Booster(model_str=text)


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


def _trees_only(text: str) -> str:
    head, _, rest = text.partition("\nparameters:\n")
    return head + rest.partition("end of parameters\n")[2] if rest else text


def check_trees(text: str, n_columns: int) -> None:
    """Refuse text that LightGBM could not read safely: it trusts the lengths and positions that a file states.

    Raises
    ------
    ModelError
        If the trees are not those of a plain binary model on `n_columns` numeric columns.
    """
    try:
        blocks = text.partition("end of trees")[0].split("\nTree=")
        head = _fields(blocks[0])
        if (head["num_class"], head["num_tree_per_iteration"]) != ("1", "1"):
            raise ValueError("more than one class")
        if int(head["max_feature_idx"]) != n_columns - 1 or not head["objective"].startswith("binary "):
            raise ValueError("other columns or objective")
        if len(head["feature_names"].split()) != n_columns or len(head["feature_infos"].split()) != n_columns:
            raise ValueError("other number of columns")
        sizes = [int(size) for size in head["tree_sizes"].split()]
        if len(sizes) != len(blocks) - 1:
            raise ValueError("other number of trees")
        for block in blocks[1:]:
            _check_tree(_fields("Tree=" + block), n_columns)
        _check_sizes(text, sizes)
    except (KeyError, ValueError, OverflowError) as error:
        raise ModelError(f"trees: the text is damaged ({error}). Restore the folder or train the model again.") from (
            error
        )


def _check_sizes(text: str, sizes: Sequence[int]) -> None:
    raw = text.encode()
    at = raw.index(b"\nTree=") + 1
    for size in sizes:
        if size <= 0 or not raw.startswith(b"Tree=", at):
            raise ValueError("wrong tree sizes")
        at += size
    if not raw.startswith(b"end of trees", at):
        raise ValueError("wrong tree sizes")


def _fields(block: str) -> dict[str, str]:
    return {key: value for key, _, value in (line.partition("=") for line in block.splitlines() if "=" in line)}


def _check_tree(tree: Mapping[str, str], n_columns: int) -> None:
    n_leaves = int(tree["num_leaves"])
    if int(tree["num_cat"]) != 0 or int(tree.get("is_linear", "0")) != 0:
        raise ValueError("categorical or linear tree")
    if not 1 <= n_leaves <= 4096 or len(_numbers(tree, "leaf_value")) != n_leaves:
        raise ValueError("wrong number of leaves")
    n_splits = n_leaves - 1
    if not n_splits:
        return
    columns, left, right = (_integers(tree, name) for name in ("split_feature", "left_child", "right_child"))
    lengths = {len(columns), len(left), len(right), len(_numbers(tree, "threshold"))}
    lengths |= {len(_integers(tree, "decision_type")), len(_numbers(tree, "internal_count"))}
    if lengths != {n_splits} or not all(0 <= column < n_columns for column in columns):
        raise ValueError("split out of range")
    for node, child in [*enumerate(left), *enumerate(right)]:
        # a child stands after its parent, so no walk down a tree can go in a circle
        if not (node < child < n_splits or -n_leaves <= child < 0):
            raise ValueError("child out of range")


def _integers(tree: Mapping[str, str], name: str) -> list[int]:
    return [int(text) for text in tree[name].split()]


def _numbers(tree: Mapping[str, str], name: str) -> list[float]:
    numbers = [float(text) for text in tree[name].split()]
    # a threshold may be infinite: it parts the rows without value from all others
    if np.isnan(numbers).any():
        raise ValueError(f"{name} is not a number")
    return numbers
