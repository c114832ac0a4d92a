"""Logins: signs that an account's sessions are in other hands."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numba
import numpy as np

from muledetect.arrays import Float64Array
from muledetect.clock import DAY, HOUR
from muledetect.facts import Facts
from muledetect.facts.sessions import CAMERA, EMULATOR, FACE_FAIL, FACE_OK, REMOTE, Sessions, previous_use
from muledetect.features._columns import ON_REQUEST, Column
from muledetect.features._history import History
from muledetect.features._spec import feature

if TYPE_CHECKING:
    from muledetect.features._extraction import Extraction

# Faster than an airliner over more than a city and the error of a cell.
_FASTEST: Final = 900.0  # km/h
_NEAR: Final = 50.0  # km
_EARTH: Final = 6371.0  # km, mean radius
_HOUR: Final = HOUR

# Columns of the flags, in the order of the shares.
_FLAG_COLUMNS: Final = ("remote_access", "emulator", "virtual_camera", "event")


@feature(
    family="place",
    columns={
        "impossible_travel": Column("count", "sessions too far from the one before {window}", only=ON_REQUEST),
        "remote_share": Column("ratio", "share of its sessions under remote access {window}"),
        "emulator_share": Column("ratio", "share of its sessions on an emulator {window}"),
        "camera_share": Column("ratio", "share of its sessions with a virtual camera {window}", only=ON_REQUEST),
        "face_fail_share": Column("ratio", "share of its face checks that failed {window}"),
    },
    tables=("sessions",),
    window=("30d",),
)
def session_signs(history: History, *, window: int) -> Float64Array:
    """Signs of a session in other hands.

    A journey is impossible if it is longer than 50 km and faster than 900 km/h, counted in moments with a place: of
    several places at one moment the nearest to those of the moment before; one tick of the clock is added to the time
    between. A share is NaN without sessions (face checks) in the window; a flag that is null is not set, and a flag
    whose column is missing is NaN. O(sessions in the window).
    """
    sessions, found = history.facts.sessions, np.full((len(history), 5), np.nan)
    if sessions is None:
        return found
    begin, end = history.sessions_in(sessions, window)
    _session_signs(begin, end, sessions.flags, history.extraction.get(_jumps), found)
    names = history.tables["sessions"].column_names
    for column, needed in enumerate((("latitude", "longitude"), *((name,) for name in _FLAG_COLUMNS))):
        if not set(needed) <= set(names):
            found[:, column] = np.nan
    return found


@feature(
    family="place",
    unit="ratio",
    text="share of the money paid {window} within 24 h of its first login from another device",
    tables=("sessions",),
    window=("30d",),
)
def paid_from_new_device(history: History, *, window: int) -> Float64Array:
    """`paid within 24 h of a change / paid`; a change is the first session on a device, but for the first device.

    The payment may be of the moment of the change. NaN without payments in the window or without sessions.
    O(payments in the window + sessions of the account).
    """
    sessions = history.facts.sessions
    out, found = history.outgoing, np.full(len(history), np.nan)
    if sessions is None:
        return found
    begin, end = history.sessions_in(sessions, window + DAY)
    is_change = history.extraction.get(_changes)
    _paid_after(out.begin(window), out.end, out.time, out.amount, begin, end, sessions.time, is_change, found)
    return found


def _jumps(extraction: Extraction) -> Any:
    sessions = _sessions_of(extraction.facts)
    return _impossible(sessions.start, sessions.time, sessions.latitude, sessions.longitude, extraction.graph.tick)


def _changes(extraction: Extraction) -> Any:
    """First session on a device, unless at the moment of the first session on any."""
    sessions = _sessions_of(extraction.facts)
    device = sessions.value[0]
    is_first = (device >= 0) & (previous_use(sessions.start, device) < 0)
    begun = np.full(len(sessions.start) - 1, np.iinfo(np.int64).max)
    account = np.repeat(np.arange(len(begun)), np.diff(sessions.start))
    np.minimum.at(begun, account[is_first], sessions.time[is_first])
    return is_first & (sessions.time > begun[account])


def _sessions_of(facts: Facts) -> Sessions:
    if facts.sessions is None:
        raise LookupError("there are no sessions")
    return facts.sessions


@numba.njit(cache=True, nogil=True)
def _impossible(start, time, latitude, longitude, tick):  # type: ignore[no-untyped-def]
    """Mark the first session with a place of each moment that no journey reaches from the moment before.

    Invariant: [before, first) are the sessions of the last moment with a place, [first, e) of an earlier one.
    """
    found = np.zeros(len(time), np.bool_)
    for a in range(len(start) - 1):
        low, high = start[a], start[a]  # sessions of the last moment with a place
        e = start[a]
        while e < start[a + 1]:
            stop = e
            n_placed = 0
            while stop < start[a + 1] and time[stop] == time[e]:
                n_placed += not (np.isnan(latitude[stop]) or np.isnan(longitude[stop]))
                stop += 1
            if n_placed > 0:
                nearest = np.inf
                hours = (time[e] - time[low] + tick) / _HOUR
                # in a day an airliner gets anywhere: a coarse clock, whose moments are crowded, costs nothing
                for i in range(low, high if hours < 24 else low):
                    for j in range(e, stop):
                        km = _distance(latitude[i], longitude[i], latitude[j], longitude[j])
                        if km < nearest:  # noqa: PLR1730 (false where a place is unknown)
                            nearest = km
                found[e] = high > low and hours < 24 and nearest > max(_NEAR, _FASTEST * hours)
                low, high = e, stop
            e = stop
    return found


@numba.njit(cache=True, nogil=True)
def _distance(latitude, longitude, other_latitude, other_longitude):  # type: ignore[no-untyped-def]
    """Kilometres along the great circle, by the haversine."""
    p, q = np.radians(latitude), np.radians(other_latitude)
    half = np.sin((q - p) / 2) ** 2
    half += np.cos(p) * np.cos(q) * np.sin(np.radians(other_longitude - longitude) / 2) ** 2
    return 2 * _EARTH * np.arcsin(np.sqrt(min(1.0, half)))


@numba.njit(cache=True, nogil=True)
def _session_signs(begin, end, flags, is_jump, found) -> None:  # type: ignore[no-untyped-def]
    for p in range(len(begin)):
        n, n_jumps, n_remote, n_emulator, n_camera, n_ok, n_fail = end[p] - begin[p], 0, 0, 0, 0, 0, 0
        for e in range(begin[p], end[p]):
            n_jumps += is_jump[e]
            n_remote += flags[e] & REMOTE > 0
            n_emulator += flags[e] & EMULATOR > 0
            n_camera += flags[e] & CAMERA > 0
            n_ok += flags[e] & FACE_OK > 0
            n_fail += flags[e] & FACE_FAIL > 0
        found[p, 0] = n_jumps
        if n > 0:
            found[p, 1], found[p, 2], found[p, 3] = n_remote / n, n_emulator / n, n_camera / n
        if n_ok + n_fail > 0:
            found[p, 4] = n_fail / (n_ok + n_fail)


@numba.njit(cache=True, nogil=True)
def _paid_after(begin, end, time, amount, first, last, moment, is_change, found) -> None:  # type: ignore[no-untyped-def]
    """Merge payments and changes. Invariant: `latest` is the last change not after the payment."""
    for p in range(len(begin)):
        e, latest, is_any, total, after = first[p], np.int64(0), False, 0, 0
        for j in range(begin[p], end[p]):
            while e < last[p] and moment[e] <= time[j]:
                if is_change[e]:
                    latest, is_any = moment[e], True
                e += 1
            total += amount[j]
            if is_any and time[j] - latest <= 86_400_000_000:
                after += amount[j]
        if total > 0:
            found[p] = after / total
