"""Laws of pages: nothing at or after the moment changes them, and they name the disputed transfers that traces name."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest
from report_world import AS_OF, World, make_scores, make_tables, make_world, material_of, times

from muledetect.clock import DAY, HOUR
from muledetect.facts import Snapshot
from muledetect.records import read_dataset
from muledetect.reports.accounts.facts import account_cases
from muledetect.reports.plots import plot_timeline
from muledetect.reports.rings.case import ring_cases
from muledetect.reports.write import write_report

pytestmark = pytest.mark.slow

#: Rows at or after the moment, by table.
LATER = {
    "transfers": {"transfer_id": ["z1", "z2", "z3"], "time": times([AS_OF, AS_OF, AS_OF + HOUR]),
                  "source": ["kv2", "gc", "kc"], "target": ["gc", "gv0", "kx"],
                  "channel": ["p2p_proxy", "reversal", "bill"],
                  "amount": pa.array([777_000, 100_000, 50_000], pa.int64()), "reversal_of": [None, "FIRST", None]},
    "complaints": {"complaint_id": ["z1", "z2"], "known_ts": times([AS_OF, AS_OF + DAY]),
                   "victim_account": ["kv2", "gv2"], "target": ["kc", "gc"], "status": ["open", "confirmed"]},
    "labels": {"account_id": ["gc", "kc"], "label": ["not_mule", "mule"], "known_ts": times([AS_OF, AS_OF + DAY])},
    "sessions": {"session_id": ["z1", "z2"], "account_id": ["kc", "gc"], "time": times([AS_OF, AS_OF + DAY]),
                 "remote_access": [True, False], "wifi_hash": ["house", "home kc"]},
    "watchlists": {"list_id": ["z1"], "kind": ["account"], "value_hash": ["kc"], "category": ["mule"],
                   "valid_from": times([AS_OF])},
}  # fmt: skip


def known_tables() -> dict[str, pa.Table]:
    """Return the tables of the bank, with the columns of what may change later, all empty."""
    tables = make_tables()
    for table, column, kind in (
        ("transfers", "reversal_of", pa.string()), ("complaints", "status_ts", times([]).type),
        ("watchlists", "valid_to", times([]).type), ("accounts", "closed_at", times([]).type),
        ("accounts", "balance", pa.int64()), ("accounts", "balance_at", times([]).type),
    ):  # fmt: skip
        tables[table] = tables[table].append_column(column, pa.nulls(len(tables[table]), kind))
    return put(tables, "complaints", status=["open"] * len(tables["complaints"]))


def put(tables: dict[str, pa.Table], name: str, **columns: object) -> dict[str, pa.Table]:
    table = tables[name]
    for column, values in columns.items():
        kind = table.schema.field(column).type
        whole = pa.array(values, kind) if isinstance(values, list) else pa.repeat(values, len(table)).cast(kind)
        table = table.set_column(table.schema.get_field_index(column), column, whole)
    return {**tables, name: table}


def with_later_rows(tables: dict[str, pa.Table]) -> dict[str, pa.Table]:
    found = dict(tables)
    lost = tables["complaints"]["transfer_id"][0].as_py()
    for name, columns in LATER.items():
        rows = pa.table({at: [lost if v == "FIRST" else v for v in col] if isinstance(col, list) else col
                         for at, col in columns.items()})  # fmt: skip
        shape = tables[name].schema
        parts = [rows[f.name].cast(f.type) if f.name in columns else pa.nulls(len(rows), f.type) for f in shape]
        found[name] = pa.concat_tables([tables[name], pa.Table.from_arrays(parts, schema=shape)])
    return found


def with_later_values(tables: dict[str, pa.Table]) -> dict[str, pa.Table]:
    """Complaints are withdrawn, entries of lists end, accounts close and balances are stated, all at the moment."""
    later = times([AS_OF])[0]
    found = put(tables, "complaints", status=pa.scalar("withdrawn"), status_ts=later)
    found = put(found, "watchlists", valid_to=later)
    return put(found, "accounts", closed_at=later, balance=pa.scalar(1), balance_at=later)


def shuffled(tables: dict[str, pa.Table]) -> dict[str, pa.Table]:
    """Rows at or after the moment get each other's values."""
    found = with_later_rows(tables)
    for name, columns in LATER.items():
        n, table = len(next(iter(columns.values()))), found[name]
        order = np.concatenate([np.arange(len(table) - n), len(table) - 1 - np.arange(n)])
        for column in ("amount", "victim_account", "target", "label", "remote_access", "source"):
            if column in columns:
                place = table.schema.get_field_index(column)
                table = table.set_column(place, column, table[column].take(pa.array(order)))
        found[name] = table
    return found


@pytest.fixture(scope="module")
def known() -> World:
    return make_world(tables=known_tables())


def pages(world: World, folder: Path) -> dict[str, str]:
    """Return every file of a report by its name; the fingerprint of the data set, which must differ, left out."""
    write_report(material_of(world, rings=world.rings), folder, goaml=True)
    files = sorted(path for path in folder.rglob("*") if path.is_file() and not path.name.startswith("."))
    texts = {str(path.relative_to(folder)): path.read_text(encoding="utf-8") for path in files}
    return {name: text.replace(world.dataset.fingerprint, "FINGERPRINT") for name, text in texts.items()}


@pytest.mark.parametrize("change", [with_later_rows, with_later_values, shuffled])
def test_nothing_at_or_after_the_moment_changes_a_page(
    known: World, change: Callable[[dict[str, pa.Table]], dict[str, pa.Table]], tmp_path: Path
) -> None:
    changed = known._replace(dataset=read_dataset(change(known_tables()), currency="THB"))
    assert changed.dataset.fingerprint != known.dataset.fingerprint
    before, after = pages(known, tmp_path / "before"), pages(changed, tmp_path / "after")
    assert before.keys() == after.keys()
    assert len(before) > 10
    different = [name for name in before if before[name] != after[name] and not name.endswith("manifest.json")]
    assert not different


def test_a_complaint_counts_until_it_is_withdrawn_and_not_after() -> None:
    tables = put(known_tables(), "complaints", status=pa.scalar("withdrawn"), status_ts=times([AS_OF - HOUR])[0])
    world = World(read_dataset(tables, currency="THB"), make_scores(), make_world().rings)
    cases = {case.account_id: case for case in account_cases(material_of(world), {})}
    assert cases["gc"].victims[cases["gc"].victims["kind"] == "confirmed"].empty
    assert cases["gc"].traces.empty


@pytest.mark.parametrize("has_ids", [True, False], ids=["by transfer id", "by victim, payee, time and amount"])
def test_pages_and_plots_name_the_disputed_transfers_that_traces_name(has_ids: bool) -> None:
    tables = known_tables()
    if not has_ids:
        named = tables["transfers"].filter(
            pc.is_in(tables["transfers"]["transfer_id"], tables["complaints"]["transfer_id"])
        )
        complaints = tables["complaints"].drop_columns("transfer_id")
        tables["complaints"] = complaints.append_column("time", named["time"]).append_column("amount", named["amount"])
    world = make_world(tables=tables)
    material = material_of(world, rings=world.rings)
    snapshot = material.snapshot
    ids = snapshot.tables["transfers"]["transfer_id"]
    disputed = set(ids.take(pa.array(snapshot.complaints.disputed)).to_pylist())
    assert len(disputed) == 4
    firsts = material.traces.steps.to_pandas().groupby("complaint_id")["transfer_id"].first()
    assert set(firsts) == disputed
    rows = [case.transfers[case.transfers["relation"] == "victim"] for case in account_cases(material, {})]
    assert disputed == {name for part in rows for name in part["transfer_id"]}
    lost = {int(at) for case in ring_cases(material, {}) for at in case.victims["transfer"]}
    assert set(ids.take(pa.array(sorted(lost))).to_pylist()) == disputed
    crosses = 0
    for payee in ("gc", "kc"):
        lines = plot_timeline(Snapshot(world.dataset, AS_OF), payee).get_lines()
        crosses += sum(len(line.get_xdata()) for line in lines if line.get_label() == "disputed")
    assert crosses == len(disputed)
