"""Rows that are already as the contract has them; they are taken as they are, without a reading.

To read a row as `muledetect.records` does takes a millisecond or two, whatever it holds. A payment system sends rows
whose cells need no reading: ids of visible ASCII signs, whole amounts, times with a zone. Nothing is decided here: rows
that are in any way different are left to the reader, and a test holds both to the same cells.

>>> row = {"transfer_id": "t1", "time": "1970-01-01T00:00:01Z", "source": "007", "target": "008", "amount": 150}
>>> plain_cells("transfers", [row], row, currency="THB").columns["time"]
[1000000]
>>> plain_cells("transfers", [row | {"source": " 007"}], row, currency="THB") is None
True
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Container, Mapping, Sequence
from datetime import datetime
from functools import cache
from typing import Any, Final

from muledetect.clock import parse_time
from muledetect.live.rows import Cells
from muledetect.records.parse import EARLIEST, LARGEST, LATEST, NO_ID
from muledetect.schema import INPUTS, Column

#: Tables of which many rows come, and whose rows do not depend on each other once they are read.
TABLES: Final = ("transfers", "sessions")

#: Whole numbers below it are the same as text, as floating point and as they are.
_EXACT: Final = 2**53

_VISIBLE: Final = re.compile(r"[!-~]+").fullmatch
_MOMENT: Final = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{3}|\.[0-9]{6})?(Z|[+-][0-9]{2}:[0-9]{2})"
).fullmatch
_WORDS: Final = frozenset(NO_ID)


class _OtherError(Exception):
    """A cell that needs reading."""


def plain_cells(
    name: str, rows: Sequence[Mapping[str, Any]], known: Container[str], *, currency: str, since: int | None = None
) -> Cells | None:
    """Return rows as cells, as the reader would accept them; None if one of them needs reading.

    Parameters
    ----------
    name : str
        Table.
    rows : sequence of mappings
    known : container of str
        Columns that the rows may have.
    currency : str
        Of the amounts; "" where it is not stated.
    since : int, optional
        Rows from before this moment need reading, too.
    """
    if name not in TABLES:
        return None
    checks, columns, n = _checks(name, currency), dict[str, list[Any]](), len(rows)
    try:
        for place, row in enumerate(rows):
            for column, value in row.items():
                if value is None:
                    continue
                if column not in known and column != "currency":
                    return None
                if column not in columns:
                    columns[column] = [None] * n
                columns[column][place] = checks[column](value)
    except (_OtherError, KeyError):
        return None
    if any(None in columns.get(column, (None,)) for column in INPUTS[name].required):
        return None
    if since is not None and n and min(columns["time"]) < since:
        return None
    return Cells({column: cells for column, cells in columns.items() if column in known}, n)


@cache
def _checks(name: str, currency: str) -> Mapping[str, Callable[[Any], Any]]:
    """Return what takes a cell of each column as it is, or refuses it."""
    checks = {column.name: _check(column) for column in INPUTS[name].columns}
    if name == "transfers":
        checks["currency"] = _one_of({currency} - {""})
        checks["status"] = _one_of({"settled", "returned"})  # one that was rejected moved no money
        checks["reversal_of"] = _one_of(set())  # a reversal is held against its original
    return checks


def _check(column: Column) -> Callable[[Any], Any]:
    checks: dict[str, Callable[[Any], Any]] = {
        "id": _id,
        "hash": _id,
        "category": _one_of(set(column.values)),
        "time": _time,
        "money": _whole(LARGEST, column.minimum),
        "int": _whole(_EXACT, column.minimum),
        "number": _number,
        "bool": _flag,
    }
    return checks[column.type]


def _id(value: Any) -> str:
    # ".0" behind an id may be only a way of writing, which other ids tell
    if type(value) is str and _VISIBLE(value) and value not in _WORDS and not value.endswith(".0"):
        return value
    raise _OtherError


def _one_of(known: set[str]) -> Callable[[Any], str]:
    def check(value: Any) -> str:
        if type(value) is str and value in known:
            return value
        raise _OtherError

    return check


def _time(value: Any) -> int:
    if type(value) is str and _MOMENT(value):
        try:
            value = datetime.fromisoformat(value)
        except ValueError as error:
            raise _OtherError from error
    if type(value) is datetime and value.tzinfo is not None:
        moment = parse_time(value)
        if EARLIEST <= moment < LATEST:
            return moment
    raise _OtherError


def _whole(most: int, least: int | None) -> Callable[[Any], int]:
    def check(value: Any) -> int:
        if type(value) is int and (-most if least is None else least) <= value <= most:
            return value
        raise _OtherError

    return check


def _number(value: Any) -> float:
    if (type(value) is float and math.isfinite(value)) or (type(value) is int and -_EXACT <= value <= _EXACT):
        return float(value)
    raise _OtherError


def _flag(value: Any) -> bool:
    if type(value) is bool:
        return value
    raise _OtherError
