"""What complaints name, and what watch lists name: transfers and accounts, each from the moment when it was known.

Built once for all points. What is here holds the whole data set; a reader cuts by time.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

import numba
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from muledetect.arrays import BoolArray, Int32Array, Int64Array
from muledetect.features._sessions import KINDS, MISSING, equals, group, numbers
from muledetect.features._sightings import Seen, seen

if TYPE_CHECKING:
    from muledetect.features._extraction import Extraction

NEVER: Final = np.iinfo(np.int64).max

#: Kinds of list entries that tie an account to a list through its holder; cells and terminals are visited by anybody.
_TYING: Final = tuple(kind for kind in KINDS if kind not in {"cell", "terminal"})


class Complained(NamedTuple):
    """Transfers and accounts that complaints name.

    Attributes
    ----------
    since : int64[n_transfers]
        When the first complaint that names the transfer was known; NEVER without one.
    account_since : int64[n_accounts]
        Likewise of complaints that name the account or a transfer to it.
    start : int64[n_accounts + 1]
    transfer : int64[n_named]
        Named transfers by target, in order of time.
    """

    since: Int64Array
    account_since: Int64Array
    start: Int64Array
    transfer: Int64Array


class Listed(NamedTuple):
    """Entries of watch lists by account: `start[a]:start[a + 1]`.

    Attributes
    ----------
    since, until : int64[n_entries]
        Valid and known, and the account's tie to it known, from `since` on; valid before `until`.
    value : int64[n_entries]
        What is listed, as `Sightings` codes it; -1 for the account itself.
    """

    start: Int64Array
    since: Int64Array
    until: Int64Array
    value: Int64Array


def complained(extraction: Extraction) -> Complained | None:
    """Return what complaints name, for `Extraction.get`; None without the table. O(transfers + complaints log n)."""
    graph, complaints = extraction.graph, extraction.tables.get("complaints")
    if complaints is None:
        return None
    known = numbers(complaints, "known_ts")
    target = _accounts(extraction, complaints, "target")
    since = np.full(graph.n_transfers, NEVER)
    has_id = _name_by_id(extraction, complaints, known, since)
    time, amount = numbers(complaints, "time"), numbers(complaints, "amount")
    rows = np.flatnonzero(~has_id & (target >= 0) & (time != MISSING) & (amount != MISSING))
    rows = rows[np.argsort(time[rows], kind="stable")]
    is_target = np.zeros(graph.n_accounts, np.bool_)
    is_target[target[rows]] = True
    victim = _accounts(extraction, complaints, "victim_account")
    _name_by_key(
        np.flatnonzero(is_target[graph.target]), graph.time, graph.source, graph.target, graph.amount,
        time[rows], victim[rows], target[rows], amount[rows], known[rows], since,
    )  # fmt: skip
    account_since = np.full(graph.n_accounts, NEVER)
    np.minimum.at(account_since, target[target >= 0], known[target >= 0])
    named = np.flatnonzero((since < NEVER) & (graph.source != graph.target))
    np.minimum.at(account_since, graph.target[named], since[named])
    start, place = group(graph.target[named], graph.n_accounts)
    return Complained(since, account_since, start, named[place])


def listed(extraction: Extraction) -> Listed | None:
    """Return what watch lists name, for `Extraction.get`; None without the table. O(entries x holders of each)."""
    graph, lists = extraction.graph, extraction.tables.get("watchlists")
    if lists is None:
        return None
    known = extraction.get(seen)
    since = np.maximum(numbers(lists, "valid_from"), numbers(lists, "known_ts"))
    end = numbers(lists, "valid_to")
    until = np.where(end == MISSING, NEVER, end)
    account = np.where(equals(lists["kind"], "account"), graph.codes(lists["value_hash"]), -1)
    rows = np.flatnonzero(account >= 0)
    value = _values(lists, known)
    found = _expand(value, since, until, known)
    account = np.concatenate([account[rows], found[0]]).astype(np.int32)
    start, place = group(account, graph.n_accounts)
    columns = ((since[rows], found[1]), (until[rows], found[2]), (np.full(len(rows), -1), found[3]))
    return Listed(start, *(np.concatenate(pair)[place] for pair in columns))


def _accounts(extraction: Extraction, table: pa.Table, name: str) -> Int32Array:
    if name not in table.column_names:
        return np.full(len(table), -1, np.int32)
    return extraction.graph.codes(table[name])


def _name_by_id(extraction: Extraction, complaints: pa.Table, known: Int64Array, since: Int64Array) -> BoolArray:
    """Mark the transfers whose ids complaints give; return which complaints give one."""
    if "transfer_id" not in complaints.column_names:
        return np.zeros(len(complaints), np.bool_)
    given = complaints["transfer_id"].cast(pa.string()).combine_chunks()
    has_id = np.asarray(given.is_valid().to_numpy(zero_copy_only=False))
    ids = given.drop_null().unique()
    first = np.full(len(ids), NEVER)
    np.minimum.at(first, pc.index_in(given.filter(given.is_valid()), value_set=ids).to_numpy(), known[has_id])
    all_ids = extraction.tables["transfers"]["transfer_id"].slice(0, len(since))
    place = pc.fill_null(pc.index_in(all_ids, value_set=ids), -1).to_numpy()
    is_named = place >= 0
    since[is_named] = first[place[is_named]]
    return has_id


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


@numba.njit(cache=True, nogil=True)
def _name_by_key(  # type: ignore[no-untyped-def]
    candidates, time, source, target, amount, at, victim, payee, loss, known, since
) -> None:
    """Complaints are in order of time; equal transfers of one moment are all named."""
    for i in candidates:
        for c in range(np.searchsorted(at, time[i]), len(at)):
            if at[c] != time[i]:
                break
            is_victim = victim[c] < 0 or victim[c] == source[i]
            if payee[c] == target[i] and loss[c] == amount[i] and is_victim:
                since[i] = min(since[i], known[c])


def _expand(value: Int64Array, since: Int64Array, until: Int64Array, known: Seen) -> tuple[Int64Array, ...]:
    """Return account, since, until and value of every account whose holder was seen on a listed value."""
    sightings, people = known.sightings, known.people
    n_accounts = np.diff(people.start, append=people.start[-1:])[np.minimum(sightings.person, len(people.start) - 1)]
    before = np.concatenate([[0], np.cumsum(n_accounts)])
    of_value = value[value >= 0]
    n = int((before[sightings.start[of_value + 1]] - before[sightings.start[of_value]]).sum())
    account, began, ended, what = (np.empty(n, np.int64) for _ in range(4))
    _fill(value, since, until, sightings, people, account, began, ended, what)
    return account, began, ended, what


@numba.njit(cache=True, nogil=True)
def _fill(value, since, until, sightings, people, account, began, ended, what) -> None:  # type: ignore[no-untyped-def]
    n = 0
    for e in range(len(value)):
        if value[e] < 0:
            continue
        for s in range(sightings.start[value[e]], sightings.start[value[e] + 1]):
            person = sightings.person[s]
            if person >= len(people.start) - 1:  # named by identifiers, without an account
                continue
            for j in range(people.start[person], people.start[person + 1]):
                account[n], began[n] = people.account[j], max(since[e], sightings.since[s])
                ended[n], what[n] = until[e], value[e]
                n += 1
