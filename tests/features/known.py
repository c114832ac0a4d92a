"""Plain rows of a data set as the bank knew them just before a moment, for oracles of who and where."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from muledetect.clock import HOUR
from muledetect.features import Feature, extract
from muledetect.labels import every_account
from muledetect.records import Dataset

Row = dict[str, Any]


def rows_of(dataset: Dataset, name: str) -> list[Row]:
    """Rows of a table with times as microseconds; no rows without the table."""
    table = dataset.tables.get(name)
    if table is None:
        return []
    columns = {
        field.name: table[field.name].cast("int64") if str(field.type).startswith("timestamp") else table[field.name]
        for field in table.schema
    }
    lists = {name: column.to_pylist() for name, column in columns.items()}
    return [dict(zip(lists, row, strict=True)) for row in zip(*lists.values(), strict=True)]


class Known:
    """What was known before `as_of`, table by table, and who is behind each account."""

    def __init__(self, dataset: Dataset, as_of: int) -> None:
        self.as_of, self.tick = as_of, dataset.tick
        self.accounts = {row["account_id"]: row for row in rows_of(dataset, "accounts")}
        self.transfers = [row for row in rows_of(dataset, "transfers") if row["time"] < as_of]
        self.sessions = [row for row in rows_of(dataset, "sessions") if row["time"] < as_of]
        self.identifiers = [row for row in rows_of(dataset, "identifiers") if row["known_ts"] < as_of]
        self.complaints = [row for row in rows_of(dataset, "complaints") if row["known_ts"] < as_of]
        self.watchlists = [
            row
            for row in rows_of(dataset, "watchlists")
            if row["known_ts"] < as_of and (row.get("valid_to") is None or row["valid_to"] >= as_of)
        ]
        self.is_holder = {row["holder_id"] for row in self.accounts.values() if row.get("holder_id")}

    def person(self, entity: str) -> tuple[str, str]:
        """Holder of an account, else the account itself; entities of identifiers may be holders."""
        if entity in self.is_holder:
            return ("holder", entity)
        holder = self.accounts.get(entity, {}).get("holder_id")
        return ("holder", holder) if holder else ("account", entity)

    def user(self, transfer: Row) -> str:
        """Account that stood at the terminal of a transfer."""
        return str(transfer["target"] if transfer.get("channel") == "cash_deposit" else transfer["source"])

    def sightings(self) -> list[tuple[str, str, tuple[str, str], int]]:
        """(kind, value, person, since) of everything that anybody was seen on."""
        found = [
            (r["kind"], r["value_hash"], self.person(r["entity_id"]), r["known_ts"])
            for r in self.identifiers
            if r["kind"] not in {"director", "id_number"}  # who somebody is, not what was seen of it
        ]
        columns = {"device": "device_hash", "ip": "ip_hash", "wifi": "wifi_hash", "cell": "cell_id"}
        for kind, name in columns.items():
            found += [(kind, r[name], self.person(r["account_id"]), r["time"]) for r in self.sessions if r.get(name)]
        at = [row for row in self.transfers if row.get("terminal_id")]
        found += [("terminal", row["terminal_id"], self.person(self.user(row)), row["time"]) for row in at]
        return found

    def sessions_of(self, account: str, window: int) -> list[Row]:
        """Sessions of an account in the window, in order of time."""
        begin = self.as_of - max(window, self.tick)
        mine = [row for row in self.sessions if row["account_id"] == account and row["time"] >= begin]
        return sorted(mine, key=lambda row: row["time"])


def moment_in(dataset: Dataset, seed: int) -> int:
    """A moment in a random world: at, just behind or an hour behind a transfer."""
    random = np.random.default_rng(seed)
    times = dataset.transfers["time"].cast("int64").to_numpy()
    return int(random.choice(times)) + int(random.choice([0, 1, dataset.tick, HOUR]))


def table_of(
    dataset: Dataset, as_of: int, names: list[str | Feature], **options: Any
) -> Mapping[str, Mapping[str, float]]:
    """Columns of features for every account at a moment: name -> account -> value."""
    table = extract(dataset, every_account(dataset, as_of), names, **options)
    ids = table["account_id"].to_pylist()
    return {name: dict(zip(ids, table[name].to_pylist(), strict=True)) for name in table.column_names[2:]}
