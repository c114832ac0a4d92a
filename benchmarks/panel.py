"""How well accounts are ranked on data of several makers, with one fixed configuration: one page, made by one command.

    python benchmarks/panel.py [--amlsim DIR] [--synthfin DIR] [--worlds FOLDER] [--halves 3] [--draws 200]

*muledetect* is `MuleModel()` as `muledetect train` makes it. The same without look-back sees the whole past of each
account; without neighbours it has no second stage. *Plain LightGBM* has its own default parameters and the columns of
volume, velocity, amount and clock with the same look-back: an account's own totals, without the graph. Intervals draw
rings of the ranked side with replacement. Prints Markdown.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Final

import numpy as np
import pandas as pd
import pyarrow as pa
from _panel_sets import Problem, Trial, amlsim, is_other, oracle, synthfin, told_apart, world

from muledetect.clock import DAY
from muledetect.evaluation import (
    average_precision,
    calibration_error,
    measure_layers,
    measure_ranking,
    rule_columns,
    rules_score,
)
from muledetect.evaluation.baselines import plain_trees, without_graph
from muledetect.facts.snapshot import known_before
from muledetect.features import Extraction, extract_with, feature_names
from muledetect.features.suspicion import COLUMNS as SUSPICION
from muledetect.graph import build_graph
from muledetect.labels import account_groups, account_keys, component_groups, ring_groups, sample_points
from muledetect.labels.lookback import choose_lookback
from muledetect.labels.targets import labelled_points
from muledetect.model import MuleModel
from muledetect.model.fitted import TrainedOn
from muledetect.model.neighbours import extract_for, training_suspicion

BUDGET: Final = 0.005
LAYERS: Final = ("1", "2", "3+")

#: Rows to learn from: all positives, and negatives that stand for the others.
MAX_ROWS: Final = 12_000

ORACLE: Final = (
    "The *oracle* knows the exact shape of the ring of each account{late}, but not whether the ring is true or a "
    "false alert: average precision {ap}. It misses {others} positives that the data list in no ring; one that knew "
    "them too would have {knowing}. More than that needs true rings to be told from false alerts of the same shape: a "
    "true ring scores higher in {apart} of the pairs with muledetect, in {plain} with plain LightGBM (0.50: chance)."
)


class Learnt:
    """What is the same for all methods of a trial: the rows that are learnt from."""

    def __init__(self, trial: Trial) -> None:
        self.trial, dataset = trial, trial.learnt
        self.lookback = choose_lookback(dataset, trial.moments, target=trial.target).length
        points, y, _ = labelled_points(dataset, trial.moments, target=trial.target, lookback=self.lookback)
        keys = account_keys(dataset, build_graph(dataset), as_of=int(points.as_of.max()))
        kept, self.weight = sample_points(points, y, keys, max_rows=MAX_ROWS)
        self.points, self.y = points[kept], y[kept]
        self.groups = ring_groups(dataset, self.points)

    @property
    def sees_all(self) -> bool:
        """Does the look-back reach the beginning of the ranked record, but for a part of a day?"""
        begin = int(build_graph(self.trial.seen).time[0])
        return int(self.trial.points.as_of.max()) - begin - self.lookback < DAY

    def fit(self, lookback: int) -> tuple[pa.Table, MuleModel, MuleModel]:
        """Return own columns of the training rows, and the model with neighbours and without."""
        dataset, target, pack = self.trial.learnt, self.trial.target, self.trial.pack
        names = feature_names(pack=pack, long_term=target == "ever")
        extraction = Extraction(dataset, hide_groups=account_groups(dataset), lookback=lookback or None)
        own = extract_with(extraction, self.points, names)
        known = known_before(dataset, int(self.points.as_of.max()))
        near, _ = training_suspicion(
            MuleModel(), extraction, self.points, own, self.y, groups=component_groups(known)[self.points.account],
            sample_weight=self.weight,
        )  # fmt: skip
        options = {
            "groups": self.groups, "sample_weight": self.weight, "leaks": "ignore",
            "trained_on": TrainedOn(target, pack, lookback=lookback),
        }  # fmt: skip
        both = MuleModel().fit(near, self.y, **options)
        return own, both, MuleModel().fit(own, self.y, **options) if both.second_texts_ else both


def rank(trial: Trial) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray], list[str]]:
    """Return scores of the ranked rows by method, probabilities by method, and notes."""
    learnt = Learnt(trial)
    scores, probability, notes = {}, {}, [f"Look-back: {learnt.lookback // DAY} days."]
    baselines: dict[str, np.ndarray] = {}
    for lookback in (learnt.lookback,) if learnt.sees_all else (learnt.lookback, 0):
        own, both, alone = learnt.fit(lookback)
        back = "" if lookback else " without look-back"
        names = [str(name) for name in alone.feature_names_in_]
        wanted = [*names, *(SUSPICION if both.second_texts_ else ()), *rule_columns(trial.pack)]
        ranked = extract_for(both, trial.seen, trial.points, list(dict.fromkeys(wanted)))
        ablated = "without both" if back else "without neighbours"
        for name, model in ((back.strip() or "**muledetect**", both), (ablated, alone)):
            scores[name] = model.decision_function(ranked)
            probability[name] = model.probability(scores[name])
        if both is alone:
            notes.append(f"The second stage{back} does not help on rows held out, so the model leaves it out.")
        if lookback:
            few = without_graph(names)
            baselines["plain LightGBM"] = plain_trees(own.select(few), learnt.y, ranked.select(few))
            baselines["rules only"] = rules_score(
                ranked.drop_columns([n for n in SUSPICION if n in ranked.column_names])
            )
    if learnt.sees_all:
        notes.append("The look-back is the whole record here, so there are no rows without it.")
    order = ["**muledetect**", "without look-back", "without neighbours", "without both"]
    return {name: scores[name] for name in order if name in scores} | baselines, probability, notes


def measure(trial: Trial, draws: int) -> tuple[pd.DataFrame, list[str]]:
    """Return figures of every method on the ranked rows of a trial, NaN where the data do not know them, and notes."""
    scores, probability, notes = rank(trial)
    groups = ring_groups(trial.seen, trial.points)
    ids = trial.seen.account_ids.take(pa.array(trial.points.account)).to_pylist()
    rows = {}
    for name, score in scores.items():
        found = measure_ranking(trial.y, score, [BUDGET], value=trial.value, groups=groups, n_draws=draws)
        rates = found.rates.iloc[0]
        layers = measure_layers(trial.y, score, ids, trial.seen.tables.get("truth_rings"), k=BUDGET, n_draws=2)
        recall = layers.set_index("layer")["recall"]
        rows[name] = {
            "positives": int(trial.y.sum()), "ap": found.average_precision, "low": found.low, "high": found.high,
            "recall": rates["recall"], "value": rates["value_recall"] if trial.value is not None else np.nan,
            **{layer: recall.get(layer, np.nan) for layer in LAYERS},
            "calibration": calibration_error(trial.y, probability[name]) if name in probability else np.nan,
        }  # fmt: skip
    if trial.shapes is not None:
        n_others = int(is_other(trial).sum())
        rows["*oracle*"] = {"positives": int(trial.y.sum()), "ap": average_precision(trial.y, oracle(trial)),
                            "knowing": average_precision(trial.y, oracle(trial, knows_others=True)), "others": n_others,
                            "apart": told_apart(trial, scores["**muledetect**"]),
                            "plain": told_apart(trial, scores["plain LightGBM"])}  # fmt: skip
    return pd.DataFrame.from_dict(rows, orient="index"), notes


def show(problem: Problem, draws: int) -> None:
    """Measure all trials of a problem and print its block of the page."""
    begun = time.process_time()
    parts, notes = zip(*(measure(trial, draws) for trial in problem.trials), strict=True)
    order = [name for name in parts[0].index if name != "*oracle*"] + ["*oracle*"] * ("*oracle*" in parts[0].index)
    mean = pd.concat(parts).groupby(level=0).mean().loc[order]
    print(f"**{problem.name}.** {problem.says}")
    counts = Counter(note for some in notes for note in some)
    print(*(note if n == len(parts) else f"In {n} of {len(parts)} trials: {note}" for note, n in counts.items()))
    if "*oracle*" in mean.index:
        table = pd.DataFrame([part.loc["*oracle*"] for part in parts])
        said = {
            name: ", ".join(f"{value:.2f}" for value in table[name]) for name in ("ap", "knowing", "apart", "plain")
        }
        said["others"] = ", ".join(f"{value:.0f}" for value in table["others"])
        said["late"] = " and whether it sent money after training" if "later" in problem.name else ""
        print(ORACLE.format(**said))
    shown = (
        "",
        "positives",
        "average precision",
        "recall at 0.5%",
        "of value",
        *(f"layer {layer}" for layer in LAYERS),
    )
    print("\n| " + " | ".join([*shown, "calibration error"]) + " |\n" + "|---" * (len(shown) + 1) + "|")
    for name, row in mean.iterrows():
        interval = f" [{row['low']:.3f}, {row['high']:.3f}]" if np.isfinite(row["low"]) else ""
        shares = [_number(row[column], 2) for column in ("recall", "value", *LAYERS)]
        cells = [str(name), f"{row['positives']:,.0f}", f"{row['ap']:.3f}{interval}", *shares]
        print("| " + " | ".join([*cells, _number(row["calibration"], 4)]) + " |")
    print(flush=True)
    print(f"{problem.name}: {time.process_time() - begun:.0f} s of the processor", file=sys.stderr, flush=True)


def _number(value: float, digits: int) -> str:
    return f"{value:.{digits}f}" if np.isfinite(value) else "-"


def problems(given: argparse.Namespace) -> Iterable[Problem]:
    """Yield every problem whose data are given."""
    if given.amlsim:
        yield from amlsim(given.amlsim, given.halves)
    if given.synthfin:
        yield synthfin(given.synthfin, given.cache)
    if given.worlds:
        for evasion in (0.0, 0.25, 0.5):
            yield world(f"Simulator, evasion {evasion:g}", "thai_bank", given.worlds, evasion=evasion)
        yield world("Simulator, hard", "hard", given.worlds)


def main() -> None:
    """Print the page."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--amlsim", type=Path)
    options.add_argument("--synthfin", type=Path, help="folder with two outputs, 1 and 2")
    options.add_argument("--worlds", type=Path, help="where simulated banks are kept")
    options.add_argument("--cache", type=Path, default=Path("benchmarks/.ablation"), help="of imported CSV files")
    options.add_argument("--halves", type=int, default=3)
    options.add_argument("--draws", type=int, default=200)
    given = options.parse_args()
    for problem in problems(given):
        show(problem, given.draws)


if __name__ == "__main__":
    main()
