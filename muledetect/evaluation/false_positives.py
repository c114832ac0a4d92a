"""False positives by customer group: merchants, payroll, families, victims and others, each held against its cap."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from muledetect.evaluation.by_part import ratio_interval
from muledetect.frames import takes_tables
from muledetect.model.subgroups import shown_share


@dataclass(frozen=True, slots=True)
class FalsePositiveCap:
    """The largest share of the honest accounts of a customer group that may be alerted at the budget, 0 to 1."""

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


def budget_within_caps(
    y: npt.ArrayLike, score: npt.ArrayLike, groups: pd.DataFrame, *, caps: Sequence[FalsePositiveCap] = DEFAULT_CAPS
) -> int:
    """Return the largest number of alerts at which every customer group stays within its cap.

    Parameters
    ----------
    y : array of shape (n,)
        Rows of target 1 or NaN take alerts but count in no group.
    score : array of shape (n,)
    groups : table with `group`, `row`
        As `customer_groups` gives.
    caps : sequence of FalsePositiveCap

    Returns
    -------
    int
        0 if the first alert breaks a cap already; n if no group can break its cap. Rows of equal score are alerted
        together or not at all. O(n log n).
    """
    target, ranked = np.asarray(y, dtype=np.float64), np.asarray(score, dtype=np.float64)
    below = -np.inf
    for limit in caps:
        at = np.unique(groups.loc[groups["group"] == limit.group, "row"].to_numpy(dtype=np.int64))
        honest = -np.sort(-ranked[at[target[at] == 0]])
        allowed = int(np.floor(limit.cap * len(honest) + 1e-9))
        if allowed < len(honest):
            below = max(below, float(honest[allowed]))
    return int((ranked > below).sum())


@takes_tables("accounts", "truth_accounts", "complaints", "transfers", "truth_transfers")
def customer_groups(
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
    is not given says nothing. Mules are not left out here: `measure_false_positives` does that by the targets.

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


def measure_false_positives(
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
        Rows of target 1 or NaN take alerts but count in no group.
    score : array of shape (n,)
    groups : table with `group`, `row`
        As `customer_groups` gives.
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
