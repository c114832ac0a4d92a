"""Where the money of each complaint is now: traced, conserved, and held only as far as it is there."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from os import cpu_count
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from muledetect import schema
from muledetect.clock import Duration, Moment, parse_duration, parse_time
from muledetect.errors import OptionError
from muledetect.graph import Int64Array, TransferGraph
from muledetect.markup import SUSPICION, build_card, build_facts, build_table
from muledetect.outputs import new_folder
from muledetect.outputs.kinds import TRACES
from muledetect.records.currency import format_amount, unit_of
from muledetect.records.write import put_tables
from muledetect.tracing.books import Books, open_books
from muledetect.tracing.cases import UNTRACED, Cases, find_cases
from muledetect.tracing.holds import share_available
from muledetect.tracing.kernel import METHODS, PLACES, trace_transfers

if TYPE_CHECKING:
    from muledetect.records import Dataset

#: The hold that is proposed: the smaller of what these two say, per complaint and account.
CAUTIOUS: Final = ("pro_rata", "libr")

_MOST_ROWS: Final = 12
_RANGES: Final = "Ranges are over the tracing methods. Hold the amount, not the account."

#: Complaints traced between two signs of progress.
_BATCH: Final = 256

SUMMARY: Final = pa.schema(
    [
        pa.field("complaint_id", pa.string()),
        pa.field("method", pa.string()),
        pa.field("lost", pa.int64()),
        pa.field("in_accounts", pa.int64()),
        pa.field("left_bank", pa.int64()),
        pa.field("spent", pa.int64()),
        pa.field("not_followed", pa.int64()),
        pa.field("hold", pa.int64()),
    ]
)

_TABLES: Final = ("trace", "holds", "summary", "untraced", "steps")
_LEFT_BANK: Final = ("other_bank", "vasp", "wallet", "xborder")
_NOT_FOLLOWED: Final = ("beyond_hops", "dust", "undivided", "hub")


@dataclass(frozen=True, eq=False)
class Traces:
    """What tracing found.

    Attributes
    ----------
    trace : pyarrow.Table
        schema.TRACE: one row a complaint, method, account and place. The money of a complaint and method sums exactly
        to what it disputes.
    holds : pyarrow.Table
        schema.HOLDS: what to hold, one row a complaint and account, the smaller of pro rata and LIBR; with the range
        over the methods.
    summary : pyarrow.Table
        One row a complaint and method: `lost` = `in_accounts` + `left_bank` + `spent` + `not_followed`, minor units,
        and `hold`.
    untraced : pyarrow.Table
        Complaints without a trace, and why.
    steps : pyarrow.Table
        schema.TRACE_STEPS: the way of the money, one row a complaint, method and transfer that carried some of it, by
        time; empty unless asked for.
    currency : str
        ISO 4217 code of all money; empty where it is not known.
    """

    trace: pa.Table = field(default_factory=schema.TRACE.empty)
    holds: pa.Table = field(default_factory=schema.HOLDS.empty)
    summary: pa.Table = field(default_factory=SUMMARY.empty_table)
    untraced: pa.Table = field(default_factory=UNTRACED.empty_table)
    steps: pa.Table = field(default_factory=schema.TRACE_STEPS.empty)
    currency: str = ""

    @property
    def tables(self) -> dict[str, pa.Table]:
        """The output tables by name."""
        return {name: getattr(self, name) for name in _TABLES}

    def __repr__(self) -> str:
        n = pc.count_distinct(self.summary["complaint_id"]).as_py()
        return f"Traces({n:,} complaints, {self.holds.num_rows:,} holds, {self.untraced.num_rows:,} untraced)"

    def _repr_html_(self) -> str:
        held = self.holds.group_by("complaint_id").aggregate([("hold", "sum")])
        hold = dict(zip(*(column.to_pylist() for column in held.columns), strict=True))
        spans = [(name, how) for name in ("in_accounts", "left_bank", "spent") for how in ("min", "max")]
        cases = self.summary.group_by("complaint_id").aggregate([("lost", "max"), *spans])
        cases = cases.sort_by([("lost_max", "descending"), ("complaint_id", "ascending")])
        rows = [self._line(case, hold) for case in cases.slice(0, _MOST_ROWS).to_pylist()]
        titles = ["complaint", "lost", "still in accounts", "left the bank", "spent", "proposed hold"]
        facts = {
            "complaints": len(cases), "untraced": len(self.untraced), "accounts to hold in": _n_held(self.holds),
            f"holds, {unit_of(self.currency)}": format_amount(sum(hold.values()), self.currency),
        }  # fmt: skip
        table = build_table(titles, rows, n_rows=len(cases), right=titles[1:])
        return build_card("Traces of complaints", build_facts(facts), table, note=f"{_RANGES} {SUSPICION}")

    def _line(self, case: Mapping[str, Any], hold: Mapping[str, int]) -> list[str]:
        shown = [case["complaint_id"], format_amount(case["lost_max"], self.currency)]
        for name in ("in_accounts", "left_bank", "spent"):
            ends = dict.fromkeys(format_amount(case[f"{name}_{how}"], self.currency) for how in ("min", "max"))
            shown.append(" to ".join(ends))
        return [*shown, format_amount(hold.get(case["complaint_id"], 0), self.currency)]

    def recoverable(self) -> pa.Table:
        """Return what may be held now by bank: `bank_id`, `n_accounts`, `hold`, minor units, largest first."""
        by_bank = self.holds.group_by("bank_id").aggregate([("account_id", "count_distinct"), ("hold", "sum")])
        named = by_bank.rename_columns({"account_id_count_distinct": "n_accounts", "hold_sum": "hold"})
        return named.sort_by([("hold", "descending"), ("bank_id", "ascending")])

    def write(self, folder: str | Path, *, overwrite: bool = False) -> None:
        """Write the tables as Parquet files of a folder: the old or the new one, whole."""
        with new_folder(folder, TRACES, overwrite=overwrite) as unfinished:
            put_tables(self.tables, unfinished)


def _n_held(holds: pa.Table) -> int:
    return int(pc.count_distinct(holds.filter(pc.greater(holds["hold"], 0))["account_id"]).as_py())


def trace_money(
    dataset: Dataset,
    graph: TransferGraph,
    as_of: Moment,
    *,
    complaint_ids: Iterable[str] | None = None,
    methods: Sequence[str] = METHODS,
    max_hops: int = 8,
    hold_for: Duration = "24h",
    steps: bool = False,
    progress: Callable[[str, float], None] | None = None,
) -> Traces:
    """Trace the money of complaints from account to account up to a moment, and propose what to hold.

    Parameters
    ----------
    dataset : Dataset
        With complaints. Stated balances, kinds of account and channels are used where they are there.
    graph : TransferGraph
        Of the same data set.
    as_of : Moment
        Nothing that happened, was stated or was known at this moment or later is used.
    complaint_ids : iterable of str, optional
        Complaints to trace; by default all that are known and not withdrawn.
    methods : sequence of str
        Of "fifo" (oldest money leaves first), "lifo" (newest first), "pro_rata" (in proportion) and "libr" (lowest
        intermediate balance: an account's own money leaves first).
    max_hops : int
        Accounts that money is followed through, the victim's payee being the first.
    hold_for : Duration
        How long a hold stands unless somebody decides otherwise.
    steps : bool
        Also return the way of the money, transfer by transfer, as `Traces.steps`.
    progress : callable, optional
        Called with the stage in words and the fraction done.

    Returns
    -------
    Traces

    Raises
    ------
    OptionError, DataError
        If an option is out of its range, or there are no complaints.

    Notes
    -----
    Exact in minor units, and equal on any number of threads, for any order of rows and any names. Money stops at
    shops, billers, exchanges, cash machines, payrolls, other banks' accounts and accounts that serve the public: a
    notice, not a hold. A part below a ten-thousandth of the loss is not followed further ("dust"). A hold is at most
    what is traced to the account and at most what is in it, and several complaints on one account share its balance,
    in order of when they were known. O(complaints * methods * transfers of the accounts reached).
    """
    _check(methods, max_hops)
    moment = parse_time(as_of)
    books = open_books(dataset, graph, moment)
    cases = find_cases(dataset, books.graph, moment, complaint_ids)
    rows, way = follow(books, cases.transfer, methods, max_hops, progress)
    found = replace(_tables(books, cases, rows, methods, moment + parse_duration(hold_for)), currency=dataset.currency)
    return replace(found, steps=_steps(dataset, books, cases, way, methods)) if steps else found


def locate(books: Books, transfer: int, *, methods: Sequence[str] = METHODS, max_hops: int = 8) -> pa.Table:
    """Return the accounts that likely hold the money of one disputed transfer now: the first minutes after a call.

    Parameters
    ----------
    books : Books
        From `open_books`, kept in memory between complaints.
    transfer : int
        Position of the disputed transfer in `books.graph`; see `find_transfer`.
    methods : sequence of str
        Of `METHODS`; the range is over these.
    max_hops : int
        Accounts that money is followed through.

    Returns
    -------
    pyarrow.Table
        `account_id`, `bank_id`, `hop`, `traced_low`, `traced_high` (over the methods), `available`, `recoverable` =
        min(smaller of pro rata and LIBR, available), minor units; the largest recoverable amount first. Money at
        other banks is listed with `available` null: a recall message, not a hold.

    Notes
    -----
    Milliseconds: it touches only the accounts reached.
    """
    _check(methods, max_hops)
    rows, _ = follow(books, np.array([transfer], np.int64), methods, max_hops)
    here = np.isin(rows["place"], [0, PLACES.index("other_bank")])
    claims = _claims({name: values[here] for name, values in rows.items()}, methods)
    account = claims["account"].astype(np.int32)
    available, _ = books.balances(account)
    is_own = books.stop_code[account] == 0
    recoverable = np.where(is_own, np.minimum(claims["cautious"], available), 0)
    table = pa.table(
        {
            "account_id": books.graph.account_ids.take(pa.array(account)),
            "bank_id": books.bank.take(pa.array(account)),
            "hop": pa.array(claims["hop"]),
            "traced_low": pa.array(claims["low"]),
            "traced_high": pa.array(claims["high"]),
            "available": pa.array(available, mask=~is_own),
            "recoverable": pa.array(recoverable),
        }
    )
    return table.sort_by([("recoverable", "descending"), ("traced_high", "descending"), ("account_id", "ascending")])


def find_transfer(books: Books, source: str, target: str, amount: int, time: Moment) -> int:
    """Return the position of the one transfer between two accounts of an amount (minor units) at a moment.

    Parameters
    ----------
    books : Books
        From `open_books`.
    source, target : str
        Ids of the account that paid and of the one that received.
    amount : int
        Minor units.
    time : Moment
        Exactly, to the tick of the clock.

    Raises
    ------
    OptionError
        If there is none before `books.as_of`, or several.
    """
    graph, moment = books.graph, parse_time(time)
    low, high = (int(np.searchsorted(graph.time, moment, side=side)) for side in ("left", "right"))
    ends = graph.codes([source, target])
    fits = (
        (graph.source[low:high] == ends[0]) & (graph.target[low:high] == ends[1]) & (graph.amount[low:high] == amount)
    )
    found = np.flatnonzero(fits)
    if len(found) != 1:
        raise OptionError(
            f"trace: {len(found)} transfers before the books' moment fit the accounts, amount and time; one must."
        )
    return low + int(found[0])


def follow(
    books: Books, transfer: Int64Array, methods: Sequence[str], max_hops: int,
    progress: Callable[[str, float], None] | None = None,
) -> tuple[dict[str, Int64Array], dict[str, Int64Array]]:  # fmt: skip
    """Trace disputed transfers; return where the money is and the way there, as columns.

    The first are case, method, place, account, hop, amount, sorted by case, method, place and account; the second
    case, method, transfer, amount, sorted by the first three: transfers are in order of time.
    """
    graph = books.graph
    jobs = [
        (begin, number)
        for begin in range(0, len(transfer), _BATCH)
        for number in range(len(methods))
    ]  # fmt: skip

    def run(job: tuple[int, int]) -> tuple[Int64Array, Int64Array]:
        begin, number = job
        found, steps = trace_transfers(
            transfer[begin : begin + _BATCH], METHODS.index(methods[number]), max_hops, graph.time, graph.amount,
            graph.source, graph.target, books.exit_code, books.stop_code, books.source_after, books.target_after,
            books.balance, books.balance_at, *graph.incoming, *graph.outgoing,
        )  # fmt: skip
        for rows in (found, steps):
            rows[:, 0] += begin
        return tuple(np.column_stack([rows, np.full(len(rows), number)]) for rows in (found, steps))  # type: ignore[return-value]

    parts, ways = [], []
    with ThreadPoolExecutor(cpu_count() or 1) as pool:
        for done, (part, way) in enumerate(pool.map(run, jobs), 1):
            parts.append(part)
            ways.append(way)
            if progress is not None:
                progress("trace", done / len(jobs))
    case, account, hop, place, amount, method = np.concatenate([np.zeros((0, 6), np.int64), *parts]).T
    places = {"case": case, "method": method, "place": place, "account": account}
    case, transfer, carried, method = np.concatenate([np.zeros((0, 4), np.int64), *ways]).T
    steps = {"case": case, "method": method, "transfer": transfer}
    return _summed(places, amount, hop=hop), _summed(steps, carried)


def _summed(names: Mapping[str, Int64Array], amount: Int64Array, **lowest: Int64Array) -> dict[str, Int64Array]:
    """Add up the rows that share all names, sorted by them; of columns in `lowest` the smallest counts."""
    order = np.lexsort((*lowest.values(), *reversed(list(names.values()))))
    key = np.stack([column[order] for column in names.values()])
    begins = np.flatnonzero(np.append(True, (key[:, 1:] != key[:, :-1]).any(axis=0))[: len(order)])
    found = dict(zip(names, key[:, begins], strict=True)) | {name: low[order][begins] for name, low in lowest.items()}
    return found | {"amount": np.add.reduceat(amount[order], begins) if len(begins) else np.zeros(0, np.int64)}


def _check(methods: Sequence[str], max_hops: int) -> None:
    unknown = [name for name in methods if name not in METHODS]
    if unknown or not methods or len(set(methods)) != len(methods):
        raise OptionError(f"trace: methods must be some of {', '.join(METHODS)}, each once; got {list(methods)}.")
    if not 1 <= max_hops <= 1_000:
        raise OptionError(f"trace: max_hops must lie in 1 to 1,000; got {max_hops}.")


def _claims(rows: Mapping[str, Int64Array], methods: Sequence[str]) -> dict[str, Int64Array]:
    """Join the methods' amounts of one case and account: smallest, largest, and the cautious amount of the two."""
    key = np.stack([rows["case"], rows["account"]])
    pairs, at = np.unique(key, axis=1, return_inverse=True)
    n = pairs.shape[1]
    amounts = np.zeros((len(methods), n), np.int64)
    np.add.at(amounts, (rows["method"], at.ravel()), rows["amount"])
    hop = np.full(n, np.iinfo(np.int64).max)
    np.minimum.at(hop, at.ravel(), rows["hop"])
    careful = [number for number, name in enumerate(methods) if name in CAUTIOUS] or list(range(len(methods)))
    return {
        "case": pairs[0],
        "account": pairs[1],
        "hop": hop,
        "low": amounts.min(axis=0),
        "high": amounts.max(axis=0),
        "cautious": amounts[careful].min(axis=0),
    }


def _tables(books: Books, cases: Cases, rows: dict[str, Int64Array], methods: Sequence[str], expires: int) -> Traces:
    is_here = rows["place"] == 0
    account = rows["account"].astype(np.int32)
    held_in = np.unique(account[is_here])
    balance, _ = books.balances(held_in)
    at = np.minimum(np.searchsorted(held_in, account), max(len(held_in) - 1, 0))
    available = np.where(is_here, balance[at] if len(held_in) else 0, 0)
    hold = np.zeros(len(account), np.int64)
    for number in range(len(methods)):
        own = np.flatnonzero(is_here & (rows["method"] == number))
        known = cases.known[rows["case"][own]]
        hold[own] = share_available(rows["account"][own], known, rows["amount"][own], available[own])
    ids = books.graph.account_ids
    columns = {
        "complaint_id": cases.complaint_id.take(pa.array(rows["case"])),
        "method": pa.array([methods[k] for k in rows["method"]], pa.string()),
        "as_of": _times(books.as_of, len(account)),
        "account_id": ids.take(pa.array(account)),
        "hop": pa.array(rows["hop"]),
        "traced": pa.array(rows["amount"]),
        "available": pa.array(available, mask=~is_here),
        "hold": pa.array(hold),
        "shortfall": pa.array(np.where(is_here, rows["amount"] - hold, 0)),
        "exit_kind": pa.array([PLACES[k] if k else None for k in rows["place"]], pa.string()),
        "expires_at": _times(expires, len(account), hold == 0),
    }
    trace = pa.table(columns).select(schema.TRACE.names).cast(schema.TRACE.arrow_schema)
    holds = _holds(books, cases, {name: values[is_here] for name, values in rows.items()}, methods, expires)
    return Traces(trace, holds, _summary(cases, rows, hold, methods), cases.untraced)


def _steps(
    dataset: Dataset, books: Books, cases: Cases, way: dict[str, Int64Array], methods: Sequence[str]
) -> pa.Table:
    graph, transfer = books.graph, way["transfer"]
    ids = dataset.transfers["transfer_id"].take(pa.array(transfer)).cast(pa.string())
    columns = {
        "complaint_id": cases.complaint_id.take(pa.array(way["case"])),
        "method": pa.array([methods[k] for k in way["method"]], pa.string()),
        "transfer_id": ids,
        "time": pa.array(graph.time[transfer]).cast(pa.timestamp("us", tz="UTC")),
        "source": graph.account_ids.take(pa.array(graph.source[transfer])),
        "target": graph.account_ids.take(pa.array(graph.target[transfer])),
        "amount": pa.array(graph.amount[transfer]),
        "traced": pa.array(way["amount"]),
    }
    return pa.table(columns).select(schema.TRACE_STEPS.names).cast(schema.TRACE_STEPS.arrow_schema)


def _holds(books: Books, cases: Cases, rows: dict[str, Int64Array], methods: Sequence[str], expires: int) -> pa.Table:
    claims = _claims(rows, methods)
    account = claims["account"].astype(np.int32)
    available, stated = books.balances(account)
    hold = share_available(claims["account"], cases.known[claims["case"]], claims["cautious"], available)
    table = pa.table(
        {
            "complaint_id": cases.complaint_id.take(pa.array(claims["case"])),
            "account_id": books.graph.account_ids.take(pa.array(account)),
            "bank_id": books.bank.take(pa.array(account)),
            "hop": pa.array(claims["hop"]),
            "traced_low": pa.array(claims["low"]),
            "traced_high": pa.array(claims["high"]),
            "available": pa.array(available),
            "is_stated": pa.array(stated),
            "hold": pa.array(hold),
            "shortfall": pa.array(claims["cautious"] - hold),
            "as_of": _times(books.as_of, len(account)),
            "expires_at": _times(expires, len(account), hold == 0),
        }
    )
    return table.select(schema.HOLDS.names).cast(schema.HOLDS.arrow_schema)


def _times(moment: int, n: int, mask: Any = None) -> pa.Array:
    return pa.array(np.full(n, moment, np.int64), mask=mask).cast(pa.timestamp("us", tz="UTC"))


def _summary(cases: Cases, rows: dict[str, Int64Array], hold: Int64Array, methods: Sequence[str]) -> pa.Table:
    n = len(cases) * len(methods)
    at = rows["case"] * len(methods) + rows["method"]
    place = np.array(PLACES)[rows["place"]]
    groups = {
        "in_accounts": rows["place"] == 0,
        "left_bank": np.isin(place, _LEFT_BANK),
        "not_followed": np.isin(place, _NOT_FOLLOWED),
    }
    groups["spent"] = ~(groups["in_accounts"] | groups["left_bank"] | groups["not_followed"])
    groups["lost"] = np.ones(len(at), np.bool_)
    totals = {"hold": (np.ones(len(at), np.bool_), hold)} | {
        name: (chosen, rows["amount"]) for name, chosen in groups.items()
    }
    columns: dict[str, Any] = {
        "complaint_id": cases.complaint_id.take(pa.array(np.repeat(np.arange(len(cases)), len(methods)))),
        "method": pa.array(list(methods) * len(cases), pa.string()),
    }
    for name, (chosen, values) in totals.items():
        total = np.zeros(n, np.int64)
        np.add.at(total, at[chosen], values[chosen])
        columns[name] = pa.array(total)
    return pa.table(columns).select(SUMMARY.names).cast(SUMMARY)
