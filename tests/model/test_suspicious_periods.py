"""Suspicious periods of accounts."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from muledetect.clock import DAY, HOUR, parse_time
from muledetect.graph import Points, TransferGraph, graph_from_records
from muledetect.model.suspicious_periods import _richest, find_periods, temporal_iou

#: m lives on one payer and pays a shop much later, then three strangers pay in and all leaves within minutes.
RECORDS = [
    ("job", "m", "2025-01-01T10:00", 900),
    ("m", "shop", "2025-01-05T10:00", 900),
    ("job", "m", "2025-02-01T10:00", 900),
    ("m", "shop", "2025-02-05T10:00", 900),
    ("v1", "m", "2025-03-01T10:00", 500),
    ("m", "boss", "2025-03-01T10:05", 500),
    ("v2", "m", "2025-03-02T10:00", 500),
    ("m", "boss", "2025-03-02T10:05", 500),
    ("job", "m", "2025-04-01T10:00", 900),
    ("v3", "m", "2025-05-01T10:00", 900),
]


def period(graph: TransferGraph, as_of: str, account: str = "m") -> list[int]:
    start, end = find_periods(graph, Points(graph.codes([account]), np.array([parse_time(as_of)])))
    return [int(start[0]), int(end[0])]


def test_the_period_is_the_run_of_strangers_and_money_passed_on() -> None:
    # four odd transfers earn 4 and the day between them costs 0.5; a month of silence on either side costs 15
    expected = [parse_time("2025-03-01T10:00"), parse_time("2025-03-02T10:05")]
    assert period(graph_from_records(RECORDS), "2025-06-01") == expected


def test_the_future_changes_no_period() -> None:
    whole, past = graph_from_records(RECORDS), graph_from_records([row for row in RECORDS if row[2] < "2025-03-02"])
    assert period(whole, "2025-03-02") == period(past, "2025-03-02") == [
        parse_time("2025-03-01T10:00"), parse_time("2025-03-01T10:05")
    ]  # fmt: skip


def test_the_order_of_records_changes_no_period() -> None:
    assert period(graph_from_records(RECORDS[::-1]), "2025-06-01") == period(graph_from_records(RECORDS), "2025-06-01")


def test_an_account_without_odd_transfers_has_an_empty_period_at_the_point() -> None:
    assert period(graph_from_records(RECORDS), "2025-01-01") == [parse_time("2025-01-01")] * 2


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 40), st.booleans()), min_size=1, max_size=12))
def test_the_richest_run_is_that_of_a_loop(rows: list[tuple[int, bool]]) -> None:
    hours = sorted({hour for hour, _ in rows})
    earned = [sum(10 if odd else -1 for at, odd in rows if at == hour) for hour in hours]
    # in tenths: a day of silence costs 5, so 24 times all are whole
    worth = {
        (first, last): 24 * sum(earned[first : last + 1]) - 5 * (hours[last] - hours[first])
        for first in range(len(hours)) for last in range(first, len(hours))
    }  # fmt: skip
    best = max(worth.values())
    expected = min((run for run in worth if worth[run] == best), key=lambda run: (run[1], -run[0]))
    weights = np.array([2 * DAY * number for number in earned], dtype=np.int64)
    assert _richest(np.array(hours, dtype=np.int64) * HOUR, weights) == expected


def test_overlap_is_intersection_over_union() -> None:
    # half of each: 5 of 15; apart: 0; equal moments: 1; a moment inside a span: 0 of 10
    start, end = np.array([0, 0, 3, 5]), np.array([10, 1, 3, 5])
    true_start, true_end = np.array([5, 2, 3, 0]), np.array([15, 3, 3, 10])
    np.testing.assert_allclose(temporal_iou(start, end, true_start, true_end), [1 / 3, 0, 1, 0])
