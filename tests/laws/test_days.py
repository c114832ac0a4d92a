"""Law 6: a bank that grows a day at a time gives what one pass over all of its rows gives, byte for byte."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pytest

import muledetect as md
from muledetect import engine
from muledetect.clock import DAY, parse_time
from muledetect.engine import Store
from muledetect.features import Extraction, _extract, registry
from muledetect.features.packs import load_pack
from muledetect.features.signals import extract_signals
from muledetect.graph import Points
from muledetect.model import MuleModel
from muledetect.records import Dataset
from tests.small_world import SCORED_AT, TRAINED_AT, small_model, small_world
from tests.stores import content

NOW, N_DAYS = "2026-01-01", 30
#: Days on which nothing comes.
EMPTY = (11, 12)
#: Clock by which rows of a table come; those of all other tables come on the first day.
KNOWN = {
    "transfers": "time", "sessions": "time", "calls": "known_ts", "complaints": "known_ts", "labels": "known_ts",
    "watchlists": "known_ts", "identifiers": "known_ts",
}  # fmt: skip

pytestmark = pytest.mark.slow


def transfers_with_all_troubles(rows: pa.Table) -> tuple[pa.Table, np.ndarray]:
    """Return transfers with a hub, ties, reversals, repeats and contradictions, and the day on which each comes."""
    n, place = len(rows), np.arange(len(rows))
    time = rows["time"].cast(pa.int64()).to_numpy().copy()
    time[place % 9 == 8] = time[place[place % 9 == 8] - 1]
    source, target = (np.array(rows[name].to_pylist(), object) for name in ("source", "target"))
    source[place % 6 == 0], target[place % 9 == 8] = "hub", target[place[place % 9 == 8] - 1]
    source[-1], target[-2] = "00 first", "zz late"  # accounts that come on the last day, before and behind the others
    columns = {"time": pa.array(time).cast(pa.timestamp("us", "UTC")), "source": pa.array(source.tolist()),
               "target": pa.array(target.tolist()),
               "reversal_of": pa.nulls(n, pa.string())}  # fmt: skip
    for name, column in columns.items():
        rows = rows.set_column(rows.column_names.index(name), name, column)
    late = np.select([place % 17 == 0, place % 29 == 0, place % 311 == 0], [3, 12, 40], 0) * DAY
    back, again, other = (rows.filter(pa.array(place % every == 5)) for every in (101, 53, 197))
    swapped = {"source": back["target"], "target": back["source"], "reversal_of": back["transfer_id"],
               "transfer_id": pa.array([f"r{text}" for text in back["transfer_id"].to_pylist()])}  # fmt: skip
    for name, column in swapped.items():
        back = back.set_column(back.column_names.index(name), name, column)
    amount = other.column_names.index("amount")
    other = other.set_column(amount, "amount", pa.array(other["amount"].to_numpy() + 1))
    more = [time[place % every == 5] for every in (101, 53, 197)]
    comes = np.concatenate([time + late, more[0] + DAY, more[1] + 2 * DAY, more[2] + 6 * DAY])
    return pa.concat_tables([rows, back, again, other]), comes


def days_of(world: dict[str, pa.Table]) -> list[dict[str, pa.Table]]:
    """Return what comes on the first day, in the month after it, and on each of the days until `SCORED_AT`."""
    last, first = parse_time(SCORED_AT), parse_time("2025-01-01") + DAY
    edges = [first, *range(last - N_DAYS * DAY, last + 1, DAY)]
    parts: list[dict[str, pa.Table]] = [{} for _ in edges]
    for name, rows in world.items():
        if name.startswith("truth_"):
            continue
        table, place = rows, np.arange(len(rows))
        comes = table[KNOWN[name]].cast(pa.int64()).to_numpy() if name in KNOWN else np.full(len(rows), first - 1)
        if name == "accounts":  # half of the accounts are told late
            comes = np.where(place % 2, first - 1, last - place % N_DAYS * DAY - 1)
        elif name == "sessions":
            comes = np.where(place % 23, comes, comes + 4 * DAY)
        elif name == "transfers":
            table, comes = transfers_with_all_troubles(rows.filter(pa.array(comes < last)))
        day = np.searchsorted(edges, comes, side="right")
        day = np.where(np.isin(day, EMPTY), max(EMPTY) + 1, day)
        for nth, part in enumerate(parts):
            came = table.filter(pa.array(day == nth))
            if nth == 0 or len(came):
                part[name] = came
    for nth in EMPTY:
        assert not parts[nth]
        parts[nth] = {"transfers": parts[0]["transfers"].slice(0, 0)}
    return parts


class Grown(NamedTuple):
    """The store that grew, the data set of all its rows, and a model."""

    store: Store
    whole: Dataset
    model: MuleModel


@pytest.fixture(scope="module")
def grown(tmp_path_factory: pytest.TempPathFactory) -> Grown:
    folder, parts = tmp_path_factory.mktemp("days"), days_of(dict(small_world()))
    model = md.train(
        md.read_dataset(dict(small_world())), TRAINED_AT, target="ever", model=small_model(), lookback="25d"
    )
    store, whole = engine.prepare(parts[0], folder / "store", now=NOW), {}
    for nth, part in enumerate(parts):
        whole = {name: pa.concat_tables([whole[name], part[name]] if name in whole and name in part else
                                        [whole.get(name, part.get(name))]) for name in {**whole, **part}}  # fmt: skip
        store = engine.update(store, part, now=NOW) if nth else store
        if nth in (1, max(EMPTY), len(parts) - 1):
            engine.prepare(whole, folder / "whole", now=NOW)
            assert content(folder / "store") == content(folder / "whole"), f"day {nth}"
    return Grown(store, md.read_dataset(whole, now=NOW), model)


def results(dataset: Dataset, model: MuleModel) -> Iterator[tuple[str, object]]:
    """Yield all that is made of a data set, by name."""
    signals = extract_signals(dataset)
    yield "signals", [column.to_numpy().tobytes() for column in signals.columns[5:]]
    n, moment = len(dataset.account_ids), parse_time(SCORED_AT)
    points = Points(np.arange(n, dtype=np.int32), np.full(n, moment))
    names = registry().names(load_pack("TH"), every=True)
    for lookback in (None, "25d"):
        values = _extract.extract_values(Extraction(dataset, lookback=lookback), points, names, registry())
        yield f"features {lookback}", np.ascontiguousarray(values).tobytes()
    scores = md.score(dataset, model, SCORED_AT, n_explained=20)
    yield "scores", scores
    rings, traces = md.find_rings(dataset, scores, SCORED_AT), md.trace(dataset, SCORED_AT)
    assert len(rings.rings)
    assert len(traces.trace)
    yield "rings", rings.tables
    yield "traces", traces.tables


def test_thirty_days_one_by_one_are_one_pass(grown: Grown) -> None:
    found = grown.store.dataset
    assert found.account_ids[0].as_py() == "00 first"
    reasons = set(found.rejects["reason"].to_pylist())
    assert {"exact duplicate", "duplicate id with different content"} <= reasons
    assert any(channel == "reversal" for channel in found.transfers["channel"].to_pylist())
    for (name, daily), (_, at_once) in zip(results(found, grown.model), results(grown.whole, grown.model), strict=True):
        assert daily == at_once, name
