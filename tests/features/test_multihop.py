"""Multi-hop flow against a walk along every single path, and by hand."""

from __future__ import annotations

import itertools
import math
from collections import defaultdict
from dataclasses import replace
from fractions import Fraction
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from muledetect.clock import DAY, HOUR, SECOND
from muledetect.facts import Facts
from muledetect.features import Extraction, build_history
from muledetect.features import multihop as module
from muledetect.features.multihop import EXITS, MOST, _recent_ways, _ways, multihop
from muledetect.graph import Points, TransferGraph, build_graph, graph_from_arrays, graph_from_records
from muledetect.records import read_dataset
from muledetect.testing import check_feature, random_world

COLUMNS = list(multihop.columns)

Row = tuple[int, int, int, int, bool]  # time, source, target, amount, is an exit


def rows_of(graph: TransferGraph, channels: list[str | None]) -> list[Row]:
    exits = [channel in EXITS for channel in channels]
    columns = (graph.time, graph.source, graph.target, graph.amount)
    return list(zip(*(column.tolist() for column in columns), exits, strict=True))


def links_of(rows: list[Row], *, is_simultaneous: bool) -> dict[tuple[int, int], Fraction]:
    """Part of each debit that each credit paid for, by positions of the two, times the debit's amount."""
    found: dict[tuple[int, int], Fraction] = {}
    for account in {row[1] for row in rows}:
        queue: list[list[Any]] = []  # credits of a tick, oldest first: time, total, rest
        ticks = sorted({row[0] for row in rows if account in row[1:3] and row[1] != row[2]})
        for now in ticks:
            into = [i for i, row in enumerate(rows) if row[0] == now and row[2] == account != row[1]]
            out = [i for i, row in enumerate(rows) if row[0] == now and row[1] == account != row[2]]
            arrival = [[into, sum(rows[i][3] for i in into), sum(rows[i][3] for i in into)]] if into else []
            if is_simultaneous:
                queue += arrival
            total = left = sum(rows[i][3] for i in out)
            while left and queue:
                credit, whole, rest = queue[0]
                moved = min(left, rest)
                if now - rows[credit[0]][0] <= 30 * DAY:
                    for i, j in itertools.product(credit, out):
                        found[i, j] = Fraction(moved * rows[i][3] * rows[j][3], whole * total)
                left, queue[0][2] = left - moved, rest - moved
                if not queue[0][2]:
                    queue.pop(0)
            if not is_simultaneous:
                queue += arrival
    return found


def walk(
    rows: list[Row], links: dict[tuple[int, int], Fraction], account: int, oldest: int, as_of: int, *, is_down: bool
) -> dict[str, float]:
    """Every path of up to three transfers from the account, one by one."""
    beyond = defaultdict(list)
    for (credit, debit), money in links.items():
        here, there = (credit, debit) if is_down else (debit, credit)
        beyond[here].append((there, money / rows[here][3]))
    own, far = (1, 2) if is_down else (2, 1)
    seen = [oldest <= row[0] < as_of for row in rows]
    paths = [
        ([i], Fraction(row[3]))
        for i, row in enumerate(rows)
        if seen[i] and row[own] == account != row[far]
    ]  # fmt: skip
    total = sum(money for _, money in paths)
    told = {"share2": math.nan, "share3": math.nan, "ends2": 0, "ends3": 0, "fastest": math.nan}
    if not total:
        return {**told, "returned": math.nan, "exited": math.nan}
    returned, exited = Fraction(0), Fraction(0)
    for step in (1, 2, 3):
        home = [money for path, money in paths if step > 1 and rows[path[-1]][far] == account]
        paths = [(path, money) for path, money in paths if step == 1 or rows[path[-1]][far] != account]
        returned += sum(home)
        if step > 1:
            told[f"share{step}"] = float(sum(money for _, money in paths) / total)
            told[f"ends{step}"] = len({rows[path[-1]][far] for path, _ in paths})
        if step == 3:
            times = [abs(rows[path[-1]][0] - rows[path[0]][0]) / 1e6 for path, _ in paths]
            told["fastest"] = min(times, default=math.nan)
        exited += sum(money for path, money in paths if is_down and rows[path[-1]][4])
        paths = [
            ([*path, there], money * part)
            for path, money in paths
            if not (is_down and rows[path[-1]][4])
            for there, part in beyond[path[-1]]
            if seen[there]
        ]
    return {**told, "returned": float(returned / total), "exited": float(exited / total)}


def expected(up: dict[str, float], down: dict[str, float]) -> list[float]:
    sides = [[side[name] for name in ("share2", "ends2", "share3", "ends3", "fastest")] for side in (up, down)]
    return [*sides[0], *sides[1], down["returned"], down["exited"], 0.0]


@pytest.mark.parametrize("seed", range(24))
def test_flows_equal_a_walk_along_every_path(seed: int) -> None:
    dataset = read_dataset(random_world(seed, n_accounts=3 + seed % 6, n_transfers=10 + seed % 31))
    graph = build_graph(dataset)
    channels = np.random.default_rng(seed).choice([*EXITS, "card", "wallet", "fee", "bill"], graph.n_transfers)
    table = pa.table({"channel": channels})
    rows = rows_of(graph, channels.tolist())
    links = links_of(rows, is_simultaneous=graph.tick >= SECOND)
    accounts = np.arange(graph.n_accounts, dtype=np.int32)
    extraction = Extraction(Facts(replace(dataset, tables={"transfers": table}), graph), threads=1)
    for moment, window in itertools.product(
        np.quantile(graph.time, [0.4, 1.0]).astype(np.int64) + graph.tick, (HOUR, 5 * DAY, 30 * DAY)
    ):
        points = Points(accounts, np.full(len(accounts), moment))
        values = multihop.function(build_history(extraction, points), window=window)
        for account in accounts.tolist():
            oldest = int(moment) - max(window, graph.tick)
            sides = (walk(rows, links, account, oldest, int(moment), is_down=down) for down in (False, True))
            np.testing.assert_allclose(
                values[account], expected(*sides), rtol=1e-9, atol=1e-9, err_msg=f"world {seed} {window} {account}"
            )


@pytest.mark.parametrize("seed", range(24))
def test_links_of_the_window_alone_give_the_same(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    facts = Facts(read_dataset(random_world(seed, n_accounts=3 + seed % 6, n_transfers=200)))
    accounts = np.arange(facts.graph.n_accounts, dtype=np.int32)
    moments, n_left = np.quantile(facts.graph.time, [0.5, 1.0]).astype(np.int64), []
    for moment, window in itertools.product(moments, (HOUR, 5 * DAY)):
        monkeypatch.setattr(module, "_WINDOW", window)
        whole, recent = Extraction(facts, threads=1), Extraction(facts, threads=1)
        recent.asked_from = int(moment)
        points = Points(accounts, np.full(len(accounts), moment))
        values, same = (multihop.function(build_history(one, points), window=window) for one in (whole, recent))
        np.testing.assert_array_equal(values, same)
        n_left.append(len(recent.get(_recent_ways).up.entries) / len(whole.get(_ways).up.entries))
    assert min(n_left) < 1 or np.ptp(facts.graph.time) <= max(HOUR, facts.graph.tick)


@pytest.mark.slow
def test_flows_obey_every_law() -> None:
    check_feature(multihop, n_worlds=4)


#: A data set of which only the transfers are asked, and only for their channels.
NOTHING = read_dataset(random_world(0))


def flows(graph: TransferGraph, account: str, channels: list[str] | None = None) -> dict[str, float]:
    bank = Facts(replace(NOTHING, tables={"transfers": pa.table({"channel": channels} if channels else {})}), graph)
    points = Points(graph.codes([account]), graph.time[-1:] + graph.tick)
    values = multihop.function(build_history(Extraction(bank, threads=1), points), window=30 * DAY)
    return dict(zip(COLUMNS, values[0].tolist(), strict=True))


CHAIN = graph_from_records(
    [("v", "x", 0, 100), ("x", "y", HOUR, 100), ("y", "m", 2 * HOUR, 200), ("m", "a", 3 * HOUR, 150),
     ("a", "b", 5 * HOUR, 75), ("b", "m", 6 * HOUR, 15), ("b", "cash", 7 * HOUR, 60)]
)  # fmt: skip


def test_money_is_followed_to_where_it_came_from() -> None:
    # m got 200 from y, of which y had 100 from x, and x all of that from v; and 15 from b, which are m's own via a
    values = flows(CHAIN, "m")
    assert values["hop2_in_share"] == pytest.approx(100 / 215 + 15 / 215)  # x; and a, over b
    assert values["hop2_in_ends"] == 2
    assert values["hop3_in_share"] == pytest.approx(100 / 215)  # v; what a had came from m itself
    assert values["hop3_in_ends"] == 1
    assert values["hop3_in_fastest"] == 2 * 3600


def test_money_is_followed_to_where_it_went() -> None:
    # m paid 150 to a: 75 went on to b; of these 15 came back and 60 went out as cash
    values = flows(CHAIN, "m", ["p2p_proxy"] * 6 + ["cash_atm"])
    assert values["hop2_out_share"] == pytest.approx(0.5)
    assert values["hop2_out_ends"] == 1
    assert values["hop3_out_share"] == pytest.approx(60 / 150)
    assert values["out_returned"] == pytest.approx(15 / 150)
    assert values["out_exited"] == pytest.approx(60 / 150)
    assert values["hop3_out_fastest"] == 4 * 3600
    assert math.isnan(flows(CHAIN, "m")["out_exited"])


def test_an_account_too_busy_to_follow_is_marked() -> None:
    n = MOST + 1
    graph = graph_from_arrays(
        time=np.arange(n + 1, dtype=np.int64),
        source=np.zeros(n + 1, np.int32),
        target=np.ones(n + 1, np.int32),
        amount=np.ones(n + 1, np.int64),
        account_ids=pa.array(["hub", "shop"]),
    )
    values = flows(graph, "hub")
    assert values["is_hop_cut"] == 1
    assert math.isnan(values["hop2_out_share"])
    assert math.isnan(values["hop3_out_ends"])
    assert values["hop2_in_ends"] == 0


def test_a_step_over_too_many_transfers_is_not_taken() -> None:
    # a pays b once; b hands it on in 2,100 parts: the first step is known, the second is not
    n = MOST + 52
    graph = graph_from_arrays(
        time=np.arange(n + 1, dtype=np.int64),
        source=np.concatenate([[0], np.ones(n)]).astype(np.int32),
        target=np.concatenate([[1], np.full(n, 2)]).astype(np.int32),
        amount=np.concatenate([[n], np.ones(n)]).astype(np.int64),
        account_ids=pa.array(["a", "b", "c"]),
    )
    values = flows(graph, "a")
    assert values["is_hop_cut"] == 1
    assert math.isnan(values["hop2_out_share"])
    assert math.isnan(values["out_returned"])
    assert flows(graph, "b")["is_hop_cut"] == 1  # it paid more than 2,048 times itself
    assert math.isnan(flows(graph, "c")["hop2_in_ends"])  # nor does c see behind its 2,100 credits
