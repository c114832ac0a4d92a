"""Load what payments and events need before the first one comes: compiled kernels above all.

A kernel is compiled, or read from the disk, when it is first called with arrays of some types. What the first booking
calls takes a tenth of a second to read from the disk, and half a minute to compile where it is not there.

Nothing is booked in the scorer. A state of the same tables and columns is made beside it; made-up rows of each kind go
through it: new, late and repeated ones, reversals, rows that need reading, rows of every other table, a snapshot, and
the turn of a day.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final

import numpy as np
import pyarrow as pa

from muledetect.clock import DAY, MINUTE, SECOND
from muledetect.facts import Snapshot
from muledetect.live.coming import Coming
from muledetect.live.finding import find_money, iso_text
from muledetect.live.hourly import Hourly
from muledetect.live.intake import TURNS
from muledetect.live.lists import Lists
from muledetect.live.policy import Policy
from muledetect.live.scorer import LiveScorer
from muledetect.live.state import LiveState
from muledetect.live.types import Booked
from muledetect.records import Dataset
from muledetect.schema import INPUTS, Column

Row = dict[str, Any]

#: Made-up transfers of one micro-batch; so many that each account has some on both sides.
_MANY: Final = 60

#: Ends of what is not there yet, or not any more: left out of made-up rows.
_LEFT_OUT: Final = frozenset({"reversal_of", "closed_at", "valid_to", "currency", "status_ts", "activity_end"})


def warm_up(scorer: LiveScorer, policy: Policy) -> list[Booked]:
    """Send made-up rows of each kind through a small state beside that of a scorer, whose own state stays as it is.

    Parameters
    ----------
    scorer : LiveScorer
    policy : Policy
        For the trace of a made-up transfer.

    Returns
    -------
    list of Booked
        What became of the made-up rows.

    Notes
    -----
    A second if all kernels are on the disk, a minute or two if none is.
    """
    state = scorer.state
    since = state.latest // DAY * DAY if state.since is None else state.since
    begin = max(state.latest // DAY * DAY, since + DAY)
    empty = {name: rows.schema.empty_table() for name, rows in state.tables.items()}
    dataset = Dataset(empty, pa.array([], pa.string()), pa.table({}), (), {}, currency=state.currency, tick=state.tick)
    other = scorer.beside(LiveState(lambda: dataset, state.signals, since=since, threads=1))
    try:
        booked = _book(other, begin)
        _turn_day(other, since + DAY, begin)
        _find_money(other, policy, begin + DAY)
    finally:
        other.close()
    _lay_out()
    return booked


def _book(scorer: LiveScorer, begin: int) -> list[Booked]:
    """Score and book made-up rows in all ways in which they come."""
    columns = {name: set(rows.schema.names) for name, rows in scorer.state.tables.items()}
    transfers = [_transfers(columns["transfers"], begin, part) for part in range(4)]
    found = scorer.book_many(transfers[1])
    for name, known in columns.items():
        for number in range(2):
            row = _row(name, known, begin, number)
            turned = {one: _cell(INPUTS[name].column(one), begin, 9, 1) for one in TURNS.get(name, ()) if one in known}
            found += scorer.advance_many([{"table": name, **one} for one in (row, row, row | turned)])
    for rows in (transfers[2], transfers[0]):  # the second comes late
        found += scorer.book_many(rows)
    needs_reading = [{**row, "amount": f"{row['amount']}"} for row in transfers[3]]
    found += scorer.book_many(needs_reading) + scorer.book_many(needs_reading[:2])
    if "reversal_of" in columns["transfers"]:
        row = {**transfers[1][1], "transfer_id": "warm-back", "reversal_of": transfers[1][1]["transfer_id"]}
        found += scorer.book_many([{**row, "source": row["target"], "target": row["source"]}])
    for rows in (transfers[2], needs_reading, [{**transfers[3][0], "source": "warm-nobody"}]):
        scorer.score_many(rows, explain=rows is transfers[2])
    return found


def _turn_day(scorer: LiveScorer, since: int, begin: int) -> None:
    """Lend the rows, as for a snapshot, and let the next day come while rows are booked."""
    lent, values = scorer.state.lend(), scorer.state.lend_signals()
    columns = set(scorer.state.tables["transfers"].schema.names)
    with ThreadPoolExecutor(1) as pool:
        coming = Coming(scorer.state, since, Hourly(None), pool)
        for part in (4, 5):
            scorer.book_many(_transfers(columns, begin, part))
        scorer.state = coming.take()
    lent()
    values()
    rows = _transfers(columns, begin, 6)
    scorer.book_many(rows)
    scorer.score_many(rows)


def _find_money(scorer: LiveScorer, policy: Policy, moment: int) -> None:
    """Trace the last made-up transfer, and the complaint about it."""
    asked = {"transfer_id": f"warm-6-{_MANY - 1}"}
    if "complaints" in scorer.state.tables:
        told = {"table": "complaints", "complaint_id": "warm", "known_ts": iso_text(moment - SECOND), **asked}
        scorer.advance(told)
        find_money(Snapshot(scorer.state.to_dataset(), moment), policy, complaint_id="warm")
    find_money(Snapshot(scorer.state.to_dataset(), moment), policy, **asked)


def _transfers(columns: set[str], begin: int, part: int) -> list[Row]:
    """Return made-up transfers among a few accounts, some of them to oneself, later in later parts.

    Half of them go to an account that does not pay: of such a one signals do not read all transfers.
    """
    rows = []
    for number in range(_MANY):
        row = _row("transfers", columns, begin + part * MINUTE + number * SECOND, number)
        target = "warm-shop" if number % 2 else f"warm-{number % 5}"
        row |= {"transfer_id": f"warm-{part}-{number}", "source": f"warm-{number % 7}", "target": target}
        rows.append(row | ({"channel": "cash_deposit"} if "channel" in columns and number % 4 == 0 else {}))
    return rows


def _row(name: str, columns: set[str], time: int, number: int) -> Row:
    """Return a made-up row of a table, with the columns that a state knows."""
    known = [one for one in INPUTS[name].columns if one.name in columns - _LEFT_OUT]
    return {one.name: _cell(one, time, number) for one in known}


def _cell(column: Column, time: int, number: int, value: int = 0) -> Any:
    if column.values:
        return column.values[value]
    kind = column.arrow_type
    if pa.types.is_timestamp(kind):
        return iso_text(time)
    if pa.types.is_boolean(kind):
        return True
    if pa.types.is_floating(kind):
        return 0.5
    return 1_000 + number if pa.types.is_integer(kind) else f"warm-{number}"


def _lay_out() -> None:
    """Let lists run out of room, with more and with fewer than half of their places in use."""
    for key in (np.zeros(20_000, np.int32), np.arange(20_000, dtype=np.int32) % 4_000):
        lists = Lists(np.empty(0, np.int32), 0)
        lists.add(key, np.arange(len(key)))
