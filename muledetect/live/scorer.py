"""`LiveScorer`: a payment comes, its two ends are scored before it is booked, and then it is booked."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from copy import copy
from functools import partial
from importlib.metadata import version
from os import PathLike
from pathlib import Path
from time import time_ns
from typing import Any, Final, NamedTuple, Self

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from muledetect.arrays import Float64Array, Int64Array
from muledetect.clock import DAY
from muledetect.errors import DataError, ModelError, OptionError
from muledetect.features import as_table
from muledetect.features._extraction import first_seen
from muledetect.graph import Points
from muledetect.live.coming import Coming
from muledetect.live.hourly import Hourly
from muledetect.live.intake import PLACE, book_rows, book_transfers, read_rows
from muledetect.live.journal import Journal, Pending
from muledetect.live.log import Sync
from muledetect.live.parts import live_columns
from muledetect.live.plain import plain_columns
from muledetect.live.ready import ReadyModel, make_ready
from muledetect.live.state import LiveState
from muledetect.live.types import AccountScore, Assessment, Booked, Explain
from muledetect.model import MuleModel
from muledetect.model.sentences import Language
from muledetect.model.tiers import tiers_by_probability
from muledetect.records import Dataset

#: Columns of a transfer, besides its id, that say whom and when to score; the others count when it is booked.
_ASKED: Final = ("time", "source", "target", "amount")

#: Entry of the log that says from when on events are kept.
_SINCE: Final = "since"


class _Ends(NamedTuple):
    """Scores of accounts, the row of `values` of each that has one, and the columns that it was made from."""

    scores: list[AccountScore | None]
    row_of: dict[int, int]
    values: Float64Array


def _distinct(points: Points) -> tuple[Int64Array, list[int]]:
    """Return the places of the distinct points, and for each point its number among them."""
    number, first, place = dict[tuple[int, int], int](), list[int](), list[int]()
    for row, key in enumerate(zip(points.account.tolist(), points.as_of.tolist(), strict=True)):
        if key not in number:
            number[key] = len(first)
            first.append(row)
        place.append(number[key])
    return np.array(first, np.int64), place


def _columns(state: LiveState, ready: ReadyModel, points: Points) -> Float64Array:
    return live_columns(state.parts.history(points), len(ready.names), ready.plan)


class LiveScorer:
    """A model over a state that grows by one event at a time.

    What it says of an account is what `score_points` says at the same moment, bit for bit, with a look-back that begins
    with a whole day (UTC): `Extraction(..., whole_days=True)`. The score of a busy account may be of the day before,
    see `busy`: then the look-back is a day shorter.

    Parameters
    ----------
    model : MuleModel
        Of live columns only, see `train(..., live=True)`.
    dataset : Dataset or callable
        What the state begins with. A function returns it; where nobody else holds it, each column is freed when it is
        in the state, so that a large bank is not held twice.
    language : "en" or "th"
        Of the reasons.
    reasons : int
        At most so many an account.
    log : path, optional
        Folder of the log and of the snapshot; made if it is not there. A scorer that starts again books from it what
        was acknowledged, and goes on where it was.
    sync : "always", "interval" or "never"
        When an acknowledged event is on the disk, see `muledetect.live.log`.
    busy : int, optional
        An account with more transfers than this in the look-back, on both sides together, is scored once an hour, at a
        moment of its own. That score stands until the next. One that had more than 16 times as many at the begin of the
        day before (UTC) has the score of that moment all day. `AccountScore.as_of` says of when a score is; the
        look-back is that of the payment. See `muledetect.live.hourly`. Default: every account is scored as of the
        payment, whatever it takes.

    Raises
    ------
    OptionError
        If `busy` is not positive.
    ModelError
        If the model needs a column that is not live; it names them.
    DataError
        If the log is damaged, or was begun with another data set or look-back.
    """

    def __init__(
        self,
        model: MuleModel,
        dataset: Dataset | Callable[[], Dataset],
        *,
        language: Language = "en",
        reasons: int = 3,
        log: str | PathLike[str] | None = None,
        sync: Sync = "always",
        busy: int | None = None,
    ) -> None:
        if busy is not None and busy < 1:
            raise OptionError(f"live: busy must be at least 1 transfer, or None for no bound; got {busy}.")
        self._hourly = Hourly(busy)
        self._language, self._n_reasons = language, reasons
        self._coming: Coming | None = None
        self._pool: ThreadPoolExecutor | None = None
        self._ready = make_ready(model)
        self._lookback, self.version = self._ready.lookback, version("muledetect")
        held = [dataset() if callable(dataset) else dataset]
        of_state = {"fingerprint": held[0].fingerprint, "lookback": self._lookback}
        self.journal = None if log is None else Journal(Path(log), of_state, sync=sync)
        try:
            kept = None if self.journal is None else self.journal.snapshot()
            if kept is None:
                as_of = int(pc.max(held[0].transfers["time"].cast(pa.int64())).as_py() or 0)
                kept = LiveState(held.pop, since=self._begin(as_of))
            held.clear()
            self.state = kept
            self._hourly.answer(self._ready.names)
            for table, rows in () if self.journal is None else self.journal.entries():
                self._repeat(table, rows)
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def score(self, transfer: Mapping[str, Any], *, explain: bool = True) -> Assessment:
        """Return what the model says of the two ends of a transfer just before its time.

        Parameters
        ----------
        transfer : mapping
            A row of the table `transfers`; it may be booked or not.
        explain : bool
            Give reasons, some 3 ms each account.

        Raises
        ------
        DataError
            If the row would be rejected as it stands.
        """
        return self.score_many([transfer], explain=explain)[0]

    def score_many(self, transfers: Sequence[Mapping[str, Any]], *, explain: Explain = False) -> list[Assessment]:
        """Return what `score` says of each transfer, from what is booked now; much cheaper than one by one.

        Nothing at or after a transfer's time counts. So transfers may be booked first and scored then, with the same
        result as one by one. A transfer that is scored after one of a later day sees the look-back of that later day.

        Parameters
        ----------
        transfers : sequence of mappings
        explain : bool or callable
            Give reasons: to all, to none, or to the assessments of which `explain(place, assessment)` is true; it is
            asked once for each.
        """
        if not transfers:
            return []
        times, *ids = self._read(transfers)
        of_day, found = dict[int, list[int]](), dict[int, Assessment]()
        for i, time in enumerate(times):
            of_day.setdefault(time // DAY, []).append(i)
        for _, rows in sorted(of_day.items()):
            moments = [times[i] for i in rows]
            self.begin_day(max(moments))
            ends = self._ends([one[i] for one in ids for i in rows], np.array([*moments, *moments]))
            shown = []
            for k, i in enumerate(rows):
                both = ends.scores[k], ends.scores[len(rows) + k]
                name = str(transfers[i].get("transfer_id"))
                found[i] = Assessment(name, times[i], *both, self._ready.hash, self.version)
                if explain(i, found[i]) if callable(explain) else explain:
                    shown.append((k, i))
            told = self._explained(ends, [k + side for k, _ in shown for side in (0, len(rows))])
            found |= {i: found[i]._replace(payer=told[k], payee=told[len(rows) + k]) for k, i in shown}
        return [found[i] for i in range(len(transfers))]

    def book(self, transfer: Mapping[str, Any]) -> Booked:
        """Book one transfer, or reversal; return what became of it."""
        return self.book_many([transfer])[0]

    def book_many(self, transfers: Sequence[Mapping[str, Any]]) -> list[Booked]:
        """Book transfers, as if one by one in their order; return what became of each."""
        found = book_transfers(self.state, transfers, self._keep)
        # a day late, for what is booked first may be scored then
        self.begin_day(self.state.latest - DAY)
        self._look_ahead(self.state.latest)
        return found

    def advance(self, event: Mapping[str, Any]) -> Booked:
        """Take one event of any table: `{"table": "sessions", ...}` and the columns of its row.

        Raises
        ------
        DataError
            If the event does not say its table.
        """
        return self.advance_many([event])[0]

    def advance_many(self, events: Sequence[Mapping[str, Any]]) -> list[Booked]:
        """Take events of any tables in their order; return what became of each."""
        found: list[Booked] = []
        for event in events:
            row = dict(event)
            table = row.pop("table", None)
            if not isinstance(table, str):
                raise DataError("event: it does not say its table. Add 'table', such as 'sessions'.")
            if table == "transfers":
                found += self.book_many([row])
            else:
                found += book_rows(self.state, table, [row], self._keep)
        return found

    def swap(self, model: MuleModel | ReadyModel) -> None:
        """Go on with another model of the same look-back; the state stays.

        Parameters
        ----------
        model : MuleModel or ReadyModel
            To make one ready takes some tenths of a second; another thread can do that (`make_ready`).

        Raises
        ------
        ModelError
            If it needs columns that are not live, or has another look-back: the state does not hold what it sees.
        FeatureError
            If one of its columns reads what is not at hand as a transfer arrives; the model before stays.
        """
        ready = model if isinstance(model, ReadyModel) else make_ready(model)
        if ready.lookback != self._lookback:
            raise ModelError("live: the model has another look-back than the state. Start a new scorer for it.")
        _columns(self.state, ready, self.state.last_points())
        self._ready = ready
        self._hourly.answer(ready.names)

    def beside(self, state: LiveState) -> LiveScorer:
        """Return a scorer by the same model over another state; it has no log, and nothing is kept in it yet."""
        other = copy(self)
        other.state, other.journal, other._coming, other._pool = state, None, None, None
        other._hourly = Hourly(self._hourly.most)
        return other

    def begin_day(self, moment: int) -> bool:
        """Let the look-back begin later, if `moment` is of a new day (UTC); return whether it did. O(transfers).

        A moment after the clock of the machine counts as now: a transfer with a time of next year would else drive
        out all that is known.
        """
        begin = self._begin(min(moment, time_ns() // 1_000))
        if begin is None or self.state.since is None or begin <= self.state.since:
            return False
        self._keep(_SINCE, [{_SINCE: begin}])
        coming, self._coming = self._coming, None
        if coming is not None and coming.since == begin:
            self.state, self._hourly = coming.take(), coming.hourly
        else:
            self.state, self._hourly = self.state.later(begin), Hourly(self._hourly.most)
        self._hourly.answer(self._ready.names)
        return True

    def prepare(self, moment: int) -> None:
        """Be ready for payments from a moment on: begin its day, and compute what is kept of busy accounts.

        Without it, or long after it, the first payments to busy accounts take as long as that. O(transfers of the busy
        accounts).
        """
        self.begin_day(moment)
        self._score_ahead(self.state, self._hourly, moment, moment)

    def _score_ahead(self, state: LiveState, hourly: Hourly, as_of: int, until: int) -> None:
        """Compute what payments at a moment will ask for of busy accounts, as far as it lies before another."""
        ready = self._ready
        state.on_change = hourly.forget
        hourly.answer(ready.names)
        due = hourly.due(state, as_of, until)
        for place in range(len(due)):
            one = due[place : place + 1]
            hourly.columns(one, np.ones(1, np.bool_), partial(_columns, state, ready))

    def _look_ahead(self, moment: int) -> None:
        """From noon on, let another thread make the state of the next day, so that its first transfer need not wait."""
        begin = self._begin(min(moment, time_ns() // 1_000) + DAY // 2)
        if self._coming is not None:
            self._coming.go_on()
        elif begin is not None and self.state.since is not None and begin > self.state.since:
            if self._pool is None:
                self._pool = ThreadPoolExecutor(1, "muledetect-next-day")
            day = begin + (self._lookback or 0)

            def ahead(state: LiveState, hourly: Hourly) -> None:
                self._score_ahead(state, hourly, day, state.latest)

            self._coming = Coming(self.state, begin, Hourly(self._hourly.most), self._pool, ahead)

    def snapshot(self) -> None:
        """Write the state down, so that a start need not book the whole log again; the log begins anew. O(state).

        Raises
        ------
        ModelError
            If the scorer has no log.
        OSError
            If it cannot be written; the former snapshot and the log stay.
        """
        for step in self.prepare_snapshot():
            step()

    def prepare_snapshot(self) -> Pending:
        """Return the steps of `snapshot`: the first, third and fifth for another thread, the others for this one.

        The first takes memory for a copy of the state, the second time for the events that came since; no step of this
        thread waits for the disk. One snapshot at a time, all of its steps.

        Raises
        ------
        ModelError
            If the scorer has no log.
        """
        if self.journal is None:
            raise ModelError("live: there is no log to put a snapshot beside. Give the scorer a folder: log=.")
        return self.journal.prepare_snapshot(self.state)

    def close(self) -> None:
        """Have the log on the disk, and close it."""
        if self._pool is not None:
            self._pool.shutdown(cancel_futures=True)
        if self.journal is not None:
            self.journal.close()

    def _keep(self, table: str, rows: list[Mapping[str, Any]]) -> None:
        if self.journal is not None:
            self.journal.append(table, rows)

    def _repeat(self, table: str, rows: list[Mapping[str, Any]]) -> None:
        """Book again what the log says."""
        if table == _SINCE:
            self.state = self.state.later(rows[0][_SINCE])
        elif table == "transfers":
            book_transfers(self.state, rows)
        else:
            book_rows(self.state, table, rows)

    def _begin(self, as_of: int) -> int | None:
        return first_seen(as_of, self._lookback, whole_days=True) if self._lookback else None

    def _read(self, transfers: Sequence[Mapping[str, Any]]) -> tuple[list[int], list[str], list[str]]:
        """Return the times and the two ends of transfers."""
        plain = plain_columns("transfers", transfers, _ASKED, currency=self.state.currency)
        if plain is not None:
            return plain["time"], plain["source"], plain["target"]
        # numbered: a transfer may be asked about twice, and its id plays no part
        numbered = [
            {"transfer_id": f"{place}"} | {name: row.get(name) for name in _ASKED}
            for place, row in enumerate(transfers)
        ]
        table, outcomes = read_rows(self.state, "transfers", numbered)
        for outcome in outcomes:
            if outcome.outcome != "accepted":
                raise DataError(f"transfer: column {outcome.column!r}: {outcome.reason}. It cannot be scored.")
        table = table.sort_by(PLACE)
        source, target = (table[name].cast(pa.string()).to_pylist() for name in ("source", "target"))
        return table["time"].cast(pa.int64()).to_pylist(), source, target

    def _ends(self, ids: Sequence[str], as_of: Int64Array) -> _Ends:
        """Score accounts at moments of one day; None for those of other banks and unknown ones."""
        scores: list[AccountScore | None] = [None] * len(ids)
        account = self.state.codes(ids)
        rows = np.flatnonzero(self.state.is_own(account))
        if not len(rows):
            return _Ends(scores, {}, np.empty((0, len(self._ready.names))))
        asked, is_busy = self._hourly.asked(self.state, Points(account[rows], as_of[rows]))
        first, place = _distinct(asked)
        self.state.on_change = self._hourly.forget
        values = self._hourly.columns(asked[first], is_busy[first], self.columns)
        score = self._ready.raw_scores(values)
        probability = self._ready.model.probability(score)
        tiers = tiers_by_probability(probability)
        said = [*zip(score.tolist(), probability.tolist(), tiers.tolist(), strict=True)]
        row_of, now = dict(zip(rows.tolist(), place, strict=True)), as_of.tolist()
        for (row, number), moment in zip(row_of.items(), asked.as_of.tolist(), strict=True):
            scores[row] = AccountScore(ids[row], *said[number], as_of=None if moment == now[row] else moment)
        return _Ends(scores, row_of, values)

    def _explained(self, ends: _Ends, places: Sequence[int]) -> dict[int, AccountScore | None]:
        """Return the scores at some places, with reasons."""
        known = [place for place in places if place in ends.row_of]
        told: list[list[Any]] = []
        if known:
            values = ends.values[[ends.row_of[place] for place in known]]
            points = Points(np.full(len(known), -1, np.int32), np.zeros(len(known), np.int64))
            table, model = as_table(pa.array([], pa.string()), points, self._ready.names, values), self._ready.model
            told = model.explain(table, self._n_reasons, currency=self.state.currency, language=self._language)
        reasons = {place: tuple(str(one["text"]) for one in some) for place, some in zip(known, told, strict=True)}
        found = {place: ends.scores[place] for place in places}
        return {place: one and one._replace(reasons=reasons[place]) for place, one in found.items()}

    def columns(self, points: Points) -> Float64Array:
        """Return the columns of the model at points of the state's accounts, float64[n_points, n_columns].

        Parameters
        ----------
        points : Points
            Account codes as `LiveState.codes` gives them.

        Raises
        ------
        FeatureError
            If a feature of the model reads what is not at hand as a transfer arrives; it names the feature.
        """
        return _columns(self.state, self._ready, points)
