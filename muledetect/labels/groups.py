"""Accounts that belong together, so that a split keeps rings, people and devices on one side."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final, Literal, get_args

import numpy as np
import pyarrow as pa
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from muledetect.arrays import Int32Array, Int64Array, pieces
from muledetect.errors import OptionError
from muledetect.facts.columns import encoded, equals, group
from muledetect.graph import Points
from muledetect.records.encode import IdEncoder

if TYPE_CHECKING:
    from muledetect.records import Dataset

Join = Literal["ring", "holder", "device"]
#: Account codes and, for each, the number of the thing that it shares with others.
_Members = tuple[Int64Array, Int64Array]

_TABLE_OF: Final = {"ring": ("truth_rings", "ring_id"), "holder": ("accounts", "holder_id")}


def ring_groups(dataset: Dataset, points: Points) -> Int64Array:
    """Return a group for each point, int64[n_points]; see `account_groups`; -1 for an unknown account."""
    groups = np.full(len(points), -1, np.int64)
    is_known = points.account >= 0
    groups[is_known] = account_groups(dataset)[points.account[is_known]]
    return groups


def account_groups(dataset: Dataset) -> Int64Array:
    """Return a group for each account code, int64[n_accounts], such that a ring and a person are never split.

    Accounts of one ring of `truth_rings`, and accounts of one holder, are joined, and so is what they join in turn;
    every other account is a group of its own. O(accounts + members).

    Parameters
    ----------
    dataset : Dataset
        Its tables `truth_rings` and `accounts` are used where they are there.
    """
    return component_groups(dataset, by=("ring", "holder"))


def component_groups(
    dataset: Dataset, by: Sequence[Join] = ("ring", "holder", "device"), *, max_holders: int = 20
) -> Int64Array:
    """Return a group for each account code, int64[n_accounts]: what rings, holders and devices join, directly or not.

    Groups are numbered by their first account. An account that nothing joins is a group of its own, and so is every
    account of a data set that has none of the tables.

    Parameters
    ----------
    dataset : Dataset
    by : sequence of "ring", "holder" and "device"
        What joins accounts: a ring of `truth_rings`; a holder of the accounts table; a device on which a person was
        ever seen, by `identifiers` of kind device (of an account, or of a holder with all accounts), by a session,
        or by a transfer that the account paid.
    max_holders : int
        A device of more people joins nobody: it stands in a branch or a shop. People are holders, and accounts
        without a holder.

    Raises
    ------
    OptionError
        If `by` names something else, or `max_holders` is not positive.

    Notes
    -----
    O(rows) of the tables used. Rings are the truth of a simulator: use the groups to split and to hide, never as a
    feature. Devices are taken from the whole data set, for a split must know what is joined later too.
    """
    unknown = sorted(set(by) - set(get_args(Join)))
    if unknown:
        raise OptionError(f"groups: 'by' must be of {', '.join(get_args(Join))}; got {', '.join(unknown)}.")
    if max_holders < 1:
        raise OptionError(f"groups: 'max_holders' must be 1 or more; got {max_holders}.")
    accounts = _accounts(dataset)
    shared = [
        _without_hubs(dataset, accounts, _on_devices(dataset, accounts), max_holders)
        if name == "device"
        else _in_table(dataset, accounts, name)
        for name in dict.fromkeys(by)
    ]
    return _components(shared, len(dataset.account_ids))


def _in_table(dataset: Dataset, accounts: IdEncoder, join: str) -> _Members:
    name, key = _TABLE_OF[join]
    table, room = dataset.tables.get(name), dataset.room
    if table is None or key not in table.column_names:
        return np.empty(0, np.int64), np.empty(0, np.int64)
    things = encoded(IdEncoder(room), table[key], room)
    return _members(encoded(accounts, table["account_id"], room), things, len(dataset.account_ids))


def _on_devices(dataset: Dataset, accounts: IdEncoder) -> _Members:
    n_accounts, room = len(dataset.account_ids), dataset.room
    devices = IdEncoder(room)
    found = [(np.empty(0, np.int64), np.empty(0, np.int64))]
    for name, user in (("sessions", "account_id"), ("transfers", "source")):
        table = dataset.tables.get(name)
        if table is not None and "device_hash" in table.column_names:
            device = encoded(devices, table["device_hash"], room)
            found.append(_members(encoded(accounts, table[user], room), device, n_accounts))
    identifiers = dataset.tables.get("identifiers")
    if identifiers is not None:
        is_device = pa.chunked_array([equals(identifiers["kind"], "device")])
        table = room.filter(identifiers.select(["entity_id", "value_hash"]), is_device)
        device = encoded(devices, table["value_hash"], room)
        found.append(_members(encoded(accounts, table["entity_id"], room), device, n_accounts))
        found.append(_through_holders(dataset, accounts, table["entity_id"], device))
    codes, things = zip(*found, strict=True)
    return np.concatenate(codes), np.concatenate(things)


def _through_holders(dataset: Dataset, accounts: IdEncoder, entity: pa.ChunkedArray, device: Int32Array) -> _Members:
    """Return the accounts of entities that are holders, each with the entity's device."""
    table, room = dataset.tables.get("accounts"), dataset.room
    if table is None or "holder_id" not in table.column_names:
        return np.empty(0, np.int64), np.empty(0, np.int64)
    holders, n_accounts = IdEncoder(room), len(dataset.account_ids)
    holder, account = encoded(holders, table["holder_id"], room), encoded(accounts, table["account_id"], room)
    start, place = group(holder, len(holders), room)  # a row without a holder is in no group
    code = encoded(holders, entity, room)
    rows = np.flatnonzero((code >= 0) & (code < len(start) - 1))
    begin, n = start[code[rows]], np.diff(start)[code[rows]]
    at = np.repeat(begin - np.concatenate([[0], np.cumsum(n)[:-1]]), n) + np.arange(n.sum())
    return _members(account[place[at]], np.repeat(device[rows], n), n_accounts)


def _accounts(dataset: Dataset) -> IdEncoder:
    """Return an encoder that gives each known account its code, and other ids codes beyond."""
    known = IdEncoder(dataset.room, len(dataset.account_ids))
    encoded(known, pa.chunked_array([dataset.account_ids]), dataset.room)
    return known


def _members(account: Int32Array, thing: Int32Array, n_accounts: int) -> _Members:
    """Return the distinct pairs of known accounts and things. O(n log n), in pieces."""
    found = [np.empty(0, np.int64)]
    for rows in pieces(len(account)):
        one, other = account[rows], thing[rows]
        is_known = (one >= 0) & (one < n_accounts) & (other >= 0)
        found.append(np.unique(other[is_known].astype(np.int64) * n_accounts + one[is_known]))
    key = np.unique(np.concatenate(found))
    return key % max(1, n_accounts), key // max(1, n_accounts)


def _without_hubs(dataset: Dataset, accounts: IdEncoder, members: _Members, max_holders: int) -> _Members:
    account, device = members
    person = _components([_in_table(dataset, accounts, "holder")], len(dataset.account_ids))[account]
    pairs = np.unique(device * max(1, len(dataset.account_ids)) + person)
    n_people = np.bincount(pairs // max(1, len(dataset.account_ids)), minlength=int(device.max(initial=-1)) + 1)
    is_small = n_people[device] <= max_holders
    return account[is_small], device[is_small]


def _components(shared: Sequence[_Members], n_accounts: int) -> Int64Array:
    rows, columns, n_nodes = [], [], n_accounts
    for account, thing in shared:
        rows.append(account)
        columns.append(thing + n_nodes)
        n_nodes += int(thing.max(initial=-1)) + 1
    row, column = (np.concatenate([*parts, np.empty(0, np.int64)]) for parts in (rows, columns))
    joined = coo_array((np.ones(len(row), dtype=np.int8), (row, column)), shape=(n_nodes, n_nodes))
    group: Int64Array = connected_components(joined, directed=False)[1].astype(np.int64)
    return group[:n_accounts]
