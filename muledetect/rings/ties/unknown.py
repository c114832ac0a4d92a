"""Centres that no list knows: numbers that called victims of rings, joined by boxes and by those whom they called."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from typing import Final

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components
from scipy.stats import poisson

from muledetect.clock import DAY
from muledetect.rings.ties._spec import TieScene
from muledetect.rings.ties.call import SOON

#: A number is suspicious if it called so many victims shortly before they paid ...
LEAST_VICTIMS: Final = 2
#: ... and chance would give so many with this probability at most: an honest desk calls hundreds, too.
BY_CHANCE: Final = 1e-4
#: Reliability of a number that is ascribed to a centre by its company, and of one of an inferred centre.
BY_COMPANY: Final = 0.5
#: A box or a victim that joins more numbers than this joins none.
MOST_NUMBERS: Final = 64


def add_unknown_centres(scene: TieScene) -> TieScene:
    """Ascribe unlisted numbers and boxes to centres, known ones by their company, else inferred ones.

    Notes
    -----
    A number or box that called two or more victims (payers of disputed transfers) up to 24 h before they paid is
    suspicious if so many are unlikely for its number of calls: by a Poisson law whose mean is victims times the share
    of all callees that it calls a day. Suspicious ones are joined where they share a box or a victim. A group belongs
    to the centre that most of its listed numbers and of its victims' complaints name, of two votes or a listed number
    at least; of equals, to neither; any other is the centre "inferred-" + hash of its numbers. O(calls).
    """
    if "calls" not in scene.dataset.tables:
        return scene
    calls = _calls_to_victims(scene)
    if calls.empty:
        return scene
    numbers = _suspicious(scene, calls)
    if numbers.empty:
        return scene
    group = _join(calls, numbers)
    votes = _votes(scene, calls, group)
    most = votes.groupby("group")["n"].transform("max")
    best = votes[votes["n"] == most]
    sure = best[~best.duplicated("group", keep=False)]
    sure = sure[sure["is_listed"] | (sure["n"] >= LEAST_VICTIMS)]
    centre_of = dict(zip(sure["group"], sure["centre"], strict=True))
    torn = set(votes.loc[votes["n"] >= LEAST_VICTIMS, "group"]) - set(centre_of)
    group = group[~group["group"].isin(torn)]
    names = {number: _name(rows) for number, rows in group.groupby("group")}
    group["centre"] = [centre_of.get(number, names[number]) for number in group["group"]]
    added = group.merge(scene.listed[["kind", "value", "centre"]], how="left", indicator=True)
    added = added[added["_merge"] == "left_only"].assign(reliability=BY_COMPANY)
    columns = list(scene.listed.columns)
    return replace(scene, listed=pd.concat([scene.listed, added[columns]], ignore_index=True))


def _votes(scene: TieScene, calls: pd.DataFrame, group: pd.DataFrame) -> pd.DataFrame:
    """Return for each group and centre how many of its numbers are listed with it and how many victims name it."""
    listed = scene.listed.merge(group, on=["kind", "value"]).groupby(["group", "centre"]).size()
    told = scene.complaints.dropna(subset=["centre", "phone"])[["phone", "centre"]]
    phone_of = scene.payments.dropna(subset=["phone"])[["payer", "phone"]].drop_duplicates()
    named = scene.complaints.dropna(subset=["centre"])[["payer", "centre"]].merge(phone_of, on="payer")
    told = pd.concat([told, named[["phone", "centre"]]]).drop_duplicates()
    made = pd.concat(
        [calls[["phone", name]].rename(columns={name: "value"}).assign(kind=kind)
         for kind, name in (("phone", "number"), ("imei", "box"))]
    ).drop_duplicates()  # fmt: skip
    called = made.merge(group[["kind", "value", "group"]], on=["kind", "value"])
    said = called[["group", "phone"]].drop_duplicates().merge(told, on="phone").groupby(["group", "centre"]).size()
    votes = pd.DataFrame({"listed": listed, "said": said}).fillna(0.0)
    votes.index.names = ["group", "centre"]
    counted: pd.DataFrame = votes.assign(n=votes["listed"] + votes["said"], is_listed=votes["listed"] > 0)
    return counted.reset_index()


def _calls_to_victims(scene: TieScene) -> pd.DataFrame:
    """Return calls of unlisted and listed numbers up to 24 h before a victim paid: kind, value, phone, time."""
    victims = scene.payments[scene.payments["is_disputed"] & scene.payments["phone"].notna()]
    table = scene.dataset.tables["calls"]
    moment = pa.scalar(scene.as_of, pa.timestamp("us", tz="UTC"))
    known = pc.and_(pc.less(table["time"], moment), pc.less(table["known_ts"], moment))
    phones = pa.array(victims["phone"].unique().tolist(), pa.string())
    table = table.filter(pc.and_(known, pc.is_in(table["callee_hash"].cast(pa.string()), value_set=phones)))
    rows = pd.DataFrame(
        {
            "phone": table["callee_hash"].cast(pa.string()).to_pylist(),
            "time": table["time"].cast(pa.int64()).to_numpy(),
            "number": table["caller_hash"].cast(pa.string()).to_pylist(),
        }
    )
    if rows.empty:
        return rows
    has_box = "caller_imei_hash" in table.column_names
    rows["box"] = table["caller_imei_hash"].cast(pa.string()).to_pylist() if has_box else None
    paid = victims[["phone", "time"]].rename(columns={"time": "paid_at"}).drop_duplicates()
    joined = rows.merge(paid, on="phone")
    gap = joined["paid_at"] - joined["time"]
    return joined[(gap >= 0) & (gap <= SOON)].drop_duplicates(["phone", "time", "number"])


def _suspicious(scene: TieScene, calls: pd.DataFrame) -> pd.DataFrame:
    table = scene.dataset.tables["calls"]
    moment = pa.scalar(scene.as_of, pa.timestamp("us", tz="UTC"))
    made = pc.and_(pc.less(table["time"], moment), pc.less(table["known_ts"], moment))
    n_people = max(pc.count_distinct(table["callee_hash"].filter(made)).as_py(), 1)
    victims = scene.payments[scene.payments["is_disputed"]]
    n_victims = victims["phone"].nunique()
    parts: list[pd.DataFrame] = []
    for kind, name, column in (("phone", "number", "caller_hash"), ("imei", "box", "caller_imei_hash")):
        near = calls.dropna(subset=[name]).groupby(name)["phone"].nunique()
        near = near[near >= LEAST_VICTIMS]
        if near.empty:
            continue
        of = table[column].cast(pa.string())
        chosen = table.filter(pc.and_(made, pc.is_in(of, value_set=pa.array(near.index.tolist(), pa.string()))))
        every = pd.DataFrame(
            {
                "value": chosen[column].cast(pa.string()).to_pylist(),
                "callee": chosen["callee_hash"].cast(pa.string()).to_pylist(),
                "time": chosen["time"].cast(pa.int64()).to_numpy(),
            }
        )
        whole = every.groupby("value").agg(n_calls=("callee", "size"), since=("time", "min"), until=("time", "max"))
        whole["n_victims"] = near
        days = np.maximum((whole["until"] - whole["since"]).to_numpy(dtype=np.float64) / DAY, 1.0)
        expected = n_victims * whole["n_calls"].to_numpy(dtype=np.float64) / days / n_people
        kept = whole[poisson.sf(whole["n_victims"].to_numpy() - 1, expected) <= BY_CHANCE]
        parts.append(kept.reset_index()[["value", "since"]].assign(kind=kind))
    if not parts:
        return pd.DataFrame(columns=["value", "since", "kind"])
    return pd.concat(parts, ignore_index=True).sort_values(["kind", "value"]).reset_index(drop=True)


def _join(calls: pd.DataFrame, numbers: pd.DataFrame) -> pd.DataFrame:
    """Number the groups of suspicious numbers and boxes: joined by calls that both made, and by victims."""
    place = {key: at for at, key in enumerate(zip(numbers["kind"], numbers["value"], strict=True))}
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
    n = len(numbers)
    _, group = connected_components(coo_array((np.ones(len(left)), (left, right)), shape=(n, n)), directed=False)
    return numbers.assign(group=group)


def _name(rows: pd.DataFrame) -> str:
    content = hashlib.sha256()
    for value in sorted(rows["value"]):
        content.update(len(value).to_bytes(8, "big") + value.encode())
    return f"inferred-{content.hexdigest()[:12]}"
