"""What registries say of accounts and the people behind them, and from when to when each statement counts.

A registry is a record of statements. A later one of the same entry takes the place of an earlier one: from then on, and
not before. An entry that was removed no longer counts, but what was known of it at an earlier moment stays.

- A statement begins to count once it is valid and known: `max(valid_from, known_ts)`.
- It counts until it expires (`valid_to`), or until a statement of the same entry that was known later begins.
- "removed" counts nothing. A statement without a reliability has that of the entry as it was last listed, 0.5 if none
  is stated; under appeal half of it.
- Statements of one entry that were known at the same moment: a removal comes last, then an appeal, then the lower
  reliability.
"""

from __future__ import annotations

from typing import Final, NamedTuple

import numba
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from muledetect.arrays import MISSING, NEVER, BoolArray, Float64Array, Int32Array, Int64Array
from muledetect.facts.columns import bools, equals, floats, group, numbers, texts
from muledetect.facts.lists import UNSTATED
from muledetect.facts.sessions import Tables
from muledetect.facts.sightings import CROWD
from muledetect.graph import TransferGraph
from muledetect.schema import INPUTS

#: What an appeal leaves of the reliability of an entry, where its row states none; a choice, see decision 060.
APPEALED: Final = 0.5

#: Columns that say which entry a statement is of: nobody takes the place of what another one said.
ENTRY: Final = ("scheme", "listed_by", "entry_id", "subject_kind", "subject_id")

#: Statements of one moment, in the order in which they take each other's place.
_STATUSES: Final = ("listed", "appealed", "removed")


class Registry(NamedTuple):
    """One row a statement, in the order of the table."""

    known_from: Int64Array  # it counts at a moment with `known_from < as_of <= known_until`; never if that is empty
    known_until: Int64Array
    account: Int32Array  # [n] code of the account that it names; -1 for people, companies and unknown accounts
    reliability: Float64Array  # [n] 0 to 1
    is_own: BoolArray  # [n] this bank made it
    table: pa.Table  # the statements as read


class RegisteredAccounts(NamedTuple):
    """Statements by account, of the account and of its holder: `start[a]:start[a + 1]`."""

    start: Int64Array
    since: Int64Array  # it counts, and the account's tie to it is known, from `since` on, until `until`
    until: Int64Array
    reliability: Float64Array
    is_own: BoolArray


def read_registry(table: pa.Table | None, graph: TransferGraph) -> Registry | None:
    """Return the statements with the spans in which they count; None without the table. O(n log n)."""
    if table is None:
        return None
    return _read(table, graph)


def nothing_said(graph: TransferGraph) -> Registry:
    """Return a registry without a statement."""
    return _read(INPUTS["registry"].empty(), graph)


def _read(table: pa.Table, graph: TransferGraph) -> Registry:
    begins, until, trust, _, _ = spans(table)
    is_own = bools(table["is_own"]) if "is_own" in table.column_names else np.zeros(len(table), np.bool_)
    account = np.where(equals(table["subject_kind"], "account"), graph.codes(texts(table, "subject_id")), -1)
    return Registry(begins, until, account.astype(np.int32), trust, is_own, table)


def spans(table: pa.Table) -> tuple[Int64Array, Int64Array, Float64Array, Int64Array, Int64Array]:
    """Return of each statement from when and until when it counts, how far it is trusted, and the number of its entry;
    and the rows in order: by entry, each behind those whose place it takes."""
    status = np.select([equals(table["status"], name) for name in _STATUSES], range(len(_STATUSES)), 0)
    begins = np.maximum(numbers(table, "valid_from"), numbers(table, "known_ts"))
    ends = numbers(table, "valid_to")
    ends = np.where(ends == MISSING, NEVER, ends)
    stated = np.clip(floats(table, "reliability"), 0.0, 1.0)
    entry, order = _in_order(table, status, stated, ends)
    until, trust = np.empty_like(ends), np.empty_like(stated)
    until[order], trust[order] = _settle(entry[order], begins[order], ends[order], status[order], stated[order])
    return begins, until, trust, entry, order


def _in_order(
    table: pa.Table, status: Int64Array, stated: Float64Array, ends: Int64Array
) -> tuple[Int64Array, Int64Array]:
    """Return the number of each row's entry, and the rows by entry and by which takes the place of which.

    Rows that no key tells apart are alike in all that counts.
    """
    entry = np.zeros(len(table), np.int64)
    for name in ENTRY:
        code = texts(table, name).dictionary_encode().indices.fill_null(-1).to_numpy(zero_copy_only=False)
        entry = np.unique(np.stack([entry, code.astype(np.int64)]), axis=1, return_inverse=True)[1].reshape(-1)
    keys = {"entry": entry, "known": numbers(table, "known_ts"), "status": status,
            "trust": -np.where(np.isnan(stated), -1.0, stated), "from": numbers(table, "valid_from"),
            "to": ends}  # fmt: skip
    rows = pa.table({**keys, **{name: texts(table, name) for name in ("tier", "centre_id")}})
    order = pc.sort_indices(rows, sort_keys=[(name, "ascending") for name in rows.column_names])
    return entry, order.to_numpy().astype(np.int64)


@numba.njit(cache=True, nogil=True)
def _settle(entry, begins, ends, status, stated):  # type: ignore[no-untyped-def]
    """Return until when each statement counts, and how far it is trusted; rows by entry, the later known ones last."""
    n = len(entry)
    until, trust = ends.copy(), np.empty(n, np.float64)
    # invariant: `listed` is the reliability of the entry as it was last listed
    listed = UNSTATED
    for i in range(n):
        if i == 0 or entry[i] != entry[i - 1]:
            listed = UNSTATED
        if status[i] == 0 and not np.isnan(stated[i]):
            listed = stated[i]
        trust[i] = APPEALED * listed if status[i] == 1 else listed
        if not np.isnan(stated[i]):
            trust[i] = stated[i]
    # invariant: `following` is when the first of the statements behind row i begins to count
    following = NEVER
    for i in range(n - 1, -1, -1):
        if i == n - 1 or entry[i] != entry[i + 1]:
            following = NEVER
        until[i] = min(until[i], following)
        following = min(following, begins[i])
        if status[i] == 2:
            until[i] = begins[i]
    return until, trust


def index_registry(registry: Registry | None, graph: TransferGraph, tables: Tables) -> RegisteredAccounts | None:
    """Index statements by account, with those about its holder; None without the table. O(statements x accounts)."""
    if registry is None:
        return None
    counts = registry.known_from < registry.known_until
    direct = np.flatnonzero(counts & (registry.account >= 0))
    named = np.flatnonzero(counts & ~equals(registry.table["subject_kind"], "account"))
    entry, account, since, until = _behind(texts(registry.table, "subject_id").take(pa.array(named)), graph, tables)
    row = np.concatenate([direct, named[entry]])
    start, place = group(np.concatenate([registry.account[direct], account]).astype(np.int32), graph.n_accounts)
    begins = np.concatenate([registry.known_from[direct], np.maximum(registry.known_from[named[entry]], since)])
    ends = np.concatenate([registry.known_until[direct], np.minimum(registry.known_until[named[entry]], until)])
    row = row[place]
    return RegisteredAccounts(start, begins[place], ends[place], registry.reliability[row], registry.is_own[row])


def _behind(subjects: pa.StringArray, graph: TransferGraph, tables: Tables) -> tuple[Int64Array, ...]:
    """Return position in `subjects`, account, since and until of each account whose holder has the official number.

    A number that more than `CROWD` holders have is none, such as the hash of an empty field: it counts until the next
    holder was known. The numbers are those of kind `id_number` of identifiers.
    """
    known = tables.get("identifiers")
    if known is None or not len(subjects):
        return tuple(np.empty(0, np.int64) for _ in range(4))
    is_wanted = pc.is_in(known["value_hash"].cast(pa.string()), value_set=subjects.unique())
    known = known.filter(pc.and_(is_wanted, pc.equal(known["kind"].cast(pa.string()), "id_number")))
    since = np.maximum(numbers(known, "valid_from"), numbers(known, "known_ts"))
    columns = {"value": texts(known, "value_hash").to_pylist(), "entity": texts(known, "entity_id").to_pylist()}
    first = pd.DataFrame(columns | {"since": since}).groupby(["value", "entity"])["since"].min()
    rows = first.reset_index().sort_values(["value", "since"], kind="stable")
    nth = rows.groupby("value").cumcount()
    crowd = dict(zip(rows["value"][nth == CROWD], rows["since"][nth == CROWD], strict=True))
    rows = rows[nth < CROWD]
    rows = rows.assign(until=np.array([crowd.get(value, NEVER) for value in rows["value"]], np.int64))
    wanted = pd.DataFrame({"value": subjects.to_pylist(), "place": np.arange(len(subjects))})
    found = wanted.merge(rows, on="value").merge(_accounts_of(rows["entity"], graph, tables), on="entity")
    return tuple(found[name].to_numpy(np.int64) for name in ("place", "account", "since", "until"))


def _accounts_of(entities: pd.Series[str], graph: TransferGraph, tables: Tables) -> pd.DataFrame:
    """Return the accounts of entities: an account itself, or those of a holder."""
    names = pa.array(entities.unique().tolist(), pa.string())
    found = [pd.DataFrame({"entity": names.to_pylist(), "account": graph.codes(names)})]
    accounts = tables.get("accounts")
    if accounts is not None and "holder_id" in accounts.column_names:
        held = accounts.filter(pc.is_in(accounts["holder_id"].cast(pa.string()), value_set=names))
        code = graph.codes(texts(held, "account_id"))
        found.append(pd.DataFrame({"entity": texts(held, "holder_id").to_pylist(), "account": code}))
    rows = pd.concat(found, ignore_index=True)
    return rows[rows["account"] >= 0].drop_duplicates()


def standing(registry: Registry, as_of: int) -> pa.Table:
    """Return the statements that count at a moment, with `account`, `since` and `trust`."""
    rows = np.flatnonzero((registry.known_from < as_of) & (as_of <= registry.known_until))
    table = registry.table.take(pa.array(rows))
    for name, values in (
        ("account", registry.account), ("since", registry.known_from), ("trust", registry.reliability)
    ):  # fmt: skip
        table = table.append_column(name, pa.array(values[rows]))
    return table


@numba.njit(cache=True, nogil=True)
def reliability_of(account, as_of, own, groups, entries):  # type: ignore[no-untyped-def]
    """Return the highest reliability of what stands about an account at a moment; 0 where nothing does.

    This bank's own entries about accounts of the group `own` are passed over.
    """
    best = 0.0
    for e in range(entries.start[account], entries.start[account + 1]):
        stands = entries.since[e] < as_of <= entries.until[e]
        if stands and not (entries.is_own[e] and groups[account] == own):
            best = max(best, entries.reliability[e])
    return best


@numba.njit(cache=True, nogil=True)
def reliability_at(entries, as_of):  # type: ignore[no-untyped-def]
    """Return `reliability_of` every account, all entries counted."""
    n = len(entries.start) - 1
    found, groups = np.zeros(n), np.full(n, -2)
    for account in range(n):
        found[account] = reliability_of(account, as_of, -1, groups, entries)
    return found
