"""Write a report of 1,000 alerts and 100 rings: time, memory, sizes; with --browser also how smooth a large ring is.

    python benchmarks/report.py --accounts 40000 --alerts 1000 --rings 100 --folder /tmp/report_bank --browser

Simulates a bank into `--folder` (once; a folder that holds one is used again), trains, scores and searches for rings,
then runs `muledetect report` in a fresh process. Time is that of the whole process, reading and checking the tables
included; memory is its peak resident set. Compiled kernels are on disk before it starts. `--browser` draws a ring of
2,000 accounts in headless Chromium without a graphics card and moves it: milliseconds from frame to frame.
"""

from __future__ import annotations

import argparse
import os
import platform
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from muledetect import __version__, pipeline, schema
from muledetect.clock import DAY
from muledetect.facts import Snapshot
from muledetect.reports.material import gather_material
from muledetect.reports.write import write_report
from muledetect.rings import RingTables, read_rings
from muledetect.schema import ROLES
from muledetect.simulation import world_config, write_world


def prepare(folder: Path, n_accounts: int, n_days: int, n_alerts: int, n_rings: int) -> tuple[int, int]:
    """Simulate, train, score and search, and keep at most so many rings; return transfers and rings."""
    bank = folder / "data"
    if not (folder / "rings" / "rings.parquet").exists():
        write_world(world_config(n_accounts=n_accounts, n_days=n_days, seed=1), bank)
        read = pipeline.load(bank)
        end = int(read.transfers["time"].cast(pa.int64()).to_numpy()[-1]) // DAY * DAY + DAY
        learnt = end - n_days // 3 * DAY
        model = pipeline.train(read, learnt, target="ever", pack="TH", known_by=learnt, output=folder / "model")
        scores = pipeline.score(read, model, end, n_explained=n_alerts, output=folder / "scores.parquet")
        pipeline.find_rings(read, scores, end, output=folder / "rings", max_rings=n_rings, window="all")
    return pq.read_metadata(bank / "transfers.parquet").num_rows, len(read_rings(folder / "rings"))


def run(folder: Path, output: Path, n_alerts: int) -> tuple[float, float, float]:
    """Return seconds, seconds of processors and peak GB of one `muledetect report`."""
    command = [sys.executable, "-m", "muledetect.cli", "report", str(folder / "data"), "--output", str(output)]
    command += ["--scores", str(folder / "scores.parquet"), "--rings", str(folder / "rings")]
    command += ["--model", str(folder / "model"), "--alerts", str(n_alerts)]
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    begun = time.perf_counter()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    seconds = time.perf_counter() - begun
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    busy = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return seconds, busy, after.ru_maxrss / 2**20


def sizes(output: Path, kind: str) -> str:
    """Return how many pages of a kind there are and how large they are."""
    found = [path.stat().st_size / 1e6 for path in (output / kind).glob("*.html")]
    return f"{len(found):,} pages, median {np.median(found):.2f} MB, largest {max(found):.2f} MB" if found else "none"


def frames(folder: Path, n: int = 2_000) -> list[float]:
    """Return the milliseconds between frames while a ring of n accounts is moved and zoomed."""
    from selenium import webdriver  # noqa: PLC0415 (needed with --browser only)
    from selenium.webdriver.chrome.service import Service  # noqa: PLC0415

    page = _large_ring(folder, n)
    options = webdriver.ChromeOptions()
    options.binary_location = "/usr/bin/chromium"
    for argument in ("--headless=new", "--no-sandbox", "--disable-gpu", "--window-size=1280,900"):
        options.add_argument(argument)
    driver = webdriver.Chrome(options=options, service=Service("/usr/bin/chromedriver"))
    try:
        driver.set_script_timeout(120)
        driver.get(page.as_uri())
        script = """
        const done = arguments[0], times = [];
        let n = 0;
        const step = (now) => {
          times.push(now);
          n += 1;
          if (n % 2) ringNetwork.panBy({x: 9, y: 4});
          else ringNetwork.zoom(ringNetwork.zoom() * (n < 40 ? 1.02 : 0.98));
          if (n < 80) requestAnimationFrame(step); else done(times);
        };
        requestAnimationFrame(step);
        """
        times = driver.execute_async_script(script)
    finally:
        driver.quit()
    return list(np.diff(times))


def _large_ring(folder: Path, n: int) -> Path:
    """Write the page of a ring made of the n busiest accounts of the bank's last 30 days; return its path."""
    read = pipeline.load(folder / "data")
    scores = pq.read_table(folder / "scores.parquet")
    moment = scores["as_of"][0].cast(pa.int64()).as_py()
    snapshot = Snapshot(read, moment)
    graph = snapshot.graph
    recent = np.searchsorted(graph.time, moment - 30 * DAY)
    busy = np.bincount(np.concatenate([graph.source[recent:], graph.target[recent:]]), minlength=graph.n_accounts)
    members = np.sort(np.argsort(-busy, kind="stable")[200 : 200 + n])  # shops and employers are not members
    first, at = (pa.scalar(time, pa.timestamp("us", tz="UTC")) for time in (moment - 7 * DAY, moment))
    ring = {
        "ring_id": ["R"],
        "as_of": [at],
        "n_accounts": [n],
        "probability": [0.9],
        "expected_value": [1],
        "score": [1.0],
        "stability": [1.0],
        "value_in": [1],
    }
    ring |= {"n_victims": [0], "first_time": [first], "last_time": [at], "recoverable": [0]}
    traits = {"ring_id": ["R"] * n, "account_id": graph.account_ids.take(pa.array(members))}
    traits |= {"role": [ROLES[k % 5] for k in range(n)], "layer": [1 + k % 5 for k in range(n)]}
    traits |= {"membership": [1.0] * n, "is_seed": [True] * n}
    tables = RingTables(
        rings=pa.table(ring).cast(schema.RINGS.arrow_schema),
        ring_members=pa.table(traits).cast(schema.RING_MEMBERS.arrow_schema),
    )
    write_report(gather_material(snapshot, scores, rings=tables, n_alerts=1), folder / "large")
    return folder / "large" / "rings" / "0001.html"


def main() -> None:
    """Prepare, write, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--accounts", type=int, default=40_000)
    parser.add_argument("--days", type=int, default=120)
    parser.add_argument("--alerts", type=int, default=1_000)
    parser.add_argument("--rings", type=int, default=100)
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--browser", action="store_true")
    options = parser.parse_args()
    n_transfers, n_rings = prepare(options.folder, options.accounts, options.days, options.alerts, options.rings)
    print(f"{platform.machine()}, {os.cpu_count()} cores, python {platform.python_version()}, muledetect {__version__}")
    print(f"{options.accounts:,} accounts, {n_transfers:,} transfers, {n_rings} rings, {options.alerts:,} alerts")
    with tempfile.TemporaryDirectory() as place:
        run(options.folder, Path(place) / "first", 2)  # compiles what is not on disk
        seconds, busy, peak = run(options.folder, Path(place) / "report", options.alerts)
        print(f"report: {seconds:.1f} s, {busy:.1f} s of processors, {peak:.1f} GB at the peak")
        print(f"case files: {sizes(Path(place) / 'report', 'accounts')}")
        print(f"ring files: {sizes(Path(place) / 'report', 'rings')}")
        if options.browser:
            took = frames(options.folder)
            slow = np.quantile(took, 0.95)
            print(f"ring of 2,000 accounts: {np.median(took):.0f} ms a frame (median), {slow:.0f} ms (95%)")


if __name__ == "__main__":
    main()
