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

from muledetect.arrays import Int64Array
from muledetect.reports.material import Material

BY_METHOD: Final = ("complaint_id", "method", "came_in", "went_on", "here")
BY_COMPLAINT: Final = (
    "complaint_id", "scam_type", "lost", "in_low", "in_high", "out_low", "out_high", "here_low", "here_high", "hold",
    "shortfall", "expires_at",
)  # fmt: skip
_SHORT: Final = {"in": "came_in", "out": "went_on", "here": "here"}


@dataclass(frozen=True, eq=False)
class Moved:
    """Sums of complaint money.

    Attributes
    ----------
    at : mapping of account id to pandas.DataFrame
        `BY_METHOD` of each listed account that complaint money reached.
    ranges : mapping of account id to pandas.DataFrame
        `BY_COMPLAINT` of each of them.
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
    carries: npt.NDArray[np.bool_]

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
        return self.at.get(account_id, pd.DataFrame({name: pd.Series(dtype=object) for name in BY_METHOD}))

    def by_complaint(self, account_id: str) -> pd.DataFrame:
        """Return the range over the methods of what moved through an account, and its hold; largest first."""
        return self.ranges.get(account_id, pd.DataFrame({name: pd.Series(dtype=object) for name in BY_COMPLAINT}))

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
    steps = material.traces.steps
    ids = pa.chunked_array(
        [steps["transfer_id"].combine_chunks(), material.explanation.key_transfers["transfer_id"].combine_chunks()]
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
    moved, holds, carried = _at(material, frame), _holds(material), _carried(frame)
    carries = np.zeros(material.graph.n_transfers, np.bool_)
    carries[carried.index.to_numpy(np.int64)] = True
    return Moved(
        at=_by_account(moved[["account_id", *BY_METHOD]]),
        ranges=_by_account(_ranges(moved, complaints, holds)),
        held=_held(holds),
        place=place,
        carried=carried,
        carries=carries,
    )


def _by_account(rows: pd.DataFrame) -> dict[str, pd.DataFrame]:
    return {
        str(name): part.drop(columns="account_id").reset_index(drop=True) for name, part in rows.groupby("account_id")
    }


def _ranges(moved: pd.DataFrame, complaints: pd.DataFrame, holds: pd.DataFrame) -> pd.DataFrame:
    key = ["account_id", "complaint_id"]
    low, high = (getattr(moved.groupby(key)[["came_in", "went_on", "here"]], name)() for name in ("min", "max"))
    found = pd.DataFrame(
        {
            **{f"{short}_low": low[name] for short, name in _SHORT.items()},
            **{f"{short}_high": high[name] for short, name in _SHORT.items()},
        }
    )
    held = holds.set_index(key)[["hold", "shortfall", "expires_at"]]
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


def _places(material: Material, wanted: pa.Array) -> pd.Series[int]:
    ids = material.snapshot.tables["transfers"]["transfer_id"].cast(pa.string())
    rows = np.flatnonzero(pc.is_in(ids, value_set=wanted.cast(pa.string())).to_numpy())
    return pd.Series(rows, index=pd.Index(ids.take(pa.array(rows)).to_pylist(), dtype=object), dtype=np.int64)


def _carried(steps: pd.DataFrame) -> pd.DataFrame:
    sums = steps.groupby(["place", "method"])["traced"].sum().unstack(fill_value=0)
    return pd.DataFrame({"low": sums.min(axis=1), "high": sums.max(axis=1)}, index=sums.index, dtype=np.int64)


def _at(material: Material, steps: pd.DataFrame) -> pd.DataFrame:
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
    ordered: pd.DataFrame = joined.assign(order=methods).sort_values(["account_id", "complaint_id", "order"])
    return ordered


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
