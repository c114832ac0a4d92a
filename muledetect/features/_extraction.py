"""What all shards of one extraction use: computed once, by whichever shard asks first."""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Hashable, Iterator, Mapping, Sequence
from threading import RLock
from typing import Any, Literal, NamedTuple, Protocol, TypeVar

import numba
import numpy as np
import numpy.typing as npt
import pyarrow as pa

from muledetect.arrays import Float32Array, Float64Array, Int64Array
from muledetect.clock import DAY, Duration, parse_duration
from muledetect.facts import Facts, facts_of
from muledetect.features.signals import Book, Past, Signal, build_past, compute_columns, compute_rows, signal_registry
from muledetect.graph import Points, TransferGraph
from muledetect.progress import Progress
from muledetect.records import Dataset

T = TypeVar("T")

#: Credits or debits.
Side = Literal["in", "out"]


class Suspicion(NamedTuple):
    """How suspicious each account is at a moment.

    Attributes
    ----------
    bits : float64[n_views, n_accounts]
        `-log2(share of the scored accounts that score at least as high)`: 1 for the middle, 6.6 for the highest 1%; 0
        for an account that was not scored.
    view : int64[n_accounts]
        Row of `bits` that the points of an account read. In training each reads scores of models that saw neither its
        label nor those of its group.
    score : float64[n_accounts], optional
        Score by the own columns of each account, NaN where it was not scored; points of a model read it instead of
        having it computed again.
    """

    bits: Float64Array
    view: Int64Array
    score: Float64Array | None = None


class InOrder(NamedTuple):
    """Columns of signals in the order of a book: names, and float32[n_entries, n_names]; a row lies in one piece."""

    names: tuple[str, ...]
    values: Float32Array


class Runner(Protocol):
    """Computes shards elsewhere than in this process, such as on a cluster; see `muledetect.engine.spark`."""

    def since(self, moment: int) -> Runner:
        """Return a runner over the same records without events before a moment, as `Facts.since` cuts them."""

    def run(
        self,
        extraction: Extraction,
        points: Points,
        names: Sequence[str],
        then: Callable[[Float64Array], npt.NDArray[Any]],
        progress: Progress | None,
    ) -> Iterator[tuple[Points, npt.NDArray[Any]]]:
        """Yield points and `then(values)` of their features, shard by shard in the order of the points."""


class Extraction:
    """A data set's facts and signals, and whatever else is computed from them once for all points.

    Whatever is built here holds the whole data set, also what happened after a point: only what is itself causal, such
    as signals, or what is cut at the point afterwards, such as an index by time, may be built.

    Parameters
    ----------
    dataset : Dataset, Facts or TransferGraph
        `Facts` save deriving them again; a graph alone has no tables.
    graph : TransferGraph, optional
        Of the data set; saves building it again.
    hide_groups : int64[n_accounts], optional
        Group (ring, holder) of each account. Labels of a point's own group are hidden from the point: in training they
        would tell its target.
    lookback : duration, optional
        A point sees no event earlier than so long before it. Default: no limit.
    whole_days : bool
        The look-back begins with the day (UTC) that it would begin in, so that all points of a day see the same
        events, as those of `muledetect.live` do. Points at midnight see the same either way.
    threads : int, optional
        Default: all cores.
    runner : Runner, optional
        Computes shards elsewhere. Default: in threads of this process.

    Attributes
    ----------
    suspicion : Suspicion or None
        Of the moment, in what `before` returns.
    asked_from : int or None
        No point is earlier, in what `before` returns where the look-back cuts something; None: unknown.
    progress : callable or None
        Called while signals are computed.
    """

    def __init__(
        self,
        dataset: Dataset | Facts | TransferGraph,
        graph: TransferGraph | None = None,
        *,
        hide_groups: Int64Array | None = None,
        lookback: Duration | None = None,
        whole_days: bool = False,
        threads: int | None = None,
        runner: Runner | None = None,
    ) -> None:
        self.runner = runner
        self.facts = _facts_of(dataset, graph)
        self.hide_groups = hide_groups
        self.lookback = None if lookback is None else parse_duration(lookback)
        self.whole_days = whole_days
        self.suspect: Callable[[Extraction, int], Suspicion] | None = None
        self.suspicion: Suspicion | None = None
        self.asked_from: int | None = None
        self.progress: Progress | None = None
        self.threads = threads or os.cpu_count() or 1
        self._known: dict[Hashable, Any] = {}
        self._before: dict[int, Extraction] = {}
        self._plain: Extraction | None = None
        self._lock = RLock()

    @property
    def graph(self) -> TransferGraph:
        """The whole graph, also what comes after the points."""
        return self.facts.graph

    @property
    def tables(self) -> Mapping[str, pa.Table]:
        """The data set's tables, whole, without those that hold the truth."""
        return self.facts.tables

    def before(self, as_of: int) -> Extraction:
        """Return what points of a moment see: no event before the look-back, and the suspicion at the moment.

        The latest two are kept, for points of one moment are asked for again: to explain them, and as peers.

        Parameters
        ----------
        as_of : int
            The moment, microseconds.
        """
        if as_of not in self._before:
            if self.suspect is None or self._plain is None:
                seen = self._since(as_of)
            else:
                plain = self._plain.before(as_of)
                seen = plain.with_bits(self.suspect(plain, int(as_of)))
            self._before = dict([*[*self._before.items()][-1:], (as_of, seen)])
        return self._before[as_of]

    def _since(self, as_of: int) -> Extraction:
        if self.lookback is None:
            return self
        moment = first_seen(int(as_of), self.lookback, whole_days=self.whole_days)
        facts, runner = self.facts.since(moment), None if self.runner is None else self.runner.since(moment)
        if facts is self.facts:
            return self
        made = Extraction(facts, hide_groups=self.hide_groups, threads=self.threads, runner=runner)
        made.asked_from = int(as_of)
        return made

    def with_suspicion(self, suspect: Callable[[Extraction, int], Suspicion]) -> Extraction:
        """Return an extraction that also has the suspicion columns, and shares all that was computed here.

        Parameters
        ----------
        suspect : callable
            Returns the `Suspicion` of all accounts at a moment (microseconds), from what points of this moment see. It
            is asked once a moment; without it the columns of the family "suspicion" are not defined.
        """
        made = self._copy()
        made.lookback, made.suspect, made._plain = self.lookback, suspect, self
        made.whole_days = self.whole_days
        return made

    def with_bits(self, suspicion: Suspicion) -> Extraction:
        """Return an extraction of one moment with the suspicion of the accounts at it; it shares what was computed.

        Parameters
        ----------
        suspicion : Suspicion
        """
        made = self._copy()
        made.suspicion = suspicion
        return made

    def _copy(self) -> Extraction:
        """Return an extraction of the same events, with the same signals, without look-back or suspicion."""
        made = Extraction(self.facts, hide_groups=self.hide_groups, threads=self.threads, runner=self.runner)
        made._known, made._lock, made.asked_from = self._known, self._lock, self.asked_from
        return made

    def get(self, build: Callable[[Extraction], T]) -> T:
        """Return `build(self)`, computed once; `build` is a module's function and may ask for others in turn."""
        return self._once(build, lambda: build(self))

    @property
    def past(self) -> Past:
        """The transfers as signals see them, with default look-back."""
        of = self.facts.signals_from
        return of.once(
            ("past", self.threads),
            lambda: build_past(of.graph, tables=of.tables, threads=self.threads, room=of.room),
        )

    def signal(self, column: str, beside: Collection[str] | None = None) -> Float32Array:
        """Return a built-in signal, float32[n_transfers].

        Parameters
        ----------
        column : str
        beside : collection of str, optional
            Columns of any signal that will be asked for, too: nothing else is kept. Default: all columns of the same
            signal.
        """
        made, of = signal_registry().of_column(column), self.facts.signals_from
        found: Mapping[str, Float32Array] = of.once(
            self._key(made), lambda: compute_columns(made, self.past, beside, progress=self.progress)
        )
        if column not in found:
            found = of.once(
                ("signal column", column, self.threads),
                lambda: compute_columns(made, self.past, [column], progress=self.progress),
            )
        return found[column]

    def signals_by_book(self, wanted: Mapping[Side, Collection[str]]) -> Mapping[Side, list[InOrder]]:
        """Return built-in signals in the order of the books.

        What the transfers of an account say lies side by side, so that shards of accounts read each page once. Values
        in the order of time are not kept: those of a signal are put in order when they are there.

        Parameters
        ----------
        wanted : mapping of "in" and "out" to columns
            In the order of `past.received` and of `past.paid`.
        """
        key = ("signals by book", self.threads, *(frozenset(wanted[side]) for side in ("in", "out")))
        return self.facts.signals_from.once(key, lambda: self._by_book(wanted))

    def _by_book(self, wanted: Mapping[Side, Collection[str]]) -> dict[Side, list[InOrder]]:
        past, room, made = self.past, self.facts.room, {side: list[InOrder]() for side in wanted}
        books: dict[Side, Book] = {"in": past.received, "out": past.paid}
        for names, rows in self._rows({*wanted["in"], *wanted["out"]}):
            for side, book in books.items():
                places = [place for place, name in enumerate(names) if name in wanted[side]]
                values = room.empty((len(book.transfer), len(places)), np.float32)
                past.by_entry(_put_in_order, book, rows, np.array(places, np.int64), values)
                made[side].append(InOrder(tuple(names[place] for place in places), values))
        return made

    def _rows(self, columns: set[str]) -> Iterator[tuple[tuple[str, ...], Float32Array]]:
        """Yield names and values of columns of signals in the order of time, float32[n_transfers, n_names]."""
        of = self.facts.signals_from
        signals = [one for one in signal_registry().signals.values() if not columns.isdisjoint(one.columns)]
        elsewhere = [one for one in signals if of.has(self._key(one))]
        for one in elsewhere:
            yield from (((name,), values[:, None]) for name, values in of.take(self._key(one)).items())
        rest = [one for one in signals if one not in elsewhere]
        yield from compute_rows(rest, self.past, columns, progress=self.progress)

    def _key(self, signal: Signal) -> Hashable:
        return ("signal", signal.name, self.threads)

    def _once(self, key: Hashable, build: Callable[[], T]) -> T:
        with self._lock:
            if key not in self._known:
                self._known[key] = self.facts.room.keep(build())
            known: T = self._known[key]
            return known


def first_seen(as_of: int, lookback: int, *, whole_days: bool) -> int:
    """Return the first moment that a point sees, microseconds; with `whole_days`, the first of its day (UTC)."""
    begin = as_of - lookback
    return begin - begin % DAY if whole_days else begin


def _facts_of(given: Dataset | Facts | TransferGraph, graph: TransferGraph | None) -> Facts:
    if isinstance(given, Facts):
        return given
    if isinstance(given, TransferGraph):
        none = pa.table({})
        return Facts(Dataset({"transfers": none}, given.account_ids, none, (), {}, currency="", tick=given.tick), given)
    return facts_of(given, graph)


@numba.njit(cache=True, nogil=True)
def _put_in_order(low, high, book, rows, places, found) -> None:  # type: ignore[no-untyped-def]
    """Write column `places[k]` of the rows of the entries of a book into column k of `found`."""
    for e in range(low, high):
        i = book.transfer[e]
        for k in range(len(places)):
            found[e, k] = rows[i, places[k]]
