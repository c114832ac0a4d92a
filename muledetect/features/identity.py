"""Identity: devices, contacts and networks that an account's holder shares with other holders.

What a holder was ever seen on counts from the moment when the bank knew it, and for good: a phone that was given back
still tells who had it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

import numba
import numpy as np

from muledetect.arrays import MISSING, Float64Array, Int64Array, first_at_least
from muledetect.clock import DAY
from muledetect.facts.columns import group
from muledetect.facts.sessions import previous_use
from muledetect.facts.sightings import CROWD, HUB, ROLE, n_holders, person_of
from muledetect.features._columns import ON_REQUEST, Column
from muledetect.features._history import History
from muledetect.features._spec import feature
from muledetect.records.encode import IdEncoder

if TYPE_CHECKING:
    from muledetect.features._extraction import Extraction

# Weights of the others on a network, in units of 2**-20: integers, so that no order of networks shows.
_UNIT: Final = 2.0**20
_WEIGHT: Final = np.array(
    [0, 0, *(round((degree - 1) / np.log2(degree) * _UNIT) for degree in range(2, CROWD + 1))], np.int64
)


@feature(
    family="identity",
    columns={
        "device_sharers": Column("count", "most other holders on one of its holder's devices so far"),
        "contact_sharers": Column("count", "most other holders with one of its holder's phones, emails or addresses"),
        "network_sharers": Column("ratio", "other holders on its holder's IPs and Wi-Fis so far, weighted by rarity"),
        "newest_device_age": Column("seconds", "time since its holder was first seen on the newest device", True),
    },
    tables=("identifiers", "sessions"),
    not_live="it reads who else was seen on what its holder used",
)
def shared_identity(history: History) -> Float64Array:
    """Other holders known before the point to have used what the account's holder had used.

    Devices, IPs and Wi-Fis come from identifiers and from sessions, contacts (phone, email, address, SIM, IMEI, wallet)
    from identifiers. A network with d holders, 2 to 20, adds `(d - 1) / log2(d)`: each other holder weighs
    `1 / log2(d)`; one with more holders is a hub and adds nothing. An account without a holder is its own holder.
    0 where nothing is shared; `newest_device_age` is NaN without a device; all NaN without both tables.
    O(log n) a value that the holder used.
    """
    if not {"identifiers", "sessions"} & history.tables.keys():
        return np.full((len(history), 4), np.nan)
    known = history.facts.seen
    person = person_of(known.people, history.points.account)
    found: Float64Array = _shared_identity(person, history.as_of, known.sightings, ROLE, _WEIGHT)
    return found


@feature(
    family="identity",
    columns={
        "own_devices": Column("count", "different devices of its sessions {window}"),
        "own_networks": Column("count", "different IP addresses of its sessions {window}", only=ON_REQUEST),
    },
    tables=("sessions",),
    window=("30d",),
)
def own_devices(history: History, *, window: int) -> Float64Array:
    """Different devices and IPs of the account's sessions in the window; NaN without sessions. O(sessions there)."""
    sessions = history.facts.sessions
    if sessions is None:
        return np.full((len(history), 2), np.nan)
    device, network = history.extraction.get(_earlier_uses)
    found: Float64Array = _own_devices(*history.sessions_in(sessions, window), sessions.value, device, network)
    return found


@feature(
    family="identity",
    columns={
        "holder_accounts": Column("count", "other accounts of its holder so far"),
        "batch_openings": Column(
            "count", "other accounts opened at its branch and channel within 24 h of it", only=ON_REQUEST
        ),
        "batch_sharers": Column(
            "count", "other holders that share an identifier and opened an account within 24 h of it", only=ON_REQUEST
        ),
    },
    tables=("accounts",),
    not_live="it reads the accounts of its holder and of its branch",
)
def openings(history: History) -> Float64Array:
    """Other accounts of the holder, and accounts opened together with this one.

    An account is known from its opening or first transfer on. Batches need the same branch and the same channel, where
    the table has one; shared identifiers are those of `shared_identity`, of at most 200 holders, networks of at most
    20. NaN where holder, branch or opening are unknown by the point. O(log n), and O(200) an identifier.
    """
    found = np.full((len(history), 3), np.nan)
    rows = np.flatnonzero(history.points.account >= 0)
    known = history.facts.seen
    _openings(
        rows, history.points.account, history.as_of, known.people, history.extraction.get(_opening_index),
        known.sightings, ROLE, found,
    )  # fmt: skip
    return found


class Openings(NamedTuple):
    """When and where accounts were opened: `time[start[k]:start[k + 1]]` at branch and channel `k`, in order.

    Attributes
    ----------
    at : int64[n_accounts]
        MISSING if unknown.
    key : int32[n_accounts]
        Branch and channel; -1 if unknown.
    """

    at: Int64Array
    key: np.ndarray[tuple[int], np.dtype[np.int32]]
    start: Int64Array
    time: Int64Array


def _opening_index(extraction: Extraction) -> Openings:
    graph, accounts, at = extraction.graph, extraction.tables.get("accounts"), extraction.facts.accounts.opened_at
    key = np.full(graph.n_accounts, -1, np.int32)
    if accounts is not None and "branch_id" in accounts.column_names and len(accounts):
        place = IdEncoder().encode(accounts["branch_id"].combine_chunks()).astype(np.int64)
        if "open_channel" in accounts.column_names:
            channel = IdEncoder().encode(accounts["open_channel"].combine_chunks()).astype(np.int64)
            place = np.where((place >= 0) & (channel >= 0), place * (channel.max() + 1) + channel, -1)
        of_row = np.unique(place, return_inverse=True)[1] - (place.min(initial=0) < 0)
        key[graph.codes(accounts["account_id"])] = of_row
    known = np.where(at == MISSING, -1, key).astype(np.int32)
    start, order = group(known, int(key.max(initial=-1)) + 1, extraction.facts.room, time=at)
    return Openings(at, key, start, at[order])


def _earlier_uses(extraction: Extraction) -> tuple[Int64Array, Int64Array]:
    """Return the earlier use of each session's device and network by the same account."""
    sessions = extraction.facts.sessions
    if sessions is None:
        return np.empty(0, np.int64), np.empty(0, np.int64)
    device, network = (previous_use(sessions.start, sessions.value[nth], extraction.facts.room) for nth in (0, 1))
    return device, network


@numba.njit(cache=True, nogil=True)
def _shared_identity(person, as_of, sightings, role, weight) -> Float64Array:  # type: ignore[no-untyped-def]
    found = np.zeros((len(person), 4))
    found[:, 3] = np.nan
    for p in range(len(person)):
        if person[p] < 0:
            continue
        total, newest = 0, np.int64(-1)
        for e in range(sightings.own_start[person[p]], sightings.own_start[person[p] + 1]):
            if sightings.own_since[e] >= as_of[p]:
                continue
            value = sightings.own_value[e]
            kind = role[sightings.kind[value]]
            degree = n_holders(sightings, value, as_of[p])
            if kind == 0:
                age = as_of[p] - sightings.own_since[e]
                newest = age if newest < 0 else min(newest, age)
            if kind < 2:
                found[p, kind] = max(found[p, kind], degree - 1)
            elif kind == 2 and degree < len(weight):
                total += weight[degree]
        found[p, 2] = total / _UNIT
        if newest >= 0:
            found[p, 3] = newest / 1e6
    return found


@numba.njit(cache=True, nogil=True)
def _own_devices(begin, end, value, device_before, network_before) -> Float64Array:  # type: ignore[no-untyped-def]
    """A value counts where its earlier use, if any, lies before the window."""
    found = np.zeros((len(begin), 2))
    for p in range(len(begin)):
        for e in range(begin[p], end[p]):
            found[p, 0] += value[0, e] >= 0 and device_before[e] < begin[p]
            found[p, 1] += value[1, e] >= 0 and network_before[e] < begin[p]
    return found


@numba.njit(cache=True, nogil=True)
def _openings(rows, account, as_of, people, opened, sightings, role, found) -> None:  # type: ignore[no-untyped-def]
    """Invariant: `met[q] == p` for the other holders that are counted at point p."""
    met = np.full(len(sightings.own_start), -1, np.int64)
    for p in rows:
        a, t = account[p], as_of[p]
        person = people.of_account[a]
        low, high = people.start[person], people.start[person + 1]
        if people.has_holder[a]:
            n_known, is_own = first_at_least(people.since, low, high, t) - low, False
            for j in range(low, low + n_known):
                is_own |= people.account[j] == a
            found[p, 0] = n_known - is_own
        at = opened.at[a]
        if at == MISSING or at >= t:
            continue
        if opened.key[a] >= 0:
            first, last = opened.start[opened.key[a]], opened.start[opened.key[a] + 1]
            behind = first_at_least(opened.time, first, last, min(t, at + DAY + 1))
            found[p, 1] = behind - first_at_least(opened.time, first, last, at - DAY) - 1
        n_met, met[person] = 0, p
        for e in range(sightings.own_start[person], sightings.own_start[person + 1]):
            value = sightings.own_value[e]
            if sightings.own_since[e] >= t or role[sightings.kind[value]] > 2:
                continue
            first = sightings.start[value]
            n_here = n_holders(sightings, value, t)
            if n_here > (CROWD if role[sightings.kind[value]] == 2 else HUB):
                continue
            for f in range(first, first + n_here):
                other = sightings.person[f]
                if met[other] == p or other >= len(people.start) - 1:
                    continue
                met[other] = p
                for j in range(people.start[other], people.start[other + 1]):
                    other_at = opened.at[people.account[j]]
                    if other_at != MISSING and other_at < t and abs(other_at - at) <= DAY:
                        n_met += 1
                        break
        found[p, 2] = n_met
