from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ring_worlds import AS_OF, START, World, gang, gang_scores, make_world, times

from muledetect import schema
from muledetect.clock import DAY, HOUR, MINUTE
from muledetect.errors import DataError, OptionError
from muledetect.facts import Snapshot
from muledetect.rings import KINDS, LINKS, RingContext, RingTables, find_rings, link
from muledetect.rings.assemble import _ranked


def search(world: World, as_of: int = AS_OF, **options: Any) -> RingTables:
    return find_rings(Snapshot(world.dataset, as_of), world.scores, **options)


def members(rings: RingTables) -> set[frozenset[str]]:
    return {frozenset(ring.members["account_id"].to_pylist()) for ring in rings}


def test_of_overlapping_communities_with_nearly_the_same_members_the_first_is_shown() -> None:
    measures = {"expected_value": [10, 30, 20, 5], "probability": [0.5] * 4, "score": [1.0] * 4}
    groups = [frozenset("abc"), frozenset("abcd"), frozenset("abx"), frozenset("cdy")]
    # of abc 3 in 4 are in abcd; abx shares 2 of 5 accounts with it, and cdy 2 of 5
    assert _ranked(["A", "B", "C", "D"], groups, measures) == [1, 2, 3]


def facts(rings: RingTables, rename: dict[str, str] | None = None) -> list[Any]:
    """Everything that must not depend on names, in an order of its own."""
    rename = rename or {}
    found = []
    for ring in rings:
        # of equal transfers any may be shown, and here the ids are the numbers of the rows
        summary = {k: v for k, v in ring.summary.items() if k not in ("ring_id", "typology_transfers")}
        people = sorted(
            (rename.get(m["account_id"], m["account_id"]), m["role"], m["layer"], m["membership"], m["is_seed"])
            for m in ring.members.to_pylist()
        )
        bonds = sorted(
            (rename.get(b["source"], b["source"]), rename.get(b["target"], b["target"]), b["kind"], b["weight"])
            for b in ring.links.to_pylist()
        )
        found.append((people, bonds, sorted(summary.items())))
    return sorted(found, key=str)


TWO = [*gang("a"), *gang("b", start=2 * DAY)]
TWO_GANGS = {frozenset(f"{g}{m}" for m in ("c", "r1", "r2", "x")) for g in "ab"}


def test_two_gangs_are_two_rings_without_their_victims() -> None:
    assert members(search(make_world(TWO, gang_scores("a", "b")))) == TWO_GANGS


def test_tables_have_the_columns_and_types_of_the_contract() -> None:
    for rings in (search(make_world(TWO, gang_scores("a", "b"))), search(make_world(TWO, {}))):
        for name, table in rings.tables.items():
            assert table.schema == schema.OUTPUTS[name].arrow_schema


def test_no_scores_give_empty_tables() -> None:
    rings = search(make_world(TWO, {}))
    assert len(rings) == 0
    assert list(rings) == []


def test_low_or_missing_scores_and_unknown_accounts_start_no_search() -> None:
    scores = dict.fromkeys(gang_scores("a"), 0.1) | {"nobody": 0.99, "bc": float("nan")}
    assert len(search(make_world(TWO, scores))) == 0


def test_roles_layers_and_money_of_a_hand_drawn_ring() -> None:
    ring = next(iter(search(make_world(gang("a"), gang_scores("a")))))
    by_id = {m["account_id"]: (m["role"], m["layer"]) for m in ring.members.to_pylist()}
    assert by_id == {"ac": ("collector", 1), "ar1": ("relay", 2), "ar2": ("relay", 2), "ax": ("cash_out", 3)}
    # of the 100,000 of each of two victims c kept 2,000, r1 2,000, r2 1,000 and x 1,000
    assert ring.summary["value_in"] == 200_000
    assert ring.summary["recoverable"] == 2 * (2_000 + 2_000 + 1_000 + 1_000)
    assert ring.summary["n_accounts"] == 4
    assert ring.timeline.num_rows == 8
    assert ring.timeline["time"].to_pylist() == sorted(ring.timeline["time"].to_pylist())


def test_a_neighbour_that_lives_on_relayed_money_joins_and_a_shop_does_not() -> None:
    rows = gang("a")
    rows += [("ax", "shop", 40 * MINUTE, 500), *((f"buyer{k}", "shop", k * HOUR, 500) for k in range(20))]
    scores = gang_scores("a")
    del scores["ar1"]  # not scored, but it had the collector's money and passed it on at once
    found = search(make_world(rows, scores))
    assert members(found) == {frozenset({"ac", "ar1", "ar2", "ax"})}
    is_seed = {m["account_id"]: m["is_seed"] for m in found.ring_members.to_pylist()}
    assert is_seed == {"ac": True, "ar1": False, "ar2": True, "ax": True}


def test_a_hub_glues_no_rings_together_even_if_its_score_is_high() -> None:
    rows = [*TWO]
    for g, day in (("a", 0), ("b", 2)):
        rows += [(f"{g}{m}", "hub", day * DAY + 20 * MINUTE, 3_000) for m in ("r1", "r2", "x")]
    rows += [(f"payer{k}", "hub", k * MINUTE, 1_000) for k in range(400)]
    assert members(search(make_world(rows, gang_scores("a", "b")))) == TWO_GANGS
    with_hub = members(search(make_world(rows, gang_scores("a", "b") | {"hub": 0.95})))
    assert all(len(ring & {"ac", "ar1", "ar2", "ax"}) in (0, 4) for ring in with_hub)
    assert not any({"ac", "bc"} <= ring for ring in with_hub)


def test_the_future_changes_nothing() -> None:
    cut = START + DAY
    complaints = pa.table(
        {
            "complaint_id": ["k1", "k2"],
            "known_ts": times([START + 5 * HOUR, cut]),
            "transfer_id": ["t00000", "t00006"],
        }
    )
    later = [*gang("a"), *gang("b", start=DAY), ("ac", "bc", DAY, 90_000), ("bc", "ax", DAY + HOUR, 90_000)]
    with_future = search(make_world(later, gang_scores("a", "b"), complaints), cut)
    without = search(make_world(gang("a"), gang_scores("a", "b"), complaints.slice(0, 1)), cut)
    assert facts(with_future) == facts(without)
    assert with_future.rings["n_victims"].to_pylist() == [1]


def test_a_score_made_after_as_of_is_not_read() -> None:
    world = make_world(TWO, gang_scores("a", "b"))
    late = world.scores.append_column("as_of", times([AS_OF + 1] * world.scores.num_rows))
    with pytest.raises(DataError, match="after as_of"):
        search(world._replace(scores=late))
    early = world.scores.append_column("as_of", times([AS_OF] * world.scores.num_rows))
    zero = early.set_column(2, "probability", pa.array(np.zeros(early.num_rows)))
    zero = zero.set_column(3, "as_of", times([AS_OF - DAY] * zero.num_rows))
    assert members(search(world._replace(scores=pa.concat_tables([zero, early, late])))) == TWO_GANGS


def test_victims_count_once_and_only_if_the_complaint_stands() -> None:
    complaints = pa.table(
        {
            "complaint_id": ["k1", "k2", "k3", "k4"],
            "known_ts": times([START + DAY] * 4),
            # twice about the first victim, once withdrawn about the second, once about a stranger
            "transfer_id": ["t00000", "t00000", "t00006", None],
            "victim_account": ["av0", "av0", "av1", "elsewhere"],
            "target": ["ac", "ac", "ac", "ac"],
            "status": ["open", "confirmed", "withdrawn", "open"],
        }
    )
    found = search(make_world(gang("a"), gang_scores("a"), complaints))
    assert found.rings["n_victims"].to_pylist() == [1]


def test_a_complaint_without_transfer_id_is_found_by_its_accounts() -> None:
    complaints = pa.table(
        {"complaint_id": ["k1"], "known_ts": times([START + DAY]), "victim_account": ["av1"], "target": ["ac"]}
    )
    found = search(make_world(gang("a"), gang_scores("a"), complaints))
    assert found.rings["n_victims"].to_pylist() == [1]


ends = st.sampled_from([f"n{k}" for k in range(9)])
rows_of = st.lists(
    st.tuples(ends, ends, st.integers(0, 6), st.sampled_from([50, 100, 101, 400])), min_size=1, max_size=40
)


@pytest.mark.slow
@given(rows_of, st.randoms(use_true_random=False), st.integers(0, 2**9 - 1))
@settings(deadline=None, max_examples=40)
def test_renaming_accounts_and_shuffling_rows_changes_no_ring(rows: list[Any], random: Any, scored: int) -> None:
    # few moments, so that many transfers are simultaneous; distinct scores, so that no two accounts are alike
    rows = [(s, t, moment * HOUR, amount) for s, t, moment, amount in rows]
    scores = {f"n{k}": 0.3 + k / 20 for k in range(9) if scored >> k & 1}
    names = [f"n{k}" for k in range(9)]
    to = dict(zip(names, random.sample([f"z{k}" for k in range(50)], 9), strict=True))
    back = {new: old for old, new in to.items()}
    renamed = [(to[s], to[t], moment, amount) for s, t, moment, amount in rows]
    random.shuffle(renamed)
    before = search(make_world(rows, scores))
    shuffled_scores = {to[name]: scores[name] for name in random.sample(sorted(scores), len(scores))}
    assert facts(before) == facts(search(make_world(renamed, shuffled_scores)), back)


def test_unrelated_accounts_change_no_member_no_role_and_no_money() -> None:
    """They change what is rare in the bank, and with it how much a link weighs."""
    alone = search(make_world(gang("a"), gang_scores("a")))
    crowd = [(f"p{k}", f"p{k + 1}", k * HOUR, 10_000) for k in range(100)]
    among = search(make_world([*gang("a"), *crowd, *gang("b")], gang_scores("a", "b")))
    ring_id = alone.rings["ring_id"][0].as_py()
    roles = {m["account_id"]: (m["role"], m["layer"]) for m in alone.ring(ring_id).members.to_pylist()}
    assert roles == {m["account_id"]: (m["role"], m["layer"]) for m in among.ring(ring_id).members.to_pylist()}
    same = ("n_accounts", "value_in", "recoverable", "first_time", "last_time", "n_victims")
    assert [alone.ring(ring_id).summary[k] for k in same] == [among.ring(ring_id).summary[k] for k in same]


def test_rings_come_by_falling_illicit_money_to_be_expected_and_max_rings_keeps_the_first() -> None:
    scores = gang_scores("a", "b") | dict.fromkeys(gang_scores("a"), 0.5)
    found = search(make_world(TWO, scores))
    expected = found.rings["expected_value"].to_pylist()
    assert len(expected) == 2
    assert expected == sorted(expected, reverse=True)
    best = search(make_world(TWO, scores), max_rings=1)
    assert members(best) == {frozenset(gang_scores("b"))}
    assert set(best.ring_links["ring_id"].to_pylist()) == set(best.rings["ring_id"].to_pylist())


def test_evidence_is_bounded_and_names_known_transfers() -> None:
    world = make_world(gang("a", n_victims=30), gang_scores("a"))
    known = set(world.dataset.transfers["transfer_id"].to_pylist())
    for evidence in search(world).ring_links["evidence"].to_pylist():
        assert 1 <= len(evidence) <= 8
        assert set(evidence) <= known


def test_a_ring_becomes_a_networkx_graph_and_shows_no_id() -> None:
    ring = next(iter(search(make_world(gang("a"), gang_scores("a")))))
    drawn = ring.to_networkx()
    assert set(drawn.nodes) == set(gang_scores("a"))
    assert drawn.number_of_edges() == ring.links.num_rows
    assert drawn.nodes["ac"]["role"] == "collector"
    assert repr(ring) == f"Ring(4 members, {ring.links.num_rows} links, 0 ties, 8 transfers)"


def test_written_tables_read_back_equal(tmp_path: Path) -> None:
    found = search(make_world(TWO, gang_scores("a", "b")))
    found.write(tmp_path)
    for name, table in found.tables.items():
        assert pq.read_table(tmp_path / f"{name}.parquet").equals(table)


def test_scores_may_be_pandas() -> None:
    world = make_world(TWO, gang_scores("a", "b"))
    assert members(search(world._replace(scores=world.scores.to_pandas()))) == TWO_GANGS


def test_a_link_kind_can_be_passed_without_registering_it() -> None:
    @link()
    def everyone(context: RingContext) -> pa.Table:
        codes = context.suspects.account
        n = len(codes) - 1
        columns = [codes[:-1], codes[1:], np.ones(n), np.full(n, context.since), np.full(n, context.since), [["x"]] * n]
        return pa.table(columns, schema=LINKS)

    found = search(make_world(TWO, gang_scores("a", "b")), links=(everyone,))
    assert set(found.ring_links["kind"].to_pylist()) == {"everyone"}


def test_a_link_kind_of_another_shape_is_refused() -> None:
    @link()
    def wrong(context: RingContext) -> pa.Table:
        return pa.table({"source": pa.array([], pa.int32())})

    with pytest.raises(DataError, match="wrong"):
        search(make_world(TWO, gang_scores("a", "b")), links=(*KINDS, wrong))


def test_a_link_kind_whose_table_is_absent_finds_nothing() -> None:
    @link(tables=("sessions",))
    def never(context: RingContext) -> pa.Table:
        raise AssertionError

    assert members(search(make_world(TWO, gang_scores("a", "b")), links=(*KINDS, never))) == TWO_GANGS


@pytest.mark.parametrize(
    "option",
    [
        {"min_suspicion": 1.5},
        {"min_precision": -0.1},
        {"max_counterparties": 0},
        {"resolution": float("nan")},
        {"max_rings": 0},
        {"holding_time": "soon"},
    ],
)
def test_options_out_of_range_are_refused(option: dict[str, Any]) -> None:
    with pytest.raises(OptionError):
        search(make_world(TWO, gang_scores("a")), **option)


def test_broken_scores_are_refused() -> None:
    world = make_world(TWO, gang_scores("a"))
    with pytest.raises(DataError, match="missing"):
        search(world._replace(scores=world.scores.drop_columns(["score"])))
    with pytest.raises(DataError, match="two scores"):
        search(world._replace(scores=pa.concat_tables([world.scores, world.scores])))
    with pytest.raises(DataError, match="probability"):
        search(make_world(TWO, {"ac": 2.0}))
    with pytest.raises(OptionError, match="no ring"):
        search(world).ring("R0")
