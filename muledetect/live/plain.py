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

import itertools
import math
import re
from collections.abc import Callable, Container, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from functools import cache
from typing import Any, Final

from muledetect.clock import SECOND, parse_time
from muledetect.live.rows import Cells
from muledetect.records.parse import EARLIEST, LARGEST, LATEST, NO_ID
from muledetect.schema import INPUTS, Column

#: Tables of which many rows come, and whose rows do not depend on each other once they are read.
TABLES: Final = ("transfers", "sessions")

_REQUIRED: Final = {name: INPUTS[name].required for name in TABLES}

#: Whole numbers below it are the same as text, as floating point and as they are.
_EXACT: Final = 2**53

_MOMENT: Final = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{3}|\.[0-9]{6})?(Z|[+-][0-9]{2}:[0-9]{2})"
).fullmatch
_WORDS: Final = frozenset(NO_ID)
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


#: Takes the cells of a column as they are, and returns them as the contract has them.
_Check = Callable[[list[Any]], list[Any]]


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
    ids = list[Any]()
    try:
        for column, cells in _turned(rows):
            given = [cell for cell in cells if cell is not None] if None in cells else cells
            if not given:
                continue
            if column not in known and column != "currency":
                return None
            check = checks[column]
            if check is _ids:  # of all columns together
                ids += given
            taken = given if check is _ids else check(given)
            if given is not cells:
                behind = iter(taken)
                taken = [None if cell is None else next(behind) for cell in cells]
            columns[column] = taken
        if ids:
            _ids(ids)
    except (_OtherError, KeyError):
        return None
    if any(None in columns.get(column, (None,)) for column in _REQUIRED[name]):
        return None
    if since is not None and n and min(columns["time"]) < since:
        return None
    if "currency" not in known:
        columns.pop("currency", None)
    return Cells(columns, n)


def plain_columns(
    name: str, rows: Sequence[Mapping[str, Any]], wanted: Sequence[str], *, currency: str
) -> Mapping[str, list[Any]] | None:
    """Return some columns of rows as the reader would accept them; None if a cell is missing or needs reading.

    Parameters
    ----------
    name : str
        Table, one of `TABLES`.
    rows : sequence of mappings
    wanted : sequence of str
        Columns.
    currency : str
        Of the amounts; "" where it is not stated.
    """
    checks = _checks(name, currency)
    try:
        return {column: checks[column]([row.get(column) for row in rows]) for column in wanted}
    except _OtherError:
        return None


def _turned(rows: Sequence[Mapping[str, Any]]) -> Iterator[tuple[str, list[Any]]]:
    """Yield each column of some rows and its cells; None where a row lacks it."""
    names = tuple(rows[0]) if rows else ()
    if all(tuple(row) == names for row in rows):  # as rows of one sender are
        yield from zip(names, map(list, zip(*(row.values() for row in rows), strict=True)), strict=True)
        return
    for column in dict.fromkeys(itertools.chain.from_iterable(rows)):
        yield column, [row.get(column) for row in rows]


@cache
def _checks(name: str, currency: str) -> Mapping[str, _Check]:
    """Return what takes the cells of each column as they are, or refuses them; a cell is not None."""
    checks = {column.name: _check(column) for column in INPUTS[name].columns}
    if name == "transfers":
        checks["currency"] = _one_of({currency} - {""})
        checks["status"] = _one_of({"settled", "returned"})  # one that was rejected moved no money
        checks["reversal_of"] = _one_of(set())  # a reversal is held against its original
    return checks


def _check(column: Column) -> _Check:
    checks: dict[str, _Check] = {
        "id": _ids,
        "hash": _ids,
        "category": _one_of(set(column.values)),
        "time": _times,
        "money": _whole(LARGEST, column.minimum),
        "int": _whole(_EXACT, column.minimum),
        "number": _numbers,
        "bool": _flags,
    }
    return checks[column.type]


def _all_are(kind: type, cells: list[Any]) -> bool:
    return {*map(type, cells)} == {kind}


def _ids(cells: list[Any]) -> list[str]:
    if _all_are(str, cells) and _WORDS.isdisjoint(cells) and "" not in cells:
        text = "".join(cells)
        # ".0" behind an id may be only a way of writing, which other ids tell
        is_plain = ".0" not in text or not any(cell.endswith(".0") for cell in cells)
        if is_plain and text.isascii() and text.isprintable() and " " not in text:
            return cells
    raise _OtherError


def _one_of(known: set[str]) -> _Check:
    def check(cells: list[Any]) -> list[str]:
        if _all_are(str, cells) and known.issuperset(cells):
            return cells
        raise _OtherError

    return check


def _times(cells: list[Any]) -> list[int]:
    if not _all_are(datetime, cells) or not all(cell.tzinfo is UTC for cell in cells):
        return [_time(cell) for cell in cells]
    since = [cell - _EPOCH for cell in cells]
    moments = [(one.days * 86_400 + one.seconds) * SECOND + one.microseconds for one in since]
    if min(moments) < EARLIEST or max(moments) >= LATEST:
        raise _OtherError
    return moments


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


def _whole(most: int, least: int | None) -> _Check:
    least = -most if least is None else least

    def check(cells: list[Any]) -> list[int]:
        if _all_are(int, cells) and least <= min(cells) and max(cells) <= most:
            return cells
        raise _OtherError

    return check


def _numbers(cells: list[Any]) -> list[float]:
    return [_number(cell) for cell in cells]


def _number(value: Any) -> float:
    if (type(value) is float and math.isfinite(value)) or (type(value) is int and -_EXACT <= value <= _EXACT):
        return float(value)
    raise _OtherError


def _flags(cells: list[Any]) -> list[bool]:
    if _all_are(bool, cells):
        return cells
    raise _OtherError
