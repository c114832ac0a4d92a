"""What watching a bank at several moments shows: time to detect, money that could be saved, calibration over time.

Measured on people and rings that the model had not learnt from, and on money that began to flow once it was watched:
what came before could not have been found any sooner.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, TypeAlias

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from muledetect.arrays import Float64Array, Int64Array
from muledetect.clock import MINUTE, Moment, parse_time
from muledetect.evaluation.by_part import ratio_interval
from muledetect.evaluation.detection import detect_accounts, detect_cases, summarise_detection
from muledetect.evaluation.survival import detection_curve
from muledetect.facts import facts_of
from muledetect.labels import account_groups
from muledetect.records import Dataset

#: A moment, a table of accounts (`account_id`) and their scores.
View: TypeAlias = "tuple[Moment, pa.Table, Float64Array]"

TRUTH_OF_MONEY: Final = frozenset({"truth_transfers", "truth_money"})

_PARTS: Final = {"still_in_bank": "still_there", "preventable": "preventable"}


@dataclass(frozen=True, eq=False)
class Detection:
    """How soon mules are found at the watched moments.

    Attributes
    ----------
    figures : mapping of str to float
        As `summarise_detection`, with `_low` and `_high` (95%, from drawing rings whole) for `share_gone`,
        `still_in_bank` and `preventable`, and `n_rings`, `n_rings_hit`: rings of which any account was alerted.
    curve : pandas.DataFrame
        As `detection_curve`, with `what` first: "accounts", or "rings" (until the first alert on any account of each).
    notes : tuple of str
    """

    figures: Mapping[str, float] = field(default_factory=dict)
    curve: pd.DataFrame | None = None
    notes: tuple[str, ...] = ()


def watch_detection(dataset: Dataset, views: Sequence[View], seen: Int64Array, *, budget: float) -> Detection:
    """Return how soon the accounts that get illicit money are among the `budget` highest scores.

    Parameters
    ----------
    dataset : Dataset
        With `truth_transfers` and `truth_money`.
    views : sequence of (moment, table with `account_id`, scores)
        Every account of the bank at each moment.
    seen : int64 array
        Groups (`account_groups`) of which the model has learnt; they take alerts but are not measured.
    budget : float
        Alerts: a number, or below 1 a share of the accounts.

    Returns
    -------
    Detection
        Nothing but a note where there are no views or no truth of money.
    """
    if not views:
        return Detection()
    if not set(dataset.tables) >= TRUTH_OF_MONEY:
        return Detection(notes=(f"No time to detect: it needs {' and '.join(sorted(TRUTH_OF_MONEY))}.",))
    series = [(moment, points["account_id"].to_pylist(), score) for moment, points, score in views]
    moments = sorted(parse_time(moment) for moment, _, _ in views)
    money = dataset.tables["truth_money"]
    groups = account_groups(dataset)
    accounts = detect_accounts(series, dataset.transfers, dataset.tables["truth_transfers"], money, k=budget)
    accounts["group"] = _group_of(dataset, groups, accounts["account_id"])
    cases = detect_cases(series, money, k=budget).merge(_first_holders(money), on="case_id")
    cases["group"] = _group_of(dataset, groups, cases["account_id"])
    unseen = accounts[~accounts["group"].isin(seen)]
    kept = unseen[unseen["first_credit"] >= moments[0]]
    new_cases = cases[~cases["group"].isin(seen) & (cases["first_payment"] >= moments[0])]
    rings = _first_hits(unseen, moments[0])
    curves = {
        what: detection_curve(rows["minutes"], rows["is_detected"], rows["group"])
        for what, rows in (("accounts", kept), ("rings", rings))
    }
    for what, curve in curves.items():
        curve.insert(0, "what", what)
    figures = summarise_detection(kept, new_cases) | _intervals(kept, new_cases)
    figures |= {"n_rings": float(len(rings)), "n_rings_hit": float(rings["is_detected"].sum())}
    notes = _notes(moments, n_seen=len(accounts) - len(unseen), n_before=len(unseen) - len(kept), n_kept=len(kept))
    return Detection(figures, pd.concat(curves.values(), ignore_index=True), notes)


def _group_of(dataset: Dataset, groups: Int64Array, account_ids: pd.Series[Any]) -> Int64Array:
    """Return the group of each account; accounts that nothing is known of are one each, numbered below 0."""
    codes = facts_of(dataset).graph.codes(pa.array(account_ids.tolist(), pa.string()))
    found = -1 - np.arange(len(codes), dtype=np.int64)
    found[codes >= 0] = groups[codes[codes >= 0]]
    return found


def _first_holders(money: pa.Table) -> pd.DataFrame:
    """Return for each case when its first money came to which account; of several at once the first by id."""
    steps = money.filter(pc.equal(money["place"].cast(pa.string()), "account"))
    held = pd.DataFrame({name: steps[name].to_pylist() for name in ("case_id", "account_id")}, dtype=object)
    held["first_payment"] = steps["time"].cast(pa.int64()).to_numpy()
    first = held.sort_values(["first_payment", "account_id"]).drop_duplicates("case_id")
    return first.reset_index(drop=True)


def _first_hits(accounts: pd.DataFrame, since: int) -> pd.DataFrame:
    """Return one row a group whose first illicit credit came at `since` or later: minutes to its first alert."""
    rows = accounts.assign(hit=accounts["seen_at"].where(accounts["is_detected"]))
    by_group = rows.groupby("group")[["first_credit", "seen_at", "hit"]].agg(
        {"first_credit": "min", "seen_at": "max", "hit": "min"}
    )
    rings = by_group[by_group["first_credit"] >= since].reset_index()
    rings["is_detected"] = rings["hit"].notna()
    rings["minutes"] = (rings["hit"].fillna(rings["seen_at"]) - rings["first_credit"]) / MINUTE
    return rings


def _intervals(accounts: pd.DataFrame, cases: pd.DataFrame) -> dict[str, float]:
    seen = accounts[accounts["is_detected"]]
    received = seen["received"].to_numpy(np.float64)
    there = np.minimum(seen["still_there"].to_numpy(np.float64), received)
    ends = {"share_gone": ratio_interval(received - there, received, seen["group"].to_numpy())}
    paid, group = cases["paid"].to_numpy(np.float64), cases["group"].to_numpy()
    ends |= {name: ratio_interval(cases[part].to_numpy(np.float64), paid, group) for name, part in _PARTS.items()}
    return {f"{name}{end}": at for name, pair in ends.items() for end, at in zip(("_low", "_high"), pair, strict=True)}


def _notes(moments: Sequence[int], *, n_seen: int, n_before: int, n_kept: int) -> tuple[str, ...]:
    gap = float(np.median(np.diff(moments))) / (60 * MINUTE) if len(moments) > 1 else float("nan")
    watched = f"{len(moments):,} moments" + (f", {gap:,.1f} hours apart (median)" if len(moments) > 1 else "")
    return (
        f"Time to detect: {n_kept:,} accounts, watched at {watched}; nobody can be found between two of them.",
        f"Time to detect leaves out {n_seen:,} accounts of rings and persons seen in training, and {n_before:,} that "
        "got illicit money before the first watched moment.",
    )
