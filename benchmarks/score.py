"""Score a large bank with one process: time and peak memory of `muledetect score`, reasons for the top 10,000.

    python benchmarks/score.py --accounts 1000000 --days 25 --explain 10000 --folder /tmp/bank

Simulates the bank into `--folder` (once; a folder that holds one is used again), trains a model on a small world of
the same preset, and runs `score` in a fresh process on two threads. Time is that of the whole process, reading and
checking the tables included; memory is its peak resident set (VmHWM). Compiled kernels are on disk before it starts.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import resource
import subprocess
import sys
import tempfile
import time
from datetime import timedelta
from pathlib import Path

import pyarrow.parquet as pq

from muledetect import __version__, pipeline
from muledetect.clock import DAY, format_time
from muledetect.simulation import world_config, write_world


def train(folder: Path) -> None:
    """Train on a small world, which also compiles the kernels, and score it once."""
    write_world(world_config("thai_bank", n_accounts=6_000, n_days=70, mule_share=0.03), folder / "small")
    moments = ["2025-01-20", "2025-01-25", "2025-01-30"]
    pipeline.train(folder / "small", moments, pack="TH", output=folder / "model")
    pipeline.score(folder / "small", folder / "model", "2025-02-25", output=folder / "small.parquet")


def run(bank: Path, model: Path, output: Path, as_of: str, n_explained: int) -> tuple[float, float]:
    """Return seconds and peak GB of one `muledetect score`."""
    command = [sys.executable, "-m", "muledetect.cli", "score", str(bank), "--model", str(model), "--as-of", as_of]
    command += ["--output", str(output), "--explain", str(n_explained)]
    begun = time.perf_counter()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    seconds = time.perf_counter() - begun
    return seconds, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 2**20


def main() -> None:
    """Simulate, train, score, print."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--accounts", type=int, default=1_000_000)
    parser.add_argument("--days", type=int, default=25)
    parser.add_argument("--explain", type=int, default=10_000)
    parser.add_argument("--folder", type=Path, required=True)
    options = parser.parse_args()
    if not (options.folder / "transfers.parquet").exists():
        write_world(world_config("thai_bank", n_accounts=options.accounts, n_days=options.days, seed=1), options.folder)
    n_transfers = pq.read_metadata(options.folder / "transfers.parquet").num_rows
    n_accounts = json.loads((options.folder / "world.json").read_text())["parameters"]["n_accounts"]
    last = pq.read_table(options.folder / "transfers.parquet", columns=["time"])["time"][-1].value
    as_of = format_time((last // DAY + 1) * DAY)
    print(f"{platform.processor() or platform.machine()}, {os.cpu_count()} threads, muledetect {__version__}")
    with tempfile.TemporaryDirectory() as scratch:
        train(Path(scratch))
        output = Path(scratch) / "scores.parquet"
        seconds, peak = run(options.folder, Path(scratch) / "model", output, as_of, options.explain)
        n_scored = pq.read_metadata(output).num_rows
        explained = sum(bool(row) for row in pq.read_table(output, columns=["reasons"])["reasons"].to_pylist())
    print(
        f"{n_accounts:,} accounts, {n_transfers:,} transfers: {n_scored:,} scored, {explained:,} explained in ", end=""
    )
    print(f"{timedelta(seconds=round(seconds))}, peak {peak:.1f} GB")


if __name__ == "__main__":
    main()
