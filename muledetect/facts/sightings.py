"""Who is behind the accounts, and who was seen on what: devices, networks, contacts, cells, terminals.

Built once for all points. What is here holds the whole data set; every time is the moment from which a row was known,
so a reader cuts by it. Codes of values and people follow the order of rows and carry no meaning.
"""

from __future__ import annotations

from typing import Any, Final, NamedTuple

import numba
import numpy as np

from muledetect.arrays import MISSING, NEVER, BoolArray, Int8Array, Int32Array, Int64Array, first_at_least
from muledetect.facts.columns import equals, group, numbers, starts_of
from muledetect.facts.sessions import IN_SESSION, KINDS, Sessions, Tables, Values, build_sessions, previous_use
from muledetect.graph import TransferGraph
from muledetect.memory import HEAP, Room
from muledetect.records.encode import IdEncoder

#: A device or contact with more holders than this ties nobody: a branch's tablet, a company's address.
HUB: Final = 200

#: Likewise a network or cell: with more of one bank's holders than this it is no home, den or small office.
CROWD: Final = 20

#: What sharing each of `KINDS` means: 0 a device, 1 a way to reach the holder, 2 a network, 3 only a place.
ROLE: Final = np.array([{"device": 0, "ip": 2, "wifi": 2, "cell": 3, "terminal": 3}.get(kind, 1) for kind in KINDS])


class People(NamedTuple):
    """Holders of accounts; an account without a holder is a person of its own."""

    of_account: Int32Array  # [n_accounts] person behind each account
    has_holder: BoolArray  # [n_accounts] the accounts table names the holder
    start: Int64Array  # [n_people + 1]
    account: Int32Array  # [n_accounts] accounts by person, in order of `since`
    since: Int64Array  # [n_accounts] opening or first transfer of `account`, whichever came first


class Sightings(NamedTuple):
    """Distinct pairs of a value and a person, with the moment from which the bank knew."""

    start: Int64Array  # [n_values + 1]
    person: Int32Array  # [n_pairs]
    since: Int64Array  # [n_pairs] by value, in order of time
    own_start: Int64Array  # [n_people + 1]
    own_value: Int32Array  # [n_pairs]
    own_since: Int64Array  # [n_pairs] the same pairs by person
    kind: Int8Array  # [n_values] position in `KINDS`


class Seen(NamedTuple):
    """All of the above. `offsets` as `Values.offsets` when the sightings were built."""

    values: Values
    offsets: Int64Array
    people: People
    sessions: Sessions | None
    sightings: Sightings


def find_sightings(graph: TransferGraph, tables: Tables, room: Room = HEAP) -> Seen:
    """Return who was seen on what, kept in a room. O(rows), but O(n log n) where sessions are not in time order."""
    values = Values(room)
    people, holders = number_people(graph, tables, room)
    sessions = build_sessions(graph, tables, values, room)
    sightings, offsets = _sightings(graph, tables, values, people, sessions, holders, room)
    return Seen(values, offsets, people, sessions, sightings)


def person_of(people: People, account: Int32Array) -> Int64Array:
    """Return the person behind each account; -1 for an account that the graph does not know, which is below 0."""
    if not len(people.of_account):
        return np.full(len(account), -1)
    return np.where(account >= 0, people.of_account[np.maximum(account, 0)], -1).astype(np.int64)


def terminal_users(graph: TransferGraph, tables: Tables, room: Room = HEAP) -> Int32Array:
    """Return the account that stood at the terminal of each transfer: who paid, or who was paid by a cash deposit."""
    transfers = tables["transfers"].slice(0, graph.n_transfers)  # the table may be longer than the graph
    if "channel" not in transfers.column_names:
        return graph.source
    found = room.join([graph.source], np.int32)
    np.copyto(found, graph.target, where=equals(transfers["channel"], "cash_deposit"))
    return found


def number_people(graph: TransferGraph, tables: Tables, room: Room = HEAP) -> tuple[People, IdEncoder]:
    """Return the people, and the encoder that knows the holders by their code as persons."""
    holders, holder = IdEncoder(room), np.full(graph.n_accounts, -1, np.int32)
    opened = np.full(graph.n_accounts, NEVER)
    accounts = tables.get("accounts")
    if accounts is not None and len(accounts):
        codes = graph.codes(accounts["account_id"])
        if "holder_id" in accounts.column_names:
            holder[codes] = holders.encode(accounts["holder_id"].combine_chunks())
        moment = numbers(accounts, "opened_at")
        opened[codes] = np.where(moment == MISSING, NEVER, moment)
    has_holder = holder >= 0
    n_alone = int((~has_holder).sum())
    of_account = holder.copy()
    of_account[~has_holder] = len(holders) + np.arange(n_alone, dtype=np.int32)
    for index in (graph.incoming, graph.outgoing):
        is_used = index.stop > index.start
        opened[is_used] = np.minimum(opened[is_used], graph.time[index.transfer[index.start[is_used]]])
    start, account = group(of_account, len(holders) + n_alone, room, time=opened)
    return People(of_account, has_holder, start, account.astype(np.int32), opened[account]), holders


def _sightings(
    graph: TransferGraph,
    tables: Tables,
    values: Values,
    people: People,
    sessions: Sessions | None,
    holders: IdEncoder,
    room: Room,
) -> tuple[Sightings, Int64Array]:
    found: list[tuple[str, Int32Array, Int32Array, Int64Array]] = []  # kind, value, person, time
    n_people = len(people.start) - 1
    identifiers = tables.get("identifiers")
    if identifiers is not None:
        entity, n_people = _entities(graph, people, holders, identifiers["entity_id"], n_people)
        known = np.maximum(numbers(identifiers, "known_ts", room), numbers(identifiers, "valid_from", room))
        for kind in KINDS:
            rows = np.flatnonzero(equals(identifiers["kind"], kind))
            value = values.encode(kind, identifiers["value_hash"].take(rows))
            found.append((kind, value, room.take(entity, rows), room.take(known, rows)))
    if sessions is not None:
        person = room.keep(np.repeat(people.of_account, np.diff(sessions.start)))
        for number, kind in enumerate(IN_SESSION):
            value = sessions.value[number]
            rows = np.flatnonzero((value >= 0) & (previous_use(sessions.start, value, room) < 0))
            found.append((kind, room.take(value, rows), room.take(person, rows), room.take(sessions.time, rows)))
    transfers = tables.get("transfers")
    if transfers is not None and "terminal_id" in transfers.column_names:
        value = values.encode("terminal", transfers["terminal_id"].slice(0, graph.n_transfers))
        rows = np.flatnonzero(value >= 0)
        user = room.take(people.of_account, room.take(terminal_users(graph, tables, room), rows))
        found.append(("terminal", room.take(value, rows), user, room.take(graph.time, rows)))
    offsets = values.offsets()
    value = room.join([v + np.int32(offsets[KINDS.index(k)]) for k, v, _, _ in found], np.int32)
    person = room.join([p for _, _, p, _ in found], np.int32)
    since = room.join([t for _, _, _, t in found], np.int64)
    found.clear()
    kind_of = np.repeat(np.arange(len(KINDS), dtype=np.int8), np.diff(offsets))
    return _pair(value, person, since, int(offsets[-1]), n_people, kind_of, room), offsets


def _entities(
    graph: TransferGraph, people: People, holders: IdEncoder, column: Any, n_people: int
) -> tuple[Int32Array, int]:
    """Return the person of each entity: a holder, the holder of an account, or a stranger."""
    n_holders = len(holders)
    code = holders.encode(column.combine_chunks())  # codes beyond the holders are those of other entities
    entity = code.copy()
    account = graph.codes(column)
    is_account = (code >= n_holders) & (account >= 0)
    entity[is_account] = people.of_account[account[is_account]]
    is_stranger = (code >= n_holders) & (account < 0)
    entity[is_stranger] += np.int32(n_people - n_holders)
    return entity, n_people + len(holders) - n_holders


def _pair(
    value: Int32Array, person: Int32Array, since: Int64Array, n_values: int, n_people: int, kind: Int8Array, room: Room
) -> Sightings:
    start, place = group(value, n_values, room, time=since)
    place = place[_first_meetings(start, place, person, n_people)]
    value, person, since = room.take(value, place), room.take(person, place), room.take(since, place)
    start = starts_of(value, n_values, room)
    own_start, own = group(person, n_people, room)
    return Sightings(start, person, since, own_start, room.take(value, own), room.take(since, own), kind)


@numba.njit(cache=True, nogil=True)
def n_holders(sightings, value, as_of):  # type: ignore[no-untyped-def]
    """Return how many people were known before a moment to have used a value. O(log n)."""
    first = sightings.start[value]
    return first_at_least(sightings.since, first, sightings.start[value + 1], as_of) - first


@numba.njit(cache=True, nogil=True)
def _first_meetings(start, place, person, n_people):  # type: ignore[no-untyped-def]
    met, is_first = np.full(n_people, -1, np.int32), np.zeros(len(place), np.bool_)
    for v in range(len(start) - 1):
        for e in range(start[v], start[v + 1]):
            is_first[e] = met[person[place[e]]] != v
            met[person[place[e]]] = v
    return is_first
