"""Are the reasons true? Codes, key transfers, stability and suspicious periods, against simulated truth.

    python benchmarks/reasons.py --presets thai_bank hard --accounts 12000 --days 150

A model is trained on the labels that the bank knows, and scores every account later. Found mules are those among the
highest `--share` of accounts that had moved illicit money before the moment. Their three weightiest raising codes are
held against the truth up to the moment. A code counts as true of a mule if
- PASS_THROUGH: an illicit debit came within 24 h after an illicit credit;
- COLLECT_AND_SWEEP: two illicit credits or more stand between two illicit debits, or before the first;
- FAN_IN, FAN_OUT: three or more payers (payees) of illicit money within 72 h;
- NEW_COUNTERPARTIES: half or more of its illicit transfers are the first with that counterparty;
- UNUSUAL_VOLUME: half or more of all money that it moved in its busiest day is illicit;
- SUDDEN_CHANGE: half or more of all money that it moved since its first illicit transfer is illicit;
- SIMILAR_AMOUNTS: three illicit transfers of one side within 10% of each other;
- DORMANT_WAKE_UP: 30 days of silence before its first illicit transfer;
- NEW_ACCOUNT: its first illicit transfer came within 90 days of its first transfer;
- TEST_PAYMENT: an illicit transfer of kind `test`;
- VICTIM_MONEY, COMPLAINTS: an illicit credit of kind `victim`;
- RELAY_CHAIN: a transfer of kind `hop`;
- NEIGHBOURS_PASS_ON, NEIGHBOURS_UNUSUAL, KNOWN_MULES_NEARBY: an illicit transfer with another mule.
All other codes count as false: the truth says nothing of them. `base` is the share of found mules of which a code is
true whether named or not: where it is near 1, naming the code proves little.
"""

from __future__ import annotations

import argparse
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from muledetect import pipeline
from muledetect.clock import DAY, HOUR
from muledetect.graph import Points, TransferGraph, build_graph
from muledetect.labels import every_account
from muledetect.model import MuleModel
from muledetect.model.key_transfers import find_key_transfers
from muledetect.model.scores import score_points
from muledetect.model.suspicious_periods import find_periods, temporal_iou
from muledetect.records import Dataset, read_dataset
from muledetect.simulation import simulate

CHECKED: Final = (
    "PASS_THROUGH COLLECT_AND_SWEEP FAN_IN FAN_OUT NEW_COUNTERPARTIES UNUSUAL_VOLUME SUDDEN_CHANGE SIMILAR_AMOUNTS "
    "DORMANT_WAKE_UP NEW_ACCOUNT TEST_PAYMENT VICTIM_MONEY COMPLAINTS RELAY_CHAIN NEIGHBOURS_PASS_ON "
    "NEIGHBOURS_UNUSUAL KNOWN_MULES_NEARBY"
).split()


def own_transfers(graph: TransferGraph, kinds: dict[str, str], ids: Sequence[str], account: int, as_of: int) -> Any:
    """Return the account's transfers before the moment by time, with `kind` (empty = honest)."""
    index = graph.incoming, graph.outgoing
    at = np.concatenate([side.transfer[side.start[account] : side.stop[account]] for side in index])
    at = np.sort(np.unique(at[graph.time[at] < as_of]))
    is_credit = graph.target[at] == account
    other = np.where(is_credit, graph.source[at], graph.target[at])
    own = pd.DataFrame({"time": graph.time[at], "amount": graph.amount[at], "other": other, "is_credit": is_credit})
    own["kind"] = [kinds.get(ids[position], "") for position in at]
    own["is_first"] = ~own.duplicated(["other", "is_credit"])
    return own


def most_others(rows: Any, width: int = 72 * HOUR) -> int:
    """Return the most counterparties within the width."""
    times, others = rows["time"].to_numpy(), rows["other"].to_numpy()
    return max((len(set(others[(times >= at) & (times <= at + width)])) for at in times), default=0)


def is_swept(is_credit: Sequence[bool]) -> bool:
    """Return whether two credits or more come before a debit without one between."""
    run = 0
    for credit in is_credit:
        if not credit and run > 1:
            return True
        run = run + 1 if credit else 0
    return False


def alike(amounts: Any) -> int:
    """Return the most amounts within 10% of each other."""
    ordered = np.sort(amounts.to_numpy())
    return int(max(np.searchsorted(ordered, ordered * 1.1, side="right") - np.arange(len(ordered)), default=0))


def true_codes(own: Any, mules: set[int]) -> set[str]:
    """Return the codes that are true of a mule with these transfers; see the top of this file."""
    bad = own[own["kind"] != ""]
    received, paid = bad[bad["is_credit"]], bad[~bad["is_credit"]]
    began = bad["time"].min()
    before = own.loc[own["time"] < began, "time"]
    money = own.groupby(own["time"] // DAY)["amount"].sum()
    busiest = own[own["time"] // DAY == money.idxmax()]
    since = own[own["time"] >= began]
    gap = paid["time"].to_numpy()[:, None] - received["time"].to_numpy()[None, :]
    deals_with_mule = bool(set(bad["other"]) & mules)
    holds = {
        "PASS_THROUGH": bool(((gap >= 0) & (gap <= DAY)).any()),
        "COLLECT_AND_SWEEP": is_swept(bad["is_credit"].tolist()),
        "FAN_IN": most_others(received) >= 3,
        "FAN_OUT": most_others(paid) >= 3,
        "NEW_COUNTERPARTIES": bad["is_first"].mean() >= 0.5,
        "UNUSUAL_VOLUME": busiest.loc[busiest["kind"] != "", "amount"].sum() >= busiest["amount"].sum() / 2,
        "SUDDEN_CHANGE": bad["amount"].sum() >= since["amount"].sum() / 2,
        "SIMILAR_AMOUNTS": max(alike(received["amount"]), alike(paid["amount"])) >= 3,
        "DORMANT_WAKE_UP": len(before) > 0 and began - before.max() >= 30 * DAY,
        "NEW_ACCOUNT": began - own["time"].min() <= 90 * DAY,
        "TEST_PAYMENT": bool((bad["kind"] == "test").any()),
        "VICTIM_MONEY": bool((received["kind"] == "victim").any()),
        "COMPLAINTS": bool((received["kind"] == "victim").any()),
        "RELAY_CHAIN": bool((bad["kind"] == "hop").any()),
        **dict.fromkeys(("NEIGHBOURS_PASS_ON", "NEIGHBOURS_UNUSUAL", "KNOWN_MULES_NEARBY"), deals_with_mule),
    }
    return {code for code, is_true in holds.items() if is_true}


def top_codes(scores: pa.Table) -> dict[str, list[str]]:
    """Return the three weightiest raising codes of each explained account."""
    return {
        row["account_id"]: [reason["code"] for reason in row["reasons"] if reason["contribution"] > 0][:3]
        for row in scores.select(["account_id", "reasons"]).to_pylist()
        if row["reasons"]
    }


def run(world: dict[str, pa.Table], days: Sequence[int], seed: int, n_explained: int) -> tuple[Dataset, pa.Table]:
    """Train at all but the last of `days` after the first transfer, score at the last."""
    dataset = read_dataset(world)
    graph = build_graph(dataset)
    start = int(pc.min(world["transfers"]["time"]).cast(pa.int64()).as_py()) // DAY * DAY
    *trained_at, scored_at = [start + day * DAY for day in days]
    model = pipeline.train(dataset, trained_at, pack="TH", known_by=scored_at, model=MuleModel(random_state=seed))
    points = every_account(dataset, scored_at)
    return dataset, score_points(model, dataset, graph, points, n_explained=n_explained)


def jaccard(a: dict[str, list[str]], b: dict[str, list[str]]) -> float:
    """Return the mean overlap of codes of the accounts that both explain."""
    return float(
        np.mean([len(set(a[n]) & set(b[n])) / max(len(set(a[n]) | set(b[n])), 1) for n in a.keys() & b.keys()])
    )


def measure(preset: str, n_accounts: int, n_days: int, share: float, seed: int) -> None:
    """Simulate a world, train, score, and print every figure."""
    world = simulate(preset, n_accounts=n_accounts, n_days=n_days, seed=seed, mule_share=0.02)
    days = [*range(30, n_days - 50, 15), n_days - 15]
    n_explained = max(int(n_accounts * share), 1)
    dataset, scores = run(world, days, 0, n_explained * 4)
    found = find_mules(world, dataset, scores.slice(0, n_explained))
    print(f"## {preset}: {n_accounts:,} accounts, {len(dataset.transfers):,} transfers, ", end="")
    print(f"{len(found)} found mules of {n_explained}", flush=True)
    show_codes(found)
    show_key_transfers(dataset, scores, found, set(world["truth_transfers"]["transfer_id"].to_pylist()))
    show_periods(dataset, scores, found)
    kept = np.random.default_rng(0).random(len(world["transfers"])) >= 0.01
    dropped = {**world, "transfers": world["transfers"].filter(pa.array(kept))}
    named = {account_id: mule.named for account_id, mule in found.items()}
    for name, (changed, other_seed) in {"another seed": (world, 1), "1% dropped": (dropped, 0)}.items():
        again = top_codes(run(changed, days, other_seed, n_explained * 4)[1])
        both = len(named.keys() & again.keys())
        print(f"Jaccard of the top three, {name}: {jaccard(named, again):.2f} over {both} of {len(named)}", flush=True)


@dataclass(frozen=True)
class Mule:
    """What was named of a found mule, what was true of it, and its first transfer, first and last illicit one."""

    named: list[str]
    true: set[str]
    code: int
    span: tuple[int, int, int]


def find_mules(world: dict[str, pa.Table], dataset: Dataset, top: pa.Table) -> dict[str, Mule]:
    """Return the accounts of `top` that had moved illicit money before."""
    graph = build_graph(dataset)
    as_of = int(top["as_of"].cast(pa.int64())[0].as_py())
    ids = dataset.transfers["transfer_id"].to_pylist()
    kinds = dict(zip(*(world["truth_transfers"][name].to_pylist() for name in ("transfer_id", "kind")), strict=True))
    truth = world["truth_accounts"]
    mules = set(graph.codes(truth["account_id"].filter(truth["is_mule"].fill_null(False))).tolist()) - {-1}
    named, found = top_codes(top), {}
    for account_id, code in zip(top["account_id"].to_pylist(), graph.codes(top["account_id"]).tolist(), strict=True):
        own = own_transfers(graph, kinds, ids, code, as_of)
        bad = own.loc[own["kind"] != "", "time"]
        if code in mules and len(bad):
            span = int(own["time"].min()), int(bad.min()), int(bad.max())
            found[account_id] = Mule(named.get(account_id, []), true_codes(own, mules - {code}), code, span)
    return found


def show_codes(found: dict[str, Mule]) -> None:
    """Print how often something true was named, and each code beside how often it is true anyway."""
    n = max(len(found), 1)
    wins = sum(bool(set(mule.named) & mule.true) for mule in found.values())
    print(f"named something true: {wins}/{len(found)} = {wins / n:.1%}")
    telling = {code for code in CHECKED if sum(code in mule.true for mule in found.values()) < n / 2}
    wins = sum(bool(set(mule.named) & mule.true & telling) for mule in found.values())
    print(f"... that is true of fewer than half of the found mules: {wins / n:.1%}")
    times = Counter(code for mule in found.values() for code in mule.named)
    for code, n_named in times.most_common():
        right = sum(code in mule.named and code in mule.true for mule in found.values())
        base = sum(code in mule.true for mule in found.values()) / n
        print(f"  {code}: named {n_named}, true {right}, base {base:.0%}")


def show_key_transfers(dataset: Dataset, scores: pa.Table, found: dict[str, Mule], illicit: set[str]) -> None:
    """Print whose transfers the key_transfers are, and how many of them moved illicit money."""
    graph = build_graph(dataset)
    rows = scores.filter(pa.array([name in found for name in scores["account_id"].to_pylist()]))
    begun = time.perf_counter()
    key_transfers = find_key_transfers(dataset, graph, rows, 10)
    print(f"key_transfers: {len(key_transfers):,} in {time.perf_counter() - begun:.1f} s")
    ids = dataset.transfers["transfer_id"].to_pylist()
    place = {name: position for position, name in enumerate(ids)}
    at = np.array([place[name] for name in key_transfers["transfer_id"].to_pylist()])
    owner, as_of = graph.codes(key_transfers["account_id"]), key_transfers["as_of"].cast(pa.int64()).to_numpy()
    is_own = ((graph.source[at] == owner) | (graph.target[at] == owner)) & (graph.time[at] < as_of)
    is_bad = np.array([ids[position] in illicit for position in at])
    print(f"own and before: {is_own.mean():.1%}; illicit: {is_bad.mean():.1%}")


def show_periods(dataset: Dataset, scores: pa.Table, found: dict[str, Mule]) -> None:
    """Print how well suspicious periods, and two that know nothing, cover the time of illicit transfers."""
    as_of = int(scores["as_of"].cast(pa.int64())[0].as_py())
    first, begin, end = (np.array(column) for column in zip(*(mule.span for mule in found.values()), strict=True))
    last = np.full(len(found), as_of)
    points = Points(np.array([mule.code for mule in found.values()], dtype=np.int32), last)
    spans = {
        "window": find_periods(build_graph(dataset), points),
        "whole life": (first, last),
        "last 7 days": (last - 7 * DAY, last),
    }
    for name, span in spans.items():
        print(f"temporal IoU, {name}: {temporal_iou(*span, begin, end).mean():.3f}")


def main() -> None:
    """Measure every preset."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--presets", nargs="+", default=["thai_bank", "hard"])
    parser.add_argument("--accounts", type=int, default=12_000)
    parser.add_argument("--days", type=int, default=150)
    parser.add_argument("--share", type=float, default=0.005)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    for preset in options.presets:
        measure(preset, options.accounts, options.days, options.share, options.seed)


if __name__ == "__main__":
    main()
