"""Pictures show what the tables say: positions, heights and texts against values worked out by hand."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from matplotlib.axes import Axes
from matplotlib.collections import PolyCollection
from matplotlib.colors import to_hex
from matplotlib.dates import date2num
from matplotlib.patches import FancyArrowPatch, Rectangle
from matplotlib.text import Text

import muledetect as md
from muledetect import schema
from muledetect.errors import DataError, FeatureError, OptionError
from muledetect.model.tiers import Basis
from muledetect.reports.plots._canvas import BLUE, GREEN, GREY, ORANGE, as_text
from muledetect.rings.ring import TIMELINE
from muledetect.tracing.traces import SUMMARY

mpl.use("agg")

T0 = datetime(2025, 3, 1, 9, tzinfo=UTC)
AS_OF = datetime(2025, 3, 11, tzinfo=UTC)
#: Mathematics to matplotlib, Thai, a letter that looks like nothing, markup, a sign of private use.
HOSTILE = "$\\frac{1}{0$ บัญชี \u3164<b>\ue000漢"


@pytest.fixture(autouse=True)
def _closed() -> Iterator[None]:
    before = dict(mpl.rcParams)
    yield
    plt.close("all")
    assert dict(mpl.rcParams) == before, "a picture changed settings of all pictures"


def at(hours: float) -> datetime:
    return T0 + timedelta(hours=hours)


def rows(contract: schema.Table | pa.Schema, *lines: dict[str, Any]) -> pa.Table:
    names, kinds = (
        (contract.names, contract.arrow_schema) if isinstance(contract, schema.Table) else (contract.names, contract)
    )
    return pa.Table.from_pylist([{name: line.get(name) for name in names} for line in lines], kinds)


def world(name: Callable[[str], str] = str) -> md.Dataset:
    """Return five transfers before AS_OF and one at it; money in satang.

    v pays a 1,000 baht, a keeps 100 and pays b 600 and the shop 300; b pays the shop 500. At AS_OF v pays a again.
    """
    moved = [("t1", 0, "v", "a", 100_000), ("t2", 1, "a", "b", 60_000), ("t3", 2, "a", "shop", 30_000),
             ("t4", 3, "b", "shop", 50_000), ("t6", 10 * 24 - 9, "v", "a", 999_900)]  # fmt: skip
    transfers = pa.table({
        "transfer_id": [row[0] for row in moved], "time": [at(row[1]) for row in moved],
        "source": [name(row[2]) for row in moved], "target": [name(row[3]) for row in moved],
        "amount": [row[4] for row in moved],
        "source_balance_after": pa.array([None, 45_000, 15_000, None, None], pa.int64()),
        "target_balance_after": pa.array([105_000, None, None, None, 1_014_900], pa.int64()),
    })  # fmt: skip
    complaints = pa.table({"complaint_id": ["c1", "c2"], "known_ts": [at(5), AS_OF], "transfer_id": ["t1", "t3"]})
    return md.read_dataset({"transfers": transfers, "complaints": complaints}, currency="THB")


def seen(as_of: datetime = AS_OF) -> md.Snapshot:
    return md.Snapshot(world(), as_of)


def ring(name: Callable[[str], str] = str, **changes: Any) -> md.rings.Ring:
    """Return the ring of a (collector, layer 1, the seed) and b (relay, layer 2), with v and the shop around."""
    summary = {"ring_id": name("R1"), "as_of": AS_OF, "n_accounts": 2, "score": 1.0, "stability": 1.0,
               "value_in": 100_000, "n_victims": 1, "first_time": at(0), "last_time": at(3),
               "recoverable": 0}  # fmt: skip
    member = {"ring_id": name("R1"), "membership": 1.0}
    tables = md.rings.RingTables(
        rows(schema.RINGS, summary),
        rows(schema.RING_MEMBERS, member | {"account_id": name("a"), "role": "collector", "layer": 1, "is_seed": True},
             member | {"account_id": name("b"), "role": "relay", "layer": 2, "is_seed": False}),
        rows(schema.RING_LINKS, {"ring_id": name("R1"), "source": name("a"), "target": name("b"), "kind": "relay",
                                 "weight": 1.5, "evidence": ["t2"]}),
        ring_others=rows(schema.RING_OTHERS, {"ring_id": name("R1"), "account_id": name("v"), "relation": "victim"},
                         {"ring_id": name("R1"), "account_id": name("shop"), "relation": "institution"}),
        ring_transfers=rows(TIMELINE, {"ring_id": name("R1"), "time": at(1), "source": name("a"), "target": name("b"),
                                       "amount": 60_000, "transfer_id": "t2"}),
        currency="THB",
    )  # fmt: skip
    return md.rings.RingTables(**{**vars(tables), **changes}).ring(name("R1"))


def traces(name: Callable[[str], str] = str) -> md.tracing.Traces:
    """Return the trace of v's 1,000 baht: 100 still at a, 600 to b, of which 500 on to the shop; 300 to the shop."""
    both = {"complaint_id": name("c1"), "method": "fifo"}
    steps = [("t1", 0, "v", "a", 100_000), ("t2", 1, "a", "b", 60_000), ("t3", 2, "a", "shop", 30_000),
             ("t4", 3, "b", "shop", 50_000)]  # fmt: skip
    places = [("a", 1, 10_000, None), ("b", 2, 10_000, None), ("shop", 2, 80_000, "merchant")]
    return md.tracing.Traces(
        rows(schema.TRACE, *(both | {"as_of": AS_OF, "account_id": name(account), "hop": hop, "traced": money,
                                     "hold": 0, "shortfall": 0, "exit_kind": how}
                             for account, hop, money, how in places)),
        summary=rows(SUMMARY, both | {"lost": 100_000}),
        steps=rows(schema.TRACE_STEPS, *(both | {"transfer_id": one, "time": at(hours), "source": name(source),
                                                 "target": name(target), "amount": money, "traced": money}
                                         for one, hours, source, target, money in steps)),
        currency="THB",
    )  # fmt: skip


def reason(code: str, contribution: float, text: str) -> dict[str, Any]:
    return {"code": code, "feature": "x", "value": 1.0, "peer_p99": 2.0, "contribution": contribution, "text": text}


def scores(account_id: str = "a", text: str = "3 payers") -> pa.Table:
    reasons = [reason("FAN_IN", 0.5, text), reason("PASS_THROUGH", 2.0, "94% left again"),
               reason("NEW_ACCOUNT", -0.25, "Speaks for the account: old")]  # fmt: skip
    line = {"account_id": account_id, "score": 1.0, "probability": 0.9, "rank": 1, "layer": "suspected", "as_of": AS_OF}
    early = line | {"as_of": at(0), "reasons": [reason("OLD", 1.0, "before")]}
    return rows(schema.SCORES, early, line | {"reasons": reasons}, line | {"account_id": "quiet", "reasons": []})


def bins() -> pd.DataFrame:
    return pd.DataFrame({"n": [90, 10], "probability": [0.01, 0.5], "observed": [0.0, 0.4], "observed_low": [0.0, 0.1],
                         "observed_high": [0.04, 0.7]})  # fmt: skip


def curve() -> pd.DataFrame:
    lines = [("random", 1, 0.0, 0.0, 0.1), ("random", 2, 0.1, 0.0, 0.2), ("rules", 1, 0.1, 0.0, 0.2),
             ("rules", 2, 0.2, 0.1, 0.3), ("model", 1, 0.3, 0.2, 0.5), ("model", 2, 0.6, 0.4, 0.8)]  # fmt: skip
    table = pd.DataFrame(lines, columns=["method", "k", "recall", "recall_low", "recall_high"])
    return table.assign(share=table["k"] / 100, value_recall=np.nan, value_recall_low=np.nan, value_recall_high=np.nan)


def texts(axes: Axes) -> list[str]:
    return [text.get_text() for text in axes.findobj(Text) if text.get_text()]


def title_of(axes: Axes) -> str:
    return axes.get_title(loc="left")


def draw(axes: Axes) -> None:
    """Draw in earnest, as saving would: a letter without a glyph warns, and warnings are errors."""
    axes.figure.canvas.draw()


# Reasons


def test_reasons_are_bars_of_their_contributions_the_weightiest_first() -> None:
    axes = md.plots.plot_reasons(scores(), "a")
    bars = [patch for patch in axes.patches if isinstance(patch, Rectangle)]
    assert [bar.get_width() for bar in bars] == [2.0, 0.5, -0.25]
    assert [to_hex(bar.get_facecolor(), keep_alpha=False).upper() for bar in bars] == [ORANGE, ORANGE, BLUE]
    middles = [bar.get_y() + bar.get_height() / 2 for bar in bars]
    assert middles == sorted(middles)
    assert axes.yaxis_inverted()  # so the first is on top
    shown = texts(axes)
    assert {"+2.00", "+0.50", "-0.25", "PASS_THROUGH: 94% left again", "FAN_IN: 3 payers"} <= set(shown)
    assert "log-odds" in axes.get_xlabel()
    assert any("probability 0.900, rank 1 on 2025-03-11 · suspicion, not a finding" in text for text in shown)


def test_no_probability_is_told_where_it_is_not_that_of_the_bank() -> None:
    unknown = scores().replace_schema_metadata(Basis("unknown", None, 10).to_metadata())
    shown = texts(md.plots.plot_reasons(unknown, "a"))
    assert any("prevalence unknown, rank 1 on 2025-03-11 · suspicion, not a finding" in text for text in shown)


def test_reasons_are_those_of_the_moment_that_is_asked_for() -> None:
    assert "OLD: before" in texts(md.plots.plot_reasons(scores(), "a", as_of=at(0)))
    assert "OLD: before" not in texts(md.plots.plot_reasons(scores(), "a"))


@pytest.mark.parametrize("library", [md.to_pandas, md.to_polars])
def test_reasons_are_read_from_frames(library: Callable[[Any], Any]) -> None:
    assert texts(md.plots.plot_reasons(library(scores()), "a")) == texts(md.plots.plot_reasons(scores(), "a"))


def test_reasons_that_are_not_there_are_said_without_the_account() -> None:
    for account, message in (("nobody", "no score in this table"), ("quiet", "not explained")):
        with pytest.raises(OptionError, match=message) as error:
            md.plots.plot_reasons(scores(), account)
        assert account not in str(error.value)
    with pytest.raises(DataError, match="reasons"):
        md.plots.plot_reasons(scores().drop_columns("reasons"), "a")


# Reliability


def test_reliability_puts_each_bin_at_its_mean_and_observed_share_with_its_interval() -> None:
    axes = md.plots.plot_reliability(bins())
    predicted, points = axes.get_lines()[:2]
    np.testing.assert_allclose(points.get_xdata(), [0.01, 0.5])
    np.testing.assert_allclose(points.get_ydata(), [0.0, 0.4])
    (stalks,) = axes.collections
    np.testing.assert_allclose([stalk[:, 1] for stalk in stalks.get_segments()], [[0.0, 0.04], [0.1, 0.7]])
    np.testing.assert_allclose(predicted.get_xdata(), predicted.get_ydata())
    assert axes.get_xlim() == axes.get_ylim() == (0, pytest.approx(0.77))
    assert "100 accounts in 2 bins of equal mass" in texts(axes)


def test_reliability_of_targets_and_probabilities_is_that_of_the_library() -> None:
    y, p = np.array([0, 0, 1, 1, np.nan]), np.array([0.1, 0.1, 0.6, 0.6, 0.9])
    points = md.plots.plot_reliability((y, p), n_bins=2).get_lines()[1]
    np.testing.assert_allclose(points.get_xdata(), [0.1, 0.6])
    np.testing.assert_allclose(points.get_ydata(), [0.0, 1.0])


def test_reliability_without_bins_says_what_to_give() -> None:
    with pytest.raises(DataError, match="Give an Evaluation"):
        md.plots.plot_reliability(pd.DataFrame({"n": [1]}))
    with pytest.raises(DataError, match="Give an Evaluation"):
        md.plots.plot_reliability(bins().iloc[:0])


# Budget curve


def test_a_budget_curve_draws_each_method_and_the_interval_of_the_last() -> None:
    axes = md.plots.plot_budget_curve(curve())
    lines = {str(line.get_label()): line for line in axes.get_lines()}
    assert set(lines) == {"random", "rules", "model"}
    np.testing.assert_allclose(lines["model"].get_xdata(), [1, 2])
    np.testing.assert_allclose(lines["model"].get_ydata(), [0.3, 0.6])
    assert lines["model"].get_linewidth() > lines["rules"].get_linewidth()
    (band,) = axes.collections
    corners = {tuple(corner) for corner in band.get_paths()[0].vertices.tolist()}
    assert {(1.0, 0.2), (1.0, 0.5), (2.0, 0.4), (2.0, 0.8)} <= corners
    assert axes.get_xscale() == "log"
    assert axes.get_xlabel() == "accounts alerted"
    assert len({line.get_linestyle() + str(line.get_color()) for line in lines.values()}) == 3


def test_a_budget_curve_can_judge_another_method_and_reads_polars() -> None:
    band = md.plots.plot_budget_curve(pl.DataFrame(curve()), method="rules").collections[0]
    assert (2.0, 0.3) in {tuple(corner) for corner in band.get_paths()[0].vertices.tolist()}


def test_a_budget_curve_says_which_rates_and_methods_there_are() -> None:
    with pytest.raises(OptionError, match="random, rules, model"):
        md.plots.plot_budget_curve(curve(), method="forest")
    with pytest.raises(OptionError, match="precision, recall, value_recall"):
        md.plots.plot_budget_curve(curve(), rate="lift")  # type: ignore[arg-type]
    for table in (curve(), curve().drop(columns="value_recall")):
        with pytest.raises(DataError, match="no value_recall"):
            md.plots.plot_budget_curve(table, rate="value_recall")


# Feature


def test_a_feature_is_drawn_as_the_share_of_each_class_at_or_below() -> None:
    table = pa.table({"f": [1.0, 2.0, 3.0, 3.0, np.nan, 9.0]})
    axes = md.plots.plot_feature(table, [0, 0, 1, 1, 1, np.nan], "f")
    lines = {str(line.get_label()): line for line in axes.get_lines()}
    mule = lines["mule (3, 1 not defined)"]
    np.testing.assert_allclose(np.unique(np.asarray(mule.get_xdata())[1:]), [3.0])
    assert np.max(mule.get_ydata()) == 1.0
    others = lines["not mule (2)"]
    np.testing.assert_allclose(np.asarray(others.get_ydata())[-2:], [0.5, 1.0])
    assert "unlabelled (1)" in lines
    assert next(text.get_text() for text in axes.get_legend().get_texts()) == "mule (3, 1 not defined)"


@pytest.mark.parametrize("library", [md.to_pandas, pl.DataFrame])
def test_a_feature_is_read_from_frames(library: Callable[[Any], Any]) -> None:
    table = pa.table({"f": [1, None, 3]})
    drawn = [md.plots.plot_feature(given, [0, 0, 1], "f") for given in (library(table), table)]
    first, second = ([line.get_xydata().tolist() for line in axes.get_lines()] for axes in drawn)
    assert first == second


@pytest.mark.parametrize(
    ("values", "scale"), [([1.0, 2, 3, 4], "linear"), ([1.0, 2, 3, 400], "log"), ([0.0, 1, 2, 400], "symlog")]
)
def test_the_axis_of_a_skewed_feature_is_logarithmic(values: list[float], scale: str) -> None:
    axes = md.plots.plot_feature(pa.table({"f": values}), [0, 0, 1, 1], "f")
    assert axes.get_xscale() == scale
    if scale == "symlog":
        assert axes.get_xlim()[0] == 0


def test_amounts_are_drawn_in_their_currency_times_in_days_and_flags_as_shares() -> None:
    y = [0, 0, 1, 1]
    paid = md.plots.plot_feature(pa.table({"out_amount__window_7d": [100, 200, 300, 400]}), y, "out_amount__window_7d",
                           currency="THB")  # fmt: skip
    assert max(np.max(line.get_xdata()) for line in paid.get_lines()) == 4.0
    assert paid.get_xlabel() == "THB"
    aged = md.plots.plot_feature(pa.table({"account_age": [86_400.0 * n for n in (1, 5, 9, 10)]}), y, "account_age")
    assert aged.get_xlabel() == "time, d"
    assert "age of the account" in title_of(aged)
    flag = md.plots.plot_feature(pa.table({"f": [0.0, 0, 1, 0]}), y, "f")
    assert [bar.get_height() for bar in flag.patches] == [0.0, 0.0, 0.5]
    assert "50.0%" in texts(flag)


def test_a_feature_that_is_not_there_and_labels_of_another_length_are_refused() -> None:
    table = pa.table({"f": [1.0, 2.0]})
    with pytest.raises(FeatureError, match="no column 'g'"):
        md.plots.plot_feature(table, [0, 1], "g")
    for y in ([0], [0, 2]):
        with pytest.raises(OptionError, match="each of 2 rows"):
            md.plots.plot_feature(table, y, "f")


# Timeline


def stems(axes: Axes) -> dict[str, list[tuple[float, float]]]:
    """Return (time, height) of credits and debits, in order of time."""
    marks = {str(line.get_label()): line for line in axes.get_lines()}
    return {name: [tuple(map(float, xy)) for xy in marks[name].get_xydata()] for name in ("credits", "debits")
            if name in marks}  # fmt: skip


def test_a_timeline_draws_credits_up_and_debits_down_before_the_moment() -> None:
    axes = md.plots.plot_timeline(seen(), "a")
    assert stems(axes) == {
        "credits": [(date2num(at(0)), 1000.0)],
        "debits": [(date2num(at(1)), -600.0), (date2num(at(2)), -300.0)],
    }  # t6 is at the moment, so it has not happened yet
    up, down = axes.collections[:2]
    assert [segment[:, 1].tolist() for segment in up.get_segments()] == [[0.0, 1000.0]]
    assert [segment[:, 1].tolist() for segment in down.get_segments()] == [[0.0, -600.0], [0.0, -300.0]]
    balance = next(line for line in axes.get_lines() if line.get_label() == "stated balance")
    np.testing.assert_allclose(balance.get_ydata(), [1050.0, 450.0, 150.0])
    assert "THB" in axes.get_ylabel()
    assert "1 credits, 2 debits before 2025-03-11 · suspicion, not a finding" in texts(axes)


def test_a_timeline_marks_what_complaints_dispute_as_far_as_they_are_known() -> None:
    disputed = next(line for line in md.plots.plot_timeline(seen(), "a").get_lines() if line.get_label() == "disputed")
    assert disputed.get_xydata().tolist() == [[date2num(at(0)), 1000.0]]  # c2 becomes known at the moment: too late
    early = md.plots.plot_timeline(seen(at(4)), "a")
    assert "disputed" not in {str(line.get_label()) for line in early.get_lines()}


def test_a_timeline_shades_the_suspicious_period_and_can_look_back_less_far() -> None:
    axes = md.plots.plot_timeline(seen(), "a")
    shade = next(patch for patch in axes.patches if patch.get_label() == "suspicious period")
    ends = shade.get_extents().transformed(axes.transData.inverted())
    np.testing.assert_allclose([ends.x0, ends.x1], [date2num(at(0)), date2num(at(2))])
    late = md.plots.plot_timeline(seen(at(4)), "a", window="2h")
    assert stems(late) == {"debits": [(date2num(at(2)), -300.0)]} | {"credits": []}


def test_a_timeline_shows_times_in_a_zone() -> None:
    axes = md.plots.plot_timeline(seen(), "a", time_zone="Asia/Bangkok")
    assert axes.get_xlabel() == "time (Asia/Bangkok)"
    draw(axes)
    assert "16:00" in [label.get_text() for label in axes.get_xticklabels()]  # t1 at 09:00 UTC
    with pytest.raises(OptionError, match="Mars/Base"):
        md.plots.plot_timeline(seen(), "a", time_zone="Mars/Base")


def test_a_timeline_of_nobody_or_of_no_time_is_refused_without_the_account() -> None:
    with pytest.raises(OptionError, match="not in this data set") as error:
        md.plots.plot_timeline(seen(), "nobody")
    assert "nobody" not in str(error.value)
    with pytest.raises(OptionError, match="no transfer in this time"):
        md.plots.plot_timeline(seen(at(0)), "a")


# Ring


def points(axes: Axes) -> dict[str, list[list[float]]]:
    return {str(part.get_label()): np.asarray(part.get_offsets()).tolist() for part in axes.collections}


def arrows(axes: Axes) -> list[FancyArrowPatch]:
    return [patch for patch in axes.patches if isinstance(patch, FancyArrowPatch)]


def test_a_ring_is_drawn_by_layer_with_the_money_between_members() -> None:
    axes = md.plots.plot_ring(ring())
    places = points(axes)
    assert set(places) == {"collector", "relay"}
    assert places["collector"][0][0] < places["relay"][0][0]
    assert len(arrows(axes)) == 1
    assert {"a", "b", "layer 1", "layer 2", "Ring R1"} <= set(texts(axes))
    rims = {str(part.get_label()): to_hex(part.get_edgecolor()[0]) for part in axes.collections}
    assert rims == {"collector": "#000000", "relay": "#ffffff"}  # a is the seed
    assert any("2 accounts; lines: money · suspicion, not a finding" in text for text in texts(axes))


def test_with_a_snapshot_victims_stand_before_a_ring_and_exits_behind() -> None:
    axes = md.plots.plot_ring(ring(), snapshot=seen())
    places = {name: found[0][0] for name, found in points(axes).items()}
    assert places["victim"] < places["collector"] < places["relay"] < places["institution"]
    widths = sorted(arrow.get_linewidth() for arrow in arrows(axes))
    # v to a 1,000 baht, a to b 600, b to the shop 500, a to the shop 300: 0.4 + 3.2 * sqrt(share of the largest)
    np.testing.assert_allclose(widths, [0.4 + 3.2 * share**0.5 for share in (0.3, 0.5, 0.6, 1.0)])
    assert {"payers", "exits and others"} <= set(texts(axes))


def test_without_money_the_links_of_a_ring_are_drawn() -> None:
    axes = md.plots.plot_ring(ring(ring_transfers=TIMELINE.empty_table()))
    assert len(arrows(axes)) == 1
    assert any("lines: links of any kind" in text for text in texts(axes))


def test_many_accounts_around_a_ring_are_drawn_together() -> None:
    base = world().transfers.select(["transfer_id", "time", "source", "target", "amount"]).to_pandas()
    more = {"transfer_id": [f"m{n}" for n in range(30)], "source": [f"p{n:02d}" for n in range(30)], "target": "a",
            "time": at(2), "amount": range(100, 130)}  # fmt: skip
    text = dict.fromkeys(("transfer_id", "source", "target"), str)
    whole = md.read_dataset({"transfers": pd.concat([base.astype(text), pd.DataFrame(more).astype(text)])})
    shown = texts(md.plots.plot_ring(ring(), snapshot=md.Snapshot(whole, AS_OF)))
    assert {"v", "p29", "24 payers"} <= set(shown)  # v and the six that paid most; 24 others
    assert "p00" not in shown


def test_a_ring_of_another_data_set_is_refused() -> None:
    with pytest.raises(DataError, match="some members are not in this data set"):
        md.plots.plot_ring(ring(lambda name: f"x{name}"), snapshot=seen())


# Flow


def bars(axes: Axes) -> list[Rectangle]:
    return [patch for patch in axes.patches if isinstance(patch, Rectangle)]


def test_a_flow_has_bars_and_bands_as_thick_as_the_money() -> None:
    axes = md.plots.plot_flow(ring(), snapshot=seen())
    drawn = sorted(bars(axes), key=lambda bar: bar.get_x())
    heights = [bar.get_height() for bar in drawn]
    # v 1,000, a 1,000, b 600, shop 800
    np.testing.assert_allclose(np.array(heights) / heights[0], [1.0, 1.0, 0.6, 0.8])
    (bands,) = [part for part in axes.collections if isinstance(part, PolyCollection)]
    thick = sorted(float(path.vertices[-2, 1] - path.vertices[0, 1]) for path in bands.get_paths())
    np.testing.assert_allclose(np.array(thick) / heights[0], [0.3, 0.5, 0.6, 1.0])
    assert {"v  1k, victim", "a  1k, collector", "b  600, relay", "shop  800, institution"} <= set(texts(axes))
    assert {"payers", "layer 1", "layer 2", "exits", "Flow of money in ring R1"} <= set(texts(axes))


def test_money_that_moves_back_is_not_drawn_but_said() -> None:
    back = rows(TIMELINE, {"ring_id": "R1", "time": at(1), "source": "a", "target": "b", "amount": 60_000},
                {"ring_id": "R1", "time": at(2), "source": "b", "target": "a", "amount": 1_250})  # fmt: skip
    axes = md.plots.plot_flow(ring(ring_transfers=back))
    assert len(bars(axes)) == 2
    assert any("12.50 moved within a column or back" in text for text in texts(axes))


def test_the_flow_of_a_trace_shows_what_is_still_there() -> None:
    axes = md.plots.plot_flow(traces(), method="fifo")
    drawn = sorted(bars(axes), key=lambda bar: (bar.get_x(), bar.get_y()))
    colours = [to_hex(bar.get_facecolor()).upper() for bar in drawn]
    assert colours[:2] == [BLUE, ORANGE]  # v, a
    assert sorted(colours[2:]) == sorted([ORANGE, GREY])  # b passed most on, the shop is innocent
    shown = set(texts(axes))
    assert {"v  1k, victim", "a  1k, 100 still there", "b  600, 100 still there", "victim", "hop 1", "hop 2"} <= shown
    # b's 500 to the shop stay within hop 2, so the shop's bar has a's 300
    assert "shop  300, merchant" in shown
    assert any("500.00 moved within a column or back" in text for text in shown)
    assert title_of(axes) == "Where the money of complaint c1 went (first in, first out)"


def test_an_account_that_keeps_most_of_the_traced_money_is_green() -> None:
    found = traces()
    kept = found.trace.set_column(5, "traced", pa.array([40_000, 60_000, 0]))
    steps = found.steps.slice(0, 2)
    axes = md.plots.plot_flow(
        md.tracing.Traces(kept, summary=found.summary, steps=steps, currency="THB"), method="fifo"
    )
    last = max(bars(axes), key=lambda bar: bar.get_x())
    assert to_hex(last.get_facecolor()).upper() == GREEN
    assert "b  600, still there" in texts(axes)


def test_a_flow_without_steps_or_money_is_refused() -> None:
    with pytest.raises(OptionError, match="steps=True"):
        md.plots.plot_flow(md.tracing.Traces())
    with pytest.raises(OptionError, match="no steps of this complaint and method"):
        md.plots.plot_flow(traces(), complaint_id="c1", method="lifo")
    with pytest.raises(OptionError, match="Give the snapshot"):
        md.plots.plot_flow(ring(ring_transfers=TIMELINE.empty_table()))


# All


def hostile(name: str) -> str:
    return f"{name}{HOSTILE}"


PICTURES: dict[str, Callable[..., Axes]] = {
    "reasons": lambda **more: md.plots.plot_reasons(scores(HOSTILE, HOSTILE), HOSTILE, **more),
    "reliability": lambda **more: md.plots.plot_reliability(bins(), **more),
    "budget": lambda **more: md.plots.plot_budget_curve(curve().replace("model", HOSTILE), **more),
    "feature": lambda **more: md.plots.plot_feature(pa.table({HOSTILE: [1.0, 2.0]}), [0, 1], HOSTILE, **more),
    "timeline": lambda **more: md.plots.plot_timeline(md.Snapshot(world(hostile), AS_OF), hostile("a"), **more),
    "ring": lambda **more: md.plots.plot_ring(ring(hostile), snapshot=md.Snapshot(world(hostile), AS_OF), **more),
    "flow": lambda **more: md.plots.plot_flow(ring(hostile), snapshot=md.Snapshot(world(hostile), AS_OF), **more),
    "trace": lambda **more: md.plots.plot_flow(traces(hostile), method="fifo", **more),
}


@pytest.mark.parametrize("name", PICTURES)
def test_hostile_and_thai_text_is_drawn_as_it_stands(name: str) -> None:
    axes = PICTURES[name]()
    draw(axes)
    mine = [text for text in axes.figure.findobj(Text) if "$" in text.get_text()]
    assert mine or name == "reliability"
    assert not any(text.get_parse_math() for text in mine)
    assert not any(sign in text.get_text() for text in mine for sign in "\u3164\ue000")


@pytest.mark.parametrize("name", PICTURES)
def test_axes_that_are_given_are_used_and_no_figure_is_made_or_shown(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(plt, "show", lambda *_, **__: pytest.fail("a picture was shown"))
    _, (mine, other) = plt.subplots(1, 2, figsize=(16, 5))
    before = plt.get_fignums()
    assert PICTURES[name](ax=mine) is mine
    assert plt.get_fignums() == before
    assert not other.has_data()


@pytest.mark.parametrize("name", PICTURES)
def test_pictures_draw_on_a_part_of_a_figure(name: str) -> None:
    part = plt.figure(figsize=(16, 5), layout="constrained").subfigures(1, 2)[0]
    draw(PICTURES[name](ax=part.subplots()))


@pytest.mark.parametrize("name", PICTURES)
def test_without_matplotlib_the_error_names_the_extra(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib.pyplot", None)
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(OptionError, match=r"pip install 'muledetect\[report\]'"):
        PICTURES[name]()


@pytest.mark.slow
def test_the_library_is_imported_without_matplotlib_and_names_its_pictures() -> None:
    code = (
        "import sys, muledetect as md; assert 'matplotlib' not in sys.modules; md.plots.plot_ring; "
        "assert 'matplotlib' not in sys.modules; from muledetect.reports.plots import *; plot_flow"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
    with pytest.raises(AttributeError, match="no attribute 'plot_pie'"):
        md.plots.plot_pie  # noqa: B018
    assert all(callable(getattr(md, name)) for name in md.__all__ if name.startswith("plot_"))


def test_long_text_is_cut_in_its_middle_and_letters_that_no_font_has_become_squares() -> None:
    assert as_text("0123456789", 5)["s"] == "01…89"
    assert as_text("0123456789", 6)["s"] == "01…789"
    assert as_text("a\U00012345")["s"].startswith("a")
    assert as_text("a\nb")["s"] == "a<U+000A>b"
