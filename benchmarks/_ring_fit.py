"""Fits the coefficients of rings/suspicion.py on simulated banks, trained on what they knew; part of rings.py."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Final

import numpy as np
import pyarrow as pa
from sklearn.linear_model import LogisticRegression

from muledetect import pipeline
from muledetect.clock import DAY, HOUR
from muledetect.evaluation import visible_rings
from muledetect.facts import Snapshot
from muledetect.rings import suspicion as model
from muledetect.rings.account_evidence import AccountEvidence, gather_evidence, read_scores
from muledetect.simulation import world_config, write_world

#: The benchmark uses others.
SEEDS: Final = (11, 13, 15, 17, 19, 20)
N_ACCOUNTS, N_DAYS = 20_000, 120


def _case(seed: int) -> tuple[Snapshot, AccountEvidence, np.ndarray]:
    """Return a bank at its end, scored by a model of two thirds of the time, and who is in a ring that it can see."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "world"
        write_world(world_config("thai_bank", n_accounts=N_ACCOUNTS, n_days=N_DAYS, seed=seed), path)
        dataset = pipeline.load(path)
    end = int(dataset.transfers["time"].cast(pa.int64()).to_numpy()[-1]) // DAY * DAY + DAY
    trained_at = end - N_DAYS // 3 * DAY
    trained = pipeline.train(dataset, trained_at, target="ever", pack="TH", known_by=trained_at)
    scores = pipeline.score(dataset, trained, end, n_explained=0)
    true = visible_rings(dataset.tables["truth_rings"], dataset.tables["truth_transfers"], dataset.transfers, end)
    snapshot = Snapshot(dataset, end)
    is_mule = np.zeros(snapshot.graph.n_accounts, bool)
    is_mule[snapshot.graph.codes(true["account_id"].tolist())] = True
    return snapshot, gather_evidence(snapshot, read_scores(scores, snapshot)), is_mule


def fit_coefficients() -> None:
    """Print the coefficients of the account's own evidence, and of the rounds in which suspicion travels."""
    cases = [_case(seed) for seed in SEEDS]

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
