"""How fast a world is simulated into Parquet, and how much memory it takes.

    python benchmarks/simulate.py --sizes 10000x120,100000x120
    python benchmarks/simulate.py --sizes 2000000x125 --folder /somewhere/large

Each world (accounts x days, preset `thai_bank`, seed 1) is simulated by `muledetect simulate` in a fresh process after
a warm-up that compiles the kernel. Time is that of the whole process, interpreter and imports included; memory is its
peak (maximum resident set). `copy` reads the finished transfers and writes them again as they are (pyarrow, zstd):
what it costs to store these bytes, whatever made them.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import shutil
import subprocess
import sys
import tempfile
import time
from importlib.metadata import version
from pathlib import Path

import pyarrow.parquet as pq

_RUN = "import sys; from muledetect.cli import main; sys.argv[1:] = {arguments}; main()"


def simulate(folder: Path, accounts: int, days: int, settings: list[str]) -> tuple[float, int]:
    """Return the seconds and the peak bytes of one simulation in a process of its own."""
    arguments = ["simulate", str(folder), "--preset", "thai_bank", "--seed", "1"]
    arguments += ["--accounts", str(accounts), "--days", str(days)]
    for setting in settings:
        arguments += ["--set", setting]
    start = time.perf_counter()
    process = subprocess.Popen(
        [sys.executable, "-c", _RUN.format(arguments=arguments)], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
    )
    told = process.stderr.read().decode() if process.stderr else ""
    _, status, usage = os.wait4(process.pid, 0)
    if os.waitstatus_to_exitcode(status):
        raise SystemExit(told)
    return time.perf_counter() - start, usage.ru_maxrss * 1024


def copy(path: Path, place: Path) -> float:
    """Return the seconds that reading and writing a table takes, row group by row group."""
    start = time.perf_counter()
    source = pq.ParquetFile(path)
    with pq.ParquetWriter(place, source.schema_arrow, compression="zstd") as writer:
        for group in range(source.num_row_groups):
            writer.write_table(source.read_row_group(group))
    place.unlink()
    return time.perf_counter() - start


def main() -> None:
    """Run the sizes one after the other and print a line each."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", default="10000x120,100000x120", help="accounts x days, separated by commas")
    parser.add_argument("--set", action="append", default=[], dest="settings", help="a parameter as name=value")
    parser.add_argument("--folder", type=Path, help="where to write; a temporary folder if not given")
    options = parser.parse_args()
    machine = f"{platform.processor() or platform.machine()}, {os.cpu_count()} cores"
    packages = {name: version(name) for name in ("numpy", "pyarrow", "numba")}
    print(json.dumps({"machine": machine, "python": platform.python_version(), **packages, "set": options.settings}))
    with tempfile.TemporaryDirectory(dir=options.folder) as temporary:
        folder = Path(temporary)
        simulate(folder / "warm", 300, 20, options.settings)
        for size in options.sizes.split(","):
            accounts, days = (int(part) for part in size.split("x"))
            place = folder / size
            seconds, peak = simulate(place, accounts, days, options.settings)
            rows = json.loads((place / "world.json").read_text())["rows"]
            stored = sum(path.stat().st_size for path in place.glob("*.parquet"))
            again = copy(place / "transfers.parquet", folder / "copy.parquet")
            n = rows["transfers"]
            print(
                f"{accounts:,} accounts x {days} days: {n:,} transfers, {rows['sessions']:,} sessions, "
                f"{rows['calls']:,} calls in {seconds:.1f} s = {n / seconds * 60 / 1e6:.1f}M transfers a minute; "
                f"peak {peak / 1e6:,.0f} MB; {stored / 1e6:,.0f} MB on disk; copy of the transfers {again:.1f} s",
                flush=True,
            )
            shutil.rmtree(place)


if __name__ == "__main__":
    main()
