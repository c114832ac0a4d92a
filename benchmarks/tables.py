"""What each further table, each optional column, more labels and more history buy, on simulated banks.

    python benchmarks/tables.py --folder DIR [--parts columns tables hard labels history rings]

Writes docs/data_needed.md. `--folder` is where worlds of preset `thai_bank` are simulated and feature columns kept, so
that a second run computes only what has changed; tables of a part that is not run are taken from there.

Half of the worlds learns what its banks had found by the end (points, targets and hiding of a ring's own labels as in
`ablation.py`), the other half is ranked at two later moments against the truth, without accounts that its banks had
found by then; then the other way round. Only what the model and the features see differs between rows: points, targets
and groups are those of the whole data. Rings are sought at the end of each world around scores of a model of its own
(target `ever`, learnt at two thirds of the time).
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path
from typing import Final

import numpy as np
import pandas as pd
from _ablation_sets import Corner, Float32
from _tables_given import (
    TIES,
    Banks,
    Given,
    Side,
    alone,
    at_moment,
    by_column,
    cut_history,
    names_that,
    rank_side,
    read_world,
    simulate_banks,
    together,
)
from _tables_rings import ring_rows, summarise_rings
from ablation import SHARE, Measured, measure

from muledetect.evaluation import rules_score
from muledetect.features import Feature
from muledetect.model import load_starter
from muledetect.model.second_stage import own_columns

HERE: Final = Path(__file__).parent
FIRST_SEED: Final = 51
#: Labelled mules to learn from, and days of transfers before each moment.
LABELLED: Final = (3, 10, 30, 60, 100)
HISTORY: Final = (3, 7, 14, 30, 45)
#: Options that the page tells.
KEPT: Final = ("accounts", "mules", "ring_worlds", "seeds", "draws", "label_draws")
#: Moments of training that have a history of 55 days or more.
LATE: Final = 3


def measured(banks: Banks, given: Given, names: Sequence[str], options: argparse.Namespace) -> Measured:
    """Learn and rank with one variant, both ways."""
    found = [rank_side(*sides, names, options.seeds, options.threads) for sides in banks.sides(given, names)]
    return measure([ranked for ranked, _ in found], max(n for _, n in found), options.draws)


def climb(banks: Banks, variants: Sequence[Given], options: argparse.Namespace) -> list[dict[str, object]]:
    """Return one row a variant, each with its change to the one before."""
    rows, before = [], None
    for given in variants:
        found = measured(banks, given, names_that(), options)
        rows.append(line(given.says, found, before))
        before = found
        print(f"  {given.says}: {found.precision:.3f}", flush=True)
    return rows


def columns_part(banks: Banks, options: argparse.Namespace) -> dict[str, object]:
    """Measure the five required columns, then the optional ones step by step."""
    banks.fill(by_column(), names_that())
    return {"rows": climb(banks, by_column(), options)}


def tables_part(banks: Banks, options: argparse.Namespace) -> dict[str, object]:
    """Measure transfers with one further table each, and with ever more."""
    base, singles, more = Given("transfers and labels"), alone(), together()
    banks.fill([base, *singles, *more], names_that())
    reference = measured(banks, base, names_that(), options)
    rows = [line(base.says, reference, None)]
    for given in singles:
        rows.append(line(given.says, measured(banks, given, names_that(), options), reference))
        print(f"  {rows[-1]}", flush=True)
    return {"alone": rows, "together": climb(banks, [base, *more], options)}


def hard_part(folder: Path, options: argparse.Namespace) -> dict[str, object]:
    """Measure tables on worlds whose offices do all that they can to look normal."""
    seeds = range(FIRST_SEED, FIRST_SEED + options.worlds)
    banks = simulate_banks(folder, seeds, options.threads, "hard", **size(options))
    return tables_part(banks, options) | {"facts": facts(banks, options)}


def labels_part(banks: Banks, options: argparse.Namespace) -> dict[str, object]:
    """Measure how many labelled mules are needed, with every table, beside rules and the starter model."""
    whole = together()[-1]
    starter = load_starter()
    names = names_that(no_labels)
    theirs = own_columns([str(name) for name in starter.feature_names_in_])
    banks.fill([whole], list(dict.fromkeys([*names, *theirs])))
    sides = list(banks.sides(whole, names))
    rows = [line("none: rules only", _fixed(sides, lambda v: rules_score(pd.DataFrame(v, columns=names)), options))]
    of_starter = list(banks.sides(whole, theirs))
    rows.append(
        line("none: the starter model, its first stage",
             _fixed(of_starter, starter.first_stage, options))
    )  # fmt: skip
    n_known = [len(np.unique(learnt.account[learnt.y == 1])) for learnt, _ in sides]
    for n in (*(n for n in LABELLED if n < min(n_known)), None):
        drawn = [
            measure(
                [rank_side(some_labelled(learnt, n, draw), ranked, names, 1, options.threads)[0]
                 for learnt, ranked in sides],
                len(names), options.draws,
            )
            for draw in range(1 if n is None else options.label_draws)
        ]  # fmt: skip
        says = f"all: {' and '.join(map(str, n_known))}" if n is None else f"{n}"
        rows.append(line(says, _mean(drawn)))
        print(f"  {rows[-1]}", flush=True)
    return {"rows": rows}


def no_labels(feature: Feature) -> bool:
    """Say whether a feature reads no labels, so that columns know no more mules than training."""
    return "labels" not in feature.tables


def some_labelled(learnt: Side, n: int | None, draw: int) -> Side:
    """Return a side in which only so many mules are labelled; the other mules are unknown, so they are left out."""
    if n is None:
        return learnt
    mules = np.unique(learnt.account[learnt.y == 1])
    known = np.random.default_rng(draw).choice(mules, n, replace=False)
    kept = (learnt.y == 0) | np.isin(learnt.account, known)
    return Side(*(part[kept] for part in learnt))


def history_part(banks: Banks, options: argparse.Namespace) -> dict[str, object]:
    """Measure what days of transfers before each moment are worth, with transfers only."""
    names = names_that(no_labels)
    banks.fill([Given("")], names)
    rows = []
    for days in (*HISTORY, None):
        parts = {kind: [_since(banks, kind, place, days, names) for place in range(len(banks.folders))]
                 for kind in ("learnt", "ranked")}  # fmt: skip
        halves = np.array_split(np.arange(len(banks.folders)), 2)
        found = []
        for learning_half, ranked_half in (halves, halves[::-1]):
            learnt = _joined([parts["learnt"][place] for place in learning_half])
            ranked = _joined([parts["ranked"][place] for place in ranked_half])
            found.append(rank_side(learnt, ranked, names, options.seeds, options.threads)[0])
        rows.append(line("all there is, 55 to 111" if days is None else str(days),
                         measure(found, len(names), options.draws)))  # fmt: skip
        print(f"  {rows[-1]}", flush=True)
    return {"rows": rows}


def _since(banks: Banks, kind: str, place: int, days: int | None, names: Sequence[str]) -> Side:
    """Return the rows of a world at its last moments, from a history of so many days before each."""
    folder, whole = banks.folders[place], getattr(banks, kind)[place]
    found = []
    for as_of in np.unique(whole.points.as_of)[-LATE:].tolist():
        corner, rows = at_moment(whole, as_of)
        values = (
            _cut_values(banks, folder, corner, int(as_of), days, names)
            if days is not None
            else banks.corner(whole, folder, Given("")).values(names)[rows]
        )
        kept, step = ~np.isnan(corner.y), place * 10_000_000
        found.append(Side(values[kept], corner.y[kept], corner.group[kept] + step, corner.points.account[kept] + step))
    return _joined(found)


def _cut_values(banks: Banks, folder: Path, corner: Corner, as_of: int, days: int, names: Sequence[str]) -> Float32:
    cut = replace(
        corner, folder=corner.folder / f"{days}d-{as_of}", base=None,
        open=lambda: cut_history(Given("").of(read_world(folder)), as_of, days),
    )  # fmt: skip
    cut.fill(names, banks.threads)
    return cut.values(names)


def _joined(sides: Sequence[Side]) -> Side:
    return Side(*(np.concatenate(column) for column in zip(*sides, strict=True)))


def _fixed(
    sides: Sequence[tuple[Side, Side]], score: Callable[[Float32], object], options: argparse.Namespace
) -> Measured:
    """Measure a score that learns nothing here."""
    from ablation import Ranked  # noqa: PLC0415

    ranked = [
        Ranked(side.y, np.unique(side.group, return_inverse=True)[1], np.array([score(side.values)]))
        for _, side in sides
    ]
    return measure(ranked, 0, options.draws)


def _mean(found: Sequence[Measured]) -> Measured:
    """Return the mean over draws of labels; `seed_spread` is then their standard deviation."""
    values = [one.precision for one in found]
    return Measured(
        found[0].n_columns, float(np.mean(values)), float(np.std(values)),
        np.concatenate([one.precision_draws for one in found]),
        float(np.mean([one.recall for one in found])), np.concatenate([one.recall_draws for one in found]),
    )  # fmt: skip


def line(says: str, found: Measured, before: Measured | None = None) -> dict[str, object]:
    """Return a row of a table: texts of figures with their intervals."""
    row: dict[str, object] = {
        "given": says,
        "columns": found.n_columns,
        "average precision": _with_interval(found.precision, found.precision_draws),
        "spread": f"{found.seed_spread:.3f}",
        f"recall at {SHARE:.1%}": _with_interval(found.recall, found.recall_draws),
    }
    if before is not None:
        gain, draws = found.precision - before.precision, found.precision_draws - before.precision_draws
        more, more_draws = found.recall - before.recall, found.recall_draws - before.recall_draws
        row["change of average precision"] = _with_interval(gain, draws, "+")
        row["change of recall"] = _with_interval(more, more_draws, "+")
        row["measurable"] = _verdict(gain, draws, max(found.seed_spread, before.seed_spread))
    return row


def _verdict(gain: float, draws: np.ndarray, spread: float) -> str:
    low, high = np.quantile(draws, [0.025, 0.975])
    if abs(gain) <= 2 * spread or low <= 0 <= high:
        return "no"
    return "yes" if gain > 0 else "it costs"


def _with_interval(value: float, draws: np.ndarray, sign: str = "") -> str:
    low, high = np.quantile(draws, [0.025, 0.975])
    return f"{value:{sign}.3f} [{low:{sign}.3f}, {high:{sign}.3f}]"


def rings_part(folder: Path, options: argparse.Namespace) -> dict[str, object]:
    """Measure rings and ties with each table, over more worlds."""
    seeds = range(FIRST_SEED, FIRST_SEED + options.ring_worlds)
    banks = simulate_banks(folder, seeds, options.threads, **size(options))
    variants = [Given("transfers and labels"), *alone(TIES), *together(TIES)[1:]]
    results = [ring_rows(place, variants, together(TIES)[-1]) for place in banks.folders]
    return summarise_rings(results, variants)


def size(options: argparse.Namespace) -> dict[str, float]:
    """Return the size of a world."""
    return {"n_accounts": options.accounts, "n_days": 120, "mule_share": options.mules}


def facts(banks: Banks, options: argparse.Namespace) -> dict[str, object]:
    """Return machine, versions and sizes."""
    sides = list(banks.sides(Given(""), names_that()[:1]))
    packages = ("muledetect", "numpy", "lightgbm", "pyarrow")
    return {
        "machine": f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}",
        "versions": ", ".join(f"{name} {version(name)}" for name in packages),
        "worlds": len(banks.folders),
        "transfers": [read_world(place).transfers.num_rows for place in banks.folders],
        "mules learnt from": [len(np.unique(learnt.account[learnt.y == 1])) for learnt, _ in sides],
        "positives": [int(ranked.y.sum()) for _, ranked in sides],
        "ranked": [len(ranked.y) for _, ranked in sides],
        "groups": [len(np.unique(ranked.group[ranked.y == 1])) for _, ranked in sides],
        "options": {name: getattr(options, name) for name in KEPT},
    }


def options() -> argparse.Namespace:
    """Return what the command line says."""
    found = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    found.add_argument("--folder", type=Path, required=True)
    found.add_argument("--output", type=Path, default=HERE.parent / "docs" / "data_needed.md")
    found.add_argument("--parts", nargs="*", default=["columns", "tables", "hard", "labels", "history", "rings"])
    found.add_argument("--accounts", type=int, default=12_000, help="of a world")
    found.add_argument("--mules", type=float, default=0.02, help="share of a world's accounts")
    found.add_argument("--worlds", type=int, default=4, help="that learn and are ranked; even")
    found.add_argument("--ring-worlds", type=int, default=6)
    found.add_argument("--seeds", type=int, default=2)
    found.add_argument("--label-draws", type=int, default=3)
    found.add_argument("--draws", type=int, default=200)
    found.add_argument("--threads", type=int, default=2)
    return found.parse_args()


def main() -> None:
    """Measure the parts asked for and write the page."""
    from _tables_page import write_page  # noqa: PLC0415

    given = options()
    seeds = range(FIRST_SEED, FIRST_SEED + given.worlds)
    banks = simulate_banks(given.folder, seeds, given.threads, **size(given))
    kept = given.folder / "measured.json"
    results = json.loads(kept.read_text("utf-8")) if kept.exists() else {}
    parts: dict[str, Callable[[], dict[str, object]]] = {
        "columns": lambda: columns_part(banks, given),
        "tables": lambda: tables_part(banks, given),
        "hard": lambda: hard_part(given.folder, given),
        "labels": lambda: labels_part(banks, given),
        "history": lambda: history_part(banks, given),
        "rings": lambda: rings_part(given.folder, given),
    }
    for name in given.parts:
        print(name, flush=True)
        began = time.perf_counter()
        results[name] = parts[name]() | {"seconds": time.perf_counter() - began}
        results["facts"] = facts(banks, given)
        kept.write_text(json.dumps(results, indent=1), encoding="utf-8")
    write_page(results, given.output)


if __name__ == "__main__":
    main()
