"""Rings and ties to call centres by what tables a bank has; part of `tables.py`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
from _tables_given import Given, read_world
from scipy.stats import binomtest
from scipy.stats import t as student

from muledetect import pipeline
from muledetect.clock import DAY
from muledetect.evaluation import compare_rings, measure_ties, value_recall, visible_rings
from muledetect.facts import Snapshot
from muledetect.graph import build_graph
from muledetect.records import Dataset
from muledetect.rings import find_rings, find_ties

GRADES = ("moderate", "possible")


def ring_rows(folder: Path, variants: Sequence[Given], whole: Given) -> pd.DataFrame:
    """Return value recall, purity and ties of a world, one row a variant; the last has scores of all tables, too."""
    dataset = read_world(folder)
    graph = build_graph(dataset)
    end = int(graph.time[-1]) // DAY * DAY + DAY
    tables = dataset.tables
    true = visible_rings(tables["truth_rings"], tables["truth_transfers"], dataset.transfers, end)
    scores = _scores(variants[0].of(dataset), end)
    rows = {given.says_all: _row(dataset, given, scores, true, end) for given in variants}
    rows["scores of all tables"] = _row(dataset, whole, _scores(whole.of(dataset), end), true, end)
    print(f"  {folder.name}: {true['ring_id'].nunique()} rings", flush=True)
    return pd.DataFrame.from_dict(rows, orient="index")


def _scores(dataset: Dataset, end: int) -> pa.Table:
    trained_at = end - 40 * DAY
    model = pipeline.train(dataset, trained_at, target="ever", pack="TH", known_by=trained_at)
    return pipeline.score(dataset, model, end, n_explained=0)


def _row(dataset: Dataset, given: Given, scores: pa.Table, true: pd.DataFrame, end: int) -> dict[str, float]:
    bank, n_true = given.of(dataset), true["ring_id"].nunique()
    snapshot = Snapshot(bank, end)
    found = find_rings(snapshot, scores, window="all")
    shown = found.rings["ring_id"].to_pylist()[:n_true]
    members = found.ring_members.select(["ring_id", "account_id", "membership"]).to_pandas()
    members = members.astype({"ring_id": object, "account_id": object})
    row: dict[str, float] = {
        "value recall": value_recall(members, true, shown=shown),
        "purity": compare_rings(members[members["ring_id"].isin(shown)], true).purity,
    }
    truth = pa.Table.from_pandas(true[["ring_id", "account_id", "role"]], preserve_index=False)
    ties = measure_ties(find_ties(snapshot, truth).ring_ties, true, dataset.tables["truth_rings"])
    for grade in GRADES:
        said = ties.loc[grade]
        row |= {f"{grade} n": said["n"], f"{grade} right": said["n_right"], "rings": said["n_rings"]}
        row[f"{grade} hit"] = np.nan_to_num(said["recall"] * said["n_rings"])
    return row


def summarise_rings(worlds: Sequence[pd.DataFrame], variants: Sequence[Given]) -> dict[str, object]:
    """Return one row a variant: means over worlds, paired changes to transfers alone, and sums of ties."""
    of = {name: np.array([world.loc[name].to_numpy(float) for world in worlds]) for name in worlds[0].index}
    columns = list(worlds[0].columns)
    base = of[variants[0].says_all]
    rows = []
    for name, values in of.items():
        value, purity = (values[:, columns.index(column)] for column in ("value recall", "purity"))
        row: dict[str, object] = {"given": name, "value recall": _mean(value), "purity": _mean(purity)}
        if values is not base:
            row["change"] = _mean(value - base[:, columns.index("value recall")], "+")
        sums = dict(zip(columns, values.sum(axis=0), strict=True))
        for grade in GRADES:
            row[f"attributions, {grade} or better"] = _ties(sums, grade)
        rows.append(row)
    return {"rows": rows, "rings": int(base[:, columns.index("rings")].sum()), "worlds": len(worlds)}


def _ties(sums: dict[str, float], grade: str) -> str:
    n, right, hit, rings = (int(sums[name]) for name in (f"{grade} n", f"{grade} right", f"{grade} hit", "rings"))
    if not n:
        return "none"
    low, high = binomtest(right, n).proportion_ci(method="wilson")
    return f"{right} of {n} right [{low:.2f}, {high:.2f}]; {hit} of {rings} rings"


def _mean(values: np.ndarray, sign: str = "") -> str:
    mean, n = float(np.nanmean(values)), len(values)
    half = float(student.ppf(0.975, n - 1) * np.nanstd(values, ddof=1) / np.sqrt(n)) if n > 1 else float("nan")
    return f"{mean:{sign}.2f} [{mean - half:{sign}.2f}, {mean + half:{sign}.2f}]"
