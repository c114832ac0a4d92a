"""How fast, how exact and how right traces are.

    python benchmarks/trace.py --speed [--transfers 10e6 --complaints 1e4]   # all four methods, and the first minutes
    python benchmarks/trace.py --exact [--cases 1e6]                         # random worlds; counts broken invariants
    python benchmarks/trace.py --truth [--worlds 5]                          # against the truth of simulated banks

--truth traces each complained case some hours after the victim's last payment as if the bank heard of it at once, and
all complaints at the end as the bank truly heard of them.
"""

from __future__ import annotations

import argparse
import platform
import resource
import tempfile
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa

from muledetect import pipeline
from muledetect.clock import DAY, HOUR, MINUTE
from muledetect.evaluation import measure_traces
from muledetect.facts import Facts, Snapshot
from muledetect.graph import TransferGraph, build_graph, graph_from_arrays
from muledetect.records import Dataset
from muledetect.simulation import world_config, write_world
from muledetect.tracing import METHODS, locate, trace
from muledetect.tracing.paths import follow, share_available

START = 1_735_689_600_000_000
FIRST_SEED = 31


def random_bank(n: int, m: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    source = rng.integers(0, n, m, dtype=np.int32)
    target = ((source + 1 + rng.zipf(1.3, m) % (n - 1)) % n).astype(np.int32)
    moment = np.sort(rng.integers(0, 120 * DAY, m)) + START
    amount = np.exp(rng.normal(11, 1.5, m)).astype(np.int64) + 1
    return moment, source, target, amount


def facts_of(tables: dict[str, pa.Table], graph: TransferGraph) -> Facts:
    """Return facts of tables that are in order already, without reading and sorting them again."""
    return Facts(Dataset(tables, graph.account_ids, pa.table({}), (), {}, "", graph.tick), graph)


def speed(m: int, n_complaints: int) -> None:
    rng = np.random.default_rng(0)
    n = max(m // 100, 100)
    moment, source, target, amount = random_bank(n, m, rng)
    ids = pa.array(np.char.mod("%010d", np.arange(n)).tolist(), pa.string())
    graph = graph_from_arrays(time=moment, source=source, target=target, amount=amount, account_ids=ids)
    as_of = int(moment[-1]) + 1
    # stolen a day to a month ago
    recent = np.flatnonzero((graph.time > as_of - 30 * DAY) & (graph.time < as_of - DAY))
    disputed = np.sort(rng.choice(recent, n_complaints, replace=False))
    transfers = pa.table({"transfer_id": pa.array(np.arange(m)).cast(pa.string())})
    complaints = pa.table(
        {
            "complaint_id": pa.array(np.arange(n_complaints)).cast(pa.string()),
            "known_ts": pa.array(graph.time[disputed] + HOUR).cast(pa.timestamp("us", tz="UTC")),
            "transfer_id": pa.array(disputed).cast(pa.string()),
        }
    )
    facts = facts_of({"transfers": transfers, "complaints": complaints}, graph)
    trace(Snapshot(facts, as_of), complaint_ids=["0"])  # compile
    begin = time.perf_counter()
    found = trace(Snapshot(facts, as_of))
    took = time.perf_counter() - begin
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
    print(f"{m:,} transfers of {n:,} accounts, {n_complaints:,} complaints x 4 methods, 1 to 30 days old: "
          f"{took:.1f} s, {len(found.trace):,} rows, peak {peak:.1f} GB with the graph")  # fmt: skip
    begin = time.perf_counter()
    snapshot = Snapshot(facts, as_of)
    locate(snapshot, int(disputed[0]))
    opened = time.perf_counter() - begin
    took = []
    for transfer in disputed[:200]:
        begin = time.perf_counter()
        locate(snapshot, int(transfer))
        took.append(time.perf_counter() - begin)
    print(f"first minutes: the first complaint in {opened:.2f} s, then one complaint in {np.median(took) * 1e3:.0f} ms "
          f"(median), {max(took) * 1e3:.0f} ms (slowest of 200)")  # fmt: skip


def exact(n_cases: int) -> None:
    rng = np.random.default_rng(0)
    cases = broken = 0
    begin = time.perf_counter()
    while cases < n_cases:
        n, m = int(rng.integers(2, 12)), int(rng.integers(1, 200))
        ids = pa.array([f"a{k:02d}" for k in range(n)], pa.string())
        size = 10 ** int(rng.integers(0, 15))
        graph = graph_from_arrays(
            time=rng.integers(0, int(rng.choice([3, 50, 10_000])), m) * MINUTE + START,
            source=rng.integers(0, n, m).astype(np.int32), target=rng.integers(0, n, m).astype(np.int32),
            amount=rng.integers(1, 1 + size * 9, m), account_ids=ids,
        )  # fmt: skip
        facts = facts_of({"transfers": pa.table({"transfer_id": pa.array(np.arange(m)).cast(pa.string())})}, graph)
        as_of = int(graph.time[int(rng.integers(0, m))]) + 1
        snapshot = Snapshot(facts, as_of)
        cut = snapshot.graph
        disputed = np.flatnonzero(cut.source != cut.target).astype(np.int64)
        if not len(disputed):
            continue
        rows, _ = follow(snapshot, disputed, METHODS, int(rng.integers(1, 9)))
        sums = np.zeros((len(disputed), len(METHODS)), np.int64)
        np.add.at(sums, (rows["case"], rows["method"]), rows["amount"])
        broken += int((sums != cut.amount[disputed][:, None]).sum()) + int((rows["amount"] <= 0).sum())
        here = rows["place"] == 0
        balance, _ = snapshot.balances(np.arange(n, dtype=np.int32))
        for number in range(len(METHODS)):
            own = np.flatnonzero(here & (rows["method"] == number))
            account, wanted = rows["account"][own], rows["amount"][own]
            hold = share_available(account, rng.integers(0, 3, len(own)), wanted, balance[account])
            total = np.zeros(n, np.int64)
            np.add.at(total, account, hold)
            broken += int((hold > wanted).sum()) + int((hold < 0).sum()) + int((total > balance).sum())
        cases += sums.size
    print(f"{cases:,} traces of random disputes: {broken} broken invariants ({time.perf_counter() - begin:.0f} s)")


def truth(n_worlds: int) -> None:
    parts = []
    for seed in range(FIRST_SEED, FIRST_SEED + n_worlds):
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "w"
            write_world(world_config("thai_bank", n_accounts=20_000, n_days=120, seed=seed), path)
            dataset = pipeline.load(path)
        graph = build_graph(dataset)
        tables = dict(dataset.tables)
        complaints = tables["complaints"]
        complaints = complaints.filter(pa.array([status != "withdrawn" for status in complaints["status"].to_pylist()]))
        end = int(graph.time[-1]) + 1
        tables["complaints"] = complaints
        parts.append(_measured(tables, graph, end, "end of data, as reported"))
        # one moment for each case: some hours after its last disputed payment
        moment = complaints["time"].cast(pa.int64()).to_numpy()
        for hours in (1, 6, 24):
            for victim, rows in pd.Series(range(len(complaints))).groupby(complaints["victim_account"].to_pylist()):
                del victim
                as_of = int(moment[rows.to_numpy()].max()) + hours * HOUR
                if as_of >= end:
                    continue
                at_once = complaints.take(pa.array(rows.to_numpy()))
                at = at_once.schema.get_field_index("known_ts")
                at_once = at_once.set_column(at, at_once.schema.field(at), at_once["time"])
                parts.append(
                    _measured(tables | {"complaints": at_once}, graph, as_of, f"{hours} h after, reported at once")
                )
    table = (
        pd.concat(parts).groupby(["when", "method"], sort=False)[["lost", "there", "found", "saved", "innocent"]].sum()
    )
    table["found_share"] = table["found"] / table["there"]
    table["there_of_lost"] = table["there"] / table["lost"]
    table["innocent_per_million"] = table["innocent"] / table["saved"] * 1e6
    with pd.option_context("display.width", 200, "display.float_format", "{:,.3f}".format):
        print(f"{n_worlds} worlds thai_bank, 20,000 accounts, 120 days, seeds {FIRST_SEED} and following; satang")
        print(table.to_string())


def _measured(tables: dict[str, pa.Table], graph: TransferGraph, as_of: int, when: str) -> pd.DataFrame:
    found = trace(Snapshot(facts_of(tables, graph), as_of))
    return measure_traces(
        found, tables["complaints"], tables["truth_transfers"], tables["truth_money"], as_of
    ).reset_index().assign(when=when)  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for flag in ("--speed", "--exact", "--truth"):
        parser.add_argument(flag, action="store_true")
    parser.add_argument("--transfers", type=float, default=10e6)
    parser.add_argument("--complaints", type=float, default=1e4)
    parser.add_argument("--cases", type=float, default=1e6)
    parser.add_argument("--worlds", type=int, default=5)
    args = parser.parse_args()
    print(f"{platform.machine()}, python {platform.python_version()}, numpy {np.__version__}")
    if args.speed:
        speed(int(args.transfers), int(args.complaints))
    if args.exact:
        exact(int(args.cases))
    if args.truth:
        truth(args.worlds)


if __name__ == "__main__":
    main()
