"""What a replay counts as it goes."""

from __future__ import annotations

from typing import Any, Final

import pyarrow as pa
import pyarrow.compute as pc

from muledetect.live.desk import Answer
from muledetect.live.history import Row
from muledetect.live.policy import Decision
from muledetect.records import Dataset
from muledetect.replay.stopped import Counted, Stopped, at_stake
from muledetect.replay.summary import Found, against_truth, without_truth
from muledetect.replay.targets import Located

#: Columns of the table of decisions.
_DECISIONS: Final = {
    "subject": pa.string(), "id": pa.string(), "time": pa.timestamp("us", tz="UTC"), "account_id": pa.string(),
    "layer": pa.int64(), "action": pa.string(), "rule": pa.string(), "amount": pa.int64(),
    "until": pa.timestamp("us", tz="UTC"), "stolen": pa.int64(), "innocent": pa.int64(), "saved": pa.int64(),
    "score": pa.float64(), "probability": pa.float64(),
}  # fmt: skip
_STOPS: Final = ("delay", "hold")


class Tally:
    """Counts the decisions of a replay; feed it in order of time.

    Parameters
    ----------
    dataset : Dataset
        The whole, with the tables of truth where there are any.
    begin, end : int
        Time that is replayed, microseconds.
    """

    def __init__(self, dataset: Dataset, begin: int, end: int) -> None:
        self._dataset, self._begin, self._end = dataset, begin, end
        self._stopped = Stopped(dataset) if {"truth_transfers", "truth_money"} <= set(dataset.tables) else None
        self._layers = _layers_of(dataset)
        self._rows: list[tuple[Any, ...]] = []
        self._flagged: dict[str, list[int]] = {}
        self._scored: set[str] = set()
        self.n_scored = 0
        self.models: dict[str, None] = {}

    @property
    def has_truth(self) -> bool:
        """Whether there is a truth to count against."""
        return self._stopped is not None

    def transfer(self, row: Row, answer: Answer | None, time: int) -> None:
        """Count a transfer with its answer; none for one that nobody asked about."""
        decision = Decision() if answer is None else answer.decision
        touched = row["amount"] if decision.action != "allow" else 0
        counted = Counted(0, touched, 0)
        if self._stopped is not None:
            counted = self._stopped.transfer(row, touched, stops=decision.action in _STOPS)
        if answer is None:
            return
        found = answer.assessment
        self.n_scored += 1
        self.models[f"{found.model} {found.version}"] = None
        if found.payee is not None:
            self._scored.add(found.payee.account_id)
        if decision.action != "allow":
            scores = (None, None) if found.payee is None else (found.payee.score, found.payee.probability)
            self._add("transfer", row["transfer_id"], time, row["target"], decision, counted, touched, scores)

    def complaint(self, complaint_id: str, time: int, located: list[Located]) -> None:
        """Count what a complaint made the policy hold."""
        for account, decision in located:
            if decision.action == "allow":
                continue
            counted = Counted(0, decision.amount, 0)
            if self._stopped is not None:
                counted = self._stopped.hold(account, time, decision.amount)
            self._add("complaint", complaint_id, time, account, decision, counted, decision.amount, (None, None))

    def _add(
        self, subject: str, name: str, time: int, account: str, decision: Decision, counted: Counted, amount: int,
        scores: tuple[float | None, float | None],
    ) -> None:  # fmt: skip
        self._flagged.setdefault(account, []).append(time)
        self._rows.append(
            (subject, name, time, account, self._layers.get(account), decision.action, decision.rule, amount,
             decision.until, *counted, *scores)
        )  # fmt: skip

    def found(self) -> Found:
        """Return the tables and figures."""
        names = list(_DECISIONS)
        decisions = pa.table(
            {name: pa.array([row[place] for row in self._rows], _DECISIONS[name]) for place, name in enumerate(names)}
        )
        figures = {"n_transfers": self.n_scored, "n_decisions": len(self._rows), "models": list(self.models)}
        if self._stopped is None:
            return without_truth(decisions, figures)
        stake = at_stake(self._dataset, self._begin, self._end)
        known = [(account, time) for account, time in self._first_credits() if account in self._scored]
        saved = self._stopped.saved
        return against_truth(decisions, figures, stake, saved, known, self._layers, self._flagged, self._end)

    def _first_credits(self) -> list[tuple[str, int]]:
        """Return when each account first got stolen money, for those that had none before the replay."""
        truth, transfers = self._dataset.tables["truth_transfers"], self._dataset.transfers
        came = truth.filter(
            pc.and_(
                pc.is_in(truth["kind"].cast(pa.string()), pa.array(["victim", "hop"])), pc.is_valid(truth["case_id"])
            )
        )
        ids = pc.unique(came["transfer_id"].cast(pa.string()))
        rows = transfers.filter(pc.is_in(transfers["transfer_id"].cast(pa.string()), ids))
        times, first = rows["time"].cast(pa.int64()).to_pylist(), dict[str, int]()
        for account, time in zip(rows["target"].to_pylist(), times, strict=True):
            first[account] = min(time, first.get(account, time))
        return sorted((name, time) for name, time in first.items() if self._begin <= time < self._end)


def _layers_of(dataset: Dataset) -> dict[str, int]:
    """Return how many hops from the victims each mule is; the lowest, where it serves several rings."""
    rings, found = dataset.tables.get("truth_rings"), dict[str, int]()
    if rings is not None and "layer" in rings.column_names:
        for account, layer in zip(rings["account_id"].to_pylist(), rings["layer"].to_pylist(), strict=True):
            if layer is not None:
                found[account] = min(layer, found.get(account, layer))
    return found
