"""What happens: transfers, sessions and calls."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import numpy as np
import pyarrow as pa

from muledetect import schema
from muledetect.arrays import Int64Array
from muledetect.simulation.bank.sessions import EVENTS
from muledetect.simulation.economy import Economy
from muledetect.simulation.plan import Columns, rows_at
from muledetect.simulation.streams import hash_bits, hash_uniform, stream
from muledetect.simulation.tables.ids import Ids, categories, contract_table, hex_text, take, times

#: Rows that are turned into text at once: bounds the memory of a span, whatever its length.
SLICE: Final = 500_000


def slices(n: int) -> Iterator[slice]:
    """Yield pieces of `SLICE` rows; one empty piece for no rows."""
    for first in range(0, max(n, 1), SLICE):
        yield slice(first, min(first + SLICE, n))


def transfers_table(
    economy: Economy, ids: Ids, rows: Columns, sessions: Columns, session_of: Int64Array, first_session: int
) -> pa.Table:
    """Transfers that our bank sees: those with one end here. Other banks' balances are unknown to us.

    `session_of` is a position in `sessions` or -1; the sessions' running numbers begin with `first_session`.
    """
    people, config = economy.people, economy.config
    source, target, number = rows["source"], rows["target"], rows["number"]
    no_session = session_of < 0
    session = np.where(no_session, 0, session_of)
    # People write the same few words again and again.
    memo = hash_bits((3000 * hash_uniform(number, 42, config.seed) ** 3).astype(np.int64), 41, config.seed)
    empty = len(sessions["time"]) == 0
    device, ip = (np.zeros(len(source), np.uint64) if empty else sessions[name][session] for name in ("device", "ip"))
    return contract_table(
        "transfers",
        transfer_id=ids.transfer(number),
        time=times(rows["time"]),
        source=take(ids.account, source),
        target=take(ids.account, target),
        amount=rows["amount"],
        currency=pa.repeat(pa.scalar(config.currency), len(source)),
        channel=categories(schema.CHANNELS, rows["channel"]),
        source_bank=take(ids.bank, people.bank[source]),
        target_bank=take(ids.bank, people.bank[target]),
        source_balance_after=pa.array(rows["source_after"], mask=~people.is_own[source]),
        target_balance_after=pa.array(rows["target_after"], mask=~people.is_own[target]),
        terminal_id=take(ids.terminal, rows["terminal"], rows["terminal"] < 0),
        session_id=ids.session(np.where(no_session, -1, session_of + first_session)),
        device_hash=hex_text(device, no_session),
        ip_hash=hex_text(ip, no_session),
        memo_hash=hex_text(memo, hash_uniform(number, 43, config.seed) < 0.7),
        status=pa.repeat(pa.scalar("settled"), len(source)),
    )


def sessions_table(economy: Economy, ids: Ids, sessions: Columns) -> pa.Table:
    """Sessions with a position near the cell's area; a tenth of them lack one. `number` is their running number."""
    n_areas, seed = economy.people.n_areas, economy.config.seed
    unlocated = hash_uniform(sessions["number"], 71, seed) < 0.1
    # A made-up country: areas lie on a grid of a third of a degree, and a phone is where its cell's mast is.
    side = int(np.ceil(n_areas**0.5))
    north, east = stream(seed, "masts").normal(0, 0.05, (2, n_areas * 10))[:, sessions["cell"]]
    latitude = 10 + sessions["area"] // side / 3 + north
    longitude = 100 + sessions["area"] % side / 3 + east
    return contract_table(
        "sessions",
        session_id=ids.session(sessions["number"]),
        account_id=take(ids.account, sessions["account"]),
        time=times(sessions["time"]),
        device_hash=hex_text(sessions["device"]),
        ip_hash=hex_text(sessions["ip"]),
        asn=sessions["asn"],
        cell_id=take(ids.cell, sessions["cell"], unlocated),
        wifi_hash=hex_text(sessions["wifi"], sessions["wifi"] == 0),
        latitude=pa.array(np.round(latitude, 3), mask=unlocated),
        longitude=pa.array(np.round(longitude, 3), mask=unlocated),
        event=categories(EVENTS, sessions["event"]),
        remote_access=sessions["is_remote"],
        emulator=sessions["is_emulated"],
        virtual_camera=sessions["is_virtual_camera"],
    )


def calls_table(economy: Economy, ids: Ids, calls: Columns) -> pa.Table:
    """Calls whose records had reached the bank by the world's end. `number` is their running number."""
    calls = rows_at(calls, calls["known"] < economy.calendar.end)
    return contract_table(
        "calls",
        call_id=ids.call(calls["number"]),
        time=times(calls["time"]),
        caller_hash=hex_text(calls["caller"]),
        callee_hash=hex_text(calls["callee"]),
        duration_s=calls["duration"],
        caller_imei_hash=hex_text(calls["imei"], calls["imei"] == 0),
        cell_id=take(ids.cell, calls["cell"], calls["cell"] < 0),
        known_ts=times(calls["known"]),
    )
