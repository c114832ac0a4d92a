"""Who is alerted without guilt: merchants, payroll, families, victims; and victims recognised as victims."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from muledetect.clock import DAY, Moment, parse_time
from muledetect.evaluation.by_part import ratio_interval
from muledetect.evaluation.metrics import shown_share
from muledetect.frames import takes_tables

Float64Array = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class FalsePositiveCap:
    """The largest share of a group of innocents that may be alerted at the budget, 0 to 1."""

    group: str
    cap: float


#: No more than one in a hundred, as the budget of 1% gives to accounts drawn by lot; twice that for those who were
#: robbed, whose accounts do look like loss. A bank sets its own.
DEFAULT_CAPS: Final = (
    *(FalsePositiveCap(name, 0.01) for name in ("merchants", "payroll", "families", "sellers", "public", "paid")),
    FalsePositiveCap("victims", 0.02),
)

#: Group of each kind of account that a bank knows, and of each sort of life that a simulated world knows.
GROUP_OF_KIND: Final = {"merchant": "merchants", "biller": "merchants", "company": "payroll", "government": "public"}
GROUP_OF_PERSONA: Final = {
    **dict.fromkeys(("shop", "stall", "trader", "agent", "biller", "goods"), "merchants"),
    **dict.fromkeys(("salaried", "company"), "payroll"),
    **dict.fromkeys(("pensioner", "student", "migrant"), "families"),
    **dict.fromkeys(("seller", "gig"), "sellers"),
    **dict.fromkeys(("government", "temple"), "public"),
}


@takes_tables("accounts", "truth_accounts", "complaints", "transfers", "truth_transfers")
def innocent_groups(
    account_ids: npt.ArrayLike,
    *,
    accounts: pa.Table | None = None,
    truth_accounts: pa.Table | None = None,
    complaints: pa.Table | None = None,
    transfers: pa.Table | None = None,
    truth_transfers: pa.Table | None = None,
) -> pd.DataFrame:
    """Return which rows belong to which group: columns `group` and `row`, each pair once, in their order.

    Groups come from `accounts.kind`, from the persona and `is_victim` of `truth_accounts`, and from complaints
    (`victims`); with `transfers` and `truth_transfers`, `paid` are those where mules spent or cashed the money. What
    is not given says nothing. Guilt is left to the targets of `guard_innocents`.

    Parameters
    ----------
    account_ids : array of shape (n,)
        Account of each row.
    accounts, truth_accounts, complaints, transfers, truth_transfers : pyarrow.Table, optional
    """
    members: list[tuple[str, object]] = []
    for table, column, groups in (
        (accounts, "kind", GROUP_OF_KIND),
        (truth_accounts, "persona", GROUP_OF_PERSONA),
    ):
        if table is not None and column in table.column_names:
            pairs = zip(table["account_id"].to_pylist(), table[column].to_pylist(), strict=True)
            members += [(groups[value], account) for account, value in pairs if value in groups]
    if truth_accounts is not None and "is_victim" in truth_accounts.column_names:
        robbed = truth_accounts.filter(truth_accounts["is_victim"])
        members += [("victims", account) for account in robbed["account_id"].to_pylist()]
    if complaints is not None and "victim_account" in complaints.column_names:
        members += [("victims", account) for account in complaints["victim_account"].to_pylist()]
    if transfers is not None and truth_transfers is not None:
        used = truth_transfers.filter(pc.is_in(truth_transfers["kind"], pa.array(["spend", "exit"])))
        ids = used["transfer_id"].combine_chunks()
        is_used = pc.is_in(transfers["transfer_id"], ids.cast(transfers["transfer_id"].type))
        members += [("paid", account) for account in transfers.filter(is_used)["target"].to_pylist()]
    named = pd.DataFrame(members, columns=["group", "account_id"]).drop_duplicates()
    rows = pd.DataFrame({"account_id": np.asarray(account_ids, dtype=object), "row": np.arange(len(account_ids))})  # type: ignore[arg-type]
    found = named.astype(object).merge(rows, on="account_id")[["group", "row"]]
    return found.sort_values(["group", "row"], ignore_index=True)


def guard_innocents(
    y: npt.ArrayLike,
    score: npt.ArrayLike,
    groups: pd.DataFrame,
    *,
    k: float,
    caps: Sequence[FalsePositiveCap] = DEFAULT_CAPS,
    blocks: npt.ArrayLike | None = None,
    seed: int = 0,
) -> pd.DataFrame:
    """Return the false-positive rate of each group at the bank's k alerts, held against its cap.

    Parameters
    ----------
    y : array of shape (n,)
        Rows of target 1 or NaN are no innocents: they take alerts but count in no group.
    score : array of shape (n,)
    groups : table with `group`, `row`
        As `innocent_groups` gives.
    k : int or float below 1
        Alerts, or the share of all rows.
    caps : sequence of FalsePositiveCap
    blocks : array of shape (n,), optional
        Of the bootstrap, such as rings.
    seed : int

    Returns
    -------
    pandas.DataFrame
        One row a group that has a cap, in order of the caps: `group`, `n`, `n_alerted`, `rate`, `low`, `high` (95%),
        `cap`, `passes` (rate <= cap) and `is_sure` (the whole interval is on that side). A group without members
        passes and is not sure; its rate is NaN.
    """
    target = np.asarray(y, dtype=np.float64)
    shown = shown_share(np.asarray(score, dtype=np.float64), k)
    block = None if blocks is None else np.asarray(blocks)
    found = []
    for limit in caps:
        at = np.unique(groups.loc[groups["group"] == limit.group, "row"].to_numpy(dtype=np.int64))
        at = at[target[at] == 0]
        low, high = ratio_interval(shown[at], np.ones(len(at)), None if block is None else block[at], seed=seed)
        n_alerted = float(np.sort(shown[at]).sum())
        rate = n_alerted / len(at) if len(at) else float("nan")
        passes = not rate > limit.cap
        found.append(
            {"group": limit.group, "n": len(at), "n_alerted": n_alerted, "rate": rate, "low": low, "high": high}
            | {"cap": limit.cap, "passes": passes, "is_sure": high <= limit.cap if passes else low > limit.cap}
        )
    return pd.DataFrame(found)


@takes_tables("transfers", "complaints")
def likely_victims(
    transfers: pa.Table,
    suspected: Collection[str],
    as_of: Moment,
    *,
    complaints: pa.Table | None = None,
    least_share: float = 0.5,
    most_passed: float = 0.2,
) -> pd.DataFrame:
    """Return the accounts that lost money to suspected ones, and whether they look like victims; no truth is read.

    Parameters
    ----------
    transfers : pyarrow.Table
        `source`, `target`, `time`, `amount` (minor units); those at `as_of` or later are not looked at.
    suspected : collection of account ids
        Such as the alerts. A victim may be among them.
    as_of : Moment
        Exclusive.
    complaints : pyarrow.Table, optional
        `victim_account`, `target`, `known_ts`; those known before `as_of` count.
    least_share : float
        Drained: so much of all that the account ever paid went to suspected ones.
    most_passed : float
        Money that came in within a day before a loss may be this share of the loss; a relay passes on nearly all.

    Returns
    -------
    pandas.DataFrame
        One row an account that paid a suspected one, in order of `account_id`: `lost`, `lost_share` (of all that it
        paid), `passed_share` (0 to 1), `has_complaint` and `is_likely_victim`: complained or drained, passed on little,
        and named as the receiver by no complaint. Empty where nobody lost anything. O(n log n).
    """
    end = parse_time(as_of)
    rows = transfers.select(["source", "target", "time", "amount"]).to_pandas()
    rows["time"] = transfers["time"].cast(pa.int64()).to_numpy()
    rows[["source", "target"]] = rows[["source", "target"]].astype(object)
    rows = rows[(rows["time"] < end) & (rows["source"] != rows["target"])]
    losses = rows[rows["target"].isin(set(suspected)) & rows["source"].notna()]
    total = rows.groupby("source")["amount"].sum()
    found = losses.groupby("source")["amount"].sum().rename_axis("account_id").to_frame("lost")
    found["lost_share"] = found["lost"] / total.reindex(found.index)
    passed = _funded(losses, rows).reindex(found.index)
    found["passed_share"] = np.minimum(passed / found["lost"], 1.0)
    filed, named = _complaints_before(complaints, end)
    found["has_complaint"] = found.index.isin(filed)
    robbed = found["has_complaint"] | (found["lost_share"] >= least_share)
    found["is_likely_victim"] = robbed & (found["passed_share"] <= most_passed) & ~found.index.isin(named)
    ordered: pd.DataFrame = found.sort_index().reset_index()
    return ordered


def count_alerted_victims(
    victims: pd.DataFrame, alerted: Collection[str], true_victims: Collection[str] | None = None
) -> dict[str, float]:
    """Return how many likely victims are alerted, and, where truth is known, how well victims are recognised.

    `n_likely`, `n_alerted`, `alerted_share`; with `true_victims` also `precision` and `recall`. A share of nobody is
    NaN.
    """
    likely = set(victims.loc[victims["is_likely_victim"], "account_id"])
    n_alerted = len(likely & set(alerted))
    found = {
        "n_likely": float(len(likely)),
        "n_alerted": float(n_alerted),
        "alerted_share": _share(n_alerted, len(likely)),
    }
    if true_victims is not None:
        truth = set(true_victims)
        found |= {"precision": _share(len(likely & truth), len(likely))}
        found |= {"recall": _share(len(likely & truth), len(truth))}
    return found


def _funded(losses: pd.DataFrame, rows: pd.DataFrame) -> pd.Series[float]:
    """Return by source the money that came in within a day before each of its losses, at most the loss."""
    payer, payers = pd.factorize(losses["source"].astype(object))
    of = pd.Index(payers).get_indexer(pd.Index(rows["target"], dtype=object))
    received, of = rows[of >= 0], of[of >= 0]
    moments = np.unique(received["time"].to_numpy())
    # one number for an account and a moment, ascending with both
    size = len(moments) + 1
    key = of * size + np.searchsorted(moments, received["time"].to_numpy())
    order = np.argsort(key, kind="stable")
    sums = np.concatenate([[0], np.cumsum(received["amount"].to_numpy()[order])])
    at = losses["time"].to_numpy()

    def before(moment: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
        """Return what an account had got before a moment, over the sum of all accounts before it."""
        place = np.searchsorted(key[order], payer * size + np.searchsorted(moments, moment))
        return np.asarray(sums[place])

    came = np.minimum(before(at) - before(at - DAY), losses["amount"].to_numpy())
    return pd.Series(np.bincount(payer, weights=came, minlength=len(payers)), index=payers, dtype=np.float64)


def _complaints_before(complaints: pa.Table | None, end: int) -> tuple[set[str], set[str]]:
    if complaints is None:
        return set(), set()
    known = complaints.filter(pc.less(complaints["known_ts"].cast(pa.int64()), end))
    filed, named = (
        set(known[name].to_pylist()) - {None} if name in known.column_names else set()
        for name in ("victim_account", "target")
    )
    return filed, named


def _share(part: int, whole: int) -> float:
    return part / whole if whole else float("nan")
