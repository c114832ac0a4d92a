"""The ring's devices and networks are the centre's, and where its phones stay is where the centre is."""

from __future__ import annotations

from typing import Final

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from muledetect.clock import DAY
from muledetect.rings.ties._spec import TieContext, evidence, family, no_rows

#: What more accounts than this used is a public network or a shop's phone.
PUBLIC: Final = 200
#: Days with a login at a cell from which an account stays there.
STAYS: Final = 3

_SEEN: Final = ("ring", "centre", "kind", "item", "time", "reliability", "n_accounts", "n_days")


@family(weights={"device": 2.5, "wifi": 1.0, "ip": 1.0}, cap=3.5, tables=("sessions", "watchlists"))
def network(context: TieContext) -> pd.DataFrame:
    """Count devices (log-odds 2.5), Wi-Fi and addresses (1.0) of members that a list ascribes to the centre; at most
    3.5.

    Times the list's reliability, and times 200 / accounts for a thing that more accounts used.
    """
    parts = [_sightings(context, kind, f"{kind}_hash") for kind in ("device", "wifi", "ip")]
    rows = pd.concat(parts, ignore_index=True)
    return evidence(rows, rows["kind"], rows["reliability"] * (PUBLIC / rows["n_accounts"]).clip(upper=1.0))


@family(weights={"cell": 0.8}, cap=1.0, tables=("sessions", "watchlists"))
def place(context: TieContext) -> pd.DataFrame:
    """Count listed cells at which members logged in on three days or more: log-odds 0.8, at most 1."""
    rows = _sightings(context, "cell", "cell_id")
    rows = rows[rows["n_days"] >= STAYS]
    return evidence(rows, "cell", rows["reliability"])


def _sightings(context: TieContext, kind: str, column: str) -> pd.DataFrame:
    """Return listed things of one kind that members used in the window; time is that of the latest use."""
    listed, table = context.listed[context.listed["kind"] == kind], context.snapshot.tables["sessions"]
    if listed.empty or column not in table.column_names:
        return no_rows(*_SEEN)
    wanted = pc.is_in(table[column].cast(pa.string()), value_set=pa.array(listed["value"].unique(), pa.string()))
    table = table.filter(pc.and_(wanted, pc.greater_equal(table["time"].cast(pa.int64()), context.since)))
    seen = pd.DataFrame(
        {
            "account": context.snapshot.graph.codes(table["account_id"]),
            "time": table["time"].cast(pa.int64()).to_numpy(),
            "value": table[column].cast(pa.string()).to_pylist(),
        }
    )
    n_accounts = seen.groupby("value")["account"].nunique().rename("n_accounts")
    used = seen.merge(context.members, on="account")
    used["day"] = (context.snapshot.as_of - 1 - used["time"]) // DAY
    by_ring = used.groupby(["ring", "value"], as_index=False).agg(time=("time", "max"), n_days=("day", "nunique"))
    rows = by_ring.merge(listed.drop(columns=["kind"]), on="value").merge(n_accounts, on="value")
    rows = rows[rows["time"] >= rows["since"]]
    return rows.assign(kind=kind, item=rows["value"])[list(_SEEN)]
