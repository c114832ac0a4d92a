"""A day of a bank: what adding a day's rows to a store and scoring take, beside preparing and scoring all rows.

    python benchmarks/daily.py --folder /tmp/daily --accounts 100000 --days 31 --memory 4GB --explain 1000

Simulates the bank into `--folder` (once; a folder that holds one is used again), trains a model on a small world, and
cuts off the last day: rows that happened, or became known, on it. *All rows*: `muledetect prepare` and `score`. *A
day*: `muledetect update` of a store of the days before, and `score`. Each command runs in a process of its own with
compiled kernels on disk; seconds are those of the clock and those of the processors. The scores must be equal.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import duckdb
import pyarrow.parquet as pq
from scale import make_bank, make_model

#: Clock by which rows of a table come; other tables are there from the beginning.
CLOCKS = {"transfers": "time", "sessions": "time", "calls": "known_ts", "complaints": "known_ts", "labels": "known_ts",
          "watchlists": "known_ts", "identifiers": "known_ts"}  # fmt: skip


def cut(bank: Path, moment: datetime, before: Path, day: Path) -> int:
    """Write the rows before a moment and those from it on to two folders; return the transfers of the second."""
    for folder in (before, day):
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
    bound = int(moment.timestamp() * 1_000_000)
    with duckdb.connect(config={"memory_limit": "2GB", "temp_directory": str(before / "scratch")}) as connection:
        for path in sorted(bank.glob("*.parquet")):
            clock, rows = CLOCKS.get(path.stem), f"SELECT * FROM read_parquet('{path}')"  # noqa: S608 - paths of ours
            if clock is None:
                os.link(path, before / path.name)
                continue
            for folder, is_asked in ((before, f"coalesce({clock} < make_timestamptz({bound}), true)"),
                                     (day, f"{clock} >= make_timestamptz({bound})")):  # fmt: skip
                connection.execute(f"COPY ({rows} WHERE {is_asked}) TO '{folder / path.name}' (FORMAT parquet)")
    shutil.rmtree(before / "scratch", ignore_errors=True)
    for path in day.glob("*.parquet"):
        if not pq.read_metadata(path).num_rows:
            path.unlink()
    return int(pq.read_metadata(day / "transfers.parquet").num_rows)


def run(*arguments: object) -> tuple[float, float]:
    """Run a command; return the seconds of the clock and of the processors."""
    begun = time.perf_counter()
    command = [sys.executable, "-m", "muledetect.cli", *map(str, arguments)]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, env={**os.environ, "MULEDETECT_MEMORY": ""})
    _, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"{' '.join(command)} ended with {process.returncode}")
    return time.perf_counter() - begun, used.ru_utime + used.ru_stime


def main() -> None:
    """Simulate, train, cut, run both ways, print."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--accounts", type=int, default=100_000)
    parser.add_argument("--days", type=int, default=31)
    parser.add_argument("--explain", type=int, default=1_000)
    parser.add_argument("--memory", default="4GB")
    parser.add_argument("--folder", type=Path, required=True)
    options = parser.parse_args()
    folder = options.folder
    bank, model = folder / "bank", folder / "model"
    folder.mkdir(exist_ok=True)
    make_bank(bank, options.accounts, options.days)
    make_model(model)
    rows = pq.read_metadata(bank / "transfers.parquet").num_rows
    last = pq.read_table(bank / "transfers.parquet", columns=["time"])["time"][-1].as_py()
    moment = datetime(last.year, last.month, last.day, tzinfo=UTC)
    n_new = cut(bank, moment, folder / "before", folder / "day")
    as_of, memory = (moment + timedelta(days=1)).date().isoformat(), ("--memory", options.memory)
    print(f"{options.accounts:,} accounts, {rows:,} transfers, {n_new:,} of them on the last day, "
          f"{options.explain:,} explained, --memory {options.memory}, {os.cpu_count()} cores, "
          f"load {os.getloadavg()[0]:.1f}\n")  # fmt: skip
    for name in ("all", "grown"):
        shutil.rmtree(folder / name, ignore_errors=True)
    run("prepare", folder / "before", "--output", folder / "grown", *memory)

    def score(store: str) -> tuple[float, float]:
        output = folder / f"{store}.parquet"
        asked = ("--model", model, "--as-of", as_of, "--explain", options.explain, "--output", output, "--overwrite")
        return run("score", folder / store, *asked, *memory)

    took = {
        ("all rows", "prepare"): run("prepare", bank, "--output", folder / "all", *memory),
        ("all rows", "score"): score("all"),
    }
    shutil.rmtree(folder / "all")  # a store takes 400 bytes a transfer, and an update makes one more
    took |= {
        ("a day", "update"): run("update", folder / "grown", folder / "day", *memory),
        ("a day", "score"): score("grown"),
    }
    print("| run | command | seconds | of processors |\n|---|---|---|---|")
    for (which, command), (seconds, of_processors) in took.items():
        print(f"| {which} | {command} | {seconds:.0f} | {of_processors:.0f} |")
    sums = [sum(spent[1] for (which, _), spent in took.items() if which == name) for name in ("a day", "all rows")]
    same = pq.read_table(folder / "all.parquet").equals(pq.read_table(folder / "grown.parquet"))
    print(f"\nequal scores: {'yes' if same else 'NO'}; a day takes {sums[0] / sums[1]:.2f} of all rows, in seconds of "
          "processors")  # fmt: skip


if __name__ == "__main__":
    main()
