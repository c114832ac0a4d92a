"""The second stage: kept where neighbours help, left out where they do not; saved, explained, the same in any order."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from muledetect.errors import ModelError
from muledetect.features.suspicion import COLUMNS
from muledetect.model import MuleModel, load_model

pytestmark = pytest.mark.slow

N = 3_000


def table_of(tells: float, seed: int = 0) -> tuple[pa.Table, np.ndarray, np.ndarray]:
    """One own column that tells a little, and suspicion columns that tell `tells` of the label."""
    draws = np.random.default_rng(seed)
    group = draws.integers(0, 400, N)
    y = (draws.random(400) < 0.1)[group].astype(np.float64)
    columns = {"account_id": pa.array([f"a{i}" for i in range(N)]), "in_count__window_7d": y + draws.normal(0, 1.5, N)}
    columns |= {name: np.abs(draws.normal(0, 1, N)) + tells * y for name in COLUMNS}
    return pa.table(columns), y, group


@pytest.fixture(scope="module")
def fitted() -> MuleModel:
    table, y, group = table_of(1.5)
    return MuleModel(n_estimators=50, n_bags=2).fit(table, y, groups=group, leaks="ignore")


def test_neighbours_that_tell_are_kept_and_raise_the_ranking(fitted: MuleModel) -> None:
    table, y, _ = table_of(1.5, seed=1)
    assert fitted.second_texts_
    assert any(note.startswith("Neighbours: their scores are used") for note in fitted.notes_)
    own = np.column_stack([table["in_count__window_7d"].to_numpy()]).astype(np.float32)
    score = fitted.decision_function(table)
    assert np.mean(score[y == 1]) - np.mean(score[y == 0]) > 2 * (
        np.mean(fitted.first_stage(own)[y == 1]) - np.mean(fitted.first_stage(own)[y == 0])
    )


def test_neighbours_that_tell_nothing_are_left_out() -> None:
    table, y, group = table_of(0.0)
    model = MuleModel(n_estimators=100, learning_rate=0.3, n_bags=1).fit(table, y, groups=group, leaks="ignore")
    assert not model.second_texts_
    assert list(model.feature_names_in_) == ["in_count__window_7d"]
    assert any("left out, as their scores do not help" in note for note in model.notes_)
    assert np.array_equal(
        model.decision_function(table), model.decision_function(table.select(["in_count__window_7d"]))
    )


def test_a_few_rings_prove_nothing_so_neighbours_stay() -> None:
    """The same noise, but most mules are of one ring: what is lost on it alone is no more than its standard error."""
    table, _, _ = table_of(0.0)
    group = np.where(np.arange(N) < 100, 0, np.arange(N) // 10)
    y = ((group == 0) | np.isin(group, [40, 80, 120, 160])).astype(np.float64)
    own = np.random.default_rng(1).normal(0, 1.5, N) + y
    table = table.set_column(table.schema.get_field_index("in_count__window_7d"), "in_count__window_7d", pa.array(own))
    model = MuleModel(n_estimators=50, n_bags=1).fit(table, y, groups=group, leaks="ignore")
    assert model.second_texts_


def test_a_score_never_falls_with_the_suspicion_of_neighbours(fitted: MuleModel) -> None:
    table, _, _ = table_of(1.5, seed=2)
    before = fitted.decision_function(table)
    for name in COLUMNS:
        place = table.schema.get_field_index(name)
        higher = table.set_column(place, name, pa.array(table[name].to_numpy() + 1.0))
        assert (fitted.decision_function(higher) >= before - 1e-9).all()


def test_both_stages_are_saved_and_read_back(fitted: MuleModel, tmp_path: Path) -> None:
    table, _, _ = table_of(1.5, seed=3)
    fitted.save(tmp_path / "model")
    again = load_model(tmp_path / "model")
    assert len(again.second_texts_) == len(fitted.second_texts_) == 2
    assert np.array_equal(again.decision_function(table), fitted.decision_function(table))
    assert again.explain(table.slice(0, 20)) == fitted.explain(table.slice(0, 20))


def test_contributions_of_both_stages_add_up_to_the_score(fitted: MuleModel) -> None:
    table, _, _ = table_of(1.5, seed=4)
    values = np.column_stack([table[str(name)].to_numpy() for name in fitted.feature_names_in_]).astype(np.float32)
    rest = fitted.decision_function(table) - fitted._contributions(values).sum(axis=1)
    assert np.ptp(rest) < 1e-6


def test_rows_in_another_order_give_the_same_model(fitted: MuleModel) -> None:
    table, y, group = table_of(1.5)
    order = np.random.default_rng(9).permutation(N)
    again = MuleModel(n_estimators=50, n_bags=2).fit(
        table.take(pa.array(order)), y[order], groups=group[order], leaks="ignore"
    )
    assert again.texts_ == fitted.texts_
    assert again.second_texts_ == fitted.second_texts_


def test_columns_without_scores_are_refused(fitted: MuleModel) -> None:
    table, _, _ = table_of(1.5, seed=6)
    for name in COLUMNS:
        table = table.set_column(table.schema.get_field_index(name), name, pa.array(np.full(N, np.nan)))
    with pytest.raises(ModelError, match=r"extract_for\(model, dataset, points\)"):
        fitted.decision_function(table)


def test_the_calibrator_knows_both_stages(fitted: MuleModel) -> None:
    table, y, _ = table_of(1.5, seed=5)
    assert abs(fitted.predict_proba(table)[:, 1].mean() - y.mean()) < 0.03
