"""How well accounts are ranked on an IBM AMLSim data set, under the two protocols of the foundation issue.

A  Half of the rings (and half of all other accounts) train at the end of the data; the other half is ranked there.
B  All accounts train at 60% of the span, target `ever`; ranked at the end are those not yet bad at 60%.
B3 As B, trained at 20%, 40% and 60%: the trees see the earlier moments, the calibrator the latest one with enough
   new positives.

    python benchmarks/amlsim.py DATASET [--halves 3] [--draws 200]

Prints average precision with a 95% interval (rings drawn with replacement) of each baseline and of the model.
"""

from __future__ import annotations

import argparse

import numpy as np
import pandas as pd
import pyarrow as pa
from sklearn.base import clone

from muledetect.evaluation import calibration_error, compare_baselines
from muledetect.features import extract, feature_names
from muledetect.graph import build_graph
from muledetect.labels import every_account, find_targets, ring_groups, split_by_group
from muledetect.model import MuleModel
from muledetect.records import read_dataset

# 28 columns of degree, velocity and pass-through, for plain LightGBM: what anybody would try first.
PLAIN = (
    *(
        f"{column}__window_{window}"
        for column in ("in_count", "out_count", "in_amount", "out_amount")
        for window in ("24h", "7d", "30d", "all")
    ),
    *(f"pass_through__window_{window}" for window in ("24h", "7d", "30d", "all")),
    *(f"{side}_counterparties__window_{window}" for side in ("in", "out") for window in ("30d", "all")),
    *(f"{column}__window_7d" for column in ("in_burst", "out_burst", "in_amount_burst", "out_amount_burst")),
)


class Moments:
    """Features, targets and groups of every account at moments given as a share of the span."""

    def __init__(self, folder: str) -> None:
        self.dataset = read_dataset(folder, currency="USD")
        self.graph = build_graph(self.dataset)

    def at(self, share: float) -> tuple[pa.Table, np.ndarray, np.ndarray]:
        first, end = int(self.graph.time[0]), int(self.graph.time[-1]) + self.graph.tick
        as_of = end if share == 1 else first + int(share * (end - first)) // self.graph.tick * self.graph.tick
        points = every_account(self.dataset, as_of)
        y = find_targets(self.dataset, self.graph, points, target="ever")
        return extract(self.dataset, points, graph=self.graph), y, ring_groups(self.dataset, points)


def compare(
    train: tuple[pa.Table, np.ndarray, np.ndarray], test: tuple[pa.Table, np.ndarray, np.ndarray], draws: int
) -> pd.DataFrame:
    """Return the table of baselines, with the plain 28 columns as one more."""
    columns = ["account_id", "as_of", *feature_names(long_term=True)]  # what `train --target ever` uses
    few = train[0].select(PLAIN), test[0].select(PLAIN)
    train, test = ((side[0].select(columns), *side[1:]) for side in (train, test))
    model = MuleModel().fit(train[0], train[1], groups=train[2])
    print("  " + "\n  ".join(model.notes_))
    options = {"train_groups": train[2], "test_groups": test[2], "n_draws": draws}
    found = compare_baselines(train[0], train[1], test[0], test[1], model=model, **options)
    plain = clone(model).set_params(
        n_bags=1, n_estimators=100, learning_rate=0.1, num_leaves=31, colsample_bytree=1.0, subsample=1.0,
        reg_lambda=0.0, max_duration=None,
    )  # fmt: skip
    plain.fit(few[0], train[1], groups=train[2])
    last = compare_baselines(few[0], train[1], few[1], test[1], model=plain, **options)
    found.loc["plain LightGBM, 28 columns"] = last.loc["LightGBM with all"]
    error = calibration_error(test[1], model.predict_proba(test[0])[:, 1])
    print(f"  calibration error of the model: {error:.4f}")
    return found


def main() -> None:
    """Run the protocols and print their tables."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("dataset")
    options.add_argument("--halves", type=int, default=3)
    options.add_argument("--draws", type=int, default=200)
    given = options.parse_args()
    pd.set_option("display.width", 200, "display.max_columns", 20, "display.precision", 3)
    moments = Moments(given.dataset)
    table, y, groups = moments.at(1)
    shown = ["average_precision", "low", "high", "precision@100", "recall@1%", "roc_auc"]
    halves = []
    for seed in range(given.halves):
        train, test = split_by_group(groups, seed=seed)
        print(
            f"A, half {seed}: {int(y[train].sum())} positives train, {int(y[test].sum())} of {test.sum():,} are sought"
        )
        sides = [(table.filter(pa.array(side)), y[side], groups[side]) for side in (train, test)]
        halves.append(compare(sides[0], sides[1], given.draws))
        print(halves[-1][shown])
    spread = pd.concat([half["average_precision"] for half in halves], axis=1)
    print("A, average precision over the halves\n", spread.agg(["mean", "min", "max"], axis=1))
    middle = moments.at(0.6)
    rest = middle[1] == 0
    later = (table.filter(pa.array(rest)), y[rest], groups[rest])
    for name, shares in (("B", (0.6,)), ("B3", (0.2, 0.4, 0.6))):
        parts = [moments.at(share) for share in shares]
        train_rows = pa.concat_tables([part[0] for part in parts])
        train_y, train_groups = (np.concatenate([part[column] for part in parts]) for column in (1, 2))
        print(f"{name}: {int(later[1].sum())} of {len(later[1]):,} that turn bad after 60% are sought")
        print(compare((train_rows, train_y, train_groups), later, given.draws)[shown])


if __name__ == "__main__":
    main()
