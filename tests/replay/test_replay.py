"""A replay end to end: in this process and through HTTP the same, and nothing of the future in it."""

from __future__ import annotations

import json
import weakref
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pytest
from small_world import SCORED_AT, TRAINED_AT, small_model, small_world

from muledetect.errors import ModelError, OptionError, OutputError
from muledetect.live import LiveScorer
from muledetect.model import MuleModel
from muledetect.pipeline import train
from muledetect.records import Dataset
from muledetect.replay import Found, replay, run

pytestmark = pytest.mark.slow

MIDDLE, END = "2025-03-02", "2025-03-03"
#: Whatever is a little suspicious is delayed, so that there is something to count.
RULES = {
    "currency": "",
    "rules": [
        {"name": "any", "when": {"kind": "tier", "side": "payee", "tier": "watch"}, "action": "delay",
         "hold_for": "24h", "text": "t", "source": "s", "choice": "c"},
        {"name": "traced", "when": {"kind": "traced"}, "action": "hold", "hold_for": "24h", "text": "t", "source": "s",
         "choice": "c"},
    ],
}  # fmt: skip


@cache
def live_model() -> MuleModel:
    return train(small_world(), TRAINED_AT, target="ever", model=small_model(1), live=True)


@pytest.fixture(scope="module")
def rules(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("rules") / "rules.json"
    path.write_text(json.dumps(RULES))
    return path


@pytest.fixture(scope="module")
def found(rules: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Found, Path]:
    folder = tmp_path_factory.mktemp("replay") / "replay"
    return replay(small_world(), live_model(), begin=SCORED_AT, end=END, policy=rules, output=folder), folder


def test_what_is_held_is_split_into_stolen_and_innocent(found: tuple[Found, Path]) -> None:
    tables, figures = found[0]
    decisions = tables["decisions"].to_pylist()
    assert {row["subject"] for row in decisions} == {"transfer", "complaint"}
    for row in decisions:
        assert row["stolen"] + row["innocent"] == row["amount"]
        assert 0 <= row["saved"] <= row["stolen"]
        assert (row["until"] - row["time"]).total_seconds() == pytest.approx(86_400, abs=1e-3)
    assert figures["saved"] == sum(row["saved"] for row in decisions) > 0
    assert figures["innocent_held"] == sum(row["innocent"] for row in decisions)
    assert figures["saved"] == pc.sum(tables["cases"]["saved"]).as_py() <= figures["at_stake"]
    assert all(row["saved"] <= row["at_stake"] for row in tables["cases"].to_pylist())
    assert pc.sum(tables["layers"]["saved"]).as_py() == figures["saved"]
    assert figures["n_detected"] == sum(tables["accounts"]["is_detected"].to_pylist()) > 0


def test_time_to_detect_runs_from_the_first_stolen_credit(found: tuple[Found, Path]) -> None:
    tables = found[0].tables
    decided: dict[str, list] = {}
    for row in tables["decisions"].to_pylist():
        decided.setdefault(row["account_id"], []).append(row["time"])
    for row in tables["accounts"].to_pylist():
        later = [time for time in decided.get(row["account_id"], []) if time >= row["first_credit"]]
        assert row["seen_at"] == (min(later) if later else None)
        if later:
            assert row["seconds"] == (min(later) - row["first_credit"]).total_seconds()


def test_the_folder_holds_the_tables_and_is_not_replaced_once_changed(found: tuple[Found, Path], rules: Path) -> None:
    result, folder = found
    assert {path.name for path in folder.glob("[!.]*")} == {
        "replay.json",
        *(f"{name}.parquet" for name in result.tables),
    }
    assert json.loads((folder / "replay.json").read_text())["n_transfers"] == result.figures["n_transfers"]
    (folder / "replay.json").write_text("{}")
    with pytest.raises(OutputError):
        replay(small_world(), live_model(), begin=SCORED_AT, end=END, policy=rules, output=folder)


def test_what_came_later_changes_no_decision(found: tuple[Found, Path], rules: Path) -> None:
    short = replay(small_world(), live_model(), begin=SCORED_AT, end=MIDDLE, policy=rules).tables["decisions"]
    whole = found[0].tables["decisions"]
    assert 0 < len(short) < len(whole)
    assert short.equals(whole.slice(0, len(short)))


def test_without_a_truth_nothing_is_called_stolen(rules: Path) -> None:
    world: Mapping[str, pa.Table] = {n: t for n, t in small_world().items() if not n.startswith("truth_")}
    tables, figures = replay(world, live_model(), begin=SCORED_AT, end=MIDDLE, policy=rules)
    assert set(tables) == {"decisions", "actions"}
    assert "stolen" not in tables["decisions"].column_names
    assert "saved" not in figures


def test_an_empty_time_and_a_model_of_other_columns_are_refused() -> None:
    with pytest.raises(OptionError, match="--from"):
        replay(small_world(), live_model(), begin="2026-01-01")
    other = train(small_world(), TRAINED_AT, target="ever", model=small_model(1), neighbours=False)
    with pytest.raises(ModelError, match="live"):
        replay(small_world(), other, begin=SCORED_AT)


def test_what_the_scorer_begins_with_is_handed_over(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    drain = {"kind": "drain", "balance": 1_000, "share": 0.5, "within": "24h"}
    rule = {
        "name": "drain",
        "when": drain,
        "action": "delay",
        "hold_for": "24h",
        "text": "",
        "source": "",
        "choice": "",
    }
    (tmp_path / "rules.json").write_text(json.dumps({"currency": "THB", "rules": [rule]}))
    handed = list[weakref.ref[Dataset]]()

    def scorer(model: MuleModel, records: Callable[[], Dataset]) -> LiveScorer:
        def told() -> Dataset:
            taken = records()
            handed.append(weakref.ref(taken))
            return taken

        made = LiveScorer(model, told)
        assert handed[0]() is None
        return made

    monkeypatch.setattr(run, "LiveScorer", scorer)
    found = replay(small_world(), live_model(), begin=SCORED_AT, end=MIDDLE, policy=tmp_path / "rules.json")
    assert len(handed) == 1
    assert "drain" in found.tables["actions"]["rule"].to_pylist()
