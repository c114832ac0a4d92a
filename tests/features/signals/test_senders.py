"""Senders against plain loops over all transfers, and by hand."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pyarrow as pa
import pytest

from muledetect.clock import DAY, HOUR
from muledetect.facts.known import visible_tables
from muledetect.features.signals import build_past, senders
from muledetect.graph import TransferGraph, build_graph, graph_from_records
from muledetect.records import read_dataset
from muledetect.testing import check_signal, random_world

LOOKBACKS = (HOUR, 72 * HOUR, 30 * DAY)
COLUMNS = list(senders.senders.columns)


def oracle(graph: TransferGraph, balances: list[int | None], lookback: int) -> list[list[float]]:
    """Each transfer against every other one."""
    rows = list(
        zip(graph.time.tolist(), graph.source.tolist(), graph.target.tolist(), graph.amount.tolist(), strict=True)
    )
    proper = [row for row in rows if row[1] != row[2]]
    told = []
    for (now, source, target, amount), balance in zip(rows, balances, strict=True):
        ever = [row for row in proper if row[0] < now]
        debits = [row for row in ever if row[1] == source]
        habit = max((row[3] for row in debits), default=0)
        ticks = sorted({row[0] for row in debits if row[0] >= now - lookback}, reverse=True)
        run, bar = 0, amount
        for tick in ticks:
            peak = max(row[3] for row in debits if row[0] == tick)
            if peak >= bar:
                break
            run, bar = run + 1, peak

        def idle(account: int, ever=ever, now=now) -> float:
            return (now - max((row[0] for row in ever if account in row[1:3]), default=math.nan)) / 1e6

        told.append(
            [
                math.nan if balance is None else amount / (amount + max(balance, 0)),
                amount / habit if habit else math.nan,
                run,
                idle(source),
                idle(target),
                all({source, target} != set(row[1:3]) for row in ever),
            ]
        )
    return told


@pytest.mark.parametrize("seed", range(40))
def test_senders_equal_their_oracle(seed: int) -> None:
    sizes = {"n_accounts": 3 + seed % 6, "n_transfers": 15 + seed % 30}
    dataset = read_dataset(random_world(seed, **sizes))
    graph = build_graph(dataset)
    balances = dataset.transfers["source_balance_after"].to_pylist()
    for lookback, ties in itertools.product(LOOKBACKS, ("strict", "simultaneous")):
        past = build_past(
            graph, lookback=lookback, ties=ties, threads=1 + seed % 2, tables=visible_tables(dataset)
        )  # fmt: skip
        is_proper = graph.source != graph.target
        wanted = np.array(oracle(graph, balances, past.lookback), np.float32)[is_proper]
        values = senders.senders.compute(past)[is_proper]
        for place, column in enumerate(COLUMNS):
            np.testing.assert_array_equal(
                values[:, place], wanted[:, place], f"{column} world {seed} {lookback} {ties}"
            )


def test_senders_obey_every_law() -> None:
    check_signal(senders.senders, n_worlds=6)


def test_a_coached_payer_pays_more_each_time_until_nothing_is_left() -> None:
    # 10, 10, 20, 50, 140: the last is preceded by a rise of 10, 20, 50 (the first 10 does not lie below the second)
    amounts = [10, 10, 20, 50, 140]
    graph = graph_from_records([("v", f"m{n}", n * HOUR, amount) for n, amount in enumerate(amounts)])
    table = pa.table({"source_balance_after": pa.array([210, 200, None, 130, -10], pa.int64())})
    values = senders.senders.compute(build_past(graph, tables={"transfers": table}))
    assert values[:, COLUMNS.index("rising_run")].tolist() == [0, 0, 1, 2, 3]
    np.testing.assert_allclose(values[:, 0], [10 / 220, 10 / 210, math.nan, 50 / 180, 1], rtol=1e-6)
    np.testing.assert_allclose(values[:, 1], [math.nan, 1, 2, 2.5, 2.8], rtol=1e-6)


def test_payments_of_one_tick_are_one_step_of_a_rise() -> None:
    # within 3 h: peaks 5, 7, 9; then 8 (not above 9) and 10 in one tick
    rows = [(0, 5), (1, 7), (1, 6), (2, 9), (3, 8), (3, 10)]
    graph = graph_from_records([("v", f"m{n}", hour * HOUR, amount) for n, (hour, amount) in enumerate(rows)])
    runs = senders.senders.compute(build_past(graph, lookback=3 * HOUR))[:, COLUMNS.index("rising_run")]
    by_amount = dict(zip(graph.amount.tolist(), runs.tolist(), strict=True))
    assert by_amount == {5: 0, 7: 1, 6: 1, 9: 2, 8: 0, 10: 3}
    # a look-back of 2 h forgets the 5
    runs = senders.senders.compute(build_past(graph, lookback=2 * HOUR))[:, COLUMNS.index("rising_run")]
    assert dict(zip(graph.amount.tolist(), runs.tolist(), strict=True))[10] == 2


def test_whoever_once_dealt_with_the_other_is_no_stranger() -> None:
    graph = graph_from_records([("a", "b", 0, 1), ("b", "a", 100 * DAY, 1), ("b", "c", 101 * DAY, 1)])
    values = senders.senders.compute(build_past(graph))
    assert values[:, COLUMNS.index("is_stranger")].tolist() == [1, 0, 1]
    np.testing.assert_array_equal(values[:, 3], np.array([math.nan, 100 * 86400, 86400], np.float32))
    np.testing.assert_array_equal(values[:, 4], np.array([math.nan, 100 * 86400, math.nan], np.float32))


def test_without_a_table_of_balances_nothing_is_known_to_be_drained() -> None:
    values = senders.senders.compute(build_past(graph_from_records([("a", "b", 0, 1)])))
    assert math.isnan(values[0, 0])
