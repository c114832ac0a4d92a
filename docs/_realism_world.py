"""A simulated world as arrays, with its truth, for measuring how real it looks."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from muledetect.arrays import BoolArray, Int64Array
from muledetect.clock import HOUR
from muledetect.graph import TransferGraph, build_graph
from muledetect.records import Dataset, read_dataset
from muledetect.simulation.config import WorldConfig

Text = npt.NDArray[np.object_]

NEVER: Final = np.iinfo(np.int64).min


@dataclass(frozen=True, eq=False)
class WorldArrays:
    """Transfers in order of time and what their accounts truly are.

    `channel`, `is_illicit` (moves the money of a case, or tests a mule) and `local` (us since 1970 by the clock on the
    wall) go with `graph.time`; the others with the account codes of the graph.
    """

    config: WorldConfig
    dataset: Dataset
    graph: TransferGraph
    local: Int64Array
    channel: Text
    is_illicit: BoolArray
    is_own: BoolArray
    is_mule: BoolArray
    kind: Text
    persona: Text

    @property
    def is_person(self) -> BoolArray:
        """Honest people's accounts at our bank."""
        return self.is_own & (self.kind == "individual") & ~self.is_mule

    @property
    def n_months(self) -> float:
        """Length in months of 365.25 / 12 days."""
        return self.config.n_days / (365.25 / 12)

    def codes(self, table: str, column: str) -> Int64Array:
        """Return the account codes of a column of ids; -1 for null and unknown ones."""
        return self.graph.codes(self.dataset.tables[table][column]).astype(np.int64)


def read_world(folder: str | Path, config: WorldConfig) -> WorldArrays:
    """Read a world that `write_world` wrote."""
    dataset = read_dataset(folder)
    graph = build_graph(dataset)
    n_accounts = len(graph.account_ids)
    accounts = dataset.tables["accounts"]
    code = graph.codes(accounts["account_id"])
    truth = dataset.tables["truth_accounts"]
    truly = graph.codes(truth["account_id"])
    is_own, is_mule = np.zeros(n_accounts, bool), np.zeros(n_accounts, bool)
    is_own[code] = pc.fill_null(accounts["is_own"], True).to_numpy()
    is_mule[truly] = pc.fill_null(truth["is_mule"], False).to_numpy()
    kind, persona = np.full(n_accounts, "", object), np.full(n_accounts, "", object)
    kind[code] = texts(accounts["kind"])
    persona[truly] = texts(truth["persona"])
    illicit = pc.is_in(
        dataset.transfers["transfer_id"].cast(pa.string()),
        value_set=dataset.tables["truth_transfers"]["transfer_id"].cast(pa.string()).combine_chunks(),
    )
    return WorldArrays(
        config=config,
        dataset=dataset,
        graph=graph,
        local=graph.time + config.utc_offset_hours * HOUR,
        channel=texts(dataset.transfers["channel"]),
        is_illicit=illicit.to_numpy().astype(bool),
        is_own=is_own,
        is_mule=is_mule,
        kind=kind,
        persona=persona,
    )


def texts(column: pa.ChunkedArray) -> Text:
    """Return a column of words as objects; null is ''."""
    found: Text = pc.fill_null(column.cast(pa.string()), "").to_numpy()
    return found


def moments(column: pa.ChunkedArray) -> Int64Array:
    """Return a column of times in us; null is `NEVER`."""
    found: Int64Array = pc.fill_null(column.cast(pa.int64()), NEVER).to_numpy()
    return found
