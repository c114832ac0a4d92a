"""The data sets of the ablation: points, targets, what is trained on what, and feature columns kept on disk.

A column is computed once and kept; it is computed again when the file of its feature changes, or any signal, if it
reads signals.
"""

from __future__ import annotations

import hashlib
import inspect
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

import muledetect.features
from muledetect import convert
from muledetect.clock import DAY
from muledetect.features import Extraction, Feature, extract_shards, feature_names, registry
from muledetect.graph import Points, build_graph
from muledetect.labels import account_groups, every_account, find_targets, ring_groups, split_by_group
from muledetect.records import Dataset, read_dataset
from muledetect.simulation import world_config, write_world

Float32 = npt.NDArray[np.float32]
Float64 = npt.NDArray[np.float64]
Int64 = npt.NDArray[np.int64]
Bool = npt.NDArray[np.bool_]

#: Tables from which a feature can learn what has been found out about accounts.
KNOWLEDGE: Final = frozenset({"labels", "complaints", "watchlists"})

#: Days after the beginning of a simulated world; its negatives mature by day 120.
TRAINED: Final = (27, 41, 55, 69, 83)
TESTED: Final = (97, 111)
WEEK: Final = 7 * DAY

#: Share of the accounts of a world whose negatives are learnt from; positives all are. Saves time, moves no rank much.
LEARNT_NEGATIVES: Final = 0.25


@dataclass(frozen=True, eq=False)
class Corner:
    """A data set at some points, with targets and groups; its feature columns lie in `folder`.

    `open` reads the data set, `hide_groups` is the group of each account whose labels it does not see (None: it sees
    all). Where `base` is given, only columns that read `KNOWLEDGE` differ from those of the other corner.
    """

    folder: Path
    open: Callable[[], Dataset]
    points: Points
    y: Float64
    group: Int64
    pack: str = "none"
    hide_groups: Int64 | None = None
    base: Corner | None = None
    seconds: dict[str, float] = field(default_factory=dict)

    def fill(self, names: Sequence[str], threads: int) -> None:
        """Compute the columns that are not on disk, family by family; `seconds` says how long each family took."""
        wanted = [name for name in names if self._holder(name) is self and not self._path(name).exists()]
        if self.base is not None:
            self.base.fill([name for name in names if self._holder(name) is not self], threads)
        if not wanted:
            return
        self.folder.mkdir(parents=True, exist_ok=True)
        dataset = self.open()
        extraction = Extraction(dataset, build_graph(dataset), hide_groups=self.hide_groups, threads=threads)
        families: dict[str, list[str]] = {}
        for name in wanted:
            families.setdefault(_feature(name).family, []).append(name)
        for family, columns in families.items():
            start = time.perf_counter()
            blocks = [values for _, values in extract_shards(extraction, self.points, columns, registry())]
            self.seconds[family] = time.perf_counter() - start
            for position, name in enumerate(columns):
                column = np.concatenate([block[:, position] for block in blocks]).astype(np.float32)
                np.save(self._path(name), column)

    def values(self, names: Sequence[str]) -> Float32:
        """Return float32[n_points, n_names]."""
        found = np.empty((len(self.points), len(names)), np.float32)
        for position, name in enumerate(names):
            found[:, position] = np.load(self._holder(name)._path(name))
        return found

    def _holder(self, name: str) -> Corner:
        return self if self.base is None or KNOWLEDGE & set(_feature(name).tables) else self.base

    def _path(self, name: str) -> Path:
        return self.folder / f"{name}.{_VERSIONS[_feature(name).name]}.npy"


@dataclass(frozen=True, eq=False)
class Trial:
    """Trees learn from some rows of one corner and rank some rows of another."""

    train: Corner
    train_rows: Bool
    test: Corner
    test_rows: Bool


@dataclass(frozen=True, eq=False)
class Problem:
    """Trials that are reported as one number, and the columns that may be used."""

    name: str
    says: str
    trials: tuple[Trial, ...]
    pack: str = "none"
    long_term: bool = True

    @property
    def names(self) -> list[str]:
        """Every default column that suits the target."""
        return feature_names(pack=self.pack, long_term=self.long_term)

    @property
    def corners(self) -> list[Corner]:
        """Each corner once."""
        return list(dict.fromkeys(corner for trial in self.trials for corner in (trial.train, trial.test)))


def _feature(name: str) -> Feature:
    return registry().features[registry().parse(name).feature]


def _read_version(feature: Feature) -> str:
    source = Path(inspect.getsourcefile(feature.function) or "").read_bytes()
    if b"signal" in source or b"extraction" in source:
        folder = Path(muledetect.features.__file__).parent
        source += b"".join(path.read_bytes() for path in sorted((folder / "signals").glob("*.py")))
    return hashlib.sha256(source).hexdigest()[:10]


#: Of the code as it was when this program began.
_VERSIONS: Final = {name: _read_version(feature) for name, feature in registry().features.items()}


def amlsim(folder: Path, cache: Path, halves: int) -> Iterator[Problem]:
    """Yield two protocols: halves of the rings at the end, and 60% of the span against the end.

    Labels have no time at which they were known, so at the test features know only what was known in training: the
    labels of the training half, or those of accounts that had turned bad by 60%.
    """
    dataset = read_dataset(folder, currency="USD")
    graph, groups = build_graph(dataset), account_groups(dataset)
    first, end = int(graph.time[0]), int(graph.time[-1]) + graph.tick
    middle = first + int(0.6 * (end - first)) // graph.tick * graph.tick
    corners = {}
    for name, as_of in (("end", end), ("middle", middle)):
        points = every_account(dataset, as_of)
        y = find_targets(dataset, graph, points, target="ever")
        corners[name] = Corner(
            cache / "amlsim" / name, lambda: dataset, points, y, ring_groups(dataset, points), hide_groups=groups
        )
    at_end, at_middle = corners["end"], corners["middle"]
    trials = []
    for seed in range(halves):
        train, test = split_by_group(at_end.group, seed=seed)
        known = _knowing(at_end, dataset, train, f"known{seed}")
        trials.append(
            Trial(known, train, replace(known, folder=known.folder / "test", hide_groups=None, seconds={}), test)
        )
    yield Problem(
        "amlsim halves",
        "AMLSim. The model learns from half of the rings and is tested on the other half",
        tuple(trials),
    )
    later = at_middle.y == 0
    known = _knowing(at_end, dataset, ~later, "known_later")
    trial = Trial(at_middle, np.ones(len(later), bool), replace(known, hide_groups=None, seconds={}), later)
    yield Problem(
        "amlsim later",
        "AMLSim. The model learns at 60% of the time span and is tested on accounts that become mules later",
        (trial,),
    )


def _knowing(corner: Corner, dataset: Dataset, rows: Bool, name: str) -> Corner:
    """Return the corner with the labels of the accounts of some rows only."""
    ids = dataset.account_ids.take(pa.array(corner.points.account[rows]))
    labels = dataset.tables["labels"]
    part = {**dataset.tables, "labels": labels.filter(pc.is_in(labels["account_id"], value_set=ids))}
    folder = corner.folder / name
    return replace(corner, folder=folder, open=lambda: replace(dataset, tables=part), base=corner, seconds={})


def synthfin(folder: Path, cache: Path) -> Problem:
    """Two outputs of synthfin-aml, `1` and `2`; each in turn learns, the other is ranked at its end.

    The generator names no rings, so labels cannot be kept apart by ring: features see none at all.
    """
    corners = []
    for part in ("1", "2"):
        dataset = read_dataset(imported(folder / part, cache), currency="USD")
        graph = build_graph(dataset)
        points = every_account(dataset, int(graph.time[-1]) + graph.tick)
        y = find_targets(dataset, graph, points, target="ever")
        hidden = {name: table for name, table in dataset.tables.items() if name not in KNOWLEDGE}
        blind = replace(dataset, tables=hidden)
        corners.append(
            Corner(cache / "synthfin" / part, lambda blind=blind: blind, points, y, ring_groups(dataset, points))
        )
    return Problem(
        "synthfin",
        "Synthfin-aml. The model learns from one output of the generator and is tested on another",
        both_ways(corners, corners),
    )


def imported(folder: Path, cache: Path) -> Path:
    """Return the folder as a data set; CSV files of the generator are imported into the cache."""
    if (folder / "transfers.parquet").exists():
        return folder
    target = cache / "synthfin" / f"data-{folder.name}"
    if not target.exists():
        convert.import_layout("synthfin", [folder / "nodes.csv", folder / "transactions.csv"], target)
    return target


def world(preset: str, folder: Path, cache: Path, size: Mapping[str, float]) -> Problem:
    """Two worlds of a preset; each in turn learns from what its bank found, the other is ranked against the truth.

    In training the labels of a point's own ring are hidden, and a quarter of the negatives stands for all. At the test
    features know what the bank knew by then, and accounts that it had already found are left out.
    """
    learnt, ranked = [], []
    for seed in (1, 2):
        place = folder / f"{preset}-{seed}"
        if not place.exists():
            write_world(world_config(preset, seed=seed, **size), place)
        here = cache / place.name
        learnt.append(learning(place, here / "train"))
        ranked.append(ranking(place, here / "test"))
    return Problem(
        preset,
        f"Two simulated banks, preset {preset}. The model learns from one and is tested on the other, later",
        both_ways(learnt, ranked),
        pack="TH",
        long_term=False,
    )


def learning(place: Path, here: Path) -> Corner:
    """Return the rows that a simulated bank lends to training: what it knew at the end, negatives thinned."""
    dataset = read_dataset(place)
    graph = build_graph(dataset)
    points = every_account(dataset, [_start(graph.time) + day * DAY for day in TRAINED])
    y = find_targets(dataset, graph, points, target="active")
    drawn = np.random.default_rng(0).random(len(dataset.account_ids)) < LEARNT_NEGATIVES
    known = (y == 1) | ((y == 0) & drawn[points.account])
    return Corner(
        here,
        lambda: read_dataset(place),
        points[known],
        y[known],
        ring_groups(dataset, points)[known],
        pack="TH",
        hide_groups=account_groups(dataset),
    )


def ranking(place: Path, here: Path, days: Sequence[int] = TESTED) -> Corner:
    """Return the rows of a simulated bank that are ranked against the truth: accounts that it had not found by then."""
    dataset = read_dataset(place)
    graph = build_graph(dataset)
    points = every_account(dataset, [_start(graph.time) + day * DAY for day in days])
    truth, labels = dataset.tables["truth_accounts"], dataset.tables["labels"]
    truth = truth.filter(truth["is_mule"])
    first, last = (_by_account(graph.codes(truth["account_id"]), truth[c], points) for c in _ILLICIT)
    y = ((first <= points.as_of + WEEK) & (last > points.as_of - WEEK)).astype(np.float64)
    labels = labels.filter(pc.equal(labels["label"].cast(pa.string()), "mule"))
    is_found = _by_account(graph.codes(labels["account_id"]), labels["known_ts"], points) < points.as_of
    return Corner(
        here,
        lambda: read_dataset(place),
        points[~is_found],
        y[~is_found],
        ring_groups(dataset, points)[~is_found],
        pack="TH",
    )


_ILLICIT: Final = ("first_illicit", "last_illicit")


def _start(time: Int64) -> int:
    return int(time[0]) // DAY * DAY


def _by_account(codes: Int64, times: pa.ChunkedArray, points: Points) -> Int64:
    """Return the time of each point's account; the far future where it has none."""
    far = np.iinfo(np.int64).max
    found = np.full(int(points.account.max()) + 1, far)
    is_ours = (codes >= 0) & (codes < len(found))
    filled = pc.fill_null(times.cast(pa.timestamp("us", tz="UTC")).cast(pa.int64()), far).to_numpy()
    np.minimum.at(found, codes[is_ours], filled[is_ours])
    return found[points.account]


def both_ways(learnt: Sequence[Corner], ranked: Sequence[Corner]) -> tuple[Trial, ...]:
    """Return two trials: the first learns and the second is ranked, and the other way round."""
    return tuple(
        Trial(one, np.ones(len(one.y), bool), other, ~np.isnan(other.y))
        for one, other in ((learnt[0], ranked[1]), (learnt[1], ranked[0]))
    )
