"""What each family of features adds: average precision and recall, family by family, on several data sets.

    python benchmarks/ablation.py --amlsim DIR --synthfin DIR --worlds DIR

Writes docs/ablation.md. `--synthfin` holds two folders, `1` and `2`, of nodes.csv and transactions.csv as synthfin-aml
writes them with two seeds; `--worlds` is where worlds of the presets `thai_bank` and `hard` are simulated unless they
are there. Feature columns are kept in `--cache`, so that a second run computes only what has changed.

The trees are those of `MuleModel()` as it is, without its calibrator, which changes no rank: average precision is the
mean over `--seeds` models. Intervals draw rings (or accounts that are in none) of the ranked side with replacement;
those of a gain draw the same for both rows.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Final, NamedTuple

import numpy as np
import pandas as pd
from _ablation_sets import Bool, Float32, Float64, Int64, Problem, Trial, amlsim, synthfin, world

from muledetect.clock import parse_duration
from muledetect.evaluation import average_precision
from muledetect.features import registry
from muledetect.model import MuleModel, trees
from muledetect.model.reasons import durations_among

#: Rungs of the ladder, each with the families that it adds; families that are in none come last, in one rung.
RUNGS: Final = {
    "volume only": ("volume",),
    "+ velocity": ("velocity", "peak", "lifecycle", "amount", "clock"),
    "+ flow": ("flow", "counterparties"),
    "+ patterns": ("patterns", "multihop"),
    "+ neighbourhood": ("neighbourhood",),
    "+ proximity": ("proximity", "taint"),
    "+ identity": ("identity", "place"),
}
SHARE: Final = 0.005
HERE: Final = Path(__file__).parent


class Ranked(NamedTuple):
    """The ranked rows of a trial: targets, groups numbered from 0, and scores by seed, float64[n_seeds, n_rows]."""

    y: Float64
    group: Int64
    scores: Float64


@dataclass(frozen=True, eq=False)
class Measured:
    """Average precision and recall of a problem's trials, mean over trials and seeds; draws are [n_draws]."""

    n_columns: int
    precision: float
    seed_spread: float
    precision_draws: Float64
    recall: float
    recall_draws: Float64


def rank(trial: Trial, names: Sequence[str], n_seeds: int, threads: int) -> Ranked:
    """Train the trees of `MuleModel()` with several seeds and score the ranked rows."""
    rows = trial.train_rows & ~np.isnan(trial.train.y)
    learnt, tested = trial.train.values(names)[rows], trial.test.values(names)[trial.test_rows]
    scores = score_rows(learnt, trial.train.y[rows] == 1, tested, names, n_seeds, threads)
    group = np.unique(trial.test.group[trial.test_rows], return_inverse=True)[1]
    return Ranked(trial.test.y[trial.test_rows], group, scores)


def score_rows(
    learnt: Float32, is_positive: Bool, tested: Float32, names: Sequence[str], n_seeds: int, threads: int
) -> Float64:
    """Return the scores of some rows by trees that learnt from others, float64[n_seeds, n_rows]; both are capped."""
    boosters = [trees.open_booster(text) for text in grow(_capped(learnt, names), is_positive, n_seeds, threads)]
    tested = _capped(tested, names)
    n_bags = len(boosters) // n_seeds
    return np.array(
        [trees.raw_scores(boosters[seed * n_bags : (seed + 1) * n_bags], tested, threads) for seed in range(n_seeds)]
    )


def grow(values: Float32, is_positive: Bool, n_seeds: int, threads: int) -> list[str]:
    """Return the boosters of `n_seeds` models of `MuleModel()`, as text."""
    set_as = MuleModel().get_params()
    parameters = {
        "learning_rate": set_as["learning_rate"],
        "num_leaves": set_as["num_leaves"],
        "min_data_in_leaf": set_as["min_child_samples"],
        "feature_fraction": min(1.0, max(set_as["colsample_bytree"], 20 / values.shape[1])),
        "bagging_fraction": set_as["subsample"],
        "lambda_l2": set_as["reg_lambda"],
        "max_bin": set_as["max_bin"],
    }
    jobs = [trees.Job(seed * 1_000 + bag + 1) for seed in range(n_seeds) for bag in range(set_as["n_bags"])]
    return trees.grow(
        values, is_positive, None, parameters, n_trees=set_as["n_estimators"], jobs=jobs, n_threads=threads
    )


def _capped(values: Float32, names: Sequence[str]) -> Float32:
    is_duration = durations_among(names)
    longest = parse_duration(MuleModel().max_duration or "90d") / 1e6
    values[:, is_duration] = np.minimum(values[:, is_duration], longest)
    return values


def measure(ranked: Sequence[Ranked], n_columns: int, n_draws: int) -> Measured:
    """Return average precision and recall of the highest 0.5%, mean over trials and seeds, and their draws."""
    by_seed = np.mean([[average_precision(r.y, score) for score in r.scores] for r in ranked], axis=0)
    weights = [_draws(r, n_draws) for r in ranked]
    found = np.array([[_both(r.y, s, w) for s in r.scores] for r, w in zip(ranked, weights, strict=True)])
    precision, recall = found.mean(axis=(0, 1))
    return Measured(n_columns, float(by_seed.mean()), float(by_seed.std()), precision[1:], recall[0], recall[1:])


def _draws(ranked: Ranked, n_draws: int) -> Float64:
    """Return weights of the rows, float64[1 + n_draws, n_rows]; the first draw is every row once."""
    drawn, n_groups = np.random.default_rng(0), int(ranked.group.max()) + 1
    times = [np.bincount(drawn.integers(0, n_groups, n_groups), minlength=n_groups) for _ in range(n_draws)]
    return np.array([np.ones(n_groups), *times], np.float64)[:, ranked.group]


def _both(y: Float64, score: Float64, weights: Float64) -> Float64:
    """Return average precision and recall of each draw, float64[2, n_draws]; rows that tie are taken together."""
    order = np.argsort(-score, kind="stable")
    last = np.append(np.flatnonzero(np.diff(score[order])), len(y) - 1)
    found = np.empty((2, len(weights)))
    for draw, weight in enumerate(weights):
        seen = np.cumsum(weight[order])[last]
        hits = np.cumsum((weight * y)[order])[last]
        precision = np.divide(hits, seen, out=np.zeros_like(hits), where=seen > 0)
        found[0, draw] = (np.diff(hits, prepend=0.0) * precision).sum() / max(hits[-1], 1e-300)
        found[1, draw] = np.interp(SHARE * seen[-1], np.r_[0, seen], np.r_[0, hits]) / max(hits[-1], 1e-300)
    return found


def ladder(names: Sequence[str]) -> dict[str, list[str]]:
    """Return the columns of each rung, those of the rungs before it included; rungs that add none are left out."""
    families = {name: registry().features[registry().parse(name).feature].family for name in names}
    placed = {family for rung in RUNGS.values() for family in rung}
    others = tuple(sorted(set(families.values()) - placed))
    rungs, taken, so_far = {**RUNGS, f"+ {', '.join(others)}": others}, set[str](), {}
    for rung, added in rungs.items():
        if any(family in added for family in families.values()):
            taken |= set(added)
            so_far[rung] = [name for name in names if families[name] in taken]
    return so_far


def climb(problem: Problem, given: argparse.Namespace) -> pd.DataFrame:
    """Return the table of a problem: one row a rung."""
    rows, before = {}, None
    for rung, names in ladder(problem.names).items():
        found = _measured(problem, names, given)
        rows[rung] = _row(found, before)
        before = found
        print(f"  {problem.name} {rung}: {found.precision:.3f}", flush=True)
    return pd.DataFrame.from_dict(rows, orient="index")


def spare(problem: Problem, given: argparse.Namespace) -> pd.DataFrame:
    """Return what leaving out one family costs, one row a family."""
    names = problem.names
    families = {name: registry().features[registry().parse(name).feature].family for name in names}
    whole = _measured(problem, names, given)
    rows = {}
    for family in dict.fromkeys(families.values()):
        rest = [name for name in names if families[name] != family]
        rows[f"without {family}"] = _row(_measured(problem, rest, given), whole)
        print(f"  {problem.name} without {family}", flush=True)
    return pd.DataFrame.from_dict(rows, orient="index")


def _measured(problem: Problem, names: Sequence[str], given: argparse.Namespace) -> Measured:
    ranked = [rank(trial, names, given.seeds, given.threads) for trial in problem.trials]
    return measure(ranked, len(names), given.draws)


def _row(found: Measured, before: Measured | None) -> dict[str, object]:
    row: dict[str, object] = {
        "columns": found.n_columns,
        "average precision": _with_interval(found.precision, found.precision_draws),
        "over seeds": f"{found.seed_spread:.3f}",
        "change": "",
        "recall at 0.5%": _with_interval(found.recall, found.recall_draws),
    }
    if before is not None:
        row["change"] = _with_interval(
            found.precision - before.precision, found.precision_draws - before.precision_draws, sign="+"
        )
    return row


def _with_interval(value: float, draws: Float64, sign: str = "") -> str:
    low, high = np.quantile(draws, [0.025, 0.975])
    return f"{value:{sign}.3f} [{low:{sign}.3f}, {high:{sign}.3f}]"


def page(parts: Sequence[str], given: argparse.Namespace) -> str:
    """Return docs/ablation.md."""
    head = f"""# What each family of features adds

```sh
python benchmarks/ablation.py --amlsim DIR --synthfin DIR --worlds DIR
```

The command above made this page with muledetect {version("muledetect")}, numpy {version("numpy")} and lightgbm
{version("lightgbm")}. All rows use the default model, `MuleModel()`. Each row adds one family of features to the row
above it, and *change* compares it with that row.

Average precision, and recall in the 0.5% of rows with the highest scores, are means over {given.seeds} seeds;
*over seeds* is the standard deviation of average precision. Brackets are 95% intervals: the rings of the test side are
drawn again {given.draws} times, with replacement. Both rows of a change use the same draws. Do not read anything into a
change whose interval contains 0, or that is smaller than twice the spread over seeds.
"""
    return "\n".join([head, *parts])


def part(problem: Problem, given: argparse.Namespace) -> str:
    """Return the section of one problem."""
    for corner in problem.corners:
        corner.fill(problem.names, given.threads)
    sought = [int((t.test.y[t.test_rows] == 1).sum()) for t in problem.trials]
    learnt = [int((t.train.y[t.train_rows] == 1).sum()) for t in problem.trials]
    ranked = [int(t.test_rows.sum()) for t in problem.trials]
    text = f"## {problem.name}\n\n{problem.says}. "
    text += (
        f"Positive rows in training: {_listed(learnt)}; in the test: {_listed(sought)} of {_listed(ranked)} rows.\n\n"
    )
    text += markdown(climb(problem, given)) + "\n"
    if given.spare:
        text += "\nLeaving out one family of all:\n\n" + markdown(spare(problem, given)) + "\n"
    seconds: dict[str, float] = {}
    for corner in problem.corners:
        for family, took in corner.seconds.items():
            seconds[family] = seconds.get(family, 0.0) + took
    if seconds:
        print(problem.name, "seconds by family:", {family: round(took, 1) for family, took in seconds.items()})
    return text


def markdown(table: pd.DataFrame) -> str:
    """Return a table as Markdown, its index as the first column."""
    lines = ["| | " + " | ".join(table.columns) + " |", "|---" * (len(table.columns) + 1) + "|"]
    lines += [f"| {name} | " + " | ".join(str(cell) for cell in row) + " |" for name, row in table.T.items()]
    return "\n".join(lines)


def _listed(numbers: Sequence[int]) -> str:
    return ", ".join(f"{number:,}" for number in numbers)


def problems(given: argparse.Namespace) -> list[Problem]:
    """Return the problems whose data were given."""
    found: list[Problem] = []
    if given.amlsim:
        found += amlsim(given.amlsim, given.cache, given.halves)
    if given.synthfin:
        found.append(synthfin(given.synthfin, given.cache))
    if given.worlds:
        size = {"n_accounts": given.accounts, "n_days": 120, "mule_share": given.mules}
        found += [world(preset, given.worlds, given.cache, size) for preset in ("thai_bank", "hard")]
    return [problem for problem in found if not given.only or problem.name in given.only]


def options() -> argparse.ArgumentParser:
    """Return what the command line takes."""
    found = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name in ("amlsim", "synthfin", "worlds"):
        found.add_argument(f"--{name}", type=Path)
    found.add_argument("--cache", type=Path, default=Path("/tmp/muledetect-ablation"))  # noqa: S108 (only numbers)
    found.add_argument("--output", type=Path, default=HERE.parent / "docs" / "ablation.md")
    found.add_argument("--only", nargs="*", help="names of problems")
    found.add_argument("--halves", type=int, default=3)
    found.add_argument("--accounts", type=int, default=30_000, help="of a world")
    found.add_argument("--mules", type=float, default=0.01, help="share of a world's accounts")
    found.add_argument("--seeds", type=int, default=3)
    found.add_argument("--draws", type=int, default=200)
    found.add_argument("--threads", type=int, default=1)
    found.add_argument("--spare", action="store_true", help="also leave out each family by itself")
    return found


def main() -> None:
    """Measure and write the page."""
    given = options().parse_args()
    parts = [part(problem, given) for problem in problems(given)]
    given.output.write_text(page(parts, given), encoding="utf-8")


if __name__ == "__main__":
    main()
