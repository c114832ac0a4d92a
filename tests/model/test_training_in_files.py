"""What a model learns from may lie in files: nothing of it is on the heap then, and the model is the same."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

import muledetect as md
from muledetect.mapped import is_mapped
from muledetect.memory import Room
from muledetect.model import estimator
from muledetect.model.rows import Rows
from tests.small_world import TRAINED_AT, small_model, small_world


def test_rows_that_are_learnt_from_lie_in_the_room_and_the_model_is_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[np.ndarray] = []
    learn = estimator.learn

    def watched(rows: Rows, *given: Any) -> Any:
        seen.extend([rows.values, rows.take(rows.is_positive).values])
        return learn(rows, *given)

    monkeypatch.setattr(estimator, "learn", watched)
    bank = md.read_dataset(dict(small_world()))
    models = [
        md.train(source, ["2025-02-01", TRAINED_AT], target="ever", model=small_model(n_jobs=1), lookback="20d")
        for source in (bank, replace(bank, room=Room(10**9, least=0)))
    ]
    assert models[0].second_texts_
    assert (models[0].texts_, models[0].second_texts_) == (models[1].texts_, models[1].second_texts_)
    assert models[0].notes_ == models[1].notes_
    assert [is_mapped(values.ctypes.data) for values in seen] == [False, False, True, True]
