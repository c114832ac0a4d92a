"""JSON rows by the contract of `schema.toml`: what a request may hold, and nothing else.

>>> read_row(TRANSFERS, {"transfer_id": "t1", "time": "2025-03-01T09:30:00Z", "source": "007", "target": "008",
...                      "amount": 150000})["time"].isoformat()
'2025-03-01T09:30:00+00:00'
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from functools import cache
from typing import Any, Final

import pyarrow as pa

from muledetect.clock import parse_time
from muledetect.errors import OptionError
from muledetect.records.ids import plain_ids
from muledetect.schema import INPUTS, TRANSFERS, Column, Table, did_you_mean
from muledetect.serve.request_errors import RequestError
from muledetect.strict_json import StrictJsonError, parse_json

#: Tables whose rows are events; transfers are booked, and tables of truth are never read.
EVENTS: Final = {name: table for name, table in INPUTS.items() if name != "transfers" and not name.startswith("truth_")}

_LONGEST: Final = 256
_TEXTS: Final = frozenset({"id", "hash", "category", "text"})


def read_json(body: bytes) -> Any:
    """Return the value of a text in strict JSON."""
    try:
        return parse_json(body)
    except StrictJsonError as error:
        raise RequestError("bad_json", f"body: {error}. Write strict JSON in UTF-8, flat rows.") from error


def read_rows(value: Any, many: str, most: int) -> list[Mapping[str, Any]]:
    """Return the rows of a request: the object itself, or the list under the name `many`; at most `most`."""
    if not isinstance(value, dict):
        raise RequestError("bad_json", f"body: must be an object, a row or {{{many!r}: [rows]}}; got {_kind(value)}.")
    rows = value[many] if set(value) == {many} else [value]
    if not isinstance(rows, list) or not rows or not all(isinstance(row, dict) for row in rows):
        raise RequestError("bad_json", f"body: {many!r} must be a list of rows, one at least, each an object.")
    if len(rows) > most:
        raise RequestError(
            "too_large", f"body: {len(rows):,} rows; at most {most:,} in a request. Send several requests."
        )
    return rows


def read_transfers(value: Any, most: int) -> list[dict[str, Any]]:
    """Return the transfers of a JSON request, each checked by the contract."""
    return _each("transfers", read_rows(value, "transfers", most), lambda row: read_row(TRANSFERS, row))


def read_events(value: Any, most: int) -> list[dict[str, Any]]:
    """Return the events of a JSON request: rows of tables, each with the name of its table under "table"."""
    return _each("events", read_rows(value, "events", most), _event)


def _each(what: str, rows: Sequence[Mapping[str, Any]], read: Any) -> list[dict[str, Any]]:
    found, wrong = [], []
    for number, row in enumerate(rows):
        try:
            found.append(read(row))
        except _RowError as error:
            wrong.append(f"row {number}: {error}")
    if wrong:
        more = f" and {len(wrong) - 5:,} more" if len(wrong) > 5 else ""
        raise RequestError(
            "bad_row", f"{what}: {'; '.join(wrong[:5])}{more}. Nothing of the request was done; see /docs."
        )
    return found


def _event(row: Mapping[str, Any]) -> dict[str, Any]:
    name = row.get("table")
    if not isinstance(name, str) or name not in EVENTS:
        hint = did_you_mean(name, list(EVENTS)) if isinstance(name, str) else ""
        raise _RowError(f"'table' must be one of {', '.join(EVENTS)}; transfers go to /book.{hint}")
    return {"table": name} | read_row(EVENTS[name], {key: value for key, value in row.items() if key != "table"})


def read_row(table: Table, row: Mapping[str, Any]) -> dict[str, Any]:
    """Return a row with its ids in their one spelling and times in UTC; null cells are left out.

    Raises `ValueError` with what is wrong with it, in words and without the id of an account.
    """
    known = _columns_of(table.name)
    for name in row:
        if name not in known:
            raise _RowError(f"there is no column {_short(name)} in {table.name}.{did_you_mean(name, table.names)}")
    missing = [name for name in table.required if row.get(name) is None]
    if missing:
        raise _RowError(f"lacks {', '.join(missing)}")
    return {name: _cell(known[name], value) for name, value in row.items() if value is not None}


@cache
def _columns_of(name: str) -> Mapping[str, Column]:
    return {column.name: column for column in INPUTS[name].columns}


def _cell(column: Column, value: Any) -> Any:
    """Return a cell in the form of its contract type."""
    if column.type in _TEXTS:
        return _text(column, value)
    where = f"column {column.name!r}"
    if column.type == "time":
        return _time(where, value)
    if column.type == "bool":
        if not isinstance(value, bool):
            raise _RowError(f"{where} must be true or false; got {_kind(value)}")
        return value
    if column.type in ("money", "int"):
        if not isinstance(value, int) or isinstance(value, bool):
            unit = " of minor units, such as satang or cents" if column.type == "money" else ""
            raise _RowError(f"{where} must be a whole number{unit}; got {_kind(value)}")
    elif not isinstance(value, int | float) or isinstance(value, bool) or not math.isfinite(value):
        raise _RowError(f"{where} must be a number; got {_kind(value)}")
    low, high = (0, 1) if column.type == "share" else (column.minimum, None)
    if (low is not None and value < low) or (high is not None and value > high):
        raise _RowError(f"{where} must be {low} or more{f' and {high} or less' if high is not None else ''}")
    return value if column.type in ("money", "int") else float(value)


def _text(column: Column, value: Any) -> str:
    if not isinstance(value, str) or not 0 < len(value) <= _LONGEST:
        raise _RowError(f"column {column.name!r} must be text of 1 to {_LONGEST} signs; got {_kind(value)}")
    if column.values and value not in column.values:
        known, hint = ", ".join(column.values), did_you_mean(value, column.values)
        raise _RowError(f"column {column.name!r} must be one of {known}.{hint}")
    if value.isascii() and value.isprintable() and " " not in value:  # such ids are in their one spelling
        return value
    text = str(plain_ids(pa.array([value], pa.string()))[0]) if column.type in ("id", "hash") else value
    if not text:
        raise _RowError(f"column {column.name!r} holds only signs that cannot be seen")
    return text


def _time(where: str, value: Any) -> datetime:
    try:
        moment = datetime.fromisoformat(value) if isinstance(value, str) else None
        if moment is not None and moment.tzinfo is not None:
            parse_time(moment)
            return moment.astimezone(UTC)
    except (ValueError, OverflowError, OptionError):
        pass
    raise _RowError(f"{where} must be an ISO time with its zone, such as 2025-03-01T09:30:00Z; got {_kind(value)}")


class _RowError(ValueError):
    """What is wrong with one row."""


def _kind(value: Any) -> str:
    if isinstance(value, bool) or value is None:
        return {None: "null", True: "true", False: "false"}[value]
    named = {str: "text", int: "a whole number", float: "a number with a fraction", list: "a list", dict: "an object"}
    return named.get(type(value), "something else")


def _short(name: str) -> str:
    return repr(name if len(name) <= 40 else name[:40] + "...")
