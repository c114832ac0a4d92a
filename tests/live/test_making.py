"""How a state is made of a large bank: nothing is held twice, and what is computed in slices is what one pass gives."""

from __future__ import annotations

import gc
import weakref
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from live_bank import arriving, before, model

from muledetect.facts import Facts
from muledetect.features.signals import build_past, compute_signal, fill_signals
from muledetect.graph import build_graph
from muledetect.live import LiveScorer
from muledetect.live import state as room
from muledetect.live.state import LiveState, live_signals
from muledetect.memory import Room


def test_a_data_set_that_is_handed_over_is_gone_when_its_columns_are_moved(monkeypatch: pytest.MonkeyPatch) -> None:
    plain = LiveState(Facts(before()))
    held = [replace(before())]
    handed, emptied, rows = weakref.ref(held[0]), list[dict[str, Any]](), room.Rows

    def moved(columns: Any, shared: Any) -> Any:
        assert handed() is None
        emptied.append(columns)
        return rows(columns, shared)

    monkeypatch.setattr(room, "Rows", moved)
    gc.disable()  # it must go by itself
    try:
        state = LiveState(held.pop)
    finally:
        gc.enable()
    assert emptied == [{}] * len(state.tables)
    assert state.tables.keys() == plain.tables.keys()
    for name, table in plain.tables.items():
        assert state.tables[name].take(slice(None)).equals(table.take(slice(None)))
    assert state.signal_values.tobytes() == plain.signal_values.tobytes()


@pytest.mark.parametrize("n_fit", [None, 1, 3_000, 40_000])
def test_signals_written_by_slices_are_those_of_one_pass(n_fit: int | None) -> None:
    signals, dataset = live_signals(), before()
    whole = build_past(build_graph(dataset), tables=dataset.tables, threads=1)
    expected = np.column_stack([compute_signal(signal, whole) for signal in signals])
    limited = Room() if n_fit is None else Room(limit=240 * n_fit, least=2**62)  # no file is made for arrays so small
    values = np.empty_like(expected)
    fill_signals(signals, replace(whole, room=limited), values)
    assert values.tobytes() == expected.tobytes()


@pytest.mark.slow
def test_a_scorer_of_a_handed_over_data_set_is_that_of_one_that_is_held(tmp_path: Path) -> None:
    plain, rows = LiveScorer(model(), before()), arriving(30)
    for _ in range(2):
        with LiveScorer(model(), [replace(before())].pop, log=tmp_path) as scorer:
            assert scorer.score_many(rows) == plain.score_many(rows)
            scorer.snapshot()
