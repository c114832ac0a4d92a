"""A number of the centre called a victim shortly before it paid the ring."""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from muledetect.clock import DAY, HOUR
from muledetect.rings.ties._spec import TieScene, evidence, family

#: A call counts for the victim's first payment within this.
SOON: Final = 24 * HOUR
#: A call so long before the payment counts half.
HALF: Final = 8 * HOUR
#: A number that calls more people a day than this is a desk; it counts in proportion.
DESK: Final = 100


@family(
    weights={"called_victim": 1.2, "called_payer": 0.5}, cap=3.5, tables=("calls",),
    carries=("called_victim",),
)  # fmt: skip
def call(scene: TieScene) -> pd.DataFrame:
    """Count the payers that a number or SIM box of the centre called up to 24 h before they paid the ring.

    Notes
    -----
    1.2 nats for a payer that disputes the transfer, 0.5 for another first-ever payer, halved for each 8 hours between
    call and payment, times the list's reliability, times 100 / (people called that day) for a desk that calls more.
    One item a payer, its best call; at most 3.5 nats.
    """
    return weigh_calls(scene.payments, listed_calls(scene))


def listed_calls(scene: TieScene) -> pd.DataFrame:
    """Return calls of numbers and boxes that are ascribed to a centre: callee, time, centre, weight, call_id.

    Known and made before `as_of`, and not before the list says that the centre had the number.
    """
    table = scene.dataset.tables["calls"]
    moment = pa.scalar(scene.as_of, pa.timestamp("us", tz="UTC"))
    begin = pa.scalar(scene.since, pa.timestamp("us", tz="UTC"))
    seen = pc.and_(pc.less(table["time"], moment), pc.greater_equal(table["time"], begin))
    table = table.filter(pc.and_(seen, pc.less(table["known_ts"], moment)))
    parts = []
    for kind, column in (("phone", "caller_hash"), ("imei", "caller_imei_hash")):
        numbers = scene.listed[scene.listed["kind"] == kind]
        if column not in table.column_names or numbers.empty:
            continue
        of = table[column].cast(pa.string())
        chosen = table.filter(pc.is_in(of, value_set=pa.array(numbers["value"].unique(), pa.string())))
        rows = pd.DataFrame(
            {
                "call_id": chosen["call_id"].cast(pa.string()).to_pylist(),
                "time": chosen["time"].cast(pa.int64()).to_numpy(),
                "callee": chosen["callee_hash"].cast(pa.string()).to_pylist(),
                "value": chosen[column].cast(pa.string()).to_pylist(),
            }
        )
        day = (scene.as_of - 1 - rows["time"]) // DAY
        n_called = rows.groupby(["value", day])["callee"].transform("nunique")
        rows["desk"] = np.minimum(1.0, DESK / n_called)
        parts.append(rows.merge(numbers[["value", "centre", "reliability", "since"]], on="value"))
    if not parts:
        return pd.DataFrame(columns=["call_id", "time", "callee", "centre", "weight"])
    calls = pd.concat(parts, ignore_index=True)
    calls = calls[calls["time"] >= calls["since"] - DAY * 7]
    calls["weight"] = calls["desk"] * calls["reliability"]
    best = calls.sort_values("weight", ascending=False, kind="stable").drop_duplicates(["call_id", "centre"])
    return best[["call_id", "time", "callee", "centre", "weight"]].reset_index(drop=True)


def weigh_calls(payments: pd.DataFrame, calls: pd.DataFrame) -> pd.DataFrame:
    """Join calls with the first payment of the callee within 24 hours after them."""
    rows = join_calls(payments, calls)
    kind = np.where(rows["is_disputed"], "called_victim", "called_payer")
    rows = rows.assign(kind=kind).sort_values(["strength", "time"], ascending=False, kind="stable")
    best = rows.drop_duplicates(["ring", "centre", "payer"])
    return evidence(best.rename(columns={"call_id": "item"}), best["kind"], best["strength"])


def join_calls(payments: pd.DataFrame, calls: pd.DataFrame) -> pd.DataFrame:
    """Return calls with the ring, payer and strength of the payment that followed. O(n log n)."""
    known = payments[payments["phone"].notna()].sort_values(["time"], kind="stable")
    asked = calls.sort_values(["time"], kind="stable")
    if known.empty or asked.empty:
        columns = ["call_id", "time", "centre", "ring", "payer", "is_disputed", "strength"]
        return pd.DataFrame({name: pd.Series(dtype="int64" if name != "centre" else "str") for name in columns})
    phones = pd.Index(known["phone"].unique())
    asked = asked[asked["callee"].isin(phones)]
    codes = phones.get_indexer(asked["callee"])
    paid = known.assign(code=phones.get_indexer(known["phone"])).rename(columns={"time": "paid_at"})
    # one row a phone, moment and ring: a payer's first payment after the call, to each ring
    joined = [
        pd.merge_asof(
            asked.assign(code=codes), of_ring.sort_values("paid_at"), left_on="time", right_on="paid_at", by="code",
            direction="forward", tolerance=SOON,
        ).dropna(subset=["paid_at"])
        for _, of_ring in paid.groupby("ring")
    ]  # fmt: skip
    rows = pd.concat(joined, ignore_index=True)
    gap = (rows["paid_at"] - rows["time"]).to_numpy(dtype=np.float64)
    decay: npt.NDArray[np.float64] = 0.5 ** (gap / HALF)
    return rows.assign(strength=rows["weight"].to_numpy(dtype=np.float64) * decay)
