"""Score and book payments as they arrive: what a micro-batch takes, and how long a payment waits at a given rate.

    python benchmarks/live.py --accounts 2000 --days 60 --batches 1 16 64 256 --rates 1000 2000 3000 4000
    python benchmarks/live.py --bank FOLDER --busy 2000 --transfers 20000000 --hour 1000000

Simulates a bank, or reads the one in `--bank`, a store or a folder of tables. Trains a model of live columns, on the
simulated bank or on a small one beside `--bank`; `--model` takes one that was made before. A scorer starts with all
transfers but the last, from six in the morning (UTC) of a day on; these arrive with times a millisecond apart, so that
no run holds a noon or a midnight, when another thread makes the state of the next day. Each payment is booked and
scored, both ends; the first batches are not counted, for they load compiled code.

- *Micro-batches* of a fixed size, one after the other. *By processor time* is the rate that the processor time of the
  thread that scores allows, as on a machine that nobody else uses.
- *Offered rates*: payments arrive at random moments (a Poisson process with a fixed seed), and a batch is made of those
  that wait, at most `--most`. The time of a payment begins with its arrival, and ends when its batch is scored. A rate
  breaks when payments wait longer than two seconds; the line is marked, and tells what was done until then.
- `--hour N`: N payments whose times are spread over one hour, as fast as they can be booked and scored, in
  micro-batches of 64: what the process grows by, beside what the state says of itself.

Machines that are shared are fast at one time and slow at another. So what a number takes that is read at a random place
of 128 MiB, and what a call of a compiled function takes, is told before the payments and after them.

Busy accounts are scored before the first payment, and Python's garbage collection leaves out what is loaded at the
start, as in `muledetect serve`.

Busy accounts are those of the bank: merchants, employers, and the account of the bank itself, with thousands of
transfers. `--busy N` scores those with more than N once an hour, see `LiveScorer`. `--sync` adds the log.
"""

from __future__ import annotations

import argparse
import gc
import platform
import resource
import tempfile
import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numba
import numpy as np
import pyarrow as pa

from muledetect.clock import DAY, HOUR
from muledetect.inputs import load
from muledetect.live import LiveScorer
from muledetect.live.state import LiveState
from muledetect.model import MuleModel, load_model
from muledetect.pipeline import train
from muledetect.records import Dataset, read_dataset
from muledetect.simulation import simulate

#: Batches that are not counted, of each size and rate.
_WARM = 3

#: Most payments that arrive in one run.
_MOST_ARRIVING = 150_000

#: A rate breaks when payments wait so many seconds.
_BROKEN = 2.0

Row = dict[str, Any]


def split(
    dataset: Dataset, n_arriving: int, n_transfers: int | None = None, n_later: int = 0
) -> tuple[Dataset, list[Row], pa.Table]:
    """Return the data set without its last transfers, from six in the morning of a day on, and these as rows.

    `n_transfers` bounds those that stay. The rows have times a millisecond apart, from six on. `n_later` more transfers
    that follow them are returned as a table, with times spread over the hour from seven on.
    """
    transfers = dataset.transfers
    moment = transfers["time"].cast(pa.int64()).to_numpy()
    begin = int(moment[len(moment) - n_arriving - n_later]) // DAY * DAY + 6 * HOUR
    first = int(np.searchsorted(moment, begin))
    low = 0 if n_transfers is None else max(0, first - n_transfers)
    rows = as_rows(transfers.slice(first, n_arriving))
    clock = datetime.fromtimestamp(begin / 1e6, UTC)
    for place, row in enumerate(rows):
        row["time"] = clock + timedelta(milliseconds=place)
    later, place = transfers.slice(first + n_arriving, n_later), transfers.schema.get_field_index("time")
    spread = begin + HOUR + np.arange(len(later)) * HOUR // max(1, len(later))
    later = later.set_column(place, transfers.schema.field(place), pa.array(spread).cast(transfers["time"].type))
    return replace(dataset, tables={**dataset.tables, "transfers": transfers.slice(low, first - low)}), rows, later


def as_rows(transfers: pa.Table) -> list[Row]:
    """Return the rows of a table, without cells that are missing."""
    return [{name: v for name, v in row.items() if v is not None} for row in transfers.to_pylist()]


def live_model(dataset: Dataset, n_trees: int, **given: Any) -> MuleModel:
    """Train a model of live columns with a look-back of 45 days."""
    return train(
        dataset, dataset.transfers["time"][-1].as_py().isoformat(), target="ever", unlabelled="negative", live=True,
        lookback="45d", model=MuleModel(n_estimators=n_trees, n_jobs=1), **given,
    )  # fmt: skip


def pay(scorer: LiveScorer, rows: list[Row]) -> None:
    """Book and score some payments."""
    booked = scorer.book_many(rows)
    scorer.score_many(rows)
    if any(one.outcome != "accepted" for one in booked):
        raise SystemExit("live: a transfer was not booked")


def measure(scorer: LiveScorer, rows: list[Row], size: int, seconds: float) -> tuple[np.ndarray, float, float]:
    """Return the times of micro-batches, and all time and processor time taken; takes rows away."""
    times, begun, begun_cpu = [], 0.0, 0.0
    while len(rows) >= size and (len(times) <= _WARM or time.perf_counter() - begun < seconds):
        batch = rows[:size]
        del rows[:size]
        if len(times) == _WARM:
            begun, begun_cpu = time.perf_counter(), time.thread_time()
        at = time.perf_counter()
        pay(scorer, batch)
        times.append(time.perf_counter() - at)
    return np.array(times[_WARM:]), time.perf_counter() - begun, time.thread_time() - begun_cpu


def offer(
    scorer: LiveScorer, rows: list[Row], rate: float, seconds: float, most: int
) -> tuple[np.ndarray, int, float, float, bool]:
    """Offer payments at random moments; return the time of each, batches, all time, processor time, and if it broke.

    Takes rows away.
    """
    n = min(len(rows), int(rate * seconds))
    due = np.cumsum(np.random.default_rng(1).exponential(1 / rate, n))
    times, done, n_batches, is_broken = np.zeros(n), 0, 0, False
    begun, begun_cpu = time.perf_counter(), time.thread_time()
    while done < n and not is_broken:
        now = time.perf_counter() - begun
        waiting = min(int(np.searchsorted(due, now)), done + most) - done
        if not waiting:
            time.sleep(max(0.0, due[done] - now))
            continue
        pay(scorer, rows[done : done + waiting])
        now = time.perf_counter() - begun
        times[done : done + waiting] = now - due[done : done + waiting]
        is_broken = times[done] > _BROKEN
        done, n_batches = done + waiting, n_batches + 1
    del rows[:done]
    return times[:done], n_batches, time.perf_counter() - begun, time.thread_time() - begun_cpu, is_broken


def memory() -> float:
    """Return the resident memory of the process, MB."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize() / 1e6


def peak() -> float:
    """Return the highest resident memory so far, MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3


@numba.njit
def _one_way(n: int, random: np.random.Generator) -> np.ndarray:
    """Return places that lead from one to the next, in one way through all of them."""
    places = np.arange(n)
    for i in range(n - 1, 0, -1):
        j = random.integers(0, i)
        places[i], places[j] = places[j], places[i]
    return places


@numba.njit
def _follow(places: np.ndarray, n: int) -> int:
    at = 0
    for _ in range(n):
        at = places[at]
    return at


def show_machine() -> None:
    """Print what a number at a random place of the memory takes, and a call of a compiled function."""
    places, n = _one_way(2**24, np.random.default_rng(0)), 1_000_000
    _follow(places, 1)
    begun = time.perf_counter()
    _follow(places, n)
    between = time.perf_counter()
    for _ in range(n):
        _follow(places, 0)
    read, call = between - begun, time.perf_counter() - between
    print(f"The machine now: {1e9 * read / n:,.0f} ns to read at a random place, {1e9 * call / n:,.0f} ns to call.\n")


def get_ready(scorer: LiveScorer, moment: int) -> None:
    """Do what `muledetect serve` does before it listens, for payments from a moment on."""
    begun = time.perf_counter()
    scorer.prepare(moment)
    print(f"Busy accounts: scored in {time.perf_counter() - begun:,.1f} s.\n", flush=True)
    gc.collect()
    gc.freeze()


def show_batches(scorer: LiveScorer, rows: list[Row], sizes: list[int], seconds: float) -> None:
    """Print a line for each size of micro-batches."""
    print(
        "| micro-batch | score and book a second | by processor time | processor ms | median ms | 99% ms | longest ms |"
    )
    print("|---:|---:|---:|---:|---:|---:|---:|")
    for size in sizes:
        times, taken, cpu = measure(scorer, rows, size, seconds)
        if len(times):
            n = len(times) * size
            shown = [f"{1e3 * v:,.1f}" for v in (cpu / len(times), *np.quantile(times, [0.5, 0.99]), times.max())]
            print(f"| {size} | {n / taken:,.0f} | {n / cpu:,.0f} | {' | '.join(shown)} |", flush=True)


def show_rates(scorer: LiveScorer, rows: list[Row], rates: list[float], seconds: float, most: int) -> None:
    """Print a line for each rate that is offered."""
    print(
        "\n| offered a second | done a second | payments a batch | processor ms each | 50% ms | 99% ms | 99.9% ms | |"
    )
    print("|---:|---:|---:|---:|---:|---:|---:|---|")
    for rate in rates:
        offer(scorer, rows, rate, 0.1, most)
        times, n_batches, taken, cpu, is_broken = offer(scorer, rows, rate, seconds, most)
        if len(times):
            shown = [f"{1e3 * v:,.1f}" for v in np.quantile(times, [0.5, 0.99, 0.999])]
            counts = f"{len(times) / taken:,.0f} | {len(times) / n_batches:,.1f} | {1e3 * cpu / len(times):,.2f}"
            print(f"| {rate:,.0f} | {counts} | {' | '.join(shown)} | {'broke' if is_broken else ''} |", flush=True)


def show_state(state: LiveState, before: float) -> None:
    """Print what the state takes; the process took `before` MB without it."""
    sizes = state.sizes()
    per = sizes["transfers"] / max(1, state.n_transfers)
    print(f"{per:,.0f} bytes a transfer, {sizes['accounts'] / len(state.accounts):,.0f} an account, ", end="")
    print(f"{sizes['other'] / 1e6:,.1f} MB for the other tables; ", end="")
    print(f"the process: {before:,.0f} MB before, {memory():,.0f} MB after, {peak():,.0f} MB at most.\n", flush=True)


def show_hour(scorer: LiveScorer, later: pa.Table) -> None:
    """Print a line for each tenth of an hour of payments."""
    print("\n| payments of an hour | the process, MB | grown by, MB | the state says, MB | longest ms |")
    print("|---:|---:|---:|---:|---:|")
    begun, sizes, most = memory(), sum(scorer.state.sizes().values()), 0.0
    ends = np.linspace(0, len(later), 11).astype(int).tolist()
    for low in range(0, len(later), 64):
        rows = as_rows(later.slice(low, 64))
        at = time.perf_counter()
        pay(scorer, rows)
        most = max(most, time.perf_counter() - at)
        if low + 64 >= ends[1]:
            del ends[0]
            grown, said = memory() - begun, (sum(scorer.state.sizes().values()) - sizes) / 1e6
            shown = f"{memory():,.0f} | {grown:,.1f} | {said:,.1f} | {1e3 * most:,.0f}"
            print(f"| {min(low + 64, len(later)):,} | {shown} |", flush=True)


def add_options(options: argparse.ArgumentParser) -> None:
    """Add what says which bank and which model are taken, see `open_both`."""
    options.add_argument("--accounts", type=int, default=2_000, help="of the simulated bank")
    options.add_argument("--days", type=int, default=60)
    options.add_argument("--bank", type=Path, help="store or folder of tables, instead of a simulated bank")
    options.add_argument("--transfers", type=int, help="at most so many in the state, the latest")
    options.add_argument("--tables", nargs="*", help="only these tables of `--bank`, Parquet files; default: all")
    options.add_argument("--memory", help="limit while `--bank` is read and the state is made; default: none")
    options.add_argument("--model", type=Path, help="folder of a model of live columns; made there if it is not there")
    options.add_argument("--trees", type=int, default=300)
    options.add_argument("--busy", type=int, help="see LiveScorer; default: no bound")


def open_both(given: argparse.Namespace, folder: Path | None) -> tuple[MuleModel, Dataset]:
    """Return the model of a folder, made where it is not there, and the bank."""
    is_new = folder is None or not folder.exists()
    if is_new or given.bank is None:
        bank = read_dataset(simulate(n_accounts=given.accounts, n_days=given.days, seed=5, mule_share=0.03))
    model = live_model(bank, given.trees, **({"output": folder} if folder else {})) if is_new else load_model(folder)
    if given.bank is not None:
        begun = time.perf_counter()
        files = {name: given.bank / f"{name}.parquet" for name in given.tables or ()}
        bank = load(files or given.bank, memory=given.memory)
        print(f"Bank: read in {time.perf_counter() - begun:,.1f} s; {memory():,.0f} MB, {peak():,.0f} MB at most.")
    return model, bank


def main() -> None:
    """Print what the state takes, one line a size of micro-batches, and one a rate."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_options(options)
    options.add_argument("--batches", type=int, nargs="*", default=[1, 16, 64, 256])
    options.add_argument("--rates", type=float, nargs="*", default=[1_000, 2_000, 3_000, 4_000])
    options.add_argument("--hour", type=int, default=0, help="payments of an hour; default: none")
    options.add_argument("--most", type=int, default=256, help="payments of a batch that is made of those that wait")
    options.add_argument("--seconds", type=float, default=8.0, help="for each line")
    options.add_argument("--sync", choices=["none", "always", "interval", "never"], default="none")
    given = options.parse_args()
    versions = ", ".join(f"{name} {version(name)}" for name in ("muledetect", "numpy", "numba", "pyarrow", "lightgbm"))
    print(f"{platform.processor() or platform.machine()}, Python {platform.python_version()}, {versions}")
    model, bank = open_both(given, given.model)
    base, rows, later = split(bank, min(len(bank.transfers) // 4, _MOST_ARRIVING), given.transfers, given.hour)
    del bank
    later = pa.concat_tables([later.slice(0, 0), later]).combine_chunks()  # a copy, so that the bank may go
    with tempfile.TemporaryDirectory() as folder:
        log = {} if given.sync == "none" else {"log": folder, "sync": given.sync}
        before, begun = memory(), time.perf_counter()
        held = [base]
        del base  # the state takes its columns one by one
        with LiveScorer(model, held.pop, busy=given.busy, **log) as scorer:
            started, state = time.perf_counter() - begun, scorer.state
            print(
                f"State: {state.n_transfers:,} transfers, {len(state.accounts):,} accounts, made in {started:,.1f} s."
            )
            print(f"Columns of the model: {len(model.feature_names_in_)}; log: {given.sync}; busy: {given.busy}.")
            show_state(state, before)
            get_ready(scorer, int(rows[0]["time"].timestamp()) * 1_000_000)
            show_machine()
            show_batches(scorer, rows, given.batches, given.seconds)
            show_rates(scorer, rows, given.rates, given.seconds, given.most)
            if given.hour:
                show_hour(scorer, later)
            print(f"\nThe process: {memory():,.0f} MB at the end, {peak():,.0f} MB at most.\n")
            show_machine()


if __name__ == "__main__":
    main()
