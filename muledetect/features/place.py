"""Place: who else is where the account is, day after day or at one terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

import numba
import numpy as np

from muledetect.arrays import Float64Array, Int32Array, Int64Array, each_first_at_least, first_at_least
from muledetect.clock import MINUTE
from muledetect.facts.columns import group, numbered, starts_of
from muledetect.facts.sightings import CROWD, n_holders, terminal_users
from muledetect.features._history import History
from muledetect.features._spec import feature

if TYPE_CHECKING:
    from muledetect.features._extraction import Extraction

#: Holders seen at one place on so many different days stay together.
DAYS_TOGETHER: Final = 3

#: Cards used at one terminal within this time are used together.
AT_ONCE: Final = 30 * MINUTE

# Cells, Wi-Fis and IPs are places; a device is none.
_PLACES: Final = (1, 2, 3)


@feature(
    family="place",
    unit="count",
    text="other holders in the same place on three or more days {window}",
    tables=("sessions",),
    is_calendar=True,
    not_live="it reads who else was in the places of its sessions",
    window=("30d",),
)
def co_located(history: History, *, window: int) -> Float64Array:
    """Other holders that were on the account's IP, Wi-Fi or cell on at least 3 of the same days (UTC).

    A day counts for an other if both were seen in the same place on it: the account in the window, the other at any
    moment of that day before the point. Places with more than 20 holders by the point are crowds and do not count. NaN
    without sessions. O(sessions in the window x holders of their places on the day, at most 20).
    """
    known = history.facts.seen
    if known.sessions is None:
        return np.full(len(history), np.nan)
    found = np.zeros(len(history))
    days = history.extraction.get(_days)
    own = known.people.of_account[np.maximum(history.points.account, 0)]
    begin, end = history.sessions_in(known.sessions, window)
    _co_located(
        begin, end, own, history.as_of, known.sessions.time, days, known.sightings, len(known.people.start), found
    )
    return found


@feature(
    family="place",
    unit="count",
    text="most other holders at one terminal within 30 min of its own use {window}",
    not_live="it reads who else used the terminals that it used",
    window=("30d",),
)
def common_terminal(history: History, *, window: int) -> Float64Array:
    """Most other holders that used a terminal at most 30 min before or after the account did.

    The user of a terminal is who paid, or who was paid by a cash deposit. 0 without use of a terminal in the window;
    NaN if transfers name no terminals. O(uses in the window), and O(uses of the terminal) for those of the last 30 min.
    """
    if "terminal_id" not in history.tables["transfers"].column_names:
        return np.full(len(history), np.nan)
    uses = history.extraction.get(_terminal_uses)
    found = np.zeros(len(history))
    account, tick = history.points.account, history.graph.tick
    low = uses.own_start[np.maximum(account, 0)]
    high = np.where(account >= 0, uses.own_start[account + 1], low)
    begin = each_first_at_least(uses.own_time, low, high, history.as_of - max(window, tick))
    end = each_first_at_least(uses.own_time, low, high, history.as_of)
    _common_terminal(begin, end, history.as_of, uses, int(uses.person.max(initial=-1)) + 1, found)
    return found


class Days(NamedTuple):
    """Who was in which place on which day: entries `start[g]:start[g + 1]` of group `g`, by first time of the day.

    Attributes
    ----------
    group : int32[n_places, n_sessions]
        Place and day of each session; -1 without a place.
    value : int32[n_groups]
        The place, as `Sightings` codes it.
    """

    group: Int32Array
    value: Int32Array
    start: Int64Array
    person: Int32Array
    time: Int64Array


class Uses(NamedTuple):
    """Uses of terminals: by terminal and time, and by account and time.

    Attributes
    ----------
    start : int64[n_terminals + 1]
    time, person : [n_uses]
    around : int32[n_uses]
        Other people at the terminal at most `AT_ONCE` before or after.
    own_start : int64[n_accounts + 1]
    own_use : int64[n_uses]
        Position of each use of an account.
    own_time : int64[n_uses]
    terminal : int32[n_uses]
    """

    start: Int64Array
    time: Int64Array
    person: Int32Array
    around: Int32Array
    own_start: Int64Array
    own_use: Int64Array
    own_time: Int64Array
    terminal: Int32Array


def _days(extraction: Extraction) -> Days:
    """Group sessions by place and day. O(n): a counting sort by place keeps the order of time."""
    known = extraction.facts.seen
    sessions, people = known.sessions, known.people
    if sessions is None:
        none = np.empty(0, np.int32)
        return Days(np.empty((3, 0), np.int32), none, np.zeros(1, np.int64), none, np.empty(0, np.int64))
    room = extraction.facts.room
    person = room.keep(np.repeat(people.of_account, np.diff(sessions.start)))
    made, parts, n_groups = room.full((len(_PLACES), len(person)), -1, np.int32), [], 0
    for nth, number in enumerate(_PLACES):
        value = sessions.value[number]
        start, place = group(value, int(value.max(initial=-1)) + 1, room, time=sessions.time)
        of_group, is_first = _group_days(start, place, sessions.time, person, len(people.start), n_groups, made[nth])
        first = place[is_first]
        entries = (room.take(values, first) for values in (made[nth], person, sessions.time))
        parts.append((room.keep(of_group + np.int32(known.offsets[number])), *entries))
        n_groups += len(of_group)
    kinds = (np.int32, np.int32, np.int32, np.int64)
    value, key, who, when = (
        room.join(columns, of) for columns, of in zip(zip(*parts, strict=True), kinds, strict=True)
    )
    return Days(made, value, starts_of(key, n_groups, room), who, when)


def _terminal_uses(extraction: Extraction) -> Uses:
    graph, people, room = extraction.graph, extraction.facts.seen.people, extraction.facts.room
    terminal = numbered(extraction.tables["transfers"]["terminal_id"].slice(0, graph.n_transfers), room)
    rows = np.flatnonzero(terminal >= 0)  # in the order of time
    user = room.take(terminal_users(graph, extraction.tables, room), rows)
    terminal, time = room.take(terminal, rows), room.take(graph.time, rows)
    start, place = group(terminal, int(terminal.max(initial=-1)) + 1, room)
    when, person = room.take(time, place), room.take(people.of_account, room.take(user, place))
    position = room.empty(len(place), np.int64)
    position[place] = np.arange(len(place))
    own_start, own = group(user, graph.n_accounts, room)
    return Uses(
        start, when, person, _around(start, when, person, len(people.start)), own_start, room.take(position, own),
        room.take(time, own), room.take(terminal, own),
    )  # fmt: skip


@numba.njit(cache=True, nogil=True)
def _group_days(start, place, time, person, n_people, n_before, made):  # type: ignore[no-untyped-def]
    """Number the days of each place from `n_before` on in `made`; mark each person's first session of a day there.

    Invariant: `met[q] == g` if person q is already in group g.
    """
    is_first = np.zeros(len(place), np.bool_)
    met, values, n_groups = np.full(n_people, -1, np.int32), np.empty(len(place), np.int32), 0
    for v in range(len(start) - 1):
        day = np.int64(-1)
        for e in range(start[v], start[v + 1]):
            session = place[e]
            if e == start[v] or time[session] // 86_400_000_000 != day:
                day = time[session] // 86_400_000_000
                values[n_groups] = v
                n_groups += 1
            made[session] = n_before + n_groups - 1
            is_first[e] = met[person[session]] != n_groups - 1
            met[person[session]] = n_groups - 1
    return values[:n_groups], is_first


@numba.njit(cache=True, nogil=True)
def _co_located(begin, end, own, as_of, time, days, sightings, n_people, found) -> None:  # type: ignore[no-untyped-def]
    """Invariant: if `point[q] == p`, others q have met on `n_days[q]` days, the last of them `last[q]`."""
    point, last, n_days = np.full(n_people, -1, np.int64), np.empty(n_people, np.int64), np.zeros(n_people, np.int32)
    for p in range(len(begin)):
        n_found = 0
        for e in range(begin[p], end[p]):
            day = time[e] // 86_400_000_000
            for kind in range(days.group.shape[0]):
                g = days.group[kind, e]
                if g < 0 or (e > begin[p] and days.group[kind, e - 1] == g):
                    continue
                value = days.value[g]
                if n_holders(sightings, value, as_of[p]) > CROWD:
                    continue
                for f in range(days.start[g], days.start[g + 1]):
                    other = days.person[f]
                    if days.time[f] >= as_of[p]:
                        break
                    if other == own[p]:
                        continue
                    if point[other] != p:
                        point[other], n_days[other] = p, 0
                    elif last[other] == day:
                        continue
                    n_days[other] += 1
                    last[other] = day
                    n_found += n_days[other] == DAYS_TOGETHER
        found[p] = n_found


@numba.njit(cache=True, nogil=True)
def _around(start, time, person, n_people):  # type: ignore[no-untyped-def]
    """Slide a window of `AT_ONCE` to both sides. `n_uses[q]` counts uses by q in it, 0 between terminals."""
    found, n_uses = np.zeros(len(time), np.int32), np.zeros(n_people, np.int32)
    for v in range(len(start) - 1):
        first, last, n_here = start[v], start[v], 0
        for e in range(start[v], start[v + 1]):
            while last < start[v + 1] and time[last] <= time[e] + AT_ONCE:
                n_here += n_uses[person[last]] == 0
                n_uses[person[last]] += 1
                last += 1
            while time[first] < time[e] - AT_ONCE:
                n_uses[person[first]] -= 1
                n_here -= n_uses[person[first]] == 0
                first += 1
            found[e] = n_here - 1
        for e in range(first, last):
            n_uses[person[e]] = 0
    return found


@numba.njit(cache=True, nogil=True)
def _common_terminal(begin, end, as_of, uses, n_people, found) -> None:  # type: ignore[no-untyped-def]
    """Uses whose surroundings reach the point are counted anew: the index holds what came after it."""
    met, n_asked = np.full(n_people, -1, np.int64), 0
    for p in range(len(begin)):
        for j in range(begin[p], end[p]):
            e = uses.own_use[j]
            if uses.time[e] + AT_ONCE < as_of[p]:
                found[p] = max(found[p], uses.around[e])
                continue
            n_here, n_asked = 0, n_asked + 1
            met[uses.person[e]] = n_asked
            low, high = uses.start[uses.terminal[j]], uses.start[uses.terminal[j] + 1]
            for f in range(first_at_least(uses.time, low, high, uses.time[e] - AT_ONCE), high):
                if uses.time[f] >= as_of[p]:
                    break
                n_here += met[uses.person[f]] != n_asked
                met[uses.person[f]] = n_asked
            found[p] = max(found[p], n_here)
