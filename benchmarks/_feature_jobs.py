"""The jobs that `features.py` runs, each in a process of its own: `_feature_jobs.py CONTENDER TRANSFERS OUT`."""
# ruff: noqa: PLC0415 (a contender must not carry the imports of the others)

from __future__ import annotations

import importlib
import json
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path

THREADS = 2
AS_OF = "2026-01-01"
WINDOWS = {"5min": 300, "15min": 900, "1h": 3600, "6h": 21_600, "24h": 86_400} | {
    f"{days}d": days * 86_400 for days in (7, 30, 90)
}
EVERY_WINDOW = {**WINDOWS, "all": 10**9}
SOME_WINDOWS = {name: EVERY_WINDOW[name] for name in ("24h", "7d", "30d", "all")}
#: What is computed of each side over which windows by all contenders.
SHARED = {"count": EVERY_WINDOW, "amount": EVERY_WINDOW, "mean": SOME_WINDOWS, "max": SOME_WINDOWS} | {
    "counterparties": SOME_WINDOWS
}
SIDES = {"in": ("target", "source"), "out": ("source", "target")}
AS_OF_MICROSECONDS = 1_767_225_600_000_000

Stages = dict[str, float]


def shared_names() -> list[str]:
    """Return the names of the shared columns, as muledetect calls them."""
    return [f"{side}_{what}__window_{w}" for side in SIDES for what, windows in SHARED.items() for w in windows]


def duckdb(transfers: str, out: str) -> Stages:
    """Scan, sort by account and time, write."""
    import duckdb as engine

    with engine.connect() as connection:
        connection.execute(f"SET threads={THREADS}")
        connection.execute(
            f"COPY (SELECT * FROM read_parquet('{transfers}') ORDER BY source, time) "  # noqa: S608 - a path of ours
            f"TO '{out}' (FORMAT parquet, COMPRESSION zstd)"
        )
    return {}


def _muledetect(transfers: str, out: str, names: list[str] | None) -> Stages:
    from muledetect.features import write_features
    from muledetect.labels import every_account
    from muledetect.records import read_dataset

    begun = time.perf_counter()
    marks: list[tuple[str, float]] = []

    def watch(stage: str, _share: float) -> None:
        if not marks or marks[-1][0] != stage:
            marks.append((stage, time.perf_counter()))

    dataset = read_dataset(transfers, progress=watch)
    marks.append(("features and writing", time.perf_counter()))
    write_features(dataset, every_account(dataset, AS_OF), out, names, pack="TH", threads=THREADS)
    times = [begun, *(moment for _, moment in marks[1:]), time.perf_counter()]
    return {stage: times[i + 1] - times[i] for i, (stage, _) in enumerate(marks)}


def muledetect(transfers: str, out: str) -> Stages:
    """Read, check, and write every default feature of every account."""
    return _muledetect(transfers, out, None)


def muledetect_part(transfers: str, out: str) -> Stages:
    """Read, check, and write the shared columns of every account."""
    return _muledetect(transfers, out, shared_names())


def polars(transfers: str, out: str) -> Stages:
    """The shared columns by the streaming engine."""
    import polars as pl

    def of_side(side: str) -> pl.LazyFrame:
        own, other = SIDES[side]
        amount, columns = pl.col("amount"), []
        for what, windows in SHARED.items():
            for name, seconds in windows.items():
                is_inside = pl.col("time").cast(pl.Int64) >= AS_OF_MICROSECONDS - seconds * 1_000_000
                picked = amount if name == "all" else amount.filter(is_inside)
                others = pl.col(other) if name == "all" else pl.col(other).filter(is_inside)
                value = {
                    "count": picked.len(), "amount": picked.sum(), "mean": picked.mean(), "max": picked.max(),
                    "counterparties": others.n_unique(),
                }[what]  # fmt: skip
                columns.append(value.cast(pl.Float64).alias(f"{side}_{what}__window_{name}"))
        return pl.scan_parquet(transfers).group_by(pl.col(own).alias("account_id")).agg(columns)

    counted = [n for n in shared_names() if "_mean_" not in n and "_max_" not in n]
    both = of_side("in").join(of_side("out"), on="account_id", how="full", coalesce=True)
    both.with_columns(pl.col(counted).fill_null(0.0)).sink_parquet(out, compression="zstd", engine="streaming")
    return {}


def pandas(transfers: str, out: str) -> Stages:
    """The shared columns by grouping once a window."""
    import pandas as pd

    read = pd.read_parquet(transfers, columns=["time", "source", "target", "amount"])
    ids = pd.Index(pd.unique(pd.concat([read["source"], read["target"]])))
    coded = pd.DataFrame({"amount": read["amount"], "source": ids.get_indexer(read["source"])})
    coded["target"] = ids.get_indexer(read["target"])
    moment = read["time"].astype("int64")
    del read
    result = pd.DataFrame(index=pd.RangeIndex(len(ids)))
    for side, (own, other) in SIDES.items():
        for name, seconds in EVERY_WINDOW.items():
            inside = coded if name == "all" else coded[moment >= AS_OF_MICROSECONDS - seconds * 1_000_000]
            found = inside.groupby(own)["amount"].agg(["count", "sum", "mean", "max"])
            result[f"{side}_count__window_{name}"] = found["count"].reindex(result.index, fill_value=0)
            result[f"{side}_amount__window_{name}"] = found["sum"].reindex(result.index, fill_value=0)
            if name in SOME_WINDOWS:
                result[f"{side}_mean__window_{name}"] = found["mean"].reindex(result.index)
                result[f"{side}_max__window_{name}"] = found["max"].reindex(result.index)
                others = inside[[own, other]].drop_duplicates().groupby(own).size()
                result[f"{side}_counterparties__window_{name}"] = others.reindex(result.index, fill_value=0)
    result = result.astype("float64")
    result.insert(0, "account_id", ids)
    result.to_parquet(out, compression="zstd", index=False)
    return {}


JOBS: dict[str, Callable[[str, str], Stages]] = {
    "duckdb": duckdb,
    "muledetect": muledetect,
    "muledetect-part": muledetect_part,
    "polars": polars,
    "pandas": pandas,
}
IMPORTS = {
    "muledetect": ("muledetect.features", "muledetect.labels"),
    "muledetect-part": ("muledetect.features", "muledetect.labels"),
}


def resident(field: str) -> float:
    """Return VmRSS or the peak VmHWM of this process in MB. Unlike ru_maxrss it owes nothing to the parent process."""
    line = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith(field))
    return int(line.split()[1]) * 1024 / 1e6


def main() -> None:
    """Run one job; print a JSON line of what was measured."""
    contender, transfers, out = sys.argv[1:]
    os.environ.update(POLARS_MAX_THREADS=str(THREADS), NUMBA_NUM_THREADS=str(THREADS))
    for module in IMPORTS.get(contender, (contender,)):
        importlib.import_module(module)
    import_mb = resident("VmRSS")
    begun = time.perf_counter()
    stages = JOBS[contender](transfers, out)
    seconds = time.perf_counter() - begun
    peak = resident("VmHWM")
    import pyarrow.parquet as pq

    columns = pq.read_schema(out).names
    measured = {
        "seconds": seconds,
        "peak_mb": peak,
        "import_mb": import_mb,
        "columns": len(columns),
        "out_mb": os.path.getsize(out) / 1e6,
    }
    print(json.dumps(measured | stages))


if __name__ == "__main__":
    main()
