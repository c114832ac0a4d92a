"""Facts and signals are derived once a data set, go with it, and are shared only where they are the same."""

from __future__ import annotations

import gc
import weakref

import numpy as np
import pyarrow as pa
import pytest

from muledetect.clock import DAY, HOUR, parse_time
from muledetect.facts import Snapshot, facts_of
from muledetect.facts.known import _OF_SIGNALS
from muledetect.features import Extraction
from muledetect.features.signals import signal_registry
from muledetect.records import Dataset, read_dataset

START = parse_time("2025-01-01")


@pytest.fixture
def dataset() -> Dataset:
    """Return 20 transfers and sessions, one of each a day, and an identifier that is older."""
    times = pa.array([START + nth * DAY + 10 * HOUR for nth in range(20)]).cast(pa.timestamp("us", tz="UTC"))
    earlier = pa.array([START + nth * DAY + 9 * HOUR for nth in range(20)]).cast(pa.timestamp("us", tz="UTC"))
    names = [f"n{nth}" for nth in range(20)]
    amount = pa.array(range(100, 120), pa.int64())
    transfers = {"transfer_id": names, "time": times, "source": ["a"] * 20, "target": ["b"] * 20, "amount": amount}
    sessions = {"session_id": names, "account_id": ["a"] * 20, "time": earlier}
    phone = {"entity_id": ["a"], "kind": ["phone"], "value_hash": ["p"]}
    phone["valid_from"] = pa.array([START - 300 * DAY]).cast(pa.timestamp("us", tz="UTC"))
    return read_dataset(
        {"transfers": pa.table(transfers), "sessions": pa.table(sessions), "identifiers": pa.table(phone)}
    )


def test_a_data_set_has_one_set_of_facts(dataset: Dataset) -> None:
    assert facts_of(dataset) is facts_of(dataset)
    assert Snapshot(dataset, "2025-01-10").facts is facts_of(dataset)
    assert Extraction(dataset).facts is facts_of(dataset)


def test_facts_go_with_their_data_set(dataset: Dataset) -> None:
    again = read_dataset(dict(dataset.tables))
    facts = weakref.ref(facts_of(again))
    assert facts() is not None
    del again
    gc.collect()
    assert facts() is None


def test_extractions_of_one_data_set_share_its_signals(dataset: Dataset) -> None:
    column = signal_registry().columns()[0]
    first, second = (Extraction(dataset, threads=1).signal(column) for _ in range(2))
    assert np.shares_memory(first, second)


def test_facts_without_older_events_share_signals_only_if_no_transfer_or_session_fell_out(dataset: Dataset) -> None:
    whole = facts_of(dataset)
    only_identifiers = whole.since(START)
    assert only_identifiers is not whole
    assert only_identifiers.signals_from is whole
    assert whole.since(START + 5 * DAY).signals_from is not whole
    without_a_session = whole.since(START + 10 * HOUR)
    assert without_a_session.graph.n_transfers == whole.graph.n_transfers
    assert without_a_session.signals_from is not whole


def test_signals_read_no_table_but_those_that_are_compared() -> None:
    for signal in signal_registry().signals.values():
        assert set(signal.tables) <= set(_OF_SIGNALS)
