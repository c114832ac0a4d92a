from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from muledetect.errors import ModelError
from muledetect.model import MuleModel, load_model, trees
from muledetect.model.fitted import TrainedOn
from muledetect.model.loading import PLACES
from muledetect.model.second_stage import is_suspicion
from muledetect.model.tree_text import MOST_DEPTH, rewrite_trees
from muledetect.outputs import MANIFEST

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
    """Change the manifest and let `config_hash` agree."""
    manifest = {**json.loads((folder / "manifest.json").read_text()), **changes}
    if "config_hash" not in changes and isinstance(manifest["features"], list):
        names = [entry["name"] for entry in manifest["features"]]
        used = {name: value for name, value in manifest["parameters"].items() if name != "n_jobs"}
        manifest["config_hash"] = hashlib.sha256(json.dumps([used, names], sort_keys=True).encode()).hexdigest()
    (folder / "manifest.json").write_text(json.dumps(manifest))


def set_inside(folder: Path, path: str, value: Any) -> None:
    """Put a value at a dotted path of the manifest, whose first part is a key."""
    first, *rest = path.split(".")
    manifest = json.loads((folder / "manifest.json").read_text())
    holder, last = manifest, first
    for key in rest:
        holder = holder[int(last) if isinstance(holder, list) else last]
        last = key
    holder[int(last) if isinstance(holder, list) else last] = value
    rewrite(folder, **{first: manifest[first]})


def trees_of(folder: Path) -> str:
    """Return the text of the first booster."""
    manifest = json.loads((folder / "manifest.json").read_text())
    return (folder / f"trees-{manifest['trees'][0][:16]}.txt").read_text()


def set_trees(folder: Path, text: str, *, sizes: bool = True) -> None:
    """Put another text for the first booster, with right sizes, and let the manifest agree."""
    if sizes:
        body = text[text.index("\n\n") + 2 : text.index("end of trees")]
        lengths = " ".join(str(len(block) + 3) for block in body.split("\n\n\n")[:-1])
        text = re.sub("(?m)^tree_sizes=.*$", f"tree_sizes={lengths}", text)
    crafted = text.encode()
    digest = hashlib.sha256(crafted).hexdigest()
    (folder / f"trees-{digest[:16]}.txt").write_bytes(crafted)
    manifest = json.loads((folder / "manifest.json").read_text())
    rewrite(folder, trees=[digest, *manifest["trees"][1:]])


def change_trees(folder: Path, pattern: str, new: str, *, sizes: bool = True) -> None:
    """Replace what a pattern finds first in the text of the first booster."""
    text = trees_of(folder)
    changed = re.sub(f"(?m){pattern}", new, text, count=1)
    assert changed != text
    set_trees(folder, changed, sizes=sizes)


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
    assert len(list(folder.iterdir())) == 2 + 2 + 1 + 2  # manifests, trees, notes, card


def test_a_write_that_breaks_off_leaves_the_old_model(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = load_model(folder).texts_
    real = Path.write_bytes

    def write_bytes(path: Path, content: bytes) -> int:
        if path.name == "manifest.json":
            raise OSError(28, "No space left on device")
        return real(path, content)

    monkeypatch.setattr(Path, "write_bytes", write_bytes)
    with pytest.raises(ModelError, match="cannot be written"):
        fitted(seed=1)[0].save(folder)
    assert load_model(folder).texts_ == before
    assert [path.name for path in folder.glob(".*")] == [MANIFEST]
    assert list(folder.parent.iterdir()) == [folder]


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


NUMBER = "-?[0-9.e+-]+"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"format": 99}, "format 99"),
        ({"format": True}, "format true"),
        ({"versions": {"lightgbm": "3.3.5", "python": "", "numpy": "", "muledetect": ""}}, r"LightGBM '3\.3\.5'"),
        ({"versions": {}}, "'versions' lacks keys"),
        ({"features": [{"name": "gone__window_7d", "column": "gone", "parameters": {}}] * 3}, "features twice"),
        ({"features": []}, "'features' must be a list of 1 to"),
        ({"features": "abc"}, "'features' must be a list of 1 to .*; got a text of 3 characters"),
        ({"n_jobs": 1_000_000}, r"it has unknown keys \('n_jobs'\)"),
        ({"config_hash": "0"}, "'config_hash' must be a sha256 sum"),
        ({"config_hash": "0" * 64}, "'config_hash' does not fit"),
        (
            {"calibrator": {"kind": "logistic", "slope": -1, "intercept": 0}},
            "'calibrator.slope' must be a number from 0",
        ),
        ({"calibrator": {"kind": "logistic", "slope": 0, "intercept": 0}}, "rising curve"),
        ({"calibrator": {"kind": "isotonic", "knots": [[0, 0.5], [1, 0.2]]}}, "rising curve"),
        ({"calibrator": {"kind": "isotonic", "knots": [[0, 0.1], [0, 0.9]]}}, "rising curve"),
        (
            {"calibrator": {"kind": "isotonic", "knots": [["0", 0.1], [1, 0.9]]}},
            r"'calibrator.knots\[0\]\[0\]' must be",
        ),
        ({"calibrator": {"kind": "code"}}, "'calibrator' lacks keys"),
        ({"calibrator": "shift"}, "'calibrator' must be an object"),
        ({"peers": {"median": [0], "p99": [0]}}, "'peers.median' has 1 values"),
        ({"classes": [1]}, "'classes' must be a list of 2"),
        ({"classes": [1, 0]}, "smaller one first"),
        ({"classes": [0, "1"]}, "two values of one type"),
        ({"trees": ["../../etc/passwd"]}, "sha256 sum"),
        ({"trees": []}, "'trees' must be a list of 1 to"),
        ({"trees": ["0" * 64]}, "'trees' names 1 files, and 'parameters.n_bags' is 2"),
        ({"trees": 5}, "'trees' must be a list of 1 to"),
        ({"trained_on": {"run": "me"}}, "'trained_on' lacks keys"),
        ({"trained_on": None}, "'trained_on' must be an object with 9 keys; got null"),
        ({"n_positives": 10**6}, "'n_positives' is larger than 'n_rows'"),
        ({"notes": [{}]}, r"'notes\[0\]' must be a text"),
        ({"held_out": {"recall": "1"}}, "'held_out.recall' must be a number"),
        ({"clear_thresholds": [None]}, r"'clear_thresholds\[0\]' must be an object"),
        ({"class_prior": {"is_bound": False}}, "'class_prior' lacks keys"),
        ({"fairness": [{"part": []}]}, r"'fairness\[0\].part' must be a text, a number"),
        ({"leakage": "none"}, "'leakage' must be a list"),
        ({"training_as_of": [2**64]}, "a whole number of 20 digits does not fit"),
        ({"training_as_of": [1.5]}, r"'training_as_of\[0\]' must be a whole number"),
        ({"has_feature_names": 1}, "'has_feature_names' must be true or false; got 1"),
        ({"has_feature_names": False}, "'has_feature_names' is false"),
    ],
)
def test_a_manifest_that_was_tampered_with_is_refused(folder: Path, changes: dict[str, Any], message: str) -> None:
    rewrite(folder, **changes)
    with pytest.raises(ModelError, match=rf"^manifest: .*{message}.*\. (Restore|Train|Install)"):
        load_model(folder)


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        ("parameters.n_jobs", 1_000_000, "unknown keys"),
        ("parameters.open", "/etc/passwd", "unknown keys"),
        ("parameters.n_estimators", "10", "n_estimators must be a whole number from 1"),
        ("parameters.n_bags", 10**9, "n_bags must be a whole number from 1 to 100"),
        ("parameters.learning_rate", [0.1], "learning_rate must be a number above 0"),
        ("parameters.max_duration", "9" * 5_000 + "d", "max_duration must be a duration"),
        ("parameters.max_duration", "soon", "Write a number and a unit"),
        ("parameters.monotone", 1, "monotone must be True or False"),
        ("parameters.positive_weight", {"sqrt": 1}, "positive_weight must be None"),
        ("trained_on.currency", "XYZ", "code of ISO 4217"),
        ("trained_on.tick", "1", "'trained_on.tick' must be a whole number"),
        ("trained_on.target", 5, "'trained_on.target' must be a text"),
        ("trained_on.unlabelled", "positive", "'trained_on.unlabelled' must be one of"),
        ("features.0.name", 5, r"'features\[0\].name' must be a text"),
        ("features.0.column", "out_amount", "name and parameters"),
        ("features.0.parameters.window", "7d", "name and parameters"),
        ("features.0", {"name": "gone__window_7d", "column": "gone", "parameters": {}}, "needs feature"),
        ("features.2.name", "x" * 10**6, "at most 10,000 characters; got a text of 1,000,000"),
        ("peers.p99.0", "1", r"'peers.p99\[0\]' must be a number"),
        ("clear_thresholds.0.share", True, "must be a number above 0 and below 1; got true"),
        ("clear_thresholds.0.n_groups", -1, "must be a whole number"),
        ("clear_thresholds.0.score", 1e300, "must be a number from"),
    ],
)
def test_a_wrong_value_inside_the_manifest_is_named(folder: Path, path: str, value: Any, message: str) -> None:
    set_inside(folder, path, value)
    with pytest.raises(ModelError, match=rf"^manifest: .*{message}"):
        load_model(folder)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "no JSON"),
        (b"{", "no JSON"),
        (b"[1]", "format a list of 1"),
        (b"null", "format null"),
        (b"[" * 100_000, "nested too deep|no JSON"),
        (b'{"a": 1, "b": 2, "a": 1}', "key 'a' stands twice"),
        (b'{"format": NaN}', "NaN is no finite number"),
        (b'{"format": -Infinity}', "-Infinity is no finite number"),
        (b'{"format": 1e999}', "1e999 is no finite number"),
        (b'{"format": ' + b"9" * 5_000 + b"}", "5,000 digits"),
        (b'{"format": "\\ud800"}', "no text in UTF-8"),
        (b'{"format": "\xff"}', "no text in UTF-8"),
        ('{"format": 3}'.encode("utf-16"), "no text in UTF-8"),
        (b"\xef\xbb\xbf{}", "no JSON"),
        (b'{"format": 3}', "it lacks keys"),
        (b" " * (9 << 20), "larger than the 8,388,608 bytes"),
    ],
)
def test_a_manifest_that_is_none_is_refused(folder: Path, content: bytes, message: str) -> None:
    (folder / "manifest.json").write_bytes(content)
    with pytest.raises(ModelError, match=f"^(manifest|model): .*({message})"):
        load_model(folder)


def test_trees_that_were_changed_are_refused(folder: Path) -> None:
    tree = next(folder.glob("trees-*.txt"))
    tree.write_text(tree.read_text().replace("leaf_value=", "leaf_value= ", 1))
    with pytest.raises(ModelError, match="sha256 differs"):
        load_model(folder)


@pytest.mark.parametrize(
    ("pattern", "new", "message"),
    [
        ("num_class=1", "num_class=2", "line 3 must be 'num_class=1'; got 'num_class=2'"),
        ("max_feature_idx=2", "max_feature_idx=9", "line 6 must be 'max_feature_idx=2'"),
        ("sigmoid:1", "sigmoid:-1", "line 7 must be 'objective=binary sigmoid:1'"),
        ("Column_1", "Column_0", "line 8 must be"),
        (
            "^feature_infos=",
            "monotone_constraints=0 0\nfeature_infos=",
            "'monotone_constraints' must have length 3; got 2",
        ),
        (
            "^feature_infos=",
            "monotone_constraints=0 9 0\nfeature_infos=",
            "'monotone_constraints' must lie between -1 and 1",
        ),
        ("^feature_infos=.*$", "feature_infos=[0:1] 0:1:2 [0:1]", "'feature_infos' must hold ranges"),
        ("^feature_infos=.*$", "feature_infos=[0:1] [2:1] [0:1]", "must not end before it begins"),
        ("^num_leaves=.*$", "num_leaves=9999", "'num_leaves' must lie between 1 and 4096"),
        ("^num_leaves=.*$", "num_leaves=1", "'split_feature' must have length 0"),
        ("^num_cat=0", "num_cat=1", "'num_cat' must lie between 0 and 0"),
        ("^is_linear=0", "is_linear=1", "'is_linear' must lie between 0 and 0"),
        (f"^split_feature={NUMBER}", "split_feature=7", "'split_feature' must lie between 0 and 2; got '7'"),
        (f"^split_feature={NUMBER}", "split_feature=-1", "'split_feature' must lie between 0 and"),
        (f"^left_child={NUMBER}", "left_child=900", "must name each node and leaf exactly once"),
        ("^left_child=.*$", "left_child=0 0 0", "'left_child' must have length"),
        (f"^threshold={NUMBER}", "threshold=nan", "'threshold' must hold numbers"),
        (f"^threshold={NUMBER}", "threshold=-inf", "'threshold' must lie between"),
        (f"^decision_type={NUMBER}", "decision_type=1", "'decision_type' must lie between 2 and 10; got '1'"),
        (f"^decision_type={NUMBER}", "decision_type=3", "'decision_type' must hold 2, 8, 10 only"),
        (f"^leaf_value={NUMBER}", "leaf_value=inf", "'leaf_value' must lie between"),
        (f"^leaf_value={NUMBER}", "leaf_value=1e999", "'leaf_value' must lie between"),
        (f"^leaf_value={NUMBER}", "leaf_value=\u0661", "a byte that no model has"),
        (f"^leaf_value={NUMBER}", "leaf_value=1_0", "'leaf_value' must hold numbers"),
        (f"^leaf_weight={NUMBER} ", "leaf_weight=", "'leaf_weight' must have length"),
        (f"^leaf_weight={NUMBER}", "leaf_weight=-1", "'leaf_weight' must lie between 0"),
        (f"^leaf_count={NUMBER}", "leaf_count=0", "'leaf_count' must be at least 1"),
        (f"^internal_count={NUMBER}", "internal_count=1", "'internal_count' of node 0 must be the sum"),
        ("^internal_count=.*$", "internal_count=", "'internal_count' must have length"),
        ("^shrinkage=.*$", "shrinkage=nan", "'shrinkage' must hold numbers"),
        ("^shrinkage=.*$", "shrinkage=1e30", "'shrinkage' must lie between"),
        ("^shrinkage=.*$", "shrinkage=", "'shrinkage' must have length 1; got 0"),
        ("^num_cat=0$", "num_cat=0\nnum_cat=0", "must be 'Tree=0' and 16 lines; got 18 lines"),
        ("^(num_cat=0)\n(split_feature=.*)$", r"\2\n\1", "a line must begin with 'num_cat='"),
        ("Tree=1\n", "Tree=5\n", "tree 1 must be 'Tree=1'"),
        ("^end of trees$", "end", "'end of trees' must follow the last"),
        (r"pandas_categorical:null", "pandas_categorical:[[1]]", "what follows 'end of trees' does not fit"),
        (r"pandas_categorical:null", "pandas_categorical:{", "what follows 'end of trees' does not fit"),
        (r"^feature_importances:$", "feature_importances:\nColumn_0=1", "what follows 'end of trees'"),
        (r"\Z", "\nparameters:\n[num_threads: 1000000]\n\nend of parameters\n", "what follows 'end of trees'"),
        (r"\n\Z", "", "what follows 'end of trees'"),
    ],
)
def test_crafted_trees_are_refused_before_lightgbm_reads_them(
    folder: Path, pattern: str, new: str, message: str
) -> None:
    change_trees(folder, pattern, new, sizes="end of trees" not in pattern)
    with pytest.raises(ModelError, match=rf"(?s)^trees: .*{message}.*\. Restore the folder"):
        load_model(folder)


def test_sizes_that_do_not_fit_the_trees_are_refused(folder: Path) -> None:
    change_trees(folder, "tree_sizes=", "tree_sizes=9", sizes=False)
    with pytest.raises(ModelError, match="'tree_sizes' does not fit its 10 trees"):
        load_model(folder)


@pytest.mark.parametrize(
    "between", ["\n", "\n\n", "\r", "\r\n", "\x0b", "\x0c", "\x1c", "\x1d", "\x85", "\u2028", "\u2029", "\0"]
)
@pytest.mark.parametrize("order", ["bad first", "good first"])
def test_a_second_copy_of_a_line_is_refused_whatever_parts_the_two(folder: Path, between: str, order: str) -> None:
    good = re.search("(?m)^left_child=.*$", trees_of(folder))
    assert good is not None
    bad = "left_child=" + " ".join(["1000000"] * (good[0].count(" ") + 1))
    pair = (bad, good[0]) if order == "bad first" else (good[0], bad)
    set_trees(folder, trees_of(folder).replace(good[0], between.join(pair), 1))
    with pytest.raises(ModelError, match=r"^trees: "):
        load_model(folder)


@pytest.mark.parametrize(
    ("left", "right"),
    [("0 -2", "-1 -3"), ("1 0", "-1 -3"), ("1 1", "-1 -3"), ("-1 -2", "-1 -3"), ("-1 -2", "-2 -3"), ("1 -2", "-1 -2")],
)
def test_children_that_make_no_tree_are_refused(folder: Path, left: str, right: str) -> None:
    tree = (
        "Tree=0\nnum_leaves=3\nnum_cat=0\nsplit_feature=0 1\nsplit_gain=2 1\nthreshold=0.5 0.5\ndecision_type=2 2\n"
        f"left_child={left}\nright_child={right}\nleaf_value=1 2 3\nleaf_weight=1 1 1\nleaf_count=1 1 1\n"
        "internal_value=0 0\ninternal_weight=3 2\ninternal_count=3 2\nis_linear=0\nshrinkage=1\n\n\n"
    )
    head, end = trees_of(folder).partition("\n\n")[0], "end of trees\n\nfeature_importances:\n"
    tail = "Column_0=1\nColumn_1=1\n\npandas_categorical:null\n"
    set_trees(folder, f"{head}\n\n{tree}{end}{tail}")
    with pytest.raises(ModelError, match=r"must name each node and leaf exactly once|must stand after its node"):
        load_model(folder)
    right_tree = tree.replace(f"left_child={left}", "left_child=1 -2").replace(
        f"right_child={right}", "right_child=-1 -3"
    )
    set_trees(folder, f"{head}\n\n{right_tree}{end}{tail}")
    assert load_model(folder).boosters_[0].predict(np.zeros((1, 3)), raw_score=True) == [2.0]


def test_leaves_that_add_up_to_no_sane_score_are_refused(folder: Path) -> None:
    text = re.sub(f"(?m)^leaf_value={NUMBER}", "leaf_value=400000", trees_of(folder))
    set_trees(folder, text)
    with pytest.raises(ModelError, match=r"scores of .*; a score must lie within 1,000,000 of 0"):
        load_model(folder)


def test_no_text_of_a_file_reaches_lightgbm_but_one_written_from_its_numbers(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    given: list[str] = []
    real = trees.open_booster
    monkeypatch.setattr(trees, "open_booster", lambda text: given.append(text) or real(text))
    change_trees(folder, "^shrinkage=1$", "shrinkage=01.0e+00")  # the same number in other signs
    model = load_model(folder)
    assert "shrinkage=01.0e+00" in trees_of(folder)
    assert given == model.texts_ == fitted()[0].texts_


def options_of(seed: int) -> dict[str, Any]:
    """Return parameters that differ in every respect that shows in the text of trees."""
    return [
        {}, {"monotone": True}, {"positive_weight": "balanced"}, {"learning_rate": 1.0, "reg_lambda": 0.0},
        {"num_leaves": 63, "min_child_samples": 1}, {"min_child_samples": 10_000}, {"max_bin": 3, "subsample": 0.3},
    ][seed]  # fmt: skip


@pytest.mark.parametrize("seed", range(7))
def test_trees_of_any_honest_training_are_written_anew_with_the_same_bytes(seed: int, tmp_path: Path) -> None:
    rng = np.random.default_rng(seed)
    values = rng.normal(size=(400, 5)) * 10.0 ** rng.integers(-20, 20, 5)
    values[:, 1] = np.where(rng.random(400) < 0.5, np.nan, 1)  # a threshold of infinity
    values[:, 2], values[:, 3] = 7, 0  # no split; no range
    values[rng.random(400) < 0.2, 0] = 0
    features = pd.DataFrame(values, columns=["listed_share__window_30d", "account_age", *"abc"]).astype(np.float32)
    y = (np.isnan(values[:, 1]) ^ (rng.random(400) < 0.2)).astype(float)
    model = MuleModel(n_estimators=20, n_bags=2, **options_of(seed))
    model.fit(features, y, sample_weight=rng.random(400) + 0.1)
    for text in model.texts_:
        assert rewrite_trees(text, 5) == text
    model.save(tmp_path / "m")
    read = load_model(tmp_path / "m")
    assert read.texts_ == model.texts_
    np.testing.assert_array_equal(read.decision_function(features), model.decision_function(features))
    np.testing.assert_array_equal(read.predict_proba(features), model.predict_proba(features))
    assert read.explain(features[:2]) == model.explain(features[:2])


@pytest.mark.parametrize("labels", [[0, 1], [0.0, 1.0], [False, True], ["mule", "none"], [-1, 7]])
@pytest.mark.parametrize("names", [["a" * 2_000, "b"], None])
def test_whatever_can_be_trained_can_be_saved_and_loaded(
    labels: list[Any], names: list[str] | None, tmp_path: Path
) -> None:
    values = np.random.default_rng(0).normal(size=(120, 2))
    y = np.array(labels)[(values[:, 0] > 0).astype(int)]
    features = values if names is None else pd.DataFrame(values, columns=names)
    model = MuleModel(n_estimators=3, n_bags=1, early_stopping=np.True_).fit(features, y, as_of=np.arange(120) % 3 - 1)
    model.save(tmp_path / "m")
    read = load_model(tmp_path / "m")
    assert read.classes_.tolist() == model.classes_.tolist()
    assert read.training_as_of_ == (-1, 0, 1)
    np.testing.assert_array_equal(read.predict(features), model.predict(features))


@pytest.mark.parametrize("name", ["second", "day"])
def test_starter_models_are_written_anew_with_the_same_bytes(name: str) -> None:
    is_near = is_suspicion(load_model(PLACES / name).feature_names_in_.tolist())
    manifest = json.loads((PLACES / name / "manifest.json").read_text())
    assert len(list((PLACES / name).glob("trees-*.txt"))) == len([*manifest["trees"], *manifest["second_trees"]])
    for stage, n_columns in (("trees", int((~is_near).sum())), ("second_trees", int(is_near.sum()))):
        assert manifest[stage]
        for digest in manifest[stage]:
            text = (PLACES / name / f"trees-{digest[:16]}.txt").read_text()
            assert rewrite_trees(text, n_columns) == text


def chain(n_splits: int) -> str:
    """Return a tree in which each node has one leaf, and the next node under it."""
    ones = " ".join(["1"] * (n_splits + 1))
    nodes, zeros = range(n_splits), " ".join(["0"] * n_splits)
    left = " ".join(str(node + 1 if node + 1 < n_splits else -n_splits - 1) for node in nodes)
    counts = " ".join(str(n_splits + 1 - node) for node in nodes)
    return (
        f"Tree=0\nnum_leaves={n_splits + 1}\nnum_cat=0\nsplit_feature={zeros}\nsplit_gain={zeros}\nthreshold={zeros}\n"
        f"decision_type={' '.join(['2'] * n_splits)}\nleft_child={left}\n"
        f"right_child={' '.join(str(-node - 1) for node in nodes)}\nleaf_value={ones}\nleaf_weight={ones}\n"
        f"leaf_count={ones}\ninternal_value={zeros}\ninternal_weight={zeros}\ninternal_count={counts}\n"
        "is_linear=0\nshrinkage=1\n\n\n"
    )


def test_a_tree_so_deep_that_reasons_would_never_end_is_refused(folder: Path) -> None:
    head = trees_of(folder).partition("\n\n")[0]
    end = "end of trees\n\nfeature_importances:\n\npandas_categorical:null\n"
    set_trees(folder, f"{head}\n\n{chain(MOST_DEPTH)}{end}")
    added = load_model(folder).boosters_[0].predict(np.zeros((1, 3)), pred_contrib=True)
    assert added.sum() == pytest.approx(1)
    set_trees(folder, f"{head}\n\n{chain(MOST_DEPTH + 1)}{end}")
    with pytest.raises(ModelError, match="tree 0 is more than 256 nodes deep"):
        load_model(folder)


def test_all_trees_of_a_model_together_have_a_bound(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    size = sum(len(text) for text in load_model(folder).texts_)
    monkeypatch.setattr("muledetect.model.store.MOST_SIGNS", size - 1)
    with pytest.raises(ModelError, match=r"'trees-.*' is larger than the .* bytes left for it"):
        load_model(folder)
    monkeypatch.setattr("muledetect.model.trees.MOST_SIGNS", size - 1)
    with pytest.raises(ModelError, match=r"Lower n_estimators, num_leaves or n_bags\."):
        fitted()


def test_training_that_runs_out_of_all_bounds_is_stopped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("muledetect.model.tree_text.MOST_SCORE", 1e-3)
    with pytest.raises(ModelError, match=r"cannot be kept: .* lower learning_rate"):
        fitted()


def test_parameters_in_numbers_of_numpy_are_kept(tmp_path: Path) -> None:
    y = np.arange(40) % 2
    model = MuleModel(n_estimators=np.int64(3), learning_rate=np.float64(0.1), n_bags=1)
    model.fit(y[:, None] + np.zeros((40, 2)), y).save(tmp_path / "m")
    assert load_model(tmp_path / "m").get_params()["n_estimators"] == 3


def test_a_link_or_pipe_in_the_folder_is_not_opened(folder: Path, tmp_path: Path) -> None:
    tree = next(folder.glob("trees-*.txt"))
    tree.rename(tmp_path / "outside.txt")
    tree.symlink_to(tmp_path / "outside.txt")
    with pytest.raises(ModelError, match="no plain file"):
        load_model(folder)
    tree.unlink()
    os.mkfifo(tree)
    with pytest.raises(ModelError, match="no plain file"):
        load_model(folder)
    (folder / "manifest.json").unlink()
    (folder / "manifest.json").mkdir()
    with pytest.raises(ModelError, match="no plain file"):
        load_model(folder)


@pytest.mark.parametrize("name", ["x" * 300, "a\0b"])
def test_a_name_that_no_folder_can_have_is_said_so(name: str) -> None:
    with pytest.raises(ModelError, match=r"cannot be read|there is no folder"):
        load_model(name)
