"""Tables of a case: rows of its own accounts as they are, others grouped over at least k accounts, or dropped."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from muledetect import schema
from muledetect.evidence.case import Case
from muledetect.facts import Snapshot
from muledetect.rings import RingTables
from muledetect.tracing import Traces

#: What is shown of each table; other columns, the bank's own among them, are left out.
TRANSFERS: Final = ("transfer_id", "time", "source", "target", "amount", "currency", "channel", "status")
COMPLAINTS: Final = (
    "complaint_id", "known_ts", "victim_account", "target", "transfer_id", "amount", "time", "scam_type", "status",
)  # fmt: skip
_ACCOUNTS: Final = ("bank_id", "kind", "opened_at")

#: Table `bystanders`: transfers between an account of the case and others, in groups; null = any.
BYSTANDERS: Final = pa.schema(
    dict.fromkeys(("account_id", "direction", "kind", "channel"), pa.string())
    | dict.fromkeys(("n_accounts", "n_transfers", "amount"), pa.int64())
)
#: What a group has in common, the most exact first. What is in no group of k accounts goes on to the next.
_LEVELS: Final = (
    ("account_id", "direction", "kind", "channel"), ("account_id", "direction", "kind"), ("account_id", "direction"),
    ("direction",),
)  # fmt: skip
_KINDS: Final = np.array([*schema.ACCOUNT_KINDS, "not known"], dtype=object)


def cut_transfers(snapshot: Snapshot, case: Case) -> pa.Table:
    """Return the transfers between accounts of the case."""
    graph, is_of = snapshot.graph, case.marked(snapshot)
    rows = np.flatnonzero(is_of[graph.source] & is_of[graph.target])
    table = _shown(snapshot.tables["transfers"], TRANSFERS, schema.TRANSFERS).take(pa.array(rows))
    return table.sort_by([("time", "ascending"), ("transfer_id", "ascending")])


def group_bystanders(snapshot: Snapshot, case: Case, k: int) -> tuple[pa.Table, int]:
    """Return what subjects moved with accounts outside the case, in groups of at least k of these.

    Returns
    -------
    bystanders : pyarrow.Table
        `BYSTANDERS`.
    n_dropped : int
        Transfers in no such group: nothing is said of them.
    """
    graph, is_of, is_subject = snapshot.graph, case.marked(snapshot), case.marked(snapshot, "subject")
    came = is_subject[graph.target] & ~is_of[graph.source]
    went = is_subject[graph.source] & ~is_of[graph.target]
    at = np.flatnonzero(came | went)
    other = np.where(came[at], graph.source[at], graph.target[at])
    own = np.where(came[at], graph.target[at], graph.source[at])
    table = snapshot.tables["transfers"]
    channel = (
        table["channel"].cast(pa.string()).take(pa.array(at)).to_pylist() if "channel" in table.column_names else ""
    )
    rows = pd.DataFrame(
        {
            "account_id": graph.account_ids.take(pa.array(own)).to_pylist(),
            "direction": np.where(came[at], "in", "out").astype(object),
            "kind": _KINDS[snapshot.accounts.kind[other]], "channel": channel, "other": other,
            "amount": graph.amount[at],
        }
    ).astype(dict.fromkeys(("account_id", "direction", "kind", "channel"), object))  # fmt: skip
    rows["channel"] = rows["channel"].fillna("not known")
    found: list[dict[str, Any]] = []
    for level in _LEVELS:
        groups = rows.groupby(list(level), sort=True)
        is_large = groups["other"].transform("nunique") >= k if len(rows) else np.zeros(0, np.bool_)
        for key, part in rows[is_large].groupby(list(level), sort=True):
            sums = {
                "n_accounts": part["other"].nunique(),
                "n_transfers": len(part),
                "amount": int(part["amount"].sum()),
            }
            found.append(dict(zip(level, key, strict=True)) | sums)
        rows = rows[~is_large]
    return pa.Table.from_pylist(found, BYSTANDERS), len(rows)


def cut_accounts(snapshot: Snapshot, case: Case) -> pa.Table:
    """Return the accounts of the case with their role, and what the bank knows of their bank, kind and age."""
    names = sorted(case.roles)
    found: dict[str, Any] = {"account_id": pa.array(names, pa.string())}
    found["role"] = pa.array([case.roles[name] for name in names])
    table = snapshot.tables.get("accounts")
    for column in _ACCOUNTS:
        kind = schema.ACCOUNTS.column(column).arrow_type
        known: dict[str, Any] = {}
        if table is not None and column in table.column_names:
            rows = table.filter(case.has(table["account_id"]))
            known = dict(zip(rows["account_id"].to_pylist(), rows[column].to_pylist(), strict=True))
        found[column] = pa.array([known.get(name) for name in names], kind)
    return pa.table(found)


def cut_complaints(snapshot: Snapshot, case: Case) -> pa.Table:
    """Return the complaints of the case; a victim or payee outside it is null."""
    table = snapshot.complaints.table
    if not case.complaints:
        return pa.table({"complaint_id": pa.array([], pa.string())})
    shown = _shown(table, COMPLAINTS, schema.COMPLAINTS)
    asked = pa.array(case.complaints, pa.string())
    rows = shown.filter(pc.is_in(shown["complaint_id"], value_set=asked)).sort_by("complaint_id")
    for name in ("victim_account", "target"):
        if name in rows.column_names:
            kept = pc.if_else(case.has(rows[name]), rows[name], pa.scalar(None, pa.string()))
            rows = rows.set_column(rows.column_names.index(name), name, kept)
    return rows


def cut_traces(traces: Traces, case: Case, k: int) -> dict[str, pa.Table]:
    """Return the traces of the case's complaints: places, steps and holds of its own accounts.

    Money in places outside the case is one row a complaint and method, without an account, where there are k of them
    or more; else nothing is said of it.
    """
    asked = pa.array(case.complaints, pa.string())
    own = {name: table.filter(pc.is_in(table["complaint_id"], value_set=asked))
           for name, table in traces.tables.items() if name in ("trace", "steps", "holds")}  # fmt: skip
    places, is_of = own["trace"], case.has(own["trace"]["account_id"])
    outside = places.filter(pc.invert(is_of)).to_pandas()
    rows = []
    for (complaint, method), part in outside.groupby(["complaint_id", "method"], sort=True):
        if part["account_id"].nunique() >= k:
            row = {"complaint_id": complaint, "method": method, "traced": int(part["traced"].sum())}
            rows.append(row | {"as_of": part["as_of"].iloc[0], "exit_kind": "outside_the_case"})
    kept = places.filter(is_of)
    summed = pa.Table.from_pylist(rows, places.schema)
    steps = own["steps"].filter(pc.and_(case.has(own["steps"]["source"]), case.has(own["steps"]["target"])))
    holds = own["holds"].filter(case.has(own["holds"]["account_id"]))
    order = [("complaint_id", "ascending"), ("method", "ascending")]
    return {
        "trace": pa.concat_tables([kept, summed]).sort_by([*order, ("account_id", "ascending"), ("hop", "ascending")]),
        "trace_steps": steps.sort_by([*order, ("time", "ascending"), ("transfer_id", "ascending")]),
        "holds": holds.sort_by([("complaint_id", "ascending"), ("account_id", "ascending")]),
    }


def cut_rings(rings: RingTables, case: Case, transfer_ids: set[str]) -> RingTables:
    """Return the rings of the subjects with members, links and transfers of the case alone."""
    members = rings.ring_members.filter(case.has(rings.ring_members["account_id"]))
    own = pc.unique(members["ring_id"])
    links = rings.ring_links.filter(pc.and_(case.has(rings.ring_links["source"]), case.has(rings.ring_links["target"])))
    links = links.filter(pc.is_in(links["ring_id"], value_set=own))
    found = rings.rings.filter(pc.is_in(rings.rings["ring_id"], value_set=own))
    order = [("ring_id", "ascending"), ("account_id", "ascending")]
    ends = [("ring_id", "ascending"), ("source", "ascending"), ("target", "ascending"), ("kind", "ascending")]
    # a table that was read back calls the items of its lists otherwise
    return RingTables(
        rings=_only(found.sort_by("ring_id"), "typology_transfers", transfer_ids).cast(schema.RINGS.arrow_schema),
        ring_members=members.sort_by(order).cast(schema.RING_MEMBERS.arrow_schema),
        ring_links=_only(links.sort_by(ends), "evidence", transfer_ids).cast(schema.RING_LINKS.arrow_schema),
    )


def _only(table: pa.Table, column: str, transfer_ids: set[str]) -> pa.Table:
    """Return a table whose list of evidence has transfers of the case alone."""
    kept = [
        None if cell is None else [name for name in cell if name in transfer_ids] for cell in table[column].to_pylist()
    ]
    return table.set_column(table.column_names.index(column), column, pa.array(kept, table.schema.field(column).type))


def _shown(table: pa.Table, names: tuple[str, ...], declared: schema.Table) -> pa.Table:
    """Return the columns that may be shown, as the contract has them."""
    there = [name for name in names if name in table.column_names]
    return pa.table({name: table[name].cast(declared.column(name).arrow_type) for name in there})


def outside_ids(tables: Mapping[str, pa.Table], case: Case) -> list[str]:
    """Return the tables and columns that name an account which is not of the case; there should be none."""
    found = []
    for name, table in tables.items():
        for column in table.column_names:
            if column in ("account_id", "source", "target", "victim_account"):
                ids = pc.drop_null(table[column])
                if len(ids) and not pc.all(case.has(ids)).as_py():
                    found.append(f"{name}.{column}")
    return found
