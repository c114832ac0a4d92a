"""What the ring uses is the centre's: devices, networks, the cells where its phones stay, wallets, machines."""

from __future__ import annotations

from typing import Final

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from muledetect.clock import DAY
from muledetect.facts.columns import numbers, texts
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
    seen = pd.DataFrame({"value": texts(table, column).to_pylist(), "time": numbers(table, "time")})
    seen["account"] = context.snapshot.graph.codes(table["account_id"])
    n_accounts = seen.groupby("value")["account"].nunique().rename("n_accounts")
    used = seen.merge(context.members, on="account")
    used["day"] = (context.snapshot.as_of - 1 - used["time"]) // DAY
    by_ring = used.groupby(["ring", "value"], as_index=False).agg(time=("time", "max"), n_days=("day", "nunique"))
    rows = by_ring.merge(listed.drop(columns=["kind"]), on="value").merge(n_accounts, on="value")
    rows = rows[rows["time"] >= rows["since"]]
    return rows.assign(kind=kind, item=rows["value"])[list(_SEEN)]


@family(weights={"wallet": 2.5, "terminal": 0.8}, cap=3.0, tables=("watchlists",), carries=("wallet",))
def cash_out(context: TieContext) -> pd.DataFrame:
    """Count listed wallets that members paid (log-odds 2.5) and listed terminals that they used (0.8); at most 3.

    A wallet is listed by its account, or by an identifier of kind wallet that belongs to the payee.
    """
    return pd.concat([_wallets(context), _terminals(context)], ignore_index=True)


def _paid(context: TieContext) -> pd.DataFrame:
    """Return the transfers that members paid in the window: ring, transfer, time."""
    graph, account = context.snapshot.graph, context.members["account"].to_numpy("int32")
    of, transfer = context.snapshot.transfers_of(account, context.since)
    of, transfer = (part[graph.source[transfer] == account[of]] for part in (of, transfer))
    ring = context.members["ring"].to_numpy()[of]
    return pd.DataFrame({"ring": ring, "transfer": transfer, "time": graph.time[transfer]})


def _wallets(context: TieContext) -> pd.DataFrame:
    listed, graph = context.listed[context.listed["kind"] == "wallet"], context.snapshot.graph
    if listed.empty:
        return evidence(no_rows("ring", "centre", "item", "time"), "wallet")
    ids = context.snapshot.identifiers("wallet").select(["account", "value"]).to_pandas()
    owner = pd.concat([listed.assign(account=graph.codes(listed["value"].tolist())), listed.merge(ids, on="value")])
    owner = owner[owner["account"] >= 0].drop_duplicates(["account", "centre"])
    paid = _paid(context)
    paid["account"] = graph.target[paid["transfer"].to_numpy()]
    rows = paid.merge(owner, on="account")
    return evidence(rows.assign(item=rows["value"]), "wallet", rows["reliability"])


def _terminals(context: TieContext) -> pd.DataFrame:
    listed, table = context.listed[context.listed["kind"] == "terminal"], context.snapshot.tables["transfers"]
    if listed.empty or "terminal_id" not in table.column_names:
        return evidence(no_rows("ring", "centre", "item", "time"), "terminal")
    paid = _paid(context)
    paid["value"] = table["terminal_id"].take(pa.array(paid["transfer"])).cast(pa.string()).to_pylist()
    rows = paid.merge(listed, on="value")
    return evidence(rows.assign(item=rows["value"]), "terminal", rows["reliability"])
