from __future__ import annotations

import math
from dataclasses import fields
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from muledetect.clock import DAY, HOUR, MINUTE
from muledetect.graph import TransferGraph, graph_from_records
from muledetect.rings.money import RelayedMoney, match_relayed_money


def relayed(graph: TransferGraph, account: str, holding_time: int = 72 * HOUR, since: int = -1) -> RelayedMoney:
    return match_relayed_money(graph, graph.codes([account]), since=since, holding_time=holding_time)


def test_a_whole_relay_at_once_has_strength_one() -> None:
    graph = graph_from_records([("a", "m", 1000, 500), ("m", "b", 1000, 500)])
    money = relayed(graph, "m")
    assert money.amount.tolist() == [500, 500]
    # roots are kept to 2^-10
    assert money.strength == pytest.approx([1.0, 1.0], rel=1e-4)


def test_strength_falls_with_the_gap_and_the_difference_of_amounts() -> None:
    # 400 of 400 left after 15 minutes, in a debit of 900: 400 / sqrt(400 * 900) = 2 / 3
    graph = graph_from_records([("a", "m", 0, 400), ("m", "b", 15 * MINUTE, 900)])
    speed = 1 - math.log(1 + 15) / math.log(2 + 72 * 60)
    assert relayed(graph, "m").strength == pytest.approx([2 / 3 * speed] * 2, rel=1e-3)


def test_money_that_stays_longer_than_the_holding_time_is_not_relayed() -> None:
    graph = graph_from_records([("a", "m", 0, 400), ("m", "b", 72 * HOUR + 1, 400)])
    money = relayed(graph, "m")
    assert money.amount.tolist() == [0, 0]
    assert money.strength.tolist() == [0, 0]
    assert money.partner.tolist() == [-1, -1]


def test_old_money_leaves_first_so_a_late_debit_does_not_count_as_relay_of_it() -> None:
    # the 100 of day 0 are spent by the debit of day 10; only 50 of the fresh 100 left with it
    graph = graph_from_records([("a", "m", 0, 100), ("a", "m", 10 * DAY, 100), ("m", "b", 10 * DAY + HOUR, 150)])
    assert relayed(graph, "m").amount.tolist() == [0, 50, 50]


def test_a_coarse_clock_widens_the_holding_time_to_one_tick() -> None:
    graph = graph_from_records([("a", "m", 0, 400), ("m", "b", DAY, 400)], tick=DAY)
    assert relayed(graph, "m", holding_time=HOUR).amount.tolist() == [400, 400]


def test_transfers_of_an_account_to_itself_move_nothing() -> None:
    graph = graph_from_records([("a", "m", 0, 100), ("m", "m", 1, 100), ("m", "b", 2, 100)])
    assert relayed(graph, "m").amount.tolist() == [100, 100]


def test_nothing_before_the_window_is_looked_at() -> None:
    graph = graph_from_records([("a", "m", 0, 100), ("m", "b", 5, 100)])
    assert relayed(graph, "m", since=1).amount.tolist() == [0]


def naive(received: dict[int, int], debits: dict[int, int], holding_time: int) -> tuple[dict[int, int], dict[int, int]]:
    """Relayed amount per moment, unit by unit: each minor unit leaves in the order of its arrival."""
    units = [moment for moment in sorted(received) for _ in range(received[moment])]
    passed, used = dict.fromkeys(received, 0), dict.fromkeys(debits, 0)
    for moment in sorted(debits):
        for _ in range(debits[moment]):
            if not units or units[0] > moment:
                break
            arrived = units.pop(0)
            if moment - arrived <= holding_time:
                passed[arrived] += 1
                used[moment] += 1
    return passed, used


moves = st.lists(st.tuples(st.booleans(), st.integers(0, 8), st.integers(1, 9), st.integers(0, 3)), max_size=14)


@given(moves, st.integers(1, 5))
@settings(deadline=None, max_examples=60)
def test_amounts_equal_those_of_a_loop_over_single_units(rows: list[Any], holding_time: int) -> None:
    records = [
        ("m", f"o{other}", t, amount) if is_debit else (f"i{other}", "m", t, amount)
        for is_debit, t, amount, other in rows
    ]
    graph = graph_from_records([*records, ("m", "m", 0, 1)])
    money = relayed(graph, "m", holding_time=holding_time)
    sums: tuple[dict[int, int], dict[int, int]] = ({}, {})
    for is_debit, t, amount, _ in rows:
        sums[is_debit][t] = sums[is_debit].get(t, 0) + amount
    expected = naive(*sums, holding_time)
    for transfer, is_debit, part in zip(money.transfer, money.is_debit, money.amount, strict=True):
        pot, t = int(sums[int(is_debit)][int(graph.time[transfer])]), int(graph.time[transfer])
        exact = Fraction(int(graph.amount[transfer]) * expected[int(is_debit)][t], pot)
        assert abs(part - exact) <= Fraction(1, 2) + Fraction(1, 10**9)
    assert np.all((money.strength >= 0) & (money.strength <= 1))


def test_pieces_of_accounts_and_rows_of_some_transfers_are_those_of_all(monkeypatch: pytest.MonkeyPatch) -> None:
    random = np.random.default_rng(2)
    ends = random.integers(0, 12, (300, 2)).tolist()
    rows = [(f"a{a}", f"a{b}", k * MINUTE, int(random.integers(1, 50))) for k, (a, b) in enumerate(ends)]
    graph = graph_from_records(rows)
    asked = np.sort(graph.codes([f"a{k}" for k in range(0, 12, 2)]))
    whole = match_relayed_money(graph, asked, since=10 * MINUTE, holding_time=HOUR)
    monkeypatch.setattr("muledetect.rings.money.PIECE", 60)
    assert whole.strength.any()
    for among in (None, np.arange(5, 300, 7), np.zeros(0, np.int64)):
        found = match_relayed_money(graph, asked, since=10 * MINUTE, holding_time=HOUR, among=among)
        rows_of = np.arange(len(whole.transfer)) if among is None else np.flatnonzero(np.isin(whole.transfer, among))
        for field in fields(RelayedMoney):
            one, other = getattr(whole, field.name)[rows_of], getattr(found, field.name)
            assert (one.tobytes(), one.dtype) == (other.tobytes(), other.dtype)
    nobody = match_relayed_money(graph, asked[:0], since=0, holding_time=HOUR)
    assert [len(getattr(nobody, field.name)) for field in fields(RelayedMoney)] == [0] * 6
