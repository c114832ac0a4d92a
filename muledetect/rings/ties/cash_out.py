"""The ring's money leaves where the centre's does: the same wallet, the same machine."""

from __future__ import annotations

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from muledetect.rings.ties._spec import TieScene, evidence, family


@family(weights={"wallet": 2.5, "terminal": 0.8}, cap=3.0, tables=("watchlists",), carries=("wallet",))
def cash_out(scene: TieScene) -> pd.DataFrame:
    """Count listed wallets that members paid (2.5 nats) and listed terminals that they used (0.8); at most 3.

    A wallet is listed by its account, or by an identifier of kind wallet that belongs to the payee.
    """
    return pd.concat([_wallets(scene), _terminals(scene)], ignore_index=True)


def _paid(scene: TieScene) -> tuple[pd.DataFrame, pd.Series]:
    rows = scene.members.merge(
        pd.DataFrame({"account": scene.graph.source, "row": range(scene.graph.n_transfers)}), on="account"
    )
    return rows, pd.Series(scene.graph.time[rows["row"].to_numpy()], index=rows.index)


def _wallets(scene: TieScene) -> pd.DataFrame:
    listed = scene.listed[scene.listed["kind"] == "wallet"]
    if listed.empty:
        return evidence(_none(), "wallet")
    owner = listed.assign(account=scene.graph.codes(listed["value"].tolist()))
    table = scene.dataset.tables.get("identifiers")
    if table is not None:
        moment = pa.scalar(scene.as_of, pa.timestamp("us", tz="UTC"))
        known = pc.and_(pc.equal(table["kind"].cast(pa.string()), "wallet"), pc.less(table["known_ts"], moment))
        found = table.filter(known)
        ids = pd.DataFrame(
            {
                "account": scene.graph.codes(found["entity_id"]),
                "value": found["value_hash"].cast(pa.string()).to_pylist(),
            }
        )
        owner = pd.concat([owner, listed.merge(ids, on="value")], ignore_index=True)
    owner = owner[owner["account"] >= 0].drop_duplicates(["account", "centre"])
    rows, time = _paid(scene)
    rows = rows.assign(time=time, payee=scene.graph.target[rows["row"].to_numpy()])
    rows = rows[rows["time"] >= scene.since].merge(owner.rename(columns={"account": "payee"}), on="payee")
    return evidence(rows.assign(item=rows["value"]), "wallet", rows["reliability"])


def _terminals(scene: TieScene) -> pd.DataFrame:
    listed, table = scene.listed[scene.listed["kind"] == "terminal"], scene.dataset.tables["transfers"]
    if listed.empty or "terminal_id" not in table.column_names:
        return evidence(_none(), "terminal")
    rows, time = _paid(scene)
    used = table["terminal_id"].take(pa.array(rows["row"])).cast(pa.string()).to_pylist()
    rows = rows.assign(time=time, value=used)
    rows = rows[rows["time"] >= scene.since].merge(listed, on="value")
    return evidence(rows.assign(item=rows["value"]), "terminal", rows["reliability"])


def _none() -> pd.DataFrame:
    return pd.DataFrame(
        {name: pd.Series(dtype="float64") for name in ("ring", "centre", "item", "time", "reliability")}
    )
