"""The data sets of the panel: what is learnt from, and which rows are ranked."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from _ablation_sets import KNOWLEDGE, Bool, Float64, Int64, imported, ranking

from muledetect.clock import DAY
from muledetect.evaluation import illicit_receipts
from muledetect.graph import Points, build_graph
from muledetect.labels import every_account, find_targets, ring_groups, split_by_group
from muledetect.records import Dataset, read_dataset
from muledetect.simulation import world_config, write_world

#: Days after the beginning of a simulated world, which is 150 days long.
TRAINED: Final = (60, 90)
TESTED: Final = (97, 111)
#: Many mules for a bank of its size, so that 100 are ranked and the whole page takes minutes.
WORLD: Final = {"n_accounts": 6_000, "n_days": 150, "mule_share": 0.05}

#: Share of the span of AMLSim at which "later" learns.
MIDDLE: Final = 0.6


@dataclass(frozen=True, eq=False)
class Trial:
    """A data set to learn from at moments, and rows of a data set, maybe another, that are ranked.

    `seen` holds the labels that features may know at the ranking; `value` is illicit money in minor units. `shapes`
    has a row for each member of a true ring or a false alert that is ranked: `ring_id`, `row` of `points`, `shape`.
    """

    learnt: Dataset
    moments: Sequence[int]
    seen: Dataset
    points: Points
    y: Float64
    target: Any = "ever"
    pack: str = "none"
    value: Int64 | None = None
    shapes: pd.DataFrame | None = None


@dataclass(frozen=True, eq=False)
class Problem:
    """Trials that are reported as one block of the page, by their mean."""

    name: str
    says: str
    trials: Iterator[Trial]


def amlsim(folder: Path, halves: int) -> Iterator[Problem]:
    """Yield halves of the rings at the end, and those that turn bad after 60% of the span."""
    dataset = read_dataset(folder, currency="USD")
    graph = build_graph(dataset)
    first, end = int(graph.time[0]), int(graph.time[-1]) + graph.tick
    middle = first + int(MIDDLE * (end - first)) // graph.tick * graph.tick
    points = every_account(dataset, end)
    y = find_targets(dataset, graph, points, target="ever")
    shapes = _shapes(dataset, middle)

    def split() -> Iterator[Trial]:
        for seed in range(halves):
            train, test = split_by_group(ring_groups(dataset, points), seed=seed)
            part = _knowing(dataset, points.account[train])
            rows = points[test]
            yield Trial(part, [end], part, rows, y[test], shapes=_ranked(shapes.assign(shape=shapes["typology"]), rows))

    def later() -> Iterator[Trial]:
        was_bad = find_targets(dataset, graph, every_account(dataset, middle), target="ever") == 1
        seen = _knowing(dataset, points.account[was_bad])
        rows = points[~was_bad]
        known = shapes.assign(shape=shapes["typology"] + shapes["is_late"].map({True: ", late", False: ""}))
        yield Trial(dataset, [middle], seen, rows, y[~was_bad], shapes=_ranked(known, rows))

    yield Problem(
        "AMLSim, halves",
        f"Half of the rings train at the end of the data, the other half is ranked there; mean of {halves} splits, "
        "also of the ends of the intervals.",
        split(),
    )
    yield Problem(
        "AMLSim, later",
        f"Trained at {MIDDLE:.0%} of the time span; accounts that were not yet bad then are ranked at the end.",
        later(),
    )


def _knowing(dataset: Dataset, account: Int64) -> Dataset:
    """Return the data set with the labels of some accounts only."""
    ids, labels = dataset.account_ids.take(pa.array(account)), dataset.tables["labels"]
    kept = labels.filter(pc.is_in(labels["account_id"], value_set=ids))
    return replace(dataset, tables={**dataset.tables, "labels": kept})


def _shapes(dataset: Dataset, middle: int) -> pd.DataFrame:
    """Return ring, account code, typology and whether the ring's last one-off transfer is after a moment.

    A one-off transfer is the only one of its payer to its payee. Rings of AMLSim are made of them; ordinary accounts
    pay the same payees again and again, but now and then a member pays another once by chance, often earlier: the last
    one-off transfer tells new rings better than the first.
    """
    graph, rings = build_graph(dataset), dataset.tables["truth_rings"].select(["ring_id", "account_id", "typology"])
    members = rings.to_pandas().astype(str).assign(account=graph.codes(rings["account_id"]))
    pairs = pd.DataFrame({"source": graph.source, "target": graph.target, "time": graph.time})
    once = pairs[~pairs.duplicated(["source", "target"], keep=False)]
    payers, payees = (
        members[["ring_id", "account"]].rename(columns={"account": side}) for side in ("source", "target")
    )
    inside = once.merge(payers, on="source").merge(payees, on=["target", "ring_id"])
    last = inside.groupby("ring_id")["time"].max()
    return members.assign(is_late=members["ring_id"].map(last).fillna(-1) >= middle)


def _ranked(shapes: pd.DataFrame, points: Points) -> pd.DataFrame:
    """Return the members that are ranked, with their row."""
    row = pd.Series(np.arange(len(points)), index=points.account)
    return shapes.assign(row=row.reindex(shapes["account"]).to_numpy()).dropna(subset="row").astype({"row": np.int64})


def oracle(trial: Trial, *, knows_others: bool = False) -> Float64:
    """Return the share of positives among the ranked accounts of each row's shape; 0 outside of rings.

    An account of several rings has the highest share of them. Some positives stand in no ring of the table; one that
    `knows_others` gives them 1.
    """
    shapes = trial.shapes.assign(y=trial.y[trial.shapes["row"]])
    share = shapes.groupby("shape")["y"].transform("mean").groupby(shapes["row"]).max()
    score = share.reindex(range(len(trial.y)), fill_value=0.0).to_numpy()
    return np.where(is_other(trial), 1.0, score) if knows_others else score


def is_other(trial: Trial) -> Bool:
    """Return which positives stand in no ring of the table."""
    return (trial.y == 1) & ~np.isin(np.arange(len(trial.y)), trial.shapes["row"])


def told_apart(trial: Trial, score: Float64) -> float:
    """Return in which share of pairs a true ring scores above a false alert of the same shape, by mean of members.

    A ring is true if most of its ranked members are positive; equal scores count half.
    """
    members = trial.shapes.assign(y=trial.y[trial.shapes["row"]], score=score[trial.shapes["row"]])
    rings = members.groupby("ring_id").agg(shape=("shape", "first"), y=("y", "mean"), score=("score", "mean"))
    n_above, n_pairs = 0.0, 0
    for _, alike in rings.groupby("shape"):
        true, false = (alike.loc[side, "score"].to_numpy() for side in (alike["y"] > 0.5, alike["y"] <= 0.5))
        gap = true[:, None] - false[None, :]
        n_above, n_pairs = n_above + float((gap > 0).sum() + (gap == 0).sum() / 2), n_pairs + gap.size
    return n_above / n_pairs if n_pairs else np.nan


def synthfin(folder: Path, cache: Path) -> Problem:
    """Two outputs of synthfin-aml, `1` and `2`: the first learns, the second is ranked at its end.

    The generator names no rings, so labels cannot be kept apart by ring: features see none at all in the ranking.
    """

    def trials() -> Iterator[Trial]:
        learnt, ranked = (read_dataset(imported(folder / part, cache), currency="USD") for part in ("1", "2"))
        ends = [int(graph.time[-1]) + graph.tick for graph in map(build_graph, (learnt, ranked))]
        points = every_account(ranked, ends[1])
        y = find_targets(ranked, build_graph(ranked), points, target="ever")
        known = ~np.isnan(y)
        hidden = {name: table for name, table in ranked.tables.items() if name not in KNOWLEDGE}
        yield Trial(learnt, [ends[0]], replace(ranked, tables=hidden), points[known], y[known])

    return Problem("synthfin-aml", "Trained on one output of the generator; another is ranked at its end.", trials())


def world(name: str, preset: str, folder: Path, **options: float) -> Problem:
    """Two simulated banks: one learns from what it knows, the accounts of the other are ranked against the truth."""

    def trials() -> Iterator[Trial]:
        places = []
        for seed in (1, 2):
            places.append(folder / f"{name}-{seed}")
            if not places[-1].exists():
                write_world(world_config(preset, seed=seed, **WORLD, **options), places[-1])
        learnt = read_dataset(places[0])
        moments = [int(build_graph(learnt).time[0]) // DAY * DAY + day * DAY for day in TRAINED]
        corner = ranking(places[1], folder, TESTED)
        seen = corner.open()
        money = illicit_receipts(seen).money
        value = None if money is None else money[corner.points.account]
        yield Trial(learnt, moments, seen, corner.points, corner.y, "active", "TH", value=value)

    said = f"preset {preset}" + "".join(f", {key} {value:g}" for key, value in options.items())
    days = [" and ".join(map(str, some)) for some in (TRAINED, TESTED)]
    return Problem(
        name,
        f"Two simulated banks ({said}). One trains at days {days[0]} on the labels that it has; accounts of the other, "
        f"without those that it had already found, are ranked at days {days[1]} against the truth.",
        trials(),
    )
