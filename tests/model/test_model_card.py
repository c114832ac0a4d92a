"""The model card says the same to people and to programs, and nothing hostile gets through it."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import average_precision_score

from muledetect.errors import ModelError
from muledetect.model import MuleModel, load_model
from muledetect.model.card import build_card, write_card
from muledetect.model.fitted import HeldOut, TrainedOn
from muledetect.model.measures import describe_held_out


def trained(n: int = 800, **options: object) -> MuleModel:
    drawn = np.random.default_rng(0)
    values = drawn.normal(size=(n, 2))
    y = (values.sum(axis=1) + drawn.normal(size=n) > 2).astype(float)
    features = pd.DataFrame(values, columns=["in_count__window_7d", "of the bank"])
    model = MuleModel(**{"n_estimators": 20, "n_bags": 2, "n_jobs": 1, **options})
    return model.fit(features, y, trained_on=TrainedOn("ever", "TH", 1, "THB", "f" * 64))


def test_the_card_of_a_saved_model_says_what_it_was_trained_on_and_how_it_did(tmp_path: Path) -> None:
    model = trained()
    model.save(tmp_path / "m")
    card = json.loads((tmp_path / "m" / "card.json").read_text())
    assert card["trained_on"]["n_positives"] == model.n_positives_
    assert card["trained_on"]["fingerprint"] == "f" * 64
    held = model.held_out_
    assert card["held_out"]["average_precision"] == pytest.approx(average_precision_score(held.is_positive, held.score))
    assert card["features"] == {"of the caller": 1, "volume": 1}
    assert set(card["versions"]) == {"python", "numpy", "lightgbm", "muledetect"}
    assert [t["share"] for t in card["clear_thresholds"]] == [0.01, 0.05, 0.1] * 2
    text = (tmp_path / "m" / "card.md").read_text()
    for said in ("f" * 64, "never a finding", "hold the amount, not the account", card["config_hash"]):
        assert said in text


def test_a_model_that_was_read_writes_the_same_card(tmp_path: Path) -> None:
    trained().save(tmp_path / "m")
    load_model(tmp_path / "m").save(tmp_path / "again")
    for name in ("card.json", "card.md"):
        assert (tmp_path / "again" / name).read_bytes() == (tmp_path / "m" / name).read_bytes()


def test_metrics_of_the_held_out_rows_by_hand() -> None:
    # 200 rows, positives at ranks 1 and 3: 0.1% and 0.5% show one row (200 x 0.005), 1% shows two
    score = np.arange(200, 0, -1.0)
    sought = np.zeros(200, dtype=bool)
    sought[[0, 2]] = True
    found = describe_held_out(HeldOut(score, sought, np.ones(200), np.arange(200), np.arange(200), np.arange(200)))
    assert found["average_precision"] == pytest.approx((1 / 1 + 2 / 3) / 2)
    assert found["recall_at_0.1%"] == found["recall_at_0.5%"] == 0.5
    assert found["precision_at_1.0%"] == 0.5
    assert found["prevalence"] == 0.01


def test_few_positives_are_named_as_a_limit() -> None:
    few = trained(150)
    assert few.n_positives_ < 100
    assert any("Only" in limit for limit in build_card(few, {}, "")["limits"])


def test_hostile_text_makes_neither_markup_nor_lines() -> None:
    model = trained()
    model.notes_ = ["<script>alert(1)</script>\n# A heading\n[a](http://b)\u202e\u3164\ud800"]
    model.trained_on_ = replace(model.trained_on_, currency="|<b>")
    text = write_card(build_card(model, {}, ""))
    assert "<" not in text
    assert "\n# A" not in text
    assert "[a]" not in text
    assert "&#60;U+202E&#62;&#60;U+3164&#62;&#60;U+D800&#62;" in text


def test_a_crafted_manifest_cannot_put_other_things_into_the_card(tmp_path: Path) -> None:
    trained().save(tmp_path / "m")
    file = tmp_path / "m" / "manifest.json"
    for wrong in ({"held_out": {"average_precision": "high"}}, {"clear_thresholds": [{"score": "low"}]}):
        file.write_text(json.dumps({**json.loads(file.read_text()), **wrong}))
        with pytest.raises(ModelError):
            load_model(tmp_path / "m")
        trained().save(tmp_path / "m", overwrite=True)
