"""Features of every account, Parquet to Parquet: time and peak memory beside DuckDB, polars and pandas.

    python benchmarks/features.py --transfers 10e6
    python benchmarks/features.py --sizes 1,3,10,50 --contenders duckdb,muledetect

Makes its own transfers, runs each contender in a fresh process on two threads, and prints what it measured:

- `duckdb`: scan, sort by account and time, write the same columns again. No features: a yardstick for moving the data.
- `muledetect`: read and check, then every default feature of every account at one `as_of`.
- `muledetect-part`, `polars`, `pandas`: the columns that are quickly said in all three. They must agree.

A warm-up run on a small file compiles the kernels first (numba keeps them on disk). Time is that of the job, after
imports; memory is the peak of the whole process (VmHWM), interpreter and imports included.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import shutil
import statistics
import subprocess
import sys
import tempfile
from importlib.metadata import version
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

CONTENDERS = ("duckdb", "muledetect", "muledetect-part", "polars", "pandas")
CHANNELS = ("p2p_proxy", "p2p_account", "qr_merchant", "bill", "card", "wallet")
FIRST = int(np.datetime64("2025-01-01", "us").astype(np.int64))
SPAN = 365 * 86_400
CHUNK = 1 << 20
JOBS = Path(__file__).with_name("_feature_jobs.py")


def make_transfers(path: Path, n_transfers: int, n_accounts: int, order: str, seed: int = 0) -> None:
    """Write random transfers: heavy-tailed degrees, seconds over a year, accounts and transfer ids in no order."""
    random = np.random.default_rng(seed)
    names = np.char.add("TH", np.char.zfill(random.choice(10**17, n_accounts, replace=False).astype(str), 18))
    ids = pa.array(names[random.permutation(n_accounts)])
    popularity = {name: random.permutation(n_accounts).astype(np.int32) for name in ("source", "target")}
    edges = np.linspace(0, SPAN, -(-n_transfers // CHUNK) + 1)
    with pq.ParquetWriter(path, _schema(), compression="zstd") as writer:
        for i, start in enumerate(range(0, n_transfers, CHUNK)):
            n = min(CHUNK, n_transfers - start)
            low, high = (edges[i], edges[i + 1]) if order == "time" else (0, SPAN)
            seconds = random.integers(int(low), max(int(high), int(low) + 1), n)
            if order == "time":
                seconds.sort()
            # u^3 gives degrees a power-law tail: the busiest of 500,000 accounts has over 100,000 of 10M transfers.
            source, target = (
                popularity[name][(random.random(n) ** 3 * n_accounts).astype(np.int64)] for name in ("source", "target")
            )
            target = np.where(target == source, (target + 1) % n_accounts, target).astype(np.int32)
            amount = np.maximum(np.exp(random.normal(11, 1.5, n)).astype(np.int64), 1)
            amount = np.where(random.random(n) < 0.4, amount // 10_000 * 10_000 + 10_000, amount)
            columns = [
                _hexadecimal(random.bytes(8 * n)),
                pa.array(FIRST + seconds * 1_000_000).cast(pa.timestamp("us", "UTC")),
                ids.take(pa.array(source)),
                ids.take(pa.array(target)),
                pa.array(amount),
                pa.array(CHANNELS).take(pa.array(random.integers(0, len(CHANNELS), n))),
            ]
            writer.write_table(pa.table(columns, schema=_schema()))


def _schema() -> pa.Schema:
    text = pa.string()
    return pa.schema(
        [
            ("transfer_id", text),
            ("time", pa.timestamp("us", "UTC")),
            ("source", text),
            ("target", text),
            ("amount", pa.int64()),
            ("channel", text),
        ]
    )


def _hexadecimal(random_bytes: bytes) -> pa.Array:
    """Return text of 16 hexadecimal digits for each 8 bytes."""
    n = len(random_bytes) // 8
    offsets = np.arange(0, 16 * n + 1, 16, dtype=np.int32)
    return pa.StringArray.from_buffers(n, pa.py_buffer(offsets), pa.py_buffer(random_bytes.hex().encode()))


def run(contender: str, transfers: Path, out: Path) -> dict[str, float]:
    """Run one contender in a process of its own; return seconds, peak MB and seconds a stage."""
    command = [sys.executable, str(JOBS), contender, str(transfers), str(out)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{contender} failed:\n{done.stderr}")
    measured: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return measured


def header(arguments: argparse.Namespace) -> str:
    """Say on what machine, with what versions and with what data."""
    cpu = next((x.split(":")[1].strip() for x in _lines("/proc/cpuinfo") if x.startswith("model name")), "unknown CPU")
    memory = next((int(x.split()[1]) // 2**20 for x in _lines("/proc/meminfo") if x.startswith("MemTotal")), 0)
    versions = ", ".join(f"{name} {version(name)}" for name in ("pyarrow", "numba", "duckdb", "polars", "pandas"))
    return (
        f"{cpu}, {os.cpu_count()} cores, {memory} GB; load {os.getloadavg()[0]:.1f} at the start\n"
        f"Python {platform.python_version()}, {versions}\n"
        f"1 account for every {1 / arguments.accounts_per_transfer:.0f} transfers; account ids of 20 characters, "
        f"transfer ids of 16; rows in {arguments.order} order; Parquet, zstd"
    )


def _lines(path: str) -> list[str]:
    return Path(path).read_text().splitlines() if Path(path).exists() else []


def measure(n_transfers: int, arguments: argparse.Namespace, folder: Path) -> dict[str, dict[str, float]]:
    """Run every contender on one file, in turn, `--repeat` times; return the medians."""
    transfers = folder / "transfers.parquet"
    n_accounts = max(int(n_transfers * arguments.accounts_per_transfer), 10)
    make_transfers(transfers, n_transfers, n_accounts, arguments.order)
    size = transfers.stat().st_size / 1e6
    print(f"\n{n_transfers:,} transfers, {n_accounts:,} accounts, {size:,.0f} MB", flush=True)
    rounds: dict[str, list[dict[str, float]]] = {}
    for _ in range(arguments.repeat):
        for contender in arguments.contenders:
            rounds.setdefault(contender, []).append(run(contender, transfers, folder / f"{contender}.parquet"))
    result = {}
    for contender, runs in rounds.items():
        result[contender] = {key: statistics.median(one[key] for one in runs) for key in runs[0]}
        print(_line(contender, result[contender], runs, result.get("duckdb"), n_transfers), flush=True)
    _compare(folder, [name for name in ("muledetect-part", "polars", "pandas") if name in arguments.contenders])
    return result


def _line(
    contender: str,
    medians: dict[str, float],
    runs: list[dict[str, float]],
    duckdb: dict[str, float] | None,
    n_transfers: int,
) -> str:
    stages = ", ".join(f"{key} {value:.1f}" for key, value in medians.items() if key not in _WHOLE)
    spread = f"({min(r['seconds'] for r in runs):.1f} to {max(r['seconds'] for r in runs):.1f})"
    ratio = f"{medians['seconds'] / duckdb['seconds']:5.2f} x duckdb" if duckdb else ""
    per_transfer = medians["peak_mb"] * 1e6 / n_transfers
    return (
        f"{contender:16} {medians['seconds']:7.1f} s {spread:16} {ratio:15} {medians['peak_mb']:7,.0f} MB "
        f"= {per_transfer:4.0f} B a transfer; imports {medians['import_mb']:.0f} MB; {medians['columns']:.0f} columns, "
        f"{medians['out_mb']:,.0f} MB out{'; ' + stages if stages else ''}"
    )


_WHOLE = {"seconds", "peak_mb", "import_mb", "columns", "out_mb"}


def _compare(folder: Path, contenders: list[str]) -> None:
    """Stop unless the contenders that compute the same columns found the same values."""
    tables = [pq.read_table(folder / f"{name}.parquet").sort_by("account_id") for name in contenders]
    for name, table in zip(contenders[1:], tables[1:], strict=True):
        for column in tables[0].column_names:
            if column == "as_of":
                continue
            mine, other = (t[column].to_numpy(zero_copy_only=False) for t in (tables[0], table))
            same = np.array_equal(mine, other) if column == "account_id" else np.allclose(
                mine, other, rtol=1e-12, equal_nan=True
            )  # fmt: skip
            if not same:
                raise SystemExit(f"{contenders[0]} and {name} disagree on {column}.")
    if len(contenders) > 1:
        print(f"{', '.join(contenders)} agree on all {tables[0].num_columns - 2} columns", flush=True)


def main() -> None:
    """Parse the command line, measure, fit the growth."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--transfers", type=float, default=10e6, help="number of transfers (10e6)")
    parser.add_argument("--sizes", help="several sizes in millions, such as 1,3,10,50; fits how time grows")
    parser.add_argument("--accounts-per-transfer", type=float, default=0.05, help="0.05: 500,000 for 10M")
    parser.add_argument("--order", choices=("random", "time"), default="random", help="order of the rows (random)")
    parser.add_argument("--repeat", type=int, default=1, help="rounds; medians are printed")
    parser.add_argument("--contenders", default=",".join(CONTENDERS), help="of " + ",".join(CONTENDERS))
    parser.add_argument("--folder", help="where to put the files meanwhile (a temporary folder)")
    arguments = parser.parse_args()
    arguments.contenders = arguments.contenders.split(",")
    sizes = [float(s) * 1e6 for s in arguments.sizes.split(",")] if arguments.sizes else [arguments.transfers]
    print(header(arguments), flush=True)
    folder = Path(tempfile.mkdtemp(prefix="features-", dir=arguments.folder))
    try:
        make_transfers(folder / "small.parquet", 20_000, 1000, "random")
        for contender in arguments.contenders:
            run(contender, folder / "small.parquet", folder / "small-out.parquet")
        results = [measure(int(size), arguments, folder) for size in sizes]
    finally:
        shutil.rmtree(folder)
    if len(sizes) > 1:
        print()
        for contender in arguments.contenders:
            seconds = [result[contender]["seconds"] for result in results]
            exponent = np.polyfit(np.log(sizes), np.log(seconds), 1)[0]
            print(f"{contender:16} time grows as transfers^{exponent:.2f}")


if __name__ == "__main__":
    main()
