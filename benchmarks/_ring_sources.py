"""Banks with known rings, by several makers, and the scores that rings are sought from; for benchmarks/rings.py.

Scores are out of fold by ring and see the transfers only. They are of one stage: the second stage of `muledetect train`
learns from neighbours, and so does the search. All of it is kept in a folder: a search for rings can be changed and run
again in seconds. Delete the folder after a change of features or of the model.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path
from typing import Final

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from _small_ring_world import small_ring_world
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components
from sklearn.model_selection import GroupKFold

from muledetect.clock import DAY
from muledetect.evaluation import average_precision, visible_rings
from muledetect.features import Extraction, extract_with, feature_names
from muledetect.graph import TransferGraph, build_graph
from muledetect.labels import account_keys, every_account, sample_points
from muledetect.model import MuleModel
from muledetect.model.neighbours import extract_for, training_suspicion
from muledetect.records import Dataset, read_dataset
from muledetect.simulation import world_config, write_world

FIVE: Final = ["transfer_id", "time", "source", "target", "amount"]
#: The coefficients of rings/suspicion.py were fitted on banks of other seeds.
SEED: Final = 31
#: More mules than in life, so that a bank of this size has 50 rings.
WORLD: Final = {"n_accounts": 12_000, "n_days": 90, "mule_share": 0.03}
#: Patterns of AMLworld among the honest accounts of a bank without crime.
BACKGROUND: Final = {"n_accounts": 24_000, "n_days": 45, "activity": 0.4}
DENSITIES: Final = (60, 120, 240)
#: Amounts of a pattern lie so far apart at most; otherwise one transfer of 10,000 times the others is all the value.
WIDEST: Final = 20
FOLDS: Final = 3
MAX_ROWS: Final = 12_000

Tables = dict[str, pa.Table]
#: Tables that the search may see, the currency, and the true members: ring_id, account_id, value.
Made = tuple[Tables, str, pd.DataFrame]


@dataclass(frozen=True, eq=False)
class Source:
    """A bank, its true rings as far as its transfers show them, and scores; all as of the end of its record."""

    name: str
    dataset: Dataset
    true: pd.DataFrame
    scores: pa.Table

    @cached_property
    def graph(self) -> TransferGraph:
        return build_graph(self.dataset)

    @property
    def as_of(self) -> int:
        return _end(self.graph)

    def precision(self) -> float:
        """Return the average precision of the scores."""
        members = set(self.true["account_id"])
        y = [name in members for name in self.scores["account_id"].to_pylist()]
        return average_precision(np.array(y, float), self.scores["probability"].to_numpy())

    def true_scores(self) -> pa.Table:
        """Return the scores of who knows all members: 1 and 0."""
        members = set(self.true["account_id"])
        ids = self.graph.account_ids.to_pylist()
        is_member = [float(name in members) for name in ids]
        return pa.table({"account_id": ids, "score": is_member, "probability": is_member})


def sources(
    cache: Path, *, amlsim: Path | None, fragments: Path | None, wanted: list[str], n_stages: int = 1
) -> Iterator[Source]:
    """Yield every source whose data are there, or the wanted ones; what the cache lacks is made."""
    for name, make in _makers(cache, amlsim, fragments, n_stages).items():
        if not wanted or name in wanted:
            yield _kept(name, cache / name, make, n_stages)


def source_names(amlsim: Path | None, fragments: Path | None) -> list[str]:
    """Return the names of the sources, in the order of the page."""
    return list(_makers(Path(), amlsim, fragments, 1))


def _makers(
    cache: Path, amlsim: Path | None, fragments: Path | None, n_stages: int
) -> Mapping[str, Callable[[], Made]]:
    found: dict[str, Callable[[], Made]] = {
        "thai_bank": partial(_simulated, "thai_bank"),
        "hard": partial(_simulated, "hard"),
        "thai_bank, days, five columns": partial(_coarse, cache / "thai_bank", n_stages),
        "small rings, days, five columns": _small_rings,
    }
    if amlsim:
        found["AMLSim"] = partial(_amlsim, amlsim)
    if fragments:
        found |= {f"AMLworld, {n} patterns": partial(_mixed, fragments, cache / "background", n) for n in DENSITIES}
    return found


def _kept(name: str, folder: Path, make: Callable[[], Made], n_stages: int) -> Source:
    """Return a source from its folder, which is written whole or not at all."""
    if not folder.exists():
        tables, currency, true = make()
        folder.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder.parent) as unfinished:
            place = Path(unfinished) / "source"
            (place / "bank").mkdir(parents=True)
            for table, rows in tables.items():
                pq.write_table(rows, place / "bank" / f"{table}.parquet")
            (place / "currency").write_text(currency, "utf-8")
            true.to_parquet(place / "true.parquet", index=False)
            dataset = read_dataset(place / "bank", currency=currency)
            pq.write_table(score_out_of_fold(dataset, true, n_stages), place / "scores.parquet")
            shutil.move(place, folder)
    dataset = read_dataset(folder / "bank", currency=(folder / "currency").read_text("utf-8"))
    true = pd.read_parquet(folder / "true.parquet").astype({"ring_id": object, "account_id": object})
    return Source(name, dataset, true, pq.read_table(folder / "scores.parquet"))


def score_out_of_fold(dataset: Dataset, true: pd.DataFrame, n_stages: int) -> pa.Table:
    """Return scores of every account, each by a model that saw no member of its rings, and no table but transfers."""
    only = read_dataset({"transfers": dataset.transfers}, currency=dataset.currency or None, tick=dataset.tick)
    graph = build_graph(only)
    points = every_account(graph, _end(graph))
    extraction = Extraction(only, graph)
    features = extract_with(extraction, points, feature_names(long_term=True))
    y, groups = _answers(graph, true)
    keys = account_keys(only, graph, as_of=_end(graph))
    score, probability = np.zeros(len(y)), np.zeros(len(y))
    for fit, held in GroupKFold(FOLDS).split(y, groups=groups):
        rows, weight = sample_points(points[fit], y[fit], keys, max_rows=MAX_ROWS)
        known, plan = fit[rows], MuleModel(n_jobs=1)
        learnt_from = features.take(pa.array(known))
        if n_stages == 2:
            learnt_from, _ = training_suspicion(
                plan, extraction, points[known], learnt_from, y[known], groups=groups[known], sample_weight=weight
            )
        learnt = plan.fit(learnt_from, y[known], groups=groups[known], sample_weight=weight, leaks="ignore")
        asked = extract_for(learnt, only, points[held]) if n_stages == 2 else features.take(pa.array(held))
        score[held] = learnt.decision_function(asked)
        probability[held] = learnt.predict_proba(asked)[:, 1]
    return pa.table({"account_id": features["account_id"], "score": score, "probability": probability})


def _answers(graph: TransferGraph, true: pd.DataFrame) -> tuple[np.ndarray, np.ndarray]:
    """Return for each account whether it is a member, and what rings join it with: those that overlap are one group."""
    n = graph.n_accounts
    account = graph.codes(true["account_id"].tolist())
    ring = n + pd.factorize(true["ring_id"])[0]
    size = n + len(true)
    joined = coo_array((np.ones(len(account)), (account, ring)), shape=(size, size))
    _, group = connected_components(joined, directed=False)
    y = np.zeros(n)
    y[account] = 1.0
    return y, group[:n]


def _end(graph: TransferGraph) -> int:
    """The first midnight after the last transfer."""
    return int(graph.time[-1]) // DAY * DAY + DAY


def _simulated(preset: str) -> Made:
    with tempfile.TemporaryDirectory() as folder:
        write_world(world_config(preset, seed=SEED, **WORLD), Path(folder) / "world")
        dataset = read_dataset(Path(folder) / "world")
    tables = dataset.tables
    end = _end(build_graph(dataset))
    true = visible_rings(tables["truth_rings"], tables["truth_transfers"], dataset.transfers, end)
    shown = {name: table for name, table in tables.items() if name != "labels" and not name.startswith("truth_")}
    return shown, dataset.currency, true[["ring_id", "account_id", "value"]]


def _coarse(bank: Path, n_stages: int) -> Made:
    source = _kept(bank.name, bank, partial(_simulated, bank.name), n_stages)
    transfers = source.dataset.transfers.select(FIVE)
    days = pa.array(transfers["time"].cast(pa.int64()).to_numpy() // DAY * DAY).cast(pa.timestamp("us", tz="UTC"))
    return {"transfers": transfers.set_column(1, "time", days)}, source.dataset.currency, source.true


def _small_rings() -> Made:
    transfers, true = small_ring_world(SEED)
    return {"transfers": pa.Table.from_pandas(transfers, preserve_index=False)}, "THB", true


def _amlsim(folder: Path) -> Made:
    dataset = read_dataset(folder, currency="USD")
    truth = dataset.tables["truth_rings"].to_pandas()
    true = truth.loc[truth["is_sar"].astype(bool), ["ring_id", "account_id"]].astype(object).drop_duplicates()
    code = build_graph(dataset).codes(true["account_id"].tolist())
    true = true[code >= 0]  # members without a transfer cannot be found
    # the data do not say which transfers are of a ring: those between two of its members are taken for it
    moved = (
        dataset.transfers.select(["source", "target", "amount"])
        .to_pandas()
        .astype({"source": object, "target": object})
    )
    payers, payees = (true.rename(columns={"account_id": side}) for side in ("source", "target"))
    moved = moved.merge(payers, on="source").merge(payees, on=["target", "ring_id"])
    sums = [moved.groupby(["ring_id", side])["amount"].sum() for side in ("source", "target")]
    keys = pd.MultiIndex.from_frame(true)
    value = np.maximum(*(total.reindex(keys).fillna(0).to_numpy() for total in sums))
    true = true.assign(value=value.astype("int64"))
    return {"transfers": dataset.transfers.select(FIVE)}, "USD", true


def _mixed(file: Path, background: Path, n_patterns: int) -> Made:
    """Put some of AMLworld's patterns on accounts of private people of a bank without crime; minutes for a clock."""
    if not background.exists():
        write_world(world_config("no_crime", seed=SEED, **BACKGROUND), background)
    dataset = read_dataset(background, tables=["transfers", "accounts"])
    rng = np.random.default_rng(n_patterns)
    honest = dataset.transfers.select(FIVE).to_pandas().astype({"transfer_id": object, "source": object,
                                                                "target": object})  # fmt: skip
    honest["time"] = honest["time"].dt.floor("min")
    table = dataset.tables["accounts"].to_pandas()
    private = table.loc[(table["kind"] == "individual") & table["is_own"], "account_id"].astype(object).to_numpy()
    rows = _patterns(file, n_patterns, rng)
    keys = sorted(set(rows["source"]) | set(rows["target"]))
    body = dict(zip(keys, rng.choice(private, len(keys), replace=False), strict=True))
    # a pattern moves what the larger half of the honest transfers move
    level = rng.choice(honest.loc[honest["amount"] > honest["amount"].median(), "amount"], rows["ring_id"].nunique())
    amount = rows["relative"] * level[pd.factorize(rows["ring_id"])[0]]
    planted = pd.DataFrame({
        "transfer_id": [f"P{k}" for k in range(len(rows))],
        "time": honest["time"].min() + pd.Timedelta("10D") + rows["after"],
        "source": rows["source"].map(body), "target": rows["target"].map(body),
        "amount": amount.round().clip(1, 10**12).astype("int64"),
    })  # fmt: skip
    ends = [
        planted[[side, "amount"]].set_axis(["account_id", "value"], axis=1).assign(ring_id=rows["ring_id"])
        for side in ("source", "target")
    ]
    sums = [end.groupby(["ring_id", "account_id"])["value"].sum() for end in ends]
    true = pd.concat(sums, axis=1).fillna(0).max(axis=1).astype("int64").rename("value").reset_index()
    both = pd.concat([honest, planted], ignore_index=True)
    return {"transfers": pa.Table.from_pandas(both, preserve_index=False)}, dataset.currency, true


def _patterns(file: Path, n_patterns: int, rng: np.random.Generator) -> pd.DataFrame:
    """Return the rows of some patterns of three or more accounts, amounts relative to the pattern's median."""
    rows = pd.read_csv(file, dtype=str)
    paid = rows["AmountPaid"].astype(float)
    stamp = pd.to_datetime(rows["TransactionTimestamp"], format="%Y/%m/%d %H:%M", utc=True)
    found = pd.DataFrame({
        "ring_id": rows["PatternAttemptID"].astype(object),
        "source": rows["FromBankID"] + ":" + rows["FromAccountID"],
        "target": rows["ToBankID"] + ":" + rows["ToAccountID"],
        "after": stamp - stamp.min(),
        # its rows are of fifteen currencies
        "relative": paid / paid.groupby(rows["PaymentCurrency"]).transform("median"),
    }).query("source != target")  # fmt: skip
    ends = found.melt(["ring_id"], ["source", "target"], value_name="account")
    size = ends.groupby("ring_id")["account"].nunique()
    chosen = rng.choice(np.sort(size.index[size >= 3].to_numpy()), n_patterns, replace=False)
    found = found[found["ring_id"].isin(chosen)].reset_index(drop=True)
    relative = found["relative"] / found.groupby("ring_id")["relative"].transform("median")
    return found.assign(relative=relative.clip(1 / WIDEST, WIDEST))
