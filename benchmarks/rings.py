"""How well rings are found, beside other ways, on simulated banks, AMLSim and AMLworld patterns.

    python benchmarks/rings.py [--seeds 10] [--presets thai_bank hard]     # simulated worlds, intervals over seeds
    python benchmarks/rings.py --amlsim DATASET                            # scores out of fold, by halves of its rings
    python benchmarks/rings.py --fragments HI-Medium_PatternTransactions.csv   # patterns on honest simulated accounts
    python benchmarks/rings.py --stable                                    # 5% of transfers removed
    python benchmarks/rings.py --speed [--accounts 1e6 --transfers 20e6]
    python benchmarks/rings.py --fit                                       # coefficients of rings/suspicion.py

Simulated worlds are trained at two thirds of the time on what their bank knew, and searched at the end. A member counts
if the bank saw a transfer of the ring touch it. vr@n is the value-weighted recall of as many candidates as there are
true rings, paired one to one.
"""

from __future__ import annotations

import argparse
import platform
import resource
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import _ring_peers as peers
import numpy as np
import pandas as pd
import pyarrow as pa
from scipy.stats import t as student
from sklearn.linear_model import LogisticRegression

from muledetect import pipeline
from muledetect.clock import DAY, HOUR
from muledetect.evaluation import compare_rings, value_recall, visible_rings
from muledetect.facts import Facts, Snapshot
from muledetect.features import extract, feature_names
from muledetect.graph import TransferGraph, build_graph, graph_from_arrays
from muledetect.labels import every_account, find_targets, ring_groups, split_by_group
from muledetect.model import MuleModel
from muledetect.records import Dataset, read_dataset
from muledetect.rings import find_rings, find_ties
from muledetect.rings import suspicion as model
from muledetect.rings.account_evidence import gather_evidence, read_scores
from muledetect.simulation import world_config, write_world

#: Seeds on which the coefficients of rings/suspicion.py were fitted; the benchmark uses others.
FIT_SEEDS = (11, 13, 15, 17, 19, 20)
FIRST_SEED = 31
COLUMNS = [
    "B3 P",
    "B3 R",
    "B3 F1",
    "pair F1",
    "ARI",
    "purity",
    "recall .5",
    "precision .5",
    "vr@n",
    "vr all",
    "n found",
]


@dataclass(frozen=True, eq=False)
class World:
    name: str
    dataset: Dataset
    graph: TransferGraph
    scores: pa.Table
    true: pd.DataFrame
    as_of: int

    def probability(self) -> np.ndarray:
        found = np.zeros(self.graph.n_accounts)
        code = self.graph.codes(self.scores["account_id"])
        found[code[code >= 0]] = self.scores["probability"].to_numpy()[code >= 0]
        return found

    def perfect(self) -> pa.Table:
        mules = set(self.true["account_id"])
        ids = self.graph.account_ids.to_pylist()
        is_mule = [float(name in mules) for name in ids]
        return pa.table({"account_id": ids, "score": is_mule, "probability": is_mule})


def simulated(preset: str, seed: int, accounts: int, days: int, folder: str) -> World:
    path = Path(folder) / f"{preset}-{seed}"
    write_world(world_config(preset, n_accounts=accounts, n_days=days, seed=seed), path)
    dataset = pipeline.load(path)
    end = int(dataset.transfers["time"].cast(pa.int64()).to_numpy()[-1]) // DAY * DAY + DAY
    trained = pipeline.train(dataset, end - days // 3 * DAY, target="ever", pack="TH", known_by=end - days // 3 * DAY)
    scores = pipeline.score(dataset, trained, end, n_explained=0)
    tables = dataset.tables
    true = visible_rings(tables["truth_rings"], tables["truth_transfers"], dataset.transfers, end)
    return World(path.name, dataset, build_graph(dataset), scores, true, end)


def measure(world: World, members: pd.DataFrame, order: list[str]) -> list[float]:
    n_true = world.true["ring_id"].nunique()
    members = members[members["ring_id"].isin(order)]
    if members.empty:
        return [float("nan"), 0.0, 0.0, 0.0, 0.0, float("nan"), 0.0, float("nan"), 0.0, 0.0, 0.0]
    fit = compare_rings(members, world.true)
    return [
        fit.bcubed_precision, fit.bcubed_recall, fit.bcubed_f1, fit.pairwise_f1, fit.adjusted_rand, fit.purity,
        fit.ring_recall, fit.ring_precision, value_recall(members, world.true, shown=order[:n_true]),
        value_recall(members, world.true), len(order),
    ]  # fmt: skip


def ours(world: World, scores: pa.Table) -> peers.Candidates:
    found = find_rings(Snapshot(Facts(world.dataset, world.graph), world.as_of), scores, window="all")
    members = found.ring_members.select(["ring_id", "account_id", "membership"]).to_pandas()
    members = members.astype({"ring_id": object, "account_id": object})
    return members, found.rings["ring_id"].to_pylist()


def every_way(world: World, n_blocks: int) -> Iterator[tuple[str, list[float]]]:
    probability = world.probability()
    ways = {
        "muledetect": lambda: ours(world, world.scores),
        "muledetect, true scores (bound)": lambda: ours(world, world.perfect()),
        "components of suspects": lambda: peers.components(world.graph, probability),
        "Louvain, suspects": lambda: peers.louvain(world.graph, probability),
        "Leiden, suspects": lambda: peers.leiden(world.graph, probability, whole=False),
        "Leiden, all transfers": lambda: peers.leiden(world.graph, probability, whole=True),
        "flow peeling": lambda: peers.peel(world.graph, probability, n_blocks),
    }
    for name, way in ways.items():
        yield name, measure(world, *way())


def show(results: dict[str, list[list[float]]], n_true: list[int]) -> None:
    print(f"true rings a world: {np.mean(n_true):.1f} (mean of {len(n_true)} worlds); mean [95% interval over worlds]")
    rows = {}
    for name, runs in results.items():
        table = np.array(runs)
        n = np.maximum((~np.isnan(table)).sum(axis=0), 1)
        mean = np.nanmean(table, axis=0)
        half = (
            student.ppf(0.975, np.maximum(n - 1, 1))
            * np.nanstd(table, axis=0, ddof=1 if len(runs) > 1 else 0)
            / np.sqrt(n)
        )
        rows[name] = [
            f"{m:.2f} [{m - h:.2f}, {m + h:.2f}]" if len(runs) > 1 else f"{m:.3f}"
            for m, h in zip(mean, half, strict=True)
        ]
    with pd.option_context("display.width", 300, "display.max_columns", 20, "display.max_colwidth", 40):
        print(pd.DataFrame.from_dict(rows, orient="index", columns=COLUMNS).to_string(), flush=True)


def worlds(args: argparse.Namespace) -> None:
    for preset in args.presets:
        results: dict[str, list[list[float]]] = {}
        n_true = []
        for seed in range(FIRST_SEED, FIRST_SEED + args.seeds):
            with tempfile.TemporaryDirectory() as folder:
                world = simulated(preset, seed, int(args.accounts or 20_000), args.days, folder)
            n_true.append(world.true["ring_id"].nunique())
            for name, row in every_way(world, n_true[-1]):
                results.setdefault(name, []).append(row)
        print(
            f"\n{preset}: {int(args.accounts or 20_000):,} accounts, {args.days} days, seeds {FIRST_SEED} and following"
        )
        show(results, n_true)


def amlsim(folder: str) -> None:
    dataset = read_dataset(folder, currency="USD")
    graph = build_graph(dataset)
    end = int(graph.time[-1]) + graph.tick
    points = every_account(dataset, end)
    y = find_targets(dataset, graph, points, target="ever")
    groups = ring_groups(dataset, points)
    features = extract(dataset, points, feature_names(long_term=True), graph=graph)
    first, second = split_by_group(groups, seed=0)
    score = np.zeros(len(y))
    probability = np.zeros(len(y))
    for fit, held in ((first, second), (second, first)):
        trained = MuleModel().fit(features.filter(pa.array(fit)), y[fit], groups=groups[fit])
        score[held] = trained.decision_function(features.filter(pa.array(held)))
        probability[held] = trained.predict_proba(features.filter(pa.array(held)))[:, 1]
    scores = pa.table({"account_id": features["account_id"], "score": score, "probability": probability})
    truth = dataset.tables["truth_rings"].to_pandas()
    if "is_sar" in truth:
        truth = truth[truth["is_sar"].astype(bool)]
    true = truth[["ring_id", "account_id"]].astype(object).drop_duplicates()
    received = np.zeros(graph.n_accounts, np.int64)
    np.add.at(received, graph.target, graph.amount)
    true["value"] = received[graph.codes(true["account_id"].tolist())]
    world = World("amlsim", dataset, graph, scores, true, end)
    print(f"\nAMLSim: {graph.n_transfers:,} transfers, scores out of fold by halves of the rings")
    show({name: [row] for name, row in every_way(world, 50)}, [true["ring_id"].nunique()])


def fragments(file: str) -> None:
    """Put AMLworld's laundering patterns on honest accounts of a simulated bank without crime of its own."""
    rows = pd.read_csv(file, dtype=str)
    with tempfile.TemporaryDirectory() as folder:
        write_world(world_config("no_crime", n_accounts=20_000, n_days=60, seed=FIRST_SEED), Path(folder) / "w")
        dataset = pipeline.load(Path(folder) / "w")
    honest = dataset.transfers.select(["transfer_id", "time", "source", "target", "amount"]).to_pandas()
    honest = honest.astype({"transfer_id": object, "source": object, "target": object})
    rng = np.random.default_rng(0)
    keys = sorted(
        set(rows["FromBankID"] + ":" + rows["FromAccountID"]) | set(rows["ToBankID"] + ":" + rows["ToAccountID"])
    )
    table = dataset.tables["accounts"].to_pandas()
    private = table.loc[(table["kind"] == "individual") & table["is_own"], "account_id"].astype(object).to_numpy()
    n = min(len(keys), len(private) // 2)
    body = dict(zip(keys[:n], rng.choice(private, n, replace=False), strict=True))
    rows = rows.assign(
        source=(rows["FromBankID"] + ":" + rows["FromAccountID"]).map(body),
        target=(rows["ToBankID"] + ":" + rows["ToAccountID"]).map(body),
    ).dropna(subset=["source", "target"])
    stamp = pd.to_datetime(rows["TransactionTimestamp"], format="%Y/%m/%d %H:%M", utc=True)
    begin = honest["time"].min() + pd.Timedelta("20D")
    amount = (rows["AmountPaid"].astype(float) * 100).round().astype("int64").clip(lower=1)
    # another country's amounts: brought to the size of this bank's
    amount = (amount * float(honest["amount"].median() * 20 / amount.median())).round().astype("int64").clip(1, 10**12)
    planted = pd.DataFrame(
        {
            "transfer_id": [f"P{k}" for k in range(len(rows))], "time": begin + (stamp - stamp.min()),
            "source": rows["source"].to_numpy(), "target": rows["target"].to_numpy(), "amount": amount.to_numpy(),
        }
    )  # fmt: skip
    planted["ring_id"] = rows["PatternAttemptID"].to_numpy()
    both = pd.concat([honest, planted.drop(columns=["ring_id"])], ignore_index=True)
    tables = {"transfers": pa.Table.from_pandas(both, preserve_index=False), "accounts": dataset.tables["accounts"]}
    mixed = read_dataset(tables, currency="THB")
    graph = build_graph(mixed)
    end = int(graph.time[-1]) + 1
    members = pd.concat([
        planted[["ring_id", end_, "amount"]].rename(columns={end_: "account_id"}) for end_ in ("source", "target")
    ])  # fmt: skip
    true = (
        members.groupby(["ring_id", "account_id"], as_index=False)["amount"].sum().rename(columns={"amount": "value"})
    )
    scores = pipeline.score(mixed, "starter", end, n_explained=0)
    world = World("fragments", mixed, graph, scores, true, end)
    print(f"\nAMLworld patterns ({len(planted):,} transfers) among {len(honest):,} honest ones; the starter's scores")
    show({name: [row] for name, row in every_way(world, 50)}, [true["ring_id"].nunique()])


def stable(args: argparse.Namespace) -> None:
    with tempfile.TemporaryDirectory() as folder:
        world = simulated("thai_bank", FIRST_SEED, 20_000, args.days, folder)
    before, _ = ours(world, world.scores)
    rng = np.random.default_rng(0)
    runs = []
    for _ in range(5):
        kept = pa.array(
            np.sort(rng.permutation(world.dataset.transfers.num_rows)[: int(0.95 * world.graph.n_transfers)])
        )
        tables = {n: t for n, t in world.dataset.tables.items() if not n.startswith("truth_")}
        thinned = read_dataset(
            tables | {"transfers": world.dataset.transfers.take(kept)}, currency=world.dataset.currency
        )
        found = find_rings(Snapshot(thinned, world.as_of), world.scores, window="all")
        after = found.ring_members.select(["ring_id", "account_id"]).to_pandas().astype(object)
        fit = compare_rings(after, before)
        runs.append([fit.bcubed_f1, fit.adjusted_rand, fit.ring_recall])
    print("\n5% of transfers removed, 5 draws, rings compared with those of all transfers:")
    print(
        "B-cubed F1, adjusted Rand, ring recall:",
        np.mean(runs, axis=0).round(3),
        "least",
        np.min(runs, axis=0).round(3),
    )


def speed(args: argparse.Namespace) -> None:
    """Time on a random bank with planted relays: 0.3% of accounts pass money on within the hour."""
    n, m = int(args.accounts or 1_000_000), int(args.transfers)
    rng = np.random.default_rng(0)
    source = rng.integers(0, n, m, dtype=np.int32)
    target = ((source + 1 + rng.zipf(1.3, m) % (n - 1)) % n).astype(np.int32)
    moment = np.sort(rng.integers(0, 120 * DAY, m)) + 1_735_689_600_000_000
    mules = rng.choice(n, max(10, 3 * n // 1000), replace=False).astype(np.int32)
    hop = rng.integers(0, m - 50, 40 * len(mules))
    who = rng.choice(mules, len(hop))
    group = 10 * (np.searchsorted(np.sort(mules), who) // 10)
    target[hop] = who
    source[hop + 1] = who
    target[hop + 1] = np.sort(mules)[np.minimum(group + rng.integers(0, 10, len(hop)), len(mules) - 1)]
    amount = np.exp(rng.normal(11, 1.5, m)).astype(np.int64) + 1
    amount[hop + 1] = np.maximum(amount[hop] * 95 // 100, 1)
    ids = pa.array(np.char.mod("%010d", np.arange(n)).tolist(), pa.string())
    graph = graph_from_arrays(time=moment, source=source, target=target, amount=amount, account_ids=ids)
    transfers = pa.table({"transfer_id": pa.array(np.arange(m)).cast(pa.string())})
    calls = {
        "call_id": pa.array(np.arange(m // 4)).cast(pa.string()),
        "time": pa.array(np.sort(rng.choice(moment, m // 4))).cast(pa.timestamp("us", tz="UTC")),
        "caller_hash": pa.array(rng.integers(0, n, m // 4)).cast(pa.string()),
        "callee_hash": ids.take(pa.array(rng.integers(0, n, m // 4))),
    }
    calls["known_ts"] = calls["time"]
    disputed = hop[: len(mules) // 2]
    complaints = {
        "complaint_id": pa.array(np.arange(len(disputed))).cast(pa.string()),
        "known_ts": pa.array(moment[disputed] + HOUR).cast(pa.timestamp("us", tz="UTC")),
        "transfer_id": pa.array(disputed).cast(pa.string()),
        "victim_phone_hash": ids.take(pa.array(graph.source[disputed])),
        "centre_id": pa.array([f"C{k % 20}" for k in range(len(disputed))]),
    }
    lists = {
        "kind": ["phone"] * 200,
        "value_hash": [str(k) for k in range(200)],
        "centre_id": [f"C{k % 20}" for k in range(200)],
    }
    lists["known_ts"] = lists["valid_from"] = pa.array(np.full(200, moment[0])).cast(pa.timestamp("us", tz="UTC"))
    tables = {
        "transfers": transfers,
        "calls": pa.table(calls),
        "complaints": pa.table(complaints),
        "watchlists": pa.table(lists),
    }
    facts = Facts(Dataset(tables, ids, pa.table({}), (), {}, "", graph.tick), graph)
    probability = np.full(n, 1e-3)
    probability[mules] = rng.uniform(0.1, 1.0, len(mules))
    scores = pa.table({"account_id": ids, "score": probability, "probability": probability})
    find_rings(Snapshot(facts, int(moment[1000])), scores)  # compile
    base = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
    begin = time.perf_counter()
    snapshot = Snapshot(facts, int(moment[-1]) + 1)
    found = find_rings(snapshot, scores)
    middle = time.perf_counter()
    ties = find_ties(snapshot, found.ring_members)
    done = time.perf_counter()
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
    print(f"{n:,} accounts, {m:,} transfers, {m // 4:,} calls: rings {middle - begin:.1f} s ({len(found):,}), "
          f"ties {done - middle:.1f} s ({ties.ring_ties.num_rows:,}); peak {peak:.1f} GB, {base:.1f} GB of it graph, "
          "calls and scores in memory before")  # fmt: skip


def fit_coefficients(args: argparse.Namespace) -> None:
    cases = []
    for seed in FIT_SEEDS:
        with tempfile.TemporaryDirectory() as folder:
            world = simulated("thai_bank", seed, 20_000, args.days, folder)
        snapshot = Snapshot(Facts(world.dataset, world.graph), world.as_of)
        is_mule = np.zeros(snapshot.graph.n_accounts, bool)
        is_mule[snapshot.graph.codes(world.true["account_id"].tolist())] = True
        cases.append((snapshot, gather_evidence(snapshot, read_scores(world.scores, snapshot)), is_mule))

    def fit(tables: list[tuple[np.ndarray, dict[str, np.ndarray]]]) -> dict[str, float]:
        names, x, y = list(tables[0][1]), [], []
        for (accounts, table), (snapshot, _, is_mule) in zip(tables, cases, strict=True):
            private = ~snapshot.serves_public[accounts]
            x.append(np.column_stack([table[name] for name in names])[private])
            y.append(is_mule[accounts][private])
        fitted = LogisticRegression(max_iter=5_000).fit(np.vstack(x), np.concatenate(y))
        return {"intercept": float(fitted.intercept_[0])} | dict(zip(names, fitted.coef_[0].tolist(), strict=True))

    def spread(tables: list[tuple[np.ndarray, dict[str, np.ndarray]]], weights: dict[str, float]) -> list[np.ndarray]:
        found = []
        for (accounts, table), (snapshot, _, _) in zip(tables, cases, strict=True):
            suspicion = np.zeros(snapshot.graph.n_accounts)
            suspicion[accounts] = model._apply(table, weights) * ~snapshot.serves_public[accounts]
            found.append(suspicion)
        return found

    tables = []
    for snapshot, evidence, _ in cases:
        everyone = np.arange(snapshot.graph.n_accounts, dtype=np.int32)
        tables.append((everyone, model.own_columns(evidence, everyone)))
    weights = fit(tables)
    print("own", {name: round(value, 2) for name, value in weights.items()})
    suspicions = spread(tables, weights)
    for number in range(model.ROUNDS):
        tables = []
        for suspicion, (snapshot, evidence, _) in zip(suspicions, cases, strict=True):
            accounts = model.around(snapshot, suspicion, since=0, most=200)
            table = model.columns(snapshot, evidence, accounts, suspicion, since=0, holding_time=72 * HOUR)
            tables.append((accounts, table))
        weights = fit(tables)
        print("round", number + 1, {name: round(value, 2) for name, value in weights.items()}, flush=True)
        suspicions = spread(tables, weights)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--presets", nargs="+", default=["thai_bank", "hard"])
    parser.add_argument("--days", type=int, default=120)
    parser.add_argument("--accounts", type=float)
    parser.add_argument("--transfers", type=float, default=20e6)
    parser.add_argument("--amlsim")
    parser.add_argument("--fragments")
    for flag in ("--stable", "--speed", "--fit"):
        parser.add_argument(flag, action="store_true")
    args = parser.parse_args()
    print(f"{platform.machine()}, python {platform.python_version()}, numpy {np.__version__}, pandas {pd.__version__}")
    if args.amlsim:
        amlsim(args.amlsim)
    elif args.fragments:
        fragments(args.fragments)
    elif args.stable:
        stable(args)
    elif args.speed:
        speed(args)
    elif args.fit:
        fit_coefficients(args)
    else:
        worlds(args)


if __name__ == "__main__":
    main()
