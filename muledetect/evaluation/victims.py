"""Who was probably robbed by suspected accounts, and how many of them are alerted themselves."""

from __future__ import annotations

from collections.abc import Collection

import numba
import numpy as np
import pandas as pd
import pyarrow as pa

from muledetect.arrays import BoolArray, Int32Array, Int64Array
from muledetect.clock import DAY
from muledetect.facts import Snapshot
from muledetect.facts.matching import transfers_of
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
        and named as the receiver by no complaint. Empty where nobody lost anything. O(transfers of these accounts
        and of the suspected ones * log of their number).
    """
    graph, complaints = snapshot.graph, snapshot.complaints
    receiver = np.unique(graph.codes(sorted(suspected)))
    loss = _received(graph, receiver[receiver >= 0])
    of, amount = graph.source[loss], graph.amount[loss]
    lost, passed = (_summed(of, money, graph.n_accounts) for money in (amount, _funded(graph, loss)))
    account = np.unique(of)
    paid = _paid(account, *graph.outgoing, graph.target, graph.amount)
    found = pd.DataFrame({"account_id": graph.account_ids.take(pa.array(account)).to_pylist()}, dtype=object)
    found["lost"] = lost[account]
    found["lost_share"] = lost[account] / paid
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


def _received(graph: TransferGraph, account: Int32Array) -> Int64Array:
    """Return the positions of the transfers that accounts (distinct codes) received from others, ascending."""
    of, transfer = transfers_of(graph, account)
    return np.sort(transfer[(graph.target[transfer] == account[of]) & (graph.source[transfer] != account[of])])


def _funded(graph: TransferGraph, loss: Int64Array) -> Int64Array:
    """Return for each loss the money that its payer got within a day before it, at most the loss."""
    order = np.argsort(graph.source[loss], kind="stable")  # by payer, then in time
    came = np.zeros(len(loss), np.int64)
    came[order] = _came_before(loss[order], *graph.incoming, graph.source, graph.time, graph.amount)
    return np.minimum(came, graph.amount[loss])


@numba.njit(cache=True, nogil=True)
def _came_before(loss, start, stop, incoming, source, time, amount):  # type: ignore[no-untyped-def]
    """Return for each loss, by payer and in time, what its payer got from others within a day before.

    Invariant: `total` is the money of `incoming[first:behind]`.
    """
    found = np.zeros(len(loss), np.int64)
    first = behind = total = 0
    for k in range(len(loss)):
        payer, moment = source[loss[k]], time[loss[k]]
        if k == 0 or payer != source[loss[k - 1]]:
            first = behind = start[payer]
            total = 0
        while behind < stop[payer] and time[incoming[behind]] < moment:
            total += amount[incoming[behind]] * (source[incoming[behind]] != payer)
            behind += 1
        while first < behind and time[incoming[first]] < moment - DAY:
            total -= amount[incoming[first]] * (source[incoming[first]] != payer)
            first += 1
        found[k] = total
    return found


@numba.njit(cache=True, nogil=True)
def _paid(account, start, stop, outgoing, target, amount):  # type: ignore[no-untyped-def]
    """Return what each account ever paid to others."""
    found = np.zeros(len(account), np.int64)
    for k in range(len(account)):
        for j in range(start[account[k]], stop[account[k]]):
            found[k] += amount[outgoing[j]] * (target[outgoing[j]] != account[k])
    return found


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
