"""The transfer graph: frozen, integer-coded, time-sorted arrays with an index of each account's transfers.

>>> graph = graph_from_records([("a", "b", "2025-01-01T10:00", 500), ("b", "c", "2025-01-01T10:05", 450)])
>>> graph
TransferGraph(3 accounts, 2 transfers, 2025-01-01T10:00:00Z to 2025-01-01T10:05:00Z)
>>> graph.until("2025-01-01T10:05").n_transfers
1
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, NamedTuple

import numba
import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from muledetect.arrays import Int32Array, Int64Array, first_at_least
from muledetect.clock import Moment, format_time, parse_time
from muledetect.errors import DataError
from muledetect.memory import HEAP, Room
from muledetect.records import Dataset
from muledetect.visible import has_half

if TYPE_CHECKING:
    import networkx as nx

#: Largest number of transfers that one graph can index (positions are int32).
MAX_TRANSFERS = 2**31 - 1

# So many times fewer ids than accounts are looked up one by one: a table of all accounts takes longer to build.
_FEW = 256


class TransferIndex(NamedTuple):
    """Each account's transfers on one side, in time order: `transfer[start[a]:stop[a]]` for account code `a`."""

    start: Int64Array
    stop: Int64Array
    transfer: Int32Array


@dataclass(frozen=True, eq=False)
class TransferGraph:
    """Transfers as parallel arrays sorted by (time, source, target, amount), and who took part in them.

    Attributes
    ----------
    time : int64[n_transfers]
        Microseconds since 1970, UTC, ascending.
    source, target : int32[n_transfers]
        Account codes: positions in `account_ids`.
    amount : int64[n_transfers]
        Minor units, > 0.
    outgoing, incoming : TransferIndex
        Per account, the positions of the transfers that it paid and received.
    account_ids : pyarrow.StringArray
        Sorted ids; an account without transfers has its code too.
    tick : int
        Resolution of the clock in microseconds. Transfers of equal time are simultaneous.
    """

    time: Int64Array
    source: Int32Array
    target: Int32Array
    amount: Int64Array
    outgoing: TransferIndex
    incoming: TransferIndex
    account_ids: pa.StringArray
    tick: int = 1

    @property
    def n_transfers(self) -> int:
        """Number of transfers."""
        return len(self.time)

    @property
    def n_accounts(self) -> int:
        """Number of accounts, with those that have no transfer."""
        return len(self.account_ids)

    def __repr__(self) -> str:
        span = f", {format_time(self.time[0])} to {format_time(self.time[-1])}" if self.n_transfers else ""
        return f"TransferGraph({self.n_accounts:,} accounts, {self.n_transfers:,} transfers{span})"

    def until(self, as_of: Moment) -> TransferGraph:
        """Return the graph as it stood just before `as_of`; transfers are shared, not copied. O(accounts)."""
        n_seen = int(np.searchsorted(self.time, parse_time(as_of), side="left"))
        return replace(
            self,
            time=self.time[:n_seen],
            source=self.source[:n_seen],
            target=self.target[:n_seen],
            amount=self.amount[:n_seen],
            outgoing=_cut(self.outgoing, n_seen),
            incoming=_cut(self.incoming, n_seen),
        )

    def since(self, moment: Moment, room: Room = HEAP) -> TransferGraph:
        """Return the graph without the transfers before `moment`; account codes stay. O(transfers + accounts)."""
        n_gone = int(np.searchsorted(self.time, parse_time(moment), side="left"))
        return self if n_gone == 0 else part_of(self, n_gone, self.n_transfers, room)

    def codes(self, account_ids: Sequence[str] | pa.Array | pa.ChunkedArray) -> Int32Array:
        """Return the account codes of ids, int32; -1 where the graph does not know the id.

        O(accounts + ids), and O(ids * log accounts) where these are few and those of the graph are in byte order.
        """
        ids = account_ids if isinstance(account_ids, pa.Array | pa.ChunkedArray) else pa.array(account_ids, pa.string())
        if len(ids) * _FEW < self.n_accounts and self._is_in_order:
            return np.array([self._code(one) for one in ids.cast(pa.string()).to_pylist()], np.int32)
        found = pc.index_in(ids.cast(pa.string()), value_set=self.account_ids)
        return np.asarray(pc.fill_null(found, -1).to_numpy(), dtype=np.int32)

    @cached_property
    def _is_in_order(self) -> bool:
        """Return whether ids are in byte order, as those of a data set that was read; those of a live state are not."""
        ids = self.account_ids
        return bool(pc.all(pc.less(ids[:-1], ids[1:])).as_py())

    def _code(self, account_id: str | None) -> int:
        if account_id is None:
            return -1
        place = bisect_left(self.account_ids, account_id.encode(), key=lambda one: (one.as_py() or "").encode())
        return place if place < self.n_accounts and self.account_ids[place].as_py() == account_id else -1

    def to_networkx(self) -> nx.MultiDiGraph:
        """Return a MultiDiGraph: nodes are account ids; each edge has `time` (microseconds) and `amount`."""
        import networkx as nx  # noqa: PLC0415 (0.2 s to import, needed by few)

        ids = self.account_ids.to_pylist()
        drawn = nx.MultiDiGraph()
        drawn.add_nodes_from(ids)
        for time, source, target, amount in zip(
            self.time.tolist(), self.source.tolist(), self.target.tolist(), self.amount.tolist(), strict=True
        ):
            drawn.add_edge(ids[source], ids[target], time=time, amount=amount)
        return drawn


def build_graph(dataset: Dataset) -> TransferGraph:
    """Build the graph of a data set; equal data sets in any row order give identical arrays.

    Arrays of time, source, target and amount are views of `dataset.transfers`; the two indexes cost 8 bytes a
    transfer, in the room of the data set. O(n).
    """
    transfers = dataset.transfers
    columns = {name: _one_chunk(transfers[name]) for name in ("time", "source", "target", "amount")}
    return graph_of_sorted(
        time=_view(columns["time"].view(pa.int64())),
        source=_view(columns["source"].indices),
        target=_view(columns["target"].indices),
        amount=_view(columns["amount"]),
        account_ids=dataset.account_ids,
        tick=dataset.tick,
        room=dataset.room,
    )


def part_of(graph: TransferGraph, low: int, high: int, room: Room = HEAP) -> TransferGraph:
    """Return the graph of the transfers `low:high` alone; account codes stay. O(its transfers + accounts)."""
    return graph_of_sorted(
        time=graph.time[low:high],
        source=graph.source[low:high],
        target=graph.target[low:high],
        amount=graph.amount[low:high],
        account_ids=graph.account_ids,
        tick=graph.tick,
        room=room,
    )


def graph_from_records(records: Iterable[tuple[str, str, Moment, int]], *, tick: int = 1) -> TransferGraph:
    """Build a graph from (source, target, time, amount) tuples, for tests and small examples."""
    rows = [(parse_time(time), source, target, int(amount)) for source, target, time, amount in records]
    ids = _sorted_ids({account for row in rows for account in row[1:3]})
    code_of = {account: code for code, account in enumerate(ids)}
    return graph_from_arrays(
        time=np.array([row[0] for row in rows], dtype=np.int64),
        source=np.array([code_of[row[1]] for row in rows], dtype=np.int32),
        target=np.array([code_of[row[2]] for row in rows], dtype=np.int32),
        amount=np.array([row[3] for row in rows], dtype=np.int64),
        account_ids=pa.array(ids, pa.string()),
        tick=tick,
    )


def graph_from_arrays(
    *,
    time: Int64Array,
    source: Int32Array,
    target: Int32Array,
    amount: Int64Array,
    account_ids: pa.StringArray,
    tick: int = 1,
) -> TransferGraph:
    """Build a graph from parallel arrays in any order. O(n log n).

    Raises
    ------
    DataError
        If an amount is not positive or a code is outside `account_ids`.
    """
    if len(amount) and int(amount.min()) <= 0:
        raise DataError("graph: amounts must be > 0; reverse the transfer's ends for money that flows back.")
    for name, codes in (("source", source), ("target", target)):
        if len(codes) and not (int(codes.min()) >= 0 and int(codes.max()) < len(account_ids)):
            raise DataError(f"graph: {name} holds account codes outside 0 to {len(account_ids) - 1}.")
    order = slice(None) if _is_sorted(time, source, target, amount) else np.lexsort((amount, target, source, time))
    return graph_of_sorted(
        time=time[order].copy(),
        source=source[order].copy(),
        target=target[order].copy(),
        amount=amount[order].copy(),
        account_ids=account_ids,
        tick=tick,
    )


def _sorted_ids(ids: set[str]) -> list[str]:
    n_halves = sum(map(has_half, ids))
    if n_halves:
        raise DataError(
            f"graph: {n_halves:,} of {len(ids):,} ids hold half of a character (a lone surrogate). Read them again in "
            "the right encoding."
        )
    return sorted(ids, key=str.encode)


def from_networkx(drawn: nx.DiGraph | nx.MultiDiGraph, *, tick: int = 1) -> TransferGraph:
    """Build a graph from a networkx DiGraph or MultiDiGraph whose edges have `time` and `amount`; ids become text.

    Parameters
    ----------
    drawn : DiGraph or MultiDiGraph
        Edges have `time` (a moment) and `amount` (minor units, > 0).
    tick : int
        Resolution of the clock, microseconds.

    Raises
    ------
    DataError
        If the graph is undirected, an edge lacks one of the two, or an id holds half of a character.
    """
    if not drawn.is_directed():
        raise DataError("graph: transfers have a direction; give a networkx DiGraph or MultiDiGraph.")
    ids = _sorted_ids({str(node) for node in drawn.nodes})
    code_of = {account: code for code, account in enumerate(ids)}
    edges: list[tuple[Any, Any, dict[str, Any]]] = list(drawn.edges(data=True))
    lacking = sum("time" not in entry or "amount" not in entry for _, _, entry in edges)
    if lacking:
        raise DataError(f"graph: {lacking} of {len(edges)} edges lack 'time' or 'amount'; set both as edge attributes.")
    return graph_from_arrays(
        time=np.array([parse_time(entry["time"]) for _, _, entry in edges], dtype=np.int64),
        source=np.array([code_of[str(source)] for source, _, _ in edges], dtype=np.int32),
        target=np.array([code_of[str(target)] for _, target, _ in edges], dtype=np.int32),
        amount=np.array([entry["amount"] for _, _, entry in edges], dtype=np.int64),
        account_ids=pa.array(ids, pa.string()),
        tick=tick,
    )


@dataclass(frozen=True, eq=False)
class Points:
    """Where and when we ask: parallel arrays of account codes and exclusive moments.

    Attributes
    ----------
    account : int32[n_points]
        Codes in the graph's `account_ids`; -1 = an account that it does not know, which has no history.
    as_of : int64[n_points]
        Microseconds since 1970, UTC. Only what happened strictly before it is seen.
    fingerprint : str
        Of the data set that the codes are of; "" where it is not known. Another data set refuses the points.
    """

    account: Int32Array
    as_of: Int64Array
    fingerprint: str = ""

    def __post_init__(self) -> None:
        if self.account.shape != self.as_of.shape or self.account.ndim != 1:
            raise DataError(f"points: account {self.account.shape} and as_of {self.as_of.shape} must be equally long.")

    def __len__(self) -> int:
        return len(self.account)

    def __getitem__(self, rows: slice | npt.NDArray[np.bool_] | npt.NDArray[np.integer[Any]]) -> Points:
        return Points(self.account[rows], self.as_of[rows], self.fingerprint)


def _one_chunk(column: pa.ChunkedArray) -> pa.Array:
    # combine_chunks would copy a single chunk too
    return column.chunk(0) if column.num_chunks == 1 else column.combine_chunks()


def _view(array: pa.Array) -> npt.NDArray[Any]:
    return np.asarray(array.to_numpy(zero_copy_only=len(array) > 0))


def graph_of_sorted(
    *,
    time: Int64Array,
    source: Int32Array,
    target: Int32Array,
    amount: Int64Array,
    account_ids: pa.StringArray,
    tick: int,
    room: Room = HEAP,
) -> TransferGraph:
    """Build a graph over arrays that are sorted by (time, source, target, amount) already; it keeps them. O(n).

    Raises
    ------
    DataError
        If there are too many transfers.
    """
    if len(time) > MAX_TRANSFERS:
        raise DataError(f"graph: {len(time):,} transfers are more than {MAX_TRANSFERS:,}; split the data set by time.")
    for array in (time, source, target, amount):
        array.flags.writeable = False
    return TransferGraph(
        time=time,
        source=source,
        target=target,
        amount=amount,
        outgoing=_index_of(source, len(account_ids), room),
        incoming=_index_of(target, len(account_ids), room),
        account_ids=account_ids,
        tick=tick,
    )


def _index_of(account: Int32Array, n_accounts: int, room: Room) -> TransferIndex:
    start, stop = room.full(n_accounts, 0, np.int64), room.full(n_accounts, 0, np.int64)
    transfer = room.empty(len(account), np.int32)
    _group_by_account(account, start, stop, transfer)
    return TransferIndex(start, stop, transfer)


def _cut(index: TransferIndex, n_seen: int) -> TransferIndex:
    return TransferIndex(index.start, _stops_before(index.start, index.stop, index.transfer, n_seen), index.transfer)


@numba.njit(cache=True, nogil=True)
def _is_sorted(time, source, target, amount) -> bool:  # type: ignore[no-untyped-def]
    for i in range(1, len(time)):
        here, before = (
            (time[i], source[i], target[i], amount[i]),
            (time[i - 1], source[i - 1], target[i - 1], amount[i - 1]),
        )
        if here < before:
            return False
    return True


@numba.njit(cache=True, nogil=True)
def _group_by_account(account, start, stop, transfer) -> None:  # type: ignore[no-untyped-def]
    """Counting sort: stable, so each account's positions stay in time order. `stop` begins with 0."""
    for i in range(len(account)):
        stop[account[i]] += 1
    n_before = 0
    for a in range(len(start)):
        start[a] = n_before
        n_before += stop[a]
        stop[a] = start[a]
    for i in range(len(account)):
        # stop[a] is the next free place of account a; at the end it is the end of its range
        transfer[stop[account[i]]] = i
        stop[account[i]] += 1


@numba.njit(cache=True, nogil=True)
def _stops_before(start: Int64Array, stop: Int64Array, transfer: Int32Array, n_seen: int) -> Int64Array:
    seen = np.empty_like(stop)
    for a in range(len(start)):
        seen[a] = first_at_least(transfer, start[a], stop[a], n_seen)
    return seen
