"""The public contract checks catch each kind of broken feature."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable

import numpy as np
import pyarrow as pa
import pytest

from muledetect.arrays import Float64Array
from muledetect.clock import DAY
from muledetect.errors import FeatureError
from muledetect.features import Column, Feature, FromPack, History, feature, registry
from muledetect.graph import Points, build_graph
from muledetect.records import read_dataset
from muledetect.testing import check_feature, check_features, random_world, worlds


def one_column(unit: str, **options: object) -> Callable[[Callable[..., Float64Array]], Feature]:
    return feature(family="own", unit=unit, text="something", **options)  # type: ignore[arg-type]


@one_column("count", window=("7d",))
def honest(history: History, *, window: int) -> Float64Array:
    return history.incoming.count(window)


@one_column("count")
def reads_the_whole_graph(history: History) -> Float64Array:
    """Counts every transfer of the account, at any time."""
    graph, known = history.graph, np.maximum(history.points.account, 0)
    n = (graph.incoming.stop[known] - graph.incoming.start[known]).astype(np.float64)
    return np.where(history.points.account >= 0, n, 0.0)


@one_column("amount")
def reads_the_next_transfer(history: History) -> Float64Array:
    """Reads behind the point but before the latest point of the same account, which the arrays hold as well."""
    amount = np.append(history.incoming.amount, 0)
    return amount[np.minimum(history.incoming.end, len(amount) - 1)].astype(np.float64)


@one_column("count")
def sees_the_present(history: History) -> Float64Array:
    """Counts a transfer at the very moment of the point, which is exclusive."""
    graph, found = history.graph, np.zeros(len(history))
    for row, (account, as_of) in enumerate(zip(history.points.account, history.as_of, strict=True)):
        found[row] = ((graph.target == account) & (graph.time <= as_of)).sum()
    return found


@one_column("count", tables=("complaints",))
def reads_complaints_of_the_future(history: History) -> Float64Array:
    return np.full(len(history), float(len(history.tables["complaints"])))


@one_column("count", tables=("complaints",))
def dates_complaints_by_the_crime(history: History) -> Float64Array:
    """Uses when the transfer was made, not when the bank learnt of it."""
    time = worlds.microseconds(history.tables["complaints"]["time"])
    return (time[None, :] < history.as_of[:, None]).sum(axis=1).astype(np.float64)


@one_column("count", tables=("labels",))
def reads_labels_of_the_future(history: History) -> Float64Array:
    is_mule = np.array(history.tables["labels"]["label"].to_pylist()) == "mule"
    return np.full(len(history), float(is_mule.sum()))


@one_column("amount", tables=("accounts",))
def reads_balances_of_the_future(history: History) -> Float64Array:
    total = sum(entry or 0 for entry in history.tables["accounts"]["balance"].to_pylist())
    return np.full(len(history), float(total))


@one_column("amount", tables=("accounts",))
def reads_the_first_row(history: History) -> Float64Array:
    return np.full(len(history), float(history.tables["accounts"]["daily_limit"][0].as_py()))


@one_column("count")
def counts_by_code(history: History) -> Float64Array:
    return np.maximum(history.points.account, 0).astype(np.float64)


@one_column("ratio", tables=("accounts",))
def reads_names(history: History) -> Float64Array:
    ids = history.graph.account_ids.take(pa.array(np.maximum(history.points.account, 0))).to_pylist()
    return np.array([float(sum(entry.encode())) for entry in ids])


@one_column("amount")
def first_of_the_tick(history: History) -> Float64Array:
    """Amount of whichever transfer stands first in the last tick; which one that is follows the account codes."""
    side, found = history.incoming, np.zeros(len(history))
    for p in range(len(history)):
        if side.end[p] > side.start[p]:
            first = side.start[p] + np.searchsorted(side.time[side.start[p] : side.end[p]], side.time[side.end[p] - 1])
            found[p] = side.amount[first]
    return found


@one_column("ratio")
def amount_called_a_ratio(history: History) -> Float64Array:
    return history.incoming.total(30 * DAY)


@one_column("amount")
def count_called_an_amount(history: History) -> Float64Array:
    return history.incoming.count(30 * DAY)


@one_column("amount")
def square_of_the_amount(history: History) -> Float64Array:
    return history.incoming.total(30 * DAY) ** 2


@one_column("count")
def share_called_a_count(history: History) -> Float64Array:
    return history.incoming.count(DAY) / 2


@one_column("flag")
def count_called_a_flag(history: History) -> Float64Array:
    return history.incoming.count(30 * DAY)


@one_column("ratio")
def infinite_without_history(history: History) -> Float64Array:
    with np.errstate(divide="ignore"):
        return 1.0 / history.incoming.count(30 * DAY)


@one_column("count")
def one_value_too_many(history: History) -> Float64Array:
    return np.zeros(len(history) + 1)


@feature(family="own", columns={"first": Column("count", "one"), "second": Column("count", "other")})
def fewer_columns_than_declared(history: History) -> Float64Array:
    return np.zeros((len(history), 1))


@feature(family="own", columns={"of_one": Column("amount", "one"), "of_other": Column("amount", "other")})
def a_column_for_each_kind_of_amount(history: History) -> Float64Array:
    kinds = np.unique(history.incoming.amount)
    return np.zeros((len(history), len(kinds)))


@one_column("ratio")
def reads_the_calendar(history: History) -> Float64Array:
    return (history.as_of % DAY / DAY).astype(np.float64)


@one_column("seconds", is_calendar=True)
def reads_the_year(history: History) -> Float64Array:
    return history.as_of / 1e6


@one_column("ratio")
def reads_digits(history: History) -> Float64Array:
    """Share of even hundreds; only powers of ten would leave it, and it does not say so."""
    side, found = history.incoming, np.full(len(history), np.nan)
    for p in range(len(history)):
        if side.end[p] > side.start[p]:
            found[p] = np.mean([str(amount)[0] == "1" for amount in side.amount[side.start[p] : side.end[p]]])
    return found


@one_column("ratio", is_decimal=True)
def reads_minor_units(history: History) -> Float64Array:
    """Says that it reads digits, yet a threshold in minor units is hidden in it."""
    return (history.incoming.total(30 * DAY) > 60_000).astype(np.float64)


@one_column("ratio")
def compares_with_other_points(history: History) -> Float64Array:
    n = history.incoming.count(30 * DAY)
    return n - n.mean()


_CALLS = itertools.count()


@one_column("count")
def remembers_calls(history: History) -> Float64Array:
    return np.full(len(history), float(next(_CALLS)))


_THREADS: dict[int, int] = {}


@one_column("count")
def depends_on_its_thread(history: History) -> Float64Array:
    number = _THREADS.setdefault(threading.get_native_id(), len(_THREADS))
    return np.full(len(history), float(number))


@one_column("count")
def hides_its_window(history: History) -> Float64Array:
    return history.incoming.count(7 * DAY)


@one_column("seconds")
def tells_when_but_does_not_say_so(history: History) -> Float64Array:
    into = history.incoming
    has_any = into.end > into.start
    last = np.append(into.time, 0)[np.maximum(into.end - 1, 0)]
    return np.where(has_any, (history.as_of - last) / 1e6, np.nan)


BROKEN = {
    "no look-ahead: the future deleted": [
        reads_the_whole_graph,
        sees_the_present,
        reads_complaints_of_the_future,
        dates_complaints_by_the_crime,
        reads_labels_of_the_future,
        reads_balances_of_the_future,
    ],
    "no look-ahead|shards and threads": [reads_the_next_transfer],
    "order of rows": [reads_the_first_row],
    "names of accounts": [counts_by_code, reads_names, first_of_the_tick],
    "units": [amount_called_a_ratio, count_called_an_amount, square_of_the_amount, reads_digits, reads_minor_units],
    "unit count": [share_called_a_count],
    "unit flag": [count_called_a_flag],
    "unit ratio": [infinite_without_history],
    "shift by any time": [reads_the_calendar],
    "shift by a week": [reads_the_year],
    "no look-ahead|shards and threads|order": [compares_with_other_points, remembers_calls, depends_on_its_thread],
    "silence": [hides_its_window, tells_when_but_does_not_say_so],
}


@pytest.mark.parametrize(
    ("law", "broken"),
    [pytest.param(law, entry, id=entry.name) for law, entries in BROKEN.items() for entry in entries],
)
def test_a_broken_feature_is_caught_by_the_law_that_it_breaks(law: str, broken: Feature) -> None:
    with pytest.raises(AssertionError, match=f"law broken: ({law}).*column {broken.name}, world"):
        check_feature(broken, n_worlds=8)


@pytest.mark.parametrize(
    "broken", [one_value_too_many, fewer_columns_than_declared, a_column_for_each_kind_of_amount], ids=lambda f: f.name
)
def test_a_feature_of_another_shape_than_declared_is_an_error(broken: Feature) -> None:
    with pytest.raises(FeatureError, match="values \\(points, columns\\); got"):
        check_feature(broken, n_worlds=4)


@pytest.mark.slow
def test_an_honest_feature_passes_with_and_without_company() -> None:
    check_feature(honest, n_worlds=4)
    check_features([honest, registry().features["volume"]], n_worlds=2)


def test_amounts_in_names_scale_with_the_amounts() -> None:
    @feature(family="own", unit="count", text="at {threshold}", threshold=FromPack("thresholds"))
    def at_threshold(history: History, *, threshold: int) -> Float64Array:
        side = history.incoming
        is_at = np.append(0, np.cumsum(side.amount == threshold))
        return (is_at[side.end] - is_at[side.start]).astype(np.float64)

    check_feature(at_threshold, n_worlds=4)


def test_a_message_names_law_column_world_and_values() -> None:
    with pytest.raises(AssertionError) as caught:
        check_feature(reads_the_calendar, n_worlds=1, seed=2)
    assert "column reads_the_calendar, world 2, point" in str(caught.value)
    assert "expected" in str(caught.value)


def test_equal_seeds_give_equal_worlds() -> None:
    assert random_world(7) == random_world(7)
    assert random_world(7)["transfers"] != random_world(11)["transfers"]


@pytest.mark.parametrize("seed", range(8))
def test_worlds_are_accepted_whole_and_come_with_every_clock(seed: int) -> None:
    dataset = read_dataset(random_world(seed))
    assert dataset.rejects.num_rows == 0
    assert {len(random_world(seed)[name]) for name in ("transfers",)} == {60}
    assert dataset.tick % [1, 1_000_000, 60_000_000, DAY][seed % 4] == 0


@pytest.mark.parametrize("seed", range(4))
def test_without_future_nothing_dated_from_the_cut_on_is_left(seed: int) -> None:
    world = random_world(seed)
    cut = int(np.median(worlds.microseconds(world["transfers"]["time"])))
    past = worlds.without_future(world, cut)
    for name, date in (("transfers", "time"), ("complaints", "known_ts"), ("labels", "known_ts")):
        assert (worlds.microseconds(past[name][date]) < cut).all()
    balance_at = past["accounts"]["balance_at"].drop_null()
    assert (worlds.microseconds(balance_at) < cut).all()
    assert past["accounts"]["account_id"] == world["accounts"]["account_id"]


@pytest.mark.parametrize("seed", range(4))
def test_another_future_has_the_same_past(seed: int) -> None:
    world = random_world(seed)
    cut = int(np.median(worlds.microseconds(world["transfers"]["time"])))
    other = worlds.with_other_future(world, cut, seed)
    assert worlds.without_future(other, cut) == worlds.without_future(world, cut)
    assert other["transfers"] != world["transfers"]


def test_scaling_shifting_and_renaming_change_all_of_their_kind() -> None:
    world = random_world(1)
    ids = world["accounts"]["account_id"].to_pylist()
    name_of = {account: account[::-1] + "x" for account in ids}
    changed = worlds.renamed(worlds.shifted(worlds.scaled(world, 3), DAY), name_of)
    back = {new: old for old, new in name_of.items()}
    assert changed["transfers"]["amount"].to_pylist() == [3 * a for a in world["transfers"]["amount"].to_pylist()]
    for name in ("source", "target"):
        assert [back[entry] for entry in changed["transfers"][name].to_pylist()] == world["transfers"][name].to_pylist()
    for name in ("opened_at", "balance_at"):
        moved = worlds.microseconds(changed["accounts"][name]) - worlds.microseconds(world["accounts"][name])
        assert (moved == DAY).all()


def test_points_of_the_same_moment_see_the_same_past_whoever_asks() -> None:
    """A point asked with later points of its account reads no further than alone."""
    dataset = read_dataset(random_world(2))
    graph = build_graph(dataset)
    early, late = int(graph.time[20]), int(graph.time[-1]) + 1
    account = np.arange(graph.n_accounts, dtype=np.int32)
    both = Points(np.tile(account, 2), np.repeat([early, late], len(account)))
    names = ["in_count__window_all", "pass_through__window_all", "peak_in_amount__within_1h"]
    together = registry_values(dataset, both, names)[: len(account)]
    alone = registry_values(dataset, Points(account, np.full(len(account), early)), names)
    np.testing.assert_array_equal(together, alone)


def registry_values(dataset: object, points: Points, names: list[str]) -> Float64Array:
    from muledetect.features import extract  # noqa: PLC0415

    table = extract(dataset, points, names)  # type: ignore[arg-type]
    return np.column_stack([table[name].to_numpy() for name in names])
