"""A number of the centre called a victim shortly before it paid the ring, and how often that would be by chance."""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from muledetect.arrays import Float64Array, Int64Array, each_first_at_least, run_starts
from muledetect.clock import DAY, HOUR
from muledetect.facts.columns import numbers, texts
from muledetect.rings.ties._spec import Family, TieContext, evidence, family, no_rows
from muledetect.rings.ties.grades import diminish

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
    """Return calls with the ring and payer of the payment that followed within 24 hours, kind and strength.

    Of a payer's payments to one ring it is the first after the call. O(n log n) of calls, payments, and calls times the
    rings that the called phone paid.
    """
    known = payments[payments["phone"].notna()].sort_values(["time"], kind="stable")
    asked = calls.sort_values(["time"], kind="stable")
    phones = pd.Index(known["phone"].unique())
    asked = asked[asked["callee"].isin(phones)]
    if asked.empty:
        return no_rows("call_id", "time", "centre", "ring", "payer", "kind", "strength")
    # payments by phone, ring and time; those of one phone to one ring are a group
    paid = known.assign(phone=phones.get_indexer(known["phone"])).rename(columns={"time": "paid_at"})
    paid = paid.sort_values(["phone", "ring"], kind="stable")
    first = np.flatnonzero(run_starts(paid["phone"].to_numpy(), paid["ring"].to_numpy()))
    behind = np.append(first[1:], len(paid))
    of_group = paid["phone"].to_numpy()[first]
    code = phones.get_indexer(asked["callee"])
    low, high = (np.searchsorted(of_group, code, side=side) for side in ("left", "right"))
    row = np.repeat(np.arange(len(asked)), high - low)
    group = np.arange(len(row)) + np.repeat(low - np.cumsum(high - low) + (high - low), high - low)
    time, paid_at = asked["time"].to_numpy()[row], paid["paid_at"].to_numpy()
    place = each_first_at_least(paid_at, first[group], behind[group], time)
    soon = np.flatnonzero(place < behind[group])
    soon = soon[paid_at[place[soon]] - time[soon] <= SOON]
    soon = soon[np.argsort(paid["ring"].to_numpy()[place[soon]], kind="stable")]
    told = paid[["ring", "payer", "transfer", "is_disputed", "paid_at"]].iloc[place[soon]].reset_index(drop=True)
    rows: pd.DataFrame = pd.concat([asked.iloc[row[soon]].reset_index(drop=True), told], axis=1)
    decay: Float64Array = 0.5 ** ((rows["paid_at"] - rows["time"]).to_numpy(dtype=np.float64) / HALF)
    return rows.assign(
        kind=np.where(rows["is_disputed"].astype(bool), "called_victim", "called_payer"),
        strength=rows["weight"].to_numpy(dtype=np.float64) * decay,
    )


#: Shuffles that are joined with the payments at a time.
_AT_ONCE: Final = 10


def chance_of_calls(context: TieContext, call: Family, *, n_shuffles: int, seed: int) -> pd.Series:
    """Return, for each ring and centre with evidence of calls, the share of shuffled worlds with as much.

    Each call of a centre's number goes to somebody who was called, by anybody, in the same hour; who pays whom stays.
    (1 + shuffles with as much) / (1 + shuffles). The draw depends on the order of times and hashes only, not on names
    of accounts. O(shuffles * calls of listed numbers + calls).
    """
    calls, seen = context.calls, _log_odds(join_calls(context.payments, context.calls), call)
    if seen.empty:
        return seen
    callee, first, last = _called_in_hour(context, calls["time"].to_numpy())
    rng = np.random.default_rng(seed)
    reached = pd.Series(0, index=seen.index)
    for begin in range(0, n_shuffles, _AT_ONCE):
        n = min(_AT_ONCE, n_shuffles - begin)
        draws = [first + (rng.random(len(calls)) * (last - first)).astype(np.int64) for _ in range(n)]
        worlds = pd.concat(
            [calls.assign(callee=callee[drawn], centre=calls["centre"] + f"\x00{k}") for k, drawn in enumerate(draws)],
            ignore_index=True,
        )
        totals = _log_odds(join_calls(context.payments, worlds), call).rename("log_odds").reset_index()
        totals["centre"] = totals["centre"].str.split("\x00").str[0]
        by_tie = totals.merge(seen.rename("seen").reset_index(), on=["ring", "centre"])
        hits = by_tie[by_tie["log_odds"] >= by_tie["seen"] - 1e-9].groupby(["ring", "centre"]).size()
        reached = reached.add(hits.reindex(seen.index, fill_value=0))
    return (1.0 + reached) / (1.0 + n_shuffles)


def _log_odds(rows: pd.DataFrame, call: Family) -> pd.Series:
    """Return the log-odds of calls by (ring, centre), without decay."""
    rows = rows.assign(log_odds=rows["kind"].map(call.weights).astype("float64") * rows["strength"])
    best = rows.groupby(["ring", "centre", "payer"])["log_odds"].max().reset_index()
    best = best.sort_values(["ring", "centre", "log_odds"], ascending=[True, True, False])
    return best.assign(counts=diminish(best, call.cap)).groupby(["ring", "centre"])["counts"].sum()


def _called_in_hour(context: TieContext, moments: Int64Array) -> tuple[npt.NDArray[np.object_], Int64Array, Int64Array]:
    """Return all who were called, by hour, and the range of each moment's hour."""
    table, end = context.snapshot.tables["calls"], context.snapshot.as_of - 1
    hour, asked = (end - numbers(table, "time")) // HOUR, (end - moments) // HOUR
    keep = np.flatnonzero(np.isin(hour, asked))
    few = table.select(["call_id", "callee_hash"]).take(pa.array(keep))
    rows = pd.DataFrame({"hour": hour[keep], **{name: few[name].to_pylist() for name in few.column_names}})
    rows = rows.sort_values(["hour", "call_id"], kind="stable")
    of_hour = rows["hour"].to_numpy()
    first, last = (np.searchsorted(of_hour, asked, side=side) for side in ("left", "right"))
    return rows["callee_hash"].to_numpy(dtype=object), first, last
