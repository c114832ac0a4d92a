"""One small bank, a model of live columns, and its last transfers as rows that arrive."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from typing import Any

import pyarrow as pa
from small_world import small_model, small_world

from muledetect.clock import DAY
from muledetect.features import Extraction, extract_with
from muledetect.graph import Points
from muledetect.model import MuleModel
from muledetect.pipeline import train
from muledetect.records import Dataset, read_dataset

N_ARRIVING = 900


@cache
def bank() -> Dataset:
    """The bank, to the end of its records."""
    return read_dataset(dict(small_world()))


@cache
def model(live: bool = True) -> MuleModel:
    """A model with a look-back of 30 days."""
    return train(bank(), "2025-03-01", target="ever", lookback="30d", model=small_model(1), live=live)


@cache
def before() -> Dataset:
    """The bank without its last transfers."""
    transfers = bank().transfers
    return replace(bank(), tables={**bank().tables, "transfers": transfers.slice(0, len(transfers) - N_ARRIVING)})


def arriving(n: int = N_ARRIVING) -> list[dict[str, Any]]:
    """The next transfers, as rows with the columns that they state."""
    transfers = bank().transfers
    rows = transfers.slice(len(transfers) - N_ARRIVING, n).to_pylist()
    return [{name: value for name, value in row.items() if value is not None} for row in rows]


def micros(table: pa.Table) -> Any:
    """Times of transfers in microseconds."""
    return table["time"].cast(pa.int64()).to_numpy()


def by_batch(points: Points, days_less: int = 0) -> tuple[Any, Any]:
    """Score and probability of points with whole days of look-back, or with some days less."""
    lookback = (model().trained_on_.lookback or 0) - days_less * DAY
    extraction = Extraction(bank(), lookback=lookback, whole_days=True, threads=1)
    score = model().decision_function(extract_with(extraction, points, list(model().feature_names_in_)))
    return score, model().probability(score)
