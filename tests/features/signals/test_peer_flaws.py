"""What IBM's Graph Feature Preprocessor answers wrongly (docs/signals_and_gfp.md) is answered rightly here."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import pytest

from muledetect.clock import DAY, HOUR, SECOND
from muledetect.errors import DataError
from muledetect.features import extract
from muledetect.features.signals import Past, Signal, Ties, build_past, extract_signals, signal_names, signal_registry
from muledetect.features.signals.cycles import count_temporal_cycles
from muledetect.features.signals.pairs import fan
from muledetect.features.signals.scatter import scatter_gather
from muledetect.graph import Points, TransferGraph, build_graph, graph_from_arrays, graph_from_records
from muledetect.records import Dataset, read_dataset

SIGNALS = list(signal_registry().signals.values())
WEEK = 7 * DAY

#: Signals with columns that also ask what happened before the look-back, by definition: is the payee new, the habits.
LASTING = {"pairs", "senders", "relay", "first_payments"}

Row = tuple[str, str, int, int]  # source, target, seconds, amount


def past_of(rows: Sequence[Row], *, ties: Ties = "strict", lookback: int = 10 * SECOND) -> Past:
    graph = graph_from_records([(source, target, at * SECOND, amount) for source, target, at, amount in rows])
    return build_past(graph, lookback=lookback, ties=ties, max_degree=None)


def column(made: Signal, name: str, past: Past) -> list[float]:
    return made.compute(past)[:, list(made.columns).index(name)].tolist()


def multigraph(seed: int, *, begin: int = 0, unit: int = SECOND) -> TransferGraph:
    """60 transfers between seven accounts at 100 moments: ties, parallel transfers, some to the payer itself."""
    random = np.random.default_rng(seed)
    return graph_from_arrays(
        time=begin + np.sort(random.integers(0, 100, 60)) * unit,
        source=random.integers(0, 7, 60).astype(np.int32),
        target=random.integers(0, 7, 60).astype(np.int32),
        amount=random.integers(1, 50, 60),
        account_ids=pa.array([f"a{n}" for n in range(7)]),
    )


def first_of(graph: TransferGraph, n: int) -> TransferGraph:
    return graph_from_arrays(
        time=graph.time[:n],
        source=graph.source[:n],
        target=graph.target[:n],
        amount=graph.amount[:n],
        account_ids=graph.account_ids,
        tick=graph.tick,
    )


@pytest.mark.parametrize("made", SIGNALS, ids=lambda made: made.name)
@pytest.mark.parametrize("ties", ["strict", "simultaneous"])
@pytest.mark.parametrize("max_degree", [None, 4])
def test_a_batch_is_answered_as_if_nothing_came_after_it(made: Signal, ties: Ties, max_degree: int | None) -> None:
    for seed in range(4):
        graph = multigraph(seed)
        options = {"lookback": 40 * SECOND, "ties": ties, "max_degree": max_degree}
        whole = made.compute(build_past(graph, **options))
        for moment in np.unique(graph.time)[::7]:
            n = int(np.searchsorted(graph.time, moment, side="right"))
            np.testing.assert_array_equal(
                made.compute(build_past(first_of(graph, n), **options)), whole[:n], err_msg=f"seed {seed}, first {n}"
            )


def test_who_paid_later_is_not_counted_at_the_first_transfer() -> None:
    past = past_of([("a", "b", 0, 5), ("c", "b", 1, 5), ("d", "b", 2, 5)])
    assert column(fan, "target_fan_in", past) == [1, 2, 3]


def test_only_the_last_transfer_closes_a_cycle() -> None:
    past = past_of([("a", "b", 0, 5), ("b", "c", 1, 5), ("c", "a", 2, 5)])
    assert count_temporal_cycles(past, 6)[:, 1].tolist() == [0, 0, 1]


@pytest.mark.parametrize("made", SIGNALS, ids=lambda made: made.name)
@pytest.mark.parametrize("unit", [SECOND, 1])
@pytest.mark.parametrize("year", [2038, 2099])
def test_times_beyond_31_bits_change_nothing(made: Signal, unit: int, year: int) -> None:
    """In 2038 the seconds since 1970 pass 2 ** 31 among the transfers; microseconds did so within an hour of 1970."""
    begin = {2038: 2**31 * SECOND - 50 * unit, 2099: 4_100_000_000 * SECOND}[year] // unit * unit
    early = begin % WEEK  # hours and days of the week stay the same
    told = [
        made.compute(build_past(multigraph(1, begin=start, unit=unit), lookback=40 * unit, ties="strict"))
        for start in (early, begin)
    ]
    np.testing.assert_array_equal(*told)


def test_three_payers_around_the_end_of_31_bits() -> None:
    last = 2**31 - 2
    past = past_of([("a", "b", last, 5), ("c", "b", last + 1, 5), ("d", "b", last + 2, 5)])
    assert column(fan, "target_fan_in", past) == [1, 2, 3]


@pytest.mark.parametrize("made", [made for made in SIGNALS if made.name not in LASTING], ids=lambda made: made.name)
def test_after_a_quiet_gap_nothing_of_the_window_is_left(made: Signal) -> None:
    for seed in range(4):
        new = multigraph(seed, begin=1_000 * SECOND)
        old = multigraph(seed + 100)
        both = graph_from_arrays(
            **{
                name: np.concatenate([getattr(old, name), getattr(new, name)])
                for name in ("time", "source", "target", "amount")
            },
            account_ids=new.account_ids,
        )
        alone, after = (made.compute(build_past(graph, lookback=40 * SECOND, ties="strict")) for graph in (new, both))
        np.testing.assert_array_equal(after[60:], alone, err_msg=f"seed {seed}")


def test_a_transfer_after_a_quiet_gap_is_alone() -> None:
    past = past_of([("a", "b", 0, 5), ("a", "c", 1, 5), ("a", "d", 1000, 5)])
    assert column(fan, "source_paid", past) == [1, 2, 1]


def test_a_transfer_as_old_as_the_look_back_still_counts_and_an_older_one_does_not() -> None:
    past = past_of([("a", "b", 0, 5), ("a", "c", 10, 5), ("a", "d", 11, 5)])
    assert column(fan, "source_paid", past) == [1, 2, 2]  # at 11 s: b is gone, c and d


def test_a_middle_that_paid_before_it_was_paid_is_none() -> None:
    #   a -> b, a -> c, b -> d, c -> d: two ways from a to d
    forth = past_of([("a", "b", 0, 5), ("a", "c", 1, 5), ("b", "d", 2, 5), ("c", "d", 3, 5)])
    assert column(scatter_gather, "scatter_gather", forth) == [0, 0, 1, 2]
    #   b -> d came first, so only c handed on what a paid
    back = past_of([("b", "d", 0, 5), ("a", "b", 1, 5), ("a", "c", 2, 5), ("c", "d", 3, 5)])
    assert column(scatter_gather, "scatter_gather", back) == [0, 0, 0, 1]


def test_an_account_is_no_middle_of_its_own() -> None:
    past = past_of([("a", "a", 0, 5), ("a", "c", 1, 5), ("a", "b", 2, 5), ("b", "c", 3, 5)])
    assert column(scatter_gather, "scatter_gather", past)[3] == 1  # over b


def dataset_of(source: list[object], target: list[object], **columns: list[int]) -> Dataset:
    n = len(source)
    transfers = {
        "transfer_id": [f"t{k}" for k in range(n)],
        "time": pa.array([k * SECOND for k in range(n)], pa.timestamp("us", "UTC")),
        "source": pa.array(source),
        "target": pa.array(target),
        "amount": pa.array(columns.get("amount", [5] * n)),
    }
    return read_dataset({"transfers": pa.table(transfers)}, currency="THB")


def test_ids_that_are_one_double_are_two_accounts() -> None:
    table = extract_signals(dataset_of(["1", "2"], [str(2**53), str(2**53 + 1)]), ["target_fan_in"])
    assert table["target_fan_in"].to_pylist() == [1, 1]


def test_ids_that_were_read_as_numbers_are_refused() -> None:
    with pytest.raises(DataError, match="ids were read as numbers"):
        dataset_of([1, 2], [2**53, 2**53 + 1])


@pytest.mark.parametrize(("ties", "expected"), [("strict", [1, 1]), ("simultaneous", [2, 2])])
def test_rows_of_one_time_are_answered_alike_in_any_order(ties: Ties, expected: list[float]) -> None:
    rows = [("a", "b", 0, 5), ("a", "c", 0, 5)]
    for given in (rows, rows[::-1]):
        assert column(fan, "source_fan_out", past_of(given, ties=ties)) == expected


def test_a_small_spread_of_large_values_is_no_spread_of_none() -> None:
    """Signals offer no moments of amounts. Where features tell a spread, it comes from deviations, not from powers."""
    assert not [name for name in signal_names() if any(word in name for word in ("variance", "skew", "kurtosis"))]
    begin = [0, 2_000 * HOUR, 4_000 * HOUR + SECOND, 6_000 * HOUR + 3 * SECOND]  # gaps: 2000 h, + 1 s, + 2 s
    dataset = read_dataset(
        {
            "transfers": pa.table(
                {
                    "transfer_id": ["t0", "t1", "t2", "t3"],
                    "time": pa.array(begin, pa.timestamp("us", "UTC")),
                    "source": ["a"] * 4,
                    "target": ["b"] * 4,
                    "amount": [5] * 4,
                }
            )
        },
        currency="THB",
    )
    graph = build_graph(dataset)
    points = Points(graph.codes(["a"]), np.array([begin[-1] + DAY]))
    told = extract(dataset, points, ["out_gap_variation__window_all"])["out_gap_variation__window_all"][0].as_py()
    assert told == pytest.approx(math.sqrt(2 / 3) / (2_000 * 3_600 + 1), rel=1e-6)
