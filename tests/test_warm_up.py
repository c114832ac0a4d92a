"""After warming up, a run on other data needs no kernel for other types than are there."""

from __future__ import annotations

import sys

import pytest
from numba.core.dispatcher import Dispatcher
from small_world import SCORED_AT, TRAINED_AT, small_model, small_world

from muledetect import pipeline, tracing
from muledetect.facts import Snapshot
from muledetect.records import read_dataset
from muledetect.warm_up import warm_up


def kernels() -> set[str]:
    """Return the kernels that can be called now, each with its types: compiled, or loaded from the cache on disk."""
    return {
        f"{kernel.py_func.__module__}.{kernel.py_func.__name__} {types}"
        for name, module in list(sys.modules.items())
        if name.startswith("muledetect.")
        for kernel in vars(module).values()
        if isinstance(kernel, Dispatcher)
        for types in kernel.overloads
    }


@pytest.mark.slow
def test_a_run_on_other_data_finds_every_kernel_that_it_needs() -> None:
    warm_up("ever")
    there = kernels()
    assert len(there) > 50
    assert {name.split()[0] for name in there} >= {"muledetect.live.around._read", "muledetect.live.lists._add"}
    dataset = read_dataset(small_world())
    model = pipeline.train(dataset, TRAINED_AT, target="ever", pack="TH", model=small_model())
    scores = pipeline.score(dataset, model, SCORED_AT, n_explained=3)
    pipeline.find_rings(dataset, scores, SCORED_AT, window="all")
    tracing.trace(Snapshot(dataset, SCORED_AT))
    assert kernels() - there == set()
