"""Tables of pandas, polars and Arrow are the same to the library, and its results become frames with good types."""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from sklearn.model_selection import cross_val_predict

import muledetect as md
from muledetect import pipeline, schema
from muledetect.errors import DataError, OptionError
from muledetect.evaluation import (
    compare_baselines,
    compare_rings,
    customer_groups,
    measure_ties,
    measure_traces,
    money_at,
    rules_score,
    subgroup_parts,
    typology_parts,
    value_recall,
    visible_rings,
)
from muledetect.evaluation.periods import Period, compare_periods
from muledetect.frames import as_arrow, is_frame
from muledetect.labels import ForwardSplit, GroupFolds
from muledetect.labels.targets import labelled_points
from muledetect.model.key_transfers import explain_scores
from muledetect.model.leakage import audit_features
from muledetect.records import write_table
from muledetect.reports import write_csv
from tests.small_world import SCORED_AT, TRAINED_AT, small_model, small_world

Given = Callable[[pa.Table], Any]

#: The same table as every library keeps it: polars as it likes, and with text coded; pandas as its users have it.
LIBRARIES: dict[str, Given] = {
    "pandas": md.to_pandas,
    "polars": pl.DataFrame,
    "polars, enums": md.to_polars,
    "polars, categories": lambda table: pl.DataFrame(table).with_columns(pl.col(pl.String).cast(pl.Categorical())),
    "record batch": lambda table: table.combine_chunks().to_batches()[0],
}


@pytest.fixture(params=LIBRARIES, name="given")
def given_(request: pytest.FixtureRequest) -> Given:
    return LIBRARIES[request.param]


@cache
def world() -> md.Dataset:
    return md.read_dataset(dict(small_world()))


@cache
def graph() -> md.graph.TransferGraph:
    return md.graph.build_graph(world())


@cache
def features() -> tuple[pa.Table, np.ndarray]:
    points, y, _ = labelled_points(world(), [TRAINED_AT, SCORED_AT], target="ever")
    names = [
        "in_amount__window_all",
        "out_amount__window_all",
        "in_counterparties__window_all",
        "pass_through__window_7d",
    ]
    return md.features.extract(world(), points, names), y


@cache
def scores() -> pa.Table:
    table, y = features()
    return pipeline.score(world(), small_model(n_jobs=1).fit(table, y), SCORED_AT, n_explained=5)


@cache
def rings() -> md.rings.RingTables:
    return md.rings.find_rings(md.Snapshot(world(), SCORED_AT), scores()).with_ties(ties())


@cache
def ties() -> md.rings.Ties:
    found = md.rings.find_rings(md.Snapshot(world(), SCORED_AT), scores())
    return md.rings.find_ties(md.Snapshot(world(), SCORED_AT), found.ring_members, n_shuffles=2)


@cache
def traces() -> md.tracing.Traces:
    return md.tracing.trace(md.Snapshot(world(), SCORED_AT), steps=True)


def same(found: Any, expected: Any) -> None:
    """Assert that two results of the library are equal."""
    if isinstance(expected, pd.DataFrame):
        pd.testing.assert_frame_equal(found, expected)
    elif hasattr(expected, "tables"):
        assert found.tables == expected.tables
    elif isinstance(expected, np.ndarray):
        np.testing.assert_array_equal(found, expected)
    else:
        assert found == expected


def test_a_data_set_is_the_same_from_frames_of_any_library(given: Given) -> None:
    read = md.read_dataset({name: given(table) for name, table in small_world().items()})
    assert read.fingerprint == world().fingerprint
    assert read.tables == world().tables


def test_a_pipeline_takes_a_mapping_of_frames_as_data_set(given: Given) -> None:
    frames = {name: given(table) for name, table in small_world().items() if not name.startswith("truth_")}
    same(pipeline.trace(frames, SCORED_AT), md.tracing.trace(md.Snapshot(world(), SCORED_AT)))


@pytest.mark.slow
def test_scores_and_members_may_be_of_any_library(given: Given) -> None:
    same(md.rings.find_rings(md.Snapshot(world(), SCORED_AT), given(scores())).with_ties(ties()), rings())
    assert ties().ring_ties.num_rows
    same(md.rings.find_ties(md.Snapshot(world(), SCORED_AT), given(rings().ring_members), n_shuffles=2), ties())
    confirmed = ties().ring_ties.select(["ring_id", "centre_id"]).slice(0, 1)
    same(md.rings.learn_weights(ties(), given(confirmed)), md.rings.learn_weights(ties(), confirmed))


@pytest.mark.slow
def test_the_pipeline_takes_scores_of_polars() -> None:
    few = scores().slice(0, 3)
    same(pipeline.find_rings(world(), pl.DataFrame(few), SCORED_AT, max_rings=2).rings,
         md.rings.find_rings(md.Snapshot(world(), SCORED_AT), few, max_rings=2).rings)  # fmt: skip


@pytest.mark.slow
def test_scores_of_any_library_are_explained(given: Given) -> None:
    same(pipeline.explain(world(), given(scores())), explain_scores(world(), graph(), scores()))


@pytest.mark.slow
def test_a_model_learns_and_ranks_the_same_from_any_library(given: Given) -> None:
    table, y = features()
    first, again = small_model(n_jobs=1).fit(table, y), small_model(n_jobs=1).fit(given(table), pl.Series(y))
    assert again.texts_ == first.texts_
    assert list(again.feature_names_in_) == list(first.feature_names_in_)
    same(again.decision_function(given(table)), first.decision_function(table))
    same(again.predict_proba(given(table)), first.predict_proba(table))
    same(again.explain(given(table.slice(0, 3))), first.explain(table.slice(0, 3)))
    same(audit_features(given(table), y), audit_features(table, y))


@pytest.mark.parametrize("library", ["pandas", "polars"])
@pytest.mark.slow
def test_splitters_cut_frames_of_any_library_alike(library: str) -> None:
    table, y = features()
    for splitter in (ForwardSplit(n_splits=1, embargo="1d"), GroupFolds(n_splits=2)):
        groups = None if isinstance(splitter, ForwardSplit) else np.arange(len(y)) // 3
        cuts = [list(splitter.split(given, y, groups)) for given in (table, LIBRARIES[library](table))]
        assert len(cuts[0]) == len(cuts[1]) > 0
        for (train, test), (train_again, test_again) in zip(*cuts, strict=True):
            same(train_again, train)
            same(test_again, test)


@pytest.mark.slow
def test_scikit_learn_cuts_a_polars_frame_for_the_model() -> None:
    table, y = features()
    known = ~np.isnan(y)
    rows, target = table.filter(pa.array(known)), y[known]
    by_library = [
        cross_val_predict(small_model(n_jobs=1), given(rows), target, cv=2, method="predict_proba")
        for given in (LIBRARIES["pandas"], LIBRARIES["polars"])
    ]
    same(by_library[1], by_library[0])


@pytest.mark.slow
def test_evaluation_takes_tables_of_any_library(given: Given) -> None:
    tables = {name: given(table) for name, table in world().tables.items()}
    known, at = world().tables, SCORED_AT
    ids = scores()["account_id"].to_pylist()
    table, y = features()

    def both(call: Callable[[Any], Any]) -> None:
        same(call(tables), call(known))

    both(lambda t: money_at(t["truth_money"], at))
    both(lambda t: typology_parts(ids, t["truth_rings"], t["truth_accounts"]))
    both(lambda t: subgroup_parts(ids, at, t["accounts"], t["holders"]))
    both(lambda t: customer_groups(ids, accounts=t["accounts"], truth_accounts=t["truth_accounts"],
                                   complaints=t["complaints"], transfers=t["transfers"],
                                   truth_transfers=t["truth_transfers"]))  # fmt: skip
    both(lambda t: measure_traces(traces(), t["complaints"], t["truth_transfers"], t["truth_money"], at))
    both(lambda t: visible_rings(t["truth_rings"], t["truth_transfers"], t["transfers"], at))
    seen = visible_rings(known["truth_rings"], known["truth_transfers"], known["transfers"], at)
    same(compare_rings(given(rings().ring_members), tables["truth_rings"]),
         compare_rings(rings().ring_members, known["truth_rings"]))  # fmt: skip
    same(value_recall(given(rings().ring_members), seen), value_recall(rings().ring_members, seen))
    same(measure_ties(given(rings().ring_ties), given(rings().ring_members), tables["truth_rings"]),
         measure_ties(rings().ring_ties, rings().ring_members, known["truth_rings"]))  # fmt: skip
    same(rules_score(given(table)), rules_score(table))
    is_known = ~np.isnan(y)
    rows, target = table.filter(pa.array(is_known)), y[is_known]
    model = small_model(n_jobs=1).fit(rows, target)
    same(compare_baselines(given(rows), target, given(rows), target, model=model, n_draws=5),
         compare_baselines(rows, target, rows, target, model=model, n_draws=5))  # fmt: skip
    first, last = np.arange(len(table)) % 2, np.arange(len(table)) / len(table)
    drift = [compare_periods([Period(t, first, labels=labels)], Period(t, last, labels=labels))
             for t, labels in ((given(table), tables["labels"]), (table, known["labels"]))]  # fmt: skip
    same(drift[0].checks, drift[1].checks)
    same(drift[0].delays, drift[1].delays)


@pytest.mark.slow
def test_tables_of_any_library_are_written(given: Given, tmp_path: Path) -> None:
    members, plain = given(rings().ring_members), rings().ring_members
    write_table(members, tmp_path / "own.parquet")
    assert pq.read_table(tmp_path / "own.parquet").cast(plain.schema) == plain
    for name, table in (("own.csv", members), ("plain.csv", plain)):
        write_csv(table, tmp_path / name)
    assert (tmp_path / "own.csv").read_bytes() == (tmp_path / "plain.csv").read_bytes()


@pytest.mark.slow
def test_results_become_pandas_frames_with_the_types_of_the_contract() -> None:
    frame = md.to_pandas(scores())
    assert frame.dtypes.astype(str).to_dict() == {
        "account_id": "str", "as_of": "datetime64[us, UTC]", "score": "float64", "probability": "float64",
        "rank": "int64", "tier": "category", "reasons": "object",
    }  # fmt: skip
    assert list(frame["tier"].cat.categories) == ["none", "watch", "suspected"]
    assert frame["reasons"][0] == scores()["reasons"][0].as_py()
    trace = md.to_pandas(traces())["trace"]
    assert str(trace["available"].dtype) == "Int64"  # null where the money left
    assert str(trace["traced"].dtype) == "int64"
    assert trace["available"].isna().sum() == traces().trace["available"].null_count > 0
    assert str(trace["exit_kind"].dtype) == "str"
    members = md.to_pandas(rings())["ring_members"]
    assert str(members["is_seed"].dtype) == "bool"
    assert list(members["role"].cat.categories) == list(schema.ROLES)


@pytest.mark.slow
def test_results_become_polars_frames_with_the_types_of_the_contract() -> None:
    frame = md.to_polars(scores())
    assert frame.schema["account_id"] == pl.String
    assert frame.schema["as_of"] == pl.Datetime("us", "UTC")
    assert frame.schema["tier"] == pl.Enum(["none", "watch", "suspected"])
    assert frame["reasons"][0].to_list() == scores()["reasons"][0].as_py()
    found = md.to_polars(rings())
    assert set(found) == set(rings().tables)
    assert found["ring_members"].schema["role"] == pl.Enum(list(schema.ROLES))
    assert md.to_polars(traces())["steps"].schema["method"] == pl.Enum(["fifo", "lifo", "pro_rata", "libr"])


@pytest.mark.parametrize("convert", [md.to_pandas, md.to_polars])
@pytest.mark.slow
def test_frames_go_back_into_arrow_unchanged(convert: Callable[[Any], Any]) -> None:
    for result in (rings(), traces(), ties()):
        for name, frame in convert(result).items():
            expected = result.tables[name]
            assert as_arrow(frame).cast(expected.schema) == expected, name
    assert as_arrow(convert(scores())).cast(scores().schema) == scores()


@pytest.mark.parametrize("convert", [md.to_pandas, md.to_polars])
def test_a_data_set_goes_through_frames_and_back(convert: Callable[[Any], Any]) -> None:
    again = md.read_dataset(convert(world()))
    assert again.tables == world().tables
    assert again.fingerprint == world().fingerprint


def test_nulls_make_whole_numbers_and_flags_nullable_and_text_stays_text() -> None:
    coded, small = pa.array(["a", None]).dictionary_encode(), pa.array([1, None], pa.int8())
    table = pa.table(
        {"n": [1, None], "flag": [True, None], "text": pa.nulls(2, pa.string()), "coded": coded, "small": small}
    )
    assert md.to_pandas(table).dtypes.astype(str).to_dict() == {
        "n": "Int64", "flag": "boolean", "text": "str", "coded": "str", "small": "Int8",
    }  # fmt: skip


@pytest.mark.slow
def test_a_value_outside_the_contract_keeps_the_column_text() -> None:
    table = rings().ring_members.slice(0, 2)
    other = table.set_column(2, "role", pa.array(["relay", "somebody else"]))
    assert str(md.to_pandas(other)["role"].dtype) == "str"
    assert md.to_polars(other).schema["role"] == pl.String


def test_the_table_that_a_frame_is_can_be_named() -> None:
    few = pa.table({"account_id": ["a"], "tier": ["watch"]})
    assert str(md.to_pandas(few)["tier"].dtype) == "str"  # too few columns to tell
    assert str(md.to_pandas(few, table="scores")["tier"].dtype) == "category"
    with pytest.raises(OptionError, match="did you mean 'scores'"):
        md.to_pandas(few, table="score")


def test_evaluation_frames_become_polars_with_their_index() -> None:
    frame = pd.DataFrame({"x": [1.0]}, index=pd.Index(["m"], name="method"))
    assert md.to_polars(frame).columns == ["method", "x"]
    assert md.to_pandas(frame) is frame
    own = pl.DataFrame({"x": [1]})
    assert md.to_polars(own) is own


def test_empty_results_keep_their_columns_and_types() -> None:
    assert str(md.to_pandas(md.rings.RingTables())["ring_members"]["role"].dtype) == "category"
    assert md.to_polars(md.tracing.Traces())["trace"].schema["traced"] == pl.Int64


def test_what_is_no_table_is_refused_by_name() -> None:
    for wrong in ([1, 2], "scores.parquet", pl.Series([1]).to_list(), None):
        with pytest.raises(DataError, match=r"scores: a .* is no table\. Give a pyarrow, pandas, polars"):
            md.rings.find_rings(md.Snapshot(world(), SCORED_AT), wrong)
    mixed = pd.DataFrame({"account_id": ["a", 1], "score": [1, 2], "probability": [0.1, 0.2]})
    with pytest.raises(DataError, match="values of several types"):
        md.rings.find_rings(md.Snapshot(world(), SCORED_AT), mixed)
    assert not is_frame(pd.DataFrame([[1]]))  # no names: an array to scikit-learn


@pytest.mark.slow
def test_without_polars_the_error_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    found = scores()
    monkeypatch.setitem(sys.modules, "polars", None)
    with pytest.raises(OptionError, match="pip install polars"):
        md.to_polars(found)
