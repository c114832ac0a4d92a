"""Who names the centre: victims of the ring, those who report the same script, and lists."""

from __future__ import annotations

import pandas as pd
import pyarrow.compute as pc

from muledetect.facts.columns import texts
from muledetect.rings.ties._spec import TieContext, evidence, family, no_rows


@family(weights={"complaint": 1.5}, cap=3.0, tables=("complaints",), carries=("complaint",))
def complaint(context: TieContext) -> pd.DataFrame:
    """Count the distinct victims that paid the ring and name the centre: log-odds 1.5 each, at most 3.

    A victim with several complaints counts once, at its first.
    """
    named = context.complaints[(context.complaints["ring"] >= 0) & context.complaints["centre"].notna()]
    first = named.sort_values(["time", "complaint_id"]).drop_duplicates(["ring", "centre", "payer"])
    return evidence(first.rename(columns={"complaint_id": "item"}), "complaint")


@family(weights={"script": 0.6}, cap=1.2, tables=("complaints",))
def script(context: TieContext) -> pd.DataFrame:
    """Count scripts that victims of the ring share with others who name the centre: 0.6 each, at most 1.2.

    A script that several centres read from counts in proportion: 1 / centres.
    """
    read = context.complaints[context.complaints["script"].notna()]
    of_centre = read[read["centre"].notna()][["script", "centre", "ring", "payer"]].drop_duplicates()
    n_centres = of_centre.groupby("script")["centre"].nunique().rename("n_centres")
    of_ring = read[read["ring"] >= 0].groupby(["ring", "script"], as_index=False).agg(time=("time", "max"))
    rows = of_ring.merge(of_centre, on="script", suffixes=("", "_named")).merge(n_centres, on="script")
    rows = rows[rows["ring"] != rows["ring_named"]].drop_duplicates(["ring", "centre", "script"])
    return evidence(rows.assign(item=rows["script"]), "script", 1.0 / rows["n_centres"])


@family(weights={"list": 3.0}, cap=4.0, tables=("watchlists or registry",), carries=("list",))
def lists(context: TieContext) -> pd.DataFrame:
    """Count members that a list or registry names with the centre: log-odds 3 times reliability, at most 4."""
    rows = _named(context).merge(context.members, on="account")
    return evidence(rows, "list", rows["reliability"])


@family(weights={"holder": 1.5}, cap=1.5, tables=("watchlists or registry", "accounts"))
def person(context: TieContext) -> pd.DataFrame:
    """Count holders of members of whom another account is listed with the centre: log-odds 1.5 times reliability."""
    table = context.snapshot.tables["accounts"]
    if "holder_id" not in table.column_names:
        return evidence(no_rows("ring", "centre", "item", "time"), "holder")
    held = table.select(["account_id", "holder_id"]).filter(pc.is_valid(table["holder_id"]))
    code = context.snapshot.graph.codes(held["account_id"])
    holders = pd.DataFrame({"account": code, "holder": texts(held, "holder_id").to_pylist()})
    listed = _named(context).merge(holders, on="account")
    rows = listed.merge(context.members.merge(holders, on="account"), on="holder", suffixes=("_listed", ""))
    rows = rows[rows["account"] != rows["account_listed"]]
    return evidence(rows.assign(item=rows["holder"]), "holder", rows["reliability"])


def _named(context: TieContext) -> pd.DataFrame:
    """Return the listed accounts: account (code), centre, item, time, reliability."""
    listed = context.listed[context.listed["kind"] == "account"]
    found = listed.assign(account=context.snapshot.graph.codes(listed["value"].tolist()), item=listed["value"])
    return found[found["account"] >= 0].rename(columns={"since": "time"})
