"""A model folder that was changed anywhere, with right hashes, is refused or scores as it says; never does it crash."""

from __future__ import annotations

import json
import subprocess
import sys
from collections import Counter
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from model_changes import judge

from muledetect.model import MuleModel
from muledetect.model.fitted import TrainedOn

SEED = 16
N_CHANGES = 2_000
NAMES = ["listed_share__window_30d", "account_age", "of_my_own"]


def rows(n: int, seed: int) -> np.ndarray:
    """Return numbers with gaps, zeros and a column that is known or not, so that every kind of split occurs."""
    rng = np.random.default_rng(seed)
    values = rng.normal(size=(n, 3))
    values[:, 1] = np.where(rng.random(n) < 0.5, np.nan, 1.0)
    values[rng.random(n) < 0.2, 0] = np.nan
    values[rng.random(n) < 0.2, 2] = 0
    return values.astype(np.float32)


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two models: named columns, directions and a class prior; and none of these, but an isotonic curve."""
    source = tmp_path_factory.mktemp("models")
    values = rows(400, 0)
    y = (np.nan_to_num(values[:, 0]) + np.isnan(values[:, 1]) > 0.9).astype(float)
    options = {"n_estimators": 4, "num_leaves": 6, "n_bags": 2, "n_jobs": 1}
    named = MuleModel(**options, monotone=True, positive_weight="sqrt")
    origin = TrainedOn("ever", "TH", 1_000_000, "THB", "f" * 64, "negative")
    features = pd.DataFrame(values, columns=NAMES).assign(as_of=np.arange(400) % 2)
    named.fit(features, y, trained_on=origin).save(source / "model1")
    MuleModel(**options, calibration="isotonic").fit(values, y).save(source / "model2")
    extremes = np.array([[3e38, np.nan, -3e38], [0, 0, 0], [np.nan] * 3, [1e-40, 1, -0.0]], dtype=np.float32)
    np.save(source / "rows.npy", np.vstack([rows(12, 1), extremes]))
    return source


def test_the_models_themselves_are_sound(models: Path) -> None:
    for name in ("model1", "model2"):
        assert judge(models / name, np.load(models / "rows.npy")) == "sound"


@pytest.mark.slow
def test_no_changed_model_folder_crashes_or_scores_otherwise_than_it_says(models: Path) -> None:
    print(f"seed {SEED}")
    results: dict[int, list[object]] = {}
    first = 0
    while first < N_CHANGES:
        command = [sys.executable, Path(__file__).with_name("model_changes.py"), models, str(SEED), str(first)]
        ended = subprocess.run([*command, str(N_CHANGES)], capture_output=True, text=True, check=False)
        lines = [
            json.loads(line)
            for line in ended.stdout.splitlines()
            if line.startswith(("[0", "[1", "[2", "[3", "[4", "[5", "[6", "[7", "[8", "[9"))
        ]
        results |= {line[0]: line for line in lines if len(line) == 3}
        if not ended.returncode:
            break
        assert lines, ended.stderr  # it did not even begin
        nth, what = lines[-1][:2]
        results[nth] = [nth, what, f"ended with status {ended.returncode}: {ended.stderr[-300:]}"]
        first = nth + 1
    wrong = [line for line in results.values() if line[2] not in ("refused", "sound")]
    counts = Counter(str(line[2]) for line in results.values() if line not in wrong)
    assert not wrong, f"seed {SEED}: {len(wrong)} of {N_CHANGES} changes went wrong, such as {wrong[:5]}"
    assert len(results) == N_CHANGES
    assert counts["sound"] >= 50, counts  # else this test would pass if nothing could be loaded
    assert counts["refused"] >= 1_000, counts
