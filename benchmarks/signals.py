"""How fast signals are, against IBM's Graph Feature Preprocessor and against the columns' own weight.

    python benchmarks/signals.py --against-gfp --shape sparse      # needs `pip install snapml` by hand (proprietary)
    python benchmarks/signals.py --full --sizes 1e6,10e6,50e6
    python benchmarks/signals.py --cold
    python benchmarks/signals.py --probe                           # the peer's answers in docs/signals_and_gfp.md

Every measurement is a process of its own, after a warm-up on a small graph, from sorted arrays in memory to the
finished columns: ours includes indexing and packing. `--against-gfp` is like for like: fan and degree, scatter-gather,
temporal cycles up to six transfers, vertex statistics, one day of look-back, exact and in strict order of time; the
peer gets the first `--gfp-transfers` of the same transfers in batches, one thread, and ours is measured on the same
transfers and on all. `--full` is our default set of signals: 72 h, capped.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import math
import os
import platform
import resource
import subprocess
import sys
import tempfile
import time
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np

_HERE = Path(__file__).parent
_BATCHES = (128, 2048)


def peer_parameters(window: int) -> dict[str, Any]:
    """Return what the peer computes: average, sum, least and largest of amounts stand as 3 to 6 in its list."""
    chosen: dict[str, Any] = {"num_threads": 1, "time_window": window, "vertex_stats": True, "lc-cycle": False}
    chosen |= {"vertex_stats_cols": [4], "vertex_stats_feats": [3, 4, 5, 6], "vertex_stats_tw": window}
    bins = {
        "fan": [1, 2, 3, 4, 5],
        "degree": [1, 2, 3, 4, 5],
        "scatter-gather": [2, 3, 4, 5],
        "temp-cycle": [2, 3, 4, 5, 6],
    }
    for name, limits in bins.items():
        chosen |= {name: True, f"{name}_tw": window, f"{name}_bins": limits}
    return chosen


def run_peer(given: dict[str, Any], batch: int) -> float:
    """Return the seconds that the peer needs, batch after batch as they arrive."""
    from snapml import GraphFeaturePreprocessor  # noqa: PLC0415 (installed by hand)

    n = len(given["time"])
    columns = [np.arange(n), given["source"], given["target"], given["time"] // 1_000_000, given["amount"]]
    rows = np.column_stack(columns).astype(np.float64)
    peer = GraphFeaturePreprocessor()
    peer.set_params(peer_parameters(86_400))
    start = time.perf_counter()
    for first in range(0, n, batch):
        peer.transform(rows[first : first + batch])
    return time.perf_counter() - start


def run_ours(given: dict[str, Any], threads: int, *, is_full: bool) -> dict[str, Any]:
    """Return seconds, a digest of every column, and how many transfers a cap cut, by column."""
    from _signal_graphs import DAY, graph_of, vertex_statistics  # noqa: PLC0415 (a job's process only)

    from muledetect.features.signals import LOOKBACK, build_past, cycles, pairs, scatter, signal_registry  # noqa: PLC0415

    parts: dict[str, float] = {}
    digest, cut = hashlib.sha256(), {}
    start = time.perf_counter()
    graph = graph_of(given)
    parts["index"] = time.perf_counter() - start
    if is_full:
        past = build_past(graph, lookback=LOOKBACK, threads=threads)
        jobs = {made.name: (made.compute, list(made.columns)) for made in signal_registry().signals.values()}
    else:
        past = build_past(graph, lookback=DAY, ties="strict", max_degree=None, threads=threads)
        jobs = {
            "fan": (pairs.fan.compute, []),
            "scatter_gather": (scatter.scatter_gather.compute, []),
            "cycles": (lambda seen: cycles.count_temporal_cycles(seen, 6), []),
            "vertex statistics": (vertex_statistics, []),
        }
    parts["pack"] = time.perf_counter() - start - sum(parts.values())
    seconds = time.perf_counter() - start
    for name, (compute, columns) in jobs.items():
        begin = time.perf_counter()
        values = compute(past)
        parts[name] = time.perf_counter() - begin
        seconds += parts[name]
        digest.update(np.ascontiguousarray(values).tobytes())
        for place, column in enumerate(columns):
            if column.endswith(("_cut", "_left_out")):
                cut[column] = int((values[:, place] > 0).sum())
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    return {"seconds": seconds, "parts": parts, "digest": digest.hexdigest(), "cut": cut, "peak": peak}


def run_limit(given: dict[str, Any]) -> float:
    """Return the seconds to read the columns from Parquet and to sort them by time: no signal can be faster."""
    import pyarrow as pa  # noqa: PLC0415
    import pyarrow.parquet as pq  # noqa: PLC0415

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "transfers.parquet"
        shuffled = np.random.default_rng(1).permutation(len(given["time"]))
        names = ("time", "source", "target", "amount")
        pq.write_table(pa.table({name: given[name][shuffled] for name in names}), path, compression="zstd")
        start = time.perf_counter()
        columns = {name: column.to_numpy() for name, column in zip(names, pq.read_table(path).columns, strict=True)}
        order = np.argsort(columns["time"], kind="stable")
        for name in names:
            columns[name][order]
        return time.perf_counter() - start


def job(arguments: argparse.Namespace) -> None:
    """Do one measurement and print it as JSON."""
    from _signal_graphs import arrays  # noqa: PLC0415

    for n in (20_000, int(arguments.transfers)):  # the first is the warm-up
        given = arrays(arguments.shape, int(arguments.transfers) if n > 20_000 else n)
        if arguments.prefix:
            given = {
                k: v[: min(n, int(arguments.prefix))] if isinstance(v, np.ndarray) else v for k, v in given.items()
            }
        if arguments.job == "peer":
            told: dict[str, Any] = {"seconds": run_peer(given, arguments.batch)}
        elif arguments.job == "limit":
            told = {"seconds": run_limit(given)}
        else:
            told = run_ours(given, arguments.threads, is_full=arguments.job == "full")
    print(json.dumps(told | {"n": len(given["time"])}))


def measure(kind: str, *, cache: str | None = None, **options: Any) -> dict[str, Any]:
    """Run one measurement in a process of its own."""
    words = [f"--{name}={value}" for name, value in options.items()]
    environment = {**os.environ, **({"NUMBA_CACHE_DIR": cache} if cache else {})}
    done = subprocess.run(
        [sys.executable, str(_HERE / "signals.py"), f"--job={kind}", *words],
        capture_output=True, text=True, check=False, env=environment,
    )  # fmt: skip
    if done.returncode:
        raise SystemExit(done.stderr)
    told: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return told


def against_peer(shape: str, n: int, n_peer: int) -> None:
    """Print the peer's speed and ours, like for like."""
    print(f"\n{shape}, {n:,} transfers; the peer and `same` see the first {n_peer:,}")
    base = {}
    for batch in _BATCHES:
        told = measure("peer", shape=shape, transfers=n, prefix=n_peer, batch=batch)
        base[batch] = told["n"] / told["seconds"]
        print(f"  peer, batches of {batch:>5}: {base[batch]:>12,.0f} transfers/s")
    for name, prefix in (("same", n_peer), ("all", 0)):
        for threads in (1, 2):
            told = measure("ours", shape=shape, transfers=n, prefix=prefix, threads=threads)
            rate = told["n"] / told["seconds"]
            ratios = ", ".join(f"{rate / base[batch]:.1f} x ({batch})" for batch in _BATCHES)
            parts = ", ".join(f"{part} {1e9 * s / told['n']:.0f}" for part, s in told["parts"].items())
            print(f"  ours, {name:>4}, {threads} thread(s): {rate:>12,.0f} transfers/s = {ratios}; ns: {parts}")


def full(shape: str, sizes: list[int]) -> None:
    """Print our default set: rates, threads, memory, growth, what was cut, and the ratio to the limit."""
    print(f"\n{shape}, all signals, 72 h, capped")
    seconds = []
    for n in sizes:
        one, two = (measure("full", shape=shape, transfers=n, threads=threads) for threads in (1, 2))
        limit = measure("limit", shape=shape, transfers=n)["seconds"]
        seconds.append(one["seconds"])
        bytes_are = "equal" if one["digest"] == two["digest"] else "DIFFERENT"
        print(
            f"  {n:>11,}: 1 thread {n / one['seconds']:>9,.0f}/s, 2 threads {n / two['seconds']:>9,.0f}/s "
            f"({one['seconds'] / two['seconds']:.2f} x, {bytes_are} bytes), peak {one['peak'] / n:.0f} B a transfer, "
            f"{one['seconds'] / limit:.1f} x reading and sorting ({limit:.1f} s)"
        )
        parts = ", ".join(f"{part} {1e9 * s / n:.0f}" for part, s in one["parts"].items())
        cut = ", ".join(f"{column} {count / n:.2%}" for column, count in one["cut"].items())
        print(f"    ns a transfer: {parts}\n    transfers cut: {cut}")
    if len(sizes) > 1:
        slope = np.polyfit(np.log(sizes), np.log(seconds), 1)[0]
        last = math.log(seconds[-1] / seconds[-2]) / math.log(sizes[-1] / sizes[-2])
        print(f"  time grows as n^{slope:.2f} over all, n^{last:.2f} over the last two")


def cold() -> None:
    """Print the time of all signals on 20,000 transfers in a fresh process, with an empty cache and with a full one."""
    with tempfile.TemporaryDirectory() as cache:
        for name in ("empty", "filled"):
            start = time.perf_counter()
            measure("full", shape="sparse", transfers=20_000, threads=1, cache=cache)
            print(f"  all signals, cache {name}: {time.perf_counter() - start:.1f} s, process and imports included")


def main() -> None:
    """Read the options and run what they ask for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--against-gfp", action="store_true")
    parser.add_argument("--full", action="store_true")
    parser.add_argument("--cold", action="store_true")
    parser.add_argument("--probe", action="store_true")
    parser.add_argument("--shape", default="sparse,dense")
    parser.add_argument("--sizes", default="1e6,10e6")
    parser.add_argument("--gfp-transfers", default="3e5")
    for name, kind in (("job", str), ("transfers", float), ("prefix", float), ("threads", int), ("batch", int)):
        parser.add_argument(f"--{name}", type=kind, default=None, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.job:
        job(options)
        return
    known = {}
    for name in ("numpy", "numba", "pyarrow", "snapml"):
        try:
            known[name] = version(name)
        except PackageNotFoundError:
            known[name] = "not installed"
    machine = f"{platform.processor() or platform.machine()}, {os.cpu_count()} cores"
    print(json.dumps({"machine": machine, "python": platform.python_version(), **known}))
    sizes = [int(float(size)) for size in options.sizes.split(",")]
    if options.probe:
        from _signal_probes import probe  # noqa: PLC0415 (needs the peer)

        probe()
    if options.cold:
        cold()
    for shape in options.shape.split(","):
        if options.against_gfp:
            against_peer(shape, sizes[0], int(float(options.gfp_transfers)))
        if options.full:
            full(shape, sizes)


if __name__ == "__main__":
    main()
