"""A number of the centre called a victim shortly before it paid the ring."""

from __future__ import annotations

from typing import Final

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from muledetect.arrays import Float64Array
from muledetect.clock import DAY, HOUR
from muledetect.facts.columns import numbers, texts
from muledetect.rings.ties._spec import TieContext, evidence, family, no_rows

#: A call counts for the victim's first payment within this.
SOON: Final = 24 * HOUR
#: A call so long before the payment counts half.
HALF: Final = 8 * HOUR
#: A number that calls more people a day than this is a desk; it counts in proportion.
DESK: Final = 100
#: A list may be so late: calls before it says that the centre had the number count from then on.
LATE: Final = 7 * DAY

CALLS: Final = ("call_id", "time", "callee", "centre", "weight")


@family(
    weights={"called_victim": 1.2, "called_payer": 0.5}, cap=3.5, tables=("calls",),
    carries=("called_victim",),
)  # fmt: skip
def call(context: TieContext) -> pd.DataFrame:
    """Count the payers that a number or SIM box of the centre called up to 24 h before they paid the ring.

    Notes
    -----
    Log-odds 1.2 for a payer that disputes the transfer, 0.5 for another first-ever payer, halved for each 8 hours
    between call and payment, times the list's reliability, times 100 / (people called that day) for a desk that calls
    more. One item a payer, its best call; at most 3.5.
    """
    rows = join_calls(context.payments, context.calls)
    rows = rows.sort_values(["strength", "time"], ascending=False, kind="stable")
    best = rows.drop_duplicates(["ring", "centre", "payer"])
    return evidence(best.rename(columns={"call_id": "item"}), best["kind"], best["strength"])


def listed_calls(context: TieContext) -> pd.DataFrame:
    """Return calls of numbers and boxes that are ascribed to a centre, in the window, with the columns `CALLS`."""
    table = context.snapshot.tables.get("calls")
    if table is None:
        return no_rows(*CALLS)
    table = table.filter(pc.greater_equal(table["time"].cast(pa.int64()), context.since))
    parts = []
    for kind, column in (("phone", "caller_hash"), ("imei", "caller_imei_hash")):
        listed = context.listed[context.listed["kind"] == kind]
        if column not in table.column_names or listed.empty:
            continue
        rows = calls_of(table, column, listed["value"])
        day = (context.snapshot.as_of - 1 - rows["time"]) // DAY
        n_called = rows.groupby(["value", day])["callee"].transform("nunique")
        rows["desk"] = np.minimum(1.0, DESK / n_called)
        parts.append(rows.merge(listed[["value", "centre", "reliability", "since"]], on="value"))
    if not parts:
        return no_rows(*CALLS)
    calls = pd.concat(parts, ignore_index=True)
    calls = calls[calls["time"] >= calls["since"] - LATE]
    calls["weight"] = calls["desk"] * calls["reliability"]
    best = calls.sort_values("weight", ascending=False, kind="stable").drop_duplicates(["call_id", "centre"])
    return best[list(CALLS)].sort_values(["time", "call_id", "centre"]).reset_index(drop=True)


def calls_of(table: pa.Table, column: str, wanted: pd.Series) -> pd.DataFrame:
    """Return the calls of which a column holds one of some values: call_id, time, callee, value."""
    chosen = table.filter(pc.is_in(table[column].cast(pa.string()), value_set=pa.array(wanted.unique(), pa.string())))
    names = {"call_id": "call_id", "callee": "callee_hash", "value": column}
    told = {name: texts(chosen, of).to_pylist() for name, of in names.items()}
    return pd.DataFrame({**told, "time": numbers(chosen, "time")})


def join_calls(payments: pd.DataFrame, calls: pd.DataFrame) -> pd.DataFrame:
    """Return calls with the ring and payer of the payment that followed within 24 hours, kind and strength."""
    known = payments[payments["phone"].notna()].sort_values(["time"], kind="stable")
    asked = calls.sort_values(["time"], kind="stable")
    phones = pd.Index(known["phone"].unique())
    asked = asked[asked["callee"].isin(phones)]
    if asked.empty:
        return no_rows("call_id", "time", "centre", "ring", "payer", "kind", "strength")
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
    decay: Float64Array = 0.5 ** ((rows["paid_at"] - rows["time"]).to_numpy(dtype=np.float64) / HALF)
    return rows.assign(
        kind=np.where(rows["is_disputed"].astype(bool), "called_victim", "called_payer"),
        strength=rows["weight"].to_numpy(dtype=np.float64) * decay,
    )
