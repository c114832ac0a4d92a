"""A bank whose share of mules nobody stated, scored from its records to its pages."""

from __future__ import annotations

import io
import json
from collections import Counter
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pacsv
import pyarrow.parquet as pq
import pytest
import small_world as worlds
from rich.console import Console

from muledetect import console, pipeline
from muledetect.errors import DataError, OptionError
from muledetect.graph import build_graph
from muledetect.labels import every_account, known_mules
from muledetect.model import load_model, load_starter
from muledetect.model.prevalence import match_prevalence
from muledetect.model.tiers import read_basis, tiers_by_budget
from muledetect.records import Dataset, read_dataset

AT = worlds.SCORED_AT
#: Tables that make a bank with its own accounts and what it knows of them.
NAMES = ("transfers", "accounts", "labels", "watchlists")


@cache
def bank() -> Dataset:
    return read_dataset({name: worlds.small_world()[name] for name in NAMES})


@cache
def scored(**options: Any) -> pa.Table:
    return pipeline.score(bank(), "starter", AT, **{"n_explained": 5, **options})


def by_account(scores: pa.Table, *names: str) -> dict[str, tuple[Any, ...]]:
    columns = [scores[name].to_pylist() for name in names]
    return dict(zip(scores["account_id"].to_pylist(), zip(*columns, strict=True), strict=True))


@pytest.mark.slow
def test_without_a_prevalence_the_highest_scores_get_tiers_and_the_table_says_why(tmp_path: Path) -> None:
    scores = scored()
    tiers = Counter(scores["tier"].to_pylist())
    assert 0 < tiers["suspected"] + tiers["watch"] <= 10
    assert set(scores["tier"].to_pylist()[: tiers["suspected"]]) == {"suspected"}
    told = {key.decode(): value.decode() for key, value in scores.schema.metadata.items()}
    assert told["muledetect.prevalence"] == "unknown"
    assert told["muledetect.note"] == (
        "prevalence unknown: tiers follow an alert budget of 10 accounts; probabilities are not those of your bank"
    )
    again = pipeline.score(bank(), "starter", AT, n_explained=5, output=tmp_path / "scores.parquet")
    assert again.equals(scores, check_metadata=True)
    stored = pq.read_table(tmp_path / "scores.parquet")
    assert read_basis(stored) == read_basis(scores)
    assert stored.schema.metadata[b"muledetect.prevalence"] == b"unknown"


@pytest.mark.slow
@pytest.mark.parametrize("stated", [0.02, "2%"])
def test_a_stated_prevalence_is_the_mean_probability_and_tiers_follow_it(stated: float | str) -> None:
    scores, before = scored(prevalence=stated), scored()
    probability = scores["probability"].to_numpy()
    assert probability.mean() == pytest.approx(0.02)
    assert scores.select(["account_id", "score", "rank"]).equals(before.select(["account_id", "score", "rank"]))
    assert (probability == match_prevalence(before["probability"].to_numpy(), 0.02)).all()
    wanted = ["suspected" if p >= 0.5 else "watch" if p >= 0.1 else "none" for p in probability]
    assert scores["tier"].to_pylist() == wanted
    assert "suspected" in wanted
    basis = read_basis(scores)
    assert basis is not None
    assert (basis.source, basis.prevalence, basis.budget) == ("stated", 0.02, None)


@pytest.mark.slow
def test_a_budget_counts_with_any_prevalence_and_leaves_probabilities_alone() -> None:
    scores = scored(budget=25)
    assert 500 > len(scores) - Counter(scores["tier"].to_pylist())["none"] >= 25
    assert scores["probability"].equals(scored()["probability"])
    both = scored(prevalence=0.02, budget="5%")
    assert both["probability"].equals(scored(prevalence=0.02)["probability"])
    score, moment = both["score"].to_numpy(), np.zeros(len(both), np.int64)
    assert both["tier"].to_pylist() == tiers_by_budget(score, moment, 0.05)[0].tolist()
    basis = read_basis(both)
    assert basis is not None
    assert (basis.source, basis.budget) == ("stated", -(-len(both) // 20))


@pytest.mark.slow
def test_known_mules_tell_the_prevalence_where_they_are_asked() -> None:
    scores, graph = scored(prevalence="estimate"), build_graph(bank())
    points = every_account(bank(), AT)
    known = known_mules(bank(), graph, points)
    basis = read_basis(scores)
    assert basis is not None
    assert basis.source == "estimated"
    assert basis.prevalence == pytest.approx(scores["probability"].to_numpy().mean())
    assert known.sum() / len(points) <= basis.prevalence
    assert "estimated from known mules" in basis.text


@pytest.mark.slow
def test_what_becomes_known_later_and_order_and_names_change_neither_prevalence_nor_tier() -> None:
    world = {name: worlds.small_world()[name] for name in NAMES}
    wanted = scored(prevalence="estimate")
    columns = ("probability", "tier")
    later = worlds.known_before(worlds.small_world(), AT)
    for changed in (worlds.permuted(world), {name: later[name] for name in NAMES}):
        found = pipeline.score(dict(changed), "starter", AT, n_explained=5, prevalence="estimate")
        assert by_account(found, *columns) == by_account(wanted, *columns)
        assert read_basis(found) == read_basis(wanted)
    changed, new_of = worlds.renamed(worlds.small_world())
    found = pipeline.score({name: changed[name] for name in NAMES}, "starter", AT, n_explained=5, budget=15)
    tiers = by_account(scored(budget=15), "tier")
    assert by_account(found, "tier") == {new_of.get(name, name): tier for name, tier in tiers.items()}


@pytest.mark.slow
def test_a_bank_that_knows_of_no_mule_is_told_what_else_to_give() -> None:
    bare = read_dataset({name: worlds.small_world()[name] for name in ("transfers", "accounts")})
    with pytest.raises(DataError, match="known to be a mule before this moment"):
        pipeline.score(bare, "starter", AT, n_explained=0, prevalence="estimate")
    for options in ({"prevalence": "much"}, {"prevalence": 3}, {"budget": "all"}):
        with pytest.raises(OptionError, match=next(iter(options))):
            pipeline.score(bare, "starter", AT, n_explained=0, **options)


def test_known_mules_are_those_of_labels_and_lists_before_the_moment() -> None:
    """a: label before; b: label at the moment; c: cleared later, still before; d: listed; e: cleared but listed;
    f: listed by an unreliable list; g: entry ended; h: a phone is listed."""
    day = np.datetime64("2025-01-10", "us")
    ids = list("abcdefgh")
    transfers = {"transfer_id": ids, "time": [np.datetime64("2025-01-01", "us")] * 8, "source": ids,
                 "target": [*ids[1:], ids[0]], "amount": [100] * 8}  # fmt: skip
    known = {"a": ("mule", -1), "b": ("mule", 0), "c": ("mule", -3), "e": ("not_mule", -2)}
    rows = [(name, label, day + np.timedelta64(late, "D")) for name, (label, late) in known.items()]
    rows.append(("c", "not_mule", day - np.timedelta64(2, "D")))
    labels = {"account_id": [r[0] for r in rows], "label": [r[1] for r in rows], "known_ts": [r[2] for r in rows]}
    listed = [("d", "account", None, None), ("e", "account", 0.9, None), ("f", "account", 0.4, None),
              ("g", "account", None, day - np.timedelta64(1, "D")), ("h", "phone", None, None)]  # fmt: skip
    lists = {"list_id": ["L"] * 5, "kind": [r[1] for r in listed], "value_hash": [r[0] for r in listed],
             "category": ["mule"] * 5, "reliability": [r[2] for r in listed], "valid_to": [r[3] for r in listed],
             "valid_from": [day - np.timedelta64(5, "D")] * 5}  # fmt: skip
    times = pa.timestamp("us")
    tables = {
        "transfers": pa.table(transfers),
        "labels": pa.table(labels),
        "watchlists": pa.table(lists | {"valid_to": pa.array(lists["valid_to"], times)}),
    }
    dataset = read_dataset(tables, source_tz="UTC")
    graph, points = build_graph(dataset), every_account(dataset, ["2025-01-10", "2025-01-11"])
    found = known_mules(dataset, graph, points)
    names = np.array(dataset.account_ids.to_pylist())[points.account]
    first = points.as_of == points.as_of.min()
    assert sorted(names[first & found]) == ["a", "d"]
    assert sorted(names[~first & found]) == ["a", "b", "d"]
    alone = read_dataset({"transfers": tables["transfers"]}, source_tz="UTC")
    assert not known_mules(alone, build_graph(alone), every_account(alone, "2025-01-10")).any()


@pytest.mark.slow
def test_a_model_of_the_bank_knows_its_prevalence_unless_few_accounts_are_labelled(tmp_path: Path) -> None:
    dataset = read_dataset(worlds.small_world())
    whole = pipeline.train(dataset, worlds.TRAINED_AT, target="ever", model=worlds.small_model(), output=tmp_path / "m")
    assert whole.trained_on_.is_prevalence_known
    assert whole.trained_on_.prevalence == pytest.approx(whole.held_out_metrics_["prevalence"])
    assert load_model(tmp_path / "m").trained_on_ == whole.trained_on_
    usual = pipeline.score(dataset, whole, AT, n_explained=0)
    basis = read_basis(usual)
    assert basis is not None
    assert (basis.source, basis.prevalence) == ("training", whole.trained_on_.prevalence)
    labels = worlds.small_world()["labels"]
    is_mule = pc.equal(labels["label"].cast(pa.string()), "mule")
    few = labels.filter(pc.or_(is_mule, pa.array(np.arange(len(labels)) % 8 == 0)))
    investigated = read_dataset({**worlds.small_world(), "labels": few})
    model = pipeline.train(investigated, worlds.TRAINED_AT, target="ever", model=worlds.small_model())
    assert not model.trained_on_.is_prevalence_known
    assert any("tiers follow an alert budget" in note for note in model.notes_)
    basis = read_basis(pipeline.score(investigated, model, AT, n_explained=0))
    assert basis is not None
    assert (basis.source, basis.budget) == ("unknown", 10)


def test_a_folder_of_an_earlier_version_loads_and_its_prevalence_is_that_of_its_bank(tmp_path: Path) -> None:
    load_starter(1).save(tmp_path / "model")
    place = tmp_path / "model" / "manifest.json"
    content = json.loads(place.read_text())
    assert content["trained_on"]["prevalence"] == 0.003
    for name in ("prevalence", "is_prevalence_known"):
        del content["trained_on"][name]
    place.write_text(json.dumps(content))
    origin = load_model(tmp_path / "model").trained_on_
    assert (origin.is_prevalence_known, origin.prevalence) == (True, None)


@pytest.mark.slow
def test_pages_and_screen_show_no_percentage_that_is_not_the_banks(tmp_path: Path) -> None:
    note = "prevalence unknown: tiers follow an alert budget of 10 accounts; probabilities are not those of your bank"
    pipeline.report(bank(), scored(), output=tmp_path / "unknown", n_alerts=5)
    pipeline.report(bank(), scored(prevalence=0.02), output=tmp_path / "stated", n_alerts=5)
    for page in ("index.html", "accounts/00001.html"):
        unknown, stated = ((tmp_path / name / page).read_text("utf-8") for name in ("unknown", "stated"))
        assert note in unknown
        assert "robability</" not in unknown
        assert "robability</" in stated
        assert "prevalence 2.00% as stated: tiers follow probability" in stated
    listed = pacsv.read_csv(tmp_path / "unknown" / "alerts.csv")
    assert listed["probability"].null_count == len(listed)
    shown = {}
    for name, scores in (("unknown", scored()), ("stated", scored(prevalence=0.02))):
        out = Console(file=io.StringIO(), width=200)
        console.show_scores(out, scores)
        shown[name] = out.file.getvalue()  # type: ignore[attr-defined]
    assert note in shown["unknown"]
    assert "probability " not in shown["unknown"].replace(note, "")
    assert "probability " in shown["stated"]
