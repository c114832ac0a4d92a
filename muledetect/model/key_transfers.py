"""Key transfers: for each reason of a score, the account's own transfers that show it.

They are read from the records again, not from the model: they say which transfers to look at first.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from types import MappingProxyType
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from muledetect.arrays import BoolArray, Float64Array, Int64Array
from muledetect.clock import DAY, HOUR
from muledetect.errors import DataError, ModelError
from muledetect.features import Extraction, History, build_history
from muledetect.features.suspicion import TOP, bits_of
from muledetect.frames import takes_tables
from muledetect.graph import Points, TransferGraph
from muledetect.markup import SUSPICION, build_card, build_table
from muledetect.model.suspicious_periods import find_periods
from muledetect.progress import Progress, silent
from muledetect.records import Dataset
from muledetect.schema import ARROW_TYPES

#: Progress is shown after so many accounts.
_SHOW_EACH: Final = 20

#: Columns of the table of key transfers.
KEY_TRANSFERS: Final = pa.schema(
    {
        "account_id": ARROW_TYPES["id"],
        "as_of": ARROW_TYPES["time"],
        "code": ARROW_TYPES["category"],
        "order": pa.int32(),
        "transfer_id": ARROW_TYPES["id"],
    }
)
_MOST_ROWS: Final = 12
_WEEK: Final = 7 * DAY
_ALIKE: Final = 1.1


@dataclass(frozen=True, eq=False)
class _Own:
    """One account's transfers before a point, credits first; `name` ranks their ids, so that ties fall by id.

    `credit`, `debit`, `moved` are FIFO pairs: positions here, and the money that the debit spent of the credit.
    `suspicion` says how high the counterparty scores among all accounts (bits), see `features.suspicion`.
    """

    time: Int64Array
    amount: Int64Array
    other: Int64Array
    is_credit: BoolArray
    is_new: BoolArray
    name: Int64Array
    transfer: Int64Array
    credit: Int64Array
    debit: Int64Array
    moved: Int64Array
    suspicion: Float64Array
    signal: Callable[[str], Float64Array]

    def best(self, wanted: BoolArray, weight: npt.NDArray[Any] | None = None) -> Int64Array:
        """Return the positions that are wanted, weightiest (else largest) first; ties by time and id."""
        rows = np.flatnonzero(wanted)
        key = self.amount if weight is None else weight
        order = np.lexsort((self.name[rows], self.time[rows], -self.amount[rows], -key[rows]))
        ranked: Int64Array = rows[order]
        return ranked


@dataclass(frozen=True, eq=False)
class Explanation:
    """What shows the reasons of scores, and when each account behaved most like a mule.

    Attributes
    ----------
    key_transfers : pyarrow.Table
        As `find_key_transfers`.
    suspicious_periods : pyarrow.Table
        account_id, as_of, and start and end of the suspicious period.
    """

    key_transfers: pa.Table
    suspicious_periods: pa.Table

    def __repr__(self) -> str:
        return (
            f"Explanation({self.suspicious_periods.num_rows:,} accounts, {self.key_transfers.num_rows:,} key transfers)"
        )

    def _repr_html_(self) -> str:
        point = ["account_id", "as_of"]
        counts = self.key_transfers.group_by(point).aggregate(
            [("code", "count_distinct"), ("transfer_id", "count_distinct")]
        )
        n_shown = {tuple(row[name] for name in point): list(row.values())[2:] for row in counts.to_pylist()}
        rows = [
            [row["account_id"], row["start"], row["end"], *n_shown.get(tuple(row[name] for name in point), [0, 0])]
            for row in self.suspicious_periods.slice(0, _MOST_ROWS).to_pylist()
        ]
        titles = [
            "account",
            "most suspicious from, UTC",
            "to, UTC",
            "reasons with transfers",
            "transfers that show them",
        ]
        table = build_table(titles, rows, n_rows=len(self.suspicious_periods))
        return build_card(f"{len(self.suspicious_periods):,} explained accounts", table, note=SUSPICION)

    @property
    def tables(self) -> dict[str, pa.Table]:
        """Both tables by name."""
        return {"key_transfers": self.key_transfers, "suspicious_periods": self.suspicious_periods}


@takes_tables("scores")
def explain_scores(
    dataset: Dataset,
    graph: TransferGraph,
    scores: pa.Table,
    *,
    n_transfers: int = 10,
    progress: Progress | None = None,
) -> Explanation:
    """Return key transfers and suspicious periods of the rows of `scores` that have reasons; see `find_periods`.

    Raises
    ------
    DataError
        If `scores` lacks a column, or names accounts that the data set does not have.
    ModelError
        As `find_key_transfers`.
    """
    lacking = sorted({"account_id", "as_of", "reasons"} - set(scores.column_names))
    if lacking:
        raise DataError(f"scores: column(s) {', '.join(lacking)} are missing; give the table that `score` wrote.")
    shown = scores.filter(pc.greater(pc.list_value_length(scores["reasons"]), 0))
    codes = graph.codes(shown["account_id"])
    if (codes < 0).any():
        raise DataError(
            f"scores: {int((codes < 0).sum()):,} of {len(codes):,} explained accounts are not in this data set; "
            "give the data set that was scored."
        )
    as_of = shown["as_of"].cast(pa.timestamp("us", tz="UTC"))
    (progress or silent)("suspicious periods", 0.0)
    start, end = find_periods(graph, Points(codes, as_of.cast(pa.int64()).to_numpy()))
    times = {name: pa.array(at).cast(ARROW_TYPES["time"]) for name, at in (("start", start), ("end", end))}
    periods = pa.table({"account_id": shown["account_id"], "as_of": as_of, **times})
    return Explanation(find_key_transfers(dataset, graph, shown, n_transfers, progress), periods)


@takes_tables("scores")
def find_key_transfers(
    dataset: Dataset, graph: TransferGraph, scores: pa.Table, n: int = 10, progress: Progress | None = None
) -> pa.Table:
    """Return the account's own transfers that show each raising reason, the most telling first.

    What is shown for a code: PASS_THROUGH the credits most of which was spent within the hour, each before the debits
    that spent it (FIFO); COLLECT_AND_SWEEP the largest debit and the credits that it spent; FAN_IN and FAN_OUT the
    largest transfer of each counterparty on the UTC day with most of them; NEW_COUNTERPARTIES the largest transfers
    with first-ever counterparties; SIMILAR_AMOUNTS the most transfers of one side within 10% of each other;
    DORMANT_WAKE_UP the first after the longest silence; NEW_ACCOUNT the first on record; VICTIM_MONEY, RELAY_CHAIN and
    CYCLE the transfers with most money of that kind by the signals `victim_share`, `relayed_share` and
    `cycle_shortest`. For every other code, and where nothing of that kind is on record, the largest of the week up to
    the last transfer: these show the activity in question, not the fact itself.

    Parameters
    ----------
    dataset : Dataset
    graph : TransferGraph
        Of `build_graph(dataset)`.
    scores : pyarrow.Table
        As schema.SCORES; rows without reasons give none.
    n : int
        At most so many transfers a reason.
    progress : callable, optional
        Called with ("key transfers", share done).

    Returns
    -------
    pyarrow.Table
        account_id, as_of, code, order (int32, from 0), transfer_id; in the order of `scores` and of its reasons. Every
        transfer is the account's and strictly before `as_of`. No rows where nothing raises a score. O(history of the
        explained accounts), and once O(transfers) for each signal that a reason asks for.

    Raises
    ------
    ModelError
        If the graph is not that of the data set, or `n` is not positive.
    """
    if graph.n_transfers != len(dataset.transfers):
        raise ModelError(
            f"key transfers: the graph has {graph.n_transfers:,} transfers and the data set "
            f"{len(dataset.transfers):,}; give build_graph(dataset)."
        )
    if n < 1:
        raise ModelError(f"key transfers: n is {n}; give 1 or more.")
    codes = [
        [reason["code"] for reason in row or [] if reason["contribution"] > 0] for row in scores["reasons"].to_pylist()
    ]
    explained = scores.filter(pa.array([bool(row) for row in codes], pa.bool_()))
    as_of = explained["as_of"].cast(pa.int64()).to_numpy()
    points = Points(graph.codes(explained["account_id"]), np.asarray(as_of, dtype=np.int64))
    history = build_history(Extraction(dataset, graph), points)
    names, suspicion = _rank_ids(dataset, history), _suspicion(graph, scores)
    rows: list[int] = []
    said: list[str] = []
    order: list[int] = []
    transfer: list[int] = []
    for row, wanted in enumerate(code for code in codes if code):
        if progress is not None and row % _SHOW_EACH == 0:
            progress("key transfers", row / len(points))
        own = _own(history, names, row, suspicion[int(points.as_of[row])])
        for code in wanted if len(own.time) else ():
            found = _show(own, code)[:n]
            rows += [row] * len(found)
            said += [code] * len(found)
            order += range(len(found))
            transfer += own.transfer[found].tolist()
    taken = explained.select(["account_id", "as_of"]).take(pa.array(rows, pa.int64()))
    ids = dataset.transfers["transfer_id"].take(pa.array(transfer, pa.int64())).cast(pa.string())
    columns = [taken["account_id"].cast(pa.string()), taken["as_of"].cast(ARROW_TYPES["time"]), said, order, ids]
    return pa.table(columns, schema=KEY_TRANSFERS)


def _show(own: _Own, code: str) -> Int64Array:
    """Return positions of the transfers that show a code, each once; the last week's largest where none does."""
    found = _SHOW[code](own) if code in _SHOW else np.zeros(0, dtype=np.int64)
    if not len(found):
        return own.best(own.time > own.time.max() - _WEEK)
    return found[np.sort(np.unique(found, return_index=True)[1])]


def _passed(own: _Own) -> Int64Array:
    is_quick = own.time[own.debit] - own.time[own.credit] <= HOUR
    quick = np.zeros(len(own.time), dtype=np.int64)
    np.add.at(quick, own.credit[is_quick], own.moved[is_quick])
    paid_in = own.best(quick > 0, quick)
    place = np.zeros(len(own.time), dtype=np.int64)
    place[paid_in] = np.arange(len(paid_in))
    debits = own.debit[is_quick]
    # Each credit, then the debits that spent it: FIFO pairs come in the order of the debits.
    shown = np.concatenate([paid_in, debits])
    order = np.lexsort((np.arange(len(shown)), np.concatenate([place[paid_in], place[own.credit[is_quick]]])))
    passed: Int64Array = shown[order]
    return passed


def _swept(own: _Own) -> Int64Array:
    debits = own.best(~own.is_credit)[:1]
    spent = np.isin(own.debit, debits)
    if not spent.any():
        return debits
    moved = np.zeros(len(own.time), dtype=np.int64)
    np.add.at(moved, own.credit[spent], own.moved[spent])
    return np.concatenate([debits, own.best(moved > 0, moved)])


def _fan(own: _Own, *, is_credit: bool) -> Int64Array:
    rows = own.best(own.is_credit == is_credit)
    if not len(rows):
        return rows
    pair = np.stack([own.time[rows] // DAY, own.other[rows]])
    # The rows come largest first, so the first of a day and counterparty is its largest.
    rows = rows[np.sort(np.unique(pair, axis=1, return_index=True)[1])]
    days, n_others = np.unique(own.time[rows] // DAY, return_counts=True)
    busiest = days[len(days) - 1 - np.argmax(n_others[::-1])]
    return np.asarray(rows[own.time[rows] // DAY == busiest])


def _met(own: _Own) -> Int64Array:
    return own.best(own.is_new)


def _alike(own: _Own) -> Int64Array:
    groups = []
    for side in (own.is_credit, ~own.is_credit):
        amounts = np.sort(own.amount[side])
        behind = np.searchsorted(amounts, amounts * _ALIKE, side="right")
        n_alike = behind - np.arange(len(amounts))
        if len(amounts) and n_alike.max() > 1:
            least = amounts[np.argmax(n_alike)]
            groups.append(own.best(side & (own.amount >= least) & (own.amount <= least * _ALIKE)))
    return max(groups, key=len, default=np.zeros(0, dtype=np.int64))


def _woken(own: _Own) -> Int64Array:
    rows = _first(own)
    gaps = np.diff(own.time[rows])
    return rows[int(np.argmax(gaps)) + 1 :] if len(gaps) and gaps.max() > 0 else rows[:0]


def _suspicious(own: _Own) -> Int64Array:
    """Return the transfers with the accounts that score among the highest 1%, or with those that score highest."""
    least = min(TOP, own.suspicion.max(initial=0.0))
    return own.best((own.suspicion >= least) & (own.suspicion > 0), own.suspicion)


def _first(own: _Own) -> Int64Array:
    return np.lexsort((own.name, own.time))


def _marked(own: _Own, column: str, *, by_share: bool = True) -> Int64Array:
    value = np.nan_to_num(own.signal(column), nan=0.0)
    return own.best(value > 0, value * own.amount if by_share else None)


#: How the transfers are found that show a code.
_SHOW: Final[Mapping[str, Callable[[_Own], Int64Array]]] = MappingProxyType(
    {
        "PASS_THROUGH": _passed,
        "COLLECT_AND_SWEEP": _swept,
        "FAN_IN": partial(_fan, is_credit=True),
        "FAN_OUT": partial(_fan, is_credit=False),
        "NEW_COUNTERPARTIES": _met,
        "SIMILAR_AMOUNTS": _alike,
        "DORMANT_WAKE_UP": _woken,
        "NEW_ACCOUNT": _first,
        "VICTIM_MONEY": partial(_marked, column="victim_share"),
        "RELAY_CHAIN": partial(_marked, column="relayed_share"),
        "SUSPICIOUS_COUNTERPARTIES": _suspicious,
        "CYCLE": partial(_marked, column="cycle_shortest", by_share=False),
    }
)


def _rank_ids(dataset: Dataset, history: History) -> tuple[Int64Array, Int64Array]:
    """Return the rank of the id of each entry of both sides, so that ties never fall by the names of accounts."""
    both = np.concatenate([history.incoming.transfer, history.outgoing.transfer])
    ids = dataset.transfers["transfer_id"].take(pa.array(both)).cast(pa.string())
    rank = np.unique(ids.to_numpy(zero_copy_only=False).astype(str), return_inverse=True)[1].astype(np.int64)
    return rank[: len(history.incoming.time)], rank[len(history.incoming.time) :]


def _suspicion(graph: TransferGraph, scores: pa.Table) -> dict[int, Float64Array]:
    """Return the bits of every account at each moment of a table of scores, float64[n_accounts]; 0 where none is."""
    as_of, score = scores["as_of"].cast(pa.int64()).to_numpy(), scores["score"].to_numpy()
    code, found = graph.codes(scores["account_id"]), {}
    for moment in np.unique(as_of):
        bits, rows = np.zeros(graph.n_accounts), np.flatnonzero((as_of == moment) & (code >= 0))
        bits[code[rows]] = bits_of(score[rows])
        found[int(moment)] = bits
    return found


def _own(history: History, names: tuple[Int64Array, Int64Array], row: int, bits: Float64Array) -> _Own:
    into, out, pairs, graph = history.incoming, history.outgoing, history.matches, history.graph
    received, paid = slice(into.start[row], into.end[row]), slice(out.start[row], out.end[row])
    n_received = int(into.end[row] - into.start[row])
    # Debits come by time and pairs by debit, so those before the point are a prefix of the account's.
    first, last = (int(at) for at in np.searchsorted(pairs.debit, [out.start[row], out.end[row]]))
    cut = slice(first, last)

    def both(name: str) -> npt.NDArray[Any]:
        return np.concatenate([getattr(into, name)[received], getattr(out, name)[paid]])

    def signal(column: str) -> Float64Array:
        sides = [history.signal("in", column)[received], history.signal("out", column)[paid]]
        return np.concatenate(sides).astype(np.float64)

    return _Own(
        time=both("time"),
        amount=both("amount"),
        other=both("other").astype(np.int64),
        is_credit=np.arange(n_received + int(out.end[row] - out.start[row])) < n_received,
        is_new=both("is_new"),
        name=np.concatenate([names[0][received], names[1][paid]]),
        transfer=both("transfer").astype(np.int64),
        credit=pairs.credit[cut] - into.start[row],
        debit=pairs.debit[cut] - out.start[row] + n_received,
        moved=pairs.amount[cut],
        suspicion=bits[np.concatenate([graph.source[into.transfer[received]], graph.target[out.transfer[paid]]])],
        signal=signal,
    )
