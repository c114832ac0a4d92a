"""The record of holds: a Parquet file of events to which rows are added, and of which none is ever changed.

Each row carries a digest of itself and of the row before, so that a row that was changed, moved or taken out is noticed
when the record is read. A new row is written with all old ones to a file beside, which then gets the name; whoever
writes at the same time waits. Who decided and why are free text: they stand in the record, and in no error or log.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any, Final

import numpy as np
import pyarrow as pa

from muledetect.clock import Moment, parse_time
from muledetect.errors import DataError, OptionError
from muledetect.frames import as_arrow
from muledetect.holds.clocks import Clocks, load_clocks
from muledetect.holds.rules import EVENTS, check_events
from muledetect.outputs import check_output
from muledetect.outputs.kinds import HOLD_RECORD
from muledetect.records.intake import read_parquet
from muledetect.records.write import write_table
from muledetect.schema import HOLD_EVENTS, did_you_mean

_ID: Final = "event_id"
#: Who decided, and why, have at most so many signs.
_LONGEST: Final = 2_000
#: A year from here on is one of the Buddhist era: 2400 is 1857.
_BUDDHIST_YEAR: Final = 2_400
_ONLY_HELD: Final = ("account_id", "complaint_id", "traced_at", "transfer_id", "clock")


def read_record(record: pa.Table | str | Path, *, may_be_new: bool = False) -> pa.Table:
    """Return the events of a record in their order, if none was changed since it was written.

    Parameters
    ----------
    record : pyarrow.Table or path
    may_be_new : bool
        A file that is not there is a record without events: the first `add_event` makes it.

    Raises
    ------
    DataError
        If there is no such file, it is no record, or a row was changed, moved or taken out.
    """
    if isinstance(record, str | Path):
        if not Path(record).exists():
            if may_be_new:
                return HOLD_EVENTS.arrow_schema.empty_table()
            raise DataError(
                f"record of holds: there is no file {Path(record).name!r}. Give the one that `muledetect hold` wrote; "
                "the first hold makes it."
            )
        try:
            table = read_parquet(Path(record), "record of holds")
        except (OSError, pa.ArrowInvalid) as error:
            raise DataError(
                f"record of holds: {Path(record).name!r} cannot be read as a Parquet file. Give the file that "
                "`muledetect hold` wrote."
            ) from error
    else:
        table = as_arrow(record, "record of holds")
    lacking = [name for name in HOLD_EVENTS.names if name not in table.column_names]
    if lacking:
        raise DataError(f"record of holds: column(s) {', '.join(lacking)} are missing; give a record of `hold`.")
    events = table.select(HOLD_EVENTS.names).cast(HOLD_EVENTS.arrow_schema)
    before = ""
    for at, row in enumerate(rows_of(events)):
        if row[_ID] != _digest(before, row):
            raise DataError(
                f"record of holds: row {at} was changed after it was written, or a row before it is missing. Take the "
                "record from a copy that was kept."
            )
        before = row[_ID]
    return events


def add_event(
    record: str | Path,
    event: str,
    *,
    pack: str | Path | Clocks,
    time: Moment,
    decided_by: str,
    why: str,
    hold_id: str | None = None,
    account_id: str | None = None,
    complaint_id: str | None = None,
    traced_at: Moment | None = None,
    transfer_id: str | None = None,
    clock: str | None = None,
    amount: int | None = None,
    until: Moment | None = None,
    power: str | None = None,
    recorded: Moment | None = None,
    overwrite: bool = False,
) -> str:
    """Write an event into a record of holds; return the id of its hold.

    Parameters
    ----------
    record : path
        Parquet file; the first event makes it.
    event : str
        held, reported, extended, reviewed, appealed, released or expired, see `schema.HOLD_EVENTS`.
    pack : str, path or Clocks
        Clocks of the country. What they do not allow is refused.
    time : Moment
        When it took effect. A text must say its zone, and its year is Gregorian.
    decided_by, why : str
        Free text, shown to people and never logged.
    hold_id : str, optional
        The hold; with "held" a new one by default, H000001 and so on.
    account_id, complaint_id, traced_at, transfer_id, clock : optional
        With "held" only: where the money is, and what the hold stems from.
    amount : int, optional
        Minor units that are held or released; released without it: all that is left.
    until : Moment, optional
        When the hold ends; needed with "extended".
    power : str, optional
        With "extended": bank, police, court or agency.
    recorded : Moment, optional
        When it is written down; by default now.
    overwrite : bool
        Write the record also if the file's manifest is not there, as in a copy. Its rows stay in any case.

    Raises
    ------
    OptionError
        If the event does not fit the clock or the state of the hold; as OutputError if the file is not ours.
    DataError
        If the record was changed.
    """
    clocks, moments = load_clocks(pack), {"time": time, "traced_at": traced_at, "until": until}
    known = parse_time(datetime.now(UTC)) if recorded is None else _moment(recorded, "recorded")
    new: dict[str, Any] = {
        "event": event, "known_ts": known, "account_id": account_id, "complaint_id": complaint_id,
        "transfer_id": transfer_id, "clock": clock, "amount": amount, "power": power,
        "decided_by": decided_by.strip(), "why": why.strip(), _ID: None,
    } | {name: None if moment is None else _moment(moment, name) for name, moment in moments.items()}  # fmt: skip
    _check_fields(new)
    place = check_output(record, HOLD_RECORD, overwrite=overwrite)
    with _one_writer(place):
        rows = rows_of(read_record(place, may_be_new=True))
        new["hold_id"] = hold_id or (_next_id(rows) if event == "held" else None)
        if new["hold_id"] is None:
            raise OptionError(f"hold: the event {event!r} needs the hold that it is of. Give its hold_id (--hold).")
        if rows and known < rows[-1]["known_ts"]:
            raise OptionError("hold: it is written down before the last event of the record was. Set the clock right.")
        if new["time"] > known:
            raise OptionError("hold: it takes effect after it is written down. Write it down when it has happened.")
        check_events([*rows, new], clocks)
        new[_ID] = _digest(rows[-1][_ID] if rows else "", new)
        table = pa.Table.from_pylist([*rows, new], HOLD_EVENTS.arrow_schema)
        write_table(table, place, output=HOLD_RECORD, overwrite=overwrite)
    return str(new["hold_id"])


def rows_of(table: pa.Table) -> list[dict[str, Any]]:
    """Return the rows of a table, times as microseconds."""
    plain = pa.table(
        {
            name: column.cast(pa.int64()) if pa.types.is_timestamp(column.type) else column
            for name, column in zip(table.column_names, table.columns, strict=True)
        }
    )
    rows: list[dict[str, Any]] = plain.to_pylist()
    return rows


def _check_fields(new: dict[str, Any]) -> None:
    event = new["event"]
    if event not in EVENTS:
        raise OptionError(f"hold: there is no event {event!r}; it is one of {EVENTS}.{did_you_mean(event, EVENTS)}")
    for name in ("decided_by", "why"):
        if not 0 < len(new[name]) <= _LONGEST:
            raise OptionError(f"hold: say {name} in 1 to {_LONGEST:,} signs; got {len(new[name]):,}.")
    if event != "held" and (given := [name for name in _ONLY_HELD if new[name] is not None]):
        raise OptionError(f"hold: {', '.join(given)} is said with the event held only. Leave it out.")
    if new["amount"] is not None and (event not in ("held", "released") or new["amount"] < 1):
        raise OptionError("hold: an amount goes with held and released, in minor units, 1 or more.")
    if new["until"] is not None and event not in ("held", "extended"):
        raise OptionError("hold: `until` goes with held and extended.")
    if new["power"] is not None and event != "extended":
        raise OptionError("hold: `power` goes with extended.")


def _moment(moment: Moment, name: str) -> int:
    """Return a moment as microseconds; a text without a zone, or with a Buddhist year, is refused."""
    found = parse_time(moment)
    told = datetime.fromisoformat(moment.strip()) if isinstance(moment, str) else moment
    if isinstance(told, date) and (not isinstance(told, datetime) or told.tzinfo is None):
        raise OptionError(f"hold: {name!r} must say its zone, such as 2025-03-01T09:30+07:00 or 2025-03-01T02:30Z.")
    if np.datetime64(found, "us").astype("datetime64[Y]").astype(int) + 1970 >= _BUDDHIST_YEAR:
        raise OptionError(f"hold: the year of {name!r} is a Buddhist one. Write it in Gregorian years: 2568 is 2025.")
    return found


def _next_id(rows: list[dict[str, Any]]) -> str:
    taken = {row["hold_id"] for row in rows}
    number = len(taken) + 1
    while f"H{number:06d}" in taken:
        number += 1
    return f"H{number:06d}"


def _digest(before: str, row: dict[str, Any]) -> str:
    said = json.dumps([before, {name: row[name] for name in HOLD_EVENTS.names if name != _ID}], sort_keys=True)
    return hashlib.sha256(said.encode()).hexdigest()[:32]


@contextmanager
def _one_writer(place: Path) -> Iterator[None]:
    """Let one process at a time read the record, add to it and write it."""
    place.parent.mkdir(parents=True, exist_ok=True)
    lock = os.open(place.with_name(f".{place.name}.muledetect.lock"), os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
    finally:
        os.close(lock)
