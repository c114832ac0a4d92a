"""How many mules each method finds, at each setting of the dial `evasion`."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, TypeAlias

import numpy as np
import numpy.typing as npt
import pandas as pd
from _realism_crime import speed
from _realism_world import read_world
from scipy.stats import rankdata

from muledetect.clock import DAY
from muledetect.evaluation import average_precision, bootstrap_interval, rule_columns
from muledetect.evaluation.baselines import baseline_scores
from muledetect.evaluation.measure import test_points
from muledetect.features import extract, feature_names
from muledetect.labels import ring_groups
from muledetect.labels.targets import labelled_points
from muledetect.simulation import WorldConfig, world_config, write_world

Float64 = npt.NDArray[np.float64]
Metric = Callable[[Float64, Float64, Float64], float]

SHOWN: Final = ("random", "rules only", "LightGBM without graph", "this model")
SHARE: Final = 0.005
PACK: Final = "TH"


@dataclass(frozen=True, eq=False)
class Ranked:
    """One world's test accounts: true mule or not, the ring or person they belong to, and scores by method.

    `n_known` mules were known in training; `gone` is the share of stolen money that left within some times.
    """

    target: Float64
    group: npt.NDArray[np.int64]
    scores: Mapping[str, Float64]
    n_known: int
    gone: Mapping[str, float]


def rank_world(config: WorldConfig) -> Ranked:
    """Simulate a world, train on what its bank knew at two thirds of the time, and rank its accounts at the end.

    The target is the whole truth: a ring used the account. Rings and persons whose mules were known in training are
    left out. Model and baselines read the same columns; rules read theirs.
    """
    with tempfile.TemporaryDirectory() as folder:
        write_world(config, Path(folder) / "world")
        world = read_world(Path(folder) / "world", config)
    dataset = world.dataset
    times = dataset.transfers["time"].cast("int64")
    end = times[-1].as_py() // DAY * DAY + DAY
    trained_at = end - config.n_days // 3 * DAY
    points, y, _ = labelled_points(dataset, trained_at, target="ever", known_by=trained_at)
    at, truth, _ = test_points(dataset, end, target="ever", use_truth=True)
    train_groups, test_groups = ring_groups(dataset, points), ring_groups(dataset, at)
    unseen = ~np.isin(test_groups, train_groups[y == 1])
    names = feature_names(pack=PACK, long_term=True)
    wanted = list(dict.fromkeys([*names, *rule_columns(PACK)]))
    scores = baseline_scores(
        extract(dataset, points, names, pack=PACK),
        y,
        extract(dataset, at[unseen], wanted, pack=PACK),
        groups=train_groups,
        seed=config.seed,
    )
    return Ranked(truth[unseen], test_groups[unseen], scores, int((y == 1).sum()), speed(world))


def pool(worlds: Sequence[Ranked], n_draws: int = 200) -> pd.DataFrame:
    """Return average precision, recall and precision of each method over several worlds, with 95% intervals.

    Scores are ranked within each world first. The interval draws whole rings and persons with replacement.
    """
    target = np.concatenate([world.target for world in worlds])
    block = np.concatenate([world.group + number * (1 << 40) for number, world in enumerate(worlds)])
    rows = {}
    for method in SHOWN:
        score = np.concatenate([rankdata(world.scores[method]) / len(world.target) for world in worlds])
        row: dict[str, float] = {}
        for name, metric in METRICS.items():
            row[name] = metric(target, score, np.ones(len(target)))
            low, high = bootstrap_interval(metric, target, score, block, n_draws=n_draws)
            row[f"{name}_low"], row[f"{name}_high"] = low, high
        rows[method] = row
    return pd.DataFrame.from_dict(rows, orient="index")


def recall_of_share(target: Float64, score: Float64, weight: Float64) -> float:
    """Return the share of all positives among the highest `SHARE` of the rows, by weight; NaN without positives."""
    shown = _shown(score, weight)
    whole = float((target * weight).sum())
    return float((target * shown).sum()) / whole if whole else float("nan")


def precision_of_share(target: Float64, score: Float64, weight: Float64) -> float:
    """Return the share of positives among the highest `SHARE` of the rows, by weight."""
    shown = _shown(score, weight)
    return float((target * shown).sum() / shown.sum())


def recall_at_half(target: Float64, score: Float64, weight: Float64) -> float:
    """Return the most positives, as a share, that any threshold finds with at least every second row positive."""
    levels, level = np.unique(-score, return_inverse=True)
    rows = np.cumsum(np.bincount(level, weight, len(levels)))
    hits = np.cumsum(np.bincount(level, weight * target, len(levels)))
    useful = hits[(hits > 0) & (2 * hits >= rows)]
    return float(useful.max(initial=0.0) / hits[-1]) if hits[-1] else float("nan")


#: What is told of each method.
METRICS: Final[Mapping[str, Metric]] = {
    "ap": average_precision,
    "recall": recall_of_share,
    "precision": precision_of_share,
    "half": recall_at_half,
}


def _shown(score: Float64, weight: Float64) -> Float64:
    """Return the weight of each row that is shown; rows that tie for the last places each count in part."""
    budget = SHARE * weight.sum()
    levels, level = np.unique(-score, return_inverse=True)
    mass = np.bincount(level, weight, len(levels))
    before = np.cumsum(mass) - mass
    part = np.clip((budget - before) / np.maximum(mass, 1e-300), 0, 1)
    return np.asarray(weight * part[level], np.float64)


#: By setting of `evasion`: the pooled table, and the worlds that it was pooled from.
Dial: TypeAlias = dict[float, tuple[pd.DataFrame, list[Ranked]]]


def dial(
    preset: str, base: Mapping[str, Any], settings: Sequence[float], seeds: Sequence[int], tell: Callable[[str], None]
) -> Dial:
    """Rank worlds at each setting of `evasion` and each seed."""
    found: Dial = {}
    for setting in settings:
        worlds = []
        for seed in seeds:
            tell(f"evasion {setting:g}, seed {seed}")
            worlds.append(rank_world(world_config(preset, **base, evasion=setting, seed=seed)))
        found[setting] = (pool(worlds), worlds)
    return found
