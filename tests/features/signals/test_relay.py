"""Links, relay and origins against plain loops in exact fractions, and drawn by hand."""

from __future__ import annotations

import math
from collections import defaultdict
from fractions import Fraction
from typing import NamedTuple

import numpy as np
import pytest

from muledetect.clock import DAY, HOUR, SECOND
from muledetect.features.signals import MOST_CREDITS, build_past, relay
from muledetect.features.signals._links import build_links
from muledetect.graph import TransferGraph, graph_from_records

ACCOUNTS = "abcdefgh"
LOOKBACKS = (2 * SECOND, 5 * SECOND, 40 * SECOND)
Group = tuple[int, int]  # account, time


class Row(NamedTuple):
    time: int
    source: int
    target: int
    amount: int


def random_graph(seed: int) -> TransferGraph:
    """Few accounts, one of them busy, many ties, parallel transfers and some from an account to itself."""
    random = np.random.default_rng(seed)
    n_accounts, n = random.integers(3, 9), random.integers(5, 41)
    names = np.array(list(ACCOUNTS))[random.permutation(8)[:n_accounts]]
    weight = random.dirichlet(np.full(n_accounts, 0.8))
    time = random.integers(0, random.choice([4, 15, 60]), n) * SECOND
    amount = random.choice([1, 2, 3, 10, 10, 25, 1000], n)
    ends = zip(random.choice(names, n, p=weight), random.choice(names, n), strict=True)
    records = [(str(s), str(t), int(at), int(much)) for (s, t), at, much in zip(ends, time, amount, strict=True)]
    return graph_from_records(records, tick=SECOND)


def rows_of(graph: TransferGraph) -> list[Row]:
    columns = (graph.time, graph.source, graph.target, graph.amount)
    return [Row(*row) for row in zip(*(column.tolist() for column in columns), strict=True)]


def totals(rows: list[Row], side: int) -> dict[Group, int]:
    """Amounts by account (payer for side 1, payee for side 2) and time, in the order of time."""
    found: dict[Group, int] = defaultdict(int)
    for row in sorted(rows):
        if row.source != row.target:
            found[row[side], row.time] += row.amount
    return found


def pairs_of(rows: list[Row], lookback: int, *, is_simultaneous: bool) -> dict[tuple[Group, Group], int]:
    """Lay the credits of each account end to end; a debit spends the next stretch of what is there by then."""
    received, debits = totals(rows, 2), totals(rows, 1)
    found = {}
    for account in {name for name, _ in debits}:
        spent = 0
        for debit in (debit for debit in debits if debit[0] == account):
            there = [
                (credit, total)
                for credit, total in received.items()
                if credit[0] == account and (credit[1] < debit[1] or (is_simultaneous and credit[1] == debit[1]))
            ]
            stretch = (spent, min(spent + debits[debit], sum(total for _, total in there)))
            spent, begin = max(stretch), 0
            for credit, total in there:
                common = min(stretch[1], begin + total) - max(stretch[0], begin)
                begin += total
                if common > 0 and debit[1] - credit[1] <= lookback:
                    found[credit, debit] = common
    return found


class Oracle:
    """What each transfer knows, one tick after another."""

    def __init__(self, graph: TransferGraph, lookback: int, *, is_simultaneous: bool) -> None:
        self.rows, self.lookback = rows_of(graph), lookback
        self.credits, self.debits = totals(self.rows, 2), totals(self.rows, 1)
        self.pairs = pairs_of(self.rows, lookback, is_simultaneous=is_simultaneous)
        self.into: dict[Group, list[tuple[Group, int]]] = defaultdict(list)
        for (credit, debit), moved in self.pairs.items():
            self.into[debit].append((credit, moved))
        self.told = [self.local(row) for row in self.rows]
        for now in sorted({row.time for row in self.rows}):
            tick = [i for i, row in enumerate(self.rows) if row.time == now]
            for i in tick:
                is_victim = self.told[i]["is_likely_victim"]
                self.told[i] |= {"chain_depth": 0, "victim_share": Fraction(is_victim), "layer": Fraction(0)}
            for _ in range(relay.ROUNDS):
                news = {i: self.learned(self.rows[i]) for i in tick}
                for i in tick:
                    self.told[i] |= news[i]

    def local(self, row: Row) -> dict[str, Fraction | float]:
        debit = (row.source, row.time)
        linked = self.into[debit]
        passed = sum(moved for _, moved in linked)
        total = self.debits.get(debit, 1)
        earlier = [other for other in self.rows if other.time < row.time and other.source != other.target]
        habit = [other.amount for other in earlier if other.source == row.source]
        met = [other.time for other in earlier if {other.source, other.target} == {row.source, row.target}]
        is_large = bool(habit) and row.amount > 3 * Fraction(sum(habit), len(habit))
        is_met = any(time < row.time - self.lookback for time in met)
        waited = sum(moved * (row.time - credit[1]) for credit, moved in linked)
        used = max((Fraction(moved, self.credits[credit]) for credit, moved in linked), default=Fraction(0))
        return {
            "relayed_share": Fraction(passed, total),
            "relay_holding_time": Fraction(waited, passed * 10**6) if passed else math.nan,
            "credit_used": used * row.amount / total,
            "is_likely_victim": int(is_large and not is_met and 2 * passed < total),
        }

    def learned(self, row: Row) -> dict[str, Fraction | float]:
        debit = (row.source, row.time)
        total = self.debits.get(debit, 1)
        chains = [(0, Fraction(0))]
        stem = steps = Fraction(0)
        for credit, moved in self.into[debit]:
            members = [
                (other, self.told[j])
                for j, other in enumerate(self.rows)
                if (other.target, other.time) == credit and other.source != other.target
            ]
            if 2 * moved >= min(self.credits[credit], total):
                ends = [
                    (told["chain_depth"], other.amount * (told["chain_flow"] if told["chain_depth"] else 1))
                    for other, told in members
                ]
                deepest, carried = max(ends)
                chains.append((min(deepest + 1, 8), min(moved, carried)))
            for other, told in members:
                part = Fraction(moved * other.amount, total * self.credits[credit]) * told["victim_share"]
                stem += part
                steps += part * told["layer"] if part else 0
        depth, carried = max(chains)
        found = {"chain_depth": depth, "chain_flow": carried / total if depth else math.nan}
        if self.local(row)["is_likely_victim"]:
            return {**found, "victim_share": Fraction(1), "layer": Fraction(0)}
        return {**found, "victim_share": stem, "layer": 1 + steps / stem if stem else math.nan}


def origins_of(graph: TransferGraph, lookback: int, most: int, *, is_simultaneous: bool) -> list[tuple[int, int]]:
    rows = [row for row in rows_of(graph) if row.source != row.target]

    def credits_before(account: int, moment: int) -> list[Row]:
        return [
            row
            for row in rows
            if row.target == account
            and moment - lookback <= row.time
            and (row.time < moment or (is_simultaneous and row.time == moment))
        ]

    found = []
    for row in rows_of(graph):
        behind = [credits_before(credit.source, credit.time) for credit in credits_before(row.source, row.time)]
        origins = {origin.source for known in behind if len(known) <= most for origin in known}
        found.append((len(origins - {row.source}), sum(len(known) > most for known in behind)))
    return found


@pytest.mark.parametrize("block", range(8))
@pytest.mark.slow
def test_relay_equals_its_oracle(block: int) -> None:
    for seed in range(30 * block, 30 * block + 30):
        graph = random_graph(seed)
        is_proper = graph.source != graph.target
        for number, lookback in enumerate(LOOKBACKS):
            ties = ("strict", "simultaneous")[(seed + number) % 2]
            past = build_past(graph, lookback=lookback, ties=ties, threads=1 + seed % 2)
            told = Oracle(graph, lookback, is_simultaneous=past.is_simultaneous).told
            values = relay.relay.compute(past)
            for place, column in enumerate(relay.relay.columns):
                wanted = np.array([float(entry[column]) for entry in told])[is_proper]
                np.testing.assert_allclose(
                    values[is_proper, place], wanted, rtol=2e-5, atol=1e-7, err_msg=f"{column} {seed} {lookback} {ties}"
                )


@pytest.mark.parametrize("max_degree", [None, 2])
def test_origins_equal_their_oracle(max_degree: int | None) -> None:
    for seed in range(150):
        graph = random_graph(seed)
        for ties in ("strict", "simultaneous"):
            lookback = LOOKBACKS[seed % 3]
            past = build_past(graph, lookback=lookback, ties=ties, max_degree=max_degree, threads=1 + seed % 2)
            wanted = origins_of(graph, lookback, max_degree or 1000, is_simultaneous=past.is_simultaneous)
            is_proper = graph.source != graph.target
            got = relay.origins.compute(past)[is_proper]
            np.testing.assert_array_equal(got, np.array(wanted, float)[is_proper], err_msg=f"{seed} {ties}")


def test_links_are_the_pairs_of_the_oracle_and_never_more_than_the_groups() -> None:
    for seed in range(200):
        graph = random_graph(seed)
        past = build_past(graph, lookback=LOOKBACKS[seed % 3], ties=("strict", "simultaneous")[seed // 3 % 2])
        links, rows = build_links(past), rows_of(graph)
        got = {}
        for d, (begin, end) in enumerate(zip(links.start, links.start[1:], strict=False)):
            for k in range(begin, end):
                c = links.credit[k]
                credit = (rows[past.received.transfer[c]].target, int(past.received.time[c]))
                debit = (rows[past.paid.transfer[d]].source, int(past.paid.time[d]))
                got[credit, debit] = int(links.amount[k])
        assert got == pairs_of(rows, past.lookback, is_simultaneous=past.is_simultaneous), seed
        n_groups = len(totals(rows, 1)) + len(totals(rows, 2))
        assert len(links.amount) <= n_groups, seed


def columns_of(graph: TransferGraph, *names: str, **options) -> np.ndarray:
    values = relay.relay.compute(build_past(graph, **options))
    return values[:, [list(relay.relay.columns).index(name) for name in names]]


def test_a_chain_of_three_hops() -> None:
    # v, who paid 300 once, pays a 1,000; a keeps 100, b keeps 100 and sends the rest in two halves of 400
    graph = graph_from_records(
        [
            ("v", "shop", -HOUR, 300),
            ("v", "a", 0, 1000),
            ("a", "b", HOUR, 900),
            ("b", "c", 2 * HOUR, 400),
            ("b", "d", 3 * HOUR, 400),
        ]
    )
    got = columns_of(graph, "relayed_share", "relay_holding_time", "credit_used", "chain_depth", "chain_flow")[1:]
    nan = math.nan
    wanted = [[0, nan, 0, 0, nan], [1, 3600, 0.9, 1, 1], [1, 3600, 4 / 9, 2, 1], [1, 7200, 4 / 9, 2, 1]]
    np.testing.assert_allclose(got, wanted, rtol=1e-6)
    # the money of v, and nobody else's: one step after a, two after b
    layers = columns_of(graph, "is_likely_victim", "layer", "victim_share")[1:]
    np.testing.assert_allclose(layers, [[1, 0, 1], [0, 1, 1], [0, 2, 1], [0, 2, 1]])


def test_money_of_a_victim_and_of_nobody_in_particular_mix() -> None:
    # v's 100 are four times what it paid before; s never paid before, nobody knows what is large for it
    records = [("v", "k", 0, 25), ("s", "m", HOUR, 300), ("v", "m", HOUR, 100), ("m", "x", 2 * HOUR, 400)]
    np.testing.assert_allclose(columns_of(graph_from_records(records), "layer", "victim_share")[3], [1, 0.25])


def test_a_victim_may_pay_the_same_account_again_within_the_look_back() -> None:
    # 100 is usual; 500 and 1,500 go to a new account; a week later 9,000 go to one that is known by then
    records = [("v", "k", 0, 100), ("v", "m", HOUR, 500), ("v", "m", DAY, 1500), ("v", "m", 8 * DAY, 9000)]
    assert columns_of(graph_from_records(records), "is_likely_victim").ravel().tolist() == [0, 1, 1, 0]


def test_money_that_stayed_longer_than_the_look_back_is_spent_but_not_passed_on() -> None:
    # the first 100 are a month old when m pays 150: of these only 50, of the second credit, count
    records = [("a", "m", 0, 100), ("b", "m", 30 * DAY, 100), ("m", "c", 30 * DAY + HOUR, 150)]
    got = columns_of(graph_from_records(records), "relayed_share", "relay_holding_time", "credit_used")[2]
    np.testing.assert_allclose(got, [1 / 3, 3600, 0.5])


def test_debits_of_one_tick_share_what_there_is() -> None:
    # 100 came; 60 and 140 leave in one tick: half of each is relayed, whichever stands first
    records = [("a", "m", 0, 100), ("m", "b", DAY, 60), ("m", "c", DAY, 140)]
    got = columns_of(graph_from_records(records, tick=DAY), "relayed_share", "credit_used")
    np.testing.assert_allclose(got[1:], [[0.5, 0.3], [0.5, 0.7]])


def test_a_chain_within_one_tick_counts_only_where_ties_are_simultaneous() -> None:
    records = [("a", "b", 0, 10), ("b", "c", 0, 10), ("c", "d", 0, 10), ("d", "e", 0, 10)]
    graph = graph_from_records(records, tick=DAY)
    assert columns_of(graph, "chain_depth", ties="simultaneous").ravel().tolist() == [0, 1, 2, 3]
    assert columns_of(graph, "chain_depth", ties="strict").ravel().tolist() == [0, 0, 0, 0]


def test_a_circle_within_one_tick_ends_at_the_longest_chain() -> None:
    graph = graph_from_records([("a", "b", 0, 10), ("b", "c", 0, 10), ("c", "a", 0, 10)], tick=DAY)
    assert columns_of(graph, "chain_depth", "chain_flow").tolist() == [[8, 1]] * 3


def test_who_paid_the_payers_of_the_payer() -> None:
    # x and y paid a before a paid m, z paid it later; m itself is no origin of its own money
    records = [
        ("x", "a", 0, 1), ("y", "a", HOUR, 1), ("m", "a", HOUR, 1), ("a", "m", 2 * HOUR, 1), ("z", "a", 3 * HOUR, 1),
        ("m", "t", 4 * HOUR, 1),
    ]  # fmt: skip
    graph = graph_from_records(records)
    assert relay.origins.compute(build_past(graph))[5].tolist() == [2, 0]
    assert relay.origins.compute(build_past(graph, max_degree=2))[5].tolist() == [0, 1]


@pytest.mark.parametrize("n_credits", [MOST_CREDITS, MOST_CREDITS + 1])
def test_two_steps_up_of_a_payer_with_very_many_credits_are_not_known(n_credits: int) -> None:
    minute = 60_000_000
    records = [("x", f"y{at}", 0, 10) for at in range(3)]
    records += [(f"y{at % 3}", "s", minute + at, 1) for at in range(n_credits)]
    graph = graph_from_records([*records, ("s", "t", 2 * minute, 5)])
    found = relay.origins.compute(build_past(graph))[-1]
    assert found.tolist() == [1, 0] if n_credits == MOST_CREDITS else np.isnan(found).all()
    exact = relay.origins.compute(build_past(graph, max_degree=None))[-1]
    assert exact.tolist() == [1, 0]
