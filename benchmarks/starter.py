"""The starter models: made from simulated worlds, and tried on data sets of other makers without training there.

    python benchmarks/starter.py --build                      # writes muledetect/model/starters/
    python benchmarks/starter.py --amlsim FOLDER --synthfin FOLDER

`--build` simulates worlds that differ in how mules evade, how busy honest life is and how many counterparties are
outside, and trains one model on their clock and one on times cut to days. Columns: those of `transfers` alone that keep
their value when an account falls silent and have no unit of money; the second stage reads the scores of payers and
payees. No look-back: "ever a mule" asks about the whole record, and that of a bank may be longer than the worlds. Few
and large leaves, and scores that rise and fall only as the domain knows, are for models that go far from where they
were trained; `--between` shows what they do from some worlds to others.

Without `--build` it prints average precision beside the rules and beside a model trained there, on accounts that the
latter did not see.
"""

from __future__ import annotations

import argparse
import itertools
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import pyarrow as pa
from scipy.special import logit

from muledetect.clock import DAY
from muledetect.convert import import_layout
from muledetect.evaluation import average_precision, bootstrap_interval, rule_columns, rules_score
from muledetect.features import Extraction, extract, extract_with, feature_names, registry
from muledetect.features.suspicion import COLUMNS as SUSPICION
from muledetect.graph import Points, build_graph
from muledetect.labels import account_groups
from muledetect.labels.splits import split_by_group
from muledetect.labels.targets import labelled_points
from muledetect.model import MuleModel, extract_for, load_model, load_starter
from muledetect.model.fitted import TrainedOn
from muledetect.model.loading import PLACES, STARTERS
from muledetect.model.neighbours import training_suspicion
from muledetect.records import Dataset, read_dataset
from muledetect.simulation import simulate

#: What differs between the worlds.
WORLDS: Mapping[str, Mapping[str, Any]] = {
    "plain": {"evasion": 0.0},
    "usual": {"evasion": 0.25},
    "quiet": {"evasion": 0.25, "activity": 0.4, "outside_share": 0.2},
    "careful": {"evasion": 0.5, "outside_share": 0.6},
    "slow": {"evasion": 0.5, "median_holding_s": 86_400.0, "activity": 0.7},
    "hard": {"evasion": 0.8},
}
#: Columns of no unit that still change with the currency: what is a round amount, what is a drained account.
OF_A_CURRENCY = ("in_round_share", "out_round_share", "in_drained")
DAYS = (60, 90, 119)
KEPT = 0.35
#: Share of mules that probabilities assume; that of the preset thai_bank.
PREVALENCE = 0.003


class Rows(NamedTuple):
    """Points of one world: features with the suspicion of neighbours, targets, groups, weights, moments."""

    values: pd.DataFrame
    y: np.ndarray
    group: np.ndarray
    weight: np.ndarray
    as_of: np.ndarray


def columns() -> list[str]:
    """Return the columns of the first stage of a starter model."""
    known = registry()
    return [
        name
        for name in feature_names(long_term=True)
        if known.column(name).unit != "amount" and not name.startswith(OF_A_CURRENCY) and is_of_transfers(name)
    ]


def is_of_transfers(name: str) -> bool:
    """Return whether a column needs no table but the transfers."""
    known = registry()
    return set(known.features[known.parse(name).feature].tables) <= {"transfers"}


def bare(transfers: pa.Table, tick: int) -> Dataset:
    """Return transfers alone, times cut to the tick."""
    kept = transfers.select(["transfer_id", "time", "source", "target", "amount", "currency"])
    if tick > 1:
        cut = kept["time"].cast(pa.int64()).to_numpy() // tick * tick
        kept = kept.set_column(1, "time", pa.array(cut).cast(pa.timestamp("us", tz="UTC")))
    return read_dataset({"transfers": kept})


def rows_of(world: Mapping[str, pa.Table], tick: int, seed: int) -> Rows:
    """Return every mule and a share of the other accounts at several moments; the target is the whole truth."""
    whole, dataset = read_dataset(world), bare(world["transfers"], tick)
    graph = build_graph(dataset)
    own = world["accounts"].filter(world["accounts"]["is_own"])["account_id"]
    codes = graph.codes(own)
    codes = codes[codes >= 0]
    truth = world["truth_accounts"].to_pandas().set_index("account_id")["first_illicit"]
    begun = truth.reindex(dataset.account_ids.to_pylist())
    first = begun.dt.as_unit("us").astype("int64").where(begun.notna(), np.iinfo(np.int64).max).to_numpy()
    group = pd.Series(account_groups(whole), index=whole.account_ids.to_pylist())
    groups = group.reindex(dataset.account_ids.to_pylist()).to_numpy().astype(np.int64)
    start, draws = int(graph.time[0]) // DAY * DAY, np.random.default_rng(seed)
    account, as_of = [], []
    for day in DAYS:
        moment = start + day * DAY
        taken = codes[(first[codes] < moment) | (draws.random(len(codes)) < KEPT)]
        account.append(taken)
        as_of.append(np.full(len(taken), moment))
    points = Points(np.concatenate(account).astype(np.int32), np.concatenate(as_of))
    y = (first[points.account] < points.as_of).astype(np.float64)
    weight = np.where(y == 1, 1.0, 1 / KEPT)
    extraction = Extraction(dataset)
    own = extract_with(extraction, points, columns())
    table, _ = training_suspicion(
        plan(), extraction, points, own, y, groups=groups[points.account], sample_weight=weight
    )
    table = table.select([name for name in table.column_names if name not in SUSPICION or is_of_transfers(name)])
    return Rows(table.to_pandas(), y, groups[points.account], weight, points.as_of)


def plan(**parameters: Any) -> MuleModel:
    """Return the model before it is trained: few and large leaves, scores that rise and fall as the domain knows."""
    chosen = {"n_estimators": 200, "n_bags": 2, "num_leaves": 7, "min_child_samples": 100, "reg_lambda": 20.0}
    return MuleModel(**{**chosen, "calibration": "logistic", "monotone": True, **parameters})


def make_rows(seed: int) -> dict[tuple[str, int], Rows]:
    """Simulate all worlds and return their rows by name and tick."""
    made = {}
    for nth, (name, dials) in enumerate(WORLDS.items()):
        world = simulate(n_accounts=10_000, n_days=121, mule_share=0.02, seed=seed + nth, **dials)
        for tick in STARTERS.values():
            made[name, tick] = rows_of(world, tick, seed + nth)
            print(name, tick, len(made[name, tick].y), int(made[name, tick].y.sum()), flush=True)
    return made


def fit(parts: list[Rows], tick: int, **parameters: Any) -> MuleModel:
    """Train on the rows of several worlds."""
    values = pd.concat([part.values for part in parts], ignore_index=True).drop(columns=["account_id", "as_of"])
    group = np.concatenate([part.group + nth * 10**7 for nth, part in enumerate(parts)])
    y, weight, as_of = (np.concatenate([part[at] for part in parts]) for at in (1, 3, 4))
    model = plan(**parameters)
    origin = TrainedOn("ever", "none", tick, is_prevalence_known=False)
    model.fit(values, y, groups=group, sample_weight=weight, as_of=as_of, trained_on=origin)
    share = weight[y == 1].sum() / weight.sum()
    there = model.calibrator_
    model.calibrator_ = replace(there, intercept=there.intercept + float(logit(PREVALENCE) - logit(share)))
    model.trained_on_ = replace(model.trained_on_, prevalence=PREVALENCE)
    model.notes_ += [
        f"Trained on {len(parts)} simulated worlds, on their whole truth; {share:.1%} of the points were mules. "
        f"Probabilities are turned to a bank of which {PREVALENCE:.1%} of accounts are; rank by it, and do not read "
        "them as those of your bank."
    ]
    return model


def build(seed: int) -> None:
    """Make the models and write them where the package keeps them."""
    made = make_rows(seed)
    for name, tick in STARTERS.items():
        fit([rows for (_, at), rows in made.items() if at == tick], tick).save(PLACES / name, overwrite=True)
        print(PLACES / name, load_model(PLACES / name).n_trees_, flush=True)


def between(seed: int) -> None:
    """Print average precision on each world of models trained on the others, for two configurations."""
    made = make_rows(seed)
    plain = {"num_leaves": 15, "min_child_samples": 20, "reg_lambda": 5.0, "monotone": False}
    for tick, left_out in itertools.product(STARTERS.values(), WORLDS):
        test = made[left_out, tick]
        found = {}
        for label, parameters in {"starter": {}, "defaults": plain}.items():
            model = fit(
                [rows for (name, at), rows in made.items() if at == tick and name != left_out], tick, **parameters
            )
            found[label] = average_precision(test.y, model.decision_function(test.values))
        print(tick, left_out, {label: round(value, 3) for label, value in found.items()}, flush=True)


def foreign(options: argparse.Namespace) -> Iterator[tuple[str, Dataset, str]]:
    """Yield name, data set and moment of the data sets of other makers."""
    for layout, folder in (("amlsim", options.amlsim), ("synthfin", options.synthfin)):
        if folder is not None:
            with tempfile.TemporaryDirectory() as scratch:
                place = Path(scratch) / "data"
                if (folder / "transfers.parquet").exists():
                    place = folder
                else:
                    import_layout(layout, [folder], place)
                dataset = read_dataset(place)
                end = int(build_graph(dataset).time[-1]) // DAY * DAY + DAY
                yield layout, dataset, pd.Timestamp(end, unit="us", tz="UTC").isoformat()


def measure(name: str, dataset: Dataset, as_of: str) -> None:
    """Print average precision of rules, starter and a model trained on half of the groups, on the other half."""
    points, y, notes = labelled_points(dataset, as_of, target="ever")
    group = account_groups(dataset)[points.account]
    is_train, is_test = split_by_group(group, share=0.5, seed=0)
    starter = load_starter(dataset.tick)
    rules = rule_columns("none")
    trained_on = feature_names(long_term=True)
    table = extract(dataset, points, list(dict.fromkeys([*trained_on, *rules]))).to_pandas()
    by_starter = starter.decision_function(extract_for(starter, dataset, points))
    there = MuleModel().fit(table.loc[is_train, trained_on], y[is_train], groups=group[is_train])
    test = table[is_test].reset_index(drop=True)
    scores = {
        "rules only": rules_score(pa.Table.from_pandas(test, preserve_index=False)),
        "starter, no training there": by_starter[is_test],
        "trained there": there.decision_function(test[trained_on]),
    }
    print(f"{name}: tick {dataset.tick / 1e6:g} s, {int(is_test.sum()):,} accounts, {notes[0]}")
    for label, score in scores.items():
        low, high = bootstrap_interval(average_precision, y[is_test], score, groups=group[is_test], n_draws=200)
        print(f"  {label}: {average_precision(y[is_test], score):.3f} [{low:.3f}, {high:.3f}]", flush=True)


def main() -> None:
    """Build, compare worlds, or measure."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--build", action="store_true")
    parser.add_argument("--between", action="store_true")
    parser.add_argument("--amlsim", type=Path)
    parser.add_argument("--synthfin", type=Path)
    parser.add_argument("--seed", type=int, default=100)
    options = parser.parse_args()
    if options.build:
        build(options.seed)
    if options.between:
        between(options.seed + 50)
    for name, dataset, as_of in foreign(options):
        measure(name, dataset, as_of)


if __name__ == "__main__":
    main()
