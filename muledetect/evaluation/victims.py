"""Who was probably robbed by suspected accounts, and how many of them are alerted themselves."""

from __future__ import annotations

from collections.abc import Collection

import numpy as np
import pandas as pd
import pyarrow as pa

from muledetect.arrays import BoolArray, Int32Array, Int64Array, each_first_at_least
from muledetect.clock import DAY
from muledetect.facts import Snapshot
from muledetect.graph import TransferGraph


def likely_victims(
    snapshot: Snapshot, suspected: Collection[str], *, least_share: float = 0.5, most_passed: float = 0.2
) -> pd.DataFrame:
    """Return the accounts that lost money to suspected ones, and whether they look like victims; no truth is read.

    Parameters
    ----------
    snapshot : Snapshot
        Transfers, and the complaints that count at its moment.
    suspected : collection of account ids
        Such as the alerts. A victim may be among them.
    least_share : float
        Drained: so much of all that the account ever paid went to suspected ones.
    most_passed : float
        Money that came in within a day before a loss may be this share of the loss; a relay passes on nearly all.

    Returns
    -------
    pandas.DataFrame
        One row an account that paid a suspected one, in order of `account_id`: `lost`, `lost_share` (of all that it
        paid), `passed_share` (0 to 1), `has_complaint` and `is_likely_victim`: complained or drained, passed on little,
        and named as the receiver by no complaint. Empty where nobody lost anything. O(transfers + n log n).
    """
    graph, complaints = snapshot.graph, snapshot.complaints
    is_suspected = _marked(graph.codes(sorted(suspected)), graph.n_accounts)
    between = graph.source != graph.target
    loss = np.flatnonzero(between & is_suspected[graph.target])
    of, amount = graph.source[loss], graph.amount[loss]
    paid = _summed(graph.source[between], graph.amount[between], graph.n_accounts)
    lost, passed = (_summed(of, money, graph.n_accounts) for money in (amount, _funded(graph, loss, between)))
    account = np.unique(of)
    found = pd.DataFrame({"account_id": graph.account_ids.take(pa.array(account)).to_pylist()}, dtype=object)
    found["lost"] = lost[account]
    found["lost_share"] = lost[account] / paid[account]
    found["passed_share"] = passed[account] / lost[account]
    found["has_complaint"] = _marked(complaints.payer, graph.n_accounts)[account]
    is_robbed = found["has_complaint"] | (found["lost_share"] >= least_share)
    is_named = _marked(complaints.payee, graph.n_accounts)[account]
    found["is_likely_victim"] = is_robbed & (found["passed_share"] <= most_passed) & ~is_named
    return found.sort_values("account_id", ignore_index=True)


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


def _funded(graph: TransferGraph, loss: Int64Array, between: BoolArray) -> Int64Array:
    """Return for each loss the money that its payer got within a day before it, at most the loss."""
    order = np.argsort(graph.target, kind="stable")  # by payee, then in time
    came = np.concatenate([[0], np.cumsum(np.where(between, graph.amount, 0)[order])])
    payee, time, payer = graph.target[order], graph.time[order], graph.source[loss]
    low, high = (np.searchsorted(payee, payer, side) for side in ("left", "right"))
    before, first = (each_first_at_least(time, low, high, graph.time[loss] - back) for back in (0, DAY))
    return np.asarray(np.minimum(came[before] - came[first], graph.amount[loss]))


def _summed(account: Int32Array, amount: Int64Array, n_accounts: int) -> Int64Array:
    sums = np.zeros(n_accounts, np.int64)
    np.add.at(sums, account, amount)
    return sums


def _marked(codes: Int32Array, n_accounts: int) -> BoolArray:
    found = np.zeros(n_accounts, np.bool_)
    found[codes[codes >= 0]] = True
    return found


def _share(part: int, whole: int) -> float:
    return part / whole if whole else float("nan")
