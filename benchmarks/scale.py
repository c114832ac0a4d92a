"""Score one bank with all tables in memory and with a limit of memory: seconds, peaks, bytes moved; beside DuckDB.

    python benchmarks/scale.py --folder /tmp/bank --accounts 100000 --days 31 --memory 2GB --explain 10000

Simulates the bank into `--folder` (once; a folder that holds one is used again) and trains a model on a small world.
Each way runs in a process of its own on two threads, with compiled kernels on disk. *Own memory* is what the process
holds (RssAnon), *pages of files* what the system keeps for it of its mapped files and can take back (RssFile), each at
its own peak, sampled every 20 ms; *peak* is VmHWM, both together at one moment. The scores of both ways must be equal.
DuckDB scans the transfers, sorts those within the model's look-back by account and time and writes them.

With `--prepare` the data set is made a store once and the limited way opens that. With `--step` other steps than
`score` are taken with the limit, too: `--step score rings trace report train`, each in a process of its own.

What a stage took goes to the standard error when it ends, so that a run that is stopped has told something.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import threading
import time
from datetime import timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
from _peaks import EVERY, resident

#: What a stage spends, in seconds, page faults and bytes of the disk.
SPENT = ["seconds", "user", "system", "faults", "faults_on_disk", "read", "written"]
#: Stages, besides signals, whose time is held against a scan, a sort and a write of the transfers.
LIKE_A_SORT = {"features", "suspicion"}
STEPS = ["prepare", "score", "rings", "trace", "report", "train"]
MODEL_AT = ["2025-01-20", "2025-01-25", "2025-01-30"]


def moved() -> tuple[int, int]:
    """Return the bytes that this process read from and wrote to disks until now."""
    said = dict(line.split(": ") for line in Path("/proc/self/io").read_text().splitlines())
    return int(said["read_bytes"]), int(said["write_bytes"])


class Watch:
    """What this process takes by stage: own memory and pages of files sampled in a thread, their peak as Linux has it.

    Linux keeps the highest memory until it is told to begin again, which happens at the begin of each stage.
    """

    def __init__(self) -> None:
        self.stage, self.stages, self._lock = "start", {}, threading.Lock()
        self._begin()
        threading.Thread(target=self._sample, daemon=True).start()

    def _begin(self) -> None:
        used = resource.getrusage(resource.RUSAGE_SELF)
        begun = [time.perf_counter(), used.ru_utime, used.ru_stime, used.ru_minflt, used.ru_majflt, *moved()]
        self._begun = np.array(begun)
        Path("/proc/self/clear_refs").write_text("5")

    def _sample(self) -> None:
        while True:
            self._look()
            time.sleep(EVERY)

    def _look(self, peak: int = 0) -> dict[str, float]:
        with self._lock:
            found = self.stages.setdefault(self.stage, dict.fromkeys(["own", "files", "peak", *SPENT], 0))
            own, files = resident("RssAnon"), resident("RssFile")
            for name, value in (("own", own), ("files", files), ("peak", max(peak, own + files))):
                found[name] = max(found[name], value)
            return found

    def end(self) -> None:
        """Add what the stage took until now."""
        found, before = self._look(resident("VmHWM")), self._begun
        self._begin()
        for name, value in zip(SPENT, self._begun - before, strict=True):
            found[name] += float(value)
        print(told_of_stage(self.stage, found), file=sys.stderr, flush=True)

    def __call__(self, stage: str, _share: float) -> None:
        stage = stage.partition(",")[0]  # behind it stands how many rows were read
        if stage != self.stage:
            self.end()
            self.stage = stage


def step_here(step: str, source: str, model: str, as_of: str, memory: str, folder: str, n_explained: str) -> None:
    """Take one step in this process, and print what it took as JSON; each step finds what those before wrote."""
    import muledetect.features  # noqa: F401, PLC0415 (imports are not what is measured)
    from muledetect import engine, pipeline  # noqa: PLC0415

    scores, rings = f"{folder}/scores.parquet", f"{folder}/rings"
    given = {"memory": None if memory == "none" else memory, "overwrite": True}
    moments = [pd.Timestamp(as_of) - pd.Timedelta(days=days) for days in (10, 1)]
    steps = {
        "prepare": lambda **told: engine.prepare(source, f"{folder}/store", **told),
        "score": lambda **told: pipeline.score(
            source, model, as_of, n_explained=int(n_explained), output=scores, **told
        ),
        "rings": lambda **told: pipeline.find_rings(source, scores, as_of, output=rings, **told),
        "trace": lambda **told: pipeline.trace(source, as_of, output=f"{folder}/trace", **told),
        "report": lambda **told: pipeline.report(
            source, scores, rings=rings, model=model, output=f"{folder}/report", **told
        ),
        # a month is too short to learn who was honest, or was active: accounts without a label count as honest
        "train": lambda **told: pipeline.train(
            source,
            moments,
            target="ever",
            pack="TH",
            unlabelled="negative",
            max_rows=100_000,
            output=f"{folder}/model",
            **told,
        ),
    }
    imported, watch, begun = resident("RssAnon"), Watch(), time.perf_counter()
    steps[step](progress=watch, **given)
    watch.end()
    taken = {"seconds": time.perf_counter() - begun, "imports": imported, "stages": watch.stages}
    times = os.times()
    most = {name: max(found[name] for found in watch.stages.values()) for name in ("own", "files", "peak")}
    faults = {name: sum(found[name] for found in watch.stages.values()) for name in ("faults", "faults_on_disk")}
    io = dict(zip(("read", "written"), moved(), strict=True))
    print(json.dumps({"user": times.user, "system": times.system, **taken, **most, **faults, **io}))


def seen_since(model: Path, as_of: str) -> int:
    """Return when the look-back of a model begins, microseconds; 0 for the whole past."""
    from muledetect.clock import parse_time  # noqa: PLC0415
    from muledetect.features._extraction import first_seen  # noqa: PLC0415
    from muledetect.model import load_model  # noqa: PLC0415

    lookback = load_model(model).trained_on_.lookback
    return first_seen(parse_time(as_of), lookback, whole_days=False) if lookback else 0


def sort_in_duckdb(transfers: Path, out: Path, threads: int, since: int) -> tuple[float, float, int]:
    """Return what scan, sort and write take, seconds of the clock and of processors, and how many rows are written.

    Transfers before a moment are left out, as those before the look-back are.
    """
    import duckdb  # noqa: PLC0415

    begun, begun_cpu = time.perf_counter(), time.process_time()
    with duckdb.connect() as connection:
        connection.execute(f"SET threads={threads}")
        asked = (
            f"SELECT * FROM read_parquet('{transfers}') WHERE time >= make_timestamptz({since}) ORDER BY source, time"  # noqa: S608 - paths and moments of ours
        )
        connection.execute(f"COPY ({asked}) TO '{out}' (FORMAT parquet, COMPRESSION zstd)")
    return time.perf_counter() - begun, time.process_time() - begun_cpu, pq.ParquetFile(out).metadata.num_rows


def make_bank(
    folder: Path, accounts: int, days: int, tables: list[str] | None = None, without: list[str] | None = None
) -> None:
    """Simulate the bank, unless the folder holds one; keep only some of its tables, without some columns of transfers.

    This saves room on the disk. A folder that holds a bank already is left as it is.
    """
    from muledetect.simulation import world_config, write_world  # noqa: PLC0415

    transfers = folder / "transfers.parquet"
    if transfers.exists():
        return
    write_world(world_config("thai_bank", n_accounts=accounts, n_days=days, seed=1), folder)
    for file in folder.glob("*.parquet"):
        if tables and file.stem not in tables:
            file.unlink()
    if without:
        copy_without(transfers, folder / "copy.parquet", without)


def copy_without(transfers: Path, copy: Path, without: list[str]) -> None:
    """Put a copy without some columns in the place of a file."""
    import duckdb  # noqa: PLC0415

    kept = [name for name in pq.read_schema(transfers).names if name not in without]
    with duckdb.connect(config={"memory_limit": "2GB", "temp_directory": str(copy.parent)}) as connection:
        asked = f"SELECT {', '.join(kept)} FROM read_parquet('{transfers}')"  # noqa: S608 - names and paths of ours
        connection.execute(f"COPY ({asked}) TO '{copy}' (FORMAT parquet, COMPRESSION zstd)")
    copy.replace(transfers)


def make_model(folder: Path, lookback: str | None = None) -> None:
    """Train on a small world, unless the folder holds a model, and score it once: this compiles the kernels."""
    from muledetect import pipeline  # noqa: PLC0415
    from muledetect.simulation import world_config, write_world  # noqa: PLC0415

    if not folder.exists():
        with tempfile.TemporaryDirectory() as scratch:
            small = Path(scratch) / "small"
            write_world(world_config("thai_bank", n_accounts=6_000, n_days=70, mule_share=0.03), small)
            pipeline.train(small, MODEL_AT, pack="TH", lookback=lookback, output=folder)
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


def told_of_stage(stage: str, of: dict[str, float]) -> str:
    """Return what a stage took."""
    return (
        f"  {stage}: {of['seconds']:.0f} s, of processors {of['user']:.0f} + {of['system']:.0f} of the system, own "
        f"{of['own'] / 1e9:.2f} GB, pages {of['files'] / 1e9:.2f} GB, peak {of['peak'] / 1e9:.2f} GB, "
        f"{of['faults'] / 1e6:.1f} million page faults and {of['faults_on_disk'] / 1e3:.0f} thousand from disk, "
        f"{of['read'] / 1e9:.1f} GB read and {of['written'] / 1e9:.1f} GB written"
    )


def main() -> None:
    """Simulate, train, take each step in each way, sort, print."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--accounts", type=int, default=1_000_000)
    parser.add_argument("--days", type=int, default=31)
    parser.add_argument("--explain", type=int, default=10_000)
    parser.add_argument("--memory", default="4GB")
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--tables", nargs="+", help="keep only these tables of the simulated bank")
    parser.add_argument("--without", nargs="+", help="columns of its transfers that are left out")
    parser.add_argument("--model", type=Path, help="a model of an earlier run; it is made there if it is not there")
    parser.add_argument(
        "--lookback", help="of a model that is made; default: the shortest record that it is trained on"
    )
    parser.add_argument("--prepare", action="store_true", help="the limited way opens a store")
    parser.add_argument("--limited-only", action="store_true", help="the bank does not fit in memory otherwise")
    parser.add_argument("--step", nargs="+", choices=STEPS, default=["score"], help="of the limited way, in this order")
    parser.add_argument("--work", type=Path, help="where steps write; it stays, with the store, for other steps later")
    parser.add_argument("--job", nargs="+", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.job:
        job, *given = options.job
        {"bank": lambda: make_bank(options.folder, options.accounts, options.days, options.tables, options.without),
         "model": lambda: make_model(Path(given[0]), options.lookback),
         "step": lambda: step_here(*given)}[job]()  # fmt: skip
        return
    if options.work is None:
        with tempfile.TemporaryDirectory(dir=options.folder.parent) as scratch:
            compare(options, Path(scratch))
    else:
        options.work.mkdir(parents=True, exist_ok=True)
        compare(options, options.work)


def compare(options: argparse.Namespace, folder: Path) -> None:
    """Run each way in a process of its own, and print the table."""
    sizes = ["--folder", str(options.folder), "--accounts", str(options.accounts), "--days", str(options.days)]
    left_out = ["--tables", *options.tables] if options.tables else []
    left_out += ["--without", *options.without] if options.without else []
    run([*sizes, *left_out, "--job", "bank"])
    model = options.model or options.folder.with_name(options.folder.name + "-model")
    run([*sizes, *(["--lookback", options.lookback] if options.lookback else []), "--job", "model", str(model)])
    file = pq.ParquetFile(options.folder / "transfers.parquet")
    rows, n_groups = file.metadata.num_rows, file.num_row_groups
    last = file.read_row_group(n_groups - 1, columns=["time"])["time"][-1].as_py()
    as_of, ways = (last.date() + timedelta(days=1)).isoformat(), {}
    print(f"{options.accounts:,} accounts, {rows:,} transfers, {options.explain:,} explained\n")
    print("| way | seconds | of processors | own memory, GB | a transfer, bytes | pages of files, GB | peak, GB "
          "| read, GB | written, GB |\n|---|---|---|---|---|---|---|---|---|", flush=True)  # fmt: skip

    def take(way: str, *given: str) -> None:
        ways[way] = run([*sizes, "--job", "step", *given, str(options.explain)])
        print(told(way, ways[way], rows), flush=True)

    if not options.limited_only:
        (folder / "whole").mkdir(exist_ok=True)
        take("in memory", "score", str(options.folder), str(model), as_of, "none", f"{folder}/whole")
    steps = [*dict.fromkeys((["prepare"] if options.prepare else []) + options.step)]
    for step in steps:
        has_store = (folder / "store").exists() and step != "prepare"
        source = str(folder / "store" if has_store else options.folder)
        way = options.memory if step == "score" else f"{step} {options.memory}"
        take(way, step, source, str(model), as_of, options.memory, str(folder))
    if "in memory" in ways and "score" in steps:
        same = pq.read_table(folder / "whole/scores.parquet").equals(pq.read_table(folder / "scores.parquet"))
        print(f"\nequal scores: {'yes' if same else 'NO'}")
    for what, found in ways.items():
        print("\n".join([f"\n{what}", *(told_of_stage(stage, of) for stage, of in found["stages"].items())]))
    if "score" in steps:
        sorting, of_processors, n_seen = sort_in_duckdb(
            options.folder / "transfers.parquet", folder / "sorted.parquet", os.cpu_count() or 1,
            seen_since(model, as_of),
        )  # fmt: skip
        limited = ways[options.memory]
        like = [of for stage, of in limited["stages"].items() if stage in LIKE_A_SORT or stage.startswith("signals")]
        shares = {
            "by the clock": (sorting, sum(of["seconds"] for of in like), limited["seconds"]),
            "of processors": (
                of_processors, sum(of["user"] + of["system"] for of in like), limited["user"] + limited["system"]
            ),
        }  # fmt: skip
        print(
            f"\n{n_seen:,} transfers are within the look-back. DuckDB's scan, sort and write of these, beside signals "
            "and features, and all of the limited way:"
        )
        for how, (sort, features, whole) in shares.items():
            print(f"{how} {sort:.0f} s, {features / sort:.1f} and {whole / sort:.1f} times as long")


if __name__ == "__main__":
    main()
