"""`LiveScorer`: a payment comes, its two ends are scored before it is booked, and then it is booked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib.metadata import version
from typing import Any, Final

import numpy as np
import pyarrow as pa

from muledetect.arrays import Float64Array, Int64Array
from muledetect.errors import DataError, ModelError
from muledetect.facts import Facts
from muledetect.features import as_table, registry
from muledetect.features._extract import compute_columns, plan_of
from muledetect.features._extraction import first_seen
from muledetect.graph import Points
from muledetect.live.intake import PLACE, book_rows, book_transfers, read_rows
from muledetect.live.state import LiveState
from muledetect.live.types import AccountScore, Assessment, Booked
from muledetect.model import MuleModel
from muledetect.model.fitted import names_of
from muledetect.model.sentences import Language
from muledetect.model.store import config_hash
from muledetect.model.tiers import tiers_by_probability
from muledetect.records import Dataset

#: Columns of a transfer that say whom and when to score; the others count when it is booked.
_ASKED: Final = ("transfer_id", "time", "source", "target", "amount")


class LiveScorer:
    """A model over a state that grows by one event at a time.

    What it says of an account is what `score_points` says at the same moment, bit for bit, with a look-back that begins
    with a whole day (UTC): `Extraction(..., whole_days=True)`.

    Parameters
    ----------
    model : MuleModel
        Of live columns only, see `train(..., live=True)`.
    dataset : Dataset or LiveState
        What the state begins with.
    language : "en" or "th"
        Of the reasons.
    reasons : int
        At most so many an account.

    Raises
    ------
    ModelError
        If the model needs a column that is not live; it names them.
    """

    def __init__(
        self, model: MuleModel, dataset: Dataset | LiveState, *, language: Language = "en", reasons: int = 3
    ) -> None:
        self._language, self._n_reasons = language, reasons
        self._take(model)
        if isinstance(dataset, LiveState):
            self.state = dataset
        else:
            latest = dataset.transfers["time"]
            as_of = int(pa.compute.max(latest.cast(pa.int64())).as_py() or 0)
            self.state = LiveState(Facts(dataset), since=self._begin(as_of))

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

    def score_many(self, transfers: Sequence[Mapping[str, Any]], *, explain: bool = False) -> list[Assessment]:
        """Return what `score` says of each transfer, from what is booked now; much cheaper than one by one.

        Nothing at or after a transfer's time counts. So transfers may be booked first and scored then, with the same
        result as one by one.

        Parameters
        ----------
        transfers : sequence of mappings
        explain : bool
        """
        if not transfers:
            return []
        asked = self._read(transfers)
        times = asked["time"].cast(pa.int64()).to_numpy()
        self.begin_day(int(times.max(initial=0)))
        ids = [asked[name].cast(pa.string()).to_pylist() for name in ("source", "target")]
        account = self.state.codes([*ids[0], *ids[1]])
        points = Points(account, np.concatenate([times, times]))
        is_shown = self.state.is_own(account)
        scores = self._scores(points, np.flatnonzero(is_shown), [*ids[0], *ids[1]], explain=explain)
        n = len(times)
        return [
            Assessment(
                str(one.get("transfer_id")), int(times[i]), scores[i], scores[n + i], self.model_name, self.version
            )
            for i, one in enumerate(transfers)
        ]

    def book(self, transfer: Mapping[str, Any]) -> Booked:
        """Book one transfer, or reversal; return what became of it."""
        return self.book_many([transfer])[0]

    def book_many(self, transfers: Sequence[Mapping[str, Any]]) -> list[Booked]:
        """Book transfers, as if one by one in their order; return what became of each."""
        return book_transfers(self.state, transfers)

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
            found += book_transfers(self.state, [row]) if table == "transfers" else book_rows(self.state, table, [row])
        return found

    def swap(self, model: MuleModel) -> None:
        """Go on with another model of the same look-back; the state stays.

        Raises
        ------
        ModelError
            If it needs columns that are not live, or has another look-back: the state does not hold what it sees.
        """
        if model.trained_on_.lookback != self._lookback:
            raise ModelError("live: the model has another look-back than the state. Start a new scorer for it.")
        self._take(model)

    def begin_day(self, moment: int) -> bool:
        """Let the look-back begin with its day, if `moment` is of a new one; return whether it did. O(transfers)."""
        begin = self._begin(moment)
        if begin is None or self.state.since is None or begin <= self.state.since:
            return False
        self.state = LiveState(Facts(self.state.to_dataset()), self.state.signals, since=begin)
        return True

    def _take(self, model: MuleModel) -> None:
        names, known = names_of(model), registry()
        not_live = {name: reason for name in names if (reason := known.column(name).not_live)}
        if not_live:
            told = "; ".join(f"{name}: {reason}" for name, reason in not_live.items())
            raise ModelError(
                f"live: {len(not_live)} of the {len(names)} columns of the model cannot be computed as each transfer "
                f"arrives. Train one with `train(..., live=True)`. {told}."
            )
        self._plan, self._names, self._model = plan_of(names, known), names, model
        self._lookback = model.trained_on_.lookback
        self.model_name, self.version = config_hash(model)[:12], version("muledetect")

    def _begin(self, as_of: int) -> int | None:
        return first_seen(as_of, self._lookback, whole_days=True) if self._lookback else None

    def _read(self, transfers: Sequence[Mapping[str, Any]]) -> pa.Table:
        rows = [{name: row.get(name) for name in _ASKED} for row in transfers]
        # numbered: a transfer may be asked about twice, and its id plays no part
        numbered = [{**row, "transfer_id": f"{place}"} for place, row in enumerate(rows)]
        table, outcomes = read_rows(self.state, "transfers", numbered)
        for outcome in outcomes:
            if outcome.outcome != "accepted":
                raise DataError(f"transfer: column {outcome.column!r}: {outcome.reason}. It cannot be scored.")
        return table.sort_by(PLACE)

    def _scores(
        self, points: Points, rows: Int64Array, ids: Sequence[str], *, explain: bool
    ) -> list[AccountScore | None]:
        found: list[AccountScore | None] = [None] * len(points)
        if not len(rows):
            return found
        values = self.columns(points[rows])
        table = as_table(pa.array(ids), Points(rows.astype(np.int32), points.as_of[rows]), self._names, values)
        score = self._model.decision_function(table)
        probability = self._model.probability(score)
        tiers = tiers_by_probability(probability)
        reasons: list[tuple[str, ...]] = [()] * len(rows)
        if explain:
            told = self._model.explain(table, self._n_reasons, currency=self.state.currency, language=self._language)
            reasons = [tuple(str(reason["text"]) for reason in some) for some in told]
        for k, row in enumerate(rows.tolist()):
            found[row] = AccountScore(ids[row], float(score[k]), float(probability[k]), str(tiers[k]), reasons[k])
        return found

    def columns(self, points: Points) -> Float64Array:
        """Return the columns of the model at points of the state's accounts, float64[n_points, n_columns].

        Parameters
        ----------
        points : Points
            Account codes as `LiveState.codes` gives them.
        """
        extraction, codes = self.state.around(points.account)
        return compute_columns(extraction, Points(codes, points.as_of), len(self._names), self._plan)
