"""Sessions by account and time, and the codes of what they used: devices, networks, cells.

What is here holds the whole data set; a reader cuts by time. Codes follow the order of rows and carry no meaning.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import numba
import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from muledetect.arrays import Int32Array, Int64Array
from muledetect.graph import TransferGraph
from muledetect.records.encode import IdEncoder

if TYPE_CHECKING:
    from muledetect.features._history import History

Tables = Mapping[str, pa.Table]

#: Kinds of values, by code; those of a session, those of an identifier, and terminals of transfers.
KINDS: Final = ("device", "ip", "wifi", "cell", "phone", "email", "address", "sim", "imei", "wallet", "terminal")
IN_SESSION: Final = {"device": "device_hash", "ip": "ip_hash", "wifi": "wifi_hash", "cell": "cell_id"}


MISSING: Final = np.iinfo(np.int64).min

REMOTE, EMULATOR, CAMERA, FACE_OK, FACE_FAIL = 1, 2, 4, 8, 16
_FLAGS: Final = (("remote_access", REMOTE), ("emulator", EMULATOR), ("virtual_camera", CAMERA))


class Values:
    """Codes of devices, networks and other values; each kind has its own."""

    def __init__(self) -> None:
        self._encoders = {kind: IdEncoder() for kind in KINDS}

    def encode(self, kind: str, column: Any) -> Int32Array:
        """Return codes within the kind; -1 for null."""
        whole = column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
        return self._encoders[kind].encode(whole.cast(pa.string()) if pa.types.is_large_string(whole.type) else whole)

    def offsets(self) -> Int64Array:
        """Return where the codes of each kind begin in the codes of all, int64[n_kinds + 1]."""
        return np.cumsum([0, *(len(self._encoders[kind]) for kind in KINDS)])


class Sessions(NamedTuple):
    """Sessions by account: entries `start[a]:start[a + 1]` of account code `a`, in time order.

    Attributes
    ----------
    row : int64[n_sessions]
        Row of the sessions table.
    value : int32[4, n_sessions]
        Device, IP, Wi-Fi and cell, as `Values` codes them within their kind; -1 if unknown.
    flags : uint8[n_sessions]
        Bits REMOTE, EMULATOR, CAMERA, FACE_OK, FACE_FAIL.
    latitude, longitude : float64[n_sessions]
        NaN if unknown.
    """

    start: Int64Array
    row: Int64Array
    time: Int64Array
    value: Int32Array
    flags: npt.NDArray[np.uint8]
    latitude: npt.NDArray[np.float64]
    longitude: npt.NDArray[np.float64]


def build_sessions(graph: TransferGraph, tables: Tables, values: Values | None = None) -> Sessions | None:
    """Return sessions by account and time; those of accounts that the graph does not know are left out.

    Without `values` no value is coded.
    """
    table = tables.get("sessions")
    if table is None:
        return None
    time = numbers(table, "time")
    by_time = np.argsort(time, kind="stable")  # linear where they are in order already
    start, place = group(graph.codes(table["account_id"])[by_time], graph.n_accounts)
    row = by_time[place]
    coded = np.full((len(IN_SESSION), len(row)), -1, np.int32)
    for number, (kind, name) in enumerate(IN_SESSION.items()):
        if values is not None and name in table.column_names:
            coded[number] = values.encode(kind, table[name])[row]
    flags = np.zeros(len(row), np.uint8)
    for name, bit in _FLAGS:
        if name in table.column_names:
            flags |= np.where(bools(table[name])[row], bit, 0).astype(np.uint8)
    if "event" in table.column_names:
        for name, bit in (("face_ok", FACE_OK), ("face_fail", FACE_FAIL)):
            flags |= np.where(equals(table["event"], name)[row], bit, 0).astype(np.uint8)
    places = [_floats(table, name)[row] for name in ("latitude", "longitude")]
    return Sessions(start, row, time[row], coded, flags, *places)


def sessions_in(history: History, sessions: Sessions, window: int) -> tuple[Int64Array, Int64Array]:
    """Return the first session in the window and the place behind the last one before each point, int64[n_points]."""
    account, tick = history.points.account, history.graph.tick
    low = sessions.start[np.maximum(account, 0)]
    high = np.where(account >= 0, sessions.start[account + 1], low)
    return (
        positions_before(sessions.time, low, high, history.as_of - max(window, tick)),
        positions_before(sessions.time, low, high, history.as_of),
    )


def numbers(table: pa.Table, name: str) -> Int64Array:
    """Return a column of times or integers as int64; MISSING where it is null or absent."""
    if name not in table.column_names:
        return np.full(len(table), MISSING)
    return np.asarray(pc.fill_null(table[name].cast(pa.int64()), MISSING).to_numpy(), dtype=np.int64)


def equals(column: Any, text: str) -> npt.NDArray[np.bool_]:
    """Return where a column of text, plain or coded, holds `text`; null does not."""
    whole = column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
    if not pa.types.is_dictionary(whole.type):
        return bools(pc.equal(whole, text))
    is_it = np.append(bools(pc.equal(whole.dictionary.cast(pa.string()), text)), False)
    found: npt.NDArray[np.bool_] = is_it[whole.indices.fill_null(-1).cast(pa.int64()).to_numpy(zero_copy_only=False)]
    return found


def bools(column: Any) -> npt.NDArray[np.bool_]:
    """Return a column of booleans; null is False."""
    filled = pc.fill_null(column, False)
    return np.asarray(filled.to_numpy(zero_copy_only=False) if isinstance(filled, pa.Array) else filled.to_numpy())


def _floats(table: pa.Table, name: str) -> npt.NDArray[np.float64]:
    if name not in table.column_names:
        return np.full(len(table), np.nan)
    return np.asarray(pc.fill_null(table[name].cast(pa.float64()), np.nan).to_numpy(), dtype=np.float64)


@numba.njit(cache=True, nogil=True)
def group(key: Int32Array, n_keys: int) -> tuple[Int64Array, Int64Array]:
    """Return (start, place): rows of key k are `place[start[k]:start[k + 1]]`, in order; negative keys are out."""
    start = np.zeros(n_keys + 1, np.int64)
    for i in range(len(key)):
        if key[i] >= 0:
            start[key[i] + 1] += 1
    for k in range(n_keys):
        start[k + 1] += start[k]
    place, end = np.empty(start[n_keys], np.int64), start[:-1].copy()
    for i in range(len(key)):
        if key[i] >= 0:
            place[end[key[i]]] = i
            end[key[i]] += 1
    return start, place


@numba.njit(cache=True, nogil=True)
def previous_use(start: Int64Array, value: Int32Array) -> Int64Array:
    """Return for each entry the last earlier entry of the same account with the same value; -1 if there is none."""
    n_values = 0
    for e in range(len(value)):
        n_values = max(n_values, value[e] + 1)
    last, found = np.full(n_values, -1, np.int64), np.full(len(value), -1, np.int64)
    for a in range(len(start) - 1):
        for e in range(start[a], start[a + 1]):
            if value[e] >= 0:
                if last[value[e]] >= start[a]:
                    found[e] = last[value[e]]
                last[value[e]] = e
    return found


@numba.njit(cache=True, nogil=True)
def n_before(time, low, high, moment):  # type: ignore[no-untyped-def]
    """Return how many of the sorted `time[low:high]` are before `moment`. O(log n)."""
    first = low
    while low < high:
        middle = (low + high) // 2
        if time[middle] < moment:
            low = middle + 1
        else:
            high = middle
    return low - first


@numba.njit(cache=True, nogil=True)
def positions_before(time: Int64Array, low: Int64Array, high: Int64Array, moment: Int64Array) -> Int64Array:
    """Return for each row the first position in `time[low:high]` that is not before `moment`. O(log n) a row."""
    found = np.empty(len(low), np.int64)
    for p in range(len(low)):
        found[p] = low[p] + n_before(time, low[p], high[p], moment[p])
    return found
