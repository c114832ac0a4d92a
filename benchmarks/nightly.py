"""One model, scored every week while the record grows: does it stay true, and does the monitor speak at the right time?

    python benchmarks/nightly.py [--accounts 4000] [--mules 0.1] [--weeks 26] [--seeds 3] [--change 13] [--short]

A model learns at days 90, 105 and 120 of a simulated bank from what the bank knew on day 134. From day 135 on it scores
every week all accounts that the bank has not found yet, and is measured against the whole truth (illicit within a week
of the moment). The first bank again without a look-back. The slope is of a straight line through the weeks; its
interval draws blocks of four neighbouring weeks, because mules are active for weeks, whole banks one by one.

The monitor compares each week from the eleventh on with the first ten, and knows what the bank knew then. Then the
same banks again, but rings that form in week `--change` or later work with evasion 1 instead of 0.25. A third time,
the transfers of one channel stop to arrive in that week, as a source that breaks would. --short measures what a record
costs that is shorter than the look-back. Prints Markdown.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence
from typing import Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from label_reality import first_midnight, true_targets

from muledetect import pipeline
from muledetect.clock import DAY, format_duration
from muledetect.evaluation import average_precision
from muledetect.evaluation.drift import Drift
from muledetect.evaluation.metrics import calibration_error
from muledetect.evaluation.monitor import N_RIPE, RIPE, View, compare_views, view_moment
from muledetect.facts.lookback import drop_before
from muledetect.graph import build_graph
from muledetect.labels import every_account, known_mules
from muledetect.model import MuleModel
from muledetect.records import Dataset, read_dataset

#: Days after the beginning of the world.
LEARNT: Final = (90, 105, 120)
KNOWN: Final = 134
FIRST: Final = 135

CHANGED_EVASION: Final = 1.0
#: Weeks that the monitor knows as usual.
N_REFERENCE: Final = 10
#: Weeks with a broken source that are looked at.
N_BROKEN: Final = 3
#: Of the look-back, in --short.
LENGTHS: Final = (0.25, 0.5, 0.75, 1.0)
BLOCK: Final = 4
N_DRAWS: Final = 2_000


class Trend(NamedTuple):
    """Change a week, with its 95% interval."""

    slope: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.slope:+.5f} [{self.low:+.5f}, {self.high:+.5f}]"


def trend_of(series: Sequence[npt.ArrayLike]) -> Trend:
    """Return the slope of a line through the weeks, the mean of all banks; the interval draws blocks of residuals."""
    found = [_slopes(np.asarray(values, dtype=np.float64), seed) for seed, values in enumerate(series)]
    slope, drawn = (np.mean(parts, axis=0) for parts in zip(*found, strict=True))
    return Trend(float(slope), *(float(end) for end in np.percentile(drawn, [2.5, 97.5])))


def _slopes(y: npt.NDArray[np.float64], seed: int) -> tuple[float, npt.NDArray[np.float64]]:
    # a week without mules has no average precision
    week = np.flatnonzero(~np.isnan(y))
    y = y[week]
    slope, at_0 = np.polyfit(week, y, 1)
    line = at_0 + slope * week
    starts = np.random.default_rng(seed).integers(0, len(y), (N_DRAWS, -(-len(y) // BLOCK)))
    rows = ((starts[:, :, None] + np.arange(BLOCK)) % len(y)).reshape(N_DRAWS, -1)[:, : len(y)]
    slopes = np.polyfit(week, (line + (y - line)[rows]).T, 1)[0]
    # the least squares of n residuals lose two degrees of freedom
    return float(slope), slope + (slopes - slope) * np.sqrt(len(y) / (len(y) - 2))


def read_world(seed: int, given: argparse.Namespace, **more: Any) -> Dataset:
    """Simulate a world that lasts until the targets of the last week are whole."""
    n_days = FIRST + 7 * given.weeks + 13
    return pipeline.simulate(n_accounts=given.accounts, n_days=n_days, mule_share=given.mules, seed=seed, **more)


def train(dataset: Dataset, lookback: str | None) -> MuleModel:
    """Learn from what the bank knew on day `KNOWN`."""
    start = first_midnight(dataset)
    moments, known = [start + day * DAY for day in LEARNT], start + KNOWN * DAY
    return pipeline.train(dataset, moments, target="active", pack="TH", known_by=known, lookback=lookback)


def view_weeks(dataset: Dataset, model: MuleModel, weeks: range, n_explained: int = 100) -> list[View]:
    """Score some weeks."""
    start = first_midnight(dataset) + FIRST * DAY
    return [view_moment(dataset, model, start + 7 * week * DAY, n_explained=n_explained) for week in weeks]


def measure(dataset: Dataset, model: MuleModel, view: View) -> dict[str, float]:
    """Return how a week's scores and probabilities stand to the truth."""
    points, graph = every_account(dataset, view.as_of), build_graph(dataset)
    truth = np.full((2, graph.n_accounts), np.nan)
    truth[:, points.account] = true_targets(dataset, points), known_mules(dataset, graph, points)
    y, is_known = truth[:, graph.codes(view.features["account_id"])]
    kept = is_known == 0
    probability, n_mules = model.probability(view.score[kept]), int(y[kept].sum())
    return {
        "mules": n_mules, "AP": average_precision(y[kept], view.score[kept]),
        "ECE": calibration_error(y[kept], probability), "mean / share": float(probability.sum() / max(1, n_mules)),
    }  # fmt: skip


def watch(dataset: Dataset, model: MuleModel, views: Sequence[View]) -> list[Drift]:
    """Return what the monitor said in each week after the reference, with labels of the weeks that were ripe then."""
    drifts = []
    for week in range(N_REFERENCE, len(views)):
        ripe = [n for n in range(N_REFERENCE, week) if views[n].as_of + RIPE <= views[week].as_of]
        looked_at = [views[n] for n in ripe[::-2][:N_RIPE][::-1]]
        drifts.append(compare_views(dataset, model, views[:N_REFERENCE], views[week], looked_at))
    return drifts


def worst_of(drift: Drift) -> str:
    """Return the checks that alarm, else those to be watched, else nothing."""
    raised = drift.checks[drift.checks["grade"] == drift.worst] if drift.worst != "ok" else drift.checks[:0]
    shown = [f"{row.subject} {row.measure} {row.value:+.2f}" for row in raised.head(2).itertuples()]
    more = f" and {len(raised) - 2} more" if len(raised) > 2 else ""
    return (f"{drift.worst}: " if shown else "") + ", ".join(shown) + more


def show(table: pd.DataFrame) -> None:
    """Print a table as Markdown."""
    print("| " + " | ".join(map(str, table.columns)) + " |\n|" + "---|" * len(table.columns))
    for row in table.itertuples(index=False):
        print("| " + " | ".join(f"{cell:.3f}" if isinstance(cell, float) else str(cell) for cell in row) + " |")
    print(flush=True)


def show_monitor(title: str, drifts: Sequence[Sequence[Drift]], first_week: int, change: int) -> dict[str, Any]:
    """Print what the monitor said week by week, one column a bank; return how often it alarmed."""
    print(f"\n**{title}**\n")
    columns = {f"bank {n}": [worst_of(drift) for drift in of_bank] for n, of_bank in enumerate(drifts, 1)}
    show(pd.DataFrame({"week": range(first_week, first_week + len(drifts[0])), **columns}))
    is_alarm = np.array([[drift.worst == "alarm" for drift in of_bank] for of_bank in drifts])
    by_labels = np.array([[_found_alarms(drift) for drift in of_bank] for of_bank in drifts])
    is_after = np.arange(first_week, first_week + is_alarm.shape[1]) >= change

    def of(part: npt.NDArray[np.bool_], side: npt.NDArray[np.bool_]) -> str:
        return f"{int(part[:, side].sum())} of {part[:, side].size}" if side.any() else ""

    first = [int(np.flatnonzero(row & is_after)[0]) + first_week - change if (row & is_after).any() else "never"
             for row in is_alarm]  # fmt: skip
    return {
        "world": title, "alarms before": of(is_alarm, ~is_after), "alarms after": of(is_alarm, is_after),
        "by found mules": of(by_labels, is_after), "weeks to the first": ", ".join(map(str, first)),
    }  # fmt: skip


def _found_alarms(drift: Drift) -> bool:
    checks = drift.checks
    return bool(((checks["measure"] == "found") & (checks["grade"] == "alarm")).any())


def show_trends(scored: dict[str, list[pd.DataFrame]]) -> None:
    """Print mean and trend of each measure, and of the difference that a look-back makes in the first bank."""
    rows = []
    for name, tables in scored.items():
        for measured in ("AP", "ECE", "mean / share"):
            series = [table[measured] for table in tables]
            mean = float(np.mean([part.mean() for part in series]))
            rows.append({"model": name, "banks": len(tables), "measure": measured, "mean": mean,
                         "a week": trend_of(series)})  # fmt: skip
    for measured in ("AP", "ECE"):
        gap = scored["look-back"][0][measured] - scored["no look-back"][0][measured]
        rows.append({"model": "difference", "banks": 1, "measure": measured, "mean": float(gap.mean()),
                     "a week": trend_of([gap])})  # fmt: skip
    print("\n**Trend a week, with 95% intervals**\n")
    show(pd.DataFrame(rows))


def show_short_records(dataset: Dataset, model: MuleModel, given: argparse.Namespace) -> None:
    """Print what scores are worth where the record is shorter than the look-back; every fourth week."""
    weeks, rows = range(0, given.weeks, 4), []
    start = first_midnight(dataset) + FIRST * DAY
    for share in LENGTHS:
        found = []
        for week in weeks:
            at = start + 7 * week * DAY
            since = at - int(share * model.trained_on_.lookback)
            cut, _ = drop_before(dataset, build_graph(dataset), since)
            found.append(measure(cut, model, view_moment(cut, model, at, n_explained=0)))
        means = pd.DataFrame(found)[["AP", "ECE", "mean / share"]].mean()
        rows.append({"record / look-back": f"{share:.0%}", **means.to_dict()})
    print(f"\n**A record shorter than the look-back, means of {len(weeks)} weeks of the first bank**\n")
    show(pd.DataFrame(rows))


def break_source(dataset: Dataset, since: int) -> Dataset:
    """Return a data set without transfers of the second most frequent channel from a moment on (microseconds)."""
    transfers = dataset.tables["transfers"]
    counts = transfers["channel"].cast(pa.string()).to_pandas().value_counts()
    print(f"The channel that stops: {counts.index[1]}, {counts.iloc[1] / len(transfers):.0%} of the transfers.\n")
    is_lost = pc.and_(
        pc.equal(transfers["channel"].cast(pa.string()), counts.index[1]),
        pc.greater_equal(transfers["time"].cast(pa.int64()), since),
    )
    kept = transfers.filter(pc.invert(pc.fill_null(is_lost, False)))
    return read_dataset({**dataset.tables, "transfers": kept})


def main() -> None:
    """Score all weeks and print the tables."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--accounts", type=int, default=4_000)
    options.add_argument("--mules", type=float, default=0.1, help="share of the accounts that are ever mules")
    options.add_argument("--weeks", type=int, default=26)
    options.add_argument("--seeds", type=int, default=3, help="banks")
    options.add_argument("--change", type=int, default=13, help="week from which on new rings change their tactics")
    options.add_argument("--short", action="store_true", help="also measure records shorter than the look-back")
    given = options.parse_args()
    began, weeks = time.process_time(), range(given.weeks)
    day = FIRST + 7 * given.change
    scored: dict[str, list[pd.DataFrame]] = {"look-back": [], "no look-back": []}
    quiet, changed, broken = [], [], []
    for seed in range(1, given.seeds + 1):
        usual = read_world(seed, given)
        model = train(usual, None)
        views = view_weeks(usual, model, weeks)
        scored["look-back"].append(pd.DataFrame([measure(usual, model, view) for view in views]))
        quiet.append(watch(usual, model, views))
        if seed == 1:
            first, first_model = usual, model
            endless = train(usual, "3650d")
            scored["no look-back"].append(
                pd.DataFrame([measure(usual, endless, view) for view in view_weeks(usual, endless, weeks, 0)])
            )
        cut = break_source(usual, first_midnight(usual) + (day - 7) * DAY)
        after = view_weeks(cut, model, range(given.change, given.change + N_BROKEN))
        broken.append([compare_views(cut, model, views[:N_REFERENCE], view) for view in after])
        other = read_world(seed, given, change_day=day - 7, later_evasion=CHANGED_EVASION)
        views = view_weeks(other, model, weeks)
        scored.setdefault("changed tactics", []).append(pd.DataFrame([measure(other, model, view) for view in views]))
        changed.append(watch(other, model, views))
    print(f"Look-back: {format_duration(first_model.trained_on_.lookback)}. Offices change in week {given.change}.")
    table = pd.DataFrame({"week": weeks})
    for n, (same, new) in enumerate(zip(scored["look-back"], scored["changed tactics"], strict=True), 1):
        table = table.assign(**{f"mules {n}": same["mules"], f"AP {n}": same["AP"], f"ECE {n}": same["ECE"],
                                f"AP {n}, changed": new["AP"]})  # fmt: skip
    print("\n**The same model every week, one bank a group of columns**\n")
    show(table)
    show_trends({name: tables for name, tables in scored.items() if name != "changed tactics"})
    totals = [
        show_monitor("Nothing changes", quiet, N_REFERENCE, given.weeks),
        show_monitor("Offices change their tactics", changed, N_REFERENCE, given.change),
        show_monitor("One channel stops to arrive", broken, given.change, given.change),
    ]
    print("\n**Comparisons that alarmed**\n")
    show(pd.DataFrame(totals))
    if given.short:
        show_short_records(first, first_model, given)
    print(f"{time.process_time() - began:.0f} s of the processor")


if __name__ == "__main__":
    main()
