"""Trees that are packed into arrays score as LightGBM does, bit for bit."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from muledetect.model import MuleModel, estimator, trees
from muledetect.model.packed import PackedTrees, pack_trees

N_COLUMNS = 6


def learnt(seed: int, **options: Any) -> MuleModel:
    """A model of columns with gaps, without gaps, of whole numbers, of one value, and of 0 and tiny numbers."""
    rng = np.random.default_rng(seed)
    values = rng.normal(size=(600, N_COLUMNS)) * 10.0 ** rng.integers(-3, 6, N_COLUMNS)
    values[rng.random(600) < 0.3, 0] = np.nan
    values[:, 2] = rng.integers(0, 4, 600)
    values[:, 3] = 7.0
    values[:, 4] = rng.choice([0.0, 1e-36, -1e-36, 1e-30, 1.0], 600)
    y = (np.nan_to_num(values[:, 0]) + values[:, 2] * values[:, 4] > np.median(values[:, 2])).astype(float)
    y = np.where(rng.random(600) < 0.2, 1 - y, y)
    model: MuleModel = MuleModel(n_jobs=1, **options).fit(values.astype(np.float32), y)
    return model


def probes(packed: PackedTrees, seed: int, n: int = 500) -> np.ndarray:
    """Rows around every threshold, without value, at 0, and as far out as numbers go."""
    rng = np.random.default_rng(seed)
    values = rng.normal(size=(n, N_COLUMNS)).astype(np.float32)
    for column in range(N_COLUMNS):
        near = packed.threshold[packed.column % N_COLUMNS == column]
        near = np.concatenate([near, np.nextafter(near, np.float32(np.inf)), np.nextafter(near, np.float32(-np.inf))])
        far = np.array([0, -0.0, np.nan, 1e-35, 1.1e-35, -1e-36, 1e-40, 3e38, -3e38], np.float32)
        at = rng.random(n) < 0.9
        values[at, column] = rng.choice(np.concatenate([near, far]), at.sum())
    return np.where(np.isinf(values), np.float32(1), values)


@pytest.mark.parametrize(
    "options",
    [
        {"n_estimators": 30, "n_bags": 3},
        {"n_estimators": 12, "n_bags": 2, "num_leaves": 40, "min_child_samples": 2},
        {"n_estimators": 6, "n_bags": 2, "num_leaves": 200, "min_child_samples": 1, "reg_lambda": 0.01},
        {"n_estimators": 5, "n_bags": 1, "num_leaves": 2},
        {"n_estimators": 5, "n_bags": 2, "min_child_samples": 5_000},
    ],
)
def test_scores_are_those_of_lightgbm(options: dict[str, Any]) -> None:
    model = learnt(len(options), **options)
    packed = pack_trees(model.texts_, N_COLUMNS)
    assert (np.diff(packed.part).max() > 1) == (options.get("num_leaves", 0) > 32)
    for n in (1, 2, 7, 8, 31, 32, 33, 500):
        rows = probes(packed, n)[:n]
        assert packed.raw_scores(rows).tobytes() == trees.raw_scores(model.boosters_, rows, 1).tobytes()
    assert len(packed.raw_scores(np.empty((0, N_COLUMNS), np.float32))) == 0


def test_a_model_gives_many_rows_to_packed_trees_and_their_scores_are_those_of_lightgbm(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    model = learnt(3, n_estimators=20, n_bags=2)
    rows = probes(pack_trees(model.texts_, N_COLUMNS), 1)
    few = model.decision_function(rows)
    monkeypatch.setattr(estimator, "MANY", 1)
    monkeypatch.setattr(trees, "raw_scores", None)  # LightGBM is not asked
    assert model.decision_function(rows).tobytes() == few.tobytes()
