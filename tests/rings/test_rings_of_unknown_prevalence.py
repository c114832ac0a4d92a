"""Rings around scores whose probabilities are those of another bank."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest
import small_world as worlds
from ring_worlds import AS_OF, START, World, gang, make_world, times

from muledetect import pipeline
from muledetect.clock import DAY
from muledetect.errors import DataError
from muledetect.facts import Snapshot
from muledetect.records import Dataset, read_dataset
from muledetect.rings import RingTables, find_rings
from muledetect.rings.account_evidence import by_rank, read_scores
from muledetect.score_basis import Basis

MEMBERS = {f"{gang}{member}" for gang in "ab" for member in ("c", "r1", "r2", "x")}
UNKNOWN = Basis("unknown", budget=24)


def bank() -> World:
    """Two gangs and 600 pairs of honest customers; the members score highest, none above 1%."""
    rows = [*gang("a"), *gang("b", start=2 * DAY)]
    rows += [(f"p{k}", f"q{k}", DAY + k, 1_000) for k in range(600)]
    honest = {f"{side}{k}": 1e-4 for k in range(600) for side in "pq"}
    return make_world(rows, honest | dict.fromkeys(MEMBERS, 0.01))


def ranked(scores: pa.Table, basis: Basis | None) -> pa.Table:
    """Return scores as a model writes them: with a tier by a budget, and what it rests on."""
    tier = pc.if_else(pc.is_in(scores["account_id"], pa.array(sorted(MEMBERS))), "suspected", "none")
    found = scores.append_column("tier", tier)
    return found if basis is None else found.replace_schema_metadata(basis.to_metadata())


def members(rings: RingTables) -> set[frozenset[str]]:
    return {frozenset(ring.members["account_id"].to_pylist()) for ring in rings}


def search(scores: Any) -> RingTables:
    return find_rings(Snapshot(bank().dataset, AS_OF), scores)


GANGS = {frozenset(name for name in MEMBERS if name[0] == gang) for gang in "ab"}


def test_probabilities_of_another_bank_start_the_search_by_rank() -> None:
    assert members(search(bank().scores)) == set()
    found = search(ranked(bank().scores, UNKNOWN))
    assert members(found) == GANGS
    assert all(found.ring_members["is_seed"].to_pylist())


@pytest.mark.parametrize("way", ["pandas", "no metadata"])
def test_scores_without_metadata_tell_by_their_tiers(way: str) -> None:
    scores = ranked(bank().scores, UNKNOWN)
    lost = scores.to_pandas() if way == "pandas" else scores.replace_schema_metadata(None)
    assert search(lost).tables == search(scores).tables


@pytest.mark.parametrize("source", ["training", "stated", "estimated"])
def test_a_known_prevalence_leaves_probabilities_as_they_are(source: Any) -> None:
    low = ranked(bank().scores, Basis(source, 0.002, budget=24))
    assert len(search(low)) == 0
    high = low.set_column(2, "probability", pc.if_else(pc.equal(low["tier"], "suspected"), 0.9, 0.001))
    plain = high.select(["account_id", "score", "probability"]).replace_schema_metadata(None)
    assert len(search(high)) == 2
    assert search(high).tables == search(plain).tables
    assert search(high.replace_schema_metadata(None)).tables == search(plain).tables


def test_unknown_prevalence_without_tiers_is_an_error_that_says_how_to_mend_it() -> None:
    scores = ranked(bank().scores, UNKNOWN).drop_columns("tier")
    with pytest.raises(DataError, match=r"column 'tier' is missing.*score with a `prevalence`"):
        search(scores)


def test_only_scores_of_the_same_moment_are_ranked_together() -> None:
    # at moment 1 the last alert has rank 2: odds 4/1, 4/4, 4/9; at moment 2 rank 1: odds 1/1, 1/4, and a tie
    score = np.array([9.0, 8.0, 7.0, 99.0, 5.0, 5.0, np.nan])
    made_at = np.array([1, 1, 1, 2, 2, 2, 2])
    is_alert = np.array([True, True, False, True, False, False, False])
    expected = np.array([4 / 5, 1 / 2, 4 / 13, 1 / 2, 1 / 5, 1 / 5, np.nan])
    np.testing.assert_allclose(by_rank(score, made_at, is_alert), expected)


def test_the_last_of_a_budget_starts_a_search_and_the_next_does_not() -> None:
    score, is_alert = -np.arange(300.0), np.arange(300) < 30
    found = by_rank(score, np.zeros(300, np.int64), is_alert)
    assert found[9] == pytest.approx(0.9)
    assert found[29] == 0.5
    assert np.all(np.diff(found) < 0)


def test_without_an_alert_nobody_stands_out() -> None:
    assert by_rank(np.array([3.0, 1.0]), np.zeros(2, np.int64), np.zeros(2, np.bool_)).tolist() == [0.0, 0.0]


def test_a_rank_raises_a_probability_and_never_lowers_it() -> None:
    scores = ranked(bank().scores, UNKNOWN)
    place = scores["account_id"].to_pylist()
    high = pc.if_else(pc.equal(scores["account_id"], "p7"), 0.8, scores["probability"])  # no alert
    snapshot = Snapshot(bank().dataset, AS_OF)
    found = read_scores(scores.set_column(2, "probability", high), snapshot)
    code = dict(zip(place, snapshot.graph.codes(scores["account_id"]).tolist(), strict=True))
    assert found[code["p7"]] == 0.8
    assert found[code["ac"]] == 0.5
    assert found[code["p8"]] < 0.2


def test_later_scores_change_nothing() -> None:
    scores = ranked(bank().scores, UNKNOWN)
    dated = scores.append_column("as_of", times([AS_OF] * len(scores)))
    later = dated.set_column(dated.column_names.index("as_of"), "as_of", times([AS_OF + DAY] * len(scores)))
    turned = later.set_column(1, "score", pc.negate(later["score"]))
    both = pa.concat_tables([turned, dated])
    assert search(both).tables == search(dated).tables
    assert START < AS_OF


KEPT = ("transfers", "accounts", "sessions", "identifiers")  # neither complaints nor lists


@cache
def scored() -> tuple[Dataset, pa.Table]:
    """A bank with the scores of the starter, as a bank has them whose mules score a hundred times lower."""
    dataset = read_dataset({name: worlds.small_world()[name] for name in KEPT})
    scores = pipeline.score(dataset, "starter", worlds.SCORED_AT, n_explained=0)
    place = scores.column_names.index("probability")
    lower = pc.multiply(scores["probability"], 0.01)
    return dataset, scores.set_column(place, scores.schema.field("probability"), lower)


@pytest.mark.slow
def test_a_bank_with_the_starter_alone_gets_rings() -> None:
    dataset, scores = scored()
    found = pipeline.find_rings(dataset, scores, worlds.SCORED_AT, min_precision=0.3)
    assert len(found) > 0  # weaker than in a bank whose share of mules is known
    mules = set(worlds.small_world()["truth_rings"]["account_id"].to_pylist())
    shown = set(found.ring_members["account_id"].to_pylist())
    assert len(shown & mules) > len(shown) / 2
    raw = scores.select(["account_id", "as_of", "score", "probability"]).replace_schema_metadata(None)
    assert len(pipeline.find_rings(dataset, raw, worlds.SCORED_AT)) == 0


@pytest.mark.slow
def test_order_and_names_change_no_ring() -> None:
    dataset, scores = scored()
    found = pipeline.find_rings(dataset, scores, worlds.SCORED_AT)
    shuffled = scores.take(np.random.default_rng(0).permutation(len(scores)))
    assert pipeline.find_rings(dataset, shuffled, worlds.SCORED_AT).tables == found.tables
    world, new = worlds.renamed(worlds.small_world())
    ids = pa.array([new.get(name, name) for name in scores["account_id"].to_pylist()])
    other = scores.set_column(0, scores.schema.field("account_id"), ids)
    again = pipeline.find_rings(read_dataset({name: world[name] for name in KEPT}), other, worlds.SCORED_AT)
    assert members(again) == {frozenset(new.get(name, name) for name in ring) for ring in members(found)}
    assert sorted(again.rings["score"].to_pylist()) == sorted(found.rings["score"].to_pylist())
