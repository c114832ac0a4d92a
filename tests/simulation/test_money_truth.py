"""Money of cases is followed exactly: hand-drawn chains, laws over any little world, and an oracle of single coins."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from muledetect.errors import DataError
from muledetect.simulation.money_truth import PLACES, follow_money
from muledetect.simulation.plan import EXIT, HOP, NORMAL, SPEND, TEST, VICTIM, Columns

VICTIM_A, MULE, RELAY, SHOP, VASP = range(5)
N_ACCOUNTS = 5
N_POTS = 3
STEPS = (HOP, EXIT, SPEND)


@dataclass(frozen=True)
class Row:
    source: int
    target: int
    amount: int
    kind: int = NORMAL
    case: int = -1
    pot_in: int = -1
    pot_out: int = -1
    source_after: int = 1_000


def columns(rows: list[Row]) -> Columns:
    """Rows at times 10, 20, 30 ... with running numbers 100, 101, ..."""
    made: Columns = {
        name: np.array([getattr(row, name) for row in rows], np.int64)
        for name in ("source", "target", "amount", "kind", "case", "pot_in", "pot_out", "source_after")
    }
    return made | {"time": 10 * np.arange(1, len(rows) + 1), "number": 100 + np.arange(len(rows))}


def flows_of(flows: Columns) -> list[tuple[int, int, int]]:
    return list(zip(flows["row"].tolist(), flows["case"].tolist(), flows["amount"].tolist(), strict=True))


def held_after(holdings: Columns, moment: int) -> dict[tuple[int, int, str], int]:
    """Money by case, account and place at a moment; places that hold nothing are left out."""
    now: dict[tuple[int, int, str], int] = {}
    for case, account, place, time, amount in zip(
        *(holdings[name].tolist() for name in ("case", "account", "place", "time", "amount")), strict=True
    ):
        if time <= moment:
            now[case, account, PLACES[place]] = amount
    return {where: amount for where, amount in now.items() if amount}


def test_money_hops_through_a_pot_and_leaves_at_an_exit() -> None:
    flows, holdings = follow_money(
        columns(
            [
                Row(VICTIM_A, MULE, 100, VICTIM, case=7, pot_in=0),
                Row(MULE, RELAY, 60, HOP, pot_out=0, pot_in=1),
                Row(RELAY, VASP, 50, EXIT, pot_out=1),
                Row(RELAY, SHOP, 5, SPEND, pot_out=1),
            ]
        ),
        N_ACCOUNTS,
    )
    assert flows_of(flows) == [(0, 7, 100), (1, 7, 60), (2, 7, 50), (3, 7, 5)]
    assert flows["number"].tolist() == [100, 101, 102, 103]
    assert held_after(holdings, 9) == {}
    assert held_after(holdings, 10) == {(7, MULE, "account"): 100}
    assert held_after(holdings, 29) == {(7, MULE, "account"): 40, (7, RELAY, "account"): 60}
    assert held_after(holdings, 40) == {
        (7, MULE, "account"): 40,
        (7, RELAY, "account"): 5,
        (7, VASP, "exit"): 50,
        (7, SHOP, "spent"): 5,
    }


def test_a_pot_pays_the_case_that_came_first_first() -> None:
    flows, _ = follow_money(
        columns(
            [
                Row(VICTIM_A, MULE, 30, VICTIM, case=1, pot_in=0),
                Row(VICTIM_A, MULE, 30, VICTIM, case=0, pot_in=0),
                Row(VICTIM_A, MULE, 30, VICTIM, case=1, pot_in=0),
                # 30 of case 1, 30 of case 0, then 10 of case 1 again: one part a case
                Row(MULE, RELAY, 70, HOP, pot_out=0, pot_in=1),
                # one arrival: case 1 left first, so it is passed on first
                Row(RELAY, VASP, 50, EXIT, pot_out=1),
            ]
        ),
        N_ACCOUNTS,
    )
    assert flows_of(flows)[3:] == [(3, 1, 40), (3, 0, 30), (4, 1, 40), (4, 0, 10)]


def test_normal_life_spends_its_own_money_before_that_of_a_case() -> None:
    # The mule has 50 of its own and 100 of the case.
    flows, holdings = follow_money(
        columns(
            [
                Row(VICTIM_A, MULE, 100, VICTIM, case=0, pot_in=0),
                Row(MULE, SHOP, 50, source_after=100),
                Row(MULE, SHOP, 20, source_after=80),
                # the pot now holds 80: the rest of the hop is what the mule was paid meanwhile
                Row(MULE, RELAY, 90, HOP, pot_out=0, pot_in=1, source_after=0),
            ]
        ),
        N_ACCOUNTS,
    )
    assert flows_of(flows) == [(0, 0, 100), (2, 0, 20), (3, 0, 80)]
    assert held_after(holdings, 40) == {(0, SHOP, "spent"): 20, (0, RELAY, "account"): 80}


def test_a_shortage_takes_the_oldest_money_of_all_pots() -> None:
    flows, _ = follow_money(
        columns(
            [
                Row(VICTIM_A, MULE, 30, VICTIM, case=0, pot_in=0),
                Row(VICTIM_A, MULE, 30, VICTIM, case=1, pot_in=1),
                Row(MULE, RELAY, 10, TEST, source_after=50),
                Row(MULE, SHOP, 25, source_after=25),
                Row(MULE, VASP, 20, EXIT, pot_out=0, source_after=5),
            ]
        ),
        N_ACCOUNTS,
    )
    # the exit's own pot is empty: it takes from the other pot what the balance of 5 cannot hold
    assert flows_of(flows) == [(0, 0, 30), (1, 1, 30), (2, 0, 10), (3, 0, 20), (3, 1, 5), (4, 1, 20)]


def test_nobody_pays_from_a_pot_of_somebody_else() -> None:
    flows, holdings = follow_money(
        columns(
            [
                Row(VICTIM_A, MULE, 30, VICTIM, case=0, pot_in=0),
                Row(VICTIM_A, RELAY, 30, VICTIM, case=1, pot_in=0),
                Row(RELAY, VASP, 40, EXIT, pot_out=0, source_after=10),
            ]
        ),
        N_ACCOUNTS,
    )
    assert flows_of(flows)[2:] == [(2, 1, 30)]
    assert held_after(holdings, 30) == {(0, MULE, "account"): 30, (1, VASP, "exit"): 30}


def test_money_that_came_into_no_pot_stays_until_it_is_spent() -> None:
    flows, holdings = follow_money(
        columns(
            [
                Row(VICTIM_A, MULE, 30, VICTIM, case=0, pot_in=0),
                Row(MULE, RELAY, 30, HOP, pot_out=0),
                Row(RELAY, SHOP, 25, source_after=10),
            ]
        ),
        N_ACCOUNTS,
    )
    assert flows_of(flows) == [(0, 0, 30), (1, 0, 30), (2, 0, 20)]
    assert held_after(holdings, 30) == {(0, RELAY, "account"): 10, (0, SHOP, "spent"): 20}


def test_a_mule_that_becomes_a_victim_spends_what_it_held_of_others() -> None:
    flows, holdings = follow_money(
        columns(
            [
                Row(VICTIM_A, MULE, 30, VICTIM, case=0, pot_in=0),
                Row(MULE, RELAY, 50, VICTIM, case=1, pot_in=1, source_after=10),
            ]
        ),
        N_ACCOUNTS,
    )
    assert flows_of(flows) == [(0, 0, 30), (1, 1, 50)]
    assert held_after(holdings, 20) == {
        (0, MULE, "account"): 10,
        (0, RELAY, "spent"): 20,
        (1, RELAY, "account"): 50,
    }


def test_without_victims_there_is_nothing_to_follow() -> None:
    for rows in ([], [Row(MULE, SHOP, 5, source_after=0), Row(MULE, VASP, 5, EXIT, pot_out=0, source_after=0)]):
        flows, holdings = follow_money(columns(rows), N_ACCOUNTS)
        assert len(flows["row"]) == len(flows["number"]) == len(flows["case"]) == len(flows["amount"]) == 0
        assert len(holdings["case"]) == len(holdings["time"]) == 0


def test_rows_that_no_ledger_makes_are_refused_all_at_once() -> None:
    rows = columns([Row(VICTIM_A, MULE, 5, VICTIM), Row(MULE, SHOP, 5, source_after=-1)])
    rows["time"] = np.array([10, 10])
    with pytest.raises(DataError, match=r"times must increase.*row 1.*negative.*row 1.*belong to a case.*row 0"):
        follow_money(rows, N_ACCOUNTS)


# --- any little world -------------------------------------------------------------------------------------------------


@st.composite
def little_worlds(draw: st.DrawFn) -> tuple[list[Row], list[int]]:
    """Rows that a true little ledger executed, and the opening balances; pot p belongs to account p % N_ACCOUNTS."""
    opening = draw(st.lists(st.integers(0, 12), min_size=N_ACCOUNTS, max_size=N_ACCOUNTS))
    balance = list(opening)
    rows: list[Row] = []
    for _ in range(draw(st.integers(0, 25))):
        source = draw(st.integers(0, N_ACCOUNTS - 1))
        if not balance[source]:
            continue
        target = (source + draw(st.integers(1, N_ACCOUNTS - 1))) % N_ACCOUNTS
        amount = draw(st.integers(1, balance[source]))
        kind = draw(st.sampled_from([NORMAL, VICTIM, VICTIM, HOP, HOP, EXIT, TEST, SPEND]))
        # a pot is named by its account, so that pots of all accounts are met
        pot_in = draw(st.sampled_from([-1, 0, 1])) if kind != TEST else -1
        pot_out = draw(st.sampled_from([-1, 0, 1])) if kind in (*STEPS, NORMAL) else -1
        balance[source] -= amount
        balance[target] += amount
        rows.append(
            Row(
                source,
                target,
                amount,
                kind,
                draw(st.integers(0, 3)) if kind == VICTIM else -1,
                pot_in if pot_in < 0 else pot_in * N_ACCOUNTS + target,
                pot_out if pot_out < 0 else pot_out * N_ACCOUNTS + source,
                balance[source],
            )
        )
    return rows, opening


Coin = tuple[int, int]  # case (-1: own money), pot


def coin_by_coin(
    rows: list[Row], opening: list[int]
) -> tuple[list[dict[int, int]], list[dict[tuple[int, int, str], int]]]:
    """Move single coins between accounts, oldest first; return each transfer's parts and each moment's holdings."""
    held: list[list[Coin]] = [[(-1, -1)] * n for n in opening]
    outside: list[tuple[int, int, str]] = []
    parts_of, states = [], []
    for row in rows:
        coins = held[row.source]
        is_step = row.kind in STEPS

        def turn(place: int, row: Row = row, coins: list[Coin] = coins, is_step: bool = is_step) -> tuple[int, int]:
            case, pot = coins[place]
            from_pot = is_step and case >= 0 and pot == row.pot_out >= 0
            return (0 if from_pot else 1 if case < 0 else 2, place)

        taken = sorted(range(len(coins)), key=turn)[: row.amount]
        cases = [coins[place][0] for place in taken]
        held[row.source] = [coin for place, coin in enumerate(coins) if place not in set(taken)]
        dirty = [case for case in cases if case >= 0]
        n_clean = len(cases) - len(dirty)
        if row.kind == VICTIM:
            outside += [(case, row.target, "spent") for case in dirty]
            dirty, n_clean = [row.case] * row.amount, 0
        parts = {case: dirty.count(case) for case in dict.fromkeys(dirty)}
        stays = row.kind in (VICTIM, HOP) or (is_step and row.pot_in >= 0)
        if not stays:
            outside += [(case, row.target, "exit" if row.kind == EXIT else "spent") for case in dirty]
            n_clean, dirty = row.amount, []
        # coins of one case arrive together, in order of leaving
        held[row.target] += [(case, row.pot_in) for case in parts if dirty for _ in range(parts[case])]
        held[row.target] += [(-1, -1)] * n_clean
        parts_of.append(parts)
        now = outside + [(case, account, "account") for account in range(N_ACCOUNTS)
                         for case, _ in held[account] if case >= 0]  # fmt: skip
        states.append({where: now.count(where) for where in now})
    return parts_of, states


@given(little_worlds())
@settings(deadline=None)
def test_money_moves_as_single_coins_would(world: tuple[list[Row], list[int]]) -> None:
    rows, opening = world
    flows, holdings = follow_money(columns(rows), N_ACCOUNTS)
    parts_of, states = coin_by_coin(rows, opening)
    assert flows_of(flows) == [(at, *part) for at, parts in enumerate(parts_of) for part in parts.items()]
    for at, state in enumerate(states):
        assert held_after(holdings, 10 * (at + 1)) == state


@given(little_worlds())
@settings(deadline=None)
def test_what_the_victims_paid_is_somewhere_at_every_moment(world: tuple[list[Row], list[int]]) -> None:
    rows, opening = world
    flows, holdings = follow_money(columns(rows), N_ACCOUNTS)
    paid: dict[int, int] = {}
    balance = list(opening)
    for at, row in enumerate(rows):
        balance[row.source] -= row.amount
        balance[row.target] += row.amount
        if row.kind == VICTIM:
            paid[row.case] = paid.get(row.case, 0) + row.amount
        now = held_after(holdings, 10 * (at + 1))
        assert {case: sum(n for (of, _, _), n in now.items() if of == case) for case in paid} == paid
        assert all(case in paid for case, _, _ in now)
        for account in range(N_ACCOUNTS):
            held = sum(n for (_, where, place), n in now.items() if (where, place) == (account, "account"))
            assert held <= balance[account]
        assert flows["amount"][flows["row"] == at].sum() <= row.amount
    assert (flows["amount"] > 0).all()
    assert (holdings["amount"] >= 0).all()


@given(little_worlds())
@settings(deadline=None)
def test_a_step_appears_once_a_moment_and_only_where_something_changed(world: tuple[list[Row], list[int]]) -> None:
    _, holdings = follow_money(columns(world[0]), N_ACCOUNTS)
    last: dict[tuple[int, int, int], tuple[int, int]] = {}
    assert (np.diff(holdings["time"]) >= 0).all()
    for case, account, place, time, amount in zip(
        holdings["case"], holdings["account"], holdings["place"], holdings["time"], holdings["amount"], strict=True
    ):
        before = last.get((case, account, place), (-1, 0))
        assert time > before[0]
        assert amount != before[1]
        assert PLACES[place] == "account" or amount > before[1]
        last[case, account, place] = (time, amount)


@given(little_worlds(), st.integers(0, 25))
@settings(deadline=None)
def test_what_comes_later_changes_nothing_before(world: tuple[list[Row], list[int]], n: int) -> None:
    rows = world[0]
    whole, part = follow_money(columns(rows), N_ACCOUNTS), follow_money(columns(rows[:n]), N_ACCOUNTS)
    assert flows_of(part[0]) == [flow for flow in flows_of(whole[0]) if flow[0] < n]
    for name in ("case", "account", "place", "time", "amount"):
        earlier = whole[1][name][whole[1]["time"] <= 10 * n]
        np.testing.assert_array_equal(earlier, part[1][name])
