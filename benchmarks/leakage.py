"""The leakage audit on clean simulated worlds, where it should find nothing, and on ten planted leaks.

    python benchmarks/leakage.py --worlds 3

For each world the feature table of two trainings (targets active and ever) is audited with its records; then, for
target ever, each leak is planted alone and must be found under the column that it was planted in.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Mapping

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from muledetect.clock import DAY, SECOND
from muledetect.features import extract, feature_names
from muledetect.graph import build_graph
from muledetect.labels import account_groups, ring_groups
from muledetect.labels.targets import labelled_points
from muledetect.model.leakage import Leak, audit_features, audit_records
from muledetect.records import read_dataset
from muledetect.simulation import simulate

World = dict[str, pa.Table]
Random = np.random.Generator


def audit(world: World, days: tuple[int, ...], target: str) -> tuple[list[Leak], pa.Table, np.ndarray, np.ndarray]:
    """Audit as `train` does; return the findings, the features, targets and groups."""
    dataset = read_dataset(world)
    graph = build_graph(dataset)
    moments = [int(graph.time[0]) // DAY * DAY + day * DAY for day in days]
    points, y, _ = labelled_points(dataset, moments, target=target)  # type: ignore[arg-type]
    groups = ring_groups(dataset, points)
    names = feature_names(pack="TH", long_term=target == "ever")
    features = extract(dataset, points, names, hide_groups=account_groups(dataset))
    found = audit_features(features, y, groups=groups) + audit_records(dataset, points, y, groups=groups)
    return found, features, y, groups


def mules_of(world: World) -> list[str]:
    """Return the accounts that the bank's labels call mules."""
    labels = world["labels"]
    is_mule = pc.equal(labels["label"].cast(pa.string()), "mule")
    return sorted(set(labels.filter(is_mule)["account_id"].to_pylist()))


def replaced(world: World, name: str, column: str, values: pa.Array) -> World:
    """Return the world with another column."""
    table = world[name]
    at = table.column_names.index(column)
    return {**world, name: table.set_column(at, column, values.cast(table.schema.field(column).type))}


def renamed_ids(world: World, name_of: Mapping[str, str]) -> World:
    """Return the world under other account ids."""
    columns = {"transfers": ("source", "target"), "accounts": ("account_id",), "sessions": ("account_id",),
               "identifiers": ("entity_id",), "complaints": ("victim_account", "target"), "labels": ("account_id",),
               "truth_rings": ("account_id",)}  # fmt: skip
    changed = {name: world[name] for name in columns}
    for name, names in columns.items():
        for column in names:
            old = world[name][column].cast(pa.string()).to_pylist()
            changed = replaced(changed, name, column, pa.array([name_of.get(text, text) for text in old], pa.string()))
    return changed


def number_ids(world: World, random: Random) -> World:
    """Number accounts as they were found: mules get the highest numbers."""
    ids, mules = world["accounts"]["account_id"].to_pylist(), set(mules_of(world))
    order = sorted(ids, key=lambda name: (name in mules, random.random()))
    return renamed_ids(world, {name: f"A{nth:08d}" for nth, name in enumerate(order)})


def mark_ids(world: World, _random: Random) -> World:
    """Give mules an id that begins with another letter."""
    mules = set(mules_of(world))
    ids = world["accounts"]["account_id"].to_pylist()
    return renamed_ids(world, {name: f"{'M' if name in mules else 'C'}{name}" for name in ids})


def code_amounts(world: World, random: Random) -> World:
    """Let most transfers of mules end in 37."""
    transfers = world["transfers"]
    ours = pc.or_(*(pc.is_in(transfers[end], pa.array(mules_of(world))) for end in ("source", "target")))
    coded = np.asarray(ours) & (random.random(len(transfers)) < 0.7)
    amount = transfers["amount"].to_numpy()
    return replaced(world, "transfers", "amount", pa.array(np.where(coded, amount // 100 * 100 + 37, amount)))


def code_seconds(world: World, random: Random) -> World:
    """Let most transfers of mules happen at second 0."""
    transfers = world["transfers"]
    ours = pc.or_(*(pc.is_in(transfers[end], pa.array(mules_of(world))) for end in ("source", "target")))
    coded = np.asarray(ours) & (random.random(len(transfers)) < 0.7)
    at = transfers["time"].cast(pa.int64()).to_numpy()
    cut = np.where(coded, at // (60 * SECOND) * (60 * SECOND), at)
    return replaced(world, "transfers", "time", pa.array(cut).cast(pa.timestamp("us", tz="UTC")))


def open_together(world: World, _random: Random) -> World:
    """Let mules' accounts be opened at one moment, as a migration of found accounts into another system does."""
    accounts = world["accounts"]
    opened = accounts["opened_at"].cast(pa.timestamp("us", tz="UTC")).cast(pa.int64()).to_numpy(zero_copy_only=False)
    is_mule = np.asarray(pc.is_in(accounts["account_id"], pa.array(mules_of(world))))
    moved = np.where(is_mule, np.nanmin(opened), opened).astype(np.int64)
    return replaced(world, "accounts", "opened_at", pa.array(moved).cast(pa.timestamp("us", tz="UTC")))


def mules_last(world: World, _random: Random) -> World:
    """Append mules to the accounts table when they are found."""
    is_mule = np.asarray(pc.is_in(world["accounts"]["account_id"], pa.array(mules_of(world))))
    return {**world, "accounts": world["accounts"].take(pa.array(np.argsort(is_mule, kind="stable")))}


def complain_afterwards(world: World, _random: Random) -> World:
    """File a complaint about every mule a day after its label, and none before."""
    labels = world["labels"].filter(pc.equal(world["labels"]["label"].cast(pa.string()), "mule"))
    known = labels["known_ts"].cast(pa.timestamp("us", tz="UTC")).cast(pa.int64()).to_numpy()
    model = world["complaints"].slice(0, 1).to_pylist()[0]
    times = {name: 0 for name in model if name.endswith(("_ts", "time"))}
    rows = [
        {**model, **dict.fromkeys(times, int(at) + 3600 * SECOND), "complaint_id": f"L{nth}", "target": account}
        for nth, (account, at) in enumerate(zip(labels["account_id"].to_pylist(), known, strict=True))
    ]
    return {**world, "complaints": pa.Table.from_pylist(rows, schema=world["complaints"].schema)}


IN_RECORDS: Mapping[str, tuple[Callable[[World, Random], World], str]] = {
    "ids in the order of finding": (number_ids, "account_id, in order"),
    "a letter in the id": (mark_ids, "account_id, first 1 letter(s)"),
    "an amount code": (code_amounts, "transfers.amount, last two digits"),
    "a time code": (code_seconds, "transfers.time, second"),
    "accounts opened together": (open_together, "accounts.opened_at"),
    "the order of the accounts table": (mules_last, "accounts, its row"),
    "complaints after the label": (complain_afterwards, "complaints.known_ts"),
}
#: What a column holds, given whether each row is positive.
IN_FEATURES: Mapping[str, Callable[[np.ndarray, Random], np.ndarray]] = {
    "a frozen flag": lambda y, random: ((y == 1) & (random.random(len(y)) < 0.7)).astype(float),
    "a count of the future": lambda y, random: random.poisson(np.where(y == 1, 3.0, 0.02)).astype(float),
    "label-coded missingness": lambda y, random: np.where(
        (y == 1) & (random.random(len(y)) < 0.8), np.nan, random.normal(size=len(y))
    ),
}


def main() -> None:
    """Audit clean worlds, then plant."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--worlds", type=int, default=3)
    parser.add_argument("--accounts", type=int, default=8_000)
    options = parser.parse_args()
    n_clean = n_alarms = n_planted = n_caught = 0
    for seed in range(options.worlds):
        for preset in ("thai_bank", "hard"):
            world = dict(simulate(preset, n_accounts=options.accounts, n_days=120, mule_share=0.02, seed=seed))
            for target, days in {"active": (40, 55, 70), "ever": (90,)}.items():
                begun = time.perf_counter()
                found, features, y, groups = audit(world, days, target)
                n_clean, n_alarms = n_clean + 1, n_alarms + bool(found)
                print(f"{preset} {seed} {target}: {len(y):,} rows, {int(y.sum())} positive, {len(found)} findings, "
                      f"{time.perf_counter() - begun:.1f} s in all", *(leak.text for leak in found))  # fmt: skip
            random, missed = np.random.default_rng(seed), []
            for name, column_of in IN_FEATURES.items():
                planted = features.append_column("planted", pa.array(column_of(y, random)))
                leaks = audit_features(planted, y, groups=groups)
                missed += [] if [leak.column for leak in leaks] == ["planted"] else [name]
            for name, (plant, column) in IN_RECORDS.items():
                leaks = audit(plant(world, random), (90,), "ever")[0]
                missed += [] if column in {leak.column for leak in leaks} else [name]
            n_planted += len(IN_FEATURES) + len(IN_RECORDS)
            n_caught += len(IN_FEATURES) + len(IN_RECORDS) - len(missed)
            print(f"{preset} {seed}: planted, and missed: {', '.join(missed) or 'none'}", flush=True)
    print(f"clean trainings with a finding: {n_alarms} of {n_clean}; planted leaks found: {n_caught} of {n_planted}")


if __name__ == "__main__":
    main()
