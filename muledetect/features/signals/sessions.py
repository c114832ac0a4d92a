"""Sessions: was the transfer made by somebody who steered the payer's device from afar, or hid behind it."""

from __future__ import annotations

from typing import Final

import numba
import numpy as np
import numpy.typing as npt

from muledetect.arrays import MISSING, Float32Array, Int64Array
from muledetect.clock import HOUR
from muledetect.facts.columns import encoded
from muledetect.facts.sessions import CAMERA, EMULATOR, REMOTE, Sessions, build_sessions
from muledetect.features._columns import Column
from muledetect.features.signals._past import Past, is_earlier
from muledetect.features.signals._spec import signal
from muledetect.letting_go import give_way
from muledetect.records.encode import IdEncoder

#: A session of the payer so long before a transfer says something of the transfer.
JUST_BEFORE: Final = HOUR

_COLUMNS: Final = ("remote_access", "emulator", "virtual_camera")


@signal(
    family="access",
    columns={
        "is_remote": Column("flag", "made under remote access, or within 1 h after it"),
        "is_emulated": Column("flag", "made on an emulator, or within 1 h after a session on one"),
        "is_camera_faked": Column("flag", "made with a virtual camera, or within 1 h after a session with one"),
    },
    tables=("sessions",),
    not_live="the session that a transfer names may be one of any account",
)
def session_flags(past: Past) -> Float32Array:
    """Flags of the transfer's own session and of the payer's sessions of the hour before.

    The own session is that of `session_id`, if it did not begin after the transfer. The hour is at least the clock's
    tick. NaN without any such session, and where the flag's column is missing; a flag that is null is not set.
    O(transfers + sessions); 24 bytes a session.
    """
    found = past.unknown(3)
    sessions = build_sessions(past.graph, past.tables, room=past.room)
    if sessions is None:
        return found
    flags, began = _own_sessions(past, sessions)
    past.by_account(
        _flags, past.paid, sessions.start, sessions.time, sessions.flags, flags, began,
        max(JUST_BEFORE, past.graph.tick), past.is_simultaneous, found,
    )  # fmt: skip
    for column, name in enumerate(_COLUMNS):
        if name not in past.tables["sessions"].column_names:
            found[:, column] = np.nan
    return found


def _own_sessions(past: Past, sessions: Sessions) -> tuple[npt.NDArray[np.uint8], Int64Array]:
    """Return flags and beginning of each transfer's session; MISSING where it is unknown."""
    flags, began = past.room.full(len(past), 0, np.uint8), past.room.full(len(past), MISSING, np.int64)
    transfers, table = past.tables.get("transfers"), past.tables["sessions"]
    if transfers is None or "session_id" not in transfers.column_names:
        return flags, began
    ids, room = IdEncoder(past.room), past.room
    code = encoded(ids, table["session_id"], room)
    place = room.full(len(ids), -1, np.int64)
    wanted = encoded(ids, transfers["session_id"].slice(0, len(past)), room)
    _join(code, sessions, wanted, place, flags, began)
    return flags, began


@numba.njit(cache=True, nogil=True)
def _join(code, sessions, wanted, place, flags, began) -> None:  # type: ignore[no-untyped-def]
    """Invariant: `place[c]` is where `sessions` has the session of code c; codes beyond are of no session."""
    for e in range(len(sessions.row)):
        if code[sessions.row[e]] >= 0:
            place[code[sessions.row[e]]] = e
    for i in range(len(wanted)):
        if 0 <= wanted[i] < len(place) and place[wanted[i]] >= 0:
            flags[i], began[i] = sessions.flags[place[wanted[i]]], sessions.time[place[wanted[i]]]


@numba.njit(cache=True, nogil=True)
def _flags(low, high, paid, start, time, flags, own_flags, own_began, width, is_simultaneous, found) -> None:  # type: ignore[no-untyped-def]
    """Slide one window over the sessions of each account. Invariant: `n_set[c]` sessions of it have flag c."""
    bits = (REMOTE, EMULATOR, CAMERA)
    n_set = np.zeros(3, np.int64)
    for a in range(low, high):
        give_way(paid.pages)
        first, last = start[a], start[a]
        n_set[:] = 0
        for e in range(paid.start[a], paid.stop[a]):
            i, now = paid.transfer[e], paid.time[e]
            while last < start[a + 1] and is_earlier(time[last], now, is_simultaneous):
                for c in range(3):
                    n_set[c] += flags[last] & bits[c] > 0
                last += 1
            while first < last and time[first] < now - width:
                for c in range(3):
                    n_set[c] -= flags[first] & bits[c] > 0
                first += 1
            is_own = own_began[i] != MISSING and own_began[i] <= now
            if is_own or last > first:
                for c in range(3):
                    found[i, c] = n_set[c] > 0 or (is_own and own_flags[i] & bits[c] > 0)
