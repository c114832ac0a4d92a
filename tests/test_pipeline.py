"""The straight line from a folder to scores and rings, end to end on one small simulated bank."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pacsv
import pyarrow.parquet as pq
import pytest
from small_world import (
    SCORED_AT,
    TRAINED_AT,
    known_before,
    permuted,
    renamed,
    small_model,
    small_world,
    with_another_future,
)

from muledetect import convert, pipeline, schema
from muledetect.clock import DAY
from muledetect.errors import DataError, ModelError, OptionError, OutputError
from muledetect.evaluation import measure
from muledetect.facts import Snapshot
from muledetect.features import _extract
from muledetect.graph import build_graph
from muledetect.labels import every_account
from muledetect.model import MuleModel, load_model
from muledetect.model.scores import score_points
from muledetect.model.tiers import TIERS, read_basis
from muledetect.outputs import MANIFEST
from muledetect.records import Dataset, read_dataset, write_tables
from muledetect.rings import RingTables, find_rings

pytestmark = pytest.mark.slow

ACTIVE_AT = ["2025-01-18", "2025-01-23", "2025-01-28"]


@dataclass(frozen=True)
class Run:
    """All that one run of the line gives, and the folder that it wrote."""

    dataset: Dataset
    model: MuleModel
    scores: pa.Table
    rings: RingTables
    folder: Path


def run(source: Any, folder: Path, *, target: Any = "ever", n_jobs: int | None = None) -> Run:
    dataset = read_dataset(source)
    moments = TRAINED_AT if target == "ever" else ACTIVE_AT
    model = pipeline.train(
        dataset, moments, target=target, pack="TH", known_by=TRAINED_AT if target == "ever" else None,
        model=small_model(n_jobs), output=folder / "model",
    )  # fmt: skip
    scores = pipeline.score(dataset, folder / "model", SCORED_AT, n_explained=20, output=folder / "scores.parquet")
    rings = pipeline.find_rings(dataset, folder / "scores.parquet", SCORED_AT, output=folder / "rings")
    return Run(dataset, model, scores, rings, folder)


@pytest.fixture(scope="session")
def first(tmp_path_factory: pytest.TempPathFactory) -> Run:
    folder = tmp_path_factory.mktemp("first")
    write_tables(small_world(), folder / "dataset")
    return run(folder / "dataset", folder / "run")


@pytest.fixture(scope="session")
def active(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return run(small_world(), tmp_path_factory.mktemp("active"), target="active")


def content(folder: Path) -> dict[str, bytes]:
    return {str(file.relative_to(folder)): file.read_bytes() for file in sorted(folder.rglob("*")) if file.is_file()}


def without(world: Mapping[str, pa.Table], *names: str) -> dict[str, pa.Table]:
    return {name: table for name, table in world.items() if name not in names}


def by_account(scores: pa.Table, *names: str) -> dict[str, tuple[Any, ...]]:
    return {row["account_id"]: tuple(row[name] for name in names) for row in scores.to_pylist()}


def test_the_run_is_worth_comparing(first: Run) -> None:
    assert len(first.rings) >= 1
    assert len(pc.unique(first.scores["score"])) > 100
    assert set(content(first.folder)) >= {"scores.parquet", "rings/rings.parquet", "model/manifest.json"}


@pytest.mark.parametrize("variant", ["again", "permuted", "split", "csv", "one thread"])
def test_the_same_input_gives_the_same_bytes(variant: str, first: Run, tmp_path: Path) -> None:
    source: Any = small_world()
    if variant == "permuted":
        source = permuted(source)
    elif variant == "split":
        source = tmp_path / "dataset"
        for name, table in permuted(small_world(), seed=1).items():
            (source / name).mkdir(parents=True)
            for part, start in enumerate(range(0, len(table), len(table) // 3 + 1)):
                pq.write_table(table.slice(start, len(table) // 3 + 1), source / name / f"part-{part}.parquet")
    elif variant == "csv":
        source = tmp_path / "dataset"
        source.mkdir()
        for name, table in small_world().items():
            pacsv.write_csv(table, source / f"{name}.csv")
    again = run(source, tmp_path / "run", n_jobs=1 if variant == "one thread" else None)
    assert content(again.folder) == content(first.folder)


@pytest.mark.parametrize("threads", [1, 2])
def test_neither_threads_nor_shards_change_a_score(threads: int, first: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_extract, "SHARD_TRANSFERS", 700)
    points = every_account(first.dataset, SCORED_AT)
    scores = score_points(
        first.model, first.dataset, build_graph(first.dataset), points, n_explained=20, threads=threads
    )
    assert scores.equals(first.scores)


def test_a_score_from_the_model_itself_equals_one_from_its_folder(first: Run) -> None:
    assert pipeline.score(first.dataset, first.model, SCORED_AT, n_explained=20).equals(first.scores)
    assert pq.read_table(first.folder / "scores.parquet").equals(first.scores)


@pytest.mark.parametrize("change", [known_before, with_another_future])
def test_what_happens_after_as_of_changes_no_score_and_no_ring(change: Any, first: Run, tmp_path: Path) -> None:
    dataset = read_dataset(change(small_world(), SCORED_AT))
    assert dataset.fingerprint != first.dataset.fingerprint
    scores = pipeline.score(dataset, first.model, SCORED_AT, n_explained=20)
    assert scores.equals(first.scores)
    pipeline.find_rings(dataset, scores, SCORED_AT, output=tmp_path)
    assert content(tmp_path) == content(first.folder / "rings")


@pytest.mark.parametrize("change", [known_before, with_another_future])
def test_training_on_what_was_known_learns_nothing_of_later(change: Any, first: Run) -> None:
    changed = change(small_world(), TRAINED_AT)
    # what is known at the very moment of known_by counts, and nothing of the world falls on it
    model = pipeline.train(
        read_dataset(changed), TRAINED_AT, target="ever", pack="TH", known_by=TRAINED_AT, model=small_model()
    )
    assert model.texts_ == first.model.texts_
    assert model.calibrator_.to_json() == first.model.calibrator_.to_json()


def test_names_of_accounts_decide_nothing(first: Run, tmp_path: Path) -> None:
    world, new_of = renamed(small_world())
    again = run(world, tmp_path)
    assert again.model.texts_ == first.model.texts_
    wanted = by_account(first.scores, "score", "probability", "rank", "tier")
    found = by_account(again.scores, "score", "probability", "rank", "tier")
    assert found == {new_of[name]: row for name, row in wanted.items()}
    members = {frozenset(new_of[name] for name in ring.members["account_id"].to_pylist()) for ring in first.rings}
    assert {frozenset(ring.members["account_id"].to_pylist()) for ring in again.rings} == members


def test_scores_have_the_columns_of_the_contract(first: Run, active: Run) -> None:
    for made in (first, active):
        assert made.scores.schema.equals(schema.SCORES.arrow_schema)
        assert all(column.null_count == 0 for column in made.scores.columns)
        assert pc.all(pc.is_finite(made.scores["score"])).as_py()
        assert pc.min_max(made.scores["probability"]).as_py()["min"] >= 0
        assert pc.min_max(made.scores["probability"]).as_py()["max"] <= 1
        for name, table in made.rings.tables.items():
            assert table.schema.equals(schema.OUTPUTS[name].arrow_schema)


def test_equal_scores_share_a_rank_and_lie_in_the_order_of_ids(first: Run) -> None:
    scores = np.array(first.scores["score"])
    assert first.scores["rank"].to_pylist() == [1 + int((scores > score).sum()) for score in scores]
    keys = list(zip(-scores, first.scores["account_id"].to_pylist(), strict=True))
    assert keys == sorted(keys)
    assert len(set(scores)) < len(scores)


def test_a_tier_is_proposed_from_the_probability_alone(first: Run) -> None:
    (suspected, above), (watch, low) = TIERS
    for row in first.scores.to_pylist():
        wanted = suspected if row["probability"] >= above else watch if row["probability"] >= low else "none"
        assert row["tier"] == wanted


def test_reasons_are_given_for_the_rows_that_are_shown_and_for_no_other(first: Run) -> None:
    rows = first.scores.to_pylist()
    assert all(bool(row["reasons"]) == (row["rank"] <= 20) for row in rows)
    shown = [reason for row in rows for reason in row["reasons"]]
    assert {reason["feature"] for reason in shown} <= set(first.model.feature_names_in_)
    for row in rows:
        pulls = [reason["contribution"] for reason in row["reasons"]]
        raising, lowering = [pull for pull in pulls if pull > 0], [pull for pull in pulls if pull < 0]
        assert pulls == sorted(raising, reverse=True) + sorted(lowering)  # what speaks for the account comes last
        assert len(raising) <= 6
        assert len(lowering) <= 2
    assert all(reason["text"] for reason in shown)
    assert {np.sign(reason["contribution"]) for reason in shown} == {1.0, -1.0}
    none = pipeline.score(first.dataset, first.model, SCORED_AT, n_explained=0)
    assert none.drop_columns("reasons").equals(first.scores.drop_columns("reasons"))
    assert not any(none["reasons"].to_pylist())


def test_every_reason_that_raises_a_score_is_shown_by_own_transfers_before_the_moment(
    first: Run, tmp_path: Path
) -> None:
    found = pipeline.explain(first.dataset, first.folder / "scores.parquet", n_transfers=3, output=tmp_path)
    explained = [row for row in first.scores.to_pylist() if row["reasons"]]
    transfers = first.dataset.transfers.to_pandas().set_index("transfer_id")
    raised = {(row["account_id"], r["code"]) for row in explained for r in row["reasons"] if r["contribution"] > 0}
    active = set(transfers["source"]) | set(transfers["target"])
    assert {(p["account_id"], p["code"]) for p in found.key_transfers.to_pylist()} == {
        (account, code) for account, code in raised if account in active
    }
    for proof in found.key_transfers.to_pylist():
        shown = transfers.loc[proof["transfer_id"]]
        assert proof["account_id"] in (shown["source"], shown["target"])
        assert shown["time"] < proof["as_of"]
    assert found.suspicious_periods["account_id"].to_pylist() == [row["account_id"] for row in explained]
    assert all(row["start"] <= row["end"] <= row["as_of"] for row in found.suspicious_periods.to_pylist())
    for name in ("key_transfers", "suspicious_periods"):
        assert pq.read_table(tmp_path / f"{name}.parquet").equals(getattr(found, name))


def test_scores_of_another_data_set_or_without_reasons_cannot_be_explained(first: Run) -> None:
    other = read_dataset(small_world(seed=2))
    with pytest.raises(DataError, match="explained accounts are not in this data set"):
        pipeline.explain(other, first.scores)
    with pytest.raises(DataError, match=r"column\(s\) reasons are missing"):
        pipeline.explain(first.dataset, first.scores.drop_columns("reasons"))


def test_only_the_banks_own_accounts_are_scored(first: Run) -> None:
    accounts = small_world()["accounts"].to_pandas()
    assert not accounts["is_own"].all()
    assert sorted(first.scores["account_id"].to_pylist()) == sorted(accounts["account_id"][accounts["is_own"]])


def test_the_target_active_learns_from_several_moments(active: Run) -> None:
    assert active.model.trained_on_.target == "active"
    seen = {*active.model.training_as_of_, *active.model.calibration_as_of_}
    assert seen == {pd.Timestamp(moment).value // 1000 for moment in ACTIVE_AT}
    assert active.model.n_rows_ > len(every_account(active.dataset, SCORED_AT))


def test_a_model_scores_other_banks_also_without_their_side_tables(active: Run) -> None:
    other = small_world(seed=2)
    whole = pipeline.score(read_dataset(other), active.model, SCORED_AT)
    assert len(whole) == 500
    bare = read_dataset({"transfers": other["transfers"]})
    scores = pipeline.score(bare, active.model, SCORED_AT)
    assert sorted(scores["account_id"].to_pylist()) == bare.account_ids.to_pylist()
    assert pc.all(pc.is_finite(scores["score"])).as_py()


def groups_by_hand(world: Mapping[str, pa.Table]) -> dict[str, set[str]]:
    """Return with each account all that it shares rings and holders with, directly or by others."""
    together: dict[str, set[str]] = {}
    for table, key in (("truth_rings", "ring_id"), ("accounts", "holder_id")):
        for _, rows in world[table].to_pandas().groupby(key):
            joined = set(rows["account_id"]).union(*(together.get(name, set()) for name in rows["account_id"]))
            together.update(dict.fromkeys(joined, joined))
    return together


def test_evaluation_leaves_out_rings_and_persons_seen_in_training(first: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    tested: list[str] = []
    real = measure.baseline_scores

    def spy(train: pa.Table, y: Any, test: pa.Table, **more: Any) -> Mapping[str, np.ndarray]:
        tested.extend(test["account_id"].to_pylist())
        return real(train, y, test, **more)

    monkeypatch.setattr(measure, "baseline_scores", spy)
    result = pipeline.evaluate(first.dataset, first.model, SCORED_AT, use_truth=True, known_by=TRAINED_AT)
    labels = known_before(small_world(), TRAINED_AT)["labels"].to_pandas()
    begun = labels["activity_start"] < pd.Timestamp(TRAINED_AT, tz="UTC")
    mules = set(labels["account_id"][(labels["label"] == "mule") & begun])
    together = groups_by_hand(small_world())
    seen = mules.union(*(together.get(name, set()) for name in mules))
    own = set(first.scores["account_id"].to_pylist())
    assert mules
    assert set(tested) == own - seen
    assert result.notes[-1].startswith(f"{len(own & seen)} accounts")


def test_truth_is_the_target_only_when_asked(first: Run, active: Run, tmp_path: Path) -> None:
    world = small_world()
    # every honest account a ring of its own: by the truth there is no negative left, by the labels nothing changes
    members = world["truth_rings"].select(["ring_id", "account_id"])
    honest = sorted(set(world["accounts"]["account_id"].to_pylist()) - set(members["account_id"].to_pylist()))
    alone = pa.table({"ring_id": [f"alone{name}" for name in honest], "account_id": honest})
    changed = read_dataset({**world, "truth_rings": pa.concat_tables([members, alone])})
    with pytest.raises(DataError, match="0 negatives"):
        pipeline.evaluate(changed, first.model, SCORED_AT, use_truth=True)
    result = pipeline.evaluate(changed, first.model, SCORED_AT, output=tmp_path)
    wanted = pipeline.evaluate(first.dataset, first.model, SCORED_AT, found_rings=first.rings)
    pd.testing.assert_frame_equal(result.table, wanted.table)
    assert result.rings is None
    assert wanted.rings is not None
    with pytest.raises(DataError, match="truth_rings"):
        pipeline.evaluate(read_dataset(without(world, "truth_rings")), first.model, SCORED_AT, use_truth=True)


def test_an_evaluation_writes_what_it_returns(first: Run, tmp_path: Path) -> None:
    result = pipeline.evaluate(
        first.dataset, first.model, SCORED_AT, found_rings=first.rings, use_truth=True, output=tmp_path
    )
    tables = "baselines budget_curve false_positives layers reliability subgroups ties traces typologies".split()
    assert sorted(content(tmp_path)) == sorted([*(f"{name}.parquet" for name in tables), "report.json", MANIFEST])
    report = json.loads((tmp_path / "report.json").read_text())
    assert report["figures"]["brier"] == pytest.approx(result.brier)
    assert report["about"]["as_of"].startswith(SCORED_AT)
    assert report["about"]["data_set"] == first.dataset.fingerprint
    curve = result.tables["budget_curve"]
    assert set(curve["method"]) == set(result.table.index)
    assert (curve.groupby("method")["recall"].apply(lambda rates: np.diff(rates).min()) >= -1e-12).all()
    assert result.rings is not None
    assert report["figures"]["rings_n_found"] == result.rings.n_found == len(first.rings)
    assert {row["part"] for row in report["tables"]["typologies"]} >= {"shape", "role", "recruited_as"}
    assert {row["part"] for row in report["tables"]["subgroups"]} >= {"kind", "age", "birth_decade"}
    assert "victims" in {row["group"] for row in report["tables"]["false_positives"]}
    read = pq.read_table(tmp_path / "baselines.parquet").to_pandas().set_index("method")
    pd.testing.assert_frame_equal(read, result.table)


def test_a_model_of_another_bank_leaves_nobody_out(first: Run) -> None:
    other = read_dataset(small_world())
    bare = read_dataset(
        {
            **without(small_world(), "labels", "truth_rings"),
            "truth_rings": small_world()["truth_rings"].drop_columns(["layer"]),
        }
    )
    found = pipeline.evaluate(bare, first.model, SCORED_AT, use_truth=True, baselines_from=other, known_by=TRAINED_AT)
    own = set(first.scores["account_id"].to_pylist())
    assert found.tables["reliability"]["n"].sum() == len(own)
    assert found.n_positive == len(own & set(small_world()["truth_rings"]["account_id"].to_pylist()))
    assert any("no account of this one is left out" in note for note in found.notes)
    assert len(found.tables["layers"]) == 0
    assert any("No recall by layer" in note for note in found.notes)
    with_layers = pipeline.evaluate(other, first.model, SCORED_AT, use_truth=True, baselines_from=other, budget=0.1)
    assert with_layers.tables["layers"]["n_positive"].sum() == found.n_positive
    assert 0 < with_layers.within_caps["n_alerts"] <= len(own)
    assert not any("No recall by layer" in note for note in with_layers.notes)


def test_time_to_detect_is_measured_at_the_watched_moments(first: Run) -> None:
    watched = ["2025-02-20", "2025-02-25", SCORED_AT]
    found = pipeline.evaluate(first.dataset, first.model, SCORED_AT, use_truth=True, watched=watched, budget=0.05)
    assert 0 < found.detection["n_detected"] <= found.detection["n_accounts"]
    assert 0 <= found.detection["still_in_bank"] <= found.detection["preventable"] <= 1
    over_time = found.tables["calibration_over_time"]
    assert (over_time["n"] > 0).all()
    assert len(over_time) == len(watched)
    bare = read_dataset(without(small_world(), "truth_money"))
    without_money = pipeline.evaluate(bare, first.model, SCORED_AT, watched=watched)
    assert without_money.detection == {}
    assert any("No time to detect" in note for note in without_money.notes)


def test_each_shape_of_ring_is_sought_by_a_model_that_learnt_from_none_of_it(first: Run) -> None:
    found = pipeline.evaluate(first.dataset, first.model, SCORED_AT, use_truth=True, budget=0.1, leave_one_out=True)
    left_out = found.tables["left_out"].set_index("value")
    shapes = found.tables["typologies"].query("part == 'shape' and n_positive > 0")
    assert set(left_out.index) == set(shapes["value"])
    assert ((left_out["recall_unseen"] >= 0) & (left_out["recall_unseen"] <= 1)).all()
    bare = read_dataset(without(small_world(), "truth_rings"))
    with pytest.raises(DataError, match="leaving typologies out"):
        pipeline.evaluate(bare, first.model, SCORED_AT, leave_one_out=True)


def test_likely_victims_of_the_alerted_are_counted(first: Run) -> None:
    found = pipeline.evaluate(first.dataset, first.model, SCORED_AT, use_truth=True, budget=0.1)
    assert found.victims["n_likely"] > 0
    assert 0 <= found.victims["n_alerted"] <= found.victims["n_likely"]
    assert 0 < found.victims["precision"] <= 1
    assert 0 < found.victims["recall"] <= 1


def test_labels_of_one_class_stop_before_features_are_made(first: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("features are made")

    monkeypatch.setattr("muledetect.features.extract_with", refuse)
    monkeypatch.setattr("muledetect.evaluation.measure.extract_with", refuse)
    labels = small_world()["labels"]
    is_mule = pc.equal(labels["label"].cast(pa.string()), "mule")
    honest = read_dataset({**small_world(), "labels": labels.filter(pc.invert(is_mule))})
    with pytest.raises(DataError, match=r"train: .* 0 are mules and [\d,]+ are not; .*a later moment"):
        pipeline.train(honest, SCORED_AT, target="ever", model=small_model())
    mules = read_dataset({**small_world(), "labels": labels.filter(is_mule)})
    with pytest.raises(DataError, match=r"an earlier moment: that an account is not 'active'"):
        pipeline.train(mules, SCORED_AT, model=small_model())
    with pytest.raises(DataError, match=r"evaluate: baselines learn at 1 moment.* know 0 mules .*--baselines-from"):
        pipeline.evaluate(honest, first.model, SCORED_AT)
    with pytest.raises(DataError, match=r"none is left to measure on.*--baselines-at"):
        pipeline.evaluate(first.dataset, first.model, TRAINED_AT, baselines_at=[SCORED_AT])


def test_where_only_mules_are_labelled_probabilities_are_those_of_being_a_mule() -> None:
    world = small_world()
    labels = world["labels"]
    is_mule = pc.equal(labels["label"].cast(pa.string()), "mule")
    dataset = read_dataset({**world, "labels": labels.filter(is_mule)})
    with pytest.raises(DataError, match=r"0 are not; both are needed.*--unlabelled negative"):
        pipeline.train(dataset, SCORED_AT, target="ever", model=small_model())
    model = pipeline.train(dataset, SCORED_AT, target="ever", model=small_model(), unlabelled="negative")
    assert model.n_rows_ == len(every_account(dataset, SCORED_AT))
    found = model.class_prior_
    assert found is not None
    assert found["lower"] <= found["prior"] <= found["upper"]
    score = np.linspace(-6, 3, 50)
    plain = model.calibrator_.probability(score)
    frequency = 1.0 if found["is_bound"] else found["label_frequency"]
    np.testing.assert_allclose(model.probability(score), np.minimum(plain / frequency, 1.0))


def test_the_card_tells_rates_of_groups(first: Run) -> None:
    assert {line["part"] for line in first.model.fairness_} >= {"kind", "age"}
    assert all(line["n"] > 0 for line in first.model.fairness_)


def test_periods_are_compared(first: Run) -> None:
    same = pipeline.monitor(first.dataset, first.model, SCORED_AT, SCORED_AT)
    assert same.worst == "ok"
    early = pipeline.monitor(first.dataset, first.model, "2025-01-10", SCORED_AT)
    assert early.exit_status == 4
    assert set(early.checks["measure"]) >= {"psi", "missing", "alerts", "reasons"}


def test_a_record_shorter_than_the_look_back_is_said(first: Run) -> None:
    early = "2025-01-21"
    with pytest.warns(UserWarning, match="only 20d long, the model looks back 45d"):
        scores = pipeline.score(first.dataset, first.model, early, n_explained=0)
    basis = read_basis(scores)
    assert basis is not None
    assert basis.short_record == (20 * DAY, 45 * DAY)
    assert basis.short_text in basis.text
    assert "20d" in basis.thai
    assert read_basis(first.scores).short_record is None  # type: ignore[union-attr]


def test_a_moment_of_unripe_labels_is_left_out_and_probabilities_of_a_part_are_bounded() -> None:
    dataset = read_dataset(small_world())
    ripe, both = (
        pipeline.train(dataset, moments, target="active", pack="TH", lookback="14d", model=small_model())
        for moments in (ACTIVE_AT, [*ACTIVE_AT, SCORED_AT])
    )
    assert not any("not ripe" in note for note in ripe.notes_)
    assert any("not ripe at 1 of 4 moments" in note for note in both.notes_)
    assert both.trained_on_.prevalence == ripe.trained_on_.prevalence
    assert any("too high, at most" in note for note in ripe.notes_)


def test_what_cannot_be_trained_on_is_told(first: Run) -> None:
    with pytest.raises(DataError, match="labels"):
        pipeline.train(read_dataset(without(small_world(), "labels")), TRAINED_AT)
    with pytest.raises(OptionError, match="'later'"):
        pipeline.train(first.dataset, TRAINED_AT, target="later")  # type: ignore[arg-type]
    with pytest.raises(OptionError, match="pack"):
        pipeline.train(first.dataset, TRAINED_AT, target="ever", pack="XX")
    with pytest.raises(DataError, match="no account has a known target"):
        pipeline.train(first.dataset, [])
    with pytest.raises((DataError, ModelError), match=r"both are needed|no account"):
        pipeline.train(first.dataset, "1999-01-01", target="ever", model=small_model())


def test_models_that_are_missing_or_tell_no_origin_are_refused(first: Run, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="there is no folder 'nowhere'"):
        pipeline.score(first.dataset, tmp_path / "nowhere", SCORED_AT)
    values = np.random.default_rng(0).random((60, 2))
    plain = small_model().fit(values, values[:, 0] > 0.5)
    named = small_model().fit(pd.DataFrame(values, columns=["in_amount__window_7d", "x"]), values[:, 0] > 0.5)
    for model in (small_model(), plain, named):
        with pytest.raises(ModelError, match="what it was trained on"):
            pipeline.evaluate(first.dataset, model, SCORED_AT)
    for model in (small_model(), plain):
        with pytest.raises(ModelError, match="named features"):
            pipeline.score(first.dataset, model, SCORED_AT)


def test_scores_that_cannot_be_read_are_refused(first: Run, tmp_path: Path) -> None:
    (tmp_path / "scores.parquet").write_text("account_id,score\n")
    for place in (tmp_path / "scores.parquet", tmp_path / "nowhere.parquet"):
        with pytest.raises(DataError, match="no Parquet file"):
            pipeline.find_rings(first.dataset, place, SCORED_AT)
    with pytest.raises(DataError, match="columns"):
        pipeline.find_rings(first.dataset, first.folder / "rings" / "rings.parquet", SCORED_AT)


def test_scores_may_be_any_table(first: Run) -> None:
    found = pipeline.find_rings(first.dataset, first.scores.drop_columns("reasons").to_pandas(), SCORED_AT)
    assert found.ring_members.equals(first.rings.ring_members)


def test_rings_and_traces_take_a_snapshot_or_a_data_set_and_a_moment(first: Run) -> None:
    snapshot = Snapshot(first.dataset, SCORED_AT)
    assert pipeline.find_rings(snapshot, first.scores).tables == first.rings.tables
    assert pipeline.trace(snapshot, SCORED_AT).tables == pipeline.trace(first.dataset, SCORED_AT).tables
    with pytest.raises(OptionError, match=r"the snapshot is of 2025-03-01T00:00:00Z; got 2025-02-15"):
        pipeline.trace(snapshot, TRAINED_AT)
    with pytest.raises(OptionError, match="say at which moment"):
        pipeline.find_rings(first.dataset, first.scores)


def test_a_folder_without_tables_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no table found"):
        pipeline.check(tmp_path)


def test_before_all_records_every_account_scores_alike_and_nothing_is_a_ring(first: Run) -> None:
    with pytest.warns(UserWarning, match="the record is only 0d long"):
        scores = pipeline.score(first.dataset, first.model, "1999-01-01")
    assert len(scores) == 500
    assert set(scores["rank"].to_pylist()) == {1}
    assert np.isfinite(np.array(scores["score"])).all()
    assert len(pipeline.find_rings(first.dataset, scores, "1999-01-01")) == 0
    with pytest.raises(DataError, match="0 positives"):
        pipeline.evaluate(first.dataset, first.model, "1999-01-01")


def test_the_steps_take_a_bank_without_a_transfer_and_give_empty_tables(first: Run) -> None:
    empty = read_dataset({"transfers": small_world()["transfers"].slice(0, 0)})
    scores = score_points(first.model, empty, build_graph(empty), every_account(empty, SCORED_AT))
    assert scores.equals(schema.SCORES.empty())
    assert len(find_rings(Snapshot(empty, SCORED_AT), scores)) == 0
    idle = read_dataset({"transfers": small_world()["transfers"].slice(0, 0), "accounts": small_world()["accounts"]})
    assert len(score_points(first.model, idle, build_graph(idle), every_account(idle, SCORED_AT))) == 500


def test_a_second_run_replaces_the_outputs_and_leaves_nothing_half_done(first: Run, tmp_path: Path) -> None:
    for moment in (TRAINED_AT, SCORED_AT):
        scores = pipeline.score(first.dataset, first.model, moment, n_explained=20, output=tmp_path / "scores.parquet")
        pipeline.find_rings(first.dataset, scores, moment, output=tmp_path / "rings")
        first.model.save(tmp_path / "model")
    assert content(tmp_path) == content(first.folder)
    assert load_model(tmp_path / "model").texts_ == first.model.texts_


def test_the_folder_that_one_is_in_is_refused_before_the_work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "here" / "below").mkdir(parents=True)
    for present in ("here", "here/below"):
        monkeypatch.chdir(tmp_path / present)
        with pytest.raises(OutputError, match="Give a folder inside it"):
            convert.import_layout("amlsim", [tmp_path / "no such file.csv"], tmp_path / "here")
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["below", "here"]
