"""Killing `score` at any moment leaves the old output or the new one."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import pyarrow.parquet as pq

from muledetect.model import MuleModel
from muledetect.pipeline import score, simulate, train
from muledetect.records import read_dataset

AS_OF = "2025-02-25"


def test_a_killed_score_leaves_the_old_or_the_new_output(tmp_path: Path) -> None:
    simulate(tmp_path / "data", n_accounts=300, n_days=60, seed=2, least_mules=40)
    dataset = read_dataset(tmp_path / "data")
    model = train(dataset, "2025-02-20", target="ever", model=MuleModel(n_estimators=10, n_bags=1))
    model.save(tmp_path / "model")
    output = tmp_path / "scores.parquet"
    command = [sys.executable, "-m", "muledetect.cli", "score", str(tmp_path / "data"), "--as-of", AS_OF]
    command += ["--model", str(tmp_path / "model"), "--output", str(output)]
    started = time.monotonic()
    subprocess.run(command, check=True, capture_output=True)
    whole_run = time.monotonic() - started
    new = output.read_bytes()
    score(dataset, model, "2025-01-15", output=output)
    old = output.read_bytes()
    assert old != new
    for part in (0.3, 0.6, 0.8, 0.9, 0.95, 1.0):
        score(dataset, model, "2025-01-15", output=output)
        running = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        time.sleep(whole_run * part)
        running.kill()
        running.wait()
        assert output.read_bytes() in (old, new)
        assert pq.read_table(output).num_rows > 0
