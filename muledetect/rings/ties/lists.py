"""A list names a member together with the centre, or another account of a member's holder."""

from __future__ import annotations

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from muledetect.rings.ties._spec import TieContext, evidence, family, no_rows


@family(weights={"list": 3.0}, cap=4.0, tables=("watchlists",), carries=("list",))
def lists(context: TieContext) -> pd.DataFrame:
    """Count members that a police or regulator list names with the centre: log-odds 3 times reliability, at most 4."""
    rows = _named(context).merge(context.members, on="account")
    return evidence(rows, "list", rows["reliability"])


@family(weights={"holder": 1.5}, cap=1.5, tables=("watchlists", "accounts"))
def person(context: TieContext) -> pd.DataFrame:
    """Count holders of members of whom another account is listed with the centre: log-odds 1.5 times reliability."""
    table = context.snapshot.tables["accounts"]
    if "holder_id" not in table.column_names:
        return evidence(no_rows("ring", "centre", "item", "time"), "holder")
    held = table.select(["account_id", "holder_id"]).filter(pc.is_valid(table["holder_id"]))
    code = context.snapshot.graph.codes(held["account_id"])
    holders = pd.DataFrame({"account": code, "holder": held["holder_id"].cast(pa.string()).to_pylist()})
    listed = _named(context).merge(holders, on="account")
    rows = listed.merge(context.members.merge(holders, on="account"), on="holder", suffixes=("_listed", ""))
    rows = rows[rows["account"] != rows["account_listed"]]
    return evidence(rows.assign(item=rows["holder"]), "holder", rows["reliability"])


def _named(context: TieContext) -> pd.DataFrame:
    """Return the listed accounts: account (code), centre, item, time, reliability."""
    listed = context.listed[context.listed["kind"] == "account"]
    found = listed.assign(account=context.snapshot.graph.codes(listed["value"].tolist()), item=listed["value"])
    return found[found["account"] >= 0].rename(columns={"since": "time"})
