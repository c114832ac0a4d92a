"""Put together what was known of rings, their payers and the centres at a moment."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from muledetect.facts import Snapshot
from muledetect.facts.columns import numbers, texts
from muledetect.rings.ties._spec import TieContext, no_rows
from muledetect.rings.ties.calls import CALLS, listed_calls
from muledetect.rings.ties.unknown import list_unknown_centres

_LISTED: Final = ("kind", "value", "centre", "reliability", "since")


def build_context(snapshot: Snapshot, members: pd.DataFrame, since: int) -> TieContext:
    """Return what was known of the rings in `members`: ring (number), account (code).

    O(transfers of members + identifiers + complaints + lists + calls).
    """
    payments, complaints = _payments(snapshot, members, since), _complaints(snapshot, members)
    # the number that the bank has of a payer, else the one that it left with its complaint
    known = snapshot.identifiers("phone").to_pandas()
    known = known[known["account"].isin(payments["payer"])].sort_values(["is_current", "since", "value"])
    stated = complaints.dropna(subset=["phone"]).drop_duplicates("payer")
    phone_of = dict(zip(stated["payer"], stated["phone"], strict=True))
    phone_of |= dict(zip(known["account"], known["value"], strict=True))
    payments["phone"] = pd.Series([phone_of.get(payer) for payer in payments["payer"]], payments.index, dtype="object")
    context = TieContext(snapshot, members, payments, complaints, _listed(snapshot), no_rows(*CALLS), since)
    context = replace(context, listed=list_unknown_centres(context))
    return replace(context, calls=listed_calls(context))


def _payments(snapshot: Snapshot, members: pd.DataFrame, since: int) -> pd.DataFrame:
    """Return transfers from outside the ring to members: the disputed ones, and those of first-ever payers."""
    graph, account = snapshot.graph, members["account"].to_numpy(dtype=np.int32)
    of, transfer = snapshot.transfers_of(account)
    comes_in = graph.target[transfer] == account[of]
    of, transfer = of[comes_in], transfer[comes_in]
    rows = pd.DataFrame({"ring": members["ring"].to_numpy()[of], "transfer": transfer, "time": graph.time[transfer]})
    rows = rows.assign(payer=graph.source[transfer].astype(np.int64), payee=graph.target[transfer])
    rows["is_disputed"] = snapshot.is_disputed[transfer]
    inside = pd.MultiIndex.from_frame(members[["ring", "account"]].astype("int64"))
    rows = rows[~pd.MultiIndex.from_frame(rows[["ring", "payer"]]).isin(inside)]
    rows = rows.sort_values(["time", "transfer"], kind="stable")
    first = ~rows.duplicated(["payer", "payee"])
    rows = rows[(rows["is_disputed"] | first) & (rows["time"] >= since)]
    return rows.drop(columns=["payee"]).reset_index(drop=True)


def _complaints(snapshot: Snapshot, members: pd.DataFrame) -> pd.DataFrame:
    found = snapshot.complaints
    names = {"centre": "centre_id", "script": "script_id", "phone": "victim_phone_hash"}
    rows = pd.DataFrame({"complaint_id": found.complaint_id.to_pylist()}, dtype="object")
    for name, column in names.items():
        rows[name] = pd.Series(texts(found.table, column).to_pylist(), dtype="object")
    rows = rows.assign(time=found.known, payer=found.payer.astype(np.int64), account=found.payee.astype(np.int64))
    rows = rows.merge(members.astype({"account": "int64"}), on="account", how="left")
    rows["ring"] = rows["ring"].fillna(-1).astype("int64")
    return rows.drop(columns=["account"])


def _listed(snapshot: Snapshot) -> pd.DataFrame:
    """Return the entries of lists and registries that name a centre and count; the most reliable of equals."""
    entries = (snapshot.lists, "kind", "value_hash"), (snapshot.registry, "subject_kind", "subject_id")
    found = [rows for rows in (_naming(*these) for these in entries) if len(rows)]
    if not found:
        return no_rows(*_LISTED)
    rows = pd.concat(found, ignore_index=True)
    rows = rows.sort_values(["reliability", "since"], ascending=[False, True], kind="stable")
    return rows.drop_duplicates(["kind", "value", "centre"]).reset_index(drop=True)


def _naming(entries: pa.Table, kind: str, value: str) -> pd.DataFrame:
    if "centre_id" not in entries.column_names:
        return no_rows(*_LISTED)
    entries = entries.filter(pc.is_valid(entries["centre_id"]))
    columns = zip(_LISTED, (kind, value, "centre_id"), strict=False)
    rows = pd.DataFrame({name: entries[column].cast(pa.string()).to_pylist() for name, column in columns})
    # the centre had the thing from `valid_from` on, whenever the bank got to know of it
    return rows.assign(reliability=entries["trust"].to_numpy(), since=numbers(entries, "valid_from"))
