"""Put together what was known of rings, their payers and the centres at a moment."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from muledetect.graph import TransferGraph
from muledetect.rings.disputes import find_disputes, standing_complaints
from muledetect.rings.suspicion import known_positions
from muledetect.rings.ties._spec import TieScene

if TYPE_CHECKING:
    from muledetect.records import Dataset

#: Reliability of a list entry that states none.
UNSTATED: Final = 0.5


def build_scene(dataset: Dataset, graph: TransferGraph, members: pd.DataFrame, since: int, as_of: int) -> TieScene:
    """Cut everything at `as_of`. `graph` is cut already; `members` has ring (number) and account (code)."""
    disputes = find_disputes(dataset, graph, as_of)
    payments = _payments(graph, members, disputes.transfer, since)
    complaints = _complaints(dataset, graph, members, as_of)
    phones = _phones(dataset, graph, payments["payer"].to_numpy(), as_of)
    named = complaints.dropna(subset=["phone"]).drop_duplicates("payer")
    told = dict(zip(named["payer"], named["phone"], strict=True))
    phone = [phones.get(payer, told.get(payer)) for payer in payments["payer"].tolist()]
    return TieScene(
        dataset,
        graph,
        members,
        payments.assign(phone=pd.Series(phone, index=payments.index, dtype="object")),
        complaints,
        _listed(dataset, as_of),
        since,
        as_of,
    )


def _payments(graph: TransferGraph, members: pd.DataFrame, disputed: Any, since: int) -> pd.DataFrame:
    """Return transfers from outside the ring to members: the disputed ones, and those of first-ever payers."""
    account = members["account"].to_numpy(dtype=np.int32)
    at, transfer = known_positions(graph, account)
    comes_in = graph.target[transfer] == account[at]
    rows = pd.DataFrame({"ring": members["ring"].to_numpy()[at[comes_in]], "transfer": transfer[comes_in]})
    rows["payer"] = graph.source[rows["transfer"]].astype(np.int64)
    rows["time"] = graph.time[rows["transfer"]]
    inside = pd.MultiIndex.from_frame(members[["ring", "account"]].astype("int64"))
    rows = rows[~pd.MultiIndex.from_frame(rows[["ring", "payer"]]).isin(inside)]
    rows["is_disputed"] = np.isin(rows["transfer"], disputed)
    rows = rows.sort_values(["time", "transfer"], kind="stable")
    rows["payee"] = graph.target[rows["transfer"]]
    first = ~rows.duplicated(["payer", "payee"])
    rows = rows[(rows["is_disputed"] | first) & (rows["time"] >= since)]
    return rows.drop(columns=["payee"]).reset_index(drop=True)


def _complaints(dataset: Dataset, graph: TransferGraph, members: pd.DataFrame, as_of: int) -> pd.DataFrame:
    names = ["complaint_id", "centre", "script", "ring", "payer", "phone", "time"]
    table = dataset.tables.get("complaints")
    if table is None:
        return pd.DataFrame({name: pd.Series(dtype="object") for name in names}).astype(
            {"ring": "int64", "payer": "int64", "time": "int64"}
        )
    table = standing_complaints(table, as_of)
    rows = pd.DataFrame({"complaint_id": table["complaint_id"].cast(pa.string()).to_pylist()})
    for name, column in (("centre", "centre_id"), ("script", "script_id"), ("phone", "victim_phone_hash")):
        rows[name] = _text(table, column)
    rows["time"] = table["known_ts"].cast(pa.int64()).to_numpy()
    payee, payer = (graph.codes(_strings(table, end)).astype(np.int64) for end in ("target", "victim_account"))
    if "transfer_id" in table.column_names:
        ids = dataset.tables["transfers"]["transfer_id"].slice(0, graph.n_transfers).cast(pa.string())
        wanted = table["transfer_id"].cast(pa.string()).combine_chunks()
        position = np.flatnonzero(pc.is_in(ids, value_set=wanted.drop_null()).to_numpy())
        place = pc.fill_null(pc.index_in(wanted, value_set=ids.take(pa.array(position)).combine_chunks()), -1)
        at = place.to_numpy(zero_copy_only=False)
        found = at >= 0
        payee[found], payer[found] = graph.target[position[at[found]]], graph.source[position[at[found]]]
    rows["payer"], rows["account"] = payer, payee
    joined = rows.merge(members.astype({"account": "int64"}), on="account", how="left")
    joined["ring"] = joined["ring"].fillna(-1).astype("int64")
    return joined[names].reset_index(drop=True)


def _strings(table: pa.Table, name: str) -> pa.Array:
    if name not in table.column_names:
        return pa.nulls(table.num_rows, pa.string())
    return table[name].combine_chunks().cast(pa.string())


def _text(table: pa.Table, name: str) -> list[str | None]:
    return list(_strings(table, name).to_pylist())


def _phones(dataset: Dataset, graph: TransferGraph, payer: Any, as_of: int) -> dict[int, str]:
    """Return a phone of each payer, its own or its holder's, the latest known before `as_of`."""
    table, accounts = dataset.tables.get("identifiers"), dataset.tables.get("accounts")
    if table is None:
        return {}
    moment = pa.scalar(as_of, pa.timestamp("us", tz="UTC"))
    known = pc.and_(pc.equal(table["kind"].cast(pa.string()), "phone"), pc.less(table["known_ts"], moment))
    table = table.filter(known)
    rows = pd.DataFrame(
        {
            "entity": table["entity_id"].cast(pa.string()).to_pylist(),
            "phone": table["value_hash"].cast(pa.string()).to_pylist(),
            "since": table["valid_from"].cast(pa.int64()).to_numpy(),
        }
    )
    rows = rows.sort_values(["since", "phone"]).drop_duplicates("entity", keep="last")
    phone_of = dict(zip(rows["entity"], rows["phone"], strict=True))
    who = np.unique(payer).astype(np.int32)
    ids = graph.account_ids.take(pa.array(who)).to_pylist()
    holder_of: dict[str, str] = {}
    if accounts is not None and "holder_id" in accounts.column_names:
        text = accounts["account_id"].cast(pa.string())
        asked = accounts.filter(pc.is_in(text, value_set=pa.array(ids, pa.string())))
        pairs = (asked[name].cast(pa.string()).to_pylist() for name in ("account_id", "holder_id"))
        holder_of = dict(zip(*pairs, strict=True))
    found = {
        code: phone_of.get(name, phone_of.get(holder_of.get(name, "")))
        for code, name in zip(who.tolist(), ids, strict=True)
    }
    return {code: phone for code, phone in found.items() if phone is not None}


def _listed(dataset: Dataset, as_of: int) -> pd.DataFrame:
    """Return the entries of lists that name a centre, valid and known before `as_of`; the most reliable of equals."""
    table = dataset.tables.get("watchlists")
    names = ["kind", "value", "centre", "reliability", "since"]
    if table is None or "centre_id" not in table.column_names:
        empty = pd.DataFrame({name: pd.Series(dtype="object") for name in names})
        return empty.astype({"reliability": "float64", "since": "int64"})
    moment = pa.scalar(as_of, pa.timestamp("us", tz="UTC"))
    holds = pc.and_(pc.less(table["known_ts"], moment), pc.less(table["valid_from"], moment))
    table = table.filter(pc.and_(holds, pc.is_valid(table["centre_id"])))
    reliability = (
        table["reliability"].to_numpy() if "reliability" in table.column_names else np.full(len(table), np.nan)
    )
    rows = pd.DataFrame(
        {
            "kind": table["kind"].cast(pa.string()).to_pylist(),
            "value": table["value_hash"].cast(pa.string()).to_pylist(),
            "centre": table["centre_id"].cast(pa.string()).to_pylist(),
            "reliability": np.clip(np.nan_to_num(reliability, nan=UNSTATED), 0.0, 1.0),
            "since": table["valid_from"].cast(pa.int64()).to_numpy(),
        }
    )
    rows = rows.sort_values(["reliability", "since"], ascending=[False, True], kind="stable")
    return rows.drop_duplicates(["kind", "value", "centre"]).reset_index(drop=True)
