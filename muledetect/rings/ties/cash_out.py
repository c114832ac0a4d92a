"""The ring's money leaves where the centre's does: the same wallet, the same machine."""

from __future__ import annotations

import pandas as pd
import pyarrow as pa

from muledetect.rings.ties._spec import TieContext, evidence, family, no_rows


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
