"""One small bank as it was known at a moment, with its true future, and with another future."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, Final

import numpy as np
import pyarrow as pa
from small_world import SCORED_AT, small_world

from muledetect.clock import DAY, HOUR, parse_time
from muledetect.records import Dataset, read_dataset

AS_OF: Final = parse_time(SCORED_AT)
Tables = Mapping[str, pa.Table]

#: Clocks of whole rows.
ROWS: Final = ("time", "known_ts", "valid_from")
#: Clocks of single values: what is stated, and when that was known.
VALUES: Final = {
    "accounts": {"balance": "balance_at", "closed_at": "closed_at", "balance_at": "balance_at"},
    "complaints": {"status": "status_ts", "status_ts": "status_ts"},
    "identifiers": {"valid_to": "valid_to"},
    "watchlists": {"valid_to": "valid_to"},
    "registry": {"valid_to": "valid_to"},
    "labels": {"activity_end": "activity_end"},
}


@dataclass(frozen=True)
class Futures:
    """Data sets that agree in all that was known before `AS_OF`, and scores of every account."""

    past: Dataset
    whole: Dataset
    other: Dataset
    scores: pa.Table


@cache
def futures() -> Futures:
    """Return the bank without a future, with its own, and with one in which rows, statuses and ends are shuffled."""
    tables = with_turns(small_world())
    made = [read_dataset(dict(one), currency="THB", tick=1) for one in (known(tables), tables, shuffled(tables))]
    mules = set(small_world()["truth_rings"]["account_id"].to_pylist())
    ids = tables["accounts"]["account_id"].to_pylist()
    score = [0.9 if name in mules else 0.02 for name in ids]
    return Futures(*made, pa.table({"account_id": ids, "score": score, "probability": score}))


def with_turns(world: Tables) -> dict[str, pa.Table]:
    """Return the bank without truth, with reversals, withdrawals and ends on either side of the moment."""
    tables = {name: table for name, table in world.items() if not name.startswith("truth_")}
    complaints, lists, transfers = tables["complaints"], tables["watchlists"], tables["transfers"]
    heard = np.flatnonzero(micros(complaints, "known_ts") < AS_OF)
    status, at = complaints["status"].to_pylist(), micros(complaints, "status_ts").tolist()
    for place, row in enumerate(heard):
        status[row] = ["open", "withdrawn", "withdrawn"][place % 3]
        at[row] = AS_OF + DAY if place % 3 == 1 else micros(complaints, "known_ts")[row] + HOUR
    complaints = changed(changed(complaints, "status", pa.array(status)), "status_ts", times(at))
    ends = [AS_OF + DAY if row % 3 == 0 else AS_OF - DAY if row % 3 == 1 else None for row in range(len(lists))]
    lists = changed(lists, "valid_to", times(ends))
    paid = np.flatnonzero(np.isin(transfers["transfer_id"].to_pylist(), complaints["transfer_id"].to_pylist()))[:12]
    return tables | {"complaints": complaints, "watchlists": lists, "transfers": with_reversals(transfers, paid),
                     "registry": registry_of(tables["accounts"])}  # fmt: skip


def registry_of(accounts: pa.Table) -> pa.Table:
    """Return a registry of every ninth account: listed before the moment; some appealed or removed on either side."""
    subjects = accounts["account_id"].to_pylist()[::9]
    rows = []
    for place, subject in enumerate(subjects):
        row = {"scheme": "none", "entry_id": f"e{place}", "subject_kind": "account", "subject_id": subject,
               "tier": "suspected", "status": "listed", "centre_id": "c",
               "reliability": 0.5 + place % 5 / 10}  # fmt: skip
        first, later = AS_OF - (5 + place % 20) * DAY, AS_OF + (place % 3 - 1) * DAY
        rows.append(
            row | {"valid_from": first, "known_ts": first + HOUR, "valid_to": later if place % 4 == 0 else None}
        )
        if place % 2:
            turned = row | {"status": ["removed", "appealed", "listed"][place % 3], "reliability": 0.3}
            rows.append(turned | {"valid_from": later - DAY, "known_ts": later, "valid_to": None})
    table = pa.Table.from_pylist(rows)
    for name in ("valid_from", "valid_to", "known_ts"):
        table = changed(table, name, times(table[name].to_pylist()))
    return table


def with_reversals(transfers: pa.Table, rows: Any) -> pa.Table:
    """Send transfers back, every second one before the moment."""
    few = transfers.take(pa.array(rows))
    moment = [min(t + HOUR, AS_OF - HOUR) if k % 2 else max(t, AS_OF) + HOUR for k, t in enumerate(micros(few, "time"))]
    back = {
        "transfer_id": pa.array([f"back {name}" for name in few["transfer_id"].to_pylist()]),
        "reversal_of": few["transfer_id"].cast(pa.string()), "time": times(moment),
        "source": few["target"], "target": few["source"], "amount": few["amount"],
    }  # fmt: skip
    return pa.concat_tables([transfers, pa.table(back)], promote_options="permissive")


def known(tables: Tables) -> dict[str, pa.Table]:
    """Return what was known before the moment: of each row and of each value that has a clock."""
    found = {}
    for name, whole in tables.items():
        table = whole.filter(pa.array(is_past(name, whole)))
        for column, clock in VALUES.get(name, {}).items():
            if {column, clock} <= set(whole.column_names):
                before = micros(table, clock) < AS_OF
                plain = "open" if column == "status" else None
                kept = [
                    value if is_old else plain for value, is_old in zip(table[column].to_pylist(), before, strict=True)
                ]
                table = changed(table, column, pa.array(kept, table[column].type))
        found[name] = table
    return found


def shuffled(tables: Tables) -> dict[str, pa.Table]:
    """Return the same past with another future: each column of later rows shuffled, later values changed."""
    random, found = np.random.default_rng(7), {}
    for name, table in tables.items():
        past, later = (table.filter(pa.array(rows)) for rows in (is_past(name, table), ~is_past(name, table)))
        ids = [column for column in later.column_names if column.endswith("_id") or column in ROWS]
        for column in set(later.column_names) - set(ids) - {"reversal_of", "status_ts"}:
            if name != "transfers" or column in ("amount", "target"):
                later = changed(later, column, later[column].take(pa.array(random.permutation(len(later)))))
        for column, clock in VALUES.get(name, {}).items():
            if {column, clock} <= set(past.column_names):
                is_new = pa.array(micros(past, clock) >= AS_OF)
                other = pa.array([other_value(value) for value in past[column].to_pylist()], past[column].type)
                past = changed(past, column, pa.compute.if_else(is_new, other, past[column]))
        found[name] = pa.concat_tables([past, later])
    return found


def other_value(value: Any) -> Any:
    """Return another balance or status, and no end."""
    if isinstance(value, int):
        return value + 5
    return {"withdrawn": "confirmed"}.get(value, value) if isinstance(value, str) else None


def is_past(name: str, table: pa.Table) -> np.ndarray[Any, np.dtype[np.bool_]]:
    """Return which rows had happened and were known; the time of a complaint is a statement about its transfer."""
    clocks = [clock for clock in ROWS if clock in table.column_names and (name, clock) != ("complaints", "time")]
    past = np.ones(len(table), np.bool_)
    for clock in clocks:
        past &= micros(table, clock) < AS_OF
    return past


def micros(table: pa.Table, name: str) -> np.ndarray[Any, np.dtype[np.int64]]:
    """Return times in microseconds; 0 where there is none."""
    return np.asarray(table[name].cast(pa.timestamp("us", tz="UTC")).cast(pa.int64()).fill_null(0).to_numpy())


def times(moments: Any) -> pa.Array:
    """Return microseconds as Arrow times."""
    return pa.array(moments, pa.int64()).cast(pa.timestamp("us", tz="UTC"))


def changed(table: pa.Table, name: str, column: Any) -> pa.Table:
    """Return the table with another column of that name, which it may lack."""
    if name not in table.column_names:
        return table.append_column(name, column)
    return table.set_column(table.column_names.index(name), name, column)
