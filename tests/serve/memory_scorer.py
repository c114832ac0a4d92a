"""A scorer in memory that scores by batch: slow, and right by definition, as batch is what live is held against."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from muledetect.clock import parse_time
from muledetect.graph import Points, build_graph
from muledetect.live.types import AccountScore, Assessment, Booked, Explain
from muledetect.model import MuleModel
from muledetect.model.scores import score_points
from muledetect.records import Dataset, read_dataset
from muledetect.schema import INPUTS


class MemoryScorer:
    """Keeps all rows; scores the two accounts of a transfer by batch, on all that was booked before."""

    def __init__(self, model: MuleModel, tables: Mapping[str, pa.Table], name: str = "first") -> None:
        self.model, self.name, self._tables, self._read = model, name, dict(tables), None
        self.n_passes: list[int] = []

    def dataset(self) -> Dataset:
        self._read = self._read or read_dataset(self._tables, tick="1s")
        return self._read

    def score_many(self, transfers: Sequence[Mapping[str, Any]], *, explain: Explain = False) -> list[Assessment]:
        self.n_passes.append(len(transfers))
        dataset = self.dataset()
        graph = build_graph(dataset)
        times = [parse_time(row["time"]) for row in transfers]
        ends = [(row[side], time) for row, time in zip(transfers, times, strict=True) for side in ("source", "target")]
        codes = graph.codes([account for account, _ in ends])
        known = np.flatnonzero(codes >= 0)
        points = Points(codes[known].astype(np.int32), np.array([ends[k][1] for k in known], np.int64))
        scores: dict[tuple[str, int], AccountScore] = {}
        if len(known):
            for row in score_points(self.model, dataset, graph, points, n_explained=0).to_pylist():
                key = row["account_id"], parse_time(row["as_of"])
                scores[key] = AccountScore(row["account_id"], row["score"], row["probability"], row["tier"])
        found = [
            Assessment(row["transfer_id"], time, scores.get((row["source"], time)), scores.get((row["target"], time)),
                       self.name, "test")
            for row, time in zip(transfers, times, strict=True)
        ]  # fmt: skip
        is_shown = [explain(place, one) if callable(explain) else explain for place, one in enumerate(found)]
        return [_with_reasons(one) if shown else one for one, shown in zip(found, is_shown, strict=True)]

    def book_many(self, transfers: Sequence[Mapping[str, Any]]) -> list[Booked]:
        return [self._add("transfers", row) for row in transfers]

    def advance_many(self, events: Sequence[Mapping[str, Any]]) -> list[Booked]:
        return [self._add(row["table"], {name: v for name, v in row.items() if name != "table"}) for row in events]

    def swap(self, model: Any) -> None:
        self.model, self.name = model, f"after {self.name}"

    def _add(self, table: str, row: Mapping[str, Any]) -> Booked:
        known, contract = self._tables[table], INPUTS[table]
        key = contract.key or contract.required
        for old in known.select(key).to_pylist():
            if all(str(old[name]) == str(row.get(name)) for name in key):
                return Booked("duplicate", "repeated", key[0])
        new = pa.Table.from_pylist([row], schema=pa.schema([contract.arrow_schema.field(name) for name in row]))
        self._tables[table] = pa.concat_tables([known, new], promote_options="permissive")
        self._read = None
        return Booked("accepted")


def _with_reasons(found: Assessment) -> Assessment:
    payer, payee = (one and one._replace(reasons=("a reason",)) for one in (found.payer, found.payee))
    return found._replace(payer=payer, payee=payee)
