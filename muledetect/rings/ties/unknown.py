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

from muledetect.rings.ties._spec import TieScene
from muledetect.rings.ties.call import SOON

#: A number is suspicious if it called so many victims shortly before they paid ...
LEAST_VICTIMS: Final = 2
#: ... and these are at least this share of all whom it called: an honest desk calls hundreds.
LEAST_SHARE: Final = 0.1
#: Reliability of a number that is ascribed to a centre by its company, and of one of an inferred centre.
BY_COMPANY: Final = 0.5
#: A box or a victim that joins more numbers than this joins none.
MOST_NUMBERS: Final = 64


def add_unknown_centres(scene: TieScene) -> TieScene:
    """Ascribe unlisted numbers and boxes to centres, known ones by their company, else inferred ones.

    Notes
    -----
    A number or box that called two or more victims (payers of disputed transfers) up to 24 h before they paid, who are
    a tenth or more of all whom it called, is suspicious. Suspicious ones are joined where they share a box or a
    victim. A group with a listed number belongs to that centre (of several, to the one with more numbers; of equals,
    to neither); any other is the centre "inferred-" + hash of its numbers. O(calls of victims and of their callers).
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
    known = scene.listed.merge(group, on=["kind", "value"])
    of_group = known.groupby(["group", "centre"]).size().reset_index(name="n")
    most = of_group.groupby("group")["n"].transform("max")
    best = of_group[of_group["n"] == most]
    sure = best[~best.duplicated("group", keep=False)]
    centre_of = dict(zip(sure["group"], sure["centre"], strict=True))
    torn = set(of_group["group"]) - set(centre_of)
    group = group[~group["group"].isin(torn)]
    names = {number: _name(rows) for number, rows in group.groupby("group")}
    group["centre"] = [centre_of.get(number, names[number]) for number in group["group"]]
    added = group.merge(scene.listed[["kind", "value", "centre"]], how="left", indicator=True)
    added = added[added["_merge"] == "left_only"].assign(reliability=BY_COMPANY)
    columns = list(scene.listed.columns)
    return replace(scene, listed=pd.concat([scene.listed, added[columns]], ignore_index=True))


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
    parts = []
    for kind, name, column in (("phone", "number", "caller_hash"), ("imei", "box", "caller_imei_hash")):
        near = calls.dropna(subset=[name]).groupby(name)["phone"].nunique()
        near = near[near >= LEAST_VICTIMS]
        if near.empty:
            continue
        of = table[column].cast(pa.string())
        made = pc.and_(pc.less(table["time"], moment), pc.less(table["known_ts"], moment))
        chosen = table.filter(pc.and_(made, pc.is_in(of, value_set=pa.array(near.index.tolist(), pa.string()))))
        every = pd.DataFrame(
            {
                "value": chosen[column].cast(pa.string()).to_pylist(),
                "callee": chosen["callee_hash"].cast(pa.string()).to_pylist(),
                "time": chosen["time"].cast(pa.int64()).to_numpy(),
            }
        )
        whole = every.groupby("value").agg(n_called=("callee", "nunique"), since=("time", "min"))
        whole["n_victims"] = near
        kept = whole[whole["n_victims"] >= LEAST_SHARE * whole["n_called"]]
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
