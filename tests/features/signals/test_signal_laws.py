"""Every registered signal obeys the laws; the registry and the options say what is wrong with a wrong request."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pyarrow as pa
import pytest

from muledetect.clock import DAY, MINUTE, SECOND
from muledetect.errors import FeatureError, OptionError
from muledetect.features.signals import (
    Past,
    build_past,
    extract_signals,
    signal,
    signal_names,
    signal_registry,
)
from muledetect.features.signals.senders import senders
from muledetect.graph import graph_from_records
from muledetect.records import read_dataset
from muledetect.testing import check_signal, random_world

SIGNALS = list(signal_registry().signals.values())


@pytest.mark.parametrize("made", SIGNALS, ids=lambda made: made.name)
@pytest.mark.slow
def test_a_signal_obeys_every_law(made) -> None:
    check_signal(made, n_worlds=12)


def test_a_signal_that_looks_ahead_is_found_out() -> None:
    @signal(family="own", unit="count", text="transfers of the whole data set")
    def transfers_of_all(past: Past):
        return np.full(len(past), len(past), np.float32)

    with pytest.raises(AssertionError, match="no look-ahead"):
        check_signal(transfers_of_all, n_worlds=2)


def test_a_signal_that_depends_on_the_order_within_a_tick_is_found_out() -> None:
    @signal(family="own", unit="count", text="transfers that stand before it")
    def place(past: Past):
        return np.arange(len(past), dtype=np.float32)

    with pytest.raises(AssertionError, match="names of accounts"):
        check_signal(place, n_worlds=8)


def test_a_signal_that_sees_further_back_than_it_says_is_found_out() -> None:
    forgetful = replace(senders, reach=1)  # it remembers the largest payment for ever
    with pytest.raises(AssertionError, match="slices of time"):
        check_signal(forgetful, n_worlds=4)


def test_a_signal_that_shows_the_unit_of_money_is_found_out() -> None:
    @signal(family="own", unit="ratio", text="amount against one")
    def raw(past: Past):
        return past.graph.amount.astype(np.float32)

    with pytest.raises(AssertionError, match="units"):
        check_signal(raw, n_worlds=2)


def test_the_table_has_a_row_a_transfer_in_the_order_of_the_data_set() -> None:
    dataset = read_dataset(random_world(3))
    table = extract_signals(dataset)
    assert table.column_names == ["transfer_id", "time", "source", "target", "amount", *signal_names()]
    assert table["transfer_id"].equals(dataset.transfers["transfer_id"])
    assert all(table[name].type == pa.float32() for name in signal_names())


def test_some_columns_and_own_signals_can_be_asked_for() -> None:
    @signal(family="own", unit="flag", text="it is a transfer")
    def is_transfer(past: Past):
        return np.ones(len(past), np.float32)

    dataset = read_dataset(random_world(3))
    seen: list[float] = []
    table = extract_signals(dataset, ["is_new_payee", is_transfer], progress=lambda _, share: seen.append(share))
    assert table.column_names[5:] == ["is_new_payee", "is_transfer"]
    assert table["is_new_payee"].equals(extract_signals(dataset)["is_new_payee"])
    assert seen == [0.5, 1.0]


def test_a_transfer_from_an_account_to_itself_says_nothing() -> None:
    graph = graph_from_records([("a", "a", 0, 5), ("a", "b", 1, 5)])
    past = build_past(graph)
    for made in SIGNALS:
        values = made.compute(past)
        for column, says in enumerate(made.columns.values()):
            assert values[0, column] == 0 if says.unit in {"count", "flag"} else np.isnan(values[0, column])


@pytest.mark.parametrize(
    ("tick", "ties", "is_simultaneous"),
    [(1, None, False), (SECOND, None, True), (DAY, None, True), (DAY, "strict", False), (1, "simultaneous", True)],
)
def test_a_clock_that_hides_the_order_makes_ties_simultaneous(tick: int, ties, is_simultaneous: bool) -> None:
    assert build_past(graph_from_records([("a", "b", 0, 5)], tick=tick), ties=ties).is_simultaneous == is_simultaneous


def test_a_look_back_shorter_than_the_tick_is_as_long_as_the_tick() -> None:
    assert build_past(graph_from_records([("a", "b", 0, 5)], tick=DAY), lookback=MINUTE).lookback == DAY


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"lookback": "31d"}, "at most 30 d"),
        ({"lookback": 0}, "0 is none"),
        ({"ties": "loose"}, "'strict' or 'simultaneous'"),
        ({"max_degree": 0}, "at least 1"),
    ],
)
def test_an_option_out_of_range_says_what_is_allowed(options, message: str) -> None:
    with pytest.raises(OptionError, match=message):
        extract_signals(read_dataset(random_world(1)), **options)


def test_an_unknown_column_suggests_a_close_one() -> None:
    with pytest.raises(FeatureError, match="did you mean 'is_new_payee'"):
        extract_signals(read_dataset(random_world(1)), ["is_new_paye"])


def test_an_unknown_family_lists_the_known() -> None:
    with pytest.raises(FeatureError, match=r"families are.*'pairs'"):
        signal_names(["pars"])


def test_a_name_of_a_signal_cannot_be_taken_twice() -> None:
    with pytest.raises(FeatureError, match="registered already"):
        signal_registry().add(SIGNALS[0])


def test_an_amount_is_no_unit_of_a_signal() -> None:
    with pytest.raises(FeatureError, match="must be count, ratio, seconds or flag"):

        @signal(family="own", unit="amount", text="x")
        def money(past: Past):
            return past.unknown(1)


def test_a_wrong_shape_says_what_is_expected() -> None:
    @signal(family="own", unit="count", text="nothing")
    def short(past: Past):
        return np.zeros(1, np.float32)

    with pytest.raises(FeatureError, match=r"expected float32 \(\d+, 1\)"):
        extract_signals(read_dataset(random_world(1)), [short])
