"""What becomes of events: the rules of `muledetect.records`, for rows that meet those that are booked.

Each row is read as `read_dataset` reads it. What only shows beside other rows follows the same rules, with one
difference that time makes: what was booked stays. A row that comes again is a duplicate; an id that comes again with
other content is rejected, and the first row stays, where a data set rejects both; a reversal is held against its
original and what went back of it by then.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime
from functools import partial
from time import time_ns
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from muledetect.arrays import Int64Array
from muledetect.live.state import LiveState
from muledetect.live.types import Booked
from muledetect.records import reasons
from muledetect.records.arriving import read_arriving
from muledetect.records.reversals import ENDS, find_reversals
from muledetect.schema import INPUTS

ACCEPTED: Final = Booked("accepted")

#: A column that the data set did not have that the state began with: its absence is part of what columns mean.
NEW_COLUMN: Final = "column that the state does not have"

#: A table that the data set did not have that the state began with.
NEW_TABLE: Final = "table that the state does not have"

#: Columns that say something new of a row that is there; the others tell that it is the same row.
TURNS: Final[Mapping[str, tuple[str, ...]]] = {
    "complaints": ("status", "status_ts"), "watchlists": ("valid_to",), "identifiers": ("valid_to",),
    "labels": ("activity_end",), "accounts": ("closed_at", "balance", "balance_at", "daily_limit"),
}  # fmt: skip

#: Column that says which of the rows that were given a row is.
PLACE: Final = "row_of_the_batch"


#: Told which rows of a table will be booked, just before they are.
Keep = Callable[[str, list[Mapping[str, Any]]], None]


def book_transfers(state: LiveState, rows: Sequence[Mapping[str, Any]], keep: Keep | None = None) -> list[Booked]:
    """Book transfers, as if one by one in their order; return what became of each.

    Parameters
    ----------
    state : LiveState
        Holds them afterwards.
    rows : sequence of mappings
        Of the columns of the table `transfers`.
    keep : callable, optional
        Writes accepted rows down; if it fails, they are not booked.
    """
    found: list[Booked] = []
    for some in _runs(rows):
        plain = state.plain("transfers", some)
        if plain is not None:
            if keep is not None:
                keep("transfers", list(some))
            state.add_transfers(plain)
            found += [ACCEPTED] * len(some)
            continue
        table, outcomes = read_rows(state, "transfers", some)
        ends = _judge(state, table, outcomes)
        swapped = np.array([one is not None and one for one in ends], np.bool_)
        is_accepted = pa.array([one is not None for one in ends], pa.bool_())
        accepted = _turned(table, np.flatnonzero(swapped)).filter(is_accepted) if len(table) else table
        if len(accepted):
            if keep is not None:
                keep("transfers", [row for row, outcome in zip(some, outcomes, strict=True) if outcome == ACCEPTED])
            state.add_transfers(accepted.drop_columns(PLACE))
        found += outcomes
    return found


def book_rows(state: LiveState, name: str, rows: Sequence[Mapping[str, Any]], keep: Keep | None = None) -> list[Booked]:
    """Book rows of another table than transfers; return what became of each.

    A row that differs from one that is there only in its status, its end or its balance takes the place of that row.

    Parameters
    ----------
    state : LiveState
    name : str
        Table.
    rows : sequence of mappings
    keep : callable, optional
        As for `book_transfers`.
    """
    found: list[Booked] = []
    for row in rows:
        plain = state.plain(name, [row])
        if plain is not None:
            if keep is not None:
                keep(name, [row])
            state.add_rows(name, plain)
            found.append(ACCEPTED)
            continue
        table, outcomes = read_rows(state, name, [row])
        if outcomes[0] == ACCEPTED and len(table):
            outcomes[0] = _add(state, name, table.drop_columns(PLACE), partial(keep, name, [row]) if keep else None)
        found += outcomes
    return found


def read_rows(state: LiveState, name: str, rows: Sequence[Mapping[str, Any]]) -> tuple[pa.Table, list[Booked]]:
    """Return the rows that can be read, in contract types and with the column `row_of_the_batch`, and all outcomes."""
    if name not in state.tables:
        return pa.table({}), [Booked("rejected", NEW_TABLE)] * len(rows)
    outcomes = [_refused(state, name, row) or ACCEPTED for row in rows]
    given = [place for place, outcome in enumerate(outcomes) if outcome == ACCEPTED]
    if not given:
        return pa.table({}), outcomes
    columns = dict.fromkeys(column for place in given for column in rows[place])
    source = {column: _column([rows[place].get(column) for place in given]) for column in columns}
    for column in INPUTS[name].required:
        source.setdefault(column, pa.nulls(len(given), pa.string()))
    if "reversal_of" in source and "channel" in state.tables[name]:
        source.setdefault("channel", pa.nulls(len(given), pa.string()))  # a reversal has a channel of its own
    source[PLACE] = pa.array(given, pa.int64())
    table, rejects = read_arriving(name, pa.table(source), currency=state.currency, now=time_ns() // 1_000)
    for row in rejects.to_pylist():
        is_repeat = row["reason"] in (reasons.DUPLICATE, reasons.PAIRED)
        outcomes[given[row["row"]]] = Booked("duplicate" if is_repeat else "rejected", row["reason"], row["column"])
    return table, outcomes


def _runs(rows: Sequence[Mapping[str, Any]]) -> Iterator[Sequence[Mapping[str, Any]]]:
    """Yield runs of rows in which no row speaks of another: no id twice, no reversal of a row of the run."""
    every = [row.get("transfer_id") for row in rows]
    if len(set(every)) == len(rows) and all(row.get("reversal_of") is None for row in rows):
        yield from [rows] if rows else []
        return
    begin_at, ids = 0, set[Any]()
    for place, row in enumerate(rows):
        if {row.get("transfer_id"), row.get("reversal_of")} & ids:
            yield rows[begin_at:place]
            begin_at, ids = place, set()
        ids |= {row.get("transfer_id"), row.get("reversal_of")} - {None}
    if len(rows) > begin_at:
        yield rows[begin_at:]


def _refused(state: LiveState, name: str, row: Mapping[str, Any]) -> Booked | None:
    known = state.tables[name]
    for column, value in row.items():
        if value is not None and column not in known and (name, column) != ("transfers", "currency"):
            return Booked("rejected", NEW_COLUMN, column if column in INPUTS[name].names else "")
    return None


def _column(values: list[Any]) -> pa.Array:
    """Return values of one column as Arrow; as text where they are of several kinds, for the contract parses text."""
    kinds = {type(value) for value in values if value is not None}
    if kinds <= {int} or kinds <= {float} or kinds <= {bool} or kinds <= {str} or kinds <= {datetime}:
        kind = pa.string() if kinds <= {str} else None
        if kinds == {datetime} and all(value is None or value.tzinfo is not None for value in values):
            kind = pa.timestamp("us", "UTC")  # Arrow would look for a module of time zones, each time
        try:
            return pa.array(values, kind)
        except (pa.ArrowInvalid, OverflowError):
            pass
    return pa.array([None if value is None else str(value) for value in values], pa.string())


def _judge(state: LiveState, table: pa.Table, outcomes: list[Booked]) -> list[bool | None]:
    """Return whether the ends of each row must be swapped; None if it goes, and say why."""
    ends: list[bool | None] = [False] * len(table)
    if not len(table):
        return ends
    is_met = state.is_known("transfers", table["transfer_id"])
    if "reversal_of" in table.column_names:
        is_met |= table["reversal_of"].is_valid().to_numpy()
    for place in np.flatnonzero(is_met).tolist():
        ends[place] = _judge_one(state, table.slice(place, 1), outcomes)
    return ends


def _judge_one(state: LiveState, row: pa.Table, outcomes: list[Booked]) -> bool | None:
    at = row[PLACE][0].as_py()
    rows, name = state.tables["transfers"], row["transfer_id"][0].as_py()
    original = row["reversal_of"][0].as_py() if "reversal_of" in row.column_names else None
    for old in state.rows_of("transfers", name).tolist():
        outcomes[at] = _compare(rows, row, int(old), original is not None)
        return None
    if original is None:
        return False
    others = np.concatenate([state.rows_of("transfers", original), state.reversals_of(original)])
    reason, is_swapped = _reversal(rows.take(others), row)
    if reason:
        outcomes[at] = Booked("rejected", reason, "reversal_of")
        return None
    return is_swapped


def _compare(rows: Any, row: pa.Table, old: int, is_reversal: bool) -> Booked:
    """Return what a row is whose id is booked: the same once more, or something else."""
    known = rows.take(np.array([old])).to_pylist()[0]
    new = {name: row[name][0].as_py() for name in known if name in row.column_names}
    if is_reversal and (new["source"], new["target"]) == (known["target"], known["source"]):
        new |= {name: new.get(other) for ends in ENDS for name, other in (ends, ends[::-1]) if name in new}
    for name, value in new.items():
        if value is not None and known[name] is not None and value != known[name]:
            return Booked("rejected", reasons.DIFFERENT_CONTENT, "transfer_id")
    is_same = all(new.get(name) == value for name, value in known.items())
    return Booked("duplicate", reasons.DUPLICATE if is_same else reasons.PAIRED, "transfer_id")


def _reversal(others: pa.Table, row: pa.Table) -> tuple[str, bool]:
    """Return why a reversal is rejected, empty if it is not, and whether its ends are those of its original."""
    names = ("transfer_id", "reversal_of", "time", "source", "target", "amount")
    text = {"transfer_id", "reversal_of", "source", "target"}
    both = pa.concat_tables(
        pa.table({name: one[name].cast(pa.string()) if name in text else one[name].cast(pa.int64()) for name in names})
        for one in (others, row)
    )
    for name, codes in zip(("source", "target"), _codes(both["source"], both["target"]), strict=True):
        both = both.set_column(names.index(name), name, codes)
    found, last = find_reversals(both, np.zeros(len(both), np.bool_)), len(both) - 1
    for reason, positions in found.rejected.items():
        if last in positions:
            return reason, False
    return "", last in found.swapped


def _codes(*columns: pa.ChunkedArray) -> list[pa.ChunkedArray]:
    """Return texts of several columns as codes that they share."""
    ids = pc.unique(pa.chunked_array([chunk for column in columns for chunk in column.chunks]))
    return [pc.index_in(column, ids).cast(pa.int64()) for column in columns]


def _turned(table: pa.Table, positions: Int64Array) -> pa.Table:
    """Return the rows with the ends of some swapped."""
    if not len(positions):
        return table
    rows = table.to_pylist()
    for place in positions.tolist():
        for one, other in ENDS:
            if {one, other} & set(table.column_names):
                rows[place][one], rows[place][other] = rows[place].get(other), rows[place].get(one)
    plain = [(f.name, pa.string() if pa.types.is_dictionary(f.type) else f.type) for f in table.schema]
    return pa.Table.from_pylist(rows, pa.schema(plain))


def _add(state: LiveState, name: str, table: pa.Table, keep: Callable[[], None] | None) -> Booked:
    """Add one row; one that is there already is left out, and one that says something new of a row takes its place."""
    likeness, _ = state.compare(name, table, TURNS.get(name, ()))
    if likeness == "equal":
        return Booked("duplicate", reasons.DUPLICATE, INPUTS[name].required[0])
    if likeness == "other" and INPUTS[name].key:
        return Booked("rejected", reasons.DIFFERENT_CONTENT, INPUTS[name].key[0])
    if keep is not None:
        keep()
    if likeness == "turned":
        state.turn_row(name, table, TURNS[name])
    else:
        state.add_rows(name, table)
    return ACCEPTED
