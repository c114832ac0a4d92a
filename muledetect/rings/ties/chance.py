"""What calls would say by chance: calls shuffled among those who were called in the same hour."""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa

from muledetect.arrays import Int64Array
from muledetect.clock import HOUR
from muledetect.facts.columns import numbers
from muledetect.rings.ties._spec import Family, TieContext
from muledetect.rings.ties.calls import join_calls
from muledetect.rings.ties.grades import diminish

#: Shuffles that are joined with the payments at a time.
_AT_ONCE: Final = 10


def chance_of_calls(context: TieContext, call: Family, *, n_shuffles: int, seed: int) -> pd.Series:
    """Return, for each ring and centre with evidence of calls, the share of shuffled worlds with as much.

    Notes
    -----
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
