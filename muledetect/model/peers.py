"""Peers: the accounts beside which a number is read, of the same kind, of similar age and volume.

Peers are taken from the accounts that are scored, at the same moment. Where too few are alike, the circle widens, and
in the end the training negatives stand in.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

import numba
import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from muledetect.arrays import Float64Array, Int64Array
from muledetect.clock import DAY
from muledetect.graph import Points, TransferGraph, TransferIndex
from muledetect.model.canonical import row_hashes
from muledetect.records import Dataset
from muledetect.schema import ACCOUNT_KINDS

#: A circle of fewer peers says too little of a 99th percentile.
FEWEST: Final = 200
#: Of a larger circle so many are looked at.
MOST: Final = 1_000
#: Bounds of the age bands, and the time over which volume is summed.
AGES: Final = (90 * DAY, 365 * DAY)
RECENT: Final = 90 * DAY

# More than there are numbers of any band, which begin with -1.
_N_BANDS: Final = 64

#: What peers have in common beside the moment, the narrowest circle first: of kind, age band and volume band.
_CIRCLES: Final = ((0, 1, 2), (0, 1), (0,), ())


class Standing(NamedTuple):
    """Where a value stands among peers: their median, p99, and the shares of them below and above; NaN: not known."""

    median: float
    p99: float
    below: float = np.nan
    above: float = np.nan


@dataclass(frozen=True, eq=False)
class Peers:
    """Median and 99th percentile of each column among the training negatives, float64; NaN where all were NaN."""

    median: Float64Array
    p99: Float64Array

    def standing(self, row: int, column: int, value: float) -> Standing:  # noqa: ARG002 (as that of PeerGroups)
        """Return where a value of the column stands; these peers are the same for every row."""
        return Standing(float(self.median[column]), float(self.p99[column]))


@dataclass(frozen=True, eq=False)
class PeerGroups:
    """The peers of each explained row.

    Attributes
    ----------
    circle : int64[n_rows]
        Which of `values` a row is compared with; -1: none, `training` stands in.
    values : sequence of float32[n_peers, n_columns]
    training : Peers
    """

    circle: Int64Array
    values: Sequence[npt.NDArray[np.float32]]
    training: Peers

    def standing(self, row: int, column: int, value: float) -> Standing:
        """Return where a value of the row stands among the row's peers of whom the column is known."""
        if self.circle[row] < 0:
            return self.training.standing(row, column, value)
        peers = self.values[self.circle[row]][:, column].astype(np.float64)
        known = peers[~np.isnan(peers)]
        if len(known) < FEWEST:
            return self.training.standing(row, column, value)
        median, p99 = np.quantile(known, [0.5, 0.99], method="lower")
        return Standing(float(median), float(p99), float((known < value).mean()), float((known > value).mean()))


def describe_peers(values: npt.NDArray[np.float32]) -> Peers:
    """Return the quantiles of each column, undefined values left out. O(rows) a column."""
    quantiles = np.full((2, values.shape[1]), np.nan)
    for position, column in enumerate(values.T):
        known = column[~np.isnan(column)]
        if len(known):
            quantiles[:, position] = np.quantile(known.astype(np.float64), [0.5, 0.99], method="lower")
    return Peers(quantiles[0], quantiles[1])


def choose_peers(
    dataset: Dataset, graph: TransferGraph, points: Points, rows: npt.NDArray[np.intp]
) -> tuple[Int64Array, list[npt.NDArray[np.intp]]]:
    """Return the circle of each of `rows`, int64[n_rows], -1 for none, and the points of each circle.

    The circle of a row is the narrowest of: same kind, age band and volume band; same kind and age band; same kind; all
    points of the moment, that has `FEWEST` points. Of more than `MOST`, those are taken whose history hashes lowest;
    points that cannot be told apart by their history are taken or left together, so names and order do not matter.
    O(points log points + transfers x moments).
    """
    first_in, first_out = (_begun(graph, index, points) for index in (graph.incoming, graph.outgoing))
    volume = _moved(graph, points)
    begun = np.fmin(np.fmin(first_in, first_out), _opened(dataset, graph, points))
    age = points.as_of.astype(np.float64) - begun
    kind = _kinds(dataset, graph)[points.account]
    bands = [band.astype(np.int8) for band in (kind, _age_band(age), _volume_band(volume, points))]
    content = row_hashes(np.empty((len(points), 0), dtype=np.float32), first_in, first_out, volume, points.as_of)
    circle = np.full(len(rows), -1, dtype=np.int64)
    chosen: list[npt.NDArray[np.intp]] = []
    for shared in _CIRCLES:
        member = np.unique(points.as_of, return_inverse=True)[1].astype(np.int64)
        for nth in shared:
            member = member * _N_BANDS + bands[nth]
        for name in np.unique(member[rows[circle < 0]]):
            lowest = _lowest(content, np.flatnonzero(member == name))
            if len(lowest) >= FEWEST:
                circle[(circle < 0) & (member[rows] == name)] = len(chosen)
                chosen.append(lowest)
    return circle, chosen


def _lowest(content: npt.NDArray[np.uint64], members: npt.NDArray[np.intp]) -> npt.NDArray[np.intp]:
    """Return at most `MOST` members of lowest content; of equal ones all or none."""
    if len(members) <= MOST:
        return members
    first_left_out = np.partition(content[members], MOST)[MOST]
    taken: npt.NDArray[np.intp] = members[content[members] < first_left_out]
    return taken


def _begun(graph: TransferGraph, index: TransferIndex, points: Points) -> Float64Array:
    """Return the time of the first transfer of this side before each point; NaN where there is none."""
    first = np.full(len(index.start), np.nan)
    is_used = index.start < index.stop
    first[is_used] = graph.time[index.transfer[index.start[is_used]]]
    begun = first[points.account]
    return np.where(begun < points.as_of, begun, np.nan)


def _opened(dataset: Dataset, graph: TransferGraph, points: Points) -> Float64Array:
    """Return when the account of each point was opened; NaN where that is not known or not before the point."""
    opened = np.full(len(graph.account_ids), np.nan)
    accounts = dataset.tables.get("accounts")
    if accounts is not None and "opened_at" in accounts.column_names:
        known = accounts.filter(pc.is_valid(accounts["opened_at"]))
        opened[graph.codes(known["account_id"])] = known["opened_at"].cast(pa.int64()).to_numpy()
    at = opened[points.account]
    return np.where(at < points.as_of, at, np.nan)


def _kinds(dataset: Dataset, graph: TransferGraph) -> Int64Array:
    """Return a number for the kind of each account, int64[n_accounts]; 0 where it is not known."""
    kinds = np.zeros(len(graph.account_ids), dtype=np.int64)
    accounts = dataset.tables.get("accounts")
    if accounts is not None and "kind" in accounts.column_names:
        known = accounts.filter(pc.is_valid(accounts["kind"]))
        numbers = pc.index_in(known["kind"].cast(pa.string()), pa.array(ACCOUNT_KINDS))
        kinds[graph.codes(known["account_id"])] = 1 + pc.fill_null(numbers, -1).to_numpy()
    return kinds


def _moved(graph: TransferGraph, points: Points) -> Float64Array:
    """Return what the account of each point received and paid in the `RECENT` time before it."""
    moved = np.zeros(len(points))
    for moment in np.unique(points.as_of):
        begin, end = np.searchsorted(graph.time, [moment - RECENT, moment])
        paid, got = np.zeros((2, graph.n_accounts))
        _add(graph.source[begin:end], graph.target[begin:end], graph.amount[begin:end], paid, got)
        at = points.as_of == moment
        moved[at] = (paid + got)[points.account[at]]
    return moved


@numba.njit(cache=True, nogil=True)
def _add(source, target, amount, paid, got) -> None:  # type: ignore[no-untyped-def]
    for i in range(len(amount)):
        paid[source[i]] += np.float64(amount[i])
        got[target[i]] += np.float64(amount[i])


def _age_band(age: Float64Array) -> Int64Array:
    return np.where(np.isnan(age), -1, np.searchsorted(AGES, age)).astype(np.int64)


def _volume_band(volume: Float64Array, points: Points) -> Int64Array:
    """Return 0 where nothing moved, else 1 to 3 by thirds of the points of the moment whose money moved."""
    band = np.zeros(len(points), dtype=np.int64)
    for moment in np.unique(points.as_of):
        at = np.flatnonzero((points.as_of == moment) & (volume > 0))
        if len(at):
            thirds = np.quantile(volume[at], [1 / 3, 2 / 3], method="lower")
            band[at] = 1 + np.searchsorted(thirds, volume[at])
    return band
