"""Signals by slices of time, then features by shards of accounts, as tasks of Spark.

Both are the kernels of the local engine, over the same shards: a task opens the store, computes its part, and keeps it
in the folder of the run. No transfer goes through Spark.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from pyspark import cloudpickle

from muledetect.arrays import Float64Array
from muledetect.engine.spark.bank import Bank, SignalParts, open_bank, signal_part, take_signals
from muledetect.engine.spark.run import run_parts
from muledetect.engine.spark.work import Work, digest, program
from muledetect.features import Extraction, registry
from muledetect.features._extract import SHARD_TRANSFERS, cut, each_shard
from muledetect.features._extraction import Suspicion
from muledetect.features.signals import signal_registry, slices_of
from muledetect.features.suspicion import COLUMNS
from muledetect.graph import Points
from muledetect.progress import Progress

Then = Callable[[Float64Array], npt.NDArray[Any]]

#: Transfers of a slice of time: some 500 MB while it is computed.
SLICE: Final = 4_000_000


@dataclass(frozen=True)
class SignalJob:
    """Computes parts of signals."""

    bank: Bank
    work: Work
    key: str
    parts: SignalParts

    def compute(self, part: int, threads: int) -> None:
        """Keep the columns of a slice."""
        columns = signal_part(open_bank(self.bank, self.work, threads), *self.parts[part]).T
        self.work.save_columns(self.key, part, columns, np.float32)


@dataclass(frozen=True)
class ShardJob:
    """Computes features of shards, and what is made of them at once."""

    bank: Bank
    work: Work
    key: str
    points: tuple[str, str]
    cuts: tuple[tuple[int, int], ...]
    names: tuple[str, ...]
    then: Then
    signals: tuple[str, SignalParts] | None = None
    suspicion: tuple[str, str] | None = None

    def compute(self, part: int, threads: int) -> None:
        """Keep `then` of the features of the points of a part; the last axis is that of the points."""
        seen = open_bank(self.bank, self.work, threads)
        if self.signals is not None:
            take_signals(seen, self.work, *self.signals)
        if self.suspicion is not None:
            bits, view = map(self.work.given, self.suspicion)
            seen = seen.with_bits(Suspicion(bits, view))
        account, as_of = map(self.work.given, self.points)
        points = Points(account, as_of)[slice(*self.cuts[part])]
        found = [result for _, result in each_shard(seen, points, self.names, registry(), self.then)]
        self.work.save(self.key, part, np.concatenate(found, axis=-1))


@dataclass
class Counts:
    """What a run did: parts of signals and of features, points, and accounts that fill a shard of their own."""

    signal_parts: int = 0
    shards: int = 0
    points: int = 0
    hubs: int = 0
    keys: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class SparkRunner:
    """Computes shards on the workers of a session.

    Parameters
    ----------
    session : SparkSession
    bank : Bank
    work : Work
    threads : int, optional
        Of a task.
    fit : int
        Transfers of a slice of time.
    counts : Counts
    """

    session: Any
    bank: Bank
    work: Work
    threads: int | None = None
    fit: int = SLICE
    counts: Counts = field(default_factory=Counts)

    def since(self, moment: int) -> SparkRunner:
        """Return the runner over the records without events before a moment, microseconds."""
        return replace(self, bank=replace(self.bank, since=moment))

    def run(
        self, extraction: Extraction, points: Points, names: Sequence[str], then: Then, progress: Progress | None
    ) -> Iterator[tuple[Points, npt.NDArray[Any]]]:
        """Yield points and `then` of their features, shard by shard.

        Parameters
        ----------
        extraction : Extraction
            What the points see, over the same records.
        points : Points
        names : sequence of str
            Columns of built-in features.
        then : callable
        progress : callable, optional
        """
        groups = extraction.hide_groups
        bank = replace(self.bank, hidden=None if groups is None else self.work.give(groups))
        signals = None if set(names) <= set(COLUMNS) else self._signals(bank, extraction, progress)
        seen = extraction.suspicion
        suspicion = None if seen is None else (self.work.give(seen.bits), self.work.give(seen.view))
        given = self.work.give(points.account), self.work.give(points.as_of)
        cuts = tuple((rows.start, rows.stop) for rows in cut(extraction.graph, points))
        task: bytes = cloudpickle.dumps(then)  # type: ignore[no-untyped-call]
        key = "shards/" + digest(program(), bank.records, given, cuts, tuple(names), suspicion, task)
        job = ShardJob(bank, self.work, key, given, cuts, tuple(names), then, signals, suspicion)
        self._run(job, self._largest_first(extraction, points, cuts), "features", progress)
        for part, (low, high) in enumerate(cuts):
            yield points[low:high], self.work.load(key, part)

    def _signals(self, bank: Bank, extraction: Extraction, progress: Progress | None) -> tuple[str, SignalParts]:
        """Let workers compute the signals of all transfers; return where they are."""
        graph = extraction.facts.signals_from.graph
        parts = tuple(
            (signal.name, low, high)
            for signal in signal_registry().signals.values()
            for low, high in slices_of(signal, graph, self.fit)
        )
        key = "signals/" + digest(program(), bank.fingerprint, bank.since, parts)
        largest_first = sorted(range(len(parts)), key=lambda part: parts[part][1] - parts[part][2])
        self._run(SignalJob(bank, self.work, key, parts), largest_first, "signals", progress)
        self.counts.signal_parts += len(parts)
        return key, parts

    def _run(self, job: SignalJob | ShardJob, parts: list[int], stage: str, progress: Progress | None) -> None:
        self.counts.keys.append(job.key)
        run_parts(self.session, job, parts, threads=self.threads, stage=stage, progress=progress)

    def _largest_first(self, extraction: Extraction, points: Points, cuts: Sequence[tuple[int, int]]) -> list[int]:
        """Return the parts, those with most transfers first, and count the accounts that fill a shard alone."""
        graph, known = extraction.graph, np.maximum(points.account, 0)
        n = sum((index.stop[known] - index.start[known] for index in (graph.incoming, graph.outgoing)), np.int64(0))
        self.counts.shards, self.counts.points = self.counts.shards + len(cuts), self.counts.points + len(points)
        self.counts.hubs = max(self.counts.hubs, len(np.unique(known[n > SHARD_TRANSFERS])))
        total = np.concatenate([[0], np.cumsum(n)])
        return sorted(range(len(cuts)), key=lambda part: int(total[cuts[part][0]] - total[cuts[part][1]]))
