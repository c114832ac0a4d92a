"""More than 4,096 transfers on one side of an account: what rests on them is NaN, and all else is what it was."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from muledetect.clock import DAY, HOUR
from muledetect.features.signals import MOST_TRANSFERS, Past, _past, build_past, extract_signals, signal_registry
from muledetect.graph import build_graph, graph_from_records
from muledetect.records import read_dataset
from muledetect.testing import check_signals, random_world
from tests.strategies import START, transfers_table

#: Columns by the sides that they rest on: of the payer or payee, what it paid or received.
ONE_SIDE = {
    ("source", "paid"): "source_fan_out amount_to_habit rising_run common_payees bipartite",
    ("source", "received"): "source_fan_in returned_ratio common_payers origins_2 origins_left_out",
    ("target", "paid"): "target_fan_out",
    ("target", "received"): "target_fan_in scatter_gather scatter_origins",
}
BOTH_SIDES = (
    "gather_scatter gather_ratio relayed_share relay_holding_time credit_used chain_depth chain_flow is_likely_victim "
    "layer victim_share"
).split()
#: Columns that rest on others that may be NaN, or that say so.
APART = {"is_bipartite_cut", "is_stack", "scatter_left_out", "chain_depth", "chain_flow", "layer", "victim_share"}
LIVE = [made for made in signal_registry().signals.values() if not made.not_live and made.name != "access"]


def columns(past: Past) -> dict[str, np.ndarray]:
    found = {}
    for made in LIVE:
        found |= dict(zip(made.columns, made.compute(past).T, strict=True))
    return found


def n_in_window(past: Past, end: str, side: str, *, is_simultaneous: bool) -> np.ndarray:
    """Count transfers of the account at one end, by a loop over all pairs."""
    graph = past.graph
    account, other = getattr(graph, end), {"paid": graph.source, "received": graph.target}[side]
    found = np.zeros(len(past), np.int64)
    for i, j in itertools.product(range(len(past)), repeat=2):
        is_before = graph.time[j] < graph.time[i] or (is_simultaneous and graph.time[j] == graph.time[i])
        is_moved = graph.source[j] != graph.target[j]
        found[i] += is_moved and is_before and graph.time[j] >= graph.time[i] - past.lookback and other[j] == account[i]
    return found


@pytest.mark.parametrize("seed", range(12))
def test_what_rests_on_a_busy_side_is_unknown_and_nothing_else(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    graph = build_graph(read_dataset(random_world(seed)))
    ties = ["strict", "simultaneous"][seed // 2 % 2]
    past = build_past(graph, lookback=30 * DAY, max_degree=[64, 3][seed % 2], ties=ties)
    whole = columns(past)
    monkeypatch.setattr(_past, "MOST_TRANSFERS", 3)
    got = columns(past)
    is_proper = graph.source != graph.target
    is_over, is_any = {}, np.zeros(len(past), np.bool_)
    for (end, side), names in ONE_SIDE.items():
        is_over[end, side] = n_in_window(past, end, side, is_simultaneous=past.is_simultaneous) > 3
        is_any |= is_over[end, side]
        habits = n_in_window(past, end, side, is_simultaneous=False) > 3  # of earlier ticks alone
        for name in names.split():
            over = is_proper & (habits if name in ("amount_to_habit", "rising_run") else is_over[end, side])
            np.testing.assert_array_equal(got[name], np.where(over, np.nan, whole[name]), err_msg=name)
    either = is_proper & (is_over["source", "paid"] | is_over["source", "received"])
    for name in BOTH_SIDES:
        assert np.isnan(got[name][either]).all(), name
    for name in BOTH_SIDES:
        if name not in APART:
            np.testing.assert_array_equal(got[name][~either], whole[name][~either], err_msg=name)
    assert is_any[is_proper].any()
    assert got["is_bipartite_cut"][either].all()
    resting = {name for names in ONE_SIDE.values() for name in names.split()} | {*BOTH_SIDES} | APART
    for name in set(whole) - resting:  # numbers of transfers and what is asked of any time
        np.testing.assert_array_equal(got[name], whole[name], err_msg=name)


def test_without_a_degree_no_side_is_too_busy(monkeypatch: pytest.MonkeyPatch) -> None:
    past = build_past(build_graph(read_dataset(random_world(1))), max_degree=None)
    whole = columns(past)
    monkeypatch.setattr(_past, "MOST_TRANSFERS", 3)
    for name, values in columns(past).items():
        np.testing.assert_array_equal(values, whole[name], err_msg=name)


@pytest.mark.slow
def test_laws_hold_where_sides_are_busy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_past, "MOST_TRANSFERS", 3)
    check_signals(LIVE, n_worlds=8)


def test_money_of_a_busy_payer_begins_a_chain_at_its_payee(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_past, "MOST_TRANSFERS", 2)
    into = [(f"p{k}", "hub", k, 1_000) for k in range(3)]
    graph = graph_from_records([*into, ("hub", "b", HOUR, 900), ("b", "c", 2 * HOUR, 900), ("c", "d", 3 * HOUR, 800)])
    relay = signal_registry().signals["relay"].compute(build_past(graph))
    assert np.isnan(relay[3]).all()
    names = list(signal_registry().signals["relay"].columns)
    depth, flow = names.index("chain_depth"), names.index("chain_flow")
    assert relay[4:, depth].tolist() == [1, 2]
    assert relay[4:, flow].tolist() == [1, 1]


def test_a_left_out_credit_of_a_busy_payee_is_told_of_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_past, "MOST_TRANSFERS", 2)
    into = [("x", f"p{k}", k, 100) for k in range(3)] + [(f"p{k}", "hub", 10 + k, 90) for k in range(3)]
    busy = [(f"y{k}", "m", 20 + k, 70) for k in range(3)]
    rows = [*into, *busy, ("m", "hub", 30, 60), ("p0", "hub", 31, 60)]
    found = signal_registry().signals["scatter_gather"].compute(build_past(graph_from_records(rows), max_degree=2))
    np.testing.assert_array_equal(found[5], [3, 1, 0])
    np.testing.assert_array_equal(found[-2:], [[np.nan, np.nan, 1], [np.nan, np.nan, 0]])


def test_a_side_with_as_many_transfers_as_allowed_is_known_and_one_more_is_not() -> None:
    rows = [(f"a{k % 50}", "hub", START + k * 1_000, 100) for k in range(MOST_TRANSFERS + 2)]
    table = extract_signals(read_dataset({"transfers": transfers_table(rows)}), ["target_fan_in", "target_received"])
    fan_in = table["target_fan_in"].to_numpy()
    assert fan_in[MOST_TRANSFERS] == 50
    assert np.isnan(fan_in[MOST_TRANSFERS + 1 :]).all()
    assert np.array_equal(table["target_received"].to_numpy(), np.arange(1, MOST_TRANSFERS + 3))
