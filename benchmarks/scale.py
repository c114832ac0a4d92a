"""Score one bank with all tables in memory and with a limit of memory: seconds, peaks, bytes moved; beside DuckDB.

    python benchmarks/scale.py --folder /tmp/bank --accounts 100000 --days 31 --memory 2GB --explain 10000

Simulates the bank into `--folder` (once; a folder that holds one is used again) and trains a model on a small world.
Each way runs in a process of its own on two threads, with compiled kernels on disk. *Own memory* is what the process
holds (RssAnon), *pages of files* what the system keeps for it of its mapped files and can take back (RssFile), each at
its own peak, sampled every 20 ms; *peak* is VmHWM, both together at one moment. The scores of both ways must be equal.
DuckDB scans the transfers, sorts them by account and time and writes them.

With `--prepare` the data set is made a store once (`muledetect prepare`) and the limited way opens that.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from datetime import timedelta
from pathlib import Path

import pyarrow.parquet as pq
from _peaks import EVERY, resident

MODEL_AT = ["2025-01-20", "2025-01-25", "2025-01-30"]


class Watch:
    """Peaks of this process by stage, sampled in a thread."""

    def __init__(self) -> None:
        self.stage, self.begun, self.stages = "start", time.perf_counter(), {}
        threading.Thread(target=self._sample, daemon=True).start()

    def _sample(self) -> None:
        while True:
            own, files = resident("RssAnon"), resident("RssFile")
            before = self.stages.setdefault(self.stage, [0, 0, 0.0])
            now = time.perf_counter()
            self.stages[self.stage] = [max(before[0], own), max(before[1], files), before[2] + now - self.begun]
            self.begun = now
            time.sleep(EVERY)

    def __call__(self, stage: str, _share: float) -> None:
        self.stage = "reading" if stage.startswith(("reading", "looking", "ordering", "checking")) else stage


def score_here(source: str, model: str, as_of: str, n_explained: int, memory: str, out: str) -> None:
    """Score in this process; print what it took as JSON."""
    import muledetect.features  # noqa: F401, PLC0415 (imports are not what is measured)
    from muledetect import pipeline  # noqa: PLC0415
    from muledetect.records import read_dataset  # noqa: F401, PLC0415

    imported, watch, begun = resident("RssAnon"), Watch(), time.perf_counter()
    limit = None if memory == "none" else memory
    pipeline.score(source, model, as_of, n_explained=n_explained, memory=limit, output=out, progress=watch)
    seconds = time.perf_counter() - begun
    times, moved = os.times(), dict(line.split(": ") for line in Path("/proc/self/io").read_text().splitlines())
    print(
        json.dumps(
            {
                "seconds": seconds, "user": times.user, "system": times.system, "imports": imported,
                "own": max(own for own, _, _ in watch.stages.values()),
                "files": max(files for _, files, _ in watch.stages.values()), "peak": resident("VmHWM"),
                "read": int(moved["read_bytes"]), "written": int(moved["write_bytes"]), "stages": watch.stages,
            }
        )
    )  # fmt: skip


def sort_in_duckdb(transfers: Path, out: Path, threads: int) -> float:
    """Return the seconds of scan, sort and write."""
    import duckdb  # noqa: PLC0415

    begun = time.perf_counter()
    with duckdb.connect() as connection:
        connection.execute(f"SET threads={threads}")
        connection.execute(
            f"COPY (SELECT * FROM read_parquet('{transfers}') ORDER BY source, time) TO '{out}' (FORMAT parquet, "  # noqa: S608 - paths of ours
            "COMPRESSION zstd)"
        )
    return time.perf_counter() - begun


def make_bank(folder: Path, accounts: int, days: int) -> None:
    """Simulate the bank, unless the folder holds one."""
    from muledetect.simulation import world_config, write_world  # noqa: PLC0415

    if not (folder / "transfers.parquet").exists():
        write_world(world_config("thai_bank", n_accounts=accounts, n_days=days, seed=1), folder)


def make_model(folder: Path) -> None:
    """Train on a small world, unless the folder holds a model, and score it once: this compiles the kernels."""
    from muledetect import pipeline  # noqa: PLC0415
    from muledetect.simulation import world_config, write_world  # noqa: PLC0415

    if not folder.exists():
        with tempfile.TemporaryDirectory() as scratch:
            small = Path(scratch) / "small"
            write_world(world_config("thai_bank", n_accounts=6_000, n_days=70, mule_share=0.03), small)
            pipeline.train(small, MODEL_AT, pack="TH", output=folder)
            pipeline.score(small, folder, "2025-02-25", output=Path(scratch) / "scores.parquet")
            pipeline.score(small, folder, "2025-02-25", memory="1GB", output=Path(scratch) / "again.parquet")


def run(command: list[str]) -> dict[str, object]:
    """Return what a process of this script printed last."""
    done = subprocess.run(
        [sys.executable, __file__, *command],
        check=True,
        stdout=subprocess.PIPE,
        env={**os.environ, "MULEDETECT_MEMORY": ""},
    )
    return json.loads(done.stdout.splitlines()[-1]) if done.stdout else {}


def told(what: str, found: dict, n_transfers: int) -> str:
    """Return one line of the table."""
    n_bytes = found["own"] / n_transfers
    figures = [f"{found['seconds']:.0f}", f"{found['user'] + found['system']:.0f}", f"{found['own'] / 1e9:.2f}"]
    figures += [f"{n_bytes:.0f}", f"{found['files'] / 1e9:.2f}", f"{found['peak'] / 1e9:.2f}"]
    figures += [f"{found['read'] / 1e9:.1f}", f"{found['written'] / 1e9:.1f}"]
    return f"| {what} | " + " | ".join(figures) + " |"


def main() -> None:
    """Simulate, train, score in both ways, sort, print."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--accounts", type=int, default=1_000_000)
    parser.add_argument("--days", type=int, default=31)
    parser.add_argument("--explain", type=int, default=10_000)
    parser.add_argument("--memory", default="4GB")
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--model", type=Path, help="a model of an earlier run; it is made there if it is not there")
    parser.add_argument("--prepare", action="store_true", help="the limited way opens a store")
    parser.add_argument("--limited-only", action="store_true", help="the bank does not fit in memory otherwise")
    parser.add_argument("--job", nargs="+", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.job:
        job, *given = options.job
        {"bank": lambda: make_bank(options.folder, options.accounts, options.days),
         "model": lambda: make_model(Path(given[0])),
         "score": lambda: score_here(*given[:3], int(given[3]), *given[4:])}[job]()  # fmt: skip
        return
    compare(options)


def compare(options: argparse.Namespace) -> None:
    """Run each way in a process of its own, and print the table."""
    sizes = ["--folder", str(options.folder), "--accounts", str(options.accounts), "--days", str(options.days)]
    run([*sizes, "--job", "bank"])
    model = options.model or options.folder.with_name(options.folder.name + "-model")
    run([*sizes, "--job", "model", str(model)])
    rows = pq.read_metadata(options.folder / "transfers.parquet").num_rows
    last = pq.read_table(options.folder / "transfers.parquet", columns=["time"])["time"][-1].as_py()
    with tempfile.TemporaryDirectory(dir=options.folder.parent) as scratch:
        source, folder, ways = options.folder, Path(scratch), {}
        if options.prepare:
            source = folder / "store"
            begun = time.perf_counter()
            command = ["-m", "muledetect.cli", "prepare", str(options.folder), "--output", str(source)]
            subprocess.run(
                [sys.executable, *command, "--memory", options.memory], check=True, stdout=subprocess.DEVNULL
            )
            print(f"prepare: {time.perf_counter() - begun:.0f} s")
        asked = [str(model), (last.date() + timedelta(days=1)).isoformat(), str(options.explain)]
        if not options.limited_only:
            ways["in memory"] = run(
                [*sizes, "--job", "score", str(options.folder), *asked, "none", f"{folder}/a.parquet"]
            )
        ways[options.memory] = run(
            [*sizes, "--job", "score", str(source), *asked, options.memory, f"{folder}/b.parquet"]
        )
        if not options.limited_only:
            same = pq.read_table(folder / "a.parquet").equals(pq.read_table(folder / "b.parquet"))
            print(f"equal scores: {'yes' if same else 'NO'}")
        sorting = sort_in_duckdb(options.folder / "transfers.parquet", folder / "sorted.parquet", os.cpu_count() or 1)
    print(f"{options.accounts:,} accounts, {rows:,} transfers, {options.explain:,} explained\n")
    print("| way | seconds | of processors | own memory, GB | a transfer, bytes | pages of files, GB | peak, GB "
          "| read, GB | written, GB |\n|---|---|---|---|---|---|---|---|---|")  # fmt: skip
    for what, found in ways.items():
        print(told(what, found, rows))
    for what, found in ways.items():
        print(
            f"\n{what}: "
            + ", ".join(f"{stage} {t:.0f} s, own {own / 1e9:.2f} GB" for stage, (own, _, t) in found["stages"].items())
        )
    print(f"\nDuckDB's scan, sort and write of the transfers: {sorting:.0f} s; the limited way takes "
          f"{ways[options.memory]['seconds'] / sorting:.1f} times as long")  # fmt: skip


if __name__ == "__main__":
    main()
