"""Accounts that belong together, so that a split keeps rings, people and devices on one side."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, Final, Literal, get_args

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from muledetect.arrays import Int64Array
from muledetect.errors import OptionError
from muledetect.graph import Points
from muledetect.labels._columns import codes_of

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
    n_accounts = len(dataset.account_ids)
    shared = [
        _without_hubs(dataset, _on_devices(dataset), max_holders) if name == "device" else _in_table(dataset, name)
        for name in dict.fromkeys(by)
    ]
    return _components(shared, n_accounts)


def _in_table(dataset: Dataset, join: str) -> _Members:
    name, key = _TABLE_OF[join]
    table = dataset.tables.get(name)
    if table is None or key not in table.column_names:
        return np.empty(0, np.int64), np.empty(0, np.int64)
    return _known(codes_of(table["account_id"], dataset.account_ids), _numbered(_text(table[key])))


def _on_devices(dataset: Dataset) -> _Members:
    seen = list(_sightings(dataset))
    if not seen:
        return np.empty(0, np.int64), np.empty(0, np.int64)
    device = _numbered(pa.concat_arrays([values for _, values in seen]))
    return _known(np.concatenate([codes for codes, _ in seen]), device)


def _sightings(dataset: Dataset) -> Iterator[tuple[Int64Array, pa.Array]]:
    """Yield account codes and the devices on which they were seen, table by table."""
    for name, user in (("sessions", "account_id"), ("transfers", "source")):
        table = dataset.tables.get(name)
        if table is not None and "device_hash" in table.column_names:
            used = table.filter(pc.is_valid(table["device_hash"]))
            yield codes_of(used[user], dataset.account_ids), _text(used["device_hash"])
    identifiers = dataset.tables.get("identifiers")
    if identifiers is None:
        return
    devices = identifiers.filter(pc.equal(identifiers["kind"].cast(pa.string()), "device"))
    values = _text(devices["value_hash"])
    yield codes_of(devices["entity_id"], dataset.account_ids), values
    accounts = dataset.tables.get("accounts")
    if accounts is not None and "holder_id" in accounts.column_names:
        yield _through_holders(dataset, accounts, _text(devices["entity_id"]), values)


def _through_holders(
    dataset: Dataset, accounts: pa.Table, entity: pa.Array, values: pa.Array
) -> tuple[Int64Array, pa.Array]:
    """Return the accounts of entities that are holders, each with the entity's value."""
    owned = pa.table({"holder": _text(accounts["holder_id"]), "account": _text(accounts["account_id"])})
    joined = pa.table({"holder": entity, "value": values}).join(owned, "holder", join_type="inner")
    return codes_of(joined["account"], dataset.account_ids), _text(joined["value"])


def _without_hubs(dataset: Dataset, members: _Members, max_holders: int) -> _Members:
    account, device = members
    person = _components([_in_table(dataset, "holder")], len(dataset.account_ids))[account]
    pairs = np.unique(np.stack([device, person], axis=1), axis=0)
    n_people = np.bincount(pairs[:, 0], minlength=int(device.max(initial=-1)) + 1)
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


def _known(codes: Int64Array, things: Int64Array) -> _Members:
    is_known: npt.NDArray[np.bool_] = (codes >= 0) & (things >= 0)
    return codes[is_known], things[is_known]


def _numbered(values: pa.Array) -> Int64Array:
    indices = values.dictionary_encode().indices
    return np.asarray(pc.fill_null(indices, -1).to_numpy(zero_copy_only=False), dtype=np.int64)


def _text(column: Any) -> pa.Array:
    text = column.cast(pa.string())
    return text.combine_chunks() if isinstance(text, pa.ChunkedArray) else text
