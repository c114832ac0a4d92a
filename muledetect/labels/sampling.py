"""Moments for a training set of many snapshots, and a sample of its points that keeps probabilities right.

>>> from muledetect.labels import account_keys, every_account, sample_points, snapshots, find_targets
>>> at = snapshots(dataset, every="7d")  # doctest: +SKIP
>>> points = every_account(dataset, at)  # doctest: +SKIP
>>> y = find_targets(dataset, graph, points)  # doctest: +SKIP
>>> keys = account_keys(dataset, graph, as_of=at[-1])  # doctest: +SKIP
>>> rows, weight = sample_points(points, y, keys, max_rows=500_000)  # doctest: +SKIP
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa

from muledetect.arrays import Float64Array, Int64Array
from muledetect.clock import DAY, Duration, Moment, format_time, parse_duration, parse_time
from muledetect.errors import DataError, OptionError
from muledetect.graph import Points
from muledetect.labels._columns import codes_of, length_of
from muledetect.labels._rows import UInt64Array, mixed

if TYPE_CHECKING:
    from muledetect.graph import TransferGraph
    from muledetect.records import Dataset


#: Columns of the accounts table that are set when an account is opened and name nobody.
_TRAITS: Final = ("opened_at", "kind", "open_channel", "daily_limit")
_PAID, _RECEIVED = 1, 2
#: Rounds of taking in the neighbours' keys; after two, accounts alike have neighbours alike.
_N_ROUNDS: Final = 2


class Sample(NamedTuple):
    """Rows of points that were drawn, and what each stands for.

    Attributes
    ----------
    rows : int64[n_rows]
        Positions in the points, ascending.
    weight : float64[n_rows]
        One over the chance of being drawn: 1 for positives, the number of negatives that it stands for otherwise.
    """

    rows: Int64Array
    weight: Float64Array


def snapshots(
    source: Dataset | TransferGraph,
    *,
    every: Duration = "7d",
    first: Moment | None = None,
    last: Moment | None = None,
    history: Duration = "30d",
    horizon: Duration = "7d",
    maturity: Duration = "30d",
) -> Int64Array:
    """Return moments for training points, int64[n_moments] microseconds, ascending, counted back from the last one.

    Parameters
    ----------
    source : Dataset or TransferGraph
    every : duration
        Step. Moments a whole number of weeks apart see the same weekday; "9d" sees them all.
    first : moment, optional
        None is earlier. Default: `history` after the first transfer.
    last : moment, optional
        The last of the moments. Default: the latest midnight (UTC) at which a negative is believed.
    history : duration
        Least time between the first transfer and the first moment, where `first` is not given.
    horizon, maturity : duration
        As for `labels.targets`. Give "0d" for both with the target `ever`, which looks back only.

    Raises
    ------
    OptionError
        If `first` has no transfer before it, or `last` comes later than horizon and maturity allow. After that,
        positives would be known and negatives not, and every probability too high.
    DataError
        If there are no transfers, or no moment fits.
    """
    step, (starts, ends) = parse_duration(every), _span(source)
    ripe = ends - length_of("horizon", horizon) - length_of("maturity", maturity)
    begin = starts + length_of("history", history) if first is None else parse_time(first)
    end = ripe // DAY * DAY if last is None else parse_time(last)
    if begin <= starts and first is not None:
        raise OptionError(f"snapshots: 'first' must be later than the first transfer ({format_time(starts)}).")
    if end > ripe:
        raise OptionError(
            f"snapshots: 'last' must leave room for horizon and maturity; got {format_time(end)}. "
            f"Give {format_time(ripe)} or earlier."
        )
    found = np.arange(end, begin - 1, -step, dtype=np.int64)[::-1]
    if not len(found):
        raise DataError(
            f"snapshots: no moment fits between {format_time(begin)} and {format_time(end)}. Shorten 'history', "
            "'horizon' or 'maturity', or give more data."
        )
    return found


def sample_points(
    points: Points,
    y: npt.ArrayLike,
    keys: UInt64Array,
    *,
    n_negatives: int | None = None,
    max_rows: int | None = None,
    seed: int = 0,
) -> Sample:
    """Keep all positives, and draw negatives so that with their weights they stand for all of them.

    Every moment gives its share of the negatives, at least one, drawn without replacement and each with the same
    chance. Give `n_negatives` or `max_rows`, the number of all rows. Where that is enough, all known rows are kept.

    Parameters
    ----------
    points : Points
    y : array of shape (n_points,)
        1, 0 or NaN (unknown, never drawn).
    keys : uint64[n_accounts]
        What the draw of each account follows: `account_keys`, so that names change nothing.
    n_negatives, max_rows : int, optional
        Negatives to draw, or rows to keep in all; one of the two.
    seed : int

    Returns
    -------
    Sample
        `rows` and `weight`. Weights add up to the number of known rows, and those of each moment to its own; so the
        weighted prevalence is the natural one, at each moment too.

    Raises
    ------
    OptionError
        If not one of the two numbers is given, or it leaves less than one negative a moment.
    DataError
        If y has another length or other values, or a known point has no key.

    Notes
    -----
    Each account has a random number in [0, 1) from its key and the seed. At the j-th of m moments it is turned by j/m
    and the smallest are drawn. So one moment is a simple random sample, and over moments an account comes up once in
    a while, not at random: with a share p of negatives drawn, at most ceil(p m) times, one more at the edges. Rows
    of one account repeat each other, so this tells more than independent draws of as many rows [1]_.
    O(points log points).

    References
    ----------
    .. [1] Ohlsson, E. (1995). Coordination of samples using permanent random numbers. Business Survey Methods, 153-169.
    """
    target = _checked(points, y, keys)
    positive, negative = np.flatnonzero(target == 1), np.flatnonzero(target == 0)
    n_drawn = _number_to_draw(n_negatives, max_rows, len(positive))
    if n_drawn >= len(negative):
        rows = np.sort(np.concatenate([positive, negative]))
        return Sample(rows, np.ones(len(rows)))
    moments, moment, n_there = np.unique(points.as_of[negative], return_inverse=True, return_counts=True)
    if n_drawn < len(moments):
        raise OptionError(
            f"sample: {n_drawn:,} negatives are fewer than the {len(moments):,} moments. Raise 'max_rows' or "
            "'n_negatives', or give fewer moments."
        )
    n_wanted = _allotted(n_there, n_drawn)
    account = points.account[negative]
    turn = np.asarray(moment, dtype=np.uint64) * np.uint64((2**64 - 1) // len(moments))
    number = mixed(keys, seed)[account] + turn
    order = np.lexsort((account, number, moment))
    place = np.arange(len(order)) - np.repeat(np.cumsum(n_there) - n_there, n_there)
    drawn = order[place < np.repeat(n_wanted, n_there)]
    weight = np.zeros(len(points))
    weight[positive] = 1.0
    weight[negative[drawn]] = (n_there / n_wanted)[moment[drawn]]
    rows = np.flatnonzero(weight)
    return Sample(rows, weight[rows])


def account_keys(dataset: Dataset, graph: TransferGraph, *, as_of: Moment) -> UInt64Array:
    """Return a number for each account code, uint64[n_accounts], that follows what the account did, not its name.

    A key is a hash of the account's transfers before `as_of` (exclusive), of those of its neighbours, and of what the
    accounts table says of its opening. Keys are distinct: among accounts that are alike in all of this, such as those
    without transfers that were opened at the same second, their order in `account_ids` decides, so a renaming may
    change them for each other. Keys are there to draw by and mean nothing else. O(transfers + accounts log accounts).

    Parameters
    ----------
    dataset : Dataset
    graph : TransferGraph
        Of the same data set.
    as_of : Moment
        Exclusive.
    """
    seen = graph.until(as_of)
    own = _traits(dataset, graph)
    what = mixed(mixed(seen.time.astype(np.uint64)), seen.amount.astype(np.uint64))
    keys = own
    for _ in range(_N_ROUNDS):
        told = np.zeros_like(own)
        # sums of integers wrap round and so do not depend on the order
        np.add.at(told, seen.source, mixed(what + keys[seen.target], _PAID))
        np.add.at(told, seen.target, mixed(what + keys[seen.source], _RECEIVED))
        keys = mixed(own, told)
    alike = pd.Series(keys).groupby(keys).cumcount().to_numpy(dtype=np.uint64)
    return mixed(keys, alike)


def _traits(dataset: Dataset, graph: TransferGraph) -> UInt64Array:
    """Return a hash of what the accounts table says of each account's opening, uint64[n_accounts]."""
    found = np.zeros(len(graph.account_ids), dtype=np.uint64)
    table = dataset.tables.get("accounts")
    names = [] if table is None else [name for name in _TRAITS if name in table.column_names]
    if table is None or not names:
        return found
    code = codes_of(table["account_id"], graph.account_ids)
    hashes: UInt64Array = np.zeros(table.num_rows, dtype=np.uint64)
    for name in names:
        column = table[name].cast(pa.string()).to_pandas()
        hashes = mixed(hashes, pd.util.hash_pandas_object(column, index=False).to_numpy(dtype=np.uint64))
    np.add.at(found, code[code >= 0], hashes[code >= 0])
    return found


def _span(source: Dataset | TransferGraph) -> tuple[int, int]:
    """Return the time of the first transfer, and one tick after the last."""
    time = getattr(source, "time", None)
    if time is None:
        time = source.transfers["time"].cast(pa.int64()).to_numpy()  # type: ignore[union-attr]
    if not len(time):
        raise DataError("snapshots: the data set has no transfers, so no moment fits.")
    return int(time[0]), int(time[-1]) + source.tick


def _checked(points: Points, y: npt.ArrayLike, keys: UInt64Array) -> Float64Array:
    target = np.asarray(y, dtype=np.float64)
    is_known = ~np.isnan(target)
    if target.shape != (len(points),) or not np.isin(target[is_known], (0, 1)).all():
        raise DataError(
            f"sample: y must hold 1, 0 or NaN for each of {len(points):,} points; got shape {target.shape}."
        )
    has_key = (points.account >= 0) & (points.account < len(keys))
    n_without = int((is_known & ~has_key).sum())
    if n_without:
        raise DataError(f"sample: {n_without:,} points with a known target have no key; make keys of the same graph.")
    return target


def _number_to_draw(n_negatives: int | None, max_rows: int | None, n_positive: int) -> int:
    if (n_negatives is None) == (max_rows is None):
        raise OptionError("sample: give one of 'n_negatives' and 'max_rows'.")
    n_drawn = int(n_negatives if max_rows is None else max_rows - n_positive)  # type: ignore[arg-type]
    if n_drawn < 1:
        raise OptionError(
            f"sample: there must be room for negatives; got {n_drawn:,} beside {n_positive:,} positives, which are all "
            "kept. Raise 'max_rows' or 'n_negatives'."
        )
    return n_drawn


def _allotted(n_there: Int64Array, n_drawn: int) -> Int64Array:
    """Return how many each moment gives: one, and its share of the rest, by largest remainder; the earlier first."""
    beyond = n_there - 1
    exact = beyond * ((n_drawn - len(n_there)) / beyond.sum())
    given = np.floor(exact).astype(np.int64)
    n_left = n_drawn - len(n_there) - int(given.sum())
    given[np.argsort(given - exact, kind="stable")[:n_left]] += 1
    allotted: Int64Array = given + 1
    return allotted
