"""What is worth telling about accepted tables although no row is wrong by itself."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final, TypeAlias

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numba import njit

from muledetect import clock
from muledetect.arrays import Int32Array, Int64Array
from muledetect.records import reasons
from muledetect.records.dataset import Finding, describe
from muledetect.schema import INPUTS

_HUB_HOLDERS: Final = 200
#: A day is a gap if it has less than a twentieth of the median day, where the median day has at least this many.
_BUSY_DAY: Final = 20
#: Transfers that are looked at together.
_SLICE: Final = 1 << 20
_UNKNOWN: Final = np.int64(-(2**63))
_BALANCES: Final = ("source_balance_after", "target_balance_after")


#: Table, column, reason, and how many rows have it; none is no warning.
Count: TypeAlias = tuple[str, str, str, int]


def warnings_of(
    tables: Mapping[str, pa.Table], account_ids: pa.StringArray, tick: int, rows_read: Mapping[str, int], now: int
) -> list[Finding]:
    """Return all warnings about accepted tables; `now` in microseconds."""
    empty = [name for name, table in tables.items() if table.num_rows == 0 and name != "transfers"]
    warnings = [_warn((name, INPUTS[name].required[0], reasons.EMPTY, 0), rows_read[name]) for name in empty]
    counts = [*_future_times(tables, now)]
    if tables["transfers"].num_rows:
        counts += _transfer_warnings(tables["transfers"], tick)
        counts += [*_after_closing(tables, account_ids), *_early_labels(tables)]
    counts += [*_untimed_withdrawals(tables), *_hubs(tables)]
    return warnings + [_warn(count, rows_read[count[0]]) for count in counts if count[3]]


def nothing_left(transfers: pa.Table, n_read: int) -> list[Finding]:
    """Return the error that no transfer is left, if so: then there is nothing to work with."""
    if transfers.num_rows:
        return []
    text = f"transfers: {reasons.NOTHING_LEFT} of {n_read:,} read. {reasons.mend(reasons.NOTHING_LEFT)}"
    return [Finding("error", "transfers", "transfer_id", reasons.NOTHING_LEFT, n_read, None, text)]


def describe_currency(n_read: int) -> Finding:
    """Return the warning that nobody said in which currency the amounts are."""
    return _warn(("transfers", "currency", reasons.NO_CURRENCY, n_read), n_read)


def _warn(count: Count, n_read: int) -> Finding:
    table, column, reason, n = count
    if reason != reasons.GAP:
        # Accepted rows are in canonical order here, so there is no input row number to give.
        return describe("warn", table, column, reason, n, None, n_read)
    days = f"{n:,} days (UTC) between the first and the last transfer"  # and not rows
    text = f"{table}: column {column!r}: {reason}; {days}. {reasons.mend(reason)}"
    return Finding("warn", table, column, reason, min(n, n_read), None, text)


def _future_times(tables: Mapping[str, pa.Table], now: int) -> Iterator[Count]:
    for name, table in tables.items():
        for column in (INPUTS[name].event_time, "known_ts"):
            if column is not None and column in table.column_names and table.num_rows:
                later = pc.greater(table[column], pa.scalar(now, table[column].type))
                yield name, column, reasons.FUTURE, pc.sum(later).as_py() or 0


def _transfer_warnings(transfers: pa.Table, tick: int) -> Iterator[Count]:
    times = _integers(transfers, "time")
    source, target = (_codes(transfers, name) for name in ("source", "target"))
    if tick % clock.DAY == 0:
        yield "transfers", "time", reasons.MIDNIGHT, len(times)
    yield "transfers", "target", reasons.SELF, int(np.count_nonzero(source == target))
    yield "transfers", "time", reasons.GAP, _quiet_days(times)
    if "status" in transfers.column_names:
        yield "transfers", "status", reasons.RETURNED, _returned(transfers)
    present = [name for name in _BALANCES if name in transfers.column_names]
    if present:
        yield "transfers", present[0], reasons.BALANCE, _wrong_balances(transfers, present)


def _returned(transfers: pa.Table) -> int:
    """Return how many transfers are said to be returned and no row reverses them; slice by slice, for few are."""
    said, reversed_ = list[pa.ChunkedArray](), list[pa.ChunkedArray]()
    for start in range(0, len(transfers), _SLICE):
        rows = transfers.slice(start, _SLICE)
        is_returned = pc.equal(rows["status"].cast(pa.string()), "returned")
        said.append(rows["transfer_id"].filter(is_returned).cast(pa.string()))
        if "reversal_of" in rows.column_names:
            reversed_.append(rows["reversal_of"].drop_null().cast(pa.string()))
    ids, back = (
        pa.chunked_array([chunk for part in parts for chunk in part.chunks], pa.string()) for parts in (said, reversed_)
    )
    return len(ids) - int(pc.sum(pc.is_in(ids, back.combine_chunks())).as_py() or 0)


def _wrong_balances(transfers: pa.Table, present: list[str]) -> int:
    """Return how many balances do not follow from the ones before, slice by slice: only balances are carried over."""
    n_accounts = len(transfers["source"].chunk(0).dictionary)
    balance, seen, wrong = np.full(n_accounts, _UNKNOWN), np.full(n_accounts, _UNKNOWN), 0
    for start in range(0, len(transfers), _SLICE):
        rows = transfers.slice(start, _SLICE)
        nothing = np.full(len(rows), _UNKNOWN)
        paid, got = (_integers(rows, name) if name in present else nothing for name in _BALANCES)
        source, target = (_codes(rows, name) for name in ("source", "target"))
        times, amounts = (_integers(rows, name) for name in ("time", "amount"))
        wrong += int(_count_wrong(times, source, target, amounts, paid, got, balance, seen))
    return wrong


def _quiet_days(times: Int64Array) -> int:
    """Return how many days (not rows) have almost no transfers."""
    first, last = int(times[0]) // clock.DAY, int(times[-1]) // clock.DAY
    if last - first < 2:
        return 0
    edges = np.arange(first, last + 2) * clock.DAY
    counts = np.diff(np.searchsorted(times, edges))
    median = float(np.median(counts))
    return int(np.count_nonzero(counts[1:-1] < median / 20)) if median >= _BUSY_DAY else 0


def _integers(table: pa.Table, name: str) -> Int64Array:
    found = table.column(name)
    column = (found.chunk(0) if found.num_chunks == 1 else found.combine_chunks()).view(pa.int64())
    numbers: Int64Array = (column.fill_null(_UNKNOWN) if column.null_count else column).to_numpy()
    return numbers


def _codes(transfers: pa.Table, name: str) -> Int32Array:
    codes: Int32Array = transfers.column(name).chunk(0).indices.to_numpy()
    return codes


@njit(cache=True, nogil=True)
def _count_wrong(
    time: Any, source: Any, target: Any, amount: Any, source_after: Any, target_after: Any, balance: Any, seen: Any
) -> Any:
    # balance[a] = what account a must have now, seen[a] = its last time; the balance is _UNKNOWN
    # if nothing was seen or simultaneous transfers hide the order.
    wrong = 0
    for i in range(time.size):
        for side in range(2):
            account = source[i] if side == 0 else target[i]
            after = source_after[i] if side == 0 else target_after[i]
            moved = -amount[i] if side == 0 else amount[i]
            if source[i] == target[i] or seen[account] == time[i]:
                balance[account] = _UNKNOWN
            else:
                expected = balance[account] + moved if balance[account] != _UNKNOWN else _UNKNOWN
                if after != _UNKNOWN:
                    wrong += expected not in (_UNKNOWN, after)
                    balance[account] = after
                else:
                    balance[account] = expected
            seen[account] = time[i]
    return wrong


def _after_closing(tables: Mapping[str, pa.Table], account_ids: pa.StringArray) -> Iterator[Count]:
    accounts = tables.get("accounts")
    if accounts is None or "closed_at" not in accounts.column_names:
        return
    closed = accounts.filter(pc.is_valid(accounts["closed_at"]))
    end = np.full(len(account_ids), np.iinfo(np.int64).max)
    end[pc.index_in(closed["account_id"], account_ids).to_numpy()] = _integers(closed, "closed_at")
    transfers = tables["transfers"]
    n_late = 0
    for start in range(0, len(transfers), _SLICE):
        rows = transfers.slice(start, _SLICE)
        times = _integers(rows, "time")
        n_late += int(np.count_nonzero((times > end[_codes(rows, "source")]) | (times > end[_codes(rows, "target")])))
    yield "transfers", "time", reasons.AFTER_CLOSING, n_late


def _early_labels(tables: Mapping[str, pa.Table]) -> Iterator[Count]:
    labels = tables.get("labels")
    if labels is not None and "known_ts" in labels.column_names:
        early = pc.less(labels["known_ts"], pc.min(tables["transfers"]["time"]))
        yield "labels", "known_ts", reasons.LABEL_EARLY, pc.sum(early).as_py() or 0


def _untimed_withdrawals(tables: Mapping[str, pa.Table]) -> Iterator[Count]:
    complaints = tables.get("complaints")
    if complaints is not None and "status" in complaints.column_names:
        untimed = pc.equal(complaints["status"].cast(pa.string()), "withdrawn")
        if "status_ts" in complaints.column_names:
            untimed = pc.and_(untimed, complaints["status_ts"].is_null())
        yield "complaints", "status", reasons.NO_STATUS_TIME, pc.sum(untimed).as_py() or 0


def _hubs(tables: Mapping[str, pa.Table]) -> Iterator[Count]:
    identifiers = tables.get("identifiers")
    if identifiers is not None and identifiers.num_rows > _HUB_HOLDERS:
        holders = identifiers.group_by(["kind", "value_hash"]).aggregate([("entity_id", "count_distinct")])
        hubs = holders.filter(pc.greater(holders["entity_id_count_distinct"], _HUB_HOLDERS))
        shared = identifiers.join(hubs, ["kind", "value_hash"], join_type="left semi").num_rows if len(hubs) else 0
        yield "identifiers", "value_hash", reasons.HUB, shared
