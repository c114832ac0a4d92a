"""Sessions by account and time, and the codes of what they used: devices, networks, cells.

What is here holds the whole data set; a reader cuts by time. Codes follow the order of rows and carry no meaning.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, NamedTuple

import numba
import numpy as np
import pyarrow as pa

from muledetect.arrays import Float64Array, Int32Array, Int64Array, UInt8Array
from muledetect.facts.columns import bools, encoded, equals, floats, group, numbers
from muledetect.graph import TransferGraph
from muledetect.memory import HEAP, Room
from muledetect.records.encode import IdEncoder

Tables = Mapping[str, pa.Table]

#: Kinds of values, by code; those of a session, those of an identifier, and terminals of transfers.
KINDS: Final = ("device", "ip", "wifi", "cell", "phone", "email", "address", "sim", "imei", "wallet", "terminal")
IN_SESSION: Final = {"device": "device_hash", "ip": "ip_hash", "wifi": "wifi_hash", "cell": "cell_id"}

REMOTE, EMULATOR, CAMERA, FACE_OK, FACE_FAIL = 1, 2, 4, 8, 16
#: Columns that are flags, and events of face checks, with their bits.
FLAGS: Final = (("remote_access", REMOTE), ("emulator", EMULATOR), ("virtual_camera", CAMERA))
FACES: Final = (("face_ok", FACE_OK), ("face_fail", FACE_FAIL))


class Values:
    """Codes of devices, networks and other values; each kind has its own."""

    def __init__(self, room: Room = HEAP) -> None:
        self._encoders = {kind: IdEncoder(room) for kind in KINDS}
        self._room = room

    def encode(self, kind: str, column: pa.ChunkedArray) -> Int32Array:
        """Return codes within the kind; -1 for null."""
        return encoded(self._encoders[kind], column, self._room)

    def offsets(self) -> Int64Array:
        """Return where the codes of each kind begin in the codes of all, int64[n_kinds + 1]."""
        return np.cumsum([0, *(len(self._encoders[kind]) for kind in KINDS)])


class Sessions(NamedTuple):
    """Sessions by account: entries `start[a]:start[a + 1]` of account code `a`, in time order."""

    start: Int64Array
    row: Int64Array  # [n_sessions] row of the sessions table
    time: Int64Array
    # [4, n_sessions] Device, IP, Wi-Fi and cell, as `Values` codes them within their kind; -1 if unknown
    value: Int32Array
    flags: UInt8Array  # [n_sessions] bits REMOTE, EMULATOR, CAMERA, FACE_OK, FACE_FAIL
    latitude: Float64Array  # [n_sessions] NaN if unknown
    longitude: Float64Array


def build_sessions(
    graph: TransferGraph, tables: Tables, values: Values | None = None, room: Room = HEAP
) -> Sessions | None:
    """Return sessions by account and time, kept in a room; those of accounts that the graph does not know are left out.

    Without `values` no value is coded.
    """
    table = tables.get("sessions")
    if table is None:
        return None
    time = numbers(table, "time", room)
    start, row = group(graph.codes(table["account_id"]), graph.n_accounts, room, time=time)
    coded = room.full((len(IN_SESSION), len(row)), -1, np.int32)
    for number, (kind, name) in enumerate(IN_SESSION.items()):
        if values is not None and name in table.column_names:
            coded[number] = room.take(values.encode(kind, table[name]), row)
    flags = room.full(len(row), 0, np.uint8)
    for name, bit in FLAGS:
        if name in table.column_names:
            flags |= bools(table[name])[row] * np.uint8(bit)
    if "event" in table.column_names:
        for name, bit in FACES:
            flags |= equals(table["event"], name)[row] * np.uint8(bit)
    latitude, longitude = (room.take(floats(table, name, room), row) for name in ("latitude", "longitude"))
    return Sessions(start, row, room.take(time, row), coded, flags, latitude, longitude)


def previous_use(start: Int64Array, value: Int32Array, room: Room = HEAP) -> Int64Array:
    """Return for each entry the last earlier entry of the same account with the same value; -1 if there is none."""
    found = room.full(len(value), -1, np.int64)
    _previous_use(start, value, room.full(int(value.max(initial=-1)) + 1, -1, np.int64), found)
    return found


@numba.njit(cache=True, nogil=True)
def _previous_use(start, value, last, found) -> None:  # type: ignore[no-untyped-def]
    """Invariant: `last[v]` is the latest entry with value v."""
    for a in range(len(start) - 1):
        for e in range(start[a], start[a + 1]):
            if value[e] >= 0:
                if last[value[e]] >= start[a]:
                    found[e] = last[value[e]]
                last[value[e]] = e
