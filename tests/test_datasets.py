"""The sample that ships as a recipe: the same bank at each call, and one that the steps find something in."""

from __future__ import annotations

import pytest

import muledetect as md
from muledetect.records import read_dataset
from muledetect.simulation import simulate


def test_the_sample_is_made_once_and_is_all_accepted() -> None:
    sample = md.datasets.load_sample()
    assert md.datasets.load_sample() is sample
    assert isinstance(sample, md.Dataset)
    assert sample.rejects.num_rows == 0
    assert {"transfers", "accounts", "complaints", "labels", "truth_rings", "truth_money"} <= set(sample.tables)


def test_a_simulated_data_set_is_that_of_its_tables() -> None:
    size = {"n_accounts": 300, "n_days": 30, "seed": 1}
    assert md.simulate(**size).fingerprint == read_dataset(simulate(**size)).fingerprint
    with pytest.raises(md.OptionError, match="n_accountz"):
        md.simulate(n_accountz=1)


@pytest.mark.slow
def test_the_steps_of_every_day_find_mules_rings_and_money_in_the_sample() -> None:
    sample = md.datasets.load_sample()
    model = md.train(sample, "2025-03-15", target="ever", known_by="2025-03-15")
    scores = md.score(sample, model, "2025-04-28", n_explained=5)
    rings = md.find_rings(sample, scores, "2025-04-28")
    traces = md.trace(sample, "2025-04-28")
    evaluation = md.evaluate(sample, model, "2025-04-28", use_truth=True, known_by="2025-03-15")
    found = evaluation.table["average_precision"]
    assert found["this model"] > 5 * found["random"]
    assert len(rings) > 3
    assert traces.holds.num_rows > 10
    assert len(md.explain(sample, scores, n_transfers=2).suspicious_periods) == 5
