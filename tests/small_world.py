"""One simulated bank that is small and full of mules, so that a model learns from it within a second."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache

import numpy as np
import pyarrow as pa

from muledetect.clock import parse_time
from muledetect.model import MuleModel
from muledetect.simulation import simulate

World = Mapping[str, pa.Table]

#: The world runs from 1 January to 11 March 2025; half of its mules have begun by the first moment.
TRAINED_AT, SCORED_AT = "2025-02-15", "2025-03-01"

#: Columns that hold account ids. The entity of an identifier may also be a holder.
ACCOUNT_COLUMNS = {
    "transfers": ["source", "target"],
    "accounts": ["account_id"],
    "sessions": ["account_id"],
    "identifiers": ["entity_id"],
    "complaints": ["victim_account", "target"],
    "labels": ["account_id"],
    "truth_rings": ["account_id"],
    "truth_money": ["account_id"],
    "truth_cases": ["victim_account"],
    "truth_accounts": ["account_id"],
}
#: When the bank could know a row.
KNOWN = {
    "transfers": "time",
    "identifiers": "known_ts",
    "sessions": "time",
    "complaints": "known_ts",
    "calls": "known_ts",
    "watchlists": "known_ts",
    "labels": "known_ts",
}


@cache
def small_world(seed: int = 8) -> World:
    """Return the tables of the world; the same object at each call, so not to be changed."""
    return simulate(
        n_accounts=500, n_days=70, seed=seed, mule_share=0.1, found_share=1.0, activity=0.3, start="2025-01-01"
    )


def small_model(n_jobs: int | None = None) -> MuleModel:
    """Return a model that trains in a moment."""
    return MuleModel(n_estimators=20, n_bags=2, n_jobs=n_jobs)


def known_before(world: World, moment: str) -> World:
    """Return the world without what happened or was known at the moment or later; accounts stay."""
    return {name: table.filter(_is_known(table, name, moment)) if name in KNOWN else table
            for name, table in world.items()}  # fmt: skip


def with_another_future(world: World, moment: str) -> World:
    """Return the world with the columns of later rows shuffled against each other."""
    random, changed = np.random.default_rng(0), dict(world)
    for name, column in (("transfers", "target"), ("transfers", "amount"), ("complaints", "target"),
                         ("labels", "label")):  # fmt: skip
        table = changed[name]
        later = np.flatnonzero(~np.asarray(_is_known(table, name, moment)))
        rows = np.arange(len(table))
        rows[later] = random.permutation(later)
        changed[name] = table.set_column(table.column_names.index(column), column, table[column].take(rows))
    return changed


def renamed(world: World) -> tuple[World, dict[str, str]]:
    """Return the world under other account ids, whose order is another one, and the new id of each old one."""
    old = sorted(
        {entry for name in ("transfers", "accounts") for column in ACCOUNT_COLUMNS[name]
         for entry in world[name][column].to_pylist()}
    )  # fmt: skip
    new_of = {
        name: f"n{number:05d}" for name, number in zip(old, np.random.default_rng(1).permutation(len(old)), strict=True)
    }
    changed = dict(world)
    for name, columns in ACCOUNT_COLUMNS.items():
        for column in columns:
            ids = [new_of.get(entry, entry) for entry in changed[name][column].to_pylist()]
            position = changed[name].column_names.index(column)
            changed[name] = changed[name].set_column(position, column, pa.array(ids, pa.string()))
    lists = changed["watchlists"]
    names = zip(lists["kind"].to_pylist(), lists["value_hash"].to_pylist(), strict=True)
    ids = [new_of.get(value, value) if kind == "account" else value for kind, value in names]
    position = lists.column_names.index("value_hash")
    changed["watchlists"] = lists.set_column(position, "value_hash", pa.array(ids, pa.string()))
    return changed, new_of


def permuted(world: World, seed: int = 0) -> World:
    """Return the world with the rows of every table in another order."""
    random = np.random.default_rng(seed)
    return {name: table.take(random.permutation(len(table))) for name, table in world.items()}


def _is_known(table: pa.Table, name: str, moment: str) -> pa.Array:
    known = table[KNOWN[name]].cast(pa.int64()).to_numpy()
    return pa.array(known < parse_time(moment))
