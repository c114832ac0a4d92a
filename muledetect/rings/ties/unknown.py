"""Centres that no list knows: numbers that called victims of rings, joined by boxes and by those whom they called."""

from __future__ import annotations

from typing import Final

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components
from scipy.stats import poisson

from muledetect.arrays import Float64Array
from muledetect.clock import DAY
from muledetect.facts.columns import numbers, texts
from muledetect.rings.identity import name_members
from muledetect.rings.ties._spec import TieContext, no_rows
from muledetect.rings.ties.calls import SOON, calls_of

#: A number is suspicious if it called so many victims shortly before they paid ...
LEAST_VICTIMS: Final = 2
#: ... and chance would give so many with this probability at most: an honest desk calls hundreds, too.
BY_CHANCE: Final = 1e-4
#: Reliability of a number that is ascribed to a centre by its company, and of one of an inferred centre.
BY_COMPANY: Final = 0.5
#: A box or a victim that joins more numbers than this joins none.
MOST_NUMBERS: Final = 64


def list_unknown_centres(context: TieContext) -> pd.DataFrame:
    """Return the listed entries with unlisted numbers and boxes ascribed to centres, known ones by their company, else
    inferred ones.

    A number or box that called two or more victims (payers of disputed transfers) up to 24 h before they paid is
    suspicious if so many are unlikely for its number of calls: by a Poisson law whose mean is victims times the share
    of all callees that it calls a day. Suspicious ones are joined where they share a box or a victim. A group belongs
    to the centre that most of its listed numbers and of its victims' complaints name, of two votes or a listed number
    at least; of equals, to neither; any other is the centre "inferred-" + hash of its numbers. O(calls).
    """
    if "calls" not in context.snapshot.tables:
        return context.listed
    calls = _calls_to_victims(context)
    suspicious = _suspicious(context, calls)
    if suspicious.empty:
        return context.listed
    group = _join(calls, suspicious)
    votes = _votes(context, calls, group)
    most = votes.groupby("group")["n"].transform("max")
    best = votes[votes["n"] == most]
    sure = best[~best.duplicated("group", keep=False)]
    sure = sure[sure["is_listed"] | (sure["n"] >= LEAST_VICTIMS)]
    centre_of = dict(zip(sure["group"], sure["centre"], strict=True))
    torn = set(votes.loc[votes["n"] >= LEAST_VICTIMS, "group"]) - set(centre_of)
    group = group[~group["group"].isin(torn)]
    names = {number: name_members("inferred-", rows["value"]) for number, rows in group.groupby("group")}
    group["centre"] = [centre_of.get(number, names[number]) for number in group["group"]]
    added = group.merge(context.listed[["kind", "value", "centre"]], how="left", indicator=True)
    added = added[added["_merge"] == "left_only"].assign(reliability=BY_COMPANY)
    return pd.concat([context.listed, added[list(context.listed.columns)]], ignore_index=True)


def _votes(context: TieContext, calls: pd.DataFrame, group: pd.DataFrame) -> pd.DataFrame:
    """Return for each group and centre how many of its numbers are listed with it and how many victims name it."""
    listed = context.listed.merge(group, on=["kind", "value"]).groupby(["group", "centre"]).size()
    named = context.complaints.dropna(subset=["centre", "phone"])[["phone", "centre"]]
    phone_of = context.payments.dropna(subset=["phone"])[["payer", "phone"]].drop_duplicates()
    of_payer = context.complaints.dropna(subset=["centre"])[["payer", "centre"]].merge(phone_of, on="payer")
    named = pd.concat([named, of_payer[["phone", "centre"]]]).drop_duplicates()
    made = pd.concat(
        [calls[["phone", name]].rename(columns={name: "value"}).assign(kind=kind)
         for kind, name in (("phone", "number"), ("imei", "box"))]
    ).drop_duplicates()  # fmt: skip
    called = made.merge(group[["kind", "value", "group"]], on=["kind", "value"])
    by_victims = (
        called[["group", "phone"]].drop_duplicates().merge(named, on="phone").groupby(["group", "centre"]).size()
    )
    votes = pd.DataFrame({"listed": listed, "named": by_victims}).fillna(0.0)
    votes.index.names = ["group", "centre"]
    counted: pd.DataFrame = votes.assign(n=votes["listed"] + votes["named"], is_listed=votes["listed"] > 0)
    return counted.reset_index()


def _calls_to_victims(context: TieContext) -> pd.DataFrame:
    """Return calls up to 24 h before a victim paid: phone, time, number, box."""
    victims = context.payments[context.payments["is_disputed"] & context.payments["phone"].notna()]
    table = context.snapshot.tables["calls"]
    phones = pa.array(victims["phone"].unique().tolist(), pa.string())
    table = table.filter(pc.is_in(table["callee_hash"].cast(pa.string()), value_set=phones))
    names = {"phone": "callee_hash", "number": "caller_hash", "box": "caller_imei_hash"}
    rows = pd.DataFrame({name: texts(table, of).to_pylist() for name, of in names.items()}, dtype="object")
    rows["time"] = numbers(table, "time")
    joined = rows.merge(victims[["phone", "time"]].rename(columns={"time": "paid_at"}).drop_duplicates(), on="phone")
    gap = joined["paid_at"] - joined["time"]
    return joined[(gap >= 0) & (gap <= SOON)].drop_duplicates(["phone", "time", "number"])


def _suspicious(context: TieContext, calls: pd.DataFrame) -> pd.DataFrame:
    """Return the numbers and boxes that called more victims than chance allows: kind, value, since."""
    table = context.snapshot.tables["calls"]
    n_people = max(pc.count_distinct(table["callee_hash"]).as_py(), 1)
    victims = context.payments[context.payments["is_disputed"]]
    n_victims = victims["phone"].nunique()
    parts = [no_rows("kind", "value", "since")]
    for kind, name, of in (("phone", "number", "caller_hash"), ("imei", "box", "caller_imei_hash")):
        called = calls.dropna(subset=[name]).groupby(name)["phone"].nunique()
        called = called[called >= LEAST_VICTIMS]
        if called.empty:
            continue
        every = calls_of(table, of, called.index.to_series())
        whole = every.groupby("value").agg(n_calls=("callee", "size"), since=("time", "min"), until=("time", "max"))
        days: Float64Array = np.maximum((whole["until"] - whole["since"]).to_numpy(dtype=np.float64) / DAY, 1.0)
        expected = n_victims * whole["n_calls"].to_numpy(dtype=np.float64) / days / n_people
        n_called = called.reindex(whole.index).to_numpy()
        kept = whole[poisson.sf(n_called - 1, expected) <= BY_CHANCE]
        parts.append(kept.reset_index()[["value", "since"]].assign(kind=kind))
    return pd.concat(parts, ignore_index=True).sort_values(["kind", "value"]).reset_index(drop=True)


def _join(calls: pd.DataFrame, suspicious: pd.DataFrame) -> pd.DataFrame:
    """Number the groups of suspicious numbers and boxes: joined by calls that both made, and by victims."""
    place = {key: at for at, key in enumerate(zip(suspicious["kind"], suspicious["value"], strict=True))}
    left, right = [], []
    rows = calls.sort_values(["phone", "time"])
    for number, box in set(zip(rows["number"], rows["box"], strict=True)):
        if ("phone", number) in place and ("imei", box) in place:
            left.append(place["phone", number])
            right.append(place["imei", box])
    for _, called in rows.groupby("phone"):
        own = sorted({place["phone", n] for n in called["number"] if ("phone", n) in place})
        if 1 < len(own) <= MOST_NUMBERS:
            left += own[:-1]
            right += own[1:]
    n = len(suspicious)
    _, group = connected_components(coo_array((np.ones(len(left)), (left, right)), shape=(n, n)), directed=False)
    return suspicious.assign(group=group)
