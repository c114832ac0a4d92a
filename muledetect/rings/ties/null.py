"""What calls would say by chance: calls shuffled among those who were called in the same hour."""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from muledetect.clock import HOUR
from muledetect.rings.ties._spec import Family, TieScene
from muledetect.rings.ties.call import join_calls, listed_calls
from muledetect.rings.ties.weigh import DIMINISHING

#: Shuffles that are joined with the payments at a time.
_AT_ONCE: Final = 10


def shuffled_calls(scene: TieScene, call: Family, seen: pd.Series, *, n_shuffles: int, seed: int) -> pd.Series:
    """Return, for each ring and centre with evidence of calls, the share of shuffled worlds with as much.

    Parameters
    ----------
    seen : Series
        Undecayed nats of calls by (ring, centre).

    Notes
    -----
    Each call of a centre's number goes to somebody who was called, by anybody, in the same hour; who pays whom stays.
    (1 + shuffles with as much) / (1 + shuffles). The draw depends on the order of times and hashes only, not on names
    of accounts. O(shuffles * calls of listed numbers + calls).
    """
    calls = listed_calls(scene).sort_values(["time", "call_id", "centre"]).reset_index(drop=True)
    if calls.empty or seen.empty:
        return pd.Series(1.0, index=seen.index, dtype="float64")
    callee, first, last = _called_in_hour(scene, calls["time"].to_numpy())
    rng = np.random.default_rng(seed)
    reached = pd.Series(0, index=seen.index)
    for begin in range(0, n_shuffles, _AT_ONCE):
        n = min(_AT_ONCE, n_shuffles - begin)
        draws = [first + (rng.random(len(calls)) * (last - first)).astype(np.int64) for _ in range(n)]
        worlds = pd.concat(
            [calls.assign(callee=callee[drawn], centre=calls["centre"] + f"\x00{k}") for k, drawn in enumerate(draws)],
            ignore_index=True,
        )
        totals = _nats(join_calls(scene.payments, worlds), call)
        if totals.empty:
            continue
        centre = totals.index.get_level_values("centre").str.split("\x00").str[0]
        by_tie = pd.DataFrame(
            {"ring": totals.index.get_level_values("ring"), "centre": centre, "nats": totals.to_numpy()}
        ).merge(seen.rename("seen").reset_index(), on=["ring", "centre"])
        hits = by_tie[by_tie["nats"] >= by_tie["seen"] - 1e-9].groupby(["ring", "centre"]).size()
        reached = reached.add(hits.reindex(seen.index, fill_value=0))
    return (1.0 + reached) / (1.0 + n_shuffles)


def call_nats(scene: TieScene, call: Family) -> pd.Series:
    """Return undecayed nats of calls by (ring, centre), as `shuffled_calls` compares them."""
    return _nats(join_calls(scene.payments, listed_calls(scene)), call)


def _nats(rows: pd.DataFrame, call: Family) -> pd.Series:
    if rows.empty:
        return pd.Series(dtype="float64", index=pd.MultiIndex.from_arrays([[], []], names=["ring", "centre"]))
    kind = np.where(rows["is_disputed"].astype(bool), "called_victim", "called_payer")
    nats = pd.Series(kind, index=rows.index).map(call.weights) * rows["strength"]
    best = rows.assign(nats=nats).groupby(["ring", "centre", "payer"])["nats"].max().reset_index()
    best = best.sort_values(["ring", "centre", "nats"], ascending=[True, True, False])
    place = best.groupby(["ring", "centre"]).cumcount().to_numpy()
    lessened = best["nats"].to_numpy() * DIMINISHING**place
    total = pd.Series(lessened).groupby([best["ring"].to_numpy(), best["centre"].to_numpy()]).sum()
    total.index.names = ["ring", "centre"]
    return total.clip(upper=call.cap)


def _called_in_hour(
    scene: TieScene, moments: npt.NDArray[np.int64]
) -> tuple[npt.NDArray[np.object_], npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Return all who were called, by hour, and the range of each moment's hour."""
    table = scene.dataset.tables["calls"]
    moment = pa.scalar(scene.as_of, pa.timestamp("us", tz="UTC"))
    table = table.filter(pc.and_(pc.less(table["time"], moment), pc.less(table["known_ts"], moment)))
    hour = (scene.as_of - 1 - table["time"].cast(pa.int64()).to_numpy()) // HOUR
    asked = (scene.as_of - 1 - moments) // HOUR
    keep = np.flatnonzero(np.isin(hour, asked))
    table = table.select(["time", "call_id", "callee_hash"]).take(pa.array(keep))
    rows = pd.DataFrame(
        {"hour": hour[keep], "id": table["call_id"].to_pylist(), "callee": table["callee_hash"].to_pylist()}
    )
    rows = rows.sort_values(["hour", "id"], kind="stable")
    of_hour = rows["hour"].to_numpy()
    return (
        rows["callee"].to_numpy(dtype=object),
        np.searchsorted(of_hour, asked, side="left"),
        np.searchsorted(of_hour, asked, side="right"),
    )
