"""What happens: transfers, sessions and calls."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import fields, replace
from typing import Any, Final, TypeVar

import numpy as np
import pyarrow as pa

from muledetect import schema
from muledetect.simulation.bank.calls import Calls
from muledetect.simulation.bank.presence import Sessions
from muledetect.simulation.config import WorldConfig
from muledetect.simulation.people import People
from muledetect.simulation.plan import Columns
from muledetect.simulation.rhythm import Rhythm
from muledetect.simulation.streams import Bool, Int64, chance, mix, stream
from muledetect.simulation.tables.names import Names, contract_table, take, words
from muledetect.simulation.tables.text import hex_text, times

#: Rows that are turned into text at once: bounds the memory of a span, whatever its length.
SLICE: Final = 500_000

_Rows = TypeVar("_Rows", Sessions, Calls)


def slices(n: int) -> Iterator[slice]:
    """Yield pieces of `SLICE` rows; one empty piece for no rows."""
    for first in range(0, max(n, 1), SLICE):
        yield slice(first, min(first + SLICE, n))


def part_of(rows: _Rows, part: slice | Bool) -> _Rows:
    """Return some rows of a record of arrays."""
    columns: dict[str, Any] = {field.name: getattr(rows, field.name)[part] for field in fields(rows)}
    return replace(rows, **columns)


def transfers_table(
    config: WorldConfig, people: People, names: Names, rows: Columns, sessions: Sessions, session_of: Int64,
    first_session: int,
) -> pa.Table:  # fmt: skip
    """Transfers that our bank sees: those with one end here. Other banks' balances are unknown to us.

    `session_of` is a position in `sessions` or -1; the sessions' running numbers begin with `first_session`.
    """
    source, target = rows["source"], rows["target"]
    own_source, own_target = people.is_own[source], people.is_own[target]
    no_session = session_of < 0
    session = np.where(no_session, 0, session_of)
    no_memo = chance(rows["number"], 43, config.seed) < 0.7
    # People write the same few words again and again.
    memo = mix((3000 * chance(rows["number"], 42, config.seed) ** 3).astype(np.int64), 41, config.seed)
    empty = len(sessions.time) == 0
    seen = {"device": sessions.device, "ip": sessions.ip}
    hashes = {name: np.zeros(len(source), np.uint64) if empty else values[session] for name, values in seen.items()}
    return contract_table(
        "transfers",
        {
            "transfer_id": names.transfer(rows["number"]),
            "time": times(rows["time"]),
            "source": take(names.account, source),
            "target": take(names.account, target),
            "amount": rows["amount"],
            "currency": pa.repeat(pa.scalar(config.currency), len(source)),
            "channel": words(schema.CHANNELS, rows["channel"]),
            "source_bank": take(names.bank, people.bank[source]),
            "target_bank": take(names.bank, people.bank[target]),
            "source_balance_after": pa.array(rows["source_after"], mask=~own_source),
            "target_balance_after": pa.array(rows["target_after"], mask=~own_target),
            "terminal_id": take(names.terminal, rows["terminal"], rows["terminal"] < 0),
            "session_id": names.session(np.where(no_session, -1, session_of + first_session)),
            "device_hash": hex_text(hashes["device"], no_session),
            "ip_hash": hex_text(hashes["ip"], no_session),
            "memo_hash": hex_text(memo, no_memo),
            "status": pa.repeat(pa.scalar("settled"), len(source)),
        },
    )


def sessions_table(config: WorldConfig, people: People, names: Names, sessions: Sessions, number: Int64) -> pa.Table:
    """Sessions with a position near the cell's area; a tenth of them lack one. `number` is their running number."""
    unlocated = chance(number, 71, config.seed) < 0.1
    # A made-up country: areas lie on a grid of a third of a degree, and a phone is where its cell's mast is.
    side = int(np.ceil(people.n_areas**0.5))
    masts = stream(config.seed, "masts").normal(0, 0.05, (2, people.n_areas * 10))
    north, east = masts[:, sessions.cell]
    latitude = 10 + sessions.area // side / 3 + north
    longitude = 100 + sessions.area % side / 3 + east
    kinds = ["login", "face_ok", "face_fail", "device_bind", "limit_change"]
    return contract_table(
        "sessions",
        {
            "session_id": names.session(number),
            "account_id": take(names.account, sessions.account),
            "time": times(sessions.time),
            "device_hash": hex_text(sessions.device),
            "ip_hash": hex_text(sessions.ip),
            "asn": sessions.asn,
            "cell_id": take(names.cell, sessions.cell, unlocated),
            "wifi_hash": hex_text(sessions.wifi, sessions.wifi == 0),
            "latitude": pa.array(np.round(latitude, 3), mask=unlocated),
            "longitude": pa.array(np.round(longitude, 3), mask=unlocated),
            "event": words(kinds, sessions.event),
            "remote_access": sessions.is_remote,
            "emulator": sessions.is_emulated,
            "virtual_camera": sessions.is_virtual_camera,
        },
    )


def calls_table(names: Names, calls: Calls, number: Int64, rhythm: Rhythm) -> pa.Table:
    """Calls whose records had reached the bank by the world's end. `number` is their running number."""
    keep = calls.known < rhythm.end
    calls, number = part_of(calls, keep), number[keep]
    return contract_table(
        "calls",
        {
            "call_id": names.call(number),
            "time": times(calls.time),
            "caller_hash": hex_text(calls.caller),
            "callee_hash": hex_text(calls.callee),
            "duration_s": calls.duration,
            "caller_imei_hash": hex_text(calls.imei, calls.imei == 0),
            "cell_id": take(names.cell, calls.cell, calls.cell < 0),
            "known_ts": times(calls.known),
        },
    )
