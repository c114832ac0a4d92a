"""What a bank may have: variants of a simulated bank's tables, feature columns of each, and sides of trials."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Final, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from _ablation_sets import Bool, Corner, Float32, Float64, Int64, learning, ranking
from ablation import Ranked, score_rows

from muledetect.clock import DAY
from muledetect.features import Feature, feature_names, registry
from muledetect.records import Dataset, read_dataset
from muledetect.simulation import world_config, write_world

REQUIRED: Final = ("transfer_id", "time", "source", "target", "amount")

#: Optional columns of transfers in the order in which a bank finds them easily; the others are read by no feature.
STEPS: Final = {
    "+ `channel`": ("channel",),
    "+ balances": ("source_balance_after", "target_balance_after"),
    "+ session, device, network, terminal": ("session_id", "device_hash", "ip_hash", "terminal_id"),
}
ALL_COLUMNS: Final = tuple(column for step in STEPS.values() for column in step)

#: Tables that some feature reads, in the order in which they are added; labels are there in all variants.
RANKS: Final = ("accounts", "identifiers", "sessions", "complaints", "watchlists")
#: Rings and ties also read calls.
TIES: Final = (*RANKS, "calls")


@dataclass(frozen=True, slots=True)
class Given:
    """What a bank has: optional columns of transfers, and tables beside transfers and labels."""

    says: str
    columns: tuple[str, ...] = ALL_COLUMNS
    tables: tuple[str, ...] = ()

    @property
    def says_all(self) -> str:
        """All that is given beside transfers and labels, for a table that mixes single tables and sums."""
        return " + ".join(f"`{name}`" for name in self.tables) or self.says

    def of(self, dataset: Dataset) -> Dataset:
        """Return the data set as that bank has it; codes of accounts stay."""
        transfers = dataset.transfers
        kept = [name for name in transfers.column_names if name in {*REQUIRED, "currency", *self.columns}]
        tables = {name: dataset.tables[name] for name in ("labels", *self.tables)}
        return replace(dataset, tables={"transfers": transfers.select(kept), **tables})


def by_column() -> list[Given]:
    """Return the five required columns, then the optional ones step by step; no further table but labels."""
    found, taken = [Given("the five required columns", ())], ()
    for says, columns in STEPS.items():
        taken = (*taken, *columns)
        found.append(Given(says, taken))
    return found


def alone(tables: Sequence[str] = RANKS) -> list[Given]:
    """Return transfers with one further table each."""
    return [Given(f"`{name}`", tables=(name,)) for name in tables]


def together(tables: Sequence[str] = RANKS) -> list[Given]:
    """Return transfers with ever more tables."""
    return [Given(f"+ `{name}`", tables=tuple(tables[: place + 1])) for place, name in enumerate(tables)]


class Side(NamedTuple):
    """Rows that are learnt from or ranked: float32[n, n_names], targets, groups, accounts; all of several worlds."""

    values: Float32
    y: Float64
    group: Int64
    account: Int64


@dataclass(frozen=True, eq=False)
class Banks:
    """Simulated worlds on disk; `learnt` and `ranked` are the corners of each with every table."""

    folders: tuple[Path, ...]
    cache: Path
    learnt: tuple[Corner, ...]
    ranked: tuple[Corner, ...]
    threads: int

    def fill(self, variants: Sequence[Given], names: Sequence[str]) -> None:
        """Compute the columns of every variant that are not on disk, world by world."""
        for place, folder in enumerate(self.folders):
            for given in variants:
                for corner in (self.learnt[place], self.ranked[place]):
                    self.corner(corner, folder, given).fill(names, self.threads)
                print(f"  {folder.name}: {given.says} with {', '.join(given.tables) or 'no table'}", flush=True)

    def sides(self, given: Given, names: Sequence[str]) -> Iterator[tuple[Side, Side]]:
        """Yield what half of the worlds lends to training and the rows of the other half, then the other way round."""
        halves = np.array_split(np.arange(len(self.folders)), 2)
        for learning_half, ranked_half in (halves, halves[::-1]):
            yield (
                self._pooled(self.learnt, learning_half, given, names),
                self._pooled(self.ranked, ranked_half, given, names),
            )

    def _pooled(self, corners: Sequence[Corner], chosen: Int64, given: Given, names: Sequence[str]) -> Side:
        parts = []
        for place in chosen:
            corner = self.corner(corners[place], self.folders[place], given)
            kept, step = ~np.isnan(corner.y), int(place) * 10_000_000
            group, account = corner.group[kept] + step, corner.points.account[kept] + step
            parts.append(Side(corner.values(names)[kept], corner.y[kept], group, account))
        return Side(*(np.concatenate(column) for column in zip(*parts, strict=True)))

    def corner(self, corner: Corner, folder: Path, given: Given) -> Corner:
        """Return a corner as one variant sees it."""
        name = "-".join(["_".join(given.columns) or "required", *given.tables])
        return replace(
            corner, folder=corner.folder / name, open=lambda: given.of(read_world(folder)), seconds={}, base=None
        )


def simulate_banks(folder: Path, seeds: Sequence[int], threads: int, preset: str = "thai_bank", **size: float) -> Banks:
    """Return worlds of a preset, simulated unless they are there."""
    places = []
    for seed in seeds:
        place = folder / ("-".join([preset, *(f"{value:g}" for value in size.values())]) + f"-{seed}")
        if not place.exists():
            write_world(world_config(preset, seed=seed, **size), place)
        places.append(place)
    cache = folder / "columns"
    learnt = tuple(learning(place, cache / place.name / "train") for place in places)
    ranked = tuple(ranking(place, cache / place.name / "test") for place in places)
    return Banks(tuple(places), cache, learnt, ranked, threads)


@lru_cache(maxsize=1)
def read_world(folder: Path) -> Dataset:
    """Return the data set of the world that was asked for last."""
    return read_dataset(folder)


def names_that(reads: Callable[[Feature], bool] = lambda _: True) -> list[str]:
    """Return the default columns of features that meet a condition; pack TH."""
    known = registry()
    return [name for name in feature_names(pack="TH") if reads(known.features[known.parse(name).feature])]


def rank_side(learnt: Side, ranked: Side, names: Sequence[str], n_seeds: int, threads: int) -> tuple[Ranked, int]:
    """Return the ranked rows, and the number of columns that had a value anywhere in training."""
    has_value = ~np.isnan(learnt.values).all(axis=0)
    told = [name for name, has in zip(names, has_value, strict=True) if has]
    scores = score_rows(learnt.values[:, has_value], learnt.y == 1, ranked.values[:, has_value], told, n_seeds, threads)
    group = np.unique(ranked.group, return_inverse=True)[1]
    return Ranked(ranked.y, group, scores), len(told)


def cut_history(dataset: Dataset, as_of: int, days: int) -> Dataset:
    """Return the data set as exported with so many days of transfers before a moment."""
    since = pa.scalar(as_of - days * DAY, pa.timestamp("us", tz="UTC"))
    transfers = dataset.transfers
    return replace(
        dataset, tables={**dataset.tables, "transfers": transfers.filter(pc.greater_equal(transfers["time"], since))}
    )


def at_moment(corner: Corner, as_of: int) -> tuple[Corner, Bool]:
    """Return a corner of the points at one moment, and which rows those are."""
    rows = corner.points.as_of == as_of
    return replace(corner, points=corner.points[rows], y=corner.y[rows], group=corner.group[rows], seconds={}), rows
