"""Links and rings against what chance brings about in the same data set."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
from ring_worlds import AS_OF, START, World, gang, gang_scores, make_world

from muledetect.clock import DAY, HOUR
from muledetect.facts import Snapshot
from muledetect.rings import RingTables, find_rings
from muledetect.rings.account_evidence import AccountEvidence
from muledetect.rings.communities import usual_rests
from muledetect.rings.links import RingContext, payment
from muledetect.rings.money import match_relayed_money
from muledetect.rings.null import weigh_kinds
from muledetect.rings.pairs import measure_dealings, measure_pairs
from muledetect.rings.probability import describe_groups, find_probability
from muledetect.rings.strength import ELSEWHERE, learn_strength
from muledetect.rings.suspicion import Suspects, allowance, excess


def search(world: World, **options: Any) -> RingTables:
    return find_rings(Snapshot(world.dataset, AS_OF), world.scores, **options)


def strength_of(rows: list[tuple[str, str, int, int]], source: str, target: str) -> float:
    snapshot = Snapshot(make_world(rows, {}).dataset, AS_OF)
    graph = snapshot.graph
    accounts = np.arange(graph.n_accounts, dtype=np.int32)
    transfer = np.arange(graph.n_transfers)
    ends = (graph.source.astype(np.int64), graph.target.astype(np.int64))
    money = match_relayed_money(graph, accounts, since=START, holding_time=3 * DAY)
    dealings = measure_dealings(snapshot, accounts, START)
    pairs = measure_pairs(snapshot, transfer, *ends, dealings, money, since=START)
    one, other = graph.codes([source, target]).tolist()
    return float(pairs.strength(ELSEWHERE)[(pairs.source == one) & (pairs.target == other)][0])


def test_a_payment_to_whom_everybody_pays_binds_less_than_one_to_whom_nobody_else_does() -> None:
    crowd = [(f"p{k}", "shop", k * HOUR, 1_000) for k in range(200)]
    crowd += [(f"p{k}", f"q{k}", k * HOUR, 1_000) for k in range(200)]
    rows = [*crowd, ("a", "b", DAY, 5_000), ("a", "shop", DAY, 5_000)]
    assert strength_of(rows, "a", "b") > 0.5
    assert strength_of(rows, "a", "shop") < 0.2


def test_a_habit_of_the_whole_record_binds_less_than_payments_of_one_week() -> None:
    crowd = [(f"p{k}", f"q{k}", k * DAY // 10, 1_000) for k in range(290)]
    week = [*crowd, *[("a", "b", k * DAY, 5_000) for k in range(7)]]
    habit = [*crowd, *[("a", "b", 4 * k * DAY, 5_000) for k in range(7)]]
    assert strength_of(habit, "a", "b") < strength_of(week, "a", "b")


def drawn_pairs(n: int, seed: int) -> tuple[dict[str, Any], Any, Any]:
    """Pairs whose `habit` makes a ring likely here, against what holds elsewhere; and noisy suspicion of both ends."""
    random = np.random.default_rng(seed)
    parts = {name: random.normal(size=n) for name in ("chance", "in_share", "out_share", "returned")}
    parts |= {"habit": random.random(n), "passed_before": np.zeros(n), "passed_after": np.zeros(n)}
    one = random.uniform(0.2, 0.9, n)
    is_ring = (random.random(n) < one) & (parts["habit"] > 0.8)
    # of mules half have a score of 0.6; of the others one in 20 has
    other = np.where(random.random(n) < np.where(is_ring, 0.5, 0.05), 0.6, 0.02)
    return parts, one, other


def test_what_binds_is_learnt_from_whom_the_suspicious_pay_although_it_is_the_opposite_elsewhere() -> None:
    parts, one, other = drawn_pairs(20_000, 3)
    # half of the mules at 0.6 and half at 0.02; of the others 5%
    learnt = learn_strength(parts, one, other, mules=0.31, anybody=0.049)
    assert ELSEWHERE["habit"] < 0 < learnt["habit"]
    assert abs(learnt["chance"]) < abs(ELSEWHERE["chance"])
    few = {name: values[:40] for name, values in parts.items()}
    assert learn_strength(few, one[:40], other[:40], mules=0.31, anybody=0.049) is ELSEWHERE
    # scores that do not tell mules from others teach nothing
    assert learn_strength(parts, one, other, mules=0.05, anybody=0.049) is ELSEWHERE


def test_what_is_learnt_does_not_depend_on_the_order_of_pairs_to_the_last_bit() -> None:
    parts, one, other = drawn_pairs(3_000, 4)
    learnt = learn_strength(parts, one, other, mules=0.31, anybody=0.049)
    order = np.random.default_rng(5).permutation(3_000)
    turned = {name: values[order] for name, values in parts.items()}
    assert learn_strength(turned, one[order], other[order], mules=0.31, anybody=0.049) == learnt


@pytest.mark.parametrize(("is_bound", "expected"), [(True, True), (False, False)])
def test_payments_among_suspects_count_only_beyond_those_that_partners_drawn_by_lot_have(
    is_bound: bool, expected: bool
) -> None:
    random = np.random.default_rng(1)
    # 60 suspects among 240 accounts; bound: they pay each other, else everybody pays anybody
    rows = []
    for k in range(960):
        source = int(random.integers(0, 240))
        pool = 60 if is_bound and source < 60 else 240
        target = int(random.integers(0, pool))
        rows += [(f"a{source:03d}", f"a{target:03d}", k * HOUR // 2, 1_000)] if source != target else []
    snapshot = Snapshot(make_world(rows, {}).dataset, AS_OF)
    ids = snapshot.graph.account_ids.to_pylist()
    account = np.array([k for k, name in enumerate(ids) if int(name[1:]) < 60], np.int32)
    n_others = measure_dealings(snapshot, account, START).n_others
    suspects = Suspects(account, np.full(len(account), 0.9), np.ones(len(account), np.bool_), n_others)
    context = RingContext(snapshot, suspects, START, 3 * DAY, 10 * DAY)
    judged = weigh_kinds(context, {"payment": payment.find(context)}).to_pylist()[0]
    assert (judged["factor"] > 0) == expected
    assert (judged["observed"] > 1.5 * judged["by_chance"]) == expected


def test_neighbours_make_no_more_mules_than_the_scores_allow() -> None:
    world = make_world([(f"p{k}", f"q{k}", k * HOUR, 1_000) for k in range(100)], {})
    snapshot = Snapshot(world.dataset, AS_OF)
    n = snapshot.graph.n_accounts
    none, zeros = np.zeros(n, np.bool_), np.zeros(n, np.int64)
    allowed, is_free = allowance(snapshot, AccountEvidence(np.full(n, 0.02), zeros, none, none, np.zeros(n)))
    # 200 accounts of 2% are 4; and 2 sqrt(4) + 2
    assert allowed == pytest.approx(10.0)
    assert is_free.all()
    odds = np.zeros(n)
    lowered = odds - excess(odds, allowed)
    assert (1 / (1 + np.exp(-lowered))).sum() == pytest.approx(allowed, rel=1e-6)
    assert excess(odds - 20.0, allowed) == 0.0


def test_scores_fall_short_only_by_what_complaints_show_beyond_what_right_scores_would() -> None:
    world = make_world([(f"p{k}", f"q{k}", k * HOUR, 1_000) for k in range(100)], {})
    snapshot = Snapshot(world.dataset, AS_OF)
    n = snapshot.graph.n_accounts
    none, zeros = np.zeros(n, np.bool_), np.zeros(n, np.int64)
    probability = np.where(np.arange(n) < 20, 0.5, 0.02)
    # if these are right, a mule has (20 * 0.5 ** 2 + 180 * 0.02 ** 2) / (20 * 0.5 + 180 * 0.02) on average
    usual = 5.072 / 13.6
    # complaints about ten of 2%, about ten of 50%, and about both as often as such mules are expected
    for rows, left in ((slice(20, 30), 10 + 170 * 0.02), (slice(0, 10), 5 + 180 * 0.02), (slice(15, 20), None)):
        named = zeros.copy()
        named[rows] = 1
        allowed, is_free = allowance(snapshot, AccountEvidence(probability, named, none, none, np.zeros(n)))
        n_named, told = int(named.sum()), float(probability[rows].sum())
        expected = (13.6 - told if left is None else left) * max(1.0, (n_named * usual + 1) / (told + 1))
        assert allowed == pytest.approx(expected + 2 * expected**0.5 + 2)
        assert (expected > 13.6 - told + 1e-9) == (rows.start == 20)
        assert is_free.sum() == n - n_named


def test_the_usual_rest_is_the_lower_median_of_the_pauses_between_different_moments() -> None:
    suspect = np.array([0, 0, 0, 0, 0, 2, 2])
    moment = np.array([9, 1, 1, 2, 19, 5, 5])
    # pauses 1, 7, 10 of the first; the third has one moment only
    assert usual_rests(suspect, moment, 3).tolist() == [7, 0, 0]


def test_a_ring_that_rests_for_weeks_is_one_ring() -> None:
    # money goes round four accounts, 15 days a step, among customers that pay each other
    names = ["s1", "s2", "s3", "s4", "s1"]
    rows = [(names[k], names[k + 1], k * 15 * DAY, 90_000) for k in range(4)]
    rows += [(f"p{k}", f"q{k}", k * HOUR, 1_000) for k in range(100)]
    world = make_world(rows, dict.fromkeys(names, 0.9))
    found = find_rings(Snapshot(world.dataset, START + 60 * DAY), world.scores)
    assert [set(ring.members["account_id"].to_pylist()) for ring in found] == [set(names)]


def test_a_ring_that_comes_back_with_its_members_is_one_ring_and_another_at_its_account_is_not() -> None:
    # twice round four accounts, 40 days apart; between, another ring that uses one of the four
    first, second = ["a1", "a2", "a3", "a4", "a1"], ["a1", "b2", "b3", "b4", "a1"]
    rows = [(first[k], first[k + 1], d * DAY + k * HOUR, 90_000) for d in (0, 80) for k in range(4)]
    rows += [(second[k], second[k + 1], 40 * DAY + k * HOUR, 70_000) for k in range(4)]
    rows += [(f"p{k}", f"q{k}", k * HOUR, 1_000) for k in range(100)]
    world = make_world(rows, dict.fromkeys({*first, *second}, 0.9))
    found = find_rings(Snapshot(world.dataset, START + 90 * DAY), world.scores)
    assert {frozenset(ring.members["account_id"].to_pylist()) for ring in found} == {
        frozenset(first), frozenset(second)
    }  # fmt: skip


def test_groups_of_too_little_probability_are_counted_and_the_notes_say_so(tmp_path: Any) -> None:
    world = make_world([*gang("a"), *gang("b", 2 * DAY)], gang_scores("a", "b"))
    shown = search(world)
    assert (len(shown), shown.n_weaker) == (2, 0)
    probability = shown.rings["probability"].to_pylist()
    assert shown.notes[0] == f"of 2 rings, {sum(probability):.1f} are expected to be right"
    hidden = search(world, min_precision=1.0)
    assert (len(hidden), hidden.n_weaker) == (0, 2)
    assert hidden.notes == ["2 weaker groups not shown: each a ring with less than 1"]
    assert "no ring" in search(make_world(gang("a"), {})).notes[0]
    shown.write(tmp_path)
    assert pq.read_schema(tmp_path / "rings.parquet").metadata[b"muledetect.notes"].decode().startswith("of 2 rings")


def test_a_group_is_likelier_a_ring_the_more_suspicious_bound_and_large_it_is() -> None:
    ring = np.array([0, 0, 0, 1, 1, 1, 2, 2, 2, 3, 3, 3, 3])
    suspicion = np.array([0.9] * 3 + [0.6] * 3 + [0.9] * 3 + [0.9] * 4)
    bond = np.array([1.0] * 6 + [0.2] * 3 + [1.0] * 4)
    first, doubtful, loose, large = find_probability(describe_groups(ring, suspicion, bond, np.ones(13, np.bool_)))
    assert doubtful < first < large
    assert loose < first
