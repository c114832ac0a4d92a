"""Prepare a store of a bank, beside reading the bank into memory: seconds, rows a second, peaks of memory, bytes.

    python benchmarks/store.py --folder /tmp/bank --accounts 80000 --days 25 --copies 16 --memory 4GB

Simulates a bank into `--folder` (once; a folder that holds one is used again). With `--copies` the same bank comes
several times, each time with ids of its own, as one data set of several files. Each way runs in a process of its own on
two threads, after one small run that compiles the kernels. *Own memory* is what the process holds (RssAnon), *pages of
files* what the system keeps for it of mapped files and can take back (RssFile), each at its own peak, sampled every
20 ms. `read` is `read_dataset`, `prepare` makes the store, `open` opens it with all sums and builds the graph.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from _peaks import EVERY, resident

from muledetect import engine
from muledetect.graph import build_graph
from muledetect.records import read_dataset
from muledetect.schema import INPUTS
from muledetect.simulation import world_config, write_world

#: Values of these columns are shared between banks.
_SHARED = (
    "currency",
    "channel",
    "status",
    "kind",
    "event",
    "label",
    "scam_type",
    "category",
    "source_bank",
    "target_bank",
    "bank_id",
)


def watch(peaks: dict[str, int]) -> None:
    """Keep the peaks of this process."""
    while True:
        for field in ("RssAnon", "RssFile"):
            peaks[field] = max(peaks.get(field, 0), resident(field))
        time.sleep(EVERY)


def copy_bank(bank: Path, copies: int, output: Path) -> None:
    """Write a data set of several copies of a bank, each with ids of its own."""
    for name in INPUTS:
        if not (bank / f"{name}.parquet").exists() or name.startswith("truth_"):
            continue
        table = pq.read_table(bank / f"{name}.parquet")
        (output / name).mkdir(parents=True)
        for copy in range(copies):
            made = table
            for place, field in enumerate(table.schema):
                if field.type == pa.string() and field.name not in _SHARED:
                    cells = pc.binary_join_element_wise(str(copy), table[field.name], "-")
                    made = made.set_column(place, field.name, cells)
            pq.write_table(made, output / name / f"{copy:03d}.parquet", compression="zstd")


def run(way: str, source: Path, store: Path, memory: str) -> dict[str, Any]:
    """Return what one way took, in a process of its own."""
    line = [sys.executable, __file__, "--way", way, "--folder", str(source), "--output", str(store), "--memory", memory]
    done = subprocess.run(line, check=True, capture_output=True, text=True)
    return dict(json.loads(done.stdout.splitlines()[-1]))


def work(way: str, source: Path, store: Path, memory: str) -> None:
    """Do one way here, and print what it took."""
    peaks: dict[str, int] = {"imports": resident("RssAnon")}
    threading.Thread(target=watch, args=(peaks,), daemon=True).start()
    stages: dict[str, float] = {}
    begun = last = time.perf_counter()

    def progress(stage: str, _share: float) -> None:
        nonlocal last
        now = time.perf_counter()
        stages[stage.split(",", maxsplit=1)[0]] = stages.get(stage.split(",", maxsplit=1)[0], 0.0) + now - last
        last = now

    if way == "read":
        read_dataset(source, progress=progress)
    elif way == "prepare":
        engine.prepare(source, store, memory=memory, progress=progress)
    else:
        build_graph(engine.open_store(store, progress=progress).dataset)
    seconds = time.perf_counter() - begun
    peaks["VmHWM"] = resident("VmHWM")
    print(json.dumps({"way": way, "seconds": seconds, "cpu": sum(os.times()[:2]), **peaks, "stages": stages}))


def main() -> None:
    """Simulate, copy, run each way, print."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--accounts", type=int, default=80_000)
    parser.add_argument("--days", type=int, default=25)
    parser.add_argument("--copies", type=int, default=1)
    parser.add_argument("--memory", default="4GB")
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--ways", default="read,prepare,open")
    parser.add_argument("--way", help=argparse.SUPPRESS)
    parser.add_argument("--output", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.way:
        work(options.way, options.folder, options.output, options.memory)
        return
    bank = options.folder / "bank"
    if not bank.exists():
        write_world(world_config("thai_bank", n_accounts=options.accounts, n_days=options.days, seed=1), bank)
    source = bank
    if options.copies > 1:
        source = options.folder / f"copies-{options.copies}"
        if not source.exists():
            copy_bank(bank, options.copies, source)
    store = options.folder / f"store-{options.copies}"
    shutil.rmtree(store, ignore_errors=True)
    n_rows = (
        sum(pq.read_metadata(path).num_rows for path in source.rglob("transfers*/*.parquet"))
        if source != bank
        else (pq.read_metadata(bank / "transfers.parquet").num_rows)
    )
    print(f"{n_rows:,} transfers, {os.cpu_count()} cores, --memory {options.memory}")
    for way in options.ways.split(","):
        took = run(way, source, store, options.memory)
        stages = {name: round(spent, 1) for name, spent in took["stages"].items() if spent >= 1.0}
        print(
            f"{way:8} {took['seconds']:6.1f} s ({took['cpu']:.1f} s of processor), "
            f"{n_rows / took['seconds'] / 1e6:.2f}M rows/s, own memory {took['RssAnon'] / 1e9:.2f} GB, "
            f"pages of files {took['RssFile'] / 1e9:.2f} GB, peak {took['VmHWM'] / 1e9:.2f} GB; stages {stages}"
        )
    if store.exists():
        size = {
            part: sum(p.stat().st_size for p in (store / part).rglob("*") if p.is_file())
            for part in ("transfers", "mapped")
        }
        print(f"store: Parquet of transfers {size['transfers'] / 1e9:.2f} GB, mapped {size['mapped'] / 1e9:.2f} GB")


if __name__ == "__main__":
    main()
