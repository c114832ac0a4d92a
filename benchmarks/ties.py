"""How right ties to call centres are, by grade and by what tables a bank has.

    python benchmarks/ties.py [--worlds 5] [--shuffles 20]

Rings are the true ones as the bank could see them at the end of simulated worlds, so that only ties are judged.
Precision and recall are over all worlds, with 95% Wilson intervals. With shuffled calls (who was called is shuffled
within each hour), ties above "possible" are counted by runs in which there was one that the calls carried.
"""

from __future__ import annotations

import argparse
import platform
import tempfile
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
from scipy.stats import binomtest

from muledetect import pipeline
from muledetect.clock import DAY, HOUR
from muledetect.evaluation import measure_ties, visible_rings
from muledetect.facts import Facts, Snapshot
from muledetect.graph import TransferGraph, build_graph
from muledetect.records import Dataset
from muledetect.rings import find_ties
from muledetect.simulation import world_config, write_world

FIRST_SEED = 31
TABLES = {
    "complaints": ("complaints",),
    "+ calls": ("complaints", "calls", "identifiers"),
    "+ lists": ("complaints", "calls", "identifiers", "watchlists"),
    "+ sessions": ("complaints", "calls", "identifiers", "watchlists", "sessions", "holders"),
}


def snapshot_of(tables: dict[str, pa.Table], graph: TransferGraph, as_of: int) -> Snapshot:
    """Return a snapshot of tables that are in order already, without reading and sorting them again."""
    return Snapshot(Facts(Dataset(tables, graph.account_ids, pa.table({}), (), {}, "", graph.tick), graph), as_of)


def shuffled(calls: pa.Table, rng: np.random.Generator) -> pa.Table:
    """Return calls whose callees are shuffled within each hour."""
    hour = calls["time"].cast(pa.int64()).to_numpy() // HOUR
    order = np.lexsort((rng.random(len(hour)), hour))
    place = np.argsort(hour, kind="stable")
    callee = np.empty(len(hour), np.int64)
    callee[place] = order
    at = calls.schema.get_field_index("callee_hash")
    return calls.set_column(at, calls.schema.field(at), calls["callee_hash"].take(pa.array(callee)))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--worlds", type=int, default=5)
    parser.add_argument("--shuffles", type=int, default=4, help="shuffled runs a world")
    args = parser.parse_args()
    print(f"{platform.machine()}, python {platform.python_version()}, pandas {pd.__version__}")
    parts, runs, firm, beside = [], 0, 0, 0
    for preset in ("thai_bank", "hard"):
        for seed in range(FIRST_SEED, FIRST_SEED + args.worlds):
            with tempfile.TemporaryDirectory() as folder:
                path = Path(folder) / "w"
                write_world(world_config(preset, n_accounts=20_000, n_days=120, seed=seed), path)
                dataset = pipeline.load(path)
            graph, tables = build_graph(dataset), dict(dataset.tables)
            end = int(graph.time[-1]) // DAY * DAY + DAY
            true = visible_rings(tables["truth_rings"], tables["truth_transfers"], dataset.transfers, end)
            members = pa.Table.from_pandas(true[["ring_id", "account_id", "role"]], preserve_index=False)
            for name, kept in TABLES.items():
                given = {key: tables[key] for key in ("transfers", "accounts", *kept)}
                found = find_ties(snapshot_of(given, graph, end), members)
                part = measure_ties(found.ring_ties, true, tables["truth_rings"]).reset_index()
                parts.append(part.assign(tables=name, preset=preset))
            rng = np.random.default_rng(seed)
            no_lists = {key: tables[key] for key in ("transfers", "accounts", *TABLES["+ lists"])}
            for _ in range(args.shuffles):
                given = no_lists | {"calls": shuffled(tables["calls"], rng)}
                ties = find_ties(snapshot_of(given, graph, end), members).ring_ties.to_pandas()
                above = ties[ties["grade"].isin(["moderate", "strong"])]
                without = above["log_odds"] - above["call"]
                firm += bool(((above["call"] > 0) & (without < 3.0)).any())
                beside += bool(len(above))
                runs += 1
    table = pd.concat(parts)
    for preset, of in table.groupby("preset", sort=False):
        print(f"\n{preset}, {args.worlds} worlds")
        sums = (
            of.assign(hit=of["recall"] * of["n_rings"]).groupby(["tables", "grade"], sort=False).sum(numeric_only=True)
        )
        for (name, said), row in sums.iterrows():
            n, right = int(row["n"]), int(row["n_right"])
            low, high = binomtest(right, n).proportion_ci(method="wilson") if n else (np.nan, np.nan)
            print(f"{name:14}{said:10} precision {right / n if n else np.nan:.2f} [{low:.2f}, {high:.2f}] of {n} ties, "
                  f"recall {row['hit'] / row['n_rings']:.2f} of {int(row['n_rings'])} rings")  # fmt: skip
    print(f"\nshuffled calls: {firm} of {runs} runs have a tie above 'possible' that calls lift there; "
          f"{beside} have one on any evidence")  # fmt: skip


if __name__ == "__main__":
    main()
