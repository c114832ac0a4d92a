"""What entries of a registry are worth, and what wrong ones cost, with the right reliability and an overstated one.

    python benchmarks/registry.py [--accounts 3000] [--mules 0.05] [--ways 2]

Two simulated worlds of other rings; a model learns on one (accounts at three moments) and ranks the other, then the
other way round; the target is "ever": was the account ever used as a mule before the moment. Other banks and the police
list 40% of the mules, half of them as people, some days after their first illicit transfer (mean 10). So many entries
more are about honest customers that a share of 0, 10 or 30% is wrong; of the wrong ones two in five are removed later
(mean 20 days). *right*: each entry states 1 - share as its reliability, in both worlds. *overstated*: it states 0.95,
and the model learnt where all entries were right. Other features are computed once. AP over accounts that the bank had
not found itself; alerts are 5% of them. Then rings, from the scores and the registry, against the truth. Prints
Markdown.
"""

from __future__ import annotations

import argparse
import platform
import time
from dataclasses import dataclass
from importlib.metadata import version
from typing import Final

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from muledetect.clock import DAY
from muledetect.evaluation import average_precision
from muledetect.facts import Facts, Snapshot
from muledetect.features import Extraction, extract, extract_with, feature_names
from muledetect.graph import Points, build_graph
from muledetect.labels import account_groups, every_account, ring_groups
from muledetect.model import MuleModel
from muledetect.records import Dataset, read_dataset
from muledetect.rings import find_rings
from muledetect.schema import INPUTS
from muledetect.simulation import simulate

LEARNT: Final = (40, 55, 70)
RANKED: Final = 85
N_DAYS: Final = 100
LISTED: Final = 0.4
WRONG: Final = (0.0, 0.1, 0.3)
OVERSTATED: Final = 0.95
COLUMNS: Final = ("registered_reliability",)
ALERTS: Final = 0.05
KEYS: Final = ["account_id", "as_of"]
_FAR: Final = np.iinfo(np.int64).max // 2


@dataclass(frozen=True, eq=False)
class World:
    """A data set with official numbers of its holders, and the features that do not depend on a registry."""

    dataset: Dataset
    learnt: Points
    ranked: Points
    groups: np.ndarray
    of_learnt: pd.DataFrame
    of_ranked: pd.DataFrame
    truth: pd.DataFrame  # by account code: is_mule, first, found (by the bank itself)


def read_world(seed: int, n_accounts: int, mule_share: float) -> World:
    """Simulate a world and compute what does not depend on a registry."""
    tables = dict(simulate(n_accounts=n_accounts, n_days=N_DAYS, seed=seed, mule_share=mule_share))
    holders = tables["holders"]["holder_id"]
    start = pc.min(tables["transfers"]["time"]).as_py()
    documents = INPUTS["identifiers"].filled(
        entity_id=holders, kind=pa.repeat("id_number", len(holders)),
        value_hash=pa.array([f"doc-{name}" for name in holders.to_pylist()]),
        valid_from=pa.repeat(pa.scalar(start, pa.timestamp("us", "UTC")), len(holders)),
        known_ts=pa.repeat(pa.scalar(start, pa.timestamp("us", "UTC")), len(holders)),
    )  # fmt: skip
    tables["identifiers"] = pa.concat_tables([tables["identifiers"], documents])
    dataset = read_dataset(tables)
    begin = int(build_graph(dataset).time[0]) // DAY * DAY
    learnt = every_account(dataset, [begin + day * DAY for day in LEARNT])
    ranked = every_account(dataset, [begin + RANKED * DAY])
    names = [name for name in feature_names(pack="TH", long_term=True) if name not in COLUMNS]
    groups = account_groups(dataset)
    made = [extract(dataset, points, names, hide_groups=hidden, threads=1).to_pandas().drop(columns=KEYS)
            for points, hidden in ((learnt, groups), (ranked, None))]  # fmt: skip
    return World(dataset, learnt, ranked, groups, *made, truth_of(dataset))


def truth_of(dataset: Dataset) -> pd.DataFrame:
    """Return what is true of each account, by its code."""
    n, graph = len(dataset.account_ids), build_graph(dataset)
    found = pd.DataFrame({"is_mule": np.zeros(n, bool), "first": np.full(n, _FAR), "found": np.full(n, _FAR)})
    table = dataset.tables["truth_accounts"]
    codes = graph.codes(table["account_id"])
    found.loc[codes, "first"] = pc.fill_null(table["first_illicit"].cast(pa.int64()), _FAR).to_numpy()
    found.loc[codes, "is_mule"] = table["is_mule"].to_numpy(zero_copy_only=False)
    labels = dataset.tables["labels"].filter(pc.equal(dataset.tables["labels"]["label"].cast(pa.string()), "mule"))
    found.loc[graph.codes(labels["account_id"]), "found"] = labels["known_ts"].cast(pa.int64()).to_numpy()
    return found


def make_registry(world: World, wrong: float, reliability: float, seed: int) -> tuple[pa.Table, np.ndarray]:
    """Return a registry of which a share is wrong, and the codes of the accounts that it lists by mistake."""
    random, truth = np.random.default_rng(seed), world.truth
    own = np.flatnonzero(np.isin(truth.index, world.ranked.account))
    mules = own[truth["is_mule"].to_numpy()[own] & (truth["first"].to_numpy()[own] < _FAR)]
    listed = random.permutation(mules)[: round(LISTED * len(mules))]
    mistaken = random.permutation(own[~truth["is_mule"].to_numpy()[own]])[: round(len(listed) * wrong / (1 - wrong))]
    begin, end = int(build_graph(world.dataset).time[0]), int(world.ranked.as_of.max())
    since = np.concatenate([
        truth["first"].to_numpy()[listed] + (random.exponential(10, len(listed)) * DAY).astype(np.int64),
        begin + (random.random(len(mistaken)) * (end - begin)).astype(np.int64),
    ])  # fmt: skip
    accounts = world.dataset.tables["accounts"]
    holder = dict(zip(accounts["account_id"].to_pylist(), accounts["holder_id"].to_pylist(), strict=True))
    ids = world.dataset.account_ids.take(pa.array(np.concatenate([listed, mistaken]))).to_pylist()
    rows = []
    for place, (name, time_, is_wrong) in enumerate(
        zip(ids, since.tolist(), np.repeat([False, True], [len(listed), len(mistaken)]).tolist(), strict=True)
    ):
        is_person = random.random() < 0.5 and holder.get(name) is not None
        row = {"scheme": "none", "entry_id": f"e{place}", "listed_by": "others", "status": "listed",
               "tier": "confirmed", "subject_kind": "person" if is_person else "account", "reliability": reliability,
               "subject_id": f"doc-{holder[name]}" if is_person else name}  # fmt: skip
        rows.append(row | {"valid_from": time_, "known_ts": time_})
        if is_wrong and random.random() < 0.4:
            later = time_ + int(random.exponential(20) * DAY)
            rows.append(row | {"status": "removed", "valid_from": later, "known_ts": later})
    columns = {name: [row.get(name) for row in rows] for name in rows[0]} if rows else {}
    times = {name: pa.array(columns.pop(name)).cast(pa.timestamp("us", "UTC")) for name in ("valid_from", "known_ts")}
    return INPUTS["registry"].filled(**columns, **times), mistaken


def with_registry(world: World, registry: pa.Table | None) -> tuple[Dataset, pd.DataFrame, pd.DataFrame]:
    """Return the data set with a registry, and the features of the learnt and of the ranked points."""
    given = dict(world.dataset.tables) | ({} if registry is None else {"registry": registry})
    dataset = read_dataset(given)
    made = []
    for points, base, hidden in ((world.learnt, world.of_learnt, world.groups), (world.ranked, world.of_ranked, None)):
        added = extract_with(Extraction(dataset, hide_groups=hidden, threads=1), points, COLUMNS).to_pandas()
        made.append(pd.concat([base, added[list(COLUMNS)]], axis=1))
    return dataset, *made


def was_used(world: World, points: Points) -> np.ndarray:
    """Return whether each point's account had been used as a mule before the moment."""
    return world.truth["first"].to_numpy()[points.account] < points.as_of


def measure(
    way: int, learns: World, ranks: World, name: str, wrong: float | None, *, is_right: bool
) -> dict[str, object]:
    """Train with one registry, rank with another, find rings; return the row of the table."""
    registry, mistaken, of_training = None, np.empty(0, np.int64), None
    if wrong is not None:
        stated = 1 - wrong if is_right else OVERSTATED
        registry, mistaken = make_registry(ranks, wrong, max(min(stated, 0.99), 0.01), seed=way)
        clean = (wrong, max(min(stated, 0.99), 0.01)) if is_right else (0.0, OVERSTATED)
        of_training, _ = make_registry(learns, *clean, seed=way + 10)
    features = with_registry(learns, of_training)[1]
    model = MuleModel(n_jobs=1).fit(
        features, was_used(learns, learns.learnt).astype(float), groups=ring_groups(learns.dataset, learns.learnt),
        as_of=learns.learnt.as_of,
    )  # fmt: skip
    dataset, _, rows = with_registry(ranks, registry)
    score = model.decision_function(rows)
    unknown = ranks.truth["found"].to_numpy()[ranks.ranked.account] >= ranks.ranked.as_of
    used, mule = was_used(ranks, ranks.ranked), ranks.truth["is_mule"].to_numpy()[ranks.ranked.account]
    order = np.flatnonzero(unknown)[np.argsort(-score[unknown], kind="stable")][: round(ALERTS * unknown.sum())]
    moment = int(ranks.ranked.as_of.max())
    snapshot = Snapshot(Facts(dataset), moment)
    scores = pa.table({"account_id": dataset.account_ids.take(pa.array(ranks.ranked.account)), "score": score,
                       "probability": model.probability(score)})  # fmt: skip
    members = snapshot.graph.codes(find_rings(snapshot, scores).ring_members["account_id"])
    stands = np.isin(mistaken, np.flatnonzero(snapshot.registered > 0))
    return {
        "registry": name, "way": way, "AP": average_precision(used[unknown].astype(float), score[unknown]),
        "recall in alerts": used[order].sum() / used[unknown].sum(),
        "no mules of 100 alerts": 100 * (~mule[order]).mean(),
        "wrong entries that stand": int(stands.sum()),
        "of them in alerts": int(np.isin(mistaken[stands], ranks.ranked.account[order]).sum()),
        "of them in rings": int(np.isin(mistaken[stands], members).sum()),
        "ring members": len(members), "no mules of them": int((~ranks.truth["is_mule"].to_numpy()[members]).sum()),
    }  # fmt: skip


def main() -> None:
    """Run all settings both ways and print the means."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--accounts", type=int, default=3_000)
    options.add_argument("--mules", type=float, default=0.05, help="share of the accounts")
    options.add_argument("--ways", type=int, default=2, choices=(1, 2))
    given = options.parse_args()
    print(f"{platform.machine()}, Python {platform.python_version()}, muledetect {version('muledetect')}")
    began = time.perf_counter()
    worlds = [read_world(seed, given.accounts, given.mules) for seed in (1, 2)]
    settings = [("none", None, True)]
    settings += [(f"{wrong:.0%} wrong, {'right' if is_right else 'overstated'}", wrong, is_right)
                 for is_right in (True, False) for wrong in WRONG]  # fmt: skip
    rows = [
        measure(way, *pair, name, wrong, is_right=is_right)
        for way, pair in enumerate((worlds, worlds[::-1])[: given.ways])
        for name, wrong, is_right in settings
    ]
    table = pd.DataFrame(rows).drop(columns="way").groupby("registry", sort=False).mean().reset_index()
    print("\n| " + " | ".join(table.columns) + " |\n|" + "---|" * len(table.columns))
    for row in table.itertuples(index=False):
        print("| " + " | ".join(f"{cell:.3g}" if isinstance(cell, float) else str(cell) for cell in row) + " |")
    print(f"\n{given.accounts:,} accounts a world, means of {given.ways} ways, {time.perf_counter() - began:.0f} s")


if __name__ == "__main__":
    main()
