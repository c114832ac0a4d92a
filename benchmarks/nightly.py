"""One model, scored every week while the record grows: does it stay true, and does the monitor speak at the right time?

    python benchmarks/nightly.py [--accounts 6000] [--mules 0.03] [--weeks 26]

A model learns at days 90, 105 and 120 of a simulated bank from what the bank knew on day 134. From day 135 on it scores
every week all accounts that the bank has not found yet, and is measured against the whole truth (illicit within a week
of the moment). The same again without a look-back. The slope is of a straight line through the weeks; its interval
draws blocks of four neighbouring weeks, because mules are active for weeks.

The monitor compares the first week with each later one, over all accounts. Then the offices change their tactics: from
the middle on, the weeks are those of a second world of the same seed with evasion 0.8 instead of 0.25. It is another
simulation, so the change is abrupt and complete. Weeks of this world before the change are those of the first one. A
third world, of another seed and with the same evasion, shows how loud the monitor is if only the bank is another.
Prints Markdown.
"""

from __future__ import annotations

import argparse
import time
from collections import Counter
from typing import Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from label_reality import FAR, first_midnight, true_targets

from muledetect import pipeline
from muledetect.clock import DAY, format_duration
from muledetect.evaluation import average_precision
from muledetect.evaluation.drift import Drift
from muledetect.evaluation.metrics import calibration_error
from muledetect.evaluation.monitor import View, compare_views, view_moment
from muledetect.graph import build_graph
from muledetect.labels import every_account
from muledetect.model import MuleModel
from muledetect.records import Dataset

#: Days after the beginning of the world.
LEARNT: Final = (90, 105, 120)
KNOWN: Final = 134
FIRST: Final = 135

CHANGED_EVASION: Final = 0.8
BLOCK: Final = 4
N_DRAWS: Final = 2_000
#: Weeks of a changed world that are scored.
CHANGED_WEEKS: Final = 4


class Trend(NamedTuple):
    """Change a week, with its 95% interval."""

    slope: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.slope:+.5f} [{self.low:+.5f}, {self.high:+.5f}]"


def trend_of(values: npt.ArrayLike) -> Trend:
    """Return the slope of a line through the weeks; the interval draws blocks of its residuals."""
    y = np.asarray(values, dtype=np.float64)
    week = np.arange(len(y))
    slope, at_0 = np.polyfit(week, y, 1)
    line = at_0 + slope * week
    starts = np.random.default_rng(0).integers(0, len(y), (N_DRAWS, -(-len(y) // BLOCK)))
    rows = ((starts[:, :, None] + np.arange(BLOCK)) % len(y)).reshape(N_DRAWS, -1)[:, : len(y)]
    slopes = np.polyfit(week, (line + (y - line)[rows]).T, 1)[0]
    # the least squares of n residuals lose two degrees of freedom
    wider = slope + (slopes - slope) * np.sqrt(len(y) / (len(y) - 2))
    return Trend(float(slope), *(float(end) for end in np.percentile(wider, [2.5, 97.5])))


def read_world(seed: int, evasion: float, given: argparse.Namespace) -> Dataset:
    """Simulate a world that lasts until the targets of the last week are whole."""
    n_days = FIRST + 7 * given.weeks + 13
    return pipeline.simulate(
        n_accounts=given.accounts, n_days=n_days, mule_share=given.mules, seed=seed, evasion=evasion
    )


def not_found(dataset: Dataset, as_of: int, ids: pa.ChunkedArray) -> npt.NDArray[np.bool_]:
    """Return which accounts the bank had not called mules by a moment."""
    labels = dataset.tables["labels"]
    known = pc.fill_null(labels["known_ts"].cast(pa.timestamp("us", tz="UTC")).cast(pa.int64()), FAR)
    is_found = pc.and_(pc.equal(labels["label"].cast(pa.string()), "mule"), pc.less(known, as_of))
    found = labels.filter(is_found)["account_id"].cast(pa.string())
    return ~pc.is_in(ids.cast(pa.string()), found.combine_chunks()).to_numpy()


def measure(dataset: Dataset, model: MuleModel, view: View) -> dict[str, float]:
    """Return how a week's scores and probabilities stand to the truth."""
    points = every_account(dataset, view.as_of)
    row_of = build_graph(dataset).codes(view.features["account_id"])
    truth = np.full(len(dataset.account_ids), np.nan)
    truth[points.account] = true_targets(dataset, points)
    kept = not_found(dataset, view.as_of, view.features["account_id"])
    y, score = truth[row_of][kept], view.score[kept]
    probability = model.probability(score)
    return {
        "mules": int(y.sum()), "AP": average_precision(y, score), "ECE": calibration_error(y, probability),
        "mean / share": float(probability.mean() / y.mean()),
    }  # fmt: skip


def train(dataset: Dataset, lookback: str | None) -> MuleModel:
    """Learn from what the bank knew on day `KNOWN`."""
    start = first_midnight(dataset)
    moments, known = [start + day * DAY for day in LEARNT], start + KNOWN * DAY
    return pipeline.train(dataset, moments, target="active", pack="TH", known_by=known, lookback=lookback)


def weeks_of(dataset: Dataset, model: MuleModel, weeks: range) -> list[tuple[dict[str, float], View]]:
    """Score some weeks."""
    start = first_midnight(dataset) + FIRST * DAY
    views = [view_moment(dataset, model, start + 7 * week * DAY) for week in weeks]
    return [({"week": week} | measure(dataset, model, view), view) for week, view in zip(weeks, views, strict=True)]


def counts_of(drift: Drift) -> dict[str, int]:
    """Return the alarms and what is to be watched."""
    grades = Counter(drift.checks["grade"])
    return {"alarms": grades["alarm"], "watch": grades["watch"]}


def show_checks(title: str, drifts: list[Drift]) -> None:
    """Print which checks were not ok, and in how many weeks."""
    raised = pd.concat([drift.checks[drift.checks["grade"] != "ok"] for drift in drifts])
    print(f"\n{title}: checks that were not ok, the 12 most frequent\n")
    if not len(raised):
        print("none")
        return
    by = raised.groupby(["subject", "measure"])
    table = pd.DataFrame({
        "alarm": by["grade"].agg(lambda grades: int((grades == "alarm").sum())), "watch": by["grade"].agg(
            lambda grades: int((grades == "watch").sum())), "median value": by["value"].median(),
    }).reset_index()  # fmt: skip
    show(table.sort_values(["alarm", "watch", "subject"], ascending=[False, False, True]).head(12))


def show(table: pd.DataFrame) -> None:
    """Print a table as Markdown."""
    print("| " + " | ".join(table.columns) + " |\n|" + "---|" * len(table.columns))
    for row in table.itertuples(index=False):
        print("| " + " | ".join(f"{cell:.3f}" if isinstance(cell, float) else str(cell) for cell in row) + " |")
    print(flush=True)


def show_world(title: str, world: Dataset, model: MuleModel, first: View, before: Dataset, weeks: range) -> None:
    """Print the weeks of another world beside the first week of the usual one."""
    rows, drifts = [], []
    for row, view in weeks_of(world, model, weeks):
        drifts.append(compare_views(before, first, world, view, model))
        rows.append({**row, **counts_of(drifts[-1])})
    print(f"\n**{title}**\n")
    show(pd.DataFrame(rows))
    show_checks(title, drifts)


def main() -> None:
    """Score all weeks and print the tables."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--accounts", type=int, default=6_000)
    options.add_argument("--mules", type=float, default=0.03, help="share of the accounts")
    options.add_argument("--weeks", type=int, default=26)
    given = options.parse_args()
    began, usual = time.process_time(), read_world(1, 0.25, given)
    trends: list[dict[str, Any]] = []
    kept: dict[str, pd.DataFrame] = {}
    for name, lookback in (("look-back", None), ("no look-back", "3650d")):
        model = train(usual, lookback)
        scored = weeks_of(usual, model, range(given.weeks))
        first = scored[0][1]
        drifts = [compare_views(usual, first, usual, view, model) for _, view in scored[1:]]
        table = pd.DataFrame([row for row, _ in scored])
        for grade in ("alarms", "watch"):
            table[grade] = ["", *(counts_of(drift)[grade] for drift in drifts)]
        kept[name] = table
        length = format_duration(model.trained_on_.lookback)
        print(f"\n**Nothing changes, {name} ({length})**\n")
        show(table)
        show_checks(f"Nothing changes, {name}", drifts)
        trends += [{"model": name, "measure": m, "mean": float(table[m].mean()), "a week": trend_of(table[m])}
                   for m in ("AP", "ECE", "mean / share")]  # fmt: skip
        if lookback is None:
            used, first_used = model, first
    for measured in ("AP", "ECE"):
        gap = kept["look-back"][measured] - kept["no look-back"][measured]
        row = {"model": "difference", "measure": measured, "mean": float(gap.mean()), "a week": trend_of(gap)}
        trends.append(row)
    print("\n**Trend a week, with 95% intervals**\n")
    show(pd.DataFrame(trends))
    weeks = range(given.weeks // 2, given.weeks // 2 + CHANGED_WEEKS)
    for title, seed, evasion in (
        ("Offices change their tactics", 1, CHANGED_EVASION),
        ("Another bank, same tactics", 2, 0.25),
    ):
        show_world(title, read_world(seed, evasion, given), used, first_used, usual, weeks)
    print(f"{time.process_time() - began:.0f} s of the processor")


if __name__ == "__main__":
    main()
