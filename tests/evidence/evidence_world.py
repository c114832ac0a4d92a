"""A small bank whose ids stand out in any bytes, and packs of it, for the tests of evidence."""

from __future__ import annotations

import sys
from functools import cache
from pathlib import Path
from typing import Any

import pyarrow as pa

from muledetect import pipeline, schema
from muledetect.clock import DAY
from muledetect.facts import Snapshot
from muledetect.records import Dataset, read_dataset
from muledetect.rings import RingTables, find_rings

sys.path.insert(0, str(Path(__file__).parents[1] / "reports"))
from browser import open_browser
from report_world import AS_OF, hostile, make_scores, make_tables, make_world

__all__ = [
    "AS_OF", "CASES", "bank", "hostile", "make_world", "marked", "open_browser", "packed", "ring_of", "rings",
    "scores", "tables",
]  # fmt: skip


def marked(name: str) -> str:
    """Return an id that no other text holds: its letters in digits, so that it is text of a plain id."""
    return f"acc{sum(ord(sign) * 37**at for at, sign in enumerate(name)):013d}"


def tables() -> dict[str, pa.Table]:
    """Return the bank with ids of accounts and holders that stand out; other texts are as they were."""
    made = make_tables()
    for name in made:
        for column in schema.INPUTS[name].columns:
            if column.who and column.name in made[name].column_names:
                ids = [None if one is None else marked(one) for one in made[name][column.name].to_pylist()]
                place = made[name].column_names.index(column.name)
                made[name] = made[name].set_column(place, column.name, pa.array(ids, pa.string()))
    many = [f"payer {at}" for at in range(8)]
    # eight people pay gc some cents: enough for a group of five
    small = pa.table(
        {
            "transfer_id": [f"u{at}" for at in range(8)], "time": pa.array([AS_OF - 9 * DAY + at for at in range(8)]),
            "source": [marked(name) for name in many], "target": [marked("gc")] * 8,
            "amount": pa.array([10 + at for at in range(8)]), "channel": ["p2p_proxy"] * 8,
        }
    )  # fmt: skip
    small = small.set_column(1, "time", small["time"].cast(pa.timestamp("us", tz="UTC")))
    made["transfers"] = pa.concat_tables([made["transfers"], small], promote_options="default")
    return made


@cache
def bank() -> Dataset:
    return read_dataset(tables(), currency="THB")


@cache
def scores() -> pa.Table:
    return _named(make_scores())


def _named(table: pa.Table) -> pa.Table:
    ids = pa.array([marked(name) for name in table["account_id"].to_pylist()], pa.string())
    return table.set_column(table.column_names.index("account_id"), "account_id", ids)


@cache
def rings() -> RingTables:
    return find_rings(Snapshot(bank(), AS_OF), scores(), min_precision=0.0)


def ring_of(account: str) -> str:
    members = rings().ring_members.to_pylist()
    return str(next(row["ring_id"] for row in members if row["account_id"] == marked(account)))


#: What a case is of -> accounts that may appear.
CASES: dict[str, dict[str, str]] = {
    "account": {"account": marked("gc")},
    "complaint": {"complaint": "q0"},
}


def packed(kind: str = "account", dataset: Any = None, **options: Any) -> bytes:
    asked = {"ring": ring_of("gc")} if kind == "ring" else CASES[kind]
    return pipeline.pack(bank() if dataset is None else dataset, scores(), AS_OF, rings=rings(), **asked, **options)
