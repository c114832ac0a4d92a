"""Score and book payments as they arrive: rate, times of a micro-batch, and what the state takes.

    python benchmarks/live.py --accounts 2000 --days 60 --batches 1 16 64 256

Simulates a bank, trains a model of live columns on it, starts a scorer with all transfers but the last, and lets these
arrive in micro-batches: each is booked and then scored, which gives the scores of one by one. The first batches of
each size are not counted: they load compiled code. *By processor time* is the rate that the processor time of the
process allows, as on a machine that nobody else uses. *Times* are of a whole micro-batch, from its arrival to the last
answer; on a shared machine the tail is that of the machine, too. Busy accounts are those of the simulated bank:
merchants and employers with thousands of transfers. `--sync` adds the log, with each record on the disk or not.
"""

from __future__ import annotations

import argparse
import resource
import tempfile
import time
from dataclasses import replace
from typing import Any

import numpy as np

from muledetect.live import LiveScorer
from muledetect.model import MuleModel
from muledetect.pipeline import train
from muledetect.records import Dataset, read_dataset
from muledetect.simulation import simulate

#: Batches of each size that are not counted.
_WARM = 3


def split(dataset: Dataset, n_arriving: int) -> tuple[Dataset, list[dict[str, Any]]]:
    """Return the data set without its last transfers, and these as rows."""
    transfers = dataset.transfers
    first = len(transfers) - n_arriving
    rows = [{name: v for name, v in row.items() if v is not None} for row in transfers.slice(first).to_pylist()]
    return replace(dataset, tables={**dataset.tables, "transfers": transfers.slice(0, first)}), rows


def measure(
    scorer: LiveScorer, rows: list[dict[str, Any]], size: int, seconds: float
) -> tuple[np.ndarray, float, float, int]:
    """Return the times of micro-batches, all time and processor time taken, and the transfers; takes rows away."""
    times, n_done, begun, begun_cpu = [], 0, 0.0, 0.0
    while len(rows) >= size and (len(times) <= _WARM or time.perf_counter() - begun < seconds):
        batch = rows[:size]
        del rows[:size]
        if len(times) == _WARM:
            begun, begun_cpu = time.perf_counter(), time.process_time()
        at = time.perf_counter()
        booked = scorer.book_many(batch)
        scorer.score_many(batch)
        times.append(time.perf_counter() - at)
        if any(one.outcome != "accepted" for one in booked):
            raise SystemExit("live: a transfer was not booked")
        n_done += size if len(times) > _WARM else 0
    return np.array(times[_WARM:]), time.perf_counter() - begun, time.process_time() - begun_cpu, n_done


def main() -> None:
    """Print one line a size of micro-batches, and what the state takes."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--accounts", type=int, default=2_000)
    options.add_argument("--days", type=int, default=60)
    options.add_argument("--batches", type=int, nargs="+", default=[1, 16, 64, 256])
    options.add_argument("--seconds", type=float, default=8.0, help="for each size")
    options.add_argument("--sync", choices=["none", "always", "interval", "never"], default="none")
    options.add_argument("--trees", type=int, default=300)
    given = options.parse_args()
    bank = read_dataset(simulate(n_accounts=given.accounts, n_days=given.days, seed=5, mule_share=0.03))
    end = bank.transfers["time"][-1].as_py()
    model = train(
        bank, end.isoformat(), target="ever", unlabelled="negative", live=True, lookback="45d",
        model=MuleModel(n_estimators=given.trees, n_jobs=1),
    )  # fmt: skip
    base, rows = split(bank, min(len(bank.transfers) // 4, 60_000))
    with tempfile.TemporaryDirectory() as folder:
        log = {} if given.sync == "none" else {"log": folder, "sync": given.sync}
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        begun = time.perf_counter()
        with LiveScorer(model, base, **log) as scorer:
            started, state = time.perf_counter() - begun, scorer.state
            print(f"State: {state.n_transfers:,} transfers, {len(state.accounts):,} accounts, made in {started:.1f} s.")
            print(f"Columns of the model: {len(model.feature_names_in_)}; log: {given.sync}.\n")
            print("| micro-batch | score and book a second | by processor time | median ms | 99% ms | longest ms |")
            print("|---:|---:|---:|---:|---:|---:|")
            for size in given.batches:
                times, taken, cpu, n_done = measure(scorer, rows, size, given.seconds)
                if len(times):
                    shown = [f"{1e3 * v:,.1f}" for v in (*np.quantile(times, [0.5, 0.99]), times.max())]
                    print(f"| {size} | {n_done / taken:,.0f} | {n_done / cpu:,.0f} | {' | '.join(shown)} |", flush=True)
            state = scorer.state
            sizes = state.sizes()
            per = sizes["transfers"] / max(1, state.n_transfers)
            print(f"\nState: {per:,.0f} bytes a transfer, {sizes['accounts'] / len(state.accounts):,.0f} an account,")
            print(f"{sizes['other'] / 1e6:,.1f} MB for the other tables; ", end="")
            print(f"the process grew by {(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1e3:,.0f} MB.")


if __name__ == "__main__":
    main()
