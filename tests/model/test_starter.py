"""The models that ship with the package."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import numpy as np
import pyarrow.compute as pc
import pytest
import small_world as worlds

from muledetect import pipeline
from muledetect.clock import DAY, HOUR
from muledetect.errors import DataError
from muledetect.evaluation import average_precision
from muledetect.features import registry
from muledetect.features._spec import FORMER_COLUMNS
from muledetect.model import load_model, load_starter
from muledetect.model.loading import PLACES, STARTERS
from muledetect.records import read_dataset


def test_the_clock_of_the_records_chooses_the_model() -> None:
    assert load_starter(1).trained_on_.tick == load_starter(HOUR - 1).trained_on_.tick == STARTERS["second"]
    assert load_starter(HOUR).trained_on_.tick == load_starter(DAY).trained_on_.tick == STARTERS["day"]


@pytest.mark.parametrize("name", STARTERS)
def test_it_reads_transfers_alone_and_no_unit_of_money(name: str) -> None:
    known = registry()
    for column in load_starter(STARTERS[name]).feature_names_in_:
        assert known.column(column).unit != "amount"
        assert set(known.features[known.parse(column).feature].tables) <= {"transfers"}


@pytest.mark.parametrize("name", STARTERS)
def test_it_comes_with_its_card_and_is_small(name: str) -> None:
    card = json.loads((PLACES / name / "card.json").read_text())
    assert any("simulated worlds" in note for note in card["notes"])
    assert card["held_out"]["average_precision"] > 0.3
    assert sum(path.stat().st_size for path in (PLACES / name).iterdir()) < 1_000_000


@pytest.mark.slow
def test_a_bank_without_labels_is_ranked_far_better_than_by_chance_whatever_its_currency() -> None:
    world = worlds.small_world()
    bare = read_dataset({"transfers": world["transfers"]})
    scores = pipeline.score(bare, "starter", worlds.SCORED_AT, n_explained=5)
    truth = world["truth_accounts"].to_pandas().set_index("account_id")["first_illicit"]
    own = set(world["accounts"].filter(world["accounts"]["is_own"])["account_id"].to_pylist())
    rows = [row for row in scores.to_pylist() if row["account_id"] in own]
    y = np.array([float(truth[row["account_id"]] < row["as_of"]) for row in rows])
    assert average_precision(y, [row["score"] for row in rows]) > 3 * y.mean()
    assert all(row["reasons"] for row in scores.slice(0, 5).to_pylist())
    transfers = world["transfers"]
    dear = transfers.set_column(transfers.column_names.index("amount"), "amount", pc.multiply(transfers["amount"], 7))
    again = pipeline.score(read_dataset({"transfers": dear}), "starter", worlds.SCORED_AT, n_explained=0)
    assert again["account_id"].equals(scores["account_id"])
    # sums of other amounts round differently, and trees cut at single floats
    np.testing.assert_allclose(again["score"], scores["score"], atol=0.05)


@pytest.mark.slow
def test_baselines_need_moments_of_the_data_set_where_the_model_comes_from_elsewhere() -> None:
    dataset = read_dataset(worlds.small_world())
    with pytest.raises(DataError, match="Give a moment when mules were known as 'baselines_at'"):
        pipeline.evaluate(dataset, "starter", worlds.SCORED_AT, baselines_at=["2024-01-01"])
    found = pipeline.evaluate(dataset, "starter", worlds.SCORED_AT, baselines_at=[worlds.TRAINED_AT])
    assert found.table.loc["this model", "average_precision"] > 0


def test_a_budget_gives_a_threshold_that_so_many_alerts_reach() -> None:
    dataset = read_dataset(worlds.small_world())
    moments = ["2025-02-20", "2025-02-22", "2025-02-25"]
    found = pipeline.threshold(dataset, "starter", moments, 3)
    assert found.n_days == 5
    assert 0 < found.alerts_per_day <= 3
    seen: set[str] = set()
    n_new = []
    for moment in moments:
        scores = pipeline.score(dataset, "starter", moment, n_explained=0)
        over = {row["account_id"] for row in scores.to_pylist() if row["score"] >= found.score}
        n_new.append(len(over - seen))
        seen |= over
    assert sum(n_new[1:]) == round(found.alerts_per_day * 5)


def test_a_model_of_a_former_version_names_columns_as_this_version_does(tmp_path: Path) -> None:
    """`dwell_median` is called `holding_time_median`, `out_tier` `out_layer`: the old names load as the new ones."""
    model = load_starter(1)
    old = {new: former for former, new in FORMER_COLUMNS.items()}
    present = [str(name) for name in model.feature_names_in_]
    former = ["__".join([old.get(name.split("__")[0], name.split("__")[0]), *name.split("__")[1:]]) for name in present]
    assert former != present
    model.save(tmp_path / "model")
    folder = tmp_path / "model" / "manifest.json"
    content = json.loads(folder.read_text())
    for entry, name in zip(content["features"], former, strict=True):
        entry["name"], entry["column"] = name, name.split("__")[0]
    hashed = json.dumps([content["parameters"], former], sort_keys=True).encode()
    content["config_hash"] = hashlib.sha256(hashed).hexdigest()
    folder.write_text(json.dumps(content))
    assert load_model(tmp_path / "model").feature_names_in_.tolist() == present
    assert registry().parse("dwell_p90__window_all").name == "holding_time_p90__window_all"
