"""How well accounts are ranked, and what probabilities are worth, beside plain LightGBM, on data of several makers.

    python benchmarks/model.py --amlsim DIR --synthfin DIR --worlds DIR [--draws 200]

The data sets, points and what is trained on what are those of `ablation.py`. One fixed configuration, `MuleModel()`.
*Plain* is LightGBM with its own default parameters on the columns of volume, velocity, amount and clock: an account's
own totals, without the graph. *Miss* is 1 - average precision; intervals draw rings of the ranked side with
replacement. Prints Markdown.
"""

from __future__ import annotations

import argparse
import platform
import time
from importlib.metadata import version
from pathlib import Path

import numpy as np
import pandas as pd
from _ablation_sets import Problem, Trial, amlsim, synthfin, world

from muledetect.evaluation import average_precision, bootstrap_interval, calibration_error
from muledetect.evaluation.baselines import baseline_scores
from muledetect.model import MuleModel


def measure(problem: Problem, trial: Trial, draws: int) -> dict[str, object]:
    """Return one row of the table."""
    for corner in (trial.train, trial.test):
        corner.fill(problem.names, 2)
    sides = [
        (
            pd.DataFrame(c.values(problem.names)[rows], columns=problem.names),
            c.y[rows],
            c.group[rows],
            c.points.as_of[rows],
        )
        for c, rows in ((trial.train, trial.train_rows), (trial.test, trial.test_rows))
    ]
    (train, y, group, as_of), (test, truth, blocks, _) = sides
    start = time.perf_counter()
    model = MuleModel().fit(train, y, groups=group, as_of=as_of)
    seconds = time.perf_counter() - start
    plain = baseline_scores(train, y, test, groups=group, model=model)["plain LightGBM"]
    score = model.decision_function(test)
    row: dict[str, object] = {"data": problem.name, "positives": f"{int(y.sum())} / {int(truth.sum())}"}
    misses = []
    for name, given in (("plain", plain), ("ours", score)):
        found = average_precision(truth, given)
        low, high = bootstrap_interval(average_precision, truth, given, blocks, n_draws=draws)
        row[name] = f"{found:.3f} [{low:.3f}, {high:.3f}]"
        misses.append(1 - found)
    row["miss, ours / plain"] = f"{misses[1] / misses[0]:.2f}"
    row["calibration error"] = f"{calibration_error(truth, model.probability(score)):.4f}"
    row["mean probability / share"] = f"{model.probability(score).mean():.4f} / {truth.mean():.4f}"
    row["trees"], row["fit, s"] = model.n_trees_, f"{seconds:.1f}"
    return row


def main() -> None:
    """Run all data sets that are given and print the table."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name in ("amlsim", "synthfin", "worlds"):
        options.add_argument(f"--{name}", type=Path)
    options.add_argument("--cache", type=Path, default=Path("benchmarks/.ablation"))
    options.add_argument("--accounts", type=int, default=30_000, help="of a world")
    options.add_argument("--draws", type=int, default=200)
    given = options.parse_args()
    problems = [*amlsim(given.amlsim, given.cache, 2)] if given.amlsim else []
    problems += [synthfin(given.synthfin, given.cache)] if given.synthfin else []
    size = {"n_accounts": given.accounts, "n_days": 120, "mule_share": 0.01}
    problems += [world(p, given.worlds, given.cache, size) for p in ("thai_bank", "hard")] if given.worlds else []
    print(f"{platform.machine()}, Python {platform.python_version()}, numpy {np.__version__}, "
          f"lightgbm {version('lightgbm')}, muledetect {version('muledetect')}\n")  # fmt: skip
    header = False
    for problem in problems:
        for trial in problem.trials:
            row = measure(problem, trial, given.draws)
            if not header:
                print("| " + " | ".join(row) + " |\n|" + "---|" * len(row))
                header = True
            print("| " + " | ".join(map(str, row.values())) + " |", flush=True)


if __name__ == "__main__":
    main()
