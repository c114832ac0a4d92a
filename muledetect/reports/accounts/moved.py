"""Complaint money at the listed accounts: what came in, what went on, what is still there, by complaint and method."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from muledetect.arrays import BoolArray, Int64Array
from muledetect.frames import frame_of
from muledetect.reports.material import Material

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
    at, ranges : mapping of account id to pandas.DataFrame
        `BY_METHOD` and `BY_COMPLAINT` of each listed account that complaint money reached.
    held : mapping of complaint id to list
        Bank, account and amount of each hold above 0.
    place : pandas.Series
        Position of each transfer that is named anywhere, by its id.
    carried : pandas.DataFrame
        Index position: `low`, `high`, complaint money in the transfer over the methods.
    carries : bool[n_transfers]
        Which transfers carried complaint money.
    """

    at: Mapping[str, pd.DataFrame]
    ranges: Mapping[str, pd.DataFrame]
    held: Mapping[str, list[tuple[str | None, str, int]]]
    place: pd.Series[int]
    carried: pd.DataFrame
    carries: BoolArray

    def places(self, transfer_ids: Iterable[str]) -> Int64Array:
        """Return the positions of transfers."""
        return np.asarray(self.place.reindex(list(transfer_ids)).dropna(), dtype=np.int64)

    def most_carried(self, positions: Int64Array, most: int) -> Int64Array:
        """Return of an account's transfers at most so many that carried complaint money, those with most of it."""
        mine = positions[self.carries[positions]]
        money = self.carried["high"].reindex(mine).to_numpy(dtype=np.int64)
        return mine[np.argsort(-money, kind="stable")[:most]]

    def range_of(self, positions: Int64Array, amount: Int64Array) -> tuple[Int64Array, Int64Array]:
        """Return the smallest and largest complaint money in each transfer, over the methods.

        Complaints are traced apart, so several may claim the same money: together at most the amount.
        """
        found = self.carried.reindex(positions, fill_value=0)
        low, high = (np.minimum(found[name].to_numpy(np.int64), amount) for name in ("low", "high"))
        return low, high

    def by_method(self, account_id: str) -> pd.DataFrame:
        """Return what moved through an account, one row a complaint and method."""
        return self.at.get(account_id, pd.DataFrame(columns=list(BY_METHOD), dtype=object))

    def by_complaint(self, account_id: str) -> pd.DataFrame:
        """Return the range over the methods of what moved through an account, and its hold; largest first."""
        return self.ranges.get(account_id, pd.DataFrame(columns=list(BY_COMPLAINT), dtype=object))

    def recoverable(self, complaint_ids: Iterable[str]) -> pd.DataFrame:
        """Return where the money of complaints can be held now: `bank_id`, `n_accounts`, `hold`, largest first."""
        banks: dict[str | None, tuple[set[str], int]] = {}
        for complaint_id in complaint_ids:
            for bank, account, hold in self.held.get(complaint_id, ()):
                accounts, total = banks.get(bank, (set(), 0))
                banks[bank] = (accounts | {account}, total + hold)
        rows = [(bank, len(accounts), total) for bank, (accounts, total) in banks.items()]
        listed = sorted(rows, key=lambda row: (-row[2], row[0] or ""))
        return pd.DataFrame(listed, columns=["bank_id", "n_accounts", "hold"])


def follow_money(material: Material) -> Moved:
    """Sum the steps of all traces at the listed accounts. O(transfers + steps)."""
    named = [
        table["transfer_id"].cast(pa.string()) for table in (material.traces.steps, material.explanation.key_transfers)
    ]
    ids = material.snapshot.tables["transfers"]["transfer_id"].cast(pa.string())
    rows = np.flatnonzero(pc.is_in(ids, value_set=pa.chunked_array([*named[0].chunks, *named[1].chunks], pa.string())))
    place = pd.Series(rows, index=pd.Index(ids.take(pa.array(rows)).to_pylist(), dtype=object), dtype=np.int64)
    steps = frame_of(
        material.traces.steps.select(["complaint_id", "method", "source", "target", "traced", "transfer_id"])
    )
    steps["place"] = place.reindex(steps["transfer_id"]).to_numpy(dtype=np.int64)
    sums = steps.groupby(["place", "method"])["traced"].sum().unstack(fill_value=0)
    carried = pd.DataFrame({"low": sums.min(axis=1), "high": sums.max(axis=1)}, index=sums.index, dtype=np.int64)
    carries = np.zeros(material.graph.n_transfers, np.bool_)
    carries[carried.index.to_numpy(np.int64)] = True
    moved, holds = _at(material, steps), frame_of(material.traces.holds).astype({"expires_at": object})
    return Moved(
        at=_by_account(moved[["account_id", *BY_METHOD]]),
        ranges=_by_account(_ranges(moved, material.disputes, holds)),
        held=_held(holds),
        place=place,
        carried=carried,
        carries=carries,
    )


def _by_account(rows: pd.DataFrame) -> dict[str, pd.DataFrame]:
    return {
        str(name): part.drop(columns="account_id").reset_index(drop=True) for name, part in rows.groupby("account_id")
    }


def _ranges(moved: pd.DataFrame, disputes: pd.DataFrame, holds: pd.DataFrame) -> pd.DataFrame:
    key = ["account_id", "complaint_id"]
    parts = moved.rename(columns={"came_in": "in", "went_on": "out"}).groupby(key)[["in", "out", "here"]]
    complaints = disputes.set_index("complaint_id")[["lost", "scam_type"]]
    held = holds.set_index(key)[["hold", "shortfall", "expires_at"]]
    found = parts.min().add_suffix("_low").join(parts.max().add_suffix("_high"))
    joined = found.join(complaints, on="complaint_id").join(held).reset_index()
    joined[["hold", "shortfall"]] = joined[["hold", "shortfall"]].fillna(0).astype(np.int64)
    joined["expires_at"] = joined["expires_at"].astype(object).where(joined["expires_at"].notna(), None)
    ordered = joined.sort_values(["account_id", "in_high", "complaint_id"], ascending=[True, False, True])
    return ordered[["account_id", *BY_COMPLAINT]]


def _held(holds: pd.DataFrame) -> dict[str, list[tuple[str | None, str, int]]]:
    found: dict[str, list[tuple[str | None, str, int]]] = {}
    for row in holds[holds["hold"] > 0].to_dict("records"):
        found.setdefault(row["complaint_id"], []).append((row["bank_id"], row["account_id"], row["hold"]))
    return found


def _at(material: Material, steps: pd.DataFrame) -> pd.DataFrame:
    listed = set(material.account_ids)
    disputed = dict(zip(material.disputes["complaint_id"], material.disputes["transfer"], strict=True))
    is_loss = (steps["complaint_id"].map(disputed) == steps["place"]).to_numpy(dtype=np.bool_)
    trace = material.traces.trace
    sides = {
        "came_in": steps.rename(columns={"target": "account_id"}),
        # what a victim paid did not pass through the victim
        "went_on": steps[~is_loss].rename(columns={"source": "account_id"}),
        "here": frame_of(trace.filter(pc.is_null(trace["exit_kind"]))),
    }
    sums = {
        name: side[side["account_id"].isin(listed)].groupby(["account_id", "complaint_id", "method"])["traced"].sum()
        for name, side in sides.items()
    }
    joined = pd.DataFrame(sums).fillna(0).astype(np.int64).reset_index()
    methods = joined["method"].map({name: place for place, name in enumerate(("fifo", "lifo", "pro_rata", "libr"))})
    ordered: pd.DataFrame = joined.assign(order=methods).sort_values(["account_id", "complaint_id", "order"])
    return ordered
