"""Do the promises of a model hold? Clearing thresholds, budget, calibration, on later moments and unseen rings.

    python benchmarks/promises.py --seeds 20

Two simulated worlds (presets thai_bank and hard, more mules than in life so that shares of them can be counted). For
each seed the rings, persons and other accounts of a world are split in halves. The model learns the whole truth of one
half at two moments, and is tried on the other half a month later. Counted is

- how often at most the promised share of the other half's mules lies below the clearing threshold (confidence 95%);
- calibration error and mean probability beside the share of mules;
- alerts at the threshold that gave 20 a day on the training moments' accounts.
"""

from __future__ import annotations

import argparse
import itertools
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa

from muledetect.clock import DAY
from muledetect.evaluation import calibration_error
from muledetect.features import extract, feature_names
from muledetect.graph import Points, build_graph
from muledetect.labels import every_account, ring_groups
from muledetect.labels.splits import split_by_group
from muledetect.model import MuleModel
from muledetect.model.measures import CLEARED_SHARES
from muledetect.model.thresholds import alert_threshold
from muledetect.records import Dataset, read_dataset
from muledetect.simulation import simulate

LEARNT, TRIED = (80, 110), 140


class Rows(NamedTuple):
    """Features of all own accounts at some moments, whether they had been mules by then, and their groups."""

    features: pa.Table
    y: npt.NDArray[np.float64]
    group: npt.NDArray[np.int64]
    points: Points


def rows_at(dataset: Dataset, moments: list[int]) -> Rows:
    """Return every account at the moments with the whole truth."""
    points = every_account(dataset, moments)
    truth = dataset.tables["truth_accounts"].to_pandas().set_index("account_id")["first_illicit"]
    begun = truth.reindex(dataset.account_ids.to_pylist())
    first = begun.dt.as_unit("us").astype("int64").where(begun.notna(), np.iinfo(np.int64).max).to_numpy()
    y = (first[points.account] < points.as_of).astype(np.float64)
    features = extract(dataset, points, feature_names(pack="TH", long_term=True))
    return Rows(features, y, ring_groups(dataset, points), points)


def half(rows: Rows, kept: npt.NDArray[np.bool_]) -> Rows:
    """Return some rows."""
    return Rows(rows.features.filter(pa.array(kept)), rows.y[kept], rows.group[kept], rows.points[kept])


def try_once(learnt: Rows, tried: Rows, seed: int) -> dict[str, float]:
    """Split the groups, fit on one half, and return what came of the promises on the other."""
    groups = np.unique(np.concatenate([learnt.group, tried.group]))
    is_first, _ = split_by_group(groups, share=0.5, seed=seed)
    mine = groups[is_first]
    train, test = half(learnt, np.isin(learnt.group, mine)), half(tried, ~np.isin(tried.group, mine))
    model = MuleModel(random_state=seed).fit(train.features, train.y, groups=train.group)
    score = model.decision_function(test.features)
    probability = model.probability(score)
    is_mule = test.y == 1
    found = {"mules": is_mule.sum(), "error": calibration_error(test.y, probability)}
    found |= {"share": test.y.mean(), "mean": probability.mean()}
    for entry in model.clear_thresholds_:
        limit = -np.inf if entry["score"] is None else entry["score"]
        found[f"missed {entry['share']} by {entry['blocks']}"] = float((score[is_mule] < limit).mean())
        found[f"cleared {entry['share']} by {entry['blocks']}"] = float((score < limit).mean())
    other = half(learnt, ~np.isin(learnt.group, mine))
    both = np.concatenate([other.points.as_of, test.points.as_of])
    account = np.concatenate([other.points.account, test.points.account])
    scores = np.concatenate([model.decision_function(other.features), score])
    is_past = both < both.max()
    budget = alert_threshold(scores[is_past], both[is_past], account[is_past], per_day=2)
    later = alert_threshold(scores, both, account, per_day=2)
    found["alerts_per_day"] = _rate(scores, both, account, budget.score)
    return found | {"threshold then": budget.score, "threshold now": later.score}


def _rate(
    score: npt.NDArray[np.float64], as_of: npt.NDArray[np.int64], account: npt.NDArray[np.int32], limit: float
) -> float:
    """Return the new alerts a day from the last moment but one to the last."""
    *_, before, last = np.unique(as_of)
    known = set(account[(as_of <= before) & (score >= limit)].tolist())
    new = set(account[(as_of == last) & (score >= limit)].tolist()) - known
    return float(len(new) / ((last - before) / DAY))


def main() -> None:
    """Try all seeds on both worlds."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--accounts", type=int, default=10_000)
    options = parser.parse_args()
    for preset in ("thai_bank", "hard"):
        world = simulate(preset, n_accounts=options.accounts, n_days=TRIED + 1, mule_share=0.03, seed=1)
        dataset = read_dataset(world)
        start = int(build_graph(dataset).time[0]) // DAY * DAY
        learnt, tried = (rows_at(dataset, [start + day * DAY for day in days]) for days in (LEARNT, (TRIED,)))
        runs = pd.DataFrame([try_once(learnt, tried, seed) for seed in range(options.seeds)])
        print(
            f"## {preset}: {len(tried.y):,} accounts, {len(world['transfers']):,} transfers, {len(runs)} seeds, ",
            end="",
        )
        print(f"{runs['mules'].mean():.0f} mules in the half that is tried, {runs['share'].mean():.2%} of its accounts")
        for blocks, share in itertools.product(("ring", "account"), CLEARED_SHARES):
            missed = runs[f"missed {share} by {blocks}"]
            cleared = runs[f"cleared {share} by {blocks}"].mean()
            print(
                f"  by {blocks}, at most {share:.0%} of mules cleared: held {(missed <= share).sum()} of {len(runs)}; ",
                end="",
            )
            print(
                f"missed {missed.mean():.2%} in the mean, {missed.max():.2%} at most; {cleared:.0%} of accounts cleared"
            )
        print(f"  calibration error: mean {runs['error'].mean():.4f}, largest {runs['error'].max():.4f}")
        print(f"  mean probability {runs['mean'].mean():.4f} for a share of {runs['share'].mean():.4f}")
        rates = runs["alerts_per_day"]
        print(f"  budget of 2 new alerts a day: {rates.mean():.2f} arose later, {rates.min():.2f} to {rates.max():.2f}")


if __name__ == "__main__":
    main()
