"""Facts of ring files and what is drawn of them, worked out by hand; see report_world."""

from __future__ import annotations

from dataclasses import replace

import networkx as nx
import numpy as np
import pyarrow as pa
import pytest
from report_world import AS_OF, START, make_material, make_tables, make_world, material_of

from muledetect import schema
from muledetect.clock import DAY
from muledetect.reports.rings.case import MOST_DRAWN, RingCase, ring_cases
from muledetect.reports.rings.drawing import chart_held, draw_flow, draw_network, waterfall
from muledetect.rings import RingTables


@pytest.fixture(scope="module")
def cases() -> list[RingCase]:
    return list(ring_cases(make_material(), {"gc": "accounts/00001.html"}))


def of(cases: list[RingCase], member: str) -> RingCase:
    return next(case for case in cases if member in set(case.members["account_id"]))


def test_members_stand_by_layer_with_their_pages(cases: list[RingCase]) -> None:
    case = of(cases, "gc")
    assert case.members["account_id"].tolist()[0] == "gc"
    assert set(case.members["account_id"]) == {"gc", "gr1", "gr2", "gx"}
    assert case.members["layer"].is_monotonic_increasing
    assert case.members["file"].tolist()[0] == "accounts/00001.html"
    assert case.members["file"].tolist()[1] is None


def test_money_is_split_by_where_it_came_from_and_went(cases: list[RingCase]) -> None:
    # v0 and v1 of gang g complained: 2,000.00; v2 is another payer: 1,000.00 (a wage lies within three days of it?)
    money = of(cases, "gc").money
    assert money["from_victims"] == 200_000
    assert money["within"] == 3 * (60_000 + 38_000 + 59_000 + 37_000)
    assert money["to_exits"] == 3 * 95_000
    assert money["from_others"] >= 100_000


def test_the_drawing_conserves_the_money(cases: list[RingCase]) -> None:
    for case in cases:
        total = sum(case.money.values())
        assert int(case.network.flows["amount"].sum()) == total == int(case.plays["amount"].sum())
        assert case.plays["time"].is_monotonic_increasing


def test_columns_go_from_victims_over_layers_to_exits(cases: list[RingCase]) -> None:
    nodes = of(cases, "gc").network.nodes.set_index("name")
    assert nodes.loc["gv0", "column"] == 0
    assert nodes.loc["gc", "column"] == 1 < nodes.loc["gx", "column"] < nodes.loc["abroad", "column"]
    assert nodes.loc["gv0", "kind"] == "victim"


def test_every_node_of_the_network_has_a_place_of_its_own(cases: list[RingCase]) -> None:
    drawn = draw_network(of(cases, "gc"), "THB", 100)
    nodes = drawn["views"][1]["nodes"]
    assert len(set(zip(nodes["x"], nodes["y"], strict=True))) == len(nodes["name"])
    received = dict(zip(nodes["name"], nodes["received"], strict=True))
    assert int(received["gx"]) == 3 * (59_000 + 37_000)


def test_accounts_around_a_ring_are_one_node_a_side_at_first(cases: list[RingCase]) -> None:
    case = of(cases, "gc")
    folded, each = draw_network(case, "THB", 100)["views"]
    assert [name for name in folded["nodes"]["kind"] if name not in schema.ROLES] == ["payers", "exit"]
    members = [name for name, layer in zip(each["nodes"]["name"], each["nodes"]["layer"], strict=True) if layer]
    assert set(members) < set(folded["nodes"]["name"])
    assert len(folded["nodes"]["name"]) == len(members) + 2
    for view in (folded, each):
        assert sum(map(int, view["flows"]["amount"])) == int(case.network.flows["amount"].sum())
        assert len(view["plays"]) == len(case.plays)
        assert min(view["plays"]) >= 0


def test_a_flow_drawing_says_what_it_does_not_draw(cases: list[RingCase]) -> None:
    case = of(cases, "gc")
    flow, not_drawn = draw_flow(case)
    assert sum(band["amount"] for band in flow["bands"]) + not_drawn == sum(case.money.values())
    assert {bar["label"] for bar in flow["bars"]} >= {"gc", "gr1", "gr2", "gx"}


def test_holding_time_is_that_of_the_gangs_minutes(cases: list[RingCase]) -> None:
    # of what c got, 98% left after 5 and 6 minutes; r1 and r2 passed on after 10, x after 15: half of the value by 10
    holding = of(cases, "gc").holding
    assert holding["median_s"] == 10 * 60
    assert holding["p90_s"] == 15 * 60


def test_the_transfers_that_show_the_typology_stand_in_the_order_of_time(cases: list[RingCase]) -> None:
    case = of(cases, "gc")
    assert case.ring.summary["typology"] == "scatter_gather"
    # three victims, and each time two payments of c and one each of r1 and r2
    assert len(case.shape) == 3 * 4
    assert set(zip(case.shape["source"], case.shape["target"], strict=True)) == {
        ("gc", "gr1"), ("gc", "gr2"), ("gr1", "gx"), ("gr2", "gx"),
    }  # fmt: skip
    assert case.shape["time"].is_monotonic_increasing
    assert case.shape["transfer_id"].is_unique


def test_what_members_share_is_listed_most_shared_first(cases: list[RingCase]) -> None:
    shared = of(cases, "gc").shared
    assert shared.iloc[0][["kind", "item"]].tolist() == ["wifi", "house"]
    assert shared.iloc[0]["accounts"] == ["gc", "gr1", "gr2", "gx"]
    sizes = [len(accounts) for accounts in shared["accounts"]]
    assert sizes == sorted(sizes, reverse=True)


def test_without_a_binding_link_the_parts_are_those_of_networkx(cases: list[RingCase]) -> None:
    for case in cases:
        graph = nx.Graph(case.ring.to_networkx())
        for bond in case.binding:
            without = graph.copy()
            without.remove_edge(bond["source"], bond["target"])
            parts = sorted(map(len, nx.connected_components(without)), reverse=True)
            before = nx.number_connected_components(graph)
            assert bond["parts"] == (parts if len(parts) > before else [])
        assert {pivot["account_id"] for pivot in case.pivots} <= set(nx.articulation_points(graph))


def test_a_waterfall_adds_up_to_the_tie(cases: list[RingCase]) -> None:
    ties = [tie for case in cases for tie in case.ties]
    assert ties
    for tie in ties:
        rows = waterfall(tie)
        assert rows[-1]["total"] == pytest.approx(tie["log_odds"])
        assert all(row["x"] >= 0 and row["x"] + row["width"] <= 221 for row in rows)


def test_a_tie_with_evidence_against_ends_with_it() -> None:
    tie = {"against": -1.5, "items": [{"family": "call", "kind": "k", "item": "i", "time": 0, "counts": 2.0}]}
    assert [row["total"] for row in waterfall(tie)] == [2.0, 0.5]


def test_money_over_time_ends_at_what_came_in_and_went_out(cases: list[RingCase]) -> None:
    case = of(cases, "gc")
    came, went = chart_held(case, 100)["series"]
    assert came["y"][-1] == (case.money["from_victims"] + case.money["from_others"]) / 100
    assert went["y"][-1] == (case.money["to_exits"] + case.money["to_others"]) / 100
    assert came["y"][0] == 0


def test_what_speaks_against_a_ring_is_listed() -> None:
    world = make_world()
    shaky = world.rings.rings.set_column(
        world.rings.rings.column_names.index("stability"), "stability", pa.array([0.2] * len(world.rings))
    )
    found = list(ring_cases(material_of(world, rings=replace(world.rings, rings=shaky)), {}))
    assert all("UNSTABLE" in {fact["code"] for fact in case.against} for case in found)


def test_victims_stand_with_where_their_money_is(cases: list[RingCase]) -> None:
    victims = of(cases, "gc").victims
    assert victims[["victim_id", "payee_id", "lost"]].to_numpy().tolist() == [
        ["gv1", "gc", 100_000],
        ["gv0", "gc", 100_000],
    ]
    for end in ("low", "high"):
        where = victims[[f"{place}_{end}" for place in ("in_accounts", "left_bank", "spent", "not_followed")]].sum(
            axis=1
        )
        assert ((where <= 100_000) if end == "low" else (where >= 100_000)).all()
    assert (victims["hold"] <= victims["in_accounts_high"]).all()


def test_nobody_around_is_both_member_and_other(cases: list[RingCase]) -> None:
    for case in cases:
        assert not set(case.others["account_id"]) & set(case.members["account_id"])


def large_ring(n: int) -> RingTables:
    """One ring of n members made by hand, of whom only those of gang g have transfers."""
    names = ["gc", "gr1", "gr2", "gx", *(f"quiet{at:05d}" for at in range(n - 4))]
    moment = pa.scalar(AS_OF, pa.timestamp("us", tz="UTC"))
    first, last = (pa.scalar(START + day * DAY, pa.timestamp("us", tz="UTC")) for day in (18, 20))
    rings = schema.RINGS.filled(
        ring_id=["R1"], as_of=pa.array([moment]), n_accounts=[n], score=[1.0], stability=[0.9], value_in=[1],
        n_victims=[1], first_time=pa.array([first]), last_time=pa.array([last]), recoverable=[0],
        probability=[0.9], expected_value=[1],
    )  # fmt: skip
    members = pa.table({
        "ring_id": ["R1"] * n, "account_id": names, "role": [schema.ROLES[at % 5] for at in range(n)],
        "layer": [1 + at % 4 for at in range(n)], "membership": [1 - at / (2 * n) for at in range(n)],
        "is_seed": [at % 3 == 0 for at in range(n)],
    }).cast(schema.RING_MEMBERS.arrow_schema)  # fmt: skip
    return RingTables(rings=rings, ring_members=members)


@pytest.mark.parametrize(("n", "is_summary"), [(MOST_DRAWN, False), (MOST_DRAWN + 1, True)])
def test_a_ring_that_is_too_large_is_drawn_by_groups(n: int, is_summary: bool) -> None:
    tables, quiet = make_tables(), [f"quiet{at:05d}" for at in range(n)]
    tables["accounts"] = pa.concat_tables(
        [tables["accounts"], pa.table({"account_id": quiet})], promote_options="default"
    )
    case = next(ring_cases(material_of(make_world(tables=tables), rings=large_ring(n)), {}))
    nodes = case.network.nodes
    members = nodes[nodes["kind"].isin(schema.ROLES)]
    assert case.is_summary == is_summary
    assert members["n"].sum() == n
    assert len(members) == (20 if is_summary else n)
    x, y = (np.array(draw_network(case, "THB", 100)["views"][1]["nodes"][name]) for name in ("x", "y"))
    assert len(set(zip(x.tolist(), y.tolist(), strict=True))) == len(nodes)
