"""What watch lists say, and from when to when each entry counts."""

from __future__ import annotations

from typing import Final, NamedTuple

import numba
import numpy as np
import pyarrow as pa

from muledetect.arrays import MISSING, NEVER, Float64Array, Int32Array, Int64Array
from muledetect.facts.columns import equals, floats, group, numbers, texts
from muledetect.facts.sessions import KINDS
from muledetect.facts.sightings import Seen
from muledetect.graph import TransferGraph

#: Kinds of entries that tie an account to a list through its holder; cells and terminals are visited by anybody.
_TYING: Final = tuple(kind for kind in KINDS if kind not in {"cell", "terminal"})

#: Reliability of an entry that states none.
UNSTATED: Final = 0.5


class Lists(NamedTuple):
    """One row an entry, in the order of the table."""

    known_from: Int64Array  # [n] valid and known: it counts at a moment with `known_from < as_of <= known_until`
    known_until: Int64Array
    account: Int32Array  # [n] code of the account that it names; -1 for other kinds and unknown accounts
    reliability: Float64Array  # [n] 0 to 1; `UNSTATED` where the entry states none
    table: pa.Table  # the entries as read


class ListedAccounts(NamedTuple):
    """Entries of watch lists by account, of the account and of what its holder used: `start[a]:start[a + 1]`."""

    start: Int64Array
    since: Int64Array  # valid and known, and the account's tie to it known, from `since` on; valid before `until`
    until: Int64Array
    value: Int64Array  # what is listed, as `Sightings` codes it; -1 for the account itself


def read_lists(table: pa.Table | None, graph: TransferGraph) -> Lists | None:
    """Return the entries with the spans in which they count; None without the table. O(entries)."""
    if table is None:
        return None
    end = numbers(table, "valid_to")
    stated = floats(table, "reliability")
    return Lists(
        np.maximum(numbers(table, "valid_from"), numbers(table, "known_ts")),
        np.where(end == MISSING, NEVER, end),
        np.where(equals(table["kind"], "account"), graph.codes(texts(table, "value_hash")), -1).astype(np.int32),
        np.clip(np.where(np.isnan(stated), UNSTATED, stated), 0.0, 1.0),
        table,
    )


def index_lists(lists: Lists | None, seen: Seen, graph: TransferGraph) -> ListedAccounts | None:
    """Index entries by account, with what holders used; None without the table. O(entries x holders of each)."""
    if lists is None:
        return None
    rows = np.flatnonzero(lists.account >= 0)
    value = _values(lists.table, seen)
    found = _expand(value, lists.known_from, lists.known_until, seen)
    account = np.concatenate([lists.account[rows], found[0]]).astype(np.int32)
    start, place = group(account, graph.n_accounts)
    columns = ((lists.known_from[rows], found[1]), (lists.known_until[rows], found[2]),
               (np.full(len(rows), -1), found[3]))  # fmt: skip
    return ListedAccounts(start, *(np.concatenate(pair)[place] for pair in columns))


def _values(lists: pa.Table, known: Seen) -> Int64Array:
    """Return the value of each entry as `Sightings` codes it; -1 for other kinds and values that nobody was seen on."""
    value = np.full(len(lists), -1)
    for kind in _TYING:
        rows = np.flatnonzero(equals(lists["kind"], kind))
        if not len(rows):
            continue
        number = KINDS.index(kind)
        # encoding adds values that were unknown when the sightings were built: their codes lie behind those of the kind
        code = known.values.encode(kind, lists["value_hash"].take(rows)).astype(np.int64)
        is_seen = (code >= 0) & (code < known.offsets[number + 1] - known.offsets[number])
        value[rows] = np.where(is_seen, code + known.offsets[number], -1)
    return value


def _expand(value: Int64Array, since: Int64Array, until: Int64Array, known: Seen) -> tuple[Int64Array, ...]:
    """Return account, since, until and value of every account whose holder was seen on a listed value."""
    entries = (value, since, until, known.sightings, known.people)
    n = _fill(*entries, *(np.empty(0, np.int64) for _ in range(4)))
    found = tuple(np.empty(n, np.int64) for _ in range(4))
    _fill(*entries, *found)
    return found


@numba.njit(cache=True, nogil=True)
def _fill(value, since, until, sightings, people, account, began, ended, what) -> int:  # type: ignore[no-untyped-def]
    """Return how many there are; write those that there is room for."""
    n = 0
    for e in range(len(value)):
        if value[e] < 0:
            continue
        for s in range(sightings.start[value[e]], sightings.start[value[e] + 1]):
            person = sightings.person[s]
            if person >= len(people.start) - 1:  # named by identifiers, without an account
                continue
            for j in range(people.start[person], people.start[person + 1]):
                if n < len(account):
                    account[n], began[n] = people.account[j], max(since[e], sightings.since[s])
                    ended[n], what[n] = until[e], value[e]
                n += 1
    return n
