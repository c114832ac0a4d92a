"""What is worth telling about accepted tables although no row is wrong by itself."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

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
_UNKNOWN: Final = np.int64(-(2**63))


def warnings_of(
    tables: Mapping[str, pa.Table], account_ids: pa.StringArray, tick: int, rows_read: Mapping[str, int], now: int
) -> list[Finding]:
    """Return all warnings about accepted tables; `now` in microseconds."""
    transfers = tables["transfers"]
    warnings = list(_empty_tables(tables, rows_read))
    warnings += _future_times(tables, rows_read, now)
    if transfers.num_rows:
        warnings += _transfer_warnings(transfers, tick, rows_read["transfers"])
        warnings += _after_closing(tables, account_ids, rows_read)
        warnings += _early_labels(tables, rows_read)
    return [*warnings, *_untimed_withdrawals(tables, rows_read), *_hubs(tables, rows_read)]


def nothing_left(transfers: pa.Table, n_read: int) -> list[Finding]:
    """Return the error that no transfer is left, if so: then there is nothing to work with."""
    if transfers.num_rows:
        return []
    text = f"transfers: {reasons.NOTHING_LEFT} of {n_read:,} read. {reasons.mend(reasons.NOTHING_LEFT)}"
    return [Finding("error", "transfers", "transfer_id", reasons.NOTHING_LEFT, n_read, None, text)]


def _warn(table: str, column: str, reason: str, n_rows: int, n_read: int) -> Finding:
    # Accepted rows are in canonical order here, so there is no input row number to give.
    return describe("warn", table, column, reason, n_rows, None, n_read)


def _empty_tables(tables: Mapping[str, pa.Table], rows_read: Mapping[str, int]) -> Iterator[Finding]:
    for name, table in tables.items():
        if table.num_rows == 0 and name != "transfers":
            yield _warn(name, INPUTS[name].required[0], reasons.EMPTY, 0, rows_read[name])


def _future_times(tables: Mapping[str, pa.Table], rows_read: Mapping[str, int], now: int) -> Iterator[Finding]:
    for name, table in tables.items():
        for column in (INPUTS[name].event_time, "known_ts"):
            if column is None or column not in table.column_names:
                continue
            latest = pc.max(table.column(column)).value if table.num_rows else None
            if latest is not None and latest > now:
                later = pc.sum(pc.greater(table.column(column), pa.scalar(now, table.column(column).type))).as_py()
                yield _warn(name, column, reasons.FUTURE, later, rows_read[name])


def _transfer_warnings(transfers: pa.Table, tick: int, n_read: int) -> Iterator[Finding]:
    times = _integers(transfers, "time")
    source, target = (_codes(transfers, name) for name in ("source", "target"))
    if tick % clock.DAY == 0:
        yield _warn("transfers", "time", reasons.MIDNIGHT, len(times), n_read)
    n_self = int(np.count_nonzero(source == target))
    if n_self:
        yield _warn("transfers", "target", reasons.SELF, n_self, n_read)
    n_gaps = _quiet_days(times)
    if n_gaps:
        yield describe_gaps(n_gaps, n_read)
    yield from _untimed_returns(transfers, n_read)
    yield from _balances(transfers, times, source, target, n_read)


def _untimed_returns(transfers: pa.Table, n_read: int) -> Iterator[Finding]:
    if "status" not in transfers.column_names:
        return
    returned = transfers["transfer_id"].filter(pc.equal(transfers["status"].cast(pa.string()), "returned"))
    if "reversal_of" in transfers.column_names:
        back = transfers["reversal_of"].cast(pa.string()).combine_chunks()
        returned = returned.filter(pc.invert(pc.is_in(returned.cast(pa.string()), back)))
    if len(returned):
        yield _warn("transfers", "status", reasons.RETURNED, len(returned), n_read)


def describe_gaps(n_days: int, n_read: int) -> Finding:
    """Return the warning about days (not rows) that have almost no transfers."""
    text = (
        f"transfers: column 'time': {reasons.GAP}; {n_days:,} days (UTC) between the first and the last transfer. "
        f"{reasons.mend(reasons.GAP)}"
    )
    return Finding("warn", "transfers", "time", reasons.GAP, min(n_days, n_read), None, text)


def describe_currency(n_read: int) -> Finding:
    """Return the warning that nobody said in which currency the amounts are."""
    return _warn("transfers", "currency", reasons.NO_CURRENCY, n_read, n_read)


def _quiet_days(times: Int64Array) -> int:
    first, last = int(times[0]) // clock.DAY, int(times[-1]) // clock.DAY
    if last - first < 2:
        return 0
    edges = np.arange(first, last + 2) * clock.DAY
    counts = np.diff(np.searchsorted(times, edges))
    median = float(np.median(counts))
    return int(np.count_nonzero(counts[1:-1] < median / 20)) if median >= _BUSY_DAY else 0


def _integers(table: pa.Table, name: str) -> Int64Array:
    column = table.column(name).combine_chunks().view(pa.int64())
    numbers: Int64Array = (column.fill_null(_UNKNOWN) if column.null_count else column).to_numpy()
    return numbers


def _codes(transfers: pa.Table, name: str) -> Int32Array:
    codes: Int32Array = transfers.column(name).chunk(0).indices.to_numpy()
    return codes


@njit(cache=True, nogil=True)
def _check_balances(
    time: Any, source: Any, target: Any, amount: Any, source_after: Any, target_after: Any, n_accounts: Any
) -> Any:
    # balance[a] = what account a must have now, _UNKNOWN if nothing was seen or simultaneous transfers hide the order.
    balance = np.full(n_accounts, _UNKNOWN)
    seen = np.full(n_accounts, _UNKNOWN)
    checked = 0
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
                    if expected != _UNKNOWN:
                        checked += 1
                        wrong += expected != after
                    balance[account] = after
                else:
                    balance[account] = expected
            seen[account] = time[i]
    return checked, wrong


def _balances(
    transfers: pa.Table, times: Int64Array, source: Int32Array, target: Int32Array, n_read: int
) -> Iterator[Finding]:
    present = [name for name in ("source_balance_after", "target_balance_after") if name in transfers.column_names]
    if not present:
        return
    nothing = np.full(len(times), _UNKNOWN)
    after = [
        _integers(transfers, name) if name in present else nothing
        for name in ("source_balance_after", "target_balance_after")
    ]
    n_accounts = len(transfers.column("source").chunk(0).dictionary)
    amount = _integers(transfers, "amount")
    _, wrong = _check_balances(times, source, target, amount, after[0], after[1], n_accounts)
    if wrong:
        yield _warn("transfers", present[0], reasons.BALANCE, int(wrong), n_read)


def _after_closing(
    tables: Mapping[str, pa.Table], account_ids: pa.StringArray, rows_read: Mapping[str, int]
) -> Iterator[Finding]:
    accounts = tables.get("accounts")
    if accounts is None or "closed_at" not in accounts.column_names:
        return
    closed = accounts.filter(pc.is_valid(accounts.column("closed_at")))
    if closed.num_rows == 0:
        return
    end = np.full(len(account_ids), np.iinfo(np.int64).max)
    end[pc.index_in(closed.column("account_id"), account_ids).to_numpy()] = _integers(closed, "closed_at")
    transfers = tables["transfers"]
    times = _integers(transfers, "time")
    late = (times > end[_codes(transfers, "source")]) | (times > end[_codes(transfers, "target")])
    n_late = int(np.count_nonzero(late))
    if n_late:
        yield _warn("transfers", "time", reasons.AFTER_CLOSING, n_late, rows_read["transfers"])


def _early_labels(tables: Mapping[str, pa.Table], rows_read: Mapping[str, int]) -> Iterator[Finding]:
    labels = tables.get("labels")
    if labels is None or "known_ts" not in labels.column_names:
        return
    first = pc.min(tables["transfers"].column("time"))
    early = pc.sum(pc.less(labels.column("known_ts"), first)).as_py() or 0
    if early:
        yield _warn("labels", "known_ts", reasons.LABEL_EARLY, early, rows_read["labels"])


def _untimed_withdrawals(tables: Mapping[str, pa.Table], rows_read: Mapping[str, int]) -> Iterator[Finding]:
    complaints = tables.get("complaints")
    if complaints is None or "status" not in complaints.column_names:
        return
    untimed = pc.equal(complaints["status"].cast(pa.string()), "withdrawn")
    if "status_ts" in complaints.column_names:
        untimed = pc.and_(untimed, complaints["status_ts"].is_null())
    n_untimed = pc.sum(untimed).as_py() or 0
    if n_untimed:
        yield _warn("complaints", "status", reasons.NO_STATUS_TIME, n_untimed, rows_read["complaints"])


def _hubs(tables: Mapping[str, pa.Table], rows_read: Mapping[str, int]) -> Iterator[Finding]:
    identifiers = tables.get("identifiers")
    if identifiers is None or identifiers.num_rows <= _HUB_HOLDERS:
        return
    holders = identifiers.group_by(["kind", "value_hash"]).aggregate([("entity_id", "count_distinct")])
    n_hubs = pc.sum(pc.greater(holders.column("entity_id_count_distinct"), _HUB_HOLDERS)).as_py()
    if n_hubs:
        hubs = holders.filter(pc.greater(holders.column("entity_id_count_distinct"), _HUB_HOLDERS))
        shared = identifiers.join(hubs, ["kind", "value_hash"], join_type="left semi").num_rows
        yield _warn("identifiers", "value_hash", reasons.HUB, shared, rows_read["identifiers"])
