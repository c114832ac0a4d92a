"""The monitor on one small simulated bank: which moments it looks at, what it may know, and what it leaves out."""

from __future__ import annotations

from functools import cache

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pytest
from small_world import permuted, renamed, small_model, small_world, with_another_future

from muledetect import pipeline
from muledetect.clock import DAY, format_time, parse_time
from muledetect.evaluation.drift import Drift
from muledetect.evaluation.monitor import reference_moments, ripe_moments
from muledetect.graph import build_graph
from muledetect.labels import every_account
from muledetect.model import MuleModel
from muledetect.records import Dataset, read_dataset

pytestmark = pytest.mark.slow

BEFORE, AFTER = "2025-01-25", "2025-03-08"


@cache
def bank() -> Dataset:
    return read_dataset(small_world())


@cache
def model() -> MuleModel:
    moments = ["2025-01-16", "2025-01-20"]
    return pipeline.train(bank(), moments, target="active", pack="TH", lookback="14d", model=small_model())


def monitor(dataset: Dataset, before: str = BEFORE, after: str = AFTER) -> Drift:
    return pipeline.monitor(dataset, model(), before, after, n_explained=20)


@pytest.mark.parametrize("before", ["2025-02-22", "2025-02-25"])
def test_the_reference_is_each_week_up_to_its_end_that_spans_the_look_back(before: str) -> None:
    found = reference_moments(bank(), model(), before, AFTER)
    assert [format_time(at)[5:10] for at in found] == ["01-18", "01-25", "02-01", "02-08", "02-15", "02-22"]
    assert reference_moments(bank(), model(), before, AFTER, weeks=2) == found[-2:]
    # the last is taken in any case
    assert reference_moments(bank(), model(), "2025-01-05", AFTER) == [parse_time("2025-01-04")]


def test_ripe_moments_are_37_days_back_and_after_the_reference() -> None:
    days = [(parse_time("2025-06-01") - at) // DAY for at in ripe_moments("2025-01-01", "2025-06-01")]
    assert days == [65, 51, 37]
    assert len(ripe_moments("2025-04-05", "2025-06-01")) == 2
    assert ripe_moments("2025-05-01", "2025-06-01") == []


def test_five_weeks_have_limits_of_their_own_and_two_have_fixed_ones() -> None:
    checks = monitor(bank(), "2025-02-22", "2025-03-01").checks
    assert set(checks.loc[checks["subject"] != "labels", "limits"]) == {"own"}
    few = monitor(bank())
    assert set(few.checks["limits"]) == {"fixed"}
    assert "too few" in few.notes[-1]
    assert {"found", "calibration", "delay"} <= set(few.checks["measure"])


def test_a_channel_that_stops_in_the_last_week_alarms() -> None:
    transfers = bank().transfers
    name = transfers["channel"].cast(pa.string()).to_pandas().value_counts().index[0]
    is_lost = pc.and_(
        pc.equal(transfers["channel"].cast(pa.string()), name),
        pc.greater_equal(transfers["time"].cast(pa.int64()), parse_time(AFTER) - 7 * DAY),
    )
    broken = read_dataset({**bank().tables, "transfers": transfers.filter(pc.invert(is_lost))})
    graded = [
        monitor(dataset, "2025-02-22").checks.set_index(["subject", "measure"])["grade"] for dataset in (bank(), broken)
    ]
    assert [grade[f"channel {name}", "transfers"] for grade in graded] == ["ok", "alarm"]


def test_no_label_is_ripe_soon_after_the_reference_and_that_is_said() -> None:
    soon = monitor(bank(), "2025-02-22", "2025-03-01")
    assert "No label is ripe yet" in soon.notes[0]
    assert {"found", "calibration"}.isdisjoint(soon.checks["measure"])


def test_nothing_that_is_known_later_changes_what_the_monitor_says() -> None:
    same = monitor(read_dataset(with_another_future(small_world(), AFTER)))
    pd.testing.assert_frame_equal(same.checks, monitor(bank()).checks, check_exact=True)
    pd.testing.assert_frame_equal(same.delays, monitor(bank()).delays, check_exact=True)


@pytest.mark.parametrize("changed", [permuted, renamed])
def test_neither_order_nor_names_matter(changed: object) -> None:
    other = changed(small_world())  # type: ignore[operator]
    same = monitor(read_dataset(other[0] if isinstance(other, tuple) else other))
    pd.testing.assert_frame_equal(same.checks, monitor(bank()).checks, check_exact=True)


def test_accounts_that_moved_no_money_within_the_look_back_are_not_compared() -> None:
    graph, points = build_graph(bank()), every_account(bank(), AFTER)
    since = parse_time(AFTER) - 14 * DAY
    seen = (graph.time >= since) & (graph.time < parse_time(AFTER))
    moved = set(graph.source[seen].tolist()) | set(graph.target[seen].tolist())
    own = set(points.account.tolist())
    assert 0 < len(own & moved) < len(own)
    assert monitor(bank()).n_b == len(own & moved)
