"""Score one store on the local engine and on a local Spark session with two workers, and compare the scores.

    python benchmarks/spark.py --folder /tmp/bank --accounts 40000 --days 31 --explain 1000

Simulates the bank into `--folder`, trains a model on a small world, and prepares the store, each once; a folder that
holds them is used again. Both ways run in a process of its own on two cores, with compiled kernels on disk. The time
is that of `score`, with the start of the session told apart. *Of processors*: user and system time of the process and,
for Spark, of the Java process and the Python workers below it, so it says what the work costs also on a busy machine.
*Parts* are the files that workers keep for the next step, at their largest. The scores must be equal.
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
from pathlib import Path
from typing import Any

from scale import make_bank, make_model

TICKS = os.sysconf("SC_CLK_TCK")
#: Ways to score, with the cores of a task of Spark; 0: no Spark.
WAYS = {
    "local": ("local engine, two threads", 0), "tasks": ("Spark, two tasks of one core", 1),
    "task": ("Spark, one task of two cores", 2),
}  # fmt: skip


def processors() -> float:
    """Return the seconds that this process and all below it have taken of processors."""
    spent, parent = {}, {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = path.read_text().rpartition(")")[2].split()
        except OSError:  # ended in between
            continue
        pid = int(path.parent.name)
        spent[pid], parent[pid] = sum(map(int, fields[11:15])) / TICKS, int(fields[1])
    below = {os.getpid()}
    while more := {pid for pid, of in parent.items() if of in below} - below:
        below |= more
    return sum(spent[pid] for pid in below)


class Parts:
    """Looks how large the folder of a run becomes."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.most = folder, 0
        threading.Thread(target=self._look, daemon=True).start()

    def _look(self) -> None:
        while True:
            held = [path for path in self.folder.rglob("*.npy") if path.is_file()]
            self.most = max(self.most, sum(path.stat().st_size for path in held if path.exists()))
            time.sleep(0.2)


def session_of(cores: int, of_task: int) -> Any:
    """Return a local session."""
    from pyspark.sql import SparkSession  # noqa: PLC0415

    builder = SparkSession.builder.master(f"local[{cores}]").config("spark.task.cpus", of_task)
    for name, value in {
        "spark.ui.enabled": "false", "spark.ui.showConsoleProgress": "false", "spark.driver.host": "127.0.0.1",
        "spark.driver.bindAddress": "127.0.0.1", "spark.log.level": "OFF",
    }.items():  # fmt: skip
        builder = builder.config(name, value)
    return builder.getOrCreate()


def score_here(store: str, model: str, as_of: str, n_explained: int, memory: str, cores_of_task: int, out: str) -> None:
    """Score in this process, on Spark if a task has cores; print what it took as JSON."""
    import muledetect as md  # noqa: PLC0415
    import muledetect.features  # noqa: PLC0415 (imports are not what is measured)

    limit, stages, last = None if memory == "none" else memory, {}, ["start", time.perf_counter()]

    def told(stage: str, _done: float) -> None:
        now, stage = time.perf_counter(), stage.partition(":")[0]
        stages[last[0]] = stages.get(last[0], 0.0) + now - last[1]
        last[:] = [stage, now]

    with tempfile.TemporaryDirectory() as work:
        begun, engine, parts = time.perf_counter(), None, Parts(Path(work))
        if cores_of_task:
            engine = md.engine.Spark(session_of(2, cores_of_task), work=work)
        session = time.perf_counter() - begun
        begun, before = time.perf_counter(), processors()
        md.pipeline.score(
            store, model, as_of, n_explained=n_explained, memory=limit, engine=engine, output=out, progress=told
        )
        seconds, spent = time.perf_counter() - begun, processors() - before
        told("end", 1.0)
        print(
            json.dumps(
                {"seconds": seconds, "processors": spent, "session": session, "parts": parts.most, "stages": stages}
            )
        )


def run(script: list[str]) -> dict[str, Any]:
    """Return what a process of this script printed last."""
    environment = {**os.environ, "MULEDETECT_MEMORY": ""}
    done = subprocess.run([sys.executable, __file__, *script], check=True, stdout=subprocess.PIPE, env=environment)
    return json.loads(done.stdout.splitlines()[-1])


def main() -> None:
    """Prepare, score in each way, compare, print."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--accounts", type=int, default=40_000)
    parser.add_argument("--days", type=int, default=31)
    parser.add_argument("--explain", type=int, default=1_000)
    parser.add_argument("--memory", default="none", help="limit of each process; of `prepare`, too")
    parser.add_argument("--ways", nargs="+", choices=WAYS, default=list(WAYS))
    parser.add_argument("--job", nargs="+", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.job:
        store, model, as_of, n_explained, memory, cores, out = options.job
        score_here(store, model, as_of, int(n_explained), memory, int(cores), out)
        return
    compare(options)


def compare(options: argparse.Namespace) -> None:
    """Run each way in a process of its own, and print the table."""
    import pyarrow.parquet as pq  # noqa: PLC0415

    import muledetect as md  # noqa: PLC0415

    folder = options.folder
    make_bank(folder, options.accounts, options.days)
    model, place = folder.with_name(f"{folder.name}-model"), folder.with_name(f"{folder.name}-store")
    make_model(model)
    begun = time.perf_counter()
    limit = None if options.memory == "none" else options.memory
    store = md.open_store(place) if place.exists() else md.prepare(folder, place, memory=limit)
    prepared = time.perf_counter() - begun
    n = store.header.n_transfers
    as_of = f"{max(store.header.days)}T23:59:59Z"
    ways = dict(WAYS[name] for name in options.ways)
    found = {}
    with tempfile.TemporaryDirectory(dir=folder.parent) as scratch:
        for what, cores in ways.items():
            out = f"{scratch}/{cores}.parquet"
            given = [store.path, model, as_of, options.explain, options.memory, cores, out]
            found[what] = run(["--folder", str(folder), "--job", *map(str, given)])
        tables = [pq.read_table(f"{scratch}/{cores}.parquet") for cores in ways.values()]
    same = all(table.equals(tables[0], check_metadata=True) for table in tables)
    print(f"{n:,} transfers, {len(tables[0]):,} accounts scored, {options.explain:,} explained, memory "
          f"{options.memory}; the store was opened or prepared in {prepared:.0f} s")  # fmt: skip
    print(f"equal scores: {'yes' if same else 'NO'}\n")
    print("| way | seconds | of processors | a million transfers | start of the session | parts, bytes a transfer |\n"
          "|---|---|---|---|---|---|")  # fmt: skip
    for what, one in found.items():
        figures = [one["seconds"], one["processors"], one["processors"] / n * 1e6, one["session"], one["parts"] / n]
        print(f"| {what} | " + " | ".join(f"{figure:.1f}" for figure in figures) + " |")
    for what, one in found.items():
        print(f"\n{what}: " + ", ".join(f"{stage} {seconds:.0f} s" for stage, seconds in one["stages"].items()))
    if not same:
        sys.exit(1)


if __name__ == "__main__":
    main()
