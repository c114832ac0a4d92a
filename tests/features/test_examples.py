"""Features of hand-drawn accounts; every expected value is worked out beside it."""

from __future__ import annotations

import math
from typing import Any

import pyarrow as pa
import pytest
from strategies import arrow_times, transfers_table

from muledetect.clock import DAY, HOUR, MINUTE, SECOND, format_time, parse_time
from muledetect.features import extract
from muledetect.graph import Points, build_graph
from muledetect.labels import points_of
from muledetect.records import Dataset, read_dataset

START = parse_time("2025-03-03")  # a Monday
BAHT = 100

Row = tuple[str, str, int, int]  # source, target, microseconds after START, amount


def drawn(rows: list[Row], accounts: dict[str, list[Any]] | None = None, *, tick: int = 1, **columns: Any) -> Dataset:
    moved = [(source, target, START + after, amount) for source, target, after, amount in rows]
    tables = {"transfers": transfers_table(moved, **columns)}
    if accounts is not None:
        tables["accounts"] = pa.table(accounts)
    return read_dataset(tables, tick=tick)


def value(dataset: Dataset, account: str, after: int, name: str) -> float:
    """The column of one account at START + after."""
    table = extract(dataset, points_of(dataset, [account], START + after), [name])
    return float(table[name][0].as_py())


# Money flow. m receives 100 at 10:00 and 50 at 11:00, pays 80 at 10:10 and 50 at 12:00.
# First in, first out: 10:10 takes 80 of the first credit (10 min); 12:00 takes its last 20 (120 min) and 30 of the
# second (60 min). 20 of the second stay.
RELAY = [
    ("v", "m", 10 * HOUR, 100),
    ("w", "m", 11 * HOUR, 50),
    ("m", "x", 10 * HOUR + 10 * MINUTE, 80),
    ("m", "y", 12 * HOUR, 50),
]


def test_money_passes_through_first_in_first_out() -> None:
    dataset = drawn(RELAY)
    assert value(dataset, "m", 13 * HOUR, "pass_through__window_24h") == 130 / 150
    # at 11:30 only the first debit has happened: 80 of the 150 received
    assert value(dataset, "m", 11 * HOUR + 30 * MINUTE, "pass_through__window_24h") == 80 / 150
    # in the last hour and a half before 12:15 only the second credit came, and 30 of its 50 left
    assert value(dataset, "m", 12 * HOUR + 15 * MINUTE, "pass_through__window_90min") == 30 / 50


def test_a_transfer_at_the_very_moment_of_the_point_is_not_seen() -> None:
    dataset = drawn(RELAY)
    assert value(dataset, "m", 12 * HOUR, "pass_through__window_all") == 80 / 150
    assert value(dataset, "m", 12 * HOUR + 1, "pass_through__window_all") == 130 / 150
    assert value(dataset, "m", 10 * HOUR, "in_count__window_all") == 0


def test_a_window_begins_with_its_first_moment() -> None:
    dataset = drawn(RELAY)
    assert value(dataset, "m", 12 * HOUR, "in_count__window_1h") == 1  # the credit of 11:00 sharp
    assert value(dataset, "m", 12 * HOUR + 1, "in_count__window_1h") == 0


def test_quick_pass_counts_only_money_that_left_in_time() -> None:
    dataset = drawn(RELAY)
    assert value(dataset, "m", DAY, "quick_pass__within_15min__window_all") == 80 / 150
    assert value(dataset, "m", DAY, "quick_pass__within_1h__window_all") == (80 + 30) / 150  # 60 minutes are in time
    assert value(dataset, "m", DAY, "quick_pass__within_24h__window_all") == 130 / 150


def test_holding_time_quantiles_weigh_by_value() -> None:
    dataset = drawn(RELAY)
    # 80 stayed 10 min, 30 stayed 60 min, 20 stayed 120 min: half of 130 is reached by the first, 117 by the last
    assert value(dataset, "m", DAY, "holding_time_median__window_7d") == 600
    assert value(dataset, "m", DAY, "holding_time_p90__window_7d") == 7200


def test_a_debit_spends_a_credit_of_its_own_tick() -> None:
    # whichever order the rows have: on a clock of days both are of one moment
    for rows in ([("v", "m", 0, 100), ("m", "x", 0, 100)], [("m", "x", 0, 100), ("v", "m", 0, 100)]):
        dataset = drawn(rows, tick=DAY)
        assert value(dataset, "m", DAY, "pass_through__window_24h") == 1
        assert value(dataset, "m", DAY, "holding_time_median__window_7d") == 0
        assert value(dataset, "m", DAY, "followed_share__window_7d") == 1


def test_a_debit_before_the_credit_spends_older_money() -> None:
    dataset = drawn([("m", "x", 9 * HOUR, 100), ("v", "m", 10 * HOUR, 100), ("m", "x", 11 * HOUR, 30)])
    # 9:00 spends what came before the records; only the 30 of 11:00 are of the credit
    assert value(dataset, "m", DAY, "pass_through__window_all") == 0.3


def test_money_beyond_the_credits_on_record_passes_nothing_through() -> None:
    dataset = drawn([("v", "m", 0, 100), ("m", "x", HOUR, 1_000), ("w", "m", 2 * HOUR, 100)])
    assert value(dataset, "m", DAY, "pass_through__window_all") == 0.5


def test_a_day_that_ends_empty_is_swept() -> None:
    # three days of 24 h counted back from the point: in 100 out 98 (2% left), in 100 out 40 (60%), out 10 only
    rows = [
        ("v", "m", 1 * HOUR, 100), ("m", "x", 2 * HOUR, 98),
        ("v", "m", DAY + 1 * HOUR, 100), ("m", "x", DAY + 2 * HOUR, 40),
        ("m", "x", 2 * DAY + 1 * HOUR, 10),
    ]  # fmt: skip
    dataset = drawn(rows)
    assert value(dataset, "m", 3 * DAY, "zero_sweep__window_30d") == 0.5
    assert value(dataset, "m", 3 * DAY, "retained_mean__window_30d") == pytest.approx((0.02 + 0.6) / 2)
    assert value(dataset, "m", 3 * DAY, "retained_spread__window_30d") == pytest.approx((0.6 - 0.02) / 2)
    assert value(dataset, "m", 3 * DAY, "busy_days__window_30d") == 3 / 30


def test_days_that_keep_the_same_share_have_no_spread() -> None:
    rows = [
        (source, target, day * DAY + HOUR, amount)
        for day in range(20)
        for source, target, amount in (("v", "m", 300), ("m", "x", 271))
    ]
    assert value(drawn(rows), "m", 20 * DAY, "retained_spread__window_30d") == 0


def test_many_credits_are_gathered_into_one_debit() -> None:
    # net: 10, 20, 30, then 0 after paying 30, then 5: swings over 30; 35 came in; the debit gathered three credits
    rows = [("a", "m", 0, 10), ("b", "m", 1, 10), ("c", "m", 2, 10), ("m", "x", 3, 30), ("a", "m", 4, 5)]
    dataset = drawn(rows)
    assert value(dataset, "m", 5, "credits_before_largest_debit__window_all") == 3
    assert value(dataset, "m", 5, "turnover_over_range__window_all") == 35 / 30
    assert value(dataset, "m", 5, "largest_debit_share__window_all") == 1


def test_an_account_emptied_within_each_day_swings_by_its_largest_debit() -> None:
    # on a clock of days the net ends every day at 0, yet 40 were there at some time: 70 / 40
    rows = [("a", "m", 0, 30), ("m", "x", 0, 30), ("a", "m", DAY, 40), ("m", "x", DAY, 40)]
    assert value(drawn(rows, tick=DAY), "m", 2 * DAY, "turnover_over_range__window_all") == 70 / 40


# Peaks. m was busy for an hour on day 0 and has been silent for two months since.
BUSY = [
    ("a", "m", 0, 500),
    ("b", "m", 20 * MINUTE, 700),
    ("m", "x", 30 * MINUTE, 900),
    ("c", "m", 50 * MINUTE, 100),
    ("a", "m", 5 * HOUR, 200),
]


def test_a_peak_of_two_silent_months_ago_is_still_there() -> None:
    dataset = drawn(BUSY)
    after = 60 * DAY
    assert value(dataset, "m", after, "in_amount__window_30d") == 0
    assert value(dataset, "m", after, "peak_in_amount__within_1h") == 1300  # 500 + 700 + 100
    assert value(dataset, "m", after, "peak_in_amount__within_15min") == 700
    assert value(dataset, "m", after, "peak_in_count__within_1h") == 3
    assert value(dataset, "m", after, "peak_in_counterparties__within_24h") == 3
    assert value(dataset, "m", after, "peak_through_amount__within_1h") == 900  # least of 1300 in and 900 out
    assert value(dataset, "m", after, "since_peak_in_amount__within_1h") == (60 * DAY - 50 * MINUTE) / SECOND
    # the 700 of 0:20 are all that any 15 minutes held, last seen when m paid at 0:30
    assert value(dataset, "m", after, "since_peak_in_amount__within_15min") == (60 * DAY - 30 * MINUTE) / SECOND


def test_of_equal_peaks_the_latest_tells_how_long_ago() -> None:
    dataset = drawn([("a", "m", 0, 500), ("a", "m", 10 * DAY, 500)])
    assert value(dataset, "m", 30 * DAY, "since_peak_in_amount__within_24h") == 20 * 86_400


def test_a_peak_sees_no_transfer_after_the_point() -> None:
    dataset = drawn(BUSY)
    assert value(dataset, "m", 10 * MINUTE, "peak_in_amount__within_24h") == 500


# Lifecycle.


def test_a_tiny_transfer_before_the_first_large_inflow_is_a_test() -> None:
    # 1,000 is the largest credit; 600 is the first of at least half of it; 6 is at most a hundredth of 600
    rows = [("a", "m", 0, 6), ("b", "m", 2 * DAY, 600), ("c", "m", 3 * DAY, 1_000)]
    assert value(drawn(rows), "m", 4 * DAY, "micro_test") == 1
    assert value(drawn(rows), "m", 4 * DAY, "in_jump") == 600 / 606
    # 7 is more than a hundredth; 73 hours are too long before; a payment of 6 is a test as well
    assert value(drawn([("a", "m", 0, 7), *rows[1:]]), "m", 4 * DAY, "micro_test") == 0
    assert value(drawn([rows[0], ("b", "m", 73 * HOUR, 600)]), "m", 9 * DAY, "micro_test") == 0
    assert value(drawn([rows[0], ("b", "m", 72 * HOUR, 600)]), "m", 9 * DAY, "micro_test") == 1
    assert value(drawn([("m", "a", 0, 6), *rows[1:]]), "m", 4 * DAY, "micro_test") == 1


def test_a_tiny_transfer_of_the_same_tick_is_no_test() -> None:
    rows = [("a", "m", 0, 6), ("b", "m", 0, 600)]
    assert value(drawn(rows, tick=DAY), "m", DAY, "micro_test") == 0


def test_an_account_wakes_up_after_ninety_days() -> None:
    # 100 on day 0, silence, 900 on day 95: inside the 180 days before the window lies the 100
    rows = [("a", "m", 0, 100), ("b", "m", 95 * DAY, 900)]
    dataset = drawn(rows)
    assert value(dataset, "m", 96 * DAY, "sleep__window_7d") == 95 * 86_400
    assert value(dataset, "m", 96 * DAY, "wake_up__window_7d") == 900 / 1_000
    assert value(dataset, "m", 96 * DAY, "longest_sleep") == 95 * 86_400
    # 89 days are no dormancy, and an account that still sleeps has not woken up
    assert value(drawn([rows[0], ("b", "m", 89 * DAY, 900)]), "m", 90 * DAY, "wake_up__window_7d") == 0
    assert math.isnan(value(dataset, "m", 94 * DAY, "wake_up__window_7d"))
    # what came more than 180 days before the window does not count
    assert value(drawn([rows[0], ("b", "m", 195 * DAY, 900)]), "m", 196 * DAY, "wake_up__window_7d") == 1


def test_ages_count_from_first_and_last_transfers() -> None:
    dataset = drawn(BUSY)
    assert value(dataset, "m", DAY, "since_first") == 86_400
    assert value(dataset, "m", DAY, "since_last_in") == 19 * 3_600
    assert value(dataset, "m", DAY, "since_last_out") == 23.5 * 3_600
    assert value(dataset, "m", DAY, "active_span") == 5 * 3_600
    assert value(dataset, "m", DAY, "in_before_out") == 30 * 60


def test_behaviour_is_compared_with_all_the_past() -> None:
    # before the last week two credits of 100, inside it one of 600: 600 / (600 + 100), and 600 of 800 ever received
    dataset = drawn([("a", "m", 0, 100), ("a", "m", DAY, 100), ("b", "m", 20 * DAY, 600)])
    assert value(dataset, "m", 21 * DAY, "in_amount_change__window_7d") == 600 / 700
    assert value(dataset, "m", 21 * DAY, "in_recent_share__window_7d") == 600 / 800


def test_account_age_comes_from_the_accounts_table_and_not_from_the_future() -> None:
    accounts = {"account_id": ["m", "n"], "opened_at": arrow_times([START - DAY, START + 9 * DAY])}
    dataset = drawn([("n", "m", 0, 1)], accounts)
    assert value(dataset, "m", DAY, "account_age") == 2 * 86_400
    assert math.isnan(value(dataset, "n", DAY, "account_age"))


# Velocity.


def test_a_steady_account_bursts_by_one_half() -> None:
    # one credit a day for 91 days: the last day holds 1, the 90 days before let expect 90 / 90
    dataset = drawn([("a", "m", day * DAY, 100) for day in range(91)])
    assert value(dataset, "m", 91 * DAY, "in_burst__window_24h") == 0.5
    assert value(dataset, "m", 91 * DAY, "in_amount_burst__window_24h") == 0.5


def test_a_burst_is_the_same_on_a_clock_of_days_whatever_window_is_under_a_day() -> None:
    dataset = drawn([("a", "m", day * DAY, 100) for day in range(91)], tick=DAY)
    for window in ("1h", "24h"):
        assert value(dataset, "m", 91 * DAY, f"in_burst__window_{window}") == pytest.approx(0.5)


def test_an_account_without_a_past_bursts_fully_and_a_silent_one_not_at_all() -> None:
    dataset = drawn([("a", "m", 0, 100)])
    assert value(dataset, "m", HOUR, "in_burst__window_24h") == 1
    assert value(dataset, "m", 3 * DAY, "in_burst__window_24h") == 0


def test_gaps_of_equal_length_do_not_vary() -> None:
    dataset = drawn([("a", "m", hour * HOUR, 100) for hour in (0, 2, 4, 6)])
    assert value(dataset, "m", DAY, "in_gap_median__window_30d") == 7_200
    assert value(dataset, "m", DAY, "in_gap_variation__window_30d") == 0
    # gaps of 1 h and 3 h: median and mean 2 h, deviation 1 h
    dataset = drawn([("a", "m", hour * HOUR, 100) for hour in (0, 1, 4)])
    assert value(dataset, "m", DAY, "in_gap_median__window_30d") == 7_200
    assert value(dataset, "m", DAY, "in_gap_variation__window_30d") == 0.5


def test_debits_follow_credits() -> None:
    # waits of 10 min (10:00), 60 min (11:00); neither within five minutes
    assert value(drawn(RELAY), "m", DAY, "follow_up_median__window_7d") == 35 * 60
    assert value(drawn(RELAY), "m", DAY, "followed_share__window_7d") == 0
    # of three credits one is followed after exactly five minutes, and the last never
    rows = [("a", "m", 0, 9), ("m", "x", 5 * MINUTE, 9), ("a", "m", HOUR, 9), ("m", "x", 2 * HOUR, 9)]
    dataset = drawn([*rows, ("a", "m", 3 * HOUR, 9)])
    assert value(dataset, "m", DAY, "followed_share__window_7d") == 1 / 3
    assert value(dataset, "m", DAY, "follow_up_median__window_7d") == (300 + 3_600) / 2


# Counterparties.
PAYERS = [("a", "m", 0, 100), ("a", "m", 20 * DAY, 100), ("b", "m", 20 * DAY, 100), ("b", "m", 21 * DAY, 200)]


def test_a_payer_is_new_once() -> None:
    dataset = drawn(PAYERS)
    # in the last week a (known) paid 100 and b (new) 300
    assert value(dataset, "m", 22 * DAY, "in_counterparties__window_7d") == 2
    assert value(dataset, "m", 22 * DAY, "in_new_counterparties__window_7d") == 1
    assert value(dataset, "m", 22 * DAY, "in_new_share__window_7d") == 0.75
    assert value(dataset, "m", 22 * DAY, "in_top_share__window_7d") == 0.75
    assert value(dataset, "m", 22 * DAY, "in_one_off__window_7d") == 1
    assert value(dataset, "m", 22 * DAY, "in_one_off_share__window_7d") == 0.25
    # over all time both are
    assert value(dataset, "m", 22 * DAY, "in_new_counterparties__window_all") == 2
    # in the last day b is not
    assert value(dataset, "m", 22 * DAY, "in_new_counterparties__window_24h") == 0


def test_entropy_is_in_bits() -> None:
    even = drawn([(payer, "m", 0, 100) for payer in "abcd"])
    assert value(even, "m", DAY, "in_entropy__window_all") == 2
    assert value(drawn(PAYERS[:2]), "m", 22 * DAY, "in_entropy__window_all") == 0
    # 1/4 and 3/4: 0.25 * 2 + 0.75 * log2(4/3)
    expected = 0.5 + 0.75 * math.log2(4 / 3)
    assert value(drawn(PAYERS), "m", 22 * DAY, "in_entropy__window_7d") == pytest.approx(expected, abs=1e-11)


def test_money_returned_to_payers_is_known() -> None:
    dataset = drawn([("a", "m", 0, 100), ("m", "a", HOUR, 30), ("m", "x", HOUR, 70)])
    assert value(dataset, "m", DAY, "returned_share__window_7d") == 0.3


def test_a_counterparty_of_both_sides_is_new_on_each() -> None:
    dataset = drawn([("a", "m", 0, 100), ("m", "a", 20 * DAY, 30)])
    assert value(dataset, "m", 21 * DAY, "out_new_counterparties__window_24h") == 1


# Amounts.


def test_transfers_just_under_a_threshold_are_structured() -> None:
    # Thailand: 50,000 baht. 49,900 and 45,000 lie in its last tenth; 50,000 and 44,999 do not
    amounts = [49_900 * BAHT, 45_000 * BAHT, 50_000 * BAHT, 44_999 * BAHT]
    dataset = drawn([("a", "m", n * HOUR, amount) for n, amount in enumerate(amounts)])
    name = "in_below__threshold_5000000__window_90d"
    table = extract(dataset, points_of(dataset, ["m"], START + DAY), pack="TH")
    assert table[name].to_pylist() == [0.5]
    assert table["below_count__threshold_5000000__window_90d"].to_pylist() == [2]
    assert math.isnan(table["out_below__threshold_5000000__window_90d"][0].as_py())


def test_days_that_stop_just_under_the_limit_hug_it() -> None:
    # limit 50,000: 30,000 + 19,000 on Monday hugs; 20,000 on Tuesday does not; 50,000 sharp on Wednesday does
    baht = [(10, 30_000), (12, 19_000), (34, 20_000), (58, 50_000)]
    dataset = drawn([("m", "x", hour * HOUR, amount * BAHT) for hour, amount in baht])
    assert value(dataset, "m", 3 * DAY, "limit_hugging__limit_5000000__utc_0__window_30d") == 2 / 3


def test_a_day_is_a_local_day() -> None:
    # 20:00 and 10:00 the next morning, UTC, are 03:00 and 17:00 of one day in Thailand
    rows = [("m", "x", 20 * HOUR, 30_000), ("m", "x", 34 * HOUR, 19_000)]
    assert value(drawn(rows), "m", 3 * DAY, "limit_hugging__limit_50000__utc_420__window_30d") == 1
    assert value(drawn(rows), "m", 3 * DAY, "limit_hugging__limit_50000__utc_0__window_30d") == 0


def test_an_account_hugs_its_own_limit() -> None:
    accounts = {"account_id": ["m", "n"], "daily_limit": pa.array([1_000, None], pa.int64())}
    dataset = drawn([("m", "n", 0, 950), ("n", "m", HOUR, 950)], accounts)
    assert value(dataset, "m", DAY, "own_limit_hugging__utc_0__window_30d") == 1
    assert math.isnan(value(dataset, "n", DAY, "own_limit_hugging__utc_0__window_30d"))


def test_amounts_within_a_tenth_are_similar() -> None:
    # 100 to 110 are within a tenth of each other, 111 is not; 100 came twice
    dataset = drawn([("a", "m", n, amount) for n, amount in enumerate([100, 100, 105, 110, 111, 500])])
    assert value(dataset, "m", HOUR, "in_similar__window_24h") == 4
    assert value(dataset, "m", HOUR, "in_similar_share__window_24h") == 4 / 6
    assert value(dataset, "m", HOUR, "in_repeated_share__window_24h") == 2 / 6


def test_round_amounts_have_two_digits_at_most() -> None:
    dataset = drawn([("a", "m", n, amount) for n, amount in enumerate([5, 120_000, 10_100, 123])])
    assert value(dataset, "m", HOUR, "in_round_share__window_30d") == 0.5


def test_the_night_is_local() -> None:
    # Thailand is 7 hours ahead: 16:00 UTC is 23:00 and night, 22:59:59 UTC is 05:59:59 and night, 23:00 UTC is day
    rows = [("a", "m", 16 * HOUR, 1), ("m", "x", 23 * HOUR - SECOND, 1), ("a", "m", 23 * HOUR, 1)]
    dataset = drawn(rows)
    assert value(dataset, "m", DAY, "night_share__utc_420__window_7d") == 2 / 3
    assert math.isnan(value(dataset, "m", DAY, "night_change__utc_420__window_7d"))
    # ten days later one transfer by day: 0 in the last week, 2/3 before
    dataset = drawn([*rows, ("a", "m", 10 * DAY + 5 * HOUR, 1)])
    assert value(dataset, "m", 11 * DAY, "night_change__utc_420__window_7d") == -2 / 3


def test_a_clock_of_days_has_no_night() -> None:
    assert math.isnan(value(drawn(RELAY[:1], tick=DAY), "m", DAY, "night_share__utc_0__window_7d"))


# Clocks, balances, and accounts of which little is known.


def test_on_a_clock_of_days_a_short_window_holds_the_whole_last_day() -> None:
    dataset = drawn([("a", "m", 0, 100), ("b", "m", DAY, 300)], tick=DAY)
    for window in ("5min", "1h", "24h"):
        assert value(dataset, "m", 2 * DAY, f"in_amount__window_{window}") == 300
        assert value(dataset, "m", 2 * DAY, f"peak_in_amount__within_{window}") == 300
    assert value(dataset, "m", 2 * DAY, "in_amount__window_7d") == 400


def test_the_clock_of_an_export_of_days_is_found() -> None:
    dataset = read_dataset({"transfers": transfers_table([("a", "m", START, 1), ("m", "x", START + 3 * DAY, 1)])})
    assert dataset.tick == DAY


def test_a_transfer_to_oneself_moves_nothing() -> None:
    dataset = drawn([("a", "m", 0, 100), ("m", "m", HOUR, 70)])
    assert value(dataset, "m", DAY, "out_count__window_all") == 0
    assert value(dataset, "m", DAY, "in_amount__window_all") == 100
    assert value(dataset, "m", DAY, "pass_through__window_all") == 0
    assert math.isnan(value(dataset, "m", DAY, "since_last_out"))


def test_turnover_is_measured_against_the_balance_last_carried_by_a_transfer() -> None:
    after = {"target_balance_after": pa.array([800, 300], pa.int64())}
    dataset = drawn([("a", "m", 0, 100), ("b", "m", HOUR, 100)], **after)
    assert value(dataset, "m", DAY, "turnover_over_balance__window_7d") == 200 / (200 + 2 * 300)
    # before the second transfer the balance was 800
    assert value(dataset, "m", HOUR, "turnover_over_balance__window_7d") == 100 / (100 + 2 * 800)
    # the payers' balances are not known
    assert math.isnan(value(dataset, "a", DAY, "turnover_over_balance__window_7d"))


def test_turnover_is_measured_against_the_accounts_table_where_that_is_later() -> None:
    accounts = {
        "account_id": ["m", "n"],
        "balance": pa.array([50, 70], pa.int64()),
        "balance_at": arrow_times([START + 2 * HOUR, START + 9 * DAY]),
    }
    after = {"target_balance_after": pa.array([800], pa.int64())}
    dataset = drawn([("n", "m", 0, 100)], accounts, **after)
    assert value(dataset, "m", HOUR, "turnover_over_balance__window_7d") == 100 / (100 + 2 * 800)
    assert value(dataset, "m", DAY, "turnover_over_balance__window_7d") == 100 / (100 + 2 * 50)
    assert math.isnan(value(dataset, "n", DAY, "turnover_over_balance__window_7d"))  # known only on day 9


def test_balances_of_several_transfers_of_one_tick_say_nothing() -> None:
    balances = {
        "source_balance_after": pa.array([None, 10, None], pa.int64()),
        "target_balance_after": pa.array([110, None, 40], pa.int64()),
    }
    dataset = drawn([("a", "m", 0, 100), ("m", "x", 0, 100), ("a", "m", DAY, 30)], tick=DAY, **balances)
    assert math.isnan(value(dataset, "m", DAY, "turnover_over_balance__window_7d"))
    # the one transfer of the second day states 40
    assert value(dataset, "m", 2 * DAY, "turnover_over_balance__window_7d") == 230 / (230 + 2 * 40)


@pytest.mark.parametrize("account", ["quiet", "nobody"])
def test_an_account_without_history_has_defined_values(account: str) -> None:
    """`quiet` is in the accounts table and never moved money; `nobody` is in no table, its code is -1."""
    dataset = drawn([("a", "m", 0, 100)], {"account_id": ["quiet"], "daily_limit": pa.array([100], pa.int64())})
    points = points_of(dataset, [account], START + DAY)
    assert int(points.account[0]) == (-1 if account == "nobody" else dataset.account_ids.to_pylist().index("quiet"))
    table = extract(dataset, points, pack="TH")
    assert table["account_id"].to_pylist() == [None if account == "nobody" else "quiet"]
    row = table.to_pylist()[0]
    for name in (
        "in_count__window_7d",
        "out_amount__window_all",
        "peak_in_amount__within_1h",
        "in_victims__window_all",
    ):
        assert row[name] == 0
    for name in (
        "out_share__window_7d",
        "in_mean__window_all",
        "pass_through__window_24h",
        "since_first",
        "micro_test",
    ):
        assert math.isnan(row[name])


def test_a_data_set_without_an_accepted_transfer_has_defined_values() -> None:
    dataset = read_dataset({"transfers": transfers_table([]), "accounts": pa.table({"account_id": ["m"]})})
    table = extract(dataset, points_of(dataset, ["m", "x"], START))
    assert table["in_count__window_all"].to_pylist() == [0, 0]


def test_no_points_give_no_rows_and_all_columns() -> None:
    dataset = drawn(RELAY)
    graph = build_graph(dataset)
    none = Points(points_of(graph, [], START).account, points_of(graph, [], START).as_of)
    table = extract(dataset, none, ["in_count__window_7d"])
    assert table.num_rows == 0
    assert table.column_names == ["account_id", "as_of", "in_count__window_7d"]


def test_moments_are_given_back_as_they_were_asked_for() -> None:
    dataset = drawn(RELAY)
    table = extract(dataset, points_of(dataset, ["m", "v"], START + DAY), ["since_first"])
    assert format_time(table["as_of"].cast(pa.int64())[0].as_py()) == "2025-03-04T00:00:00Z"
