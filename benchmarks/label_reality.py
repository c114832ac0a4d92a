"""What missing, wrong and late labels cost, and what a correction wins back, on simulated worlds whose truth is known.

    python benchmarks/label_reality.py [--accounts 6000] [--mules 0.03] [--presets thai_bank,hard]

Four worlds of each preset. Two learn, at five moments up to day 83, from labels known on day 120; the other two, with
other rings, are ranked on days 127 and 141 against the whole truth, without accounts that their bank had found by then;
then the other way round. Features are computed once, with what the banks truly knew; only targets change. Of honest
accounts a quarter is learnt from, with weight 4. *Prior*: share of mules among the held-out rows. Prints Markdown.
"""

from __future__ import annotations

import argparse
import platform
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from importlib.metadata import version
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from muledetect.clock import DAY
from muledetect.evaluation import average_precision
from muledetect.evaluation.calibration import calibration_intervals
from muledetect.features import extract, feature_names
from muledetect.graph import Points, build_graph
from muledetect.labels import account_groups, every_account, find_targets, ring_groups
from muledetect.model import MuleModel
from muledetect.model.prior import ClassPrior, correct_probability, estimate_prior
from muledetect.records import Dataset, read_dataset
from muledetect.simulation import simulate, world_config

Float64 = npt.NDArray[np.float64]
Int64 = npt.NDArray[np.signedinteger[Any]]
Bool = npt.NDArray[np.bool_]

#: Days after the beginning of the world.
LEARNT: Final = (27, 41, 55, 69, 83)
KNOWN: Final = 120
RANKED: Final = (127, 141)
N_DAYS: Final = 150

WEEK: Final = 7 * DAY
HONEST_SHARE: Final = 0.25
FAR: Final = np.iinfo(np.int64).max // 2


@dataclass(frozen=True, eq=False)
class Side:
    """Features of accounts at moments, with the truth and what makes blocks.

    `found` is when the bank called the account a mule (far future: never), `targets` what labels say under each name.
    """

    features: pd.DataFrame
    truth: Float64
    account: Int64
    as_of: Int64
    group: Int64
    found: Int64
    targets: dict[str, Float64]

    def take(self, rows: Bool | npt.NDArray[np.intp]) -> Side:
        """Return some rows."""
        left = {name: y[rows] for name, y in self.targets.items()}
        return Side(
            self.features[rows], self.truth[rows], self.account[rows], self.as_of[rows], self.group[rows],
            self.found[rows], left,
        )  # fmt: skip


def read_world(preset: str, seed: int, **size: float) -> Dataset:
    """Simulate a world and read it as a bank would."""
    return read_dataset(simulate(**asdict(world_config(preset, seed=seed, n_days=N_DAYS, **size))))


def first_midnight(dataset: Dataset) -> int:
    """Return the midnight before the first transfer, microseconds."""
    return int(build_graph(dataset).time[0]) // DAY * DAY


def side(dataset: Dataset, points: Points, targets_of: dict[str, Float64], *, learns: bool) -> Side:
    """Return points with their features; where they are learnt from, labels of a point's own ring stay hidden."""
    hide_groups = account_groups(dataset) if learns else None
    table = extract(dataset, points, feature_names(pack="TH"), hide_groups=hide_groups).to_pandas()
    groups, found = ring_groups(dataset, points), _found(dataset)[points.account]
    return Side(table, true_targets(dataset, points), points.account, points.as_of, groups, found, targets_of)


def true_targets(dataset: Dataset, points: Points) -> Float64:
    """Return the targets `active` as the whole truth has them: illicit in (as_of - 7 d, as_of + 7 d]."""
    table = dataset.tables["truth_accounts"]
    table = table.filter(table["is_mule"])
    codes = build_graph(dataset).codes(table["account_id"])
    first = _times(dataset, codes, table["first_illicit"], FAR)[points.account]
    last = _times(dataset, codes, table["last_illicit"], -FAR)[points.account]
    return ((first <= points.as_of + WEEK) & (last > points.as_of - WEEK)).astype(np.float64)


def pooled(sides: list[Side]) -> Side:
    """Return several worlds as one; accounts and groups of different worlds stay different."""
    step = 1 + max(int(max(s.account.max(), s.group.max())) for s in sides)
    joined = [np.concatenate([getattr(s, name) for s in sides]) for name in ("truth", "as_of", "found")]
    account, group = (
        np.concatenate([getattr(s, name) + nth * step for nth, s in enumerate(sides)]) for name in ("account", "group")
    )
    by_name = {name: np.concatenate([s.targets[name] for s in sides]) for name in sides[0].targets}
    features = pd.concat([s.features for s in sides], ignore_index=True).drop(columns="account_id")
    return Side(features, joined[0], account, joined[1], group, joined[2], by_name)


def thinned(whole: Side) -> tuple[Side, Float64]:
    """Return a quarter of the accounts that are called mules nowhere, and all others; with weights."""
    is_mule = (whole.truth == 1) | np.any([y == 1 for y in whole.targets.values()], axis=0)
    is_ever = np.isin(whole.account, whole.account[is_mule])
    drawn = np.random.default_rng(0).random(int(whole.account.max()) + 1) < HONEST_SHARE
    kept = is_ever | drawn[whole.account]
    return whole.take(kept), np.where(is_ever, 1.0, 1 / HONEST_SHARE)[kept]


def _found(dataset: Dataset) -> Int64:
    table = dataset.tables["labels"]
    table = table.filter(pc.equal(table["label"].cast(pa.string()), "mule"))
    return _times(dataset, build_graph(dataset).codes(table["account_id"]), table["known_ts"], FAR)


def _times(dataset: Dataset, codes: Int64, times: pa.ChunkedArray, otherwise: int) -> Int64:
    found = np.full(len(dataset.account_ids), otherwise, np.int64)
    micros = pc.fill_null(times.cast(pa.timestamp("us", tz="UTC")).cast(pa.int64()), otherwise).to_numpy()
    found[codes[codes >= 0]] = micros[codes >= 0]
    return found


def learning_and_ranked(preset: str, seed: int, **size: float) -> tuple[Side, Side]:
    """Return the rows that a world lends to training, with the targets that labels gave by then, and those to rank."""
    dataset = read_world(preset, seed, **size)
    start = first_midnight(dataset)
    learnt = every_account(dataset, [start + day * DAY for day in LEARNT])
    known = start + KNOWN * DAY
    by_name = {
        f"{name}, {delay} d late": find_targets(
            dataset, build_graph(dataset), learnt, target="active", data_end=known, known_by=known - delay * DAY,
            unlabelled=name,
        )
        for name in ("unknown", "negative")
        for delay in (0, 30, 60)
    }  # fmt: skip
    ranked = every_account(dataset, [start + day * DAY for day in RANKED])
    later = side(dataset, ranked, {}, learns=False)
    return side(dataset, learnt, by_name, learns=True), later.take(later.found >= later.as_of)


def variants(rows: Side, seed: int) -> Iterator[tuple[str, Float64, bool]]:
    """Yield name, targets, and whether 0 stands for unlabelled, so that a prior can be estimated."""
    random = np.random.default_rng(seed)
    luck = random.random(int(rows.account.max()) + 1)[rows.account]
    bank, unlabelled = rows.targets["unknown, 0 d late"], rows.targets["negative, 0 d late"]
    yield "whole truth", rows.truth, False
    yield "bank's labels, unknown not used", bank, False
    yield "bank's labels, unlabelled as 0", unlabelled, True
    for share in (0.1, 0.3, 0.5):
        yield f"truth, {share:.0%} of mules unlabelled at random, as 0", np.where(luck < share, 0, rows.truth), True
    yield "bank's labels, 10% of mules called not_mule", np.where((luck < 0.1) & (bank == 1), 0, bank), False
    yield "bank's labels, 10% of mule labels wrong", _accused(rows, bank, random), False
    for delay in (30, 60):
        yield f"bank's labels {delay} d late, unknown not used", rows.targets[f"unknown, {delay} d late"], False
        yield f"bank's labels {delay} d late, unlabelled as 0", rows.targets[f"negative, {delay} d late"], True


def _accused(rows: Side, y: Float64, random: np.random.Generator) -> Float64:
    """Return targets in which one of ten mule labels is that of an honest account, at one of its moments."""
    honest = np.flatnonzero((y == 0) & (rows.truth == 0))
    changed = y.copy()
    changed[random.choice(honest, round((y == 1).sum() / 9), replace=False)] = 1.0
    return changed


def measure(name: str, y: Float64, rows: Side, weight: Float64, test: Side, *, is_open: bool) -> dict[str, object]:
    """Train on some targets and measure against the truth of the other worlds."""
    model = MuleModel().fit(rows.features, y, groups=rows.group, as_of=rows.as_of, sample_weight=weight)
    score = model.decision_function(test.features)
    probability = model.probability(score)
    found = calibration_intervals(test.truth, probability, groups=test.group, n_draws=200)
    row: dict[str, object] = {
        "variant": name, "learnt": int(np.nansum(y)), "AP": average_precision(test.truth, score), "ECE": found.error,
        "ECE_high": found.error_high, "ratio": test.truth.mean() / probability.mean(),
    }  # fmt: skip
    if is_open:
        row |= _corrected(model, rows, probability, test)
    return row


def _corrected(model: MuleModel, rows: Side, probability: Float64, test: Side) -> dict[str, object]:
    held = model.held_out_
    truth = rows.truth[held.position]
    estimates: dict[str, ClassPrior] = {
        method: estimate_prior(held.score, held.is_positive, held.weight, groups=held.group, method=method)
        for method in ("top", "mean")
    }
    prior = estimates["top"]
    true_prior = float((truth * held.weight).sum() / held.weight.sum())
    mules = truth * held.weight
    frequency = float((mules * held.is_positive).sum() / mules.sum())
    mended = probability if prior.is_bound else correct_probability(probability, prior.label_frequency)
    ideal = correct_probability(probability, frequency)
    return {
        "true_prior": true_prior, "prior": prior.prior, "low": prior.lower, "high": prior.upper, "c": frequency,
        "c_top": prior.label_frequency, "c_mean": estimates["mean"].label_frequency, "is_bound": prior.is_bound,
        "ECE_corrected": calibration_intervals(test.truth, mended, groups=test.group, n_draws=2).error,
        "ratio_corrected": test.truth.mean() / mended.mean(),
        "ECE_ideal": calibration_intervals(test.truth, ideal, groups=test.group, n_draws=2).error,
    }  # fmt: skip


def show(table: pd.DataFrame) -> None:
    """Print each variant's mean over the directions of each preset, and every estimate of the prior."""
    first = table[table["variant"] == "whole truth"].set_index(["preset", "way"])["AP"]
    table["lost"] = table["AP"] - first.loc[pd.MultiIndex.from_frame(table[["preset", "way"]])].to_numpy()
    names = ["learnt", "AP", "lost", "ECE", "ratio", "ECE_corrected", "ratio_corrected", "ECE_ideal"]
    for preset, part in table.groupby("preset", sort=False):
        print(f"\n**{preset}**, means of {part['way'].nunique()} ways\n")
        _markdown(part.groupby("variant", sort=False)[names].mean().reset_index())
    print("\nEstimates of how many there are, each way\n")
    names = ["preset", "way", "variant", "true_prior", "prior", "low", "high", "c", "c_top", "c_mean", "is_bound"]
    _markdown(table.loc[table["c"].notna(), names])


def _markdown(table: pd.DataFrame) -> None:
    print("| " + " | ".join(table.columns) + " |\n|" + "---|" * len(table.columns))
    for row in table.itertuples(index=False):
        print("| " + " | ".join(_shown(cell) for cell in row) + " |", flush=True)


def _shown(cell: object) -> str:
    if not isinstance(cell, float):
        return str(cell)
    return "" if np.isnan(cell) else f"{cell:.4f}" if abs(cell) < 0.1 else f"{cell:.3g}"


def main() -> None:
    """Run all variants and print the tables."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--accounts", type=int, default=6_000)
    options.add_argument("--mules", type=float, default=0.03, help="share of the accounts")
    options.add_argument("--presets", default="thai_bank,hard")
    given = options.parse_args()
    print(f"{platform.machine()}, Python {platform.python_version()}, numpy {np.__version__}, "
          f"lightgbm {version('lightgbm')}, muledetect {version('muledetect')}")  # fmt: skip
    began, lines = time.perf_counter(), []
    for preset in given.presets.split(","):
        worlds = [
            learning_and_ranked(preset, seed, n_accounts=given.accounts, mule_share=given.mules) for seed in range(1, 5)
        ]
        for way, (learning, ranking) in enumerate([((0, 1), (2, 3)), ((2, 3), (0, 1))]):
            rows, weight = thinned(pooled([worlds[nth][0] for nth in learning]))
            test = pooled([worlds[nth][1] for nth in ranking])
            print(f"{preset} {way}: {len(rows.truth):,} rows learnt, {int(test.truth.sum())} mules among "
                  f"{len(test.truth):,} ranked rows")  # fmt: skip
            for name, y, is_open in variants(rows, way):
                row = measure(name, y, rows, weight, test, is_open=is_open)
                lines.append({"preset": preset, "way": way, **row})
    show(pd.DataFrame(lines))
    print(f"\n{time.perf_counter() - began:.0f} s")


if __name__ == "__main__":
    main()
