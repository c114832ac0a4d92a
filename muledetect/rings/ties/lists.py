"""A list names a member together with the centre, or another account of a member's holder."""

from __future__ import annotations

import pandas as pd
import pyarrow.compute as pc

from muledetect.rings.ties._spec import TieScene, evidence, family


@family(weights={"list": 3.0}, cap=4.0, tables=("watchlists",), carries=("list",))
def lists(scene: TieScene) -> pd.DataFrame:
    """Count members that a police or regulator list names with the centre: 3 nats times reliability, at most 4."""
    rows = _named(scene).merge(scene.members, on="account")
    return evidence(rows, "list", rows["reliability"])


@family(weights={"holder": 1.5}, cap=1.5, tables=("watchlists", "accounts"))
def person(scene: TieScene) -> pd.DataFrame:
    """Count holders of members of whom another account is listed with the centre: 1.5 nats times reliability."""
    table = scene.dataset.tables["accounts"]
    names = ["ring", "centre", "item", "time", "reliability"]
    if "holder_id" not in table.column_names:
        return evidence(pd.DataFrame({name: pd.Series(dtype="float64") for name in names}), "holder")
    held = table.select(["account_id", "holder_id"]).filter(pc.is_valid(table["holder_id"]))
    holders = pd.DataFrame({"account": scene.graph.codes(held["account_id"]), "holder": held["holder_id"].to_pylist()})
    listed = _named(scene).merge(holders, on="account")
    members = scene.members.merge(holders, on="account")
    rows = listed.merge(members, on="holder", suffixes=("_listed", ""))
    rows = rows[rows["account"] != rows["account_listed"]].assign(item=lambda found: found["holder"])
    return evidence(rows[names], "holder", rows["reliability"])


def _named(scene: TieScene) -> pd.DataFrame:
    listed = scene.listed[scene.listed["kind"] == "account"]
    found = listed.assign(account=scene.graph.codes(listed["value"].tolist()), item=listed["value"])
    return found[found["account"] >= 0].rename(columns={"since": "time"})
