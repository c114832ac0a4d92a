from __future__ import annotations

import hashlib
import json
import os
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from muledetect.errors import ModelError
from muledetect.model import MuleModel, load_model
from muledetect.model.estimator import TrainedOn

NAMES = ["pass_through__window_24h", "in_amount__window_7d", "of_my_own"]


def fitted(seed: int = 0) -> tuple[MuleModel, Any]:
    rng = np.random.default_rng(seed)
    features = pd.DataFrame(rng.random((300, 3)), columns=NAMES)
    y = (features[NAMES[0]] + rng.normal(0, 0.2, 300) > 0.8).astype(float)
    origin = TrainedOn(target="ever", pack="TH", tick=1_000_000, currency="THB", fingerprint="f" * 64)
    return MuleModel(n_estimators=10, n_bags=2).fit(features, y, trained_on=origin), features


@pytest.fixture(scope="module")
def stored(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("model") / "m"
    fitted()[0].save(folder)
    return folder


@pytest.fixture
def folder(stored: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(stored, tmp_path / "m"))


def content(folder: Path) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in sorted(folder.iterdir())}


def rewrite(folder: Path, **changes: Any) -> None:
    manifest = json.loads((folder / "manifest.json").read_text())
    (folder / "manifest.json").write_text(json.dumps({**manifest, **changes}))


def rewrite_trees(folder: Path, old: str, new: str) -> None:
    """Change the text of the first booster and let the manifest agree."""
    manifest = json.loads((folder / "manifest.json").read_text())
    file = folder / f"trees-{manifest['trees'][0][:16]}.txt"
    text = file.read_text()
    assert old in text
    crafted = text.replace(old, new, 1).encode()
    digest = hashlib.sha256(crafted).hexdigest()
    (folder / f"trees-{digest[:16]}.txt").write_bytes(crafted)
    rewrite(folder, trees=[digest, *manifest["trees"][1:]])


def test_what_is_read_back_scores_and_explains_alike(stored: Path) -> None:
    model, features = fitted()
    read = load_model(stored)
    np.testing.assert_array_equal(read.predict_proba(features), model.predict_proba(features))
    assert read.explain(features[:3]) == model.explain(features[:3])
    assert read.get_params() == model.get_params()
    assert read.trained_on_ == model.trained_on_
    assert read.notes_ == model.notes_


def test_the_same_training_gives_the_same_bytes(stored: Path, tmp_path: Path) -> None:
    fitted()[0].save(tmp_path / "again")
    assert content(tmp_path / "again") == content(stored)
    load_model(stored).save(tmp_path / "read")
    assert content(tmp_path / "read") == content(stored)


def test_a_new_model_replaces_the_old_one_and_nothing_else(folder: Path) -> None:
    (folder / "notes.txt").write_text("mine")
    model, features = fitted(seed=1)
    model.save(folder)
    np.testing.assert_array_equal(load_model(folder).decision_function(features), model.decision_function(features))
    assert (folder / "notes.txt").read_text() == "mine"
    assert len(list(folder.iterdir())) == 1 + 2 + 1 + 2  # manifest, trees, notes, card


def test_a_write_that_breaks_off_leaves_the_old_model(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = load_model(folder).texts_
    real = os.replace

    def replace(old: str, new: Path) -> None:
        if Path(new).name == "manifest.json":
            raise OSError(28, "No space left on device")
        real(old, new)

    monkeypatch.setattr("os.replace", replace)
    with pytest.raises(ModelError, match="cannot be written"):
        fitted(seed=1)[0].save(folder)
    assert load_model(folder).texts_ == before
    assert not list(folder.glob(".*"))


def test_the_manifest_says_what_the_model_is_and_holds_no_time_of_writing(stored: Path) -> None:
    manifest = json.loads((stored / "manifest.json").read_text())
    assert manifest["trained_on"]["target"] == "ever"
    assert manifest["features"][0] == {
        "name": NAMES[0], "column": "pass_through", "parameters": {"window": "24h"}
    }  # fmt: skip
    assert manifest["features"][2] == {"name": "of_my_own"}
    assert set(manifest["versions"]) == {"python", "numpy", "lightgbm", "muledetect"}


def test_a_missing_folder_manifest_or_tree_file_is_named(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="there is no folder 'nowhere'"):
        load_model(tmp_path / "nowhere")
    tree = next(folder.glob("trees-*.txt"))
    tree.unlink()
    with pytest.raises(ModelError, match=r"trees-.* is missing"):
        load_model(folder)
    (folder / "manifest.json").unlink()
    with pytest.raises(ModelError, match=r"'manifest.json' is missing"):
        load_model(folder)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"format": 99}, "format 99"),
        ({"versions": {"lightgbm": "3.3.5"}}, r"LightGBM 3\.3\.5"),
        ({"features": [{"name": "gone__window_7d", "column": "gone", "parameters": {}}]}, "needs feature"),
        ({"features": []}, "no features"),
        ({"features": "abc"}, "wrong type"),
        ({"parameters": {"n_estimators": 10, "open": "/etc/passwd"}}, "unknown parameters"),
        ({"config_hash": "0"}, "config_hash"),
        ({"calibrator": {"kind": "logistic", "slope": -1, "intercept": 0}}, "rising curve"),
        ({"calibrator": {"kind": "isotonic", "knots": [[0, 0.5], [1, 0.2]]}}, "rising curve"),
        ({"calibrator": {"kind": "code"}}, "cannot be read"),
        ({"peers": {"median": [0], "p99": [0]}}, "'peers' has 1 values"),
        ({"classes": [1]}, "two values"),
        ({"trees": ["../../etc/passwd"]}, "sha256 sums"),
        ({"trees": []}, "sha256 sums"),
        ({"trees": 5}, "wrong type"),
        ({"trained_on": {"run": "me"}}, "wrong type"),
    ],
)
def test_a_manifest_that_was_tampered_with_is_refused(folder: Path, changes: dict[str, Any], message: str) -> None:
    rewrite(folder, **changes)
    with pytest.raises(ModelError, match=message):
        load_model(folder)


@pytest.mark.parametrize("text", ["", "{", "[1]", "null", "[" * 100_000])
def test_a_manifest_that_is_none_is_refused(folder: Path, text: str) -> None:
    (folder / "manifest.json").write_text(text)
    with pytest.raises(ModelError, match="manifest"):
        load_model(folder)


def test_trees_that_were_changed_are_refused(folder: Path) -> None:
    tree = next(folder.glob("trees-*.txt"))
    tree.write_text(tree.read_text().replace("leaf_value=", "leaf_value= ", 1))
    with pytest.raises(ModelError, match="sha256 differs"):
        load_model(folder)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("num_class=1", "num_class=2"),
        ("max_feature_idx=2", "max_feature_idx=9"),
        ("num_leaves=", "num_leaves=9"),
        ("split_feature=", "split_feature=7 "),
        ("left_child=", "left_child=900 "),
        ("num_cat=0", "num_cat=1"),
        ("is_linear=0", "is_linear=1"),
        ("tree_sizes=", "tree_sizes=9"),
        ("end of trees", "end"),
        ("threshold=", "threshold=nan "),
    ],
)
def test_crafted_trees_are_refused_before_lightgbm_reads_them(folder: Path, old: str, new: str) -> None:
    rewrite_trees(folder, old, new)
    with pytest.raises(ModelError, match="trees: the text is damaged"):
        load_model(folder)


def test_a_link_that_leads_out_of_the_folder_is_not_followed(folder: Path, tmp_path: Path) -> None:
    tree = next(folder.glob("trees-*.txt"))
    tree.rename(tmp_path / "outside.txt")
    tree.symlink_to(tmp_path / "outside.txt")
    with pytest.raises(ModelError, match="no plain file"):
        load_model(folder)
