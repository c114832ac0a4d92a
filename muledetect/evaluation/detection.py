"""How soon mules are found, and how much of the money is still in the bank then."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from muledetect.clock import MINUTE, Moment, parse_time
from muledetect.errors import OptionError
from muledetect.evaluation.money import money_at
from muledetect.evaluation.survival import QUANTILES, survival_quantiles
from muledetect.frames import takes_tables

#: A moment, account ids and their scores at that moment.
ScoreTable: TypeAlias = "tuple[Moment, npt.ArrayLike, npt.ArrayLike]"


def first_alerts(series: Sequence[ScoreTable], *, k: float) -> dict[Any, list[int]]:
    """Return the moments at which each account is among the k highest scores, microseconds, ascending.

    Every account that ties with the last place is alerted. `k` is a number, or below 1 a share of the accounts.
    """
    if not k > 0:
        raise OptionError(f"detection: k must be above 0; got {k}.")
    found: dict[Any, list[int]] = {}
    for as_of, accounts, scores in sorted(series, key=lambda table: parse_time(table[0])):
        ranked = np.asarray(scores, dtype=np.float64)
        n_shown = min(int(np.ceil(k * len(ranked) - 1e-9)) if k < 1 else int(k), len(ranked))
        if n_shown:
            least = -np.partition(-ranked, n_shown - 1)[n_shown - 1]
            for account in np.asarray(accounts, dtype=object)[ranked >= least]:
                found.setdefault(account, []).append(parse_time(as_of))
    return found


@takes_tables("transfers", "truth_transfers", "truth_money")
def detect_accounts(
    series: Sequence[ScoreTable], transfers: pa.Table, truth_transfers: pa.Table, truth_money: pa.Table, *, k: float
) -> pd.DataFrame:
    """Return when each account that got illicit money was first alerted after its first illicit credit.

    Parameters
    ----------
    series : sequence of ScoreTable
        Scores of every account at ascending moments.
    transfers, truth_transfers, truth_money : pyarrow.Table
        As schema.TRANSFERS, TRUTH_TRANSFERS and TRUTH_MONEY.
    k : int or float below 1
        Alerts a moment, or the share of the accounts.

    Returns
    -------
    pandas.DataFrame
        One row an account that is scored anywhere in the series and got illicit money (a victim's payment or a hop)
        before the last moment, in order of `account_id`: `first_credit`, `seen_at` (microseconds; the alert, or the
        last moment where there is none), `is_detected`, `minutes`, `n_transfers` (illicit ones, in and out, before
        `seen_at`), `received`, `still_there` (minor units at `seen_at`) and `share_gone` (of what it had received).

    Notes
    -----
    An alert counts from the first moment after the credit, as moments are exclusive. O(moments * steps).
    """
    if not series:
        raise OptionError("detection: there are no score tables; score at one moment at least.")
    alerts, last = first_alerts(series, k=k), max(parse_time(as_of) for as_of, _, _ in series)
    scored = {account for _, accounts, _ in series for account in np.asarray(accounts, dtype=object)}
    illicit = _illicit(transfers, truth_transfers)
    came = illicit[illicit["kind"].isin(["victim", "hop"]) & illicit["target"].isin(scored) & (illicit["time"] < last)]
    found = []
    for account, credits_ in came.groupby("target", sort=True):
        first = int(credits_["time"].min())
        later = [moment for moment in alerts.get(account, []) if moment > first]
        seen_at = later[0] if later else last
        mine = illicit[(illicit["source"] == account) | (illicit["target"] == account)]
        received = int(credits_.loc[credits_["time"] < seen_at, "amount"].sum())
        n_transfers = mine.loc[mine["time"] < seen_at, "transfer_id"].nunique()
        found.append((account, first, seen_at, bool(later), (seen_at - first) / MINUTE, n_transfers, received))
    names = ["account_id", "first_credit", "seen_at", "is_detected", "minutes", "n_transfers", "received"]
    table = pd.DataFrame(found, columns=names)
    held: dict[Any, int] = {}
    for moment in sorted(set(table["seen_at"])):
        there = _in_accounts(truth_money, int(moment)).groupby("account_id")["amount"].sum()
        held |= {(moment, account): int(amount) for account, amount in there.items()}
    keys = zip(table["seen_at"], table["account_id"], strict=True)
    table["still_there"] = [held.get(key, 0) for key in keys]
    table["share_gone"] = 1 - (table["still_there"] / table["received"].where(table["received"] > 0)).clip(upper=1)
    return table


@takes_tables("truth_money")
def detect_cases(series: Sequence[ScoreTable], truth_money: pa.Table, *, k: float) -> pd.DataFrame:
    """Return for each case what an alert on any account that held its money could still have saved.

    Parameters
    ----------
    series : sequence of ScoreTable
        Scores of every account at ascending moments.
    truth_money : pyarrow.Table
        As schema.TRUTH_MONEY.
    k : int or float below 1
        Alerts a moment, or the share of the accounts.

    Returns
    -------
    pandas.DataFrame
        One row a case, in order of `case_id`: `paid` (in all, minor units), `seen_at` (microseconds, -1 if never),
        `is_detected`, `still_there` (at `seen_at`, in accounts that are scored anywhere in the series: what another
        bank has cannot be held here), `paid_later` and `preventable` (both together). An alert counts once the account
        has got money of the case; sums of a case that was never seen are 0.
    """
    alerts = first_alerts(series, k=k)
    scored = {account for _, accounts, _ in series for account in np.asarray(accounts, dtype=object)}
    paid = _paid_at(truth_money, parse_time("9999-01-01"))
    steps = truth_money.filter(pc.equal(truth_money["place"], "account"))
    held = pd.DataFrame({name: steps[name].to_pylist() for name in ("case_id", "account_id")}, dtype=object)
    held["time"] = steps["time"].cast(pa.int64()).to_numpy()
    seen: dict[Any, int] = {}
    for (case, account), times in held.groupby(["case_id", "account_id"])["time"]:
        later = [moment for moment in alerts.get(account, []) if moment > times.min()]
        if later:
            seen[case] = min(later[0], seen.get(case, later[0]))
    found = paid.rename_axis("case_id").to_frame("paid")
    found["seen_at"] = [seen.get(case, -1) for case in found.index]
    found["is_detected"] = found["seen_at"] >= 0
    found["still_there"], found["paid_later"] = 0, 0
    for moment in sorted(set(seen.values())):
        now = found.index[found["seen_at"] == moment]
        held_now = _in_accounts(truth_money, moment)
        there = held_now[held_now["account_id"].isin(scored)].groupby("case_id")["amount"].sum()
        found.loc[now, "still_there"] = there.reindex(now).fillna(0).astype(np.int64)
        before = _paid_at(truth_money, moment).reindex(now).fillna(0).astype(np.int64)
        found.loc[now, "paid_later"] = found.loc[now, "paid"] - before
    found["preventable"] = found["still_there"] + found["paid_later"]
    ordered: pd.DataFrame = found.sort_index().reset_index()
    return ordered


def summarise_detection(accounts: pd.DataFrame, cases: pd.DataFrame) -> dict[str, float]:
    """Return the figures of both tables: shares by value, and Kaplan-Meier quantiles of the time to detect.

    `n_accounts`, `n_detected`, `minutes_q25`, `minutes_q50`, `minutes_q75`, the same of `transfers`, `share_gone` (of
    the value that detected accounts had received), `still_in_bank` and `preventable` (of all that victims paid).
    Accounts that were never alerted are censored at the last moment; a quantile that is not reached is NaN.

    Parameters
    ----------
    accounts, cases : tables
        As `detect_accounts` and `detect_cases` give.
    """
    seen = accounts[accounts["is_detected"]]
    figures = {"n_accounts": float(len(accounts)), "n_detected": float(len(seen))}
    for name, column in (("minutes", "minutes"), ("transfers", "n_transfers")):
        times = survival_quantiles(accounts[column], accounts["is_detected"])
        figures |= {f"{name}_q{int(q * 100)}": value for q, value in zip(QUANTILES, times, strict=True)}
    received, total = int(seen["received"].sum()), int(cases["paid"].sum())
    there = int(np.minimum(seen["still_there"], seen["received"]).sum())
    figures["share_gone"] = 1 - there / received if received else float("nan")
    for name, column in (("still_in_bank", "still_there"), ("preventable", "preventable")):
        figures[name] = int(cases[column].sum()) / total if total else float("nan")
    return figures


def _illicit(transfers: pa.Table, truth: pa.Table) -> pd.DataFrame:
    moved = truth["transfer_id"].combine_chunks().cast(transfers["transfer_id"].type)
    transfers = transfers.filter(pc.is_in(transfers["transfer_id"], moved))
    ids = pd.DataFrame({n: transfers[n].to_pylist() for n in ("transfer_id", "source", "target")}, dtype=object)
    ids["time"] = transfers["time"].cast(pa.int64()).to_numpy()
    known = pd.DataFrame({name: truth[name].to_pylist() for name in ("transfer_id", "kind", "amount")})
    # a transfer without money of a case, such as a test of the route, moves no illicit value
    return known.dropna(subset=["amount"]).astype({"transfer_id": object}).merge(ids, on="transfer_id")


def _in_accounts(truth_money: pa.Table, moment: int) -> pd.DataFrame:
    there = money_at(truth_money, moment)
    held: pd.DataFrame = there.filter(pc.equal(there["place"], "account")).to_pandas()
    return held


def _paid_at(truth_money: pa.Table, moment: int) -> pd.Series[int]:
    sums: pd.Series[int] = (
        money_at(truth_money, moment).to_pandas().astype({"case_id": object}).groupby("case_id")["amount"].sum()
    )
    return sums
