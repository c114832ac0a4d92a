from __future__ import annotations

from typing import Any, cast

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from ring_worlds import AS_OF, START, World, gang, gang_scores, make_world, times

from muledetect.clock import DAY, HOUR, MINUTE
from muledetect.facts import Snapshot
from muledetect.records import read_dataset
from muledetect.rings import RingTables, find_rings, keep_ids, read_rings
from muledetect.rings.communities import find_episodes
from muledetect.rings.find import _edges
from muledetect.rings.links import RingContext
from muledetect.rings.suspicion import Suspects

Rows = list[tuple[str, str, int, int]]


def with_tables(world: World, **tables: pa.Table) -> World:
    dataset = read_dataset({"transfers": world.dataset.transfers} | tables, currency="THB")
    return world._replace(dataset=dataset)


def kinds(found: RingTables, one: str, other: str) -> set[str]:
    ends = {one, other}
    return {bond["kind"] for bond in found.ring_links.to_pylist() if {bond["source"], bond["target"]} == ends}


def search(world: World, **options: Any) -> RingTables:
    return find_rings(Snapshot(world.dataset, AS_OF), world.scores, **options)


def sessions(rows: list[tuple[str, int, str | None, str | None]]) -> pa.Table:
    account, moment, device, ip = zip(*rows, strict=True)
    return pa.table(
        {
            "session_id": [f"s{k}" for k in range(len(rows))],
            "account_id": list(account),
            "time": times([START + m for m in moment]),
            "device_hash": pa.array(device, pa.string()),
            "ip_hash": pa.array(ip, pa.string()),
        }
    )


def test_a_shared_phone_is_a_link_and_a_shop_terminal_of_thirty_is_none() -> None:
    rows: list[tuple[str, int, str | None, str | None]] = [
        ("ar1", HOUR, "phone", "wide"),
        ("ar2", 2 * HOUR, "phone", "wide"),
    ]
    rows += [(f"p{k}", HOUR, None, "wide") for k in range(30)]
    world = with_tables(make_world([*gang("a"), *[(f"p{k}", "shop", 0, 5) for k in range(30)]], gang_scores("a")),
                        sessions=sessions(rows))  # fmt: skip
    found = search(world)
    assert kinds(found, "ar1", "ar2") == {"shared_device"}
    bond = next(b for b in found.ring_links.to_pylist() if b["kind"] == "shared_device")
    assert (bond["weight"], bond["evidence"]) == (0.03, ["phone"])


def test_one_machine_within_half_an_hour_is_a_link() -> None:
    base = make_world(gang("a"), gang_scores("a"))
    visits: Rows = [
        ("ar1", "abroad", DAY, 900),
        ("ar2", "abroad", DAY + 10 * MINUTE, 900),
        ("ax", "abroad", 3 * DAY, 900),
    ]
    both = make_world([*gang("a"), *visits], gang_scores("a"))
    terminal = pa.array([None] * len(gang("a")) + ["T1"] * 3, pa.string())
    # rows of the data set are sorted by time, so the terminal is found by its row's moment
    moment = both.dataset.transfers["time"].cast(pa.int64()).to_numpy() - START
    marks = pa.array(["T1" if m >= DAY else None for m in moment], pa.string())
    assert terminal.null_count == marks.null_count
    table = both.dataset.transfers.append_column("terminal_id", marks)
    dataset = read_dataset({"transfers": table}, currency="THB")
    found = find_rings(Snapshot(dataset, AS_OF), base.scores)
    assert "shared_terminal" in kinds(found, "ar1", "ar2")
    assert "shared_terminal" not in kinds(found, "ar1", "ax")


def test_accounts_of_one_branch_and_hour_and_victims_in_common_are_links() -> None:
    accounts = pa.table(
        {
            "account_id": ["ac", "ar1", "ar2", "ax", "p"],
            "opened_at": times([START - DAY - k * MINUTE for k in (1, 2, 3, 900, 901)]),
            "branch_id": ["B1", "B1", "B2", "B1", "B1"],
        }
    )
    complaints = pa.table(
        {"complaint_id": ["k1", "k2"], "known_ts": times([START + DAY] * 2), "transfer_id": ["t0", "t1"]}
    )
    rows: Rows = [("v", "ac", 0, 5_000), ("v", "ar2", MINUTE, 7_000), *gang("a")]
    world = make_world(rows, gang_scores("a"))
    ids = world.dataset.transfers["transfer_id"].to_pylist()
    source = world.dataset.transfers["source"].to_pylist()
    first = [ids[k] for k in range(len(ids)) if source[k] == "v"]
    complaints = complaints.set_column(2, "transfer_id", pa.array(first))
    found = search(with_tables(world, accounts=accounts, complaints=complaints))
    assert "shared_opening" in kinds(found, "ac", "ar1")
    assert "shared_opening" not in kinds(found, "ac", "ar2") | kinds(found, "ac", "ax")
    assert "shared_victims" in kinds(found, "ac", "ar2")


def test_an_account_that_two_rings_use_in_turn_is_a_member_of_both_in_its_time() -> None:
    # x cashes out for gang a in the first days and for gang b three weeks later
    rows = [*gang("a"), *[(s.replace("bx", "ax"), t.replace("bx", "ax"), m, a) for s, t, m, a in gang("b", 22 * DAY)]]
    scores = gang_scores("a", "b")
    del scores["bx"]
    found = search(make_world(rows, scores))
    assert {frozenset(ring.members["account_id"].to_pylist()) for ring in found} == {
        frozenset({"ac", "ar1", "ar2", "ax"}),
        frozenset({"bc", "br1", "br2", "ax"}),
    }
    # each ring counts its own victims' money only
    assert found.rings["value_in"].to_pylist() == [200_000, 200_000]


def test_counterparties_that_are_no_members_are_listed_with_the_reason() -> None:
    complaints = pa.table({"complaint_id": ["k"], "known_ts": times([START + DAY]), "transfer_id": ["t00000"]})
    accounts = pa.table({"account_id": ["shop"], "kind": ["merchant"]})
    rows: Rows = [*gang("a"), ("ax", "shop", HOUR, 500), ("ar1", "cousin", 2 * HOUR, 300)]
    rows += [("boss", "cousin", k * HOUR, 9_000) for k in range(20)]
    world = with_tables(make_world(rows, gang_scores("a")), complaints=complaints, accounts=accounts)
    others = {row["account_id"]: row for row in search(world).ring_others.to_pylist()}
    assert {name: row["relation"] for name, row in others.items()} == {
        "av0": "victim", "av1": "payer", "shop": "institution", "aabroad": "exit", "cousin": "recipient",
    }  # fmt: skip
    assert (others["av0"]["paid"], others["shop"]["received"], others["aabroad"]["n_transfers"]) == (100_000, 500, 2)


def test_a_payer_of_mules_is_no_member_however_often_it_pays() -> None:
    rows: Rows = [
        *gang("a"),
        *[("av0", member, k * HOUR, 50_000) for k, member in enumerate(("ac", "ar1", "ar2", "ax"))],
    ]
    assert "av0" not in search(make_world(rows, gang_scores("a"))).ring_members["account_id"].to_pylist()


def test_a_complaint_alone_makes_a_seed_and_the_money_shows_the_others() -> None:
    complaints = pa.table(
        {"complaint_id": ["k", "l"], "known_ts": times([START + DAY] * 2), "transfer_id": ["t00000", "t00006"]}
    )
    # a bank around it: chance hardly brings four of so many together
    crowd = [(f"p{k}", f"q{k}", k * HOUR, 1_000) for k in range(100)]
    scores = dict.fromkeys([*gang_scores("a"), *(name for pair in crowd for name in pair[:2])], 0.02)
    # four accounts that the scores take for honest are less suspicious, and less likely a ring, than what is shown
    found = search(make_world([*gang("a"), *crowd], scores, complaints), min_suspicion=0.25, min_precision=0.1)
    members = {row["account_id"]: row["is_seed"] for row in found.ring_members.to_pylist()}
    assert members == {"ac": True, "ar1": False, "ar2": False, "ax": False}


@given(st.lists(st.tuples(st.integers(0, 2), st.integers(0, 60), st.integers(0, 9)), max_size=30))
def test_episodes_are_spans_joined_across_short_rests(spans: list[tuple[int, int, int]]) -> None:
    suspect, first, length = (np.array([span[k] for span in spans], np.int64) for k in range(3))
    found = find_episodes(suspect, first, first + length, rest=5)
    wanted = []
    for who in range(3):
        begin = end = None
        for s, f, n in sorted(spans, key=lambda span: span[1]):
            if s != who:
                continue
            if end is not None and f - end <= 5:
                end = max(end, f + n)
            else:
                wanted += [(who, begin, end)] if end is not None else []
                begin, end = f, f + n
        wanted += [(who, begin, end)] if end is not None else []
    got = list(zip(found.suspect.tolist(), found.first_time.tolist(), found.last_time.tolist(), strict=True))
    assert got == wanted
    for who, begin, _ in wanted:
        at = found.of(np.array([who]), np.array([begin]))[0]
        assert got[at][:2] == (who, begin)
    assert found.of(np.array([7]), np.array([0])).tolist() == [-1]


def test_a_ring_keeps_its_id_while_accounts_are_replaced_and_others_are_told_apart(tmp_path: Any) -> None:
    early = [*gang("a"), *gang("b", DAY)]
    before = search(make_world(early, gang_scores("a", "b")))
    # gang a takes on r3 and loses nobody; gang b is gone from the window; gang d is new
    later: Rows = [
        *gang("a"),
        ("ac", "ar3", 5 * DAY, 9_000),
        ("ar3", "ax", 5 * DAY + MINUTE, 8_900),
        *gang("d", 6 * DAY),
    ]
    after = search(make_world(later, gang_scores("a", "d") | {"ar3": 0.9}))
    renamed, events = keep_ids(after, before)
    old = {frozenset(ring.members["account_id"].to_pylist()): ring.ring_id for ring in before}
    new = {frozenset(ring.members["account_id"].to_pylist()): ring.ring_id for ring in renamed}
    a = frozenset({"ac", "ar1", "ar2", "ax"})
    assert new[a | {"ar3"}] == old[a]
    happened = {(row["ring_id"], row["previous_id"]): row["event"] for row in events.to_pylist()}
    b, d = frozenset(f"b{m}" for m in ("c", "r1", "r2", "x")), frozenset(f"d{m}" for m in ("c", "r1", "r2", "x"))
    assert happened == {(old[a], old[a]): "grown", (new[d], None): "born", (old[b], old[b]): "gone"}
    assert set(renamed.ring_links["ring_id"].to_pylist()) == set(new.values())
    # the same moment again: all unchanged; and through files
    after.write(tmp_path)
    again, events = keep_ids(after, read_rings(tmp_path))
    assert set(events["event"].to_pylist()) == {"unchanged"}
    assert again.rings.equals(after.rings)


def test_rings_that_flow_together_or_apart_are_told() -> None:
    two = search(make_world([*gang("a"), *gang("b", DAY)], gang_scores("a", "b")))
    joined = [*gang("a"), *gang("b", DAY)]
    for k, (one, other) in enumerate(
        (("ax", "bc"), ("bx", "ac"), ("ar1", "br1"), ("br2", "ar2"), ("ac", "bx"), ("bc", "ax"))
    ):
        joined += [(one, other, 2 * DAY + k * HOUR, 90_000), (other, one, 2 * DAY + k * HOUR + MINUTE, 90_000)]
    one = search(make_world(joined, gang_scores("a", "b")), resolution=0.01)
    assert len(one) == 1
    _, events = keep_ids(one, two)
    assert sorted(events["event"].to_pylist()) == ["grown", "merged"]
    _, events = keep_ids(two, one)
    assert sorted(events["event"].to_pylist()) == ["shrunk", "split"]


def test_a_ring_is_written_for_graph_programs(tmp_path: Any) -> None:
    import networkx as nx  # noqa: PLC0415

    ring = next(iter(search(make_world(gang("a"), gang_scores("a")))))
    ring.to_graphml(tmp_path / "ring.graphml")
    drawn = nx.read_graphml(tmp_path / "ring.graphml")
    assert set(drawn.nodes) == set(gang_scores("a"))
    assert drawn.number_of_edges() == ring.links.num_rows


@pytest.mark.parametrize("table", ["sessions", "complaints", "accounts"])
def test_empty_side_tables_change_nothing(table: str) -> None:
    empty = {
        "sessions": sessions([("ac", 0, None, None)]).slice(0, 0),
        "complaints": pa.table({"complaint_id": pa.array([], pa.string()), "known_ts": times([])}),
        "accounts": pa.table({"account_id": pa.array([], pa.string())}),
    }
    world = make_world(gang("a"), gang_scores("a"))
    assert search(with_tables(world, **{table: empty[table]})).ring_links.equals(search(world).ring_links)


def links(rows: list[tuple[int, int, int, int, float]]) -> pa.Table:
    source, target, first, last, weight = zip(*rows, strict=True)
    return pa.table(
        {
            "source": pa.array(source, pa.int32()),
            "target": pa.array(target, pa.int32()),
            "first_time": times(list(first)),
            "last_time": times(list(last)),
            "weight": pa.array(weight, pa.float64()),
        }
    )


def test_edges_join_the_episodes_of_their_time_and_an_old_shared_phone_joins_none() -> None:
    # accounts 3, 5 and 9 with one episode each, on days 10 to 12; 9 also has one on days 40 to 41
    suspects = Suspects(np.array([3, 5, 9], np.int32), np.array([0.5, 0.25, 1.0]), np.ones(3, np.bool_), np.ones(3))
    context = RingContext(cast(Any, None), suspects, 0, 1, rest=7 * DAY)
    suspect, first, last = np.array([0, 1, 2, 2]), np.array([10, 10, 10, 40]), np.array([12, 12, 12, 41])
    episodes = find_episodes(suspect, first * DAY, last * DAY, rest=7 * DAY)
    table = links(
        [
            (3, 5, 1 * DAY, 2 * DAY, 0.8),  # both used it, but eight days before the episodes began
            (3, 5, 1 * DAY, 3 * DAY, 0.8),  # seven days before: close enough
            (5, 9, 11 * DAY, 11 * DAY, 0.8),
            (9, 3, 40 * DAY, 40 * DAY, 0.8),  # in the second episode of 9; long after the only one of 3
        ]
    )
    left, right, weight = _edges(context, episodes, table, opens=False)
    assert list(zip(left.tolist(), right.tolist(), strict=True)) == [(-1, -1), (0, 1), (1, 2), (3, -1)]
    np.testing.assert_array_equal(weight, [0.8 * (0.5 * 0.25), 0.8 * (0.5 * 0.25), 0.8 * 0.25, 0.8 * 0.5])
    left, right, _ = _edges(context, episodes, table, opens=True)
    assert list(zip(left.tolist(), right.tolist(), strict=True)) == [(0, 1), (0, 1), (1, 2), (3, 0)]


def test_an_edge_weighs_the_same_to_the_last_bit_whichever_end_comes_first() -> None:
    n, random = 200, np.random.default_rng(2)
    suspects = Suspects(np.arange(n, dtype=np.int32), random.random(n), np.ones(n, np.bool_), np.ones(n))
    context = RingContext(cast(Any, None), suspects, 0, 1, rest=DAY)
    episodes = find_episodes(np.arange(n), np.zeros(n, np.int64), np.full(n, DAY), rest=DAY)
    rows = [(int(s), int(t), 0, DAY, float(w)) for s, t, w in zip(
        random.integers(0, n, 2_000), random.integers(0, n, 2_000), random.random(2_000), strict=True)]  # fmt: skip
    turned = [(t, s, *rest) for s, t, *rest in rows]
    left, right, weight = _edges(context, episodes, links(rows), opens=True)
    right_again, left_again, weight_again = _edges(context, episodes, links(turned), opens=True)
    for one, other in ((left, left_again), (right, right_again), (weight, weight_again)):
        np.testing.assert_array_equal(one, other)
