"""Complaint money at the listed accounts: what came in, what went on, what is still there, by complaint and method."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from muledetect.graph import Int64Array
from muledetect.report.material import Material

BY_METHOD: Final = ("complaint_id", "method", "came_in", "went_on", "here")
BY_COMPLAINT: Final = (
    "complaint_id", "scam_type", "lost", "in_low", "in_high", "out_low", "out_high", "here_low", "here_high", "hold",
    "shortfall", "expires_at",
)  # fmt: skip


@dataclass(frozen=True, eq=False)
class Moved:
    """Sums of complaint money.

    Attributes
    ----------
    at : mapping of account id to pandas.DataFrame
        `BY_METHOD` of each listed account that complaint money reached.
    complaints : pandas.DataFrame
        Index `complaint_id`: `lost`, `scam_type`.
    holds : pandas.DataFrame
        As schema.HOLDS, `expires_at` as int64 or None.
    place : pandas.Series
        Position of each transfer that is named anywhere, by its id.
    carried : pandas.DataFrame
        Index position: `low`, `high`, complaint money in the transfer over the methods.
    """

    at: Mapping[str, pd.DataFrame]
    complaints: pd.DataFrame
    holds: pd.DataFrame
    place: pd.Series[int]
    carried: pd.DataFrame

    def places(self, transfer_ids: Iterable[str]) -> Int64Array:
        """Return the positions of transfers."""
        return np.asarray(self.place.reindex(list(transfer_ids)).dropna(), dtype=np.int64)

    def carries(self, positions: Int64Array) -> npt.NDArray[np.bool_]:
        """Return which transfers carried complaint money, bool[n]."""
        return np.isin(positions, self.carried.index.to_numpy(np.int64))

    def range_of(self, positions: Int64Array, amount: Int64Array) -> tuple[Int64Array, Int64Array]:
        """Return the smallest and largest complaint money in each transfer, over the methods.

        Complaints are traced apart, so several may claim the same money: together at most the amount.
        """
        found = self.carried.reindex(positions, fill_value=0)
        low, high = (np.minimum(found[name].to_numpy(np.int64), amount) for name in ("low", "high"))
        return low, high

    def by_method(self, account_id: str) -> pd.DataFrame:
        """Return what moved through an account, one row a complaint and method."""
        return self.at.get(account_id, pd.DataFrame({name: pd.Series(dtype=object) for name in BY_METHOD}))

    def by_complaint(self, account_id: str) -> pd.DataFrame:
        """Return the range over the methods of what moved through an account, and its hold; largest first."""
        rows = self.by_method(account_id)
        if rows.empty:
            return pd.DataFrame({name: pd.Series(dtype=object) for name in BY_COMPLAINT})
        sums = rows.groupby("complaint_id", sort=True)[["came_in", "went_on", "here"]].agg(["min", "max"])
        sums.columns = pd.Index(["in_low", "in_high", "out_low", "out_high", "here_low", "here_high"])
        held = self.holds[self.holds["account_id"] == account_id].set_index("complaint_id")
        found = sums.join(self.complaints).join(held[["hold", "shortfall", "expires_at"]])
        found[["hold", "shortfall"]] = found[["hold", "shortfall"]].astype(object).where(found["hold"].notna(), 0)
        ordered = found.reset_index().sort_values(["in_high", "complaint_id"], ascending=[False, True])
        return ordered[list(BY_COMPLAINT)].reset_index(drop=True)

    def recoverable(self, complaint_ids: Iterable[str]) -> pd.DataFrame:
        """Return where the money of complaints can be held now: `bank_id`, `n_accounts`, `hold`, largest first."""
        rows = self.holds[self.holds["complaint_id"].isin(set(complaint_ids)) & (self.holds["hold"] > 0)]
        by_bank = rows.groupby("bank_id", dropna=False)
        found = by_bank.agg(n_accounts=("account_id", "nunique"), hold=("hold", "sum")).reset_index()
        return found.sort_values(["hold", "bank_id"], ascending=[False, True]).reset_index(drop=True)


def follow_money(material: Material) -> Moved:
    """Sum the steps of all traces at the listed accounts. O(transfers + steps)."""
    steps = material.traces.steps
    ids = pa.chunked_array(
        [steps["transfer_id"].combine_chunks(), material.explanation.proofs["transfer_id"].combine_chunks()]
    )
    place = _places(material, pc.unique(ids))
    frame = pd.DataFrame(
        {name: steps[name].to_pylist() for name in ("complaint_id", "method", "source", "target")}, dtype=object
    )
    frame["traced"] = steps["traced"].to_numpy()
    frame["place"] = (
        place.reindex(steps["transfer_id"].to_pylist()).to_numpy(dtype=np.int64)
        if len(frame)
        else np.zeros(0, np.int64)
    )
    disputes = material.disputes
    complaints = pd.DataFrame(
        {
            "lost": material.graph.amount[disputes["transfer"].to_numpy(np.int64)],
            "scam_type": disputes["scam_type"].to_numpy(),
        },
        index=pd.Index(disputes["complaint_id"], name="complaint_id"),
    )
    return Moved(_at(material, frame), complaints, _holds(material), place, _carried(frame))


def _places(material: Material, wanted: pa.Array) -> pd.Series[int]:
    ids = material.dataset.transfers["transfer_id"].slice(0, material.graph.n_transfers).cast(pa.string())
    rows = np.flatnonzero(pc.is_in(ids, value_set=wanted.cast(pa.string())).to_numpy())
    return pd.Series(rows, index=pd.Index(ids.take(pa.array(rows)).to_pylist(), dtype=object), dtype=np.int64)


def _carried(steps: pd.DataFrame) -> pd.DataFrame:
    sums = steps.groupby(["place", "method"])["traced"].sum().unstack(fill_value=0)
    return pd.DataFrame({"low": sums.min(axis=1), "high": sums.max(axis=1)}, index=sums.index, dtype=np.int64)


def _at(material: Material, steps: pd.DataFrame) -> dict[str, pd.DataFrame]:
    listed = set(material.account_ids)
    key = ["account_id", "complaint_id", "method"]
    disputed = dict(zip(material.disputes["complaint_id"], material.disputes["transfer"], strict=True))
    is_loss = (steps["complaint_id"].map(disputed) == steps["place"]).to_numpy(dtype=np.bool_)
    # what a victim paid did not pass through the victim
    gone = steps[~is_loss & steps["source"].isin(listed).to_numpy()]
    parts = [
        _sum(steps[steps["target"].isin(listed)].rename(columns={"target": "account_id"}), key, "traced", "came_in"),
        _sum(gone.rename(columns={"source": "account_id"}), key, "traced", "went_on"),
        _sum(_rests(material, listed), key, "traced", "here"),
    ]
    joined = pd.concat(parts, axis=1).fillna(0).astype(np.int64).sort_index().reset_index()
    methods = joined["method"].map({name: place for place, name in enumerate(("fifo", "lifo", "pro_rata", "libr"))})
    joined = joined.assign(order=methods).sort_values(["account_id", "complaint_id", "order"])[
        ["account_id", *BY_METHOD]
    ]
    return {
        str(name): rows.drop(columns="account_id").reset_index(drop=True) for name, rows in joined.groupby("account_id")
    }


def _sum(rows: pd.DataFrame, key: list[str], column: str, name: str) -> pd.Series[Any]:
    return rows.groupby(key)[column].sum().rename(name)


def _rests(material: Material, listed: set[str]) -> pd.DataFrame:
    trace = material.traces.trace
    rows = trace.filter(pc.is_null(trace["exit_kind"]))
    names = ("complaint_id", "method", "account_id", "traced")
    found = pd.DataFrame({name: pd.Series(rows[name].to_pylist(), dtype=object) for name in names}).astype(
        {"traced": np.int64}
    )
    return found[found["account_id"].isin(listed)]


def _holds(material: Material) -> pd.DataFrame:
    table = material.traces.holds
    names = ("complaint_id", "account_id", "bank_id", "hold", "shortfall", "traced_low", "traced_high", "available")
    columns = {name: pd.Series(table[name].to_pylist(), dtype=object) for name in names}
    columns["expires_at"] = pd.Series(table["expires_at"].cast(pa.int64()).to_pylist(), dtype=object)
    money = ["hold", "shortfall", "traced_low", "traced_high", "available"]
    return pd.DataFrame(columns).astype(dict.fromkeys(money, np.int64))
